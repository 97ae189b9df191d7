//! What holds for every request: sums, fixed points, complete diagnosis, suggestions that work, no panic.

use std::str::FromStr;

use headroom::{
    budget::{
        Budget, COMFORTABLE_TASK_HEAP, Change, Configuration, FlinkVersion, Origin, Profile,
        Request, ReserveKind, Setting, Severity, comfortable_container_limit, derive,
        dynamic_configurations, jvm_parameters, memory_size, minimum_container_limit,
        nearest_feasible, options, solve,
    },
    bytes::Bytes,
    quantity::{self, Quantity},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// The options that sizes depend on, with the deprecated spellings.
const SIZES: [&str; 20] = [
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
    options::HEAP_MB,
    options::NUMBER_OF_BUFFERS,
    options::NUMBER_OF_TASK_SLOTS,
    "taskmanager.memory.size",
    "taskmanager.network.memory.min",
    "taskmanager.network.memory.max",
];
const FRACTIONS: [&str; 5] = [
    options::MANAGED_FRACTION,
    options::NETWORK_FRACTION,
    options::JVM_OVERHEAD_FRACTION,
    options::CPU_CORES,
    "taskmanager.network.memory.fraction",
];

fn size() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (1_u64..8192).prop_map(|mebibytes| format!("{mebibytes}m")),
        2 => (1_u64..32).prop_map(|gibibytes| format!("{gibibytes} gb")),
        2 => (0_u64..1 << 34).prop_map(|bytes| bytes.to_string()),
        1 => select(vec!["4Gi", "1.5g", "-1", "", "8388608t", "9223372036854775807", "half", "32k", "1t"])
            .prop_map(str::to_owned),
    ]
}

fn fraction() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0_u32..100).prop_map(|hundredths| format!("0.{hundredths:02}")),
        1 => select(vec!["1.0", "40", "-0.1", "NaN", "0,1", "0x1p-3", "1e-40", "Infinity", "x", ""])
            .prop_map(str::to_owned),
    ]
}

fn origin(key: &'static str) -> impl Strategy<Value = Origin> {
    prop_oneof![
        6 => Just(Origin::FlinkConfiguration),
        1 => Just(Origin::CommandLine),
        1 => Just(Origin::Field(format!("spec.memory[{key}]").into())),
    ]
}

fn setting() -> impl Strategy<Value = Setting> {
    let of = |key: &'static str, value: BoxedStrategy<String>| {
        (value, origin(key)).prop_map(move |(value, origin)| Setting {
            key: key.to_owned(),
            value,
            origin,
        })
    };
    prop_oneof![
        6 => select(SIZES.to_vec()).prop_flat_map(move |key| of(key, size().boxed())),
        2 => select(FRACTIONS.to_vec()).prop_flat_map(move |key| of(key, fraction().boxed())),
    ]
}

fn version() -> impl Strategy<Value = FlinkVersion> {
    select(FlinkVersion::ALL.to_vec())
}

fn request() -> impl Strategy<Value = Request> {
    let limit = option::of((200_u64..16_384).prop_map(Bytes::from_mebibytes));
    let environment = option::weighted(0.05, size());
    let around = (
        option::weighted(0.3, profile()),
        option::weighted(0.3, reserve()),
    );
    (version(), vec(setting(), 0..7), limit, environment, around).prop_map(
        |(
            flink_version,
            settings,
            container_limit,
            legacy_heap_environment,
            (profile, reserve),
        )| {
            let request = Request {
                container_limit,
                legacy_heap_environment,
                profile: profile.unwrap_or_default(),
                ..Request::new(flink_version, settings.into_iter().collect())
            };
            match reserve {
                Some((kind, bytes)) => request.with_reserve(kind, bytes, Origin::CommandLine),
                None => request,
            }
        },
    )
}

fn profile() -> impl Strategy<Value = Profile> {
    select(Profile::ALL.to_vec())
}

