//! What Flink's own Kubernetes deployment asks of a node, and what one slot of a TaskManager gets.

use headroom::{
    budget::{
        Budget, Change, Code, Conflict, FlinkVersion, Mode, Origin, Request, derive, jobmanager,
        kubernetes::{jobmanager_container, worker_pod},
        options, slots,
        slots::SlotRequest,
        solve,
    },
    bytes::Bytes,
};
use proptest::prelude::*;

use crate::budget_answers::configuration;

fn request(version: FlinkVersion, settings: &[(&str, &str)]) -> Request {
    Request::new(version, configuration(settings)).with_mode(Mode::Kubernetes)
}

const BOTH_TOTALS: [(&str, &str); 3] = [
    (options::PROCESS_SIZE, "4g"),
    (options::FLINK_SIZE, "3g"),
    (options::JVM_OVERHEAD_MIN, "64m"),
];

#[test]
fn the_pod_is_computed_without_the_configured_totals_since_1_18() {
    for (version, process, ignored) in [
        (FlinkVersion::V1_17, 4 << 30, 0),
        (FlinkVersion::V1_18, 3_877_401_037, 2),
        (FlinkVersion::V2_3, 3_877_401_037, 2),
    ] {
        let request = request(version, &BOTH_TOTALS);
        let client = derive(&request).unwrap();
        assert_eq!(client.total_process.bytes, Bytes::from_mebibytes(4096));
        let pod = worker_pod(&request).unwrap();
        assert_eq!(pod.budget.total_process.bytes, Bytes(process), "{version}");
        assert_eq!(pod.ignored_totals.len(), ignored, "{version}");
        assert_eq!(pod.budget.total_flink, client.total_flink);
    }
}

#[test]
fn the_switch_for_slots_of_their_own_size_decides_from_1_13_to_1_18() {
    for (version, switch, ignored) in [
        (FlinkVersion::V1_12, "true", 0),
        (FlinkVersion::V1_13, "true", 2),
        (FlinkVersion::V1_17, "true", 2),
        (FlinkVersion::V1_18, "false", 0),
        (FlinkVersion::V1_19, "false", 2),
    ] {
        let mut settings = BOTH_TOTALS.to_vec();
        settings.push((options::FINE_GRAINED, switch));
        let pod = worker_pod(&request(version, &settings)).unwrap();
        assert_eq!(pod.ignored_totals.len(), ignored, "{version} {switch}");
    }
}

#[test]
fn cores_and_limits_follow_the_options_of_kubernetes() {
    let settings = [
        (options::PROCESS_SIZE, "4097m"),
        (options::NUMBER_OF_TASK_SLOTS, "4"),
        ("kubernetes.taskmanager.cpu", "0.1"),
        (options::KUBERNETES_TASKMANAGER_CPU_LIMIT_FACTOR, "3.0"),
        (options::KUBERNETES_TASKMANAGER_MEMORY_LIMIT_FACTOR, "1.5"),
    ];
    let container = worker_pod(&request(FlinkVersion::V1_17, &settings))
        .unwrap()
        .container;
    assert_eq!(container.memory_request_mebibytes, 4097);
    assert_eq!(container.memory_limit_mebibytes, 6145);
    assert_eq!(container.cpu_request, "0.1");
    assert_eq!(container.cpu_limit, "0.30000000000000004");
    // Factors came with 1.15; the longer key with 1.17.
    let old = worker_pod(&request(FlinkVersion::V1_14, &settings))
        .unwrap()
        .container;
    assert_eq!(old.memory_limit_mebibytes, 4097);
    let amount = [
        (options::PROCESS_SIZE, "4g"),
        (options::KUBERNETES_TASKMANAGER_CPU, "2"),
        ("kubernetes.taskmanager.cpu", "3"),
    ];
    let cores = |version| {
        worker_pod(&request(version, &amount))
            .unwrap()
            .container
            .cpu_request
    };
    assert_eq!(cores(FlinkVersion::V1_16), "3.0");
    assert_eq!(cores(FlinkVersion::V1_17), "2.0");
    let configured = [amount.as_slice(), &[(options::CPU_CORES, "1.5")]].concat();
    let pod = worker_pod(&request(FlinkVersion::V2_1, &configured)).unwrap();
    assert_eq!(pod.container.cpu_request, "1.5");
}

