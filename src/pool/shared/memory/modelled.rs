//! The same words for the models of the protocol, each one watched by the model checker.

use loom::sync::atomic::{AtomicU32, AtomicU64};

use super::Control;
use crate::pool::shared::layout::{Layout, common, record};

/// The words of a control file.
#[derive(Debug)]
pub(super) struct Memory {
    common: [AtomicU64; common::WORDS],
    records: Vec<[AtomicU64; record::WORDS]>,
    slot_words: Vec<AtomicU64>,
    slots: Vec<(AtomicU32, Vec<AtomicU32>)>,
    owners: Vec<AtomicU64>,
}

impl Control {
    /// A control file for one run of a model, with all segments in the depot.
    pub(in crate::pool::shared) fn modelled(layout: Layout) -> Self {
        let sizes = layout.sizes();
        let control = Self {
            memory: Memory {
                common: std::array::from_fn(|_| AtomicU64::new(0)),
                records: (0..layout.own_number())
                    .map(|_| std::array::from_fn(|_| AtomicU64::new(0)))
                    .collect(),
                slot_words: (0..sizes.slots).map(|_| AtomicU64::new(0)).collect(),
                slots: (0..sizes.slots)
                    .map(|_| {
                        let indexes = (0..sizes.slot_capacity).map(|_| AtomicU32::new(0));
                        (AtomicU32::new(0), indexes.collect())
                    })
                    .collect(),
                owners: (0..sizes.segments).map(|_| AtomicU64::new(0)).collect(),
            },
            layout,
        };
        control.fill();
        control
    }
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
