//! A walk over every field of the spec: set it, change it, change it back, take it out.
//!
//! Each value has to show in the children or in the status, so no field is accepted and ignored; the way back has
//! to lead to what was there before, whichever way it was reached.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream};
use headroom::api::{crd::custom_resource_definition, v1alpha1::TaskManagerPool};
use serde_json::{Value, json};

use crate::pool::{Scene, condition, is_in_conflict, is_observed, is_ready, merged, pool_of};

/// A field, and two values that both differ from leaving it out and from each other.
struct Leaf {
    path: &'static str,
    values: [Value; 2],
}

/// Fields that cannot be left out.
const REQUIRED: [&str; 4] = [
    "flinkVersion",
    "image",
    "clusterRef.name",
    "taskManager.resources.limits.memory",
];

/// `onConflict` shows only in a pool with conflicts; `pool_conflict` follows it there and back.
const ELSEWHERE: [&str; 1] = ["onConflict"];

#[rustfmt::skip]
fn leaves() -> Vec<Leaf> {
    let leaf = |path, first: Value, second: Value| Leaf { path, values: [first, second] };
    let container = |fields: Value| merged(&json!({"name": "taskmanager"}), &fields);
    let template = |first: Value, second: Value| leaf("podTemplate.spec", first, second);
    let of_container = |first: Value, second: Value| {
        template(json!({"containers": [container(first)]}), json!({"containers": [container(second)]}))
    };
    vec![
        leaf("replicas", json!(1), json!(2)),
        leaf("flinkVersion", json!("1.20"), json!("1.17.2")),
        leaf("image", json!("flink:other"), json!("registry.example:5000/flink@sha256:0123")),
        leaf("clusterRef.name", json!("other"), json!("jobmanager.elsewhere.svc")),
        leaf("clusterRef.rpcPort", json!(6200), json!(7000)),
        leaf("taskManager.numberOfTaskSlots", json!(2), json!(8)),
        leaf("taskManager.resources.limits.memory", json!("6Gi"), json!("3500M")),
        leaf("taskManager.resources.limits.cpu", json!("2"), json!("1500m")),
        leaf("taskManager.resources.requests.memory", json!("2Gi"), json!("3Gi")),
        leaf("taskManager.resources.requests.cpu", json!("250m"), json!(1)),
        leaf("memory.process.size", json!("3g"), json!("3584m")),
        leaf("memory.flink.size", json!("2g"), json!("2500m")),
        leaf("memory.framework.heapSize", json!("256m"), json!("192m")),
        leaf("memory.framework.offHeapSize", json!("256m"), json!("64m")),
        leaf("memory.task.heapSize", json!("1g"), json!("1100m")),
        leaf("memory.task.offHeapSize", json!("128m"), json!("64m")),
        leaf("memory.managed.size", json!("1g"), json!("0b")),
        leaf("memory.managed.fraction", json!("0.5"), json!("0.2")),
        leaf("memory.network.min", json!("512m"), json!("600m")),
        leaf("memory.network.max", json!("128m"), json!("256m")),
        leaf("memory.network.fraction", json!("0.2"), json!("0.05")),
        leaf("memory.network.segmentSize", json!("64k"), json!("16k")),
        leaf("memory.jvm.metaspaceSize", json!("128m"), json!("512m")),
        leaf("memory.jvm.overhead.min", json!("600m"), json!("700m")),
        leaf("memory.jvm.overhead.max", json!("200m"), json!("300m")),
        leaf("memory.jvm.overhead.fraction", json!("0.15"), json!("0.2")),
        leaf("memory.profile", json!("RocksDB"), json!("HashMap")),
        leaf("memory.reserves.nativeOvershoot", json!("128m"), json!("64m")),
        leaf("memory.reserves.pythonWorkers", json!("256m"), json!("192m")),
        leaf("memory.reserves.otherProcesses", json!("96m"), json!("32m")),
        leaf("memory.reserves.memoryVolumes", json!("64m"), json!("16m")),
        leaf("flinkConfiguration", json!({"parallelism.default": 4}), json!({"state": {"backend": {"type": "rocksdb"}}, "taskmanager.memory.managed.fraction": 0.6})),
        leaf("jvmArguments.extra", json!(["-XX:+ExitOnOutOfMemoryError"]), json!(["-XX:+UseZGC", "-Da=b"])),
        leaf("suspend", json!(true), json!(false)),
        leaf("podTemplate.metadata", json!({"labels": {"team": "clicks"}}), json!({"annotations": {"note": "kept"}})),
        template(json!({"nodeSelector": {"disk": "fast"}}), json!({"nodeSelector": {"disk": "slow"}})),
        template(json!({"tolerations": [{"key": "flink", "operator": "Exists"}]}), json!({"tolerations": [{"key": "spot", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}]})),
        template(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]}}}}), json!({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}]}}})),
        template(json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]}), json!({"topologySpreadConstraints": [{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]})),
        template(json!({"terminationGracePeriodSeconds": 60}), json!({"terminationGracePeriodSeconds": 90})),
        template(json!({"priorityClassName": "high"}), json!({"priorityClassName": "low"})),
        template(json!({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["kafka"]}]}), json!({"hostAliases": [{"ip": "10.0.0.2", "hostnames": ["kafka"]}]})),
        template(json!({"dnsConfig": {"options": [{"name": "ndots", "value": "2"}]}}), json!({"dnsPolicy": "Default"})),
        template(json!({"schedulerName": "batch"}), json!({"runtimeClassName": "gvisor"})),
        template(json!({"volumes": [{"name": "scratch", "emptyDir": {}}], "containers": [{"name": "taskmanager", "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}]}), json!({"volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}], "containers": [{"name": "taskmanager", "volumeMounts": [{"name": "scratch", "mountPath": "/state"}]}]})),
        template(json!({"containers": [{"name": "shipper", "image": "shipper:1", "resources": {"limits": {"memory": "64Mi"}}}]}), json!({"containers": [{"name": "shipper", "image": "shipper:2"}]})),
        template(json!({"initContainers": [{"name": "fetch", "image": "fetch:1"}]}), json!({"initContainers": [{"name": "fetch", "image": "fetch:2", "command": ["fetch"]}]})),
        of_container(json!({"env": [{"name": "A", "value": "1"}]}), json!({"env": [{"name": "A", "value": "2"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]})),
        of_container(json!({"imagePullPolicy": "Always"}), json!({"imagePullPolicy": "Never"})),
        of_container(json!({"livenessProbe": {"tcpSocket": {"port": "rpc"}}}), json!({"readinessProbe": {"tcpSocket": {"port": "rpc"}, "periodSeconds": 5}})),
        of_container(json!({"lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}}}), json!({"lifecycle": {"preStop": {"exec": {"command": ["sleep", "2"]}}}})),
        of_container(json!({"ports": [{"name": "metrics", "containerPort": 9249}]}), json!({"ports": [{"name": "metrics", "containerPort": 9250}]})),
        of_container(json!({"resources": {"limits": {"ephemeral-storage": "1Gi"}}}), json!({"resources": {"requests": {"ephemeral-storage": "1Gi"}}})),
    ]
}

/// The paths of all leaves that the definition has under `spec`.
fn paths_of_the_definition() -> BTreeSet<String> {
    fn walk(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
        match schema["properties"].as_object() {
            Some(properties) => {
                for (name, child) in properties {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    walk(&path, child, found);
                }
            }
            None => {
                found.insert(path.to_owned());
            }
        }
    }
    let definition = serde_json::to_value(custom_resource_definition()).unwrap();
    let mut found = BTreeSet::new();
    walk(
        "",
        &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"],
        &mut found,
    );
    found
}

#[test]
fn the_walk_visits_every_field_of_the_definition() {
    let mut visited: BTreeSet<_> = leaves().iter().map(|leaf| leaf.path.to_owned()).collect();
    visited.extend(ELSEWHERE.map(str::to_owned));
    assert_eq!(visited, paths_of_the_definition());
}

/// A spec that is nothing but `value` at `path`.
fn spec_of(path: &str, value: &Value) -> Value {
    path.rsplit('.')
        .fold(value.clone(), |inner, name| json!({ name: inner }))
}

/// The pool at rest: whatever it asks for is there, or it is refused.
fn is_settled(pool: &TaskManagerPool) -> bool {
    is_observed(pool)
        && condition(pool, "Reconciling").is_none()
        && (is_ready(pool) || is_in_conflict(pool))
}

/// Everything that a user could see of the spec, without what counts or dates it.
async fn picture(scene: &Scene, name: &str) -> Result<Value> {
    let pool = scene.wait(name, "at rest", is_settled).await?;
    let children = scene.children(name).await?;
    let mut objects = children.identities()?;
    for object in objects.as_array_mut().into_iter().flatten() {
        if let Some(object) = object.as_object_mut() {
            object.remove("generation");
            if let Some(annotations) = object.get_mut("annotations").and_then(Value::as_object_mut)
            {
                annotations.remove("deployment.kubernetes.io/revision");
            }
        }
    }
    let mut status = serde_json::to_value(pool.status.context("a settled pool has a status")?)?;
    if let Some(status) = status.as_object_mut() {
        status.remove("observedGeneration");
        if let Some(budget) = status.get_mut("budget").and_then(Value::as_object_mut) {
            budget.remove("generation");
        }
        for condition in status
            .get_mut("conditions")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(condition) = condition.as_object_mut() {
                condition.remove("observedGeneration");
                condition.remove("lastTransitionTime");
            }
        }
    }
    Ok(json!({"children": objects, "status": status}))
}

async fn walk(scene: &Scene, name: &str, leaf: &Leaf) -> Result<()> {
    // Without replicas nothing rolls out, so every step is one reconcile.
    let base = pool_of(name, &json!({"replicas": 0}));
    let [first, second] = leaf.values.each_ref().map(|value| {
        let spec = spec_of(leaf.path, value);
        merged(&base, &json!({ "spec": spec }))["spec"].clone()
    });
    scene.create(&base).await?;
    let without = picture(scene, name).await?;
    scene.replace(name, &first).await?;
    let with_first = picture(scene, name).await?;
    ensure!(with_first != without, "{} is ignored", leaf.values[0]);
    scene.replace(name, &second).await?;
    let with_second = picture(scene, name).await?;
    ensure!(
        with_second != with_first,
        "{} shows the same as {}",
        leaf.values[1],
        leaf.values[0]
    );
    for (picture, value) in [&with_first, &with_second].into_iter().zip(&leaf.values) {
        let refused = picture["status"]["conflicts"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|conflict| conflict["severity"] == "Error");
        ensure!(refused.is_none(), "{value} is refused: {refused:#?}");
    }
    scene.replace(name, &first).await?;
    let again = picture(scene, name).await?;
    ensure!(
        again == with_first,
        "the way back does not lead back:\n{}",
        difference(&with_first, &again)
    );
    scene.replace(name, &base["spec"]).await?;
    let removed = picture(scene, name).await?;
    ensure!(
        removed == without,
        "something stays when it is taken out:\n{}",
        difference(&without, &removed)
    );
    // Set to null it is out as well, and leaves empty maps around it. Without replicas, there is one.
    if REQUIRED.contains(&leaf.path) || leaf.path == "replicas" {
        return Ok(());
    }
    scene.replace(name, &second).await?;
    picture(scene, name).await?;
    scene
        .patch(name, &json!({"spec": spec_of(leaf.path, &Value::Null)}))
        .await?;
    let removed = picture(scene, name).await?;
    ensure!(
        removed == without,
        "something stays when it is set to null:\n{}",
        difference(&without, &removed)
    );
    Ok(())
}

/// The lines in which two pictures differ.
fn difference(expected: &Value, found: &Value) -> String {
    let lines = |value: &Value| -> Vec<String> {
        format!("{value:#}").lines().map(str::to_owned).collect()
    };
    let (expected, found) = (lines(expected), lines(found));
    let missing = expected
        .iter()
        .filter(|line| !found.contains(line))
        .map(|line| format!("- {line}"));
    let added = found
        .iter()
        .filter(|line| !expected.contains(line))
        .map(|line| format!("+ {line}"));
    missing.chain(added).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_field_shows_and_leaves_no_trace() -> Result<()> {
    let scene = Scene::new("walk").await?;
    let leaves = leaves();
    let failures: Vec<String> = stream::iter(leaves.iter().enumerate())
        .map(|(index, leaf)| {
            let scene = &scene;
            async move {
                let walked = walk(scene, &format!("leaf-{index}"), leaf).await;
                walked
                    .err()
                    .map(|error| format!("{} = {}: {error:#}", leaf.path, leaf.values[0]))
            }
        })
        .buffer_unordered(8)
        .filter_map(std::future::ready)
        .collect()
        .await;
    ensure!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    scene.end().await
}
