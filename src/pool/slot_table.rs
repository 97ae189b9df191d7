//! The slots of a TaskManager: which are allocated to whom, with which resources, and what runs in them.
//!
//! Mirrors `TaskSlotTableImpl` and `TaskSlot`. A static slot has an index below the number of slots and the default
//! profile, unless another is asked for; a dynamic one gets an index of its own and is cut from what is free. Each has a
//! memory manager over its managed bytes, which is shut down with the slot.
//!
//! Flink calls its tasks and completes futures from here. This table only says what is to be done: freeing a slot names
//! the tasks to fail, and the slot goes when the last of them has been removed. Like Flink's it belongs to one thread.

#![cfg(target_os = "linux")]

pub mod consumers;
pub mod resource;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use self::resource::{ResourceBudget, ResourceProfile, ResourcesExceeded};
use crate::{
    bytes::Bytes,
    pool::memory_manager::{CreationError, LeakReport, MemoryManager},
};

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u128);

/// An allocation: what binds a slot to whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllocationId(pub u128);

/// An attempt to execute a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u128);

/// Which slot is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotIndex {
    /// The static slot with this index.
    Static(u32),
    /// A new slot. Flink writes −1.
    Dynamic,
}

/// Which resources a slot is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedProfile {
    /// Those of the default slot. `ResourceProfile.UNKNOWN` in Flink.
    Unknown,
    /// Exactly these.
    Exactly(ResourceProfile),
}

/// A slot was not allocated, or is not what it is taken for. `SlotAllocationException`, or one of those for slots that
/// are not found or not active, in Flink.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// The table was closed.
    #[error("the slot table was closed")]
    Closed,
    /// There is no static slot with that index.
    #[error("there is no slot {index}, only {slots} slots")]
    NoSuchIndex {
        /// The index that was asked for.
        index: u32,
        /// How many static slots there are.
        slots: u32,
    },
    /// The static slot belongs to another allocation.
    #[error("slot {index} is allocated already, by {:032x}", by.0)]
    IndexTaken {
        /// The slot.
        index: u32,
        /// Its allocation.
        by: AllocationId,
    },
    /// The allocation has a slot already, and not the one that is asked for.
    #[error("the allocation {:032x} has slot {index} already, for another request", allocation.0)]
    AllocationTaken {
        /// The allocation.
        allocation: AllocationId,
        /// Its slot.
        index: u32,
    },
    /// Too little is left of a resource.
    #[error("could not cut the slot from what is free")]
    Resources(#[source] Box<ResourcesExceeded>),
    /// No memory manager can be made of the slot's managed memory.
    #[error("the slot's managed memory is not usable")]
    ManagedMemory(#[from] CreationError),
    /// No slot has that allocation.
    #[error("there is no slot for the allocation {:032x}", allocation.0)]
    UnknownAllocation {
        /// The allocation.
        allocation: AllocationId,
    },
    /// A task came from another job than its slot belongs to.
    #[error("slot {index} belongs to job {:032x}, not to {:032x}", belongs_to.0, job.0)]
    WrongJob {
        /// The slot.
        index: u32,
        /// The slot's job.
        belongs_to: JobId,
        /// The task's job.
        job: JobId,
    },
    /// The slot is not active, so it takes no tasks.
    #[error("slot {index} is {state:?}, not active")]
    NotActive {
        /// The slot.
        index: u32,
        /// Its state.
        state: SlotState,
    },
}

/// What a slot is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// Allocated, but not in use by its job yet, or no longer.
    Allocated,
    /// In use.
    Active,
    /// About to be freed, as soon as its tasks have ended.
    Releasing,
}

/// An allocated slot.
#[derive(Debug)]
struct TaskSlot {
    allocation: AllocationId,
    job: JobId,
    profile: ResourceProfile,
    is_dynamic: bool,
    state: SlotState,
    tasks: BTreeSet<TaskId>,
    memory_manager: MemoryManager,
}

/// What is left to do after a slot was told to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freeing {
    /// Nothing: it is gone.
    Freed(FreedSlot),
    /// These tasks have to end first; they are to be failed, unless that was said before. [`SlotTable::remove_task`]
    /// of the last one frees the slot.
    Waiting(Vec<TaskId>),
}

/// A slot that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreedSlot {
    /// Its index.
    pub index: u32,
    /// Its allocation.
    pub allocation: AllocationId,
    /// Its job.
    pub job: JobId,
    /// What its users did not give back of its managed memory. Flink writes a warning to its log.
    pub leak: Option<LeakReport>,
}

/// One line of a slot report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotStatus {
    /// The slot.
    pub index: u32,
    /// Its resources.
    pub profile: ResourceProfile,
    /// To whom it is allocated; `None` for a static slot that is free.
    pub allocated: Option<AllocatedTo>,
}

/// To whom a slot is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocatedTo {
    /// The allocation.
    pub allocation: AllocationId,
    /// The job.
    pub job: JobId,
    /// What the slot is about.
    pub state: SlotState,
    /// How many tasks run in it.
    pub tasks: usize,
    /// What is left of its managed memory.
    pub available_managed: Bytes,
}

