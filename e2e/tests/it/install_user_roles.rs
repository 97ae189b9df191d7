//! What people may do with pools through Kubernetes' own roles, once Headroom is installed.

use std::time::Duration;

use anyhow::Result;
use e2e::{Cluster, Seen, wait_for};

use crate::install::{NAMESPACE, helm, kubectl, own_cluster};

/// Asks the API server whether a person may do something in the namespace `team`.
async fn may(cluster: &Cluster, person: &str, question: &str) -> Result<bool> {
    let words = format!("auth can-i {question} --namespace team --as {person}");
    let output = cluster.kubectl(words.split_whitespace()).await?;
    Ok(output.stdout.trim() == "yes")
}

#[tokio::test]
async fn viewers_read_and_editors_write_pools_and_nobody_writes_status() -> Result<()> {
    let cluster = own_cluster("install-user-roles").await?;
    helm(
        &cluster,
        &format!("install headroom CHART --namespace {NAMESPACE} --create-namespace"),
        &[],
    )
    .await?;
    kubectl(&cluster, "create namespace team").await?;
    for (role, person) in [("view", "vera"), ("edit", "edo"), ("admin", "ada")] {
        kubectl(
            &cluster,
            &format!(
                "create rolebinding {person} --clusterrole={role} --user={person} --namespace=team"
            ),
        )
        .await?;
    }
    // The controller manager adds the rules to the roles in its own time.
    for person in ["vera", "edo", "ada"] {
        wait_for(
            format!("{person} may read pools"),
            Duration::from_secs(30),
            || async {
                let answer = may(&cluster, person, "list taskmanagerpools").await?;
                Ok(Seen::when(answer, "not yet"))
            },
        )
        .await?;
    }
    for (question, vera, edo) in [
        ("get taskmanagerpools", true, true),
        ("watch taskmanagerpools", true, true),
        ("get taskmanagerpools --subresource=status", true, true),
        ("get taskmanagerpools --subresource=scale", true, true),
        ("create taskmanagerpools", false, true),
        ("patch taskmanagerpools", false, true),
        ("delete taskmanagerpools", false, true),
        ("update taskmanagerpools --subresource=scale", false, true),
        ("patch taskmanagerpools --subresource=status", false, false),
        ("update taskmanagerpools --subresource=status", false, false),
    ] {
        assert_eq!(may(&cluster, "vera", question).await?, vera, "{question}");
        assert_eq!(may(&cluster, "edo", question).await?, edo, "{question}");
        assert_eq!(may(&cluster, "ada", question).await?, edo, "{question}");
        assert!(!may(&cluster, "nobody", question).await?, "{question}");
    }
    Ok(())
}
