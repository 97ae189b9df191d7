//! Pools in which so much lies that threads take and recycle by magazines, without the lock: nothing of what can be
//! observed is any different.
//!
//! `make sanitize` runs these tests under ThreadSanitizer. It does not see into the standard library, so threads meet
//! here by locks of `parking_lot` and by being joined.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use headroom::pool::{
    availability::WaitLimit,
    buffer::{Buffer, NetworkSegment},
    local_pool::{LocalBufferPool, LocalPoolError, LocalPoolSpec},
    network_pool::NetworkBufferPool,
    redistribution::UNBOUNDED,
};
use parking_lot::{Condvar, Mutex};

use crate::{
    pools::{self, Counting},
    random::Random,
};

const SEGMENTS: usize = 1024;

fn network() -> NetworkBufferPool {
    pools::network(SEGMENTS)
}

/// A pool in which all segments lie, with the magazine of this thread open.
fn plenty(network: &NetworkBufferPool, spec: LocalPoolSpec) -> LocalBufferPool {
    let pool = network.create_buffer_pool(spec).unwrap();
    drop(take(&pool, SEGMENTS));
    open_magazine(&pool);
    assert_eq!(pool.number_of_available_segments(), SEGMENTS);
    pool
}

/// Whether the kernel has the fence that magazines need. Where it has none these tests show that a pool does without.
fn has_fence() -> bool {
    #[cfg(target_os = "linux")]
    return rustix::thread::membarrier(rustix::thread::MembarrierCommand::RegisterPrivateExpedited)
        .is_ok();
    #[cfg(not(target_os = "linux"))]
    false
}

/// Uses the pool until this thread has a magazine.
fn open_magazine(pool: &LocalBufferPool) {
    for _ in 0..1000 {
        drop(pool.request_segment().unwrap().unwrap());
    }
    let opened = pool.number_of_segments_in_magazines() > 0;
    assert_eq!(opened, has_fence());
}

fn take(pool: &LocalBufferPool, number: usize) -> Vec<NetworkSegment> {
    (0..number)
        .map(|_| pool.request_segment().unwrap().unwrap())
        .collect()
}

fn all_are_back(network: &NetworkBufferPool, pool: LocalBufferPool) {
    assert_eq!(pool.number_of_used_buffers(), 0);
    pool.lazy_destroy();
    assert_eq!(network.number_of_available_segments(), SEGMENTS);
}

/// Magazines that were opened when little lay in the pool hold more once much does, so that a thread comes to the lock
/// seldom.
#[test]
fn magazines_grow_with_what_lies_in_the_pool() {
    let network = network();
    let pool = network
        .create_buffer_pool(LocalPoolSpec::new(1, SEGMENTS))
        .unwrap();
    let mut held = take(&pool, SEGMENTS);
    // Sixteen lie there, which is enough to open a magazine of few.
    held.truncate(SEGMENTS - 16);
    open_magazine(&pool);
    let in_magazines = pool.number_of_segments_in_magazines();
    assert!(in_magazines <= 8, "{in_magazines}");
    drop(held);
    drop(take(&pool, SEGMENTS / 2));
    let in_magazines = pool.number_of_segments_in_magazines();
    assert!(in_magazines >= 32 || !has_fence(), "{in_magazines}");
    all_are_back(&network, pool);
}

/// What one thread hands to another.
struct Belt<T> {
    items: Mutex<VecDeque<T>>,
    put: Condvar,
}

impl<T> Belt<T> {
    fn new() -> Self {
        Self {
            items: Mutex::new(VecDeque::new()),
            put: Condvar::new(),
        }
    }

    fn put(&self, item: T) {
        self.items.lock().push_back(item);
        self.put.notify_one();
    }

    fn take(&self) -> T {
        let mut items = self.items.lock();
        loop {
            if let Some(item) = items.pop_front() {
                return item;
            }
            let waited = self.put.wait_for(&mut items, Duration::from_secs(30));
            assert!(!waited.timed_out(), "what was waited for did not come");
        }
    }
}

/// Has another thread open its magazine at the pool, and keeps the thread meanwhile.
fn with_another_thread(pool: &LocalBufferPool, then: impl FnOnce()) {
    let (opened, end) = (Belt::new(), Belt::new());
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let before = pool.number_of_segments_in_magazines();
            open_magazine(pool);
            opened.put(pool.number_of_segments_in_magazines() > before);
            end.take();
        });
        assert_eq!(opened.take(), has_fence());
        then();
        end.put(());
        other.join().unwrap();
    });
}

fn in_another_thread<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// What lies in the magazines of other threads counts as lying, and is given out before the pool says that it has none.
#[test]
fn magazines_are_drained_before_none_is_answered() {
    let network = network();
    let pool = plenty(&network, LocalPoolSpec::new(1, UNBOUNDED));
    with_another_thread(&pool, || {
        assert_eq!(pool.number_of_available_segments(), SEGMENTS);
        let all = take(&pool, SEGMENTS);
        assert!(pool.request_segment().unwrap().is_none());
        assert!(!pool.is_available());
        assert_eq!(pool.number_of_segments_in_magazines(), 0);
        drop(all);
    });
    all_are_back(&network, pool);
}

