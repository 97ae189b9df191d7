//! Why a request can't be met: every conflict with its numbers and its way out.
//!
//! A conflict is data for machines first (code, options, bound, sum, suggestions), and one sentence for people.

use std::fmt;

use serde::Serialize;

use super::request::Origin;
use crate::bytes::Bytes;

/// What kind of conflict it is. The names are stable: status, events and metrics carry them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Code {
    /// The parts of total Flink memory, or of total process memory, add up to more than the configured total.
    ComponentsExceedTotal,
    /// The container's limit is smaller than what the options need at least.
    LimitTooSmall,
    /// The options determine a process larger than the container, which would be killed.
    ProcessExceedsLimit,
    /// JVM overhead is the rest of two configured totals and lies outside its range.
    OverheadOutOfRange,
    /// Network memory is the rest of configured sizes and lies outside its range.
    NetworkOutOfRange,
    /// A fraction is not at least 0 and below 1.
    FractionInvalid,
    /// The minimum of a range is above its maximum.
    RangeInverted,
    /// Two configured totals contradict each other.
    TotalsDisagree,
    /// One option is written both in a typed field and in `flinkConfiguration`.
    DuplicateSource,
    /// Nothing determines how large the process is.
    MissingTotal,
    /// A size can't be read, is negative, or does not fit into 63 bits.
    SizeInvalid,
    /// A number, fraction, switch or list can't be read or is outside what Flink takes.
    NumberInvalid,
    /// The segment size is below 4 KiB, no power of two, or 2 GiB and more.
    SegmentSizeInvalid,
    /// There is no model for this Flink version.
    UnsupportedFlinkVersion,
    /// Network memory holds too few segments for the TaskManager to exchange any data.
    NetworkTooSmall,
    /// The JVM refuses to start with a heap this small.
    HeapTooSmall,
    /// The JVM refuses to start with a metaspace this small.
    MetaspaceTooSmall,
    /// A quantity is written in a unit that was probably not meant, or a size of Flink without one, which is bytes.
    SuspiciousQuantity,
    /// A key that looks like a memory option and is none.
    UnknownOption,
    /// A deprecated spelling is used.
    DeprecatedOption,
    /// An option that has no effect beside the others or in this version.
    IneffectiveOption,
    /// A fraction that was written asks for more or less than a minimum or maximum lets it have.
    FractionCapped,
    /// State is kept on the heap, and no state backend takes managed memory.
    ManagedMemoryUnused,
    /// The read buffers of blocking shuffles do not fit into framework off-heap memory.
    DirectMemoryTooSmall,
    /// The heap lies in the zone in which the JVM's longer pointers cost more than the heap gains.
    CompressedPointersLost,
    /// Much of the container's memory is left unplanned.
    UnusedMemory,
    /// The memory request is less than the process takes, so the scheduler keeps too little for it.
    RequestBelowPlan,
    /// The memory request differs from the limit, so the pod is Burstable and is killed before those that are Guaranteed.
    BurstableQos,
    /// JVM overhead is smaller than what the JVM itself takes beside heap, metaspace and direct memory.
    OverheadTooSmall,
    /// A quantity can't be read, or has a sign it may not have.
    QuantityInvalid,
    /// A request is above its limit.
    RequestAboveLimit,
    /// A field of the resource breaks its static rules: a length, a range, a closed set of values.
    FieldInvalid,
    /// A configuration file that Flink refuses, or an option that it can't hold or holds twice.
    ConfigurationInvalid,
    /// A line, an option or a whole configuration file that Flink, or its image, passes over.
    ConfigurationIgnored,
    /// The configuration file does not fit into a ConfigMap.
    ConfigurationTooLarge,
    /// A JVM argument that sets a size of the budget, or that Flink's scripts would take apart.
    JvmArgumentInvalid,
    /// A field of the pod template that Kubernetes does not know, or with a value of another type.
    PodTemplateInvalid,
    /// A field of the pod template that would break the TaskManager's container.
    PodTemplateBreaksContainer,
    /// A field of the pod template that the operator was not started to allow.
    PodTemplateForbidden,
    /// A slot that a job asks for by name is larger than the whole TaskManager.
    SlotTooLarge,
    /// A volume in memory counts against the container's limit, and no memory is left for it.
    MemoryVolumeUnplanned,
    /// An option was replaced by the nearest value that solves, as the resource asks for.
    UsingLargestFeasible,
}

