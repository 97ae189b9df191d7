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
/// What the keys of one external resource begin with.
pub const EXTERNAL_RESOURCE_PREFIX: &str = "external-resource.";
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

    /// The typed field of a `TaskManagerPool` that becomes this option, where there is one.
    pub const fn field_path(self) -> Option<&'static str> {
        Some(match self {
            Id::ProcessSize => "spec.memory.process.size",
            Id::FlinkSize => "spec.memory.flink.size",
            Id::FrameworkHeapSize => "spec.memory.framework.heapSize",
            Id::FrameworkOffHeapSize => "spec.memory.framework.offHeapSize",
            Id::TaskHeapSize => "spec.memory.task.heapSize",
            Id::TaskOffHeapSize => "spec.memory.task.offHeapSize",
            Id::ManagedSize => "spec.memory.managed.size",
            Id::ManagedFraction => "spec.memory.managed.fraction",
            Id::NetworkMin => "spec.memory.network.min",
            Id::NetworkMax => "spec.memory.network.max",
            Id::NetworkFraction => "spec.memory.network.fraction",
            Id::JvmMetaspaceSize => "spec.memory.jvm.metaspaceSize",
            Id::JvmOverheadMin => "spec.memory.jvm.overhead.min",
            Id::JvmOverheadMax => "spec.memory.jvm.overhead.max",
            Id::JvmOverheadFraction => "spec.memory.jvm.overhead.fraction",
            Id::SegmentSize => "spec.memory.network.segmentSize",
            Id::NumberOfTaskSlots => "spec.taskManager.numberOfTaskSlots",
            Id::CpuCores
            | Id::ExternalResources
            | Id::NumberOfBuffers
            | Id::HeapSize
            | Id::HeapMb => return None,
        })
    }

    /// Whether the option's value is a size.
    pub const fn is_size(self) -> bool {
        !matches!(
            self,
            Id::ManagedFraction
                | Id::NetworkFraction
                | Id::JvmOverheadFraction
                | Id::NumberOfTaskSlots
                | Id::CpuCores
                | Id::ExternalResources
                | Id::NumberOfBuffers
                | Id::HeapMb
        )
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
/// instead of what they were derived from. The external resources stay as they were written.
#[cfg(feature = "api")]
pub(crate) fn is_replaced_by_budget(key: &str) -> bool {
    lookup(key).is_some_and(|(id, _)| id != Id::ExternalResources)
}

/// The key of an external resource's amount.
pub(super) fn external_resource_amount(name: &str) -> String {
    format!("{EXTERNAL_RESOURCE_PREFIX}{name}.amount")
}

/// Whether a key that is none of [`Id`]'s was probably meant to be a memory option: it begins like one, in any case
/// and with up to a few wrong letters before the word `memory`.
pub(super) fn looks_like_memory_option(key: &str) -> bool {
    let Some(start) = key.as_bytes().get(..5) else {
        return false;
    };
    if !start.eq_ignore_ascii_case(b"taskm") {
        return false;
    }
    let mut parts = key.split('.').skip(1);
    let (second, third) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    second.eq_ignore_ascii_case("memory")
        || (second.eq_ignore_ascii_case("network") && third.eq_ignore_ascii_case("memory"))
}

/// Memory options of Flink that the derivation does not read.
const OTHERS: [&str; 17] = [
    "taskmanager.memory.framework.off-heap.batch-shuffle.size",
    "taskmanager.memory.managed.consumer-weights",
    "taskmanager.memory.min-segment-size",
    "taskmanager.memory.starting-segment-size",
    "taskmanager.network.memory.buffers-per-channel",
    "taskmanager.network.memory.floating-buffers-per-gate",
    "taskmanager.network.memory.max-buffers-per-channel",
    "taskmanager.network.memory.max-overdraft-buffers-per-gate",
    "taskmanager.network.memory.read-buffer.required-per-gate.max",
    "taskmanager.network.memory.buffers-request-timeout",
    "taskmanager.network.memory.exclusive-buffers-request-timeout-ms",
    "taskmanager.network.memory.buffer-debloat.enabled",
    "taskmanager.network.memory.buffer-debloat.period",
    "taskmanager.network.memory.buffer-debloat.samples",
    "taskmanager.network.memory.buffer-debloat.target",
    "taskmanager.network.memory.buffer-debloat.threshold-percentages",
    "taskmanager.network.memory.exclusive-buffers-request-timeout",
];

/// Whether a key is a memory option of Flink that the derivation does not read.
pub(super) fn is_other_memory_option(key: &str) -> bool {
    OTHERS.contains(&key)
}

/// Why a key of Flink 1.9 does nothing any more; `None` for any other key.
pub(super) fn removed(key: &str) -> Option<&'static str> {
    Some(match key {
        "taskmanager.memory.fraction" => {
            "since Flink 1.10 the fraction of managed memory is taskmanager.memory.managed.fraction, of total Flink \
             memory"
        }
        "taskmanager.memory.off-heap" => "since Flink 1.10 managed memory is always native",
        "taskmanager.memory.preallocate" => {
            "since Flink 1.10 managed memory is taken when it is needed"
        }
        _ => return None,
    })
}

