//! `headroom diff`: two configurations side by side, and which options make the difference.

use std::io::Read;

use serde::Serialize;

use super::{
    EXIT_DIFFERENT, EXIT_SOUND, EXIT_UNREADABLE, Reply,
    arguments::{Diff, Limit, Output},
    comparison::{Comparison, Difference, Effect, Sides, Written, compare},
    input::{InputProblem, Source},
    question::{Answer, Answers, Subject, answer_request},
    report::unwritable,
    screen::{Screen, Tone, aligned, columns, harmless, padded},
    text::{self, Telling},
};
use crate::{
    budget::{Conflict, FlinkVersion, Origin, Request, proper_key},
    bytes::Bytes,
};

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
            standard_input,
        ),
        None => Answers::to(&command.question(), standard_input),
    };
    let a = read(command.files.first());
    let b = command.files.get(1).map(|file| read(Some(file)));
    let error = text::remarks(&a, is_verbose, screen)
        + &b.as_ref()
            .map_or_else(String::new, |b| text::remarks(b, is_verbose, screen));
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
    let is_named = |answer: &Answer, other: &Answer| {
        (&answer.subject.name, &answer.subject.namespace)
            == (&other.subject.name, &other.subject.namespace)
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
            Err("no TaskManagerPool found".to_owned())
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
    if let ([_], [_]) = (answers.as_slice(), others.as_slice()) {
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
        return Err("no TaskManagerPool found".to_owned());
    }
    Ok(Found { pairs, only_in })
}

/// The answer to what a pool asks of the solver, without what else may be wrong with it.
fn memory_alone(answer: Answer) -> Answer {
    match &answer.request {
        Some(request) => answer_request(answer.subject.clone(), request),
        None => answer,
    }
}

fn named(answer: &Answer) -> String {
    let Subject {
        name, namespace, ..
    } = &answer.subject;
    let name = harmless(name.as_deref().unwrap_or("the configuration"));
    match namespace {
        Some(namespace) => format!("{}/{name}", harmless(namespace)),
        None => name,
    }
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
    Ok(Some(answer_request(subject, &request)))
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

// === As data ===

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    results: Vec<PairReport<'a>>,
    only_in: &'a Sides<Vec<String>>,
    problems: &'a [InputProblem],
}

#[derive(Serialize)]
struct PairReport<'a> {
    a: SideReport<'a>,
    b: SideReport<'a>,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SideReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    flink_version: &'a str,
    solved: bool,
    conflicts: &'a [Conflict],
}

impl<'a> SideReport<'a> {
    fn of(answer: &'a Answer) -> Self {
        Self {
            source: answer.subject.source.as_ref(),
            name: answer.subject.name.as_deref(),
            namespace: answer.subject.namespace.as_deref(),
            flink_version: &answer.subject.flink_version,
            solved: answer.budget.is_some() && answer.errors().next().is_none(),
            conflicts: &answer.conflicts,
        }
    }
}

impl<'a> PairReport<'a> {
    fn of(pair: &'a Pair) -> Self {
        Self {
            a: SideReport::of(&pair.a),
            b: SideReport::of(&pair.b),
            comparison: &pair.comparison,
        }
    }
}

fn written(report: &Report<'_>, form: Output, exit: u8) -> Reply {
    let text = if form == Output::Yaml {
        serde_saphyr::to_string(report).map_err(|error| unwritable(&error))
    } else {
        serde_json::to_string_pretty(report)
            .map(|text| text + "\n")
            .map_err(|error| unwritable(&error))
    };
    match text {
        Ok(output) => Reply {
            output,
            exit,
            ..Reply::default()
        },
        Err(reply) => reply,
    }
}

// === As text ===

fn side_by_side(pair: &Pair, command: &Diff, is_one_side: bool, screen: &Screen) -> String {
    let comparison = &pair.comparison;
    let mut text = format!(
        "{}  {}",
        screen.paint(Tone::Strong, "A"),
        text::heading(&pair.a.subject, screen)
    );
    let b = screen.paint(Tone::Strong, "B");
    if is_one_side {
        let changes = changes_in_words(command);
        text::push_wrapped(&mut text, &format!("{b}  A "), "   ", &changes, screen);
    } else {
        text.push_str(&format!("{b}  {}", text::heading(&pair.b.subject, screen)));
    }
    for (side, answer) in [("A", &pair.a), ("B", &pair.b)] {
        if answer.budget.is_none() || answer.errors().next().is_some() {
            text.push_str(&text::section(
                &format!("{side} does not run as it is"),
                screen,
            ));
            text.push_str(text::conflicts(answer, Telling::Short, screen).trim_start_matches('\n'));
        }
    }
    if comparison.same {
        text.push_str("\nBoth are the same.\n");
    }
    if !comparison.sizes.is_empty() {
        text.push('\n');
        text.push_str(&table(&comparison.sizes, screen));
    }
    let both_solve = pair.a.budget.is_some() && pair.b.budget.is_some();
    if both_solve && comparison.jvm_arguments.a != comparison.jvm_arguments.b {
        text.push_str(&flags(comparison, screen));
    }
    if !comparison.changes.is_empty() {
        text.push_str(&text::section(
            "What was changed, and what each change does alone",
            screen,
        ));
        for change in &comparison.changes {
            let name = match change.name.as_str() {
                "flinkVersion" => "Flink version".to_owned(),
                "containerLimit" => "the container's limit".to_owned(),
                key => harmless(key),
            };
            text.push_str(&format!("\n  {}\n", screen.paint(Tone::Strong, &name)));
            let values = format!(
                "{} → {}",
                value(change.a.as_ref()),
                value(change.b.as_ref())
            );
            text::push_wrapped(&mut text, "    ", "      ", &values, screen);
            let effect = effect(&change.alone, pair.a.budget.is_some());
            text::push_wrapped(&mut text, "    ", "      ", &effect, screen);
        }
        if comparison.changes.len() > 1 && both_solve {
            text.push_str("\n  All together lead from A to B, as in the table.\n");
        }
    }
    text
}

