//! What a derivation is made of and ends in: amounts with their rules, and how strict it is about violations.

use super::{
    effective::Options,
    jobmanager::{self, JobManagerDerivation},
    options::Id,
    process::JvmMemory,
    remark::Remark,
    request::Role,
    taskmanager,
    violation::Violation,
};
use crate::bytes::Bytes;

/// The derivation ended at a violation, which its [`Strictness`] keeps.
#[derive(Debug)]
pub(super) struct Stop;

/// What happens when a constraint is violated.
pub(super) trait Strictness {
    /// Whether remarks are kept; where they are not, none is made.
    const KEEPS_REMARKS: bool = false;

    /// Keeps the violation; `Err` ends the derivation, `Ok` goes on.
    fn violated(&mut self, violation: Violation) -> Result<(), Stop>;

    /// Keeps what Flink would log.
    fn remarked(&mut self, _remark: Remark) {}
}

/// Ends at the first violation, as Flink does.
#[derive(Default)]
pub(super) struct FirstViolation(pub Option<Violation>);

impl Strictness for FirstViolation {
    fn violated(&mut self, violation: Violation) -> Result<(), Stop> {
        self.0 = Some(violation);
        Err(Stop)
    }
}

/// Ends at the first violation, and keeps what Flink has logged by then.
#[derive(Default)]
pub(super) struct Remarks(pub Vec<Remark>);

impl Strictness for Remarks {
    const KEEPS_REMARKS: bool = true;

    fn violated(&mut self, _violation: Violation) -> Result<(), Stop> {
        Err(Stop)
    }

    fn remarked(&mut self, remark: Remark) {
        if !self.0.contains(&remark) {
            self.0.push(remark);
        }
    }
}

/// Keeps every violation and goes on.
#[derive(Default)]
pub(super) struct EveryViolation(pub Vec<Violation>);

impl Strictness for EveryViolation {
    fn violated(&mut self, violation: Violation) -> Result<(), Stop> {
        if !self.0.contains(&violation) {
            self.0.push(violation);
        }
        Ok(())
    }
}

/// How an amount came to be; the internal, copyable form of [`super::Source`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    Configured(Id),
    Default(Id),
    ContainerLimit,
    LegacyHeapEnvironment,
    Fraction {
        option: Id,
        fraction: f32,
        of: Bytes,
        inverse: bool,
    },
    ClampedToMinimum {
        option: Id,
        fraction: f32,
        of: Bytes,
        inverse: bool,
        derived: Bytes,
    },
    ClampedToMaximum {
        option: Id,
        fraction: f32,
        of: Bytes,
        inverse: bool,
        derived: Bytes,
    },
    BufferCount {
        buffers: i32,
        segment_size: Bytes,
    },
    Remainder {
        of: Bytes,
        taken: Bytes,
    },
    FlinkSum,
    ProcessSum,
}

/// A size and its rule. An unknown one holds the bound that makes no false accusation: zero for a part, the
/// largest possible value for a total.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Amount {
    pub bytes: Bytes,
    pub rule: Rule,
    pub known: bool,
}

impl Amount {
    pub fn unknown(bytes: Bytes) -> Amount {
        Amount {
            bytes,
            rule: Rule::FlinkSum,
            known: false,
        }
    }

    pub fn known(bytes: Bytes, rule: Rule) -> Amount {
        Amount {
            bytes,
            rule,
            known: true,
        }
    }

    pub fn if_known(self) -> Option<Bytes> {
        self.known.then_some(self.bytes)
    }
}

/// The result of a derivation for either process.
pub(super) enum Derived {
    TaskManager(Derivation),
    JobManager(JobManagerDerivation),
}

impl Derived {
    /// What the whole process takes.
    pub fn total_process(&self) -> Amount {
        match self {
            Derived::TaskManager(derivation) => derivation.total_process,
            Derived::JobManager(derivation) => derivation.total_process(),
        }
    }

    /// Every component with its name as in the JSON of a budget, totals last.
    pub fn amounts(&self) -> Vec<(&'static str, Amount)> {
        match self {
            Derived::TaskManager(derivation) => vec![
                ("frameworkHeap", derivation.framework_heap),
                ("frameworkOffHeap", derivation.framework_off_heap),
                ("taskHeap", derivation.task_heap),
                ("taskOffHeap", derivation.task_off_heap),
                ("network", derivation.network),
                ("managed", derivation.managed),
                ("jvmMetaspace", derivation.jvm_metaspace),
                ("jvmOverhead", derivation.jvm_overhead),
                ("totalFlink", derivation.total_flink),
                ("totalProcess", derivation.total_process),
            ],
            Derived::JobManager(derivation) => derivation.amounts(),
        }
    }
}

/// Runs the derivation for the process that is asked about.
///
/// # Errors
/// `strictness` ended it and keeps the violation.
pub(super) fn derive<S: Strictness>(
    options: &Options<'_>,
    strictness: &mut S,
) -> Result<Derived, Stop> {
    match options.role() {
        Role::TaskManager => taskmanager::derive(options, strictness).map(Derived::TaskManager),
        Role::JobManager => jobmanager::run(options, strictness).map(Derived::JobManager),
    }
}

/// The result of a TaskManager's derivation, before it is turned into the public [`super::Budget`].
pub(super) struct Derivation {
    pub framework_heap: Amount,
    pub framework_off_heap: Amount,
    pub task_heap: Amount,
    pub task_off_heap: Amount,
    pub network: Amount,
    pub managed: Amount,
    pub jvm_metaspace: Amount,
    pub jvm_overhead: Amount,
    pub total_flink: Amount,
    pub total_process: Amount,
    pub cpu_cores: f64,
    /// None where the derivation did not look at it, and it is no number.
    pub number_of_task_slots: Option<i32>,
    pub external_resources: Vec<(String, i64)>,
}

impl Derivation {
    /// The JVM's share, and the process.
    pub fn jvm(&self) -> JvmMemory {
        JvmMemory {
            metaspace: self.jvm_metaspace,
            overhead: self.jvm_overhead,
            total_process: self.total_process,
        }
    }
}
