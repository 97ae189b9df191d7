//! `config.yaml`: standard YAML 1.2, typed, nested or flat.
//!
//! Mirrors `GlobalConfiguration.loadYAMLResource` and `YamlParserUtils` from 1.19 on: nested maps become dotted
//! keys, a value its text in Flink's `Configuration`, a list one line of YAML. Flink refuses the whole file for a
//! key that is written twice in one map, for a value that is left out, and for a key that is no text; these are
//! findings here, and the rest is read all the same. Where a nested and a dotted spelling name one key, the later
//! one counts.

use std::{collections::HashMap, rc::Rc};

use super::{
    Effect, Entry, Finding, Place, Reading, flow, named, quoted,
    scalar::Scalar,
    tree::{self, NoTree, Node, NodeTag, Shape},
};
use crate::budget::{FlinkCause, FlinkError};

/// The most options that are read; aliases multiply what a few lines stand for.
const MOST_OPTIONS: usize = 20_000;

/// The most characters that snakeyaml-engine takes (`LoadSettings.codePointLimit`).
const MOST_CHARACTERS: usize = 3 << 20;

/// Reads a file; see [`super::config_yaml`] for the grammar.
#[must_use]
pub fn read(text: &str) -> Reading {
    let mut reader = Reader::default();
    // The reader of a file drops a byte order mark before the YAML.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Err(NoTree { place, problem }) = check_characters(text) {
        return unreadable(place, problem);
    }
    let documents = match tree::documents(text) {
        Ok(documents) => documents,
        Err(NoTree { place, problem }) => {
            return unreadable(place, format!("{problem}; correct the YAML"));
        }
    };
    if let [_, second, ..] = documents.as_slice() {
        let place = second
            .as_ref()
            .map_or(Place { line: 1, column: 1 }, |node| node.place);
        reader.finding(
            place,
            Effect::Refused,
            "the file holds more than one YAML document, which Flink refuses; remove the line ---"
                .to_owned(),
            None,
        );
    }
    if let Some(root) = documents.into_iter().flatten().next() {
        reader.read_root(&root);
    }
    reader.finish()
}

fn unreadable(place: Place, problem: String) -> Reading {
    Reading {
        entries: Vec::new(),
        findings: vec![Finding {
            place: Some(place),
            key: None,
            value: None,
            effect: Effect::Unreadable,
            other: None,
            message: problem,
            flink: Some(FlinkError {
                class: RUNTIME,
                message: NOT_PARSED.to_owned(),
                causes: Vec::new(),
            }),
        }],
    }
}

/// What snakeyaml-engine's `StreamReader` refuses before it looks at the YAML.
fn check_characters(text: &str) -> Result<(), NoTree> {
    let mut place = Place { line: 1, column: 1 };
    for (count, character) in text.chars().enumerate() {
        if count == MOST_CHARACTERS {
            let problem = format!(
                "the file has more than {MOST_CHARACTERS} characters, which Flink refuses; split it"
            );
            return Err(NoTree { place, problem });
        }
        let is_allowed = matches!(
            character,
            '\t' | '\n' | '\r' | '\u{85}' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
                | '\u{10000}'..='\u{10ffff}'
        );
        if !is_allowed {
            let problem = format!(
                "the character U+{:04X} has no place in YAML; remove it, or write it as an escape in double quotes",
                u32::from(character)
            );
            return Err(NoTree { place, problem });
        }
        if character == '\n' {
            place = Place {
                line: place.line + 1,
                column: 1,
            };
        } else {
            place.column += 1;
        }
    }
    Ok(())
}

const RUNTIME: &str = "java.lang.RuntimeException";
const NOT_PARSED: &str = "Error parsing YAML configuration.";
const YAML_ENGINE: &str = "org.snakeyaml.engine.v2.exceptions.YamlEngineException";

#[derive(Default)]
struct Reader {
    reading: Reading,
    known: HashMap<String, usize>,
    /// How many options and items were read, aliases counted each time.
    count: usize,
}

impl Reader {
    fn read_root(&mut self, root: &Node) {
        match &root.shape {
            Shape::Map(entries) => self.read_map(root, entries, ""),
            Shape::Scalar { text, is_plain }
                if *is_plain && Scalar::of_plain(text) == Scalar::Null => {}
            other => {
                let (kind, class) = match other {
                    Shape::List(_) => ("a list", "java.util.ArrayList"),
                    Shape::Scalar { text, is_plain } if *is_plain => {
                        ("one value", Scalar::of_plain(text).java_class())
                    }
                    _ => ("one value", "java.lang.String"),
                };
                let message =
                    format!("the file holds {kind} instead of keys with values; write key: value");
                self.finding(
                    root.place,
                    Effect::Unreadable,
                    message,
                    Some(not_cast(class, "java.util.Map")),
                );
            }
        }
    }

