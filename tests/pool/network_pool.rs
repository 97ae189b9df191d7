//! Lines G: the network pool, with segments of 128 bytes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use headroom::pool::{
    availability::{CancellationToken, WaitLimit},
    local_pool::{LocalBufferPool, LocalPoolError, LocalPoolSpec},
    network_pool::{NetworkBufferPool, NetworkPoolError},
    redistribution::UNBOUNDED,
};

use crate::{
    pools::{SEGMENT_BYTES, create, network},
    wait_until,
};

fn network_with_timeout(number_of_segments: usize, timeout: Duration) -> NetworkBufferPool {
    NetworkBufferPool::new(number_of_segments, SEGMENT_BYTES, timeout).unwrap()
}

/// After the network pool is destroyed no local pool can be created, whatever its numbers.
#[test]
fn g1_create_pool_after_destroy() {
    let network = network(10);
    network.destroy();
    for max in [2, 10, UNBOUNDED] {
        let error = network
            .create_buffer_pool(LocalPoolSpec::new(2, max))
            .unwrap_err();
        assert!(matches!(error, NetworkPoolError::Destroyed), "{error}");
    }
}

/// A fresh pool of 10 segments has all of them available and none used, in segments and in bytes.
#[test]
fn g2_usage_at_creation() {
    let usage = network(10).usage();
    assert_eq!(
        (
            usage.total_segments,
            usage.available_segments,
            usage.used_segments()
        ),
        (10, 10, 0)
    );
    assert_eq!(
        (
            usage.total_bytes(),
            usage.available_bytes(),
            usage.used_bytes()
        ),
        (1280, 1280, 0)
    );
}

/// One segment that is taken counts as used, in segments and in bytes.
#[test]
fn g3_usage_with_one_segment_taken() {
    let network = network(10);
    let _segment = network.request_pooled_segment().unwrap();
    let usage = network.usage();
    assert_eq!(
        (
            usage.total_segments,
            usage.available_segments,
            usage.used_segments()
        ),
        (10, 9, 1)
    );
    assert_eq!(
        (
            usage.total_bytes(),
            usage.available_bytes(),
            usage.used_bytes()
        ),
        (1280, 1152, 128)
    );
}

/// After the pool is destroyed all of its numbers are 0.
#[test]
fn g4_usage_after_destroy() {
    let network = network(10);
    network.destroy();
    let usage = network.usage();
    assert_eq!(
        (
            usage.total_segments,
            usage.available_segments,
            usage.used_segments()
        ),
        (0, 0, 0)
    );
    assert_eq!(
        (
            usage.total_bytes(),
            usage.available_bytes(),
            usage.used_bytes()
        ),
        (0, 0, 0)
    );
    assert_eq!(network.number_of_segments(), 0);
}

/// Destroying all local pools tells when exclusive segments are still out: 4 of them keep their guarantee.
#[test]
fn destroying_all_tells_of_guarantees_that_are_left() {
    let network = network(10);
    let pool = create(&network, 2, UNBOUNDED);
    let exclusive = network.request_unpooled_segments(4).unwrap();
    let error = network.destroy_all_buffer_pools().unwrap_err();
    assert!(
        matches!(
            error,
            NetworkPoolError::StillGuaranteed {
                pools: 0,
                required: 4
            }
        ),
        "{error}"
    );
    assert!(pool.is_destroyed());
    network.recycle_unpooled_segments(exclusive);
    network.destroy_all_buffer_pools().unwrap();
}

/// The last free segment goes to the pool that is created, and not to one that grows by the distribution.
#[test]
fn a_new_pool_comes_before_those_that_grow() {
    let network = network(10);
    let elder = create(&network, 1, UNBOUNDED);
    elder.set_number_of_buffers(1).unwrap();
    let held = elder.request_segment().unwrap();
    let others: Vec<_> = std::iter::from_fn(|| network.request_pooled_segment())
        .take(8)
        .collect();
    assert_eq!(network.number_of_available_segments(), 1);
    let younger = create(&network, 4, 4);
    assert_eq!(elder.number_of_buffers(), 6);
    assert_eq!(younger.number_of_available_segments(), 1);
    assert_eq!(elder.number_of_available_segments(), 0);
    drop((held, others));
}

/// Asking for no exclusive segments changes nothing: a pool that was given another size keeps it.
#[test]
fn no_exclusive_segments_distribute_nothing() {
    let network = network(10);
    let pool = create(&network, 2, UNBOUNDED);
    pool.set_number_of_buffers(5).unwrap();
    assert!(network.request_unpooled_segments(0).unwrap().is_empty());
    assert_eq!(pool.number_of_buffers(), 5);
    drop(network.request_unpooled_segments(1).unwrap());
    assert_eq!(pool.number_of_buffers(), 10);
}

