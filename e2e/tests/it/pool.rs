//! What the tests of the controller share: a namespace with a controller of its own, pools, their children.
//!
//! Every test runs a controller that watches only the test's namespace, as a ServiceAccount with exactly the
//! rights of `manifests/rbac.yaml`. So the tests run side by side on one control plane, the audit log tells whose
//! requests are whose, and a right that is missing fails the test that needs it.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use e2e::{
    Cluster, Controller, ControllerOptions, Seen,
    audit::{Mark, Request},
    controller::{Profile, Target, build},
    wait_for,
};
use headroom::api::v1alpha1::{ConflictStatus, TaskManagerPool};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Pod, ServiceAccount},
        policy::v1::PodDisruptionBudget,
        rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding},
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    install::{objects, repository},
    resource::install_definition,
};

/// How long anything may take that the controller does at once. Generous: the machine may be busy with builds.
pub const SOON: Duration = Duration::from_secs(60);

/// The controller's ServiceAccount, as the manifests call it.
const ACCOUNT: &str = "headroom";

/// The smallest pool that says everything it must.
pub fn sound_pool(name: &str) -> Value {
    json!({
        "apiVersion": "headroom.dev/v1alpha1",
        "kind": "TaskManagerPool",
        "metadata": {"name": name},
        "spec": {
            "flinkVersion": "2.1",
            "image": "flink:2.1",
            "clusterRef": {"name": "jobmanager"},
            "taskManager": {"resources": {"limits": {"memory": "4Gi"}}}
        }
    })
}

/// The object with `patch` merged over it, as `kubectl patch --type merge` would.
pub fn merged(object: &Value, patch: &Value) -> Value {
    fn merge(target: &mut Value, patch: &Value) {
        match (target, patch) {
            (Value::Object(target), Value::Object(patch)) => {
                for (key, value) in patch {
                    if value.is_null() {
                        target.remove(key);
                    } else {
                        merge(target.entry(key.clone()).or_insert(Value::Null), value);
                    }
                }
            }
            (target @ Value::Null, Value::Object(_)) => {
                *target = json!({});
                merge(target, patch);
            }
            (target, patch) => *target = patch.clone(),
        }
    }
    let mut object = object.clone();
    merge(&mut object, patch);
    object
}

/// A pool with this memory limit and nothing else out of the ordinary.
pub fn pool_of(name: &str, spec: &Value) -> Value {
    merged(&sound_pool(name), &json!({ "spec": spec }))
}

/// A condition of the pool's status.
pub fn condition<'a>(pool: &'a TaskManagerPool, kind: &str) -> Option<&'a Condition> {
    pool.status
        .iter()
        .flat_map(|status| &status.conditions)
        .find(|condition| condition.type_ == kind)
}

/// Whether the pool's status speaks of its current spec.
pub fn is_observed(pool: &TaskManagerPool) -> bool {
    pool.status
        .as_ref()
        .and_then(|status| status.observed_generation)
        .is_some_and(|observed| Some(observed) == pool.metadata.generation)
}

/// Whether the condition has this status and reason and is about the current spec.
pub fn has_condition(pool: &TaskManagerPool, kind: &str, status: &str, reason: &str) -> bool {
    condition(pool, kind).is_some_and(|condition| {
        condition.status == status
            && condition.reason == reason
            && condition.observed_generation == pool.metadata.generation
    })
}

/// Whether everything that the current spec asks for is there.
pub fn is_ready(pool: &TaskManagerPool) -> bool {
    is_observed(pool) && has_condition(pool, "Ready", "True", "AsExpected")
}

/// Whether the current spec is refused.
pub fn is_in_conflict(pool: &TaskManagerPool) -> bool {
    is_observed(pool)
        && condition(pool, "BudgetResolved").is_some_and(|condition| condition.status == "False")
}

/// The conflicts in the pool's status.
pub fn conflicts(pool: &TaskManagerPool) -> &[ConflictStatus] {
    pool.status
        .as_ref()
        .map(|status| status.conflicts.as_slice())
        .unwrap_or_default()
}

/// What stays the same as long as nobody changes the object: uid, generation or, without one, the content.
pub fn identity<K: Resource + Serialize>(object: &K) -> Result<Value> {
    let mut value = serde_json::to_value(object)?;
    let metadata = value["metadata"].take();
    Ok(json!({
        "uid": metadata["uid"],
        "generation": metadata["generation"],
        "labels": metadata["labels"],
        "annotations": metadata["annotations"],
        "owners": metadata["ownerReferences"],
        "spec": value["spec"],
        "data": value["data"],
        "token": value["automountServiceAccountToken"],
    }))
}

/// The children of a pool, as far as they exist.
#[derive(Clone, Debug)]
pub struct Children {
    pub service_account: Option<ServiceAccount>,
    pub config_map: Option<ConfigMap>,
    pub pod_disruption_budget: Option<PodDisruptionBudget>,
    pub deployment: Option<Deployment>,
}

