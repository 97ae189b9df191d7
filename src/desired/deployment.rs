//! The Deployment of a pool, and the pod template it generates before the user's is merged over it.
//!
//! The container runs the image's own entry point with every size as an option, so that nothing is derived a
//! second time inside the pod. The strategy is `Recreate`: see `docs/adr/`.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy},
        core::v1::{
            Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EnvVar, EnvVarSource,
            KeyToPath, ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec,
            ResourceRequirements, SeccompProfile, SecurityContext, Volume, VolumeMount,
        },
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

use crate::{
    api::{ANNOTATION_BUDGET_HASH, ANNOTATION_CONFIGURATION_HASH, TASK_MANAGER_CONTAINER},
    budget::FlinkVersion,
};

use super::{
    ValidatedPool,
    addresses::{HOST, Ports, RESOURCE_ID},
    config_map::config_map_name,
    container_resources::ContainerResources,
    labels, merge, metadata,
};

/// Name of the volume that holds the configuration file.
const CONFIGURATION_VOLUME: &str = "flink-configuration";
/// Configuration directory of the official images.
const CONFIGURATION_DIRECTORY: &str = "/opt/flink/conf";
/// User and group `flink` of the official images.
const FLINK_USER: i64 = 9999;
/// Time a TaskManager gets to cancel its tasks and to say goodbye to the JobManager.
const TERMINATION_GRACE_PERIOD_SECONDS: i64 = 30;
/// Time after which a rollout that makes no progress is reported.
const PROGRESS_DEADLINE_SECONDS: i32 = 600;
/// Old ReplicaSets that are kept for `kubectl rollout undo` and for looking back.
const REVISION_HISTORY_LIMIT: i32 = 3;

pub(super) fn build_deployment(pool: &ValidatedPool) -> Deployment {
    Deployment {
        metadata: metadata(pool, &pool.name),
        spec: Some(DeploymentSpec {
            replicas: Some(pool.replicas),
            selector: labels::selector(&pool.name),
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".to_owned()),
                rolling_update: None,
            }),
            progress_deadline_seconds: Some(PROGRESS_DEADLINE_SECONDS),
            revision_history_limit: Some(REVISION_HISTORY_LIMIT),
            template: pod_template(pool),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// The whole template: the generated one with the user's merged over it.
pub(super) fn pod_template(pool: &ValidatedPool) -> PodTemplateSpec {
    let outline = Outline {
        name: &pool.name,
        version: pool.flink_version,
        image: &pool.image,
        resources: &pool.container_resources,
        file_name: pool.configuration_file.name,
        ports: pool.ports,
        job_manager_address: &pool.job_manager_address,
        options: &pool.options,
        number_of_task_slots: pool.budget.number_of_task_slots,
    };
    let mut template = merge::merge(generated(&outline), pool.pod_template.clone());
    let annotations = template
        .metadata
        .get_or_insert_default()
        .annotations
        .get_or_insert_default();
    annotations.insert(ANNOTATION_BUDGET_HASH.to_owned(), pool.budget_hash.clone());
    annotations.insert(
        ANNOTATION_CONFIGURATION_HASH.to_owned(),
        pool.configuration_hash.clone(),
    );
    template
}

/// What the generated template depends on. Validation fills it with what it has, to see what a user's template
/// would break.
pub(super) struct Outline<'a> {
    pub name: &'a str,
    pub version: FlinkVersion,
    pub image: &'a str,
    pub resources: &'a ContainerResources,
    pub file_name: &'static str,
    pub ports: Ports,
    pub job_manager_address: &'a str,
    pub options: &'a [(String, String)],
    pub number_of_task_slots: i32,
}

/// The template as it is without a user's.
pub(super) fn generated(outline: &Outline<'_>) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::recommended_labels(outline.name, outline.version)),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(outline.name.to_owned()),
            automount_service_account_token: Some(false),
            // Kubernetes would otherwise add variables for every Service of the namespace, and Flink's scripts
            // read variables that begin with FLINK_.
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(TERMINATION_GRACE_PERIOD_SECONDS),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(FLINK_USER),
                run_as_group: Some(FLINK_USER),
                fs_group: Some(FLINK_USER),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    localhost_profile: None,
                }),
                ..PodSecurityContext::default()
            }),
            containers: vec![container(outline)],
            volumes: Some(vec![Volume {
                name: CONFIGURATION_VOLUME.to_owned(),
                config_map: Some(ConfigMapVolumeSource {
                    name: config_map_name(outline.name),
                    items: Some(vec![KeyToPath {
                        key: outline.file_name.to_owned(),
                        path: outline.file_name.to_owned(),
                        mode: None,
                    }]),
                    ..ConfigMapVolumeSource::default()
                }),
                ..Volume::default()
            }]),
            ..PodSpec::default()
        }),
    }
}

fn container(outline: &Outline<'_>) -> Container {
    let quantities = |amounts: &BTreeMap<&'static str, String>| {
        let quantities = amounts
            .iter()
            .map(|(name, amount)| ((*name).to_owned(), Quantity(amount.clone())));
        Some(quantities.collect::<BTreeMap<_, _>>())
    };
    Container {
        name: TASK_MANAGER_CONTAINER.to_owned(),
        image: Some(outline.image.to_owned()),
        args: Some(arguments(outline.options)),
        env: Some(vec![
            pod_field("POD_IP", "status.podIP"),
            pod_field("POD_NAME", "metadata.name"),
            // Entry points that rewrite a writable copy of the file would otherwise write their own defaults.
            variable(
                "JOB_MANAGER_RPC_ADDRESS",
                outline.job_manager_address.to_owned(),
            ),
            variable(
                "TASK_MANAGER_NUMBER_OF_TASK_SLOTS",
                outline.number_of_task_slots.to_string(),
            ),
        ]),
        ports: Some(
            [("rpc", outline.ports.rpc), ("data", outline.ports.data)]
                .into_iter()
                .filter_map(|(name, port)| port.map(|port| (name, port)))
                .map(|(name, port)| ContainerPort {
                    name: Some(name.to_owned()),
                    container_port: i32::from(port),
                    protocol: Some("TCP".to_owned()),
                    ..ContainerPort::default()
                })
                .collect(),
        ),
        resources: Some(ResourceRequirements {
            requests: quantities(&outline.resources.requests),
            limits: quantities(&outline.resources.limits),
            claims: None,
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                add: None,
                drop: Some(vec!["ALL".to_owned()]),
            }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![VolumeMount {
            name: CONFIGURATION_VOLUME.to_owned(),
            mount_path: format!("{CONFIGURATION_DIRECTORY}/{}", outline.file_name),
            sub_path: Some(outline.file_name.to_owned()),
            read_only: Some(true),
            ..VolumeMount::default()
        }]),
        ..Container::default()
    }
}

/// The arguments of the image's entry point. Options on the command line win over the file.
fn arguments(options: &[(String, String)]) -> Vec<String> {
    let mut arguments = vec!["taskmanager".to_owned()];
    // Kubernetes expands $(NAME) in arguments; in a value it is the value's own text.
    arguments.extend(
        options
            .iter()
            .map(|(key, value)| format!("-D{key}={value}").replace("$(", "$$(")),
    );
    arguments.push(format!("-D{HOST}=$(POD_IP)"));
    arguments.push(format!("-D{RESOURCE_ID}=$(POD_NAME)"));
    arguments
}

fn variable(name: &str, value: String) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    }
}

fn pod_field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: path.to_owned(),
            }),
            ..EnvVarSource::default()
        }),
    }
}
