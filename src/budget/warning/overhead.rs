//! Whether JVM overhead holds what the JVM takes beside heap, metaspace and direct memory: thread stacks, compiled
//! code, the bookkeeping of the garbage collector and the allocator's arenas.
//!
//! Counted is what a TaskManager that works has resident at least, so that nothing is warned of that would run; what
//! each part may grow to is said beside it. How the two figures of each part were found stands in
//! `docs/memory-model.md`.

use super::super::{
    Budget,
    cpu::MilliCpu,
    derivation::Derived,
    effective::Options,
    infeasible::{Code, Conflict, Severity, Suggestion, Term, Total},
    memory_size,
    options::Id,
    statement::reference,
    trial::{Edit, Trial, violations},
};
use crate::bytes::Bytes;

/// Threads of a TaskManager of one processor that runs nothing yet (Flink 2.1, JDK 17: 56, of which one collects
/// garbage); each slot that works adds one at least, each further processor another that collects garbage.
const THREADS: u64 = 55;

/// What of a stack is resident: 5.2 MiB in 56 threads, measured as above.
const STACK_RESIDENT: Bytes = Bytes(92 << 10);

/// What a stack may grow to: `ThreadStackSize` of HotSpot on 64-bit Linux.
const STACK_RESERVED: Bytes = Bytes::MEBI;

/// Compiled code of a TaskManager with a job; without one it is 11 MiB already, measured as above.
const CODE_RESIDENT: Bytes = Bytes::from_mebibytes(32);

/// What compiled code may grow to: `ReservedCodeCacheSize` of HotSpot with its tiers.
const CODE_RESERVED: Bytes = Bytes::from_mebibytes(240);

/// The queues of one thread that collects garbage: 1.6 to 2 MiB, measured as above.
const QUEUES_OF_A_COLLECTING_THREAD: Bytes = Bytes(3 << 19);

/// What an arena in use holds at least once blocks of it were freed.
const ARENA_RESIDENT: Bytes = Bytes(512 << 10);

/// The address space of one arena: `HEAP_MAX_SIZE` of glibc on 64 bits.
const ARENA_RESERVED: Bytes = Bytes::from_mebibytes(64);

/// glibc makes no more arenas than this for each processor (`NARENAS_FROM_NCORES`).
const ARENAS_PER_PROCESSOR: u64 = 8;

/// What a JVM takes of its overhead, part by part.
struct Native {
    threads: u64,
    arenas: u64,
    stacks: Bytes,
    code: Bytes,
    collector: Bytes,
    allocator: Bytes,
}

impl Native {
    /// At least, with a heap of this size under G1, which Flink's scripts choose, unless another one `collects`.
    fn of(limit: MilliCpu, slots: u64, heap: Bytes, collects: Collector) -> Native {
        let processors = limit.processors();
        // WorkerPolicy::parallel_worker_threads: one for each of eight processors, five for each eight beyond.
        let beyond = processors.saturating_sub(8).saturating_mul(5) / 8;
        let collecting = processors.min(8) + beyond;
        let threads = THREADS.saturating_add(collecting).saturating_add(slots);
        let arenas = processors.saturating_mul(ARENAS_PER_PROCESSOR).min(threads);
        let times = |count: u64, each: Bytes| Bytes(count.saturating_mul(each.get()));
        let collector = match collects {
            // A bit for each eight bytes of the heap (JDK 19 and older have two of these maps), and two bytes for each
            // card of 512.
            Collector::G1 => Bytes(heap.get() / 64)
                .saturating_add(Bytes(heap.get() / 256))
                .saturating_add(times(collecting, QUEUES_OF_A_COLLECTING_THREAD)),
            Collector::Other => Bytes::ZERO,
        };
        Native {
            threads,
            arenas,
            stacks: times(threads, STACK_RESIDENT),
            code: CODE_RESIDENT,
            collector,
            allocator: times(arenas, ARENA_RESIDENT),
        }
    }

    fn terms(&self) -> Vec<Term> {
        let term = |name, bytes| Term {
            name,
            key: None,
            bytes,
        };
        vec![
            term("threadStacks", self.stacks),
            term("codeCache", self.code),
            term("garbageCollector", self.collector),
            term("allocatorArenas", self.allocator),
        ]
    }

