//! Lines K14 to K16: how many buffers gates and partitions take.

use std::{sync::Arc, time::Duration};

use headroom::{
    budget::{
        FlinkVersion,
        network::{
            AnnouncedGate, GateBuffers, PartitionBuffers, ResultType, ShuffleSettings,
            announced_buffers,
        },
    },
    pool::{
        input_gate::{GateError, InputGate},
        network_pool::{DEFAULT_REQUEST_TIMEOUT, NetworkBufferPool, NetworkPoolError},
        result_partition::{BufferWritingResultPartition, ResultPartitionSpec},
        task_io::TaskIoMetrics,
    },
};

use crate::credit::Nowhere;

/// Exclusive buffers per channel, floating ones (required and at most), all together.
fn gate(settings: &ShuffleSettings, result_type: ResultType, channels: u64) -> [u64; 4] {
    let gate = GateBuffers::of(settings, result_type, channels);
    [
        gate.exclusive_per_channel,
        gate.required_floating,
        gate.total_floating,
        gate.target,
    ]
}

/// Streaming gates give each channel its exclusive buffers; those of batch jobs require 1000 at most and give fewer
/// from 500 channels on. A configured cap replaces the default one.
#[test]
fn k14_gate_buffers() {
    let unlimited = ShuffleSettings::default_of(FlinkVersion::V2_3);
    let tiered = ShuffleSettings {
        tier_guaranteed_buffers: Some(101),
        ..unlimited
    };
    let types = ResultType::ALL.into_iter().flat_map(|result_type| {
        let is_pipelined = matches!(
            result_type,
            ResultType::Pipelined | ResultType::PipelinedBounded
        );
        let is_hybrid = matches!(
            result_type,
            ResultType::HybridFull | ResultType::HybridSelective
        );
        [
            (unlimited, result_type, is_pipelined || is_hybrid),
            (tiered, result_type, is_pipelined),
        ]
    });
    for (settings, result_type, is_streaming) in types {
        for (channels, streaming, batch) in [
            (499, [2, 1, 8, 1006], [2, 1, 8, 1006]),
            (500, [2, 1, 8, 1008], [1, 500, 508, 1008]),
            (999, [2, 1, 8, 2006], [1, 1, 1007, 2006]),
            (1000, [2, 1, 8, 2008], [0, 1000, 2008, 2008]),
        ] {
            let expected = if is_streaming { streaming } else { batch };
            assert_eq!(
                gate(&settings, result_type, channels),
                expected,
                "{result_type:?} {channels}"
            );
        }
        let none_per_channel = ShuffleSettings {
            buffers_per_channel: 0,
            ..settings
        };
        assert_eq!(
            gate(&none_per_channel, result_type, 1001),
            [0, 1, 8, 8],
            "{result_type:?}"
        );
        let capped = ShuffleSettings {
            required_buffers_per_gate_max: Some(100),
            ..settings
        };
        assert_eq!(
            GateBuffers::of(&capped, result_type, 1000).required(1000),
            100,
            "{result_type:?}"
        );
        let required = GateBuffers::of(&settings, result_type, 1 << 20).required(1 << 20);
        assert_eq!(
            required,
            if is_streaming { (2 << 20) + 1 } else { 1000 },
            "{result_type:?}"
        );
    }
}

fn network(segments: usize) -> NetworkBufferPool {
    NetworkBufferPool::new(segments, 32, DEFAULT_REQUEST_TIMEOUT).unwrap()
}

fn partition(
    network: &NetworkBufferPool,
    settings: ShuffleSettings,
    result_type: ResultType,
    subpartitions: usize,
) -> Result<BufferWritingResultPartition, NetworkPoolError> {
    let buffers = PartitionBuffers::of(&settings, result_type, subpartitions as u64);
    BufferWritingResultPartition::set_up(
        network,
        &ResultPartitionSpec::new("partition", subpartitions, buffers, settings),
        Arc::new(TaskIoMetrics::new(true)),
        Box::new(|| Duration::ZERO),
    )
}

fn input(
    network: &NetworkBufferPool,
    settings: ShuffleSettings,
    result_type: ResultType,
    channels: usize,
) -> Result<InputGate, GateError> {
    let buffers = GateBuffers::of(&settings, result_type, channels as u64);
    InputGate::set_up(network, &buffers, channels, "gate")
}

