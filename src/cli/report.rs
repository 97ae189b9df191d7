//! The answers as data, for JSON and YAML: a stable shape that programs may rely on.
//!
//! Fields are only ever added. Sizes are plain bytes in fields whose names end in `Bytes`, or in a field
//! `bytes` beside its name; texts are for people and may change.

use serde::Serialize;

use super::{
    Reply,
    input::{InputProblem, Source},
    question::{Answer, Answers},
    text::{self, Keys},
    why::{self, Step, Story, Topic},
};
use crate::{
    budget::{
        Budget, Component, Conflict, FlinkError, ProfileInEffect, Reserve, Role, Source as Rule,
        Suggestion, jvm_parameters,
    },
    bytes::Bytes,
};

/// The answer of `solve`, `explain` and `check` in JSON and YAML.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    /// One for each pool, or one for the options.
    results: Vec<ResultReport<'a>>,
    /// What could not be read.
    problems: &'a [InputProblem],
    /// Documents of other kinds.
    passed_over: usize,
}

/// How much of a budget is reported.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Detail {
    /// Whether there is one.
    Verdict,
    /// The sizes.
    Sizes,
    /// The sizes, and a sentence for each that says why.
    Reasons,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    flink_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    flink_version_from: Option<&'a str>,
    solved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Story>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<BudgetReport<'a>>,
    #[serde(skip_serializing_if = "<[Suggestion]>::is_empty")]
    adjustments: &'a [Suggestion],
    conflicts: Vec<ConflictReport<'a>>,
    #[serde(skip_serializing_if = "<[Suggestion]>::is_empty")]
    joint_suggestion: &'a [Suggestion],
    #[serde(skip_serializing_if = "Option::is_none")]
    flink_error: Option<&'a FlinkError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum_container_limit_bytes: Option<Bytes>,
}

#[derive(Serialize)]
struct ConflictReport<'a> {
    #[serde(flatten)]
    conflict: &'a Conflict,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BudgetReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_limit_bytes: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unassigned_bytes: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a ProfileInEffect>,
    #[serde(skip_serializing_if = "<[Reserve]>::is_empty")]
    reserves: &'a [Reserve],
    components: Components<'a>,
    jvm_heap_bytes: Bytes,
    jvm_direct_bytes: Bytes,
    segment_size_bytes: Bytes,
    network_segments: u64,
    managed_segments: u64,
    cpu_cores: f64,
    number_of_task_slots: i32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_resources: Vec<Named<i64>>,
    jvm_arguments: Vec<String>,
    options: Vec<Pair<'a>>,
}

/// The components by name, in the order of Flink's own documentation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Components<'a> {
    total_process: ComponentReport<'a>,
    total_flink: ComponentReport<'a>,
    framework_heap: ComponentReport<'a>,
    task_heap: ComponentReport<'a>,
    managed: ComponentReport<'a>,
    framework_off_heap: ComponentReport<'a>,
    task_off_heap: ComponentReport<'a>,
    network: ComponentReport<'a>,
    jvm_metaspace: ComponentReport<'a>,
    jvm_overhead: ComponentReport<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ComponentReport<'a> {
    bytes: Bytes,
    size: String,
    source: &'a Rule,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    derivation: Option<Step>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Named<T> {
    name: String,
    amount: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pair<'a> {
    key: &'a str,
    value: &'a str,
}

impl<'a> Report<'a> {
    /// The report of these answers.
    pub fn new(answers: &'a Answers, detail: Detail) -> Self {
        Self {
            results: answers
                .answers
                .iter()
                .map(|answer| result(answer, detail))
                .collect(),
            problems: &answers.problems,
            passed_over: answers.passed_over,
        }
    }

    /// The same report with what each answer tells about a topic.
    pub fn about(mut self, answers: &Answers, topic: &Topic) -> Self {
        for (result, answer) in self.results.iter_mut().zip(&answers.answers) {
            result.why = why::story(answer, topic).ok();
        }
        self
    }

    /// The report as JSON on several lines.
    pub fn json(&self, exit: u8) -> Reply {
        json_text(self, exit)
    }

    /// The report as YAML.
    pub fn yaml(&self, exit: u8) -> Reply {
        yaml_text(self, exit)
    }
}

/// An answer as JSON on several lines.
pub(super) fn json_text(answer: &impl Serialize, exit: u8) -> Reply {
    match serde_json::to_string_pretty(answer) {
        Ok(text) => Reply {
            output: text + "\n",
            exit,
            ..Reply::default()
        },
        Err(error) => unwritable(&error),
    }
}

