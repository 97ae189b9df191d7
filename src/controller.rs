//! The controller: keeps the children and the status of every pool as they should be.
//!
//! One task owns everything: it takes in what the watches deliver, decides from the queue which pools are
//! due, and drives a bounded number of reconciles. A reconcile has five steps, one file each:
//! [`dereference`] → [`validate`] → [`build`] → [`apply`] → [`status`]; the three in the middle and the
//! content of a status are pure functions of their arguments.
//!
//! A panic is a defect: the release build aborts, the kubelet starts the controller anew, and because every
//! step can be repeated it goes on where it stopped.

pub mod admin;
pub mod apply;
pub mod build;
pub mod cache;
pub mod client;
pub mod context;
pub mod dereference;
pub mod error;
pub mod events;
pub mod field_ownership;
mod intake;
pub mod key;
pub mod metrics;
pub mod observed;
mod pool_series;
pub mod queue;
pub mod readiness;
pub mod reconcile;
pub mod status;
pub mod validate;
pub mod version;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::time::Instant;
use tracing::{info, warn};

use self::cache::Caches;
use self::context::Context;
use self::events::Publisher;
use self::intake::Intake;
use self::key::ObjectKey;
use self::metrics::Metrics;
use self::queue::{Next, Queue};
use self::readiness::Readiness;
use crate::desired::Settings;

/// How often to ask an API server that does not answer yet.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);
/// Longest time that the reconciles under way get to finish when the controller is told to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(9);

/// What the controller was started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespaces to look at; all if empty.
    pub namespaces: Vec<String>,

    /// Most reconciles at one time; at least 1.
    pub concurrency: usize,

    /// What a pool may ask for.
    pub settings: Settings,

    /// Name under which events are published, usually the pod's.
    pub instance: String,

    /// The time of day.
    pub now: fn() -> Timestamp,
}

/// The controller, ready to run.
pub struct Controller {
    context: Arc<Context>,
    readiness: Arc<Readiness>,
    namespaces: Vec<String>,
    concurrency: usize,
}

/// One reconcile under way: comes back with its pool and what it asks for next.
type Running = BoxFuture<'static, (ObjectKey, Next)>;

impl Controller {
    /// A controller that works through `client`.
    #[must_use]
    pub fn new(client: Client, metrics: Arc<Metrics>, options: Options) -> Self {
        let publisher = Publisher::new(client.clone(), options.instance);
        Self {
            context: Arc::new(Context {
                client,
                caches: Arc::new(Caches::default()),
                metrics,
                settings: options.settings,
                publisher,
                now: options.now,
            }),
            readiness: Arc::default(),
            namespaces: options.namespaces,
            concurrency: options.concurrency.max(1),
        }
    }

    /// The gates, for `/readyz`.
    #[must_use]
    pub fn readiness(&self) -> Arc<Readiness> {
        Arc::clone(&self.readiness)
    }

    /// What is known of the cluster, for `/metrics`.
    #[must_use]
    pub fn caches(&self) -> Arc<Caches> {
        Arc::clone(&self.context.caches)
    }

    /// Works until `stop` completes and then until the reconciles under way have finished, or
    /// [`DRAIN_TIMEOUT`] has passed.
    ///
    /// Nothing is lost when this future is dropped at any point: the next run starts from what stands in
    /// the cluster.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        tokio::select! {
            () = await_api_server(&self.context.client) => {}
            () = &mut stop => return,
        }
        let mut watches = watch::watch(&self.context.client, &self.namespaces);
        let mut intake = Intake::new(&watches.sources, Arc::clone(&self.context), &self.readiness);
        let mut queue = Queue::default();
        let mut running: FuturesUnordered<Running> = FuturesUnordered::new();
        let mut drain_until: Option<Instant> = None;
        loop {
            if drain_until.is_none() && self.readiness.is_ready() {
                let now = Instant::now();
                while running.len() < self.concurrency
                    && let Some(key) = queue.take_due(now)
                {
                    running.push(reconcile_one(Arc::clone(&self.context), key));
                }
            }
            self.context.metrics.set_queue_depth(queue.depth());
            if drain_until.is_some() && running.is_empty() {
                return;
            }
            // A pool that is due but finds no free place waits for a reconcile to finish, not for a time.
            let wake = match drain_until {
                Some(until) => Some(until),
                None if running.len() < self.concurrency && self.readiness.is_ready() => {
                    queue.next_due()
                }
                None => None,
            };
            tokio::select! {
                Some(delivery) = watches.deliveries.next(), if drain_until.is_none() => {
                    intake.take(delivery, &mut queue);
                }
                Some((key, next)) = running.next(), if !running.is_empty() => {
                    queue.finish(&key, next, Instant::now());
                }
                () = sleep_until(wake) => {
                    if drain_until.is_some() {
                        warn!(unfinished = running.len(), "stopping although reconciles are under way");
                        return;
                    }
                }
                () = &mut stop, if drain_until.is_none() => {
                    info!(under_way = running.len(), "stopping");
                    drain_until = Some(Instant::now() + DRAIN_TIMEOUT);
                }
            }
        }
    }
}

fn reconcile_one(context: Arc<Context>, key: ObjectKey) -> Running {
    async move {
        let next = reconcile::reconcile(&context, &key).await;
        (key, next)
    }
    .boxed()
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Waits until the API server answers anything at all, so that the watches do not begin with a backoff.
async fn await_api_server(client: &Client) {
    let mut is_first = true;
    loop {
        match context::call(client.apiserver_version()).await {
            Ok(version) => {
                info!(version = version.git_version, "the API server answers");
                return;
            }
            Err(error) if error.refusal().is_some() => return,
            Err(error) => {
                if is_first {
                    warn!(error = %Chain(&error), "waiting for the API server");
                    is_first = false;
                }
            }
        }
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}

/// Shows an error with all its causes.
pub(crate) struct Chain<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = self.0.to_string();
        formatter.write_str(&text)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let next = error.to_string();
            // Some errors repeat their cause's words in their own.
            if !text.contains(&next) {
                write!(formatter, ": {next}")?;
            }
            text = next;
            cause = error.source();
        }
        Ok(())
    }
}
