//! The shared pool: real files, a real socket, clients in this process and in others.

mod kill;
mod process;

use std::cell::Cell;
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use headroom::bytes::Bytes;
use headroom::pool::mapping::Progress;
use headroom::pool::mapping::directory::MemoryDirectory;
use headroom::pool::mapping::huge_pages::HugePages;
use headroom::pool::mapping::limit::MemoryLimit;
use headroom::pool::shared::{
    AcquireError, AdoptError, Client, ClientOptions, Event, Handed, Inspection, JoinError,
    PoolFilesError, PoolSize, SegmentError, Server, ServerOptions, SharedPool, Storage,
};

use process::Process;

/// A directory of this test's own, which goes with the test.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    fn below(parent: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("headroom-shared-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        Self(path)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.0.join("pool.sock")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A pool that is served, and what it tells.
pub(super) struct Served {
    pub(super) server: Server,
    pub(super) events: Arc<Mutex<Vec<Event>>>,
    pub(super) scratch: Scratch,
}

pub(super) fn size(segments: u32) -> PoolSize {
    PoolSize {
        segment_bytes: 4096,
        segments,
        clients: 8,
    }
}

const NO_LIMIT: MemoryLimit = MemoryLimit {
    limit: None,
    used: Bytes::ZERO,
};

fn one_thread() -> NonZeroUsize {
    NonZeroUsize::MIN
}

fn nameless() -> Storage<'static> {
    Storage::Nameless {
        huge_pages: HugePages::No,
    }
}

fn create(size: PoolSize, storage: Storage<'_>) -> Result<SharedPool, PoolFilesError> {
    SharedPool::create(size, storage, &NO_LIMIT, one_thread(), |_| {
        ControlFlow::Continue(())
    })
}

fn serve(pool: SharedPool, scratch: Scratch) -> Served {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = events.clone();
    let socket = scratch.socket();
    // An agent that was killed leaves its socket behind.
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    let options = ServerOptions {
        look_interval: Duration::from_millis(50),
        ..ServerOptions::default()
    };
    let server = pool
        .serve(listener, options, move |event| {
            told.lock().unwrap().push(event)
        })
        .unwrap();
    Served {
        server,
        events,
        scratch,
    }
}

pub(super) fn served(segments: u32) -> Served {
    serve(create(size(segments), nameless()).unwrap(), Scratch::new())
}

impl Served {
    pub(super) fn join(&self, name: &str) -> Client {
        self.join_for(name, 0, u32::MAX)
    }

    fn join_for(&self, name: &str, required: u32, maximum: u32) -> Client {
        let options = ClientOptions {
            required,
            maximum,
            ..ClientOptions::new(name)
        };
        Client::join(&self.scratch.socket(), &options).unwrap()
    }

    /// Each segment is free, held, in a magazine or on its way: all are there.
    pub(super) fn inspect(&self) -> Inspection {
        let inspection = self.server.inspect();
        let clients: u32 = inspection
            .clients
            .iter()
            .map(|client| client.held + client.lying)
            .sum();
        let all = inspection.free + inspection.moving + inspection.lost + clients;
        assert_eq!(all, inspection.segments, "{inspection:?}");
        inspection
    }

