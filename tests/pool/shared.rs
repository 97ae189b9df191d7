//! The shared pool: real files, real sockets, and clients in processes of their own.

mod behaviour;
mod jvm;
mod kill;
mod process;
mod served;
mod speed;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use headroom::pool::mapping::directory::MemoryDirectory;
use headroom::pool::shared::inspection::inspect;
use headroom::pool::shared::{
    AcquireError, AdoptError, Client, ClientOptions, Event, Handed, SharedPool, Storage,
};

use process::{Process, RawClient};
use served::{Scratch, create, serve, served, size};

/// An agent whose container has less memory than the pool needs refuses with both numbers before it makes a file, and
/// one whose container has enough makes it.
#[test]
fn n1_refuses_a_pool_beyond_the_limit() {
    let (limits, volume) = (Scratch::new(), Scratch::below(Path::new("/dev/shm")));
    let write = |name: &str, text: &str| std::fs::write(limits.0.join(name), text).unwrap();
    write("memory.current", "25165824\n");
    write("memory.stat", "anon 4096\ninactive_file 0\n");
    let made_within = |limit: &str| {
        write("memory.max", limit);
        let arguments = [&limits.0, &volume.0].map(|path| path.to_str().unwrap());
        let mut agent = Process::start(&limits.socket(), "create", &arguments);
        let text = agent.says().unwrap();
        assert!(agent.wait().success());
        (text, std::fs::read_dir(&volume.0).unwrap().count())
    };
    let (text, files) = made_within("67108864\n");
    assert!(
        text.contains("of the memory limit of 67108864 bytes, 25165824 are in use"),
        "{text}"
    );
    assert!(text.contains("cannot hold 67"), "{text}");
    assert_eq!(files, 0);
    assert_eq!(made_within("134217728\n"), ("made".to_owned(), 2));
}

