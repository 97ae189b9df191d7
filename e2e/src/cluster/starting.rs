//! A cluster on its way up: which component starts when, and what each waits for.
//!
//! A component that ended does not come back, so every wait here ends with it instead of at the
//! deadline. A start is tried again for one cause only: another process took a port in between.

use std::path::PathBuf;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};

use crate::{
    kwok,
    process::Process,
    wait::{Seen, wait_for},
};

use super::{
    Options, START_TIMEOUT, client_of,
    components::{self, Ports},
    kubeconfig::{self, Credential},
    pki::{self, Pki},
    state::{Phase, RunDirectory, State},
};

/// How often a start is tried again when another process took one of its ports in between.
const PORT_ATTEMPTS: u32 = 5;

/// A cluster on its way up.
pub struct Starting {
    pub directory: RunDirectory,
    pub pki: Pki,
    pub state: State,
    pub processes: Vec<Process>,
}

impl Starting {
    /// Starts everything and returns the kubeconfig with all rights when all of it answers.
    pub async fn run(
        &mut self,
        options: &Options,
        choose: impl FnMut() -> Result<Ports>,
    ) -> Result<PathBuf> {
        let kubeconfig = self.serve(choose).await?;

        let manager =
            self.write_kubeconfig("controller-manager", pki::Client::ControllerManager)?;
        self.launch(
            "kube-controller-manager",
            &components::controller_manager(&self.pki, &manager)?,
        )?;
        let scheduler = self.write_kubeconfig("scheduler", pki::Client::Scheduler)?;
        self.launch("kube-scheduler", &components::scheduler(&scheduler)?)?;
        let client = client_of(&kubeconfig).await?;
        if options.nodes > 0 {
            let kubelet = self.write_kubeconfig("kwok", pki::Client::Kwok)?;
            self.launch(
                "kwok",
                &kwok::command(&self.directory.join("kwok.yaml"), &kubelet)?,
            )?;
            kwok::create_nodes(&client, options.nodes).await?;
        }

        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
        wait_for("ServiceAccount default/default", START_TIMEOUT, || async {
            if let Some(error) = self.broken() {
                return Ok(Seen::Never(error));
            }
            Ok(Seen::when(
                accounts.get_opt("default").await?.is_some(),
                "no ServiceAccount",
            ))
        })
        .await?;
        if options.nodes > 0 {
            wait_for("nodes", START_TIMEOUT, || async {
                if let Some(error) = self.broken() {
                    return Ok(Seen::Never(error));
                }
                kwok::nodes_ready(&client, options.nodes).await
            })
            .await?;
        }
        Ok(kubeconfig)
    }

    /// Starts etcd and the API server, with new ports when another process took one, and waits
    /// until the API server is ready.
    async fn serve(&mut self, mut choose: impl FnMut() -> Result<Ports>) -> Result<PathBuf> {
        for attempt in 1.. {
            let ports = choose()?;
            self.state.server = Some(ports.server());
            self.state.processes.clear();
            self.processes.clear();
            // Both at once: the API server needs longer to get to its first question than etcd to
            // its first answer, and it asks again.
            self.launch("etcd", &components::etcd(&self.directory, &ports)?)?;
            self.launch(
                "kube-apiserver",
                &components::api_server(&self.directory, &self.pki, &ports)?,
            )?;
            let kubeconfig = self.write_kubeconfig("admin", pki::Client::Admin)?;
            let client = client_of(&kubeconfig).await?;
            let Err(error) = self.wait_until_ready(&client).await else {
                return Ok(kubeconfig);
            };

            let lost = self.processes.iter().any(|process| {
                process
                    .log()
                    .is_ok_and(|log| components::lost_its_port(&log))
            });
            if !lost || attempt == PORT_ATTEMPTS {
                return Err(error);
            }
            for process in &self.processes {
                process.kill().await?;
                std::fs::remove_file(process.log_path()).context("failed to remove a log")?;
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Waits until `/readyz` says so, or a component has ended.
    async fn wait_until_ready(&self, client: &Client) -> Result<()> {
        wait_for("kube-apiserver ready", START_TIMEOUT, || async {
            if let Some(error) = self.broken() {
                return Ok(Seen::Never(error));
            }
            let request = http::Request::get("/readyz")
                .body(Vec::new())
                .context("the request is well formed")?;
            let answer = client.request_text(request).await?;
            Ok(Seen::when(answer == "ok", answer))
        })
        .await
    }

    fn write_kubeconfig(&self, file: &str, client: pki::Client) -> Result<PathBuf> {
        let path = self.directory.join(&format!("{file}.kubeconfig"));
        let server = self
            .state
            .server
            .as_deref()
            .context("the server's port is not chosen yet")?;
        let credential = Credential::Certificate(self.pki.client(client));
        kubeconfig::write(
            &path,
            &self.state.name,
            server,
            self.pki.authority(),
            "default",
            credential,
        )?;
        Ok(path)
    }

    fn launch(&mut self, name: &str, command: &std::process::Command) -> Result<()> {
        let process = Process::start(name, command, &self.directory.join(&format!("{name}.log")))?;
        self.state.processes.push(process.record().clone());
        self.processes.push(process);
        self.directory.write(&self.state)
    }

    /// Why it makes no sense to wait any longer: a component that has ended does not come back.
    fn broken(&self) -> Option<anyhow::Error> {
        self.processes
            .iter()
            .find_map(|process| process.check().err())
    }

    /// Notes the failure where `cluster status` finds it, and ends what was started.
    pub fn failed(mut self, error: anyhow::Error) -> anyhow::Error {
        self.processes.clear();
        self.state.phase = Phase::Failed {
            error: format!("{error:#}"),
        };
        match self.directory.write(&self.state) {
            Ok(()) => error,
            Err(second) => error.context(format!("failed to note the failure: {second:#}")),
        }
    }
}
