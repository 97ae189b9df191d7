//! Reads `spec.podTemplate` as a pod template: every field by its own name and type, or a conflict.
//!
//! The schema keeps unknown fields, so that the resource stays small; the typos that a schema would have caught
//! are found here, each with its path.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::Value;

use crate::budget::{Code, Conflict};

use super::conflict::{At, removing};

/// Path of the template in the resource.
pub(super) const PATH: &str = "spec.podTemplate";

/// Most mistakes that are reported of one template.
const MOST_CONFLICTS: usize = 32;

/// The template as Kubernetes would read it. Whatever it would not read is left out and reported.
pub(super) fn read(template: Option<&Value>, conflicts: &mut Vec<Conflict>) -> PodTemplateSpec {
    let Some(template) = template.filter(|template| !template.is_null()) else {
        return PodTemplateSpec::default();
    };
    let mut own = Vec::new();
    let read = read_present(template, &mut own);
    conflicts.append(&mut own);
    read
}

fn read_present(template: &Value, conflicts: &mut Vec<Conflict>) -> PodTemplateSpec {
    let mut remaining = template.clone();
    for _ in 0..MOST_CONFLICTS {
        let error = match serde_path_to_error::deserialize::<_, PodTemplateSpec>(&remaining) {
            Ok(read) => {
                // What Kubernetes knows comes out again; what does not come out is not known.
                if let Ok(known) = serde_json::to_value(&read) {
                    report_unknown(PATH, &remaining, &known, conflicts);
                }
                return read;
            }
            Err(error) => error,
        };
        let (path, steps) = steps(error.path());
        let value = value_at(&mut remaining, &steps);
        // Kubernetes reads a bare number as a quantity, its Rust types do not.
        if let Some(value) = value
            && let Value::Number(number) = value
            && error.inner().to_string().contains("expected Quantity")
        {
            *value = Value::String(number.to_string());
            continue;
        }
        let found = value_at(&mut remaining, &steps)
            .map(|value| value.to_string())
            .unwrap_or_default();
        let message = format!(
            "{path} cannot be read: {}; `kubectl explain pod` shows the type",
            error.inner()
        );
        let conflict =
            At::field(path, found).error(Code::PodTemplateInvalid, "Kubernetes' type", message);
        conflicts.push(removing(conflict));
        if !remove(&mut remaining, &steps) {
            break;
        }
    }
    PodTemplateSpec::default()
}

/// One step of a path: a name in a map, or an index in a list.
enum Step {
    Name(String),
    Index(usize),
}

fn steps(path: &serde_path_to_error::Path) -> (String, Vec<Step>) {
    use serde_path_to_error::Segment;
    let mut text = PATH.to_owned();
    let mut steps = Vec::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => {
                text.push_str(&format!("[{index}]"));
                steps.push(Step::Index(*index));
            }
            Segment::Map { key } => {
                text.push_str(&format!(".{key}"));
                steps.push(Step::Name(key.clone()));
            }
            Segment::Enum { .. } | Segment::Unknown => break,
        }
    }
    (text, steps)
}

fn value_at<'a>(value: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => value.as_object_mut()?.get_mut(name),
        Step::Index(index) => value.as_array_mut()?.get_mut(*index),
    })
}

/// Takes the value at the end of the steps out; false if there is none.
fn remove(value: &mut Value, steps: &[Step]) -> bool {
    let Some((last, parents)) = steps.split_last() else {
        return false;
    };
    let Some(parent) = value_at(value, parents) else {
        return false;
    };
    match last {
        Step::Name(name) => parent
            .as_object_mut()
            .is_some_and(|map| map.remove(name).is_some()),
        Step::Index(index) => parent.as_array_mut().is_some_and(|list| {
            let present = *index < list.len();
            if present {
                list.remove(*index);
            }
            present
        }),
    }
}

