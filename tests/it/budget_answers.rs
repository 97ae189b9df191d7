//! The parts of an answer that stand beside its sizes: places, sums, differences, remarks.

use headroom::{
    budget::{
        Change, Code, Configuration, Conflict, FlinkVersion, Infeasible, Origin, Profile, Request,
        ReserveKind, Role, Severity, Source, Suggestion, determines_total, key_of_field,
        legacy::migration::{Deployment, ManagedMemory, Migration, Question, migrate},
        minimum_container_limit, option_keys, options, options_in_effect,
        rocksdb::StateBackend,
        solve,
    },
    bytes::Bytes,
};

/// Options as a user's configuration holds them.
pub fn configuration(settings: &[(&str, &str)]) -> Configuration {
    settings
        .iter()
        .fold(Configuration::new(), |configuration, (key, value)| {
            configuration.with(*key, *value, Origin::FlinkConfiguration)
        })
}

fn request(version: FlinkVersion, settings: &[(&str, &str)]) -> Request {
    Request::new(version, configuration(settings))
}

fn infeasible(version: FlinkVersion, settings: &[(&str, &str)]) -> Infeasible {
    solve(&request(version, settings)).expect_err("these options clash")
}

fn only(infeasible: Infeasible) -> Conflict {
    let mut errors: Vec<Conflict> = infeasible
        .conflicts
        .into_iter()
        .filter(|conflict| conflict.severity == Severity::Error)
        .collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.remove(0)
}

#[test]
fn a_place_is_named_as_a_person_finds_it() {
    let file = |file: &str, line| Origin::File {
        file: file.to_owned(),
        line,
        column: None,
    };
    for (origin, path) in [
        (
            file("a/b/flink-conf.yaml", Some(7)),
            "key in flink-conf.yaml:7",
        ),
        (file("flink-conf.yaml", None), "key in flink-conf.yaml"),
        (file("-", Some(7)), "key in standard input:7"),
        (file("a/-", None), "key in -"),
        (Origin::CommandLine, "-D key"),
        (Origin::FlinkConfiguration, "spec.flinkConfiguration[key]"),
        (Origin::field("spec.memory"), "spec.memory"),
        (Origin::Environment, "key"),
    ] {
        assert_eq!(origin.path("key"), path);
    }
}

#[test]
fn a_sum_that_is_too_large_is_told_term_by_term() {
    let conflict = only(infeasible(
        FlinkVersion::V2_3,
        &[(options::FLINK_SIZE, "1g"), (options::MANAGED_SIZE, "2g")],
    ));
    assert_eq!(conflict.code, Code::ComponentsExceedTotal);
    let sum: u64 = conflict.sum.iter().map(|term| term.bytes.get()).sum();
    let total = conflict.total.expect("the sum is compared with a total");
    assert_eq!((total.name, total.bytes.get()), ("sum", sum));
    assert!(sum > 2 << 30 && conflict.sum.iter().any(|term| term.name == "managed"));
    assert_eq!(total.bound, "<= 1g");
}

#[test]
fn options_that_are_not_written_count_with_their_defaults() {
    let request = request(FlinkVersion::V1_20, &[(options::MANAGED_SIZE, "2g")]);
    let request = Request {
        legacy_heap_environment: Some("1g".to_owned()),
        ..request
    };
    let found = options_in_effect(&request);
    let value = |key: &str| {
        let found = found.iter().find(|reference| reference.key == key)?;
        Some((found.value.as_str(), found.is_default))
    };
    assert_eq!(value(options::MANAGED_SIZE), Some(("2g", false)));
    assert_eq!(value(options::HEAP_ENVIRONMENT), Some(("1g", false)));
    assert!(value(options::MANAGED_FRACTION).is_some_and(|(_, is_default)| is_default));
    assert_eq!(value(options::PROCESS_SIZE), None);
}

