//! The resource's static rules on a real API server: for each rule a pool that it accepts and one that it
//! rejects, with the message that a user sees.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use e2e::{Cluster, Seen, wait_for};
use headroom::api::crd::custom_resource_definition;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::pool::{merged, sound_pool};

/// Installs the definition and waits until the API server serves it.
pub async fn install_definition(cluster: &Cluster) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client().await?);
    let api = &api;
    let name = "taskmanagerpools.headroom.dev";
    api.patch(
        name,
        &PatchParams::apply("e2e").force(),
        &Patch::Apply(custom_resource_definition()),
    )
    .await
    .context("the API server refused the definition")?;
    wait_for(name, Duration::from_secs(30), || async move {
        let definition = api.get(name).await?;
        let conditions = definition
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        let established = conditions
            .iter()
            .any(|condition| condition.type_ == "Established" && condition.status == "True");
        Ok(Seen::when(established, conditions))
    })
    .await
}

/// The sound pool with `patch` merged over it, as `kubectl patch --type merge` would.
fn pool(patch: &Value) -> Value {
    merged(&sound_pool("sound"), patch)
}

/// One rule: what it accepts, what it rejects, and what the rejection says.
struct Rule {
    name: &'static str,
    accepts: Value,
    rejects: Value,
    says: &'static [&'static str],
}

fn limits(limits: &Value) -> Value {
    json!({"spec": {"taskManager": {"resources": {"limits": limits}}}})
}

fn resources(requests: &Value, limits: &Value) -> Value {
    json!({"spec": {"taskManager": {"resources": {"requests": requests, "limits": limits}}}})
}

fn spec(spec: &Value) -> Value {
    json!({ "spec": spec })
}

