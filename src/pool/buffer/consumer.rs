//! The reading end of a buffer that is still filled.

use std::fmt;

use super::{Buffer, DataType, position::Position, reference::SegmentReference};

/// More was to be skipped than is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot skip {skipped} bytes at {reader_position}: {written} are written")]
pub struct SkipError {
    /// How much was to be skipped.
    pub skipped: usize,
    /// Where the reader stood.
    pub reader_position: usize,
    /// What there is.
    pub written: usize,
}

/// Turns what a builder has committed into buffers, part by part.
///
/// Mirrors `BufferConsumer`. What it answers without `&mut` is what it saw at the last [`build`](Self::build) or
/// [`skip`](Self::skip), but for [`is_data_available`](Self::is_data_available). Dropping it gives up its reference.
pub struct BufferConsumer {
    reference: SegmentReference,
    data_type: DataType,
    /// What the last look at the marker saw.
    seen: Position,
    reader_position: u32,
}

impl BufferConsumer {
    pub(super) fn new(
        reference: SegmentReference,
        data_type: DataType,
        reader_position: u32,
    ) -> Self {
        Self {
            reference,
            data_type,
            seen: Position::START,
            reader_position,
        }
    }

    /// The consumer of a buffer that is full already, such as an event.
    #[must_use]
    pub fn of_buffer(buffer: Buffer) -> Option<Self> {
        // Positions count from the start of a segment.
        if buffer.memory_offset() > 0 {
            return None;
        }
        let end = Position {
            written: buffer.size,
            finished: true,
        };
        if buffer.reference.is_unique() {
            end.publish(&buffer.reference.entry().position);
        } else {
            return None;
        }
        Some(Self {
            data_type: buffer.data_type,
            seen: end,
            reader_position: buffer.reader_index,
            reference: buffer.reference,
        })
    }

    /// What was committed since the last time, as a read-only buffer. It may be empty.
    #[must_use]
    pub fn build(&mut self) -> Buffer {
        let start = self.reader_position;
        // A consumer may have been made before what precedes it was committed.
        let end = self.look().written.max(start);
        self.reader_position = end;
        // The range is committed, so that the builder writes it no more.
        Buffer::of_part(self.reference.retain(), start..end, self.data_type)
    }

    /// Leaves out so many bytes.
    ///
    /// # Errors
    /// When fewer are written; nothing is left out then.
    pub fn skip(&mut self, bytes: usize) -> Result<(), SkipError> {
        let written = self.look().written;
        let end = self.reader_position().saturating_add(bytes);
        match u32::try_from(end) {
            Ok(end) if end <= written => {
                self.reader_position = end;
                Ok(())
            }
            _ => Err(SkipError {
                skipped: bytes,
                reader_position: self.reader_position(),
                written: written as usize,
            }),
        }
    }

    fn look(&mut self) -> Position {
        // A position that is finished does not change any more.
        if !self.seen.finished {
            self.seen = Position::load(&self.reference.entry().position);
        }
        self.seen
    }

    /// Another consumer of the same segment that reads on from where this one stands.
    #[must_use]
    pub fn copy(&self) -> Self {
        self.copy_at(self.reader_position)
    }

    /// Another consumer of the same segment that reads from a position.
    ///
    /// # Errors
    /// When this one has not seen so many bytes.
    pub fn copy_with_reader_position(&self, reader_position: usize) -> Result<Self, SkipError> {
        match u32::try_from(reader_position) {
            Ok(position) if position <= self.seen.written.max(self.reader_position) => {
                Ok(self.copy_at(position))
            }
            _ => Err(SkipError {
                skipped: reader_position,
                reader_position: 0,
                written: self.written_bytes(),
            }),
        }
    }

    fn copy_at(&self, reader_position: u32) -> Self {
        Self {
            reference: self.reference.retain(),
            data_type: self.data_type,
            seen: self.seen,
            reader_position,
        }
    }

    /// Whether the builder was finished, as far as was seen.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.seen.finished
    }

    /// How much the builder has committed, as far as was seen.
    #[must_use]
    pub fn written_bytes(&self) -> usize {
        self.seen.written as usize
    }

    /// Whether there is something to build now.
    #[must_use]
    pub fn is_data_available(&self) -> bool {
        Position::load(&self.reference.entry().position).written > self.reader_position
    }

    /// Where the next buffer starts.
    #[must_use]
    pub fn reader_position(&self) -> usize {
        self.reader_position as usize
    }

    /// Whether it is data of which nothing was built.
    #[must_use]
    pub fn is_start_of_data_buffer(&self) -> bool {
        self.data_type.is_buffer() && self.reader_position == 0
    }

    /// What the buffers carry.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        self.data_type
    }

    /// How long the segment is.
    #[must_use]
    pub fn segment_bytes(&self) -> usize {
        self.reference.size_bytes()
    }

    /// How many handles of the segment there are.
    #[must_use]
    pub fn reference_count(&self) -> u32 {
        self.reference.count()
    }
}

impl fmt::Debug for BufferConsumer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BufferConsumer")
            .field("data_type", &self.data_type)
            .field("reader_position", &self.reader_position)
            .field("seen", &self.seen)
            .finish()
    }
}
