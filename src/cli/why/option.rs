//! The story of an option: which number it is about, what it decided, what would be different without it.

use super::{OptionInput, OptionStory, spoken, teller::Teller};
use crate::{
    budget::{Component, Configuration, FlinkVersion, Mode, Request, Source, options},
    cli::{
        parts::Part,
        process_budget::ProcessBudget,
        text::{self, Keys},
    },
};

impl Teller<'_> {
    pub fn option_story(&self, key: &'static str, number: Option<&'static str>) -> OptionStory {
        let input = self
            .option(key)
            .unwrap_or_else(|| OptionInput::default_of(key, String::new()));
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
            _ if key == options::JOBMANAGER_DIRECT_MEMORY_LIMIT => {
                "it decides whether off-heap memory is the limit of the JVM's direct memory, and no size"
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
        Some(
            match ProcessBudget::solve(&request.with_option_of(&empty, key)) {
                Err(infeasible) => format!("nothing would solve: {infeasible}"),
                Ok((other, _)) => {
                    let changes: Vec<String> = other
                        .components()
                        .into_iter()
                        .filter(|(name, without)| budget.bytes_of(name) != Some(without.bytes))
                        .map(|(name, without)| {
                            format!("{} would be {}", text::title(name), without.bytes)
                        })
                        .collect();
                    if changes.is_empty() {
                        "no size would change".to_owned()
                    } else {
                        changes.join(", ")
                    }
                }
            },
        )
    }
}

/// The number that an option is about.
pub(super) fn number_of(request: &Request, key: &str) -> Option<&'static str> {
    let is_native = request.mode == Mode::Kubernetes;
    Some(match key {
        options::PROCESS_SIZE | options::JOBMANAGER_PROCESS_SIZE => "totalProcess",
        options::FLINK_SIZE | options::JOBMANAGER_FLINK_SIZE => "totalFlink",
        options::HEAP_SIZE | options::HEAP_MB if is_native => "totalProcess",
        options::HEAP_SIZE | options::HEAP_MB => "totalFlink",
        options::JOBMANAGER_HEAP_SIZE | options::JOBMANAGER_HEAP_MB if is_native => {
            if has_cutoff(request) {
                "container"
            } else {
                "totalProcess"
            }
        }
        options::JOBMANAGER_HEAP_SIZE
        | options::JOBMANAGER_HEAP_MB
        | options::JOBMANAGER_JVM_HEAP_SIZE => "jvmHeap",
        options::JOBMANAGER_OFF_HEAP_SIZE => "offHeap",
        options::HEAP_CUTOFF_RATIO | options::HEAP_CUTOFF_MIN => "cutoff",
        options::FRAMEWORK_HEAP_SIZE => "frameworkHeap",
        options::FRAMEWORK_OFF_HEAP_SIZE => "frameworkOffHeap",
        options::TASK_HEAP_SIZE => "taskHeap",
        options::TASK_OFF_HEAP_SIZE => "taskOffHeap",
        options::MANAGED_SIZE | options::MANAGED_FRACTION => "managed",
        options::NETWORK_MIN
        | options::NETWORK_MAX
        | options::NETWORK_FRACTION
        | options::NUMBER_OF_BUFFERS => "network",
        options::JVM_METASPACE_SIZE | options::JOBMANAGER_JVM_METASPACE_SIZE => "jvmMetaspace",
        options::JVM_OVERHEAD_MIN
        | options::JVM_OVERHEAD_MAX
        | options::JVM_OVERHEAD_FRACTION
        | options::JOBMANAGER_JVM_OVERHEAD_MIN
        | options::JOBMANAGER_JVM_OVERHEAD_MAX
        | options::JOBMANAGER_JVM_OVERHEAD_FRACTION => "jvmOverhead",
        _ => return None,
    })
}

/// Whether the process has the memory model of Flink 1.9.
fn has_cutoff(request: &Request) -> bool {
    request.flink_version == FlinkVersion::V1_10
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
        }
        | Source::ClampedToMaximum {
            option,
            fraction_option,
            derived,
            ..
        } if *option == key || *fraction_option == key => {
            let (bound, moved) = match &component.source {
                Source::ClampedToMinimum { .. } => ("minimum", "raised"),
                _ => ("maximum", "lowered"),
            };
            if *option == key {
                format!(
                    "it decides {title}, which would be {derived} by its fraction and was {moved} to {size}"
                )
            } else {
                format!("by it {title} would be {derived}; the {bound} {moved} that to {size}")
            }
        }
        _ => format!(
            "it decides nothing here: {title} is {size}, {}",
            text::reason(component, Keys::Whole)
        ),
    }
}
