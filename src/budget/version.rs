//! The Flink versions Headroom knows, and what each changes in the TaskManager model, as data.
//!
//! A version is the minor release: patch releases of one minor compute the same sizes, except 1.10.0, whose
//! metaspace default differs and which is therefore refused by name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::Bytes;

macro_rules! versions {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// A Flink minor release.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(non_camel_case_types)]
        pub enum FlinkVersion {
            $(#[doc = concat!("Flink ", $text, ".")] $variant,)+
        }

        impl FlinkVersion {
            /// Every version there is a model for, oldest first.
            pub const ALL: &'static [FlinkVersion] = &[$(FlinkVersion::$variant),+];

            /// The text of the minor release, for example `1.20`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(FlinkVersion::$variant => $text),+ }
            }
        }
    };
}

versions! {
    V1_10 = "1.10", V1_11 = "1.11", V1_12 = "1.12", V1_13 = "1.13", V1_14 = "1.14", V1_15 = "1.15",
    V1_16 = "1.16", V1_17 = "1.17", V1_18 = "1.18", V1_19 = "1.19", V1_20 = "1.20",
    V2_0 = "2.0", V2_1 = "2.1", V2_2 = "2.2", V2_3 = "2.3",
}

/// What a version makes of `cluster.fine-grained-resource-management.enabled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FineGrained {
    /// There is no such option.
    Never,
    /// The option decides.
    Optional {
        /// Its default.
        default: bool,
    },
    /// The option is not read any more.
    Always,
}

/// A text that names no Flink version Headroom has a model for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("flink version {text:?} is not supported: {reason}")]
pub struct UnsupportedFlinkVersion {
    /// The version as it was written.
    pub text: String,
    /// Why it is refused and what is accepted.
    pub reason: &'static str,
}

impl FlinkVersion {
    pub(crate) const UNKNOWN: &'static str =
        "Headroom knows 1.10 to 1.20 and 2.0 to 2.3, written like 1.20 or 1.20.5";

    /// Default of `taskmanager.memory.network.max`: unlimited from 1.17 on.
    #[must_use]
    pub(crate) fn default_network_max(self) -> Bytes {
        if self <= Self::V1_16 {
            Bytes::GIBI
        } else {
            Bytes::MAX
        }
    }

    /// Whether the heap and buffer-count options of 1.9 are still read.
    #[must_use]
    pub(crate) fn reads_legacy_options(self) -> bool {
        self <= Self::V1_20
    }

    /// Whether Flink prefixes its configuration errors and checks the process size before subtracting.
    #[must_use]
    pub(crate) fn prefixes_errors(self) -> bool {
        self >= Self::V1_11
    }

    /// Whether Flink prefixes the configuration errors of a JobManager.
    #[must_use]
    pub(crate) fn prefixes_errors_of_a_jobmanager(self) -> bool {
        (Self::V1_11..=Self::V1_20).contains(&self)
    }

    /// Whether the CPU cores of a pod are asked for with a key that ends in `.amount`.
    #[must_use]
    pub(crate) fn spells_kubernetes_cpu_out(self) -> bool {
        self >= Self::V1_17
    }

    /// Whether slots may have sizes of their own, and a TaskManager's pod is therefore computed from its parts.
    #[must_use]
    pub(crate) fn manages_resources_by_the_grain(self) -> FineGrained {
        match self {
            _ if self <= Self::V1_12 => FineGrained::Never,
            _ if self <= Self::V1_18 => FineGrained::Optional {
                default: self == Self::V1_18,
            },
            _ => FineGrained::Always,
        }
    }

    /// Whether a pod's limits are its requests times a factor.
    #[must_use]
    pub(crate) fn has_limit_factors(self) -> bool {
        self >= Self::V1_15
    }

    /// Whether the number of slots and the external resources are part of the process specification.
    #[must_use]
    pub(crate) fn carries_slots(self) -> bool {
        self >= Self::V1_13
    }

    /// Whether CPU cores are rounded down to eight decimals.
    #[must_use]
    pub(crate) fn rounds_cpu_cores(self) -> bool {
        self >= Self::V1_14
    }
}

/// What a version changes in how memory is shared out among tasks.
impl FlinkVersion {
    /// Whether the consumers of managed memory have weights.
    #[must_use]
    pub(crate) fn weighs_managed_consumers(self) -> bool {
        self >= Self::V1_12
    }

    /// Whether operators and the state backend have a weight each; in 1.12 they share one, `DATAPROC`.
    #[must_use]
    pub(crate) fn weighs_operators_apart(self) -> bool {
        self >= Self::V1_13
    }

    /// Whether `DATAPROC` stands in for a weight that is not listed.
    #[must_use]
    pub(crate) fn falls_back_to_dataproc(self) -> bool {
        self <= Self::V1_20
    }

    /// Whether the text of a map may be YAML.
    #[must_use]
    pub(crate) fn reads_yaml_maps(self) -> bool {
        self >= Self::V1_19
    }

    /// Whether a native state backend can have one pool for the whole TaskManager.
    #[must_use]
    pub(crate) fn has_fixed_memory_per_taskmanager(self) -> bool {
        self >= Self::V1_17
    }

    /// Whether there is the state backend ForSt.
    #[must_use]
    pub(crate) fn has_forst(self) -> bool {
        self >= Self::V2_0
    }
}

impl fmt::Display for FlinkVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for FlinkVersion {
    type Err = UnsupportedFlinkVersion;

    /// Accepts the minor release (`1.20`), a patch release (`1.20.5`) and the spelling `v1_20` of the Flink
    /// Kubernetes Operator.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| {
            Err(UnsupportedFlinkVersion {
                text: text.to_owned(),
                reason,
            })
        };
        let plain = text
            .trim()
            .strip_prefix('v')
            .unwrap_or(text.trim())
            .replace('_', ".");
        let mut parts = plain.split('.');
        let (Some(major), Some(minor)) = (parts.next(), parts.next()) else {
            return refuse(Self::UNKNOWN);
        };
        let patch = parts.next();
        let is_patch = |text: &str| {
            !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit())
        };
        if parts.next().is_some() || !patch.is_none_or(is_patch) {
            return refuse(Self::UNKNOWN);
        }
        if (major, minor, patch) == ("1", "10", Some("0")) {
            return refuse(
                "1.10.0 has another metaspace default than its patch releases; use 1.10.3",
            );
        }
        let found = Self::ALL.iter().find(|version| {
            version
                .as_str()
                .split_once('.')
                .is_some_and(|(known_major, known_minor)| {
                    known_major == major && known_minor == minor
                })
        });
        found.copied().map_or_else(|| refuse(Self::UNKNOWN), Ok)
    }
}

impl Serialize for FlinkVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for FlinkVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::FlinkVersion;

    #[test]
    fn reads_minor_patch_and_operator_spelling() {
        for text in ["1.20", "1.20.5", "v1_20", " 1.20 "] {
            assert_eq!(text.parse(), Ok(FlinkVersion::V1_20), "{text}");
        }
        for text in [
            "", "1", "1.9", "1.21", "2.4", "1.20.x", "1.20.5.1", "1.10.0", "latest", "01.20", "1.2",
        ] {
            assert!(text.parse::<FlinkVersion>().is_err(), "{text}");
        }
    }
}
