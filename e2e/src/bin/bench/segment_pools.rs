//! What the segment pools take, and what released Flink's take for the same: the part `pools`.
//!
//! Both sides are measured one after the other in the same run, warm and in process, in rounds of which the same ones
//! count; but a network pool is the first one of a fresh process on both sides, as TaskManagers make it. Flink's side is `e2e/flink/src/pools-bench`; what a row does stands there and here in the same words. Bars
//! that compare with Flink move with what Flink took just now, and stay where the measured figures of the specification
//! put them where there is no Java.

mod flink;
mod instructions;
mod manager;
mod network;
mod records;
mod rounds;
mod shared;

use anyhow::Result;

use crate::figures::{Figures, Subject};

use self::rounds::Effort;
pub use self::{
    instructions::{Work, repeat},
    network::{Pages, populate},
};

/// A row whose bar depends on what Flink took.
struct Peer {
    row: &'static str,
    /// What ours must not exceed, whatever Flink took.
    at_most: f64,
    /// How many times quicker than Flink it has to be.
    times: f64,
}

const fn peer(row: &'static str, at_most: f64, times: f64) -> Peer {
    Peer {
        row,
        at_most,
        times,
    }
}

const PEERS: &[Peer] = &[
    peer("pools.local.segment", 12.0, 2.5),
    peer("pools.local.buffer", 12.0, 2.5),
    peer("pools.handoff", 40.0, 5.0),
    peer("pools.bytes", f64::INFINITY, 1.0),
    peer("pools.pages", f64::INFINITY, 50.0),
    peer("pools.network", f64::INFINITY, 1.0),
    peer("pools.output", f64::INFINITY, 1.0),
    peer("pools.input", f64::INFINITY, 1.0),
];

/// Measures our pools, counts their instructions, and measures Flink's.
///
/// # Errors
/// When a pool refuses what it should give, or Flink's program fails.
pub fn measure(figures: &mut Figures, is_quick: bool) -> Result<()> {
    let effort = Effort::new(is_quick);
    // First, while nothing was given back that the allocator could use again.
    network::beside(figures)?;
    network::local_pool(figures, effort)?;
    network::creation(figures, effort)?;
    shared::measure(figures, effort)?;
    manager::bytes_and_pages(figures, effort)?;
    manager::extents(figures, effort)?;
    manager::sweep(figures, effort)?;
    records::views(figures, effort)?;
    records::access(figures, effort)?;
    network::population(figures, effort)?;
    instructions::count(figures)?;
    flink::measure(figures, is_quick)?;
    set_bars(figures);
    Ok(())
}

/// Moves the bars to where Flink's figures put them.
fn set_bars(figures: &mut Figures) {
    for Peer {
        row,
        at_most,
        times,
    } in PEERS
    {
        if let Some(flink) = figures.value(row, Subject::Peer) {
            figures.bar(row, at_most.min(flink / times));
        }
    }
    // The same work as without huge pages, which Flink does not have.
    if let Some(flink) = figures.value("pools.network", Subject::Peer) {
        figures.bar("pools.network.huge", flink / 2.0);
    }
}
