//! The sentences of conflicts that are sums: the parts of a total, and the rests of two.

use super::{
    super::{
        effective::{LegacyHeap, Options},
        infeasible::{Code, OptionReference, Term, Total},
        memory_size,
        options::Id,
        profile::Profile,
        request::{Configuration, Origin, Request},
        trial::Trial,
        violation::Parts,
    },
    Statement, container_references, limit_reference, path, reference, references,
    references_if_set, reserves_in_use, total_references,
};
use crate::bytes::Bytes;

/// E4 and E5: parts of total Flink memory.
pub(super) fn components_exceed_flink(
    options: &Options<'_>,
    parts: &Parts,
    sum: Bytes,
    total_flink: Bytes,
    enough: Option<Bytes>,
) -> Statement {
    let (terms, mut written) = terms(options, parts);
    written.extend(total_references(options));
    let limit_at_fault = limit_at_fault(options, enough);
    if limit_at_fault.is_some() {
        put_limit_first(&mut written);
    }
    Statement {
        code: if limit_at_fault.is_some() {
            Code::LimitTooSmall
        } else {
            Code::ComponentsExceedTotal
        },
        options: written,
        bound: String::new(),
        total: Some(Total {
            name: "sum",
            bytes: sum,
            bound: format!("<= {}", memory_size::text(total_flink)),
        }),
        what: format!(
            "{}{}, {} more than total Flink memory, {total_flink}{}",
            limit_at_fault
                .as_ref()
                .map_or_else(String::new, LimitAtFault::lead),
            written_out(&terms, sum),
            sum.saturating_sub(total_flink),
            within(options),
        ),
        sum: terms,
        otherwise: "lower several of these, or raise the total".to_owned(),
    }
}

/// E8: metaspace and overhead alone.
pub(super) fn jvm_exceeds_process(
    options: &Options<'_>,
    metaspace: Bytes,
    overhead: Bytes,
    total_process: Bytes,
    enough: Option<Bytes>,
) -> Statement {
    let sum = metaspace.saturating_add(overhead);
    let terms = vec![
        term(
            options,
            "jvmMetaspace",
            Some(Id::JvmMetaspaceSize),
            metaspace,
        ),
        term(options, "jvmOverhead", Some(Id::JvmOverheadMin), overhead),
    ];
    let limit_at_fault = limit_at_fault(options, enough);
    let mut written = references_if_set(
        options,
        &[
            Id::JvmMetaspaceSize,
            Id::JvmOverheadMin,
            Id::JvmOverheadFraction,
        ],
    );
    written.extend(total_references(options));
    if limit_at_fault.is_some() {
        put_limit_first(&mut written);
    }
    Statement {
        code: if limit_at_fault.is_some() {
            Code::LimitTooSmall
        } else {
            Code::ComponentsExceedTotal
        },
        options: written,
        bound: String::new(),
        total: Some(Total {
            name: "sum",
            bytes: sum,
            bound: format!("<= {}", memory_size::text(total_process)),
        }),
        what: format!(
            "{}{}, {} more than total process memory, {total_process}{}",
            limit_at_fault
                .as_ref()
                .map_or_else(String::new, LimitAtFault::lead),
            written_out(&terms, sum),
            sum.saturating_sub(total_process),
            if options.room_as_process_size.is_some() {
                after_reserves(options)
            } else {
                String::new()
            },
        ),
        sum: terms,
        otherwise: "raise the total".to_owned(),
    }
}

