//! The nodes on paper: pods run, Deployments roll, containers are killed.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use e2e::{
    Cluster, Seen,
    kwok::{Termination, fail_pod},
    wait_for, wait_for_absence, wait_for_object,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ContainerStatus, Pod},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{from_value, json};

const WITHIN: Duration = Duration::from_secs(60);

fn deployment(
    name: &str,
    replicas: u32,
    annotations: &BTreeMap<String, String>,
) -> Result<Deployment> {
    Ok(from_value(json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name }, "annotations": annotations },
                "spec": {
                    "containers": [
                        { "name": "main", "image": "main:1", "resources": { "limits": { "memory": "64Gi", "cpu": "8" } } },
                        { "name": "side", "image": "side:1" },
                    ],
                },
            },
        },
    }))?)
}

fn available(count: i32) -> impl Fn(&Deployment) -> bool {
    move |deployment| {
        let status = deployment.status.clone().unwrap_or_default();
        status.observed_generation == deployment.metadata.generation
            && status.updated_replicas == Some(count)
            && status.available_replicas == Some(count)
            && status.replicas == Some(count)
    }
}

fn container(pod: &Pod, name: &str) -> ContainerStatus {
    let statuses = pod
        .status
        .clone()
        .unwrap_or_default()
        .container_statuses
        .unwrap_or_default();
    statuses
        .into_iter()
        .find(|status| status.name == name)
        .unwrap_or_default()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .clone()
        .unwrap_or_default()
        .conditions
        .unwrap_or_default();
    conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[tokio::test]
async fn a_deployment_becomes_available_rolls_and_goes() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("rolls").await?;
    let client = cluster.client().await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client, &namespace);

    deployments
        .create(
            &PostParams::default(),
            &deployment("web", 5, &BTreeMap::new())?,
        )
        .await?;
    wait_for_object(&deployments, "web", "5 available", WITHIN, available(5)).await?;
    let before: Vec<_> = pods
        .list(&ListParams::default())
        .await?
        .items
        .into_iter()
        .map(|pod| pod.metadata.name)
        .collect();
    assert_eq!(before.len(), 5);

    let patch =
        json!({ "spec": { "template": { "metadata": { "annotations": { "budget": "2" } } } } });
    deployments
        .patch("web", &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    wait_for_object(&deployments, "web", "rolled", WITHIN, available(5)).await?;
    for name in before.into_iter().flatten() {
        wait_for_absence(&pods, &name, WITHIN).await?;
    }

    deployments
        .delete("web", &DeleteParams::foreground())
        .await?;
    wait_for_absence(&deployments, "web", WITHIN).await?;
    assert_eq!(pods.list(&ListParams::default()).await?.items.len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_container_of_a_running_pod_is_killed_for_memory_and_restarted() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("killed").await?;
    let client = cluster.client().await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    deployments
        .create(
            &PostParams::default(),
            &deployment("web", 1, &BTreeMap::new())?,
        )
        .await?;
    wait_for_object(&deployments, "web", "available", WITHIN, available(1)).await?;
    let pod = pods
        .list(&ListParams::default())
        .await?
        .items
        .remove(0)
        .metadata
        .name
        .context("a pod has a name")?;

    for restarts in 1..=2 {
        // Long enough to be seen from here, whatever else the host does.
        let end = Termination {
            back_off: Duration::from_secs(3),
            ..Termination::out_of_memory("main")
        };
        end.play(&pods, &pod).await?;
        let dead = wait_for_object(&pods, &pod, "killed", WITHIN, |pod| {
            container(pod, "main")
                .state
                .unwrap_or_default()
                .terminated
                .is_some()
        })
        .await?;
        assert!(!is_ready(&dead));
        assert!(
            container(&dead, "side").ready,
            "the other container goes on"
        );
        let back = wait_for_object(&pods, &pod, "restarted", WITHIN, |pod| {
            container(pod, "main").restart_count == restarts
        })
        .await?;
        let main = container(&back, "main");
        let last = main
            .last_state
            .unwrap_or_default()
            .terminated
            .context("it says how it ended")?;
        assert_eq!(
            (last.reason.as_deref(), last.exit_code),
            (Some("OOMKilled"), 137)
        );
        assert!(main.state.unwrap_or_default().running.is_some() && is_ready(&back));
    }
    Ok(())
}

#[tokio::test]
async fn a_template_whose_containers_crash_restarts_them_as_often_as_it_says() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("crashes").await?;
    let client = cluster.client().await?;
    let annotations = Termination::crash_loop("main", 3).annotations();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    deployments
        .create(&PostParams::default(), &deployment("web", 2, &annotations)?)
        .await?;
    // Available in the end: after the last crash the containers keep running.
    wait_for_object(&deployments, "web", "available", WITHIN, available(2)).await?;
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    for pod in pods.list(&ListParams::default()).await? {
        let name = pod.metadata.name.context("a pod has a name")?;
        let pod = wait_for_object(&pods, &name, "three restarts", WITHIN, |pod| {
            container(pod, "main").restart_count == 3
        })
        .await?;
        let last = container(&pod, "main")
            .last_state
            .unwrap_or_default()
            .terminated
            .context("it says how it ended")?;
        assert_eq!((last.reason.as_deref(), last.exit_code), (Some("Error"), 1));
        assert_eq!(container(&pod, "side").restart_count, 0);
    }
    Ok(())
}

#[tokio::test]
async fn a_pod_that_fails_as_a_whole_is_replaced_by_its_deployment() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("fails").await?;
    let client = cluster.client().await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    deployments
        .create(
            &PostParams::default(),
            &deployment("web", 1, &BTreeMap::new())?,
        )
        .await?;
    wait_for_object(&deployments, "web", "available", WITHIN, available(1)).await?;
    let pod = pods
        .list(&ListParams::default())
        .await?
        .items
        .remove(0)
        .metadata
        .name
        .context("a pod has a name")?;

    fail_pod(&pods, &pod, "Evicted").await?;
    let failed = wait_for_object(&pods, &pod, "failed", WITHIN, |pod| {
        pod.status
            .as_ref()
            .and_then(|status| status.phase.as_deref())
            == Some("Failed")
    })
    .await?;
    let end = container(&failed, "main")
        .state
        .unwrap_or_default()
        .terminated
        .context("it has ended")?;
    assert_eq!(end.reason.as_deref(), Some("Evicted"));
    wait_for("another pod runs", WITHIN, || async {
        let pods = pods.list(&ListParams::default()).await?;
        let ready: Vec<_> = pods
            .iter()
            .filter(|pod| is_ready(pod))
            .map(|pod| &pod.metadata.name)
            .collect();
        Ok(Seen::when(
            ready.len() == 1 && ready != [&Some(pod.clone())],
            &ready,
        ))
    })
    .await
}
