//! Where the time of a task goes: busy, idle or back-pressured.
//!
//! Mirrors the time metrics of `TaskIOMetricGroup` and the choice of the timer in `StreamTask.processInput`. Time is
//! told as for [`TimerGauge`].

use std::{sync::OnceLock, time::Duration};

use parking_lot::Mutex;

use super::timer_gauge::TimerGauge;

/// Milliseconds of a second.
const MILLISECONDS: u64 = 1000;

/// Why a task does nothing: each has a timer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskTimer {
    /// It has no input.
    Idle,
    /// It has input, and does not begin with it because its output has no buffer.
    SoftBackPressured,
    /// It is inside an element and waits for a buffer to write on.
    HardBackPressured,
    /// The changelog of its state can't take more; counts as busy.
    ChangelogBusy,
}

impl TaskTimer {
    /// The timer of a task loop that waits: exactly one, the output's before the input's before the changelog's.
    /// `None` where the task has no reason to wait.
    #[must_use]
    pub fn of_wait(
        output_available: bool,
        input_available: bool,
        changelog_available: bool,
    ) -> Option<Self> {
        if !output_available {
            Some(Self::SoftBackPressured)
        } else if !input_available {
            Some(Self::Idle)
        } else if !changelog_available {
            Some(Self::ChangelogBusy)
        } else {
            None
        }
    }
}

/// The timers of a task and what follows from them.
///
/// The task starts and ends them, whoever reports them reads and updates them, from another thread.
#[derive(Debug)]
pub struct TaskIoMetrics {
    timers: Mutex<Timers>,
    measures_busy_time: bool,
    started: OnceLock<Duration>,
}

#[derive(Debug, Default)]
struct Timers {
    idle: TimerGauge,
    soft_back_pressured: TimerGauge,
    hard_back_pressured: TimerGauge,
    changelog_busy: TimerGauge,
}

impl Timers {
    fn of(&mut self, timer: TaskTimer) -> &mut TimerGauge {
        match timer {
            TaskTimer::Idle => &mut self.idle,
            TaskTimer::SoftBackPressured => &mut self.soft_back_pressured,
            TaskTimer::HardBackPressured => &mut self.hard_back_pressured,
            TaskTimer::ChangelogBusy => &mut self.changelog_busy,
        }
    }

    fn back_pressured_milliseconds_per_second(&self) -> u64 {
        self.soft_back_pressured.milliseconds_per_second()
            + self.hard_back_pressured.milliseconds_per_second()
    }

    fn accumulated_back_pressured(&self) -> Duration {
        self.soft_back_pressured
            .accumulated()
            .saturating_add(self.hard_back_pressured.accumulated())
    }
}

impl TaskIoMetrics {
    /// Timers at 0. Source tasks of the old kind, whose loop nobody sees, don't measure busy time.
    #[must_use]
    pub fn new(measures_busy_time: bool) -> Self {
        Self {
            timers: Mutex::new(Timers::default()),
            measures_busy_time,
            started: OnceLock::new(),
        }
    }

    /// A timer starts, see [`TimerGauge::mark_start`].
    pub fn mark_start(&self, timer: TaskTimer, now: Duration) {
        self.timers.lock().of(timer).mark_start(now);
    }

    /// A timer ends, see [`TimerGauge::mark_end`].
    pub fn mark_end(&self, timer: TaskTimer, now: Duration) {
        self.timers.lock().of(timer).mark_end(now);
    }

    /// Closes an interval of all timers, see [`TimerGauge::update`].
    pub fn update(&self, now: Duration) {
        let timers = &mut *self.timers.lock();
        timers.idle.update(now);
        timers.soft_back_pressured.update(now);
        timers.hard_back_pressured.update(now);
        timers.changelog_busy.update(now);
    }

    /// The task runs from now on. Does nothing the second time.
    pub fn mark_task_start(&self, now: Duration) {
        self.started.get_or_init(|| now);
    }

