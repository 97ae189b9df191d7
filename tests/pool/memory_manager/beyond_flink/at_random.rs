//! Whatever is done in whatever order, by one thread or by several: nothing is shared, nothing is lost, and the figures
//! are right.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use headroom::{
    bytes::Bytes,
    pool::{
        extent::Fit,
        fairness::ServiceOrder,
        memory_manager::{ManagedSegment, MemoryManager, OwnerId},
    },
};
use proptest::prelude::*;

use super::super::small;
use super::{PAGE, bytes};
use crate::random::Random;

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
                let mut random = Random::new(number);
                let mut held: Vec<ManagedSegment> = Vec::new();
                for _ in 0..1500 {
                    let pages = u32::try_from(1 + random.below(8)).unwrap();
                    match random.below(8) {
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
                            let victim = owners[random.below(owners.len())];
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
