//! What the controller does while nothing happens, and how it ends.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::{Seen, wait_for};
use serde_json::json;

use crate::pool::{Scene, pool_of, sound_pool, summary};

/// The time that has to pass without a request.
const REST: Duration = Duration::from_secs(20);

#[tokio::test]
async fn at_rest_the_controller_asks_for_nothing_and_writes_nothing() -> Result<()> {
    let scene = Scene::new("rest").await?;
    for index in 0..20 {
        scene.create(&sound_pool(&format!("good-{index}"))).await?;
    }
    for index in 0..4 {
        let wrong = pool_of(
            &format!("wrong-{index}"),
            &json!({"memory": {"managed": {"size": "6g"}}}),
        );
        scene.create(&wrong).await?;
    }
    scene
        .create(&pool_of("zero", &json!({"replicas": 0})))
        .await?;
    for index in 0..20 {
        scene.wait_ready(&format!("good-{index}")).await?;
    }
    for index in 0..4 {
        scene.wait_conflict(&format!("wrong-{index}")).await?;
    }
    scene.wait_ready("zero").await?;

    // This is the one wait of a fixed length: the claim is that nothing happens while it lasts. It starts when the
    // last reconcile is over, which the metrics tell.
    let mut last = (None, Instant::now());
    let last = &mut last;
    let settled = std::cell::RefCell::new(last);
    wait_for("no more reconciles", Duration::from_secs(60), || async {
        let count = scene
            .metric("headroom_reconcile_duration_seconds_count")
            .await?;
        let mut settled = settled.borrow_mut();
        if settled.0 != count {
            **settled = (count, Instant::now());
        }
        Ok(Seen::when(
            settled.1.elapsed() > Duration::from_secs(1),
            count,
        ))
    })
    .await?;
    let mark = scene.mark().await?;
    let before = scene
        .metric("headroom_reconcile_duration_seconds_count")
        .await?;
    let cpu = scene.controller.usage()?.cpu;
    tokio::time::sleep(REST).await;
    let used = scene.controller.usage()?.cpu.saturating_sub(cpu);
    let requests = scene.requests_since(mark).await?;
    let other: Vec<_> = requests
        .into_iter()
        .filter(|request| request.verb != "watch")
        .collect();
    ensure!(other.is_empty(), "{:#?}", summary(&other));
    let after = scene
        .metric("headroom_reconcile_duration_seconds_count")
        .await?;
    ensure!(before == after, "{before:?} reconciles became {after:?}");
    ensure!(
        used < Duration::from_secs(1),
        "{used:?} of processor time at rest"
    );
    scene.end().await
}

#[tokio::test]
async fn the_endpoints_tell_how_the_controller_and_its_pools_are() -> Result<()> {
    let scene = Scene::new("endpoints").await?;
    scene.create(&sound_pool("good")).await?;
    scene
        .create(&pool_of(
            "wrong",
            &json!({"memory": {"managed": {"size": "6g"}}}),
        ))
        .await?;
    scene.wait_ready("good").await?;
    scene.wait_conflict("wrong").await?;
    ensure!(scene.get("/healthz").await? == (200, String::from("ok\n")));
    ensure!(scene.get("/readyz").await? == (200, String::from("ok\n")));
    ensure!(scene.get("/nothing").await?.0 == 404);

    let namespace = scene.namespace.clone();
    let series = |name: &str, labels: &str| format!("{name}{{namespace=\"{namespace}\",{labels}}}");
    wait_for(
        "the series of both pools",
        Duration::from_secs(10),
        || async {
            let (code, text) = scene.get("/metrics").await?;
            ensure!(code == 200, "{text}");
            let missing: Vec<_> = [
                series(
                    "headroom_budget_bytes",
                    "pool=\"good\",component=\"managed\"",
                ),
                series(
                    "headroom_budget_bytes",
                    "pool=\"good\",component=\"taskHeap\"",
                ),
                series("headroom_budget_minimum_limit_bytes", "pool=\"good\""),
                series("headroom_replicas", "pool=\"good\",state=\"available\""),
                series(
                    "headroom_condition",
                    "pool=\"good\",type=\"Ready\",status=\"True\"",
                ),
                series(
                    "headroom_condition",
                    "pool=\"wrong\",type=\"Stalled\",status=\"True\"",
                ),
                String::from(
                    "headroom_conflicts{code=\"ComponentsExceedTotal\",severity=\"Error\"} 1",
                ),
                String::from("headroom_reconcile_total{result="),
                String::from("headroom_reconcile_duration_seconds_bucket{"),
                String::from("headroom_solver_duration_seconds_bucket{"),
                String::from("headroom_queue_depth 0"),
                String::from("headroom_api_requests_total{verb="),
                String::from("process_resident_memory_bytes "),
            ]
            .into_iter()
            .filter(|series| !text.contains(series.as_str()))
            .collect();
            Ok(Seen::when(
                missing.is_empty(),
                format!("no {missing:#?} in\n{text}"),
            ))
        },
    )
    .await?;
    let managed = scene
        .metric(&series(
            "headroom_budget_bytes",
            "pool=\"good\",component=\"managed\"",
        ))
        .await?;
    ensure!(managed == Some(1_438_814_063.0), "{managed:?}");

    scene.delete("good").await?;
    wait_for(
        "the series of a deleted pool gone",
        Duration::from_secs(10),
        || async {
            let (_, text) = scene.get("/metrics").await?;
            Ok(Seen::when(!text.contains("pool=\"good\""), text))
        },
    )
    .await?;
    scene.end().await
}

#[tokio::test]
async fn a_told_controller_ends_within_ten_seconds_with_work_under_way() -> Result<()> {
    let scene = Scene::new("drain").await?;
    for index in 0..10 {
        scene.create(&sound_pool(&format!("pool-{index}"))).await?;
    }
    let started = Instant::now();
    scene.controller.signal(rustix::process::Signal::TERM)?;
    let status = scene.controller.wait(Duration::from_secs(10)).await?;
    ensure!(
        status.code() == Some(0),
        "{status} after {:?}",
        started.elapsed()
    );
    Ok(())
}
