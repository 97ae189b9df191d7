//! Sizes that stand and that probably do not do what was meant: fractions that were cut off, managed memory that
//! nothing takes, a heap too large for short pointers, read buffers that do not fit.

use super::{
    super::{
        Budget, Component, Source,
        effective::Options,
        infeasible::{Code, Conflict, OptionReference, Severity},
        memory_size,
        options::{
            self, Id,
            state_backend::{STATE_BACKEND, STATE_BACKEND_TYPE},
        },
        request::{Request, Setting},
        statement::{limit_reference, reference},
        trial::{Edit, Trial},
    },
    of_setting,
};
use crate::bytes::Bytes;

/// HotSpot addresses objects with 32 bits, in steps of eight bytes, as long as the heap and what lies before it fit
/// into 32 GiB; what lies before it is as large as a heap region, 32 MiB at most (`Arguments::max_heap_for_compressed_oops`).
const COMPRESSED_POINTERS_END: Bytes = Bytes((32 << 30) - (32 << 20));

/// From here on a heap holds more than one that just keeps the short pointers: without them objects are about half
/// as large again.
const LARGE_HEAPS_BEGIN: Bytes = Bytes(48 << 30);

/// Managed memory below this much is not worth a warning.
const UNUSED_MANAGED_AT_LEAST: Bytes = Bytes::from_mebibytes(64);

/// Everything to say about the sizes of a budget that stands.
pub(super) fn of_budget(options: &Options<'_>, budget: &Budget) -> Vec<Conflict> {
    let mut warnings = Vec::new();
    for (name, component) in [
        ("network memory", &budget.network),
        ("JVM overhead", &budget.jvm_overhead),
    ] {
        warnings.extend(capped(options, name, component));
    }
    warnings.extend(unused_managed_memory(options, budget));
    warnings.extend(read_buffers(options, budget));
    warnings.extend(lost_pointers(options, budget));
    warnings
}

/// A fraction that somebody wrote and that does not decide: what was asked, and what was given.
fn capped(options: &Options<'_>, name: &str, component: &Component) -> Option<Conflict> {
    let (bound_key, fraction_key, fraction, of, derived, given, word) = match &component.source {
        Source::ClampedToMinimum {
            option,
            fraction_option,
            fraction,
            of,
            derived,
            minimum,
            ..
        } => (
            option,
            fraction_option,
            fraction,
            of,
            derived,
            minimum,
            "at least",
        ),
        Source::ClampedToMaximum {
            option,
            fraction_option,
            fraction,
            of,
            derived,
            maximum,
            ..
        } => (
            option,
            fraction_option,
            fraction,
            of,
            derived,
            maximum,
            "at most",
        ),
        _ => return None,
    };
    if derived.get().abs_diff(given.get()) < Bytes::MEBI.get() {
        return None;
    }
    let role = options.request.role;
    let id = |key: &str| options::lookup(role, key).map(|(id, _)| id);
    let (fraction_id, bound_id) = (id(fraction_key)?, id(bound_key)?);
    // A fraction that nobody wrote was not asked for.
    let fraction_setting = options.setting(fraction_id)?;
    let bound = reference(options, bound_id)?;
    let path = fraction_setting.origin.path(&fraction_setting.key);
    let message = format!(
        "{path} asks for {fraction} of {of}, which is {derived}, and {name} is {given}, because {} lets it be {word} \
         that; change one of the two",
        bound.path
    );
    let held = format!("{word} {}", memory_size::text(*given));
    let references = vec![of_setting(fraction_setting), bound];
    Some(Conflict::new(
        Code::FractionCapped,
        Severity::Warning,
        references,
        held,
        message,
    ))
}

