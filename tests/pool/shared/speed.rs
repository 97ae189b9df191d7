//! What a shared pool's operations take, for a look by hand: `cargo test --release --no-default-features --test pool
//! shared_pool_figures -- --ignored --nocapture`.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use headroom::pool::shared::{Client, Handed};

use super::served::served;

/// The operations that one figure is of; the machine has other things to do, so there are many short windows.
const WINDOW: usize = 20_000;
const WINDOWS: usize = 300;

/// What goes from one thread to the other lies in a ring of so many places.
const RING: usize = 1024;

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

/// Each place holds a number, or 0 where there is none.
struct Ring(Vec<AtomicU64>);

impl Ring {
    fn new() -> Self {
        Self((0..RING).map(|_| AtomicU64::new(0)).collect())
    }

    fn put(&self, at: usize, number: u64) {
        let place = &self.0[at % RING];
        wait_until(|| place.load(Ordering::Acquire) == 0);
        place.store(number, Ordering::Release);
    }

    fn take(&self, at: usize) -> u64 {
        let place = &self.0[at % RING];
        wait_until(|| place.load(Ordering::Acquire) != 0);
        let number = place.load(Ordering::Relaxed);
        place.store(0, Ordering::Release);
        number
    }
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

/// One thread makes numbers and another one uses them up, each with something of its own.
fn hand_offs<A, B>(
    giver: impl FnOnce() -> A,
    give: impl Fn(&A) -> [u64; 2],
    taker: impl FnOnce() -> B + Send,
    take: impl Fn(&B, [u64; 2]) + Sync,
) -> Vec<f64> {
    let (first, second) = (Ring::new(), Ring::new());
    let mut figures = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let taker = taker();
            for at in 0..WINDOW * (WINDOWS + 1) {
                let numbers = [first.take(at), second.take(at)];
                take(&taker, numbers);
            }
        });
        let giver = giver();
        let mut at = 0;
        figures = windows(|| {
            for _ in 0..WINDOW {
                let [one, other] = give(&giver);
                first.put(at, one);
                second.put(at, other);
                at += 1;
            }
        });
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
    let bytes = |claim: [u64; 2]| {
        let mut bytes = [0; Handed::BYTES];
        bytes[..4].copy_from_slice(&u32::to_le_bytes(claim[0] as u32 - 1));
        bytes[4..].copy_from_slice(&claim[1].to_le_bytes());
        Handed::from_bytes(bytes)
    };
    let numbers = |claim: Handed| {
        let [a, b, c, d, word @ ..] = claim.to_bytes();
        let segment = u32::from_le_bytes([a, b, c, d]);
        [u64::from(segment) + 1, u64::from_le_bytes(word)]
    };
    print(
        "one thread takes, another takes over and gives back",
        hand_offs(
            || served.join("giver"),
            |giver: &Client| numbers(giver.acquire().unwrap().hand_over()),
            || served.join("taker"),
            |taker: &Client, claim| drop(taker.adopt(bytes(claim)).unwrap()),
        ),
    );
    print(
        "... the exchange between the threads alone",
        hand_offs(
            || (),
            |()| [1, 1],
            || (),
            |(), numbers| _ = black_box(numbers),
        ),
    );
    served.expect("all back", |pool| pool.free == 8192);
    served.expect_no_damage();
}
