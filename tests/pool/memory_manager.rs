//! Lines D: the managed memory of a slot. 72 MiB in pages of 32 KiB are 2304 pages, as in Flink's tests; after each test
//! nothing is left.

mod beyond_flink;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use headroom::{
    bytes::Bytes,
    pool::memory_manager::{
        AllocationError, CreationError, DEFAULT_PAGE_SIZE, ManagedSegment, MemoryManager, OwnerId,
        ReservationError,
    },
};
use parking_lot::Mutex;

use crate::random::Random;

const TOTAL: Bytes = Bytes(72 << 20);
const PAGE: Bytes = DEFAULT_PAGE_SIZE;
const PAGES: u32 = 2304;

fn manager() -> MemoryManager {
    MemoryManager::create(TOTAL, PAGE).unwrap()
}

/// A manager of pages of 4 KiB, for tests that need few of them.
fn small(pages: u64, rest: u64) -> MemoryManager {
    MemoryManager::create(Bytes(pages * 4096 + rest), Bytes(4096)).unwrap()
}

/// Writes the page's number to both ends of each segment.
fn fill(segments: &mut [ManagedSegment]) {
    for segment in segments {
        let number = segment.page().to_le_bytes();
        let length = segment.size_bytes();
        let mut bytes = segment.pin().unwrap();
        bytes[..4].copy_from_slice(&number);
        bytes[length - 4..].copy_from_slice(&number);
    }
}

/// Whether both ends of each segment are what `fill` wrote.
fn are_valid(segments: &mut [ManagedSegment]) -> bool {
    segments.iter_mut().all(|segment| {
        let number = segment.page().to_le_bytes();
        let length = segment.size_bytes();
        segment
            .pin()
            .is_ok_and(|bytes| bytes[..4] == number && bytes[length - 4..] == number)
    })
}

fn pages_of(segments: &[ManagedSegment]) -> BTreeSet<u32> {
    segments.iter().map(ManagedSegment::page).collect()
}

fn is_insufficient(result: Result<Vec<ManagedSegment>, AllocationError>) -> bool {
    matches!(result, Err(AllocationError::Insufficient { .. }))
}

fn is_reservation_insufficient(result: Result<(), ReservationError>) -> bool {
    matches!(result, Err(ReservationError::Insufficient(_)))
}

/// Every page can be allocated, one at a time, all of them different, and all come back with a list.
#[test]
fn d1_allocate_all_single() {
    let manager = manager();
    let owner = manager.register_owner("invokable");
    let mut segments = Vec::new();
    for _ in 0..PAGES {
        segments.extend(manager.allocate_pages(owner, 1).unwrap());
    }
    fill(&mut segments);
    assert!(are_valid(&mut segments));
    assert_eq!(pages_of(&segments).len(), PAGES as usize);
    assert_eq!(manager.available_memory(), Bytes::ZERO);
    manager.release_list(&mut segments).unwrap();
    assert!(segments.is_empty());
    manager.verify_empty().unwrap();
}

/// Every page can be allocated, two at a time.
#[test]
fn d2_allocate_all_multi() {
    let manager = manager();
    let owner = manager.register_owner("invokable");
    let mut segments = Vec::new();
    for _ in 0..PAGES / 2 {
        manager
            .allocate_pages_into(owner, 2, &mut segments)
            .unwrap();
    }
    assert_eq!(pages_of(&segments).len(), PAGES as usize);
    manager.release_list(&mut segments).unwrap();
    manager.verify_empty().unwrap();
}

/// Of 17 owners with pages at random each can lose all of its pages, and those of the others stay as they are.
#[test]
fn d3_allocate_multiple_owners() {
    let manager = manager();
    let owners: Vec<OwnerId> = (0..17)
        .map(|number| manager.register_owner(format!("owner {number}")))
        .collect();
    let mut segments: Vec<Vec<ManagedSegment>> = (0..17).map(|_| Vec::new()).collect();
    let mut random = Random::new(7);
    for _ in 0..PAGES {
        let which = random.below(17);
        manager
            .allocate_pages_into(owners[which], 1, &mut segments[which])
            .unwrap();
    }
    segments.iter_mut().for_each(|segments| fill(segments));
    for (released, owner) in owners.into_iter().enumerate() {
        manager.release_all(owner).unwrap();
        for (which, segments) in segments.iter_mut().enumerate() {
            assert_eq!(
                segments.iter().all(ManagedSegment::is_freed),
                which <= released
            );
            assert!(
                which <= released || are_valid(segments),
                "{which} after {released}"
            );
        }
    }
    manager.verify_empty().unwrap();
}

