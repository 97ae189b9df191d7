//! `headroom diff`: two configurations side by side, and which options make the difference.

mod report;
mod text;

use std::io::Read;

use self::{
    report::{PairReport, Report, written},
    text::side_by_side,
};
use super::{
    EXIT_DIFFERENT, EXIT_SOUND, EXIT_UNREADABLE, Reply,
    answer::{Answer, Subject, answer_request},
    arguments::{Diff, Limit, Output},
    comparison::{Comparison, Sides, compare},
    question::{Answers, nothing_found},
    screen::{Screen, Tone, harmless},
    text::remarks,
};
use crate::budget::{FlinkVersion, Origin, Request, Role, proper_key};

/// What was found of all that was named.
#[derive(Default)]
struct Found {
    pairs: Vec<Pair>,
    /// The names of what has no counterpart, A's and B's.
    only_in: Sides<Vec<String>>,
}

/// One pair, and what was found.
struct Pair {
    a: Answer,
    b: Answer,
    comparison: Comparison,
}

pub(super) fn answer(
    command: &Diff,
    screen: &Screen,
    is_verbose: bool,
    standard_input: &mut dyn Read,
) -> Reply {
    if command.changes_nothing() {
        return refused(
            "B is the same as A; name a second file, or say what is different: -D KEY=VALUE, --without KEY, \
             --flink-version-b or --container-limit-b",
            screen,
        );
    }
    let mut read = |file: Option<&String>| match file {
        Some(file) => Answers::to_files(
            std::slice::from_ref(file),
            &command.policy,
            command.flink_version_a,
            &command.which,
            standard_input,
        ),
        None => Answers::to(&command.question(), standard_input),
    };
    let a = read(command.files.first());
    let b = command.files.get(1).map(|file| read(Some(file)));
    let error = remarks(&a, is_verbose, screen)
        + &b.as_ref()
            .map_or_else(String::new, |b| remarks(b, is_verbose, screen));
    let mut problems = a.problems;
    let is_one_side = b.is_none();
    let others = b.map(|b| {
        problems.extend(b.problems);
        b.answers
    });
    let Found { pairs, mut only_in } = match found(command, a.answers, others) {
        Ok(found) => found,
        // What could not be read was named already, and may be why there is nothing to compare.
        Err(_) if !problems.is_empty() => Found::default(),
        Err(message) => {
            let refused = refused(&message, screen);
            return Reply {
                error: error + &refused.error,
                ..refused
            };
        }
    };
    if !problems.is_empty() {
        // The counterpart may stand in what could not be read.
        only_in = Sides::default();
    }
    let exit = if !problems.is_empty() {
        EXIT_UNREADABLE
    } else if pairs.iter().any(|pair| !pair.comparison.same) || only_in != Sides::default() {
        EXIT_DIFFERENT
    } else {
        EXIT_SOUND
    };
    match command.output {
        Output::Text => {
            let only = [("A", &only_in.a), ("B", &only_in.b)];
            let only: String = only
                .into_iter()
                .flat_map(|(side, names)| {
                    names
                        .iter()
                        .map(move |name| format!("{name} is in {side} only\n"))
                })
                .collect();
            let texts: Vec<String> = pairs
                .iter()
                .map(|pair| side_by_side(pair, command, is_one_side, screen))
                .chain((!only.is_empty()).then_some(only))
                .collect();
            Reply {
                output: texts.join("\n"),
                error,
                exit,
            }
        }
        form => written(
            &Report {
                results: pairs.iter().map(PairReport::of).collect(),
                only_in: &only_in,
                problems: &problems,
            },
            form,
            exit,
        ),
    }
}

fn refused(message: &str, screen: &Screen) -> Reply {
    Reply {
        error: format!("{} {message}\n", screen.paint(Tone::Error, "error:")),
        exit: EXIT_UNREADABLE,
        ..Reply::default()
    }
}

