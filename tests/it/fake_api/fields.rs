//! Server-side apply in small: which manager owns which field, and what follows for a write.
//!
//! Fields are paths as in `FieldsV1`: `f:name` for a member, `k:{…}` for an item of a keyed list, `v:…` for
//! a member of a set. Lists and maps that Kubernetes treats as one value are leaves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// A path to a field; `.` as last element stands for the list item or map itself.
pub type Path = Vec<String>;

/// How the members of a list are told apart.
enum Kind {
    Keyed(&'static [&'static str]),
    Set,
    Atomic,
}

/// The lists of the objects that the controller writes; everything else is atomic.
fn list_kind(path: &[String]) -> Kind {
    match path.last().map(String::as_str) {
        Some(
            "f:containers" | "f:initContainers" | "f:volumes" | "f:env" | "f:imagePullSecrets",
        ) => Kind::Keyed(&["name"]),
        Some("f:ports") => Kind::Keyed(&["containerPort", "protocol"]),
        Some("f:volumeMounts") => Kind::Keyed(&["mountPath"]),
        Some("f:ownerReferences") => Kind::Keyed(&["uid"]),
        Some("f:conditions") => Kind::Keyed(&["type"]),
        Some("f:conflicts") => Kind::Keyed(&["code", "option"]),
        Some("f:provenance") => Kind::Keyed(&["component"]),
        Some("f:finalizers") => Kind::Set,
        _ => Kind::Atomic,
    }
}

fn is_atomic_map(path: &[String]) -> bool {
    matches!(
        path.last().map(String::as_str),
        Some("f:selector" | "f:nodeSelector")
    )
}

fn is_leaf(path: &[String], value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty() || is_atomic_map(path),
        Value::Array(_) => matches!(list_kind(path), Kind::Atomic),
        _ => true,
    }
}

/// The elements below `path`, with the path element of each.
fn elements<'a>(path: &[String], value: &'a Value) -> Vec<(String, &'a Value)> {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (format!("f:{name}"), member))
            .collect(),
        Value::Array(items) => items
            .iter()
            .map(|item| (item_element(path, item), item))
            .collect(),
        _ => Vec::new(),
    }
}

fn item_element(path: &[String], item: &Value) -> String {
    match list_kind(path) {
        Kind::Keyed(keys) => {
            let mut key = Map::new();
            for name in keys {
                let value = item.get(name).cloned();
                let value = match (*name, value) {
                    ("protocol", None) => json!("TCP"),
                    (_, value) => value.unwrap_or(Value::Null),
                };
                key.insert((*name).to_owned(), value);
            }
            format!("k:{}", Value::Object(key))
        }
        Kind::Set | Kind::Atomic => format!("v:{item}"),
    }
}

/// Every field of `object` that has an owner, with its value.
pub fn leaves(object: &Value) -> BTreeMap<Path, Value> {
    fn walk(path: &mut Path, value: &Value, found: &mut BTreeMap<Path, Value>) {
        if is_leaf(path, value) {
            found.insert(path.clone(), value.clone());
            return;
        }
        for (element, member) in elements(path, value) {
            let is_item = element.starts_with("k:");
            path.push(element);
            if is_item {
                path.push(".".to_owned());
                found.insert(path.clone(), json!({}));
                path.pop();
            }
            walk(path, member, found);
            path.pop();
        }
    }
    let mut found = BTreeMap::new();
    let mut object = object.clone();
    if let Some(top) = object.as_object_mut() {
        top.remove("apiVersion");
        top.remove("kind");
        if let Some(metadata) = top.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|name, _| {
                matches!(
                    name.as_str(),
                    "labels" | "annotations" | "finalizers" | "ownerReferences"
                )
            });
            if metadata.is_empty() {
                top.remove("metadata");
            }
        }
    }
    if object.as_object().is_some_and(Map::is_empty) {
        return found;
    }
    walk(&mut Vec::new(), &object, &mut found);
    found
}

/// The set of paths as `FieldsV1`.
pub fn to_fields_v1(paths: &BTreeSet<Path>) -> Value {
    let mut tree = json!({});
    for path in paths {
        let mut node = &mut tree;
        for element in path {
            node = node
                .as_object_mut()
                .unwrap()
                .entry(element.clone())
                .or_insert_with(|| json!({}));
        }
    }
    tree
}

/// One owner of fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Manager {
    pub name: String,
    pub operation: &'static str,
    pub subresource: Option<&'static str>,
    pub fields: BTreeSet<Path>,
}

/// All owners of one object's fields.
pub type Managers = Vec<Manager>;

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    pub manager: &'a str,
    pub subresource: Option<&'static str>,
    pub force: bool,
}

