//! The ways out of a conflict, best first, each tried by solving again before it is offered.
//!
//! The order is the least change to what was asked: first what asks too much is lowered, then the total is
//! raised, then an option is taken out.

use super::{
    decimal,
    effective::{LegacyHeap, Options},
    fraction, memory_size,
    options::Id,
    request::Origin,
    trial::{Edit, Trial, identity, nearest_good_size},
    violation::{Kind, Parts},
};
use crate::{bytes::Bytes, quantity};

/// At most this many ways out are offered for one conflict.
pub(super) const WAYS_OUT: usize = 3;

/// The total process memory in the configuration file that Flink ships.
const SHIPPED_PROCESS_SIZE: Bytes = Bytes::from_mebibytes(1728);

/// Something that may help; the value is found by trying.
enum Candidate {
    Lower(Id),
    /// Lowers an option that does not parse, from the size it probably means.
    LowerFrom(Id, Bytes),
    Raise(Id),
    LowerFraction(Id),
    RaiseLimit,
    Exactly(Edit),
}

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
            Candidate::LowerFrom(id, size) => moved(id, size, false, kind, good),
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

fn candidates(options: &Options<'_>, kind: &Kind) -> Vec<Candidate> {
    use Candidate::{Exactly, Lower, LowerFraction, LowerFrom, Raise, RaiseLimit};
    let remove = |id| Exactly(Edit::Remove(id));
    let set = |id, text: &str| Exactly(Edit::Set(id, text.to_owned()));
    let value = |id| {
        options
            .setting(id)
            .map_or("", |setting| setting.value.as_str())
    };
    match kind {
        Kind::MissingTotal => vec![
            Exactly(Edit::Set(
                Id::ProcessSize,
                memory_size::text(SHIPPED_PROCESS_SIZE),
            )),
            Raise(Id::ProcessSize),
        ],
        Kind::Size { option, .. } => {
            let mut candidates = Vec::new();
            if let Some(size) = respelled_size(value(*option)) {
                candidates.push(Exactly(Edit::Set(*option, memory_size::text(size))));
                candidates.push(LowerFrom(*option, size));
            }
            candidates.push(remove(*option));
            if matches!(option, Id::ProcessSize | Id::FlinkSize) {
                candidates.push(Exactly(Edit::Set(
                    *option,
                    memory_size::text(SHIPPED_PROCESS_SIZE),
                )));
            }
            candidates
        }
        Kind::Float { option, .. } => {
            let respelled =
                respelled_number(value(*option)).map(|text| Exactly(Edit::Set(*option, text)));
            respelled.into_iter().chain([remove(*option)]).collect()
        }
        Kind::Integer { option } => {
            let number = value(*option)
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|number| (1.0..1e6).contains(number));
            let whole = number.map(|number| set(*option, &format!("{}", number.trunc())));
            whole.into_iter().chain([remove(*option)]).collect()
        }
        Kind::ExternalAmount { key, .. } => vec![Exactly(Edit::RemoveKey(key.clone()))],
        Kind::RangeInverted {
            fraction_option,
            minimum,
            maximum,
            ..
        } => {
            let (min, max) = (
                fraction_option.minimum_option(),
                fraction_option.maximum_option(),
            );
            let raise = Exactly(Edit::Set(max, memory_size::text(*minimum)));
            let lower = Exactly(Edit::Set(min, memory_size::text(*maximum)));
            // The bound that was left at its default follows the one that was written.
            let first_two = if options.is_set(min) {
                [raise, lower]
            } else {
                [lower, raise]
            };
            first_two
                .into_iter()
                .chain([remove(min), remove(max)])
                .collect()
        }
        Kind::FractionOutside {
            fraction_option,
            fraction,
            ..
        } => {
            let meant_percent = *fraction > 1.0 && *fraction < 100.0;
            let percent = meant_percent.then(|| set(*fraction_option, &percent(*fraction)));
            let lower = (!meant_percent).then_some(LowerFraction(*fraction_option));
            percent
                .into_iter()
                .chain([remove(*fraction_option)])
                .chain(lower)
                .collect()
        }
        Kind::ComponentsExceedFlink { parts, .. } => {
            let mut candidates = written_parts(options, parts, false);
            candidates.extend(total(options, true));
            candidates.extend([Id::TaskHeapSize, Id::ManagedSize].map(remove));
            candidates.push(LowerFraction(Id::ManagedFraction));
            candidates
        }
        Kind::NetworkOutOfRange {
            network,
            minimum,
            parts,
            ..
        } => {
            let mut candidates;
            if network < minimum {
                candidates = written_parts(options, parts, false);
                candidates.extend(total(options, true));
                candidates.push(Lower(Id::NetworkMin));
            } else {
                candidates = written_parts(options, parts, true);
                candidates.extend([Raise(Id::NetworkMax), remove(Id::NetworkMax)]);
                candidates.extend(total(options, false));
            }
            candidates.extend([Id::TaskHeapSize, Id::FlinkSize, Id::ManagedSize].map(remove));
            candidates
        }
        Kind::NetworkDiffersFromBuffers { .. } => {
            vec![remove(Id::NumberOfBuffers), remove(Id::TaskHeapSize)]
        }
        Kind::JvmExceedsProcess { .. } => {
            let written = [Id::JvmMetaspaceSize, Id::JvmOverheadMin]
                .into_iter()
                .filter(|id| options.is_set(*id));
            let mut candidates: Vec<_> = written.map(Lower).collect();
            if options.is_set(Id::JvmOverheadFraction) {
                candidates.push(LowerFraction(Id::JvmOverheadFraction));
            }
            candidates.extend(total(options, true));
            candidates
        }
        Kind::ProcessBelowFlink { .. } => {
            let mut candidates = flink_total(options, false);
            candidates.extend([
                Raise(Id::ProcessSize),
                remove(Id::ProcessSize),
                remove(Id::FlinkSize),
            ]);
            candidates
        }
        Kind::OverheadOutOfRange {
            overhead, minimum, ..
        } => {
            let too_small = overhead < minimum;
            let mut candidates = flink_total(options, !too_small);
            candidates.extend(if too_small {
                [Raise(Id::ProcessSize), Lower(Id::JvmOverheadMin)]
            } else {
                [Lower(Id::ProcessSize), Raise(Id::JvmOverheadMax)]
            });
            candidates.extend([Id::ProcessSize, Id::FlinkSize].map(remove));
            candidates
        }
        Kind::CpuNotPositive { from_slots: true } | Kind::SlotsInvalid { .. } => {
            vec![
                set(Id::NumberOfTaskSlots, "1"),
                remove(Id::NumberOfTaskSlots),
            ]
        }
        Kind::CpuNotPositive { from_slots: false } | Kind::CpuNotFinite { .. } => {
            vec![remove(Id::CpuCores)]
        }
        Kind::LegacyHeapNegative { mebibytes } => vec![
            set(Id::HeapMb, &mebibytes.unsigned_abs().to_string()),
            remove(Id::HeapMb),
        ],
        Kind::LegacyHeapEnvironment { .. } => vec![Exactly(Edit::RemoveEnvironment)],
        Kind::SegmentTooSmall { .. } | Kind::SegmentTooLarge { .. } => {
            vec![set(Id::SegmentSize, "32k"), remove(Id::SegmentSize)]
        }
        Kind::SegmentNoPowerOfTwo { bytes } => {
            let lower = Bytes(1 << (63 - bytes.get().leading_zeros()));
            vec![
                Exactly(Edit::Set(Id::SegmentSize, memory_size::text(lower))),
                remove(Id::SegmentSize),
            ]
        }
        Kind::Overflow { .. } => {
            let sizes = Id::ALL
                .into_iter()
                .filter(|id| options.is_set(*id) && id.is_size());
            sizes.flat_map(|id| [Lower(id), remove(id)]).collect()
        }
        Kind::NegativeBuffers { .. } => vec![remove(Id::NumberOfBuffers)],
        Kind::ProcessExceedsLimit { .. } => {
            let mut candidates = Vec::new();
            if options.is_set(Id::ProcessSize) {
                candidates.push(Lower(Id::ProcessSize));
            }
            candidates.extend(flink_total(options, false));
            candidates.extend([RaiseLimit, remove(Id::ProcessSize), remove(Id::FlinkSize)]);
            candidates
        }
        Kind::NetworkTooSmall { .. } => {
            let mut candidates = vec![Raise(Id::NetworkMin), Raise(Id::NetworkMax)];
            candidates.extend(
                [
                    Id::NetworkMin,
                    Id::NetworkMax,
                    Id::NetworkFraction,
                    Id::NumberOfBuffers,
                    Id::SegmentSize,
                ]
                .map(remove),
            );
            candidates.extend(flink_total(options, true));
            candidates.extend(total(options, true));
            candidates.push(remove(Id::TaskHeapSize));
            candidates
        }
        Kind::NetworkTooLarge { .. } => {
            let mut candidates = vec![
                Lower(Id::NetworkMax),
                remove(Id::NetworkMin),
                Raise(Id::TaskHeapSize),
            ];
            candidates.extend(total(options, false));
            candidates
        }
        Kind::HeapTooSmall { .. } => {
            let mut candidates = vec![remove(Id::FrameworkHeapSize)];
            let written = [Id::TaskHeapSize, Id::FrameworkHeapSize]
                .into_iter()
                .filter(|id| options.is_set(*id));
            candidates.extend(written.map(Raise));
            candidates.extend(total(options, true));
            candidates.extend([Lower(Id::ManagedSize), remove(Id::TaskHeapSize)]);
            candidates
        }
        Kind::MetaspaceTooSmall { .. } => {
            vec![
                remove(Id::JvmMetaspaceSize),
                set(Id::JvmMetaspaceSize, "256m"),
            ]
        }
        Kind::DuplicateSource { option } => [Origin::FlinkConfiguration, Origin::field("")]
            .map(|origin| Exactly(Edit::RemoveFrom(*option, origin)))
            .into(),
    }
}

