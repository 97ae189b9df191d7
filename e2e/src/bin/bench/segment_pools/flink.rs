//! Flink's side: its own pools, in a JVM of the same run.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use e2e::flink::{self, Part, dialogue::compiled};

use super::{
    network::PROCESSES,
    rounds::{fastest, median},
};
use crate::figures::{Figures, Subject};

/// The release that is measured: the one whose behaviour the pools follow.
const FLINK_RELEASE: &str = "2.3.0";

/// The parts of Flink's program, and the rows that each answers. Each has a JVM of its own, so that no part finds the
/// memory that another one has freed, or code that was compiled for it.
const PARTS: &[(&str, &[&str])] = &[
    (
        "local",
        &[
            "pools.local.segment",
            "pools.local.buffer",
            "pools.local.builder",
            "pools.handoff",
            "pools.threads.1",
            "pools.threads.2",
            "pools.threads.4",
            "pools.threads.8",
            "pools.create",
        ],
    ),
    ("manager", &["pools.bytes", "pools.reserve", "pools.pages"]),
    ("records", &["pools.output", "pools.input"]),
    ("turns", &["pools.turns"]),
];

/// Measures Flink's pools; says so when Java or Maven is missing.
///
/// # Errors
/// When the program fails, or leaves out a row.
pub fn measure(figures: &mut Figures, is_quick: bool) -> Result<()> {
    if let Some(missing) = flink::missing() {
        figures.note(
            "pools.local.segment",
            format!("Flink was not measured: {missing}"),
        );
        return Ok(());
    }
    let flink = flink::class_path(Part::Pools, FLINK_RELEASE)?;
    let program = compiled(
        "pools-bench",
        &format!("pools-bench-{FLINK_RELEASE}"),
        &flink,
    )?;
    for (part, rows) in PARTS {
        let answers = answers(&program, &flink, part, is_quick)?;
        for row in *rows {
            figures.record(row, Subject::Peer, answers.value(row)?);
        }
    }
    let fresh = (0..PROCESSES)
        .map(|_| answers(&program, &flink, "network", is_quick))
        .collect::<Result<Vec<_>>>()?;
    let all = |row| fresh.iter().map(|answers| answers.value(row)).collect();
    let again: Result<Vec<f64>> = all("again");
    figures.note(
        "pools.network",
        format!(
            "the first pool of a fresh process, on both sides the fastest of {PROCESSES}; Flink's second one in the same JVM, whose malloc still has the pages, takes {:.1} ms",
            fastest(again?)
        ),
    );
    let first: Result<Vec<f64>> = all("pools.network");
    figures.record("pools.network", Subject::Peer, fastest(first?));
    let beside: Result<Vec<f64>> = all("pools.beside");
    figures.record("pools.beside", Subject::Peer, median(beside?));
    Ok(())
}

/// What a part of Flink's program said.
struct Answers(String);

impl Answers {
    fn value(&self, row: &str) -> Result<f64> {
        let text = &self.0;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(row)?.strip_prefix(' '))
            .with_context(|| format!("Flink's side says nothing of {row}: {text}"))?;
        value.parse().context("Flink's figure is no number")
    }
}

/// Runs a part of Flink's program in a JVM of its own.
fn answers(program: &Path, flink: &str, part: &str, is_quick: bool) -> Result<Answers> {
    let output = Command::new("java")
        .args(["-Xms1g", "-Xmx1g", "-XX:MaxDirectMemorySize=5g"])
        .arg("-cp")
        .arg(format!("{}:{flink}", program.display()))
        .arg("org.apache.flink.runtime.memory.PoolsBench")
        .arg(part)
        .arg(if is_quick { "10" } else { "1" })
        .stdin(Stdio::null())
        .output()
        .context("failed to run java")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "Flink's side failed ({}): {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(Answers(text))
}
