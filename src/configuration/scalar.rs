//! What a scalar of YAML 1.2 is, by the core schema, and its text in Flink.
//!
//! Mirrors `CoreScalarResolver` and `CoreSchema` of snakeyaml-engine, which Flink reads `config.yaml` with, and the
//! text that `Configuration.toMap` gives the typed value.

use crate::budget::java_double;

/// A typed scalar.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// An integer of any size, as its decimal text.
    Integer(String),
    /// A number with a point, an exponent, or none of both (`.inf`, `.nan`).
    Float(f64),
    /// Text.
    Text(String),
}

impl Scalar {
    /// The type of a plain scalar.
    pub fn of_plain(text: &str) -> Scalar {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
            "true" | "True" | "TRUE" => return Scalar::Boolean(true),
            "false" | "False" | "FALSE" => return Scalar::Boolean(false),
            _ => {}
        }
        if let Some(integer) = integer(text) {
            return Scalar::Integer(integer);
        }
        match float(text) {
            Some(value) => Scalar::Float(value),
            None => Scalar::Text(text.to_owned()),
        }
    }

    /// A scalar with a core tag: `int`, `float`, `bool`, `null` or `str`. `None` where the text does not fit.
    pub fn of_tagged(text: &str, tag: &str) -> Option<Scalar> {
        let plain = Scalar::of_plain(text);
        match (tag, plain) {
            ("str", _) => Some(Scalar::Text(text.to_owned())),
            ("null", _) => Some(Scalar::Null),
            ("int", integer @ Scalar::Integer(_)) => Some(integer),
            ("float", float @ Scalar::Float(_)) => Some(float),
            ("float", Scalar::Integer(_)) => text.parse().ok().map(Scalar::Float),
            ("bool", boolean @ Scalar::Boolean(_)) => Some(boolean),
            _ => None,
        }
    }

    /// What Flink's `Configuration` gives for the value; `None` for nothing, which Flink refuses.
    pub fn flink_text(&self) -> Option<String> {
        Some(match self {
            Scalar::Null => return None,
            Scalar::Boolean(value) => value.to_string(),
            Scalar::Integer(text) | Scalar::Text(text) => text.clone(),
            Scalar::Float(value) if value.is_nan() => ".nan".to_owned(),
            Scalar::Float(value) if value.is_infinite() => {
                if *value > 0.0 { ".inf" } else { "-.inf" }.to_owned()
            }
            Scalar::Float(value) => java_double(*value),
        })
    }

    /// The Java class that holds the value.
    pub const fn java_class(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Boolean(_) => "java.lang.Boolean",
            Scalar::Integer(_) => "java.lang.Integer",
            Scalar::Float(_) => "java.lang.Double",
            Scalar::Text(_) => "java.lang.String",
        }
    }
}

/// `[-+]?[0-9]+`, `0o[0-7]+` or `0x[0-9a-fA-F]+` as decimal text.
fn integer(text: &str) -> Option<String> {
    let of_radix = |digits: &str, radix| {
        (!digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix)))
            .then(|| decimal(digits, radix))
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return of_radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return of_radix(digits, 8);
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = of_radix(digits, 10)?;
    Some(if magnitude == "0" {
        magnitude
    } else {
        format!("{sign}{magnitude}")
    })
}

/// Digits of a radix as decimal digits without leading zeros, of any length.
fn decimal(digits: &str, radix: u32) -> String {
    if radix == 10 {
        let kept = digits.trim_start_matches('0');
        return if kept.is_empty() { "0" } else { kept }.to_owned();
    }
    // Nine decimal digits in each part, the least first.
    const PART: u64 = 1_000_000_000;
    let mut parts: Vec<u64> = vec![0];
    for digit in digits.chars().filter_map(|digit| digit.to_digit(radix)) {
        let mut carry = u64::from(digit);
        for part in &mut parts {
            let value = *part * u64::from(radix) + carry;
            *part = value % PART;
            carry = value / PART;
        }
        if carry > 0 {
            parts.push(carry);
        }
    }
    let mut text = parts.pop().unwrap_or_default().to_string();
    for part in parts.iter().rev() {
        text.push_str(&format!("{part:09}"));
    }
    text
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, `[-+]?\.(inf|Inf|INF)` or `\.(nan|NaN|NAN)`.
fn float(text: &str) -> Option<f64> {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(f64::NAN);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(if text.starts_with('-') {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        });
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_point = mantissa.contains('.');
    let is_mantissa = digits(whole)
        && digits(fraction)
        && if whole.is_empty() {
            has_point && !fraction.is_empty()
        } else {
            true
        };
    let is_exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    (is_mantissa && is_exponent)
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_scalars_have_the_types_of_the_core_schema() {
        // Each of them as Flink 2.1 answered.
        for (text, flink) in [
            ("0x6C000000", "1811939328"),
            ("0o17", "15"),
            ("0123", "123"),
            ("2e9", "2.0E9"),
            (".inf", ".inf"),
            (".nan", ".nan"),
            ("-.INF", "-.inf"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("+12", "12"),
            ("-0", "0"),
            ("1_000", "1_000"),
            ("0b11", "0b11"),
            ("99999999999999999999", "99999999999999999999"),
            ("1e400", ".inf"),
            ("yes", "yes"),
            ("True", "true"),
            ("tRUE", "tRUE"),
            ("1:30", "1:30"),
            ("2001-01-01", "2001-01-01"),
            ("1e-50", "1.0E-50"),
            ("100m", "100m"),
            ("-0.0", "-0.0"),
            (".", "."),
            ("-", "-"),
            ("1e", "1e"),
            ("inf", "inf"),
            ("0x", "0x"),
            ("-0x1", "-0x1"),
        ] {
            assert_eq!(
                Scalar::of_plain(text).flink_text().as_deref(),
                Some(flink),
                "{text}"
            );
        }
        for text in ["", "~", "null", "NULL"] {
            assert_eq!(Scalar::of_plain(text), Scalar::Null, "{text}");
        }
    }

    #[test]
    fn tags_convert_or_refuse() {
        assert_eq!(
            Scalar::of_tagged("3", "str"),
            Some(Scalar::Text("3".to_owned()))
        );
        assert_eq!(
            Scalar::of_tagged("7", "int"),
            Some(Scalar::Integer("7".to_owned()))
        );
        assert_eq!(Scalar::of_tagged("3", "float"), Some(Scalar::Float(3.0)));
        assert_eq!(Scalar::of_tagged("", "null"), Some(Scalar::Null));
        assert_eq!(Scalar::of_tagged("x", "int"), None);
        assert_eq!(Scalar::of_tagged("yes", "bool"), None);
    }

    proptest! {
        #[test]
        fn hexadecimal_numbers_keep_their_value(value in any::<u128>()) {
            prop_assert_eq!(integer(&format!("{value:#x}")), Some(value.to_string()));
            prop_assert_eq!(integer(&format!("{value:#o}")), Some(value.to_string()));
        }

        #[test]
        fn no_text_is_too_strange(text in any::<String>()) {
            let _ = Scalar::of_plain(&text).flink_text();
        }
    }
}
