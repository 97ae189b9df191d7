//! What the memory manager does beyond Flink: pins, extents, names of holders, and the sweep; waiting in line, and all of
//! it at random.

mod at_random;
mod waiting;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use headroom::{
    bytes::Bytes,
    pool::{
        extent::Fit,
        memory_manager::{
            AllocationError, Freed, HoldingKind, ManagedSegment, MemoryManager, OwnerId,
            ReservationError,
        },
    },
};

use super::{is_insufficient, small};

const PAGE: Bytes = Bytes(4096);

fn bytes(pages: u64) -> Bytes {
    Bytes(pages * 4096)
}

fn one_page(manager: &MemoryManager, owner: OwnerId) -> ManagedSegment {
    manager.allocate_pages(owner, 1).unwrap().remove(0)
}

/// A page that is taken away while it is accessed stays with whoever accesses it until that ends, and is nobody else's
/// before; the handle is void from then on.
#[test]
fn an_access_outlives_the_release() {
    let manager = small(2, 0);
    let (owner, other) = (
        manager.register_owner("sort"),
        manager.register_owner("other"),
    );
    let mut segment = one_page(&manager, owner);
    let page = segment.page();
    let mut pinned = segment.pin().unwrap();
    manager.release_all(owner).unwrap();
    pinned[0] = 42;
    assert!(is_insufficient(manager.allocate_pages(other, 2)));
    let holders = manager.holders();
    assert_eq!(
        (holders.len(), holders[0].kind),
        (1, HoldingKind::StillPinned)
    );
    assert_eq!(
        manager.verify_empty().unwrap_err().to_string(),
        "4 KiB of 8 KiB of managed memory were not released: held by sort (1 page, 4 KiB, released but still accessed)"
    );
    assert_ne!(one_page(&manager, other).page(), page);
    drop(pinned);
    assert_eq!(segment.pin().unwrap_err(), Freed);
    let mut both = manager.allocate_pages(other, 2).unwrap();
    drop(segment);
    assert!(both.iter_mut().all(|segment| segment.pin().is_ok()));
    drop(both);
    manager.verify_empty().unwrap();
}

/// An access whose end was forgotten keeps its page out of use for ever, since somebody may still hold its bytes.
#[test]
fn a_forgotten_access_keeps_its_page() {
    let manager = small(2, 0);
    let owner = manager.register_owner("sort");
    let mut segment = one_page(&manager, owner);
    std::mem::forget(segment.pin().unwrap());
    assert_eq!(segment.pin().unwrap_err(), Freed);
    drop(segment);
    assert_eq!(manager.holders()[0].kind, HoldingKind::StillPinned);
    assert!(is_insufficient(manager.allocate_pages(owner, 2)));
    assert_eq!(manager.allocate_pages(owner, 1).unwrap().len(), 1);
}

/// Segments outlive all handles of their manager, and may be sent to other threads.
#[test]
fn segments_outlive_their_manager() {
    let manager = small(4, 0);
    let owner = manager.register_owner("sort");
    let mut segments = manager.allocate_pages(owner, 4).unwrap();
    drop(manager);
    std::thread::scope(|scope| {
        for segment in &mut segments {
            scope.spawn(|| segment.pin().unwrap().fill(7));
        }
    });
    assert!(
        segments
            .iter_mut()
            .all(|segment| segment.pin().unwrap().iter().all(|byte| *byte == 7))
    );
}

/// Fresh pages hold zeros.
#[test]
fn fresh_pages_hold_zeros() {
    let manager = small(3, 0);
    let owner = manager.register_owner("sort");
    let mut extent = manager.allocate_extent(owner, 3, Fit::Best).unwrap();
    assert_eq!((extent.pages(), extent.size_bytes()), (3, 3 * 4096));
    assert!(extent.pin().unwrap().iter().all(|byte| *byte == 0));
}

