//! Lays the user's pod template over the generated one, with the meaning of Kubernetes' strategic merge.
//!
//! Lists that Kubernetes merges by key are merged by that key (containers by name, variables by name, mounts by
//! path, ports by number, volumes by name); other lists are replaced, maps are united. What would change the
//! TaskManager's container into something else is a conflict: it is found on the user's template, before the merge.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    DeepMerge,
    api::core::v1::{
        Capabilities, Container, ContainerPort, EnvVar, PodSpec, PodTemplateSpec, SecurityContext,
        VolumeMount,
    },
};

use crate::{
    api::{ANNOTATION_BUDGET_HASH, ANNOTATION_CONFIGURATION_HASH, TASK_MANAGER_CONTAINER},
    budget::{Code, Conflict},
};

use super::{
    conflict::{At, removing},
    jvm,
    pod_template::PATH,
};

/// The user's template over the generated one.
///
/// The template must have passed [`breaks`]; its own containers get the restrictions of the Pod Security level
/// `restricted` where they say nothing of it.
pub(super) fn merge(
    mut generated: PodTemplateSpec,
    mut template: PodTemplateSpec,
) -> PodTemplateSpec {
    // Ports are merged by number, which would lose one of two protocols on the same number; those of the TaskManager
    // itself were found equal to the generated ones, so that the others only have to be added.
    let mut further_ports = Vec::new();
    if let Some(spec) = &mut template.spec {
        for container in &mut spec.containers {
            if container.name == TASK_MANAGER_CONTAINER {
                if container.security_context.as_ref().is_some_and(escalates) {
                    allow_escalation(&mut generated);
                }
                further_ports.extend(container.ports.take().into_iter().flatten());
            } else {
                restrict(container);
            }
        }
        for container in spec.init_containers.iter_mut().flatten() {
            restrict(container);
        }
    }
    generated.merge_from(template);
    let containers = generated
        .spec
        .iter_mut()
        .flat_map(|spec| &mut spec.containers);
    for container in containers.filter(|container| container.name == TASK_MANAGER_CONTAINER) {
        let ports = container.ports.get_or_insert_default();
        let own: BTreeSet<_> = ports.iter().map(|port| port.container_port).collect();
        further_ports.retain(|port| !own.contains(&port.container_port));
        ports.append(&mut further_ports);
    }
    generated
}

/// Whether the context asks for what Kubernetes refuses beside a forbidden escalation.
fn escalates(context: &SecurityContext) -> bool {
    let added = context
        .capabilities
        .iter()
        .flat_map(|capabilities| &capabilities.add);
    context.privileged == Some(true)
        || added
            .flatten()
            .any(|capability| matches!(capability.as_str(), "SYS_ADMIN" | "CAP_SYS_ADMIN"))
}

/// Takes the generated prohibition out, for a TaskManager that was allowed what it does not go with.
fn allow_escalation(generated: &mut PodTemplateSpec) {
    let containers = generated
        .spec
        .iter_mut()
        .flat_map(|spec| &mut spec.containers);
    for context in containers.flat_map(|container| &mut container.security_context) {
        context.allow_privilege_escalation = None;
    }
}

/// What a container says nothing of is as restricted as the TaskManager's own.
fn restrict(container: &mut Container) {
    let context = container.security_context.get_or_insert_default();
    if context.privileged == Some(true) {
        return;
    }
    if !escalates(context) {
        context.allow_privilege_escalation.get_or_insert(false);
    }
    let capabilities: &mut Capabilities = context.capabilities.get_or_insert_default();
    capabilities
        .drop
        .get_or_insert_with(|| vec!["ALL".to_owned()]);
}

/// Everything in the user's template that would break the generated one.
pub(super) fn breaks(generated: &PodTemplateSpec, template: &PodTemplateSpec) -> Vec<Conflict> {
    let mut check = Check {
        conflicts: Vec::new(),
    };
    if let Some(metadata) = &template.metadata {
        let generated = generated.metadata.clone().unwrap_or_default();
        check.metadata(&generated.labels.unwrap_or_default(), metadata);
    }
    if let Some(spec) = &template.spec {
        let default = PodSpec::default();
        check.pod(generated.spec.as_ref().unwrap_or(&default), spec);
    }
    check.conflicts
}

