//! The word of a page: whether it may be accessed, by the handle of which issue, and whether it is accessed right now.

use crate::pool::sync::atomic::{AtomicU64, Ordering};

/// Somebody accesses the page.
const PINNED: u64 = 1;
/// The page was taken away from its handle, which somebody still accesses.
const RETIRED: u64 = 2;
/// One issue of the page, in the bits above the flags. There are 2^62 of them, more than can ever be used up, so that
/// no handle of an old issue ever fits a later one.
const ISSUE: u64 = 4;

/// The state of one page, or of an extent in the word of its first page.
///
/// Pinning and unpinning is done by whoever has the page's handle; everything else under the manager's lock. All zeros
/// is the word of a page that was never issued.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), repr(transparent))]
pub(in crate::pool::memory_manager) struct PageWord(AtomicU64);

/// What became of a page that was taken away from its handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool::memory_manager) enum Retired {
    /// Nobody accesses it. It may be issued again.
    Free,
    /// Somebody accesses it at this instant and will return it, by [`PageWord::unpin`].
    Lingering,
}

impl PageWord {
    /// The issue that a handle made now belongs to. Only under the manager's lock, for a page that nobody has.
    pub(in crate::pool::memory_manager) fn issue(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether a handle of this issue still has the page.
    pub(super) fn is_issued(&self, issue: u64) -> bool {
        self.0.load(Ordering::Relaxed) & !PINNED == issue
    }

    /// Begins an access by the handle of an issue. `false` when the page is no longer that handle's, or is pinned
    /// already, which only a pin that was forgotten can bring about.
    pub(super) fn pin(&self, issue: u64) -> bool {
        self.0
            .compare_exchange(issue, issue | PINNED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Ends an access. `true` when the page was taken away meanwhile: the caller has to return it.
    pub(super) fn unpin(&self) -> bool {
        self.0.fetch_and(!PINNED, Ordering::AcqRel) & RETIRED != 0
    }

    /// Takes a page away from its handle, wherever that is. Only under the manager's lock, for a page that is issued.
    pub(in crate::pool::memory_manager) fn retire(&self) -> Retired {
        // What a former access wrote happens before what the next owner does: the former unpinned by a release.
        let before = self.0.fetch_or(RETIRED, Ordering::AcqRel);
        if before & PINNED == 0 {
            self.finish(before);
            Retired::Free
        } else {
            Retired::Lingering
        }
    }

    /// Takes a page back from its own handle, which its caller holds, so that nobody can pin it now. `None` when the
    /// page was not that handle's any more. Only under the manager's lock.
    pub(in crate::pool::memory_manager) fn give_back(&self, issue: u64) -> Option<Retired> {
        let now = self.0.load(Ordering::Acquire);
        if now == issue {
            self.finish(now);
            Some(Retired::Free)
        } else if now == issue | PINNED {
            // A pin was forgotten. Whoever forgot it may still hold the bytes, so they are never issued again.
            Some(self.retire())
        } else {
            None
        }
    }

    /// Makes a retired page, whose last access ended, ready for its next issue. Only under the manager's lock.
    pub(in crate::pool::memory_manager) fn finish_lingering(&self) {
        self.finish(self.0.load(Ordering::Relaxed));
    }

    fn finish(&self, word: u64) {
        let issue = word & !(PINNED | RETIRED);
        self.0.store(issue + ISSUE, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::{PageWord, Retired};

    #[test]
    fn a_page_that_is_taken_away_is_closed_to_its_handle() {
        let word = PageWord::default();
        let issue = word.issue();
        assert!(word.is_issued(issue) && word.pin(issue) && word.is_issued(issue));
        assert!(!word.unpin());
        assert_eq!(word.retire(), Retired::Free);
        assert!(!word.pin(issue) && !word.is_issued(issue));
        assert_eq!(word.give_back(issue), None);
        let next = word.issue();
        assert!(word.pin(next));
        assert!(!word.unpin());
        assert_eq!(word.give_back(next), Some(Retired::Free));
        assert!(!word.pin(next));
    }

    #[test]
    fn a_page_that_is_accessed_lingers_until_the_access_ends() {
        let word = PageWord::default();
        let issue = word.issue();
        assert!(word.pin(issue));
        assert_eq!(word.retire(), Retired::Lingering);
        assert!(!word.is_issued(issue));
        assert!(word.unpin());
        assert!(!word.pin(issue));
        assert_eq!(word.give_back(issue), None);
        word.finish_lingering();
        assert!(word.pin(word.issue()));
    }

    #[test]
    fn a_page_whose_pin_was_forgotten_is_not_issued_again() {
        let word = PageWord::default();
        let issue = word.issue();
        assert!(word.pin(issue));
        assert_eq!(word.give_back(issue), Some(Retired::Lingering));
        assert!(!word.pin(issue));
    }
}
