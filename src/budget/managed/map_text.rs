//! Flink's text of a map, `OPERATOR:70,PYTHON:30`, and since 1.19 the same in YAML, `{OPERATOR: 70, PYTHON: 30}`.
//!
//! Mirrors `ConfigurationUtils.convertToProperties` and `StructuredOptionsSplitter`. Of YAML it reads what people
//! write on one line, and a pair on each of several; anything else is taken for the older form, as Flink does with
//! text that is no YAML map.

use super::super::{infeasible::FlinkError, memory_size::java_trim, version::FlinkVersion};

/// The pairs in the order in which they were written.
///
/// # Errors
/// What Flink raises before it says which option it was about.
pub(super) fn parse(
    version: FlinkVersion,
    text: &str,
) -> Result<Vec<(String, String)>, FlinkError> {
    if version.reads_yaml_maps()
        && let Some(pairs) = yaml(text)
    {
        return Ok(pairs);
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for item in split(text, ',')? {
        let parts = split(&item, ':')?;
        let [key, value] = parts.as_slice() else {
            return Err(FlinkError::argument(format!(
                "Could not parse pair in the map [{}]",
                parts.join(", ")
            )));
        };
        if let Some((_, former)) = pairs.iter().find(|(known, _)| known == key) {
            return Err(FlinkError::state(format!(
                "Duplicate key {key} (attempted merging values {former} and {value})"
            )));
        }
        pairs.push((key.clone(), value.clone()));
    }
    Ok(pairs)
}

/// A piece of a text that is being split.
enum Token {
    Quoted(String),
    Plain(String),
    Delimiter,
}

/// Splits at a delimiter outside quotes; a quote inside quotes is doubled.
fn split(text: &str, delimiter: char) -> Result<Vec<String>, FlinkError> {
    // Each token with the place at which it begins, counted as Java counts: in UTF-16 units.
    let mut tokens: Vec<(usize, Token)> = Vec::new();
    let mut characters = text.chars().peekable();
    let mut position = 0;
    while let Some(character) = characters.next() {
        let start = position;
        position += character.len_utf16();
        if character == '\'' || character == '"' {
            let mut content = String::new();
            loop {
                let Some(next) = characters.next() else {
                    return Err(FlinkError::argument(
                        "Could not split string. Quoting was not closed properly.",
                    ));
                };
                position += next.len_utf16();
                if next == character && characters.next_if_eq(&character).is_none() {
                    break;
                }
                position += usize::from(next == character);
                content.push(next);
            }
            tokens.push((start, Token::Quoted(content)));
        } else if character == delimiter {
            tokens.push((start, Token::Delimiter));
        } else if !is_java_whitespace(character) {
            let mut content = String::from(character);
            while let Some(next) = characters.next_if(|next| *next != delimiter) {
                position += next.len_utf16();
                content.push(next);
            }
            tokens.push((start, Token::Plain(java_trim(&content).to_owned())));
        }
    }
    let mut parts = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some((_, token)) = tokens.next() {
        let next = tokens.peek();
        match token {
            Token::Quoted(content) => {
                if let Some((start, Token::Quoted(_) | Token::Plain(_))) = next {
                    return Err(FlinkError::argument(format!(
                        "Could not split string. Illegal quoting at position: {}",
                        start - 1
                    )));
                }
                parts.push(content);
            }
            Token::Plain(content) => parts.push(content),
            Token::Delimiter => {
                if let Some((_, Token::Delimiter)) = next {
                    parts.push(String::new());
                }
            }
        }
    }
    Ok(parts)
}

/// Java's `Character.isWhitespace`.
fn is_java_whitespace(character: char) -> bool {
    match character {
        '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{85}' => false,
        '\u{1c}'..='\u{1f}' => true,
        other => other.is_whitespace(),
    }
}

/// The pairs of a YAML map in flow form on one line, or in block form with a pair on each line; `None` for any
/// other text.
fn yaml(text: &str) -> Option<Vec<(String, String)>> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut push = |item: &str, is_flow: bool| -> Option<()> {
        // A key without a value is no pair to Flink, which then reads the older form.
        let (key, value) = item.split_once(": ")?;
        let (key, value) = (scalar(key, is_flow)?, scalar(value, is_flow)?);
        // A YAML reader refuses a key that stands twice, and Flink then reads the older form.
        if pairs.iter().any(|(known, _)| *known == key) {
            return None;
        }
        pairs.push((key, value));
        Some(())
    };
    if let Some(inside) = text.strip_prefix('{') {
        let inside = inside.strip_suffix('}')?.trim_matches([' ', '\t']);
        let inside = inside.strip_suffix(',').unwrap_or(inside);
        if !inside.is_empty() {
            for item in inside.split(',') {
                push(item.trim_matches([' ', '\t']), true)?;
            }
        }
    } else {
        for line in text.lines() {
            // An indented line would belong to the one above it.
            if line.starts_with([' ', '\t']) {
                return None;
            }
            push(line.trim_end_matches([' ', '\t', '\r']), false)?;
        }
        if pairs.is_empty() {
            return None;
        }
    }
    Some(pairs)
}

