//! Whole diagnoses, as text: every conflict with its numbers and its ways out, the joint one, the smallest containers.

use std::fmt::Write as _;

use headroom::{
    budget::{
        Component, Configuration, Conflict, FlinkError, Infeasible, MilliCpu, Mode, Origin,
        Profile, Request, ReserveKind, Role, Suggestion, comfortable_container_limit, jobmanager,
        known_components, minimum_container_limit, nearest_feasible, remarks, solve,
    },
    bytes::Bytes,
    quantity,
};

use crate::recorded;

/// `1.20 jobmanager kubernetes limit=2Gi request=1Gi cpu=2 environment=1g profile=Batch pythonWorkers=512Mi KEY=VALUE
/// @KEY=VALUE -DKEY=VALUE`; what begins with `@` stands in a typed field.
fn request(question: &str) -> Request {
    let mut words = question.split(' ');
    let version = words.next().unwrap().parse().unwrap();
    let mut request = Request::new(version, Configuration::new());
    for word in words {
        request = match word.split_once('=') {
            None if word == "jobmanager" => request.with_role(Role::JobManager),
            None => {
                assert_eq!(word, "kubernetes", "{question}");
                request.with_mode(Mode::Kubernetes)
            }
            Some(("limit", value)) => {
                request.with_container_limit(quantity::parse_memory(value).unwrap())
            }
            Some(("request", value)) => {
                request.with_memory_request(quantity::parse_memory(value).unwrap())
            }
            Some(("cpu", value)) => request.with_cpu_limit(MilliCpu::parse(value).unwrap()),
            Some(("environment", value)) => Request {
                legacy_heap_environment: Some(value.to_owned()),
                ..request
            },
            Some(("profile", value)) => {
                let profile = Profile::ALL.into_iter().find(|one| one.as_str() == value);
                request.with_profile(profile.unwrap())
            }
            Some((key, value)) => {
                let kind = ReserveKind::ALL
                    .into_iter()
                    .find(|kind| kind.as_str() == key);
                if let Some(kind) = kind {
                    let bytes = quantity::parse_memory(value).unwrap();
                    request.with_reserve(
                        kind,
                        bytes,
                        Origin::field(format!("spec.memory.reserves.{key}")),
                    )
                } else {
                    let (key, origin) = match (key.strip_prefix('@'), key.strip_prefix("-D")) {
                        (Some(key), _) => (key, Origin::field(format!("spec.{key}"))),
                        (None, Some(key)) => (key, Origin::CommandLine),
                        (None, None) => (key, Origin::FlinkConfiguration),
                    };
                    request.configuration.push(key, value, origin);
                    request
                }
            }
        };
    }
    request
}

fn answer(request: &Request) -> String {
    let mut text = String::new();
    let answer = match request.role {
        Role::TaskManager => solve(request).map(|budget| {
            tell_components(&mut text, &budget.components());
            for (name, amount) in &budget.external_resources {
                let _ = writeln!(text, "  {amount} of {name}");
            }
            if let Some(profile) = &budget.profile {
                for value in &profile.values {
                    let _ = writeln!(
                        text,
                        "  {:?} sets {} to {}",
                        profile.profile, value.name, value.value
                    );
                }
            }
            budget.warnings
        }),
        Role::JobManager => jobmanager::solve(request).map(|budget| {
            tell_components(&mut text, &budget.components());
            budget.warnings().to_vec()
        }),
    };
    match &answer {
        Err(infeasible) => tell(&mut text, infeasible),
        Ok(warnings) => {
            for warning in warnings {
                tell_conflict(&mut text, warning);
            }
        }
    }
    for remark in remarks(request) {
        let _ = writeln!(text, "log: {remark:?}");
    }
    if answer.is_err() {
        for (name, component) in known_components(request) {
            let _ = writeln!(text, "known: {name} {}", component.bytes.get());
        }
    }
    if request.role == Role::TaskManager && request.container_limit.is_some() {
        match nearest_feasible(request) {
            Some((_, changes)) => changes
                .iter()
                .for_each(|change| tell_change(&mut text, "nearest", change)),
            None => text.push_str("nearest: none\n"),
        }
    }
    let limit =
        |limit: Option<Bytes>| limit.map_or_else(|| "none".to_owned(), quantity::memory_text);
    let _ = writeln!(
        text,
        "containers: at least {}, comfortable {}",
        limit(minimum_container_limit(request)),
        limit(comfortable_container_limit(request))
    );
    text
}

fn tell_components(text: &mut String, components: &[(&'static str, &Component)]) {
    text.push_str("it solves\n");
    for (name, component) in components {
        let _ = writeln!(
            text,
            "  {name} {}: {:?}",
            component.bytes.get(),
            component.source
        );
    }
}

fn tell(text: &mut String, infeasible: &Infeasible) {
    for conflict in &infeasible.conflicts {
        tell_conflict(text, conflict);
    }
    for change in &infeasible.joint {
        tell_change(text, "joint", change);
    }
    let first = infeasible.flink_error.as_ref();
    let of_conflict = first.and_then(|error| {
        let mut conflicts = infeasible.conflicts.iter();
        conflicts.find(|conflict| conflict.flink_error.as_ref() == Some(error))
    });
    match (of_conflict, first) {
        (Some(conflict), _) => {
            let _ = writeln!(text, "Flink: that of {}", conflict.code);
        }
        (None, Some(error)) => tell_error(text, "Flink", error),
        (None, None) => text.push_str("Flink: starts\n"),
    }
}

fn tell_conflict(text: &mut String, conflict: &Conflict) {
    let _ = writeln!(
        text,
        "{:?} {}: {} is to be {}",
        conflict.severity, conflict.code, conflict.configured, conflict.bound
    );
    let _ = writeln!(text, "  {}", conflict.message);
    for option in &conflict.options {
        let default = if option.is_default {
            ", the default"
        } else {
            ""
        };
        let _ = writeln!(text, "  option {} = {}{default}", option.path, option.value);
    }
    for term in &conflict.sum {
        let key = term.key.unwrap_or("no option");
        let _ = writeln!(text, "  + {} {} ({key})", term.name, term.bytes.get());
    }
    if let Some(total) = &conflict.total {
        let _ = writeln!(
            text,
            "  = {} {}, to be {}",
            total.name,
            total.bytes.get(),
            total.bound
        );
    }
    for change in &conflict.assuming {
        tell_change(text, "  assuming", change);
    }
    for change in &conflict.suggestions {
        tell_change(text, "  fix", change);
    }
    if let Some(error) = &conflict.flink_error {
        tell_error(text, "  Flink", error);
    }
}

fn tell_change(text: &mut String, what: &str, change: &Suggestion) {
    let current = change.current.as_deref().unwrap_or("nothing");
    let exact = change.exact.as_ref().map(|exact| format!(", {exact}"));
    let _ = writeln!(
        text,
        "{what}: {change}, now {current}{}",
        exact.unwrap_or_default()
    );
}

fn tell_error(text: &mut String, who: &str, error: &FlinkError) {
    let class = |class: &'static str| class.rsplit('.').next().unwrap_or(class);
    let _ = writeln!(text, "{who}: {}: {}", class(error.class), error.message);
    for cause in &error.causes {
        let _ = writeln!(
            text,
            "{who}: caused by {}: {}",
            class(cause.class),
            cause.message
        );
    }
}

#[test]
fn every_diagnosis_is_as_recorded() {
    recorded::compare("diagnoses.txt", 60, |question| answer(&request(question)));
}
