//! Makes the children what they should be: the only writer of children.
//!
//! Three rules. A child is written only when the one that was observed was applied from other content, or
//! when somebody took a field of ours. Every write says which instance it means (its uid, or that there is
//! none), so an object of the same name that belongs to somebody else is never touched. What the server
//! answered goes into the cache before anything else is decided.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde::Serialize;
use serde_json::{Value, json};

use super::cache::ChildView;
use super::context::{Context, call};
use super::dereference::fetch_child;
use super::error::ReconcileError;
use super::key::ObjectKey;
use super::observed::{Child, ObservedChild, Owner, StoredChild};
use crate::api::FIELD_MANAGER;
use crate::desired::{Applied, Prepared, Resources};
use crate::manifest::Manifest;

/// Tries within one reconcile when the child changes under our hands.
const TRIES: usize = 3;

/// A resource version that no object ever has, because etcd's first revision holds none. In an apply it
/// means "only if there is no such object": creation ignores it, an existing object differs from it.
const ABSENT: &str = "1";

/// What became of a pool's children.
#[derive(Debug)]
pub struct Written {
    /// The children as they stand in the cluster.
    pub resources: Resources<Applied>,

    /// How many of them had to be written.
    pub writes: usize,
}

/// Applies the children of a pool where that is needed.
///
/// Order: the ServiceAccount, the ConfigMap and the PodDisruptionBudget at once, because none needs another;
/// the Deployment last, because its pods use the other three from their first moment.
///
/// # Errors
/// The first child that could not be applied; the Deployment is not touched then.
pub async fn apply(
    context: &Context,
    pool: &ObjectKey,
    uid: &str,
    prepared: Resources<Prepared>,
) -> Result<Written, ReconcileError> {
    let Resources {
        service_account,
        config_map,
        pod_disruption_budget,
        deployment,
        state: _,
    } = prepared;
    let (first, second, third) = futures::join!(
        apply_child(context, pool, uid, &service_account),
        apply_child(context, pool, uid, &config_map),
        apply_child(context, pool, uid, &pod_disruption_budget),
    );
    let (first, second, third) = (first?, second?, third?);
    let last = apply_child(context, pool, uid, &deployment).await?;
    let writes = [&first, &second, &third, &last]
        .iter()
        .filter(|child| child.was_written)
        .count();
    Ok(Written {
        resources: Resources::applied(
            as_observed(service_account, &first.observed),
            as_observed(config_map, &second.observed),
            as_observed(pod_disruption_budget, &third.observed),
            observed_deployment(deployment, &last.observed),
        ),
        writes,
    })
}

/// The object as it was applied, with the identity that the API server gave it.
fn as_observed<K: Child>(mut object: K, observed: &ObservedChild) -> K {
    object.meta_mut().uid = Some(observed.uid.to_string());
    object
}

/// The Deployment as it was applied, with its identity, generation and status.
fn observed_deployment(deployment: Deployment, observed: &ObservedChild) -> Deployment {
    let mut deployment = as_observed(deployment, observed);
    if let Some(seen) = &observed.deployment {
        deployment.metadata.generation = seen.generation;
        deployment.status = seen.status.clone();
    }
    deployment
}

/// A child as it stands in the cluster, and whether this reconcile wrote it.
#[derive(Clone, Debug)]
struct AppliedChild {
    /// The child.
    observed: ObservedChild,

    /// Whether it had to be written.
    was_written: bool,
}

/// Applies one child if that is needed.
async fn apply_child<K: Child + Serialize>(
    context: &Context,
    pool: &ObjectKey,
    pool_uid: &str,
    child: &K,
) -> Result<AppliedChild, ReconcileError> {
    let manifest = Manifest::new(child).map_err(|source| ReconcileError::Encode {
        kind: K::KIND,
        source,
    })?;
    let key = ObjectKey {
        namespace: pool.namespace.clone(),
        name: manifest.name.as_str().into(),
    };
    let name = || manifest.name.clone();
    let is_blocked = context.caches.lock().is_blocked(K::KIND, &key);
    let mut view = if is_blocked {
        fetch_child::<K>(context, &key).await?
    } else {
        context.caches.lock().child(K::KIND, &key)
    };
    for _ in 0..TRIES {
        let precondition = match &view {
            None => json!({ "resourceVersion": ABSENT }),
            Some(child) if !is_owned_by(&child.observed, pool_uid) => {
                context.caches.lock().block(K::KIND, &key, pool);
                return Err(ReconcileError::Foreign {
                    kind: K::KIND,
                    name: name(),
                    owner: child.observed.owner.as_ref().map(Owner::describe),
                });
            }
            Some(child) if is_as_applied(child, &manifest) || child.observed.is_deleting => {
                return Ok(AppliedChild {
                    observed: child.observed.clone(),
                    was_written: false,
                });
            }
            Some(child) => json!({ "uid": child.observed.uid }),
        };
        let body = with_metadata(&manifest.object, precondition);
        let api: Api<StoredChild<K>> = Api::namespaced(context.client.clone(), &key.namespace);
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        match call(api.patch(&key.name, &parameters, &Patch::Apply(&body))).await {
            Ok(stored) => {
                let mut caches = context.caches.lock();
                caches.unblock(K::KIND, &key);
                if let Some(observed) = caches.put_applied(stored, &manifest.digest) {
                    return Ok(AppliedChild {
                        observed,
                        was_written: true,
                    });
                }
                break;
            }
            Err(error) if error.is_conflict() => {
                view = fetch_child::<K>(context, &key).await?;
            }
            Err(error) if error.is_rejection() => {
                return Err(ReconcileError::Rejected {
                    kind: K::KIND,
                    name: name(),
                    message: error
                        .refusal()
                        .map(|status| status.message.clone())
                        .unwrap_or_default(),
                });
            }
            Err(source) => {
                return Err(ReconcileError::Apply {
                    kind: K::KIND,
                    name: name(),
                    source,
                });
            }
        }
    }
    Err(ReconcileError::Unsteady {
        kind: K::KIND,
        name: name(),
    })
}

/// Whether the child's controlling owner is the pool with this uid.
#[must_use]
pub fn is_owned_by(child: &ObservedChild, pool_uid: &str) -> bool {
    child
        .owner
        .as_ref()
        .is_some_and(|owner| *owner.uid == *pool_uid)
}

/// Whether applying the manifest to the child would change nothing.
fn is_as_applied(child: &ChildView, manifest: &Manifest) -> bool {
    child.settled.as_deref() == Some(manifest.digest.as_str())
        || (child.observed.applied_digest.as_deref() == Some(manifest.digest.as_str())
            && child.observed.owned.covers(&manifest.object))
}

fn with_metadata(object: &Value, precondition: Value) -> Value {
    let mut object = object.clone();
    if let (Some(metadata), Value::Object(precondition)) = (
        object.get_mut("metadata").and_then(Value::as_object_mut),
        precondition,
    ) {
        metadata.extend(precondition);
    }
    object
}
