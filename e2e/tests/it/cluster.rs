//! The cluster itself: it serves, several live side by side, it hands out rights and no more.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{
    Cluster, Options, Seen, cluster::client_of, process::ProcessRecord, tools::Tool, wait_for,
};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Secret},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use serde_json::{from_value, json};

#[tokio::test]
async fn the_shared_cluster_serves_the_pinned_version() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let version = cluster.client().await?.apiserver_version().await?;
    assert_eq!(version.git_version, Tool::ControlPlane.version()?);
    assert_eq!(
        format!("v{}.{}", version.major, version.minor),
        version.git_version.rsplit_once('.').unwrap().0
    );
    Ok(())
}

#[tokio::test]
async fn two_clusters_live_side_by_side_and_end_without_a_trace() -> Result<()> {
    let first = Cluster::shared().await?;
    let options = Options {
        name: String::from("second"),
        nodes: 0,
        directory: None,
    };
    let second = Cluster::start(options).await?;
    assert_ne!(first.server(), second.server());

    let name = second.namespace("only-here").await?;
    let configuration = |name: &str| -> Result<ConfigMap> {
        Ok(from_value(json!({ "metadata": { "name": name } }))?)
    };
    let there: Api<ConfigMap> = Api::namespaced(second.client().await?, &name);
    there
        .create(&PostParams::default(), &configuration("a")?)
        .await?;
    let here: Api<ConfigMap> = Api::all(first.client().await?);
    let found = here
        .list(&ListParams::default().fields("metadata.name=a"))
        .await?;
    assert!(
        found
            .items
            .iter()
            .all(|object| object.metadata.namespace.as_deref() != Some(name.as_str()))
    );

    let processes = second.state().processes.clone();
    let directory = second.directory().to_owned();
    assert_eq!(processes.len(), 4, "{processes:?}");
    assert!(processes.iter().all(ProcessRecord::is_alive));
    second.stop().await?;
    assert!(!processes.iter().any(ProcessRecord::is_alive));
    assert!(!directory.exists());
    first.check()
}

#[tokio::test]
async fn a_component_that_dies_is_reported_with_the_end_of_its_log() -> Result<()> {
    let options = Options {
        name: String::from("dying"),
        nodes: 0,
        directory: None,
    };
    let cluster = Cluster::start(options).await?;
    let scheduler = cluster
        .state()
        .processes
        .iter()
        .find(|process| process.name == "kube-scheduler")
        .unwrap()
        .clone();
    scheduler.signal(rustix::process::Signal::KILL)?;
    let error = wait_for("the loss is noticed", Duration::from_secs(10), || async {
        Ok(match cluster.check() {
            Ok(()) => Seen::NotYet(String::from("all well")),
            Err(error) => Seen::Done(format!("{error:#}")),
        })
    })
    .await?;
    assert!(
        error.starts_with("kube-scheduler ended (signal: 9 (SIGKILL))"),
        "{error}"
    );
    assert!(error.contains("kube-scheduler.log"), "{error}");
    cluster.stop().await
}

#[tokio::test]
async fn a_cluster_ends_when_its_last_handle_is_dropped() -> Result<()> {
    let options = Options {
        name: String::from("dropped"),
        nodes: 0,
        directory: None,
    };
    let cluster = Cluster::start(options).await?;
    let (processes, other) = (cluster.state().processes.clone(), cluster.clone());
    drop(cluster);
    assert!(processes.iter().all(ProcessRecord::is_alive));
    drop(other);
    assert!(!processes.iter().any(ProcessRecord::is_alive));
    Ok(())
}

#[tokio::test]
async fn a_service_account_kubeconfig_has_the_rights_of_its_account_only() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("rights").await?;
    let admin = cluster.client().await?;

    let role: Role = from_value(json!({
        "metadata": { "name": "reader" },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] }],
    }))?;
    Api::<Role>::namespaced(admin.clone(), &namespace)
        .create(&PostParams::default(), &role)
        .await?;
    let binding: RoleBinding = from_value(json!({
        "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader" },
        "subjects": [{ "kind": "ServiceAccount", "name": "default", "namespace": namespace }],
    }))?;
    Api::<RoleBinding>::namespaced(admin, &namespace)
        .create(&PostParams::default(), &binding)
        .await?;

    let kubeconfig = cluster
        .service_account_kubeconfig(&namespace, "default")
        .await?;
    let client = client_of(&kubeconfig).await?;
    // The API server's view of roles follows a moment after they were made.
    let allowed: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    wait_for("the right to list", Duration::from_secs(10), || async {
        Ok(Seen::Done(allowed.list(&ListParams::default()).await?))
    })
    .await?;

    let refused = Api::<Secret>::namespaced(client.clone(), &namespace)
        .list(&ListParams::default())
        .await;
    let expected =
        format!("\"system:serviceaccount:{namespace}:default\" cannot list resource \"secrets\"");
    let error = refused.err().context("secrets are not its business")?;
    assert!(error.to_string().contains(&expected), "{error}");
    let elsewhere = Api::<ConfigMap>::namespaced(client, "kube-system")
        .list(&ListParams::default())
        .await;
    assert!(matches!(elsewhere, Err(kube::Error::Api(status)) if status.code == 403));

    let error = cluster
        .service_account_kubeconfig(&namespace, "nobody")
        .await
        .err()
        .context("nobody is nobody")?;
    assert!(
        format!("{error:#}").contains(&format!("ServiceAccount {namespace}/nobody")),
        "{error:#}"
    );
    Ok(())
}