    fn total(&self) -> Bytes {
        [self.code, self.collector, self.allocator]
            .into_iter()
            .fold(self.stacks, Bytes::saturating_add)
    }

    /// What it can grow to, if nothing limits stacks, code and arenas further.
    fn most(&self) -> Bytes {
        let times = |count: u64, each: Bytes| Bytes(count.saturating_mul(each.get()));
        [
            CODE_RESERVED,
            self.collector,
            times(self.arenas, ARENA_RESERVED),
        ]
        .into_iter()
        .fold(times(self.threads, STACK_RESERVED), Bytes::saturating_add)
    }
}

/// Who collects the garbage.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Collector {
    /// The default of Flink's scripts.
    G1,
    /// One that was chosen; nothing is known of its bookkeeping.
    Other,
}

impl Collector {
    /// The one that the JVM's options choose.
    fn of(options: &Options<'_>) -> Collector {
        let is_other = options.request.configuration.iter().any(|setting| {
            setting.key.starts_with("env.java.opts")
                && setting.value.split_ascii_whitespace().any(|argument| {
                    argument.starts_with("-XX:+Use")
                        && argument.ends_with("GC")
                        && argument != "-XX:+UseG1GC"
                })
        });
        if is_other {
            Collector::Other
        } else {
            Collector::G1
        }
    }
}

/// JVM overhead that is smaller than what the JVM takes of it at this CPU limit; nothing where the limit is not known.
pub(super) fn too_small(options: &Options<'_>, budget: &Budget) -> Option<Conflict> {
    let limit = options.request.cpu_limit?;
    let overhead = budget.jvm_overhead.bytes;
    let collects = Collector::of(options);
    let slots = options.slots();
    let native = Native::of(limit, slots, budget.jvm_heap(), collects);
    let (total, most) = (native.total(), native.most());
    if overhead >= total {
        return None;
    }
    let suggestion = way_out(options, limit, collects, total);
    let end = suggestion.as_ref().map_or_else(
        || "leave more to JVM overhead".to_owned(),
        ToString::to_string,
    );
    let processors = match limit.processors() {
        1 => "1 processor".to_owned(),
        more => format!("{more} processors"),
    };
    let message = format!(
        "JVM overhead is {overhead}, and a JVM of {processors} takes at least {total} of it: {} thread stacks {} + code \
         cache {} + garbage collector {} + {} allocator arenas {}; these may grow to {most}; {end}",
        native.threads,
        native.stacks,
        native.code,
        native.collector,
        native.arenas,
        native.allocator
    );
    let references = [
        Id::JvmOverheadMin,
        Id::JvmOverheadFraction,
        Id::JvmOverheadMax,
    ]
    .into_iter()
    .filter(|id| *id == Id::JvmOverheadMin || options.is_set(*id))
    .filter_map(|id| reference(options, id))
    .collect();
    let bound = format!(">= {}", memory_size::text(total.round_up_to_mebibyte()));
    let conflict = Conflict::new(
        Code::OverheadTooSmall,
        Severity::Warning,
        references,
        bound.clone(),
        message,
    );
    Some(Conflict {
        sum: native.terms(),
        total: Some(Total {
            name: "jvmOverhead",
            bytes: overhead,
            bound,
        }),
        suggestions: suggestion.into_iter().collect(),
        ..conflict
    })
}

