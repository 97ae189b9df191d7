//! What profiles set and reserves take, in numbers, and how the answer says so.

use headroom::{
    budget::{
        Budget, Change, Code, Configuration, FlinkVersion, Origin, Profile, Request, ReserveKind,
        ReserveSource, Source, minimum_container_limit, nearest_feasible, options, solve,
    },
    bytes::Bytes,
};

fn request(profile: Profile, settings: &[(&str, &str)]) -> Request {
    let mut configuration = Configuration::new();
    for (key, value) in settings {
        configuration.push(*key, *value, Origin::FlinkConfiguration);
    }
    Request::new(FlinkVersion::V2_1, configuration)
        .with_container_limit(Bytes::from_mebibytes(4096))
        .with_profile(profile)
}

fn solved(request: &Request) -> Budget {
    solve(request).unwrap_or_else(|infeasible| panic!("{infeasible:#?}"))
}

/// The values that come from the profile, by name.
fn values(budget: &Budget) -> Vec<(&'static str, &str)> {
    let profile = budget.profile.iter();
    profile
        .flat_map(|profile| &profile.values)
        .map(|value| (value.name, value.value.as_str()))
        .collect()
}

#[test]
fn a_reserve_is_taken_before_the_process() {
    let plain = request(Profile::Custom, &[]);
    let mebibytes = Bytes::from_mebibytes;
    let reserved = plain
        .clone()
        .with_reserve(
            ReserveKind::PythonWorkers,
            mebibytes(512),
            Origin::field(ReserveKind::PythonWorkers.field_path()),
        )
        .with_reserve(
            ReserveKind::OtherProcesses,
            mebibytes(64),
            Origin::CommandLine,
        );
    let budget = solved(&reserved);
    assert_eq!(budget.total_process.bytes, mebibytes(4096 - 512 - 64));
    assert_eq!(
        budget.total_process.source,
        Source::Remainder {
            of: mebibytes(4096),
            taken: mebibytes(576)
        }
    );
    assert_eq!(budget.unassigned(), Bytes::ZERO);
    assert_eq!(budget.reserved(), mebibytes(576));
    // The process is the one that a container of the rest has.
    let rest = solved(&plain.with_container_limit(mebibytes(4096 - 576)));
    assert_eq!(rest.jvm_heap(), budget.jvm_heap());
    assert_eq!(rest.managed, budget.managed);
    let paths: Vec<String> = budget
        .reserves
        .iter()
        .map(|reserve| reserve.path())
        .collect();
    assert_eq!(
        paths,
        [
            "spec.memory.reserves.nativeOvershoot",
            "spec.memory.reserves.pythonWorkers",
            "--reserve otherProcesses",
            "spec.memory.reserves.memoryVolumes",
        ]
    );
    assert_eq!(budget.reserves[0].source, ReserveSource::Zero);
}

#[test]
fn the_last_reserve_of_a_kind_counts() {
    let twice = [128, 256]
        .into_iter()
        .fold(request(Profile::Custom, &[]), |request, size| {
            request.with_reserve(
                ReserveKind::PythonWorkers,
                Bytes::from_mebibytes(size),
                Origin::CommandLine,
            )
        });
    assert_eq!(solved(&twice).reserved(), Bytes::from_mebibytes(256));
}

#[test]
fn outside_a_container_nothing_is_reserved() {
    let request = Request {
        container_limit: None,
        ..request(Profile::RocksDb, &[(options::PROCESS_SIZE, "4g")])
    };
    let budget = solved(&request);
    assert_eq!(budget.reserved(), Bytes::ZERO);
    assert_eq!(budget.total_process.bytes, Bytes::from_mebibytes(4096));
    assert_eq!(values(&budget), []);
}

#[test]
fn without_state_on_the_side_managed_memory_goes_to_the_heap() {
    for profile in [Profile::Stateless, Profile::HashMap] {
        let budget = solved(&request(profile, &[]));
        assert_eq!(budget.managed.bytes, Bytes::ZERO);
        assert_eq!(values(&budget), [(options::MANAGED_FRACTION, "0")]);
        let Source::Fraction { profile: of, .. } = budget.managed.source else {
            panic!("{:?}", budget.managed.source)
        };
        assert_eq!(of, Some(profile));
    }
    // What was written wins, and whoever writes the heap has divided the memory.
    for written in [
        (options::MANAGED_FRACTION, "0.4"),
        (options::MANAGED_SIZE, "1g"),
        (options::TASK_HEAP_SIZE, "1g"),
    ] {
        let profiled = solved(&request(Profile::HashMap, &[written]));
        assert_eq!(values(&profiled), [], "{written:?}");
        let custom = solved(&request(Profile::Custom, &[written]));
        assert_eq!(profiled.managed, custom.managed);
    }
}

