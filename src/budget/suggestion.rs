//! The ways out of a conflict, best first, each tried by solving again before it is offered.
//!
//! A way out changes one option. Where the change is a matter of degree, the bound is found to the byte (or to the
//! 32-bit float), and what is offered is the nearest value beyond it that a person would write. The order is the
//! least change to what was asked: first what asks too much is lowered, then the total is raised, then an option is
//! taken out.

mod bound;
mod candidates;
mod movable;
mod pressure;

pub(super) use self::candidates::respelled_size;
use self::{
    bound::{Start, Verdict, nearest},
    candidates::{Candidate, candidates, every_candidate},
    movable::{Movable, fraction_of},
    pressure::{Pressure, pressure},
};
use super::{
    effective::Options,
    fraction,
    infeasible::Suggestion,
    memory_size,
    options::Id,
    reserves::ReserveKind,
    trial::{self, Edit, Identity, Probe, Trial, identity},
    violation::{Kind, Violation},
};
use crate::bytes::Bytes;

/// At most this many ways out are offered for one conflict.
const OFFERED: usize = 3;

/// A change of one option after which a conflict is gone.
#[derive(Clone)]
pub(super) struct WayOut {
    /// The change, as people are shown it.
    pub suggestion: Suggestion,
    /// What is still wrong after it.
    pub remaining: Vec<Violation>,
    /// By how much it changes what was asked; nothing for a correction that leaves no choice.
    pub amount: Bytes,
    /// Whether it gives up what was asked for, though a smaller change would do.
    pub is_removal: bool,
}

/// How a way out is judged.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// Whether the container may be given more memory, or less of it be kept in reserve.
    pub may_raise_limit: bool,
    /// Whether something else may be wrong afterwards that was not before.
    pub may_uncover: bool,
    /// Whether all ways out are wanted, and not only those that are offered to people.
    pub all: bool,
}

impl Terms {
    /// What is offered for a conflict.
    pub fn offered() -> Terms {
        Terms {
            may_raise_limit: true,
            may_uncover: false,
            all: false,
        }
    }
}

/// Changes after which a violation of `trial` is gone, best first, at most one for each option.
///
/// `before` is everything that is wrong with `trial`. Nothing else is wrong after a change, except where the
/// violation is one value's own and every correction brings something to light that the value hid, or where the
/// terms allow it.
pub(super) fn ways_out(
    trial: &Trial,
    before: &[Violation],
    kind: &Kind,
    terms: Terms,
) -> Vec<WayOut> {
    let options = Options::new(&trial.request);
    let search = Search {
        trial,
        options: &options,
        before,
        target: kind,
        terms,
    };
    let found = search.try_all();
    if !found.is_empty() || terms.may_uncover || !is_self_contained(kind) {
        return found;
    }
    let search = Search {
        terms: Terms {
            may_uncover: true,
            ..terms
        },
        ..search
    };
    let mut found = search.try_all();
    found.sort_by_key(|way_out| way_out.remaining.len());
    found
}

/// Whether the violation is one value's own, whatever the others are.
pub(super) fn is_self_contained(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Size { .. }
            | Kind::Float { .. }
            | Kind::Integer { .. }
            | Kind::Boolean { .. }
            | Kind::LimitFactorBelowOne { .. }
            | Kind::CutoffRatioOutside { .. }
            | Kind::ExternalAmount { .. }
            | Kind::RangeInverted { .. }
            | Kind::FractionOutside { .. }
            | Kind::CpuNotPositive { .. }
            | Kind::CpuNotFinite { .. }
            | Kind::LegacyHeapNegative { .. }
            | Kind::LegacyHeapEnvironment { .. }
            | Kind::SegmentTooSmall { .. }
            | Kind::SegmentNoPowerOfTwo { .. }
            | Kind::SegmentTooLarge { .. }
            | Kind::NegativeBuffers { .. }
            | Kind::SlotsInvalid { .. }
            | Kind::MetaspaceTooSmall { .. }
            | Kind::DuplicateSource { .. }
            | Kind::MissingTotal
    )
}

/// What a search for ways out knows.
struct Search<'a> {
    trial: &'a Trial,
    options: &'a Options<'a>,
    before: &'a [Violation],
    target: &'a Kind,
    terms: Terms,
}

