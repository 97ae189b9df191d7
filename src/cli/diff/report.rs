//! The comparison as data.

use serde::Serialize;

use super::Pair;
use crate::{
    budget::{Conflict, Role},
    cli::{
        Reply,
        answer::Answer,
        arguments::Output,
        comparison::{Comparison, Sides},
        input::{InputProblem, Source},
        report::{json_text, yaml_text},
    },
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    pub results: Vec<PairReport<'a>>,
    pub only_in: &'a Sides<Vec<String>>,
    pub problems: &'a [InputProblem],
}

#[derive(Serialize)]
pub(super) struct PairReport<'a> {
    a: SideReport<'a>,
    b: SideReport<'a>,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SideReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    role: Role,
    flink_version: &'a str,
    solved: bool,
    conflicts: &'a [Conflict],
}

impl<'a> SideReport<'a> {
    fn of(answer: &'a Answer) -> Self {
        Self {
            source: answer.subject.source.as_ref(),
            name: answer.subject.name.as_deref(),
            namespace: answer.subject.namespace.as_deref(),
            role: answer.subject.role,
            flink_version: &answer.subject.flink_version,
            solved: answer.budget.is_some() && answer.errors().next().is_none(),
            conflicts: &answer.conflicts,
        }
    }
}

impl<'a> PairReport<'a> {
    pub fn of(pair: &'a Pair) -> Self {
        Self {
            a: SideReport::of(&pair.a),
            b: SideReport::of(&pair.b),
            comparison: &pair.comparison,
        }
    }
}

/// The report in the form that was asked for.
pub(super) fn written(report: &Report<'_>, form: Output, exit: u8) -> Reply {
    if form == Output::Yaml {
        yaml_text(report, exit)
    } else {
        json_text(report, exit)
    }
}
