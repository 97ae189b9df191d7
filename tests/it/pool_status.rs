//! The status of a pool through its life: what each condition says, and that nothing changes without a cause.

use std::{collections::BTreeSet, sync::LazyLock};

use headroom::{
    api::{
        crd::custom_resource_definition,
        v1alpha1::{TaskManagerPool, TaskManagerPoolStatus},
    },
    desired::{Resources, Settings, ValidatedPool, build, validate},
    status::{Blocked, Outcome, compute_status},
};
use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus},
    apimachinery::pkg::apis::meta::v1::Condition,
    jiff::{SignedDuration, Timestamp},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn pool(changes: Value) -> TaskManagerPool {
    let mut spec = json!({
        "replicas": 3,
        "flinkVersion": "2.1",
        "image": "flink:2.1",
        "clusterRef": {"name": "jobmanager"},
        "taskManager": {"resources": {"limits": {"cpu": "1", "memory": "4Gi"}}}
    });
    spec.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "headroom.dev/v1alpha1",
        "kind": "TaskManagerPool",
        "metadata": {"name": "clicks", "namespace": "streaming", "uid": "u", "generation": 4},
        "spec": spec
    }))
    .unwrap()
}

fn valid(pool: &TaskManagerPool) -> ValidatedPool {
    validate(pool, &Settings::default()).unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// The pool's Deployment with so many pods: existing, of the current template, available.
fn deployment(pool: &ValidatedPool, (replicas, updated, available): (i32, i32, i32)) -> Deployment {
    let mut deployment = build(pool).deployment;
    deployment.metadata.generation = Some(2);
    deployment.status = Some(DeploymentStatus {
        observed_generation: Some(2),
        replicas: Some(replicas),
        updated_replicas: Some(updated),
        ready_replicas: Some(available),
        available_replicas: Some(available),
        ..DeploymentStatus::default()
    });
    deployment
}

fn with_condition(
    mut deployment: Deployment,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
) -> Deployment {
    deployment
        .status
        .as_mut()
        .unwrap()
        .conditions
        .get_or_insert_default()
        .push(DeploymentCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            ..DeploymentCondition::default()
        });
    deployment
}

/// The status after everything was applied, with this Deployment as the answer.
fn applied(
    pool: &TaskManagerPool,
    deployment: Deployment,
    now: Timestamp,
) -> TaskManagerPoolStatus {
    let validated = valid(pool);
    let built = build(&validated);
    let resources = Resources::applied(
        built.service_account,
        built.config_map,
        built.pod_disruption_budget,
        deployment,
    );
    let outcome = Outcome::Applied {
        pool: &validated,
        resources: &resources,
    };
    checked(compute_status(pool, &outcome, now))
}

fn invalid(pool: &TaskManagerPool, deployment: Option<&Deployment>) -> TaskManagerPoolStatus {
    let invalid = validate(pool, &Settings::default()).unwrap_err();
    checked(compute_status(
        pool,
        &Outcome::Invalid {
            invalid: &invalid,
            deployment,
        },
        start(),
    ))
}

static STATUS_SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let definition = serde_json::to_value(custom_resource_definition()).unwrap();
    let version = &definition["spec"]["versions"][0];
    version["schema"]["openAPIV3Schema"]["properties"]["status"].clone()
});

/// Every status fits the schema and has what is always there.
fn checked(status: TaskManagerPoolStatus) -> TaskManagerPoolStatus {
    fits(
        "status",
        &serde_json::to_value(&status).unwrap(),
        &STATUS_SCHEMA,
    );
    assert!(
        status
            .selector
            .as_ref()
            .unwrap()
            .contains("app.kubernetes.io/instance=clicks")
    );
    let kinds: Vec<_> = status
        .conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect();
    assert_eq!(kinds[..3], ["Ready", "Available", "BudgetResolved"]);
    assert!(
        status
            .conditions
            .iter()
            .all(|condition| condition.observed_generation == Some(4))
    );
    let keys: BTreeSet<_> = status
        .conflicts
        .iter()
        .map(|one| (&one.code, &one.option))
        .collect();
    assert_eq!(
        keys.len(),
        status.conflicts.len(),
        "the keys of the list are unique"
    );
    status
}

