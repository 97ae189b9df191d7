//! A set of lengths that answers "which is the smallest one from here on" in a few word operations.
//!
//! A bit per length, and above it a bit for each word that is not 0, and so on up to a single word.

/// A set of numbers, most of them small.
#[derive(Debug, Default)]
pub(super) struct LengthSet {
    /// The bits themselves first; each later level has a bit per word of the one before. Words beyond the end of a
    /// level are 0.
    levels: Vec<Vec<u64>>,
}

impl LengthSet {
    /// Makes room for the numbers below `bound`.
    pub(super) fn grow(&mut self, bound: u32) {
        let mut words = (bound as usize).div_ceil(64);
        for level in 0.. {
            if level == self.levels.len() {
                // The new top tells of the one word that was the top so far.
                let below = self
                    .levels
                    .last()
                    .is_some_and(|top| top.first() != Some(&0));
                self.levels.push(vec![u64::from(below)]);
            }
            let level = &mut self.levels[level];
            if level.len() < words {
                level.resize(words, 0);
            }
            if words <= 1 {
                break;
            }
            words = words.div_ceil(64);
        }
    }

    /// Adds a number below the bound.
    pub(super) fn insert(&mut self, number: u32) {
        let mut index = number as usize;
        for level in &mut self.levels {
            let word = &mut level[index / 64];
            let was_empty = *word == 0;
            *word |= 1 << (index % 64);
            if !was_empty {
                break;
            }
            index /= 64;
        }
    }

    /// Removes a number that is in the set.
    pub(super) fn remove(&mut self, number: u32) {
        let mut index = number as usize;
        for level in &mut self.levels {
            let word = &mut level[index / 64];
            *word &= !(1 << (index % 64));
            if *word != 0 {
                break;
            }
            index /= 64;
        }
    }

    /// The smallest number in the set that is not below this one.
    pub(super) fn smallest_from(&self, number: u32) -> Option<u32> {
        let mut index = number as usize;
        for (height, level) in self.levels.iter().enumerate() {
            let word = level.get(index / 64)? & (u64::MAX << (index % 64));
            if word != 0 {
                let mut found = index / 64 * 64 + word.trailing_zeros() as usize;
                for below in self.levels[..height].iter().rev() {
                    found = found * 64 + below[found].trailing_zeros() as usize;
                }
                return u32::try_from(found).ok();
            }
            // Nothing in the rest of this word: go on behind it, one level up.
            index = index / 64 + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::LengthSet;

    #[test]
    fn an_empty_set_has_no_smallest_number() {
        let mut set = LengthSet::default();
        assert_eq!(set.smallest_from(0), None);
        set.grow(64);
        assert_eq!(set.smallest_from(0), None);
        assert_eq!(set.smallest_from(64), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn it_answers_as_an_ordered_set_does(
            steps in prop::collection::vec((0_u32..300_000, 0_u32..300_000), 1..200),
        ) {
            let (mut set, mut model) = (LengthSet::default(), BTreeSet::new());
            let mut bound = 0;
            for (number, from) in steps {
                if number >= bound {
                    bound = number + 1;
                    set.grow(bound);
                }
                if model.insert(number) {
                    set.insert(number);
                } else {
                    model.remove(&number);
                    set.remove(number);
                }
                prop_assert_eq!(set.smallest_from(from), model.range(from..).next().copied());
            }
        }
    }
}