/// Environment variables that the image's scripts read and that would move sizes, addresses or files.
const RESERVED_VARIABLES: [&str; 7] = [
    "FLINK_CONF_DIR",
    "FLINK_HOME",
    "FLINK_PROPERTIES",
    "FLINK_TM_HEAP",
    "FLINK_TM_JVM_MEM_OPTS",
    "FLINK_TM_HEAP_MB",
    "TASK_MANAGER_NUMBER_OF_TASK_SLOTS",
];

/// Environment variables whose value becomes part of the JVM's command line.
pub(super) const JVM_VARIABLES: [&str; 6] = [
    "FLINK_ENV_JAVA_OPTS",
    "FLINK_ENV_JAVA_OPTS_TM",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "JVM_ARGS",
    "_JAVA_OPTIONS",
];

struct Check {
    conflicts: Vec<Conflict>,
}

impl Check {
    fn report(
        &mut self,
        path: impl Into<String>,
        value: impl Into<String>,
        bound: &str,
        message: String,
    ) {
        let conflict =
            At::field(path, value).error(Code::PodTemplateBreaksContainer, bound, message);
        self.conflicts.push(removing(conflict));
    }

    fn metadata(
        &mut self,
        generated: &BTreeMap<String, String>,
        metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    ) {
        for (label, value) in metadata.labels.iter().flatten() {
            if let Some(own) = generated.get(label).filter(|own| *own != value) {
                let path = format!("{PATH}.metadata.labels[{label}]");
                let message = format!(
                    "{path} is {value:?}, but the operator finds the pods by {label}={own}; remove it"
                );
                self.report(path, value, own, message);
            }
        }
        for annotation in [ANNOTATION_BUDGET_HASH, ANNOTATION_CONFIGURATION_HASH] {
            if let Some(value) = metadata
                .annotations
                .as_ref()
                .and_then(|annotations| annotations.get(annotation))
            {
                let path = format!("{PATH}.metadata.annotations[{annotation}]");
                let message = format!(
                    "{path} is written by the operator, which restarts pods by it; remove it"
                );
                self.report(path, value, "not set", message);
            }
        }
        let others = [
            ("name", metadata.name.is_some()),
            ("generateName", metadata.generate_name.is_some()),
            ("namespace", metadata.namespace.is_some()),
            ("finalizers", metadata.finalizers.is_some()),
            ("ownerReferences", metadata.owner_references.is_some()),
            ("uid", metadata.uid.is_some()),
            ("resourceVersion", metadata.resource_version.is_some()),
            ("generation", metadata.generation.is_some()),
            ("creationTimestamp", metadata.creation_timestamp.is_some()),
            ("deletionTimestamp", metadata.deletion_timestamp.is_some()),
            (
                "deletionGracePeriodSeconds",
                metadata.deletion_grace_period_seconds.is_some(),
            ),
            ("managedFields", metadata.managed_fields.is_some()),
            ("selfLink", metadata.self_link.is_some()),
        ];
        for (name, _) in others.into_iter().filter(|(_, present)| *present) {
            let path = format!("{PATH}.metadata.{name}");
            let message = format!(
                "{path} does not belong into a template: only labels and annotations do; remove it"
            );
            self.report(path, "set", "not set", message);
        }
    }

