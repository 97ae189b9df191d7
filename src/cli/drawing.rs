//! `headroom explain -o svg`: what of an answer the picture shows, and in which words.

use super::{
    Reply,
    answer::{Answer, Subject},
    parts::{self, Kind, Part},
    process_budget::ProcessBudget,
    question::Answers,
    screen::harmless,
    text::{self, Keys},
};
use crate::{
    budget::{Conflict, Mode, Severity, Source},
    bytes::Bytes,
    picture::{Block, Cap, Notice, Picture, Tone, svg},
};

/// The answers as one file, or nothing where there is no answer.
pub(super) fn drawn(answers: &Answers, error: String, exit: u8) -> Reply {
    let pictures: Vec<Picture> = answers.answers.iter().map(picture).collect();
    Reply {
        output: if pictures.is_empty() {
            String::new()
        } else {
            svg(&pictures)
        },
        error,
        exit,
    }
}

fn picture(answer: &Answer) -> Picture {
    let root = parts::tree(answer).map(|tree| block(answer, &tree));
    let mut remarks = Vec::new();
    remarks.extend(answer.smallest_containers());
    if let Some(budget) = answer.budget.as_ref().and_then(ProcessBudget::task_manager) {
        remarks.push(text::segments(budget));
    }
    if let Some(pod) = &answer.pod {
        remarks.extend(pod.sentences());
    }
    remarks.push(text::short_keys(answer.subject.role).to_owned());
    Picture {
        heading: heading(&answer.subject),
        subheading: subheading(answer, root.as_ref()),
        root,
        notices: answer.conflicts.iter().map(notice).collect(),
        remarks,
    }
}

fn heading(subject: &Subject) -> String {
    let what = format!(
        "a {}'s memory, Flink {}{}",
        subject.role.as_str(),
        harmless(&subject.flink_version),
        match subject.mode {
            Mode::Standalone => "",
            Mode::Kubernetes => ", native Kubernetes",
        }
    );
    match (&subject.name, &subject.namespace) {
        (Some(name), Some(namespace)) => {
            format!("{} in {}: {what}", harmless(name), harmless(namespace))
        }
        (Some(name), None) => format!("{}: {what}", harmless(name)),
        (None, _) => what.replacen('a', "A", 1),
    }
}

/// What the picture is drawn to, and whether the process would run.
fn subheading(answer: &Answer, root: Option<&Block>) -> String {
    let scale = root
        .and_then(|root| u64::try_from(root.extent()).ok())
        .filter(|extent| *extent > 0)
        .map(|extent| format!("to scale: the whole height is {}", Bytes(extent)));
    let errors = answer.errors().count();
    let verdict = (errors > 0).then(|| {
        let conflicts = text::counted(errors, "conflict keeps", "conflicts keep");
        format!("{conflicts} this process from running")
    });
    let said: Vec<String> = scale.into_iter().chain(verdict).collect();
    said.join("; ")
}

fn block(answer: &Answer, part: &Part) -> Block {
    let is_sum = !part.parts.is_empty();
    Block {
        title: part.title(),
        bytes: part.bytes,
        tone: match part.kind {
            _ if is_sum => Tone::Sum,
            // Native memory that nobody divides any further, as the overhead is.
            Kind::Reserve(_) => Tone::Overhead,
            _ => tone(part.name),
        },
        note: note(answer, part),
        cap: part
            .component()
            .and_then(|component| match component.source {
                Source::ClampedToMinimum { .. } => Some(Cap::Raised),
                Source::ClampedToMaximum { .. } => Some(Cap::Lowered),
                _ => None,
            }),
        conflict: conflict_of(answer, part),
        parts: part.parts.iter().map(|part| block(answer, part)).collect(),
    }
}

fn tone(name: &str) -> Tone {
    match name {
        "frameworkHeap" | "taskHeap" | "jvmHeap" => Tone::Heap,
        "cutoff" => Tone::Overhead,
        "managed" => Tone::Managed,
        "jvmMetaspace" => Tone::Metaspace,
        "jvmOverhead" => Tone::Overhead,
        "unassigned" => Tone::Unassigned,
        _ => Tone::Direct,
    }
}

fn note(answer: &Answer, part: &Part) -> String {
    let flag = part.flag.map(str::to_owned);
    let reason = match &part.kind {
        Kind::Component(Some(component)) => {
            let reason = text::reason(component, Keys::Short);
            let adjustment = text::adjustment(answer, component);
            Some(match adjustment {
                Some(adjustment) => format!("{reason}; {adjustment}"),
                None => reason,
            })
        }
        Kind::Component(None) => Some("not known while there are conflicts".to_owned()),
        Kind::Group if part.bytes.is_none() => {
            Some("not known while there are conflicts".to_owned())
        }
        Kind::Group => None,
        Kind::Container => Some("its memory limit".to_owned()),
        Kind::Reserve(reserve) => Some(text::reason_of_reserve(reserve)),
        Kind::Unassigned => Some("no component uses it".to_owned()),
    };
    let said: Vec<String> = reason.into_iter().chain(flag).collect();
    harmless(&said.join("; "))
}

/// The first error that is about this part alone: a size that was written too large or too small, or a rest out of its
/// range.
fn conflict_of(answer: &Answer, part: &Part) -> Option<String> {
    let Kind::Component(component) = &part.kind else {
        return None;
    };
    let written = component
        .as_ref()
        .and_then(|component| match &component.source {
            Source::Configured { option, origin } => Some(origin.path(option)),
            _ => None,
        });
    let names = |conflict: &&Conflict| {
        let first = conflict.options.first().map(|option| &option.path);
        let is_written = written.is_some() && first == written.as_ref();
        is_written || text::subject(conflict.code) == Some(part.name)
    };
    answer
        .errors()
        .find(names)
        .map(|conflict| conflict.code.to_string())
}

fn notice(conflict: &Conflict) -> Notice {
    Notice {
        is_error: conflict.severity == Severity::Error,
        code: conflict.code.to_string(),
        sentence: harmless(text::statement(conflict)),
        fixes: conflict
            .suggestions
            .iter()
            .map(|suggestion| harmless(&suggestion.to_string()))
            .collect(),
    }
}
