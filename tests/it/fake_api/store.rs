//! The objects of the in-memory API server and their history.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fields::{self, Managers, Writer};

/// Kind of object: group, version and plural, with the name of the kind.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Resource {
    pub group: String,
    pub version: String,
    pub plural: String,
}

impl Resource {
    pub fn new(group: &str, version: &str, plural: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
        }
    }

    pub fn kind(&self) -> &'static str {
        match self.plural.as_str() {
            "taskmanagerpools" => "TaskManagerPool",
            "serviceaccounts" => "ServiceAccount",
            "configmaps" => "ConfigMap",
            "poddisruptionbudgets" => "PodDisruptionBudget",
            "deployments" => "Deployment",
            "events" => "Event",
            _ => "Unknown",
        }
    }

    fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    fn has_status(&self) -> bool {
        matches!(
            self.plural.as_str(),
            "taskmanagerpools" | "deployments" | "poddisruptionbudgets"
        )
    }
}

/// Name of an object within the store.
pub type Key = (Resource, String, String);

/// A refusal, as the API server words it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
        }
    }

    pub fn not_found(resource: &Resource, name: &str) -> Self {
        let qualified = if resource.group.is_empty() {
            resource.plural.clone()
        } else {
            format!("{}.{}", resource.plural, resource.group)
        };
        Self::new(404, "NotFound", format!("{qualified} \"{name}\" not found"))
    }

    pub fn body(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "code": self.code, "reason": self.reason, "message": self.message,
        })
    }
}

#[derive(Clone, Debug)]
struct Stored {
    object: Value,
    managers: Managers,
}

/// What happened to an object.
#[derive(Clone, Debug)]
pub struct Change {
    pub version: u64,
    pub kind: &'static str,
    pub key: Key,
    pub object: Value,
    /// The object before the change, for watches with a selector.
    pub before: Option<Value>,
}

/// All objects, and everything that ever happened to them.
#[derive(Debug)]
pub struct Store {
    objects: BTreeMap<Key, Stored>,
    pub history: Vec<Change>,
    pub version: u64,
    next_uid: u64,
    /// Creates and deletes per kind and name, for comparing runs.
    pub lifetimes: BTreeMap<(String, String), (u32, u32)>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            history: Vec::new(),
            // etcd's first revision holds no object either.
            version: 1,
            next_uid: 0,
            lifetimes: BTreeMap::new(),
        }
    }
}

impl Store {
    pub fn get(&self, key: &Key) -> Option<Value> {
        self.objects.get(key).map(Stored::shown)
    }

    pub fn list(&self, resource: &Resource, namespace: Option<&str>) -> Vec<Value> {
        self.objects
            .iter()
            .filter(|((found, place, _), _)| {
                found == resource && namespace.is_none_or(|namespace| namespace == place)
            })
            .map(|(_, stored)| stored.shown())
            .collect()
    }

    /// Server-side apply to an object or its status.
    pub fn apply(&mut self, key: &Key, body: &Value, writer: Writer<'_>) -> Result<Value, Refusal> {
        let metadata = &body["metadata"];
        if metadata.get("managedFields").is_some() {
            return Err(Refusal::new(
                400,
                "BadRequest",
                "metadata.managedFields must be nil",
            ));
        }
        let live = self.objects.get(key).cloned();
        let Some(live) = live else {
            if writer.subresource.is_some() {
                return Err(Refusal::not_found(&key.0, &key.2));
            }
            if let Some(uid) = metadata["uid"].as_str() {
                return Err(Refusal::new(
                    409,
                    "Conflict",
                    format!(
                        "Operation cannot be fulfilled on {} \"{}\": uid mismatch: the provided object specified uid {uid}, and no existing object was found",
                        key.0.plural, key.2
                    ),
                ));
            }
            let mut managers = Vec::new();
            let object = fields::apply(
                &json!({}),
                &without_metadata_identity(body),
                &mut managers,
                writer,
            )
            .map_err(|_| Refusal::new(409, "Conflict", "fields in conflict"))?;
            return Ok(self.create(key, object, managers));
        };
        let mut stated = metadata.clone();
        if writer.subresource.is_some()
            && let Some(stated) = stated.as_object_mut()
        {
            // A request to the status never changes metadata, so a wrong uid in it goes unnoticed.
            stated.remove("uid");
        }
        check_identity(key, &live.object, &stated)?;
        let body = part_of(&without_metadata_identity(body), writer.subresource, &key.0);
        let mut managers = live.managers.clone();
        let object =
            fields::apply(&live.object, &body, &mut managers, writer).map_err(|taken| {
                let names: Vec<String> = taken
                    .iter()
                    .map(|(manager, path)| format!("conflict with {manager:?}: {}", path.join("")))
                    .collect();
                Refusal::new(
                    409,
                    "Conflict",
                    format!(
                        "Apply failed with {} conflicts: {}",
                        names.len(),
                        names.join("; ")
                    ),
                )
            })?;
        Ok(self.replace(key, object, managers))
    }

