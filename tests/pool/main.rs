//! The segment pools against the lines of their conformance list: a test is named after its line (`a1_…`), and the
//! first sentence of its documentation is what the table in `docs/` says of it.

#![allow(clippy::unwrap_used, missing_docs)]

mod debloat;
mod extent;
mod fairness;
mod figures;
mod gate_buffers;
mod mapping;
mod memory_budget;
mod random;
mod segment;
mod segment_access;
mod segment_bulk;
mod segment_corners;
mod segment_life;
mod task_io;
mod throughput;
mod timer_gauge;
