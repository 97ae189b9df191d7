//! Where a number of the old model comes from.

use std::fmt;

use serde::Serialize;

use super::super::request::Origin;

/// One number of the old model, and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The size in bytes; Java's signed `long`.
    pub bytes: i64,
    /// The rule that gave the size, with the rule's inputs.
    pub source: Source,
}

/// How a product or a quotient was computed before it was cut off to a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Arithmetic {
    /// Both factors as 32-bit floats.
    Float,
    /// In doubles, rounded to even, as `awk` prints it with `%.0f`.
    Awk,
    /// In doubles, from the heap back to what it was a part of: `of / (1 − fraction) × fraction`.
    Inverse,
}

/// The rule behind a number of the old model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "rule"
)]
pub enum Source {
    /// Written by the user.
    Configured {
        /// The option.
        option: &'static str,
        /// Where it was written.
        origin: Origin,
    },
    /// Flink's default.
    Default {
        /// The option.
        option: &'static str,
    },
    /// Asked: the size of the container, of the process, or of the heap.
    Given,
    /// A fraction of another size.
    Fraction {
        /// The fraction's option.
        option: &'static str,
        /// The fraction, as Java prints it.
        fraction: String,
        /// The size in bytes that it is a fraction of.
        of: i64,
        /// How it was computed.
        arithmetic: Arithmetic,
    },
    /// A fraction that came out below the minimum, which took its place.
    Minimum {
        /// The minimum's option.
        option: &'static str,
        /// What the fraction gave, in bytes.
        derived: i64,
    },
    /// A fraction that came out above the maximum, which took its place.
    Maximum {
        /// The maximum's option.
        option: &'static str,
        /// What the fraction gave, in bytes.
        derived: i64,
    },
    /// A number of network buffers.
    Buffers {
        /// The option of the count.
        option: &'static str,
        /// The count.
        buffers: i64,
        /// Bytes of one buffer: the segment size, but 1 in the start script, which took the count for a size.
        buffer_bytes: i64,
    },
    /// What is left of a total.
    Rest {
        /// The total, in bytes.
        of: i64,
        /// What was taken from it, in bytes.
        taken: i64,
        /// Whether the rest was cut off to whole mebibytes.
        whole_mebibytes: bool,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Configured { option, .. } => write!(formatter, "set by {option}"),
            Source::Default { option } => write!(formatter, "default of {option}"),
            Source::Given => formatter.write_str("as asked"),
            Source::Fraction {
                option,
                fraction,
                of,
                arithmetic,
            } => {
                let how = match arithmetic {
                    Arithmetic::Float => format!("{fraction} × {of} in 32-bit floats"),
                    Arithmetic::Awk => format!("{fraction} × {of}, rounded"),
                    Arithmetic::Inverse => format!("{of} / (1 − {fraction}) × {fraction}"),
                };
                write!(formatter, "{how}, by {option}")
            }
            Source::Minimum { option, derived } => {
                write!(
                    formatter,
                    "raised to {option}; the fraction gives {derived}"
                )
            }
            Source::Maximum { option, derived } => {
                write!(
                    formatter,
                    "lowered to {option}; the fraction gives {derived}"
                )
            }
            Source::Buffers {
                option,
                buffers,
                buffer_bytes: 1,
            } => write!(
                formatter,
                "{option}, {buffers}, which the start script took for bytes"
            ),
            Source::Buffers {
                option,
                buffers,
                buffer_bytes,
            } => {
                write!(
                    formatter,
                    "{buffers} buffers of {buffer_bytes} bytes, by {option}"
                )
            }
            Source::Rest {
                of,
                taken,
                whole_mebibytes,
            } => {
                write!(formatter, "rest: {of} − {taken}")?;
                if *whole_mebibytes {
                    formatter.write_str(", in whole MiB")?;
                }
                Ok(())
            }
        }
    }
}
