//! `headroom solve`: the sizes of every component, the JVM flags and the options that fix them.

use std::io::Read;

use super::{
    EXIT_CONFLICTS, EXIT_SOUND, EXIT_UNREADABLE, Reply,
    answer::Answer,
    arguments::{Output, Solve},
    process_budget::{ProcessBudget, Row as Sized},
    question::{Answers, nothing_found},
    report::{Detail, Report},
    screen::{Screen, Tone, aligned, columns, padded},
    text::{self, Telling},
};
use crate::{budget::ReserveSource, bytes::Bytes};

pub(super) fn answer(
    command: &Solve,
    screen: &Screen,
    is_verbose: bool,
    standard_input: &mut dyn Read,
) -> Reply {
    let answers = Answers::to(&command.question, standard_input);
    let exit = exit(&answers);
    match command.output {
        Output::Json => Report::new(&answers, Detail::Sizes).json(exit),
        Output::Yaml => Report::new(&answers, Detail::Sizes).yaml(exit),
        Output::Text => written(&answers, exit, screen, is_verbose, table),
    }
}

/// The exit code of answers to a question.
pub(super) fn exit(answers: &Answers) -> u8 {
    if !answers.problems.is_empty() || answers.answers.is_empty() {
        EXIT_UNREADABLE
    } else if answers.has_errors() {
        EXIT_CONFLICTS
    } else {
        EXIT_SOUND
    }
}

/// The answers as text, one after the other, and the remarks beside them.
pub(super) fn written(
    answers: &Answers,
    exit: u8,
    screen: &Screen,
    is_verbose: bool,
    write: impl Fn(&Answer, &Screen) -> String,
) -> Reply {
    let texts: Vec<String> = answers
        .answers
        .iter()
        .map(|answer| write(answer, screen))
        .collect();
    Reply {
        output: texts.join("\n"),
        error: remarks(answers, is_verbose, screen),
        exit,
    }
}

/// What is said beside the answers, on standard error.
pub(super) fn remarks(answers: &Answers, is_verbose: bool, screen: &Screen) -> String {
    let mut error = text::remarks(answers, is_verbose, screen);
    if answers.answers.is_empty() && answers.problems.is_empty() {
        error.push_str(&format!(
            "{} {}\n",
            screen.paint(Tone::Error, "error:"),
            nothing_found(answers.role)
        ));
    }
    error
}

fn table(answer: &Answer, screen: &Screen) -> String {
    let mut text = text::heading(&answer.subject, screen);
    if let Some(budget) = &answer.budget {
        text.push('\n');
        text.push_str(&components(answer, budget, screen));
        if let Some(profile) = budget.profile() {
            text.push_str(&text::section(
                &format!("Profile {}", profile.profile),
                screen,
            ));
            for value in &profile.values {
                text.push_str(&format!("  {} = {}\n", value.name, value.value));
            }
        }
        text.push_str(&text::section("JVM flags", screen));
        for flag in budget.jvm_arguments() {
            text.push_str(&format!("  {flag}\n"));
        }
        if !answer.options.is_empty() {
            text.push_str(&text::section("Options", screen));
        }
        for (key, value) in &answer.options {
            text.push_str(&format!("  -D {key}={value}\n"));
        }
        if let Some(pod) = &answer.pod {
            text.push_str(&pod.text(screen));
        }
    }
    text.push_str(&text::conflicts(answer, Telling::Short, screen));
    text
}

/// One line of the table.
struct Row {
    name: String,
    bytes: Bytes,
    origin: String,
}

fn components(answer: &Answer, budget: &ProcessBudget, screen: &Screen) -> String {
    let mut rows = Vec::new();
    let mut push = |depth: usize, name: &str, bytes: Bytes, origin: String| {
        let name = format!("{}{name}", "  ".repeat(depth));
        rows.push(Row {
            name,
            bytes,
            origin,
        });
    };
    if let Some(limit) = budget.container_limit() {
        push(0, "container", limit, "its memory limit".to_owned());
    }
    for Sized {
        depth,
        name,
        component,
    } in budget.rows()
    {
        push(
            depth,
            &text::title(name),
            component.bytes,
            match text::adjustment(answer, component) {
                Some(adjustment) => format!("{}, {adjustment}", text::origin(component)),
                None => text::origin(component),
            },
        );
    }
    for reserve in budget.reserves() {
        if reserve.source != ReserveSource::Zero {
            push(
                0,
                &text::title(reserve.kind.as_str()),
                reserve.bytes,
                text::origin_of_reserve(reserve),
            );
        }
    }
    if let Some(rest) = budget.unassigned().filter(|rest| *rest > Bytes::ZERO) {
        push(0, "unassigned", rest, "rest of the container".to_owned());
    }
    let names = rows
        .iter()
        .map(|row| columns(&row.name))
        .max()
        .unwrap_or_default();
    let counts = rows
        .iter()
        .map(|row| row.bytes.get().to_string().len())
        .max()
        .unwrap_or_default()
        .max(5);
    let sizes = rows
        .iter()
        .map(|row| columns(&text::size(row.bytes)))
        .max()
        .unwrap_or_default();
    let head = format!(
        "{}  {}  {}  FROM",
        padded("COMPONENT", names),
        aligned("SIZE", sizes),
        aligned("BYTES", counts)
    );
    let mut table = format!("{}\n", screen.paint(Tone::Strong, &head));
    for row in &rows {
        table.push_str(&format!(
            "{}  {}  {}  {}\n",
            padded(&row.name, names),
            aligned(&text::size(row.bytes), sizes),
            aligned(&row.bytes.get().to_string(), counts),
            row.origin
        ));
    }
    table
}
