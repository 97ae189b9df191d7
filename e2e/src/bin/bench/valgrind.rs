//! What valgrind counts of our own program: instructions and allocations, the same numbers in every run.

use std::{
    io::ErrorKind,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

/// What is said where valgrind is not installed.
pub const MISSING: &str = "not counted: valgrind is not on the path";

/// A tool of valgrind, and the words before the number that it counts.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    tool: &'static [&'static str],
    words: &'static str,
}

/// Instructions.
pub const INSTRUCTIONS: Counter = Counter {
    tool: &["--tool=callgrind", "--callgrind-out-file=/dev/null"],
    words: "Collected : ",
};

/// Allocations of memory.
pub const ALLOCATIONS: Counter = Counter {
    tool: &["--tool=memcheck"],
    words: "total heap usage: ",
};

/// Bytes of those.
pub const ALLOCATED: Counter = Counter {
    tool: &["--tool=memcheck"],
    words: " frees, ",
};

/// What is counted when our program does something once: its count for 2 N times less that for N; `None` without
/// valgrind.
///
/// # Errors
/// When valgrind or our program fails.
pub fn of_one(counter: Counter, subcommand: &[&str], times: u32) -> Result<Option<f64>> {
    let program = std::env::current_exe().context("failed to find our own program")?;
    let count = |times: u32| -> Result<Option<u64>> {
        let output = Command::new("valgrind")
            .args(counter.tool)
            .arg(&program)
            .args(subcommand)
            .arg(times.to_string())
            .stdin(Stdio::null())
            .output();
        let output = match output {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            output => output.context("failed to run valgrind")?,
        };
        let text = String::from_utf8_lossy(&output.stderr);
        let count = number(&text, counter.words).filter(|_| output.status.success());
        count
            .map(Some)
            .with_context(|| format!("valgrind ({}) counted nothing: {text}", output.status))
    };
    Ok(match (count(times)?, count(2 * times)?) {
        (Some(once), Some(twice)) => Some(twice.saturating_sub(once) as f64 / f64::from(times)),
        _ => None,
    })
}

/// The number behind some words of valgrind's report.
fn number(report: &str, words: &str) -> Option<u64> {
    let (_, after) = report.split_once(words)?;
    let digits = after
        .chars()
        .take_while(|character| character.is_ascii_digit() || *character == ',');
    let digits: String = digits.filter(|character| *character != ',').collect();
    digits.parse().ok()
}
