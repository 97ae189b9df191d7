//! Released Flink's pools in one warm process: the program in `e2e/flink/src/pools`.

use std::process::Command;

use anyhow::Result;

use super::step::Step;
use crate::{
    flink::{
        Part, class_path,
        dialogue::{Dialogue, compiled},
    },
    flink_diff::versions::Release,
};

/// Running pools of Flink.
#[derive(Debug)]
pub struct FlinkPools {
    dialogue: Dialogue,
}

impl FlinkPools {
    /// Starts one release; fetches and compiles what is missing first.
    ///
    /// # Errors
    /// When Maven, the compiler or Java fails.
    pub fn start(release: Release) -> Result<Self> {
        let flink = class_path(Part::Pools, release.name)?;
        // Each release has the program compiled for it: the types that its methods name differ.
        let program = compiled("pools", &format!("pools-{release}"), &flink)?;
        let mut command = Command::new("java");
        command
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m"])
            .arg("-cp")
            .arg(format!("{}:{flink}", program.display()))
            .arg("pools.Main");
        let dialogue = Dialogue::start(format!("Flink {release}"), &mut command)?;
        Ok(Self { dialogue })
    }

    /// What came of each step of these sequences.
    ///
    /// # Errors
    /// When the process ended.
    pub fn play(&mut self, sequences: &[&[Step]]) -> Result<Vec<Vec<String>>> {
        let steps = sequences.iter().flat_map(|sequence| sequence.iter());
        let lines: Vec<String> = steps.map(Step::to_string).collect();
        let mut answers = self.dialogue.exchange(&lines)?.into_iter();
        Ok(sequences
            .iter()
            .map(|sequence| answers.by_ref().take(sequence.len()).collect())
            .collect())
    }
}
