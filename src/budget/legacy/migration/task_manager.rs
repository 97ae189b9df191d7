//! The options of a TaskManager that keep what it had.

use super::{
    Comparison, Deployment, ManagedMemory, Migration, NewOption, Question, Refusal,
    layout::{Layout, Parts},
    notes,
    old::OldTaskManager,
    solved,
};
use crate::{
    budget::{
        Budget, Configuration, Role,
        legacy::settings::{NUMBER_OF_TASK_SLOTS, Settings},
        memory_size,
        options::{self, Id},
    },
    bytes::Bytes,
};

/// What the new process is to have.
struct Target {
    framework_heap: Bytes,
    task_heap: Bytes,
    managed: Bytes,
    network: Bytes,
    /// The process and its JVM parts, in a container.
    process: Option<Layout>,
}

pub(super) fn migrate(
    old: &Configuration,
    before: &OldTaskManager,
    question: &Question,
    migration: &mut Migration,
) -> Result<(), Refusal> {
    let target = target(before, question, migration)?;
    write(old, &target, migration);
    let budget = solved(migration);
    let size = |pick: fn(&Budget) -> Bytes| budget.as_ref().map(pick);
    let container = before.container.as_ref();
    let comparisons = [
        (
            container.map_or("heapSizeOption", |_| "totalProcess"),
            Some(before.total.described()),
            container.and(size(|budget| budget.total_process.bytes)),
        ),
        (
            "jvmHeap",
            Some(before.heap.described()),
            size(Budget::jvm_heap),
        ),
        (
            "managed",
            Some(before.managed.described()),
            size(|budget| budget.managed.bytes),
        ),
        (
            "network",
            Some(before.network.described()),
            size(|budget| budget.network.bytes),
        ),
        (
            "jvmDirect",
            container.map(|container| container.direct_limit.described()),
            size(Budget::jvm_direct),
        ),
        (
            "cutOff",
            container.map(|container| container.cut_off.described()),
            None,
        ),
        (
            "frameworkOffHeap",
            None,
            size(|budget| budget.framework_off_heap.bytes),
        ),
        (
            "jvmMetaspace",
            None,
            size(|budget| budget.jvm_metaspace.bytes),
        ),
        (
            "jvmOverhead",
            None,
            size(|budget| budget.jvm_overhead.bytes),
        ),
        ("totalFlink", None, size(|budget| budget.total_flink.bytes)),
    ];
    migration.task_manager = comparisons
        .into_iter()
        .chain(container.is_none().then(|| {
            (
                "totalProcess",
                None,
                size(|budget| budget.total_process.bytes),
            )
        }))
        .filter(|(_, old, new)| old.is_some() || new.is_some())
        .map(|(component, old, new)| Comparison::new(component, old, new))
        .collect();
    notes::of_task_manager(old, before, question, budget.as_ref(), &mut migration.notes);
    Ok(())
}

fn target(
    before: &OldTaskManager,
    question: &Question,
    migration: &mut Migration,
) -> Result<Target, Refusal> {
    let mut heap = before.heap.bytes;
    let mut managed = before.managed.bytes;
    match question.managed {
        ManagedMemory::Keep => {}
        ManagedMemory::FromHeap if before.is_managed_off_heap => {}
        ManagedMemory::FromHeap => {
            heap = heap
                .checked_sub(managed)
                .filter(|rest| *rest > Bytes::ZERO)
                .ok_or(Refusal::ManagedExceedsHeap { managed, heap })?;
        }
        ManagedMemory::Drop => managed = Bytes::ZERO,
    }
    let default = |id: Id| id.default_size(question.to).unwrap_or(Bytes::ZERO);
    let framework_heap = default(Id::FrameworkHeapSize).min(heap);
    let parts = Parts {
        role: Role::TaskManager,
        container: before.total.bytes,
        kept: heap
            .saturating_add(managed)
            .saturating_add(before.network.bytes),
        names: "heap, managed and network memory",
        off_heap: default(Id::FrameworkOffHeapSize),
        way_out: match question.managed {
            ManagedMemory::Keep if !before.is_managed_off_heap => {
                "; managed memory lay inside the heap: taken from the heap as before, or dropped, it makes room \
                 (--managed from-heap, --managed drop)"
            }
            _ => "",
        },
    };
    let process = match question.deployment {
        Deployment::Standalone => None,
        Deployment::Container { .. } => Some(parts.lay_out(question.to, &mut migration.notes)),
    };
    Ok(Target {
        framework_heap,
        task_heap: heap.saturating_sub(framework_heap),
        managed,
        network: before.network.bytes,
        process,
    })
}

fn write(old: &Configuration, target: &Target, migration: &mut Migration) {
    let settings = Settings(old);
    let options = &mut migration.options;
    let mut put = |key: &'static str, value: String, reason: String| {
        options.push(NewOption { key, value, reason });
    };
    let text = memory_size::text;
    if let Some(process) = &target.process {
        put(
            options::PROCESS_SIZE,
            text(process.total),
            "the container".to_owned(),
        );
    }
    if target.task_heap == Bytes::ZERO {
        put(
            options::FRAMEWORK_HEAP_SIZE,
            text(target.framework_heap),
            "the whole heap, which is no larger than the default of this option".to_owned(),
        );
    }
    put(
        options::TASK_HEAP_SIZE,
        text(target.task_heap),
        format!(
            "-Xmx {} without framework heap, {}",
            target.framework_heap.saturating_add(target.task_heap),
            target.framework_heap
        ),
    );
    put(
        options::MANAGED_SIZE,
        text(target.managed),
        "managed memory, in bytes and not as a fraction".to_owned(),
    );
    for key in [options::NETWORK_MIN, options::NETWORK_MAX] {
        put(
            key,
            text(target.network),
            "network memory; minimum and maximum are the same, so that no fraction counts"
                .to_owned(),
        );
    }
    if let Some(process) = &target.process {
        if let Some(metaspace) = process.metaspace {
            put(
                options::JVM_METASPACE_SIZE,
                text(metaspace),
                "what the container leaves".to_owned(),
            );
        }
        if let Some(maximum) = process.overhead_maximum {
            put(
                options::JVM_OVERHEAD_MAX,
                text(maximum),
                "what is left of the cut-off, above the default of this option".to_owned(),
            );
        }
    }
    if let Some(setting) = settings.setting(options::NUMBER_OF_TASK_SLOTS) {
        // Flink 1.9 took −1 for one, and what it could not read as well.
        let slots = settings.integer(&NUMBER_OF_TASK_SLOTS).max(1);
        put(
            options::NUMBER_OF_TASK_SLOTS,
            slots.to_string(),
            if setting.value == slots.to_string() {
                "as before".to_owned()
            } else {
                format!("what Flink 1.9 made of {:?}", setting.value)
            },
        );
    }
}
