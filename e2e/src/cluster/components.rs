//! The command lines of the control plane's components.
//!
//! Every server listens on loopback only. The controller manager and the scheduler listen nowhere:
//! nothing here asks them anything, and two ports fewer can clash.

use std::{net::TcpListener, path::Path, process::Command};

use anyhow::{Context, Result};

use super::{
    pki::{Pki, write_private},
    state::RunDirectory,
};
use crate::tools::Tool;

/// The range that Services get their addresses from. Nothing routes there.
const SERVICE_RANGE: &str = "10.96.0.0/16";

/// The range that pods on paper get their addresses from. Nothing routes there.
pub const POD_RANGE: &str = "10.128.0.0/12";

/// The variables by which programs are told to use a proxy.
pub const PROXY_VARIABLES: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

/// The ports of one cluster.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// etcd, for the API server.
    pub etcd_client: u16,

    /// etcd, for other members, of which there are none; etcd insists.
    pub etcd_peer: u16,

    /// The API server.
    pub api_server: u16,
}

impl Ports {
    /// Three ports that are free now. Another process may take one before it is used; the start is
    /// then tried again with new ones.
    ///
    /// # Errors
    /// When loopback cannot be bound at all.
    pub fn choose() -> Result<Self> {
        // All three are held until all are chosen, so that they differ.
        let listeners = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)));
        let mut ports = [0; 3];
        for (port, listener) in ports.iter_mut().zip(&listeners) {
            let listener = listener.as_ref().map_err(|error| {
                anyhow::anyhow!("failed to find a free port on 127.0.0.1: {error}")
            })?;
            *port = listener
                .local_addr()
                .context("a listener has no address")?
                .port();
        }
        let [etcd_client, etcd_peer, api_server] = ports;
        Ok(Self {
            etcd_client,
            etcd_peer,
            api_server,
        })
    }

    /// The URL of the API server.
    #[must_use]
    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_server)
    }
}

/// Whether a component's log says that its port was taken by somebody else.
#[must_use]
pub fn lost_its_port(log: &str) -> bool {
    log.contains("address already in use")
}

/// One component of the control plane as a command, without its flags.
fn component(name: &str) -> Result<Command> {
    let mut command = Command::new(Tool::ControlPlane.path()?);
    command.arg(name);
    // The caller's configuration of kubectl and of proxies is none of the components' business.
    for variable in ["KUBECONFIG"].iter().chain(&PROXY_VARIABLES) {
        command.env_remove(variable);
    }
    Ok(command)
}

/// etcd, without waiting for the disk: nothing here has to survive a power cut.
pub fn etcd(directory: &RunDirectory, ports: &Ports) -> Result<Command> {
    let client = format!("http://127.0.0.1:{}", ports.etcd_client);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let mut command = component("etcd")?;
    command
        .arg(option("data-dir", directory.join("etcd")))
        .arg(option("listen-client-urls", &client))
        .arg(option("advertise-client-urls", &client))
        .arg(option("listen-peer-urls", &peer))
        .arg(option("initial-advertise-peer-urls", &peer))
        .arg(option("initial-cluster", format!("default={peer}")))
        .arg("--unsafe-no-fsync")
        // A thousand pools and ten thousand pods, with their history, fit well below this.
        .arg("--quota-backend-bytes=8589934592")
        .arg("--log-level=warn");
    Ok(command)
}

