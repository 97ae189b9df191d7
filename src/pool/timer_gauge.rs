//! How much of each second something lasts: being idle, being back-pressured, waiting for a lock.
//!
//! Mirrors `TimerGauge`. Time is told, never read: each call takes the time since an origin of the caller's choice.
//! A time before one that was told earlier counts as no time at all.

use std::{fmt, time::Duration};

/// How often [`TimerGauge::update`] has to be called for its figures to be right, Flink's
/// `View.UPDATE_INTERVAL_SECONDS`.
pub const UPDATE_INTERVAL: Duration = Duration::from_secs(UPDATE_INTERVAL_SECONDS);

const UPDATE_INTERVAL_SECONDS: u64 = 5;

/// The seconds that a gauge looks back where nothing else is asked for.
const DEFAULT_TIME_SPAN_SECONDS: u64 = 60;

/// Hears when a measurement starts and ends, Flink's `StartStopListener`.
///
/// Starts and ends alternate, beginning with a start. The gauge takes no lock; who keeps a gauge behind one has to
/// see that its listeners don't wait for that lock.
pub trait TimerListener: Send {
    /// The measured state was entered.
    fn timer_started(&mut self);
    /// The measured state was left, or the listener leaves.
    fn timer_ended(&mut self);
}

/// A listener's place at one gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerListenerId(u64);

/// A measurement that has begun and not ended.
#[derive(Clone, Copy, Debug)]
struct Running {
    /// When it began.
    start: Duration,
    /// Up to when it is in the counts.
    counted_until: Duration,
}

/// Measures how long a state lasts, in milliseconds for each second of the last minute.
///
/// A measurement that runs across an update is credited to each interval with the part that lies in it, so that a
/// state that nobody ever leaves shows as well.
pub struct TimerGauge {
    listeners: Vec<(TimerListenerId, Box<dyn TimerListener>)>,
    next_listener: u64,
    /// One sum for each interval of the time span, as a ring.
    intervals: Box<[Duration]>,
    next_interval: usize,
    filled_intervals: usize,
    milliseconds_per_second: u64,
    count: Duration,
    running: Option<Running>,
    longest_of_last_interval: Duration,
    longest: Duration,
    accumulated: Duration,
}

impl TimerGauge {
    /// A gauge over the last 60 seconds.
    #[must_use]
    pub fn new() -> Self {
        Self::over_seconds(DEFAULT_TIME_SPAN_SECONDS)
    }

    /// A gauge over so many seconds, rounded down to whole intervals of 5 seconds and at least one of them.
    #[must_use]
    pub fn over_seconds(seconds: u64) -> Self {
        let intervals = usize::try_from(seconds / UPDATE_INTERVAL_SECONDS).unwrap_or(usize::MAX);
        Self {
            listeners: Vec::new(),
            next_listener: 0,
            intervals: vec![Duration::ZERO; intervals.max(1)].into_boxed_slice(),
            next_interval: 0,
            filled_intervals: 0,
            milliseconds_per_second: 0,
            count: Duration::ZERO,
            running: None,
            longest_of_last_interval: Duration::ZERO,
            longest: Duration::ZERO,
            accumulated: Duration::ZERO,
        }
    }

    /// The state is entered. Does nothing where it was entered already.
    pub fn mark_start(&mut self, now: Duration) {
        if self.running.is_some() {
            return;
        }
        self.running = Some(Running {
            start: now,
            counted_until: now,
        });
        for (_, listener) in &mut self.listeners {
            listener.timer_started();
        }
    }

    /// The state is left. Does nothing where it was not entered.
    pub fn mark_end(&mut self, now: Duration) {
        let Some(running) = self.running.take() else {
            return;
        };
        self.count_running(running, now);
        for (_, listener) in &mut self.listeners {
            listener.timer_ended();
        }
    }

    /// Closes an interval; to be called every [`UPDATE_INTERVAL`], however long it really took.
    pub fn update(&mut self, now: Duration) {
        if let Some(running) = self.running {
            self.count_running(running, now);
            self.running = Some(Running {
                counted_until: now.max(running.counted_until),
                ..running
            });
        }
        self.intervals[self.next_interval] = self.count;
        self.next_interval = (self.next_interval + 1) % self.intervals.len();
        self.filled_intervals = (self.filled_intervals + 1).min(self.intervals.len());
        let sum = self.intervals[..self.filled_intervals]
            .iter()
            .fold(Duration::ZERO, |sum, interval| {
                sum.saturating_add(*interval)
            });
        let seconds = (self.filled_intervals as u64).saturating_mul(UPDATE_INTERVAL_SECONDS);
        self.milliseconds_per_second = (milliseconds(sum) / seconds).min(1000);
        self.longest_of_last_interval = self.longest;
        self.longest = Duration::ZERO;
        self.count = Duration::ZERO;
    }

