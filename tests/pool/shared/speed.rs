//! What a shared pool's operations take, for a look by hand: `cargo test --release --no-default-features --test pool
//! shared_pool_figures -- --ignored --nocapture`.

use std::hint::{black_box, spin_loop};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headroom::pool::shared::{Client, Handed};

use super::process::Process;
use super::served::{Served, served};

/// The operations that one figure is of; the machine has other things to do, so there are many short windows.
const WINDOW: usize = 32_000;
const WINDOWS: usize = 300;

/// What goes from one thread to the other goes in bundles, of which so many may be on their way.
const BUNDLES: usize = 64;
const IN_BUNDLE: usize = 32;

/// Prints the shortest window, the median, and the window below which nine in ten are.
fn print(what: &str, mut nanoseconds: Vec<f64>) {
    nanoseconds.sort_by(f64::total_cmp);
    let at = |part: usize| nanoseconds[nanoseconds.len() * part / 10];
    println!(
        "{what}: {:.1} ns, median {:.1} ns, nine in ten up to {:.1} ns",
        at(0),
        at(5),
        at(9)
    );
}

/// Times one window after the other, after one that is not counted.
fn windows(mut window: impl FnMut()) -> Vec<f64> {
    window();
    let time = |_| {
        let start = Instant::now();
        window();
        start.elapsed().as_secs_f64() * 1e9 / WINDOW as f64
    };
    (0..WINDOWS).map(time).collect()
}

/// What one thread has for the other: a segment and a word each, and whether it was put there and not yet taken.
#[derive(Default)]
struct Bundle {
    is_full: AtomicBool,
    items: [(AtomicU32, AtomicU64); IN_BUNDLE],
}

fn wait_until(condition: impl Fn() -> bool) {
    let mut spins = 0_u32;
    while !condition() {
        spin_loop();
        spins += 1;
        if spins.is_multiple_of(10_000) {
            std::thread::yield_now();
        }
    }
}

/// One thread makes items and another one uses them up, each with something of its own.
fn hand_offs<A, B>(
    giver: impl FnOnce() -> A,
    give: impl Fn(&A) -> (u32, u64),
    taker: impl FnOnce() -> B + Send,
    take: impl Fn(&B, (u32, u64)) + Sync,
) -> Vec<f64> {
    let ring: Vec<Bundle> = (0..BUNDLES).map(|_| Bundle::default()).collect();
    let bundle = |at: usize| &ring[at % BUNDLES];
    let mut figures = Vec::new();
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| {
            let taker = taker();
            for at in 0..WINDOW / IN_BUNDLE * (WINDOWS + 1) {
                let bundle = bundle(at);
                wait_until(|| bundle.is_full.load(Ordering::Acquire));
                for (segment, word) in &bundle.items {
                    let item = (
                        segment.load(Ordering::Relaxed),
                        word.load(Ordering::Relaxed),
                    );
                    take(&taker, item);
                }
                bundle.is_full.store(false, Ordering::Release);
            }
        });
        let giver = giver();
        let mut at = 0;
        figures = windows(|| {
            for _ in 0..WINDOW / IN_BUNDLE {
                let bundle = bundle(at);
                wait_until(|| !bundle.is_full.load(Ordering::Acquire));
                for (segment, word) in &bundle.items {
                    let item = give(&giver);
                    segment.store(item.0, Ordering::Relaxed);
                    word.store(item.1, Ordering::Relaxed);
                }
                bundle.is_full.store(true, Ordering::Release);
                at += 1;
            }
        });
        // What is on its way is the giver's.
        taking.join().unwrap();
    });
    figures
}

/// What an operation on the shared file takes, for one thread and from one to another.
#[test]
#[ignore = "figures, worth something in a release build on a quiet machine"]
fn shared_pool_figures() {
    let served = served(8192);
    let client = served.join("one");
    print(
        "take and give back, one thread",
        windows(|| {
            for _ in 0..WINDOW {
                drop(black_box(client.acquire().unwrap()));
            }
        }),
    );
    let mut held = Vec::with_capacity(500);
    print(
        "take 500 and give them back, one thread",
        windows(|| {
            for _ in 0..WINDOW / 500 {
                held.extend((0..500).map(|_| client.acquire().unwrap()));
                held.clear();
            }
        }),
    );
    drop(client);
    let claim_of = |(segment, word): (u32, u64)| {
        let mut bytes = [0; Handed::BYTES];
        bytes[..4].copy_from_slice(&segment.to_le_bytes());
        bytes[4..].copy_from_slice(&word.to_le_bytes());
        Handed::from_bytes(bytes)
    };
    let item_of = |claim: Handed| {
        let [a, b, c, d, word @ ..] = claim.to_bytes();
        (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(word))
    };
    {
        let (giver, taker) = (served.join("giver"), served.join("taker"));
        print(
            "take, take over and give back, one thread with both clients",
            windows(|| {
                for _ in 0..WINDOW {
                    let claim = giver.acquire().unwrap().hand_over();
                    drop(taker.adopt(claim).unwrap());
                }
            }),
        );
    }
    print(
        "one thread takes, another takes over and gives back",
        hand_offs(
            || served.join("giver"),
            |giver: &Client| item_of(giver.acquire().unwrap().hand_over()),
            || served.join("taker"),
            |taker: &Client, item| drop(taker.adopt(claim_of(item)).unwrap()),
        ),
    );
    print(
        "... the exchange between the threads alone",
        hand_offs(|| (), |()| (1, 1), || (), |(), item| _ = black_box(item)),
    );
    hand_offs_between_processes(&served);
    served.expect("all back", |pool| pool.free == 8192);
    served.expect_no_damage();
}

/// One process takes and writes 8 bytes, another one takes over, reads them and gives back; the claims go through a pipe.
fn hand_offs_between_processes(served: &Served) {
    let client = served.join("writer");
    let count = (WINDOW * (WINDOWS + 1)).to_string();
    let mut reader = Process::start(&served.scratch.socket(), "take-over", &[&count]);
    assert_eq!(reader.says().as_deref(), Some("joined"));
    let mut number = 0_u64;
    let mut claims = Vec::new();
    print(
        "one process takes, another takes over and gives back",
        windows(|| {
            for _ in 0..WINDOW / IN_BUNDLE {
                claims.clear();
                for _ in 0..IN_BUNDLE {
                    let mut segment = client.acquire_within(Duration::from_secs(20)).unwrap();
                    segment.write(0, &number.to_le_bytes()).unwrap();
                    number += 1;
                    claims.extend(segment.hand_over().to_bytes());
                }
                reader.input().write_all(&claims).unwrap();
            }
        }),
    );
    assert_eq!(reader.says().as_deref(), Some("all read"));
}
