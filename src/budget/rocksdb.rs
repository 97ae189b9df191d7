//! What a native state backend makes of its memory: RocksDB, and ForSt with keys of its own and the same sums.
//!
//! Mirrors `RocksDBMemoryControllerUtils`, `RocksDBMemoryConfiguration`, `RocksDBSharedResourcesFactory` and
//! `RocksDBOperationUtils`, and the classes of ForSt that were copied from them. How far the real use may lie
//! above the limit is the subject of [`overshoot`].

pub mod overshoot;

use std::{fmt, str::FromStr};

use serde::Serialize;

use super::{
    decimal::java_double,
    infeasible::FlinkError,
    options::state_backend::{FORST, NativeKeys, ROCKSDB, STATE_BACKEND, STATE_BACKEND_TYPE},
    request::Configuration,
    typed_option::TypedOptions,
    version::FlinkVersion,
};
use crate::bytes::Bytes;

/// Default of `….writebuffer.size`.
const DEFAULT_WRITE_BUFFER: Bytes = Bytes::from_mebibytes(64);
/// Default of `….block.cache-size`.
const DEFAULT_BLOCK_CACHE: Bytes = Bytes::from_mebibytes(8);

/// Where the state of a job lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StateBackend {
    /// On the JVM's heap; takes no managed memory.
    HashMap,
    /// In RocksDB.
    RocksDb,
    /// In ForSt, since 2.0.
    ForSt,
}

/// A text that names no state backend of Flink.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no state backend is called {0:?}; Flink's own are hashmap, rocksdb and, since 2.0, forst")]
pub struct UnknownStateBackend(pub String);

impl StateBackend {
    /// The backend that a configuration chooses, `HashMap` where it chooses none.
    ///
    /// # Errors
    /// A name that is none of Flink's own, such as a factory class; or ForSt before 2.0.
    pub fn of(
        version: FlinkVersion,
        configuration: &Configuration,
    ) -> Result<Self, UnknownStateBackend> {
        let options = TypedOptions(configuration);
        let name = options
            .text(STATE_BACKEND_TYPE)
            .or_else(|| options.text(STATE_BACKEND));
        let Some(name) = name else {
            return Ok(Self::HashMap);
        };
        match name.parse()? {
            Self::ForSt if !version.has_forst() => Err(UnknownStateBackend(name.to_owned())),
            backend => Ok(backend),
        }
    }

    /// Flink's short name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HashMap => "hashmap",
            Self::RocksDb => "rocksdb",
            Self::ForSt => "forst",
        }
    }

    /// The backend's keys; `None` for the heap.
    #[must_use]
    pub const fn keys(self) -> Option<&'static NativeKeys> {
        match self {
            Self::HashMap => None,
            Self::RocksDb => Some(&ROCKSDB),
            Self::ForSt => Some(&FORST),
        }
    }
}

impl FromStr for StateBackend {
    type Err = UnknownStateBackend;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            // The names of 1.12 and before, which later versions still read.
            "hashmap" | "jobmanager" | "filesystem" => Ok(Self::HashMap),
            "rocksdb" => Ok(Self::RocksDb),
            "forst" => Ok(Self::ForSt),
            _ => Err(UnknownStateBackend(text.to_owned())),
        }
    }
}

impl fmt::Display for StateBackend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::HashMap => "the heap",
            Self::RocksDb => "RocksDB",
            Self::ForSt => "ForSt",
        })
    }
}

/// The two ratios by which a backend divides its memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ratios {
    /// What write buffers may take of the whole, their overshoot included.
    pub write_buffer: f64,
    /// What of the cache is kept for indexes and filters.
    pub high_priority_pool: f64,
}

impl Default for Ratios {
    fn default() -> Self {
        Self {
            write_buffer: 0.5,
            high_priority_pool: 0.1,
        }
    }
}

