//! One request for each code: what is reported, with which numbers, and which way out.

use headroom::{
    budget::{
        Change, Code, Configuration, Conflict, Exact, FlinkVersion, Infeasible, Origin, Request,
        Severity, options, solve,
    },
    bytes::Bytes,
};

fn request(
    version: FlinkVersion,
    limit_mebibytes: Option<u64>,
    settings: &[(&str, &str)],
) -> Request {
    let mut configuration = Configuration::new();
    for (key, value) in settings {
        configuration.push(*key, *value, Origin::FlinkConfiguration);
    }
    Request {
        container_limit: limit_mebibytes.map(Bytes::from_mebibytes),
        ..Request::new(version, configuration)
    }
}

fn infeasible(limit_mebibytes: Option<u64>, settings: &[(&str, &str)]) -> Infeasible {
    solve(&request(FlinkVersion::V1_16, limit_mebibytes, settings))
        .expect_err("these options clash")
}

/// The only error there is.
fn conflict(limit_mebibytes: Option<u64>, settings: &[(&str, &str)]) -> Conflict {
    let mut conflicts = infeasible(limit_mebibytes, settings).conflicts;
    conflicts.retain(|conflict| conflict.severity == Severity::Error);
    assert_eq!(conflicts.len(), 1, "{conflicts:#?}");
    conflicts.remove(0)
}

fn assert_conflict(conflict: &Conflict, code: Code, bound: &str, way_out: &str) {
    assert_eq!(conflict.code, code, "{}", conflict.message);
    assert_eq!(conflict.bound, bound, "{}", conflict.message);
    assert!(conflict.message.contains(way_out), "{}", conflict.message);
    assert_eq!(
        conflict
            .suggestions
            .first()
            .map(ToString::to_string)
            .as_deref(),
        Some(way_out)
    );
}

fn warnings(limit_mebibytes: Option<u64>, settings: &[(&str, &str)]) -> Vec<(Code, String)> {
    let budget = solve(&request(FlinkVersion::V1_16, limit_mebibytes, settings))
        .expect("warnings don't fail");
    budget
        .warnings
        .into_iter()
        .map(|warning| (warning.code, warning.message))
        .collect()
}

#[test]
fn components_larger_than_the_total_are_summed_up() {
    let conflict = conflict(Some(2048), &[(options::MANAGED_SIZE, "4g")]);
    assert_conflict(
        &conflict,
        Code::ComponentsExceedTotal,
        "<= 1229434384b",
        "set spec.flinkConfiguration[taskmanager.memory.managed.size] to 1172m",
    );
    assert_eq!(conflict.configured, "4g");
    assert_eq!(
        conflict.suggestions[0].exact,
        Some(Exact::AtMost("1229434384b".to_owned()))
    );
    let total = conflict.total.as_ref().expect("parts were added");
    assert_eq!(
        (total.name, total.bytes.get(), total.bound.as_str()),
        ("sum", 4_729_832_736, "<= 1664299824b")
    );
    let error = conflict
        .flink_error
        .as_ref()
        .expect("Flink refuses it as well");
    assert!(
        error
            .message
            .contains("exceed configured Total Flink Memory"),
        "{error}"
    );
    let sum: Vec<_> = conflict
        .sum
        .iter()
        .map(|term| (term.name, term.bytes.get()))
        .collect();
    assert_eq!(
        sum,
        [
            ("frameworkHeap", 134_217_728),
            ("frameworkOffHeap", 134_217_728),
            ("taskOffHeap", 0),
            ("managed", 4_294_967_296),
            ("network", 166_429_984),
        ]
    );
    assert!(
        conflict
            .message
            .contains("= 4.41 GiB (4729832736 bytes), 2.86 GiB (3065532912 bytes) more than")
    );
    assert_eq!(
        conflict.options[0].path,
        "spec.flinkConfiguration[taskmanager.memory.managed.size]"
    );
    assert_eq!(
        conflict.options[1].path,
        "spec.taskManager.resources.limits.memory"
    );
}

