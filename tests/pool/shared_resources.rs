//! Lines E: resources that several users share.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use headroom::{
    bytes::Bytes,
    pool::{
        memory_manager::{DEFAULT_PAGE_SIZE, MemoryManager, ReservationError, SharedMemoryError},
        shared_resources::{SharedResourceError, SharedResourceLease, SharedResources},
    },
};

const TOTAL: Bytes = Bytes(128 << 20);
/// Nobody waits for anybody here, except where a test says so.
const AT_ONCE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(60);

/// A resource that counts how many of its kind are open.
#[derive(Debug)]
struct Resource(Arc<AtomicUsize>);

impl Resource {
    fn open(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(counter))
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn manager() -> MemoryManager {
    MemoryManager::create(TOTAL, DEFAULT_PAGE_SIZE).unwrap()
}

fn share_of(
    manager: &MemoryManager,
    name: &str,
    share: f64,
    counter: &Arc<AtomicUsize>,
) -> Result<SharedResourceLease<Resource>, SharedMemoryError<Infallible>> {
    manager.shared_resource(name, share, AT_ONCE, |_| Ok(Resource::open(counter)))
}

fn external(
    manager: &MemoryManager,
    name: &str,
    counter: &Arc<AtomicUsize>,
) -> SharedResourceLease<Resource> {
    let open = |_| Ok::<_, Infallible>(Resource::open(counter));
    manager
        .external_shared_resource(name, Bytes(1337), AT_ONCE, open)
        .unwrap()
}

/// Whether two leases lead to the very same resource.
fn are_same(one: &SharedResourceLease<Resource>, other: &SharedResourceLease<Resource>) -> bool {
    std::ptr::eq::<Resource>(&**one, &**other)
}

/// Two who ask for one name get leases of one resource.
#[test]
fn e1_same_type_gets_same_handle() {
    let (manager, open) = (manager(), Arc::default());
    let one = share_of(&manager, "type", 0.1, &open).unwrap();
    let other = share_of(&manager, "type", 0.1, &open).unwrap();
    assert!(are_same(&one, &other));
    assert_eq!(open.load(Ordering::SeqCst), 1);
}

/// Two who ask for different names get different resources.
#[test]
fn e2_different_type_gets_different_resources() {
    let (manager, open) = (manager(), Arc::default());
    let one = share_of(&manager, "type1", 0.1, &open).unwrap();
    let other = share_of(&manager, "type2", 0.1, &open).unwrap();
    assert!(!are_same(&one, &other));
    assert_eq!(open.load(Ordering::SeqCst), 2);
}

/// A resource is opened with the truncated share of the memory.
#[test]
fn e3_fraction_of_total_memory() {
    let (manager, asked) = (manager(), AtomicU64::new(0));
    let lease = manager
        .shared_resource("type", 0.2, AT_ONCE, |size| {
            asked.store(size.get(), Ordering::SeqCst);
            Ok::<_, Infallible>(())
        })
        .unwrap();
    // 0.2 of 134 217 728, cut off.
    assert_eq!(
        (lease.size(), asked.into_inner()),
        (Bytes(26_843_545), 26_843_545)
    );
    assert_eq!(lease.name(), "type");
}

/// A new resource reserves its bytes, with its name for an owner.
#[test]
fn e4_new_reserves_memory() {
    let (manager, open) = (manager(), Arc::default());
    let _lease = share_of(&manager, "type", 0.5, &open).unwrap();
    assert_eq!(manager.available_memory(), Bytes(TOTAL.get() / 2));
    let holders = manager.holders();
    assert_eq!(
        (&*holders[0].label, holders[0].reserved),
        ("type", Bytes(TOTAL.get() / 2))
    );
}

/// A resource that is there reserves nothing more, however large the share that is asked for.
#[test]
fn e5_existing_does_not_allocate_additional_memory() {
    let (manager, open) = (manager(), Arc::default());
    let _first = share_of(&manager, "type", 0.8, &open).unwrap();
    let available = manager.available_memory();
    let second = share_of(&manager, "type", 0.8, &open).unwrap();
    assert_eq!(manager.available_memory(), available);
    assert_eq!(second.size(), manager.bytes_of_share(0.8).unwrap());
}

/// Two resources that do not fit together: the second is refused, and the refusal names the first.
#[test]
fn e6_fail_reservation() {
    let (manager, open) = (manager(), Arc::default());
    let _first = share_of(&manager, "type", 0.8, &open).unwrap();
    let error = share_of(&manager, "type2", 0.8, &open).unwrap_err();
    let SharedMemoryError::Reservation {
        error: ReservationError::Insufficient(shortage),
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(&*shortage.holders.named[0].label, "type");
    assert_eq!(open.load(Ordering::SeqCst), 1);
    // The refused one is no owner of anything.
    assert_eq!(manager.holders().len(), 1);
}

/// As long as one of two leases lasts, the resource is open and its bytes are reserved.
#[test]
fn e7_partial_release_keeps_everything() {
    let (manager, open) = (manager(), Arc::default());
    let first = share_of(&manager, "type", 0.1, &open).unwrap();
    let second = share_of(&manager, "type", 0.1, &open).unwrap();
    first.close();
    assert_eq!(open.load(Ordering::SeqCst), 1);
    assert!(manager.verify_empty().is_err());
    drop(second);
    manager.verify_empty().unwrap();
}

/// When both leases have ended, the resource is closed and its bytes are released.
#[test]
fn e8_last_release_releases_everything() {
    let (manager, open) = (manager(), Arc::default());
    let leases = [0.1, 0.1].map(|share| share_of(&manager, "type", share, &open).unwrap());
    leases.into_iter().for_each(SharedResourceLease::close);
    assert_eq!(open.load(Ordering::SeqCst), 0);
    manager.verify_empty().unwrap();
    // It can be opened again.
    drop(share_of(&manager, "type", 1.0, &open).unwrap());
}

/// An external resource is shared in the same way, and takes nothing from the budget.
#[test]
fn e9_external_resource() {
    let (manager, open) = (manager(), Arc::default());
    let first = external(&manager, "type", &open);
    assert_eq!(
        (first.size(), manager.available_memory()),
        (Bytes(1337), TOTAL)
    );
    let second = external(&manager, "type", &open);
    assert!(are_same(&first, &second));
    let other = external(&manager, "other", &open);
    assert!(!are_same(&first, &other));
    drop((first, other));
    assert_eq!(open.load(Ordering::SeqCst), 1);
    drop(second);
    assert_eq!(open.load(Ordering::SeqCst), 0);
    manager.verify_empty().unwrap();
}

/// When opening fails, or panics, the error comes through, and nothing stays reserved.
#[test]
fn e10_initializer_fails() {
    let manager = manager();
    let error = manager
        .shared_resource::<(), _>("type", 0.1, AT_ONCE, |_| Err("cannot open"))
        .unwrap_err();
    assert!(matches!(
        error,
        SharedMemoryError::Resource(SharedResourceError::Initializer("cannot open"))
    ));
    manager.verify_empty().unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let open = |_| -> Result<(), Infallible> { std::panic::resume_unwind(Box::new("")) };
        manager.shared_resource("type", 0.1, AT_ONCE, open)
    }));
    assert!(panicked.is_err());
    manager.verify_empty().unwrap();
    assert!(share_of(&manager, "type", 0.1, &Arc::default()).is_ok());
}

