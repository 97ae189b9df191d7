//! What a pool's operation leaves to be done when it holds no lock any more.
//!
//! Completing a future and calling a listener run other people's code, which may call into a pool. Flink had deadlocks
//! of both kinds (FLINK-9676), so here an operation cannot do either while it holds a lock: it can only note it down.

use std::sync::Arc;

use super::{
    arena::Token,
    availability::Event,
    buffer::{Buffer, reference::NO_CHANNEL},
    local_pool::BufferListener,
};

/// Noted down while locks were held, and done by [`Aftermath::run`] when none is.
#[derive(Default)]
#[must_use = "those who wait must be woken, once no lock is held"]
pub(super) struct Aftermath {
    events: Vec<Arc<Event>>,
    offers: Vec<(Arc<dyn BufferListener>, Token)>,
    farewells: Vec<Arc<dyn BufferListener>>,
}

impl Aftermath {
    /// Those who wait for the event are woken.
    pub(super) fn complete(&mut self, event: Option<Arc<Event>>) {
        self.events.extend(event);
    }

    /// The listener is offered a segment.
    pub(super) fn offer(&mut self, listener: Arc<dyn BufferListener>, token: Token) {
        self.offers.push((listener, token));
    }

    /// The listener is told that the pool is gone.
    pub(super) fn farewell(&mut self, listener: Arc<dyn BufferListener>) {
        self.farewells.push(listener);
    }

    /// Does all that was noted down. The caller holds no lock.
    pub(super) fn run(self) {
        for event in self.events {
            event.complete();
        }
        for (listener, token) in self.offers {
            // A refused buffer is dropped, and thereby recycled: to the next listener, or into the pool.
            drop(listener.buffer_available(Buffer::of_token(token, NO_CHANNEL)));
        }
        for listener in self.farewells {
            listener.pool_destroyed();
        }
    }
}
