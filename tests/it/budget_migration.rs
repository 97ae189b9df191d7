//! The way from Flink 1.9 to any later release keeps the sizes, or says what it does not keep.

use headroom::{
    budget::{
        Budget, Configuration, FlinkVersion, Origin, Request,
        legacy::{
            container,
            migration::{
                Deployment, ManagedMemory, Migration, NoteKind, Question, Refusal, migrate,
            },
            start_script, started,
        },
        solve,
    },
    bytes::Bytes,
};
use proptest::prelude::*;

fn configuration(options: &[(&str, String)]) -> Configuration {
    options
        .iter()
        .fold(Configuration::new(), |configuration, (key, value)| {
            configuration.with(*key, value.clone(), Origin::FlinkConfiguration)
        })
}

/// The budget of what a migration prints, solved anew.
fn solved(migration: &Migration) -> Result<Budget, String> {
    let mut configuration: Configuration = migration.carried_over.iter().cloned().collect();
    for option in &migration.options {
        configuration.push(option.key, option.value.clone(), Origin::FlinkConfiguration);
    }
    solve(&Request::new(migration.flink_version, configuration)).map_err(|error| error.to_string())
}

/// Heap, network memory, managed memory outside or inside the heap, and the container.
#[derive(Debug, PartialEq)]
struct Sizes {
    heap: i64,
    network: i64,
    managed: i64,
    container: Option<i64>,
}

/// What Flink 1.9 made of the options, where it started at all.
fn before(old: &Configuration, deployment: Deployment) -> Option<Sizes> {
    match deployment {
        Deployment::Standalone => {
            let plan = start_script(old).ok()??;
            let started = started(old, plan.heap.bytes).ok()?;
            Some(Sizes {
                heap: plan.heap.bytes,
                network: started.network.network.bytes,
                managed: started.managed.bytes,
                container: None,
            })
        }
        Deployment::Container { size } => {
            let mebibytes = i64::try_from(size?.whole_mebibytes()).ok()?;
            let plan = container(old, mebibytes).ok()?;
            Some(Sizes {
                heap: plan.heap.bytes,
                network: plan.network.bytes,
                managed: plan.managed.bytes,
                container: Some(plan.container.bytes),
            })
        }
    }
}

fn sizes(budget: &Budget, is_container: bool) -> Sizes {
    let signed = |bytes: Bytes| i64::try_from(bytes.get()).unwrap();
    Sizes {
        heap: signed(budget.jvm_heap()),
        network: signed(budget.network.bytes),
        managed: signed(budget.managed.bytes),
        container: is_container.then(|| signed(budget.total_process.bytes)),
    }
}

fn size() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u64..9000).prop_map(|mebibytes| format!("{mebibytes}m")),
        (4096_u64..1 << 31).prop_map(|bytes| bytes.to_string()),
        (1_u64..4).prop_map(|gibibytes| format!("{gibibytes} gb")),
        Just("64mb".to_owned()),
    ]
}

fn fraction() -> impl Strategy<Value = String> {
    prop_oneof![
        (1_u32..100).prop_map(|percent| format!("0.{percent:02}")),
        (1_u32..10_000).prop_map(|parts| format!("0.{parts:04}")),
        Just("0.1".to_owned()),
        Just("1.2".to_owned()),
        Just("half".to_owned()),
    ]
}

fn old_options() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let count = prop_oneof![
        Just("-1".to_owned()),
        (0_u32..50_000).prop_map(|n| n.to_string())
    ];
    let option = prop_oneof![
        size().prop_map(|value| ("taskmanager.memory.size", value)),
        (0_u32..4000).prop_map(|value| ("taskmanager.memory.size", value.to_string())),
        fraction().prop_map(|value| ("taskmanager.memory.fraction", value)),
        Just(("taskmanager.memory.off-heap", "true".to_owned())),
        Just(("taskmanager.memory.preallocate", "true".to_owned())),
        fraction().prop_map(|value| ("taskmanager.network.memory.fraction", value)),
        size().prop_map(|value| ("taskmanager.network.memory.min", value)),
        size().prop_map(|value| ("taskmanager.network.memory.max", value)),
        count.prop_map(|value| ("taskmanager.network.numberOfBuffers", value)),
        Just(("taskmanager.memory.segment-size", "64kb".to_owned())),
        fraction().prop_map(|value| ("containerized.heap-cutoff-ratio", value)),
        (0_u32..2000).prop_map(|value| ("containerized.heap-cutoff-min", value.to_string())),
        (-1_i32..9).prop_map(|value| ("taskmanager.numberOfTaskSlots", value.to_string())),
        Just(("taskmanager.memory.process.size", "1g".to_owned())),
        Just(("jobmanager.rpc.address", "here".to_owned())),
        (0_u32..9000).prop_map(|value| ("jobmanager.heap.size", format!("{value}m"))),
        (0_u32..9000).prop_map(|value| ("jobmanager.heap.mb", value.to_string())),
    ];
    let total = prop_oneof![
        (600_u32..70_000).prop_map(|value| ("taskmanager.heap.size", format!("{value}m"))),
        (600_u32..9_000).prop_map(|value| ("taskmanager.heap.mb", value.to_string())),
    ];
    (total, proptest::collection::vec(option, 0..7)).prop_map(|(total, mut options)| {
        options.push(total);
        options
    })
}

