//! A list in the one-line YAML that Flink keeps it as.
//!
//! Mirrors `YamlParserUtils.toYAMLString`: the flow style of snakeyaml-engine's `Emitter`, whose analysis of a text
//! decides whether it stands plain, in single quotes, or in double quotes.

use super::scalar::Scalar;

/// A text as an item of a flow list, or as a key or value of a flow map.
pub(super) fn text(text: &str) -> String {
    if needs_double_quotes(text) {
        return double_quoted(text);
    }
    let is_text = matches!(Scalar::of_plain(text), Scalar::Text(_));
    if is_text && stands_plain(text) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// Whether the text holds a character that only double quotes can hold, or a line break.
fn needs_double_quotes(text: &str) -> bool {
    let is_plain = |character: char| {
        matches!(
            character,
            ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}'
                | '\u{10000}'..='\u{10ffff}'
        )
    };
    text.chars()
        .any(|character| !is_plain(character) || is_break(character))
}

const fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether nothing in the text has a meaning of its own in a flow list.
fn stands_plain(text: &str) -> bool {
    if text.starts_with("---")
        || text.starts_with("...")
        || text.starts_with(' ')
        || text.ends_with(' ')
    {
        return false;
    }
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_followed_by_space = characters.peek().is_none_or(|next| *next == ' ');
        let is_indicator = match (character, before) {
            (',' | '?' | '[' | ']' | '{' | '}' | ':', _) => true,
            ('#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`', None) => true,
            ('-', None) => is_followed_by_space,
            ('#', Some(' ')) => true,
            _ => false,
        };
        if is_indicator {
            return false;
        }
        before = Some(character);
    }
    true
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        let escape = match character {
            '\0' => "0",
            '\u{7}' => "a",
            '\u{8}' => "b",
            '\t' => "t",
            '\n' => "n",
            '\u{b}' => "v",
            '\u{c}' => "f",
            '\r' => "r",
            '\u{1b}' => "e",
            '"' => "\"",
            '\\' => "\\",
            '\u{85}' => "N",
            '\u{a0}' => "_",
            '\u{2028}' => "L",
            '\u{2029}' => "P",
            ' '..='~'
            | '\u{a1}'..='\u{d7ff}'
            | '\u{e000}'..='\u{fefe}'
            | '\u{ff00}'..='\u{fffd}'
            | '\u{10000}'.. => {
                quoted.push(character);
                continue;
            }
            other if u32::from(other) <= 0xff => {
                quoted.push_str(&format!("\\x{:02x}", u32::from(other)));
                continue;
            }
            other => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(other)));
                continue;
            }
        };
        quoted.push('\\');
        quoted.push_str(escape);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_flink_does() {
        // Each of them as Flink 2.1 answered.
        for (value, flink) in [
            ("b", "b"),
            ("c d", "c d"),
            ("3", "'3'"),
            ("true", "'true'"),
            ("x:y", "'x:y'"),
            ("a,b", "'a,b'"),
            ("", "''"),
            (" x", "' x'"),
            ("it's", "it's"),
            ("a#b", "a#b"),
            ("a #b", "'a #b'"),
            ("- x", "'- x'"),
            ("-x", "-x"),
            ("?x", "'?x'"),
            ("a\nb", "\"a\\nb\""),
            ("é", "é"),
            ("~", "'~'"),
            ("0x10", "'0x10'"),
            ("1_000", "1_000"),
            ("a: b", "'a: b'"),
            ("\t", "\"\\t\""),
            ("@x", "'@x'"),
            ("|", "'|'"),
            ("<<", "<<"),
            ("=", "="),
            ("2001-01-01", "2001-01-01"),
            ("yes", "yes"),
        ] {
            assert_eq!(text(value), flink, "{value:?}");
        }
    }
}
