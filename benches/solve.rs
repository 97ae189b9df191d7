//! How long one warm solve takes: for three typical configurations, and for two that are wrong.
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
    budget::{
        Configuration, FlinkVersion, Origin, Request, minimum_container_limit, options, solve,
    },
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
            for (name, request) in &wrong_requests() {
                println!(
                    "{name}: {} ns with every conflict and suggestion",
                    nanoseconds_per_diagnosis(request)
                );
            }
            for (name, request) in &requests {
                let nanoseconds = nanoseconds_of(2_000, || minimum_container_limit(request));
                println!("{name}: {nanoseconds} ns for the smallest container");
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

/// What does not solve: one sum that is too large, and the example in which everything is wrong.
fn wrong_requests() -> [(&'static str, Request); 2] {
    let field = |path: &'static str| Origin::field(path);
    let sum = Configuration::new().with(
        options::MANAGED_SIZE,
        "4g",
        field("spec.memory.managed.size"),
    );
    let everything = Configuration::new()
        .with(options::MANAGED_SIZE, "1g", Origin::FlinkConfiguration)
        .with(
            "taskmanager.memory.task.off-heap.sise",
            "256m",
            Origin::FlinkConfiguration,
        )
        .with(
            options::NUMBER_OF_TASK_SLOTS,
            "2",
            field("spec.taskManager.numberOfTaskSlots"),
        )
        .with(
            options::MANAGED_SIZE,
            "6g",
            field("spec.memory.managed.size"),
        )
        .with(options::NETWORK_MIN, "2g", field("spec.memory.network.min"))
        .with(options::NETWORK_MAX, "1g", field("spec.memory.network.max"))
        .with(
            options::JVM_OVERHEAD_FRACTION,
            "1.2",
            field("spec.memory.jvm.overhead.fraction"),
        );
    let request = |configuration, mebibytes| {
        Request::new(FlinkVersion::V2_1, configuration)
            .with_container_limit(Bytes::from_mebibytes(mebibytes))
    };
    [
        ("one sum too large", request(sum, 2048)),
        ("everything wrong", request(everything, 4096)),
    ]
}

fn nanoseconds_per_diagnosis(request: &Request) -> u128 {
    assert!(solve(request).is_err(), "the request is wrong");
    nanoseconds_of(500, || solve(request))
}

/// The best of twenty rounds, without a word about the result.
fn nanoseconds_of<T>(times: u32, mut run: impl FnMut() -> T) -> u128 {
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let started = Instant::now();
        for _ in 0..times {
            drop(black_box(run()));
        }
        best = best.min(started.elapsed());
    }
    best.as_nanos() / u128::from(times)
}

/// The best of twenty rounds: what the machine can do when nothing else runs.
fn nanoseconds_per_solve(request: &Request) -> u128 {
    assert!(solve(request).is_ok(), "a typical request solves");
    nanoseconds_of(20_000, || solve(black_box(request)))
}
