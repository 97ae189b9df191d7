//! The main job: a pool becomes a correctly sized Deployment, and its status says so.

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use headroom::{
    api::v1alpha1::TaskManagerPool,
    budget::{dynamic_configurations, jvm_parameters, solve},
    desired::request_of,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{WatchEvent, WatchParams};
use serde_json::json;

use crate::pool::{Scene, pool_of, sound_pool, split_writes, summary};

/// Its sizes stand in the recorded answers of Flink 2.3.0.
fn recorded_pool(name: &str) -> serde_json::Value {
    pool_of(
        name,
        &json!({
            "replicas": 2,
            "flinkVersion": "2.3.0",
            "image": "flink:2.3.0",
            "taskManager": {"resources": {"limits": {"memory": "4Gi", "cpu": "1"}}},
            "memory": {"managed": {"fraction": "0.7"}, "network": {"max": "128m"}}
        }),
    )
}

#[tokio::test]
async fn a_pool_becomes_a_deployment_of_exactly_flinks_sizes() -> Result<()> {
    let scene = Scene::new("main").await?;
    scene.create(&recorded_pool("clicks")).await?;
    let pool = scene.wait_ready("clicks").await?;
    let status = pool.status.clone().context("a ready pool has a status")?;
    let budget = status.budget.clone().context("a ready pool has a budget")?;

    // What Flink 2.3.0 itself answered for 4g, managed.fraction 0.7 and network.max 128m.
    let sizes = [
        (
            "container limit",
            budget.container_limit_bytes,
            4_294_967_296,
        ),
        ("process", budget.process_bytes, 4_294_967_296),
        ("flink", budget.flink_bytes, 3_597_035_104),
        ("framework heap", budget.framework_heap_bytes, 134_217_728),
        (
            "framework off-heap",
            budget.framework_off_heap_bytes,
            134_217_728,
        ),
        ("task heap", budget.task_heap_bytes, 676_457_391),
        ("task off-heap", budget.task_off_heap_bytes, 0),
        ("network", budget.network_bytes, 134_217_728),
        ("managed", budget.managed_bytes, 2_517_924_529),
        ("metaspace", budget.jvm_metaspace_bytes, 268_435_456),
        ("overhead", budget.jvm_overhead_bytes, 429_496_736),
        ("unassigned", budget.unassigned_bytes, 0),
        ("network segments", budget.network_segments, 4096),
        ("managed segments", budget.managed_segments, 76_840),
    ];
    for (name, found, expected) in sizes {
        ensure!(
            found == expected,
            "{name} is {found}, Flink says {expected}"
        );
    }
    ensure!(
        budget.jvm_arguments
            == [
                "-Xmx810675119",
                "-Xms810675119",
                "-XX:MaxDirectMemorySize=268435456",
                "-XX:MaxMetaspaceSize=268435456"
            ],
        "{:?}",
        budget.jvm_arguments
    );

    // The library gives the same answer for the same pool.
    let solved = solve(&request_of(&pool).context("the pool can be read")?).expect("it solves");
    ensure!(jvm_parameters(&solved) == budget.jvm_arguments.join(" "));
    ensure!(budget.managed_bytes.cast_unsigned() == solved.managed.bytes.get());

    // Every size is an argument of every pod.
    let pods = scene.pods("clicks").await?;
    ensure!(pods.len() == 2, "{} pods", pods.len());
    for pod in &pods {
        let spec = pod.spec.as_ref().context("a pod has a spec")?;
        let container = &spec.containers[0];
        let arguments = container.args.clone().unwrap_or_default();
        ensure!(
            container.name == "taskmanager" && arguments[0] == "taskmanager",
            "{arguments:?}"
        );
        for (key, value) in dynamic_configurations(&solved) {
            let argument = format!("-D{key}={value}");
            ensure!(
                arguments.contains(&argument),
                "no argument {argument}: {arguments:?}"
            );
        }
        for argument in [
            "-Dtaskmanager.memory.task.heap.size=676457391b",
            "-Dtaskmanager.memory.managed.size=2517924529b",
            "-Dtaskmanager.memory.jvm-overhead.max=429496736b",
            "-Dtaskmanager.host=$(POD_IP)",
            "-Dtaskmanager.resource-id=$(POD_NAME)",
        ] {
            ensure!(
                arguments.iter().any(|found| found == argument),
                "no argument {argument}: {arguments:?}"
            );
        }
        let resources = container.resources.clone().unwrap_or_default();
        for amounts in [resources.requests, resources.limits] {
            let amounts = amounts.unwrap_or_default();
            ensure!(
                amounts["memory"].0 == "4Gi" && amounts["cpu"].0 == "1",
                "{amounts:?}"
            );
        }
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        ensure!(phase == Some("Running"), "{phase:?}");
        ensure!(spec.automount_service_account_token == Some(false));
        ensure!(spec.service_account_name.as_deref() == Some("clicks"));
        let annotations = pod.metadata.annotations.clone().unwrap_or_default();
        ensure!(
            annotations.get("headroom.dev/budget-hash") == Some(&budget.hash),
            "{annotations:?}"
        );
        ensure!(
            container.security_context.as_ref().is_some_and(|context| {
                context.allow_privilege_escalation == Some(false)
                    && context.capabilities.as_ref().is_some_and(|capabilities| {
                        capabilities.drop.as_deref() == Some(&[String::from("ALL")])
                    })
            }),
            "{:?}",
            container.security_context
        );
    }

    // Four children, each controlled by the pool.
    let children = scene.children("clicks").await?;
    let (service_account, config_map, pod_disruption_budget, deployment) = children.complete()?;
    for metadata in [
        &service_account.metadata,
        &config_map.metadata,
        &pod_disruption_budget.metadata,
        &deployment.metadata,
    ] {
        check_owner(metadata, &pool)?;
    }
    ensure!(service_account.automount_service_account_token == Some(false));
    let files = config_map.data.clone().unwrap_or_default();
    let file = files
        .get("config.yaml")
        .with_context(|| format!("no config.yaml: {files:?}"))?;
    let file: serde_json::Value = serde_saphyr::from_str(file)?;
    ensure!(
        file["jobmanager"]["rpc"]["address"] == "jobmanager"
            || file["jobmanager.rpc.address"] == "jobmanager",
        "{file}"
    );

    // Status: counts, columns, conditions.
    ensure!(
        (
            status.replicas,
            status.ready_replicas,
            status.updated_replicas,
            status.available_replicas
        ) == (2, 2, 2, 2),
        "{status:?}"
    );
    ensure!(status.observed_generation == pool.metadata.generation);
    ensure!(
        status.qos_class.as_deref() == Some("Guaranteed"),
        "{:?}",
        status.qos_class
    );
    ensure!(status.conflicts.is_empty(), "{:?}", status.conflicts);
    let size = serde_json::to_string(&status.conditions)?.len();
    ensure!(size < 6 * 1024, "the conditions take {size} bytes");
    for condition in ["Ready", "Available", "BudgetResolved"] {
        scene
            .kubectl(&format!(
                "wait --for=condition={condition} tmpool/clicks --timeout=20s"
            ))
            .await?;
    }
    ensure!(
        status.conditions.iter().all(|condition| {
            condition.observed_generation == pool.metadata.generation
                && !matches!(condition.type_.as_str(), "Reconciling" | "Stalled")
        }),
        "{:?}",
        status.conditions
    );
    let table = scene
        .kubectl("get tmpool clicks --no-headers -o wide")
        .await?;
    let columns: Vec<_> = table.split_whitespace().collect();
    ensure!(
        columns[..11]
            == [
                "clicks",
                "True",
                "AsExpected",
                "2",
                "2",
                "4Gi",
                "773.1Mi",
                "2.3Gi",
                "128Mi",
                "1",
                "Guaranteed"
            ],
        "{table}"
    );
    ensure!(columns[11] == budget.hash, "{table}");
    scene.end().await
}

fn check_owner(metadata: &ObjectMeta, pool: &TaskManagerPool) -> Result<()> {
    let owners = metadata.owner_references.clone().unwrap_or_default();
    let [owner] = owners.as_slice() else {
        anyhow::bail!("{} owners of {:?}", owners.len(), metadata.name)
    };
    ensure!(
        owner.kind == "TaskManagerPool"
            && Some(&owner.uid) == pool.metadata.uid.as_ref()
            && owner.controller == Some(true)
            && owner.block_owner_deletion == Some(true),
        "{owner:?}"
    );
    let labels = metadata.labels.clone().unwrap_or_default();
    ensure!(
        labels
            .get("app.kubernetes.io/managed-by")
            .map(String::as_str)
            == Some("headroom")
            && labels.get("app.kubernetes.io/instance") == pool.metadata.name.as_ref(),
        "{labels:?}"
    );
    Ok(())
}

/// Without pods there is one thing to wait for: that Kubernetes has looked at the Deployment.
#[tokio::test]
async fn a_new_pool_costs_one_write_per_child_and_two_of_status() -> Result<()> {
    let scene = Scene::new("writes").await?;
    let pools = scene.pools();
    let start = pools
        .list_metadata(&kube::api::ListParams::default())
        .await?;
    let version = start
        .metadata
        .resource_version
        .context("a list has a version")?;
    let watch = pools.watch(&WatchParams::default(), &version).await?;

    let mark = scene.mark().await?;
    scene
        .create(&pool_of("clicks", &json!({"replicas": 0})))
        .await?;
    scene.wait_ready("clicks").await?;

    let writes = scene.writes_since(mark).await?;
    ensure!(split_writes(&writes) == (4, 2), "{:#?}", summary(&writes));
    ensure!(writes.len() == 6, "{:#?}", summary(&writes));
    ensure!(
        writes
            .iter()
            .all(|request| matches!(request.code(), 200 | 201)),
        "{:#?}",
        summary(&writes)
    );

    // The first status that anybody could see has the selector, so that /scale works at once.
    let first = watch
        .try_filter_map(|event| async move {
            Ok(match event {
                WatchEvent::Added(pool) | WatchEvent::Modified(pool) => pool.status,
                _ => None,
            })
        })
        .boxed()
        .try_next()
        .await?
        .context("the watch ended without a status")?;
    ensure!(
        first.selector.as_deref() == Some(headroom::desired::selector_text("clicks").as_str()),
        "{first:?}"
    );
    ensure!(first.budget.is_some(), "the first status has no budget");
    scene.end().await
}

/// From the request to the end, nothing but what is needed, and no status twice.
#[tokio::test]
async fn a_pool_whose_pods_start_costs_few_writes_and_every_status_differs() -> Result<()> {
    let scene = Scene::new("quiet").await?;
    let mark = scene.mark().await?;
    scene.create(&sound_pool("clicks")).await?;
    let before = scene.wait_ready("clicks").await?;
    let writes = scene.writes_since(mark).await?;
    let (children, status) = split_writes(&writes);
    ensure!(children == 4, "{:#?}", summary(&writes));
    // Applied, the pod exists, the pod is available: at most one status for each.
    ensure!((2..=3).contains(&status), "{:#?}", summary(&writes));

    // An answer that changes nothing leaves the version as it was, so none of the writes was needless.
    let again = scene.pools().get("clicks").await?;
    ensure!(before.metadata.resource_version == again.metadata.resource_version);
    scene.end().await
}
