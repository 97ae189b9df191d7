//! A budget as a picture: one SVG file, to scale, for a page, a review or a screen reader.
//!
//! The picture is a function of its model: no file, no font, no clock, no script. It knows no option of Flink;
//! whoever asks for it names the blocks. Every block has a line of text beside the drawing, so that nothing is
//! said by colour or by size alone, and the whole text stands in the description too.

mod layout;
pub mod palette;
mod text;
mod write;

use crate::bytes::Bytes;

pub use self::text::Style;

/// Columns of pixels that a picture takes, which is what a README leaves on a screen.
pub const WIDTH: f64 = 830.0;

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What the picture is about.
    pub heading: String,
    /// One line below the heading.
    pub subheading: String,
    /// The largest size with everything in it; `None` where no size is known.
    pub root: Option<Block>,
    /// What is wrong, or worth a look, in the order in which it is shown.
    pub notices: Vec<Notice>,
    /// Sentences at the end.
    pub remarks: Vec<String>,
}

/// A size and the sizes inside it, first to last.
///
/// The parts may be larger than the block that they should fit into; the picture shows by how much.
#[derive(Clone, Debug)]
pub struct Block {
    /// What it is called.
    pub title: String,
    /// Its size; `None` where it is not known.
    pub bytes: Option<Bytes>,
    /// What kind of memory it is.
    pub tone: Tone,
    /// Why it has this size.
    pub note: String,
    /// Whether the size is not what its fraction asks for.
    pub cap: Option<Cap>,
    /// The code of a conflict that this size takes part in.
    pub conflict: Option<String>,
    /// What it is made of.
    pub parts: Vec<Block>,
}

/// What kind of memory a block is; each kind has a colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    /// A sum of other blocks.
    Sum,
    /// The heap of the JVM.
    Heap,
    /// Direct memory of the JVM.
    Direct,
    /// Native memory that Flink manages.
    Managed,
    /// Metaspace of the JVM.
    Metaspace,
    /// What else the JVM takes.
    Overhead,
    /// Memory of the container that nothing is planned for.
    Unassigned,
}

impl Tone {
    /// Every kind.
    pub const ALL: [Tone; 7] = [
        Tone::Sum,
        Tone::Heap,
        Tone::Direct,
        Tone::Managed,
        Tone::Metaspace,
        Tone::Overhead,
        Tone::Unassigned,
    ];

    /// The class of the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Tone::Sum => "sum",
            Tone::Heap => "heap",
            Tone::Direct => "direct",
            Tone::Managed => "managed",
            Tone::Metaspace => "metaspace",
            Tone::Overhead => "overhead",
            Tone::Unassigned => "unassigned",
        }
    }
}

/// Which bound a size was moved to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cap {
    /// The fraction gave less than the minimum.
    Raised,
    /// The fraction gave more than the maximum.
    Lowered,
}

/// A conflict or a warning, as text under the drawing.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Whether it keeps the process from starting.
    pub is_error: bool,
    /// Its code.
    pub code: String,
    /// What is wrong.
    pub sentence: String,
    /// The changes of which each one resolves it.
    pub fixes: Vec<String>,
}

/// The pictures, one below the other, as one SVG document that ends in a line break.
///
/// # Guarantees
/// Well-formed XML whatever the texts contain. No two texts overlap and none leaves the drawing, as far as the
/// widths of the fonts can be known: they are reckoned with those of a wide one.
#[must_use]
pub fn svg(pictures: &[Picture]) -> String {
    let drawings: Vec<layout::Drawing> = pictures.iter().map(layout::drawing).collect();
    write::document(pictures, &drawings)
}

impl Picture {
    /// The whole picture as lines of text: what a screen reader says.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.heading.clone()];
        if !self.subheading.is_empty() {
            lines.push(self.subheading.clone());
        }
        if let Some(root) = &self.root {
            root.describe(0, &mut lines);
        }
        for notice in &self.notices {
            let word = if notice.is_error { "error" } else { "warning" };
            let fixes: String = notice
                .fixes
                .iter()
                .map(|fix| format!("; fix: {fix}"))
                .collect();
            lines.push(format!(
                "{word} {}: {}{fixes}",
                notice.code, notice.sentence
            ));
        }
        lines.extend(self.remarks.iter().cloned());
        lines
    }
}

impl Block {
    fn describe(&self, depth: usize, lines: &mut Vec<String>) {
        let mut line = format!("{}- {}: ", "  ".repeat(depth), self.title);
        let size = self.bytes.map(|bytes| bytes.to_string());
        let note = Some(self.note.clone()).filter(|note| !note.is_empty());
        let conflict = self
            .conflict
            .as_ref()
            .map(|code| format!("takes part in {code}"));
        let said: Vec<String> = [size, note, conflict].into_iter().flatten().collect();
        line.push_str(&said.join("; "));
        lines.push(line);
        for part in &self.parts {
            part.describe(depth + 1, lines);
        }
        if let Some(excess) = self.own_excess() {
            lines.push(format!(
                "{}- {}",
                "  ".repeat(depth + 1),
                excess_text(excess, &self.title)
            ));
        }
    }

    /// The room that the block takes, in bytes: its size, or that of its parts where they are larger. Sums of sizes
    /// that Flink could not count are no reason to draw anything wrong.
    pub(crate) fn extent(&self) -> u128 {
        let parts: u128 = self.parts.iter().map(Block::extent).sum();
        // A sum whose size is not known is as large as what is known of it.
        parts.max(u128::from(self.bytes.unwrap_or(Bytes::ZERO).get()))
    }

    /// By how much the parts are larger than the block itself, beyond what they are too large in themselves.
    pub(crate) fn own_excess(&self) -> Option<Bytes> {
        let bytes = u128::from(self.bytes?.get());
        let size = |part: &Block| {
            part.bytes
                .map_or_else(|| part.extent(), |bytes| u128::from(bytes.get()))
        };
        let parts: u128 = self.parts.iter().map(size).sum();
        let excess = parts.checked_sub(bytes).filter(|excess| *excess > 0)?;
        Some(Bytes(u64::try_from(excess).unwrap_or(u64::MAX)))
    }
}

/// What is said about parts that do not fit.
pub(crate) fn excess_text(excess: Bytes, title: &str) -> String {
    format!("overflow: {excess} more than the {title}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bytes: u64, parts: Vec<Block>) -> Block {
        Block {
            title: "a".to_owned(),
            bytes: Some(Bytes(bytes)),
            tone: Tone::Sum,
            note: String::new(),
            cap: None,
            conflict: None,
            parts,
        }
    }

    #[test]
    fn excess_is_told_where_it_arises_and_only_there() {
        let inner = block(4, vec![block(3, Vec::new()), block(3, Vec::new())]);
        assert_eq!(inner.own_excess(), Some(Bytes(2)));
        assert_eq!(inner.extent(), 6);
        let outer = block(5, vec![inner, block(1, Vec::new())]);
        assert_eq!(outer.own_excess(), None);
        assert_eq!(outer.extent(), 7);
    }
}
