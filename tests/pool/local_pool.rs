//! Lines I: the local pool, over 1024 segments of 128 bytes unless a line says otherwise.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use headroom::pool::{
    availability::{CancellationToken, WaitLimit},
    buffer::{Buffer, BufferBuilder},
    local_pool::{BufferListener, LocalBufferPool, LocalPoolError, LocalPoolSpec},
    network_pool::{NetworkBufferPool, NetworkPoolError},
    redistribution::UNBOUNDED,
};

use crate::wait_until;

fn network(number_of_segments: usize) -> NetworkBufferPool {
    NetworkBufferPool::new(number_of_segments, 128, Duration::from_secs(30)).unwrap()
}

fn create(network: &NetworkBufferPool, required: usize, max: usize) -> LocalBufferPool {
    network
        .create_buffer_pool(LocalPoolSpec::new(required, max))
        .unwrap()
}

/// Runs a case with the pool that most lines start with, and checks that every segment is back after it.
fn with_pool(case: impl FnOnce(&NetworkBufferPool, &LocalBufferPool)) {
    let network = network(1024);
    let pool = create(&network, 1, UNBOUNDED);
    case(&network, &pool);
    pool.lazy_destroy();
    assert_eq!(network.number_of_available_segments(), 1024);
}

fn take(pool: &LocalBufferPool, number: usize) -> Vec<Buffer> {
    (0..number)
        .map(|_| pool.request_buffer().unwrap().unwrap())
        .collect()
}

fn is_destroyed_error<T>(result: Result<T, LocalPoolError>) -> bool {
    matches!(result, Err(LocalPoolError::Destroyed { .. }))
}

/// Counts what it is told, and has a buffer recycled at once.
#[derive(Default)]
struct Counting {
    buffers: AtomicUsize,
    destroyed: AtomicUsize,
}

impl BufferListener for Counting {
    fn buffer_available(&self, buffer: Buffer) -> Result<(), Buffer> {
        self.buffers.fetch_add(1, Ordering::SeqCst);
        drop(buffer);
        Ok(())
    }

    fn pool_destroyed(&self) {
        self.destroyed.fetch_add(1, Ordering::SeqCst);
    }
}

/// One segment is fetched ahead when a pool is created.
#[test]
fn i1_one_segment_lies_ready() {
    with_pool(|network, pool| {
        assert_eq!(pool.number_of_available_segments(), 1);
        assert_eq!(network.number_of_available_segments(), 1023);
        assert!(pool.is_available());
    });
}

/// Segments can be reserved up to the required number, within the network pool's timeout, and not after the end. The
/// timeout of the line is 2 s; a shorter one is as good.
#[test]
fn i2_reserve_segments() {
    let network = NetworkBufferPool::new(2, 128, Duration::from_millis(50)).unwrap();
    let first = create(&network, 1, 2);
    let error = first.reserve_segments(2).unwrap_err();
    assert!(
        matches!(
            error,
            LocalPoolError::AboveRequired {
                reserved: 2,
                required: 1,
                ..
            }
        ),
        "{error}"
    );
    let buffers = take(&first, 2);

    let second = create(&network, 1, 10);
    let error = second.reserve_segments(1).unwrap_err();
    assert!(
        matches!(&error, LocalPoolError::Reserve { source, .. } if matches!(**source, NetworkPoolError::Timeout { .. })),
        "{error}"
    );
    assert!(!second.is_available());
    drop(buffers);
    first.lazy_destroy();
    second.lazy_destroy();

    let third = create(&network, 2, 10);
    assert_eq!(third.number_of_available_segments(), 1);
    third.reserve_segments(2).unwrap();
    assert_eq!(third.number_of_available_segments(), 2);
    third.lazy_destroy();
    assert!(is_destroyed_error(third.reserve_segments(1)));
    assert_eq!(network.number_of_available_segments(), 2);
}