#[test]
fn a_limit_below_its_request_is_a_conflict() {
    let settings = [
        (options::PROCESS_SIZE, "4g"),
        (options::KUBERNETES_TASKMANAGER_MEMORY_LIMIT_FACTOR, "0.8"),
    ];
    let clash = request(FlinkVersion::V1_20, &settings);
    let infeasible = solve(&clash).expect_err("the limit is below the request");
    let conflict = &infeasible.conflicts[0];
    assert_eq!(conflict.code, Code::NumberInvalid);
    assert!(solve(&clash.with_suggestion(&conflict.suggestions[0])).is_ok());
    assert_eq!(
        infeasible.flink_error.map(|error| error.message),
        Some(
            "kubernetes.taskmanager.memory.limit-factor should be greater or equal to 1."
                .to_owned()
        )
    );
    // Flink's scripts read none of this.
    assert!(solve(&clash.with_mode(Mode::Standalone)).is_ok());
}

#[test]
fn cores_of_kubernetes_that_are_no_cores_are_a_conflict_of_that_option() {
    // Less than a hundred-millionth is rounded down to none.
    for cores in ["1e-9", "Infinity", "many"] {
        for (version, key) in [
            (FlinkVersion::V1_16, "kubernetes.taskmanager.cpu"),
            (FlinkVersion::V2_1, options::KUBERNETES_TASKMANAGER_CPU),
        ] {
            let clash = request(version, &[(options::PROCESS_SIZE, "4g"), (key, cores)]);
            let infeasible = solve(&clash).expect_err(cores);
            let [conflict] = &infeasible.conflicts[..] else {
                panic!("{cores}: {infeasible}");
            };
            assert_eq!(conflict.code, Code::NumberInvalid);
            assert!(
                conflict.message.contains(key) && conflict.message.contains(cores),
                "{conflict:?}"
            );
            assert!(!conflict.suggestions.is_empty(), "{conflict:?}");
            for suggestion in &conflict.suggestions {
                assert!(
                    solve(&clash.with_suggestion(suggestion)).is_ok(),
                    "{suggestion}"
                );
            }
            // Configured cores win, as long as the others can be read.
            let configured = clash.configuration.clone().with(
                options::CPU_CORES,
                "2",
                Origin::FlinkConfiguration,
            );
            let configured = Request::new(version, configured).with_mode(Mode::Kubernetes);
            assert_eq!(worker_pod(&configured).is_ok(), cores != "many");
        }
    }
}

#[test]
fn a_legacy_heap_is_the_process_on_kubernetes() {
    let old = request(FlinkVersion::V1_16, &[(options::HEAP_SIZE, "4g")]);
    assert_eq!(
        solve(&old).unwrap().total_process.bytes,
        Bytes::from_mebibytes(4096)
    );
    assert!(
        solve(&old.clone().with_mode(Mode::Standalone))
            .unwrap()
            .total_process
            .bytes
            > Bytes::from_mebibytes(4096)
    );
    let small = request(FlinkVersion::V1_16, &[(options::HEAP_SIZE, "400m")]);
    let conflict = &solve(&small).expect_err("too small").conflicts[0];
    assert!(!conflict.suggestions.is_empty(), "{conflict:#?}");
    for suggestion in &conflict.suggestions {
        assert!(
            solve(&small.with_suggestion(suggestion)).is_ok(),
            "{suggestion}"
        );
    }
}

#[test]
fn the_container_of_a_jobmanager_has_a_core_unless_told_otherwise() {
    let settings = [
        (options::JOBMANAGER_PROCESS_SIZE, "1600m"),
        (options::KUBERNETES_JOBMANAGER_MEMORY_LIMIT_FACTOR, "1.25"),
    ];
    let request = request(FlinkVersion::V1_20, &settings);
    let budget = jobmanager::derive(&request).unwrap();
    let container = jobmanager_container(&request, &budget).unwrap();
    assert_eq!(container.memory_request_mebibytes, 1600);
    assert_eq!(container.memory_limit_mebibytes, 2000);
    assert_eq!(
        (container.cpu_request.as_str(), container.cpu_limit.as_str()),
        ("1.0", "1.0")
    );
}

fn of_four_gibibytes(version: FlinkVersion, slots: &str, cores: &str) -> Request {
    let settings = [
        (options::PROCESS_SIZE, "4g"),
        (options::NUMBER_OF_TASK_SLOTS, slots),
        (options::CPU_CORES, cores),
    ];
    request(version, &settings)
}

fn budget(version: FlinkVersion, slots: &str, cores: &str) -> Budget {
    derive(&of_four_gibibytes(version, slots, cores)).unwrap()
}

