//! Bad input of every kind at once: each pool says what is wrong with it, and none harms another.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use crate::pool::{
    Scene, Setup, condition, conflicts, is_in_conflict, is_observed, pool_of, sound_pool, summary,
};

/// Everything that people get wrong and the API server cannot judge: a name, the spec, the field that the status
/// must name, the value, and what its message must hold.
#[rustfmt::skip]
fn bad_input() -> Vec<(&'static str, Value, &'static str, &'static str, &'static [&'static str])> {
    let memory = |memory: Value| json!({ "memory": memory });
    let limit = |limit: &str| json!({"taskManager": {"resources": {"limits": {"memory": limit}}}});
    vec![
        ("unparsable", memory(json!({"task": {"heapSize": "1.5g"}})), "spec.memory.task.heapSize", "1.5g", &["1.5g"]),
        ("milli-bytes", limit("8192m"), "spec.taskManager.resources.limits.memory", "8192m", &["8192Mi"]),
        ("fraction", memory(json!({"managed": {"fraction": "1.4"}})), "spec.memory.managed.fraction", "1.4", &["1.4"]),
        ("range", memory(json!({"network": {"min": "2g", "max": "1g"}})), "spec.memory.network.min", "2g", &["2", "1"]),
        ("negative", memory(json!({"managed": {"size": "-1g"}})), "spec.memory.managed.size", "-1g", &["-1g"]),
        ("overflow", memory(json!({"managed": {"size": "9223372036854775807g"}})), "spec.memory.managed.size", "9223372036854775807g", &["9223372036854775807"]),
        ("version", json!({"flinkVersion": "3.7"}), "spec.flinkVersion", "3.7", &["1.10", "2.3"]),
        ("components", memory(json!({"task": {"heapSize": "3g"}, "managed": {"size": "3g"}})), "spec.memory.task.heapSize", "", &["8583306583", "8186Mi"]),
        ("totals", memory(json!({"process": {"size": "4g"}, "flink": {"size": "3900m"}})), "spec.memory", "", &["MiB"]),
        ("tiny", limit("128Mi"), "spec.taskManager.resources.limits.memory", "128Mi", &["Mi"]),
        ("metaspace", memory(json!({"jvm": {"metaspaceSize": "1k"}})), "spec.memory.jvm.metaspaceSize", "1k", &["1k"]),
        ("network", memory(json!({"network": {"min": "16k", "max": "16k"}})), "spec.memory.network", "16k", &["16", "32"]),
        ("template", json!({"podTemplate": {"spec": {"containers": [{"name": "taskmanager", "command": ["sleep"]}]}}}), "spec.podTemplate.spec.containers[0].command", "sleep", &["remove"]),
        ("huge", json!({"flinkConfiguration": {"a": "x".repeat(1_048_576)}}), "spec.flinkConfiguration", "10", &["fit into a ConfigMap", "remove options"]),
    ]
}

#[tokio::test]
async fn each_bad_pool_says_what_is_wrong_and_none_harms_another() -> Result<()> {
    let scene = Scene::new("input").await?;
    scene.create(&sound_pool("before")).await?;
    scene.wait_ready("before").await?;
    let before = scene.children("before").await?.identities()?;
    let bad = bad_input();
    let specs = &bad;
    try_join_all(specs.iter().map(|(name, spec, ..)| {
        let pool = pool_of(name, spec);
        let scene = &scene;
        async move { scene.create(&pool).await }
    }))
    .await?;
    scene.create(&sound_pool("after")).await?;
    scene.wait_ready("after").await?;

    let mut failures = Vec::new();
    for (name, spec, path, value, says) in &bad {
        if let Err(error) = check(&scene, name, spec, path, value, says).await {
            failures.push(format!("{name}: {error:#}"));
        }
    }
    ensure!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    ensure!(scene.children("before").await?.identities()? == before);
    scene.end().await
}

async fn check(
    scene: &Scene,
    name: &str,
    spec: &Value,
    path: &str,
    value: &str,
    says: &[&str],
) -> Result<()> {
    let pool = scene
        .wait(name, "judged", |pool| {
            is_observed(pool) && !conflicts(pool).is_empty()
        })
        .await?;
    let conflict = conflicts(&pool)
        .iter()
        .find(|conflict| {
            conflict
                .field_path
                .as_deref()
                .is_some_and(|found| found.starts_with(path))
                && conflict.configured.contains(value)
        })
        .with_context(|| {
            format!(
                "no conflict about {path} with {value:?}: {:#?}",
                conflicts(&pool)
            )
        })?;
    let text = serde_json::to_string(conflict)?;
    for part in says {
        ensure!(text.contains(part), "{part:?} is not said: {text}");
    }
    ensure!(
        !conflict.bound.is_empty() && !conflict.message.is_empty(),
        "{text}"
    );
    ensure!(text.len() < 4096, "the conflict takes {} bytes", text.len());
    let status = serde_json::to_string(&pool.status)?;
    ensure!(
        status.len() < 6 * 1024,
        "the status takes {} bytes: {status}",
        status.len()
    );
    // Nothing of what the user wrote is lost or changed.
    let stored = serde_json::to_value(scene.raw_pools().get(name).await?)?;
    let expected = crate::pool::merged(&stored["spec"], spec);
    ensure!(stored["spec"] == expected, "the spec was changed");
    if is_in_conflict(&pool) {
        let message = condition(&pool, "Stalled")
            .map(|condition| condition.message.clone())
            .unwrap_or_default();
        ensure!(message.len() > 20, "{message}");
        ensure!(
            scene.children(name).await?.count() == 0,
            "children of a bad pool"
        );
    }
    Ok(())
}

/// Nearly a mebibyte of options is no mistake.
#[tokio::test]
async fn a_configuration_of_nearly_a_mebibyte_arrives_whole() -> Result<()> {
    let scene = Scene::new("large").await?;
    let value = "x".repeat(900 * 1024);
    scene
        .create(&pool_of(
            "clicks",
            &json!({"replicas": 0, "flinkConfiguration": {"pipeline.jars": value}}),
        ))
        .await?;
    scene.wait_ready("clicks").await?;
    let children = scene.children("clicks").await?;
    let (_, config_map, _, _) = children.complete()?;
    let file = config_map
        .data
        .as_ref()
        .and_then(|data| data.get("config.yaml"))
        .context("a file")?;
    let file: Value = serde_saphyr::from_str(file)?;
    ensure!(
        file["pipeline.jars"] == value || file["pipeline"]["jars"] == value,
        "the value did not arrive whole"
    );
    scene.end().await
}

/// What a pod template may not carry unless the controller was started to allow it.
#[rustfmt::skip]
fn privileges() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("host-path", json!({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}), "spec.podTemplate.spec.volumes[0].hostPath"),
        ("privileged", json!({"containers": [{"name": "taskmanager", "securityContext": {"privileged": true}}]}), "spec.podTemplate.spec.containers[0].securityContext.privileged"),
        ("account", json!({"serviceAccountName": "headroom"}), "spec.podTemplate.spec.serviceAccountName"),
    ]
}