    /// Milliseconds of each second that a timer ran.
    #[must_use]
    pub fn milliseconds_per_second(&self, timer: TaskTimer) -> u64 {
        self.timers.lock().of(timer).milliseconds_per_second()
    }

    /// The longest stretch of the last interval, see [`TimerGauge::longest_of_last_interval`].
    #[must_use]
    pub fn longest_of_last_interval(&self, timer: TaskTimer) -> Duration {
        self.timers.lock().of(timer).longest_of_last_interval()
    }

    /// All the time that a timer ran.
    #[must_use]
    pub fn accumulated(&self, timer: TaskTimer) -> Duration {
        self.timers.lock().of(timer).accumulated()
    }

    /// Milliseconds of each second in which output was awaited, `backPressuredTimeMsPerSecond`.
    #[must_use]
    pub fn back_pressured_milliseconds_per_second(&self) -> u64 {
        self.timers.lock().back_pressured_milliseconds_per_second()
    }

    /// Milliseconds of each second that are neither idle nor back-pressured, `busyTimeMsPerSecond`; `None` where the
    /// task does not measure it, for which Flink reports "not a number".
    #[must_use]
    pub fn busy_milliseconds_per_second(&self) -> Option<u64> {
        let timers = self.timers.lock();
        let not_busy =
            timers.idle.milliseconds_per_second() + timers.back_pressured_milliseconds_per_second();
        self.measures_busy_time
            .then(|| MILLISECONDS.saturating_sub(not_busy))
    }

    /// All the time in which output was awaited.
    #[must_use]
    pub fn accumulated_back_pressured(&self) -> Duration {
        self.timers.lock().accumulated_back_pressured()
    }

    /// All the time since the start that was neither idle nor back-pressured, not below 0; `None` before the start
    /// and where the task does not measure it.
    #[must_use]
    pub fn accumulated_busy(&self, now: Duration) -> Option<Duration> {
        let started = self.started.get().filter(|_| self.measures_busy_time)?;
        let timers = self.timers.lock();
        Some(
            now.saturating_sub(*started)
                .saturating_sub(timers.idle.accumulated())
                .saturating_sub(timers.accumulated_back_pressured()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_timer_runs_and_the_output_comes_first() {
        assert_eq!(
            TaskTimer::of_wait(false, false, false),
            Some(TaskTimer::SoftBackPressured)
        );
        assert_eq!(
            TaskTimer::of_wait(true, false, false),
            Some(TaskTimer::Idle)
        );
        assert_eq!(
            TaskTimer::of_wait(true, true, false),
            Some(TaskTimer::ChangelogBusy)
        );
        assert_eq!(TaskTimer::of_wait(true, true, true), None);
    }

    #[test]
    fn busy_time_is_not_told_where_it_is_not_measured() {
        let metrics = TaskIoMetrics::new(false);
        metrics.mark_task_start(Duration::ZERO);
        assert_eq!(metrics.busy_milliseconds_per_second(), None);
        assert_eq!(metrics.accumulated_busy(Duration::from_secs(1)), None);
        let metrics = TaskIoMetrics::new(true);
        assert_eq!(metrics.busy_milliseconds_per_second(), Some(1000));
        assert_eq!(metrics.accumulated_busy(Duration::from_secs(1)), None);
    }

    #[test]
    fn timers_that_overlap_leave_no_negative_busy_time() {
        let metrics = TaskIoMetrics::new(true);
        metrics.mark_task_start(Duration::ZERO);
        for timer in [TaskTimer::Idle, TaskTimer::HardBackPressured] {
            metrics.mark_start(timer, Duration::ZERO);
        }
        metrics.update(Duration::from_secs(5));
        assert_eq!(metrics.busy_milliseconds_per_second(), Some(0));
        assert_eq!(
            metrics.accumulated_busy(Duration::from_secs(5)),
            Some(Duration::ZERO)
        );
    }
}