/// Pages and extents share the free pages and the budget, and their bytes never overlap.
#[test]
fn extents_and_pages_share_the_memory() {
    let manager = small(10, 0);
    let owner = manager.register_owner("hash join");
    let mut segments = manager.allocate_pages(owner, 10).unwrap();
    segments.sort_by_key(ManagedSegment::page);
    // Free are pages 0 to 2, 5 and 6, and 9.
    for page in [9, 6, 5, 2, 1, 0] {
        manager.release(segments.remove(page)).unwrap();
    }
    let free = manager.free_space();
    assert_eq!((free.pages, free.largest, free.extents), (6, 3, 3));
    assert!(matches!(
        manager.allocate_extent(owner, 4, Fit::First),
        Err(AllocationError::Fragmented { pages: 4, free }) if free.largest == 3
    ));
    // A refusal leaves the budget as it was.
    assert_eq!(manager.available_memory(), bytes(6));
    let two = manager.allocate_extent(owner, 2, Fit::Best).unwrap();
    assert_eq!(two.page(), 5);
    let first = manager.allocate_extent(owner, 1, Fit::First).unwrap();
    assert_eq!(first.page(), 0);
    segments.extend([two, first]);
    segments.extend(manager.allocate_pages(owner, 3).unwrap());
    for (number, segment) in (0_u8..).zip(&mut segments) {
        segment.pin().unwrap().fill(number);
    }
    for (number, segment) in (0_u8..).zip(&mut segments) {
        assert!(segment.pin().unwrap().iter().all(|byte| *byte == number));
    }
    let held: BTreeSet<u32> = segments
        .iter()
        .flat_map(|held| held.page()..held.page() + held.pages())
        .collect();
    assert_eq!(held.len(), 10);
    assert!(matches!(
        manager.allocate_extent(owner, 1, Fit::Best),
        Err(AllocationError::Insufficient { pages: 1, .. })
    ));
    assert!(matches!(
        manager.allocate_extent(owner, 11, Fit::Best),
        Err(AllocationError::MoreThanTotal {
            pages: 11,
            total_pages: 10
        })
    ));
    assert!(matches!(
        manager.allocate_extent(owner, 0, Fit::Best),
        Err(AllocationError::EmptyExtent)
    ));
    manager.release_all(owner).unwrap();
    assert_eq!(manager.free_space().largest, 10);
    drop(segments);
    manager.verify_empty().unwrap();
}

/// A refusal names the five who hold most, with what they hold and since when, and how many more there are.
#[test]
fn a_refusal_names_who_holds_the_rest() {
    let manager = small(100, 0);
    manager.tell_time(Duration::from_secs(10));
    let mut segments = Vec::new();
    for number in 1..=7_u8 {
        let owner = manager.register_owner(format!("Sort ({number}/7)"));
        segments.extend(manager.allocate_pages(owner, number.into()).unwrap());
        manager.reserve_memory(owner, Bytes(number.into())).unwrap();
    }
    manager.tell_time(Duration::from_secs(25));
    let late = manager.register_owner("late");
    let Err(ReservationError::Insufficient(shortage)) = manager.reserve_memory(late, bytes(72))
    else {
        panic!("28 pages and 28 bytes are taken");
    };
    let text = shortage.to_string();
    assert!(
        text.starts_with(
            "could not reserve 288 KiB: 287.97 KiB (294884 bytes) of 400 KiB are left, the rest is held by Sort (7/7) \
             (7 pages, 28 KiB, and 7 bytes reserved, for 15s), Sort (6/7) ("
        ),
        "{text}"
    );
    assert!(
        text.ends_with("Sort (3/7) (3 pages, 12 KiB, and 3 bytes reserved, for 15s) and 2 others"),
        "{text}"
    );
    drop(segments);
    // What is left are the reservations, and everybody is named who has one.
    let report = manager.verify_empty().unwrap_err();
    assert_eq!((report.held, report.holders.len()), (Bytes(28), 7));
    assert_eq!(report.holders[0].age, Some(Duration::from_secs(15)));
}

