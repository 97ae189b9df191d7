//! The controller needs every right that the chart gives it, and no other.
//!
//! It runs with the token of the chart's ServiceAccount and the arguments of the chart's Deployment,
//! does everything it ever does, and the API server's audit log is held against its role.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use e2e::{
    Cluster, Controller, ControllerOptions, Seen,
    audit::{Mark, Request},
    controller::{Profile, Target, build},
    wait_for,
};
use serde_json::Value;

use crate::install::{NAMESPACE, POOL, helm, kubectl, kubectl_with_input, own_cluster};

const WITHIN: &str = "60s";

/// One thing that may be done: verb, API group, resource with its subresource.
type Right = (String, String, String);

/// Starts the controller as the chart's Deployment would.
async fn start_controller(cluster: &Cluster) -> Result<Controller> {
    let deployment = format!("get deployment headroom --namespace {NAMESPACE} --output json");
    let deployment: Value = serde_json::from_str(&kubectl(cluster, &deployment).await?)?;
    let arguments: Vec<String> = deployment
        .pointer("/spec/template/spec/containers/0/args")
        .and_then(Value::as_array)
        .context("the container has arguments")?
        .iter()
        .map(|argument| argument.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .context("arguments are text")?;
    let account = deployment
        .pointer("/spec/template/spec/serviceAccountName")
        .and_then(Value::as_str)
        .context("the pod has a ServiceAccount")?;
    let kubeconfig = cluster
        .service_account_kubeconfig(NAMESPACE, account)
        .await?;
    let program = tokio::task::spawn_blocking(|| {
        build(
            "headroom",
            Target::Binary("headroom-controller"),
            Profile::Debug,
        )
    })
    .await??;
    let log = cluster.directory().join("least-privilege.log");
    ControllerOptions::new(&program, &kubeconfig, &log)
        .arguments(arguments)
        .arguments(["--bind-address=127.0.0.1:0"])
        .start()
}

/// Everything that the rules of a role allow.
fn rights_of(role: &Value) -> Result<BTreeSet<Right>> {
    let rules = role
        .get("rules")
        .and_then(Value::as_array)
        .context("a role has rules")?;
    let mut rights = BTreeSet::new();
    for rule in rules {
        let texts = |field: &str| -> Result<Vec<&str>> {
            rule.get(field)
                .and_then(Value::as_array)
                .with_context(|| format!("a rule has {field}"))?
                .iter()
                .map(|text| text.as_str().context("a rule holds text"))
                .collect()
        };
        for verb in texts("verbs")? {
            for group in texts("apiGroups")? {
                for resource in texts("resources")? {
                    ensure!(
                        ![verb, group, resource].contains(&"*"),
                        "a wildcard gives more than can be checked"
                    );
                    rights.insert((verb.to_owned(), group.to_owned(), resource.to_owned()));
                }
            }
        }
    }
    Ok(rights)
}

/// The rights that a request needs. To apply what does not exist is to create it as well, and the
/// harness's API server runs `OwnerReferencesPermissionEnforcement`, which asks for the last one when
/// a child is created whose owner's deletion waits for it.
fn rights_used(request: &Request) -> Vec<Right> {
    let Some(object) = &request.object_ref else {
        return Vec::new();
    };
    let right = |verb: &str| {
        (
            verb.to_owned(),
            object.api_group.clone(),
            request.resource(),
        )
    };
    let mut rights = vec![right(&request.verb)];
    if request.verb == "patch" && request.code() == 201 {
        rights.push(right("create"));
        rights.push((
            String::from("update"),
            String::from("headroom.dev"),
            String::from("taskmanagerpools/finalizers"),
        ));
    }
    rights
}

/// The pool of the documentation under another name.
fn pool(name: &str) -> String {
    POOL.replace("name: clicks\n", &format!("name: {name}\n"))
}

/// Waits for a condition of a pool to have a status.
async fn wait_for_condition(
    cluster: &Cluster,
    namespace: &str,
    pool: &str,
    condition: &str,
) -> Result<()> {
    let wait = format!(
        "wait taskmanagerpool/{pool} --namespace {namespace} --for=condition={condition} --timeout={WITHIN}"
    );
    kubectl(cluster, &wait).await.map(drop)
}

/// What the API server was asked for by the controller since it started.
async fn asked_by_controller(cluster: &Cluster) -> Result<Vec<Request>> {
    let mut requests = cluster.audit().requests_since(Mark::START).await?;
    requests.retain(|request| request.is_by_service_account(NAMESPACE, "headroom"));
    Ok(requests)
}

/// Whether it was refused because the API server's admission looks only every half minute which kinds there are.
fn is_of_new_definition(request: &Request) -> bool {
    request
        .response_status
        .as_ref()
        .is_some_and(|status| status.message.contains("cannot find RESTMapping"))
}

/// The requests that were refused for want of rights, as text.
fn refused(requests: &[Request]) -> Vec<String> {
    requests
        .iter()
        .filter(|request| request.is_refused() && !is_of_new_definition(request))
        .map(|request| format!("{} {}", request.verb, request.uri))
        .collect()
}

#[tokio::test]
async fn no_request_is_refused_and_no_right_goes_unused() -> Result<()> {
    let cluster = own_cluster("install-rights").await?;
    helm(
        &cluster,
        &format!("install headroom CHART --namespace {NAMESPACE} --create-namespace"),
        &[],
    )
    .await?;
    kubectl(&cluster, "create namespace streaming").await?;
    let controller = start_controller(&cluster).await?;

    // The main job: a pool becomes children, which are ready.
    let apply = "apply --namespace streaming -f -";
    kubectl_with_input(&cluster, apply, &pool("clicks")).await?;
    wait_for_condition(&cluster, "streaming", "clicks", "Ready").await?;

    // It is scaled, a wrong edit is reported, with an event, and mended.
    kubectl(
        &cluster,
        "scale taskmanagerpool clicks --replicas=2 --namespace streaming",
    )
    .await?;
    let wrong = pool("clicks").replace("memory: 4Gi", "memory: 64Mi");
    kubectl_with_input(&cluster, apply, &wrong).await?;
    wait_for_condition(&cluster, "streaming", "clicks", "BudgetResolved=False").await?;
    let larger = pool("clicks").replace("memory: 4Gi", "memory: 5Gi");
    kubectl_with_input(&cluster, apply, &larger).await?;
    wait_for_condition(&cluster, "streaming", "clicks", "BudgetResolved").await?;

    // Children that somebody deletes or edits come back.
    for kind in [
        "serviceaccount",
        "configmap",
        "poddisruptionbudget",
        "deployment",
    ] {
        let of_pool =
            format!("{kind} --namespace streaming --selector app.kubernetes.io/instance=clicks");
        let name = kubectl(&cluster, &format!("get {of_pool} --output name")).await?;
        let name = name.trim();
        ensure!(!name.is_empty(), "the pool has a {kind}");
        let uid = format!("get {name} --namespace streaming --output jsonpath={{.metadata.uid}}");
        let before = kubectl(&cluster, &uid).await?;
        kubectl(
            &cluster,
            &format!("delete {name} --namespace streaming --wait=false"),
        )
        .await?;
        wait_for(format!("a new {name}"), Duration::from_secs(60), || async {
            let after = kubectl(&cluster, &uid).await?;
            Ok(Seen::when(after != before, after))
        })
        .await?;
        kubectl(
            &cluster,
            &format!("label {name} --namespace streaming --overwrite app.kubernetes.io/name=else"),
        )
        .await?;
        let label = format!(
            "get {name} --namespace streaming --output jsonpath={{.metadata.labels.app\\.kubernetes\\.io/name}}"
        );
        wait_for(
            format!("the label of {name}"),
            Duration::from_secs(60),
            || async {
                let value = kubectl(&cluster, &label).await?;
                Ok(Seen::when(value == "flink", value))
            },
        )
        .await?;
    }

    // Objects that stand in the way, one of each kind, are looked at and left alone.
    let names: Value = serde_json::from_str(
        &kubectl(
            &cluster,
            "get serviceaccount,configmap,poddisruptionbudget,deployment --namespace streaming \
             --selector app.kubernetes.io/instance=clicks --output json",
        )
        .await?,
    )?;
    for child in names
        .get("items")
        .and_then(Value::as_array)
        .context("a list")?
    {
        let text = |pointer: &str| child.pointer(pointer).and_then(Value::as_str);
        let kind = text("/kind").context("a child has a kind")?;
        let name = text("/metadata/name").context("a child has a name")?;
        let owner = format!("in-the-way-of-{}", kind.to_lowercase());
        let mut foreign = child.clone();
        let fields = foreign.as_object_mut().context("a child is an object")?;
        fields.remove("status");
        fields.insert(
            String::from("metadata"),
            serde_json::json!({ "name": name.replace("clicks", &owner), "namespace": "streaming" }),
        );
        kubectl_with_input(&cluster, "create -f -", &serde_json::to_string(&foreign)?).await?;
        kubectl_with_input(&cluster, apply, &pool(&owner)).await?;
        wait_for_condition(&cluster, "streaming", &owner, "Ready=False").await?;
    }

    kubectl(
        &cluster,
        &format!("delete taskmanagerpools --all --namespace streaming --timeout={WITHIN}"),
    )
    .await?;
    controller.check()?;

    let requests = asked_by_controller(&cluster).await?;
    assert_eq!(refused(&requests), Vec::<String>::new());
    let role: Value =
        serde_json::from_str(&kubectl(&cluster, "get clusterrole headroom --output json").await?)?;
    let used: BTreeSet<Right> = requests.iter().flat_map(rights_used).collect();
    let unused: Vec<_> = rights_of(&role)?.difference(&used).cloned().collect();
    assert_eq!(unused, Vec::<Right>::new(), "rights that go unused");
    Ok(())
}

#[tokio::test]
async fn a_controller_of_two_namespaces_looks_nowhere_else() -> Result<()> {
    let cluster = own_cluster("install-namespaces").await?;
    for namespace in ["one", "two", "three"] {
        kubectl(&cluster, &format!("create namespace {namespace}")).await?;
    }
    helm(
        &cluster,
        &format!(
            "install headroom CHART --namespace {NAMESPACE} --create-namespace --set watchNamespaces={{one,two}}"
        ),
        &[],
    )
    .await?;
    let controller = start_controller(&cluster).await?;
    for namespace in ["one", "two", "three"] {
        let apply = format!("apply --namespace {namespace} -f -");
        kubectl_with_input(&cluster, &apply, POOL).await?;
    }
    for namespace in ["one", "two"] {
        wait_for_condition(&cluster, namespace, "clicks", "Ready").await?;
    }
    controller.check()?;

    let requests = asked_by_controller(&cluster).await?;
    assert_eq!(refused(&requests), Vec::<String>::new());
    let elsewhere: Vec<_> = requests
        .iter()
        .filter_map(|request| request.object_ref.as_ref())
        .filter(|object| !["one", "two"].contains(&object.namespace.as_str()))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    let untouched = "get taskmanagerpool clicks --namespace three --output jsonpath={.status}";
    assert_eq!(kubectl(&cluster, untouched).await?, "");
    Ok(())
}
