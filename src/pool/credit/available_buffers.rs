//! The buffers of a channel in which nothing lies yet, and how many it should have.
//!
//! Mirrors `BufferManager.AvailableBufferQueue`. Floating buffers are taken first, so that the channel's own remain for
//! what can't wait for others.

use std::{collections::VecDeque, mem};

use crate::pool::buffer::{Buffer, NetworkSegment};

/// What the channel does to have as many buffers as it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Asking {
    /// It has enough.
    #[default]
    Nothing,
    /// A thread requests buffers.
    Requesting,
    /// A thread has itself put on the pool's list. What is told meanwhile is not lost.
    Registering,
    /// It was told of a buffer before it knew that it was on the list.
    Told,
    /// It is on the list and requests nothing.
    Waiting,
}

/// See the module.
#[derive(Default)]
pub(super) struct AvailableBuffers {
    pub(super) floating: VecDeque<Buffer>,
    pub(super) exclusive: Vec<NetworkSegment>,
    /// How many there should be.
    pub(super) required: usize,
    pub(super) asking: Asking,
    /// Exclusive buffers that come back to a released channel are gathered, to go home together.
    pub(super) gathers: bool,
}

/// A buffer that was taken.
pub(super) enum Taken {
    Floating(Buffer),
    Exclusive(NetworkSegment),
}

impl AvailableBuffers {
    /// How many there are.
    pub(super) fn available(&self) -> usize {
        self.floating.len() + self.exclusive.len()
    }

    pub(super) fn is_short(&self) -> bool {
        self.available() < self.required
    }

    /// Whether the caller is to ask for more. Only one thread does at a time, and none while the channel waits.
    pub(super) fn begin_asking(&mut self) -> bool {
        let begins = self.asking == Asking::Nothing && self.is_short();
        if begins {
            self.asking = Asking::Requesting;
        }
        begins
    }

    /// Takes one, of which one less is needed then.
    pub(super) fn take(&mut self) -> Option<Taken> {
        // More may be there than are required: what the sender had when it told may have gone to others.
        self.required = self.required.saturating_sub(1);
        let floating = self.floating.pop_front().map(Taken::Floating);
        floating.or_else(|| self.exclusive.pop().map(Taken::Exclusive))
    }

    /// Puts an exclusive buffer back, and yields the floating one that is too many now.
    pub(super) fn put_back(&mut self, segment: NetworkSegment) -> Option<Buffer> {
        self.exclusive.push(segment);
        (self.available() > self.required)
            .then(|| self.floating.pop_front())
            .flatten()
    }

    /// Takes all floating buffers, of which none is needed.
    pub(super) fn take_floating(&mut self) -> VecDeque<Buffer> {
        self.required = 0;
        mem::take(&mut self.floating)
    }
}