    fn read_map(&mut self, map: &Node, entries: &[(Rc<Node>, Rc<Node>)], prefix: &str) {
        let mut written: HashMap<String, Place> = HashMap::new();
        for (key, value) in entries {
            self.count += 1;
            if self.count > MOST_OPTIONS {
                if self.count == MOST_OPTIONS + 1 {
                    let message = format!(
                        "the file has more than {MOST_OPTIONS} options; write fewer aliases"
                    );
                    self.finding(key.place, Effect::Unreadable, message, None);
                }
                return;
            }
            let Some(name) = self.name(key) else { continue };
            let whole = format!("{prefix}{name}");
            if let Some(first) = written.insert(name.clone(), key.place) {
                let message = format!(
                    "sets {} already, and Flink refuses a file that sets a key twice; remove one of the \
                     two lines",
                    named(&whole)
                );
                let flink = yaml_engine(format!(
                    "while constructing a mapping\n in reader, line {}, column {}\nfound duplicate key {name}\n \
                     in reader, line {}, column {}\n",
                    map.place.line, map.place.column, key.place.line, key.place.column
                ));
                self.refuse(key.place, &whole, None, message, flink);
                if let Some(finding) = self.reading.findings.last_mut() {
                    finding.other = Some(first);
                }
            }
            self.read_value(key, value, whole);
        }
    }

    /// The text of a key; Flink refuses the file where it is none.
    fn name(&mut self, key: &Node) -> Option<String> {
        let (text, class) = match &key.shape {
            Shape::Scalar { text, .. } => match scalar(key) {
                Ok(Scalar::Text(text)) => return Some(text),
                // Java writes nothing so where it joins it to text.
                Ok(Scalar::Null) => return Some("null".to_owned()),
                Ok(other) => (text.clone(), other.java_class()),
                Err(message) => {
                    self.finding(key.place, Effect::Refused, message, None);
                    return None;
                }
            },
            Shape::List(_) => ("a list".to_owned(), "java.util.ArrayList"),
            Shape::Map(_) => ("a map".to_owned(), "java.util.LinkedHashMap"),
        };
        let message = match &key.shape {
            Shape::Scalar { .. } => format!(
                "the key {text} is no text, and Flink refuses the whole file; write it in quotes: \"{text}\""
            ),
            _ => format!("the key is {text}, and Flink refuses the whole file; write text"),
        };
        self.finding(
            key.place,
            Effect::Refused,
            message,
            Some(not_cast(class, "java.lang.String")),
        );
        None
    }

    fn read_value(&mut self, key: &Node, value: &Node, whole: String) {
        if let Some(NodeTag::Other(tag)) = &value.tag {
            let message = format!(
                "{} has the tag {}, which Flink does not know; remove the tag",
                named(&whole),
                quoted(tag)
            );
            let flink = yaml_engine(format!(
                "could not determine a constructor for the tag {tag}\n in reader, line {}, column {}\n",
                value.place.line, value.place.column
            ));
            self.refuse(key.place, &whole, None, message, flink);
            return;
        }
        match &value.shape {
            Shape::Map(entries) => self.read_map(value, entries, &format!("{whole}.")),
            Shape::List(_) => match self.flow(value) {
                Ok(text) => self.set(key.place, whole, text),
                Err(message) => self.finding(key.place, Effect::Refused, message, None),
            },
            Shape::Scalar { text, .. } => match scalar(value) {
                Ok(typed) => match typed.flink_text() {
                    Some(text) => self.set(key.place, whole, text),
                    None => {
                        let message = format!(
                            "{} has no value, and Flink refuses the whole file; write a value, or remove the line",
                            named(&whole)
                        );
                        let flink = because(
                            "java.lang.NullPointerException",
                            "Value must not be null.".to_owned(),
                        );
                        self.refuse(key.place, &whole, Some(text.clone()), message, flink);
                    }
                },
                Err(message) => self.finding(
                    key.place,
                    Effect::Refused,
                    format!("{}: {message}", named(&whole)),
                    None,
                ),
            },
        }
    }

