//! What may help against each kind of violation, before it is tried.

mod jobmanager;

use std::cmp::Reverse;

use super::super::{
    effective::{LegacyHeap, Options},
    memory_size,
    options::Id,
    request::{Origin, Role},
    reserves::{Reserve, ReserveKind},
    trial::Edit,
    violation::{Kind, Parts},
};
use crate::{bytes::Bytes, quantity};

/// The total process memory in the configuration file that Flink ships.
fn shipped_process_size(role: Role) -> Bytes {
    Bytes::from_mebibytes(match role {
        Role::TaskManager => 1728,
        Role::JobManager => 1600,
    })
}

/// Something that may help; the value is found by trying.
pub(super) enum Candidate {
    Lower(Id),
    /// Lowers an option that does not parse, from the size it probably means.
    LowerFrom(Id, Bytes),
    Raise(Id),
    LowerFraction(Id),
    RaiseLimit,
    LowerReserve(ReserveKind),
    LowerEnvironment,
    RaiseEnvironment,
    Exactly(Edit),
}

/// What may help against a violation, in the order in which it is offered.
pub(super) fn candidates(options: &Options<'_>, kind: &Kind) -> Vec<Candidate> {
    use Candidate::{Exactly, Lower, LowerFraction, LowerFrom, Raise};
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
                memory_size::text(shipped_process_size(options.role())),
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
                    memory_size::text(shipped_process_size(options.role())),
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
        Kind::Boolean { option } => {
            let meant = match value(*option).trim().to_ascii_lowercase().as_str() {
                "yes" | "on" | "1" | "true" | "enabled" => Some("true"),
                "no" | "off" | "0" | "false" | "disabled" => Some("false"),
                _ => None,
            };
            let meant = meant.map(|text| set(*option, text));
            meant.into_iter().chain([remove(*option)]).collect()
        }
        Kind::LimitFactorBelowOne { option, .. } => vec![set(*option, "1.0"), remove(*option)],
        Kind::HeapAndOffHeapDiffer { .. }
        | Kind::HeapExceedsFlink { .. }
        | Kind::OffHeapTakesAll { .. }
        | Kind::CutoffRatioOutside { .. }
        | Kind::CutoffAboveTotal { .. } => jobmanager::candidates(options, kind),
        Kind::HeapTooSmall { .. } if options.role() == Role::JobManager => {
            jobmanager::candidates(options, kind)
        }
        Kind::ExternalAmount { key, .. } => vec![Exactly(Edit::RemoveKey(key.clone()))],
        Kind::RangeInverted {
            fraction_option, ..
        } => {
            let (min, max) = (
                fraction_option.minimum_option(),
                fraction_option.maximum_option(),
            );
            // The bound that was left at its default follows the one that was written.
            let first_two = if options.is_set(min) {
                [Raise(max), Lower(min)]
            } else {
                [Lower(min), Raise(max)]
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
            // From five up it was probably a percentage; a little above one it could be anything.
            let meant_percent = (5.0..100.0).contains(fraction);
            let percent = meant_percent.then(|| set(*fraction_option, &percent(*fraction)));
            percent
                .into_iter()
                .chain([remove(*fraction_option)])
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
                process_size(options, true),
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
                [process_size(options, true), Lower(Id::JvmOverheadMin)]
            } else {
                [process_size(options, false), Raise(Id::JvmOverheadMax)]
            });
            candidates.extend([Id::ProcessSize, Id::FlinkSize].map(remove));
            candidates
        }
        Kind::CpuNotPositive {
            option: Id::NumberOfTaskSlots,
        }
        | Kind::SlotsInvalid { .. } => {
            vec![
                set(Id::NumberOfTaskSlots, "1"),
                remove(Id::NumberOfTaskSlots),
            ]
        }
        Kind::CpuNotPositive { option } | Kind::CpuNotFinite { option, .. } => {
            vec![remove(*option)]
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
            let written = written_total(options, Id::ProcessSize, false);
            let mut candidates: Vec<_> = written.into_iter().collect();
            candidates.extend(flink_total(options, false));
            candidates.extend(room(options));
            candidates.extend([remove(Id::ProcessSize), remove(Id::FlinkSize)]);
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
                remove(Id::SegmentSize),
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
    written.sort_by_key(|(bytes, _)| Reverse(*bytes));
    written
        .into_iter()
        .map(|(_, candidate)| candidate)
        .collect()
}