    pub(super) fn expect(&self, what: &str, is_it: impl Fn(&Inspection) -> bool) {
        let start = Instant::now();
        loop {
            let inspection = self.inspect();
            if is_it(&inspection) {
                return;
            }
            let waited = start.elapsed().as_secs();
            let events = self.events.lock().unwrap();
            let last = &events[events.len().saturating_sub(10)..];
            assert!(waited < 20, "{what} did not come: {inspection:?}, {last:?}");
            drop(events);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Nothing was ever wrong in the control file.
    pub(super) fn expect_no_damage(&self) {
        let events = self.events.lock().unwrap();
        let is_damage = |event: &&Event| {
            matches!(
                event,
                Event::Damage { .. } | Event::Reported { .. } | Event::CutOff { .. }
            )
        };
        assert_eq!(events.iter().find(is_damage), None);
    }

    /// Ends the agent without a word to anybody, as a kill does.
    fn stop(self) -> Scratch {
        drop(self.server);
        self.scratch
    }
}

/// An agent whose container has less memory than the pool needs refuses with both numbers, and touches nothing.
#[test]
fn n1_refuses_a_pool_beyond_the_limit() {
    let limit = MemoryLimit {
        limit: Some(Bytes(64 << 20)),
        used: Bytes(24 << 20),
    };
    let touched = Cell::new(false);
    let volume = Scratch::below(Path::new("/dev/shm"));
    let directory = MemoryDirectory::open(&volume.0).unwrap();
    let size = PoolSize {
        segment_bytes: 32 << 10,
        segments: 2048,
        clients: 8,
    };
    let storage = Storage::Directory {
        directory: &directory,
        name: "network",
    };
    let refused = SharedPool::create(size, storage, &limit, one_thread(), |_| {
        ControlFlow::<()>::Continue(())
    });
    touched.set(std::fs::read_dir(&volume.0).unwrap().count() > 0);
    let text = refused.unwrap_err().to_string();
    assert!(
        text.contains("of the memory limit of 67108864 bytes, 25165824 are in use"),
        "{text}"
    );
    assert!(text.contains("cannot hold 67"), "{text}");
    assert!(!touched.get(), "no file was made");
}

/// A volume that is too small for the pool is an error when the pool is made; no client ever sees the pool, and nothing
/// stays behind.
#[test]
fn n2_reports_a_volume_that_is_too_small() {
    let volume = Scratch::below(Path::new("/dev/shm"));
    let directory = MemoryDirectory::open(&volume.0).unwrap();
    let free = rustix::fs::statvfs(&volume.0).unwrap();
    let too_many = free.f_bavail * free.f_frsize / (1 << 20) + 1024;
    let size = PoolSize {
        segment_bytes: 1 << 20,
        segments: u32::try_from(too_many).unwrap(),
        clients: 2,
    };
    let storage = Storage::Directory {
        directory: &directory,
        name: "network",
    };
    let text = create(size, storage).unwrap_err().to_string();
    assert!(text.contains("the volume has"), "{text}");
    assert_eq!(std::fs::read_dir(&volume.0).unwrap().count(), 0);
}

/// A client that is killed while it holds 1,000 segments loses them all to the pool within a second, their generations
/// rise, and the leak is counted.
#[test]
fn n3_takes_back_what_a_killed_client_held() {
    let served = served(2048);
    let other = served.join("other");
    let mut kept = other.acquire().unwrap();
    kept.write(0, b"still mine").unwrap();
    let mut client = Process::start(&served.scratch.socket(), "hold", &["1000"]);
    let handed = client.handed();
    served.expect("the holding", |pool| {
        pool.clients.iter().any(|client| client.held == 1000)
    });
    client.kill();
    let start = Instant::now();
    served.expect("the reclaim", |pool| pool.clients.len() == 1);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    let reclaimed = |event: &Event| matches!(event, Event::Reclaimed { held: 1000, .. });
    assert!(served.events.lock().unwrap().iter().any(reclaimed));
    let totals = served.server.totals();
    assert_eq!(
        (totals.reclaimed_clients, totals.reclaimed_segments),
        (1, 1000)
    );
    // What the dead client handed over before it died is not to be had any more.
    for handed in handed {
        let segment = handed.segment();
        assert_eq!(
            other.adopt(handed).unwrap_err(),
            AdoptError::Stale { segment }
        );
    }
    let mut bytes = [0; 10];
    kept.read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"still mine");
    drop(kept);
    other.trim().unwrap();
    assert_eq!(served.inspect().free, 2048);
    served.expect_no_damage();
}

/// A claim from an old holding is refused, whatever has become of the segment, and changes nobody's account; a segment
/// that was taken away is neither read nor written nor given back by its old holder.
#[test]
fn n5_refuses_stale_claims() {
    let served = served(4);
    let (old, new) = (served.join_for("old", 1, 1), served.join("new"));
    let handed = old.acquire().unwrap().hand_over();
    let segment = handed.segment();
    let taken_over = new.adopt(handed).unwrap();
    let stale = AdoptError::Stale { segment };
    assert_eq!(old.adopt(handed).unwrap_err(), stale);
    assert_eq!(new.adopt(handed).unwrap_err(), stale);
    drop(taken_over);
    assert_eq!(new.adopt(handed).unwrap_err(), stale, "it is free");
    let all: Vec<_> = std::iter::from_fn(|| new.acquire().ok()).collect();
    assert!(all.iter().any(|taken| taken.index() == segment));
    assert_eq!(new.adopt(handed).unwrap_err(), stale, "it was issued again");
    // A claim that was never made, on a segment that is free.
    drop(all);
    let mut forged = [0; Handed::BYTES];
    forged[0] = 1;
    assert!(new.adopt(Handed::from_bytes(forged)).is_err());
    forged[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(new.adopt(Handed::from_bytes(forged)).is_err());
    drop((old, new));
    served.expect("all back", |pool| pool.free == 4);
    served.expect_no_damage();
}

/// An agent that is restarted finds the same files, builds its table from the owner words and the slots, lets its clients
/// back in, and takes back what those held that died meanwhile; bytes and holdings of the living stay as they are.
#[test]
fn n6_finds_the_pool_again_after_a_restart() {
    let volume = Scratch::below(Path::new("/dev/shm"));
    let directory = MemoryDirectory::open(&volume.0).unwrap();
    let storage = Storage::Directory {
        directory: &directory,
        name: "network",
    };
    let first = serve(create(size(512), storage).unwrap(), Scratch::new());
    let client = first.join("client");
    let mut held: Vec<_> = (0..40_u8).map(|_| client.acquire().unwrap()).collect();
    for (segment, value) in held.iter_mut().zip(0..) {
        segment.write(100, &[value; 50]).unwrap();
    }
    let mut doomed = Process::start(&first.scratch.socket(), "hold", &["30"]);
    doomed.handed();
    let before = first.inspect();
    let scratch = first.stop();

    // The client goes on without an agent, and another one dies.
    held.truncate(30);
    held.extend((0..20).map(|_| client.acquire().unwrap()));
    doomed.kill();

    let second = serve(
        SharedPool::open(size(512), &directory, "network").unwrap(),
        scratch,
    );
    second.expect("the dead one's end", |pool| pool.clients.len() == 1);
    client.keep_alive().unwrap();
    let after = second.inspect();
    assert_eq!(
        (after.clients[0].held, after.clients[0].number),
        (50, before.clients[0].number)
    );
    let back = |event: &Event| matches!(event, Event::Joined { is_back: true, .. });
    assert!(second.events.lock().unwrap().iter().any(back));
    let mut bytes = [0; 50];
    for (segment, value) in held[..30].iter().zip(0..) {
        segment.read(100, &mut bytes).unwrap();
        assert_eq!(bytes, [value; 50]);
    }
    let rest: Vec<_> = std::iter::from_fn(|| client.acquire().ok()).collect();
    assert_eq!(rest.len(), 512 - 50);
    drop((held, rest, client));
    second.expect("all back", |pool| {
        pool.free == 512 && pool.clients.is_empty()
    });
    second.expect_no_damage();
    SharedPool::remove(&directory, "network").unwrap();
}

/// A client of which the agent's table says that it was promised segments gets them, however greedy another one is; who
/// has its quota is refused with both numbers.
#[test]
fn n7_keeps_its_promises_beside_a_greedy_client() {
    let served = served(256);
    let modest = served.join_for("modest", 64, 64);
    let greedy = served.join("greedy");
    let grabbed: Vec<_> = std::iter::from_fn(|| greedy.acquire().ok()).collect();
    assert_eq!(grabbed.len(), 192);
    let refused = greedy.acquire_within(Duration::from_secs(60)).unwrap_err();
    let (taken, quota) = (192, 192);
    assert_eq!(refused, AcquireError::QuotaReached { taken, quota });
    let promised: Vec<_> = (0..64).map(|_| modest.acquire().unwrap()).collect();
    assert!(modest.acquire().is_err());
    // A claim does not help the greedy one past its quota, and is still good when it has room.
    let mut promised = promised;
    let handed = promised.pop().unwrap().hand_over();
    assert_eq!(
        greedy.adopt(handed).unwrap_err(),
        AdoptError::QuotaReached { taken, quota }
    );
    let mut grabbed = grabbed;
    grabbed.pop();
    grabbed.push(greedy.adopt(handed).unwrap());
    // Promises beyond what there is are not made.
    let options = ClientOptions {
        required: 193,
        ..ClientOptions::new("late")
    };
    let refused = Client::join(&served.scratch.socket(), &options)
        .unwrap_err()
        .to_string();
    let reason = "cannot promise 193 segments: of 256, 64 are promised to modest (64)";
    assert!(refused.ends_with(reason), "{refused}");
    // When a promise is made, the greedy one's quota shrinks, and what it gives back goes to the new one.
    let options = ClientOptions {
        required: 100,
        maximum: 100,
        ..ClientOptions::new("late")
    };
    let late = Client::join(&served.scratch.socket(), &options).unwrap();
    grabbed.truncate(92);
    let promised_too: Vec<_> = (0..100)
        .map(|_| late.acquire_within(Duration::from_secs(20)).unwrap())
        .collect();
    assert!(matches!(
        greedy.acquire(),
        Err(AcquireError::QuotaReached { quota: 92, .. })
    ));
    drop((promised, promised_too, grabbed));
    served.expect_no_damage();
}

/// The files of a nameless pool cannot be truncated or grown by anybody who has them; of a pool in a directory it is
/// noticed and told.
#[test]
fn n8_no_client_changes_the_files_sizes_unnoticed() {
    let served = served(64);
    let raw = process::RawClient::join(&served.scratch.socket());
    for file in &raw.files {
        for length in [0, 1 << 30] {
            let refused = rustix::fs::ftruncate(file, length).unwrap_err();
            assert_eq!(refused, rustix::io::Errno::PERM);
        }
    }
    let volume = Scratch::below(Path::new("/dev/shm"));
    let directory = MemoryDirectory::open(&volume.0).unwrap();
    let storage = Storage::Directory {
        directory: &directory,
        name: "network",
    };
    let named = serve(create(size(64), storage).unwrap(), Scratch::new());
    let raw = process::RawClient::join(&named.scratch.socket());
    rustix::fs::ftruncate(&raw.files[0], 100 * 4096).unwrap();
    let told = || {
        let events = named.events.lock().unwrap();
        events.iter().find_map(|event| match event {
            Event::Resized { text } => Some(text.clone()),
            _ => None,
        })
    };
    super::wait_until(|| told().is_some());
    let text = told().unwrap();
    assert_eq!(
        text,
        "expected a file of 262144 bytes, found one of 409600 bytes"
    );
}

/// Whatever a client scribbles over the control file, the agent neither crashes nor believes it: it tells what it found,
/// restores what it knows, and goes on serving with all segments.
#[test]
fn n9_survives_scribbling_over_the_control_file() {
    let served = served(200);
    let honest = served.join("honest");
    let mut held: Vec<_> = (0..20).map(|_| honest.acquire().unwrap()).collect();
    for segment in &mut held {
        let index = segment.index();
        segment.write(0, &index.to_le_bytes()).unwrap();
    }
    honest.trim().unwrap();
    // The agent has seen the holdings.
    served.inspect();
    let vandal = process::RawClient::join(&served.scratch.socket());
    let length = vandal.control_bytes();
    let mut random = super::random::Random::new(9);
    for round in 0..60 {
        // The header was read once and is not read again; what comes after it is fair game.
        let offset = 128 + random.below(length - 128);
        let count = [1, 8, 64, 4096][round % 4].min(length - offset);
        let bytes: Vec<u8> = match round % 3 {
            0 => vec![0; count],
            1 => vec![0xff; count],
            _ => (0..count).map(|_| random.below(256) as u8).collect(),
        };
        vandal.scribble(offset, &bytes);
        let _ = served.server.inspect();
        assert!(served.server.is_serving());
    }
    assert!(served.server.totals().findings > 0);
    // Everybody goes; whatever was damaged is put right within a few looks.
    drop((held, honest, vandal));
    let fresh = || Client::join(&served.scratch.socket(), &ClientOptions::new("fresh"));
    served.expect("all back", |pool| pool.free == 200);
    let fresh = fresh().unwrap();
    let all: Vec<_> = std::iter::from_fn(|| fresh.acquire().ok()).collect();
    let mut indexes: Vec<_> = all.iter().map(|segment| segment.index()).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..200).collect::<Vec<_>>());
}

