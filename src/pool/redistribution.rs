//! How many segments each local pool may hold: what is left of the network memory, shared out among those who can use
//! more than they are guaranteed.
//!
//! Mirrors `NetworkBufferPool.redistributeBuffers`. Flink walks its pools in the order of their identity hashes, so that
//! chance decides who gets an odd segment; here it is the order of creation.

/// The maximum of a pool that may grow without bound.
pub const UNBOUNDED: usize = usize::MAX;

/// What one resizable pool asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// How many segments the pool is guaranteed.
    pub required: usize,
    /// How many it may have at most, [`UNBOUNDED`] for any number. More than `required`.
    pub max: usize,
}

/// Shares out `available` segments beyond those that are guaranteed, and yields the size of each pool in turn.
///
/// Guarantees: no size is below its `required` or above its `max`; the extras sum up to `available` or to all that the
/// pools can take, whichever is less; each extra is within one segment of the exact proportion; pools without a bound
/// get the same extra, whatever they are guaranteed.
///
/// Assumes that at most 2^32 - 1 segments are available and that there are fewer than 2^31 pools; of more segments the
/// rest is not shared out.
pub fn redistribute(
    available: usize,
    demands: impl Iterator<Item = Demand> + Clone,
) -> impl Iterator<Item = usize> {
    // So that the product of two such numbers, and the sum of as many as there are pools, fit into 64 bits.
    let available = available.min(u32::MAX as usize) as u64;
    let capacity =
        move |demand: &Demand| available.min(demand.max.saturating_sub(demand.required) as u64);
    let capacities: u64 = demands.clone().map(|demand| capacity(&demand)).sum();
    let mut share = Share::new(available.min(capacities), capacities);
    demands.map(move |demand| demand.required + share.next(capacity(&demand)) as usize)
}

/// Cuts a whole into parts, such that the first parts together are always the rounded-down proportion.
///
/// The same as `floor(whole * sum / parts)` minus what was given before, without a division where a part is as large as
/// the one before it: of a thousand pools most are alike.
struct Share {
    whole: u64,
    parts: u64,
    /// What the fractions of the parts so far sum up to, below `parts`.
    carried: u64,
    last: u64,
    last_quotient: u64,
    last_remainder: u64,
}

impl Share {
    fn new(whole: u64, parts: u64) -> Self {
        Self {
            whole,
            // Where there are no parts, each of them is 0.
            parts: parts.max(1),
            carried: 0,
            last: 0,
            last_quotient: 0,
            last_remainder: 0,
        }
    }

    /// What the next part gets, at most as much as it is long.
    fn next(&mut self, part: u64) -> u64 {
        if part != self.last {
            let product = self.whole * part;
            self.last = part;
            self.last_quotient = product / self.parts;
            self.last_remainder = product % self.parts;
        }
        self.carried += self.last_remainder;
        if self.carried < self.parts {
            return self.last_quotient;
        }
        self.carried -= self.parts;
        self.last_quotient + 1
    }
}

/// What one pool asks for where sharing goes by weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightedDemand {
    /// The weight of the pool, and the number of segments that it would like to have.
    pub expected: usize,
    /// How many segments the pool is guaranteed.
    pub min: usize,
    /// How many it may have at most, [`UNBOUNDED`] for any number.
    pub max: usize,
}