/// An option moved down or up.
fn moved(id: Id, upwards: bool) -> Candidate {
    if upwards {
        Candidate::Raise(id)
    } else {
        Candidate::Lower(id)
    }
}

/// A total where it is written, under whatever name, moved down or up.
fn written_total(options: &Options<'_>, total: Id, upwards: bool) -> Option<Candidate> {
    if options.is_set(total) {
        return Some(moved(total, upwards));
    }
    if options.legacy_target() != total {
        return None;
    }
    Some(match options.legacy_heap()? {
        LegacyHeap::Option(id) => moved(id, upwards),
        LegacyHeap::Environment(_) if upwards => Candidate::RaiseEnvironment,
        LegacyHeap::Environment(_) => Candidate::LowerEnvironment,
    })
}

/// More of the container for the process: reserves that somebody wrote are lowered first, those of a profile, which
/// has its reasons, last.
fn room(options: &Options<'_>) -> Vec<Candidate> {
    let mut reserves: Vec<&Reserve> = options
        .reserves
        .iter()
        .filter(|reserve| reserve.bytes > Bytes::ZERO)
        .collect();
    reserves.sort_by_key(|reserve| Reverse(reserve.bytes));
    let (written, of_profile): (Vec<_>, Vec<_>) = reserves
        .into_iter()
        .partition(|reserve| reserve.is_written());
    let lower = |reserve: &Reserve| Candidate::LowerReserve(reserve.kind);
    let first = written.into_iter().map(lower);
    let last = of_profile.into_iter().map(lower);
    first.chain([Candidate::RaiseLimit]).chain(last).collect()
}

/// The total that the parts have to fit into.
fn total(options: &Options<'_>, upwards: bool) -> Vec<Candidate> {
    if let Some(written) = written_total(options, Id::FlinkSize, upwards) {
        vec![written]
    } else if let Some(written) = written_total(options, Id::ProcessSize, upwards) {
        vec![written, Candidate::Exactly(Edit::Remove(Id::ProcessSize))]
    } else if upwards && options.room_as_process_size.is_some() {
        room(options)
    } else {
        Vec::new()
    }
}

/// The process size moved down or up, under whatever name it is written, or would be.
fn process_size(options: &Options<'_>, upwards: bool) -> Candidate {
    written_total(options, Id::ProcessSize, upwards).unwrap_or(moved(Id::ProcessSize, upwards))
}

/// What total Flink memory comes from, apart from the process size.
fn flink_total(options: &Options<'_>, upwards: bool) -> Vec<Candidate> {
    if let Some(written) = written_total(options, Id::FlinkSize, upwards) {
        vec![written]
    } else if options.is_set(Id::TaskHeapSize) && options.is_set(Id::ManagedSize) {
        let size = |id| {
            options
                .setting(id)
                .and_then(|setting| memory_size::parse(&setting.value).ok())
        };
        let mut ids = [Id::ManagedSize, Id::TaskHeapSize];
        ids.sort_by_key(|id| Reverse(size(*id)));
        ids.map(|id| moved(id, upwards)).into()
    } else if options.role() == Role::JobManager {
        let heap = written_total(options, Id::JvmHeapSize, upwards);
        let off_heap = heap.is_some().then(|| moved(Id::OffHeapSize, upwards));
        heap.into_iter().chain(off_heap).collect()
    } else {
        Vec::new()
    }
}

/// Every change of one option that could matter to a sum, for where none of the likely ones helps.
pub(super) fn every_candidate(options: &Options<'_>) -> Vec<Candidate> {
    let mut candidates = room(options);
    for id in Id::ALL {
        if id.is_size() && id != Id::SegmentSize {
            candidates.extend([Candidate::Lower(id), Candidate::Raise(id)]);
        }
        if id.is_fraction() {
            candidates.push(Candidate::LowerFraction(id));
        }
        if options.is_set(id) {
            candidates.push(Candidate::Exactly(Edit::Remove(id)));
        }
    }
    candidates
}

/// The size of a text that is spelled like Kubernetes or like people do: `4Gi`, `1.5 GB`, `1_000`.
pub(in crate::budget) fn respelled_size(text: &str) -> Option<Bytes> {
    let positive = text.trim().trim_start_matches(['-', '+']).replace('_', "");
    // A decimal number without a unit is a fraction in the wrong place, or anything but bytes.
    let is_decimal = positive.contains('.')
        && positive
            .chars()
            .all(|character| character == '.' || character.is_ascii_digit());
    if is_decimal {
        return None;
    }
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
