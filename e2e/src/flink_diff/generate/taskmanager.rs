//! Questions about the memory of a TaskManager.

use fastrand::Rng;
use headroom::budget::{FlinkVersion, options};
use serde_json::Value;

use super::{
    super::question::{Kind, Question},
    process::{self, LegacyHeap, nudged_text},
    text::{self, one_of, percent},
};

/// Size options beside the totals, with what each is of the total, in percent, when nobody sets it.
const SIZES: [(&str, u64); 10] = [
    (options::FRAMEWORK_HEAP_SIZE, 10),
    (options::FRAMEWORK_OFF_HEAP_SIZE, 10),
    (options::TASK_OFF_HEAP_SIZE, 5),
    (options::JVM_METASPACE_SIZE, 15),
    (options::NETWORK_MIN, 5),
    (options::NETWORK_MAX, 20),
    (options::JVM_OVERHEAD_MIN, 10),
    (options::JVM_OVERHEAD_MAX, 30),
    (options::MANAGED_SIZE, 30),
    (options::TASK_HEAP_SIZE, 30),
];

/// The options that are fractions.
const FRACTIONS: [&str; 3] = [
    options::MANAGED_FRACTION,
    options::NETWORK_FRACTION,
    options::JVM_OVERHEAD_FRACTION,
];

/// Where a heap of Flink 1.9 stands.
const LEGACY_HEAP: LegacyHeap = LegacyHeap {
    environment: options::HEAP_ENVIRONMENT,
    size: options::HEAP_SIZE,
    mebibytes: options::HEAP_MB,
};

/// Deprecated spellings that are still read, each with the proper one.
pub const DEPRECATED: [(&str, &str); 4] = [
    ("taskmanager.memory.size", options::MANAGED_SIZE),
    ("taskmanager.network.memory.min", options::NETWORK_MIN),
    ("taskmanager.network.memory.max", options::NETWORK_MAX),
    (
        "taskmanager.network.memory.fraction",
        options::NETWORK_FRACTION,
    ),
];

/// Options that look as if they took part in the derivation and don't.
const WITHOUT_EFFECT: [(&str, &str); 6] = [
    ("taskmanager.memory.fraction", "0.7"),
    ("taskmanager.memory.off-heap", "true"),
    ("taskmanager.memory.preallocate", "yes"),
    ("containerized.heap-cutoff-ratio", "2"),
    (
        "taskmanager.memory.framework.off-heap.batch-shuffle.size",
        "x",
    ),
    ("taskmanager.memory.managed.consumer-weights", "PYTHON:-1"),
];

