//! A consumer whose buffer begins in the middle of a record.

use super::{Buffer, BufferConsumer, SkipError};

/// A buffer says that it begins with more of an earlier record than it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a buffer of {segment_bytes} bytes cannot begin with {partial_record_length} of a record")]
pub struct PartialRecordError {
    /// What it says.
    pub partial_record_length: usize,
    /// What it has.
    pub segment_bytes: usize,
    /// What could not be skipped.
    #[source]
    pub source: SkipError,
}

/// A consumer that knows how many of its first bytes belong to a record that began in an earlier buffer.
///
/// Mirrors `BufferConsumerWithPartialRecordLength`. When the earlier buffer is lost, because its reader failed, what is
/// left of that record means nothing and is left out.
#[derive(Debug)]
pub struct BufferConsumerWithPartialRecordLength {
    consumer: BufferConsumer,
    partial_record_length: usize,
}

impl BufferConsumerWithPartialRecordLength {
    /// The consumer of a buffer whose first bytes, so many, belong to an earlier record.
    #[must_use]
    pub fn new(consumer: BufferConsumer, partial_record_length: usize) -> Self {
        Self {
            consumer,
            partial_record_length,
        }
    }

    /// How many of the first bytes belong to an earlier record.
    #[must_use]
    pub fn partial_record_length(&self) -> usize {
        self.partial_record_length
    }

    /// The consumer.
    #[must_use]
    pub fn consumer(&self) -> &BufferConsumer {
        &self.consumer
    }

    /// As [`BufferConsumer::build`].
    #[must_use]
    pub fn build(&mut self) -> Buffer {
        self.consumer.build()
    }

    /// Leaves out what belongs to an earlier record, and says whether a record can begin in this buffer.
    ///
    /// False when the buffer has nothing else: then the next buffer must be asked too, also where the record ends with
    /// this one. A buffer of which something was read before begins where a record does.
    ///
    /// # Errors
    /// When the buffer has fewer bytes than it says belong to the record.
    pub fn cleanup_partial_record(&mut self) -> Result<bool, PartialRecordError> {
        if self.partial_record_length == 0 || !self.consumer.is_start_of_data_buffer() {
            return Ok(true);
        }
        let segment_bytes = self.consumer.segment_bytes();
        self.consumer
            .skip(self.partial_record_length)
            .map_err(|source| PartialRecordError {
                partial_record_length: self.partial_record_length,
                segment_bytes,
                source,
            })?;
        Ok(self.partial_record_length < segment_bytes)
    }
}