/// With all pages taken one more is refused, and those taken stay as they are.
#[test]
fn d4_allocate_too_much() {
    let manager = manager();
    let owner = manager.register_owner("invokable");
    let mut segments = manager.allocate_pages(owner, PAGES).unwrap();
    fill(&mut segments);
    assert!(is_insufficient(manager.allocate_pages(owner, 1)));
    assert!(are_valid(&mut segments));
    manager.release_list(&mut segments).unwrap();
    manager.verify_empty().unwrap();
}

/// A page whose owner lost it returns once, though its handle is dropped afterwards: a handle cannot be released twice
/// in Rust, so the second release is that of the stale handle.
#[test]
fn d5_double_release_returns_memory_once() {
    let manager = manager();
    let (owner, other) = (
        manager.register_owner("invokable"),
        manager.register_owner("other"),
    );
    let segments = manager.allocate_pages(owner, PAGES - 1).unwrap();
    let mut twice = manager.allocate_pages(other, 1).unwrap();
    manager.release_all(other).unwrap();
    manager.release_list(&mut twice).unwrap();
    assert!(is_insufficient(manager.allocate_pages(other, 2)));
    let one = manager.allocate_pages(other, 1).unwrap();
    drop((segments, one));
    manager.verify_empty().unwrap();
}

/// A list whose segments the owner lost already can still be released.
#[test]
fn d6_release_list_after_release_all() {
    let manager = manager();
    let owner = manager.register_owner("invokable");
    let mut segments = manager.allocate_pages(owner, 1).unwrap();
    manager.release_all(owner).unwrap();
    manager.release_list(&mut segments).unwrap();
    assert!(segments.is_empty());
    manager.verify_empty().unwrap();
}

/// A segment that the owner lost already can still be released, and does not take the page from its next owner.
#[test]
fn d7_release_after_release_all() {
    let manager = small(1, 0);
    let owner = manager.register_owner("invokable");
    let mut stale = manager.allocate_pages(owner, 1).unwrap();
    manager.release_all(owner).unwrap();
    let mut next = manager.allocate_pages(owner, 1).unwrap();
    assert_eq!(next[0].page(), stale[0].page());
    manager.release(stale.remove(0)).unwrap();
    assert!(next[0].pin().is_ok());
    assert_eq!(manager.available_memory(), Bytes::ZERO);
    drop(next);
    manager.verify_empty().unwrap();
}

/// Of two lists, one of which has a segment that was released through the other, each releases what is left of it: in
/// Rust the common segment is one that its owner lost.
#[test]
fn d8_release_same_segment_from_two_collections() {
    let manager = manager();
    let (owner, other) = (
        manager.register_owner("invokable"),
        manager.register_owner("other"),
    );
    let mut first = manager.allocate_pages(owner, 1).unwrap();
    let mut second = manager.allocate_pages(other, 1).unwrap();
    manager.allocate_pages_into(owner, 1, &mut second).unwrap();
    manager.release_all(other).unwrap();
    manager.release_list(&mut first).unwrap();
    assert_eq!(manager.available_memory(), Bytes(TOTAL.get() - PAGE.get()));
    manager.release_list(&mut second).unwrap();
    assert_eq!(manager.available_memory(), TOTAL);
    manager.verify_empty().unwrap();
}

/// Bytes of a page are reserved and released.
#[test]
fn d9_reservation() {
    let manager = manager();
    let owner = manager.register_owner("invokable");
    manager.reserve_memory(owner, PAGE).unwrap();
    assert_eq!(manager.available_memory(), Bytes(TOTAL.get() - PAGE.get()));
    let released = manager.release_memory(owner, PAGE).unwrap();
    assert_eq!((released.released, released.surplus), (PAGE, Bytes::ZERO));
    manager.verify_empty().unwrap();
}

