//! `make demo`: a newcomer's first look at Headroom, on a real Kubernetes control plane.
//!
//! Every command that it runs is printed the way a person would type it, followed by what it printed.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use e2e::{
    Cluster, Seen,
    cluster::state::RunDirectory,
    controller::{Profile, Target, build},
    programs, wait_for,
};
use headroom::api::v1alpha1::{TaskManagerPool, TaskManagerPoolStatus};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use tokio::process::Command;

/// The cluster that the demo leaves up.
const CLUSTER: &str = "demo";

/// How long the control plane and the controller may take for one step.
const WITHIN: Duration = Duration::from_secs(30);

/// A first look at Headroom: starts a real control plane, runs the controller, applies two pools.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Arguments {
    /// Take everything down at the end instead of leaving the cluster up to look around in
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = run().await;
    if arguments.once || result.is_err() {
        if let Err(error) = cluster_command(&["down", "--name", CLUSTER]).await {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    } else {
        epilogue();
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    heading("Building the controller and the command line");
    let controller = build(
        "headroom",
        Target::Binary("headroom-controller"),
        Profile::Debug,
    )?;
    let headroom = build("headroom", Target::Binary("headroom"), Profile::Debug)?;
    println!("built");

    heading("A real Kubernetes control plane, and the controller beside it");
    cluster_command(&["down", "--name", CLUSTER]).await?;
    let program = controller.to_string_lossy();
    cluster_command(&["up", "--name", CLUSTER, "--controller", &program]).await?;
    let cluster = Cluster::attach(RunDirectory::of_name(CLUSTER)?)?;
    let demo = Demo {
        client: cluster.client().await?,
        cluster,
        headroom,
    };

    heading("The resource TaskManagerPool");
    demo.kubectl(&[
        "apply",
        "--server-side",
        "-f",
        "crds/headroom.dev_taskmanagerpools.yaml",
    ])
    .await?;
    demo.kubectl(&[
        "wait",
        "--for=condition=Established",
        "customresourcedefinition/taskmanagerpools.headroom.dev",
        "--timeout=30s",
    ])
    .await?;

    heading("A pool: one number, the container's limit, becomes every size that Flink needs");
    demo.kubectl(&["apply", "-f", "examples/demo/clicks.yaml"])
        .await?;
    demo.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "taskmanagerpool/clicks",
        "--timeout=30s",
    ])
    .await?;
    demo.kubectl(&["get", "taskmanagerpools", "-o", "wide"])
        .await?;
    demo.kubectl(&[
        "get",
        "deployment,configmap,poddisruptionbudget,serviceaccount,pod",
        "-l",
        "app.kubernetes.io/instance=clicks",
    ])
    .await?;
    println!("The same answer without a cluster, with the reason for every number:\n");
    demo.headroom(&["explain", "examples/demo/clicks.yaml"])
        .await?;

    heading("A second pool that works, and then a hurried edit");
    demo.kubectl(&["apply", "-f", "examples/demo/orders.yaml"])
        .await?;
    demo.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "taskmanagerpool/orders",
        "--timeout=30s",
    ])
    .await?;
    let before = demo.deployment("orders").await?;
    demo.kubectl(&["apply", "-f", "examples/demo/orders-wrong.yaml"])
        .await?;
    let status = demo.wait_for_conflicts("orders").await?;
    demo.kubectl(&["get", "taskmanagerpools"]).await?;
    print_conflicts(&status);
    let after = demo.deployment("orders").await?;
    let same = before.metadata.uid == after.metadata.uid
        && before.metadata.generation == after.metadata.generation;
    ensure!(
        same,
        "the Deployment of the pool with conflicts was changed"
    );
    println!(
        "The Deployment orders is untouched: generation {} before, {} after; its pods go on.",
        before.metadata.generation.unwrap_or_default(),
        after.metadata.generation.unwrap_or_default()
    );
    demo.kubectl(&["get", "deployment", "orders"]).await
}

