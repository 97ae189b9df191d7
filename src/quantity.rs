//! Kubernetes quantities: exact parsing by the whole grammar, and the units that people mix up.
//!
//! Mirrors `resource.Quantity` of Kubernetes' apimachinery: `<sign><number><suffix>` with binary suffixes (`Ki` …
//! `Ei`), decimal ones (`n` … `E`) or a decimal exponent (`e3`). Values finer than a billionth are rounded away
//! from zero, memory up to whole bytes. Unlike Kubernetes, which caps silently, a value beyond 2^63 − 1 is an error.

use std::{fmt, str::FromStr};

use crate::bytes::Bytes;

const BILLION: i128 = 1_000_000_000;

/// An amount as Kubernetes keeps it, exact to a billionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nanos: i128,
}

/// Why a text is no quantity, or no amount of memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// The text has no digits where the number should be.
    #[error("quantity {text:?} does not start with a number{}", hint(.text))]
    NoNumber {
        /// The text.
        text: String,
    },
    /// What follows the number is no suffix of Kubernetes.
    #[error(
        "quantity {text:?} has the unit {suffix:?}, which is none of Ki Mi Gi Ti Pi Ei, n u m k M G T P E or an \
         exponent{}",
        hint(.text)
    )]
    UnknownSuffix {
        /// The text.
        text: String,
        /// The suffix.
        suffix: String,
    },
    /// The value does not fit into 63 bits.
    #[error("quantity {text:?} is larger than 9223372036854775807")]
    TooLarge {
        /// The text.
        text: String,
    },
    /// An amount of memory or CPU below zero.
    #[error("quantity {text} is negative")]
    Negative {
        /// The text.
        text: String,
    },
}

/// The end of a sentence that offers the spelling that was probably meant.
fn hint(text: &str) -> String {
    probable_spelling(text).map_or(String::new(), |meant| format!("; write {meant}"))
}

/// How Kubernetes would write a size that is spelled like Flink or like people do: `4g`, `512 MB`, `1.5 GiB`.
#[must_use]
pub fn probable_spelling(text: &str) -> Option<String> {
    let trimmed = text.trim();
    let end = trimmed.find(|character: char| !character.is_ascii_digit() && character != '.')?;
    let (number, unit) = trimmed.split_at(end);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" | "byte" | "bytes" => "",
        "k" | "kb" | "ki" | "kib" | "kibibytes" => "Ki",
        "m" | "mb" | "mi" | "mib" | "mebibytes" => "Mi",
        "g" | "gb" | "gi" | "gib" | "gibibytes" => "Gi",
        "t" | "tb" | "ti" | "tib" | "tebibytes" => "Ti",
        "p" | "pb" | "pi" | "pib" => "Pi",
        _ => return None,
    };
    let meant = format!("{number}{unit}");
    meant.parse::<Quantity>().is_ok().then_some(meant)
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let digits_end = |text: &str| {
            text.bytes()
                .position(|byte| !byte.is_ascii_digit())
                .unwrap_or(text.len())
        };
        let (integer, rest) = unsigned.split_at(digits_end(unsigned));
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits_end(rest)),
            None => ("", rest),
        };
        if integer.is_empty() && fraction.is_empty() {
            return Err(QuantityError::NoNumber {
                text: text.to_owned(),
            });
        }
        let Some(scale) = Scale::of(suffix) else {
            return Err(QuantityError::UnknownSuffix {
                text: text.to_owned(),
                suffix: suffix.to_owned(),
            });
        };
        let nanos = nanos(integer, fraction, scale).ok_or_else(|| QuantityError::TooLarge {
            text: text.to_owned(),
        })?;
        Ok(Quantity {
            nanos: if negative { -nanos } else { nanos },
        })
    }
}

/// What a suffix multiplies by: `10^decimal · 2^binary`.
#[derive(Clone, Copy)]
struct Scale {
    decimal: i64,
    binary: u32,
}

impl Scale {
    fn of(suffix: &str) -> Option<Scale> {
        let decimal = |decimal| Some(Scale { decimal, binary: 0 });
        let binary = |binary| Some(Scale { decimal: 0, binary });
        match suffix {
            "" => decimal(0),
            "n" => decimal(-9),
            "u" => decimal(-6),
            "m" => decimal(-3),
            "k" => decimal(3),
            "M" => decimal(6),
            "G" => decimal(9),
            "T" => decimal(12),
            "P" => decimal(15),
            "E" => decimal(18),
            "Ki" => binary(10),
            "Mi" => binary(20),
            "Gi" => binary(30),
            "Ti" => binary(40),
            "Pi" => binary(50),
            "Ei" => binary(60),
            _ => {
                let exponent = suffix.strip_prefix(['e', 'E'])?;
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                // Beyond this, every number is zero, one billionth or too large.
                let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 40);
                decimal(if exponent.starts_with('-') {
                    -magnitude
                } else {
                    magnitude
                })
            }
        }
    }
}

