//! `headroom explain`: the tree of sizes with the reason for each number, and the conflicts with their fixes.

use std::io::Read;

use super::{
    EXIT_UNREADABLE, Reply,
    answer::Answer,
    arguments::{Explain, ExplainOutput},
    drawing,
    parts::{self, Kind, Part},
    process_budget::ProcessBudget,
    question::Answers,
    report::{Detail, Report},
    screen::{Screen, Tone, aligned, columns, padded, wrapped},
    solve,
    text::{self, Keys, Telling},
    why::{self, Topic},
};
use crate::{budget::remarks, bytes::Bytes};

pub(super) fn answer(
    command: &Explain,
    screen: &Screen,
    is_verbose: bool,
    standard_input: &mut dyn Read,
) -> Reply {
    let answers = Answers::to(&command.question, standard_input);
    let exit = solve::exit(&answers);
    let report = |detail| match &command.why {
        Some(topic) => Report::new(&answers, Detail::Sizes).about(&answers, topic),
        None => Report::new(&answers, detail),
    };
    match (command.output, &command.why) {
        (ExplainOutput::Json, _) => report(Detail::Reasons).json(exit),
        (ExplainOutput::Yaml, _) => report(Detail::Reasons).yaml(exit),
        (ExplainOutput::Text, None) => {
            solve::written(&answers, exit, screen, is_verbose, explanation)
        }
        (ExplainOutput::Text, Some(topic)) => {
            let tell = |answer: &Answer, screen: &Screen| story(answer, topic, screen);
            solve::written(&answers, exit, screen, is_verbose, tell)
        }
        (ExplainOutput::Svg, None) => {
            drawing::drawn(&answers, solve::remarks(&answers, is_verbose, screen), exit)
        }
        (ExplainOutput::Svg, Some(_)) => Reply {
            error: "error: --why tells a story in words; ask for it as text, json or yaml\n"
                .to_owned(),
            exit: EXIT_UNREADABLE,
            ..Reply::default()
        },
    }
}

/// The story of one number or option, or why there is none.
fn story(answer: &Answer, topic: &Topic, screen: &Screen) -> String {
    let mut text = text::heading(&answer.subject, screen);
    match why::story(answer, topic) {
        Ok(story) => text.push_str(&story.text(screen)),
        Err(reason) => {
            text.push('\n');
            text::push_wrapped(&mut text, "", "  ", &reason, screen);
            text.push_str(&text::conflicts(answer, Telling::Short, screen));
        }
    }
    text
}

fn explanation(answer: &Answer, screen: &Screen) -> String {
    let mut text = text::heading(&answer.subject, screen);
    if let Some(budget) = &answer.budget {
        text.push('\n');
        if let Some(tree) = parts::tree(answer) {
            text.push_str(&drawn(answer, &tree, screen));
        }
        text.push('\n');
        for sentence in sentences(answer, budget) {
            text::push_wrapped(&mut text, "", "  ", &sentence, screen);
        }
        text.push_str(&log(answer, screen));
    } else if let Some(error) = &answer.flink_error {
        text.push_str(&text::section("Flink itself would stop with", screen));
        text::push_wrapped(&mut text, "  ", "    ", &error.to_string(), screen);
    }
    text.push_str(&text::conflicts(answer, Telling::Whole, screen));
    if let (None, Some(sentence)) = (&answer.budget, answer.smallest_containers()) {
        text.push('\n');
        text::push_wrapped(&mut text, "", "  ", &sentence, screen);
    }
    text
}

/// What is worth knowing beside the tree.
fn sentences(answer: &Answer, budget: &ProcessBudget) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(budget) = budget.task_manager() {
        sentences.push(text::segments(budget));
    }
    if let Some(pod) = &answer.pod {
        sentences.extend(pod.sentences());
    }
    sentences.extend(answer.smallest_containers());
    sentences.extend(inexact_fractions(budget));
    if let Some(profile) = budget.profile() {
        sentences.extend(text::profile_values(profile));
    }
    sentences.push(text::short_keys(answer.subject.role).to_owned());
    sentences
}

/// What Flink writes into its log beside the sizes.
fn log(answer: &Answer, screen: &Screen) -> String {
    let Some(request) = &answer.request else {
        return String::new();
    };
    let remarks = remarks(request);
    if remarks.is_empty() {
        return String::new();
    }
    let mut text = text::section("Flink logs", screen);
    for remark in remarks {
        let line = format!(
            "{:<4} {}",
            remark.level().as_str(),
            remark.flink_message(request.flink_version)
        );
        text::push_wrapped(&mut text, "  ", "    ", &line, screen);
    }
    text
}

