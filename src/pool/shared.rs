//! One pool of segments that several processes of a pod map: its files, the agent that keeps them, and its clients.
//!
//! There are two files. The *data file* is the segments, one after the other. The *control file* says who has what: an
//! owner word per segment, and slots, each a magazine of indexes, that go between the clients and the depot as wholes. A
//! client takes and gives back segments with a few stores in the control file; the agent is asked only when the depot is
//! empty. Neither a lock nor a pointer lies in shared memory.
//!
//! What holds at every instant, wherever a client dies:
//! - A segment lies in one slot, or stands under one owner's number, or both, and then the owner has the slot.
//! - A slot is the depot's or one owner's, and changes hands in one step.
//!
//! So the agent takes what is under a dead client's number and in its slots, and loses and doubles nothing.
//!
//! Whoever may write the control file can damage it. The agent trusts nothing that it reads there, tells what cannot be,
//! and puts right what it can; but clients of one pool are one domain of trust, and a client that only reads is better
//! served with a read-only descriptor of the data file.

// What the protocol is made of, and with it the models of threads.
mod barrier;
mod census;
mod depot;
mod lane;
pub mod layout;
mod memory;
mod steps;
mod steward;
mod words;

#[cfg(not(loom))]
mod books;
#[cfg(not(loom))]
mod client;
#[cfg(not(loom))]
mod event;
#[cfg(not(loom))]
mod files;
#[cfg(not(loom))]
pub mod inspection;
#[cfg(not(loom))]
mod peer;
#[cfg(not(loom))]
mod registry;
#[cfg(not(loom))]
mod segment;
#[cfg(not(loom))]
mod server;
#[cfg(not(loom))]
mod session;
#[cfg(not(loom))]
mod socket;
#[cfg(not(loom))]
mod wire;

pub use census::Finding;
pub use lane::Damage;
pub use steps::{Step, Steps, Undisturbed};
#[doc(hidden)]
#[cfg(not(loom))]
pub use wire::read_back;
pub use words::OwnerWord;
#[cfg(not(loom))]
pub use {
    client::{AcquireError, AdoptError, Client},
    event::{Event, Totals},
    files::{PoolFilesError, PoolSize, Storage},
    segment::{Handed, SegmentError, SharedSegment},
    server::{Server, ServerError, ServerOptions, SharedPool},
    session::{ClientOptions, JoinError},
};

// Clippy knows tests by an attribute of their own.
#[cfg(test)]
#[cfg(not(loom))]
mod every_kill;
#[cfg(test)]
#[cfg(loom)]
mod models;
#[cfg(test)]
#[cfg(not(loom))]
mod protocol_tests;
