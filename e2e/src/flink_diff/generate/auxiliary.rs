//! Questions about everything beside the derivation of a process.

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    super::question::{Kind, Question},
    text::{self, one_of, percent},
};

/// Kinds of result partitions, by Flink's names.
const TYPES: [&str; 7] = [
    "BLOCKING",
    "BLOCKING_PERSISTENT",
    "PIPELINED",
    "PIPELINED_BOUNDED",
    "PIPELINED_APPROXIMATE",
    "HYBRID_FULL",
    "HYBRID_SELECTIVE",
];

/// A new question of a kind.
pub fn question(rng: &mut Rng, kind: Kind, has_hybrid_shuffle: bool) -> Question {
    let mut question = Question::new(kind);
    let mut put = |name: &str, value: Value| question.figure(name, value);
    // Hybrid shuffle came with 1.16.
    let types = if has_hybrid_shuffle {
        &TYPES[..]
    } else {
        &TYPES[..5]
    };
    match kind {
        Kind::Product => {
            let bytes = if percent(rng, 40) {
                text::huge_size(rng)
            } else {
                text::magnitude(rng, 1, 1 << 50)
            };
            put("bytes", json!(bytes));
            // What Java reads as a fraction, and Flink lets pass.
            let fraction = (rng.f64() as f32).min(0.999_999);
            put(
                "fraction",
                json!(if percent(rng, 80) {
                    fraction.to_string()
                } else {
                    "0.0".to_owned()
                }),
            );
        }
        Kind::ManagedShare => {
            let names = ["OPERATOR", "STATE_BACKEND", "PYTHON"];
            let present: Vec<&str> = names.into_iter().filter(|_| percent(rng, 60)).collect();
            put("allUseCases", json!(present));
            put("useCase", json!(one_of(rng, &names)));
            put("stateBackendUsesManaged", json!(rng.bool()));
            let any = rng.f64();
            let fraction = *one_of(rng, &[&1.0, &1.0, &0.0, &0.5, &any]);
            put("fractionOfUseCase", json!(java_text(fraction)));
            put("weights", weights(rng));
            put("slotManagedBytes", json!(text::magnitude(rng, 1, 1 << 40)));
            put("pageSize", json!(1_u32 << rng.u32(12..17)));
        }
        Kind::OperatorShare => {
            let whole = rng.u64(1..2000);
            put("groupWeight", json!(whole));
            put("weight", json!(rng.u64(0..=whole)));
        }
        Kind::RocksDb => {
            put("totalBytes", json!(text::magnitude(rng, 1, 1 << 40)));
            let ratio = |rng: &mut Rng| match rng.u32(..12) {
                0 => "0".to_owned(),
                1 => "1".to_owned(),
                2 => "1.5".to_owned(),
                3 => "-0.1".to_owned(),
                _ => format!("{:.*}", rng.usize(1..4), rng.f64()),
            };
            put("writeBufferRatio", json!(ratio(rng)));
            put("highPriorityPoolRatio", json!(ratio(rng)));
            put(
                "writeBufferSize",
                json!(text::magnitude(rng, 1 << 10, 1 << 30)),
            );
            let arena = if percent(rng, 60) {
                0
            } else {
                text::magnitude(rng, 1 << 10, 1 << 28)
            };
            put("arenaBlockSizeConfigured", json!(arena));
        }
        Kind::ResultPartition => {
            put("type", json!(one_of_str(rng, types)));
            put("buffersPerChannel", json!(rng.u32(0..10)));
            put("floatingBuffersPerGate", json!(rng.u32(0..32)));
            put(
                "sortShuffleMinParallelism",
                json!(*one_of(rng, &[&1, &2, &128, &i32::MAX])),
            );
            put(
                "sortShuffleMinBuffers",
                json!(*one_of(rng, &[&64, &512, &1, &2048])),
            );
            put("subpartitions", json!(text::magnitude(rng, 1, 5000)));
        }
        Kind::InputGate => {
            put("type", json!(one_of_str(rng, types)));
            put("buffersPerChannel", json!(rng.u32(0..10)));
            put("floatingBuffersPerGate", json!(rng.u32(1..32)));
            put("channels", json!(text::magnitude(rng, 1, 3000)));
            let most = if rng.bool() {
                Value::Null
            } else {
                json!(text::magnitude(rng, 1, 2000))
            };
            put("maxRequiredPerGate", most);
        }
        Kind::Buffers => {
            put("networkBytes", json!(text::magnitude(rng, 1, 1 << 62)));
            let segment = match rng.u32(..4) {
                0 => text::strange_size(rng),
                1 => text::magnitude(rng, 1 << 10, 1 << 40).to_string(),
                _ => (1_u64 << rng.u32(10..34)).to_string(),
            };
            put("segmentSize", json!(segment));
        }
        _ => {
            let size = if percent(rng, 50) {
                text::strange_size(rng)
            } else {
                let bytes = if percent(rng, 30) {
                    text::huge_size(rng)
                } else {
                    text::magnitude(rng, 1, 1 << 45)
                };
                text::size(rng, bytes)
            };
            put("text", json!(size));
        }
    }
    question
}

fn one_of_str<'a>(rng: &mut Rng, list: &[&'a str]) -> &'a str {
    list[rng.usize(..list.len())]
}

/// A double as Java writes it in the range where it writes no exponent, which is where shares lie.
fn java_text(value: f64) -> String {
    format!("{value:?}")
}

/// A text of the weights of use cases, right or wrong; `null` for none.
fn weights(rng: &mut Rng) -> Value {
    const ITEMS: [&str; 12] = [
        "OPERATOR:70",
        "STATE_BACKEND:70",
        "PYTHON:30",
        "DATAPROC:60",
        "OPERATOR:0",
        "STATE_BACKEND:1",
        "PYTHON:-1",
        "OPERATOR:33",
        "PYTHON:x",
        "STATE_BACKEND:2147483647",
        " OPERATOR : 5",
        "OTHER:1",
    ];
    if percent(rng, 30) {
        return Value::Null;
    }
    let items: Vec<&str> = (0..rng.usize(1..4))
        .map(|_| one_of_str(rng, &ITEMS))
        .collect();
    json!(items.join(","))
}
