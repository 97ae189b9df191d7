//! Flink's own text of a size, `MemorySize`: parsing, and the forms in which Flink and people print it.
//!
//! Mirrors `org.apache.flink.configuration.MemorySize`: what it accepts is accepted here, what it refuses is
//! refused for the same reason.

use std::fmt::Write as _;

use super::decimal::half_up;
use crate::bytes::Bytes;

/// Why a text is no size, with the figure Flink puts into its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SizeError {
    /// Nothing but whitespace.
    Empty,
    /// The text does not begin with a digit.
    NoNumber,
    /// The digits are above 2^63 − 1.
    NumberOverflow {
        /// The digits.
        digits: String,
    },
    /// The unit is none of Flink's.
    UnknownUnit {
        /// The unit in lower case.
        unit: String,
    },
    /// Number times unit is above 2^63 − 1.
    ByteOverflow {
        /// The text as it was written.
        text: String,
    },
}

impl SizeError {
    /// Flink's own message.
    #[must_use]
    pub fn flink_message(&self) -> String {
        match self {
            Self::Empty => "argument is an empty- or whitespace-only string".to_owned(),
            Self::NoNumber => "text does not start with a number".to_owned(),
            Self::NumberOverflow { digits } => {
                format!(
                    "The value '{digits}' cannot be re represented as 64bit number (numeric overflow)."
                )
            }
            Self::UnknownUnit { unit } => format!(
                "Memory size unit '{unit}' does not match any of the recognized units: (b | bytes) / \
                 (k | kb | kibibytes) / (m | mb | mebibytes) / (g | gb | gibibytes) / (t | tb | tebibytes)"
            ),
            Self::ByteOverflow { text } => format!(
                "The value '{text}' cannot be re represented as 64bit number of bytes (numeric overflow)."
            ),
        }
    }

    /// The reason in plain words.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Empty => "it is empty".to_owned(),
            Self::NoNumber => "it does not start with a digit".to_owned(),
            Self::NumberOverflow { digits } => format!("{digits} is above 9223372036854775807"),
            Self::UnknownUnit { unit } => format!("{unit:?} is none of the units b, k, m, g and t"),
            Self::ByteOverflow { .. } => "it is above 9223372036854775807 bytes".to_owned(),
        }
    }

    /// Whether Java's class is `NumberFormatException` instead of `IllegalArgumentException`.
    pub(super) fn is_number_format(&self) -> bool {
        matches!(self, Self::NoNumber)
    }
}

/// Java's `String.trim`: everything up to U+0020, nothing else.
pub(crate) fn java_trim(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

/// Reads a size the way Flink does: digits, optional whitespace, optional unit (`b`, `kb`, `m`, `gibibytes`, …).
///
/// # Errors
/// The reason Flink gives for refusing the text.
pub fn parse(text: &str) -> Result<Bytes, SizeError> {
    let trimmed = java_trim(text);
    if trimmed.is_empty() {
        return Err(SizeError::Empty);
    }
    let digits_end = trimmed
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(trimmed.len());
    if digits_end == 0 {
        return Err(SizeError::NoNumber);
    }
    let (digits, rest) = trimmed.split_at(digits_end);
    let number = digits
        .parse::<u64>()
        .ok()
        .filter(|number| *number <= Bytes::MAX.get())
        .ok_or_else(|| SizeError::NumberOverflow {
            digits: digits.to_owned(),
        })?;
    let multiplier = multiplier(java_trim(rest)).ok_or_else(|| SizeError::UnknownUnit {
        unit: java_trim(rest).to_lowercase(),
    })?;
    number
        .checked_mul(multiplier.get())
        .filter(|bytes| *bytes <= Bytes::MAX.get())
        .map(Bytes)
        .ok_or_else(|| SizeError::ByteOverflow {
            text: text.to_owned(),
        })
}

fn multiplier(unit: &str) -> Option<Bytes> {
    // Lower-casing turns only one foreign letter into one that a unit contains: U+212A, the Kelvin sign.
    let is = |names: [&str; 3]| {
        names.iter().any(|name| {
            unit.eq_ignore_ascii_case(name) || (!unit.is_ascii() && unit.to_lowercase().eq(name))
        })
    };
    match unit.len() {
        0 => Some(Bytes(1)),
        _ if is(["b", "bytes", "b"]) => Some(Bytes(1)),
        _ if is(["m", "mb", "mebibytes"]) => Some(Bytes::MEBI),
        _ if is(["g", "gb", "gibibytes"]) => Some(Bytes::GIBI),
        _ if is(["k", "kb", "kibibytes"]) => Some(Bytes::KIBI),
        _ if is(["t", "tb", "tebibytes"]) => Some(Bytes::TEBI),
        _ => None,
    }
}

/// The shortest text that Flink reads back as exactly this size, in the largest unit that divides it: `4g`,
/// `1728m`, `134217730b`.
#[must_use]
pub fn text(size: Bytes) -> String {
    let bytes = size.get();
    for (unit, suffix) in [
        (Bytes::TEBI, 't'),
        (Bytes::GIBI, 'g'),
        (Bytes::MEBI, 'm'),
        (Bytes::KIBI, 'k'),
    ] {
        if bytes != 0 && bytes.is_multiple_of(unit.get()) {
            return format!("{}{suffix}", bytes / unit.get());
        }
    }
    format!("{bytes}b")
}

/// Flink's form in error messages, `MemorySize.toHumanReadableString`: `1024.000mb (1073741824 bytes)`.
#[must_use]
pub fn human_readable(size: Bytes) -> String {
    let bytes = size.get();
    let mut out = String::with_capacity(40);
    let units = [
        (Bytes::TEBI, "tb"),
        (Bytes::GIBI, "gb"),
        (Bytes::MEBI, "mb"),
        (Bytes::KIBI, "kb"),
    ];
    if let Some((unit, name)) = units.iter().find(|(unit, _)| bytes > unit.get()) {
        // The quotient is a double in Flink; a power of two divides without another rounding.
        #[expect(
            clippy::cast_precision_loss,
            reason = "Flink converts to double here as well"
        )]
        let quotient = bytes as f64 / unit.get() as f64;
        out.push_str(&half_up(quotient, 3));
        let _ = write!(out, "{name} ({bytes} bytes)");
    } else {
        let _ = write!(out, "{bytes} bytes");
    }
    out
}