impl Ratios {
    /// Flink's check of the two together, whatever they come from: write buffers and the high-priority pool have
    /// to fit into the cache.
    ///
    /// # Errors
    /// Flink's own.
    pub fn check(self) -> Result<(), FlinkError> {
        let Self {
            write_buffer,
            high_priority_pool,
        } = self;
        if 2.0 * write_buffer / (3.0 - write_buffer) + high_priority_pool >= 1.0 {
            return Err(FlinkError::argument(format!(
                "Invalid configuration: writeBufferRatio {} with highPriPoolRatio {}",
                java_double(write_buffer),
                java_double(high_priority_pool)
            )));
        }
        Ok(())
    }

    /// Flink's check of each, which it makes only where a program sets the ratios: values of a configuration
    /// pass without it, and zero then means write buffers without a bound.
    ///
    /// # Errors
    /// Flink's own; the ratio of write buffers is looked at first.
    pub fn check_range(self) -> Result<(), FlinkError> {
        for (name, ratio) in [
            ("Write Buffer", self.write_buffer),
            ("High priority pool", self.high_priority_pool),
        ] {
            if !(ratio > 0.0 && ratio < 1.0) {
                return Err(FlinkError::argument(format!(
                    "{name} ratio {} must be in (0, 1)",
                    java_double(ratio)
                )));
            }
        }
        Ok(())
    }
}

/// Which of the three sizes counts, or that none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "bytes")]
pub enum MemorySource {
    /// A fixed size for each slot, outside managed memory.
    FixedPerSlot(Bytes),
    /// The share that the state backend has of the slot's managed memory.
    Managed,
    /// One fixed size for the whole TaskManager, outside managed memory.
    FixedPerTaskManager(Bytes),
    /// Nothing bounds the backend: each column family has write buffers and a block cache of its own.
    Unbounded,
}

/// What a configuration says about the memory of a native state backend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NativeMemory {
    /// Which size counts.
    pub source: MemorySource,
    /// How it is divided.
    pub ratios: Ratios,
    /// The size of one write buffer.
    pub write_buffer_size: Bytes,
    /// How many write buffers a column family may have.
    pub write_buffer_count: u32,
    /// The block cache of each column family where nothing bounds the backend.
    pub block_cache_size: Bytes,
    /// Background threads for flushes and compactions.
    pub background_threads: u32,
    /// A fixed size per TaskManager that has no effect, because another one counts.
    pub ineffective_fixed_per_taskmanager: Option<Bytes>,
}

impl NativeMemory {
    /// Reads the options of a backend; `keys` are those of [`StateBackend::keys`].
    ///
    /// # Errors
    /// What Flink raises for a value of another type, and for ratios that do not go together.
    pub fn of(
        version: FlinkVersion,
        keys: &NativeKeys,
        configuration: &Configuration,
    ) -> Result<Self, FlinkError> {
        let options = TypedOptions(configuration);
        let managed = options.boolean(keys.managed)?.unwrap_or(true);
        let fixed_per_slot = options.size(keys.fixed_per_slot)?;
        let default = Ratios::default();
        let ratios = Ratios {
            write_buffer: options
                .double(keys.write_buffer_ratio)?
                .unwrap_or(default.write_buffer),
            high_priority_pool: options
                .double(keys.high_priority_pool_ratio)?
                .unwrap_or(default.high_priority_pool),
        };
        ratios.check()?;
        let fixed_per_taskmanager = if version.has_fixed_memory_per_taskmanager() {
            options
                .size(keys.fixed_per_taskmanager)?
                .filter(|size| *size > Bytes::ZERO)
        } else {
            None
        };
        let count = |key: &str, default: u32| -> Result<u32, FlinkError> {
            let written = options.integer(key)?;
            Ok(written.map_or(default, |count| count.max(1).unsigned_abs()))
        };
        let source = match (fixed_per_slot, managed, fixed_per_taskmanager) {
            (Some(size), ..) => MemorySource::FixedPerSlot(size),
            (None, true, _) => MemorySource::Managed,
            (None, false, Some(size)) => MemorySource::FixedPerTaskManager(size),
            (None, false, None) => MemorySource::Unbounded,
        };
        Ok(Self {
            source,
            ratios,
            write_buffer_size: options
                .size(keys.write_buffer_size)?
                .unwrap_or(DEFAULT_WRITE_BUFFER),
            write_buffer_count: count(keys.write_buffer_count, 2)?,
            block_cache_size: options
                .size(keys.block_cache_size)?
                .unwrap_or(DEFAULT_BLOCK_CACHE),
            background_threads: count(keys.background_threads, 2)?,
            ineffective_fixed_per_taskmanager: fixed_per_taskmanager
                .filter(|_| !matches!(source, MemorySource::FixedPerTaskManager(_))),
        })
    }
}

