//! The HTTP side of the in-memory API server, and its faults.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::fields::Writer;
use super::request::{Call, Target, event, form_pairs, selects, write_to};
use super::store::{Refusal, Resource, Store};

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// What to do with one write.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fault {
    /// Do it and answer.
    #[default]
    None,
    /// Do nothing and refuse with this code.
    Refuse(u16),
    /// Do nothing and never answer.
    Hang,
    /// Do it, then break the connection.
    LoseReply,
    /// Do it, never answer, and tell whoever waits in [`FakeApi::crashed`].
    Crash,
}

/// A write as it was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Write {
    /// Place among all writes of clients, from 0.
    pub index: usize,
    pub method: &'static str,
    pub plural: String,
    pub name: String,
    pub subresource: Option<String>,
}

type FaultPlan = Box<dyn FnMut(&Write) -> Fault + Send>;

/// The in-memory API server.
#[derive(Clone)]
pub struct FakeApi(Arc<Inner>);

struct Inner {
    store: Mutex<Store>,
    version: watch::Sender<u64>,
    plan: Mutex<FaultPlan>,
    writes: Mutex<Vec<Write>>,
    reads: Mutex<Vec<String>>,
    crashed: Notify,
    options: Mutex<Behaviour>,
}

/// What the server knows and plays.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// Whether the definition of TaskManagerPool is installed.
    pub knows_pools: bool,
    /// Whether Deployments become available as soon as they are written.
    pub runs_deployments: bool,
    /// Whether the server answers at all.
    pub answers: bool,
    /// Whether watches deliver; if not, what happens meanwhile is delivered later.
    pub watches_deliver: bool,
    /// Whether children of a deleted object are deleted.
    pub collects_garbage: bool,
    /// What an admission webhook makes of every Deployment that is applied.
    pub admission: Option<fn(&mut Value)>,
}