#[test]
fn a_slot_gets_an_equal_share_cut_off_as_the_version_does_it() {
    let profile =
        |version, slots, cores| slots::default_profile(&budget(version, slots, cores)).unwrap();
    assert_eq!(
        profile(FlinkVersion::V2_1, "3", "2").cpu_cores,
        "0.66666666"
    );
    assert_eq!(
        profile(FlinkVersion::V1_13, "3", "2").cpu_cores,
        "0.6666666666666666"
    );
    assert_eq!(
        profile(FlinkVersion::V1_13, "4", "2").cpu_cores,
        "0.5000000000000000"
    );
    assert_eq!(profile(FlinkVersion::V2_1, "2", "20").cpu_cores, "10");
    assert_eq!(
        profile(FlinkVersion::V2_1, "2", "1e20").cpu_cores,
        "50000000000000000000"
    );
    let one = profile(FlinkVersion::V2_1, "-1", "1");
    let three = profile(FlinkVersion::V2_1, "3", "1");
    assert_eq!(one.slots, 1);
    assert_eq!(three.managed.get(), one.managed.get() / 3);
    let error = slots::default_profile(&budget(FlinkVersion::V1_20, "0", "1")).unwrap_err();
    assert_eq!(
        error.message,
        "Invalid configuration value for taskmanager.numberOfTaskSlots : 0 - Number of task slots must be at least \
         one."
    );
}

#[test]
fn slots_that_only_the_started_process_reads_are_a_conflict_all_the_same() {
    for slots in ["two", "", "1.0"] {
        let budget = budget(FlinkVersion::V1_12, slots, "1.5");
        let error = slots::default_profile(&budget).unwrap_err();
        assert_eq!(
            error.message,
            format!("Could not parse value '{slots}' for key 'taskmanager.numberOfTaskSlots'.")
        );
        assert_eq!(error.causes[0].class, "java.lang.NumberFormatException");
        let clash = request(
            FlinkVersion::V1_12,
            &[
                (options::PROCESS_SIZE, "4g"),
                (options::NUMBER_OF_TASK_SLOTS, slots),
                (options::CPU_CORES, "1.5"),
            ],
        )
        .with_mode(Mode::Standalone);
        let infeasible = solve(&clash).expect_err(slots);
        let [conflict] = &infeasible.conflicts[..] else {
            panic!("{slots}: {infeasible}");
        };
        assert_eq!(conflict.code, Code::NumberInvalid);
        for suggestion in &conflict.suggestions {
            assert!(
                solve(&clash.with_suggestion(suggestion)).is_ok(),
                "{suggestion}"
            );
        }
    }
}

#[test]
fn slots_of_their_own_size_fit_or_say_what_they_lack() {
    let asked = of_four_gibibytes(FlinkVersion::V2_1, "2", "4");
    let budget = derive(&asked).unwrap();
    let slot = |name: &str, cpu_cores, heap_mebibytes, managed_mebibytes| SlotRequest {
        name: name.to_owned(),
        cpu_cores,
        task_heap: Bytes::from_mebibytes(heap_mebibytes),
        task_off_heap: Bytes::ZERO,
        managed: Bytes::from_mebibytes(managed_mebibytes),
    };
    let fits = slots::fit(
        &asked,
        &budget,
        &[slot("join", 0.5, 400, 0), slot("scan", 2.0, 10, 0)],
    )
    .unwrap();
    assert_eq!(
        fits.iter()
            .map(|fit| (fit.per_task_manager, fit.bounded_by))
            .collect::<Vec<_>>(),
        [(3, "taskHeap"), (2, "cpuCores")]
    );
    let conflicts = slots::fit(
        &asked,
        &budget,
        &[slot("join", 8.0, 4096, 0), slot("scan", 1.0, 1, 1 << 14)],
    )
    .unwrap_err();
    assert_eq!(conflicts.len(), 3);
    assert!(
        conflicts
            .iter()
            .all(|conflict| conflict.code == Code::SlotTooLarge)
    );
    assert_eq!(
        conflicts[0].suggestions[0].change,
        Change::Set("4".to_owned())
    );
    let raised = |conflict: &Conflict| conflict.suggestions[1].to_string();
    let process = "set spec.flinkConfiguration[taskmanager.memory.process.size] to";
    assert_eq!(
        raised(&conflicts[0]),
        "set spec.flinkConfiguration[taskmanager.cpu.cores] to 8"
    );
    assert!(raised(&conflicts[1]).starts_with(process));
    assert!(raised(&conflicts[2]).starts_with(process));
}

