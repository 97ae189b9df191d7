//! Fractions of a size, as Flink computes them: a 32-bit float, widened, multiplied through its decimal text.
//!
//! Mirrors `ProcessMemoryUtils.deriveWithFraction` and `deriveWithInverseFraction`.

use super::decimal::{Decimal, FloatError, java_double, parse_java_float};
use crate::bytes::Bytes;

/// The decimals of the two default fractions, `0.1f` and `0.4f` widened to double, which nearly every solve needs.
const TENTH: Decimal = Decimal {
    digits: 10_000_000_149_011_612,
    exponent: -17,
};
const FOUR_TENTHS: Decimal = Decimal {
    digits: 4_000_000_059_604_645,
    exponent: -16,
};
/// `0.1f / (1 − 0.1f)` in double.
const NINTH: Decimal = Decimal {
    digits: 11_111_111_295_076_065,
    exponent: -17,
};

/// Whether Flink takes the fraction: at least 0 (or negative zero) and below 1; NaN is not.
#[must_use]
pub fn is_valid(fraction: f32) -> bool {
    (0.0..1.0).contains(&fraction)
}

/// Reads the text of a fraction as Flink does, Java's `Float.parseFloat`: `0.4`, `.5f`, `0x1p-3`.
///
/// # Errors
/// The JVM's message for a text that is no float.
pub fn parse(text: &str) -> Result<f32, String> {
    parse_java_float(text).map_err(|error: FloatError| error.java_message(text))
}

/// The decimal by which Flink multiplies for a fraction option: `0.1` is 0.10000000149011612.
#[must_use]
pub fn decimal_text(fraction: f32) -> String {
    java_double(f64::from(fraction))
}

/// The decimal by which Flink multiplies what does not contain the result: `fraction / (1 − fraction)` in double.
#[must_use]
pub fn inverse_decimal_text(fraction: f32) -> String {
    let fraction = f64::from(fraction);
    java_double(fraction / (1.0 - fraction))
}

/// `base · fraction`, cut off to whole bytes; `None` above 2^63 − 1. The fraction must be valid.
#[must_use]
pub fn forward(base: Bytes, fraction: f32) -> Option<Bytes> {
    let decimal = if fraction.to_bits() == 0.1_f32.to_bits() {
        Some(TENTH)
    } else if fraction.to_bits() == 0.4_f32.to_bits() {
        Some(FOUR_TENTHS)
    } else {
        Decimal::shortest(f64::from(fraction))
    };
    decimal?.multiply(base)
}

/// `base · (fraction / (1 − fraction))`, the quotient in double; `None` above 2^63 − 1.
#[must_use]
pub fn inverse(base: Bytes, fraction: f32) -> Option<Bytes> {
    if fraction.to_bits() == 0.1_f32.to_bits() {
        return NINTH.multiply(base);
    }
    let fraction = f64::from(fraction);
    Decimal::shortest(fraction / (1.0 - fraction))?.multiply(base)
}

#[cfg(test)]
mod tests {
    use super::{
        Bytes, Decimal, FOUR_TENTHS, NINTH, TENTH, decimal_text, forward, inverse,
        inverse_decimal_text, parse,
    };

    #[test]
    fn constants_are_what_the_general_way_gives() {
        let tenth = f64::from(0.1_f32);
        assert_eq!(Decimal::shortest(tenth), Some(TENTH));
        assert_eq!(Decimal::shortest(f64::from(0.4_f32)), Some(FOUR_TENTHS));
        assert_eq!(Decimal::shortest(tenth / (1.0 - tenth)), Some(NINTH));
    }

    #[test]
    fn products_are_cut_off_decimals() {
        assert_eq!(forward(Bytes::GIBI, 0.1), Some(Bytes(107_374_184)));
        assert_eq!(
            forward(Bytes(103_022_592), 0.72518),
            Some(Bytes(74_709_920))
        );
        assert_eq!(
            inverse(Bytes(103_022_592), 0.72518),
            Some(Bytes(271_850_346))
        );
        assert_eq!(forward(Bytes::MAX, 0.0), Some(Bytes::ZERO));
        assert_eq!(inverse(Bytes::MAX, 0.999), None);
    }

    #[test]
    fn decimals_are_those_of_java() {
        assert_eq!(decimal_text(0.1), "0.10000000149011612");
        assert_eq!(inverse_decimal_text(0.999_999), "986894.0588235294");
        assert_eq!(parse("0x1p-3"), Ok(0.125));
        assert_eq!(parse("inf"), Err("For input string: \"inf\"".to_owned()));
    }
}