/// What a task announces is exactly what its two gates and three partitions take at most, and all can have it at once.
#[test]
fn k15_announced_buffers() {
    let settings = ShuffleSettings {
        buffers_per_channel: 5,
        floating_buffers_per_gate: 8,
        required_buffers_per_gate_max: Some(i32::MAX.unsigned_abs().into()),
        sort_shuffle_min_parallelism: 8,
        sort_shuffle_min_buffers: 12,
        max_overdraft_buffers_per_gate: 0,
        ..ShuffleSettings::default_of(FlinkVersion::V2_3)
    };
    let (bounded, blocking) = (ResultType::PipelinedBounded, ResultType::Blocking);
    let gate = |result_type, channels| AnnouncedGate {
        result_type,
        channels,
        reuse: 1,
    };
    let announced = announced_buffers(
        &settings,
        &[gate(bounded, 3), gate(blocking, 4)],
        &[(bounded, 5), (blocking, 6), (blocking, 10)],
    )
    .unwrap();
    let announced = usize::try_from(announced).unwrap();

    let network = network(announced);
    let gates = [(bounded, 3), (blocking, 4)]
        .map(|(result_type, channels)| input(&network, settings, result_type, channels).unwrap());
    let pipelined = partition(&network, settings, bounded, 5).unwrap();
    let hashed = partition(&network, settings, blocking, 6).unwrap();
    let sorted = partition(&network, settings, blocking, 10).unwrap();
    let exclusive: usize = gates
        .iter()
        .flat_map(|gate| gate.channels())
        .map(|channel| channel.available_buffers())
        .sum();
    let floating: usize = gates
        .iter()
        .map(|gate| gate.pool().max_number_of_segments())
        .sum();
    let taken = exclusive
        + floating
        + pipelined.pool().max_number_of_segments()
        + hashed.pool().number_of_required_segments()
        + sorted.pool().number_of_required_segments();
    assert_eq!((announced, taken), (103, 103));

    let shares = [
        (gates[0].pool(), 8),
        (gates[1].pool(), 8),
        (pipelined.pool(), 33),
        (hashed.pool(), 7),
        (sorted.pool(), 12),
    ];
    let segments = shares.map(|(pool, share)| {
        pool.set_number_of_buffers(share).unwrap();
        std::iter::from_fn(|| pool.request_segment().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(
        segments.each_ref().map(Vec::len),
        shares.map(|(_, share)| share)
    );
}

/// Partitions of 2, 2, 2 and 4 and gates of 2, 2, 2 and 4 fit into 18 + 10 · P buffers, with nothing to spare; with fewer
/// the one that does not fit says so, and takes nothing.
#[test]
fn k16_tasks_in_few_buffers() {
    let settings = ShuffleSettings::default_of(FlinkVersion::V2_3);
    let bounded = ResultType::PipelinedBounded;
    let sizes = [2, 2, 2, 4];
    let exclusive = 10 * usize::try_from(settings.buffers_per_channel).unwrap();

    let enough = network(18 + exclusive);
    let partitions =
        sizes.map(|subpartitions| partition(&enough, settings, bounded, subpartitions).unwrap());
    let gates = sizes.map(|channels| input(&enough, settings, bounded, channels).unwrap());
    for (partition, subpartitions) in partitions.iter().zip(sizes) {
        let pool = partition.pool();
        assert_eq!(pool.number_of_required_segments(), subpartitions + 1);
        assert_eq!(pool.number_of_buffers(), subpartitions + 1);
    }
    for gate in &gates {
        let pool = gate.pool();
        assert_eq!(pool.number_of_required_segments(), 1);
        assert_eq!(pool.max_number_of_segments(), 8);
        assert_eq!(pool.number_of_buffers(), 1);
    }
    drop((partitions, gates));
    assert_eq!(enough.number_of_available_segments(), 18 + exclusive);

    let few = network(10 + exclusive - 1);
    let partitions =
        sizes.map(|subpartitions| partition(&few, settings, bounded, subpartitions).unwrap());
    let gates: Result<Vec<_>, _> = sizes
        .iter()
        .map(|channels| input(&few, settings, bounded, *channels))
        .collect();
    let error = gates.err().unwrap();
    let mut reasons = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        reasons += &error.to_string();
        source = error.source();
    }
    assert!(
        reasons.contains("insufficient number of network buffers"),
        "{reasons}"
    );
    drop(partitions);
    assert_eq!(few.number_of_available_segments(), 10 + exclusive - 1);
}

#[test]
fn a_gate_tells_what_is_used_and_gives_everything_back() {
    let settings = ShuffleSettings::default_of(FlinkVersion::V2_3);
    let network = network(2 * 2 + 8);
    let gate = input(&network, settings, ResultType::PipelinedBounded, 2).unwrap();
    let figures = || {
        (
            gate.exclusive_buffers_used(),
            gate.floating_buffers_used(),
            gate.buffers_in_use(),
        )
    };
    assert!(gate.announce_buffer_size(100).is_err(), "nobody to tell");
    let channels = gate.channels();
    for channel in channels {
        channel.request_subpartition(Arc::new(Nowhere));
    }
    assert_eq!(figures(), (0, 0, 0));
    // One exclusive buffer, then a floating one that was free.
    let first = channels[0].request_buffer().unwrap();
    channels[0].on_buffer(first, 0, Some(2)).unwrap();
    assert_eq!(figures(), (1, 0, 3));
    let second = channels[0].request_buffer().unwrap();
    channels[0].on_buffer(second, 1, Some(1)).unwrap();
    assert_eq!(figures(), (1, 1, 3));

    channels[1].release_all_resources();
    gate.announce_buffer_size(100).unwrap();
    gate.close();
    gate.close();
    assert!(gate.pool().is_destroyed());
    assert_eq!(network.number_of_available_segments(), 12);
}
