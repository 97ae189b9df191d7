//! What a network pool knows and does: its free list, and the books of who was promised what.
//!
//! A token that lies in the free list has the home `Free`.

use std::{sync::Arc, task::Waker, time::Duration};

use super::{Holder, InsufficientNetworkBuffers, NetworkPoolError, NetworkPoolUsage, UsageNotice};
use crate::pool::{
    aftermath::Aftermath,
    arena::{Arena, Home, Token},
    availability::{Availability, AvailableFuture, Event, Wait, WaitEnd, WaitLimit},
    local_pool::{LocalCore, LocalPoolSpec},
    mapping::Mapping,
    redistribution::{Demand, redistribute},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering, fence},
    },
};

/// What all handles of the pool have in common.
pub(in crate::pool) struct NetworkCore {
    // Declared before the arena, so that the tokens go before their memory.
    free: Mutex<Free>,
    books: Mutex<Books>,
    destroyed: AtomicBool,
    /// Whether a pool may have another size than the last distribution gave it.
    other_sizes: AtomicBool,
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
    pools: Vec<Registered>,
    /// How many segments are guaranteed, the exclusive ones included.
    required: usize,
    exclusive: usize,
    /// The demand that was told last, while it was too much.
    told_percent: Option<usize>,
    /// The sizes of a distribution, and which pools have another one by it; kept so that none has to allocate.
    sizes: Vec<usize>,
    resized: Vec<usize>,
}

/// A local pool, with what a distribution reads of all pools beside each other.
struct Registered {
    pool: Arc<LocalCore>,
    demand: Demand,
    /// The size of the last distribution.
    size: usize,
}

impl Registered {
    fn new(pool: Arc<LocalCore>) -> Self {
        Self {
            demand: Demand {
                required: pool.required(),
                max: pool.max(),
            },
            size: pool.size(),
            pool,
        }
    }

    fn is_resizable(&self) -> bool {
        self.demand.required < self.demand.max
    }
}

impl NetworkCore {
    pub(super) fn new(
        arena: Arena,
        tokens: Vec<Token>,
        segment_bytes: usize,
        request_timeout: Duration,
    ) -> Self {
        Self {
            free: Mutex::new(Free {
                availability: Availability::new(!tokens.is_empty()),
                tokens,
            }),
            books: Mutex::new(Books::default()),
            destroyed: AtomicBool::new(false),
            other_sizes: AtomicBool::new(false),
            segment_bytes,
            request_timeout,
            arena,
        }
    }

    /// How many segments there are, whoever has them.
    pub(super) fn total(&self) -> usize {
        self.arena.number_of_segments()
    }

    /// The memory of all segments.
    pub(super) fn mapping(&self) -> &Mapping {
        self.arena.mapping()
    }