/// E6: the rest that is network memory, against its range.
pub(super) fn network_out_of_range(
    options: &Options<'_>,
    network: Bytes,
    (minimum, maximum): (Bytes, Bytes),
    parts: &Parts,
    total_flink: Bytes,
) -> Statement {
    let (terms, mut written) = terms(options, parts);
    written.extend(references(options, &[Id::NetworkMin, Id::NetworkMax]));
    written.extend(total_references(options));
    let side = if network < minimum {
        format!(
            "below {}, which is {minimum}",
            path(options, Id::NetworkMin)
        )
    } else {
        format!(
            "above {}, which is {maximum}",
            path(options, Id::NetworkMax)
        )
    };
    Statement {
        code: Code::NetworkOutOfRange,
        options: written,
        bound: String::new(),
        total: Some(Total {
            name: "network",
            bytes: network,
            bound: format!(
                "{} to {}",
                memory_size::text(minimum),
                memory_size::text(maximum)
            ),
        }),
        what: format!(
            "network memory is the rest of total Flink memory, {total_flink}{}, after {}, and that rest, \
                     {network}, is {side}",
            within(options),
            written_out(&terms, total_flink.saturating_sub(network)),
        ),
        sum: terms,
        otherwise: "change several of these sizes".to_owned(),
    }
}

/// E7: the same rest, against the number of buffers.
pub(super) fn network_differs_from_buffers(
    options: &Options<'_>,
    network: Bytes,
    buffers: Bytes,
    parts: &Parts,
    total_flink: Bytes,
) -> Statement {
    let (terms, mut written) = terms(options, parts);
    written.insert(
        0,
        reference(options, Id::NumberOfBuffers)
            .unwrap_or_else(|| limit_reference(options, network)),
    );
    Statement {
        code: Code::NetworkOutOfRange,
        options: written,
        bound: String::new(),
        total: Some(Total {
            name: "network",
            bytes: network,
            bound: memory_size::text(buffers),
        }),
        what: format!(
            "network memory is the rest of total Flink memory, {total_flink}, after {}, and that rest, \
                     {network}, is not the {buffers} of {}",
            written_out(&terms, total_flink.saturating_sub(network)),
            path(options, Id::NumberOfBuffers),
        ),
        sum: terms,
        otherwise: format!("remove {}", path(options, Id::NumberOfBuffers)),
    }
}

/// E9: two totals.
pub(super) fn process_below_flink(
    options: &Options<'_>,
    total_process: Bytes,
    total_flink: Bytes,
    metaspace: Bytes,
) -> Statement {
    Statement {
        code: Code::TotalsDisagree,
        options: [
            references(options, &[Id::ProcessSize]),
            flink_references(options),
        ]
        .concat(),
        bound: String::new(),
        total: Some(Total {
            name: "sum",
            bytes: total_flink.saturating_add(metaspace),
            bound: format!("<= {}", memory_size::text(total_process)),
        }),
        sum: vec![
            term(options, "totalFlink", None, total_flink),
            term(
                options,
                "jvmMetaspace",
                Some(Id::JvmMetaspaceSize),
                metaspace,
            ),
        ],
        what: format!(
            "{} is {total_process}, less than total Flink memory {total_flink} + jvmMetaspace {metaspace} = {}",
            path(options, Id::ProcessSize),
            total_flink.saturating_add(metaspace)
        ),
        otherwise: "take one of the totals out".to_owned(),
    }
}

/// E10: the rest that is JVM overhead, against its range.
pub(super) fn overhead_out_of_range(
    options: &Options<'_>,
    overhead: Bytes,
    (minimum, maximum): (Bytes, Bytes),
    total_process: Bytes,
    total_flink: Bytes,
    metaspace: Bytes,
) -> Statement {
    let side = if overhead < minimum {
        format!(
            "below {}, which is {minimum}",
            path(options, Id::JvmOverheadMin)
        )
    } else {
        format!(
            "above {}, which is {maximum}",
            path(options, Id::JvmOverheadMax)
        )
    };
    Statement {
        code: Code::OverheadOutOfRange,
        options: [
            references(options, &[Id::ProcessSize]),
            flink_references(options),
            references(options, &[Id::JvmOverheadMin, Id::JvmOverheadMax]),
        ]
        .concat(),
        bound: String::new(),
        total: Some(Total {
            name: "jvmOverhead",
            bytes: overhead,
            bound: format!(
                "{} to {}",
                memory_size::text(minimum),
                memory_size::text(maximum)
            ),
        }),
        sum: vec![
            term(options, "totalFlink", None, total_flink),
            term(
                options,
                "jvmMetaspace",
                Some(Id::JvmMetaspaceSize),
                metaspace,
            ),
            term(options, "jvmOverhead", None, overhead),
        ],
        what: format!(
            "JVM overhead is the rest of {}, {total_process}, after total Flink memory {total_flink} and \
                     jvmMetaspace {metaspace}, and that rest, {overhead}, is {side}",
            path(options, Id::ProcessSize),
        ),
        otherwise: "take one of the totals out".to_owned(),
    }
}

