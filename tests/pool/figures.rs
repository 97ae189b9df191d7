//! How long things take, held against their bars. Only a release build says anything, so these tests run when they are
//! asked for: `cargo test --release --no-default-features --test pool figures -- --ignored --nocapture --test-threads 1`.

use std::{hint::black_box, time::Instant};

use headroom::{
    bytes::Bytes,
    pool::{
        extent::{Extent, Fit, FreeExtents},
        memory_budget::MemoryBudget,
        memory_manager::{DEFAULT_PAGE_SIZE, MemoryManager},
    },
};

/// The nanoseconds of one call, the least of many short rounds: what disturbs a measurement only ever adds to it.
fn nanoseconds(calls: u32, mut call: impl FnMut()) -> f64 {
    let rounds = (0..50).map(|_| {
        let started = Instant::now();
        for _ in 0..calls {
            call();
        }
        started.elapsed().as_nanos()
    });
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let least = rounds.min().unwrap_or(0) as f64;
    least / f64::from(calls)
}

/// Prints a figure and holds it against its bar.
fn figure(name: &str, nanoseconds: f64, bar: f64) {
    println!("{name}: {nanoseconds:.1} ns (at most {bar} ns)");
    assert!(cfg!(debug_assertions) || nanoseconds <= bar, "{name}");
}

#[test]
#[ignore = "a measurement"]
fn budget_reserve_and_release() {
    let budget = MemoryBudget::new(Bytes::GIBI);
    let time = nanoseconds(100_000, || {
        let _ = black_box(&budget).reserve(black_box(Bytes(32 << 10)));
        let _ = black_box(&budget).release(black_box(Bytes(32 << 10)));
    });
    figure("budget: reserve and release", time, 20.0);
}

/// 10,000 free extents of 1 to 40 pages, scattered; an extent is taken, and given back.
#[test]
#[ignore = "a measurement"]
fn extent_take_and_release() {
    for (name, fit) in [("best fit", Fit::Best), ("first fit", Fit::First)] {
        let mut extents = FreeExtents::new(1 << 20);
        extents.take(1 << 20, Fit::Best).unwrap();
        let mut random = 1_u64;
        let mut next = move |bound: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            u32::try_from((random >> 33) % bound).unwrap()
        };
        let mut start = 0;
        for _ in 0..10_000 {
            let pages = 1 + next(40);
            extents.release(Extent { start, pages }).unwrap();
            start += pages + 1 + next(40);
        }
        assert_eq!(extents.free_space().extents, 10_000);
        let time = nanoseconds(20_000, || {
            let taken = extents.take(1 + next(40), fit);
            if let Some(taken) = black_box(taken) {
                extents.release(taken).unwrap();
            }
        });
        figure(
            &format!("10,000 free extents, {name}: take and release"),
            time,
            1000.0,
        );
    }
}

/// 1,024 pages of 32 KiB are allocated and released, as a list and by taking them away; a single page, and a pin.
#[test]
#[ignore = "a measurement"]
fn pages_allocate_and_release() {
    let manager = MemoryManager::create(Bytes::GIBI, DEFAULT_PAGE_SIZE).unwrap();
    let owner = manager.register_owner("sort");
    let mut segments = Vec::with_capacity(1024);
    let list = nanoseconds(100, || {
        manager
            .allocate_pages_into(owner, 1024, &mut segments)
            .unwrap();
        manager.release_list(black_box(&mut segments)).unwrap();
    });
    figure(
        "1,024 pages: allocate and release as a list",
        list,
        30_000.0,
    );
    let away = nanoseconds(100, || {
        manager
            .allocate_pages_into(owner, 1024, &mut segments)
            .unwrap();
        manager.release_all(owner).unwrap();
        manager.release_list(black_box(&mut segments)).unwrap();
    });
    figure("1,024 pages: allocate, take away and drop", away, 45_000.0);
    let single = nanoseconds(20_000, || {
        manager
            .allocate_pages_into(owner, 1, &mut segments)
            .unwrap();
        segments.clear();
    });
    figure("one page: allocate and drop", single, 150.0);
    let extent = nanoseconds(20_000, || {
        drop(black_box(manager.allocate_extent(owner, 8, Fit::Best)));
    });
    figure("an extent of 8 pages: allocate and drop", extent, 250.0);
    let mut page = manager.allocate_pages(owner, 1).unwrap();
    let pin = nanoseconds(100_000, || {
        drop(black_box(page[0].pin()));
    });
    figure("pin and unpin", pin, 25.0);
    let reservation = nanoseconds(100_000, || {
        manager.reserve_memory(owner, DEFAULT_PAGE_SIZE).unwrap();
        manager.release_memory(owner, DEFAULT_PAGE_SIZE).unwrap();
    });
    figure("reserve and release bytes for an owner", reservation, 150.0);
}
