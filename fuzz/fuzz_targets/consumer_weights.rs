//! Any text as the weights of managed memory's consumers: read or refused in Flink's words, and no share exceeds the
//! slot.
//!
//! The input is the number of a version, one bit for each consumer and one for the state backend, and the text.

#![no_main]

use headroom::{
    budget::{
        Configuration, FlinkVersion, Origin,
        managed::{ConsumerWeights, Consumers, SlotMemory, UseCase, share_of_slot},
        options::state_backend::MANAGED_CONSUMER_WEIGHTS,
    },
    bytes::Bytes,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, &str)| {
    let (version, bits, text) = input;
    let version = FlinkVersion::ALL[usize::from(version) % FlinkVersion::ALL.len()];
    let configuration =
        Configuration::new().with(MANAGED_CONSUMER_WEIGHTS, text, Origin::FlinkConfiguration);
    let weights = match ConsumerWeights::of(version, &configuration) {
        Ok(weights) => weights,
        Err(error) => {
            assert!(!error.message.is_empty());
            return;
        }
    };
    let present: Vec<UseCase> = UseCase::ALL
        .into_iter()
        .filter(|use_case| bits & (1 << *use_case as u8) != 0)
        .collect();
    let consumers = Consumers::new(&present, bits & 8 != 0);
    let slot = SlotMemory::new(Bytes::GIBI, Bytes(32 << 10)).expect("a slot of few pages");
    for use_case in present {
        assert!(weights.weight(use_case).is_none_or(|weight| weight >= 0));
        let share = share_of_slot(&weights, &consumers, use_case, 1.0);
        match slot.bytes_of(share) {
            Ok(bytes) => assert!(bytes <= slot.bytes),
            // Weights whose sum overflows 32 bits leave a share of none, or of more than all.
            Err(error) => assert!(!(share > 0.0 && share <= 1.0), "{share}: {error}"),
        }
    }
});
