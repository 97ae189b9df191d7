//! What Headroom observed and decided for a pool. Sizes are plain bytes.
//!
//! The status is small (bounded lists, no copies of specs) and quiet: nothing in it changes while
//! nothing happens.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What Headroom observed and decided.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskManagerPoolStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// TaskManager pods that exist.
    #[serde(default)]
    pub replicas: i32,

    /// TaskManager pods that are ready.
    #[serde(default)]
    pub ready_replicas: i32,

    /// TaskManager pods of the current template.
    #[serde(default)]
    pub updated_replicas: i32,

    /// TaskManager pods that are available.
    #[serde(default)]
    pub available_replicas: i32,

    /// Label selector of the TaskManager pods, as text, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub selector: Option<String>,

    /// Task slots of each TaskManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_of_task_slots: Option<i32>,

    /// Quality-of-service class of the pods: Guaranteed or Burstable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub qos_class: Option<String>,

    /// The main sizes as text, for the columns of `kubectl get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub summary: Option<Summary>,

    /// The budget that the Deployment runs with. While the spec has conflicts this is the last budget
    /// that solved.
    // Atomic: one writer writes it whole, and the API server need not remember who owns each number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub budget: Option<BudgetStatus>,

    /// Everything that is wrong with the spec, errors first, then warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["code".into(), "option".into()]))]
    pub conflicts: Vec<ConflictStatus>,

    /// Changes to the memory options that make them solve, all of them together: as few as possible, each as
    /// small as possible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub joint_suggestion: Vec<SuggestionStatus>,

    /// Conditions: Ready, Available, BudgetResolved; Reconciling and Stalled while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The main sizes as text.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// JVM heap.
    #[schemars(length(max = 32))]
    pub heap: String,

    /// Managed memory.
    #[schemars(length(max = 32))]
    pub managed: String,

    /// Network memory.
    #[schemars(length(max = 32))]
    pub network: String,
}

/// The size of every component, in bytes.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetStatus {
    /// Digest of the sizes; also an annotation of the pod template.
    #[schemars(length(max = 64))]
    pub hash: String,

    /// Generation of the spec that this budget was solved for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,

    /// Memory limit of the container.
    pub container_limit_bytes: i64,

    /// Total process memory.
    pub process_bytes: i64,

    /// Total Flink memory.
    pub flink_bytes: i64,

    /// Framework heap.
    pub framework_heap_bytes: i64,

    /// Framework off-heap.
    pub framework_off_heap_bytes: i64,

    /// Task heap.
    pub task_heap_bytes: i64,

    /// Task off-heap.
    pub task_off_heap_bytes: i64,

    /// Network memory.
    pub network_bytes: i64,

    /// Managed memory.
    pub managed_bytes: i64,

    /// JVM metaspace.
    pub jvm_metaspace_bytes: i64,

    /// JVM overhead.
    pub jvm_overhead_bytes: i64,

    /// What of the container's limit neither a component nor a reserve uses.
    pub unassigned_bytes: i64,

    /// Profile whose defaults stand in for Flink's; absent for `Custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub profile: Option<String>,

    /// Parts of the container's limit that the process does not get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub reserves: Vec<ReserveStatus>,

    /// Network segments: network memory divided by the segment size.
    pub network_segments: i64,

    /// Managed segments: managed memory divided by the segment size.
    pub managed_segments: i64,

    /// Smallest container limit, in whole MiB, that solves with these options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_limit_bytes: Option<i64>,

    /// Smallest container limit, in whole MiB, with which Flink starts comfortably: these options
    /// solve, and the task heap is no smaller than in the configuration that Flink ships.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comfortable_limit_bytes: Option<i64>,

    /// Where each component's size comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["component".into()]))]
    pub provenance: Vec<Provenance>,

    /// JVM flags of the TaskManager.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 256)))]
    pub jvm_arguments: Vec<String>,
}

/// One part of the container's limit that the process does not get.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReserveStatus {
    /// What it is for, for example `nativeOvershoot`.
    #[schemars(length(max = 32))]
    pub name: String,

    /// Its size.
    pub bytes: i64,

    /// Where the size comes from: `Configured` or `Profile`.
    #[schemars(length(max = 32))]
    pub source: String,
}

/// Where one component's size comes from.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Component, by Flink's name, for example `taskHeap`.
    #[schemars(length(max = 32))]
    pub component: String,

    /// Where the size comes from, for example `Configured`, `Default`, `Profile`, `Fraction`,
    /// `ClampedToMaximum`, `Remainder`.
    #[schemars(length(max = 32))]
    pub source: String,
}

/// How grave a conflict is.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema,
)]
pub enum ConflictSeverity {
    /// The TaskManager would not start, or would be killed.
    #[default]
    Error,
    /// It works, but probably not as meant.
    Warning,
}

/// One thing that is wrong, with its smallest fix.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConflictStatus {
    /// Stable code, for example `ComponentsExceedTotal`.
    #[schemars(length(max = 64))]
    pub code: String,

    /// Option that the conflict is about first.
    #[schemars(length(max = 256))]
    pub option: String,

    /// Whether the pool can run.
    pub severity: ConflictSeverity,

    /// All options that take part, where there is more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 256)))]
    pub options: Vec<String>,

    /// Field of this resource that holds the option's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub field_path: Option<String>,

    /// The value of that option, as it was configured or by default.
    #[schemars(length(max = 256))]
    pub configured: String,

    /// What that value would have to be; where no change of it alone helps, what the sum would have to be.
    #[schemars(length(max = 256))]
    pub bound: String,

    /// Where parts are added: what they come to, or leave, and what that would have to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub sum: Option<String>,

    /// What is wrong, in one sentence with the sum written out, ending with the way out.
    #[schemars(length(max = 1024))]
    pub message: String,

    /// Changes of one option each, of which each alone resolves the conflict; the best first. None where no single
    /// option can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub suggestions: Vec<SuggestionStatus>,
}

/// One change that resolves a conflict.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuggestionStatus {
    /// Field of this resource to change.
    #[schemars(length(max = 256))]
    pub field_path: String,

    /// Value to write there; absent: remove the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub value: Option<String>,

    /// Where the value is the nearest round one: the bound itself, to the byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub exact: Option<String>,
}
