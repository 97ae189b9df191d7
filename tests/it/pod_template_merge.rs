//! The user's pod template over the generated one: merged as Kubernetes merges, and refused where it would break
//! the TaskManager's container.

use headroom::{
    api::v1alpha1::TaskManagerPool,
    budget::Code,
    desired::{Settings, build, validate},
};
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use serde_json::{Value, json};

fn pool(template: Value) -> TaskManagerPool {
    serde_json::from_value(json!({
        "apiVersion": "headroom.dev/v1alpha1",
        "kind": "TaskManagerPool",
        "metadata": {"name": "clicks", "namespace": "streaming"},
        "spec": {
            "flinkVersion": "2.1",
            "image": "flink:2.1",
            "clusterRef": {"name": "jobmanager"},
            "taskManager": {"resources": {"limits": {"cpu": "1", "memory": "4Gi"}}},
            "podTemplate": template
        }
    }))
    .unwrap()
}

fn merged(template: Value) -> PodTemplateSpec {
    let pool = validate(&pool(template), &Settings::default())
        .unwrap_or_else(|invalid| panic!("{invalid}"));
    build(&pool).deployment.spec.unwrap().template
}

fn task_manager(template: &PodTemplateSpec) -> &Container {
    let containers = &template.spec.as_ref().unwrap().containers;
    containers
        .iter()
        .find(|container| container.name == "taskmanager")
        .unwrap()
}

#[test]
fn an_empty_template_changes_nothing() {
    let plain = merged(Value::Null);
    for empty in [
        json!({}),
        json!({"metadata": {}, "spec": {}}),
        json!({"metadata": null, "spec": null}),
        json!({"spec": {"containers": []}}),
        json!({"spec": {"containers": [{"name": "taskmanager"}]}}),
        json!({"spec": {"containers": [{"name": "taskmanager", "env": [], "resources": {}, "volumeMounts": []}]}}),
    ] {
        assert_eq!(merged(empty.clone()), plain, "{empty}");
    }
}

#[test]
fn lists_are_merged_by_their_keys() {
    let plain = merged(json!({}));
    let merged = merged(json!({
        "metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}},
        "spec": {
            "terminationGracePeriodSeconds": 90,
            "tolerations": [{"key": "flink", "operator": "Exists"}],
            "securityContext": {"runAsUser": 1000},
            "containers": [
                {"name": "shipper", "image": "shipper"},
                {
                    "name": "taskmanager",
                    "imagePullPolicy": "Always",
                    "env": [{"name": "TZ", "value": "UTC"}],
                    "ports": [{"name": "metrics", "containerPort": 9249}, {"containerPort": 6122},
                        {"name": "statsd", "containerPort": 9249, "protocol": "UDP"}],
                    "resources": {"limits": {"ephemeral-storage": "1Gi", "nvidia.com/gpu": 1}},
                    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]
                }
            ],
            "initContainers": [{"name": "fetch", "image": "fetch"}],
            "volumes": [{"name": "scratch", "emptyDir": {}}]
        }
    }));
    let (before, after) = (task_manager(&plain), task_manager(&merged));
    assert_eq!(after.args, before.args);
    assert_eq!(after.image, before.image);
    assert_eq!(after.image_pull_policy.as_deref(), Some("Always"));
    let names = |container: &Container| -> Vec<String> {
        container
            .env
            .iter()
            .flatten()
            .map(|variable| variable.name.clone())
            .collect()
    };
    assert_eq!(
        names(after),
        [names(before), vec!["TZ".to_owned()]].concat()
    );
    let ports: Vec<_> = after
        .ports
        .iter()
        .flatten()
        .map(|port| port.container_port)
        .collect();
    assert_eq!(ports, [6122, 6121, 9249, 9249]);
    let limits = after.resources.as_ref().unwrap().limits.as_ref().unwrap();
    let limits: Vec<_> = limits
        .iter()
        .map(|(name, amount)| (name.as_str(), amount.0.as_str()))
        .collect();
    assert_eq!(
        limits,
        [
            ("cpu", "1"),
            ("ephemeral-storage", "1Gi"),
            ("memory", "4Gi"),
            ("nvidia.com/gpu", "1")
        ]
    );
    assert_eq!(after.volume_mounts.as_ref().unwrap().len(), 2);

    let spec = merged.spec.as_ref().unwrap();
    assert_eq!(spec.volumes.as_ref().unwrap().len(), 2);
    assert_eq!(spec.termination_grace_period_seconds, Some(90));
    let context = spec.security_context.as_ref().unwrap();
    assert_eq!(
        (context.run_as_user, context.run_as_non_root),
        (Some(1000), Some(true))
    );
    let labels = merged.metadata.as_ref().unwrap().labels.as_ref().unwrap();
    assert_eq!(labels["team"], "a");
    assert_eq!(labels["app.kubernetes.io/instance"], "clicks");
}

