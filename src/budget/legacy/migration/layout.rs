//! How a container that was laid out with a cut-off is laid out for metaspace and overhead.
//!
//! The defaults come first, and what is left goes to the overhead. Where the defaults do not fit, metaspace gives way
//! down to what 1.10.0 had; where that does not help either, the process grows.

use super::{Note, NoteKind};
use crate::{
    budget::{FlinkVersion, Role, options::Id},
    bytes::Bytes,
};

/// Below this a metaspace is smaller than any release ever had by default: 96 MiB were 1.10.0's.
const LEAST_METASPACE: Bytes = Bytes::from_mebibytes(96);

/// A process and its JVM parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layout {
    pub total: Bytes,
    /// Where it is not the default.
    pub metaspace: Option<Bytes>,
    /// Where it is above the default's maximum.
    pub overhead_maximum: Option<Bytes>,
}

/// What the process is made of.
pub(super) struct Parts<'a> {
    pub role: Role,
    pub container: Bytes,
    /// What is kept to the byte, together.
    pub kept: Bytes,
    /// The names of what is kept.
    pub names: &'a str,
    /// Flink's own memory outside the heap.
    pub off_heap: Bytes,
    /// What to do where the container is too small, to be appended to a sentence.
    pub way_out: &'a str,
}

impl Parts<'_> {
    /// Lays the container out, or a larger one.
    pub fn lay_out(&self, version: FlinkVersion, notes: &mut Vec<Note>) -> Layout {
        let default = |id: Id| id.default_size(version).unwrap_or(Bytes::ZERO);
        let metaspace = default(Id::JvmMetaspaceSize);
        let least_overhead = default(Id::JvmOverheadMin);
        let flink = self.kept.saturating_add(self.off_heap);
        let needed = flink
            .saturating_add(metaspace)
            .saturating_add(least_overhead);
        let container = self.container;
        if needed <= container {
            let overhead = container.saturating_sub(flink.saturating_add(metaspace));
            return Layout {
                total: container,
                metaspace: None,
                overhead_maximum: (overhead > default(Id::JvmOverheadMax)).then_some(overhead),
            };
        }
        let left = container.saturating_sub(flink.saturating_add(least_overhead));
        let left = Bytes::from_mebibytes(left.whole_mebibytes());
        let process = self.role.as_str();
        let names = self.names;
        if left >= LEAST_METASPACE {
            notes.push(Note {
                kind: NoteKind::Limit,
                key: None,
                message: format!(
                    "the {process}'s container has room for {left} of metaspace beside {names}, and not for the \
                     default of {metaspace}; Flink 1.9 set no limit: watch it, or give the container {} more",
                    metaspace.saturating_sub(left)
                ),
            });
            return Layout {
                total: container,
                metaspace: Some(left),
                overhead_maximum: None,
            };
        }
        let total = needed.round_up_to_mebibyte();
        notes.push(Note {
            kind: NoteKind::Lost,
            key: None,
            message: format!(
                "the {process}'s container of {container} can't be kept: {names} leave {} for metaspace, overhead and \
                 Flink's own memory outside the heap, which need {}; the process has {total}, {} more{}",
                container.saturating_sub(self.kept),
                needed.saturating_sub(self.kept),
                total.saturating_sub(container),
                self.way_out
            ),
        });
        Layout {
            total,
            metaspace: None,
            overhead_maximum: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(mebibytes: u64, kept: u64) -> (Layout, Vec<Note>) {
        let mut notes = Vec::new();
        let parts = Parts {
            role: Role::JobManager,
            container: Bytes::from_mebibytes(mebibytes),
            kept: Bytes::from_mebibytes(kept),
            names: "the heap",
            off_heap: Bytes::from_mebibytes(128),
            way_out: "",
        };
        (parts.lay_out(FlinkVersion::V2_3, &mut notes), notes)
    }

    #[test]
    fn defaults_come_first_then_metaspace_gives_way_then_the_process_grows() {
        let layout = |total: u64, metaspace: Option<u64>, overhead_maximum: Option<u64>| Layout {
            total: Bytes::from_mebibytes(total),
            metaspace: metaspace.map(Bytes::from_mebibytes),
            overhead_maximum: overhead_maximum.map(Bytes::from_mebibytes),
        };
        for (container, kept, expected, notes) in [
            (1024, 448, layout(1024, None, None), 0),
            (1024, 449, layout(1024, Some(255), None), 1),
            (1024, 608, layout(1024, Some(96), None), 1),
            (1024, 609, layout(1185, None, None), 1),
            (8192, 6784, layout(8192, None, None), 0),
            (8192, 6783, layout(8192, None, Some(1025)), 0),
        ] {
            let (layout, said) = laid_out(container, kept);
            assert_eq!(layout, expected, "{container} {kept}");
            assert_eq!(said.len(), notes, "{said:?}");
        }
    }
}
