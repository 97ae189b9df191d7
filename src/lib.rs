//! Headroom sizes Apache Flink TaskManager pods on Kubernetes, byte for byte as Flink does.
//!
//! The modules depend on each other in one direction only (`ARCHITECTURE.md` draws it):
//! `bytes`, `quantity` <- `budget` <- `configuration`, `api` <- `desired`, `status` <- `controller`, `cli`.
//! `pool` stands beside them and uses none of them but `bytes`.
//! The pure core builds alone: `cargo check --lib --no-default-features`.

#[cfg(feature = "api")]
pub mod api;
pub mod budget;
pub mod bytes;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "configuration")]
pub mod configuration;
#[cfg(feature = "operator")]
pub mod controller;
#[cfg(feature = "api")]
pub mod desired;
#[cfg(feature = "api")]
pub mod manifest;
#[cfg(feature = "cli")]
pub mod picture;
pub mod pool;
pub mod quantity;
#[cfg(feature = "api")]
pub mod status;
#[cfg(feature = "operator")]
pub mod telemetry;
