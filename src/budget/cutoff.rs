//! The share of a container that Flink up to 1.10 keeps back from the JobManager's heap.
//!
//! Mirrors `BootstrapTools.calculateHeapSize`: whole mebibytes in 32-bit integers, the product in 32-bit floats.

/// Flink's default of `containerized.heap-cutoff-ratio`.
pub(super) const DEFAULT_RATIO: f32 = 0.25;

/// Flink's default of `containerized.heap-cutoff-min`, in mebibytes.
pub(super) const DEFAULT_MINIMUM: i32 = 600;

/// Flink's default of `jobmanager.heap.size`, in mebibytes.
pub(super) const DEFAULT_HEAP_MEBIBYTES: u64 = 1024;

/// Why there is no cut-off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum CutoffError {
    /// The ratio is below 0 or above 1.
    RatioOutside,
    /// The minimum is more than the whole container.
    MinimumAboveTotal,
}

/// A cut-off in mebibytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cutoff {
    /// What the ratio gave.
    pub derived: i32,
    /// What is kept back: that, or the minimum.
    pub mebibytes: i32,
}

/// What is kept back of a JobManager's container, all in mebibytes. A ratio that is no number keeps the minimum.
///
/// # Errors
/// The ratio is not between 0 and 1, or the minimum is more than the total, in this order.
pub(super) fn of_jobmanager(total: i32, ratio: f32, minimum: i32) -> Result<Cutoff, CutoffError> {
    if !ratio.is_nan() && !(0.0..=1.0).contains(&ratio) {
        return Err(CutoffError::RatioOutside);
    }
    if minimum > total {
        return Err(CutoffError::MinimumAboveTotal);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "Flink computes in these types, and both languages round and saturate alike"
    )]
    let derived = (total as f32 * ratio) as i32;
    Ok(Cutoff {
        derived,
        mebibytes: derived.max(minimum),
    })
}

#[cfg(test)]
mod tests {
    use super::{Cutoff, CutoffError, DEFAULT_MINIMUM, DEFAULT_RATIO, of_jobmanager};

    #[test]
    fn the_larger_of_ratio_and_minimum_is_kept_back() {
        let cutoff = |derived, mebibytes| Ok(Cutoff { derived, mebibytes });
        assert_eq!(
            of_jobmanager(1024, DEFAULT_RATIO, DEFAULT_MINIMUM),
            cutoff(256, 600)
        );
        assert_eq!(of_jobmanager(8000, DEFAULT_RATIO, 600), cutoff(2000, 2000));
        assert_eq!(of_jobmanager(1024, f32::NAN, 600), cutoff(0, 600));
        // 2^24 + 1 has no 32-bit float of its own.
        assert_eq!(
            of_jobmanager(16_777_217, 1.0, 0),
            cutoff(16_777_216, 16_777_216)
        );
    }

    #[test]
    fn everything_and_nothing_may_be_kept_back() {
        assert!(of_jobmanager(600, 1.0, 600).is_ok());
        assert!(of_jobmanager(600, 0.0, 0).is_ok());
        assert_eq!(
            of_jobmanager(600, 1.01, 601),
            Err(CutoffError::RatioOutside)
        );
        assert_eq!(
            of_jobmanager(600, 0.5, 601),
            Err(CutoffError::MinimumAboveTotal)
        );
    }
}