/// Flink's form of a default, `MemorySize.toString`: `32 kb`, `1 gb`, `134217730 bytes`.
///
/// Flink looks for the first unit that does not divide the size and takes the one below it. No unit fails to
/// divide zero or a whole number of tebibytes, and then it writes bytes.
#[must_use]
pub fn flink_text(size: Bytes) -> String {
    let bytes = size.get();
    let units = [
        (Bytes(1), "bytes"),
        (Bytes::KIBI, "kb"),
        (Bytes::MEBI, "mb"),
        (Bytes::GIBI, "gb"),
        (Bytes::TEBI, "tb"),
    ];
    let (unit, name) = units
        .windows(2)
        .find(|pair| !bytes.is_multiple_of(pair[1].0.get()))
        .map_or(units[0], |pair| pair[0]);
    format!("{} {name}", bytes / unit.get())
}

#[cfg(test)]
mod tests {
    use super::{Bytes, SizeError, flink_text, human_readable, parse, text};

    #[test]
    fn reads_what_flink_reads() {
        for (input, bytes) in [
            ("0", 0),
            (" 1 \t g ", 1 << 30),
            ("007b", 7),
            ("12\u{212a}", 12 << 10),
            ("12\u{212a}iBiBytes", 12 << 10),
            ("1Mebibytes", 1 << 20),
            ("8388607t", 8_388_607 << 40),
        ] {
            assert_eq!(parse(input), Ok(Bytes(bytes)), "{input:?}");
        }
    }

    #[test]
    fn refuses_what_flink_refuses() {
        assert_eq!(parse(" \u{1f}"), Err(SizeError::Empty));
        assert_eq!(parse("\u{a0}1"), Err(SizeError::NoNumber));
        assert_eq!(parse("-1"), Err(SizeError::NoNumber));
        assert_eq!(
            parse("4Gi"),
            Err(SizeError::UnknownUnit {
                unit: "gi".to_owned()
            })
        );
        assert_eq!(
            parse("1 g b"),
            Err(SizeError::UnknownUnit {
                unit: "g b".to_owned()
            })
        );
        assert_eq!(
            parse(" 8388608t"),
            Err(SizeError::ByteOverflow {
                text: " 8388608t".to_owned()
            })
        );
        assert_eq!(
            parse("9223372036854775808x"),
            Err(SizeError::NumberOverflow {
                digits: "9223372036854775808".to_owned()
            })
        );
    }

    #[test]
    fn prints_like_flink() {
        assert_eq!(human_readable(Bytes(1024)), "1024 bytes");
        assert_eq!(human_readable(Bytes(1088)), "1.063kb (1088 bytes)");
        assert_eq!(human_readable(Bytes::GIBI), "1024.000mb (1073741824 bytes)");
        assert_eq!(
            human_readable(Bytes::MAX),
            "8388608.000tb (9223372036854775807 bytes)"
        );
        assert_eq!(flink_text(Bytes::GIBI), "1 gb");
        assert_eq!(flink_text(Bytes(32 << 10)), "32 kb");
        assert_eq!(flink_text(Bytes(1025)), "1025 bytes");
        assert_eq!(flink_text(Bytes::TEBI), "1099511627776 bytes");
        assert_eq!(flink_text(Bytes::ZERO), "0 bytes");
        assert_eq!(text(Bytes::GIBI), "1g");
        assert_eq!(text(Bytes(134_217_730)), "134217730b");
        assert_eq!(text(Bytes::ZERO), "0b");
    }
}
