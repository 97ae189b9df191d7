//! Deletion, objects that belong to others, edits by others, restarts of the controller, namespaces.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Seen, wait_for, wait_for_absence, wait_for_object};
use futures::future::try_join_all;
use headroom::{api::v1alpha1::TaskManagerPool, desired::config_map_name};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{ConfigMap, Pod, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::pool::{
    SOON, Scene, Setup, children, condition, has_condition, identity, is_ready, pool_of,
    sound_pool, split_writes, summary,
};

/// Waits until nothing of a pool is left, however indirectly it was made.
async fn wait_until_nothing_is_left(scene: &Scene, name: &str) -> Result<()> {
    wait_for_absence(&scene.pools(), name, SOON).await?;
    let selector = ListParams::default().labels(&headroom::desired::selector_text(name));
    wait_for(format!("nothing left of {name}"), SOON, || async {
        let children = scene.children(name).await?.count();
        let replica_sets = scene.api::<ReplicaSet>().list(&selector).await?.items.len();
        let pods = scene.api::<Pod>().list(&selector).await?.items.len();
        Ok(Seen::when(
            children + replica_sets + pods == 0,
            (children, replica_sets, pods),
        ))
    })
    .await
}

#[tokio::test]
async fn a_deleted_pool_leaves_nothing() -> Result<()> {
    let scene = Scene::new("delete").await?;
    for name in ["background", "foreground", "other"] {
        scene.create(&sound_pool(name)).await?;
    }
    for name in ["background", "foreground", "other"] {
        scene.wait_ready(name).await?;
    }
    let other = scene.children("other").await?.identities()?;
    let mark = scene.mark().await?;
    scene.delete("background").await?;
    scene
        .pools()
        .delete("foreground", &DeleteParams::foreground())
        .await?;
    wait_until_nothing_is_left(&scene, "background").await?;
    wait_until_nothing_is_left(&scene, "foreground").await?;

    // Kubernetes' own garbage collector did it: the controller wrote nothing, least of all to a pool that goes.
    let writes = scene.writes_since(mark).await?;
    ensure!(writes.is_empty(), "{:#?}", summary(&writes));
    ensure!(scene.children("other").await?.identities()? == other);
    let (_, metrics) = scene.get("/metrics").await?;
    ensure!(!metrics.contains("pool=\"background\""), "{metrics}");
    ensure!(metrics.contains("pool=\"other\""), "{metrics}");
    scene.end().await
}

#[tokio::test]
async fn a_pool_made_anew_at_once_gets_children_of_its_own() -> Result<()> {
    let scene = Scene::new("anew").await?;
    scene.create(&sound_pool("clicks")).await?;
    let old = scene.wait_ready("clicks").await?;
    scene.delete("clicks").await?;
    scene.create(&sound_pool("clicks")).await?;
    let new = scene.wait_ready("clicks").await?;
    ensure!(old.metadata.uid != new.metadata.uid);
    let uid = new.metadata.uid.clone().context("a pool has a uid")?;
    let found = scene.children("clicks").await?;
    let (service_account, config_map, budget, deployment) = found.complete()?;
    for metadata in [
        &service_account.metadata,
        &config_map.metadata,
        &budget.metadata,
        &deployment.metadata,
    ] {
        let owners = metadata.owner_references.clone().unwrap_or_default();
        ensure!(owners.len() == 1 && owners[0].uid == uid, "{owners:?}");
    }
    // The garbage collector has nothing more to take: what is there now stays.
    let before = found.identities()?;
    let pods = scene.pods("clicks").await?;
    ensure!(pods.len() == 1, "{} pods", pods.len());
    scene
        .patch(
            "clicks",
            &json!({"metadata": {"labels": {"touched": "yes"}}}),
        )
        .await?;
    ensure!(scene.children("clicks").await?.identities()? == before);
    scene.end().await
}

#[tokio::test]
async fn orphans_are_not_taken_over() -> Result<()> {
    let scene = Scene::new("orphans").await?;
    scene.create(&sound_pool("clicks")).await?;
    scene.wait_ready("clicks").await?;
    scene
        .pools()
        .delete("clicks", &DeleteParams::orphan())
        .await?;
    wait_for_absence(&scene.pools(), "clicks", SOON).await?;
    let orphans = scene.children("clicks").await?;
    ensure!(orphans.count() == 4, "{orphans:#?}");
    let before = orphans.identities()?;

    scene.create(&sound_pool("clicks")).await?;
    scene
        .wait("clicks", "does not take orphans over", |pool| {
            has_condition(pool, "Stalled", "True", "ForeignObject")
        })
        .await?;
    ensure!(
        scene.children("clicks").await?.identities()? == before,
        "an orphan was changed"
    );
    scene.end().await
}

/// What somebody else made under a child's name.
fn foreign(kind: &str, name: &str) -> String {
    let body = match kind {
        "Deployment" => json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "web", "image": "web:1"}]}
                }
            }
        }),
        "ConfigMap" => json!({
            "apiVersion": "v1", "kind": kind, "metadata": {"name": config_map_name(name)}, "data": {"mine": "yes"}
        }),
        "ServiceAccount" => json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}),
        _ => json!({
            "apiVersion": "policy/v1", "kind": kind, "metadata": {"name": name},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}}
        }),
    };
    body.to_string()
}

