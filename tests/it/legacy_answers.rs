//! Whole answers of the model of 1.9 and of the way out of it, as text: sizes with where each comes from, refusals in
//! Flink's words, the new options and what is said of them.

use std::fmt::{Display, Write as _};

use headroom::{
    budget::{
        Configuration, FlinkCause, FlinkError, FlinkVersion, Origin,
        legacy::{
            container,
            migration::{Deployment, ManagedMemory, Migration, Question, Refusal, migrate},
            network_from_heap, process, start_script, started, unreadable,
        },
    },
    bytes::Bytes,
};
use serde::Serialize;
use serde_json::Value;

use crate::recorded;

/// `mebibytes=4096 migrate KEY=VALUE`: what the options make of so many mebibytes, where the scripts do not say it, and
/// with `migrate` (or `migrate=1.10`, for another version than 1.20) what becomes of them.
fn answer(question: &str) -> String {
    let (mut mebibytes, mut migrated_to) = (4096, None);
    let mut configuration = Configuration::new();
    for word in question.split(' ').filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        if key == "migrate" {
            migrated_to = Some(match value {
                "" => FlinkVersion::V1_20,
                version => version.parse().unwrap(),
            });
        } else if key == "mebibytes" {
            mebibytes = value.parse().unwrap();
        } else {
            configuration.push(key, value.replace('_', " "), Origin::FlinkConfiguration);
        }
    }
    let mut text = String::new();
    tell(
        &mut text,
        "container",
        container(&configuration, mebibytes).map(|plan| (plan.jvm_parameters(), plan)),
        of_flink,
    );
    tell(
        &mut text,
        "process",
        process(&configuration, mebibytes),
        of_flink,
    );
    let script = start_script(&configuration);
    let heap = match &script {
        Ok(Some(plan)) => plan.heap.bytes,
        _ => mebibytes << 20,
    };
    tell(
        &mut text,
        "script",
        script.map(|plan| plan.map(|plan| (plan.jvm_parameters(), plan))),
        |_| &[],
    );
    tell(
        &mut text,
        "started",
        started(&configuration, heap),
        of_flink,
    );
    tell(
        &mut text,
        "network",
        network_from_heap(&configuration, heap),
        of_flink,
    );
    for unreadable in unreadable(&configuration) {
        let _ = writeln!(
            text,
            "unreadable: {} = {:?}, taken for {}",
            unreadable.setting.key, unreadable.setting.value, unreadable.default
        );
    }
    let Some(to) = migrated_to else {
        return text;
    };
    let size = u64::try_from(mebibytes).ok().map(Bytes::from_mebibytes);
    for (name, deployment, managed) in [
        ("standalone", Deployment::Standalone, ManagedMemory::Keep),
        (
            "container",
            Deployment::Container { size },
            ManagedMemory::FromHeap,
        ),
        (
            "without managed memory",
            Deployment::Standalone,
            ManagedMemory::Drop,
        ),
    ] {
        let question = Question {
            deployment,
            to,
            managed,
        };
        tell_migration(&mut text, name, migrate(&configuration, &question));
    }
    text
}

fn of_flink(error: &FlinkError) -> &[FlinkCause] {
    &error.causes
}

fn tell<T: Serialize, E: Display>(
    text: &mut String,
    name: &str,
    answer: Result<T, E>,
    causes: impl Fn(&E) -> &[FlinkCause],
) {
    match answer {
        Ok(answer) => {
            let mut words = String::new();
            tell_value(&mut words, &serde_json::to_value(answer).unwrap());
            let _ = writeln!(text, "{name}:{words}");
        }
        Err(error) => {
            let _ = writeln!(text, "{name}: {error}");
            for cause in causes(&error) {
                let _ = writeln!(text, "  caused by {}: {}", cause.class, cause.message);
            }
        }
    }
}

/// Names and plain values, one after the other.
fn tell_value(words: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name != "source" {
                    let _ = write!(words, " {name}");
                }
                tell_value(words, value);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| tell_value(words, value)),
        Value::String(text) => {
            let _ = write!(words, " {text}");
        }
        other => {
            let _ = write!(words, " {other}");
        }
    }
}

fn tell_migration(text: &mut String, name: &str, migration: Result<Migration, Refusal>) {
    let migration = match migration {
        Ok(migration) => migration,
        Err(refusal) => {
            let _ = writeln!(text, "{name}: {refusal}");
            return;
        }
    };
    let keeps = if migration.keeps_sizes() {
        "keeps the sizes"
    } else {
        "does not keep all"
    };
    let _ = writeln!(text, "{name}: {keeps}");
    for option in &migration.options {
        let _ = writeln!(
            text,
            "  {}: {}: {}",
            option.key, option.value, option.reason
        );
    }
    for setting in &migration.carried_over {
        let _ = writeln!(text, "  as it was: {}: {}", setting.key, setting.value);
    }
    for one in &migration.job_manager {
        let mut words = String::new();
        tell_value(&mut words, &serde_json::to_value(one).unwrap());
        let _ = writeln!(text, "  JobManager{words}");
    }
    // Each size of a TaskManager of 1.9 with where it comes from stands in its own answer above.
    for one in migration.task_manager.iter().filter(|one| {
        one.difference_bytes
            .is_some_and(|difference| difference != 0)
    }) {
        let _ = writeln!(
            text,
            "  {} differs by {:?}",
            one.component, one.difference_bytes
        );
    }
    for note in &migration.notes {
        let _ = writeln!(
            text,
            "  {:?} {}: {}",
            note.kind,
            note.key.unwrap_or("-"),
            note.message
        );
    }
    for conflict in &migration.conflicts {
        let _ = writeln!(text, "  {}: {}", conflict.code, conflict.message);
    }
}

#[test]
fn every_answer_of_1_9_is_as_recorded() {
    recorded::compare("legacy.txt", 40, answer);
}
