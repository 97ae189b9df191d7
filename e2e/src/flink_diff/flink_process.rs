//! One warm Flink process: the program in `e2e/flink/src/answers` on the class path of one release.
//!
//! It is compiled once for all releases, and started once for each; questions and answers are lines of JSON.

use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{question::Question, versions::Release};
use crate::flink::{
    Part, class_path,
    dialogue::{Dialogue, compiled},
};

/// A running Flink, ready to be asked.
#[derive(Debug)]
pub struct FlinkProcess {
    release: Release,
    dialogue: Dialogue,
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
        let program = compiled("answers", "answers", &flink)?;
        let mut command = Command::new("java");
        command
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
            .env_remove("FLINK_JM_HEAP");
        let dialogue = Dialogue::start(format!("Flink {release}"), &mut command)?;
        Ok(Self { release, dialogue })
    }

    /// Flink's answers, one JSON object for each question, in order.
    ///
    /// # Errors
    /// When the process ended.
    pub fn ask(&mut self, questions: &[Question]) -> Result<Vec<String>> {
        let lines: Vec<String> = questions.iter().map(Question::json).collect();
        self.dialogue.exchange(&lines)
    }

    /// Times the derivation of the questions that were asked so far.
    ///
    /// # Errors
    /// When the process ended, or answers something else.
    pub fn time(&mut self, rounds: u32) -> Result<FlinkTiming> {
        let lines = [format!("{{\"time\":{rounds}}}")];
        let answers = self.dialogue.exchange(&lines)?;
        let answer = answers.first().context("no answer")?;
        serde_json::from_str(answer)
            .with_context(|| format!("Flink {} timed nothing: {answer}", self.release))
    }
}
