//! What Flink logs beside a derivation, as data: nothing fails, but something is not as it was written.
//!
//! The words are those of `ProcessMemoryUtils`, `TaskExecutorFlinkMemoryUtils`, `JobManagerFlinkMemoryUtils`,
//! `MemoryBackwardsCompatibilityUtils` and `Configuration`.

use serde::Serialize;

use super::{
    decimal::java_double, memory_size::human_readable, options::Id, version::FlinkVersion,
};
use crate::bytes::Bytes;

/// How much Flink makes of a remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
}

impl Level {
    /// As it stands in a log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Info => "INFO",
            Level::Warn => "WARN",
        }
    }
}

/// A component that a fraction determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FractionOf {
    /// Managed memory, of total Flink memory.
    Managed,
    /// Network memory, of total Flink memory.
    Network,
    /// JVM overhead, of total process memory.
    JvmOverhead,
}

impl FractionOf {
    /// The component that a fraction's option belongs to.
    pub(super) const fn option(id: Id) -> FractionOf {
        match id {
            Id::ManagedFraction => FractionOf::Managed,
            Id::NetworkFraction => FractionOf::Network,
            _ => FractionOf::JvmOverhead,
        }
    }

    /// Flink's name where a fraction was capped.
    const fn capped_name(self) -> &'static str {
        match self {
            FractionOf::Managed => "managed memory",
            FractionOf::Network => "network memory",
            FractionOf::JvmOverhead => "jvm overhead memory",
        }
    }
}

/// One line that Flink logs while it derives sizes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum Remark {
    /// An option is written with a deprecated key.
    DeprecatedKey {
        /// The key as written.
        key: String,
        /// The key that it stands for.
        proper_key: &'static str,
    },
    /// A heap option of Flink 1.9 stands for a newer one that is not set.
    LegacyHeap {
        /// The newer option.
        key: &'static str,
        /// The size that it gets.
        bytes: Bytes,
    },
    /// A fraction came out above its maximum, which is used instead.
    CappedToMaximum {
        /// The component.
        component: FractionOf,
        /// What the fraction gave.
        derived: Bytes,
        /// What is used.
        maximum: Bytes,
    },
    /// A fraction came out below its minimum, which is used instead.
    RaisedToMinimum {
        /// The component.
        component: FractionOf,
        /// What the fraction gave.
        derived: Bytes,
        /// What is used.
        minimum: Bytes,
    },
    /// A component is the rest of two totals, and not what its configured fraction would have given.
    OtherThanFraction {
        /// The component.
        component: FractionOf,
        /// The rest, which is used.
        derived: Bytes,
        /// The fraction.
        fraction: f32,
        /// The total that it is a fraction of.
        total: Bytes,
    },
    /// The JobManager's off-heap memory is what its heap leaves of total Flink memory, and not the default.
    OffHeapIsRest {
        /// The rest, which is used.
        off_heap: Bytes,
        /// Total Flink memory.
        total_flink: Bytes,
        /// The heap.
        heap: Bytes,
        /// The default that is not used.
        default: Bytes,
    },
    /// The JobManager's heap is below the least that Flink recommends.
    SmallHeap {
        /// The heap.
        heap: Bytes,
        /// The least that is recommended.
        recommended: Bytes,
    },
}

impl Remark {
    /// How much Flink makes of it.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Remark::DeprecatedKey { .. } | Remark::SmallHeap { .. } => Level::Warn,
            _ => Level::Info,
        }
    }

    /// Flink's own words, without the level.
    #[must_use]
    pub fn flink_message(&self, version: FlinkVersion) -> String {
        let text = human_readable;
        match self {
            Remark::DeprecatedKey { key, proper_key } => format!(
                "Config uses deprecated configuration key '{key}' instead of proper key '{proper_key}'"
            ),
            Remark::LegacyHeap { key, bytes } => format!(
                "'{key}' is not specified, use the configured deprecated task manager heap value ({}) for it.",
                text(*bytes)
            ),
            Remark::CappedToMaximum {
                component,
                derived,
                maximum,
            } => format!(
                "The derived from fraction {} ({}) is greater than its max value {}, max value will be used instead",
                component.capped_name(),
                text(*derived),
                text(*maximum)
            ),
            Remark::RaisedToMinimum {
                component,
                derived,
                minimum,
            } => format!(
                "The derived from fraction {} ({}) is less than its min value {}, min value will be used instead",
                component.capped_name(),
                text(*derived),
                text(*minimum)
            ),
            Remark::OtherThanFraction {
                component,
                derived,
                fraction,
                total,
            } => {
                let (derived, total) = (text(*derived), text(*total));
                let fraction = java_double(f64::from(*fraction));
                match component {
                    FractionOf::JvmOverhead => {
                        let configured = if version <= FlinkVersion::V1_10 {
                            "configured"
                        } else {
                            "configured or default"
                        };
                        // Flink's own slip of the pen, until 1.16.
                        let again = if version <= FlinkVersion::V1_15 {
                            "JVM OVerhead"
                        } else {
                            "JVM Overhead"
                        };
                        format!(
                            "The derived JVM Overhead size ({derived}) does not match the {configured} JVM Overhead \
                             fraction ({fraction}) from the configured Total Process Memory size ({total}). The \
                             derived {again} size will be used."
                        )
                    }
                    FractionOf::Network | FractionOf::Managed => format!(
                        "The derived Network Memory size ({derived}) does not match the configured Network Memory \
                         fraction ({fraction}) from the configured Total Flink Memory size ({total}). The derived \
                         Network Memory size will be used."
                    ),
                }
            }
            Remark::OffHeapIsRest {
                off_heap,
                total_flink,
                heap,
                default,
            } => format!(
                "The Off-Heap Memory size ({}) is derived the configured Total Flink Memory size ({}) minus the \
                 configured JVM Heap Memory size ({}). The default Off-Heap Memory size ({}) is ignored.",
                text(*off_heap),
                text(*total_flink),
                text(*heap),
                text(*default)
            ),
            Remark::SmallHeap { heap, recommended } => format!(
                "The configured or derived JVM heap memory size ({}) is less than its recommended minimum value ({})",
                text(*heap),
                text(*recommended)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FractionOf, Id};

    #[test]
    fn a_fraction_is_of_the_component_that_its_option_names() {
        let of = [
            Id::ManagedFraction,
            Id::NetworkFraction,
            Id::JvmOverheadFraction,
        ]
        .map(FractionOf::option);
        assert_eq!(
            of,
            [
                FractionOf::Managed,
                FractionOf::Network,
                FractionOf::JvmOverhead
            ]
        );
    }
}
