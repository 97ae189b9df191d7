//! The sentences of conflicts between the sizes of a JobManager.

use super::{
    super::{
        effective::Options,
        infeasible::{Code, Term, Total},
        memory_size,
        options::{self, Id},
    },
    Statement, path, reference, references, references_if_set, total_references,
};
use crate::bytes::Bytes;

/// Heap, off-heap and their sum are all written, and do not add up.
pub(super) fn heap_and_off_heap_differ(
    options: &Options<'_>,
    heap: Bytes,
    off_heap: Bytes,
    total_flink: Bytes,
) -> Statement {
    let sum = heap.saturating_add(off_heap);
    let mut written = heap_references(options);
    written.extend(references(options, &[Id::OffHeapSize, Id::FlinkSize]));
    Statement {
        code: Code::TotalsDisagree,
        options: written,
        bound: String::new(),
        total: Some(Total {
            name: "sum",
            bytes: sum,
            bound: memory_size::text(total_flink),
        }),
        what: format!(
            "jvmHeap {heap} + offHeap {off_heap} = {sum}, and {} is {total_flink}",
            path(options, Id::FlinkSize)
        ),
        sum: vec![heap_term(options, heap), off_heap_term(options, off_heap)],
        otherwise: format!("remove {}", path(options, Id::FlinkSize)),
    }
}

/// The heap alone is more than total Flink memory.
pub(super) fn heap_exceeds_flink(
    options: &Options<'_>,
    heap: Bytes,
    total_flink: Bytes,
) -> Statement {
    let mut written = heap_references(options);
    written.extend(references(options, &[Id::FlinkSize]));
    Statement {
        code: Code::ComponentsExceedTotal,
        options: written,
        bound: String::new(),
        total: Some(Total {
            name: "sum",
            bytes: heap,
            bound: format!("<= {}", memory_size::text(total_flink)),
        }),
        what: format!(
            "jvmHeap is {heap}, {} more than total Flink memory, {total_flink}",
            heap.saturating_sub(total_flink)
        ),
        sum: vec![heap_term(options, heap)],
        otherwise: format!("remove {}", path(options, Id::FlinkSize)),
    }
}

/// Nothing is left for the heap.
pub(super) fn off_heap_takes_all(
    options: &Options<'_>,
    total_flink: Bytes,
    off_heap: Bytes,
) -> Statement {
    let mut written = references_if_set(options, &[Id::OffHeapSize]);
    written.extend(total_references(options));
    if written.is_empty() {
        written = references(options, &[Id::OffHeapSize]);
    }
    Statement {
        code: Code::ComponentsExceedTotal,
        options: written,
        bound: String::new(),
        total: Some(Total {
            name: "sum",
            bytes: off_heap,
            bound: format!("< {}", memory_size::text(total_flink)),
        }),
        what: format!(
            "offHeap is {off_heap}, and total Flink memory, {total_flink}, leaves nothing for the heap"
        ),
        sum: vec![off_heap_term(options, off_heap)],
        otherwise: "raise the total".to_owned(),
    }
}

/// The ratio kept back is no share of a container.
pub(super) fn cutoff_ratio_outside(options: &Options<'_>, ratio: f32) -> Statement {
    Statement {
        code: Code::FractionInvalid,
        options: references_if_set(options, &[Id::HeapCutoffRatio]),
        bound: "0 <= ratio <= 1".to_owned(),
        total: None,
        sum: Vec::new(),
        what: format!(
            "{} is {ratio}, and the share that is kept back of a container must be between 0 and 1",
            path(options, Id::HeapCutoffRatio)
        ),
        otherwise: "correct it or take it out".to_owned(),
    }
}

/// More is kept back than there is, in mebibytes.
pub(super) fn cutoff_above_total(options: &Options<'_>, minimum: i32, total: i32) -> Statement {
    let mut written = references_if_set(options, &[Id::HeapCutoffMin, Id::HeapSize, Id::HeapMb]);
    if written.is_empty() {
        written.extend(reference(options, Id::HeapCutoffMin));
    }
    Statement {
        code: Code::ComponentsExceedTotal,
        options: written,
        bound: format!("<= {total} MiB"),
        total: None,
        sum: Vec::new(),
        what: format!(
            "{} keeps {minimum} MiB back of a container of {total} MiB",
            options::HEAP_CUTOFF_MIN
        ),
        otherwise: "make the container larger".to_owned(),
    }
}

/// Where the heap comes from.
fn heap_references(options: &Options<'_>) -> Vec<super::OptionReference> {
    let written = references_if_set(options, &[Id::JvmHeapSize]);
    if written.is_empty() {
        super::legacy_reference(options).into_iter().collect()
    } else {
        written
    }
}

fn heap_term(options: &Options<'_>, bytes: Bytes) -> Term {
    Term {
        name: "jvmHeap",
        key: Some(options.key(Id::JvmHeapSize)),
        bytes,
    }
}

fn off_heap_term(options: &Options<'_>, bytes: Bytes) -> Term {
    Term {
        name: "offHeap",
        key: Some(options.key(Id::OffHeapSize)),
        bytes,
    }
}