/// What B has that A has not, as it was asked.
fn changes_in_words(command: &Diff) -> String {
    let mut words: Vec<String> = command
        .without
        .iter()
        .map(|key| format!("without {}", harmless(key)))
        .collect();
    words.extend(
        command
            .options_b
            .iter()
            .map(|(key, value)| format!("with -D {}={}", harmless(key), harmless(value))),
    );
    words.extend(
        command
            .flink_version_b
            .map(|version| format!("with Flink {version}")),
    );
    words.extend(
        command
            .container_limit_b
            .as_ref()
            .map(|limit| format!("in a container of {}", limit.bytes)),
    );
    words.join(", ")
}

fn value(written: Option<&Written>) -> String {
    match written {
        None => "not set".to_owned(),
        Some(written) if written.is_default => {
            format!("{} (Flink's default)", harmless(&written.value))
        }
        Some(Written {
            value,
            path: Some(path),
            ..
        }) => format!("{} (by {})", harmless(value), harmless(path)),
        Some(written) => harmless(&written.value),
    }
}

fn effect(effect: &Effect, is_a_solved: bool) -> String {
    if !effect.solved {
        return format!("alone: does not solve: {}", effect.conflicts.join(", "));
    }
    if !is_a_solved {
        return "alone: is enough for A to solve".to_owned();
    }
    if effect.sizes.is_empty() {
        return "alone: changes no size".to_owned();
    }
    let sizes: Vec<String> = effect
        .sizes
        .iter()
        .map(|size| {
            let share =
                percent(size.percent).map_or_else(String::new, |percent| format!(" ({percent})"));
            let difference = size.difference_bytes.unwrap_or_default();
            format!(
                "{} {}{share}",
                text::title(size.name),
                signed_size(difference)
            )
        })
        .collect();
    format!("alone: {}", sizes.join(", "))
}

/// A difference for people: `+1.50 GiB`.
fn signed_size(difference: i64) -> String {
    let sign = if difference < 0 { "−" } else { "+" };
    format!("{sign}{}", text::size(Bytes(difference.unsigned_abs())))
}

/// A share with its sign: `−47.0 %`.
fn percent(percent: Option<f64>) -> Option<String> {
    let percent = percent?;
    let sign = if percent < 0.0 { "−" } else { "+" };
    Some(format!("{sign}{:.1} %", percent.abs()))
}

/// One line of the table: name, A, B, difference in bytes, share.
fn table(sizes: &[Difference], screen: &Screen) -> String {
    let size = |bytes: Option<Bytes>| bytes.map_or_else(|| "—".to_owned(), text::size);
    let mut rows: Vec<[String; 5]> =
        vec![["COMPONENT", "A", "B", "DIFFERENCE", ""].map(str::to_owned)];
    let outermost = sizes
        .iter()
        .map(|size| size.depth)
        .min()
        .unwrap_or_default();
    for difference in sizes {
        let changed = match difference.difference_bytes {
            Some(0) => "=".to_owned(),
            Some(bytes) if bytes < 0 => format!("−{}", bytes.unsigned_abs()),
            Some(bytes) => format!("+{bytes}"),
            None => String::new(),
        };
        let is_changed = difference.difference_bytes.is_some_and(|bytes| bytes != 0);
        let share = percent(difference.percent.filter(|_| is_changed)).unwrap_or_default();
        rows.push([
            format!(
                "{}{}",
                "  ".repeat(difference.depth - outermost),
                text::title(difference.name)
            ),
            size(difference.a_bytes),
            size(difference.b_bytes),
            changed,
            share,
        ]);
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| columns(&row[column]));
        cells.max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2), width(3), width(4)];
    let mut table = String::new();
    for (index, row) in rows.iter().enumerate() {
        let line = format!(
            "{}  {}  {}  {}  {}",
            padded(&row[0], widths[0]),
            aligned(&row[1], widths[1]),
            aligned(&row[2], widths[2]),
            aligned(&row[3], widths[3]),
            aligned(&row[4], widths[4]),
        );
        let tone = match row[3].as_str() {
            _ if index == 0 => Tone::Strong,
            "=" | "" => Tone::Faint,
            _ => Tone::Title,
        };
        table.push_str(&screen.paint(tone, line.trim_end()));
        table.push('\n');
    }
    table
}

/// The JVM's flags as a difference of texts.
fn flags(comparison: &Comparison, screen: &Screen) -> String {
    let (a, b) = (&comparison.jvm_arguments.a, &comparison.jvm_arguments.b);
    let mut text = text::section("JVM flags", screen);
    let name = |flag: &str| -> String {
        flag.chars()
            .take_while(|letter| *letter != '=' && !letter.is_ascii_digit())
            .collect()
    };
    for flag in a {
        let other = b.iter().find(|other| name(other) == name(flag));
        if other == Some(flag) {
            text.push_str(&format!("    {flag}\n"));
            continue;
        }
        text.push_str(&screen.paint(Tone::Error, &format!("  - {flag}")));
        text.push('\n');
        if let Some(other) = other {
            text.push_str(&screen.paint(Tone::Good, &format!("  + {other}")));
            text.push('\n');
        }
    }
    for flag in b {
        if !a.iter().any(|other| name(other) == name(flag)) {
            text.push_str(&screen.paint(Tone::Good, &format!("  + {flag}")));
            text.push('\n');
        }
    }
    text
}
