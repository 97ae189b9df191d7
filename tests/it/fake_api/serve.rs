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
use super::store::{Change, Key, Refusal, Resource, Store};

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

fn write_to(store: &mut Store, target: &Target, call: &Call) -> Result<(u16, Value), Refusal> {
    let manager = call.parameter("fieldManager").unwrap_or("test").to_owned();
    let subresource = match target.subresource.as_deref() {
        Some("status") => Some("status"),
        _ => None,
    };
    let writer = Writer {
        manager: &manager,
        subresource,
        force: call.parameter("force") == Some("true"),
    };
    let body: Value = if call.body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&call.body)
            .map_err(|error| Refusal::new(400, "BadRequest", error.to_string()))?
    };
    match (&call.method, &target.name) {
        (&Method::POST, None) => {
            let name = match body["metadata"]["name"].as_str() {
                Some(name) => name.to_owned(),
                None => format!(
                    "{}{}",
                    body["metadata"]["generateName"]
                        .as_str()
                        .unwrap_or_default(),
                    store.version
                ),
            };
            let object = store.post(&target.key(&name), body, writer)?;
            Ok((201, object))
        }
        (&Method::PATCH, Some(name))
            if call.content_type.starts_with("application/apply-patch") =>
        {
            let key = target.key(name);
            let existed = store.get(&key).is_some();
            let object = store.apply(&key, &body, writer)?;
            Ok((if existed { 200 } else { 201 }, object))
        }
        (&Method::PATCH, Some(name)) => {
            let object = store.update(&target.key(name), writer, |object| {
                merge_patch(object, &body)
            })?;
            Ok((200, object))
        }
        (&Method::DELETE, Some(name)) => Ok((200, store.delete(&target.key(name))?)),
        _ => Err(Refusal::new(
            405,
            "MethodNotAllowed",
            "not known to the in-memory API server",
        )),
    }
}

/// RFC 7386.
fn merge_patch(target: &mut Value, patch: &Value) {
    let Some(members) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in members {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge_patch(&mut target[name.as_str()], value);
        }
    }
}

struct Call {
    method: Method,
    content_type: String,
    query: Vec<(String, String)>,
    body: Bytes,
    asks_metadata: bool,
}

impl Call {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    fn read_verb(&self, target: &Target) -> &'static str {
        if self.parameter("watch").is_some() {
            "watch"
        } else if target.name.is_some() {
            "get"
        } else {
            "list"
        }
    }

    fn shape(&self, object: Value) -> Value {
        if self.asks_metadata {
            metadata_of(&object)
        } else {
            object
        }
    }
}

fn metadata_of(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}

#[derive(Clone, Debug)]
struct Target {
    resource: Resource,
    namespace: Option<String>,
    name: Option<String>,
    subresource: Option<String>,
}

impl Target {
    fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/');
        let (group, version) = match parts.next()? {
            "api" => ("", parts.next()?),
            "apis" => (parts.next()?, parts.next()?),
            _ => return None,
        };
        let rest: Vec<&str> = parts.collect();
        let (namespace, rest) = match rest.as_slice() {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let (plural, rest) = rest.split_first()?;
        Some(Self {
            resource: Resource::new(group, version, plural),
            namespace: namespace.map(str::to_owned),
            name: rest.first().map(|name| (*name).to_owned()),
            subresource: rest.get(1).map(|name| (*name).to_owned()),
        })
    }

    fn key(&self, name: &str) -> Key {
        (
            self.resource.clone(),
            self.namespace.clone().unwrap_or_default(),
            name.to_owned(),
        )
    }

    fn covers(&self, key: &Key) -> bool {
        self.resource == key.0 && self.namespace.as_ref().is_none_or(|place| *place == key.1)
    }
}

/// A change as a watch with this selector reports it.
fn event(change: &Change, selector: &str, metadata: bool) -> Option<Value> {
    let before = change
        .before
        .as_ref()
        .is_some_and(|object| selects(selector, object));
    let after = change.kind != "DELETED" && selects(selector, &change.object);
    let kind = match (before, after) {
        (false, false) => return None,
        (false, true) => "ADDED",
        (true, true) => "MODIFIED",
        (true, false) => "DELETED",
    };
    let object = if metadata {
        metadata_of(&change.object)
    } else {
        change.object.clone()
    };
    Some(json!({"type": kind, "object": object}))
}

fn selects(selector: &str, object: &Value) -> bool {
    selector
        .split(',')
        .filter(|term| !term.is_empty())
        .all(|term| {
            term.split_once('=')
                .is_some_and(|(label, value)| object["metadata"]["labels"][label] == value)
        })
}

fn form_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let hexadecimal = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, hexadecimal) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
