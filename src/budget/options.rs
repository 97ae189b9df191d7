//! The options of Flink that decide a process's memory: keys, deprecated spellings, types, defaults.
//!
//! Mirrors `TaskManagerOptions`, `JobManagerOptions`, the few options of `NettyShuffleEnvironmentOptions` that sizes
//! depend on, and what `KubernetesConfigOptions` adds. Keys of Flink appear here and nowhere else in the crate. An
//! option that both processes have under two keys is one option here: which key is meant, the [`Role`] tells.

mod keys;
pub mod legacy;
pub mod shuffle;
mod spelling;
pub mod state_backend;

pub use self::keys::*;
pub(super) use self::spelling::{
    Removed, is_other_memory_option, looks_like_memory_option, nearest, removed,
};
use crate::{
    budget::{request::Role, version::FlinkVersion},
    bytes::Bytes,
};

/// An option that a derivation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    // Of both processes.
    ProcessSize,
    FlinkSize,
    JvmMetaspaceSize,
    JvmOverheadMin,
    JvmOverheadMax,
    JvmOverheadFraction,
    /// The heap of Flink 1.9, as a size.
    HeapSize,
    /// The heap of Flink 1.9, in mebibytes.
    HeapMb,
    /// What Flink's own Kubernetes deployment asks for.
    KubernetesCpu,
    KubernetesCpuLimitFactor,
    KubernetesMemoryLimitFactor,
    // Of the TaskManager.
    FrameworkHeapSize,
    FrameworkOffHeapSize,
    TaskHeapSize,
    TaskOffHeapSize,
    ManagedSize,
    ManagedFraction,
    NetworkMin,
    NetworkMax,
    NetworkFraction,
    SegmentSize,
    NumberOfTaskSlots,
    CpuCores,
    ExternalResources,
    NumberOfBuffers,
    FineGrained,
    // Of the JobManager.
    JvmHeapSize,
    OffHeapSize,
    DirectMemoryLimit,
    HeapCutoffRatio,
    HeapCutoffMin,
}

/// How many options there are in [`Id`].
pub(super) const COUNT: usize = 31;

impl Id {
    pub const ALL: [Id; COUNT] = [
        Id::ProcessSize,
        Id::FlinkSize,
        Id::JvmMetaspaceSize,
        Id::JvmOverheadMin,
        Id::JvmOverheadMax,
        Id::JvmOverheadFraction,
        Id::HeapSize,
        Id::HeapMb,
        Id::KubernetesCpu,
        Id::KubernetesCpuLimitFactor,
        Id::KubernetesMemoryLimitFactor,
        Id::FrameworkHeapSize,
        Id::FrameworkOffHeapSize,
        Id::TaskHeapSize,
        Id::TaskOffHeapSize,
        Id::ManagedSize,
        Id::ManagedFraction,
        Id::NetworkMin,
        Id::NetworkMax,
        Id::NetworkFraction,
        Id::SegmentSize,
        Id::NumberOfTaskSlots,
        Id::CpuCores,
        Id::ExternalResources,
        Id::NumberOfBuffers,
        Id::FineGrained,
        Id::JvmHeapSize,
        Id::OffHeapSize,
        Id::DirectMemoryLimit,
        Id::HeapCutoffRatio,
        Id::HeapCutoffMin,
    ];

