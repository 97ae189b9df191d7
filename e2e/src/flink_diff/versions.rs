//! The releases of Flink that can be asked: the last one of each minor release.

use std::fmt;

use anyhow::{Context, Result};
use headroom::budget::FlinkVersion;

/// The names of every release, oldest first.
const NAMES: [&str; 16] = [
    "1.9.3", "1.10.3", "1.11.4", "1.12.5", "1.13.6", "1.14.6", "1.15.4", "1.16.3", "1.17.2",
    "1.18.1", "1.19.3", "1.20.5", "2.0.2", "2.1.3", "2.2.1", "2.3.0",
];

/// A release of Flink, and the model that the solver has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// Its whole name.
    pub name: &'static str,
    /// The version of the unified model; `None` for 1.9, whose model is another.
    pub version: Option<FlinkVersion>,
}

impl Release {
    /// Every release, oldest first.
    #[must_use]
    pub fn all() -> Vec<Release> {
        NAMES
            .into_iter()
            .map(|name| Release {
                name,
                version: name.parse().ok(),
            })
            .collect()
    }

    /// The release of that whole or minor name.
    #[must_use]
    pub fn named(name: &str) -> Option<Release> {
        Self::all().into_iter().find(|release| {
            let is_minor = release
                .name
                .rsplit_once('.')
                .is_some_and(|(minor, _)| minor == name);
            release.name == name || is_minor
        })
    }

    /// The releases that a list names, separated by blanks or commas; `all` names all.
    ///
    /// # Errors
    /// When there is no such release.
    pub fn list(text: &str) -> Result<Vec<Release>> {
        if text == "all" {
            return Ok(Self::all());
        }
        text.split([',', ' '])
            .filter(|name| !name.is_empty())
            .map(|name| {
                Self::named(name).with_context(|| {
                    let known = NAMES.join(" ");
                    format!("Flink {name} is none of the releases that can be asked: {known}")
                })
            })
            .collect()
    }

    /// Whether this is that version of the unified model or a later one.
    #[must_use]
    pub fn is_from(self, version: FlinkVersion) -> bool {
        self.version >= Some(version)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::Release;

    #[test]
    fn a_release_is_found_by_its_minor_or_whole_name() {
        let names = |text: &str| {
            Release::list(text)
                .map(|list| list.iter().map(|release| release.name).collect::<Vec<_>>())
        };
        assert_eq!(
            names("1.20, 2.3.0 1.9").unwrap(),
            ["1.20.5", "2.3.0", "1.9.3"]
        );
        for wrong in ["1", "1.1", "1.20.4", "3.0"] {
            assert!(
                names(wrong).unwrap_err().to_string().contains(wrong),
                "{wrong}"
            );
        }
        let all = Release::list("all").unwrap();
        assert_eq!(
            all.iter()
                .filter(|release| release.version.is_none())
                .count(),
            1
        );
    }
}
