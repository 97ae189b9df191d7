//! The solver against released Flink: the same random questions to both, to Flink in one warm process per release.
//!
//! Every difference is a mistake of the solver's (or of this comparison), never a matter of taste: sizes, flags, `-D`
//! options in their order, error classes, messages and causes. Only the wording of the JVM itself is left out.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`versions`] | the releases that can be asked |
//! | [`question`] | one question, as both sides read it |
//! | [`generate`] | random questions that reach branches |
//! | [`flink_process`] | asks Flink |
//! | [`ask`] | asks the solver, and compares |
//! | [`coverage`] | which rules of the model were hit |
//! | [`shrink`] | makes a mismatch small |
//! | [`report`] | says what came out |

pub mod ask;
pub mod coverage;
pub mod flink_process;
pub mod generate;
pub mod question;
pub mod report;
pub mod shrink;
pub mod versions;

#[allow(
    dead_code,
    reason = "what only a file of recorded answers has, the line's name, is read elsewhere"
)]
#[path = "../../examples/vectors/check.rs"]
mod check;

use std::time::Instant;

use anyhow::{Context, Result};
use headroom::budget::{Request, derive};
use serde_json::Value;

use self::{
    coverage::Coverage,
    flink_process::{FlinkProcess, FlinkTiming},
    generate::Generator,
    question::Kind,
    shrink::Mismatch,
    versions::Release,
};
use crate::tools::Progress;

/// Questions that are asked at once: enough to keep both sides busy, few enough for new ones to follow from answers.
const BATCH: usize = 1000;

/// Questions that are asked at once when only some rules are left.
const MORE: usize = 200;

/// As many questions are timed as the Flink side keeps for it.
const TIMED: usize = 10_000;

/// Rounds of which the fastest counts.
const ROUNDS: u32 = 5;

/// Mismatches of one respect that are made small; more say no more.
const SHRUNK: usize = 3;

/// What one run asks.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many questions, and up to as many again as long as a rule was never exercised.
    pub questions: usize,
    /// What the questions follow from.
    pub seed: u64,
    /// Whether derivations are timed.
    pub is_timed: bool,
}

/// What came out for one release.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The release.
    pub release: Release,
    /// How many questions were asked.
    pub questions: usize,
    /// How many of them were answered differently.
    pub mismatched: usize,
    /// Some of these, made small, each different from the others.
    pub mismatches: Vec<Mismatch>,
    /// Which rules were hit.
    pub coverage: Coverage,
    /// What a derivation took, where that was asked.
    pub timing: Option<Timing>,
    /// What the comparison took.
    pub seconds: f64,
}

/// What one derivation of a TaskManager's memory takes, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Flink, in process and warm.
    pub flink: FlinkTiming,
    /// The solver, for all of the same questions.
    pub headroom: f64,
    /// The solver, for those that can be solved.
    pub headroom_solved: f64,
}

/// Compares the solver with one release.
///
/// # Errors
/// When the release can't be had or asked, or an answer can't be compared.
pub fn compare(release: Release, plan: &Plan) -> Result<Comparison> {
    let mut flink = FlinkProcess::start(release)?;
    let started = Instant::now();
    let mut progress = Progress::new(format!("Flink {release}"));
    let mut generator = Generator::new(plan.seed, release);
    let mut coverage = Coverage::default();
    let mut timed: Vec<Request> = Vec::new();
    let mut found: Vec<Mismatch> = Vec::new();
    let mut asked = 0;
    loop {
        let mut wanted = BATCH.min(plan.questions.saturating_sub(asked));
        if wanted == 0 {
            // As long as a rule was never exercised, up to as many questions again, of the kinds that could do it.
            let kinds = coverage.incomplete(release);
            if kinds.is_empty() || asked >= 2 * plan.questions {
                break;
            }
            generator.ask_only(kinds);
            wanted = MORE.min(2 * plan.questions - asked);
        }
        let questions = generator.questions(wanted);
        let answers = flink.ask(&questions)?;
        asked += questions.len();
        for (question, answer) in questions.into_iter().zip(answers) {
            let differences = ask::differences(release, &question, &answer)?;
            let answer: Value = serde_json::from_str(&answer)
                .with_context(|| format!("Flink {release} answered no JSON: {answer}"))?;
            coverage.record(release, &question, &answer);
            generator.remember(&question, &answer);
            if plan.is_timed
                && timed.len() < TIMED
                && question.kind == Kind::TaskManager
                && question.environment.is_empty()
                && let Some(version) = release.version
            {
                timed.push(ask::request(version, &question));
            }
            if !differences.is_empty() {
                found.push(Mismatch {
                    question,
                    differences,
                });
            }
        }
        progress.show(&format!("{asked} questions, {} mismatches", found.len()));
    }
    let mismatched = found.len();
    let mismatches = shrunk(&mut flink, release, found)?;
    let timing = if plan.is_timed && !timed.is_empty() {
        progress.show("timing derivations");
        Some(timing(&mut flink, &timed)?)
    } else {
        None
    };
    let seconds = started.elapsed().as_secs_f64();
    progress.end(&format!("{asked} questions, {mismatched} mismatches"));
    Ok(Comparison {
        release,
        questions: asked,
        mismatched,
        mismatches,
        coverage,
        timing,
        seconds,
    })
}

/// The mismatches worth showing: some of each respect, made small, without repetitions.
fn shrunk(
    flink: &mut FlinkProcess,
    release: Release,
    found: Vec<Mismatch>,
) -> Result<Vec<Mismatch>> {
    let mut shown: Vec<Mismatch> = Vec::new();
    for mismatch in found {
        let alike = shown
            .iter()
            .filter(|other| other.respect() == mismatch.respect());
        if alike.count() < SHRUNK {
            let small = shrink::shrink(flink, release, mismatch)?;
            if !shown.iter().any(|other| other.question == small.question) {
                shown.push(small);
            }
        }
    }
    Ok(shown)
}

fn timing(flink: &mut FlinkProcess, requests: &[Request]) -> Result<Timing> {
    let solved: Vec<Request> = requests
        .iter()
        .filter(|request| derive(request).is_ok())
        .cloned()
        .collect();
    Ok(Timing {
        flink: flink.time(ROUNDS)?,
        headroom: ask::time(requests, ROUNDS),
        headroom_solved: ask::time(&solved, ROUNDS),
    })
}