#[test]
fn an_option_of_flink_1_9_that_does_nothing_says_why() {
    for (key, why) in [
        ("taskmanager.memory.fraction", options::MANAGED_FRACTION),
        ("taskmanager.memory.off-heap", "always native"),
        ("taskmanager.memory.preallocate", "taken when it is needed"),
    ] {
        let budget = solve(&request(
            FlinkVersion::V1_20,
            &[(options::PROCESS_SIZE, "2g"), (key, "true")],
        ))
        .expect("it does no harm");
        let [warning] = budget.warnings.as_slice() else {
            panic!("{key}: {:#?}", budget.warnings)
        };
        assert_eq!(warning.code, Code::IneffectiveOption);
        assert!(warning.message.contains(why), "{}", warning.message);
    }
}

#[test]
fn what_java_would_say_of_a_number_names_the_text() {
    let conflict = only(infeasible(
        FlinkVersion::V2_3,
        &[
            (options::PROCESS_SIZE, "2g"),
            (options::NUMBER_OF_TASK_SLOTS, "2.0"),
        ],
    ));
    let error = conflict.flink_error.expect("Flink refuses it as well");
    let cause = error
        .causes
        .last()
        .map_or(&error.message, |cause| &cause.message);
    assert!(cause.contains("\"2.0\""), "{error:#?}");
}

/// With heap, managed memory and the number of buffers written, one container fits and no other does.
#[test]
fn a_fixed_number_of_buffers_bounds_the_container_from_both_sides() {
    let request = request(
        FlinkVersion::V1_16,
        &[
            (options::TASK_HEAP_SIZE, "512m"),
            (options::MANAGED_SIZE, "512m"),
            (options::NUMBER_OF_BUFFERS, "2048"),
        ],
    );
    let limit = minimum_container_limit(&request).expect("there is one");
    for (difference, solves) in [(-1_i64, false), (0, true)] {
        let mebibytes = limit.whole_mebibytes().checked_add_signed(difference);
        let limit = Bytes::from_mebibytes(mebibytes.expect("it is above zero"));
        let answer = solve(&request.clone().with_container_limit(limit));
        assert_eq!(answer.is_ok(), solves, "{limit}");
    }
}

fn migration(settings: &[(&str, &str)]) -> Migration {
    migration_with(ManagedMemory::Keep, settings)
}

fn migration_with(managed: ManagedMemory, settings: &[(&str, &str)]) -> Migration {
    let question = Question {
        deployment: Deployment::Standalone,
        to: FlinkVersion::V1_20,
        managed,
    };
    migrate(&configuration(settings), &question).expect("Flink 1.9 starts with it")
}

#[test]
fn a_difference_is_the_new_size_less_the_old_one() {
    let migration = migration_with(ManagedMemory::Drop, &[(options::HEAP_SIZE, "1000m")]);
    let mut differences = 0;
    for comparison in &migration.task_manager {
        let (Some(old), Some(new)) = (comparison.old_bytes, comparison.new_bytes) else {
            assert_eq!(comparison.difference_bytes, None);
            continue;
        };
        let difference = i128::from(new.get()) - i128::from(old.get());
        assert_eq!(
            comparison.difference_bytes.map(i128::from),
            Some(difference)
        );
        differences += usize::from(difference != 0);
    }
    assert!(differences >= 1, "{:#?}", migration.task_manager);
}

#[test]
fn a_size_of_managed_memory_without_a_unit_is_told_apart_from_one_with() {
    let note = |value: &str| {
        let migration = migration(&[
            (options::HEAP_SIZE, "2000m"),
            ("taskmanager.memory.size", value),
        ]);
        let of_key = |key: Option<&str>| key == Some("taskmanager.memory.size");
        let note = migration.notes.into_iter().find(|note| of_key(note.key));
        note.expect("the key means something else now").message
    };
    assert!(note("300").contains("300 meant 300 MiB"));
    assert!(!note("300m").contains("meant"));
}

