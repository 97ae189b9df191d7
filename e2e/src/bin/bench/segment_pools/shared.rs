//! The pool that processes share, over its file and with its owner words.

use std::{
    env, fs,
    hint::{black_box, spin_loop},
    num::NonZeroUsize,
    ops::ControlFlow,
    os::unix::net::UnixListener,
    path::PathBuf,
    process, slice,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Context, Result, anyhow, bail};
use headroom::{
    bytes::Bytes,
    pool::{
        mapping::{huge_pages::HugePages, limit::MemoryLimit},
        shared::{
            Client, ClientOptions, Handed, PoolSize, Server, ServerOptions, SharedPool, Storage,
        },
    },
};

use super::rounds::{Effort, alone, median};
use crate::figures::{Figures, Subject};

const SIZE: PoolSize = PoolSize {
    segment_bytes: 4096,
    segments: 8192,
    clients: 8,
};

/// How many segments go from one thread to the other at a time, and how many such bundles may be under way.
const IN_BUNDLE: usize = 32;
const BUNDLES: usize = 64;

/// Rounds that are not counted.
const WARM_UPS: usize = 3;

/// A pool that is served, and its socket, which goes with it.
struct Served {
    _server: Server,
    socket: PathBuf,
}

impl Served {
    fn new() -> Result<Self> {
        // 36 MiB, which whoever measures has.
        let no_limit = MemoryLimit {
            limit: None,
            used: Bytes::ZERO,
        };
        let storage = Storage::Nameless {
            huge_pages: HugePages::No,
        };
        let one = NonZeroUsize::MIN;
        let pool =
            SharedPool::create(SIZE, storage, &no_limit, one, |_| ControlFlow::Continue(()))?;
        let socket = env::temp_dir().join(format!("headroom-bench-{}.sock", process::id()));
        let listener = UnixListener::bind(&socket)
            .with_context(|| format!("no socket at {}", socket.display()))?;
        let server = pool.serve(listener, ServerOptions::default(), |_| {})?;
        Ok(Self {
            _server: server,
            socket,
        })
    }

    fn join(&self, name: &str) -> Result<Client> {
        Ok(Client::join(&self.socket, &ClientOptions::new(name))?)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // What is left of it is an empty file in the directory for such.
        let _ = fs::remove_file(&self.socket);
    }
}

/// Takes and gives back on one thread, and from one thread to another.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<()> {
    let served = Served::new()?;
    let client = served.join("one")?;
    let one = alone(effort, effort.many, |times| {
        for _ in 0..times {
            drop(black_box(client.acquire()?));
        }
        Ok(())
    })?;
    figures.record("pools.shared", Subject::Ours, one);
    drop(client);
    let handed = hand_off(
        effort,
        || served.join("takes"),
        |client| Ok(item_of(client.acquire()?.hand_over())),
        || served.join("gives back"),
        |client, item| {
            drop(client.adopt(claim_of(item))?);
            Ok(())
        },
    )?;
    figures.record("pools.shared.handoff", Subject::Ours, handed);
    let exchange = hand_off(
        effort,
        || Ok(()),
        |()| Ok((1, 1)),
        || Ok(()),
        |(), item| {
            black_box(item);
            Ok(())
        },
    )?;
    figures.note(
        "pools.shared.handoff",
        format!("what the threads say to each other takes {exchange:.1} ns of it"),
    );
    Ok(())
}

/// A claim as two numbers.
type Item = (u32, u64);

fn item_of(claim: Handed) -> Item {
    let [a, b, c, d, word @ ..] = claim.to_bytes();
    (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(word))
}

fn claim_of((segment, word): Item) -> Handed {
    let mut bytes = [0; Handed::BYTES];
    let (first, second) = bytes.split_at_mut(4);
    first.copy_from_slice(&segment.to_le_bytes());
    second.copy_from_slice(&word.to_le_bytes());
    Handed::from_bytes(bytes)
}

