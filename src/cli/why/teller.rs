//! The steps of a story: each number told by its rule, its inputs and its options.

use super::{Addend, OptionInput, Step, flink_class::flink_class, spoken};
use crate::{
    budget::{
        Component, OptionReference, Origin, Reserve, ReserveSource, Role, Source, memory_size,
        options, options_in_effect, proper_key,
    },
    bytes::Bytes,
    cli::{
        answer::Answer,
        input::node::Place,
        parts::{Kind, Part},
        process_budget::ProcessBudget,
        text,
    },
    quantity,
};

/// Everything that the steps of an answer are told from.
pub(super) struct Teller<'a> {
    pub answer: &'a Answer,
    pub tree: &'a Part,
    options: Vec<OptionReference>,
}

impl<'a> Teller<'a> {
    pub fn of(answer: &'a Answer, tree: &'a Part) -> Self {
        Self {
            answer,
            tree,
            options: answer
                .request
                .as_ref()
                .map(options_in_effect)
                .unwrap_or_default(),
        }
    }

    /// The step of a number, and of everything that it was reckoned from.
    pub fn steps(&self, first: &'static str) -> Vec<Step> {
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

    pub fn step(&self, part: &Part) -> Option<Step> {
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
            Kind::Group => {
                step.rule = match part.flag {
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
                        let values = self.answer.budget.iter().flat_map(ProcessBudget::profile);
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
        let request = self.answer.request.as_ref();
        step.flink_class = request.and_then(|request| flink_class(request, step.name, source));
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
                let default = || OptionInput::default_of(option, memory_size::text(step.bytes));
                let input = self.option(option).unwrap_or_else(default);
                step.options.push(input);
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
                self.range(option, *fraction, step);
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
                self.range(fraction_option, *fraction, step);
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
                    step.rule = format!("what {} leaves after its other parts", spoken_total(of));
                    self.subtract(of, &siblings, step);
                }
                match step.name {
                    "network" => self.bounds(options::NETWORK_MIN, options::NETWORK_MAX, step),
                    "jvmOverhead" => self.bounds_of_overhead(step),
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
            return format!("a fraction of {}", spoken_total(total));
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
    fn range(&self, fraction_option: &str, fraction: f32, step: &mut Step) {
        let input = self
            .option(fraction_option)
            .unwrap_or_else(|| OptionInput::default_of(fraction_option, fraction.to_string()));
        step.options.push(input);
        match fraction_option {
            options::NETWORK_FRACTION => {
                self.bounds(options::NETWORK_MIN, options::NETWORK_MAX, step);
            }
            options::JVM_OVERHEAD_FRACTION | options::JOBMANAGER_JVM_OVERHEAD_FRACTION => {
                self.bounds_of_overhead(step);
            }
            options::HEAP_CUTOFF_RATIO => {
                step.options.extend(self.option(options::HEAP_CUTOFF_MIN))
            }
            _ => {}
        }
    }

    fn bounds_of_overhead(&self, step: &mut Step) {
        match self.answer.subject.role {
            Role::TaskManager => {
                self.bounds(options::JVM_OVERHEAD_MIN, options::JVM_OVERHEAD_MAX, step);
            }
            Role::JobManager => self.bounds(
                options::JOBMANAGER_JVM_OVERHEAD_MIN,
                options::JOBMANAGER_JVM_OVERHEAD_MAX,
                step,
            ),
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
    pub fn option(&self, key: &str) -> Option<OptionInput> {
        let found = self.options.iter().find(|option| {
            option.key == key || proper_key(self.answer.subject.role, &option.key) == Some(key)
        })?;
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
}

fn result(step: &Step) -> Addend {
    Addend {
        sign: "=",
        name: step.name,
        bytes: step.bytes,
    }
}

/// A product as Flink computes it: the fraction is a 32-bit float that was widened, and the result is cut off.
pub(super) fn product(fraction: f32, of: Bytes, inverse: bool, result: Bytes) -> String {
    let wide = f64::from(fraction);
    let (of, result) = (of.get(), result.get());
    if inverse {
        let factor = wide / (1.0 - wide);
        format!("{of} × {wide} / (1 − {wide}) = {of} × {factor} = {result}, rounded down")
    } else {
        format!("{of} × {wide} = {result}, rounded down")
    }
}

/// What a total is called in a sentence.
fn spoken_total(total: &Part) -> String {
    match total.name {
        "container" => "the container".to_owned(),
        _ => total.title(),
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
