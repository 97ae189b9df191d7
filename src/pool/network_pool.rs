//! All network segments of a TaskManager, and how they are shared out among local pools.
//!
//! Mirrors `NetworkBufferPool`, without what its specification names as quirks: a refused creation leaves nothing behind,
//! timeouts are exact, and the segment that was used last is used next.
//!
//! Locks are taken in the order: the books of the pools, a local pool's state, the free list. Taking and giving back a
//! segment never needs the books, so that a redistribution, which holds them, may call into local pools.

mod error;
mod population;
mod state;
mod usage;

use std::{fmt, io, sync::Arc, time::Duration};

pub use error::{Holder, InsufficientNetworkBuffers, NetworkPoolError};
pub use population::{Population, PopulationError};
pub(super) use state::NetworkCore;
pub use usage::{NetworkPoolUsage, UsageNotice};

use super::{
    arena::{Arena, Home, Token},
    availability::{AvailableFuture, WaitLimit},
    buffer::NetworkSegment,
    local_pool::{LocalBufferPool, LocalPoolSpec},
    mapping::{Mapping, huge_pages::HugePageOutcome},
};

/// How long a request for exclusive segments waits unless something else is said: Flink's default of
/// `taskmanager.network.memory.buffers-request-timeout`.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// All network segments of a TaskManager. Clones are the same pool.
///
/// Its memory is given back when the pool, its local pools and all segments are dropped.
#[derive(Clone)]
pub struct NetworkBufferPool {
    core: Arc<NetworkCore>,
}

impl NetworkBufferPool {
    /// A pool of so many segments, whose memory is mapped now; a page of it appears on its first use. None at all is
    /// allowed. [`populated`](Self::populated) makes one whose pages are all there.
    ///
    /// # Errors
    /// `InvalidArgument` for a segment of no bytes or more than 2^31 - 1, for more than 2^31 - 1 segments, and for a
    /// timeout of nothing; `OutOfMemory`.
    pub fn new(
        number_of_segments: usize,
        segment_bytes: usize,
        request_timeout: Duration,
    ) -> Result<Self, NetworkPoolError> {
        let length = length_of(number_of_segments, segment_bytes, request_timeout)?;
        let mapping = Mapping::anonymous(length)
            .map_err(|error| NetworkPoolError::out_of_memory(length, Some(error)))?;
        Self::over(mapping, segment_bytes, request_timeout)
    }

    /// A pool over memory that is there: as many segments as fit into the mapping, which is private and writable.
    fn over(
        mapping: Mapping,
        segment_bytes: usize,
        request_timeout: Duration,
    ) -> Result<Self, NetworkPoolError> {
        let number = mapping.length().checked_div(segment_bytes).unwrap_or(0);
        let segment_bytes = check_sizes(number, segment_bytes, request_timeout)?;
        let allocated_bytes = mapping.length() as u64;
        let (arena, mut tokens) =
            Arena::cut(mapping, segment_bytes).map_err(|_| NetworkPoolError::OutOfMemory {
                required_bytes: allocated_bytes + Arena::books_bytes(number) as u64,
                allocated_bytes,
                source: None,
            })?;
        // The list gives its end first, and the memory is best used from its start.
        tokens.reverse();
        Ok(Self {
            core: Arc::new(NetworkCore::new(
                arena,
                tokens,
                segment_bytes as usize,
                request_timeout,
            )),
        })
    }

    /// A local pool, and a new distribution of all that is not guaranteed to others.
    ///
    /// # Errors
    /// `InvalidArgument` for numbers that cannot be; `InsufficientNetworkBuffers` when its required segments cannot be
    /// guaranteed; `Destroyed`. Nothing is left behind then.
    pub fn create_buffer_pool(
        &self,
        spec: LocalPoolSpec,
    ) -> Result<LocalBufferPool, NetworkPoolError> {
        spec.check()?;
        let created = self.core.create(spec)?;
        Ok(LocalBufferPool::new(created))
    }

    /// So many segments that belong to no local pool, for the exclusive buffers of channels. Waits for those that others
    /// hold beyond their guarantees, at most as long as the pool's timeout says.
    ///
    /// # Errors
    /// `InsufficientNetworkBuffers` when they cannot be guaranteed; `Timeout`, `Interrupted` and `Destroyed` while
    /// waiting. Nothing is left behind then.
    pub fn request_unpooled_segments(
        &self,
        number: usize,
    ) -> Result<Vec<NetworkSegment>, NetworkPoolError> {
        self.request_unpooled_segments_within(number, WaitLimit::none())
    }

    /// As [`request_unpooled_segments`](Self::request_unpooled_segments), with something that ends the wait. A timeout of
    /// the limit takes the place of the pool's.
    ///
    /// # Errors
    /// The same.
    pub fn request_unpooled_segments_within(
        &self,
        number: usize,
        limit: WaitLimit<'_>,
    ) -> Result<Vec<NetworkSegment>, NetworkPoolError> {
        let core = &self.core;
        core.guarantee_exclusive(number)?;
        match core.collect(number, limit, None) {
            Ok(tokens) => Ok(tokens
                .into_iter()
                .map(|token| in_hand(token, Home::Exclusive(Arc::clone(core))))
                .collect()),
            Err(error) => {
                core.surrender_guarantee(number);
                Err(error)
            }
        }
    }

    /// Gives segments back that belonged to no local pool, with one redistribution for all. A dropped one goes back too.
    pub fn recycle_unpooled_segments(&self, segments: Vec<NetworkSegment>) {
        let ours = |token: &Token| matches!(token.home(), Home::Exclusive(core) if Arc::ptr_eq(core, &self.core));
        let (ours, others): (Vec<Token>, Vec<Token>) = segments
            .into_iter()
            .map(NetworkSegment::into_token)
            .partition(ours);
        NetworkCore::recycle_exclusive(&self.core, ours);
        // What came from elsewhere goes back there.
        others.into_iter().map(NetworkSegment::new).for_each(drop);
    }