/// Why a product is a few bytes away from what a pocket calculator says.
fn inexact_fractions(budget: &ProcessBudget) -> Option<String> {
    let mut named = Vec::new();
    for (_, component) in budget.components() {
        if let Some(fraction) = text::fraction(component) {
            let (written, kept) = (fraction.to_string(), f64::from(fraction).to_string());
            let clause = format!("{written} is {kept}");
            if written != kept && !named.contains(&clause) {
                named.push(clause);
            }
        }
    }
    (!named.is_empty()).then(|| {
        format!(
            "Flink keeps fractions as 32-bit floats: {}.",
            named.join(", ")
        )
    })
}

/// One line of the drawn tree.
struct Line {
    /// The guides before the title.
    guides: String,
    /// The guides of the lines under it, up to the next title.
    guides_below: String,
    title: String,
    bytes: Bytes,
    reason: String,
}

fn lines(
    answer: &Answer,
    branch: &Part,
    guides: &str,
    guides_of_parts: &str,
    into: &mut Vec<Line>,
) {
    let bar = if branch.parts.is_empty() { "" } else { "│" };
    into.push(Line {
        guides: guides.to_owned(),
        guides_below: format!("{guides_of_parts}{bar}"),
        title: branch.title(),
        bytes: branch.bytes.unwrap_or_default(),
        reason: reason(answer, branch),
    });
    for (index, part) in branch.parts.iter().enumerate() {
        let (corner, side) = if index + 1 == branch.parts.len() {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        lines(
            answer,
            part,
            &format!("{guides_of_parts}{corner}"),
            &format!("{guides_of_parts}{side}"),
            into,
        );
    }
}

/// Why a size in the tree is what it is.
fn reason(answer: &Answer, part: &Part) -> String {
    let mut reason = match &part.kind {
        Kind::Component(Some(component)) => {
            let reason = text::reason(component, Keys::Short);
            match text::adjustment(answer, component) {
                Some(adjustment) => format!("{reason}; {adjustment}"),
                None => reason,
            }
        }
        Kind::Component(None) => String::new(),
        Kind::Group => "sum".to_owned(),
        Kind::Container => "its memory limit".to_owned(),
        Kind::Reserve(reserve) => text::reason_of_reserve(reserve),
        Kind::Unassigned => "rest of the container; no component uses it".to_owned(),
    };
    if let Some(flag) = part.flag {
        reason.push_str("; ");
        reason.push_str(flag);
    }
    reason
}

fn drawn(answer: &Answer, root: &Part, screen: &Screen) -> String {
    // Narrower than this a sentence falls apart; it then stands under its number.
    const NARROWEST_REASON: usize = 36;
    let mut all = Vec::new();
    lines(answer, root, "", "", &mut all);
    let names = all
        .iter()
        .map(|line| columns(&line.guides) + columns(&line.title))
        .max()
        .unwrap_or_default();
    let sizes = all
        .iter()
        .map(|line| columns(&text::size(line.bytes)))
        .max()
        .unwrap_or_default();
    let counts = all
        .iter()
        .map(|line| line.bytes.get().to_string().len())
        .max()
        .unwrap_or_default();
    let taken = names + sizes + counts + 6;
    let is_beside = screen.width >= taken + NARROWEST_REASON;
    let mut drawing = String::new();
    for line in &all {
        let (width, indentation) = if is_beside {
            (screen.width - taken, taken)
        } else {
            let indentation = columns(&line.guides) + 3;
            (
                screen.width.saturating_sub(indentation).max(20),
                indentation,
            )
        };
        let reason = wrapped(&line.reason, width);
        let mut reason = reason.iter();
        drawing.push_str(&screen.paint(Tone::Faint, &line.guides));
        drawing.push_str(&screen.paint(Tone::Strong, &line.title));
        drawing.push_str(
            &" ".repeat(names.saturating_sub(columns(&line.guides) + columns(&line.title))),
        );
        drawing.push_str("  ");
        drawing.push_str(&aligned(&text::size(line.bytes), sizes));
        drawing.push_str("  ");
        drawing.push_str(&aligned(&line.bytes.get().to_string(), counts));
        if is_beside && let Some(first) = reason.next() {
            drawing.push_str("  ");
            drawing.push_str(&screen.paint(Tone::Faint, first));
        }
        drawing.push('\n');
        for part in reason {
            drawing.push_str(&screen.paint(Tone::Faint, &padded(&line.guides_below, indentation)));
            drawing.push_str(&screen.paint(Tone::Faint, part));
            drawing.push('\n');
        }
    }
    drawing
}