/// A thread that waits for reserved segments ends when it is interrupted, and when its pool is destroyed.
#[test]
fn i3_reserve_segments_and_cancel() {
    for interrupt in [true, false] {
        let network = network(4);
        let first = create(&network, 1, 4);
        let buffers = take(&first, 4);
        let second = create(&network, 2, 4);
        let token = CancellationToken::new();
        thread::scope(|scope| {
            let waiting =
                scope.spawn(|| second.reserve_segments_within(2, WaitLimit::cancelled_by(&token)));
            if interrupt {
                token.cancel();
                let error = waiting.join().unwrap().unwrap_err();
                assert!(
                    matches!(&error, LocalPoolError::Reserve { source, .. } if matches!(**source, NetworkPoolError::Interrupted { .. })),
                    "{error}"
                );
                first.lazy_destroy();
                second.lazy_destroy();
            } else {
                first.lazy_destroy();
                second.lazy_destroy();
                assert!(is_destroyed_error(waiting.join().unwrap()));
            }
        });
        drop(buffers);
        assert_eq!(network.usage().used_segments(), 0);
    }
}

/// A pool takes from the network pool what is requested, and one ahead, up to its size; then it has none.
#[test]
fn i4_request_more_than_available() {
    with_pool(|network, pool| {
        let mut buffers = Vec::new();
        for requested in 1..=1024 {
            buffers.extend(pool.request_buffer().unwrap());
            assert_eq!(buffers.len(), requested);
            assert_eq!(network.usage().used_segments(), (requested + 1).min(1024));
        }
        assert!(pool.request_buffer().unwrap().is_none());
        assert_eq!(network.usage().used_segments(), 1024);
    });
}

/// A pool that grows after its end fetches nothing.
#[test]
fn i5_set_number_after_destroy() {
    with_pool(|_, pool| {
        pool.set_number_of_buffers(2).unwrap();
        assert_eq!(pool.number_of_available_segments(), 1);
        pool.lazy_destroy();
        pool.set_number_of_buffers(3).unwrap();
        assert_eq!(pool.number_of_buffers(), 3);
        assert_eq!(pool.number_of_available_segments(), 0);
    });
}

/// What is out when a pool ends goes to the network pool as it is recycled.
#[test]
fn i6_recycle_after_destroy() {
    with_pool(|network, pool| {
        let buffers = take(pool, 1024);
        pool.lazy_destroy();
        assert_eq!(network.usage().used_segments(), 1024);
        drop(buffers);
        assert_eq!(network.usage().used_segments(), 0);
    });
}

/// When a pool shrinks, what lies beyond its size goes back at once, and what is out beyond it is overdraft.
#[test]
fn i7_decrease_pool_size() {
    for (large, small, max_overdraft, taken, overdraft, ordinary, lying) in [
        (7, 5, 2, 5, 0, 5, 0),
        (6, 4, 2, 2, 0, 3, 1),
        (7, 5, 2, 7, 2, 5, 0),
        (9, 5, 3, 9, 4, 5, 0),
        (7, 5, 4, 7, 2, 5, 0),
        (7, 5, 6, 9, 4, 5, 0),
    ] {
        let network = network(1024);
        let spec = LocalPoolSpec::new(4, 10).with_overdraft(max_overdraft);
        let pool = network.create_buffer_pool(spec).unwrap();
        pool.set_number_of_buffers(large).unwrap();
        let buffers = take(&pool, taken);
        pool.set_number_of_buffers(small).unwrap();
        assert_eq!(
            pool.number_of_overdraft_buffers(),
            overdraft,
            "{large} {small} {taken}"
        );
        assert_eq!(pool.number_of_requested_segments() - overdraft, ordinary);
        assert_eq!(pool.number_of_available_segments(), lying);
        assert_eq!(pool.is_available(), lying > 0);
        drop(buffers);
        drop(pool);
        assert_eq!(network.number_of_available_segments(), 1024);
    }
}

/// When a pool grows, its overdraft becomes ordinary, and what is left of the growth is fetched ahead.
#[test]
fn i8_increase_pool_size() {
    let network = network(1024);
    let spec = || LocalPoolSpec::new(5, 100).with_overdraft(2);
    let pool = network.create_buffer_pool(spec()).unwrap();
    pool.set_number_of_buffers(5).unwrap();
    let _buffers = take(&pool, 7);
    assert!(pool.request_buffer().unwrap().is_none());
    for (size, overdraft, lying) in [(6, 1, 0), (7, 0, 0), (8, 0, 1)] {
        pool.set_number_of_buffers(size).unwrap();
        assert_eq!(pool.number_of_overdraft_buffers(), overdraft);
        assert_eq!(pool.number_of_available_segments(), lying);
        assert_eq!(pool.is_available(), lying > 0);
    }

    let pool = network
        .create_buffer_pool(LocalPoolSpec::new(5, 10).with_overdraft(2))
        .unwrap();
    pool.set_number_of_buffers(8).unwrap();
    let _more_buffers = take(&pool, 10);
    assert_eq!(pool.number_of_overdraft_buffers(), 2);
    pool.set_number_of_buffers(10).unwrap();
    assert_eq!(pool.number_of_overdraft_buffers(), 0);
    assert_eq!(pool.number_of_available_segments(), 0);
    assert!(!pool.is_available());
}

