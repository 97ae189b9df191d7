//! What one run of the solver takes, in time, instructions and allocations, and what Flink takes for the same question.
//!
//! The three questions are those of `e2e/flink/src/FlinkSolve.java`, and both sides must give the same
//! answer, or the comparison would mean nothing.

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use e2e::flink::{self, Part};
use headroom::budget::{Configuration, FlinkVersion, Origin, Request, solve};

use crate::{
    figures::{Figures, Subject},
    valgrind,
};

/// The Flink release that answers, and the version whose arithmetic the solver applies.
const FLINK_RELEASE: &str = "2.1.0";

/// The options of each question; the name is that of its row.
const QUESTIONS: [(&str, &[(&str, &str)]); 3] = [
    (
        "solve.process",
        &[("taskmanager.memory.process.size", "1728m")],
    ),
    ("solve.flink", &[("taskmanager.memory.flink.size", "1280m")]),
    (
        "solve.explicit",
        &[
            ("taskmanager.memory.task.heap.size", "2g"),
            ("taskmanager.memory.managed.size", "3g"),
        ],
    ),
];

/// Rounds of which the fastest counts: whatever else the machine does only ever adds time.
pub const ROUNDS: u32 = 5;

fn request(options: &[(&str, &str)]) -> Result<Request> {
    let version: FlinkVersion = FLINK_RELEASE.parse()?;
    let configuration = options
        .iter()
        .fold(Configuration::new(), |configuration, (key, value)| {
            configuration.with(*key, *value, Origin::FlinkConfiguration)
        });
    Ok(Request::new(version, configuration))
}

/// Solves the first question that often; valgrind counts the instructions and allocations of this.
///
/// # Errors
/// When the question has no answer.
pub fn solve_repeatedly(times: usize) -> Result<()> {
    let request = request(QUESTIONS[0].1)?;
    for _ in 0..times {
        solve(black_box(&request))
            .map_err(|infeasible| anyhow!("{infeasible:?}"))
            .map(black_box)?;
    }
    Ok(())
}

/// How long so many runs take together, in the fastest of the rounds.
pub fn fastest<T>(times: u32, run: impl Fn() -> T) -> Duration {
    let round = |_| {
        let start = Instant::now();
        for _ in 0..times {
            drop(black_box(run()));
        }
        start.elapsed()
    };
    (0..=ROUNDS).map(round).min().unwrap_or(Duration::MAX)
}

/// Measures our side.
///
/// # Errors
/// When a question has no answer, or valgrind fails.
pub fn measure(figures: &mut Figures, is_quick: bool) -> Result<()> {
    let times = if is_quick { 20_000 } else { 200_000 };
    for (name, options) in QUESTIONS {
        let request = request(options)?;
        let best = fastest(times, || solve(black_box(&request)));
        figures.record(
            name,
            Subject::Ours,
            best.as_secs_f64() * 1e9 / f64::from(times),
        );
    }
    for (name, count) in counted()? {
        match count {
            Some(count) => figures.record(name, Subject::Ours, count),
            None => figures.note(name, valgrind::MISSING.to_owned()),
        }
    }
    Ok(())
}

/// Instructions, allocations and allocated bytes of one solve; `None` without valgrind.
fn counted() -> Result<[(&'static str, Option<f64>); 3]> {
    let of_one = |counter| valgrind::of_one(counter, &["solve-repeatedly"], 2_000);
    Ok([
        ("solve.instructions", of_one(valgrind::INSTRUCTIONS)?),
        ("solve.allocations", of_one(valgrind::ALLOCATIONS)?),
        ("solve.allocated", of_one(valgrind::ALLOCATED)?),
    ])
}

/// Measures our command line.
///
/// # Errors
/// When it fails.
pub fn measure_command_line(figures: &mut Figures, headroom: &Path) -> Result<()> {
    let (_, options) = QUESTIONS[0];
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let mut command = Command::new(headroom);
        command.args(["solve", "--flink-version", FLINK_RELEASE]);
        for (key, value) in options {
            command.args(["-D", &format!("{key}={value}")]);
        }
        let start = Instant::now();
        let output = command
            .stdin(Stdio::null())
            .output()
            .context("failed to run headroom")?;
        best = best.min(start.elapsed());
        ensure!(
            output.status.success(),
            "headroom solve failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    figures.record("solve.command", Subject::Ours, best.as_secs_f64() * 1000.0);
    Ok(())
}

/// Measures Flink, in process and by its own command line; says so when Java or Maven is missing.
///
/// # Errors
/// When Flink gives another answer than the solver, or none.
pub fn measure_flink(figures: &mut Figures, is_quick: bool) -> Result<()> {
    if let Some(missing) = flink::missing() {
        figures.note("solve.process", format!("Flink was not asked: {missing}"));
        return Ok(());
    }
    let times = if is_quick { "20000" } else { "200000" };
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("flink/src/FlinkSolve.java");
    let output = Command::new("java")
        .args(["-cp", &flink::class_path(Part::Memory, FLINK_RELEASE)?])
        .arg(program)
        .arg(times)
        .stdin(Stdio::null())
        .output()
        .context("failed to run java")?;
    let text = String::from_utf8_lossy(&output.stdout);
    for (name, options) in QUESTIONS {
        let title = name.trim_start_matches("solve.");
        // Such as `flink process: 2345 ns per derivation (1811939328 bytes)`.
        let (nanoseconds, bytes) = text
            .lines()
            .find_map(|line| {
                line.strip_prefix(&format!("flink {title}: "))?
                    .split_once(" ns per derivation (")
            })
            .with_context(|| {
                format!(
                    "Flink did not answer {title}: {text}{}",
                    String::from_utf8_lossy(&output.stderr)
                )
            })?;
        let bytes: u64 = bytes
            .trim_end_matches(" bytes)")
            .parse()
            .context("Flink's total is no number")?;
        let ours = solve(&request(options)?).map_err(|infeasible| anyhow!("{infeasible:?}"))?;
        let ours = ours.total_process.bytes.get();
        ensure!(
            ours == bytes,
            "{title}: Flink's total is {bytes} bytes, ours {ours}"
        );
        figures.record(
            name,
            Subject::Peer,
            nanoseconds.parse().context("Flink's time is no number")?,
        );
    }

    let directory = Scratch::new()?;
    let arguments: Vec<String> = QUESTIONS[0]
        .1
        .iter()
        .map(|(key, value)| format!("-D{key}={value}"))
        .collect();
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        flink::task_manager_parameters(FLINK_RELEASE, &directory.0, &arguments)?;
        best = best.min(start.elapsed());
    }
    figures.record("solve.command", Subject::Peer, best.as_secs_f64() * 1000.0);
    Ok(())
}

/// A directory with an empty Flink configuration, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("headroom-bench-{}", std::process::id()));
        fs::create_dir_all(&directory)
            .with_context(|| format!("failed to create {}", directory.display()))?;
        let scratch = Self(directory);
        fs::write(scratch.0.join("config.yaml"), "")
            .context("failed to write an empty configuration")?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays in the temporary directory hurts nobody, and there is nobody to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}
