//! What all handles of a manager share, and every step that is taken under its lock.
//!
//! The budget changes only under the lock, although it could do without: so pages, reservations, owners and those who
//! wait always agree. It is an atomic so that its figures are read without the lock.

use std::{
    num::NonZeroU64,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    books::{Books, Dropped, Taken},
    error::{AllocationError, ManagerShutDown, ReservationError, Shortage},
    owner::{Holder, OwnerId, TopHolders},
    page::{Home, ManagedSegment, PageMemory},
    waiting::{Demand, Gone, Waiters},
};
use crate::{
    budget::managed::SlotMemory,
    bytes::Bytes,
    pool::{
        extent::{Extent, Fit},
        fairness::ServiceOrder,
        mapping::MappingError,
        memory_budget::MemoryBudget,
        shared_resources::SharedResources,
        sync::{Mutex, MutexGuard},
    },
};

/// For how many turns of a spin loop somebody at leisure leaves the lock to others before trying it: about a microsecond,
/// longer than who waits for it spins, or yields the processor when nobody else wants that, between two looks at it.
const PAUSES: u32 = 32;
/// How often somebody at leisure tries the lock before queueing for it.
const TRIES: u32 = 256;

/// What all handles of a manager share.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) slot_memory: SlotMemory,
    pub(super) budget: MemoryBudget,
    pub(super) shared_resources: SharedResources,
    page_size: usize,
    /// Not there before the first page is wanted: most slots only reserve bytes.
    memory: OnceLock<PageMemory>,
    /// The time that was told last, as a [`Taken`]; 0 before.
    time: AtomicU64,
    state: Mutex<State>,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State {
    pub(super) shut_down: bool,
    pub(super) books: Books,
    pub(super) waiters: Waiters,
}

impl State {
    pub(super) fn check_open(&self) -> Result<(), ManagerShutDown> {
        if self.shut_down {
            Err(ManagerShutDown)
        } else {
            Ok(())
        }
    }
}

impl Core {
    pub(super) fn new(slot_memory: SlotMemory, page_size: usize, order: ServiceOrder) -> Self {
        Self {
            slot_memory,
            budget: MemoryBudget::new(slot_memory.bytes),
            shared_resources: SharedResources::new(),
            page_size,
            memory: OnceLock::new(),
            time: AtomicU64::new(0),
            state: Mutex::new(State {
                shut_down: false,
                books: Books::new(slot_memory.pages, page_size),
                waiters: Waiters::new(order),
            }),
        }
    }

    pub(super) fn page_size(&self) -> usize {
        self.page_size
    }

    /// The memory of the pages, if a page was ever wanted.
    pub(super) fn page_memory(&self) -> Option<&PageMemory> {
        self.memory.get()
    }

    /// The memory of the pages, mapped now if it was not yet.
    fn mapped_memory(&self) -> Result<&PageMemory, MappingError> {
        if let Some(memory) = self.memory.get() {
            return Ok(memory);
        }
        let memory = PageMemory::new(self.slot_memory.pages, self.page_size)?;
        // Of two that map at the same time one is unmapped again.
        Ok(self.memory.get_or_init(|| memory))
    }

    pub(super) fn tell_time(&self, now: Duration) {
        let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.time
            .store(nanoseconds.saturating_add(1), Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Taken {
        NonZeroU64::new(self.time.load(Ordering::Relaxed))
    }

    fn bytes_of(&self, pages: u32) -> Bytes {
        Bytes(u64::from(pages) * self.page_size as u64)
    }

    fn release_to_budget(&self, bytes: Bytes) {
        let released = self.budget.release(bytes);
        debug_assert!(released.is_ok(), "{released:?}");
    }

    fn release_pages_to_budget(&self, dropped: Dropped) {
        self.release_to_budget(self.bytes_of(dropped.freed));
    }

    /// Takes bytes from the budget, unless somebody waits who is to be served before. Nothing can always be had. Whoever
    /// then gets what the bytes are for says so to the line.
    fn admit(&self, state: &State, wanted: Bytes) -> Result<(), Box<Shortage>> {
        let may_have = wanted == Bytes::ZERO || state.waiters.line.lets_pass(wanted.get());
        if may_have && self.budget.reserve(wanted).is_ok() {
            return Ok(());
        }
        Err(self.shortage_in(state, wanted))
    }

    fn shortage_in(&self, state: &State, wanted: Bytes) -> Box<Shortage> {
        Box::new(Shortage {
            wanted,
            available: self.budget.available(),
            total: self.budget.total(),
            waiting: state.waiters.line.len(),
            holders: TopHolders::of(state.books.holders(self.now())),
        })
    }

    /// How things stand for somebody who wants this many bytes.
    pub(super) fn shortage(&self, wanted: Bytes) -> Box<Shortage> {
        self.shortage_in(&self.state.lock(), wanted)
    }

    /// Looks at what the lock guards, and changes nothing that anybody waits for.
    pub(super) fn look<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        look(&mut self.state.lock())
    }

    /// Locks as somebody who has time and takes the lock again and again.
    ///
    /// Lets others pass first: the lock is free for longer than somebody who spins at it looks away. And does not queue
    /// for it, or whoever unlocks would have to wake this thread, which takes longer than most steps. Only where the
    /// lock was not free at any of so many tries does it wait as all others do.
    fn lock_at_leisure(&self) -> MutexGuard<'_, State> {
        for _ in 0..TRIES {
            for _ in 0..PAUSES {
                std::hint::spin_loop();
            }
            if let Some(state) = self.state.try_lock() {
                return state;
            }
        }
        self.state.lock()
    }
}

