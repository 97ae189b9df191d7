//! The PodDisruptionBudget of a pool: at most one TaskManager at a time may be evicted.
//!
//! Flink restarts a whole job when it loses a TaskManager, so a node drain that takes two at once costs no more
//! than one that takes one; but it also takes the slots that the job restarts into.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{ValidatedPool, labels, metadata};

pub(super) fn build_pod_disruption_budget(pool: &ValidatedPool) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(pool, &pool.name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(labels::selector(&pool.name)),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
