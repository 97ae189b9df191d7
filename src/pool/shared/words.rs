//! The two words on which the shared pool's safety rests: who has a segment, and who has a slot.
//!
//! Both carry the identity of their owner and a number that rises, in 64 bits that change in one step. Whoever dies
//! leaves behind what was theirs under their name, and who comes late with an old word fails to exchange it.

/// Who has a segment: 16 bits of a client's number, 0 for nobody, and 48 bits of a generation that rises with each
/// taking and each reclaim.
///
/// A generation is never given twice, so a word that reads the same at two instants did not change between them, and a
/// word from an earlier holding never fits again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OwnerWord(u64);

const GENERATION_BITS: u32 = 48;
const GENERATION: u64 = (1 << GENERATION_BITS) - 1;

impl OwnerWord {
    /// The word of a segment that nobody ever had.
    pub const NOBODY: Self = Self(0);

    /// The word as it lies in memory.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As it lies in memory.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The client's number, or 0 for nobody.
    #[must_use]
    pub const fn owner(self) -> u16 {
        (self.0 >> GENERATION_BITS) as u16
    }

    /// How often the segment changed hands.
    #[must_use]
    pub const fn generation(self) -> u64 {
        self.0 & GENERATION
    }

    /// Whether this word can have come after `earlier`: the generation rose, or the segment was given back in the same
    /// one.
    #[must_use]
    pub const fn is_after(self, earlier: Self) -> bool {
        let risen = self.0.wrapping_sub(earlier.0) & GENERATION;
        if risen == 0 {
            self.is_free() && !earlier.is_free()
        } else {
            risen <= GENERATION / 2
        }
    }

    /// Whether nobody has the segment.
    #[must_use]
    pub const fn is_free(self) -> bool {
        self.owner() == 0
    }

    /// The word after `client` took the segment.
    #[must_use]
    pub const fn taken_by(self, client: u16) -> Self {
        Self((client as u64) << GENERATION_BITS | self.0.wrapping_add(1) & GENERATION)
    }

    /// The word after its owner put the segment into a slot.
    #[must_use]
    pub const fn released(self) -> Self {
        Self(self.0 & GENERATION)
    }

    /// The word after the segment was taken away from its owner.
    #[must_use]
    pub const fn reclaimed(self) -> Self {
        self.taken_by(0)
    }
}

impl std::fmt::Debug for OwnerWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.owner(), self.generation())
    }
}

/// Who has a slot: 16 bits of an owner, 0 for the depot, 16 bits of how many indexes are in it, and 32 bits that rise
/// with each exchange.
///
/// The count is exact for slots of the depot. While a client has the slot, the count stands in the slot, where the
/// client alone writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SlotWord(u64);

impl SlotWord {
    /// The word as it lies in memory.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As it lies in memory.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The number of the client that has the slot, or 0 for the depot.
    #[must_use]
    pub const fn owner(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// How many indexes are in it.
    #[must_use]
    pub const fn count(self) -> u32 {
        (self.0 >> 32) as u16 as u32
    }

    /// The word after `owner` got the slot with `count` indexes in it.
    #[must_use]
    pub const fn passed_to(self, owner: u16, count: u32) -> Self {
        let version = (self.0 as u32).wrapping_add(1) as u64;
        Self((owner as u64) << 48 | (count as u16 as u64) << 32 | version)
    }
}

impl std::fmt::Debug for SlotWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}@{}", self.owner(), self.count(), self.0 as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::{OwnerWord, SlotWord};

    #[test]
    fn a_generation_rises_with_each_taking_and_each_reclaim() {
        let fresh = OwnerWord::from_bits(0);
        let taken = fresh.taken_by(7);
        assert_eq!((taken.owner(), taken.generation()), (7, 1));
        let released = taken.released();
        assert_eq!((released.owner(), released.generation()), (0, 1));
        assert_eq!(taken.reclaimed().generation(), 2);
        assert!(taken.reclaimed().is_free());
        assert_eq!(format!("{:?}", released.taken_by(u16::MAX)), "65535@2");
    }

    #[test]
    fn later_words_are_told_from_earlier_ones() {
        let free = OwnerWord::from_bits(0);
        let held = free.taken_by(7);
        assert!(held.is_after(free) && held.released().is_after(held));
        assert!(!free.is_after(held) && !held.is_after(held.released()) && !held.is_after(held));
        assert!(
            free.taken_by(1)
                .is_after(OwnerWord::from_bits((1 << 48) - 1))
        );
    }

    #[test]
    fn the_last_generation_is_followed_by_the_first() {
        assert_eq!(
            OwnerWord::from_bits(u64::MAX).taken_by(3),
            OwnerWord::from_bits(3 << 48)
        );
        let last = OwnerWord::from_bits((1 << 48) - 1);
        assert_eq!(last.taken_by(3), OwnerWord::from_bits(3 << 48));
    }

    #[test]
    fn a_slot_word_never_comes_back_within_32_bits() {
        let word = SlotWord::from_bits(u64::from(u32::MAX));
        let passed = word.passed_to(9, 4096);
        assert_eq!((passed.owner(), passed.count()), (9, 4096));
        assert_eq!(format!("{passed:?}"), "9:4096@0");
        assert_ne!(passed.passed_to(0, 0), word);
    }
}
