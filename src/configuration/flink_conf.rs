//! `flink-conf.yaml`: one `key: value` per line, which only looks like YAML.
//!
//! Mirrors `GlobalConfiguration.loadYAMLResource` up to 1.18 and `loadLegacyYAMLResource` of 1.19 and 1.20: a `#`
//! starts a comment anywhere, the first colon with a space after it splits, both sides are trimmed, a line without
//! key or value is passed over with a warning in Flink's log, the last line of a key counts. Nothing is unquoted
//! and nothing refuses the file.

use std::collections::HashMap;

use super::{Effect, Entry, Finding, Place, Reading, named, quoted};
use crate::budget::java_trim;

/// What a line of the file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line<'a> {
    /// Nothing but space and a comment.
    Blank,
    /// An option.
    Option {
        /// The key.
        key: &'a str,
        /// The value.
        value: &'a str,
    },
    /// Passed over for want of a colon with a space after it.
    WithoutSeparator,
    /// Passed over because nothing stands before or after the separator.
    WithoutKeyOrValue,
}

/// Takes one line apart.
pub(super) fn line(text: &str) -> Line<'_> {
    let text = java_trim(text.split('#').next().unwrap_or_default());
    if text.is_empty() {
        return Line::Blank;
    }
    let Some((key, value)) = text.split_once(": ") else {
        return Line::WithoutSeparator;
    };
    let (key, value) = (java_trim(key), java_trim(value));
    if key.is_empty() || value.is_empty() {
        return Line::WithoutKeyOrValue;
    }
    Line::Option { key, value }
}

/// The lines of a text as Java's `BufferedReader` counts them, with their numbers from 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let mut rest = text;
    let mut number = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after
            .strip_prefix("\r\n")
            .or_else(|| after.strip_prefix(['\n', '\r']))
            .unwrap_or(after);
        number += 1;
        Some((number, line))
    })
}

/// Reads a file; see [`super::flink_conf`] for the grammar.
///
/// Never refuses; every line that Flink passes over is a finding, and every line that a later one of the same key
/// makes void.
#[must_use]
pub fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (number, whole) in lines(text) {
        let place = Place {
            line: number,
            column: indentation(whole) + 1,
        };
        match line(whole) {
            Line::Blank => {}
            Line::Option { key, value } => {
                if is_quoted(value) {
                    reading.findings.push(Finding {
                        key: Some(key.to_owned()),
                        ..passed_over(value, place, in_quotes(key, value))
                    });
                }
                let entry = Entry {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    place,
                };
                match known.get(key) {
                    Some(index) => {
                        let former = std::mem::replace(&mut reading.entries[*index], entry);
                        reading.findings.push(overwritten(former, place));
                    }
                    None => {
                        known.insert(key, reading.entries.len());
                        reading.entries.push(entry);
                    }
                }
            }
            Line::WithoutSeparator => {
                let message = without_separator(whole);
                reading.findings.push(passed_over(whole, place, message));
            }
            Line::WithoutKeyOrValue => {
                let message = format!(
                    "Flink passes over {}, which has no {}; write key: value, or remove the line",
                    quoted(java_trim(whole)),
                    if java_trim(whole).starts_with(": ") {
                        "key"
                    } else {
                        "value"
                    }
                );
                reading.findings.push(passed_over(whole, place, message));
            }
        }
    }
    if let Some(first) = reading
        .entries
        .first_mut()
        .filter(|entry| entry.key.starts_with('\u{feff}'))
    {
        let message = "the file begins with a byte order mark, which Flink takes for a part of the first key; \
                       save the file without it"
            .to_owned();
        reading.findings.push(Finding {
            place: Some(first.place),
            key: Some(first.key.clone()),
            value: Some(first.value.clone()),
            effect: Effect::PassedOver,
            other: None,
            message,
            flink: None,
        });
    }
    reading.entries.sort_by_key(|entry| entry.place);
    reading.findings.sort_by_key(|finding| finding.place);
    reading
}

/// Characters before the first one that Java does not trim.
fn indentation(line: &str) -> u64 {
    line.chars()
        .take_while(|character| *character <= ' ')
        .count() as u64
}

