//! Any text as a Flink size, a Kubernetes quantity and a Flink version: read or refused, and what is read prints
//! back to itself.

use arbitrary::Unstructured;
use headroom::{
    budget::{FlinkVersion, memory_size},
    quantity::{self, Quantity},
};

use super::input::rest;

/// The input is the text.
pub fn run(data: &[u8]) {
    let text = rest(Unstructured::new(data));
    if let Ok(size) = memory_size::parse(text) {
        assert_eq!(memory_size::parse(&memory_size::text(size)), Ok(size));
    }
    if let Ok(quantity) = text.parse::<Quantity>() {
        assert_eq!(quantity.to_string().parse(), Ok(quantity));
    }
    if let Ok(memory) = quantity::parse_memory(text) {
        assert_eq!(
            quantity::parse_memory(&quantity::memory_text(memory)),
            Ok(memory)
        );
    }
    if let Some(suspicion) = quantity::suspicious_memory(text) {
        assert!(
            suspicion
                .meant
                .iter()
                .all(|meant| quantity::parse_memory(meant).is_ok())
        );
    }
    if let Ok(version) = text.parse::<FlinkVersion>() {
        assert_eq!(version.as_str().parse(), Ok(version));
    }
}
