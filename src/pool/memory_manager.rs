//! The managed memory of one slot: pages and reservations of bytes, for owners, out of one budget.
//!
//! Mirrors `MemoryManager`. There is one manager per slot and none across slots; slots do not borrow from each other.
//! What differs from Flink, because Rust asks for it or because it is better so:
//! - **Pages are cut from one mapping**, which is made when the first page is wanted, instead of being allocated one by
//!   one. A page takes memory from its first use on, as in Flink; what it takes is given up with the manager, not with
//!   the page. Pages can be had side by side ([`MemoryManager::allocate_extent`]).
//! - **A handle is the only one of its segment**, so nothing is released twice, and dropping it is enough. What an owner
//!   has can be taken away all the same; accesses then fail ([`ManagedSegment::pin`]).
//! - **Owners have names**, and a refusal or a leak says who holds how much since when.
//! - **A request may wait** ([`waiting`]) instead of failing at once.
//! - **What dead owners hold is found** ([`MemoryManager::sweep`]).
//!
//! The budget counts bytes, so what is left of the size beside whole pages can be reserved, but is no page.

#![cfg(target_os = "linux")]

mod books;

mod error;
mod manager_core;
mod owner;
mod page;
mod shared;
mod sweep;
pub mod waiting;

use std::{sync::Arc, time::Duration};

pub use self::{
    error::{AllocationError, CreationError, ManagerShutDown, ReservationError, Shortage},
    owner::{Holder, HoldingKind, LeakReport, OwnerId, TopHolders},
    page::{Freed, ManagedSegment, PinnedSegment},
    shared::SharedMemoryError,
    sweep::Reclaimed,
};
use self::{
    manager_core::Core,
    page::Home,
    waiting::{Demand, Gone, Pending, PendingPages, PendingReservation, Promise, Request},
};
use crate::{
    budget::{FlinkError, managed::SlotMemory},
    bytes::Bytes,
    pool::{
        extent::{Fit, FreeSpace},
        fairness::ServiceOrder,
    },
};

/// The smallest page that Flink allows.
pub const MINIMUM_PAGE_SIZE: Bytes = Bytes(4096);
/// Flink's default page, `taskmanager.memory.segment-size`.
pub const DEFAULT_PAGE_SIZE: Bytes = Bytes(32 << 10);

/// The managed memory of one slot. Clones are handles of the same memory.
///
/// May be used from any number of threads. Segments stay usable when all handles of their manager are gone.
#[derive(Clone, Debug)]
pub struct MemoryManager {
    home: Home,
}

/// What came of releasing a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleasedReservation {
    /// What was released.
    pub released: Bytes,
    /// What the owner wanted to release beyond what it had. Flink warns of it in its log and does the rest.
    pub surplus: Bytes,
}

impl MemoryManager {
    /// A manager of this many bytes in pages of this size. It is a number at first: it takes no memory.
    ///
    /// # Errors
    /// The page is smaller than [`MINIMUM_PAGE_SIZE`] or no power of two, or there are more than 2^31 − 1 pages.
    pub fn create(memory_size: Bytes, page_size: Bytes) -> Result<Self, CreationError> {
        Self::with_service_order(memory_size, page_size, ServiceOrder::default())
    }

    /// A manager whose waiting requests are served in this order.
    ///
    /// # Errors
    /// As [`MemoryManager::create`].
    pub fn with_service_order(
        memory_size: Bytes,
        page_size: Bytes,
        order: ServiceOrder,
    ) -> Result<Self, CreationError> {
        if memory_size > Bytes::MAX {
            return Err(CreationError::MemorySize { memory_size });
        }
        let page_bytes = usize::try_from(page_size.get())
            .ok()
            .filter(|bytes| page_size >= MINIMUM_PAGE_SIZE && bytes.is_power_of_two())
            .ok_or(CreationError::PageSize { page_size })?;
        let slot_memory =
            SlotMemory::new(memory_size, page_size).map_err(|_| CreationError::TooManyPages {
                memory_size,
                page_size,
                pages: memory_size.get() / page_size.get(),
            })?;
        Ok(Self {
            home: Home::new(Core::new(slot_memory, page_bytes, order)),
        })
    }

    // Figures.

    /// All there is.
    #[must_use]
    pub fn memory_size(&self) -> Bytes {
        self.home.budget.total()
    }

    /// What is neither allocated nor reserved.
    #[must_use]
    pub fn available_memory(&self) -> Bytes {
        self.home.budget.available()
    }

    /// The size of a page.
    #[must_use]
    pub fn page_size(&self) -> Bytes {
        Bytes(self.home.page_size() as u64)
    }

    /// How many whole pages there are in all.
    #[must_use]
    pub fn total_pages(&self) -> u32 {
        self.home.slot_memory.pages
    }

