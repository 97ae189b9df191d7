//! The command `cluster`: it leaves a cluster up, ends it, and leaves nothing behind when it is
//! interrupted.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use e2e::{
    Seen,
    cluster::state::{Phase, RunDirectory, State},
    process::ProcessRecord,
    tools::Tool,
    wait_for,
};
use rustix::process::Signal;

const WITHIN: Duration = Duration::from_secs(60);

/// A run directory that is removed at the end, when the cluster in it was ended.
struct Run(RunDirectory);

impl Run {
    fn new(name: &str) -> Result<Self> {
        // What the command builds when it is missing is not what these tests are about.
        for tool in [Tool::Leash, Tool::ControlPlane, Tool::Kwok] {
            tool.path()?;
        }
        let path = std::env::temp_dir().join(format!("headroom-{name}-{}", std::process::id()));
        Ok(Self(RunDirectory::at(&path)?))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, action: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
        command
            .arg(action)
            .args(["--name", "e2e", "--dir"])
            .arg(self.path());
        command
    }

    fn run(&self, action: &str) -> Result<Output> {
        self.command(action)
            .output()
            .with_context(|| format!("failed to run cluster {action}"))
    }

    fn state(&self) -> Result<State> {
        self.0.state()?.context("there is no cluster.json")
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Ok(Some(state)) = self.0.state() {
            for process in state.processes.iter().chain([&state.owner]) {
                let _ = process.signal(Signal::KILL);
            }
        }
        let _ = self.0.remove();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeded(output: &Output) -> Result<String> {
    ensure!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    Ok(text(&output.stdout))
}

async fn wait_until_gone(processes: &[ProcessRecord]) -> Result<()> {
    wait_for("no process left", WITHIN, || async {
        let left: Vec<_> = processes
            .iter()
            .filter(|process| process.is_alive())
            .collect();
        Ok(Seen::when(left.is_empty(), &left))
    })
    .await
}

#[tokio::test]
async fn up_leaves_a_cluster_up_and_down_ends_it() -> Result<()> {
    let run = Run::new("up")?;
    let told = text(&run.run("status")?.stdout);
    assert_eq!(told, "cluster e2e is not up\n");

    let told = succeeded(&run.run("up")?)?;
    assert!(told.starts_with("cluster e2e is up after "), "{told}");
    let state = run.state()?;
    assert!(matches!(state.phase, Phase::Ready { .. }));
    assert_eq!(state.processes.len(), 5);
    let told = succeeded(&run.run("up")?)?;
    assert!(told.starts_with("cluster e2e is up already: "), "{told}");
    assert_eq!(run.state()?.owner, state.owner);

    let told = succeeded(&run.run("status")?)?;
    assert!(
        told.starts_with("cluster e2e is ready\n") && told.contains("kube-scheduler"),
        "{told}"
    );
    let kubeconfig = PathBuf::from(succeeded(&run.run("kubeconfig")?)?.trim());
    assert!(kubeconfig.is_file());
    let nodes = run
        .command("exec")
        .args(["kubectl", "get", "nodes", "-o", "name"])
        .output()?;
    assert_eq!(succeeded(&nodes)?, "node/node-0\nnode/node-1\n");

    let told = succeeded(&run.run("down")?)?;
    assert!(told.starts_with("cluster e2e is down after "), "{told}");
    assert!(
        ![&state.processes[..], &[state.owner]]
            .concat()
            .iter()
            .any(ProcessRecord::is_alive)
    );
    assert!(!run.path().exists());
    assert_eq!(succeeded(&run.run("down")?)?, "cluster e2e is not up\n");
    Ok(())
}

#[tokio::test]
async fn a_killed_supervisor_leaves_no_process_and_the_next_up_works() -> Result<()> {
    let run = Run::new("killed")?;
    succeeded(&run.command("up").args(["--nodes", "1"]).output()?)?;
    let state = run.state()?;
    state.owner.signal(Signal::KILL)?;
    wait_until_gone(&state.processes).await?;

    let status = run.run("status")?;
    assert_eq!(status.status.code(), Some(1));
    assert!(
        text(&status.stdout).starts_with("cluster e2e is broken\n"),
        "{}",
        text(&status.stdout)
    );
    succeeded(&run.command("up").args(["--nodes", "0"]).output()?)?;
    assert_eq!(run.state()?.processes.len(), 4);
    succeeded(&run.run("down")?)?;
    Ok(())
}

#[tokio::test]
async fn an_up_that_is_killed_half_way_leaves_no_process() -> Result<()> {
    let run = Run::new("half-way")?;
    let mut up = run
        .command("up")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let state = wait_for("the API server is started", WITHIN, || async {
        let state = run.state()?;
        let names: Vec<_> = state
            .processes
            .iter()
            .map(|process| process.name.clone())
            .collect();
        Ok(if names.len() >= 2 {
            Seen::Done(state)
        } else {
            Seen::NotYet(format!("{names:?}"))
        })
    })
    .await?;
    assert_eq!(state.phase, Phase::Starting, "it was killed half way");
    up.kill()?;
    up.wait()?;
    wait_until_gone(&[&state.processes[..], &[state.owner]].concat()).await
}

#[tokio::test]
async fn a_component_that_dies_ends_the_cluster_and_is_named() -> Result<()> {
    let run = Run::new("component")?;
    succeeded(&run.command("up").args(["--nodes", "0"]).output()?)?;
    let state = run.state()?;
    let scheduler = state
        .processes
        .iter()
        .find(|process| process.name == "kube-scheduler")
        .unwrap();
    scheduler.signal(Signal::KILL)?;
    wait_until_gone(&[&state.processes[..], std::slice::from_ref(&state.owner)].concat()).await?;
    let told = text(&run.run("status")?.stdout);
    assert!(told.starts_with("cluster e2e is failed\n"), "{told}");
    assert!(
        told.contains("kube-scheduler ended (signal: 9 (SIGKILL))"),
        "{told}"
    );
    Ok(())
}

#[tokio::test]
async fn wrong_use_is_refused_with_the_way_out() -> Result<()> {
    let run = Run::new("wrong")?;
    std::fs::create_dir_all(run.path())?;
    std::fs::write(run.path().join("precious"), "x")?;
    for (output, complaint) in [
        (
            run.run("up")?,
            "is not empty and holds no cluster; name an empty directory",
        ),
        (run.run("kubeconfig")?, "start one with `cluster up`"),
        (
            run.command("up").args(["--nodes", "-1"]).output()?,
            "unexpected argument '-1' found",
        ),
        (
            run.command("up").args(["--nodes", "1001"]).output()?,
            "1001 is not in 0..=1000",
        ),
        (
            Command::new(env!("CARGO_BIN_EXE_cluster"))
                .args(["up", "--name", "A/b"])
                .output()?,
            "use 1 to 40 lower-case letters, digits and dashes",
        ),
    ] {
        assert!(!output.status.success());
        assert!(
            text(&output.stderr).contains(complaint),
            "{}",
            text(&output.stderr)
        );
    }
    assert!(run.path().join("precious").exists());

    // As when the reader of a pipe has gone: every write fails.
    let full = std::fs::File::options().write(true).open("/dev/full")?;
    let output = run
        .command("down")
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()?
        .wait_with_output()?;
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (Some(0), "")
    );
    Ok(())
}
