//! The blocks on the left: columns from the whole to its parts, to scale from top to bottom.

use super::{
    Anchor, Canvas, Columns, LEAST_BLOCK, LEAST_HEIGHT, SUM_WIDTH, Shape, TOP, alarm, human,
    number, rows::add_rows,
};
use crate::picture::{Block, Style, Tone};

/// The blocks while they are placed.
pub(super) struct Placing<'a> {
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
pub(super) struct BlockText {
    depth: usize,
    top: f64,
    bottom: f64,
    shape: Shape,
}

impl Canvas {
    /// Draws the blocks and their rows; returns where they end.
    pub fn budget(&mut self, root: &Block) -> f64 {
        let columns = Columns::of(root);
        let mut rows = Vec::new();
        add_rows(root, 0, &columns, &mut rows);
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
