//! The segment pools against the lines of their conformance list: a test is named after its line (`a1_…`), and the
//! first sentence of its documentation is what the table in `docs/` says of it.

#![allow(clippy::unwrap_used, missing_docs)]

mod batch_read_pool;
mod buffer;
mod credit;
mod credit_exchange;
mod debloat;
mod distribution;
mod extent;
mod fairness;
mod gate_buffers;
mod local_pool;
mod local_pool_availability;
mod local_pool_waiting;
mod mapping;
mod memory_budget;
mod memory_manager;
mod network_pool;
mod plenty;
mod pools;
mod populated_pool;
mod random;
mod result_partition;
mod segment;
mod segment_access;
mod segment_bulk;
mod segment_corners;
mod segment_life;
#[cfg(target_os = "linux")]
mod shared;
mod shared_resources;
mod slot_table;
mod spanning;
mod task_io;
mod throughput;
mod timer_gauge;
mod view;

/// Waits until another thread has come so far, and fails when it does not.
fn wait_until(condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(
            start.elapsed().as_secs() < 20,
            "what was waited for did not come"
        );
        std::thread::yield_now();
    }
}
