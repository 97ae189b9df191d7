//! The budget of a TaskManager's memory: [`solve`] is the only door.
//!
//! The result is what Flink itself computes for the same options and version, byte for byte, with the reason for
//! each number; or every conflict there is, each with its way out. Everything here is a function of its
//! arguments: no clock, environment, file or log; sums are integers.

mod conflict;
mod cpu;
mod cutoff;
mod decimal;
mod derivation;
mod effective;
mod feasible;
mod flink_error;
pub mod fraction;
mod infeasible;
mod java_integer;
pub mod jobmanager;
mod joint;
mod jvm;
pub mod kubernetes;
pub mod legacy;
pub mod managed;
pub mod memory_size;
pub mod network;
pub mod options;
mod process;
mod profile;
mod remark;
mod request;
mod reserves;
pub mod rocksdb;
pub mod slots;
mod startup;
mod statement;
mod suggestion;
mod survey;
mod taskmanager;
mod trial;
mod typed_option;
mod version;
mod violation;
mod warning;

use std::borrow::Cow;

use serde::Serialize;

pub use self::{
    cpu::MilliCpu,
    feasible::{
        COMFORTABLE_JOBMANAGER_HEAP, COMFORTABLE_TASK_HEAP, comfortable_container_limit,
        minimum_container_limit, nearest_feasible,
    },
    infeasible::{
        Change, Code, Conflict, Exact, FlinkCause, FlinkError, Infeasible, OptionReference,
        Severity, Suggestion, Term, Total,
    },
    jvm::{dynamic_configurations, dynamic_configurations_line, jvm_parameters},
    profile::{Profile, ProfileDefault, ProfileInEffect, ProfileValue, UnknownProfile},
    remark::{FractionOf, Level, Remark},
    request::{Configuration, Mode, Origin, Request, Role, Setting},
    reserves::{Reserve, ReserveKind, ReserveSource, UnknownReserve, reserves_in_effect},
    survey::{
        determines_total, heap_environment, key_of_field, known_components, option_keys,
        options_in_effect, proper_key,
    },
    version::{FlinkVersion, UnsupportedFlinkVersion},
};
#[cfg(feature = "configuration")]
pub(crate) use self::{decimal::java_double, memory_size::java_trim};
use self::{
    derivation::{Amount, Derivation, FirstViolation, Remarks, Rule},
    effective::Options,
};
use crate::bytes::Bytes;

/// One part of a budget: its size, and where the size comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// The size.
    pub bytes: Bytes,
    /// The rule that gave the size, with the rule's inputs.
    pub source: Source,
}

/// The rule behind a number. Options are named by their proper keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "rule"
)]
pub enum Source {
    /// Written by the user.
    Configured {
        /// The option.
        option: &'static str,
        /// Where it was written.
        origin: Origin,
    },
    /// Flink's default.
    Default {
        /// The option.
        option: &'static str,
    },
    /// The container's memory limit.
    ContainerLimit,
    /// A fraction of another size.
    Fraction {
        /// The fraction's option.
        option: &'static str,
        /// The fraction.
        fraction: f32,
        /// The size that is multiplied.
        of: Bytes,
        /// Whether the factor is `fraction / (1 − fraction)`, because `of` does not contain the result.
        inverse: bool,
        /// The profile that the fraction comes from, where it was not written.
        #[serde(skip_serializing_if = "Option::is_none")]
        profile: Option<Profile>,
    },
    /// A fraction that came out below the option's minimum.
    ClampedToMinimum {
        /// The minimum's option.
        option: &'static str,
        /// The fraction's option.
        fraction_option: &'static str,
        /// The fraction.
        fraction: f32,
        /// The size that is multiplied.
        of: Bytes,
        /// Whether the factor is `fraction / (1 − fraction)`.
        inverse: bool,
        /// What the fraction gave.
        derived: Bytes,
        /// The minimum that is used instead.
        minimum: Bytes,
        /// The profile that the minimum comes from, where it was not written.
        #[serde(skip_serializing_if = "Option::is_none")]
        profile: Option<Profile>,
    },
    /// A fraction that came out above the option's maximum.
    ClampedToMaximum {
        /// The maximum's option.
        option: &'static str,
        /// The fraction's option.
        fraction_option: &'static str,
        /// The fraction.
        fraction: f32,
        /// The size that is multiplied.
        of: Bytes,
        /// Whether the factor is `fraction / (1 − fraction)`.
        inverse: bool,
        /// What the fraction gave.
        derived: Bytes,
        /// The maximum that is used instead.
        maximum: Bytes,
    },
    /// A number of network buffers times the segment size.
    BufferCount {
        /// The option of the count.
        option: &'static str,
        /// The count.
        buffers: i32,
        /// The size of a segment.
        segment_size: Bytes,
    },
    /// What is left of a total after all its other parts.
    Remainder {
        /// The total.
        of: Bytes,
        /// The sum of the other parts.
        taken: Bytes,
    },
    /// The sum of these components, named as in [`Budget`]'s JSON.
    Sum {
        /// The components.
        of: &'static [&'static str],
    },
}

