//! What the controller keeps of the objects it watches: a few hundred bytes each, not whole objects.
//!
//! A pool is kept as the JSON text the API server sent, and parsed when it is reconciled: an object that
//! does not parse is then the business of its own reconcile only, and never stops a list or a watch.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::field_ownership::{FieldSet, FieldSets};
use super::key::ObjectKey;
use super::version::Version;
use crate::api::v1alpha1::TaskManagerPool;
use crate::api::{ANNOTATION_APPLIED_DIGEST, FIELD_MANAGER, LABEL_INSTANCE};

/// A kind of child.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ChildKind {
    /// The identity of the pods.
    ServiceAccount,
    /// The Flink configuration.
    ConfigMap,
    /// How many pods may be evicted at once.
    PodDisruptionBudget,
    /// The TaskManagers.
    Deployment,
}

impl ChildKind {
    /// Every kind of child.
    pub const ALL: [Self; 4] = [
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::PodDisruptionBudget,
        Self::Deployment,
    ];

    /// The kind as Kubernetes writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::ConfigMap => "ConfigMap",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::Deployment => "Deployment",
        }
    }
}

/// A Kubernetes type whose objects can be children of a pool.
pub trait Child:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + std::fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// The kind of child.
    const KIND: ChildKind;
}

impl Child for ServiceAccount {
    const KIND: ChildKind = ChildKind::ServiceAccount;
}
impl Child for ConfigMap {
    const KIND: ChildKind = ChildKind::ConfigMap;
}
impl Child for PodDisruptionBudget {
    const KIND: ChildKind = ChildKind::PodDisruptionBudget;
}
impl Child for Deployment {
    const KIND: ChildKind = ChildKind::Deployment;
}

/// A child as it is read from the API server: metadata, and of a Deployment the status.
///
/// Of the other kinds the API server is asked for the metadata only.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound = "")]
pub struct StoredChild<K> {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Option<Scale>,
    #[serde(default)]
    status: Option<DeploymentStatus>,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

/// The part of a Deployment's spec that is looked at.
#[derive(Clone, Debug, Deserialize)]
struct Scale {
    #[serde(default)]
    replicas: Option<i32>,
}

impl<K: Child> Resource for StoredChild<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn metadata_api() -> bool {
        !matches!(K::KIND, ChildKind::Deployment)
    }
    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }
    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }
    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }
    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// A child as the controller remembers it.
#[derive(Clone, Debug)]
pub struct ObservedChild {
    /// Unique id of this instance.
    pub uid: Box<str>,

    /// Version of this view.
    pub version: Version,

    /// The controlling owner.
    pub owner: Option<Owner>,

    /// Name of the pool in the instance label.
    pub instance: Option<Box<str>>,

    /// Digest of what was applied last, from the annotation.
    pub applied_digest: Option<Box<str>>,

    /// Fields that Headroom owns by server-side apply.
    pub owned: Arc<FieldSet>,

    /// Whether the object is being deleted.
    pub is_deleting: bool,

    /// Of a Deployment: generation and status.
    pub deployment: Option<Arc<ObservedDeployment>>,
}

/// Who controls an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// Kind of the owner, if it is not a pool.
    pub other_kind: Option<Box<str>>,

    /// Name of the owner.
    pub name: Box<str>,

    /// Unique id of the owner.
    pub uid: Box<str>,
}

impl Owner {
    /// The owner for people: `Kind/name`.
    #[must_use]
    pub fn describe(&self) -> String {
        let kind = self.other_kind.as_deref().unwrap_or("TaskManagerPool");
        format!("{kind}/{}", self.name)
    }
}

/// What status needs to know of a Deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedDeployment {
    /// Generation of the Deployment's spec.
    pub generation: Option<i64>,

    /// Pods that its spec asks for.
    pub replicas: Option<i32>,

    /// Status, as its controller wrote it.
    pub status: Option<DeploymentStatus>,
}

impl ObservedChild {
    /// Whether nothing differs that says if the child is as it should be.
    #[must_use]
    pub fn is_same_but_for_status(&self, other: &Self) -> bool {
        self.uid == other.uid
            && self.owner == other.owner
            && self.applied_digest == other.applied_digest
            && self.owned == other.owned
            && self.is_deleting == other.is_deleting
    }

    /// Whether nothing that the controller looks at differs.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_same_but_for_status(other) && self.deployment == other.deployment
    }
}