fn report_unknown(path: &str, written: &Value, known: &Value, conflicts: &mut Vec<Conflict>) {
    match (written, known) {
        (Value::Object(written), Value::Object(known)) => {
            for (name, value) in written {
                // A null is how templating engines write nothing at all.
                if value.is_null() {
                    continue;
                }
                let path = format!("{path}.{name}");
                match known.get(name) {
                    Some(known) => report_unknown(&path, value, known, conflicts),
                    None if conflicts.len() < MOST_CONFLICTS => {
                        let message = format!(
                            "{path} is no field that Kubernetes knows; correct its name or indentation, or remove it"
                        );
                        let conflict = At::field(path, value.to_string()).error(
                            Code::PodTemplateInvalid,
                            "a known field",
                            message,
                        );
                        conflicts.push(removing(conflict));
                    }
                    None => {}
                }
            }
        }
        (Value::Array(written), Value::Array(known)) => {
            for (index, (written, known)) in written.iter().zip(known).enumerate() {
                report_unknown(&format!("{path}[{index}]"), written, known, conflicts);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn problems(template: Value) -> Vec<String> {
        let mut conflicts = Vec::new();
        read(Some(&template), &mut conflicts);
        assert!(
            conflicts
                .iter()
                .all(|conflict| conflict.code == Code::PodTemplateInvalid)
        );
        conflicts
            .into_iter()
            .map(|conflict| conflict.options[0].path.clone())
            .collect()
    }

    #[test]
    fn a_sound_template_is_read_as_it_is() {
        let template = json!({
            "metadata": {"labels": {"team": "clicks"}},
            "spec": {
                "nodeSelector": null,
                "tolerations": [{"key": "flink", "operator": "Exists"}],
                "containers": [{"name": "taskmanager", "resources": {"limits": {"ephemeral-storage": "10Gi"}}}],
                "volumes": [{"name": "scratch", "emptyDir": {}}]
            }
        });
        assert_eq!(problems(template), Vec::<String>::new());
    }

    #[test]
    fn every_typo_is_named_with_its_path() {
        let template = json!({
            "metadata": {"lables": {}},
            "specs": {},
            "spec": {
                "tolerationz": [],
                "containers": [{"name": "taskmanager", "volumeMount": [], "env": [{"name": "A", "val": "b"}]}]
            }
        });
        assert_eq!(
            problems(template),
            [
                "spec.podTemplate.metadata.lables",
                "spec.podTemplate.spec.containers[0].env[0].val",
                "spec.podTemplate.spec.containers[0].volumeMount",
                "spec.podTemplate.spec.tolerationz",
                "spec.podTemplate.specs",
            ]
        );
    }

    #[test]
    fn every_wrong_type_is_named_with_its_path() {
        let template = json!({
            "metadata": {"labels": {"a": 1}},
            "spec": {
                "hostNetwork": "yes",
                "containers": [{"name": "taskmanager", "env": {"A": "b"}}, "sidecar"],
                "terminationGracePeriodSeconds": "30"
            }
        });
        let mut problems = problems(template);
        problems.sort();
        assert_eq!(
            problems,
            [
                "spec.podTemplate.metadata.labels.a",
                "spec.podTemplate.spec.containers[0].env",
                "spec.podTemplate.spec.containers[1]",
                "spec.podTemplate.spec.hostNetwork",
                "spec.podTemplate.spec.terminationGracePeriodSeconds",
            ]
        );
    }

    #[test]
    fn a_bare_number_is_a_quantity() {
        let template =
            json!({"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": 2}}}]}});
        let mut conflicts = Vec::new();
        let read = read(Some(&template), &mut conflicts);
        assert_eq!(conflicts, []);
        let limits = read.spec.unwrap().containers[0]
            .resources
            .clone()
            .unwrap()
            .limits
            .unwrap();
        assert_eq!(limits["cpu"].0, "2");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let names = prop_oneof![
            "[a-z]{1,4}",
            Just("spec".to_owned()),
            Just("metadata".to_owned()),
            Just("containers".to_owned()),
            Just("name".to_owned()),
            Just("env".to_owned()),
            Just("resources".to_owned()),
            Just("limits".to_owned()),
            Just("volumes".to_owned()),
            Just("securityContext".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(names.clone(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_template_makes_it_panic(template in any_json()) {
            let mut conflicts = Vec::new();
            let read = read(Some(&template), &mut conflicts);
            if conflicts.is_empty() {
                // What was read without a complaint is read the same again.
                let mut again = Vec::new();
                let value = serde_json::to_value(&read).unwrap();
                prop_assert_eq!(super::read(Some(&value), &mut again), read);
                prop_assert_eq!(again, []);
            }
        }
    }
}