/// A volume that is smaller than the pool is an error when the pool is made, and nothing stays behind; a client of a pool
/// that fits never meets a missing page, not even when others fill the volume.
///
/// Root mounts a small volume that no other process sees. Others ask for more than the host's volume has.
#[test]
fn n2_reports_a_volume_that_is_too_small() {
    let scratch = Scratch::new();
    let volume = scratch.0.join("volume");
    std::fs::create_dir(&volume).unwrap();
    let apart = ["--mount", "--propagation", "private", "sh", "-ec"];
    let mount = "mount -t tmpfs -o size=8m,mode=0700 headroom \"$0\"";
    let can_mount = Command::new("unshare")
        .args(apart)
        .args([mount, volume.to_str().unwrap()])
        .output()
        .is_ok_and(|output| output.status.success());
    if can_mount {
        let mut command = Command::new("unshare");
        command.args(apart);
        command.arg(format!("{mount}; exec \"$@\""));
        command.arg(&volume);
        command.arg(std::env::current_exe().unwrap());
        let mut process = Process::start_by(
            command,
            &scratch.socket(),
            "volume",
            &[volume.to_str().unwrap()],
        );
        let refused = process.says().unwrap();
        assert!(
            refused.starts_with("cannot reserve 16777216 bytes: the volume has"),
            "{refused}"
        );
        assert!(refused.ends_with("0 files left"), "{refused}");
        let written = "written on a full volume: no storage space";
        assert_eq!(process.says().as_deref(), Some(written));
        assert!(process.wait().success());
        return;
    }
    println!("skipped: a volume of 8 MiB, because only root may mount one");
    let volume = Scratch::below(Path::new("/dev/shm"));
    let directory = MemoryDirectory::open(&volume.0).unwrap();
    let free = rustix::fs::statvfs(&volume.0).unwrap();
    let too_many = free.f_bavail * free.f_frsize / 4096 + 1024;
    let storage = Storage::Directory {
        directory: &directory,
        name: "network",
    };
    let size = size(u32::try_from(too_many).unwrap());
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
    // The generations rose: what the dead client handed over before it died is not to be had any more.
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

/// Clients that are killed right after any step of the protocol, or at any instruction, lose and double no segment: all
/// come back within a second, the figures are exact after each, and another client that works meanwhile notices nothing.
///
/// 500 clients; `make kill` kills 10,000.
#[test]
fn n4_kills_at_every_step() {
    kill::rounds();
}

/// A claim from an old holding is refused in every process, whatever has become of the segment, and changes nobody's
/// account.
#[test]
fn n5_refuses_stale_claims() {
    let served = served(16);
    let mut old = Process::start(&served.scratch.socket(), "hold", &["8"]);
    let claims = old.handed();
    let new = served.join_for("new", 11, 11);
    let segments: Vec<u32> = claims.iter().map(Handed::segment).collect();
    let stale = |segment| AdoptError::Stale { segment };
    // The first is taken over and kept, the second given back, the third given back and issued again.
    let mut taken: Vec<_> = claims
        .iter()
        .map(|&claim| new.adopt(claim).unwrap())
        .collect();
    let kept = taken.remove(0);
    drop(taken);
    let all: Vec<_> = std::iter::from_fn(|| new.acquire().ok()).collect();
    assert_eq!(all.len(), 10);
    assert!(all.iter().any(|issued| issued.index() == segments[2]));
    let all: Vec<_> = all
        .into_iter()
        .filter(|issued| issued.index() != segments[1])
        .collect();
    old.tell("try");
    let outcomes = segments
        .iter()
        .map(|&segment| stale(segment).to_string())
        .collect::<Vec<_>>();
    assert_eq!(old.says(), Some(outcomes.join(", ")));
    for (&claim, &segment) in claims.iter().zip(&segments) {
        assert_eq!(new.adopt(claim).unwrap_err(), stale(segment));
    }
    let held = |name: &str| {
        let pool = served.inspect();
        let mut clients = pool.clients.iter();
        clients.find(|client| client.name == name).unwrap().held
    };
    assert_eq!((held("holder"), held("new")), (5, 10));
    // Claims that nobody ever made: on a free segment, and on none.
    drop((all, kept));
    let mut forged = [0; Handed::BYTES];
    forged[0] = u8::try_from(segments[1]).unwrap();
    assert!(new.adopt(Handed::from_bytes(forged)).is_err());
    forged[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(new.adopt(Handed::from_bytes(forged)).is_err());
    drop((old, new));
    served.expect("all back", |pool| pool.free == 16);
    served.expect_no_damage();
}

/// An agent that is killed and started again finds the same files, builds its table from the owner words and the slots,
/// lets its clients back in, and takes back what those held that died meanwhile; bytes and holdings of the living stay as
/// they are.
#[test]
fn n6_finds_the_pool_again_after_a_restart() {
    let (volume, scratch) = (Scratch::below(Path::new("/dev/shm")), Scratch::new());
    let start_agent = || {
        let arguments = [volume.0.to_str().unwrap(), "4096", "512"];
        let mut agent = Process::start(&scratch.socket(), "agent", &arguments);
        let before = agent.expect_line("ready");
        (agent, before)
    };
    let look = || inspect(&volume.0.join("pool.control")).unwrap();
    let (mut first, populated) = start_agent();
    assert_eq!(populated, ["populated 2097152"]);
    let client = Client::join(&scratch.socket(), &ClientOptions::new("client")).unwrap();
    let mut held: Vec<_> = (0..40_u8).map(|_| client.acquire().unwrap()).collect();
    for (segment, value) in held.iter_mut().zip(0..) {
        segment.write(100, &[value; 50]).unwrap();
    }
    let mut doomed = Process::start(&scratch.socket(), "hold", &["30"]);
    doomed.handed();
    let number = look().clients[0].number;
    first.kill();

    // The client goes on without an agent, and another one dies.
    held.truncate(30);
    held.extend((0..20).map(|_| client.acquire().unwrap()));
    doomed.kill();

    let (_second, populated) = start_agent();
    assert!(populated.is_empty(), "the pool was found, not made");
    crate::wait_until(|| look().clients.len() == 1);
    client.keep_alive().unwrap();
    let after = look();
    assert_eq!(
        (after.agents, after.clients[0].held, after.clients[0].number),
        (2, 50, number)
    );
    let mut bytes = [0; 50];
    for (segment, value) in held[..30].iter().zip(0..) {
        segment.read(100, &mut bytes).unwrap();
        assert_eq!(bytes, [value; 50]);
    }
    let rest: Vec<_> = std::iter::from_fn(|| client.acquire().ok()).collect();
    assert_eq!(rest.len(), 512 - 50);
    drop((held, rest, client));
    crate::wait_until(|| look().free == 512 && look().clients.is_empty());
}

/// A client that was promised segments gets them, however greedy another process is; who has its quota is refused with
/// both numbers, and promises beyond what there is are not made.
#[test]
fn n7_keeps_its_promises_beside_a_greedy_client() {
    let served = served(256);
    let modest = served.join_for("modest", 64, 64);
    let mut greedy = Process::start(&served.scratch.socket(), "greedy", &[]);
    assert_eq!(greedy.says().as_deref(), Some("192 of 192"));
    let mut promised: Vec<_> = (0..64).map(|_| modest.acquire().unwrap()).collect();
    let (taken, quota) = (64, 64);
    let refused = modest.acquire_within(Duration::from_secs(60)).unwrap_err();
    assert_eq!(refused, AcquireError::QuotaReached { taken, quota });
    let options = ClientOptions {
        required: 193,
        ..ClientOptions::new("late")
    };
    let refused = Client::join(&served.scratch.socket(), &options)
        .unwrap_err()
        .to_string();
    let reason = "cannot promise 193 segments: of 256, 64 are promised to modest (64)";
    assert!(refused.ends_with(reason), "{refused}");
    // A claim does not help anybody past the quota, and is still good when there is room.
    let other = served.join_for("other", 1, 1);
    greedy.tell("1");
    assert_eq!(greedy.says().as_deref(), Some("191 of 191"));
    let one = other.acquire_within(Duration::from_secs(20)).unwrap();
    let handed = promised.pop().unwrap().hand_over();
    let (taken, quota) = (1, 1);
    assert_eq!(
        other.adopt(handed).unwrap_err(),
        AdoptError::QuotaReached { taken, quota }
    );
    drop(one);
    other.trim().unwrap();
    assert_eq!(other.adopt(handed).unwrap().index(), handed.segment());
    served.expect_no_damage();
}

/// The files of a nameless pool cannot be truncated or grown by any process that has them; of a pool in a directory it is
/// noticed and told.
#[test]
fn n8_no_client_changes_the_files_sizes_unnoticed() {
    let nameless = served(64);
    let mut truncating = Process::start(&nameless.scratch.socket(), "truncate", &[]);
    let refused = ["permission denied"; 4].join(", ");
    assert_eq!(truncating.says(), Some(refused));
    let volume = Scratch::below(Path::new("/dev/shm"));
    let directory = MemoryDirectory::open(&volume.0).unwrap();
    let storage = Storage::Directory {
        directory: &directory,
        name: "network",
    };
    let named = serve(create(size(64), storage).unwrap(), Scratch::new());
    let raw = RawClient::join(&named.scratch.socket());
    // Truncating would end this process too, which serves the pool.
    rustix::fs::ftruncate(&raw.files[0], 100 * 4096).unwrap();
    let told = || {
        let events = named.events.lock().unwrap();
        events.iter().find_map(|event| match event {
            Event::Resized { text } => Some(text.clone()),
            _ => None,
        })
    };
    crate::wait_until(|| told().is_some());
    let text = told().unwrap();
    assert_eq!(
        text,
        "expected a file of 262144 bytes, found one of 409600 bytes"
    );
}

/// Whatever another process scribbles over the control file, the agent neither crashes nor believes it: it tells what it
/// found, restores what it knows, and goes on serving with all segments.
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
    let mut vandal = Process::start(&served.scratch.socket(), "scribble", &["9"]);
    for round in 0..60 {
        assert_eq!(vandal.says().as_deref(), Some("scribbled"), "round {round}");
        let _ = served.server.inspect();
        // A living client gets errors, and no panic.
        drop(honest.acquire());
        assert!(served.server.is_serving());
        vandal.tell("on");
    }
    assert!(served.server.totals().findings > 0);
    // Everybody goes; whatever was damaged is put right within a few looks.
    vandal.kill();
    drop((held, honest));
    served.expect("all back", |pool| pool.free == 200);
    let fresh = served.join("fresh");
    let all: Vec<_> = std::iter::from_fn(|| fresh.acquire().ok()).collect();
    let mut indexes: Vec<_> = all.iter().map(|segment| segment.index()).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..200).collect::<Vec<_>>());
}