/// One cache and one write-buffer manager, which all databases of a slot, or of the TaskManager, share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SharedResources {
    /// What they were made for.
    pub total: Bytes,
    /// Capacity of the block cache; write buffers are charged to it.
    pub cache: Bytes,
    /// Capacity of the write-buffer manager; 0 leaves write buffers unbounded.
    pub write_buffers: Bytes,
    /// From here on, write buffers in use are flushed.
    pub mutable_limit: Bytes,
}

impl SharedResources {
    /// Divides a size: `(3 − r) · t / 3` for the cache and `2 · t · r / 3` for write buffers, in double, from left to
    /// right, cut off to whole bytes.
    ///
    /// Both follow from two wishes: that write buffers and all the rest together take `t`, and that write buffers may
    /// take half as much again as their capacity before a flush makes room.
    #[must_use]
    pub fn of(total: Bytes, write_buffer_ratio: f64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "Flink computes in double; Java's cast to long saturates as Rust's does"
        )]
        let (cache, write_buffers) = {
            let total = i64::try_from(total.get()).unwrap_or(i64::MAX);
            (
                ((3.0 - write_buffer_ratio) * total as f64 / 3.0) as i64,
                (total.wrapping_mul(2) as f64 * write_buffer_ratio / 3.0) as i64,
            )
        };
        // A ratio outside (0, 1), which Flink takes from a configuration, would make one of them negative.
        let bytes = |size: i64| Bytes(u64::try_from(size).unwrap_or(0));
        let write_buffers = bytes(write_buffers);
        Self {
            total,
            cache: bytes(cache),
            write_buffers,
            mutable_limit: Bytes((u128::from(write_buffers.get()) * 7 / 8) as u64),
        }
    }

    /// Whether the first block of a write buffer's arena stays within what may be in use.
    ///
    /// Where it does not, RocksDB flushes all the time; Flink warns and goes on.
    #[must_use]
    pub fn arena_block_fits(&self, arena_block: Bytes) -> bool {
        arena_block <= self.mutable_limit
    }
}

