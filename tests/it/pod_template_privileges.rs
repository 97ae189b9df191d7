//! Whoever may create pools but not pods gains nothing: one test for each field of a pod template that grants
//! something, refused by default and accepted with the operator's flag that names it.

use headroom::{
    api::v1alpha1::TaskManagerPool,
    budget::{Code, Conflict},
    desired::{Allowance, Settings, validate},
};
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
            "taskManager": {"resources": {"limits": {"memory": "4Gi"}}},
            "podTemplate": template
        }
    }))
    .unwrap()
}

fn conflicts(template: Value, settings: &Settings) -> Vec<Conflict> {
    validate(&pool(template), settings).map_or_else(|invalid| invalid.conflicts, |_| Vec::new())
}

/// `field` is the path below `spec.podTemplate`.
#[track_caller]
fn refused(template: Value, field: &str, allowance: Allowance) {
    let path = format!("spec.podTemplate.{field}");
    let found = conflicts(template.clone(), &Settings::default());
    let [conflict] = found.as_slice() else {
        panic!("one conflict about {path} was expected: {found:#?}")
    };
    assert_eq!(conflict.code, Code::PodTemplateForbidden);
    assert_eq!(conflict.options[0].path, path);
    let flag = format!("--allow-pod-template={allowance}");
    assert!(
        conflict.message.contains(&path) && conflict.message.contains(&flag),
        "{}",
        conflict.message
    );

    for other in Allowance::ALL.iter().filter(|other| **other != allowance) {
        let settings = Settings {
            pod_template_allowances: [*other].into(),
        };
        assert_eq!(
            conflicts(template.clone(), &settings).len(),
            1,
            "{other} allows {path}"
        );
    }
    let settings = Settings {
        pod_template_allowances: [allowance].into(),
    };
    assert_eq!(
        conflicts(template, &settings),
        [],
        "{allowance} does not allow {path}"
    );
}

fn container(fields: Value) -> Value {
    let mut container = json!({"name": "taskmanager"});
    container
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    json!({"spec": {"containers": [container]}})
}

fn volume(source: Value) -> Value {
    let mut volume = json!({"name": "data"});
    volume
        .as_object_mut()
        .unwrap()
        .extend(source.as_object().unwrap().clone());
    json!({"spec": {"volumes": [volume]}})
}

/// The field in the TaskManager's container, in a sidecar and in an init container.
#[track_caller]
fn refused_in_containers(fields: Value, field: &str, allowance: Allowance) {
    refused(
        container(fields.clone()),
        &format!("spec.containers[0].{field}"),
        allowance,
    );
    let mut other = json!({"name": "other", "image": "other"});
    other
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    refused(
        json!({"spec": {"containers": [other]}}),
        &format!("spec.containers[0].{field}"),
        allowance,
    );
    refused(
        json!({"spec": {"initContainers": [other]}}),
        &format!("spec.initContainers[0].{field}"),
        allowance,
    );
}

macro_rules! pod_fields {
    ($($test:ident: $fields:tt => $field:literal, $allowance:ident;)+) => {$(
        #[test]
        fn $test() {
            refused(json!({"spec": $fields}), concat!("spec.", $field), Allowance::$allowance);
        }
    )+};
}

