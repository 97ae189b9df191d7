//! Holds a document against the schema of its kind, as the API server would with strict field
//! validation: unknown and missing fields, types, bounds.
//!
//! Every problem is reported, not only the first, and each at its place.

use serde_json::Value;

use super::node::{Node, Place, Shape};

/// One thing in a document that its schema does not allow.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Which field: `spec.taskManager.resources`.
    pub field: String,
    /// What is wrong, and the way out.
    pub message: String,
}

/// A schema together with the document that its references point into.
pub struct Schema<'a> {
    root: &'a Value,
    /// The source, line by line, for showing a value as it was written.
    lines: &'a [&'a str],
}

impl<'a> Schema<'a> {
    /// A schema that is applied to values of this text.
    #[must_use]
    pub const fn new(root: &'a Value, lines: &'a [&'a str]) -> Self {
        Self { root, lines }
    }

    /// Adds to `problems` everything about the value that the schema does not allow.
    pub fn check(&self, path: &str, node: &Node, problems: &mut Vec<Problem>) {
        self.check_against(self.root, path, node, problems);
    }

    /// The value in JSON, without the nulls that the API server would prune.
    #[must_use]
    pub fn pruned(&self, node: &Node) -> Value {
        self.pruned_against(self.root, node)
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"]
            .as_str()
            .and_then(|text| text.strip_prefix('#'))
        {
            Some(pointer) => self.root.pointer(pointer).unwrap_or(&Value::Null),
            None => schema,
        }
    }

    fn check_against(
        &self,
        schema: &'a Value,
        path: &str,
        node: &Node,
        problems: &mut Vec<Problem>,
    ) {
        let schema = self.resolve(schema);
        if matches!(node.shape, Shape::Null) {
            // Where null is not a value of its own, the API server prunes it: the field is absent.
            return;
        }
        let mut report = |message: String| {
            problems.push(Problem {
                place: node.place,
                field: path.to_owned(),
                message,
            });
        };
        if let Some(message) = self.wrong_type(schema, node) {
            report(message);
            return;
        }
        if let Some(message) = out_of_bounds(schema, &node.shape) {
            report(message);
        }
        match &node.shape {
            Shape::Map(_) => self.check_map(schema, path, node, problems),
            Shape::List(items) if schema["items"].is_object() => {
                for (index, item) in items.iter().enumerate() {
                    self.check_against(
                        &schema["items"],
                        &format!("{path}[{index}]"),
                        item,
                        problems,
                    );
                }
            }
            _ => {}
        }
    }

    fn check_map(&self, schema: &'a Value, path: &str, node: &Node, problems: &mut Vec<Problem>) {
        let Shape::Map(entries) = &node.shape else {
            return;
        };
        let properties = schema["properties"].as_object();
        // A field that was misspelt is not reported a second time as missing.
        let mut misspelt = Vec::new();
        for entry in entries {
            let child_path = join(path, &entry.key);
            match properties.and_then(|known| known.get(&entry.key)) {
                Some(child) => self.check_against(child, &child_path, &entry.value, problems),
                None if schema["additionalProperties"].is_object() => {
                    self.check_against(
                        &schema["additionalProperties"],
                        &child_path,
                        &entry.value,
                        problems,
                    );
                }
                // Without a list of names there is nothing to hold the name against.
                None if properties.is_none()
                    || schema["x-kubernetes-preserve-unknown-fields"] == true => {}
                None => {
                    let names = || {
                        properties
                            .into_iter()
                            .flat_map(|known| known.keys())
                            .map(String::as_str)
                    };
                    misspelt.extend(nearest(&entry.key, names()));
                    problems.push(Problem {
                        place: entry.place,
                        field: child_path,
                        message: format!(
                            "unknown field {:?}{}",
                            entry.key,
                            instead(&entry.key, names(), "the fields here are")
                        ),
                    });
                }
            }
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let Some(name) = name.as_str() else { continue };
            let is_absent = node
                .child(name)
                .is_none_or(|child| matches!(child.shape, Shape::Null));
            if is_absent && !misspelt.contains(&name) {
                problems.push(Problem {
                    place: node.place,
                    field: join(path, name),
                    message: "required field is missing".to_owned(),
                });
            }
        }
    }

    /// The sentence for a value of the wrong type.
    fn wrong_type(&self, schema: &Value, node: &Node) -> Option<String> {
        let shape = &node.shape;
        if schema["x-kubernetes-int-or-string"] == true {
            let fits = match shape {
                Shape::Text(_) => true,
                Shape::Number(number) => !number.is_f64(),
                _ => false,
            };
            return match shape {
                _ if fits => None,
                Shape::Number(_) => Some(format!(
                    "expected text or a whole number, found the number {raw}; write it in quotes: \"{raw}\"",
                    raw = self.as_written(node)
                )),
                other => Some(format!(
                    "expected text or a whole number, found {}",
                    other.kind()
                )),
            };
        }
        let expected = match schema["type"].as_str()? {
            "string" => "text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "true or false",
            "array" => "a list",
            "object" => "a map",
            _ => return None,
        };
        let fits = match (expected, shape) {
            ("text", Shape::Text(_))
            | ("a number", Shape::Number(_))
            | ("true or false", Shape::Boolean(_))
            | ("a list", Shape::List(_))
            | ("a map", Shape::Map(_)) => true,
            ("a whole number", Shape::Number(number)) => !number.is_f64(),
            _ => false,
        };
        if fits {
            return None;
        }
        Some(match (expected, shape) {
            ("text", Shape::Number(_) | Shape::Boolean(_)) => format!(
                "expected text, found {} {raw}; write it in quotes: \"{raw}\"",
                if matches!(shape, Shape::Number(_)) {
                    "the number"
                } else {
                    "the boolean"
                },
                raw = self.as_written(node)
            ),
            ("a whole number" | "a number" | "true or false", Shape::Text(text)) => {
                format!("expected {expected}, found the text {}", quoted(text))
            }
            ("a whole number", Shape::Number(_)) => {
                format!("expected a whole number, found {}", self.as_written(node))
            }
            _ => format!("expected {expected}, found {}", shape.kind()),
        })
    }

    /// A plain scalar as it stands in the source, so that `1.20` is not shown as the number 1.2.
    fn as_written(&self, node: &Node) -> String {
        let plain = match &node.shape {
            Shape::Number(number) => number.to_string(),
            Shape::Boolean(value) => value.to_string(),
            other => other.kind().to_owned(),
        };
        let from = |count: u64| {
            usize::try_from(count)
                .unwrap_or(usize::MAX)
                .saturating_sub(1)
        };
        let Some(line) = self.lines.get(from(node.place.line)) else {
            return plain;
        };
        let text: String = line
            .chars()
            .skip(from(node.place.column))
            .take_while(|character| !character.is_whitespace() && !",]}#".contains(*character))
            .collect();
        // An alias or a tag stands where the value is used, not what the value is.
        let first = text.chars().next();
        if first
            .is_some_and(|character| character.is_ascii_alphanumeric() || "+-.".contains(character))
        {
            text
        } else {
            plain
        }
    }

    fn pruned_against(&self, schema: &'a Value, node: &Node) -> Value {
        let schema = self.resolve(schema);
        match &node.shape {
            Shape::Map(entries) => entries
                .iter()
                .filter_map(|entry| {
                    let child = match schema["properties"].get(&entry.key) {
                        Some(child) => self.resolve(child),
                        None => &Value::Null,
                    };
                    let prune = matches!(entry.value.shape, Shape::Null)
                        && child.is_object()
                        && child["nullable"] != true;
                    (!prune).then(|| (entry.key.clone(), self.pruned_against(child, &entry.value)))
                })
                .collect(),
            Shape::List(items) => items
                .iter()
                .map(|item| self.pruned_against(&schema["items"], item))
                .collect(),
            _ => node.to_json(),
        }
    }
}

/// The path of a field of a map.
fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "_-$".contains(character));
    match (plain, path) {
        (true, "") => key.to_owned(),
        (true, path) => format!("{path}.{key}"),
        (false, path) => format!("{path}[{}]", shortened(key)),
    }
}

