//! The life of a release: install, upgrade, uninstall, install again.

use std::fs;

use anyhow::{Context, Result};
use e2e::Cluster;

use crate::install::{
    DEFINITION, NAMESPACE, POOL, helm, kubectl, kubectl_with_input, own_cluster, repository,
};

/// A column that the definition has now and that the chart of "yesterday" lacks.
const COLUMN: &str = "Managed";

async fn columns(cluster: &Cluster) -> Result<String> {
    kubectl(
        cluster,
        &format!("get crd {DEFINITION} --output=jsonpath={{.spec.versions[0].additionalPrinterColumns[*].name}}"),
    )
    .await
}

/// The chart as an earlier release of it might have been: its definition lacks a column.
fn earlier_chart(cluster: &Cluster) -> Result<String> {
    fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                copy(&entry.path(), &target)?;
            } else {
                fs::copy(entry.path(), target)?;
            }
        }
        Ok(())
    }
    let chart = cluster.directory().join("earlier-chart");
    copy(&repository("charts/headroom"), &chart)?;
    let path = chart.join("templates/crd.yaml");
    let definition = fs::read_to_string(&path)?;
    let start = definition
        .find("  - additionalPrinterColumns:")
        .context("the definition has columns")?;
    let managed = definition[start..]
        .find(&format!("      name: {COLUMN}\n"))
        .context("the definition has the column")?
        + start;
    let from = definition[..managed]
        .rfind("    - description:")
        .context("a column starts with its description")?;
    let to = definition[managed..]
        .find("    - description:")
        .context("it is not the last column")?
        + managed;
    fs::write(
        &path,
        format!("{}{}", &definition[..from], &definition[to..]),
    )?;
    Ok(chart
        .to_str()
        .context("the run directory's path is UTF-8")?
        .to_owned())
}

#[tokio::test]
async fn a_release_is_installed_upgraded_and_uninstalled_and_the_pools_stay() -> Result<()> {
    let cluster = own_cluster("install-helm").await?;
    let earlier = earlier_chart(&cluster)?;

    // Install: the pod is admitted and runs.
    helm(
        &cluster,
        &format!("install headroom {earlier} --namespace {NAMESPACE} --create-namespace --wait --timeout 90s"),
        &[],
    )
    .await?;
    assert!(!columns(&cluster).await?.contains(COLUMN));
    kubectl_with_input(&cluster, "apply -f -", POOL).await?;

    // Upgrade: the definition follows, the pool stays, a value takes effect.
    let notes = helm(
        &cluster,
        &format!("upgrade headroom CHART --namespace {NAMESPACE} --set resources.limits.memory=200Mi --wait --timeout 90s"),
        &[],
    )
    .await?;
    assert!(
        notes.contains("kubectl explain taskmanagerpool.spec"),
        "{notes}"
    );
    assert!(columns(&cluster).await?.contains(COLUMN));
    let limit = kubectl(
        &cluster,
        &format!("--namespace {NAMESPACE} get deployment headroom --output=jsonpath={{.spec.template.spec.containers[0].resources.limits.memory}}"),
    )
    .await?;
    assert_eq!(limit, "200Mi");

    // The next step that the notes tell works as it stands there.
    let example = notes
        .lines()
        .skip_while(|line| !line.ends_with("<<END"))
        .skip(1)
        .take_while(|line| line.trim() != "END")
        .map(|line| line.strip_prefix("  ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    kubectl_with_input(&cluster, "apply -f -", &example).await?;

    // Uninstall: the definition and the pool stay, everything else goes.
    let uninstall = format!("uninstall headroom --namespace {NAMESPACE} --wait");
    helm(&cluster, &uninstall, &[]).await?;
    assert_eq!(
        kubectl(&cluster, "get taskmanagerpools --output=name").await?,
        "taskmanagerpool.headroom.dev/clicks\n"
    );
    let left = kubectl(
        &cluster,
        "get deployments,clusterroles,clusterrolebindings,serviceaccounts --all-namespaces --output=name",
    )
    .await?;
    assert!(!left.contains("headroom"), "{left}");

    // Install again: the same name takes the definition back, another one has to ask for it.
    let install = format!("install headroom CHART --namespace {NAMESPACE}");
    helm(&cluster, &install, &[]).await?;
    helm(&cluster, &uninstall, &[]).await?;
    let elsewhere = "install sizes CHART --namespace elsewhere --create-namespace";
    let refused = helm(&cluster, elsewhere, &[])
        .await
        .expect_err("the definition belongs to the first release");
    assert!(format!("{refused:#}").contains(DEFINITION), "{refused:#}");
    helm(&cluster, elsewhere, &["--take-ownership"]).await?;
    assert_eq!(
        kubectl(&cluster, "get taskmanagerpools --output=name").await?,
        "taskmanagerpool.headroom.dev/clicks\n"
    );
    Ok(())
}
