//! `cluster`: a real Kubernetes control plane on this machine, for the demo and for looking around.
//!
//! `up` starts a supervisor in the background, which keeps the cluster's processes as its children
//! until `down` ends it. While the cluster is not ready yet the supervisor ends with `up`, so an
//! interrupted `up` leaves nothing behind.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{BufRead, BufReader, IsTerminal, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use e2e::{
    Cluster, Controller, ControllerOptions, Options,
    cluster::{
        end,
        state::{Phase, RunDirectory, State},
    },
    process::{ProcessRecord, log_tail},
    tools::{self, Tool},
};
use rustix::process::{Signal, getppid, set_parent_process_death_signal, setsid};
use tokio::signal::unix::{SignalKind, signal};

/// A real Kubernetes control plane on this machine.
///
/// It consists of etcd, kube-apiserver, kube-controller-manager and kube-scheduler as Kubernetes
/// releases them, and of nodes on paper: pods are scheduled and run without a container being
/// started. It needs no root and no container runtime, and listens on 127.0.0.1 only.
///
/// The first `up` builds Kubernetes with Go, which takes some minutes; later ones take seconds.
/// Built programs and clusters are kept in $HEADROOM_CACHE, else $XDG_CACHE_HOME/headroom, else
/// ~/.cache/headroom; that directory may be deleted while no cluster is up.
#[derive(Debug, Parser)]
#[command(
    name = "cluster",
    after_help = "Examples:\n  \
        cluster up\n  \
        export KUBECONFIG=\"$(cluster kubeconfig)\"\n  \
        kubectl get nodes\n  \
        cluster exec helm list\n  \
        cluster down"
)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start a cluster and leave it up; does nothing when it is up already
    Up {
        #[command(flatten)]
        which: Which,

        /// How many nodes to make; each takes thousands of pods, which run on paper. With 0, pods stay pending
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=1000))]
        nodes: u16,

        /// A headroom-controller to run with the cluster, with all rights, until `down`
        #[arg(long, value_name = "PROGRAM")]
        controller: Option<PathBuf>,
    },
    /// End a cluster and remove everything that belongs to it
    Down {
        #[command(flatten)]
        which: Which,
    },
    /// Say how a cluster is; the exit code is 0 only when all of it runs
    Status {
        #[command(flatten)]
        which: Which,
    },
    /// Print the path of the kubeconfig that has all rights
    Kubeconfig {
        #[command(flatten)]
        which: Which,
    },
    /// Run a program against a cluster, with KUBECONFIG set
    ///
    /// helm and kubeconform are the ones this project pins, built when they are needed; kubectl is the one on
    /// PATH, else the one that comes with the control plane. Any other program is looked for on PATH.
    Exec {
        #[command(flatten)]
        which: Which,

        /// The program with its arguments
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "PROGRAM"
        )]
        command: Vec<OsString>,
    },
    /// Keep a cluster until SIGTERM; `up` starts this
    #[command(hide = true)]
    Supervise {
        #[command(flatten)]
        which: Which,
        #[arg(long)]
        nodes: u16,
        #[arg(long)]
        controller: Option<PathBuf>,
        /// The process id of `up`
        #[arg(long)]
        parent: i32,
    },
}

#[derive(Args, Clone, Debug)]
struct Which {
    /// The cluster's name: several clusters can be up side by side
    #[arg(long, default_value = "headroom", env = "HEADROOM_CLUSTER")]
    name: String,

    /// Where everything of the cluster lies, instead of a directory by its name in the cache
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

impl Which {
    fn directory(&self) -> Result<RunDirectory> {
        let by_name = RunDirectory::of_name(&self.name)?;
        self.dir.as_deref().map_or(Ok(by_name), RunDirectory::at)
    }

