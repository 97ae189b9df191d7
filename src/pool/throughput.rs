//! Bytes that arrive in each second of the time in which there was something to receive.
//!
//! Mirrors `ThroughputCalculator`. Time is told, never read: each call takes the time since an origin of the caller's
//! choice, and a time before one that was told earlier counts as no time at all.

use std::time::Duration;

/// Milliseconds of a second.
const MILLISECONDS: f64 = 1000.0;

/// Counts bytes and the time in which they came.
#[derive(Clone, Debug, Default)]
pub struct ThroughputCalculator {
    bytes: u64,
    measured: Duration,
    /// Since when time counts; `None` while it does not.
    counts_since: Option<Duration>,
    bytes_per_second: u64,
}

impl ThroughputCalculator {
    /// A calculator that measures from the first data on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many bytes arrived. Resumes the measurement where it was paused.
    pub fn incoming(&mut self, bytes: u64, now: Duration) {
        self.resume(now);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The time from now on does not count: there is nothing to receive.
    pub fn pause(&mut self, now: Duration) {
        if let Some(since) = self.counts_since.take() {
            self.measured = self.measured.saturating_add(now.saturating_sub(since));
        }
    }

    /// The time from now on counts. Does nothing where it did already.
    pub fn resume(&mut self, now: Duration) {
        self.counts_since.get_or_insert(now);
    }

    /// Bytes in each second since the last call, and counts from 0 again.
    ///
    /// Where less than a millisecond counted, there is no new figure and the last one is told again.
    pub fn calculate(&mut self, now: Duration) -> u64 {
        if self.counts_since.is_some() {
            self.pause(now);
            self.resume(now);
        }
        let milliseconds = self.measured.as_millis();
        if milliseconds > 0 {
            // The order of the operations is Java's; another one rounds differently.
            let throughput = self.bytes as f64 / milliseconds as f64 * MILLISECONDS;
            self.bytes_per_second = throughput as u64;
        }
        self.bytes = 0;
        self.measured = Duration::ZERO;
        self.bytes_per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_without_a_measurement_changes_nothing() {
        let mut calculator = ThroughputCalculator::new();
        calculator.pause(Duration::from_millis(5));
        calculator.incoming(10, Duration::from_millis(10));
        calculator.pause(Duration::from_millis(11));
        calculator.pause(Duration::from_millis(50));
        assert_eq!(calculator.calculate(Duration::from_millis(60)), 10_000);
    }

    #[test]
    fn resuming_what_runs_does_not_begin_anew() {
        let mut calculator = ThroughputCalculator::new();
        calculator.incoming(10, Duration::ZERO);
        for now in [3, 6, 9] {
            calculator.resume(Duration::from_millis(now));
        }
        assert_eq!(calculator.calculate(Duration::from_millis(10)), 1000);
    }

    #[test]
    fn no_amount_overflows() {
        let mut calculator = ThroughputCalculator::new();
        calculator.incoming(u64::MAX, Duration::ZERO);
        calculator.incoming(u64::MAX, Duration::ZERO);
        assert_eq!(calculator.calculate(Duration::from_millis(1)), u64::MAX);
        assert_eq!(calculator.calculate(Duration::ZERO), u64::MAX);
    }
}
