//! The options of Flink that decide the TaskManager's memory: keys, deprecated spellings, types, defaults.
//!
//! Mirrors `TaskManagerOptions` and the few options of `NettyShuffleEnvironmentOptions` that sizes depend on.
//! Keys of Flink appear in this file and nowhere else in the crate.

use crate::{budget::version::FlinkVersion, bytes::Bytes};

/// `taskmanager.memory.process.size`.
pub const PROCESS_SIZE: &str = "taskmanager.memory.process.size";
/// `taskmanager.memory.flink.size`.
pub const FLINK_SIZE: &str = "taskmanager.memory.flink.size";
/// `taskmanager.memory.framework.heap.size`.
pub const FRAMEWORK_HEAP_SIZE: &str = "taskmanager.memory.framework.heap.size";
/// `taskmanager.memory.framework.off-heap.size`.
pub const FRAMEWORK_OFF_HEAP_SIZE: &str = "taskmanager.memory.framework.off-heap.size";
/// `taskmanager.memory.task.heap.size`.
pub const TASK_HEAP_SIZE: &str = "taskmanager.memory.task.heap.size";
/// `taskmanager.memory.task.off-heap.size`.
pub const TASK_OFF_HEAP_SIZE: &str = "taskmanager.memory.task.off-heap.size";
/// `taskmanager.memory.managed.size`.
pub const MANAGED_SIZE: &str = "taskmanager.memory.managed.size";
/// `taskmanager.memory.managed.fraction`.
pub const MANAGED_FRACTION: &str = "taskmanager.memory.managed.fraction";
/// `taskmanager.memory.network.min`.
pub const NETWORK_MIN: &str = "taskmanager.memory.network.min";
/// `taskmanager.memory.network.max`.
pub const NETWORK_MAX: &str = "taskmanager.memory.network.max";
/// `taskmanager.memory.network.fraction`.
pub const NETWORK_FRACTION: &str = "taskmanager.memory.network.fraction";
/// `taskmanager.memory.jvm-metaspace.size`.
pub const JVM_METASPACE_SIZE: &str = "taskmanager.memory.jvm-metaspace.size";
/// `taskmanager.memory.jvm-overhead.min`.
pub const JVM_OVERHEAD_MIN: &str = "taskmanager.memory.jvm-overhead.min";
/// `taskmanager.memory.jvm-overhead.max`.
pub const JVM_OVERHEAD_MAX: &str = "taskmanager.memory.jvm-overhead.max";
/// `taskmanager.memory.jvm-overhead.fraction`.
pub const JVM_OVERHEAD_FRACTION: &str = "taskmanager.memory.jvm-overhead.fraction";
/// `taskmanager.memory.segment-size`.
pub const SEGMENT_SIZE: &str = "taskmanager.memory.segment-size";
/// `taskmanager.numberOfTaskSlots`.
pub const NUMBER_OF_TASK_SLOTS: &str = "taskmanager.numberOfTaskSlots";
/// `taskmanager.cpu.cores`.
pub const CPU_CORES: &str = "taskmanager.cpu.cores";
/// `external-resources`.
pub const EXTERNAL_RESOURCES: &str = "external-resources";
/// `taskmanager.network.numberOfBuffers`, read up to 1.20.
pub const NUMBER_OF_BUFFERS: &str = "taskmanager.network.numberOfBuffers";
/// `taskmanager.heap.size`, read up to 1.20.
pub const HEAP_SIZE: &str = "taskmanager.heap.size";
/// `taskmanager.heap.mb`, read up to 1.20.
pub const HEAP_MB: &str = "taskmanager.heap.mb";
/// The environment variable that the legacy heap options are overridden by, read up to 1.20.
pub const HEAP_ENVIRONMENT: &str = "FLINK_TM_HEAP";

/// An option that the derivation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    ProcessSize,
    FlinkSize,
    FrameworkHeapSize,
    FrameworkOffHeapSize,
    TaskHeapSize,
    TaskOffHeapSize,
    ManagedSize,
    ManagedFraction,
    NetworkMin,
    NetworkMax,
    NetworkFraction,
    JvmMetaspaceSize,
    JvmOverheadMin,
    JvmOverheadMax,
    JvmOverheadFraction,
    SegmentSize,
    NumberOfTaskSlots,
    CpuCores,
    ExternalResources,
    NumberOfBuffers,
    HeapSize,
    HeapMb,
}

