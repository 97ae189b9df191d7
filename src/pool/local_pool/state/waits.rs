//! The requests to a local pool that wait.

use std::sync::Arc;

use super::LocalCore;
use crate::pool::{
    aftermath::Aftermath,
    arena::Token,
    availability::{WaitEnd, WaitLimit},
    local_pool::LocalPoolError,
    network_pool::NetworkPoolError,
};

impl LocalCore {
    /// As [`request`](Self::request), and waits until the pool is available when it has none to give.
    pub(in crate::pool::local_pool) fn request_blocking(
        self: &Arc<Self>,
        channel: u32,
        limit: WaitLimit<'_>,
    ) -> Result<Token, LocalPoolError> {
        let wait = limit.start();
        loop {
            if let Some(token) = self.request(channel)? {
                return Ok(token);
            }
            let next = self.state.lock().availability.next();
            match next.map_or(WaitEnd::Happened, |next| wait.wait([&next])) {
                WaitEnd::Happened => {}
                WaitEnd::Cancelled => {
                    return Err(LocalPoolError::Interrupted {
                        label: Arc::clone(&self.label),
                    });
                }
                WaitEnd::TimedOut => {
                    return Err(LocalPoolError::Timeout {
                        label: Arc::clone(&self.label),
                    });
                }
            }
        }
    }

    /// Waits until the pool holds so many segments.
    pub(in crate::pool::local_pool) fn reserve(
        self: &Arc<Self>,
        number: usize,
        limit: WaitLimit<'_>,
    ) -> Result<(), LocalPoolError> {
        if number > self.required {
            return Err(LocalPoolError::AboveRequired {
                label: Arc::clone(&self.label),
                reserved: number,
                required: self.required,
            });
        }
        let missing = {
            let state = self.state.lock();
            if state.destroyed {
                return Err(self.destroyed_error());
            }
            number.saturating_sub(state.requested)
        };
        if missing == 0 {
            return Ok(());
        }
        // Flink waits with the pool's lock held, and nobody can look at the pool meanwhile.
        let tokens = self
            .network
            .collect(missing, limit, Some(&self.destroyed))
            .map_err(|source| match source {
                NetworkPoolError::Destroyed if self.destroyed.has_happened() => {
                    self.destroyed_error()
                }
                source => LocalPoolError::Reserve {
                    label: Arc::clone(&self.label),
                    source: Box::new(source),
                },
            })?;
        let mut aftermath = Aftermath::default();
        let destroyed = {
            let mut state = self.state.lock();
            for token in tokens {
                // Some may have been fetched ahead while this one waited.
                if state.destroyed || state.requested >= number {
                    self.network.release(token, &mut aftermath);
                } else {
                    self.welcome(&mut state, token, &mut aftermath);
                }
            }
            self.settle(&mut state, &mut aftermath);
            state.destroyed
        };
        aftermath.run();
        if destroyed {
            Err(self.destroyed_error())
        } else {
            Ok(())
        }
    }
}
