//! The typed memory block: Flink's memory components under Flink's own names.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::budget::Profile;

/// Flink's memory components. Sizes are written as Flink writes them: `512m`, `1 gb`, `65536` (bytes);
/// fractions as text: `"0.4"`.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Kind of job, whose defaults stand in for Flink's: `Stateless`, `HashMap`, `RocksDB`, `ForSt`,
    /// `Batch`, `Session` or `Custom`. Whatever is written in `spec` wins over a profile; status says
    /// which values come from it. Default `Custom`: Flink's own defaults and no reserves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<MemoryProfile>,

    /// Parts of the container that Flink's process does not get. They are taken from the memory limit
    /// before everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserves: Option<Reserves>,

    /// Total of the TaskManager process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessMemory>,

    /// Total of Flink: the process without JVM metaspace and JVM overhead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flink: Option<FlinkMemory>,

    /// Memory of Flink's own code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework: Option<FrameworkMemory>,

    /// Memory of the job's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskMemory>,

    /// Managed memory: state backends, sorting and hashing, Python workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedMemory>,

    /// Network memory: the buffers that records travel in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkMemory>,

    /// Memory of the JVM itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jvm: Option<JvmMemory>,
}

/// Kind of job, whose defaults stand in for Flink's.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
pub enum MemoryProfile {
    /// Streaming without keyed state: no managed memory.
    Stateless,
    /// State on the JVM's heap: no managed memory.
    HashMap,
    /// State in RocksDB: a reserve for what goes beyond its cache.
    #[serde(rename = "RocksDB")]
    RocksDb,
    /// State in ForSt, from Flink 2.0 on: a reserve for what goes beyond its cache.
    ForSt,
    /// Bounded jobs: buffers for a blocking shuffle in each slot.
    Batch,
    /// Many jobs in one TaskManager: room for their classes.
    Session,
    /// Flink's own defaults and no reserves.
    Custom,
}

impl From<MemoryProfile> for Profile {
    fn from(profile: MemoryProfile) -> Profile {
        match profile {
            MemoryProfile::Stateless => Profile::Stateless,
            MemoryProfile::HashMap => Profile::HashMap,
            MemoryProfile::RocksDb => Profile::RocksDb,
            MemoryProfile::ForSt => Profile::ForSt,
            MemoryProfile::Batch => Profile::Batch,
            MemoryProfile::Session => Profile::Session,
            MemoryProfile::Custom => Profile::Custom,
        }
    }
}

/// Parts of the container that Flink's process does not get.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reserves {
    /// For what a native state backend takes beyond the memory that Flink gave it, a Flink size.
    /// Default: the profile's, otherwise 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.matches('(?i)^[ \\t]*[0-9]+[ \\t]*(b|bytes|k|kb|kibibytes|m|mb|mebibytes|g|gb|gibibytes|t|tb|tebibytes)?[ \\t]*$')").message("not a size as Flink writes it; write for example 256m"))]
    pub native_overshoot: Option<String>,

    /// For Python interpreters beside the JVM, beyond the managed memory that they use, a Flink size.
    /// Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.matches('(?i)^[ \\t]*[0-9]+[ \\t]*(b|bytes|k|kb|kibibytes|m|mb|mebibytes|g|gb|gibibytes|t|tb|tebibytes)?[ \\t]*$')").message("not a size as Flink writes it; write for example 256m"))]
    pub python_workers: Option<String>,

    /// For any other process in the TaskManager's own container, a Flink size. Default 0. A sidecar has
    /// a container and a limit of its own, and needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.matches('(?i)^[ \\t]*[0-9]+[ \\t]*(b|bytes|k|kb|kibibytes|m|mb|mebibytes|g|gb|gibibytes|t|tb|tebibytes)?[ \\t]*$')").message("not a size as Flink writes it; write for example 256m"))]
    pub other_processes: Option<String>,

    /// For volumes in memory (`emptyDir` of medium `Memory`) that the TaskManager mounts, a Flink size:
    /// what is written to them counts against the container's limit. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.matches('(?i)^[ \\t]*[0-9]+[ \\t]*(b|bytes|k|kb|kibibytes|m|mb|mebibytes|g|gb|gibibytes|t|tb|tebibytes)?[ \\t]*$')").message("not a size as Flink writes it; write for example 256m"))]
    pub memory_volumes: Option<String>,
}

