//! A wrong spec: a status and never a retry, with the last good Deployment exactly as it was.

use anyhow::{Context, Result, ensure};
use e2e::{Seen, wait_for};
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde_json::json;

use crate::pool::{
    SOON, Scene, condition, conflicts, has_condition, identity, is_observed, is_ready, pool_of,
    sound_pool, split_writes, summary,
};

#[tokio::test]
async fn a_wrong_spec_is_a_status_and_the_last_good_deployment_stays() -> Result<()> {
    let scene = Scene::new("wrong").await?;
    scene.create(&sound_pool("clicks")).await?;
    let good = scene.wait_ready("clicks").await?;
    let children = scene.children("clicks").await?;
    let (_, _, _, deployment) = children.complete()?;

    // Wrong in two ways at once, and changed in a third that must not get through.
    let mark = scene.mark().await?;
    let wrong = json!({"spec": {
        "image": "flink:other",
        "replicas": 3,
        "memory": {"managed": {"size": "6g"}, "jvm": {"overhead": {"min": "2g", "max": "1g"}}}
    }});
    scene.patch("clicks", &wrong).await?;
    let pool = scene.wait_conflict("clicks").await?;
    let found: Vec<_> = conflicts(&pool)
        .iter()
        .map(|conflict| (conflict.code.as_str(), conflict.field_path.as_deref()))
        .collect();
    ensure!(
        found.contains(&("ComponentsExceedTotal", Some("spec.memory.managed.size")))
            && found.iter().any(|(code, path)| {
                *code == "RangeInverted"
                    && path.is_some_and(|path| path.starts_with("spec.memory.jvm.overhead"))
            }),
        "{:#?}",
        conflicts(&pool)
    );
    let reason = conflicts(&pool)[0].code.clone();
    ensure!(
        has_condition(&pool, "BudgetResolved", "False", &reason),
        "{pool:#?}"
    );
    ensure!(has_condition(&pool, "Ready", "False", &reason), "{pool:#?}");
    ensure!(
        has_condition(&pool, "Stalled", "True", "ConflictingConfiguration"),
        "{pool:#?}"
    );
    ensure!(condition(&pool, "Reconciling").is_none(), "{pool:#?}");
    ensure!(
        condition(&pool, "Available").is_some_and(|condition| condition.status == "True"),
        "{pool:#?}"
    );
    let (before, now) = (
        good.status.context("a status")?,
        pool.status.clone().context("a status")?,
    );
    ensure!(
        before.budget == now.budget,
        "the budget that runs is still the last that solved"
    );

    let after = scene.children("clicks").await?;
    ensure!(after.identities()? == children.identities()?, "{after:#?}");
    let (_, _, _, untouched) = after.complete()?;
    ensure!(
        untouched.metadata.resource_version == deployment.metadata.resource_version,
        "the Deployment was written"
    );
    let writes = scene.writes_since(mark).await?;
    ensure!(split_writes(&writes) == (0, 1), "{:#?}", summary(&writes));

    // An event tells those who do not look at status, without figures that change.
    let events: kube::Api<Event> = scene.api();
    let event = wait_for("an event about the conflict", SOON, || async {
        let events = events.list(&ListParams::default()).await?.items;
        let found = events.iter().find(|event| {
            let regarding = event.regarding.as_ref();
            regarding.and_then(|object| object.uid.as_deref()) == pool.metadata.uid.as_deref()
                && event.type_.as_deref() == Some("Warning")
        });
        Ok(match found {
            Some(event) => Seen::Done(event.clone()),
            None => Seen::NotYet(format!("{} events", events.len())),
        })
    })
    .await?;
    ensure!(
        event.reason.as_deref() == Some("BudgetConflict"),
        "{event:#?}"
    );

    // Repaired, it goes on by itself.
    scene
        .patch(
            "clicks",
            &json!({"spec": {"memory": {"managed": {"size": "1g"}, "jvm": null}}}),
        )
        .await?;
    let pool = scene.wait_ready("clicks").await?;
    ensure!(
        condition(&pool, "Stalled").is_none() && conflicts(&pool).is_empty(),
        "{pool:#?}"
    );
    let (_, _, _, repaired) = scene.children("clicks").await?.complete().map(|children| {
        (
            children.0.clone(),
            children.1.clone(),
            children.2.clone(),
            children.3.clone(),
        )
    })?;
    ensure!(
        repaired.metadata.uid == deployment.metadata.uid,
        "the Deployment was made anew"
    );
    ensure!(
        identity(&repaired)? != identity(deployment)?,
        "the repaired spec did not reach the Deployment"
    );
    ensure!(scene.pods("clicks").await?.len() == 3);
    scene.end().await
}

