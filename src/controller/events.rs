//! Kubernetes events: only what a person must know, at most once per pool, reason and half minute.
//!
//! An event is published when a status begins to say something bad, so that a restart of the controller
//! publishes nothing, and never because of a good pool.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource};
use tokio::time::Instant;
use tracing::warn;

use super::context::call;
use super::key::ObjectKey;
use crate::api::v1alpha1::TaskManagerPool;

/// Time in which the same reason is published once per pool.
const INTERVAL: Duration = Duration::from_secs(30);
/// Longest note the API server accepts, in bytes.
const LONGEST_NOTE: usize = 1024;

/// Publishes events and remembers for a while which.
pub struct Publisher {
    client: Client,
    instance: String,
    recent: Mutex<HashMap<Subject, Instant>>,
}

/// Uid of a pool and reason of an event.
type Subject = (Box<str>, Box<str>);

/// Something a person must know about a pool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// Reason, from a fixed set.
    pub reason: String,

    /// What happened and what to do, without numbers that change.
    pub note: String,
}

impl Publisher {
    /// A publisher that signs as `instance`, usually the name of the controller's pod.
    #[must_use]
    pub fn new(client: Client, instance: String) -> Self {
        Self {
            client,
            instance,
            recent: Mutex::default(),
        }
    }

    /// Publishes a warning about the pool, unless the same reason was published just before.
    ///
    /// An event that cannot be written is logged and forgotten: the status says the same.
    pub async fn publish(&self, pool: &ObjectKey, uid: &str, warning: &Warning, now: Timestamp) {
        if !self.admit(uid, &warning.reason) {
            return;
        }
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:x}", pool.name, now.as_nanosecond())),
                namespace: Some(pool.namespace.to_string()),
                ..ObjectMeta::default()
            },
            action: Some("Reconcile".to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(shortened(&warning.note)),
            reason: Some(warning.reason.clone()),
            regarding: Some(ObjectReference {
                api_version: Some(TaskManagerPool::api_version(&()).into_owned()),
                kind: Some(TaskManagerPool::kind(&()).into_owned()),
                name: Some(pool.name.to_string()),
                namespace: Some(pool.namespace.to_string()),
                uid: Some(uid.to_owned()),
                ..ObjectReference::default()
            }),
            reporting_controller: Some(format!("{}/controller", crate::api::GROUP)),
            reporting_instance: Some(self.instance.clone()),
            type_: Some("Warning".to_owned()),
            ..Event::default()
        };
        let api: Api<Event> = Api::namespaced(self.client.clone(), &pool.namespace);
        if let Err(error) = call(api.create(&PostParams::default(), &event)).await {
            warn!(%pool, reason = warning.reason, %error, "unable to publish an event");
        }
    }

    fn admit(&self, uid: &str, reason: &str) -> bool {
        let now = Instant::now();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, published| now - *published < INTERVAL);
        let key = (uid.into(), reason.into());
        if recent.contains_key(&key) {
            return false;
        }
        recent.insert(key, now);
        true
    }
}

fn shortened(note: &str) -> String {
    if note.len() <= LONGEST_NOTE {
        return note.to_owned();
    }
    let ellipsis = "…";
    let longest = LONGEST_NOTE - ellipsis.len();
    let end = note
        .char_indices()
        .map(|(start, character)| start + character.len_utf8())
        .take_while(|end| *end <= longest)
        .last()
        .unwrap_or_default();
    format!("{}{ellipsis}", &note[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters_to_what_the_server_takes() {
        assert_eq!(shortened("short"), "short");
        let cut = shortened(&"ü".repeat(2000));
        assert!(
            cut.len() <= LONGEST_NOTE && cut.ends_with("ü…"),
            "{}",
            cut.len()
        );
    }
}