#[test]
fn a_limit_below_any_configuration_names_the_smallest_that_works() {
    let conflict = conflict(Some(300), &[]);
    assert_conflict(
        &conflict,
        Code::LimitTooSmall,
        ">= 982Mi",
        "set spec.taskManager.resources.limits.memory to 982Mi",
    );
    assert_eq!(conflict.configured, "300Mi");
    // Whatever else is written, the limit is what the conflict is shown at.
    let beside = self::conflict(Some(300), &[(options::JVM_METASPACE_SIZE, "300m")]);
    assert_eq!(
        beside.options[0].path,
        "spec.taskManager.resources.limits.memory"
    );
    assert!(
        conflict.message.starts_with(
            "the container's limit is 300 MiB, and the smallest that works is 982 MiB"
        )
    );
}

#[test]
fn a_process_larger_than_the_container_is_refused() {
    assert_conflict(
        &conflict(Some(4096), &[(options::PROCESS_SIZE, "8g")]),
        Code::ProcessExceedsLimit,
        "<= 4g",
        "set spec.flinkConfiguration[taskmanager.memory.process.size] to 4g",
    );
    // Flink alone would start it.
    assert_eq!(
        infeasible(Some(4096), &[(options::PROCESS_SIZE, "8g")]).flink_error,
        None
    );
}

#[test]
fn rests_outside_their_range_are_refused() {
    assert_conflict(
        &conflict(Some(8192), &[(options::TASK_HEAP_SIZE, "512m")]),
        Code::NetworkOutOfRange,
        ">= 3135326074b",
        "set spec.flinkConfiguration[taskmanager.memory.task.heap.size] to 2991m",
    );
    assert_conflict(
        &conflict(
            None,
            &[
                (options::PROCESS_SIZE, "4g"),
                (options::FLINK_SIZE, "3800m"),
            ],
        ),
        Code::OverheadOutOfRange,
        ">= 4248m",
        "set spec.flinkConfiguration[taskmanager.memory.flink.size] to 3648m",
    );
}

#[test]
fn totals_that_contradict_each_other_are_refused() {
    let settings = [(options::PROCESS_SIZE, "4g"), (options::FLINK_SIZE, "4g")];
    assert_conflict(
        &conflict(None, &settings),
        Code::TotalsDisagree,
        ">= 4544m",
        "set spec.flinkConfiguration[taskmanager.memory.flink.size] to 3648m",
    );
    let error = infeasible(None, &settings)
        .flink_error
        .expect("Flink refuses it as well");
    assert!(
        error
            .message
            .contains("is less than the sum of the derived Total Flink Memory size")
    );
}

#[test]
fn a_missing_total_is_named() {
    assert_conflict(
        &conflict(None, &[]),
        Code::MissingTotal,
        "a total",
        "set spec.flinkConfiguration[taskmanager.memory.process.size] to 1728m",
    );
}

#[test]
fn fractions_and_ranges_are_checked() {
    assert_conflict(
        &conflict(Some(4096), &[(options::MANAGED_FRACTION, "40")]),
        Code::FractionInvalid,
        "0 <= fraction < 1",
        "set spec.flinkConfiguration[taskmanager.memory.managed.fraction] to 0.4",
    );
    assert_conflict(
        &conflict(Some(4096), &[(options::JVM_OVERHEAD_MIN, "2g")]),
        Code::RangeInverted,
        "<= 1g",
        "set spec.memory.jvm.overhead.max to 2g",
    );
}

#[test]
fn unreadable_values_say_how_flink_writes_them() {
    assert_conflict(
        &conflict(Some(16_384), &[(options::MANAGED_SIZE, "4Gi")]),
        Code::SizeInvalid,
        "digits and a unit of Flink: b, k, m, g or t",
        "set spec.flinkConfiguration[taskmanager.memory.managed.size] to 4g",
    );
    assert_conflict(
        &conflict(Some(4096), &[(options::MANAGED_FRACTION, "0,5")]),
        Code::NumberInvalid,
        "a decimal number",
        "set spec.flinkConfiguration[taskmanager.memory.managed.fraction] to 0.5",
    );
    assert_conflict(
        &conflict(Some(4096), &[(options::NUMBER_OF_TASK_SLOTS, "0")]),
        Code::NumberInvalid,
        "> 0",
        "set spec.flinkConfiguration[taskmanager.numberOfTaskSlots] to 1",
    );
    assert_conflict(
        &conflict(Some(4096), &[(options::SEGMENT_SIZE, "33k")]),
        Code::SegmentSizeInvalid,
        "a power of two from 4k to 1g",
        "set spec.flinkConfiguration[taskmanager.memory.segment-size] to 32k",
    );
}

