//! The answer to a configuration that the command line itself gives.

use super::super::{
    answer::{Answer, Subject, answer_request},
    arguments::Question,
};
use crate::{
    budget::{Configuration, FlinkVersion, Origin, Request, Role, heap_environment, options},
    desired::profile_unknown_to,
};

pub(super) fn answer_options(question: &Question, version: FlinkVersion) -> Answer {
    let (role, mode) = (question.which.role(), question.which.mode());
    let (process_size, flink_size) = match role {
        Role::TaskManager => (options::PROCESS_SIZE, options::FLINK_SIZE),
        Role::JobManager => (
            options::JOBMANAGER_PROCESS_SIZE,
            options::JOBMANAGER_FLINK_SIZE,
        ),
    };
    let shorthands = [
        (process_size, &question.process_size),
        (flink_size, &question.flink_size),
    ];
    let mut configuration = Configuration::new();
    for (key, value) in shorthands {
        if let Some(value) = value {
            configuration.push(key, value.clone(), Origin::CommandLine);
        }
    }
    for (key, value) in &question.options {
        configuration.push(key.clone(), value.clone(), Origin::CommandLine);
    }
    let subject = Subject {
        role,
        mode,
        flink_version: version.to_string(),
        ..Subject::default()
    };
    let mut request = Request::new(version, configuration)
        .with_role(role)
        .with_mode(mode);
    request
        .legacy_heap_environment
        .clone_from(&question.heap_environment);
    if let Some(limit) = &question.container_limit {
        request = request.with_container_limit(limit.bytes);
    }
    if let Some(limit) = question.cpu_limit {
        request = request.with_cpu_limit(limit);
    }
    if let Some(profile) = question.profile {
        request = request.with_profile(profile);
    }
    for (kind, bytes) in &question.reserves {
        request = request.with_reserve(*kind, *bytes, Origin::CommandLine);
    }
    let profile = request.profile;
    let mut answer = answer_request(subject, request);
    answer
        .conflicts
        .splice(0..0, profile_unknown_to(version, profile));
    answer.speak_by(place_of_option);
    answer
}

/// What is odd about the options, beside what the solver says.
pub(super) fn warnings(question: &Question, version: FlinkVersion) -> Vec<String> {
    let limit = question
        .container_limit
        .iter()
        .filter_map(|limit| limit.warning.as_ref())
        .map(|warning| format!("--container-limit: {warning}"));
    let role = question.which.role();
    let environment = question.heap_environment.iter().filter_map(|_| {
        let variable = heap_environment(role);
        let has_cutoff = role == Role::JobManager && version == FlinkVersion::V1_10;
        has_cutoff.then(|| {
            format!("--heap-environment: {variable} is not taken into account for a JobManager of Flink {version}")
        })
    });
    limit.chain(environment).collect()
}

/// The place on the command line of what a pool has elsewhere.
fn place_of_option(key: &str, origin: Option<&Origin>, path: &str) -> Option<String> {
    match origin {
        Some(Origin::ContainerLimit) => Some("--container-limit".to_owned()),
        Some(Origin::Environment) => Some("--heap-environment".to_owned()),
        _ if path == "spec.memory.profile" => Some("--profile".to_owned()),
        _ if path.starts_with("spec.memory.reserves.") => Some(format!("--reserve {key}")),
        _ if path.starts_with("spec.") => Some(Origin::CommandLine.path(key)),
        _ => None,
    }
}