/// The API server, with an audit log of everything that people and operators ask for.
pub fn api_server(directory: &RunDirectory, pki: &Pki, ports: &Ports) -> Result<Command> {
    let policy = directory.join("audit-policy.yaml");
    write_private(&policy, AUDIT_POLICY)?;
    let mut command = component("kube-apiserver")?;
    command
        .arg(option(
            "etcd-servers",
            format!("http://127.0.0.1:{}", ports.etcd_client),
        ))
        .arg("--bind-address=127.0.0.1")
        .arg(option("secure-port", ports.api_server.to_string()))
        .arg("--advertise-address=127.0.0.1")
        // Endpoints may not name a loopback address, and nothing routes to them anyway.
        .arg("--endpoint-reconciler-type=none")
        .arg(option("tls-cert-file", pki.file("apiserver.crt")))
        .arg(option("tls-private-key-file", pki.file("apiserver.key")))
        .arg(option("client-ca-file", pki.file("ca.crt")))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(option(
            "service-account-key-file",
            pki.file("service-account.pub"),
        ))
        .arg(option(
            "service-account-signing-key-file",
            pki.file("service-account.key"),
        ))
        .arg("--authorization-mode=Node,RBAC")
        // Some distributions run it: who makes an owner wait for a child needs rights on the owner.
        .arg("--enable-admission-plugins=OwnerReferencesPermissionEnforcement")
        .arg("--anonymous-auth=false")
        .arg(option("service-cluster-ip-range", SERVICE_RANGE))
        .arg("--allow-privileged=true")
        .arg(option(
            "kubelet-client-certificate",
            pki.file("kubelet-client.crt"),
        ))
        .arg(option("kubelet-client-key", pki.file("kubelet-client.key")))
        .arg("--kubelet-preferred-address-types=InternalIP")
        .arg(option(
            "requestheader-client-ca-file",
            pki.file("front-proxy-ca.crt"),
        ))
        .arg("--requestheader-allowed-names=front-proxy")
        .arg("--requestheader-username-headers=X-Remote-User")
        .arg("--requestheader-group-headers=X-Remote-Group")
        .arg("--requestheader-extra-headers-prefix=X-Remote-Extra-")
        .arg(option(
            "proxy-client-cert-file",
            pki.file("front-proxy.crt"),
        ))
        .arg(option("proxy-client-key-file", pki.file("front-proxy.key")))
        .arg("--enable-aggregator-routing=true")
        .arg("--profiling=false")
        .arg(option("audit-policy-file", policy))
        .arg(option("audit-log-path", directory.join("audit.log")))
        // The reader follows one file, so it is never rotated.
        .arg("--audit-log-maxsize=0");
    Ok(command)
}

/// The controller manager. Its request rate is raised far above the default of 20 per second, so
/// that it is the API server that bounds a benchmark, and its autoscaler looks often, so that a test
/// of it is short.
pub fn controller_manager(pki: &Pki, kubeconfig: &Path) -> Result<Command> {
    let mut command = component("kube-controller-manager")?;
    command
        .arg(option("kubeconfig", kubeconfig))
        .arg("--secure-port=0")
        .arg(option("root-ca-file", pki.file("ca.crt")))
        .arg(option(
            "service-account-private-key-file",
            pki.file("service-account.key"),
        ))
        .arg(option("service-cluster-ip-range", SERVICE_RANGE))
        .arg("--use-service-account-credentials=true")
        .arg("--leader-elect=false")
        .arg("--horizontal-pod-autoscaler-sync-period=2s")
        .arg("--kube-api-qps=1000")
        .arg("--kube-api-burst=2000")
        .arg("--profiling=false");
    Ok(command)
}

/// The scheduler.
pub fn scheduler(kubeconfig: &Path) -> Result<Command> {
    let mut command = component("kube-scheduler")?;
    command
        .arg(option("kubeconfig", kubeconfig))
        .arg("--secure-port=0")
        .arg("--leader-elect=false")
        .arg("--kube-api-qps=1000")
        .arg("--kube-api-burst=2000")
        .arg("--profiling=false");
    Ok(command)
}

fn option(name: &str, value: impl AsRef<std::ffi::OsStr>) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(format!("--{name}="));
    text.push(value);
    text
}

/// What the audit log records: who asked for what and what came of it, without bodies, for
/// everybody but Kubernetes' own components, whose traffic would drown the rest.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    users: [system:apiserver, system:kube-controller-manager, system:kube-scheduler, kwok]
  - level: None
    userGroups: ['system:serviceaccounts:kube-system']
  - level: None
    nonResourceURLs: ['/readyz*', '/livez*', '/healthz*']
  - level: Metadata
";
