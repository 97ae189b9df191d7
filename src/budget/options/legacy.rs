//! The options of Flink 1.9 and older that decided memory, by their keys of that time.
//!
//! Mirrors `TaskManagerOptions` and `ResourceManagerOptions` of Flink 1.9. Keys that a later
//! version reads as well, for either process, stand with the others.

/// `taskmanager.memory.size`: managed memory, in mebibytes where no unit is written.
pub const MEMORY_SIZE: &str = "taskmanager.memory.size";
/// `taskmanager.memory.fraction`: managed memory as a share of what network memory leaves.
pub const MEMORY_FRACTION: &str = "taskmanager.memory.fraction";
/// `taskmanager.memory.off-heap`: whether managed memory lies outside the JVM's heap.
pub const MEMORY_OFF_HEAP: &str = "taskmanager.memory.off-heap";
/// `taskmanager.memory.preallocate`: whether managed memory is taken at the start.
pub const MEMORY_PREALLOCATE: &str = "taskmanager.memory.preallocate";
/// `taskmanager.network.memory.fraction`.
pub const NETWORK_MEMORY_FRACTION: &str = "taskmanager.network.memory.fraction";
/// `taskmanager.network.memory.min`.
pub const NETWORK_MEMORY_MIN: &str = "taskmanager.network.memory.min";
/// `taskmanager.network.memory.max`.
pub const NETWORK_MEMORY_MAX: &str = "taskmanager.network.memory.max";
/// The older key of [`super::HEAP_CUTOFF_RATIO`].
pub const YARN_CUTOFF_RATIO: &str = "yarn.heap-cutoff-ratio";
/// The older key of [`super::HEAP_CUTOFF_MIN`].
pub const YARN_CUTOFF_MIN: &str = "yarn.heap-cutoff-min";
