//! From the command line to answers: what is asked, solved by the same code as in the controller.

use std::{fmt, io::Read, rc::Rc};

use super::{
    arguments::{Policy, Question},
    input::{
        Input, InputProblem, PoolDocument, Source, Wanted,
        node::{Node, Place},
        process::ProcessDocument,
        shown,
    },
};
use crate::{
    api::v1alpha1::TaskManagerPool,
    budget::{
        Budget, Change, Code, Configuration, Conflict, FlinkError, FlinkVersion, Origin, Request,
        Role, Severity, Suggestion, dynamic_configurations, minimum_container_limit, options,
        solve,
    },
    bytes::Bytes,
    desired::{Settings, profile_unknown_to, request_of, validate},
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
    /// Where the first option of each conflict stands, in the same order; empty for options.
    pub places: Vec<Option<Located>>,
    /// What Flink itself would throw.
    pub flink_error: Option<FlinkError>,
    /// The smallest container, in whole MiB, that these options fit into.
    pub minimum_container_limit: Option<Bytes>,
}

/// A place in one of the files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Located {
    /// The file as it was named; `-` for standard input.
    pub file: String,
    /// The place in it.
    pub place: Place,
}

impl fmt::Display for Located {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(formatter, "{}:{line}:{column}", shown(&self.file))
    }
}

/// What an answer is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    /// Where the document was read; `None` for options.
    pub source: Option<Source>,
    /// Its name.
    pub name: Option<String>,
    /// Its namespace, where it names one.
    pub namespace: Option<String>,
    /// The Flink version as it was written, or the minor release where it comes from elsewhere.
    pub flink_version: String,
    /// What it is, where it is no pool.
    pub other: Option<OtherKind>,
}

/// What a document is that is no pool.
#[derive(Clone, Debug)]
pub(super) struct OtherKind {
    /// The kind of the document, or the name of the configuration file.
    pub kind: String,
    /// The process of it that is meant.
    pub role: Role,
    /// What says which version it is.
    pub version_from: String,
}

impl Answer {
    /// Every option that was written, for what is asked beyond the budget.
    pub fn configuration(&self) -> Configuration {
        let request = self.request.as_ref();
        request
            .map(|request| request.configuration.clone())
            .unwrap_or_default()
    }

    /// The conflicts, each with its place.
    pub fn placed_conflicts(&self) -> impl Iterator<Item = (&Conflict, Option<&Located>)> {
        let places = self.places.iter().map(Option::as_ref);
        let places = places.chain(std::iter::repeat(None));
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

impl Answer {
    /// Names the places of what was asked where the solver names those of a pool.
    fn speak_by(&mut self, place: impl Fn(&str, Option<&Origin>, &str) -> Option<String>) {
        for conflict in &mut self.conflicts {
            speak_of(conflict, &place);
        }
        for change in &mut self.joint {
            if let Some(place) = place(&change.key, change.origin.as_ref(), &change.path) {
                change.path = place;
            }
        }
    }

    /// An answer of which nothing is known yet.
    fn without_budget(subject: Subject) -> Self {
        Self {
            subject,
            document: None,
            request: None,
            budget: None,
            options: Vec::new(),
            budget_hash: None,
            adjustments: Vec::new(),
            conflicts: Vec::new(),
            joint: Vec::new(),
            places: Vec::new(),
            flink_error: None,
            minimum_container_limit: None,
        }
    }
}

impl Answers {
    /// Answers a question.
    pub fn to(question: &Question, standard_input: &mut dyn Read) -> Answers {
        match question.flink_version {
            Some(version) if question.files.is_empty() => Answers {
                answers: vec![answer_options(question, version)],
                warnings: question
                    .container_limit
                    .iter()
                    .filter_map(|limit| limit.warning.as_ref())
                    .map(|warning| format!("--container-limit: {warning}"))
                    .collect(),
                ..Answers::default()
            },
            version => {
                Answers::to_files(&question.files, &question.policy, version, standard_input)
            }
        }
    }

    /// Answers for everything in files that runs Flink, of `version` where a document names none.
    pub fn to_files(
        files: &[String],
        policy: &Policy,
        version: Option<FlinkVersion>,
        standard_input: &mut dyn Read,
    ) -> Answers {
        let mut input = Input::read(files, standard_input, Wanted::Processes(version));
        let settings = policy.settings();
        let answer = |document: PoolDocument| {
            let answer = answer_pool(&document, &settings);
            Answer {
                document: Some(document.document),
                ..answer
            }
        };
        let pools = std::mem::take(&mut input.pools).into_iter().map(answer);
        let processes = std::mem::take(&mut input.processes);
        let processes = processes.into_iter().map(answer_process);
        let mut answers: Vec<Answer> = pools.chain(processes).collect();
        {
            let order = input.order();
            answers.sort_by_key(|answer| answer.subject.source.as_ref().map(&order));
        }
        Answers {
            answers,
            problems: std::mem::take(&mut input.problems),
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
        flink_version: version.to_string(),
        ..Subject::default()
    };
    let mut request = Request::new(version, configuration);
    if let Some(limit) = &question.container_limit {
        request = request.with_container_limit(limit.bytes);
    }
    if let Some(profile) = question.profile {
        request = request.with_profile(profile);
    }
    for (kind, bytes) in &question.reserves {
        request = request.with_reserve(*kind, *bytes, Origin::CommandLine);
    }
    let mut answer = answer_request(subject, &request);
    answer
        .conflicts
        .splice(0..0, profile_unknown_to(version, request.profile));
    answer.speak_by(place_of_option);
    answer
}

/// Names the places of what was asked where a conflict names those of a pool.
fn speak_of(
    conflict: &mut Conflict,
    renamed_path: impl Fn(&str, Option<&Origin>, &str) -> Option<String>,
) {
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
        let Some(place) = renamed_path(key, origin.as_ref(), path) else {
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
        _ if path == "spec.memory.profile" => Some("--profile".to_owned()),
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
        other: None,
    };
    let file = &document.source.file;
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
            places: places(&valid.warnings, Some(&document.document), file),
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
                places: places(&invalid.conflicts, Some(&document.document), file),
                conflicts: invalid.conflicts,
                joint: invalid.joint,
                flink_error,
                minimum_container_limit: invalid.minimum_limit,
            }
        }
    }
}