    /// How many pages are free, and how many of them side by side. Reservations are not counted, as they take bytes
    /// and no pages; so fewer may be had.
    #[must_use]
    pub fn free_space(&self) -> FreeSpace {
        self.home.look(|state| state.books.free_space())
    }

    /// How many requests wait.
    #[must_use]
    pub fn waiting_requests(&self) -> usize {
        self.home.look(|state| state.waiters.line.len())
    }

    /// The number of pages that a share of the memory makes, cut off as in Flink.
    ///
    /// # Errors
    /// The share is not in (0, 1], with Flink's words; those for 0 name the option of the consumers' weights.
    pub fn pages_of_share(&self, share: f64) -> Result<u32, FlinkError> {
        self.home.slot_memory.pages_of(share)
    }

    /// The bytes that a share of the memory makes, cut off as in Flink.
    ///
    /// # Errors
    /// As [`MemoryManager::pages_of_share`].
    pub fn bytes_of_share(&self, share: f64) -> Result<Bytes, FlinkError> {
        self.home.slot_memory.bytes_of(share)
    }

    /// Says what time it is, on any clock that does not run backwards. What is taken from now on is dated so, and ages
    /// are told as of now. Who never calls this gets no ages; who calls it each second gets them to the second.
    pub fn tell_time(&self, now: Duration) {
        self.home.tell_time(now);
    }

    // Owners.

    /// A new owner with a name for people, such as `Sort (3/8)`.
    pub fn register_owner(&self, label: impl Into<Arc<str>>) -> OwnerId {
        let label = label.into();
        self.home.look(|state| state.books.register(label, false))
    }

    /// Strikes out an owner: its requests end, all that it has is released, and it gets nothing any more. An unknown
    /// owner is ignored.
    ///
    /// # Errors
    /// The manager was shut down.
    pub fn remove_owner(&self, owner: OwnerId) -> Result<(), ManagerShutDown> {
        self.home.with_state(|state| {
            state.check_open()?;
            self.home.take_away(state, owner, usize::MAX);
            self.home.strike_out(state, owner);
            Ok(())
        })
    }

