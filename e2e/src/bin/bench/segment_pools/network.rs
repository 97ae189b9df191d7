//! The network pool and its local pools.

use std::{
    fs,
    hint::{black_box, spin_loop},
    num::NonZeroUsize,
    ops::ControlFlow,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use headroom::{
    bytes::Bytes,
    pool::{
        buffer::NetworkSegment,
        local_pool::{LocalBufferPool, LocalPoolSpec},
        mapping::{huge_pages::HugePages, limit::MemoryLimit},
        network_pool::{DEFAULT_REQUEST_TIMEOUT, NetworkBufferPool, Population},
    },
};

use super::rounds::{Begin, Effort, Work, alone, at_once, fastest, median};
use crate::figures::{Figures, Subject};

/// Flink's default segment.
const SEGMENT_BYTES: usize = 32 << 10;

/// How many segments go from one thread to the other at a time.
const HANDFUL: usize = 64;

/// How many handfuls may be under way.
const CELLS: usize = 8;

const EMPTY: &str = "the local pool is empty";

/// How many local pools are there when another one is created.
const PRESENT: usize = 1000;

fn network_pool(segments: usize, bytes: usize) -> Result<NetworkBufferPool> {
    NetworkBufferPool::new(segments, bytes, DEFAULT_REQUEST_TIMEOUT).context("no network pool")
}

/// A local pool of 1,024 segments, which all lie in it, so that nothing goes to the network pool and back, also while 512
/// are on their way from one thread to another.
pub fn filled_local_pool() -> Result<(NetworkBufferPool, LocalBufferPool)> {
    let network = network_pool(2048, SEGMENT_BYTES)?;
    let pool = network.create_buffer_pool(LocalPoolSpec::new(16, 1024))?;
    let lying: Vec<NetworkSegment> = (0..1024).map(|_| taken(&pool)).collect::<Result<_>>()?;
    drop(lying);
    Ok((network, pool))
}

fn taken(pool: &LocalBufferPool) -> Result<NetworkSegment> {
    match pool.request_segment()? {
        Some(segment) => Ok(segment),
        None => bail!(EMPTY),
    }
}

/// Gives something back that the compiler has to have made.
#[inline]
fn drop_seen<Thing>(thing: Thing) {
    black_box(&thing);
}

/// Takes a segment and gives it back.
pub fn segments(pool: &LocalBufferPool, times: u32) -> Result<()> {
    for _ in 0..times {
        match pool.request_segment()? {
            // Seen where it is: to be passed on would cost a copy.
            Some(segment) => drop_seen(segment),
            None => bail!(EMPTY),
        }
    }
    Ok(())
}

/// Takes a buffer and gives it back.
pub fn buffers(pool: &LocalBufferPool, times: u32) -> Result<()> {
    for _ in 0..times {
        match pool.request_buffer()? {
            Some(buffer) => drop_seen(buffer),
            None => bail!(EMPTY),
        }
    }
    Ok(())
}

/// The local pool: one thread, one that gives to another, and several.
pub fn local_pool(figures: &mut Figures, effort: Effort) -> Result<()> {
    let (_network, pool) = filled_local_pool()?;
    let mut record = |name, value| figures.record(name, Subject::Ours, value);
    record(
        "pools.local.segment",
        alone(effort, effort.many, |times| segments(&pool, times))?,
    );
    record(
        "pools.local.buffer",
        alone(effort, effort.many, |times| buffers(&pool, times))?,
    );
    record("pools.local.builder", builders(effort)?);
    record(
        "pools.handoff",
        hand_off(effort, || Ok(|| Ok(pool.request_segment()?)), dropping)?,
    );
    for (name, threads) in [
        ("pools.threads.1", 1),
        ("pools.threads.2", 2),
        ("pools.threads.4", 4),
        ("pools.threads.8", 8),
    ] {
        let begin = || -> Result<Work<'_>> { Ok(Box::new(|times| segments(&pool, times))) };
        let begins = (0..threads).map(|_| Box::new(begin) as Begin<'_>).collect();
        let times = effort.many / threads;
        let of_one = at_once(effort, times, begins)?;
        record(name, of_one / f64::from(threads));
    }
    let exchange = hand_off(effort, || Ok(|| Ok(Some(black_box(1_u64)))), dropping)?;
    figures.note(
        "pools.handoff",
        format!("what the threads say to each other takes {exchange:.1} ns of it"),
    );
    Ok(())
}

/// Gives things back by dropping them.
fn dropping<Thing>() -> Result<impl FnMut(Thing) -> Result<()>> {
    Ok(|thing| {
        drop(thing);
        Ok(())
    })
}

/// Takes a builder for one of four channels after the other, and gives it back.
fn builders(effort: Effort) -> Result<f64> {
    let network = network_pool(2048, SEGMENT_BYTES)?;
    let spec = LocalPoolSpec::new(16, 256)
        .with_channels(4, 10)
        .with_overdraft(5);
    let pool = network.create_buffer_pool(spec)?;
    let lying: Vec<NetworkSegment> = (0..128).map(|_| taken(&pool)).collect::<Result<_>>()?;
    drop(lying);
    alone(effort, effort.many, |times| {
        for time in 0..times as usize {
            match pool.request_buffer_builder_for(time % 4)? {
                Some(builder) => drop_seen(builder),
                None => bail!(EMPTY),
            }
        }
        Ok(())
    })
}

/// What one thread gives to the other: cells that are filled and emptied in turn, a handful at a time, so that what the
/// threads say to each other costs each thing little.
struct Cells<Thing> {
    cells: [Mutex<Vec<Thing>>; CELLS],
    filled: Counter,
    emptied: Counter,
    is_broken: AtomicBool,
}

/// Alone on its cache line, since only one thread writes it.
#[repr(align(128))]
struct Counter(AtomicU32);

impl Counter {
    fn get(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    fn advance(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

impl<Thing> Cells<Thing> {
    fn new() -> Self {
        Self {
            cells: std::array::from_fn(|_| Mutex::new(Vec::with_capacity(HANDFUL))),
            filled: Counter(AtomicU32::new(0)),
            emptied: Counter(AtomicU32::new(0)),
            is_broken: AtomicBool::new(false),
        }
    }

    fn cell(&self, number: u32) -> MutexGuard<'_, Vec<Thing>> {
        // Never contended: who fills and who empties are never at the same cell.
        let cell = &self.cells[number as usize % CELLS];
        cell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the other thread, which gives up when this one fails.
    fn wait_until(&self, is_ready: impl Fn() -> bool) -> Result<()> {
        let mut tries = 0;
        while !is_ready() {
            ensure!(
                !self.is_broken.load(Ordering::Relaxed),
                "the other thread failed"
            );
            pause(&mut tries);
        }
        Ok(())
    }

    /// Fills so many cells.
    fn fill(&self, cells: u32, mut one: impl FnMut() -> Result<Option<Thing>>) -> Result<()> {
        for _ in 0..cells {
            let number = self.filled.get();
            self.wait_until(|| (number.wrapping_sub(self.emptied.get()) as usize) < CELLS)?;
            let mut cell = self.cell(number);
            let mut tries = 0;
            while cell.len() < HANDFUL {
                match one()? {
                    Some(thing) => cell.push(thing),
                    // All are on their way back.
                    None => pause(&mut tries),
                }
            }
            drop(cell);
            self.filled.advance();
        }
        Ok(())
    }

    /// Empties so many cells.
    fn empty(&self, cells: u32, mut give: impl FnMut(Thing) -> Result<()>) -> Result<()> {
        for _ in 0..cells {
            let number = self.emptied.get();
            self.wait_until(|| self.filled.get() != number)?;
            self.cell(number).drain(..).try_for_each(&mut give)?;
            self.emptied.advance();
        }
        Ok(())
    }

    fn begin<Made>(&self, begin: impl FnOnce() -> Result<Made>) -> Result<Made> {
        begin().inspect_err(|_| self.is_broken.store(true, Ordering::Relaxed))
    }

    fn tell_failure(&self, done: Result<()>) -> Result<()> {
        if done.is_err() {
            self.is_broken.store(true, Ordering::Relaxed);
        }
        done
    }
}

/// Gives the processor away when the other thread takes long, because it may be waiting for this one.
fn pause(tries: &mut u32) {
    if *tries < 100 {
        *tries += 1;
        spin_loop();
    } else {
        thread::yield_now();
    }
}

/// One thread takes things, the other one gives them back. Each makes what it needs for that first.
fn hand_off<Thing, One, Give>(
    effort: Effort,
    taker: impl FnOnce() -> Result<One> + Send,
    giver: impl FnOnce() -> Result<Give> + Send,
) -> Result<f64>
where
    Thing: Send,
    One: FnMut() -> Result<Option<Thing>>,
    Give: FnMut(Thing) -> Result<()>,
{
    let cells = &Cells::new();
    let take: Begin<'_> = Box::new(move || {
        let mut one = cells.begin(taker)?;
        Ok(Box::new(move |times| {
            cells.tell_failure(cells.fill(times / HANDFUL as u32, &mut one))
        }))
    });
    let give: Begin<'_> = Box::new(move || {
        let mut give = cells.begin(giver)?;
        Ok(Box::new(move |times| {
            cells.tell_failure(cells.empty(times / HANDFUL as u32, &mut give))
        }))
    });
    at_once(effort, effort.many, vec![take, give])
}

/// A network pool with many local pools.
pub fn crowd() -> Result<(NetworkBufferPool, Vec<LocalBufferPool>)> {
    let network = network_pool(16384, 512)?;
    let pools = (0..PRESENT)
        .map(|_| create(&network))
        .collect::<Result<_>>()?;
    Ok((network, pools))
}

/// One more local pool.
pub fn create(network: &NetworkBufferPool) -> Result<LocalBufferPool> {
    Ok(network.create_buffer_pool(LocalPoolSpec::new(2, 64))?)
}

/// Creates a local pool where there are many, and destroys it.
pub fn creation(figures: &mut Figures, effort: Effort) -> Result<()> {
    let (network, _pools) = crowd()?;
    let rounds = 200 / effort.divisor;
    let mut times = Vec::new();
    for round in 0..2 * rounds {
        let start = Instant::now();
        let pool = create(&network)?;
        let elapsed = start.elapsed();
        pool.lazy_destroy();
        if round >= rounds {
            times.push(elapsed.as_secs_f64() * 1e6);
        }
    }
    figures.record("pools.create", Subject::Ours, median(times));
    Ok(())
}

/// The segments of the pool whose memory is measured: 2 GiB.
const LARGE: usize = (2 << 30) / SEGMENT_BYTES;

/// What a network pool takes beside its segments, of which no byte is touched.
pub fn beside(figures: &mut Figures) -> Result<()> {
    let before = anonymous_bytes()?;
    let network = network_pool(LARGE, SEGMENT_BYTES)?;
    let pool = network.create_buffer_pool(LocalPoolSpec::new(LARGE, LARGE))?;
    let after = anonymous_bytes()?;
    drop((pool, network));
    let percent = after.saturating_sub(before) as f64 * 100.0 / (LARGE * SEGMENT_BYTES) as f64;
    figures.record("pools.beside", Subject::Ours, percent);
    Ok(())
}

/// The memory of this process that is present and of no file.
fn anonymous_bytes() -> Result<u64> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")
        .context("failed to read /proc/self/smaps_rollup")?;
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:")?.trim().strip_suffix(" kB"))
        .context("/proc/self/smaps_rollup tells no anonymous memory")?;
    Ok(line.trim().parse::<u64>()? * 1024)
}