#[test]
fn a_number_of_flink_1_9_says_where_it_comes_from() {
    let source = |settings: &[(&str, &str)], component: &str| {
        let migration = migration(settings);
        let mut rows = migration.task_manager.into_iter();
        let row = rows.find(|row| row.component == component);
        row.and_then(|row| row.old_source)
            .expect("Flink 1.9 had the component")
            .to_string()
    };
    let heap = (options::HEAP_SIZE, "2000m");
    let minimum = "taskmanager.network.memory.min";
    let fraction = source(&[heap], "network");
    assert!(
        fraction.ends_with(", by taskmanager.network.memory.fraction"),
        "{fraction}"
    );
    let raised = source(&[heap, (minimum, "500m")], "network");
    assert!(
        raised.starts_with(&format!("raised to {minimum}; the fraction gives ")),
        "{raised}"
    );
    let managed = source(&[heap, ("taskmanager.memory.size", "300m")], "managed");
    assert_eq!(managed, "set by taskmanager.memory.size");
}

#[test]
fn memory_is_counted_in_whole_segments() {
    let budget = solve(&request(
        FlinkVersion::V2_3,
        &[
            (options::PROCESS_SIZE, "4g"),
            (options::SEGMENT_SIZE, "64k"),
            (options::MANAGED_SIZE, "1000000b"),
            (options::NETWORK_MIN, "100m"),
            (options::NETWORK_MAX, "100m"),
        ],
    ))
    .expect("it solves");
    assert_eq!(budget.network_segments(), 1600);
    assert_eq!(budget.managed_segments(), 15);
}

#[test]
fn a_field_is_an_option() {
    assert_eq!(
        key_of_field("spec.memory.managed.size"),
        Some(options::MANAGED_SIZE)
    );
    assert_eq!(
        key_of_field("spec.memory.jvm.metaspaceSize"),
        Some(options::JVM_METASPACE_SIZE)
    );
    assert_eq!(key_of_field("spec.memory"), None);
}

#[test]
fn a_size_of_the_process_is_known_from_either_total_or_from_heap_and_managed_memory() {
    let determines =
        |settings: &[(&str, &str)]| determines_total(&request(FlinkVersion::V2_1, settings));
    assert!(!determines(&[]));
    assert!(determines(&[(options::PROCESS_SIZE, "4g")]));
    assert!(determines(&[(options::FLINK_SIZE, "4g")]));
    let heap = (options::TASK_HEAP_SIZE, "1g");
    let managed = (options::MANAGED_SIZE, "1g");
    assert!(!determines(&[heap]));
    assert!(!determines(&[managed]));
    assert!(determines(&[heap, managed]));
    let of_jobmanager = |version, settings: &[(&str, &str)]| {
        determines_total(&request(version, settings).with_role(Role::JobManager))
    };
    assert!(!of_jobmanager(FlinkVersion::V1_11, &[]));
    assert!(of_jobmanager(
        FlinkVersion::V1_11,
        &[("jobmanager.memory.heap.size", "1g")]
    ));
    assert!(of_jobmanager(FlinkVersion::V1_10, &[]));
}

#[test]
fn the_command_line_wins_over_everything_and_its_last_word_over_its_first() {
    let with = |first: (&str, Origin), second: (&str, Origin)| {
        let configuration = Configuration::new()
            .with(options::PROCESS_SIZE, first.0, first.1)
            .with(options::PROCESS_SIZE, second.0, second.1);
        let request = Request::new(FlinkVersion::V2_1, configuration);
        options_in_effect(&request)[0].value.clone()
    };
    let free = || Origin::FlinkConfiguration;
    assert_eq!(with(("1g", Origin::CommandLine), ("2g", free())), "1g");
    assert_eq!(with(("1g", free()), ("2g", Origin::CommandLine)), "2g");
    assert_eq!(
        with(("1g", Origin::CommandLine), ("2g", Origin::CommandLine)),
        "2g"
    );
    assert_eq!(with(("1g", free()), ("2g", free())), "2g");
}

#[test]
fn total_flink_memory_is_the_sum_of_six_where_nothing_else_gives_it() {
    let settings = [
        (options::TASK_HEAP_SIZE, "1g"),
        (options::MANAGED_SIZE, "1g"),
    ];
    let budget = solve(&request(FlinkVersion::V2_1, &settings)).expect("it solves");
    let Source::Sum { of } = budget.total_flink.source else {
        panic!("{:?}", budget.total_flink.source);
    };
    assert_eq!(
        of,
        [
            "frameworkHeap",
            "frameworkOffHeap",
            "taskHeap",
            "taskOffHeap",
            "network",
            "managed"
        ]
    );
}

