//! Takes what the watches deliver into the caches and asks the queue for the reconciles that follow.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::watcher;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::Chain;
use super::cache::Effect;
use super::context::Context;
use super::key::ObjectKey;
use super::observed::{Child, StoredChild, StoredPool};
use super::queue::Queue;
use super::readiness::{Gate, Readiness};
use super::watch::{Delivery, Event, Source};

/// How long events of children are gathered before their pool is reconciled.
const CHILD_DEBOUNCE: Duration = Duration::from_millis(50);
/// The same for events that only tell of a Deployment's progress: its status changes several times within a
/// moment, and the pool's status need not follow every step.
const PROGRESS_DEBOUNCE: Duration = Duration::from_millis(500);

/// Takes what the watches deliver into the caches and asks the queue for the reconciles that follow.
pub struct Intake {
    context: Arc<Context>,
    readiness: Arc<Readiness>,
    streams: Vec<Stream>,
}

struct Stream {
    source: Source,
    listed: HashSet<ObjectKey>,
    is_complete: bool,
    is_failing: bool,
}

impl Intake {
    /// An intake for these streams.
    pub fn new(sources: &[Source], context: Arc<Context>, readiness: &Arc<Readiness>) -> Self {
        Self {
            context,
            readiness: Arc::clone(readiness),
            streams: sources
                .iter()
                .map(|source| Stream {
                    source: source.clone(),
                    listed: HashSet::new(),
                    is_complete: false,
                    is_failing: false,
                })
                .collect(),
        }
    }

    /// Takes one delivery.
    pub fn take(&mut self, delivery: Delivery, queue: &mut Queue) {
        let Delivery { stream, event } = delivery;
        match event {
            Ok(Event::Pool(event)) => self.take_pool(stream, event, queue),
            Ok(Event::ServiceAccount(event)) => self.take_child(stream, event, queue),
            Ok(Event::ConfigMap(event)) => self.take_child(stream, event, queue),
            Ok(Event::PodDisruptionBudget(event)) => self.take_child(stream, event, queue),
            Ok(Event::Deployment(event)) => self.take_child(stream, event, queue),
            Err(error) => self.note_failure(stream, &error),
        }
    }

    fn take_pool(&mut self, stream: usize, event: watcher::Event<StoredPool>, queue: &mut Queue) {
        let now = Instant::now();
        let changed = match event {
            watcher::Event::Init => {
                self.begin_list(stream);
                None
            }
            watcher::Event::InitApply(stored) => {
                let put = self.context.caches.lock().put_pool(stored);
                if let Some((key, _)) = &put {
                    self.note_listed(stream, key);
                }
                put
            }
            watcher::Event::Apply(stored) => {
                self.note_success(stream);
                self.context.caches.lock().put_pool(stored)
            }
            watcher::Event::Delete(stored) => self.context.caches.lock().remove_pool(stored),
            watcher::Event::InitDone => {
                let (namespace, listed) = self.end_list(stream);
                let gone = self
                    .context
                    .caches
                    .lock()
                    .retain_pools(namespace.as_deref(), &listed);
                for key in gone {
                    queue.request(key, now);
                }
                None
            }
        };
        if let Some((key, Effect::Changed)) = changed {
            queue.request(key, now);
        }
    }

    fn take_child<K: Child>(
        &mut self,
        stream: usize,
        event: watcher::Event<StoredChild<K>>,
        queue: &mut Queue,
    ) {
        let now = Instant::now();
        let child = match event {
            watcher::Event::Init => {
                self.begin_list(stream);
                None
            }
            watcher::Event::InitApply(stored) => {
                let put = self.context.caches.lock().put_child(stored);
                if let Some(child) = &put {
                    self.note_listed(stream, &child.key);
                }
                put
            }
            watcher::Event::Apply(stored) => {
                self.note_success(stream);
                self.context.caches.lock().put_child(stored)
            }
            watcher::Event::Delete(stored) => self.context.caches.lock().remove_child(stored),
            watcher::Event::InitDone => {
                let (namespace, listed) = self.end_list(stream);
                let owners = self.context.caches.lock().retain_children(
                    K::KIND,
                    namespace.as_deref(),
                    &listed,
                );
                for owner in owners {
                    queue.request(owner, now + CHILD_DEBOUNCE);
                }
                None
            }
        };
        // A child of a pool that does not exist asks for nothing.
        if let Some(child) = child
            && let Some(owner) = child.owner
            && self.context.caches.lock().pool(&owner).is_some()
        {
            let debounce = if child.is_status_only {
                PROGRESS_DEBOUNCE
            } else {
                CHILD_DEBOUNCE
            };
            queue.request(owner, now + debounce);
        }
    }

    fn begin_list(&mut self, stream: usize) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.listed = HashSet::new();
        }
    }

    fn note_listed(&mut self, stream: usize, key: &ObjectKey) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.listed.insert(key.clone());
        }
    }

    fn end_list(&mut self, stream: usize) -> (Option<String>, HashSet<ObjectKey>) {
        self.note_success(stream);
        let Some(entry) = self.streams.get_mut(stream) else {
            return (None, HashSet::new());
        };
        entry.is_complete = true;
        let listed = std::mem::take(&mut entry.listed);
        let Source { gate, namespace } = entry.source.clone();
        let was_ready = self.readiness.is_ready();
        if self
            .streams
            .iter()
            .all(|stream| stream.source.gate != gate || stream.is_complete)
        {
            self.readiness.open(gate);
        }
        debug!(resource = gate.as_str(), objects = listed.len(), "listed");
        if !was_ready && self.readiness.is_ready() {
            info!("ready");
        }
        (namespace, listed)
    }

    fn note_success(&mut self, stream: usize) {
        if let Some(stream) = self.streams.get_mut(stream)
            && stream.is_failing
        {
            stream.is_failing = false;
            info!(resource = stream.source.gate.as_str(), "watching again");
        }
    }

    /// Says once that a watch fails, and what to do if that is not the network's doing.
    fn note_failure(&mut self, stream: usize, cause: &watcher::Error) {
        let Some(stream) = self.streams.get_mut(stream) else {
            return;
        };
        let resource = stream.source.gate.as_str();
        self.context.metrics.count_watch_error(resource);
        if std::mem::replace(&mut stream.is_failing, true) {
            debug!(resource, error = %Chain(cause), "still unable to watch");
            return;
        }
        match refusal_code(cause) {
            Some(404) if stream.source.gate == Gate::Pools => warn!(
                "waiting for the definition of taskmanagerpools.{}: install it with \
                 `kubectl apply -f crds/headroom.dev_taskmanagerpools.yaml`, or with the chart",
                crate::api::GROUP
            ),
            Some(code @ (401 | 403)) => error!(
                resource,
                code,
                error = %Chain(cause),
                "not allowed to list and watch; grant it to the controller's service account"
            ),
            _ => warn!(resource, error = %Chain(cause), "watch interrupted, trying again"),
        }
    }
}

fn refusal_code(error: &watcher::Error) -> Option<u16> {
    let (watcher::Error::InitialListFailed(source)
    | watcher::Error::WatchStartFailed(source)
    | watcher::Error::WatchFailed(source)) = error
    else {
        return None;
    };
    match source {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}
