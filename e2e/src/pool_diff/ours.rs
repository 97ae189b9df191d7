//! Our side: whichever pools a sequence is about.

use super::{generate::Generator, manager::Manager, network::Network, step::Step};

/// So many steps after the end of a pool say what there is to say.
const AFTER_THE_END: usize = 15;

/// Our pools in the middle of a sequence.
#[derive(Debug)]
pub enum Ours {
    /// A network pool and its local pools.
    Network(Network),
    /// The memory manager of a slot.
    Manager(Manager),
}

impl Ours {
    /// What the first step of a sequence makes; nothing when another step is the first, or there is no memory.
    #[must_use]
    pub fn begin(first: &Step) -> Option<Self> {
        match first {
            Step::Network { segments, bytes } => {
                Network::new(*segments, *bytes).ok().map(Self::Network)
            }
            Step::Manager { size, page } => Some(Self::Manager(Manager::new(*size, *page))),
            _ => None,
        }
    }

    /// Whether most steps come to nothing now: there is no manager because its numbers are not allowed, or the pool or
    /// the manager has ended.
    fn is_over(&self) -> bool {
        match self {
            Self::Network(network) => network.global().is_destroyed(),
            Self::Manager(manager) => manager
                .manager()
                .is_none_or(|manager| manager.is_shut_down()),
        }
    }

    /// Whether both sides mean the same by a step now.
    #[must_use]
    pub fn is_comparable(&self, step: &Step) -> bool {
        match self {
            Self::Network(network) => network.is_comparable(step),
            Self::Manager(manager) => manager.is_comparable(step),
        }
    }

    /// Does a step, and says what came of it and every figure afterwards.
    pub fn answer(&mut self, step: &Step) -> String {
        match self {
            Self::Network(network) => network.answer(step),
            Self::Manager(manager) => manager.answer(step),
        }
    }
}

/// A sequence that was played on our side.
#[derive(Debug, Default)]
pub struct Played {
    /// The steps.
    pub steps: Vec<Step>,
    /// What came of each.
    pub answers: Vec<String>,
}

impl Played {
    fn add(&mut self, ours: &mut Ours, step: Step) {
        self.answers.push(ours.answer(&step));
        self.steps.push(step);
    }
}

/// A random sequence; nothing where there is no memory for its pool.
pub fn random(generator: &mut Generator) -> Option<Played> {
    let mut played = Played::default();
    let (first, length) = generator.begin();
    let mut ours = Ours::begin(&first)?;
    played.add(&mut ours, first);
    let mut steps_after_the_end = 0;
    for _ in 0..length {
        let step = generator.step(&ours);
        played.add(&mut ours, step);
        steps_after_the_end += usize::from(ours.is_over());
        if steps_after_the_end == AFTER_THE_END {
            break;
        }
    }
    if let Some(afterwards) = generator.ending() {
        while let Some(step) = generator.end(&ours) {
            played.add(&mut ours, step);
        }
        for _ in 0..afterwards {
            let step = generator.step(&ours);
            played.add(&mut ours, step);
        }
    }
    Some(played)
}

/// What comes of each of these steps; nothing where the two sides would mean something else by one of them.
#[must_use]
pub fn play(steps: &[Step]) -> Option<Vec<String>> {
    let mut ours = Ours::begin(steps.first()?)?;
    steps
        .iter()
        .map(|step| ours.is_comparable(step).then(|| ours.answer(step)))
        .collect()
}
