//! Nodes that exist on paper only.
//!
//! kwok plays the kubelet of every node that this module makes: the node is ready and stays so, and
//! a pod that the scheduler puts there runs at once. What a kubelet would see only when something
//! goes wrong is played by annotations on the pod, see [`Termination`] and [`fail_pod`].

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use k8s_openapi::{
    api::core::v1::{Node, NodeSpec, NodeStatus, Pod},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{
    Api, Client,
    api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{cluster::pki::write_private, tools::Tool, wait::Seen};

/// The annotation by which kwok knows its nodes.
const MANAGED: &str = "kwok.x-k8s.io/node";

/// The stages of kwok's own module that are played, by their path in it.
const STAGES: [&str; 6] = [
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
    "pod/chaos/pod-container-running-failed.yaml",
];

/// The stages of our own, by which a container ends and is restarted.
const CONTAINER_STAGES: &str = include_str!("kwok/container-stages.yaml");

/// How much each node can take: many pods of any size, so that ten thousand fit on one.
const ALLOCATABLE: [(&str, &str); 4] = [
    ("cpu", "100k"),
    ("memory", "1Pi"),
    ("ephemeral-storage", "1Pi"),
    ("pods", "20k"),
];

/// Writes kwok's configuration and returns the command that plays it.
pub(crate) fn command(configuration: &Path, kubeconfig: &Path) -> Result<Command> {
    let directory = Tool::Kwok.directory()?;
    let mut documents = Vec::new();
    for stage in STAGES {
        let path: PathBuf = directory.join("kustomize/stage").join(stage);
        documents.push(
            std::fs::read_to_string(&path)
                .with_context(|| format!("failed to read kwok's stage {}", path.display()))?,
        );
    }
    documents.push(CONTAINER_STAGES.to_owned());
    write_private(configuration, &documents.join("\n---\n"))?;

    let mut command = Command::new(directory.join("kwok"));
    command
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--config={}", configuration.display()))
        .arg(format!(
            "--manage-nodes-with-annotation-selector={MANAGED}=fake"
        ))
        .arg(format!("--cidr={}", crate::cluster::POD_RANGE))
        .arg("--node-ip=10.0.0.1")
        .arg("--node-lease-duration-seconds=40")
        .env_remove("KUBECONFIG")
        // kwok keeps a configuration of its own in the home directory; the test's is complete.
        .env("KWOK_WORKDIR", configuration.with_extension("d"));
    Ok(command)
}

/// Makes `count` more nodes, named `node-0`, `node-1` and so on, after those that are there.
///
/// # Errors
/// When the API server refuses.
pub async fn create_nodes(client: &Client, count: usize) -> Result<Vec<String>> {
    let nodes: Api<Node> = Api::all(client.clone());
    let existing = nodes
        .list_metadata(&ListParams::default())
        .await
        .context("failed to list nodes")?
        .items
        .len();
    let mut names = Vec::with_capacity(count);
    for index in existing..existing + count {
        let name = format!("node-{index}");
        let capacity: BTreeMap<String, Quantity> = ALLOCATABLE
            .iter()
            .map(|(name, amount)| (String::from(*name), Quantity(String::from(*amount))))
            .collect();
        let node = Node {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                annotations: Some([(String::from(MANAGED), String::from("fake"))].into()),
                labels: Some(
                    [
                        ("kubernetes.io/hostname", name.as_str()),
                        ("kubernetes.io/os", "linux"),
                        ("kubernetes.io/arch", "amd64"),
                        ("type", "kwok"),
                    ]
                    .map(|(key, value)| (String::from(key), String::from(value)))
                    .into(),
                ),
                ..ObjectMeta::default()
            },
            spec: Some(NodeSpec::default()),
            status: Some(NodeStatus {
                allocatable: Some(capacity.clone()),
                capacity: Some(capacity),
                ..NodeStatus::default()
            }),
        };
        nodes
            .create(&PostParams::default(), &node)
            .await
            .with_context(|| format!("failed to create node {name}"))?;
        names.push(name);
    }
    Ok(names)
}

/// Done when at least `count` nodes are ready and take pods.
pub(crate) async fn nodes_ready(client: &Client, count: usize) -> Result<Seen<()>> {
    let nodes = Api::<Node>::all(client.clone())
        .list(&ListParams::default())
        .await
        .context("failed to list nodes")?;
    let is_ready = |node: &&Node| {
        let conditions = node
            .status
            .iter()
            .filter_map(|status| status.conditions.as_ref())
            .flatten();
        let ready = conditions
            .into_iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True");
        // A node keeps a taint for a moment after it became ready.
        let taints = node
            .spec
            .iter()
            .filter_map(|spec| spec.taints.as_ref())
            .flatten();
        ready
            && taints
                .into_iter()
                .all(|taint| !taint.key.starts_with("node.kubernetes.io/"))
    };
    let ready = nodes.iter().filter(is_ready).count();
    Ok(Seen::when(
        ready >= count,
        format!("{ready} of {count} nodes ready"),
    ))
}

/// How a container of a pod on paper ends.
///
/// It is played from annotations, so a Deployment's pod template can carry them and every new pod
/// meets the same end ([`Self::annotations`]), or one pod that runs is given them
/// ([`Self::play`]). The container is terminated and the pod not ready; then, as a kubelet does
/// under `restartPolicy: Always`, it is restarted with the end in `lastState` and the restart
/// counted. After `restarts` of those it keeps running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Termination {
    /// The container's name.
    pub container: String,

    /// The reason as the kubelet words it, such as `OOMKilled` or `Error`.
    pub reason: String,

    /// The exit code: 137 for SIGKILL.
    pub exit_code: i32,

    /// How often it ends and is restarted.
    pub restarts: u32,

    /// How long it stays terminated, as Kubernetes' own back-off would keep it.
    pub back_off: std::time::Duration,
}