fn fits(path: &str, value: &Value, schema: &Value) {
    let within = |count: usize, most: &str| {
        assert!(
            schema[most]
                .as_u64()
                .is_none_or(|most| count as u64 <= most),
            "{path} is too long: {value}"
        );
    };
    match value {
        Value::String(text) => within(text.chars().count(), "maxLength"),
        Value::Array(items) => {
            within(items.len(), "maxItems");
            items
                .iter()
                .for_each(|item| fits(path, item, &schema["items"]));
        }
        Value::Object(map) => {
            for (name, value) in map {
                fits(
                    &format!("{path}.{name}"),
                    value,
                    &schema["properties"][name],
                );
            }
        }
        _ => {}
    }
}

/// `type=status reason` of every condition.
fn shown(status: &TaskManagerPoolStatus) -> Vec<String> {
    let text = |condition: &Condition| {
        format!(
            "{}={} {}",
            condition.type_, condition.status, condition.reason
        )
    };
    status.conditions.iter().map(text).collect()
}

fn message<'a>(status: &'a TaskManagerPoolStatus, kind: &str) -> &'a str {
    &status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
        .unwrap()
        .message
}

#[test]
fn a_new_pool_rolls_out_and_becomes_ready() {
    let pool = pool(json!({}));
    let validated = valid(&pool);
    let mut created = build(&validated).deployment;
    created.metadata.generation = Some(1);
    assert_eq!(
        shown(&applied(&pool, created, start())),
        [
            "Ready=False ReplicasUnavailable",
            "Available=False ReplicasUnavailable",
            "BudgetResolved=True Solved",
            "Reconciling=True RollingOut"
        ]
    );
    let partly = applied(&pool, deployment(&validated, (3, 3, 2)), start());
    assert_eq!(
        message(&partly, "Ready"),
        "2 of 3 TaskManagers are available"
    );
    assert_eq!(shown(&partly)[3], "Reconciling=True WaitingForPods");
    let status = applied(&pool, deployment(&validated, (3, 3, 3)), start());
    assert_eq!(
        shown(&status),
        [
            "Ready=True AsExpected",
            "Available=True MinimumReplicasAvailable",
            "BudgetResolved=True Solved"
        ]
    );
    assert_eq!(
        (
            status.replicas,
            status.ready_replicas,
            status.updated_replicas,
            status.available_replicas
        ),
        (3, 3, 3, 3)
    );
    assert_eq!(status.qos_class.as_deref(), Some("Guaranteed"));
    assert_eq!(status.observed_generation, Some(4));
}

#[test]
fn available_pods_of_an_old_template_are_not_ready() {
    let pool = pool(json!({}));
    let validated = valid(&pool);
    let rolling = applied(&pool, deployment(&validated, (4, 1, 3)), start());
    assert_eq!(shown(&rolling)[0], "Ready=False RollingOut");
    // A Deployment that Kubernetes has not looked at yet tells nothing.
    let mut unseen = deployment(&validated, (3, 3, 3));
    unseen.metadata.generation = Some(3);
    assert_eq!(
        shown(&applied(&pool, unseen, start()))[3],
        "Reconciling=True RollingOut"
    );
    let scaling = applied(&pool, deployment(&validated, (2, 2, 2)), start());
    assert_eq!(shown(&scaling)[3], "Reconciling=True Scaling");
    let shrinking = applied(&pool, deployment(&validated, (5, 5, 5)), start());
    assert_eq!(shown(&shrinking)[0], "Ready=False Scaling");
}

#[test]
fn nothing_changes_while_nothing_happens() {
    let mut pool = pool(json!({}));
    let validated = valid(&pool);
    let first = applied(&pool, deployment(&validated, (3, 3, 3)), start());
    pool.status = Some(first.clone());
    let later = start() + SignedDuration::from_hours(9);
    assert_eq!(
        applied(&pool, deployment(&validated, (3, 3, 3)), later),
        first
    );
}

#[test]
fn the_time_of_a_transition_moves_only_with_the_status() {
    let mut pool = pool(json!({}));
    let validated = valid(&pool);
    pool.status = Some(applied(&pool, deployment(&validated, (3, 3, 3)), start()));
    let later = start() + SignedDuration::from_secs(60);
    let status = applied(&pool, deployment(&validated, (3, 3, 2)), later);
    let time = |status: &TaskManagerPoolStatus, kind: &str| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind)
            .unwrap()
            .last_transition_time
            .0
    };
    assert_eq!(time(&status, "Ready"), later);
    assert_eq!(time(&status, "Available"), later);
    assert_eq!(time(&status, "BudgetResolved"), start());
    // The reason may change without the status; the time stays then.
    pool.status = Some(status);
    let stalled = with_condition(
        deployment(&validated, (3, 3, 2)),
        "Progressing",
        "False",
        "ProgressDeadlineExceeded",
        "x",
    );
    let status = applied(&pool, stalled, later + SignedDuration::from_secs(60));
    assert_eq!(time(&status, "Ready"), later);
}