/// A new question.
pub fn question(rng: &mut Rng, kind: Kind) -> Question {
    let mut question = Question::new(kind);
    let total = process::total(rng);
    let total_text = text::size(rng, total);
    let part = |rng: &mut Rng, share: u64| process::part(rng, total, share);
    match rng.u32(..100) {
        0..28 => {
            let (heap, managed) = (part(rng, 30), part(rng, 30));
            question.set(options::TASK_HEAP_SIZE, heap);
            question.set(options::MANAGED_SIZE, managed);
            if percent(rng, 40) {
                question.set(options::FLINK_SIZE, total_text);
            }
        }
        28..56 => {
            question.set(options::FLINK_SIZE, total_text);
            if percent(rng, 35) {
                let heap = part(rng, 30);
                question.set(options::TASK_HEAP_SIZE, heap);
            }
        }
        56..84 => {
            question.set(options::PROCESS_SIZE, total_text);
            if percent(rng, 35) {
                let heap = part(rng, 30);
                question.set(options::TASK_HEAP_SIZE, heap);
            }
        }
        84..97 => process::legacy_heap(rng, &mut question, &LEGACY_HEAP, total),
        _ => {}
    }
    // Some questions set nearly nothing, some nearly everything.
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
    for key in FRACTIONS {
        process::maybe_fraction(rng, &mut question, key, density);
    }
    for total in [options::PROCESS_SIZE, options::FLINK_SIZE] {
        if percent(rng, density / 3) && !question.has(total) {
            let size = part(rng, 75);
            question.set(total, size);
        }
    }
    if percent(rng, density / 2) {
        let segment = match rng.u32(..10) {
            0 => text::strange_size(rng),
            2 | 3 => nudged_text(rng, 32 << 10),
            1 => nudged_text(rng, 4096),
            _ => {
                let shift = rng.u32(10..33);
                text::size(rng, 1 << shift)
            }
        };
        question.set(options::SEGMENT_SIZE, segment);
    }
    if percent(rng, density / 2) {
        let buffers = if percent(rng, 20) {
            text::strange_integer(rng)
        } else {
            rng.u32(..1 << 18).to_string()
        };
        question.set(options::NUMBER_OF_BUFFERS, buffers);
    }
    if percent(rng, density) {
        let slots = if percent(rng, 20) {
            text::strange_integer(rng)
        } else {
            rng.u32(1..64).to_string()
        };
        question.set(options::NUMBER_OF_TASK_SLOTS, slots);
    }
    if percent(rng, density.max(12)) {
        let cores = text::double(rng);
        question.set(options::CPU_CORES, cores);
    }
    if percent(rng, density / 3) {
        external_resources(rng, &mut question);
    }
    if percent(rng, 10) {
        only_buffers(rng, &mut question);
    }
    if percent(rng, 3) {
        let (key, value) = *one_of(rng, &WITHOUT_EFFECT.each_ref());
        question.set(key, value);
    }
    respell(rng, &mut question);
    question
}

/// Makes the number of buffers count, which it does where nothing else says what network memory is.
fn only_buffers(rng: &mut Rng, question: &mut Question) {
    for key in [
        options::NETWORK_MIN,
        options::NETWORK_MAX,
        options::NETWORK_FRACTION,
    ] {
        question.options.remove(key);
    }
    let buffers = match rng.u32(..20) {
        0..5 => text::strange_integer(rng),
        5..7 => format!("-{}", rng.u32(1..1 << 16)),
        _ => rng.u32(..1 << 16).to_string(),
    };
    question.set(options::NUMBER_OF_BUFFERS, buffers);
    if percent(rng, 70) {
        let segment = match rng.u32(..5) {
            0 => text::strange_size(rng),
            1 => nudged_text(rng, 4096),
            2 => nudged_text(rng, 1 << 31),
            3 => (rng.u32(4096..1 << 16)).to_string(),
            _ => text::magnitude(rng, 1, 1 << 40).to_string(),
        };
        question.set(options::SEGMENT_SIZE, segment);
    }
}

/// Moves some options to their deprecated spelling, or writes both.
fn respell(rng: &mut Rng, question: &mut Question) {
    for (deprecated, proper) in DEPRECATED {
        if !question.has(proper) || !percent(rng, 12) {
            continue;
        }
        let value = question.options[proper].clone();
        if percent(rng, 70) {
            question.options.remove(proper);
        }
        question.set(deprecated, value);
    }
}

fn external_resources(rng: &mut Rng, question: &mut Question) {
    const NAMES: [&str; 8] = [
        "gpu",
        "fpga",
        "tpu",
        "a",
        "network-card",
        "GPU",
        "gpu2",
        "x.y",
    ];
    let names: Vec<&str> = (0..rng.usize(1..5)).map(|_| one_of(rng, &NAMES)).collect();
    for name in &names {
        if percent(rng, 85) {
            let amount = if percent(rng, 30) {
                text::strange_integer(rng)
            } else {
                rng.u32(1..9).to_string()
            };
            question.set(
                &format!("{}{name}.amount", options::EXTERNAL_RESOURCE_PREFIX),
                amount,
            );
        }
    }
    let list = match rng.u32(..12) {
        0 => "none".to_owned(),
        1 => names.join(" ; "),
        2 => format!("{};", names.join(";;")),
        _ => names.join(";"),
    };
    question.set(options::EXTERNAL_RESOURCES, list);
}

