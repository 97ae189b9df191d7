//! Decimal digits of floats, the way Java sees them: `Double.toString`, `BigDecimal`, `parseFloat`.
//!
//! Flink multiplies a size by a fraction through the fraction's shortest decimal text. Everything here works
//! on those digits in integers, so that no result depends on floating-point arithmetic of ours.

use std::fmt::Write as _;

use crate::bytes::Bytes;

/// The shortest decimal that reads back as one non-negative finite double: `digits · 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    /// At most 17 significant digits.
    pub digits: u64,
    /// Power of ten.
    pub exponent: i32,
}

/// A fixed buffer for the text of a float, so that no solve allocates for it.
struct Buffer {
    bytes: [u8; 32],
    length: usize,
}

impl std::fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes
            .get_mut(self.length..end)
            .ok_or(std::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl Decimal {
    /// The shortest decimal of `|value|`; of two that are equally near the one whose last digit is even, as Java wants
    /// it. `None` for NaN and infinities.
    pub fn shortest(value: f64) -> Option<Decimal> {
        if !value.is_finite() {
            return None;
        }
        let mut buffer = Buffer {
            bytes: [0; 32],
            length: 0,
        };
        write!(buffer, "{:e}", value.abs()).ok()?;
        let mut digits = 0_u64;
        let mut exponent = 0_i32;
        let mut fraction = false;
        let text = &buffer.bytes[..buffer.length];
        let mut index = 0;
        while let Some(&byte) = text.get(index) {
            index += 1;
            match byte {
                b'0'..=b'9' => {
                    digits = digits * 10 + u64::from(byte - b'0');
                    exponent -= i32::from(fraction);
                }
                b'.' => fraction = true,
                _ => break,
            }
        }
        let negative = text.get(index) == Some(&b'-');
        let mut power = 0_i32;
        for byte in &text[index + usize::from(negative)..] {
            power = power * 10 + i32::from(byte - b'0');
        }
        let shortest = Decimal {
            digits,
            exponent: exponent + if negative { -power } else { power },
        };
        Some(shortest.or_even_neighbour(value.abs()))
    }

    /// The decimal itself, or the one beside it that is as near to the value and has an even last digit.
    fn or_even_neighbour(self, value: f64) -> Decimal {
        // A tie is a value whose digits go on with a single 5. Past 25 decimals the powers of five in it are above
        // every number of 18 digits, so that there is none.
        let Ok(places @ 1..=25) = u32::try_from(-self.exponent) else {
            return self;
        };
        if self.digits.is_multiple_of(2) {
            return self;
        }
        let bits = value.to_bits();
        let biased = (bits >> 52) as i32;
        let mantissa = bits % (1 << 52) + (u64::from(biased != 0) << 52);
        // value = mantissa · 2^power, and twice the digits of a tie are value · 10^places · 2.
        let power = biased.max(1) - 1075 + places as i32 + 1;
        let Ok(halvings) = u32::try_from(-power) else {
            return self;
        };
        let product = u128::from(mantissa) * 5_u128.pow(places);
        if product.trailing_zeros() != halvings {
            return self;
        }
        // The standard library rounds a tie up, so that an odd last digit is always the upper one.
        if product >> halvings == 2 * u128::from(self.digits) - 1 {
            Decimal {
                digits: self.digits - 1,
                ..self
            }
        } else {
            self
        }
    }

    /// The quotient with exactly `places` decimals, cut off.
    pub fn divide(self, divisor: u32, places: i32) -> String {
        // The dividend in units of the last decimal, as a text, because a double has up to 308 digits before the point.
        let shift = self.exponent.saturating_add(places);
        let mut dividend = self.digits.to_string();
        if shift >= 0 {
            dividend.extend(std::iter::repeat_n('0', shift.unsigned_abs() as usize));
        } else {
            let kept = dividend.len().saturating_sub(shift.unsigned_abs() as usize);
            dividend.truncate(kept);
        }
        let mut remainder = 0_u64;
        let mut quotient = String::with_capacity(dividend.len());
        for digit in dividend.bytes() {
            remainder = remainder * 10 + u64::from(digit - b'0');
            let next = remainder / u64::from(divisor.max(1));
            remainder %= u64::from(divisor.max(1));
            // At most nine, because the remainder before was below the divisor.
            if next > 0 || !quotient.is_empty() {
                let _ = write!(quotient, "{next}");
            }
        }
        let places = places.unsigned_abs() as usize;
        let padded = format!("{quotient:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        format!("{whole}.{fraction}")
    }

    /// `base · self`, exact and cut off to whole bytes; `None` above [`Bytes::MAX`].
    pub fn multiply(self, base: Bytes) -> Option<Bytes> {
        // base < 2^63 and digits < 10^17 < 2^57, so the product stays below 2^120.
        let product = u128::from(base.get()) * u128::from(self.digits);
        let result = if self.exponent >= 0 {
            let power = 10_u128.checked_pow(self.exponent.unsigned_abs());
            match power.and_then(|power| product.checked_mul(power)) {
                Some(result) => result,
                None if product == 0 => 0,
                None => return None,
            }
        } else if self.exponent < -38 {
            0
        } else {
            product / POWERS_OF_TEN[self.exponent.unsigned_abs() as usize]
        };
        u64::try_from(result)
            .ok()
            .filter(|bytes| *bytes <= Bytes::MAX.get())
            .map(Bytes)
    }
}

const POWERS_OF_TEN: [u128; 39] = {
    let mut powers = [1_u128; 39];
    let mut index = 1;
    while index < 39 {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
};

/// Java's `Double.toString`.
pub(crate) fn java_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value == 0.0 {
        return format!("{sign}0.0");
    }
    let Some(Decimal {
        mut digits,
        mut exponent,
    }) = Decimal::shortest(value)
    else {
        return format!("{sign}Infinity");
    };
    // At least two digits are written, and of those the nearest: 4.9E-324 where one digit would say 5.
    if digits < 10
        && let nearest = format!("{:.1e}", value.abs())
        && let Some((mantissa, power)) = nearest.split_once('e')
        && let (Ok(two), Ok(power)) = (mantissa.replace('.', "").parse(), power.parse::<i32>())
    {
        // The nearest may have another power of ten: twice the smallest double is 9.9E-324, not 1E-323.
        (digits, exponent) = (two, power - 1);
    }
    let text = digits.to_string();
    let scientific = exponent + text.len() as i32 - 1;
    let (whole, fraction) = if (-3..7).contains(&scientific) {
        let point = scientific + 1;
        match usize::try_from(point) {
            Ok(point) if point > 0 => {
                let padded = format!("{text:0<width$}", width = point + 1);
                (padded[..point].to_owned(), padded[point..].to_owned())
            }
            _ => (
                "0".to_owned(),
                format!("{}{text}", "0".repeat(point.unsigned_abs() as usize)),
            ),
        }
    } else {
        (text[..1].to_owned(), text[1..].to_owned())
    };
    let fraction = fraction.trim_end_matches('0');
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    if (-3..7).contains(&scientific) {
        format!("{sign}{whole}.{fraction}")
    } else {
        format!("{sign}{whole}.{fraction}E{scientific}")
    }
}

/// Java's `Float.toString`: the shortest text of the 32-bit float.
pub(super) fn java_float(value: f32) -> String {
    let text = format!("{value:e}");
    // The shortest digits of the float, read as a double, have the same shortest digits again.
    text.parse().map_or(text, java_double)
}

/// A non-negative double with exactly `places` decimals, rounded half up from its shortest decimal.
pub(super) fn half_up(value: f64, places: i32) -> String {
    let Some(Decimal { digits, exponent }) = Decimal::shortest(value) else {
        return java_double(value);
    };
    let shift = exponent + places;
    let scaled = if shift >= 0 {
        u128::from(digits) * 10_u128.pow(shift.unsigned_abs().min(20))
    } else {
        let power = 10_u128.pow(shift.unsigned_abs().min(38));
        (u128::from(digits) + power / 2) / power
    };
    let one = 10_u128.pow(places.unsigned_abs());
    format!(
        "{}.{:0width$}",
        scaled / one,
        scaled % one,
        width = places.unsigned_abs() as usize
    )
}

/// A positive double rounded down to eight decimals, as Flink's `Resource` does with CPU cores.
pub(super) fn round_down_to_eight_places(value: f64) -> f64 {
    let Some(Decimal { digits, exponent }) = Decimal::shortest(value) else {
        return value;
    };
    if exponent >= -8 {
        return value;
    }
    let kept = u128::from(digits) / 10_u128.pow((-8 - exponent).unsigned_abs().min(38));
    format!("{kept}e-8").parse().unwrap_or(value)
}

/// Why Java refuses a text as a float; the wording of the message is the JVM's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FloatError {
    Empty,
    MultiplePoints,
    NoFloat,
}

impl FloatError {
    /// The JVM's message for the text.
    pub fn java_message(&self, text: &str) -> String {
        match self {
            Self::Empty => "empty String".to_owned(),
            Self::MultiplePoints => "multiple points".to_owned(),
            Self::NoFloat => format!(
                "For input string: \"{}\"",
                super::memory_size::java_trim(text)
            ),
        }
    }
}

/// Java's `Float.parseFloat`, correctly rounded to binary32.
pub(super) fn parse_java_float(text: &str) -> Result<f32, FloatError> {
    match java_float_text(text)? {
        FloatText::Decimal(number) => number.parse().map_err(|_| FloatError::NoFloat),
        FloatText::Special(value) => Ok(value as f32),
        FloatText::Hexadecimal {
            negative,
            digits,
            sticky,
            exponent,
        } => {
            let magnitude = hexadecimal(digits, sticky, exponent, 24, -149, 127);
            Ok(if negative { -magnitude } else { magnitude } as f32)
        }
    }
}

/// Java's `Double.parseDouble`.
pub(super) fn parse_java_double(text: &str) -> Result<f64, FloatError> {
    match java_float_text(text)? {
        FloatText::Decimal(number) => number.parse().map_err(|_| FloatError::NoFloat),
        FloatText::Special(value) => Ok(value),
        FloatText::Hexadecimal {
            negative,
            digits,
            sticky,
            exponent,
        } => {
            let magnitude = hexadecimal(digits, sticky, exponent, 53, -1074, 1023);
            Ok(if negative { -magnitude } else { magnitude })
        }
    }
}

enum FloatText<'a> {
    Decimal(&'a str),
    Special(f64),
    Hexadecimal {
        negative: bool,
        digits: u128,
        sticky: bool,
        exponent: i64,
    },
}

fn java_float_text(text: &str) -> Result<FloatText<'_>, FloatError> {
    let trimmed = super::memory_size::java_trim(text);
    if trimmed.is_empty() {
        return Err(FloatError::Empty);
    }
    let (negative, unsigned) = match trimmed.as_bytes()[0] {
        b'-' => (true, &trimmed[1..]),
        b'+' => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let signed = |value: f64| FloatText::Special(if negative { -value } else { value });
    match unsigned {
        "NaN" => return Ok(signed(f64::NAN)),
        "Infinity" => return Ok(signed(f64::INFINITY)),
        _ => {}
    }
    if let Some(hexadecimal) = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
    {
        return hexadecimal_text(negative, hexadecimal);
    }
    let number = trimmed
        .strip_suffix(['f', 'F', 'd', 'D'])
        .unwrap_or(trimmed);
    let mut points = 0;
    for byte in number.bytes() {
        match byte {
            b'.' => points += 1,
            b'0'..=b'9' | b'+' | b'-' | b'e' | b'E' => {}
            _ => return Err(FloatError::NoFloat),
        }
        if points > 1 {
            return Err(FloatError::MultiplePoints);
        }
    }
    // What is left of Rust's own grammar after the check above is Java's.
    Ok(FloatText::Decimal(number))
}

fn hexadecimal_text(negative: bool, text: &str) -> Result<FloatText<'static>, FloatError> {
    let text = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let (mantissa, power) = text.split_once(['p', 'P']).ok_or(FloatError::NoFloat)?;
    let power_digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    if power_digits.is_empty() || !power_digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FloatError::NoFloat);
    }
    // An exponent beyond these bounds gives zero or infinity whatever the digits are.
    let power = power_digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 40);
    let mut exponent = if text.contains("p-") || text.contains("P-") {
        -power
    } else {
        power
    };
    let (mut digits, mut sticky, mut seen, mut fraction) = (0_u128, false, false, false);
    for byte in mantissa.bytes() {
        let digit = match byte {
            b'.' if !fraction => {
                fraction = true;
                continue;
            }
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return Err(FloatError::NoFloat),
        };
        seen = true;
        if digits >> 120 == 0 {
            digits = digits * 16 + u128::from(digit);
            exponent -= if fraction { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if fraction { 0 } else { 4 };
        }
    }
    if seen {
        Ok(FloatText::Hexadecimal {
            negative,
            digits,
            sticky,
            exponent,
        })
    } else {
        Err(FloatError::NoFloat)
    }
}