/// How many fresh processes make such a pool, of which the fastest counts.
pub const PROCESSES: u32 = 5;

/// The first pool of 2 GiB that a process makes, every page present.
pub fn population(figures: &mut Figures, effort: Effort) -> Result<()> {
    let segments = LARGE / effort.divisor as usize;
    for (name, pages) in [
        ("pools.network", Pages::Ordinary),
        ("pools.network.huge", Pages::Huge),
    ] {
        // As much again is left to others.
        if limit()?
            .admit(Bytes((2 * segments * SEGMENT_BYTES) as u64))
            .is_err()
        {
            figures.note(name, "not measured: too little memory is left".to_owned());
            return Ok(());
        }
        let made = (0..PROCESSES)
            .map(|_| made_by_another(segments, pages))
            .collect::<Result<Vec<_>>>()?;
        let huge: Vec<f64> = made.iter().map(|made| made.percent_huge).collect();
        if pages == Pages::Huge {
            figures.note(name, format!("{:.0} % in huge pages", median(huge.clone())));
            if fastest(huge) == 0.0 {
                continue;
            }
        }
        let times = made.iter().map(|made| made.milliseconds).collect();
        figures.record(name, Subject::Ours, fastest(times));
    }
    Ok(())
}

/// Of which pages a pool is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pages {
    /// Of 4 KiB
    Ordinary,
    /// Of 2 MiB
    Huge,
}

