//! A YAML document as a tree in which every key and every value knows its line and column.
//!
//! Values take the type that `kubectl` would give them, so that what is checked here is what the API
//! server would have seen.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

pub use crate::configuration::Place;

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value begins; for an alias, where the alias stands.
    pub place: Place,
    /// The value.
    pub shape: Shape,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Shape {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, in JSON's form.
    Number(serde_json::Number),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order in which it was written.
    Map(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Adds lines to every place: the document stands further down in its file than was read.
    pub(super) fn move_down(&mut self, lines: u64) {
        self.place.line += lines;
        match &mut self.shape {
            Shape::List(items) => items.iter_mut().for_each(|item| item.move_down(lines)),
            Shape::Map(entries) => {
                for entry in entries {
                    entry.place.line += lines;
                    entry.value.move_down(lines);
                }
            }
            Shape::Null | Shape::Boolean(_) | Shape::Number(_) | Shape::Text(_) => {}
        }
    }

    /// The value under a key of a mapping.
    #[must_use]
    pub fn child(&self, key: &str) -> Option<&Node> {
        match &self.shape {
            Shape::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The value that the keys lead to, one map inside the other.
    #[must_use]
    pub fn at(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| node.child(key))
    }

    /// The items of a list; none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.shape {
            Shape::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping; none of anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.shape {
            Shape::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text of a scalar, a number or boolean in JSON's form; nothing of a list, a map, or nothing.
    #[must_use]
    pub fn scalar_text(&self) -> Option<Cow<'_, str>> {
        match &self.shape {
            Shape::Text(text) => Some(Cow::Borrowed(text)),
            Shape::Number(number) => Some(Cow::Owned(number.to_string())),
            Shape::Boolean(value) => Some(Cow::Owned(value.to_string())),
            Shape::Null | Shape::List(_) | Shape::Map(_) => None,
        }
    }

    /// Where the field of this path stands, as far as it was written: `spec.memory.managed.size`,
    /// `spec.flinkConfiguration[taskmanager.memory.managed.size]`, `spec.podTemplate.spec.volumes[0]`,
    /// `spec.containers[0].env[NAME]`.
    #[must_use]
    pub fn place_of(&self, path: &str) -> Option<Place> {
        let mut node = self;
        let mut place = None;
        for step in steps(path) {
            match node.step(step) {
                Some((found, next)) => {
                    place = Some(found);
                    node = next;
                }
                None => break,
            }
        }
        place
    }

    /// The place and the value that one step of a path leads to.
    fn step(&self, step: &str) -> Option<(Place, &Node)> {
        match &self.shape {
            Shape::Map(entries) => {
                let exact = entries.iter().find(|entry| entry.key == step);
                if let Some(entry) = exact {
                    return Some((entry.place, &entry.value));
                }
                // An option of Flink may be written as nested maps, split at any of its dots.
                entries.iter().find_map(|entry| {
                    let rest = step.strip_prefix(entry.key.as_str())?.strip_prefix('.')?;
                    entry.value.step(rest)
                })
            }
            Shape::List(items) => {
                let named = |item: &&Node| item.child("name").and_then(Node::text) == Some(step);
                let item = match step.parse::<usize>() {
                    Ok(index) => items.get(index),
                    Err(_) => items.iter().find(named),
                }?;
                Some((item.place, item))
            }
            _ => None,
        }
    }

    /// The text of a scalar that is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same value without its places.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.shape {
            Shape::Null => serde_json::Value::Null,
            Shape::Boolean(value) => serde_json::Value::Bool(*value),
            Shape::Number(number) => serde_json::Value::Number(number.clone()),
            Shape::Text(text) => serde_json::Value::String(text.clone()),
            Shape::List(items) => items.iter().map(Node::to_json).collect(),
            Shape::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect(),
        }
    }
}

/// The steps of a path: names between dots, and what stands in brackets.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if rest.is_empty() {
            return None;
        }
        let (step, after) = match rest.strip_prefix('[') {
            Some(inside) => inside.split_once(']').unwrap_or((inside, "")),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        rest = after;
        Some(step)
    })
}

impl Shape {
    /// What a person calls a value of this kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Shape::Null => "nothing",
            Shape::Boolean(_) => "a boolean",
            Shape::Number(_) => "a number",
            Shape::Text(_) => "text",
            Shape::List(_) => "a list",
            Shape::Map(_) => "a map",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Shape>::deserialize(deserializer)?;
        Ok(Self {
            place: spanned.referenced.into(),
            shape: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

/// A float as JSON writes it: a whole number without a decimal point, as Kubernetes' own YAML reader
/// passes it on (`1e3` is `1000`).
fn number_of_float<E: serde::de::Error>(value: f64) -> Result<Shape, E> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        // In this range the conversion is exact.
        return Ok(Shape::Number((value as i64).into()));
    }
    serde_json::Number::from_f64(value)
        .map(Shape::Number)
        .ok_or_else(|| E::custom("a number that is not finite has no place in a Kubernetes object"))
}

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        Shape::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
        Ok(Shape::Number(value.into()))
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Shape, E> {
        number_of_float(value as f64)
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Shape, E> {
        number_of_float(value as f64)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Shape, E> {
        number_of_float(value)
    }

    fn visit_str<E>(self, value: &str) -> Result<Shape, E> {
        Ok(Shape::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Shape, E> {
        Ok(Shape::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Shape::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push(Entry {
                place: key.referenced.into(),
                key: key.value,
                value: map.next_value()?,
            });
        }
        Ok(Shape::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_where_they_stand() {
        let text = "spec:\n  memory: {managed: {size: 1g}}\n  flinkConfiguration:\n    a.b: 1\n    c:\n      d.e: 2\n  \
                    list:\n  - x\n  - y: 1\n";
        let node: Node = serde_saphyr::from_str(text).unwrap();
        for (path, line, column) in [
            ("spec.memory.managed.size", 2, 22),
            ("spec.memory.managed.fraction", 2, 12),
            ("spec.flinkConfiguration[a.b]", 4, 5),
            ("spec.flinkConfiguration[c.d.e]", 6, 7),
            ("spec.flinkConfiguration[z]", 3, 3),
            ("spec.list[1].y", 9, 5),
            ("spec.list[7]", 7, 3),
        ] {
            assert_eq!(node.place_of(path), Some(Place { line, column }), "{path}");
        }
        let named: Node =
            serde_saphyr::from_str("env:\n- name: a\n- name: b\n  value: 1\n").unwrap();
        assert_eq!(named.place_of("env[b]"), Some(Place { line: 3, column: 3 }));
        assert_eq!(node.place_of("metadata"), None);
        assert_eq!(node.place_of("[]..].["), None);
    }

    #[test]
    fn values_have_the_types_that_kubectl_gives_them() {
        let text = "[1e3, 0x10, 0o17, 017, 1.5, true, yes, ~, '1', 1_000, 18446744073709551615]";
        let node: Node =
            serde_saphyr::from_str_with_options(text, super::super::options()).unwrap();
        assert_eq!(
            node.to_json(),
            serde_json::json!([
                1000,
                16,
                15,
                15,
                1.5,
                true,
                true,
                null,
                "1",
                1000,
                18_446_744_073_709_551_615_u64
            ])
        );
    }
}