#[rustfmt::skip]
fn rules() -> Vec<Rule> {
    let long = "x".repeat(65);
    vec![
        Rule { name: "name length", accepts: json!({"metadata": {"name": "n".repeat(52)}}), rejects: json!({"metadata": {"name": "n".repeat(53)}}), says: &["at most 52 characters", "shorter name"] },
        Rule { name: "replicas", accepts: spec(&json!({"replicas": 0})), rejects: spec(&json!({"replicas": -1})), says: &["spec.replicas", "-1", "greater than or equal to 0"] },
        Rule { name: "replicas maximum", accepts: spec(&json!({"replicas": 100_000})), rejects: spec(&json!({"replicas": 100_001})), says: &["spec.replicas", "less than or equal to 100000"] },
        Rule { name: "flinkVersion required", accepts: spec(&json!({"flinkVersion": "1.10.3"})), rejects: spec(&json!({"flinkVersion": null})), says: &["spec.flinkVersion", "Required value"] },
        Rule { name: "image required", accepts: spec(&json!({"image": "registry.example/flink@sha256:0"})), rejects: spec(&json!({"image": ""})), says: &["spec.image", "at least 1 chars long"] },
        Rule { name: "clusterRef required", accepts: spec(&json!({"clusterRef": {"name": "jm", "rpcPort": 6124}})), rejects: spec(&json!({"clusterRef": null})), says: &["spec.clusterRef", "Required value"] },
        Rule { name: "rpcPort", accepts: spec(&json!({"clusterRef": {"rpcPort": 65_535}})), rejects: spec(&json!({"clusterRef": {"rpcPort": 65_536}})), says: &["spec.clusterRef.rpcPort", "less than or equal to 65535"] },
        Rule { name: "slots", accepts: spec(&json!({"taskManager": {"numberOfTaskSlots": 8}})), rejects: spec(&json!({"taskManager": {"numberOfTaskSlots": 0}})), says: &["spec.taskManager.numberOfTaskSlots", "greater than or equal to 1"] },
        Rule { name: "memory limit required", accepts: limits(&json!({"memory": "1.5Gi"})), rejects: limits(&json!({"memory": null, "cpu": "1"})), says: &["spec.taskManager.resources.limits.memory", "Required value"] },
        Rule { name: "memory limit is a quantity", accepts: limits(&json!({"memory": 4_294_967_296_i64})), rejects: limits(&json!({"memory": "4 gb"})), says: &["spec.taskManager.resources.limits.memory", "not a positive Kubernetes quantity of memory", "8Gi"] },
        Rule { name: "memory limit is positive", accepts: limits(&json!({"memory": "1e9"})), rejects: limits(&json!({"memory": "-4Gi"})), says: &["spec.taskManager.resources.limits.memory", "not a positive Kubernetes quantity of memory"] },
        Rule { name: "cpu limit is a quantity", accepts: limits(&json!({"cpu": 2})), rejects: limits(&json!({"cpu": "two"})), says: &["spec.taskManager.resources.limits.cpu", "not a positive Kubernetes quantity of processors"] },
        Rule { name: "memory request is a quantity", accepts: resources(&json!({"memory": "2G"}), &json!({"memory": "4Gi"})), rejects: resources(&json!({"memory": "2gb"}), &json!({"memory": "4Gi"})), says: &["spec.taskManager.resources.requests.memory", "not a Kubernetes quantity of memory"] },
        Rule { name: "cpu request is a quantity", accepts: resources(&json!({"cpu": "500m"}), &json!({"memory": "4Gi"})), rejects: resources(&json!({"cpu": "-1"}), &json!({"memory": "4Gi"})), says: &["spec.taskManager.resources.requests.cpu", "not a Kubernetes quantity of processors"] },
        Rule { name: "memory request within the limit", accepts: resources(&json!({"memory": "4096Mi"}), &json!({"memory": "4Gi"})), rejects: resources(&json!({"memory": "4097Mi"}), &json!({"memory": "4Gi"})), says: &["requests.memory is above limits.memory", "lower the request or raise the limit"] },
        Rule { name: "cpu request within the limit", accepts: resources(&json!({"cpu": "1000m"}), &json!({"cpu": 1})), rejects: resources(&json!({"cpu": "1001m"}), &json!({"cpu": 1})), says: &["requests.cpu is above limits.cpu", "lower the request or raise the limit"] },
        Rule { name: "managed size or fraction", accepts: spec(&json!({"memory": {"managed": {"size": "1g"}}})), rejects: spec(&json!({"memory": {"managed": {"size": "1g", "fraction": "0.4"}}})), says: &["spec.memory.managed", "managed.size and managed.fraction are both set", "remove one"] },
        Rule { name: "sizes are bounded text", accepts: spec(&json!({"memory": {"task": {"heapSize": "1 gb"}}})), rejects: spec(&json!({"memory": {"task": {"heapSize": long}}})), says: &["spec.memory.task.heapSize", "64"] },
        Rule { name: "reserves are sizes", accepts: spec(&json!({"memory": {"reserves": {"nativeOvershoot": "256m", "pythonWorkers": " 1 GB", "otherProcesses": "0", "memoryVolumes": "1048576"}}})), rejects: spec(&json!({"memory": {"reserves": {"pythonWorkers": "512Mi"}}})), says: &["spec.memory.reserves.pythonWorkers", "not a size as Flink writes it", "256m"] },
        Rule { name: "native overshoot is a size", accepts: spec(&json!({"memory": {"reserves": {"nativeOvershoot": "1 gibibytes"}}})), rejects: spec(&json!({"memory": {"reserves": {"nativeOvershoot": "-1m"}}})), says: &["spec.memory.reserves.nativeOvershoot", "not a size as Flink writes it"] },
        Rule { name: "other processes are a size", accepts: spec(&json!({"memory": {"reserves": {"otherProcesses": "64M"}}})), rejects: spec(&json!({"memory": {"reserves": {"otherProcesses": ""}}})), says: &["spec.memory.reserves.otherProcesses", "not a size as Flink writes it"] },
        Rule { name: "memory volumes are a size", accepts: spec(&json!({"memory": {"reserves": {"memoryVolumes": "1g"}}})), rejects: spec(&json!({"memory": {"reserves": {"memoryVolumes": "1.5g"}}})), says: &["spec.memory.reserves.memoryVolumes", "not a size as Flink writes it"] },
        Rule { name: "profile", accepts: spec(&json!({"memory": {"profile": "RocksDB"}})), rejects: spec(&json!({"memory": {"profile": "Rocks"}})), says: &["spec.memory.profile", "supported values: \"Stateless\", \"HashMap\", \"RocksDB\""] },
        Rule { name: "profile ForSt", accepts: spec(&json!({"flinkVersion": "2.0", "memory": {"profile": "ForSt"}})), rejects: spec(&json!({"flinkVersion": "1.20.1", "memory": {"profile": "ForSt"}})), says: &["spec.memory.profile", "a state backend that Flink has since 2.0", "choose another profile"] },
        Rule { name: "fractions are text", accepts: spec(&json!({"memory": {"managed": {"fraction": "0.5"}}})), rejects: spec(&json!({"memory": {"managed": {"fraction": 0.5}}})), says: &["spec.memory.managed.fraction", "must be of type string"] },
        Rule { name: "flinkConfiguration is a map", accepts: spec(&json!({"flinkConfiguration": {"state": {"backend": {"type": "rocksdb"}}, "parallelism.default": 4}})), rejects: spec(&json!({"flinkConfiguration": ["a"]})), says: &["spec.flinkConfiguration", "must be of type object"] },
        Rule { name: "jvm arguments are bounded", accepts: spec(&json!({"jvmArguments": {"extra": ["-XX:+ExitOnOutOfMemoryError"]}})), rejects: spec(&json!({"jvmArguments": {"extra": vec!["-Da=b"; 65]}})), says: &["spec.jvmArguments.extra", "at most 64 items"] },
        Rule { name: "onConflict", accepts: spec(&json!({"onConflict": "UseLargestFeasible"})), rejects: spec(&json!({"onConflict": "Ignore"})), says: &["spec.onConflict", "supported values: \"Reject\", \"UseLargestFeasible\""] },
        Rule { name: "suspend", accepts: spec(&json!({"suspend": true})), rejects: spec(&json!({"suspend": "yes"})), says: &["spec.suspend", "must be of type boolean"] },
        Rule { name: "podTemplate is an object", accepts: spec(&json!({"podTemplate": {"metadata": {"labels": {"team": "a"}}, "spec": {"tolerations": []}}})), rejects: spec(&json!({"podTemplate": {"spec": "none"}})), says: &["spec.podTemplate.spec", "must be of type object"] },
    ]
}

