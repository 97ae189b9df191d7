//! Flink's managed and network memory as a library: segments, paged views, the memory manager of a slot, the network
//! pools, buffers and flow control, with Flink's semantics.
//!
//! Everything here is a function of its arguments: no clock, no environment, no logging. Time comes in as a parameter.
//! `unsafe` stands in the modules that map or share memory and nowhere else; each block says why it is sound.

mod aftermath;
mod arena;
pub mod availability;
pub mod batch_read_pool;
pub mod buffer;
pub mod credit;
pub mod debloat;
pub mod extent;
pub mod fairness;
mod free_list;
pub mod input_gate;
pub mod local_pool;
pub mod mapping;
pub mod memory_budget;
pub mod memory_manager;
pub mod network_pool;
mod prioritized_deque;
pub mod redistribution;
pub mod regulator;
pub mod result_partition;
pub mod segment;
// The models of threads have no memory that processes map: theirs is the protocol alone, and only for its own tests.
#[cfg(all(target_os = "linux", any(test, not(loom))))]
#[cfg_attr(loom, allow(dead_code))]
pub mod shared;
pub mod shared_resources;
pub mod slot_table;
pub mod subpartition;
pub(crate) mod sync;
pub mod task_io;
pub mod throughput;
pub mod timer_gauge;
pub mod view;