/// All local pools together give exactly the 10 segments there are; destroying them leaves the network pool as it was,
/// and what is out comes back.
#[test]
fn g5_destroy_all() {
    let network = network(10);
    let pools = [
        create(&network, 2, 2),
        create(&network, 1, 1),
        create(&network, 5, UNBOUNDED),
    ];
    let mut buffers = Vec::new();
    for pool in &pools {
        while let Some(buffer) = pool.request_buffer().unwrap() {
            buffers.push(buffer);
        }
    }
    assert_eq!(buffers.len(), 10);
    for pool in &pools {
        assert!(pool.request_buffer().unwrap().is_none());
    }

    network.destroy_all_buffer_pools().unwrap();
    assert!(!network.is_destroyed());
    assert!(pools.iter().all(LocalBufferPool::is_destroyed));
    assert_eq!(network.number_of_registered_pools(), 0);
    assert_eq!(network.number_of_available_segments(), 0);
    buffers.clear();
    assert_eq!(network.number_of_available_segments(), 10);
    for pool in &pools {
        let error = pool.request_buffer().unwrap_err();
        assert!(matches!(error, LocalPoolError::Destroyed { .. }), "{error}");
    }
    assert_eq!(create(&network, 10, UNBOUNDED).number_of_buffers(), 10);
}

/// Exclusive segments can be taken and given back.
#[test]
fn g6_unpooled_less_than_total() {
    let network = network(10);
    let segments = network.request_unpooled_segments(5).unwrap();
    assert_eq!(segments.len(), 5);
    assert_eq!(network.number_of_available_segments(), 5);
    network.recycle_unpooled_segments(segments);
    assert_eq!(network.number_of_available_segments(), 10);
    assert_eq!(network.number_of_required_segments(), 0);
}

/// More exclusive segments than there are: an error, and nothing is taken.
#[test]
fn g7_unpooled_more_than_total() {
    let network = network(10);
    let error = network.request_unpooled_segments(11).unwrap_err();
    assert!(
        matches!(error, NetworkPoolError::InsufficientNetworkBuffers(_)),
        "{error}"
    );
    assert_eq!(network.number_of_available_segments(), 10);
    assert_eq!(network.number_of_required_segments(), 0);
}

/// When all segments are taken, one more is refused with the figures and with who has them; the future that was pending
/// completes when they come back.
#[test]
fn g8_insufficient_number_of_buffers() {
    let network = network(5);
    assert!(network.available().is_done());
    let segments = network.request_unpooled_segments(5).unwrap();
    let future = network.available();
    assert!(!future.is_done());

    let error = network.request_unpooled_segments(1).unwrap_err();
    let text = error.to_string();
    for part in [
        "insufficient number of network buffers: required 1, but only 0 available",
        "5 of 128 bytes",
        "taskmanager.memory.network.fraction",
        "taskmanager.memory.network.min",
        "taskmanager.memory.network.max",
        "exclusive segments of channels (guaranteed 5, holds 5)",
    ] {
        assert!(text.contains(part), "{text}");
    }

    network.recycle_unpooled_segments(segments);
    assert!(future.is_done());
    assert_eq!(network.request_unpooled_segments(5).unwrap().len(), 5);
}

/// The demand on a pool of no segments is 0 %.
#[test]
fn g9_usage_of_an_empty_pool() {
    let network = network(0);
    assert_eq!(network.usage().requested_percent(), 0);
    assert!(network.usage_notice().is_none());
    assert!(!network.is_available());
    assert!(network.request_pooled_segment().is_none());
}

/// A demand of 100 % and more is told once for each change, and once that it went back.
#[test]
fn g10_usage_notices() {
    let network = network(50);
    let requested = || {
        let usage = network.usage();
        (usage.requested_segments, usage.requested_percent())
    };
    let notice = || network.usage_notice().map(|notice| notice.to_string());

    let first = create(&network, 10, 20);
    assert_eq!((requested(), notice()), ((20, 40), None));
    let _second = create(&network, 5, UNBOUNDED);
    assert_eq!((requested(), notice()), ((30, 60), None));

    let _third = create(&network, 10, 30);
    assert_eq!(requested(), (60, 120));
    let text = notice().unwrap();
    for figure in ["6400", "7680", "1280"] {
        assert!(text.contains(figure), "{text}");
    }
    assert_eq!(notice(), None);

    let fourth = create(&network, 10, 20);
    assert_eq!(requested(), (80, 160));
    let text = notice().unwrap();
    for figure in ["10240", "3840"] {
        assert!(text.contains(figure), "{text}");
    }

    drop(first);
    fourth.lazy_destroy();
    assert_eq!(requested(), (40, 80));
    let text = notice().unwrap();
    assert!(
        text.contains("went back to normal") && text.contains("5120"),
        "{text}"
    );
    assert_eq!(notice(), None);
}

