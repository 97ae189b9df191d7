//! The options that share managed memory among its consumers and decide what a state backend takes: their keys.
//!
//! Mirrors `TaskManagerOptions.MANAGED_MEMORY_CONSUMER_WEIGHTS`, `StateBackendOptions`, `PythonOptions`,
//! `RocksDBOptions`, `RocksDBConfigurableOptions` and their counterparts of ForSt.

/// `taskmanager.memory.managed.consumer-weights`, read since 1.12.
pub const MANAGED_CONSUMER_WEIGHTS: &str = "taskmanager.memory.managed.consumer-weights";
/// `state.backend.type`, read since 1.16.
pub const STATE_BACKEND_TYPE: &str = "state.backend.type";
/// `state.backend`, the spelling of [`STATE_BACKEND_TYPE`] that every version reads.
pub const STATE_BACKEND: &str = "state.backend";

/// The keys of one native state backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeKeys {
    /// Whether the backend takes managed memory.
    pub managed: &'static str,
    /// A fixed size for each slot, outside managed memory.
    pub fixed_per_slot: &'static str,
    /// A fixed size for the TaskManager, outside managed memory.
    pub fixed_per_taskmanager: &'static str,
    /// The share of write buffers.
    pub write_buffer_ratio: &'static str,
    /// The share of the cache that is kept for indexes and filters.
    pub high_priority_pool_ratio: &'static str,
    /// The size of one write buffer.
    pub write_buffer_size: &'static str,
    /// How many write buffers a column family may have.
    pub write_buffer_count: &'static str,
    /// The block cache of each column family where nothing bounds the backend.
    pub block_cache_size: &'static str,
    /// Background threads for flushes and compactions.
    pub background_threads: &'static str,
}

/// RocksDB's keys, `state.backend.rocksdb.…`.
pub const ROCKSDB: NativeKeys = NativeKeys {
    managed: "state.backend.rocksdb.memory.managed",
    fixed_per_slot: "state.backend.rocksdb.memory.fixed-per-slot",
    fixed_per_taskmanager: "state.backend.rocksdb.memory.fixed-per-tm",
    write_buffer_ratio: "state.backend.rocksdb.memory.write-buffer-ratio",
    high_priority_pool_ratio: "state.backend.rocksdb.memory.high-prio-pool-ratio",
    write_buffer_size: "state.backend.rocksdb.writebuffer.size",
    write_buffer_count: "state.backend.rocksdb.writebuffer.count",
    block_cache_size: "state.backend.rocksdb.block.cache-size",
    background_threads: "state.backend.rocksdb.thread.num",
};

/// ForSt's keys, `state.backend.forst.…`.
pub const FORST: NativeKeys = NativeKeys {
    managed: "state.backend.forst.memory.managed",
    fixed_per_slot: "state.backend.forst.memory.fixed-per-slot",
    fixed_per_taskmanager: "state.backend.forst.memory.fixed-per-tm",
    write_buffer_ratio: "state.backend.forst.memory.write-buffer-ratio",
    high_priority_pool_ratio: "state.backend.forst.memory.high-prio-pool-ratio",
    write_buffer_size: "state.backend.forst.writebuffer.size",
    write_buffer_count: "state.backend.forst.writebuffer.count",
    block_cache_size: "state.backend.forst.block.cache-size",
    background_threads: "state.backend.forst.thread.num",
};
