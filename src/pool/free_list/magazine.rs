//! The magazine of one thread at one pool, and how the thread finds it.

use std::{
    cell::{Cell, RefCell},
    ptr::{self, NonNull},
};

use crate::pool::{
    arena::{Entry, Token},
    sync::{
        Arc,
        atomic::{AtomicPtr, AtomicU32, Ordering},
        fence, thread,
    },
};

/// A stack of segments that one thread uses without a lock, as long as it is open.
///
/// Who may do what:
/// - `take` and `put` are for the thread that the magazine belongs to, at any time;
/// - everything else is for whoever holds the pool's lock, and while the magazine is open only for that same thread, or
///   for others once they closed it and waited.
///
/// All accesses are plain loads and stores. That they suffice is shown in `tests/loom.rs`.
#[repr(align(128))]
pub(in crate::pool) struct Magazine {
    /// How many segments it may hold, 0 while it is closed.
    capacity: AtomicU32,
    /// 1 while its thread is taking or putting.
    busy: AtomicU32,
    count: AtomicU32,
    slots: [AtomicPtr<Entry>; Self::SLOTS],
}

/// A magazine, and whose it is.
pub(super) struct Registered {
    pub(super) thread: thread::ThreadId,
    pub(super) magazine: Arc<Magazine>,
}

impl Magazine {
    /// How many segments fit.
    pub(super) const SLOTS: usize = if cfg!(loom) { 2 } else { 128 };

    /// Closed and empty.
    pub(super) fn new() -> Self {
        Self {
            capacity: AtomicU32::new(0),
            busy: AtomicU32::new(0),
            count: AtomicU32::new(0),
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        }
    }

    /// Takes a segment, if the magazine is open and has one. `then` runs while the magazine cannot be closed, after it is
    /// sure that there is a segment.
    #[inline]
    pub(in crate::pool) fn take(&self, then: impl FnOnce()) -> Option<Token> {
        self.while_busy(|capacity| {
            // Below nothing is above every capacity, and nothing is below a capacity of 0.
            let top = self.count.load(Ordering::Relaxed).wrapping_sub(1);
            if top >= capacity {
                return None;
            }
            then();
            self.pop_at(top)
        })
    }

    /// Puts a segment in, if the magazine is open and has room. `then` runs while the magazine cannot be closed, after it
    /// is sure that there is room.
    #[inline]
    pub(in crate::pool) fn put(
        &self,
        token: Token,
        then: impl FnOnce(&Token),
    ) -> Result<(), Token> {
        self.while_busy(|capacity| {
            let count = self.count.load(Ordering::Relaxed);
            if count >= capacity {
                return Err(token);
            }
            then(&token);
            self.push_at(count, token)
        })
    }

    /// Marks the magazine as busy, and then looks whether it is open. Whoever closes it does these two steps the other
    /// way round, with a fence between them that counts for both.
    #[inline]
    fn while_busy<R>(&self, access: impl FnOnce(u32) -> R) -> R {
        self.busy.store(1, Ordering::Relaxed);
        fence::light();
        // Only this thread opens the magazine, so that it has seen what was done before.
        let result = access(self.capacity.load(Ordering::Relaxed));
        // Release: who waits for this sees what was done here.
        self.busy.store(0, Ordering::Release);
        result
    }