impl Home {
    /// Takes a step under the lock, then serves those who wait with what it made available, and wakes them when the
    /// lock is given up.
    pub(super) fn with_state<R>(&self, step: impl FnOnce(&mut State) -> R) -> R {
        self.with_locked(self.state.lock(), step)
    }

    /// As [`with_state`](Self::with_state), for one of many short steps that are in nobody's way.
    pub(super) fn with_state_at_leisure<R>(&self, step: impl FnOnce(&mut State) -> R) -> R {
        self.with_locked(self.lock_at_leisure(), step)
    }

    fn with_locked<R>(
        &self,
        mut state: MutexGuard<'_, State>,
        step: impl FnOnce(&mut State) -> R,
    ) -> R {
        let result = step(&mut state);
        self.serve(&mut state);
        let settled = state.waiters.take_settled();
        drop(state);
        for request in settled {
            request.announce();
        }
        result
    }

    fn serve(&self, state: &mut State) {
        while let Some(request) = state.waiters.serve(self.budget.available()) {
            let owner = state.books.owner(request.owner);
            match (&request.demand, owner) {
                (Demand::Reservation(bytes, promise), Some(owner)) => {
                    let reserved = self.budget.reserve(*bytes);
                    debug_assert!(reserved.is_ok(), "{reserved:?}");
                    state.books.add_reservation(owner, *bytes, self.now());
                    promise.put(Ok(()));
                }
                (Demand::Pages(pages, promise), Some(owner)) => {
                    let reserved = self.budget.reserve(self.bytes_of(*pages));
                    debug_assert!(reserved.is_ok(), "{reserved:?}");
                    let mut segments = Vec::with_capacity(*pages as usize);
                    // The memory was mapped before the request joined the line.
                    if let Some(memory) = self.page_memory() {
                        self.issue(state, memory, owner, *pages, &mut segments);
                    }
                    promise.put(Ok(segments));
                }
                // Whoever is struck out leaves the line by that.
                (Demand::Reservation(_, promise), None) => promise.put(Err(Gone::Owner)),
                (Demand::Pages(_, promise), None) => promise.put(Err(Gone::Owner)),
            }
            state.waiters.settle(request);
        }
    }

    // Pages.

    pub(super) fn allocate_pages(
        &self,
        owner: OwnerId,
        pages: u32,
        target: &mut Vec<ManagedSegment>,
    ) -> Result<(), AllocationError> {
        let memory = self.memory_for(pages)?;
        target.reserve(pages as usize);
        self.with_state(|state| {
            state.check_open()?;
            let owner = state
                .books
                .owner(owner)
                .ok_or(AllocationError::UnknownOwner)?;
            self.admit(state, self.bytes_of(pages))
                .map_err(|shortage| AllocationError::Insufficient { pages, shortage })?;
            state.waiters.count_pass(self.bytes_of(pages));
            self.issue(state, memory, owner, pages, target);
            Ok(())
        })
    }

    pub(super) fn allocate_extent(
        &self,
        owner: OwnerId,
        pages: u32,
        fit: Fit,
    ) -> Result<ManagedSegment, AllocationError> {
        if pages == 0 {
            return Err(AllocationError::EmptyExtent);
        }
        let memory = self.memory_for(pages)?;
        self.with_state(|state| {
            state.check_open()?;
            let owner = state
                .books
                .owner(owner)
                .ok_or(AllocationError::UnknownOwner)?;
            let bytes = self.bytes_of(pages);
            self.admit(state, bytes)
                .map_err(|shortage| AllocationError::Insufficient { pages, shortage })?;
            let Some(extent) = state.books.take_extent(pages, fit) else {
                self.release_to_budget(bytes);
                let free = state.books.free_space();
                return Err(AllocationError::Fragmented { pages, free });
            };
            state.waiters.count_pass(bytes);
            state.books.enter(owner, extent, self.now());
            Ok(ManagedSegment::issue(self.clone(), memory, extent))
        })
    }

