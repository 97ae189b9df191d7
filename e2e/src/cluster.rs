//! A real Kubernetes control plane: started, watched and ended.
//!
//! The processes are etcd, kube-apiserver, kube-controller-manager, kube-scheduler and, when there
//! are nodes, kwok. They end with the process that started them, listen on loopback only, need no
//! root, and write nowhere but into the cluster's run directory.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Namespace, ServiceAccount},
};
use kube::{
    Api, Client, Config,
    api::{ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{
    audit::Audit,
    process::{Process, ProcessRecord, Usage, end_all, log_tail},
    tools::Tool,
    wait::{Seen, wait_for},
};

mod components;
pub(crate) use components::{POD_RANGE, PROXY_VARIABLES};
pub mod kubeconfig;
pub mod pki;
mod starting;
pub mod state;

use components::Ports;
use kubeconfig::Credential;
use pki::Pki;
use starting::Starting;
use state::{Phase, RunDirectory, State};

/// How long a start may take before it is given up. It takes a few seconds; a host that is busy
/// with builds needs more.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// What cluster to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster's name; it names the context in the kubeconfig and the run directory.
    pub name: String,

    /// How many nodes to make. Each takes thousands of pods, which run on paper. Without nodes
    /// there is no kwok either, and pods stay pending.
    pub nodes: usize,

    /// Where everything of the cluster lies; a new directory under the cache directory when absent,
    /// which a later start removes once the cluster's owner has ended.
    pub directory: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: String::from("test"),
            nodes: 1,
            directory: None,
        }
    }
}

