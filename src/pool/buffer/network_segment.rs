//! A whole segment in one hand.

use std::{
    fmt,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use super::{
    BufferRecycler,
    reference::{NO_CHANNEL, SegmentReference, send_home},
};
use crate::pool::arena::Token;

/// A segment that its holder alone has, to read and to write. Dropped, it goes back to where it came from.
///
/// Mirrors the segment and the recycler that a `NetworkBuffer` is made of. It becomes a [`Buffer`](super::Buffer) when
/// several are to read it, and a [`BufferBuilder`](super::BufferBuilder) when one is to read what another still writes.
///
/// It is as small as a pointer: to pass it to another thread is to pass an eighth of a cache line.
pub struct NetworkSegment {
    /// Of no channel, and never shared.
    token: ManuallyDrop<Token>,
}

impl NetworkSegment {
    #[inline]
    pub(in crate::pool) fn new(token: Token) -> Self {
        Self {
            token: ManuallyDrop::new(token),
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
        let mut token = self.into_token();
        token.set_recycler(recycler);
        Self::new(token)
    }

    pub(super) fn into_reference(self) -> SegmentReference {
        SegmentReference::new(self.into_token(), NO_CHANNEL)
    }

    #[inline]
    #[allow(unsafe_code)]
    pub(in crate::pool) fn into_token(self) -> Token {
        let mut segment = ManuallyDrop::new(self);
        // SAFETY: the segment is not dropped, so that nobody takes the token once more.
        unsafe { ManuallyDrop::take(&mut segment.token) }
    }
}

impl Drop for NetworkSegment {
    #[inline]
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: `into_token` takes it from segments that are not dropped, and nobody else does.
        let token = unsafe { ManuallyDrop::take(&mut self.token) };
        send_home(token, NO_CHANNEL);
    }
}

impl Deref for NetworkSegment {
    type Target = [u8];

    #[allow(unsafe_code)]
    fn deref(&self) -> &[u8] {
        let entry = self.token.entry();
        let (address, length) = (entry.address(), entry.size_bytes() as usize);
        // SAFETY: the segment is this long, initialised, and in this hand alone: writing it takes `&mut self`.
        unsafe { std::slice::from_raw_parts(address.as_ptr(), length) }
    }
}

impl DerefMut for NetworkSegment {
    #[allow(unsafe_code)]
    fn deref_mut(&mut self) -> &mut [u8] {
        let entry = self.token.entry();
        let (address, length) = (entry.address(), entry.size_bytes() as usize);
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(address.as_ptr(), length) }
    }
}

impl fmt::Debug for NetworkSegment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NetworkSegment({} bytes)", self.len())
    }
}