/// How many options there are in [`Id`].
pub(super) const COUNT: usize = 22;

impl Id {
    pub const ALL: [Id; COUNT] = [
        Id::ProcessSize,
        Id::FlinkSize,
        Id::FrameworkHeapSize,
        Id::FrameworkOffHeapSize,
        Id::TaskHeapSize,
        Id::TaskOffHeapSize,
        Id::ManagedSize,
        Id::ManagedFraction,
        Id::NetworkMin,
        Id::NetworkMax,
        Id::NetworkFraction,
        Id::JvmMetaspaceSize,
        Id::JvmOverheadMin,
        Id::JvmOverheadMax,
        Id::JvmOverheadFraction,
        Id::SegmentSize,
        Id::NumberOfTaskSlots,
        Id::CpuCores,
        Id::ExternalResources,
        Id::NumberOfBuffers,
        Id::HeapSize,
        Id::HeapMb,
    ];

    /// The proper key.
    pub const fn key(self) -> &'static str {
        match self {
            Id::ProcessSize => PROCESS_SIZE,
            Id::FlinkSize => FLINK_SIZE,
            Id::FrameworkHeapSize => FRAMEWORK_HEAP_SIZE,
            Id::FrameworkOffHeapSize => FRAMEWORK_OFF_HEAP_SIZE,
            Id::TaskHeapSize => TASK_HEAP_SIZE,
            Id::TaskOffHeapSize => TASK_OFF_HEAP_SIZE,
            Id::ManagedSize => MANAGED_SIZE,
            Id::ManagedFraction => MANAGED_FRACTION,
            Id::NetworkMin => NETWORK_MIN,
            Id::NetworkMax => NETWORK_MAX,
            Id::NetworkFraction => NETWORK_FRACTION,
            Id::JvmMetaspaceSize => JVM_METASPACE_SIZE,
            Id::JvmOverheadMin => JVM_OVERHEAD_MIN,
            Id::JvmOverheadMax => JVM_OVERHEAD_MAX,
            Id::JvmOverheadFraction => JVM_OVERHEAD_FRACTION,
            Id::SegmentSize => SEGMENT_SIZE,
            Id::NumberOfTaskSlots => NUMBER_OF_TASK_SLOTS,
            Id::CpuCores => CPU_CORES,
            Id::ExternalResources => EXTERNAL_RESOURCES,
            Id::NumberOfBuffers => NUMBER_OF_BUFFERS,
            Id::HeapSize => HEAP_SIZE,
            Id::HeapMb => HEAP_MB,
        }
    }

    /// The deprecated key that Flink still reads when the proper one is absent.
    pub const fn deprecated_key(self) -> Option<&'static str> {
        match self {
            Id::ManagedSize => Some("taskmanager.memory.size"),
            Id::NetworkMin => Some("taskmanager.network.memory.min"),
            Id::NetworkMax => Some("taskmanager.network.memory.max"),
            Id::NetworkFraction => Some("taskmanager.network.memory.fraction"),
            _ => None,
        }
    }

    /// Whether only versions up to 1.20 read the option.
    pub const fn is_legacy(self) -> bool {
        matches!(self, Id::NumberOfBuffers | Id::HeapSize | Id::HeapMb)
    }

    /// The default of a size option.
    pub fn default_size(self, version: FlinkVersion) -> Option<Bytes> {
        Some(match self {
            Id::FrameworkHeapSize | Id::FrameworkOffHeapSize => Bytes::from_mebibytes(128),
            Id::TaskOffHeapSize => Bytes::ZERO,
            Id::NetworkMin => Bytes::from_mebibytes(64),
            Id::NetworkMax => version.default_network_max(),
            Id::JvmMetaspaceSize => Bytes::from_mebibytes(256),
            Id::JvmOverheadMin => Bytes::from_mebibytes(192),
            Id::JvmOverheadMax => Bytes::GIBI,
            Id::SegmentSize => super::startup::DEFAULT_SEGMENT_SIZE,
            _ => return None,
        })
    }

    /// The option of the lower bound that belongs to a fraction option.
    pub const fn minimum_option(self) -> Id {
        match self {
            Id::NetworkFraction => Id::NetworkMin,
            Id::JvmOverheadFraction => Id::JvmOverheadMin,
            other => other,
        }
    }

    /// The option of the upper bound that belongs to a fraction option.
    pub const fn maximum_option(self) -> Id {
        match self {
            Id::NetworkFraction => Id::NetworkMax,
            Id::JvmOverheadFraction => Id::JvmOverheadMax,
            other => other,
        }
    }

    /// The default of a fraction option, as the 32-bit float that Flink keeps.
    pub const fn default_fraction(self) -> f32 {
        if matches!(self, Id::ManagedFraction) {
            0.4
        } else {
            0.1
        }
    }
}