/// The parts of total Flink memory that somebody wrote, largest first, moved down or up.
fn written_parts(options: &Options<'_>, parts: &Parts, upwards: bool) -> Vec<Candidate> {
    let mut written: Vec<(Bytes, Candidate)> = Vec::new();
    for (bytes, id) in [
        (parts.task_heap, Id::TaskHeapSize),
        (parts.managed, Id::ManagedSize),
        (parts.network, Id::NetworkMin),
        (parts.task_off_heap, Id::TaskOffHeapSize),
        (parts.framework_off_heap, Id::FrameworkOffHeapSize),
        (parts.framework_heap, Id::FrameworkHeapSize),
    ] {
        let Some(bytes) = bytes else { continue };
        if options.is_set(id) {
            written.push((
                bytes,
                if upwards {
                    Candidate::Raise(id)
                } else {
                    Candidate::Lower(id)
                },
            ));
        }
        let fraction = match id {
            Id::ManagedSize if !options.is_set(id) => Id::ManagedFraction,
            Id::NetworkMin => Id::NetworkFraction,
            _ => continue,
        };
        if options.is_set(fraction) && !upwards {
            written.push((bytes, Candidate::LowerFraction(fraction)));
        }
        if id == Id::NetworkMin && options.uses_number_of_buffers() && !upwards {
            written.push((bytes, Candidate::Exactly(Edit::Remove(Id::NumberOfBuffers))));
        }
    }
    written.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    written
        .into_iter()
        .map(|(_, candidate)| candidate)
        .collect()
}

