//! Tables of figures: the first column to the left, the others to the right, the last one as long as it is.

use super::super::screen::{Screen, Tone, aligned, columns, padded};

/// The rows under their heads, each line ended.
pub(super) fn table<const COLUMNS: usize>(
    heads: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
    screen: &Screen,
) -> String {
    let heads = [heads.map(str::to_owned)];
    let lines = || heads.iter().chain(rows);
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = lines().map(|row| columns(&row[column]));
        cells.max().unwrap_or_default()
    });
    let mut text = String::new();
    for (index, row) in lines().enumerate() {
        let mut line = padded(&row[0], widths[0]);
        for column in 1..COLUMNS {
            line.push_str("  ");
            if column + 1 == COLUMNS {
                line.push_str(&row[column]);
            } else {
                line.push_str(&aligned(&row[column], widths[column]));
            }
        }
        let line = line.trim_end();
        if index == 0 {
            text.push_str(&screen.paint(Tone::Strong, line));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}