#[test]
fn native_state_reserves_its_overshoot_for_each_slot() {
    let overshoot = |profile, settings: &[(&str, &str)]| {
        let budget = solved(&request(profile, settings));
        assert_eq!(
            budget.total_process.bytes.saturating_add(budget.reserved()),
            Bytes::from_mebibytes(4096)
        );
        budget.reserved().whole_mebibytes()
    };
    // Two arena blocks of 8 MiB for each of three column families, 4 MiB of pinned indexes, 2 MiB on their way, all
    // for each slot; 25 MiB for two background jobs.
    assert_eq!(overshoot(Profile::RocksDb, &[]), 80);
    assert_eq!(overshoot(Profile::ForSt, &[]), 80);
    let slots = (options::NUMBER_OF_TASK_SLOTS, "4");
    assert_eq!(overshoot(Profile::RocksDb, &[slots]), 243);
    // Memory of a fixed size lies outside managed memory, all of it.
    let fixed = ("state.backend.rocksdb.memory.fixed-per-slot", "256m");
    assert_eq!(overshoot(Profile::RocksDb, &[slots, fixed]), 1058);
    let unmanaged = ("state.backend.rocksdb.memory.managed", "false");
    assert_eq!(overshoot(Profile::RocksDb, &[unmanaged]), 433);
    let per_taskmanager = ("state.backend.rocksdb.memory.fixed-per-tm", "1g");
    assert!(overshoot(Profile::RocksDb, &[unmanaged, per_taskmanager]) > 1024);
    // A session reserves for the backend that its configuration chooses.
    assert_eq!(overshoot(Profile::Session, &[]), 0);
    assert_eq!(
        overshoot(Profile::Session, &[("state.backend.type", "rocksdb")]),
        80
    );
}

#[test]
fn a_written_overshoot_wins_over_the_profiles_even_if_it_is_nothing() {
    let written = request(Profile::RocksDb, &[]).with_reserve(
        ReserveKind::NativeOvershoot,
        Bytes::ZERO,
        Origin::CommandLine,
    );
    let budget = solved(&written);
    assert_eq!(budget.reserved(), Bytes::ZERO);
    assert_eq!(values(&budget), []);
}

#[test]
fn batch_has_buffers_for_a_blocking_shuffle_in_each_slot() {
    let network = |settings: &[(&str, &str)]| solved(&request(Profile::Batch, settings)).network;
    // One slot needs less than Flink's own minimum, and a tenth is more than either.
    assert_eq!(network(&[]), solved(&request(Profile::Custom, &[])).network);
    let slots = (options::NUMBER_OF_TASK_SLOTS, "16");
    assert_eq!(network(&[slots]).bytes, Bytes(16 * 1512 * 32_768));
    let Source::ClampedToMinimum { profile, .. } = network(&[slots]).source else {
        panic!("{:?}", network(&[slots]))
    };
    assert_eq!(profile, Some(Profile::Batch));
    // Whoever wrote any part of the range wrote the range.
    let maximum = (options::NETWORK_MAX, "128m");
    assert_eq!(network(&[slots, maximum]).bytes, Bytes::from_mebibytes(128));
}

#[test]
fn a_session_has_room_for_the_classes_of_two_jobs() {
    let budget = solved(&request(Profile::Session, &[]));
    assert_eq!(budget.jvm_metaspace.bytes, Bytes::from_mebibytes(512));
    assert_eq!(
        budget.jvm_metaspace.source,
        Source::Configured {
            option: options::JVM_METASPACE_SIZE,
            origin: Origin::Profile(Profile::Session)
        }
    );
    let written = [(options::JVM_METASPACE_SIZE, "128m")];
    let budget = solved(&request(Profile::Session, &written));
    assert_eq!(budget.jvm_metaspace.bytes, Bytes::from_mebibytes(128));
}

#[test]
fn conflicts_name_the_reserves_in_their_sums() {
    let request = request(Profile::RocksDb, &[(options::PROCESS_SIZE, "4g")]).with_reserve(
        ReserveKind::PythonWorkers,
        Bytes::from_mebibytes(512),
        Origin::field(ReserveKind::PythonWorkers.field_path()),
    );
    let infeasible = solve(&request).expect_err("the process fills the container");
    let conflict = &infeasible.conflicts[0];
    assert_eq!(conflict.code, Code::ProcessExceedsLimit);
    let terms: Vec<&str> = conflict.sum.iter().map(|term| term.name).collect();
    assert_eq!(terms, ["totalProcess", "nativeOvershoot", "pythonWorkers"]);
    let paths: Vec<&str> = conflict
        .options
        .iter()
        .map(|option| option.path.as_str())
        .collect();
    assert!(
        paths.contains(&"spec.memory.reserves.pythonWorkers"),
        "{paths:?}"
    );
    assert!(
        paths.contains(&"nativeOvershoot of profile RocksDB"),
        "{paths:?}"
    );
    // 4096 + 80 + 512.
    assert_eq!(
        minimum_container_limit(&request),
        Some(Bytes::from_mebibytes(4688))
    );
    assert!(
        conflict.message.contains("pythonWorkers 512 MiB"),
        "{}",
        conflict.message
    );
}

