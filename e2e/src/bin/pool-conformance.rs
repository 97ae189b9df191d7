//! `pool-conformance`: runs the tests of the segment pools and writes the table of what they show.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;

/// Runs the tests of the segment pools and writes the table of what they show, one row a line of the conformance list.
///
/// A test belongs to the line it is named after: `a1_byte_access` to A1. What it shows is the first line of its
/// documentation.
///
/// Exit codes: 0 all tests passed, 1 one failed or the table is not what the checkout holds.
#[derive(Debug, Parser)]
#[command(name = "pool-conformance")]
struct Arguments {
    /// Compare the table with the one in the checkout instead of writing it
    #[arg(long)]
    check: bool,
}

/// The sections of the list: letter, subject, number of lines.
const SECTIONS: [(char, &str, u32); 14] = [
    ('a', "Memory segment", 28),
    ('b', "Corner cases of segments", 11),
    ('c', "Paged views", 10),
    ('d', "Memory manager", 23),
    ('e', "Shared resources", 13),
    ('f', "Memory budget", 6),
    ('g', "Network pool", 22),
    ('h', "Distribution among local pools", 20),
    ('i', "Local pool", 23),
    ('j', "Buffers, builders and consumers", 26),
    ('k', "Credits", 17),
    ('l', "Output side and time", 20),
    ('m', "Slots and the pool of read buffers", 10),
    ('n', "Memory shared between processes", 12),
];

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the checkout around this package")?;
    let results = results(root)?;
    let sources = sources(&root.join("tests/pool"))?;
    let failed: Vec<&str> = results
        .iter()
        .filter(|(_, passed)| !**passed)
        .map(|(name, _)| name.as_str())
        .collect();
    if !failed.is_empty() {
        eprintln!("error: these tests failed: {}", failed.join(" "));
    }
    let table = table(&results, &sources)?;
    let file = root.join("docs/pool-conformance.md");
    if arguments.check {
        let recorded = fs::read_to_string(&file).unwrap_or_default();
        if recorded != table {
            eprintln!(
                "error: docs/pool-conformance.md is not what the tests show; make generate writes it anew"
            );
        }
        return Ok(failed.is_empty() && recorded == table);
    }
    fs::write(&file, table).with_context(|| file.display().to_string())?;
    Ok(failed.is_empty())
}

/// The tests with whether they passed, by the last part of their names.
fn results(root: &Path) -> Result<BTreeMap<String, bool>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // What cargo told this process about its own package would make it build other packages anew.
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy().into_owned();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args([
            "test",
            "--package",
            "headroom",
            "--locked",
            "--test",
            "pool",
            "--no-fail-fast",
        ])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo test --test pool")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let results: BTreeMap<String, bool> = text
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "))
        .filter(|(_, result)| !result.starts_with("ignored"))
        .map(|(name, result)| {
            let name = name.rsplit("::").next().unwrap_or(name);
            (
                name.trim_end_matches(" - should panic").to_owned(),
                result == "ok",
            )
        })
        .collect();
    ensure!(!results.is_empty(), "no test ran:\n{text}");
    Ok(results)
}

fn sources(directory: &Path) -> Result<Vec<String>> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| directory.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    files
        .iter()
        .map(|file| fs::read_to_string(file).with_context(|| file.display().to_string()))
        .collect()
}

fn table(results: &BTreeMap<String, bool>, sources: &[String]) -> Result<String> {
    let mut text = String::from(
        "# Conformance of the segment pools\n\n\
         What Flink's own tests of its memory pools demand, and what is demanded of pools that processes share: one \
         row a line of\nthe list, with the test that shows it. Made of a run of the tests by `make generate`.\n",
    );
    let mut missing = Vec::new();
    for (letter, subject, lines) in SECTIONS {
        let section = letter.to_ascii_uppercase();
        write!(
            text,
            "\n## {section}. {subject}\n\n| line | what | test | result |\n| --- | --- | --- | --- |\n"
        )?;
        for number in 1..=lines {
            let prefix = format!("{letter}{number}_");
            let tests: Vec<(&String, &bool)> = results
                .iter()
                .filter(|(name, _)| name.starts_with(&prefix))
                .collect();
            if tests.is_empty() {
                missing.push(format!("{section}{number}"));
                writeln!(text, "| {section}{number} | | | no test |")?;
            }
            for (name, passed) in tests {
                let what = words_of(name, sources)
                    .with_context(|| format!("{name} has no documentation"))?;
                let result = if *passed { "passes" } else { "fails" };
                writeln!(
                    text,
                    "| {section}{number} | {} | `{name}` | {result} |",
                    what.replace('|', "\\|")
                )?;
            }
        }
    }
    let total: u32 = SECTIONS.iter().map(|(_, _, lines)| lines).sum();
    println!("{} of {total} lines tested", total as usize - missing.len());
    if !missing.is_empty() {
        eprintln!("no test: {}", missing.join(" "));
    }
    Ok(text)
}

/// The first paragraph of a test's documentation; of a test that a macro makes, the first text beside its name.
fn words_of(name: &str, sources: &[String]) -> Option<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let (source, at) = sources.iter().find_map(|source| {
        let mut places = source.match_indices(name);
        let (at, _) = places.find(|(at, _)| {
            !source[at + name.len()..].starts_with(is_part) && !source[..*at].ends_with(is_part)
        })?;
        Some((source, at))
    })?;
    let mut before: Vec<&str> = source[..at].lines().map(str::trim).collect();
    // The line that the name itself stands in.
    before.pop();
    while before.last().is_some_and(|line| line.starts_with("#[")) {
        before.pop();
    }
    let documented = before
        .iter()
        .rev()
        .take_while(|line| line.starts_with("///"))
        .count();
    let lines = &before[before.len() - documented..];
    let paragraph: Vec<&str> = lines
        .iter()
        .map(|line| line.trim_start_matches('/').trim())
        .take_while(|line| !line.is_empty())
        .collect();
    if !paragraph.is_empty() {
        return Some(paragraph.join(" "));
    }
    let literal = source[at..].split('"').nth(1)?;
    Some(literal.to_owned())
}