/// A pool that waits for all it is guaranteed gets it when another one recycles, whether that one has an overdraft or
/// not.
#[test]
fn i9_request_while_another_recycles() {
    for max_overdraft in [5, 0] {
        let network = network(1024);
        let spec = LocalPoolSpec::new(512, 2048).with_overdraft(max_overdraft);
        let first = network.create_buffer_pool(spec).unwrap();
        let buffers = take(&first, 1023);
        let second = create(&network, 512, 512);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                (0..512)
                    .map(|_| {
                        let limit = WaitLimit::timeout(Duration::from_secs(30));
                        second.request_segment_blocking(limit).unwrap()
                    })
                    .collect::<Vec<_>>()
            });
            for buffer in buffers {
                drop(buffer);
            }
            assert_eq!(waiting.join().unwrap().len(), 512);
        });
        drop((first, second));
        assert_eq!(network.number_of_available_segments(), 1024);
    }
}

/// A pool that shrank gives back one segment with each buffer that is recycled, until it holds its size.
#[test]
fn i10_recycle_excess_buffers() {
    with_pool(|network, pool| {
        let mut buffers = take(pool, 1024);
        pool.set_number_of_buffers(512).unwrap();
        assert_eq!(network.usage().used_segments(), 1024);
        for recycled in 1..512 {
            buffers.pop();
            assert_eq!(network.usage().used_segments(), 1024 - recycled);
        }
        drop(buffers);
        assert_eq!(network.usage().used_segments(), 512);
    });
}

/// A pool that shrinks gives back at once what lies in it beyond its size.
#[test]
fn i11_return_lying_excess() {
    with_pool(|_, pool| {
        drop(take(pool, 1024));
        assert_eq!(pool.number_of_available_segments(), 1024);
        pool.set_number_of_buffers(512).unwrap();
        assert_eq!(pool.number_of_available_segments(), 512);
    });
}

/// A pool cannot shrink below what it is guaranteed.
#[test]
fn i12_less_than_required() {
    with_pool(|_, pool| {
        let error = pool.set_number_of_buffers(0).unwrap_err();
        assert!(
            matches!(
                error,
                LocalPoolError::BelowRequired {
                    size: 0,
                    required: 1,
                    ..
                }
            ),
            "{error}"
        );
    });
}

/// Listeners are accepted while the pool has nothing, and each is told of one buffer.
#[test]
fn i13_listeners_after_recycle() {
    with_pool(|_, pool| {
        pool.set_number_of_buffers(1).unwrap();
        let buffer = pool.request_buffer().unwrap().unwrap();
        let listeners = [Arc::new(Counting::default()), Arc::new(Counting::default())];
        for listener in &listeners {
            assert!(pool.add_listener(listener.clone()));
        }
        drop(buffer);
        for listener in &listeners {
            assert_eq!(listener.buffers.load(Ordering::SeqCst), 1);
        }
        assert!(!pool.add_listener(listeners[0].clone()));
        assert_eq!(pool.number_of_available_segments(), 1);
    });
}

/// A listener that waits is told once that the pool is gone.
#[test]
fn i14_listeners_after_destroy() {
    with_pool(|_, pool| {
        pool.set_number_of_buffers(1).unwrap();
        let _buffer = pool.request_buffer().unwrap().unwrap();
        let listener = Arc::new(Counting::default());
        assert!(pool.add_listener(listener.clone()));
        pool.lazy_destroy();
        pool.lazy_destroy();
        assert_eq!(listener.destroyed.load(Ordering::SeqCst), 1);
        assert_eq!(listener.buffers.load(Ordering::SeqCst), 0);
        assert!(!pool.add_listener(listener));
        drop(_buffer);
    });
}

