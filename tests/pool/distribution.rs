//! Lines H: how segments are shared out, with 1024 segments of 128 bytes.

use headroom::pool::{
    local_pool::{LocalBufferPool, LocalPoolSpec},
    network_pool::{NetworkBufferPool, NetworkPoolError},
    redistribution::{UNBOUNDED, WeightedDemand, redistribute_by_weight},
};

use crate::{
    pools::{create, network, take},
    random::Random,
};

fn sizes<'a>(pools: impl IntoIterator<Item = &'a LocalBufferPool>) -> Vec<usize> {
    pools
        .into_iter()
        .map(LocalBufferPool::number_of_buffers)
        .collect()
}

/// Runs a case, and checks that every segment is back after it.
fn with_network(number_of_segments: usize, case: impl FnOnce(&NetworkBufferPool)) {
    let network = network(number_of_segments);
    case(&network);
    assert_eq!(network.number_of_available_segments(), number_of_segments);
    assert_eq!(network.number_of_required_segments(), 0);
}

/// One pool that is to be guaranteed more than there is.
#[test]
fn h1_require_more_than_possible() {
    with_network(1024, |network| {
        let error = network
            .create_buffer_pool(LocalPoolSpec::new(1025, UNBOUNDED))
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("insufficient number of network buffers"),
            "{error}"
        );
    });
}

/// Two pools that are to be guaranteed more than there is together: the second is refused, and told of the first.
#[test]
fn h2_require_more_than_possible_together() {
    with_network(1024, |network| {
        let _first = network
            .create_buffer_pool(LocalPoolSpec::new(513, 1024).labelled("Sort (1/2)"))
            .unwrap();
        let error = network
            .create_buffer_pool(LocalPoolSpec::new(513, 1024))
            .unwrap_err();
        let NetworkPoolError::InsufficientNetworkBuffers(figures) = &error else {
            panic!("{error}");
        };
        assert_eq!(
            (figures.required, figures.available, figures.total),
            (513, 511, 1024)
        );
        assert_eq!(figures.holders[0].label, "Sort (1/2)");
    });
}

/// A pool that holds more than it now may gives to the other one as it recycles.
#[test]
fn h3_overprovisioned() {
    with_network(1024, |network| {
        let first = create(network, 511, 1024);
        let mut of_first = take(&first, 513);
        let second = create(network, 513, 1024);
        assert_eq!(sizes([&second, &first]), [513, 511]);
        assert!(first.request_buffer().unwrap().is_none());
        let mut of_second = take(&second, 511);
        assert!(second.request_buffer().unwrap().is_none());

        of_first.pop();
        assert_eq!(network.number_of_available_segments(), 0);
        assert_eq!(first.number_of_requested_segments(), 512);
        assert_eq!(second.number_of_requested_segments(), 512);
        of_second.extend(second.request_buffer().unwrap());
        assert_eq!(of_second.len(), 512);
    });
}

/// No pool gets more than its maximum.
#[test]
fn h4_bounded_pools() {
    with_network(1024, |network| {
        assert_eq!(sizes([&create(network, 1, 1)]), [1]);
        assert_eq!(sizes([&create(network, 1, 2)]), [2]);
    });
}

/// One pool without a bound gets everything.
#[test]
fn h5_single_pool_gets_all() {
    with_network(1024, |network| {
        assert_eq!(sizes([&create(network, 1, UNBOUNDED)]), [1024])
    });
}

/// One pool without a bound gets everything but what a fixed one has.
#[test]
fn h6_single_pool_gets_all_except_fixed_ones() {
    with_network(1024, |network| {
        let fixed = create(network, 24, 24);
        let flexible = create(network, 1, UNBOUNDED);
        assert_eq!(sizes([&fixed, &flexible]), [24, 1000]);
    });
}

/// Two pools without a bound get one half each.
#[test]
fn h7_uniform_distribution() {
    with_network(1024, |network| {
        let first = create(network, 1, UNBOUNDED);
        let second = create(network, 1, UNBOUNDED);
        assert_eq!(sizes([&first, &second]), [512, 512]);
    });
}