/// Writes some sizes of Flink's answer down as options, moved by next to nothing.
pub fn pin(rng: &mut Rng, version: FlinkVersion, question: &mut Question, answer: &Value) {
    let size = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
    let simple = |rng: &mut Rng, question: &mut Question, key: &str, name: &str| {
        let text = nudged_text(rng, size(name));
        question.set(key, text);
    };
    match rng.u32(..16) {
        0 | 1 => simple(rng, question, options::PROCESS_SIZE, "totalProcess"),
        2 | 3 => simple(rng, question, options::FLINK_SIZE, "totalFlink"),
        4 => simple(rng, question, options::TASK_HEAP_SIZE, "taskHeap"),
        5 => simple(rng, question, options::MANAGED_SIZE, "managed"),
        6 => simple(rng, question, options::NETWORK_MIN, "network"),
        7 => simple(rng, question, options::NETWORK_MAX, "network"),
        8 => simple(rng, question, options::JVM_OVERHEAD_MIN, "jvmOverhead"),
        9 => simple(rng, question, options::JVM_OVERHEAD_MAX, "jvmOverhead"),
        10 => {
            // The number of buffers counts only where nothing else says what network memory is.
            for (deprecated, proper) in DEPRECATED {
                if proper != options::MANAGED_SIZE {
                    question.options.remove(proper);
                    question.options.remove(deprecated);
                }
            }
            let segment = 1_u64 << rng.u32(12..17);
            if percent(rng, 50) {
                question.set(options::SEGMENT_SIZE, text::size(rng, segment));
            } else {
                question.options.remove(options::SEGMENT_SIZE);
            }
            let segment = if question.has(options::SEGMENT_SIZE) {
                segment
            } else {
                32 << 10
            };
            let buffers = size("network") / segment;
            question.set(
                options::NUMBER_OF_BUFFERS,
                buffers.saturating_add_signed(rng.i64(-1..=1)).to_string(),
            );
            if percent(rng, 60) {
                // Network memory as the rest has to come out the same.
                simple(rng, question, options::TASK_HEAP_SIZE, "taskHeap");
                let rest = size("network") % segment;
                question.set(
                    options::FLINK_SIZE,
                    format!("{}b", size("totalFlink") - rest),
                );
                question.set(options::MANAGED_SIZE, format!("{}b", size("managed")));
            }
        }
        11 => {
            let fraction = process::ratio(size("network"), size("totalFlink"));
            question.set(options::NETWORK_FRACTION, fraction);
        }
        12 => {
            let fraction = process::ratio(size("jvmOverhead"), size("totalProcess"));
            question.set(options::JVM_OVERHEAD_FRACTION, fraction);
        }
        13 => {
            // The sum of the parts, which a total has to reach.
            let parts = [
                "frameworkHeap",
                "frameworkOffHeap",
                "taskHeap",
                "taskOffHeap",
                "managed",
            ];
            let sum = parts
                .into_iter()
                .fold(0, |sum: u64, part| sum.saturating_add(size(part)));
            let text = nudged_text(rng, sum);
            question.set(options::FLINK_SIZE, text);
            simple(rng, question, options::TASK_HEAP_SIZE, "taskHeap");
        }
        14 => {
            let sum = size("jvmMetaspace").saturating_add(size("jvmOverhead"));
            let key = one_of(rng, &[options::PROCESS_SIZE, options::JVM_METASPACE_SIZE]);
            let other = size(if key == options::PROCESS_SIZE {
                "totalFlink"
            } else {
                "totalProcess"
            });
            let value = if rng.bool() { sum } else { other };
            let text = nudged_text(rng, value);
            question.set(key, text);
        }
        _ => {
            let keys: Vec<String> = question.options.keys().cloned().collect();
            if !keys.is_empty() {
                let key = &keys[rng.usize(..keys.len())];
                question.options.remove(key);
            }
        }
    }
    if percent(rng, 10) && version <= FlinkVersion::V1_20 {
        respell(rng, question);
    }
}