#[test]
fn what_the_started_process_would_not_survive_is_refused() {
    let network = [(options::NETWORK_MIN, "1k"), (options::NETWORK_MAX, "1k")];
    assert_eq!(conflict(Some(4096), &network).code, Code::NetworkTooSmall);
    let heap = [
        (options::FLINK_SIZE, "1g"),
        (options::TASK_HEAP_SIZE, "1m"),
        (options::FRAMEWORK_HEAP_SIZE, "1m"),
        (options::MANAGED_SIZE, "600m"),
    ];
    assert_conflict(
        &conflict(None, &heap),
        Code::HeapTooSmall,
        "jvmHeap > 2m",
        "remove spec.flinkConfiguration[taskmanager.memory.framework.heap.size]",
    );
    assert_conflict(
        &conflict(Some(4096), &[(options::JVM_METASPACE_SIZE, "100k")]),
        Code::MetaspaceTooSmall,
        ">= 128k",
        "remove spec.flinkConfiguration[taskmanager.memory.jvm-metaspace.size]",
    );
}

#[test]
fn one_option_in_two_places_names_both() {
    let mut request = request(
        FlinkVersion::V2_1,
        Some(4096),
        &[("taskmanager.memory.size", "1g")],
    );
    request.configuration.push(
        options::MANAGED_SIZE,
        "2g",
        Origin::field("spec.memory.managed.size"),
    );
    let conflicts = solve(&request).expect_err("two places").conflicts;
    assert_conflict(
        &conflicts[0],
        Code::DuplicateSource,
        "one place",
        "remove spec.flinkConfiguration[taskmanager.memory.size]",
    );
    assert!(
        conflicts[0]
            .message
            .contains("spec.memory.managed.size (2g)")
    );
    assert_eq!(conflicts[0].options.len(), 2);
}

#[test]
fn independent_errors_are_reported_together() {
    let codes: Vec<Code> = infeasible(
        Some(8192),
        &[
            (options::MANAGED_FRACTION, "40"),
            (options::NUMBER_OF_TASK_SLOTS, "0"),
            (options::SEGMENT_SIZE, "33k"),
            (options::JVM_METASPACE_SIZE, "100"),
            (options::NETWORK_MIN, "2g"),
            ("taskmanager.memory.proces.size", "8g"),
        ],
    )
    .conflicts
    .iter()
    .map(|conflict| conflict.code)
    .collect();
    assert_eq!(
        codes,
        [
            Code::FractionInvalid,
            Code::RangeInverted,
            Code::NumberInvalid,
            Code::MetaspaceTooSmall,
            Code::SegmentSizeInvalid,
            Code::UnknownOption,
            Code::SuspiciousQuantity,
        ]
    );
}

#[test]
fn a_consequence_is_not_repeated() {
    // Managed memory can't be read, so no sum that contains it is accused.
    let conflict = conflict(
        Some(2048),
        &[
            (options::MANAGED_SIZE, "lots"),
            (options::TASK_OFF_HEAP_SIZE, "100m"),
        ],
    );
    assert_eq!(conflict.code, Code::SizeInvalid);
    // A sum that is too large without it is.
    let conflicts = infeasible(
        Some(2048),
        &[
            (options::MANAGED_SIZE, "lots"),
            (options::TASK_OFF_HEAP_SIZE, "8g"),
        ],
    )
    .conflicts;
    let codes: Vec<Code> = conflicts.iter().map(|conflict| conflict.code).collect();
    assert_eq!(codes, [Code::SizeInvalid, Code::ComponentsExceedTotal]);
}

