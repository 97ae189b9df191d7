//! One of the references to a segment, and what happens when the last one goes.
//!
//! The count of references lies beside the segment table, as the number of references beyond the first. A reference
//! knows whether it was ever one of several: as long as it was not, nothing is counted and nothing compared.

use std::{mem, ptr::NonNull, sync::Arc};

use crate::pool::{
    arena::{Entry, Home, Token},
    buffer::NetworkSegment,
    local_pool::LocalCore,
    network_pool::NetworkCore,
    sync::atomic::Ordering,
};

/// The channel of a segment that was taken for none.
pub(in crate::pool) const NO_CHANNEL: u32 = u32::MAX;

/// A share in a segment. The last share that goes sends the segment home.
pub(in crate::pool) struct SegmentReference {
    entry: NonNull<Entry>,
    /// The channel whose count goes down when the segment goes home.
    channel: u32,
    /// Whether there ever was another reference. Its own atomic and not a loom one: it belongs to this reference alone
    /// and is atomic only because `retain` takes `&self`.
    was_shared: std::sync::atomic::AtomicBool,
}

// SAFETY: a reference is a token that others may have a share in, and a token may change its thread. What shares have in
// common is atomic, or read by all and written by none.
#[allow(unsafe_code)]
unsafe impl Send for SegmentReference {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for SegmentReference {}

impl SegmentReference {
    /// The only reference to the segment of a token.
    #[inline]
    pub(in crate::pool) fn new(token: Token, channel: u32) -> Self {
        Self {
            entry: token.into_raw(),
            channel,
            was_shared: std::sync::atomic::AtomicBool::new(false),
        }
    }

    /// What everybody may know of the segment.
    #[allow(unsafe_code)]
    pub(super) fn entry(&self) -> &Entry {
        // SAFETY: the entry lives as long as the segment's home is kept, and that is until the last reference goes.
        unsafe { self.entry.as_ref() }
    }

    /// How long the segment is.
    pub(super) fn size_bytes(&self) -> usize {
        self.entry().size_bytes() as usize
    }

    /// One more reference to the same segment.
    ///
    /// # Panics
    /// When there are 2^31 references, which no program can hold without having forgotten some.
    #[inline]
    pub(super) fn retain(&self) -> Self {
        let others = self
            .entry()
            .extra_references
            .fetch_add(1, Ordering::Relaxed);
        assert!(others < u32::MAX / 2, "a segment has 2^31 references");
        self.was_shared.store(true, Ordering::Relaxed);
        Self {
            entry: self.entry,
            channel: self.channel,
            was_shared: std::sync::atomic::AtomicBool::new(true),
        }
    }

    /// How many references there are.
    pub(super) fn count(&self) -> u32 {
        self.entry().extra_references.load(Ordering::Acquire) + 1
    }

    /// Whether this is the only reference. Only its holder could make another one.
    pub(super) fn is_unique(&self) -> bool {
        // Acquire: what the others read was read before this one writes.
        !self.was_shared.load(Ordering::Relaxed) || self.count() == 1
    }

    /// Gives up this reference, and yields the token when it was the last one.
    #[inline]
    pub(in crate::pool) fn into_token(mut self) -> Option<Token> {
        let token = self.release();
        mem::forget(self);
        token
    }

    #[inline]
    #[allow(unsafe_code)]
    fn release(&mut self) -> Option<Token> {
        if *self.was_shared.get_mut() {
            let others = &self.entry().extra_references;
            // The last one has nobody to race with, and needs no read-modify-write.
            if others.load(Ordering::Acquire) > 0 {
                if others.fetch_sub(1, Ordering::AcqRel) > 0 {
                    return None;
                }
                // Two left at the same moment, and this one after the other: the count went below nothing.
                others.store(0, Ordering::Relaxed);
            }
        }
        // SAFETY: `new` had the token, and this was the last reference, so that there is no other way to it.
        Some(unsafe { Token::from_raw(self.entry) })
    }
}

impl Drop for SegmentReference {
    #[inline]
    fn drop(&mut self) {
        if let Some(token) = self.release() {
            send_home(token, self.channel);
        }
    }
}

/// Gives the segment to whoever asked for it, else to where it came from.
#[inline]
pub(super) fn send_home(token: Token, channel: u32) {
    if token.has_recycler() || !matches!(token.home(), Home::Local(_)) {
        send_elsewhere(token, channel);
    } else {
        LocalCore::take_back(token, channel);
    }
}

/// The same for a segment that somebody asked for, or that is of no local pool.
#[inline(never)]
fn send_elsewhere(mut token: Token, channel: u32) {
    if let Some(recycler) = token.take_recycler() {
        recycler.recycle(NetworkSegment::new(token));
        return;
    }
    match token.home() {
        Home::Local(_) => LocalCore::take_back(token, channel),
        Home::Network(network) => {
            let network = Arc::clone(network);
            network.recycle_pooled(token);
        }
        Home::Exclusive(network) => {
            let network = Arc::clone(network);
            NetworkCore::recycle_exclusive(&network, vec![token]);
        }
        Home::Heap => token.free(),
        // Only tokens in a free list have this home, and they have no references.
        Home::Free => debug_assert!(false, "a segment without a home had a reference"),
    }
}
