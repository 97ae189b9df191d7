//! Clients that are killed, or stopped, right after a step of the protocol, while others work.

use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use headroom::pool::shared::{Client, ClientOptions, Event, Step};
use rustix::process::{Signal, getpid, kill_process};

use super::process::{Process, say, wait_for_a_word};
use super::served::{Served, served};
use crate::random::Random;

/// How many clients are killed: `HEADROOM_KILL_ROUNDS`, or enough for each step many times.
fn count() -> u64 {
    std::env::var("HEADROOM_KILL_ROUNDS").map_or(500, |rounds| rounds.parse().unwrap())
}

/// Works with the pool until its fate comes: a signal to itself right after the step of that number happened so often.
/// With no signal it works until somebody else ends it.
pub fn victim(socket: &Path, [step, times, signal, seed]: [u64; 4]) {
    let step = Step::ALL[usize::try_from(step).unwrap()];
    let signal = match signal {
        0 => None,
        1 => Some(Signal::KILL),
        _ => Some(Signal::STOP),
    };
    let left = Cell::new(times);
    let fate = move |made: Step| {
        if made == step
            && let Some(signal) = signal
        {
            left.set(left.get().wrapping_sub(1));
            if left.get() == 0 {
                kill_process(getpid(), signal).unwrap();
                // Being stopped reaches this thread some time later, and it must do nothing meanwhile.
                wait_for_a_word();
            }
        }
    };
    let options = ClientOptions {
        maximum: 60,
        ..ClientOptions::new("victim")
    };
    let client = Client::join_with(socket, &options, fate).unwrap();
    say("joined");
    let mut random = Random::new(seed);
    let mut held = Vec::new();
    let mut rounds = 0;
    while rounds < 2_000 || signal.is_none() {
        rounds += 1;
        match random.below(8) {
            // Enough to ask the depot, and to be over the quota with the last slot.
            0..3 => {
                for _ in 0..random.below(70) {
                    held.extend(client.acquire().ok());
                }
            }
            3..6 => held.truncate(random.below(held.len() + 1)),
            6 => {
                if let Some(segment) = held.pop() {
                    let handed = segment.hand_over();
                    held.extend(client.adopt(handed).ok());
                }
            }
            _ => client.trim().unwrap(),
        }
    }
    drop(held);
    drop(client);
    say("done");
    wait_for_a_word();
}

/// Another client that works all the while; what it writes is what it reads. It works while it has `gate`, in which it
/// leaves how many segments it holds.
fn work(served: &Served, stop: &AtomicBool, gate: &Mutex<u32>) {
    let client = served.join("worker");
    let mut random = Random::new(4);
    let mut held = Vec::new();
    let mut written = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let mut holds = gate.lock().unwrap();
        for _ in 0..100 {
            if random.below(2) == 0 && held.len() < 100 {
                if let Ok(mut segment) = client.acquire() {
                    written += 1;
                    segment.write(8, &written.to_le_bytes()).unwrap();
                    held.push((segment, written));
                }
            } else if !held.is_empty() {
                let (segment, written) = held.swap_remove(random.below(held.len()));
                let mut bytes = [0; 8];
                segment.read(8, &mut bytes).unwrap();
                assert_eq!(u64::from_le_bytes(bytes), written);
            }
        }
        *holds = u32::try_from(held.len()).unwrap();
        drop(holds);
        std::thread::yield_now();
    }
}

/// Starts a victim whose fate is this step, and waits until it has joined.
fn start(served: &Served, round: u64, signal: u64) -> Process {
    let step = round % Step::ALL.len() as u64;
    let mut random = Random::new(round);
    let times = match Step::ALL[usize::try_from(step).unwrap()] {
        // The depot is met with less often.
        Step::FilledTaken
        | Step::EmptyGiven
        | Step::HintWritten
        | Step::FilledGiven
        | Step::RoomTaken
        | Step::Adopted => 1 + random.below(20),
        _ => 1 + random.below(1000),
    };
    let arguments = [step, times as u64, signal, round].map(|number| number.to_string());
    let arguments = arguments.each_ref().map(String::as_str);
    let mut process = Process::start(&served.scratch.socket(), "victim", &arguments);
    // The first steps come before it has told that it joined.
    let said = process.says();
    assert!(said.is_none_or(|said| said == "joined"));
    process
}

