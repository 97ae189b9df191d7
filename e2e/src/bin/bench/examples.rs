//! What the examples take: the diagnosis of the one that is hardest to diagnose, and `headroom check` of a thousand.

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use headroom::{api::v1alpha1::TaskManagerPool, budget::solve, desired::request_of};

use crate::{
    figures::{Figures, Subject},
    solver::{ROUNDS, fastest},
};

/// How many pools the checked file holds.
const POOLS: usize = 1_000;

/// Measures both.
///
/// # Errors
/// When an example cannot be read, none is wrong, or the command line does not check every pool.
pub fn measure(figures: &mut Figures, headroom: &Path, is_quick: bool) -> Result<()> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let pools = files(&examples.join("pools"))?;
    let wrong = files(&examples.join("bad"))?;
    measure_diagnosis(figures, pools.iter().chain(&wrong), is_quick)?;
    measure_check(figures, &pools, headroom)
}

/// The files of a directory in the order of their names, each with its text.
fn files(directory: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)
        .with_context(|| format!("failed to list {}", directory.display()))?
    {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path)
            .with_context(|| format!("failed to read {}", path.display()))?;
        Ok((path, text))
    };
    paths.into_iter().map(read).collect()
}

/// The slowest of all pools that do not solve.
fn measure_diagnosis<'a>(
    figures: &mut Figures,
    files: impl Iterator<Item = &'a (PathBuf, String)>,
    is_quick: bool,
) -> Result<()> {
    let times = if is_quick { 100 } else { 1_000 };
    let mut slowest: Option<(Duration, &Path)> = None;
    for (path, text) in files {
        // Some examples are of other kinds, and some are meant to be unreadable.
        let pools: Vec<TaskManagerPool> = serde_saphyr::from_multiple(text).unwrap_or_default();
        let requests = pools.iter().filter_map(request_of);
        for request in requests.filter(|request| solve(request).is_err()) {
            let took = fastest(times, || solve(black_box(&request)));
            if slowest.is_none_or(|(longest, _)| took > longest) {
                slowest = Some((took, path));
            }
        }
    }
    let (took, path) = slowest.context("no example is wrong")?;
    figures.record(
        "solve.wrong",
        Subject::Ours,
        took.as_secs_f64() * 1e6 / f64::from(times),
    );
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    figures.note("solve.wrong", format!("the worst is {name}"));
    Ok(())
}

/// The whole command, with its start, its reading and its writing.
fn measure_check(
    figures: &mut Figures,
    files: &[(PathBuf, String)],
    headroom: &Path,
) -> Result<()> {
    let texts = files.iter().map(|(_, text)| text);
    let text: String = texts
        .cycle()
        .take(POOLS)
        .map(|text| format!("{text}\n---\n"))
        .collect();
    let file = Scratch::new(&text)?;
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let output = Command::new(headroom)
            .arg("check")
            .arg(&file.0)
            .stdin(Stdio::null())
            .output()
            .context("failed to run headroom")?;
        best = best.min(start.elapsed());
        let verdict = String::from_utf8_lossy(&output.stdout);
        ensure!(
            verdict.contains(&format!("{POOLS} pools checked")),
            "headroom check did not check every pool ({})",
            output.status
        );
    }
    figures.record("solve.check", Subject::Ours, best.as_secs_f64() * 1000.0);
    let kibibytes = text.len() >> 10;
    figures.note(
        "solve.check",
        format!("a file of {kibibytes} KiB, with the start of the program"),
    );
    Ok(())
}

/// A file that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(text: &str) -> Result<Self> {
        let name = format!("headroom-bench-{}.yaml", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        fs::write(&file.0, text)
            .with_context(|| format!("failed to write {}", file.0.display()))?;
        Ok(file)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays in the temporary directory hurts nobody, and there is nobody to tell.
        let _ = fs::remove_file(&self.0);
    }
}
