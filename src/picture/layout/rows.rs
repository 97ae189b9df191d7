//! The rows of text on the right, one for each block in the order of the blocks, and the sentences below.

use super::{
    Anchor, Canvas, Columns, GAP, LINE, MARGIN, ROW, SIZES_END, SWATCH, Shape, TOP, WIDTH, alarm,
    human, number,
};
use crate::picture::{Block, Cap, Notice, Style, excess_text};

/// One row of text.
pub(super) struct Row<'a> {
    depth: usize,
    kind: RowKind<'a>,
    notes: Vec<String>,
    pub height: f64,
}

enum RowKind<'a> {
    Block(&'a Block),
    /// What does not fit into the sum above.
    Excess,
}

pub(super) fn add_rows<'a>(
    block: &'a Block,
    depth: usize,
    columns: &Columns,
    rows: &mut Vec<Row<'a>>,
) {
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
        add_rows(part, depth + 1, columns, rows);
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

impl Canvas {
    pub fn rows(&mut self, rows: &[Row<'_>], columns: &Columns, middles: &[Option<f64>]) {
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

    pub fn notice(&mut self, notice: &Notice, top: f64) -> f64 {
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
