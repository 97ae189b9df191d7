//! One client's way to its segments: two magazines, and the depot when they are empty or full.
//!
//! The order of the stores is what makes a kill harmless. A taking writes the owner word before it lowers the count, a
//! giving back raises the count before it clears the word: at every instant the segment is in a magazine of the client,
//! or under its name, or both, and whoever cleans up takes the union.
//!
//! The pool may take a live client's slots away when others wait. It writes the client's attention word, makes all
//! processors pass a barrier, and looks whether the client is in the middle of an operation; the client says so before
//! it looks at the attention word. So an operation costs no barrier of its own.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::depot::{Depot, Magazine, NotOwned};
use super::layout::record;
use super::memory::{AtomicU64, Control, Ordering, fence};
use super::steps::{Step, Steps};
use super::words::OwnerWord;

/// A segment that a client has: its index, and the owner word that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) segment: u32,
    pub(super) word: OwnerWord,
}

/// Why an operation was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The pool wants something of this client: see [`Lane::attend`].
    Attention,
    /// No segment was found in the depot.
    Empty,
    /// The client has as many as it may have.
    Quota,
    /// The owner word does not say that the segment is this client's, or the other one's that it was taken from.
    NotHeld,
    /// The control file says what cannot be.
    Damaged(Damage),
}

/// What cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// An index is not one of a segment.
    #[error("slot {slot} holds the index {index} of no segment")]
    Index {
        /// The slot.
        slot: u32,
        /// What lies in it.
        index: u32,
    },
    /// A segment lies in a magazine and has an owner.
    #[error("segment {segment} lies in slot {slot} but belongs to client {owner}")]
    Owned {
        /// The slot.
        slot: u32,
        /// The segment.
        segment: u32,
        /// The client.
        owner: u16,
    },
    /// The depot has no place for a segment.
    #[error("no slot has room for segment {segment}")]
    NoRoom {
        /// The segment.
        segment: u32,
    },
    /// A slot that a client has is said to be somebody else's.
    #[error("slot {slot} was taken away without a word")]
    Slot {
        /// The slot.
        slot: u32,
    },
    /// A part of the control file is missing.
    #[error("the control file ends too early")]
    Missing,
}

/// What the pool wants of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attention {
    /// Nothing more: the lane has looked at everything.
    Settled,
    /// Segments are scarce: the client's magazines went back, and it asks the pool for each segment.
    Scarce,
    /// The lease is over.
    Revoked,
}

/// One client's magazines and what it knows of itself. Only one thread uses it.
#[derive(Debug)]
pub(super) struct Lane<S> {
    control: Arc<Control>,
    client: u16,
    /// From which segments are taken and to which they are given.
    loaded: Cell<Option<Magazine>>,
    /// What is exchanged with the loaded one before the depot is asked.
    spare: Cell<Option<Magazine>>,
    /// What the client holds, what it handed over and nobody took yet, and what lies in its magazines.
    taken: Cell<u32>,
    quota: Cell<u32>,
    /// What was handed over, with what others have taken since it was last looked at.
    handed: RefCell<Vec<Holding>>,
    /// It is looked at when there are so many.
    handed_limit: Cell<usize>,
    /// The lease under which the client got its number.
    lease: u64,
    /// The attention word that this lane has acted upon last.
    seen: Cell<u64>,
    barrier: Barrier,
    steps: S,
}

/// How a client makes sure that the pool sees its busy word before it reads the attention word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barrier {
    /// The pool makes this processor pass a barrier when it needs to know.
    OfThePool,
    /// The kernel does not offer that, so each operation has a barrier of its own.
    OfItsOwn,
}

/// The time in which the client is busy; it ends with the value.
struct Operation<'a, S: Steps> {
    busy: &'a AtomicU64,
    steps: &'a S,
}

impl<S: Steps> Drop for Operation<'_, S> {
    #[inline]
    fn drop(&mut self) {
        self.busy.store(0, Ordering::Release);
        self.steps.after(Step::Left);
    }
}

const MIN_HANDED_LIMIT: usize = 1024;

