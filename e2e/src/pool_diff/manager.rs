//! Our side of a sequence on the memory manager of a slot: the same steps, told in the same words as by
//! `e2e/flink/src/pools/ManagerSequence.java`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use headroom::{
    bytes::Bytes,
    pool::{
        memory_manager::{
            AllocationError, HoldingKind, ManagedSegment, ManagerShutDown, MemoryManager, OwnerId,
            ReservationError, SharedMemoryError,
        },
        shared_resources::{SharedResourceError, SharedResourceLease},
    },
};

use super::step::{Label, NOTHING, SharedSize, Step};

/// Nobody else opens or closes a resource, so nothing is waited for.
const AT_ONCE: Duration = Duration::ZERO;

/// Our memory manager in the middle of a sequence; none where its numbers were refused.
#[derive(Debug)]
pub struct Manager {
    manager: Option<MemoryManager>,
    owners: BTreeMap<Label, OwnerId>,
    pages: BTreeMap<Label, ManagedSegment>,
    leases: BTreeMap<Label, Lease>,
    handles: Vec<HandleState>,
}

#[derive(Debug)]
struct Lease {
    lease: SharedResourceLease<Handle>,
    is_managed: bool,
}

/// What is known of a shared resource from outside.
#[derive(Debug)]
struct HandleState {
    bytes: Bytes,
    is_closed: Arc<AtomicBool>,
}

/// A shared resource.
#[derive(Debug)]
struct Handle {
    index: usize,
    is_closed: Arc<AtomicBool>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }
}

/// The resource could not be made.
#[derive(Debug)]
struct Refused;

impl Manager {
    /// A manager of these numbers, if they are allowed.
    #[must_use]
    pub fn new(size: u64, page: u64) -> Self {
        Self {
            manager: MemoryManager::create(Bytes(size), Bytes(page)).ok(),
            owners: BTreeMap::new(),
            pages: BTreeMap::new(),
            leases: BTreeMap::new(),
            handles: Vec::new(),
        }
    }

    /// The manager.
    #[must_use]
    pub fn manager(&self) -> Option<&MemoryManager> {
        self.manager.as_ref()
    }

