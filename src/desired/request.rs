//! What a pool's spec asks of the solver: every option as text, with the place it was written at.
//!
//! The typed memory block and `flinkConfiguration` are read into one list; which of them wins, and whether they
//! contradict each other, is decided by the solver alone.

use crate::{
    api::v1alpha1::{Memory, TaskManagerPoolSpec},
    budget::{Configuration, FlinkVersion, Origin, Request, options},
    bytes::Bytes,
};

use super::flink_configuration::FlinkConfiguration;

/// The request of a spec whose free options and container limit were read already.
pub(super) fn request(
    spec: &TaskManagerPoolSpec,
    version: FlinkVersion,
    free: &FlinkConfiguration,
    container_limit: Bytes,
) -> Request {
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
    Request::new(version, configuration).with_container_limit(container_limit)
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
