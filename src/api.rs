//! The resource `TaskManagerPool` as users write it, and the names that belong to it.
//!
//! This layer holds types, defaults and the static rules that the API server itself enforces (CEL);
//! everything that needs Flink's arithmetic is in `budget`.

pub mod crd;
pub mod v1alpha1;

/// The API group of every resource of Headroom.
pub const GROUP: &str = "headroom.dev";

/// Label on every child: the name of the pool it belongs to.
pub const LABEL_INSTANCE: &str = "app.kubernetes.io/instance";
/// Label on every child: the application, always [`NAME`].
pub const LABEL_NAME: &str = "app.kubernetes.io/name";
/// Label on every child: the part of the application, always [`COMPONENT`].
pub const LABEL_COMPONENT: &str = "app.kubernetes.io/component";
/// Label on every child: who applies it, always [`MANAGED_BY`].
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Label on every child: the Flink version. Never part of a selector, because it changes.
pub const LABEL_VERSION: &str = "app.kubernetes.io/version";

/// Value of [`LABEL_NAME`].
pub const NAME: &str = "flink";
/// Value of [`LABEL_COMPONENT`].
pub const COMPONENT: &str = "taskmanager";
/// Value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "headroom";

/// Annotation on the pod template: digest of the budget the pods run with.
pub const ANNOTATION_BUDGET_HASH: &str = "headroom.dev/budget-hash";
/// Annotation on the pod template: digest of the Flink configuration file the pods run with.
pub const ANNOTATION_CONFIGURATION_HASH: &str = "headroom.dev/configuration-hash";

/// Annotation on every child: digest of the object as it was applied last.
pub const ANNOTATION_APPLIED_DIGEST: &str = "headroom.dev/applied-digest";

/// Name of the container that runs the TaskManager.
pub const TASK_MANAGER_CONTAINER: &str = "taskmanager";

/// Field manager of every child object.
pub const FIELD_MANAGER: &str = "headroom";
/// Field manager of the status of a pool.
pub const STATUS_FIELD_MANAGER: &str = "headroom/status";