#[test]
fn no_task_managers_on_purpose_is_ready() {
    let suspended = pool(json!({"suspend": true}));
    let status = applied(
        &suspended,
        deployment(&valid(&suspended), (0, 0, 0)),
        start(),
    );
    assert_eq!(
        shown(&status)[..2],
        ["Ready=True AsExpected", "Available=True Suspended"]
    );
    let zero = pool(json!({"replicas": 0}));
    let status = applied(&zero, deployment(&valid(&zero), (0, 0, 0)), start());
    assert_eq!(
        shown(&status)[..2],
        ["Ready=True AsExpected", "Available=True ScaledToZero"]
    );
    // Pods that are still there are not what was asked for.
    let status = applied(&zero, deployment(&valid(&zero), (2, 2, 2)), start());
    assert_eq!(shown(&status)[0], "Ready=False Scaling");
}

#[test]
fn a_wrong_spec_keeps_the_last_budget_and_says_what_is_wrong_first() {
    let mut pool = pool(json!({}));
    let running = deployment(&valid(&pool), (3, 3, 3));
    let before = applied(&pool, running.clone(), start());
    pool.status = Some(before.clone());
    pool.spec.memory =
        serde_json::from_value(json!({"network": {"min": "2g", "max": "1g"}})).unwrap();
    let status = invalid(&pool, Some(&running));
    assert_eq!(
        shown(&status),
        [
            "Ready=False RangeInverted",
            "Available=True MinimumReplicasAvailable",
            "BudgetResolved=False RangeInverted",
            "Stalled=True ConflictingConfiguration"
        ]
    );
    assert_eq!(
        (&status.budget, &status.summary),
        (&before.budget, &before.summary)
    );
    assert_eq!((status.replicas, status.available_replicas), (3, 3));
    assert!(message(&status, "BudgetResolved").contains("the Deployment stays as it was"));
    assert!(
        message(&status, "Stalled").starts_with("1 conflict: "),
        "{}",
        message(&status, "Stalled")
    );
}

#[test]
fn a_pool_that_never_solved_has_no_budget_and_no_pods() {
    let status = invalid(&pool(json!({"flinkVersion": "9.9"})), None);
    assert_eq!(
        shown(&status),
        [
            "Ready=False UnsupportedFlinkVersion",
            "Available=False NotCreated",
            "BudgetResolved=False UnsupportedFlinkVersion",
            "Stalled=True ConflictingConfiguration"
        ]
    );
    assert_eq!(status.budget, None);
    assert!(message(&status, "BudgetResolved").contains("no Deployment is created"));
}

#[test]
fn the_nearest_budget_is_named() {
    let pool =
        pool(json!({"onConflict": "UseLargestFeasible", "memory": {"managed": {"size": "6g"}}}));
    let status = applied(&pool, deployment(&valid(&pool), (3, 3, 3)), start());
    assert_eq!(shown(&status)[0], "Ready=True AsExpected");
    assert_eq!(
        shown(&status)[2],
        "BudgetResolved=True UsingLargestFeasible"
    );
    assert!(message(&status, "BudgetResolved").contains("spec.memory.managed.size"));
    assert!(
        status
            .conflicts
            .iter()
            .any(|conflict| conflict.code == "UsingLargestFeasible")
    );
}

#[test]
fn a_rollout_that_cannot_go_on_is_stalled() {
    let pool = pool(json!({}));
    let stuck = deployment(&valid(&pool), (1, 1, 1));
    let quota = "pods \"clicks-7d4b9-x2x4z\" is forbidden: exceeded quota: memory, requested: limits.memory=4Gi";
    let status = applied(
        &pool,
        with_condition(
            stuck.clone(),
            "ReplicaFailure",
            "True",
            "FailedCreate",
            quota,
        ),
        start(),
    );
    assert_eq!(shown(&status)[0], "Ready=False ReplicaFailure");
    assert_eq!(shown(&status)[3], "Stalled=True ReplicaFailure");
    assert!(message(&status, "Stalled").contains("exceeded quota: memory"));
    assert!(
        !message(&status, "Stalled").contains("x2x4z"),
        "a name that changes with every try"
    );

    let late = with_condition(
        stuck,
        "Progressing",
        "False",
        "ProgressDeadlineExceeded",
        "timed out",
    );
    let status = applied(&pool, late, start());
    assert_eq!(shown(&status)[3], "Stalled=True ProgressDeadlineExceeded");
}

