//! The depot: all slots that no client has, and the exchange of whole slots.
//!
//! A slot changes hands by one exchange of its word, which carries the new owner's number. So there is no instant at
//! which a slot is on its way and nobody's: whoever dies has either not begun or is known as the owner. Nobody waits
//! for anybody, and nothing has to be closed while slots are counted or reclaimed.

use super::layout::common;
use super::memory::{AtomicU64, Control, Ordering};
use super::steps::{Step, Steps};
use super::words::SlotWord;

/// A slot that its holder has, and how many indexes are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Magazine {
    pub(super) slot: u32,
    pub(super) count: u32,
}

/// The depot refused to take a slot: its word says that it is not the giver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotOwned;

/// The depot as one owner sees it: a client, or the pool itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depot<'a, S> {
    control: &'a Control,
    owner: u16,
    steps: &'a S,
}

impl<'a, S: Steps> Depot<'a, S> {
    pub(super) fn new(control: &'a Control, owner: u16, steps: &'a S) -> Self {
        Self {
            control,
            owner,
            steps,
        }
    }

    /// Takes a slot with at least one index in it; `None` if none was seen.
    pub(super) fn take_filled(&self) -> Option<Magazine> {
        for slot in self.order(common::FILLED) {
            if let Some(magazine) = self.take_if(slot, |count, _| count > 0) {
                self.steps.after(Step::FilledTaken);
                return Some(magazine);
            }
        }
        None
    }

    /// Takes a slot with room for at least one index, an empty one if there is one; `None` if none was seen.
    ///
    /// There are more places in the depot than segments, so somebody who has a segment to put back finds one, unless
    /// others take and give meanwhile, or the control file was damaged.
    pub(super) fn take_room(&self) -> Option<Magazine> {
        for is_wanted in [
            (|count, _| count == 0) as fn(u32, u32) -> bool,
            |count, capacity| count < capacity,
        ] {
            for slot in self.order(common::EMPTIED) {
                if let Some(magazine) = self.take_if(slot, is_wanted) {
                    self.steps.after(Step::RoomTaken);
                    return Some(magazine);
                }
            }
        }
        None
    }

    /// Gives a slot to the depot. Its count must stand in the slot already.
    pub(super) fn give(&self, magazine: Magazine) -> Result<(), NotOwned> {
        let word = self.control.slot_word(magazine.slot).ok_or(NotOwned)?;
        let bits = word.load(Ordering::Relaxed);
        let found = SlotWord::from_bits(bits);
        if found.owner() != self.owner {
            return Err(NotOwned);
        }
        let given = found.passed_to(0, magazine.count);
        // Releases the indexes in the slot to whoever takes it.
        word.compare_exchange(bits, given.bits(), Ordering::Release, Ordering::Relaxed)
            .map_err(|_| NotOwned)?;
        let (step, hint) = if magazine.count == 0 {
            (Step::EmptyGiven, common::EMPTIED)
        } else {
            (Step::FilledGiven, common::FILLED)
        };
        self.steps.after(step);
        if let Some(hint) = self.hint(hint) {
            hint.store(magazine.slot.into(), Ordering::Relaxed);
        }
        self.steps.after(Step::HintWritten);
        Ok(())
    }

    /// Whether the slot is still the owner's.
    pub(super) fn has(&self, slot: u32) -> bool {
        self.control.slot_word(slot).is_some_and(|word| {
            SlotWord::from_bits(word.load(Ordering::Acquire)).owner() == self.owner
        })
    }

    /// All slots, from the one that `hint` names.
    fn order(&self, hint: usize) -> impl Iterator<Item = u32> + use<'a, S> {
        let slots = self.control.layout().sizes().slots;
        let first = self
            .hint(hint)
            .map_or(0, |hint| hint.load(Ordering::Relaxed));
        // Whatever the hint says: it only tells where to begin.
        let first = u32::try_from(first).unwrap_or(0).min(slots);
        (first..slots).chain(0..first)
    }

    fn hint(&self, hint: usize) -> Option<&'a AtomicU64> {
        self.control.common()?.get(hint)
    }

    /// Takes the slot if it is the depot's and holds what is wanted. A slot whose two counts differ is left alone, and
    /// so is one that somebody else was quicker to take.
    fn take_if(&self, slot: u32, is_wanted: impl Fn(u32, u32) -> bool) -> Option<Magazine> {
        let word = self.control.slot_word(slot)?;
        let capacity = self.control.layout().sizes().slot_capacity;
        let bits = word.load(Ordering::Acquire);
        let found = SlotWord::from_bits(bits);
        let count = found.count();
        if found.owner() != 0 || count > capacity || !is_wanted(count, capacity) {
            return None;
        }
        if self.control.count(slot)?.load(Ordering::Relaxed) != count {
            return None;
        }
        let taken = found.passed_to(self.owner, count);
        word.compare_exchange(bits, taken.bits(), Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        Some(Magazine { slot, count })
    }
}
