//! `spec.flinkConfiguration` as Flink would see it: flat keys, every value as text.
//!
//! Mirrors what Flink makes of a typed YAML file (`GlobalConfiguration.flatten`, then `Configuration`'s text
//! form): nested maps become dotted keys, integers their decimal text, other numbers Java's text of a double,
//! lists the text that the version's list options read. A `null` is refused, as Flink refuses the whole file.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    budget::{Code, Conflict, FlinkVersion, java_double},
    configuration::Format,
};

use super::conflict::{At, removing};

/// Deepest nesting of maps that is read; Flink's own options need five.
const DEEPEST_NESTING: usize = 32;

/// Flat options, ordered by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FlinkConfiguration {
    options: BTreeMap<String, String>,
}

impl FlinkConfiguration {
    /// All options, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of an option.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }
}

/// Reads the free options. Whatever Flink would not read is left out and reported.
pub(super) fn flatten(
    spec: &BTreeMap<String, Value>,
    version: FlinkVersion,
    conflicts: &mut Vec<Conflict>,
) -> FlinkConfiguration {
    let mut flattening = Flattening {
        format: Format::of(version),
        options: BTreeMap::new(),
        conflicts,
    };
    for (key, value) in spec {
        flattening.add(key.clone(), value, 0);
    }
    FlinkConfiguration {
        options: flattening.options,
    }
}

/// The free options of another resource, each with its text, and what of them Flink would not read.
pub(crate) fn flattened(
    spec: &BTreeMap<String, Value>,
    version: FlinkVersion,
) -> (BTreeMap<String, String>, Vec<Conflict>) {
    let mut conflicts = Vec::new();
    let flat = flatten(spec, version, &mut conflicts);
    (flat.options, conflicts)
}

struct Flattening<'a> {
    format: Format,
    options: BTreeMap<String, String>,
    conflicts: &'a mut Vec<Conflict>,
}

impl Flattening<'_> {
    fn add(&mut self, key: String, value: &Value, depth: usize) {
        let text = match value {
            Value::Object(map) => {
                if depth == DEEPEST_NESTING {
                    let message = format!(
                        "spec.flinkConfiguration[{key}] is nested more than {DEEPEST_NESTING} levels deep; \
                         write it as one dotted key"
                    );
                    self.refuse(&key, "a map", "an option", message);
                    return;
                }
                for (name, value) in map {
                    self.add(format!("{key}.{name}"), value, depth + 1);
                }
                return;
            }
            Value::Null => {
                let message = format!(
                    "spec.flinkConfiguration[{key}] has no value, and Flink refuses a file with an empty value; \
                     write a value or remove the key"
                );
                self.refuse(&key, "null", "a value", message);
                return;
            }
            Value::Array(items) => match self.list(items) {
                Ok(text) => text,
                Err(problem) => {
                    let message =
                        format!("spec.flinkConfiguration[{key}] is a list that {problem}");
                    self.refuse(&key, &value.to_string(), "a list of plain values", message);
                    return;
                }
            },
            scalar => scalar_text(scalar),
        };
        if let Some(first) = self.options.get(&key) {
            let message = format!(
                "spec.flinkConfiguration sets {key} twice, as a dotted key and in a nested map ({first:?} and {text:?}), \
                 and Flink refuses or ignores one of them; remove one"
            );
            self.refuse(&key, &text, "one value", message);
            return;
        }
        self.options.insert(key, text);
    }

    /// The text that an option of a list type reads back as these items.
    fn list(&self, items: &[Value]) -> Result<String, &'static str> {
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Value::Null => return Err("contains an empty value; remove it"),
                Value::Object(_) | Value::Array(_) => {
                    return Err(
                        "contains a list or a map; write the text of the whole option instead",
                    );
                }
                scalar => texts.push(scalar_text(scalar)),
            }
        }
        match self.format {
            Format::ConfigYaml => {
                let quoted: Vec<_> = texts.iter().map(|text| flow_item(text)).collect();
                Ok(format!("[{}]", quoted.join(", ")))
            }
            // The splitter of older versions knows single quotes, doubled inside.
            Format::FlinkConfYaml => {
                let quoted = texts.iter().map(|text| {
                    if text.contains([';', '\'', '"', ':', ',']) || text.trim() != text {
                        format!("'{}'", text.replace('\'', "''"))
                    } else {
                        text.clone()
                    }
                });
                Ok(quoted.collect::<Vec<_>>().join(";"))
            }
        }
    }

    fn refuse(&mut self, key: &str, value: &str, bound: &str, message: String) {
        let conflict = At::option(key, value).error(Code::ConfigurationInvalid, bound, message);
        self.conflicts.push(removing(conflict));
    }
}

/// The text of a scalar as Flink's `Configuration` keeps it.
fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .map_or_else(|| number.to_string(), java_double),
        Value::Number(number) => number.to_string(),
        other => other.to_string(),
    }
}

/// One item of a YAML flow list, quoted unless it is plainly text or a number.
fn flow_item(text: &str) -> String {
    let plain = !text.is_empty()
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "._-/".contains(character))
        && text
            .starts_with(|character: char| character.is_ascii_alphanumeric() || character == '/');
    if plain {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(version: FlinkVersion, value: Value) -> (Vec<(String, String)>, Vec<Conflict>) {
        let spec = serde_json::from_value(value).unwrap();
        let mut conflicts = Vec::new();
        let flat = flatten(&spec, version, &mut conflicts);
        (
            flat.iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            conflicts,
        )
    }

    #[test]
    fn nested_maps_become_dotted_keys_and_values_flinks_text() {
        let (options, conflicts) = read(
            FlinkVersion::V2_1,
            json!({
                "state": {"backend": {"type": "rocksdb", "incremental": true}},
                "taskmanager.memory.managed.fraction": 0.5,
                "parallelism.default": 12,
                "big": 2e9,
                "small": 0.0001,
                "list": ["/a", "b c", 3],
                "pasted": "a;b"
            }),
        );
        assert_eq!(conflicts, []);
        let expected = [
            ("big", "2.0E9"),
            ("list", "[/a, 'b c', 3]"),
            ("parallelism.default", "12"),
            ("pasted", "a;b"),
            ("small", "1.0E-4"),
            ("state.backend.incremental", "true"),
            ("state.backend.type", "rocksdb"),
            ("taskmanager.memory.managed.fraction", "0.5"),
        ];
        assert_eq!(
            options,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn older_versions_read_lists_with_semicolons() {
        let (options, _) = read(FlinkVersion::V1_17, json!({"list": ["a", "b;c", 3]}));
        assert_eq!(options[0].1, "a;'b;c';3");
    }

    #[test]
    fn what_flink_would_not_read_is_refused_once_each() {
        let (options, conflicts) = read(
            FlinkVersion::V2_1,
            json!({"a": null, "b": {"c": null}, "d": [null], "e.f": 1, "e": {"f": 2}, "g": [["h"]]}),
        );
        assert_eq!(options, [("e.f".to_owned(), "2".to_owned())]);
        let keys: Vec<_> = conflicts
            .iter()
            .map(|conflict| conflict.options[0].key.as_str())
            .collect();
        assert_eq!(keys, ["a", "b.c", "d", "e.f", "g"]);
        assert!(
            conflicts
                .iter()
                .all(|conflict| conflict.code == Code::ConfigurationInvalid)
        );
    }
}
