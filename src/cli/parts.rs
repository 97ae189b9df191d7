//! A process's memory as one tree, in Flink's own layout: what the text, the picture, the story of a number and
//! comparisons are made of.
//!
//! The tree names components as the JSON of a budget does. Sums that are no component of Flink (the heap, off-heap
//! and direct memory) stand in it as groups, so that what is added to what can be read off the tree alone.

use super::{question::Answer, text};
use crate::{
    budget::{Component, Reserve, ReserveSource, known_components, reserves_in_effect},
    bytes::Bytes,
};

/// A size, and the sizes that it is made of.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The name in JSON: `taskHeap`, `jvmHeap`, `container`.
    pub name: &'static str,
    /// `None` where it is not known, because the request does not solve.
    pub bytes: Option<Bytes>,
    pub kind: Kind,
    pub parts: Vec<Part>,
}

/// What a size is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A component of Flink, where it is known why it has its size.
    Component(Option<Component>),
    /// A sum of components, with the flag of the JVM that it becomes.
    Group(Option<&'static str>),
    /// The memory limit of the container.
    Container,
    /// What the container holds beside the process.
    Reserve(Reserve),
    /// What of the container neither the process nor a reserve uses.
    Unassigned,
}

impl Part {
    /// What people call it.
    pub fn title(&self) -> String {
        text::title(self.name)
    }

    /// The component behind it, where it is a known one.
    pub fn component(&self) -> Option<&Component> {
        match &self.kind {
            Kind::Component(component) => component.as_ref(),
            _ => None,
        }
    }

    /// The part itself and everything in it, the whole before its parts.
    pub fn all(&self) -> Vec<&Part> {
        let mut all = vec![self];
        all.extend(self.parts.iter().flat_map(Part::all));
        all
    }

    /// The part of a name, here or further in.
    pub fn find(&self, name: &str) -> Option<&Part> {
        self.all().into_iter().find(|part| part.name == name)
    }

    /// The components that Flink adds up to this size, whatever groups they are drawn in.
    pub fn addends(&self) -> Vec<&Part> {
        let of = |part: &'_ Part| matches!(part.kind, Kind::Component(_));
        self.parts
            .iter()
            .flat_map(|part| if of(part) { vec![part] } else { part.addends() })
            .collect()
    }

    /// The total that a component is added to.
    pub fn total_of(&self, name: &str) -> Option<&Part> {
        self.all().into_iter().find(|total| {
            matches!(total.kind, Kind::Component(_))
                && total.addends().iter().any(|part| part.name == name)
        })
    }
}

/// The tree of an answer; `None` where not even one size is known.
pub(super) fn tree(answer: &Answer) -> Option<Part> {
    let known: Vec<(&'static str, Component)> = match (&answer.budget, &answer.request) {
        (Some(budget), _) => budget
            .components()
            .into_iter()
            .map(|(name, component)| (name, component.clone()))
            .collect(),
        (None, Some(request)) => known_components(request),
        (None, None) => Vec::new(),
    };
    if known.is_empty() {
        return None;
    }
    let component = |name: &'static str| {
        let found = known.iter().find(|(known, _)| *known == name);
        let found = found.map(|(_, component)| component.clone());
        Part {
            name,
            bytes: found.as_ref().map(|component| component.bytes),
            kind: Kind::Component(found),
            parts: Vec::new(),
        }
    };
    let heap = group(
        "jvmHeap",
        Some("-Xmx and -Xms"),
        vec![component("frameworkHeap"), component("taskHeap")],
    );
    let direct = group(
        "directMemory",
        Some("-XX:MaxDirectMemorySize"),
        vec![
            component("frameworkOffHeap"),
            component("taskOffHeap"),
            component("network"),
        ],
    );
    let off_heap = group("offHeap", None, vec![component("managed"), direct]);
    let flink = Part {
        parts: vec![heap, off_heap],
        ..component("totalFlink")
    };
    let process = Part {
        parts: vec![flink, component("jvmMetaspace"), component("jvmOverhead")],
        ..component("totalProcess")
    };
    let request = answer.request.as_ref();
    let limit = match &answer.budget {
        Some(budget) => budget.container_limit,
        None => request.and_then(|request| request.container_limit),
    };
    let Some(limit) = limit else {
        return Some(process);
    };
    let reserves = match (&answer.budget, request) {
        (Some(budget), _) => budget.reserves.clone(),
        (None, Some(request)) => reserves_in_effect(request),
        (None, None) => Vec::new(),
    };
    let reserved = reserves.iter().fold(Bytes::ZERO, |sum, reserve| {
        sum.saturating_add(reserve.bytes)
    });
    let reserves = reserves
        .into_iter()
        .filter(|reserve| reserve.source != ReserveSource::Zero)
        .map(|reserve| Part {
            name: reserve.kind.as_str(),
            bytes: Some(reserve.bytes),
            kind: Kind::Reserve(reserve),
            parts: Vec::new(),
        });
    let rest = process
        .bytes
        .map(|bytes| limit.saturating_sub(bytes).saturating_sub(reserved))
        .filter(|rest| *rest > Bytes::ZERO);
    let unassigned = rest.map(|rest| Part {
        name: "unassigned",
        bytes: Some(rest),
        kind: Kind::Unassigned,
        parts: Vec::new(),
    });
    Some(Part {
        name: "container",
        bytes: Some(limit),
        kind: Kind::Container,
        parts: std::iter::once(process)
            .chain(reserves)
            .chain(unassigned)
            .collect(),
    })
}

fn group(name: &'static str, flag: Option<&'static str>, parts: Vec<Part>) -> Part {
    let sum = parts.iter().try_fold(Bytes::ZERO, |sum, part| {
        Some(sum.saturating_add(part.bytes?))
    });
    Part {
        name,
        bytes: sum,
        kind: Kind::Group(flag),
        parts,
    }
}