/// Billionths of `integer.fraction · scale`, rounded up; `None` above 2^63 − 1 whole units.
fn nanos(integer: &str, fraction: &str, scale: Scale) -> Option<i128> {
    let digits: Vec<u8> = integer
        .bytes()
        .chain(fraction.bytes())
        .map(|byte| byte - b'0')
        .collect();
    let Some(first) = digits.iter().position(|digit| *digit != 0) else {
        return Some(0);
    };
    // Where the decimal point stands after the decimal scale, counted from the first significant digit.
    let digits = &digits[first..];
    let point = integer.len() as i64 - first as i64 + scale.decimal;
    if point > 40 {
        return None;
    }
    // More than 40 zeros behind the point: not even 2^60 lifts that to a billionth.
    if point < -40 {
        return Some(1);
    }
    let mut whole = 0_u128;
    let mut behind = Vec::with_capacity(digits.len() + 9);
    behind.resize(point.min(0).unsigned_abs() as usize, 0);
    let split = point.max(0) as usize;
    for index in 0..split.max(digits.len()) {
        let digit = digits.get(index).copied().unwrap_or(0);
        if index < split {
            whole = whole.checked_mul(10)?.checked_add(u128::from(digit))?;
        } else {
            behind.push(digit);
        }
    }
    whole = whole.checked_mul(1 << scale.binary)?;
    // The digits behind the point are doubled in place, exactly, and what leaves them in front is whole.
    let mut carried = 0_u128;
    for _ in 0..scale.binary {
        let mut carry = 0;
        for digit in behind.iter_mut().rev() {
            let doubled = *digit * 2 + carry;
            *digit = doubled % 10;
            carry = doubled / 10;
        }
        carried = carried * 2 + u128::from(carry);
    }
    whole = whole.checked_add(carried)?;
    let billionths = (0..9).fold(0, |sum, index| {
        sum * 10 + i128::from(behind.get(index).copied().unwrap_or(0))
    });
    let round_up = behind.iter().skip(9).any(|digit| *digit != 0);
    let nanos =
        i128::try_from(whole).ok()?.checked_mul(BILLION)? + billionths + i128::from(round_up);
    (nanos <= i128::from(i64::MAX) * BILLION).then_some(nanos)
}

impl Quantity {
    /// The amount of memory, rounded up to whole bytes as Kubernetes does.
    ///
    /// # Errors
    /// The quantity is negative.
    pub fn memory(self) -> Result<Bytes, QuantityError> {
        self.rounded_up(1).map(Bytes)
    }

    /// The amount of CPU in thousandths of a core, rounded up as Kubernetes does.
    ///
    /// # Errors
    /// The quantity is negative.
    pub fn milli_cpu(self) -> Result<u64, QuantityError> {
        self.rounded_up(1000)
    }

    fn rounded_up(self, per_unit: i128) -> Result<u64, QuantityError> {
        if self.nanos < 0 {
            return Err(QuantityError::Negative {
                text: self.to_string(),
            });
        }
        let divisor = BILLION / per_unit;
        let rounded =
            self.nanos.div_euclid(divisor) + i128::from(self.nanos.rem_euclid(divisor) != 0);
        // Thousandths of the largest quantity leave 64 bits; no machine has that many cores.
        Ok(u64::try_from(rounded).unwrap_or(u64::MAX))
    }
}

/// The shortest exact text, in decimal units: `4`, `1500m`, `250u`.
impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, suffix) in [(BILLION, ""), (1_000_000, "m"), (1000, "u"), (1, "n")] {
            if self.nanos % unit == 0 {
                return write!(formatter, "{}{suffix}", self.nanos / unit);
            }
        }
        Ok(())
    }
}

/// Reads an amount of memory.
///
/// # Errors
/// The text is no quantity, or it is negative or above 2^63 − 1 bytes.
pub fn parse_memory(text: &str) -> Result<Bytes, QuantityError> {
    text.parse::<Quantity>()?
        .memory()
        .map_err(|_| QuantityError::Negative {
            text: text.to_owned(),
        })
}

