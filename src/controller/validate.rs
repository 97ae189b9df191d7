//! Step 2: whether the pool can run. Pure but for the stopwatch.

use std::time::Instant;

use super::metrics::Metrics;
use crate::api::v1alpha1::TaskManagerPool;
use crate::desired::{self, Invalid, Settings, ValidatedPool};

/// The pool with everything that its children need, or everything that is wrong with it.
///
/// # Errors
/// If the pool cannot run as it is written. That is an outcome for its status, not a failure.
pub fn validate(
    pool: &TaskManagerPool,
    settings: &Settings,
    metrics: &Metrics,
) -> Result<ValidatedPool, Invalid> {
    let start = Instant::now();
    let result = desired::validate(pool, settings);
    metrics.count_solve(start.elapsed());
    result
}
