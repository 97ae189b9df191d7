//! The programs that come with the harness: each one runs, and says no when it should.

use anyhow::Result;
use e2e::{Cluster, tools::Tool};
use tokio::process::Command;

const GOOD: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: null}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: 'web:1', ports: [{containerPort: 80}], resources: {limits: {cpu: 1, memory: 1Gi}}}
      volumes: []
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 81, targetPort: 81}]}
";

#[tokio::test]
async fn kubectl_of_the_multicall_works_as_the_one_on_path_does() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("kubectl").await?;
    cluster
        .kubectl_with_input(["-n", &namespace, "apply", "-f", "-"], GOOD)
        .await?
        .success()?;
    let arguments = ["-n", &namespace, "get", "deployment,service", "-o", "name"];
    let expected = "deployment.apps/web\nservice/web\n";
    assert_eq!(cluster.kubectl(arguments).await?.success()?, expected);

    let mut own = Command::new(Tool::ControlPlane.path()?);
    own.arg("kubectl")
        .args(arguments)
        .env("KUBECONFIG", cluster.kubeconfig());
    assert_eq!(e2e::programs::run(own, "").await?.success()?, expected);

    let refused = cluster
        .kubectl(["-n", &namespace, "get", "deployment", "none"])
        .await?;
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("\"none\" not found"),
        "{}",
        refused.stderr
    );
    assert!(refused.success().is_err());
    Ok(())
}

#[tokio::test]
async fn helm_reaches_the_cluster() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("helm").await?;
    let listed = cluster
        .helm(["list", "--namespace", &namespace, "--output", "json"])
        .await?
        .success()?;
    assert_eq!(listed.trim(), "[]");
    let version = cluster
        .helm(["version", "--template", "{{.Version}}"])
        .await?
        .success()?;
    assert_eq!(version, Tool::Helm.version()?);
    Ok(())
}

#[tokio::test]
async fn kubeconform_knows_every_kind_that_the_cluster_serves_and_no_other() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let told = cluster.kubeconform(GOOD).await?.success()?;
    assert!(
        told.contains(
            "2 resources found parsing stdin - Valid: 2, Invalid: 0, Errors: 0, Skipped: 0"
        ),
        "{told}"
    );

    for (from, to, complaint) in [
        (
            "containerPort: 80",
            "containerPort: eighty",
            "containerPort",
        ),
        ("volumes: []", "volume: []", "volume"),
        ("kind: Service", "kind: Servant", "Servant"),
    ] {
        let wrong = cluster.kubeconform(&GOOD.replace(from, to)).await?;
        assert_eq!(wrong.code, Some(1), "{from} as {to}: {wrong:?}");
        assert!(wrong.stdout.contains(complaint), "{wrong:?}");
    }
    Ok(())
}
