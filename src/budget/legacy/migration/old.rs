//! What a TaskManager of Flink 1.9 had, in bytes.

use super::{
    super::{
        Part, container,
        settings::{Settings, in_mebibytes, signed},
        start_script, started,
    },
    Deployment, Refusal,
};
use crate::{
    budget::{Configuration, FlinkError, memory_size, options},
    bytes::Bytes,
};

/// One size of the old model with its reason.
#[derive(Clone, Debug)]
pub(super) struct Size {
    pub bytes: Bytes,
    pub why: String,
}

impl Size {
    pub fn of(component: &'static str, part: &Part) -> Result<Size, Refusal> {
        let bytes = u64::try_from(part.bytes).map_err(|_| Refusal::Negative {
            component,
            bytes: part.bytes,
        })?;
        Ok(Size {
            bytes: Bytes(bytes),
            why: part.source.to_string(),
        })
    }

    pub fn described(&self) -> (Bytes, String) {
        (self.bytes, self.why.clone())
    }
}

/// A TaskManager of Flink 1.9.
#[derive(Clone, Debug)]
pub(super) struct OldTaskManager {
    /// The container, or `taskmanager.heap.size`.
    pub total: Size,
    pub heap: Size,
    pub network: Size,
    pub managed: Size,
    pub is_managed_off_heap: bool,
    /// What was kept back of the container, and the limit of direct memory there.
    pub container: Option<OldContainer>,
    /// Why the TaskManager would have stopped when it started, although its container was granted.
    pub stops: Option<FlinkError>,
}

#[derive(Clone, Debug)]
pub(super) struct OldContainer {
    pub cut_off: Size,
    pub direct_limit: Size,
}

pub(super) fn task_manager(
    old: &Configuration,
    deployment: Deployment,
) -> Result<OldTaskManager, Refusal> {
    match deployment {
        Deployment::Standalone => standalone(old),
        Deployment::Container { size } => {
            let (mebibytes, why) = match size {
                Some(size) => (signed(size) >> 20, "as asked".to_owned()),
                None => container_mebibytes(old)?,
            };
            in_container(old, mebibytes, why)
        }
    }
}

fn standalone(old: &Configuration) -> Result<OldTaskManager, Refusal> {
    let plan = start_script(old)
        .map_err(Refusal::Script)?
        .ok_or(Refusal::NoSize)?;
    let started = started(old, plan.heap.bytes).map_err(|error| Refusal::Flink {
        asked: "to start a TaskManager with these options",
        error,
    })?;
    Ok(OldTaskManager {
        total: Size::of("taskmanager.heap.size", &plan.total)?,
        heap: Size::of("the heap", &plan.heap)?,
        network: Size::of("network memory", &started.network.network)?,
        managed: Size::of("managed memory", &started.managed)?,
        is_managed_off_heap: started.is_managed_off_heap,
        container: None,
        stops: None,
    })
}

fn in_container(
    old: &Configuration,
    mebibytes: i64,
    why: String,
) -> Result<OldTaskManager, Refusal> {
    let plan = container(old, mebibytes).map_err(|error| Refusal::Flink {
        asked: "these options for its container",
        error,
    })?;
    let heap = Size::of("the heap", &plan.heap)?;
    // What the TaskManager read was the size of managed memory that the resource manager had computed.
    let told = old.clone().with(
        options::legacy::MEMORY_SIZE,
        format!("{}b", plan.managed.bytes),
        crate::budget::Origin::CommandLine,
    );
    Ok(OldTaskManager {
        total: Size {
            why,
            ..Size::of("the container", &plan.container)?
        },
        network: Size::of("network memory", &plan.network)?,
        managed: Size::of("managed memory", &plan.managed)?,
        is_managed_off_heap: plan.is_managed_off_heap,
        container: Some(OldContainer {
            cut_off: Size::of("the cut-off", &plan.cut_off)?,
            direct_limit: Size::of("the limit of direct memory", &plan.direct_limit)?,
        }),
        stops: started(&told, plan.heap.bytes).err(),
        heap,
    })
}

/// `ConfigurationUtils.getTaskManagerHeapMemory`: what YARN was asked for.
fn container_mebibytes(old: &Configuration) -> Result<(i64, String), Refusal> {
    let settings = Settings(old);
    let (key, parsed) = if let Some(size) = settings.value(options::HEAP_SIZE) {
        (options::HEAP_SIZE, memory_size::parse(size))
    } else if let Some(mebibytes) = settings.value(options::HEAP_MB) {
        (options::HEAP_MB, in_mebibytes(mebibytes))
    } else {
        return Err(Refusal::NoContainerSize);
    };
    parsed
        .map(|size| (signed(size) >> 20, format!("set by {key}")))
        .map_err(|error| Refusal::Flink {
            asked: "the size of its container",
            error: super::super::error::size(&error),
        })
}