async fn pools(cluster: &Cluster, namespace: &str) -> Result<Api<DynamicObject>> {
    let resource = ApiResource::erase::<headroom::api::v1alpha1::TaskManagerPool>(&());
    Ok(Api::namespaced_with(
        cluster.client().await?,
        namespace,
        &resource,
    ))
}

#[tokio::test]
async fn every_rule_accepts_and_rejects_with_its_message() -> Result<()> {
    let cluster = Cluster::shared().await?;
    install_definition(&cluster).await?;
    let namespace = cluster.namespace("rules").await?;
    let api = pools(&cluster, &namespace).await?;
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    for rule in rules() {
        let accepted: DynamicObject = serde_json::from_value(pool(&rule.accepts))?;
        api.create(&dry_run, &accepted)
            .await
            .with_context(|| format!("{}: not accepted", rule.name))?;

        let rejected: DynamicObject = serde_json::from_value(pool(&rule.rejects))?;
        let Err(error) = api.create(&dry_run, &rejected).await else {
            anyhow::bail!("{}: not rejected: {}", rule.name, rule.rejects);
        };
        let message = error.to_string();
        for part in rule.says {
            ensure!(
                message.contains(part),
                "{}: the message does not say {part:?}: {message}",
                rule.name
            );
        }
    }
    Ok(())
}

