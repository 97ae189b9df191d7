//! From a pool to the objects that should exist: [`validate`], then [`build`]. No client, no clock, no environment.
//!
//! Builders see only a [`ValidatedPool`], never the resource as it was written, so nothing unchecked can reach an
//! object. The controller and `headroom render` build the same objects from the same pool.

mod addresses;
mod config_map;
pub(crate) mod configuration_file;
mod conflict;
mod container_resources;
mod deployment;
mod flink_configuration;
mod hash;
mod jvm;
mod labels;
mod memory_volumes;
mod merge;
mod pod_disruption_budget;
mod pod_template;
mod privileges;
mod request;
mod service_account;
mod settings;
mod static_rules;
mod validate;

use std::{fmt, marker::PhantomData};

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, PodTemplateSpec, ServiceAccount},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::Resource;

#[cfg(feature = "cli")]
pub(crate) use self::static_rules::profile_unknown_to;
pub use self::{
    addresses::Ports,
    config_map::config_map_name,
    configuration_file::ConfigurationFile,
    container_resources::ContainerResources,
    labels::{selector_labels, selector_text},
    settings::{Allowance, FLAG as ALLOWANCE_FLAG, Settings, UnknownAllowance},
    validate::{request_of, validate},
};
#[cfg(feature = "cli")]
pub(crate) use self::{conflict::At, flink_configuration::flattened};
use crate::{
    api::v1alpha1::TaskManagerPool,
    budget::{Budget, Conflict, FlinkError, FlinkVersion, Request, Severity, Suggestion},
    bytes::Bytes,
};

/// A pool that can run: everything that the builders need, and nothing that was not checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedPool {
    /// Name of the pool and of its Deployment.
    pub name: String,
    /// Namespace of the pool and of its children; `None` in a file that names none.
    pub namespace: Option<String>,
    /// Identity of the pool; `None` in a file that was never stored, whose children then have no owner.
    pub uid: Option<String>,
    /// Generation of the spec.
    pub generation: Option<i64>,
    /// TaskManagers that should run: 0 while the pool is suspended.
    pub replicas: i32,
    /// Whether the pool is suspended.
    pub suspended: bool,
    /// Image of the TaskManager's container.
    pub image: String,
    /// Flink version of the image.
    pub flink_version: FlinkVersion,
    /// Host name of the JobManager.
    pub job_manager_address: String,
    /// Requests and limits of the TaskManager's container.
    pub container_resources: ContainerResources,
    /// What was asked of the solver, with the changes of [`ValidatedPool::adjustments`].
    pub request: Request,
    /// The solved budget, with the solver's warnings.
    pub budget: Budget,
    /// Smallest container limit, in whole MiB, that solves with these options.
    pub minimum_limit: Option<Bytes>,
    /// Smallest container limit, in whole MiB, with which Flink starts comfortably.
    pub comfortable_limit: Option<Bytes>,
    /// What `onConflict: UseLargestFeasible` changed to get a budget; empty if it solved as it was written.
    pub adjustments: Vec<Suggestion>,
    /// Everything that is worth a look, and what each adjustment replaced.
    pub warnings: Vec<Conflict>,
    /// The options that fix every size, in the order of the container's arguments.
    pub options: Vec<(String, String)>,
    /// Flink's configuration file.
    pub configuration_file: ConfigurationFile,
    /// Where the TaskManager listens.
    pub ports: Ports,
    /// The user's pod template, read and vetted.
    pub pod_template: PodTemplateSpec,
    /// Digest of the sizes and slots.
    pub budget_hash: String,
    /// Digest of the configuration file.
    pub configuration_hash: String,
}

/// A pool that cannot run as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid {
    /// Everything that is wrong with it, errors first; at least one is an error.
    pub conflicts: Vec<Conflict>,
    /// Smallest container limit, in whole MiB, with which its memory options solve; `None` where no limit helps.
    pub minimum_limit: Option<Bytes>,
    /// Smallest container limit, in whole MiB, with which Flink starts comfortably; `None` where no limit helps.
    pub comfortable_limit: Option<Bytes>,
    /// Changes that make the memory options solve, all of them together; empty where it is not they that are wrong.
    pub joint: Vec<Suggestion>,
    /// What is known of its memory; `None` if the version or the memory limit cannot be read.
    pub memory: Option<Box<KnownMemory>>,
}

/// What the solver said of the memory of a pool that cannot run.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownMemory {
    /// What was asked.
    pub request: Request,
    /// The budget, where the memory options solve as they are and something else is wrong.
    pub budget: Option<Budget>,
    /// What Flink itself would throw for them.
    pub flink_error: Option<FlinkError>,
}

impl Invalid {
    /// The conflicts that keep the pool from running.
    pub fn errors(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts
            .iter()
            .filter(|conflict| conflict.severity == Severity::Error)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut errors = self.errors();
        if let Some(first) = errors.next() {
            write!(formatter, "{}: {}", first.code, first.message)?;
        }
        match errors.count() {
            0 => Ok(()),
            more => write!(formatter, " (and {more} more)"),
        }
    }
}

impl std::error::Error for Invalid {}

/// Mark of [`Resources`] that should exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {}

/// Mark of [`Resources`] that exist: what the API server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {}

/// The children of a pool.
///
/// Whoever applies them destructures without `..`, so that a new kind that nobody applies does not compile. Only
/// what was applied becomes [`Applied`], so status can never describe what was merely intended.
#[derive(Clone, Debug, PartialEq)]
pub struct Resources<State> {
    /// Identity of the pods.
    pub service_account: ServiceAccount,
    /// Flink's configuration file.
    pub config_map: ConfigMap,
    /// Protection against evictions.
    pub pod_disruption_budget: PodDisruptionBudget,
    /// The TaskManagers.
    pub deployment: Deployment,
    /// Whether they should exist or do.
    pub state: PhantomData<State>,
}

impl Resources<Applied> {
    /// The children as the API server answered them.
    #[must_use]
    pub fn applied(
        service_account: ServiceAccount,
        config_map: ConfigMap,
        pod_disruption_budget: PodDisruptionBudget,
        deployment: Deployment,
    ) -> Self {
        Self {
            service_account,
            config_map,
            pod_disruption_budget,
            deployment,
            state: PhantomData,
        }
    }
}

/// The children that a pool should have.
///
/// # Guarantees
/// The same pool gives the same objects, in every process and, except for a change that is meant to restart pods,
/// in every release.
#[must_use]
pub fn build(pool: &ValidatedPool) -> Resources<Prepared> {
    Resources {
        service_account: service_account::build_service_account(pool),
        config_map: config_map::build_config_map(pool),
        pod_disruption_budget: pod_disruption_budget::build_pod_disruption_budget(pool),
        deployment: deployment::build_deployment(pool),
        state: PhantomData,
    }
}

/// Metadata of a child.
fn metadata(pool: &ValidatedPool, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: pool.namespace.clone(),
        labels: Some(labels::recommended_labels(&pool.name, pool.flink_version)),
        owner_references: pool.uid.as_ref().map(|uid| {
            vec![OwnerReference {
                api_version: TaskManagerPool::api_version(&()).into_owned(),
                kind: TaskManagerPool::kind(&()).into_owned(),
                name: pool.name.clone(),
                uid: uid.clone(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]
        }),
        ..ObjectMeta::default()
    }
}
