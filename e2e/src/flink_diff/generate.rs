//! Random questions that reach branches: several options at once, values on either side of a bound, deprecated keys,
//! strange text.
//!
//! Half of the questions are new. The other half is made of questions that were answered: some sizes of Flink's
//! answer are written down as options, moved by next to nothing, which is where the bounds of the next derivation are.

mod auxiliary;
pub mod jobmanager;
mod kubernetes;
mod legacy;
mod process;
pub mod taskmanager;
mod text;

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use headroom::budget::{FlinkVersion, Role};
use serde_json::Value;

use super::{
    question::{Kind, Question},
    versions::Release,
};

/// How many answered questions of a kind are remembered to make new ones of.
const REMEMBERED: usize = 500;

/// The source of one run's questions about one version.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    release: Release,
    /// Every kind that the release is asked, as often as it should come up.
    kinds: Vec<Kind>,
    answered: BTreeMap<Kind, VecDeque<(Question, Value)>>,
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
            answered: BTreeMap::new(),
        }
    }

    /// From now on only questions of these kinds, which the release is asked.
    pub fn ask_only(&mut self, kinds: Vec<Kind>) {
        self.kinds = kinds;
    }

    /// The next questions.
    pub fn questions(&mut self, count: usize) -> Vec<Question> {
        (0..count).map(|_| self.question()).collect()
    }

    fn question(&mut self) -> Question {
        let rng = &mut self.rng;
        let kind = self.kinds[rng.usize(..self.kinds.len())];
        let (Some(role), Some(version)) = (kind.role(), self.release.version) else {
            return match kind {
                Kind::LegacyContainer | Kind::LegacyProcess | Kind::LegacyStarted => {
                    legacy::question(rng, kind)
                }
                _ => auxiliary::question(rng, kind, self.release.is_from(FlinkVersion::V1_16)),
            };
        };
        let mut is_new = true;
        let mut question = match self.answered.get(&kind) {
            Some(answered) if rng.bool() => {
                is_new = false;
                let (question, answer) = &answered[rng.usize(..answered.len())];
                let mut question = question.clone();
                for _ in 0..rng.u32(1..4) {
                    match role {
                        Role::TaskManager => taskmanager::pin(rng, version, &mut question, answer),
                        Role::JobManager => jobmanager::pin(rng, &mut question, answer),
                    }
                }
                question
            }
            _ => match role {
                Role::TaskManager => taskmanager::question(rng, kind),
                Role::JobManager if version == FlinkVersion::V1_10 => {
                    jobmanager::cut_off(rng, kind)
                }
                Role::JobManager => jobmanager::question(rng, kind),
            },
        };
        // What was answered carries some of these options already.
        if kind.is_on_kubernetes() && (is_new || text::percent(rng, 10)) {
            kubernetes::add(rng, &mut question, role);
        }
        if text::percent(rng, 16) {
            process::disturb(rng, &mut question);
        }
        question
    }

    /// Remembers a question with Flink's answer to it.
    pub fn remember(&mut self, question: &Question, answer: &Value) {
        // Where there is no answer there are no sizes to start from; 1.10 knows none of a JobManager.
        let has_sizes = |result: &Value| result.get("totalProcess").is_some();
        if question.kind.role().is_some()
            && let Some(result) = answer.get("result").filter(|result| has_sizes(result))
        {
            let answered = self.answered.entry(question.kind).or_default();
            if answered.len() == REMEMBERED {
                answered.pop_front();
            }
            answered.push_back((question.clone(), result.clone()));
        }
    }
}

/// How often a kind comes up: the derivation of a process most, since it has most branches.
const fn weight(kind: Kind) -> usize {
    match kind {
        Kind::TaskManager => 24,
        Kind::KubernetesTaskManager => 10,
        Kind::JobManager => 8,
        Kind::KubernetesJobManager => 6,
        Kind::ManagedShare => 4,
        Kind::Text | Kind::ResultPartition | Kind::InputGate | Kind::Buffers => 3,
        _ => 1,
    }
}
