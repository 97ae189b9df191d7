//! The input of a task: channels that share floating buffers.
//!
//! Mirrors the buffers of `SingleInputGate`: what it takes before the task starts, and gives back at the end.

use std::sync::Arc;

use super::{
    credit::{ChannelError, RemoteInputChannel},
    local_pool::{LocalBufferPool, LocalPoolError, LocalPoolSpec},
    network_pool::{NetworkBufferPool, NetworkPoolError},
};
use crate::budget::network::GateBuffers;

/// Why a gate can't be set up. What it had taken is given back.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The network pool gives no pool for the floating buffers.
    #[error(transparent)]
    FloatingBuffers(#[from] NetworkPoolError),
    /// The first floating buffer does not come.
    #[error(transparent)]
    FirstBuffer(#[from] LocalPoolError),
    /// A channel does not get its exclusive buffers.
    #[error("channel {channel}: {source}")]
    Channel {
        /// Which one.
        channel: usize,
        /// Why.
        source: ChannelError,
    },
}

/// The channels of a gate and their pool. Dropped, it is closed.
pub struct InputGate {
    // Before the pool, so that their floating buffers are back when it ends.
    channels: Vec<Arc<RemoteInputChannel>>,
    pool: LocalBufferPool,
}

impl InputGate {
    /// Takes what a gate of so many channels needs, in Flink's order: the pool, one floating buffer, the exclusive
    /// buffers of each channel.
    ///
    /// # Errors
    /// See [`GateError`].
    pub fn set_up(
        network_pool: &NetworkBufferPool,
        buffers: &GateBuffers,
        channels: usize,
        label: &str,
    ) -> Result<Self, GateError> {
        let spec = LocalPoolSpec::new(
            count(buffers.required_floating),
            count(buffers.total_floating),
        );
        let pool = network_pool.create_buffer_pool(spec.labelled(label))?;
        pool.reserve_segments(1)?;
        let exclusive = count(buffers.exclusive_per_channel);
        let channels = (0..channels)
            .map(|channel| {
                let remote = RemoteInputChannel::new(exclusive, network_pool, &pool);
                remote
                    .set_up()
                    .map_err(|source| GateError::Channel { channel, source })?;
                Ok(Arc::new(remote))
            })
            .collect::<Result<_, GateError>>()?;
        Ok(Self { channels, pool })
    }

    /// The channels, in their order.
    #[must_use]
    pub fn channels(&self) -> &[Arc<RemoteInputChannel>] {
        &self.channels
    }

    /// The pool of the floating buffers.
    #[must_use]
    pub fn pool(&self) -> &LocalBufferPool {
        &self.pool
    }

    /// What lies here or is on the way, in buffers: what debloating divides by.
    #[must_use]
    pub fn buffers_in_use(&self) -> usize {
        self.sum(RemoteInputChannel::buffers_in_use)
    }

    /// Exclusive buffers in which something lies, `inputExclusiveBuffersUsage`'s dividend.
    #[must_use]
    pub fn exclusive_buffers_used(&self) -> usize {
        self.sum(RemoteInputChannel::exclusive_buffers_used)
    }

    /// Floating buffers in which something lies, `inputFloatingBuffersUsage`'s dividend.
    #[must_use]
    pub fn floating_buffers_used(&self) -> usize {
        self.pool
            .number_of_used_buffers()
            .saturating_sub(self.sum(RemoteInputChannel::available_floating_buffers))
    }

    fn sum(&self, figure: impl Fn(&RemoteInputChannel) -> usize) -> usize {
        self.channels.iter().map(|channel| figure(channel)).sum()
    }

    /// Tells all senders to how many bytes to fill their buffers. A channel that was released meanwhile has none.
    ///
    /// # Errors
    /// What a channel that works otherwise can't do.
    pub fn announce_buffer_size(&self, bytes: usize) -> Result<(), ChannelError> {
        for channel in &self.channels {
            match channel.announce_buffer_size(bytes) {
                Ok(()) | Err(ChannelError::Released) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Releases the channels and ends the pool. It can be repeated.
    pub fn close(&self) {
        for channel in &self.channels {
            channel.release_all_resources();
        }
        self.pool.lazy_destroy();
    }
}

impl Drop for InputGate {
    fn drop(&mut self) {
        self.close();
    }
}

/// A number of buffers; more than there can be where it does not fit.
fn count(buffers: u64) -> usize {
    usize::try_from(buffers).unwrap_or(usize::MAX)
}