/// `digits · 2^exponent`, rounded half to even to `precision` bits with the given smallest and largest powers.
fn hexadecimal(
    digits: u128,
    sticky: bool,
    exponent: i64,
    precision: i64,
    smallest: i64,
    largest: i64,
) -> f64 {
    if digits == 0 {
        return 0.0;
    }
    let length = 128 - i64::from(digits.leading_zeros());
    // How many low bits have no place in the result.
    let dropped = (length - precision).max(smallest - exponent).max(0);
    let (mut kept, rounded) = if dropped > 127 {
        (0, false)
    } else {
        let half = if dropped == 0 {
            0
        } else {
            1_u128 << (dropped - 1)
        };
        let rest = if dropped == 0 {
            0
        } else {
            digits & ((1_u128 << dropped) - 1)
        };
        let kept = digits >> dropped;
        (
            kept,
            dropped > 0 && (rest > half || rest == half && (sticky || kept & 1 == 1)),
        )
    };
    kept += u128::from(rounded);
    let power = exponent + dropped;
    let top = 128 - i64::from(kept.leading_zeros()) + power;
    if kept != 0 && top > largest + 1 {
        return f64::INFINITY;
    }
    // Both factors are exact: the mantissa has at most 53 bits and the powers are applied without rounding.
    let mut value = kept as f64;
    let mut power = power;
    while power > 0 {
        let step = power.min(1000);
        value *= 2_f64.powi(step as i32);
        power -= step;
    }
    while power < 0 && value != 0.0 {
        let step = (-power).min(1000);
        value *= 2_f64.powi(-(step as i32));
        power += step;
    }
    value
}

#[cfg(test)]
mod tests;
