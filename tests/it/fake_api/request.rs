//! Requests of the in-memory API server: what they ask for, and what that does to the store.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::fields::Writer;
use super::store::{Change, Key, Refusal, Resource, Store};

/// Carries out a write.
pub fn write_to(store: &mut Store, target: &Target, call: &Call) -> Result<(u16, Value), Refusal> {
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

/// One request.
pub struct Call {
    pub method: Method,
    pub content_type: String,
    pub query: Vec<(String, String)>,
    pub body: Bytes,
    pub asks_metadata: bool,
}

impl Call {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn read_verb(&self, target: &Target) -> &'static str {
        if self.parameter("watch").is_some() {
            "watch"
        } else if target.name.is_some() {
            "get"
        } else {
            "list"
        }
    }

    pub fn shape(&self, object: Value) -> Value {
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

/// What a path names.
#[derive(Clone, Debug)]
pub struct Target {
    pub resource: Resource,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
}

impl Target {
    pub fn parse(path: &str) -> Option<Self> {
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

    pub fn key(&self, name: &str) -> Key {
        (
            self.resource.clone(),
            self.namespace.clone().unwrap_or_default(),
            name.to_owned(),
        )
    }

    pub fn covers(&self, key: &Key) -> bool {
        self.resource == key.0 && self.namespace.as_ref().is_none_or(|place| *place == key.1)
    }
}

/// A change as a watch with this selector reports it.
pub fn event(change: &Change, selector: &str, metadata: bool) -> Option<Value> {
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

pub fn selects(selector: &str, object: &Value) -> bool {
    selector
        .split(',')
        .filter(|term| !term.is_empty())
        .all(|term| {
            term.split_once('=')
                .is_some_and(|(label, value)| object["metadata"]["labels"][label] == value)
        })
}

pub fn form_pairs(query: &str) -> Vec<(String, String)> {
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
