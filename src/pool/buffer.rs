//! Buffers: segments with a content, shared by counting references, and their read-only slices.
//!
//! Mirrors `Buffer`, `NetworkBuffer` and `ReadOnlySlicedNetworkBuffer`. Flink's buffer is one object with a count, and
//! whoever holds it may set its size; here a buffer is a handle, each handle has its own indices, and the memory alone
//! is shared. So a slice is no kind of its own but a handle that shows a part and may not write.
//!
//! The rule: the range that a buffer shows is written by nobody but its holder, and by him only while there is no other
//! handle. What a builder still writes is shown by no buffer.

mod builder;
mod consumer;
mod data_type;
mod network_segment;
mod partial_record;
mod position;
pub(super) mod reference;

use std::{fmt, io::Cursor, ops::Range, sync::Arc};

pub use builder::{BufferBuilder, BuilderError};
pub use consumer::{BufferConsumer, SkipError};
pub use data_type::DataType;
pub use network_segment::NetworkSegment;
pub use partial_record::{BufferConsumerWithPartialRecordLength, PartialRecordError};
use reference::SegmentReference;

use super::arena::Token;

/// Takes a segment when its last buffer was dropped, instead of the pool that it came from.
///
/// Mirrors `BufferRecycler`. A segment is given once; who wants it again takes it `with_recycler(self)`.
pub trait BufferRecycler: Send + Sync {
    /// The segment is the recycler's now. To drop it sends it home.
    fn recycle(self: Arc<Self>, segment: NetworkSegment);
}

/// Why a buffer cannot be used so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BufferError {
    /// A slice was to be written.
    #[error("a read-only slice of {size} bytes cannot be written")]
    ReadOnly {
        /// The size of the slice.
        size: usize,
    },
    /// Others read the buffer.
    #[error("a buffer with {references} references cannot be written")]
    Shared {
        /// How many references there are, this one included.
        references: u32,
    },
    /// An index outside of the buffer.
    #[error("bytes {start} to {end} are outside of a buffer of {capacity} bytes")]
    OutOfBounds {
        /// The first byte.
        start: usize,
        /// The byte after the last one.
        end: usize,
        /// What there is.
        capacity: usize,
    },
    /// A part of a compressed buffer, which means nothing without the rest.
    #[error("bytes {start} to {end} of a compressed buffer of {size} bytes mean nothing alone")]
    Compressed {
        /// The first byte.
        start: usize,
        /// The byte after the last one.
        end: usize,
        /// The whole.
        size: usize,
    },
}

/// A handle of a segment, or of a part of it, with a content.
///
/// Dropping the last handle recycles the segment. [`Buffer::retain`] makes another handle.
pub struct Buffer {
    reference: SegmentReference,
    /// Where this handle's range begins in the segment, and how long it is.
    start: u32,
    max_capacity: u32,
    /// How much of the range has a content, and where the reader stands.
    size: u32,
    reader_index: u32,
    data_type: DataType,
    compressed: bool,
    read_only: bool,
}

impl Buffer {
    /// An empty buffer over a whole segment.
    #[must_use]
    pub fn new(segment: NetworkSegment, data_type: DataType) -> Self {
        Self::over(segment.into_reference(), data_type)
    }

    #[inline]
    pub(super) fn of_token(token: Token, channel: u32) -> Self {
        Self::over(SegmentReference::new(token, channel), DataType::Data)
    }

    #[inline]
    fn over(reference: SegmentReference, data_type: DataType) -> Self {
        let max_capacity = reference.entry().size_bytes();
        Self {
            reference,
            start: 0,
            max_capacity,
            size: 0,
            reader_index: 0,
            data_type,
            compressed: false,
            read_only: false,
        }
    }

    /// A full buffer over bytes of the heap: events travel so, which take nothing from a pool.
    ///
    /// # Errors
    /// When there are more than 2^31 - 1 bytes.
    pub fn of_bytes(bytes: Vec<u8>, data_type: DataType) -> Result<Self, BufferError> {
        let size = match i32::try_from(bytes.len()) {
            Ok(size) => size.unsigned_abs(),
            Err(_) => {
                return Err(BufferError::OutOfBounds {
                    start: 0,
                    end: bytes.len(),
                    capacity: i32::MAX as usize,
                });
            }
        };
        let segment = NetworkSegment::of_box(bytes.into_boxed_slice(), size);
        let mut buffer = Self::new(segment, data_type);
        buffer.size = size;
        Ok(buffer)
    }

    /// A full, read-only buffer over a part that nobody writes any more.
    fn of_part(reference: SegmentReference, part: Range<u32>, data_type: DataType) -> Self {
        let length = part.end - part.start;
        Self {
            reference,
            start: part.start,
            max_capacity: length,
            size: length,
            reader_index: 0,
            data_type,
            compressed: false,
            read_only: true,
        }
    }

    /// One more handle of the same memory, with indices of its own that start as these are.
    #[must_use]
    pub fn retain(&self) -> Self {
        Self {
            reference: self.reference.retain(),
            ..*self
        }
    }

    /// How many handles of the segment there are: buffers, slices, builders and consumers.
    #[must_use]
    pub fn reference_count(&self) -> u32 {
        self.reference.count()
    }