/// What is taken without the lock is among the most that was out, whoever took it.
#[test]
fn the_most_that_was_out_is_never_too_low() {
    let network = network();
    let pool = plenty(&network, LocalPoolSpec::new(1, UNBOUNDED));
    let _before = pool.take_peak_number_of_used_buffers();
    for number in [1, 30, 200, 3] {
        drop(take(&pool, number));
        let peak = pool.take_peak_number_of_used_buffers();
        assert!(peak >= number, "{peak}");
        assert!(peak <= number + SEGMENTS / 2, "{peak}");
    }
    all_are_back(&network, pool);
}

/// What lies in the magazine of a thread that has ended is not lost.
#[test]
fn the_magazine_of_a_thread_that_ended_is_drained() {
    let network = network();
    let pool = plenty(&network, LocalPoolSpec::new(1, UNBOUNDED));
    for _ in 0..3 {
        in_another_thread(|| open_magazine(&pool));
    }
    assert_eq!(pool.number_of_available_segments(), SEGMENTS);
    drop(take(&pool, SEGMENTS));
    all_are_back(&network, pool);
}

/// Threads that come and go leave no magazines behind: the next one that comes takes back what lies there.
#[test]
fn magazines_of_ended_threads_do_not_add_up() {
    let network = network();
    let pool = plenty(&network, LocalPoolSpec::new(1, UNBOUNDED));
    in_another_thread(|| open_magazine(&pool));
    let in_two_magazines = pool.number_of_segments_in_magazines();
    for _ in 0..20 {
        let in_magazines = in_another_thread(|| {
            open_magazine(&pool);
            pool.number_of_segments_in_magazines()
        });
        assert!(in_magazines <= in_two_magazines, "{in_magazines}");
    }
    all_are_back(&network, pool);
}

/// A thread that uses more pools than it remembers magazines of gives each its own segments back.
#[test]
fn one_thread_uses_many_pools_in_turns() {
    const EACH: usize = 48;
    let network = network();
    let pools: Vec<_> = (0..20)
        .map(|_| {
            let spec = LocalPoolSpec::new(1, EACH);
            let pool = network.create_buffer_pool(spec).unwrap();
            drop(take(&pool, EACH));
            open_magazine(&pool);
            pool
        })
        .collect();
    let mut random = Random::new(11);
    for round in 0..50 {
        // In turns, two of them, or any.
        let mut taken: Vec<_> = (0..60)
            .map(|turn| match round % 3 {
                0 => &pools[turn % pools.len()],
                1 => &pools[(round + turn % 2) % pools.len()],
                _ => &pools[random.below(pools.len())],
            })
            .flat_map(|pool| pool.request_segment().unwrap())
            .collect();
        while !taken.is_empty() {
            drop(taken.swap_remove(random.below(taken.len())));
        }
        for pool in &pools {
            assert_eq!(pool.number_of_available_segments(), EACH);
        }
    }
    for (number, pool) in pools.into_iter().enumerate() {
        drop(pool);
        assert!(network.number_of_available_segments() >= (number + 1) * EACH);
    }
    assert_eq!(network.number_of_available_segments(), SEGMENTS);
}

/// A pool that shrinks gives back what lies in magazines too, at once.
#[test]
fn shrinking_drains_magazines() {
    let network = network();
    let pool = plenty(&network, LocalPoolSpec::new(1, UNBOUNDED));
    with_another_thread(&pool, || {
        let held = take(&pool, 3);
        pool.set_number_of_buffers(5).unwrap();
        assert_eq!(pool.number_of_requested_segments(), 5);
        assert_eq!(pool.number_of_available_segments(), 2);
        assert_eq!(network.number_of_available_segments(), SEGMENTS - 5);
        drop(held);
        assert_eq!(pool.number_of_available_segments(), 5);
    });
    all_are_back(&network, pool);
}

/// So it does when another pool is created, which is guaranteed what lies there.
#[test]
fn a_new_pool_gets_what_lies_in_magazines() {
    let network = network();
    let pool = plenty(&network, LocalPoolSpec::new(1, UNBOUNDED));
    with_another_thread(&pool, || {
        let spec = LocalPoolSpec::new(SEGMENTS - 1, SEGMENTS - 1);
        let other = network.create_buffer_pool(spec).unwrap();
        assert_eq!(take(&other, SEGMENTS - 1).len(), SEGMENTS - 1);
        assert_eq!(pool.number_of_requested_segments(), 1);
    });
    all_are_back(&network, pool);
}

/// A pool that is destroyed gives back what lies in magazines, and refuses from then on.
#[test]
fn destroying_drains_magazines() {
    let network = network();
    let pool = plenty(&network, LocalPoolSpec::new(1, UNBOUNDED));
    with_another_thread(&pool, || {
        let held = pool.request_segment().unwrap().unwrap();
        pool.lazy_destroy();
        assert_eq!(network.number_of_available_segments(), SEGMENTS - 1);
        let error = pool.request_segment().unwrap_err();
        assert!(matches!(error, LocalPoolError::Destroyed { .. }), "{error}");
        drop(held);
        assert_eq!(network.number_of_available_segments(), SEGMENTS);
    });
}

