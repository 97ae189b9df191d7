//! The segment pools against released Flink's: the same random steps through both, and after every step the answer and
//! every figure compared.
//!
//! Flink runs in one warm process, and it is Flink's code alone that answers. Where its result is left to chance, and
//! where the specification of ours names a mistake of Flink's that is not copied, the program in `e2e/flink/src/pools`
//! puts the comparison in order:
//!
//! | in Flink | here |
//! | --- | --- |
//! | local pools get odd segments in the order of their identity hashes | the sets are replaced by ones that remember the order of creation |
//! | those who wait for a segment are told in the order that `CompletableFuture` has, in the middle of whatever goes on | first come, first told; and when all is back that comes back together, or a redistribution is over |
//! | a redistribution has every pool look for a segment | only those whose size it changes; the others are told when it is their turn |
//! | a refused creation keeps its part of the required segments | given back |
//! | `reserveSegments` does not count what it takes | counted |
//! | a segment that is fetched ahead lies beside a listener that waits | handed to the listener, as if somebody had taken it and given it back |
//! | a segment that comes back after the network pool's end lies in its queue | not counted, and the network pool is not asked for one |
//! | a list of pages that is released is left at the first page whose owner has nothing any more | all of them are released |
//!
//! Calls that wait are made by a thread that is interrupted already, and with a token that is cancelled: they do what
//! they can do at once. Some steps are not played where Flink's answer means nothing:
//! - As in Flink's own use, pools with channels are those of outputs, whose availability is watched, and pools without
//!   are those of inputs, which are listened to and reserve segments. Flink makes a pool available when it reserves,
//!   whatever its channels have; and a watcher would see a segment that is handed to a listener.
//! - Of the listeners that wait in a pool only the last one refuses: ours fetches one segment for each that waits, where
//!   the handing over offers the same segment to the next.
//! - The network pool ends after its local pools, and has segments: Flink says that one without any is available.
//! - A local pool of numbers that cannot be is created where the required segments could be guaranteed: the two sides
//!   check in another order.
//! - Leases of shared resources whose bytes are the manager's end before it is shut down: in Flink ending one fails
//!   afterwards, in ours it cannot fail.
//! - Pooled segments are waited for one by one or more: Flink gives one where none is asked for.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`step`] | one step, as both sides read it |
//! | [`generate`] | random sequences |
//! | [`flink_pools`] | Flink's side |
//! | [`ours`], [`network`], [`manager`] | our side |
//! | [`answer`] | what differs |
//! | [`shrink`] | makes a mismatch small |

pub mod answer;
pub mod flink_pools;
pub mod generate;
pub mod manager;
pub mod network;
pub mod ours;
pub mod shrink;
pub mod step;

use std::{collections::BTreeMap, fmt::Write as _, time::Instant};

use anyhow::{Context, Result};

use self::{
    flink_pools::FlinkPools, generate::Generator, ours::Played, shrink::Mismatch, step::Step,
};
use crate::{flink, flink_diff::versions::Release, tools::Progress};

/// Sequences that are played at once.
const BATCH: usize = 50;

/// Mismatches that are made small, each in another respect; more say no more.
const SHRUNK: usize = 8;

/// The first release whose pools count as those of later ones do.
const FIRST: (u32, u32) = (1, 18);

/// What every run of some thousand steps comes to see, by the kind of step; a comparison that does not would say less
/// than it seems to.
const EXPECTED: &[(&str, &[&str])] = &[
    ("create", &["ok", "insufficient", "argument", "state"]),
    ("destroy-pool", &["ok"]),
    ("segment", &["given", "none", "cancelled"]),
    ("segments", &["given"]),
    ("bursts", &["given"]),
    ("segment-blocking", &["given", "interrupted", "cancelled"]),
    ("buffer", &["given", "none", "cancelled"]),
    ("builder", &["given", "none", "cancelled"]),
    ("builder-blocking", &["given", "interrupted"]),
    ("retain", &["ok"]),
    ("recycle", &["ok"]),
    ("recycle-many", &["recycled"]),
    ("resize", &["ok", "argument"]),
    ("overdraft", &["ok"]),
    ("reserve", &["ok", "argument", "interrupted"]),
    ("listener", &["true", "false"]),
    ("future", &["ok"]),
    ("future-of-network", &["ok"]),
    (
        "unpooled",
        &["given", "insufficient", "interrupted", "state"],
    ),
    ("recycle-unpooled", &["ok"]),
    ("pooled", &["given", "none"]),
    ("pooled-blocking", &["given"]),
    ("destroy-all", &["ok", "state"]),
    ("usage-notice", &["none", "exceeded", "normal"]),
    ("manager", &["ok", "argument"]),
    ("allocate", &["given", "allocation", "argument", "state"]),
    ("release", &["ok", "again", "state"]),
    ("release-list", &["ok", "state"]),
    ("release-all", &["ok", "state"]),
    ("reserve-bytes", &["ok", "reservation", "state"]),
    ("release-bytes", &["ok", "surplus", "state"]),
    ("release-all-bytes", &["ok", "state"]),
    ("pages-of", &["pages", "argument"]),
    ("bytes-of", &["bytes", "argument"]),
    (
        "shared",
        &[
            "opened",
            "known",
            "refused",
            "allocation",
            "argument",
            "state",
        ],
    ),
    ("external", &["opened", "known", "refused"]),
    ("close", &["ok", "closed"]),
    ("shutdown", &["ok", "again"]),
];

