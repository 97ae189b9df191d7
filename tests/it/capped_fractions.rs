//! The examples of capped fractions that circulate, with the numbers that real Flink gave for them.
//!
//! `docs/capped-fractions.md` shows the same commands; these are the bytes, for the oldest and the newest version whose
//! answers were recorded.

use headroom::budget::{
    Code, Configuration, FlinkVersion, Infeasible, Origin, Request, Role, Severity, Source, derive,
    jobmanager::{self, JobManagerBudget, UnifiedBudget},
    options, solve,
};

const VERSIONS: [FlinkVersion; 2] = [FlinkVersion::V1_20, FlinkVersion::V2_3];

/// A process of 1000 MiB with these bounds of JVM overhead, and more options.
fn request(version: FlinkVersion, minimum: &str, maximum: &str, more: &[(&str, &str)]) -> Request {
    let bounds = [
        (options::PROCESS_SIZE, "1000m"),
        (options::JVM_OVERHEAD_MIN, minimum),
        (options::JVM_OVERHEAD_MAX, maximum),
    ];
    let configuration = bounds
        .iter()
        .chain(more)
        .fold(Configuration::new(), |configuration, (key, value)| {
            configuration.with(*key, *value, Origin::CommandLine)
        });
    Request::new(version, configuration)
}

fn only_error(infeasible: &Infeasible) -> Code {
    let mut errors = infeasible
        .conflicts
        .iter()
        .filter(|conflict| conflict.severity == Severity::Error);
    let first = errors.next().expect("there is an error");
    assert!(errors.next().is_none(), "{infeasible:#?}");
    first.code
}

#[test]
fn a_fraction_between_its_bounds_is_taken() {
    for version in VERSIONS {
        let budget = solve(&request(version, "64m", "128m", &[])).unwrap();
        // One byte more than a tenth, which is 0.10000000149011612 to Flink.
        assert_eq!(budget.jvm_overhead.bytes.get(), 104_857_601);
        assert_eq!(budget.total_flink.bytes.get(), 675_282_943);
    }
}

#[test]
fn a_fraction_below_its_minimum_is_moved_there() {
    for version in VERSIONS {
        let budget = solve(&request(version, "128m", "256m", &[])).unwrap();
        assert_eq!(budget.jvm_overhead.bytes.get(), 128 << 20);
    }
}

#[test]
fn a_fixed_task_heap_makes_network_memory_the_rest_and_not_the_overhead() {
    let heap = (options::TASK_HEAP_SIZE, "100m");
    for version in VERSIONS {
        let refused = request(version, "64m", "256m", &[heap]);
        let infeasible = solve(&refused).unwrap_err();
        assert_eq!(only_error(&infeasible), Code::NetworkOutOfRange);
        let flink = derive(&refused).unwrap_err();
        let cause = flink.causes.last().expect("Flink says why");
        assert!(cause.message.contains("(31876706 bytes)"), "{cause:?}");
        assert!(cause.message.contains("Network Memory"), "{cause:?}");

        let room = (options::MANAGED_FRACTION, "0.3");
        let budget = solve(&request(version, "64m", "256m", &[heap, room])).unwrap();
        assert_eq!(budget.jvm_overhead.bytes.get(), 104_857_601);
        assert_eq!(budget.network.bytes.get(), 99_404_997);
    }
}

#[test]
fn with_managed_memory_too_the_overhead_is_the_rest_and_one_byte_short() {
    let fixed = [
        (options::TASK_HEAP_SIZE, "100m"),
        (options::MANAGED_SIZE, "256m"),
    ];
    for version in VERSIONS {
        let refused = request(version, "64m", "256m", &fixed);
        let infeasible = solve(&refused).unwrap_err();
        assert_eq!(only_error(&infeasible), Code::OverheadOutOfRange);
        let flink = derive(&refused).unwrap_err();
        assert!(flink.message.contains("(67108863 bytes)"), "{flink}");
    }
}

/// A JobManager of 1000 MiB with the bounds of the third example, and more options.
fn jobmanager_request(version: FlinkVersion, more: &[(&str, &str)]) -> Request {
    let bounds = [
        (options::JOBMANAGER_PROCESS_SIZE, "1000m"),
        (options::JOBMANAGER_JVM_OVERHEAD_MIN, "64m"),
        (options::JOBMANAGER_JVM_OVERHEAD_MAX, "256m"),
    ];
    let configuration = bounds
        .iter()
        .chain(more)
        .fold(Configuration::new(), |configuration, (key, value)| {
            configuration.with(*key, *value, Origin::CommandLine)
        });
    Request::new(version, configuration).with_role(Role::JobManager)
}

fn unified(request: &Request) -> UnifiedBudget {
    match jobmanager::solve(request) {
        Ok(JobManagerBudget::Unified(budget)) => budget,
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_fixed_heap_makes_the_overhead_of_a_jobmanager_the_rest() {
    for version in VERSIONS {
        let refused = jobmanager_request(version, &[(options::JOBMANAGER_JVM_HEAP_SIZE, "100m")]);
        let infeasible = jobmanager::solve(&refused).unwrap_err();
        assert_eq!(only_error(&infeasible), Code::OverheadOutOfRange);
        let flink = jobmanager::derive(&refused).unwrap_err();
        assert!(
            flink
                .message
                .contains("JVM Overhead size (516.000mb (541065216 bytes))"),
            "{flink}"
        );

        let fits = jobmanager_request(version, &[(options::JOBMANAGER_JVM_HEAP_SIZE, "400m")]);
        let budget = unified(&fits);
        assert_eq!(budget.jvm_overhead.bytes.get(), 226_492_416);
        assert!(matches!(
            budget.jvm_overhead.source,
            Source::Remainder { .. }
        ));
    }
}

#[test]
fn without_a_heap_the_overhead_of_a_jobmanager_is_the_fraction() {
    for version in VERSIONS {
        let budget = unified(&jobmanager_request(version, &[]));
        assert_eq!(budget.jvm_overhead.bytes.get(), 104_857_601);
        // What off-heap memory leaves of total Flink memory, as with a TaskManager of the first example.
        assert_eq!(budget.total_flink.bytes.get(), 675_282_943);
        assert_eq!(budget.jvm_heap.bytes.get(), 675_282_943 - (128 << 20));
    }
}
