//! The writing end of a buffer that is read while it is filled.

use std::fmt;

use super::{
    BufferConsumer, DataType, NetworkSegment, position::Position, reference::SegmentReference,
};
use crate::pool::arena::Token;

/// Why a builder does not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuilderError {
    /// It was finished before.
    #[error("a builder that is finished with {written} bytes takes no more")]
    Finished {
        /// What it took before.
        written: usize,
    },
    /// It has a consumer, of which there is one; consumers can be copied.
    #[error("a builder has one consumer, and it was made already")]
    ConsumerExists,
}

/// Fills a segment from its start, and publishes what it wrote.
///
/// Mirrors `BufferBuilder`. One writer and one reader work at the same time without a lock: the reader sees what was
/// committed. Dropping the builder gives up its reference.
pub struct BufferBuilder {
    reference: SegmentReference,
    data_type: DataType,
    max_capacity: u32,
    /// What is written, of which the marker beside the segment tells what is published.
    position: Position,
    has_consumer: bool,
}

impl BufferBuilder {
    /// A builder over a whole segment.
    #[must_use]
    pub fn new(segment: NetworkSegment, data_type: DataType) -> Self {
        Self::over(segment.into_reference(), data_type)
    }

    #[inline]
    pub(in crate::pool) fn of_token(token: Token, channel: u32) -> Self {
        Self::over(SegmentReference::new(token, channel), DataType::Data)
    }

    #[inline]
    fn over(reference: SegmentReference, data_type: DataType) -> Self {
        Position::START.publish(&reference.entry().position);
        let max_capacity = reference.entry().size_bytes();
        Self {
            reference,
            data_type,
            max_capacity,
            position: Position::START,
            has_consumer: false,
        }
    }

    /// The consumer, which reads from where the builder stands.
    ///
    /// # Errors
    /// `ConsumerExists` the second time.
    pub fn create_consumer(&mut self) -> Result<BufferConsumer, BuilderError> {
        self.consumer_at(self.position.written)
    }

    /// The consumer, which reads from the start.
    ///
    /// # Errors
    /// `ConsumerExists` the second time.
    pub fn create_consumer_from_beginning(&mut self) -> Result<BufferConsumer, BuilderError> {
        self.consumer_at(0)
    }

    fn consumer_at(&mut self, reader_position: u32) -> Result<BufferConsumer, BuilderError> {
        if self.has_consumer {
            return Err(BuilderError::ConsumerExists);
        }
        self.has_consumer = true;
        Ok(BufferConsumer::new(
            self.reference.retain(),
            self.data_type,
            reader_position,
        ))
    }

    /// Writes as much as fits, and says how much that was. Nobody sees it before [`commit`](Self::commit).
    ///
    /// # Errors
    /// `Finished`.
    #[allow(unsafe_code)]
    pub fn append(&mut self, source: &[u8]) -> Result<usize, BuilderError> {
        if self.position.finished {
            return Err(BuilderError::Finished {
                written: self.written_bytes(),
            });
        }
        let length = source.len().min(self.writable_bytes());
        // SAFETY: `written <= max_capacity <= size of the segment` (`trim`), so this is inside or one past its end.
        let target = unsafe {
            let start = self.reference.entry().address();
            start.add(self.written_bytes())
        };
        // SAFETY: `length` more bytes are inside too. They are not published, so that no reader has a range over them,
        // and there is one builder; the source, which is readable elsewhere, is another memory.
        unsafe {
            std::ptr::copy_nonoverlapping(source.as_ptr(), target.as_ptr(), length);
        }
        // It fits, because the capacity does.
        self.position.written += length as u32;
        Ok(length)
    }

    /// Writes as much as fits and publishes it.
    ///
    /// # Errors
    /// `Finished`.
    pub fn append_and_commit(&mut self, source: &[u8]) -> Result<usize, BuilderError> {
        let length = self.append(source)?;
        self.commit();
        Ok(length)
    }

    /// Publishes what was written.
    pub fn commit(&mut self) {
        self.position.publish(&self.reference.entry().position);
    }

    /// Publishes what was written and says that no more will come; how much there is. It can be repeated.
    pub fn finish(&mut self) -> usize {
        self.position.finished = true;
        self.commit();
        self.written_bytes()
    }

    /// Limits what may be written to so many bytes, but not to less than is written, nor to more than the segment has.
    pub fn trim(&mut self, capacity: usize) {
        let size = self.reference.entry().size_bytes();
        let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
        self.max_capacity = capacity.max(self.position.written).min(size);
    }

    /// Whether the builder is finished.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.position.finished
    }

    /// Whether nothing more fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.position.written == self.max_capacity
    }

    /// How much is written, published or not.
    #[must_use]
    pub fn written_bytes(&self) -> usize {
        self.position.written as usize
    }

    /// How much fits.
    #[must_use]
    pub fn writable_bytes(&self) -> usize {
        (self.max_capacity - self.position.written) as usize
    }

    /// How much may be written in all.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.max_capacity as usize
    }

    /// How long the segment is, whatever the builder was trimmed to.
    #[must_use]
    pub fn segment_bytes(&self) -> usize {
        self.reference.size_bytes()
    }

    /// What the buffers will carry.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        self.data_type
    }

    /// Says what the buffers will carry. A consumer that exists keeps its answer.
    pub fn set_data_type(&mut self, data_type: DataType) {
        self.data_type = data_type;
    }

    /// How many handles of the segment there are.
    #[must_use]
    pub fn reference_count(&self) -> u32 {
        self.reference.count()
    }
}

impl fmt::Debug for BufferBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BufferBuilder")
            .field("data_type", &self.data_type)
            .field("written", &self.position.written)
            .field("finished", &self.position.finished)
            .field("max_capacity", &self.max_capacity)
            .finish()
    }
}
