//! Released Flink's memory pools and ours, the same random steps through both: after every step the answer and every
//! figure are the same, and the steps reach what there is to reach.
//!
//! Skipped, in one line that says why, where there is no JDK or no Maven. `make pool-diff` plays more, and with other releases.

use anyhow::{Context, Result, ensure};
use e2e::{
    flink,
    flink_diff::versions::Release,
    pool_diff::{Plan, compare},
};

#[test]
fn flinks_pools_and_ours_agree_after_every_step() -> Result<()> {
    if let Some(reason) = flink::missing() {
        eprintln!("skipped: {reason}");
        return Ok(());
    }
    // A fixed seed: what fails here fails again.
    let plan = Plan {
        steps: 20_000,
        seed: 1,
    };
    let release = Release::named("2.3.0").context("no such release")?;
    let comparison = compare(release, &plan)?;
    ensure!(
        comparison.is_sound(),
        "{}{}",
        comparison.report(),
        comparison.details()
    );
    Ok(())
}