/// A control plane that runs.
///
/// Cheap to clone. The cluster ends when the last clone of the one that started it is dropped, or
/// with the process, whichever comes first. A cluster found with [`Cluster::attach`] belongs to
/// another process and stays.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    directory: RunDirectory,
    state: State,
    server: String,
    authority: String,
    kubeconfig: PathBuf,
    /// Empty when the cluster belongs to another process.
    processes: Vec<Process>,
    took: Duration,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Cluster")
            .field("name", &self.0.state.name)
            .field("server", &self.0.server)
            .field("directory", &self.0.directory.path())
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// The cluster that all tests of this process share, with two nodes; started by whoever asks
    /// first, ended with the process.
    ///
    /// # Errors
    /// When it cannot be started. Everybody gets the same error then, instead of trying again.
    pub async fn shared() -> Result<Self> {
        static SHARED: tokio::sync::OnceCell<Result<Cluster, String>> =
            tokio::sync::OnceCell::const_new();
        let options = Options {
            name: String::from("shared"),
            nodes: 2,
            directory: None,
        };
        let shared = SHARED
            .get_or_init(|| async {
                Self::start(options)
                    .await
                    .map_err(|error| format!("{error:#}"))
            })
            .await;
        match shared {
            Ok(cluster) => {
                cluster.check()?;
                Ok(cluster.clone())
            }
            Err(error) => bail!("the shared cluster could not be started: {error}"),
        }
    }

    /// Starts a control plane and returns when it serves: the API server is ready, the namespace
    /// `default` has its ServiceAccount (without which no pod is admitted), and the nodes are ready.
    ///
    /// # Errors
    /// When a tool cannot be built, or a component ends or does not get ready in two minutes; with
    /// the end of its log. Nothing is left running then, but the run directory stays, for its logs.
    pub async fn start(options: Options) -> Result<Self> {
        Self::start_on(options, Ports::choose).await
    }

    /// Starts a control plane on ports that `choose` finds, which it is asked for again when another
    /// process took one in between.
    async fn start_on(options: Options, choose: impl FnMut() -> Result<Ports>) -> Result<Self> {
        // A first build takes minutes, which must not block the runtime.
        let nodes = options.nodes;
        tokio::task::spawn_blocking(move || -> Result<()> {
            Tool::Leash.path()?;
            Tool::ControlPlane.path()?;
            if nodes > 0 {
                Tool::Kwok.path()?;
            }
            Ok(())
        })
        .await
        .context("the build of the tools panicked")??;

        let started = Instant::now();
        state::sweep()?;
        let directory = match &options.directory {
            Some(path) => RunDirectory::at(path)?,
            None => RunDirectory::temporary(&options.name)?,
        };
        let state = State {
            name: options.name.clone(),
            owner: ProcessRecord::of_self()?,
            phase: Phase::Starting,
            server: None,
            kubernetes_version: Tool::ControlPlane.version()?,
            nodes: options.nodes,
            processes: Vec::new(),
        };
        directory.occupy(&state)?;
        let pki = Pki::create(&directory.join("pki"))?;

        let mut starting = Starting {
            directory,
            pki,
            state,
            processes: Vec::new(),
        };
        match tokio::time::timeout(START_TIMEOUT, starting.run(&options, choose)).await {
            Ok(Ok(kubeconfig)) => {
                let took = started.elapsed();
                starting.state.phase = Phase::Ready {
                    took_millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                };
                starting.directory.write(&starting.state)?;
                Ok(Self(Arc::new(Inner {
                    server: starting
                        .state
                        .server
                        .clone()
                        .context("a ready cluster has no server")?,
                    authority: starting.pki.authority().to_owned(),
                    directory: starting.directory,
                    state: starting.state,
                    kubeconfig,
                    processes: starting.processes,
                    took,
                })))
            }
            Ok(Err(error)) => Err(starting.failed(error)),
            Err(_) => {
                let names: Vec<_> = starting
                    .processes
                    .iter()
                    .map(|process| log_tail(process.log_path()))
                    .collect();
                let error = anyhow::anyhow!(
                    "the cluster was not ready after {START_TIMEOUT:?}\n{}",
                    names.join("\n")
                );
                Err(starting.failed(error))
            }
        }
    }

    /// Finds a cluster that another process keeps, by its run directory.
    ///
    /// # Errors
    /// When there is none, or it is not ready.
    pub fn attach(directory: RunDirectory) -> Result<Self> {
        let state = directory.state()?.with_context(|| {
            format!(
                "no cluster in {}; start one with `cluster up`",
                directory.path().display()
            )
        })?;
        if !state.owner.is_alive() {
            bail!(
                "cluster {} has ended; start it with `cluster up`",
                state.name
            );
        }
        let Phase::Ready { took_millis } = state.phase else {
            bail!("cluster {} is not ready; see `cluster status`", state.name);
        };
        let path = directory.join("pki").join("ca.crt");
        let authority = std::fs::read_to_string(&path)
            .with_context(|| format!("failed to read {}", path.display()))?;
        Ok(Self(Arc::new(Inner {
            server: state
                .server
                .clone()
                .context("a ready cluster has no server")?,
            authority,
            kubeconfig: directory.join("admin.kubeconfig"),
            directory,
            state,
            processes: Vec::new(),
            took: Duration::from_millis(took_millis),
        })))
    }

    /// A client with all rights. Each belongs to the runtime that it was made in, so every test
    /// makes its own.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub async fn client(&self) -> Result<Client> {
        client_of(&self.0.kubeconfig).await
    }

    /// The kubeconfig with all rights, for programs that take one.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.0.kubeconfig
    }

    /// The URL of the API server.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.0.server
    }

    /// Where everything of the cluster lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.0.directory.path()
    }

    /// What was started.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.0.state
    }

    /// How long the start took, builds of tools not counted.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.0.took
    }

    /// The record of what everybody but Kubernetes' own components asked the API server for.
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit::new(
            self.0.directory.join("audit.log"),
            self.0.kubeconfig.clone(),
        )
    }

    /// Fails when a component has ended, with the end of its log.
    ///
    /// # Errors
    /// See above.
    pub fn check(&self) -> Result<()> {
        if !self.0.processes.is_empty() {
            return self.0.processes.iter().try_for_each(Process::check);
        }
        // Another process's children: that they are gone can be seen, their status cannot.
        match self
            .0
            .state
            .processes
            .iter()
            .find(|process| !process.is_alive())
        {
            Some(process) => bail!(
                "{} has ended; {}",
                process.name,
                log_tail(&self.0.directory.join(&format!("{}.log", process.name)))
            ),
            None => Ok(()),
        }
    }

    /// Memory and processor time of each component.
    ///
    /// # Errors
    /// When one has ended.
    pub fn usage(&self) -> Result<Vec<(String, Usage)>> {
        self.0
            .state
            .processes
            .iter()
            .map(|process| Ok((process.name.clone(), process.usage()?)))
            .collect()
    }

    /// Makes a namespace with a name of its own that starts with `prefix`, and returns the name.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let namespaces: Api<Namespace> = Api::all(self.client().await?);
        let metadata = ObjectMeta {
            generate_name: Some(format!("{prefix}-")),
            ..ObjectMeta::default()
        };
        let made = namespaces
            .create(
                &PostParams::default(),
                &Namespace {
                    metadata,
                    ..Namespace::default()
                },
            )
            .await
            .with_context(|| format!("failed to create a namespace {prefix}-…"))?;
        let name = made
            .metadata
            .name
            .context("a created namespace has no name")?;
        // A pod is refused until its namespace has the ServiceAccount that it runs as.
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, &name);
        wait_for(
            format!("namespace {name}: ServiceAccount default"),
            Duration::from_secs(30),
            || async {
                Ok(Seen::when(
                    accounts.get_opt("default").await?.is_some(),
                    "no ServiceAccount",
                ))
            },
        )
        .await?;
        Ok(name)
    }

    /// Writes a kubeconfig with the rights of a ServiceAccount and no others, and returns its path.
    /// Its token is valid for a day.
    ///
    /// # Errors
    /// When there is no such ServiceAccount.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(24 * 3600),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .with_context(|| {
                format!("failed to get a token for ServiceAccount {namespace}/{name}")
            })?;
        let token = answer
            .status
            .context("a token request was answered without a token")?
            .token;
        let path = self
            .0
            .directory
            .join(&format!("{namespace}.{name}.kubeconfig"));
        let context = format!("{}-{namespace}-{name}", self.0.state.name);
        kubeconfig::write(
            &path,
            &context,
            &self.0.server,
            &self.0.authority,
            namespace,
            Credential::Token(&token),
        )?;
        Ok(path)
    }

    /// Ends the cluster that this process started, and removes its run directory.
    ///
    /// # Errors
    /// When a process cannot be ended.
    pub async fn stop(self) -> Result<()> {
        if self.0.processes.is_empty() {
            bail!(
                "cluster {} belongs to another process; end it with `cluster down`",
                self.0.state.name
            );
        }
        stop_in_order(&self.0.processes).await?;
        self.0.directory.remove()
    }
}

