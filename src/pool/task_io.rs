//! Where the time of a task goes: busy, idle or back-pressured.
//!
//! Mirrors the time metrics of `TaskIOMetricGroup` and the choice of the timer in `StreamTask.processInput`. Time is
//! told as for [`TimerGauge`].

use std::time::Duration;

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
#[derive(Debug, Default)]
pub struct TaskIoMetrics {
    idle: TimerGauge,
    soft_back_pressured: TimerGauge,
    hard_back_pressured: TimerGauge,
    changelog_busy: TimerGauge,
    measures_busy_time: bool,
    started: Option<Duration>,
}

impl TaskIoMetrics {
    /// Timers at 0. Source tasks of the old kind, whose loop nobody sees, don't measure busy time.
    #[must_use]
    pub fn new(measures_busy_time: bool) -> Self {
        Self {
            measures_busy_time,
            ..Self::default()
        }
    }

    /// One timer.
    #[must_use]
    pub fn timer(&self, timer: TaskTimer) -> &TimerGauge {
        match timer {
            TaskTimer::Idle => &self.idle,
            TaskTimer::SoftBackPressured => &self.soft_back_pressured,
            TaskTimer::HardBackPressured => &self.hard_back_pressured,
            TaskTimer::ChangelogBusy => &self.changelog_busy,
        }
    }

    /// One timer, to be started and stopped.
    pub fn timer_mut(&mut self, timer: TaskTimer) -> &mut TimerGauge {
        match timer {
            TaskTimer::Idle => &mut self.idle,
            TaskTimer::SoftBackPressured => &mut self.soft_back_pressured,
            TaskTimer::HardBackPressured => &mut self.hard_back_pressured,
            TaskTimer::ChangelogBusy => &mut self.changelog_busy,
        }
    }

    /// The task runs from now on.
    pub fn mark_task_start(&mut self, now: Duration) {
        self.started = Some(now);
    }

    /// Closes an interval of all timers, see [`TimerGauge::update`].
    pub fn update(&mut self, now: Duration) {
        self.idle.update(now);
        self.soft_back_pressured.update(now);
        self.hard_back_pressured.update(now);
        self.changelog_busy.update(now);
    }

    /// Milliseconds of each second in which output was awaited, `backPressuredTimeMsPerSecond`.
    #[must_use]
    pub fn back_pressured_milliseconds_per_second(&self) -> u64 {
        self.soft_back_pressured.milliseconds_per_second()
            + self.hard_back_pressured.milliseconds_per_second()
    }

    /// Milliseconds of each second that are neither idle nor back-pressured, `busyTimeMsPerSecond`; `None` where the
    /// task does not measure it, for which Flink reports "not a number".
    #[must_use]
    pub fn busy_milliseconds_per_second(&self) -> Option<u64> {
        let not_busy =
            self.idle.milliseconds_per_second() + self.back_pressured_milliseconds_per_second();
        self.measures_busy_time
            .then(|| MILLISECONDS.saturating_sub(not_busy))
    }

    /// All the time in which output was awaited.
    #[must_use]
    pub fn accumulated_back_pressured(&self) -> Duration {
        self.soft_back_pressured
            .accumulated()
            .saturating_add(self.hard_back_pressured.accumulated())
    }

    /// All the time since the start that was neither idle nor back-pressured, not below 0; `None` before the start
    /// and where the task does not measure it.
    #[must_use]
    pub fn accumulated_busy(&self, now: Duration) -> Option<Duration> {
        let started = self.started.filter(|_| self.measures_busy_time)?;
        Some(
            now.saturating_sub(started)
                .saturating_sub(self.idle.accumulated())
                .saturating_sub(self.accumulated_back_pressured()),
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
        let mut metrics = TaskIoMetrics::new(false);
        metrics.mark_task_start(Duration::ZERO);
        assert_eq!(metrics.busy_milliseconds_per_second(), None);
        assert_eq!(metrics.accumulated_busy(Duration::from_secs(1)), None);
        let metrics = TaskIoMetrics::new(true);
        assert_eq!(metrics.busy_milliseconds_per_second(), Some(1000));
        assert_eq!(metrics.accumulated_busy(Duration::from_secs(1)), None);
    }

    #[test]
    fn timers_that_overlap_leave_no_negative_busy_time() {
        let mut metrics = TaskIoMetrics::new(true);
        metrics.mark_task_start(Duration::ZERO);
        for timer in [TaskTimer::Idle, TaskTimer::HardBackPressured] {
            metrics.timer_mut(timer).mark_start(Duration::ZERO);
        }
        metrics.update(Duration::from_secs(5));
        assert_eq!(metrics.busy_milliseconds_per_second(), Some(0));
        assert_eq!(
            metrics.accumulated_busy(Duration::from_secs(5)),
            Some(Duration::ZERO)
        );
    }
}
