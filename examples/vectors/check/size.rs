//! The text of a size: its bytes, and the two forms in which Flink writes them; or Flink's error.

use headroom::budget::memory_size::{self, SizeError};
use serde_json::Value;

use super::text_of;

/// Every field that differs.
pub fn differences(vector: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let text = text_of(vector, "text");
    let recorded = |pointer: &str| vector.pointer(pointer).cloned().unwrap_or_default();
    match memory_size::parse(text) {
        Ok(size) => {
            let ours = serde_json::json!({
                "bytes": size,
                // Java casts the whole mebibytes to an int.
                "mebiBytes": size.whole_mebibytes() as i32,
                "string": memory_size::flink_text(size),
                "human": memory_size::human_readable(size),
            });
            let theirs = recorded("/result");
            if ours != theirs {
                differences.push(format!("{text:?}: Flink {theirs}, Headroom {ours}"));
            }
        }
        Err(error) => {
            let class = match error {
                SizeError::NoNumber => "java.lang.NumberFormatException",
                _ => "java.lang.IllegalArgumentException",
            };
            let message = error.flink_message();
            if recorded("/error/class") != class || recorded("/error/message") != message {
                differences.push(format!(
                    "{text:?}: Flink {}, Headroom {class}: {message}",
                    recorded("/error")
                ));
            }
        }
    }
    differences
}
