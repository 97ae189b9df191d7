//! Runs the controller against the in-memory API server until nothing happens any more, under a paused
//! clock: minutes of backoff pass in milliseconds.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use headroom::controller::client::Calls;
use headroom::controller::metrics::Metrics;
use headroom::controller::readiness::Readiness;
use headroom::controller::{Controller, Options};
use headroom::desired::Settings;
use k8s_openapi::jiff::Timestamp;
use kube::client::ClientBuilder;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::fields::Writer;
use super::serve::FakeApi;
use super::store::{Key, Resource};

/// Time without a write after which a run counts as settled: longer than any call's deadline and the first
/// steps of the backoff together.
const QUIET: Duration = Duration::from_secs(45);
/// Time after which a run that never settles has failed.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A controller that runs while somebody waits for it.
pub struct Run {
    api: FakeApi,
    controller: BoxFuture<'static, ()>,
    pub readiness: Arc<Readiness>,
    pub metrics: Arc<Metrics>,
}

impl Run {
    /// A controller for this API server; it starts with the first wait.
    pub fn new(api: &FakeApi) -> Self {
        Self::stopped_by(api, std::future::pending())
    }

    /// One that drains when `stop` completes.
    pub fn stopped_by(api: &FakeApi, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        let metrics = Arc::new(Metrics::default());
        let served = api.clone();
        let client = ClientBuilder::new(
            tower::service_fn(move |request| served.clone().serve(request)),
            "default",
        )
        .with_layer(&Calls::new(&metrics))
        .build();
        let controller = Controller::new(
            client,
            Arc::clone(&metrics),
            Options {
                namespaces: Vec::new(),
                concurrency: 4,
                settings: Settings::default(),
                instance: "test".to_owned(),
                // One moment for all of a run, so that final states can be compared.
                now: || Timestamp::UNIX_EPOCH,
            },
        );
        Self {
            api: api.clone(),
            readiness: controller.readiness(),
            metrics,
            controller: controller.run(stop).boxed(),
        }
    }

    /// Lets the controller work for this long.
    pub async fn work(&mut self, time: Duration) {
        tokio::select! {
            () = &mut self.controller => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    /// Lets the controller work until it ends; returns how long that took.
    pub async fn finish(self) -> Duration {
        let start = Instant::now();
        self.controller.await;
        start.elapsed()
    }

    /// Lets the controller work until it has written nothing for a while. If a write ends in a crash, the
    /// controller is dropped where it stands and a new one goes on.
    pub async fn settle(&mut self) {
        let start = Instant::now();
        let mut writes = self.api.writes().len();
        let mut since = Instant::now();
        loop {
            assert!(
                start.elapsed() < PATIENCE,
                "never settled: {:#?}",
                self.api.writes()
            );
            let crashed = tokio::select! {
                () = &mut self.controller => panic!("the controller ended"),
                () = self.api.crashed() => true,
                () = tokio::time::sleep(Duration::from_secs(1)) => false,
            };
            if crashed {
                *self = Self::new(&self.api);
            }
            let now = self.api.writes().len();
            if crashed || now != writes {
                writes = now;
                since = Instant::now();
            } else if since.elapsed() >= QUIET {
                return;
            }
        }
    }
}

/// A pool that can run.
pub fn pool(name: &str) -> Value {
    json!({
        "apiVersion": "headroom.dev/v1alpha1",
        "kind": "TaskManagerPool",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": 2,
            "flinkVersion": "2.1",
            "image": "flink:2.1",
            "clusterRef": {"name": "jobmanager"},
            "taskManager": {
                "numberOfTaskSlots": 2,
                "resources": {"limits": {"cpu": "2", "memory": "4Gi"}},
            },
        },
    })
}

/// Key of an object in the namespace `default`.
pub fn key(plural: &str, name: &str) -> Key {
    let resource = match plural {
        "taskmanagerpools" => Resource::new("headroom.dev", "v1alpha1", plural),
        "deployments" => Resource::new("apps", "v1", plural),
        "poddisruptionbudgets" => Resource::new("policy", "v1", plural),
        "events" => Resource::new("events.k8s.io", "v1", plural),
        _ => Resource::new("", "v1", plural),
    };
    (resource, "default".to_owned(), name.to_owned())
}

/// Every kind of child, with the ending of its name.
pub const CHILDREN: [(&str, &str); 4] = [
    ("serviceaccounts", ""),
    ("configmaps", "-configuration"),
    ("poddisruptionbudgets", ""),
    ("deployments", ""),
];

const USER: Writer<'static> = Writer {
    manager: "kubectl",
    subresource: None,
    force: false,
};

impl FakeApi {
    /// Creates an object as a user.
    pub fn create(&self, plural: &str, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.with_store(|store| store.post(&key(plural, &name), object, USER))
            .unwrap();
    }

    /// Changes an object as a user.
    pub fn edit(&self, plural: &str, name: &str, change: impl FnOnce(&mut Value)) {
        self.with_store(|store| store.update(&key(plural, name), USER, change))
            .unwrap();
    }

    /// Deletes an object as a user.
    pub fn delete(&self, plural: &str, name: &str) {
        self.with_store(|store| store.delete(&key(plural, name)))
            .unwrap();
    }

    /// An object, or null.
    pub fn object(&self, plural: &str, name: &str) -> Value {
        self.with_store(|store| store.get(&key(plural, name)))
            .unwrap_or_default()
    }

    /// Status and reason of a pool's condition.
    pub fn condition(&self, pool: &str, kind: &str) -> Option<(String, String)> {
        let object = self.object("taskmanagerpools", pool);
        let condition = object["status"]["conditions"]
            .as_array()?
            .iter()
            .find(|condition| condition["type"] == kind)?;
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        Some((text("status"), text("reason")))
    }

    /// Everything that stands in the namespace, without what differs from run to run: uids and versions.
    pub fn state(&self) -> Value {
        self.with_store(|store| {
            let mut all = Vec::new();
            for plural in ["taskmanagerpools"]
                .into_iter()
                .chain(CHILDREN.map(|(plural, _)| plural))
            {
                for mut object in store.list(&key(plural, "").0, None) {
                    let metadata = object["metadata"].as_object_mut().unwrap();
                    metadata.remove("uid");
                    metadata.remove("resourceVersion");
                    for owner in metadata
                        .get_mut("ownerReferences")
                        .and_then(Value::as_array_mut)
                        .into_iter()
                        .flatten()
                    {
                        owner["uid"] = json!("the pool's");
                    }
                    for entry in metadata["managedFields"].as_array_mut().unwrap() {
                        if let Some(fields) = entry["fieldsV1"]["f:metadata"].as_object_mut() {
                            fields.remove("f:ownerReferences");
                        }
                    }
                    all.push(object);
                }
            }
            json!(all)
        })
    }
}