/// Kubernetes refuses a container that is privileged and must not escalate its privileges.
#[test]
fn what_was_allowed_to_escalate_is_not_forbidden_to() {
    for (context, is_forbidden) in [
        (json!({"privileged": true}), None),
        (json!({"capabilities": {"add": ["SYS_ADMIN"]}}), None),
        (json!({"capabilities": {"add": ["CAP_SYS_ADMIN"]}}), None),
        (json!({"capabilities": {"add": ["NET_ADMIN"]}}), Some(false)),
        (json!({"privileged": false}), Some(false)),
    ] {
        let template = json!({"spec": {"containers": [
            {"name": "taskmanager", "securityContext": context},
            {"name": "shipper", "image": "shipper:1", "securityContext": context}
        ]}});
        let pool = validate(&pool(template), &Settings::permissive())
            .unwrap_or_else(|invalid| panic!("{invalid}"));
        let template = build(&pool).deployment.spec.unwrap().template;
        for container in &template.spec.unwrap().containers {
            let found = container.security_context.as_ref().unwrap();
            assert_eq!(found.allow_privilege_escalation, is_forbidden, "{context}");
        }
    }
}

#[test]
fn sidecars_are_as_restricted_as_the_task_manager() {
    let merged = merged(json!({"spec": {
        "containers": [{"name": "shipper", "image": "shipper"}],
        "initContainers": [{"name": "fetch", "image": "fetch", "securityContext": {"runAsUser": 1}}]
    }}));
    let spec = merged.spec.unwrap();
    for container in spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten())
    {
        let context = container.security_context.as_ref().unwrap();
        assert_eq!(
            context.allow_privilege_escalation,
            Some(false),
            "{}",
            container.name
        );
        assert_eq!(
            context.capabilities.as_ref().unwrap().drop,
            Some(vec!["ALL".to_owned()]),
            "{}",
            container.name
        );
    }
}

/// `field` is the path below `spec.podTemplate`, `way_out` a part of the message.
#[track_caller]
fn breaks(template: Value, field: &str, way_out: &str) {
    let invalid = validate(&pool(template), &Settings::default()).unwrap_err();
    let [conflict] = invalid.conflicts.as_slice() else {
        panic!(
            "one conflict about {field} was expected: {:#?}",
            invalid.conflicts
        )
    };
    assert_eq!(conflict.code, Code::PodTemplateBreaksContainer);
    assert_eq!(
        conflict.options[0].path,
        format!("spec.podTemplate.{field}")
    );
    assert!(conflict.message.contains(way_out), "{}", conflict.message);
}

macro_rules! task_manager_fields {
    ($($test:ident: $fields:tt => $field:literal, $way_out:literal;)+) => {$(
        #[test]
        fn $test() {
            let mut container = json!({"name": "taskmanager"});
            container.as_object_mut().unwrap().extend(json!($fields).as_object().unwrap().clone());
            breaks(json!({"spec": {"containers": [container]}}), concat!("spec.containers[0].", $field), $way_out);
        }
    )+};
}

