//! Network memory in buffers: how many segments it holds, and how many the exchanges of a job need.
//!
//! Mirrors `NettyShuffleEnvironmentConfiguration`, `NettyShuffleUtils` and `InputGateSpecUtils`. A segment of network
//! memory is a buffer. Result partitions and input gates own pools of buffers; a pool gets what it *requires* or
//! its task fails, and works without waiting once it has what it *targets*.

mod gate;
mod job;
mod partition;

use serde::Serialize;

pub use self::{
    gate::GateBuffers,
    job::{
        Cluster, Distribution, Exchange, JobBuffers, JobShape, JobShapeError, MOST_SUBTASKS,
        NetworkSizes, TooFewSlots, Vertex, VertexBuffers,
    },
    partition::PartitionBuffers,
};
use super::{
    flink_error::segment_size_message,
    infeasible::FlinkError,
    options::{
        Id, SEGMENT_SIZE,
        shuffle::{
            BATCH_SHUFFLE_MODE, BUFFERS_PER_CHANNEL, FLOATING_BUFFERS_PER_GATE,
            HYBRID_SHUFFLE_NEW_MODE, HYBRID_SHUFFLE_REMOTE_PATH, MAX_OVERDRAFT_BUFFERS_PER_GATE,
            REQUIRED_BUFFERS_PER_GATE_MAX, SORT_SHUFFLE_MIN_BUFFERS, SORT_SHUFFLE_MIN_PARALLELISM,
        },
    },
    process::segment_size_violation,
    request::Configuration,
    typed_option::TypedOptions,
    version::FlinkVersion,
    violation::Kind,
};
use crate::bytes::Bytes;

/// How a result partition hands its data over, `ResultPartitionType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultType {
    /// Everything is written out before the first consumer starts.
    Blocking,
    /// The same, and kept for later jobs.
    BlockingPersistent,
    /// Handed over as it is produced, in any number of buffers.
    Pipelined,
    /// Handed over as it is produced, in a bounded number of buffers: what streaming jobs do.
    PipelinedBounded,
    /// The same, for consumers that reconnect.
    PipelinedApproximate,
    /// Handed over as it is produced or written out, and all of it written out as well.
    HybridFull,
    /// Handed over as it is produced, and written out only where nobody reads it yet.
    HybridSelective,
}

impl ResultType {
    /// Every type.
    pub const ALL: [ResultType; 7] = [
        Self::Blocking,
        Self::BlockingPersistent,
        Self::Pipelined,
        Self::PipelinedBounded,
        Self::PipelinedApproximate,
        Self::HybridFull,
        Self::HybridSelective,
    ];

    /// Flink's name in a job plan: `pipelined_bounded`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::BlockingPersistent => "blocking_persistent",
            Self::Pipelined => "pipelined",
            Self::PipelinedBounded => "pipelined_bounded",
            Self::PipelinedApproximate => "pipelined_approximate",
            Self::HybridFull => "hybrid_full",
            Self::HybridSelective => "hybrid_selective",
        }
    }

    /// The type of this name, in any case; `None` for any other text.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|result_type| result_type.as_str().eq_ignore_ascii_case(name))
    }

    const fn is_blocking(self) -> bool {
        matches!(self, Self::Blocking | Self::BlockingPersistent)
    }

    const fn is_hybrid(self) -> bool {
        matches!(self, Self::HybridFull | Self::HybridSelective)
    }

    /// Whether producers and consumers have to run at the same time.
    #[must_use]
    pub const fn is_pipelined(self) -> bool {
        !self.is_blocking() && !self.is_hybrid()
    }

    const fn is_bounded(self) -> bool {
        matches!(self, Self::PipelinedBounded | Self::PipelinedApproximate)
    }
}

/// The settings of the network stack that decide about buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShuffleSettings {
    /// The Flink release whose arithmetic applies.
    pub flink_version: FlinkVersion,
    /// Buffers that belong to one input channel, and by which the maximum of a bounded partition grows.
    pub buffers_per_channel: u64,
    /// Buffers that the channels of a gate share.
    pub floating_buffers_per_gate: u64,
    /// Buffers that an output may take beyond its pool, where any are free; never required.
    pub max_overdraft_buffers_per_gate: u64,
    /// The most buffers that a gate may require, where it was configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_buffers_per_gate_max: Option<u64>,
    /// Buffers of a partition that sorts.
    pub sort_shuffle_min_buffers: u64,
    /// From this number of subpartitions on, a blocking partition sorts.
    pub sort_shuffle_min_parallelism: u64,
    /// Buffers that the tiers of the hybrid shuffle guarantee together; `None` where there are no tiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier_guaranteed_buffers: Option<u64>,
}

