//! How long `headroom check` takes for 1,000 pools in one file, with reading and writing.
//!
//! `cargo bench --features cli --bench check` prints the best of ten rounds beside its bar. The pools are those of
//! `examples/pools`, over and over, so that some are sound and some have conflicts.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use headroom::cli::{Surroundings, answer};

/// How many pools the file holds.
const POOLS: usize = 1000;
/// What it may take, in milliseconds.
const BAR: u128 = 200;

fn main() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pools");
    let mut texts: Vec<String> = fs::read_dir(examples)
        .expect("the examples are there")
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .collect();
    texts.sort();
    let text: String = texts
        .iter()
        .cycle()
        .take(POOLS)
        .map(|text| format!("{text}\n---\n"))
        .collect();
    let file = std::env::temp_dir().join(format!("headroom-check-{}.yaml", std::process::id()));
    fs::write(&file, &text).expect("the file of pools can be written");
    let arguments = [
        "headroom".into(),
        "check".into(),
        file.clone().into_os_string(),
    ];
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let started = Instant::now();
        let reply = answer(
            arguments.clone(),
            &mut std::io::empty(),
            Surroundings::default(),
        );
        best = best.min(started.elapsed());
        assert!(
            reply.output.contains(&format!("{POOLS} pools checked")),
            "every pool was checked"
        );
    }
    // A file that is left behind in the temporary directory harms nothing.
    let _ = fs::remove_file(&file);
    println!(
        "check of {POOLS} pools in one file of {} KiB: {} ms (bar: {BAR} ms)",
        text.len() >> 10,
        best.as_millis()
    );
}
