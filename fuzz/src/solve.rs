//! Any request: solved or explained; what is solved adds up, and what is suggested works.

use arbitrary::{Result, Unstructured};
use headroom::{
    budget::{
        Budget, Configuration, Infeasible, Mode, Origin, Profile, Request, ReserveKind, Role,
        Severity, Suggestion, derive, dynamic_configurations, heap_environment,
        jobmanager::{self, JobManagerBudget},
        known_components,
        kubernetes::{jobmanager_container, worker_pod},
        minimum_container_limit, nearest_feasible, option_keys, options, options_in_effect,
        remarks, reserves_in_effect, slots, solve,
    },
    bytes::Bytes,
};

use super::input::version;

/// Keys that are no proper option of a process but take part in its derivation, or look as if they did.
const OTHER_KEYS: [&str; 14] = [
    options::HEAP_MB,
    options::HEAP_SIZE,
    options::JOBMANAGER_HEAP_MB,
    options::JOBMANAGER_HEAP_SIZE,
    "taskmanager.memory.size",
    "taskmanager.memory.fraction",
    "taskmanager.network.memory.fraction",
    "taskmanager.network.memory.min",
    "taskmanager.network.memory.max",
    "external-resource.gpu.amount",
    "external-resource.gpu.kubernetes.config-key",
    "taskmanager.memory.managed.consumer-weights",
    "state.backend",
    "state.backend.rocksdb.memory.managed",
];

/// Units of sizes as Flink and Kubernetes write them, and some that neither knows.
const UNITS: [&str; 16] = [
    "", "b", " bytes", "k", "kb", "m", "mb", " MiB", "g", "gb", "t", "tb", "Gi", "M", "e3",
    "mebibyte",
];

/// Values that somebody could write where a number belongs.
const VALUES: [&str; 24] = [
    "",
    "-1",
    "0",
    "1",
    "+2",
    "2.0",
    "1e-40",
    "0x1p-3",
    "NaN",
    "-Infinity",
    "1.0f",
    "0,5",
    "1.0000001",
    "0.99999994",
    "2147483647",
    "-2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "8388608t",
    "true",
    "gpu;fpga",
    "rocksdb",
    "OPERATOR:70,STATE_BACKEND:70,PYTHON:30",
    "half",
];

/// The input is a version and everything else that a [`Request`] has.
pub fn run(data: &[u8]) {
    let Ok(request) = request(&mut Unstructured::new(data)) else {
        return;
    };
    assert!(
        remarks(&request)
            .iter()
            .all(|remark| !remark.flink_message(request.flink_version).is_empty())
    );
    assert!(!options_in_effect(&request).is_empty());
    match request.role {
        Role::TaskManager => check(&request, taskmanager),
        Role::JobManager => check(&request, jobmanager),
    }
    if request.role == Role::TaskManager {
        check_neighbours(&request);
    }
}

fn request(input: &mut Unstructured<'_>) -> Result<Request> {
    let mut request = Request::new(version(input)?, Configuration::new());
    if input.ratio(1, 4)? {
        request.role = Role::JobManager;
    }
    if input.ratio(1, 3)? {
        request.mode = Mode::Kubernetes;
    }
    if input.ratio(1, 3)? {
        request.profile = *input.choose(&Profile::ALL)?;
    }
    request.container_limit = match input.int_in_range(0..=7)? {
        0..=2 => None,
        3..=6 => Some(Bytes::from_mebibytes(input.arbitrary::<u16>()?.into())),
        _ => Some(Bytes(input.int_in_range(0..=Bytes::MAX.get())?)),
    };
    for _ in 0..input.int_in_range(0..=2)? {
        let kind = *input.choose(&ReserveKind::ALL)?;
        let bytes = match input.ratio(7, 8)? {
            true => Bytes::from_mebibytes(input.int_in_range(0..=2048)?),
            false => Bytes(input.int_in_range(0..=1 << 44)?),
        };
        request = request.with_reserve(kind, bytes, origin(input)?);
    }
    if input.ratio(1, 5)? {
        request.legacy_heap_environment = Some(value(input)?);
    }
    for _ in 0..input.int_in_range(0..=8)? {
        let (key, value) = (key(input, request.role)?, value(input)?);
        request.configuration.push(key, value, origin(input)?);
    }
    Ok(request)
}

fn origin(input: &mut Unstructured<'_>) -> Result<Origin> {
    Ok(match input.int_in_range(0..=5)? {
        0..=2 => Origin::FlinkConfiguration,
        3 => Origin::field("spec.memory.managed.size"),
        4 => Origin::CommandLine,
        _ => Origin::File {
            file: "conf/flink-conf.yaml".to_owned(),
            line: Some(input.arbitrary::<u8>()?.into()),
            column: None,
        },
    })
}

fn key(input: &mut Unstructured<'_>, role: Role) -> Result<String> {
    let of = |role| option_keys(role).collect::<Vec<_>>();
    Ok(match input.int_in_range(0..=15)? {
        0..=10 => (*input.choose(&of(role))?).to_owned(),
        11 => (*input.choose(&of(Role::TaskManager))?).to_owned(),
        12 => heap_environment(role).to_owned(),
        13..=14 => (*input.choose(&OTHER_KEYS)?).to_owned(),
        _ => text(input)?,
    })
}

fn value(input: &mut Unstructured<'_>) -> Result<String> {
    Ok(match input.int_in_range(0..=15)? {
        0..=8 => format!("{}{}", input.arbitrary::<u16>()?, input.choose(&UNITS)?),
        9 => format!("{}{}", input.arbitrary::<u64>()?, input.choose(&UNITS)?),
        10..=12 => format!("0.{:02}", input.int_in_range(0..=99)?),
        13..=14 => (*input.choose(&VALUES)?).to_owned(),
        _ => text(input)?,
    })
}

