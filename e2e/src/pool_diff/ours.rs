//! Our side: whichever pool a sequence is about.

use super::{generate::Generator, network::Network, step::Step};

/// A sequence that is being generated, with what our side answered.
#[derive(Debug, Default)]
pub struct Played {
    /// The steps.
    pub steps: Vec<Step>,
    /// What came of each.
    pub answers: Vec<String>,
}

impl Played {
    fn add(&mut self, network: &mut Network, step: Step) {
        self.answers.push(network.answer(&step));
        self.steps.push(step);
    }
}

/// A random sequence; nothing where there is no memory for its pool.
pub fn random(generator: &mut Generator) -> Option<Played> {
    let mut played = Played::default();
    let length = generator.length();
    let first = generator.network();
    let mut network = begin(&first)?;
    played.add(&mut network, first);
    for _ in 0..length {
        let step = generator.step(&network);
        played.add(&mut network, step);
    }
    if generator.coin() {
        while let Some(step) = generator.end(&network) {
            played.add(&mut network, step);
        }
        for _ in 0..generator.afterwards() {
            let step = generator.step(&network);
            played.add(&mut network, step);
        }
    }
    Some(played)
}

/// What comes of each of these steps; nothing where the two sides would mean something else by one of them.
#[must_use]
pub fn play(steps: &[Step]) -> Option<Vec<String>> {
    let mut network = begin(steps.first()?)?;
    steps
        .iter()
        .map(|step| network.is_comparable(step).then(|| network.answer(step)))
        .collect()
}

fn begin(first: &Step) -> Option<Network> {
    match first {
        Step::Network { segments, bytes } => Network::new(*segments, *bytes).ok(),
        _ => None,
    }
}
