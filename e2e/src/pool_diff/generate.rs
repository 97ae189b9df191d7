//! Random sequences that come into every state: small pools that run dry and fill up again, in turns.

mod manager;
mod network;

use super::{
    ours::Ours,
    step::{Label, Step},
};

/// Steps of one sequence at most, without its end.
const LONGEST: usize = 200;

/// What a sequence does most for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Take,
    Return,
    Mixed,
}

/// Random steps, the same ones for the same seed.
#[derive(Debug)]
pub struct Generator {
    random: fastrand::Rng,
    next_label: Label,
    phase: Phase,
}

impl Generator {
    /// Of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            next_label: 1,
            phase: Phase::Mixed,
        }
    }

    /// The first step of a sequence, which makes a pool, and how many steps are to follow.
    pub fn begin(&mut self) -> (Step, usize) {
        self.next_label = 1;
        let first = if self.random.bool() {
            self.manager()
        } else {
            self.network()
        };
        (first, self.random.usize(5..=LONGEST))
    }

    /// Whether the sequence ends by giving everything back, and how many steps are to follow that.
    pub fn ending(&mut self) -> Option<usize> {
        let afterwards = self.random.usize(0..12);
        self.random.bool().then_some(afterwards)
    }

    /// A step that both sides mean the same by.
    pub fn step(&mut self, ours: &Ours) -> Step {
        if self.random.u32(0..15) == 0 {
            let phases = [Phase::Take, Phase::Return, Phase::Mixed];
            self.phase = self.random.choice(phases).unwrap_or(Phase::Mixed);
        }
        loop {
            let candidate = match ours {
                Ours::Network(network) => self.network_step(network),
                Ours::Manager(manager) => self.manager_step(manager),
            };
            if let Some(step) = candidate.filter(|step| ours.is_comparable(step)) {
                return step;
            }
        }
    }

    /// A step that gives back something, or ends the pools when nothing is left.
    pub fn end(&mut self, ours: &Ours) -> Option<Step> {
        match ours {
            Ours::Network(network) => self.end_of_network(network),
            Ours::Manager(manager) => self.end_of_manager(manager),
        }
    }

    fn one_of(&mut self, labels: impl Iterator<Item = Label>) -> Option<Label> {
        self.random.choice(labels.collect::<Vec<_>>())
    }

    /// The first of so many new labels.
    fn label(&mut self, number: usize) -> Label {
        let label = self.next_label;
        self.next_label += u32::try_from(number).unwrap_or(u32::MAX);
        label
    }
}