    /// The memory from which that many pages could come.
    pub(super) fn memory_for(&self, pages: u32) -> Result<&PageMemory, AllocationError> {
        let total_pages = self.slot_memory.pages;
        if pages > total_pages {
            // A shutdown is the better reason, and Flink's first one.
            self.look(|state| state.check_open())?;
            return Err(AllocationError::MoreThanTotal { pages, total_pages });
        }
        Ok(self.mapped_memory()?)
    }

    /// Hands out pages that the budget has admitted.
    fn issue(
        &self,
        state: &mut State,
        memory: &PageMemory,
        owner: u32,
        pages: u32,
        target: &mut Vec<ManagedSegment>,
    ) {
        let now = self.now();
        let homes = self.prepay(pages as usize);
        target.extend(homes.map_while(|home| {
            let start = state.books.take_page()?;
            let extent = Extent { start, pages: 1 };
            state.books.enter(owner, extent, now);
            Some(ManagedSegment::issue(home, memory, extent))
        }));
    }

    /// Takes back a segment whose handle ends.
    pub(super) fn return_segment(&self, segment: &ManagedSegment) {
        if let Some(memory) = self.page_memory() {
            self.with_state(|state| {
                let dropped = self.take_back(state, memory, segment);
                self.release_pages_to_budget(dropped);
            });
        }
    }

    fn take_back(
        &self,
        state: &mut State,
        memory: &PageMemory,
        segment: &ManagedSegment,
    ) -> Dropped {
        // A handle that lost its page has nothing to give back.
        match memory.word(segment.page()).give_back(segment.issued_as()) {
            Some(retired) => state.books.strike(segment.page(), retired),
            None => Dropped::default(),
        }
    }

    /// Takes back the pages of a handle that had lost them while they were accessed. The access has ended.
    pub(super) fn return_lingering(&self, page: u32) {
        if let Some(memory) = self.page_memory() {
            self.with_state(|state| {
                let pages = state.books.end_lingering(page, memory);
                self.release_to_budget(self.bytes_of(pages));
            });
        }
    }

    pub(super) fn release(
        &self,
        segments: &mut Vec<ManagedSegment>,
    ) -> Result<(), ManagerShutDown> {
        self.with_state(|state| {
            state.check_open()?;
            let Some(memory) = self.page_memory() else {
                return Ok(());
            };
            let mut freed = Dropped::default();
            for segment in segments.iter().filter(|segment| segment.is_of(self)) {
                freed += self.take_back(state, memory, segment);
            }
            self.release_pages_to_budget(freed);
            Ok(())
        })?;
        // What is not of this manager drops here, and returns to where it belongs.
        let own = segments
            .drain(..)
            .filter_map(|segment| segment.is_of(self).then_some(segment));
        ManagedSegment::end_all(self, own);
        Ok(())
    }

    /// Takes away at most this many segments of an owner, and says whether none is left.
    pub(super) fn take_away(
        &self,
        state: &mut State,
        owner: OwnerId,
        at_most: usize,
    ) -> (Dropped, bool) {
        let Some(memory) = self.page_memory() else {
            return (Dropped::default(), true);
        };
        let (dropped, is_done) = state.books.take_away(owner, memory, at_most);
        self.release_pages_to_budget(dropped);
        (dropped, is_done)
    }

    // Reservations and owners.

    pub(super) fn reserve(&self, owner: OwnerId, bytes: Bytes) -> Result<(), ReservationError> {
        self.with_state(|state| {
            state.check_open()?;
            let owner = state
                .books
                .owner(owner)
                .ok_or(ReservationError::UnknownOwner)?;
            self.admit(state, bytes)
                .map_err(ReservationError::Insufficient)?;
            state.waiters.count_pass(bytes);
            state.books.add_reservation(owner, bytes, self.now());
            Ok(())
        })
    }

    /// Lowers a reservation by at most what there is of it, and says by how much.
    pub(super) fn lower_reservation(&self, owner: OwnerId, at_most: Bytes) -> Bytes {
        self.with_state(|state| {
            let released = state.books.lower_reservation(owner, at_most);
            self.release_to_budget(released);
            released
        })
    }

    /// Strikes out an owner whose pages were taken away.
    pub(super) fn strike_out(&self, state: &mut State, owner: OwnerId) {
        state.waiters.dismiss(Some(owner), Gone::Owner);
        let reserved = state.books.remove(owner);
        self.release_to_budget(reserved);
    }

    pub(super) fn holders(&self) -> Vec<Holder> {
        self.look(|state| state.books.holders(self.now()))
    }
}
