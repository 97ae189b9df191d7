//! One recorded answer of Flink against Headroom's; which file here knows the kind of question.

// This file is a module of the example and, by its path, of a test; only paths lead both to the same files.
#[path = "check/auxiliary.rs"]
mod auxiliary;
#[path = "check/legacy.rs"]
mod legacy;
#[path = "check/process.rs"]
mod process;
#[path = "check/size.rs"]
mod size;

use serde_json::Value;

/// What became of a line.
pub enum Outcome {
    /// Both agree.
    Passed,
    /// They don't.
    Failed {
        /// The line's name.
        id: String,
        /// Every field that differs, with both values.
        differences: Vec<String>,
    },
}

/// Checks one line.
///
/// # Errors
/// The line is no JSON object in the format of the recorded answers, or asks what there is no model for.
pub fn line(text: &str) -> Result<Outcome, String> {
    let vector: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let differences = match (text_of(&vector, "op"), text_of(&vector, "role")) {
        ("parse", _) => size::differences(&vector),
        ("", _) if text_of(&vector, "flinkVersion").starts_with("1.9.") => {
            legacy::differences(&vector)?
        }
        ("", _) => process::differences(&vector)?,
        _ => auxiliary::differences(&vector)?,
    };
    Ok(if differences.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed {
            id: text_of(&vector, "id").to_owned(),
            differences,
        }
    })
}

/// A field that is a text; empty where it is none.
fn text_of<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector.get(name).and_then(Value::as_str).unwrap_or_default()
}
