//! What several targets make of the bytes of their input.

use arbitrary::{Result, Unstructured};
use headroom::budget::FlinkVersion;

/// Any version.
pub fn version(input: &mut Unstructured<'_>) -> Result<FlinkVersion> {
    input.choose(FlinkVersion::ALL).copied()
}

/// All that is left of the input, up to where it is no text any more.
pub fn rest<'a>(input: Unstructured<'a>) -> &'a str {
    let bytes = input.take_rest();
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}
