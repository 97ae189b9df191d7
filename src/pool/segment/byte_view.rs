//! A view of bytes with a position and a limit, as Java's `ByteBuffer` is one: what segments copy to and from in pieces.

use super::SegmentError;

/// Bytes, of which those from a position up to a limit are next; see the [module](self).
#[derive(Debug)]
pub struct ByteView<'a> {
    bytes: Access<'a>,
    position: usize,
    limit: usize,
}

#[derive(Debug)]
enum Access<'a> {
    ReadOnly(&'a [u8]),
    Writable(&'a mut [u8]),
}

impl<'a> ByteView<'a> {
    /// A view of all the bytes, for reading.
    #[must_use]
    pub fn read_only(bytes: &'a [u8]) -> Self {
        Self {
            position: 0,
            limit: bytes.len(),
            bytes: Access::ReadOnly(bytes),
        }
    }

    /// A view of all the bytes, for reading and writing.
    #[must_use]
    pub fn writable(bytes: &'a mut [u8]) -> Self {
        Self {
            position: 0,
            limit: bytes.len(),
            bytes: Access::Writable(bytes),
        }
    }

    /// The same view with another position and limit.
    ///
    /// # Errors
    /// When the position is behind the limit, or the limit behind the end.
    pub fn between(mut self, position: usize, limit: usize) -> Result<Self, SegmentError> {
        let size = self.bytes().len();
        if position > limit || limit > size {
            return Err(SegmentError::IllegalView {
                position,
                limit,
                size,
            });
        }
        (self.position, self.limit) = (position, limit);
        Ok(self)
    }

    /// Which byte is next.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// The first byte that is not part of the rest.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many bytes there are from the position up to the limit.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.limit - self.position
    }

    /// All bytes, whatever the position and the limit are.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Access::ReadOnly(bytes) => bytes,
            Access::Writable(bytes) => bytes,
        }
    }

    /// All bytes for writing, whatever the position and the limit are.
    ///
    /// # Errors
    /// When the view is for reading.
    pub fn bytes_mut(&mut self) -> Result<&mut [u8], SegmentError> {
        match &mut self.bytes {
            Access::ReadOnly(_) => Err(SegmentError::ReadOnly),
            Access::Writable(bytes) => Ok(bytes),
        }
    }

    pub(super) fn check_writable(&self) -> Result<(), SegmentError> {
        match self.bytes {
            Access::ReadOnly(_) => Err(SegmentError::ReadOnly),
            Access::Writable(_) => Ok(()),
        }
    }

    /// The next `length` bytes.
    pub(super) fn next(&self, length: usize) -> Result<&[u8], SegmentError> {
        let remaining = self.remaining();
        self.bytes()[self.position..self.limit]
            .get(..length)
            .ok_or(SegmentError::Underflow {
                wanted: length,
                remaining,
            })
    }

    /// The next `length` bytes, for writing.
    pub(super) fn next_mut(&mut self, length: usize) -> Result<&mut [u8], SegmentError> {
        let remaining = self.remaining();
        let (position, limit) = (self.position, self.limit);
        self.bytes_mut()?[position..limit]
            .get_mut(..length)
            .ok_or(SegmentError::Overflow {
                wanted: length,
                remaining,
            })
    }

    /// Moves on by bytes that were just taken or put.
    pub(super) fn advance(&mut self, length: usize) {
        debug_assert!(length <= self.remaining(), "they were the next bytes");
        self.position += length;
    }
}
