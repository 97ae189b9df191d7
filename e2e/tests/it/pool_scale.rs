//! Who may set the number of TaskManagers: everybody but the controller.

use anyhow::{Context, Result, ensure};
use e2e::{Seen, wait_for};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::pool::{SOON, Scene, has_condition, is_ready, pool_of, sound_pool};

#[tokio::test]
async fn kubectl_scale_and_the_scale_subresource_reach_the_pods() -> Result<()> {
    let scene = Scene::new("scale").await?;
    // The pool comes from a manifest that leaves the replicas to others.
    scene.create(&sound_pool("clicks")).await?;
    scene.wait_ready("clicks").await?;

    scene.kubectl("scale tmpool/clicks --replicas=3").await?;
    let pool = scene.wait_ready("clicks").await?;
    let status = pool.status.context("a ready pool has a status")?;
    ensure!(
        (status.replicas, status.available_replicas) == (3, 3),
        "{status:?}"
    );
    ensure!(scene.pods("clicks").await?.len() == 3);

    // As a HorizontalPodAutoscaler does it: it reads the scale and patches it.
    let scale = scene.pools().get_scale("clicks").await?;
    ensure!(
        scale.status.as_ref().is_some_and(|status| {
            status.replicas == 3
                && status.selector.as_deref()
                    == Some(headroom::desired::selector_text("clicks").as_str())
        }),
        "{scale:?}"
    );
    scene
        .pools()
        .patch_scale(
            "clicks",
            &PatchParams::default(),
            &Patch::Merge(json!({"spec": {"replicas": 2}})),
        )
        .await?;
    scene.wait_ready("clicks").await?;
    wait_for("two pods", SOON, || async {
        let pods = scene.pods("clicks").await?.len();
        Ok(Seen::when(pods == 2, pods))
    })
    .await?;

    // The controller owns nothing of the spec, so whoever set it keeps it.
    let pool = scene.pools().get("clicks").await?;
    ensure!(pool.spec.replicas == 2);
    for entry in pool.metadata.managed_fields.iter().flatten() {
        let manager = entry.manager.as_deref().unwrap_or_default();
        if manager.starts_with("headroom") {
            let fields = serde_json::to_value(&entry.fields_v1)?;
            let owned: Vec<_> = fields
                .as_object()
                .context("fields are an object")?
                .keys()
                .collect();
            ensure!(
                entry.subresource.as_deref() == Some("status") && owned == ["f:status"],
                "{manager} owns {owned:?}"
            );
        }
    }
    ensure!(
        pool.metadata
            .managed_fields
            .iter()
            .flatten()
            .any(|entry| entry.manager.as_deref() == Some("headroom/status")),
        "the status has no manager of its own"
    );
    scene.end().await
}

#[tokio::test]
async fn a_pool_without_replicas_is_available_by_choice() -> Result<()> {
    let scene = Scene::new("zero").await?;
    scene
        .create(&pool_of("clicks", &json!({"replicas": 2})))
        .await?;
    scene.wait_ready("clicks").await?;

    scene.kubectl("scale tmpool/clicks --replicas=0").await?;
    scene
        .wait("clicks", "scaled to zero", |pool| {
            is_ready(pool) && has_condition(pool, "Available", "True", "ScaledToZero")
        })
        .await?;
    wait_for("no pods", SOON, || async {
        let pods = scene.pods("clicks").await?.len();
        Ok(Seen::when(pods == 0, pods))
    })
    .await?;
    ensure!(
        scene.children("clicks").await?.count() == 4,
        "the children go with the pool, not with its replicas"
    );
    scene.kubectl("scale tmpool/clicks --replicas=1").await?;
    scene.wait_ready("clicks").await?;

    scene
        .patch("clicks", &json!({"spec": {"suspend": true}}))
        .await?;
    let pool = scene
        .wait("clicks", "suspended", |pool| {
            is_ready(pool) && has_condition(pool, "Available", "True", "Suspended")
        })
        .await?;
    ensure!(pool.spec.replicas == 1, "suspending changed spec.replicas");
    wait_for("no pods", SOON, || async {
        let pods = scene.pods("clicks").await?.len();
        Ok(Seen::when(pods == 0, pods))
    })
    .await?;
    scene
        .patch("clicks", &json!({"spec": {"suspend": false}}))
        .await?;
    scene
        .wait("clicks", "running again", |pool| {
            is_ready(pool) && has_condition(pool, "Available", "True", "MinimumReplicasAvailable")
        })
        .await?;
    scene.end().await
}