    /// Changes an object in another way than by applying: a user's edit, another controller's status.
    pub fn update(
        &mut self,
        key: &Key,
        writer: Writer<'_>,
        change: impl FnOnce(&mut Value),
    ) -> Result<Value, Refusal> {
        let live = self
            .objects
            .get(key)
            .cloned()
            .ok_or_else(|| Refusal::not_found(&key.0, &key.2))?;
        let mut object = live.object.clone();
        change(&mut object);
        if let Some(version) = object["metadata"]["resourceVersion"].as_str()
            && version != live.object["metadata"]["resourceVersion"]
        {
            return Err(Refusal::new(
                409,
                "Conflict",
                "the object has been modified",
            ));
        }
        let mut managers = live.managers.clone();
        fields::update(&live.object, &object, &mut managers, writer);
        Ok(self.replace(key, object, managers))
    }

    /// Creates an object as POST does.
    pub fn post(&mut self, key: &Key, object: Value, writer: Writer<'_>) -> Result<Value, Refusal> {
        if self.objects.contains_key(key) {
            return Err(Refusal::new(
                409,
                "AlreadyExists",
                format!("{} \"{}\" already exists", key.0.plural, key.2),
            ));
        }
        let mut managers = Vec::new();
        let mut object = object;
        if key.0.has_status()
            && let Some(members) = object.as_object_mut()
        {
            members.remove("status");
        }
        fields::update(&json!({}), &object, &mut managers, writer);
        Ok(self.create(key, object, managers))
    }

    /// Deletes an object.
    pub fn delete(&mut self, key: &Key) -> Result<Value, Refusal> {
        let stored = self
            .objects
            .remove(key)
            .ok_or_else(|| Refusal::not_found(&key.0, &key.2))?;
        self.version += 1;
        let before = stored.shown();
        let mut object = before.clone();
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lifetimes
            .entry((key.0.plural.clone(), key.2.clone()))
            .or_default()
            .1 += 1;
        self.history.push(Change {
            version: self.version,
            kind: "DELETED",
            key: key.clone(),
            object: object.clone(),
            before: Some(before),
        });
        Ok(object)
    }

    /// Deletes every object of which no owner is left.
    pub fn collect_garbage(&mut self) {
        loop {
            let orphans: Vec<Key> = self
                .objects
                .iter()
                .filter(|(_, stored)| {
                    let owners = stored.object["metadata"]["ownerReferences"].as_array();
                    owners.is_some_and(|owners| {
                        !owners.is_empty()
                            && owners.iter().all(|owner| !self.holds_uid(&owner["uid"]))
                    })
                })
                .map(|(key, _)| key.clone())
                .collect();
            if orphans.is_empty() {
                return;
            }
            for orphan in orphans {
                self.delete(&orphan).unwrap();
            }
        }
    }

    fn holds_uid(&self, uid: &Value) -> bool {
        self.objects
            .values()
            .any(|stored| stored.object["metadata"]["uid"] == *uid)
    }

