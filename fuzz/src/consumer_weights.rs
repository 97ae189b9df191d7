//! Any text as the weights of managed memory's consumers: read or refused in Flink's words, and no share exceeds the
//! slot.

use arbitrary::Unstructured;
use headroom::{
    budget::{
        Configuration, Origin,
        managed::{ConsumerWeights, Consumers, SlotMemory, UseCase, share_of_slot},
        options::state_backend::MANAGED_CONSUMER_WEIGHTS,
    },
    bytes::Bytes,
};

use super::input::{rest, version};

/// The input is a version, one bit for each consumer and one for the state backend, and the text.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let (Ok(version), Ok(bits)) = (version(&mut input), input.arbitrary::<u8>()) else {
        return;
    };
    let text = rest(input);
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
}
