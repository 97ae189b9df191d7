//! `headroom managed`: what each consumer of managed memory gets of a slot, and what a native state backend makes of it.

mod text;

use std::io::Read;

use serde::Serialize;

use self::text::written;
use super::{
    EXIT_CONFLICTS, EXIT_SOUND, EXIT_UNREADABLE, Reply,
    answer::Answer,
    arguments::{Managed, Output},
    process_budget::ProcessBudget,
    question::Answers,
    report::{json_text, yaml_text},
    screen::Screen,
    solve,
    text::{counted, heading, size},
};
use crate::{
    budget::{
        Budget, FlinkError, Role,
        managed::{ConsumerWeights, Consumers, SharingScope, SlotMemory, UseCase, share_of_slot},
        rocksdb::{
            MemorySource, NativeMemory, Ratios, SharedResources, StateBackend, arena_block,
            overshoot::{Load, Overshoot, background, reserve, unbounded},
        },
    },
    bytes::Bytes,
};

/// The answers as data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    results: &'a [Sharing],
    problems: &'a [super::input::InputProblem],
    passed_over: usize,
}

/// How one TaskManager shares its managed memory out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sharing {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    flink_version: String,
    #[serde(skip)]
    heading: String,
    /// Why there is nothing to share out, or why Flink would refuse to.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    managed_bytes: Bytes,
    slots: u64,
    slot: SlotMemory,
    page_size_bytes: Bytes,
    consumers: Vec<Consumption>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_backend: Option<Native>,
}

/// What one kind of consumer gets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Consumption {
    use_case: UseCase,
    scope: SharingScope,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<i32>,
    share: f64,
    /// What it gets: whole pages for the scope of an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<u32>,
    /// Why it would fail when it asks for its share.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FlinkError>,
}

/// What a native state backend makes of its memory.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Native {
    backend: StateBackend,
    source: MemorySource,
    ratios: Ratios,
    load: Load,
    /// Caches of the TaskManager: one for each slot, or one for all.
    caches: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<SharedResources>,
    arena_block_bytes: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    arena_block_fits: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overshoot: Option<Overshoot>,
    background_bytes: Bytes,
    /// What to hold back for the TaskManager.
    reserve_bytes: Bytes,
    /// What is worth a look.
    warnings: Vec<String>,
}

pub(super) fn answer(
    command: &Managed,
    screen: &Screen,
    is_verbose: bool,
    standard_input: &mut dyn Read,
) -> Reply {
    let mut answers = Answers::to(&command.question, standard_input);
    answers.keep(Role::TaskManager);
    let results: Vec<Sharing> = answers
        .answers
        .iter()
        .map(|answer| sharing(command, answer, screen))
        .collect();
    let exit = if solve::exit(&answers) == EXIT_UNREADABLE {
        EXIT_UNREADABLE
    } else if results.iter().all(Sharing::is_sound) {
        EXIT_SOUND
    } else {
        EXIT_CONFLICTS
    };
    let report = Report {
        results: &results,
        problems: &answers.problems,
        passed_over: answers.passed_over,
    };
    match command.output {
        Output::Json => json_text(&report, exit),
        Output::Yaml => yaml_text(&report, exit),
        Output::Text => {
            let written: Vec<String> = results
                .iter()
                .map(|sharing| written(sharing, screen))
                .collect();
            Reply {
                output: written.join("\n"),
                error: solve::remarks(&answers, is_verbose, screen),
                exit,
            }
        }
    }
}

impl Sharing {
    fn is_sound(&self) -> bool {
        let consumers = self.memory.iter().flat_map(|memory| &memory.consumers);
        self.error.is_none()
            && consumers
                .into_iter()
                .all(|consumer| consumer.error.is_none())
    }
}

fn sharing(command: &Managed, answer: &Answer, screen: &Screen) -> Sharing {
    let mut sharing = Sharing {
        name: answer.subject.name.clone(),
        flink_version: answer.subject.flink_version.clone(),
        heading: heading(&answer.subject, screen),
        error: None,
        memory: None,
    };
    let Some(budget) = answer.budget.as_ref().and_then(ProcessBudget::task_manager) else {
        sharing.error = Some(
            "there is no managed memory to share out, because the options conflict; `headroom explain` says how"
                .to_owned(),
        );
        return sharing;
    };
    match memory(command, answer, budget) {
        Ok(memory) => sharing.memory = Some(memory),
        Err(error) => sharing.error = Some(error),
    }
    sharing
}

