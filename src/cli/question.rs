//! From the command line to answers: what is asked, solved by the same code as in the controller.

use std::io::Read;

use super::{
    arguments::{Policy, Question},
    input::{
        Input, InputProblem, PoolDocument, Source,
        node::{Node, Place},
    },
};
use crate::{
    api::v1alpha1::TaskManagerPool,
    budget::{
        Budget, Configuration, Conflict, FlinkError, FlinkVersion, Origin, Request, Severity,
        Suggestion, dynamic_configurations, minimum_container_limit, options, solve,
    },
    bytes::Bytes,
    desired::{Settings, request_of, validate},
};

/// Everything that one invocation was asked.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// One for each pool, or one for the options.
    pub answers: Vec<Answer>,
    /// What could not be read.
    pub problems: Vec<InputProblem>,
    /// Documents of other kinds.
    pub passed_over: usize,
    /// What is odd about the command line itself.
    pub warnings: Vec<String>,
}

/// What is known about one pool, or about one set of options.
#[derive(Debug)]
pub(super) struct Answer {
    pub subject: Subject,
    /// What was asked of the solver, with the changes of [`Answer::adjustments`]; `None` where the version or the
    /// container's limit cannot be read.
    pub request: Option<Request>,
    /// The document that the pool was read from; `None` for options.
    pub document: Option<Node>,
    /// The budget, where the memory options solve; other conflicts may still keep the pool from running.
    pub budget: Option<Budget>,
    /// The options that fix every size of that budget, in the order in which Flink is given them.
    pub options: Vec<(String, String)>,
    /// Digest of the budget, as in the status of the pool; `None` for options, and for a pool that cannot run.
    pub budget_hash: Option<String>,
    /// What was changed to get that budget, where the pool asks for the nearest that solves.
    pub adjustments: Vec<Suggestion>,
    /// Errors first, then warnings.
    pub conflicts: Vec<Conflict>,
    /// Changes that make the memory options solve, all of them together.
    pub joint: Vec<Suggestion>,
    /// Where the first option of each conflict stands in the file, in the same order; empty for options.
    pub places: Vec<Option<Place>>,
    /// What Flink itself would throw.
    pub flink_error: Option<FlinkError>,
    /// The smallest container, in whole MiB, that these options fit into.
    pub minimum_container_limit: Option<Bytes>,
}

/// What an answer is about.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// Where the pool was read; `None` for options.
    pub source: Option<Source>,
    /// Name of the pool.
    pub name: Option<String>,
    /// Namespace of the pool, where it names one.
    pub namespace: Option<String>,
    /// The Flink version as it was written.
    pub flink_version: String,
}

impl Answer {
    /// The conflicts, each with its place.
    pub fn placed_conflicts(&self) -> impl Iterator<Item = (&Conflict, Option<Place>)> {
        let places = self.places.iter().copied().chain(std::iter::repeat(None));
        self.conflicts.iter().zip(places)
    }

    /// Where a place of an option is written in the file: the line and column of `spec.memory.managed.size`.
    pub fn place_of(&self, path: &str) -> Option<Place> {
        self.document.as_ref()?.place_of(path)
    }

    /// Conflicts that prevent a budget.
    pub fn errors(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts
            .iter()
            .filter(|conflict| conflict.severity == Severity::Error)
    }

    /// Conflicts that do not.
    pub fn warnings(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts
            .iter()
            .filter(|conflict| conflict.severity == Severity::Warning)
    }
}

impl Answers {
    /// Answers a question.
    pub fn to(question: &Question, standard_input: &mut dyn Read) -> Answers {
        match question.flink_version {
            Some(version) => Answers {
                answers: vec![answer_options(question, version)],
                warnings: question
                    .container_limit
                    .iter()
                    .filter_map(|limit| limit.warning.as_ref())
                    .map(|warning| format!("--container-limit: {warning}"))
                    .collect(),
                ..Answers::default()
            },
            None => Answers::to_files(&question.files, &question.policy, standard_input),
        }
    }

    /// Answers for every pool in files.
    pub fn to_files(files: &[String], policy: &Policy, standard_input: &mut dyn Read) -> Answers {
        let input = Input::read(files, standard_input);
        let settings = policy.settings();
        let answer = |document: PoolDocument| {
            let answer = answer_pool(&document, &settings);
            Answer {
                document: Some(document.document),
                ..answer
            }
        };
        Answers {
            answers: input.pools.into_iter().map(answer).collect(),
            problems: input.problems,
            passed_over: input.passed_over,
            warnings: Vec::new(),
        }
    }

    /// Whether any answer has an error.
    pub fn has_errors(&self) -> bool {
        self.answers
            .iter()
            .any(|answer| answer.errors().next().is_some())
    }

    /// Whether any answer has a warning.
    pub fn has_warnings(&self) -> bool {
        self.answers
            .iter()
            .any(|answer| answer.warnings().next().is_some())
    }
}

