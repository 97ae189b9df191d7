//! `GateBuffersSpec`: how the buffers of an input gate are shared out.

use headroom::budget::{
    FlinkVersion,
    network::{GateBuffers, ResultType, ShuffleSettings},
};

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
