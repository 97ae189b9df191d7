//! What holds for every way of sharing memory out: no share exceeds the slot, what starts has all it requires, more
//! of anything never needs less, no text makes a reader panic.

use headroom::{
    budget::{
        Configuration, FlinkVersion, Origin,
        managed::{ConsumerWeights, Consumers, SlotMemory, UseCase, operator_share, share_of_slot},
        network::{
            Cluster, Distribution, Exchange, GateBuffers, JobShape, PartitionBuffers, ResultType,
            ShuffleSettings, Vertex, segment_size, segments,
        },
        options::{
            SEGMENT_SIZE, shuffle,
            state_backend::{FORST, MANAGED_CONSUMER_WEIGHTS, ROCKSDB},
        },
        rocksdb::{
            NativeMemory, SharedResources, StateBackend,
            overshoot::{Load, Overshoot, background, reserve},
        },
    },
    bytes::Bytes,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

fn version() -> impl Strategy<Value = FlinkVersion> {
    select(FlinkVersion::ALL.to_vec())
}

fn one(key: &str, value: &str) -> Configuration {
    Configuration::new().with(key, value, Origin::FlinkConfiguration)
}

fn result_type() -> impl Strategy<Value = ResultType> {
    select(ResultType::ALL.to_vec())
}

fn settings() -> impl Strategy<Value = ShuffleSettings> {
    let cap = option::of(prop_oneof![1_u64..20, 1_u64..5000]);
    let tiers = option::of(101_u64..103);
    (
        version(),
        0_u64..5,
        1_u64..20,
        cap,
        1_u64..600,
        1_u64..200,
        tiers,
    )
        .prop_map(
            |(version, channel, floating, cap, sort_buffers, sort_parallelism, tiers)| {
                ShuffleSettings {
                    buffers_per_channel: channel,
                    floating_buffers_per_gate: floating,
                    required_buffers_per_gate_max: cap,
                    sort_shuffle_min_buffers: sort_buffers,
                    sort_shuffle_min_parallelism: sort_parallelism,
                    tier_guaranteed_buffers: tiers,
                    ..ShuffleSettings::default_of(version)
                }
            },
        )
}

/// The vertices of a job without names: parallelism and slot sharing group of each.
type Vertices = Vec<(u32, Option<u8>)>;

fn job() -> impl Strategy<Value = (Vertices, Vec<Exchange>)> {
    let vertices = vec((1_u32..40, option::weighted(0.2, 0_u8..3)), 1..7);
    vertices.prop_flat_map(|vertices| {
        let last = vertices.len();
        let exchange = (0..last, 0..last, any::<bool>(), result_type()).prop_map(
            |(from, to, pointwise, result_type)| Exchange {
                from,
                to,
                distribution: if pointwise {
                    Distribution::Pointwise
                } else {
                    Distribution::AllToAll
                },
                result_type,
            },
        );
        (Just(vertices), vec(exchange, 0..9))
    })
}

fn shape(vertices: &[(u32, Option<u8>)], exchanges: &[Exchange]) -> JobShape {
    let vertices = vertices
        .iter()
        .enumerate()
        .map(|(index, (parallelism, group))| Vertex {
            name: index.to_string(),
            parallelism: *parallelism,
            slot_sharing_group: group.map(|group| group.to_string()),
        })
        .collect();
    JobShape::new(vertices, exchanges.to_vec()).expect("the shape is a job")
}

fn cluster(slots: u32) -> Cluster {
    Cluster {
        slots_per_taskmanager: slots,
        taskmanagers: None,
        spreads_slots: false,
    }
}

proptest! {
    #[test]
    fn shares_of_a_slot_never_exceed_it(
        version in version(),
        weights in (0_i32..=1000, 0_i32..=1000, 0_i32..=1000),
        present in vec(select(UseCase::ALL.to_vec()), 0..4),
        is_managed in any::<bool>(),
        bytes in 0_u64..1 << 40,
        operators in vec(0_u64..1000, 1..6),
    ) {
        let (operator, state, python) = weights;
        let text = if version == FlinkVersion::V1_12 {
            format!("DATAPROC:{operator},PYTHON:{python}")
        } else {
            format!("OPERATOR:{operator},STATE_BACKEND:{state},PYTHON:{python}")
        };
        let weights = ConsumerWeights::of(version, &one(MANAGED_CONSUMER_WEIGHTS, &text)).expect("the weights are sound");
        let consumers = Consumers::new(&present, is_managed);
        let slot = SlotMemory::new(Bytes(bytes), Bytes(32 << 10)).expect("the slot has few pages");
        // Before 1.12 nobody divides the slot, and each use case reckons with all of it.
        let divided = version >= FlinkVersion::V1_12;
        let (mut taken, mut pages) = (0, 0);
        for use_case in UseCase::ALL.into_iter().filter(|use_case| consumers.contains(*use_case)) {
            let share = share_of_slot(&weights, &consumers, use_case, 1.0);
            prop_assert!((0.0..=1.0).contains(&share), "{share}");
            if share > 0.0 {
                taken += slot.bytes_of(share).expect("the share is sound").get();
                pages += slot.pages_of(share).expect("the share is sound");
            } else {
                prop_assert!(slot.bytes_of(share).is_err());
            }
        }
        if divided {
            prop_assert!(taken <= bytes, "{taken} of {bytes}");
            prop_assert!(pages <= slot.pages);
        }
        // What operators get of their use case adds up to no more than all of it.
        let all: u64 = operators.iter().sum();
        let sum: f64 = operators.iter().filter_map(|weight| operator_share(*weight, all)).sum();
        prop_assert!(sum <= 1.0 + 1e-12, "{sum}");
    }

    #[test]
    fn a_state_backend_divides_what_it_has(total in 0_u64..1 << 42, ratio in 0.001_f64..0.999) {
        let shared = SharedResources::of(Bytes(total), ratio);
        prop_assert!(shared.cache <= shared.total);
        prop_assert!(shared.write_buffers <= shared.cache);
        prop_assert!(shared.mutable_limit <= shared.write_buffers);
        // The cache and half of what write buffers have make up the whole, but for what was cut off.
        let whole = shared.cache.get() + shared.write_buffers.get() / 2;
        prop_assert!(total - whole <= 2 + total / (1 << 40), "{total} and {whole}");
    }

    #[test]
    fn more_load_never_needs_a_smaller_reserve(
        total in 1_u64..1 << 36,
        load in (1_u64..50, 1_u64..200, 0_u64..50),
        caches in 1_u64..16,
    ) {
        let memory = NativeMemory::of(FlinkVersion::V2_1, &ROCKSDB, &Configuration::new()).expect("defaults are sound");
        let shared = SharedResources::of(Bytes(total), memory.ratios.write_buffer);
        let (databases, column_families, iterators) = load;
        let load = Load { databases, column_families, iterators };
        let overshoot = Overshoot::of(&memory, &shared, &load);
        let least = reserve(&memory, &overshoot, caches);
        prop_assert!(least >= background(&memory));
        prop_assert!(reserve(&memory, &overshoot, caches + 1) >= least);
        for more in [
            Load { databases: databases + 1, ..load },
            Load { column_families: column_families + 1, ..load },
            Load { iterators: iterators + 1, ..load },
        ] {
            prop_assert!(reserve(&memory, &Overshoot::of(&memory, &shared, &more), caches) >= least);
        }
        // Whatever stays within the memory has its write buffers and pinned blocks there.
        let pinned = overshoot.write_buffers.saturating_add(overshoot.pinned);
        prop_assert_eq!(overshoot.beyond_cache == Bytes::ZERO, pinned <= shared.total);
    }

    #[test]
    fn a_pool_that_has_its_target_has_what_it_requires(
        settings in settings(),
        result_type in result_type(),
        count in 1_u64..3000,
    ) {
        let partition = PartitionBuffers::of(&settings, result_type, count);
        prop_assert!(partition.required <= partition.target);
        prop_assert!(partition.maximum.is_none_or(|maximum| partition.target <= maximum));
        let gate = GateBuffers::of(&settings, result_type, count);
        prop_assert!(gate.required(count) <= gate.target, "{gate:?}");
        prop_assert_eq!(gate.exclusive_per_channel * count + gate.total_floating, gate.target);
        prop_assert!(gate.required_floating <= gate.total_floating);
    }

    #[test]
    fn what_starts_has_room_for_every_task((vertices, exchanges) in job(), settings in settings(), slots in 1_u32..9) {
        let shape = shape(&vertices, &exchanges);
        let buffers = shape.buffers(&settings, &cluster(slots)).expect("nothing bounds the slots");
        prop_assert!(buffers.required <= buffers.target && buffers.target <= buffers.with_overdraft);
        prop_assert!(buffers.slots_on_taskmanager <= u64::from(slots));
        let most: u64 = buffers.vertices.iter().map(|vertex| vertex.required * vertex.subtasks).sum();
        prop_assert!(buffers.required <= most);
        let segment = Bytes(32 << 10);
        let sizes = buffers.sizes(segment).expect("the sizes can be counted");
        prop_assert!(segments(sizes.starts, segment).expect("few segments") >= buffers.required);
        prop_assert!(segments(sizes.starts.saturating_sub(Bytes(1)), segment).expect("few segments") < buffers.required.max(1));
        // Any tasks that share the slots of a TaskManager as they may: one subtask of each vertex in a slot.
        let mut placed = 0;
        for vertex in &buffers.vertices {
            if vertex.subtasks > 0 && vertices[0].1 == vertices[vertex.name.parse::<usize>().unwrap()].1
                && shape.runs_as_a_whole()
            {
                placed += vertex.required;
            }
        }
        prop_assert!(placed <= buffers.required, "{placed} in one slot, {} in {slots}", buffers.required);
    }

    #[test]
    fn more_slots_or_a_wider_shuffle_never_need_fewer_buffers(
        (vertices, exchanges) in job(),
        settings in settings(),
        slots in 1_u32..9,
        widened in 0_usize..6,
    ) {
        // A pointwise exchange has fewer connections where it divides evenly, so only shuffles are monotonic.
        let exchanges: Vec<Exchange> = exchanges
            .into_iter()
            .map(|exchange| Exchange { distribution: Distribution::AllToAll, ..exchange })
            .collect();
        let of = |vertices: &[(u32, Option<u8>)], settings: &ShuffleSettings, slots: u32| {
            let buffers = shape(vertices, &exchanges).buffers(settings, &cluster(slots)).expect("nothing bounds the slots");
            (buffers.required, buffers.target)
        };
        let (required, target) = of(&vertices, &settings, slots);
        let more_slots = of(&vertices, &settings, slots + 1);
        prop_assert!(more_slots.0 >= required && more_slots.1 >= target);
        let mut wider = vertices.clone();
        let widened = widened % wider.len();
        wider[widened].0 += 1;
        // A partition that sorts from some width on may require less than one that does not, and a cap on a gate
        // leaves fewer exclusive buffers for more channels.
        let plain = ShuffleSettings {
            sort_shuffle_min_parallelism: 1,
            required_buffers_per_gate_max: Some(u64::MAX),
            ..settings
        };
        let (required, target) = of(&vertices, &plain, slots);
        let (wider_required, wider_target) = of(&wider, &plain, slots);
        prop_assert!(wider_required >= required, "{wider_required} < {required}");
        prop_assert!(wider_target >= target, "{wider_target} < {target}");
    }

    #[test]
    fn any_text_is_read_or_refused(version in version(), text in ".*", map in "[A-Z'\":, {}0-9\n-]{0,40}") {
        for text in [&text, &map] {
            let _ = ConsumerWeights::of(version, &one(MANAGED_CONSUMER_WEIGHTS, text));
            let _ = text.parse::<StateBackend>();
            let _ = segment_size(&one(SEGMENT_SIZE, text));
            for key in [shuffle::BUFFERS_PER_CHANNEL, shuffle::SORT_SHUFFLE_MIN_BUFFERS, shuffle::HYBRID_SHUFFLE_NEW_MODE] {
                let _ = ShuffleSettings::of(version, &one(key, text));
            }
            for keys in [&ROCKSDB, &FORST] {
                for key in [keys.managed, keys.fixed_per_slot, keys.write_buffer_ratio, keys.write_buffer_count] {
                    let _ = NativeMemory::of(version, keys, &one(key, text));
                }
            }
        }
    }

    #[test]
    fn extreme_sizes_are_answered(
        total in any::<u64>(),
        ratio in any::<f64>(),
        counts in (any::<u64>(), any::<u64>(), any::<u64>()),
        result_type in result_type(),
    ) {
        let shared = SharedResources::of(Bytes(total), ratio);
        let memory = NativeMemory::of(FlinkVersion::V2_1, &ROCKSDB, &Configuration::new()).expect("defaults are sound");
        let (databases, column_families, iterators) = counts;
        let load = Load { databases, column_families, iterators };
        let _ = reserve(&memory, &Overshoot::of(&memory, &shared, &load), databases);
        let settings = ShuffleSettings {
            buffers_per_channel: databases,
            floating_buffers_per_gate: iterators,
            ..ShuffleSettings::default_of(FlinkVersion::V1_20)
        };
        let _ = PartitionBuffers::of(&settings, result_type, column_families);
        let _ = GateBuffers::of(&settings, result_type, column_families).required(total);
    }
}

/// A shape is read from YAML, and whatever it says the reader answers.
#[cfg(feature = "cli")]
mod reader {
    use headroom::cli::input::job;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_a_job_or_refused(
            text in ".*",
            yaml in "(vertices|nodes):\n(  - (name|id|parallelism|inputs|predecessors): ?(a|1|-1|\\[\\{(from|id): (a|b), ship: (hash|x)\\}\\]|\\{\\})\n(    (name|id|parallelism|inputs): ?(a|b|2|\\[\\])\n){0,3}){0,4}",
        ) {
            for text in [text, yaml] {
                if let Err(problems) = job::parse(&text) {
                    prop_assert!(!problems.is_empty());
                    prop_assert!(problems.iter().all(|problem| !problem.message.is_empty()));
                }
            }
        }
    }
}