/// One option that makes the TaskManager large enough: the slot fits then, and does not with a mebibyte less.
#[test]
fn a_slot_that_does_not_fit_says_what_would_make_the_task_manager_large_enough() {
    let slot = |heap, off_heap, managed| SlotRequest {
        name: "wide".to_owned(),
        cpu_cores: 1.0,
        task_heap: Bytes::from_mebibytes(heap),
        task_off_heap: Bytes::from_mebibytes(off_heap),
        managed: Bytes::from_mebibytes(managed),
    };
    let contained = |settings: &[(&str, &str)]| {
        request(FlinkVersion::V2_1, settings)
            .with_mode(Mode::Standalone)
            .with_container_limit(Bytes::from_mebibytes(4096))
    };
    let fits = |request: &Request, slot: &SlotRequest| {
        let budget = solve(request).unwrap();
        slots::fit(request, &budget, std::slice::from_ref(slot))
    };
    for (request, slot, path) in [
        (
            contained(&[]),
            slot(2000, 0, 0),
            "spec.taskManager.resources.limits.memory",
        ),
        (
            contained(&[]),
            slot(0, 0, 3000),
            "spec.taskManager.resources.limits.memory",
        ),
        (
            contained(&[]),
            slot(0, 100, 0),
            "spec.memory.task.offHeapSize",
        ),
        (
            contained(&[(options::MANAGED_SIZE, "1g")]),
            slot(0, 0, 1500),
            "spec.flinkConfiguration[taskmanager.memory.managed.size]",
        ),
        (
            contained(&[(options::TASK_OFF_HEAP_SIZE, "64m")]),
            slot(0, 65, 0),
            "spec.flinkConfiguration[taskmanager.memory.task.off-heap.size]",
        ),
        (
            contained(&[
                (options::TASK_OFF_HEAP_SIZE, "900m"),
                (options::MANAGED_SIZE, "100m"),
            ]),
            slot(0, 901, 0),
            "spec.flinkConfiguration[taskmanager.memory.task.off-heap.size]",
        ),
        (
            contained(&[(options::TASK_HEAP_SIZE, "64m")]),
            slot(65, 0, 0),
            "spec.flinkConfiguration[taskmanager.memory.task.heap.size]",
        ),
        (
            contained(&[(options::FLINK_SIZE, "2g")]),
            slot(1000, 0, 0),
            "spec.flinkConfiguration[taskmanager.memory.flink.size]",
        ),
    ] {
        let conflicts = fits(&request, &slot).unwrap_err();
        let [conflict] = conflicts.as_slice() else {
            panic!("{conflicts:#?}")
        };
        let suggestion = &conflict.suggestions[1];
        assert_eq!(suggestion.path, path);
        assert!(conflict.message.ends_with(&suggestion.to_string()));
        let raised = request.with_suggestion(suggestion);
        fits(&raised, &slot).unwrap();
        if let (Some(limit), true) = (raised.container_limit, path.contains("limits")) {
            let less = raised.with_container_limit(limit.saturating_sub(Bytes::MEBI));
            fits(&less, &slot).unwrap_err();
        }
    }
    // Two options hold the heap, so that none alone makes it larger.
    let held = contained(&[
        (options::TASK_HEAP_SIZE, "1g"),
        (options::MANAGED_SIZE, "1g"),
    ]);
    let conflicts = fits(&held, &slot(9000, 0, 0)).unwrap_err();
    assert_eq!(conflicts[0].suggestions.len(), 1);
}

proptest! {
    #[test]
    fn slots_never_get_more_than_there_is(slots in 1_u32..200, cores in 0.01_f64..1000.0, old in any::<bool>()) {
        let version = if old { FlinkVersion::V1_12 } else { FlinkVersion::V2_3 };
        let budget = budget(version, &slots.to_string(), &cores.to_string());
        let profile = slots::default_profile(&budget).unwrap();
        let count = u64::from(profile.slots);
        prop_assert!(profile.managed.get() * count <= budget.managed.bytes.get());
        prop_assert!((profile.managed.get() + 1) * count > budget.managed.bytes.get());
        let cpu: f64 = profile.cpu_cores.parse().unwrap();
        prop_assert!(cpu * f64::from(slots) <= budget.cpu_cores * 1.000_000_000_000_001);
    }

    #[test]
    fn a_pod_of_whole_mebibytes_is_at_most_one_byte_beside_the_process(mebibytes in 1024_u64..16_384) {
        let process = format!("{mebibytes}m");
        let request = request(FlinkVersion::V2_3, &[(options::PROCESS_SIZE, &process)]);
        let Ok(client) = derive(&request) else { return Ok(()) };
        let pod = worker_pod(&request).unwrap();
        let (ours, configured) = (pod.budget.total_process.bytes.get(), client.total_process.bytes.get());
        prop_assert!(ours == configured || ours == configured + 1, "{ours} {configured}");
        prop_assert_eq!(i64::from(pod.container.memory_request_mebibytes), i64::try_from(mebibytes).unwrap());
    }
}

#[test]
fn a_slot_gets_its_part_of_an_external_resource_cut_off() {
    let settings = [
        (options::PROCESS_SIZE, "4g"),
        (options::NUMBER_OF_TASK_SLOTS, "2"),
        (options::EXTERNAL_RESOURCES, "gpu"),
        ("external-resource.gpu.amount", "5"),
    ];
    let budget = solve(&request(FlinkVersion::V2_1, &settings)).unwrap();
    let slot = slots::default_profile(&budget).unwrap();
    assert_eq!(slot.external_resources, [("gpu".to_owned(), 2)]);
}
