//! The answer for a process that another document asks for.

use std::rc::Rc;

use super::super::{
    answer::{Answer, Located, OtherKind, Subject, answer_request, answer_solution, places},
    input::{node::Place, process::ProcessDocument},
    process_budget::ProcessBudget,
};
use crate::budget::{Change, Code, Origin, Request, Suggestion};

/// The answer for a process that another document asks for.
pub(super) fn answer_process(process: ProcessDocument) -> Answer {
    let subject = Subject {
        source: Some(process.source),
        name: process.name,
        namespace: process.namespace,
        role: process.request.role,
        mode: process.request.mode,
        flink_version: process.request.flink_version.to_string(),
        other: Some(OtherKind {
            kind: process.kind,
            version_from: process.version_from,
        }),
    };
    let mut answer = if process.is_solvable {
        answer_alone_first(subject, process.request)
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

/// The answer to the request without its container, where nothing else says how large the process is: the limit is
/// the size of a pool's process, but Flink itself never reads it.
fn answer_alone_first(subject: Subject, request: Request) -> Answer {
    if request.container_limit.is_none() {
        return answer_request(subject, request);
    }
    let alone = Request {
        container_limit: None,
        ..request.clone()
    };
    let solution = ProcessBudget::solve(&alone);
    let is_undetermined = solution.as_ref().err().is_some_and(|infeasible| {
        infeasible
            .conflicts
            .iter()
            .any(|conflict| conflict.code == Code::MissingTotal)
    });
    if is_undetermined {
        answer_solution(subject, alone, solution)
    } else {
        answer_request(subject, request)
    }
}
