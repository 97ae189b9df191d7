//! One warm Flink process: the program in `e2e/flink/src/answers` on the class path of one release.
//!
//! It is compiled once for all releases, and started once for each; questions and answers are lines of JSON.

use std::{
    fs,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{question::Question, versions::Release};
use crate::{
    flink::{Part, class_path, digest_of},
    tools::cache_directory,
};

/// A running Flink, ready to be asked.
#[derive(Debug)]
pub struct FlinkProcess {
    release: Release,
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What one derivation took Flink, warm, in the fastest of some rounds over the same questions.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlinkTiming {
    /// How many questions were timed.
    pub questions: usize,
    /// How many of them Flink solves.
    pub solved_questions: usize,
    /// Nanoseconds for each question.
    pub nanoseconds: f64,
    /// Nanoseconds for each question that Flink solves.
    pub solved_nanoseconds: f64,
}

impl FlinkProcess {
    /// Starts one release; fetches and compiles what is missing first.
    ///
    /// # Errors
    /// When Maven, the compiler or Java fails.
    pub fn start(release: Release) -> Result<Self> {
        let flink = class_path(Part::Answers, release.name)?;
        let program = compiled(&flink)?;
        let mut child = Command::new("java")
            // One process of many on the machine, and short-lived: the simplest collector disturbs least.
            .args(["-XX:+UseSerialGC", "-Xmx1g"])
            // Flink's jars are as released; checking their bytecode would load classes of libraries that are left out.
            .args([
                "-XX:+UnlockDiagnosticVMOptions",
                "-XX:-BytecodeVerificationRemote",
            ])
            // Texts must not depend on who runs this.
            .args(["-Duser.language=en", "-Duser.country=US"])
            // The program sets environment variables that Flink reads.
            .args(["--add-opens", "java.base/java.util=ALL-UNNAMED"])
            .arg("-cp")
            .arg(format!("{}:{flink}", program.display()))
            .arg("answers.Main")
            .env_remove("FLINK_TM_HEAP")
            .env_remove("FLINK_JM_HEAP")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to run java")?;
        let questions = child.stdin.take().context("java has no standard input")?;
        let answers = child.stdout.take().context("java has no standard output")?;
        Ok(Self {
            release,
            child,
            questions,
            answers: BufReader::new(answers),
        })
    }

    /// Flink's answers, one JSON object for each question, in order.
    ///
    /// # Errors
    /// When the process ended.
    pub fn ask(&mut self, questions: &[Question]) -> Result<Vec<String>> {
        let lines: Vec<String> = questions.iter().map(Question::json).collect();
        self.exchange(&lines)
    }

    /// Times the derivation of the questions that were asked so far.
    ///
    /// # Errors
    /// When the process ended, or answers something else.
    pub fn time(&mut self, rounds: u32) -> Result<FlinkTiming> {
        let answers = self.exchange(&[format!("{{\"time\":{rounds}}}")])?;
        let answer = answers.first().context("no answer")?;
        serde_json::from_str(answer)
            .with_context(|| format!("Flink {} timed nothing: {answer}", self.release))
    }

    fn exchange(&mut self, lines: &[String]) -> Result<Vec<String>> {
        let Self {
            release,
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
                    .with_context(|| format!("failed to read from Flink {release}"))?;
                ensure!(
                    length > 0,
                    "Flink {release} ended before it answered; its reason stands above"
                );
                read.push(answer.trim_end().to_owned());
            }
            Ok(read)
        })
    }
}

impl Drop for FlinkProcess {
    fn drop(&mut self) {
        // It would end by itself at the end of its input, but not before it answered everything.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The compiled program, kept in the cache under a name made of its sources.
fn compiled(class_path: &str) -> Result<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("flink/src/answers");
    let listed = || format!("failed to list {}", sources.display());
    let mut files = fs::read_dir(&sources)
        .with_context(listed)?
        .map(|entry| Ok(entry.with_context(listed)?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    let hash = digest_of(&files)?;
    let directory = cache_directory()?
        .join("flink")
        .join(format!("answers-{hash}"));
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
