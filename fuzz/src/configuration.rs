//! Any text as each form of Flink's configuration: read without a panic, every key once, every place inside the text.

use std::collections::HashSet;

use arbitrary::Unstructured;
use headroom::configuration::{Effect, Format, Reading, arguments, flink_properties};

use super::input::{rest, version};

/// The input is a version and the text.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(version) = version(&mut input) else {
        return;
    };
    let text = rest(input);
    let lines = text
        .split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
        .count() as u64;
    let check = |reading: &Reading| {
        let mut keys = HashSet::new();
        for entry in &reading.entries {
            assert!(keys.insert(entry.key.as_str()), "{} twice", entry.key);
            assert!((1..=lines).contains(&entry.place.line));
        }
        for finding in &reading.findings {
            assert!(!finding.message.contains('\n') && !finding.message.is_empty());
        }
        if reading
            .findings
            .iter()
            .any(|finding| finding.effect == Effect::Unreadable)
        {
            assert!(reading.is_refused());
        }
    };
    for format in [Format::ConfigYaml, Format::FlinkConfYaml] {
        let reading = format.read(text);
        check(&reading);
        if format == Format::FlinkConfYaml {
            assert!(!reading.is_refused());
        }
    }
    check(&flink_properties::read(text, version));
    let words = arguments::shell_words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for argument in arguments::read(&words) {
        assert!(argument.index < words.len());
    }
}
