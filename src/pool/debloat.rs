//! How full buffers should be, so that what is in flight can be consumed within a given time.
//!
//! Mirrors `BufferDebloater`, `BufferSizeEMA` and `BufferDebloatConfiguration`. The result is a limit for those who
//! fill buffers, not a size of memory: a segment stays as large as it is. The arithmetic is Java's, conversions between
//! integers and floating point numbers included, as it is since 2.0; until 1.20 the average was kept in whole bytes and
//! could get stuck. Where it overflows in Flink (an expected time to consume from 2^31 bytes in flight on), it does
//! not here.

use std::time::Duration;

/// Milliseconds of a second.
const MILLISECONDS: u128 = 1000;

/// A number that debloating can't work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DebloatError {
    /// A size per buffer was asked for without buffers.
    #[error("a size of {total_bytes} bytes was to be divided between 0 buffers")]
    NoBuffers {
        /// What was to be divided.
        total_bytes: u64,
    },
    /// The target is no time at all.
    #[error("the target is {target:?}; expected at least 1 ms")]
    Target {
        /// The time that was given.
        target: Duration,
    },
    /// The limits of the size contradict each other.
    #[error(
        "buffers are to hold {minimum_bytes} to {maximum_bytes} bytes and {starting_bytes} at first; expected \
         1 <= minimum <= first <= maximum"
    )]
    Sizes {
        /// The smallest size.
        minimum_bytes: usize,
        /// The first size.
        starting_bytes: usize,
        /// The largest size.
        maximum_bytes: usize,
    },
    /// An average over no samples.
    #[error("the average is over 0 samples; expected at least 1")]
    Samples,
}

/// The settings of `taskmanager.network.memory.buffer-debloat.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebloatConfiguration {
    target: Duration,
    starting_bytes: usize,
    maximum_bytes: usize,
    minimum_bytes: usize,
    threshold_percent: u32,
    samples: u64,
}

impl DebloatConfiguration {
    /// How often Flink recalculates, `….period`.
    pub const PERIOD: Duration = Duration::from_millis(200);
    /// The size that is announced at least, `taskmanager.memory.min-segment-size`.
    const MINIMUM_BYTES: usize = 256;
    /// The size before the first calculation, `taskmanager.memory.starting-segment-size`.
    const STARTING_BYTES: usize = 1024;

    /// Flink's defaults for segments of this size: what is in flight is to be consumed within 1 second, changes below
    /// 25 % are not announced, and the size is an average over 20 samples.
    ///
    /// # Errors
    /// [`DebloatError::Sizes`] for segments of less than 1024 bytes, which is the size to start with.
    pub fn with_segments_of(segment_bytes: usize) -> Result<Self, DebloatError> {
        Self {
            target: Duration::from_secs(1),
            starting_bytes: Self::STARTING_BYTES,
            maximum_bytes: segment_bytes,
            minimum_bytes: Self::MINIMUM_BYTES,
            threshold_percent: 25,
            samples: 20,
        }
        .checked()
    }

    /// The same with sizes between these limits, and this one at first.
    ///
    /// # Errors
    /// [`DebloatError::Sizes`] unless 1 ≤ minimum ≤ starting ≤ maximum.
    pub fn with_sizes(
        self,
        minimum_bytes: usize,
        starting_bytes: usize,
        maximum_bytes: usize,
    ) -> Result<Self, DebloatError> {
        Self {
            minimum_bytes,
            starting_bytes,
            maximum_bytes,
            ..self
        }
        .checked()
    }

    /// The same with another time within which everything in flight is to be consumed, `….target`, in whole
    /// milliseconds.
    ///
    /// # Errors
    /// [`DebloatError::Target`] below 1 ms.
    pub fn with_target(self, target: Duration) -> Result<Self, DebloatError> {
        Self { target, ..self }.checked()
    }

    /// The same with another change, in percent of the announced size, that is worth an announcement,
    /// `….threshold-percentages`.
    #[must_use]
    pub fn with_threshold_percent(self, threshold_percent: u32) -> Self {
        Self {
            threshold_percent,
            ..self
        }
    }

    /// The same with another number of samples in the average, `….samples`.
    ///
    /// # Errors
    /// [`DebloatError::Samples`] for 0.
    pub fn with_samples(self, samples: u64) -> Result<Self, DebloatError> {
        Self { samples, ..self }.checked()
    }

    /// The time within which everything in flight is to be consumed.
    #[must_use]
    pub fn target(&self) -> Duration {
        self.target
    }

