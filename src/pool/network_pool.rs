//! All network segments of a TaskManager, and how they are shared out among local pools.
//!
//! Mirrors `NetworkBufferPool`, without what its specification names as quirks: a refused creation leaves nothing behind,
//! timeouts are exact, and the segment that was used last is used next.
//!
//! Locks are taken in the order: the books of the pools, a local pool's state, the free list. Taking and giving back a
//! segment never needs the books, so that a redistribution, which holds them, may call into local pools.

mod error;
mod usage;

use std::{fmt, sync::Arc, task::Waker, time::Duration};

pub use error::{Holder, InsufficientNetworkBuffers, NetworkPoolError};
pub use usage::{NetworkPoolUsage, UsageNotice};

use super::{
    aftermath::Aftermath,
    arena::{Arena, Home, Token},
    availability::{Availability, AvailableFuture, Event, Wait, WaitEnd, WaitLimit},
    buffer::NetworkSegment,
    local_pool::{LocalBufferPool, LocalCore, LocalPoolSpec},
    mapping::Mapping,
    redistribution::{Demand, redistribute},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
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
    /// A pool of so many segments, all allocated now. None at all is allowed.
    ///
    /// # Errors
    /// `InvalidArgument` for a segment of no bytes or more than 2^31 - 1, for more than 2^31 - 1 segments, and for a
    /// timeout of nothing; `OutOfMemory`.
    pub fn new(
        number_of_segments: usize,
        segment_bytes: usize,
        request_timeout: Duration,
    ) -> Result<Self, NetworkPoolError> {
        check_sizes(number_of_segments, segment_bytes, request_timeout)?;
        // Both fit into 31 bits, so that the product fits into 62.
        let required_bytes = number_of_segments as u64 * segment_bytes as u64;
        let out_of_memory = |source| NetworkPoolError::OutOfMemory {
            required_bytes,
            allocated_bytes: 0,
            source,
        };
        let length = usize::try_from(required_bytes).map_err(|_| out_of_memory(None))?;
        let mapping = Mapping::anonymous(length).map_err(|error| out_of_memory(Some(error)))?;
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
                required_bytes: allocated_bytes
                    + (number * std::mem::size_of::<super::arena::Entry>()) as u64,
                allocated_bytes,
                source: None,
            })?;
        // The list gives its end first, and the memory is best used from its start.
        tokens.reverse();
        Ok(Self {
            core: Arc::new(NetworkCore {
                segment_bytes: segment_bytes as usize,
                request_timeout,
                destroyed: AtomicBool::new(false),
                free: Mutex::new(Free {
                    availability: Availability::new(!tokens.is_empty()),
                    tokens,
                }),
                books: Mutex::new(Books::default()),
                arena,
            }),
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
        let required = spec.required;
        let mut aftermath = Aftermath::default();
        let created = {
            let mut books = self.core.books.lock();
            self.core.guarantee(&mut books, required)?;
            let pool = LocalCore::new(Arc::clone(&self.core), spec);
            books.pools.push(Arc::clone(&pool));
            self.core.redistribute(&books, &mut aftermath);
            // Its size may be the one that it has, and its first segment is fetched ahead all the same.
            pool.refresh(&mut aftermath);
            pool
        };
        aftermath.run();
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
        let mut aftermath = Aftermath::default();
        {
            let mut books = core.books.lock();
            core.guarantee(&mut books, number)?;
            books.exclusive += number;
            core.redistribute(&books, &mut aftermath);
        }
        aftermath.run();
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
            .filter_map(NetworkSegment::into_token)
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
        self.core.free.lock().availability.future()
    }

    /// Whether a segment is free.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.core.free.lock().availability.is_available()
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
        self.core.free.lock().tokens.len()
    }

    /// How many local pools there are.
    #[must_use]
    pub fn number_of_registered_pools(&self) -> usize {
        self.core.books.lock().pools.len()
    }

    /// How many segments are guaranteed to somebody.
    #[must_use]
    pub fn number_of_required_segments(&self) -> usize {
        self.core.books.lock().required
    }

    /// How long each segment is.
    #[must_use]
    pub fn segment_bytes(&self) -> usize {
        self.core.segment_bytes
    }

    /// The numbers that people see.
    #[must_use]
    pub fn usage(&self) -> NetworkPoolUsage {
        self.core.usage(&self.core.books.lock())
    }

    /// What is to be told of the demand: when it reached what there is, and when it went back. Nothing where nothing
    /// changed since the last call that told something.
    #[must_use]
    pub fn usage_notice(&self) -> Option<UsageNotice> {
        let mut books = self.core.books.lock();
        let usage = self.core.usage(&books);
        let percent = usage.requested_percent();
        let (total_bytes, requested_bytes) = (
            usage.total_bytes(),
            usage.requested_segments * usage.segment_bytes,
        );
        if percent >= 100 {
            let told = books.told_percent.replace(percent) == Some(percent);
            (!told).then_some(UsageNotice::Exceeded {
                percent,
                total_bytes,
                requested_bytes,
            })
        } else {
            books
                .told_percent
                .take()
                .map(|_| UsageNotice::BackToNormal {
                    percent,
                    total_bytes,
                    requested_bytes,
                })
        }
    }

    /// Who holds how much, those who hold most first.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        self.core
            .holders(&self.core.books.lock(), |holder| holder.held)
    }

    /// Destroys every local pool. What their buffers hold comes back one by one.
    ///
    /// # Errors
    /// `StillRegistered` when pools were created meanwhile.
    pub fn destroy_all_buffer_pools(&self) -> Result<(), NetworkPoolError> {
        let pools = self.core.books.lock().pools.clone();
        for pool in pools {
            pool.destroy();
        }
        match self.number_of_registered_pools() {
            0 => Ok(()),
            registered => Err(NetworkPoolError::StillRegistered { registered }),
        }
    }

    /// Ends the pool: nothing is given out any more, and those who wait are told. What is out may be used as before.
    pub fn destroy(&self) {
        let mut aftermath = Aftermath::default();
        {
            let _books = self.core.books.lock();
            let mut free = self.core.free.lock();
            self.core.destroyed.store(true, Ordering::Release);
            free.tokens.clear();
            aftermath.complete(free.availability.turn_on());
        }
        aftermath.run();
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

/// What all handles of the pool have in common.
pub(super) struct NetworkCore {
    // Declared before the arena, so that the tokens go before their memory.
    free: Mutex<Free>,
    books: Mutex<Books>,
    destroyed: AtomicBool,
    segment_bytes: usize,
    request_timeout: Duration,
    arena: Arena,
}

/// The segments that nobody holds, the one used last at the end.
struct Free {
    tokens: Vec<Token>,
    availability: Availability,
}

/// Who was promised what.
#[derive(Default)]
struct Books {
    /// In the order of their creation.
    pools: Vec<Arc<LocalCore>>,
    /// How many segments are guaranteed, the exclusive ones included.
    required: usize,
    exclusive: usize,
    /// The demand that was told last, while it was too much.
    told_percent: Option<usize>,
}

impl NetworkCore {
    fn total(&self) -> usize {
        self.arena.number_of_segments()
    }

    pub(super) fn is_destroyed(&self) -> bool {
        self.destroyed.load(Ordering::Acquire)
    }

    /// Counts segments as guaranteed, if they can be.
    fn guarantee(&self, books: &mut Books, number: usize) -> Result<(), NetworkPoolError> {
        if self.is_destroyed() {
            return Err(NetworkPoolError::Destroyed);
        }
        let available = self.total() - books.required;
        if number > available {
            return Err(NetworkPoolError::InsufficientNetworkBuffers(Box::new(
                InsufficientNetworkBuffers {
                    required: number,
                    available,
                    total: self.total(),
                    segment_bytes: self.segment_bytes,
                    holders: self.top_holders(books, |holder| holder.required),
                },
            )));
        }
        books.required += number;
        Ok(())
    }

    /// Takes back the guarantee of exclusive segments.
    fn surrender_guarantee(&self, number: usize) {
        let mut aftermath = Aftermath::default();
        {
            let mut books = self.books.lock();
            books.required -= number;
            books.exclusive -= number;
            self.redistribute(&books, &mut aftermath);
        }
        aftermath.run();
    }

    /// Forgets a local pool, which was destroyed.
    pub(super) fn deregister(&self, pool: &Arc<LocalCore>) {
        let mut aftermath = Aftermath::default();
        {
            let mut books = self.books.lock();
            let Some(index) = books
                .pools
                .iter()
                .position(|known| Arc::ptr_eq(known, pool))
            else {
                return;
            };
            books.pools.remove(index);
            books.required -= pool.required();
            self.redistribute(&books, &mut aftermath);
        }
        aftermath.run();
    }

    /// Gives every pool that can have more than it is guaranteed its part of what is left.
    fn redistribute(&self, books: &Books, aftermath: &mut Aftermath) {
        let resizable = || {
            books
                .pools
                .iter()
                .filter(|pool| pool.required() < pool.max())
        };
        let demands = resizable().map(|pool| Demand {
            required: pool.required(),
            max: pool.max(),
        });
        let sizes = redistribute(self.total() - books.required, demands);
        for (pool, size) in resizable().zip(sizes) {
            if pool.size() != size {
                pool.resize(size, aftermath);
            }
        }
    }

    /// A free segment.
    pub(super) fn take(&self) -> Option<Token> {
        let mut free = self.free.lock();
        free.take()
    }

    /// A free segment, or a promise that the waker is woken when there is one; the promise only where it is wanted.
    pub(super) fn take_or_subscribe(&self, waker: Option<&Waker>) -> Option<Token> {
        let mut free = self.free.lock();
        let token = free.take();
        if token.is_none()
            && let (Some(waker), Some(event)) = (waker, free.availability.next())
        {
            // An event that is completed has left the availability before, inside this lock.
            event.register(None, waker);
        }
        token
    }

    /// Puts a segment into the free list. Its home is `Free` already.
    pub(super) fn release(&self, token: Token, aftermath: &mut Aftermath) {
        let mut free = self.free.lock();
        if self.is_destroyed() {
            return;
        }
        free.tokens.push(token);
        if free.tokens.len() == 1 {
            aftermath.complete(free.availability.turn_on());
        }
    }

    /// Takes back a segment that was counted for nobody.
    pub(super) fn recycle_pooled(&self, mut token: Token) {
        let mut aftermath = Aftermath::default();
        token.set_home(Home::Free);
        self.release(token, &mut aftermath);
        aftermath.run();
    }

    /// Takes back exclusive segments.
    pub(super) fn recycle_exclusive(core: &Arc<Self>, tokens: Vec<Token>) {
        let number = tokens.len();
        if number == 0 {
            return;
        }
        let mut aftermath = Aftermath::default();
        for mut token in tokens {
            token.set_home(Home::Free);
            core.release(token, &mut aftermath);
        }
        aftermath.run();
        core.surrender_guarantee(number);
    }

    /// Takes so many segments, waiting for them; none are kept when not all come.
    ///
    /// Destroying the pool that asks ends the wait too: it looks itself what the end means.
    pub(super) fn collect(
        &self,
        number: usize,
        limit: WaitLimit<'_>,
        asking_pool_destroyed: Option<&Arc<Event>>,
    ) -> Result<Vec<Token>, NetworkPoolError> {
        let timeout = limit.timeout_or(self.request_timeout);
        let wait = limit.with_timeout(timeout).start();
        let mut tokens = Vec::with_capacity(number.min(self.total()));
        let result = self.collect_into(&mut tokens, number, &wait, asking_pool_destroyed);
        let end = match result {
            Ok(()) => return Ok(tokens),
            Err(end) => end,
        };
        let collected = tokens.len();
        let mut aftermath = Aftermath::default();
        for token in tokens {
            self.release(token, &mut aftermath);
        }
        aftermath.run();
        Err(match end {
            WaitEnd::Happened => NetworkPoolError::Destroyed,
            WaitEnd::Cancelled => NetworkPoolError::Interrupted {
                required: number,
                collected,
            },
            WaitEnd::TimedOut => NetworkPoolError::Timeout {
                required: number,
                collected,
                timeout,
                holders: self.top_holders(&self.books.lock(), |holder| holder.held),
            },
        })
    }

    /// `Happened` says that one of the pools was destroyed.
    fn collect_into(
        &self,
        tokens: &mut Vec<Token>,
        number: usize,
        wait: &Wait<'_>,
        asking_pool_destroyed: Option<&Arc<Event>>,
    ) -> Result<(), WaitEnd> {
        loop {
            let next = {
                let mut free = self.free.lock();
                if self.is_destroyed()
                    || asking_pool_destroyed.is_some_and(|event| event.has_happened())
                {
                    return Err(WaitEnd::Happened);
                }
                while tokens.len() < number
                    && let Some(token) = free.take()
                {
                    tokens.push(token);
                }
                if tokens.len() == number {
                    return Ok(());
                }
                free.availability.next()
            };
            let Some(next) = next else { continue };
            let end = match asking_pool_destroyed {
                Some(destroyed) => wait.wait([&next, destroyed]),
                None => wait.wait([&next]),
            };
            if end != WaitEnd::Happened {
                return Err(end);
            }
        }
    }

    fn usage(&self, books: &Books) -> NetworkPoolUsage {
        if self.is_destroyed() {
            return NetworkPoolUsage::default();
        }
        NetworkPoolUsage {
            total_segments: self.total(),
            available_segments: self.free.lock().tokens.len(),
            segment_bytes: self.segment_bytes,
            requested_segments: books
                .pools
                .iter()
                .map(|pool| pool.estimated_demand())
                .fold(0, usize::saturating_add),
        }
    }

    fn holders(&self, books: &Books, key: impl Fn(&Holder) -> usize) -> Vec<Holder> {
        let pools = books.pools.iter().map(|pool| pool.holder());
        let exclusive = Holder {
            label: "exclusive segments of channels".to_owned(),
            required: books.exclusive,
            held: books.exclusive,
        };
        let mut holders: Vec<Holder> = pools
            .chain((books.exclusive > 0).then_some(exclusive))
            .collect();
        holders.sort_by_key(|holder| std::cmp::Reverse(key(holder)));
        holders
    }

    fn top_holders(&self, books: &Books, key: impl Fn(&Holder) -> usize) -> Vec<Holder> {
        let mut holders = self.holders(books, key);
        holders.truncate(Holder::SHOWN);
        holders
    }
}

impl Free {
    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.pop()?;
        if self.tokens.is_empty() {
            self.availability.turn_off();
        }
        Some(token)
    }
}
