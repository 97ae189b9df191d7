//! The README's tour of a cluster shows what the commands print there.
//!
//! Only the ages of objects differ from run to run. `UPDATE=1` rewrites the outputs.

use std::fs;

use anyhow::{Context, Result};
use e2e::{
    Cluster, ControllerOptions,
    controller::{Profile, Target, build},
};

use crate::install::{DEFINITION, kubectl, own_cluster, repository};

const START: &str = "<!-- tour -->\n";
const END: &str = "<!-- end -->\n";

/// Runs a command of the page, which is relative to the repository, and says what it printed.
async fn run(cluster: &Cluster, command: &str) -> Result<String> {
    let arguments = command
        .strip_prefix("kubectl ")
        .with_context(|| format!("the tour runs kubectl only, not {command:?}"))?;
    let examples = repository("examples/");
    let examples = examples.to_str().context("the checkout's path is UTF-8")?;
    // The quotes are the shell's; what stands in them has no spaces.
    let arguments = arguments.replace('\'', "").replace("examples/", examples);
    kubectl(cluster, &arguments).await
}

/// The output without what differs from run to run: the age, which is the last column.
fn ageless(output: &str) -> String {
    let is_age = |word: &str| {
        word.strip_suffix(['s', 'm'])
            .is_some_and(|digits| digits.chars().all(|char| char.is_ascii_digit()))
    };
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((before, last)) if is_age(last) => format!("{before} 5s\n"),
        _ => format!("{line}\n"),
    };
    output.lines().map(line).collect()
}

#[tokio::test]
async fn the_tour_shows_what_the_commands_print() -> Result<()> {
    let cluster = own_cluster("readme").await?;
    let crds = repository("crds");
    let crds = crds.to_str().context("the checkout's path is UTF-8")?;
    kubectl(&cluster, &format!("apply -k {crds}")).await?;
    let established = format!("wait --for=condition=Established crd/{DEFINITION} --timeout=60s");
    kubectl(&cluster, &established).await?;
    let program = tokio::task::spawn_blocking(|| {
        build(
            "headroom",
            Target::Binary("headroom-controller"),
            Profile::Debug,
        )
    })
    .await??;
    let log = cluster.directory().join("readme.log");
    let _controller = ControllerOptions::new(&program, cluster.kubeconfig(), &log)
        .arguments(["--bind-address=127.0.0.1:0"])
        .start()?;

    let path = repository("README.md");
    let page = fs::read_to_string(&path)?;
    let (before, rest) = page.split_once(START).context("the README has a tour")?;
    let (tour, after) = rest.split_once(END).context("the tour ends")?;
    let mut text = String::new();
    let mut in_block = false;
    for line in tour.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        }
        if let Some(command) = line.strip_prefix("$ ").filter(|_| in_block) {
            text.push_str(&format!("{line}\n"));
            text.push_str(&ageless(&run(&cluster, command).await?));
        } else if !in_block || line.starts_with("```") {
            text.push_str(&format!("{line}\n"));
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{before}{START}{text}{END}{after}"))?;
    } else {
        assert_eq!(tour, text, "UPDATE=1 rewrites the tour");
    }
    Ok(())
}
