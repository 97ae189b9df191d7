//! How much a profile reserves for a native state backend: what is fixed outside managed memory, and the overshoot.
//!
//! The share of managed memory that a slot's backend gets depends on the process, and the process on what is
//! reserved before it. So the reserve is made for the share with which the overshoot is largest, and holds for
//! every other.

use super::Backend;
use crate::{
    budget::{
        options::{
            NUMBER_OF_TASK_SLOTS,
            state_backend::{FORST, ROCKSDB},
        },
        request::{Configuration, Request},
        rocksdb::{
            MemorySource, NativeMemory, SharedResources, StateBackend,
            overshoot::{self, Load, Overshoot},
        },
    },
    bytes::Bytes,
};

/// The reserve; `None` where the configuration chooses no native backend.
pub(super) fn overshoot(request: &Request, backend: Backend) -> Option<Bytes> {
    let configuration = &request.configuration;
    let keys = match backend {
        Backend::RocksDb => &ROCKSDB,
        Backend::ForSt => &FORST,
        Backend::Configured => StateBackend::of(request.flink_version, configuration)
            .ok()?
            .keys()?,
    };
    let version = request.flink_version;
    // What Flink would not read is refused elsewhere; until it is corrected, its defaults are a fair guess.
    let memory = NativeMemory::of(version, keys, configuration)
        .or_else(|_| NativeMemory::of(version, keys, &Configuration::new()))
        .ok()?;
    let slots = slots(request);
    let load = Load::ONE_OPERATOR;
    let ratio = memory.ratios.write_buffer;
    Some(
        match memory.source {
            MemorySource::Managed => overshoot::reserve(&memory, &largest(&memory, &load), slots),
            MemorySource::FixedPerSlot(size) => {
                let overshoot = Overshoot::of(&memory, &SharedResources::of(size, ratio), &load);
                times(size, slots).saturating_add(overshoot::reserve(&memory, &overshoot, slots))
            }
            MemorySource::FixedPerTaskManager(size) => {
                let load = Load {
                    databases: load.databases.saturating_mul(slots),
                    column_families: load.column_families.saturating_mul(slots),
                    iterators: load.iterators.saturating_mul(slots),
                };
                let overshoot = Overshoot::of(&memory, &SharedResources::of(size, ratio), &load);
                size.saturating_add(overshoot::reserve(&memory, &overshoot, 1))
            }
            MemorySource::Unbounded => {
                let families = load.column_families.saturating_mul(slots);
                overshoot::unbounded(&memory, families)
                    .saturating_add(overshoot::background(&memory))
            }
        }
        .round_up_to_mebibyte(),
    )
}

/// The largest overshoot that any amount of memory leads to.
///
/// What is pinned grows with the write buffers, and they grow with the memory, each in a straight line between two
/// bends: where they are as small as they get, and where every column family has all its write buffers.
fn largest(memory: &NativeMemory, load: &Load) -> Overshoot {
    let ratio = memory.ratios.write_buffer;
    let least = SharedResources {
        // Without a ratio write buffers have no bound at all.
        write_buffers: if ratio > 0.0 { Bytes(1) } else { Bytes::ZERO },
        ..SharedResources::of(Bytes::ZERO, ratio)
    };
    let full = times(
        memory.write_buffer_size,
        load.column_families
            .saturating_mul(memory.write_buffer_count.into()),
    );
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the neighbourhood of the bend is enough, and a cast of a float saturates"
    )]
    let all_full = Bytes((full.get() as f64 / ratio.max(f64::MIN_POSITIVE)) as u64).min(Bytes::MAX);
    let [small, large] = [least, SharedResources::of(all_full, ratio)]
        .map(|shared| Overshoot::of(memory, &shared, load));
    if small.total() < large.total() {
        large
    } else {
        small
    }
}

/// The slots as they are configured; what is no number of slots is refused elsewhere.
fn slots(request: &Request) -> u64 {
    request
        .configuration
        .setting(NUMBER_OF_TASK_SLOTS)
        .and_then(|setting| setting.value.parse().ok())
        .unwrap_or(1)
        .max(1)
}

fn times(size: Bytes, count: u64) -> Bytes {
    let product = size.get().checked_mul(count).map(Bytes);
    product.unwrap_or(Bytes::MAX).min(Bytes::MAX)
}
