//! Where every segment is, found out without stopping anybody.
//!
//! The owner words are read twice, and the slots in between. A generation is never given twice and rises with each
//! taking, so a segment whose word was free and the same both times was free all the while; it lay in one place of one
//! slot all the while, whoever had the slot, and the reading in between must have met it there exactly once. What
//! changed between the two readings is in somebody's hands, and is left for the next census.

use super::memory::{AtomicU64, Control, Ordering, fence};
use super::words::{OwnerWord, SlotWord};

/// Where one segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A client holds it.
    Held(u16),
    /// It lies in this slot.
    Lying(u32),
    /// It changed hands during the census.
    Moving,
    /// It is nobody's and nowhere.
    Lost,
    /// It is held by nobody who lives.
    Orphaned,
}

/// Something that no client that keeps to the protocol can cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A slot's count is larger than the slot.
    #[error("slot {slot} of owner {owner} says it holds {count} segments")]
    Count {
        /// The slot.
        slot: u32,
        /// Who has it; 0 is the depot.
        owner: u16,
        /// What it says.
        count: u32,
    },
    /// A slot's owner is not alive.
    #[error("slot {slot} belongs to {owner}, who is no client")]
    SlotOwner {
        /// The slot.
        slot: u32,
        /// Whose it is said to be.
        owner: u16,
    },
    /// An index is not one of a segment.
    #[error("slot {slot} of owner {owner} holds the index {index} of no segment")]
    Index {
        /// The slot.
        slot: u32,
        /// Who has it; 0 is the depot.
        owner: u16,
        /// What lies in it.
        index: u32,
    },
    /// A segment lies in a slot and is held by somebody who does not have the slot.
    #[error("slot {slot} of owner {owner} holds segment {segment}, which client {holder} has")]
    Held {
        /// The slot.
        slot: u32,
        /// Who has it; 0 is the depot.
        owner: u16,
        /// The segment.
        segment: u32,
        /// Who has the segment.
        holder: u16,
    },
    /// A segment lies in two places.
    #[error("segment {segment} lies in slot {slot} of owner {owner} and elsewhere")]
    Doubled {
        /// One of the slots.
        slot: u32,
        /// Who has it; 0 is the depot.
        owner: u16,
        /// The segment.
        segment: u32,
    },
    /// A segment is nobody's and nowhere.
    #[error("segment {segment} was lost")]
    Lost {
        /// The segment.
        segment: u32,
    },
    /// A segment's owner is not alive.
    #[error("segment {segment} belongs to {owner}, who is no client")]
    Orphaned {
        /// The segment.
        segment: u32,
        /// Whose it is said to be.
        owner: u16,
    },
    /// A segment's generation is lower than it was.
    #[error("the owner word of segment {segment} went back from {before:?} to {now:?}")]
    Backwards {
        /// The segment.
        segment: u32,
        /// Its owner and generation before.
        before: OwnerWord,
        /// Its owner and generation now.
        now: OwnerWord,
    },
    /// A client's record is not what the agent wrote.
    #[error("the record of client {number} was written over")]
    Record {
        /// The client.
        number: u16,
    },
}

impl Finding {
    /// The client in whose own part of the control file it was found; 0 if it is nobody's.
    #[must_use]
    pub fn culprit(&self) -> u16 {
        match *self {
            Self::Count { owner, .. }
            | Self::Index { owner, .. }
            | Self::Held { owner, .. }
            | Self::Doubled { owner, .. } => owner,
            Self::SlotOwner { .. }
            | Self::Lost { .. }
            | Self::Orphaned { .. }
            | Self::Backwards { .. }
            | Self::Record { .. } => 0,
        }
    }
}

/// Where all segments were.
#[derive(Debug)]
pub(super) struct Census {
    /// The owner words as they were last.
    pub(super) words: Vec<OwnerWord>,
    /// Where each segment was.
    pub(super) places: Vec<Place>,
    /// Who had each slot; 0 is the depot.
    pub(super) slot_owners: Vec<u16>,
    /// In which slot each segment was met, whoever holds it; [`NOWHERE`] for most of those that are held.
    pub(super) met: Vec<u32>,
    /// What must not be.
    pub(super) findings: Vec<Finding>,
}

/// The number of no slot.
pub(super) const NOWHERE: u32 = u32::MAX;

impl Census {
    /// Takes the census. `is_alive` knows the clients and the pool itself.
    pub(super) fn take(control: &Control, is_alive: impl Fn(u16) -> bool) -> Self {
        let before = read(control.owners());
        let again = || {
            // What was read so far was read before what comes.
            fence(Ordering::Acquire);
            read(control.owners())
        };
        Self::between(before, control, again, is_alive)
    }

