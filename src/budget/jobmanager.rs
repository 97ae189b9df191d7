//! The JobManager's memory: the unified model of Flink 1.11 and later, and the cut-off of 1.10.
//!
//! Mirrors `JobManagerFlinkMemoryUtils` and `JobManagerProcessUtils`; the totals and the JVM's share are in
//! `budget::process`. The doors are [`solve`] and [`derive()`], as for a TaskManager.

mod answer;
mod derivation;

pub use self::answer::{
    CutoffBudget, JobManagerBudget, UnifiedBudget, derive, dynamic_configurations,
    dynamic_configurations_line, jvm_parameters, solve,
};
pub(super) use self::derivation::{JobManagerDerivation, run};