/// The memory option that a key was probably meant to be; `None` where none is near.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    let known = Id::ALL
        .into_iter()
        .map(Id::key)
        .filter(|known| known.contains(".memory.") || known.contains("numberOf"))
        .chain(OTHERS);
    let key = key.to_ascii_lowercase();
    // Keys longer than any of Flink's can't be near one.
    if key.len() > 100 {
        return None;
    }
    // A key that stops short, goes on, or leaves the beginning out means the option itself; of several, a size, and
    // of sizes the shortest.
    let continued = |one: &str, other: &str| {
        one.strip_prefix(other)
            .is_some_and(|rest| rest.starts_with(['.', '-']))
    };
    let tail = key
        .splitn(3, '.')
        .nth(2)
        .filter(|tail| tail.contains('.'))
        .unwrap_or("\0");
    let related = known.clone().filter(|known| {
        continued(known, &key)
            || continued(&key, known)
            || known
                .strip_suffix(tail)
                .is_some_and(|rest| rest.ends_with('.'))
    });
    if let Some(related) = related.min_by_key(|known| (!known.ends_with(".size"), known.len())) {
        return Some(related);
    }
    let (distance, nearest) = known
        .map(|known| (edit_distance(&key, known), known))
        .min()?;
    // Half of the part behind `taskmanager.memory.` may be wrong, but not more than six letters.
    let tolerated = (key.len().saturating_sub(19) / 2).clamp(2, 6);
    (distance <= tolerated).then_some(nearest)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
fn edit_distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let width = other.len() + 1;
    let mut rows = vec![0; (one.len() + 1) * width];
    for row in 0..=one.len() {
        for column in 0..=other.len() {
            rows[row * width + column] = if row == 0 || column == 0 {
                row + column
            } else {
                let same = one[row - 1] == other[column - 1];
                let mut best = (rows[(row - 1) * width + column - 1] + usize::from(!same))
                    .min(rows[(row - 1) * width + column] + 1)
                    .min(rows[row * width + column - 1] + 1);
                let swapped = row > 1
                    && column > 1
                    && one[row - 1] == other[column - 2]
                    && one[row - 2] == other[column - 1];
                if swapped {
                    best = best.min(rows[(row - 2) * width + column - 2] + 1);
                }
                best
            };
        }
    }
    rows[one.len() * width + other.len()]
}

#[cfg(test)]
mod tests {
    use super::{Id, looks_like_memory_option, lookup, nearest};

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

    #[test]
    fn misspelt_keys_find_their_option() {
        for (misspelt, right) in [
            (
                "taskmanager.memory.managd.size",
                "taskmanager.memory.managed.size",
            ),
            (
                "taskmanager.memory.jvm-metaspace",
                "taskmanager.memory.jvm-metaspace.size",
            ),
            (
                "taskmanager.memory.Process.Size",
                "taskmanager.memory.process.size",
            ),
            (
                "taskmanger.memory.network.fracton",
                "taskmanager.memory.network.fraction",
            ),
            (
                "taskmanager.memory.off-heap.size",
                "taskmanager.memory.task.off-heap.size",
            ),
            (
                "taskmanager.network.memory.buffer-per-channel",
                "taskmanager.network.memory.buffers-per-channel",
            ),
        ] {
            assert!(looks_like_memory_option(misspelt), "{misspelt}");
            assert_eq!(nearest(misspelt), Some(right), "{misspelt}");
        }
        assert_eq!(nearest("taskmanager.memory.something-else-entirely"), None);
        for other in [
            "taskmanager.host",
            "task",
            "metrics.memory",
            "kubernetes.taskmanager.memory.limit-factor",
        ] {
            assert!(!looks_like_memory_option(other), "{other}");
        }
    }
}