/// Free, held and lying segments sum up to all of them at every instant at which nobody works; what is in between is told
/// as such while processes work, and nothing is ever lost.
#[test]
fn n10_segments_are_conserved() {
    let served = served(300);
    let socket = served.scratch.socket();
    let mut workers: Vec<_> = ["1", "2", "3"]
        .map(|seed| Process::start(&socket, "work", &[seed]))
        .into();
    for worker in &mut workers {
        assert_eq!(worker.says().as_deref(), Some("joined"));
    }
    for _ in 0..300 {
        // Each look checks the sum.
        assert_eq!(served.inspect().lost, 0);
    }
    // In the middle of whatever they do.
    for worker in &workers {
        worker.stop();
    }
    let quiescent = served.inspect();
    assert_eq!((quiescent.moving, quiescent.lost), (0, 0));
    assert_eq!(served.inspect().clients.len(), 3);
    for worker in &mut workers {
        worker.go_on();
        worker.tell("end");
        assert!(worker.wait().success());
    }
    served.expect("all back", |pool| pool.free == 300 && pool.moving == 0);
    served.expect_no_damage();
}

/// A pool of 64 MiB, of 512 MiB and of 2 GiB is ready only when every page of it is present, and progress is told every
/// 64 MiB up to the whole.
///
/// The last one only where the host has twice as much to spare.
#[test]
fn n11_is_ready_when_every_page_is_present() {
    let free = rustix::fs::statvfs("/dev/shm").unwrap();
    let spare = available_memory().min(free.f_bavail * free.f_frsize);
    for total in [64_u64 << 20, 512 << 20, 2 << 30] {
        if spare < 2 * total {
            println!("skipped: a pool of {total} bytes, because the host has {spare} to spare");
            continue;
        }
        let (volume, scratch) = (Scratch::below(Path::new("/dev/shm")), Scratch::new());
        let segments = (total / (32 << 10)).to_string();
        let arguments = [volume.0.to_str().unwrap(), "32768", &segments];
        let mut agent = Process::start(&scratch.socket(), "agent", &arguments);
        let told = agent.expect_line("ready");
        let steps: Vec<_> = (1..=total >> 26)
            .map(|step| format!("populated {}", step << 26))
            .collect();
        assert_eq!(told, steps);
        let data = std::fs::metadata(volume.0.join("pool.data")).unwrap();
        assert_eq!((data.len(), data.blocks() * 512), (total, total));
        drop(agent);
        SharedPool::remove(&MemoryDirectory::open(&volume.0).unwrap(), "pool").unwrap();
    }
}

fn available_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kibibytes
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap()
        * 1024
}

/// A JVM takes 256 segments of 32 KiB by the socket, maps the data file by its path, and fills Flink's own network pool
/// with them; the agent reads what a buffer builder wrote there, and all 256 come back.
///
/// Without a JDK this shows nothing; without Flink's jars, which `make pool-diff` fetches, the JVM writes into the
/// segments itself.
#[test]
fn n12_a_jvm_uses_the_segments() {
    jvm::uses_the_segments();
}
