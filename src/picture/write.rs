//! A drawing as SVG: the style sheet, the description for screen readers, and escaped text.
//!
//! No script, no font and no other file is named, so the picture works as an `<img>` on any page.

use super::{
    Picture, Style, Tone, WIDTH,
    layout::{Anchor, Drawing, Shape, number},
    palette::{DARK, LIGHT, Palette},
};

/// The fonts that pages of code hosts use, without asking for any file.
const FONTS: &str =
    "-apple-system, BlinkMacSystemFont, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif";
const MONOSPACED_FONTS: &str =
    "ui-monospace, SFMono-Regular, 'SF Mono', Menlo, Consolas, 'Liberation Mono', monospace";

/// The whole document.
pub(super) fn document(pictures: &[Picture], drawings: &[Drawing]) -> String {
    let height: f64 = drawings.iter().map(|drawing| drawing.height).sum();
    let width = number(WIDTH);
    let title: Vec<&str> = pictures
        .iter()
        .map(|picture| picture.heading.as_str())
        .collect();
    let lines: Vec<String> = pictures.iter().flat_map(Picture::lines).collect();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title description\">\n\
         <title id=\"title\">{}</title>\n<desc id=\"description\">{}</desc>\n{}",
        escaped(&title.join("; ")),
        escaped(&lines.join("\n")),
        style_sheet(),
        height = number(height),
    );
    text.push_str(
        "<defs>\n<pattern id=\"stripes\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\">\n<rect class=\"stripes-ground\" width=\"7\" height=\"7\"/>\n\
         <rect class=\"fill-conflict\" width=\"3\" height=\"7\"/>\n</pattern>\n</defs>\n",
    );
    text.push_str(&format!(
        "<rect class=\"background\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        number(WIDTH - 1.0),
        number((height - 1.0).max(0.0))
    ));
    let mut top = 0.0;
    for drawing in drawings {
        if top > 0.0 {
            text.push_str(&format!(
                "<path class=\"border\" d=\"M0 {}H{width}\"/>\n",
                number(top)
            ));
        }
        text.push_str(&format!("<g transform=\"translate(0 {})\">\n", number(top)));
        for shape in &drawing.shapes {
            text.push_str(&element(shape));
            text.push('\n');
        }
        text.push_str("</g>\n");
        top += drawing.height;
    }
    text.push_str("</svg>\n");
    text
}

fn element(shape: &Shape) -> String {
    match shape {
        Shape::Rectangle {
            x,
            y,
            width,
            height,
            class,
        } => format!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            number(*x),
            number(*y),
            number(*width),
            number(*height)
        ),
        Shape::Path { data, class } => format!("<path class=\"{class}\" d=\"{data}\"/>"),
        Shape::Text {
            x,
            y,
            style,
            colour,
            anchor,
            is_upright,
            text,
        } => {
            let (x, y) = (number(*x), number(*y));
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let turned = if *is_upright {
                format!(" transform=\"rotate(-90 {x} {y})\"")
            } else {
                String::new()
            };
            let space = if colour.is_empty() { "" } else { " " };
            format!(
                "<text class=\"{}{space}{colour}\" x=\"{x}\" y=\"{y}\"{anchor}{turned}>{}</text>",
                style.class(),
                escaped(text)
            )
        }
    }
}

fn style_sheet() -> String {
    let mut css = String::from("<style>\n");
    css.push_str(&format!("text {{ font-family: {FONTS} }}\n"));
    for style in Style::ALL {
        let family = if style.is_monospaced() {
            format!("; font-family: {MONOSPACED_FONTS}")
        } else {
            String::new()
        };
        let weight = if style.is_bold() {
            "; font-weight: 600"
        } else {
            ""
        };
        css.push_str(&format!(
            ".{} {{ font-size: {}px{weight}{family} }}\n",
            style.class(),
            number(style.pixels())
        ));
    }
    css.push_str(
        ".leader, .edge, .cross, .border { fill: none }\n.edge { stroke-width: 2; stroke-dasharray: 5 3 }\n\
         .cross { stroke-width: 2 }\n.hatch { fill: url(#stripes); fill-opacity: .75 }\n\
         .unassigned { stroke-dasharray: 3 3 }\n.empty { fill-opacity: 0; stroke-width: 1.5 }\n",
    );
    css.push_str(&colours(&LIGHT));
    css.push_str("@media (prefers-color-scheme: dark) {\n");
    css.push_str(&colours(&DARK));
    css.push_str("}\n</style>\n");
    css
}

fn colours(palette: &Palette) -> String {
    let mut css = format!(
        ".background {{ fill: {}; stroke: {} }}\n.border {{ stroke: {} }}\ntext, .plain {{ fill: {} }}\n",
        palette.background, palette.border, palette.border, palette.text
    );
    css.push_str(&format!(
        ".subheading, .note, .count {{ fill: {} }}\n.in-part {{ fill: {} }}\n.in-part.plain {{ fill: {} }}\n",
        palette.faint, palette.on_block, palette.text
    ));
    for tone in Tone::ALL {
        css.push_str(&format!(
            ".{} {{ fill: {} }}\n",
            tone.class(),
            palette.of(tone)
        ));
        if !matches!(tone, Tone::Sum | Tone::Unassigned) {
            css.push_str(&format!(
                ".{}.empty {{ stroke: {} }}\n",
                tone.class(),
                palette.of(tone)
            ));
        }
    }
    css.push_str(&format!(
        ".sum, .unassigned {{ stroke: {} }}\n.leader {{ stroke: {} }}\n.stripes-ground {{ fill: {} }}\n",
        palette.sum_border, palette.leader, palette.background
    ));
    css.push_str(&format!(
        ".cap, .fill-cap {{ fill: {} }}\n.line-cap {{ stroke: {} }}\n",
        palette.cap, palette.cap
    ));
    css.push_str(&format!(
        ".conflict, .fill-conflict {{ fill: {} }}\n.line-conflict, .edge, .cross {{ stroke: {} }}\n",
        palette.conflict, palette.conflict
    ));
    css
}

/// The text as XML takes it: marks replaced by references, and what no XML document may hold by U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(
            escaped("a<b>&\"c\"\u{1b}\u{ffff}\n"),
            "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}\u{fffd}\n"
        );
    }
}
