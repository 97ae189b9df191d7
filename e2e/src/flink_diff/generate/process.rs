//! What questions about TaskManagers and JobManagers have in common.

use fastrand::Rng;
use headroom::budget::options;

use super::{
    super::question::Question,
    text::{self, one_of, percent},
};

/// Where a heap of Flink 1.9 stands: in the environment, as a size, in mebibytes.
pub struct LegacyHeap {
    pub environment: &'static str,
    pub size: &'static str,
    pub mebibytes: &'static str,
}

/// A total: mostly one that people give a process, sometimes next to nothing or next to everything.
pub fn total(rng: &mut Rng) -> u64 {
    let total = match rng.u32(..20) {
        0 => text::magnitude(rng, 1, 1 << 20),
        1 => text::huge_size(rng),
        _ => text::magnitude(rng, 256 << 20, 64 << 30),
    };
    whole_mebibytes(rng, total, 70)
}

/// A part of a total that lies around this share of it, in percent.
pub fn part(rng: &mut Rng, total: u64, share: u64) -> String {
    let size = (total / 100).saturating_mul(rng.u64(..=2 * share));
    let size = whole_mebibytes(rng, size, 50);
    text::size(rng, size)
}

/// Whole MiB, as people write them, in this many of a hundred cases.
fn whole_mebibytes(rng: &mut Rng, size: u64, chance: u32) -> u64 {
    if percent(rng, chance) {
        size & !((1 << 20) - 1)
    } else {
        size
    }
}

/// Gives the total by one of the heap options of Flink 1.9.
pub fn legacy_heap(rng: &mut Rng, question: &mut Question, keys: &LegacyHeap, total: u64) {
    match rng.u32(..3) {
        0 => {
            let heap = if percent(rng, 10) {
                text::strange_size(rng)
            } else {
                text::size(rng, total)
            };
            question.set(keys.size, heap);
        }
        1 => {
            let mebibytes = (total >> 20).min(i32::MAX.unsigned_abs().into());
            let sign = if percent(rng, 25) { "-" } else { "" };
            let heap = if percent(rng, 20) {
                text::strange_integer(rng)
            } else {
                format!("{sign}{mebibytes}")
            };
            question.set(keys.mebibytes, heap);
        }
        _ => {
            let heap = if percent(rng, 20) {
                environment_text(rng)
            } else {
                text::size(rng, total)
            };
            question
                .environment
                .insert(keys.environment.to_owned(), heap);
        }
    }
}

/// Strange text of an environment variable: none holds the character that ends its texts.
fn environment_text(rng: &mut Rng) -> String {
    text::strange_size(rng).replace('\0', "")
}

/// Sets a fraction in some of a hundred cases.
pub fn maybe_fraction(rng: &mut Rng, question: &mut Question, key: &str, chance: u32) {
    if percent(rng, chance) {
        let fraction = if percent(rng, 20) {
            text::strange_fraction(rng)
        } else {
            text::fraction(rng)
        };
        question.set(key, fraction);
    }
}

/// Puts strange text in place of a value.
pub fn disturb(rng: &mut Rng, question: &mut Question) {
    if !question.environment.is_empty() && percent(rng, 50) {
        let text = environment_text(rng);
        if let Some(value) = question.environment.values_mut().next() {
            *value = text;
        }
        return;
    }
    let keys: Vec<String> = question.options.keys().cloned().collect();
    if keys.is_empty() {
        return;
    }
    let key = &keys[rng.usize(..keys.len())];
    let ends_with = |ends: &[&str]| ends.iter().any(|end| key.ends_with(end));
    let is_number = key.contains("numberOf") || ends_with(&[".mb", ".amount", "cutoff-min"]);
    let is_double = key == options::CPU_CORES || key.starts_with("kubernetes.");
    let text = match rng.u32(..10) {
        0 => String::new(),
        _ if is_double => text::double(rng),
        _ if ends_with(&[".fraction", "cutoff-ratio"]) => text::strange_fraction(rng),
        _ if is_number => text::strange_integer(rng),
        _ if ends_with(&[".enabled", "-limit"]) => strange_switch(rng),
        _ => text::strange_size(rng),
    };
    question.set(key, text);
}

/// On, off, or something in place of both.
pub fn switch(rng: &mut Rng) -> String {
    if percent(rng, 20) {
        strange_switch(rng)
    } else {
        one_of(rng, &["true", "true", "false", "TRUE", "False"]).to_owned()
    }
}

fn strange_switch(rng: &mut Rng) -> String {
    const TEXTS: [&str; 12] = [
        "",
        " true",
        "true ",
        "yes",
        "on",
        "1",
        "0",
        "tRuE",
        "FALSE",
        "\"true\"",
        "ｔｒｕｅ",
        "null",
    ];
    one_of(rng, &TEXTS).to_owned()
}

/// A size moved by next to nothing.
pub fn nudged_text(rng: &mut Rng, value: u64) -> String {
    let nudged = text::nudged(rng, value);
    text::size(rng, nudged)
}

/// The fraction that one size is of another, as exactly as an option can say it.
#[expect(
    clippy::cast_precision_loss,
    reason = "an option's fraction has less precision still"
)]
pub fn ratio(part: u64, whole: u64) -> String {
    let ratio = (part as f64 / whole.max(1) as f64) as f32;
    // Of a power of two this small JDK 17 writes a digit more than later ones: its wording, not Flink's.
    let is_tiny_power_of_two = ratio < 1e-7 && ratio.to_bits().trailing_zeros() >= 23;
    if is_tiny_power_of_two {
        "0.0".to_owned()
    } else {
        ratio.to_string()
    }
}