    fn create(&mut self, key: &Key, mut object: Value, managers: Managers) -> Value {
        self.next_uid += 1;
        self.version += 1;
        object["apiVersion"] = json!(key.0.api_version());
        object["kind"] = json!(key.0.kind());
        if key.0.has_status()
            && let Some(members) = object.as_object_mut()
            && key.0.plural == "taskmanagerpools"
        {
            members.remove("status");
        }
        let metadata = object
            .as_object_mut()
            .unwrap()
            .entry("metadata")
            .or_insert_with(|| json!({}));
        metadata["name"] = json!(key.2);
        metadata["namespace"] = json!(key.1);
        metadata["uid"] = json!(format!("uid-{}", self.next_uid));
        metadata["generation"] = json!(1);
        metadata["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        metadata["resourceVersion"] = json!(self.version.to_string());
        default(&mut object);
        self.lifetimes
            .entry((key.0.plural.clone(), key.2.clone()))
            .or_default()
            .0 += 1;
        let stored = Stored { object, managers };
        let shown = stored.shown();
        self.objects.insert(key.clone(), stored);
        self.history.push(Change {
            version: self.version,
            kind: "ADDED",
            key: key.clone(),
            object: shown.clone(),
            before: None,
        });
        shown
    }

    /// Puts the changed object in its place; if nothing is different, nothing happens and the version stays.
    fn replace(&mut self, key: &Key, mut object: Value, managers: Managers) -> Value {
        let live = self.objects.get(key).cloned().unwrap();
        default(&mut object);
        for identity in ["uid", "creationTimestamp", "generation", "resourceVersion"] {
            object["metadata"][identity] = live.object["metadata"][identity].clone();
        }
        if object == live.object && managers == live.managers {
            return live.shown();
        }
        self.version += 1;
        if object["spec"] != live.object["spec"] {
            let generation = live.object["metadata"]["generation"].as_i64().unwrap();
            object["metadata"]["generation"] = json!(generation + 1);
        }
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let stored = Stored { object, managers };
        let shown = stored.shown();
        let before = live.shown();
        self.objects.insert(key.clone(), stored);
        self.history.push(Change {
            version: self.version,
            kind: "MODIFIED",
            key: key.clone(),
            object: shown.clone(),
            before: Some(before),
        });
        shown
    }
}

impl Stored {
    /// The object with its managed fields, as clients see it.
    fn shown(&self) -> Value {
        let mut object = self.object.clone();
        let entries: Vec<Value> = self
            .managers
            .iter()
            .map(|manager| {
                let mut entry = json!({
                    "manager": manager.name,
                    "operation": manager.operation,
                    "apiVersion": object["apiVersion"],
                    "fieldsType": "FieldsV1",
                    "fieldsV1": fields::to_fields_v1(&manager.fields),
                });
                if let Some(subresource) = manager.subresource {
                    entry["subresource"] = json!(subresource);
                }
                entry
            })
            .collect();
        object["metadata"]["managedFields"] = json!(entries);
        object
    }
}

/// The preconditions that a body's metadata states.
fn check_identity(key: &Key, live: &Value, metadata: &Value) -> Result<(), Refusal> {
    let stored = &live["metadata"];
    if let Some(version) = metadata["resourceVersion"].as_str()
        && version != stored["resourceVersion"]
    {
        return Err(Refusal::new(
            409,
            "Conflict",
            format!(
                "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your changes to the latest version and try again",
                key.0.plural, key.2
            ),
        ));
    }
    if let Some(uid) = metadata["uid"].as_str()
        && uid != stored["uid"]
    {
        return Err(Refusal::new(
            409,
            "Conflict",
            format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                stored["uid"]
            ),
        ));
    }
    Ok(())
}

fn without_metadata_identity(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        metadata.remove("uid");
        metadata.remove("name");
        metadata.remove("namespace");
    }
    body
}

/// The part of a body that a request to the object or to its status may change.
fn part_of(body: &Value, subresource: Option<&str>, resource: &Resource) -> Value {
    let mut members: Map<String, Value> = body.as_object().cloned().unwrap_or_default();
    match subresource {
        Some("status") => members.retain(|name, _| name == "status"),
        _ if resource.has_status() => {
            members.remove("status");
        }
        _ => {}
    }
    Value::Object(members)
}

/// The defaults that show in what the controller looks at.
fn default(object: &mut Value) {
    if object["kind"] != "Deployment" {
        return;
    }
    let Some(containers) = object
        .pointer_mut("/spec/template/spec/containers")
        .and_then(Value::as_array_mut)
    else {
        return;
    };
    for port in containers
        .iter_mut()
        .filter_map(|container| container["ports"].as_array_mut())
        .flatten()
    {
        if port.get("protocol").is_none() {
            port["protocol"] = json!("TCP");
        }
    }
}
