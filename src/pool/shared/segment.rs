//! A segment that a client holds, and the word by which it is handed over.

use std::rc::Rc;

use super::client::Inner;
use super::lane::Holding;
use super::steps::{Steps, Undisturbed};
use super::words::OwnerWord;

/// A segment of a shared pool, held by one client. It goes back to the pool when it is dropped.
///
/// Bytes are copied in and out: other processes map them too, and a reference would promise that they do not change.
/// Each access asks the owner word whether the segment is still this client's, because the agent may have ended the
/// lease meanwhile. That the others keep to the owner words is what processes that share a pool trust each other for.
#[derive(Debug)]
pub struct SharedSegment<S: Steps = Undisturbed> {
    inner: Rc<Inner<S>>,
    holding: Holding,
}

/// An access that was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Not all bytes are in the segment.
    #[error("bytes {offset} to {end} are not all in a segment of {segment_bytes} bytes", end = offset.saturating_add(*length))]
    OutOfBounds {
        /// The first byte.
        offset: usize,
        /// How many.
        length: usize,
        /// The segment's size.
        segment_bytes: usize,
    },
    /// The agent took the segment away from the client.
    #[error("segment {segment} was reclaimed from this client")]
    Reclaimed {
        /// The segment.
        segment: u32,
    },
}

/// What one client gives another one, by whatever way, so that it can take a segment over.
///
/// It is a claim and no segment: it holds nothing, can be copied, and works once at most. Until somebody takes it over,
/// the segment stays the first client's and comes back when that one's lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handed {
    segment: u32,
    word: u64,
}

impl<S: Steps> SharedSegment<S> {
    pub(super) fn new(inner: Rc<Inner<S>>, holding: Holding) -> Self {
        Self { inner, holding }
    }

    /// Which segment of the pool it is.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.holding.segment
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.inner.segment_bytes()
    }

    /// Copies the bytes from `offset` on into `into`, as many as fit there.
    ///
    /// # Errors
    /// When not all of them are in the segment, or the segment was reclaimed before they were all read; `into` is not to
    /// be used then.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), SegmentError> {
        self.check()?;
        let length = into.len();
        if !self.inner.data.read(self.holding.segment, offset, into) {
            return Err(self.out_of_bounds(offset, length));
        }
        // Not before the bytes were read.
        super::memory::fence(super::memory::Ordering::Acquire);
        self.check()
    }

    /// Copies `from` into the segment from `offset` on.
    ///
    /// # Errors
    /// When it does not fit, or the segment was reclaimed. If that happens during the copy, another client may find some
    /// of these bytes in a segment that it has just taken and not yet written.
    pub fn write(&mut self, offset: usize, from: &[u8]) -> Result<(), SegmentError> {
        self.check()?;
        if !self.inner.data.write(self.holding.segment, offset, from) {
            return Err(self.out_of_bounds(offset, from.len()));
        }
        self.check()
    }

    /// Gives the segment to whoever adopts what this answers. The bytes stay as they are.
    ///
    /// Until then it counts as this client's. If nobody can adopt it any more, this client can.
    #[must_use = "whoever adopts it gets the segment; nobody else does"]
    pub fn hand_over(mut self) -> Handed {
        self.inner.hand_over(self.holding);
        let Holding { segment, word } = self.holding;
        self.holding.word = OwnerWord::NOBODY;
        Handed {
            segment,
            word: word.bits(),
        }
    }

    fn check(&self) -> Result<(), SegmentError> {
        if self.inner.holds(self.holding) {
            Ok(())
        } else {
            Err(SegmentError::Reclaimed {
                segment: self.holding.segment,
            })
        }
    }

    fn out_of_bounds(&self, offset: usize, length: usize) -> SegmentError {
        SegmentError::OutOfBounds {
            offset,
            length,
            segment_bytes: self.size(),
        }
    }
}

impl<S: Steps> Drop for SharedSegment<S> {
    #[inline]
    fn drop(&mut self) {
        if !self.holding.word.is_free() {
            self.inner.release(self.holding);
        }
    }
}

impl Handed {
    /// The bytes of a claim in a message.
    pub const BYTES: usize = 12;

    /// Which segment it is about.
    #[must_use]
    pub fn segment(&self) -> u32 {
        self.segment
    }

    /// The claim as bytes, for whatever way it goes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (segment, word) = bytes.split_at_mut(4);
        segment.copy_from_slice(&self.segment.to_le_bytes());
        word.copy_from_slice(&self.word.to_le_bytes());
        bytes
    }

    /// The claim that came as these bytes. Any bytes are a claim; one that was never handed over is never fulfilled.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, c, d, word @ ..] = bytes;
        Self {
            segment: u32::from_le_bytes([a, b, c, d]),
            word: u64::from_le_bytes(word),
        }
    }

    pub(super) fn holding(self) -> Holding {
        Holding {
            segment: self.segment,
            word: OwnerWord::from_bits(self.word),
        }
    }
}