impl Code {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::ComponentsExceedTotal => "ComponentsExceedTotal",
            Code::LimitTooSmall => "LimitTooSmall",
            Code::ProcessExceedsLimit => "ProcessExceedsLimit",
            Code::OverheadOutOfRange => "OverheadOutOfRange",
            Code::NetworkOutOfRange => "NetworkOutOfRange",
            Code::FractionInvalid => "FractionInvalid",
            Code::RangeInverted => "RangeInverted",
            Code::TotalsDisagree => "TotalsDisagree",
            Code::DuplicateSource => "DuplicateSource",
            Code::MissingTotal => "MissingTotal",
            Code::SizeInvalid => "SizeInvalid",
            Code::NumberInvalid => "NumberInvalid",
            Code::SegmentSizeInvalid => "SegmentSizeInvalid",
            Code::UnsupportedFlinkVersion => "UnsupportedFlinkVersion",
            Code::NetworkTooSmall => "NetworkTooSmall",
            Code::HeapTooSmall => "HeapTooSmall",
            Code::MetaspaceTooSmall => "MetaspaceTooSmall",
            Code::SuspiciousQuantity => "SuspiciousQuantity",
            Code::UnknownOption => "UnknownOption",
            Code::DeprecatedOption => "DeprecatedOption",
            Code::IneffectiveOption => "IneffectiveOption",
            Code::FractionCapped => "FractionCapped",
            Code::ManagedMemoryUnused => "ManagedMemoryUnused",
            Code::DirectMemoryTooSmall => "DirectMemoryTooSmall",
            Code::CompressedPointersLost => "CompressedPointersLost",
            Code::UnusedMemory => "UnusedMemory",
            Code::RequestBelowPlan => "RequestBelowPlan",
            Code::BurstableQos => "BurstableQos",
            Code::OverheadTooSmall => "OverheadTooSmall",
            Code::QuantityInvalid => "QuantityInvalid",
            Code::RequestAboveLimit => "RequestAboveLimit",
            Code::FieldInvalid => "FieldInvalid",
            Code::ConfigurationInvalid => "ConfigurationInvalid",
            Code::ConfigurationIgnored => "ConfigurationIgnored",
            Code::ConfigurationTooLarge => "ConfigurationTooLarge",
            Code::JvmArgumentInvalid => "JvmArgumentInvalid",
            Code::PodTemplateInvalid => "PodTemplateInvalid",
            Code::PodTemplateBreaksContainer => "PodTemplateBreaksContainer",
            Code::PodTemplateForbidden => "PodTemplateForbidden",
            Code::SlotTooLarge => "SlotTooLarge",
            Code::MemoryVolumeUnplanned => "MemoryVolumeUnplanned",
            Code::UsingLargestFeasible => "UsingLargestFeasible",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whether a conflict prevents a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Severity {
    /// There is no budget until it is resolved.
    Error,
    /// The budget stands; somebody should look.
    Warning,
}

/// An option that takes part in a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OptionReference {
    /// The key as written, or the proper key of an option that was not written.
    pub key: String,
    /// Where it was written; `None` for a default.
    pub origin: Option<Origin>,
    /// Where a person finds it.
    pub path: String,
    /// The value as written, or the default's text.
    pub value: String,
    /// Whether the value is Flink's default.
    pub is_default: bool,
}

/// One term of a sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Term {
    /// The component: `frameworkHeap`, `network`, ….
    pub name: &'static str,
    /// The key of the option behind it, where there is one.
    pub key: Option<&'static str>,
    /// Its size.
    pub bytes: Bytes,
}

/// A change that resolves a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// The option to change.
    pub key: String,
    /// Where the option is, or would be, written; `None` where nothing was written yet.
    pub origin: Option<Origin>,
    /// Where a person makes the change.
    pub path: String,
    /// The value there now; `None` where nothing was written.
    pub current: Option<String>,
    /// What to do.
    pub change: Change,
    /// Where the change is a matter of degree: the bound itself, of which the value of `change` is the nearest that
    /// a person would write. One byte, or one 32-bit float, short of it, the change does not help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact: Option<Exact>,
}

/// The bound of a change that is a matter of degree, in the form that the option takes: `1180646986b`, `0.39999998`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Exact {
    /// This much and everything below it, as far as nothing else is in the way.
    AtMost(String),
    /// This much and everything above it, as far as nothing else is in the way.
    AtLeast(String),
}

impl Exact {
    /// The bound.
    #[must_use]
    pub fn value(&self) -> &str {
        match self {
            Exact::AtMost(value) | Exact::AtLeast(value) => value,
        }
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exact::AtMost(value) => write!(formatter, "<= {value}"),
            Exact::AtLeast(value) => write!(formatter, ">= {value}"),
        }
    }
}