/// All memory is reserved, and released at once.
#[test]
fn d10_all_memory_reservation() {
    let manager = manager();
    let owner = manager.register_owner("invokable");
    manager.reserve_memory(owner, TOTAL).unwrap();
    assert_eq!(manager.release_all_memory(owner), Ok(TOTAL));
    manager.verify_empty().unwrap();
}

/// With all memory reserved not a byte more can be.
#[test]
fn d11_reserve_beyond_the_limit() {
    let manager = manager();
    let owner = manager.register_owner("invokable");
    manager.reserve_memory(owner, TOTAL).unwrap();
    assert!(is_reservation_insufficient(
        manager.reserve_memory(owner, Bytes(1))
    ));
    manager.release_all_memory(owner).unwrap();
    manager.verify_empty().unwrap();
}

/// More than all memory cannot be reserved at once, and the attempt reserves nothing.
#[test]
fn d12_too_big_reservation() {
    let manager = manager();
    let owner = manager.register_owner("invokable");
    let wanted = Bytes(TOTAL.get() + PAGE.get());
    assert!(is_reservation_insufficient(
        manager.reserve_memory(owner, wanted)
    ));
    manager.verify_empty().unwrap();
}

/// A reservation that is released twice returns once.
#[test]
fn d13_release_reservation_multiple_times() {
    let manager = manager();
    let (owner, other) = (
        manager.register_owner("invokable"),
        manager.register_owner("other"),
    );
    manager.reserve_memory(other, PAGE).unwrap();
    manager.reserve_memory(owner, PAGE).unwrap();
    manager.release_memory(owner, PAGE).unwrap();
    let again = manager.release_memory(owner, PAGE).unwrap();
    assert_eq!((again.released, again.surplus), (Bytes::ZERO, PAGE));
    assert_eq!(manager.available_memory(), Bytes(TOTAL.get() - PAGE.get()));
    manager.release_all_memory(other).unwrap();
    manager.verify_empty().unwrap();
}

/// Of more than was reserved only what was reserved is released, and the surplus is told.
#[test]
fn d14_release_more_than_reserved() {
    let manager = manager();
    let (owner, other) = (
        manager.register_owner("invokable"),
        manager.register_owner("other"),
    );
    manager.reserve_memory(other, PAGE).unwrap();
    manager.reserve_memory(owner, PAGE).unwrap();
    let released = manager
        .release_memory(owner, Bytes(2 * PAGE.get()))
        .unwrap();
    assert_eq!((released.released, released.surplus), (PAGE, PAGE));
    assert_eq!(manager.available_memory(), Bytes(TOTAL.get() - PAGE.get()));
    manager.release_all_memory(other).unwrap();
    manager.verify_empty().unwrap();
}

/// Pages and reservations share one budget: half and half leave neither a page nor a byte.
#[test]
fn d15_allocation_and_reservation() {
    let manager = manager();
    let owner = manager.register_owner("invokable");
    let segments = manager.allocate_pages(owner, PAGES / 2).unwrap();
    manager
        .reserve_memory(owner, Bytes(TOTAL.get() / 2))
        .unwrap();
    assert!(is_insufficient(manager.allocate_pages(owner, 1)));
    assert!(is_reservation_insufficient(
        manager.reserve_memory(owner, Bytes(1))
    ));
    manager.release_all_memory(owner).unwrap();
    drop(segments);
    manager.verify_empty().unwrap();
}

/// Shares become truncated bytes and pages; those of nothing, of more than all and below nothing are refused.
#[test]
fn d16_shares() {
    let manager = manager();
    assert_eq!(manager.bytes_of_share(1.0), Ok(TOTAL));
    assert_eq!(manager.bytes_of_share(0.6), Ok(Bytes(45_298_483)));
    for wrong in [0.0, 1.1, -0.1] {
        let error = manager.bytes_of_share(wrong).unwrap_err();
        assert!(error.class.ends_with("IllegalArgumentException"), "{error}");
        assert_eq!(manager.pages_of_share(wrong), Err(error.clone()));
        assert_eq!(
            error.message.contains("consumer-weights"),
            wrong == 0.0,
            "{error}"
        );
    }
    // As the released Flink answers.
    let manager = small(10, 100);
    assert_eq!(manager.pages_of_share(0.33), Ok(3));
    assert_eq!(manager.bytes_of_share(0.33), Ok(Bytes(13_549)));
}

