//! What a derivation that Flink accepts must satisfy so that the process starts and survives.
//!
//! Flink derives sizes without asking whether a JVM can run with them. The bounds here are those below which
//! the start itself fails; what a job needs beyond is the user's decision.

use super::{
    derivation::{Amount, Derivation, Derived},
    effective::Options,
    jobmanager::JobManagerDerivation,
    memory_size,
    options::Id,
    process::segment_size_violation,
    violation::Kind,
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
pub(super) fn check(options: &Options<'_>, derived: &Derived, report: impl FnMut(Kind)) {
    match derived {
        Derived::TaskManager(derivation) => check_taskmanager(options, derivation, report),
        Derived::JobManager(derivation) => check_jobmanager(options, derivation, report),
    }
}

/// Tells `report` about every bound that the derivation of a JobManager does not keep.
pub(super) fn check_jobmanager(
    options: &Options<'_>,
    derivation: &JobManagerDerivation,
    mut report: impl FnMut(Kind),
) {
    check_limit(options, derivation.total_process(), &mut report);
    let heap = derivation.heap();
    let metaspace = match derivation {
        JobManagerDerivation::Unified(derivation) => Some(derivation.jvm.metaspace),
        JobManagerDerivation::Cutoff(_) => None,
    };
    if heap.known && heap.bytes <= HEAP_MUST_EXCEED {
        report(Kind::HeapTooSmall { heap: heap.bytes });
    }
    if let Some(metaspace) = metaspace {
        check_metaspace(metaspace, &mut report);
    }
}

fn check_limit(options: &Options<'_>, process: Amount, report: &mut impl FnMut(Kind)) {
    if let Some(room) = options.room
        && process.known
        && process.bytes > room
    {
        report(Kind::ProcessExceedsLimit {
            total_process: process.bytes,
            room,
        });
    }
}

fn check_metaspace(metaspace: Amount, report: &mut impl FnMut(Kind)) {
    if metaspace.known && metaspace.bytes < SMALLEST_METASPACE {
        report(Kind::MetaspaceTooSmall {
            metaspace: metaspace.bytes,
        });
    }
}

/// Tells `report` about every bound that the derivation of a TaskManager does not keep.
pub(super) fn check_taskmanager(
    options: &Options<'_>,
    derivation: &Derivation,
    mut report: impl FnMut(Kind),
) {
    check_limit(options, derivation.total_process, &mut report);
    let heap = derivation
        .framework_heap
        .bytes
        .saturating_add(derivation.task_heap.bytes);
    if derivation.framework_heap.known && derivation.task_heap.known && heap <= HEAP_MUST_EXCEED {
        report(Kind::HeapTooSmall { heap });
    }
    check_metaspace(derivation.jvm_metaspace, &mut report);
    // Less than a hundred-millionth of a core is rounded down to none, which only the started process refuses.
    if derivation.cpu_cores == 0.0 {
        report(Kind::CpuNotPositive {
            option: if options.is_set(Id::CpuCores) {
                Id::CpuCores
            } else {
                Id::NumberOfTaskSlots
            },
        });
    }
    match derivation.number_of_task_slots {
        None => report(Kind::Integer {
            option: Id::NumberOfTaskSlots,
        }),
        // −1 is Flink's way to say one.
        Some(slots) if slots < 1 && slots != -1 => report(Kind::SlotsInvalid { slots }),
        Some(_) => {}
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