    /// The options that name the same cluster on a command line.
    fn flags(&self) -> String {
        let mut flags = String::new();
        if self.name != "headroom" {
            flags.push_str(&format!(" --name {}", self.name));
        }
        if let Some(directory) = &self.dir {
            flags.push_str(&format!(" --dir {}", directory.display()));
        }
        flags
    }
}

/// Prints a line, unless nobody reads it any more: `cluster up | head -1` is no reason to panic.
macro_rules! say {
    ($($argument:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($argument)*);
    }};
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().action).await {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(action: Action) -> Result<ExitCode> {
    match action {
        Action::Up {
            which,
            nodes,
            controller,
        } => up(&which, nodes, controller.as_deref()).await,
        Action::Down { which } => down(&which).await,
        Action::Status { which } => status(&which),
        Action::Kubeconfig { which } => {
            say!(
                "{}",
                Cluster::attach(which.directory()?)?.kubeconfig().display()
            );
            Ok(ExitCode::SUCCESS)
        }
        Action::Exec { which, command } => exec(&which, &command),
        Action::Supervise {
            which,
            nodes,
            controller,
            parent,
        } => supervise(&which, nodes, controller.as_deref(), parent).await,
    }
}

/// What the supervisor tells `up` when the cluster is ready and stays without it.
const READY: &str = "ready\n";

async fn up(which: &Which, nodes: u16, controller: Option<&Path>) -> Result<ExitCode> {
    let directory = which.directory()?;
    if let Some(state) = directory.state()?
        && state.owner.is_alive()
    {
        match Cluster::attach(directory).and_then(|cluster| cluster.check().map(|()| cluster)) {
            Ok(cluster) => {
                say!(
                    "cluster {} is up already: {}",
                    state.name,
                    summary(&cluster)
                );
                hints(which, &cluster);
                return Ok(ExitCode::SUCCESS);
            }
            Err(error) => bail!(
                "cluster {} is there but not well; end it with `cluster down`: {error:#}",
                state.name
            ),
        }
    }

    // In the foreground, where its progress is seen; the supervisor finds them built.
    Tool::Leash.path()?;
    Tool::ControlPlane.path()?;
    if nodes > 0 {
        Tool::Kwok.path()?;
    }

    directory.clear()?;
    let log = directory.join(RunDirectory::SUPERVISOR_LOG);
    let output =
        File::create(&log).with_context(|| format!("failed to create {}", log.display()))?;
    let mut command =
        Command::new(std::env::current_exe().context("failed to find the path of this program")?);
    command
        .arg("supervise")
        .args([
            "--name",
            &which.name,
            "--nodes",
            &nodes.to_string(),
            "--parent",
            &std::process::id().to_string(),
        ])
        .arg("--dir")
        .arg(directory.path())
        .args(
            controller
                .iter()
                .flat_map(|program| [OsStr::new("--controller"), program.as_os_str()]),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(output);
    if std::io::stderr().is_terminal() {
        eprint!("starting cluster {} …", which.name);
    }
    let mut supervisor = command.spawn().context("failed to start the supervisor")?;
    // One line when the cluster is ready and no longer ends with this process, or the end of the
    // stream. The state in cluster.json says ready a moment too early for that.
    let stdout = supervisor
        .stdout
        .take()
        .context("the supervisor has no standard output")?;
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map(|_| line)
    })
    .await
    .context("the reader of the supervisor's output panicked")?
    .context("failed to read the supervisor's output")?;
    if line != READY {
        let status = supervisor
            .wait()
            .context("failed to wait for the supervisor")?;
        let state = directory
            .state()?
            .filter(|state| state.owner.pid.unsigned_abs() == supervisor.id());
        match state.map(|state| state.phase) {
            Some(Phase::Failed { error }) => bail!("cluster {} did not start: {error}", which.name),
            _ => bail!(
                "cluster {} did not start ({status}); {}",
                which.name,
                log_tail(&log)
            ),
        }
    }
    let cluster = Cluster::attach(directory)?;
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[2K");
    }
    say!(
        "cluster {} is up after {:.1} s: {}",
        which.name,
        cluster.took().as_secs_f64(),
        summary(&cluster)
    );
    hints(which, &cluster);
    Ok(ExitCode::SUCCESS)
}

fn summary(cluster: &Cluster) -> String {
    let state = cluster.state();
    let nodes = if state.nodes == 1 {
        "1 node".to_owned()
    } else {
        format!("{} nodes", state.nodes)
    };
    format!(
        "Kubernetes {} with {nodes} at {}",
        state.kubernetes_version,
        cluster.server()
    )
}

fn hints(which: &Which, cluster: &Cluster) {
    let this = "cargo run -q -p e2e --bin cluster --";
    let flags = which.flags();
    say!();
    say!(
        "  use it     export KUBECONFIG={}",
        cluster.kubeconfig().display()
    );
    say!("  or         {this} exec{flags} kubectl get nodes");
    say!("  see it     {this} status{flags}");
    say!("  end it     {this} down{flags}");
}