fn passed_over(line: &str, place: Place, message: String) -> Finding {
    Finding {
        place: Some(place),
        key: None,
        value: Some(java_trim(line).to_owned()),
        effect: Effect::PassedOver,
        other: None,
        message,
        flink: None,
    }
}

/// Whether a value stands in quotes, as YAML would have it.
fn is_quoted(value: &str) -> bool {
    ['"', '\'']
        .iter()
        .any(|quote| value.len() > 1 && value.starts_with(*quote) && value.ends_with(*quote))
}

fn in_quotes(key: &str, value: &str) -> String {
    format!(
        "{} is {value}, and this file is no YAML, so the quotes are a part of the value; write {}",
        named(key),
        &value[1..value.len() - 1]
    )
}

fn without_separator(line: &str) -> String {
    let trimmed = java_trim(line.split('#').next().unwrap_or_default());
    let shown = quoted(trimmed);
    match trimmed.split_once(':') {
        Some((key, "")) => format!(
            "Flink passes over {shown}, which has no value; write {}: and the value in one line, because this file is \
             no YAML and nests nothing",
            key.trim_end()
        ),
        Some((key, value)) => format!(
            "Flink passes over {shown}, which has no space after the colon; write {}: {}",
            key.trim_end(),
            value.trim_start()
        ),
        None => format!(
            "Flink passes over {shown}, which has no colon with a space after it; write key: value, or remove the line"
        ),
    }
}

fn overwritten(former: Entry, later: Place) -> Finding {
    Finding {
        message: format!(
            "sets {} again, and Flink keeps the last; remove one of the two lines",
            named(&former.key)
        ),
        place: Some(former.place),
        key: Some(former.key),
        value: Some(former.value),
        effect: Effect::PassedOver,
        other: Some(later),
        flink: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn options(text: &str) -> Vec<(String, String)> {
        read(text)
            .entries
            .into_iter()
            .map(|entry| (entry.key, entry.value))
            .collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn a_line_is_split_at_the_first_colon_and_space() {
        assert_eq!(
            options("a: b\r\n  c :  d: e \rf: \"g\"\ni: j # k\n#l: m\nn: o#p\n\u{a0}q: r"),
            [
                pair("a", "b"),
                pair("c", "d: e"),
                pair("f", "\"g\""),
                pair("i", "j"),
                pair("n", "o"),
                pair("\u{a0}q", "r"),
            ]
        );
    }

    #[test]
    fn what_flink_passes_over_is_told_with_its_line() {
        let reading = read("a:b\n\nc:\nd: \n : e\nnothing\n# all right\ntask:\n  x.y: 1\n");
        assert_eq!(reading.entries.len(), 1);
        let lines: Vec<_> = reading
            .findings
            .iter()
            .map(|finding| finding.place.unwrap().line)
            .collect();
        assert_eq!(lines, [1, 3, 4, 5, 6, 8]);
        assert!(!reading.is_refused());
        assert!(reading.findings[0].message.ends_with("write a: b"));
    }

    #[test]
    fn the_last_line_of_a_key_counts() {
        let reading = read("a: 1\nb: 2\na: 3\n");
        assert_eq!(
            options("a: 1\nb: 2\na: 3\n"),
            [pair("b", "2"), pair("a", "3")]
        );
        assert_eq!(reading.entry("a").unwrap().place.line, 3);
        assert_eq!(reading.findings[0].place.unwrap().line, 1);
        assert!(
            reading.findings[0]
                .sentence(|place| place)
                .starts_with("line 3 sets a again")
        );
    }

    #[test]
    fn columns_are_those_of_the_key() {
        assert_eq!(
            read("\t  a: 1").entries[0].place,
            Place { line: 1, column: 4 }
        );
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in any::<String>()) {
            let reading = read(&text);
            let count = lines(&text).count();
            prop_assert!(reading.entries.len() + reading.findings.len() <= count + 1);
        }

        /// Whatever is read, and written again one option a line, is read the same.
        #[test]
        fn what_is_read_reads_back(text in "([a-z.]{0,3}(: |:|#| )?[a-z#: ]{0,4}\n){0,8}") {
            let first = options(&text);
            let again: String = first.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
            prop_assert_eq!(options(&again), first);
        }
    }
}
