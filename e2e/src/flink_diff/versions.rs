//! The releases of Flink that can be asked: the last one of each minor release.

use anyhow::{Context, Result};
use headroom::budget::FlinkVersion;

/// Every release, oldest first.
pub const RELEASES: [&str; 16] = [
    "1.9.3", "1.10.3", "1.11.4", "1.12.5", "1.13.6", "1.14.6", "1.15.4", "1.16.3", "1.17.2",
    "1.18.1", "1.19.3", "1.20.5", "2.0.2", "2.1.3", "2.2.1", "2.3.0",
];

/// The release that a person means by `1.20`, `1.20.5` or `all`.
///
/// # Errors
/// When there is no such release in the list.
pub fn releases(text: &str) -> Result<Vec<&'static str>> {
    if text == "all" {
        return Ok(RELEASES.to_vec());
    }
    text.split([',', ' '])
        .filter(|name| !name.is_empty())
        .map(|name| {
            RELEASES
                .into_iter()
                .find(|release| {
                    *release == name
                        || release
                            .strip_prefix(name)
                            .is_some_and(|patch| patch.starts_with('.') && name.contains('.'))
                })
                .with_context(|| {
                    format!(
                        "Flink {name} is none of the releases that are asked: {}",
                        RELEASES.join(" ")
                    )
                })
        })
        .collect()
}

/// The version whose arithmetic the solver applies for a release; `None` where it has no model of it.
#[must_use]
pub fn solver_version(release: &str) -> Option<FlinkVersion> {
    release.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{RELEASES, releases};

    #[test]
    fn a_release_is_found_by_its_minor_or_whole_name() {
        assert_eq!(releases("1.20, 2.3.0").unwrap(), ["1.20.5", "2.3.0"]);
        assert_eq!(
            releases("1.1").map_err(|error| error.to_string().contains("1.1 ")),
            Err(true)
        );
        assert!(releases("1").is_err());
        assert_eq!(releases("all").unwrap(), RELEASES);
    }
}
