//! The books of a manager, behind its one lock: who has which pages since when, and which are free.
//!
//! Pages that an owner has form a list through the table of pages, the newest first, so that taking, giving back and
//! taking everything away are a few stores per page, and the oldest page is found at once. Pages that come back one by
//! one lie on a stack in front of the extents, because those who take single pages want the warm one that came last; the
//! stack is put in order only when somebody asks for an extent.

use std::{
    collections::HashMap,
    num::NonZeroU64,
    ops::AddAssign,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    owner::{Holder, HoldingKind, OwnerId},
    page::{PageMemory, Retired},
};
use crate::{
    bytes::Bytes,
    pool::extent::{Extent, Fit, FreeExtents, FreeSpace},
};

/// No page, no owner.
const NONE: u32 = u32::MAX;

/// When something was taken, in nanoseconds and one; `None` when nobody had told the time, which sorts before all times.
pub(super) type Taken = Option<NonZeroU64>;

/// Who has which pages, and which are free.
#[derive(Debug)]
pub(super) struct Books {
    owners: Vec<OwnerEntry>,
    vacant: Vec<u32>,
    /// By page, as far as pages have ever been taken. What is said of an extent stands at its first page.
    pages: Vec<PageEntry>,
    /// Free pages that came back one by one, the last on top, those that lie side by side together.
    single: Vec<Extent>,
    /// All other free pages.
    extents: FreeExtents,
    /// Pages that were taken away while they were accessed, by the first page.
    lingering: HashMap<u32, Lingering>,
    /// What nobody had released at the shutdown.
    lost: Vec<Lost>,
    page_size: usize,
}

#[derive(Debug)]
struct OwnerEntry {
    /// 0 while the place is vacant.
    serial: u64,
    label: Arc<str>,
    /// Its memory is being taken away, so it gets no more.
    is_condemned: bool,
    /// Holds memory on behalf of a shared resource, whose leases decide when it goes.
    is_resource: bool,
    newest: u32,
    oldest: u32,
    pages: u32,
    reserved: Bytes,
    reserved_since: Taken,
}

#[derive(Clone, Copy, Debug)]
struct PageEntry {
    owner: u32,
    /// The next older one of the owner.
    older: u32,
    newer: u32,
    /// How many pages the extent has that starts here.
    pages: u32,
    taken: Taken,
}

#[derive(Debug)]
struct Lingering {
    label: Arc<str>,
    pages: u32,
    taken: Taken,
}

#[derive(Debug)]
struct Lost {
    label: Arc<str>,
    reserved: Bytes,
    since: Taken,
}

/// What became of pages that their owner no longer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    /// Pages that are free now. Their bytes go back to the budget.
    pub(super) freed: u32,
    /// Pages that are still accessed. Their bytes stay taken.
    pub(super) lingering: u32,
}

impl AddAssign for Dropped {
    fn add_assign(&mut self, other: Self) {
        self.freed += other.freed;
        self.lingering += other.lingering;
    }
}

impl Books {
    pub(super) fn new(total_pages: u32, page_size: usize) -> Self {
        Self {
            owners: Vec::new(),
            vacant: Vec::new(),
            pages: Vec::new(),
            single: Vec::new(),
            extents: FreeExtents::new(total_pages),
            lingering: HashMap::new(),
            lost: Vec::new(),
            page_size,
        }
    }

    // Owners.

    pub(super) fn register(&mut self, label: Arc<str>, is_resource: bool) -> OwnerId {
        static SERIALS: AtomicU64 = AtomicU64::new(1);
        let serial = SERIALS.fetch_add(1, Ordering::Relaxed);
        let entry = OwnerEntry {
            serial,
            label,
            is_condemned: false,
            is_resource,
            newest: NONE,
            oldest: NONE,
            pages: 0,
            reserved: Bytes::ZERO,
            reserved_since: None,
        };
        let index = match self.vacant.pop() {
            Some(index) => {
                self.owners[index as usize] = entry;
                index
            }
            None => {
                self.owners.push(entry);
                // Of 2^32 owners at once the labels alone would not fit into memory.
                u32::try_from(self.owners.len() - 1).unwrap_or(NONE)
            }
        };
        OwnerId { serial, index }
    }

    /// Where an owner is kept that may be given memory.
    pub(super) fn owner(&self, owner: OwnerId) -> Option<u32> {
        self.known(owner)
            .filter(|index| !self.owners[*index as usize].is_condemned)
    }

    /// Where an owner is kept.
    fn known(&self, owner: OwnerId) -> Option<u32> {
        let entry = self.owners.get(owner.index as usize)?;
        (entry.serial == owner.serial).then_some(owner.index)
    }

    /// From now on the owner gets no more memory.
    pub(super) fn condemn(&mut self, owner: OwnerId) -> bool {
        let known = self.known(owner);
        if let Some(index) = known {
            self.owners[index as usize].is_condemned = true;
        }
        known.is_some()
    }

