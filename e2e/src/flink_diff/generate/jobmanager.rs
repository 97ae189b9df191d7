//! Questions about the memory of a JobManager.

use fastrand::Rng;
use headroom::budget::options;
use serde_json::Value;

use super::{
    super::question::{Kind, Question},
    process::{self, LegacyHeap, nudged_text},
    text::{self, one_of, percent},
};

/// Size options beside the totals, with what each is of the total, in percent, when nobody sets it.
const SIZES: [(&str, u64); 5] = [
    (options::JOBMANAGER_OFF_HEAP_SIZE, 15),
    (options::JOBMANAGER_JVM_METASPACE_SIZE, 15),
    (options::JOBMANAGER_JVM_OVERHEAD_MIN, 10),
    (options::JOBMANAGER_JVM_OVERHEAD_MAX, 30),
    (options::JOBMANAGER_JVM_HEAP_SIZE, 50),
];

/// Where a heap of Flink 1.9 stands.
const LEGACY_HEAP: LegacyHeap = LegacyHeap {
    environment: options::JOBMANAGER_HEAP_ENVIRONMENT,
    size: options::JOBMANAGER_HEAP_SIZE,
    mebibytes: options::JOBMANAGER_HEAP_MB,
};

/// The least heap without a warning.
const RECOMMENDED_HEAP: u64 = 128 << 20;

/// Deprecated spellings of the options of 1.10, each with the proper one.
pub const DEPRECATED: [(&str, &str); 2] = [
    ("yarn.heap-cutoff-ratio", options::HEAP_CUTOFF_RATIO),
    ("yarn.heap-cutoff-min", options::HEAP_CUTOFF_MIN),
];

/// A new question about the unified model.
pub fn question(rng: &mut Rng, kind: Kind) -> Question {
    let mut question = Question::new(kind);
    let total = process::total(rng);
    let part = |rng: &mut Rng, share: u64| process::part(rng, total, share);
    match rng.u32(..100) {
        0..30 => {
            let heap = if percent(rng, 10) {
                nudged_text(rng, RECOMMENDED_HEAP)
            } else {
                part(rng, 50)
            };
            question.set(options::JOBMANAGER_JVM_HEAP_SIZE, heap);
            if percent(rng, 50) {
                question.set(options::JOBMANAGER_FLINK_SIZE, text::size(rng, total));
            }
        }
        30..53 => question.set(options::JOBMANAGER_FLINK_SIZE, text::size(rng, total)),
        53..76 => question.set(options::JOBMANAGER_PROCESS_SIZE, text::size(rng, total)),
        76..96 => process::legacy_heap(rng, &mut question, &LEGACY_HEAP, total),
        _ => {}
    }
    let density = *one_of(rng, &[&3, &10, &25, &60]);
    for (key, share) in SIZES {
        if percent(rng, density) && !question.has(key) {
            let size = if percent(rng, 2) {
                let far = text::huge_size(rng);
                text::size(rng, far)
            } else {
                part(rng, share)
            };
            question.set(key, size);
        }
    }
    process::maybe_fraction(
        rng,
        &mut question,
        options::JOBMANAGER_JVM_OVERHEAD_FRACTION,
        density,
    );
    for total in [
        options::JOBMANAGER_PROCESS_SIZE,
        options::JOBMANAGER_FLINK_SIZE,
    ] {
        if percent(rng, density / 3) && !question.has(total) {
            let size = part(rng, 75);
            question.set(total, size);
        }
    }
    if percent(rng, 4) {
        // Sums that are more than there can be.
        for key in [
            options::JOBMANAGER_JVM_HEAP_SIZE,
            options::JOBMANAGER_OFF_HEAP_SIZE,
        ] {
            let far = text::huge_size(rng);
            question.set(key, text::size(rng, far));
        }
    }
    if percent(rng, 20) {
        let switch = process::switch(rng);
        question.set(options::JOBMANAGER_DIRECT_MEMORY_LIMIT, switch);
    }
    without_effect(rng, &mut question);
    question
}

/// A new question about the cut-off of Flink 1.10.
pub fn cut_off(rng: &mut Rng, kind: Kind) -> Question {
    let mut question = Question::new(kind);
    let total = match rng.u32(..12) {
        0 => text::huge_size(rng),
        1 => text::magnitude(rng, 1, 1 << 30),
        2 => rng.u64(590..610) << 20,
        _ => text::magnitude(rng, 512 << 20, 64 << 30),
    };
    if percent(rng, 90) {
        process::legacy_heap(rng, &mut question, &LEGACY_HEAP, total);
    }
    if percent(rng, 15) {
        question.set(LEGACY_HEAP.size, text::strange_size(rng));
    }
    for (deprecated, proper) in DEPRECATED {
        for (key, chance) in [(proper, 40), (deprecated, 15)] {
            if !percent(rng, chance) {
                continue;
            }
            let value = if proper == options::HEAP_CUTOFF_MIN {
                match rng.u32(..8) {
                    // Of a total that 32 bits count as negative, a negative minimum would leave a negative heap.
                    0 if total < 1 << 51 => text::strange_integer(rng),
                    1 => (total >> 20).saturating_add(rng.u64(..3)).to_string(),
                    _ => rng.u32(..2000).to_string(),
                }
            } else if percent(rng, 20) {
                text::strange_fraction(rng)
            } else {
                text::fraction(rng)
            };
            question.set(key, value);
        }
    }
    if percent(rng, 3) {
        question.set(options::JOBMANAGER_PROCESS_SIZE, "x");
    }
    question
}