#[tokio::test]
async fn who_may_create_pools_but_not_pods_gains_nothing() -> Result<()> {
    let scene = Scene::new("privileges").await?;
    // A person with the right to create pools and nothing else.
    scene
        .kubectl("create role author --verb=create,get --resource=taskmanagerpools.headroom.dev")
        .await?;
    scene
        .kubectl("create rolebinding author --role=author --user=author")
        .await?;
    let review = json!({
        "metadata": {},
        "spec": {"user": "author", "resourceAttributes": {"namespace": scene.namespace, "verb": "create", "resource": "pods"}}
    });
    let reviews: Api<SubjectAccessReview> = Api::all(scene.client.clone());
    let review: SubjectAccessReview = serde_json::from_value(review)?;
    let answer = reviews.create(&PostParams::default(), &review).await?;
    ensure!(answer.status.is_some_and(|status| !status.allowed));
    let mark = scene.mark().await?;
    for (name, template, _) in privileges() {
        let pool = pool_of(name, &json!({"podTemplate": {"spec": template}}));
        scene
            .cluster
            .kubectl_with_input(
                ["-n", &scene.namespace, "--as=author", "create", "-f", "-"],
                &pool.to_string(),
            )
            .await?
            .success()?;
    }
    for (name, _, path) in privileges() {
        let pool = scene.wait_conflict(name).await?;
        let found: Vec<_> = conflicts(&pool)
            .iter()
            .filter(|conflict| conflict.code == "PodTemplateForbidden")
            .filter_map(|conflict| conflict.field_path.clone())
            .collect();
        ensure!(found == [path], "{name}: {found:?}");
        ensure!(
            conflicts(&pool)
                .iter()
                .any(|conflict| conflict.message.contains("--allow-pod-template=")),
            "{:#?}",
            conflicts(&pool)
        );
        ensure!(scene.children(name).await?.count() == 0);
    }
    let writes = scene.writes_since(mark).await?;
    let made: Vec<_> = writes
        .into_iter()
        .filter(|request| {
            !matches!(
                request.resource().as_str(),
                "taskmanagerpools/status" | "events"
            )
        })
        .collect();
    ensure!(made.is_empty(), "{:#?}", summary(&made));
    scene.end().await
}

#[tokio::test]
async fn what_the_controller_was_started_to_allow_is_applied() -> Result<()> {
    let flags = vec![String::from("--allow-pod-template=HostPath,Privileged")];
    let scene = Scene::with(
        "allowed",
        &Setup {
            flags,
            ..Setup::default()
        },
    )
    .await?;
    for (name, template, _) in privileges() {
        scene
            .create(&pool_of(name, &json!({"podTemplate": {"spec": template}})))
            .await?;
    }
    scene.wait_ready("host-path").await?;
    let pods = scene.pods("host-path").await?;
    let spec = pods[0].spec.as_ref().context("a pod has a spec")?;
    ensure!(
        spec.volumes
            .iter()
            .flatten()
            .any(|volume| volume.host_path.is_some()),
        "{:?}",
        spec.volumes
    );
    scene.wait_ready("privileged").await?;
    scene.wait_conflict("account").await?;
    scene.end().await
}