fn reserve() -> impl Strategy<Value = (ReserveKind, Bytes)> {
    let bytes = prop_oneof![
        8 => (0_u64..2048).prop_map(Bytes::from_mebibytes),
        1 => (0_u64..1 << 40).prop_map(Bytes),
    ];
    (select(ReserveKind::ALL.to_vec()), bytes)
}

fn assert_parts_sum_to_the_whole(budget: &Budget) {
    let parts = |parts: &[Bytes]| parts.iter().map(|part| part.get()).sum::<u64>();
    assert_eq!(
        parts(&[
            budget.framework_heap.bytes,
            budget.framework_off_heap.bytes,
            budget.task_heap.bytes,
            budget.task_off_heap.bytes,
            budget.network.bytes,
            budget.managed.bytes,
        ]),
        budget.total_flink.bytes.get()
    );
    assert_eq!(
        parts(&[
            budget.total_flink.bytes,
            budget.jvm_metaspace.bytes,
            budget.jvm_overhead.bytes
        ]),
        budget.total_process.bytes.get()
    );
    if let Some(limit) = budget.container_limit {
        let reserves = budget.reserves.iter().map(|reserve| reserve.bytes.get());
        assert_eq!(
            reserves.sum::<u64>() + budget.total_process.bytes.get() + budget.unassigned().get(),
            limit.get()
        );
    }
}

/// The sizes without where they come from.
fn sizes(budget: &Budget) -> Vec<(&'static str, u64)> {
    budget
        .components()
        .iter()
        .map(|(name, component)| (*name, component.bytes.get()))
        .collect()
}

/// The task heap inside a container of this size, where the request solves there.
fn task_heap(request: &Request, limit: Bytes) -> Option<Bytes> {
    let budget = solve(&request.clone().with_container_limit(limit)).ok()?;
    Some(budget.task_heap.bytes)
}

