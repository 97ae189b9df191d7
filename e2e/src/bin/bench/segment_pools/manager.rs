//! The memory manager: bytes, pages, extents, and the sweep of what dead owners hold.

use std::{
    collections::HashSet,
    hint::{black_box, spin_loop},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use headroom::{
    bytes::Bytes,
    pool::{
        extent::{Extent, Fit, FreeExtents},
        memory_budget::MemoryBudget,
        memory_manager::{ManagedSegment, MemoryManager, OwnerId},
    },
};

use super::rounds::{Effort, alone, median, slowest};
use crate::figures::{Figures, Subject};

/// Flink's default page.
const PAGE_BYTES: u64 = 32 << 10;

/// Pages that are allocated together.
const PAGES: u32 = 1024;

/// Reserves bytes of a budget and releases them.
pub fn reservations(budget: &MemoryBudget, times: u32) -> Result<()> {
    for _ in 0..times {
        budget.reserve(black_box(Bytes(PAGE_BYTES)))?;
        budget.release(black_box(Bytes(PAGE_BYTES)))?;
    }
    Ok(())
}

/// A budget of 1 GiB.
pub fn budget() -> MemoryBudget {
    MemoryBudget::new(Bytes(1 << 30))
}

/// A manager of 256 MiB, and an owner.
pub fn small_manager() -> Result<(MemoryManager, OwnerId)> {
    let manager = MemoryManager::create(Bytes(256 << 20), Bytes(PAGE_BYTES))?;
    let owner = manager.register_owner("the benchmark");
    Ok((manager, owner))
}

/// Allocates many pages and releases them together.
pub fn pages(manager: &MemoryManager, owner: OwnerId, times: u32) -> Result<()> {
    for _ in 0..times {
        let mut pages = manager.allocate_pages(owner, PAGES)?;
        manager.release_list(black_box(&mut pages))?;
    }
    Ok(())
}

/// The budget, reservations of an owner, and pages.
pub fn bytes_and_pages(figures: &mut Figures, effort: Effort) -> Result<()> {
    let mut record = |name, value| figures.record(name, Subject::Ours, value);
    let budget = budget();
    record(
        "pools.bytes",
        alone(effort, effort.many, |times| reservations(&budget, times))?,
    );
    let (manager, owner) = small_manager()?;
    let of_owner = alone(effort, effort.many, |times| {
        for _ in 0..times {
            manager.reserve_memory(owner, black_box(Bytes(PAGE_BYTES)))?;
            manager.release_memory(owner, black_box(Bytes(PAGE_BYTES)))?;
        }
        Ok(())
    })?;
    record("pools.reserve", of_owner);
    let of_pages = alone(effort, 500 / effort.divisor, |times| {
        pages(&manager, owner, times)
    })?;
    record("pools.pages", of_pages / 1000.0);
    Ok(())
}

/// Free extents that are there when another one is wanted.
const EXTENTS: u32 = 10_000;

/// The longest of them.
const LONGEST: u32 = 64;

/// Pages of which so many extents are free, none beside another, of all lengths up to [`LONGEST`]; and lengths that
/// can be had.
pub fn scattered() -> Result<(FreeExtents, Vec<u32>)> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut extents = FreeExtents::new(1 << 20);
    let lengths: Vec<u32> = (0..EXTENTS).map(|_| random.u32(1..=LONGEST)).collect();
    let full = || anyhow!("the range is too short");
    let mut free: Vec<Extent> = Vec::new();
    for length in &lengths {
        free.push(extents.take(*length, Fit::First).ok_or_else(full)?);
        // What lies between two of them stays taken.
        extents.take(1, Fit::First).ok_or_else(full)?;
    }
    random.shuffle(&mut free);
    for extent in free {
        extents.release(extent)?;
    }
    let number = extents.free_space().extents;
    ensure!(number >= EXTENTS, "only {number} free extents");
    Ok((extents, lengths))
}

/// Takes extents by best fit, and gives each back.
pub fn best_fits(extents: &mut FreeExtents, lengths: &[u32], times: u32) -> Result<()> {
    for length in lengths.iter().cycle().take(times as usize) {
        let extent = extents.take(*length, Fit::Best);
        let extent = extent.ok_or_else(|| anyhow!("no extent of {length} pages"))?;
        extents.release(black_box(extent))?;
    }
    Ok(())
}

/// Best fit among many extents.
pub fn extents(figures: &mut Figures, effort: Effort) -> Result<()> {
    let (mut extents, lengths) = scattered()?;
    let one = alone(effort, effort.many / 4, |times| {
        best_fits(&mut extents, &lengths, times)
    })?;
    figures.record("pools.extent", Subject::Ours, one);
    Ok(())
}