/// Shares out in proportion to what the pools expect: the variant of Flink's source history that no release contains.
///
/// `distributable` is what all these pools may have together, their guaranteed numbers included.
/// Guarantees: each size is between its `min` and its `max`; together they are at most `distributable` where the
/// guaranteed numbers are, and exactly that where the pools can take it.
pub fn redistribute_by_weight(distributable: usize, demands: &[WeightedDemand]) -> Vec<usize> {
    let proportion = |demand: &WeightedDemand, whole: usize, weights: u128| {
        let product = demand.expected as u128 * whole as u128;
        (product / weights, !product.is_multiple_of(weights))
    };
    let weights: u128 = demands.iter().map(|demand| demand.expected as u128).sum();
    if weights == 0 {
        return demands.iter().map(|demand| demand.min).collect();
    }
    let mut sizes: Vec<usize> = demands
        .iter()
        .map(|demand| {
            let (share, _) = proportion(demand, distributable, weights);
            usize::try_from(share)
                .unwrap_or(usize::MAX)
                .clamp(demand.min, demand.max.max(demand.min))
        })
        .collect();
    loop {
        let given: u128 = sizes.iter().map(|size| *size as u128).sum();
        let whole = distributable as u128;
        let grow = given < whole;
        let mut difference = usize::try_from(given.abs_diff(whole)).unwrap_or(usize::MAX);
        let movable = |index: usize, sizes: &[usize]| {
            let demand = &demands[index];
            if grow {
                demand.max.saturating_sub(sizes[index])
            } else {
                sizes[index].saturating_sub(demand.min)
            }
        };
        let weights: u128 = (0..demands.len())
            .filter(|index| movable(*index, &sizes) > 0)
            .map(|index| demands[index].expected as u128)
            .sum();
        if difference == 0 || weights == 0 {
            return sizes;
        }
        let whole = difference;
        for index in 0..demands.len() {
            let room = movable(index, &sizes);
            if room == 0 {
                continue;
            }
            // Rounded up, so that each round moves something as long as something can be moved.
            let (share, rest) = proportion(&demands[index], whole, weights);
            let share = usize::try_from(share).unwrap_or(usize::MAX) + usize::from(rest);
            let moved = share.min(room).min(difference);
            difference -= moved;
            if grow {
                sizes[index] += moved;
            } else {
                sizes[index] -= moved;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(available: usize, demands: &[(usize, usize)]) -> Vec<usize> {
        let demands = demands
            .iter()
            .map(|&(required, max)| Demand { required, max });
        redistribute(available, demands).collect()
    }

    #[test]
    fn unbounded_pools_get_the_same_extra() {
        assert_eq!(sizes(22, &[(1, UNBOUNDED), (10, UNBOUNDED)]), [12, 21]);
    }

    #[test]
    fn nothing_is_shared_where_nothing_is_left_or_nobody_can_take_it() {
        assert_eq!(sizes(0, &[(1, 10), (2, UNBOUNDED)]), [1, 2]);
        assert_eq!(sizes(5, &[]), [] as [usize; 0]);
        assert_eq!(sizes(5, &[(3, 3)]), [3]);
    }

    #[test]
    fn a_weight_of_nothing_gets_what_it_is_guaranteed() {
        let demand = WeightedDemand {
            expected: 0,
            min: 1,
            max: 9,
        };
        assert_eq!(redistribute_by_weight(20, &[demand, demand]), [1, 1]);
    }

    proptest::proptest! {
        #[test]
        fn the_sums_and_bounds_hold(
            available in 0usize..5000,
            demands in proptest::collection::vec((1usize..50, 1usize..3000, proptest::bool::ANY), 0..40),
        ) {
            let demands: Vec<(usize, usize)> = demands
                .into_iter()
                .map(|(required, more, bounded)| {
                    (required, if bounded { required + more } else { UNBOUNDED })
                })
                .collect();
            let caps: Vec<usize> =
                demands.iter().map(|(required, max)| available.min(max - required)).collect();
            let all: usize = caps.iter().sum();
            let distributed = all.min(available);
            let sizes = sizes(available, &demands);
            let mut handed_out = 0;
            let mut cap_so_far = 0;
            for ((size, (required, max)), cap) in sizes.iter().zip(&demands).zip(&caps) {
                proptest::prop_assert!(size >= required && size <= max);
                let extra = size - required;
                // The formula as it is written down, with its division.
                cap_so_far += cap;
                let up_to_here = (distributed * cap_so_far).checked_div(all).unwrap_or(0);
                proptest::prop_assert_eq!(extra, up_to_here - handed_out);
                handed_out += extra;
                let exact = distributed as f64 * *cap as f64 / all.max(1) as f64;
                proptest::prop_assert!((extra as f64 - exact).abs() < 1.0 + 1e-9);
            }
            proptest::prop_assert_eq!(handed_out, if demands.is_empty() { 0 } else { distributed });
        }

        #[test]
        fn weights_respect_bounds_and_spend_what_can_be_spent(
            spare in 0usize..2000,
            demands in proptest::collection::vec((1usize..60, 1usize..20, 0usize..100), 1..20),
        ) {
            let demands: Vec<WeightedDemand> = demands
                .into_iter()
                .map(|(expected, min, more)| WeightedDemand { expected, min, max: min + more })
                .collect();
            let least: usize = demands.iter().map(|demand| demand.min).sum();
            let most: usize = demands.iter().map(|demand| demand.max).sum();
            let sizes = redistribute_by_weight(least + spare, &demands);
            for (size, demand) in sizes.iter().zip(&demands) {
                proptest::prop_assert!(*size >= demand.min && *size <= demand.max);
            }
            proptest::prop_assert_eq!(sizes.iter().sum::<usize>(), most.min(least + spare));
        }
    }
}