const MISSING: Refusal = Refusal::Damaged(Damage::Missing);

impl<S: Steps> Lane<S> {
    /// The lane of a client that has a record and nothing else yet. Its first operation asks for [`Self::attend`].
    pub(super) fn new(
        control: Arc<Control>,
        (client, lease): (u16, u64),
        barrier: Barrier,
        steps: S,
    ) -> Self {
        Self {
            control,
            client,
            loaded: Cell::new(None),
            spare: Cell::new(None),
            taken: Cell::new(0),
            quota: Cell::new(0),
            handed: RefCell::default(),
            handed_limit: Cell::new(MIN_HANDED_LIMIT),
            lease,
            // No attention word is ever like this.
            seen: Cell::new(u64::MAX),
            barrier,
            steps,
        }
    }

    /// Takes a segment.
    #[inline]
    pub(super) fn acquire(&self) -> Result<Holding, Refusal> {
        let _operation = self.enter()?;
        let magazine = match self.loaded.get() {
            Some(magazine) if magazine.count > 0 => magazine,
            _ => self.refill()?,
        };
        let (holding, magazine) = self.take_top(magazine)?;
        self.loaded.set(Some(magazine));
        Ok(holding)
    }

    /// Gives a segment back.
    #[inline]
    pub(super) fn release(&self, holding: Holding) -> Result<(), Refusal> {
        let _operation = self.enter()?;
        let owner = self.control.owner(holding.segment).ok_or(MISSING)?;
        if owner.load(Ordering::Relaxed) != holding.word.bits() {
            return Err(Refusal::NotHeld);
        }
        let magazine = match self.loaded.get() {
            Some(magazine) if magazine.count < self.capacity() => magazine,
            _ => self.make_room(holding.segment)?,
        };
        self.loaded.set(Some(self.put(magazine, holding)?));
        if self.is_above_quota() {
            self.shed()?;
        }
        Ok(())
    }

    /// Takes over a segment that another client handed over with its owner word, or this one did.
    pub(super) fn adopt(&self, handed: Holding) -> Result<Holding, Refusal> {
        // A free segment lies in somebody's magazine and is not anybody's to hand over.
        if handed.word.is_free() {
            return Err(Refusal::NotHeld);
        }
        self.seize(handed)
    }

