//! Released Flink and the solver, asked the same random questions: they agree on every one, and the questions reach
//! every rule of the model.
//!
//! Skipped, in one line that says why, where there is no JDK or no Maven. `make flink-diff` asks more of more releases.

use anyhow::{Context, Result, ensure};
use e2e::{
    flink,
    flink_diff::{Plan, compare, versions::Release},
};

/// Four releases that differ in what they read, derive and write.
const RELEASES: [&str; 4] = ["1.13.6", "1.18.1", "1.20.5", "2.3.0"];

#[test]
fn flink_and_the_solver_agree_on_random_questions() -> Result<()> {
    if let Some(reason) = flink::missing() {
        eprintln!("skipped: {reason}");
        return Ok(());
    }
    // A fixed seed: what fails here fails again.
    let plan = Plan {
        questions: 2000,
        seed: 1,
        is_timed: false,
    };
    for release in RELEASES {
        let release = Release::named(release).context("no such release")?;
        let comparison = compare(release, &plan)?;
        ensure!(comparison.is_sound(), "{}", comparison.report());
    }
    Ok(())
}
