//! Lines M1 to M3: the slots of a TaskManager.

use headroom::{
    budget::{
        Configuration, FlinkVersion, Origin,
        managed::{ConsumerWeights, UseCase},
        options::state_backend::MANAGED_CONSUMER_WEIGHTS,
    },
    bytes::Bytes,
    pool::{
        memory_manager::{AllocationError, CreationError, HoldingKind},
        slot_table::{
            AllocationId, FreedSlot, Freeing, JobId, RequestedProfile, SlotError, SlotIndex,
            SlotState, SlotTable, TaskId,
            consumers::SlotConsumers,
            resource::{CpuCores, ResourceProfile},
        },
    },
};

const JOB: JobId = JobId(1);
const PAGE: Bytes = Bytes(32 << 10);

/// One slot's part of a TaskManager.
fn default_profile() -> ResourceProfile {
    ResourceProfile {
        cpu: CpuCores::from_milli(1000),
        task_heap: Bytes(100 << 20),
        task_off_heap: Bytes(10 << 20),
        managed: Bytes(1 << 20),
        network: Bytes(20 << 20),
    }
}

fn table(slots: u32) -> SlotTable {
    let part = default_profile();
    let nothing = ResourceProfile::default();
    let total = (0..slots).fold(nothing, |sum, _| sum.checked_add(&part).unwrap());
    SlotTable::new(slots, total, part, PAGE).unwrap()
}

fn allocate(
    table: &mut SlotTable,
    requested: SlotIndex,
    allocation: u128,
) -> Result<u32, SlotError> {
    table.allocate(
        requested,
        JOB,
        AllocationId(allocation),
        RequestedProfile::Unknown,
    )
}

fn freed(freeing: Freeing) -> FreedSlot {
    match freeing {
        Freeing::Freed(freed) => freed,
        Freeing::Waiting(tasks) => panic!("waits for {tasks:?}"),
    }
}

/// A slot with a task that is freed names the task and waits for it; its memory manager serves until the task has
/// ended, and is shut down then.
#[test]
fn m1_slot_closes_only_when_its_tasks_have_ended() {
    let mut table = table(2);
    let allocation = AllocationId(7);
    allocate(&mut table, SlotIndex::Static(0), 7).unwrap();
    table.mark_active(allocation).unwrap();
    assert_eq!(table.add_task(allocation, JOB, TaskId(1)), Ok(true));
    assert_eq!(table.add_task(allocation, JOB, TaskId(1)), Ok(false));
    let manager = table.memory_manager(allocation).unwrap().clone();

    assert_eq!(
        table.free(allocation),
        Ok(Freeing::Waiting(vec![TaskId(1)]))
    );
    assert!(!manager.is_shut_down());
    let owner = manager.register_owner("task");
    let pages = manager.allocate_pages(owner, 1).unwrap();
    // Nothing joins a slot that is about to go, and nothing brings it back.
    assert!(matches!(
        table.add_task(allocation, JOB, TaskId(2)),
        Err(SlotError::NotActive {
            index: 0,
            state: SlotState::Releasing
        })
    ));
    assert!(table.mark_active(allocation).is_err());
    assert!(matches!(
        allocate(&mut table, SlotIndex::Static(0), 8),
        Err(SlotError::IndexTaken {
            index: 0,
            by: AllocationId(7)
        })
    ));
    assert_eq!(
        table.free(allocation),
        Ok(Freeing::Waiting(vec![TaskId(1)]))
    );
    assert_eq!(table.remove_task(allocation, TaskId(9)), Ok(None));
    drop(pages);

    let freed = table.remove_task(allocation, TaskId(1)).unwrap().unwrap();
    assert_eq!(
        freed,
        FreedSlot {
            index: 0,
            allocation,
            job: JOB,
            leak: None
        }
    );
    assert!(manager.is_shut_down());
    assert!(matches!(
        manager.allocate_pages(owner, 1),
        Err(AllocationError::ShutDown(_))
    ));
    assert_eq!(
        table.free(allocation),
        Err(SlotError::UnknownAllocation { allocation })
    );
    assert_eq!(allocate(&mut table, SlotIndex::Static(0), 8), Ok(0));
}

/// Without an index a new slot is cut, behind the static ones.
#[test]
fn m2_dynamic_slot_id() {
    let mut table = table(2);
    assert_eq!(allocate(&mut table, SlotIndex::Dynamic, 1), Ok(2));
    let report = table.report();
    assert_eq!(report.len(), 3);
    assert_eq!(report[2].allocated.unwrap().allocation, AllocationId(1));
    assert_eq!(
        table.allocations_of(JOB).collect::<Vec<_>>(),
        [AllocationId(1)]
    );
    assert_eq!(table.allocations_of(JobId(2)).count(), 0);
}

/// A dynamic slot has exactly the resources that were asked for.
#[test]
fn m2_concrete_resource_profile() {
    let mut table = table(2);
    let tenth = ResourceProfile {
        cpu: CpuCores::from_milli(100),
        ..ResourceProfile::default()
    };
    let profile = default_profile().checked_add(&tenth).unwrap();
    let asked = RequestedProfile::Exactly(profile);
    assert_eq!(
        table.allocate(SlotIndex::Dynamic, JOB, AllocationId(1), asked),
        Ok(2)
    );
    assert_eq!(table.report()[2].profile, profile);
    assert_eq!(table.available().cpu, CpuCores::from_milli(900));
}