impl Children {
    /// How many there are.
    pub fn count(&self) -> usize {
        [
            self.service_account.is_some(),
            self.config_map.is_some(),
            self.pod_disruption_budget.is_some(),
            self.deployment.is_some(),
        ]
        .into_iter()
        .filter(|exists| *exists)
        .count()
    }

    /// All four, or an error that says which are missing.
    pub fn complete(
        &self,
    ) -> Result<(
        &ServiceAccount,
        &ConfigMap,
        &PodDisruptionBudget,
        &Deployment,
    )> {
        match self {
            Self {
                service_account: Some(service_account),
                config_map: Some(config_map),
                pod_disruption_budget: Some(pod_disruption_budget),
                deployment: Some(deployment),
            } => Ok((
                service_account,
                config_map,
                pod_disruption_budget,
                deployment,
            )),
            _ => bail!("not all children exist: {self:#?}"),
        }
    }

    /// What stays the same as long as nobody changes them.
    pub fn identities(&self) -> Result<Value> {
        let (service_account, config_map, pod_disruption_budget, deployment) = self.complete()?;
        Ok(json!([
            identity(service_account)?,
            identity(config_map)?,
            identity(pod_disruption_budget)?,
            identity(deployment)?
        ]))
    }
}

/// What to run a controller with besides what every test needs.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Further flags of the controller.
    pub flags: Vec<String>,
    /// How many namespaces the controller watches; one if 0.
    pub namespaces: usize,
    /// Whether the controller watches the whole cluster instead.
    pub is_cluster_wide: bool,
}

/// A namespace with a controller of its own.
pub struct Scene {
    pub cluster: Cluster,
    pub client: Client,
    /// The first of the namespaces.
    pub namespace: String,
    /// All of the namespaces.
    pub namespaces: Vec<String>,
    pub controller: Controller,
    options: ControllerOptions,
    start: Mark,
}

impl Scene {
    /// On the shared control plane.
    pub async fn new(prefix: &str) -> Result<Self> {
        Self::with(prefix, &Setup::default()).await
    }

    /// On the shared control plane.
    pub async fn with(prefix: &str, setup: &Setup) -> Result<Self> {
        let cluster = Cluster::shared().await?;
        install_definition(&cluster).await?;
        let scene = Self::on(&cluster, prefix, setup).await?;
        scene.wait_until_ready().await?;
        Ok(scene)
    }