    /// Strikes out an owner, who has no pages any more, and returns the bytes that it had reserved.
    pub(super) fn remove(&mut self, owner: OwnerId) -> Bytes {
        let Some(index) = self.known(owner) else {
            return Bytes::ZERO;
        };
        let entry = &mut self.owners[index as usize];
        debug_assert_eq!(
            entry.pages, 0,
            "the pages of {} are released first",
            entry.label
        );
        entry.serial = 0;
        entry.label = Arc::default();
        self.vacant.push(index);
        std::mem::take(&mut entry.reserved)
    }

    /// The owners whose memory may be taken away when they are no longer alive.
    pub(super) fn sweepable(&self) -> Vec<OwnerId> {
        let owners = (0_u32..).zip(&self.owners);
        owners
            .filter(|(_, entry)| entry.serial != 0 && !entry.is_resource)
            .map(|(index, entry)| OwnerId {
                serial: entry.serial,
                index,
            })
            .collect()
    }

    // Reservations.

    pub(super) fn add_reservation(&mut self, owner: u32, bytes: Bytes, now: Taken) {
        let entry = &mut self.owners[owner as usize];
        if entry.reserved == Bytes::ZERO {
            entry.reserved_since = now;
        }
        entry.reserved = entry.reserved.saturating_add(bytes);
    }

    /// Lowers a reservation by at most what there is of it, and says by how much.
    pub(super) fn lower_reservation(&mut self, owner: OwnerId, at_most: Bytes) -> Bytes {
        let Some(index) = self.known(owner) else {
            return Bytes::ZERO;
        };
        let entry = &mut self.owners[index as usize];
        let released = entry.reserved.min(at_most);
        entry.reserved = entry.reserved.saturating_sub(released);
        released
    }

    // Pages.

    /// Some free page; `None` when none is free, which the budget excludes.
    pub(super) fn take_page(&mut self) -> Option<u32> {
        if self.single.is_empty() {
            // A stride of pages at once, since the extents cost more than the stack.
            let stride = self.extents.take_some(64)?;
            self.single.push(stride);
        }
        let top = self.single.last_mut()?;
        let page = top.start;
        top.start += 1;
        top.pages -= 1;
        if top.pages == 0 {
            self.single.pop();
        }
        Some(page)
    }

    /// Lays a page on the stack, joined with the pages on top if it lies beside them.
    fn lay(&mut self, page: u32) {
        match self.single.last_mut() {
            Some(top) if page + 1 == top.start => {
                top.start = page;
                top.pages += 1;
            }
            Some(top) if top.start + top.pages == page => top.pages += 1,
            _ => self.single.push(Extent {
                start: page,
                pages: 1,
            }),
        }
    }

    /// Pages that lie side by side.
    pub(super) fn take_extent(&mut self, pages: u32, fit: Fit) -> Option<Extent> {
        self.put_in_order();
        self.extents.take(pages, fit)
    }

    /// What is free, and how much of it lies together.
    pub(super) fn free_space(&mut self) -> FreeSpace {
        self.put_in_order();
        self.extents.free_space()
    }

    fn put_in_order(&mut self) {
        while let Some(run) = self.single.pop() {
            self.free_extent(run);
        }
    }

    fn free_extent(&mut self, extent: Extent) {
        let released = self.extents.release(extent);
        debug_assert!(released.is_ok(), "{extent:?} was taken");
    }

    /// Enters an extent that was taken for an owner.
    pub(super) fn enter(&mut self, owner: u32, Extent { start, pages }: Extent, taken: Taken) {
        let reach = start as usize + 1;
        if reach > self.pages.len() {
            let nobody = PageEntry {
                owner: NONE,
                older: NONE,
                newer: NONE,
                pages: 0,
                taken: None,
            };
            self.pages.resize(reach.next_power_of_two(), nobody);
        }
        let entry = &mut self.owners[owner as usize];
        let older = std::mem::replace(&mut entry.newest, start);
        entry.pages += pages;
        if older == NONE {
            entry.oldest = start;
        } else {
            self.pages[older as usize].newer = start;
        }
        self.pages[start as usize] = PageEntry {
            owner,
            older,
            newer: NONE,
            pages,
            taken,
        };
    }

