//! Questions about the model of Flink 1.9.

use fastrand::Rng;
use headroom::budget::options::{self, legacy as keys};
use serde_json::json;

use super::{
    super::question::{Kind, Question},
    text::{self, one_of, percent},
};

/// A new question of a kind.
pub fn question(rng: &mut Rng, kind: Kind) -> Question {
    let mut question = Question::new(kind);
    if kind == Kind::LegacyStarted {
        let heap = text::magnitude(rng, 1 << 20, 64 << 30);
        question.figure("heapBytes", json!(heap));
    } else {
        let total = match rng.u32(..20) {
            0 => *one_of(rng, &[&0_i64, &-1, &1, &600]),
            1 => rng.i64(500..700),
            _ => rng.i64(600..65_536),
        };
        question.figure("totalMB", json!(total));
    }
    let density = *one_of(rng, &[&5, &20, &50]);
    let mut maybe = |rng: &mut Rng, key: &str, value: fn(&mut Rng) -> String| {
        if percent(rng, density) {
            let value = if percent(rng, 4) {
                String::new()
            } else {
                value(rng)
            };
            question.set(key, value);
        }
    };
    maybe(rng, keys::MEMORY_OFF_HEAP, |rng| {
        one_of(rng, &["true", "false", "TRUE", "yes"]).to_owned()
    });
    maybe(rng, keys::MEMORY_FRACTION, fraction);
    maybe(rng, keys::NETWORK_MEMORY_FRACTION, fraction);
    maybe(rng, keys::NETWORK_MEMORY_MIN, size);
    maybe(rng, keys::NETWORK_MEMORY_MAX, size);
    maybe(rng, options::HEAP_CUTOFF_RATIO, fraction);
    maybe(rng, options::HEAP_CUTOFF_MIN, |rng| {
        if percent(rng, 15) {
            text::strange_integer(rng)
        } else {
            rng.u32(..2000).to_string()
        }
    });
    maybe(rng, keys::MEMORY_SIZE, size);
    maybe(rng, options::SEGMENT_SIZE, |rng| {
        if percent(rng, 30) {
            size(rng)
        } else {
            format!("{}", 1_u64 << rng.u32(10..24))
        }
    });
    maybe(rng, options::NUMBER_OF_BUFFERS, |rng| {
        if percent(rng, 20) {
            text::strange_integer(rng)
        } else {
            rng.u32(..1 << 17).to_string()
        }
    });
    question
}

fn fraction(rng: &mut Rng) -> String {
    if percent(rng, 20) {
        text::strange_fraction(rng)
    } else {
        text::fraction(rng)
    }
}

fn size(rng: &mut Rng) -> String {
    if percent(rng, 10) {
        return text::strange_size(rng);
    }
    let bytes = text::magnitude(rng, 1 << 10, 4 << 30);
    text::size(rng, bytes)
}