/// Which answers are held against each other.
fn found(
    command: &Diff,
    answers: Vec<Answer>,
    others: Option<Vec<Answer>>,
) -> Result<Found, String> {
    let role = command.which.role.map(Role::from);
    let is_named = |answer: &Answer, other: &Answer| {
        answer.subject.role == other.subject.role
            && answer.subject.name == other.subject.name
            && answer.subject.namespace == other.subject.namespace
    };
    // Changes are tried on the memory alone, so what else is wrong with a pool would stand on one side only.
    let is_changed = others.is_none() || !command.leaves_files_alone();
    let mut answers = answers;
    if is_changed {
        answers = answers.into_iter().map(memory_alone).collect();
    }
    for answer in &mut answers {
        let changed = changed(
            answer,
            command
                .flink_version_a
                .filter(|_| !command.files.is_empty()),
            command.container_limit_a.as_ref(),
            &[],
            &command.options_a,
        )?;
        if let Some(changed) = changed {
            *answer = changed;
        }
    }
    let of_b = |answer: &Answer| {
        changed(
            answer,
            command.flink_version_b,
            command.container_limit_b.as_ref(),
            &command.without,
            &command.options_b,
        )
    };
    let mut pairs = Vec::new();
    let pair = |a: Answer, b: Answer| Pair {
        comparison: compare(&a, &b),
        a,
        b,
    };
    let Some(mut others) = others else {
        for answer in answers {
            let request = answer.request.clone();
            let Some(b) = of_b(&answer)? else {
                return Err(if request.is_none() {
                    format!(
                        "{}: its version or its container's limit cannot be read; see headroom check",
                        named(&answer)
                    )
                } else {
                    "B is the same as A".to_owned()
                });
            };
            pairs.push(pair(answer, b));
        }
        return if pairs.is_empty() {
            Err(nothing_found(role).to_owned())
        } else {
            Ok(Found {
                pairs,
                ..Found::default()
            })
        };
    };
    if is_changed {
        others = others.into_iter().map(memory_alone).collect();
    }
    for other in &mut others {
        if let Some(changed) = of_b(other)? {
            *other = changed;
        }
    }
    if let ([a], [b]) = (answers.as_slice(), others.as_slice())
        && a.subject.role == b.subject.role
    {
        let both = answers.pop().zip(others.pop());
        return Ok(Found {
            pairs: both.map(|(a, b)| pair(a, b)).into_iter().collect(),
            ..Found::default()
        });
    }
    let mut only_in = Sides::<Vec<String>>::default();
    for answer in answers {
        match others.iter().position(|other| is_named(&answer, other)) {
            Some(index) => pairs.push(pair(answer, others.remove(index))),
            None => only_in.a.push(named(&answer)),
        }
    }
    only_in.b = others.iter().map(named).collect();
    if pairs.is_empty() && only_in == Sides::default() {
        return Err(nothing_found(role).to_owned());
    }
    Ok(Found { pairs, only_in })
}

/// The answer to what a pool asks of the solver, without what else may be wrong with it.
fn memory_alone(answer: Answer) -> Answer {
    match &answer.request {
        Some(request) => answer_request(answer.subject.clone(), request.clone()),
        None => answer,
    }
}

fn named(answer: &Answer) -> String {
    let Subject {
        name, namespace, ..
    } = &answer.subject;
    let mut named = harmless(name.as_deref().unwrap_or("the configuration"));
    if let Some(namespace) = namespace {
        named = format!("{}/{named}", harmless(namespace));
    }
    if answer.subject.other.is_some() {
        named.push_str(&format!(", {}", answer.subject.role.as_str()));
    }
    named
}

/// The answer to the same with changes; `None` where there is nothing to change or nothing to change it in.
fn changed(
    answer: &Answer,
    version: Option<FlinkVersion>,
    limit: Option<&Limit>,
    without: &[String],
    options: &[(String, String)],
) -> Result<Option<Answer>, String> {
    let is_unchanged =
        version.is_none() && limit.is_none() && without.is_empty() && options.is_empty();
    let Some(request) = answer.request.as_ref().filter(|_| !is_unchanged) else {
        return Ok(None);
    };
    let mut subject = answer.subject.clone();
    let mut request = request.clone();
    if let Some(version) = version {
        request.flink_version = version;
        subject.flink_version = version.to_string();
    }
    if let Some(limit) = limit {
        request.container_limit = Some(limit.bytes);
    }
    for key in without {
        request = request_without(&request, key)?;
    }
    for (key, value) in options {
        request
            .configuration
            .push(key.clone(), value.clone(), Origin::CommandLine);
    }
    Ok(Some(answer_request(subject, request)))
}

fn request_without(request: &Request, key: &str) -> Result<Request, String> {
    let proper = proper_key(request.role, key);
    let is_meant = |written: &str| {
        written == key || (proper.is_some() && proper_key(request.role, written) == proper)
    };
    let kept: Vec<_> = request
        .configuration
        .iter()
        .filter(|setting| !is_meant(&setting.key))
        .cloned()
        .collect();
    if kept.len() == request.configuration.iter().count() {
        return Err(format!(
            "--without {}: nothing sets this option; write its key as it is written there",
            harmless(key)
        ));
    }
    Ok(Request {
        configuration: kept.into_iter().collect(),
        ..request.clone()
    })
}
