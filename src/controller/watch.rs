//! The watch streams: one per kind and namespace, merged, each with its own backoff.
//!
//! Together with `dereference` the only reader of the API server.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{BoxStream, SelectAll, select_all};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::observed::{StoredChild, StoredPool};
use super::readiness::Gate;
use crate::api::{LABEL_MANAGED_BY, MANAGED_BY};

/// Objects in one page of a list: bounds the memory that a list takes at once.
const PAGE_SIZE: u32 = 50;
/// First and longest pause between tries of a watch that fails.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Time without a failure after which a stream counts as sound again.
const QUIET_TIME: Duration = Duration::from_secs(60);

/// An event of one of the watched kinds.
#[derive(Clone, Debug)]
pub enum Event {
    /// Of a pool.
    Pool(watcher::Event<StoredPool>),
    /// Of a ServiceAccount.
    ServiceAccount(watcher::Event<StoredChild<ServiceAccount>>),
    /// Of a ConfigMap.
    ConfigMap(watcher::Event<StoredChild<ConfigMap>>),
    /// Of a PodDisruptionBudget.
    PodDisruptionBudget(watcher::Event<StoredChild<PodDisruptionBudget>>),
    /// Of a Deployment.
    Deployment(watcher::Event<StoredChild<Deployment>>),
}

/// What a stream delivers.
#[derive(Debug)]
pub struct Delivery {
    /// Number of the stream it came from.
    pub stream: usize,

    /// The event, or why there is none at the moment; the stream goes on in either case.
    pub event: Result<Event, watcher::Error>,
}

/// All streams, and what each of them is about.
pub struct Watches {
    /// The merged streams; they never end.
    pub deliveries: SelectAll<BoxStream<'static, Delivery>>,

    /// For each stream its kind and its namespace (`None`: all).
    pub sources: Vec<Source>,
}

/// What one stream is about.
#[derive(Clone, Debug)]
pub struct Source {
    /// The kind, as the gate that opens when its first list is complete.
    pub gate: Gate,

    /// The namespace; all if `None`.
    pub namespace: Option<String>,
}

/// Starts watching pools and children in the given namespaces, in all if none is given.
#[must_use]
pub fn watch(client: &Client, namespaces: &[String]) -> Watches {
    let mut watches = Watches {
        deliveries: select_all([]),
        sources: Vec::new(),
    };
    let scopes: Vec<Option<String>> = if namespaces.is_empty() {
        vec![None]
    } else {
        namespaces.iter().cloned().map(Some).collect()
    };
    for scope in scopes {
        let scope = scope.as_deref();
        watches.add(client, scope, Gate::Pools, Event::Pool);
        watches.add(client, scope, Gate::ServiceAccounts, Event::ServiceAccount);
        watches.add(client, scope, Gate::ConfigMaps, Event::ConfigMap);
        watches.add(
            client,
            scope,
            Gate::PodDisruptionBudgets,
            Event::PodDisruptionBudget,
        );
        watches.add(client, scope, Gate::Deployments, Event::Deployment);
    }
    watches
}

impl Watches {
    fn add<K>(
        &mut self,
        client: &Client,
        namespace: Option<&str>,
        gate: Gate,
        wrap: fn(watcher::Event<K>) -> Event,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let api = match namespace {
            Some(namespace) => Api::<K>::namespaced(client.clone(), namespace),
            None => Api::<K>::all(client.clone()),
        };
        let mut config = watcher::Config::default().page_size(PAGE_SIZE);
        if gate != Gate::Pools {
            config = config.labels(&format!("{LABEL_MANAGED_BY}={MANAGED_BY}"));
        }
        let stream = self.sources.len();
        self.sources.push(Source {
            gate,
            namespace: namespace.map(str::to_owned),
        });
        self.deliveries.push(
            watcher(api, config)
                .backoff(Pauses::default())
                .map(move |event| Delivery {
                    stream,
                    event: event.map(wrap),
                })
                .boxed(),
        );
    }
}

/// Pauses between tries of a failing stream: doubling, bounded, from the start after a quiet time.
///
/// A success does not reset them at once: a watcher announces each new list as a success before the list
/// itself can fail.
#[derive(Debug, Default)]
struct Pauses {
    failures: u32,
    last: Option<Instant>,
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = Instant::now();
        if self.last.is_some_and(|last| now - last > QUIET_TIME) {
            self.failures = 0;
        }
        let pause = PAUSES.0.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        self.last = Some(now);
        Some(pause.min(PAUSES.1))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_a_bound_and_start_again_after_a_quiet_time() {
        let mut pauses = Pauses::default();
        let first: Vec<_> = pauses
            .by_ref()
            .take(7)
            .map(|pause| pause.as_millis())
            .collect();
        assert_eq!(first, [250, 500, 1000, 2000, 4000, 5000, 5000]);
        pauses.reset();
        assert_eq!(pauses.next(), Some(PAUSES.1), "one success proves nothing");
        tokio::time::advance(QUIET_TIME + Duration::from_secs(1)).await;
        assert_eq!(pauses.next(), Some(PAUSES.0));
    }
}