    /// How many segments it has, if its thread is doing nothing.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed) as usize
    }

    /// Takes the segment that is at the top.
    #[allow(unsafe_code)]
    #[inline]
    fn pop_at(&self, top: u32) -> Option<Token> {
        let slot = self.slots.get(top as usize)?;
        let entry = NonNull::new(slot.load(Ordering::Relaxed))?;
        self.count.store(top, Ordering::Relaxed);
        // SAFETY: `push_at` put it there, and it is counted no more. Two threads are never here at once: see the type.
        Some(unsafe { Token::from_raw(entry) })
    }

    /// Puts a segment on top of so many. The token comes back where no slot is left.
    #[inline]
    fn push_at(&self, count: u32, token: Token) -> Result<(), Token> {
        let Some(slot) = self.slots.get(count as usize) else {
            return Err(token);
        };
        slot.store(token.into_raw().as_ptr(), Ordering::Relaxed);
        self.count.store(count + 1, Ordering::Relaxed);
        Ok(())
    }

    /// Puts the last `number` segments of a stack in, or as many as there are and as fit.
    pub(super) fn fill_from(&self, stack: &mut Vec<Token>, number: usize) {
        let count = self.len();
        let number = number.min(Self::SLOTS - count).min(stack.len());
        let tokens = stack.drain(stack.len() - number..);
        for (slot, token) in self.slots[count..].iter().zip(tokens) {
            slot.store(token.into_raw().as_ptr(), Ordering::Relaxed);
        }
        self.count.store((count + number) as u32, Ordering::Relaxed);
    }

    /// Puts the `number` segments that were put in last on a stack, or as many as there are.
    #[allow(unsafe_code)]
    pub(super) fn empty_into(&self, stack: &mut Vec<Token>, number: usize) {
        let count = self.len();
        let rest = count.saturating_sub(number);
        let entries = self.slots[rest..count]
            .iter()
            .filter_map(|slot| ptr::NonNull::new(slot.load(Ordering::Relaxed)));
        // SAFETY: they were put there and are counted no more after this, and two threads are never here at once: see
        // the type.
        stack.extend(entries.map(|entry| unsafe { Token::from_raw(entry) }));
        self.count.store(rest as u32, Ordering::Relaxed);
    }

    /// Lets its thread use it. That thread calls this.
    pub(super) fn open(&self, capacity: usize) {
        // At most `SLOTS`.
        self.capacity.store(capacity as u32, Ordering::Relaxed);
    }

    /// Lets its thread use it no more, after a fence and a wait.
    pub(super) fn close(&self) {
        self.capacity.store(0, Ordering::Relaxed);
    }

    /// Waits until its thread is not in the middle of something. It does not wait for anything there.
    pub(super) fn wait_until_idle(&self) {
        let mut spins = 0_u32;
        // Acquire: what its thread did is seen after this.
        while self.busy.load(Ordering::Acquire) != 0 {
            spins += 1;
            if spins.is_multiple_of(64) || cfg!(loom) {
                // It was interrupted there, perhaps.
                thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }
}

/// How many pools a thread remembers its magazine of: those of one task, and some. The magazine of another pool is found
/// again by the pool.
const WAYS: usize = 8;

const fn way(pool: u64) -> usize {
    (pool % WAYS as u64) as usize
}

/// Where this thread's magazine at a pool is. Nothing here has to be dropped, so that looking here is one load.
struct Known {
    pool: Cell<u64>,
    magazine: Cell<Option<NonNull<Magazine>>>,
}

impl Known {
    const fn nothing() -> Self {
        Self {
            pool: Cell::new(0),
            magazine: Cell::new(None),
        }
    }

    fn set(&self, pool: u64, magazine: Option<NonNull<Magazine>>) {
        self.pool.set(pool);
        self.magazine.set(magazine);
    }
}

/// What a thread knows.
struct KnownOfThread {
    /// The one that was remembered last. It stands in its way too, but where it stands here does not depend on the pool:
    /// whoever recycles need not have read the pool's number before the magazine can be used.
    latest: Known,
    ways: [Known; WAYS],
}

impl KnownOfThread {
    const fn nothing() -> Self {
        Self {
            latest: Known::nothing(),
            ways: [const { Known::nothing() }; WAYS],
        }
    }

    #[inline]
    fn magazine_at(&self, pool: u64) -> Option<NonNull<Magazine>> {
        if self.latest.pool.get() == pool {
            return self.latest.magazine.get();
        }
        let known = &self.ways[way(pool)];
        if known.pool.get() == pool {
            return known.magazine.get();
        }
        None
    }
}

/// Keeps the magazines whose place is known.
struct Kept {
    ways: RefCell<[Option<Arc<Magazine>>; WAYS]>,
}

impl Kept {
    const fn nothing() -> Self {
        Self {
            ways: RefCell::new([const { None }; WAYS]),
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Only in a model it may be gone before.
        let _ = KNOWN.try_with(|known| {
            for known in known.ways.iter().chain([&known.latest]) {
                known.magazine.set(None);
            }
        });
    }
}

#[cfg(not(loom))]
thread_local! {
    static KNOWN: KnownOfThread = const { KnownOfThread::nothing() };
    static KEPT: Kept = const { Kept::nothing() };
}
#[cfg(loom)]
loom::thread_local! {
    static KNOWN: KnownOfThread = KnownOfThread::nothing();
    static KEPT: Kept = Kept::nothing();
}

/// Lets `use_it` have this thread's magazine at a pool, if the thread remembers one. It must not remember another one
/// meanwhile.
#[allow(unsafe_code)]
#[inline]
pub(in crate::pool) fn with_magazine<R>(
    pool: u64,
    use_it: impl FnOnce(Option<&Magazine>) -> R,
) -> R {
    KNOWN.with(|known| {
        let magazine = known.magazine_at(pool);
        // SAFETY: `remember` put it there and `KEPT` has kept it since: that is changed by `remember` and by the end of
        // the thread, which both change these places too. Neither runs inside of `use_it`, which takes or puts a segment
        // and calls nothing.
        use_it(magazine.map(|magazine| unsafe { magazine.as_ref() }))
    })
}

/// Has this thread remember its magazine at a pool.
pub(super) fn remember(pool: u64, magazine: &Arc<Magazine>) {
    // A thread that ends remembers nothing, and its magazine is taken back by the pool.
    let forgotten = KEPT.try_with(|kept| {
        KNOWN.with(|known| {
            let place = NonNull::new(Arc::as_ptr(magazine).cast_mut());
            known.latest.set(pool, place);
            known.ways[way(pool)].set(pool, place);
        });
        kept.ways.borrow_mut()[way(pool)].replace(Arc::clone(magazine))
    });
    drop(forgotten);
}

pub(super) fn current_thread() -> thread::ThreadId {
    thread::current().id()
}
