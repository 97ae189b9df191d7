//! How far a native state backend may go beyond the memory that Flink gave it, and the reserve that covers it.
//!
//! Flink creates the shared block cache without a strict limit (`RocksDBMemoryControllerUtils.createCache`), because
//! RocksDB would fail a read that finds the cache full of what can't be evicted. So the limit holds only as far
//! as there is something to evict. `docs/managed-memory.md` gives the sources of each term and constant.
//!
//! Everything here is an upper bound under the stated assumptions, for planning; none of it is Flink's.

use serde::Serialize;

use super::{NativeMemory, SharedResources, arena_block};
use crate::bytes::Bytes;

/// Sorted runs that an iterator keeps a block of at most: level 0 up to the number of files at which RocksDB
/// slows writes down (20), and the six levels below it.
const RUNS_PER_ITERATOR: u64 = 26;
/// RocksDB's default block, `block_size`.
const BLOCK: Bytes = Bytes(4 << 10);
/// Files in level 0 that start a compaction, `level0_file_num_compaction_trigger`: Flink keeps the indexes and
/// filters of that level pinned.
const LEVEL_0_FILES: u64 = 4;
/// Index and filter of a file, in 512ths of the file: RocksDB's own example is 0.5 MB and 5 MB for 256 MB.
const INDEX_AND_FILTER_512THS: u64 = 11;
/// What a compaction reads ahead of one of its input files, `compaction_readahead_size` since RocksDB 8.7.
const READAHEAD: Bytes = Bytes::from_mebibytes(2);
/// Input files that a compaction reads at once: those of level 0 that started it and one of the next level.
const COMPACTION_INPUTS: u64 = LEVEL_0_FILES + 1;
/// What is buffered of a file that is being written, `writable_file_max_buffer_size`.
const WRITE_BEHIND: Bytes = Bytes::from_mebibytes(1);
/// The file that a compaction writes, `target_file_size_base`.
const OUTPUT_FILE: Bytes = Bytes::from_mebibytes(64);
/// What Flink collects of a batch before it writes it, `state.backend.rocksdb.write-batch-size`.
const WRITE_BATCH: Bytes = Bytes::from_mebibytes(2);

/// What the tasks that share one cache do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Databases that share the cache: one for each operator with keyed state in the slot, or in the TaskManager.
    pub databases: u64,
    /// Column families of all of them: one for each registered state, and one for timers in the backend.
    pub column_families: u64,
    /// Iterators that are open at the same time: one for each task that goes through a `MapState`, a list of
    /// timers or a checkpoint.
    pub iterators: u64,
}

impl Load {
    /// What a slot with one stateful operator does: two states and timers, one iterator for the task and one for the
    /// checkpoint.
    pub const ONE_OPERATOR: Load = Load {
        databases: 1,
        column_families: 3,
        iterators: 2,
    };
}

/// How far one shared cache may be overshot, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overshoot {
    /// What write buffers may take at most: half as much again as their capacity, or two arena blocks for each
    /// column family, where that is more.
    pub write_buffers: Bytes,
    /// What can't be evicted while it is used: indexes and filters of level 0, a block of each run for each iterator.
    pub pinned: Bytes,
    /// How far write buffers and pinned blocks together lie above the memory.
    pub beyond_cache: Bytes,
    /// What the cache never hears of: blocks on their way into it and batches on their way out.
    pub beside_cache: Bytes,
}

impl Overshoot {
    /// The overshoot of a cache under a load.
    ///
    /// Where write buffers and pinned blocks fit, the cache keeps what it was given, because everything else in it can
    /// be evicted; what they exceed it by comes on top.
    #[must_use]
    pub fn of(memory: &NativeMemory, shared: &SharedResources, load: &Load) -> Self {
        let block = arena_block(memory.write_buffer_size, None);
        // Writes to a column family stop when all its write buffers are full, whatever the capacity is.
        let full = unbounded_write_buffers(memory, load.column_families);
        let write_buffers = if shared.write_buffers == Bytes::ZERO {
            full
        } else {
            let half_as_much_again = shared
                .write_buffers
                .saturating_add(Bytes(shared.write_buffers.get() / 2));
            // A column family that is written to takes a block, and another one while the first is flushed.
            let one_block_each = times(block, load.column_families.saturating_mul(2));
            half_as_much_again.min(full).max(one_block_each)
        };
        let level_0 = times(write_buffers, LEVEL_0_FILES);
        let pinned = times(BLOCK, RUNS_PER_ITERATOR.saturating_mul(load.iterators))
            .saturating_add(index_and_filter(level_0));
        Self {
            write_buffers,
            pinned,
            beyond_cache: write_buffers
                .saturating_add(pinned)
                .saturating_sub(shared.total),
            beside_cache: times(WRITE_BATCH, load.databases).saturating_add(times(
                BLOCK,
                RUNS_PER_ITERATOR.saturating_mul(load.iterators),
            )),
        }
    }

    /// What comes on top of the memory that Flink gave.
    #[must_use]
    pub fn total(&self) -> Bytes {
        self.beyond_cache.saturating_add(self.beside_cache)
    }
}

