//! Which pages of a range are free, as contiguous extents: taking by first or best fit, coalescing on release.
//!
//! Flink has no counterpart: each of its pages is an allocation of its own, and nobody gets two that lie side by side.
//! Clients that want a contiguous piece (a hash table, a native library) get it here without a copy of their own.
//!
//! Everything is reached through tables by page number, not through trees of extents: the length of each free extent
//! stands at its first and its last page, so that neighbours are found at once when an extent comes back; extents of
//! one length form a list, and a set of bits tells which lengths there are, which is best fit; and the largest length
//! of each group of pages, of each group of groups and so on leads to first fit. The tables reach as far as pages have
//! ever been taken, so a range of which nothing was taken costs nothing.

mod length_set;
mod longest;

use self::{length_set::LengthSet, longest::Longest};

/// No extent.
const NONE: u32 = u32::MAX;

/// Pages that lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// The first page.
    pub start: u32,
    /// How many pages there are, at least one.
    pub pages: u32,
}

/// Which of the free extents that suffice is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// The one at the lowest address. Keeps what is used together at the start of the range, and leaves large extents
    /// at its end.
    First,
    /// The smallest one. Leaves large extents whole, for those who will need them; of several equally small ones any
    /// may be taken.
    #[default]
    Best,
}

/// How much is free, and how much of it lies together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    /// Free pages.
    pub pages: u32,
    /// Pages of the largest free extent: the most that one request can get.
    pub largest: u32,
    /// How many free extents there are.
    pub extents: u32,
}

impl FreeSpace {
    /// The part of the free pages that lies in the largest free extent: 1 when all of it lies together, near 0 when it
    /// is scattered, and 1 when nothing is free, since nothing is scattered then.
    #[must_use]
    pub fn contiguity(&self) -> f64 {
        if self.pages == 0 {
            1.0
        } else {
            f64::from(self.largest) / f64::from(self.pages)
        }
    }
}

/// An extent was released of which not every page is taken. Nothing was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not release {} pages from page {}: not all of them are taken", extent.pages, extent.start)]
pub struct NotTaken {
    /// What was released.
    pub extent: Extent,
}

/// The free extents of a range of pages. No two of them touch.
#[derive(Debug)]
pub struct FreeExtents {
    total: u32,
    free: u32,
    extents: u32,
    /// From here on every page is free. This last extent stands in none of the tables, so that they need not reach
    /// over pages that nobody has used yet.
    untouched: u32,
    /// By page: the length of the free extent that starts there, or 0.
    starting: Longest,
    /// By page: the length of the free extent that ends there, or 0.
    ending: Vec<u32>,
    /// By the first page of a free extent: the next and the previous extent of its length.
    links: Vec<Links>,
    /// By length: the first extent of the list of those.
    heads: Vec<u32>,
    /// The lengths whose list is not empty.
    lengths: LengthSet,
    /// A bit per page below `untouched`: whether it is taken. What comes back is held against it.
    taken: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    next: u32,
    previous: u32,
}

impl FreeExtents {
    /// A range of pages that are all free. Costs nothing, however large the range is.
    #[must_use]
    pub fn new(total_pages: u32) -> Self {
        Self {
            total: total_pages,
            free: total_pages,
            extents: 0,
            untouched: 0,
            starting: Longest::default(),
            ending: Vec::new(),
            links: Vec::new(),
            heads: Vec::new(),
            lengths: LengthSet::default(),
            taken: Vec::new(),
        }
    }

    /// How many pages are free, and how many of them together.
    #[must_use]
    pub fn free_space(&self) -> FreeSpace {
        FreeSpace {
            pages: self.free,
            largest: self.starting.largest().max(self.untouched_pages()),
            extents: self.extents + u32::from(self.untouched_pages() > 0),
        }
    }

    /// Takes an extent of exactly this many pages; `None` when no free extent is that long. Of 0 pages there is no
    /// extent.
    pub fn take(&mut self, pages: u32, fit: Fit) -> Option<Extent> {
        if pages == 0 {
            return None;
        }
        let start = match fit {
            Fit::First => self
                .starting
                .first_at_least(pages)
                .and_then(|start| u32::try_from(start).ok()),
            Fit::Best => self
                .lengths
                .smallest_from(pages)
                .filter(|length| {
                    let untouched = self.untouched_pages();
                    untouched < pages || *length <= untouched
                })
                .map(|length| self.heads[length as usize]),
        };
        match start {
            Some(start) => Some(self.cut(start, pages)),
            None => (self.untouched_pages() >= pages).then(|| self.cut_untouched(pages)),
        }
    }