/// What looks as if it took part in the derivation and doesn't.
fn without_effect(rng: &mut Rng, question: &mut Question) {
    if !percent(rng, 4) {
        return;
    }
    match rng.u32(..3) {
        0 => question.set(options::HEAP_SIZE, "x"),
        1 => question.set(options::HEAP_CUTOFF_RATIO, "x"),
        _ => {
            question
                .environment
                .insert(options::HEAP_ENVIRONMENT.to_owned(), "x".to_owned());
        }
    }
}

/// Writes total Flink memory down with its parts, as they came out, and in half of the cases the process as well.
fn agreeing(rng: &mut Rng, question: &mut Question, answer: &Value) {
    const SIZES: [(&str, &str); 4] = [
        (options::JOBMANAGER_JVM_HEAP_SIZE, "jvmHeap"),
        (options::JOBMANAGER_OFF_HEAP_SIZE, "offHeap"),
        (options::JOBMANAGER_FLINK_SIZE, "totalFlink"),
        (options::JOBMANAGER_PROCESS_SIZE, "totalProcess"),
    ];
    question.options.remove(options::JOBMANAGER_PROCESS_SIZE);
    for (key, name) in &SIZES[..rng.usize(3..=4)] {
        let size = answer
            .get(*name)
            .and_then(Value::as_u64)
            .unwrap_or_default();
        question.set(key, format!("{size}b"));
    }
}

/// Writes some sizes of Flink's answer down as options, moved by next to nothing.
pub fn pin(rng: &mut Rng, question: &mut Question, answer: &Value) {
    let size = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
    let simple = |rng: &mut Rng, question: &mut Question, key: &str, name: &str| {
        let text = nudged_text(rng, size(name));
        question.set(key, text);
    };
    match rng.u32(..14) {
        0 | 1 => simple(
            rng,
            question,
            options::JOBMANAGER_PROCESS_SIZE,
            "totalProcess",
        ),
        2 | 3 => simple(rng, question, options::JOBMANAGER_FLINK_SIZE, "totalFlink"),
        4 => simple(rng, question, options::JOBMANAGER_JVM_HEAP_SIZE, "jvmHeap"),
        5 => simple(rng, question, options::JOBMANAGER_OFF_HEAP_SIZE, "offHeap"),
        6 => simple(
            rng,
            question,
            options::JOBMANAGER_JVM_OVERHEAD_MIN,
            "jvmOverhead",
        ),
        7 => simple(
            rng,
            question,
            options::JOBMANAGER_JVM_OVERHEAD_MAX,
            "jvmOverhead",
        ),
        8 => {
            let fraction = process::ratio(size("jvmOverhead"), size("totalProcess"));
            question.set(options::JOBMANAGER_JVM_OVERHEAD_FRACTION, fraction);
        }
        9 => {
            // Heap and total Flink memory agree, or nearly so, with off-heap memory as it is or as the rest.
            let heap = size("jvmHeap");
            question.set(options::JOBMANAGER_JVM_HEAP_SIZE, format!("{heap}b"));
            let of = *one_of(rng, &[&"totalFlink", &"jvmHeap"]);
            simple(rng, question, options::JOBMANAGER_FLINK_SIZE, of);
            if percent(rng, 50) {
                simple(rng, question, options::JOBMANAGER_OFF_HEAP_SIZE, "offHeap");
            } else {
                question.options.remove(options::JOBMANAGER_OFF_HEAP_SIZE);
            }
            if percent(rng, 60) {
                agreeing(rng, question, answer);
            }
        }
        10 => {
            // Off-heap memory takes all of total Flink memory, or nearly so.
            simple(
                rng,
                question,
                options::JOBMANAGER_OFF_HEAP_SIZE,
                "totalFlink",
            );
            question.options.remove(options::JOBMANAGER_JVM_HEAP_SIZE);
        }
        11 => {
            // Heap is what is recommended at least, or nearly so.
            let off_heap = size("offHeap");
            let text = nudged_text(rng, off_heap.saturating_add(RECOMMENDED_HEAP));
            question.set(options::JOBMANAGER_OFF_HEAP_SIZE, format!("{off_heap}b"));
            question.set(options::JOBMANAGER_FLINK_SIZE, text);
            question.options.remove(options::JOBMANAGER_JVM_HEAP_SIZE);
        }
        12 => {
            let sum = size("jvmMetaspace").saturating_add(size("jvmOverhead"));
            let text = nudged_text(rng, sum);
            question.set(options::JOBMANAGER_PROCESS_SIZE, text);
        }
        _ => {
            let keys: Vec<String> = question.options.keys().cloned().collect();
            if !keys.is_empty() {
                let key = &keys[rng.usize(..keys.len())];
                question.options.remove(key);
            }
        }
    }
}
