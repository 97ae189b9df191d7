//! Lines I, third part: threads that wait for segments of a local pool, and listeners that do.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    thread,
    time::Duration,
};

use headroom::pool::{
    availability::{CancellationToken, WaitLimit},
    buffer::Buffer,
    local_pool::{BufferListener, LocalPoolError, LocalPoolSpec},
    network_pool::{NetworkBufferPool, NetworkPoolError},
    redistribution::UNBOUNDED,
};

use crate::{
    local_pool::{is_destroyed_error, with_pool},
    pools::{Counting, create, network, take},
    wait_until,
};

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