    /// Takes the census of slots that are read after the owner words `before` were, and before `read_again` reads
    /// them once more.
    pub(super) fn between(
        before: Vec<OwnerWord>,
        control: &Control,
        read_again: impl FnOnce() -> Vec<OwnerWord>,
        is_alive: impl Fn(u16) -> bool,
    ) -> Self {
        let mut findings = Vec::new();
        let mut met = vec![NOWHERE; before.len()];
        let mut slot_owners = Vec::with_capacity(control.slot_words().len());
        // Where a segment was met again; whether that means anything is known after the second reading.
        let mut again = Vec::new();
        for slot in 0..control.layout().sizes().slots {
            let owner = Self::read_slot(control, slot, &mut findings, |segment| {
                match met.get_mut(segment as usize) {
                    None => return false,
                    Some(met) if *met == NOWHERE => *met = slot,
                    Some(_) => again.push((slot, segment)),
                }
                true
            });
            if owner != 0 && !is_alive(owner) {
                findings.push(Finding::SlotOwner { slot, owner });
            }
            slot_owners.push(owner);
        }
        let words = read_again();
        let mut census = Self {
            places: Vec::with_capacity(words.len()),
            slot_owners,
            met,
            words,
            findings,
        };
        let changes = before.iter().zip(&census.words).zip(&census.met);
        for (segment, ((&was, &is), &slot)) in (0..).zip(changes) {
            let lies_with = census.slot_owners.get(slot as usize).copied();
            let (place, finding) = judge(segment, was, is, slot, lies_with, &is_alive);
            census.places.push(place);
            census.findings.extend(finding);
        }
        for (slot, segment) in again {
            let is_still = before.get(segment as usize) == census.words.get(segment as usize);
            let owner = census.owner_of(slot);
            if is_still {
                census.findings.push(Finding::Doubled {
                    slot,
                    owner,
                    segment,
                });
            }
        }
        census
    }

    /// Who had a slot; 0 is the depot.
    pub(super) fn owner_of(&self, slot: u32) -> u16 {
        self.slot_owners.get(slot as usize).copied().unwrap_or(0)
    }

    /// Reads one slot, calls `meet` for each index, which knows the segments, and answers who has the slot.
    fn read_slot(
        control: &Control,
        slot: u32,
        findings: &mut Vec<Finding>,
        mut meet: impl FnMut(u32) -> bool,
    ) -> u16 {
        let (Some(word), Some(total), Some(indexes)) = (
            control.slot_word(slot),
            control.count(slot),
            control.indexes(slot),
        ) else {
            return 0;
        };
        let found = SlotWord::from_bits(word.load(Ordering::Acquire));
        let owner = found.owner();
        let count = total.load(Ordering::Acquire);
        let is_still = || SlotWord::from_bits(word.load(Ordering::Acquire)) == found;
        let is_wrong = count > control.layout().sizes().slot_capacity
            // Whoever takes a slot from the depot may have changed the count by now.
            || (owner == 0 && count != found.count() && is_still());
        if is_wrong {
            findings.push(Finding::Count { slot, owner, count });
        }
        for place in indexes.iter().take(count as usize) {
            let index = place.load(Ordering::Relaxed);
            // Nobody ever writes an index of no segment, not even for an instant.
            if !meet(index) {
                findings.push(Finding::Index { slot, owner, index });
            }
        }
        owner
    }
}

/// Where a segment is that had the word `was` and then `is`, and that was met in `slot` in between, if at all.
fn judge(
    segment: u32,
    was: OwnerWord,
    is: OwnerWord,
    slot: u32,
    lies_with: Option<u16>,
    is_alive: impl Fn(u16) -> bool,
) -> (Place, Option<Finding>) {
    if was != is {
        return (Place::Moving, None);
    }
    let owner = is.owner();
    if owner == 0 {
        return match lies_with {
            Some(_) => (Place::Lying(slot), None),
            None => (Place::Lost, Some(Finding::Lost { segment })),
        };
    }
    if !is_alive(owner) {
        return (Place::Orphaned, Some(Finding::Orphaned { segment, owner }));
    }
    match lies_with {
        // In the middle of taking or giving back, a segment is both held and in a magazine of its holder.
        Some(with) if with != owner => {
            let finding = Finding::Held {
                slot,
                owner: with,
                segment,
                holder: owner,
            };
            (Place::Held(owner), Some(finding))
        }
        _ => (Place::Held(owner), None),
    }
}

fn read(words: &[AtomicU64]) -> Vec<OwnerWord> {
    words
        .iter()
        .map(|word| OwnerWord::from_bits(word.load(Ordering::Acquire)))
        .collect()
}