/// What a process says that made a pool.
struct Made {
    milliseconds: f64,
    percent_huge: f64,
}

fn made_by_another(segments: usize, pages: Pages) -> Result<Made> {
    let output = Command::new(std::env::current_exe()?)
        .arg("pool-populated")
        .arg(segments.to_string())
        .arg(match pages {
            Pages::Ordinary => "ordinary",
            Pages::Huge => "huge",
        })
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("failed to start our own program")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    match numbers[..] {
        [milliseconds, percent_huge] if output.status.success() => Ok(Made {
            milliseconds,
            percent_huge,
        }),
        _ => bail!("no pool was made ({}): {text}", output.status),
    }
}

/// Makes a pool, every page present, and prints the milliseconds that it took and how much lies in huge pages, in per
/// cent. The first pool of its process.
///
/// # Errors
/// When too little memory is left.
pub fn populate(segments: usize, pages: Pages) -> Result<()> {
    let start = Instant::now();
    let limit = limit()?;
    let how = Population {
        limit: &limit,
        huge_pages: match pages {
            Pages::Ordinary => HugePages::No,
            Pages::Huge => HugePages::Wished,
        },
        threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let network = NetworkBufferPool::populated(
        segments,
        SEGMENT_BYTES,
        DEFAULT_REQUEST_TIMEOUT,
        how,
        |_| ControlFlow::Continue(()),
    )?;
    let took = start.elapsed();
    let percent = network.huge_page_bytes()? as f64 * 100.0 / (segments * SEGMENT_BYTES) as f64;
    println!("{} {percent}", took.as_secs_f64() * 1000.0);
    Ok(())
}

/// What the container and the machine leave to this process.
fn limit() -> Result<MemoryLimit> {
    Ok(MemoryLimit::of_process(
        Path::new("/sys/fs/cgroup"),
        Path::new("/proc/meminfo"),
    )?)
}
