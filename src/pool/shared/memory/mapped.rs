//! The files as the kernel maps them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::Control;
use crate::pool::mapping::Mapping;
use crate::pool::shared::layout::{HEADER_WORDS, Layout, LayoutError, common, record};

/// The mapped bytes of a control file, cut as the layout says.
#[derive(Debug)]
pub(super) struct Memory {
    mapping: Mapping,
    common: Part,
    records: Part,
    slot_words: Part,
    slots: Part,
    /// The bytes of a slot, and of those the ones before its indexes.
    slot_bytes: usize,
    line_bytes: usize,
    slot_capacity: usize,
    owners: Part,
}

/// A part of the mapping: so many items from a place on. It was looked at once whether they are all in the mapping and
/// aligned, so that this need not be done with each access.
#[derive(Clone, Copy, Debug)]
struct Part {
    start: *const u8,
    items: usize,
}

// SAFETY: the pointer shows into the mapping that stands beside it, and what it is used for is atomic access alone.
#[allow(unsafe_code)]
unsafe impl Send for Part {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Part {}

impl Memory {
    /// Cuts a mapping; `None` where the parts do not lie in it.
    fn cut(mapping: Mapping, layout: &Layout) -> Option<Self> {
        let sizes = layout.sizes();
        let slot_bytes = usize::try_from(sizes.slot_bytes()).ok()?;
        let slots = sizes.slots as usize;
        let slots_offset = layout.slot_offset(0)?;
        let line_bytes = usize::try_from(layout.indexes_offset(0)? - slots_offset).ok()?;
        let slot_capacity = sizes.slot_capacity as usize;
        if slot_capacity.checked_mul(4)?.checked_add(line_bytes)? > slot_bytes {
            return None;
        }
        let records = usize::from(layout.own_number());
        let records_offset = layout.record_offset(1)?;
        Some(Self {
            common: Part::new(&mapping, layout.common_offset(), 1, common::WORDS * 8)?,
            records: Part::new(&mapping, records_offset, records, record::WORDS * 8)?,
            slot_words: Part::new(&mapping, layout.slot_words_offset(), slots, 8)?,
            slots: Part::new(&mapping, slots_offset, slots, slot_bytes)?,
            slot_bytes,
            line_bytes,
            slot_capacity,
            owners: Part::new(&mapping, layout.owners_offset(), sizes.segments as usize, 8)?,
            mapping,
        })
    }

    #[inline]
    #[allow(unsafe_code)]
    pub(super) fn owners(&self) -> &[AtomicU64] {
        // SAFETY: the part has so many words, which live as long as the mapping beside it; any bytes are a word, and
        // whoever else writes them makes them no less atomic.
        unsafe { std::slice::from_raw_parts(self.owners.start.cast(), self.owners.items) }
    }

    #[inline]
    #[allow(unsafe_code)]
    pub(super) fn slot_words(&self) -> &[AtomicU64] {
        // SAFETY: as for `owners`.
        unsafe { std::slice::from_raw_parts(self.slot_words.start.cast(), self.slot_words.items) }
    }

    #[inline]
    #[allow(unsafe_code)]
    pub(super) fn records(&self) -> &[[AtomicU64; record::WORDS]] {
        // SAFETY: as for `owners`; an array of words is words in a row.
        unsafe { std::slice::from_raw_parts(self.records.start.cast(), self.records.items) }
    }

    #[inline]
    #[allow(unsafe_code)]
    pub(super) fn common(&self) -> Option<&[AtomicU64; common::WORDS]> {
        // SAFETY: as for `records`.
        let parts: &[[AtomicU64; common::WORDS]] =
            unsafe { std::slice::from_raw_parts(self.common.start.cast(), self.common.items) };
        parts.first()
    }

    #[inline]
    #[allow(unsafe_code)]
    pub(super) fn slot(&self, slot: u32) -> Option<(&AtomicU32, &[AtomicU32])> {
        let slot = slot as usize;
        if slot >= self.slots.items {
            return None;
        }
        let start = self.slots.start.wrapping_add(slot * self.slot_bytes);
        let indexes = start.wrapping_add(self.line_bytes).cast();
        // SAFETY: the part has more slots than this number, and a slot has room for one word at its beginning and for so
        // many indexes after the first line, as was looked at when the mapping was cut; for the rest as for `owners`.
        unsafe {
            Some((
                &*start.cast(),
                std::slice::from_raw_parts(indexes, self.slot_capacity),
            ))
        }
    }
}

impl Part {
    /// So many items of so many bytes each from `offset` on, if they are all in the mapping.
    fn new(mapping: &Mapping, offset: u64, items: usize, item_bytes: usize) -> Option<Self> {
        let offset = usize::try_from(offset).ok()?;
        let end = items.checked_mul(item_bytes)?.checked_add(offset)?;
        let is_aligned = offset.is_multiple_of(8) && item_bytes.is_multiple_of(8);
        (end <= mapping.length() && is_aligned).then(|| Self {
            start: mapping.start().as_ptr().wrapping_add(offset),
            items,
        })
    }
}

impl Control {
    /// Reads the header of a file that somebody else made.
    pub(in crate::pool::shared) fn open(mapping: Mapping) -> Result<Self, LayoutError> {
        let control_bytes = mapping.length() as u64;
        Layout::check_length(control_bytes)?;
        let mut header = [0; HEADER_WORDS];
        for (value, word) in header.iter_mut().zip(first_words(&mapping)) {
            *value = word.load(Ordering::Acquire);
        }
        let layout = Layout::read(&header, control_bytes)?;
        Self::cut(mapping, layout)
    }

