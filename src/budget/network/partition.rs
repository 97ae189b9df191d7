//! The buffers of a result partition: what one subtask writes for the subtasks of one consumer.
//!
//! Mirrors `NettyShuffleUtils.getMinMaxNetworkBuffersPerResultPartition`.

use serde::Serialize;

use super::{ResultType, ShuffleSettings};
use crate::budget::version::FlinkVersion;

/// What the pool of a result partition requires, and how far it may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionBuffers {
    /// Without these the task fails.
    pub required: u64,
    /// The pool never grows beyond; `None` where it takes whatever is free.
    pub maximum: Option<u64>,
    /// With these no write waits while the consumers keep up: the maximum where it follows from the exchange, and
    /// for a pool without a maximum what a bounded one would have.
    pub target: u64,
}

impl PartitionBuffers {
    /// The buffers of a partition with this number of subpartitions.
    #[must_use]
    pub fn of(settings: &ShuffleSettings, result_type: ResultType, subpartitions: u64) -> Self {
        let sorts = result_type.is_blocking()
            && settings.flink_version >= FlinkVersion::V1_12
            && subpartitions >= settings.sort_shuffle_min_parallelism;
        let one_each = subpartitions.saturating_add(1);
        let required = match (sorts, settings.tier_guaranteed_buffers) {
            (true, _) => settings.sort_shuffle_min_buffers,
            (false, Some(guaranteed)) => one_each.min(guaranteed),
            (false, None) => one_each,
        };
        let bounded = subpartitions
            .saturating_mul(settings.buffers_per_channel)
            .saturating_add(settings.floating_buffers_per_gate);
        let maximum = if result_type.is_bounded() {
            Some(bounded)
        } else if sorts && settings.flink_version >= FlinkVersion::V1_15 {
            Some(subpartitions.saturating_mul(4))
        } else {
            None
        };
        // Even without buffers per channel, each subpartition gets one.
        let maximum = maximum.map(|maximum| maximum.max(required));
        let target = match maximum {
            Some(maximum) => maximum,
            None if sorts => required,
            None => bounded.max(required),
        };
        Self {
            required,
            maximum,
            target,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocking_partition_sorts_from_some_parallelism_on() {
        let settings = ShuffleSettings {
            sort_shuffle_min_parallelism: 10,
            ..ShuffleSettings::default_of(FlinkVersion::V1_14)
        };
        let of = |settings: &ShuffleSettings, subpartitions| {
            let buffers = PartitionBuffers::of(settings, ResultType::Blocking, subpartitions);
            (buffers.required, buffers.maximum, buffers.target)
        };
        assert_eq!(of(&settings, 9), (10, None, 26));
        assert_eq!(of(&settings, 10), (64, None, 64));
        let settings = ShuffleSettings::default_of(FlinkVersion::V2_1);
        assert_eq!(of(&settings, 10), (512, Some(512), 512));
        assert_eq!(of(&settings, 1000), (512, Some(4000), 4000));
    }

    #[test]
    fn tiers_guarantee_fewer_than_one_for_each_consumer() {
        let settings = ShuffleSettings {
            tier_guaranteed_buffers: Some(101),
            ..ShuffleSettings::default_of(FlinkVersion::V2_1)
        };
        let required = |subpartitions| {
            PartitionBuffers::of(&settings, ResultType::HybridFull, subpartitions).required
        };
        assert_eq!((required(10), required(1000)), (11, 101));
    }
}
