//! What the memory manager does beyond Flink: pins, extents, names of holders, waiting in line, and the sweep.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use headroom::{
    bytes::Bytes,
    pool::{
        extent::Fit,
        fairness::ServiceOrder,
        memory_manager::{
            AllocationError, Freed, HoldingKind, ManagedSegment, MemoryManager, OwnerId,
            ReservationError,
        },
    },
};
use proptest::prelude::*;

use super::{is_insufficient, is_reservation_insufficient, small};

const LONG: Duration = Duration::from_secs(60);
const PAGE: Bytes = Bytes(4096);

fn bytes(pages: u64) -> Bytes {
    Bytes(pages * 4096)
}

fn one_page(manager: &MemoryManager, owner: OwnerId) -> ManagedSegment {
    manager.allocate_pages(owner, 1).unwrap().remove(0)
}

/// Waits for what another thread is about to do.
fn until(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
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

/// A request that waits is served as soon as there is enough, whether it waits for bytes or for pages.
#[test]
fn a_request_waits_until_there_is_enough() {
    let manager = small(10, 0);
    let (owner, other) = (
        manager.register_owner("first"),
        manager.register_owner("second"),
    );
    let held = manager.allocate_pages(owner, 8).unwrap();
    std::thread::scope(|scope| {
        let bytes_waiter = scope.spawn(|| {
            manager
                .reserve_memory_later(other, bytes(4))
                .unwrap()
                .wait(LONG)
        });
        until(|| manager.waiting_requests() == 1);
        let pages_waiter =
            scope.spawn(|| manager.allocate_pages_later(other, 5).unwrap().wait(LONG));
        until(|| manager.waiting_requests() == 2);
        drop(held);
        bytes_waiter.join().unwrap().unwrap();
        let mut pages = pages_waiter.join().unwrap().unwrap();
        assert_eq!((pages.len(), manager.available_memory()), (5, bytes(1)));
        assert!(pages.iter_mut().all(|segment| segment.pin().is_ok()));
    });
    assert_eq!(manager.release_all_memory(other), Ok(bytes(4)));
    manager.verify_empty().unwrap();
    // What is there already comes at once.
    manager
        .reserve_memory_later(owner, bytes(10))
        .unwrap()
        .wait(Duration::ZERO)
        .unwrap();
    assert_eq!(manager.release_all_memory(owner), Ok(bytes(10)));
}

/// A request that waits in vain ends in time, tells who holds the memory, and takes nothing afterwards.
#[test]
fn a_request_waits_no_longer_than_it_would() {
    let manager = small(10, 0);
    let (owner, other) = (
        manager.register_owner("first"),
        manager.register_owner("second"),
    );
    let held = manager.allocate_pages(owner, 8).unwrap();
    let waited = Duration::from_millis(1);
    let Err(ReservationError::TimedOut { shortage, .. }) = manager
        .reserve_memory_later(other, bytes(4))
        .unwrap()
        .wait(waited)
    else {
        panic!("only 2 pages are left");
    };
    assert_eq!(
        (shortage.wanted, shortage.available, shortage.waiting),
        (bytes(4), bytes(2), 0)
    );
    assert_eq!(&*shortage.holders.named[0].label, "first");
    let error = manager
        .allocate_pages_later(other, 4)
        .unwrap()
        .wait(waited)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not allocate 4 pages, waited 1ms in vain"
    );
    // Whoever gives up no longer waits.
    drop(manager.allocate_pages_later(other, 4).unwrap());
    assert_eq!(manager.waiting_requests(), 0);
    drop(held);
    manager.verify_empty().unwrap();
    // What can never be is no matter of waiting.
    assert!(matches!(
        manager.reserve_memory_later(other, Bytes(10 * 4096 + 1)),
        Err(ReservationError::Insufficient(_))
    ));
    assert!(matches!(
        manager.allocate_pages_later(other, 11),
        Err(AllocationError::MoreThanTotal { .. })
    ));
}