/// A rule that the table above forgets would go unnoticed, so they are counted.
#[test]
fn the_table_names_every_rule_of_the_definition() {
    fn messages(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(map) => {
                for rule in map
                    .get("x-kubernetes-validations")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                {
                    found.insert(
                        rule["message"]
                            .as_str()
                            .expect("every rule has a message")
                            .to_owned(),
                    );
                }
                map.values().for_each(|value| messages(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| messages(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    messages(
        &serde_json::to_value(custom_resource_definition()).unwrap(),
        &mut found,
    );
    let rules = rules();
    for message in found {
        let covered = rules.iter().any(|rule| {
            rule.says
                .iter()
                .any(|part| part.len() > 12 && message.contains(part))
        });
        assert!(covered, "no rejects test for: {message}");
    }
}

#[tokio::test]
async fn defaults_scale_and_columns_are_served() -> Result<()> {
    let cluster = Cluster::shared().await?;
    install_definition(&cluster).await?;
    let namespace = cluster.namespace("served").await?;
    let api = pools(&cluster, &namespace).await?;
    let created = api
        .create(
            &PostParams::default(),
            &serde_json::from_value(sound_pool("sound"))?,
        )
        .await?;
    ensure!(created.data["spec"]["replicas"] == 1, "{:?}", created.data);
    ensure!(
        created.data["spec"]["clusterRef"]["rpcPort"] == 6123,
        "{:?}",
        created.data
    );
    ensure!(
        created.data["spec"]["onConflict"] == "Reject",
        "{:?}",
        created.data
    );

    cluster
        .kubectl(["-n", &namespace, "scale", "tmpool/sound", "--replicas=3"])
        .await?
        .success()?;
    ensure!(
        api.get("sound").await?.data["spec"]["replicas"] == 3,
        "kubectl scale did not reach spec.replicas"
    );
    ensure!(
        api.get_scale("sound")
            .await?
            .spec
            .and_then(|scale| scale.replicas)
            == Some(3),
        "no scale subresource"
    );

    let table = cluster
        .kubectl(["-n", &namespace, "get", "flink", "-o", "wide"])
        .await?
        .success()?;
    for column in [
        "NAME",
        "READY",
        "REASON",
        "DESIRED",
        "AVAILABLE",
        "LIMIT",
        "HEAP",
        "MANAGED",
        "NETWORK",
        "AGE",
    ] {
        ensure!(table.contains(column), "no column {column}: {table}");
    }
    Ok(())
}

#[tokio::test]
async fn explain_reads_well() -> Result<()> {
    let cluster = Cluster::shared().await?;
    install_definition(&cluster).await?;
    let whole = wait_for("kubectl explain", Duration::from_secs(30), || {
        let cluster = cluster.clone();
        async move {
            // The API server publishes the schema a moment after it serves the resource.
            let output = cluster
                .kubectl(["explain", "taskmanagerpool", "--recursive"])
                .await?;
            Ok(match output.clone().success() {
                Ok(text) => Seen::Done(text),
                Err(_) => Seen::NotYet(output.stderr),
            })
        }
    })
    .await?;
    for field in [
        "numberOfTaskSlots",
        "metaspaceSize",
        "flinkConfiguration",
        "podTemplate",
        "observedGeneration",
    ] {
        ensure!(whole.contains(field), "{field} is not explained: {whole}");
    }
    let one = cluster
        .kubectl(["explain", "taskmanagerpool.spec.memory.jvm.metaspaceSize"])
        .await?
        .success()?;
    for part in [
        "metaspaceSize <string>",
        "Flink's default is 256m",
        "taskmanager.memory.jvm-metaspace.size",
    ] {
        ensure!(
            one.contains(part),
            "kubectl explain does not say {part:?}: {one}"
        );
    }
    Ok(())
}
