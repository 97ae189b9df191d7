//! A definition that comes late, and pools that were stored under a looser one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Cluster, Options, Seen, audit::Request, wait_for};
use headroom::api::crd::custom_resource_definition;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    install::DEFINITION,
    pool::{Scene, Setup, sound_pool, summary},
    resource::install_definition,
};

/// The definition without any rule for `spec`.
fn loose_definition() -> Result<CustomResourceDefinition> {
    let mut definition = serde_json::to_value(custom_resource_definition())?;
    let schema = definition
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
        .context("the definition has a schema")?;
    schema["properties"]["spec"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("x-kubernetes-validations");
        schema.remove("required");
    }
    // The scale subresource has an opinion of its own about the replicas.
    if let Some(subresources) = definition.pointer_mut("/spec/versions/0/subresources") {
        *subresources = json!({"status": {}});
    }
    Ok(serde_json::from_value(definition)?)
}

async fn install_loose_definition(cluster: &Cluster) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client().await?);
    definitions
        .patch(
            DEFINITION,
            &PatchParams::apply("e2e").force(),
            &Patch::Apply(loose_definition()?),
        )
        .await
        .context("the API server refused the loose definition")?;
    Ok(())
}

#[tokio::test]
async fn a_late_definition_is_waited_for_and_a_bad_stored_pool_stops_no_other() -> Result<()> {
    let cluster = Cluster::start(Options {
        name: String::from("definition"),
        ..Options::default()
    })
    .await?;
    let setup = Setup {
        is_cluster_wide: true,
        ..Setup::default()
    };
    let mut scene = Scene::on(&cluster, "late", &setup).await?;

    // Without the definition: alive, not ready, and it says what it waits for.
    wait_for(
        "the other gates are open",
        Duration::from_secs(30),
        || async {
            scene.controller.check()?;
            let (code, body) = scene.get("/readyz").await?;
            Ok(Seen::when(
                code == 503 && body.trim() == "waiting for the list of taskmanagerpools",
                (code, body),
            ))
        },
    )
    .await?;
    ensure!(scene.get("/healthz").await? == (200, String::from("ok\n")));
    let log = scene.controller.log()?;
    ensure!(
        log.contains("waiting for the definition") && log.contains("kubectl apply"),
        "{log}"
    );

    // It comes, looser than ours, and the controller goes on without a restart.
    install_loose_definition(&cluster).await?;
    scene.wait_until_ready().await?;
    wait_for("a first pool", Duration::from_secs(30), || async {
        scene.create(&sound_pool("first")).await.map(Seen::Done)
    })
    .await?;
    scene.wait_ready("first").await?;

    // Pools that ours would not have let in.
    let bad = [
        ("text", json!({"replicas": "three"}), "spec.replicas"),
        ("empty", json!(null), "spec"),
        ("list", json!({"taskManager": ["4Gi"]}), "spec.taskManager"),
        (
            "unit",
            json!({"taskManager": {"resources": {"limits": {"memory": "4 gb"}}}}),
            "spec.taskManager.resources.limits.memory",
        ),
        ("negative", json!({"replicas": -3}), "spec.replicas"),
        ("choice", json!({"onConflict": "Ignore"}), "spec.onConflict"),
    ];
    for (name, spec, _) in &bad {
        let mut pool = sound_pool(name);
        if spec.is_null() {
            pool["spec"] = json!({});
        } else {
            pool = crate::pool::merged(&pool, &json!({ "spec": spec }));
        }
        scene.create(&pool).await?;
    }
    // Two of them have a form that the strict definition lets nobody apply a status to, so they are judged before.
    for (name, _, path) in &bad {
        check_bad(&scene, name, path).await?;
    }
    install_definition(&cluster).await?;
    scene.create(&sound_pool("second")).await?;
    scene.wait_ready("second").await?;

    // A controller that starts with them in place is no worse off, and says nothing twice. One pool is new to it,
    // and of a form that the API server lets nobody apply a status to.
    scene.controller.stop().await?;
    let mark = scene.mark().await?;
    install_loose_definition(&cluster).await?;
    let late = sound_pool("unknown-to-it");
    wait_for("a pool of any form", Duration::from_secs(30), || async {
        scene
            .create(&crate::pool::merged(
                &late,
                &json!({"spec": {"taskManager": ["4Gi"]}}),
            ))
            .await
            .map(Seen::Done)
    })
    .await?;
    install_definition(&cluster).await?;
    scene.restart()?;
    scene.wait_until_ready().await?;
    scene.create(&sound_pool("third")).await?;
    scene.wait_ready("third").await?;
    let mut writes = scene.writes_since(mark).await?;
    let count = |writes: &[Request], name: &str| {
        writes
            .iter()
            .filter(|request| {
                request
                    .object_ref
                    .as_ref()
                    .is_some_and(|object| object.name.starts_with(name))
            })
            .count()
    };
    ensure!(
        count(&writes, "unknown-to-it") <= 8,
        "{:#?}",
        summary(&writes)
    );
    writes.retain(|request| {
        request
            .object_ref
            .as_ref()
            .is_some_and(|object| bad.iter().any(|(name, ..)| object.name.starts_with(name)))
    });
    ensure!(writes.is_empty(), "{:#?}", summary(&writes));

    // Mended, a bad one is a pool like any other.
    scene.replace("text", &sound_pool("text")["spec"]).await?;
    scene.wait_ready("text").await?;
    scene.end().await?;
    cluster.stop().await
}

/// The bad pool has a status that names the field, and no children.
async fn check_bad(scene: &Scene, name: &str, path: &str) -> Result<()> {
    let pools = &scene.raw_pools();
    let pool = wait_for(
        format!("{name}: its status names {path}"),
        Duration::from_secs(30),
        || async move {
            let pool = pools.get(name).await?;
            let conflicts = pool.data["status"]["conflicts"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            // A pool that cannot even be read has no conflicts, and conditions that name the field.
            let names_it = conflicts
                .iter()
                .filter_map(|conflict| conflict["fieldPath"].as_str().map(str::to_owned))
                .chain(conditions_of(&pool.data).iter().filter_map(|condition| {
                    let (reason, message) = (
                        condition["reason"].as_str()?,
                        condition["message"].as_str()?,
                    );
                    let field = message
                        .strip_prefix("field ")
                        .filter(|_| reason == "Unreadable")?;
                    Some(field.to_owned())
                }))
                .any(|found| found.starts_with(path));
            Ok(if names_it {
                Seen::Done(pool)
            } else {
                Seen::NotYet(serde_json::to_string_pretty(&pool.data["status"])?)
            })
        },
    )
    .await?;
    let conditions = conditions_of(&pool.data);
    let status_of = |kind: &str| -> Option<Value> {
        conditions
            .iter()
            .find(|condition| condition["type"] == kind)
            .map(|condition| condition["status"].clone())
    };
    ensure!(
        status_of("Ready") == Some(json!("False")),
        "{name}: {conditions:#?}"
    );
    ensure!(
        status_of("Stalled") == Some(json!("True")),
        "{name}: {conditions:#?}"
    );
    ensure!(
        scene.children(name).await?.count() == 0,
        "{name}: children of a bad pool"
    );
    Ok(())
}

fn conditions_of(pool: &Value) -> Vec<Value> {
    pool["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}
