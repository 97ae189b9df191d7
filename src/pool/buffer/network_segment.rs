//! A whole segment in one hand.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use super::{
    BufferRecycler,
    reference::{NO_CHANNEL, SegmentReference},
};
use crate::pool::arena::Token;

/// A segment that its holder alone has, to read and to write. Dropped, it goes back to where it came from.
///
/// Mirrors the segment and the recycler that a `NetworkBuffer` is made of. It becomes a [`Buffer`](super::Buffer) when
/// several are to read it, and a [`BufferBuilder`](super::BufferBuilder) when one is to read what another still writes.
pub struct NetworkSegment {
    /// Never retained.
    reference: SegmentReference,
}

impl NetworkSegment {
    #[inline]
    pub(in crate::pool) fn new(token: Token) -> Self {
        Self {
            reference: SegmentReference::new(token, NO_CHANNEL),
        }
    }

    /// A segment on the heap, all zeros, that belongs to no pool: for events, and for data that is already there.
    #[must_use]
    pub fn on_heap(size_bytes: u32) -> Self {
        Self::of_box(vec![0; size_bytes as usize].into_boxed_slice(), size_bytes)
    }

    pub(super) fn of_box(bytes: Box<[u8]>, size_bytes: u32) -> Self {
        debug_assert_eq!(bytes.len(), size_bytes as usize);
        Self::new(Token::of_heap(bytes, size_bytes))
    }

    /// Has the segment go to the recycler, once, when its last buffer is dropped; to its home then only if the recycler
    /// drops it.
    #[must_use]
    pub fn with_recycler(self, recycler: Arc<dyn BufferRecycler>) -> Self {
        let token = self.reference.into_token().map(|mut token| {
            token.set_recycler(recycler);
            token
        });
        match token {
            Some(token) => Self::new(token),
            None => unreachable!("a segment in one hand has one reference"),
        }
    }

    pub(super) fn into_reference(self) -> SegmentReference {
        self.reference
    }

    pub(in crate::pool) fn into_token(self) -> Option<Token> {
        self.reference.into_token()
    }
}

impl Deref for NetworkSegment {
    type Target = [u8];

    #[allow(unsafe_code)]
    fn deref(&self) -> &[u8] {
        let (address, length) = (
            self.reference.entry().address(),
            self.reference.size_bytes(),
        );
        // SAFETY: the segment is this long, initialised, and in this hand alone: writing it takes `&mut self`.
        unsafe { std::slice::from_raw_parts(address.as_ptr(), length) }
    }
}

impl DerefMut for NetworkSegment {
    #[allow(unsafe_code)]
    fn deref_mut(&mut self) -> &mut [u8] {
        let (address, length) = (
            self.reference.entry().address(),
            self.reference.size_bytes(),
        );
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(address.as_ptr(), length) }
    }
}

impl fmt::Debug for NetworkSegment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NetworkSegment({} bytes)", self.len())
    }
}