pod_fields! {
    host_network: {"hostNetwork": true} => "hostNetwork", HostNamespaces;
    host_pid: {"hostPID": true} => "hostPID", HostNamespaces;
    host_ipc: {"hostIPC": true} => "hostIPC", HostNamespaces;
    service_account_name: {"serviceAccountName": "admin"} => "serviceAccountName", ServiceAccount;
    service_account: {"serviceAccount": "admin"} => "serviceAccount", ServiceAccount;
    automounted_token: {"automountServiceAccountToken": true} => "automountServiceAccountToken", ServiceAccount;
    image_pull_secrets: {"imagePullSecrets": [{"name": "registry"}]} => "imagePullSecrets[0]", Secrets;
    node_name: {"nodeName": "node-1"} => "nodeName", Scheduling;
    system_priority: {"priorityClassName": "system-node-critical"} => "priorityClassName", Scheduling;
    priority: {"priority": 1000000} => "priority", Scheduling;
    resource_claims: {"resourceClaims": [{"name": "gpu"}]} => "resourceClaims[0]", Devices;
    pod_runs_as_root: {"securityContext": {"runAsUser": 0}} => "securityContext.runAsUser", Privileged;
    pod_may_run_as_root: {"securityContext": {"runAsNonRoot": false}} => "securityContext.runAsNonRoot", Privileged;
    pod_seccomp: {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}
        => "securityContext.seccompProfile.type", Privileged;
    pod_app_armor: {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}
        => "securityContext.appArmorProfile.type", Privileged;
    pod_se_linux_type: {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}
        => "securityContext.seLinuxOptions.type", Privileged;
    pod_se_linux_user: {"securityContext": {"seLinuxOptions": {"user": "system_u"}}}
        => "securityContext.seLinuxOptions.user", Privileged;
    pod_se_linux_role: {"securityContext": {"seLinuxOptions": {"role": "system_r"}}}
        => "securityContext.seLinuxOptions.role", Privileged;
    sysctls: {"securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]}}
        => "securityContext.sysctls[0]", Privileged;
    pod_windows_options: {"securityContext": {"windowsOptions": {"hostProcess": true}}}
        => "securityContext.windowsOptions", Privileged;
}

macro_rules! container_fields {
    ($($test:ident: $fields:tt => $field:literal, $allowance:ident;)+) => {$(
        #[test]
        fn $test() {
            refused_in_containers(json!($fields), $field, Allowance::$allowance);
        }
    )+};
}

container_fields! {
    privileged: {"securityContext": {"privileged": true}} => "securityContext.privileged", Privileged;
    privilege_escalation: {"securityContext": {"allowPrivilegeEscalation": true}}
        => "securityContext.allowPrivilegeEscalation", Privileged;
    runs_as_root: {"securityContext": {"runAsUser": 0}} => "securityContext.runAsUser", Privileged;
    may_run_as_root: {"securityContext": {"runAsNonRoot": false}} => "securityContext.runAsNonRoot", Privileged;
    proc_mount: {"securityContext": {"procMount": "Unmasked"}} => "securityContext.procMount", Privileged;
    seccomp: {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}
        => "securityContext.seccompProfile.type", Privileged;
    app_armor: {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}
        => "securityContext.appArmorProfile.type", Privileged;
    se_linux: {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}
        => "securityContext.seLinuxOptions.type", Privileged;
    windows_options: {"securityContext": {"windowsOptions": {"hostProcess": true}}}
        => "securityContext.windowsOptions", Privileged;
    added_capability: {"securityContext": {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}}
        => "securityContext.capabilities.add[0]", Capabilities;
    fewer_dropped_capabilities: {"securityContext": {"capabilities": {"drop": ["NET_RAW"]}}}
        => "securityContext.capabilities.drop", Capabilities;
    host_port: {"ports": [{"containerPort": 9000, "hostPort": 9000}]} => "ports[0].hostPort", HostNamespaces;
    host_address: {"ports": [{"containerPort": 9000, "hostIP": "10.0.0.1"}]} => "ports[0].hostIP", HostNamespaces;
    secret_variable: {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "key"}}}]}
        => "env[0].valueFrom.secretKeyRef", Secrets;
    secret_variables: {"envFrom": [{"secretRef": {"name": "s3"}}]} => "envFrom[0].secretRef", Secrets;
    bidirectional_mount: {"volumeMounts": [{"name": "data", "mountPath": "/data", "mountPropagation": "Bidirectional"}]}
        => "volumeMounts[0].mountPropagation", Privileged;
    claimed_devices: {"resources": {"claims": [{"name": "gpu"}]}} => "resources.claims[0]", Devices;
    liveness_probe_of_another_host: {"livenessProbe": {"httpGet": {"host": "10.0.0.1", "port": 80}}}
        => "livenessProbe.httpGet.host", HostNamespaces;
    readiness_probe_of_another_host: {"readinessProbe": {"tcpSocket": {"host": "10.0.0.1", "port": 80}}}
        => "readinessProbe.tcpSocket.host", HostNamespaces;
    startup_probe_of_another_host: {"startupProbe": {"httpGet": {"host": "10.0.0.1", "port": 80}}}
        => "startupProbe.httpGet.host", HostNamespaces;
    pre_stop_hook_of_another_host: {"lifecycle": {"preStop": {"httpGet": {"host": "10.0.0.1", "port": 80}}}}
        => "lifecycle.preStop.httpGet.host", HostNamespaces;
    post_start_hook_of_another_host: {"lifecycle": {"postStart": {"tcpSocket": {"host": "10.0.0.1", "port": 80}}}}
        => "lifecycle.postStart.tcpSocket.host", HostNamespaces;
}

macro_rules! volume_fields {
    ($($test:ident: $source:tt => $field:literal, $allowance:ident;)+) => {$(
        #[test]
        fn $test() {
            refused(volume(json!($source)), concat!("spec.volumes[0].", $field), Allowance::$allowance);
        }
    )+};
}

