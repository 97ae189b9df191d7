//! Where everything of a picture stands, in pixels.
//!
//! On the left the blocks, as columns from the whole to its parts, to scale from top to bottom; on the right one
//! row of text for each block in the same order. Lines lead from each innermost block to its row. Rows have the
//! height of their text, so texts never meet; both sides have the same order, so lines never cross.

use super::{Block, Cap, Notice, Picture, Style, Tone, WIDTH, excess_text};
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

/// One row of text.
struct Row<'a> {
    depth: usize,
    kind: RowKind<'a>,
    notes: Vec<String>,
    height: f64,
}

enum RowKind<'a> {
    Block(&'a Block),
    /// What does not fit into the sum above.
    Excess,
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

fn rows<'a>(block: &'a Block, depth: usize, columns: &Columns, rows: &mut Vec<Row<'a>>) {
    let room = WIDTH - MARGIN - columns.text_start(depth);
    // The mark of a bound takes room in the first line.
    let mark = if is_marked(block) { MARK } else { 0.0 };
    let mut note = block.note.clone();
    if let Some(code) = &block.conflict {
        note = if note.is_empty() {
            format!("see {code}")
        } else {
            format!("{note}; see {code}")
        };
    }
    let notes = Style::Note.wrapped(&note, room - mark, room);
    rows.push(Row {
        depth,
        kind: RowKind::Block(block),
        height: ROW + LINE * notes.len() as f64 + GAP,
        notes,
    });
    for part in &block.parts {
        self::rows(part, depth + 1, columns, rows);
    }
    if let Some(excess) = block.own_excess() {
        let room = WIDTH - MARGIN - columns.text_start(depth + 1);
        let notes = Style::Size.wrapped(&excess_text(excess, &block.title), room, room);
        rows.push(Row {
            depth: depth + 1,
            kind: RowKind::Excess,
            height: LINE * notes.len() as f64 + 4.0 + GAP,
            notes,
        });
    }
}

/// The triangle in front of the note of a size that was moved to a bound, or that takes part in a conflict.
const MARK: f64 = 13.0;

fn is_marked(block: &Block) -> bool {
    block.cap.is_some() || block.conflict.is_some()
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

/// The blocks while they are placed.
struct Placing<'a> {
    columns: &'a Columns,
    pixels_per_byte: f64,
    /// What shares are shares of; nothing where the whole is not known.
    whole: f64,
    /// The middle of each innermost block, in their order; `None` for one that has no height.
    middles: Vec<Option<f64>>,
    /// What does not fit: from where to where.
    overflows: Vec<(usize, f64, f64)>,
    /// Texts, which stand above all blocks.
    texts: Vec<BlockText>,
}

/// A text in a block, and from where to where it reaches.
struct BlockText {
    depth: usize,
    top: f64,
    bottom: f64,
    shape: Shape,
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

    /// Draws the blocks and their rows; returns where they end.
    fn budget(&mut self, root: &Block) -> f64 {
        let columns = Columns::of(root);
        let mut rows = Vec::new();
        self::rows(root, 0, &columns, &mut rows);
        let text_height: f64 = rows.iter().map(|row| row.height).sum();
        let height = text_height.max(LEAST_HEIGHT);
        let extent = root.extent();

        let mut placing = Placing {
            columns: &columns,
            pixels_per_byte: if extent > 0 {
                height / extent as f64
            } else {
                0.0
            },
            whole: root.bytes.unwrap_or_default().get() as f64,
            middles: Vec::new(),
            overflows: Vec::new(),
            texts: Vec::new(),
        };
        self.place(root, 0, TOP, &mut placing);
        let Placing {
            middles,
            overflows,
            texts,
            ..
        } = placing;
        for (depth, from, to) in &overflows {
            self.overflow(&columns, *depth, *from, *to);
        }
        // What stands on stripes cannot be read; its row says the same.
        let is_clear = |text: &BlockText| {
            overflows.iter().all(|(depth, from, to)| {
                text.depth < *depth || text.bottom <= *from || text.top >= *to
            })
        };
        self.shapes
            .extend(texts.into_iter().filter(is_clear).map(|text| text.shape));
        self.rows(&rows, &columns, &middles);
        TOP + height
    }