task_manager_fields! {
    another_image: {"image": "flink:2.2"} => "image", "spec.image";
    another_command: {"command": ["sh"]} => "command", "spec.flinkConfiguration";
    other_arguments: {"args": ["taskmanager"]} => "args", "spec.flinkConfiguration";
    another_memory_limit: {"resources": {"limits": {"memory": "8Gi"}}}
        => "resources.limits.memory", "spec.taskManager.resources";
    another_cpu_request: {"resources": {"requests": {"cpu": "2"}}}
        => "resources.requests.cpu", "spec.taskManager.resources";
    another_restart_policy: {"restartPolicy": "Always"} => "restartPolicy", "remove it";
    own_address: {"env": [{"name": "POD_IP", "value": "10.0.0.1"}]} => "env[0]", "remove it";
    job_manager_address: {"env": [{"name": "JOB_MANAGER_RPC_ADDRESS", "value": "a"}]} => "env[0]", "spec.clusterRef";
    flink_properties: {"env": [{"name": "FLINK_PROPERTIES", "value": "a: b"}]} => "env[0]", "spec.flinkConfiguration";
    legacy_heap: {"env": [{"name": "FLINK_TM_HEAP", "value": "1g"}]} => "env[0]", "spec.memory";
    slots: {"env": [{"name": "TASK_MANAGER_NUMBER_OF_TASK_SLOTS", "value": "9"}]}
        => "env[0]", "spec.taskManager.numberOfTaskSlots";
    heap_flag: {"env": [{"name": "JVM_ARGS", "value": "-Da=b -Xmx1g"}]} => "env[0]", "spec.memory";
    direct_memory_flag: {"env": [{"name": "JAVA_TOOL_OPTIONS", "value": "-XX:MaxDirectMemorySize=1g"}]}
        => "env[0]", "spec.memory";
    port_of_another_name: {"ports": [{"name": "other", "containerPort": 6122}]} => "ports[0]", "another name";
    port_name_of_another_port: {"ports": [{"name": "rpc", "containerPort": 7000}]} => "ports[0]", "another name";
    mount_over_the_configuration: {"volumeMounts": [{"name": "a", "mountPath": "/opt/flink/conf/config.yaml"}]}
        => "volumeMounts[0]", "spec.flinkConfiguration";
    mount_over_the_configuration_with_a_slash: {"volumeMounts": [{"name": "a", "mountPath": "/opt/flink/conf/config.yaml/"}]}
        => "volumeMounts[0]", "spec.flinkConfiguration";
    variable_without_a_name: {"env": [{"value": "a"}]} => "env[0]", "needs a name";
}

macro_rules! pod_fields {
    ($($test:ident: $template:tt => $field:literal, $way_out:literal;)+) => {$(
        #[test]
        fn $test() {
            breaks(json!($template), $field, $way_out);
        }
    )+};
}

pod_fields! {
    restart_policy: {"spec": {"restartPolicy": "Never"}} => "spec.restartPolicy", "remove it";
    deadline: {"spec": {"activeDeadlineSeconds": 60}} => "spec.activeDeadlineSeconds", "remove it";
    service_links: {"spec": {"enableServiceLinks": true}} => "spec.enableServiceLinks", "remove it";
    ephemeral_containers: {"spec": {"ephemeralContainers": [{"name": "a", "image": "a"}]}}
        => "spec.ephemeralContainers", "kubectl debug";
    windows: {"spec": {"os": {"name": "windows"}}} => "spec.os.name", "remove it";
    resources_of_the_pod: {"spec": {"resources": {"limits": {"memory": "8Gi"}}}}
        => "spec.resources.limits.memory", "spec.taskManager.resources";
    container_without_a_name: {"spec": {"containers": [{"image": "a"}]}} => "spec.containers[0].name", "taskmanager";
    container_without_an_image: {"spec": {"containers": [{"name": "flink-main-container"}]}}
        => "spec.containers[0].image", "taskmanager";
    containers_of_one_name: {"spec": {"containers": [{"name": "a", "image": "a"}, {"name": "a", "image": "b"}]}}
        => "spec.containers[1].name", "another name";
    init_container_of_the_same_name: {"spec": {"initContainers": [{"name": "taskmanager", "image": "a"}]}}
        => "spec.initContainers[0].name", "another name";
    volumes_of_one_name: {"spec": {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]}}
        => "spec.volumes[1].name", "another name";
    volume_of_the_configuration: {"spec": {"volumes": [{"name": "flink-configuration", "emptyDir": {}}]}}
        => "spec.volumes[0].name", "another name";
    volume_without_a_name: {"spec": {"volumes": [{"emptyDir": {}}]}} => "spec.volumes[0].name", "needs a name";
    selector_label: {"metadata": {"labels": {"app.kubernetes.io/instance": "other"}}}
        => "metadata.labels[app.kubernetes.io/instance]", "remove it";
    version_label: {"metadata": {"labels": {"app.kubernetes.io/version": "1.0"}}}
        => "metadata.labels[app.kubernetes.io/version]", "remove it";
    budget_annotation: {"metadata": {"annotations": {"headroom.dev/budget-hash": "x"}}}
        => "metadata.annotations[headroom.dev/budget-hash]", "remove it";
    configuration_annotation: {"metadata": {"annotations": {"headroom.dev/configuration-hash": "x"}}}
        => "metadata.annotations[headroom.dev/configuration-hash]", "remove it";
    finalizers: {"metadata": {"finalizers": ["a"]}} => "metadata.finalizers", "remove it";
    owner: {"metadata": {"ownerReferences": []}} => "metadata.ownerReferences", "remove it";
    name: {"metadata": {"name": "a"}} => "metadata.name", "remove it";
}
