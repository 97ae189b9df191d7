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
    measure_diagnosis(figures, is_quick)?;
    measure_check(figures, headroom)
}

/// The pools that Headroom is shown with, each with the file it stands in. The deliberately broken files of
/// `examples/bad` are not among them: the API server refuses some of those.
///
/// # Errors
/// When one cannot be read.
pub fn pools() -> Result<Vec<(String, TaskManagerPool)>> {
    let mut pools = Vec::new();
    for (file, text) in files("pools")?.into_iter().chain(files("demo")?) {
        let documents = serde_saphyr::from_multiple::<TaskManagerPool>(&text);
        for pool in documents.with_context(|| file.clone())? {
            pools.push((file.clone(), pool));
        }
    }
    Ok(pools)
}

/// The YAML files of a directory of examples in the order of their names, each with its text.
fn files(directory: &str) -> Result<Vec<(String, String)>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(directory);
    let mut paths = Vec::new();
    for entry in fs::read_dir(&directory)
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
        let name = path.file_name().unwrap_or_default();
        Ok((name.to_string_lossy().into_owned(), text))
    };
    paths.into_iter().map(read).collect()
}

/// The slowest of all pools that do not solve.
fn measure_diagnosis(figures: &mut Figures, is_quick: bool) -> Result<()> {
    let times = if is_quick { 100 } else { 1_000 };
    let mut slowest: Option<(Duration, String)> = None;
    for (file, pool) in pools()? {
        let wrong = request_of(&pool).filter(|request| solve(request).is_err());
        let Some(request) = wrong else { continue };
        let took = fastest(times, || solve(black_box(&request)));
        if slowest.as_ref().is_none_or(|(longest, _)| took > *longest) {
            slowest = Some((took, file));
        }
    }
    let (took, file) = slowest.context("no example is wrong")?;
    figures.record(
        "solve.wrong",
        Subject::Ours,
        took.as_secs_f64() * 1e6 / f64::from(times),
    );
    figures.note("solve.wrong", format!("the worst is {file}"));
    Ok(())
}

/// The whole command, with its start, its reading and its writing.
fn measure_check(figures: &mut Figures, headroom: &Path) -> Result<()> {
    let files = files("pools")?;
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