    /// A list as the one line that Flink keeps.
    fn flow(&mut self, node: &Node) -> Result<String, String> {
        self.count += 1;
        if self.count > MOST_OPTIONS {
            return Err(format!(
                "the file has more than {MOST_OPTIONS} options; write fewer aliases"
            ));
        }
        if let Some(NodeTag::Other(tag)) = &node.tag {
            return Err(format!(
                "Flink does not know the tag {}; remove it",
                quoted(tag)
            ));
        }
        Ok(match &node.shape {
            Shape::Scalar { .. } => match scalar(node)? {
                Scalar::Text(text) => flow::text(&text),
                Scalar::Null => "null".to_owned(),
                typed => typed.flink_text().unwrap_or_default(),
            },
            Shape::List(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items?.join(", "))
            }
            Shape::Map(entries) => {
                let mut texts = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    texts.push(format!("{}: {}", self.flow(key)?, self.flow(value)?));
                }
                format!("{{{}}}", texts.join(", "))
            }
        })
    }

    fn set(&mut self, place: Place, key: String, value: String) {
        let entry = Entry { key, value, place };
        match self.known.get(&entry.key) {
            None => {
                self.known
                    .insert(entry.key.clone(), self.reading.entries.len());
                self.reading.entries.push(entry);
            }
            Some(index) => {
                let former = std::mem::replace(&mut self.reading.entries[*index], entry);
                let is_reported = self.reading.findings.iter().any(|finding| {
                    finding.effect == Effect::Refused && finding.place == Some(place)
                });
                if is_reported || former.place == place {
                    return;
                }
                let message = format!(
                    "sets {} again in another spelling, and Flink keeps the last; remove one of the two",
                    named(&former.key)
                );
                self.reading.findings.push(Finding {
                    place: Some(former.place),
                    key: Some(former.key),
                    value: Some(former.value),
                    effect: Effect::PassedOver,
                    other: Some(place),
                    message,
                    flink: None,
                });
            }
        }
    }

    fn refuse(
        &mut self,
        place: Place,
        key: &str,
        value: Option<String>,
        message: String,
        flink: FlinkError,
    ) {
        self.reading.findings.push(Finding {
            place: Some(place),
            key: Some(key.to_owned()),
            value,
            effect: Effect::Refused,
            other: None,
            message,
            flink: Some(flink),
        });
    }

    fn finding(
        &mut self,
        place: Place,
        effect: Effect,
        message: String,
        flink: Option<FlinkError>,
    ) {
        self.reading.findings.push(Finding {
            place: Some(place),
            key: None,
            value: None,
            effect,
            other: None,
            message,
            flink,
        });
    }

    fn finish(mut self) -> Reading {
        self.reading.entries.sort_by_key(|entry| entry.place);
        self.reading.findings.sort_by_key(|finding| finding.place);
        self.reading
    }
}

/// A scalar with its type, by its tag and its quotes.
fn scalar(node: &Node) -> Result<Scalar, String> {
    let Shape::Scalar { text, is_plain } = &node.shape else {
        return Err("a list or map stands where one value is expected".to_owned());
    };
    match &node.tag {
        None if *is_plain => Ok(Scalar::of_plain(text)),
        None | Some(NodeTag::NonSpecific) => Ok(Scalar::Text(text.clone())),
        Some(NodeTag::Core(tag)) => Scalar::of_tagged(text, tag).ok_or_else(|| {
            format!(
                "{} is no {tag}, as its tag says; remove the tag",
                quoted(text)
            )
        }),
        Some(NodeTag::Other(tag)) => Err(format!(
            "Flink does not know the tag {}; remove it",
            quoted(tag)
        )),
    }
}

fn because(class: &'static str, message: String) -> FlinkError {
    FlinkError {
        class: RUNTIME,
        message: NOT_PARSED.to_owned(),
        causes: vec![FlinkCause { class, message }],
    }
}

fn yaml_engine(message: String) -> FlinkError {
    because(YAML_ENGINE, message)
}

