//! What may help where the sizes of a JobManager clash.

use super::{
    super::super::{effective::Options, memory_size, options::Id, trial::Edit, violation::Kind},
    Candidate,
};
use crate::bytes::Bytes;

/// What may help against a violation that only a JobManager has, best first.
pub(super) fn candidates(options: &Options<'_>, kind: &Kind) -> Vec<Candidate> {
    use Candidate::{Exactly, Lower, Raise};
    let remove = |id| Exactly(Edit::Remove(id));
    let set = |id, size: Bytes| Exactly(Edit::Set(id, memory_size::text(size)));
    match kind {
        Kind::HeapAndOffHeapDiffer {
            heap,
            off_heap,
            total_flink,
        } => {
            let sum = heap.saturating_add(*off_heap);
            let mut candidates = Vec::new();
            // One of the three follows from the other two.
            if options.is_set(Id::JvmHeapSize) && total_flink > off_heap {
                candidates.push(set(Id::JvmHeapSize, total_flink.saturating_sub(*off_heap)));
            }
            candidates.extend([set(Id::FlinkSize, sum), remove(Id::OffHeapSize)]);
            if total_flink >= heap {
                candidates.push(set(Id::OffHeapSize, total_flink.saturating_sub(*heap)));
            }
            candidates.extend([Id::FlinkSize, Id::JvmHeapSize].map(remove));
            candidates
        }
        Kind::HeapExceedsFlink { .. } => vec![
            Lower(written_heap(options)),
            Raise(Id::FlinkSize),
            remove(Id::FlinkSize),
            remove(written_heap(options)),
        ],
        Kind::OffHeapTakesAll { .. } => {
            let mut candidates = vec![remove(Id::OffHeapSize)];
            if options.is_set(Id::OffHeapSize) {
                candidates.insert(0, Lower(Id::OffHeapSize));
            }
            candidates.extend(super::total(options, true));
            candidates
        }
        Kind::CutoffRatioOutside { .. } => vec![remove(Id::HeapCutoffRatio)],
        Kind::CutoffAboveTotal { .. } => vec![
            remove(Id::HeapCutoffMin),
            Raise(Id::HeapSize),
            Exactly(Edit::Set(Id::HeapCutoffMin, "0".to_owned())),
        ],
        Kind::HeapTooSmall { .. } => {
            let mut candidates = Vec::new();
            if options.is_set(Id::JvmHeapSize) {
                candidates.push(Raise(Id::JvmHeapSize));
            }
            candidates.extend([remove(Id::OffHeapSize), Lower(Id::OffHeapSize)]);
            candidates.extend(super::total(options, true));
            candidates.extend([
                Raise(Id::HeapSize),
                remove(Id::HeapCutoffRatio),
                remove(Id::HeapCutoffMin),
                remove(Id::FlinkSize),
            ]);
            candidates
        }
        _ => Vec::new(),
    }
}

/// The option that the heap is written with.
fn written_heap(options: &Options<'_>) -> Id {
    [Id::JvmHeapSize, Id::HeapSize, Id::HeapMb]
        .into_iter()
        .find(|id| options.is_set(*id))
        .unwrap_or(Id::JvmHeapSize)
}
