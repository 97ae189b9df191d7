//! Which fields of a pod template are refused, so that a pool grants its author nothing that pods would.
//!
//! The measure is the Pod Security level `restricted`, plus what that level leaves to authorization: service
//! accounts, secrets, claims, devices, nodes. Every group can be allowed by the operator's flag, never by the
//! pool itself.

mod volumes;

use std::fmt::Display;

use k8s_openapi::{
    api::core::v1::{
        AppArmorProfile, Container, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
        SELinuxOptions, SeccompProfile, SecurityContext,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::budget::{Code, Conflict};

use super::{
    conflict::{At, removing},
    settings::{Allowance, FLAG, Settings},
};

/// SELinux types that the Pod Security level `restricted` accepts.
const CONFINED_SELINUX_TYPES: [&str; 5] = [
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

/// The one capability that the Pod Security level `restricted` lets a container add.
const ADDABLE_CAPABILITY: &str = "NET_BIND_SERVICE";

/// Every field of the template that the settings do not allow, as one conflict each.
pub(super) fn refused(template: &PodTemplateSpec, settings: &Settings) -> Vec<Conflict> {
    let mut check = Check {
        settings,
        conflicts: Vec::new(),
    };
    if let Some(metadata) = &template.metadata {
        check.metadata(metadata);
    }
    if let Some(spec) = &template.spec {
        check.pod(spec);
    }
    check.conflicts
}

struct Check<'a> {
    settings: &'a Settings,
    conflicts: Vec<Conflict>,
}

const SPEC: &str = "spec.podTemplate.spec";

impl Check<'_> {
    fn refuse(
        &mut self,
        allowance: Allowance,
        path: impl Into<String>,
        value: impl Display,
        why: &str,
    ) {
        if self.settings.pod_template_allowances.contains(&allowance) {
            return;
        }
        let path = path.into();
        let message = format!(
            "{path} {why}, which a pool may not ask for here; remove it, or start the operator with {FLAG}={allowance}"
        );
        let conflict = At::field(path, value.to_string()).error(
            Code::PodTemplateForbidden,
            "not set",
            message,
        );
        self.conflicts.push(removing(conflict));
    }

    fn refuse_if(
        &mut self,
        condition: bool,
        allowance: Allowance,
        path: String,
        value: impl Display,
        why: &str,
    ) {
        if condition {
            self.refuse(allowance, path, value, why);
        }
    }

    fn metadata(&mut self, metadata: &ObjectMeta) {
        for (key, value) in metadata.annotations.iter().flatten() {
            let path = format!("spec.podTemplate.metadata.annotations[{key}]");
            let confinement = key.starts_with("container.apparmor.security.beta.kubernetes.io/")
                || key.starts_with("seccomp.security.alpha.kubernetes.io/")
                || key.starts_with("container.seccomp.security.alpha.kubernetes.io/");
            let confined = value == "runtime/default" || value == "docker/default";
            self.refuse_if(
                confinement && !confined,
                Allowance::Privileged,
                path.clone(),
                value,
                "changes how the container is confined",
            );
            self.refuse_if(
                key == "kubernetes.io/config.mirror" || key == "kubernetes.io/config.source",
                Allowance::HostNamespaces,
                path,
                value,
                "marks the pods as the node's own",
            );
        }
    }

    fn pod(&mut self, spec: &PodSpec) {
        let namespaces = [
            ("hostNetwork", spec.host_network),
            ("hostPID", spec.host_pid),
            ("hostIPC", spec.host_ipc),
        ];
        for (name, value) in namespaces {
            self.refuse_if(
                value == Some(true),
                Allowance::HostNamespaces,
                format!("{SPEC}.{name}"),
                true,
                "joins a namespace of the node",
            );
        }
        let accounts = [
            ("serviceAccountName", &spec.service_account_name),
            ("serviceAccount", &spec.service_account),
        ];
        for (name, value) in accounts {
            if let Some(value) = value {
                self.refuse(
                    Allowance::ServiceAccount,
                    format!("{SPEC}.{name}"),
                    value,
                    "gives the pods the rights of a service account that is not the pool's own",
                );
            }
        }
        self.refuse_if(
            spec.automount_service_account_token == Some(true),
            Allowance::ServiceAccount,
            format!("{SPEC}.automountServiceAccountToken"),
            true,
            "gives the pods a token for the Kubernetes API",
        );
        for (index, secret) in spec.image_pull_secrets.iter().flatten().enumerate() {
            self.refuse(
                Allowance::Secrets,
                format!("{SPEC}.imagePullSecrets[{index}]"),
                &secret.name,
                "uses a secret; a secret for pulling images can also stand in the pool's ServiceAccount",
            );
        }
        if let Some(node) = &spec.node_name {
            self.refuse(
                Allowance::Scheduling,
                format!("{SPEC}.nodeName"),
                node,
                "goes past the scheduler",
            );
        }
        if let Some(class) = spec
            .priority_class_name
            .as_ref()
            .filter(|class| class.starts_with("system-"))
        {
            let path = format!("{SPEC}.priorityClassName");
            self.refuse(
                Allowance::Scheduling,
                path,
                class,
                "is a priority of the cluster's own components",
            );
        }
        if let Some(priority) = spec.priority {
            self.refuse(
                Allowance::Scheduling,
                format!("{SPEC}.priority"),
                priority,
                "sets a priority without a class",
            );
        }
        for (index, claim) in spec.resource_claims.iter().flatten().enumerate() {
            let path = format!("{SPEC}.resourceClaims[{index}]");
            self.refuse(
                Allowance::Devices,
                path,
                &claim.name,
                "takes devices of a resource claim",
            );
        }
        if let Some(context) = &spec.security_context {
            self.pod_security_context(context);
        }
        for (index, volume) in spec.volumes.iter().flatten().enumerate() {
            self.volume(&format!("{SPEC}.volumes[{index}]"), volume);
        }
        for (index, container) in spec.containers.iter().enumerate() {
            self.container(&format!("{SPEC}.containers[{index}]"), container);
        }
        for (index, container) in spec.init_containers.iter().flatten().enumerate() {
            self.container(&format!("{SPEC}.initContainers[{index}]"), container);
        }
    }

    fn pod_security_context(&mut self, context: &PodSecurityContext) {
        let path = format!("{SPEC}.securityContext");
        self.user(&path, context.run_as_user, context.run_as_non_root);
        self.profiles(
            &path,
            context.seccomp_profile.as_ref(),
            context.app_armor_profile.as_ref(),
            context.se_linux_options.as_ref(),
        );
        for (index, sysctl) in context.sysctls.iter().flatten().enumerate() {
            let path = format!("{path}.sysctls[{index}]");
            self.refuse(
                Allowance::Privileged,
                path,
                &sysctl.name,
                "sets a kernel parameter",
            );
        }
        self.refuse_if(
            context.windows_options.is_some(),
            Allowance::Privileged,
            format!("{path}.windowsOptions"),
            "set",
            "sets options of Windows nodes",
        );
    }

    fn container_security_context(&mut self, path: &str, context: &SecurityContext) {
        let path = format!("{path}.securityContext");
        self.user(&path, context.run_as_user, context.run_as_non_root);
        self.profiles(
            &path,
            context.seccomp_profile.as_ref(),
            context.app_armor_profile.as_ref(),
            context.se_linux_options.as_ref(),
        );
        let flags = [
            ("privileged", context.privileged),
            (
                "allowPrivilegeEscalation",
                context.allow_privilege_escalation,
            ),
        ];
        for (name, value) in flags {
            self.refuse_if(
                value == Some(true),
                Allowance::Privileged,
                format!("{path}.{name}"),
                true,
                "lets the container gain privileges",
            );
        }
        if let Some(mount) = context
            .proc_mount
            .as_ref()
            .filter(|mount| *mount != "Default")
        {
            self.refuse(
                Allowance::Privileged,
                format!("{path}.procMount"),
                mount,
                "uncovers the node's /proc",
            );
        }
        self.refuse_if(
            context.windows_options.is_some(),
            Allowance::Privileged,
            format!("{path}.windowsOptions"),
            "set",
            "sets options of Windows nodes",
        );
        if let Some(capabilities) = &context.capabilities {
            for (index, capability) in capabilities.add.iter().flatten().enumerate() {
                self.refuse_if(
                    capability != ADDABLE_CAPABILITY,
                    Allowance::Capabilities,
                    format!("{path}.capabilities.add[{index}]"),
                    capability,
                    "adds a capability",
                );
            }
            if let Some(drop) = capabilities
                .drop
                .as_ref()
                .filter(|drop| !drop.iter().any(|name| name == "ALL"))
            {
                self.refuse(
                    Allowance::Capabilities,
                    format!("{path}.capabilities.drop"),
                    drop.join(","),
                    "drops fewer capabilities than ALL",
                );
            }
        }
    }

    fn user(&mut self, path: &str, user: Option<i64>, non_root: Option<bool>) {
        let root = "runs as root";
        self.refuse_if(
            user == Some(0),
            Allowance::Privileged,
            format!("{path}.runAsUser"),
            0,
            root,
        );
        self.refuse_if(
            non_root == Some(false),
            Allowance::Privileged,
            format!("{path}.runAsNonRoot"),
            false,
            root,
        );
    }

    fn profiles(
        &mut self,
        path: &str,
        seccomp: Option<&SeccompProfile>,
        app_armor: Option<&AppArmorProfile>,
        se_linux: Option<&SELinuxOptions>,
    ) {
        let confined = |kind: &str| kind == "RuntimeDefault" || kind == "Localhost";
        let why = "leaves the container unconfined";
        if let Some(profile) = seccomp.filter(|profile| !confined(&profile.type_)) {
            self.refuse(
                Allowance::Privileged,
                format!("{path}.seccompProfile.type"),
                &profile.type_,
                why,
            );
        }
        if let Some(profile) = app_armor.filter(|profile| !confined(&profile.type_)) {
            self.refuse(
                Allowance::Privileged,
                format!("{path}.appArmorProfile.type"),
                &profile.type_,
                why,
            );
        }
        if let Some(options) = se_linux {
            let path = format!("{path}.seLinuxOptions");
            let kind = options.type_.as_deref().unwrap_or_default();
            self.refuse_if(
                !CONFINED_SELINUX_TYPES.contains(&kind),
                Allowance::Privileged,
                format!("{path}.type"),
                kind,
                why,
            );
            for (name, value) in [("user", &options.user), ("role", &options.role)] {
                if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                    self.refuse(Allowance::Privileged, format!("{path}.{name}"), value, why);
                }
            }
        }
    }

    fn container(&mut self, path: &str, container: &Container) {
        if let Some(context) = &container.security_context {
            self.container_security_context(path, context);
        }
        for (index, port) in container.ports.iter().flatten().enumerate() {
            let path = format!("{path}.ports[{index}]");
            let why = "opens a port of the node";
            if let Some(port) = port.host_port.filter(|port| *port != 0) {
                self.refuse(
                    Allowance::HostNamespaces,
                    format!("{path}.hostPort"),
                    port,
                    why,
                );
            }
            if let Some(address) = port.host_ip.as_ref().filter(|address| !address.is_empty()) {
                self.refuse(
                    Allowance::HostNamespaces,
                    format!("{path}.hostIP"),
                    address,
                    why,
                );
            }
        }
        for (index, variable) in container.env.iter().flatten().enumerate() {
            let secret = variable
                .value_from
                .as_ref()
                .and_then(|source| source.secret_key_ref.as_ref());
            if let Some(secret) = secret {
                let path = format!("{path}.env[{index}].valueFrom.secretKeyRef");
                self.refuse(Allowance::Secrets, path, &secret.name, "reads a secret");
            }
        }
        for (index, source) in container.env_from.iter().flatten().enumerate() {
            if let Some(secret) = &source.secret_ref {
                let path = format!("{path}.envFrom[{index}].secretRef");
                self.refuse(Allowance::Secrets, path, &secret.name, "reads a secret");
            }
        }
        for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
            if let Some(propagation) = mount
                .mount_propagation
                .as_ref()
                .filter(|mode| *mode == "Bidirectional")
            {
                let path = format!("{path}.volumeMounts[{index}].mountPropagation");
                self.refuse(
                    Allowance::Privileged,
                    path,
                    propagation,
                    "mounts into the node",
                );
            }
        }
        for (index, claim) in container
            .resources
            .iter()
            .flat_map(|resources| resources.claims.iter().flatten())
            .enumerate()
        {
            let path = format!("{path}.resources.claims[{index}]");
            self.refuse(
                Allowance::Devices,
                path,
                &claim.name,
                "takes devices of a resource claim",
            );
        }
        let probes = [
            ("livenessProbe", &container.liveness_probe),
            ("readinessProbe", &container.readiness_probe),
            ("startupProbe", &container.startup_probe),
        ];
        for (name, probe) in probes {
            if let Some(probe) = probe {
                self.probe(&format!("{path}.{name}"), probe);
            }
        }
        let hooks = container.lifecycle.iter().flat_map(|lifecycle| {
            [
                ("postStart", lifecycle.post_start.as_ref()),
                ("preStop", lifecycle.pre_stop.as_ref()),
            ]
        });
        for (name, hook) in hooks {
            let Some(hook) = hook else { continue };
            let http = hook.http_get.as_ref().and_then(|get| get.host.as_ref());
            let tcp = hook
                .tcp_socket
                .as_ref()
                .and_then(|socket| socket.host.as_ref());
            self.probed_host(&format!("{path}.lifecycle.{name}.httpGet.host"), http);
            self.probed_host(&format!("{path}.lifecycle.{name}.tcpSocket.host"), tcp);
        }
    }

    fn probe(&mut self, path: &str, probe: &Probe) {
        let http = probe.http_get.as_ref().and_then(|get| get.host.as_ref());
        let tcp = probe
            .tcp_socket
            .as_ref()
            .and_then(|socket| socket.host.as_ref());
        self.probed_host(&format!("{path}.httpGet.host"), http);
        self.probed_host(&format!("{path}.tcpSocket.host"), tcp);
    }

    fn probed_host(&mut self, path: &str, host: Option<&String>) {
        if let Some(host) = host.filter(|host| !host.is_empty()) {
            self.refuse(
                Allowance::HostNamespaces,
                path,
                host,
                "makes the node connect to a host",
            );
        }
    }
}
