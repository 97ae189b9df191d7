//! The rules that an answer shows by itself: a result, under which circumstances of the question, or which error.
//!
//! Read from Flink's answer; where the two sides agree it is the solver's as well.

use headroom::budget::{
    Configuration, FlinkVersion, Origin,
    legacy::{container, network_from_heap, process},
};
use serde_json::Value;

use super::{Rule, reachable};
use crate::flink_diff::{
    question::{Kind, Question},
    versions::Release,
};

/// The kinds of result partitions that 1.13 knew, and those that came with 1.16.
const TYPES: [&str; 5] = [
    "BLOCKING",
    "BLOCKING_PERSISTENT",
    "PIPELINED",
    "PIPELINED_BOUNDED",
    "PIPELINED_APPROXIMATE",
];
const HYBRID_TYPES: [&str; 2] = ["HYBRID_FULL", "HYBRID_SELECTIVE"];

/// What an answer shows.
pub fn hit(question: &Question, answer: &Value) -> Vec<String> {
    if let Some(error) = answer.get("error") {
        let message = error.get("message").and_then(Value::as_str);
        return vec![format!("error: {}", general(message.unwrap_or_default()))];
    }
    let figure = |name: &str| question.figures.get(name);
    let text = |name: &str| figure(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| figure(name).and_then(Value::as_u64);
    match question.kind {
        Kind::ResultPartition => {
            let may_sort = text("type").starts_with("BLOCKING");
            let sorts = may_sort && number("subpartitions") >= number("sortShuffleMinParallelism");
            vec![format!(
                "{}{}",
                text("type"),
                if sorts { ", sorted" } else { "" }
            )]
        }
        Kind::InputGate => {
            let is_limited = number("maxRequiredPerGate").is_some();
            vec![format!(
                "{}{}",
                text("type"),
                if is_limited { ", limited" } else { "" }
            )]
        }
        Kind::ManagedShare => vec![format!("share of {}", text("useCase"))],
        Kind::RocksDb => {
            let fits = answer.pointer("/result/arenaBlockFits") == Some(&Value::Bool(true));
            vec![format!(
                "arena block {}",
                if fits { "fits" } else { "does not fit" }
            )]
        }
        Kind::LegacyContainer | Kind::LegacyProcess | Kind::LegacyStarted => legacy(question),
        _ => vec!["result".to_owned()],
    }
}

/// A message without its figures: up to the first digit, quote or bracket.
fn general(message: &str) -> &str {
    message
        .find(|character: char| character.is_ascii_digit() || "'\"(:".contains(character))
        .map_or(message, |end| &message[..end])
        .trim_end_matches([' ', '-'])
}

/// The rules behind the parts of a TaskManager of 1.9.
fn legacy(question: &Question) -> Vec<String> {
    let mut configuration = Configuration::new();
    for (key, value) in &question.options {
        configuration.push(key.clone(), value.clone(), Origin::FlinkConfiguration);
    }
    let number = |name: &str| {
        question
            .figures
            .get(name)
            .and_then(Value::as_i64)
            .unwrap_or_default()
    };
    let plan = match question.kind {
        Kind::LegacyContainer => {
            container(&configuration, number("totalMB")).map(serde_json::to_value)
        }
        Kind::LegacyProcess => process(&configuration, number("totalMB")).map(serde_json::to_value),
        _ => network_from_heap(&configuration, number("heapBytes")).map(serde_json::to_value),
    };
    let Ok(Ok(Value::Object(plan))) = plan else {
        return Vec::new();
    };
    plan.iter()
        .filter_map(|(name, part)| Some((name, part.pointer("/source/rule")?.as_str()?)))
        .map(|(name, rule)| format!("{name}: {rule}"))
        .collect()
}

/// Every rule of a kind.
pub fn rules(kind: Kind, release: Release) -> Vec<Rule> {
    let is_hybrid = release.is_from(FlinkVersion::V1_16);
    let types = || {
        TYPES
            .into_iter()
            .chain(HYBRID_TYPES.into_iter().filter(move |_| is_hybrid))
    };
    let names: Vec<String> = match kind {
        Kind::ResultPartition => types()
            .map(str::to_owned)
            .chain(TYPES[..2].iter().map(|name| format!("{name}, sorted")))
            .collect(),
        Kind::InputGate => types()
            .flat_map(|name| [name.to_owned(), format!("{name}, limited")])
            .collect(),
        _ => fixed(kind).into_iter().map(str::to_owned).collect(),
    };
    names.into_iter().map(reachable).collect()
}

/// The rules that no release changes.
fn fixed(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Text => vec![
            "result",
            "error: Memory size unit",
            "error: The value",
            "error: argument is an empty- or whitespace-only string",
            "error: text does not start with a number",
        ],
        Kind::Product => vec!["result", "error: long overflow"],
        Kind::OperatorShare => vec!["result"],
        Kind::ManagedShare => vec![
            "share of OPERATOR",
            "share of STATE_BACKEND",
            "share of PYTHON",
            "error: Could not parse value",
            "error: For input string",
            "error: Managed memory weight should not be negative. Configured weight for PYTHON is",
            "error: The fraction of memory to allocate should not be",
            "error: The fraction of memory to allocate must within",
        ],
        Kind::RocksDb => vec![
            "arena block fits",
            "arena block does not fit",
            "error: Write Buffer ratio",
            "error: High priority pool ratio",
            "error: Invalid configuration",
        ],
        Kind::Buffers => vec![
            "result",
            "error: Could not parse value",
            "error: Cannot downcast long value",
            "error: Invalid configuration value for taskmanager.memory.segment-size",
            "error: The given number of memory bytes",
        ],
        Kind::LegacyContainer => [
            &LEGACY_ERRORS[..],
            &LEGACY_SPLIT,
            &[
                "container: given",
                "cutOff: fraction",
                "cutOff: minimum",
                "directLimit: rest",
            ],
            &["error: The configuration value"],
        ]
        .concat(),
        Kind::LegacyProcess => [&LEGACY_ERRORS[..], &LEGACY_SPLIT, &["total: given"]].concat(),
        Kind::LegacyStarted => [
            &LEGACY_ERRORS[..],
            &["network: fraction", "network: minimum", "network: maximum"],
            &["error: Invalid configuration value for taskmanager.memory.fraction"],
            &["error: The value"],
        ]
        .concat(),
        _ => Vec::new(),
    }
}

/// What every part of the model of 1.9 can refuse.
const LEGACY_ERRORS: [&str; 11] = [
    "error: Cannot downcast long value",
    "error: Could not read taskmanager.memory.size",
    "error: Invalid configuration value for",
    "error: Invalid configuration value for taskmanager.memory.segment-size",
    "error: Invalid configuration value for taskmanager.memory.size",
    "error: Invalid configuration value for taskmanager.network.memory.fraction",
    "error: Invalid configuration value for taskmanager.network.memory.max",
    "error: Invalid configuration value for taskmanager.network.memory.min",
    "error: Memory size unit",
    "error: argument is an empty- or whitespace-only string",
    "error: text does not start with a number",
];

/// How 1.9 splits the memory of a process that it is given.
const LEGACY_SPLIT: [&str; 10] = [
    "heap: rest",
    "managed: configured",
    "managed: fraction",
    "network: buffers",
    "network: fraction",
    "network: maximum",
    "network: minimum",
    "error: ",
    "error: Invalid configuration value for taskmanager.network.numberOfBuffers",
    "error: The value",
];
