//! From violations to conflicts: every one, each with the ways out that were tried, and the one way out of all.

use super::{
    effective::Options,
    flink_error,
    infeasible::{Change, Conflict, Exact, Infeasible, Severity, Suggestion},
    joint::joint,
    memory_size,
    request::Origin,
    statement::{Statement, state},
    suggestion::{Terms, WayOut, is_self_contained, ways_out},
    trial::{Identity, Trial, identity, violations},
    violation::Violation,
    warning,
};
use crate::{bytes::Bytes, quantity};

/// Corrections are followed this often: what one brings to light may hide something again.
const MOST_LAYERS: usize = 4;

/// Every conflict of a request that does not solve.
pub(super) fn diagnose(options: &Options<'_>) -> Infeasible {
    let (_, violations, flinks) = violations(options);
    let flink_error = violations
        .first()
        .filter(|_| flinks > 0)
        .and_then(|violation| flink_error::of(violation, options));
    let original = Trial::new(options.request);
    let mut drafts: Vec<Draft> = violations
        .iter()
        .map(|violation| Draft::new(options, &original, &violations, violation, &[]))
        .collect();
    order_by_what_they_explain(&mut drafts);
    leave_out_consequences(&mut drafts);
    let hidden = hidden(&original, &drafts);
    let joint = one_for_all(&original, &drafts, &hidden)
        .map(|change| vec![change])
        .or_else(|| joint(options.request, true))
        .unwrap_or_default();
    let mut conflicts: Vec<Conflict> = drafts
        .into_iter()
        .chain(hidden)
        .map(Draft::finish)
        .collect();
    conflicts.extend(warning::of_options(options));
    Infeasible {
        conflicts,
        joint,
        flink_error,
    }
}

/// A conflict whose sentence is not finished.
struct Draft {
    identity: Identity,
    is_self_contained: bool,
    statement: Statement,
    ways_out: Vec<WayOut>,
    assuming: Vec<Suggestion>,
    flink_error: Option<super::infeasible::FlinkError>,
}

impl Draft {
    fn new(
        options: &Options<'_>,
        trial: &Trial,
        before: &[Violation],
        violation: &Violation,
        assuming: &[Suggestion],
    ) -> Draft {
        let ways_out = ways_out(trial, before, &violation.kind, Terms::offered());
        Draft {
            identity: identity(&violation.kind),
            is_self_contained: is_self_contained(&violation.kind),
            statement: state(options, &violation.kind, sufficient_limit(&ways_out)),
            ways_out,
            assuming: assuming.to_vec(),
            flink_error: flink_error::of(violation, options),
        }
    }

    /// Whether the other is still there after this way out.
    fn leaves(way_out: &WayOut, other: &Draft) -> bool {
        way_out
            .remaining
            .iter()
            .any(|remaining| identity(&remaining.kind) == other.identity)
    }

    /// How many of the others go with it.
    fn explains(&self, drafts: &[Draft]) -> usize {
        self.ways_out.first().map_or(0, |first| {
            drafts
                .iter()
                .filter(|other| other.identity != self.identity && !Draft::leaves(first, other))
                .count()
        })
    }

    fn finish(self) -> Conflict {
        let Statement {
            code,
            options,
            bound,
            sum,
            total,
            what,
            otherwise,
        } = self.statement;
        let suggestions: Vec<Suggestion> = self
            .ways_out
            .into_iter()
            .map(|way_out| way_out.suggestion)
            .collect();
        let way_out = match suggestions.as_slice() {
            [] => format!("no change of one option mends it: {otherwise}"),
            [only] => only.to_string(),
            [first, second, ..] => format!("{first}, or {second}"),
        };
        let premise: String = self
            .assuming
            .iter()
            .map(|change| match &change.change {
                Change::Set(value) => format!("once {} is {value}, ", change.path),
                Change::Remove => format!("once {} is removed, ", change.path),
            })
            .collect();
        let bound = match &total {
            None => bound,
            Some(total) => {
                let own = options.first().and_then(|first| {
                    suggestions
                        .iter()
                        .find(|suggestion| suggestion.path == first.path)
                });
                own.and_then(own_bound)
                    .unwrap_or_else(|| format!("{} {}", total.name, total.bound))
            }
        };
        let message = format!("{premise}{what}; {way_out}");
        Conflict {
            sum,
            total,
            suggestions,
            assuming: self.assuming,
            flink_error: self.flink_error,
            ..Conflict::new(code, Severity::Error, options, bound, message)
        }
    }
}