/// The process, against the container.
pub(super) fn process_exceeds_limit(
    options: &Options<'_>,
    total_process: Bytes,
    room: Bytes,
) -> Statement {
    let mut written = references_if_set(options, &[Id::ProcessSize, Id::FlinkSize]);
    if written.is_empty() {
        written = flink_references(options);
    }
    written.extend(container_references(options));
    let excess = total_process.saturating_sub(room);
    let reserves: Vec<Term> = reserve_terms(options);
    let (sum, what) = if reserves.is_empty() {
        let what = format!(
            "the options make a process of {total_process}, {excess} more than the container's limit, {room}, \
                     and the kernel would kill it"
        );
        (Vec::new(), what)
    } else {
        let process = term(
            options,
            "totalProcess",
            Some(Id::ProcessSize),
            total_process,
        );
        let terms: Vec<Term> = std::iter::once(process).chain(reserves).collect();
        let limit = options.request.container_limit.unwrap_or(room);
        let total = total_process.saturating_add(options.reserved());
        let what = format!(
            "the process and what is reserved beside it are {}, {} more than the container's limit, {limit}, \
                     and the kernel would kill the process when both are used",
            written_out(&terms, total),
            total.saturating_sub(limit)
        );
        (terms, what)
    };
    Statement {
        code: Code::ProcessExceedsLimit,
        options: written,
        bound: String::new(),
        total: Some(Total {
            name: if sum.is_empty() {
                "totalProcess"
            } else {
                "sum"
            },
            bytes: total_process.saturating_add(options.reserved()),
            bound: format!(
                "<= {}",
                memory_size::text(options.request.container_limit.unwrap_or(room))
            ),
        }),
        sum,
        what,
        otherwise: "raise the limit to the process size".to_owned(),
    }
}

fn term(options: &Options<'_>, name: &'static str, id: Option<Id>, bytes: Bytes) -> Term {
    Term {
        name,
        key: id.map(|id| options.key(id)),
        bytes,
    }
}

/// The known parts of total Flink memory as terms, and the options that were written for them, largest first.
fn terms(options: &Options<'_>, parts: &Parts) -> (Vec<Term>, Vec<OptionReference>) {
    let managed = if options.is_set(Id::ManagedSize) {
        Id::ManagedSize
    } else {
        Id::ManagedFraction
    };
    let network = [Id::NetworkMin, Id::NetworkFraction, Id::NetworkMax]
        .into_iter()
        .find(|id| options.is_set(*id))
        .unwrap_or(if options.uses_number_of_buffers() {
            Id::NumberOfBuffers
        } else {
            Id::NetworkMin
        });
    let terms: Vec<(Id, Term)> = [
        ("frameworkHeap", Id::FrameworkHeapSize, parts.framework_heap),
        (
            "frameworkOffHeap",
            Id::FrameworkOffHeapSize,
            parts.framework_off_heap,
        ),
        ("taskHeap", Id::TaskHeapSize, parts.task_heap),
        ("taskOffHeap", Id::TaskOffHeapSize, parts.task_off_heap),
        ("managed", managed, parts.managed),
        ("network", network, parts.network),
    ]
    .into_iter()
    .filter_map(|(name, id, bytes)| Some((id, term(options, name, Some(id), bytes?))))
    .collect();
    let mut written: Vec<&(Id, Term)> =
        terms.iter().filter(|(id, _)| options.is_set(*id)).collect();
    written.sort_by_key(|(_, term)| std::cmp::Reverse(term.bytes));
    let references = written
        .into_iter()
        .filter_map(|(id, _)| reference(options, *id))
        .collect();
    (
        terms.into_iter().map(|(_, term)| term).collect(),
        references,
    )
}

