//! The conditions of a pool, for `kubectl wait`, for people, and for tools that read kstatus.
//!
//! `Ready`, `Available` and `BudgetResolved` are always there. `Reconciling` and `Stalled` are there only while
//! they are true. Every message ends with the way out where there is one.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use super::{Blocked, Outcome, conflicts::cut, rollout::Rollout};
use crate::{
    budget::{Conflict, Severity},
    bytes::Bytes,
    desired::{Invalid, ValidatedPool},
};

/// Every TaskManager of the declared size is available.
pub const READY: &str = "Ready";
/// As many TaskManagers as were asked for are available.
pub const AVAILABLE: &str = "Available";
/// The spec has a budget.
pub const BUDGET_RESOLVED: &str = "BudgetResolved";
/// The cluster is on its way to what the spec asks for.
pub const RECONCILING: &str = "Reconciling";
/// Nothing will happen until somebody does something.
pub const STALLED: &str = "Stalled";

/// Longest message.
const MESSAGE: usize = 1024;

/// A condition without its times.
struct State {
    kind: &'static str,
    status: bool,
    reason: String,
    message: String,
}

impl State {
    fn new(
        kind: &'static str,
        status: bool,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            status,
            reason: reason.into(),
            message: message.into(),
        }
    }
}

/// All conditions; one keeps the time of its last transition while its status stays.
pub(super) fn compute(
    outcome: &Outcome<'_>,
    rollout: &Rollout,
    generation: Option<i64>,
    previous: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let budget = budget_resolved(outcome, rollout);
    let available = available(outcome, rollout);
    let stalled = stalled(outcome, rollout);
    let reconciling = if stalled.is_some() {
        None
    } else {
        reconciling(outcome, rollout)
    };
    let ready = ready(&budget, &available, stalled.as_ref(), reconciling.as_ref());
    [
        Some(ready),
        Some(available),
        Some(budget),
        reconciling,
        stalled,
    ]
    .into_iter()
    .flatten()
    .map(|state| {
        let status = if state.status { "True" } else { "False" };
        let unchanged = previous
            .iter()
            .find(|condition| condition.type_ == state.kind && condition.status == status);
        Condition {
            type_: state.kind.to_owned(),
            status: status.to_owned(),
            reason: state.reason,
            message: cut(&state.message, MESSAGE),
            observed_generation: generation,
            last_transition_time: unchanged.map_or_else(
                || Time(now),
                |condition| condition.last_transition_time.clone(),
            ),
        }
    })
    .collect()
}

fn budget_resolved(outcome: &Outcome<'_>, rollout: &Rollout) -> State {
    let pool = match outcome {
        Outcome::Applied { pool, .. } | Outcome::Blocked { pool, .. } => pool,
        Outcome::Invalid { invalid, .. } => {
            let consequence = if rollout.exists {
                "; the Deployment stays as it was"
            } else {
                "; no Deployment is created before it solves"
            };
            let message = format!("{}{consequence}", summary_of_errors(invalid));
            return State::new(BUDGET_RESOLVED, false, first_code(invalid), message);
        }
    };
    if !pool.adjustments.is_empty() {
        let changes: Vec<_> = pool.adjustments.iter().map(ToString::to_string).collect();
        let message = format!(
            "the options contradict each other, and the nearest budget that solves is used: {}; make these changes \
             to the spec to be rid of this",
            changes.join(", ")
        );
        return State::new(BUDGET_RESOLVED, true, "UsingLargestFeasible", message);
    }
    match pool.warnings.as_slice() {
        [] => State::new(BUDGET_RESOLVED, true, "Solved", solved(pool)),
        [first, rest @ ..] => {
            let more = if rest.is_empty() {
                String::new()
            } else {
                format!(" (and {} more)", rest.len())
            };
            let message = format!("{}; {}: {}{more}", solved(pool), first.code, first.message);
            State::new(BUDGET_RESOLVED, true, "SolvedWithWarnings", message)
        }
    }
}

fn solved(pool: &ValidatedPool) -> String {
    let budget = &pool.budget;
    match budget.container_limit {
        Some(limit) => format!(
            "the process takes {} of the container's {limit}{}",
            budget.total_process.bytes,
            match budget.reserved() {
                Bytes::ZERO => String::new(),
                reserved => format!(", and {reserved} are reserved beside it"),
            }
        ),
        None => format!("the process takes {}", budget.total_process.bytes),
    }
}