/// Which option a key names, and whether it is the deprecated spelling.
pub(super) fn lookup(key: &str) -> Option<(Id, bool)> {
    // The common prefix decides quickly that a key is none of ours.
    let id = match key.strip_prefix("taskmanager.") {
        Some(rest) => match rest {
            "memory.process.size" => Id::ProcessSize,
            "memory.flink.size" => Id::FlinkSize,
            "memory.framework.heap.size" => Id::FrameworkHeapSize,
            "memory.framework.off-heap.size" => Id::FrameworkOffHeapSize,
            "memory.task.heap.size" => Id::TaskHeapSize,
            "memory.task.off-heap.size" => Id::TaskOffHeapSize,
            "memory.managed.size" => Id::ManagedSize,
            "memory.managed.fraction" => Id::ManagedFraction,
            "memory.network.min" => Id::NetworkMin,
            "memory.network.max" => Id::NetworkMax,
            "memory.network.fraction" => Id::NetworkFraction,
            "memory.jvm-metaspace.size" => Id::JvmMetaspaceSize,
            "memory.jvm-overhead.min" => Id::JvmOverheadMin,
            "memory.jvm-overhead.max" => Id::JvmOverheadMax,
            "memory.jvm-overhead.fraction" => Id::JvmOverheadFraction,
            "memory.segment-size" => Id::SegmentSize,
            "numberOfTaskSlots" => Id::NumberOfTaskSlots,
            "cpu.cores" => Id::CpuCores,
            "network.numberOfBuffers" => Id::NumberOfBuffers,
            "heap.size" => Id::HeapSize,
            "heap.mb" => Id::HeapMb,
            "memory.size" => return Some((Id::ManagedSize, true)),
            "network.memory.min" => return Some((Id::NetworkMin, true)),
            "network.memory.max" => return Some((Id::NetworkMax, true)),
            "network.memory.fraction" => return Some((Id::NetworkFraction, true)),
            _ => return None,
        },
        None if key == EXTERNAL_RESOURCES => Id::ExternalResources,
        None => return None,
    };
    Some((id, false))
}

/// Whether a solved budget replaces the option: the configuration of a started TaskManager carries the solved sizes
/// instead of what they were derived from. The segment size and the external resources stay as they were written.
#[cfg(feature = "api")]
pub(crate) fn is_replaced_by_budget(key: &str) -> bool {
    lookup(key).is_some_and(|(id, _)| !matches!(id, Id::SegmentSize | Id::ExternalResources))
}

/// Whether a key that is none of [`Id`]'s lies where only memory options lie.
pub(super) fn looks_like_memory_option(key: &str) -> bool {
    let folded = |prefix: &str| {
        key.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    folded("taskmanager.memory") || folded("taskmanager.network.memory")
}

#[cfg(test)]
mod tests {
    use super::{Id, lookup};

    #[test]
    fn every_key_is_found() {
        for id in Id::ALL {
            assert_eq!(lookup(id.key()), Some((id, false)));
            assert_eq!(Id::ALL[id as usize], id);
            if let Some(deprecated) = id.deprecated_key() {
                assert_eq!(lookup(deprecated), Some((id, true)));
            }
        }
        assert_eq!(lookup("taskmanager.memory"), None);
    }
}