    /// Draws a block and what lies in it, and keeps where the lines to the rows begin.
    fn place(&mut self, block: &Block, depth: usize, top: f64, placing: &mut Placing<'_>) {
        let height = block.extent() as f64 * placing.pixels_per_byte;
        let x = Columns::sum_start(depth.min(6));
        if block.parts.is_empty() {
            let width = placing.columns.parts_end - x;
            placing
                .middles
                .push((height > 0.0).then_some(top + height / 2.0));
            if height > 0.0 {
                self.block(block, x, top, width, height);
            }
            if height >= 17.0 && placing.whole > 0.0 {
                let share = block.extent() as f64 / placing.whole * 100.0;
                let colour = if block.tone == Tone::Unassigned {
                    "plain"
                } else {
                    ""
                };
                placing.texts.push(BlockText {
                    depth,
                    top,
                    bottom: top + height,
                    shape: Shape::Text {
                        x: x + width / 2.0,
                        y: top + height / 2.0 + 4.0,
                        style: Style::InPart,
                        colour,
                        anchor: Anchor::Middle,
                        is_upright: false,
                        text: format!("{share:.1} %"),
                    },
                });
            }
            return;
        }
        let own = block
            .bytes
            .map_or(height, |bytes| bytes.get() as f64 * placing.pixels_per_byte);
        self.block(block, x, top, SUM_WIDTH, own);
        placing.texts.extend(upright(block, depth, top, own));
        if height > own {
            if block.own_excess().is_some() {
                placing.overflows.push((depth, top + own, top + height));
            } else {
                let rest = (height - own).max(LEAST_BLOCK);
                self.rectangle(x + 1.0, top + own, SUM_WIDTH - 2.0, rest, "hatch");
            }
        }
        let mut part_top = top;
        for part in &block.parts {
            self.place(part, depth + 1, part_top, placing);
            part_top += part.extent() as f64 * placing.pixels_per_byte;
        }
    }

    fn block(&mut self, block: &Block, x: f64, top: f64, width: f64, height: f64) {
        // A line of the background between two blocks, where there is room for one.
        let inset = if height > 4.0 { 0.75 } else { 0.0 };
        let shown = (height - 2.0 * inset).max(LEAST_BLOCK);
        let tone = block.tone.class();
        self.rectangle(
            x + 0.75,
            top + inset,
            width - 1.5,
            shown,
            format!("block {tone}"),
        );
        let alarm = alarm(block);
        if !alarm.is_empty() {
            self.rectangle(
                x + width - 6.0,
                top + inset,
                5.25,
                shown,
                format!("fill-{alarm}"),
            );
        }
    }

    /// What does not fit: hatched over the parts, and a line where the sum ends.
    fn overflow(&mut self, columns: &Columns, depth: usize, from: f64, to: f64) {
        let x = Columns::sum_start(depth.min(6));
        self.rectangle(
            x + 0.75,
            from,
            columns.parts_end - x - 1.5,
            (to - from).max(LEAST_BLOCK),
            "hatch",
        );
        self.shapes.push(Shape::Path {
            data: format!(
                "M{} {}H{}",
                number(x),
                number(from),
                number(columns.parts_end + 6.0)
            ),
            class: "edge",
        });
    }

