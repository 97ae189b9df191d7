//! The CustomResourceDefinition, generated from the types, as it stands in `crds/`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::v1alpha1::TaskManagerPool;

/// The definition of `taskmanagerpools.headroom.dev`.
#[must_use]
pub fn custom_resource_definition() -> CustomResourceDefinition {
    TaskManagerPool::crd()
}

/// The same as YAML, with a first line that says where it comes from.
///
/// # Errors
/// Only if the definition could not be written as YAML, which its types rule out.
pub fn custom_resource_definition_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let body = serde_saphyr::to_string(&custom_resource_definition())?;
    Ok(format!(
        "# Generated from src/api/v1alpha1 by `make generate`; do not edit.\n{body}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1` rewrites the file.
    #[test]
    fn the_checked_in_definition_is_the_generated_one() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/crds/headroom.dev_taskmanagerpools.yaml"
        );
        let generated = custom_resource_definition_yaml().unwrap();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &generated).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), generated);
        assert!(
            generated.len() < 100_000,
            "the definition has {} bytes",
            generated.len()
        );
    }

    #[test]
    fn every_field_of_the_spec_is_documented() {
        fn walk(path: &str, schema: &serde_json::Value, missing: &mut Vec<String>) {
            if let Some(properties) = schema["properties"].as_object() {
                for (name, child) in properties {
                    let path = format!("{path}.{name}");
                    if child["description"].as_str().is_none_or(str::is_empty) {
                        missing.push(path.clone());
                    }
                    walk(&path, child, missing);
                }
            }
            if schema["items"].is_object() {
                walk(&format!("{path}[]"), &schema["items"], missing);
            }
        }
        let definition = serde_json::to_value(custom_resource_definition()).unwrap();
        let mut missing = Vec::new();
        walk(
            "",
            &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
            &mut missing,
        );
        assert!(missing.is_empty(), "no description: {missing:?}");
    }
}
