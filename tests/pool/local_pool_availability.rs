//! Lines I, second part: when a local pool is available, with limits of channels and with an overdraft.

use headroom::pool::{
    buffer::BufferBuilder,
    local_pool::{LocalPoolError, LocalPoolSpec},
    redistribution::UNBOUNDED,
};

use crate::{
    local_pool::with_pool,
    pools::{create, network, take},
};

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