impl Termination {
    /// The kernel kills the container once because it used more memory than its limit.
    #[must_use]
    pub fn out_of_memory(container: &str) -> Self {
        Self {
            container: String::from(container),
            reason: String::from("OOMKilled"),
            exit_code: 137,
            restarts: 1,
            back_off: std::time::Duration::from_millis(500),
        }
    }

    /// The container exits with an error, again and again.
    #[must_use]
    pub fn crash_loop(container: &str, restarts: u32) -> Self {
        Self {
            reason: String::from("Error"),
            exit_code: 1,
            restarts,
            ..Self::out_of_memory(container)
        }
    }

    /// The annotations that play it, for a pod or a pod template.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        [
            ("container", self.container.clone()),
            ("reason", self.reason.clone()),
            ("exit-code", self.exit_code.to_string()),
            ("restarts", self.restarts.to_string()),
            ("back-off", format!("{}ms", self.back_off.as_millis())),
        ]
        .into_iter()
        .map(|(key, value)| (format!("termination.e2e.headroom.dev/{key}"), value))
        .collect()
    }

    /// Plays it on a pod that runs; restarts that the pod has had already do not count.
    ///
    /// # Errors
    /// When there is no such pod or no such container in its status.
    pub async fn play(&self, pods: &Api<Pod>, pod: &str) -> Result<()> {
        let found = pods
            .get(pod)
            .await
            .with_context(|| format!("failed to get pod {pod}"))?;
        let statuses = found
            .status
            .and_then(|status| status.container_statuses)
            .unwrap_or_default();
        let status = statuses
            .iter()
            .find(|status| status.name == self.container)
            .with_context(|| {
                format!("pod {pod} has no status of a container {}", self.container)
            })?;
        let had = u32::try_from(status.restart_count).context("a negative restart count")?;
        let played = Self {
            restarts: self.restarts + had,
            ..self.clone()
        };
        let patch = json!({ "metadata": { "annotations": played.annotations() } });
        pods.patch(pod, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .with_context(|| format!("failed to annotate pod {pod}"))?;
        Ok(())
    }
}

/// Ends a whole pod: its phase becomes `Failed` and it is never restarted, as when a node evicts it.
/// Whoever owns the pod makes another one.
///
/// # Errors
/// When there is no such pod.
pub async fn fail_pod(pods: &Api<Pod>, pod: &str, reason: &str) -> Result<()> {
    // Names of kwok's own stage.
    const STAGE: &str = "pod-container-running-failed.stage.kwok.x-k8s.io";
    let patch = json!({ "metadata": {
        "labels": { STAGE: "true" },
        "annotations": { format!("{STAGE}/reason"): reason },
    }});
    pods.patch(pod, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .with_context(|| format!("failed to label pod {pod}"))?;
    Ok(())
}
