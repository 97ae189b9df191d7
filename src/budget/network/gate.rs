//! The buffers of an input gate: what one subtask reads of the subtasks of one producer.
//!
//! Mirrors `InputGateSpecUtils.createGateBuffersSpec` since 1.17, and `SingleInputGateFactory` before.

use serde::Serialize;

use super::{ResultType, ShuffleSettings};
use crate::budget::version::FlinkVersion;

/// Without a configured cap, the gates of blocking exchanges require no more than this.
const MOST_FOR_BATCH: u64 = 1000;

/// How the buffers of an input gate are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GateBuffers {
    /// Buffers that belong to one channel alone. Only channels from another TaskManager take them.
    pub exclusive_per_channel: u64,
    /// Floating buffers without which the task fails.
    pub required_floating: u64,
    /// Floating buffers that the gate may have.
    pub total_floating: u64,
    /// Exclusive and floating ones together: with these no channel waits.
    pub target: u64,
}

impl GateBuffers {
    /// The buffers of a gate with this number of channels, at least 1.
    #[must_use]
    pub fn of(settings: &ShuffleSettings, result_type: ResultType, channels: u64) -> Self {
        let channels = channels.max(1);
        let exclusive = channels.saturating_mul(settings.buffers_per_channel);
        let target = exclusive.saturating_add(settings.floating_buffers_per_gate);
        if settings.flink_version < FlinkVersion::V1_17 {
            return Self {
                exclusive_per_channel: settings.buffers_per_channel,
                // A local channel that recovers its state needs one since there is such a thing.
                required_floating: u64::from(settings.flink_version >= FlinkVersion::V1_11),
                total_floating: settings.floating_buffers_per_gate,
                target,
            };
        }
        let is_unlimited = matches!(
            result_type,
            ResultType::Pipelined | ResultType::PipelinedBounded
        ) || result_type.is_hybrid()
            && settings.tier_guaranteed_buffers.is_none();
        let cap = settings
            .required_buffers_per_gate_max
            .unwrap_or(if is_unlimited {
                i32::MAX.unsigned_abs().into()
            } else {
                MOST_FOR_BATCH
            });
        let required = cap.min(exclusive.saturating_add(1));
        let exclusive_per_channel = settings
            .buffers_per_channel
            .min(required.saturating_sub(1) / channels);
        let taken = exclusive_per_channel.saturating_mul(channels);
        Self {
            exclusive_per_channel,
            required_floating: required.saturating_sub(taken),
            total_floating: target.saturating_sub(taken),
            target,
        }
    }

    /// What the gate requires with this number of channels from other TaskManagers.
    #[must_use]
    pub fn required(&self, remote_channels: u64) -> u64 {
        self.exclusive_per_channel
            .saturating_mul(remote_channels)
            .saturating_add(self.required_floating)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(
        version: FlinkVersion,
        cap: Option<u64>,
        result_type: ResultType,
        channels: u64,
    ) -> [u64; 4] {
        let settings = ShuffleSettings {
            required_buffers_per_gate_max: cap,
            ..ShuffleSettings::default_of(version)
        };
        let gate = GateBuffers::of(&settings, result_type, channels);
        [
            gate.exclusive_per_channel,
            gate.required_floating,
            gate.total_floating,
            gate.required(channels),
        ]
    }

    #[test]
    fn a_cap_takes_exclusive_buffers_from_every_channel() {
        let version = FlinkVersion::V1_20;
        assert_eq!(
            gate(version, None, ResultType::PipelinedBounded, 600),
            [2, 1, 8, 1201]
        );
        assert_eq!(
            gate(version, None, ResultType::Blocking, 499),
            [2, 1, 8, 999]
        );
        assert_eq!(
            gate(version, None, ResultType::Blocking, 500),
            [1, 500, 508, 1000]
        );
        assert_eq!(
            gate(version, None, ResultType::Blocking, 1000),
            [0, 1000, 2008, 1000]
        );
        assert_eq!(
            gate(version, Some(1), ResultType::Pipelined, 3),
            [0, 1, 14, 1]
        );
    }

    #[test]
    fn before_1_17_there_is_no_cap() {
        assert_eq!(
            gate(FlinkVersion::V1_16, Some(1), ResultType::Blocking, 1000),
            [2, 1, 8, 2001]
        );
        assert_eq!(
            gate(FlinkVersion::V1_10, None, ResultType::PipelinedBounded, 3),
            [2, 0, 8, 6]
        );
    }
}
