//! What restarts pods and what does not, and rollouts that do not succeed.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use e2e::{Seen, kwok::Termination, wait_for, wait_for_object};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::pool::{
    SOON, Scene, condition, has_condition, is_observed, is_ready, pool_of, sound_pool,
};

/// The pods by name, each with the hash of its template.
async fn templates(scene: &Scene, pool: &str) -> Result<BTreeMap<String, String>> {
    scene
        .pods(pool)
        .await?
        .into_iter()
        .map(|pod| {
            let hash = pod
                .metadata
                .labels
                .and_then(|mut labels| labels.remove("pod-template-hash"))
                .context("a pod of a Deployment has a hash")?;
            Ok((pod.metadata.name.context("a pod has a name")?, hash))
        })
        .collect()
}

#[tokio::test]
async fn an_unchanged_budget_restarts_no_pod_and_a_changed_one_restarts_all() -> Result<()> {
    let scene = Scene::new("rollout").await?;
    scene
        .create(&pool_of("clicks", &json!({"replicas": 2})))
        .await?;
    scene.wait_ready("clicks").await?;
    let before = templates(&scene, "clicks").await?;
    ensure!(before.len() == 2, "{before:?}");

    // The same in other words, and what has nothing to do with the pods.
    let unchanged = [
        json!({"metadata": {"labels": {"team": "clicks"}, "annotations": {"note": "changed"}}}),
        json!({"spec": {"onConflict": "UseLargestFeasible"}}),
        json!({"spec": {"taskManager": {"resources": {"limits": {"memory": "4096Mi"}}}}}),
        json!({"spec": {"taskManager": {"resources": {"limits": {"memory": 4_294_967_296_i64}}}}}),
        json!({"spec": {"taskManager": {"resources": {"limits": {"memory": "4Gi"}, "requests": {"memory": "4Gi"}}}}}),
        json!({"spec": {"taskManager": {"numberOfTaskSlots": 1}}}),
        json!({"spec": {"memory": {"managed": {"fraction": "0.4"}, "jvm": {"metaspaceSize": "256 mb"}}}}),
        json!({"spec": {"memory": {"managed": {"fraction": null, "size": "1438814063b"}}}}),
        json!({"spec": {"memory": null, "flinkConfiguration": {"taskmanager.memory.managed.fraction": 0.4}}}),
        json!({"spec": {"flinkConfiguration": {"taskmanager": {"memory": {"managed": {"fraction": 0.4}}}, "taskmanager.memory.managed.fraction": null}}}),
        json!({"spec": {"flinkConfiguration": null, "podTemplate": {}}}),
        json!({"spec": {"podTemplate": null, "jvmArguments": {"extra": []}}}),
        json!({"spec": {"replicas": 3}}),
        json!({"spec": {"replicas": 2}}),
    ];
    for change in unchanged {
        scene.patch("clicks", &change).await?;
        let pool = scene
            .wait_ready("clicks")
            .await
            .with_context(|| change.to_string())?;
        let expected = usize::try_from(pool.spec.replicas)?;
        wait_for("as many pods as asked for", SOON, || async {
            let pods = templates(&scene, "clicks").await?;
            Ok(Seen::when(pods.len() == expected, pods))
        })
        .await?;
        let now = templates(&scene, "clicks").await?;
        let hashes: std::collections::BTreeSet<_> = now.values().chain(before.values()).collect();
        ensure!(
            hashes.len() == 1,
            "{change} made pods anew: {before:?} became {now:?}"
        );
    }

    // Every one of these has to reach the processes, so it restarts all of them.
    let changed = [
        json!({"spec": {"taskManager": {"resources": {"limits": {"memory": "5Gi"}, "requests": null}}}}),
        json!({"spec": {"memory": {"managed": {"fraction": "0.5"}}}}),
        json!({"spec": {"taskManager": {"numberOfTaskSlots": 4}}}),
        json!({"spec": {"flinkConfiguration": {"parallelism.default": 8}}}),
        json!({"spec": {"image": "flink:2.1.1"}}),
    ];
    let mut before = templates(&scene, "clicks").await?;
    for change in changed {
        scene.patch("clicks", &change).await?;
        scene
            .wait_ready("clicks")
            .await
            .with_context(|| change.to_string())?;
        let now = wait_for("pods of the new template only", SOON, || async {
            let pods = templates(&scene, "clicks").await?;
            let all_new = pods.len() == 2 && pods.keys().all(|name| !before.contains_key(name));
            Ok(if all_new {
                Seen::Done(pods)
            } else {
                Seen::NotYet(format!("{pods:?}"))
            })
        })
        .await
        .with_context(|| change.to_string())?;
        before = now;
    }
    let pods = scene.pods("clicks").await?;
    let arguments = pods[0]
        .spec
        .as_ref()
        .and_then(|spec| spec.containers[0].args.clone())
        .unwrap_or_default();
    ensure!(
        arguments.contains(&String::from("-Dtaskmanager.numberOfTaskSlots=4")),
        "{arguments:?}"
    );
    scene.end().await
}

