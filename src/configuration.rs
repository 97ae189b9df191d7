//! Flink's configuration as people write it: text in, options with the place of each out.
//!
//! Four grammars that look alike and are not: [`flink_conf`] (`flink-conf.yaml` of `GlobalConfiguration`),
//! [`config_yaml`] (`config.yaml` of `YamlParserUtils`), [`arguments`] (`-D key=value` of Flink's programs) and
//! [`flink_properties`] (the environment variable that Flink's container image reads). Everything here is a
//! function of its arguments: no file is opened, no environment read. No text makes a reader panic.

pub mod arguments;
pub mod config_yaml;
pub mod flink_conf;
pub mod flink_properties;
mod flow;
mod scalar;
mod tree;

use std::borrow::Cow;

use serde::Serialize;

use crate::budget::{FlinkError, FlinkVersion};

/// A place in a text, both counted from 1.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

/// What a reader made of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The options that count, in the order of their places: each key once, with the value that Flink keeps.
    pub entries: Vec<Entry>,
    /// What Flink would refuse, and what it would pass over, in the order of the places.
    pub findings: Vec<Finding>,
}

/// One option.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The whole dotted key.
    pub key: String,
    /// The value as text, the way Flink's `Configuration.toMap` gives it.
    pub value: String,
    /// Where the key stands; the last part of a nested key.
    pub place: Place,
}

/// Something about a text that its author did not mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Where; `None` where the whole text is meant.
    pub place: Option<Place>,
    /// The key, where one is known.
    pub key: Option<String>,
    /// The value or the line, as written, where one is known.
    pub value: Option<String>,
    /// What Flink does about it.
    pub effect: Effect,
    /// The other place that takes part, where there is one.
    pub other: Option<Place>,
    /// What is wrong and the way out: one sentence without a full stop, which [`Finding::sentence`] begins where
    /// another place takes part.
    pub message: String,
    /// The exception with which Flink refuses the text, where its words are known.
    pub flink: Option<FlinkError>,
}

/// What Flink does about a [`Finding`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// The text is no YAML, or no mapping: nothing of it can be read, and Flink does not start.
    Unreadable,
    /// Flink does not start; what the author meant is plain, so the rest was read all the same.
    Refused,
    /// Flink goes on without it, or with something else than was meant.
    PassedOver,
}

impl Finding {
    /// The whole sentence. `place` says where a place of the text lies in the file that people see.
    #[must_use]
    pub fn sentence(&self, place: impl Fn(Place) -> Place) -> String {
        match self.other {
            Some(other) => format!("line {} {}", place(other).line, self.message),
            None => self.message.clone(),
        }
    }
}

impl Reading {
    /// The value of an option.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|entry| entry.value.as_str())
    }

    /// An option with its place.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Whether Flink would not start with this text.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.effect != Effect::PassedOver)
    }
}

/// The two forms of Flink's configuration file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// `config.yaml`.
    ConfigYaml,
    /// `flink-conf.yaml`.
    FlinkConfYaml,
}

impl Format {
    /// The format that this version's images ship.
    #[must_use]
    pub fn of(version: FlinkVersion) -> Self {
        if version >= FlinkVersion::V1_19 {
            Self::ConfigYaml
        } else {
            Self::FlinkConfYaml
        }
    }

    /// The name of the file in Flink's configuration directory.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::ConfigYaml => "config.yaml",
            Self::FlinkConfYaml => "flink-conf.yaml",
        }
    }

    /// The format of a file of this name; `None` for any other file.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        [Self::ConfigYaml, Self::FlinkConfYaml]
            .into_iter()
            .find(|format| format.file_name() == name)
    }

    /// Whether this version ever reads a file of this format.
    #[must_use]
    pub fn is_read_by(self, version: FlinkVersion) -> bool {
        match self {
            Self::ConfigYaml => version >= FlinkVersion::V1_19,
            Self::FlinkConfYaml => version <= FlinkVersion::V1_20,
        }
    }

    /// Which of the files in one configuration directory this version reads: up to 1.20 `flink-conf.yaml` where it
    /// is there, from 1.19 on `config.yaml` otherwise. `None` where Flink finds none and does not start.
    #[must_use]
    pub fn read_among(present: &[Format], version: FlinkVersion) -> Option<Self> {
        [Self::FlinkConfYaml, Self::ConfigYaml]
            .into_iter()
            .find(|format| format.is_read_by(version) && present.contains(format))
    }

    /// Reads a text of this format.
    #[must_use]
    pub fn read(self, text: &str) -> Reading {
        match self {
            Self::ConfigYaml => config_yaml::read(text),
            Self::FlinkConfYaml => flink_conf::read(text),
        }
    }
}

/// A key as a sentence names it: as it is, unless it would break the line.
fn named(key: &str) -> Cow<'_, str> {
    let is_plain = !key.is_empty() && key.len() <= 120 && !key.chars().any(char::is_control);
    if is_plain {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(quoted(key))
    }
}

/// A key or a line in quotes, of a length that fits into a sentence.
fn quoted(text: &str) -> String {
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
    format!("\"{short}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_reads_its_own_file() {
        use Format::{ConfigYaml, FlinkConfYaml};
        let both = [ConfigYaml, FlinkConfYaml];
        for (version, present, read) in [
            (FlinkVersion::V1_18, both.as_slice(), Some(FlinkConfYaml)),
            (FlinkVersion::V1_18, &[ConfigYaml], None),
            (FlinkVersion::V1_19, &both, Some(FlinkConfYaml)),
            (FlinkVersion::V1_20, &both, Some(FlinkConfYaml)),
            (FlinkVersion::V1_20, &[ConfigYaml], Some(ConfigYaml)),
            (FlinkVersion::V2_0, &both, Some(ConfigYaml)),
            (FlinkVersion::V2_0, &[FlinkConfYaml], None),
            (FlinkVersion::V2_3, &[], None),
        ] {
            assert_eq!(
                Format::read_among(present, version),
                read,
                "{version} {present:?}"
            );
        }
        for format in both {
            assert_eq!(Format::of_file_name(format.file_name()), Some(format));
        }
        assert_eq!(Format::of_file_name("values.yaml"), None);
    }
}