    pub(in crate::pool) fn is_destroyed(&self) -> bool {
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

    /// Registers a local pool and distributes anew.
    pub(super) fn create(
        self: &Arc<Self>,
        spec: LocalPoolSpec,
    ) -> Result<Arc<LocalCore>, NetworkPoolError> {
        let mut aftermath = Aftermath::default();
        let created = {
            let mut books = self.books.lock();
            self.guarantee(&mut books, spec.required)?;
            let pool = LocalCore::new(Arc::clone(self), spec);
            // Its first segment is one that it is guaranteed, so it comes before what others may have beyond theirs.
            pool.refresh(&mut aftermath);
            books.pools.push(Registered::new(Arc::clone(&pool)));
            self.redistribute(&mut books, &mut aftermath);
            pool
        };
        aftermath.run();
        Ok(created)
    }

    /// Guarantees segments that belong to no local pool, and distributes anew.
    pub(super) fn guarantee_exclusive(&self, number: usize) -> Result<(), NetworkPoolError> {
        let mut aftermath = Aftermath::default();
        {
            let mut books = self.books.lock();
            self.guarantee(&mut books, number)?;
            if number == 0 {
                // Nothing changed, so nobody gets another size, as in Flink.
                return Ok(());
            }
            books.exclusive += number;
            self.redistribute(&mut books, &mut aftermath);
        }
        aftermath.run();
        Ok(())
    }

    /// Takes back the guarantee of exclusive segments.
    pub(super) fn surrender_guarantee(&self, number: usize) {
        let mut aftermath = Aftermath::default();
        {
            let mut books = self.books.lock();
            books.required -= number;
            books.exclusive -= number;
            self.redistribute(&mut books, &mut aftermath);
        }
        aftermath.run();
    }

    /// Forgets a local pool, which was destroyed.
    pub(in crate::pool) fn deregister(&self, pool: &Arc<LocalCore>) {
        let mut aftermath = Aftermath::default();
        {
            let mut books = self.books.lock();
            let Some(index) = books
                .pools
                .iter()
                .position(|known| Arc::ptr_eq(&known.pool, pool))
            else {
                return;
            };
            books.pools.remove(index);
            books.required -= pool.required();
            self.redistribute(&mut books, &mut aftermath);
        }
        aftermath.run();
    }

    /// Gives every pool that can have more than it is guaranteed its part of what is left.
    fn redistribute(&self, books: &mut Books, aftermath: &mut Aftermath) {
        let Books {
            pools,
            sizes,
            resized,
            required,
            ..
        } = books;
        let demands = pools
            .iter()
            .filter(|registered| registered.is_resizable())
            .map(|registered| registered.demand);
        sizes.clear();
        sizes.extend(redistribute(self.total() - *required, demands));
        let look_at_each = self.other_sizes.swap(false, Ordering::AcqRel);
        resized.clear();
        let resizable = pools
            .iter_mut()
            .enumerate()
            .filter(|(_, registered)| registered.is_resizable());
        for ((index, registered), size) in resizable.zip(sizes.iter()) {
            if registered.size != *size || (look_at_each && registered.pool.size() != *size) {
                registered.size = *size;
                registered.pool.set_size(*size);
                resized.push(index);
            }
        }
        if resized.is_empty() {
            return;
        }
        // One fence for all of them: see `LocalCore::settle`.
        fence(Ordering::SeqCst);
        for registered in resized.iter().filter_map(|index| pools.get(*index)) {
            if registered.pool.is_unsettled() {
                registered.pool.refresh(aftermath);
            }
        }
    }

    /// A local pool was given another size than the distribution gave it.
    pub(in crate::pool) fn notice_other_size(&self) {
        // A store would do, but loom lets one come before what another thread has read already.
        self.other_sizes.swap(true, Ordering::AcqRel);
    }

    /// A free segment.
    pub(in crate::pool) fn take(&self) -> Option<Token> {
        let mut free = self.free.lock();
        free.take()
    }

    /// A free segment, or a promise that the waker is woken when there is one; the promise only where it is wanted.
    pub(in crate::pool) fn take_or_subscribe(&self, waker: Option<&Waker>) -> Option<Token> {
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
    pub(in crate::pool) fn release(&self, token: Token, aftermath: &mut Aftermath) {
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
    pub(in crate::pool) fn recycle_pooled(&self, mut token: Token) {
        let mut aftermath = Aftermath::default();
        token.set_home(Home::Free);
        self.release(token, &mut aftermath);
        aftermath.run();
    }

    /// Takes back exclusive segments.
    pub(in crate::pool) fn recycle_exclusive(core: &Arc<Self>, tokens: Vec<Token>) {
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
    pub(in crate::pool) fn collect(
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

    /// Nothing is given out any more, and those who wait look again.
    pub(super) fn destroy(&self) {
        let mut aftermath = Aftermath::default();
        {
            let _books = self.books.lock();
            let mut free = self.free.lock();
            self.destroyed.store(true, Ordering::Release);
            free.tokens.clear();
            aftermath.complete(free.availability.turn_on());
        }
        aftermath.run();
    }

    pub(super) fn available(&self) -> AvailableFuture {
        self.free.lock().availability.future()
    }

    pub(super) fn is_available(&self) -> bool {
        self.free.lock().availability.is_available()
    }

    pub(super) fn number_of_free_segments(&self) -> usize {
        self.free.lock().tokens.len()
    }

    pub(super) fn number_of_required_segments(&self) -> usize {
        self.books.lock().required
    }

    pub(super) fn segment_bytes(&self) -> usize {
        self.segment_bytes
    }

    pub(super) fn pools(&self) -> Vec<Arc<LocalCore>> {
        let books = self.books.lock();
        let pools = books.pools.iter();
        pools
            .map(|registered| Arc::clone(&registered.pool))
            .collect()
    }

    pub(super) fn number_of_pools(&self) -> usize {
        self.books.lock().pools.len()
    }

    pub(super) fn usage(&self) -> NetworkPoolUsage {
        self.usage_by(&self.books.lock())
    }

    fn usage_by(&self, books: &Books) -> NetworkPoolUsage {
        if self.is_destroyed() {
            return NetworkPoolUsage::default();
        }
        NetworkPoolUsage {
            total_segments: self.total(),
            available_segments: self.number_of_free_segments(),
            segment_bytes: self.segment_bytes,
            requested_segments: books
                .pools
                .iter()
                .map(|registered| registered.pool.estimated_demand())
                .fold(0, usize::saturating_add),
        }
    }

    /// What the demand was told as last is remembered, so that nothing is told twice.
    pub(super) fn usage_notice(&self) -> Option<UsageNotice> {
        let mut books = self.books.lock();
        let usage = self.usage_by(&books);
        let percent = usage.requested_percent();
        let total_bytes = usage.total_bytes();
        let requested_bytes = usage.requested_segments.saturating_mul(usage.segment_bytes);
        if percent >= 100 {
            let told = books.told_percent.replace(percent) == Some(percent);
            return (!told).then_some(UsageNotice::Exceeded {
                percent,
                total_bytes,
                requested_bytes,
            });
        }
        books
            .told_percent
            .take()
            .map(|_| UsageNotice::BackToNormal {
                percent,
                total_bytes,
                requested_bytes,
            })
    }

    pub(super) fn holders(&self) -> Vec<Holder> {
        self.holders_by(&self.books.lock(), |holder| holder.held)
    }

    fn holders_by(&self, books: &Books, key: impl Fn(&Holder) -> usize) -> Vec<Holder> {
        let pools = books
            .pools
            .iter()
            .map(|registered| registered.pool.holder());
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
        let mut holders = self.holders_by(books, key);
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