    fn checked(self) -> Result<Self, DebloatError> {
        if self.target < Duration::from_millis(1) {
            return Err(DebloatError::Target {
                target: self.target,
            });
        }
        if self.minimum_bytes == 0
            || self.starting_bytes < self.minimum_bytes
            || self.maximum_bytes < self.starting_bytes
        {
            return Err(DebloatError::Sizes {
                minimum_bytes: self.minimum_bytes,
                starting_bytes: self.starting_bytes,
                maximum_bytes: self.maximum_bytes,
            });
        }
        if self.samples == 0 {
            return Err(DebloatError::Samples);
        }
        Ok(self)
    }
}

/// A moving average of the size of buffers that grows as fast as it shrinks, `BufferSizeEMA`.
///
/// A sample counts as no more than twice the last average: the average may lose all of a share of itself in a step,
/// and so may not gain more than that.
#[derive(Clone, Debug)]
pub struct BufferSizeEma {
    maximum_bytes: usize,
    minimum_bytes: usize,
    /// The weight of a sample.
    alpha: f64,
    last_bytes: f64,
}

impl BufferSizeEma {
    /// An average that starts with this size and stays between these limits, the lower one in doubt.
    #[must_use]
    pub fn new(
        starting_bytes: usize,
        maximum_bytes: usize,
        minimum_bytes: usize,
        samples: u64,
    ) -> Self {
        Self {
            maximum_bytes,
            minimum_bytes,
            alpha: 2.0 / samples.saturating_add(1) as f64,
            last_bytes: starting_bytes as f64,
        }
    }

    /// The average after a sample: so many bytes in so many buffers.
    ///
    /// # Errors
    /// [`DebloatError::NoBuffers`] for 0 buffers; the average stays as it was.
    pub fn calculate(&mut self, total_bytes: u64, buffers: usize) -> Result<usize, DebloatError> {
        if buffers == 0 {
            return Err(DebloatError::NoBuffers { total_bytes });
        }
        Ok(self.add(total_bytes as f64 / buffers as f64))
    }

    fn add(&mut self, sample_bytes: f64) -> usize {
        let sample = sample_bytes.min(2.0 * self.last_bytes);
        let average = self.last_bytes + self.alpha * (sample - self.last_bytes);
        self.last_bytes = average
            .min(self.maximum_bytes as f64)
            .max(self.minimum_bytes as f64);
        self.last_bytes.round() as usize
    }
}

/// Decides how full the buffers on the way to one gate should be.
#[derive(Clone, Debug)]
pub struct BufferDebloater {
    configuration: DebloatConfiguration,
    average: BufferSizeEma,
    announced_bytes: usize,
    time_to_consume: Duration,
}

impl BufferDebloater {
    /// A debloater whose senders know the configuration's starting size.
    #[must_use]
    pub fn new(configuration: DebloatConfiguration) -> Self {
        Self {
            configuration,
            average: BufferSizeEma::new(
                configuration.starting_bytes,
                configuration.maximum_bytes,
                configuration.minimum_bytes,
                configuration.samples,
            ),
            announced_bytes: configuration.starting_bytes,
            time_to_consume: Duration::ZERO,
        }
    }

