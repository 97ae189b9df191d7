//! What can be wrong with a segment or with an access to it, in Flink's distinctions.

use std::io;

use super::SegmentKind;

/// Which of two segments an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one whose method was called.
    This,
    /// The one that was passed.
    Other,
}

impl Side {
    fn segment(self) -> &'static str {
        match self {
            Side::This => "this memory segment",
            Side::Other => "the other memory segment",
        }
    }
}

/// Why an access is refused. Nothing was read or written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// The access leaves the segment: Flink's `IndexOutOfBoundsException`.
    #[error("{length} bytes at {index} are not inside {} of {size} bytes", side.segment())]
    OutOfBounds {
        /// Where the access begins.
        index: usize,
        /// How many bytes it takes.
        length: usize,
        /// How many bytes there are.
        size: usize,
        /// Which segment it is.
        side: Side,
    },
    /// The range leaves the array that bytes are copied to or from: also Flink's `IndexOutOfBoundsException`.
    #[error("{length} bytes at {offset} are not inside an array of {size} bytes")]
    ArrayOutOfBounds {
        /// Where the range begins.
        offset: usize,
        /// How many bytes it takes.
        length: usize,
        /// How many bytes there are.
        size: usize,
    },
    /// The memory was given back: Flink's `IllegalStateException`.
    #[error("{} has been freed", side.segment())]
    Freed {
        /// Which segment it is.
        side: Side,
    },
    /// A view takes fewer bytes than it is to get: Flink's `BufferOverflowException`.
    #[error("{wanted} bytes do not fit into a view that takes {remaining}")]
    Overflow {
        /// The bytes to be put into the view.
        wanted: usize,
        /// What it takes.
        remaining: usize,
    },
    /// A view holds fewer bytes than it is to give: Flink's `BufferUnderflowException`.
    #[error("{wanted} bytes are not in a view that has {remaining}")]
    Underflow {
        /// The bytes to be taken from the view.
        wanted: usize,
        /// What it has.
        remaining: usize,
    },
    /// A view that is to be written is for reading: Flink's `ReadOnlyBufferException`.
    #[error("the view is for reading only")]
    ReadOnly,
    /// A position behind the limit or a limit behind the end of a view: Flink's `IllegalArgumentException`.
    #[error("a view of {size} bytes cannot have position {position} and limit {limit}")]
    IllegalView {
        /// The position.
        position: usize,
        /// The limit.
        limit: usize,
        /// How many bytes there are.
        size: usize,
    },
    /// Only heap segments have an array: Flink's `IllegalStateException`.
    #[error("a memory segment of {kind:?} memory has no array")]
    NotHeap {
        /// The kind it is.
        kind: SegmentKind,
    },
    /// Only off-heap segments have an address: Flink's `IllegalStateException`.
    #[error("a memory segment on the heap has no address")]
    NotOffHeap,
    /// Flink makes no views of unsafe memory: its `UnsupportedOperationException`.
    #[error("unsafe memory cannot be wrapped, only processed in place")]
    WrapUnsupported,
}

impl SegmentError {
    /// Whether Flink's class is `IndexOutOfBoundsException`.
    #[must_use]
    pub fn is_out_of_bounds(&self) -> bool {
        matches!(
            self,
            Self::OutOfBounds { .. } | Self::ArrayOutOfBounds { .. }
        )
    }

    /// Whether it says that a segment was freed.
    #[must_use]
    pub fn is_freed(&self) -> bool {
        matches!(self, Self::Freed { .. })
    }
}

/// Why there is no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllocationError {
    /// The memory cannot be had: Flink's `OutOfMemoryError`.
    #[error("cannot allocate {size} bytes of {kind:?} memory")]
    OutOfMemory {
        /// The kind of memory.
        kind: SegmentKind,
        /// How many bytes.
        size: usize,
    },
    /// The range of bytes to copy is none: Flink's `IllegalArgumentException`.
    #[error("cannot copy bytes {start} to {end} of {available} bytes")]
    IllegalRange {
        /// Where it starts.
        start: usize,
        /// Where it ends.
        end: usize,
        /// How many bytes there are.
        available: usize,
    },
    /// The range does not lie inside the mapping.
    #[error("{size} bytes at {offset} are not inside a mapping of {available} bytes")]
    NotInMapping {
        /// Where it starts.
        offset: usize,
        /// How many bytes it takes.
        size: usize,
        /// How many bytes there are.
        available: usize,
    },
    /// The mapping cannot be written, and a segment can.
    #[error("a mapping for reading only cannot be cut into memory segments")]
    ReadOnlyMapping,
}

/// Why bytes did not get through between a segment and a stream.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The range is not the segment's; the stream was not touched.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The stream failed or came to its end; a part of the bytes may have got through.
    #[error("cannot transfer {length} bytes between a memory segment and a stream: {source}")]
    Stream {
        /// The bytes that were to get through.
        length: usize,
        /// Why they did not.
        source: io::Error,
    },
}