#[test]
fn warnings_name_what_to_write_instead() {
    let found = warnings(
        Some(4096),
        &[
            ("taskmanager.memory.size", "128"),
            ("taskmanager.memory.managed.frction", "0.5"),
            ("taskmanager.memory.preallocate", "true"),
            (options::PROCESS_SIZE, "2g"),
            ("state.backend.type", "rocksdb"),
        ],
    );
    let codes: Vec<Code> = found.iter().map(|(code, _)| *code).collect();
    assert_eq!(
        codes,
        [
            Code::DeprecatedOption,
            Code::UnknownOption,
            Code::IneffectiveOption,
            Code::UnusedMemory
        ]
    );
    assert!(
        found[0].1.contains("bytes, before it was megabytes"),
        "{}",
        found[0].1
    );
    assert!(
        found[1]
            .1
            .ends_with("write taskmanager.memory.managed.fraction instead"),
        "{}",
        found[1].1
    );
    assert!(
        found[3]
            .1
            .ends_with("set spec.taskManager.resources.limits.memory to 2Gi"),
        "{}",
        found[3].1
    );
    assert_eq!(
        warnings(Some(4096), &[("state.backend.type", "rocksdb")]),
        []
    );
}

#[test]
fn a_proper_key_wins_over_its_deprecated_one() {
    let settings = [
        ("taskmanager.memory.size", "1g"),
        (options::MANAGED_SIZE, "512m"),
    ];
    let budget = solve(&request(FlinkVersion::V2_3, Some(4096), &settings))
        .expect("Flink takes the proper key");
    assert_eq!(budget.managed.bytes, Bytes::from_mebibytes(512));
    assert_eq!(budget.warnings.len(), 1);
    assert_eq!(budget.warnings[0].code, Code::IneffectiveOption);
    assert!(matches!(
        budget.warnings[0].suggestions[0].change,
        Change::Remove
    ));
}

#[test]
fn external_resources_come_out_in_the_order_of_a_java_hash_map() {
    let settings = [
        (options::PROCESS_SIZE, "1728m"),
        (options::EXTERNAL_RESOURCES, "gpu;fpga;none-of-these"),
        ("external-resource.gpu.amount", "2"),
        ("external-resource.fpga.amount", "1"),
    ];
    let budget = solve(&request(FlinkVersion::V1_20, None, &settings)).expect("two resources");
    let line = headroom::budget::dynamic_configurations_line(&budget);
    assert!(
        line.contains("-D external-resources=\"fpga;gpu\" -D"),
        "{line}"
    );
    assert!(
        line.contains("network.max=134217730b -D external-resource.fpga.amount=1 -D"),
        "{line}"
    );
    assert!(
        line.ends_with("-D external-resource.gpu.amount=2"),
        "{line}"
    );
}

#[test]
fn what_explains_most_comes_first_and_one_change_may_mend_all() {
    // The larger of the two is what counts, and what does not fit.
    let mut request = request(
        FlinkVersion::V2_1,
        Some(2048),
        &[(options::MANAGED_SIZE, "1g")],
    );
    request.configuration.push(
        options::MANAGED_SIZE,
        "6g",
        Origin::field("spec.memory.managed.size"),
    );
    let infeasible = solve(&request).expect_err("two places, and too much");
    let codes: Vec<Code> = infeasible
        .conflicts
        .iter()
        .map(|conflict| conflict.code)
        .collect();
    assert_eq!(codes, [Code::ComponentsExceedTotal, Code::DuplicateSource]);
    let joint: Vec<String> = infeasible.joint.iter().map(ToString::to_string).collect();
    assert_eq!(joint, ["remove spec.memory.managed.size"]);
}

