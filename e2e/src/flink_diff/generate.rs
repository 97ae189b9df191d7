//! Random questions that reach branches: several options at once, values on either side of a bound, deprecated keys,
//! strange text.
//!
//! Half of the questions are new. The other half is made of questions that were answered: some sizes of Flink's
//! answer are written down as options, moved by next to nothing, which is where the bounds of the next derivation are.

mod auxiliary;
mod legacy;
pub mod taskmanager;
mod text;

use std::collections::VecDeque;

use fastrand::Rng;
use headroom::budget::FlinkVersion;
use serde_json::Value;

use super::{
    question::{Kind, Question},
    versions::Release,
};

/// How many answered questions are remembered to make new ones of.
const REMEMBERED: usize = 500;

/// The source of one run's questions about one version.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    release: Release,
    /// Every kind that the release is asked, as often as it should come up.
    kinds: Vec<Kind>,
    answered: VecDeque<(Question, Value)>,
}

impl Generator {
    /// The same seed and release give the same questions, as long as Flink gives the same answers.
    #[must_use]
    pub fn new(seed: u64, release: Release) -> Self {
        let kinds = Kind::ALL
            .into_iter()
            .filter(|kind| kind.is_asked_of(release))
            .flat_map(|kind| std::iter::repeat_n(kind, weight(kind)))
            .collect();
        let number = release
            .name
            .bytes()
            .fold(0_u64, |number, byte| number << 5 ^ u64::from(byte));
        Self {
            rng: Rng::with_seed(seed ^ number),
            release,
            kinds,
            answered: VecDeque::new(),
        }
    }

    /// The next questions.
    pub fn questions(&mut self, count: usize) -> Vec<Question> {
        (0..count).map(|_| self.question()).collect()
    }

    fn question(&mut self) -> Question {
        let rng = &mut self.rng;
        let kind = self.kinds[rng.usize(..self.kinds.len())];
        let mut question = match (kind, self.release.version) {
            (Kind::TaskManager, Some(version)) if !self.answered.is_empty() && rng.bool() => {
                let (question, answer) = &self.answered[rng.usize(..self.answered.len())];
                let mut question = question.clone();
                for _ in 0..rng.u32(1..4) {
                    taskmanager::pin(rng, version, &mut question, answer);
                }
                question
            }
            (Kind::TaskManager, _) => taskmanager::question(rng),
            (Kind::LegacyContainer | Kind::LegacyProcess | Kind::LegacyStarted, _) => {
                legacy::question(rng, kind)
            }
            _ => auxiliary::question(rng, kind, self.release.is_from(FlinkVersion::V1_16)),
        };
        if text::percent(rng, 16) && kind == Kind::TaskManager {
            taskmanager::disturb(rng, &mut question);
        }
        question
    }

    /// Remembers a question with Flink's answer to it.
    pub fn remember(&mut self, question: &Question, answer: &Value) {
        // Where there is no answer there are no sizes to start from.
        if let Some(result) = answer.get("result")
            && question.kind == Kind::TaskManager
        {
            if self.answered.len() == REMEMBERED {
                self.answered.pop_front();
            }
            self.answered.push_back((question.clone(), result.clone()));
        }
    }
}

/// How often a kind comes up: the derivation of a process most, since it has most branches.
const fn weight(kind: Kind) -> usize {
    match kind {
        Kind::TaskManager => 24,
        Kind::ManagedShare => 3,
        Kind::Text | Kind::ResultPartition | Kind::InputGate | Kind::Buffers => 2,
        _ => 1,
    }
}
