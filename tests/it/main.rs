//! The tests that see the crate from outside, in one binary: one module per subject.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps fails, as it should"
)]

#[cfg(feature = "cli")]
mod annotations;
mod budget_answers;
mod budget_conflicts;
mod budget_diagnoses;
mod budget_jobmanager;
mod budget_kubernetes;
mod budget_migration;
mod budget_properties;
mod budget_reserves;
mod budget_vectors;
mod capped_fractions;
#[cfg(feature = "api")]
mod chart;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod cli_pool;
#[cfg(feature = "cli")]
mod cli_program;
#[cfg(all(feature = "cli", feature = "operator"))]
mod cli_render;
#[cfg(feature = "cli")]
mod cli_transcripts;
#[cfg(feature = "api")]
mod configuration_file;
#[cfg(feature = "cli")]
mod conflict_pages;
#[cfg(feature = "operator")]
mod controller_behaviour;
#[cfg(feature = "operator")]
mod controller_crash;
#[cfg(feature = "cli")]
mod documentation;
#[cfg(feature = "api")]
mod example_pools;
#[cfg(feature = "operator")]
mod fake_api;
#[cfg(feature = "operator")]
mod fake_api_transcript;
#[cfg(feature = "cli")]
mod fuzz_corpus;
mod legacy_answers;
#[cfg(feature = "cli")]
mod linter;
#[cfg(feature = "cli")]
mod picture;
#[cfg(feature = "api")]
mod pod_template_merge;
#[cfg(feature = "api")]
mod pod_template_privileges;
#[cfg(feature = "api")]
mod pool_status;
mod recorded;
mod sharing_properties;