volume_fields! {
    host_path: {"hostPath": {"path": "/"}} => "hostPath", HostPath;
    secret_volume: {"secret": {"secretName": "s3"}} => "secret", Secrets;
    projected_secret: {"projected": {"sources": [{"secret": {"name": "s3"}}]}}
        => "projected.sources[0].secret", Secrets;
    projected_token: {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
        => "projected.sources[0].serviceAccountToken", ServiceAccount;
    driver_secret: {"csi": {"driver": "d", "nodePublishSecretRef": {"name": "s3"}}}
        => "csi.nodePublishSecretRef", Secrets;
    existing_claim: {"persistentVolumeClaim": {"claimName": "others"}}
        => "persistentVolumeClaim", PersistentVolumeClaims;
    cloned_claim: {"ephemeral": {"volumeClaimTemplate": {"spec": {
        "dataSource": {"kind": "PersistentVolumeClaim", "name": "others"}}}}}
        => "ephemeral.volumeClaimTemplate.spec.dataSource", PersistentVolumeClaims;
    restored_claim: {"ephemeral": {"volumeClaimTemplate": {"spec": {
        "dataSourceRef": {"kind": "VolumeSnapshot", "name": "others"}}}}}
        => "ephemeral.volumeClaimTemplate.spec.dataSourceRef", PersistentVolumeClaims;
    chosen_volume: {"ephemeral": {"volumeClaimTemplate": {"spec": {"volumeName": "others"}}}}
        => "ephemeral.volumeClaimTemplate.spec.volumeName", PersistentVolumeClaims;
    nfs: {"nfs": {"server": "10.0.0.1", "path": "/"}} => "nfs", OtherVolumes;
    iscsi: {"iscsi": {"iqn": "i", "lun": 0, "targetPortal": "10.0.0.1"}} => "iscsi", OtherVolumes;
    git_repository: {"gitRepo": {"repository": "r"}} => "gitRepo", OtherVolumes;
    flex_volume: {"flexVolume": {"driver": "d"}} => "flexVolume", OtherVolumes;
    fibre_channel: {"fc": {"wwids": ["w"]}} => "fc", OtherVolumes;
    ceph: {"cephfs": {"monitors": ["m"]}} => "cephfs", OtherVolumes;
    rados: {"rbd": {"image": "i", "monitors": ["m"]}} => "rbd", OtherVolumes;
    gluster: {"glusterfs": {"endpoints": "e", "path": "p"}} => "glusterfs", OtherVolumes;
    aws_disk: {"awsElasticBlockStore": {"volumeID": "v"}} => "awsElasticBlockStore", OtherVolumes;
    azure_disk: {"azureDisk": {"diskName": "d", "diskURI": "u"}} => "azureDisk", OtherVolumes;
    azure_file: {"azureFile": {"secretName": "s", "shareName": "n"}} => "azureFile", OtherVolumes;
    cinder: {"cinder": {"volumeID": "v"}} => "cinder", OtherVolumes;
    flocker: {"flocker": {"datasetName": "d"}} => "flocker", OtherVolumes;
    gce_disk: {"gcePersistentDisk": {"pdName": "p"}} => "gcePersistentDisk", OtherVolumes;
    photon_disk: {"photonPersistentDisk": {"pdID": "p"}} => "photonPersistentDisk", OtherVolumes;
    portworx: {"portworxVolume": {"volumeID": "v"}} => "portworxVolume", OtherVolumes;
    quobyte: {"quobyte": {"registry": "r", "volume": "v"}} => "quobyte", OtherVolumes;
    scale_io: {"scaleIO": {"gateway": "g", "secretRef": {"name": "s"}, "system": "s"}} => "scaleIO", OtherVolumes;
    storage_os: {"storageos": {"volumeName": "v"}} => "storageos", OtherVolumes;
    vsphere: {"vsphereVolume": {"volumePath": "p"}} => "vsphereVolume", OtherVolumes;
}

#[test]
fn annotations_that_loosen_the_container() {
    for key in [
        "container.apparmor.security.beta.kubernetes.io/taskmanager",
        "seccomp.security.alpha.kubernetes.io/pod",
        "container.seccomp.security.alpha.kubernetes.io/taskmanager",
    ] {
        let template = json!({"metadata": {"annotations": {key: "unconfined"}}});
        refused(
            template,
            &format!("metadata.annotations[{key}]"),
            Allowance::Privileged,
        );
        let confined = json!({"metadata": {"annotations": {key: "runtime/default"}}});
        assert_eq!(conflicts(confined, &Settings::default()), []);
    }
}

#[test]
fn annotations_of_the_nodes_own_pods() {
    for key in ["kubernetes.io/config.mirror", "kubernetes.io/config.source"] {
        let template = json!({"metadata": {"annotations": {key: "x"}}});
        refused(
            template,
            &format!("metadata.annotations[{key}]"),
            Allowance::HostNamespaces,
        );
    }
}

#[test]
fn what_grants_nothing_is_accepted() {
    let template = json!({
        "metadata": {"labels": {"team": "a"}, "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {
            "hostNetwork": false,
            "automountServiceAccountToken": false,
            "priorityClassName": "batch",
            "runtimeClassName": "gvisor",
            "nodeSelector": {"disk": "nvme"},
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {"runAsUser": 1000, "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"},
                "seLinuxOptions": {"level": "s0:c1,c2"}, "supplementalGroups": [1000]},
            "containers": [{
                "name": "taskmanager",
                "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "a"}}}],
                "envFrom": [{"configMapRef": {"name": "a"}}],
                "securityContext": {"readOnlyRootFilesystem": true, "privileged": false,
                    "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}}
            }],
            "volumes": [
                {"name": "a", "emptyDir": {"medium": "Memory"}},
                {"name": "b", "configMap": {"name": "a"}},
                {"name": "c", "downwardAPI": {}},
                {"name": "d", "ephemeral": {"volumeClaimTemplate": {"spec": {
                    "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}}}},
                {"name": "e", "csi": {"driver": "d"}},
                {"name": "f", "projected": {"sources": [{"configMap": {"name": "a"}}]}}
            ]
        }
    });
    assert_eq!(conflicts(template, &Settings::default()), []);
}