/// What flushes and compactions take beside all caches. Their threads belong to the process: however many databases
/// there are, no more jobs run at once.
#[must_use]
pub fn background(memory: &NativeMemory) -> Bytes {
    let job = times(READAHEAD, COMPACTION_INPUTS)
        .saturating_add(WRITE_BEHIND)
        .saturating_add(index_and_filter(OUTPUT_FILE));
    times(job, memory.background_threads.into())
}

/// The memory that a TaskManager should hold back for native overshoot: that of each of its caches, and that of the
/// background jobs; whole mebibytes.
///
/// `caches` is the number of slots where each has a cache, and 1 where all share one. The rounding of the allocator
/// comes on top and is no part of this: it belongs to the JVM overhead, with all that the process allocates.
#[must_use]
pub fn reserve(memory: &NativeMemory, overshoot: &Overshoot, caches: u64) -> Bytes {
    times(overshoot.total(), caches)
        .saturating_add(background(memory))
        .round_up_to_mebibyte()
}

/// What a backend may take that nothing bounds: all write buffers of each column family, and its block cache.
#[must_use]
pub fn unbounded(memory: &NativeMemory, column_families: u64) -> Bytes {
    unbounded_write_buffers(memory, column_families)
        .saturating_add(times(memory.block_cache_size, column_families))
}

fn unbounded_write_buffers(memory: &NativeMemory, column_families: u64) -> Bytes {
    times(
        memory.write_buffer_size,
        column_families.saturating_mul(memory.write_buffer_count.into()),
    )
}

fn index_and_filter(file: Bytes) -> Bytes {
    Bytes((u128::from(file.get()) * u128::from(INDEX_AND_FILTER_512THS) / 512) as u64)
}

/// So many times a size, or the largest size where that would be larger.
fn times(size: Bytes, count: u64) -> Bytes {
    let product = size.get().checked_mul(count).map(Bytes);
    product.unwrap_or(Bytes::MAX).min(Bytes::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{
        options::state_backend::ROCKSDB, request::Configuration, version::FlinkVersion,
    };

    fn memory() -> NativeMemory {
        NativeMemory::of(FlinkVersion::V2_1, &ROCKSDB, &Configuration::new())
            .expect("defaults are sound")
    }

    fn overshoot(total: Bytes, column_families: u64) -> Overshoot {
        let load = Load {
            column_families,
            ..Load::ONE_OPERATOR
        };
        Overshoot::of(&memory(), &SharedResources::of(total, 0.5), &load)
    }

    #[test]
    fn few_states_stay_within_what_flink_reckons_with() {
        let overshoot = overshoot(Bytes::from_mebibytes(512), 3);
        // Half as much again as 2/3 of the half: the half itself.
        assert_eq!(
            overshoot.write_buffers.round_up_to_mebibyte(),
            Bytes::from_mebibytes(256)
        );
        assert_eq!(overshoot.beyond_cache, Bytes::ZERO);
        // A write batch, and 26 blocks for each of two iterators.
        assert_eq!(overshoot.beside_cache, Bytes((2 << 20) + 2 * 26 * 4096));
    }

    #[test]
    fn many_states_in_little_memory_go_beyond_it() {
        let total = Bytes::from_mebibytes(128);
        // 20 states, two arena blocks of 8 MiB each: 320 MiB, and what of it level 0 pins.
        let overshoot = overshoot(total, 20);
        assert_eq!(overshoot.write_buffers, Bytes::from_mebibytes(320));
        assert_eq!(
            overshoot.beyond_cache,
            Bytes::from_mebibytes(320 - 128).saturating_add(overshoot.pinned)
        );
    }

    #[test]
    fn one_write_buffer_each_is_the_most_that_few_states_take() {
        let overshoot = overshoot(Bytes::from_mebibytes(8192), 1);
        assert_eq!(overshoot.write_buffers, Bytes::from_mebibytes(128));
    }

    #[test]
    fn background_jobs_count_once_for_a_process() {
        let memory = memory();
        // Two jobs: five read-aheads of 2 MiB, 1 MiB to write, 1.375 MiB of index and filter.
        let jobs = background(&memory);
        assert_eq!(jobs, Bytes(2 * (11 * (1 << 20) + 11 * (64 << 20) / 512)));
        let one = overshoot(Bytes::from_mebibytes(512), 3);
        let four = reserve(&memory, &one, 4);
        assert_eq!(
            four,
            times(one.total(), 4)
                .saturating_add(jobs)
                .round_up_to_mebibyte()
        );
    }

    #[test]
    fn without_a_bound_every_column_family_counts() {
        assert_eq!(
            unbounded(&memory(), 5),
            Bytes::from_mebibytes(5 * (2 * 64 + 8))
        );
        let unlimited = Overshoot::of(
            &memory(),
            &SharedResources::of(Bytes::GIBI, 0.0),
            &Load::ONE_OPERATOR,
        );
        assert_eq!(unlimited.write_buffers, Bytes::from_mebibytes(3 * 2 * 64));
    }
}
