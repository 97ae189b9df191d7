//! The control file of the models of threads: the same words in the same order, of loom's kind, which cannot be mapped.

use std::array::from_fn;

use super::{AtomicU32, AtomicU64, Control};
use crate::pool::shared::layout::{Layout, common, record};

/// The words of a control file, as many as the layout says.
#[derive(Debug)]
pub(super) struct Memory {
    common: [AtomicU64; common::WORDS],
    records: Vec<[AtomicU64; record::WORDS]>,
    slot_words: Vec<AtomicU64>,
    /// The count and the indexes of each slot.
    slots: Vec<(AtomicU32, Vec<AtomicU32>)>,
    owners: Vec<AtomicU64>,
}

impl Memory {
    pub(super) fn owners(&self) -> &[AtomicU64] {
        &self.owners
    }

    pub(super) fn slot_words(&self) -> &[AtomicU64] {
        &self.slot_words
    }

    pub(super) fn records(&self) -> &[[AtomicU64; record::WORDS]] {
        &self.records
    }

    pub(super) fn common(&self) -> Option<&[AtomicU64; common::WORDS]> {
        Some(&self.common)
    }

    pub(super) fn slot(&self, slot: u32) -> Option<(&AtomicU32, &[AtomicU32])> {
        let (count, indexes) = self.slots.get(slot as usize)?;
        Some((count, indexes))
    }
}

impl Control {
    /// A control file with all segments in the depot.
    pub(in crate::pool::shared) fn create(layout: Layout) -> Self {
        let sizes = layout.sizes();
        let word = |_| AtomicU64::new(0);
        let index = |_| AtomicU32::new(0);
        let slot = |_| (index(0), (0..sizes.slot_capacity).map(index).collect());
        let control = Self {
            layout,
            memory: Memory {
                common: from_fn(|_| word(0)),
                records: (0..layout.own_number())
                    .map(|_| from_fn(|_| word(0)))
                    .collect(),
                slot_words: (0..sizes.slots).map(word).collect(),
                slots: (0..sizes.slots).map(slot).collect(),
                owners: (0..sizes.segments).map(word).collect(),
            },
        };
        control.fill();
        control
    }
}
