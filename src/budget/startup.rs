//! What a derivation that Flink accepts must satisfy so that the process starts and survives.
//!
//! Flink derives sizes without asking whether a JVM can run with them. The bounds here are those below which
//! the start itself fails; what a job needs beyond is the user's decision.

use super::{
    derivation::Derivation, effective::Options, memory_size, options::Id,
    process::segment_size_violation, violation::Kind,
};
use crate::bytes::Bytes;

/// HotSpot refuses `-Xmx` below 2 MiB ("Too small maximum heap"), and with G1, which Flink's scripts choose, at
/// exactly 2 MiB as well ("GC triggered before VM initialization completed"; seen with JDK 17).
pub(super) const HEAP_MUST_EXCEED: Bytes = Bytes::from_mebibytes(2);

/// Below 128 KiB HotSpot can't load its own first classes ("OutOfMemoryError: Metaspace" during
/// initialization; seen with JDK 17).
pub(super) const SMALLEST_METASPACE: Bytes = Bytes(128 << 10);

/// Flink's default of `taskmanager.memory.segment-size`.
pub(super) const DEFAULT_SEGMENT_SIZE: Bytes = Bytes(32 << 10);

/// Tells `report` about every bound that the derivation does not keep.
pub(super) fn check(options: &Options<'_>, derivation: &Derivation, mut report: impl FnMut(Kind)) {
    let process = derivation.total_process;
    if let Some(limit) = options.request.container_limit
        && process.known
        && process.bytes > limit
    {
        report(Kind::ProcessExceedsLimit {
            total_process: process.bytes,
            limit,
        });
    }
    let heap = derivation
        .framework_heap
        .bytes
        .saturating_add(derivation.task_heap.bytes);
    if derivation.framework_heap.known && derivation.task_heap.known && heap <= HEAP_MUST_EXCEED {
        report(Kind::HeapTooSmall { heap });
    }
    let metaspace = derivation.jvm_metaspace;
    if metaspace.known && metaspace.bytes < SMALLEST_METASPACE {
        report(Kind::MetaspaceTooSmall {
            metaspace: metaspace.bytes,
        });
    }
    // Less than a hundred-millionth of a core is rounded down to none, which only the started process refuses.
    if derivation.cpu_cores == 0.0 {
        report(Kind::CpuNotPositive {
            from_slots: !options.is_set(Id::CpuCores),
        });
    }
    // −1 is Flink's way to say one.
    let slots = derivation.number_of_task_slots;
    if slots < 1 && slots != -1 {
        report(Kind::SlotsInvalid { slots });
    }
    // The started TaskManager reads the segment size even where the derivation did not.
    let configured = options
        .setting(Id::SegmentSize)
        .map(|setting| memory_size::parse(&setting.value));
    let segment_size = match configured.unwrap_or(Ok(DEFAULT_SEGMENT_SIZE)) {
        Ok(size) => size,
        Err(error) => {
            report(Kind::Size {
                option: Id::SegmentSize,
                error,
            });
            return;
        }
    };
    if let Some(kind) = segment_size_violation(segment_size) {
        report(kind);
    } else if derivation.network.known {
        let network = derivation.network.bytes;
        if network < segment_size {
            report(Kind::NetworkTooSmall {
                network,
                segment_size,
            });
        } else if network.get() / segment_size.get() > i32::MAX.unsigned_abs().into() {
            report(Kind::NetworkTooLarge {
                network,
                segment_size,
            });
        }
    }
}
