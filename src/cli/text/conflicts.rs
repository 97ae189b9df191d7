//! Conflicts for people: the sentence, the options that take part, the sum, the fixes.

use super::{exact, push_wrapped, size, title};
use crate::{
    budget::{Conflict, Severity},
    bytes::Bytes,
    cli::{
        answer::Answer,
        screen::{Screen, Tone, aligned, columns, harmless, padded},
    },
};

/// How much is said about a conflict.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(in crate::cli) enum Telling {
    /// The sentence and the fixes.
    Short,
    /// Also the options that take part, and the sum.
    Whole,
}

/// Every conflict of an answer, with its fixes.
pub(in crate::cli) fn conflicts(answer: &Answer, telling: Telling, screen: &Screen) -> String {
    let mut text: String = answer
        .conflicts
        .iter()
        .map(|conflict| format!("\n{}", self::conflict(conflict, telling, screen)))
        .collect();
    let mut joint = String::new();
    push_joint(&mut joint, answer, "", screen);
    if !joint.is_empty() {
        text.push('\n');
        text.push_str(&joint);
    }
    text
}

/// The changes that mend the memory options together, where that is not what one conflict's first fix says.
pub(in crate::cli) fn push_joint(
    text: &mut String,
    answer: &Answer,
    indentation: &str,
    screen: &Screen,
) {
    let mut errors = answer.errors();
    let says_it = errors.next().is_some_and(|first| {
        first.suggestions.first().map(ToString::to_string)
            == answer.joint.first().map(ToString::to_string)
    });
    if says_it && answer.joint.len() == 1 && errors.next().is_none() {
        return;
    }
    for (index, change) in answer.joint.iter().enumerate() {
        let word = match (index, answer.joint.len()) {
            (0, 1) => "all at once:",
            (0, _) => "all together:",
            _ => "         and:",
        };
        let first = format!("{indentation}{} ", screen.paint(Tone::Good, word));
        let others = " ".repeat(columns(indentation) + 14);
        push_wrapped(text, &first, &others, &change.to_string(), screen);
    }
}

fn conflict(conflict: &Conflict, telling: Telling, screen: &Screen) -> String {
    let (tone, word) = match conflict.severity {
        Severity::Error => (Tone::Error, "error"),
        Severity::Warning => (Tone::Warning, "warning"),
    };
    let mut text = format!(
        "{}: {}\n",
        screen.paint(tone, word),
        screen.paint(Tone::Strong, conflict.code.as_str())
    );
    push_wrapped(&mut text, "  ", "  ", statement(conflict), screen);
    if telling == Telling::Whole {
        push_options(&mut text, conflict, screen);
        push_sum(&mut text, conflict, screen);
    }
    push_fixes(&mut text, conflict, "  ", screen);
    text
}

/// The sentence of a conflict without its end, where that only repeats the fixes that are printed after it.
pub(in crate::cli) fn statement(conflict: &Conflict) -> &str {
    let fixes: Vec<String> = conflict
        .suggestions
        .iter()
        .map(ToString::to_string)
        .collect();
    for count in (1..=fixes.len()).rev() {
        let end = format!("; {}", fixes[..count].join(", or "));
        if let Some(statement) = conflict.message.strip_suffix(&end) {
            return statement;
        }
    }
    &conflict.message
}

fn push_options(text: &mut String, conflict: &Conflict, screen: &Screen) {
    let rows: Vec<(String, String, bool)> = conflict
        .options
        .iter()
        .map(|option| {
            (
                harmless(&option.path),
                harmless(&option.value),
                option.is_default,
            )
        })
        .collect();
    let width = rows
        .iter()
        .map(|(path, ..)| columns(path))
        .max()
        .unwrap_or_default();
    if !rows.is_empty() {
        text.push('\n');
    }
    for (path, value, is_default) in rows {
        let note = if is_default {
            screen.paint(Tone::Faint, "  (Flink's default)")
        } else {
            String::new()
        };
        text.push_str(&format!("    {}  {value}{note}\n", padded(&path, width)));
    }
}

/// The sum of a conflict, term by term, and what it is held against.
fn push_sum(text: &mut String, conflict: &Conflict, screen: &Screen) {
    if conflict.sum.is_empty() {
        return;
    }
    let total = conflict
        .sum
        .iter()
        .fold(Bytes::ZERO, |total, term| total.saturating_add(term.bytes));
    let mut rows: Vec<(&str, String, Bytes)> = conflict
        .sum
        .iter()
        .enumerate()
        .map(|(index, term)| {
            (
                if index == 0 { " " } else { "+" },
                title(term.name),
                term.bytes,
            )
        })
        .collect();
    rows.push(("=", "sum".to_owned(), total));
    let names = rows
        .iter()
        .map(|(_, name, _)| columns(name))
        .max()
        .unwrap_or_default();
    let sizes = rows
        .iter()
        .map(|(.., bytes)| columns(&size(*bytes)))
        .max()
        .unwrap_or_default();
    let counts = rows
        .iter()
        .map(|(.., bytes)| bytes.get().to_string().len())
        .max()
        .unwrap_or_default();
    text.push('\n');
    for (sign, name, bytes) in rows {
        text.push_str(&format!(
            "    {sign} {}  {}  {}\n",
            padded(&name, names),
            aligned(&size(bytes), sizes),
            screen.paint(Tone::Faint, &aligned(&bytes.get().to_string(), counts)),
        ));
    }
    if let Some(held) = &conflict.total {
        let (what, bound) = match held.name {
            "sum" => (String::new(), &held.bound),
            rest => (
                format!("{} {} ", title(rest), exact(held.bytes)),
                &held.bound,
            ),
        };
        let line = format!("{what}must be {bound}");
        push_wrapped(text, "    ", "      ", &line, screen);
    }
}

/// The fixes of a conflict; each of them alone resolves it.
pub(in crate::cli) fn push_fixes(
    text: &mut String,
    conflict: &Conflict,
    indentation: &str,
    screen: &Screen,
) {
    for (index, suggestion) in conflict.suggestions.iter().enumerate() {
        if index == 0 && indentation == "  " {
            text.push('\n');
        }
        let word = if index == 0 { "fix:" } else { " or:" };
        let first = format!("{indentation}{} ", screen.paint(Tone::Good, word));
        let others = " ".repeat(columns(indentation) + 5);
        push_wrapped(text, &first, &others, &suggestion.to_string(), screen);
    }
}