impl ShuffleSettings {
    /// The settings of a version where nothing was configured.
    #[must_use]
    pub fn default_of(version: FlinkVersion) -> Self {
        let sorts_by_default = version >= FlinkVersion::V1_15;
        Self {
            flink_version: version,
            buffers_per_channel: 2,
            floating_buffers_per_gate: 8,
            max_overdraft_buffers_per_gate: match version {
                _ if version >= FlinkVersion::V2_0 => 20,
                _ if version >= FlinkVersion::V1_16 => 5,
                _ => 0,
            },
            required_buffers_per_gate_max: None,
            sort_shuffle_min_buffers: if sorts_by_default { 512 } else { 64 },
            sort_shuffle_min_parallelism: if sorts_by_default {
                1
            } else {
                i32::MAX.unsigned_abs().into()
            },
            tier_guaranteed_buffers: None,
        }
    }

    /// The settings in a configuration. Since 2.0 most of them are constants, and their options do nothing.
    ///
    /// # Errors
    /// What Flink raises for a number that it can't read or does not take.
    pub fn of(version: FlinkVersion, configuration: &Configuration) -> Result<Self, FlinkError> {
        let options = TypedOptions(configuration);
        let mut settings = Self::default_of(version);
        let count = |key: &str| -> Result<Option<i64>, FlinkError> {
            Ok(options.integer(key)?.map(i64::from))
        };
        // Negative numbers are refused below where Flink refuses them; elsewhere they act as none.
        let at_least_zero = |count: i64| count.max(0).unsigned_abs();
        let has_options = version <= FlinkVersion::V1_20;
        if has_options {
            if let Some(count) = count(BUFFERS_PER_CHANNEL)? {
                if count < 0 {
                    return Err(FlinkError::argument("Must be non-negative."));
                }
                settings.buffers_per_channel = at_least_zero(count);
            }
            if let Some(count) = count(FLOATING_BUFFERS_PER_GATE)? {
                if count < 1 && version >= FlinkVersion::V1_17 {
                    return Err(FlinkError::argument(format!(
                        "The configured floating buffer should be at least 1, please increase the value of \
                         {FLOATING_BUFFERS_PER_GATE}."
                    )));
                }
                settings.floating_buffers_per_gate = at_least_zero(count);
            }
        }
        if has_options
            && version >= FlinkVersion::V1_16
            && let Some(count) = count(MAX_OVERDRAFT_BUFFERS_PER_GATE)?
        {
            settings.max_overdraft_buffers_per_gate = at_least_zero(count);
        }
        if version >= FlinkVersion::V1_17
            && let Some(count) = count(REQUIRED_BUFFERS_PER_GATE_MAX)?
        {
            if count < 1 {
                return Err(FlinkError::argument(format!(
                    "At least one buffer is required for each gate, please increase the value of \
                     {REQUIRED_BUFFERS_PER_GATE_MAX}."
                )));
            }
            settings.required_buffers_per_gate_max = Some(at_least_zero(count));
        }
        if version >= FlinkVersion::V1_12
            && let Some(count) = count(SORT_SHUFFLE_MIN_BUFFERS)?
        {
            settings.sort_shuffle_min_buffers = at_least_zero(count);
        }
        if has_options
            && version >= FlinkVersion::V1_12
            && let Some(count) = count(SORT_SHUFFLE_MIN_PARALLELISM)?
        {
            settings.sort_shuffle_min_parallelism = at_least_zero(count);
        }
        settings.tier_guaranteed_buffers = tiers(version, options)?;
        Ok(settings)
    }
}

/// What the tiers of the hybrid shuffle guarantee, where it is on: 100 buffers in memory, one for the disk, one for
/// remote storage where it has a path.
fn tiers(version: FlinkVersion, options: TypedOptions<'_>) -> Result<Option<u64>, FlinkError> {
    let is_hybrid = options.text(BATCH_SHUFFLE_MODE).is_some_and(|mode| {
        mode.to_ascii_uppercase()
            .starts_with("ALL_EXCHANGES_HYBRID")
    });
    if !is_hybrid || version < FlinkVersion::V1_18 {
        return Ok(None);
    }
    if version <= FlinkVersion::V1_20 && options.boolean(HYBRID_SHUFFLE_NEW_MODE)? == Some(false) {
        return Ok(None);
    }
    let has_remote = options
        .text(HYBRID_SHUFFLE_REMOTE_PATH)
        .is_some_and(|path| !path.is_empty());
    Ok(Some(101 + u64::from(has_remote)))
}