/// A scalar without its quotes; `None` where YAML would see something else than a plain text or number.
fn scalar(text: &str, is_flow: bool) -> Option<String> {
    let text = text.trim_matches([' ', '\t']);
    for quote in ['\'', '"'] {
        if let Some(quoted) = text.strip_prefix(quote) {
            let inside = quoted.strip_suffix(quote)?;
            let is_simple = !inside.contains(['\'', '"', '\\']);
            return is_simple.then(|| inside.to_owned());
        }
    }
    let is_indicator = text.starts_with([
        '[', ']', '{', '}', '&', '*', '!', '|', '>', '%', '@', '`', '#', ',',
    ]) || text.starts_with("- ")
        || text.starts_with("? ");
    let has_structure = text.contains(": ")
        || text.contains(" #")
        || text.ends_with(':')
        || is_flow && text.contains(['[', ']', '{', '}']);
    (!is_indicator && !has_structure && !text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{FlinkVersion, parse};

    fn pairs(version: FlinkVersion, text: &str) -> Result<Vec<(String, String)>, String> {
        parse(version, text).map_err(|error| error.message)
    }

    fn expected(pairs: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Ok(pairs.iter().map(owned).collect())
    }

    #[test]
    fn pairs_stand_between_commas_and_colons() {
        let version = FlinkVersion::V1_18;
        // Quotes are taken off twice: from the pair, and from its parts.
        assert_eq!(
            pairs(version, " A : 1 ,'''B:x'':2','C:3'"),
            expected(&[("A", "1"), ("B:x", "2"), ("C", "3")])
        );
        assert_eq!(
            pairs(version, "A:1,\u{1c} \t'B:2'"),
            expected(&[("A", "1"), ("B", "2")])
        );
        assert_eq!(pairs(version, ""), expected(&[]));
        assert_eq!(
            pairs(version, "{A: 5, B: 6}"),
            expected(&[("{A", "5"), ("B", "6}")])
        );
    }

    #[test]
    fn malformed_text_is_refused_in_the_words_of_flink() {
        let version = FlinkVersion::V2_3;
        for (text, message) in [
            ("A", "Could not parse pair in the map [A]"),
            ("A:1:2", "Could not parse pair in the map [A, 1, 2]"),
            ("A:,B:1", "Could not parse pair in the map [A]"),
            ("A:1,,B:2", "Could not parse pair in the map []"),
            (
                "A:1,A:2",
                "Duplicate key A (attempted merging values 1 and 2)",
            ),
            (
                "'A:1",
                "Could not split string. Quoting was not closed properly.",
            ),
            (
                "'A'B:1",
                "Could not split string. Illegal quoting at position: 2",
            ),
            (
                "'A''B'C:1",
                "Could not split string. Illegal quoting at position: 5",
            ),
            (
                "XYZ,'A'B:1",
                "Could not split string. Illegal quoting at position: 6",
            ),
            (
                "'\u{1f600}'B:1",
                "Could not split string. Illegal quoting at position: 3",
            ),
        ] {
            assert_eq!(pairs(version, text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn since_1_19_a_map_of_yaml_is_one_too() {
        let version = FlinkVersion::V1_19;
        for text in [
            "{A: 5, B: 6}",
            "{ 'A': \"5\",B: 6, }",
            "A: 5\nB: 6",
            "A:5,B:6",
            "A: 5,B: 6",
        ] {
            assert_eq!(
                pairs(version, text),
                expected(&[("A", "5"), ("B", "6")]),
                "{text}"
            );
        }
        assert_eq!(pairs(version, "{}"), expected(&[]));
        // What is no plain scalar of YAML is the older form.
        for (text, first) in [
            ("A: - 5,B:6", "- 5"),
            ("A: ? 5,B:6", "? 5"),
            ("A: 5 #,B:6", "5 #"),
            ("A: [5,B:6", "[5"),
        ] {
            assert_eq!(
                pairs(version, text),
                expected(&[("A", first), ("B", "6")]),
                "{text}"
            );
        }
        assert_eq!(
            pairs(version, "A: 5,B:"),
            Err("Could not parse pair in the map [B]".to_owned())
        );
        // One pair of YAML whose value has a comma in it.
        assert_eq!(pairs(version, "A: 5,B:6"), expected(&[("A", "5,B:6")]));
    }
}