async fn down(which: &Which) -> Result<ExitCode> {
    let directory = which.directory()?;
    match directory.state()? {
        None => say!("cluster {} is not up", which.name),
        Some(state) => {
            let started = Instant::now();
            end(&directory).await?;
            say!(
                "cluster {} is down after {:.1} s",
                state.name,
                started.elapsed().as_secs_f64()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn status(which: &Which) -> Result<ExitCode> {
    let directory = which.directory()?;
    let Some(state) = directory.state()? else {
        say!("cluster {} is not up", which.name);
        return Ok(ExitCode::FAILURE);
    };
    let all_alive = state.owner.is_alive() && state.processes.iter().all(ProcessRecord::is_alive);
    let (word, well) = match &state.phase {
        Phase::Ready { .. } if all_alive => ("ready", true),
        Phase::Ready { .. } => ("broken", false),
        Phase::Starting if state.owner.is_alive() => ("starting", false),
        Phase::Starting => ("ended while starting", false),
        Phase::Failed { .. } => ("failed", false),
    };
    say!("cluster {} is {word}", state.name);
    say!("  Kubernetes   {}", state.kubernetes_version);
    say!(
        "  server       {}",
        state.server.as_deref().unwrap_or("none yet")
    );
    say!("  directory    {}", directory.path().display());
    say!(
        "  kubeconfig   {}",
        directory.join("admin.kubeconfig").display()
    );
    if let Phase::Failed { error } = &state.phase {
        say!("  error        {error}");
    }
    say!();
    say!(
        "  {:<24} {:>8} {:>10} {:>10}",
        "process",
        "id",
        "memory",
        "CPU time"
    );
    let supervisor = ProcessRecord {
        name: String::from("supervisor"),
        ..state.owner.clone()
    };
    for process in state.processes.iter().chain([&supervisor]) {
        print_process(process);
    }
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print_process(process: &ProcessRecord) {
    match process.usage() {
        Ok(usage) => say!(
            "  {:<24} {:>8} {:>6} MiB {:>8.1} s",
            process.name,
            process.pid,
            usage.resident_bytes >> 20,
            usage.cpu.as_secs_f64()
        ),
        Err(_) => say!("  {:<24} {:>8} {:>10}", process.name, process.pid, "ended"),
    }
}

fn exec(which: &Which, command: &[OsString]) -> Result<ExitCode> {
    let cluster = Cluster::attach(which.directory()?)?;
    let (program, arguments) = command.split_first().context("no program was named")?;
    let (path, first) = match program.to_str() {
        Some("kubectl") => tools::kubectl()?,
        Some("helm") => (Tool::Helm.path()?, Vec::new()),
        Some("kubeconform") => (Tool::Kubeconform.path()?, Vec::new()),
        _ => (PathBuf::from(program), Vec::new()),
    };
    // This process becomes the program, so that its exit code and its signals are the program's.
    let error = Command::new(&path)
        .args(first)
        .args(arguments)
        .env("KUBECONFIG", cluster.kubeconfig())
        .exec();
    Err(error).with_context(|| format!("failed to run {}", path.display()))
}

async fn supervise(
    which: &Which,
    nodes: u16,
    controller: Option<&Path>,
    parent: i32,
) -> Result<ExitCode> {
    // A terminal that closes, and Ctrl-C in it, are no business of a cluster that is up.
    setsid().context("failed to leave the terminal's session")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    set_parent_process_death_signal(Some(Signal::TERM)).context("failed to follow the parent")?;
    if getppid().is_none_or(|found| found.as_raw_nonzero().get() != parent) {
        bail!("the process that asked for the cluster has ended");
    }

    let options = Options {
        name: which.name.clone(),
        nodes: usize::from(nodes),
        directory: which.dir.clone(),
    };
    let cluster = tokio::select! {
        cluster = Cluster::start(options) => cluster?,
        _ = terminate.recv() => {
            // Dropping the start has ended its processes.
            which.directory()?.remove()?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let controller = controller
        .map(|program| start_controller(&cluster, program))
        .transpose()?;
    set_parent_process_death_signal(None).context("failed to leave the parent")?;
    // Whoever waited for this line may be gone; the cluster is up all the same.
    let _ = std::io::stdout().write_all(READY.as_bytes());

    loop {
        tokio::select! {
            _ = terminate.recv() => {
                if let Some(controller) = &controller {
                    controller.stop().await?;
                }
                cluster.stop().await?;
                return Ok(ExitCode::SUCCESS);
            }
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
        let controller_runs = controller.as_ref().map_or(Ok(()), Controller::check);
        if let Err(error) = cluster.check().and(controller_runs) {
            // Half a cluster misleads; the rest ends with this process, and the logs stay.
            let error = format!("{error:#}");
            let state = State {
                phase: Phase::Failed {
                    error: error.clone(),
                },
                ..cluster.state().clone()
            };
            which.directory()?.write(&state)?;
            bail!(error);
        }
    }
}

/// Runs the controller beside the cluster and lists it among the cluster's processes.
fn start_controller(cluster: &Cluster, program: &Path) -> Result<Controller> {
    let log = cluster.directory().join("headroom-controller.log");
    let controller = ControllerOptions::new(program, cluster.kubeconfig(), &log)
        .arguments(["--bind-address", "127.0.0.1:0"])
        .start()?;
    let mut state = cluster.state().clone();
    state.processes.push(controller.record().clone());
    RunDirectory::at(cluster.directory())?.write(&state)?;
    Ok(controller)
}
