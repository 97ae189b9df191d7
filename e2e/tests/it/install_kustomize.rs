//! `kubectl apply -k` and `kubectl delete -k` on a real control plane.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::wait_for_object;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;

use crate::install::{
    DEFINITION, NAMESPACE, POOL, kubectl, kubectl_with_input, own_cluster, repository,
};

#[tokio::test]
async fn kustomize_installs_and_a_second_time_changes_nothing() -> Result<()> {
    let cluster = own_cluster("install-kustomize").await?;
    let manifests = repository("manifests");
    let manifests = manifests.to_str().context("the checkout's path is UTF-8")?;

    kubectl(&cluster, &format!("apply -k {manifests}")).await?;
    kubectl(
        &cluster,
        &format!("wait --for=condition=Established crd/{DEFINITION} --timeout=30s"),
    )
    .await?;
    // The pod passes the namespace's Pod Security level, or it would not be there.
    let deployments: Api<Deployment> = Api::namespaced(cluster.client().await?, NAMESPACE);
    wait_for_object(
        &deployments,
        "headroom",
        "available",
        Duration::from_secs(60),
        |deployment| {
            deployment
                .status
                .as_ref()
                .and_then(|status| status.available_replicas)
                == Some(1)
        },
    )
    .await?;
    kubectl_with_input(&cluster, "apply -f -", POOL).await?;

    let again = kubectl(&cluster, &format!("apply -k {manifests}")).await?;
    for line in again.lines() {
        assert!(line.ends_with(" unchanged"), "{line}");
    }
    assert_eq!(
        kubectl(&cluster, &format!("diff -k {manifests}")).await?,
        ""
    );

    kubectl(&cluster, &format!("delete -k {manifests} --timeout=60s")).await?;
    let left = kubectl(
        &cluster,
        "get clusterroles,clusterrolebindings,crds --output=name",
    )
    .await?;
    assert!(!left.contains("headroom"), "{left}");
    Ok(())
}