    /// On any control plane. The controller runs, and need not be ready.
    pub async fn on(cluster: &Cluster, prefix: &str, setup: &Setup) -> Result<Self> {
        let client = cluster.client().await?;
        let role = install_role(&client).await?;
        let mut namespaces = Vec::new();
        for _ in 0..setup.namespaces.max(1) {
            namespaces.push(cluster.namespace(prefix).await?);
        }
        let namespace = namespaces[0].clone();
        let account: ServiceAccount =
            serde_json::from_value(json!({"metadata": {"name": ACCOUNT}}))?;
        Api::namespaced(client.clone(), &namespace)
            .create(&PostParams::default(), &account)
            .await?;
        let binding = json!({
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}]
        });
        let post = PostParams::default();
        if setup.is_cluster_wide {
            let binding: ClusterRoleBinding = serde_json::from_value(binding)?;
            Api::all(client.clone()).create(&post, &binding).await?;
        } else {
            let binding: RoleBinding = serde_json::from_value(binding)?;
            for each in &namespaces {
                let bindings = Api::namespaced(client.clone(), each);
                bindings.create(&post, &binding).await?;
            }
        }
        let kubeconfig = cluster
            .service_account_kubeconfig(&namespace, ACCOUNT)
            .await?;
        let mut arguments = vec![
            String::from("--bind-address=127.0.0.1:0"),
            String::from("--log-format=json"),
            String::from("--log-level=info,headroom=debug"),
        ];
        if !setup.is_cluster_wide {
            arguments.extend(namespaces.iter().map(|each| format!("--namespace={each}")));
        }
        arguments.extend(setup.flags.iter().cloned());
        let program = controller_program().await?;
        let options = ControllerOptions::new(&program, &kubeconfig, &log_file(cluster, &namespace))
            .arguments(arguments);
        Ok(Self {
            start: cluster.audit().mark().await?,
            controller: options.start()?,
            cluster: cluster.clone(),
            client,
            namespace,
            namespaces,
            options,
        })
    }

    /// Starts the controller anew, after it was ended. Its log goes to a new file.
    pub fn restart(&mut self) -> Result<()> {
        self.options.log = log_file(&self.cluster, &self.namespace);
        self.controller = self.options.start()?;
        Ok(())
    }

    /// An API of the first namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The pools of the first namespace.
    pub fn pools(&self) -> Api<TaskManagerPool> {
        self.api()
    }

    /// The pools of the first namespace, as they are stored.
    pub fn raw_pools(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<TaskManagerPool>(&());
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Creates a pool in the first namespace.
    pub async fn create(&self, pool: &Value) -> Result<()> {
        let object: DynamicObject = serde_json::from_value(pool.clone())?;
        self.raw_pools()
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("the API server refused the pool {}", pool["metadata"]))?;
        Ok(())
    }

    /// Changes a pool as `kubectl patch --type merge` does.
    pub async fn patch(&self, name: &str, patch: &Value) -> Result<()> {
        self.raw_pools()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .with_context(|| format!("the API server refused to change {name}: {patch}"))?;
        Ok(())
    }

    /// Replaces a pool's spec.
    pub async fn replace(&self, name: &str, spec: &Value) -> Result<()> {
        let patch = json!([{"op": "replace", "path": "/spec", "value": spec}]);
        self.raw_pools()
            .patch(
                name,
                &PatchParams::default(),
                &Patch::<Value>::Json(serde_json::from_value(patch)?),
            )
            .await
            .with_context(|| format!("the API server refused to replace the spec of {name}"))?;
        Ok(())
    }

    /// Deletes a pool in the background.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.pools()
            .delete(name, &DeleteParams::background())
            .await
            .with_context(|| format!("failed to delete pool {name}"))?;
        Ok(())
    }

    /// Waits until the pool is as `holds` says.
    pub async fn wait(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&TaskManagerPool) -> bool,
    ) -> Result<TaskManagerPool> {
        let (pools, holds) = (&self.pools(), &holds);
        wait_for(format!("{name}: {what}"), SOON, || async move {
            Ok(match pools.get_opt(name).await? {
                Some(pool) if holds(&pool) => Seen::Done(pool),
                // The spec is the test's own.
                Some(pool) => Seen::NotYet(format!(
                    "generation {:?} {}",
                    pool.metadata.generation,
                    serde_json::to_string_pretty(&pool.status)?
                )),
                None => Seen::NotYet(String::from("no such pool")),
            })
        })
        .await
        .with_context(|| self.log_of(name))
    }

    /// Waits until everything that the pool's spec asks for is there.
    pub async fn wait_ready(&self, name: &str) -> Result<TaskManagerPool> {
        self.wait(name, "ready", is_ready).await
    }

    /// Waits until the pool's spec is refused.
    pub async fn wait_conflict(&self, name: &str) -> Result<TaskManagerPool> {
        self.wait(name, "in conflict", is_in_conflict).await
    }

    /// What the controller logged about a pool.
    fn log_of(&self, name: &str) -> String {
        let log = self.controller.log().unwrap_or_default();
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains(&format!("/{name}\"")))
            .collect();
        let last = lines.len().saturating_sub(10);
        format!(
            "the controller's last words on it:\n{}",
            lines[last..].join("\n")
        )
    }

    /// The children of a pool that exist.
    pub async fn children(&self, name: &str) -> Result<Children> {
        children(&self.client, &self.namespace, name).await
    }

    /// The pool's pods that are not going away.
    pub async fn pods(&self, name: &str) -> Result<Vec<Pod>> {
        let pods: Api<Pod> = self.api();
        let selector = ListParams::default().labels(&headroom::desired::selector_text(name));
        let mut pods = pods.list(&selector).await?.items;
        pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        Ok(pods)
    }

    /// kubectl in the first namespace, with words that are separated by spaces.
    pub async fn kubectl(&self, command: &str) -> Result<String> {
        let words = ["-n", &self.namespace].into_iter();
        self.cluster
            .kubectl(words.chain(command.split_whitespace()))
            .await?
            .success()
            .with_context(|| format!("kubectl {command}"))
    }

    /// A place in the audit log.
    pub async fn mark(&self) -> Result<Mark> {
        self.cluster.audit().mark().await
    }

    /// What this test's controller asked the API server for since the mark.
    pub async fn requests_since(&self, mark: Mark) -> Result<Vec<Request>> {
        let mut requests = self.cluster.audit().requests_since(mark).await?;
        requests.retain(|request| request.is_by_service_account(&self.namespace, ACCOUNT));
        Ok(requests)
    }

    /// What this test's controller wrote since the mark.
    pub async fn writes_since(&self, mark: Mark) -> Result<Vec<Request>> {
        let mut requests = self.requests_since(mark).await?;
        requests.retain(Request::is_write);
        Ok(requests)
    }

    /// Waits until the controller says that it is ready.
    pub async fn wait_until_ready(&self) -> Result<()> {
        wait_for("the controller is ready", SOON, || async {
            if let Err(error) = self.controller.check() {
                return Ok(Seen::Never(error));
            }
            let (code, body) = self.get("/readyz").await?;
            Ok(Seen::when(code == 200, (code, body)))
        })
        .await
    }

    /// Asks the controller's own HTTP endpoint: status code and body.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let address = self.address()?;
        let mut stream = tokio::net::TcpStream::connect(&address)
            .await
            .with_context(|| format!("failed to connect to the controller at {address}"))?;
        stream
            .write_all(format!("GET {path} HTTP/1.0\r\nHost: controller\r\n\r\n").as_bytes())
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .context("an HTTP answer has a head")?;
        let code = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .with_context(|| format!("no status code in {head}"))?;
        Ok((code, body.to_owned()))
    }

    /// The value of one series of the controller's metrics.
    pub async fn metric(&self, series: &str) -> Result<Option<f64>> {
        let (_, text) = self.get("/metrics").await?;
        Ok(text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.trim().parse().ok()))
    }

    /// Where the controller serves, from its log.
    fn address(&self) -> Result<String> {
        let log = self.controller.log()?;
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find_map(|line| line["address"].as_str().map(str::to_owned))
            .with_context(|| format!("the controller does not say yet where it serves: {log}"))
    }

    /// Ends the controller as Kubernetes does, and checks that it did nothing it was not allowed to.
    pub async fn end(self) -> Result<()> {
        self.controller.check()?;
        self.controller.signal(rustix::process::Signal::TERM)?;
        let status = self.controller.wait(Duration::from_secs(10)).await?;
        ensure!(status.success(), "the controller ended with {status}");
        let refused: Vec<_> = self
            .requests_since(self.start)
            .await?
            .into_iter()
            .filter(Request::is_refused)
            .collect();
        ensure!(
            refused.is_empty(),
            "requests were refused for want of rights: {refused:#?}"
        );
        for namespace in &self.namespaces {
            // Nobody waits for it; it keeps the control plane small for the tests that follow.
            self.cluster
                .kubectl(["delete", "namespace", namespace, "--wait=false"])
                .await?
                .success()?;
        }
        Ok(())
    }
}