    /// Takes a segment with this owner word, whatever it says. It must not lie in any magazine.
    ///
    /// This is done in scarcity too: it uses no magazine.
    pub(super) fn seize(&self, handed: Holding) -> Result<Holding, Refusal> {
        let record = self.control.record(self.client).ok_or(MISSING)?;
        let _operation = self.become_busy(record);
        self.pass_barrier();
        let attention = record[record::ATTENTION].load(Ordering::Acquire);
        let is_settled = attention == self.seen.get();
        let is_scarce = !matches!(attention & record::STATE, record::OPEN | record::REVOKED)
            && record[record::LEASE].load(Ordering::Relaxed) == self.lease;
        if !is_settled && !is_scarce {
            return Err(Refusal::Attention);
        }
        let owner = self.control.owner(handed.segment).ok_or(Refusal::NotHeld)?;
        if owner.load(Ordering::Relaxed) != handed.word.bits() {
            return Err(Refusal::NotHeld);
        }
        if self.is_at_quota() {
            if is_settled {
                self.shed()?;
            }
            if self.taken.get() >= self.quota.get() {
                return Err(Refusal::Quota);
            }
        }
        let word = handed.word.taken_by(self.client);
        owner
            .compare_exchange(
                handed.word.bits(),
                word.bits(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .map_err(|_| Refusal::NotHeld)?;
        self.steps.after(Step::Adopted);
        self.taken.set(self.taken.get() + 1);
        Ok(Holding {
            segment: handed.segment,
            word,
        })
    }

    /// Gives a segment to another client; `None` if it was not this one's any more.
    pub(super) fn pass(&self, holding: Holding, client: u16) -> Option<Holding> {
        let owner = self.control.owner(holding.segment)?;
        let word = holding.word.taken_by(client);
        self.forget();
        owner
            .compare_exchange(
                holding.word.bits(),
                word.bits(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .ok()?;
        self.steps.after(Step::Granted);
        Some(Holding {
            segment: holding.segment,
            word,
        })
    }

    /// Leaves a segment to whoever takes it over. Until then it counts as taken.
    pub(super) fn hand_over(&self, holding: Holding) {
        let count = {
            let mut handed = self.handed.borrow_mut();
            handed.push(holding);
            handed.len()
        };
        if count >= self.handed_limit.get() {
            self.count_handed();
            let limit = 2 * self.handed.borrow().len();
            self.handed_limit.set(limit.max(MIN_HANDED_LIMIT));
        }
    }

    /// Looks which of the segments that were handed over somebody took.
    fn count_handed(&self) {
        let mut handed = self.handed.borrow_mut();
        let before = handed.len();
        handed.retain(|&holding| self.holds(holding));
        let taken_over = u32::try_from(before - handed.len()).unwrap_or(u32::MAX);
        self.taken.set(self.taken.get().saturating_sub(taken_over));
    }

    /// Whether there are segments that others may take over, so that there is room under the quota again.
    pub(super) fn awaits_takers(&self) -> bool {
        !self.handed.borrow().is_empty()
    }

    /// Whether the client has as many segments as it may have.
    #[inline]
    pub(super) fn is_at_quota(&self) -> bool {
        if self.taken.get() >= self.quota.get() {
            self.count_handed();
        }
        self.taken.get() >= self.quota.get()
    }

    #[inline]
    fn is_above_quota(&self) -> bool {
        if self.taken.get() > self.quota.get() {
            self.count_handed();
        }
        self.taken.get() > self.quota.get()
    }

    /// Forgets a segment that was reclaimed or given back to the pool directly.
    pub(super) fn forget(&self) {
        self.taken.set(self.taken.get().saturating_sub(1));
    }

    /// Counts a segment that the pool gave directly.
    pub(super) fn note_granted(&self) {
        self.taken.set(self.taken.get() + 1);
    }

    /// Whether the segment is still this client's.
    #[inline]
    pub(super) fn holds(&self, holding: Holding) -> bool {
        self.control
            .owner(holding.segment)
            .is_some_and(|owner| owner.load(Ordering::Acquire) == holding.word.bits())
    }

    /// Gives back what lies in the magazines.
    pub(super) fn trim(&self) -> Result<(), Refusal> {
        let _operation = self.enter()?;
        self.shed()
    }

    /// Leaves the magazines to whoever cleans up: something is wrong with them.
    pub(super) fn abandon(&self) {
        for place in [&self.loaded, &self.spare] {
            let count = place.take().map_or(0, |magazine| magazine.count);
            self.taken.set(self.taken.get().saturating_sub(count));
        }
    }

    /// Looks at what the pool wants, and does it.
    pub(super) fn attend(&self) -> Result<Attention, Refusal> {
        let record = self.control.record(self.client).ok_or(MISSING)?;
        let _operation = self.become_busy(record);
        // The pool may have looked before this client was busy; what it wrote is visible after this.
        fence(Ordering::SeqCst);
        let attention = record[record::ATTENTION].load(Ordering::Acquire);
        let is_other = record[record::LEASE].load(Ordering::Acquire) != self.lease;
        if is_other || attention & record::STATE == record::REVOKED {
            self.loaded.set(None);
            self.spare.set(None);
            return Ok(Attention::Revoked);
        }
        let quota = record[record::QUOTA].load(Ordering::Relaxed);
        self.quota.set(u32::try_from(quota).unwrap_or(u32::MAX));
        if attention & record::STATE != record::OPEN {
            for magazine in [self.spare.take(), self.loaded.take()]
                .into_iter()
                .flatten()
            {
                // The pool may be taking it at this moment: what is refused here lies in the depot already.
                let _ = self.give(magazine);
            }
            return Ok(Attention::Scarce);
        }
        let depot = self.depot();
        for place in [&self.loaded, &self.spare] {
            if let Some(magazine) = place.get()
                && !depot.has(magazine.slot)
            {
                self.taken.set(self.taken.get() - magazine.count);
                place.set(None);
            }
        }
        self.seen.set(attention);
        if self.is_above_quota() {
            self.shed()?;
        }
        Ok(Attention::Settled)
    }

    /// Makes the next operation look at everything.
    pub(super) fn unsettle(&self) {
        self.seen.set(u64::MAX);
    }

    /// The segments that the control file says are this client's.
    pub(super) fn holdings(&self) -> Vec<Holding> {
        (0..)
            .zip(self.control.owners())
            .map(|(segment, word)| Holding {
                segment,
                word: OwnerWord::from_bits(word.load(Ordering::Relaxed)),
            })
            .filter(|holding| holding.word.owner() == self.client)
            .collect()
    }

    /// The control file.
    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// How many segments the client has, with those in its magazines and those that nobody took over yet.
    pub(super) fn taken(&self) -> u32 {
        self.taken.get()
    }

    /// How many it may have.
    pub(super) fn quota(&self) -> u32 {
        self.quota.get()
    }

    #[inline]
    fn enter(&self) -> Result<Operation<'_, S>, Refusal> {
        let record = self.control.record(self.client).ok_or(MISSING)?;
        let operation = self.become_busy(record);
        self.pass_barrier();
        if record[record::ATTENTION].load(Ordering::Relaxed) == self.seen.get() {
            Ok(operation)
        } else {
            Err(Refusal::Attention)
        }
    }

    #[inline]
    fn become_busy<'a>(&'a self, record: &'a [AtomicU64; record::WORDS]) -> Operation<'a, S> {
        let busy = &record[record::BUSY];
        busy.store(1, Ordering::Relaxed);
        self.steps.after(Step::Entered);
        Operation {
            busy,
            steps: &self.steps,
        }
    }

    /// Between telling that this client is busy and reading what the pool wants.
    #[inline]
    fn pass_barrier(&self) {
        match self.barrier {
            // It keeps the compiler from reordering; the processor is made to pass a barrier by the pool.
            Barrier::OfThePool => std::sync::atomic::compiler_fence(Ordering::SeqCst),
            Barrier::OfItsOwn => fence(Ordering::SeqCst),
        }
    }

    #[inline]
    fn capacity(&self) -> u32 {
        self.control.layout().sizes().slot_capacity
    }

    fn depot(&self) -> Depot<'_, S> {
        Depot::new(&self.control, self.client, &self.steps)
    }

    /// Takes the index on top of a magazine of this client, and answers what is left.
    #[inline]
    fn take_top(&self, magazine: Magazine) -> Result<(Holding, Magazine), Refusal> {
        let Magazine { slot, count } = magazine;
        let left = count.checked_sub(1).ok_or(MISSING)?;
        let (total, indexes) = self.control.slot(slot).ok_or(MISSING)?;
        let index = indexes.get(left as usize).ok_or(MISSING)?;
        let segment = index.load(Ordering::Relaxed);
        let owner = self
            .control
            .owner(segment)
            .ok_or(Refusal::Damaged(Damage::Index {
                slot,
                index: segment,
            }))?;
        let free = OwnerWord::from_bits(owner.load(Ordering::Relaxed));
        if !free.is_free() {
            return Err(Refusal::Damaged(Damage::Owned {
                slot,
                segment,
                owner: free.owner(),
            }));
        }
        let word = free.taken_by(self.client);
        owner.store(word.bits(), Ordering::Release);
        self.steps.after(Step::OwnerWritten);
        total.store(left, Ordering::Release);
        self.steps.after(Step::CountLowered);
        Ok((Holding { segment, word }, Magazine { slot, count: left }))
    }

    /// Puts a segment on top of a magazine of this client that has room, and answers what is in it then.
    #[inline]
    fn put(&self, magazine: Magazine, holding: Holding) -> Result<Magazine, Refusal> {
        let Magazine { slot, count } = magazine;
        let (total, indexes) = self.control.slot(slot).ok_or(MISSING)?;
        let place = indexes.get(count as usize).ok_or(MISSING)?;
        let owner = self.control.owner(holding.segment).ok_or(MISSING)?;
        // Whoever meets it here in place of another segment sees that the other one was taken.
        place.store(holding.segment, Ordering::Release);
        self.steps.after(Step::IndexPut);
        let count = count + 1;
        total.store(count, Ordering::Release);
        self.steps.after(Step::CountRaised);
        owner.store(holding.word.released().bits(), Ordering::Release);
        self.steps.after(Step::OwnerCleared);
        Ok(Magazine { slot, count })
    }

    /// Loads a magazine with something in it.
    #[cold]
    fn refill(&self) -> Result<Magazine, Refusal> {
        if let Some(spare) = self.spare.get()
            && spare.count > 0
        {
            self.spare.set(self.loaded.get());
            self.loaded.set(Some(spare));
            return Ok(spare);
        }
        let mut allowed = self.quota.get().saturating_sub(self.taken.get());
        if allowed < self.capacity() {
            // Before a slot has to be shared with the depot.
            self.count_handed();
            allowed = self.quota.get().saturating_sub(self.taken.get());
        }
        if allowed == 0 {
            return Err(Refusal::Quota);
        }
        let filled = self.depot().take_filled().ok_or(Refusal::Empty)?;
        self.taken.set(self.taken.get() + filled.count);
        if let Some(empty) = self.loaded.replace(Some(filled)) {
            match self.spare.get() {
                None => self.spare.set(Some(empty)),
                Some(_) => self.give(empty)?,
            }
        }
        if filled.count > allowed {
            self.split(filled.count - allowed)?;
        }
        self.loaded.get().ok_or(MISSING)
    }

    /// Gives `excess` segments of the loaded magazine to the depot, through the spare one, which is empty.
    fn split(&self, excess: u32) -> Result<(), Refusal> {
        let mut loaded = self.loaded.get().ok_or(MISSING)?;
        let mut spare = match self.spare.take() {
            Some(spare) => spare,
            None => self.take_room()?.ok_or(MISSING)?,
        };
        self.spare.set(Some(spare));
        for _ in 0..excess.min(self.capacity() - spare.count) {
            let (holding, left) = self.take_top(loaded)?;
            loaded = left;
            self.loaded.set(Some(loaded));
            spare = self.put(spare, holding)?;
            self.spare.set(Some(spare));
        }
        self.spare.set(None);
        self.give(spare)
    }

    /// Loads a magazine with room for `segment`.
    #[cold]
    fn make_room(&self, segment: u32) -> Result<Magazine, Refusal> {
        if let Some(spare) = self.spare.get()
            && spare.count < self.capacity()
        {
            self.spare.set(self.loaded.get());
            self.loaded.set(Some(spare));
            return Ok(spare);
        }
        // The colder one goes; giving before taking, so that there is a place in the depot for certain.
        if let Some(full) = self.spare.take() {
            self.give(full)?;
        }
        self.spare.set(self.loaded.take());
        let room = self
            .take_room()?
            .ok_or(Refusal::Damaged(Damage::NoRoom { segment }))?;
        self.loaded.set(Some(room));
        Ok(room)
    }

    /// Takes a slot with room from the depot; what is in it counts as taken.
    fn take_room(&self) -> Result<Option<Magazine>, Refusal> {
        let room = self.depot().take_room();
        if let Some(room) = room {
            self.taken.set(self.taken.get() + room.count);
        }
        Ok(room)
    }

    /// Gives back both magazines.
    fn shed(&self) -> Result<(), Refusal> {
        for place in [&self.spare, &self.loaded] {
            if let Some(magazine) = place.take() {
                self.give(magazine)?;
            }
        }
        Ok(())
    }

    fn give(&self, magazine: Magazine) -> Result<(), Refusal> {
        let slot = magazine.slot;
        self.taken.set(self.taken.get() - magazine.count);
        self.depot()
            .give(magazine)
            .map_err(|NotOwned| Refusal::Damaged(Damage::Slot { slot }))
    }
}
