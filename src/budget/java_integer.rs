//! Whole numbers as Java reads them: `Integer.parseInt` and `Long.parseLong`.
//!
//! An optional sign and decimal digits, nothing around them. A digit is whatever Unicode calls one and a single
//! `char` of Java's holds: `٣` is three.

use std::{borrow::Cow, str::FromStr};

/// The digit zero of each script, in the order of their code points; nine more digits follow each. Those of Unicode
/// 13, which JDK 17 knows, as far as one UTF-16 unit reaches.
const ZEROS: [char; 37] = [
    '0', '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}',
    '\u{be6}', '\u{c66}', '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}',
    '\u{1040}', '\u{1090}', '\u{17e0}', '\u{1810}', '\u{1946}', '\u{19d0}', '\u{1a80}', '\u{1a90}',
    '\u{1b50}', '\u{1bb0}', '\u{1c40}', '\u{1c50}', '\u{a620}', '\u{a8d0}', '\u{a900}', '\u{a9d0}',
    '\u{a9f0}', '\u{aa50}', '\u{abf0}', '\u{ff10}',
];

/// The number a text says; `None` where Java throws `NumberFormatException`.
pub(super) fn parse_java_integer<T: FromStr>(text: &str) -> Option<T> {
    // For plain digits Rust and Java agree, sign and range included.
    let plain = if text.is_ascii() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().map(plain_digit).collect::<String>())
    };
    plain.parse().ok()
}

fn plain_digit(character: char) -> char {
    let zero = ZEROS
        .into_iter()
        .rfind(|zero| *zero <= character)
        .unwrap_or('0');
    char::from_digit(u32::from(character).wrapping_sub(u32::from(zero)), 10).unwrap_or(character)
}

#[cfg(test)]
mod tests {
    use super::parse_java_integer;

    #[test]
    fn reads_digits_of_any_script() {
        for (text, number) in [
            ("12", 12),
            ("+٣", 3),
            ("-१२", -12),
            ("\u{ff11}0", 10),
            ("1\u{abf9}", 19),
            ("-2147483648", i32::MIN),
        ] {
            assert_eq!(parse_java_integer(text), Some(number), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_java_refuses() {
        for text in [
            "",
            "+",
            "-",
            " 1",
            "1 ",
            "1_0",
            "½",
            "Ⅷ",
            "𝟙",
            "²",
            "2147483648",
            "٢١٤٧٤٨٣٦٤٨",
            "\u{abfa}",
        ] {
            assert_eq!(parse_java_integer::<i32>(text), None, "{text:?}");
        }
    }
}
