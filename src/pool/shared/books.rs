//! The agent's own record of the owner words, which no client can touch.
//!
//! It tells two things that the control file cannot: since when a holding lasts, and whether somebody set a word back.

use std::time::Instant;

use super::census::{Census, Finding};
use super::words::OwnerWord;

/// Each segment's word as it was seen last, and when it was first seen like that.
#[derive(Debug, Default)]
pub(super) struct Books {
    entries: Vec<(OwnerWord, Instant)>,
}

impl Books {
    /// Enters a census, and answers which words went back. Those keep their entries.
    pub(super) fn enter(&mut self, census: &Census, now: Instant) -> Vec<Finding> {
        if self.entries.len() != census.words.len() {
            self.entries = census.words.iter().map(|&word| (word, now)).collect();
            return Vec::new();
        }
        let mut findings = Vec::new();
        for (segment, (entry, &word)) in (0..).zip(self.entries.iter_mut().zip(&census.words)) {
            if entry.0 == word {
                continue;
            }
            if word.is_after(entry.0) {
                *entry = (word, now);
            } else {
                findings.push(Finding::Backwards {
                    segment,
                    before: entry.0,
                    now: word,
                });
            }
        }
        findings
    }

    /// Who holds something, and since when, as far as it was seen; one item for each segment.
    pub(super) fn holdings(&self) -> impl Iterator<Item = (u16, Instant)> {
        self.entries
            .iter()
            .filter(|(word, _)| !word.is_free())
            .map(|(word, since)| (word.owner(), *since))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Books, Census, Finding, OwnerWord};

    fn census(words: &[OwnerWord]) -> Census {
        Census {
            words: words.to_vec(),
            places: Vec::new(),
            slot_owners: Vec::new(),
            met: Vec::new(),
            findings: Vec::new(),
        }
    }

    #[test]
    fn a_holding_lasts_until_the_word_changes() {
        let (free, start) = (OwnerWord::from_bits(0), Instant::now());
        let later = |seconds| start + Duration::from_secs(seconds);
        let held = free.taken_by(3);
        let mut books = Books::default();
        assert_eq!(books.enter(&census(&[free, held]), start), []);
        assert_eq!(books.enter(&census(&[held, held]), later(1)), []);
        let holdings = |books: &Books| books.holdings().collect::<Vec<_>>();
        assert_eq!(holdings(&books), [(3, later(1)), (3, start)]);
        let again = held.released().taken_by(3);
        assert_eq!(books.enter(&census(&[held, again]), later(2)), []);
        assert_eq!(holdings(&books), [(3, later(1)), (3, later(2))]);
    }

    #[test]
    fn a_word_that_went_back_is_told_until_it_is_mended() {
        let now = Instant::now();
        let held = OwnerWord::from_bits(0).taken_by(3);
        let zero = OwnerWord::from_bits(0);
        let mut books = Books::default();
        books.enter(&census(&[held]), now);
        let finding = Finding::Backwards {
            segment: 0,
            before: held,
            now: zero,
        };
        assert_eq!(books.enter(&census(&[zero]), now), [finding]);
        assert_eq!(books.enter(&census(&[zero]), now), [finding]);
        assert_eq!(books.enter(&census(&[held.released()]), now), []);
        // A word of another owner at the same generation cannot be: each taking raises it.
        let other = OwnerWord::from_bits(held.bits() + (1 << 48));
        books.enter(&census(&[held.released().taken_by(1)]), now);
        assert_eq!(books.enter(&census(&[other]), now).len(), 1);
    }
}
