//! The exception Flink would throw for a violation: class, message and causes, word for word.

use super::{
    decimal::{java_double, java_float},
    derivation::FirstViolation,
    effective::Options,
    infeasible::{FlinkCause, FlinkError},
    memory_size::{SizeError, human_readable},
    options::{self, Id},
    request::Role,
    violation::{Kind, Parts, Step, Violation},
};
use crate::bytes::Bytes;

const CONFIGURATION: &str = "org.apache.flink.configuration.IllegalConfigurationException";
const ARGUMENT: &str = "java.lang.IllegalArgumentException";
const NUMBER_FORMAT: &str = "java.lang.NumberFormatException";
const ARITHMETIC: &str = "java.lang.ArithmeticException";

/// The exception for a violation; `None` for one that Flink's derivation does not look at.
pub(super) fn of(violation: &Violation, options: &Options<'_>) -> Option<FlinkError> {
    let mut chain = chain(&violation.kind, options)?;
    if chain[0].class == CONFIGURATION {
        if violation.step == Step::NetworkCheck {
            let wrapper = "If Total Flink, Task Heap and (or) Managed Memory sizes are explicitly configured \
                then the Network Memory size is the rest of the Total Flink memory after subtracting all other \
                configured types of memory, but the derived Network Memory is inconsistent with its configuration.";
            chain.insert(0, cause(CONFIGURATION, wrapper));
        }
        if let Some(prefix) = prefix(options, violation.step) {
            let message = format!("{prefix}{}", chain[0].message);
            chain.insert(
                0,
                FlinkCause {
                    class: CONFIGURATION,
                    message,
                },
            );
        }
    }
    let first = chain.remove(0);
    Some(FlinkError {
        class: first.class,
        message: first.message,
        causes: chain,
    })
}