fn memory(command: &Managed, answer: &Answer, budget: &Budget) -> Result<Memory, String> {
    let version = budget.flink_version;
    let configuration = answer.configuration();
    let refused = |error: FlinkError| match error.causes.last() {
        Some(cause) => format!("Flink refuses it: {} ({})", error.message, cause.message),
        None => format!("Flink refuses it: {}", error.message),
    };
    let backend = match command.state_backend {
        Some(backend) => backend.state_backend(),
        None => StateBackend::of(version, &configuration)
            .map_err(|error| format!("{error}; --state-backend says which kind it is"))?,
    };
    let native = match backend.keys() {
        Some(keys) => Some(NativeMemory::of(version, keys, &configuration).map_err(refused)?),
        None => None,
    };
    let is_managed = native.is_some_and(|native| native.source == MemorySource::Managed);
    let use_cases: Vec<UseCase> = if command.uses.is_empty() {
        vec![if is_managed {
            UseCase::StateBackend
        } else {
            UseCase::Operator
        }]
    } else {
        UseCase::ALL
            .into_iter()
            .filter(|use_case| command.uses.iter().any(|used| used.use_case() == *use_case))
            .collect()
    };
    // −1 is Flink's way to say one.
    let slots = u64::try_from(budget.number_of_task_slots)
        .unwrap_or(1)
        .max(1);
    let slot = SlotMemory::new(
        Bytes(budget.managed.bytes.get() / slots),
        budget.segment_size,
    )
    .map_err(refused)?;
    let weights = ConsumerWeights::of(version, &configuration).map_err(refused)?;
    let consumers = Consumers::new(&use_cases, is_managed);
    let consumptions: Vec<Consumption> = use_cases
        .iter()
        .filter(|use_case| **use_case != UseCase::StateBackend || is_managed)
        .map(|use_case| consumption(&weights, &consumers, *use_case, &slot, budget.segment_size))
        .collect();
    // A job without keyed state has no databases, whatever the backend is called.
    let has_state = !is_managed || use_cases.contains(&UseCase::StateBackend);
    let state_backend = match native.filter(|_| has_state) {
        Some(native) => {
            let managed = consumptions
                .iter()
                .find(|consumption| consumption.use_case == UseCase::StateBackend)
                .and_then(|consumption| consumption.bytes);
            Some(native_memory(command, backend, &native, managed, slots))
        }
        None => None,
    };
    Ok(Memory {
        managed_bytes: budget.managed.bytes,
        slots,
        slot,
        page_size_bytes: budget.segment_size,
        consumers: consumptions,
        state_backend,
    })
}

fn consumption(
    weights: &ConsumerWeights,
    consumers: &Consumers,
    use_case: UseCase,
    slot: &SlotMemory,
    page_size: Bytes,
) -> Consumption {
    let share = share_of_slot(weights, consumers, use_case, 1.0);
    let taken = match use_case.scope() {
        SharingScope::Slot => slot.bytes_of(share).map(|bytes| (bytes, None)),
        SharingScope::Operator => slot.pages_of(share).map(|pages| {
            (
                Bytes(u64::from(pages).saturating_mul(page_size.get())),
                Some(pages),
            )
        }),
    };
    Consumption {
        use_case,
        scope: use_case.scope(),
        weight: weights.weight(use_case),
        share,
        bytes: taken.as_ref().ok().map(|(bytes, _)| *bytes),
        pages: taken.as_ref().ok().and_then(|(_, pages)| *pages),
        error: taken.err(),
    }
}

fn native_memory(
    command: &Managed,
    backend: StateBackend,
    memory: &NativeMemory,
    managed: Option<Bytes>,
    slots: u64,
) -> Native {
    let (total, caches) = match memory.source {
        MemorySource::FixedPerSlot(bytes) => (Some(bytes), slots),
        MemorySource::Managed => (managed, slots),
        MemorySource::FixedPerTaskManager(bytes) => (Some(bytes), 1),
        MemorySource::Unbounded => (None, slots),
    };
    let load = Load {
        databases: command.databases.into(),
        column_families: command.column_families.into(),
        iterators: command.iterators.into(),
    };
    let cache = total.map(|total| SharedResources::of(total, memory.ratios.write_buffer));
    let block = arena_block(memory.write_buffer_size, None);
    let overshoot = cache.map(|cache| Overshoot::of(memory, &cache, &load));
    let mut warnings = Vec::new();
    if let Err(error) = memory.ratios.check_range() {
        warnings.push(format!(
            "{}: Flink checks that only where a program sets it, and goes on with what the configuration says{}.",
            error.message,
            if memory.ratios.write_buffer == 0.0 {
                "; 0 leaves write buffers without a bound"
            } else {
                ""
            }
        ));
    }
    // Without a capacity nothing is flushed early, whatever a block measures.
    let bounded = cache.filter(|cache| cache.write_buffers > Bytes::ZERO);
    let arena_block_fits = bounded.map(|cache| cache.arena_block_fits(block));
    if let (Some(cache), Some(false)) = (bounded, arena_block_fits) {
        warnings.push(format!(
            "One arena block of {} is more than the {} that may be in use before a flush: {backend} flushes all the \
             time. More memory, fewer slots or a smaller write buffer helps.",
            size(block),
            size(cache.mutable_limit)
        ));
    }
    if let (Some(cache), Some(overshoot)) = (cache, overshoot)
        && overshoot.beyond_cache > Bytes::ZERO
    {
        warnings.push(format!(
            "Write buffers and pinned blocks may take {} where {backend} has {}: the cache keeps nothing else then. More \
             memory, fewer column families or a smaller write buffer helps.",
            size(overshoot.write_buffers.saturating_add(overshoot.pinned)),
            size(cache.total)
        ));
    }
    if let Some(ineffective) = memory.ineffective_fixed_per_taskmanager {
        warnings.push(format!(
            "The {} for the whole TaskManager have no effect, because another size counts first; set managed to false \
             and no size per slot.",
            size(ineffective)
        ));
    }
    if memory.source == MemorySource::Unbounded {
        warnings.push(format!(
            "Nothing bounds {backend}: {} may take {} in each slot, and the container ends it.",
            counted(
                command.column_families as usize,
                "column family",
                "column families"
            ),
            size(unbounded(memory, command.column_families.into()))
        ));
    }
    let background_bytes = background(memory);
    Native {
        backend,
        source: memory.source,
        ratios: memory.ratios,
        load,
        caches,
        cache,
        arena_block_bytes: block,
        arena_block_fits,
        overshoot,
        background_bytes,
        reserve_bytes: match &overshoot {
            Some(overshoot) => reserve(memory, overshoot, caches),
            None => background_bytes.round_up_to_mebibyte(),
        },
        warnings,
    }
}