#[test]
fn what_keeps_a_child_from_being_applied_is_named() {
    let pool = pool(json!({}));
    let validated = valid(&pool);
    let blocked = |cause: &Blocked| {
        checked(compute_status(
            &pool,
            &Outcome::Blocked {
                pool: &validated,
                cause,
                deployment: None,
            },
            start(),
        ))
    };
    let status = blocked(&Blocked::ForeignObject {
        kind: "Deployment".to_owned(),
        name: "clicks".to_owned(),
        owner: Some("HelmRelease/clicks".to_owned()),
    });
    assert_eq!(shown(&status)[0], "Ready=False ForeignObject");
    assert_eq!(shown(&status)[2], "BudgetResolved=True Solved");
    assert!(
        message(&status, "Stalled").contains("Deployment clicks belongs to HelmRelease/clicks")
    );
    assert_eq!(status.budget, None, "no budget runs");
    let status = blocked(&Blocked::Rejected {
        kind: "Deployment".to_owned(),
        name: "clicks".to_owned(),
        message: "denied by policy".to_owned(),
    });
    assert_eq!(shown(&status)[3], "Stalled=True ApplyRejected");
    assert!(message(&status, "Stalled").contains("denied by policy"));
}

#[test]
fn many_and_long_conflicts_fit_the_schema() {
    let long = "ü".repeat(2000);
    let extra: Vec<_> = (0..64)
        .map(|index| {
            format!("{index} {long}")
                .chars()
                .take(1024)
                .collect::<String>()
        })
        .collect();
    let free: serde_json::Map<String, Value> = (0..200)
        .map(|index| (format!("{long}{index}"), Value::Null))
        .collect();
    let status = invalid(
        &pool(json!({"jvmArguments": {"extra": extra}, "flinkConfiguration": free})),
        None,
    );
    assert_eq!(status.conflicts.len(), 64);
}

/// JSON that is close enough to options and templates to reach every branch.
fn any_json() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        "\\PC{0,5}",
        prop::sample::select(vec![
            "spec",
            "metadata",
            "labels",
            "annotations",
            "containers",
            "initContainers",
            "volumes",
            "name",
            "image",
            "env",
            "value",
            "valueFrom",
            "ports",
            "resources",
            "limits",
            "requests",
            "memory",
            "cpu",
            "securityContext",
            "capabilities",
            "taskmanager",
            "size",
            "process",
            "managed",
            "fraction",
            "rpc.port",
            "host",
            "taskmanager.memory.process.size",
            "taskmanager.memory.managed.size",
            "taskmanager.numberOfTaskSlots",
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(vec![
            "taskmanager",
            "1g",
            "-1",
            "4Gi",
            "99999999999999999999t",
            "0.5",
            "NaN"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_input_makes_it_panic_and_every_answer_fits(
        template in any_json(),
        options in prop::collection::btree_map("\\PC{0,12}|taskmanager(\\.[a-z.]{0,9})?", any_json(), 0..4),
        version in prop::sample::select(vec!["1.10", "1.17", "1.20", "2.3", "", "x"]),
        memory in prop::sample::select(vec!["4Gi", "2048m", "0", "12E", "four", "64Mi"]),
        on_conflict in prop::sample::select(vec!["Reject", "UseLargestFeasible"]),
    ) {
        let pool = pool(json!({
            "flinkVersion": version,
            "onConflict": on_conflict,
            "taskManager": {"resources": {"limits": {"memory": memory}}},
            "flinkConfiguration": options,
            "podTemplate": template,
        }));
        match validate(&pool, &Settings::permissive()) {
            Ok(validated) => {
                prop_assert!(validated.budget.total_process.bytes <= validated.budget.container_limit.unwrap());
                applied(&pool, build(&validated).deployment, start());
            }
            Err(found) => {
                prop_assert!(found.errors().next().is_some());
                invalid(&pool, None);
            }
        }
    }
}
