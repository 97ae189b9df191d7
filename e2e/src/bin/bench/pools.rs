//! Creates pools at a given pace, and notes when each one's budget and Deployment appear.
//!
//! One clock for both ends: the process that sends the create request also holds the watch. A pool's time
//! runs from just before its create request is sent to the moment the watch event that carries its
//! budget has been read. Requests are sent when their time has come, whether or not the ones before are
//! answered, so a slow moment counts for every pool that it concerns.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use e2e::{Cluster, Seen, wait_for};
use futures::{StreamExt, TryStreamExt, future::try_join_all};
use headroom::api::v1alpha1::TaskManagerPool;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams, WatchEvent},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;
use tokio::task::JoinHandle;

/// How many create requests are under way at a time when pools are created at once.
const AT_ONCE: usize = 32;

/// A pool as people write it; the sizes differ, so that no two budgets are the same.
fn pool(number: usize) -> Result<TaskManagerPool> {
    let pool = json!({
        "apiVersion": "headroom.dev/v1alpha1",
        "kind": "TaskManagerPool",
        "metadata": {"name": name(number)},
        "spec": {
            "flinkVersion": "2.1",
            "image": "flink:2.1",
            "clusterRef": {"name": "jobmanager"},
            "taskManager": {
                "numberOfTaskSlots": 2,
                "resources": {
                    "requests": {"cpu": "1"},
                    "limits": {"cpu": "2", "memory": format!("{}Mi", 2048 + number)},
                },
            },
            "memory": {"managed": {"fraction": "0.5"}},
            "flinkConfiguration": {
                "state.backend.type": "rocksdb",
                "execution.checkpointing.interval": "30s",
                "taskmanager.memory.jvm-metaspace.size": "320m",
            },
        },
    });
    serde_json::from_value(pool).context("the pool of the benchmark does not fit its type")
}

fn name(number: usize) -> String {
    format!("pool-{number:04}")
}

/// One namespace that pools are created in.
pub struct Pools {
    client: Client,
    namespace: String,
}

/// When what was seen.
#[derive(Debug, Default)]
pub struct Times {
    /// From a pool's create request to its budget, in milliseconds, in the order of creation.
    pub to_budget: Vec<f64>,
    /// From the first create request to the last pool's creation, budget and Deployment.
    pub last_created: Duration,
    /// See above.
    pub last_budget: Duration,
    /// See above.
    pub last_deployment: Duration,
}