/// The segment size of a configuration, or Flink's default.
///
/// # Errors
/// What Flink raises for a size that it can't read, that is below 4 KiB, no power of two, or 2 GiB and more.
pub fn segment_size(configuration: &Configuration) -> Result<Bytes, FlinkError> {
    let size = TypedOptions(configuration)
        .size(SEGMENT_SIZE)?
        .or(Id::SegmentSize.default_size(FlinkVersion::V1_10))
        .unwrap_or(Bytes::KIBI);
    match segment_size_violation(size) {
        Some(Kind::SegmentTooLarge { bytes }) => Err(FlinkError::argument(format!(
            "Cannot downcast long value {} to integer.",
            bytes.get()
        ))),
        Some(Kind::SegmentTooSmall { bytes }) => Err(FlinkError::configuration(
            segment_size_message(bytes.get(), "Minimum memory segment size is 4096"),
        )),
        Some(_) => Err(FlinkError::configuration(segment_size_message(
            size.get(),
            "Memory segment size must be a power of 2.",
        ))),
        None => Ok(size),
    }
}

/// The buffers that network memory holds; what does not fill a segment is wasted.
///
/// # Errors
/// What Flink raises for more than 2^31 − 1 segments.
pub fn segments(network: Bytes, segment_size: Bytes) -> Result<u64, FlinkError> {
    let segments = network.get() / segment_size.get().max(1);
    if segments > i32::MAX.unsigned_abs().into() {
        return Err(FlinkError::argument(format!(
            "The given number of memory bytes ({}) corresponds to more than MAX_INT pages.",
            network.get()
        )));
    }
    Ok(segments)
}

/// The network memory of so many buffers; `None` above 2^63 − 1 bytes.
#[must_use]
pub fn memory_of(buffers: u64, segment_size: Bytes) -> Option<Bytes> {
    buffers
        .checked_mul(segment_size.get())
        .filter(|bytes| *bytes <= Bytes::MAX.get())
        .map(Bytes)
}

/// One input of a task, as it is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnouncedGate {
    /// How the data comes.
    pub result_type: ResultType,
    /// The gate's channels.
    pub channels: u64,
    /// How many of the task's gates read the same data.
    pub reuse: u64,
}