/// A number of segments that cannot be is refused and changes nothing. In Rust it is not negative; what a negative number
/// of another language would become is the largest there is.
#[test]
fn g11_invalid_number() {
    let network = network(10);
    assert!(network.request_unpooled_segments(usize::MAX).is_err());
    assert_eq!(network.number_of_required_segments(), 0);
    assert_eq!(network.request_unpooled_segments(0).unwrap().len(), 0);
    for (number, bytes) in [(1, 0), (1, 1 << 31), (1 << 31, 1)] {
        let error = NetworkBufferPool::new(number, bytes, Duration::from_secs(1)).unwrap_err();
        assert!(
            matches!(error, NetworkPoolError::InvalidArgument { .. }),
            "{error}"
        );
    }
    assert!(NetworkBufferPool::new(1, 1, Duration::ZERO).is_err());
}

/// A request for exclusive segments waits for those that a local pool holds beyond its guarantee.
#[test]
fn g12_unpooled_waits_for_buffers_taken() {
    let network = network(10);
    let pool = create(&network, 5, 10);
    let mut buffers = Vec::new();
    while let Some(buffer) = pool.request_buffer().unwrap() {
        buffers.push(buffer);
    }
    assert_eq!(buffers.len(), 10);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| network.request_unpooled_segments(5).unwrap());
        // The guarantee is counted before the wait begins, and the local pool shrinks.
        wait_until(|| pool.number_of_buffers() == 5);
        buffers.clear();
        assert_eq!(waiting.join().unwrap().len(), 5);
    });
}

/// A request that waits ends when the pool is destroyed.
#[test]
fn g13_destroy_ends_the_wait() {
    let network = network(10);
    let _taken = network.request_pooled_segment().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| network.request_unpooled_segments(10));
        wait_until(|| network.number_of_available_segments() == 0);
        network.destroy();
        let error = waiting.join().unwrap().unwrap_err();
        assert!(matches!(error, NetworkPoolError::Destroyed), "{error}");
        assert!(error.to_string().contains("destroyed"));
    });
}

/// A request that waits ends when it is interrupted, and what it counted and took is given back.
#[test]
fn g14_interrupt_ends_the_wait() {
    let network = network(10);
    let taken = network.request_pooled_segment().unwrap();
    let token = CancellationToken::new();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            network.request_unpooled_segments_within(10, WaitLimit::cancelled_by(&token))
        });
        wait_until(|| network.number_of_available_segments() == 0);
        token.cancel();
        let error = waiting.join().unwrap().unwrap_err();
        assert!(
            matches!(
                error,
                NetworkPoolError::Interrupted {
                    required: 10,
                    collected: 9
                }
            ),
            "{error}"
        );
    });
    assert_eq!(network.number_of_available_segments(), 9);
    drop(taken);
    assert_eq!(create(&network, 10, 10).number_of_buffers(), 10);
}

/// A request that waits too long ends with an error that says so, and who holds the segments.
#[test]
fn g15_timeout() {
    let network = network_with_timeout(10, Duration::from_millis(50));
    let pool = network
        .create_buffer_pool(LocalPoolSpec::new(1, 10).labelled("Map (1/1)"))
        .unwrap();
    let buffers: Vec<_> = (0..10)
        .map(|_| pool.request_buffer().unwrap().unwrap())
        .collect();
    let error = network.request_unpooled_segments(2).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("timeout"), "{text}");
    assert!(
        text.contains("taskmanager.network.memory.buffers-request-timeout"),
        "{text}"
    );
    assert!(
        text.contains("Map (1/1) (guaranteed 1, holds 10)"),
        "{text}"
    );
    assert_eq!(network.number_of_required_segments(), 1);
    drop(buffers);
}

/// The pool is available while it has a segment; a future of the time without one completes with the first that returns.
#[test]
fn g16_availability_by_single_segments() {
    let network = network(2);
    assert!(network.available().is_done());
    let first = network.request_pooled_segment().unwrap();
    assert!(network.available().is_done());
    let second = network.request_pooled_segment().unwrap();
    let future = network.available();
    assert!(!future.is_done());
    drop(first);
    assert!(future.is_done());
    drop(second);
    assert!(network.available().is_done());
}

/// The same with several exclusive segments at once.
#[test]
fn g17_availability_by_many_segments() {
    let network = network(10);
    let first = network.request_unpooled_segments(5).unwrap();
    assert!(network.available().is_done());
    let second = network.request_unpooled_segments(5).unwrap();
    let future = network.available();
    assert!(!future.is_done());
    network.recycle_unpooled_segments(first);
    assert!(future.is_done());
    let third = network.request_unpooled_segments(5).unwrap();
    let future = network.available();
    assert!(!future.is_done());
    network.recycle_unpooled_segments(second);
    assert!(future.is_done());
    network.recycle_unpooled_segments(third);
    assert!(network.available().is_done());
    assert_eq!(network.number_of_available_segments(), 10);
}

