//! Which rules of the model the questions exercised, and which none did.
//!
//! A rule is seen in the solver's own answer: where a size came from, which error ended the derivation. A rule that
//! is hit but stands in no list is a finding as well, so that the lists cannot fall behind the solver.

mod answers;
mod errors;
mod jobmanager;
mod kubernetes;
mod logs;
mod process;
mod taskmanager;

use std::collections::BTreeMap;

use headroom::budget::{FlinkVersion, Role};
use serde_json::Value;

use super::{
    question::{Kind, Question},
    versions::Release,
};

/// A rule that a run has to hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, with the kind of question.
    pub name: String,
    /// Why nothing can hit it, where that is so.
    pub unreachable: Option<&'static str>,
}

/// How often each rule was hit in one version.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    hits: BTreeMap<String, usize>,
}

impl Coverage {
    /// Counts what one question hit.
    pub fn record(&mut self, release: Release, question: &Question, answer: &Value) {
        let kind = question.kind;
        let (Some(version), Some(role)) = (release.version, kind.role()) else {
            self.count(kind.name(), answers::hit(question, answer));
            return;
        };
        // A process has the same rules wherever it is started; what Kubernetes adds are rules of its own.
        self.count(of_process(role), process::hit(version, question));
        if kind.is_on_kubernetes() {
            self.count(kind.name(), kubernetes::hit(version, question, answer));
        }
    }

    fn count(&mut self, subject: &str, hit: Vec<String>) {
        for name in hit {
            *self.hits.entry(named(subject, &name)).or_default() += 1;
        }
    }

    /// How many rules were hit.
    #[must_use]
    pub fn hit(&self) -> usize {
        self.hits.len()
    }

    /// The rules that can be hit and were not.
    #[must_use]
    pub fn missed(&self, release: Release) -> Vec<String> {
        rules(release)
            .into_iter()
            .filter(|rule| rule.unreachable.is_none() && !self.hits.contains_key(&rule.name))
            .map(|rule| rule.name)
            .collect()
    }

    /// The kinds of questions that could hit a rule which none has hit.
    #[must_use]
    pub fn incomplete(&self, release: Release) -> Vec<Kind> {
        let missed = self.missed(release);
        let is_missed = |subject: &str| {
            let start = named(subject, "");
            missed.iter().any(|rule| rule.starts_with(&start))
        };
        Kind::ALL
            .into_iter()
            .filter(|kind| kind.is_asked_of(release))
            // The rules of a process are hit wherever it is started.
            .filter(|kind| {
                is_missed(kind.name())
                    || kind.role().is_some_and(|role| is_missed(of_process(role)))
            })
            .collect()
    }

    /// The rules that were hit and stand in no list, or in one as out of reach.
    #[must_use]
    pub fn unlisted(&self, release: Release) -> Vec<String> {
        let reachable: Vec<String> = rules(release)
            .into_iter()
            .filter(|rule| rule.unreachable.is_none())
            .map(|rule| rule.name)
            .collect();
        self.hits
            .keys()
            .filter(|name| !reachable.contains(name))
            .cloned()
            .collect()
    }

    /// Every rule with how often it was hit, rarest first.
    #[must_use]
    pub fn rarest(&self) -> Vec<(&str, usize)> {
        let mut hits: Vec<_> = self
            .hits
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        hits.sort_by_key(|(_, count)| *count);
        hits
    }
}

/// Every rule of every kind of question that a release is asked.
#[must_use]
pub fn rules(release: Release) -> Vec<Rule> {
    Kind::ALL
        .into_iter()
        .filter(|kind| kind.is_asked_of(release))
        .flat_map(|kind| {
            let (subject, rules) = match (release.version, kind.role()) {
                (Some(version), Some(role)) if kind.is_on_kubernetes() => {
                    (kind.name(), kubernetes::rules(version, role))
                }
                (Some(version), Some(role)) => (of_process(role), process::rules(version, role)),
                _ => (kind.name(), answers::rules(kind, release)),
            };
            rules.into_iter().map(move |rule| Rule {
                name: named(subject, &rule.name),
                ..rule
            })
        })
        .collect()
}

const fn of_process(role: Role) -> &'static str {
    match role {
        Role::TaskManager => Kind::TaskManager.name(),
        Role::JobManager => Kind::JobManager.name(),
    }
}

fn named(subject: &str, name: &str) -> String {
    format!("{subject}: {name}")
}

fn reachable(name: impl Into<String>) -> Rule {
    Rule {
        name: name.into(),
        unreachable: None,
    }
}

/// Reachable in the versions in which something holds, and for this reason not in the others.
fn reachable_if(holds: bool, name: impl Into<String>, otherwise: &'static str) -> Rule {
    if holds {
        reachable(name)
    } else {
        unreachable(name, otherwise)
    }
}

/// Reachable up to Flink 1.20.
fn legacy(version: FlinkVersion, name: impl Into<String>) -> Rule {
    reachable_if(
        version <= FlinkVersion::V1_20,
        name,
        "read up to Flink 1.20 only",
    )
}

fn unreachable(name: impl Into<String>, reason: &'static str) -> Rule {
    Rule {
        name: name.into(),
        unreachable: Some(reason),
    }
}