/// The buffers that a task announces to fine-grained resource management, since 1.14: the target of each gate; of
/// each partition (its type and its subpartitions) the maximum where consumers may read along, else what it
/// requires.
///
/// # Errors
/// What Flink raises for a partition without a maximum, which fine-grained scheduling does not work with.
pub fn announced_buffers(
    settings: &ShuffleSettings,
    gates: &[AnnouncedGate],
    partitions: &[(ResultType, u64)],
) -> Result<u64, FlinkError> {
    let mut buffers = 0_u64;
    for gate in gates {
        let target = GateBuffers::of(settings, gate.result_type, gate.channels).target;
        buffers = buffers.saturating_add(target.saturating_mul(gate.reuse));
    }
    for (result_type, subpartitions) in partitions {
        let partition = PartitionBuffers::of(settings, *result_type, *subpartitions);
        buffers = buffers.saturating_add(if result_type.is_blocking() {
            partition.required
        } else {
            partition.maximum.ok_or_else(|| {
                FlinkError::argument(format!(
                    "Illegal to announce network memory requirement as Integer.MAX_VALUE, partition type: {}",
                    result_type.as_str().to_ascii_uppercase()
                ))
            })?
        });
    }
    Ok(buffers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::request::Origin;

    fn settings(
        version: FlinkVersion,
        options: &[(&str, &str)],
    ) -> Result<ShuffleSettings, FlinkError> {
        let configuration =
            options
                .iter()
                .fold(Configuration::new(), |configuration, (key, value)| {
                    configuration.with(*key, *value, Origin::FlinkConfiguration)
                });
        ShuffleSettings::of(version, &configuration)
    }

    #[test]
    fn options_count_in_the_versions_that_read_them() {
        let options = [
            (BUFFERS_PER_CHANNEL, "4"),
            (FLOATING_BUFFERS_PER_GATE, "16"),
            (MAX_OVERDRAFT_BUFFERS_PER_GATE, "7"),
            (REQUIRED_BUFFERS_PER_GATE_MAX, "100"),
            (SORT_SHUFFLE_MIN_BUFFERS, "32"),
            (SORT_SHUFFLE_MIN_PARALLELISM, "9"),
        ];
        let of = |version| {
            let settings = settings(version, &options).unwrap();
            (
                settings.buffers_per_channel,
                settings.floating_buffers_per_gate,
                settings.max_overdraft_buffers_per_gate,
                settings.required_buffers_per_gate_max,
                settings.sort_shuffle_min_buffers,
                settings.sort_shuffle_min_parallelism,
            )
        };
        assert_eq!(of(FlinkVersion::V1_10), (4, 16, 0, None, 64, 2_147_483_647));
        assert_eq!(of(FlinkVersion::V1_15), (4, 16, 0, None, 32, 9));
        assert_eq!(of(FlinkVersion::V1_20), (4, 16, 7, Some(100), 32, 9));
        assert_eq!(of(FlinkVersion::V2_3), (2, 8, 20, Some(100), 32, 1));
    }

    #[test]
    fn numbers_that_flink_refuses_are_refused() {
        let message = |version, key, value| settings(version, &[(key, value)]).unwrap_err().message;
        let version = FlinkVersion::V1_20;
        assert_eq!(
            message(version, BUFFERS_PER_CHANNEL, "-1"),
            "Must be non-negative."
        );
        assert!(message(version, FLOATING_BUFFERS_PER_GATE, "0").contains("should be at least 1"));
        assert!(settings(FlinkVersion::V1_16, &[(FLOATING_BUFFERS_PER_GATE, "0")]).is_ok());
        assert!(
            message(version, REQUIRED_BUFFERS_PER_GATE_MAX, "0").contains("At least one buffer")
        );
        assert!(message(version, SORT_SHUFFLE_MIN_BUFFERS, "many").contains("'many'"));
        for (key, least) in [
            (BUFFERS_PER_CHANNEL, "0"),
            (FLOATING_BUFFERS_PER_GATE, "1"),
            (REQUIRED_BUFFERS_PER_GATE_MAX, "1"),
        ] {
            assert!(settings(version, &[(key, least)]).is_ok(), "{key}");
        }
    }

    #[test]
    fn overdraft_came_with_1_16_and_grew_with_2_0() {
        let overdraft =
            |version| ShuffleSettings::default_of(version).max_overdraft_buffers_per_gate;
        assert_eq!(overdraft(FlinkVersion::V1_15), 0);
        assert_eq!(overdraft(FlinkVersion::V1_16), 5);
        assert_eq!(overdraft(FlinkVersion::V1_20), 5);
        assert_eq!(overdraft(FlinkVersion::V2_0), 20);
    }

    #[test]
    fn only_pipelined_results_have_consumers_at_the_same_time() {
        let pipelined = ResultType::ALL
            .into_iter()
            .filter(|result_type| result_type.is_pipelined());
        let names: Vec<&str> = pipelined.map(ResultType::as_str).collect();
        assert_eq!(
            names,
            ["pipelined", "pipelined_bounded", "pipelined_approximate"]
        );
    }

    #[test]
    fn tiers_come_with_the_hybrid_shuffle() {
        let hybrid = (BATCH_SHUFFLE_MODE, "ALL_EXCHANGES_HYBRID_FULL");
        let tiers =
            |version, options: &[_]| settings(version, options).unwrap().tier_guaranteed_buffers;
        assert_eq!(tiers(FlinkVersion::V1_17, &[hybrid]), None);
        assert_eq!(tiers(FlinkVersion::V1_18, &[hybrid]), Some(101));
        let old = (HYBRID_SHUFFLE_NEW_MODE, "false");
        assert_eq!(tiers(FlinkVersion::V1_20, &[hybrid, old]), None);
        let new = (HYBRID_SHUFFLE_NEW_MODE, "TRUE");
        assert_eq!(tiers(FlinkVersion::V1_20, &[hybrid, new]), Some(101));
        assert_eq!(tiers(FlinkVersion::V2_0, &[hybrid, old]), Some(101));
        let remote = (HYBRID_SHUFFLE_REMOTE_PATH, "s3://bucket");
        assert_eq!(tiers(FlinkVersion::V2_0, &[hybrid, remote]), Some(102));
        assert_eq!(tiers(FlinkVersion::V2_0, &[remote]), None);
    }

    #[test]
    fn what_a_task_announces_is_what_it_would_use() {
        let settings = ShuffleSettings::default_of(FlinkVersion::V1_20);
        let gate = AnnouncedGate {
            result_type: ResultType::PipelinedBounded,
            channels: 10,
            reuse: 2,
        };
        let partitions = [
            (ResultType::PipelinedBounded, 10),
            (ResultType::Blocking, 10),
        ];
        assert_eq!(
            announced_buffers(&settings, &[gate], &partitions),
            Ok(2 * 28 + 28 + 512)
        );
        let unbounded = announced_buffers(&settings, &[], &[(ResultType::HybridFull, 1)]);
        assert!(
            unbounded
                .unwrap_err()
                .message
                .ends_with("partition type: HYBRID_FULL")
        );
    }

    #[test]
    fn segments_fit_into_an_integer() {
        let segment = Bytes(32 << 10);
        assert_eq!(segments(Bytes::from_mebibytes(64), segment), Ok(2048));
        let most = u64::from(i32::MAX.unsigned_abs());
        assert_eq!(segments(Bytes(most << 15), segment), Ok(most));
        assert_eq!(segments(Bytes(segment.get() - 1), segment), Ok(0));
        assert!(segments(Bytes::MAX, segment).is_err());
        assert_eq!(memory_of(2048, segment), Some(Bytes::from_mebibytes(64)));
        assert_eq!(memory_of(u64::MAX, segment), None);
    }
}
