//! The text of Flink's configuration file, written so that Flink reads back exactly each value.
//!
//! Two formats: `config.yaml` is YAML 1.2 (`YamlParserUtils`), read from 1.19 on and alone from 2.0 on;
//! `flink-conf.yaml` up to 1.18 only looks like YAML (`GlobalConfiguration.loadYAMLResource`): one option per
//! line, split at the first colon and space, `#` starts a comment anywhere, and there is no quoting.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    budget::{Code, Conflict, FlinkVersion},
    configuration::Format,
};

use super::conflict::At;

/// Largest file: a ConfigMap holds 1 MiB in all, keys included.
pub(super) const LARGEST_FILE_BYTES: usize = (1 << 20) - 1024;

/// A rendered configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationFile {
    /// Name of the file in Flink's configuration directory.
    pub name: &'static str,
    /// The whole text.
    pub text: String,
}

/// Writes the options in the version's format, ordered by key. An option that the format cannot express is
/// reported and left out, a file that fits into no ConfigMap is reported.
pub(crate) fn render(
    options: &BTreeMap<String, String>,
    version: FlinkVersion,
    conflicts: &mut Vec<Conflict>,
) -> ConfigurationFile {
    let format = Format::of(version);
    let mut text = String::new();
    for (key, value) in options {
        match format {
            Format::ConfigYaml => write_yaml(&mut text, key, value),
            Format::FlinkConfYaml => match inexpressible(key, value) {
                None => text.extend([key, ": ", value, "\n"]),
                Some(problem) => conflicts.push(At::option(key, value.as_str()).error(
                    Code::ConfigurationInvalid,
                    "one line without # and outer spaces",
                    format!(
                        "spec.flinkConfiguration[{key}] {problem}, which flink-conf.yaml of Flink {version} cannot \
                         express; change the value, or use Flink 1.19 or newer"
                    ),
                )),
            },
        }
    }
    if text.len() > LARGEST_FILE_BYTES {
        conflicts.push(At::field("spec.flinkConfiguration", format!("{} bytes", text.len())).error(
            Code::ConfigurationTooLarge,
            format!("<= {LARGEST_FILE_BYTES} bytes"),
            format!(
                "the configuration file would have {} bytes, {} more than the {LARGEST_FILE_BYTES} that fit into a \
                 ConfigMap; remove options, or put large values into files of the image",
                text.len(),
                text.len() - LARGEST_FILE_BYTES
            ),
        ));
    }
    ConfigurationFile {
        name: format.file_name(),
        text,
    }
}

/// Why `flink-conf.yaml` cannot hold an option.
fn inexpressible(key: &str, value: &str) -> Option<&'static str> {
    let java_trims = |character: char| character <= ' ';
    if value.is_empty() {
        Some("is empty")
    } else if key.contains(['\n', '\r']) || value.contains(['\n', '\r']) {
        Some("contains a line break")
    } else if key.contains('#') || value.contains('#') {
        Some("contains #, which starts a comment")
    } else if value.trim_matches(java_trims).len() != value.len() {
        Some("starts or ends with a space")
    } else if key.is_empty()
        || key.trim_matches(java_trims).len() != key.len()
        || key.contains(": ")
    {
        Some("has a key that would be cut")
    } else {
        None
    }
}

fn write_yaml(text: &mut String, key: &str, value: &str) {
    let plain = key.contains('.')
        && key.starts_with(|character: char| character.is_ascii_lowercase())
        && key
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || ".-_".contains(character));
    if plain {
        text.push_str(key);
    } else {
        write_double_quoted(text, key);
    }
    text.push_str(": ");
    write_double_quoted(text, value);
    text.push('\n');
}

/// A double-quoted YAML scalar; always quoted, so that no value is ever taken for a number, a date or a null.
fn write_double_quoted(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}'
            | '\u{10000}'..='\u{10ffff}'
                // These two break lines in YAML 1.1 and confuse people in YAML 1.2.
                if !matches!(character, '\u{2028}' | '\u{2029}') =>
            {
                text.push(character);
            }
            other => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{:04X}", u32::from(other));
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rendered(options: &[(&str, &str)], version: FlinkVersion) -> (String, Vec<Conflict>) {
        let options = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let mut conflicts = Vec::new();
        (render(&options, version, &mut conflicts).text, conflicts)
    }

    /// What Flink of this version makes of the file.
    fn read_back(file: &ConfigurationFile, version: FlinkVersion) -> BTreeMap<String, String> {
        let reading = Format::of(version).read(&file.text);
        assert_eq!(reading.findings, []);
        reading
            .entries
            .into_iter()
            .map(|entry| (entry.key, entry.value))
            .collect()
    }

    #[test]
    fn yaml_values_are_always_text() {
        let (text, conflicts) = rendered(
            &[("a.b", "0.5"), ("c", "null"), ("d.e", "say \"hi\"\n\u{7}é")],
            FlinkVersion::V2_1,
        );
        assert_eq!(
            text,
            "a.b: \"0.5\"\n\"c\": \"null\"\nd.e: \"say \\\"hi\\\"\\n\\u0007é\"\n"
        );
        assert_eq!(conflicts, []);
    }

    #[test]
    fn the_older_format_refuses_what_it_cannot_hold() {
        for value in ["", "a # b", "a\nb", " a", "a\t"] {
            let (text, conflicts) = rendered(&[("key", value)], FlinkVersion::V1_18);
            assert_eq!((text.as_str(), conflicts.len()), ("", 1), "{value:?}");
            assert_eq!(conflicts[0].code, Code::ConfigurationInvalid);
            assert_eq!(rendered(&[("key", value)], FlinkVersion::V1_19).1, []);
        }
        assert_eq!(
            rendered(&[("key", "a: b")], FlinkVersion::V1_18).0,
            "key: a: b\n"
        );
    }

    #[test]
    fn a_file_that_fits_into_no_config_map_is_reported() {
        let value = "x".repeat(LARGEST_FILE_BYTES);
        let (_, conflicts) = rendered(&[("key.a", &value)], FlinkVersion::V2_1);
        assert_eq!(conflicts[0].code, Code::ConfigurationTooLarge);
        assert!(
            conflicts[0].configured.len() < 100,
            "the value itself is not repeated"
        );
    }

    proptest! {
        #[test]
        fn config_yaml_reads_back_the_same(options in any::<BTreeMap<String, String>>()) {
            let mut conflicts = Vec::new();
            let file = render(&options, FlinkVersion::V2_3, &mut conflicts);
            prop_assert_eq!(conflicts, []);
            prop_assert_eq!(read_back(&file, FlinkVersion::V2_3), options);
        }

        #[test]
        fn flink_conf_reads_back_the_same_or_says_why_not(
            options in proptest::collection::btree_map("[a-z.: #\t]{0,8}", "[a-z:# \t\n]{0,8}", 0..8)
        ) {
            let mut conflicts = Vec::new();
            let file = render(&options, FlinkVersion::V1_17, &mut conflicts);
            let read = read_back(&file, FlinkVersion::V1_17);
            for (key, value) in &read {
                prop_assert_eq!(options.get(key), Some(value));
            }
            prop_assert_eq!(read.len() + conflicts.len(), options.len());
        }
    }
}