fn available(outcome: &Outcome<'_>, rollout: &Rollout) -> State {
    let suspended = match outcome {
        Outcome::Applied { pool, .. } | Outcome::Blocked { pool, .. } => pool.suspended,
        Outcome::Invalid { .. } => false,
    };
    if !rollout.exists {
        return State::new(AVAILABLE, false, "NotCreated", "there is no Deployment yet");
    }
    if rollout.desired == 0 {
        return if suspended {
            State::new(
                AVAILABLE,
                true,
                "Suspended",
                "no TaskManager is asked for: spec.suspend is true",
            )
        } else {
            State::new(
                AVAILABLE,
                true,
                "ScaledToZero",
                "no TaskManager is asked for: spec.replicas is 0",
            )
        };
    }
    let count = format!(
        "{} of {} TaskManagers are available",
        rollout.available.min(rollout.desired),
        rollout.desired
    );
    if rollout.is_available() {
        State::new(AVAILABLE, true, "MinimumReplicasAvailable", count)
    } else {
        let why = rollout
            .failure
            .as_ref()
            .map(|(_, message)| format!(": {message}"))
            .unwrap_or_default();
        State::new(
            AVAILABLE,
            false,
            "ReplicasUnavailable",
            format!("{count}{why}"),
        )
    }
}

fn stalled(outcome: &Outcome<'_>, rollout: &Rollout) -> Option<State> {
    match outcome {
        Outcome::Invalid { invalid, .. } => Some(State::new(
            STALLED,
            true,
            "ConflictingConfiguration",
            summary_of_errors(invalid),
        )),
        Outcome::Blocked { cause, .. } => Some(blocked(cause)),
        Outcome::Applied { .. } => {
            let (reason, message) = rollout.failure.as_ref()?;
            let way_out = match *reason {
                "ReplicaFailure" => "give the namespace room, or ask for less",
                _ => "look at the pods' events; a new spec starts a new rollout",
            };
            Some(State::new(
                STALLED,
                true,
                *reason,
                format!("{message}; {way_out}"),
            ))
        }
    }
}

fn blocked(cause: &Blocked) -> State {
    match cause {
        Blocked::ForeignObject { kind, name, owner } => {
            let belongs = match owner {
                Some(owner) => format!("belongs to {owner}"),
                None => "was not created by this pool".to_owned(),
            };
            let message = format!(
                "{kind} {name} {belongs} and is left alone; delete or rename it, or rename the pool"
            );
            State::new(STALLED, true, "ForeignObject", message)
        }
        Blocked::Rejected {
            kind,
            name,
            message,
        } => {
            let message = format!(
                "the API server refused {kind} {name}: {message}; change the spec or the policy"
            );
            State::new(STALLED, true, "ApplyRejected", message)
        }
    }
}

fn reconciling(outcome: &Outcome<'_>, rollout: &Rollout) -> Option<State> {
    if !matches!(outcome, Outcome::Applied { .. }) || (rollout.observed && rollout.is_complete()) {
        return None;
    }
    let Rollout {
        desired,
        replicas,
        updated,
        available,
        ..
    } = *rollout;
    let (reason, message) = if rollout.observed && updated == replicas && updated != desired {
        (
            "Scaling",
            format!("{replicas} of {desired} TaskManagers exist"),
        )
    } else if rollout.observed && updated == replicas {
        (
            "WaitingForPods",
            format!("{available} of {desired} TaskManagers are available"),
        )
    } else {
        (
            "RollingOut",
            format!("{updated} of {desired} TaskManagers run with the current spec"),
        )
    };
    Some(State::new(RECONCILING, true, reason, message))
}

/// Mirrors the first of the others that is not as it should be.
fn ready(
    budget: &State,
    available: &State,
    stalled: Option<&State>,
    reconciling: Option<&State>,
) -> State {
    let failing = [
        Some(budget).filter(|state| !state.status),
        stalled,
        Some(available).filter(|state| !state.status),
        reconciling,
    ];
    match failing.into_iter().flatten().next() {
        Some(state) => State::new(READY, false, state.reason.clone(), state.message.clone()),
        None => State::new(READY, true, "AsExpected", available.message.clone()),
    }
}

fn first_code(invalid: &Invalid) -> &'static str {
    invalid
        .errors()
        .next()
        .map_or("Invalid", |conflict: &Conflict| conflict.code.as_str())
}

/// How many conflicts there are, and the first, whose message ends with its way out.
fn summary_of_errors(invalid: &Invalid) -> String {
    let count = |severity| {
        invalid
            .conflicts
            .iter()
            .filter(|conflict| conflict.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    let mut text = plural(errors, "conflict");
    if warnings > 0 {
        text.push_str(&format!(" and {}", plural(warnings, "warning")));
    }
    let Some(first) = invalid.errors().next() else {
        return text;
    };
    let lead = if errors == 1 { "" } else { ", the first" };
    text.push_str(&format!("{lead}: {}", first.message));
    text
}