type Sizes = Arc<AtomicU64>;

/// A lease of 100 bytes, whose end adds them to `closed`.
fn lease(
    table: &SharedResources,
    open: &Arc<AtomicUsize>,
    closed: &Sizes,
) -> SharedResourceLease<Resource> {
    let closed = Arc::clone(closed);
    table
        .lease("type", Bytes(100), AT_ONCE, |_| {
            let on_close = move |size: Bytes| {
                closed.fetch_add(size.get(), Ordering::SeqCst);
            };
            Ok::<_, Infallible>((Resource::open(open), on_close))
        })
        .unwrap()
}

/// The table lists an open resource once, however many leases there are; a lease that ends leaves it there for the
/// others, and ends once, as there is one value per lease.
#[test]
fn e11_allocated_resources_in_map() {
    let (table, open, closed) = (SharedResources::new(), Arc::default(), Sizes::default());
    let first = lease(&table, &open, &closed);
    assert_eq!((table.len(), open.load(Ordering::SeqCst)), (1, 1));
    let second = lease(&table, &open, &closed);
    drop(first);
    assert_eq!((table.len(), open.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(closed.load(Ordering::SeqCst), 0);
    drop(second);
    assert!(table.is_empty());
}

/// The last lease takes the resource out of the table and tells its 100 bytes once; where nothing was opened, there is
/// nothing to tell.
#[test]
fn e12_last_release_removes_from_map() {
    let (table, open, closed) = (SharedResources::new(), Arc::default(), Sizes::default());
    let failed = table.lease::<Resource, _, fn(Bytes)>("type", Bytes(7), AT_ONCE, |_| Err(()));
    assert_eq!(failed.unwrap_err(), SharedResourceError::Initializer(()));
    assert!(table.is_empty());
    let leases = [(); 3].map(|()| lease(&table, &open, &closed));
    drop(leases);
    assert!(table.is_empty());
    assert_eq!(
        (open.load(Ordering::SeqCst), closed.load(Ordering::SeqCst)),
        (0, 100)
    );
}

/// A resource is disposed of once: closing consumes the lease, so nothing is left to close again.
#[test]
fn e13_close_is_once() {
    let (table, open, closed) = (SharedResources::new(), Arc::default(), Sizes::default());
    let mut only = Some(lease(&table, &open, &closed));
    if let Some(lease) = only.take() {
        lease.close();
    }
    drop(only);
    assert_eq!(
        (open.load(Ordering::SeqCst), closed.load(Ordering::SeqCst)),
        (0, 100)
    );
}

/// A name that belongs to a resource of another type gives an error, and not a wrong resource.
#[test]
fn types_are_not_mixed_up() {
    let (manager, open) = (manager(), Arc::default());
    let _lease = share_of(&manager, "type", 0.1, &open).unwrap();
    let other = manager.shared_resource("type", 0.1, AT_ONCE, |_| Ok::<_, Infallible>(5_u64));
    assert!(matches!(
        other,
        Err(SharedMemoryError::Resource(
            SharedResourceError::WrongType { .. }
        ))
    ));
}

/// Bytes are released also when closing the resource panics, and the name is free again.
#[test]
fn a_panic_while_closing_releases_the_bytes() {
    struct Explosive;
    impl Drop for Explosive {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("closing fails"));
        }
    }
    let manager = manager();
    let open = |_| Ok::<_, Infallible>(Explosive);
    let lease = manager.shared_resource("type", 0.5, AT_ONCE, open).unwrap();
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(lease))).is_err());
    manager.verify_empty().unwrap();
    assert!(share_of(&manager, "type", 0.5, &Arc::default()).is_ok());
}