/// The children of a pool that exist.
pub async fn children(client: &Client, namespace: &str, name: &str) -> Result<Children> {
    let service_accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(client.clone(), namespace);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let config_map = headroom::desired::config_map_name(name);
    let (service_account, config_map, pod_disruption_budget, deployment) = tokio::try_join!(
        service_accounts.get_opt(name),
        config_maps.get_opt(&config_map),
        budgets.get_opt(name),
        deployments.get_opt(name),
    )?;
    Ok(Children {
        service_account,
        config_map,
        pod_disruption_budget,
        deployment,
    })
}

/// The requests by what they were about, for messages and for counting: `verb resource/name code`.
pub fn summary(requests: &[Request]) -> BTreeMap<String, usize> {
    let mut summary = BTreeMap::new();
    for request in requests {
        let name = request
            .object_ref
            .as_ref()
            .map(|object| object.name.as_str())
            .unwrap_or_default();
        let line = format!(
            "{} {} {name} {}",
            request.verb,
            request.resource(),
            request.code()
        );
        *summary.entry(line).or_default() += 1;
    }
    summary
}

/// Writes to children and to status.
pub fn split_writes(requests: &[Request]) -> (usize, usize) {
    let status = requests
        .iter()
        .filter(|request| request.resource() == "taskmanagerpools/status")
        .count();
    let events = requests
        .iter()
        .filter(|request| request.resource() == "events")
        .count();
    (requests.len() - status - events, status)
}

/// A new file for what one controller prints.
fn log_file(cluster: &Cluster, namespace: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    cluster
        .directory()
        .join(format!("controller-{namespace}-{count}.log"))
}

/// The controller's program. Cargo would block the runtime, so it runs beside it.
async fn controller_program() -> Result<PathBuf> {
    tokio::task::spawn_blocking(|| {
        build(
            "headroom",
            Target::Binary("headroom-controller"),
            Profile::Debug,
        )
    })
    .await?
}

/// The rights of the manifests under a name that no installation uses, and returns the name.
async fn install_role(client: &Client) -> Result<&'static str> {
    const NAME: &str = "headroom-scenario";
    let manifests = std::fs::read_to_string(repository("manifests/rbac.yaml"))
        .context("failed to read the manifests' rights")?;
    let rules = objects(&manifests)?
        .remove("ClusterRole headroom")
        .context("the manifests have a ClusterRole headroom")?["rules"]
        .take();
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": NAME},
        "rules": rules
    });
    let roles: Api<ClusterRole> = Api::all(client.clone());
    roles
        .patch(
            NAME,
            &PatchParams::apply("e2e").force(),
            &Patch::Apply(&role),
        )
        .await
        .context("failed to install the controller's role")?;
    Ok(NAME)
}