/// The memory of one TaskManager process, every part of it.
///
/// `total_flink` is the sum of the first six components, `total_process` the sum of `total_flink`,
/// `jvm_metaspace` and `jvm_overhead`, always and exactly.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// The Flink release whose arithmetic was applied.
    pub flink_version: FlinkVersion,
    /// JVM heap of the framework.
    pub framework_heap: Component,
    /// Direct and native memory of the framework.
    pub framework_off_heap: Component,
    /// JVM heap of operators and user code.
    pub task_heap: Component,
    /// Direct and native memory of operators and user code.
    pub task_off_heap: Component,
    /// Direct memory for data exchange between tasks.
    pub network: Component,
    /// Native memory that Flink manages: RocksDB, batch algorithms, Python.
    pub managed: Component,
    /// Metaspace of the JVM.
    pub jvm_metaspace: Component,
    /// Everything else the JVM takes: thread stacks, code cache, garbage collector.
    pub jvm_overhead: Component,
    /// Sum of the first six.
    pub total_flink: Component,
    /// What the whole process may take.
    pub total_process: Component,
    /// CPU cores of the TaskManager, as Flink accounts for them.
    pub cpu_cores: f64,
    /// Slots of the TaskManager.
    pub number_of_task_slots: i32,
    /// Up to Flink 1.12 the number of slots as it is written, where [`derive()`] did not look at it and the started
    /// TaskManager cannot read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable_slots: Option<String>,
    /// Amounts of external resources by name, in the order of the configured list.
    pub external_resources: Vec<(String, i64)>,
    /// Size of a memory segment, the unit of network and managed memory.
    pub segment_size: Bytes,
    /// The container's memory limit; `None` outside a container.
    pub container_limit: Option<Bytes>,
    /// What the container holds beside the process, one of each kind; empty outside a container, and where neither
    /// a reserve nor a profile was written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reserves: Vec<Reserve>,
    /// What comes from a profile; `None` for [`Profile::Custom`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileInEffect>,
    /// What is worth a look although the budget stands.
    pub warnings: Vec<Conflict>,
}

impl Budget {
    /// The JVM's heap, `-Xmx`: framework and task heap.
    #[must_use]
    pub fn jvm_heap(&self) -> Bytes {
        self.framework_heap
            .bytes
            .saturating_add(self.task_heap.bytes)
    }

    /// The JVM's limit of direct memory: framework and task off-heap and network.
    #[must_use]
    pub fn jvm_direct(&self) -> Bytes {
        self.framework_off_heap
            .bytes
            .saturating_add(self.task_off_heap.bytes)
            .saturating_add(self.network.bytes)
    }

    /// What the container holds beside the process, all reserves together.
    #[must_use]
    pub fn reserved(&self) -> Bytes {
        reserves::total(&self.reserves)
    }