/// Who does not wait may not pass those who do: not at all in the order of arrival, and as often as the bound says where
/// the least demand goes first.
#[test]
fn who_does_not_wait_keeps_to_the_order() {
    let manager = small(10, 0);
    let owner = manager.register_owner("first");
    manager.reserve_memory(owner, bytes(8)).unwrap();
    let waiting = manager.reserve_memory_later(owner, bytes(3)).unwrap();
    let Err(ReservationError::Insufficient(shortage)) = manager.reserve_memory(owner, Bytes(1))
    else {
        panic!("somebody else comes first");
    };
    assert!(
        shortage
            .to_string()
            .contains("8 KiB of 40 KiB are left and 1 request waits for them, the rest")
    );
    // Nothing can be had at any time.
    manager.reserve_memory(owner, Bytes::ZERO).unwrap();
    assert_eq!(manager.allocate_pages(owner, 0).unwrap().len(), 0);
    drop(waiting);
    manager.reserve_memory(owner, Bytes(1)).unwrap();

    let order = ServiceOrder::LeastDemandFirst { passes: 2 };
    let manager = MemoryManager::with_service_order(bytes(10), PAGE, order).unwrap();
    let owner = manager.register_owner("first");
    manager.reserve_memory(owner, bytes(8)).unwrap();
    let waiting = manager.allocate_pages_later(owner, 3).unwrap();
    manager.reserve_memory(owner, Bytes(1)).unwrap();
    let page = one_page(&manager, owner);
    assert!(is_reservation_insufficient(
        manager.reserve_memory(owner, Bytes(1))
    ));
    drop(page);
    manager.release_memory(owner, bytes(2)).unwrap();
    assert_eq!(waiting.wait(Duration::ZERO).unwrap().len(), 3);
}

/// An extent that is refused because what is free does not lie together has passed nobody.
#[test]
fn a_refused_extent_passes_nobody() {
    let order = ServiceOrder::LeastDemandFirst { passes: 1 };
    let manager = MemoryManager::with_service_order(bytes(4), PAGE, order).unwrap();
    let owner = manager.register_owner("first");
    let mut segments = manager.allocate_pages(owner, 4).unwrap();
    segments.retain(|segment| segment.page() % 2 == 0);
    let waiting = manager.allocate_pages_later(owner, 4).unwrap();
    for _ in 0..2 {
        let refused = manager.allocate_extent(owner, 2, Fit::Best);
        assert!(matches!(refused, Err(AllocationError::Fragmented { .. })));
    }
    drop(manager.allocate_extent(owner, 1, Fit::Best).unwrap());
    assert!(matches!(
        manager.allocate_extent(owner, 1, Fit::Best),
        Err(AllocationError::Insufficient { .. })
    ));
    drop(waiting);
}

/// Who is struck out or shut down while waiting is told so.
#[test]
fn waiting_ends_with_the_owner_or_the_manager() {
    let manager = small(10, 0);
    let (owner, other) = (
        manager.register_owner("first"),
        manager.register_owner("second"),
    );
    manager.reserve_memory(owner, bytes(10)).unwrap();
    std::thread::scope(|scope| {
        let gone = scope.spawn(|| {
            manager
                .reserve_memory_later(other, bytes(1))
                .unwrap()
                .wait(LONG)
        });
        until(|| manager.waiting_requests() == 1);
        let stays = scope.spawn(|| manager.allocate_pages_later(owner, 1).unwrap().wait(LONG));
        until(|| manager.waiting_requests() == 2);
        manager.remove_owner(other).unwrap();
        assert!(matches!(
            gone.join().unwrap(),
            Err(ReservationError::UnknownOwner)
        ));
        assert_eq!(manager.waiting_requests(), 1);
        manager.shutdown();
        assert!(matches!(
            stays.join().unwrap(),
            Err(AllocationError::ShutDown(_))
        ));
    });
    assert!(matches!(
        manager.reserve_memory_later(owner, Bytes(1)),
        Err(ReservationError::ShutDown(_))
    ));
}

struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waiting is a future as well: it wakes its task once, and gives back what it got when nobody asks for it any more.
#[test]
fn waiting_is_a_future() {
    let manager = small(10, 0);
    let owner = manager.register_owner("first");
    manager.reserve_memory(owner, bytes(10)).unwrap();
    let woken = Arc::new(Woken(AtomicU32::new(0)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut reservation = Box::pin(manager.reserve_memory_later(owner, bytes(2)).unwrap());
    let mut pages = Box::pin(manager.allocate_pages_later(owner, 2).unwrap());
    assert!(reservation.as_mut().poll(&mut context).is_pending());
    assert!(pages.as_mut().poll(&mut context).is_pending());
    assert!(pages.as_mut().poll(&mut context).is_pending());
    manager.release_memory(owner, bytes(3)).unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(matches!(
        reservation.as_mut().poll(&mut context),
        Poll::Ready(Ok(()))
    ));
    manager.release_memory(owner, bytes(1)).unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    let Poll::Ready(Ok(segments)) = pages.as_mut().poll(&mut context) else {
        panic!("two pages are free");
    };
    assert_eq!(segments.len(), 2);
    drop((reservation, pages, segments));
    assert_eq!(manager.available_memory(), bytes(2));

    // Both come, and nobody takes them.
    drop(manager.reserve_memory_later(owner, bytes(1)).unwrap());
    drop(manager.allocate_pages_later(owner, 1).unwrap());
    assert_eq!(manager.available_memory(), bytes(2));
    assert_eq!(manager.release_all_memory(owner), Ok(bytes(8)));
    manager.verify_empty().unwrap();
}

/// Threads that allocate, pin, release, lose everything and wait at random never see a page of somebody else, and all
/// memory is there at the end.
#[test]
fn nothing_is_shared_or_lost_among_threads() {
    const THREADS: u64 = 4;
    let order = ServiceOrder::LeastDemandFirst { passes: 4 };
    let manager = MemoryManager::with_service_order(bytes(64), PAGE, order).unwrap();
    let owners: Vec<OwnerId> = (0..THREADS)
        .map(|number| manager.register_owner(format!("thread {number}")))
        .collect();
    let taken_away = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (manager, owners, taken_away) = (&manager, &owners, &taken_away);
            scope.spawn(move || {
                let owner = owners[usize::try_from(number).unwrap()];
                let mut random = number + 1;
                let mut next = move |bound: u64| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (random >> 33) % bound
                };
                let mut held: Vec<ManagedSegment> = Vec::new();
                for _ in 0..1500 {
                    let pages = u32::try_from(1 + next(8)).unwrap();
                    match next(8) {
                        0 | 1 => {
                            let _ = manager.allocate_pages_into(owner, pages, &mut held);
                        }
                        2 => held.extend(manager.allocate_extent(owner, pages, Fit::Best)),
                        3 => {
                            if let Ok(pending) = manager.allocate_pages_later(owner, pages) {
                                held.extend(
                                    pending.wait(Duration::from_micros(50)).unwrap_or_default(),
                                );
                            }
                        }
                        4 => held.truncate(held.len() / 2),
                        5 => manager.release_list(&mut held).unwrap(),
                        6 => {
                            let victim = owners[usize::try_from(next(THREADS)).unwrap()];
                            manager.release_all(victim).unwrap();
                        }
                        _ => {
                            if manager.reserve_memory(owner, bytes(2)).is_ok() {
                                manager.release_memory(owner, bytes(2)).unwrap();
                            }
                        }
                    }
                    for segment in &mut held {
                        let Ok(mut bytes) = segment.pin() else {
                            taken_away.fetch_add(1, Ordering::Relaxed);
                            continue;
                        };
                        // Whoever else had this page at the same time would be seen.
                        let mark = number.to_le_bytes();
                        bytes[..8].copy_from_slice(&mark);
                        std::hint::black_box(&mut bytes);
                        assert_eq!(bytes[..8], mark);
                    }
                }
            });
        }
    });
    assert!(taken_away.into_inner() > 0);
    assert_eq!(
        (manager.waiting_requests(), manager.free_space().pages),
        (0, 64)
    );
    assert_eq!(manager.free_space().largest, 64);
    manager.verify_empty().unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Pages(usize, u32),
    Extent(usize, u32, Fit),
    Drop(prop::sample::Index),
    ReleaseAll(usize),
    Reserve(usize, u64),
    Unreserve(usize, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fit = prop_oneof![Just(Fit::First), Just(Fit::Best)];
    let step = prop_oneof![
        3 => (0_usize..3, 0_u32..8).prop_map(|(owner, pages)| Step::Pages(owner, pages)),
        3 => (0_usize..3, 1_u32..8, fit).prop_map(|(owner, pages, fit)| Step::Extent(owner, pages, fit)),
        5 => any::<prop::sample::Index>().prop_map(Step::Drop),
        1 => (0_usize..3).prop_map(Step::ReleaseAll),
        2 => (0_usize..3, 0_u64..20_000).prop_map(|(owner, bytes)| Step::Reserve(owner, bytes)),
        2 => (0_usize..3, 0_u64..20_000).prop_map(|(owner, bytes)| Step::Unreserve(owner, bytes)),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever is asked for in whatever order: nobody has a page of another, the figures are the sums of what is held,
    /// and a request fails only when it must.
    #[test]
    fn figures_are_the_sums_of_what_is_held(steps in steps(), pages in 1_u64..40, rest in 0_u64..4096) {
        let manager = small(pages, rest);
        let total = pages * 4096 + rest;
        let owners = [(); 3].map(|()| manager.register_owner("owner"));
        let mut held: Vec<(usize, ManagedSegment)> = Vec::new();
        let mut reserved = [0_u64; 3];
        for step in steps {
            let taken = held.iter().map(|(_, segment)| segment.size_bytes() as u64).sum::<u64>()
                + reserved.iter().sum::<u64>();
            let available = total - taken;
            prop_assert_eq!(manager.available_memory(), Bytes(available));
            match step {
                Step::Pages(owner, wanted) => {
                    let fits = u64::from(wanted) * 4096 <= available;
                    let segments = manager.allocate_pages(owners[owner], wanted);
                    prop_assert_eq!(segments.is_ok(), fits);
                    held.extend(segments.into_iter().flatten().map(|segment| (owner, segment)));
                }
                Step::Extent(owner, wanted, fit) => {
                    let fits = u64::from(wanted) * 4096 <= available
                        && wanted <= manager.free_space().largest;
                    let segment = manager.allocate_extent(owners[owner], wanted, fit);
                    prop_assert_eq!(segment.is_ok(), fits);
                    held.extend(segment.into_iter().map(|segment| (owner, segment)));
                }
                Step::Drop(which) if !held.is_empty() => {
                    held.swap_remove(which.index(held.len()));
                }
                Step::Drop(_) => {}
                Step::ReleaseAll(owner) => {
                    manager.release_all(owners[owner]).unwrap();
                    held.retain_mut(|(of, segment)| {
                        assert_eq!(segment.pin().is_err(), *of == owner);
                        *of != owner
                    });
                }
                Step::Reserve(owner, wanted) => {
                    let result = manager.reserve_memory(owners[owner], Bytes(wanted));
                    prop_assert_eq!(result.is_ok(), wanted <= available);
                    reserved[owner] += if result.is_ok() { wanted } else { 0 };
                }
                Step::Unreserve(owner, wanted) => {
                    let released = manager.release_memory(owners[owner], Bytes(wanted)).unwrap();
                    prop_assert_eq!(released.released.get(), wanted.min(reserved[owner]));
                    reserved[owner] -= released.released.get();
                }
            }
            let mut map = BTreeSet::new();
            for (_, segment) in &held {
                for page in segment.page()..segment.page() + segment.pages() {
                    prop_assert!(map.insert(page) && u64::from(page) < pages, "page {}", page);
                }
            }
            prop_assert_eq!(manager.free_space().pages as usize, pages as usize - map.len());
        }
        drop(held);
        for (owner, reserved) in owners.into_iter().zip(reserved) {
            prop_assert_eq!(manager.release_all_memory(owner), Ok(Bytes(reserved)));
        }
        manager.verify_empty().unwrap();
    }
}
