//! Requests that wait in line, by a thread or as a future, and those that do not wait and keep to the order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use headroom::{
    bytes::Bytes,
    pool::{
        extent::Fit,
        fairness::ServiceOrder,
        memory_manager::{AllocationError, MemoryManager, ReservationError},
    },
};

use super::super::{is_reservation_insufficient, small};
use super::{PAGE, bytes, one_page};
use crate::wait_until;

const LONG: Duration = Duration::from_secs(60);

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
        wait_until(|| manager.waiting_requests() == 1);
        let pages_waiter =
            scope.spawn(|| manager.allocate_pages_later(other, 5).unwrap().wait(LONG));
        wait_until(|| manager.waiting_requests() == 2);
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
        wait_until(|| manager.waiting_requests() == 1);
        let stays = scope.spawn(|| manager.allocate_pages_later(owner, 1).unwrap().wait(LONG));
        wait_until(|| manager.waiting_requests() == 2);
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