/// What Flink puts before the message of a configuration error.
fn prefix(options: &Options<'_>, step: Step) -> Option<&'static str> {
    let version = options.version();
    match (options.role(), step) {
        (_, Step::Afterwards) => None,
        (Role::TaskManager, Step::LegacyMapping) => {
            Some("TaskManager failed to map legacy JVM heap option to the new one: ")
        }
        (Role::TaskManager, _) => Some("TaskManager memory configuration failed: "),
        (Role::JobManager, _) => Some("JobManager memory configuration failed: ")
            .filter(|_| version.prefixes_errors_of_a_jobmanager()),
    }
    .filter(|_| version.prefixes_errors())
}

impl FlinkError {
    /// An `IllegalArgumentException`.
    pub(super) fn argument(message: impl Into<String>) -> FlinkError {
        FlinkError::of_class(ARGUMENT, message)
    }

    /// An `IllegalConfigurationException`.
    pub(super) fn configuration(message: impl Into<String>) -> FlinkError {
        FlinkError::of_class(CONFIGURATION, message)
    }

    /// A `NumberFormatException` for a text that should be a number.
    pub(super) fn number_format(message: impl Into<String>) -> FlinkError {
        FlinkError::of_class(NUMBER_FORMAT, message)
    }

    /// An `IllegalStateException`.
    pub(super) fn state(message: impl Into<String>) -> FlinkError {
        FlinkError::of_class("java.lang.IllegalStateException", message)
    }

    fn of_class(class: &'static str, message: impl Into<String>) -> FlinkError {
        FlinkError {
            class,
            message: message.into(),
            causes: Vec::new(),
        }
    }

    /// The same error with another one, and its causes, as the cause.
    #[must_use]
    pub(super) fn caused_by(mut self, error: FlinkError) -> FlinkError {
        self.causes.push(cause(error.class, error.message));
        self.causes.extend(error.causes);
        self
    }
}

fn cause(class: &'static str, message: impl Into<String>) -> FlinkCause {
    FlinkCause {
        class,
        message: message.into(),
    }
}

fn chain(kind: &Kind, options: &Options<'_>) -> Option<Vec<FlinkCause>> {
    let value = |option: Id| {
        options
            .setting(option)
            .map_or("", |setting| setting.value.as_str())
    };
    let unparsable = |option: Id, value: &str| {
        cause(
            ARGUMENT,
            format!(
                "Could not parse value '{value}' for key '{}'.",
                options.key(option)
            ),
        )
    };
    Some(match kind {
        Kind::MissingTotal => vec![cause(CONFIGURATION, missing_total(options))],
        // The old code reads the text itself.
        Kind::Size { error, .. } if options.uses_cutoff() => vec![size_cause(error)],
        Kind::Size { option, error } => {
            let mut chain = vec![unparsable(*option, value(*option)), size_cause(error)];
            // The segment size is no part of the process's memory and read in another place of Flink's code.
            if *option != Id::SegmentSize {
                let message = format!(
                    "Cannot read memory size from config option '{}'.",
                    options.key(*option)
                );
                chain.insert(0, cause(CONFIGURATION, message));
            }
            chain
        }
        Kind::Boolean { option } => vec![
            unparsable(*option, value(*option)),
            cause(
                ARGUMENT,
                format!(
                    "Unrecognized option for boolean: {}. Expected either true or false(case insensitive)",
                    value(*option)
                ),
            ),
        ],
        Kind::Float { option, error } => vec![
            unparsable(*option, value(*option)),
            cause(NUMBER_FORMAT, error.java_message(value(*option))),
        ],
        Kind::Integer { option } => vec![
            unparsable(*option, value(*option)),
            cause(NUMBER_FORMAT, integer_message(value(*option))),
        ],
        Kind::ExternalAmount { key, value } => vec![
            cause(
                ARGUMENT,
                format!("Could not parse value '{value}' for key '{key}'."),
            ),
            cause(NUMBER_FORMAT, integer_message(value)),
        ],
        Kind::RangeInverted {
            fraction_option,
            fraction,
            minimum,
            maximum,
        } => vec![
            inconsistent(options, *fraction_option, *fraction, *minimum, *maximum),
            cause(ARGUMENT, "min value must be less or equal to max value"),
        ],
        Kind::FractionOutside {
            fraction_option,
            fraction,
            minimum,
            maximum,
        } => vec![
            inconsistent(options, *fraction_option, *fraction, *minimum, *maximum),
            cause(ARGUMENT, "fraction must be in range [0, 1)"),
        ],
        Kind::ComponentsExceedFlink {
            task_heap_set,
            parts,
            total_flink,
            ..
        } => {
            vec![cause(
                CONFIGURATION,
                components_exceed(*task_heap_set, parts, *total_flink),
            )]
        }
        Kind::NetworkOutOfRange {
            network,
            minimum,
            maximum,
            ..
        } => {
            vec![cause(
                CONFIGURATION,
                out_of_range("Network Memory", *network, *minimum, *maximum),
            )]
        }
        Kind::NetworkDiffersFromBuffers {
            network, buffers, ..
        } => vec![cause(
            CONFIGURATION,
            format!(
                "Derived Network Memory size ({}) does not match configured Network Memory size ({}).",
                human_readable(*network),
                human_readable(*buffers)
            ),
        )],
        Kind::HeapAndOffHeapDiffer {
            heap,
            off_heap,
            total_flink,
        } => vec![cause(
            CONFIGURATION,
            format!(
                "Sum of the configured JVM Heap Memory ({}) and the configured Off-heap Memory ({}) does not match \
                 the configured Total Flink Memory ({}). Please, make the configuration consistent or configure \
                 only one option: either JVM Heap or Total Flink Memory.",
                human_readable(*heap),
                human_readable(*off_heap),
                human_readable(*total_flink)
            ),
        )],
        Kind::HeapExceedsFlink { heap, total_flink } => vec![cause(
            CONFIGURATION,
            format!(
                "The configured JVM Heap Memory ({}) exceeds the configured Total Flink Memory ({}). Please, make \
                 the configuration consistent or configure only one option: either JVM Heap or Total Flink Memory.",
                human_readable(*heap),
                human_readable(*total_flink)
            ),
        )],
        Kind::OffHeapTakesAll {
            total_flink,
            off_heap,
        } => vec![cause(
            CONFIGURATION,
            format!(
                "The configured Total Flink Memory ({}) is less than the configured Off-heap Memory ({}).",
                human_readable(*total_flink),
                human_readable(*off_heap)
            ),
        )],
        Kind::LimitFactorBelowOne { option, .. } => vec![cause(
            ARGUMENT,
            format!("{} should be greater or equal to 1.", options.key(*option)),
        )],
        Kind::CutoffRatioOutside { ratio } => vec![cause(
            ARGUMENT,
            format!(
                "The configuration value '{}' must be between 0 and 1. Value given={}",
                options::HEAP_CUTOFF_RATIO,
                java_float(*ratio)
            ),
        )],
        Kind::CutoffAboveTotal { minimum, total } => vec![cause(
            ARGUMENT,
            format!(
                "The configuration value '{}' is higher ({minimum}) than the requested amount of memory {total}",
                options::HEAP_CUTOFF_MIN
            ),
        )],
        Kind::JvmExceedsProcess {
            metaspace,
            overhead,
            total_process,
        } => vec![cause(
            CONFIGURATION,
            format!(
                "Sum of configured JVM Metaspace ({}) and JVM Overhead ({}) exceed configured Total Process \
                 Memory ({}).",
                human_readable(*metaspace),
                human_readable(*overhead),
                human_readable(*total_process)
            ),
        )],
        Kind::ProcessBelowFlink {
            total_process,
            total_flink,
            metaspace,
        } => {
            if options.version().prefixes_errors() {
                vec![cause(
                    CONFIGURATION,
                    format!(
                        "The configured Total Process Memory size ({}) is less than the sum of the derived Total \
                         Flink Memory size ({}) and the configured or default JVM Metaspace size  ({}).",
                        human_readable(*total_process),
                        human_readable(*total_flink),
                        human_readable(*metaspace)
                    ),
                )]
            } else {
                vec![negative()]
            }
        }
        Kind::OverheadOutOfRange {
            overhead,
            minimum,
            maximum,
            ..
        } => {
            vec![cause(
                CONFIGURATION,
                out_of_range("JVM Overhead", *overhead, *minimum, *maximum),
            )]
        }
        Kind::CpuNotPositive { .. } => vec![cause(
            CONFIGURATION,
            format!(
                "TaskExecutors need to be started with a positive number of CPU cores. Please configure {} \
                 accordingly.",
                options::CPU_CORES
            ),
        )],
        Kind::CpuNotFinite { value, .. } => {
            let letter = if value.is_nan() { 'N' } else { 'I' };
            vec![cause(
                NUMBER_FORMAT,
                format!(
                    "Character {letter} is neither a decimal digit number, decimal point, nor \"e\" notation \
                     exponential mark."
                ),
            )]
        }
        Kind::LegacyHeapNegative { .. } if options.uses_cutoff() => vec![negative()],
        Kind::LegacyHeapNegative { mebibytes } => vec![cause(
            CONFIGURATION,
            format!(
                "Configured total process memory size ({mebibytes}MB) must not be less than 0."
            ),
        )],
        Kind::LegacyHeapEnvironment { value, error } => vec![
            cause(
                CONFIGURATION,
                format!(
                    "Cannot read total process memory size from environment variable value {value}."
                ),
            ),
            size_cause(error),
        ],
        Kind::SegmentTooSmall { bytes } => vec![cause(
            CONFIGURATION,
            segment_size_message(bytes.get(), "Minimum memory segment size is 4096"),
        )],
        Kind::SegmentNoPowerOfTwo { bytes } => vec![cause(
            CONFIGURATION,
            segment_size_message(bytes.get(), "Memory segment size must be a power of 2."),
        )],
        Kind::SegmentTooLarge { bytes } => {
            vec![cause(
                ARGUMENT,
                format!(
                    "Cannot downcast long value {bytes} to integer.",
                    bytes = bytes.get()
                ),
            )]
        }
        Kind::Overflow { .. } => vec![cause(ARITHMETIC, "long overflow")],
        Kind::NegativeBuffers { .. } => vec![negative()],
        Kind::ProcessExceedsLimit { .. }
        | Kind::NetworkTooSmall { .. }
        | Kind::NetworkTooLarge { .. }
        | Kind::HeapTooSmall { .. }
        | Kind::MetaspaceTooSmall { .. }
        | Kind::SlotsInvalid { .. }
        | Kind::DuplicateSource { .. } => return None,
    })
}

/// The exception for the violation that ended a derivation.
pub(super) fn of_first(first: FirstViolation, options: &Options<'_>) -> FlinkError {
    first
        .0
        .and_then(|violation| of(&violation, options))
        .expect("a derivation stops only at what Flink reports, and keeps it")
}

/// The exception for an option that is no whole number.
pub(super) fn integer_unreadable(key: &str, value: &str) -> FlinkError {
    FlinkError::argument(format!("Could not parse value '{value}' for key '{key}'."))
        .caused_by(FlinkError::number_format(integer_message(value)))
}

/// The exception with which a started TaskManager refuses its number of slots; mirrors
/// `ConfigurationParserUtils.getSlot`.
pub(super) fn slots_refused(slots: i32) -> FlinkError {
    FlinkError {
        class: CONFIGURATION,
        message: format!(
            "Invalid configuration value for {} : {slots} - Number of task slots must be at least one.",
            options::NUMBER_OF_TASK_SLOTS
        ),
        causes: Vec::new(),
    }
}

/// Why a text is no size.
fn size_cause(error: &SizeError) -> FlinkCause {
    let class = if error.is_number_format() {
        NUMBER_FORMAT
    } else {
        ARGUMENT
    };
    cause(class, error.flink_message())
}

fn negative() -> FlinkCause {
    cause(ARGUMENT, "bytes must be >= 0")
}

fn integer_message(value: &str) -> String {
    format!("For input string: \"{value}\"")
}

fn missing_total(options: &Options<'_>) -> String {
    let (heap, managed) = (options::TASK_HEAP_SIZE, options::MANAGED_SIZE);
    let (flink, process) = (options.key(Id::FlinkSize), options.key(Id::ProcessSize));
    if options.version().prefixes_errors() {
        let fine_grained = match options.role() {
            Role::TaskManager => format!("{heap} and {managed}"),
            Role::JobManager => options::JOBMANAGER_JVM_HEAP_SIZE.to_owned(),
        };
        format!(
            "Either required fine-grained memory ({fine_grained}), or Total Flink Memory size (Key: \
             '{flink}' , default: null (fallback keys: [])), or Total Process Memory size (Key: '{process}' , \
             default: null (fallback keys: [])) need to be configured explicitly."
        )
    } else {
        format!(
            "Either Task Heap Memory size ({heap}) and Managed Memory size ({managed}), or Total Flink Memory \
             size ({flink}), or Total Process Memory size ({process}) need to be configured explicitly."
        )
    }
}

fn inconsistent(
    options: &Options<'_>,
    option: Id,
    fraction: f32,
    minimum: Bytes,
    maximum: Bytes,
) -> FlinkCause {
    let fallback = option
        .deprecated_key(options.role())
        .map_or(String::new(), |key| {
            format!("{{key={key}, isDeprecated=true}}")
        });
    cause(
        CONFIGURATION,
        format!(
            "Inconsistently configured Key: '{}' , default: {} (fallback keys: [{fallback}]) ({}) and its min \
             ({}), max ({}) value",
            options.key(option),
            option.default_fraction(),
            java_double(f64::from(fraction)),
            human_readable(minimum),
            human_readable(maximum)
        ),
    )
}

fn out_of_range(what: &str, derived: Bytes, minimum: Bytes, maximum: Bytes) -> String {
    format!(
        "Derived {what} size ({}) is not in configured {what} range [{}, {}].",
        human_readable(derived),
        human_readable(minimum),
        human_readable(maximum)
    )
}

fn components_exceed(task_heap_set: bool, parts: &Parts, total_flink: Bytes) -> String {
    let part = |name: &str, bytes: Option<Bytes>| {
        format!(
            "{name} Memory ({})",
            human_readable(bytes.unwrap_or(Bytes::ZERO))
        )
    };
    let heap = part("Framework Heap", parts.framework_heap);
    let framework_off_heap = part("Framework Off-Heap", parts.framework_off_heap);
    let task_off_heap = part("Task Off-Heap", parts.task_off_heap);
    let managed = part("Managed", parts.managed);
    let total = human_readable(total_flink);
    if task_heap_set {
        let task_heap = part("Task Heap", parts.task_heap);
        format!(
            "Sum of configured {heap}, {framework_off_heap}, {task_heap}, {task_off_heap} and {managed} exceed \
             configured Total Flink Memory ({total})."
        )
    } else {
        let network = part("Network", parts.network);
        format!(
            "Sum of configured {heap}, {framework_off_heap}, {task_off_heap}, {managed} and {network} exceed \
             configured Total Flink Memory ({total})."
        )
    }
}

/// Flink's message about the segment size.
pub(super) fn segment_size_message(value: u64, reason: &str) -> String {
    format!(
        "Invalid configuration value for {} : {value} - {reason}",
        options::SEGMENT_SIZE
    )
}