/// What one thread has for the other, and whether it was put there and not yet taken.
#[derive(Default)]
struct Bundle {
    is_full: AtomicBool,
    items: [(AtomicU32, AtomicU64); IN_BUNDLE],
}

/// Bundles in a ring, each thread at its own place.
struct Bundles<'a> {
    ring: std::iter::Cycle<slice::Iter<'a, Bundle>>,
    /// Whether one of the threads failed, so that the other one waits in vain.
    is_over: &'a AtomicBool,
}

impl<'a> Bundles<'a> {
    fn new(ring: &'a [Bundle], is_over: &'a AtomicBool) -> Self {
        let ring = ring.iter().cycle();
        Self { ring, is_over }
    }

    /// Tells the other thread of a failure.
    fn told<T>(&self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.is_over.store(true, Ordering::Release);
        }
        outcome
    }

    /// The next bundle, as soon as it is full, or is not.
    fn next(&mut self, is_full: bool) -> Result<&'a Bundle> {
        let bundle = self.ring.next().context("a ring of no bundles")?;
        let mut tries = 0_u32;
        while bundle.is_full.load(Ordering::Acquire) != is_full {
            if self.is_over.load(Ordering::Acquire) {
                bail!("the other thread failed");
            }
            spin_loop();
            tries = tries.wrapping_add(1);
            if tries.is_multiple_of(10_000) {
                thread::yield_now();
            }
        }
        Ok(bundle)
    }
}

/// The nanoseconds of one item that one thread gives and another one takes, each with something of its own.
fn hand_off<Giver, Taker>(
    effort: Effort,
    giver: impl FnOnce() -> Result<Giver>,
    give: impl Fn(&Giver) -> Result<Item>,
    taker: impl FnOnce() -> Result<Taker> + Send,
    take: impl Fn(&Taker, Item) -> Result<()> + Sync,
) -> Result<f64> {
    let ring: Vec<Bundle> = (0..BUNDLES).map(|_| Bundle::default()).collect();
    let is_over = AtomicBool::new(false);
    let in_round = effort.many as usize / IN_BUNDLE;
    let rounds = WARM_UPS + effort.rounds;
    thread::scope(|scope| {
        let taking = scope.spawn(|| -> Result<()> {
            let mut bundles = Bundles::new(&ring, &is_over);
            let taker = bundles.told(taker())?;
            for _ in 0..in_round * rounds {
                let bundle = bundles.next(true)?;
                for (segment, word) in &bundle.items {
                    let item = (
                        segment.load(Ordering::Relaxed),
                        word.load(Ordering::Relaxed),
                    );
                    bundles.told(take(&taker, item))?;
                }
                bundle.is_full.store(false, Ordering::Release);
            }
            Ok(())
        });
        let mut bundles = Bundles::new(&ring, &is_over);
        let giver = bundles.told(giver())?;
        let mut round = || -> Result<f64> {
            let start = Instant::now();
            for _ in 0..in_round {
                let bundle = bundles.next(false)?;
                for (segment, word) in &bundle.items {
                    let item = bundles.told(give(&giver))?;
                    segment.store(item.0, Ordering::Relaxed);
                    word.store(item.1, Ordering::Relaxed);
                }
                bundle.is_full.store(true, Ordering::Release);
            }
            Ok(start.elapsed().as_secs_f64() * 1e9 / (in_round * IN_BUNDLE) as f64)
        };
        let times = (0..rounds).map(|_| round()).collect::<Result<Vec<_>>>();
        // What is on its way is the giver's until it is taken. Who failed first knows why.
        let taken = taking.join().map_err(|_| anyhow!("a thread panicked"))?;
        match (times, taken) {
            (Ok(times), Ok(())) => Ok(median(times.into_iter().skip(WARM_UPS).collect())),
            (Err(error), Ok(())) | (Ok(_), Err(error)) => Err(error),
            (Err(ours), Err(theirs)) => Err(ours.context(theirs)),
        }
    })
}