    /// Makes a file of zeroes a control file with all segments in the depot. The word by which it is known as one is
    /// written last, so that a file that was not finished is none.
    pub(in crate::pool::shared) fn create(
        mapping: Mapping,
        layout: Layout,
    ) -> Result<Self, LayoutError> {
        let control = Self::cut(mapping, layout)?;
        control.fill();
        let header = first_words(&control.memory.mapping);
        for (word, value) in header.iter().zip(layout.header()).rev() {
            word.store(value, Ordering::Release);
        }
        Ok(control)
    }

    fn cut(mapping: Mapping, layout: Layout) -> Result<Self, LayoutError> {
        let length = mapping.length() as u64;
        layout.check_control_bytes(length)?;
        let memory = Memory::cut(mapping, &layout).ok_or(LayoutError::TooShort {
            length,
            header: layout.control_bytes(),
        })?;
        Ok(Self { layout, memory })
    }

    /// Writes a word, wherever it is, as anybody could.
    #[cfg(test)]
    pub(in crate::pool::shared) fn scribble(&self, word: u64, value: u64) {
        first_words(&self.memory.mapping)[word as usize].store(value, Ordering::Relaxed);
    }

    /// Writes words over the beginning of a file: of a copy that is to be looked at.
    pub(in crate::pool::shared) fn write_over(
        mapping: &Mapping,
        words: impl IntoIterator<Item = u64>,
    ) {
        for (place, word) in first_words(mapping).iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
    }
}

/// The words at the beginning of a file, of which there may be few.
#[allow(unsafe_code)]
fn first_words(mapping: &Mapping) -> &[AtomicU64] {
    let words = mapping.length() / 8;
    // SAFETY: so many words are in the mapping, which is borrowed for as long as they are, and which begins on a page; for
    // the rest as for `Memory::owners`.
    unsafe { std::slice::from_raw_parts(mapping.start().as_ptr().cast_const().cast(), words) }
}

/// The mapped bytes of a data file, to be copied in and out.
///
/// There is no slice of them: another process may change them at any time, and a slice would promise otherwise.
#[derive(Debug)]
pub struct Data {
    mapping: Mapping,
    segment_bytes: usize,
}

impl Data {
    pub(in crate::pool::shared) fn new(
        mapping: Mapping,
        layout: &Layout,
    ) -> Result<Self, LayoutError> {
        layout.check_data_bytes(mapping.length() as u64)?;
        let segment_bytes = layout.sizes().segment_bytes as usize;
        Ok(Self {
            mapping,
            segment_bytes,
        })
    }

    /// Where `length` bytes of a segment from `offset` on lie, if they are all in it.
    #[inline]
    pub(in crate::pool::shared) fn place(
        &self,
        segment: u32,
        offset: usize,
        length: usize,
    ) -> Option<*mut u8> {
        let end = offset.checked_add(length)?;
        let start = self.segment_bytes.checked_mul(segment as usize)?;
        let is_inside =
            end <= self.segment_bytes && start.checked_add(end)? <= self.mapping.length();
        is_inside.then(|| self.mapping.start().as_ptr().wrapping_add(start + offset))
    }

    /// Copies bytes of a segment out; `false` if they are not all in it.
    #[inline]
    #[must_use]
    #[allow(unsafe_code)]
    pub(in crate::pool::shared) fn read(
        &self,
        segment: u32,
        offset: usize,
        into: &mut [u8],
    ) -> bool {
        let Some(place) = self.place(segment, offset, into.len()) else {
            return false;
        };
        // SAFETY: the source lies in the mapping, which lives as long as `self`; `into` is private memory and does not
        // overlap it. Only the segment's owner may write meanwhile, and that is the caller; a process that breaks this
        // rule makes the bytes arbitrary, which bytes may be.
        unsafe { std::ptr::copy_nonoverlapping(place, into.as_mut_ptr(), into.len()) };
        true
    }

    /// Copies bytes into a segment; `false` if they do not all fit.
    #[inline]
    #[must_use]
    #[allow(unsafe_code)]
    pub(in crate::pool::shared) fn write(&self, segment: u32, offset: usize, from: &[u8]) -> bool {
        let Some(place) = self.place(segment, offset, from.len()) else {
            return false;
        };
        // SAFETY: as for `read`, the other way; the mapping was made writable.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), place, from.len()) };
        true
    }
}
