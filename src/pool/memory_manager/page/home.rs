//! Where pages belong: a shared pointer to a manager's core whose count can be raised and lowered for many pages at
//! once.
//!
//! `Arc` counts one by one, and an atomic addition per page would cost more than everything else about it.

use std::{
    ops::Deref,
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering, fence},
};

use super::super::Core;

/// A counted reference to a [`Core`], which lives as long as there is one.
#[derive(Debug)]
pub(in crate::pool::memory_manager) struct Home(NonNull<Counted>);

#[derive(Debug)]
struct Counted {
    references: AtomicUsize,
    core: Core,
}

impl Home {
    pub(in crate::pool::memory_manager) fn new(core: Core) -> Self {
        let counted = Box::new(Counted {
            references: AtomicUsize::new(1),
            core,
        });
        Self(NonNull::from(Box::leak(counted)))
    }

    /// References for this many pages, all counted at once.
    pub(in crate::pool::memory_manager) fn prepay(&self, references: usize) -> Prepaid {
        self.count(references);
        Prepaid {
            home: self.0,
            references,
        }
    }

    fn count(&self, references: usize) {
        let before = self
            .counted()
            .references
            .fetch_add(references, Ordering::Relaxed);
        if before > isize::MAX as usize {
            // As `Arc` does: only references that were forgotten, more of them than memory could hold, lead here, and a
            // count that wraps would free what is in use.
            std::process::abort();
        }
    }

    /// Gives up the references of pages of this core, all at once. Each must be one of those.
    pub(super) fn surrender(&self, references: impl Iterator<Item = Home>) {
        let mut count = 0;
        for reference in references {
            debug_assert_eq!(reference.0, self.0);
            std::mem::forget(reference);
            count += 1;
        }
        // Not the last ones, since `self` is left.
        self.counted()
            .references
            .fetch_sub(count, Ordering::Release);
    }

    /// Whether both lead to the same core.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    #[allow(unsafe_code)]
    fn counted(&self) -> &Counted {
        // SAFETY: this reference is counted, and the box is freed only when the count falls to 0. Nobody has it mutably.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for Home {
    fn clone(&self) -> Self {
        self.count(1);
        Self(self.0)
    }
}

impl Deref for Home {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.counted().core
    }
}

impl Drop for Home {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        if self.counted().references.fetch_sub(1, Ordering::Release) == 1 {
            // Everything that others did with the core happens before it is freed.
            fence(Ordering::Acquire);
            // SAFETY: the pointer came from a leaked box, and the last reference to it is gone.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

// SAFETY: a `Home` is what an `Arc<Core>` is, and `Core` may be shared and sent, which is checked below.
#[allow(unsafe_code)]
unsafe impl Send for Home {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Home {}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Core>();
};

/// References that are counted already. Those that are not used are given up at the end.
#[derive(Debug)]
pub(in crate::pool::memory_manager) struct Prepaid {
    home: NonNull<Counted>,
    references: usize,
}

impl Iterator for Prepaid {
    type Item = Home;

    fn next(&mut self) -> Option<Home> {
        self.references = self.references.checked_sub(1)?;
        Some(Home(self.home))
    }
}

impl Drop for Prepaid {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
