//! The budget of a JobManager, and the doors to it.

use serde::Serialize;

use super::{
    derivation::{CutoffDerivation, JobManagerDerivation, UnifiedDerivation},
    run,
};
use crate::{
    budget::{
        Component, Conflict, FlinkError, Infeasible, Request, Role, conflict,
        derivation::{Amount, FirstViolation},
        effective::Options,
        flink_error,
        jvm::{line_of, sort_like_a_java_hash_map},
        kubernetes, options, source, startup,
        version::FlinkVersion,
        warning, with_role,
    },
    bytes::Bytes,
};

/// The memory of one JobManager process.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of it at a time, and the large variant is nearly always the one"
)]
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "model")]
pub enum JobManagerBudget {
    /// Flink 1.11 and later.
    Unified(UnifiedBudget),
    /// Flink 1.10.
    Cutoff(CutoffBudget),
}

/// A JobManager since Flink 1.11.
///
/// `total_flink` is the sum of `jvm_heap` and `off_heap`, `total_process` that of `total_flink`, `jvm_metaspace` and
/// `jvm_overhead`, always and exactly.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnifiedBudget {
    /// The Flink release whose arithmetic was applied.
    pub flink_version: FlinkVersion,
    /// JVM heap, `-Xmx`.
    pub jvm_heap: Component,
    /// Direct and native memory.
    pub off_heap: Component,
    /// Metaspace of the JVM.
    pub jvm_metaspace: Component,
    /// Everything else the JVM takes: thread stacks, code cache, garbage collector.
    pub jvm_overhead: Component,
    /// Sum of heap and off-heap.
    pub total_flink: Component,
    /// What the whole process may take.
    pub total_process: Component,
    /// Whether the JVM's direct memory is limited to `off_heap`.
    pub limits_direct_memory: bool,
    /// The container's memory limit; `None` outside a container.
    pub container_limit: Option<Bytes>,
    /// What is worth a look although the budget stands.
    pub warnings: Vec<Conflict>,
}

/// A JobManager of Flink 1.10, in whole mebibytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CutoffBudget {
    /// The Flink release whose arithmetic was applied.
    pub flink_version: FlinkVersion,
    /// The container that Flink starts the process in; `None` for a process that scripts start.
    pub container: Option<Component>,
    /// What is kept back of that container for everything but the heap.
    pub cutoff: Option<Component>,
    /// JVM heap, `-Xmx`.
    pub jvm_heap: Component,
    /// The container's memory limit; `None` outside a container.
    pub container_limit: Option<Bytes>,
    /// What is worth a look although the budget stands.
    pub warnings: Vec<Conflict>,
}

impl JobManagerBudget {
    /// Every component with its name as in JSON, totals last.
    #[must_use]
    pub fn components(&self) -> Vec<(&'static str, &Component)> {
        match self {
            JobManagerBudget::Unified(budget) => vec![
                ("jvmHeap", &budget.jvm_heap),
                ("offHeap", &budget.off_heap),
                ("jvmMetaspace", &budget.jvm_metaspace),
                ("jvmOverhead", &budget.jvm_overhead),
                ("totalFlink", &budget.total_flink),
                ("totalProcess", &budget.total_process),
            ],
            JobManagerBudget::Cutoff(budget) => [
                Some(("jvmHeap", &budget.jvm_heap)),
                budget.cutoff.as_ref().map(|cutoff| ("cutoff", cutoff)),
                budget
                    .container
                    .as_ref()
                    .map(|container| ("container", container)),
            ]
            .into_iter()
            .flatten()
            .collect(),
        }
    }

    /// What the whole process takes; of Flink 1.10, outside a container, only the heap is known.
    #[must_use]
    pub fn total_process(&self) -> Bytes {
        match self {
            JobManagerBudget::Unified(budget) => budget.total_process.bytes,
            JobManagerBudget::Cutoff(budget) => {
                budget.container.as_ref().unwrap_or(&budget.jvm_heap).bytes
            }
        }
    }

    fn warnings_mut(&mut self) -> &mut Vec<Conflict> {
        match self {
            JobManagerBudget::Unified(budget) => &mut budget.warnings,
            JobManagerBudget::Cutoff(budget) => &mut budget.warnings,
        }
    }

    /// What is worth a look although the budget stands.
    #[must_use]
    pub fn warnings(&self) -> &[Conflict] {
        match self {
            JobManagerBudget::Unified(budget) => &budget.warnings,
            JobManagerBudget::Cutoff(budget) => &budget.warnings,
        }
    }
}

/// The budget of a JobManager for a request, whose role counts as that of a JobManager.
///
/// # Guarantees
/// As for [`crate::budget::solve`].
///
/// # Errors
/// Every conflict at once; see [`Infeasible`].
pub fn solve(request: &Request) -> Result<JobManagerBudget, Infeasible> {
    let request = &*with_role(request, Role::JobManager);
    let options = Options::new(request);
    match run(&options, &mut FirstViolation::default()) {
        Ok(derivation)
            if !options.has_duplicates()
                && starts(&options, &derivation)
                && kubernetes::accepts_jobmanager(&options) =>
        {
            let mut budget = assemble(&options, &derivation);
            *budget.warnings_mut() =
                warning::of_jobmanager(&options, derivation.total_process().bytes);
            Ok(budget)
        }
        _ => Err(conflict::diagnose(&options)),
    }
}

