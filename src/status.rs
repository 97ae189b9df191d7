//! The status of a pool: a function of the pool, of what was applied and observed, and of the time.
//!
//! Status describes objects that the API server answered, never objects that were merely meant. Nothing in it
//! changes while nothing happens: the same inputs give the same status, whenever they are asked for, and the only
//! thing that ever takes the clock is the time at which a condition changed.

mod budget;
mod conditions;
mod conflicts;
mod quality_of_service;
mod rollout;

use k8s_openapi::{api::apps::v1::Deployment, jiff::Timestamp};
use kube::ResourceExt;

use crate::{
    api::v1alpha1::{TaskManagerPool, TaskManagerPoolStatus},
    desired::{Applied, Invalid, Resources, ValidatedPool, selector_text},
};

pub use conditions::{AVAILABLE, BUDGET_RESOLVED, READY, RECONCILING, STALLED};
use rollout::Rollout;

/// What became of one reconciliation of a pool.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// Every child was applied.
    Applied {
        /// The pool.
        pool: &'a ValidatedPool,
        /// What the API server answered.
        resources: &'a Resources<Applied>,
    },
    /// The spec cannot run; nothing was written.
    Invalid {
        /// Why.
        invalid: &'a Invalid,
        /// The pool's Deployment as it was last observed, from a spec that did run.
        deployment: Option<&'a Deployment>,
    },
    /// The spec can run, but a child could not be applied, and trying again does not help by itself.
    Blocked {
        /// The pool.
        pool: &'a ValidatedPool,
        /// Why.
        cause: &'a Blocked,
        /// The pool's Deployment as it was last observed.
        deployment: Option<&'a Deployment>,
    },
}

/// Why a child could not be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// An object of the child's name belongs to somebody else.
    ForeignObject {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
        /// Who controls it, as `Kind/name`; `None` if nobody does.
        owner: Option<String>,
    },
    /// The API server refused the child: its schema, an admission policy, a missing permission.
    Rejected {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
        /// What the API server said.
        message: String,
    },
}

/// The status that a pool should have now.
///
/// # Guarantees
/// `selector` is set from the first status on. A condition keeps its `lastTransitionTime` while its status stays.
/// While the spec is invalid, `budget` is the last one that solved. Every text fits the schema.
#[must_use]
pub fn compute_status(
    pool: &TaskManagerPool,
    outcome: &Outcome<'_>,
    now: Timestamp,
) -> TaskManagerPoolStatus {
    let previous = pool.status.clone().unwrap_or_default();
    let (deployment, validated) = match outcome {
        Outcome::Applied { pool, resources } => (Some(&resources.deployment), Some(*pool)),
        Outcome::Blocked {
            pool, deployment, ..
        } => (*deployment, Some(*pool)),
        Outcome::Invalid { deployment, .. } => (*deployment, None),
    };
    let rollout = Rollout::observe(deployment, validated.map(|pool| pool.replicas));
    let found = match outcome {
        Outcome::Applied { pool, .. } | Outcome::Blocked { pool, .. } => &pool.warnings,
        Outcome::Invalid { invalid, .. } => &invalid.conflicts,
    };
    let described = match outcome {
        Outcome::Applied { pool, resources } => budget::describe(pool, &resources.deployment),
        // What runs, runs with what it had.
        Outcome::Invalid { .. } | Outcome::Blocked { .. } => budget::Description {
            number_of_task_slots: previous.number_of_task_slots,
            qos_class: previous.qos_class.clone(),
            summary: previous.summary.clone(),
            budget: previous.budget.clone(),
        },
    };
    TaskManagerPoolStatus {
        observed_generation: pool.metadata.generation,
        replicas: rollout.replicas,
        ready_replicas: rollout.ready,
        updated_replicas: rollout.updated,
        available_replicas: rollout.available,
        selector: Some(selector_text(&pool.name_any())),
        number_of_task_slots: described.number_of_task_slots,
        qos_class: described.qos_class,
        summary: described.summary,
        budget: described.budget,
        conflicts: conflicts::list(found),
        joint_suggestion: match outcome {
            Outcome::Invalid { invalid, .. } => conflicts::suggestions(&invalid.joint, 16),
            Outcome::Applied { .. } | Outcome::Blocked { .. } => Vec::new(),
        },
        conditions: conditions::compute(
            outcome,
            &rollout,
            pool.metadata.generation,
            &previous.conditions,
            now,
        ),
    }
}
