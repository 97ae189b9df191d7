//! Decides whether a field manager still owns every field that it wants.
//!
//! The API server records in `metadata.managedFields` which fields each manager applied, and takes a
//! field away from its owners as soon as somebody else changes it. So a child is as we applied it
//! exactly when our entry still lists every field we want: no value has to be kept or compared, and
//! whatever the server normalises (quantities, defaults) cannot mislead us.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

/// The fields one manager owns, as the API server encodes them (`FieldsV1`).
///
/// Owner references are left out: their key holds the owner's uid, and ownership is checked by value.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct FieldSet(Value);

impl FieldSet {
    /// Whether every field of `desired` is in this set.
    ///
    /// Guarantees: empty lists and nulls of `desired` count as owned, because the API server does not
    /// store them. `apiVersion`, `kind`, `metadata.name`, `metadata.namespace`, `metadata.uid`
    /// and `metadata.ownerReferences` are not looked at.
    #[must_use]
    pub fn covers(&self, desired: &Value) -> bool {
        let Some(top) = desired.as_object() else {
            return false;
        };
        top.iter().all(|(name, value)| match name.as_str() {
            "apiVersion" | "kind" => true,
            "metadata" => {
                let fields = self.0.get("f:metadata").unwrap_or(&Value::Null);
                ["labels", "annotations", "finalizers"].iter().all(|part| {
                    value
                        .get(part)
                        .is_none_or(|wanted| covers_member(fields, part, wanted))
                })
            }
            _ => covers_member(&self.0, name, value),
        })
    }
}

fn covers_member(fields: &Value, name: &str, wanted: &Value) -> bool {
    is_empty(wanted)
        || fields
            .get(format!("f:{name}"))
            .is_some_and(|inner| covers_value(inner, wanted))
}

fn covers_value(fields: &Value, wanted: &Value) -> bool {
    // An entry without children is a value that is owned as a whole: a scalar, or an atomic list or map.
    if fields.as_object().is_some_and(serde_json::Map::is_empty) {
        return true;
    }
    match wanted {
        Value::Object(members) => members
            .iter()
            .all(|(name, value)| covers_member(fields, name, value)),
        Value::Array(items) => items.iter().all(|item| covers_item(fields, item)),
        _ => true,
    }
}

fn covers_item(fields: &Value, item: &Value) -> bool {
    let Some(entries) = fields.as_object() else {
        return false;
    };
    entries.iter().any(|(entry, inner)| {
        if let Some(value) = entry.strip_prefix("v:") {
            return serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item);
        }
        let Some(key) = entry.strip_prefix("k:") else {
            return false;
        };
        let Ok(Value::Object(key)) = serde_json::from_str::<Value>(key) else {
            return false;
        };
        // A part of the key that the item does not set was filled in by a default (a port's protocol).
        let is_same_item = key
            .iter()
            .all(|(name, value)| item.get(name).is_none_or(|set| set == value));
        is_same_item && covers_value(inner, item)
    })
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Keeps one copy of each field set: the children of all pools share a handful of shapes.
#[derive(Debug, Default)]
pub struct FieldSets {
    known: HashMap<Box<str>, Arc<FieldSet>>,
    purge_at: usize,
}

impl FieldSets {
    /// The fields that `manager` owns by server-side apply; the empty set if it owns none.
    pub fn of_manager(
        &mut self,
        managed_fields: Option<Vec<ManagedFieldsEntry>>,
        manager: &str,
    ) -> Arc<FieldSet> {
        let mut fields = managed_fields
            .into_iter()
            .flatten()
            .find(|entry| {
                entry.manager.as_deref() == Some(manager)
                    && entry.operation.as_deref() == Some("Apply")
                    && entry.subresource.as_deref().is_none_or(str::is_empty)
            })
            .and_then(|entry| entry.fields_v1)
            .map_or(Value::Null, |fields| fields.0);
        if let Some(metadata) = fields.get_mut("f:metadata").and_then(Value::as_object_mut) {
            metadata.remove("f:ownerReferences");
        }
        self.share(fields)
    }

