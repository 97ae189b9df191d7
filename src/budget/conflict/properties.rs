//! What holds for every conflict of every request: bounds that are exact, changes that work, a joint one that solves.

use std::{collections::BTreeMap, sync::Mutex};

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    test_runner::{Config, TestError, TestRunner},
};

use super::super::{
    Configuration, FlinkVersion, Origin, Request, Setting,
    conflict::diagnose,
    effective::Options,
    infeasible::{Change, Conflict, Exact, Severity, Suggestion},
    options,
    request::Mode,
    solve,
    suggestion::{Terms, is_self_contained, ways_out},
    trial::{Identity, Trial, identity},
    violation::{Kind, Violation},
};
use crate::{bytes::Bytes, quantity};

/// So many requests are tried, of which most have conflicts.
const CASES: u32 = 10_000;

/// Options, and the container's limit in mebibytes.
type Seed = (&'static [(&'static str, &'static str)], Option<u64>);

/// One request for each kind of violation, from which the random ones start.
const SEEDS: [Seed; 32] = [
    (&[], None),
    (&[(options::MANAGED_SIZE, "4Gi")], Some(2048)),
    (&[(options::MANAGED_FRACTION, "0,5")], Some(2048)),
    (&[(options::NUMBER_OF_TASK_SLOTS, "2.0")], Some(2048)),
    (
        &[
            (options::EXTERNAL_RESOURCES, "gpu"),
            ("external-resource.gpu.amount", "one"),
        ],
        Some(2048),
    ),
    (&[(options::JVM_OVERHEAD_MIN, "2g")], Some(4096)),
    (&[(options::MANAGED_FRACTION, "40")], Some(4096)),
    (&[(options::MANAGED_SIZE, "4g")], Some(2048)),
    (&[(options::MANAGED_FRACTION, "0.9")], Some(1100)),
    (
        &[
            (options::TASK_HEAP_SIZE, "3g"),
            (options::MANAGED_FRACTION, "0.5"),
        ],
        Some(4096),
    ),
    (
        &[
            (options::TASK_HEAP_SIZE, "512m"),
            (options::NETWORK_MAX, "1g"),
        ],
        Some(8192),
    ),
    (
        &[
            (options::PROCESS_SIZE, "4g"),
            (options::TASK_HEAP_SIZE, "1g"),
            (options::NUMBER_OF_BUFFERS, "2048"),
        ],
        None,
    ),
    (&[], Some(300)),
    (&[(options::JVM_OVERHEAD_FRACTION, "0.9")], Some(900)),
    (
        &[(options::PROCESS_SIZE, "4g"), (options::FLINK_SIZE, "4g")],
        None,
    ),
    (
        &[
            (options::PROCESS_SIZE, "4g"),
            (options::FLINK_SIZE, "3800m"),
        ],
        None,
    ),
    (&[(options::NUMBER_OF_TASK_SLOTS, "-2")], Some(2048)),
    (
        &[
            (options::CPU_CORES, "2"),
            (options::NUMBER_OF_TASK_SLOTS, "0"),
        ],
        Some(2048),
    ),
    (&[(options::CPU_CORES, "0.0")], Some(2048)),
    (&[(options::CPU_CORES, "NaN")], Some(2048)),
    (&[(options::HEAP_MB, "-5")], Some(2048)),
    (&[(options::SEGMENT_SIZE, "1k")], Some(2048)),
    (&[(options::SEGMENT_SIZE, "33k")], Some(2048)),
    (&[(options::SEGMENT_SIZE, "2g")], Some(2048)),
    (
        &[
            (options::TASK_HEAP_SIZE, "8388607t"),
            (options::MANAGED_SIZE, "8388607t"),
        ],
        None,
    ),
    (&[(options::NUMBER_OF_BUFFERS, "-3")], Some(2048)),
    (&[(options::PROCESS_SIZE, "8g")], Some(4096)),
    (
        &[(options::NETWORK_MIN, "1k"), (options::NETWORK_MAX, "1k")],
        Some(4096),
    ),
    (
        &[(options::NETWORK_MIN, "9t"), (options::SEGMENT_SIZE, "4k")],
        Some(1 << 25),
    ),
    (
        &[
            (options::FLINK_SIZE, "1g"),
            (options::TASK_HEAP_SIZE, "1m"),
            (options::FRAMEWORK_HEAP_SIZE, "1m"),
            (options::MANAGED_SIZE, "600m"),
        ],
        None,
    ),
    (&[(options::JVM_METASPACE_SIZE, "100k")], Some(4096)),
    (
        &[(options::MANAGED_SIZE, "1g"), (options::MANAGED_SIZE, "2g")],
        Some(4096),
    ),
];

const SIZES: [&str; 17] = [
    options::PROCESS_SIZE,
    options::FLINK_SIZE,
    options::FRAMEWORK_HEAP_SIZE,
    options::FRAMEWORK_OFF_HEAP_SIZE,
    options::TASK_HEAP_SIZE,
    options::TASK_OFF_HEAP_SIZE,
    options::MANAGED_SIZE,
    options::NETWORK_MIN,
    options::NETWORK_MAX,
    options::JVM_METASPACE_SIZE,
    options::JVM_OVERHEAD_MIN,
    options::JVM_OVERHEAD_MAX,
    options::SEGMENT_SIZE,
    options::HEAP_SIZE,
    options::NUMBER_OF_BUFFERS,
    "taskmanager.memory.size",
    "taskmanager.network.memory.max",
];
const FRACTIONS: [&str; 3] = [
    options::MANAGED_FRACTION,
    options::NETWORK_FRACTION,
    options::JVM_OVERHEAD_FRACTION,
];

fn size() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (1_u64..8192).prop_map(|mebibytes| format!("{mebibytes}m")),
        2 => (1_u64..32).prop_map(|gibibytes| format!("{gibibytes} gb")),
        2 => (0_u64..1 << 34).prop_map(|bytes| bytes.to_string()),
        1 => select(vec!["4Gi", "1.5g", "-1", "", "9223372036854775807", "half", "32k", "1t"])
            .prop_map(str::to_owned),
    ]
}

