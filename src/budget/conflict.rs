//! From violations to conflicts: every one, in Flink's order, with the ways out that were tried.

use super::{
    effective::Options,
    flink_error,
    infeasible::{Conflict, Infeasible, Severity, Suggestion},
    statement::{Statement, state},
    suggestion::{WAYS_OUT, is_self_contained, ways_out},
    trial::{Edit, Identity, Trial, identity, violations},
    violation::{Kind, Violation},
    warning,
};

/// Every conflict of a request that does not solve.
pub(super) fn diagnose(options: &Options<'_>) -> Infeasible {
    let (_, violations, flinks) = violations(options);
    let flink_error = violations
        .first()
        .filter(|_| flinks > 0)
        .and_then(|violation| flink_error::of(violation, options));
    let original = Trial::new(options.request);
    let mut diagnosis = Diagnosis {
        context: original.clone(),
        original,
        cleared: Vec::new(),
        drafts: Vec::new(),
    };
    let mut order: Vec<usize> = (0..violations.len()).collect();
    order.sort_by_key(|index| weight(&violations[*index].kind));
    for index in order {
        diagnosis.add(options, index, &violations[index]);
    }
    // Changes that resolve one conflict each may meet in one option; what is left then is resolved in turn.
    for _ in 0..4 {
        let known = diagnosis.drafts.len();
        diagnosis.context = diagnosis.with_every_first_way_out();
        diagnosis.add_what_comes_to_light();
        if diagnosis.drafts.len() == known {
            break;
        }
    }
    let mut conflicts = diagnosis.finish();
    conflicts.extend(warning::of_options(options));
    Infeasible {
        conflicts,
        flink_error,
    }
}

/// Which conflicts are resolved before which: what a value is comes before what it clashes with, so first the places
/// of an option, then single values, then sums.
fn weight(kind: &Kind) -> u8 {
    match kind {
        Kind::DuplicateSource { .. } => 0,
        kind if is_self_contained(kind) => 1,
        _ => 2,
    }
}

/// A conflict whose sentence is not finished.
struct Draft {
    /// Its place in the answer.
    index: usize,
    premise: &'static str,
    statement: Statement,
    suggestions: Vec<Suggestion>,
}

/// The conflicts found so far, in the order in which they are resolved.
struct Diagnosis {
    /// The request as it was asked.
    original: Trial,
    /// The request with the first way out of every conflict so far.
    context: Trial,
    /// Which change made which conflict go away.
    cleared: Vec<(Identity, Suggestion)>,
    drafts: Vec<Draft>,
}

impl Diagnosis {
    /// A way out is tried beside those of the conflicts before it, so that the first of each add up; and alone, where
    /// one alone helps. A conflict that an earlier way out resolves needs none of its own.
    fn add(&mut self, options: &Options<'_>, index: usize, violation: &Violation) {
        let target = identity(&violation.kind);
        let suggestions = match self.cleared.iter().find(|(cleared, _)| *cleared == target) {
            Some((_, change)) => {
                let change = change.clone();
                let own = ways_out(&self.original, None, &violation.kind, true);
                let others = own
                    .iter()
                    .map(|edit| self.original.suggestion(edit))
                    .filter(|own| *own != change);
                std::iter::once(change.clone())
                    .chain(others)
                    .take(WAYS_OUT)
                    .collect()
            }
            None => {
                let mut edits =
                    ways_out(&self.context, Some(&self.original), &violation.kind, true);
                if edits.is_empty() {
                    edits = ways_out(&self.context, None, &violation.kind, true);
                }
                self.take_first_of(&edits)
            }
        };
        let statement = state(options, &violation.kind);
        self.drafts.push(Draft {
            index,
            premise: "",
            statement,
            suggestions,
        });
    }

    /// What was hidden, because a value that can't be read can't clash either: the conflicts that the first
    /// suggestions lead to.
    fn add_what_comes_to_light(&mut self) {
        // What stands for want of a way out is no news.
        let mut seen = self.context.identities();
        if self
            .drafts
            .iter()
            .all(|draft| !draft.suggestions.is_empty())
        {
            seen.clear();
        } else {
            let originally = self.original.identities();
            seen.retain(|identity| originally.contains(identity));
        }
        for index in self.drafts.len().. {
            let context = self.context.clone();
            let options = Options::new(&context.request);
            let (_, violations, _) = violations(&options);
            let next = violations
                .iter()
                .find(|violation| !seen.contains(&identity(&violation.kind)));
            let Some(next) = next else { return };
            seen.push(identity(&next.kind));
            let edits = ways_out(&context, None, &next.kind, true);
            let suggestions = self.take_first_of(&edits);
            let statement = state(&options, &next.kind);
            self.drafts.push(Draft {
                index,
                premise: "once that is corrected, ",
                statement,
                suggestions,
            });
        }
    }

    /// Applies the first of the ways out and remembers what it resolves.
    fn take_first_of(&mut self, edits: &[Edit]) -> Vec<Suggestion> {
        let suggestions: Vec<Suggestion> = edits
            .iter()
            .map(|edit| self.context.suggestion(edit))
            .collect();
        if let (Some(edit), Some(change)) = (edits.first(), suggestions.first()) {
            let before = self.context.identities();
            self.context = self.context.with(edit);
            let after = self.context.identities();
            let gone = before
                .into_iter()
                .filter(|identity| !after.contains(identity));
            self.cleared
                .extend(gone.map(|identity| (identity, change.clone())));
        }
        suggestions
    }

    /// The first way out of every conflict; where two of them change one option, both with the value that came last.
    fn first_ways_out(&self) -> Vec<Option<Suggestion>> {
        let firsts: Vec<Option<&Suggestion>> = self
            .drafts
            .iter()
            .map(|draft| draft.suggestions.first())
            .collect();
        let last = |first: &Suggestion| {
            let same =
                |other: &&&Suggestion| other.key == first.key && other.origin == first.origin;
            firsts
                .iter()
                .flatten()
                .rfind(same)
                .map_or_else(|| first.change.clone(), |last| last.change.clone())
        };
        firsts
            .iter()
            .map(|first| {
                first.map(|first| Suggestion {
                    change: last(first),
                    ..first.clone()
                })
            })
            .collect()
    }

    fn with_every_first_way_out(&self) -> Trial {
        let changes = self.first_ways_out().into_iter().flatten();
        let request = changes.fold(self.original.request.clone(), |request, change| {
            request.with_suggestion(&change)
        });
        Trial { request }
    }

    /// The finished conflicts.
    fn finish(mut self) -> Vec<Conflict> {
        for (draft, first) in self.first_ways_out().into_iter().enumerate() {
            if let Some(first) = first {
                self.drafts[draft].suggestions[0] = first;
            }
        }
        self.drafts.sort_by_key(|draft| draft.index);
        self.drafts.into_iter().map(Draft::finish).collect()
    }
}

impl Draft {
    fn finish(self) -> Conflict {
        let Statement {
            code,
            options,
            configured,
            bound,
            sum,
            what,
            otherwise,
        } = self.statement;
        let way_out = match self.suggestions.as_slice() {
            [] => otherwise,
            [only] => only.to_string(),
            [first, second, ..] => format!("{first}, or {second}"),
        };
        Conflict {
            code,
            severity: Severity::Error,
            options,
            configured,
            bound,
            sum,
            message: format!("{}{what}; {way_out}", self.premise),
            suggestions: self.suggestions,
        }
    }
}