/// Free, held and lying segments sum up to all of them at every instant at which nobody works, and what is in between is
/// told as such while clients in threads work.
#[test]
fn n10_segments_are_conserved() {
    let served = served(300);
    let stop = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let (served, stop) = (&served, &stop);
            scope.spawn(move || {
                let client = served.join(&format!("worker {seed}"));
                let mut random = super::random::Random::new(seed);
                let mut held = Vec::new();
                while stop.load(Ordering::Relaxed) < 50 {
                    if random.below(2) == 0 {
                        held.extend(client.acquire().ok());
                    } else if !held.is_empty() {
                        held.swap_remove(random.below(held.len()));
                    }
                }
            });
        }
        // Each look checks the sum.
        for _ in 0..50 {
            served.inspect();
            stop.fetch_add(1, Ordering::Relaxed);
        }
    });
    served.expect("all back", |pool| pool.free == 300 && pool.moving == 0);
    served.expect_no_damage();
}

/// A pool is ready only when every page is present: progress is told every 64 MiB up to the whole, and what is mapped
/// afterwards populates at once. (512 MiB and 2 GiB are for a run by hand.)
#[test]
fn n11_is_ready_when_every_page_is_present() {
    let mut told = Vec::new();
    let size = PoolSize {
        segment_bytes: 32 << 10,
        segments: 4096,
        clients: 4,
    };
    let pool = SharedPool::create(size, nameless(), &NO_LIMIT, one_thread(), |progress| {
        told.push(progress);
        ControlFlow::Continue(())
    });
    let total_bytes = 128 << 20;
    let steps = [64 << 20, 128 << 20].map(|populated_bytes| Progress {
        populated_bytes,
        total_bytes,
    });
    assert_eq!(told, steps);
    let served = serve(pool.unwrap(), Scratch::new());
    let raw = process::RawClient::join(&served.scratch.socket());
    let blocks = rustix::fs::fstat(&raw.files[0]).unwrap().st_blocks;
    assert_eq!(blocks * 512, total_bytes as i64);
    let stopped = SharedPool::create(size, nameless(), &NO_LIMIT, one_thread(), |_| {
        ControlFlow::Break(())
    });
    let text = stopped.unwrap_err().to_string();
    assert_eq!(
        text,
        "populating was stopped after 67108864 of 134217728 bytes"
    );
}