fn fraction() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0_u32..1000).prop_map(|thousandths| format!("0.{thousandths:03}")),
        1 => select(vec!["1.0", "40", "-0.1", "0,1", "0x1p-3", "1e-40", "x"]).prop_map(str::to_owned),
    ]
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        8 => Just(Origin::FlinkConfiguration),
        1 => Just(Origin::CommandLine),
        1 => Just(Origin::field("")),
    ]
}

/// The same origin; a field is one of this option.
fn of(origin: Origin, key: &str) -> Origin {
    match origin {
        Origin::Field(_) => Origin::field(format!("spec.memory[{key}]")),
        other => other,
    }
}

fn setting() -> impl Strategy<Value = Setting> {
    let key_and_value = prop_oneof![
        6 => (select(SIZES.to_vec()), size()),
        2 => (select(FRACTIONS.to_vec()), fraction()),
    ];
    (key_and_value, origin()).prop_map(|((key, value), origin)| Setting {
        key: key.to_owned(),
        value,
        origin,
    })
}

prop_compose! {
    /// Mostly something that clashes, alone or among other options.
    fn request()(
        (seed, seed_limit) in select(SEEDS.to_vec()),
        origin in origin(),
        settings in vec(setting(), 0..5),
        takes_seed in prop::bool::weighted(0.7),
        limit in option::of((200_u64..16_384).prop_map(Some)),
        environment in option::weighted(0.2, size()),
        version in select(FlinkVersion::ALL.to_vec()),
        mode in select(vec![Mode::Standalone, Mode::Standalone, Mode::Kubernetes]),
    ) -> Request {
        let mut configuration = Configuration::new();
        if takes_seed {
            for (index, (key, value)) in seed.iter().enumerate() {
                // One option twice is a conflict only in two places.
                let origin = if index == 1 && seed[0].0 == *key {
                    Origin::field("")
                } else if seed.len() == 2 && seed[0].0 == seed[1].0 {
                    Origin::FlinkConfiguration
                } else {
                    origin.clone()
                };
                configuration.push(*key, *value, of(origin, key));
            }
        }
        settings.into_iter().for_each(|setting| {
            let origin = of(setting.origin, &setting.key);
            configuration.push(setting.key, setting.value, origin);
        });
        let limit = if takes_seed { limit.unwrap_or(seed_limit) } else { limit.flatten() };
        Request {
            mode,
            container_limit: limit.map(Bytes::from_mebibytes),
            memory_request: None,
            cpu_limit: None,
            legacy_heap_environment: environment,
            ..Request::new(version, configuration)
        }
    }
}

