//! What clients of a shared pool may expect of it, and what strangers may not.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use headroom::pool::mapping::directory::MemoryDirectory;
use headroom::pool::shared::inspection::{Inspection, inspect};
use headroom::pool::shared::{
    AcquireError, Client, ClientOptions, JoinError, SegmentError, ServerOptions, SharedPool,
    Storage,
};

use super::process::{Process, hello};
use super::served::{Scratch, create, nameless, serve, serve_looking_each, served, size};

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
    let AcquireError::Exhausted {
        segments: 8,
        waited,
        holders,
    } = refused
    else {
        panic!("{refused}");
    };
    assert!(waited >= timeout);
    assert_eq!(holders, [("holder".to_owned(), 8)]);
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
                crate::wait_until(|| order.lock().unwrap().len() == 3);
                drop(segment);
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
            crate::wait_until(|| order.lock().unwrap().len() == served_so_far + 1);
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
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(&hello(7)).unwrap();
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
        stream.write_all(nonsense).unwrap();
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

/// A quota that shrinks while its client is above it takes nothing out of anybody's hands: what the client gives back
/// goes to the one that was promised it, and a client in another process sees the new figure with its next operation.
#[test]
fn a_limit_lowered_under_use_takes_nothing_out_of_hands() {
    let served = served(256);
    let mut greedy = Process::start(&served.scratch.socket(), "greedy", &[]);
    assert_eq!(greedy.says().as_deref(), Some("256 of 256"));
    let options = ClientOptions {
        required: 100,
        maximum: 100,
        ..ClientOptions::new("late")
    };
    let late = Client::join(&served.scratch.socket(), &options).unwrap();
    let figures = |name: &str| {
        let pool = served.inspect();
        let client = pool.clients.iter().find(|client| client.name == name);
        let client = client.unwrap();
        (client.held, client.quota)
    };
    assert_eq!(figures("greedy"), (256, 156));
    assert!(late.acquire().is_err(), "everything is in greedy's hands");
    greedy.tell("100");
    assert_eq!(greedy.says().as_deref(), Some("156 of 156"));
    let promised: Vec<_> = (0..100)
        .map(|_| late.acquire_within(Duration::from_secs(20)).unwrap())
        .collect();
    assert_eq!(figures("greedy"), (156, 156));
    drop(promised);
    greedy.tell("156");
    assert_eq!(greedy.says().as_deref(), Some("156 of 156"));
    drop((late, greedy));
    served.expect("all back", |pool| {
        pool.free == 256 && pool.clients.is_empty()
    });
    served.expect_no_damage();
}

/// An agent that stands still for longer than its clients are patient ends nobody's lease: clients go on with what the
/// depot has, what they gave back meanwhile arrives, and the late answer is no segment lost.
#[test]
fn a_frozen_agent_ends_no_lease() {
    let volume = Scratch::below(Path::new("/dev/shm"));
    let scratch = Scratch::new();
    let mut agent = Process::start(
        &scratch.socket(),
        "agent",
        &[volume.0.to_str().unwrap(), "4096", "16"],
    );
    agent.expect_line("ready");
    let mut holder = Process::start(&scratch.socket(), "hold", &["12"]);
    holder.handed();
    let options = ClientOptions {
        patience: Duration::from_millis(50),
        ..ClientOptions::new("client")
    };
    let client = Client::join(&scratch.socket(), &options).unwrap();
    let mut held: Vec<_> = (0..4).map(|_| client.acquire().unwrap()).collect();
    agent.stop();
    let away = client.acquire_within(Duration::from_millis(10));
    assert_eq!(away.unwrap_err(), AcquireError::AgentAway);
    held.truncate(2);
    held.push(client.acquire().unwrap());
    agent.go_on();
    held.push(client.acquire_within(Duration::from_secs(20)).unwrap());
    client.keep_alive().unwrap();
    let look = || inspect(&volume.0.join("pool.control")).unwrap();
    let held_by = |name: &str| {
        let pool = look();
        let mut clients = pool.clients.iter();
        clients.find(|client| client.name == name).unwrap().held
    };
    crate::wait_until(|| (held_by("holder"), held_by("client")) == (12, 4));
    drop((held, client, holder));
    crate::wait_until(|| look().free == 16 && look().clients.is_empty());
    assert_eq!(look().agents, 1);
}

