//! The one change to the whole: which options, changed together, make a request solve.
//!
//! The search takes what is wrong one by one and tries every way out of it, the cheapest beginning first: fewest
//! places changed, then fewest requests given up, then the fewest bytes moved. So what it finds first is the least,
//! among changes that each mend something.

use super::{
    effective::Options,
    infeasible::{Change, Suggestion},
    memory_size,
    options::{self, Id},
    request::Request,
    suggestion::{Terms, WayOut, is_self_contained, ways_out},
    trial::{Edit, Trial, identity},
    violation::{Kind, Parts, Violation},
};
use crate::bytes::Bytes;

/// Beginnings that are looked at before the search goes straight on with the best of them.
const MOST_BEGINNINGS: usize = 12;

/// Changes that make the request solve, all of them together; none where it solves as it is, `None` where nothing
/// was found.
///
/// # Guarantees
/// The request solves with exactly these changes, and with none of them left out.
pub(super) fn joint(request: &Request, may_raise_limit: bool) -> Option<Vec<Suggestion>> {
    let beginning = Beginning::new(Trial::new(request));
    let changes = search(beginning, may_raise_limit)?;
    Some(without_idle(request, changes))
}

/// A part of the way: the request with some changes, and what is still wrong with it.
struct Beginning {
    trial: Trial,
    findings: Vec<Violation>,
    changes: Vec<Suggestion>,
    removals: usize,
    moved: u64,
}

impl Beginning {
    fn new(trial: Trial) -> Beginning {
        Beginning {
            findings: trial.findings(),
            trial,
            changes: Vec::new(),
            removals: 0,
            moved: 0,
        }
    }

    /// Fewest places, requests given up, bytes. To the places count those that will have to be changed in any case:
    /// a value that can't be what it is needs a change of its own.
    fn cost(&self) -> (usize, usize, u64) {
        let mut own: Vec<Id> = Vec::new();
        for finding in &self.findings {
            let (_, option) = identity(&finding.kind);
            if let Some(option) = option
                && is_self_contained(&finding.kind)
                && !matches!(finding.kind, Kind::RangeInverted { .. })
                && !own.contains(&option)
                && !self.has_touched(option)
            {
                own.push(option);
            }
        }
        (self.changes.len() + own.len(), self.removals, self.moved)
    }

    fn has_touched(&self, option: Id) -> bool {
        let role = self.trial.request.role;
        self.changes.iter().any(|change| {
            options::lookup(role, &change.key).is_some_and(|(changed, _)| changed == option)
        })
    }

    fn with(&self, suggestion: &Suggestion, findings: Option<Vec<Violation>>) -> Beginning {
        let trial = Trial {
            request: self.trial.request.with_suggestion(suggestion),
        };
        let mut changes = self.changes.clone();
        record(&mut changes, suggestion.clone());
        Beginning {
            findings: findings.unwrap_or_else(|| trial.findings()),
            trial,
            changes,
            removals: self.removals,
            moved: self.moved,
        }
    }

    fn after(&self, way_out: WayOut) -> Beginning {
        Beginning {
            removals: self.removals + usize::from(way_out.is_removal),
            moved: self.moved.saturating_add(way_out.amount.get()),
            ..self.with(&way_out.suggestion, Some(way_out.remaining))
        }
    }

    /// Every way on from here, best first; empty where nothing is left to be taken out.
    fn ways_on(&self, may_raise_limit: bool) -> Vec<Beginning> {
        let terms = Terms {
            may_raise_limit,
            may_uncover: false,
            all: true,
        };
        // What a value is comes before what it clashes with.
        let next = self
            .findings
            .iter()
            .find(|finding| is_self_contained(&finding.kind))
            .or(self.findings.first());
        let Some(next) = next else { return Vec::new() };
        let mut found = ways_out(&self.trial, &self.findings, &next.kind, terms);
        if is_self_contained(&next.kind)
            && let [first, others @ ..] = found.as_slice()
            && others
                .iter()
                .all(|other| other.suggestion.is_at_same_place(&first.suggestion))
        {
            found.truncate(1);
        }
        if found.is_empty() {
            let terms = Terms {
                may_uncover: true,
                ..terms
            };
            found = ways_out(&self.trial, &self.findings, &next.kind, terms);
            // What was changed already and is at fault again would be moved without end.
            found.retain(|way_out| {
                let mut changed = self.changes.iter();
                !changed.any(|change| change.is_at_same_place(&way_out.suggestion))
            });
        }
        let mut ways_on: Vec<Beginning> = found
            .into_iter()
            .map(|way_out| self.after(way_out))
            .collect();
        if ways_on.is_empty() {
            ways_on.extend(self.with_lowered_parts(&next.kind));
            ways_on.extend(self.without_largest());
        }
        ways_on
    }