/// An owner's age is that of the oldest it still has; without a clock there is none.
#[test]
fn ages_are_those_of_the_oldest() {
    let manager = small(10, 0);
    let owner = manager.register_owner("sort");
    let at = |seconds| manager.tell_time(Duration::from_secs(seconds));
    let age = || manager.holders()[0].age.map(|age| age.as_secs());
    let untold = one_page(&manager, owner);
    assert_eq!(age(), None);
    at(100);
    let first = one_page(&manager, owner);
    at(110);
    let second = one_page(&manager, owner);
    at(120);
    assert_eq!(age(), None);
    drop(untold);
    assert_eq!(age(), Some(20));
    manager.reserve_memory(owner, PAGE).unwrap();
    drop(first);
    at(130);
    assert_eq!(age(), Some(20));
    drop(second);
    assert_eq!(age(), Some(10));
    manager.release_memory(owner, Bytes(1)).unwrap();
    manager.reserve_memory(owner, Bytes(1)).unwrap();
    assert_eq!(age(), Some(10));
}

/// Owners that are no longer alive lose their pages and reservations, and each is reported with what it had; the
/// others, and shared resources, keep theirs.
#[test]
fn the_sweep_takes_back_what_dead_owners_hold() {
    let manager = small(3000, 0);
    manager.tell_time(Duration::from_secs(1));
    let owners = ["dead", "alive", "dead and poor"].map(|label| manager.register_owner(label));
    let [dead, alive, poor] = owners;
    let mut lost = manager.allocate_pages(dead, 2000).unwrap();
    let mut kept = manager.allocate_pages(alive, 10).unwrap();
    manager.reserve_memory(dead, Bytes(5)).unwrap();
    let lease = manager
        .shared_resource("cache", 0.1, Duration::ZERO, |_| {
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap();
    let pinned = lost[0].pin().unwrap();
    manager.tell_time(Duration::from_secs(4));

    let reclaimed = manager.sweep(|owner| owner == alive);
    let [first, second] = &reclaimed[..] else {
        panic!("{reclaimed:?}")
    };
    assert_eq!(
        (first.owner, &*first.label, first.pages),
        (dead, "dead", 2000)
    );
    assert_eq!(
        (first.bytes, first.age),
        (Bytes(2000 * 4096 + 5), Some(Duration::from_secs(3)))
    );
    assert_eq!(
        (second.owner, second.pages, second.bytes),
        (poor, 0, Bytes::ZERO)
    );
    assert_eq!(manager.free_space().pages, 3000 - 10 - 1);
    drop(pinned);
    assert_eq!(manager.free_space().pages, 3000 - 10);
    assert!(lost.iter_mut().all(|segment| segment.pin().is_err()));
    assert!(kept.iter_mut().all(|segment| segment.pin().is_ok()));
    assert!(matches!(
        manager.allocate_pages(dead, 1),
        Err(AllocationError::UnknownOwner)
    ));
    assert_eq!(manager.sweep(|owner| owner == alive), []);
    drop((lost, kept, lease));
    manager.verify_empty().unwrap();
    manager.shutdown();
    assert_eq!(manager.sweep(|_| false), []);
}

/// A sweep does not stop those who are alive, nor does it take what a dead owner's successor has.
#[test]
fn a_sweep_lets_others_go_on() {
    let manager = small(20_000, 0);
    let alive = manager.register_owner("alive");
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut rounds = 0_u32;
            while !is_done.load(Ordering::SeqCst) || rounds == 0 {
                let mut segments = manager.allocate_pages(alive, 5).unwrap();
                assert!(segments.iter_mut().all(|segment| segment.pin().is_ok()));
                manager.release_list(&mut segments).unwrap();
                rounds += 1;
            }
            rounds
        });
        for _ in 0..20 {
            let dead = manager.register_owner("dead");
            let segments = manager.allocate_pages(dead, 5000).unwrap();
            let reclaimed = manager.sweep(|owner| owner == alive);
            assert_eq!((reclaimed.len(), reclaimed[0].pages), (1, 5000));
            drop(segments);
        }
        is_done.store(true, Ordering::SeqCst);
        assert!(worker.join().unwrap() > 0);
    });
    manager.verify_empty().unwrap();
}
