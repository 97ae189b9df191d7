//! `headroom check`: one verdict for each pool and each other Flink process, for CI.

use std::io::Read;

use super::{
    EXIT_CONFLICTS, EXIT_SOUND, EXIT_UNREADABLE, Reply,
    answer::{Answer, Located},
    arguments::{Check, CheckOutput},
    input::{InputProblem, STANDARD_INPUT},
    parallel,
    question::Answers,
    report::{Detail, Report},
    sarif,
    screen::{Screen, Tone, harmless},
    text::{self, counted},
};
use crate::budget::{Conflict, Severity};

pub(super) fn answer(
    command: &Check,
    screen: &Screen,
    is_verbose: bool,
    standard_input: &mut dyn Read,
) -> Reply {
    let answers = Answers::to_files(
        &command.files,
        &command.policy,
        command.flink_version,
        &command.which,
        standard_input,
    );
    let exit = if !answers.problems.is_empty() {
        EXIT_UNREADABLE
    } else if answers.has_errors() || command.deny_warnings && answers.has_warnings() {
        EXIT_CONFLICTS
    } else {
        EXIT_SOUND
    };
    match command.output {
        CheckOutput::Json => Report::new(&answers, Detail::Verdict).json(exit),
        CheckOutput::Yaml => Report::new(&answers, Detail::Verdict).yaml(exit),
        CheckOutput::Github => Reply {
            output: annotations(&answers),
            error: String::new(),
            exit,
        },
        CheckOutput::Sarif => sarif::log(&answers, exit),
        CheckOutput::Text => Reply {
            error: text::remarks(&answers, is_verbose, screen),
            output: verdicts(answers, screen),
            exit,
        },
    }
}

/// One line for each pool, its conflicts under it, and a line that counts.
fn verdicts(answers: Answers, screen: &Screen) -> String {
    let summary = summary(&answers);
    // Answers are long to write and to give back.
    let verdicts = parallel::map(answers.answers, |answer| verdict(&answer, screen));
    verdicts.concat() + &summary
}

/// How many were checked, and what was found.
fn summary(answers: &Answers) -> String {
    let with_errors = answers
        .answers
        .iter()
        .filter(|answer| answer.errors().next().is_some())
        .count();
    let warnings: usize = answers
        .answers
        .iter()
        .map(|answer| answer.warnings().count())
        .sum();
    let (one, many) = if answers
        .answers
        .iter()
        .all(|answer| answer.subject.other.is_none())
    {
        ("pool checked", "pools checked")
    } else {
        ("process checked", "processes checked")
    };
    let mut parts = vec![
        counted(answers.answers.len(), one, many),
        counted(with_errors, "with conflicts", "with conflicts"),
        counted(warnings, "warning", "warnings"),
    ];
    if !answers.problems.is_empty() {
        parts.push(counted(
            answers.problems.len(),
            "problem reading",
            "problems reading",
        ));
    }
    format!("{}\n", parts.join(", "))
}

fn verdict(answer: &Answer, screen: &Screen) -> String {
    let (tone, word) = match (answer.errors().next(), answer.warnings().next()) {
        (Some(_), _) => (Tone::Error, "conflicts"),
        (None, Some(_)) => (Tone::Warning, "warnings"),
        (None, None) => (Tone::Good, "sound"),
    };
    let place = answer
        .subject
        .source
        .as_ref()
        .map(|source| format!("{source}: "))
        .unwrap_or_default();
    let mut text = format!("{place}{}: {}\n", name(answer), screen.paint(tone, word));
    for (conflict, place) in answer.placed_conflicts() {
        let (tone, word) = match conflict.severity {
            Severity::Error => (Tone::Error, "error"),
            Severity::Warning => (Tone::Warning, "warning"),
        };
        let link = place.map_or_else(String::new, |located| format!("{located}: "));
        let first = format!("  {link}{} ", screen.paint(tone, &format!("{word}:")));
        let content = format!("{}: {}", conflict.code, text::statement(conflict));
        text::push_wrapped(&mut text, &first, "    ", &content, screen);
        text::push_fixes(&mut text, conflict, "    ", screen);
    }
    text::push_joint(&mut text, answer, "  ", screen);
    text
}

fn name(answer: &Answer) -> String {
    let own = own_name(answer);
    match &answer.subject.other {
        None => own,
        Some(other) => {
            let kind = harmless(&other.kind);
            let separator = if own.is_empty() { "" } else { " " };
            format!(
                "{kind}{separator}{own}, {}, Flink {} by {}",
                answer.subject.role.as_str(),
                answer.subject.flink_version,
                harmless(&other.version_from)
            )
        }
    }
}

fn own_name(answer: &Answer) -> String {
    let name = answer.subject.name.as_deref().unwrap_or_default();
    match &answer.subject.namespace {
        Some(namespace) => harmless(&format!("{namespace}/{name}")),
        None => harmless(name),
    }
}

/// The workflow commands that GitHub shows beside the lines of a change.
fn annotations(answers: &Answers) -> String {
    let mut text = String::new();
    for InputProblem {
        file,
        line,
        column,
        field,
        message,
    } in &answers.problems
    {
        let message = match field {
            Some(field) => format!("{field}: {message}"),
            None => message.clone(),
        };
        let mut place = file_property(file);
        for (property, value) in [("line", line), ("col", column)] {
            if let Some(value) = value {
                place.push(format!("{property}={value}"));
            }
        }
        text.push_str(&annotation("error", &place, "not readable", &message));
    }
    for answer in &answers.answers {
        for (conflict, place) in answer.placed_conflicts() {
            let mut properties = Vec::new();
            match (place, &answer.subject.source) {
                (Some(Located { file, place }), _) => {
                    properties = file_property(file);
                    properties.push(format!("line={}", place.line));
                    properties.push(format!("col={}", place.column));
                }
                (None, Some(source)) => {
                    properties = file_property(&source.file);
                    properties.push(format!("line={}", source.line));
                }
                (None, None) => {}
            }
            let level = match conflict.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            text.push_str(&annotation(
                level,
                &properties,
                conflict.code.as_str(),
                &spoken(answer, conflict),
            ));
        }
    }
    text
}

pub(super) fn spoken(answer: &Answer, conflict: &Conflict) -> String {
    let mut text = format!("{}: {}", name(answer), text::statement(conflict));
    for suggestion in &conflict.suggestions {
        text.push_str(&format!("\nfix: {suggestion}"));
    }
    text
}

fn file_property(file: &str) -> Vec<String> {
    if file == STANDARD_INPUT {
        Vec::new()
    } else {
        vec![format!("file={}", escaped_property(file))]
    }
}

fn annotation(level: &str, place: &[String], title: &str, message: &str) -> String {
    let mut properties = place.to_vec();
    properties.push(format!("title={}", escaped_property(title)));
    format!("::{level} {}::{}\n", properties.join(","), escaped(message))
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn escaped_property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}
