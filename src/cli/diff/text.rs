//! The comparison for people.

use super::Pair;
use crate::{
    bytes::Bytes,
    cli::{
        arguments::Diff,
        comparison::{Comparison, Difference, Effect, Written},
        screen::{Screen, Tone, aligned, columns, harmless, padded},
        text::{self, Telling},
    },
};

pub(super) fn side_by_side(
    pair: &Pair,
    command: &Diff,
    is_one_side: bool,
    screen: &Screen,
) -> String {
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
                "mode" => "who starts the process".to_owned(),
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
            let title = text::title(size.name);
            match (size.a_bytes, size.b_bytes) {
                (None, Some(bytes)) => format!("{title} {}, which A has not", text::size(bytes)),
                (Some(_), None) => format!("no {title} any more"),
                _ => {
                    let difference = size.difference_bytes.unwrap_or_default();
                    format!("{title} {}{share}", signed_size(difference))
                }
            }
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