#[test]
fn a_conflict_that_no_single_option_mends_says_so() {
    // Each of the two alone is more than the process, and the process is as large as the container.
    let settings = [
        (options::PROCESS_SIZE, "2g"),
        (options::MANAGED_SIZE, "4g"),
        (options::TASK_OFF_HEAP_SIZE, "5g"),
    ];
    let infeasible = infeasible(Some(2048), &settings);
    let first = &infeasible.conflicts[0];
    assert_eq!(first.code, Code::ComponentsExceedTotal);
    assert_eq!(first.suggestions, []);
    assert!(
        first.message.ends_with(
            "no change of one option mends it: lower several of these, or raise the total"
        ),
        "{}",
        first.message
    );
    assert_eq!(first.bound, "sum <= 1664299824b");
    assert_eq!(infeasible.joint.len(), 2, "{:?}", infeasible.joint);
}

#[test]
fn what_an_unreadable_value_hides_is_reported_with_the_correction_that_shows_it() {
    let settings = [
        (options::PROCESS_SIZE, "2Gi"),
        (options::MANAGED_SIZE, "4g"),
    ];
    let infeasible = infeasible(None, &settings);
    let [unreadable, hidden] = infeasible.conflicts.as_slice() else {
        panic!("{infeasible:#?}")
    };
    assert_eq!(unreadable.code, Code::SizeInvalid);
    assert_eq!(hidden.code, Code::ComponentsExceedTotal);
    assert!(
        hidden
            .message
            .starts_with("once spec.flinkConfiguration[taskmanager.memory.process.size] is 2g, "),
        "{}",
        hidden.message
    );
    assert_eq!(hidden.assuming.len(), 1);
    // One place is enough: a larger process than was probably meant.
    let joint: Vec<String> = infeasible.joint.iter().map(ToString::to_string).collect();
    assert_eq!(joint.len(), 1, "{joint:?}");
}

/// The only warning there is, in a container of this many mebibytes.
fn warning(limit_mebibytes: u64, settings: &[(&str, &str)]) -> Conflict {
    let request = request(FlinkVersion::V1_18, Some(limit_mebibytes), settings);
    let mut warnings = solve(&request).expect("warnings don't fail").warnings;
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    for suggestion in &warnings[0].suggestions {
        let changed = solve(&request.with_suggestion(suggestion)).expect("a suggestion solves");
        assert_eq!(changed.warnings, [], "{suggestion}");
    }
    warnings.remove(0)
}

fn no_warning(limit_mebibytes: u64, settings: &[(&str, &str)]) {
    assert_eq!(warnings(Some(limit_mebibytes), settings), []);
}

#[test]
fn a_fraction_that_was_cut_off_says_what_was_asked_and_what_was_given() {
    let settings = [
        (options::NETWORK_FRACTION, "0.5"),
        (options::NETWORK_MAX, "128m"),
    ];
    let capped = warning(4096, &settings);
    assert_eq!(capped.code, Code::FractionCapped);
    assert_eq!(
        (capped.configured.as_str(), capped.bound.as_str()),
        ("0.5", "at most 128m")
    );
    assert!(
        capped.message.contains(
            "asks for 0.5 of 3.35 GiB (3597035104 bytes), which is 1.67 GiB (1798517552 bytes), and network memory \
             is 128 MiB"
        ),
        "{}",
        capped.message
    );
    let raised = warning(2048, &[(options::JVM_OVERHEAD_FRACTION, "0.05")]);
    assert_eq!(raised.bound, "at least 192m");
    // Nobody asked for the default.
    no_warning(4096, &[(options::NETWORK_MAX, "128m")]);
    no_warning(4096, &[(options::NETWORK_FRACTION, "0.2")]);
}

#[test]
fn managed_memory_that_no_state_backend_takes_is_named() {
    let unused = warning(4096, &[("state.backend", "HashMap")]);
    assert_eq!(unused.code, Code::ManagedMemoryUnused);
    assert_eq!(unused.suggestions.len(), 1);
    let size = warning(
        4096,
        &[
            ("state.backend.type", "hashmap"),
            (options::MANAGED_SIZE, "1g"),
        ],
    );
    assert_eq!(size.configured, "1g");
    no_warning(4096, &[("state.backend.type", "rocksdb")]);
    no_warning(
        4096,
        &[
            ("state.backend.type", "hashmap"),
            (options::MANAGED_SIZE, "0"),
        ],
    );
    no_warning(
        4096,
        &[
            ("state.backend.type", "hashmap"),
            ("execution.runtime-mode", "BATCH"),
        ],
    );
}

