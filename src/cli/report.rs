//! The answers as data, for JSON and YAML: a stable shape that programs may rely on.
//!
//! Fields are only ever added. Sizes are plain bytes in fields whose names end in `Bytes`, or in a field
//! `bytes` beside its name; texts are for people and may change.

use serde::{Serialize, Serializer};

use super::{
    Reply,
    answer::Answer,
    input::{InputProblem, Source},
    pod::{Pod, PodReport},
    process_budget::ProcessBudget,
    question::Answers,
    text::{self, Keys},
    why::{self, Step, Story, Topic},
};
use crate::{
    budget::{
        Budget, Component, Conflict, FlinkError, Level, Mode, ProfileInEffect, Request, Reserve,
        Role, Source as Rule, Suggestion, jobmanager::JobManagerBudget, remarks,
    },
    bytes::Bytes,
};

/// The answer of `solve`, `explain` and `check` in JSON and YAML.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    /// One for each process, or one for the options.
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
    role: Role,
    mode: Mode,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    comfortable_container_limit_bytes: Option<Bytes>,
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
    /// The memory model of a JobManager: `unified`, or `cutoff` of Flink 1.10.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'static str>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    jvm_direct_bytes: Option<Bytes>,
    #[serde(flatten)]
    task_manager: Option<TaskManagerReport>,
    jvm_arguments: Vec<String>,
    options: Vec<Pair<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<PodReport<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flink_log: Vec<LogLine>,
}

/// What only a TaskManager has.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskManagerReport {
    segment_size_bytes: Bytes,
    network_segments: u64,
    managed_segments: u64,
    cpu_cores: f64,
    number_of_task_slots: i32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_resources: Vec<Named<i64>>,
}

/// A line that Flink logs beside the derivation.
#[derive(Serialize)]
struct LogLine {
    level: Level,
    message: String,
}

/// The components by name, a total before its parts.
struct Components<'a>(Vec<(&'static str, ComponentReport<'a>)>);

impl Serialize for Components<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, component)| (name, component)))
    }
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
        role: answer.subject.role,
        mode: answer.subject.mode,
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
        comfortable_container_limit_bytes: answer.comfortable_container_limit,
    }
}

fn budget_report<'a>(
    answer: &'a Answer,
    budget: &'a ProcessBudget,
    detail: Detail,
) -> BudgetReport<'a> {
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
    let rows = budget.rows().into_iter();
    let components = rows.map(|row| (row.name, report(row.name, row.component)));
    BudgetReport {
        hash: answer.budget_hash.as_deref(),
        model: match budget {
            ProcessBudget::TaskManager(_) => None,
            ProcessBudget::JobManager(JobManagerBudget::Unified(_)) => Some("unified"),
            ProcessBudget::JobManager(JobManagerBudget::Cutoff(_)) => Some("cutoff"),
        },
        container_limit_bytes: budget.container_limit(),
        unassigned_bytes: budget.unassigned(),
        profile: budget.profile(),
        reserves: budget.reserves(),
        components: Components(components.collect()),
        jvm_heap_bytes: budget.jvm_heap(),
        jvm_direct_bytes: budget.jvm_direct(),
        task_manager: budget.task_manager().map(task_manager_report),
        jvm_arguments: budget.jvm_arguments(),
        options: answer
            .options
            .iter()
            .map(|(key, value)| Pair { key, value })
            .collect(),
        pod: answer.pod.as_ref().map(Pod::report),
        flink_log: answer.request.as_ref().map(log).unwrap_or_default(),
    }
}

fn task_manager_report(budget: &Budget) -> TaskManagerReport {
    let external_resources = budget.external_resources.iter();
    TaskManagerReport {
        segment_size_bytes: budget.segment_size,
        network_segments: budget.network_segments(),
        managed_segments: budget.managed_segments(),
        cpu_cores: budget.cpu_cores,
        number_of_task_slots: budget.number_of_task_slots,
        external_resources: external_resources
            .map(|(name, amount)| Named {
                name: name.clone(),
                amount: *amount,
            })
            .collect(),
    }
}

fn log(request: &Request) -> Vec<LogLine> {
    let remarks = remarks(request).into_iter();
    remarks
        .map(|remark| LogLine {
            level: remark.level(),
            message: remark.flink_message(request.flink_version),
        })
        .collect()
}