    /// Takes the figures of a period and returns the size to announce to the senders, or `None` where the one they
    /// know is good enough. No buffers in use count as one.
    pub fn recalculate(&mut self, bytes_per_second: u64, buffers_in_use: usize) -> Option<usize> {
        let buffers = buffers_in_use.max(1);
        let wanted =
            u128::from(bytes_per_second) * self.configuration.target.as_millis() / MILLISECONDS;
        let size_bytes = self.average.add(wanted as f64 / buffers as f64);
        let in_flight = size_bytes as u128 * buffers as u128;
        let milliseconds = in_flight * MILLISECONDS / u128::from(bytes_per_second.max(1));
        self.time_to_consume =
            Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX));
        if !self.is_worth_announcing(size_bytes) {
            return None;
        }
        self.announced_bytes = size_bytes;
        Some(size_bytes)
    }

    /// Whether this size differs enough from the announced one. A size at a limit or beyond always does, unless it is
    /// the announced one.
    #[must_use]
    pub fn is_worth_announcing(&self, size_bytes: usize) -> bool {
        let configuration = self.configuration;
        if size_bytes == self.announced_bytes {
            return false;
        }
        if size_bytes <= configuration.minimum_bytes || size_bytes >= configuration.maximum_bytes {
            return true;
        }
        let factor = f64::from(configuration.threshold_percent) / 100.0;
        let threshold = (self.announced_bytes as f64 * factor) as usize;
        size_bytes.abs_diff(self.announced_bytes) >= threshold
    }

    /// The size that the senders know, `debloatedBufferSize`.
    #[must_use]
    pub fn announced_bytes(&self) -> usize {
        self.announced_bytes
    }

    /// How long what is in flight will last at the rate and the size of the last calculation, announced or not,
    /// `estimatedTimeToConsumeBuffersMs`.
    #[must_use]
    pub fn time_to_consume(&self) -> Duration {
        self.time_to_consume
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The answers of the released `BufferDebloater` (2.3.0) to the same figures, as a digest: one wrong rounding
    /// anywhere changes everything after it.
    #[test]
    fn a_hundred_thousand_steps_end_as_in_the_released_jar() {
        for (samples, threshold_percent, expected) in [
            (1, 50, JAR_DIGESTS[0]),
            (20, 25, JAR_DIGESTS[1]),
            (1000, 0, JAR_DIGESTS[2]),
        ] {
            let configuration = DebloatConfiguration::with_segments_of(32768)
                .and_then(|configuration| configuration.with_samples(samples))
                .unwrap()
                .with_threshold_percent(threshold_percent);
            let mut debloater = BufferDebloater::new(configuration);
            let mut state = 42_u64;
            let mut random = |bits: u32| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                state >> (64 - bits)
            };
            let mut digest = 0_u64;
            for _ in 0..100_000 {
                // Rates of every magnitude: the number of bits is itself random.
                let bits = 1 + random(5) as u32;
                let bytes_per_second = random(bits);
                let buffers = random(7) as usize;
                let announced = debloater.recalculate(bytes_per_second, buffers);
                for figure in [
                    announced.map_or(0, |size| size as u64),
                    debloater.announced_bytes() as u64,
                    debloater.time_to_consume().as_millis() as u64,
                ] {
                    digest = (digest ^ figure).wrapping_mul(0x0100_0000_01b3);
                }
            }
            assert_eq!(digest, expected, "{samples} samples");
        }
    }

    const JAR_DIGESTS: [u64; 3] = [
        0x2132_d08e_4e35_e994,
        0x1c0a_102d_3ee3_a992,
        0x350b_f2f9_4431_0ea5,
    ];

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let settings = DebloatConfiguration::with_segments_of(32768).unwrap();
        assert_eq!(
            DebloatConfiguration::with_segments_of(1023).unwrap_err(),
            DebloatError::Sizes {
                minimum_bytes: 256,
                starting_bytes: 1024,
                maximum_bytes: 1023
            }
        );
        assert!(settings.with_sizes(0, 1, 1).is_err());
        assert!(settings.with_sizes(2, 1, 3).is_err());
        assert_eq!(
            settings
                .with_target(Duration::from_micros(999))
                .unwrap_err()
                .to_string(),
            "the target is 999µs; expected at least 1 ms"
        );
        assert_eq!(settings.with_samples(0), Err(DebloatError::Samples));
    }

    #[test]
    fn the_time_to_consume_does_not_overflow() {
        let settings = DebloatConfiguration::with_segments_of(32768)
            .and_then(|settings| settings.with_sizes(256, 32768, 32768))
            .unwrap();
        let mut debloater = BufferDebloater::new(settings);
        assert_eq!(debloater.recalculate(u64::MAX, 1 << 20), None);
        debloater.recalculate(1, usize::MAX);
        assert_eq!(debloater.time_to_consume(), Duration::from_millis(u64::MAX));
    }

    proptest! {
        /// Whatever the figures, sizes stay within their limits; and with figures that don't change, the senders
        /// hear of a new size finitely often, and in one direction.
        #[test]
        fn constant_figures_end_the_announcements(
            bytes_per_second in 0_u64..1 << 40,
            buffers in 0_usize..5_000,
            samples in 1_u64..50,
            threshold_percent in 0_u32..100,
            starting_bytes in 256_usize..=32768,
        ) {
            let settings = DebloatConfiguration::with_segments_of(32768)
                .and_then(|settings| settings.with_sizes(256, starting_bytes, 32768))
                .and_then(|settings| settings.with_samples(samples))
                .unwrap()
                .with_threshold_percent(threshold_percent);
            let mut debloater = BufferDebloater::new(settings);
            let mut sizes = vec![starting_bytes];
            let mut last_announcement = 0;
            for step in 1..4_000 {
                if let Some(size) = debloater.recalculate(bytes_per_second, buffers) {
                    prop_assert!((256..=32768).contains(&size));
                    sizes.push(size);
                    last_announcement = step;
                }
            }
            prop_assert!(last_announcement < 3_000, "still announcing at {}", last_announcement);
            prop_assert!(sizes.is_sorted() || sizes.iter().rev().is_sorted());
        }
    }
}
