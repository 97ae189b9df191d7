//! What a story tells, on configurations of chance and on chosen ones.

use proptest::prelude::*;

use super::{teller::product, *};
use crate::{
    budget::{
        Configuration, FlinkVersion, Mode, Origin, Profile, Request, ReserveKind, Role,
        option_keys, options,
    },
    cli::answer::{Subject, answer_request},
};

#[test]
fn a_number_is_called_by_its_name_its_title_or_its_flag() {
    for (text, name) in [
        ("taskHeap", "taskHeap"),
        ("task heap", "taskHeap"),
        ("task-heap", "taskHeap"),
        ("total Flink memory", "totalFlink"),
        ("JVM overhead", "jvmOverhead"),
        ("-Xmx", "jvmHeap"),
        ("-XX:MaxDirectMemorySize", "directMemory"),
        ("metaspace", "jvmMetaspace"),
    ] {
        let found = Topic::parse(text);
        assert_eq!(found, Ok(Topic::Number(name)), "{text}");
    }
    for text in [
        "taskmanager.memory.size",
        "-D taskmanager.memory.managed.size",
        "spec.memory.managed.size",
    ] {
        assert_eq!(
            Topic::parse(text),
            Ok(Topic::Option(options::MANAGED_SIZE)),
            "{text}"
        );
    }
}

#[test]
fn a_wrong_name_is_answered_with_right_ones() {
    for (text, meant) in [
        ("taskHep", "taskHeap"),
        ("network.max", options::NETWORK_MAX),
        ("taskmanager.memory.managd.size", options::MANAGED_SIZE),
    ] {
        let error = Topic::parse(text).expect_err(text);
        assert!(error.contains(meant), "{error}");
    }
    let error = Topic::parse("").expect_err("nothing has no name");
    assert!(error.contains("taskHeap"), "{error}");
    assert!(Topic::parse(&"x".repeat(10_000)).is_err());
}

fn any_request() -> impl Strategy<Value = Request> {
    const SIZES: [&str; 9] = [
        options::FLINK_SIZE,
        options::FRAMEWORK_HEAP_SIZE,
        options::TASK_HEAP_SIZE,
        options::TASK_OFF_HEAP_SIZE,
        options::MANAGED_SIZE,
        options::NETWORK_MIN,
        options::NETWORK_MAX,
        options::JVM_OVERHEAD_MIN,
        options::JVM_OVERHEAD_MAX,
    ];
    const FRACTIONS: [&str; 3] = [
        options::MANAGED_FRACTION,
        options::NETWORK_FRACTION,
        options::JVM_OVERHEAD_FRACTION,
    ];
    let sizes = prop::collection::vec((prop::sample::select(SIZES.to_vec()), 1_u64..3_000), 0..4);
    let fractions =
        prop::collection::vec((prop::sample::select(FRACTIONS.to_vec()), 1_u32..50), 0..2);
    let version = prop::sample::select(FlinkVersion::ALL.to_vec());
    let total = prop::option::weighted(0.7, 1_000_u64..70_000);
    (
        version,
        total,
        sizes,
        fractions,
        prop::option::of(1_000_u64..70_000),
        prop::sample::select(Profile::ALL.to_vec()),
        prop::option::of((prop::sample::select(ReserveKind::ALL.to_vec()), 0_u64..500)),
    )
        .prop_map(
            |(version, total, sizes, fractions, limit, profile, reserve)| {
                let mut configuration = Configuration::new();
                if let Some(total) = total {
                    let total = format!("{total}m");
                    configuration.push(options::PROCESS_SIZE, total, Origin::CommandLine);
                }
                for (key, size) in sizes {
                    configuration.push(key, format!("{size}m"), Origin::CommandLine);
                }
                for (key, fraction) in fractions {
                    let fraction = format!("0.{fraction:02}");
                    configuration.push(key, fraction, Origin::CommandLine);
                }
                let mut request = Request::new(version, configuration).with_profile(profile);
                request.container_limit = limit.map(Bytes::from_mebibytes);
                if let Some((kind, size)) = reserve {
                    let bytes = Bytes::from_mebibytes(size);
                    request = request.with_reserve(kind, bytes, Origin::CommandLine);
                }
                request
            },
        )
}