impl Default for FakeApi {
    fn default() -> Self {
        Self(Arc::new(Inner {
            store: Mutex::default(),
            version: watch::Sender::new(0),
            plan: Mutex::new(Box::new(|_| Fault::None)),
            writes: Mutex::default(),
            reads: Mutex::default(),
            crashed: Notify::new(),
            options: Mutex::new(Behaviour {
                knows_pools: true,
                runs_deployments: true,
                answers: true,
                watches_deliver: true,
                collects_garbage: true,
                admission: None,
            }),
        }))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeApi {
    /// A service for `kube::Client::new`.
    pub async fn serve(self, request: Request<Body>) -> Result<Answer, std::io::Error> {
        if !lock(&self.0.options).answers {
            return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        }
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap_or_default();
        let asks_metadata = parts
            .headers
            .get(http::header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("as=PartialObjectMetadata"));
        let query: Vec<(String, String)> = form_pairs(parts.uri.query().unwrap_or_default());
        let call = Call {
            method: parts.method,
            content_type: parts
                .headers
                .get(http::header::CONTENT_TYPE)
                .and_then(|kind| kind.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            query,
            body,
            asks_metadata,
        };
        self.route(parts.uri.path(), call).await
    }

    /// A client without the controller's limits.
    pub fn client(&self) -> kube::Client {
        let api = self.clone();
        kube::Client::new(
            tower::service_fn(move |request| api.clone().serve(request)),
            "default",
        )
    }

    /// Changes what the server knows and plays.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut lock(&self.0.options));
        // Wakes the watches and the garbage collector.
        self.with_store(|store| store.version += 1);
    }

    /// Decides about each write of a client from now on.
    pub fn plan(&self, plan: impl FnMut(&Write) -> Fault + Send + 'static) {
        *lock(&self.0.plan) = Box::new(plan);
    }

    /// Completes when a write was answered by [`Fault::Crash`].
    pub async fn crashed(&self) {
        self.0.crashed.notified().await;
    }

    /// The writes that clients asked for so far, including those that came to nothing.
    pub fn writes(&self) -> Vec<Write> {
        lock(&self.0.writes).clone()
    }

    /// The reads that clients asked for so far: `get`, `list` or `watch`, and the path.
    pub fn reads(&self) -> Vec<String> {
        lock(&self.0.reads).clone()
    }

    /// Direct access to the objects, as another client that is never disturbed.
    pub fn with_store<T>(&self, access: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = lock(&self.0.store);
        let result = access(&mut store);
        if lock(&self.0.options).collects_garbage {
            store.collect_garbage();
        }
        self.play(&mut store);
        self.0.version.send_replace(store.version);
        result
    }

    /// Plays the Deployment controller.
    fn play(&self, store: &mut Store) {
        if !lock(&self.0.options).runs_deployments {
            return;
        }
        let resource = Resource::new("apps", "v1", "deployments");
        for deployment in store.list(&resource, None) {
            let generation = deployment["metadata"]["generation"].clone();
            if deployment["status"]["observedGeneration"] == generation {
                continue;
            }
            let replicas = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
            let condition = |kind: &str, reason: &str| {
                json!({
                    "type": kind, "status": "True", "reason": reason, "message": "",
                    "lastUpdateTime": "2026-01-01T00:00:00Z",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                })
            };
            let status = json!({
                "observedGeneration": generation,
                "replicas": replicas, "updatedReplicas": replicas,
                "readyReplicas": replicas, "availableReplicas": replicas,
                "conditions": [
                    condition("Available", "MinimumReplicasAvailable"),
                    condition("Progressing", "NewReplicaSetAvailable"),
                ],
            });
            let text = |field: &str| {
                deployment["metadata"][field]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            let key = (resource.clone(), text("namespace"), text("name"));
            let writer = Writer {
                manager: "kube-controller-manager",
                subresource: Some("status"),
                force: false,
            };
            store
                .update(&key, writer, |object| object["status"] = status)
                .unwrap();
        }
    }

    async fn route(&self, path: &str, call: Call) -> Result<Answer, std::io::Error> {
        if path == "/version" {
            return Ok(answer(
                200,
                &json!({
                    "major": "1", "minor": "36", "gitVersion": "v1.36.4", "gitCommit": "",
                    "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
                }),
            ));
        }
        let Some(target) = Target::parse(path) else {
            return Ok(refuse(&Refusal::new(404, "NotFound", "404 page not found")));
        };
        if call.method == Method::GET {
            let read = format!("{} {}", call.read_verb(&target), target.resource.plural);
            lock(&self.0.reads).push(read);
        }
        if target.resource.plural == "taskmanagerpools" && !lock(&self.0.options).knows_pools {
            return Ok(refuse(&Refusal::new(404, "NotFound", "404 page not found")));
        }
        if call.method == Method::GET {
            return Ok(self.read(&target, &call));
        }
        let write = {
            let mut writes = lock(&self.0.writes);
            let write = Write {
                index: writes.len(),
                method: match call.method.as_str() {
                    "POST" => "POST",
                    "PATCH" => "PATCH",
                    "DELETE" => "DELETE",
                    _ => "PUT",
                },
                plural: target.resource.plural.clone(),
                name: target.name.clone().unwrap_or_default(),
                subresource: target.subresource.clone(),
            };
            writes.push(write.clone());
            write
        };
        let fault = (lock(&self.0.plan))(&write);
        match fault {
            Fault::Refuse(code) => {
                return Ok(refuse(&Refusal::new(
                    code,
                    "InternalError",
                    "a fault of the test",
                )));
            }
            Fault::Hang => return std::future::pending().await,
            Fault::None | Fault::LoseReply | Fault::Crash => {}
        }
        let admission = lock(&self.0.options).admission;
        let result = self.with_store(|store| {
            let (code, object) = write_to(store, &target, &call)?;
            let (Some(admission), "deployments", Some(name)) = (
                admission,
                target.resource.plural.as_str(),
                target.name.as_deref(),
            ) else {
                return Ok((code, object));
            };
            let writer = Writer {
                manager: call.parameter("fieldManager").unwrap_or_default(),
                subresource: None,
                force: false,
            };
            Ok((code, store.update(&target.key(name), writer, admission)?))
        });
        match fault {
            Fault::LoseReply => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
            Fault::Crash => {
                self.0.crashed.notify_one();
                std::future::pending().await
            }
            _ => Ok(match result {
                Ok((code, object)) => answer(code, &call.shape(object)),
                Err(refusal) => refuse(&refusal),
            }),
        }
    }

    fn read(&self, target: &Target, call: &Call) -> Answer {
        let store = lock(&self.0.store);
        if let Some(name) = &target.name {
            let key = target.key(name);
            return match store.get(&key) {
                Some(object) => answer(200, &call.shape(object)),
                None => refuse(&Refusal::not_found(&target.resource, name)),
            };
        }
        let selector = call
            .parameter("labelSelector")
            .unwrap_or_default()
            .to_owned();
        let Some(_) = call.parameter("watch") else {
            let items: Vec<Value> = store
                .list(&target.resource, target.namespace.as_deref())
                .into_iter()
                .filter(|object| selects(&selector, object))
                .map(|object| call.shape(object))
                .collect();
            return answer(
                200,
                &json!({
                    "kind": format!("{}List", target.resource.kind()),
                    "apiVersion": "v1",
                    "metadata": {"resourceVersion": store.version.to_string()},
                    "items": items,
                }),
            );
        };
        let since = call
            .parameter("resourceVersion")
            .and_then(|version| version.parse().ok())
            .unwrap_or(0);
        drop(store);
        self.watch(target.clone(), selector, since, call.asks_metadata)
    }

    fn watch(&self, target: Target, selector: String, since: u64, metadata: bool) -> Answer {
        let api = self.clone();
        let versions = self.0.version.subscribe();
        let events =
            futures::stream::unfold((api, versions, since), move |(api, mut versions, since)| {
                let (target, selector) = (target.clone(), selector.clone());
                async move {
                    let mut since = since;
                    loop {
                        let delivers = lock(&api.0.options).watches_deliver;
                        let (lines, version) = if !delivers {
                            (Vec::new(), since)
                        } else {
                            let store = lock(&api.0.store);
                            let lines: Vec<u8> = store
                                .history
                                .iter()
                                .filter(|change| change.version > since)
                                .filter(|change| target.covers(&change.key))
                                .filter_map(|change| event(change, &selector, metadata))
                                .flat_map(|event| format!("{event}\n").into_bytes())
                                .collect();
                            (lines, store.version)
                        };
                        since = version;
                        if !lines.is_empty() {
                            let frame = http_body::Frame::data(Bytes::from(lines));
                            return Some((Ok::<_, Infallible>(frame), (api, versions, since)));
                        }
                        // Seen, whether it concerns this watch or not.
                        versions.borrow_and_update();
                        if lock(&api.0.store).version > since && delivers {
                            continue;
                        }
                        if versions.changed().await.is_err() {
                            return None;
                        }
                    }
                }
            });
        Response::new(StreamBody::new(events.boxed()).boxed_unsync())
    }
}

fn answer(code: u16, body: &Value) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}

fn refuse(refusal: &Refusal) -> Answer {
    answer(refusal.code, &refusal.body())
}