/// The slots of a TaskManager.
#[derive(Debug)]
pub struct SlotTable {
    number_of_slots: u32,
    default_profile: ResourceProfile,
    page_size: Bytes,
    budget: ResourceBudget,
    /// By index, those that are allocated.
    slots: BTreeMap<u32, TaskSlot>,
    indexes: HashMap<AllocationId, u32>,
    next_dynamic: u32,
    is_closed: bool,
}

impl SlotTable {
    /// A table of static slots with the default profile, all free, out of these resources.
    ///
    /// # Errors
    /// The page size is none, or the default slot's managed memory has too many pages.
    pub fn new(
        number_of_slots: u32,
        total: ResourceProfile,
        default_profile: ResourceProfile,
        page_size: Bytes,
    ) -> Result<Self, CreationError> {
        // Whoever cannot have the default slot should hear of it now.
        MemoryManager::create(default_profile.managed, page_size)?;
        Ok(Self {
            number_of_slots,
            default_profile,
            page_size,
            budget: ResourceBudget::new(total),
            slots: BTreeMap::new(),
            indexes: HashMap::new(),
            next_dynamic: number_of_slots,
            is_closed: false,
        })
    }

    /// What is left of the resources.
    #[must_use]
    pub fn available(&self) -> &ResourceProfile {
        self.budget.available()
    }

    /// Allocates a slot and returns its index. The same request again, for the same allocation, returns the same slot.
    ///
    /// # Errors
    /// The table was closed, the index is none or taken, the allocation has another slot, or a resource is short.
    /// Nothing is allocated then.
    pub fn allocate(
        &mut self,
        requested: SlotIndex,
        job: JobId,
        allocation: AllocationId,
        profile: RequestedProfile,
    ) -> Result<u32, SlotError> {
        if self.is_closed {
            return Err(SlotError::Closed);
        }
        if let SlotIndex::Static(index) = requested
            && index >= self.number_of_slots
        {
            let slots = self.number_of_slots;
            return Err(SlotError::NoSuchIndex { index, slots });
        }
        let profile = match profile {
            RequestedProfile::Unknown => self.default_profile,
            RequestedProfile::Exactly(profile) => profile,
        };
        if let Some((index, slot)) = self.slot_of(allocation) {
            let is_same_index = match requested {
                SlotIndex::Static(requested) => requested == index,
                SlotIndex::Dynamic => slot.is_dynamic,
            };
            return if is_same_index && slot.job == job && slot.profile == profile {
                Ok(index)
            } else {
                Err(SlotError::AllocationTaken { allocation, index })
            };
        }
        let index = match requested {
            SlotIndex::Static(index) => index,
            SlotIndex::Dynamic => self.next_dynamic,
        };
        if let Some(taken) = self.slots.get(&index) {
            let by = taken.allocation;
            return Err(SlotError::IndexTaken { index, by });
        }
        let memory_manager = MemoryManager::create(profile.managed, self.page_size)?;
        self.budget
            .reserve(&profile)
            .map_err(|exceeded| SlotError::Resources(Box::new(exceeded)))?;
        let is_dynamic = requested == SlotIndex::Dynamic;
        if is_dynamic {
            self.next_dynamic = self.next_dynamic.saturating_add(1);
        }
        self.indexes.insert(allocation, index);
        let slot = TaskSlot {
            allocation,
            job,
            profile,
            is_dynamic,
            state: SlotState::Allocated,
            tasks: BTreeSet::new(),
            memory_manager,
        };
        self.slots.insert(index, slot);
        Ok(index)
    }

    /// From now on the slot takes tasks.
    ///
    /// # Errors
    /// There is no such slot, or it is about to be freed.
    pub fn mark_active(&mut self, allocation: AllocationId) -> Result<(), SlotError> {
        self.mark(allocation, SlotState::Active)
    }

    /// From now on the slot takes no tasks; those that it has go on.
    ///
    /// # Errors
    /// There is no such slot, or it is about to be freed.
    pub fn mark_inactive(&mut self, allocation: AllocationId) -> Result<(), SlotError> {
        self.mark(allocation, SlotState::Allocated)
    }

    fn mark(&mut self, allocation: AllocationId, state: SlotState) -> Result<(), SlotError> {
        let (index, slot) = self.known_slot(allocation)?;
        if slot.state == SlotState::Releasing {
            let state = slot.state;
            return Err(SlotError::NotActive { index, state });
        }
        slot.state = state;
        Ok(())
    }

    /// Adds a task to an active slot. `false` when the slot has that task already.
    ///
    /// # Errors
    /// There is no such slot, it belongs to another job, or it is not active.
    pub fn add_task(
        &mut self,
        allocation: AllocationId,
        job: JobId,
        task: TaskId,
    ) -> Result<bool, SlotError> {
        let (index, slot) = self.known_slot(allocation)?;
        if slot.job != job {
            let belongs_to = slot.job;
            return Err(SlotError::WrongJob {
                index,
                belongs_to,
                job,
            });
        }
        if slot.state != SlotState::Active {
            let state = slot.state;
            return Err(SlotError::NotActive { index, state });
        }
        Ok(slot.tasks.insert(task))
    }