    /// The labels of all pages that somebody has, freed ones too.
    pub fn pages(&self) -> impl Iterator<Item = Label> + '_ {
        self.pages.keys().copied()
    }

    /// The labels of all leases.
    pub fn leases(&self) -> impl Iterator<Item = Label> + '_ {
        self.leases.keys().copied()
    }

    /// Whether both sides mean the same by a step now. What is left out, and why, stands in the module above.
    #[must_use]
    pub fn is_comparable(&self, step: &Step) -> bool {
        let is_shut_down = self
            .manager
            .as_ref()
            .is_some_and(MemoryManager::is_shut_down);
        match step {
            Step::Close(lease) => {
                !is_shut_down || self.leases.get(lease).is_none_or(|lease| !lease.is_managed)
            }
            _ => true,
        }
    }

    /// Does a step, and says what came of it and every figure afterwards.
    pub fn answer(&mut self, step: &Step) -> String {
        let manager = self.manager.clone();
        let mut text = match (step, &manager) {
            (Step::Manager { .. }, Some(_)) => "ok".to_owned(),
            (Step::Manager { .. }, None) => "argument".to_owned(),
            (_, Some(manager)) => match self.run(step, manager) {
                Ok(outcome) | Err(outcome) => outcome,
            },
            (_, None) => NOTHING.to_owned(),
        };
        self.write_figures(&mut text);
        text
    }

    fn run(&mut self, step: &Step, manager: &MemoryManager) -> Result<String, String> {
        let ok = || "ok".to_owned();
        let again = || "again".to_owned();
        Ok(match step {
            Step::Allocate {
                owner,
                number,
                page,
            } => {
                let allocated = manager
                    .allocate_pages(self.owner(*owner, manager), *number)
                    .map_err(|error| allocation_error(&error))?;
                let number = allocated.len();
                self.pages.extend((*page..).zip(allocated));
                format!("given={number}")
            }
            Step::Release(page) => {
                let page = self.pages.remove(page).ok_or(NOTHING)?;
                let is_freed = page.is_freed();
                manager.release(page).map_err(shut_down)?;
                if is_freed { again() } else { ok() }
            }
            Step::ReleaseList(pages) => {
                let pages = pages.iter().filter_map(|page| self.pages.remove(page));
                let mut list: Vec<ManagedSegment> = pages.collect();
                if list.is_empty() {
                    return Err(NOTHING.to_owned());
                }
                manager.release_list(&mut list).map_err(shut_down)?;
                format!("ok left={}", list.len())
            }
            Step::ReleaseAll(owner) => {
                let owner = self.owner(*owner, manager);
                manager.release_all(owner).map_err(shut_down)?;
                ok()
            }
            Step::ReserveBytes { owner, bytes } => {
                let owner = self.owner(*owner, manager);
                manager
                    .reserve_memory(owner, Bytes(*bytes))
                    .map_err(|error| reservation_error(&error))?;
                ok()
            }
            Step::ReleaseBytes { owner, bytes } => {
                let owner = self.owner(*owner, manager);
                let released = manager
                    .release_memory(owner, Bytes(*bytes))
                    .map_err(shut_down)?;
                match released.surplus.get() {
                    0 => ok(),
                    surplus => format!("surplus={surplus}"),
                }
            }
            Step::ReleaseAllBytes(owner) => {
                let owner = self.owner(*owner, manager);
                manager.release_all_memory(owner).map_err(shut_down)?;
                ok()
            }
            Step::PagesOf(fraction) => match manager.pages_of_share(*fraction) {
                Ok(pages) => format!("pages={pages}"),
                Err(_) => "argument".to_owned(),
            },
            Step::BytesOf(fraction) => match manager.bytes_of_share(*fraction) {
                Ok(bytes) => format!("bytes={}", bytes.get()),
                Err(_) => "argument".to_owned(),
            },
            Step::Shared {
                name,
                size,
                is_refused,
                lease,
            } => self.lease(manager, *name, *size, *is_refused, *lease)?,
            Step::Close(lease) => {
                let Lease { lease, .. } = self.leases.remove(lease).ok_or(NOTHING)?;
                let is_closed = Arc::clone(&lease.is_closed);
                lease.close();
                if is_closed.load(Ordering::Relaxed) {
                    "closed".to_owned()
                } else {
                    ok()
                }
            }
            Step::Shutdown => {
                let is_shut_down = manager.is_shut_down();
                manager.shutdown();
                if is_shut_down { again() } else { ok() }
            }
            _ => NOTHING.to_owned(),
        })
    }

    fn owner(&mut self, label: Label, manager: &MemoryManager) -> OwnerId {
        let register = || manager.register_owner(label.to_string());
        *self.owners.entry(label).or_insert_with(register)
    }

    fn lease(
        &mut self,
        manager: &MemoryManager,
        name: u32,
        size: SharedSize,
        is_refused: bool,
        label: Label,
    ) -> Result<String, String> {
        let handles = &mut self.handles;
        let number_before = handles.len();
        let open = |bytes| {
            if is_refused {
                return Err(Refused);
            }
            let is_closed = Arc::<AtomicBool>::default();
            let index = handles.len();
            handles.push(HandleState {
                bytes,
                is_closed: Arc::clone(&is_closed),
            });
            Ok(Handle { index, is_closed })
        };
        let lease = match size {
            SharedSize::Fraction(fraction) => manager
                .shared_resource(&format!("managed-{name}"), fraction, AT_ONCE, open)
                .map_err(|error| shared_memory_error(&error))?,
            SharedSize::External(bytes) => manager
                .external_shared_resource(&format!("external-{name}"), Bytes(bytes), AT_ONCE, open)
                .map_err(|error| shared_error(&error))?,
        };
        let (size_of_lease, handle) = (lease.size().get(), lease.index);
        let kind = if handle < number_before {
            "known"
        } else {
            "opened"
        };
        let text = format!("{kind} size={size_of_lease} handle={handle}");
        let is_managed = matches!(size, SharedSize::Fraction(_));
        self.leases.insert(label, Lease { lease, is_managed });
        Ok(text)
    }

    fn write_figures(&self, text: &mut String) {
        let Some(manager) = &self.manager else {
            text.push_str("; refused");
            return;
        };
        let _ = write!(
            text,
            "; manager size={} page={} available={} is-empty={} is-shut-down={}",
            manager.memory_size().get(),
            manager.page_size().get(),
            manager.available_memory().get(),
            manager.verify_empty().is_ok(),
            manager.is_shut_down(),
        );
        let holders: BTreeMap<Label, _> = manager
            .holders()
            .into_iter()
            .filter(|holder| holder.kind == HoldingKind::Held)
            .filter_map(|holder| Some((holder.label.parse().ok()?, holder)))
            .collect();
        for (label, holder) in &holders {
            let (pages, reserved) = (holder.pages, holder.reserved.get());
            let _ = write!(text, "; owner {label} pages={pages} reserved={reserved}");
        }
        for (label, page) in &self.pages {
            let _ = write!(text, "; page {label} is-freed={}", page.is_freed());
        }
        for (label, Lease { lease, .. }) in &self.leases {
            let _ = write!(text, "; lease {label} size={}", lease.size().get());
        }
        for (index, handle) in self.handles.iter().enumerate() {
            let is_closed = handle.is_closed.load(Ordering::Relaxed);
            let bytes = handle.bytes.get();
            let _ = write!(text, "; handle {index} bytes={bytes} is-closed={is_closed}");
        }
    }
}

/// The error as the class that Flink has for it.
fn shut_down(_: ManagerShutDown) -> String {
    "state".to_owned()
}

fn reservation_error(error: &ReservationError) -> String {
    match error {
        ReservationError::ShutDown(error) => shut_down(*error),
        ReservationError::Insufficient(shortage) => format!(
            "reservation wanted={} available={}",
            shortage.wanted.get(),
            shortage.available.get()
        ),
        ReservationError::UnknownOwner | ReservationError::TimedOut { .. } => error.to_string(),
    }
}

fn allocation_error(error: &AllocationError) -> String {
    match error {
        AllocationError::ShutDown(error) => shut_down(*error),
        AllocationError::MoreThanTotal { .. } => "argument".to_owned(),
        AllocationError::Insufficient { pages, shortage } => format!(
            "allocation pages={pages} cause=(reservation wanted={} available={})",
            shortage.wanted.get(),
            shortage.available.get()
        ),
        _ => error.to_string(),
    }
}

fn shared_memory_error(error: &SharedMemoryError<Refused>) -> String {
    match error {
        SharedMemoryError::Share(_) => "argument".to_owned(),
        SharedMemoryError::Reservation { error, .. } => match error {
            ReservationError::ShutDown(error) => shut_down(*error),
            error => format!("allocation cause=({})", reservation_error(error)),
        },
        SharedMemoryError::Resource(error) => shared_error(error),
    }
}

fn shared_error(error: &SharedResourceError<Refused>) -> String {
    match error {
        SharedResourceError::Initializer(Refused) => "refused".to_owned(),
        SharedResourceError::WrongType { .. } | SharedResourceError::Busy { .. } => {
            error.to_string()
        }
    }
}