fn text(input: &mut Unstructured<'_>) -> Result<String> {
    let length = input.int_in_range(0..=24)?.min(input.len());
    let bytes = input.bytes(length)?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// What a process's budget comes to, if it has one, after its parts were added.
type Solved = std::result::Result<Bytes, Infeasible>;

fn taskmanager(request: &Request) -> Solved {
    let budget = solve(request)?;
    check_taskmanager(&budget);
    assert!(derive(request).is_ok());
    if request.container_limit.is_some() {
        assert_eq!(reserves_in_effect(request), budget.reserves);
    }
    let known = known_components(request);
    for (name, component) in budget.components() {
        assert!(known.contains(&(name, component.clone())), "{name}");
    }
    if request.mode == Mode::Kubernetes {
        let pod = worker_pod(request).expect("the pod of a budget that stands");
        // Beyond two pebibytes Flink itself loses count.
        let container = pod.container;
        assert!(
            budget.total_process.bytes >= Bytes::from_mebibytes(1 << 31)
                || container.memory_request_mebibytes <= container.memory_limit_mebibytes,
            "{request:#?}\n{container:?}"
        );
    }
    Ok(budget.total_process.bytes)
}

fn check_taskmanager(budget: &Budget) {
    let sum = |parts: &[Bytes]| -> u64 { parts.iter().map(|part| part.get()).sum() };
    let flink = [
        budget.framework_heap.bytes,
        budget.framework_off_heap.bytes,
        budget.task_heap.bytes,
        budget.task_off_heap.bytes,
        budget.network.bytes,
        budget.managed.bytes,
    ];
    assert_eq!(sum(&flink), budget.total_flink.bytes.get());
    let process = [
        budget.total_flink.bytes,
        budget.jvm_metaspace.bytes,
        budget.jvm_overhead.bytes,
    ];
    assert_eq!(sum(&process), budget.total_process.bytes.get());
    if let Some(limit) = budget.container_limit {
        let container = [
            budget.total_process.bytes,
            budget.reserved(),
            budget.unassigned(),
        ];
        assert_eq!(sum(&container), limit.get());
    }
    if let Ok(slot) = slots::default_profile(budget) {
        assert!(slot.managed.get() * u64::from(slot.slots) <= budget.managed.bytes.get());
    }
    let own = dynamic_configurations(budget);
    assert!(
        own.iter()
            .all(|(key, value)| !key.is_empty() && !value.contains('\n'))
    );
}

fn jobmanager(request: &Request) -> Solved {
    let budget = jobmanager::solve(request)?;
    assert!(jobmanager::derive(request).is_ok());
    if let JobManagerBudget::Unified(budget) = &budget {
        let flink = budget.jvm_heap.bytes.get() + budget.off_heap.bytes.get();
        assert_eq!(flink, budget.total_flink.bytes.get());
        let jvm = budget.jvm_metaspace.bytes.get() + budget.jvm_overhead.bytes.get();
        assert_eq!(flink + jvm, budget.total_process.bytes.get());
    }
    if let Some(limit) = request.container_limit {
        assert!(budget.total_process() <= limit);
    }
    if request.mode == Mode::Kubernetes {
        jobmanager_container(request, &budget).expect("the container of a budget that stands");
    }
    assert!(jobmanager::jvm_parameters(&budget).starts_with("-Xm"));
    let own = jobmanager::dynamic_configurations(&budget);
    assert!(own.iter().all(|(_, value)| value.ends_with('b')));
    Ok(budget.total_process())
}

/// The request is solved, or explained with suggestions that work.
fn check(request: &Request, solve: fn(&Request) -> Solved) {
    let Err(infeasible) = solve(request) else {
        return;
    };
    let errors: Vec<_> = infeasible
        .conflicts
        .iter()
        .filter(|conflict| conflict.severity == Severity::Error)
        .collect();
    assert!(!errors.is_empty());
    for conflict in &errors {
        assert!(!conflict.message.is_empty() && !conflict.bound.is_empty());
        for suggestion in &conflict.suggestions {
            let after = solve(&request.with_suggestion(suggestion));
            assert!(
                errors.len() > 1 || after.is_ok(),
                "{suggestion}: {}",
                conflict.message
            );
            if let Some(suggestion) = suggestion.at_bound() {
                let after = solve(&request.with_suggestion(&suggestion));
                assert!(errors.len() > 1 || after.is_ok(), "{suggestion}");
            }
        }
    }
    let (joint, conflicts) = (&infeasible.joint, &infeasible.conflicts);
    assert!(!joint.is_empty(), "{request:#?}\n{conflicts:#?}");
    assert!(
        solve(&with_all(request, joint)).is_ok(),
        "{request:#?}\n{joint:#?}"
    );
}

fn with_all(request: &Request, changes: &[Suggestion]) -> Request {
    changes.iter().fold(request.clone(), |request, change| {
        request.with_suggestion(change)
    })
}

/// What lies next to a TaskManager's request: the nearest one that solves, and the smallest container.
fn check_neighbours(request: &Request) {
    if let Some((budget, changes)) = nearest_feasible(request) {
        check_taskmanager(&budget);
        let solved = solve(&with_all(request, &changes));
        assert_eq!(
            solved.ok().map(|solved| solved.total_process.bytes),
            Some(budget.total_process.bytes)
        );
    }
    if let Some(limit) = minimum_container_limit(request) {
        assert!(solve(&request.clone().with_container_limit(limit)).is_ok());
        let less = limit.saturating_sub(Bytes::MEBI);
        assert!(solve(&request.clone().with_container_limit(less)).is_err());
    }
}