/// The sentence for a bound that a value of the right type does not keep.
fn out_of_bounds(schema: &Value, shape: &Shape) -> Option<String> {
    match shape {
        Shape::Number(number) => {
            let value = number.as_f64()?;
            let below = schema["minimum"]
                .as_f64()
                .filter(|minimum| value < *minimum);
            let above = schema["maximum"]
                .as_f64()
                .filter(|maximum| value > *maximum);
            let format_fits = match schema["format"].as_str() {
                Some("int32") => number
                    .as_i64()
                    .is_some_and(|value| i32::try_from(value).is_ok()),
                Some("int64") => number.as_i64().is_some(),
                _ => true,
            };
            match (below, above) {
                (Some(minimum), _) => Some(format!("{number} is below the minimum {minimum}")),
                (_, Some(maximum)) => Some(format!("{number} is above the maximum {maximum}")),
                _ if !format_fits => Some(format!("{number} is too large")),
                _ => None,
            }
        }
        Shape::Text(text) => {
            let length = text.chars().count() as u64;
            if let Some(known) = schema["enum"].as_array() {
                let names: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
                if !names.contains(&text.as_str()) {
                    return Some(format!(
                        "{} is not a value of this field{}",
                        quoted(text),
                        instead(text, names.iter().copied(), "the values are")
                    ));
                }
            }
            match (schema["minLength"].as_u64(), schema["maxLength"].as_u64()) {
                (Some(1), _) if length == 0 => Some("must not be empty".to_owned()),
                (Some(least), _) if length < least => {
                    Some(format!("has {length} characters, fewer than {least}"))
                }
                (_, Some(most)) if length > most => {
                    Some(format!("has {length} characters, more than {most}"))
                }
                _ => None,
            }
        }
        Shape::List(items) => schema["maxItems"]
            .as_u64()
            .filter(|most| items.len() as u64 > *most)
            .map(|most| format!("has {} items, more than {most}", items.len())),
        Shape::Map(entries) => schema["maxProperties"]
            .as_u64()
            .filter(|most| entries.len() as u64 > *most)
            .map(|most| format!("has {} entries, more than {most}", entries.len())),
        Shape::Null | Shape::Boolean(_) => None,
    }
}

/// The rest of a sentence about an unknown name: the nearest right one, or the list if it is short.
pub(super) fn instead<'n>(name: &str, known: impl Iterator<Item = &'n str>, list: &str) -> String {
    const LISTED: usize = 16;
    let known: Vec<&str> = known.collect();
    if let Some(nearest) = nearest(name, known.iter().copied()) {
        format!("; did you mean {nearest:?}?")
    } else if (1..=LISTED).contains(&known.len()) {
        format!("; {list} {}", known.join(", "))
    } else {
        String::new()
    }
}

/// The known name that a person most probably meant.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // A name of a few letters is near to everything; a long one is not worth comparing.
    const LONGEST: usize = 64;
    if name.chars().count() > LONGEST {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', '.'], "");
    let wanted = plain(name);
    known
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&wanted, &plain(candidate)),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A text of the input in quotes, of a length that fits into a line.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut characters = text.chars();
    let mut short: String = characters
        .by_ref()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}
