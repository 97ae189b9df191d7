//! The JobManager: worked examples, conflicts with their ways out, and what holds for every request.

use headroom::{
    budget::{
        Change, Code, Configuration, Conflict, FlinkVersion, Mode, Origin, Request, Role, Setting,
        Severity, Source,
        jobmanager::{
            JobManagerBudget, UnifiedBudget, derive, dynamic_configurations, jvm_parameters, solve,
        },
        memory_size, minimum_container_limit, options, remarks,
    },
    bytes::Bytes,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::budget_answers::configuration;

fn request(version: FlinkVersion, settings: &[(&str, &str)]) -> Request {
    Request::new(version, configuration(settings)).with_role(Role::JobManager)
}

fn unified(request: &Request) -> UnifiedBudget {
    match solve(request) {
        Ok(JobManagerBudget::Unified(budget)) => budget,
        other => panic!("{other:#?}"),
    }
}

fn errors(request: &Request) -> Vec<Conflict> {
    let mut conflicts = solve(request).expect_err("these options clash").conflicts;
    conflicts.retain(|conflict| conflict.severity == Severity::Error);
    conflicts
}

fn only_error(request: &Request) -> Conflict {
    let mut errors = errors(request);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.remove(0)
}

#[test]
fn every_route_gives_every_size_its_rule() {
    let budget = unified(&request(
        FlinkVersion::V1_20,
        &[(options::JOBMANAGER_PROCESS_SIZE, "1600m")],
    ));
    assert_eq!(budget.jvm_heap.bytes, Bytes::from_mebibytes(1024));
    assert_eq!(
        budget.jvm_heap.source,
        Source::Remainder {
            of: Bytes::from_mebibytes(1152),
            taken: Bytes::from_mebibytes(128)
        }
    );
    assert_eq!(
        budget.off_heap.source,
        Source::Default {
            option: options::JOBMANAGER_OFF_HEAP_SIZE
        }
    );
    let budget = unified(&request(
        FlinkVersion::V2_3,
        &[
            (options::JOBMANAGER_JVM_HEAP_SIZE, "1g"),
            (options::JOBMANAGER_FLINK_SIZE, "1280m"),
        ],
    ));
    assert_eq!(budget.off_heap.bytes, Bytes::from_mebibytes(256));
    assert_eq!(
        budget.total_flink.source,
        Source::Sum {
            of: &["jvmHeap", "offHeap"]
        }
    );
}

#[test]
fn direct_memory_is_limited_only_where_it_is_asked_for() {
    let limited = |switch| {
        let request = request(
            FlinkVersion::V1_17,
            &[
                (options::JOBMANAGER_FLINK_SIZE, "1g"),
                (options::JOBMANAGER_DIRECT_MEMORY_LIMIT, switch),
            ],
        );
        jvm_parameters(&solve(&request).unwrap_or_else(|error| panic!("{error}")))
            .contains("-XX:MaxDirectMemorySize=134217728")
    };
    assert!(limited("TRUE") && limited("true") && !limited("False"));
    let request = request(
        FlinkVersion::V1_17,
        &[
            (options::JOBMANAGER_FLINK_SIZE, "1g"),
            (options::JOBMANAGER_DIRECT_MEMORY_LIMIT, "on"),
        ],
    );
    let conflict = only_error(&request);
    assert_eq!(conflict.code, Code::NumberInvalid);
    assert_eq!(
        conflict.suggestions[0].change,
        Change::Set("true".to_owned())
    );
    let error = derive(&request).expect_err("Flink refuses it");
    assert_eq!(error.class, "java.lang.IllegalArgumentException");
}

#[test]
fn a_legacy_heap_is_the_heap_or_on_kubernetes_the_process() {
    let mut old = request(
        FlinkVersion::V1_20,
        &[(options::JOBMANAGER_HEAP_MB, "1024")],
    );
    let budget = unified(&old);
    assert_eq!(budget.jvm_heap.bytes, Bytes::GIBI);
    old = old.with_mode(Mode::Kubernetes);
    assert_eq!(unified(&old).total_process.bytes, Bytes::GIBI);
    old.legacy_heap_environment = Some("2g".to_owned());
    assert_eq!(
        unified(&old).total_process.source,
        Source::Configured {
            option: options::JOBMANAGER_HEAP_ENVIRONMENT,
            origin: Origin::Environment
        }
    );
    old.flink_version = FlinkVersion::V2_0;
    assert_eq!(only_error(&old).code, Code::MissingTotal);
}

#[test]
fn heap_and_off_heap_that_are_not_their_sum_are_one_conflict_with_its_ways_out() {
    let clash = request(
        FlinkVersion::V1_16,
        &[
            (options::JOBMANAGER_JVM_HEAP_SIZE, "1g"),
            (options::JOBMANAGER_OFF_HEAP_SIZE, "256m"),
            (options::JOBMANAGER_FLINK_SIZE, "1200m"),
        ],
    );
    let conflict = only_error(&clash);
    assert_eq!(conflict.code, Code::TotalsDisagree);
    assert_eq!(
        conflict
            .sum
            .iter()
            .map(|term| term.bytes.get())
            .sum::<u64>(),
        1280 << 20
    );
    assert!(conflict.suggestions.len() >= 2, "{conflict:#?}");
    for suggestion in &conflict.suggestions {
        assert!(
            solve(&clash.with_suggestion(suggestion)).is_ok(),
            "{suggestion}"
        );
    }
}

#[test]
fn a_heap_above_the_total_and_a_total_without_a_heap_are_refused() {
    for (settings, word) in [
        (
            [
                (options::JOBMANAGER_JVM_HEAP_SIZE, "2g"),
                (options::JOBMANAGER_FLINK_SIZE, "1g"),
            ],
            "exceeds",
        ),
        (
            [
                (options::JOBMANAGER_OFF_HEAP_SIZE, "1g"),
                (options::JOBMANAGER_FLINK_SIZE, "1g"),
            ],
            "is less than",
        ),
    ] {
        let clash = request(FlinkVersion::V2_1, &settings);
        let conflict = only_error(&clash);
        assert_eq!(conflict.code, Code::ComponentsExceedTotal);
        assert!(!conflict.suggestions.is_empty(), "{conflict:#?}");
        let error = derive(&clash).expect_err("Flink refuses it");
        assert!(error.message.contains(word), "{error}");
        assert!(!error.message.starts_with("JobManager"), "{error}");
    }
}

#[test]
fn a_container_that_is_too_small_is_told_the_smallest_that_works() {
    let small = request(FlinkVersion::V2_0, &[]).with_container_limit(Bytes::from_mebibytes(200));
    let conflict = only_error(&small);
    assert_eq!(conflict.code, Code::LimitTooSmall);
    let smallest = minimum_container_limit(&small).expect("a larger one works");
    assert_eq!(smallest, Bytes::from_mebibytes(579));
    assert!(conflict.message.contains("579 MiB"), "{}", conflict.message);
}

#[test]
fn every_conflict_is_found_at_once() {
    let conflicts = errors(&request(
        FlinkVersion::V1_20,
        &[
            (options::JOBMANAGER_PROCESS_SIZE, "1600 MiB"),
            (options::JOBMANAGER_OFF_HEAP_SIZE, "1.5g"),
            (options::JOBMANAGER_JVM_OVERHEAD_FRACTION, "40"),
            (options::JOBMANAGER_DIRECT_MEMORY_LIMIT, "yes"),
        ],
    ));
    // What stands out only once others are corrected says so.
    let mut codes: Vec<&str> = conflicts
        .iter()
        .filter(|conflict| conflict.assuming.is_empty())
        .map(|conflict| conflict.code.as_str())
        .collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        [
            "FractionInvalid",
            "NumberInvalid",
            "SizeInvalid",
            "SizeInvalid"
        ]
    );
}

