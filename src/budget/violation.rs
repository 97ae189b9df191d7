//! Every way in which the derivation can refuse a configuration, with the numbers, before any text is made of it.

use super::{decimal::FloatError, memory_size::SizeError, options::Id};
use crate::bytes::Bytes;

/// A violated constraint.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Violation {
    pub kind: Kind,
    pub step: Step,
}

/// The step of Flink's derivation that a violation was found in, which decides what its exception is wrapped into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A legacy heap option is translated.
    LegacyMapping,
    /// Totals and components are derived.
    Derivation,
    /// The rest that became network memory is checked against its options.
    NetworkCheck,
    /// What comes after, on the derived sizes.
    Afterwards,
}

/// The parts of total Flink memory that a sum was made of; a part is `None` where it could not be determined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Parts {
    pub framework_heap: Option<Bytes>,
    pub framework_off_heap: Option<Bytes>,
    /// `None` also where task heap is the rest and therefore no part of the sum.
    pub task_heap: Option<Bytes>,
    pub task_off_heap: Option<Bytes>,
    pub managed: Option<Bytes>,
    /// `None` also where network memory is the rest.
    pub network: Option<Bytes>,
}

/// Which quantity an overflow happened in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
    TotalFlink,
    TotalProcess,
    Fraction(Id),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// E1: no total.
    MissingTotal,
    /// E2: a size option does not parse.
    Size { option: Id, error: SizeError },
    /// A fraction or double option does not parse.
    Float { option: Id, error: FloatError },
    /// An integer option does not parse.
    Integer { option: Id },
    /// A switch is neither on nor off.
    Boolean { option: Id },
    /// The amount of an external resource does not parse.
    ExternalAmount { key: String, value: String },
    /// E3 with min above max.
    RangeInverted {
        fraction_option: Id,
        fraction: f32,
        minimum: Bytes,
        maximum: Bytes,
    },
    /// E3 with a fraction outside of 0 to 1.
    FractionOutside {
        fraction_option: Id,
        fraction: f32,
        minimum: Bytes,
        maximum: Bytes,
    },
    /// E4 and E5.
    ComponentsExceedFlink {
        task_heap_set: bool,
        parts: Parts,
        sum: Bytes,
        total_flink: Bytes,
    },
    /// E6.
    NetworkOutOfRange {
        network: Bytes,
        minimum: Bytes,
        maximum: Bytes,
        parts: Parts,
        total_flink: Bytes,
    },
    /// E7.
    NetworkDiffersFromBuffers {
        network: Bytes,
        buffers: Bytes,
        parts: Parts,
        total_flink: Bytes,
    },
    /// Heap and off-heap memory of a JobManager are both configured, and are not its total Flink memory.
    HeapAndOffHeapDiffer {
        heap: Bytes,
        off_heap: Bytes,
        total_flink: Bytes,
    },
    /// The heap of a JobManager is more than its total Flink memory.
    HeapExceedsFlink { heap: Bytes, total_flink: Bytes },
    /// Off-heap memory leaves a JobManager no heap.
    OffHeapTakesAll { total_flink: Bytes, off_heap: Bytes },
    /// The ratio that is kept back of a JobManager's container is not between 0 and 1.
    CutoffRatioOutside { ratio: f32 },
    /// More is kept back of a JobManager's container than there is, in mebibytes.
    CutoffAboveTotal { minimum: i32, total: i32 },
    /// The limit of a pod would be below its request.
    LimitFactorBelowOne { option: Id, factor: f64 },
    /// E8.
    JvmExceedsProcess {
        metaspace: Bytes,
        overhead: Bytes,
        total_process: Bytes,
    },
    /// E9, and in 1.10 the negative size that comes of it.
    ProcessBelowFlink {
        total_process: Bytes,
        total_flink: Bytes,
        metaspace: Bytes,
    },
    /// E10.
    OverheadOutOfRange {
        overhead: Bytes,
        minimum: Bytes,
        maximum: Bytes,
        total_process: Bytes,
        total_flink: Bytes,
        metaspace: Bytes,
    },
    /// E11.
    CpuNotPositive { option: Id },
    /// CPU cores are NaN or infinite.
    CpuNotFinite { option: Id, value: f64 },
    /// E12.
    LegacyHeapNegative { mebibytes: i32 },
    /// E13.
    LegacyHeapEnvironment { value: String, error: SizeError },
    /// E16, below 4096.
    SegmentTooSmall { bytes: Bytes },
    /// E16, no power of two.
    SegmentNoPowerOfTwo { bytes: Bytes },
    /// 2^31 bytes and more in a segment.
    SegmentTooLarge { bytes: Bytes },
    /// A sum or product above 2^63 − 1.
    Overflow { of: Quantity },
    /// A negative number of buffers.
    NegativeBuffers { buffers: i32 },

    // What follows, Flink's derivation accepts, and the started process would not survive.
    /// The process is larger than what the container leaves to it.
    ProcessExceedsLimit { total_process: Bytes, room: Bytes },
    /// Fewer segments than the TaskManager needs to start.
    NetworkTooSmall { network: Bytes, segment_size: Bytes },
    /// More segments than a Java array holds.
    NetworkTooLarge { network: Bytes, segment_size: Bytes },
    /// The heap is below what the JVM takes.
    HeapTooSmall { heap: Bytes },
    /// The metaspace is below what the JVM takes.
    MetaspaceTooSmall { metaspace: Bytes },
    /// The number of slots is no positive number.
    SlotsInvalid { slots: i32 },
    /// One option in a typed field and in the free map.
    DuplicateSource { option: Id },
}
