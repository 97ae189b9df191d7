//! `FLINK_PROPERTIES`, the environment variable that the entry point of Flink's container image reads.
//!
//! Up to 1.18 its text is appended to `flink-conf.yaml` and read with it. From 1.19 on each line loses all its
//! white space, is split at the first colon, and is written into the nested form of `config.yaml` by
//! `YamlParserUtils.convertAndDumpYamlFromFlatMap`: there a comment becomes an option, and a key that continues
//! another (`state.backend` and `state.backend.incremental`) cannot be written.

use std::collections::HashMap;

use super::{Effect, Entry, Finding, Format, Place, Reading, flink_conf, named, quoted};
use crate::budget::FlinkVersion;

/// Reads the text as the image of this version does.
///
/// Lines are those of the text. `envsubst`, which the image applies to the values, is not: a value with `$` is a
/// finding, since what it becomes is known only in the container.
#[must_use]
pub fn read(text: &str, version: FlinkVersion) -> Reading {
    let mut reading = match Format::of(version) {
        Format::FlinkConfYaml => flink_conf::read(text),
        Format::ConfigYaml => split_at_colons(text),
    };
    for entry in &reading.entries {
        if entry.value.contains('$') {
            reading.findings.push(finding(
                entry,
                Effect::PassedOver,
                format!(
                    "{} is {}, where the container replaces $ and what follows by its environment; write the value \
                     itself to have it checked",
                    named(&entry.key),
                    quoted(&entry.value)
                ),
            ));
        }
    }
    reading.findings.sort_by_key(|finding| finding.place);
    reading
}

/// The lines of 1.19 and later.
fn split_at_colons(text: &str) -> Reading {
    let mut reading = Reading::default();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (index, line) in text.split('\n').enumerate() {
        let column = line
            .chars()
            .take_while(|character| is_space(*character))
            .count() as u64
            + 1;
        let place = Place {
            line: index as u64 + 1,
            column,
        };
        let bare: String = line
            .chars()
            .filter(|character| !is_space(*character))
            .collect();
        if bare.is_empty() {
            continue;
        }
        let (key, value) = bare.split_once(':').unwrap_or((&bare, ""));
        let entry = Entry {
            key: key.to_owned(),
            value: value.to_owned(),
            place,
        };
        if key.starts_with('#') {
            let message = format!(
                "the image of Flink 1.19 and later takes the comment {} for an option; move it out of FLINK_PROPERTIES",
                quoted(line.trim())
            );
            reading
                .findings
                .push(finding(&entry, Effect::PassedOver, message));
            continue;
        }
        if !bare.contains(':') {
            let message = format!(
                "{} has no colon, so the image sets an option of that name to nothing; write key: value",
                quoted(line.trim())
            );
            reading
                .findings
                .push(finding(&entry, Effect::PassedOver, message));
            continue;
        }
        let was_one_word = line.trim_matches(is_space);
        let value_as_written = was_one_word
            .split_once(':')
            .map_or("", |(_, value)| value.trim_matches(is_space));
        if value_as_written.contains(is_space) {
            let message = format!(
                "the image takes all white space out of FLINK_PROPERTIES, so {} becomes {}; put such a value into a \
                 configuration file",
                named(key),
                quoted(value)
            );
            reading
                .findings
                .push(finding(&entry, Effect::PassedOver, message));
        }
        match known.get(key) {
            Some(index) => {
                let former = std::mem::replace(&mut reading.entries[*index], entry);
                let message = format!(
                    "sets {} again, and the last counts; remove one of the two lines",
                    named(&former.key)
                );
                reading.findings.push(Finding {
                    other: Some(place),
                    ..finding(&former, Effect::PassedOver, message)
                });
            }
            None => {
                known.insert(key.to_owned(), reading.entries.len());
                reading.entries.push(entry);
            }
        }
    }
    reading.entries.sort_by_key(|entry| entry.place);
    add_continued_keys(&mut reading);
    reading
}