#[test]
fn a_container_that_reserves_leave_too_little_of_is_too_small() {
    let request = request(Profile::Custom, &[]).with_reserve(
        ReserveKind::OtherProcesses,
        Bytes::from_mebibytes(3900),
        Origin::field(ReserveKind::OtherProcesses.field_path()),
    );
    let infeasible = solve(&request).expect_err("196 MiB are left");
    let conflict = &infeasible.conflicts[0];
    assert_eq!(conflict.code, Code::LimitTooSmall);
    // The smallest container without reserves, and these.
    assert_eq!(conflict.bound, ">= 4882Mi", "{}", conflict.message);
    assert!(
        conflict.message.contains("otherProcesses 3900 MiB"),
        "{}",
        conflict.message
    );
}

#[test]
fn a_reserve_beyond_every_container_is_refused() {
    let request = ReserveKind::ALL
        .into_iter()
        .fold(request(Profile::RocksDb, &[]), |request, kind| {
            request.with_reserve(kind, Bytes::MAX, Origin::CommandLine)
        });
    let infeasible = solve(&request).expect_err("nothing is left");
    assert_eq!(infeasible.conflicts[0].code, Code::LimitTooSmall);
    assert_eq!(minimum_container_limit(&request), None);
}

#[test]
fn names_read_back() {
    for profile in Profile::ALL {
        assert_eq!(profile.as_str().parse(), Ok(profile));
    }
    for kind in ReserveKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
    let error = "Streaming".parse::<Profile>().expect_err("no such profile");
    assert!(error.to_string().contains("RocksDB"));
    let error = "agent".parse::<ReserveKind>().expect_err("no such reserve");
    assert!(error.to_string().contains("memoryVolumes"));
}

/// What a reserve of other processes is to be, where it stands, and the bound.
fn lowered(request: &Request) -> Option<(String, String, String)> {
    let infeasible = solve(request).unwrap_err();
    let conflict = &infeasible.conflicts[0];
    let found = conflict
        .suggestions
        .iter()
        .find(|suggestion| suggestion.key == "otherProcesses")?;
    assert!(solve(&request.with_suggestion(found)).is_ok());
    let bound = found.at_bound().unwrap();
    assert!(solve(&request.with_suggestion(&bound)).is_ok());
    let Change::Set(value) = &found.change else {
        panic!("{found:?}")
    };
    let exact = found.exact.as_ref().unwrap().to_string();
    Some((found.path.clone(), value.clone(), exact))
}

#[test]
fn a_reserve_that_takes_the_room_of_the_process_can_be_lowered() {
    let reserve = |request: Request, origin| {
        request.with_reserve(
            ReserveKind::OtherProcesses,
            Bytes::from_mebibytes(3000),
            origin,
        )
    };
    let fixed = request(Profile::Custom, &[(options::PROCESS_SIZE, "1500000001b")]);
    let field = Origin::field(ReserveKind::OtherProcesses.field_path());
    assert_eq!(
        lowered(&reserve(fixed, field)),
        Some((
            "spec.memory.reserves.otherProcesses".to_owned(),
            "2665m".to_owned(),
            format!("<= {}b", (4_u64 << 30) - 1_500_000_001)
        ))
    );
    let free = reserve(
        request(Profile::Custom, &[(options::TASK_HEAP_SIZE, "1g")]),
        Origin::CommandLine,
    );
    let (path, value, _) = lowered(&free).unwrap();
    assert_eq!(
        (path.as_str(), value.as_str()),
        ("--reserve otherProcesses", "1322m")
    );
    let minimum = minimum_container_limit(&free).unwrap();
    assert_eq!(minimum, Bytes::from_mebibytes(2774 + 3000));
}

#[test]
fn the_nearest_budget_leaves_reserves_as_they_are() {
    let asked = request(Profile::Custom, &[(options::TASK_HEAP_SIZE, "1g")]).with_reserve(
        ReserveKind::OtherProcesses,
        Bytes::from_mebibytes(2500),
        Origin::CommandLine,
    );
    let (budget, changes) = nearest_feasible(&asked).unwrap();
    assert!(
        changes.iter().all(|change| change.key != "otherProcesses"),
        "{changes:?}"
    );
    assert_eq!(budget.reserved(), Bytes::from_mebibytes(2500));
}
