//! What is known about one process, whoever asked: what was asked, the budget or the conflicts, and where they stand.

use std::{fmt, sync::Arc};

use super::{
    input::{
        Source,
        node::{Node, Place},
        shown,
    },
    pod::Pod,
    process_budget::ProcessBudget,
};
use crate::{
    budget::{
        Configuration, Conflict, FlinkError, Mode, Origin, Request, Role, Severity, Suggestion,
        comfortable_container_limit, minimum_container_limit,
    },
    bytes::Bytes,
};

/// What is known about one process.
#[derive(Debug)]
pub(super) struct Answer {
    pub subject: Subject,
    /// What was asked of the solver, with the changes of [`Answer::adjustments`]; `None` where the version or the
    /// container's limit cannot be read.
    pub request: Option<Request>,
    /// The document that the pool was read from; `None` for options.
    pub document: Option<Arc<Node>>,
    /// The budget, where the memory options solve; other conflicts may still keep the pool from running.
    pub budget: Option<ProcessBudget>,
    /// What Flink's own deployment asks Kubernetes for; `None` where Flink's scripts start the process.
    pub pod: Option<Pod>,
    /// The options that fix every size of the process that starts, in the order in which Flink is given them.
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
    /// The smallest container, in whole MiB, that these options fit into; `None` where no container does, and where
    /// Flink itself decides how large the container is.
    pub minimum_container_limit: Option<Bytes>,
    /// The smallest container, in whole MiB, with which Flink starts comfortably; `None` also where the one above is.
    pub comfortable_container_limit: Option<Bytes>,
}

/// A place in one of the files.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
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
    /// The process that is meant.
    pub role: Role,
    /// Who starts it.
    pub mode: Mode,
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

    /// The smallest containers that the options fit into, in one sentence.
    pub fn smallest_containers(&self) -> Option<String> {
        let minimum = self.minimum_container_limit?;
        let comfortable = match self.comfortable_container_limit {
            Some(comfortable) if comfortable > minimum => {
                format!(", a comfortable one {comfortable}")
            }
            _ => String::new(),
        };
        Some(format!(
            "The smallest container these options fit into has {minimum}{comfortable}."
        ))
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
    pub fn speak_by(&mut self, place: impl Fn(&str, Option<&Origin>, &str) -> Option<String>) {
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
    pub fn without_budget(subject: Subject) -> Self {
        Self {
            subject,
            document: None,
            request: None,
            budget: None,
            pod: None,
            options: Vec::new(),
            budget_hash: None,
            adjustments: Vec::new(),
            conflicts: Vec::new(),
            joint: Vec::new(),
            places: Vec::new(),
            flink_error: None,
            minimum_container_limit: None,
            comfortable_container_limit: None,
        }
    }
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

/// The answer to a request that no pool stands behind.
pub(super) fn answer_request(subject: Subject, request: Request) -> Answer {
    let (budget, conflicts, joint, flink_error) = match ProcessBudget::solve(&request) {
        Ok((budget, warnings)) => (Some(budget), warnings, Vec::new(), None),
        Err(infeasible) => (
            None,
            infeasible.conflicts,
            infeasible.joint,
            infeasible.flink_error,
        ),
    };
    let pod = budget.as_ref().and_then(|budget| Pod::of(&request, budget));
    let (minimum_container_limit, comfortable_container_limit) = if pod.is_none() {
        (
            minimum_container_limit(&request),
            comfortable_container_limit(&request),
        )
    } else {
        (None, None)
    };
    Answer {
        options: pod
            .as_ref()
            .and_then(Pod::options)
            .or_else(|| budget.as_ref().map(ProcessBudget::options))
            .unwrap_or_default(),
        minimum_container_limit,
        comfortable_container_limit,
        request: Some(request),
        budget,
        pod,
        conflicts,
        joint,
        flink_error,
        ..Answer::without_budget(subject)
    }
}

/// Where each conflict is to be looked at: at its first option that is written somewhere, else where the first change
/// is to be made.
pub(super) fn places(
    conflicts: &[Conflict],
    document: Option<&Node>,
    file: &str,
) -> Vec<Option<Located>> {
    let place = |origin: Option<&Origin>, path: &str| match origin {
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
            place: document?.place_of(path)?,
        }),
    };
    let first = |conflict: &Conflict| {
        let options = conflict.options.iter();
        let changes = conflict.suggestions.iter();
        options
            .map(|option| (option.origin.as_ref(), option.path.as_str()))
            .chain(changes.map(|change| (change.origin.as_ref(), change.path.as_str())))
            .find_map(|(origin, path)| place(origin, path))
    };
    conflicts.iter().map(first).collect()
}
