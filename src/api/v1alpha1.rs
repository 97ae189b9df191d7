//! `TaskManagerPool`, version `v1alpha1`: what a user declares.
//!
//! The doc comments of this file are user documentation: they are what `kubectl explain` prints.
//! Every one says the unit, the default and the Flink key it becomes.

mod memory;
mod resources;
mod status;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use memory::{
    FlinkMemory, FrameworkMemory, JvmMemory, JvmOverhead, ManagedMemory, Memory, MemoryProfile,
    NetworkMemory, ProcessMemory, Reserves, TaskMemory,
};
pub use resources::{Limits, Quantity, Requests, Resources};
pub use status::{
    BudgetStatus, ConflictSeverity, ConflictStatus, Provenance, ReserveStatus, SuggestionStatus,
    Summary, TaskManagerPoolStatus,
};

/// A pool of Flink TaskManagers of one size. Headroom turns the container's memory limit into the
/// size of every Flink memory component and the JVM flags, exactly as Flink does, and keeps a
/// Deployment of that shape; a configuration that cannot work is reported in status, with every
/// conflict and its smallest fix, before any pod starts.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "headroom.dev",
    version = "v1alpha1",
    kind = "TaskManagerPool",
    plural = "taskmanagerpools",
    singular = "taskmanagerpool",
    shortname = "tmpool",
    category = "flink",
    namespaced,
    status = "TaskManagerPoolStatus",
    derive = "PartialEq",
    doc = "A pool of Flink TaskManagers of one size. Headroom turns the container's memory limit into the size of every Flink memory component and the JVM flags, exactly as Flink does, and keeps a Deployment of that shape. A configuration that cannot work is reported in status, with every conflict and its smallest fix, before any pod starts.",
    validation = Rule::new("self.metadata.name.size() <= 52").message("metadata.name: a pool's name has at most 52 characters, because its pods' names are made from it; choose a shorter name"),
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Whether every TaskManager of the declared size is available."),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "Why the pool is or is not ready."),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".spec.replicas", description = "TaskManagers asked for."),
    printcolumn(name = "Available", type_ = "integer", json_path = ".status.availableReplicas", description = "TaskManagers available."),
    printcolumn(name = "Limit", type_ = "string", json_path = ".spec.taskManager.resources.limits.memory", description = "Memory limit of the TaskManager container."),
    printcolumn(name = "Heap", type_ = "string", json_path = ".status.summary.heap", description = "JVM heap (-Xmx)."),
    printcolumn(name = "Managed", type_ = "string", json_path = ".status.summary.managed", description = "Managed memory."),
    printcolumn(name = "Network", type_ = "string", json_path = ".status.summary.network", description = "Network memory.", priority = 1),
    printcolumn(name = "Slots", type_ = "integer", json_path = ".status.numberOfTaskSlots", description = "Task slots of each TaskManager.", priority = 1),
    printcolumn(name = "QoS", type_ = "string", json_path = ".status.qosClass", description = "Quality-of-service class of the pods.", priority = 1),
    printcolumn(name = "Budget", type_ = "string", json_path = ".status.budget.hash", description = "Digest of the budget.", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation.")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.memory) || !has(self.memory.profile) || self.memory.profile != 'ForSt' || !self.flinkVersion.startsWith('1.')").message("memory.profile is ForSt, a state backend that Flink has since 2.0; choose another profile or a newer version").field_path(".memory.profile"),
)]
pub struct TaskManagerPoolSpec {
    /// Number of TaskManagers. Default 1. Written by `kubectl scale`, a HorizontalPodAutoscaler or
    /// KEDA through the scale subresource; Headroom never writes it.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 100_000))]
    pub replicas: i32,

    /// Flink version of the image, as `major.minor` or `major.minor.patch`, from 1.10 to 2.3. It
    /// chooses the defaults and the rules of the memory model, and the configuration file's format.
    #[schemars(length(min = 1, max = 32))]
    pub flink_version: String,

    /// Container image that holds Flink, with the entry point of the official Flink images.
    #[schemars(length(min = 1, max = 1024))]
    pub image: String,

