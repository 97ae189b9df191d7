//! Random questions that reach branches: several options at once, values on either side of a bound, deprecated keys,
//! strange text.
//!
//! Half of the questions are new. The other half is made of questions that were answered: some sizes of Flink's
//! answer are written down as options, moved by next to nothing, which is where the bounds of the next derivation are.

pub mod taskmanager;
mod text;

use std::collections::VecDeque;

use fastrand::Rng;
use headroom::budget::FlinkVersion;
use serde_json::Value;

use super::question::{Kind, Question};

/// How many answered questions are remembered to make new ones of.
const REMEMBERED: usize = 500;

/// The source of one run's questions about one version.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    version: FlinkVersion,
    answered: VecDeque<(Question, Value)>,
}

impl Generator {
    /// The same seed and version give the same questions, as long as Flink gives the same answers.
    #[must_use]
    pub fn new(seed: u64, version: FlinkVersion) -> Self {
        Self {
            rng: Rng::with_seed(seed ^ (version as u64) << 32),
            version,
            answered: VecDeque::new(),
        }
    }

    /// The next questions.
    pub fn questions(&mut self, count: usize) -> Vec<Question> {
        (0..count).map(|_| self.question()).collect()
    }

    fn question(&mut self) -> Question {
        let rng = &mut self.rng;
        let mut question = if !self.answered.is_empty() && rng.bool() {
            let (question, answer) = &self.answered[rng.usize(..self.answered.len())];
            let mut question = question.clone();
            for _ in 0..rng.u32(1..4) {
                match question.kind {
                    Kind::TaskManager => {
                        taskmanager::pin(rng, self.version, &mut question, answer);
                    }
                }
            }
            question
        } else {
            match text::one_of(rng, &[&Kind::TaskManager]) {
                Kind::TaskManager => taskmanager::question(rng, self.version),
            }
        };
        if text::percent(rng, 12) {
            match question.kind {
                Kind::TaskManager => taskmanager::disturb(rng, &mut question),
            }
        }
        question
    }

    /// Remembers a question with Flink's answer to it.
    pub fn remember(&mut self, question: &Question, answer: &Value) {
        // Where there is no answer there are no sizes to start from.
        if let Some(result) = answer.get("result") {
            if self.answered.len() == REMEMBERED {
                self.answered.pop_front();
            }
            self.answered.push_back((question.clone(), result.clone()));
        }
    }
}