/// The same when the halves are guaranteed; the first one has everything as long as it is alone.
#[test]
fn h8_uniform_distribution_of_all_buffers() {
    with_network(1024, |network| {
        let first = create(network, 512, UNBOUNDED);
        assert_eq!(sizes([&first]), [1024]);
        let second = create(network, 512, UNBOUNDED);
        assert_eq!(sizes([&first, &second]), [512, 512]);
    });
}

/// The same with bounds that do not matter.
#[test]
fn h9_uniform_distribution_with_wide_bounds() {
    with_network(1024, |network| {
        let first = create(network, 1, 1024);
        let second = create(network, 1, 1024);
        assert_eq!(sizes([&first, &second]), [512, 512]);
    });
}

/// Bounds that matter are reached and not exceeded.
#[test]
fn h10_uniform_distribution_with_narrow_bounds() {
    with_network(1024, |network| {
        let first = create(network, 1, 10);
        let second = create(network, 1, 10);
        assert_eq!(sizes([&first, &second]), [10, 10]);
    });
}

/// Three segments and one to three pools: what is odd goes to one of them.
#[test]
fn h11_uniform_distribution_of_three() {
    with_network(3, |network| {
        let first = create(network, 1, 10);
        assert_eq!(sizes([&first]), [3]);
        let second = create(network, 1, 10);
        let both = sizes([&first, &second]);
        assert_eq!(both.iter().sum::<usize>(), 3);
        assert!(!both.contains(&3));
        let third = create(network, 1, 10);
        assert_eq!(sizes([&first, &second, &third]), [1, 1, 1]);
        assert_eq!(network.number_of_available_segments(), 0);
    });
}

/// Pools shrink and grow with every exclusive segment that is taken and given back.
#[test]
fn h12_exclusive_segments_shrink_pools() {
    with_network(10, |network| {
        let first = create(network, 1, 10);
        assert_eq!(sizes([&first]), [10]);
        let a = network.request_unpooled_segments(2).unwrap();
        assert_eq!(sizes([&first]), [8]);
        let second = create(network, 1, 10);
        assert_eq!(sizes([&first, &second]), [4, 4]);
        let b = network.request_unpooled_segments(2).unwrap();
        assert_eq!(sizes([&first, &second]), [3, 3]);
        let c = network.request_unpooled_segments(2).unwrap();
        assert_eq!(sizes([&first, &second]), [2, 2]);
        assert_eq!(network.number_of_available_segments(), 2);
        for (segments, size, available) in [(a, 3, 4), (b, 4, 6), (c, 5, 8)] {
            network.recycle_unpooled_segments(segments);
            assert_eq!(sizes([&first, &second]), [size, size]);
            assert_eq!(network.number_of_available_segments(), available);
        }
        first.lazy_destroy();
        assert_eq!(sizes([&second]), [10]);
        assert_eq!(network.number_of_available_segments(), 9);
    });
}

/// Two small bounded pools and one or two unbounded ones: each has its proportion, or one more. Flink's order changes
/// from run to run, so that it tries a thousand times; here it is fixed, and every order of creation is tried.
#[test]
fn h13_mixed_bounds() {
    for unbounded in [1, 2] {
        for first in 0..3 {
            for second in 0..3 {
                with_network(1024, |network| {
                    let mut maxima = vec![10, 10];
                    maxima.insert(first.min(maxima.len()), UNBOUNDED);
                    if unbounded == 2 {
                        maxima.insert(second, UNBOUNDED);
                    }
                    let pools: Vec<_> = maxima.iter().map(|max| create(network, 1, *max)).collect();
                    let available = 1024 - pools.len();
                    let capacities = unbounded * available + 18;
                    for (max, size) in maxima.iter().zip(sizes(&pools)) {
                        let proportion = available * available.min(max - 1) / capacities + 1;
                        assert!(
                            size == proportion || size == proportion + 1,
                            "{max}: {size}"
                        );
                    }
                    assert_eq!(sizes(&pools).iter().sum::<usize>(), 1024);
                });
            }
        }
    }
}

