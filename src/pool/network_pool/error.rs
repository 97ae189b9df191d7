//! Why the network pool cannot do what it is asked for, in Flink's figures, and who has what is missing.

use std::{fmt, time::Duration};

use crate::pool::mapping::MappingError;

/// The options that make the network memory larger, as the messages name them.
const OPTIONS: &str = "taskmanager.memory.network.fraction, taskmanager.memory.network.min and \
                       taskmanager.memory.network.max";

/// Why the network pool refuses.
#[derive(Debug, thiserror::Error)]
pub enum NetworkPoolError {
    /// More is to be guaranteed than is left to guarantee.
    #[error(transparent)]
    InsufficientNetworkBuffers(Box<InsufficientNetworkBuffers>),
    /// A number that cannot be.
    #[error("{name} is {value}, and must be {expected}")]
    InvalidArgument {
        /// Which number.
        name: &'static str,
        /// What it is.
        value: usize,
        /// What it must be.
        expected: &'static str,
    },
    /// The pool was destroyed, before or while the request waited.
    #[error("the network buffer pool is destroyed")]
    Destroyed,
    /// The segments were guaranteed, and did not come back from the others in time.
    #[error(
        "timeout triggered when requesting exclusive buffers: {collected} of {required} came within \
         {} ms; raise taskmanager.network.memory.buffers-request-timeout, or the network memory by {OPTIONS}{}",
        timeout.as_millis(), HeldBy(holders)
    )]
    Timeout {
        /// How many were requested.
        required: usize,
        /// How many of them came.
        collected: usize,
        /// How long they were waited for.
        timeout: Duration,
        /// The local pools that hold most, the largest first.
        holders: Vec<Holder>,
    },
    /// The wait was cancelled.
    #[error("the request for {required} segments was interrupted when {collected} had come")]
    Interrupted {
        /// How many were requested.
        required: usize,
        /// How many of them came.
        collected: usize,
    },
    /// The kernel gives no memory for the segments. Nothing stays allocated.
    #[error(
        "cannot allocate the network memory: required {required_bytes} bytes, allocated {allocated_bytes}, missing {}",
        required_bytes.saturating_sub(*allocated_bytes)
    )]
    OutOfMemory {
        /// What all segments need.
        required_bytes: u64,
        /// What could be allocated.
        allocated_bytes: u64,
        /// What the kernel said, if it was asked.
        source: Option<MappingError>,
    },
    /// Somebody has a guarantee after all local pools were destroyed: exclusive segments are out, or pools were created
    /// meanwhile.
    #[error(
        "{required} segments are guaranteed to {pools} local pools and to exclusive segments after all local pools \
         were destroyed"
    )]
    StillGuaranteed {
        /// How many local pools there are.
        pools: usize,
        /// How many segments are guaranteed, to them and as exclusive ones.
        required: usize,
    },
}

impl NetworkPoolError {
    /// Nothing of so many bytes could be mapped.
    pub(super) fn out_of_memory(required_bytes: usize, source: Option<MappingError>) -> Self {
        Self::OutOfMemory {
            required_bytes: required_bytes as u64,
            allocated_bytes: 0,
            source,
        }
    }
}

/// More segments are required than can be guaranteed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsufficientNetworkBuffers {
    /// How many are asked for.
    pub required: usize,
    /// How many are guaranteed to nobody.
    pub available: usize,
    /// How many there are.
    pub total: usize,
    /// How long each is.
    pub segment_bytes: usize,
    /// Who has the guarantees, the largest five first.
    pub holders: Vec<Holder>,
}

impl std::error::Error for InsufficientNetworkBuffers {}

impl fmt::Display for InsufficientNetworkBuffers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            required,
            available,
            total,
            segment_bytes,
            holders,
        } = self;
        write!(
            formatter,
            "insufficient number of network buffers: required {required}, but only {available} available; there are \
             {total} of {segment_bytes} bytes each, and {OPTIONS} make it more{}",
            HeldBy(holders)
        )
    }
}

/// Somebody who has network memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The label of a local pool, or what all exclusive segments together are called.
    pub label: String,
    /// How many segments it is guaranteed.
    pub required: usize,
    /// How many it holds now.
    pub held: usize,
}

impl Holder {
    /// How many holders a message names.
    pub(super) const SHOWN: usize = 5;
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            label,
            required,
            held,
        } = self;
        write!(formatter, "{label} (guaranteed {required}, holds {held})")
    }
}

/// The end of a message that names the holders.
struct HeldBy<'a>(&'a [Holder]);

impl fmt::Display for HeldBy<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, holder) in self.0.iter().enumerate() {
            let separator = if index == 0 { "; the most have " } else { ", " };
            write!(formatter, "{separator}{holder}")?;
        }
        Ok(())
    }
}
