//! Everything that needs a real Kubernetes API server, in one binary so that one control plane
//! serves it all. How to write a module: see the documentation of the crate `e2e`.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod api_server_transcript;
mod audit;
mod cluster;
mod command;
mod flink_diff;
mod flink_pages;
mod install;
mod install_forms;
mod install_helm;
mod install_kustomize;
mod install_least_privilege;
mod install_user_roles;
mod nodes;
mod pool;
mod pool_codes;
mod pool_conflict;
mod pool_definition;
mod pool_diff;
mod pool_input;
mod pool_lifecycle;
mod pool_main;
mod pool_rest;
mod pool_rollout;
mod pool_scale;
mod pool_walk;
mod programs;
mod readme;
mod real_flink;
mod real_flink_files;
mod resource;
mod sarif;