/// Total of the TaskManager process.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessMemory {
    /// Total process memory, a Flink size. Default: the container's memory limit without the reserves.
    /// Becomes `taskmanager.memory.process.size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub size: Option<String>,
}

/// Total of Flink.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlinkMemory {
    /// Total Flink memory, a Flink size. Default: what the process leaves after JVM metaspace and JVM
    /// overhead. Becomes `taskmanager.memory.flink.size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub size: Option<String>,
}

/// Memory of Flink's own code.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkMemory {
    /// JVM heap for Flink's framework, a Flink size. Flink's default is 128m. Becomes
    /// `taskmanager.memory.framework.heap.size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub heap_size: Option<String>,

    /// Direct and native memory for Flink's framework, a Flink size. Flink's default is 128m. Becomes
    /// `taskmanager.memory.framework.off-heap.size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub off_heap_size: Option<String>,
}

/// Memory of the job's code.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskMemory {
    /// JVM heap for operators and user code, a Flink size. Default: what total Flink memory leaves
    /// after every other component. Becomes `taskmanager.memory.task.heap.size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub heap_size: Option<String>,

    /// Direct and native memory for operators and user code, a Flink size. Flink's default is 0.
    /// Becomes `taskmanager.memory.task.off-heap.size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub off_heap_size: Option<String>,
}

/// Managed memory.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.size) && has(self.fraction))").message("managed.size and managed.fraction are both set, and Flink would silently ignore the fraction; remove one of them"))]
pub struct ManagedMemory {
    /// Managed memory, a Flink size. Default: the fraction. Becomes `taskmanager.memory.managed.size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub size: Option<String>,

    /// Managed memory as a fraction of total Flink memory, text between "0" and below "1". Flink's
    /// default is "0.4". Becomes `taskmanager.memory.managed.fraction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub fraction: Option<String>,
}

/// Network memory.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkMemory {
    /// Least network memory, a Flink size. Flink's default is 64m. Becomes
    /// `taskmanager.memory.network.min`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub min: Option<String>,

    /// Most network memory, a Flink size. Flink's default is 1g up to 1.16 and unlimited from 1.17.
    /// Becomes `taskmanager.memory.network.max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub max: Option<String>,

    /// Network memory as a fraction of total Flink memory, text between "0" and below "1". Flink's
    /// default is "0.1". Becomes `taskmanager.memory.network.fraction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub fraction: Option<String>,

    /// Size of one memory segment, a Flink size, a power of two of at least 4096 bytes. Flink's default
    /// is 32k. Becomes `taskmanager.memory.segment-size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub segment_size: Option<String>,
}

/// Memory of the JVM itself.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JvmMemory {
    /// JVM metaspace, a Flink size. Flink's default is 256m. Becomes
    /// `taskmanager.memory.jvm-metaspace.size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub metaspace_size: Option<String>,

    /// JVM overhead: thread stacks, code cache, garbage collector and native libraries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overhead: Option<JvmOverhead>,
}

/// JVM overhead.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JvmOverhead {
    /// Least JVM overhead, a Flink size. Flink's default is 192m. Becomes
    /// `taskmanager.memory.jvm-overhead.min`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub min: Option<String>,

    /// Most JVM overhead, a Flink size. Flink's default is 1g. Becomes
    /// `taskmanager.memory.jvm-overhead.max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub max: Option<String>,

    /// JVM overhead as a fraction of total process memory, text between "0" and below "1". Flink's
    /// default is "0.1". Becomes `taskmanager.memory.jvm-overhead.fraction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub fraction: Option<String>,
}
