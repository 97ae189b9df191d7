//! The options of the network stack that decide how many buffers a gate and a partition take: their keys.
//!
//! Mirrors `NettyShuffleEnvironmentOptions` and the one option of `ExecutionOptions` that changes the shuffle.

/// `taskmanager.network.memory.buffers-per-channel`, read up to 1.20.
pub const BUFFERS_PER_CHANNEL: &str = "taskmanager.network.memory.buffers-per-channel";
/// `taskmanager.network.memory.floating-buffers-per-gate`, read up to 1.20.
pub const FLOATING_BUFFERS_PER_GATE: &str = "taskmanager.network.memory.floating-buffers-per-gate";
/// `taskmanager.network.memory.max-overdraft-buffers-per-gate`, read from 1.16 to 1.20.
pub const MAX_OVERDRAFT_BUFFERS_PER_GATE: &str =
    "taskmanager.network.memory.max-overdraft-buffers-per-gate";
/// `taskmanager.network.memory.read-buffer.required-per-gate.max`, read since 1.17.
pub const REQUIRED_BUFFERS_PER_GATE_MAX: &str =
    "taskmanager.network.memory.read-buffer.required-per-gate.max";
/// `taskmanager.network.sort-shuffle.min-buffers`, read since 1.12.
pub const SORT_SHUFFLE_MIN_BUFFERS: &str = "taskmanager.network.sort-shuffle.min-buffers";
/// `taskmanager.network.sort-shuffle.min-parallelism`, read from 1.12 to 1.20.
pub const SORT_SHUFFLE_MIN_PARALLELISM: &str = "taskmanager.network.sort-shuffle.min-parallelism";
/// `execution.batch-shuffle-mode`, which turns the hybrid shuffle on.
pub const BATCH_SHUFFLE_MODE: &str = "execution.batch-shuffle-mode";
/// `taskmanager.network.hybrid-shuffle.enable-new-mode`, read from 1.18 to 1.20.
pub const HYBRID_SHUFFLE_NEW_MODE: &str = "taskmanager.network.hybrid-shuffle.enable-new-mode";
/// `taskmanager.network.hybrid-shuffle.remote.path`, which adds the remote tier, read since 1.18.
pub const HYBRID_SHUFFLE_REMOTE_PATH: &str = "taskmanager.network.hybrid-shuffle.remote.path";