#[test]
fn a_misspelt_key_finds_its_option() {
    let budget = unified(&request(
        FlinkVersion::V2_3,
        &[
            (options::JOBMANAGER_PROCESS_SIZE, "1600m"),
            ("jobmanager.memory.offheap.size", "256m"),
            ("taskmanager.memory.managed.sice", "a TaskManager's"),
        ],
    ));
    assert_eq!(budget.warnings.len(), 1, "{:#?}", budget.warnings);
    assert!(
        budget.warnings[0]
            .message
            .contains(options::JOBMANAGER_OFF_HEAP_SIZE)
    );
}

#[test]
fn a_jobmanager_of_1_10_keeps_a_share_of_its_container_back() {
    let mut old = request(
        FlinkVersion::V1_10,
        &[
            (options::JOBMANAGER_HEAP_SIZE, "4g"),
            (options::HEAP_CUTOFF_RATIO, "0.3"),
        ],
    )
    .with_mode(Mode::Kubernetes);
    let Ok(JobManagerBudget::Cutoff(budget)) = solve(&old) else {
        panic!("{:#?}", solve(&old))
    };
    assert_eq!(budget.jvm_heap.bytes, Bytes::from_mebibytes(4096 - 1228));
    old = request(
        FlinkVersion::V1_10,
        &[
            (options::JOBMANAGER_HEAP_SIZE, "4g"),
            (options::HEAP_CUTOFF_RATIO, "30"),
        ],
    )
    .with_mode(Mode::Kubernetes);
    assert_eq!(only_error(&old).code, Code::FractionInvalid);
    let error = derive(&old).expect_err("Flink refuses it");
    assert_eq!(
        error.message,
        "The configuration value 'containerized.heap-cutoff-ratio' must be between 0 and 1. Value given=30.0"
    );
    let small = request(
        FlinkVersion::V1_10,
        &[(options::JOBMANAGER_HEAP_SIZE, "512m")],
    )
    .with_mode(Mode::Kubernetes);
    let conflict = only_error(&small);
    assert_eq!(conflict.code, Code::ComponentsExceedTotal);
    for suggestion in &conflict.suggestions {
        assert!(
            solve(&small.with_suggestion(suggestion)).is_ok(),
            "{suggestion}"
        );
    }
    assert!(!conflict.suggestions.is_empty());
    // Flink's scripts keep nothing back.
    let by_script =
        solve(&small.with_mode(Mode::Standalone)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(jvm_parameters(&by_script), "-Xms512m -Xmx512m");
}

const SIZES: [&str; 9] = [
    options::JOBMANAGER_PROCESS_SIZE,
    options::JOBMANAGER_FLINK_SIZE,
    options::JOBMANAGER_JVM_HEAP_SIZE,
    options::JOBMANAGER_OFF_HEAP_SIZE,
    options::JOBMANAGER_JVM_METASPACE_SIZE,
    options::JOBMANAGER_JVM_OVERHEAD_MIN,
    options::JOBMANAGER_JVM_OVERHEAD_MAX,
    options::JOBMANAGER_HEAP_SIZE,
    options::JOBMANAGER_HEAP_MB,
];
const OTHERS: [&str; 6] = [
    options::JOBMANAGER_JVM_OVERHEAD_FRACTION,
    options::JOBMANAGER_DIRECT_MEMORY_LIMIT,
    options::HEAP_CUTOFF_RATIO,
    options::HEAP_CUTOFF_MIN,
    options::KUBERNETES_JOBMANAGER_MEMORY_LIMIT_FACTOR,
    "kubernetes.jobmanager.cpu",
];

fn any_request() -> impl Strategy<Value = Request> {
    let size = prop_oneof![
        8 => (1_u64..8192).prop_map(|mebibytes| format!("{mebibytes}m")),
        2 => (0_u64..1 << 34).prop_map(|bytes| bytes.to_string()),
        1 => select(vec!["4Gi", "-1", "", "8388608t", "9223372036854775807", "half", "128m", "1t"])
            .prop_map(str::to_owned),
    ];
    let other = prop_oneof![
        4 => (0_u32..100).prop_map(|hundredths| format!("0.{hundredths:02}")),
        2 => select(vec!["true", "FALSE", "1", "600", "2.5", "NaN", "-1", "", "x"]).prop_map(str::to_owned),
    ];
    let setting = prop_oneof![
        6 => (select(SIZES.to_vec()), size.clone()),
        2 => (select(OTHERS.to_vec()), other),
    ]
    .prop_map(|(key, value)| Setting {
        key: key.to_owned(),
        value,
        origin: Origin::FlinkConfiguration,
    });
    let limit = option::of((200_u64..16_384).prop_map(Bytes::from_mebibytes));
    let mode = select(vec![Mode::Standalone, Mode::Kubernetes]);
    let version = select(FlinkVersion::ALL.to_vec());
    let environment = option::weighted(0.1, size);
    (version, mode, vec(setting, 0..6), limit, environment).prop_map(
        |(version, mode, settings, container_limit, legacy_heap_environment)| Request {
            role: Role::JobManager,
            mode,
            container_limit,
            legacy_heap_environment,
            ..Request::new(version, settings.into_iter().collect())
        },
    )
}

proptest! {
    #[test]
    fn a_budget_adds_up_and_is_stable_under_its_own_output(request in any_request()) {
        let Ok(JobManagerBudget::Unified(budget)) = solve(&request) else { return Ok(()) };
        let sum = |parts: &[Bytes]| parts.iter().map(|part| part.get()).sum::<u64>();
        let total_flink = sum(&[budget.jvm_heap.bytes, budget.off_heap.bytes]);
        prop_assert_eq!(total_flink, budget.total_flink.bytes.get());
        prop_assert_eq!(
            sum(&[budget.total_flink.bytes, budget.jvm_metaspace.bytes, budget.jvm_overhead.bytes]),
            budget.total_process.bytes.get()
        );
        let mut own: Configuration = dynamic_configurations(&JobManagerBudget::Unified(budget.clone()))
            .into_iter()
            .map(|(key, value)| Setting { key, value, origin: Origin::CommandLine })
            .collect();
        // 1.11 prints no options of its own.
        if request.flink_version == FlinkVersion::V1_11 {
            for (key, component) in [
                (options::JOBMANAGER_JVM_HEAP_SIZE, &budget.jvm_heap),
                (options::JOBMANAGER_OFF_HEAP_SIZE, &budget.off_heap),
                (options::JOBMANAGER_JVM_METASPACE_SIZE, &budget.jvm_metaspace),
                (options::JOBMANAGER_JVM_OVERHEAD_MIN, &budget.jvm_overhead),
                (options::JOBMANAGER_JVM_OVERHEAD_MAX, &budget.jvm_overhead),
            ] {
                own.push(key, memory_size::text(component.bytes), Origin::CommandLine);
            }
        }
        own.push(
            options::JOBMANAGER_DIRECT_MEMORY_LIMIT,
            budget.limits_direct_memory.to_string(),
            Origin::CommandLine,
        );
        let before = JobManagerBudget::Unified(budget);
        let again = Request { configuration: own, legacy_heap_environment: None, ..request };
        let again = solve(&again).expect("a budget's own options solve");
        let sizes = |budget: &JobManagerBudget| -> Vec<u64> {
            budget.components().iter().map(|(_, component)| component.bytes.get()).collect()
        };
        prop_assert_eq!(sizes(&again), sizes(&before));
        prop_assert_eq!(jvm_parameters(&again), jvm_parameters(&before));
    }

    #[test]
    fn what_does_not_solve_is_explained_and_its_joint_suggestion_mends_it(request in any_request()) {
        let Err(infeasible) = solve(&request) else { return Ok(()) };
        let errors: Vec<_> = infeasible
            .conflicts
            .iter()
            .filter(|conflict| conflict.severity == Severity::Error)
            .collect();
        prop_assert!(!errors.is_empty());
        prop_assert_eq!(infeasible.flink_error.is_some(), derive(&request).is_err() || errors.iter().any(|error| {
            error.options.iter().any(|option| option.key.starts_with("kubernetes."))
        }), "{:#?}", infeasible);
        for conflict in errors.iter().filter(|_| errors.len() == 1) {
            for suggestion in &conflict.suggestions {
                let mended = request.with_suggestion(suggestion);
                prop_assert!(solve(&mended).is_ok(), "{}: {suggestion}", conflict.message);
            }
        }
        prop_assert!(!infeasible.joint.is_empty(), "{infeasible:#?}");
        let mended = infeasible
            .joint
            .iter()
            .fold(request, |request, change| request.with_suggestion(change));
        prop_assert!(solve(&mended).is_ok(), "{infeasible:#?}\n{:#?}", solve(&mended));
    }

    #[test]
    fn the_smallest_limit_solves_and_one_mebibyte_less_does_not(request in any_request()) {
        let Some(limit) = minimum_container_limit(&request) else { return Ok(()) };
        prop_assert!(solve(&request.clone().with_container_limit(limit)).is_ok());
        let less = limit.saturating_sub(Bytes::MEBI);
        prop_assert!(solve(&request.with_container_limit(less)).is_err());
    }

    #[test]
    fn any_map_is_answered(
        version in select(FlinkVersion::ALL.to_vec()),
        settings in vec((prop_oneof![
            select(SIZES.to_vec()).prop_map(str::to_owned),
            select(OTHERS.to_vec()).prop_map(str::to_owned),
            "jobmanager\\.memory\\.[a-z.-]{0,20}",
            ".*",
        ], ".*"), 0..6),
        limit in option::of(any::<u64>().prop_map(Bytes)),
        mode in select(vec![Mode::Standalone, Mode::Kubernetes]),
    ) {
        let configuration = settings
            .into_iter()
            .map(|(key, value)| Setting { key, value, origin: Origin::FlinkConfiguration })
            .collect();
        let request = Request {
            container_limit: limit,
            mode,
            role: Role::JobManager,
            ..Request::new(version, configuration)
        };
        if let Err(infeasible) = solve(&request) {
            prop_assert!(!infeasible.conflicts.is_empty());
        }
        let _ = remarks(&request);
        let _ = minimum_container_limit(&request);
    }
}