/// What Flink itself computes: [`solve`] without Headroom's checks of what comes after the derivation, and
/// without its warnings.
///
/// # Errors
/// The exception Flink throws.
pub fn derive(request: &Request) -> Result<JobManagerBudget, FlinkError> {
    let request = &*with_role(request, Role::JobManager);
    let options = Options::new(request);
    let mut first = FirstViolation::default();
    match run(&options, &mut first) {
        Ok(derivation) => Ok(assemble(&options, &derivation)),
        Err(_) => Err(flink_error::of_first(first, &options)),
    }
}

fn starts(options: &Options<'_>, derivation: &JobManagerDerivation) -> bool {
    let mut starts = true;
    startup::check_jobmanager(options, derivation, |_| starts = false);
    starts
}

fn assemble(options: &Options<'_>, derivation: &JobManagerDerivation) -> JobManagerBudget {
    let component = |amount: Amount| Component {
        bytes: amount.bytes,
        source: source(options, amount),
    };
    let flink_version = options.version();
    let container_limit = options.request.container_limit;
    match derivation {
        JobManagerDerivation::Unified(UnifiedDerivation {
            heap,
            off_heap,
            total_flink,
            jvm,
            limits_direct_memory,
        }) => JobManagerBudget::Unified(UnifiedBudget {
            flink_version,
            jvm_heap: component(*heap),
            off_heap: component(*off_heap),
            jvm_metaspace: component(jvm.metaspace),
            jvm_overhead: component(jvm.overhead),
            total_flink: component(*total_flink),
            total_process: component(jvm.total_process),
            limits_direct_memory: *limits_direct_memory,
            container_limit,
            warnings: Vec::new(),
        }),
        JobManagerDerivation::Cutoff(CutoffDerivation { heap, container }) => {
            JobManagerBudget::Cutoff(CutoffBudget {
                flink_version,
                container: container.map(|(container, _)| component(container)),
                cutoff: container.map(|(_, cutoff)| component(cutoff)),
                jvm_heap: component(*heap),
                container_limit,
                warnings: Vec::new(),
            })
        }
    }
}

/// The JVM's memory flags, separated by single spaces: in bytes
/// `-Xmx… -Xms… [-XX:MaxDirectMemorySize=…] -XX:MaxMetaspaceSize=…`, in 1.10 in mebibytes `-Xms…m -Xmx…m`.
#[must_use]
pub fn jvm_parameters(budget: &JobManagerBudget) -> String {
    match budget {
        JobManagerBudget::Unified(budget) => {
            let heap = budget.jvm_heap.bytes.get();
            let direct = if budget.limits_direct_memory {
                format!(" -XX:MaxDirectMemorySize={}", budget.off_heap.bytes.get())
            } else {
                String::new()
            };
            let metaspace = budget.jvm_metaspace.bytes.get();
            format!("-Xmx{heap} -Xms{heap}{direct} -XX:MaxMetaspaceSize={metaspace}")
        }
        JobManagerBudget::Cutoff(budget) => {
            let heap = budget.jvm_heap.bytes.whole_mebibytes();
            format!("-Xms{heap}m -Xmx{heap}m")
        }
    }
}

/// The options that fix every size of the started JobManager, in Flink's order; none before 1.12.
#[must_use]
pub fn dynamic_configurations(budget: &JobManagerBudget) -> Vec<(String, String)> {
    let JobManagerBudget::Unified(budget) = budget else {
        return Vec::new();
    };
    if budget.flink_version < FlinkVersion::V1_12 {
        return Vec::new();
    }
    let pair =
        |key: &str, component: &Component| (key.to_owned(), format!("{}b", component.bytes.get()));
    let mut pairs = vec![
        pair(options::JOBMANAGER_JVM_HEAP_SIZE, &budget.jvm_heap),
        pair(options::JOBMANAGER_OFF_HEAP_SIZE, &budget.off_heap),
        pair(
            options::JOBMANAGER_JVM_METASPACE_SIZE,
            &budget.jvm_metaspace,
        ),
        pair(options::JOBMANAGER_JVM_OVERHEAD_MIN, &budget.jvm_overhead),
        pair(options::JOBMANAGER_JVM_OVERHEAD_MAX, &budget.jvm_overhead),
    ];
    sort_like_a_java_hash_map(&mut pairs);
    pairs
}

/// [`dynamic_configurations`] in the one line that Flink's scripts print: `-D key=value` items separated by single
/// spaces; `None` before 1.12, which prints none.
#[must_use]
pub fn dynamic_configurations_line(budget: &JobManagerBudget) -> Option<String> {
    let pairs = dynamic_configurations(budget);
    (!pairs.is_empty()).then(|| line_of(pairs).trim_end().to_owned())
}
