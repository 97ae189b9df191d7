//! `headroom explain --why`: the story of one number, from its own rule down to options and defaults.
//!
//! A step tells of one number: the rule, what it was reckoned from with the arithmetic written out, the options with
//! the place where each was written, and the class of Flink that does the same. The steps of a story are the number,
//! then what it was reckoned from, each number once.

mod flink_class;
mod option;
mod teller;
mod telling;
#[cfg(test)]
mod tests;
mod topic;

use serde::Serialize;

pub(super) use self::topic::Topic;

use self::{option::number_of, teller::Teller};
use super::{answer::Answer, parts::tree, text};
use crate::{
    budget::{ReserveKind, proper_key},
    bytes::Bytes,
};

/// The story of a number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Story {
    /// What was asked about, by its right name.
    asked: &'static str,
    /// What is to be said about the option that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    option: Option<OptionStory>,
    /// The number, and what it was reckoned from.
    steps: Vec<Step>,
}

/// What an option is, and what it did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OptionStory {
    #[serde(flatten)]
    input: OptionInput,
    /// What it decided here.
    effect: String,
    /// What would be different without it; absent where it was not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    without: Option<String>,
}

/// One number and how it came to be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    name: &'static str,
    #[serde(skip)]
    title: String,
    bytes: Bytes,
    /// The rule in words.
    rule: String,
    /// What is added and taken away, and what comes out; empty where nothing is added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sum: Vec<Addend>,
    /// The product, written out; absent where nothing is multiplied.
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    /// The options that take part, those that only bound the number too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<OptionInput>,
    /// The class of Flink that computes it; absent for what is no number of Flink.
    #[serde(skip_serializing_if = "Option::is_none")]
    flink_class: Option<&'static str>,
    /// The numbers that it was reckoned from.
    #[serde(skip)]
    from: Vec<&'static str>,
}

/// A size that is added or taken away.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Addend {
    /// `+`, `-`, or `=` for what comes out.
    sign: &'static str,
    name: &'static str,
    bytes: Bytes,
}

/// An option as it counts.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct OptionInput {
    key: String,
    value: String,
    /// Where a person finds it; the key itself for a default.
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
    is_default: bool,
    /// What the value is in bytes, or as the fraction that Flink keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    means: Option<String>,
}

impl OptionInput {
    /// An option that nobody wrote.
    fn default_of(key: &str, value: String) -> Self {
        Self {
            key: key.to_owned(),
            value,
            path: key.to_owned(),
            file: None,
            line: None,
            column: None,
            is_default: true,
            means: None,
        }
    }
}

/// The story that an answer tells about a topic.
///
/// # Errors
/// Why there is none: no budget, or no such number in this one.
pub(super) fn story(answer: &Answer, topic: &Topic) -> Result<Story, String> {
    let (Some(_), Some(tree)) = (&answer.budget, tree(answer)) else {
        return Err(format!(
            "there is no {} to tell of while there are conflicts",
            text::title(topic.name())
        ));
    };
    let (Some(request), role) = (&answer.request, answer.subject.role.as_str()) else {
        return Err("what was asked cannot be read".to_owned());
    };
    let teller = Teller::of(answer, &tree);
    let (option, first) = match topic {
        Topic::Number(name) if tree.find(name).is_none() => {
            return Err(match *name {
                "container" => "there is no container: no limit was given".to_owned(),
                "unassigned" => {
                    "there is no unassigned memory: every byte of the container is planned"
                        .to_owned()
                }
                name if name.parse::<ReserveKind>().is_ok() => {
                    format!("nothing is reserved for {}", text::title(name))
                }
                name => format!(
                    "a {role} of Flink {} has no {}",
                    request.flink_version,
                    text::title(name)
                ),
            });
        }
        Topic::Number(name) => (None, Some(*name)),
        Topic::Option(key) if proper_key(request.role, key).is_none() => {
            return Err(format!("{key} is no option of a {role}"));
        }
        Topic::Option(key) => {
            let number = number_of(request, key).filter(|number| tree.find(number).is_some());
            (Some(teller.option_story(key, number)), number)
        }
    };
    Ok(Story {
        asked: topic.name(),
        option,
        steps: first.map_or_else(Vec::new, |first| teller.steps(first)),
    })
}

/// How one component came to be, for the whole list of them.
pub(super) fn steps_of_components(answer: &Answer) -> Vec<Step> {
    let Some(tree) = tree(answer).filter(|_| answer.budget.is_some()) else {
        return Vec::new();
    };
    let teller = Teller::of(answer, &tree);
    tree.all()
        .into_iter()
        .filter_map(|part| teller.step(part))
        .collect()
}

impl Step {
    /// The name of the number.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// What a number is called in a sentence.
fn spoken(name: &str) -> String {
    match name {
        "managed" | "network" | "unassigned" => format!("{name} memory"),
        name => text::title(name),
    }
}