    fn count_running(&mut self, running: Running, now: Duration) {
        let uncounted = now.saturating_sub(running.counted_until);
        self.count = self.count.saturating_add(uncounted);
        self.accumulated = self.accumulated.saturating_add(uncounted);
        self.longest = self.longest.max(now.saturating_sub(running.start));
    }

    /// Milliseconds of each second that the state lasted, from 0 to 1000, as of the last update; 0 before the first.
    #[must_use]
    pub fn milliseconds_per_second(&self) -> u64 {
        self.milliseconds_per_second
    }

    /// The longest stretch that ended in the last closed interval or went on at its end, with what of it lies in
    /// intervals before.
    #[must_use]
    pub fn longest_of_last_interval(&self) -> Duration {
        self.longest_of_last_interval
    }

    /// All the time that was counted since the gauge was made, a running measurement up to the last update.
    #[must_use]
    pub fn accumulated(&self) -> Duration {
        self.accumulated
    }

    /// Time that was counted since the last update.
    #[must_use]
    pub fn counted(&self) -> Duration {
        self.count
    }

    /// Whether the state was entered and not left.
    #[must_use]
    pub fn is_measuring(&self) -> bool {
        self.running.is_some()
    }

    /// Adds a listener; one that comes during a measurement is told of its start at once.
    pub fn register(&mut self, mut listener: Box<dyn TimerListener>) -> TimerListenerId {
        if self.is_measuring() {
            listener.timer_started();
        }
        let id = TimerListenerId(self.next_listener);
        self.next_listener += 1;
        self.listeners.push((id, listener));
        id
    }

    /// Takes a listener away; one that leaves during a measurement is told of an end. Does nothing where it left
    /// before.
    pub fn unregister(&mut self, id: TimerListenerId) {
        let Some(place) = self.listeners.iter().position(|(other, _)| *other == id) else {
            return;
        };
        let (_, mut listener) = self.listeners.remove(place);
        if self.is_measuring() {
            listener.timer_ended();
        }
    }
}

impl Default for TimerGauge {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TimerGauge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TimerGauge")
            .field("milliseconds_per_second", &self.milliseconds_per_second)
            .field("accumulated", &self.accumulated)
            .field("running", &self.running)
            .field("listeners", &self.listeners.len())
            .finish_non_exhaustive()
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_that_repeat_change_nothing() {
        let mut gauge = TimerGauge::over_seconds(5);
        gauge.mark_end(Duration::from_millis(1));
        gauge.mark_start(Duration::from_millis(10));
        gauge.mark_start(Duration::from_millis(15));
        gauge.mark_end(Duration::from_millis(30));
        gauge.mark_end(Duration::from_millis(90));
        assert_eq!(gauge.counted(), Duration::from_millis(20));
        assert!(!gauge.is_measuring());
    }

    #[test]
    fn a_clock_that_goes_back_takes_nothing_away() {
        let mut gauge = TimerGauge::over_seconds(5);
        gauge.mark_start(Duration::from_secs(10));
        gauge.update(Duration::from_secs(12));
        gauge.update(Duration::from_secs(11));
        gauge.mark_end(Duration::from_secs(13));
        assert_eq!(gauge.accumulated(), Duration::from_secs(3));
    }

    #[test]
    fn what_lasts_longer_than_the_interval_is_clipped() {
        let mut gauge = TimerGauge::new();
        gauge.mark_start(Duration::ZERO);
        gauge.update(Duration::from_secs(60));
        assert_eq!(gauge.milliseconds_per_second(), 1000);
    }

    proptest! {
        /// However a stretch is cut by updates, its parts sum to it.
        #[test]
        fn updates_lose_no_time(updates in prop::collection::vec(0_u64..10_000, 0..20), end in 0_u64..100_000) {
            let mut gauge = TimerGauge::new();
            gauge.mark_start(Duration::ZERO);
            let mut now = 0;
            for step in updates {
                now += step;
                gauge.update(Duration::from_millis(now));
                prop_assert!(gauge.milliseconds_per_second() <= 1000);
            }
            gauge.mark_end(Duration::from_millis(now + end));
            prop_assert_eq!(gauge.accumulated(), Duration::from_millis(now + end));
            gauge.update(Duration::from_millis(now + end));
            prop_assert_eq!(gauge.longest_of_last_interval(), Duration::from_millis(now + end));
        }
    }
}