struct Demo {
    cluster: Cluster,
    client: kube::Client,
    headroom: PathBuf,
}

impl Demo {
    /// Runs kubectl and prints the command and what it printed.
    async fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        prompt("kubectl", arguments);
        let arguments: Vec<String> = arguments
            .iter()
            .map(|argument| match argument.strip_suffix(".yaml") {
                Some(_) => repository().join(argument).to_string_lossy().into_owned(),
                None => (*argument).to_owned(),
            })
            .collect();
        println!("{}", self.cluster.kubectl(&arguments).await?.success()?);
        Ok(())
    }

    /// Runs the command line and prints the command and what it printed.
    async fn headroom(&self, arguments: &[&str]) -> Result<()> {
        prompt("headroom", arguments);
        let mut command = Command::new(&self.headroom);
        command.args(arguments).current_dir(repository());
        println!("{}", programs::run(command, "").await?.success()?);
        Ok(())
    }

    async fn deployment(&self, name: &str) -> Result<Deployment> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), "default");
        api.get(name)
            .await
            .with_context(|| format!("failed to read the Deployment {name}"))
    }

    async fn wait_for_conflicts(&self, name: &str) -> Result<TaskManagerPoolStatus> {
        let api: Api<TaskManagerPool> = Api::namespaced(self.client.clone(), "default");
        let api = &api;
        wait_for(format!("the conflicts of {name}"), WITHIN, || async move {
            let pool = api.get(name).await?;
            let status = pool.status.unwrap_or_default();
            let current = status.observed_generation == pool.metadata.generation;
            Ok(if current && !status.conflicts.is_empty() {
                Seen::Done(status)
            } else {
                Seen::NotYet(format!("{status:?}"))
            })
        })
        .await
    }
}

/// The conflicts as they stand in status, each with its fixes.
fn print_conflicts(status: &TaskManagerPoolStatus) {
    println!("status.conflicts of orders, all of them at once:\n");
    for (index, conflict) in status.conflicts.iter().enumerate() {
        println!("{}. {} ({:?})", index + 1, conflict.code, conflict.severity);
        println!("   {}", conflict.message);
        for suggestion in &conflict.suggestions {
            match &suggestion.value {
                Some(value) => println!("   fix: set {} to {value}", suggestion.field_path),
                None => println!("   fix: remove {}", suggestion.field_path),
            }
        }
        println!();
    }
}

fn epilogue() {
    let cluster = "cargo run -q -p e2e --bin cluster --";
    println!();
    println!("The cluster stays up. Look around:");
    println!("  export KUBECONFIG=\"$({cluster} kubeconfig --name {CLUSTER})\"");
    println!("  kubectl get tmpool -o wide");
    println!("  kubectl explain taskmanagerpool.spec.memory");
    println!("  kubectl get tmpool orders -o yaml");
    println!("  kubectl scale tmpool clicks --replicas 5");
    println!("  kubectl apply -f examples/pools");
    println!("  kubectl apply -f examples/demo/orders.yaml     # mends the second pool");
    println!("End it:");
    println!("  {cluster} down --name {CLUSTER}");
}

/// Runs the program `cluster`, which was built with this one, in the foreground.
async fn cluster_command(arguments: &[&str]) -> Result<()> {
    let this = std::env::current_exe().context("failed to find the path of this program")?;
    let status = Command::new(this.with_file_name("cluster"))
        .args(arguments)
        .status()
        .await
        .context("failed to run the program cluster")?;
    ensure!(status.success(), "cluster {} failed", arguments.join(" "));
    Ok(())
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn heading(text: &str) {
    if std::io::stdout().is_terminal() {
        println!("\n\x1b[1m== {text}\x1b[0m\n");
    } else {
        println!("\n== {text}\n");
    }
}

fn prompt(program: &str, arguments: &[&str]) {
    println!("$ {program} {}", arguments.join(" "));
}
