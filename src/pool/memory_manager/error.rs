//! Every way in which a memory manager refuses. Flink's class stands in the documentation of each.

use std::time::Duration;

use super::owner::TopHolders;
use crate::{
    bytes::Bytes,
    pool::{extent::FreeSpace, mapping::MappingError},
};

/// A manager cannot be made of these numbers. `IllegalArgumentException` in Flink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreationError {
    /// More bytes than Flink can express, which is also what a negative number becomes.
    #[error("managed memory of {} bytes is above the largest size of {} bytes", memory_size.get(), Bytes::MAX.get())]
    MemorySize {
        /// The size of the memory.
        memory_size: Bytes,
    },
    /// A page is too small, or no power of two.
    #[error("a page of {} bytes is no power of two from 4096 bytes on", page_size.get())]
    PageSize {
        /// The size of a page.
        page_size: Bytes,
    },
    /// More pages than Flink can count.
    #[error(
        "managed memory of {memory_size} has {pages} pages of {page_size}, more than {}",
        i32::MAX
    )]
    TooManyPages {
        /// The size of the memory.
        memory_size: Bytes,
        /// The size of a page.
        page_size: Bytes,
        /// How many pages that makes.
        pages: u64,
    },
}

/// The manager was shut down. `IllegalStateException` in Flink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory manager was shut down")]
pub struct ManagerShutDown;

/// Too little memory is left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not reserve {wanted}: {available} of {total} are left{}, the rest is {holders}", Waiting(*waiting))]
pub struct Shortage {
    /// What was asked for.
    pub wanted: Bytes,
    /// What was left at that instant.
    pub available: Bytes,
    /// All there is.
    pub total: Bytes,
    /// How many wait for memory and are served first.
    pub waiting: usize,
    /// Who holds the rest.
    pub holders: TopHolders,
}

struct Waiting(usize);

impl std::fmt::Display for Waiting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => formatter.write_str(" and 1 request waits for them"),
            more => write!(formatter, " and {more} requests wait for them"),
        }
    }
}

/// Bytes could not be reserved. `MemoryReservationException` in Flink where there is too little.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReservationError {
    /// `IllegalStateException` in Flink.
    #[error(transparent)]
    ShutDown(#[from] ManagerShutDown),
    /// The owner is not, or no longer, one of this manager's. `NullPointerException` is the nearest in Flink.
    #[error("the owner is unknown to this memory manager")]
    UnknownOwner,
    /// Too little is left.
    #[error(transparent)]
    Insufficient(Box<Shortage>),
    /// Too little was left for as long as the caller would wait.
    #[error("waited {waited:?} in vain")]
    TimedOut {
        /// How long was waited.
        waited: Duration,
        /// How things stood at the end.
        #[source]
        shortage: Box<Shortage>,
    },
}

/// Pages could not be allocated. `MemoryAllocationException` in Flink where there is too little.
#[derive(Debug, thiserror::Error)]
pub enum AllocationError {
    /// `IllegalStateException` in Flink.
    #[error(transparent)]
    ShutDown(#[from] ManagerShutDown),
    /// The owner is not, or no longer, one of this manager's. `NullPointerException` is the nearest in Flink.
    #[error("the owner is unknown to this memory manager")]
    UnknownOwner,
    /// More than there can ever be, so no shortage but a mistake. `IllegalArgumentException` in Flink.
    #[error("{pages} pages were asked for, but there are only {total_pages}")]
    MoreThanTotal {
        /// How many were asked for.
        pages: u32,
        /// How many there are.
        total_pages: u32,
    },
    /// An extent of no pages was asked for.
    #[error("an extent has at least one page")]
    EmptyExtent,
    /// Too little is left.
    #[error("could not allocate {pages} pages")]
    Insufficient {
        /// How many were asked for.
        pages: u32,
        /// What is left, and who holds the rest.
        #[source]
        shortage: Box<Shortage>,
    },
    /// Enough is left, but nowhere so much side by side.
    #[error(
        "could not allocate {pages} contiguous pages: of {} free ones at most {} lie side by side",
        free.pages,
        free.largest
    )]
    Fragmented {
        /// How many were asked for.
        pages: u32,
        /// What is free.
        free: FreeSpace,
    },
    /// Too little was left for as long as the caller would wait.
    #[error("could not allocate {pages} pages, waited {waited:?} in vain")]
    TimedOut {
        /// How many were asked for.
        pages: u32,
        /// How long was waited.
        waited: Duration,
        /// How things stood at the end.
        #[source]
        shortage: Box<Shortage>,
    },
    /// The kernel gave no address space for the pages.
    #[error("could not map the pages")]
    Unmappable(#[from] MappingError),
}