/// What the value would have to be that a suggestion changes.
fn own_bound(suggestion: &Suggestion) -> Option<String> {
    let exact = suggestion.exact.as_ref()?;
    let text = match (&suggestion.origin, &suggestion.change) {
        // Nobody writes the bytes of a container.
        (Some(Origin::ContainerLimit), Change::Set(value)) => value.clone(),
        _ => match memory_size::parse(exact.value()) {
            Ok(size) if exact.value().ends_with('b') => memory_size::text(size),
            _ => exact.value().to_owned(),
        },
    };
    Some(match exact {
        Exact::AtMost(_) => format!("<= {text}"),
        Exact::AtLeast(_) => format!(">= {text}"),
    })
}

/// A container limit that is a way out.
fn sufficient_limit(ways_out: &[WayOut]) -> Option<Bytes> {
    ways_out
        .iter()
        .filter(|way_out| way_out.suggestion.origin == Some(Origin::ContainerLimit))
        .find_map(|way_out| match &way_out.suggestion.change {
            Change::Set(value) => quantity::parse_memory(value).ok(),
            Change::Remove => None,
        })
}

/// The least single change after which nothing is wrong any more.
fn one_for_all(original: &Trial, drafts: &[Draft], hidden: &[Draft]) -> Option<Suggestion> {
    let ways_out = |drafts: &'_ [Draft]| -> Vec<WayOut> {
        let of_each = drafts.iter().flat_map(|draft| draft.ways_out.clone());
        of_each.collect()
    };
    let least = |ways_out: Vec<WayOut>| {
        ways_out
            .into_iter()
            .min_by_key(|way_out| (way_out.is_removal, way_out.amount))
    };
    let mut sufficient = ways_out(drafts);
    sufficient.retain(|way_out| way_out.remaining.is_empty());
    // What helps against a hidden conflict may put right what hid it.
    let change = least(sufficient).or_else(|| {
        let mut sufficient = ways_out(hidden);
        sufficient.retain(|way_out| {
            let request = original.request.with_suggestion(&way_out.suggestion);
            Trial { request }.solves()
        });
        least(sufficient)
    })?;
    Some(Suggestion {
        exact: None,
        ..change.suggestion
    })
}

/// First what explains most of the others; what explains as many as another stays as Flink would find it.
fn order_by_what_they_explain(drafts: &mut Vec<Draft>) {
    let explained: Vec<usize> = drafts.iter().map(|draft| draft.explains(drafts)).collect();
    let mut order: Vec<(usize, Draft)> = explained.into_iter().zip(drafts.drain(..)).collect();
    order.sort_by_key(|(explained, _)| std::cmp::Reverse(*explained));
    drafts.extend(order.into_iter().map(|(_, draft)| draft));
}

/// A sum that every way out of an earlier conflict puts right is that conflict seen again.
fn leave_out_consequences(drafts: &mut Vec<Draft>) {
    let mut kept: Vec<Draft> = Vec::new();
    for draft in drafts.drain(..) {
        let is_consequence = !draft.is_self_contained
            && kept.iter().any(|cause| {
                !cause.ways_out.is_empty()
                    && cause
                        .ways_out
                        .iter()
                        .all(|way_out| !Draft::leaves(way_out, &draft))
            });
        if !is_consequence {
            kept.push(draft);
        }
    }
    *drafts = kept;
}

/// What a value hides that can't be what it is: the conflicts that the first corrections lead to.
fn hidden(original: &Trial, drafts: &[Draft]) -> Vec<Draft> {
    let mut known: Vec<Identity> = drafts.iter().map(|draft| draft.identity).collect();
    known.extend(
        original
            .findings()
            .iter()
            .map(|finding| identity(&finding.kind)),
    );
    let mut corrections: Vec<Suggestion> = corrections_of(drafts);
    let mut trial = original.clone();
    let mut found: Vec<Draft> = Vec::new();
    for _ in 0..MOST_LAYERS {
        if corrections.is_empty() {
            break;
        }
        for correction in &corrections {
            trial.request = trial.request.with_suggestion(correction);
        }
        let findings = trial.findings();
        let options = Options::new(&trial.request);
        let news: Vec<Draft> = findings
            .iter()
            .filter(|finding| !known.contains(&identity(&finding.kind)))
            .map(|finding| Draft::new(&options, &trial, &findings, finding, &corrections))
            .collect();
        known.extend(news.iter().map(|draft| draft.identity));
        corrections = corrections_of(&news);
        found.extend(news);
    }
    found
}

/// The first correction of every value that can't be what it is.
fn corrections_of(drafts: &[Draft]) -> Vec<Suggestion> {
    drafts
        .iter()
        .filter(|draft| draft.is_self_contained)
        .filter_map(|draft| draft.ways_out.first())
        .map(|way_out| way_out.suggestion.clone())
        .collect()
}

#[cfg(test)]
mod properties;
