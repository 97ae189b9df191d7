//! By how much a sum of the model does not work out, which tells a search how far to go.

use super::super::{options::Id, startup, violation::Kind};
use crate::bytes::Bytes;

/// Which of the model's sums does not work out.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Sum {
    /// The parts and their total: what one of them gives way to, the next needs.
    Parts,
    /// The two totals.
    Totals,
    /// The process and its container.
    Container,
    /// The two ends of a range.
    Range(Id),
}

/// In which direction a sum does not work out, and by how much.
pub(super) struct Pressure {
    pub(super) sum: Sum,
    /// Whether there is too little for what is to come out of it.
    pub(super) is_too_small: bool,
    /// In bytes; zero where it is not known.
    pub(super) gap: u64,
}

/// The pressure behind a violation; `None` for one that is no matter of degree.
pub(super) fn pressure(kind: &Kind) -> Option<Pressure> {
    let lacks = |sum, needed: Bytes, there: Bytes| {
        Some(Pressure {
            sum,
            is_too_small: true,
            gap: needed.saturating_sub(there).get(),
        })
    };
    let within = |sum, rest: Bytes, minimum: Bytes, maximum: Bytes| {
        Some(Pressure {
            sum,
            is_too_small: rest < minimum,
            gap: minimum
                .saturating_sub(rest)
                .max(rest.saturating_sub(maximum))
                .get(),
        })
    };
    match kind {
        Kind::ComponentsExceedFlink {
            sum, total_flink, ..
        } => lacks(Sum::Parts, *sum, *total_flink),
        Kind::HeapExceedsFlink { heap, total_flink } => lacks(Sum::Parts, *heap, *total_flink),
        Kind::OffHeapTakesAll {
            total_flink,
            off_heap,
        } => lacks(Sum::Parts, off_heap.saturating_add(Bytes(1)), *total_flink),
        Kind::CutoffAboveTotal { minimum, total } => {
            let mebibytes =
                |number: i32| Bytes::from_mebibytes(u64::try_from(number).unwrap_or_default());
            lacks(Sum::Parts, mebibytes(*minimum), mebibytes(*total))
        }
        Kind::JvmExceedsProcess {
            metaspace,
            overhead,
            total_process,
        } => lacks(
            Sum::Parts,
            metaspace.saturating_add(*overhead),
            *total_process,
        ),
        Kind::NetworkOutOfRange {
            network,
            minimum,
            maximum,
            ..
        } => within(Sum::Parts, *network, *minimum, *maximum),
        Kind::NetworkDiffersFromBuffers {
            network, buffers, ..
        } => within(Sum::Parts, *network, *buffers, *buffers),
        Kind::NetworkTooSmall {
            network,
            segment_size,
        } => lacks(Sum::Parts, *segment_size, *network),
        Kind::NetworkTooLarge {
            network,
            segment_size,
        } => {
            let most = segment_size.get().saturating_mul(1 << 31) - 1;
            within(Sum::Parts, *network, Bytes::ZERO, Bytes(most))
        }
        Kind::HeapTooSmall { heap } => lacks(
            Sum::Parts,
            startup::HEAP_MUST_EXCEED.saturating_add(Bytes(1)),
            *heap,
        ),
        Kind::Overflow { .. } => lacks(Sum::Parts, Bytes::ZERO, Bytes::ZERO),
        Kind::ProcessBelowFlink {
            total_process,
            total_flink,
            metaspace,
        } => lacks(
            Sum::Totals,
            total_flink.saturating_add(*metaspace),
            *total_process,
        ),
        Kind::OverheadOutOfRange {
            overhead,
            minimum,
            maximum,
            ..
        } => within(Sum::Totals, *overhead, *minimum, *maximum),
        Kind::ProcessExceedsLimit {
            total_process,
            room,
        } => lacks(Sum::Container, *total_process, *room),
        Kind::RangeInverted {
            fraction_option,
            minimum,
            maximum,
            ..
        } => lacks(Sum::Range(*fraction_option), *minimum, *maximum),
        _ => None,
    }
}