impl Suggestion {
    /// The same change, at the bound itself; `None` where the change is no matter of degree.
    #[must_use]
    pub fn at_bound(&self) -> Option<Suggestion> {
        self.exact.as_ref().map(|exact| Suggestion {
            change: Change::Set(exact.value().to_owned()),
            ..self.clone()
        })
    }

    /// Whether both change what stands at one place.
    pub(super) fn is_at_same_place(&self, other: &Suggestion) -> bool {
        self.key == other.key && self.origin == other.origin
    }
}

/// What a suggestion does to an option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Write this value, in the form the place takes.
    Set(String),
    /// Take the option out.
    Remove,
}

impl fmt::Display for Suggestion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.change {
            Change::Set(value) => write!(formatter, "set {} to {value}", self.path),
            Change::Remove => write!(formatter, "remove {}", self.path),
        }
    }
}

/// What a sum comes to, and what it is held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Total {
    /// What is held against the bound: `sum`, or the component that is what the sum leaves of its total.
    pub name: &'static str,
    /// Its size.
    pub bytes: Bytes,
    /// What that would have to be.
    pub bound: String,
}

/// One way in which a request can't be met, or one thing about it that is worth a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// What kind it is.
    pub code: Code,
    /// Whether it prevents a budget.
    pub severity: Severity,
    /// The options that clash, the one to look at first in front.
    pub options: Vec<OptionReference>,
    /// The value of the first option, as it was written or by default.
    pub configured: String,
    /// What that value would have to be; where it alone can't mend the conflict, what the total would have to be.
    pub bound: String,
    /// The sum that does not work out, term by term; empty where nothing is added.
    pub sum: Vec<Term>,
    /// What the sum comes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Total>,
    /// One sentence: what is wrong, the numbers, the way out.
    pub message: String,
    /// Ways out, best first: each changes one option, and was solved again before it is shown. None where no change
    /// of a single option mends the conflict.
    pub suggestions: Vec<Suggestion>,
    /// Corrections of other conflicts after which alone this one shows; mostly none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assuming: Vec<Suggestion>,
    /// What Flink itself would throw for it, if it came so far; `None` where Flink would not refuse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_error: Option<FlinkError>,
}

impl Conflict {
    /// A conflict without sum and suggestions, at the first of its options.
    #[must_use]
    pub fn new(
        code: Code,
        severity: Severity,
        options: Vec<OptionReference>,
        bound: impl Into<String>,
        message: impl Into<String>,
    ) -> Conflict {
        Conflict {
            code,
            severity,
            configured: options
                .first()
                .map(|option| option.value.clone())
                .unwrap_or_default(),
            options,
            bound: bound.into(),
            sum: Vec::new(),
            total: None,
            message: message.into(),
            suggestions: Vec::new(),
            assuming: Vec::new(),
            flink_error: None,
        }
    }
}

/// The exception with which Flink itself would refuse the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlinkError {
    /// The Java class.
    pub class: &'static str,
    /// The message.
    pub message: String,
    /// The causes, outermost first.
    pub causes: Vec<FlinkCause>,
}

/// A cause of a [`FlinkError`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlinkCause {
    /// The Java class.
    pub class: &'static str,
    /// The message.
    pub message: String,
}

impl fmt::Display for FlinkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.class, self.message)
    }
}

impl std::error::Error for FlinkError {}

/// A request that can't be met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Infeasible {
    /// Every conflict, errors first, at least one of them; among the errors those first that explain most of the
    /// others, then as Flink would find them.
    pub conflicts: Vec<Conflict>,
    /// Changes that make the whole request solve, all of them together: as few options as possible, changed as
    /// little as possible. Empty where nothing was found.
    pub joint: Vec<Suggestion>,
    /// What Flink itself would throw first; `None` where Flink would start and only Headroom sees the harm.
    pub flink_error: Option<FlinkError>,
}

impl fmt::Display for Infeasible {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut errors = self
            .conflicts
            .iter()
            .filter(|conflict| conflict.severity == Severity::Error);
        match errors.next() {
            Some(first) => write!(formatter, "{}: {}", first.code, first.message)?,
            None => formatter.write_str("no conflict was found")?,
        }
        match errors.count() {
            0 => Ok(()),
            more => write!(formatter, " (and {more} more)"),
        }
    }
}

impl std::error::Error for Infeasible {}
