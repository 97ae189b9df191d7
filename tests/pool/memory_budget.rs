//! Lines F: the budget of bytes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use headroom::{bytes::Bytes, pool::memory_budget::MemoryBudget};

use crate::random::Random;

fn hundred() -> MemoryBudget {
    MemoryBudget::new(Bytes(100))
}

/// A budget tells its total.
#[test]
fn f1_total() {
    let budget = hundred();
    assert_eq!(budget.total(), Bytes(100));
    budget.reserve(Bytes(10)).unwrap();
    assert_eq!(budget.total(), Bytes(100));
}

/// All of a fresh budget is available, and all of it again after a reservation was released.
#[test]
fn f2_available() {
    let budget = hundred();
    assert_eq!(budget.available(), Bytes(100));
    budget.reserve(Bytes(100)).unwrap();
    assert_eq!(budget.available(), Bytes(0));
    assert!(!budget.is_empty());
    budget.release(Bytes(100)).unwrap();
    assert_eq!(budget.available(), Bytes(100));
    assert!(budget.is_empty());
}

/// A reservation lowers what is available.
#[test]
fn f3_reserve() {
    let budget = hundred();
    budget.reserve(Bytes(50)).unwrap();
    assert_eq!(budget.available(), Bytes(50));
}

/// A reservation beyond the total is refused with the figures, and takes nothing.
#[test]
fn f4_reserve_too_much() {
    let budget = hundred();
    let error = budget.reserve(Bytes(120)).unwrap_err();
    assert_eq!(
        (error.wanted, error.available, error.total),
        (Bytes(120), Bytes(100), Bytes(100))
    );
    assert_eq!(budget.available(), Bytes(100));
}

/// A part of a reservation can be released.
#[test]
fn f5_release_a_part() {
    let budget = hundred();
    budget.reserve(Bytes(50)).unwrap();
    budget.release(Bytes(30)).unwrap();
    assert_eq!(budget.available(), Bytes(80));
}

/// More than was reserved cannot be released, and the attempt releases nothing.
#[test]
fn f6_release_too_much() {
    let budget = hundred();
    budget.reserve(Bytes(50)).unwrap();
    let error = budget.release(Bytes(70)).unwrap_err();
    assert_eq!((error.released, error.reserved), (Bytes(70), Bytes(50)));
    assert_eq!(budget.available(), Bytes(50));
}

/// Threads that reserve at random never hold more together than there is.
#[test]
fn budget_is_never_over_committed() {
    let budget = MemoryBudget::new(Bytes(1000));
    let held = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=4_u64)
            .map(|seed| {
                let (budget, held) = (&budget, &held);
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    for _ in 0..20_000 {
                        let wanted = random.bits() % 600;
                        if budget.reserve(Bytes(wanted)).is_ok() {
                            let now = held.fetch_add(wanted, Ordering::SeqCst) + wanted;
                            assert!(now <= 1000, "{now} bytes are held");
                            held.fetch_sub(wanted, Ordering::SeqCst);
                            budget.release(Bytes(wanted)).unwrap();
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
    });
    assert!(budget.is_empty());
}

/// Asking whether the budget is empty takes nothing, so a reservation of everything beside it always succeeds.
#[test]
fn a_look_does_not_disturb() {
    let budget = hundred();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = budget.is_empty();
            }
        });
        let refused = (0..20_000)
            .find(|_| budget.reserve(Bytes(100)).is_err() || budget.release(Bytes(100)).is_err());
        done.store(true, Ordering::Relaxed);
        assert_eq!(refused, None);
    });
}
