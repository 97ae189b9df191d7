//! The story of a number as text for people.

use super::{Addend, OptionInput, OptionStory, Step, Story};
use crate::cli::{
    screen::{Screen, Tone, aligned, columns, harmless, padded},
    text,
};

impl Story {
    /// The story for people.
    pub fn text(&self, screen: &Screen) -> String {
        let mut text = String::new();
        if let Some(option) = &self.option {
            text.push('\n');
            text.push_str(&option.text(screen));
        }
        for step in &self.steps {
            text.push('\n');
            text.push_str(&step.text(screen));
        }
        text
    }
}

impl OptionStory {
    fn text(&self, screen: &Screen) -> String {
        let mut text = String::new();
        let is_unset = self.input.is_default && self.input.value.is_empty();
        let line = if is_unset {
            format!("{} is not set and has no default", self.input.key)
        } else {
            self.input.assignment()
        };
        text.push_str(&screen.paint(Tone::Strong, &harmless(&line)));
        text.push('\n');
        if !is_unset {
            text::push_wrapped(&mut text, "  ", "  ", &self.input.place(), screen);
        }
        text::push_wrapped(&mut text, "  ", "  ", &self.effect, screen);
        if let Some(without) = &self.without {
            text::push_wrapped(
                &mut text,
                "  ",
                "    ",
                &format!("without it {without}"),
                screen,
            );
        }
        text
    }
}

impl OptionInput {
    /// The key, the value, and what the value means.
    fn assignment(&self) -> String {
        match &self.means {
            Some(means) => format!("{} = {} ({means})", self.key, self.value),
            None => format!("{} = {}", self.key, self.value),
        }
    }

    /// Where it was written.
    fn place(&self) -> String {
        if self.is_default {
            return "Flink's default".to_owned();
        }
        let path = text::unbroken(&self.path);
        match (&self.file, self.line, self.column) {
            (Some(file), Some(line), Some(column)) => {
                format!("set by {path} ({file}:{line}:{column})")
            }
            _ => format!("set by {path}"),
        }
    }
}

impl Step {
    fn text(&self, screen: &Screen) -> String {
        let mut text = format!(
            "{} is {}\n",
            screen.paint(Tone::Strong, &self.title),
            self.bytes
        );
        let class = self.flink_class.and_then(|class| class.rsplit('.').next());
        let rule = match class {
            Some(class) => format!("{} (in Flink: {class})", self.rule),
            None => self.rule.clone(),
        };
        text::push_wrapped(&mut text, "  ", "  ", &rule, screen);
        if !self.sum.is_empty() {
            text.push('\n');
            self.push_sum(&mut text, screen);
        }
        if let Some(product) = &self.product {
            text.push('\n');
            text::push_wrapped(&mut text, "    ", "      ", product, screen);
        }
        if !self.options.is_empty() {
            text.push('\n');
        }
        for option in &self.options {
            let line = format!("{}, {}", option.assignment(), option.place());
            text::push_wrapped(&mut text, "    ", "      ", &line, screen);
        }
        text
    }

    fn push_sum(&self, text: &mut String, screen: &Screen) {
        let widest =
            |width: &dyn Fn(&Addend) -> usize| self.sum.iter().map(width).max().unwrap_or_default();
        let names = widest(&|addend| columns(&text::title(addend.name)));
        let sizes = widest(&|addend| columns(&text::size(addend.bytes)));
        let counts = widest(&|addend| addend.bytes.get().to_string().len());
        for addend in &self.sum {
            let sign = if addend.sign == "-" {
                "−"
            } else {
                addend.sign
            };
            text.push_str(&format!(
                "    {sign} {}  {}  {}\n",
                padded(&text::title(addend.name), names),
                aligned(&text::size(addend.bytes), sizes),
                screen.paint(
                    Tone::Faint,
                    &aligned(&addend.bytes.get().to_string(), counts)
                ),
            ));
        }
    }
}