/// 128 threads that each have at most one buffer of a pool of 128 always get one.
#[test]
fn i15_concurrent_request_and_recycle() {
    with_pool(|_, pool| {
        pool.set_number_of_buffers(128).unwrap();
        thread::scope(|scope| {
            for _ in 0..128 {
                scope.spawn(|| {
                    for _ in 0..1024 {
                        let limit = WaitLimit::timeout(Duration::from_secs(30));
                        drop(pool.request_segment_blocking(limit).unwrap());
                    }
                });
            }
        });
        assert_eq!(pool.number_of_used_buffers(), 0);
    });
}

/// What lies in a pool of at most 2, for each size that it is given.
#[test]
fn i16_bounded_buffer() {
    let network = network(1024);
    let pool = create(&network, 1, 2);
    let lying = || pool.number_of_available_segments();
    for (size, allowed) in [(1, 1), (2, 2), (3, 2), (1, 1)] {
        pool.set_number_of_buffers(size).unwrap();
        assert_eq!(pool.number_of_buffers(), allowed);
        let start = lying();
        assert!(start == 1 || start == allowed);
        let mut buffers = Vec::new();
        for taken in 1..=allowed {
            buffers.extend(pool.request_buffer().unwrap());
            assert_eq!(buffers.len(), taken);
            // While it may, it fetches one ahead.
            assert_eq!(lying(), if taken < allowed { 1 } else { 0 });
        }
        assert!(pool.request_buffer().unwrap().is_none());
        assert_eq!(lying(), 0);
        for back in 1..=allowed {
            buffers.pop();
            assert_eq!(lying(), back);
        }
    }
    drop(pool);
    assert_eq!(network.number_of_available_segments(), 1024);
}

/// A pool is not available while a channel has as many buffers as it may have; what lies in the pool is given out all
/// the same.
#[test]
fn i17_max_buffers_per_channel() {
    let network = network(1024);
    let spec = LocalPoolSpec::new(1, UNBOUNDED).with_channels(3, 2);
    let pool = network.create_buffer_pool(spec).unwrap();
    pool.set_number_of_buffers(10).unwrap();
    let request = |channel| pool.request_buffer_builder_for(channel).unwrap().unwrap();
    let of_0 = request(0);
    let of_1 = request(1);
    assert!(pool.is_available());
    let of_0_a = request(0);
    assert!(!pool.is_available());
    let of_0_b = request(0);
    let of_2 = request(2);
    let of_2_a = request(2);
    assert!(!pool.is_available());
    assert_eq!(pool.number_of_buffers_of_channel(0).unwrap(), 3);
    assert_eq!(pool.number_of_buffers_of_channel(2).unwrap(), 2);

    drop(of_1);
    drop(of_2_a);
    drop(of_0_b);
    assert!(!pool.is_available());
    let future = pool.available();
    drop(of_0_a);
    assert!(pool.is_available());
    assert!(future.is_done());
    drop((of_0, of_2));
    assert!(pool.is_available());
    let error = pool.request_buffer_builder_for(3).unwrap_err();
    assert!(
        matches!(
            error,
            LocalPoolError::NoSuchChannel {
                channel: 3,
                channels: 3,
                ..
            }
        ),
        "{error}"
    );
    drop(pool);
    assert_eq!(network.number_of_available_segments(), 1024);
}

/// A pool's availability follows what lies in it; a future that was pending completes and stays so.
#[test]
fn i18_available_or_not() {
    with_pool(|_, pool| {
        pool.set_number_of_buffers(1).unwrap();
        assert!(pool.available().is_done());
        let first = pool.request_buffer().unwrap();
        let future = pool.available();
        assert!(!future.is_done());
        pool.set_number_of_buffers(5).unwrap();
        assert!(future.is_done());
        assert!(pool.available().is_done());

        let mut rest = take(pool, 4);
        assert!(!pool.available().is_done());
        rest.pop();
        assert!(pool.available().is_done());
        rest.clear();
        assert!(pool.available().is_done());

        pool.set_number_of_buffers(2).unwrap();
        assert!(pool.available().is_done());
        let second = pool.request_buffer().unwrap();
        assert!(!pool.available().is_done());
        drop(second);
        assert!(pool.available().is_done());
        pool.set_number_of_buffers(1).unwrap();
        assert!(!pool.available().is_done());
        drop(first);
        assert!(pool.available().is_done());
    });
}