/// Whether all came back may still be asked after the shutdown.
#[test]
fn d17_verify_empty_after_shutdown() {
    let manager = manager();
    let owner = manager.register_owner("invokable");
    drop(manager.allocate_pages(owner, 1).unwrap());
    manager.reserve_memory(owner, PAGE).unwrap();
    manager.release_memory(owner, PAGE).unwrap();
    manager.shutdown();
    manager.verify_empty().unwrap();
}

/// A list of 10 000 segments of which half vanish while it is made ready is released completely. A list cannot change
/// under the one who walks over it in Rust; what can is the state of its segments.
#[test]
fn d18_release_while_segments_vanish() {
    let manager = small(10_000, 0);
    let (owner, other) = (
        manager.register_owner("invokable"),
        manager.register_owner("other"),
    );
    let mut segments = Vec::new();
    for _ in 0..5000 {
        manager
            .allocate_pages_into(owner, 1, &mut segments)
            .unwrap();
        manager
            .allocate_pages_into(other, 1, &mut segments)
            .unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| manager.release_all(other).unwrap());
        manager.release_list(&mut segments).unwrap();
    });
    assert!(segments.is_empty());
    assert_eq!(manager.free_space().pages, 10_000);
    manager.verify_empty().unwrap();
}

/// A list that another thread keeps turning round is released piece by piece and as a whole, and no page returns twice.
/// Such a list is behind a lock in Rust.
#[test]
fn d19_release_while_the_list_is_changed() {
    let manager = small(1000, 0);
    let owner = manager.register_owner("invokable");
    let list = Mutex::new(manager.allocate_pages(owner, 1000).unwrap());
    let (is_done, turns) = (AtomicBool::new(false), std::sync::atomic::AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::SeqCst) {
                let mut list = list.lock();
                if !list.is_empty() {
                    list.rotate_left(1);
                }
                turns.fetch_add(1, Ordering::SeqCst);
            }
        });
        let released = (0..500).all(|_| {
            let segment = list.lock().swap_remove(0);
            manager.release(segment).is_ok()
        });
        // The other thread has its turns in the middle of it.
        let before = turns.load(Ordering::SeqCst);
        while turns.load(Ordering::SeqCst) < before + 100 {
            std::thread::yield_now();
        }
        let rest = manager.release_list(&mut list.lock());
        is_done.store(true, Ordering::SeqCst);
        assert!(released && rest.is_ok());
    });
    assert_eq!(list.lock().len(), 0);
    assert_eq!(manager.free_space().pages, 1000);
    manager.verify_empty().unwrap();
}

/// More pages than there are is a mistake, one more than is left a shortage; the rest beside the pages can be reserved,
/// and not a byte more.
#[test]
fn d20_more_than_ever_and_more_than_left() {
    let manager = small(10, 100);
    let owner = manager.register_owner("invokable");
    assert!(matches!(
        manager.allocate_pages(owner, 11),
        Err(AllocationError::MoreThanTotal {
            pages: 11,
            total_pages: 10
        })
    ));
    let mut segments = manager.allocate_pages(owner, 10).unwrap();
    assert!(is_insufficient(manager.allocate_pages(owner, 1)));
    assert!(is_reservation_insufficient(
        manager.reserve_memory(owner, Bytes(101))
    ));
    manager.reserve_memory(owner, Bytes(100)).unwrap();
    assert_eq!(manager.available_memory(), Bytes::ZERO);
    manager.release_all_memory(owner).unwrap();
    manager.release_list(&mut segments).unwrap();
    manager.verify_empty().unwrap();
}

