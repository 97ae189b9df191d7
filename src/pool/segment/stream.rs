//! Bytes between a segment and a stream, which stands for Flink's `DataInput` and `DataOutput`.

use std::io::{Read, Write};

use super::{MemorySegment, TransferError};

impl MemorySegment {
    /// Writes `length` bytes from `index` on to the stream.
    ///
    /// # Errors
    /// When the range is out of bounds or the segment was freed, before the stream is touched; and the stream's refusal.
    pub fn get_to_stream(
        &self,
        stream: &mut impl Write,
        index: usize,
        length: usize,
    ) -> Result<(), TransferError> {
        self.check(index, length)?;
        stream
            .write_all(&self.as_ref()[index..index + length])
            .map_err(|source| TransferError::Stream { length, source })
    }

    /// Reads `length` bytes from the stream to `index`.
    ///
    /// # Errors
    /// When the range is out of bounds or the segment was freed, before the stream is touched; and the stream's refusal,
    /// of the kind [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof) where it has fewer bytes. What the range holds
    /// is not known then.
    pub fn put_from_stream(
        &mut self,
        stream: &mut impl Read,
        index: usize,
        length: usize,
    ) -> Result<(), TransferError> {
        self.check(index, length)?;
        stream
            .read_exact(&mut self.as_mut()[index..index + length])
            .map_err(|source| TransferError::Stream { length, source })
    }
}
