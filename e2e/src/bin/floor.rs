//! The floor of `make bench`: the least that a controller written with kube's `Controller` does to turn a
//! TaskManagerPool into the same four children and one status.
//!
//! It solves nothing, checks nothing and keeps nothing but the pools, so whatever Headroom takes above it is
//! the price of what Headroom does. The benchmark reads its output: `ready`, then a line per reconcile.

use std::{sync::Arc, time::Duration};

use futures::{
    StreamExt,
    future::{join, ready},
};
use headroom::api::v1alpha1::{TaskManagerPool, TaskManagerPoolStatus};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{
        controller::{Action, Config, Controller},
        watcher,
    },
};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), kube::Error> {
    let client = Client::try_default().await?;
    let pools: Api<TaskManagerPool> = Api::all(client.clone());
    let controller = Controller::new(pools, watcher::Config::default());
    let store = controller.store();
    // In one task with the controller: the store wakes only one of the tasks that wait for it.
    let report = async {
        if store.wait_until_ready().await.is_ok() {
            println!("ready");
        }
    };
    let controller = controller
        // As many at a time as Headroom reconciles; without a limit a thousand pools open a thousand connections.
        .with_config(Config::default().concurrency(8))
        .owns(
            Api::<Deployment>::all(client.clone()),
            watcher::Config::default(),
        )
        .shutdown_on_signal()
        .run(
            reconcile,
            |_, _, _| Action::requeue(Duration::from_secs(1)),
            Arc::new(client),
        )
        .for_each(|_| ready(()));
    join(controller, report).await;
    Ok(())
}

async fn reconcile(pool: Arc<TaskManagerPool>, client: Arc<Client>) -> Result<Action, kube::Error> {
    println!("reconciled {}", pool.name_any());
    let status = pool.status.as_ref();
    if status.is_some_and(|status| status.observed_generation == pool.metadata.generation) {
        return Ok(Action::await_change());
    }
    let labels =
        json!({"app.kubernetes.io/name": "flink", "app.kubernetes.io/instance": pool.name_any()});
    apply::<ServiceAccount>(
        &pool,
        &client,
        json!({"automountServiceAccountToken": false}),
    )
    .await?;
    let configuration = "jobmanager.rpc.address: jobmanager\ntaskmanager.numberOfTaskSlots: 2\n";
    apply::<ConfigMap>(
        &pool,
        &client,
        json!({"data": {"config.yaml": configuration}}),
    )
    .await?;
    let selector = json!({"matchLabels": labels});
    let disruption = json!({"spec": {"maxUnavailable": 1, "selector": selector}});
    apply::<PodDisruptionBudget>(&pool, &client, disruption).await?;
    let limits = json!({"memory": pool.spec.task_manager.resources.limits.memory});
    let volume = json!({"name": "configuration", "configMap": {"name": pool.name_any()}});
    let container = json!({"name": "taskmanager", "image": pool.spec.image, "args": ["taskmanager"],
        "resources": {"requests": limits, "limits": limits},
        "volumeMounts": [{"name": "configuration", "mountPath": "/opt/flink/conf"}]});
    let pod = json!({"serviceAccountName": pool.name_any(), "containers": [container], "volumes": [volume]});
    let template = json!({"metadata": {"labels": labels}, "spec": pod});
    let spec = json!({"replicas": pool.spec.replicas, "selector": selector, "template": template});
    apply::<Deployment>(&pool, &client, json!({"spec": spec})).await?;
    // The sizes are all zero: a budget of the same shape, without the solver.
    let status = TaskManagerPoolStatus {
        observed_generation: pool.metadata.generation,
        budget: Some(Default::default()),
        ..Default::default()
    };
    let status = json!({"apiVersion": TaskManagerPool::api_version(&()), "kind": TaskManagerPool::kind(&()), "status": status});
    let pools: Api<TaskManagerPool> =
        Api::namespaced((*client).clone(), &pool.namespace().unwrap_or_default());
    let manager = PatchParams::apply("floor/status").force();
    pools
        .patch_status(&pool.name_any(), &manager, &Patch::Apply(status))
        .await?;
    Ok(Action::await_change())
}

/// Applies a child of the pool's name that belongs to the pool.
async fn apply<K>(
    pool: &TaskManagerPool,
    client: &Client,
    mut child: Value,
) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let owners: Vec<_> = pool.controller_owner_ref(&()).into_iter().collect();
    child["apiVersion"] = K::api_version(&()).into();
    child["kind"] = K::kind(&()).into();
    child["metadata"] = json!({"name": pool.name_any(), "ownerReferences": owners});
    let children: Api<K> = Api::namespaced(client.clone(), &pool.namespace().unwrap_or_default());
    children
        .patch(
            &pool.name_any(),
            &PatchParams::apply("floor").force(),
            &Patch::Apply(child),
        )
        .await?;
    Ok(())
}
