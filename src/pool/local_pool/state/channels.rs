//! How many buffers each channel of a local pool has, and its limit.

use std::sync::Arc;

use super::{LocalCore, State};
use crate::pool::{
    buffer::reference::NO_CHANNEL, local_pool::LocalPoolError, sync::atomic::Ordering,
};

impl LocalCore {
    pub(in crate::pool::local_pool) fn channel(
        &self,
        channel: usize,
    ) -> Result<u32, LocalPoolError> {
        match u32::try_from(channel) {
            Ok(index) if channel < self.channels.len() => Ok(index),
            _ => Err(LocalPoolError::NoSuchChannel {
                label: Arc::clone(&self.label),
                channel,
                channels: self.channels.len(),
            }),
        }
    }

    pub(in crate::pool::local_pool) fn buffers_of_channel(&self, channel: u32) -> usize {
        self.channels
            .get(channel as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed) as usize)
    }

    pub(in crate::pool::local_pool) fn number_of_channels(&self) -> usize {
        self.channels.len()
    }

    /// The channel has one more buffer. Whether it reached its limit by it.
    #[inline]
    pub(super) fn enter_channel(&self, channel: u32) -> bool {
        // Who takes for no channel knows it beforehand, and nothing of this is left.
        channel != NO_CHANNEL
            && self.channels.get(channel as usize).is_some_and(|count| {
                let before = count.fetch_add(1, Ordering::Relaxed) as usize;
                before + 1 == self.max_buffers_per_channel
            })
    }

    /// The channel has one buffer less. Whether it left its limit by it.
    #[inline]
    pub(super) fn leave_channel(&self, channel: u32) -> bool {
        self.channels.get(channel as usize).is_some_and(|count| {
            let before = count.fetch_sub(1, Ordering::Relaxed) as usize;
            before == self.max_buffers_per_channel
        })
    }

    /// A channel reached its limit or left it.
    pub(super) fn count_limit(&self, state: &mut State, change: impl FnOnce(usize) -> usize) {
        if state.lying.is_plenty() {
            // All are counted anew, this one too.
            self.leave_plenty(state);
        } else {
            state.channels_at_limit = change(state.channels_at_limit);
        }
    }
}
