//! The audit log: what was asked for is in it, once, with who asked and what came of it.

use anyhow::Result;
use e2e::{Cluster, cluster::client_of};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{from_value, json};

#[tokio::test]
async fn writes_are_told_from_reads_and_dry_runs() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("audit").await?;
    let objects: Api<ConfigMap> = Api::namespaced(cluster.client().await?, &namespace);
    let audit = cluster.audit();
    let mark = audit.mark().await?;
    let ours = |requests: Vec<e2e::audit::Request>| -> Vec<_> {
        let mut requests = requests;
        requests.retain(|request| {
            request.object_ref.as_ref().is_some_and(|object| {
                object.namespace == namespace && object.resource == "configmaps"
            }) && request.user.username == "admin"
        });
        requests
    };

    objects.list(&ListParams::default()).await?;
    assert_eq!(ours(audit.writes_since(mark).await?).len(), 0);

    let object: ConfigMap = from_value(json!({ "metadata": { "name": "a" } }))?;
    objects
        .create(
            &PostParams {
                dry_run: true,
                ..PostParams::default()
            },
            &object,
        )
        .await?;
    assert_eq!(ours(audit.writes_since(mark).await?).len(), 0);

    objects.create(&PostParams::default(), &object).await?;
    let patch =
        Patch::Apply(json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "k": "v" } }));
    objects
        .patch("a", &PatchParams::apply("someone"), &patch)
        .await?;
    objects.delete("a", &DeleteParams::default()).await?;
    let writes = ours(audit.writes_since(mark).await?);
    let told: Vec<_> = writes
        .iter()
        .map(|request| (request.verb.as_str(), request.code()))
        .collect();
    assert_eq!(told, [("create", 201), ("patch", 200), ("delete", 200)]);
    assert!(
        writes[1].uri.contains("fieldManager=someone"),
        "{}",
        writes[1].uri
    );
    assert!(writes[0].stage_timestamp.0 >= writes[0].request_received_timestamp.0);

    let later = audit.mark().await?;
    assert_eq!(ours(audit.requests_since(later).await?).len(), 0);
    Ok(())
}

#[tokio::test]
async fn refused_requests_are_found_by_their_service_account() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("refused").await?;
    let audit = cluster.audit();
    let mark = audit.mark().await?;
    let client = client_of(
        &cluster
            .service_account_kubeconfig(&namespace, "default")
            .await?,
    )
    .await?;
    let objects: Api<ConfigMap> = Api::namespaced(client, &namespace);
    objects
        .list(&ListParams::default())
        .await
        .expect_err("it has no rights");

    let mut refused = audit.refused_since(mark).await?;
    refused.retain(|request| request.is_by_service_account(&namespace, "default"));
    let told: Vec<_> = refused
        .iter()
        .map(|request| (request.verb.as_str(), request.resource()))
        .collect();
    assert_eq!(told, [("list", String::from("configmaps"))]);
    Ok(())
}
