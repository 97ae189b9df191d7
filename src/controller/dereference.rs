//! Step 1: finds the pool and what is known of its children, from the caches where they can tell.
//!
//! Together with the watches the only reader of the API server. The one request made here is for an object
//! that is in the way of a child: the watches do not see it, because it does not carry our label.

use kube::Api;

use super::cache::ChildView;
use super::context::{Context, call};
use super::error::ReconcileError;
use super::key::ObjectKey;
use super::observed::{Child, ObservedPool, StoredChild};
use super::version::Version;
use crate::api::v1alpha1::{TaskManagerPool, TaskManagerPoolStatus};

/// A pool as it stands in the cluster.
#[derive(Debug)]
pub struct FoundPool {
    /// The pool, if it can be read.
    pub pool: Result<Box<TaskManagerPool>, Box<Unreadable>>,

    /// Which instance and which version of it was seen.
    pub identity: Identity,
}

/// One version of one instance of a pool.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Unique id of the instance.
    pub uid: Box<str>,

    /// Version that was seen.
    pub version: Version,
}

/// A stored pool that does not have the form of one.
#[derive(Debug, thiserror::Error)]
#[error("field {path} cannot be read: {}", without_position(source))]
pub struct Unreadable {
    /// Path of the field.
    pub path: String,

    /// Why.
    pub source: serde_json::Error,

    /// Generation of the pool.
    pub generation: Option<i64>,

    /// Its status, as far as that can be read.
    pub status: TaskManagerPoolStatus,
}

/// The error's words without the line and the column, which say nothing about the object as people see it and
/// change with its resource version: a status that repeats them would never be at rest.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position)
        .map_or(text.clone(), str::to_owned)
}

/// The pool of this key; `None` if there is nothing to do for it, because it has gone or is going.
///
/// The children of a pool that is being deleted go by their owner references.
#[must_use]
pub fn find_pool(context: &Context, key: &ObjectKey) -> Option<FoundPool> {
    let observed = context.caches.lock().pool(key)?;
    if observed.is_deleting {
        return None;
    }
    Some(FoundPool {
        pool: parse(&observed).map(Box::new),
        identity: Identity {
            uid: observed.uid,
            version: observed.version,
        },
    })
}

fn parse(observed: &ObservedPool) -> Result<TaskManagerPool, Box<Unreadable>> {
    let mut deserializer = serde_json::Deserializer::from_slice(&observed.json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Rest {
            metadata: kube::api::ObjectMeta,
            status: serde_json::Value,
        }
        let rest: Rest = serde_json::from_slice(&observed.json).unwrap_or_default();
        Box::new(Unreadable {
            path: error.path().to_string(),
            source: error.into_inner(),
            generation: rest.metadata.generation,
            status: serde_json::from_value(rest.status).unwrap_or_default(),
        })
    })
}

/// Asks the API server for the child of this kind and key, and takes it into the caches if it is there.
///
/// # Errors
/// If the API server does not answer properly.
pub async fn fetch_child<K: Child>(
    context: &Context,
    key: &ObjectKey,
) -> Result<Option<ChildView>, ReconcileError> {
    let api: Api<StoredChild<K>> = Api::namespaced(context.client.clone(), &key.namespace);
    let found = call(api.get_opt(&key.name))
        .await
        .map_err(|source| ReconcileError::Fetch {
            kind: K::KIND,
            name: key.name.to_string(),
            source,
        })?;
    let mut caches = context.caches.lock();
    caches.unblock(K::KIND, key);
    match found {
        Some(stored) => {
            caches.put_child(stored);
            Ok(caches.child(K::KIND, key))
        }
        None => {
            caches.forget_child(K::KIND, key);
            Ok(None)
        }
    }
}
