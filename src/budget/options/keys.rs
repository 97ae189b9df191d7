//! The keys themselves, for everybody who writes an option.
//!
//! Mirrors `TaskManagerOptions`, `JobManagerOptions` and the memory options of `KubernetesConfigOptions`.

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
/// `taskmanager.memory.framework.off-heap.batch-shuffle.size`.
pub const BATCH_SHUFFLE_SIZE: &str = "taskmanager.memory.framework.off-heap.batch-shuffle.size";
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

/// `jobmanager.memory.process.size`.
pub const JOBMANAGER_PROCESS_SIZE: &str = "jobmanager.memory.process.size";
/// `jobmanager.memory.flink.size`.
pub const JOBMANAGER_FLINK_SIZE: &str = "jobmanager.memory.flink.size";
/// `jobmanager.memory.heap.size`.
pub const JOBMANAGER_JVM_HEAP_SIZE: &str = "jobmanager.memory.heap.size";
/// `jobmanager.memory.off-heap.size`.
pub const JOBMANAGER_OFF_HEAP_SIZE: &str = "jobmanager.memory.off-heap.size";
/// `jobmanager.memory.enable-jvm-direct-memory-limit`.
pub const JOBMANAGER_DIRECT_MEMORY_LIMIT: &str = "jobmanager.memory.enable-jvm-direct-memory-limit";
/// `jobmanager.memory.jvm-metaspace.size`.
pub const JOBMANAGER_JVM_METASPACE_SIZE: &str = "jobmanager.memory.jvm-metaspace.size";
/// `jobmanager.memory.jvm-overhead.min`.
pub const JOBMANAGER_JVM_OVERHEAD_MIN: &str = "jobmanager.memory.jvm-overhead.min";
/// `jobmanager.memory.jvm-overhead.max`.
pub const JOBMANAGER_JVM_OVERHEAD_MAX: &str = "jobmanager.memory.jvm-overhead.max";
/// `jobmanager.memory.jvm-overhead.fraction`.
pub const JOBMANAGER_JVM_OVERHEAD_FRACTION: &str = "jobmanager.memory.jvm-overhead.fraction";
/// `jobmanager.heap.size`, read up to 1.20.
pub const JOBMANAGER_HEAP_SIZE: &str = "jobmanager.heap.size";
/// `jobmanager.heap.mb`, read up to 1.20.
pub const JOBMANAGER_HEAP_MB: &str = "jobmanager.heap.mb";
/// The environment variable that the JobManager's legacy heap options are overridden by, read up to 1.20.
pub const JOBMANAGER_HEAP_ENVIRONMENT: &str = "FLINK_JM_HEAP";
/// `containerized.heap-cutoff-ratio`, read for a JobManager up to 1.10.
pub const HEAP_CUTOFF_RATIO: &str = "containerized.heap-cutoff-ratio";
/// `containerized.heap-cutoff-min` in mebibytes, read for a JobManager up to 1.10.
pub const HEAP_CUTOFF_MIN: &str = "containerized.heap-cutoff-min";
/// `kubernetes.taskmanager.cpu.amount`.
pub const KUBERNETES_TASKMANAGER_CPU: &str = "kubernetes.taskmanager.cpu.amount";
/// `kubernetes.taskmanager.cpu.limit-factor`, read from 1.15 on.
pub const KUBERNETES_TASKMANAGER_CPU_LIMIT_FACTOR: &str = "kubernetes.taskmanager.cpu.limit-factor";
/// `kubernetes.taskmanager.memory.limit-factor`, read from 1.15 on.
pub const KUBERNETES_TASKMANAGER_MEMORY_LIMIT_FACTOR: &str =
    "kubernetes.taskmanager.memory.limit-factor";
/// `kubernetes.jobmanager.cpu.amount`.
pub const KUBERNETES_JOBMANAGER_CPU: &str = "kubernetes.jobmanager.cpu.amount";
/// `kubernetes.jobmanager.cpu.limit-factor`, read from 1.15 on.
pub const KUBERNETES_JOBMANAGER_CPU_LIMIT_FACTOR: &str = "kubernetes.jobmanager.cpu.limit-factor";
/// `kubernetes.jobmanager.memory.limit-factor`, read from 1.15 on.
pub const KUBERNETES_JOBMANAGER_MEMORY_LIMIT_FACTOR: &str =
    "kubernetes.jobmanager.memory.limit-factor";
/// `cluster.fine-grained-resource-management.enabled`, read up to 1.18.
pub const FINE_GRAINED: &str = "cluster.fine-grained-resource-management.enabled";
