//! Lines I, first part: what lies in a local pool, what is out, and its size; over 1024 segments of 128 bytes unless a
//! line says otherwise.

use std::time::Duration;

use headroom::pool::{
    availability::WaitLimit,
    local_pool::{LocalBufferPool, LocalPoolError, LocalPoolSpec},
    network_pool::{NetworkBufferPool, NetworkPoolError},
    redistribution::UNBOUNDED,
};

use crate::pools::{create, network, take};

/// Runs a case with the pool that most lines start with, and checks that every segment is back after it.
pub fn with_pool(case: impl FnOnce(&NetworkBufferPool, &LocalBufferPool)) {
    let network = network(1024);
    let pool = create(&network, 1, UNBOUNDED);
    case(&network, &pool);
    pool.lazy_destroy();
    assert_eq!(network.number_of_available_segments(), 1024);
}

pub fn is_destroyed_error<T>(result: Result<T, LocalPoolError>) -> bool {
    matches!(result, Err(LocalPoolError::Destroyed { .. }))
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