/// State on the heap, and managed memory that waits for a state backend.
fn unused_managed_memory(options: &Options<'_>, budget: &Budget) -> Option<Conflict> {
    const ON_HEAP: [&str; 4] = ["hashmap", "filesystem", "jobmanager", "memory"];
    let managed = budget.managed.bytes;
    if managed < UNUSED_MANAGED_AT_LEAST {
        return None;
    }
    let backend = last(options.request, STATE_BACKEND_TYPE)
        .or_else(|| last(options.request, STATE_BACKEND))
        .filter(|backend| {
            let name = backend.value.trim();
            ON_HEAP
                .iter()
                .any(|on_heap| name.eq_ignore_ascii_case(on_heap))
        })?;
    // Batch operators sort in managed memory, and Python workers may live in it.
    let settings = options.request.configuration.settings();
    let has_other_users = settings.iter().any(|setting| {
        setting.key.starts_with("python.")
            || (setting.key == "execution.runtime-mode"
                && !setting.value.trim().eq_ignore_ascii_case("streaming"))
    });
    if has_other_users {
        return None;
    }
    let edit = Edit::Set(Id::ManagedSize, "0".to_owned());
    let trial = Trial::new(options.request);
    let suggestion = trial.with(&edit).solves().then(|| trial.suggestion(&edit));
    let way_out = suggestion.as_ref().map_or_else(
        || "give it to the heap".to_owned(),
        |suggestion| format!("{suggestion}, unless jobs sort or run Python there"),
    );
    let message = format!(
        "{} is {}, which keeps state on the heap, so no state backend takes the managed memory of {managed}; {way_out}",
        backend.origin.path(&backend.key),
        backend.value,
    );
    let option = if options.is_set(Id::ManagedSize) {
        Id::ManagedSize
    } else {
        Id::ManagedFraction
    };
    let references = reference(options, option)
        .into_iter()
        .chain([of_setting(backend)])
        .collect();
    let mut conflict = Conflict::new(
        Code::ManagedMemoryUnused,
        Severity::Warning,
        references,
        "0",
        message,
    );
    conflict.suggestions.extend(suggestion);
    Some(conflict)
}

/// The read buffers of blocking shuffles are taken out of framework off-heap memory, which Flink does not check.
fn read_buffers(options: &Options<'_>, budget: &Budget) -> Option<Conflict> {
    let setting = last(options.request, options::BATCH_SHUFFLE_SIZE)?;
    let buffers = memory_size::parse(&setting.value).ok()?;
    let room = budget.framework_off_heap.bytes;
    if buffers <= room {
        return None;
    }
    let edit = Edit::Set(Id::FrameworkOffHeapSize, memory_size::text(buffers));
    let trial = Trial::new(options.request);
    let suggestion = trial.with(&edit).solves().then(|| trial.suggestion(&edit));
    let path = setting.origin.path(&setting.key);
    let way_out = suggestion
        .as_ref()
        .map_or_else(|| format!("lower {path}"), ToString::to_string);
    let message = format!(
        "{path} is {buffers}, and it is taken out of framework off-heap memory, which is {room}, so blocking shuffles \
         run out of direct memory; {way_out}"
    );
    let references = [of_setting(setting)]
        .into_iter()
        .chain(reference(options, Id::FrameworkOffHeapSize))
        .collect();
    let mut conflict = Conflict::new(
        Code::DirectMemoryTooSmall,
        Severity::Warning,
        references,
        format!("<= {}", memory_size::text(room)),
        message,
    );
    conflict.suggestions.extend(suggestion);
    Some(conflict)
}

/// A heap just above the end of the short pointers holds less than one just below it.
fn lost_pointers(options: &Options<'_>, budget: &Budget) -> Option<Conflict> {
    let heap = budget.jvm_heap();
    if heap <= COMPRESSED_POINTERS_END || heap >= LARGE_HEAPS_BEGIN {
        return None;
    }
    let option = [
        Id::TaskHeapSize,
        Id::FrameworkHeapSize,
        Id::FlinkSize,
        Id::ProcessSize,
    ]
    .into_iter()
    .find(|id| options.is_set(*id));
    let references: Vec<OptionReference> = match option {
        Some(id) => reference(options, id).into_iter().collect(),
        None => budget
            .container_limit
            .map(|limit| limit_reference(options, limit))
            .into_iter()
            .collect(),
    };
    let message = format!(
        "the heap, -Xmx, is {heap}; above {COMPRESSED_POINTERS_END} the JVM gives its short pointers up, objects grow \
         by about half, and below {LARGE_HEAPS_BEGIN} the heap holds no more than one of 31 GiB; make it smaller, or \
         run more and smaller TaskManagers"
    );
    Some(Conflict::new(
        Code::CompressedPointersLost,
        Severity::Warning,
        references,
        format!("jvmHeap <= {}", memory_size::text(COMPRESSED_POINTERS_END)),
        message,
    ))
}

/// The setting of a key that counts: the last one.
fn last<'a>(request: &'a Request, key: &str) -> Option<&'a Setting> {
    let settings = request.configuration.settings();
    settings.iter().rfind(|setting| setting.key == key)
}