    fn share(&mut self, fields: Value) -> Arc<FieldSet> {
        let text = fields.to_string().into_boxed_str();
        if let Some(known) = self.known.get(&text) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.purge_at {
            self.known.retain(|_, set| Arc::strong_count(set) > 1);
            self.purge_at = (2 * self.known.len()).max(64);
        }
        let set = Arc::new(FieldSet(fields));
        self.known.insert(text, Arc::clone(&set));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
    use serde_json::json;

    fn deployment() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "clicks", "namespace": "streaming",
                "labels": {"app.kubernetes.io/name": "flink", "team": "a"},
                "ownerReferences": [{"uid": "1"}],
            },
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"spec": {
                    "containers": [{
                        "name": "taskmanager",
                        "args": ["taskmanager"],
                        "ports": [{"containerPort": 6122, "name": "rpc"}],
                        "env": [],
                    }],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                }},
            },
        })
    }

    fn owned() -> Value {
        json!({
            "f:metadata": {
                "f:labels": {"f:app.kubernetes.io/name": {}, "f:team": {}},
                "f:ownerReferences": {"k:{\"uid\":\"1\"}": {}},
            },
            "f:spec": {
                "f:replicas": {},
                "f:selector": {},
                "f:template": {"f:spec": {
                    "f:containers": {"k:{\"name\":\"taskmanager\"}": {
                        ".": {}, "f:name": {}, "f:args": {},
                        "f:ports": {"k:{\"containerPort\":6122,\"protocol\":\"TCP\"}": {
                            ".": {}, "f:containerPort": {}, "f:name": {},
                        }},
                    }},
                    "f:volumes": {"k:{\"name\":\"tmp\"}": {".": {}, "f:emptyDir": {}, "f:name": {}}},
                }},
            },
        })
    }

    #[test]
    fn an_untouched_object_is_covered() {
        assert!(FieldSet(owned()).covers(&deployment()));
    }

    /// Removes an entry, and parents that own nothing any more, as the API server does.
    fn take(fields: &mut Value, path: &[String]) {
        let members = fields.as_object_mut().unwrap();
        if let [last] = path {
            members.remove(last);
            return;
        }
        take(members.get_mut(&path[0]).unwrap(), &path[1..]);
        if members[&path[0]].as_object().unwrap().is_empty() {
            members.remove(&path[0]);
        }
    }

    #[test]
    fn every_field_that_somebody_took_is_missed() {
        for path in [
            "/f:spec/f:replicas",
            "/f:spec/f:selector",
            "/f:metadata/f:labels/f:app.kubernetes.io~1name",
            "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"taskmanager\"}",
            "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"taskmanager\"}/f:args",
            "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"taskmanager\"}/f:ports/k:{\"containerPort\":6122,\"protocol\":\"TCP\"}/f:name",
            "/f:spec/f:template/f:spec/f:volumes",
            "/f:spec/f:template/f:spec/f:volumes/k:{\"name\":\"tmp\"}/f:emptyDir",
        ] {
            let path: Vec<String> = path[1..]
                .split('/')
                .map(|element| element.replace("~1", "/"))
                .collect();
            let mut fields = owned();
            take(&mut fields, &path);
            assert_ne!(fields, owned(), "{path:?}");
            assert!(!FieldSet(fields).covers(&deployment()), "{path:?}");
        }
        assert!(!FieldSet(Value::Null).covers(&deployment()));
    }

    #[test]
    fn members_of_a_set_are_matched_by_value() {
        let fields = FieldSet(json!({"f:metadata": {"f:finalizers": {"v:\"a/b\"": {}, ".": {}}}}));
        assert!(fields.covers(&json!({"metadata": {"finalizers": ["a/b"]}})));
        assert!(!fields.covers(&json!({"metadata": {"finalizers": ["a/b", "c"]}})));
    }

    #[test]
    fn only_our_own_applied_entry_counts_and_equal_sets_are_shared() {
        let entry =
            |manager: &str, operation: &str, subresource: Option<&str>| ManagedFieldsEntry {
                manager: Some(manager.to_owned()),
                operation: Some(operation.to_owned()),
                subresource: subresource.map(str::to_owned),
                fields_v1: Some(FieldsV1(owned())),
                ..ManagedFieldsEntry::default()
            };
        let mut sets = FieldSets::default();
        let foreign = sets.of_manager(
            Some(vec![
                entry("kubectl", "Apply", None),
                entry("headroom", "Update", None),
                entry("headroom", "Apply", Some("status")),
            ]),
            "headroom",
        );
        assert_eq!(*foreign, FieldSet(Value::Null));
        let first = sets.of_manager(Some(vec![entry("headroom", "Apply", None)]), "headroom");
        let second = sets.of_manager(Some(vec![entry("headroom", "Apply", None)]), "headroom");
        assert!(first.covers(&deployment()));
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn shapes_that_nobody_uses_are_forgotten() {
        let mut sets = FieldSets::default();
        for number in 0..10_000 {
            sets.share(json!({ "f:spec": number }));
        }
        assert!(sets.known.len() <= 128, "{}", sets.known.len());
    }
}