    fn pod(&mut self, generated: &PodSpec, spec: &PodSpec) {
        let path = format!("{PATH}.spec");
        if let Some(policy) = spec
            .restart_policy
            .as_ref()
            .filter(|policy| *policy != "Always")
        {
            let path = format!("{path}.restartPolicy");
            let message = format!(
                "{path} is {policy}, but the pods of a Deployment always restart; remove it"
            );
            self.report(path, policy, "Always", message);
        }
        if let Some(seconds) = spec.active_deadline_seconds {
            let path = format!("{path}.activeDeadlineSeconds");
            let message =
                format!("{path} is set, but the pods of a Deployment have no deadline; remove it");
            self.report(path, seconds.to_string(), "not set", message);
        }
        if spec.ephemeral_containers.is_some() {
            let path = format!("{path}.ephemeralContainers");
            let message =
                format!("{path} is set, but a template cannot carry them; use `kubectl debug`");
            self.report(path, "set", "not set", message);
        }
        if let Some(system) = spec.os.as_ref().filter(|system| system.name != "linux") {
            let path = format!("{path}.os.name");
            let message = format!(
                "{path} is {}, but Flink's images run on linux; remove it",
                system.name
            );
            self.report(path, &system.name, "linux", message);
        }
        if spec.enable_service_links == Some(true) {
            let path = format!("{path}.enableServiceLinks");
            let message = format!(
                "{path} is true, but Kubernetes would then add variables for every Service, and one named flink-… \
                 changes what Flink's scripts read; remove it"
            );
            self.report(path, "true", "false", message);
        }
        let sizes = spec.resources.iter().flat_map(|resources| {
            [
                ("requests", resources.requests.as_ref()),
                ("limits", resources.limits.as_ref()),
            ]
        });
        for (kind, quantities) in sizes {
            for (name, quantity) in quantities.into_iter().flatten() {
                self.size(format!("{path}.resources.{kind}.{name}"), name, &quantity.0);
            }
        }
        for (index, volume) in spec.volumes.iter().flatten().enumerate() {
            let path = format!("{path}.volumes[{index}].name");
            if volume.name.is_empty() {
                let message = format!("{path} is missing; every volume needs a name");
                self.report(path, "", "a name", message);
            } else if generated
                .volumes
                .iter()
                .flatten()
                .any(|own| own.name == volume.name)
            {
                let message = format!(
                    "{path} is {:?}, the volume of Flink's configuration; choose another name",
                    volume.name
                );
                self.report(path, &volume.name, "another name", message);
            }
        }
        self.names(spec);
        for (index, container) in spec.containers.iter().enumerate() {
            let path = format!("{path}.containers[{index}]");
            let own = generated
                .containers
                .iter()
                .find(|own| own.name == container.name);
            match own {
                Some(own) => self.task_manager(&path, own, container),
                None => self.sidecar(&path, container),
            }
        }
        for (index, container) in spec.init_containers.iter().flatten().enumerate() {
            self.sidecar(&format!("{path}.initContainers[{index}]"), container);
        }
    }

    /// Names of containers are unique across both lists, and so are names of volumes.
    fn names(&mut self, spec: &PodSpec) {
        let containers = spec
            .containers
            .iter()
            .enumerate()
            .map(|(index, one)| ("containers", index, &one.name));
        let init = spec.init_containers.iter().flatten().enumerate();
        let init = init.map(|(index, one)| ("initContainers", index, &one.name));
        let volumes = spec
            .volumes
            .iter()
            .flatten()
            .enumerate()
            .map(|(index, one)| ("volumes", index, &one.name));
        let mut seen = BTreeSet::new();
        for (list, index, name) in containers
            .chain(init)
            .chain(volumes)
            .filter(|(_, _, name)| !name.is_empty())
        {
            let shared = list == "initContainers" && name == TASK_MANAGER_CONTAINER;
            if shared || !seen.insert((list == "volumes", name.as_str())) {
                let path = format!("{PATH}.spec.{list}[{index}].name");
                let message = format!(
                    "{path} is {name:?}, a name that another one has already; choose another name"
                );
                self.report(path, name, "a name used once", message);
            }
        }
    }

    fn sidecar(&mut self, path: &str, container: &Container) {
        if container.name.is_empty() {
            let path = format!("{path}.name");
            let message = format!(
                "{path} is missing; every container needs a name (the one that runs Flink is named \
                 {TASK_MANAGER_CONTAINER})"
            );
            self.report(path, "", "a name", message);
        } else if container.image.as_ref().is_none_or(String::is_empty) {
            let path = format!("{path}.image");
            let message = format!(
                "{path} is missing, so {:?} cannot run; name its image, or name the container \
                 {TASK_MANAGER_CONTAINER} if the one that runs Flink is meant",
                container.name
            );
            self.report(path, "", "an image", message);
        }
    }

