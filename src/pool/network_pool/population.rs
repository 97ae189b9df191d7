//! A network pool of which every page is there before it is: what a TaskManager starts with.

use std::{num::NonZeroUsize, ops::ControlFlow, time::Duration};

use super::{NetworkBufferPool, NetworkPoolError, length_of};
use crate::{
    bytes::Bytes,
    pool::{
        arena::Arena,
        mapping::{
            Mapping, PopulateError, Progress,
            huge_pages::HugePages,
            limit::{MemoryLimit, OverLimit},
        },
    },
};

/// How the memory of a pool comes into being.
#[derive(Clone, Copy, Debug)]
pub struct Population<'a> {
    /// What the pool is compared with before anything of it is touched; see [`MemoryLimit::of_process`].
    pub limit: &'a MemoryLimit,

    /// Whether huge pages are wished for.
    pub huge_pages: HugePages,

    /// How many threads touch the pages. As many as there are processors to be had is quickest.
    pub threads: NonZeroUsize,
}

/// There is no populated pool. Nothing stays allocated.
#[derive(Debug, thiserror::Error)]
pub enum PopulationError {
    /// The sizes are impossible, or the kernel maps no more.
    #[error(transparent)]
    Pool(#[from] NetworkPoolError),
    /// The container or the machine has too little memory. Nothing was touched.
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    /// Not all pages came into being.
    #[error(transparent)]
    Populate(#[from] PopulateError),
}

impl NetworkBufferPool {
    /// A pool of so many segments, every page of them present, as Flink's constructor leaves them: no later write waits
    /// for a page, or ends the process because there is none.
    ///
    /// The segments and the pool's books (72 bytes for each segment) are compared with the limit first. Then the pages
    /// are brought into being in steps of [`STEP_BYTES`](crate::pool::mapping::STEP_BYTES); `progress` is called after
    /// each, by one thread at a time, and may stop the rest. All bytes are 0.
    ///
    /// # Errors
    /// Those of [`new`](Self::new); `OverLimit` with the three numbers when the limit leaves too little, before anything
    /// is touched; `Populate` when the kernel refuses pages, or `progress` stopped it.
    ///
    /// # Panics
    /// When `progress` does.
    pub fn populated(
        number_of_segments: usize,
        segment_bytes: usize,
        request_timeout: Duration,
        how: Population<'_>,
        progress: impl FnMut(Progress) -> ControlFlow<()> + Send,
    ) -> Result<Self, PopulationError> {
        let length = length_of(number_of_segments, segment_bytes, request_timeout)?;
        let books = Arena::books_bytes(number_of_segments);
        let admission = how.limit.admit(Bytes((length + books) as u64))?;
        let mapping = Mapping::anonymous_with(length, how.huge_pages)
            .map_err(|error| NetworkPoolError::out_of_memory(length, Some(error)))?;
        mapping.populate(&admission, how.threads, progress)?;
        Ok(Self::over(mapping, segment_bytes, request_timeout)?)
    }
}
