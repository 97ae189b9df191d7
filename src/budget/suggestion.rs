//! The ways out of a conflict, best first, each tried by solving again before it is offered.
//!
//! The order is the least change to what was asked: first what asks too much is lowered, then the total is
//! raised, then an option is taken out.

mod candidates;

pub(super) use self::candidates::respelled_size;
use self::candidates::{Candidate, candidates};
use super::{
    decimal,
    effective::Options,
    memory_size,
    options::Id,
    trial::{Edit, Trial, identity, nearest_good_size},
    violation::Kind,
};
use crate::bytes::Bytes;

/// At most this many ways out are offered for one conflict.
pub(super) const WAYS_OUT: usize = 3;

/// Changes after which this violation is gone and no other has come, best first.
///
/// `context` is the request with the ways out of earlier conflicts applied. Where `alone` is given, the
/// violation must vanish from that request as well.
pub(super) fn ways_out(
    context: &Trial,
    alone: Option<&Trial>,
    kind: &Kind,
    may_raise_limit: bool,
) -> Vec<Edit> {
    let target = identity(kind);
    let before = context.identities();
    let gone = |edit: &Edit| {
        let after = context.with(edit).identities();
        let gone = !after.contains(&target)
            && alone.is_none_or(|alone| !alone.with(edit).identities().contains(&target));
        (gone, after)
    };
    let options = Options::new(&context.request);
    let clean = |edit: &Edit| {
        let (gone, after) = gone(edit);
        gone && after.iter().all(|other| before.contains(other))
    };
    let found = try_all(context, &options, kind, may_raise_limit, &clean);
    if !found.is_empty() || !is_self_contained(kind) {
        return found;
    }
    // What can't be read hides what would be wrong with it; correcting it may bring that to light, best little of it.
    let vanishes = |edit: &Edit| gone(edit).0;
    let mut found = try_all(context, &options, kind, may_raise_limit, &vanishes);
    found.sort_by_cached_key(|edit| context.with(edit).identities().len());
    found
}

/// Whether the violation is one value's own, whatever the others are.
pub(super) fn is_self_contained(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Size { .. }
            | Kind::Float { .. }
            | Kind::Integer { .. }
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

fn try_all(
    context: &Trial,
    options: &Options<'_>,
    kind: &Kind,
    may_raise_limit: bool,
    good: &dyn Fn(&Edit) -> bool,
) -> Vec<Edit> {
    let mut ways_out = Vec::new();
    for candidate in candidates(options, kind) {
        let edit = match candidate {
            Candidate::Exactly(edit) => good(&edit).then_some(edit),
            Candidate::Lower(id) => context
                .size(id)
                .and_then(|size| moved(id, size, false, kind, good)),
            // Only where the size that was probably meant does not fit.
            Candidate::LowerFrom(id, size) if ways_out.is_empty() => {
                moved(id, size, false, kind, good)
            }
            Candidate::LowerFrom(..) => None,
            Candidate::Raise(id) => context
                .size(id)
                .and_then(|size| moved(id, size, true, kind, good)),
            Candidate::LowerFraction(id) => lowered_fraction(options, id, good),
            Candidate::RaiseLimit => context
                .request
                .container_limit
                .filter(|_| may_raise_limit)
                .and_then(|limit| {
                    nearest_good_size(limit, true, &[], |limit| good(&Edit::Limit(limit)))
                        .map(Edit::Limit)
                }),
        };
        if let Some(edit) = edit
            && !ways_out.contains(&edit)
        {
            ways_out.push(edit);
            if ways_out.len() == WAYS_OUT {
                break;
            }
        }
    }
    ways_out
}

/// A size option moved as little as possible.
fn moved(
    id: Id,
    current: Bytes,
    upwards: bool,
    kind: &Kind,
    good: &dyn Fn(&Edit) -> bool,
) -> Option<Edit> {
    let set = |size: Bytes| Edit::Set(id, memory_size::text(size));
    let seed = gap(kind).map(|gap| {
        if upwards {
            current.saturating_add(gap)
        } else {
            current.saturating_sub(gap)
        }
    });
    nearest_good_size(current, upwards, seed.as_slice(), |size| good(&set(size))).map(set)
}

/// A fraction lowered as little as possible, in hundredths.
fn lowered_fraction(options: &Options<'_>, id: Id, good: &dyn Fn(&Edit) -> bool) -> Option<Edit> {
    let current = match options.setting(id) {
        Some(setting) => decimal::parse_java_float(&setting.value).ok()?,
        None => id.default_fraction(),
    };
    (0..100_u32)
        .rev()
        .map(|hundredths| (hundredths, format!("0.{hundredths:02}")))
        .filter(|(_, text)| text.parse::<f32>().is_ok_and(|fraction| fraction < current))
        .map(|(_, text)| Edit::Set(id, text.trim_end_matches('0').to_owned()))
        .map(|edit| match edit {
            Edit::Set(id, text) if text.ends_with('.') => Edit::Set(id, text + "0"),
            edit => edit,
        })
        .find(|edit| good(edit))
}

/// By how much something has to move, from the numbers of the violation.
fn gap(kind: &Kind) -> Option<Bytes> {
    Some(match kind {
        Kind::ComponentsExceedFlink {
            sum, total_flink, ..
        } => sum.saturating_sub(*total_flink),
        Kind::NetworkOutOfRange {
            network: rest,
            minimum,
            maximum,
            ..
        }
        | Kind::OverheadOutOfRange {
            overhead: rest,
            minimum,
            maximum,
            ..
        } => minimum
            .saturating_sub(*rest)
            .max(rest.saturating_sub(*maximum)),
        Kind::ProcessExceedsLimit {
            total_process,
            limit,
        } => total_process.saturating_sub(*limit),
        Kind::ProcessBelowFlink {
            total_process,
            total_flink,
            metaspace,
        } => total_flink
            .saturating_add(*metaspace)
            .saturating_sub(*total_process),
        _ => return None,
    })
}
