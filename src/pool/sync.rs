//! The primitives that the pools' concurrent code is made of: the ones of `std` and `parking_lot`, and those of loom
//! when its models run.
//!
//! Lock-free code takes atomics, cells, locks and thread-locals from here and nowhere else, so that `tests/loom.rs`
//! and `shared/models.rs` can try every order in which two threads may see each other's steps.

pub(crate) mod fence;

/// Atomic integers, and the orders of their accesses.
pub(crate) mod atomic {
    #[cfg(loom)]
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    #[cfg(not(loom))]
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

/// Threads, and what each has of its own.
pub(crate) mod thread {
    #[cfg(loom)]
    pub(crate) use loom::thread::{ThreadId, current, yield_now};
    #[cfg(not(loom))]
    pub(crate) use std::thread::{ThreadId, current, yield_now};
}

#[cfg(not(loom))]
pub(crate) use parking_lot::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::Arc;

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{Arc, MutexGuard},
};
#[cfg(loom)]
pub(crate) use model::Mutex;

/// The cell of `std` with the interface of loom's, which checks that no two accesses disturb each other.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Reads what the pointer shows. The caller knows that nobody writes it meanwhile.
    #[inline]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Writes what the pointer shows. The caller knows that nobody else accesses it meanwhile.
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Where one thread waits until another one wakes it.
///
/// A wake that comes before the wait is kept. A wait may end for nothing, so that its caller looks again.
#[derive(Debug)]
pub(crate) struct Parker {
    #[cfg(not(loom))]
    woken: Mutex<bool>,
    #[cfg(not(loom))]
    changed: parking_lot::Condvar,
    #[cfg(loom)]
    woken: loom::sync::Mutex<bool>,
    #[cfg(loom)]
    changed: loom::sync::Condvar,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Self {
            woken: Default::default(),
            changed: Default::default(),
        }
    }

    /// Lets the waiting thread go on.
    pub(crate) fn wake(&self) {
        #[cfg(not(loom))]
        let mut woken = self.woken.lock();
        #[cfg(loom)]
        let mut woken = self.woken.lock().expect("no holder of this lock panics");
        *woken = true;
        drop(woken);
        self.changed.notify_one();
    }

    /// Waits for a wake, at most until the deadline; says whether the wake came.
    #[cfg(not(loom))]
    pub(crate) fn wait(&self, deadline: Option<Deadline>) -> bool {
        let mut woken = self.woken.lock();
        while !*woken {
            match deadline.and_then(|deadline| deadline.0) {
                None => self.changed.wait(&mut woken),
                Some(instant) => {
                    if self.changed.wait_until(&mut woken, instant).timed_out() && !*woken {
                        return false;
                    }
                }
            }
        }
        *woken = false;
        true
    }

    /// Waits for a wake. A model has no time, so that a wait without one is a deadlock that loom reports.
    #[cfg(loom)]
    pub(crate) fn wait(&self, _: Option<Deadline>) -> bool {
        let mut woken = self.woken.lock().expect("no holder of this lock panics");
        while !*woken {
            woken = self
                .changed
                .wait(woken)
                .expect("no holder of this lock panics");
        }
        *woken = false;
        true
    }
}

/// When a wait ends at the latest.
///
/// The only place of the pools that looks at a clock, and only at the monotonic one: a wait that is woken for nothing
/// has to know what is left of its timeout, or the timeouts would add up.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(loom, allow(dead_code))]
pub(crate) struct Deadline(Option<std::time::Instant>);

impl Deadline {
    /// A deadline so far from now; none at all where the clock cannot tell such a time.
    pub(crate) fn after(timeout: std::time::Duration) -> Self {
        Self(std::time::Instant::now().checked_add(timeout))
    }
}

/// What loom has under other names.
#[cfg(loom)]
mod model {
    /// loom's mutex with the interface of `parking_lot`.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("no holder of a pool's lock panics")
        }

        pub(crate) fn try_lock(&self) -> Option<loom::sync::MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }
}
