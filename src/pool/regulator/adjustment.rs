//! A change and the figures that speak for it.

use std::{fmt, time::Duration};

/// Something to change, and why. Its text is one sentence with the figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adjustment<K> {
    /// A pool is to hold fewer segments, because others wait.
    Shrink {
        /// Which pool.
        pool: K,
        /// What people call its owner.
        label: String,
        /// How many segments it may have.
        from: usize,
        /// How many it is to have.
        to: usize,
        /// The most that it used.
        peak_in_use: usize,
        /// In so many periods.
        periods: usize,
    },
    /// A pool may hold more segments.
    Grow {
        /// Which pool.
        pool: K,
        /// What people call its owner.
        label: String,
        /// How many segments it may have.
        from: usize,
        /// How many it is to have.
        to: usize,
        /// For how many milliseconds of each second somebody waited.
        waiting_milliseconds_per_second: u64,
        /// How much data goes through it.
        bytes_per_second: u64,
        /// With how many segments the target is reached: more are of no use.
        useful: usize,
        /// The time that the data in the pool's segments may take.
        target: Duration,
    },
    /// Those who send to a gate are to fill their buffers to another size.
    Announce {
        /// Which gate.
        gate: K,
        /// What people call it.
        label: String,
        /// The size they know.
        from_bytes: usize,
        /// The size to tell them.
        to_bytes: usize,
        /// Buffers that lie there or are on the way.
        buffers_in_use: usize,
        /// How much data comes.
        bytes_per_second: u64,
        /// The time that the data in these buffers may take.
        target: Duration,
    },
    /// Magazines that nobody uses are to be emptied.
    Sweep {
        /// What lies in them.
        segments: usize,
        /// For how long nobody took or put any.
        idle: Duration,
    },
}

impl<K> fmt::Display for Adjustment<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shrink {
                label,
                from,
                to,
                peak_in_use,
                periods,
                ..
            } => write!(
                formatter,
                "{label:?} keeps {to} of {from} segments, because it used at most {peak_in_use} at once in \
                 {periods} periods and others wait"
            ),
            Self::Grow {
                label,
                from,
                to,
                waiting_milliseconds_per_second,
                bytes_per_second,
                useful,
                target,
                ..
            } => write!(
                formatter,
                "{label:?} gets {to} segments instead of {from}, because it waits \
                 {waiting_milliseconds_per_second} ms of each second and at {bytes_per_second} bytes per second \
                 it can use {useful} to have {} ms of data on the way",
                target.as_millis()
            ),
            Self::Announce {
                label,
                from_bytes,
                to_bytes,
                buffers_in_use,
                bytes_per_second,
                target,
                ..
            } => write!(
                formatter,
                "buffers for {label:?} are filled to {to_bytes} bytes instead of {from_bytes}, so that \
                 {buffers_in_use} of them at {bytes_per_second} bytes per second come nearer to {} ms",
                target.as_millis()
            ),
            Self::Sweep { segments, idle } => write!(
                formatter,
                "magazines give back {segments} segments, because nobody touched them for {} ms",
                idle.as_millis()
            ),
        }
    }
}
