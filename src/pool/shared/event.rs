//! What happens to a shared pool that its keeper should tell somebody: a log, a metric, an event.

use std::time::Duration;

use super::census::Finding;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client joined.
    Joined {
        /// Its number.
        number: u16,
        /// Its name.
        name: String,
        /// Whether it has been a client of an agent before this one.
        is_back: bool,
    },
    /// Somebody was not let in.
    Refused {
        /// Why.
        reason: String,
    },
    /// A client went, with nothing held.
    Left {
        /// Its number.
        number: u16,
        /// Its name.
        name: String,
    },
    /// What a client held was taken back, because it died or its lease was ended.
    Reclaimed {
        /// Its number.
        number: u16,
        /// Its name.
        name: String,
        /// How many segments it held: the leak.
        held: u32,
        /// How many lay in its magazines.
        lying: u32,
    },
    /// A client was cut off.
    CutOff {
        /// Its number.
        number: u16,
        /// Its name.
        name: String,
        /// What it did.
        reason: String,
    },
    /// The control file said what cannot be. What is known for certain was put right.
    Damage {
        /// What was found.
        finding: Finding,
        /// The client in whose part of the file it was found, if it was in anybody's. Any client can have written it.
        culprit: Option<String>,
    },
    /// A client reports damage.
    Reported {
        /// Its name.
        name: String,
        /// What it says.
        text: String,
    },
    /// A file does not have its size any more. Whoever touches what is missing is ended by the kernel.
    Resized {
        /// Which file, and both sizes.
        text: String,
    },
    /// A client waited for segments, and the wait is over.
    Waited {
        /// Its name.
        name: String,
        /// How long it waited.
        waited: Duration,
        /// How many it got.
        granted: u32,
    },
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Clients that joined.
    pub joined: u64,
    /// Those that were not let in.
    pub refused: u64,
    /// Clients whose segments were taken back.
    pub reclaimed_clients: u64,
    /// Segments that were taken back from clients that held them: the leaks.
    pub reclaimed_segments: u64,
    /// Clients that were cut off.
    pub cut_off: u64,
    /// Contradictions in the control file.
    pub findings: u64,
    /// Requests that had to wait.
    pub waits: u64,
    /// Requests that ended with nothing.
    pub unmet: u64,
    /// The time that was waited in all.
    pub waited: Duration,
}