proptest! {
    #[test]
    fn a_budget_adds_up_and_is_stable_under_its_own_output(request in request()) {
        let Ok(budget) = solve(&request) else { return Ok(()) };
        assert_parts_sum_to_the_whole(&budget);
        let mut own = Configuration::new();
        for (key, value) in dynamic_configurations(&budget) {
            own.push(key, value, Origin::CommandLine);
        }
        // Before 1.12, Flink's own options leave the JVM's share out, and before 1.13 the slots.
        if request.flink_version < FlinkVersion::V1_12 {
            for (key, component) in [
                (options::JVM_METASPACE_SIZE, &budget.jvm_metaspace),
                (options::JVM_OVERHEAD_MIN, &budget.jvm_overhead),
                (options::JVM_OVERHEAD_MAX, &budget.jvm_overhead),
            ] {
                own.push(key, memory_size::text(component.bytes), Origin::CommandLine);
            }
        }
        own.push(options::NUMBER_OF_TASK_SLOTS, budget.number_of_task_slots.to_string(), Origin::CommandLine);
        own.push(options::SEGMENT_SIZE, memory_size::text(budget.segment_size), Origin::CommandLine);
        let again = Request { configuration: own, legacy_heap_environment: None, ..request };
        let again = solve(&again).expect("a budget's own options solve");
        prop_assert_eq!(sizes(&again), sizes(&budget));
        prop_assert_eq!(jvm_parameters(&again), jvm_parameters(&budget));
        prop_assert_eq!(dynamic_configurations(&again), dynamic_configurations(&budget));
    }

    #[test]
    fn what_does_not_solve_is_explained_and_its_joint_suggestion_mends_it(request in request()) {
        let infeasible = match solve(&request) {
            Err(infeasible) => infeasible,
            Ok(budget) => {
                prop_assert!(budget.warnings.iter().all(|warning| warning.severity == Severity::Warning));
                prop_assert!(derive(&request).is_ok() || request.container_limit.is_some());
                return Ok(());
            }
        };
        let errors: Vec<_> =
            infeasible.conflicts.iter().filter(|conflict| conflict.severity == Severity::Error).collect();
        prop_assert!(!errors.is_empty());
        prop_assert!(infeasible.conflicts.is_sorted_by_key(|conflict| conflict.severity));
        for conflict in &errors {
            prop_assert!(!conflict.message.is_empty() && !conflict.bound.is_empty());
            prop_assert!(conflict.message.contains("; "), "{}", conflict.message);
        }
        // One error: each way out alone mends the request.
        if let [only] = errors.as_slice() {
            for suggestion in &only.suggestions {
                let mended = request.with_suggestion(suggestion);
                prop_assert!(solve(&mended).is_ok(), "{}: {suggestion}\n{:#?}", only.message, solve(&mended));
            }
        }
        prop_assert!(!infeasible.joint.is_empty(), "{infeasible:#?}");
        let mended = infeasible.joint.iter().fold(request.clone(), |request, change| {
            request.with_suggestion(change)
        });
        prop_assert!(solve(&mended).is_ok(), "{infeasible:#?}\n{:#?}", solve(&mended));
    }

    #[test]
    fn the_nearest_budget_is_what_its_changes_solve_to(request in request()) {
        let Some((budget, changes)) = nearest_feasible(&request) else {
            prop_assert!(solve(&request).is_err());
            return Ok(());
        };
        prop_assert!(changes.iter().all(|change| change.origin != Some(Origin::ContainerLimit)));
        prop_assert_eq!(changes.is_empty(), solve(&request).is_ok());
        let changed = changes.iter().fold(request, |request, change| request.with_suggestion(change));
        prop_assert_eq!(sizes(&solve(&changed).expect("the changes lead to the budget")), sizes(&budget));
    }

    #[test]
    fn the_smallest_limit_solves_and_one_mebibyte_less_does_not(request in request()) {
        let Some(limit) = minimum_container_limit(&request) else { return Ok(()) };
        prop_assert!(solve(&request.clone().with_container_limit(limit)).is_ok());
        let less = limit.saturating_sub(Bytes::MEBI);
        prop_assert!(solve(&request.clone().with_container_limit(less)).is_err());
    }

    #[test]
    fn no_limit_below_the_smallest_solves(request in request(), mebibytes in 1_u64..16_384) {
        let limit = Bytes::from_mebibytes(mebibytes);
        if solve(&request.clone().with_container_limit(limit)).is_ok() {
            let smallest = minimum_container_limit(&request);
            prop_assert!(smallest.is_some_and(|smallest| smallest <= limit), "{limit} solves, {smallest:?}");
        }
    }

    #[test]
    fn a_comfortable_limit_solves_with_its_heap_and_one_mebibyte_less_does_not(request in request()) {
        let Some(limit) = comfortable_container_limit(&request) else { return Ok(()) };
        prop_assert!(task_heap(&request, limit) >= Some(COMFORTABLE_TASK_HEAP));
        prop_assert!(task_heap(&request, limit.saturating_sub(Bytes::MEBI)) < Some(COMFORTABLE_TASK_HEAP));
        prop_assert!(minimum_container_limit(&request).is_some_and(|minimum| minimum <= limit));
    }

    #[test]
    fn no_limit_below_the_comfortable_one_is_comfortable(request in request(), mebibytes in 1_u64..16_384) {
        let limit = Bytes::from_mebibytes(mebibytes);
        if task_heap(&request, limit) >= Some(COMFORTABLE_TASK_HEAP) {
            let smallest = comfortable_container_limit(&request);
            prop_assert!(smallest.is_some_and(|smallest| smallest <= limit), "{limit} is, {smallest:?}");
        }
    }

    #[test]
    fn a_reserve_enlarges_no_component(request in request(), (kind, bytes) in reserve()) {
        let Ok(before) = solve(&request) else { return Ok(()) };
        let taken: Bytes = before.reserves.iter().filter(|reserve| reserve.kind == kind).map(|reserve| reserve.bytes).next().unwrap_or_default();
        let more = request.with_reserve(kind, taken.saturating_add(bytes), Origin::CommandLine);
        let Ok(after) = solve(&more) else { return Ok(()) };
        for ((name, before), (_, after)) in sizes(&before).into_iter().zip(sizes(&after)) {
            // Task heap is what two fractions leave, each cut off by less than a byte.
            let rounding = if name == "taskHeap" { 2 } else { 0 };
            prop_assert!(after <= before + rounding, "{name}: {before} became {after}");
        }
    }

    #[test]
    fn custom_and_no_reserves_change_nothing(request in request()) {
        let plain = Request { profile: Profile::default(), reserves: Vec::new(), ..request };
        prop_assert_eq!(solve(&plain), solve(&plain.clone().with_profile(Profile::Custom)));
        if let Ok(budget) = solve(&plain) {
            prop_assert!(budget.reserves.is_empty() && budget.profile.is_none());
        }
    }

    /// With everything written that a profile has a default for, all profiles are one.
    #[test]
    fn a_profile_overrides_nothing_that_was_written(
        request in request(),
        profile in profile(),
        managed in prop_oneof![Just(options::MANAGED_FRACTION), Just("taskmanager.memory.managed.size")],
        network in select(vec![options::NETWORK_MIN, options::NETWORK_MAX, options::NETWORK_FRACTION, "taskmanager.network.memory.min"]),
        overshoot in (0_u64..512).prop_map(Bytes::from_mebibytes),
    ) {
        let written = [
            (managed, if managed == options::MANAGED_FRACTION { "0.3" } else { "100m" }),
            (network, if network == options::NETWORK_FRACTION { "0.2" } else { "80m" }),
            (options::JVM_METASPACE_SIZE, "200m"),
        ];
        let mut request = request.with_reserve(ReserveKind::NativeOvershoot, overshoot, Origin::CommandLine);
        for (key, value) in written {
            request.configuration.push(key, value, Origin::CommandLine);
        }
        let custom = solve(&request.clone().with_profile(Profile::Custom));
        let profiled = solve(&request.with_profile(profile));
        match (custom, profiled) {
            (Ok(custom), Ok(profiled)) => {
                prop_assert_eq!(sizes(&custom), sizes(&profiled));
                prop_assert_eq!(custom.reserves, profiled.reserves);
                prop_assert!(profiled.profile.is_none_or(|profile| profile.values.is_empty()));
            }
            // The ways out differ where one takes an option out: then the profile's default counts.
            (Err(custom), Err(profiled)) => prop_assert_eq!(custom.flink_error, profiled.flink_error),
            other => prop_assert!(false, "{other:#?}"),
        }
    }

    #[test]
    fn any_map_is_answered(
        version in version(),
        settings in vec((prop_oneof![
            select(SIZES.to_vec()).prop_map(str::to_owned),
            select(FRACTIONS.to_vec()).prop_map(str::to_owned),
            "taskmanager\\.(memory|network)\\.[a-z.-]{0,20}",
            ".*",
        ], ".*"), 0..6),
        limit in option::of(any::<u64>().prop_map(Bytes)),
    ) {
        let configuration = settings
            .into_iter()
            .map(|(key, value)| Setting { key, value, origin: Origin::FlinkConfiguration })
            .collect();
        let request = Request { container_limit: limit, ..Request::new(version, configuration) };
        if let Err(infeasible) = solve(&request) {
            prop_assert!(!infeasible.conflicts.is_empty());
            serde_json::to_string(&infeasible).expect("conflicts are plain data");
        }
        let _ = nearest_feasible(&request);
        let _ = minimum_container_limit(&request);
    }

    #[test]
    fn sizes_print_and_parse_back(bytes in 0..=Bytes::MAX.get()) {
        prop_assert_eq!(memory_size::parse(&memory_size::text(Bytes(bytes))), Ok(Bytes(bytes)));
        prop_assert_eq!(quantity::parse_memory(&quantity::memory_text(Bytes(bytes))), Ok(Bytes(bytes)));
        prop_assert!(Bytes(bytes).to_string().contains(' '));
    }

    #[test]
    fn quantities_print_and_parse_back(text in "[+-]?[0-9]{1,12}(\\.[0-9]{0,12})?(n|u|m||k|M|G|Ki|Mi|Gi|e[+-]?[0-9])") {
        let Ok(quantity) = Quantity::from_str(&text) else { return Ok(()) };
        prop_assert_eq!(quantity.to_string().parse::<Quantity>(), Ok(quantity));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        let _ = memory_size::parse(&text);
        let _ = text.parse::<Quantity>();
        let _ = text.parse::<FlinkVersion>();
        let _ = quantity::suspicious_memory(&text);
        let _ = quantity::probable_spelling(&text);
    }

    #[test]
    fn quantities_agree_with_decimal_arithmetic_by_hand(
        integer in "[0-9]{0,25}",
        fraction in "[0-9]{0,40}",
        suffix in select(vec![
            "n", "u", "m", "", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
            "e0", "e7", "E-7", "e-30", "e+18", "e40",
        ]),
    ) {
        let text = format!("{integer}.{fraction}{suffix}");
        let expected = slow_ceiling(&integer, &fraction, suffix);
        prop_assert_eq!(quantity::parse_memory(&text).ok().map(Bytes::get), expected, "{}", text);
    }
}

