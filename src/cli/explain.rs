//! `headroom explain`: the tree of sizes with the reason for each number, and the conflicts with their fixes.

use std::io::Read;

use super::{
    Reply,
    arguments::{Explain, Output},
    question::{Answer, Answers},
    report::{Detail, Report},
    screen::{Screen, Tone, aligned, columns, padded, wrapped},
    solve,
    text::{self, Keys, SHORT_KEYS, Telling},
};
use crate::{
    budget::{Budget, Component},
    bytes::Bytes,
};

pub(super) fn answer(
    command: &Explain,
    screen: &Screen,
    is_verbose: bool,
    standard_input: &mut dyn Read,
) -> Reply {
    let answers = Answers::to(&command.question, standard_input);
    let exit = solve::exit(&answers);
    match command.output {
        Output::Json => Report::new(&answers, Detail::Reasons).json(exit),
        Output::Yaml => Report::new(&answers, Detail::Reasons).yaml(exit),
        Output::Text => solve::written(&answers, exit, screen, is_verbose, explanation),
    }
}

fn explanation(answer: &Answer, screen: &Screen) -> String {
    let mut text = text::heading(&answer.subject, screen);
    if let Some(budget) = &answer.budget {
        text.push('\n');
        text.push_str(&drawn(&tree(answer, budget), screen));
        text.push('\n');
        for sentence in sentences(answer, budget) {
            text::push_wrapped(&mut text, "", "  ", &sentence, screen);
        }
    } else if let Some(error) = &answer.flink_error {
        text.push_str(&text::section("Flink itself would stop with", screen));
        text::push_wrapped(&mut text, "  ", "    ", &error.to_string(), screen);
    }
    text.push_str(&text::conflicts(answer, Telling::Whole, screen));
    if let (None, Some(minimum)) = (&answer.budget, answer.minimum_container_limit) {
        text.push_str(&format!(
            "\nThe smallest container these options fit into has {minimum}.\n"
        ));
    }
    text
}

/// What is worth knowing beside the tree.
fn sentences(answer: &Answer, budget: &Budget) -> Vec<String> {
    let mut sentences = vec![format!(
        "Segments of {}: {} in network memory, {} in managed memory.",
        text::size(budget.segment_size),
        budget.network_segments(),
        budget.managed_segments()
    )];
    if let Some(minimum) = answer.minimum_container_limit {
        sentences.push(format!(
            "The smallest container these options fit into has {minimum}."
        ));
    }
    sentences.extend(inexact_fractions(budget));
    sentences.push(SHORT_KEYS.to_owned());
    sentences
}

/// Why a product is a few bytes away from what a pocket calculator says.
fn inexact_fractions(budget: &Budget) -> Option<String> {
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

/// A size in the tree, and the sizes it is made of.
struct Branch {
    title: String,
    bytes: Bytes,
    reason: String,
    parts: Vec<Branch>,
}

fn tree(answer: &Answer, budget: &Budget) -> Branch {
    let leaf = |name: &str, component: &Component| Branch {
        title: text::title(name),
        bytes: component.bytes,
        reason: match text::adjustment(answer, component) {
            Some(adjustment) => format!("{}; {adjustment}", text::reason(component, Keys::Short)),
            None => text::reason(component, Keys::Short),
        },
        parts: Vec::new(),
    };
    let group = |title: &str, bytes: Bytes, reason: &str, parts: Vec<Branch>| Branch {
        title: title.to_owned(),
        bytes,
        reason: reason.to_owned(),
        parts,
    };
    let heap = group(
        "JVM heap",
        budget.jvm_heap(),
        "sum; -Xmx and -Xms",
        vec![
            leaf("frameworkHeap", &budget.framework_heap),
            leaf("taskHeap", &budget.task_heap),
        ],
    );
    let direct = group(
        "direct memory",
        budget.jvm_direct(),
        "sum; -XX:MaxDirectMemorySize",
        vec![
            leaf("frameworkOffHeap", &budget.framework_off_heap),
            leaf("taskOffHeap", &budget.task_off_heap),
            leaf("network", &budget.network),
        ],
    );
    let off_heap = group(
        "off-heap",
        budget.jvm_direct().saturating_add(budget.managed.bytes),
        "sum",
        vec![leaf("managed", &budget.managed), direct],
    );
    let mut flink = leaf("totalFlink", &budget.total_flink);
    flink.parts = vec![heap, off_heap];
    let mut metaspace = leaf("jvmMetaspace", &budget.jvm_metaspace);
    metaspace.reason.push_str("; -XX:MaxMetaspaceSize");
    let mut process = leaf("totalProcess", &budget.total_process);
    process.parts = vec![flink, metaspace, leaf("jvmOverhead", &budget.jvm_overhead)];
    let Some(limit) = budget.container_limit else {
        return process;
    };
    let mut parts = vec![process];
    if budget.unassigned() > Bytes::ZERO {
        parts.push(group(
            "unassigned",
            budget.unassigned(),
            "rest of the container; no component uses it",
            Vec::new(),
        ));
    }
    group("container", limit, "its memory limit", parts)
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

fn lines(branch: &Branch, guides: &str, guides_of_parts: &str, into: &mut Vec<Line>) {
    let bar = if branch.parts.is_empty() { "" } else { "│" };
    into.push(Line {
        guides: guides.to_owned(),
        guides_below: format!("{guides_of_parts}{bar}"),
        title: branch.title.clone(),
        bytes: branch.bytes,
        reason: branch.reason.clone(),
    });
    for (index, part) in branch.parts.iter().enumerate() {
        let (corner, side) = if index + 1 == branch.parts.len() {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        lines(
            part,
            &format!("{guides_of_parts}{corner}"),
            &format!("{guides_of_parts}{side}"),
            into,
        );
    }
}

fn drawn(root: &Branch, screen: &Screen) -> String {
    // Narrower than this a sentence falls apart; it then stands under its number.
    const NARROWEST_REASON: usize = 36;
    let mut all = Vec::new();
    lines(root, "", "", &mut all);
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