    /// Says that a task has ended. Returns the slot that was only waiting for it, if it was. An unknown task is ignored.
    ///
    /// # Errors
    /// There is no such slot.
    pub fn remove_task(
        &mut self,
        allocation: AllocationId,
        task: TaskId,
    ) -> Result<Option<FreedSlot>, SlotError> {
        let (index, slot) = self.known_slot(allocation)?;
        slot.tasks.remove(&task);
        let is_waiting = slot.state == SlotState::Releasing && slot.tasks.is_empty();
        Ok(if is_waiting {
            self.take_out(index)
        } else {
            None
        })
    }

    /// Frees a slot: at once when it has no tasks, and otherwise when the last of them has ended. Until then its memory
    /// and its resources stay taken. Freeing it again changes nothing.
    ///
    /// # Errors
    /// There is no such slot.
    pub fn free(&mut self, allocation: AllocationId) -> Result<Freeing, SlotError> {
        let (index, slot) = self.known_slot(allocation)?;
        slot.state = SlotState::Releasing;
        if !slot.tasks.is_empty() {
            return Ok(Freeing::Waiting(slot.tasks.iter().copied().collect()));
        }
        let unknown = SlotError::UnknownAllocation { allocation };
        self.take_out(index).map(Freeing::Freed).ok_or(unknown)
    }

    /// Frees all slots, and allocates none any more. What became of each is said in the order of the indexes.
    pub fn close(&mut self) -> Vec<Freeing> {
        self.is_closed = true;
        let allocations: Vec<AllocationId> =
            self.slots.values().map(|slot| slot.allocation).collect();
        allocations
            .into_iter()
            .filter_map(|allocation| self.free(allocation).ok())
            .collect()
    }

    /// Takes a slot out of the table and ends its memory.
    fn take_out(&mut self, index: u32) -> Option<FreedSlot> {
        let slot = self.slots.remove(&index)?;
        self.indexes.remove(&slot.allocation);
        let released = self.budget.release(&slot.profile);
        debug_assert!(released, "the resources of slot {index} were reserved");
        slot.memory_manager.shutdown();
        Some(FreedSlot {
            index,
            allocation: slot.allocation,
            job: slot.job,
            leak: slot.memory_manager.verify_empty().err(),
        })
    }

    /// The managed memory of a slot.
    ///
    /// # Errors
    /// There is no such slot.
    pub fn memory_manager(&self, allocation: AllocationId) -> Result<&MemoryManager, SlotError> {
        let slot = self.slot_of(allocation);
        let (_, slot) = slot.ok_or(SlotError::UnknownAllocation { allocation })?;
        Ok(&slot.memory_manager)
    }

    /// The allocations of a job, in the order of their slots.
    pub fn allocations_of(&self, job: JobId) -> impl Iterator<Item = AllocationId> {
        self.slots
            .values()
            .filter(move |slot| slot.job == job)
            .map(|slot| slot.allocation)
    }

    /// Tells all memory managers what time it is.
    pub fn tell_time(&self, now: Duration) {
        for slot in self.slots.values() {
            slot.memory_manager.tell_time(now);
        }
    }

    /// All static slots, free or not, and behind them the dynamic ones.
    #[must_use]
    pub fn report(&self) -> Vec<SlotStatus> {
        let free = |index| SlotStatus {
            index,
            profile: self.default_profile,
            allocated: None,
        };
        let dynamic = self
            .slots
            .range(self.number_of_slots..)
            .map(|(index, _)| *index);
        (0..self.number_of_slots)
            .chain(dynamic)
            .map(|index| {
                self.slots
                    .get(&index)
                    .map_or_else(|| free(index), |slot| slot.status(index))
            })
            .collect()
    }

    fn slot_of(&self, allocation: AllocationId) -> Option<(u32, &TaskSlot)> {
        let index = *self.indexes.get(&allocation)?;
        self.slots.get(&index).map(|slot| (index, slot))
    }

    fn known_slot(&mut self, allocation: AllocationId) -> Result<(u32, &mut TaskSlot), SlotError> {
        let index = self.indexes.get(&allocation).copied();
        index
            .and_then(|index| self.slots.get_mut(&index).map(|slot| (index, slot)))
            .ok_or(SlotError::UnknownAllocation { allocation })
    }
}

impl TaskSlot {
    fn status(&self, index: u32) -> SlotStatus {
        SlotStatus {
            index,
            profile: self.profile,
            allocated: Some(AllocatedTo {
                allocation: self.allocation,
                job: self.job,
                state: self.state,
                tasks: self.tasks.len(),
                available_managed: self.memory_manager.available_memory(),
            }),
        }
    }
}