/// The total that the parts have to fit into.
fn total(options: &Options<'_>, upwards: bool) -> Vec<Candidate> {
    let moved = |id| {
        if upwards {
            Candidate::Raise(id)
        } else {
            Candidate::Lower(id)
        }
    };
    if options.is_set(Id::FlinkSize) {
        vec![moved(Id::FlinkSize)]
    } else if let Some(LegacyHeap::Option(Id::HeapSize)) = options.legacy_heap() {
        vec![moved(Id::HeapSize)]
    } else if options.is_set(Id::ProcessSize) {
        vec![
            moved(Id::ProcessSize),
            Candidate::Exactly(Edit::Remove(Id::ProcessSize)),
        ]
    } else if upwards && options.limit_as_process_size.is_some() {
        vec![Candidate::RaiseLimit]
    } else {
        Vec::new()
    }
}

/// What total Flink memory comes from, apart from the process size.
fn flink_total(options: &Options<'_>, upwards: bool) -> Vec<Candidate> {
    let moved = |id| {
        if upwards {
            Candidate::Raise(id)
        } else {
            Candidate::Lower(id)
        }
    };
    if options.is_set(Id::FlinkSize) {
        vec![moved(Id::FlinkSize)]
    } else if let Some(LegacyHeap::Option(Id::HeapSize)) = options.legacy_heap() {
        vec![moved(Id::HeapSize)]
    } else if options.is_set(Id::TaskHeapSize) && options.is_set(Id::ManagedSize) {
        let size = |id| {
            options
                .setting(id)
                .and_then(|setting| memory_size::parse(&setting.value).ok())
        };
        let mut ids = [Id::ManagedSize, Id::TaskHeapSize];
        ids.sort_by_key(|id| std::cmp::Reverse(size(*id)));
        ids.map(moved).into()
    } else {
        Vec::new()
    }
}