/// `frameworkHeap 128 MiB + managed 4 GiB = 4224 MiB`.
fn written_out(sum: &[Term], total: Bytes) -> String {
    let terms: Vec<String> = sum
        .iter()
        .filter(|term| term.bytes > Bytes::ZERO)
        .map(|term| format!("{} {}", term.name, term.bytes))
        .collect();
    format!("{} = {total}", terms.join(" + "))
}

/// What total Flink memory comes from when it is not the rest of the process.
fn flink_references(options: &Options<'_>) -> Vec<OptionReference> {
    let found = references_if_set(options, &[Id::FlinkSize]);
    if !found.is_empty() {
        return found;
    }
    match options.legacy_heap() {
        Some(LegacyHeap::Option(id)) => references(options, &[id]),
        _ => references_if_set(
            options,
            &[
                Id::TaskHeapSize,
                Id::ManagedSize,
                Id::JvmHeapSize,
                Id::OffHeapSize,
            ],
        ),
    }
}

/// What total Flink memory was cut from, where that is not written itself.
fn within(options: &Options<'_>) -> String {
    match (
        options.room_as_process_size,
        options.request.container_limit,
    ) {
        (Some(_), Some(limit)) => format!(" of a container of {limit}{}", after_reserves(options)),
        _ => String::new(),
    }
}

/// ` after nativeOvershoot 256 MiB + pythonWorkers 1 GiB = 1280 MiB`, where anything is reserved.
fn after_reserves(options: &Options<'_>) -> String {
    let terms = reserve_terms(options);
    match terms.as_slice() {
        [] => String::new(),
        [only] => format!(" after the reserve {} {}", only.name, only.bytes),
        _ => format!(
            " after the reserves {}",
            written_out(&terms, options.reserved())
        ),
    }
}

fn reserve_terms(options: &Options<'_>) -> Vec<Term> {
    let terms = reserves_in_use(options).map(|reserve| Term {
        name: reserve.kind.as_str(),
        key: None,
        bytes: reserve.bytes,
    });
    terms.collect()
}

/// A container's limit with which not even Flink's defaults work.
struct LimitAtFault {
    limit: Bytes,
    /// The smallest limit that works with the options as they are.
    smallest: Option<Bytes>,
}

impl LimitAtFault {
    /// The beginning of the sentence.
    fn lead(&self) -> String {
        let smallest = self.smallest.map_or_else(String::new, |smallest| {
            format!(", and the smallest that works is {smallest}")
        });
        format!("the container's limit is {}{smallest}: ", self.limit)
    }
}

/// The limit, where not even an untouched configuration fits into the container.
fn limit_at_fault(options: &Options<'_>, enough: Option<Bytes>) -> Option<LimitAtFault> {
    options.room_as_process_size?;
    let limit = options.request.container_limit?;
    let plain = Request {
        configuration: Configuration::new(),
        legacy_heap_environment: None,
        profile: Profile::Custom,
        reserves: options.reserves.clone(),
        ..*options.request
    };
    if (Trial { request: plain }).solves() {
        return None;
    }
    Some(LimitAtFault {
        limit,
        smallest: enough,
    })
}

/// What is at fault comes first: the conflict is shown at its field.
fn put_limit_first(written: &mut [OptionReference]) {
    written.sort_by_key(|option| option.origin != Some(Origin::ContainerLimit));
}
