//! The chart's files that follow from the code: the definition, the versions, the example pools.
//!
//! What needs Helm itself (rendering, installing) is tested on a real control plane in `e2e`.

use std::{fs, path::PathBuf};

use headroom::{
    api::{crd::custom_resource_definition_yaml, v1alpha1::TaskManagerPool},
    desired::Allowance,
};
use serde_json::Value;

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    let path = repository(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The definition as a template that `helm upgrade` updates and `helm uninstall` keeps.
fn definition_template() -> String {
    let definition = custom_resource_definition_yaml().unwrap();
    assert!(
        !definition.contains("{{"),
        "the definition would be read as a template"
    );
    let (head, body) = definition
        .split_once("metadata:\n")
        .expect("a definition has metadata");
    format!(
        "{{{{- if .Values.crds.install }}}}\n{head}metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n{body}{{{{- end }}}}\n"
    )
}

/// `UPDATE=1` rewrites the file.
#[test]
fn the_chart_carries_the_generated_definition() {
    let path = "charts/headroom/templates/crd.yaml";
    let template = definition_template();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(repository(path), &template).unwrap();
    }
    assert!(read(path) == template, "{path} is old: run make generate");
}

#[test]
fn the_versions_of_chart_manifests_and_crate_agree() {
    let chart: Value = serde_saphyr::from_str(&read("charts/headroom/Chart.yaml")).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    let controller: Value = serde_saphyr::from_str(&read("manifests/controller.yaml")).unwrap();
    assert_eq!(
        controller["spec"]["template"]["spec"]["containers"][0]["image"],
        format!("headroom-controller:{}", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_pools_that_the_chart_shows_are_pools() {
    let chart: Value = serde_saphyr::from_str(&read("charts/headroom/Chart.yaml")).unwrap();
    let examples = chart["annotations"]["artifacthub.io/crdsExamples"]
        .as_str()
        .expect("the chart has examples");
    let pools: Vec<TaskManagerPool> = serde_saphyr::from_str(examples).unwrap();
    assert_eq!(pools.len(), 1);

    let notes = read("charts/headroom/templates/NOTES.txt");
    let pool: String = notes
        .lines()
        .skip_while(|line| !line.ends_with("<<END"))
        .skip(1)
        .take_while(|line| line.trim() != "END")
        .flat_map(|line| [line.strip_prefix("  ").unwrap_or(line), "\n"])
        .collect();
    let pool: TaskManagerPool = serde_saphyr::from_str(&pool).unwrap();
    assert_eq!(pool.metadata.name.as_deref(), Some("clicks"));
}

/// A value that a template reads but nobody may set, or the other way round, would be a dead field.
#[test]
fn the_schema_names_exactly_the_values() {
    fn compare(path: &str, values: &Value, schema: &Value, problems: &mut Vec<String>) {
        let (Some(values), Some(properties)) =
            (values.as_object(), schema["properties"].as_object())
        else {
            return;
        };
        if schema["additionalProperties"] != Value::Bool(false) {
            problems.push(format!("{path} takes any name"));
        }
        for name in values.keys().filter(|name| !properties.contains_key(*name)) {
            problems.push(format!("{path}.{name} is not in the schema"));
        }
        for (name, schema) in properties {
            let path = format!("{path}.{name}");
            match values.get(name) {
                Some(value) => compare(&path, value, schema, problems),
                // Helm's own, which parent charts set.
                None if path == ".global" => {}
                // The values leave the processor unlimited.
                None if path == ".resources.limits.cpu" => {}
                None => problems.push(format!("{path} has no default")),
            }
        }
    }
    let values: Value = serde_saphyr::from_str(&read("charts/headroom/values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("charts/headroom/values.schema.json")).unwrap();
    let mut problems = Vec::new();
    compare("", &values, &schema, &mut problems);
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_schema_offers_exactly_the_allowances_there_are() {
    let schema: Value = serde_json::from_str(&read("charts/headroom/values.schema.json")).unwrap();
    let offered = &schema["properties"]["allowPodTemplate"]["items"]["enum"];
    let known: Vec<&str> = Allowance::ALL
        .iter()
        .map(|allowance| allowance.as_str())
        .collect();
    assert_eq!(offered, &Value::from(known));
}
