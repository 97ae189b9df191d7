//! A number of bytes that several threads take from and give back to, and never take more of than there is.
//!
//! Mirrors `UnsafeMemoryBudget`, with two differences that nobody who uses it rightly can see: [`is_empty`] compares
//! instead of reserving everything for an instant, so no reservation fails because somebody asked; and an amount is
//! never negative, so the type excludes what Flink refuses.
//!
//! [`is_empty`]: MemoryBudget::is_empty

use std::sync::atomic::{AtomicU64, Ordering};

use crate::bytes::Bytes;

/// A total, and what is left of it.
///
/// Every operation is one compare-and-swap loop on one word. A plain subtraction with a way back would be quicker
/// under contention, but would show others a shortage that does not exist.
#[derive(Debug)]
pub struct MemoryBudget {
    total: Bytes,
    available: AtomicU64,
}

/// The budget has too little left. Nothing was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not reserve {wanted}: only {available} of {total} are left")]
pub struct BudgetExceeded {
    /// What was asked for.
    pub wanted: Bytes,
    /// What was left at that instant.
    pub available: Bytes,
    /// All there is.
    pub total: Bytes,
}

/// More was given back than had been taken. Nothing was released: whoever gives back too much is wrong about all of
/// it, and a budget that clamps would hide that from the one whose reservation it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not release {released}: only {reserved} of {total} are reserved")]
pub struct ReleasedTooMuch {
    /// What was given back.
    pub released: Bytes,
    /// What was reserved at that instant.
    pub reserved: Bytes,
    /// All there is.
    pub total: Bytes,
}

impl MemoryBudget {
    /// A budget of which nothing is taken.
    #[must_use]
    pub const fn new(total: Bytes) -> Self {
        Self {
            total,
            available: AtomicU64::new(total.get()),
        }
    }

    /// All there is.
    #[must_use]
    pub const fn total(&self) -> Bytes {
        self.total
    }

    /// What is left, which others may take at any instant.
    #[must_use]
    pub fn available(&self) -> Bytes {
        Bytes(self.available.load(Ordering::Acquire))
    }

    /// What is taken.
    #[must_use]
    pub fn reserved(&self) -> Bytes {
        self.total.saturating_sub(self.available())
    }

    /// Whether nothing is taken. Looks, and changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.available() == self.total
    }

    /// Takes all of `wanted`, or nothing. Taking 0 bytes always succeeds.
    ///
    /// # Errors
    /// Less than that is left.
    #[inline]
    pub fn reserve(&self, wanted: Bytes) -> Result<(), BudgetExceeded> {
        self.change(|available| available.checked_sub(wanted))
            .map_err(|available| BudgetExceeded {
                wanted,
                available,
                total: self.total,
            })
    }

    /// Gives back what was taken. Giving back 0 bytes always succeeds.
    ///
    /// # Errors
    /// Less than that is reserved.
    #[inline]
    pub fn release(&self, released: Bytes) -> Result<(), ReleasedTooMuch> {
        self.change(|available| {
            let sum = Bytes(available.get().checked_add(released.get())?);
            (sum <= self.total).then_some(sum)
        })
        .map_err(|available| ReleasedTooMuch {
            released,
            reserved: self.total.saturating_sub(available),
            total: self.total,
        })
    }

    /// Stores what `next` makes of the available bytes; the bytes themselves where it makes nothing of them.
    #[inline]
    fn change(&self, next: impl Fn(Bytes) -> Option<Bytes>) -> Result<(), Bytes> {
        self.available
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |available| {
                next(Bytes(available)).map(Bytes::get)
            })
            .map(drop)
            .map_err(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, MemoryBudget};

    #[test]
    fn figures_stand_in_the_texts() {
        let budget = MemoryBudget::new(Bytes(100));
        budget.reserve(Bytes(60)).unwrap();
        assert_eq!(
            budget.reserve(Bytes(50)).unwrap_err().to_string(),
            "could not reserve 50 bytes: only 40 bytes of 100 bytes are left"
        );
        assert_eq!(
            budget.release(Bytes(70)).unwrap_err().to_string(),
            "could not release 70 bytes: only 60 bytes of 100 bytes are reserved"
        );
        assert_eq!(budget.reserved(), Bytes(60));
    }

    #[test]
    fn sums_do_not_wrap() {
        let budget = MemoryBudget::new(Bytes(u64::MAX));
        assert!(budget.release(Bytes(1)).is_err());
        budget.reserve(Bytes(u64::MAX)).unwrap();
        assert!(budget.reserve(Bytes(1)).is_err());
        budget.release(Bytes(u64::MAX)).unwrap();
        assert!(budget.is_empty());
    }
}