/// A channel that reaches its limit makes the pool unavailable by that very request, and available by that very recycle.
#[test]
fn a_limit_is_noticed_without_the_lock() {
    let network = network();
    let spec = LocalPoolSpec::new(1, UNBOUNDED).with_channels(2, 3);
    let pool = plenty(&network, spec);
    for _ in 0..3 {
        open_magazine(&pool);
        let request = || pool.request_buffer_builder_for(1).unwrap().unwrap();
        let (first, second) = (request(), request());
        assert!(pool.is_available());
        let third = request();
        assert!(!pool.is_available());
        let future = pool.available();
        assert!(!future.is_done());
        let fourth = request();
        drop(third);
        assert!(!pool.is_available());
        drop(fourth);
        assert!(pool.is_available() && future.is_done());
        drop((first, second));
        assert_eq!(pool.number_of_buffers_of_channel(1).unwrap(), 0);
    }
    all_are_back(&network, pool);
}

/// No listener is accepted while there are plenty; one that is accepted after all were taken is told of the first that
/// is recycled, though they were taken without the lock.
#[test]
fn listeners_are_refused_while_there_are_plenty() {
    let network = network();
    let pool = plenty(&network, LocalPoolSpec::new(1, UNBOUNDED));
    let listener = Arc::new(Counting::default());
    assert!(!pool.add_listener(listener.clone()));
    let mut all = take(&pool, SEGMENTS);
    assert!(pool.add_listener(listener.clone()));
    all.pop();
    assert_eq!(listener.buffers.load(Ordering::SeqCst), 1);
    drop(all);
    all_are_back(&network, pool);
}

/// One thread takes and another one recycles, in bursts that let the pool run dry: each segment is in one hand only.
#[test]
fn each_segment_is_in_one_hand() {
    let network = network();
    let pool = plenty(
        &network,
        LocalPoolSpec::new(1, UNBOUNDED).with_channels(1, 50_000),
    );
    let belt: Belt<Vec<NetworkSegment>> = Belt::new();
    thread::scope(|scope| {
        let taker = scope.spawn(|| {
            let mut random = Random::new(1);
            for round in 0..200_u8 {
                let number = random.below(400) + 1;
                let mut segments = Vec::new();
                for _ in 0..number {
                    let limit = WaitLimit::timeout(Duration::from_secs(30));
                    let mut segment = pool.request_segment_blocking(limit).unwrap();
                    segment.fill(round);
                    segments.push(segment);
                }
                belt.put(segments);
            }
        });
        for round in 0..200_u8 {
            for segment in belt.take() {
                assert!(segment.iter().all(|byte| *byte == round));
            }
        }
        taker.join().unwrap();
    });
    all_are_back(&network, pool);
}

/// Threads take, hold, hand over and recycle while the pool is resized and others come and go; at the end everything is
/// where it was.
#[test]
fn nothing_is_lost_in_a_crowd() {
    let network = network();
    let pool = plenty(
        &network,
        LocalPoolSpec::new(8, UNBOUNDED)
            .with_channels(3, 200)
            .with_overdraft(5),
    );
    let ended = AtomicBool::new(false);
    let handed: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|seed| {
                let (pool, handed) = (&pool, &handed);
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    let mut held = Vec::new();
                    let mut builders = Vec::new();
                    for _ in 0..20_000 {
                        match random.below(8) {
                            0..3 => held.extend(pool.request_buffer().unwrap()),
                            3 => builders
                                .extend(pool.request_buffer_builder_for(random.below(3)).unwrap()),
                            4 => held.truncate(random.below(held.len() + 1)),
                            5 => builders.truncate(random.below(builders.len() + 1)),
                            6 => handed.lock().extend(held.pop()),
                            _ => drop(handed.lock().pop()),
                        }
                    }
                })
            })
            .collect();
        let resizer =
            scope.spawn(|| {
                let mut random = Random::new(99);
                while !ended.load(Ordering::SeqCst) {
                    match random.below(3) {
                        0 => pool
                            .set_number_of_buffers(8 + random.below(SEGMENTS))
                            .unwrap(),
                        1 => drop(network.create_buffer_pool(LocalPoolSpec::new(
                            1 + random.below(100),
                            UNBOUNDED,
                        ))),
                        _ => drop(network.request_unpooled_segments(0)),
                    }
                    thread::sleep(Duration::from_micros(200));
                }
            });
        for thread in threads {
            thread.join().unwrap();
        }
        ended.store(true, Ordering::SeqCst);
        resizer.join().unwrap();
    });
    drop(handed);
    for channel in 0..3 {
        assert_eq!(pool.number_of_buffers_of_channel(channel).unwrap(), 0);
    }
    assert!(pool.is_available());
    let requested = pool.number_of_requested_segments();
    assert_eq!(pool.number_of_available_segments(), requested);
    assert_eq!(network.number_of_available_segments(), SEGMENTS - requested);
    all_are_back(&network, pool);
}
