//! A Java program of ours beside the classes of one Flink release: compiled once, started once, and asked in lines.

use std::{
    fs,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use anyhow::{Context, Result, ensure};

use super::digest_of;
use crate::tools::cache_directory;

/// A running program that answers each line with one line, in order.
#[derive(Debug)]
pub struct Dialogue {
    title: String,
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Dialogue {
    /// Starts the program; the title says who it is, in messages.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(title: String, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to run java")?;
        let questions = child.stdin.take().context("java has no standard input")?;
        let answers = child.stdout.take().context("java has no standard output")?;
        Ok(Self {
            title,
            child,
            questions,
            answers: BufReader::new(answers),
        })
    }

    /// The answers to these lines.
    ///
    /// # Errors
    /// When the process ended.
    pub fn exchange(&mut self, lines: &[String]) -> Result<Vec<String>> {
        let Self {
            title,
            questions,
            answers,
            ..
        } = self;
        let mut read = Vec::with_capacity(lines.len());
        thread::scope(|scope| {
            // Written and read at once: either side's pipe would fill up otherwise, and both would wait.
            scope.spawn(move || -> std::io::Result<()> {
                let mut writer = BufWriter::new(questions);
                for line in lines {
                    writeln!(writer, "{line}")?;
                }
                writer.flush()
            });
            for _ in lines {
                let mut answer = String::new();
                let length = answers
                    .read_line(&mut answer)
                    .with_context(|| format!("failed to read from {title}"))?;
                ensure!(
                    length > 0,
                    "{title} ended before it answered; its reason stands above"
                );
                read.push(answer.trim_end().to_owned());
            }
            Ok(read)
        })
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        // It would end by itself at the end of its input, but not before it answered everything.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The compiled sources of a folder below `e2e/flink/src`, kept in the cache under the key and a name made of them.
///
/// # Errors
/// When the compiler fails; its words are in the message.
pub fn compiled(folder: &str, key: &str, class_path: &str) -> Result<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("flink/src")
        .join(folder);
    let listed = || format!("failed to list {}", sources.display());
    let mut files = fs::read_dir(&sources)
        .with_context(listed)?
        .map(|entry| Ok(entry.with_context(listed)?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    let hash = digest_of(&files)?;
    let directory = cache_directory()?
        .join("flink")
        .join(format!("{key}-{hash}"));
    if directory.is_dir() {
        return Ok(directory);
    }
    // Compiled beside it and renamed as a whole, so that nobody sees half of it.
    let unfinished = directory.with_extension(format!("unfinished-{}", std::process::id()));
    let output = Command::new("javac")
        .args(["-nowarn", "-cp", class_path, "-d"])
        .arg(&unfinished)
        .args(&files)
        .stdin(Stdio::null())
        .output()
        .context("failed to run javac")?;
    ensure!(
        output.status.success(),
        "javac failed in {}:\n{}",
        sources.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    if fs::rename(&unfinished, &directory).is_err() {
        // Another process came first.
        ensure!(
            directory.is_dir(),
            "failed to move the compiled program to {}",
            directory.display()
        );
        fs::remove_dir_all(&unfinished)
            .with_context(|| format!("failed to remove {}", unfinished.display()))?;
    }
    Ok(directory)
}
