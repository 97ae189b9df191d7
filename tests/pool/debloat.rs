//! `BufferDebloater` and `BufferSizeEMA`: how full buffers should be.

use std::time::Duration;

use headroom::pool::debloat::{BufferDebloater, BufferSizeEma, DebloatConfiguration, DebloatError};

/// A debloater as Flink's tests build it: it starts at the maximum, each sample replaces the average, and half the
/// size is worth an announcement unless a test says otherwise.
fn debloater(
    target_milliseconds: u64,
    sizes: (usize, usize),
    threshold_percent: u32,
) -> BufferDebloater {
    let (minimum, maximum) = sizes;
    BufferDebloater::new(
        DebloatConfiguration::with_segments_of(32768)
            .and_then(|configuration| configuration.with_sizes(minimum, maximum, maximum))
            .and_then(|configuration| configuration.with_samples(1))
            .and_then(|configuration| {
                configuration.with_target(Duration::from_millis(target_milliseconds))
            })
            .unwrap()
            .with_threshold_percent(threshold_percent),
    )
}

/// The size is what lasts for the target in the buffers in use: 0 of them count as one, limits are kept, and what lies
/// at or near the announced size is not announced. 3999 bytes in 16 buffers are 250 each since 2.0; until 1.20 the
/// average was kept in whole bytes and the answer was 249.
#[test]
fn l16_size_from_throughput() {
    for (target, sizes, buffers, throughput, expected) in [
        (1000, (50, 2400), 0, 1200, Some(1200)),
        (1200, (50, 1100), 16, 3333, Some(250)),
        (1200, (250, 1100), 16, 3333, Some(250)),
        (1200, (50, 1100), 16, 0, Some(50)),
        (7, (50, 1100), 16, 3333, Some(50)),
        (1200, (50, 248), 16, 3333, None),
        (1200, (50, 250), 16, 3333, None),
    ] {
        assert_eq!(
            debloater(target, sizes, 25).recalculate(throughput, buffers),
            expected,
            "{target} {sizes:?} {buffers} {throughput}"
        );
    }
    let mut debloater = debloater(1000, (50, 2400), 25);
    debloater.recalculate(1200, 4);
    assert_eq!(debloater.announced_bytes(), 300);
    assert_eq!(debloater.time_to_consume(), Duration::from_secs(1));
}

/// The largest and the smallest size are announced however near the last one was, and once.
#[test]
fn l17_limits_are_announced_once() {
    for (figures, expected) in [
        (
            [500, 1000, 2000, 2000],
            [Some(500), Some(1000), Some(1100), None],
        ),
        ([60, 60, 40, 40], [Some(60), None, Some(50), None]),
    ] {
        let mut debloater = debloater(1000, (50, 1100), 25);
        assert_eq!(
            figures.map(|throughput| debloater.recalculate(throughput, 1)),
            expected
        );
    }
}

/// With a threshold of 30 %, what differs by less is skipped and what differs by exactly that is not; the limits and
/// what lies beyond are always announced.
#[test]
fn l18_small_changes_are_skipped() {
    let mut debloater = debloater(1000, (256, 32768), 30);
    let current = 16384;
    assert_eq!(debloater.recalculate(current as u64, 1), Some(current));
    let threshold = (current as f64 * 0.3) as usize;
    for skipped in [
        current,
        current - 1,
        current + 1,
        current - threshold + 1,
        current + threshold - 1,
    ] {
        assert!(!debloater.is_worth_announcing(skipped), "{skipped}");
    }
    for announced in [
        current - threshold,
        current + threshold,
        256 + 1,
        256,
        32768 - 1,
        32768,
        32768 + 1,
        256 - 1,
    ] {
        assert!(debloater.is_worth_announcing(announced), "{announced}");
    }
}

/// The average shrinks and grows by the same share of itself, stays between its limits, and refuses 0 buffers; a
/// negative size can't be written down.
#[test]
fn l19_moving_average() {
    let mut average = BufferSizeEma::new(200, 200, 10, 3);
    for (total, buffers, expected) in [
        (111, 13, 104),
        (107, 7, 60),
        (107, 7, 38),
        (107, 7, 26),
        (107, 7, 21),
        (107, 7, 18),
        (107, 13, 13),
        (107, 13, 11),
        (107, 13, 10),
        (333, 1, 15),
        (333, 1, 23),
        (333, 1, 34),
        (333, 1, 51),
        (333, 1, 76),
        (333, 1, 114),
    ] {
        assert_eq!(average.calculate(total, buffers), Ok(expected));
    }

    let mut shrinking = BufferSizeEma::new(200, 200, 10, 3);
    for expected in [100, 50, 25, 13, 10, 10] {
        assert_eq!(shrinking.calculate(0, 1), Ok(expected));
    }
    let mut growing = BufferSizeEma::new(200, 200, 10, 3);
    for (total, expected) in [(0, 100), (1000, 150), (1000, 200), (1000, 200)] {
        assert_eq!(growing.calculate(total, 1), Ok(expected));
    }

    let mut refusing = BufferSizeEma::new(100, 100, 200, 2);
    assert_eq!(
        refusing.calculate(1, 0),
        Err(DebloatError::NoBuffers { total_bytes: 1 })
    );

    let mut slow = BufferSizeEma::new(16, 32 * 1024, 16, 10_000);
    for _ in 0..10_000 {
        slow.calculate(20_000, 10).unwrap();
    }
    assert!(slow.calculate(10_000, 10).unwrap() > 16);
}
