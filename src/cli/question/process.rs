//! The answer for a process that another document asks for.

use super::super::{
    answer::{Answer, Located, OtherKind, Subject, answer_request, places},
    input::{node::Place, process::ProcessDocument},
};
use crate::budget::{Change, Origin, Request, Suggestion, determines_total};

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
        answer_request(subject, uncontained(process.request))
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
    answer.document = process.document;
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
fn uncontained(mut request: Request) -> Request {
    if !determines_total(&request) {
        request.container_limit = None;
    }
    request
}
