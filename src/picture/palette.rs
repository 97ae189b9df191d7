//! The colours of a picture, once for light and once for dark surroundings, and what may be read on what.
//!
//! A picture brings its own background, because a page may be dark in a browser that asks for light pictures.
//! Text has at least the contrast 4.5 to 1 on what it stands on, and what is drawn has 3 to 1 (WCAG 2.2, AA);
//! the tests compute it.

use super::Tone;

/// One set of colours, as `#rrggbb`.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    /// Behind everything.
    pub background: &'static str,
    /// Around everything.
    pub border: &'static str,
    /// Text.
    pub text: &'static str,
    /// Text that may be passed over.
    pub faint: &'static str,
    /// Lines that lead from a block to its text.
    pub leader: &'static str,
    /// Sums of other blocks.
    pub sum: &'static str,
    /// Around sums.
    pub sum_border: &'static str,
    /// Heap.
    pub heap: &'static str,
    /// Direct memory.
    pub direct: &'static str,
    /// Managed memory.
    pub managed: &'static str,
    /// Metaspace.
    pub metaspace: &'static str,
    /// Overhead.
    pub overhead: &'static str,
    /// Memory that nothing is planned for.
    pub unassigned: &'static str,
    /// Text in a filled block.
    pub on_block: &'static str,
    /// A size that was moved to a bound, and warnings.
    pub cap: &'static str,
    /// What does not fit, and errors.
    pub conflict: &'static str,
}

/// For light surroundings.
pub const LIGHT: Palette = Palette {
    background: "#ffffff",
    border: "#d1d9e0",
    text: "#1f2328",
    faint: "#59636e",
    leader: "#818b98",
    sum: "#eff2f5",
    sum_border: "#818b98",
    heap: "#0969da",
    direct: "#1a7f37",
    managed: "#8250df",
    metaspace: "#9a6700",
    overhead: "#57606a",
    unassigned: "#ffffff",
    on_block: "#ffffff",
    cap: "#bc4c00",
    conflict: "#cf222e",
};

/// For dark surroundings.
pub const DARK: Palette = Palette {
    background: "#0d1117",
    border: "#3d444d",
    text: "#e6edf3",
    faint: "#9198a1",
    leader: "#656c76",
    sum: "#1c222b",
    sum_border: "#656c76",
    heap: "#1f6feb",
    direct: "#238636",
    managed: "#8957e5",
    metaspace: "#9e6a03",
    overhead: "#6e7681",
    unassigned: "#0d1117",
    on_block: "#ffffff",
    cap: "#f0883e",
    conflict: "#f85149",
};

impl Palette {
    /// The colour of a kind of memory.
    #[must_use]
    pub const fn of(&self, tone: Tone) -> &'static str {
        match tone {
            Tone::Sum => self.sum,
            Tone::Heap => self.heap,
            Tone::Direct => self.direct,
            Tone::Managed => self.managed,
            Tone::Metaspace => self.metaspace,
            Tone::Overhead => self.overhead,
            Tone::Unassigned => self.unassigned,
        }
    }
}

/// The contrast of two colours by WCAG 2.2, from 1 to 21.
///
/// # Panics
/// If one of them is not written as `#rrggbb`.
#[must_use]
pub fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour is #rrggbb");
        let value = f64::from(value) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_the_standard() {
        assert!((contrast("#ffffff", "#000000") - 21.0).abs() < 1e-9);
        assert!((contrast("#777777", "#ffffff") - 4.478).abs() < 1e-3);
    }

    #[test]
    fn text_can_be_read_and_shapes_be_seen_in_both_palettes() {
        for (name, palette) in [("light", LIGHT), ("dark", DARK)] {
            let text = [
                (palette.text, palette.background),
                (palette.faint, palette.background),
                (palette.cap, palette.background),
                (palette.conflict, palette.background),
                (palette.text, palette.sum),
                (palette.text, palette.unassigned),
            ];
            let filled = Tone::ALL
                .into_iter()
                .filter(|tone| !matches!(tone, Tone::Sum | Tone::Unassigned))
                .map(|tone| palette.of(tone));
            let on_blocks = filled.clone().map(|block| (palette.on_block, block));
            for (colour, on) in text.into_iter().chain(on_blocks) {
                let contrast = contrast(colour, on);
                assert!(contrast >= 4.5, "{name}: {colour} on {on}: {contrast:.2}");
            }
            // Sums and what is not planned are seen by the lines around them.
            let lines = [
                palette.leader,
                palette.sum_border,
                palette.cap,
                palette.conflict,
            ];
            for colour in filled.chain(lines) {
                let contrast = contrast(colour, palette.background);
                assert!(contrast >= 3.0, "{name}: {colour}: {contrast:.2}");
            }
        }
    }
}