/// Who asks while somebody else opens the resource waits for it, or gives up in time; no lock is held meanwhile, so that
/// opening may ask for another resource.
#[test]
fn opening_holds_up_only_those_who_want_the_same() {
    let (manager, open) = (manager(), Arc::default());
    let (is_opening, may_open) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            manager.shared_resource("type", 0.1, AT_ONCE, |_| {
                is_opening.wait();
                may_open.wait();
                let _inner = share_of(&manager, "inner", 0.1, &open).unwrap();
                Ok::<_, Infallible>(Resource::open(&open))
            })
        });
        is_opening.wait();
        let in_vain = share_of(&manager, "type", 0.1, &open).unwrap_err();
        assert!(matches!(
            in_vain,
            SharedMemoryError::Resource(SharedResourceError::Busy {
                waited: AT_ONCE,
                ..
            })
        ));
        drop(share_of(&manager, "other", 0.1, &open).unwrap());
        let second = scope.spawn(|| {
            let open = |_| -> Result<Resource, _> { Err("opened twice") };
            manager.shared_resource("type", 0.1, LONG, open)
        });
        may_open.wait();
        let (first, second) = (
            first.join().unwrap().unwrap(),
            second.join().unwrap().unwrap(),
        );
        assert!(are_same(&first, &second));
    });
    assert_eq!(open.load(Ordering::SeqCst), 0);
    manager.verify_empty().unwrap();
}

/// Threads that come and go never see two of one resource open at once, and leave nothing behind.
#[test]
fn one_resource_for_many_threads() {
    let (manager, open) = (manager(), Arc::default());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let opened = |_| Ok::<_, Infallible>(Resource::open(&open));
                    let lease = manager.shared_resource("type", 0.6, LONG, opened).unwrap();
                    assert_eq!(lease.0.load(Ordering::SeqCst), 1);
                }
            });
        }
    });
    assert_eq!(open.load(Ordering::SeqCst), 0);
    manager.verify_empty().unwrap();
}
