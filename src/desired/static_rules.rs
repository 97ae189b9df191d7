//! The rules that the API server enforces by itself, for pools that never passed through one.
//!
//! Lengths, ranges and closed sets are read from the generated definition, so they cannot differ from it; the
//! rules in CEL are written a second time here, or where the value is read. A test compares how many there are of the latter.

use std::sync::LazyLock;

use kube::ResourceExt;
use serde_json::Value;

use crate::{
    api::{crd::custom_resource_definition, v1alpha1::TaskManagerPool},
    budget::{Code, Conflict, FlinkVersion, Profile},
};

use super::conflict::{At, setting};

/// Longest name of a pool.
const LONGEST_NAME: usize = 52;

/// The schema of `spec`, as the API server knows it.
static SPEC_SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let definition = serde_json::to_value(custom_resource_definition()).unwrap_or_default();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
});

/// Every static rule that the pool breaks. Quantities have their own reader (`container_resources`), which holds
/// them to the same rules.
pub(super) fn violations(pool: &TaskManagerPool) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    let name = pool.name_any();
    if name.len() > LONGEST_NAME {
        let message = format!(
            "metadata.name has {} characters, and a pool's name has at most {LONGEST_NAME}, because its pods' names \
             are made from it; choose a shorter name",
            name.len()
        );
        let bound = format!("<= {LONGEST_NAME} characters");
        conflicts.push(At::field("metadata.name", name).error(Code::FieldInvalid, bound, message));
    }
    if let Some(managed) = pool
        .spec
        .memory
        .as_ref()
        .and_then(|memory| memory.managed.as_ref())
        && let (Some(size), Some(fraction)) = (&managed.size, &managed.fraction)
    {
        let message = format!(
            "spec.memory.managed.size is {size} and spec.memory.managed.fraction is {fraction}, and Flink would \
             silently ignore the fraction; remove one of them"
        );
        let at = At::field("spec.memory.managed.fraction", fraction);
        conflicts.push(super::conflict::removing(at.error(
            Code::DuplicateSource,
            "not set beside size",
            message,
        )));
    }
    let profile = pool.spec.memory.as_ref().and_then(|memory| memory.profile);
    if let (Some(profile), Ok(version)) = (profile, pool.spec.flink_version.parse()) {
        conflicts.extend(profile_unknown_to(version, profile.into()));
    }
    if let Ok(spec) = serde_json::to_value(&pool.spec) {
        walk("spec", &spec, &SPEC_SCHEMA, &mut conflicts);
    }
    conflicts
}

/// The conflict of a profile with a version that lacks what it is for.
pub(crate) fn profile_unknown_to(version: FlinkVersion, profile: Profile) -> Option<Conflict> {
    if profile.is_known_to(version) {
        return None;
    }
    let path = "spec.memory.profile";
    let message = format!(
        "{path} is {profile}, a state backend that Flink has since 2.0, and spec.flinkVersion is {version}; set \
         {path} to {} or choose a newer version",
        Profile::RocksDb
    );
    let at = At::field(path, profile.as_str());
    let conflict = at.error(Code::FieldInvalid, "a profile of this version", message);
    Some(setting(conflict, Profile::RocksDb.as_str()))
}

fn walk(path: &str, value: &Value, schema: &Value, conflicts: &mut Vec<Conflict>) {
    let length = |count: usize, unit: &str, least: &str, most: &str| {
        let count = count as u64;
        let below = schema[least].as_u64().filter(|least| count < *least);
        let above = schema[most].as_u64().filter(|most| count > *most);
        below
            .map(|least| format!(">= {least} {unit}"))
            .or(above.map(|most| format!("<= {most} {unit}")))
            .map(|bound| (format!("has {count} {unit}"), bound))
    };
    let violation = match value {
        Value::String(text) => length(text.chars().count(), "characters", "minLength", "maxLength"),
        Value::Array(items) => length(items.len(), "items", "minItems", "maxItems"),
        Value::Object(map) => length(map.len(), "entries", "minProperties", "maxProperties"),
        Value::Number(number) => number.as_f64().and_then(|number| {
            let below = schema["minimum"].as_f64().filter(|least| number < *least);
            let above = schema["maximum"].as_f64().filter(|most| number > *most);
            let bound = below
                .map(|least| format!(">= {least}"))
                .or(above.map(|most| format!("<= {most}")));
            bound.map(|bound| (format!("is {number}"), bound))
        }),
        Value::Null | Value::Bool(_) => None,
    };
    if let Some((what, bound)) = violation {
        let shown = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => what.clone(),
        };
        let message = format!("{path} {what}, which must be {bound}; change it");
        conflicts.push(At::field(path, shown).error(Code::FieldInvalid, bound, message));
    }
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let known = &schema["properties"][name];
                if known.is_object() {
                    walk(&format!("{path}.{name}"), value, known, conflicts);
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            for (index, item) in items.iter().enumerate() {
                walk(
                    &format!("{path}[{index}]"),
                    item,
                    &schema["items"],
                    conflicts,
                );
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, requests against limits (2), the signs of four quantities, managed size beside fraction, ForSt before
    /// Flink 2.0, the text of four reserves.
    #[test]
    fn every_rule_in_cel_is_written_here_or_where_the_value_is_read() {
        fn count(schema: &Value) -> usize {
            let own = schema["x-kubernetes-validations"]
                .as_array()
                .map_or(0, Vec::len);
            let children = match schema {
                Value::Object(map) => map.values().map(count).sum(),
                Value::Array(list) => list.iter().map(count).sum(),
                _ => 0,
            };
            own + children
        }
        let definition = serde_json::to_value(custom_resource_definition()).unwrap();
        assert_eq!(
            count(&definition),
            13,
            "a rule was added or removed: mirror it here"
        );
    }
}
