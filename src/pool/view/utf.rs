//! Java's modified UTF-8: each UTF-16 unit is encoded by itself, and U+0000 in two bytes.

use super::ViewError;

/// The length that stands before a text.
pub(super) fn length(encoded_bytes: usize) -> Result<u16, ViewError> {
    u16::try_from(encoded_bytes).map_err(|_| ViewError::UtfTooLong { encoded_bytes })
}

/// Whether a text's own bytes are its modified form: all but U+0000 and what takes two UTF-16 units, whose four bytes
/// alone begin above 0xEF.
pub(super) fn is_the_same(text: &str) -> bool {
    text.bytes().all(|byte| byte != 0 && byte < 0xf0)
}

/// Appends the modified form.
pub(super) fn encode(units: impl IntoIterator<Item = u16>, encoded: &mut Vec<u8>) {
    for unit in units {
        let [high, low] = unit.to_be_bytes();
        let last = 0x80 | (low & 0x3f);
        let middle = (high << 2) | (low >> 6);
        match unit {
            0x0001..=0x007f => encoded.push(low),
            0 | 0x0080..=0x07ff => encoded.extend([0xc0 | middle, last]),
            0x0800.. => encoded.extend([0xe0 | (high >> 4), 0x80 | (middle & 0x3f), last]),
        }
    }
}

/// The text of a modified form.
pub(super) fn decode_text(encoded: &[u8]) -> Result<String, ViewError> {
    // Most texts hold nothing that the modified form writes in another way. What Rust takes for a text is one that Java
    // reads in the same way, unless a character has four bytes, which Java refuses.
    if let Ok(text) = std::str::from_utf8(encoded)
        && encoded.iter().all(|byte| *byte < 0xf0)
    {
        return Ok(text.to_owned());
    }
    String::from_utf16(&decode(encoded)?).map_err(|_| ViewError::UnpairedSurrogate)
}

/// The UTF-16 units of a modified form. As Java does, it accepts what is longer than needed.
pub(super) fn decode(encoded: &[u8]) -> Result<Vec<u16>, ViewError> {
    let mut units = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    let continued = |byte: u8| (byte & 0xc0 == 0x80).then_some(u16::from(byte & 0x3f));
    while let [first, following @ ..] = rest {
        let character =
            match (first >> 4, following) {
                (0..=7, _) => Some((u16::from(*first), following)),
                (12 | 13, [second, following @ ..]) => continued(*second)
                    .map(|second| ((u16::from(first & 0x1f) << 6) | second, following)),
                (14, [second, third, following @ ..]) => continued(*second)
                    .zip(continued(*third))
                    .map(|(second, third)| {
                        let first = u16::from(first & 0x0f) << 12;
                        (first | (second << 6) | third, following)
                    }),
                _ => None,
            };
        let Some((unit, following)) = character else {
            return Err(ViewError::MalformedUtf {
                at: encoded.len() - rest.len(),
            });
        };
        units.push(unit);
        rest = following;
    }
    Ok(units)
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_text, encode, is_the_same};

    fn encoded(units: &[u16]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(units.iter().copied(), &mut bytes);
        bytes
    }

    #[test]
    fn every_unit_comes_back_in_the_bytes_that_java_writes() {
        for unit in 0..=u16::MAX {
            let bytes = encoded(&[unit]);
            assert_eq!(decode(&bytes).expect("a unit"), [unit]);
            // Outside of U+0000 and the surrogates it is UTF-8.
            if let Some(character) = char::from_u32(u32::from(unit)).filter(|_| unit != 0) {
                assert_eq!(bytes, character.to_string().as_bytes());
            }
        }
        assert_eq!(encoded(&[0]), [0xc0, 0x80]);
        assert_eq!(encoded(&[0xd83d]), [0xed, 0xa0, 0xbd]);
    }

    #[test]
    fn texts_of_every_kind_come_back() {
        for (text, is_same) in [
            ("", true),
            ("plain", true),
            ("grüße, 日本", true),
            ("a\0b", false),
            ("😀", false),
        ] {
            assert_eq!(is_the_same(text), is_same, "{text:?}");
            let bytes = encoded(&text.encode_utf16().collect::<Vec<_>>());
            assert_eq!(bytes == text.as_bytes(), is_same, "{text:?}");
            assert_eq!(decode_text(&bytes).expect("a text"), text);
        }
        assert!(decode_text(&encoded(&[0xd83d])).is_err(), "half of a pair");
    }

    #[test]
    fn what_java_refuses_is_refused_and_what_it_accepts_accepted() {
        for (bytes, at) in [
            (&b"ab\x80"[..], 2),
            (b"\xc3", 0),
            (b"a\xc3\x41", 1),
            (b"\xe6\x97", 0),
            (b"\xe6\x41\x80", 0),
            (b"\xe6\x97\xc0", 0),
            ("a😀".as_bytes(), 1),
            (b"\xff", 0),
        ] {
            let error = decode_text(bytes).expect_err("malformed");
            assert_eq!(
                error.to_string(),
                format!("malformed text around byte {at}")
            );
        }
        for (bytes, text) in [
            (&b"\0"[..], "\0"),
            (b"\xc1\x81", "A"),
            (b"\xe0\x81\x81", "A"),
        ] {
            assert_eq!(decode_text(bytes).expect("longer than needed"), text);
        }
    }
}