#[tokio::test]
async fn a_foreign_object_is_reported_and_never_touched() -> Result<()> {
    let scene = Scene::new("foreign").await?;
    let kinds = [
        "Deployment",
        "ConfigMap",
        "ServiceAccount",
        "PodDisruptionBudget",
    ];
    try_join_all(kinds.map(|kind| check_foreign(&scene, kind))).await?;
    scene.end().await
}

async fn check_foreign(scene: &Scene, kind: &'static str) -> Result<()> {
    let name = &kind.to_lowercase();
    let object = if kind == "ConfigMap" {
        config_map_name(name)
    } else {
        name.clone()
    };
    let get = || async {
        let output = scene
            .kubectl(&format!(
                "get {kind} {object} -o json --show-managed-fields"
            ))
            .await?;
        let mut value: serde_json::Value = serde_json::from_str(&output)?;
        // Kubernetes' own controllers write a status; nobody may write anything else.
        value["status"].take();
        if let Some(fields) = value["metadata"]["managedFields"].as_array_mut() {
            fields.retain(|entry| entry["subresource"] != "status");
        }
        if matches!(kind, "Deployment" | "PodDisruptionBudget") {
            value["metadata"]["resourceVersion"].take();
            value["metadata"]["annotations"].take();
        }
        anyhow::Ok(value)
    };
    scene
        .cluster
        .kubectl_with_input(
            ["-n", &scene.namespace, "create", "-f", "-"],
            &foreign(kind, name),
        )
        .await?
        .success()?;
    let before = get().await?;
    scene.create(&sound_pool(name)).await?;
    let pool = scene
        .wait(name, "reports the foreign object", |pool| {
            has_condition(pool, "Stalled", "True", "ForeignObject")
                && has_condition(pool, "Ready", "False", "ForeignObject")
        })
        .await?;
    let message = condition(&pool, "Stalled")
        .map(|condition| condition.message.clone())
        .unwrap_or_default();
    ensure!(
        message.contains(kind)
            && message.contains(&object)
            && message.contains("delete or rename it"),
        "{message}"
    );
    ensure!(get().await? == before, "the foreign {kind} was changed");
    if kind != "Deployment" {
        ensure!(
            scene.children(name).await?.deployment.is_none(),
            "a Deployment was made beside a foreign {kind}"
        );
    }
    // Once it is out of the way, the pool goes on by itself.
    scene
        .kubectl(&format!("delete {kind} {object} --wait=true"))
        .await?;
    let pool = scene.wait_ready(name).await?;
    ensure!(condition(&pool, "Stalled").is_none());
    ensure!(scene.children(name).await?.count() == 4);
    Ok(())
}

/// What somebody else does to a child, with kubectl, and to which one.
struct Edit {
    name: &'static str,
    kubectl: &'static str,
}