    fn rows(&mut self, rows: &[Row<'_>], columns: &Columns, middles: &[Option<f64>]) {
        let names = columns.text_start(0);
        self.text(
            names,
            TOP - 8.0,
            Style::Subheading,
            "",
            "component".to_owned(),
        );
        self.anchored(
            SIZES_END,
            TOP - 8.0,
            Style::Subheading,
            "",
            Anchor::End,
            "size".to_owned(),
        );
        self.anchored(
            WIDTH - MARGIN,
            TOP - 8.0,
            Style::Subheading,
            "",
            Anchor::End,
            "bytes".to_owned(),
        );
        let mut middles = middles.iter();
        let mut top = TOP;
        for row in rows {
            match row.kind {
                RowKind::Block(block) => {
                    let middle = if block.parts.is_empty() {
                        middles.next().copied().flatten()
                    } else {
                        None
                    };
                    self.row(block, row, columns, top, middle);
                }
                RowKind::Excess => {
                    let x = columns.row_start(row.depth);
                    self.rectangle(x, top + 4.0, SWATCH, SWATCH, "hatch");
                    for (index, line) in row.notes.iter().enumerate() {
                        let y = top + 13.0 + LINE * index as f64;
                        let x = columns.text_start(row.depth);
                        self.text(x, y, Style::Size, "conflict", line.clone());
                    }
                }
            }
            top += row.height;
        }
    }

    fn row(
        &mut self,
        block: &Block,
        row: &Row<'_>,
        columns: &Columns,
        top: f64,
        middle: Option<f64>,
    ) {
        let (square, text) = (columns.row_start(row.depth), columns.text_start(row.depth));
        let alarm = alarm(block);
        if let Some(middle) = middle {
            let (from, to, at) = (columns.parts_end, columns.rows_start, top + 9.0);
            let half = from.midpoint(to);
            self.shapes.push(Shape::Path {
                data: format!(
                    "M{} {}C{half} {} {half} {} {} {}H{}",
                    number(from),
                    number(middle),
                    number(middle),
                    number(at),
                    number(to),
                    number(at),
                    number(square),
                    half = number(half),
                ),
                class: match alarm {
                    "conflict" => "leader line-conflict",
                    "cap" => "leader line-cap",
                    _ => "leader",
                },
            });
        }
        let emptiness = if block.parts.is_empty() && middle.is_none() {
            " empty"
        } else {
            ""
        };
        self.rectangle(
            square,
            top + 4.0,
            SWATCH,
            SWATCH,
            format!("block {}{emptiness}", block.tone.class()),
        );
        let size = match block.bytes {
            Some(bytes) => human(bytes),
            None => "—".to_owned(),
        };
        let name = if block.parts.is_empty() {
            Style::Part
        } else {
            Style::Sum
        };
        let room = SIZES_END - Style::Size.width(&size) - 8.0 - text;
        self.text(
            text,
            top + 13.5,
            name,
            "",
            name.shortened(&block.title, room),
        );
        self.anchored(SIZES_END, top + 13.5, Style::Size, "", Anchor::End, size);
        if let Some(bytes) = block.bytes {
            self.anchored(
                WIDTH - MARGIN,
                top + 13.5,
                Style::Count,
                "",
                Anchor::End,
                bytes.get().to_string(),
            );
        }
        for (index, line) in row.notes.iter().enumerate() {
            let y = top + 13.5 + LINE * (index + 1) as f64;
            let mut x = text;
            if index == 0 && is_marked(block) {
                self.mark(block, text, y);
                x += MARK;
            }
            self.text(x, y, Style::Note, alarm, line.clone());
        }
    }

    /// A triangle that points to where the size was moved, or a cross.
    fn mark(&mut self, block: &Block, x: f64, y: f64) {
        let (data, class) = match (&block.conflict, block.cap) {
            (Some(_), _) => (
                format!("M{} {}l8 8m0 -8l-8 8", number(x), number(y - 8.0)),
                "cross",
            ),
            (None, Some(Cap::Lowered)) => (
                format!("M{} {}h9l-4.5 8z", number(x), number(y - 8.0)),
                "fill-cap",
            ),
            _ => (
                format!("M{} {}h9l-4.5 -8z", number(x), number(y)),
                "fill-cap",
            ),
        };
        self.shapes.push(Shape::Path { data, class });
    }

    fn notice(&mut self, notice: &Notice, top: f64) -> f64 {
        let (word, class) = if notice.is_error {
            ("error", "conflict")
        } else {
            ("warning", "cap")
        };
        let x = MARGIN + 14.0;
        let room = WIDTH - MARGIN - x;
        let mut y = top + 13.0;
        let heading = format!("{word}: {}", notice.code);
        self.text(
            x,
            y,
            Style::Code,
            class,
            Style::Code.shortened(&heading, room),
        );
        let mut paragraph = |canvas: &mut Canvas, text: &str, indentation: f64| {
            for (index, line) in Style::Sentence
                .wrapped(text, room, room - indentation)
                .into_iter()
                .enumerate()
            {
                y += LINE;
                let x = x + if index == 0 { 0.0 } else { indentation };
                canvas.text(x, y, Style::Sentence, "", line);
            }
        };
        paragraph(self, &notice.sentence, 0.0);
        for (index, fix) in notice.fixes.iter().enumerate() {
            let word = if index == 0 { "fix:" } else { "or:" };
            paragraph(self, &format!("{word} {fix}"), 24.0);
        }
        self.rectangle(MARGIN, top, 3.0, y + 5.0 - top, format!("fill-{class}"));
        y + 5.0
    }
}

/// The name of a sum in its block, from bottom to top, with as much of it as there is room for.
fn upright(block: &Block, depth: usize, top: f64, height: f64) -> Option<BlockText> {
    let full = block
        .bytes
        .map(|bytes| format!("{} {}", block.title, human(bytes)));
    let text = full
        .into_iter()
        .chain([block.title.clone()])
        .find(|text| Style::InSum.width(text) <= height - 10.0)?;
    let (middle, half) = (top + height / 2.0, Style::InSum.width(&text) / 2.0);
    Some(BlockText {
        depth,
        top: middle - half,
        bottom: middle + half,
        shape: Shape::Text {
            x: Columns::sum_start(depth.min(6)) + SUM_WIDTH / 2.0 + 4.0,
            y: middle,
            style: Style::InSum,
            colour: "",
            anchor: Anchor::Middle,
            is_upright: true,
            text,
        },
    })
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
