//! The solver's side: a question as a request, and whether Flink's answer to it is the solver's.
//!
//! The comparison itself is that of the recorded answers.

use std::{hint::black_box, time::Instant};

use anyhow::{Result, anyhow};
use headroom::budget::{
    Configuration, FlinkVersion, Mode, Origin, Request, Role, derive, heap_environment,
};

use super::{
    check::{self, Outcome},
    question::Question,
    versions::Release,
};

/// The question in the solver's terms.
#[must_use]
pub fn request(version: FlinkVersion, question: &Question) -> Request {
    let mut configuration = Configuration::new();
    for (key, value) in &question.options {
        configuration.push(key.clone(), value.clone(), Origin::FlinkConfiguration);
    }
    let role = question.kind.role().unwrap_or(Role::TaskManager);
    // The JobManager of 1.10 is asked for the cut-off of its container.
    let is_cut_off = role == Role::JobManager && version == FlinkVersion::V1_10;
    let mode = if question.kind.is_on_kubernetes() || is_cut_off {
        Mode::Kubernetes
    } else {
        Mode::Standalone
    };
    let mut request = Request::new(version, configuration)
        .with_role(role)
        .with_mode(mode);
    request.legacy_heap_environment = question.environment.get(heap_environment(role)).cloned();
    request
}

/// What differs between Flink's answer and the solver's; nothing where they agree.
///
/// # Errors
/// When the answer is not in the form of the recorded ones, or nobody compares this kind.
pub fn differences(release: Release, question: &Question, answer: &str) -> Result<Vec<String>> {
    let line = question.recorded(release.name, answer);
    match check::line(&line).map_err(|error| anyhow!("{error}: {line}"))? {
        Outcome::Passed => Ok(Vec::new()),
        // The cores are compared as the text among the options: numbers of JSON are not read to the last bit.
        Outcome::Failed { differences, .. } => Ok(differences
            .into_iter()
            .filter(|difference| !difference.starts_with("cpuCores:"))
            .collect()),
    }
}

/// Nanoseconds that one derivation takes the solver, in the fastest of some rounds over the same questions.
#[must_use]
pub fn time(requests: &[Request], rounds: u32) -> f64 {
    let mut fastest = f64::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        for request in requests {
            let _ = black_box(derive(black_box(request)));
        }
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are some thousands of them"
    )]
    let count = requests.len().max(1) as f64;
    fastest * 1e9 / count
}
