//! Models of what threads do to the pools at the same time, tried in every order in which one thread may see another's
//! steps: `make loom`.
//!
//! The bytes of a segment are nothing that loom watches. So whoever has a segment in hand touches a cell that stands for
//! it, and loom fails when two have it at once, or when one does not see what the other did before.
//!
//! Each model was seen to fail once with an order broken by hand: its documentation names which one.

#![cfg(loom)]
#![allow(clippy::unwrap_used)]

use std::{
    pin::Pin,
    sync::{
        Arc,
        // What counts for the test itself is not modelled.
        atomic::AtomicUsize as Counter,
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use headroom::pool::{
    availability::{AvailableFuture, WaitLimit},
    buffer::{Buffer, BufferBuilder, BufferRecycler, DataType, NetworkSegment},
    local_pool::{LocalBufferPool, LocalPoolSpec},
    network_pool::NetworkBufferPool,
    redistribution::UNBOUNDED,
};
use loom::{
    cell::UnsafeCell,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

/// Tries every order with at most so many preemptions: `LOOM_MAX_PREEMPTIONS` where it is set, else four. Nearly all
/// races show with two.
fn model(of: impl Fn() + Sync + Send + 'static) {
    let orders = Arc::new(Counter::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(4);
    builder.max_branches = 10_000;
    let counted = Arc::clone(&orders);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        of();
    });
    let orders = orders.load(Ordering::Relaxed);
    println!("{orders} orders");
    assert!(orders > 1, "the threads of this model never meet");
}

fn network(segments: usize) -> NetworkBufferPool {
    NetworkBufferPool::new(segments, 8, Duration::from_secs(30)).unwrap()
}

fn create(network: &NetworkBufferPool, required: usize, max: usize) -> LocalBufferPool {
    let spec = LocalPoolSpec::new(required, max);
    network.create_buffer_pool(spec).unwrap()
}

/// Stands for memory that one may write, or several read. It has no content: loom looks at who is there when.
struct Memory(UnsafeCell<()>);

// SAFETY: there is nothing in it.
#[allow(unsafe_code)]
unsafe impl Sync for Memory {}

impl Memory {
    fn new() -> Self {
        Self(UnsafeCell::new(()))
    }

    fn write(&self) {
        self.0.with_mut(|_| ());
    }

    fn read(&self) {
        self.0.with(|_| ());
    }
}

/// Enough that three threads may have magazines, also after the pool became smaller.
const SEGMENTS: usize = 16;

/// Some memory for each segment, whose first byte says which one is its own.
struct Hands([Memory; SEGMENTS]);

impl Hands {
    /// Marks the segments of a pool that gets all. They lie there then, and may be in magazines.
    fn over(pool: &LocalBufferPool) -> Arc<Self> {
        let mut all: Vec<NetworkSegment> = (0..SEGMENTS)
            .map(|_| pool.request_segment().unwrap().unwrap())
            .collect();
        for (index, segment) in (0_u8..).zip(&mut all) {
            segment[0] = index;
        }
        Arc::new(Self([(); SEGMENTS].map(|()| Memory::new())))
    }

    /// Fails if this segment is in another hand too.
    fn touch(&self, segment: &[u8]) {
        self.0[usize::from(segment[0])].write();
    }

    /// Takes a segment, has it in hand and gives it back.
    fn use_one(&self, pool: &LocalBufferPool) {
        if let Some(segment) = pool.request_segment().unwrap() {
            self.touch(&segment);
        }
    }
}

/// All segments lie in the pool and in its network pool.
fn all_lie(pool: &LocalBufferPool, network: &NetworkBufferPool) {
    let requested = pool.number_of_requested_segments();
    assert_eq!(pool.number_of_available_segments(), requested);
    let free = network.number_of_available_segments();
    assert_eq!(free, SEGMENTS - requested);
}

/// What lies free in the network pool is in no other hand.
fn touch_free(network: &NetworkBufferPool, hands: &Hands) {
    let free: Vec<NetworkSegment> =
        std::iter::from_fn(|| network.request_pooled_segment()).collect();
    for segment in &free {
        hands.touch(segment);
    }
}

/// A thread takes from its magazine and puts into it while another one closes it and takes what lies there; and again,
/// after it was opened anew.
///
/// Fails without the fence on either side (`sync/fence.rs`), and with a relaxed order where `busy` is cleared or waited
/// for.
#[test]
fn a_magazine_that_is_closed_is_not_used() {
    model(|| {
        let network = network(SEGMENTS);
        let pool = create(&network, 1, UNBOUNDED);
        let hands = Hands::over(&pool);
        let other = thread::spawn({
            let (pool, hands) = (pool.clone(), Arc::clone(&hands));
            move || {
                // By the lock, which opens the magazine, and then by the magazine.
                hands.use_one(&pool);
                hands.use_one(&pool);
                hands.use_one(&pool);
            }
        });
        for size in [SEGMENTS - 2, SEGMENTS - 4] {
            pool.set_number_of_buffers(size).unwrap();
            touch_free(&network, &hands);
        }
        other.join().unwrap();
        assert_eq!(pool.number_of_requested_segments(), SEGMENTS - 4);
        all_lie(&pool, &network);
    });
}

/// A pool is destroyed while a thread takes from its magazine and puts into it: all segments come back to the network
/// pool.
///
/// Fails when the magazines of a pool that is destroyed stay open.
#[test]
fn a_destroyed_pool_gives_back_what_lies_in_magazines() {
    model(|| {
        let network = network(SEGMENTS);
        let pool = create(&network, 1, UNBOUNDED);
        let hands = Hands::over(&pool);
        let other = thread::spawn({
            let (pool, hands) = (pool.clone(), Arc::clone(&hands));
            move || {
                for _ in 0..3 {
                    if let Ok(Some(segment)) = pool.request_segment() {
                        hands.touch(&segment);
                    }
                }
            }
        });
        pool.lazy_destroy();
        touch_free(&network, &hands);
        other.join().unwrap();
        assert_eq!(network.number_of_available_segments(), SEGMENTS);
    });
}

/// A thread that ends forgets its magazine while another one opens its own, and takes back what nobody remembers.
///
/// Fails when what lies in a magazine is taken back though its thread remembers it.
#[test]
fn a_magazine_of_an_ended_thread_is_taken_back_once() {
    model(|| {
        let network = network(SEGMENTS);
        let pool = create(&network, 1, UNBOUNDED);
        let hands = Hands::over(&pool);
        let users = [(); 2].map(|()| {
            let (pool, hands) = (pool.clone(), Arc::clone(&hands));
            thread::spawn(move || hands.use_one(&pool))
        });
        for user in users {
            user.join().unwrap();
        }
        all_lie(&pool, &network);
        let all: Vec<NetworkSegment> = (0..SEGMENTS)
            .map(|_| pool.request_segment().unwrap().unwrap())
            .collect();
        for segment in &all {
            hands.touch(segment);
        }
    });
}

/// What is handed from one magazine to another while somebody reads the figures is never more than there is.
///
/// Fails when the figures are not limited to what the pool holds.
#[test]
fn figures_are_possible_while_a_segment_is_handed_over() {
    model(|| {
        let network = network(SEGMENTS);
        let pool = create(&network, 1, UNBOUNDED);
        let _hands = Hands::over(&pool);
        // The magazine of this thread is full, and that of the other one has room.
        let (to_other, from_this) = mpsc::channel::<NetworkSegment>();
        let (to_this, from_other) = mpsc::channel::<NetworkSegment>();
        let other = thread::spawn({
            let pool = pool.clone();
            move || {
                to_this
                    .send(pool.request_segment().unwrap().unwrap())
                    .unwrap();
                drop(from_this.recv().unwrap());
            }
        });
        drop(from_other.recv().unwrap());
        let reader = thread::spawn({
            let pool = pool.clone();
            move || assert!(pool.number_of_used_buffers() <= SEGMENTS)
        });
        let segment = pool.request_segment().unwrap().unwrap();
        to_other.send(segment).unwrap();
        other.join().unwrap();
        reader.join().unwrap();
        all_lie(&pool, &network);
    });
}

/// Two threads take a channel to its limit without the lock, and the pool is not available then.
///
/// Fails when the channels at their limit are not counted anew after plenty.
#[test]
fn a_limit_that_two_threads_reach_is_noticed() {
    model(|| {
        let network = network(SEGMENTS);
        let spec = LocalPoolSpec::new(1, UNBOUNDED).with_channels(1, 2);
        let pool = network.create_buffer_pool(spec).unwrap();
        let _hands = Hands::over(&pool);
        let request = |pool: &LocalBufferPool| pool.request_buffer_builder_for(0).unwrap().unwrap();
        let other = thread::spawn({
            let pool = pool.clone();
            move || request(&pool)
        });
        let mine = request(&pool);
        let others = other.join().unwrap();
        assert!(!pool.is_available());
        let future = pool.available();
        let dropping = thread::spawn(move || drop(others));
        drop(mine);
        dropping.join().unwrap();
        assert!(pool.is_available() && future.is_done());
        assert_eq!(pool.number_of_buffers_of_channel(0).unwrap(), 0);
        all_lie(&pool, &network);
    });
}

/// What a builder wrote is seen by a reader that sees it published.
///
/// Fails with a relaxed order on either side of `buffer/position.rs`.
#[test]
fn what_is_published_is_seen() {
    model(|| {
        let mut builder = BufferBuilder::new(NetworkSegment::on_heap(8), DataType::Data);
        let mut consumer = builder.create_consumer().unwrap();
        // Stands for the byte of the same number.
        let bytes = Arc::new([(); 2].map(|()| AtomicU32::new(0)));
        let reader = thread::spawn({
            let bytes = Arc::clone(&bytes);
            move || {
                let mut read = 0;
                for _ in 0..2 {
                    let buffer = consumer.build();
                    for _ in buffer.readable() {
                        assert_eq!(bytes[read].load(Ordering::Relaxed), 1);
                        read += 1;
                    }
                    assert!(!consumer.is_finished() || read == 2);
                }
            }
        });
        for byte in bytes.iter() {
            byte.store(1, Ordering::Relaxed);
            builder.append_and_commit(&[1]).unwrap();
        }
        builder.finish();
        drop(builder);
        reader.join().unwrap();
    });
}

/// Takes the segment of the model below, once.
struct Once {
    calls: Counter,
    segment: Memory,
}

impl BufferRecycler for Once {
    fn recycle(self: Arc<Self>, segment: NetworkSegment) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.segment.write();
        drop(segment);
    }
}

/// The last of several handles recycles the segment, once, and after all the others are done with it.
///
/// Fails with a relaxed order in `SegmentReference::release`, and when it counts down without looking at what was there.
#[test]
fn the_last_handle_recycles_once() {
    model(|| {
        let recycler = Arc::new(Once {
            calls: Counter::new(0),
            segment: Memory::new(),
        });
        let segment = NetworkSegment::on_heap(8).with_recycler(recycler.clone());
        let buffer = Buffer::from(segment);
        let readers = [(); 2].map(|()| {
            let (buffer, recycler) = (buffer.retain(), Arc::clone(&recycler));
            thread::spawn(move || {
                recycler.segment.read();
                drop(buffer.read_only_slice(0, 4).unwrap());
                drop(buffer);
            })
        });
        recycler.segment.read();
        drop(buffer);
        for reader in readers {
            reader.join().unwrap();
        }
        assert_eq!(recycler.calls.load(Ordering::Relaxed), 1);
    });
}

/// Wakes a thread that parks.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls the future until it is complete.
fn poll_until_complete(mut future: AvailableFuture) {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    while Pin::new(&mut future)
        .poll(&mut Context::from_waker(&waker))
        .is_pending()
    {
        thread::park();
    }
}

/// Who waits for a buffer of an empty pool is woken by the one that is recycled, whenever it starts to wait: a thread as
/// well as a future.
///
/// Fails, as a deadlock, when an event happens after those who wait for it were looked up, and when a future that comes
/// to wait does not look whether it has happened.
#[test]
fn no_wake_is_lost() {
    model(|| {
        let network = network(1);
        let pool = create(&network, 1, 1);
        let held = pool.request_segment().unwrap().unwrap();
        let blocking = thread::spawn({
            let pool = pool.clone();
            move || drop(pool.request_segment_blocking(WaitLimit::none()).unwrap())
        });
        let polling = thread::spawn({
            let pool = pool.clone();
            move || {
                while pool.request_segment().unwrap().is_none() {
                    poll_until_complete(pool.available());
                }
            }
        });
        drop(held);
        blocking.join().unwrap();
        polling.join().unwrap();
        assert!(pool.is_available());
    });
}

/// Destroying a pool ends the wait for its buffers.
///
/// Fails, as a deadlock, when a pool that is destroyed does not become available.
#[test]
fn destroying_wakes_who_waits() {
    model(|| {
        let network = network(1);
        let pool = create(&network, 1, 1);
        let held = pool.request_segment().unwrap().unwrap();
        let waiter = thread::spawn({
            let pool = pool.clone();
            move || {
                pool.request_segment_blocking(WaitLimit::none())
                    .unwrap_err()
            }
        });
        pool.lazy_destroy();
        waiter.join().unwrap();
        drop(held);
        assert_eq!(network.number_of_available_segments(), 1);
    });
}

/// A new pool gets what it is guaranteed while another one takes and recycles: what that one has too much comes back.
///
/// Fails without the fence on either side of the sizes and summaries (`LocalCore::settle`, `NetworkCore::redistribute`).
#[test]
fn a_new_pool_gets_what_it_is_guaranteed() {
    model(|| {
        let network = network(3);
        let first = create(&network, 1, UNBOUNDED);
        let held = first.request_segment().unwrap();
        let user = thread::spawn({
            let first = first.clone();
            move || {
                // It fetches one ahead, for which there is still room or is not any more.
                let more = first.request_segment().unwrap();
                drop(held);
                drop(more);
            }
        });
        let second = create(&network, 2, 2);
        let one = second.request_segment_blocking(WaitLimit::none()).unwrap();
        let other = second.request_segment_blocking(WaitLimit::none()).unwrap();
        user.join().unwrap();
        assert_eq!(first.number_of_requested_segments(), 1);
        drop((one, other));
        assert_eq!(second.number_of_requested_segments(), 2);
    });
}

/// A size that a pool is given while others are distributed holds until the next distribution, and no longer.
///
/// Fails when the network pool is told of it before the pool has it.
#[test]
fn a_given_size_lasts_until_the_next_distribution() {
    model(|| {
        let network = network(4);
        let pool = create(&network, 1, 2);
        let other = thread::spawn({
            let pool = pool.clone();
            move || pool.set_number_of_buffers(1).unwrap()
        });
        let _second = create(&network, 1, 1);
        other.join().unwrap();
        let _third = create(&network, 1, 1);
        assert_eq!(pool.number_of_buffers(), 2);
    });
}