impl<K: Child> StoredChild<K> {
    /// Reduces the object to what is remembered; `None` without a name, a namespace or a uid, which
    /// every stored object has.
    pub fn observe(self, sets: &mut FieldSets) -> Option<(ObjectKey, ObservedChild)> {
        let metadata = self.metadata;
        let key = ObjectKey::new(metadata.namespace.as_deref()?, metadata.name.as_deref()?);
        let owner = metadata
            .owner_references
            .iter()
            .flatten()
            .find(|owner| owner.controller == Some(true))
            .map(|owner| {
                let group = owner.api_version.split_once('/').map(|(group, _)| group);
                let is_pool = owner.kind == TaskManagerPool::kind(&())
                    && group == Some(&*TaskManagerPool::group(&()));
                Owner {
                    other_kind: (!is_pool).then(|| owner.kind.as_str().into()),
                    name: owner.name.as_str().into(),
                    uid: owner.uid.as_str().into(),
                }
            });
        let annotation = |name: &str| {
            let value = metadata.annotations.as_ref()?.get(name)?;
            Some(value.as_str().into())
        };
        let observed = ObservedChild {
            uid: metadata.uid.as_deref()?.into(),
            version: Version::new(metadata.resource_version.as_deref().unwrap_or_default()),
            owner,
            instance: metadata
                .labels
                .as_ref()
                .and_then(|labels| labels.get(LABEL_INSTANCE))
                .map(|name| name.as_str().into()),
            applied_digest: annotation(ANNOTATION_APPLIED_DIGEST),
            is_deleting: metadata.deletion_timestamp.is_some(),
            owned: sets.of_manager(metadata.managed_fields, FIELD_MANAGER),
            deployment: matches!(K::KIND, ChildKind::Deployment).then(|| {
                Arc::new(ObservedDeployment {
                    generation: metadata.generation,
                    replicas: self.spec.and_then(|spec| spec.replicas),
                    status: self.status,
                })
            }),
        };
        Some((key, observed))
    }
}

/// A pool as it is read from the API server: its metadata and its whole text.
#[derive(Clone, Debug)]
pub struct StoredPool {
    metadata: ObjectMeta,
    json: Arc<[u8]>,
}

impl<'de> Deserialize<'de> for StoredPool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        let mut value = Value::deserialize(deserializer)?;
        let mut metadata = Value::Null;
        if let Some(found) = value.get_mut("metadata") {
            if let Some(members) = found.as_object_mut() {
                members.remove("managedFields");
                // A second copy of the whole object, which nobody here reads.
                if let Some(annotations) = members
                    .get_mut("annotations")
                    .and_then(Value::as_object_mut)
                {
                    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
                }
            }
            metadata = found.clone();
        }
        Ok(Self {
            metadata: serde_json::from_value(metadata).map_err(D::Error::custom)?,
            json: serde_json::to_vec(&value).map_err(D::Error::custom)?.into(),
        })
    }
}

impl Resource for StoredPool {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        TaskManagerPool::kind(&())
    }
    fn group((): &()) -> Cow<'_, str> {
        TaskManagerPool::group(&())
    }
    fn version((): &()) -> Cow<'_, str> {
        TaskManagerPool::version(&())
    }
    fn plural((): &()) -> Cow<'_, str> {
        TaskManagerPool::plural(&())
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// A pool as the controller remembers it.
#[derive(Clone, Debug)]
pub struct ObservedPool {
    /// Unique id of this instance.
    pub uid: Box<str>,

    /// Version of this view.
    pub version: Version,

    /// Whether the pool is being deleted.
    pub is_deleting: bool,

    /// The object as JSON, without `metadata.managedFields`.
    pub json: Arc<[u8]>,
}

impl StoredPool {
    /// Reduces the object to what is remembered; `None` without a name, a namespace or a uid, which
    /// every stored object has.
    #[must_use]
    pub fn observe(self) -> Option<(ObjectKey, ObservedPool)> {
        let metadata = self.metadata;
        let key = ObjectKey::new(metadata.namespace.as_deref()?, metadata.name.as_deref()?);
        let observed = ObservedPool {
            uid: metadata.uid.as_deref()?.into(),
            version: Version::new(metadata.resource_version.as_deref().unwrap_or_default()),
            is_deleting: metadata.deletion_timestamp.is_some(),
            json: self.json,
        };
        Some((key, observed))
    }
}