/// Two local pools that wait for the network pool both get what they may have, once others give it back.
#[test]
fn g18_blocking_requests_of_several_pools() {
    let network = network(20);
    let pools = [create(&network, 5, 10), create(&network, 5, 10)];
    assert!(pools.iter().all(|pool| pool.available().is_done()));
    let pooled: Vec<_> = (0..9)
        .map(|_| network.request_pooled_segment().unwrap())
        .collect();
    let exclusive = network
        .request_unpooled_segments(network.number_of_available_segments() - 1)
        .unwrap();
    assert!(network.available().is_done());

    let got = AtomicUsize::new(0);
    thread::scope(|scope| {
        let threads: Vec<_> = pools
            .iter()
            .map(|pool| {
                let got = &got;
                scope.spawn(move || {
                    (0..10)
                        .map(|_| {
                            let segment = pool.request_segment_blocking(WaitLimit::none()).unwrap();
                            got.fetch_add(1, Ordering::SeqCst);
                            segment
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        wait_until(|| got.load(Ordering::SeqCst) + pooled.len() + exclusive.len() == 20);
        let future = network.available();
        let futures: Vec<_> = pools.iter().map(LocalBufferPool::available).collect();
        assert!(!future.is_done());
        assert!(futures.iter().all(|future| !future.is_done()));

        drop(pooled);
        network.recycle_unpooled_segments(exclusive);
        assert!(future.wait_timeout(Duration::from_secs(10)));
        for future in futures {
            assert!(future.wait_timeout(Duration::from_secs(10)));
        }
        let segments: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(segments.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10]);
        assert_eq!(network.number_of_available_segments(), 0);
        assert!(pools.iter().all(|pool| pool.number_of_used_buffers() == 10));
    });
    assert_eq!(network.usage().used_segments(), 20);
    drop(pools);
    assert_eq!(network.number_of_available_segments(), 20);
}

/// What fails after the guarantee was counted takes the guarantee back. A redistribution itself cannot fail here, so it
/// is the wait after it that does.
#[test]
fn g19_guarantee_is_restored_after_a_failure() {
    let network = network_with_timeout(10, Duration::from_millis(10));
    let pool = create(&network, 1, 10);
    let buffers: Vec<_> = (0..10)
        .map(|_| pool.request_buffer().unwrap().unwrap())
        .collect();
    for _ in 0..3 {
        assert!(network.request_unpooled_segments(9).is_err());
        assert_eq!(network.number_of_required_segments(), 1);
        assert_eq!(pool.number_of_buffers(), 10);
    }
    drop(buffers);
    assert_eq!(create(&network, 9, 9).number_of_buffers(), 9);
}

/// A local pool whose numbers cannot be is refused, and its guarantee is not counted.
#[test]
fn g20_refused_creation_leaves_nothing() {
    let network = network(10);
    for spec in [
        LocalPoolSpec::new(5, 4),
        LocalPoolSpec::new(0, 4),
        LocalPoolSpec::new(5, 5).with_channels(1, 0),
    ] {
        let error = network.create_buffer_pool(spec).unwrap_err();
        assert!(
            matches!(error, NetworkPoolError::InvalidArgument { .. }),
            "{error}"
        );
    }
    assert_eq!(network.number_of_registered_pools(), 0);
    assert_eq!(create(&network, 10, 10).number_of_buffers(), 10);
}

/// A timeout of 50 ms is one of 50 ms.
#[test]
fn g21_timeout_is_exact() {
    let network = network_with_timeout(10, Duration::from_millis(50));
    let _taken = network.request_pooled_segment().unwrap();
    let start = Instant::now();
    assert!(network.request_unpooled_segments(10).is_err());
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(50), "{waited:?}");
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

/// Memory that the kernel does not have: the error tells what was required, allocated and missing. It is asked for in one
/// piece, so that nothing is allocated when it fails.
#[test]
fn g22_out_of_memory() {
    let error = NetworkBufferPool::new(1 << 20, 1 << 30, Duration::from_secs(1)).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("required 1125899906842624 bytes, allocated 0, missing 1125899906842624"),
        "{text}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

/// A pool that outlives its handle keeps its memory until the last buffer is dropped.
#[test]
fn memory_lives_as_long_as_its_buffers() {
    let network = Arc::new(network(2));
    let pool = create(&network, 1, 2);
    let mut segment = pool.request_segment().unwrap().unwrap();
    let exclusive = network.request_unpooled_segments(1).unwrap();
    drop(pool);
    drop(network);
    segment.fill(7);
    assert!(segment.iter().all(|byte| *byte == 7));
    assert_eq!(exclusive[0].len(), SEGMENT_BYTES);
}