/// Who waits is served in the order of asking, when segments come back, from other clients' magazines too; who waits in
/// vain is told after its time.
#[test]
fn waiting_is_served_in_order_and_bounded() {
    let served = served(8);
    let holder = served.join("holder");
    let mut all: Vec<_> = std::iter::from_fn(|| holder.acquire().ok()).collect();
    assert_eq!(all.len(), 8);
    let timeout = Duration::from_millis(20);
    let start = Instant::now();
    let hopeful = served.join("hopeful");
    let refused = hopeful.acquire_within(timeout).unwrap_err();
    assert!(
        matches!(refused, AcquireError::Exhausted { segments: 8, waited } if waited >= timeout)
    );
    assert!(start.elapsed() >= timeout);
    let order = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for name in 0..3 {
            let (served, order) = (&served, &order);
            scope.spawn(move || {
                let client = served.join(&format!("waiting {name}"));
                let segment = client.acquire_within(Duration::from_secs(60)).unwrap();
                order.lock().unwrap().push(name);
                // Nobody gets another one's segment.
                std::mem::forget(segment);
            });
            let waiting = |pool: &Inspection| {
                pool.clients
                    .iter()
                    .filter(|client| client.waiting == 1)
                    .count()
            };
            served.expect("the waiting", |pool| waiting(pool) == name + 1);
        }
        for served_so_far in 0..3 {
            all.pop();
            super::wait_until(|| order.lock().unwrap().len() == served_so_far + 1);
        }
    });
    assert_eq!(order.into_inner().unwrap(), [0, 1, 2]);
    served.expect_no_damage();
}