/// A JobManager, started by either.
fn any_jobmanager() -> impl Strategy<Value = Request> {
    const SIZES: [&str; 7] = [
        options::JOBMANAGER_FLINK_SIZE,
        options::JOBMANAGER_JVM_HEAP_SIZE,
        options::JOBMANAGER_OFF_HEAP_SIZE,
        options::JOBMANAGER_JVM_METASPACE_SIZE,
        options::JOBMANAGER_JVM_OVERHEAD_MIN,
        options::JOBMANAGER_JVM_OVERHEAD_MAX,
        options::JOBMANAGER_HEAP_SIZE,
    ];
    (
        prop::sample::select(FlinkVersion::ALL.to_vec()),
        prop::sample::select(vec![Mode::Standalone, Mode::Kubernetes]),
        prop::option::weighted(0.8, 600_u64..20_000),
        prop::collection::vec((prop::sample::select(SIZES.to_vec()), 1_u64..3_000), 0..3),
        prop::option::of((options::HEAP_CUTOFF_RATIO, 1_u32..60)),
        prop::option::of((options::JOBMANAGER_JVM_OVERHEAD_FRACTION, 1_u32..50)),
        any::<bool>(),
    )
        .prop_map(|(version, mode, total, sizes, cutoff, overhead, limited)| {
            let mut configuration = Configuration::new();
            let total = total.map(|total| (options::JOBMANAGER_PROCESS_SIZE, total));
            for (key, size) in total.into_iter().chain(sizes) {
                configuration.push(key, format!("{size}m"), Origin::CommandLine);
            }
            for (key, fraction) in cutoff.into_iter().chain(overhead) {
                configuration.push(key, format!("0.{fraction:02}"), Origin::CommandLine);
            }
            let switch = options::JOBMANAGER_DIRECT_MEMORY_LIMIT;
            configuration.push(switch, limited.to_string(), Origin::CommandLine);
            Request::new(version, configuration)
                .with_role(Role::JobManager)
                .with_mode(mode)
        })
}

fn answer(request: &Request) -> Answer {
    let subject = Subject {
        role: request.role,
        mode: request.mode,
        flink_version: request.flink_version.to_string(),
        ..Subject::default()
    };
    answer_request(subject, request.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// What is written out is what was computed: sums add up, products end in their result, and every number that
    /// one was reckoned from is told too.
    #[test]
    fn the_arithmetic_that_is_told_adds_up(request in prop_oneof![any_request(), any_jobmanager()]) {
        let answer = answer(&request);
        let Some(budget) = &answer.budget else {
            let refused = story(&answer, &Topic::Number("taskHeap"));
            prop_assert!(refused.is_err());
            return Ok(());
        };
        for (name, component) in budget.components() {
            let told = story(&answer, &Topic::Number(name)).map_err(TestCaseError::fail)?;
            prop_assert_eq!(told.steps[0].bytes, component.bytes);
            for step in &told.steps {
                prop_assert!(!step.rule.is_empty());
                let sum: i128 = step.sum.iter().map(|addend| {
                    let bytes = i128::from(addend.bytes.get());
                    if matches!(addend.sign, "-" | "=") { -bytes } else { bytes }
                }).sum();
                prop_assert_eq!(sum, 0, "{}", step.name);
                let known = told.steps.iter().map(|step| step.name);
                for from in &step.from {
                    prop_assert!(known.clone().any(|name| name == *from), "{from}");
                }
                let told_by_something =
                    !step.sum.is_empty() || step.product.is_some() || !step.options.is_empty()
                        || !step.from.is_empty();
                prop_assert!(told_by_something, "{}", step.name);
                if let Some(product) = &step.product {
                    let (_, results) = product.split_once(" = ").unwrap_or_default();
                    let result = step.bytes.get().to_string();
                    prop_assert!(results.contains(&result), "{product}");
                }
            }
        }
        for key in option_keys(request.role) {
            prop_assert!(story(&answer, &Topic::Option(key)).is_ok());
        }
    }

    /// Any text is a topic or gets an answer that names right ones.
    #[test]
    fn any_text_is_a_topic_or_is_refused(text in ".{0,60}") {
        if let Err(error) = Topic::parse(&text) {
            prop_assert!(error.contains("taskHeap") || error.contains("did you mean"));
        }
    }
}

#[test]
fn a_product_is_the_one_that_flink_computes() {
    assert_eq!(
        product(0.4, Bytes(3_597_035_104), false, Bytes(1_438_814_063)),
        "3597035104 × 0.4000000059604645 = 1438814063, rounded down"
    );
}