/// The object after `applied` was applied to `live`, with the owners brought up to date; or the fields in
/// conflict, with the manager that owns each.
pub fn apply(
    live: &Value,
    applied: &Value,
    managers: &mut Managers,
    writer: Writer<'_>,
) -> Result<Value, Vec<(String, Path)>> {
    let wanted = leaves(applied);
    let present = leaves(live);
    let is_own = |manager: &Manager| {
        manager.name == writer.manager
            && manager.operation == "Apply"
            && manager.subresource == writer.subresource
    };
    let taken: Vec<(String, Path)> = managers
        .iter()
        .filter(|manager| !is_own(manager))
        .flat_map(|manager| {
            manager
                .fields
                .iter()
                .filter(|path| {
                    wanted
                        .get(*path)
                        .is_some_and(|value| present.get(*path) != Some(value))
                })
                .map(|path| (manager.name.clone(), path.clone()))
        })
        .collect();
    if !taken.is_empty() && !writer.force {
        return Err(taken);
    }
    for manager in managers.iter_mut().filter(|manager| !is_own(manager)) {
        manager
            .fields
            .retain(|path| !taken.iter().any(|(_, taken)| taken == path));
    }

    let before = managers
        .iter()
        .find(|manager| is_own(manager))
        .map(|manager| manager.fields.clone())
        .unwrap_or_default();
    let mut object = live.clone();
    for path in before.iter().filter(|path| !wanted.contains_key(*path)) {
        let is_shared = managers
            .iter()
            .any(|manager| !is_own(manager) && manager.fields.contains(path));
        if !is_shared {
            remove(&mut object, &[], path);
        }
    }
    merge(&mut object, applied, &mut Vec::new());

    managers.retain(|manager| !is_own(manager) && !manager.fields.is_empty());
    managers.push(Manager {
        name: writer.manager.to_owned(),
        operation: "Apply",
        subresource: writer.subresource,
        fields: wanted.into_keys().collect(),
    });
    Ok(object)
}

/// Brings the owners up to date after `live` was replaced by `object` in another way than by applying.
pub fn update(live: &Value, object: &Value, managers: &mut Managers, writer: Writer<'_>) {
    let before = leaves(live);
    let after = leaves(object);
    let changed: BTreeSet<Path> = after
        .iter()
        .filter(|(path, value)| before.get(*path) != Some(value))
        .map(|(path, _)| path.clone())
        .collect();
    let is_own = |manager: &Manager| {
        manager.name == writer.manager
            && manager.operation == "Update"
            && manager.subresource == writer.subresource
    };
    for manager in managers.iter_mut() {
        let own = is_own(manager);
        manager
            .fields
            .retain(|path| after.contains_key(path) && (own || !changed.contains(path)));
    }
    if !changed.is_empty() {
        match managers.iter_mut().find(|manager| is_own(manager)) {
            Some(manager) => manager.fields.extend(changed),
            None => managers.push(Manager {
                name: writer.manager.to_owned(),
                operation: "Update",
                subresource: writer.subresource,
                fields: changed,
            }),
        }
    }
    managers.retain(|manager| !manager.fields.is_empty());
}

fn merge(live: &mut Value, applied: &Value, path: &mut Path) {
    if is_leaf(path, applied) || is_leaf(path, live) && !live.is_object() && !live.is_array() {
        // An empty map adds nothing to one that is there.
        if !(applied.as_object().is_some_and(Map::is_empty) && live.is_object()) {
            *live = applied.clone();
        }
        return;
    }
    match (live, applied) {
        (Value::Object(members), Value::Object(wanted)) => {
            for (name, value) in wanted {
                path.push(format!("f:{name}"));
                match members.get_mut(name) {
                    Some(member) => merge(member, value, path),
                    None => {
                        members.insert(name.clone(), value.clone());
                    }
                }
                path.pop();
            }
        }
        (Value::Array(items), Value::Array(wanted)) => {
            for item in wanted {
                let element = item_element(path, item);
                let found = items
                    .iter_mut()
                    .find(|candidate| item_element(path, candidate) == element);
                match found {
                    Some(candidate) => {
                        path.push(element);
                        merge(candidate, item, path);
                        path.pop();
                    }
                    None => items.push(item.clone()),
                }
            }
        }
        (live, applied) => *live = applied.clone(),
    }
}

/// Removes the field at `path`, and whatever becomes empty by that.
fn remove(value: &mut Value, walked: &[String], path: &[String]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if first == "." {
        return;
    }
    let mut here = walked.to_vec();
    here.push(first.clone());
    let ends_here = rest.is_empty() || rest == ["."];
    match value {
        Value::Object(members) => {
            let Some(name) = first.strip_prefix("f:") else {
                return;
            };
            if ends_here {
                members.remove(name);
            } else if let Some(member) = members.get_mut(name) {
                remove(member, &here, rest);
                let is_empty = member.as_object().is_some_and(Map::is_empty)
                    || member.as_array().is_some_and(Vec::is_empty);
                if is_empty {
                    members.remove(name);
                }
            }
        }
        Value::Array(items) => {
            let position = items
                .iter()
                .position(|item| item_element(walked, item) == *first);
            if let Some(position) = position {
                if ends_here {
                    items.remove(position);
                } else {
                    remove(&mut items[position], &here, rest);
                }
            }
        }
        _ => {}
    }
}