/// What lies in an idle client's magazines is found before anybody is told that there is none, and the idle client goes
/// on as if nothing had been.
#[test]
fn magazines_of_idle_clients_are_emptied_for_others() {
    let served = served(512);
    let idle = served.join_for("idle", 0, 16);
    let mut taken: Vec<_> = std::iter::from_fn(|| idle.acquire().ok()).collect();
    assert_eq!(taken.len(), 16);
    taken.truncate(1);
    assert_eq!(served.inspect().clients[0].lying, 15);
    let other = served.join_for("other", 511, 511);
    let mut all: Vec<_> = std::iter::from_fn(|| other.acquire().ok()).collect();
    assert_eq!(all.len(), 511);
    let quota = AcquireError::QuotaReached { taken: 1, quota: 1 };
    assert_eq!(idle.acquire().unwrap_err(), quota);
    taken[0].write(0, b"kept").unwrap();
    taken.clear();
    all.clear();
    drop(other);
    served.expect("the other's end", |pool| pool.clients.len() == 1);
    taken.extend(std::iter::from_fn(|| idle.acquire().ok()));
    assert_eq!(taken.len(), 16);
    drop(taken);
    served.expect_no_damage();
}

/// Bytes are copied within the segment alone.
#[test]
fn accesses_stay_within_the_segment() {
    let served = served(4);
    let client = served.join("client");
    let (mut first, second) = (client.acquire().unwrap(), client.acquire().unwrap());
    let length = first.size();
    first.write(0, &vec![7; length]).unwrap();
    let mut bytes = vec![1; length];
    second.read(0, &mut bytes).unwrap();
    assert_eq!(bytes, vec![0; length], "fresh segments are zeroes");
    for (offset, count) in [(0, length + 1), (length, 1), (usize::MAX, 2), (1, length)] {
        let mut bytes = vec![0; count];
        let refused = SegmentError::OutOfBounds {
            offset,
            length: count,
            segment_bytes: length,
        };
        assert_eq!(first.read(offset, &mut bytes), Err(refused));
        assert_eq!(first.write(offset, &bytes), Err(refused));
    }
    first.read(length, &mut []).unwrap();
    let handed = first.hand_over();
    let first = client.adopt(handed).unwrap();
    first.read(0, &mut bytes).unwrap();
    assert_eq!(bytes, vec![7; length]);
}

