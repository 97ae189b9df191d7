//! The documents of a YAML text, each read on its own: what is wrong with one does not hide the others.
//!
//! A line that begins with `---` or `...` ends a document wherever it stands, in a block of text too (YAML 1.2.2,
//! rule 206 `c-forbidden`), so a text is taken apart without knowing what is in it.

use super::{
    node::{Node, Place},
    options,
};
use crate::cli::parallel;

/// More documents than anybody writes; it bounds the work for a file of nothing but small ones.
pub(super) const MOST_DOCUMENTS: usize = 10_000;

/// A document that is no YAML.
pub(super) struct Unreadable {
    /// Where, if that is known.
    pub place: Option<Place>,
    /// What the reader says.
    pub error: serde_saphyr::Error,
}

/// The documents of a text in their order, without the empty ones; of too many, the first
/// [`MOST_DOCUMENTS`] and one more.
pub(super) fn read(text: &str) -> Vec<Result<Node, Box<Unreadable>>> {
    let parts: Vec<Part<'_>> = parts(text).take(MOST_DOCUMENTS + 1).collect();
    parallel::map(parts, |part| part.read())
        .into_iter()
        .flatten()
        .take(MOST_DOCUMENTS + 1)
        .collect()
}

/// The text of one document, with its directives and markers.
#[derive(Debug, PartialEq)]
struct Part<'a> {
    text: &'a str,
    /// How many lines stand before it.
    lines_before: u64,
}

impl Part<'_> {
    fn read(&self) -> Vec<Result<Node, Box<Unreadable>>> {
        let nodes = serde_saphyr::from_multiple_with_options::<Node>(self.text, options());
        match nodes {
            Ok(mut nodes) => {
                for node in &mut nodes {
                    node.move_down(self.lines_before);
                }
                nodes.into_iter().map(Ok).collect()
            }
            Err(error) => {
                let place = error
                    .location()
                    .map(Place::from)
                    .filter(|place| place.line > 0)
                    .map(|place| Place {
                        line: place.line + self.lines_before,
                        ..place
                    });
                vec![Err(Box::new(Unreadable { place, error }))]
            }
        }
    }
}

/// Takes a text apart before each `---` and after each `...`; what holds nothing is left out.
fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    let mut line = 0;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let (part, has_content) = first_part(rest);
            let found = Part {
                text: part,
                lines_before: line,
            };
            line += line_breaks(part);
            rest = &rest[part.len()..];
            if has_content {
                return Some(found);
            }
        }
    })
}

/// The text up to the end of its first document, and whether there is more in it than comments and markers.
fn first_part(text: &str) -> (&str, bool) {
    let mut end = 0;
    let mut has_marker = false;
    let mut has_content = false;
    for line in text.split_inclusive('\n') {
        let mark = marker(line);
        // Directives and comments before a marker belong to the document that it begins.
        if mark == Some("---") && (has_marker || has_content) {
            break;
        }
        end += line.len();
        match mark {
            Some("...") => break,
            Some(mark) => {
                has_marker = true;
                has_content |= !is_blank(&line[mark.len()..]);
            }
            // A directive of a document that never begins is for the reader to refuse.
            None => has_content |= !is_blank(line) && (has_marker || !line.starts_with('%')),
        }
    }
    let directives_only = !has_content && !has_marker && text[..end].contains('%');
    (&text[..end], has_content || directives_only)
}

/// The marker that a line begins with.
fn marker(line: &str) -> Option<&str> {
    let mark = line.get(..3)?;
    let ends = line[3..]
        .chars()
        .next()
        .is_none_or(|next| " \t\r\n".contains(next));
    (ends && matches!(mark, "---" | "...")).then_some(mark)
}

/// Whether nothing but white space and a comment stands there.
fn is_blank(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t', '\r', '\n', '\u{feff}']);
    line.is_empty() || line.starts_with('#')
}

/// Line breaks as YAML counts them: a carriage return alone is one too.
fn line_breaks(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let is_break = |index: usize| {
        bytes[index] == b'\n' || bytes[index] == b'\r' && bytes.get(index + 1) != Some(&b'\n')
    };
    (0..bytes.len()).filter(|index| is_break(*index)).count() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<(&str, u64)> {
        parts(text)
            .map(|part| (part.text, part.lines_before))
            .collect()
    }

    #[test]
    fn a_text_is_taken_apart_at_its_markers() {
        for (text, expected) in [
            ("", vec![]),
            ("# nothing\n---\n# more\n---\n...\n", vec![]),
            ("a: 1", vec![("a: 1", 0)]),
            ("a: 1\n---\nb: 2\n", vec![("a: 1\n", 0), ("---\nb: 2\n", 1)]),
            (
                "---\na: 1\r\n--- {b: 2}\n",
                vec![("---\na: 1\r\n", 0), ("--- {b: 2}\n", 2)],
            ),
            (
                "%YAML 1.2\n---\na: 1\n...\n# then\n%YAML 1.2\n---\nb: 2\n",
                vec![
                    ("%YAML 1.2\n---\na: 1\n...\n", 0),
                    ("# then\n%YAML 1.2\n---\nb: 2\n", 4),
                ],
            ),
            (
                "a: |\n  ---\n --- \n----\n",
                vec![("a: |\n  ---\n --- \n----\n", 0)],
            ),
            (
                "a: 1\rb: 2\r\n---\nc: 3",
                vec![("a: 1\rb: 2\r\n", 0), ("---\nc: 3", 2)],
            ),
        ] {
            assert_eq!(texts(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_broken_document_hides_no_other() {
        let text = "a: 1\n---\nb: [\n---\nc: }\n---\nd: 4\n";
        let read = read(text);
        let found: Vec<Option<u64>> = read
            .iter()
            .map(|document| document.as_ref().ok().map(|node| node.place.line))
            .collect();
        assert_eq!(found, [Some(1), None, None, Some(7)]);
    }

    proptest! {
        /// Where the whole text can be read in one go, it is read the same in parts. A block without a line is left
        /// out: the reader places it at the next marker, which is in another part.
        #[test]
        fn parts_are_read_like_the_whole(
            lines in prop::collection::vec(
                prop::sample::select(vec![
                    "---", "--- ", "--- # x", "--- [1, 2]", "...", "%YAML 1.2", "# a", "", "a: 1", "b: |\n  x", "  ---",
                    "  c", "- d", "e: &f {g: 1}", "h: *f", "'i", "j'", "k: \"l", "m\"", "--", "\u{feff}", "\t",
                ]),
                0..14,
            ),
            line_break in prop::sample::select(vec!["\n", "\r\n"]),
        ) {
            let text = lines.join(line_break);
            let mut bytes = text.as_bytes();
            let whole: Vec<_> =
                serde_saphyr::read_with_options::<_, Node>(&mut bytes, options()).collect();
            if whole.iter().all(Result::is_ok) {
                let whole: Vec<String> =
                    whole.into_iter().flatten().map(|node| format!("{node:?}")).collect();
                let parts: Vec<String> = read(&text)
                    .into_iter()
                    .map(|document| match document {
                        Ok(node) => format!("{node:?}"),
                        Err(unreadable) => unreadable.error.to_string(),
                    })
                    .collect();
                prop_assert_eq!(parts, whole, "{:?}", text);
            }
        }
    }
}