#[tokio::test]
async fn a_pool_that_never_solved_creates_nothing() -> Result<()> {
    let scene = Scene::new("never").await?;
    let mark = scene.mark().await?;
    scene
        .create(&pool_of(
            "clicks",
            &json!({"memory": {"managed": {"size": "6g"}}}),
        ))
        .await?;
    let pool = scene.wait_conflict("clicks").await?;
    ensure!(
        has_condition(&pool, "Available", "False", "NotCreated"),
        "{pool:#?}"
    );
    ensure!(
        has_condition(&pool, "Stalled", "True", "ConflictingConfiguration"),
        "{pool:#?}"
    );
    let status = pool.status.context("a status")?;
    ensure!(
        status.budget.is_none() && status.selector.is_some(),
        "{status:#?}"
    );
    ensure!(scene.children("clicks").await?.count() == 0);
    let writes = scene.writes_since(mark).await?;
    ensure!(split_writes(&writes) == (0, 1), "{:#?}", summary(&writes));

    // It scales and shows itself like any other, although nothing runs.
    let scale = scene.pools().get_scale("clicks").await?;
    ensure!(
        scale
            .status
            .is_some_and(|status| status.replicas == 0 && status.selector.is_some())
    );
    let table = scene.kubectl("get tmpool clicks --no-headers").await?;
    ensure!(
        table.contains("False") && table.contains("ComponentsExceedTotal"),
        "{table}"
    );

    scene
        .patch("clicks", &json!({"spec": {"memory": null}}))
        .await?;
    scene.wait_ready("clicks").await?;
    ensure!(scene.children("clicks").await?.count() == 4);
    scene.end().await
}

#[tokio::test]
async fn use_largest_feasible_runs_the_nearest_budget_and_says_so() -> Result<()> {
    let scene = Scene::new("nearest").await?;
    scene
        .create(&pool_of(
            "clicks",
            &json!({"onConflict": "UseLargestFeasible", "memory": {"managed": {"size": "6g"}}}),
        ))
        .await?;
    let pool = scene
        .wait("clicks", "runs with the nearest budget", |pool| {
            is_observed(pool)
                && is_ready(pool)
                && has_condition(pool, "BudgetResolved", "True", "UsingLargestFeasible")
        })
        .await?;
    let message = condition(&pool, "BudgetResolved")
        .map(|condition| condition.message.clone())
        .unwrap_or_default();
    ensure!(message.contains("spec.memory.managed.size"), "{message}");
    let found = conflicts(&pool);
    ensure!(
        found
            .iter()
            .any(|conflict| conflict.field_path.as_deref() == Some("spec.memory.managed.size"))
            && found
                .iter()
                .all(|conflict| conflict.severity
                    == headroom::api::v1alpha1::ConflictSeverity::Warning),
        "{found:#?}"
    );
    let budget = pool
        .status
        .as_ref()
        .and_then(|status| status.budget.clone())
        .context("a budget")?;
    ensure!(budget.process_bytes == 4 << 30, "{budget:#?}");
    // Managed memory takes as much as anything leaves it, so it is well above its share by default.
    ensure!(
        budget.managed_bytes > 2 << 30,
        "managed memory has only {}",
        budget.managed_bytes
    );

    // The stricter choice refuses the same spec and leaves what runs as it is.
    let before = scene.children("clicks").await?.identities()?;
    scene
        .patch("clicks", &json!({"spec": {"onConflict": "Reject"}}))
        .await?;
    scene.wait_conflict("clicks").await?;
    ensure!(scene.children("clicks").await?.identities()? == before);
    scene.end().await
}
