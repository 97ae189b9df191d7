//! What the tests of the installation share: the two forms that Headroom is installed from.
//!
//! Each test starts a cluster of its own, because it installs and removes what is cluster-wide.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use e2e::{Cluster, Options};
use serde_json::Value;

/// The namespace that the documentation installs into.
pub const NAMESPACE: &str = "headroom-system";

/// The name of the definition.
pub const DEFINITION: &str = "taskmanagerpools.headroom.dev";

/// A pool that solves.
pub const POOL: &str = r#"
apiVersion: headroom.dev/v1alpha1
kind: TaskManagerPool
metadata:
  name: clicks
spec:
  flinkVersion: "2.1"
  image: flink:2.1.0
  clusterRef:
    name: clicks-jobmanager
  taskManager:
    resources:
      limits:
        memory: 4Gi
"#;

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A cluster of this test's own.
pub async fn own_cluster(name: &str) -> Result<Cluster> {
    Cluster::start(Options {
        name: name.to_owned(),
        nodes: 1,
        ..Options::default()
    })
    .await
}

/// Runs helm with words that are separated by spaces.
pub async fn helm(cluster: &Cluster, command: &str, more: &[&str]) -> Result<String> {
    let chart = repository("charts/headroom");
    let chart = chart.to_str().context("the checkout's path is UTF-8")?;
    let words = command
        .split_whitespace()
        .map(|word| if word == "CHART" { chart } else { word })
        .chain(more.iter().copied());
    cluster
        .helm(words)
        .await?
        .success()
        .with_context(|| format!("helm {command}"))
}

/// Runs kubectl with words that are separated by spaces.
pub async fn kubectl(cluster: &Cluster, command: &str) -> Result<String> {
    kubectl_with_input(cluster, command, "").await
}

/// The same with something on its standard input.
pub async fn kubectl_with_input(cluster: &Cluster, command: &str, input: &str) -> Result<String> {
    cluster
        .kubectl_with_input(command.split_whitespace(), input)
        .await?
        .success()
        .with_context(|| format!("kubectl {command}"))
}

/// The objects of some manifests by kind and name.
pub fn objects(manifests: &str) -> Result<BTreeMap<String, Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifests)?;
    documents
        .into_iter()
        .filter(|document| !document.is_null())
        .map(|document| {
            let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
            let kind = text("/kind").context("an object has a kind")?;
            let name = text("/metadata/name").context("an object has a name")?;
            let place = match text("/metadata/namespace") {
                Some(namespace) => format!("{kind} {namespace}/{name}"),
                None => format!("{kind} {name}"),
            };
            Ok((place, document.clone()))
        })
        .collect()
}
