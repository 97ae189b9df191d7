//! How a figure is taken: in rounds of so many times each.
//!
//! Of one thread the fastest round counts, because whatever else the machine does only ever adds time. Of several threads
//! the median counts, because in the fastest one they may just not have met.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

/// Rounds that are not counted, in which memory becomes present and processors learn.
const WARM_UPS: usize = 3;

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often something is done in a round that takes some nanoseconds.
    pub many: u32,
    /// Rounds that count.
    pub rounds: usize,
    /// What larger things are divided by.
    pub divisor: u32,
}

impl Effort {
    /// Enough for figures to keep, or to try the benchmark itself.
    pub fn new(is_quick: bool) -> Self {
        let divisor = if is_quick { 10 } else { 1 };
        Self {
            many: 500_000 / divisor,
            rounds: 31,
            divisor,
        }
    }
}

/// Does something so many times, on the thread that it was made on.
pub type Work<'a> = Box<dyn FnMut(u32) -> Result<()> + 'a>;

/// Makes what a thread needs for its work.
pub type Begin<'a> = Box<dyn FnOnce() -> Result<Work<'a>> + Send + 'a>;

/// The nanoseconds of one time, done on this thread.
pub fn alone(effort: Effort, times: u32, mut body: impl FnMut(u32) -> Result<()>) -> Result<f64> {
    let rounds = sorted(effort, || {
        let start = Instant::now();
        body(times)?;
        Ok(start.elapsed())
    })?;
    let fastest = rounds.first().copied().unwrap_or_default();
    Ok(fastest.as_secs_f64() * 1e9 / f64::from(times))
}

/// The nanoseconds of one time when threads do it at once, each so many times, from the first start to the last end.
pub fn at_once(effort: Effort, times: u32, begins: Vec<Begin<'_>>) -> Result<f64> {
    let together = Barrier::new(begins.len());
    // Each thread goes through all rounds, even if it failed, so that none waits for another one in vain.
    let work_on = |begin: Begin<'_>| -> Result<Vec<(Instant, Instant)>> {
        let mut work = begin();
        let mut spans = Vec::new();
        for _ in 0..WARM_UPS + effort.rounds {
            together.wait();
            let start = Instant::now();
            let done = match &mut work {
                Ok(work) => work(times),
                Err(_) => Ok(()),
            };
            spans.push((start, Instant::now()));
            if let Err(error) = done {
                work = Err(error);
            }
            // Nobody goes before all are done: what is on its way may be of somebody who stays.
            together.wait();
        }
        work.map(|_| spans)
    };
    let of_threads = thread::scope(|scope| {
        let threads: Vec<_> = begins
            .into_iter()
            .map(|begin| scope.spawn(|| work_on(begin)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect::<Result<Vec<_>>>()
    })?;
    let rounds = (WARM_UPS..WARM_UPS + effort.rounds).filter_map(|round| {
        let spans = || of_threads.iter().filter_map(|spans| spans.get(round));
        let start = spans().map(|(start, _)| *start).min()?;
        let end = spans().map(|(_, end)| *end).max()?;
        Some((end - start).as_secs_f64() * 1e9 / f64::from(times))
    });
    Ok(median(rounds.collect()))
}

/// What the rounds that count took, the fastest first.
fn sorted(effort: Effort, mut round: impl FnMut() -> Result<Duration>) -> Result<Vec<Duration>> {
    for _ in 0..WARM_UPS {
        round()?;
    }
    let mut times = (0..effort.rounds)
        .map(|_| round())
        .collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times)
}

/// The least.
pub fn fastest(values: Vec<f64>) -> f64 {
    values
        .into_iter()
        .min_by(f64::total_cmp)
        .unwrap_or_default()
}

/// The greatest.
pub fn slowest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