/// A pool that is told that the network pool has a segment, and then gets none because another pool was faster, stays
/// consistent: it is not available, asks again, and can be resized, used and destroyed.
#[test]
fn i19_consistent_availability() {
    let network = network(2);
    let taken = network.request_pooled_segment().unwrap();
    let first = create(&network, 1, 2);
    let of_first = first.request_buffer().unwrap();
    // Both wait for the one segment that comes back.
    let second = create(&network, 1, 2);
    first.set_number_of_buffers(2).unwrap();
    assert!(!first.is_available() && !second.is_available());
    let futures = [first.available(), second.available()];
    drop(taken);
    let consistent = || {
        let available = [&first, &second].map(|pool| {
            assert_eq!(pool.is_available(), pool.available().is_done());
            assert_eq!(
                pool.is_available(),
                pool.number_of_available_segments() == 1
            );
            pool.is_available()
        });
        assert!(available[0] != available[1], "{available:?}");
        available
    };
    assert_eq!(consistent(), futures.map(|future| future.is_done()));
    for pool in [&first, &second, &first] {
        pool.set_number_of_buffers(1).unwrap();
        pool.set_number_of_buffers(2).unwrap();
        consistent();
    }
    drop(of_first);
    assert!(first.is_available() && second.is_available());
    drop((first, second));
    assert_eq!(network.number_of_available_segments(), 2);
}

/// With and without an overdraft: ordinary buffers while the pool is available, then exactly the overdraft, then none;
/// available again when the ordinary ones are back.
#[test]
fn i20_overdraft_and_availability() {
    for max_overdraft in [0, 1, 2] {
        for (size, per_channel, channels, used_channels) in [
            (4, 3, 2, 1),
            (4, 3, 2, 2),
            (4, 3, 3, 2),
            (8, 5, 3, 3),
            (8, 5, 3, 2),
            (12, 10, 3, 2),
            (12, 10, 3, 3),
        ] {
            overdraft_and_availability(max_overdraft, size, per_channel, channels, used_channels);
        }
    }
}

fn overdraft_and_availability(
    max_overdraft: usize,
    size: usize,
    per_channel: usize,
    channels: usize,
    used_channels: usize,
) {
    let network = network(1024);
    let spec = LocalPoolSpec::new(1, UNBOUNDED)
        .with_channels(channels, per_channel)
        .with_overdraft(max_overdraft);
    let pool = network.create_buffer_pool(spec).unwrap();
    pool.set_number_of_buffers(size).unwrap();
    let request = |channel| pool.request_buffer_builder_for(channel).unwrap();
    let mut of_channels: Vec<Vec<BufferBuilder>> = (0..channels).map(|_| Vec::new()).collect();
    for taken in 1..=size {
        let channel = taken % used_channels;
        of_channels[channel].push(request(channel).unwrap());
        let limit = of_channels
            .iter()
            .any(|buffers| buffers.len() >= per_channel);
        assert_eq!(pool.is_available(), taken < size && !limit);
    }
    let mut overdraft = Vec::new();
    for taken in 0..max_overdraft {
        overdraft.extend(request(taken % used_channels));
        assert_eq!(overdraft.len(), taken + 1);
        assert!(!pool.is_available());
    }
    for channel in 0..channels {
        assert!(request(channel).is_none());
    }
    drop(overdraft);
    assert!(!pool.is_available());
    for buffers in of_channels {
        drop(buffers);
    }
    assert!(pool.is_available());
    drop(pool);
    assert_eq!(network.number_of_available_segments(), 1024);
}

/// A request to a pool that is gone is the error that ends a task.
#[test]
fn i21_request_after_destroy() {
    let network = NetworkBufferPool::new(1, 4096, Duration::from_secs(30)).unwrap();
    let pool = create(&network, 1, UNBOUNDED);
    pool.lazy_destroy();
    assert!(is_destroyed_error(pool.request_buffer()));
    assert!(is_destroyed_error(pool.request_buffer_builder()));
    assert!(is_destroyed_error(
        pool.request_segment_blocking(WaitLimit::none())
    ));
}

/// A thread that waits for a buffer gets that error when the pool is destroyed.
#[test]
fn i22_destroy_while_blocking() {
    let network = NetworkBufferPool::new(1, 4096, Duration::from_secs(30)).unwrap();
    let pool = create(&network, 1, UNBOUNDED);
    let (taken, took) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let first = pool.request_segment_blocking(WaitLimit::none()).unwrap();
            taken.send(()).unwrap();
            let second = pool.request_segment_blocking(WaitLimit::none());
            drop(first);
            second
        });
        took.recv().unwrap();
        pool.lazy_destroy();
        assert!(is_destroyed_error(waiting.join().unwrap()));
    });
    assert_eq!(network.number_of_available_segments(), 1);
}

