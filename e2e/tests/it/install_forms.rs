//! The chart and the manifests are one installation in two forms, and both are valid.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::install::{
    NAMESPACE, helm, kubectl, kubectl_with_input, objects, own_cluster, repository,
};

/// What only one of the two tools writes into an object.
fn without_marks(mut objects: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    for object in objects.values_mut() {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
            continue;
        };
        // Helm's policy for the definition; kustomize has nothing like it, and `kubectl delete -k`
        // says what it deletes.
        metadata.remove("annotations");
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.retain(|label, _| label.starts_with("rbac.authorization.k8s.io/"));
            if labels.is_empty() {
                metadata.remove("labels");
            }
        }
    }
    objects
}

/// Where two values differ first. `1` and `1.0` are one number, and each tool writes its own.
fn difference(place: &str, left: &Value, right: &Value) -> Option<String> {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.keys().chain(right.keys()).find_map(|key| {
                let (left, right) = (left.get(key), right.get(key));
                difference(
                    &format!("{place}.{key}"),
                    left.unwrap_or(&Value::Null),
                    right.unwrap_or(&Value::Null),
                )
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => left
            .iter()
            .zip(right)
            .enumerate()
            .find_map(|(index, (left, right))| {
                difference(&format!("{place}[{index}]"), left, right)
            }),
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => None,
        (left, right) if left == right => None,
        (left, right) => Some(format!("{place}: {left} and {right}")),
    }
}

#[tokio::test]
async fn chart_and_manifests_hold_the_same_objects_and_are_valid() -> Result<()> {
    let cluster = own_cluster("install-forms").await?;
    let chart = helm(
        &cluster,
        "template headroom CHART --namespace",
        &[NAMESPACE],
    )
    .await?;
    let manifests = repository("manifests");
    let manifests = manifests.to_str().context("the checkout's path is UTF-8")?;
    let manifests = kubectl(&cluster, &format!("kustomize {manifests}")).await?;

    let mut of_manifests = objects(&manifests)?;
    // Helm makes the namespace itself, with --create-namespace.
    let namespace = of_manifests
        .remove(&format!("Namespace {NAMESPACE}"))
        .context("the manifests hold the namespace")?;
    assert_eq!(
        namespace.pointer("/metadata/labels/pod-security.kubernetes.io~1enforce"),
        Some(&Value::from("restricted"))
    );
    let of_chart = without_marks(objects(&chart)?);
    let of_manifests = without_marks(of_manifests);
    assert_eq!(
        of_chart.keys().collect::<Vec<_>>(),
        of_manifests.keys().collect::<Vec<_>>()
    );
    for (name, object) in &of_chart {
        assert_eq!(difference("", object, &of_manifests[name]), None, "{name}");
    }

    // Every value that adds or changes an object, so that every line of the templates is seen.
    let everything = helm(
        &cluster,
        "template other CHART --namespace elsewhere --set fullnameOverride=flink-sizes \
         --set metrics.service.enabled=true --set watchNamespaces={a,b} --set imagePullSecrets={key} \
         --set priorityClassName=system-cluster-critical --set nodeSelector.disk=ssd \
         --set podLabels.team=data --set podAnnotations.note=x --set serviceAccount.annotations.note=x \
         --set metrics.service.annotations.note=x --set image.tag=v1 --set resources.limits.cpu=1 \
         --set tolerations[0].operator=Exists",
        &[],
    )
    .await?;
    for (form, rendered) in [
        ("chart", &chart),
        ("manifests", &manifests),
        ("chart with every value", &everything),
    ] {
        let verdict = cluster
            .kubeconform(rendered)
            .await?
            .success()
            .with_context(|| format!("kubeconform on the {form}"))?;
        assert!(
            verdict.contains("Invalid: 0, Errors: 0, Skipped: 0"),
            "{form}: {verdict}"
        );
        // The API server's own opinion, admission included; nothing is stored.
        for namespace in [NAMESPACE, "elsewhere", "a", "b"] {
            let made = kubectl(&cluster, &format!("create namespace {namespace}")).await;
            drop(made); // It is there already in the second round.
        }
        kubectl_with_input(
            &cluster,
            "apply --server-side --dry-run=server --force-conflicts -f -",
            rendered,
        )
        .await
        .with_context(|| format!("the API server on the {form}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn values_that_do_not_exist_are_refused_by_name() -> Result<()> {
    let cluster = own_cluster("install-values").await?;
    for (values, named) in [
        ("watchNamespace=a", "watchNamespace"),
        ("image.repo=a", "repo"),
        ("watchNamespaces={Not_A_Name}", "watchNamespaces"),
        ("serviceAccount.create=false", "serviceAccount.name"),
    ] {
        let error = helm(&cluster, "template headroom CHART --set", &[values])
            .await
            .expect_err(values);
        assert!(format!("{error:#}").contains(named), "{values}: {error:#}");
    }
    Ok(())
}
