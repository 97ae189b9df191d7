//! Requests for TaskManagers, standalone and in pods of their own, most of which clash.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    super::super::{
        Configuration, FlinkVersion, Origin, Profile, Request, ReserveKind, Setting, options,
        request::Mode,
    },
    Seed, of, origin, setting_of, size,
};
use crate::bytes::Bytes;

/// One request for each kind of violation, from which the random ones start.
const SEEDS: [Seed; 35] = [
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
    // What only the pod of a worker is asked for.
    (
        &[(options::KUBERNETES_TASKMANAGER_MEMORY_LIMIT_FACTOR, "0.5")],
        Some(4096),
    ),
    (
        &[
            (options::KUBERNETES_TASKMANAGER_CPU_LIMIT_FACTOR, "0.9"),
            (options::KUBERNETES_TASKMANAGER_MEMORY_LIMIT_FACTOR, "1,5"),
        ],
        Some(4096),
    ),
    (
        &[
            (options::KUBERNETES_TASKMANAGER_CPU, "NaN"),
            (options::HEAP_SIZE, "300m"),
        ],
        None,
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

fn setting() -> impl Strategy<Value = Setting> {
    setting_of(&SIZES, &FRACTIONS)
}

/// A reserve, and where it is written.
fn reserve() -> impl Strategy<Value = (ReserveKind, Bytes, Origin)> {
    (
        select(ReserveKind::ALL.to_vec()),
        0_u64..3072,
        any::<bool>(),
    )
        .prop_map(|(kind, mebibytes, is_field)| {
            let origin = if is_field {
                Origin::field(kind.field_path())
            } else {
                Origin::CommandLine
            };
            (kind, Bytes::from_mebibytes(mebibytes), origin)
        })
}

prop_compose! {
    /// Mostly something that clashes, alone or among other options.
    pub(super) fn request()(
        (seed, seed_limit) in select(SEEDS.to_vec()),
        origin in origin(),
        settings in vec(setting(), 0..5),
        takes_seed in prop::bool::weighted(0.7),
        limit in option::of((200_u64..16_384).prop_map(Some)),
        environment in option::weighted(0.2, size()),
        version in select(FlinkVersion::ALL.to_vec()),
        mode in select(vec![Mode::Standalone, Mode::Standalone, Mode::Kubernetes]),
        profile in option::weighted(0.3, select(Profile::ALL.to_vec())),
        reserves in prop_oneof![3 => Just(Vec::new()), 1 => vec(reserve(), 1..3)],
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
        let request = Request {
            mode,
            profile: profile.unwrap_or_default(),
            container_limit: limit.map(Bytes::from_mebibytes),
            legacy_heap_environment: environment,
            ..Request::new(version, configuration)
        };
        reserves.into_iter().fold(request, |request, (kind, bytes, origin)| {
            request.with_reserve(kind, bytes, origin)
        })
    }
}

/// Every kind that the derivation of a TaskManager, of its pod and the checks after it can report.
pub(super) const KINDS: [&str; 30] = [
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
    "LimitFactorBelowOne",
];
