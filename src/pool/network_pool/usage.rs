//! The numbers of the network memory that people see.

use std::fmt;

/// How the network memory is used. After the pool was destroyed all numbers are 0.
///
/// Mirrors the gauges below `Status.Shuffle.Netty`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkPoolUsage {
    /// How many segments there are: `TotalMemorySegments`.
    pub total_segments: usize,
    /// How many nobody holds: `AvailableMemorySegments`.
    pub available_segments: usize,
    /// How long each is.
    pub segment_bytes: usize,
    /// How many the local pools would like to have, which may be more than there are.
    pub requested_segments: usize,
}

impl NetworkPoolUsage {
    /// How many somebody holds: `UsedMemorySegments`.
    #[must_use]
    pub fn used_segments(&self) -> usize {
        self.total_segments - self.available_segments
    }

    /// `TotalMemory`.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.total_segments * self.segment_bytes
    }

    /// `AvailableMemory`.
    #[must_use]
    pub fn available_bytes(&self) -> usize {
        self.available_segments * self.segment_bytes
    }

    /// `UsedMemory`.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_segments() * self.segment_bytes
    }

    /// `RequestedMemoryUsage`: the demand in percent of what there is. 0 where there is nothing.
    #[must_use]
    pub fn requested_percent(&self) -> usize {
        self.requested_segments
            .saturating_mul(100)
            .checked_div(self.total_segments)
            .unwrap_or(0)
    }
}

/// What is to be told of the demand, once for each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageNotice {
    /// More is wanted than there is, or exactly as much: work may be slower than it could be.
    Exceeded {
        /// The demand in percent.
        percent: usize,
        /// What there is.
        total_bytes: usize,
        /// What is wanted.
        requested_bytes: usize,
    },
    /// It was so, and no longer is.
    BackToNormal {
        /// The demand in percent.
        percent: usize,
        /// What there is.
        total_bytes: usize,
        /// What is wanted.
        requested_bytes: usize,
    },
}

impl fmt::Display for UsageNotice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceeded {
                percent,
                total_bytes,
                requested_bytes,
            } => {
                let missing_bytes = requested_bytes.saturating_sub(*total_bytes);
                write!(
                    formatter,
                    "the demand for network memory is {percent} %: there are {total_bytes} bytes, {requested_bytes} \
                     would be used, {missing_bytes} are missing for the best throughput"
                )
            }
            Self::BackToNormal {
                percent,
                total_bytes,
                requested_bytes,
            } => write!(
                formatter,
                "the demand for network memory went back to normal: {percent} %, {requested_bytes} of {total_bytes} bytes"
            ),
        }
    }
}