fn answer_options(question: &Question, version: FlinkVersion) -> Answer {
    let mut configuration = Configuration::new();
    let shorthands = [
        (options::PROCESS_SIZE, &question.process_size),
        (options::FLINK_SIZE, &question.flink_size),
    ];
    for (key, value) in shorthands {
        if let Some(value) = value {
            configuration.push(key, value.clone(), Origin::CommandLine);
        }
    }
    for (key, value) in &question.options {
        configuration.push(key.clone(), value.clone(), Origin::CommandLine);
    }
    let subject = Subject {
        source: None,
        name: None,
        namespace: None,
        flink_version: version.to_string(),
    };
    let mut request = Request::new(version, configuration);
    if let Some(limit) = &question.container_limit {
        request = request.with_container_limit(limit.bytes);
    }
    let mut answer = answer_request(subject, &request);
    answer.conflicts.iter_mut().for_each(speak_of_options);
    answer.joint.iter_mut().for_each(|change| {
        if let Some(place) = place_of_option(&change.key, change.origin.as_ref(), &change.path) {
            change.path = place;
        }
    });
    answer
}

/// Names the places of the command line where a conflict names those of a pool.
fn speak_of_options(conflict: &mut Conflict) {
    let mut renamed = Vec::new();
    let places = conflict
        .options
        .iter_mut()
        .map(|option| (&option.key, &option.origin, &mut option.path))
        .chain(
            conflict
                .suggestions
                .iter_mut()
                .chain(&mut conflict.assuming)
                .map(|suggestion| (&suggestion.key, &suggestion.origin, &mut suggestion.path)),
        );
    for (key, origin, path) in places {
        let Some(place) = place_of_option(key, origin.as_ref(), path) else {
            continue;
        };
        let former = std::mem::replace(path, place.clone());
        renamed.push((former, place));
    }
    for (former, place) in renamed {
        conflict.message = conflict.message.replace(&former, &place);
    }
}

/// The place on the command line of what a pool has elsewhere.
fn place_of_option(key: &str, origin: Option<&Origin>, path: &str) -> Option<String> {
    match origin {
        Some(Origin::ContainerLimit) => Some("--container-limit".to_owned()),
        _ if path.starts_with("spec.") => Some(Origin::CommandLine.path(key)),
        _ => None,
    }
}

/// The answer to a request that no pool stands behind.
pub(super) fn answer_request(subject: Subject, request: &Request) -> Answer {
    let (budget, conflicts, joint, flink_error) = match solve(request) {
        Ok(mut budget) => {
            let warnings = std::mem::take(&mut budget.warnings);
            (Some(budget), warnings, Vec::new(), None)
        }
        Err(infeasible) => (
            None,
            infeasible.conflicts,
            infeasible.joint,
            infeasible.flink_error,
        ),
    };
    Answer {
        subject,
        request: Some(request.clone()),
        document: None,
        options: budget
            .as_ref()
            .map(dynamic_configurations)
            .unwrap_or_default(),
        budget,
        budget_hash: None,
        adjustments: Vec::new(),
        conflicts,
        joint,
        places: Vec::new(),
        flink_error,
        minimum_container_limit: minimum_container_limit(request),
    }
}

pub(super) fn answer_pool(document: &PoolDocument, settings: &Settings) -> Answer {
    let pool = &document.pool;
    let subject = Subject {
        source: Some(document.source.clone()),
        name: Some(pool_name(pool)),
        namespace: pool.metadata.namespace.clone(),
        flink_version: pool.spec.flink_version.clone(),
    };
    match validate(pool, settings) {
        Ok(valid) => Answer {
            subject,
            request: request_of(pool).map(|request| {
                let changes = valid.adjustments.iter();
                changes.fold(request, |request, change| request.with_suggestion(change))
            }),
            document: None,
            options: valid.options,
            budget: Some(valid.budget),
            budget_hash: Some(valid.budget_hash),
            adjustments: valid.adjustments,
            places: places(&valid.warnings, &document.document),
            conflicts: valid.warnings,
            joint: Vec::new(),
            flink_error: None,
            minimum_container_limit: valid.minimum_limit,
        },
        Err(invalid) => {
            // What is wrong may be something else than the memory; then the sizes are still worth showing.
            let memory = request_of(pool).map(|request| answer_request(subject.clone(), &request));
            let (request, budget, options, flink_error) = match memory {
                Some(answer) => (
                    answer.request,
                    answer.budget,
                    answer.options,
                    answer.flink_error,
                ),
                None => (None, None, Vec::new(), None),
            };
            Answer {
                subject,
                request,
                document: None,
                budget,
                options,
                budget_hash: None,
                adjustments: Vec::new(),
                places: places(&invalid.conflicts, &document.document),
                conflicts: invalid.conflicts,
                joint: invalid.joint,
                flink_error,
                minimum_container_limit: invalid.minimum_limit,
            }
        }
    }
}

/// Where each conflict is to be looked at.
fn places(conflicts: &[Conflict], document: &Node) -> Vec<Option<Place>> {
    let first = |conflict: &Conflict| {
        let paths = conflict.options.iter().map(|option| option.path.as_str());
        paths.filter_map(|path| document.place_of(path)).next()
    };
    conflicts.iter().map(first).collect()
}

/// The name of a pool, or the beginning of the name that the API server will make up.
pub(super) fn pool_name(pool: &TaskManagerPool) -> String {
    let metadata = &pool.metadata;
    match (&metadata.name, &metadata.generate_name) {
        (Some(name), _) => name.clone(),
        (None, Some(beginning)) => format!("{beginning}…"),
        (None, None) => String::new(),
    }
}