    /// Takes an extent of at most this many pages, out of the smallest there is, and so uses up scattered pages before
    /// it breaks large extents; `None` when nothing is free or wanted.
    pub fn take_some(&mut self, at_most: u32) -> Option<Extent> {
        if at_most == 0 {
            return None;
        }
        match self.lengths.smallest_from(1) {
            Some(length) => {
                let start = self.heads[length as usize];
                Some(self.cut(start, length.min(at_most)))
            }
            None => {
                let pages = self.untouched_pages().min(at_most);
                (pages > 0).then(|| self.cut_untouched(pages))
            }
        }
    }

    /// Gives back an extent that was taken, or any part of one, and joins it with the free extents that it touches.
    ///
    /// # Errors
    /// A page of it is free already or lies outside of the range; nothing is released then.
    pub fn release(&mut self, extent: Extent) -> Result<(), NotTaken> {
        let Extent { start, pages } = extent;
        let end = start
            .checked_add(pages)
            .filter(|end| pages > 0 && *end <= self.untouched);
        let Some(end) = end.filter(|end| self.all_taken(start, *end)) else {
            return Err(NotTaken { extent });
        };
        self.mark(start, end, false);
        self.free += pages;
        let (mut start, mut end) = (start, end);
        if let Some(length) = start.checked_sub(1).map(|last| self.ending[last as usize])
            && length > 0
        {
            start -= length;
            self.unlink(start, length);
        }
        let behind = self.starting.at(end as usize);
        if behind > 0 {
            self.unlink(end, behind);
            end += behind;
        }
        if end == self.untouched {
            self.untouched = start;
        } else {
            self.link(start, end - start);
        }
        Ok(())
    }

    fn untouched_pages(&self) -> u32 {
        self.total - self.untouched
    }

    /// Takes the first pages of the free extent that starts here.
    fn cut(&mut self, start: u32, pages: u32) -> Extent {
        let length = self.starting.at(start as usize);
        self.unlink(start, length);
        if length > pages {
            self.link(start + pages, length - pages);
        }
        self.taken(Extent { start, pages })
    }

    /// Takes the first of the pages behind all that are or were taken.
    fn cut_untouched(&mut self, pages: u32) -> Extent {
        let start = self.untouched;
        self.untouched += pages;
        let reach = self.untouched as usize;
        if reach > self.ending.len() {
            // In strides, so that pages taken one after the other do not each lengthen seven tables.
            let reach = reach.next_power_of_two().max(64).min(self.total as usize);
            self.ending.resize(reach, 0);
            self.links.resize(
                reach,
                Links {
                    next: NONE,
                    previous: NONE,
                },
            );
            self.heads.resize(reach + 1, NONE);
            self.taken.resize(reach.div_ceil(64), 0);
            self.starting.grow(reach);
            self.lengths
                .grow(u32::try_from(reach).unwrap_or(self.total) + 1);
        }
        self.taken(Extent { start, pages })
    }

    fn taken(&mut self, extent: Extent) -> Extent {
        self.free -= extent.pages;
        self.mark(extent.start, extent.start + extent.pages, true);
        extent
    }

    /// Enters a free extent into the tables.
    fn link(&mut self, start: u32, length: u32) {
        self.starting.set(start as usize, length);
        self.ending[(start + length - 1) as usize] = length;
        let head = std::mem::replace(&mut self.heads[length as usize], start);
        self.links[start as usize] = Links {
            next: head,
            previous: NONE,
        };
        if head == NONE {
            self.lengths.insert(length);
        } else {
            self.links[head as usize].previous = start;
        }
        self.extents += 1;
    }

    /// Strikes a free extent out of the tables.
    fn unlink(&mut self, start: u32, length: u32) {
        self.starting.set(start as usize, 0);
        self.ending[(start + length - 1) as usize] = 0;
        let Links { next, previous } = self.links[start as usize];
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
        if previous != NONE {
            self.links[previous as usize].next = next;
        } else {
            self.heads[length as usize] = next;
            if next == NONE {
                self.lengths.remove(length);
            }
        }
        self.extents -= 1;
    }

    fn all_taken(&self, start: u32, end: u32) -> bool {
        words(start, end).all(|(word, mask)| self.taken[word] & mask == mask)
    }

    fn mark(&mut self, start: u32, end: u32, taken: bool) {
        for (word, mask) in words(start, end) {
            if taken {
                self.taken[word] |= mask;
            } else {
                self.taken[word] &= !mask;
            }
        }
    }
}

/// The words that hold the bits from `start` up to but without `end`, and which bits those are in each.
fn words(start: u32, end: u32) -> impl Iterator<Item = (usize, u64)> {
    let (start, end) = (start as usize, end as usize);
    (start / 64..end.div_ceil(64)).map(move |word| {
        let from = start.saturating_sub(word * 64);
        let to = (end - word * 64).min(64);
        (word, (u64::MAX << from) & (u64::MAX >> (64 - to)))
    })
}
