//! What a pool's spec asks of the solver: every option as text, with the place it was written at.
//!
//! The typed memory block and `flinkConfiguration` are read into one list; which of them wins, and whether they
//! contradict each other, is decided by the solver alone.

use crate::{
    api::v1alpha1::{Memory, Reserves, TaskManagerPoolSpec},
    budget::{
        Code, Configuration, Conflict, FlinkVersion, Origin, Profile, Request, ReserveKind,
        memory_size, options,
    },
    quantity,
};

use super::{
    conflict::{At, setting},
    container_resources::ContainerResources,
    flink_configuration::FlinkConfiguration,
};

/// The request of a spec whose free options and container were read already; `None` where the container's memory limit
/// could not be. A reserve that can't be read is left out and reported.
pub(super) fn request(
    spec: &TaskManagerPoolSpec,
    version: FlinkVersion,
    free: &FlinkConfiguration,
    container: &ContainerResources,
    conflicts: &mut Vec<Conflict>,
) -> Option<Request> {
    let container_limit = container.memory_limit?;
    let mut configuration = Configuration::new();
    for (key, value) in free.iter() {
        configuration.push(key, value, Origin::FlinkConfiguration);
    }
    if let Some(slots) = spec.task_manager.number_of_task_slots {
        let origin = Origin::field("spec.taskManager.numberOfTaskSlots");
        configuration.push(options::NUMBER_OF_TASK_SLOTS, slots.to_string(), origin);
    }
    for (key, path, value) in typed_sizes(spec.memory.as_ref()) {
        if let Some(value) = value {
            configuration.push(key, value.as_str(), Origin::field(path));
        }
    }
    let memory = spec.memory.as_ref();
    let profile = memory.and_then(|memory| memory.profile);
    let mut request = Request::new(version, configuration)
        .with_container_limit(container_limit)
        .with_profile(profile.map_or(Profile::Custom, Profile::from));
    request.memory_request = container.memory_request;
    request.cpu_limit = container.cpu_limit;
    for (kind, text) in reserves(memory.and_then(|memory| memory.reserves.as_ref())) {
        let Some(text) = text else { continue };
        match memory_size::parse(text) {
            Ok(bytes) => {
                request = request.with_reserve(kind, bytes, Origin::field(kind.field_path()));
            }
            Err(error) => conflicts.push(unreadable(kind, text, &error.reason())),
        }
    }
    Some(request)
}

/// Every reserve with its text.
fn reserves(reserves: Option<&Reserves>) -> [(ReserveKind, Option<&String>); 4] {
    ReserveKind::ALL.map(|kind| {
        let text = reserves.and_then(|reserves| match kind {
            ReserveKind::NativeOvershoot => reserves.native_overshoot.as_ref(),
            ReserveKind::PythonWorkers => reserves.python_workers.as_ref(),
            ReserveKind::OtherProcesses => reserves.other_processes.as_ref(),
            ReserveKind::MemoryVolumes => reserves.memory_volumes.as_ref(),
        });
        (kind, text)
    })
}

fn unreadable(kind: ReserveKind, text: &str, reason: &str) -> Conflict {
    let path = kind.field_path();
    let meant = quantity::probable_spelling(text).unwrap_or_else(|| text.to_owned());
    let meant = quantity::parse_memory(&meant).ok().map(memory_size::text);
    let way_out = match &meant {
        Some(meant) => format!("write {meant}"),
        None => "write for example 256m".to_owned(),
    };
    let message = format!("{path}: {text:?} is no size of Flink: {reason}; {way_out}");
    let bound = "digits and a unit of Flink: b, k, m, g or t";
    let conflict = At::field(path, text).error(Code::SizeInvalid, bound, message);
    match meant {
        Some(meant) => setting(conflict, meant),
        None => conflict,
    }
}

type TypedSize<'a> = (&'static str, &'static str, Option<&'a String>);

/// Every typed field of the memory block, with Flink's key and the field's path.
fn typed_sizes(memory: Option<&Memory>) -> [TypedSize<'_>; 16] {
    let framework = memory.and_then(|memory| memory.framework.as_ref());
    let task = memory.and_then(|memory| memory.task.as_ref());
    let managed = memory.and_then(|memory| memory.managed.as_ref());
    let network = memory.and_then(|memory| memory.network.as_ref());
    let jvm = memory.and_then(|memory| memory.jvm.as_ref());
    let overhead = jvm.and_then(|jvm| jvm.overhead.as_ref());
    let process = memory.and_then(|memory| memory.process.as_ref());
    let flink = memory.and_then(|memory| memory.flink.as_ref());
    [
        (
            options::PROCESS_SIZE,
            "spec.memory.process.size",
            process.and_then(|block| block.size.as_ref()),
        ),
        (
            options::FLINK_SIZE,
            "spec.memory.flink.size",
            flink.and_then(|block| block.size.as_ref()),
        ),
        (
            options::FRAMEWORK_HEAP_SIZE,
            "spec.memory.framework.heapSize",
            framework.and_then(|block| block.heap_size.as_ref()),
        ),
        (
            options::FRAMEWORK_OFF_HEAP_SIZE,
            "spec.memory.framework.offHeapSize",
            framework.and_then(|block| block.off_heap_size.as_ref()),
        ),
        (
            options::TASK_HEAP_SIZE,
            "spec.memory.task.heapSize",
            task.and_then(|block| block.heap_size.as_ref()),
        ),
        (
            options::TASK_OFF_HEAP_SIZE,
            "spec.memory.task.offHeapSize",
            task.and_then(|block| block.off_heap_size.as_ref()),
        ),
        (
            options::MANAGED_SIZE,
            "spec.memory.managed.size",
            managed.and_then(|block| block.size.as_ref()),
        ),
        (
            options::MANAGED_FRACTION,
            "spec.memory.managed.fraction",
            managed.and_then(|block| block.fraction.as_ref()),
        ),
        (
            options::NETWORK_MIN,
            "spec.memory.network.min",
            network.and_then(|block| block.min.as_ref()),
        ),
        (
            options::NETWORK_MAX,
            "spec.memory.network.max",
            network.and_then(|block| block.max.as_ref()),
        ),
        (
            options::NETWORK_FRACTION,
            "spec.memory.network.fraction",
            network.and_then(|block| block.fraction.as_ref()),
        ),
        (
            options::SEGMENT_SIZE,
            "spec.memory.network.segmentSize",
            network.and_then(|block| block.segment_size.as_ref()),
        ),
        (
            options::JVM_METASPACE_SIZE,
            "spec.memory.jvm.metaspaceSize",
            jvm.and_then(|block| block.metaspace_size.as_ref()),
        ),
        (
            options::JVM_OVERHEAD_MIN,
            "spec.memory.jvm.overhead.min",
            overhead.and_then(|block| block.min.as_ref()),
        ),
        (
            options::JVM_OVERHEAD_MAX,
            "spec.memory.jvm.overhead.max",
            overhead.and_then(|block| block.max.as_ref()),
        ),
        (
            options::JVM_OVERHEAD_FRACTION,
            "spec.memory.jvm.overhead.fraction",
            overhead.and_then(|block| block.fraction.as_ref()),
        ),
    ]
}