impl Search<'_> {
    fn try_all(&self) -> Vec<WayOut> {
        let found = self.try_each(candidates(self.options, self.target));
        // Nobody is told that no single change helps before every one was tried.
        if found.is_empty() && !self.terms.all && !is_self_contained(self.target) {
            return self.try_each(every_candidate(self.options));
        }
        found
    }

    fn try_each(&self, candidates: Vec<Candidate>) -> Vec<WayOut> {
        let mut found: Vec<WayOut> = Vec::new();
        for (index, candidate) in candidates.into_iter().enumerate() {
            let way_out = match candidate {
                Candidate::Exactly(edit) => self.exactly(&edit, index == 0),
                // Only where the size that was probably meant does not fit.
                Candidate::LowerFrom(id, size) if found.is_empty() => {
                    self.settled(Movable::of(id), (size.get(), 0), false)
                }
                Candidate::LowerFrom(..) => None,
                Candidate::Lower(id) => self.moved(id, false),
                Candidate::Raise(id) => self.moved(id, true),
                Candidate::LowerFraction(id) => self.lowered_fraction(id),
                Candidate::RaiseLimit => self.raised_limit(),
                Candidate::LowerReserve(kind) => self.lowered_reserve(kind),
                Candidate::LowerEnvironment => self.moved_environment(false),
                Candidate::RaiseEnvironment => self.moved_environment(true),
            };
            let Some(way_out) = way_out else { continue };
            // A second change of the same place is a worse form of the first.
            let is_new = found
                .iter()
                .all(|other| !other.suggestion.is_at_same_place(&way_out.suggestion));
            if is_new {
                found.push(way_out);
            }
            if found.len() == OFFERED && !self.terms.all {
                break;
            }
        }
        found
    }

    fn current(&self, id: Id) -> Option<u64> {
        if id == Id::HeapMb {
            return self.options.setting(id)?.value.parse().ok();
        }
        self.trial.size(id).map(Bytes::get)
    }

    /// A change that is no matter of degree.
    fn exactly(&self, edit: &Edit, is_first: bool) -> Option<WayOut> {
        let remaining = self.trial.with(edit).findings();
        if self.relevant(&remaining).next().is_some() {
            return None;
        }
        let amount = match edit {
            Edit::Set(id, value) if !is_first => {
                let new = memory_size::parse(value).map_or(0, Bytes::get);
                Bytes(new.abs_diff(self.current(*id).unwrap_or(new)))
            }
            _ => Bytes::ZERO,
        };
        Some(WayOut {
            suggestion: self.trial.suggestion(edit),
            remaining,
            amount,
            is_removal: !matches!(edit, Edit::Set(..)) && !is_first,
        })
    }

    /// A size moved as little as possible.
    fn moved(&self, id: Id, upwards: bool) -> Option<WayOut> {
        let is_written = self.options.is_set(id);
        let current = match self.current(id) {
            Some(current) => current,
            // There is nothing to raise yet.
            None if upwards && !is_written => 0,
            None => return None,
        };
        let movable = Movable::of(id);
        self.settled(
            movable,
            (current, movable.end(current, upwards)),
            is_written,
        )
    }

    fn raised_limit(&self) -> Option<WayOut> {
        let limit = self.trial.request.container_limit?;
        let range = (limit.get(), Movable::Limit.end(limit.get(), true));
        self.terms
            .may_raise_limit
            .then(|| self.settled(Movable::Limit, range, true))?
    }

    /// A reserve lowered as little as possible; not where the container is to stay as it is, for then its reserves are
    /// to stay as well.
    fn lowered_reserve(&self, kind: ReserveKind) -> Option<WayOut> {
        let mut reserves = self.options.reserves.iter();
        let current = reserves.find(|reserve| reserve.kind == kind)?.bytes.get();
        self.terms
            .may_raise_limit
            .then(|| self.settled(Movable::Reserve(kind), (current, 0), true))?
    }

    fn moved_environment(&self, upwards: bool) -> Option<WayOut> {
        let value = self.trial.request.legacy_heap_environment.as_ref()?;
        let current = memory_size::parse(value).ok()?.get();
        let movable = Movable::Environment;
        self.settled(movable, (current, movable.end(current, upwards)), true)
    }

    /// A fraction lowered as little as possible.
    fn lowered_fraction(&self, id: Id) -> Option<WayOut> {
        let current = self.trial.fraction(id).filter(|current| *current > 0.0)?;
        let range = (u64::from(current.to_bits()), 0);
        self.settled(Movable::Fraction(id), range, self.options.is_set(id))
    }

    /// A value moved from the first of the range towards the second, and no farther than it has to be; `is_written`
    /// where it stands at the first already.
    fn settled(
        &self,
        movable: Movable,
        (current, end): (u64, u64),
        is_written: bool,
    ) -> Option<WayOut> {
        if current == end {
            return None;
        }
        let mut probe = Probe::new(self.trial, movable.option());
        let pressures = if is_written {
            self.pressures(self.before)
        } else {
            self.pressures(&probe.findings_after(movable.edit(current)))
        }?;
        let gap = pressures.iter().map(|pressure| pressure.gap).max();
        let gap = gap.filter(|gap| *gap > 0);
        let start = Start {
            value: current,
            gap: gap.map(|gap| gap.div_ceil(movable.unit())),
        };
        let bound = nearest(&start, end, |value| {
            let findings = probe.findings_after(movable.edit(value));
            match self.verdict(&findings, &pressures) {
                Verdict::Short(gap) => Verdict::Short(gap.map(|gap| gap.div_ceil(movable.unit()))),
                verdict => verdict,
            }
        })?;
        let upwards = end > current;
        movable
            .written(bound, upwards)
            .into_iter()
            .find_map(|edit| {
                let remaining = probe.findings_after(edit.clone());
                if self.relevant(&remaining).next().is_some() {
                    return None;
                }
                Some(WayOut {
                    suggestion: Suggestion {
                        exact: Some(movable.exact(bound, upwards)),
                        ..self.trial.suggestion(&edit)
                    },
                    remaining,
                    amount: self.amount(movable, current, &edit),
                    is_removal: false,
                })
            })
    }

    /// By how much an edit changes what was asked, in bytes.
    fn amount(&self, movable: Movable, current: u64, edit: &Edit) -> Bytes {
        let size = |text: &str| memory_size::parse(text).map_or(0, Bytes::get);
        match (movable, edit) {
            (Movable::Mebibytes(_), Edit::Set(_, text)) => {
                let new = text.parse::<u64>().unwrap_or(current);
                Bytes::from_mebibytes(new.abs_diff(current))
            }
            (Movable::Fraction(_), Edit::Set(_, text)) => {
                let total = self.trial.request.container_limit;
                let total = total
                    .or_else(|| self.trial.size(Id::ProcessSize))
                    .or_else(|| self.trial.size(Id::FlinkSize))
                    .unwrap_or(Bytes::GIBI);
                let lowered = fraction_of(current) - text.parse::<f32>().unwrap_or(0.0);
                fraction::forward(total, lowered.clamp(0.0, 0.999)).unwrap_or(Bytes::ZERO)
            }
            (_, Edit::Set(_, text) | Edit::SetEnvironment(text)) => {
                Bytes(size(text).abs_diff(current))
            }
            (_, Edit::Limit(size) | Edit::Reserve(_, size)) => Bytes(size.get().abs_diff(current)),
            _ => Bytes::ZERO,
        }
    }

    /// What of the findings keeps a change from being a way out.
    fn relevant<'b>(&'b self, findings: &'b [Violation]) -> impl Iterator<Item = &'b Violation> {
        let target = identity(self.target);
        findings.iter().filter(move |finding| {
            let found = identity(&finding.kind);
            found == target || (!self.terms.may_uncover && !self.knows(found))
        })
    }

    fn knows(&self, identity: Identity) -> bool {
        self.before
            .iter()
            .any(|known| trial::identity(&known.kind) == identity)
    }

    /// The pressures behind what keeps a change from being a way out; `None` where a change of degree can't help.
    fn pressures(&self, findings: &[Violation]) -> Option<Vec<Pressure>> {
        let pressures: Option<Vec<Pressure>> = self
            .relevant(findings)
            .map(|finding| pressure(&finding.kind))
            .collect();
        pressures.filter(|pressures| !pressures.is_empty())
    }

    /// A value leads not far enough as long as nothing but the pressures of the start is left.
    fn verdict(&self, findings: &[Violation], start: &[Pressure]) -> Verdict {
        let mut gap = None;
        for finding in self.relevant(findings) {
            let same = pressure(&finding.kind).filter(|pressure| {
                start.iter().any(|start| {
                    (start.sum, start.is_too_small) == (pressure.sum, pressure.is_too_small)
                })
            });
            match same {
                Some(pressure) => gap = gap.max(Some(pressure.gap)),
                None => return Verdict::Beyond,
            }
        }
        match gap {
            None => Verdict::Good,
            Some(gap) => Verdict::Short(Some(gap).filter(|gap| *gap > 0)),
        }
    }
}