fn identities(findings: &[Violation]) -> Vec<Identity> {
    findings
        .iter()
        .map(|finding| identity(&finding.kind))
        .collect()
}

fn findings_after(request: &Request, suggestion: &Suggestion) -> Vec<Identity> {
    let trial = Trial {
        request: request.with_suggestion(suggestion),
    };
    identities(&trial.findings())
}

/// The value one byte, or one float, nearer to what was there.
fn one_short(suggestion: &Suggestion) -> Option<Suggestion> {
    let (value, step) = match suggestion.exact.as_ref()? {
        Exact::AtMost(value) => (value, 1),
        Exact::AtLeast(value) => (value, -1),
    };
    let moved = |number: &str| {
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_add_signed(step))
    };
    let text = if suggestion.origin == Some(Origin::ContainerLimit)
        || suggestion.key == options::HEAP_MB
    {
        moved(value)?.to_string()
    } else if let Some(bytes) = value.strip_suffix('b') {
        format!("{}b", moved(bytes)?)
    } else {
        let bits = value.parse::<f32>().ok()?.to_bits();
        f32::from_bits(bits.checked_add_signed(i32::try_from(step).ok()?)?).to_string()
    };
    Some(Suggestion {
        change: Change::Set(text),
        ..suggestion.clone()
    })
}

/// Whether the change says what is so already.
fn changes_nothing(suggestion: &Suggestion) -> bool {
    match (&suggestion.change, &suggestion.current) {
        (Change::Remove, current) => current.is_none(),
        (Change::Set(_), None) => false,
        (Change::Set(new), Some(old)) => {
            let same_limit = suggestion.origin == Some(Origin::ContainerLimit)
                && quantity::parse_memory(new).ok() == quantity::parse_memory(old).ok();
            new == old || same_limit
        }
    }
}

/// Every way out of every violation: it helps, at the bound and as it is written, and one step short of the bound it
/// does not.
fn check_ways_out(request: &Request, before: &[Violation]) -> Result<(), TestCaseError> {
    let known = identities(before);
    let trial = Trial::new(request);
    for violation in before {
        let target = identity(&violation.kind);
        let ways_out = ways_out(&trial, before, &violation.kind, Terms::offered());
        let helps = |after: &[Identity], may_uncover: bool| {
            !after.contains(&target)
                && (may_uncover || after.iter().all(|identity| known.contains(identity)))
        };
        let uncovers = ways_out.iter().any(|way_out| {
            let after = identities(&way_out.remaining);
            !after.iter().all(|identity| known.contains(identity))
        });
        prop_assert!(!uncovers || is_self_contained(&violation.kind));
        for way_out in &ways_out {
            let suggestion = &way_out.suggestion;
            prop_assert!(!changes_nothing(suggestion), "{suggestion:?}");
            let after = findings_after(request, suggestion);
            prop_assert!(helps(&after, uncovers), "{suggestion:?} leaves {after:?}");
            prop_assert_eq!(&after, &identities(&way_out.remaining));
            let Some(bound) = suggestion.at_bound() else {
                continue;
            };
            let after = findings_after(request, &bound);
            prop_assert!(helps(&after, uncovers), "{bound:?} leaves {after:?}");
            let short = one_short(suggestion).expect("a bound is a number");
            let after = findings_after(request, &short);
            prop_assert!(!helps(&after, uncovers), "{short:?} helps as well");
        }
    }
    Ok(())
}