    /// Several written sizes lowered in proportion, where none alone gives enough.
    fn with_lowered_parts(&self, kind: &Kind) -> Option<Beginning> {
        let Kind::ComponentsExceedFlink {
            parts,
            sum,
            total_flink,
            ..
        } = kind
        else {
            return None;
        };
        let gap = sum.saturating_sub(*total_flink);
        let options = Options::new(&self.trial.request);
        let mut written = lowerable_parts(&options, parts);
        let mut given = Bytes::ZERO;
        let enough = written.iter().position(|(_, size)| {
            given = given.saturating_add(*size);
            given > gap
        })?;
        written.truncate(enough + 1);
        let mut beginning = Beginning {
            trial: self.trial.clone(),
            findings: Vec::new(),
            changes: self.changes.clone(),
            removals: self.removals,
            moved: self.moved.saturating_add(gap.get()),
        };
        for (id, size) in written {
            let kept = |amount: u128| {
                amount * u128::from(given.get() - gap.get()) / u128::from(given.get())
            };
            let edit = if id.is_fraction() {
                let fraction = beginning.trial.fraction(id)?;
                // In hundredths, as people write a fraction.
                let hundredths = kept((f64::from(fraction) * 1e8) as u128) / 1_000_000;
                Edit::Set(id, short_fraction(u64::try_from(hundredths).unwrap_or(0)))
            } else {
                let lowered = u64::try_from(kept(size.get().into())).unwrap_or(0);
                let mebibytes = Bytes(lowered).whole_mebibytes();
                Edit::Set(id, memory_size::text(Bytes::from_mebibytes(mebibytes)))
            };
            let suggestion = beginning.trial.suggestion(&edit);
            beginning = beginning.with(&suggestion, Some(Vec::new()));
        }
        beginning.findings = beginning.trial.findings();
        let is_less = beginning.findings.len() < self.findings.len();
        is_less.then_some(beginning)
    }

    /// The largest written size taken out, a total only where nothing else is written.
    fn without_largest(&self) -> Option<Beginning> {
        let options = Options::new(&self.trial.request);
        let written = Id::ALL.into_iter().filter(|id| options.is_set(*id));
        let largest = written.max_by_key(|id| (!id.is_total(), self.trial.size(*id)));
        let environment = self.trial.request.legacy_heap_environment.as_ref();
        let edit = largest
            .map(Edit::Remove)
            .or(environment.map(|_| Edit::RemoveEnvironment))?;
        let suggestion = self.trial.suggestion(&edit);
        Some(Beginning {
            removals: self.removals + 1,
            ..self.with(&suggestion, None)
        })
    }
}

fn search(beginning: Beginning, may_raise_limit: bool) -> Option<Vec<Suggestion>> {
    if beginning.findings.is_empty() {
        return Some(beginning.changes);
    }
    let mut open = beginning.ways_on(may_raise_limit);
    for _ in 0..MOST_BEGINNINGS {
        // Of equal ones the earliest, which the better way out led to.
        let cheapest = open
            .iter()
            .enumerate()
            .min_by_key(|(_, beginning)| beginning.cost());
        let Some((index, _)) = cheapest else { break };
        let cheapest = open.remove(index);
        if cheapest.findings.is_empty() {
            return Some(cheapest.changes);
        }
        open.extend(cheapest.ways_on(may_raise_limit));
    }
    let nearest = open
        .into_iter()
        .min_by_key(|beginning| (beginning.findings.len(), beginning.cost()));
    nearest
        .and_then(|nearest| straight_on(nearest, may_raise_limit))
        .or_else(|| by_taking_out(beginning, may_raise_limit))
}

/// The best way on, time and again.
fn straight_on(mut nearest: Beginning, may_raise_limit: bool) -> Option<Vec<Suggestion>> {
    // Each step mends a violation for good or takes an option out, so no way is longer than this.
    let longest = 4 * nearest.trial.request.configuration.iter().count() + 8;
    for _ in 0..longest {
        if nearest.findings.is_empty() {
            return Some(nearest.changes);
        }
        nearest = nearest.ways_on(may_raise_limit).into_iter().next()?;
    }
    None
}

/// One option after the other taken out, until a single change is enough.
fn by_taking_out(mut beginning: Beginning, may_raise_limit: bool) -> Option<Vec<Suggestion>> {
    loop {
        let last = beginning
            .ways_on(may_raise_limit)
            .into_iter()
            .find(|after| after.findings.is_empty());
        if let Some(last) = last {
            return Some(last.changes);
        }
        beginning = beginning.without_largest()?;
    }
}

