//! Fractions of a size, as Flink computes them: a 32-bit float, widened, multiplied through its decimal text.
//!
//! Mirrors `ProcessMemoryUtils.deriveWithFraction` and `deriveWithInverseFraction`.

use super::decimal::Decimal;
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
pub(super) fn is_valid(fraction: f32) -> bool {
    (0.0..1.0).contains(&fraction)
}

/// `base · fraction`, cut off to whole bytes; `None` above 2^63 − 1. The fraction must be valid.
pub(super) fn forward(base: Bytes, fraction: f32) -> Option<Bytes> {
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
pub(super) fn inverse(base: Bytes, fraction: f32) -> Option<Bytes> {
    if fraction.to_bits() == 0.1_f32.to_bits() {
        return NINTH.multiply(base);
    }
    let fraction = f64::from(fraction);
    Decimal::shortest(fraction / (1.0 - fraction))?.multiply(base)
}

#[cfg(test)]
mod tests {
    use super::{
        super::decimal::{java_double, parse_java_float},
        Bytes, Decimal, FOUR_TENTHS, NINTH, TENTH, forward, inverse,
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
    fn every_recorded_product_agrees() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/flink/sizes-public.jsonl"
        );
        let text = std::fs::read_to_string(path).unwrap();
        let mut products = 0;
        for line in text
            .lines()
            .filter(|line| line.contains("\"op\": \"multiply\""))
        {
            let vector: serde_json::Value = serde_json::from_str(line).unwrap();
            let base = Bytes(vector["bytes"].as_u64().unwrap());
            let fraction = parse_java_float(vector["fraction"].as_str().unwrap()).unwrap();
            products += 1;
            if vector["error"]["message"] == "long overflow" {
                assert_eq!(inverse(base, fraction), None, "{line}");
                continue;
            }
            let recorded = &vector["result"];
            assert_eq!(
                recorded["double"],
                java_double(f64::from(fraction)),
                "{line}"
            );
            let product = |size: Option<Bytes>| size.map(Bytes::get);
            assert_eq!(
                recorded["product"].as_u64(),
                product(forward(base, fraction)),
                "{line}"
            );
            if fraction < 1.0 {
                assert_eq!(
                    recorded["inverseProduct"].as_u64(),
                    product(inverse(base, fraction)),
                    "{line}"
                );
            }
        }
        assert_eq!(products, 56);
    }
}