/// An answer as YAML.
pub(super) fn yaml_text(answer: &impl Serialize, exit: u8) -> Reply {
    match serde_saphyr::to_string(answer) {
        Ok(output) => Reply {
            output,
            exit,
            ..Reply::default()
        },
        Err(error) => unwritable(&error),
    }
}

/// The reply where a result cannot be written in the form that was asked for.
pub(super) fn unwritable(error: &dyn std::error::Error) -> Reply {
    Reply {
        error: format!("error: the result could not be written in this form: {error}\n"),
        exit: super::EXIT_UNREADABLE,
        ..Reply::default()
    }
}

fn result(answer: &Answer, detail: Detail) -> ResultReport<'_> {
    let other = answer.subject.other.as_ref();
    ResultReport {
        source: answer.subject.source.as_ref(),
        name: answer.subject.name.as_deref(),
        namespace: answer.subject.namespace.as_deref(),
        kind: other.map(|other| other.kind.as_str()),
        role: other.map(|other| other.role),
        flink_version: &answer.subject.flink_version,
        flink_version_from: other.map(|other| other.version_from.as_str()),
        solved: answer.budget.is_some() && answer.errors().next().is_none(),
        why: None,
        budget: answer
            .budget
            .as_ref()
            .filter(|_| detail != Detail::Verdict)
            .map(|budget| budget_report(answer, budget, detail)),
        adjustments: &answer.adjustments,
        conflicts: answer
            .placed_conflicts()
            .map(|(conflict, place)| ConflictReport {
                conflict,
                file: place.map(|located| located.file.as_str()),
                line: place.map(|located| located.place.line),
                column: place.map(|located| located.place.column),
            })
            .collect(),
        joint_suggestion: &answer.joint,
        flink_error: answer.flink_error.as_ref(),
        minimum_container_limit_bytes: answer.minimum_container_limit,
    }
}

fn budget_report<'a>(answer: &'a Answer, budget: &'a Budget, detail: Detail) -> BudgetReport<'a> {
    let mut steps = match detail {
        Detail::Reasons => why::steps_of_components(answer),
        Detail::Verdict | Detail::Sizes => Vec::new(),
    };
    let mut report = |name: &str, component: &'a Component| ComponentReport {
        bytes: component.bytes,
        size: text::size(component.bytes),
        source: &component.source,
        reason: (detail == Detail::Reasons).then(|| text::reason(component, Keys::Whole)),
        derivation: steps
            .iter()
            .position(|step| step.name() == name)
            .map(|index| steps.swap_remove(index)),
    };
    BudgetReport {
        hash: answer.budget_hash.as_deref(),
        container_limit_bytes: budget.container_limit,
        unassigned_bytes: budget.container_limit.map(|_| budget.unassigned()),
        profile: budget.profile.as_ref(),
        reserves: &budget.reserves,
        components: Components {
            total_process: report("totalProcess", &budget.total_process),
            total_flink: report("totalFlink", &budget.total_flink),
            framework_heap: report("frameworkHeap", &budget.framework_heap),
            task_heap: report("taskHeap", &budget.task_heap),
            managed: report("managed", &budget.managed),
            framework_off_heap: report("frameworkOffHeap", &budget.framework_off_heap),
            task_off_heap: report("taskOffHeap", &budget.task_off_heap),
            network: report("network", &budget.network),
            jvm_metaspace: report("jvmMetaspace", &budget.jvm_metaspace),
            jvm_overhead: report("jvmOverhead", &budget.jvm_overhead),
        },
        jvm_heap_bytes: budget.jvm_heap(),
        jvm_direct_bytes: budget.jvm_direct(),
        segment_size_bytes: budget.segment_size,
        network_segments: budget.network_segments(),
        managed_segments: budget.managed_segments(),
        cpu_cores: budget.cpu_cores,
        number_of_task_slots: budget.number_of_task_slots,
        external_resources: budget
            .external_resources
            .iter()
            .map(|(name, amount)| Named {
                name: name.clone(),
                amount: *amount,
            })
            .collect(),
        jvm_arguments: jvm_parameters(budget)
            .split(' ')
            .map(str::to_owned)
            .collect(),
        options: answer
            .options
            .iter()
            .map(|(key, value)| Pair { key, value })
            .collect(),
    }
}
