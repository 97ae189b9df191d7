//! How wide text is: no font is at hand, so it is reckoned with the widths of a wide one.
//!
//! The widths are those of DejaVu Sans, rounded up, which is wider than what browsers set instead on the systems
//! that do not have it (Segoe UI, Helvetica, San Francisco, Noto Sans). What fits here fits there.

/// How a text is set; each has a class in the style sheet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// What the picture is about.
    Heading,
    /// The line below it, and the names of the columns.
    Subheading,
    /// The name of a sum.
    Sum,
    /// The name of a part.
    Part,
    /// A size for people.
    Size,
    /// A size in bytes.
    Count,
    /// Why a size is what it is.
    Note,
    /// Text in a sum's block.
    InSum,
    /// Text in a part's block.
    InPart,
    /// The code of a conflict.
    Code,
    /// What is said about a conflict.
    Sentence,
}

impl Style {
    /// Every style.
    pub const ALL: [Style; 11] = [
        Style::Heading,
        Style::Subheading,
        Style::Sum,
        Style::Part,
        Style::Size,
        Style::Count,
        Style::Note,
        Style::InSum,
        Style::InPart,
        Style::Code,
        Style::Sentence,
    ];

    /// The class of the style sheet.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Style::Heading => "heading",
            Style::Subheading => "subheading",
            Style::Sum => "sum-name",
            Style::Part => "part-name",
            Style::Size => "size",
            Style::Count => "count",
            Style::Note => "note",
            Style::InSum => "in-sum",
            Style::InPart => "in-part",
            Style::Code => "code",
            Style::Sentence => "sentence",
        }
    }

    /// The size of the font in pixels.
    #[must_use]
    pub const fn pixels(self) -> f64 {
        match self {
            Style::Heading => 17.0,
            Style::Subheading | Style::Count | Style::Sentence => 12.0,
            Style::Sum | Style::Part | Style::Size | Style::Code => 13.0,
            Style::Note | Style::InSum | Style::InPart => 11.5,
        }
    }

    /// Whether the font is bold.
    #[must_use]
    pub const fn is_bold(self) -> bool {
        matches!(
            self,
            Style::Heading | Style::Sum | Style::Size | Style::Code
        )
    }

    /// Whether every letter of the font is equally wide.
    #[must_use]
    pub const fn is_monospaced(self) -> bool {
        matches!(self, Style::Count)
    }

    /// The width of a text in pixels, at most.
    #[must_use]
    pub fn width(self, text: &str) -> f64 {
        let letters: f64 = text
            .chars()
            .map(|letter| {
                if self.is_monospaced() && letter.is_ascii() {
                    0.61
                } else {
                    width_of(letter)
                }
            })
            .sum();
        letters * self.pixels() * if self.is_bold() { 1.12 } else { 1.0 }
    }

    /// The text in lines of at most this many pixels, broken between words, and inside a word that is longer; the
    /// first line may be shorter.
    pub(super) fn wrapped(self, text: &str, first: f64, others: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        for word in text.split_whitespace() {
            let room = |lines: &Vec<String>| if lines.is_empty() { first } else { others };
            if !line.is_empty() && self.width(&format!("{line} {word}")) > room(&lines) {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            for letter in word.chars() {
                let mut longer = line.clone();
                longer.push(letter);
                if !line.is_empty() && self.width(&longer) > room(&lines) {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(letter);
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }

    /// The text, or its beginning where it is wider than this many pixels.
    pub(super) fn shortened(self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let mut short = String::new();
        for letter in text.chars() {
            short.push(letter);
            if self.width(&short) + self.width("…") > width {
                short.pop();
                break;
            }
        }
        short.push('…');
        short
    }
}

/// The width of a letter as a part of the font's size.
fn width_of(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | '\'' | '|' => 0.34,
        'I' | ' ' | '.' | ',' | ':' | ';' | '!' | '/' | '\\' | 'f' | 't' | '-' | '(' | ')'
        | '[' | ']' => 0.40,
        'r' | 's' | 'c' | 'k' | 'v' | 'x' | 'y' | 'z' | '_' | '"' => 0.60,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' | '—' => 1.0,
        'a'..='z' | '0'..='9' | '?' | '$' | '*' => 0.64,
        'J' | 'L' | 'F' | 'T' | 'E' | 'P' | 'S' | 'Y' | 'Z' => 0.69,
        'A'..='Z' => 0.79,
        '#' | '+' | '<' | '=' | '>' | '~' | '^' | '−' | '×' | '≤' | '≥' => 0.84,
        ' '..='~' => 0.84,
        // Small letters with accents are as wide as those without; of all others the widest is assumed.
        '\u{df}'..='\u{17f}' => 0.72,
        _ => 1.25,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_width_even_with_long_words() {
        let lines = Style::Note.wrapped("one spec.flinkConfiguration[x] two", 60.0, 90.0);
        assert!(lines.len() > 3, "{lines:?}");
        assert!(Style::Note.width(&lines[0]) <= 60.0);
        assert!(lines.iter().all(|line| Style::Note.width(line) <= 90.0));
        assert_eq!(
            lines.concat().replace(' ', ""),
            "onespec.flinkConfiguration[x]two"
        );
        assert!(Style::Note.wrapped(" \n ", 10.0, 10.0).is_empty());
        assert_eq!(Style::Note.wrapped("ab", 1.0, 1.0), ["a", "b"]);
    }

    #[test]
    fn short_text_stays_and_long_text_says_that_it_was_cut() {
        assert_eq!(Style::Part.shortened("managed", 100.0), "managed");
        let short = Style::Part.shortened(&"managed ".repeat(9), 100.0);
        assert!(short.ends_with('…') && Style::Part.width(&short) <= 100.0);
    }
}
