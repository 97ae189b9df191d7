//! Everything that needs a real Kubernetes API server, in one binary so that one control plane
//! serves it all. How to write a module: see the documentation of the crate `e2e`.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod api_server_transcript;
mod audit;
mod cluster;
mod command;
mod install;
mod install_forms;
mod install_helm;
mod install_kustomize;
mod install_least_privilege;
mod install_user_roles;
mod nodes;
mod programs;
mod readme;
mod real_flink;
mod resource;