    /// The Flink cluster that the TaskManagers register at.
    pub cluster_ref: ClusterReference,

    /// Slots and container size of one TaskManager.
    pub task_manager: TaskManager,

    /// Flink's memory components, typed. Everything is optional: what is not set, Flink derives from
    /// the container's memory limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,

    /// Flink configuration options, as in Flink's own configuration file: flat keys
    /// (`taskmanager.memory.managed.fraction: "0.5"`) or nested maps. Every key that Flink accepts is
    /// honoured with Flink's own parsing and precedence. A key that repeats a typed field of this
    /// resource is reported as a conflict. At most 1 MiB.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "flink_configuration_schema")]
    pub flink_configuration: BTreeMap<String, serde_json::Value>,

    /// Additional arguments of the TaskManager's JVM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jvm_arguments: Option<JvmArguments>,

    /// What to do when the memory options contradict each other. Default `Reject`.
    #[serde(default)]
    pub on_conflict: OnConflict,

    /// Runs no TaskManager while true, whatever `replicas` says. Default false.
    #[serde(default)]
    pub suspend: bool,

    /// Pod template (`metadata` and `spec`) that is merged over the generated one with the meaning of
    /// Kubernetes' strategic merge: volumes, environment, affinity, tolerations, sidecars and so on.
    /// The container named `taskmanager` takes its cpu and memory from `spec.taskManager.resources` only.
    /// What pods could grant and a pool must not is refused unless the controller was started with a flag
    /// that allows it: host paths, host namespaces, privileged containers, added capabilities, another
    /// service account, secrets, existing PersistentVolumeClaims, nodes and system priorities, devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pod_template_schema")]
    pub pod_template: Option<serde_json::Value>,
}

/// Where the JobManager is.
#[derive(KubeSchema, Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterReference {
    /// Host name of the JobManager: usually the name of its Service in the pool's namespace. Becomes
    /// `jobmanager.rpc.address`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// RPC port of the JobManager. Default 6123. Becomes `jobmanager.rpc.port`.
    #[serde(default = "default_rpc_port")]
    #[schemars(range(min = 1, max = 65_535))]
    pub rpc_port: i32,
}

/// Slots and container size of one TaskManager.
#[derive(KubeSchema, Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskManager {
    /// Number of task slots of each TaskManager. Flink's default is 1. Becomes
    /// `taskmanager.numberOfTaskSlots`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32_767))]
    pub number_of_task_slots: Option<i32>,

    /// Size of the TaskManager's container, in Kubernetes units. The one place for it.
    pub resources: Resources,
}

/// Additional arguments of the TaskManager's JVM.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JvmArguments {
    /// Arguments appended to the JVM's command line, one per item, for example
    /// `-XX:+ExitOnOutOfMemoryError`. Become `env.java.opts.taskmanager`. Flags that set a memory size
    /// which the budget sets (`-Xmx`, `-Xms`, `-XX:MaxDirectMemorySize`, `-XX:MaxMetaspaceSize`) are
    /// reported as a conflict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 1024)))]
    pub extra: Vec<String>,
}

/// What to do when the memory options contradict each other.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema,
)]
pub enum OnConflict {
    /// Change nothing: the last Deployment that worked stays exactly as it is, the conflicts and their
    /// fixes stand in status.
    #[default]
    Reject,
    /// Run with the nearest budget that solves, and say in status what was changed to get there.
    UseLargestFeasible,
}

fn default_replicas() -> i32 {
    1
}

fn default_rpc_port() -> i32 {
    6123
}

/// An object with arbitrary scalar, list or map values, because Flink options may be nested.
fn flink_configuration_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 2048,
        "x-kubernetes-preserve-unknown-fields": true
    })
}

/// Only the outline: the whole schema of a pod would make the resource several hundred kilobytes.
fn pod_template_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "nullable": true,
        "properties": {
            "metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "description": "Labels and annotations added to the pods."},
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "description": "A pod's spec (`kubectl explain pod.spec`), merged over the generated one."}
        }
    })
}
