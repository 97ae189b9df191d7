//! A mismatch made as small as it can be: steps left out, as long as both sides still differ in the same respect.

use std::fmt;

use anyhow::Result;

use super::{
    answer::{Difference, differences},
    flink_pools::FlinkPools,
    ours,
    step::Step,
};

/// A sequence after whose last step the two sides differ.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The steps.
    pub steps: Vec<Step>,
    /// What differs.
    pub differences: Vec<Difference>,
}

impl Mismatch {
    /// In which respect the sides differ first, and after what.
    #[must_use]
    pub fn respect(&self) -> (String, &str) {
        let step = self.steps.last().map(Step::name).unwrap_or_default();
        let first = self.differences.first();
        (step, first.map_or("", |difference| &difference.respect))
    }

    /// The first step after which the two sides differ, if there is one.
    #[must_use]
    pub fn find(steps: &[Step], flink: &[String], ours: &[String]) -> Option<Self> {
        let answers = flink.iter().zip(ours).enumerate();
        answers
            .map(|(index, (flink, ours))| (index, differences(flink, ours)))
            .find(|(_, differences)| !differences.is_empty())
            .map(|(index, differences)| Self {
                steps: steps.iter().take(index + 1).cloned().collect(),
                differences,
            })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(formatter, "    {step}")?;
        }
        for difference in &self.differences {
            writeln!(formatter, "  {}", difference.text.trim_start())?;
        }
        Ok(())
    }
}

/// The smallest sequence found that shows the same mismatch.
///
/// # Errors
/// When Flink cannot be asked any more.
pub fn shrink(flink: &mut FlinkPools, mismatch: Mismatch) -> Result<Mismatch> {
    let mut smallest = mismatch;
    let mut length = smallest.steps.len() / 2;
    while length > 0 {
        match without(flink, &smallest, length)? {
            Some(smaller) => smallest = smaller,
            None => length /= 2,
        }
    }
    Ok(smallest)
}

/// The mismatch without so many steps in a row, wherever that still shows it.
fn without(flink: &mut FlinkPools, mismatch: &Mismatch, length: usize) -> Result<Option<Mismatch>> {
    // The first step makes the pool.
    let starts = (1..mismatch.steps.len()).step_by(length);
    let candidates: Vec<(Vec<Step>, Vec<String>)> = starts
        .filter_map(|start| {
            let steps: Vec<Step> = mismatch
                .steps
                .iter()
                .enumerate()
                .filter(|(index, _)| !(start..start + length).contains(index))
                .map(|(_, step)| step.clone())
                .collect();
            let answers = ours::play(&steps)?;
            Some((steps, answers))
        })
        .collect();
    let sequences: Vec<&[Step]> = candidates.iter().map(|(steps, _)| &steps[..]).collect();
    let answers = flink.play(&sequences)?;
    Ok(candidates
        .iter()
        .zip(answers)
        .find_map(|((steps, ours), flink)| {
            Mismatch::find(steps, &flink, ours)
                .filter(|smaller| smaller.respect() == mismatch.respect())
        }))
}