impl Pools {
    /// A new namespace.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn new(cluster: &Cluster) -> Result<Self> {
        Ok(Self {
            client: cluster.client().await?,
            namespace: cluster.namespace("bench").await?,
        })
    }

    /// Creates one pool and deletes it, whether or not a controller runs.
    ///
    /// # Errors
    /// When a request fails, or the pool does not go.
    pub async fn create_and_delete_one(&self) -> Result<()> {
        create(self.api(), 0).await?;
        self.delete().await
    }

    /// Creates `count` pools, `per_second` of them, or as fast as the API server takes them, and waits until
    /// each has a budget and a Deployment.
    ///
    /// # Errors
    /// When a request fails, or something does not appear in two minutes after the last pool was created.
    pub async fn create(&self, count: usize, per_second: Option<usize>) -> Result<Times> {
        let budgets = self
            .watch("headroom.dev/v1alpha1", "taskmanagerpools")
            .await?;
        let deployments = self.watch("apps/v1", "deployments").await?;
        let start = Instant::now();
        let mut created: Vec<Instant> = Vec::with_capacity(count);
        match per_second {
            Some(rate) => {
                let mut requests = Vec::with_capacity(count);
                for number in 0..count {
                    let due =
                        Duration::from_secs(1) * u32::try_from(number)? / u32::try_from(rate)?;
                    tokio::time::sleep_until((start + due).into()).await;
                    requests.push(tokio::spawn(create(self.api(), number)));
                }
                for request in try_join_all(requests).await? {
                    created.push(request?);
                }
            }
            None => {
                let mut requests = futures::stream::iter(0..count)
                    .map(|number| tokio::spawn(create(self.api(), number)))
                    .buffered(AT_ONCE);
                while let Some(request) = requests.next().await {
                    created.push(request??);
                }
            }
        }
        let last_created = start.elapsed();
        budgets.wait_for(count).await?;
        deployments.wait_for(count).await?;

        let budgets = budgets.seen();
        let to_budget = created.iter().enumerate().map(|(number, created)| {
            let seen = budgets
                .get(&name(number))
                .context("a pool that was seen is gone")?;
            Ok(seen.saturating_duration_since(*created).as_secs_f64() * 1000.0)
        });
        let last = |seen: &HashMap<String, Instant>| {
            seen.values()
                .max()
                .map(|last| last.saturating_duration_since(start))
                .unwrap_or_default()
        };
        Ok(Times {
            to_budget: to_budget.collect::<Result<_>>()?,
            last_created,
            last_budget: last(&budgets),
            last_deployment: last(&deployments.seen()),
        })
    }

    /// Deletes all pools and waits until what belonged to them is gone.
    ///
    /// # Errors
    /// When the API server refuses, or something is left after two minutes.
    pub async fn delete(&self) -> Result<()> {
        self.api()
            .delete_collection(&DeleteParams::default(), &ListParams::default())
            .await?;
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        wait_for(
            "pools and Deployments gone",
            Duration::from_secs(120),
            || async {
                let pools = self
                    .api()
                    .list_metadata(&ListParams::default())
                    .await?
                    .items
                    .len();
                let deployments = deployments
                    .list_metadata(&ListParams::default())
                    .await?
                    .items
                    .len();
                Ok(Seen::when(
                    pools + deployments == 0,
                    format!("{pools} pools and {deployments} Deployments left"),
                ))
            },
        )
        .await
    }

    fn api(&self) -> Api<TaskManagerPool> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Watches one resource of the namespace from now on, which has no object yet.
    async fn watch(&self, version: &str, plural: &str) -> Result<Watch> {
        let path = format!("/apis/{version}/namespaces/{}/{plural}", self.namespace);
        let list: Object = self
            .client
            .request(http::Request::get(&path).body(Vec::new())?)
            .await?;
        let from = list.metadata.resource_version;
        let watch = format!("{path}?watch=true&resourceVersion={from}&timeoutSeconds=1800");
        let events = self
            .client
            .request_events::<Object>(http::Request::get(watch).body(Vec::new())?)
            .await?;
        let seen = Arc::<Mutex<HashMap<String, Instant>>>::default();
        let is_pool = plural == "taskmanagerpools";
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                let mut events = std::pin::pin!(events);
                loop {
                    match events
                        .try_next()
                        .await
                        .context("a watch of the benchmark broke")?
                    {
                        Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                            if !is_pool
                                || object.status.is_some_and(|status| status.budget.is_some())
                            {
                                lock(&seen)
                                    .entry(object.metadata.name)
                                    .or_insert_with(Instant::now);
                            }
                        }
                        Some(WatchEvent::Error(error)) => {
                            bail!("a watch of the benchmark was refused: {error}")
                        }
                        Some(_) => {}
                        None => bail!("a watch of the benchmark ended"),
                    }
                }
            }
        });
        Ok(Watch {
            what: plural.to_owned(),
            seen,
            task,
        })
    }
}

async fn create(pools: Api<TaskManagerPool>, number: usize) -> Result<Instant> {
    let pool = pool(number)?;
    let start = Instant::now();
    pools
        .create(&PostParams::default(), &pool)
        .await
        .with_context(|| format!("failed to create {}", name(number)))?;
    Ok(start)
}

/// The little of an object that is looked at.
#[derive(Clone, Debug, Deserialize)]
struct Object {
    metadata: Metadata,
    status: Option<Status>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    resource_version: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Status {
    budget: Option<IgnoredAny>,
}

/// A watch, and when it first saw each object as it should be.
struct Watch {
    what: String,
    seen: Arc<Mutex<HashMap<String, Instant>>>,
    task: JoinHandle<Result<()>>,
}

impl Watch {
    async fn wait_for(&self, count: usize) -> Result<()> {
        wait_for(
            format!("{count} {}", self.what),
            Duration::from_secs(120),
            || async {
                let seen = lock(&self.seen).len();
                if seen < count && self.task.is_finished() {
                    return Ok(Seen::Never(anyhow::anyhow!(
                        "the watch has ended at {seen}"
                    )));
                }
                Ok(Seen::when(seen >= count, seen))
            },
        )
        .await
    }

    fn seen(&self) -> HashMap<String, Instant> {
        lock(&self.seen).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
