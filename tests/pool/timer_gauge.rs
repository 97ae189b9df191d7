//! `TimerGauge`: how much of each second something lasts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use headroom::pool::timer_gauge::{TimerGauge, TimerListener, UPDATE_INTERVAL};

const SLEEP: Duration = Duration::from_millis(10);
/// Any origin will do; Flink's tests take one that is not 0.
const ORIGIN: Duration = Duration::from_secs(42_000);

/// A gauge with a clock that stands still until it is told to go on.
struct Measured {
    gauge: TimerGauge,
    now: Duration,
}

impl Measured {
    fn over_seconds(seconds: u64) -> Self {
        Self {
            gauge: TimerGauge::over_seconds(seconds),
            now: ORIGIN,
        }
    }

    fn sleep(&mut self, time: Duration) {
        self.now += time;
    }

    fn start(&mut self) {
        self.gauge.mark_start(self.now);
    }

    fn end(&mut self) {
        self.gauge.mark_end(self.now);
    }

    fn update(&mut self) {
        self.gauge.update(self.now);
    }

    /// An interval in which the state lasts so long, at its beginning.
    fn interval(&mut self, time: Duration) {
        if time > Duration::ZERO {
            self.start();
            self.sleep(time);
            self.end();
        }
        self.sleep(UPDATE_INTERVAL - time);
        self.update();
    }

    /// Milliseconds per second, longest stretch, accumulated time.
    fn figures(&self) -> (u64, Duration, Duration) {
        (
            self.gauge.milliseconds_per_second(),
            self.gauge.longest_of_last_interval(),
            self.gauge.accumulated(),
        )
    }
}

/// 10 ms in an interval of 5 s are 2 ms per second; the longest stretch is that of the last interval alone.
#[test]
fn l9_basic_usage() {
    let mut measured = Measured::over_seconds(5);
    measured.update();
    assert_eq!(measured.figures(), (0, Duration::ZERO, Duration::ZERO));
    measured.interval(SLEEP);
    assert_eq!(measured.figures(), (2, SLEEP, SLEEP));
    measured.interval(SLEEP / 2);
    assert_eq!(measured.figures(), (1, SLEEP / 2, SLEEP + SLEEP / 2));
}

/// A measurement that never ends counts in every interval it crosses, and its stretch goes on growing.
#[test]
fn l10_update_without_marking_the_end() {
    let mut measured = Measured::over_seconds(10);
    measured.sleep(UPDATE_INTERVAL - SLEEP);
    measured.start();
    measured.sleep(SLEEP);
    measured.update();
    assert_eq!(measured.figures(), (2, SLEEP, SLEEP));
    measured.sleep(UPDATE_INTERVAL);
    measured.update();
    let both = SLEEP + UPDATE_INTERVAL;
    assert_eq!(measured.figures(), ((10 + 5000) / 10, both, both));
    assert!(measured.gauge.is_measuring());
}

/// Before the first update there are no figures, though the time is counted.
#[test]
fn l11_figures_without_an_update() {
    let mut measured = Measured::over_seconds(60);
    measured.start();
    measured.sleep(SLEEP);
    assert_eq!(measured.figures().0, 0);
    measured.end();
    assert_eq!(measured.figures(), (0, Duration::ZERO, SLEEP));
    assert_eq!(measured.gauge.counted(), SLEEP);
}

/// One stretch of 20 ms over two intervals is 2 ms per second in both together, and 20 ms long.
#[test]
fn l12_update_before_marking_the_end() {
    let mut measured = Measured::over_seconds(10);
    measured.sleep(UPDATE_INTERVAL - SLEEP);
    measured.start();
    measured.sleep(SLEEP);
    measured.update();
    measured.sleep(SLEEP);
    measured.end();
    measured.sleep(UPDATE_INTERVAL - SLEEP);
    measured.update();
    assert_eq!(measured.figures(), (2, 2 * SLEEP, 2 * SLEEP));
}

/// A gauge over two intervals tells the average of both, of one while there is only one, and forgets the third last.
#[test]
fn l13_a_longer_time_span() {
    let mut measured = Measured::over_seconds(10);
    measured.interval(SLEEP);
    assert_eq!(measured.figures(), (2, SLEEP, SLEEP));
    measured.interval(Duration::ZERO);
    assert_eq!(measured.figures(), (1, Duration::ZERO, SLEEP));
    measured.interval(SLEEP);
    measured.interval(SLEEP);
    assert_eq!(measured.figures(), (2, SLEEP, 3 * SLEEP));
    measured.interval(SLEEP / 2);
    assert_eq!(measured.gauge.longest_of_last_interval(), SLEEP / 2);
    assert_eq!(measured.gauge.accumulated(), 3 * SLEEP + SLEEP / 2);
}

#[derive(Clone, Default)]
struct Counts(Arc<(AtomicU64, AtomicU64)>);

impl Counts {
    fn starts_and_ends(&self) -> (u64, u64) {
        (self.0.0.load(Relaxed), self.0.1.load(Relaxed))
    }
}

impl TimerListener for Counts {
    fn timer_started(&mut self) {
        self.0.0.fetch_add(1, Relaxed);
    }

    fn timer_ended(&mut self) {
        self.0.1.fetch_add(1, Relaxed);
    }
}

/// A listener that comes during a measurement hears of a start at once, and one that leaves during it of an end.
#[test]
fn l14_listeners() {
    let mut gauge = TimerGauge::over_seconds(5);
    let (first, second) = (Counts::default(), Counts::default());
    let first_id = gauge.register(Box::new(first.clone()));
    gauge.mark_start(ORIGIN);
    assert_eq!(first.starts_and_ends(), (1, 0));
    gauge.mark_end(ORIGIN);
    assert_eq!(first.starts_and_ends(), (1, 1));

    gauge.mark_start(ORIGIN);
    let second_id = gauge.register(Box::new(second.clone()));
    assert_eq!(first.starts_and_ends(), (2, 1));
    assert_eq!(second.starts_and_ends(), (1, 0));
    gauge.mark_end(ORIGIN);
    assert_eq!(first.starts_and_ends(), (2, 2));
    assert_eq!(second.starts_and_ends(), (1, 1));

    gauge.mark_start(ORIGIN);
    gauge.unregister(first_id);
    gauge.unregister(first_id);
    assert_eq!(first.starts_and_ends(), (3, 3));
    assert_eq!(second.starts_and_ends(), (2, 1));
    gauge.mark_end(ORIGIN);
    assert_eq!(second.starts_and_ends(), (2, 2));

    gauge.unregister(second_id);
    gauge.mark_start(ORIGIN);
    gauge.mark_end(ORIGIN);
    assert_eq!(first.starts_and_ends(), (3, 3));
    assert_eq!(second.starts_and_ends(), (2, 2));
}
