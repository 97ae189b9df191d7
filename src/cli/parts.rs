//! A process's memory as one tree, in Flink's own layout: what the text, the picture, the story of a number and
//! comparisons are made of.
//!
//! The tree names components as the JSON of a budget does. Sums that are no component of Flink (the heap, off-heap
//! and direct memory) stand in it as groups, so that what is added to what can be read off the tree alone.

use super::{answer::Answer, process_budget::ProcessBudget, text};
use crate::{
    budget::{
        Component, FlinkVersion, Reserve, ReserveSource, Role, known_components, reserves_in_effect,
    },
    bytes::Bytes,
};

/// A size, and the sizes that it is made of.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The name in JSON: `taskHeap`, `jvmHeap`, `container`.
    pub name: &'static str,
    /// `None` where it is not known, because the request does not solve.
    pub bytes: Option<Bytes>,
    /// The flag of the JVM that it becomes.
    pub flag: Option<&'static str>,
    pub kind: Kind,
    pub parts: Vec<Part>,
}

/// What a size is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A component of Flink, where it is known why it has its size.
    Component(Option<Component>),
    /// A sum of components that is no component itself.
    Group,
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
    let known = Known(known);
    let process = match answer.subject.role {
        Role::TaskManager => task_manager(&known),
        Role::JobManager if has_cutoff(answer) => cutoff_job_manager(&known),
        Role::JobManager => job_manager(&known, limits_direct_memory(answer)),
    };
    Some(in_container(answer, process))
}

/// The components whose sizes are known.
struct Known(Vec<(&'static str, Component)>);

impl Known {
    /// A component as a part of its own.
    fn component(&self, name: &'static str) -> Part {
        let found = self.0.iter().find(|(known, _)| *known == name);
        let found = found.map(|(_, component)| component.clone());
        Part {
            name,
            bytes: found.as_ref().map(|component| component.bytes),
            flag: (name == "jvmMetaspace").then_some("-XX:MaxMetaspaceSize"),
            kind: Kind::Component(found),
            parts: Vec::new(),
        }
    }

    /// A component that becomes a flag of the JVM.
    fn flagged(&self, name: &'static str, flag: Option<&'static str>) -> Part {
        Part {
            flag,
            ..self.component(name)
        }
    }

    /// A component that is made of others.
    fn sum(&self, name: &'static str, parts: Vec<Part>) -> Part {
        Part {
            parts,
            ..self.component(name)
        }
    }
}

const HEAP_FLAGS: &str = "-Xmx and -Xms";
const DIRECT_FLAG: &str = "-XX:MaxDirectMemorySize";

fn task_manager(known: &Known) -> Part {
    let component = |name| known.component(name);
    let heap = group(
        "jvmHeap",
        Some(HEAP_FLAGS),
        vec![component("frameworkHeap"), component("taskHeap")],
    );
    let direct = group(
        "directMemory",
        Some(DIRECT_FLAG),
        vec![
            component("frameworkOffHeap"),
            component("taskOffHeap"),
            component("network"),
        ],
    );
    let off_heap = group("offHeap", None, vec![component("managed"), direct]);
    let flink = known.sum("totalFlink", vec![heap, off_heap]);
    known.sum(
        "totalProcess",
        vec![flink, component("jvmMetaspace"), component("jvmOverhead")],
    )
}

/// A JobManager since Flink 1.11: heap and off-heap memory are components of its own.
fn job_manager(known: &Known, limits_direct_memory: bool) -> Part {
    let heap = known.flagged("jvmHeap", Some(HEAP_FLAGS));
    let off_heap = known.flagged("offHeap", limits_direct_memory.then_some(DIRECT_FLAG));
    let flink = known.sum("totalFlink", vec![heap, off_heap]);
    known.sum(
        "totalProcess",
        vec![
            flink,
            known.component("jvmMetaspace"),
            known.component("jvmOverhead"),
        ],
    )
}

/// A JobManager of Flink 1.10: the heap, and in a container of Flink's own what is kept back beside it.
fn cutoff_job_manager(known: &Known) -> Part {
    let heap = known.flagged("jvmHeap", Some(HEAP_FLAGS));
    if known.0.iter().all(|(name, _)| *name != "container") {
        return heap;
    }
    known.sum("container", vec![heap, known.component("cutoff")])
}

fn has_cutoff(answer: &Answer) -> bool {
    let request = answer.request.as_ref();
    request.is_some_and(|request| request.flink_version == FlinkVersion::V1_10)
}

/// Whether off-heap memory becomes the JVM's limit of direct memory; not known while there are conflicts.
fn limits_direct_memory(answer: &Answer) -> bool {
    let budget = answer.budget.as_ref();
    budget.and_then(ProcessBudget::jvm_direct).is_some()
}

/// The process in the container around it, where there is one.
fn in_container(answer: &Answer, process: Part) -> Part {
    let request = answer.request.as_ref();
    let limit = match &answer.budget {
        Some(budget) => budget.container_limit(),
        None => request.and_then(|request| request.container_limit),
    };
    let Some(limit) = limit else {
        return process;
    };
    let reserves = match (&answer.budget, request) {
        (Some(budget), _) => budget.reserves().to_vec(),
        (None, Some(request)) => reserves_in_effect(request),
        (None, None) => Vec::new(),
    };
    let unassigned = match &answer.budget {
        Some(budget) => budget.unassigned(),
        None => process.bytes.map(|bytes| {
            let others = reserves.iter().map(|reserve| reserve.bytes);
            others
                .chain([bytes])
                .fold(limit, |rest, bytes| rest.saturating_sub(bytes))
        }),
    };
    let unassigned = unassigned
        .filter(|rest| *rest > Bytes::ZERO)
        .map(|rest| Part {
            name: "unassigned",
            bytes: Some(rest),
            flag: None,
            kind: Kind::Unassigned,
            parts: Vec::new(),
        });
    let reserves = reserves
        .into_iter()
        .filter(|reserve| reserve.source != ReserveSource::Zero)
        .map(|reserve| Part {
            name: reserve.kind.as_str(),
            bytes: Some(reserve.bytes),
            flag: None,
            kind: Kind::Reserve(reserve),
            parts: Vec::new(),
        });
    Part {
        name: "container",
        bytes: Some(limit),
        flag: None,
        kind: Kind::Container,
        parts: std::iter::once(process)
            .chain(reserves)
            .chain(unassigned)
            .collect(),
    }
}

fn group(name: &'static str, flag: Option<&'static str>, parts: Vec<Part>) -> Part {
    let sum = parts.iter().try_fold(Bytes::ZERO, |sum, part| {
        Some(sum.saturating_add(part.bytes?))
    });
    Part {
        name,
        bytes: sum,
        flag,
        kind: Kind::Group,
        parts,
    }
}
