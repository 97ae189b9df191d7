//! The rules that a process has wherever it is started: its sizes, its errors, what is logged, which keys are deprecated.

use headroom::budget::{FlinkVersion, Role, Source, derive, jobmanager as solver, options};

use super::{Rule, errors, jobmanager, logs, reachable, taskmanager};
use crate::flink_diff::{
    ask::request,
    generate::{
        jobmanager::DEPRECATED as OF_JOBMANAGER, taskmanager::DEPRECATED as OF_TASKMANAGER,
    },
    question::Question,
};

/// What the solver's answer to a question shows.
pub fn hit(version: FlinkVersion, question: &Question) -> Vec<String> {
    let request = request(version, question);
    let derived = match request.role {
        Role::TaskManager => derive(&request).map(|budget| taskmanager::hit(&budget)),
        Role::JobManager => {
            solver::derive(&request).map(|budget| jobmanager::hit(&budget, question))
        }
    };
    let mut hit = derived.unwrap_or_else(|error| errors::hit(&error));
    hit.extend(logs::hit(&request));
    for (deprecated, proper) in deprecated(version, request.role) {
        if question.has(deprecated) {
            let beside = if question.has(proper) {
                " beside its proper spelling"
            } else {
                ""
            };
            hit.push(format!("deprecated {deprecated}{beside}"));
        }
    }
    hit
}

/// Every rule.
pub fn rules(version: FlinkVersion, role: Role) -> Vec<Rule> {
    let mut rules = match role {
        Role::TaskManager => taskmanager::rules(version),
        Role::JobManager => jobmanager::rules(version),
    };
    rules.extend(errors::texts().map(|name| reachable(format!("text: {name}"))));
    rules.extend(logs::rules(version, role));
    for (deprecated, _) in deprecated(version, role) {
        rules.push(reachable(format!("deprecated {deprecated}")));
        rules.push(reachable(format!(
            "deprecated {deprecated} beside its proper spelling"
        )));
    }
    rules
}

/// The deprecated spellings that are still read, each with the proper one.
pub fn deprecated(version: FlinkVersion, role: Role) -> &'static [(&'static str, &'static str)] {
    match role {
        Role::TaskManager => &OF_TASKMANAGER,
        Role::JobManager if version == FlinkVersion::V1_10 => &OF_JOBMANAGER,
        Role::JobManager => &[],
    }
}

/// Where a size came from.
pub fn source(source: &Source) -> String {
    let direction = |inverse: &bool| if *inverse { ", inverse" } else { "" };
    let is_legacy = |option: &str| {
        [
            options::HEAP_SIZE,
            options::HEAP_MB,
            options::HEAP_ENVIRONMENT,
            options::JOBMANAGER_HEAP_SIZE,
            options::JOBMANAGER_HEAP_MB,
            options::JOBMANAGER_HEAP_ENVIRONMENT,
        ]
        .contains(&option)
    };
    match source {
        Source::Configured { option, .. } if is_legacy(option) => {
            format!("configured by {option}")
        }
        Source::Configured { .. } => "configured".to_owned(),
        Source::Default { .. } => "default".to_owned(),
        Source::ContainerLimit => "container limit".to_owned(),
        Source::Fraction { inverse, .. } => format!("fraction{}", direction(inverse)),
        Source::ClampedToMinimum { inverse, .. } => format!("minimum{}", direction(inverse)),
        Source::ClampedToMaximum { inverse, .. } => format!("maximum{}", direction(inverse)),
        Source::BufferCount { .. } => "buffers".to_owned(),
        Source::Remainder { .. } => "rest".to_owned(),
        Source::Sum { .. } => "sum".to_owned(),
    }
}