    /// A full handle of a part that cannot be written, for as long as it lives. Its type and its compression are this
    /// one's; it may reach beyond this one's size, but not beyond its capacity.
    ///
    /// # Errors
    /// `OutOfBounds` beyond the capacity; `Compressed` for a part of a compressed buffer.
    pub fn read_only_slice(&self, start: usize, length: usize) -> Result<Self, BufferError> {
        let end = start.saturating_add(length);
        let capacity = self.max_capacity();
        if end > capacity {
            return Err(BufferError::OutOfBounds {
                start,
                end,
                capacity,
            });
        }
        if self.compressed && (start != 0 || end != self.size()) {
            return Err(BufferError::Compressed {
                start,
                end,
                size: self.size(),
            });
        }
        // Both fit, because the capacity does.
        let (start, end) = (self.start + start as u32, self.start + end as u32);
        let mut slice = Self::of_part(self.reference.retain(), start..end, self.data_type);
        slice.compressed = self.compressed;
        Ok(slice)
    }

    /// Where the first byte of this handle lies in the segment.
    #[must_use]
    pub fn memory_offset(&self) -> usize {
        self.start as usize
    }

    /// Whether both handles are of the same segment.
    #[must_use]
    pub fn shares_segment_with(&self, other: &Self) -> bool {
        std::ptr::eq(self.reference.entry(), other.reference.entry())
    }

    /// What the buffer carries.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        self.data_type
    }

    /// Says what the buffer carries.
    pub fn set_data_type(&mut self, data_type: DataType) {
        self.data_type = data_type;
    }

    /// Whether the content is compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Says whether the content is compressed.
    pub fn set_compressed(&mut self, compressed: bool) {
        self.compressed = compressed;
    }

    /// Whether it is a slice, which nobody can write.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// How many bytes the handle's range has.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.max_capacity as usize
    }

    /// How many bytes have a content.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size as usize
    }

    /// Says how many bytes have a content.
    ///
    /// # Errors
    /// `ReadOnly` for a slice, whose size is fixed; `OutOfBounds` for a size below the reader's index or above the
    /// capacity.
    pub fn set_size(&mut self, size: usize) -> Result<(), BufferError> {
        if self.read_only {
            return Err(BufferError::ReadOnly { size: self.size() });
        }
        self.size = self.index(size, self.reader_index..=self.max_capacity)?;
        Ok(())
    }

    /// Where the reader stands.
    #[must_use]
    pub fn reader_index(&self) -> usize {
        self.reader_index as usize
    }

    /// Says where the reader stands.
    ///
    /// # Errors
    /// `OutOfBounds` beyond the size.
    pub fn set_reader_index(&mut self, index: usize) -> Result<(), BufferError> {
        self.reader_index = self.index(index, 0..=self.size)?;
        Ok(())
    }

    fn index(
        &self,
        index: usize,
        allowed: std::ops::RangeInclusive<u32>,
    ) -> Result<u32, BufferError> {
        u32::try_from(index)
            .ok()
            .filter(|index| allowed.contains(index))
            .ok_or(BufferError::OutOfBounds {
                start: *allowed.start() as usize,
                end: index,
                capacity: *allowed.end() as usize,
            })
    }

    /// How many bytes the reader has before it.
    #[must_use]
    pub fn readable_bytes(&self) -> usize {
        self.size() - self.reader_index()
    }

    /// What the reader has before it.
    #[must_use]
    pub fn readable(&self) -> &[u8] {
        &self.memory()[self.reader_index()..self.size()]
    }

    /// What the reader has before it, with a position of its own.
    #[must_use]
    pub fn reader(&self) -> Cursor<&[u8]> {
        Cursor::new(self.readable())
    }

    /// The whole range, with or without content.
    #[must_use]
    #[allow(unsafe_code)]
    pub fn memory(&self) -> &[u8] {
        // SAFETY: the range lies inside the segment (`over`, `of_part`, `read_only_slice`).
        let first = unsafe { self.reference.entry().address().add(self.start as usize) };
        // SAFETY: as above, and writing it takes `&mut` of the only handle; a builder's part is never in a range.
        unsafe { std::slice::from_raw_parts(first.as_ptr(), self.max_capacity()) }
    }

    /// The whole range, to write.
    ///
    /// # Errors
    /// `ReadOnly` for a slice; `Shared` while there are other handles.
    #[allow(unsafe_code)]
    pub fn memory_mut(&mut self) -> Result<&mut [u8], BufferError> {
        if self.read_only {
            return Err(BufferError::ReadOnly { size: self.size() });
        }
        if !self.reference.is_unique() {
            return Err(BufferError::Shared {
                references: self.reference_count(),
            });
        }
        // SAFETY: as in `memory`.
        let first = unsafe { self.reference.entry().address().add(self.start as usize) };
        // SAFETY: this is the only handle, and it is borrowed alone.
        Ok(unsafe { std::slice::from_raw_parts_mut(first.as_ptr(), self.max_capacity()) })
    }

    /// Gives up this handle, and yields the token of the segment when it was the last one.
    pub(super) fn into_token(self) -> Option<Token> {
        self.reference.into_token()
    }
}

impl From<NetworkSegment> for Buffer {
    fn from(segment: NetworkSegment) -> Self {
        Self::new(segment, DataType::Data)
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Buffer")
            .field("data_type", &self.data_type)
            .field("size", &self.size)
            .field("reader_index", &self.reader_index)
            .field("max_capacity", &self.max_capacity)
            .field("compressed", &self.compressed)
            .field("read_only", &self.read_only)
            .field("reference_count", &self.reference_count())
            .finish()
    }
}