#[test]
fn an_answer_in_one_line_is_the_first_error_and_how_many_more_there_are() {
    let one = infeasible(FlinkVersion::V2_1, &[]);
    assert!(one.to_string().starts_with("MissingTotal: "), "{one}");
    assert!(!one.to_string().contains("more)"), "{one}");
    let settings = [
        (options::MANAGED_FRACTION, "40"),
        (options::JVM_METASPACE_SIZE, "x"),
        (options::PROCESS_SIZE, "4g"),
        ("taskmanager.memory.proces.size", "4g"),
    ];
    let two = infeasible(FlinkVersion::V2_1, &settings);
    assert!(two.to_string().ends_with(" (and 1 more)"), "{two}");
    let error = two.flink_error.expect("Flink refuses it");
    assert_eq!(
        error.to_string(),
        format!("{}: {}", error.class, error.message)
    );
    let warnings = Infeasible {
        conflicts: Vec::new(),
        ..one
    };
    assert_eq!(warnings.to_string(), "no conflict was found");
}

#[test]
fn a_reserve_is_taken_out_by_its_name() {
    let origin = || Origin::field("spec.memory.reserves.otherProcesses");
    let with_both = Request::new(FlinkVersion::V2_1, Configuration::new())
        .with_reserve(
            ReserveKind::OtherProcesses,
            Bytes::from_mebibytes(64),
            origin(),
        )
        .with_reserve(
            ReserveKind::MemoryVolumes,
            Bytes::from_mebibytes(128),
            origin(),
        );
    let removal = Suggestion {
        key: "otherProcesses".to_owned(),
        origin: Some(origin()),
        path: "spec.memory.reserves.otherProcesses".to_owned(),
        current: None,
        change: Change::Remove,
        exact: None,
    };
    let kinds: Vec<ReserveKind> = with_both
        .with_suggestion(&removal)
        .reserves
        .iter()
        .map(|reserve| reserve.kind)
        .collect();
    assert_eq!(kinds, [ReserveKind::MemoryVolumes]);
}

#[test]
fn only_2_0_and_later_have_what_the_profile_for_forst_is_for() {
    for profile in Profile::ALL {
        assert!(profile.is_known_to(FlinkVersion::V2_0), "{profile:?}");
        assert_eq!(
            profile.is_known_to(FlinkVersion::V1_20),
            profile != Profile::ForSt,
            "{profile:?}"
        );
    }
}

#[test]
fn a_state_backend_is_read_by_the_names_it_has_had_and_written_by_its_own() {
    for (text, short, spoken) in [
        ("hashmap", "hashmap", "the heap"),
        ("jobmanager", "hashmap", "the heap"),
        ("FileSystem", "hashmap", "the heap"),
        ("RocksDB", "rocksdb", "RocksDB"),
        ("forst", "forst", "ForSt"),
    ] {
        let backend: StateBackend = text.parse().expect("a state backend");
        assert_eq!(
            (backend.as_str(), backend.to_string().as_str()),
            (short, spoken)
        );
    }
    assert!("leveldb".parse::<StateBackend>().is_err());
}

#[test]
fn each_process_has_its_own_options() {
    let of_taskmanager: Vec<&str> = option_keys(Role::TaskManager).collect();
    let of_jobmanager: Vec<&str> = option_keys(Role::JobManager).collect();
    assert!(of_taskmanager.contains(&options::MANAGED_SIZE));
    assert!(of_jobmanager.contains(&"jobmanager.memory.heap.size"));
    assert!(
        !of_taskmanager
            .iter()
            .any(|key| key.starts_with("jobmanager."))
    );
    assert!(
        !of_jobmanager
            .iter()
            .any(|key| key.starts_with("taskmanager."))
    );
}