/// A dynamic slot without a profile has that of the default slot.
#[test]
fn m2_unknown_resource_profile() {
    let mut table = table(2);
    assert_eq!(allocate(&mut table, SlotIndex::Dynamic, 1), Ok(2));
    assert_eq!(table.report()[2].profile, default_profile());
    assert_eq!(table.available(), &default_profile());
}

/// Three times the default slot does not fit into two: the refusal names what was wanted, what is left and all there
/// is, and nothing is allocated.
#[test]
fn m2_resource_profile_failure() {
    let mut table = table(2);
    let part = default_profile();
    let double = part.checked_add(&part).unwrap();
    let triple = double.checked_add(&part).unwrap();
    let asked = RequestedProfile::Exactly(triple);
    let refused = table
        .allocate(SlotIndex::Dynamic, JOB, AllocationId(1), asked)
        .unwrap_err();
    let SlotError::Resources(exceeded) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (exceeded.wanted, exceeded.available, exceeded.total),
        (triple, double, double)
    );
    assert_eq!(table.report().len(), 2);
    assert_eq!(table.available(), &double);
    // The index was not used up.
    assert_eq!(allocate(&mut table, SlotIndex::Dynamic, 1), Ok(2));
}

/// Of 3 slots the first is allocated, then two dynamic ones, and the first of those is freed: the report has the three
/// static slots and slot 4.
#[test]
fn m2_slot_report() {
    let mut table = table(3);
    assert_eq!(allocate(&mut table, SlotIndex::Static(0), 1), Ok(0));
    assert_eq!(allocate(&mut table, SlotIndex::Dynamic, 2), Ok(3));
    assert_eq!(allocate(&mut table, SlotIndex::Dynamic, 3), Ok(4));
    assert_eq!(freed(table.free(AllocationId(2)).unwrap()).index, 3);
    let report: Vec<_> = table
        .report()
        .iter()
        .map(|slot| (slot.index, slot.allocated.map(|to| to.allocation.0)))
        .collect();
    assert_eq!(report, [(0, Some(1)), (1, None), (2, None), (4, Some(3))]);
}

fn weights(text: &str) -> ConsumerWeights {
    let configuration =
        Configuration::new().with(MANAGED_CONSUMER_WEIGHTS, text, Origin::FlinkConfiguration);
    ConsumerWeights::of(FlinkVersion::V2_1, &configuration).unwrap()
}

/// With the weights 333, 444 and 222 an operator that gets 0.3 of its use case gets 0.3·333/999 of the slot, and
/// 0.3·333/555 when the state backend takes nothing; a use case without a weight gets nothing, a negative weight is a
/// wrong configuration, and one use case cannot have two weights in one slot.
#[test]
fn m3_managed_memory_fractions() {
    let configured = weights("OPERATOR:333,STATE_BACKEND:444,PYTHON:222");
    let slot = |state_backend_is_managed| {
        let mut consumers = SlotConsumers::new(state_backend_is_managed);
        for use_case in UseCase::ALL {
            consumers.declare(use_case, configured).unwrap();
        }
        consumers
    };
    let close_to = |share: f64, expected: f64| (share - expected).abs() < 1e-15;
    assert!(close_to(
        slot(true).share(UseCase::Operator, 0.3),
        0.3 * 333.0 / 999.0
    ));
    assert!(close_to(
        slot(false).share(UseCase::Operator, 0.3),
        0.3 * 333.0 / 555.0
    ));
    assert_eq!(slot(false).share(UseCase::StateBackend, 1.0), 0.0);

    let mut without = SlotConsumers::new(true);
    assert_eq!(without.share(UseCase::Python, 1.0), 0.0);
    for use_case in UseCase::ALL {
        without
            .declare(use_case, weights("OPERATOR:333,STATE_BACKEND:444"))
            .unwrap();
    }
    assert_eq!(without.share(UseCase::Python, 1.0), 0.0);

    let negative = Configuration::new().with(
        MANAGED_CONSUMER_WEIGHTS,
        "OPERATOR:-1",
        Origin::FlinkConfiguration,
    );
    let error = ConsumerWeights::of(FlinkVersion::V2_1, &negative).unwrap_err();
    assert!(
        error.class.ends_with("IllegalConfigurationException"),
        "{error}"
    );

    let mut slot = slot(true);
    let conflict = slot
        .declare(
            UseCase::Operator,
            weights("OPERATOR:334,STATE_BACKEND:444,PYTHON:222"),
        )
        .unwrap_err();
    assert_eq!(
        conflict.to_string(),
        "conflicting weights of managed memory for OPERATOR: 333 and 334"
    );
    assert!(close_to(
        slot.share(UseCase::Operator, 0.3),
        0.3 * 333.0 / 999.0
    ));
}