    /// What of the container neither the process nor a reserve takes; zero outside a container.
    #[must_use]
    pub fn unassigned(&self) -> Bytes {
        self.container_limit
            .unwrap_or(Bytes::ZERO)
            .saturating_sub(self.total_process.bytes)
            .saturating_sub(self.reserved())
    }

    /// Whole segments of network memory.
    #[must_use]
    pub fn network_segments(&self) -> u64 {
        self.network.bytes.get() / self.segment_size.get().max(1)
    }

    /// Whole segments of managed memory.
    #[must_use]
    pub fn managed_segments(&self) -> u64 {
        self.managed.bytes.get() / self.segment_size.get().max(1)
    }

    /// Every component with its name as in JSON, totals last.
    #[must_use]
    pub fn components(&self) -> [(&'static str, &Component); 10] {
        [
            ("frameworkHeap", &self.framework_heap),
            ("frameworkOffHeap", &self.framework_off_heap),
            ("taskHeap", &self.task_heap),
            ("taskOffHeap", &self.task_off_heap),
            ("network", &self.network),
            ("managed", &self.managed),
            ("jvmMetaspace", &self.jvm_metaspace),
            ("jvmOverhead", &self.jvm_overhead),
            ("totalFlink", &self.total_flink),
            ("totalProcess", &self.total_process),
        ]
    }
}

/// The budget of a TaskManager for a request, whose role counts as that of a TaskManager; for the other process
/// see [`jobmanager::solve`].
///
/// # Guarantees
/// The sizes are those of the Flink release asked for, for the same options; the started process fits into the
/// container and passes the start-up checks of the JVM and of Flink that depend on sizes. Warnings never make
/// it fail.
///
/// # Errors
/// Every conflict at once; see [`Infeasible`].
pub fn solve(request: &Request) -> Result<Budget, Infeasible> {
    let request = &*with_role(request, Role::TaskManager);
    let options = Options::new(request);
    match taskmanager::derive(&options, &mut FirstViolation::default()) {
        Ok(derivation)
            if !options.has_duplicates()
                && starts(&options, &derivation)
                && kubernetes::accepts_taskmanager(&options, &derivation) =>
        {
            let mut budget = assemble(&options, derivation);
            budget.warnings = warning::of_budget(&options, &budget);
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
pub fn derive(request: &Request) -> Result<Budget, FlinkError> {
    let request = &*with_role(request, Role::TaskManager);
    let options = Options::new(request);
    let mut first = FirstViolation::default();
    match taskmanager::derive(&options, &mut first) {
        Ok(derivation) => Ok(assemble(&options, derivation)),
        Err(_) => Err(flink_error::of_first(first, &options)),
    }
}

/// The request as one for this process.
fn with_role(request: &Request, role: Role) -> Cow<'_, Request> {
    if request.role == role {
        Cow::Borrowed(request)
    } else {
        Cow::Owned(request.clone().with_role(role))
    }
}

/// What Flink logs beside the derivation, in its order and each line once: values that were capped, deprecated keys,
/// legacy options that stand for new ones, rests that are not what their fraction says. Where Flink refuses the
/// options, what it logged before.
#[must_use]
pub fn remarks(request: &Request) -> Vec<Remark> {
    let options = Options::new(request);
    let mut remarks = Remarks::default();
    let _ = derivation::derive(&options, &mut remarks);
    remarks.0
}

fn starts(options: &Options<'_>, derivation: &Derivation) -> bool {
    let mut starts = true;
    startup::check_taskmanager(options, derivation, |_| starts = false);
    starts
}

fn assemble(options: &Options<'_>, derivation: Derivation) -> Budget {
    let component = |amount: Amount| Component {
        bytes: amount.bytes,
        source: source(options, amount),
    };
    let segment_size = options
        .setting(options::Id::SegmentSize)
        .and_then(|setting| memory_size::parse(&setting.value).ok())
        .or(options::Id::SegmentSize.default_size(options.version()))
        .unwrap_or(Bytes::KIBI);
    Budget {
        flink_version: options.version(),
        framework_heap: component(derivation.framework_heap),
        framework_off_heap: component(derivation.framework_off_heap),
        task_heap: component(derivation.task_heap),
        task_off_heap: component(derivation.task_off_heap),
        network: component(derivation.network),
        managed: component(derivation.managed),
        jvm_metaspace: component(derivation.jvm_metaspace),
        jvm_overhead: component(derivation.jvm_overhead),
        total_flink: component(derivation.total_flink),
        total_process: component(derivation.total_process),
        cpu_cores: derivation.cpu_cores,
        number_of_task_slots: derivation.number_of_task_slots.unwrap_or(1),
        unreadable_slots: derivation
            .number_of_task_slots
            .is_none()
            .then(|| options.setting(options::Id::NumberOfTaskSlots))
            .flatten()
            .map(|setting| setting.value.clone()),
        external_resources: derivation.external_resources,
        segment_size,
        container_limit: options.request.container_limit,
        profile: profile::in_effect(options, &options.reserves),
        reserves: options.reserves.clone(),
        warnings: Vec::new(),
    }
}

fn source(options: &Options<'_>, amount: Amount) -> Source {
    let origin = |id| {
        options
            .setting(id)
            .map_or(Origin::FlinkConfiguration, |setting| setting.origin.clone())
    };
    match amount.rule {
        Rule::Configured(id) => Source::Configured {
            option: options.key(id),
            origin: origin(id),
        },
        Rule::Default(id) => match options.profile_of(id) {
            Some(profile) => Source::Configured {
                option: options.key(id),
                origin: Origin::Profile(profile),
            },
            None => Source::Default {
                option: options.key(id),
            },
        },
        Rule::ContainerLimit => match (options.request.container_limit, options.reserved()) {
            (None, _) | (_, Bytes::ZERO) => Source::ContainerLimit,
            (Some(limit), reserved) => Source::Remainder {
                of: limit,
                taken: reserved,
            },
        },
        Rule::LegacyHeapEnvironment => Source::Configured {
            option: options.heap_environment(),
            origin: Origin::Environment,
        },
        Rule::Fraction {
            option,
            fraction,
            of,
            inverse,
        } => Source::Fraction {
            option: options.key(option),
            fraction,
            of,
            inverse,
            profile: options.profile_of(option),
        },
        Rule::ClampedToMinimum {
            option,
            fraction,
            of,
            inverse,
            derived,
        } => Source::ClampedToMinimum {
            option: options.key(option.minimum_option()),
            fraction_option: options.key(option),
            fraction,
            of,
            inverse,
            derived,
            minimum: amount.bytes,
            profile: options.profile_of(option.minimum_option()),
        },
        Rule::ClampedToMaximum {
            option,
            fraction,
            of,
            inverse,
            derived,
        } => Source::ClampedToMaximum {
            option: options.key(option.maximum_option()),
            fraction_option: options.key(option),
            fraction,
            of,
            inverse,
            derived,
            maximum: amount.bytes,
        },
        Rule::BufferCount {
            buffers,
            segment_size,
        } => Source::BufferCount {
            option: options::NUMBER_OF_BUFFERS,
            buffers,
            segment_size,
        },
        Rule::Remainder { of, taken } => Source::Remainder { of, taken },
        Rule::FlinkSum if options.role() == Role::JobManager => Source::Sum {
            of: &["jvmHeap", "offHeap"],
        },
        Rule::FlinkSum => Source::Sum {
            of: &[
                "frameworkHeap",
                "frameworkOffHeap",
                "taskHeap",
                "taskOffHeap",
                "network",
                "managed",
            ],
        },
        Rule::ProcessSum => Source::Sum {
            of: &["totalFlink", "jvmMetaspace", "jvmOverhead"],
        },
    }
}