/// Kills a client right after a step of the protocol, or at any instruction.
fn kill(served: &Served, round: u64) {
    if round.is_multiple_of(2) {
        let mut victim = start(served, round / 2, 1);
        let status = victim.wait();
        assert_eq!(status.signal(), Some(9), "round {round}: {status}");
    } else {
        let mut victim = start(served, round / 2, 0);
        let time = Random::new(round).below(2_000);
        std::thread::sleep(Duration::from_micros(time as u64));
        victim.kill();
    }
}

/// Kills one client after the other while another one works, and looks each time whether all that it had is back.
pub fn rounds() {
    let served = served(512);
    let (stop, gate) = (AtomicBool::new(false), Mutex::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| work(&served, &stop, &gate));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            for round in 0..count() {
                kill(&served, round);
                let died = Instant::now();
                served.expect("the reclaim", |pool| {
                    pool.clients.iter().all(|client| client.name != "victim")
                });
                let waited = died.elapsed();
                assert!(waited < Duration::from_secs(1), "round {round}: {waited:?}");
                served.expect_no_damage();
                let holds = gate.lock().unwrap();
                let pool = served.inspect();
                let [worker] = pool.clients.as_slice() else {
                    panic!("round {round}: {pool:?}");
                };
                assert_eq!(worker.held, *holds, "round {round}");
                let elsewhere = worker.held + worker.lying;
                assert_eq!(pool.free + elsewhere, 512, "round {round}: {pool:?}");
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(cause) = outcome {
            resume_unwind(cause);
        }
    });
    served.expect("all back", |pool| {
        pool.free == 512 && pool.clients.is_empty()
    });
    served.expect_no_damage();
    let (mut held, mut reclaimed) = (0, 0);
    for event in served.events.lock().unwrap().iter() {
        if let Event::Reclaimed { held: leak, .. } = event {
            held += leak;
            reclaimed += 1;
        }
    }
    let totals = served.server.totals();
    assert_eq!(
        (totals.reclaimed_segments, totals.reclaimed_clients),
        (held.into(), reclaimed)
    );
}

/// A client that is stopped right after any step of the protocol holds up nobody: others take every segment that it has
/// not got, a client that is killed meanwhile is cleaned up after, and when the stopped one goes on it ends as if nothing
/// had been.
#[test]
fn stopped_clients_hold_up_nobody() {
    for round in 0..Step::ALL.len() as u64 {
        let served = served(512);
        let mut stopped = start(&served, round, 2);
        stopped.wait_until_stopped();
        let mut dying = Process::start(&served.scratch.socket(), "hold", &["50"]);
        dying.handed();
        dying.kill();
        served.expect("the reclaim", |pool| pool.clients.len() == 1);
        let before = served.inspect();
        let free = 512 - before.clients[0].held - before.clients[0].lying;
        let client = served.join("other");
        let all: Vec<_> = std::iter::from_fn(|| client.acquire().ok()).collect();
        let others = free.min(client.quota());
        assert!(
            all.len() as u32 >= others,
            "{} of {others}, {before:?}",
            all.len()
        );
        drop((all, client));
        stopped.go_on();
        stopped.tell("go on");
        assert_eq!(stopped.says().as_deref(), Some("done"), "round {round}");
        stopped.tell("end");
        stopped.wait();
        served.expect("all back", |pool| {
            pool.free == 512 && pool.clients.is_empty()
        });
        served.expect_no_damage();
    }
}