/// The block by which a write buffer's arena grows: what was configured, or an eighth of the write buffer, rounded
/// up to 4 KiB.
#[must_use]
pub fn arena_block(write_buffer_size: Bytes, configured: Option<Bytes>) -> Bytes {
    match configured {
        Some(size) if size > Bytes::ZERO => size,
        _ => Bytes((write_buffer_size.get() / 8).next_multiple_of(4096)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::request::Origin;

    fn memory(version: FlinkVersion, options: &[(&str, &str)]) -> Result<NativeMemory, FlinkError> {
        let configuration =
            options
                .iter()
                .fold(Configuration::new(), |configuration, (key, value)| {
                    configuration.with(*key, *value, Origin::FlinkConfiguration)
                });
        NativeMemory::of(version, &ROCKSDB, &configuration)
    }

    #[test]
    fn the_first_size_in_order_counts() {
        let source = |version, options: &[(&str, &str)]| memory(version, options).unwrap().source;
        let per_slot = ("state.backend.rocksdb.memory.fixed-per-slot", "256m");
        let per_taskmanager = ("state.backend.rocksdb.memory.fixed-per-tm", "1g");
        let unmanaged = ("state.backend.rocksdb.memory.managed", "FALSE");
        let version = FlinkVersion::V1_20;
        assert_eq!(source(version, &[]), MemorySource::Managed);
        assert_eq!(source(version, &[per_taskmanager]), MemorySource::Managed);
        let none = ("state.backend.rocksdb.memory.fixed-per-tm", "0");
        assert_eq!(source(version, &[none, unmanaged]), MemorySource::Unbounded);
        assert_eq!(
            source(version, &[per_slot, per_taskmanager, unmanaged]),
            MemorySource::FixedPerSlot(Bytes::from_mebibytes(256))
        );
        let options = [per_taskmanager, unmanaged];
        assert_eq!(
            source(version, &options),
            MemorySource::FixedPerTaskManager(Bytes::GIBI)
        );
        assert_eq!(
            source(FlinkVersion::V1_16, &options),
            MemorySource::Unbounded
        );
        assert_eq!(source(version, &[unmanaged]), MemorySource::Unbounded);
        let unheard = memory(version, &[per_taskmanager]).unwrap();
        assert_eq!(unheard.ineffective_fixed_per_taskmanager, Some(Bytes::GIBI));
    }

    #[test]
    fn ratios_of_a_configuration_are_checked_only_together() {
        let ratio = "state.backend.rocksdb.memory.write-buffer-ratio";
        let version = FlinkVersion::V2_1;
        let zero = memory(version, &[(ratio, "0")]).unwrap();
        assert_eq!(
            SharedResources::of(Bytes::GIBI, zero.ratios.write_buffer).write_buffers,
            Bytes::ZERO
        );
        assert_eq!(
            zero.ratios.check_range().unwrap_err().message,
            "Write Buffer ratio 0.0 must be in (0, 1)"
        );
        assert_eq!(
            memory(version, &[(ratio, "0.99")]).unwrap_err().message,
            "Invalid configuration: writeBufferRatio 0.99 with highPriPoolRatio 0.1"
        );
        assert_eq!(
            memory(version, &[(ratio, "half")]).unwrap_err().causes[0].message,
            "For input string: \"half\""
        );
    }

    #[test]
    fn sizes_are_those_of_flink() {
        let shared = SharedResources::of(Bytes(536_870_920), 0.5);
        assert_eq!(
            (shared.cache, shared.write_buffers),
            (Bytes(447_392_433), Bytes(178_956_973))
        );
        let block = arena_block(DEFAULT_WRITE_BUFFER, None);
        assert_eq!(block, Bytes(8 << 20));
        assert!(!SharedResources::of(Bytes(28_760_942), 0.5).arena_block_fits(block));
        assert!(SharedResources::of(Bytes(28_760_943), 0.5).arena_block_fits(block));
        assert_eq!(arena_block(Bytes(1), None), Bytes::ZERO);
        assert_eq!(arena_block(Bytes(40_000), Some(Bytes(1))), Bytes(1));
    }

    #[test]
    fn backends_have_the_names_of_flink() {
        let of = |version, key: &str, value: &str| {
            let configuration = Configuration::new().with(key, value, Origin::FlinkConfiguration);
            StateBackend::of(version, &configuration)
        };
        assert_eq!(
            of(FlinkVersion::V1_20, "state.backend", "RocksDB"),
            Ok(StateBackend::RocksDb)
        );
        assert_eq!(
            of(FlinkVersion::V2_0, "state.backend.type", " forst "),
            Ok(StateBackend::ForSt)
        );
        assert!(of(FlinkVersion::V1_20, "state.backend.type", "forst").is_err());
        assert!(
            of(
                FlinkVersion::V2_0,
                "state.backend.type",
                "org.example.Factory"
            )
            .is_err()
        );
        assert_eq!(
            of(FlinkVersion::V2_0, "other", "x"),
            Ok(StateBackend::HashMap)
        );
    }
}