/// Whole bytes of a quantity, rounded up, by school arithmetic on decimal digits.
fn slow_ceiling(integer: &str, fraction: &str, suffix: &str) -> Option<u64> {
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    // The value is `digits / 10^behind`, least significant digit first.
    let mut digits: Vec<u8> = integer
        .bytes()
        .chain(fraction.bytes())
        .rev()
        .map(|byte| byte - b'0')
        .collect();
    let mut behind = fraction.len() as i64;
    let mut times = |factor: u32| {
        let mut carry = 0_u32;
        for digit in &mut digits {
            let product = u32::from(*digit) * factor + carry;
            *digit = (product % 10) as u8;
            carry = product / 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    };
    match suffix {
        "n" => behind += 9,
        "u" => behind += 6,
        "m" => behind += 3,
        "" => {}
        "k" | "M" | "G" | "T" | "P" | "E" => {
            behind -= 3 * ("kMGTPE".find(suffix).expect("one of these") as i64 + 1);
        }
        _ => match suffix.strip_suffix('i') {
            Some(unit) => {
                for _ in 0..="KMGTPE".find(unit).expect("one of these") {
                    times(1024);
                }
            }
            None => behind -= suffix[1..].parse::<i64>().expect("an exponent"),
        },
    }
    while behind < 0 {
        digits.insert(0, 0);
        behind += 1;
    }
    let split = usize::try_from(behind)
        .expect("not negative")
        .min(digits.len());
    let round_up = digits[..split].iter().any(|digit| *digit != 0);
    let whole = digits[split..]
        .iter()
        .rev()
        .try_fold(0_u64, |whole, digit| {
            whole.checked_mul(10)?.checked_add(u64::from(*digit))
        })?;
    let whole = whole.checked_add(u64::from(round_up))?;
    // A fraction above the largest whole number is too large, even where nothing would be left of it.
    (whole <= i64::MAX as u64).then_some(whole)
}

#[test]
fn a_configuration_of_a_megabyte_is_answered_quickly() {
    let mut configuration = Configuration::new();
    for index in 0..20_000 {
        configuration.push(
            format!("taskmanager.memory.unknown-{index}"),
            "some value",
            Origin::FlinkConfiguration,
        );
    }
    configuration.push(options::MANAGED_SIZE, "64g", Origin::FlinkConfiguration);
    let request = Request::new(FlinkVersion::V2_1, configuration)
        .with_container_limit(Bytes::from_mebibytes(4096));
    let started = std::time::Instant::now();
    let infeasible = solve(&request).expect_err("64g don't fit");
    assert!(infeasible.conflicts.len() < 50);
    let (_, changes) = nearest_feasible(&request).expect("managed memory can be lowered");
    assert!(matches!(&changes[0].change, Change::Set(_)));
    // Unoptimised and on a busy machine; what it guards against takes minutes.
    assert!(
        started.elapsed() < std::time::Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}