#[tokio::test]
async fn an_edit_of_our_field_is_reverted_once_and_of_others_fields_left_alone() -> Result<()> {
    let scene = Scene::new("edits").await?;
    scene
        .create(&pool_of(
            "clicks",
            &json!({"flinkConfiguration": {"parallelism.default": 2}}),
        ))
        .await?;
    scene.wait_ready("clicks").await?;
    let original = scene.children("clicks").await?.identities()?;
    let spec_of = |identities: &serde_json::Value| -> serde_json::Value {
        let parts: Vec<_> = identities
            .as_array()
            .into_iter()
            .flatten()
            .map(|part| {
                json!([
                    part["uid"],
                    part["labels"],
                    part["annotations"]["headroom.dev/applied-digest"],
                    part["spec"],
                    part["data"],
                    part["token"]
                ])
            })
            .collect();
        json!(parts)
    };
    // Kubernetes' Deployment controller counts revisions in an annotation of its own.
    let ours = [
        Edit {
            name: "replicas",
            kubectl: "scale deployment/clicks --replicas=4",
        },
        Edit {
            name: "image",
            kubectl: "set image deployment/clicks taskmanager=other:1",
        },
        Edit {
            name: "memory",
            kubectl: "set resources deployment/clicks -c taskmanager --limits=memory=6Gi",
        },
        Edit {
            name: "label",
            kubectl: "label deployment/clicks --overwrite app.kubernetes.io/instance=other",
        },
        Edit {
            name: "label that the watch selects by",
            kubectl: "label configmap/clicks-configuration app.kubernetes.io/managed-by-",
        },
        Edit {
            name: "data",
            kubectl: r#"patch configmap/clicks-configuration --type=merge -p {"data":{"config.yaml":"a:b"}}"#,
        },
        Edit {
            name: "token",
            kubectl: r#"patch serviceaccount/clicks --type=merge -p {"automountServiceAccountToken":true}"#,
        },
        Edit {
            name: "disruptions",
            kubectl: r#"patch pdb/clicks --type=merge -p {"spec":{"maxUnavailable":5}}"#,
        },
    ];
    for edit in ours {
        let mark = scene.mark().await?;
        scene
            .kubectl(edit.kubectl)
            .await
            .with_context(|| format!("edit of {}", edit.name))?;
        wait_for(format!("the {} reverted", edit.name), SOON, || async {
            let now = scene.children("clicks").await?.identities()?;
            Ok(Seen::when(spec_of(&now) == spec_of(&original), now))
        })
        .await?;
        scene.wait_ready("clicks").await?;
        // Where the label went by which the watch selects, the child looks deleted at first, and its creation fails.
        let mut writes = scene.writes_since(mark).await?;
        writes.retain(|request| request.code() != 409);
        let (children, _) = split_writes(&writes);
        ensure!(children == 1, "{}: {:#?}", edit.name, summary(&writes));
    }

    // A child that is deleted comes back.
    let config_maps: Api<ConfigMap> = scene.api();
    let mark = scene.mark().await?;
    let name = config_map_name("clicks");
    let deleted = config_maps.get(&name).await?.metadata.uid;
    config_maps.delete(&name, &DeleteParams::default()).await?;
    wait_for_object(&config_maps, &name, "made anew", SOON, |found| {
        found.metadata.uid != deleted
    })
    .await?;
    scene.wait_ready("clicks").await?;
    let writes = scene.writes_since(mark).await?;
    ensure!(split_writes(&writes).0 == 1, "{:#?}", summary(&writes));

    // What is not ours stays, also when we write ourselves, and is no reason to write.
    let mark = scene.mark().await?;
    scene
        .kubectl("annotate deployment/clicks example.com/team=clicks")
        .await?;
    scene
        .kubectl("label configmap/clicks-configuration example.com/team=clicks")
        .await?;
    scene.kubectl(r#"patch serviceaccount/clicks --type=merge -p {"imagePullSecrets":[{"name":"registry"}]}"#).await?;
    scene.kubectl("rollout restart deployment/clicks").await?;
    wait_for("a restarted pod", SOON, || async {
        let pods = scene.pods("clicks").await?;
        let restarted = pods.len() == 1
            && pods.iter().all(|pod| {
                pod.metadata
                    .annotations
                    .as_ref()
                    .is_some_and(|annotations| {
                        annotations.contains_key("kubectl.kubernetes.io/restartedAt")
                    })
            });
        Ok(Seen::when(restarted, pods.len()))
    })
    .await?;
    scene.wait_ready("clicks").await?;
    let writes = scene.writes_since(mark).await?;
    ensure!(split_writes(&writes).0 == 0, "{:#?}", summary(&writes));
    scene.patch("clicks", &json!({"spec": {"image": "flink:2.1.1", "flinkConfiguration": {"parallelism.default": 3}}})).await?;
    scene.wait_ready("clicks").await?;
    let after = scene.children("clicks").await?;
    let (service_account, config_map, _, deployment) = after.complete()?;
    let annotations = deployment.metadata.annotations.clone().unwrap_or_default();
    ensure!(
        annotations
            .get("example.com/team")
            .is_some_and(|team| team == "clicks"),
        "{annotations:?}"
    );
    let labels = config_map.metadata.labels.clone().unwrap_or_default();
    ensure!(
        labels
            .get("example.com/team")
            .is_some_and(|team| team == "clicks"),
        "{labels:?}"
    );
    ensure!(
        service_account
            .image_pull_secrets
            .as_ref()
            .is_some_and(|secrets| secrets.len() == 1)
    );
    scene.end().await
}

#[tokio::test]
async fn a_restart_writes_nothing() -> Result<()> {
    let mut scene = Scene::new("restart").await?;
    for index in 0..5 {
        scene.create(&sound_pool(&format!("good-{index}"))).await?;
        let wrong = pool_of(
            &format!("wrong-{index}"),
            &json!({"memory": {"managed": {"size": "6g"}}}),
        );
        scene.create(&wrong).await?;
    }
    for index in 0..5 {
        scene.wait_ready(&format!("good-{index}")).await?;
        scene.wait_conflict(&format!("wrong-{index}")).await?;
    }
    ensure!(scene.controller.stop().await?.success());
    let mark = scene.mark().await?;
    scene.restart()?;
    scene.wait_until_ready().await?;
    wait_for("every pool was looked at", SOON, || async {
        let count = scene
            .metric("headroom_reconcile_duration_seconds_count")
            .await?;
        Ok(Seen::when(count >= Some(10.0), count))
    })
    .await?;
    let writes = scene.writes_since(mark).await?;
    ensure!(writes.is_empty(), "{:#?}", summary(&writes));
    let requests = scene.requests_since(mark).await?;
    let lists = requests
        .iter()
        .filter(|request| request.verb == "list")
        .count();
    ensure!(lists == 5, "{:#?}", summary(&requests));
    scene.end().await
}

#[tokio::test]
async fn a_killed_controller_goes_on_where_it_stopped() -> Result<()> {
    const POOLS: usize = 24;
    let mut scene = Scene::new("killed").await?;
    let mark = scene.mark().await?;
    for index in 0..POOLS {
        scene.create(&sound_pool(&format!("pool-{index}"))).await?;
        // Killed again and again, each time with work under way.
        if index % 6 == 5 {
            scene.controller.kill().await?;
            scene.restart()?;
        }
    }
    for index in 0..POOLS {
        scene.wait_ready(&format!("pool-{index}")).await?;
        ensure!(scene.children(&format!("pool-{index}")).await?.count() == 4);
    }
    let writes = scene.writes_since(mark).await?;
    let created = writes
        .iter()
        .filter(|request| request.code() == 201 && request.resource() != "events")
        .count();
    // 504 is what the API server notes of a request whose client is gone before the answer; it may have been carried out.
    let unanswered = writes
        .iter()
        .filter(|request| request.code() == 504)
        .count();
    ensure!(
        (POOLS * 4 - unanswered..=POOLS * 4).contains(&created),
        "{created} children created, {unanswered} writes unanswered: {:#?}",
        summary(&writes)
    );
    // Nothing is written a second time but what was under way when the controller was killed.
    let (children, _) = split_writes(&writes);
    ensure!(
        children <= POOLS * 4 + 4 * 16,
        "{children} writes: {:#?}",
        summary(&writes)
    );
    let failed: Vec<_> = writes
        .iter()
        .filter(|request| request.code() >= 400 && request.code() != 504)
        .cloned()
        .collect();
    ensure!(failed.is_empty(), "{:#?}", summary(&failed));
    scene.end().await
}

#[tokio::test]
async fn pools_of_one_name_in_two_namespaces_do_not_affect_each_other() -> Result<()> {
    let scene = Scene::with(
        "twin",
        &Setup {
            namespaces: 2,
            ..Setup::default()
        },
    )
    .await?;
    let client = scene.client.clone();
    let other: Api<TaskManagerPool> = Api::namespaced(client.clone(), &scene.namespaces[1]);
    scene.create(&sound_pool("clicks")).await?;
    let larger = pool_of(
        "clicks",
        &json!({"taskManager": {"resources": {"limits": {"memory": "6Gi"}}}}),
    );
    other
        .create(&PostParams::default(), &serde_json::from_value(larger)?)
        .await?;
    scene.wait_ready("clicks").await?;
    wait_for_object(&other, "clicks", "ready", SOON, is_ready).await?;

    let theirs = children(&client, &scene.namespaces[1], "clicks").await?;
    let before = theirs.identities()?;
    let (_, _, _, deployment) = theirs.complete()?;
    let memory = |deployment: &Deployment| -> Option<String> {
        let spec = deployment.spec.as_ref()?.template.spec.as_ref()?;
        Some(
            spec.containers
                .first()?
                .resources
                .as_ref()?
                .limits
                .as_ref()?
                .get("memory")?
                .0
                .clone(),
        )
    };
    ensure!(memory(deployment).as_deref() == Some("6Gi"));

    // Changed, wrong, and deleted here: nothing of it is seen there.
    scene
        .patch(
            "clicks",
            &json!({"spec": {"taskManager": {"resources": {"limits": {"memory": "5Gi"}}}}}),
        )
        .await?;
    scene.wait_ready("clicks").await?;
    scene
        .patch(
            "clicks",
            &json!({"spec": {"memory": {"managed": {"size": "9g"}}}}),
        )
        .await?;
    scene.wait_conflict("clicks").await?;
    scene.delete("clicks").await?;
    wait_until_nothing_is_left(&scene, "clicks").await?;
    let after = children(&client, &scene.namespaces[1], "clicks").await?;
    ensure!(after.identities()? == before);
    let untouched = other.get("clicks").await?;
    ensure!(is_ready(&untouched) && condition(&untouched, "Stalled").is_none());
    scene.end().await
}

/// Kubernetes tells when it refuses pods; the pool passes it on, and goes on when there is room.
#[tokio::test]
async fn a_quota_that_is_full_is_reported_and_waited_for() -> Result<()> {
    let scene = Scene::new("quota").await?;
    scene.kubectl("create quota small --hard=pods=1").await?;
    scene
        .create(&pool_of("clicks", &json!({"replicas": 2})))
        .await?;
    let pool = scene
        .wait("clicks", "reports the quota", |pool| {
            has_condition(pool, "Stalled", "True", "ReplicaFailure")
        })
        .await?;
    let message = condition(&pool, "Stalled")
        .map(|condition| condition.message.clone())
        .unwrap_or_default();
    ensure!(message.contains("exceeded quota: small"), "{message}");
    scene.kubectl("delete quota small").await?;
    let service_accounts: Api<ServiceAccount> = scene.api();
    ensure!(identity(&service_accounts.get("clicks").await?)?["uid"].is_string());
    // Kubernetes tries again with a back-off of its own; a change of the Deployment makes it look at once.
    scene.kubectl("scale tmpool/clicks --replicas=1").await?;
    scene.wait_ready("clicks").await?;
    let budgets: Api<PodDisruptionBudget> = scene.api();
    wait_for_object(&budgets, "clicks", "counts the pod", SOON, |budget| {
        budget
            .status
            .as_ref()
            .is_some_and(|status| status.expected_pods == 1)
    })
    .await?;
    scene
        .pools()
        .patch(
            "clicks",
            &PatchParams::default(),
            &Patch::Merge(json!({"metadata": {"annotations": {"seen": "yes"}}})),
        )
        .await?;
    wait_for("quiet", Duration::from_secs(20), || async {
        Ok(Seen::when(
            is_ready(&scene.pools().get("clicks").await?),
            "not ready",
        ))
    })
    .await?;
    scene.end().await
}