    /// Everyone who holds memory, in no particular order.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        self.home.holders()
    }

    // Pages.

    /// Allocates pages: all of them, or none.
    ///
    /// # Errors
    /// The manager was shut down, the owner is unknown, there are not so many pages in all, or too few are left.
    pub fn allocate_pages(
        &self,
        owner: OwnerId,
        pages: u32,
    ) -> Result<Vec<ManagedSegment>, AllocationError> {
        let mut target = Vec::new();
        self.allocate_pages_into(owner, pages, &mut target)?;
        Ok(target)
    }

    /// Allocates pages and adds them to a list: all of them, or none.
    ///
    /// # Errors
    /// As [`MemoryManager::allocate_pages`]; the list is unchanged then.
    pub fn allocate_pages_into(
        &self,
        owner: OwnerId,
        pages: u32,
        target: &mut Vec<ManagedSegment>,
    ) -> Result<(), AllocationError> {
        self.home.allocate_pages(owner, pages, target)
    }

    /// Allocates pages that lie side by side, as one segment. Never waits: that enough memory is free does not mean that
    /// it lies together.
    ///
    /// # Errors
    /// As [`MemoryManager::allocate_pages`], and when no free extent is that long.
    pub fn allocate_extent(
        &self,
        owner: OwnerId,
        pages: u32,
        fit: Fit,
    ) -> Result<ManagedSegment, AllocationError> {
        self.home.allocate_extent(owner, pages, fit)
    }

    /// Joins the line for pages. They come when it is this request's turn, at once if that is now.
    ///
    /// # Errors
    /// As [`MemoryManager::allocate_pages`], except that too few may be left now.
    pub fn allocate_pages_later(
        &self,
        owner: OwnerId,
        pages: u32,
    ) -> Result<PendingPages, AllocationError> {
        self.home.memory_for(pages)?;
        let bytes = Bytes(u64::from(pages) * self.page_size().get());
        let promise = Promise::new();
        let demand = Demand::Pages(pages, Arc::clone(&promise));
        let place = self.home.with_state(|state| {
            state.check_open()?;
            state
                .books
                .owner(owner)
                .ok_or(AllocationError::UnknownOwner)?;
            Ok::<_, AllocationError>(state.waiters.join(bytes, Request { owner, demand }))
        })?;
        Ok(PendingPages {
            pending: Pending::new(self.home.clone(), place, promise),
            pages,
            bytes,
        })
    }

    /// Releases a segment; dropping it does the same, and says nothing.
    ///
    /// # Errors
    /// The manager was shut down, and with it the segment was released.
    pub fn release(&self, segment: ManagedSegment) -> Result<(), ManagerShutDown> {
        self.home.look(|state| state.check_open())?;
        drop(segment);
        Ok(())
    }

    /// Releases all segments of a list under one lock, and clears the list. Dropping a list of segments does the same
    /// with a lock for each.
    ///
    /// # Errors
    /// The manager was shut down; the list is unchanged then.
    pub fn release_list(&self, segments: &mut Vec<ManagedSegment>) -> Result<(), ManagerShutDown> {
        self.home.release(segments)
    }

    /// Releases all pages of an owner, whoever has the handles. Accesses that run at this instant end in peace, and
    /// their pages return with that; all others fail from now on. An unknown owner is ignored.
    ///
    /// # Errors
    /// The manager was shut down.
    pub fn release_all(&self, owner: OwnerId) -> Result<(), ManagerShutDown> {
        self.home.with_state(|state| {
            state.check_open()?;
            self.home.take_away(state, owner, usize::MAX);
            Ok(())
        })
    }

    // Reservations.

    /// Reserves bytes for memory that is not of this manager, as state backends and Python workers have it: all of them,
    /// or none.
    ///
    /// # Errors
    /// The manager was shut down, the owner is unknown, or too little is left.
    pub fn reserve_memory(&self, owner: OwnerId, bytes: Bytes) -> Result<(), ReservationError> {
        self.home.reserve(owner, bytes)
    }

    /// Joins the line for bytes. They come when it is this request's turn, at once if that is now.
    ///
    /// # Errors
    /// The manager was shut down, the owner is unknown, or there are not so many bytes in all.
    pub fn reserve_memory_later(
        &self,
        owner: OwnerId,
        bytes: Bytes,
    ) -> Result<PendingReservation, ReservationError> {
        if bytes > self.memory_size() {
            return Err(ReservationError::Insufficient(self.home.shortage(bytes)));
        }
        let promise = Promise::new();
        let demand = Demand::Reservation(bytes, Arc::clone(&promise));
        let place = self.home.with_state(|state| {
            state.check_open()?;
            state
                .books
                .owner(owner)
                .ok_or(ReservationError::UnknownOwner)?;
            Ok::<_, ReservationError>(state.waiters.join(bytes, Request { owner, demand }))
        })?;
        Ok(PendingReservation {
            pending: Pending::new(self.home.clone(), place, promise),
            owner,
            bytes,
        })
    }

    /// Releases reserved bytes, at most what the owner has. An unknown owner has nothing.
    ///
    /// # Errors
    /// The manager was shut down.
    pub fn release_memory(
        &self,
        owner: OwnerId,
        bytes: Bytes,
    ) -> Result<ReleasedReservation, ManagerShutDown> {
        self.home.look(|state| state.check_open())?;
        let released = self.home.lower_reservation(owner, bytes);
        Ok(ReleasedReservation {
            released,
            surplus: bytes.saturating_sub(released),
        })
    }

    /// Releases all that an owner has reserved, and says how much that was.
    ///
    /// # Errors
    /// The manager was shut down.
    pub fn release_all_memory(&self, owner: OwnerId) -> Result<Bytes, ManagerShutDown> {
        self.home.look(|state| state.check_open())?;
        Ok(self.home.lower_reservation(owner, Bytes::MAX))
    }

    // The end.

    /// Shuts the manager down, once: requests end, all segments are released, and reservations are forgotten without
    /// returning their bytes. As in Flink, [`MemoryManager::verify_empty`] therefore still tells of reservations that
    /// nobody had released, and no longer of pages. Everything that would change something is refused from now on.
    pub fn shutdown(&self) {
        self.home.with_state(|state| {
            if std::mem::replace(&mut state.shut_down, true) {
                return;
            }
            state.waiters.dismiss(None, Gone::Manager);
            state.books.lose_reservations();
            for owner in state.books.all_owners() {
                self.home.take_away(state, owner, usize::MAX);
            }
        });
    }

    /// Whether the manager was shut down.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.home.look(|state| state.shut_down)
    }

    /// Whether all memory was given back, and otherwise who has it. Changes nothing; may be asked after the shutdown.
    ///
    /// # Errors
    /// Everyone who holds memory.
    pub fn verify_empty(&self) -> Result<(), LeakReport> {
        self.home.look(|state| {
            if self.home.budget.is_empty() {
                return Ok(());
            }
            let mut holders = state.books.holders(self.home.now());
            holders.sort_by_key(|holder| std::cmp::Reverse(holder.bytes()));
            Err(LeakReport {
                total: self.home.budget.total(),
                held: self.home.budget.reserved(),
                holders,
            })
        })
    }
}