/// A client of another layout version is refused, with both versions; so is one of another user, one that says nothing
/// sensible, and one too many.
#[test]
fn strangers_are_refused_with_the_reason() {
    let served = served(16);
    let socket = served.scratch.socket();
    let hello = |version: u32| process::hello(version);
    let mut stream = UnixStream::connect(&socket).unwrap();
    std::io::Write::write_all(&mut stream, &hello(7)).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer);
    let reason = "the pool has layout version 1, the client has version 7";
    assert!(text.ends_with(reason), "{text}");
    for nonsense in [
        b"\xff\xff\xff\xff".as_slice(),
        b"GET / HTTP/1.1\r\n\r\n",
        &[1, 0, 0, 0, 9],
    ] {
        let mut stream = UnixStream::connect(&socket).unwrap();
        std::io::Write::write_all(&mut stream, nonsense).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(!answer.is_empty());
    }
    let clients: Vec<_> = (0..8)
        .map(|number| served.join(&number.to_string()))
        .collect();
    let refused = Client::join(&socket, &ClientOptions::new("one too many")).unwrap_err();
    assert!(
        matches!(&refused, JoinError::Refused { version: 1, .. }),
        "{refused}"
    );
    assert!(
        refused
            .to_string()
            .ends_with("the pool has 8 clients, and room for no more")
    );
    drop(clients);
    assert_eq!(served.server.totals().refused, 5);

    let scratch = Scratch::new();
    let options = ServerOptions {
        users: vec![rustix::process::geteuid().as_raw() + 1],
        ..ServerOptions::default()
    };
    let listener = UnixListener::bind(scratch.socket()).unwrap();
    let pool = create(size(4), nameless()).unwrap();
    let _server = pool.serve(listener, options, |_| {}).unwrap();
    let refused = Client::join(&scratch.socket(), &ClientOptions::new("us")).unwrap_err();
    assert!(refused.to_string().ends_with("may not join"), "{refused}");
}

/// A pool is found again only if it is the same: another size, a file that was never finished, or none, is an error.
#[test]
fn only_the_same_pool_is_found_again() {
    let volume = Scratch::below(Path::new("/dev/shm"));
    let directory = MemoryDirectory::open(&volume.0).unwrap();
    let storage = Storage::Directory {
        directory: &directory,
        name: "network",
    };
    assert!(SharedPool::open(size(64), &directory, "network").is_err());
    drop(create(size(64), storage).unwrap());
    assert!(create(size(64), storage).is_err(), "the names are taken");
    assert!(SharedPool::open(size(65), &directory, "network").is_err());
    drop(SharedPool::open(size(64), &directory, "network").unwrap());
    let control = volume.0.join("network.control");
    let mode = std::fs::metadata(&control).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut bytes = std::fs::read(&control).unwrap();
    bytes[..8].fill(0);
    std::fs::write(&control, &bytes).unwrap();
    let text = SharedPool::open(size(64), &directory, "network")
        .unwrap_err()
        .to_string();
    assert_eq!(
        text,
        "this is no control file of a pool: it begins with 0x0000000000000000"
    );
}