/// Whether a size of this process can't be kept.
fn lost(migration: &Migration, process: &str) -> bool {
    migration
        .notes
        .iter()
        .any(|note| note.kind == NoteKind::Lost && note.message.contains(process))
}

/// Old and new size of a JobManager's component.
fn of_job_manager(migration: &Migration, component: &str) -> Option<(Bytes, Bytes)> {
    let comparison = migration
        .job_manager
        .iter()
        .find(|comparison| comparison.component == component)?;
    comparison.old_bytes.zip(comparison.new_bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn sizes_are_kept_or_their_loss_is_said(
        options in old_options(),
        is_container in any::<bool>(),
        mebibytes in 600_u64..70_000,
        to in proptest::sample::select(FlinkVersion::ALL),
    ) {
        let old = configuration(&options);
        let deployment = if is_container {
            Deployment::Container { size: Some(Bytes::from_mebibytes(mebibytes)) }
        } else {
            Deployment::Standalone
        };
        let question = Question { deployment, to, managed: ManagedMemory::Keep };
        let before = before(&old, deployment);
        let migration = match migrate(&old, &question) {
            Ok(migration) => migration,
            Err(refusal) => {
                let is_negative = matches!(refusal, Refusal::Negative { .. });
                // A JobManager may keep less back than a TaskManager, but not more than it has.
                let is_of_job_manager = refusal.to_string().contains("the JobManager");
                prop_assert!(before.is_none() || is_negative || is_of_job_manager, "{refusal}");
                return Ok(());
            }
        };
        let mut wanted = before.expect("what is migrated had sizes");
        match solved(&migration) {
            Err(error) => {
                prop_assert!(!migration.conflicts.is_empty(), "{error}");
                prop_assert!(!migration.keeps_sizes());
                // The one thing that Headroom checks and 1.9 left to the JVM.
                prop_assert!(wanted.heap <= 2 << 20, "{error}");
            }
            Ok(budget) => {
                let now = sizes(&budget, is_container);
                if lost(&migration, "TaskManager") {
                    // Only the container may have to give way, and only by growing.
                    prop_assert!(now.container > wanted.container);
                    wanted.container = now.container;
                }
                prop_assert_eq!(&now, &wanted);
            }
        }
    }

    #[test]
    fn a_job_manager_keeps_its_heap(
        mebibytes in 0_u64..20_000,
        minimum in 0_u64..2_000,
        percent in 0_u32..=100,
        is_container in any::<bool>(),
        to in proptest::sample::select(FlinkVersion::ALL),
    ) {
        let old = configuration(&[
            ("taskmanager.heap.size", "4g".to_owned()),
            ("jobmanager.heap.size", format!("{mebibytes}m")),
            ("containerized.heap-cutoff-ratio", format!("{}.{:02}", percent / 100, percent % 100)),
            ("containerized.heap-cutoff-min", minimum.to_string()),
        ]);
        let deployment = if is_container {
            Deployment::Container { size: None }
        } else {
            Deployment::Standalone
        };
        let question = Question { deployment, to, managed: ManagedMemory::Drop };
        let migration = match migrate(&old, &question) {
            Ok(migration) => migration,
            Err(refusal) => {
                prop_assert!(is_container);
                // A TaskManager's container is refused for other cut-offs than a JobManager's.
                let is_of_job_manager = refusal.to_string().contains("the JobManager");
                prop_assert!(!is_of_job_manager || minimum > mebibytes, "{refusal}");
                return Ok(());
            }
        };
        if !migration.conflicts.is_empty() {
            prop_assert!(!migration.keeps_sizes());
            return Ok(());
        }
        match of_job_manager(&migration, "jvmHeap") {
            Some((old, new)) => prop_assert_eq!(old, new),
            None => prop_assert!(!is_container && mebibytes == 0),
        }
        let total = if to == FlinkVersion::V1_10 { "container" } else { "totalProcess" };
        if let Some((old, new)) = of_job_manager(&migration, total) {
            if lost(&migration, "JobManager") {
                prop_assert!(old < new);
                prop_assert!(!migration.keeps_sizes());
            } else {
                prop_assert_eq!(old, new);
            }
        }
    }

    #[test]
    fn managed_memory_from_the_heap_keeps_the_container(
        options in old_options(),
        mebibytes in 1000_u64..70_000,
    ) {
        let old = configuration(&options);
        let deployment = Deployment::Container { size: Some(Bytes::from_mebibytes(mebibytes)) };
        let question = Question {
            deployment,
            to: FlinkVersion::V2_3,
            managed: ManagedMemory::FromHeap,
        };
        let Ok(migration) = migrate(&old, &question) else { return Ok(()) };
        let before = before(&old, deployment).expect("what is migrated had sizes");
        let plan = container(&old, i64::try_from(mebibytes).unwrap()).unwrap();
        if let Ok(budget) = solved(&migration) {
            let now = sizes(&budget, true);
            let inside = if plan.is_managed_off_heap { 0 } else { before.managed };
            prop_assert_eq!(now.heap, before.heap - inside);
            prop_assert_eq!(now.managed, before.managed);
            // The cut-off holds everything that is new, where it is as large as the defaults ask for.
            if plan.cut_off.bytes >= 576 << 20 {
                prop_assert_eq!(now.container, before.container);
            }
        }
    }
}

#[test]
fn a_container_that_is_too_small_grows_and_says_by_how_much() {
    // Managed memory that lay beside the heap already makes no room by being taken from it.
    for (is_off_heap, cut_off, more) in [(false, 600, "228 MiB more"), (true, 300, "276 MiB more")]
    {
        let old = configuration(&[
            ("taskmanager.heap.size", "1024m".to_owned()),
            ("jobmanager.heap.size", "4g".to_owned()),
            ("taskmanager.memory.off-heap", is_off_heap.to_string()),
            ("containerized.heap-cutoff-min", cut_off.to_string()),
        ]);
        let migration = migrate(
            &old,
            &Question {
                deployment: Deployment::Container { size: None },
                to: FlinkVersion::V2_3,
                managed: ManagedMemory::Keep,
            },
        )
        .unwrap();
        assert!(!migration.keeps_sizes());
        let lost: Vec<&str> = migration
            .notes
            .iter()
            .filter(|note| note.kind == NoteKind::Lost)
            .map(|note| note.message.as_str())
            .collect();
        assert_eq!(lost.len(), 1);
        assert!(lost[0].contains(more), "{lost:?}");
        assert_ne!(
            lost[0].contains("--managed from-heap"),
            is_off_heap,
            "{lost:?}"
        );
    }
}

#[test]
fn what_says_no_size_is_refused_with_the_way_out() {
    for (deployment, way_out) in [
        (Deployment::Standalone, "-D taskmanager.heap.size=1024m"),
        (Deployment::Container { size: None }, "--container-size 4g"),
    ] {
        let question = Question {
            deployment,
            to: FlinkVersion::V1_20,
            managed: ManagedMemory::Keep,
        };
        let refusal = migrate(&Configuration::new(), &question).unwrap_err();
        assert!(refusal.to_string().contains(way_out), "{refusal}");
    }
}

#[test]
fn options_that_1_9_did_not_know_are_left_out_and_named() {
    let old = configuration(&[
        ("taskmanager.heap.size", "4g".to_owned()),
        ("taskmanager.memory.process.size", "8g".to_owned()),
        ("jobmanager.rpc.address", "here".to_owned()),
    ]);
    let question = Question {
        deployment: Deployment::Standalone,
        to: FlinkVersion::V2_3,
        managed: ManagedMemory::Keep,
    };
    let migration = migrate(&old, &question).unwrap();
    assert!(
        migration
            .notes
            .iter()
            .any(|note| note.kind == NoteKind::Ignored
                && note.message.contains("taskmanager.memory.process.size"))
    );
    let carried: Vec<&str> = migration
        .carried_over
        .iter()
        .map(|setting| setting.key.as_str())
        .collect();
    assert_eq!(carried, ["jobmanager.rpc.address"]);
}
