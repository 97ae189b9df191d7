//! `ThroughputCalculator`: bytes per second of the time in which there was something to receive.

use std::time::Duration;

use headroom::pool::throughput::ThroughputCalculator;

/// 10 000 bytes in 100 ms are 100 000 per second; without time the figure stays, and idle time does not count.
#[test]
fn l20_throughput() {
    let at = Duration::from_millis;
    let mut calculator = ThroughputCalculator::new();
    calculator.calculate(at(0));
    calculator.incoming(6666, at(0));
    calculator.incoming(3333, at(1));
    calculator.incoming(1, at(34));
    assert_eq!(calculator.calculate(at(100)), 100_000);
    assert_eq!(calculator.calculate(at(100)), 100_000);
    assert_eq!(calculator.calculate(at(101)), 0);

    let mut calculator = ThroughputCalculator::new();
    calculator.calculate(at(0));
    calculator.incoming(7, at(0));
    calculator.pause(at(1));
    calculator.incoming(3, at(10));
    assert_eq!(calculator.calculate(at(11)), 5000);
}
