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

mod barrier;
mod books;
mod census;
mod client;
mod depot;
mod event;
mod files;
pub mod inspection;
mod lane;
pub mod layout;
mod memory;
mod peer;
mod registry;
mod segment;
mod server;
mod session;
mod socket;
mod steps;
mod steward;
mod wire;
mod words;

pub use census::Finding;
pub use client::{AcquireError, AdoptError, Client};
pub use event::{Event, Totals};
pub use files::{PoolFilesError, PoolSize, Storage};
pub use lane::Damage;
pub use segment::{Handed, SegmentError, SharedSegment};
pub use server::{Server, ServerError, ServerOptions, SharedPool};
pub use session::{ClientOptions, JoinError};
pub use steps::{Step, Steps, Undisturbed};
#[doc(hidden)]
pub use wire::read_back;
pub use words::OwnerWord;

#[cfg(test)]
mod every_kill;
#[cfg(test)]
mod protocol_tests;