/// The changes without those that the others make unnecessary, or that change nothing.
fn without_idle(request: &Request, mut changes: Vec<Suggestion>) -> Vec<Suggestion> {
    let solves = |changes: &[Suggestion]| {
        let changed = changes
            .iter()
            .fold(Trial::new(request).request, |request, change| {
                request.with_suggestion(change)
            });
        Trial { request: changed }.solves()
    };
    let mut index = 0;
    while changes.len() > 1 && index < changes.len() {
        let mut fewer = changes.clone();
        fewer.remove(index);
        if solves(&fewer) {
            changes = fewer;
            index = 0;
        } else {
            index += 1;
        }
    }
    for change in &mut changes {
        // The bound of one change depends on the others.
        change.exact = None;
    }
    changes
}

/// Adds a change; a second change of the same place replaces the first one's value.
fn record(changes: &mut Vec<Suggestion>, change: Suggestion) {
    let earlier = changes
        .iter_mut()
        .find(|earlier| earlier.is_at_same_place(&change));
    match earlier {
        // What was not there before can be taken out again by not writing it.
        Some(earlier) => earlier.change = change.change,
        None => changes.push(change),
    }
    changes.retain(|change| change.current.is_some() || !matches!(change.change, Change::Remove));
}

/// The parts of total Flink memory that can be lowered, largest first, by the option that does it.
fn lowerable_parts(options: &Options<'_>, parts: &Parts) -> Vec<(Id, Bytes)> {
    let managed = if options.is_set(Id::ManagedSize) {
        Id::ManagedSize
    } else {
        Id::ManagedFraction
    };
    let network = if options.is_set(Id::NetworkMin) {
        Id::NetworkMin
    } else {
        Id::NetworkFraction
    };
    let mut lowerable: Vec<(Id, Bytes)> = [
        (Id::TaskHeapSize, parts.task_heap),
        (managed, parts.managed),
        (Id::TaskOffHeapSize, parts.task_off_heap),
        (Id::FrameworkOffHeapSize, parts.framework_off_heap),
        (Id::FrameworkHeapSize, parts.framework_heap),
        (network, parts.network),
    ]
    .into_iter()
    .filter(|(id, _)| options.is_set(*id) || id.is_fraction())
    .filter_map(|(id, size)| Some((id, size?)))
    .collect();
    lowerable.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    lowerable
}

/// A number of hundredths as a fraction, with a digit behind the point and no zero after it.
fn short_fraction(hundredths: u64) -> String {
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    match text.strip_suffix('0') {
        Some(shorter) => shorter.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::joint;
    use crate::{
        budget::{Change, Configuration, FlinkVersion, Origin, Request, options, solve},
        bytes::Bytes,
    };

    /// The changes that make a request solve without a larger container, by key.
    fn changes(request: &Request) -> Vec<(String, Change)> {
        let changes = joint(request, false).expect("there is a way");
        let changed = changes.iter().fold(request.clone(), |request, change| {
            request.with_suggestion(change)
        });
        assert!(solve(&changed).is_ok(), "{changes:#?}");
        changes
            .into_iter()
            .map(|change| (change.key, change.change))
            .collect()
    }

    fn in_two_gibibytes(settings: &[(&str, &str)]) -> Request {
        let configuration = settings
            .iter()
            .fold(Configuration::new(), |configuration, (key, value)| {
                configuration.with(*key, *value, Origin::CommandLine)
            });
        Request::new(FlinkVersion::V2_1, configuration)
            .with_container_limit(Bytes::from_mebibytes(2048))
    }

    #[test]
    fn what_no_single_size_gives_is_taken_from_several_in_proportion() {
        let request = in_two_gibibytes(&[
            (options::TASK_OFF_HEAP_SIZE, "3g"),
            (options::MANAGED_SIZE, "3g"),
        ]);
        // 1664299824 bytes of Flink memory, less 256 MiB of the framework's and 166429984 of the network, in halves.
        let half = Change::Set("586m".to_owned());
        assert_eq!(
            changes(&request),
            [
                (options::MANAGED_SIZE.to_owned(), half.clone()),
                (options::TASK_OFF_HEAP_SIZE.to_owned(), half),
            ]
        );
        let request = in_two_gibibytes(&[
            (options::TASK_OFF_HEAP_SIZE, "2g"),
            (options::MANAGED_SIZE, "4g"),
        ]);
        assert_eq!(
            changes(&request),
            [
                (
                    options::MANAGED_SIZE.to_owned(),
                    Change::Set("781m".to_owned())
                ),
                (
                    options::TASK_OFF_HEAP_SIZE.to_owned(),
                    Change::Set("390m".to_owned())
                ),
            ]
        );
    }

    #[test]
    fn one_size_is_enough_where_it_gives_enough() {
        let request = in_two_gibibytes(&[
            (options::TASK_OFF_HEAP_SIZE, "256m"),
            (options::MANAGED_SIZE, "3g"),
        ]);
        assert_eq!(
            changes(&request),
            [(
                options::MANAGED_SIZE.to_owned(),
                Change::Set("916m".to_owned())
            )]
        );
    }
}