#[test]
fn read_buffers_larger_than_their_room_are_named() {
    let buffers = "taskmanager.memory.framework.off-heap.batch-shuffle.size";
    let small = warning(4096, &[(buffers, "256m")]);
    assert_eq!(small.code, Code::DirectMemoryTooSmall);
    assert_eq!(
        small.suggestions[0].to_string(),
        "set spec.memory.framework.offHeapSize to 256m"
    );
    no_warning(4096, &[(buffers, "128m")]);
}

#[test]
fn a_heap_in_the_zone_of_long_pointers_is_named() {
    let heap = |task_heap: &str| {
        let settings = [
            (options::FRAMEWORK_HEAP_SIZE, "1g"),
            (options::TASK_HEAP_SIZE, task_heap),
            (options::MANAGED_SIZE, "0"),
            (options::NETWORK_MAX, "4g"),
        ];
        warnings(None, &settings).first().map(|(code, _)| *code)
    };
    assert_eq!(heap("31712m"), None);
    assert_eq!(heap("31713m"), Some(Code::CompressedPointersLost));
    assert_eq!(heap("48127m"), Some(Code::CompressedPointersLost));
    assert_eq!(heap("47g"), None);
}

#[test]
fn a_size_without_a_unit_is_bytes_and_says_so() {
    let warning = warning(4096, &[(options::MANAGED_SIZE, "1500")]);
    assert_eq!(warning.code, Code::SuspiciousQuantity);
    assert_eq!(
        warning.message,
        "spec.flinkConfiguration[taskmanager.memory.managed.size] is 1500 without a unit, which is 1500 bytes; 1500m \
         was probably meant"
    );
    assert_eq!(warning.suggestions[0].change, Change::Set("1500m".into()));
    // What was probably meant does not fit, so nothing is suggested.
    let none = self::warning(4096, &[(options::MANAGED_SIZE, "6000")]);
    assert_eq!(
        (none.code, none.suggestions),
        (Code::SuspiciousQuantity, vec![])
    );
    no_warning(4096, &[(options::MANAGED_SIZE, "1500b")]);
    no_warning(4096, &[(options::MANAGED_SIZE, "1048576")]);
    no_warning(4096, &[(options::TASK_OFF_HEAP_SIZE, "0")]);
    no_warning(4096, &[(options::SEGMENT_SIZE, "65536")]);
}

#[test]
fn of_many_unknown_keys_the_first_are_named_and_the_others_counted() {
    let keys: Vec<String> = (0..18)
        .map(|number| format!("taskmanager.memory.unknown{number}"))
        .collect();
    let said = |count: usize| -> Vec<String> {
        let settings: Vec<(&str, &str)> = keys[..count]
            .iter()
            .map(|key| (key.as_str(), "1g"))
            .chain([("taskmanager.memory.size", "1g")])
            .collect();
        warnings(Some(4096), &settings)
            .into_iter()
            .map(|(code, message)| format!("{code}: {message}"))
            .collect()
    };
    let sixteen = said(16);
    assert_eq!(sixteen.len(), 17);
    assert!(sixteen.iter().all(|message| !message.contains("more keys")));
    for (count, more) in [
        (17, "(1 more keys are no options of Flink either)"),
        (18, "(2 more keys"),
    ] {
        let messages = said(count);
        assert_eq!(messages.len(), 17);
        assert!(
            messages[15].starts_with("UnknownOption"),
            "{}",
            messages[15]
        );
        assert!(messages[15].contains("unknown15"), "{}", messages[15]);
        assert!(messages[15].contains(more), "{}", messages[15]);
        assert!(
            messages[16].starts_with("DeprecatedOption: "),
            "{}",
            messages[16]
        );
        assert!(!messages[16].contains("more keys"), "{}", messages[16]);
    }
}
