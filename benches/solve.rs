//! How long one warm solve takes, for three typical configurations.
//!
//! `cargo bench --no-default-features --bench solve` prints nanoseconds per solve; with `-- exactly N` it solves each
//! configuration exactly N times and prints nothing else, so that instructions can be counted: run it under
//! `valgrind --tool=callgrind` with two different N, and the difference is what the solves took.

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use headroom::{
    budget::{Configuration, FlinkVersion, Origin, Request, options, solve},
    bytes::Bytes,
};

fn main() -> ExitCode {
    let requests = typical_requests();
    // Cargo passes `--bench` to a benchmark without a harness.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => {
            for (name, request) in &requests {
                println!("{name}: {} ns per solve", nanoseconds_per_solve(request));
            }
            ExitCode::SUCCESS
        }
        ["exactly", count] => match count.parse::<u64>() {
            Ok(count) => {
                for (_, request) in &requests {
                    (0..count).for_each(|_| drop(black_box(solve(black_box(request)))));
                }
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{count}: {error}");
                ExitCode::from(2)
            }
        },
        _ => {
            eprintln!("usage: solve [exactly N]");
            ExitCode::from(2)
        }
    }
}

/// Nothing but a container limit; a pool with typed fields and foreign options; an old file with both totals.
fn typical_requests() -> [(&'static str, Request); 3] {
    let limit = Request::new(FlinkVersion::V2_1, Configuration::new())
        .with_container_limit(Bytes::from_mebibytes(4096));

    let mut typed = Configuration::new();
    typed.push(
        options::MANAGED_FRACTION,
        "0.5",
        Origin::field("spec.memory.managed.fraction"),
    );
    typed.push(
        options::NETWORK_MAX,
        "512m",
        Origin::field("spec.memory.network.max"),
    );
    typed.push(
        options::TASK_OFF_HEAP_SIZE,
        "256m",
        Origin::field("spec.memory.task.offHeapSize"),
    );
    typed.push(
        options::JVM_METASPACE_SIZE,
        "320m",
        Origin::field("spec.memory.jvm.metaspaceSize"),
    );
    typed.push(
        options::NUMBER_OF_TASK_SLOTS,
        "4",
        Origin::field("spec.taskManager.numberOfTaskSlots"),
    );
    for (key, value) in [
        ("state.backend.type", "rocksdb"),
        ("execution.checkpointing.interval", "1min"),
        ("execution.checkpointing.dir", "s3://bucket/checkpoints"),
        ("taskmanager.network.memory.buffer-debloat.enabled", "true"),
        ("restart-strategy.type", "exponential-delay"),
    ] {
        typed.push(key, value, Origin::FlinkConfiguration);
    }
    let typed =
        Request::new(FlinkVersion::V1_20, typed).with_container_limit(Bytes::from_mebibytes(8192));

    let mut explicit = Configuration::new();
    for (key, value) in [
        (options::PROCESS_SIZE, "6g"),
        (options::TASK_HEAP_SIZE, "2g"),
        (options::MANAGED_SIZE, "2g"),
        (options::NETWORK_FRACTION, "0.15"),
        (options::JVM_OVERHEAD_MAX, "2g"),
    ] {
        explicit.push(key, value, Origin::FlinkConfiguration);
    }
    let explicit = Request::new(FlinkVersion::V1_17, explicit);

    [
        ("container limit only", limit),
        ("typed fields", typed),
        ("explicit sizes", explicit),
    ]
}

/// The best of twenty rounds: what the machine can do when nothing else runs.
fn nanoseconds_per_solve(request: &Request) -> u128 {
    assert!(solve(request).is_ok(), "a typical request solves");
    let mut best = Duration::MAX;
    const SOLVES: u32 = 20_000;
    for _ in 0..20 {
        let started = Instant::now();
        for _ in 0..SOLVES {
            drop(black_box(solve(black_box(request))));
        }
        best = best.min(started.elapsed());
    }
    best.as_nanos() / u128::from(SOLVES)
}