/// What one run plays.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many steps at least.
    pub steps: usize,
    /// What they follow from.
    pub seed: u64,
}

/// What came out for one release.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The release.
    pub release: Release,
    /// How many sequences were played.
    pub sequences: usize,
    /// How many steps they had.
    pub steps: usize,
    /// How many sequences ended in a mismatch.
    pub mismatched: usize,
    /// Some of these, made small, each in another respect.
    pub mismatches: Vec<Mismatch>,
    /// How often each kind of step came out how.
    pub outcomes: BTreeMap<String, BTreeMap<String, usize>>,
    /// What the comparison took.
    pub seconds: f64,
}

/// The releases whose pools can be compared, oldest first.
#[must_use]
pub fn releases() -> Vec<Release> {
    let mut releases = Release::all();
    releases
        .retain(|release| flink::minor_release(release.name).is_ok_and(|release| release >= FIRST));
    releases
}

/// Compares our pools with one release.
///
/// # Errors
/// When the release cannot be had or asked.
pub fn compare(release: Release, plan: &Plan) -> Result<Comparison> {
    let mut flink = FlinkPools::start(release)?;
    let started = Instant::now();
    let mut progress = Progress::new(format!("Flink {release}, pools"));
    let mut generator = Generator::new(plan.seed);
    let mut comparison = Comparison {
        release,
        sequences: 0,
        steps: 0,
        mismatched: 0,
        mismatches: Vec::new(),
        outcomes: BTreeMap::new(),
        seconds: 0.0,
    };
    let mut found: Vec<Mismatch> = Vec::new();
    while comparison.steps < plan.steps {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH && comparison.steps < plan.steps {
            let played = ours::random(&mut generator).context("no memory for a pool")?;
            comparison.record(&played);
            batch.push(played);
        }
        let sequences: Vec<&[Step]> = batch.iter().map(|played| &played.steps[..]).collect();
        let answers = flink.play(&sequences)?;
        for (played, flink) in batch.iter().zip(answers) {
            found.extend(Mismatch::find(&played.steps, &flink, &played.answers));
        }
        progress.show(&format!(
            "{} steps, {} mismatches",
            comparison.steps,
            found.len()
        ));
    }
    comparison.mismatched = found.len();
    for mismatch in found {
        let is_new = comparison
            .mismatches
            .iter()
            .all(|known| known.respect() != mismatch.respect());
        if is_new && comparison.mismatches.len() < SHRUNK {
            comparison
                .mismatches
                .push(shrink::shrink(&mut flink, mismatch)?);
        }
    }
    comparison.seconds = started.elapsed().as_secs_f64();
    progress.end(&format!(
        "{} steps, {} mismatches",
        comparison.steps, comparison.mismatched
    ));
    Ok(comparison)
}

impl Comparison {
    fn record(&mut self, played: &Played) {
        self.sequences += 1;
        self.steps += played.steps.len();
        for (step, answer) in played.steps.iter().zip(&played.answers) {
            let end = answer.find([' ', ';', '=']).unwrap_or(answer.len());
            let outcomes = self.outcomes.entry(step.name()).or_default();
            *outcomes.entry(answer[..end].to_owned()).or_default() += 1;
        }
    }

    /// Whether both sides agree everywhere, and came to see what there is to see.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.mismatched == 0 && self.unseen().is_empty()
    }

    /// What should have been seen and was not.
    fn unseen(&self) -> Vec<String> {
        let expected = EXPECTED
            .iter()
            .flat_map(|(kind, outcomes)| outcomes.iter().map(move |outcome| (*kind, *outcome)));
        expected
            .filter(|(kind, outcome)| {
                let seen = self.outcomes.get(*kind);
                seen.is_none_or(|seen| !seen.contains_key(*outcome))
            })
            .map(|(kind, outcome)| format!("{kind}: {outcome}"))
            .collect()
    }

    /// The whole report: counts, and the smallest sequences that show a mismatch.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = format!(
            "Flink {}, pools: {} steps in {} sequences, {} sequences with a mismatch, {:.0} s\n",
            self.release, self.steps, self.sequences, self.mismatched, self.seconds
        );
        for mismatch in &self.mismatches {
            let _ = write!(text, "  mismatch after these steps:\n{mismatch}");
        }
        for kind in self.unseen() {
            let _ = writeln!(text, "  never seen: {kind}");
        }
        text
    }

    /// How often each kind of step was taken, and how often it came out how.
    #[must_use]
    pub fn details(&self) -> String {
        let mut text = format!("  {:<18} {:>8}  answers\n", "step", "times");
        for (kind, outcomes) in &self.outcomes {
            let times: usize = outcomes.values().sum();
            let mut outcomes: Vec<_> = outcomes.iter().collect();
            outcomes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let outcomes: Vec<String> = outcomes
                .into_iter()
                .map(|(outcome, count)| format!("{outcome} {count}"))
                .collect();
            let _ = writeln!(text, "  {kind:<18} {times:>8}  {}", outcomes.join(", "));
        }
        text
    }
}
