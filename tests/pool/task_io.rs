//! `TaskIOMetricGroup`: busy, idle and back-pressured time of a task.

use std::time::Duration;

use headroom::pool::task_io::{TaskIoMetrics, TaskTimer};

/// Soft 100, hard 200, changelog 300 and idle 200 ms: what is neither idle nor back-pressured is busy, so the wait for
/// the changelog is.
#[test]
fn l15_busy_time_is_the_rest() {
    let metrics = TaskIoMetrics::new(true);
    let start = Duration::from_secs(7);
    let mut now = start;
    metrics.mark_task_start(now);
    for (timer, milliseconds) in [
        (TaskTimer::SoftBackPressured, 100),
        (TaskTimer::HardBackPressured, 200),
        (TaskTimer::ChangelogBusy, 300),
        (TaskTimer::Idle, 200),
    ] {
        metrics.mark_start(timer, now);
        now += Duration::from_millis(milliseconds);
        metrics.mark_end(timer, now);
    }
    let back_pressured = metrics.accumulated_back_pressured();
    assert_eq!(back_pressured, Duration::from_millis(300));
    let idle = metrics.accumulated(TaskTimer::Idle);
    assert_eq!(
        metrics.accumulated_busy(now),
        Some(now - start - back_pressured - idle)
    );
    assert_eq!(
        metrics.accumulated_busy(now),
        Some(Duration::from_millis(300))
    );

    metrics.update(start + Duration::from_secs(5));
    assert_eq!(metrics.back_pressured_milliseconds_per_second(), 60);
    assert_eq!(
        metrics.milliseconds_per_second(TaskTimer::ChangelogBusy),
        60
    );
    assert_eq!(
        metrics.busy_milliseconds_per_second(),
        Some(1000 - 20 - 40 - 40)
    );
}
