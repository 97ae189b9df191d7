//! The text of a size: its bytes and Flink's readable form, or Flink's error.

use headroom::budget::memory_size;
use serde_json::Value;

use super::text_of;

/// Every field that differs.
pub fn differences(vector: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let text = text_of(vector, "text");
    let recorded = |pointer: &str| vector.pointer(pointer).cloned().unwrap_or_default();
    match memory_size::parse(text) {
        Ok(size) => {
            let human = memory_size::human_readable(size);
            if recorded("/result/bytes") != size.get() || recorded("/result/human") != human {
                let result = recorded("/result");
                differences.push(format!(
                    "{text:?}: Flink {result}, Headroom {} {human:?}",
                    size.get()
                ));
            }
        }
        Err(error) => {
            let message = error.flink_message();
            if recorded("/error/message") != message {
                differences.push(format!(
                    "{text:?}: Flink {}, Headroom {message:?}",
                    recorded("/error")
                ));
            }
        }
    }
    differences
}