fn not_cast(from: &str, to: &str) -> FlinkError {
    because(
        "java.lang.ClassCastException",
        format!(
            "class {from} cannot be cast to class {to} ({from} and {to} are in module java.base of loader 'bootstrap')"
        ),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn options(text: &str) -> Vec<(String, String)> {
        let reading = read(text);
        assert!(!reading.is_refused(), "{text:?}: {:?}", reading.findings);
        reading
            .entries
            .into_iter()
            .map(|entry| (entry.key, entry.value))
            .collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn nested_and_dotted_keys_mix() {
        assert_eq!(
            options("a.b: 1\nc:\n  d.e: {f: x}\n  g: 2\n\"h i\": 3\n"),
            [
                pair("a.b", "1"),
                pair("c.d.e.f", "x"),
                pair("c.g", "2"),
                pair("h i", "3")
            ]
        );
        let reading = read("a.b: 1\na: {b: 2}\n");
        assert_eq!(reading.value("a.b"), Some("2"));
        assert_eq!(reading.findings[0].effect, Effect::PassedOver);
        assert_eq!(
            reading.findings[0].place,
            Some(Place { line: 1, column: 1 })
        );
    }

    #[test]
    fn lists_become_one_line() {
        assert_eq!(
            options(
                "a: [b, \"c d\", 3, \"3\", {k: v, k2: 7}, [n, [~]], \"\"]\nb:\n- x\n- 2e9\nc: []\n"
            ),
            [
                pair("a", "[b, c d, 3, '3', {k: v, k2: 7}, [n, [null]], '']"),
                pair("b", "[x, 2.0E9]"),
                pair("c", "[]"),
            ]
        );
    }

    #[test]
    fn what_flink_refuses_is_told_and_the_rest_is_read() {
        for (text, line, column, words) in [
            ("a: 1\na: 2\nb: 3", 2, 1, "line 1 sets a already"),
            ("b: 3\na:\n", 2, 1, "a has no value"),
            ("b: 3\nx: {a: ~}", 2, 5, "x.a has no value"),
            ("b: 3\n1: x", 2, 1, "the key 1 is no text"),
            ("b: 3\n? [x]\n: y", 2, 3, "the key is a list"),
            ("b: 3\n---\nc: 4", 3, 1, "more than one YAML document"),
            ("b: 3\nc: !foo x", 2, 1, "has the tag"),
            ("b: 3\nc: !!int x", 2, 1, "is no int"),
        ] {
            let reading = read(text);
            assert!(reading.is_refused(), "{text:?}");
            let [finding] = reading.findings.as_slice() else {
                panic!("{text:?}: {:?}", reading.findings)
            };
            assert_eq!(finding.effect, Effect::Refused);
            assert_eq!(finding.place, Some(Place { line, column }), "{text:?}");
            let sentence = finding.sentence(|place| place);
            assert!(sentence.contains(words), "{sentence}");
            assert_eq!(reading.value("b"), Some("3"), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_mapping_is_unreadable() {
        for text in [
            "- a",
            "abc",
            "a: b: c",
            "a: \"x",
            "a:\n  b: 1\n c: 2\n",
            "\ta: 1",
            "a: *x",
            "a: &a [*a]",
            "a: \u{1}",
        ] {
            let reading = read(text);
            let [finding] = reading.findings.as_slice() else {
                panic!("{text:?}: {:?}", reading.findings)
            };
            assert_eq!(finding.effect, Effect::Unreadable, "{text:?}");
            assert!(reading.entries.is_empty(), "{text:?}");
        }
        for text in ["", "# nothing\n", "~", "---\n...\n"] {
            assert_eq!(read(text), Reading::default(), "{text:?}");
        }
    }

    #[test]
    fn aliases_repeat_their_value_within_bounds() {
        assert_eq!(
            options("a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n"),
            [pair("a.b", "1"), pair("c.b", "1"), pair("d.<<.b", "1")]
        );
        let mut text = "a0: &a0 {x: 1}\n".to_owned();
        for level in 1..20 {
            let former = level - 1;
            text.push_str(&format!(
                "a{level}: &a{level} {{x: *a{former}, y: *a{former}}}\n"
            ));
        }
        assert!(read(&text).is_refused());
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in any::<String>()) {
            prop_assert!(read(&text).entries.len() <= MOST_OPTIONS);
        }

        #[test]
        fn no_yaml_is_too_strange(text in "([ \n]{0,2}[a-c&*!\\[{?-][a-c:.,\"'|>~0-9 ]{0,6}(: |\n|]|})?){0,10}") {
            let reading = read(&text);
            if let Some(finding) = reading.findings.iter().find(|finding| finding.effect == Effect::Unreadable) {
                prop_assert!(finding.place.is_some());
            }
        }

        /// Options in quotes read back, in whatever mixture of nested and dotted spelling.
        #[test]
        fn quoted_options_read_back(options in proptest::collection::btree_map("[a-d]{1,3}\\.[a-d]{1,3}\\.[a-d]{1,3}", "[^\0-\u{1f}\u{7f}-\u{9f}\"\\\\\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}]{0,8}", 0..8), nested in any::<u8>()) {
            let mut text = String::new();
            for (index, (key, value)) in options.iter().enumerate() {
                let is_nested = nested >> (index % 8) & 1 == 1;
                match key.split_once('.') {
                    Some((first, rest)) if is_nested && !options.keys().any(|other| other != key && other.starts_with(first)) =>
                        text.push_str(&format!("{first}:\n  {rest}: \"{value}\"\n")),
                    _ => text.push_str(&format!("{key}: \"{value}\"\n")),
                }
            }
            let read: std::collections::BTreeMap<_, _> = read(&text).entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
            prop_assert_eq!(read, options);
        }
    }
}