/// An amount of memory as a quantity, in the largest binary unit that divides it: `4Gi`, `1728Mi`, `134217730`.
#[must_use]
pub fn memory_text(memory: Bytes) -> String {
    let bytes = memory.get();
    for (shift, suffix) in [
        (60, "Ei"),
        (50, "Pi"),
        (40, "Ti"),
        (30, "Gi"),
        (20, "Mi"),
        (10, "Ki"),
    ] {
        if bytes != 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{suffix}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// A readable amount of memory that was probably meant differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// What is odd about it, with the number of bytes it stands for.
    pub reason: String,
    /// What was probably meant, likeliest first.
    pub meant: Vec<String>,
}

/// Says what is odd about an amount of memory for a process, if anything: milli-bytes and finer, less than a
/// mebibyte, or more than any machine has.
#[must_use]
pub fn suspicious_memory(text: &str) -> Option<Suspicion> {
    let memory = parse_memory(text).ok()?;
    let end = text
        .bytes()
        .rposition(|byte| byte.is_ascii_digit() || byte == b'.')
        .map_or(0, |last| last + 1);
    let (number, suffix) = text.split_at(end);
    let number = number.trim_start_matches('+');
    let stands_for = format!("{text} is {memory}");
    let reason = match suffix {
        "m" => format!("the unit m means thousandths of a byte: {stands_for}"),
        "u" | "n" => format!("the unit {suffix} means a fraction of a byte: {stands_for}"),
        _ if memory == Bytes::ZERO => return None,
        _ if memory < Bytes::MEBI => {
            format!("no process fits into less than a mebibyte: {stands_for}")
        }
        _ if memory >= Bytes(64 << 40) => format!("no machine has this much memory: {stands_for}"),
        _ => return None,
    };
    // Milli-bytes were mebibytes, anything huge was gibibytes, and for the rest the number itself tells.
    let magnitude = number
        .parse::<Quantity>()
        .ok()
        .and_then(|quantity| quantity.memory().ok())?;
    let unit = match suffix {
        "m" => "Mi",
        _ if memory >= Bytes(64 << 40) => "Gi",
        _ if magnitude.get() >= 64 => "Mi",
        _ => "Gi",
    };
    let mut meant = Vec::new();
    if let Ok(likely) = parse_memory(&format!("{number}{unit}")) {
        meant.push(format!("{number}{unit}"));
        let canonical = memory_text(likely);
        if !meant.contains(&canonical) && canonical.len() <= number.len() + 2 {
            meant.push(canonical);
        }
    }
    Some(Suspicion { reason, meant })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_whole_grammar() {
        for (text, bytes) in [
            ("0", 0),
            ("1.5Gi", 3 << 29),
            ("1e3", 1000),
            ("1E3", 1000),
            ("6E", 6_000_000_000_000_000_000),
            ("2048m", 3),
            ("1n", 1),
            (".5Ki", 512),
            ("1.", 1),
            ("+1k", 1000),
            ("0.1Ki", 103),
            ("7Ei", 7 << 60),
            ("100000000000000000000000n", 100_000_000_000_000),
            ("1e-400", 1),
            ("0e999999999999999999999", 0),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(parse_memory(text), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn refuses_what_kubernetes_refuses() {
        for text in [
            "", "+", "-", ".", "Ki", "1.1.M", "1+1.0M", "0.1mi", "0.1am", "aoeu", ".5i", "1i",
            "-3.01i", "-3.01e-", " 1", "1 ", "1e", "1K", "1KI", "1e1.5", "1_000", "0x10", "١",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
        for text in [
            "12E",
            "8Ei",
            "9223372036854775808",
            "1e19",
            "9223372036854775807.000000001",
            "1e99999999999999999999",
        ] {
            assert_eq!(
                parse_memory(text),
                Err(QuantityError::TooLarge {
                    text: text.to_owned()
                })
            );
        }
        assert_eq!(
            parse_memory("-1n"),
            Err(QuantityError::Negative {
                text: "-1n".to_owned()
            })
        );
    }

    #[test]
    fn an_unreadable_unit_is_answered_with_the_right_one() {
        for (text, meant) in [
            ("4g", "4Gi"),
            ("512 MB", "512Mi"),
            ("1.5 GiB", "1.5Gi"),
            ("4gi", "4Gi"),
            ("1K", "1Ki"),
        ] {
            let error = text.parse::<Quantity>().unwrap_err().to_string();
            assert!(error.ends_with(&format!("; write {meant}")), "{error}");
        }
        assert!(
            !"aoeu"
                .parse::<Quantity>()
                .unwrap_err()
                .to_string()
                .contains("write")
        );
    }

    #[test]
    fn odd_amounts_are_named() {
        let meant = |text: &str| suspicious_memory(text).map(|suspicion| suspicion.meant);
        assert_eq!(
            meant("2048m"),
            Some(vec!["2048Mi".to_owned(), "2Gi".to_owned()])
        );
        assert_eq!(meant("4"), Some(vec!["4Gi".to_owned()]));
        assert_eq!(meant("1728"), Some(vec!["1728Mi".to_owned()]));
        assert_eq!(meant("512Ki"), Some(vec!["512Mi".to_owned()]));
        assert_eq!(meant("6E"), Some(vec!["6Gi".to_owned()]));
        for plain in ["4Gi", "4G", "4e9", "1728Mi", "0", "4g", "1.5Gi"] {
            assert_eq!(meant(plain), None, "{plain}");
        }
    }

    #[test]
    fn cpu_is_rounded_up_to_thousandths() {
        assert_eq!(
            "1.5".parse::<Quantity>().and_then(Quantity::milli_cpu),
            Ok(1500)
        );
        assert_eq!(
            "0.0001".parse::<Quantity>().and_then(Quantity::milli_cpu),
            Ok(1)
        );
        assert_eq!("1500m".parse::<Quantity>().unwrap().to_string(), "1500m");
        assert_eq!("-0.5".parse::<Quantity>().unwrap().to_string(), "-500m");
    }
}
