//! What a violation says to people: code, options, the numbers on both sides, and the beginning of the sentence.

mod jobmanager;
mod references;
mod sums;

use self::references::{
    container_references, legacy_reference, path, references, references_if_set, reserves_in_use,
    total_references,
};
pub(super) use self::references::{limit_reference, reference};

use super::{
    decimal::java_double,
    effective::Options,
    infeasible::{Code, OptionReference, Term, Total},
    memory_size,
    options::{self, Id},
    request::Role,
    startup,
    suggestion::respelled_size,
    violation::{Kind, Quantity},
};
use crate::bytes::Bytes;

/// What a conflict says, before its suggestions are known.
pub(super) struct Statement {
    pub code: Code,
    pub options: Vec<OptionReference>,
    /// What the first option would have to be; where a sum is at fault, what its total would have to be.
    pub bound: String,
    pub sum: Vec<Term>,
    pub total: Option<Total>,
    /// The beginning of the sentence: what is wrong, with the numbers.
    pub what: String,
    /// The end of the sentence where no suggestion was found.
    pub otherwise: String,
}

/// What the violation says. `enough` is a container limit that would mend it, where one does.
pub(super) fn state(options: &Options<'_>, kind: &Kind, enough: Option<Bytes>) -> Statement {
    let value = |id| {
        options
            .setting(id)
            .map_or(String::new(), |setting| setting.value.clone())
    };
    let path = |id: Id| path(options, id);
    let simple = |code, ids: &[Id], bound: &str, what: String| Statement {
        code,
        options: references(options, ids),
        bound: bound.to_owned(),
        sum: Vec::new(),
        total: None,
        what,
        otherwise: "correct it or take it out".to_owned(),
    };
    match kind {
        Kind::MissingTotal => Statement {
            code: Code::MissingTotal,
            options: Vec::new(),
            bound: "a total".to_owned(),
            sum: Vec::new(),
            total: None,
            what: format!(
                "nothing says how large the process is: there is no container limit and none of {}, {} or {}",
                options.key(Id::ProcessSize),
                options.key(Id::FlinkSize),
                match options.role() {
                    Role::TaskManager =>
                        format!("{} with {}", options::TASK_HEAP_SIZE, options::MANAGED_SIZE),
                    Role::JobManager => options::JOBMANAGER_JVM_HEAP_SIZE.to_owned(),
                }
            ),
            otherwise: "give the container a memory limit".to_owned(),
        },
        Kind::Size { option, error } => simple(
            Code::SizeInvalid,
            &[*option],
            "digits and a unit of Flink: b, k, m, g or t",
            format!(
                "{}: {:?} is no size of Flink: {}{}",
                path(*option),
                value(*option),
                error.reason(),
                respelled_size(&value(*option)).map_or(String::new(), |size| format!(
                    " (Flink writes it {})",
                    memory_size::text(size)
                )),
            ),
        ),
        Kind::Float { option, .. } => simple(
            Code::NumberInvalid,
            &[*option],
            "a decimal number",
            format!(
                "{}: {:?} is no decimal number",
                path(*option),
                value(*option)
            ),
        ),
        Kind::Integer { option } => simple(
            Code::NumberInvalid,
            &[*option],
            "a whole number of at most 2147483647",
            format!(
                "{}: {:?} is no whole number between -2147483648 and 2147483647",
                path(*option),
                value(*option)
            ),
        ),
        Kind::Boolean { option } => simple(
            Code::NumberInvalid,
            &[*option],
            "true or false",
            format!(
                "{}: {:?} is neither true nor false",
                path(*option),
                value(*option)
            ),
        ),
        Kind::LimitFactorBelowOne { option, .. } => simple(
            Code::NumberInvalid,
            &[*option],
            ">= 1",
            format!(
                "{} is {}, and the limit of a container can't be below its request",
                path(*option),
                value(*option)
            ),
        ),
        Kind::ExternalAmount { key, value } => simple(
            Code::NumberInvalid,
            &[Id::ExternalResources],
            "a whole number",
            format!("{key}: {value:?} is no whole number"),
        ),
        Kind::RangeInverted {
            fraction_option,
            minimum,
            maximum,
            ..
        } => {
            let (min, max) = (
                fraction_option.minimum_option(),
                fraction_option.maximum_option(),
            );
            simple(
                Code::RangeInverted,
                &[min, max],
                &format!("<= {}", memory_size::text(*maximum)),
                format!(
                    "{} is {minimum}, above {}, which is {maximum}",
                    path(min),
                    path(max)
                ),
            )
        }
        Kind::FractionOutside {
            fraction_option,
            fraction,
            ..
        } => simple(
            Code::FractionInvalid,
            &[*fraction_option],
            "0 <= fraction < 1",
            format!(
                "{} is {}, and a fraction must be at least 0 and below 1",
                path(*fraction_option),
                if fraction.is_finite() {
                    fraction.to_string()
                } else {
                    java_double(f64::from(*fraction))
                }
            ),
        ),
        Kind::ComponentsExceedFlink {
            parts,
            sum,
            total_flink,
            ..
        } => sums::components_exceed_flink(options, parts, *sum, *total_flink, enough),
        Kind::HeapAndOffHeapDiffer {
            heap,
            off_heap,
            total_flink,
        } => jobmanager::heap_and_off_heap_differ(options, *heap, *off_heap, *total_flink),
        Kind::HeapExceedsFlink { heap, total_flink } => {
            jobmanager::heap_exceeds_flink(options, *heap, *total_flink)
        }
        Kind::OffHeapTakesAll {
            total_flink,
            off_heap,
        } => jobmanager::off_heap_takes_all(options, *total_flink, *off_heap),
        Kind::CutoffRatioOutside { ratio } => jobmanager::cutoff_ratio_outside(options, *ratio),
        Kind::CutoffAboveTotal { minimum, total } => {
            jobmanager::cutoff_above_total(options, *minimum, *total)
        }
        Kind::JvmExceedsProcess {
            metaspace,
            overhead,
            total_process,
        } => sums::jvm_exceeds_process(options, *metaspace, *overhead, *total_process, enough),
        Kind::NetworkOutOfRange {
            network,
            minimum,
            maximum,
            parts,
            total_flink,
        } => {
            sums::network_out_of_range(options, *network, (*minimum, *maximum), parts, *total_flink)
        }
        Kind::NetworkDiffersFromBuffers {
            network,
            buffers,
            parts,
            total_flink,
        } => sums::network_differs_from_buffers(options, *network, *buffers, parts, *total_flink),
        Kind::ProcessBelowFlink {
            total_process,
            total_flink,
            metaspace,
        } => sums::process_below_flink(options, *total_process, *total_flink, *metaspace),
        Kind::OverheadOutOfRange {
            overhead,
            minimum,
            maximum,
            total_process,
            total_flink,
            metaspace,
        } => sums::overhead_out_of_range(
            options,
            *overhead,
            (*minimum, *maximum),
            *total_process,
            *total_flink,
            *metaspace,
        ),
        Kind::CpuNotPositive { option } => simple(
            Code::NumberInvalid,
            &[*option],
            "> 0",
            format!(
                "{} is {}, and a TaskManager needs a positive number of CPU cores",
                path(*option),
                value(*option)
            ),
        ),
        Kind::CpuNotFinite { option, .. } => simple(
            Code::NumberInvalid,
            &[*option],
            "a finite number",
            format!("{} is {}, no finite number", path(*option), value(*option)),
        ),
        Kind::LegacyHeapNegative { mebibytes } => simple(
            Code::SizeInvalid,
            &[Id::HeapMb],
            ">= 0",
            format!(
                "{} is {mebibytes}, and a heap can't be negative",
                path(Id::HeapMb)
            ),
        ),
        Kind::LegacyHeapEnvironment { value, error } => Statement {
            options: total_references(options),
            ..simple(
                Code::SizeInvalid,
                &[],
                "digits and a unit of Flink: b, k, m, g or t",
                format!(
                    "{}: {value:?} is no size of Flink: {}",
                    options.heap_environment(),
                    error.reason()
                ),
            )
        },
        Kind::SegmentTooSmall { bytes }
        | Kind::SegmentNoPowerOfTwo { bytes }
        | Kind::SegmentTooLarge { bytes } => simple(
            Code::SegmentSizeInvalid,
            &[Id::SegmentSize],
            "a power of two from 4k to 1g",
            format!(
                "{} is {bytes}, and a segment must be a power of two from 4 KiB to 1 GiB",
                path(Id::SegmentSize)
            ),
        ),
        Kind::Overflow { of } => {
            let what = match of {
                Quantity::TotalFlink => "the parts of total Flink memory add up to",
                Quantity::TotalProcess => "total Flink memory, metaspace and overhead add up to",
                Quantity::Fraction(_) => "a fraction of the sizes comes to",
            };
            let written: Vec<Id> = Id::ALL
                .into_iter()
                .filter(|id| id.is_size() && options.is_set(*id))
                .collect();
            Statement {
                otherwise: "lower these sizes".to_owned(),
                ..simple(
                    Code::SizeInvalid,
                    &written,
                    "sum <= 9223372036854775807b",
                    format!(
                        "{what} more than 9223372036854775807 bytes, the most that Flink can count"
                    ),
                )
            }
        }
        Kind::NegativeBuffers { buffers } => simple(
            Code::NumberInvalid,
            &[Id::NumberOfBuffers],
            ">= 0",
            format!(
                "{} is {buffers}, and there can't be a negative number of buffers",
                path(Id::NumberOfBuffers)
            ),
        ),
        Kind::ProcessExceedsLimit {
            total_process,
            room,
        } => sums::process_exceeds_limit(options, *total_process, *room),
        Kind::NetworkTooSmall {
            network,
            segment_size,
        } => Statement {
            otherwise: "give network memory more".to_owned(),
            total: Some(Total {
                name: "network",
                bytes: *network,
                bound: format!(">= {}", memory_size::text(*segment_size)),
            }),
            ..simple(
                Code::NetworkTooSmall,
                &[Id::NetworkMin, Id::NetworkMax, Id::SegmentSize],
                "",
                format!(
                    "network memory is {network}, less than one segment of {segment_size}, so that tasks could \
                     exchange nothing"
                ),
            )
        },
        Kind::NetworkTooLarge {
            network,
            segment_size,
        } => Statement {
            otherwise: "lower the total".to_owned(),
            total: Some(Total {
                name: "network",
                bytes: *network,
                bound: "<= 2147483647 segments".to_owned(),
            }),
            ..simple(
                Code::NetworkOutOfRange,
                &[Id::NetworkMax, Id::SegmentSize],
                "",
                format!(
                    "network memory of {network} is {} segments of {segment_size}, and Flink can't count more than \
                     2147483647",
                    network.get() / segment_size.get().max(1)
                ),
            )
        },
        Kind::HeapTooSmall { heap } => Statement {
            otherwise: "give the heap more".to_owned(),
            total: Some(Total {
                name: "jvmHeap",
                bytes: *heap,
                bound: format!("> {}", memory_size::text(startup::HEAP_MUST_EXCEED)),
            }),
            ..simple(
                Code::HeapTooSmall,
                match options.role() {
                    Role::TaskManager => &[Id::FrameworkHeapSize, Id::TaskHeapSize],
                    Role::JobManager => &[Id::JvmHeapSize, Id::HeapSize, Id::HeapMb],
                },
                "",
                format!(
                    "the heap, -Xmx, is {heap}, and the JVM refuses to start with {} or less",
                    startup::HEAP_MUST_EXCEED
                ),
            )
        },
        Kind::MetaspaceTooSmall { metaspace } => simple(
            Code::MetaspaceTooSmall,
            &[Id::JvmMetaspaceSize],
            &format!(">= {}", memory_size::text(startup::SMALLEST_METASPACE)),
            format!(
                "{} is {metaspace}, and the JVM refuses to start with less than {}",
                path(Id::JvmMetaspaceSize),
                startup::SMALLEST_METASPACE
            ),
        ),
        Kind::SlotsInvalid { slots } => simple(
            Code::NumberInvalid,
            &[Id::NumberOfTaskSlots],
            ">= 1",
            format!(
                "{} is {slots}, and a TaskManager needs at least one slot",
                path(Id::NumberOfTaskSlots)
            ),
        ),
        Kind::DuplicateSource { option } => {
            let settings = options.request.configuration.iter();
            let both: Vec<OptionReference> = settings
                .filter(|setting| {
                    options::lookup(options.role(), &setting.key)
                        .is_some_and(|(id, _)| id == *option)
                })
                .map(|setting| OptionReference {
                    key: setting.key.clone(),
                    origin: Some(setting.origin.clone()),
                    path: setting.origin.path(&setting.key),
                    value: setting.value.clone(),
                    is_default: false,
                })
                .collect();
            let places: Vec<String> = both
                .iter()
                .map(|place| format!("{} ({})", place.path, place.value))
                .collect();
            Statement {
                code: Code::DuplicateSource,
                bound: "one place".to_owned(),
                sum: Vec::new(),
                total: None,
                what: format!(
                    "{} is written twice: {}",
                    options.key(*option),
                    places.join(" and ")
                ),
                otherwise: "remove one of them".to_owned(),
                options: both,
            }
        }
    }
}