/// Finds keys that continue other keys: the image nests them, and a value cannot be a map as well.
fn add_continued_keys(reading: &mut Reading) {
    let keys: HashMap<&str, &Entry> = reading
        .entries
        .iter()
        .map(|entry| (entry.key.as_str(), entry))
        .collect();
    let mut found = Vec::new();
    for entry in &reading.entries {
        let dots = entry.key.match_indices('.').map(|(at, _)| &entry.key[..at]);
        for shorter in dots.filter_map(|prefix| keys.get(prefix)) {
            let message = format!(
                "{} continues {}, and the image of Flink 1.19 and later cannot write both into config.yaml: one is \
                 lost, or the container does not start; move one of them into a configuration file or to -D",
                named(&entry.key),
                named(&shorter.key)
            );
            found.push(finding(entry, Effect::Refused, message));
        }
    }
    reading.findings.extend(found);
}

fn finding(entry: &Entry, effect: Effect, message: String) -> Finding {
    Finding {
        place: Some(entry.place),
        key: Some(entry.key.clone()),
        value: Some(entry.value.clone()),
        effect,
        other: None,
        message,
        flink: None,
    }
}

/// What `tr -d '[:space:]'` takes out.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str, version: FlinkVersion) -> Vec<(String, String)> {
        read(text, version)
            .entries
            .into_iter()
            .map(|entry| (entry.key, entry.value))
            .collect()
    }

    #[test]
    fn older_images_append_to_the_file() {
        let text = "a.b: 1 2\nc:3\n# d: 4\n";
        assert_eq!(
            values(text, FlinkVersion::V1_18),
            [("a.b".to_owned(), "1 2".to_owned())]
        );
        assert_eq!(
            values(text, FlinkVersion::V1_19),
            [
                ("a.b".to_owned(), "12".to_owned()),
                ("c".to_owned(), "3".to_owned())
            ]
        );
    }

    #[test]
    fn newer_images_split_at_the_first_colon_and_forget_spaces() {
        let reading = read(
            "\n  a.b : x:y z\nlonely\n#note: 1\na.b: q\n",
            FlinkVersion::V2_1,
        );
        assert_eq!(reading.value("a.b"), Some("q"));
        let lines: Vec<_> = reading
            .findings
            .iter()
            .map(|finding| finding.place.unwrap().line)
            .collect();
        assert_eq!(lines, [2, 2, 3, 4]);
    }

    #[test]
    fn a_key_that_continues_another_is_refused() {
        let reading = read(
            "state.backend: rocksdb\nstate.backend.incremental: true\nstate.backends: x\n",
            FlinkVersion::V1_20,
        );
        assert_eq!(reading.findings.len(), 1);
        assert_eq!(reading.findings[0].effect, Effect::Refused);
        assert_eq!(reading.findings[0].place.unwrap().line, 2);
    }

    #[test]
    fn a_value_from_the_environment_is_not_guessed() {
        assert_eq!(read("a.b: ${X}", FlinkVersion::V1_17).findings.len(), 1);
        assert_eq!(read("a.b: ${X}", FlinkVersion::V2_1).findings.len(), 1);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in any::<String>(), newest in any::<bool>()) {
            let version = if newest { FlinkVersion::V2_3 } else { FlinkVersion::V1_10 };
            let reading = read(&text, version);
            let lines = text.lines().count() as u64;
            prop_assert!(reading.entries.iter().all(|entry| entry.place.line <= lines.max(1) * 2));
        }

        #[test]
        fn newer_images_keep_no_space(text in "([a-z.]{0,3}[: ]{0,2}[a-z: ]{0,4}\n){0,8}") {
            for (key, value) in values(&text, FlinkVersion::V2_0) {
                prop_assert!(!key.contains([' ', ':']) && !value.contains(' '));
            }
        }
    }
}
