//! A script of requests and what an API server answers to them, reduced to what matters to the controller.
//!
//! The same script runs against the in-memory API server and, in the `e2e` package, against a real one; both
//! are held against `tests/data/api_server_transcript.json`.

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// Sends the script's requests in `namespace`, which must be empty, and returns the answers.
///
/// The definition of TaskManagerPool must be installed.
pub async fn transcript(client: &Client, namespace: &str) -> Vec<Value> {
    let mut script = Script {
        client,
        namespace,
        answers: Vec::new(),
        uids: Vec::new(),
    };
    script.play().await;
    script.answers
}

struct Script<'a> {
    client: &'a Client,
    namespace: &'a str,
    answers: Vec<Value>,
    uids: Vec<(String, &'static str)>,
}

const CONFIG_MAP: &str = "/api/v1/namespaces/NAMESPACE/configmaps/one";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/NAMESPACE/deployments/one";
const POOL: &str = "/apis/headroom.dev/v1alpha1/namespaces/NAMESPACE/taskmanagerpools/one";
const APPLY: &str = "fieldManager=headroom&force=true";

impl Script<'_> {
    async fn play(&mut self) {
        // Applying creates, updates, and writes nothing when nothing changes.
        let one = json!({"a": "1", "b": "2"});
        let created = self
            .apply("create", CONFIG_MAP, APPLY, config_map(&one, json!({})))
            .await;
        let uid = created["metadata"]["uid"].clone();
        self.uids
            .push((uid.as_str().unwrap_or_default().to_owned(), "UID-1"));
        let again = self
            .apply("again", CONFIG_MAP, APPLY, config_map(&one, json!({})))
            .await;
        self.note(
            "applying the same again keeps the version",
            json!(again["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]),
        );
        let fewer = json!({"a": "1"});
        self.apply(
            "a field less",
            CONFIG_MAP,
            APPLY,
            config_map(&fewer, json!({})),
        )
        .await;

        // What the controller's preconditions rely on.
        let absent = json!({"resourceVersion": "1"});
        self.apply(
            "absent, but it is there",
            CONFIG_MAP,
            APPLY,
            config_map(&fewer, absent.clone()),
        )
        .await;
        let other = CONFIG_MAP.replace("/one", "/two");
        self.apply(
            "absent, and it is not there",
            &other,
            APPLY,
            named(config_map(&fewer, absent), "two"),
        )
        .await;
        let known = json!({"uid": uid});
        self.apply("this instance", CONFIG_MAP, APPLY, config_map(&one, known))
            .await;
        let foreign = json!({"uid": "00000000-0000-4000-8000-000000000000"});
        self.apply(
            "another instance",
            CONFIG_MAP,
            APPLY,
            config_map(&fewer, foreign.clone()),
        )
        .await;
        let third = CONFIG_MAP.replace("/one", "/three");
        self.apply(
            "an instance that is gone",
            &third,
            APPLY,
            named(config_map(&fewer, foreign), "three"),
        )
        .await;

        // Somebody else changes, adds and removes.
        self.merge(
            "a foreign edit",
            CONFIG_MAP,
            json!({"data": {"a": "9", "c": "3"}}),
        )
        .await;
        self.merge(
            "a foreign removal",
            CONFIG_MAP,
            json!({"data": {"b": null}}),
        )
        .await;
        self.apply(
            "without force",
            CONFIG_MAP,
            "fieldManager=headroom",
            config_map(&one, json!({})),
        )
        .await;
        self.apply("with force", CONFIG_MAP, APPLY, config_map(&one, json!({})))
            .await;
        self.merge(
            "a foreign label and ours taken away",
            CONFIG_MAP,
            json!({"metadata": {"labels": {"x": "y", "app": null}}}),
        )
        .await;

        // Keyed lists, defaulted keys, generations.
        self.apply(
            "a Deployment",
            DEPLOYMENT,
            APPLY,
            deployment(2, json!([env("A", "1"), env("B", "2")])),
        )
        .await;
        self.apply(
            "an item less",
            DEPLOYMENT,
            APPLY,
            deployment(2, json!([env("A", "1")])),
        )
        .await;
        self.merge(
            "a foreign scale",
            DEPLOYMENT,
            json!({"spec": {"replicas": 5}}),
        )
        .await;
        self.apply(
            "scaled back",
            DEPLOYMENT,
            APPLY,
            deployment(2, json!([env("A", "1")])),
        )
        .await;

        // Status is a world of its own.
        self.apply("a pool", POOL, "fieldManager=user", pool())
            .await;
        let status = json!({
            "apiVersion": "headroom.dev/v1alpha1",
            "kind": "TaskManagerPool",
            "metadata": {"name": "one"},
            "status": {"replicas": 2, "readyReplicas": 0, "updatedReplicas": 0, "availableReplicas": 0},
        });
        let manager = "fieldManager=headroom%2Fstatus&force=true";
        let path = format!("{POOL}/status");
        self.apply("its status", &path, manager, status.clone())
            .await;
        let mut wrong = status;
        wrong["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
        self.apply("status with a wrong uid", &path, manager, wrong.clone())
            .await;
        let mut old = wrong.clone();
        old["metadata"] = json!({"name": "one", "resourceVersion": "1"});
        self.apply("status of another version", &path, manager, old)
            .await;
        let missing = POOL.replace("/one", "/missing");
        self.apply(
            "status of none",
            &format!("{missing}/status"),
            manager,
            named(wrong, "missing"),
        )
        .await;
        self.get("a missing object", &third).await;
    }

    async fn apply(&mut self, step: &str, path: &str, query: &str, body: Value) -> Value {
        self.send(
            step,
            "PATCH",
            path,
            query,
            "application/apply-patch+yaml",
            Some(body),
        )
        .await
    }

    async fn merge(&mut self, step: &str, path: &str, body: Value) {
        self.send(
            step,
            "PATCH",
            path,
            "fieldManager=kubectl",
            "application/merge-patch+json",
            Some(body),
        )
        .await;
    }

    async fn get(&mut self, step: &str, path: &str) {
        self.send(step, "GET", path, "", "application/json", None)
            .await;
    }

    async fn send(
        &mut self,
        step: &str,
        method: &str,
        path: &str,
        query: &str,
        content_type: &str,
        body: Option<Value>,
    ) -> Value {
        let request = http::Request::builder()
            .method(method)
            .uri(format!(
                "{}?{query}",
                path.replace("NAMESPACE", self.namespace)
            ))
            .header("content-type", content_type)
            .header("accept", "application/json")
            .body(body.map_or_else(Body::empty, |body| {
                Body::from(body.to_string().into_bytes())
            }))
            .unwrap();
        let response = self.client.send(request).await.unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.unwrap();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let shown = self.reduced(code, &answer);
        self.note(step, shown);
        answer
    }

    fn note(&mut self, step: &str, answer: Value) {
        self.answers.push(json!({"step": step, "answer": answer}));
    }

    /// The answer without times, versions, messages and what a real server defaults.
    fn reduced(&self, code: u16, answer: &Value) -> Value {
        if code >= 300 {
            // 409 and 422 both say that it is not the instance that was meant.
            let code = if code == 422 { 409 } else { code };
            return json!({"code": code});
        }
        let metadata = &answer["metadata"];
        let mut managers: Vec<Value> = metadata["managedFields"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|entry| entry["operation"] == "Apply")
            .map(|entry| {
                json!({
                    "manager": entry["manager"],
                    "subresource": entry["subresource"],
                    "fields": entry["fieldsV1"],
                })
            })
            .collect();
        managers.sort_by_key(Value::to_string);
        let uid = metadata["uid"].as_str().unwrap_or_default();
        let uid = self
            .uids
            .iter()
            .find(|(known, _)| known == uid)
            .map(|(_, name)| *name);
        json!({
            "code": code,
            "uid": uid,
            "generation": if answer["kind"] == "ConfigMap" { Value::Null } else { metadata["generation"].clone() },
            "labels": metadata["labels"],
            "data": answer["data"],
            "replicas": answer["spec"]["replicas"],
            "env": answer.pointer("/spec/template/spec/containers/0/env"),
            "ports": answer.pointer("/spec/template/spec/containers/0/ports"),
            "status": if answer["kind"] == "TaskManagerPool" { answer["status"].clone() } else { Value::Null },
            "managers": managers,
        })
    }
}

fn config_map(data: &Value, precondition: Value) -> Value {
    let mut metadata = json!({"name": "one", "labels": {"app": "flink", "team": "a"}});
    for (name, value) in precondition.as_object().into_iter().flatten() {
        metadata[name.as_str()] = value.clone();
    }
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
}

fn named(mut object: Value, name: &str) -> Value {
    object["metadata"]["name"] = json!(name);
    object
}

fn env(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

fn deployment(replicas: i32, env: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "one"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "flink"}},
            "template": {
                "metadata": {"labels": {"app": "flink"}},
                "spec": {
                    "containers": [{
                        "name": "taskmanager",
                        "image": "flink:2.1",
                        "env": env,
                        "ports": [{"containerPort": 6122, "name": "rpc"}],
                    }],
                    "volumes": [{"name": "scratch", "emptyDir": {}}],
                },
            },
        },
    })
}

fn pool() -> Value {
    json!({
        "apiVersion": "headroom.dev/v1alpha1", "kind": "TaskManagerPool",
        "metadata": {"name": "one"},
        "spec": {
            "replicas": 1, "onConflict": "Reject", "suspend": false,
            "flinkVersion": "2.1", "image": "flink:2.1", "clusterRef": {"name": "jobmanager", "rpcPort": 6123},
            "taskManager": {"numberOfTaskSlots": 1, "resources": {"limits": {"memory": "4Gi"}}},
        },
    })
}