    /// A segment that is counted for nobody, if one is free. Dropped, it goes back.
    #[must_use]
    pub fn request_pooled_segment(&self) -> Option<NetworkSegment> {
        let token = self.core.take()?;
        Some(in_hand(token, Home::Network(Arc::clone(&self.core))))
    }

    /// So many segments that are counted for nobody. Waits for them.
    ///
    /// # Errors
    /// `Timeout`, `Interrupted` and `Destroyed`; nothing is kept then.
    pub fn request_pooled_segments_within(
        &self,
        number: usize,
        limit: WaitLimit<'_>,
    ) -> Result<Vec<NetworkSegment>, NetworkPoolError> {
        let tokens = self.core.collect(number, limit, None)?;
        Ok(tokens
            .into_iter()
            .map(|token| in_hand(token, Home::Network(Arc::clone(&self.core))))
            .collect())
    }

    /// Completes when a segment is free.
    #[must_use]
    pub fn available(&self) -> AvailableFuture {
        self.core.available()
    }

    /// Whether a segment is free.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.core.is_available()
    }

    /// How many segments there are; 0 after [`destroy`](Self::destroy).
    #[must_use]
    pub fn number_of_segments(&self) -> usize {
        if self.is_destroyed() {
            0
        } else {
            self.core.total()
        }
    }

    /// How many segments nobody holds.
    #[must_use]
    pub fn number_of_available_segments(&self) -> usize {
        self.core.number_of_free_segments()
    }

    /// How many local pools there are.
    #[must_use]
    pub fn number_of_registered_pools(&self) -> usize {
        self.core.number_of_pools()
    }

    /// How many segments are guaranteed to somebody.
    #[must_use]
    pub fn number_of_required_segments(&self) -> usize {
        self.core.number_of_required_segments()
    }

    /// How long each segment is.
    #[must_use]
    pub fn segment_bytes(&self) -> usize {
        self.core.segment_bytes()
    }

    /// What came of the wish for huge pages, where [`populated`](Self::populated) was told of one.
    #[must_use]
    pub fn huge_page_outcome(&self) -> HugePageOutcome {
        self.core.mapping().huge_page_outcome()
    }

    /// How many bytes of the segments lie in huge pages now, as [`Mapping::huge_page_bytes`] tells it.
    ///
    /// # Errors
    /// When `/proc/self/smaps` cannot be read.
    pub fn huge_page_bytes(&self) -> io::Result<u64> {
        self.core.mapping().huge_page_bytes()
    }

    /// The numbers that people see.
    #[must_use]
    pub fn usage(&self) -> NetworkPoolUsage {
        self.core.usage()
    }

    /// What is to be told of the demand: when it reached what there is, and when it went back. Nothing where nothing
    /// changed since the last call that told something.
    #[must_use]
    pub fn usage_notice(&self) -> Option<UsageNotice> {
        self.core.usage_notice()
    }

    /// Who holds how much, those who hold most first.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        self.core.holders()
    }

    /// Destroys every local pool. What their buffers hold comes back one by one.
    ///
    /// # Errors
    /// `StillGuaranteed` when exclusive segments are out, or pools were created meanwhile.
    pub fn destroy_all_buffer_pools(&self) -> Result<(), NetworkPoolError> {
        for pool in self.core.pools() {
            pool.destroy();
        }
        match (
            self.number_of_registered_pools(),
            self.number_of_required_segments(),
        ) {
            (0, 0) => Ok(()),
            (pools, required) => Err(NetworkPoolError::StillGuaranteed { pools, required }),
        }
    }

    /// Ends the pool: nothing is given out any more, and those who wait are told. What is out may be used as before.
    pub fn destroy(&self) {
        self.core.destroy();
    }

    /// Whether it was destroyed.
    #[must_use]
    pub fn is_destroyed(&self) -> bool {
        self.core.is_destroyed()
    }
}

impl fmt::Debug for NetworkBufferPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NetworkBufferPool")
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

/// The token in somebody's hands, who will send it to this home.
fn in_hand(mut token: Token, home: Home) -> NetworkSegment {
    token.set_home(home);
    NetworkSegment::new(token)
}

/// The bytes of all segments.
fn length_of(
    number_of_segments: usize,
    segment_bytes: usize,
    request_timeout: Duration,
) -> Result<usize, NetworkPoolError> {
    check_sizes(number_of_segments, segment_bytes, request_timeout)?;
    number_of_segments
        .checked_mul(segment_bytes)
        .ok_or_else(|| NetworkPoolError::out_of_memory(usize::MAX, None))
}

fn check_sizes(
    number_of_segments: usize,
    segment_bytes: usize,
    request_timeout: Duration,
) -> Result<u32, NetworkPoolError> {
    let invalid = |name, value, expected| NetworkPoolError::InvalidArgument {
        name,
        value,
        expected,
    };
    if request_timeout.is_zero() {
        return Err(invalid("the request timeout in ms", 0, "more than 0"));
    }
    if i32::try_from(number_of_segments).is_err() {
        let expected = "at most 2147483647";
        return Err(invalid(
            "the number of segments",
            number_of_segments,
            expected,
        ));
    }
    match i32::try_from(segment_bytes) {
        Ok(bytes) if bytes > 0 => Ok(bytes.unsigned_abs()),
        _ => Err(invalid(
            "the bytes of a segment",
            segment_bytes,
            "from 1 to 2147483647",
        )),
    }
}