/// Pages are powers of two from 4096 bytes on, and the size is one that Flink can express; 0 is one.
#[test]
fn d21_sizes() {
    for page_size in [2048, 5000, 0].map(Bytes) {
        assert_eq!(
            MemoryManager::create(TOTAL, page_size).unwrap_err(),
            CreationError::PageSize { page_size }
        );
    }
    // What −1 is in 64 bits.
    let memory_size = Bytes(u64::MAX);
    assert_eq!(
        MemoryManager::create(memory_size, PAGE).unwrap_err(),
        CreationError::MemorySize { memory_size }
    );
    assert!(matches!(
        MemoryManager::create(Bytes(4096 << 31), Bytes(4096)).unwrap_err(),
        CreationError::TooManyPages {
            pages: 0x8000_0000,
            ..
        }
    ));
    let nothing = MemoryManager::create(Bytes::ZERO, PAGE).unwrap();
    assert_eq!(
        (nothing.memory_size(), nothing.total_pages()),
        (Bytes::ZERO, 0)
    );
    nothing.verify_empty().unwrap();
}

/// A shutdown frees pages that are out, so nothing is missing; it forgets reservations, which are then missing, and the
/// report names who had them. Nothing is given or taken afterwards.
#[test]
fn d22_shutdown() {
    let manager = small(10, 0);
    let owner = manager.register_owner("invokable");
    let mut segments = manager.allocate_pages(owner, 3).unwrap();
    manager.shutdown();
    manager.verify_empty().unwrap();
    assert!(segments.iter_mut().all(|segment| segment.pin().is_err()));
    assert!(matches!(
        manager.allocate_pages(owner, 1),
        Err(AllocationError::ShutDown(_))
    ));
    assert!(matches!(
        manager.allocate_pages(owner, 11),
        Err(AllocationError::ShutDown(_))
    ));
    assert!(manager.release(segments.remove(0)).is_err());
    assert!(manager.release_list(&mut segments).is_err());
    assert_eq!(segments.len(), 2);
    assert!(manager.release_all(owner).is_err());
    manager.shutdown();
    drop(segments);
    manager.verify_empty().unwrap();

    let manager = small(10, 0);
    let owner = manager.register_owner("state backend");
    manager.reserve_memory(owner, Bytes(4096)).unwrap();
    manager.shutdown();
    let report = manager.verify_empty().unwrap_err();
    assert_eq!(
        (report.held, manager.available_memory()),
        (Bytes(4096), Bytes(36_864))
    );
    assert_eq!(
        report.to_string(),
        "4 KiB of 40 KiB of managed memory were not released: held by state backend (4 KiB reserved, not released \
         before the shutdown)"
    );
    assert!(matches!(
        manager.reserve_memory(owner, Bytes(1)),
        Err(ReservationError::ShutDown(_))
    ));
    assert!(manager.release_memory(owner, Bytes(4096)).is_err());
    assert!(manager.release_all_memory(owner).is_err());
    assert_eq!(manager.available_memory(), Bytes(36_864));
}

/// A negative amount, which is a huge one here, and an owner that is nobody are refused; a reservation of nothing
/// leaves no entry.
#[test]
fn d23_wrong_amounts_and_owners() {
    let manager = small(10, 0);
    let owner = manager.register_owner("invokable");
    assert!(is_reservation_insufficient(
        manager.reserve_memory(owner, Bytes(u64::MAX))
    ));
    let stranger = small(10, 0).register_owner("invokable");
    let gone = manager.register_owner("gone");
    manager.remove_owner(gone).unwrap();
    for nobody in [stranger, gone] {
        assert!(matches!(
            manager.reserve_memory(nobody, Bytes(1)),
            Err(ReservationError::UnknownOwner)
        ));
        assert!(matches!(
            manager.allocate_pages(nobody, 1),
            Err(AllocationError::UnknownOwner)
        ));
        assert_eq!(manager.release_all_memory(nobody), Ok(Bytes::ZERO));
        manager.release_all(nobody).unwrap();
    }
    manager.reserve_memory(owner, Bytes::ZERO).unwrap();
    assert_eq!(manager.holders(), []);
    assert_eq!(manager.allocate_pages(owner, 0).unwrap().len(), 0);
    manager.verify_empty().unwrap();
}
