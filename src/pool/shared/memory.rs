//! The bytes of a shared pool's files: typed, checked, atomic access to memory that other processes write.
//!
//! Nothing here trusts what it reads. Every access is bounded by the mapping itself, and every word is read and written
//! atomically, because another process may write it at any time. Besides the question who is at the other end of a
//! socket, this is the shared form's only `unsafe`.

#[cfg(not(loom))]
mod mapped;
#[cfg(loom)]
mod modelled;

use super::layout::{Layout, common, record};

pub(super) use crate::pool::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub use mapped::Data;
#[cfg(not(loom))]
use mapped::Memory;
#[cfg(loom)]
use modelled::Memory;

/// The control file as words.
#[derive(Debug)]
pub(super) struct Control {
    layout: Layout,
    memory: Memory,
}

impl Control {
    /// The layout, as it was when the file was opened.
    #[inline]
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The owner words of all segments.
    #[inline]
    pub(super) fn owners(&self) -> &[AtomicU64] {
        self.memory.owners()
    }

    /// The words of all slots.
    #[inline]
    pub(super) fn slot_words(&self) -> &[AtomicU64] {
        self.memory.slot_words()
    }

    /// The owner word of a segment.
    #[inline]
    pub(super) fn owner(&self, segment: u32) -> Option<&AtomicU64> {
        self.owners().get(segment as usize)
    }

    /// The word of a slot.
    #[inline]
    pub(super) fn slot_word(&self, slot: u32) -> Option<&AtomicU64> {
        self.slot_words().get(slot as usize)
    }

    /// How many indexes are in a slot, and the indexes. Whoever has the slot writes the count, and leaves it as it is for
    /// the next; it is alone on its cache line.
    #[inline]
    pub(super) fn slot(&self, slot: u32) -> Option<(&AtomicU32, &[AtomicU32])> {
        self.memory.slot(slot)
    }

    /// How many indexes are in a slot.
    #[inline]
    pub(super) fn count(&self, slot: u32) -> Option<&AtomicU32> {
        self.slot(slot).map(|(count, _)| count)
    }

    /// The indexes in a slot.
    pub(super) fn indexes(&self, slot: u32) -> Option<&[AtomicU32]> {
        self.slot(slot).map(|(_, indexes)| indexes)
    }

    /// The record of a client; they are numbered from 1, and the pool itself comes after the last.
    #[inline]
    pub(super) fn record(&self, client: u16) -> Option<&[AtomicU64; record::WORDS]> {
        let position = usize::from(client).checked_sub(1)?;
        self.memory.records().get(position)
    }

    /// The words that all share.
    #[inline]
    pub(super) fn common(&self) -> Option<&[AtomicU64; common::WORDS]> {
        self.memory.common()
    }

    /// Puts all segments into the first slots, the first segment on top. Only for a file that nobody else has yet.
    fn fill(&self) {
        let sizes = self.layout.sizes();
        let mut next = 0;
        for (slot, word) in (0..).zip(self.slot_words()) {
            let (Some(indexes), Some(total)) = (self.indexes(slot), self.count(slot)) else {
                return;
            };
            let count = (sizes.segments - next).min(sizes.slot_capacity);
            for (place, index) in indexes.iter().zip((next..next + count).rev()) {
                place.store(index, Ordering::Relaxed);
            }
            next += count;
            total.store(count, Ordering::Relaxed);
            let filled = super::words::SlotWord::from_bits(0).passed_to(0, count);
            word.store(filled.bits(), Ordering::Release);
        }
    }
}