/// What a slot's users did not give back is told when the slot is freed, and its resources are free all the same.
#[test]
fn a_leak_is_told_when_the_slot_goes() {
    let mut table = table(1);
    allocate(&mut table, SlotIndex::Static(0), 1).unwrap();
    let manager = table.memory_manager(AllocationId(1)).unwrap();
    let backend = manager.register_owner("state backend");
    manager.reserve_memory(backend, Bytes(1000)).unwrap();
    let status = table.report()[0].allocated.unwrap();
    assert_eq!(status.available_managed, Bytes((1 << 20) - 1000));
    let leak = freed(table.free(AllocationId(1)).unwrap()).leak.unwrap();
    assert_eq!(
        (&*leak.holders[0].label, leak.holders[0].kind),
        ("state backend", HoldingKind::LostAtShutdown)
    );
    assert_eq!(table.available(), &default_profile());
}

/// The same request again gets the same slot; a different one for the same allocation is refused, as is an index that
/// is taken or none.
#[test]
fn requests_for_slots_are_told_apart() {
    let mut table = table(2);
    assert_eq!(allocate(&mut table, SlotIndex::Static(1), 1), Ok(1));
    assert_eq!(allocate(&mut table, SlotIndex::Static(1), 1), Ok(1));
    let taken = SlotError::AllocationTaken {
        allocation: AllocationId(1),
        index: 1,
    };
    for (requested, job, profile) in [
        (SlotIndex::Static(0), JOB, RequestedProfile::Unknown),
        (SlotIndex::Dynamic, JOB, RequestedProfile::Unknown),
        (SlotIndex::Static(1), JobId(2), RequestedProfile::Unknown),
        (
            SlotIndex::Static(1),
            JOB,
            RequestedProfile::Exactly(ResourceProfile::default()),
        ),
    ] {
        assert_eq!(
            table.allocate(requested, job, AllocationId(1), profile),
            Err(taken.clone())
        );
    }
    assert_eq!(
        allocate(&mut table, SlotIndex::Static(1), 2)
            .unwrap_err()
            .to_string(),
        "slot 1 is allocated already, by 00000000000000000000000000000001"
    );
    assert_eq!(
        allocate(&mut table, SlotIndex::Static(2), 2),
        Err(SlotError::NoSuchIndex { index: 2, slots: 2 })
    );
    assert_eq!(allocate(&mut table, SlotIndex::Dynamic, 2), Ok(2));
    assert_eq!(allocate(&mut table, SlotIndex::Dynamic, 2), Ok(2));
}

/// Tasks run only in an active slot of their own job.
#[test]
fn tasks_need_an_active_slot_of_their_job() {
    let mut table = table(1);
    let allocation = AllocationId(1);
    allocate(&mut table, SlotIndex::Static(0), 1).unwrap();
    let not_active = SlotError::NotActive {
        index: 0,
        state: SlotState::Allocated,
    };
    assert_eq!(
        table.add_task(allocation, JOB, TaskId(1)),
        Err(not_active.clone())
    );
    table.mark_active(allocation).unwrap();
    assert_eq!(
        table.add_task(allocation, JobId(2), TaskId(1)),
        Err(SlotError::WrongJob {
            index: 0,
            belongs_to: JOB,
            job: JobId(2)
        })
    );
    table.mark_inactive(allocation).unwrap();
    assert_eq!(table.add_task(allocation, JOB, TaskId(1)), Err(not_active));
}

/// Closing frees what has no tasks, waits for the rest, and allocates nothing more.
#[test]
fn closing_frees_all_slots() {
    let mut table = table(2);
    allocate(&mut table, SlotIndex::Static(0), 1).unwrap();
    allocate(&mut table, SlotIndex::Static(1), 2).unwrap();
    table.mark_active(AllocationId(2)).unwrap();
    table.add_task(AllocationId(2), JOB, TaskId(5)).unwrap();
    let freeing = table.close();
    assert!(matches!(&freeing[0], Freeing::Freed(slot) if slot.index == 0));
    assert_eq!(freeing[1], Freeing::Waiting(vec![TaskId(5)]));
    assert_eq!(
        allocate(&mut table, SlotIndex::Static(0), 3),
        Err(SlotError::Closed)
    );
    assert!(
        table
            .remove_task(AllocationId(2), TaskId(5))
            .unwrap()
            .is_some()
    );
    assert_eq!(table.close(), []);
}

/// A page size that no memory manager takes is refused with the table, and managed memory of too many pages with the
/// slot.
#[test]
fn managed_memory_that_cannot_be_is_refused() {
    let part = default_profile();
    assert!(matches!(
        SlotTable::new(1, part, part, Bytes(5000)).unwrap_err(),
        CreationError::PageSize { .. }
    ));
    let huge = ResourceProfile {
        managed: Bytes::MAX,
        ..part
    };
    let mut table = SlotTable::new(1, huge, part, PAGE).unwrap();
    let asked = RequestedProfile::Exactly(huge);
    assert!(matches!(
        table.allocate(SlotIndex::Static(0), JOB, AllocationId(1), asked),
        Err(SlotError::ManagedMemory(CreationError::TooManyPages { .. }))
    ));
    assert_eq!(table.available(), &huge);
}