    /// Strikes an extent, whose word was retired, out of its owner's list, and says what became of its pages.
    pub(super) fn strike(&mut self, start: u32, retired: Retired) -> Dropped {
        let PageEntry {
            owner,
            older,
            newer,
            pages,
            taken,
        } = self.pages[start as usize];
        let entry = &mut self.owners[owner as usize];
        entry.pages -= pages;
        match newer {
            NONE => entry.newest = older,
            newer => self.pages[newer as usize].older = older,
        }
        match older {
            NONE => entry.oldest = newer,
            older => self.pages[older as usize].newer = newer,
        }
        match retired {
            Retired::Free => {
                self.free(Extent { start, pages });
                Dropped {
                    freed: pages,
                    lingering: 0,
                }
            }
            Retired::Lingering => {
                let label = Arc::clone(&entry.label);
                self.lingering.insert(
                    start,
                    Lingering {
                        label,
                        pages,
                        taken,
                    },
                );
                Dropped {
                    freed: 0,
                    lingering: pages,
                }
            }
        }
    }

    /// Takes away the newest extents of an owner, at most this many of them, and says whether none is left.
    pub(super) fn take_away(
        &mut self,
        owner: OwnerId,
        memory: &PageMemory,
        at_most: usize,
    ) -> (Dropped, bool) {
        let mut dropped = Dropped::default();
        let Some(index) = self.known(owner) else {
            return (dropped, true);
        };
        for _ in 0..at_most {
            let newest = self.owners[index as usize].newest;
            if newest == NONE {
                return (dropped, true);
            }
            dropped += self.strike(newest, memory.word(newest).retire());
        }
        (dropped, false)
    }

    /// Takes a lingering extent back, whose last access has ended, and says how many pages it has.
    pub(super) fn end_lingering(&mut self, start: u32, memory: &PageMemory) -> u32 {
        let Some(Lingering { pages, .. }) = self.lingering.remove(&start) else {
            return 0;
        };
        memory.word(start).finish_lingering();
        self.free(Extent { start, pages });
        pages
    }

    fn free(&mut self, extent: Extent) {
        if extent.pages == 1 {
            self.lay(extent.start);
        } else {
            self.free_extent(extent);
        }
    }

    // The shutdown, and reports.

    /// Forgets all reservations without returning their bytes, as Flink does.
    pub(super) fn lose_reservations(&mut self) {
        for entry in self
            .owners
            .iter_mut()
            .filter(|entry| entry.reserved > Bytes::ZERO)
        {
            self.lost.push(Lost {
                label: Arc::clone(&entry.label),
                reserved: std::mem::take(&mut entry.reserved),
                since: entry.reserved_since,
            });
        }
    }

    /// All owners, those of shared resources as well.
    pub(super) fn all_owners(&self) -> Vec<OwnerId> {
        let owners = (0_u32..).zip(&self.owners);
        owners
            .filter(|(_, entry)| entry.serial != 0)
            .map(|(index, entry)| OwnerId {
                serial: entry.serial,
                index,
            })
            .collect()
    }

    /// What an owner holds.
    pub(super) fn holder(&self, owner: OwnerId, now: Taken) -> Option<Holder> {
        self.known(owner)
            .map(|index| self.holder_at(index as usize, now))
    }

    fn holder_at(&self, index: usize, now: Taken) -> Holder {
        let entry = &self.owners[index];
        let oldest_page = (entry.oldest != NONE).then(|| self.pages[entry.oldest as usize].taken);
        let reservation = (entry.reserved > Bytes::ZERO).then_some(entry.reserved_since);
        let oldest = oldest_page.into_iter().chain(reservation).min();
        Holder {
            label: Arc::clone(&entry.label),
            kind: HoldingKind::Held,
            pages: entry.pages,
            page_bytes: self.bytes_of(entry.pages),
            reserved: entry.reserved,
            age: oldest.and_then(|taken| age(now, taken)),
        }
    }

    /// Everyone who holds anything.
    pub(super) fn holders(&self, now: Taken) -> Vec<Holder> {
        let held = (0..self.owners.len())
            .filter(|index| {
                let entry = &self.owners[*index];
                entry.serial != 0 && (entry.pages > 0 || entry.reserved > Bytes::ZERO)
            })
            .map(|index| self.holder_at(index, now));
        let lingering = self.lingering.values().map(|lingering| Holder {
            label: Arc::clone(&lingering.label),
            kind: HoldingKind::StillPinned,
            pages: lingering.pages,
            page_bytes: self.bytes_of(lingering.pages),
            reserved: Bytes::ZERO,
            age: age(now, lingering.taken),
        });
        let lost = self.lost.iter().map(|lost| Holder {
            label: Arc::clone(&lost.label),
            kind: HoldingKind::LostAtShutdown,
            pages: 0,
            page_bytes: Bytes::ZERO,
            reserved: lost.reserved,
            age: age(now, lost.since),
        });
        held.chain(lingering).chain(lost).collect()
    }

    pub(super) fn bytes_of(&self, pages: u32) -> Bytes {
        Bytes(u64::from(pages) * self.page_size as u64)
    }
}

fn age(now: Taken, taken: Taken) -> Option<Duration> {
    Some(Duration::from_nanos(
        now?.get().saturating_sub(taken?.get()),
    ))
}
