//! Where everything of a picture stands, in pixels.
//!
//! On the left the blocks, as columns from the whole to its parts, to scale from top to bottom; on the right one
//! row of text for each block in the same order. Lines lead from each innermost block to its row. Rows have the
//! height of their text, so texts never meet; both sides have the same order, so lines never cross.

mod blocks;
mod rows;

use super::{Block, Picture, Style, WIDTH};
use crate::bytes::Bytes;

/// Around everything.
const MARGIN: f64 = 18.0;
/// Where the blocks begin.
const TOP: f64 = 86.0;
/// A column of sums.
const SUM_WIDTH: f64 = 32.0;
/// The column of the innermost blocks, which is the last one.
const PART_WIDTH: f64 = 92.0;
/// Between the blocks and the rows, for the lines that lead from one to the other.
const GUTTER: f64 = 44.0;
/// How far the row of a part stands to the right of the row of its sum.
const INDENTATION: f64 = 12.0;
/// The square with a block's colour in front of its row.
const SWATCH: f64 = 10.0;
/// The first line of a row.
const ROW: f64 = 19.0;
/// Each further line of a row, and each line of a sentence.
const LINE: f64 = 15.5;
/// Between two rows.
const GAP: f64 = 7.0;
/// Right end of the sizes; counts of bytes end at the margin. Between them the largest count has room.
const SIZES_END: f64 = WIDTH - MARGIN - 150.0;
/// The blocks take at least this height, however few rows there are.
const LEAST_HEIGHT: f64 = 260.0;
/// The least that is seen of a block that is there.
const LEAST_BLOCK: f64 = 1.0;

/// What stands where.
pub(super) struct Drawing {
    pub height: f64,
    pub shapes: Vec<Shape>,
}

/// Something that is drawn, with its class in the style sheet.
pub(super) enum Shape {
    Rectangle {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        class: String,
    },
    Path {
        data: String,
        class: &'static str,
    },
    Text {
        x: f64,
        /// The base line.
        y: f64,
        style: Style,
        /// A class beside that of the style.
        colour: &'static str,
        anchor: Anchor,
        /// Whether it is read from bottom to top.
        is_upright: bool,
        text: String,
    },
}

/// Which end of a text stands at its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Lays a picture out.
pub(super) fn drawing(picture: &Picture) -> Drawing {
    let mut canvas = Canvas { shapes: Vec::new() };
    let width = WIDTH - 2.0 * MARGIN;
    canvas.text(
        MARGIN,
        33.0,
        Style::Heading,
        "",
        Style::Heading.shortened(&picture.heading, width),
    );
    canvas.text(
        MARGIN,
        53.0,
        Style::Subheading,
        "",
        Style::Subheading.shortened(&picture.subheading, width),
    );
    let mut bottom = 60.0;
    if let Some(root) = &picture.root {
        bottom = canvas.budget(root);
    }
    for notice in &picture.notices {
        bottom = canvas.notice(notice, bottom + 14.0);
    }
    if !picture.remarks.is_empty() {
        bottom += 8.0;
    }
    for remark in &picture.remarks {
        for line in Style::Note.wrapped(remark, width, width) {
            bottom += LINE;
            canvas.text(MARGIN, bottom, Style::Note, "", line);
        }
    }
    Drawing {
        height: (bottom + MARGIN).ceil(),
        shapes: canvas.shapes,
    }
}

/// The columns of a drawing, which depend on how deep the blocks lie in each other.
struct Columns {
    parts_end: f64,
    rows_start: f64,
}

impl Columns {
    fn sum_start(depth: usize) -> f64 {
        MARGIN + SUM_WIDTH * depth as f64
    }

    fn of(root: &Block) -> Columns {
        // A tree of more levels than Flink has would leave no room for its rows; deeper ones share the last column.
        let depth = depth(root).min(6);
        let parts_end = Self::sum_start(depth) + PART_WIDTH;
        Columns {
            parts_end,
            rows_start: parts_end + GUTTER,
        }
    }

    /// Where the square of a row stands.
    fn row_start(&self, depth: usize) -> f64 {
        self.rows_start + INDENTATION * depth.min(8) as f64
    }

    /// Where the text of a row stands.
    fn text_start(&self, depth: usize) -> f64 {
        self.row_start(depth) + SWATCH + 7.0
    }
}

fn depth(block: &Block) -> usize {
    block
        .parts
        .iter()
        .map(|part| 1 + depth(part))
        .max()
        .unwrap_or_default()
}

/// The class that says that a block is not as it should be.
fn alarm(block: &Block) -> &'static str {
    match (&block.conflict, block.cap) {
        (Some(_), _) => "conflict",
        (None, Some(_)) => "cap",
        (None, None) => "",
    }
}

struct Canvas {
    shapes: Vec<Shape>,
}

impl Canvas {
    fn text(&mut self, x: f64, y: f64, style: Style, colour: &'static str, text: String) {
        self.anchored(x, y, style, colour, Anchor::Start, text);
    }

    fn anchored(
        &mut self,
        x: f64,
        y: f64,
        style: Style,
        colour: &'static str,
        anchor: Anchor,
        text: String,
    ) {
        self.shapes.push(Shape::Text {
            x,
            y,
            style,
            colour,
            anchor,
            is_upright: false,
            text,
        });
    }

    fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, class: impl Into<String>) {
        self.shapes.push(Shape::Rectangle {
            x,
            y,
            width,
            height,
            class: class.into(),
        });
    }
}

/// A size for people, without its exact count of bytes.
fn human(bytes: Bytes) -> String {
    let text = bytes.to_string();
    match text.split_once(" (") {
        Some((rounded, _)) => rounded.to_owned(),
        None => text,
    }
}

/// A number of pixels, with two decimals at most.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (1.0, "1"),
            (1.5, "1.5"),
            (0.126, "0.13"),
            (-0.001, "0"),
            (100.0, "100"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