/// Reserved segments are counted, so that a pool never has more out than its size and its overdraft.
#[test]
fn i23_reserved_segments_are_counted() {
    let network = network(4);
    let spec = LocalPoolSpec::new(2, 4).with_overdraft(1);
    let pool = network.create_buffer_pool(spec).unwrap();
    pool.reserve_segments(2).unwrap();
    assert_eq!(pool.number_of_requested_segments(), 2);
    assert_eq!(network.usage().used_segments(), 2);
    pool.set_number_of_buffers(2).unwrap();
    let _buffers = take(&pool, 3);
    assert!(pool.request_buffer().unwrap().is_none());
    assert_eq!(pool.number_of_requested_segments(), 3);
    assert_eq!(pool.number_of_used_buffers(), 3);
}

/// The most that was out is told once, with what is out by then to begin with anew.
#[test]
fn the_most_that_was_out_is_told_for_each_period() {
    let network = network(8);
    let pool = create(&network, 2, 6);
    assert_eq!(pool.take_peak_number_of_used_buffers(), 0);
    let mut buffers = take(&pool, 5);
    buffers.truncate(1);
    assert_eq!(pool.take_peak_number_of_used_buffers(), 5);
    assert_eq!(pool.take_peak_number_of_used_buffers(), 1);
    buffers.extend(take(&pool, 2));
    // Fewer segments are not fewer that were out.
    pool.set_number_of_buffers(2).unwrap();
    buffers.clear();
    assert_eq!(pool.take_peak_number_of_used_buffers(), 3);
    assert_eq!(pool.take_peak_number_of_used_buffers(), 0);
}

/// Refuses what it is offered, and remembers that.
#[derive(Default)]
struct Refusing(Mutex<usize>);

impl BufferListener for Refusing {
    fn buffer_available(&self, buffer: Buffer) -> Result<(), Buffer> {
        *self.0.lock().unwrap() += 1;
        Err(buffer)
    }

    fn pool_destroyed(&self) {}
}

/// A buffer that a listener refuses goes to the next one, and at last into the pool; its channel is lowered once.
#[test]
fn a_refused_buffer_goes_on() {
    let network = network(4);
    let spec = LocalPoolSpec::new(1, 1).with_channels(1, 5);
    let pool = network.create_buffer_pool(spec).unwrap();
    let builder = pool.request_buffer_builder_for(0).unwrap().unwrap();
    let refusing = Arc::new(Refusing::default());
    let counting = Arc::new(Counting::default());
    assert!(pool.add_listener(refusing.clone()));
    assert!(pool.add_listener(counting.clone()));
    drop(builder);
    assert_eq!(*refusing.0.lock().unwrap(), 1);
    assert_eq!(counting.buffers.load(Ordering::SeqCst), 1);
    assert_eq!(pool.number_of_buffers_of_channel(0).unwrap(), 0);
    assert_eq!(pool.number_of_available_segments(), 1);
}

/// A listener that waits is served when a segment comes from the network pool, not only when one is recycled: a pool
/// that has nothing out would wait for ever.
#[test]
fn a_listener_is_served_from_the_network_pool() {
    let network = network(1);
    let taken = network.request_pooled_segment().unwrap();
    let pool = create(&network, 1, 1);
    let listener = Arc::new(Counting::default());
    assert!(pool.add_listener(listener.clone()));
    drop(taken);
    wait_until(|| listener.buffers.load(Ordering::SeqCst) == 1);
    assert_eq!(pool.number_of_available_segments(), 1);
}

/// A blocked request ends in time and by its token.
#[test]
fn a_blocked_request_ends_by_its_limit() {
    let network = network(1);
    let pool = create(&network, 1, 1);
    let _buffer = pool.request_buffer().unwrap();
    let error = pool
        .request_buffer_builder_blocking(WaitLimit::timeout(Duration::from_millis(5)))
        .unwrap_err();
    assert!(matches!(error, LocalPoolError::Timeout { .. }), "{error}");
    let token = CancellationToken::new();
    token.cancel();
    let error = pool
        .request_buffer_builder_blocking(WaitLimit::cancelled_by(&token))
        .unwrap_err();
    assert!(
        matches!(error, LocalPoolError::Interrupted { .. }),
        "{error}"
    );
}