/// A client passes many times its quota on to another process, and waits only for that one: what was taken over counts no
/// more at once, and not with the agent's next look, which does not come as long as this lasts.
#[test]
fn what_is_handed_over_counts_until_it_is_taken_over() {
    const COUNT: u64 = 20_000;
    let pool = create(size(1024), nameless()).unwrap();
    let served = serve_looking_each(pool, Scratch::new(), Duration::from_secs(3600));
    let writer = served.join_for("writer", 40, 40);
    let start = |count: u64| {
        let arguments = [count.to_string()];
        let arguments = arguments.each_ref().map(String::as_str);
        let mut reader = Process::start(&served.scratch.socket(), "take-over", &arguments);
        assert_eq!(reader.says().as_deref(), Some("joined"));
        reader
    };
    let mut reader = start(COUNT);
    for number in 0..COUNT {
        let mut segment = writer.acquire_within(Duration::from_secs(20)).unwrap();
        segment.write(0, &number.to_le_bytes()).unwrap();
        let claim = segment.hand_over();
        reader.input().write_all(&claim.to_bytes()).unwrap();
    }
    assert_eq!(reader.says().as_deref(), Some("all read"));
    assert!(reader.wait().success());
    // Claims that nobody takes count, and are their first owner's to take again.
    let claims: Vec<_> = (0..40)
        .map(|_| writer.acquire().unwrap().hand_over())
        .collect();
    let (taken, quota) = (40, 40);
    let refused = AcquireError::QuotaReached { taken, quota };
    assert_eq!(writer.acquire().unwrap_err(), refused);
    let short = Duration::from_millis(5);
    assert_eq!(writer.acquire_within(short).unwrap_err(), refused);
    let mut reader = start(1);
    let other = served.join("other");
    let mut one = other.adopt(claims[0]).unwrap();
    one.write(0, &[0; 8]).unwrap();
    let claim = one.hand_over();
    let again = writer.acquire_within(Duration::from_secs(20)).unwrap();
    reader.input().write_all(&claim.to_bytes()).unwrap();
    assert_eq!(reader.says().as_deref(), Some("all read"));
    drop((again, writer, other, reader));
    served.expect("all back", |pool| {
        pool.free == 1024 && pool.clients.is_empty()
    });
    served.expect_no_damage();
}

/// Anybody who may read the control file can look at it; what is no control file, or a link to one, is an error.
#[test]
fn a_pool_is_inspected_by_its_file() {
    let volume = Scratch::below(Path::new("/dev/shm"));
    let directory = MemoryDirectory::open(&volume.0).unwrap();
    let storage = Storage::Directory {
        directory: &directory,
        name: "network",
    };
    let served = serve(create(size(64), storage).unwrap(), Scratch::new());
    let client = served.join_for("sort\x1b[2J", 10, 20);
    let _held: Vec<_> = (0..7).map(|_| client.acquire().unwrap()).collect();
    served.inspect();
    let control = volume.0.join("network.control");
    let seen = inspect(&control).unwrap();
    let [figures] = seen.clients.as_slice() else {
        panic!("{seen:?}");
    };
    assert_eq!(figures.name, "sort\u{fffd}[2J", "no terminal obeys a name");
    assert_eq!((figures.required, figures.quota, figures.held), (10, 20, 7));
    assert_eq!(figures.process, Some(std::process::id()));
    assert!(figures.oldest.is_some());
    assert_eq!(seen.free + figures.lying, 57);
    let json = serde_json::to_value(&seen).unwrap();
    assert_eq!(json["segmentBytes"], 4096);
    assert_eq!(json["clients"][0]["held"], 7);
    assert!(json["clients"][0]["oldestMilliseconds"].is_u64(), "{json}");

    let error = inspect(&volume.0.join("network.data")).unwrap_err();
    assert!(error.to_string().contains("no control file"), "{error}");
    let link = volume.0.join("link");
    std::os::unix::fs::symlink(&control, &link).unwrap();
    assert!(inspect(&link).is_err());
    assert!(inspect(&volume.0).is_err());
    assert!(inspect(&volume.0.join("none")).is_err());
}