/// A template whose container ends as soon as it runs and stays so.
fn never_ready() -> Value {
    let termination = Termination {
        reason: String::from("Error"),
        exit_code: 1,
        back_off: Duration::from_secs(3600),
        ..Termination::out_of_memory("taskmanager")
    };
    json!({"metadata": {"annotations": termination.annotations()}})
}

#[tokio::test]
async fn a_rollout_that_does_not_succeed_is_told_and_a_new_spec_supersedes_it() -> Result<()> {
    let scene = Scene::new("stuck").await?;
    scene
        .create(&pool_of("clicks", &json!({"podTemplate": never_ready()})))
        .await?;
    scene
        .wait("clicks", "rolls out", |pool| {
            is_observed(pool)
                && has_condition(pool, "Available", "False", "ReplicasUnavailable")
                && condition(pool, "Reconciling")
                    .is_some_and(|condition| condition.status == "True")
                && condition(pool, "Stalled").is_none()
                && pool
                    .status
                    .as_ref()
                    .is_some_and(|status| status.replicas == 1)
        })
        .await?;
    let deployments: Api<Deployment> = scene.api();
    wait_for_object(
        &deployments,
        "clicks",
        "its pod is not ready",
        SOON,
        |deployment| {
            deployment
                .status
                .as_ref()
                .is_some_and(|status| status.unavailable_replicas == Some(1))
        },
    )
    .await?;

    // Nobody waits ten minutes here: the Deployment's own controller keeps a deadline that it finds exceeded.
    let timed_out = json!({"status": {"conditions": [{
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet \"clicks-1\" has timed out progressing.",
        "lastUpdateTime": "2026-01-01T00:00:00Z",
        "lastTransitionTime": "2026-01-01T00:00:00Z"
    }]}});
    deployments
        .patch_status(
            "clicks",
            &PatchParams::default(),
            &Patch::Strategic(timed_out),
        )
        .await?;
    let pool = scene
        .wait("clicks", "stalled", |pool| {
            has_condition(pool, "Stalled", "True", "ProgressDeadlineExceeded")
                && has_condition(pool, "Ready", "False", "ProgressDeadlineExceeded")
        })
        .await?;
    ensure!(condition(&pool, "Reconciling").is_none(), "{pool:#?}");

    // A spec that works goes through although the one before never did.
    scene
        .patch("clicks", &json!({"spec": {"podTemplate": null}}))
        .await?;
    let pool = scene.wait_ready("clicks").await?;
    ensure!(condition(&pool, "Stalled").is_none());
    scene.end().await
}

#[tokio::test]
async fn a_taskmanager_that_is_killed_for_its_memory_is_not_available() -> Result<()> {
    let scene = Scene::new("killed-pod").await?;
    scene
        .create(&pool_of("clicks", &json!({"replicas": 2})))
        .await?;
    scene.wait_ready("clicks").await?;
    let pods = scene.pods("clicks").await?;
    let name = pods[0].metadata.name.clone().context("a pod has a name")?;
    let api: Api<Pod> = scene.api();
    let killed = Termination {
        back_off: Duration::from_secs(3),
        ..Termination::out_of_memory("taskmanager")
    };
    killed.play(&api, &name).await?;
    let pool = scene
        .wait("clicks", "one of two is available", |pool| {
            has_condition(pool, "Available", "False", "ReplicasUnavailable")
                && pool
                    .status
                    .as_ref()
                    .is_some_and(|status| status.available_replicas == 1)
        })
        .await?;
    ensure!(!is_ready(&pool), "{pool:#?}");
    scene
        .kubectl("wait --for=condition=Ready tmpool/clicks --timeout=60s")
        .await?;
    let pool = scene.wait_ready("clicks").await?;
    ensure!(
        pool.status
            .is_some_and(|status| status.available_replicas == 2)
    );
    scene.end().await
}

/// A newer generation always wins over one that is under way.
#[tokio::test]
async fn many_changes_in_a_row_end_with_the_last() -> Result<()> {
    let scene = Scene::new("flapping").await?;
    scene.create(&sound_pool("clicks")).await?;
    for memory in ["5Gi", "3Gi", "256Mi", "6Gi", "2Gi", "8Gi", "4Gi", "7Gi"] {
        scene
            .patch(
                "clicks",
                &json!({"spec": {"taskManager": {"resources": {"limits": {"memory": memory}}}}}),
            )
            .await?;
    }
    let pool = scene.wait_ready("clicks").await?;
    let budget = pool
        .status
        .and_then(|status| status.budget)
        .context("a budget")?;
    ensure!(budget.container_limit_bytes == 7 << 30, "{budget:?}");
    let found = scene.children("clicks").await?;
    let (_, _, _, deployment) = found.complete()?;
    let annotations = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.metadata.as_ref()?.annotations.clone())
        .unwrap_or_default();
    ensure!(
        annotations.get("headroom.dev/budget-hash") == Some(&budget.hash),
        "{annotations:?}"
    );
    scene.end().await
}