/// One option with which the overhead is enough, in whole mebibytes.
fn way_out(
    options: &Options<'_>,
    limit: MilliCpu,
    collects: Collector,
    total: Bytes,
) -> Option<Suggestion> {
    let trial = Trial::new(options.request);
    let slots = options.slots();
    let text = memory_size::text(total.round_up_to_mebibyte());
    [Id::JvmOverheadMin, Id::JvmOverheadMax]
        .into_iter()
        .find_map(|id| {
            let edit = Edit::Set(id, text.clone());
            let changed = trial.with(&edit);
            let (derived, violations, _) = violations(&Options::new(&changed.request));
            let Some(Derived::TaskManager(derived)) = derived.filter(|_| violations.is_empty())
            else {
                return None;
            };
            let heap = derived
                .framework_heap
                .bytes
                .saturating_add(derived.task_heap.bytes);
            let needed = Native::of(limit, slots, heap, collects).total();
            (derived.jvm_overhead.bytes >= needed).then(|| trial.suggestion(&edit))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Configuration, FlinkVersion, Origin, Request, options, solve};

    fn request(process: &str, cores: u32, settings: &[(&str, &str)]) -> Request {
        let configuration = settings.iter().fold(
            Configuration::new().with(options::PROCESS_SIZE, process, Origin::CommandLine),
            |configuration, (key, value)| configuration.with(*key, *value, Origin::CommandLine),
        );
        Request::new(FlinkVersion::V2_1, configuration).with_cpu_limit(MilliCpu::from_cores(cores))
    }

    fn warning(request: &Request) -> Option<Conflict> {
        let budget = solve(request).unwrap();
        budget
            .warnings
            .into_iter()
            .find(|warning| warning.code == Code::OverheadTooSmall)
    }

    #[test]
    fn defaults_are_enough_for_every_usual_shape() {
        for cores in [1, 2, 4, 8, 16, 64] {
            for process in ["1728m", "4g", "16g", "32g"] {
                assert_eq!(
                    warning(&request(process, cores, &[])),
                    None,
                    "{process} {cores}"
                );
            }
        }
        assert_eq!(
            warning(&Request::new(
                FlinkVersion::V2_1,
                request(
                    "4g",
                    1,
                    &[
                        (options::JVM_OVERHEAD_MAX, "32m"),
                        (options::JVM_OVERHEAD_MIN, "0")
                    ]
                )
                .configuration
            )),
            None
        );
    }

    #[test]
    fn the_sum_is_written_out_and_its_way_out_ends_it() {
        let small = request(
            "4g",
            2,
            &[
                (options::JVM_OVERHEAD_MIN, "32m"),
                (options::JVM_OVERHEAD_FRACTION, "0.001"),
            ],
        );
        let conflict = warning(&small).expect("32 MiB hold not even the code");
        let sum = conflict
            .sum
            .iter()
            .fold(Bytes::ZERO, |sum, term| sum.saturating_add(term.bytes));
        let heap = solve(&small).unwrap().jvm_heap();
        // 57 threads of two processors and one slot, 16 arenas.
        let expected = 58 * (92 << 10)
            + (32 << 20)
            + heap.get() / 64
            + heap.get() / 256
            + 2 * (3 << 19)
            + 16 * (512 << 10);
        assert_eq!(sum, Bytes(expected));
        assert_eq!(
            conflict.total.as_ref().unwrap().bytes,
            Bytes::from_mebibytes(32)
        );
        assert!(
            conflict.message.contains("58 thread stacks 5.21 MiB"),
            "{}",
            conflict.message
        );
        let [suggestion] = conflict.suggestions.as_slice() else {
            panic!("{conflict:?}")
        };
        assert_eq!(suggestion.key, options::JVM_OVERHEAD_MIN);
        assert_eq!(warning(&small.with_suggestion(suggestion)), None);
    }

    #[test]
    fn a_heap_can_outgrow_the_largest_overhead() {
        let large = request("200g", 16, &[]);
        let conflict = warning(&large).expect("bookkeeping of such a heap takes more than 1 GiB");
        let [suggestion] = conflict.suggestions.as_slice() else {
            panic!("{conflict:?}")
        };
        assert_eq!(suggestion.key, options::JVM_OVERHEAD_MAX);
        assert_eq!(warning(&large.with_suggestion(suggestion)), None);
        let other = request("200g", 16, &[("env.java.opts.all", "-XX:+UseZGC -Da=b")]);
        assert_eq!(warning(&other), None);
    }

    #[test]
    fn two_totals_leave_no_single_way_out() {
        let fixed = request(
            "1g",
            4,
            &[
                (options::FLINK_SIZE, "724m"),
                (options::JVM_OVERHEAD_MIN, "0"),
                ("taskmanager.memory.managed.size", "100m"),
            ],
        );
        let conflict = warning(&fixed).expect("44 MiB are left");
        assert!(conflict.suggestions.is_empty(), "{conflict:?}");
        assert!(conflict.message.ends_with("leave more to JVM overhead"));
    }
}