/// The joint suggestion solves, leaves nothing out and has nothing too much; no single one that is offered would do
/// where it needs several.
fn check_joint(
    request: &Request,
    conflicts: &[Conflict],
    joint: &[Suggestion],
) -> Result<(), TestCaseError> {
    prop_assert!(!joint.is_empty());
    let with = |changes: &mut dyn Iterator<Item = &Suggestion>| {
        changes.fold(request.clone(), |request, change| {
            request.with_suggestion(change)
        })
    };
    let solution = solve(&with(&mut joint.iter()));
    prop_assert!(solution.is_ok(), "{joint:?}\n{solution:?}");
    for (index, change) in joint.iter().enumerate() {
        prop_assert!(!changes_nothing(change), "{change:?}");
        let mut others = joint
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, change)| change);
        prop_assert!(
            joint.len() == 1 || solve(&with(&mut others)).is_err(),
            "{change:?} is idle in {joint:?}"
        );
    }
    if joint.len() > 1 {
        for suggestion in conflicts.iter().flat_map(|conflict| &conflict.suggestions) {
            let alone = request.with_suggestion(suggestion);
            prop_assert!(
                solve(&alone).is_err(),
                "{suggestion:?} alone does what {joint:?} does"
            );
        }
    }
    Ok(())
}

fn check(request: &Request) -> Result<Vec<Kind>, TestCaseError> {
    let options = Options::new(request);
    let before = Trial::new(request).findings();
    if before.is_empty() {
        prop_assert!(solve(request).is_ok());
        return Ok(Vec::new());
    }
    check_ways_out(request, &before)?;
    let infeasible = diagnose(&options);
    let errors: Vec<&Conflict> = infeasible
        .conflicts
        .iter()
        .filter(|conflict| conflict.severity == Severity::Error)
        .collect();
    prop_assert!(!errors.is_empty());
    for conflict in &errors {
        let claims_none = conflict
            .message
            .contains("no change of one option mends it");
        prop_assert_eq!(claims_none, conflict.suggestions.is_empty());
        prop_assert!(!conflict.bound.is_empty());
        if let Some(first) = conflict.options.first() {
            prop_assert_eq!(&conflict.configured, &first.value);
        }
        let places: Vec<&str> = conflict
            .suggestions
            .iter()
            .map(|suggestion| suggestion.path.as_str())
            .collect();
        prop_assert!(
            places
                .iter()
                .enumerate()
                .all(|(index, place)| !places[..index].contains(place)),
            "{places:?}"
        );
    }
    check_joint(request, &infeasible.conflicts, &infeasible.joint)?;
    Ok(before.into_iter().map(|violation| violation.kind).collect())
}

fn name(kind: &Kind) -> String {
    let text = format!("{kind:?}");
    let end = text
        .find(|character: char| !character.is_alphanumeric())
        .unwrap_or(text.len());
    text[..end].to_owned()
}

/// Every kind that the derivation and the checks after it can report.
const KINDS: [&str; 29] = [
    "MissingTotal",
    "Size",
    "Float",
    "Integer",
    "ExternalAmount",
    "RangeInverted",
    "FractionOutside",
    "ComponentsExceedFlink",
    "NetworkOutOfRange",
    "NetworkDiffersFromBuffers",
    "JvmExceedsProcess",
    "ProcessBelowFlink",
    "OverheadOutOfRange",
    "CpuNotPositive",
    "CpuNotFinite",
    "LegacyHeapNegative",
    "LegacyHeapEnvironment",
    "SegmentTooSmall",
    "SegmentNoPowerOfTwo",
    "SegmentTooLarge",
    "Overflow",
    "NegativeBuffers",
    "ProcessExceedsLimit",
    "NetworkTooSmall",
    "NetworkTooLarge",
    "HeapTooSmall",
    "MetaspaceTooSmall",
    "SlotsInvalid",
    "DuplicateSource",
];

#[test]
fn every_conflict_has_exact_bounds_and_changes_that_work() {
    let seen: Mutex<BTreeMap<String, u32>> = Mutex::default();
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    });
    let result = runner.run(&request(), |request| {
        let kinds = check(&request)?;
        let mut seen = seen.lock().expect("no case panics while it counts");
        for kind in &kinds {
            *seen.entry(name(kind)).or_default() += 1;
        }
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, request)) => panic!("{reason}\n{request:#?}"),
        Err(error) => panic!("{error}"),
    }
    let seen = seen.into_inner().expect("no case panicked");
    for kind in KINDS {
        assert!(
            seen.get(kind).is_some_and(|count| *count >= 10),
            "{kind} was hardly reached: {seen:?}"
        );
    }
    assert_eq!(seen.len(), KINDS.len(), "{seen:?}");
}