/// Ends a cluster that another process keeps, and removes its run directory.
///
/// # Errors
/// When a process cannot be ended.
pub async fn end(directory: &RunDirectory) -> Result<()> {
    let Some(state) = directory.state()? else {
        return Ok(());
    };
    // The owner ends its processes in order; whatever is left then is ended one by one.
    end_owner(&state.owner).await?;
    end_all(&state.processes).await?;
    directory.remove()
}

/// Ends the process that keeps a cluster, and lets it end what it started first.
async fn end_owner(owner: &ProcessRecord) -> Result<()> {
    owner.signal(rustix::process::Signal::TERM)?;
    let deadline = Instant::now() + crate::process::GRACE * 3;
    while owner.is_alive() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    end_all(std::slice::from_ref(owner)).await
}

/// A client for any kubeconfig.
///
/// # Errors
/// When the kubeconfig cannot be read or is wrong.
pub async fn client_of(kubeconfig: &Path) -> Result<Client> {
    let read = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("failed to read {}", kubeconfig.display()))?;
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("{} is not usable", kubeconfig.display()))?;
    // The cluster is on this machine, whatever proxy the environment names for the rest of the world.
    config.proxy_url = None;
    Client::try_from(config).context("failed to make a client")
}

/// Ends those that ask before those that answer: a server that nobody watches ends at once.
async fn stop_in_order(processes: &[Process]) -> Result<()> {
    let is_server =
        |process: &&Process| matches!(process.record().name.as_str(), "kube-apiserver" | "etcd");
    let clients: Vec<_> = processes
        .iter()
        .filter(|process| !is_server(process))
        .cloned()
        .collect();
    futures::future::try_join_all(clients.iter().map(Process::stop)).await?;
    for server in processes.iter().filter(is_server).rev() {
        server.stop().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn options(name: &str) -> Options {
        Options {
            name: String::from(name),
            nodes: 0,
            directory: None,
        }
    }

    #[tokio::test]
    async fn a_port_that_was_taken_in_between_costs_another_attempt() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).expect("loopback can be bound");
        let taken = taken
            .local_addr()
            .map(|address| (address.port(), taken))
            .expect("it has an address");
        let mut attempts = 0;
        let cluster = Cluster::start_on(options("taken"), || {
            attempts += 1;
            let mut ports = Ports::choose()?;
            match attempts {
                1 => ports.api_server = taken.0,
                2 => ports.etcd_client = taken.0,
                _ => {}
            }
            Ok(ports)
        })
        .await
        .expect("the third attempt has free ports");
        assert_eq!(attempts, 3);
        cluster.stop().await.expect("it can be stopped");
    }

    #[tokio::test]
    async fn another_cause_ends_the_start_at_once_and_is_told() {
        let mut attempts = 0;
        let error = Cluster::start_on(options("wrong"), || {
            attempts += 1;
            Ok(Ports {
                api_server: 0,
                ..Ports::choose()?
            })
        })
        .await
        .expect_err("the API server takes no port 0");
        let error = format!("{error:#}");
        assert_eq!(attempts, 1, "{error}");
        assert!(
            error.contains("kube-apiserver ended") && error.contains("--secure-port"),
            "{error}"
        );
    }
}