/// Up to 32 pools of all kinds: after every creation all segments are given to somebody, or all that can be taken.
#[test]
fn h14_all_distributed() {
    let mut random = Random::new(42);
    let network = network(1024);
    for _ in 0..1000 {
        let mut pools = Vec::new();
        let mut maxima = 0_usize;
        for _ in 0..32 {
            let required = random.below(7) + 1;
            let max = if random.below(2) == 0 {
                UNBOUNDED
            } else {
                required + random.below(10)
            };
            maxima = maxima.saturating_add(max);
            pools.push(create(&network, required, max));
            assert_eq!(sizes(&pools).iter().sum::<usize>(), maxima.min(1024));
        }
        drop(pools);
        assert_eq!(network.number_of_available_segments(), 1024);
    }
}

/// When one of two pools is destroyed, the other one gets everything again.
#[test]
fn h15_create_and_destroy() {
    with_network(1024, |network| {
        let first = create(network, 1, UNBOUNDED);
        assert_eq!(sizes([&first]), [1024]);
        let second = create(network, 1, UNBOUNDED);
        assert_eq!(sizes([&first, &second]), [512, 512]);
        first.lazy_destroy();
        assert_eq!(sizes([&second]), [1024]);
    });
}

fn by_weight(distributable: usize, demands: &[(usize, usize, usize)]) -> Vec<usize> {
    let demands: Vec<_> = demands
        .iter()
        .map(|&(expected, min, max)| WeightedDemand { expected, min, max })
        .collect();
    redistribute_by_weight(distributable, &demands)
}

/// The weighted policy shares out in proportion to what is expected.
#[test]
fn h16_by_expected() {
    let demands = [(4, 2, UNBOUNDED), (5, 2, UNBOUNDED), (7, 2, UNBOUNDED)];
    assert_eq!(by_weight(32, &demands), [8, 10, 14]);
}

/// The weighted policy gives what is guaranteed where there is no more.
#[test]
fn h17_by_expected_with_nothing_left() {
    assert_eq!(
        by_weight(4, &[(10, 2, UNBOUNDED), (10, 2, UNBOUNDED)]),
        [2, 2]
    );
}

/// The weighted policy takes from the others what a minimum needs.
#[test]
fn h18_by_expected_with_a_minimum() {
    assert_eq!(
        by_weight(32, &[(12, 1, 32), (12, 11, 32), (24, 1, 32)]),
        [7, 11, 14]
    );
}

/// The weighted policy gives to the others what a maximum leaves.
#[test]
fn h19_by_expected_with_a_maximum() {
    assert_eq!(
        by_weight(32, &[(4, 1, 32), (4, 1, 5), (8, 1, 32)]),
        [9, 5, 18]
    );
}

/// What the released Flink does with the same pools, in one of its orders.
#[test]
fn h20_outcomes_of_the_released_flink() {
    type Case<'a> = (usize, &'a [(usize, usize)], &'a [&'a [usize]]);
    let cases: [Case<'_>; 6] = [
        (3, &[(1, 10); 3], &[&[1, 1, 1]]),
        (7, &[(1, 4), (1, 4)], &[&[3, 4], &[4, 3]]),
        (16, &[(3, 10); 4], &[&[4, 4, 4, 4]]),
        (
            100,
            &[(2, 8), (5, 50), (1, UNBOUNDED)],
            &[&[5, 34, 61], &[6, 33, 61], &[6, 34, 60]],
        ),
        (
            32,
            &[(3, 3), (1, 9), (1, UNBOUNDED)],
            &[&[3, 7, 22], &[3, 8, 21]],
        ),
        (33, &[(1, UNBOUNDED), (10, UNBOUNDED)], &[&[12, 21]]),
    ];
    for (total, demands, outcomes) in cases {
        with_network(total, |network| {
            let pools: Vec<_> = demands
                .iter()
                .map(|&(required, max)| create(network, required, max))
                .collect();
            let sizes = sizes(&pools);
            assert!(
                outcomes.contains(&sizes.as_slice()),
                "{total} {demands:?}: {sizes:?}"
            );
        });
    }
}
