//! How wide the text may be and whether it is coloured, and the few marks that text is made of.

/// Columns of text that goes to a file or a pipe, so that it is the same on every machine.
pub const PLAIN_WIDTH: usize = 100;

/// What the text is made for.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Columns.
    pub width: usize,
    /// Whether colour is used.
    pub is_coloured: bool,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tone {
    Title,
    Strong,
    Faint,
    Error,
    Warning,
    Good,
}

impl Screen {
    /// The width of text for a terminal of this many columns, or for none.
    pub(super) fn width_within(terminal: Option<usize>) -> usize {
        // Longer lines are hard to read, and shorter ones leave no room for a number beside its name.
        terminal.map_or(PLAIN_WIDTH, |columns| columns.clamp(60, 140))
    }

    /// The text in the colour of its tone.
    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.is_coloured || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Title => "1;36",
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Error => "1;31",
            Tone::Warning => "1;33",
            Tone::Good => "32",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Columns that a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Columns that a painted text takes: its colours take none.
pub(super) fn visible_columns(text: &str) -> usize {
    let mut is_escape = false;
    text.chars()
        .filter(|character| {
            let is_hidden = is_escape || *character == '\u{1b}';
            is_escape = is_hidden && *character != 'm';
            !is_hidden
        })
        .count()
}

/// The text with spaces after it up to a width.
pub(super) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// The text with spaces before it up to a width.
pub(super) fn aligned(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(columns(text))))
}

/// A space at which a line is not broken.
pub(super) const FIXED_SPACE: char = '\u{a0}';

/// The text in lines of at most `width` columns, broken between words; a longer word stands alone, and a
/// [`FIXED_SPACE`] becomes a space.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let words = text
        .split([' ', '\n', '\t'])
        .filter(|word| !word.is_empty());
    for word in words {
        if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().map(|character| {
            if character == FIXED_SPACE {
                ' '
            } else {
                character
            }
        }));
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The text without anything that a terminal would obey: what comes from an input may contain escapes.
pub(super) fn harmless(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            plain.extend(character.escape_debug());
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("a bb  ccc", 4), ["a bb", "ccc"]);
        assert_eq!(
            wrapped("longer-than-the-line x", 4),
            ["longer-than-the-line", "x"]
        );
        assert_eq!(wrapped("x -D\u{a0}key", 5), ["x", "-D key"]);
        assert!(wrapped("  ", 4).is_empty());
    }

    #[test]
    fn escapes_are_shown_and_not_obeyed() {
        assert_eq!(harmless("a\u{1b}[31mb\r"), "a\\u{1b}[31mb\\r");
        assert_eq!(harmless("Größe − 1"), "Größe − 1");
    }
}
