//! Floats against exact arithmetic: what a text stands for is computed here in another way.

use proptest::prelude::*;

use super::{
    Decimal, FloatError, half_up, java_double, java_float, parse_java_double, parse_java_float,
    round_down_to_eight_places,
};
use crate::bytes::Bytes;

#[test]
fn doubles_are_written_as_java_writes_them() {
    for (value, text) in [
        (1.0, "1.0"),
        (1e7, "1.0E7"),
        (9_999_999.5, "9999999.5"),
        (1e-3, "0.001"),
        (9.99e-4, "9.99E-4"),
        (1.25e-4, "1.25E-4"),
        (5e-324, "4.9E-324"),
        // Twice the smallest, of which the nearest text has another power of ten than the shortest.
        (1e-323, "9.9E-324"),
        (2e-323, "2.0E-323"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (123.0, "123.0"),
        (0.5, "0.5"),
        (0.012, "0.012"),
        (-1.0e10, "-1.0E10"),
        (f64::MAX, "1.7976931348623157E308"),
        (4.35, "4.35"),
        // Exactly between two texts of sixteen digits.
        (f64::from(0.991_127_f32), "0.9911270141601562"),
        (0.100_097_656_25, "0.10009765625"),
        (f64::NEG_INFINITY, "-Infinity"),
        (f64::INFINITY, "Infinity"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(java_double(value), text);
    }
    assert_eq!(java_float(0.1), "0.1");
    assert_eq!(java_float(16_777_216.0), "1.6777216E7");
}

#[test]
fn texts_are_refused_for_what_java_refuses_them_for() {
    for (text, error) in [
        ("", FloatError::Empty),
        (" \t", FloatError::Empty),
        ("1.2.3", FloatError::MultiplePoints),
        ("1.2.x", FloatError::MultiplePoints),
        ("1x.2.3", FloatError::NoFloat),
        ("inf", FloatError::NoFloat),
        ("nan", FloatError::NoFloat),
        (".", FloatError::NoFloat),
        ("1e", FloatError::NoFloat),
        ("0x1", FloatError::NoFloat),
        ("0x1p", FloatError::NoFloat),
        ("0x1p+", FloatError::NoFloat),
        ("0x1pa", FloatError::NoFloat),
        ("0x1p--1", FloatError::NoFloat),
        ("0xp1", FloatError::NoFloat),
        ("0x.p1", FloatError::NoFloat),
        ("0x1.2.3p1", FloatError::NoFloat),
        ("0xgp1", FloatError::NoFloat),
    ] {
        assert_eq!(parse_java_double(text).as_ref(), Err(&error), "{text}");
        assert_eq!(parse_java_float(text).as_ref(), Err(&error), "{text}");
        assert!(!error.java_message(text).is_empty());
    }
    assert_eq!(
        FloatError::NoFloat.java_message(" x "),
        "For input string: \"x\""
    );
}

#[test]
fn texts_are_read_as_java_reads_them() {
    for (text, value) in [
        (" 1.5f ", 1.5),
        ("1.5D", 1.5),
        ("+.5", 0.5),
        ("5.", 5.0),
        ("-Infinity", f64::NEG_INFINITY),
        ("+Infinity", f64::INFINITY),
        ("0x1p-3", 0.125),
        ("0X1.8P+1d", 3.0),
        ("-0xAbp0f", -171.0),
        ("0x.8p0", 0.5),
        ("0x0p99999999999999999999", 0.0),
        ("0x1p-99999999999999999999", 0.0),
        ("0x1p99999999999999999999", f64::INFINITY),
        // Thirty digits of nothing before the one that counts, after the point and before it.
        ("0x0.000000000000000000000000000000000008p144", 8.0),
        ("0x10000000000000000000000000000000000p-136", 1.0),
        // A tie goes to the even neighbour, and away from it with any digit behind, however far.
        ("0x10000000000000800p0", 18_446_744_073_709_551_616.0),
        (
            "0x10000000000000800.000000000000000000000001p0",
            18_446_744_073_709_555_712.0,
        ),
        (
            "0x1000000000000080000000000000000001p-68",
            18_446_744_073_709_555_712.0,
        ),
        ("0x10000000000001800p0", 18_446_744_073_709_559_808.0),
        // The largest double, half a step more, and the smallest one, half of it and more than half.
        ("0x1.fffffffffffffp1023", f64::MAX),
        ("0x1.fffffffffffff7p1023", f64::MAX),
        ("0x1.fffffffffffff8p1023", f64::INFINITY),
        ("0x1p1024", f64::INFINITY),
        ("0x1p-1074", 5e-324),
        ("0x1p-1075", 0.0),
        ("0x1.8p-1075", 5e-324),
        ("0x1p-1200", 0.0),
    ] {
        assert_eq!(parse_java_double(text), Ok(value), "{text}");
    }
    assert!(parse_java_double("-NaN").is_ok_and(f64::is_nan));
    assert!(parse_java_float("NaN").is_ok_and(f32::is_nan));
    assert_eq!(parse_java_float("0x1.fffffffp127"), Ok(f32::INFINITY));
    assert_eq!(parse_java_float("0x1.fffffep127"), Ok(f32::MAX));
    assert_eq!(parse_java_float("-0x1p-149"), Ok(-f32::from_bits(1)));
    assert_eq!(parse_java_float("0x1p-150"), Ok(0.0));
    // Rounded once: by way of a double it would be a tie.
    assert_eq!(parse_java_float("0x1.00000100000001p0"), Ok(1.000_000_1));
}

#[test]
fn a_product_beyond_what_bytes_hold_is_none() {
    let decimal = |digits, exponent| Decimal { digits, exponent };
    let of = |digits, exponent, base| decimal(digits, exponent).multiply(Bytes(base));
    assert_eq!(of(1, 0, Bytes::MAX.get()), Some(Bytes::MAX));
    assert_eq!(of(11, -1, Bytes::MAX.get()), None);
    assert_eq!(of(1, 40, 1), None);
    assert_eq!(of(1, 40, 0), Some(Bytes::ZERO));
    assert_eq!(of(0, 40, 7), Some(Bytes::ZERO));
    assert_eq!(of(3, 2, 7), Some(Bytes(2100)));
    assert_eq!(of(99, -2, 199), Some(Bytes(197)));
    assert_eq!(
        of(99_999_999_999_999_999, -39, Bytes::MAX.get()),
        Some(Bytes::ZERO)
    );
    assert_eq!(
        of(10_u64.pow(17) - 1, -38, Bytes::MAX.get()),
        Some(Bytes::ZERO)
    );
    assert_eq!(of(10_u64.pow(17), -34, Bytes::MAX.get()), Some(Bytes(92)));
}

/// A number in hexadecimal with the point before the last `places` digits.
fn hexadecimal(mantissa: u128, places: usize, power: i32) -> String {
    let digits = format!("{mantissa:0width$x}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("0x{whole}.{fraction}p{power}")
}

proptest! {
    #[test]
    fn a_hexadecimal_float_is_the_nearest_one(
        mantissa in prop_oneof![0_u64..1 << 26, 0_u64..1 << 53],
        places in 0_usize..14,
        power in prop_oneof![-230_i32..200, -20_i32..20],
    ) {
        // No bit of the mantissa is lost in a double, so that only the last step rounds.
        let exact = mantissa as f64 * 2_f64.powi(power - 4 * places as i32);
        let text = hexadecimal(mantissa.into(), places, power);
        prop_assert_eq!(parse_java_float(&text), Ok(exact as f32), "{}", text);
        prop_assert_eq!(parse_java_double(&text), Ok(exact), "{}", text);
        prop_assert_eq!(parse_java_double(&format!("-{}f", text.to_uppercase().replace('X', "x"))), Ok(-exact));
    }

    #[test]
    fn a_hexadecimal_double_is_the_nearest_one(
        mantissa in prop_oneof![any::<u128>(), (0_u32..40).prop_map(|shift| ((1_u128 << 53) + 1) << shift), any::<u64>().prop_map(u128::from)],
        places in 0_usize..32,
        power in -400_i32..400,
    ) {
        let nearest = mantissa as f64 * 2_f64.powi(power - 4 * places as i32);
        let text = hexadecimal(mantissa, places, power);
        prop_assert_eq!(parse_java_double(&text), Ok(nearest), "{}", text);
    }

    #[test]
    fn a_hexadecimal_double_near_zero_is_the_nearest_one(mantissa in 0_u64..1 << 53, power in -1074_i32..-1000) {
        let nearest = mantissa as f64 * f64::from_bits(1 << (power + 1074).min(51)) * 2_f64.powi((power + 1074 - 51).max(0));
        let text = hexadecimal(mantissa.into(), 0, power);
        prop_assert_eq!(parse_java_double(&text), Ok(nearest), "{}", text);
    }

    #[test]
    fn the_shortest_decimal_reads_back(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
        let Decimal { digits, exponent } = Decimal::shortest(value).expect("it is finite");
        prop_assert_eq!(format!("{digits}e{exponent}").parse(), Ok(value.abs()));
        prop_assert!(digits < 10_u64.pow(17));
        let text = java_double(value);
        prop_assert_eq!(parse_java_double(&text), Ok(value));
        let scientific = value != 0.0 && !(1e-3..1e7).contains(&value.abs());
        prop_assert_eq!(text.contains('E'), scientific, "{}", text);
    }

    #[test]
    fn a_float_reads_back(value in any::<f32>().prop_filter("finite", |value| value.is_finite())) {
        prop_assert_eq!(parse_java_float(&java_float(value)), Ok(value));
    }

    #[test]
    fn a_product_is_exact_and_cut_off(digits in 0_u64..10_u64.pow(9), places in 0_u32..12, base in 0_u64..1 << 40) {
        let decimal = Decimal { digits, exponent: -(places as i32) };
        let exact = u128::from(digits) * u128::from(base) / 10_u128.pow(places);
        prop_assert_eq!(decimal.multiply(Bytes(base)), u64::try_from(exact).ok().map(Bytes).filter(|bytes| *bytes <= Bytes::MAX));
    }

    #[test]
    fn a_quotient_is_exact_and_cut_off(
        digits in 0_u64..10_u64.pow(12),
        exponent in -14_i32..6,
        divisor in 1_u32..2000,
        places in 1_i32..17,
    ) {
        let text = Decimal { digits, exponent }.divide(divisor, places);
        let shift = exponent + places;
        let scaled = if shift >= 0 {
            u128::from(digits) * 10_u128.pow(shift.unsigned_abs())
        } else {
            u128::from(digits) / 10_u128.pow(shift.unsigned_abs())
        };
        let (whole, fraction) = text.split_once('.').expect("a point");
        prop_assert_eq!(fraction.len(), places as usize);
        prop_assert!(whole == "0" || !whole.starts_with('0'), "{}", text);
        prop_assert_eq!(format!("{whole}{fraction}").parse::<u128>(), Ok(scaled / u128::from(divisor)));
    }

    #[test]
    fn half_up_rounds_the_decimal_and_not_the_double(thousandths in 0_u64..10_u64.pow(9), places in 1_i32..6) {
        let value = thousandths as f64 / 1000.0;
        let text = half_up(value, places);
        let scale = 10_u64.pow(places.unsigned_abs());
        let expected = (thousandths * scale + 500) / 1000;
        let (whole, fraction) = text.split_once('.').expect("a point");
        prop_assert_eq!(fraction.len(), places as usize);
        prop_assert_eq!(format!("{whole}{fraction}").parse::<u64>(), Ok(expected));
    }

    #[test]
    fn cores_are_rounded_down_to_eight_places(digits in 1_u64..10_u64.pow(13), places in 0_i32..14) {
        let value: f64 = format!("{digits}e-{places}").parse().expect("a double");
        let scaled = if places > 8 {
            u128::from(digits) / 10_u128.pow((places - 8).unsigned_abs())
        } else {
            u128::from(digits) * 10_u128.pow((8 - places).unsigned_abs())
        };
        let expected: f64 = format!("{scaled}e-8").parse().expect("a double");
        prop_assert_eq!(round_down_to_eight_places(value), expected);
    }
}