/// The answer for a process that another document asks for.
fn answer_process(process: ProcessDocument) -> Answer {
    let subject = Subject {
        source: Some(process.source),
        name: process.name,
        namespace: process.namespace,
        flink_version: process.request.flink_version.to_string(),
        other: Some(OtherKind {
            kind: process.kind,
            role: process.request.role,
            version_from: process.version_from,
        }),
    };
    let mut answer = if process.is_solvable {
        answer_request(subject, &uncontained(process.request))
    } else {
        Answer::without_budget(subject)
    };
    // What lies in the image cannot be taken out of it.
    let can_be_made = |suggestion: &Suggestion| {
        suggestion.change != Change::Remove || !suggestion.path.ends_with(" of the image")
    };
    for conflict in &mut answer.conflicts {
        conflict.suggestions.retain(can_be_made);
        // Only of a pool is the limit the size of the process.
        conflict.message = conflict.message.replace(
            "there is no container limit and none of",
            "there is none of",
        );
    }
    answer.speak_by(|key, origin, _| process.places.renamed(key, origin));
    // Nor is it changed there, but by an argument.
    for conflict in &mut answer.conflicts {
        for change in &mut conflict.suggestions {
            let Some(argument) = argument_instead(change) else {
                continue;
            };
            let (former, later) = (format!("set {}", change.path), format!("set {argument}"));
            conflict.message = conflict.message.replace(&former, &later);
            change.path = argument;
        }
    }
    for change in &mut answer.joint {
        if let Some(argument) = argument_instead(change) {
            change.path = argument;
        }
    }
    answer.conflicts.extend(process.conflicts);
    answer.conflicts.sort_by_key(|conflict| conflict.severity);
    let file = answer
        .subject
        .source
        .as_ref()
        .map_or("", |source| source.file.as_str());
    answer.places = places(&answer.conflicts, process.document.as_deref(), file);
    answer.document = process.document.map(Rc::unwrap_or_clone);
    // A conflict about something that is not written stands where the document begins.
    let beginning = answer.subject.source.as_ref().map(|source| Located {
        file: source.file.clone(),
        place: Place {
            line: source.line,
            column: 1,
        },
    });
    for place in &mut answer.places {
        *place = place.take().or_else(|| beginning.clone());
    }
    answer
}

/// The argument that takes the place of an option in the file of the image.
fn argument_instead(change: &Suggestion) -> Option<String> {
    change
        .path
        .ends_with(" of the image")
        .then(|| Origin::CommandLine.path(&change.key))
}

/// The request without its container, where nothing else says how large the process is: the limit is the size of a
/// pool's process, but Flink itself never reads it.
fn uncontained(request: Request) -> Request {
    let alone = Request {
        container_limit: None,
        ..request.clone()
    };
    let is_undetermined = solve(&alone).err().is_some_and(|infeasible| {
        infeasible
            .conflicts
            .iter()
            .any(|conflict| conflict.code == Code::MissingTotal)
    });
    if is_undetermined { alone } else { request }
}

/// Where each conflict is to be looked at.
fn places(conflicts: &[Conflict], document: Option<&Node>, file: &str) -> Vec<Option<Located>> {
    let first = |conflict: &Conflict| {
        conflict
            .options
            .iter()
            .find_map(|option| match &option.origin {
                Some(Origin::File {
                    file,
                    line: Some(line),
                    column,
                }) => Some(Located {
                    file: file.clone(),
                    place: Place {
                        line: *line,
                        column: column.unwrap_or(1),
                    },
                }),
                _ => Some(Located {
                    file: file.to_owned(),
                    place: document?.place_of(&option.path)?,
                }),
            })
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