    /// The proper key; the role decides for an option that both processes have.
    pub const fn key(self, role: Role) -> &'static str {
        let is_jobmanager = matches!(role, Role::JobManager);
        match self {
            Id::ProcessSize if is_jobmanager => JOBMANAGER_PROCESS_SIZE,
            Id::ProcessSize => PROCESS_SIZE,
            Id::FlinkSize if is_jobmanager => JOBMANAGER_FLINK_SIZE,
            Id::FlinkSize => FLINK_SIZE,
            Id::JvmMetaspaceSize if is_jobmanager => JOBMANAGER_JVM_METASPACE_SIZE,
            Id::JvmMetaspaceSize => JVM_METASPACE_SIZE,
            Id::JvmOverheadMin if is_jobmanager => JOBMANAGER_JVM_OVERHEAD_MIN,
            Id::JvmOverheadMin => JVM_OVERHEAD_MIN,
            Id::JvmOverheadMax if is_jobmanager => JOBMANAGER_JVM_OVERHEAD_MAX,
            Id::JvmOverheadMax => JVM_OVERHEAD_MAX,
            Id::JvmOverheadFraction if is_jobmanager => JOBMANAGER_JVM_OVERHEAD_FRACTION,
            Id::JvmOverheadFraction => JVM_OVERHEAD_FRACTION,
            Id::HeapSize if is_jobmanager => JOBMANAGER_HEAP_SIZE,
            Id::HeapSize => HEAP_SIZE,
            Id::HeapMb if is_jobmanager => JOBMANAGER_HEAP_MB,
            Id::HeapMb => HEAP_MB,
            Id::KubernetesCpu if is_jobmanager => KUBERNETES_JOBMANAGER_CPU,
            Id::KubernetesCpu => KUBERNETES_TASKMANAGER_CPU,
            Id::KubernetesCpuLimitFactor if is_jobmanager => KUBERNETES_JOBMANAGER_CPU_LIMIT_FACTOR,
            Id::KubernetesCpuLimitFactor => KUBERNETES_TASKMANAGER_CPU_LIMIT_FACTOR,
            Id::KubernetesMemoryLimitFactor if is_jobmanager => {
                KUBERNETES_JOBMANAGER_MEMORY_LIMIT_FACTOR
            }
            Id::KubernetesMemoryLimitFactor => KUBERNETES_TASKMANAGER_MEMORY_LIMIT_FACTOR,
            Id::FrameworkHeapSize => FRAMEWORK_HEAP_SIZE,
            Id::FrameworkOffHeapSize => FRAMEWORK_OFF_HEAP_SIZE,
            Id::TaskHeapSize => TASK_HEAP_SIZE,
            Id::TaskOffHeapSize => TASK_OFF_HEAP_SIZE,
            Id::ManagedSize => MANAGED_SIZE,
            Id::ManagedFraction => MANAGED_FRACTION,
            Id::NetworkMin => NETWORK_MIN,
            Id::NetworkMax => NETWORK_MAX,
            Id::NetworkFraction => NETWORK_FRACTION,
            Id::SegmentSize => SEGMENT_SIZE,
            Id::NumberOfTaskSlots => NUMBER_OF_TASK_SLOTS,
            Id::CpuCores => CPU_CORES,
            Id::ExternalResources => EXTERNAL_RESOURCES,
            Id::NumberOfBuffers => NUMBER_OF_BUFFERS,
            Id::FineGrained => FINE_GRAINED,
            Id::JvmHeapSize => JOBMANAGER_JVM_HEAP_SIZE,
            Id::OffHeapSize => JOBMANAGER_OFF_HEAP_SIZE,
            Id::DirectMemoryLimit => JOBMANAGER_DIRECT_MEMORY_LIMIT,
            Id::HeapCutoffRatio => HEAP_CUTOFF_RATIO,
            Id::HeapCutoffMin => HEAP_CUTOFF_MIN,
        }
    }

    /// The deprecated key that Flink still reads when the proper one is absent.
    pub const fn deprecated_key(self, role: Role) -> Option<&'static str> {
        Some(match self {
            Id::ManagedSize => "taskmanager.memory.size",
            Id::NetworkMin => "taskmanager.network.memory.min",
            Id::NetworkMax => "taskmanager.network.memory.max",
            Id::NetworkFraction => "taskmanager.network.memory.fraction",
            Id::KubernetesCpu if matches!(role, Role::JobManager) => "kubernetes.jobmanager.cpu",
            Id::KubernetesCpu => "kubernetes.taskmanager.cpu",
            Id::HeapCutoffRatio => "yarn.heap-cutoff-ratio",
            Id::HeapCutoffMin => "yarn.heap-cutoff-min",
            _ => return None,
        })
    }

    /// The typed field of a `TaskManagerPool` that becomes this option, where there is one.
    pub const fn field_path(self, role: Role) -> Option<&'static str> {
        if matches!(role, Role::JobManager) {
            return None;
        }
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
            _ => return None,
        })
    }

    /// Whether the option's value is a size.
    pub const fn is_size(self) -> bool {
        matches!(
            self,
            Id::ProcessSize
                | Id::FlinkSize
                | Id::JvmMetaspaceSize
                | Id::JvmOverheadMin
                | Id::JvmOverheadMax
                | Id::HeapSize
                | Id::FrameworkHeapSize
                | Id::FrameworkOffHeapSize
                | Id::TaskHeapSize
                | Id::TaskOffHeapSize
                | Id::ManagedSize
                | Id::NetworkMin
                | Id::NetworkMax
                | Id::SegmentSize
                | Id::JvmHeapSize
                | Id::OffHeapSize
        )
    }

    /// Whether the option's value is a fraction of a total.
    pub const fn is_fraction(self) -> bool {
        matches!(
            self,
            Id::ManagedFraction | Id::NetworkFraction | Id::JvmOverheadFraction
        )
    }

    /// Whether the option is a total that others are cut from.
    pub const fn is_total(self) -> bool {
        matches!(
            self,
            Id::ProcessSize | Id::FlinkSize | Id::HeapSize | Id::HeapMb
        )
    }

    /// Whether only Flink's own deployment on Kubernetes reads the option.
    pub const fn is_of_kubernetes(self) -> bool {
        matches!(
            self,
            Id::KubernetesCpu | Id::KubernetesCpuLimitFactor | Id::KubernetesMemoryLimitFactor
        )
    }

    /// Whether only versions up to 1.20 read the option.
    pub const fn is_legacy(self) -> bool {
        matches!(self, Id::NumberOfBuffers | Id::HeapSize | Id::HeapMb)
    }

    /// Whether the option belongs to the heap cut-off, which only the JobManager of 1.10 still has.
    pub const fn is_of_cutoff(self) -> bool {
        matches!(self, Id::HeapCutoffRatio | Id::HeapCutoffMin)
    }

    /// The default of a size option.
    pub fn default_size(self, version: FlinkVersion) -> Option<Bytes> {
        Some(match self {
            Id::FrameworkHeapSize | Id::FrameworkOffHeapSize | Id::OffHeapSize => {
                Bytes::from_mebibytes(128)
            }
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

/// Which option of the process a key names, and whether it is the deprecated spelling.
pub(super) fn lookup(role: Role, key: &str) -> Option<(Id, bool)> {
    // The common prefix decides quickly that a key is none of ours.
    let own = match role {
        Role::TaskManager => key.strip_prefix("taskmanager.").map(taskmanager_option),
        Role::JobManager => key.strip_prefix("jobmanager.").map(jobmanager_option),
    };
    match own {
        Some(found) => found,
        None if key.starts_with("kubernetes.") => kubernetes_option(role, key),
        None => match (role, key) {
            (Role::TaskManager, EXTERNAL_RESOURCES) => Some((Id::ExternalResources, false)),
            (Role::TaskManager, FINE_GRAINED) => Some((Id::FineGrained, false)),
            (Role::JobManager, HEAP_CUTOFF_RATIO) => Some((Id::HeapCutoffRatio, false)),
            (Role::JobManager, HEAP_CUTOFF_MIN) => Some((Id::HeapCutoffMin, false)),
            (Role::JobManager, "yarn.heap-cutoff-ratio") => Some((Id::HeapCutoffRatio, true)),
            (Role::JobManager, "yarn.heap-cutoff-min") => Some((Id::HeapCutoffMin, true)),
            _ => None,
        },
    }
}

fn taskmanager_option(rest: &str) -> Option<(Id, bool)> {
    let id = match rest {
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
    };
    Some((id, false))
}

fn jobmanager_option(rest: &str) -> Option<(Id, bool)> {
    let id = match rest {
        "memory.process.size" => Id::ProcessSize,
        "memory.flink.size" => Id::FlinkSize,
        "memory.heap.size" => Id::JvmHeapSize,
        "memory.off-heap.size" => Id::OffHeapSize,
        "memory.enable-jvm-direct-memory-limit" => Id::DirectMemoryLimit,
        "memory.jvm-metaspace.size" => Id::JvmMetaspaceSize,
        "memory.jvm-overhead.min" => Id::JvmOverheadMin,
        "memory.jvm-overhead.max" => Id::JvmOverheadMax,
        "memory.jvm-overhead.fraction" => Id::JvmOverheadFraction,
        "heap.size" => Id::HeapSize,
        "heap.mb" => Id::HeapMb,
        _ => return None,
    };
    Some((id, false))
}

fn kubernetes_option(role: Role, key: &str) -> Option<(Id, bool)> {
    [
        Id::KubernetesCpu,
        Id::KubernetesCpuLimitFactor,
        Id::KubernetesMemoryLimitFactor,
    ]
    .into_iter()
    .find_map(|id| {
        if id.key(role) == key {
            Some((id, false))
        } else {
            (id.deprecated_key(role) == Some(key)).then_some((id, true))
        }
    })
}

/// Whether a solved budget replaces the option: the configuration of a started TaskManager carries the solved sizes
/// instead of what they were derived from. The external resources stay as they were written, and so does what says
/// nothing about sizes.
#[cfg(feature = "api")]
pub(crate) fn is_replaced_by_budget(key: &str) -> bool {
    key.starts_with("taskmanager.") && lookup(Role::TaskManager, key).is_some()
}

/// The key of an external resource's amount.
pub(super) fn external_resource_amount(name: &str) -> String {
    format!("{EXTERNAL_RESOURCE_PREFIX}{name}.amount")
}

#[cfg(test)]
mod tests {
    use super::{COUNT, Id, Role, lookup};
    use crate::budget::{memory_size, version::FlinkVersion};

    const OF_TASKMANAGER: &str = "\
ProcessSize taskmanager.memory.process.size - spec.memory.process.size
FlinkSize taskmanager.memory.flink.size - spec.memory.flink.size
JvmMetaspaceSize taskmanager.memory.jvm-metaspace.size - spec.memory.jvm.metaspaceSize
JvmOverheadMin taskmanager.memory.jvm-overhead.min - spec.memory.jvm.overhead.min
JvmOverheadMax taskmanager.memory.jvm-overhead.max - spec.memory.jvm.overhead.max
JvmOverheadFraction taskmanager.memory.jvm-overhead.fraction - spec.memory.jvm.overhead.fraction
HeapSize taskmanager.heap.size - -
HeapMb taskmanager.heap.mb - -
KubernetesCpu kubernetes.taskmanager.cpu.amount kubernetes.taskmanager.cpu -
KubernetesCpuLimitFactor kubernetes.taskmanager.cpu.limit-factor - -
KubernetesMemoryLimitFactor kubernetes.taskmanager.memory.limit-factor - -
FrameworkHeapSize taskmanager.memory.framework.heap.size - spec.memory.framework.heapSize
FrameworkOffHeapSize taskmanager.memory.framework.off-heap.size - spec.memory.framework.offHeapSize
TaskHeapSize taskmanager.memory.task.heap.size - spec.memory.task.heapSize
TaskOffHeapSize taskmanager.memory.task.off-heap.size - spec.memory.task.offHeapSize
ManagedSize taskmanager.memory.managed.size taskmanager.memory.size spec.memory.managed.size
ManagedFraction taskmanager.memory.managed.fraction - spec.memory.managed.fraction
NetworkMin taskmanager.memory.network.min taskmanager.network.memory.min spec.memory.network.min
NetworkMax taskmanager.memory.network.max taskmanager.network.memory.max spec.memory.network.max
NetworkFraction taskmanager.memory.network.fraction taskmanager.network.memory.fraction spec.memory.network.fraction
SegmentSize taskmanager.memory.segment-size - spec.memory.network.segmentSize
NumberOfTaskSlots taskmanager.numberOfTaskSlots - spec.taskManager.numberOfTaskSlots
CpuCores taskmanager.cpu.cores - -
ExternalResources external-resources - -
NumberOfBuffers taskmanager.network.numberOfBuffers - -
FineGrained cluster.fine-grained-resource-management.enabled - -
JvmHeapSize jobmanager.memory.heap.size - -
OffHeapSize jobmanager.memory.off-heap.size - -
DirectMemoryLimit jobmanager.memory.enable-jvm-direct-memory-limit - -
HeapCutoffRatio containerized.heap-cutoff-ratio yarn.heap-cutoff-ratio -
HeapCutoffMin containerized.heap-cutoff-min yarn.heap-cutoff-min -
";

    const OF_JOBMANAGER: &str = "\
ProcessSize jobmanager.memory.process.size - -
FlinkSize jobmanager.memory.flink.size - -
JvmMetaspaceSize jobmanager.memory.jvm-metaspace.size - -
JvmOverheadMin jobmanager.memory.jvm-overhead.min - -
JvmOverheadMax jobmanager.memory.jvm-overhead.max - -
JvmOverheadFraction jobmanager.memory.jvm-overhead.fraction - -
HeapSize jobmanager.heap.size - -
HeapMb jobmanager.heap.mb - -
KubernetesCpu kubernetes.jobmanager.cpu.amount kubernetes.jobmanager.cpu -
KubernetesCpuLimitFactor kubernetes.jobmanager.cpu.limit-factor - -
KubernetesMemoryLimitFactor kubernetes.jobmanager.memory.limit-factor - -
FrameworkHeapSize taskmanager.memory.framework.heap.size - -
FrameworkOffHeapSize taskmanager.memory.framework.off-heap.size - -
TaskHeapSize taskmanager.memory.task.heap.size - -
TaskOffHeapSize taskmanager.memory.task.off-heap.size - -
ManagedSize taskmanager.memory.managed.size taskmanager.memory.size -
ManagedFraction taskmanager.memory.managed.fraction - -
NetworkMin taskmanager.memory.network.min taskmanager.network.memory.min -
NetworkMax taskmanager.memory.network.max taskmanager.network.memory.max -
NetworkFraction taskmanager.memory.network.fraction taskmanager.network.memory.fraction -
SegmentSize taskmanager.memory.segment-size - -
NumberOfTaskSlots taskmanager.numberOfTaskSlots - -
CpuCores taskmanager.cpu.cores - -
ExternalResources external-resources - -
NumberOfBuffers taskmanager.network.numberOfBuffers - -
FineGrained cluster.fine-grained-resource-management.enabled - -
JvmHeapSize jobmanager.memory.heap.size - -
OffHeapSize jobmanager.memory.off-heap.size - -
DirectMemoryLimit jobmanager.memory.enable-jvm-direct-memory-limit - -
HeapCutoffRatio containerized.heap-cutoff-ratio yarn.heap-cutoff-ratio -
HeapCutoffMin containerized.heap-cutoff-min yarn.heap-cutoff-min -
";

    /// What of each option only a person can say: its key, its old key, the field of a pool that stands for it.
    #[test]
    fn every_option_has_the_names_of_its_process() {
        let names = |role: Role| {
            let options = Id::ALL.into_iter().map(|id| {
                let old = id.deprecated_key(role).unwrap_or("-");
                let field = id.field_path(role).unwrap_or("-");
                format!("{id:?} {} {old} {field}\n", id.key(role))
            });
            options.collect::<String>()
        };
        assert_eq!(names(Role::TaskManager), OF_TASKMANAGER);
        assert_eq!(names(Role::JobManager), OF_JOBMANAGER);
    }

    #[test]
    fn every_option_is_of_the_kind_that_it_is() {
        let those =
            |is: fn(Id) -> bool| -> Vec<Id> { Id::ALL.into_iter().filter(|id| is(*id)).collect() };
        assert_eq!(
            those(Id::is_fraction),
            [
                Id::JvmOverheadFraction,
                Id::ManagedFraction,
                Id::NetworkFraction
            ]
        );
        assert_eq!(
            those(Id::is_total),
            [Id::ProcessSize, Id::FlinkSize, Id::HeapSize, Id::HeapMb]
        );
        assert_eq!(
            those(Id::is_legacy),
            [Id::HeapSize, Id::HeapMb, Id::NumberOfBuffers]
        );
        assert_eq!(
            those(Id::is_of_cutoff),
            [Id::HeapCutoffRatio, Id::HeapCutoffMin]
        );
        assert_eq!(
            those(Id::is_of_kubernetes),
            [
                Id::KubernetesCpu,
                Id::KubernetesCpuLimitFactor,
                Id::KubernetesMemoryLimitFactor
            ]
        );
        let of_other_kinds = [
            Id::DirectMemoryLimit,
            Id::NumberOfTaskSlots,
            Id::CpuCores,
            Id::ExternalResources,
            Id::FineGrained,
            Id::HeapMb,
            Id::NumberOfBuffers,
        ];
        for id in Id::ALL {
            let is_other = id.is_fraction()
                || id.is_of_kubernetes()
                || id.is_of_cutoff()
                || of_other_kinds.contains(&id);
            assert_eq!(id.is_size(), !is_other, "{id:?}");
        }
        let defaults: Vec<(Id, String)> = Id::ALL
            .into_iter()
            .filter_map(|id| Some((id, memory_size::text(id.default_size(FlinkVersion::V1_20)?))))
            .collect();
        let expected = [
            (Id::JvmMetaspaceSize, "256m"),
            (Id::JvmOverheadMin, "192m"),
            (Id::JvmOverheadMax, "1g"),
            (Id::FrameworkHeapSize, "128m"),
            (Id::FrameworkOffHeapSize, "128m"),
            (Id::TaskOffHeapSize, "0b"),
            (Id::NetworkMin, "64m"),
            (Id::NetworkMax, "9223372036854775807b"),
            (Id::SegmentSize, "32k"),
            (Id::OffHeapSize, "128m"),
        ];
        assert_eq!(defaults, expected.map(|(id, text)| (id, text.to_owned())));
    }

    #[test]
    fn every_key_is_found() {
        let mut found = [false; COUNT];
        for role in [Role::TaskManager, Role::JobManager] {
            for id in Id::ALL {
                assert_eq!(Id::ALL[id as usize], id);
                let Some(same) = lookup(role, id.key(role)) else {
                    continue;
                };
                assert_eq!(same, (id, false));
                found[id as usize] = true;
                if let Some(deprecated) = id.deprecated_key(role) {
                    assert_eq!(lookup(role, deprecated), Some((id, true)));
                }
            }
        }
        assert_eq!(found, [true; COUNT]);
        assert_eq!(lookup(Role::TaskManager, "taskmanager.memory"), None);
        assert_eq!(
            lookup(Role::TaskManager, "jobmanager.memory.process.size"),
            None
        );
        assert_eq!(
            lookup(Role::JobManager, "taskmanager.memory.process.size"),
            None
        );
    }
}