/// Segments of the manager that is swept.
const SWEPT: u32 = 65_536;

/// Those whose owner is dead: a tenth.
const ORPHANED: u32 = SWEPT / 10;

/// Owners, living ones and dead ones.
const OWNERS: u32 = 16;

/// Sweeps a manager whose pages are all held, while another thread takes and gives back a page.
pub fn sweep(figures: &mut Figures, effort: Effort) -> Result<()> {
    let manager = MemoryManager::create(Bytes(u64::from(SWEPT) * PAGE_BYTES), Bytes(PAGE_BYTES))?;
    let busy = manager.register_owner("the other thread");
    let hold = |pages: u32, what: &str| -> Result<(Vec<OwnerId>, Vec<ManagedSegment>)> {
        let mut held = Vec::new();
        let mut owners = Vec::new();
        for number in 0..OWNERS {
            let owner = manager.register_owner(format!("{what} {number}"));
            let share = pages / OWNERS + u32::from(number < pages % OWNERS);
            manager.allocate_pages_into(owner, share, &mut held)?;
            owners.push(owner);
        }
        Ok((owners, held))
    };
    // One page is left to the other thread.
    let (living, _held) = hold(SWEPT - ORPHANED - 1, "living")?;
    let living: HashSet<OwnerId> = living.into_iter().chain([busy]).collect();
    let (mut times, mut pauses, mut pauses_without) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let (_, orphans) = hold(ORPHANED, "dead")?;
        let (took, pause) = beside_another(&manager, busy, || {
            let reclaimed = manager.sweep(|owner| living.contains(&owner));
            let pages: u32 = reclaimed.iter().map(|reclaimed| reclaimed.pages).sum();
            ensure!(pages == ORPHANED, "{pages} pages were taken back");
            Ok(())
        })?;
        drop(orphans);
        let (_, quiet) = beside_another(&manager, busy, || {
            let start = Instant::now();
            while start.elapsed() < took {
                spin_loop();
            }
            Ok(())
        })?;
        times.push(took.as_secs_f64() * 1e6);
        pauses.extend(pause.map(|pause| pause.as_secs_f64() * 1e6));
        pauses_without.extend(quiet.map(|pause| pause.as_secs_f64() * 1e6));
    }
    figures.record("pools.sweep", Subject::Ours, median(times));
    figures.note(
        "pools.sweep.pause",
        format!(
            "the longest that the other thread took for a page in a round, the median of the {} of {} rounds in which it ran, {:.1} µs in the worst; without a sweep in as much time {:.1} µs, {:.1} µs in the worst, for whatever else the machine does",
            pauses.len(),
            effort.rounds,
            slowest(&pauses),
            median(pauses_without.clone()),
            slowest(&pauses_without),
        ),
    );
    if !pauses.is_empty() {
        figures.record("pools.sweep.pause", Subject::Ours, median(pauses));
    }
    Ok(())
}

/// How long something takes, and the longest that another thread needed meanwhile to take a page and give it back; no
/// such time where it was not given the processor.
fn beside_another(
    manager: &MemoryManager,
    owner: OwnerId,
    something: impl FnOnce() -> Result<()>,
) -> Result<(Duration, Option<Duration>)> {
    let is_running = AtomicBool::new(false);
    let is_begun = AtomicBool::new(false);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let other = scope.spawn(|| -> Result<Option<Duration>> {
            let mut longest = None;
            let mut pages = Vec::with_capacity(1);
            let mut before = Instant::now();
            let mut done = Ok(());
            while done.is_ok() && !is_over.load(Ordering::Acquire) {
                // What began before the end counts, also when it ended after it.
                done = manager.allocate_pages_into(owner, 1, &mut pages);
                pages.clear();
                let now = Instant::now();
                if is_begun.load(Ordering::Acquire) {
                    longest = longest.max(Some(now - before));
                }
                before = now;
                is_running.store(true, Ordering::Release);
            }
            is_running.store(true, Ordering::Release);
            done?;
            Ok(longest)
        });
        while !is_running.load(Ordering::Acquire) {
            thread::yield_now();
        }
        is_begun.store(true, Ordering::Release);
        let start = Instant::now();
        let done = something();
        let took = start.elapsed();
        is_over.store(true, Ordering::Release);
        let longest = other
            .join()
            .map_err(|_| anyhow!("the other thread panicked"))??;
        done?;
        Ok((took, longest))
    })
}
