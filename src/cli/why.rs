//! `headroom explain --why`: the story of one number, from its own rule down to options and defaults.
//!
//! A step tells of one number: the rule, what it was reckoned from with the arithmetic written out, the options with
//! the place where each was written, and the class of Flink that does the same. The steps of a story are the number,
//! then what it was reckoned from, each number once.

mod telling;
#[cfg(test)]
mod tests;
mod topic;

use serde::Serialize;

pub(super) use self::topic::Topic;

use super::{
    input::node::Place,
    parts::{Kind, Part, tree},
    question::Answer,
    text,
};
use crate::{
    budget::{
        Component, Configuration, FlinkVersion, OptionReference, Origin, Request, Reserve,
        ReserveKind, ReserveSource, Role, Source, memory_size, options, options_in_effect,
        proper_key, solve,
    },
    bytes::Bytes,
    quantity,
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
    let teller = Teller::of(answer, &tree);
    let (option, first) = match topic {
        Topic::Number(name) if tree.find(name).is_none() => {
            return Err(match *name {
                "container" => "there is no container: no limit was given".to_owned(),
                name if name.parse::<ReserveKind>().is_ok() => {
                    format!("nothing is reserved for {}", text::title(name))
                }
                name => format!(
                    "there is no {} memory: every byte of the container is planned",
                    text::title(name)
                ),
            });
        }
        Topic::Number(name) => (None, Some(*name)),
        Topic::Option(key) => {
            let number = number_of(key);
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

/// The number that an option is about.
fn number_of(key: &str) -> Option<&'static str> {
    Some(match key {
        options::PROCESS_SIZE => "totalProcess",
        options::FLINK_SIZE | options::HEAP_SIZE | options::HEAP_MB => "totalFlink",
        options::FRAMEWORK_HEAP_SIZE => "frameworkHeap",
        options::FRAMEWORK_OFF_HEAP_SIZE => "frameworkOffHeap",
        options::TASK_HEAP_SIZE => "taskHeap",
        options::TASK_OFF_HEAP_SIZE => "taskOffHeap",
        options::MANAGED_SIZE | options::MANAGED_FRACTION => "managed",
        options::NETWORK_MIN
        | options::NETWORK_MAX
        | options::NETWORK_FRACTION
        | options::NUMBER_OF_BUFFERS => "network",
        options::JVM_METASPACE_SIZE => "jvmMetaspace",
        options::JVM_OVERHEAD_MIN | options::JVM_OVERHEAD_MAX | options::JVM_OVERHEAD_FRACTION => {
            "jvmOverhead"
        }
        _ => return None,
    })
}

/// Everything that the steps of an answer are told from.
struct Teller<'a> {
    answer: &'a Answer,
    tree: &'a Part,
    options: Vec<OptionReference>,
    role: Role,
    version: Option<FlinkVersion>,
}

impl<'a> Teller<'a> {
    fn of(answer: &'a Answer, tree: &'a Part) -> Self {
        Self {
            answer,
            tree,
            options: answer
                .request
                .as_ref()
                .map(options_in_effect)
                .unwrap_or_default(),
            role: answer
                .request
                .as_ref()
                .map_or(Role::TaskManager, |request| request.role),
            version: answer.budget.as_ref().map(|budget| budget.flink_version),
        }
    }

    /// The step of a number, and of everything that it was reckoned from.
    fn steps(&self, first: &'static str) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut waiting = vec![first];
        while !waiting.is_empty() {
            let name = waiting.remove(0);
            if steps.iter().any(|step| step.name == name) {
                continue;
            }
            if let Some(step) = self.tree.find(name).and_then(|part| self.step(part)) {
                waiting.extend(&step.from);
                steps.push(step);
            }
        }
        steps
    }

    fn step(&self, part: &Part) -> Option<Step> {
        let bytes = part.bytes?;
        let mut step = Step {
            name: part.name,
            title: spoken(part.name),
            bytes,
            rule: String::new(),
            sum: Vec::new(),
            product: None,
            options: Vec::new(),
            flink_class: None,
            from: Vec::new(),
        };
        match &part.kind {
            Kind::Component(component) => self.tell(component.as_ref()?, &mut step),
            Kind::Group(flag) => {
                step.rule = match flag {
                    Some(flag) => format!("the sum of its parts; the JVM gets it as {flag}"),
                    None => "the sum of its parts".to_owned(),
                };
                let of: Vec<&Part> = part.parts.iter().collect();
                self.add(&of, &mut step);
            }
            Kind::Container => {
                step.rule = "the memory limit of the container".to_owned();
                step.options.push(self.limit(bytes));
            }
            Kind::Reserve(reserve) => {
                step.rule = match &reserve.source {
                    ReserveSource::Profile { profile } => {
                        let values = self.answer.budget.iter().flat_map(|budget| &budget.profile);
                        let reason = values
                            .flat_map(|profile| &profile.values)
                            .find(|value| value.name == reserve.kind.field_path())
                            .map_or("", |value| value.reason);
                        format!("the default of profile {profile}: {reason}")
                    }
                    _ => "written as it is; the container holds it beside the process".to_owned(),
                };
                step.options.push(self.reserve(reserve));
            }
            Kind::Unassigned => {
                let used: Vec<&Part> = self
                    .tree
                    .parts
                    .iter()
                    .filter(|part| part.name != "unassigned")
                    .collect();
                step.rule = match used.as_slice() {
                    [_] => "what the process leaves of the container".to_owned(),
                    _ => "what the process and the reserves leave of the container".to_owned(),
                };
                self.subtract(self.tree, &used, &mut step);
            }
        }
        Some(step)
    }

    fn tell(&self, component: &Component, step: &mut Step) {
        let source = &component.source;
        step.flink_class = self.flink_class(step.name, source);
        let total = self.tree.total_of(step.name);
        let siblings: Vec<&Part> = total.map_or_else(Vec::new, |total| {
            let others = total.addends().into_iter();
            others.filter(|part| part.name != step.name).collect()
        });
        match source {
            Source::Configured { option, origin } => {
                step.rule = match origin {
                    Origin::Profile(profile) => {
                        format!("nothing sets it, so the default of profile {profile} counts")
                    }
                    _ => "written as it is".to_owned(),
                };
                if let Some(adjustment) = text::adjustment(self.answer, component) {
                    step.rule.push_str("; ");
                    step.rule.push_str(&adjustment);
                }
                step.options.extend(self.option(option));
            }
            Source::Default { option } => {
                step.rule = "nothing sets it, so the default counts".to_owned();
                step.options.extend(self.option(option));
            }
            Source::ContainerLimit => {
                step.rule =
                    "no option says how large the process is, so it takes the whole container"
                        .to_owned();
                step.from.push("container");
            }
            Source::Fraction {
                option,
                fraction,
                of,
                inverse,
                ..
            } => {
                step.rule = self.fraction_rule(*inverse, total, &siblings, step);
                step.product = Some(product(*fraction, *of, *inverse, step.bytes));
                self.range(option, step);
            }
            Source::ClampedToMinimum {
                fraction_option,
                fraction,
                of,
                inverse,
                derived,
                ..
            }
            | Source::ClampedToMaximum {
                fraction_option,
                fraction,
                of,
                inverse,
                derived,
                ..
            } => {
                let (bound, than) = if step.bytes > *derived {
                    ("at least its minimum", "less")
                } else {
                    ("at most its maximum", "more")
                };
                let rule = self.fraction_rule(*inverse, total, &siblings, step);
                step.rule = format!("{rule}, but {bound}");
                let product = product(*fraction, *of, *inverse, *derived);
                step.product = Some(format!(
                    "{product}, which is {than} than {}",
                    step.bytes.get()
                ));
                self.range(fraction_option, step);
            }
            Source::BufferCount {
                option,
                buffers,
                segment_size,
            } => {
                step.rule = "a number of buffers, each as large as a segment".to_owned();
                step.product = Some(format!(
                    "{buffers} × {} = {}",
                    segment_size.get(),
                    step.bytes.get()
                ));
                step.options.extend(self.option(option));
                step.options.extend(self.option(options::SEGMENT_SIZE));
            }
            Source::Remainder { .. } if step.name == "totalProcess" => {
                step.rule = "no option says how large the process is, so it takes what the \
                             reserves leave of the container"
                    .to_owned();
                let reserves = self.tree.parts.iter();
                let reserves: Vec<&Part> = reserves
                    .filter(|part| matches!(part.kind, Kind::Reserve(_)))
                    .collect();
                self.subtract(self.tree, &reserves, step);
            }
            Source::Remainder { .. } => {
                if let Some(of) = total {
                    step.rule = format!("what {} leaves after its other parts", of.title());
                    self.subtract(of, &siblings, step);
                }
                match step.name {
                    "network" => self.bounds(options::NETWORK_MIN, options::NETWORK_MAX, step),
                    "jvmOverhead" => {
                        self.bounds(options::JVM_OVERHEAD_MIN, options::JVM_OVERHEAD_MAX, step);
                    }
                    _ => {}
                }
            }
            Source::Sum { .. } => {
                step.rule = "the sum of its parts".to_owned();
                if let Some(part) = self.tree.find(step.name) {
                    self.add(&part.addends(), step);
                }
            }
        }
    }

    /// What a fraction is a fraction of.
    fn fraction_rule(
        &self,
        inverse: bool,
        total: Option<&'a Part>,
        siblings: &[&'a Part],
        step: &mut Step,
    ) -> String {
        let Some(total) = total else {
            return "a fraction".to_owned();
        };
        if !inverse {
            step.from.push(total.name);
            return format!("a fraction of {}", total.title());
        }
        step.from.extend(siblings.iter().map(|part| part.name));
        let names: Vec<String> = siblings.iter().map(|part| part.title()).collect();
        format!(
            "a fraction of {}, of which only the rest is known: {}",
            total.title(),
            names.join(" + ")
        )
    }

    /// The option of a fraction, and the bounds that belong to it.
    fn range(&self, fraction_option: &str, step: &mut Step) {
        step.options.extend(self.option(fraction_option));
        match fraction_option {
            options::NETWORK_FRACTION => {
                self.bounds(options::NETWORK_MIN, options::NETWORK_MAX, step)
            }
            options::JVM_OVERHEAD_FRACTION => {
                self.bounds(options::JVM_OVERHEAD_MIN, options::JVM_OVERHEAD_MAX, step);
            }
            _ => {}
        }
    }

    fn bounds(&self, minimum: &str, maximum: &str, step: &mut Step) {
        step.options.extend(self.option(minimum));
        step.options.extend(self.option(maximum));
    }

    fn add(&self, parts: &[&Part], step: &mut Step) {
        for part in parts {
            step.sum.push(Addend {
                sign: "+",
                name: part.name,
                bytes: part.bytes.unwrap_or_default(),
            });
            step.from.push(part.name);
        }
        step.sum.push(result(step));
    }

    fn subtract(&self, from: &Part, parts: &[&Part], step: &mut Step) {
        let of = std::iter::once(("+", from)).chain(parts.iter().map(|part| ("-", *part)));
        for (sign, part) in of {
            step.sum.push(Addend {
                sign,
                name: part.name,
                bytes: part.bytes.unwrap_or_default(),
            });
            step.from.push(part.name);
        }
        step.sum.push(result(step));
    }

    /// An option as it counts, whichever spelling it was written in.
    fn option(&self, key: &str) -> Option<OptionInput> {
        let found = self
            .options
            .iter()
            .find(|option| option.key == key || proper_key(self.role, &option.key) == Some(key))?;
        Some(self.input(found, key))
    }

    fn input(&self, option: &OptionReference, key: &str) -> OptionInput {
        let place = self.place(option);
        OptionInput {
            key: option.key.clone(),
            value: option.value.clone(),
            path: option.path.clone(),
            file: place.and_then(|_| self.file()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            is_default: option.is_default,
            means: meaning(&option.value, key),
        }
    }

    fn place(&self, option: &OptionReference) -> Option<Place> {
        (!option.is_default)
            .then(|| self.answer.place_of(&option.path))
            .flatten()
    }

    /// The file that the answer's pool was read from, as a person is shown it.
    fn file(&self) -> Option<String> {
        let source = self.answer.subject.source.as_ref();
        source.map(|source| source.shown_file())
    }

    fn limit(&self, bytes: Bytes) -> OptionInput {
        let (path, place) = match self.answer.document {
            None => ("--container-limit".to_owned(), None),
            Some(_) => {
                let path = Origin::ContainerLimit.path("");
                let place = self.answer.place_of(&path);
                (path, place)
            }
        };
        OptionInput {
            key: "limit".to_owned(),
            value: quantity::memory_text(bytes),
            path,
            file: place.and_then(|_| self.file()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            is_default: false,
            means: None,
        }
    }

    fn reserve(&self, reserve: &Reserve) -> OptionInput {
        let path = reserve.path();
        let place = self.answer.place_of(&path);
        OptionInput {
            key: reserve.kind.to_string(),
            value: memory_size::text(reserve.bytes),
            file: place.and_then(|_| self.file()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            is_default: false,
            means: Some(reserve.bytes.get().to_string()),
            path,
        }
    }

    /// The class of Flink that computes a component.
    fn flink_class(&self, name: &str, source: &Source) -> Option<&'static str> {
        let is_rest = matches!(source, Source::Remainder { .. }) && name == "totalProcess";
        if is_rest || matches!(source, Source::ContainerLimit) {
            return None;
        }
        if self.version? <= FlinkVersion::V1_10 {
            return Some("org.apache.flink.runtime.clusterframework.TaskExecutorProcessUtils");
        }
        let is_legacy = matches!(
            source,
            Source::Configured {
                option: options::HEAP_SIZE | options::HEAP_MB | options::HEAP_ENVIRONMENT,
                ..
            }
        );
        Some(match name {
            _ if is_legacy => {
                "org.apache.flink.runtime.util.config.memory.MemoryBackwardsCompatibilityUtils"
            }
            "totalProcess" | "totalFlink" | "jvmMetaspace" | "jvmOverhead" => {
                "org.apache.flink.runtime.util.config.memory.ProcessMemoryUtils"
            }
            _ => {
                "org.apache.flink.runtime.util.config.memory.taskmanager.TaskExecutorFlinkMemoryUtils"
            }
        })
    }

    fn option_story(&self, key: &'static str, number: Option<&'static str>) -> OptionStory {
        let input = self.option(key).unwrap_or_else(|| OptionInput {
            key: key.to_owned(),
            value: String::new(),
            path: key.to_owned(),
            file: None,
            line: None,
            column: None,
            is_default: true,
            means: None,
        });
        let component = number
            .and_then(|name| self.tree.find(name))
            .and_then(Part::component);
        let effect = match (number, component) {
            (Some(name), Some(component)) => effect(key, &spoken(name), component),
            _ if key == options::SEGMENT_SIZE => {
                "it is the size of a network buffer and of a page of managed \
                 memory, and decides no other size"
                    .to_owned()
            }
            _ => "no size depends on it".to_owned(),
        };
        let written = (!input.is_default).then_some(key);
        OptionStory {
            without: written.and_then(|key| self.without(key)),
            input,
            effect,
        }
    }

    /// What would be different if an option were not written.
    fn without(&self, key: &str) -> Option<String> {
        let request = self.answer.request.as_ref()?;
        let budget = self.answer.budget.as_ref()?;
        let empty = Request {
            configuration: Configuration::new(),
            legacy_heap_environment: None,
            ..request.clone()
        };
        Some(match solve(&request.with_option_of(&empty, key)) {
            Err(infeasible) => format!("nothing would solve: {infeasible}"),
            Ok(other) => {
                let changes: Vec<String> = other
                    .components()
                    .into_iter()
                    .zip(budget.components())
                    .filter(|((_, without), (_, with))| without.bytes != with.bytes)
                    .map(|((name, without), _)| {
                        format!("{} would be {}", text::title(name), without.bytes)
                    })
                    .collect();
                if changes.is_empty() {
                    "no size would change".to_owned()
                } else {
                    changes.join(", ")
                }
            }
        })
    }
}

/// What an option decided about the number that it is about.
fn effect(key: &str, title: &str, component: &Component) -> String {
    let size = component.bytes;
    match &component.source {
        Source::Configured { option, .. } | Source::Default { option } if *option == key => {
            format!("it is the size of {title}")
        }
        Source::BufferCount { option, .. } if *option == key => {
            format!("it decides how many buffers {title} has")
        }
        Source::Fraction { option, .. } if *option == key => {
            format!("it decides {title}: {size}")
        }
        Source::ClampedToMinimum {
            option,
            fraction_option,
            derived,
            ..
        } if *option == key || *fraction_option == key => {
            if *option == key {
                format!(
                    "it decides {title}, which would be {derived} by its fraction and was raised to {size}"
                )
            } else {
                format!("by it {title} would be {derived}; the minimum raised that to {size}")
            }
        }
        Source::ClampedToMaximum {
            option,
            fraction_option,
            derived,
            ..
        } if *option == key || *fraction_option == key => {
            if *option == key {
                format!(
                    "it decides {title}, which would be {derived} by its fraction and was lowered to {size}"
                )
            } else {
                format!("by it {title} would be {derived}; the maximum lowered that to {size}")
            }
        }
        _ => format!(
            "it decides nothing here: {title} is {size}, {}",
            text::reason(component, text::Keys::Whole)
        ),
    }
}

fn result(step: &Step) -> Addend {
    Addend {
        sign: "=",
        name: step.name,
        bytes: step.bytes,
    }
}

/// A product as Flink computes it: the fraction is a 32-bit float that was widened, and the result is cut off.
fn product(fraction: f32, of: Bytes, inverse: bool, result: Bytes) -> String {
    let wide = f64::from(fraction);
    let (of, result) = (of.get(), result.get());
    if inverse {
        let factor = wide / (1.0 - wide);
        format!("{of} × {wide} / (1 − {wide}) = {of} × {factor} = {result}, rounded down")
    } else {
        format!("{of} × {wide} = {result}, rounded down")
    }
}

/// What a value is to Flink, where that is not what it says.
fn meaning(value: &str, key: &str) -> Option<String> {
    if key.ends_with("fraction") {
        let fraction: f32 = value.trim().parse().ok()?;
        let wide = f64::from(fraction).to_string();
        return (wide != value.trim()).then_some(wide);
    }
    let bytes = memory_size::parse(value).ok()?;
    let is_size = key.ends_with("size") || key.ends_with("min") || key.ends_with("max");
    if bytes == Bytes::MAX {
        return Some("no bound".to_owned());
    }
    is_size.then(|| format!("{}", bytes.get()))
}
