//! Requests for JobManagers, standalone and in pods, of which most clash.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    super::super::{Configuration, FlinkVersion, Request, Role, options, request::Mode},
    Seed, of, origin, setting_of, size,
};
use crate::bytes::Bytes;

/// One request for each kind of violation, from which the random ones start.
const SEEDS: [Seed; 26] = [
    (&[], None),
    (&[(options::JOBMANAGER_PROCESS_SIZE, "4Gi")], None),
    (
        &[(options::JOBMANAGER_JVM_OVERHEAD_FRACTION, "0,1")],
        Some(2048),
    ),
    (
        &[(options::JOBMANAGER_DIRECT_MEMORY_LIMIT, "on")],
        Some(2048),
    ),
    (&[(options::JOBMANAGER_JVM_OVERHEAD_MIN, "2g")], Some(4096)),
    (
        &[(options::JOBMANAGER_JVM_OVERHEAD_FRACTION, "20")],
        Some(4096),
    ),
    (
        &[
            (options::JOBMANAGER_FLINK_SIZE, "1g"),
            (options::JOBMANAGER_JVM_HEAP_SIZE, "600m"),
            (options::JOBMANAGER_OFF_HEAP_SIZE, "600m"),
        ],
        None,
    ),
    (
        &[
            (options::JOBMANAGER_FLINK_SIZE, "1g"),
            (options::JOBMANAGER_JVM_HEAP_SIZE, "2g"),
        ],
        None,
    ),
    (
        &[
            (options::JOBMANAGER_FLINK_SIZE, "512m"),
            (options::JOBMANAGER_OFF_HEAP_SIZE, "600m"),
        ],
        None,
    ),
    (&[(options::JOBMANAGER_OFF_HEAP_SIZE, "3g")], Some(2048)),
    (&[], Some(300)),
    (
        &[
            (options::JOBMANAGER_PROCESS_SIZE, "1g"),
            (options::JOBMANAGER_FLINK_SIZE, "2g"),
        ],
        None,
    ),
    (
        &[
            (options::JOBMANAGER_PROCESS_SIZE, "4g"),
            (options::JOBMANAGER_FLINK_SIZE, "2g"),
        ],
        None,
    ),
    (&[(options::JOBMANAGER_HEAP_MB, "-5")], Some(2048)),
    (&[(options::JOBMANAGER_HEAP_SIZE, "half")], Some(2048)),
    (
        &[
            (options::JOBMANAGER_JVM_HEAP_SIZE, "8388607t"),
            (options::JOBMANAGER_OFF_HEAP_SIZE, "8388607t"),
        ],
        None,
    ),
    (&[(options::JOBMANAGER_PROCESS_SIZE, "8g")], Some(4096)),
    (&[(options::JOBMANAGER_JVM_HEAP_SIZE, "1m")], None),
    (
        &[(options::JOBMANAGER_JVM_METASPACE_SIZE, "100k")],
        Some(4096),
    ),
    (
        &[
            (options::JOBMANAGER_OFF_HEAP_SIZE, "1g"),
            (options::JOBMANAGER_OFF_HEAP_SIZE, "2g"),
        ],
        Some(4096),
    ),
    (&[(options::HEAP_CUTOFF_RATIO, "1.5")], None),
    (
        &[
            (options::JOBMANAGER_HEAP_SIZE, "500m"),
            (options::HEAP_CUTOFF_MIN, "600"),
        ],
        None,
    ),
    (
        &[
            (options::JOBMANAGER_HEAP_SIZE, "1g"),
            (options::HEAP_CUTOFF_MIN, "some"),
        ],
        None,
    ),
    (
        &[(options::KUBERNETES_JOBMANAGER_MEMORY_LIMIT_FACTOR, "0.5")],
        Some(4096),
    ),
    (
        &[
            (options::KUBERNETES_JOBMANAGER_CPU_LIMIT_FACTOR, "0.9"),
            (options::JOBMANAGER_HEAP_SIZE, "2g"),
        ],
        None,
    ),
    (&[(options::KUBERNETES_JOBMANAGER_CPU, "NaN")], Some(2048)),
];

const SIZES: [&str; 8] = [
    options::JOBMANAGER_PROCESS_SIZE,
    options::JOBMANAGER_FLINK_SIZE,
    options::JOBMANAGER_JVM_HEAP_SIZE,
    options::JOBMANAGER_OFF_HEAP_SIZE,
    options::JOBMANAGER_JVM_METASPACE_SIZE,
    options::JOBMANAGER_JVM_OVERHEAD_MIN,
    options::JOBMANAGER_JVM_OVERHEAD_MAX,
    options::JOBMANAGER_HEAP_SIZE,
];
const FRACTIONS: [&str; 1] = [options::JOBMANAGER_JVM_OVERHEAD_FRACTION];

/// A release; 1.10, whose JobManager has a model of its own, more often than the others.
fn version() -> impl Strategy<Value = FlinkVersion> {
    prop_oneof![
        1 => Just(FlinkVersion::V1_10),
        4 => select(FlinkVersion::ALL.to_vec()),
    ]
}

prop_compose! {
    /// Mostly something that clashes, alone or among other options.
    pub(super) fn request()(
        (seed, seed_limit) in select(SEEDS.to_vec()),
        origin in origin(),
        settings in vec(setting_of(&SIZES, &FRACTIONS), 0..4),
        takes_seed in prop::bool::weighted(0.7),
        limit in option::of((200_u64..16_384).prop_map(Some)),
        environment in option::weighted(0.2, size()),
        version in version(),
        mode in select(vec![Mode::Standalone, Mode::Kubernetes]),
    ) -> Request {
        let mut configuration = Configuration::new();
        if takes_seed {
            for (key, value) in seed {
                configuration.push(*key, *value, of(origin.clone(), key));
            }
        }
        settings.into_iter().for_each(|setting| {
            let origin = of(setting.origin, &setting.key);
            configuration.push(setting.key, setting.value, origin);
        });
        let limit = if takes_seed { limit.unwrap_or(seed_limit) } else { limit.flatten() };
        Request {
            role: Role::JobManager,
            mode,
            container_limit: limit.map(Bytes::from_mebibytes),
            legacy_heap_environment: environment,
            ..Request::new(version, configuration)
        }
    }
}

/// Every kind that the derivation of a JobManager, of its pod and the checks after it can report.
pub(super) const KINDS: [&str; 23] = [
    "MissingTotal",
    "Size",
    "Float",
    "Integer",
    "Boolean",
    "RangeInverted",
    "FractionOutside",
    "HeapAndOffHeapDiffer",
    "HeapExceedsFlink",
    "OffHeapTakesAll",
    "CutoffRatioOutside",
    "CutoffAboveTotal",
    "LimitFactorBelowOne",
    "JvmExceedsProcess",
    "ProcessBelowFlink",
    "OverheadOutOfRange",
    "LegacyHeapNegative",
    "LegacyHeapEnvironment",
    "Overflow",
    "ProcessExceedsLimit",
    "HeapTooSmall",
    "MetaspaceTooSmall",
    "DuplicateSource",
];