/// The size of a text that is spelled like Kubernetes or like people do: `4Gi`, `1.5 GB`, `1_000`.
pub(super) fn respelled_size(text: &str) -> Option<Bytes> {
    let positive = text.trim().trim_start_matches(['-', '+']).replace('_', "");
    memory_size::parse(&positive).ok().or_else(|| {
        let quantity = quantity::probable_spelling(&positive).unwrap_or(positive);
        quantity::parse_memory(&quantity).ok()
    })
}

/// A number with a decimal comma or a percent sign, the way Flink reads it.
fn respelled_number(text: &str) -> Option<String> {
    let plain = text.trim().replace(',', ".");
    match plain.strip_suffix('%') {
        Some(number) => number.trim().parse::<f32>().ok().map(percent),
        None => plain
            .parse::<f32>()
            .ok()
            .filter(|number| number.is_finite())
            .map(|_| plain),
    }
}

fn percent(number: f32) -> String {
    format!("{}", f64::from((number * 100.0).round()) / 10_000.0)
}

/// Sizes at which the terms of the model change their slope, as container limits in mebibytes: between two of
/// them, more memory either always helps or always hurts.
pub(super) fn breakpoints(trial: &Trial) -> Vec<u64> {
    let size = |id| trial.size(id).unwrap_or(Bytes::ZERO);
    let options = Options::new(&trial.request);
    let fraction = |id: Id| {
        let written = options
            .setting(id)
            .and_then(|setting| decimal::parse_java_float(&setting.value).ok());
        written
            .filter(|fraction| fraction::is_valid(*fraction))
            .unwrap_or(id.default_fraction())
    };
    // The size whose fraction is `part`; only the neighbourhood matters, so a float's own rounding does not.
    let whole_of = |part: Bytes, fraction: f32| {
        let millionths = (f64::from(fraction) * 1e6) as u128;
        let whole = u128::from(part.get()) * 1_000_000 / millionths.max(1);
        Bytes(
            u64::try_from(whole)
                .unwrap_or(u64::MAX)
                .min(Bytes::MAX.get()),
        )
    };
    let overhead = fraction(Id::JvmOverheadFraction);
    let bounds = [size(Id::JvmOverheadMin), size(Id::JvmOverheadMax)];
    let mut points: Vec<Bytes> = bounds
        .iter()
        .map(|bound| whole_of(*bound, overhead))
        .collect();
    for network in [size(Id::NetworkMin), size(Id::NetworkMax)] {
        let total_flink = whole_of(network, fraction(Id::NetworkFraction));
        let base = total_flink.saturating_add(size(Id::JvmMetaspaceSize));
        points.extend(bounds.iter().map(|bound| base.saturating_add(*bound)));
        points.push(base.saturating_add(fraction::inverse(base, overhead).unwrap_or(Bytes::MAX)));
    }
    let mut mebibytes: Vec<u64> = points
        .iter()
        .map(|point| point.whole_mebibytes())
        .flat_map(|point| [point.saturating_sub(1), point, point + 1])
        .chain([1, LARGEST_LIMIT])
        .filter(|point| (1..=LARGEST_LIMIT).contains(point))
        .collect();
    mebibytes.sort_unstable();
    mebibytes.dedup();
    mebibytes
}

/// An exbibyte in mebibytes: more than any container has.
pub(super) const LARGEST_LIMIT: u64 = 1 << 40;