    fn task_manager(&mut self, path: &str, own: &Container, container: &Container) {
        if let Some(image) = &container.image {
            let path = format!("{path}.image");
            let message =
                format!("{path} is {image}, but the image has one place; move it to spec.image");
            self.report(path, image, "not set", message);
        }
        for (name, list) in [("command", &container.command), ("args", &container.args)] {
            if let Some(list) = list {
                let path = format!("{path}.{name}");
                let message = format!(
                    "{path} would replace what starts the TaskManager with its sizes; remove it, and write Flink \
                     options into spec.flinkConfiguration and JVM flags into spec.jvmArguments.extra"
                );
                self.report(path, list.join(" "), "not set", message);
            }
        }
        if let Some(policy) = &container.restart_policy {
            let path = format!("{path}.restartPolicy");
            let message =
                format!("{path} is {policy}, but the TaskManager always restarts; remove it");
            self.report(path, policy, "not set", message);
        }
        let sizes = container.resources.iter().flat_map(|resources| {
            [
                ("requests", resources.requests.as_ref()),
                ("limits", resources.limits.as_ref()),
            ]
        });
        for (kind, quantities) in sizes {
            for (name, quantity) in quantities.into_iter().flatten() {
                self.size(format!("{path}.resources.{kind}.{name}"), name, &quantity.0);
            }
        }
        for (index, variable) in container.env.iter().flatten().enumerate() {
            self.variable(
                &format!("{path}.env[{index}]"),
                own.env.as_deref().unwrap_or_default(),
                variable,
            );
        }
        for (index, port) in container.ports.iter().flatten().enumerate() {
            self.port(
                &format!("{path}.ports[{index}]"),
                own.ports.as_deref().unwrap_or_default(),
                port,
            );
        }
        for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
            let path = format!("{path}.volumeMounts[{index}]");
            self.mount(
                &path,
                own.volume_mounts.as_deref().unwrap_or_default(),
                mount,
            );
        }
    }

    /// cpu and memory have one place.
    fn size(&mut self, path: String, name: &str, quantity: &str) {
        if matches!(name, "cpu" | "memory") {
            let message = format!(
                "{path} is {quantity}, but the TaskManager's size has one place; move it to \
                 spec.taskManager.resources"
            );
            self.report(path, quantity, "not set", message);
        }
    }

    fn variable(&mut self, path: &str, own: &[EnvVar], variable: &EnvVar) {
        let name = variable.name.as_str();
        let value = variable.value.as_deref().unwrap_or_default();
        if own.iter().any(|own| own.name == name) || RESERVED_VARIABLES.contains(&name) {
            let instead = match name {
                "FLINK_PROPERTIES" => "write the options into spec.flinkConfiguration",
                "FLINK_TM_HEAP" | "FLINK_TM_JVM_MEM_OPTS" | "FLINK_TM_HEAP_MB" => {
                    "set the sizes in spec.memory"
                }
                "TASK_MANAGER_NUMBER_OF_TASK_SLOTS" => "set spec.taskManager.numberOfTaskSlots",
                "JOB_MANAGER_RPC_ADDRESS" => "set spec.clusterRef",
                _ => "remove it",
            };
            let message =
                format!("{path} sets {name}, which the operator sets or relies on; {instead}");
            self.report(path, format!("{name}={value}"), "another variable", message);
        } else if JVM_VARIABLES.contains(&name)
            && let Some(flag) = jvm::memory_flag(value)
        {
            let message = format!(
                "{path} puts {flag} into {name}, but the budget sets the JVM's sizes; remove the flag, and set the \
                 size in spec.memory"
            );
            self.report(path, format!("{name}={value}"), "no memory flags", message);
        } else if name.is_empty() {
            let message = format!("{path}.name is missing; every variable needs a name");
            self.report(path, value, "a name", message);
        }
    }

    fn port(&mut self, path: &str, own: &[ContainerPort], port: &ContainerPort) {
        let clash = own.iter().find(|own| {
            let same_number = own.container_port == port.container_port;
            let other_name = port.name.is_some() && own.name != port.name;
            let other_protocol = port
                .protocol
                .as_deref()
                .is_some_and(|protocol| protocol != "TCP");
            if same_number {
                other_name || other_protocol
            } else {
                port.name.is_some() && own.name == port.name
            }
        });
        if let Some(own) = clash {
            let message = format!(
                "{path} repeats the TaskManager's port {} ({}) differently; use another name and number",
                own.name.as_deref().unwrap_or_default(),
                own.container_port
            );
            let value = format!(
                "{} {}",
                port.name.as_deref().unwrap_or_default(),
                port.container_port
            );
            self.report(path, value.trim(), "another port", message);
        }
    }

    fn mount(&mut self, path: &str, own: &[VolumeMount], mount: &VolumeMount) {
        let plain = |path: &str| path.trim_end_matches('/').to_owned();
        let hides = own
            .iter()
            .any(|own| plain(&own.mount_path) == plain(&mount.mount_path));
        if hides || own.iter().any(|own| own.name == mount.name) {
            let message = format!(
                "{path} mounts {:?} at {}, where the operator's Flink configuration is; choose another path, and \
                 write options into spec.flinkConfiguration",
                mount.name, mount.mount_path
            );
            self.report(path, &mount.mount_path, "another path", message);
        }
    }
}
