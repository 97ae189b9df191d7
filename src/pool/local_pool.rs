//! One gate's or one partition's share of the network memory.
//!
//! Mirrors `LocalBufferPool`, `BufferPool` and `BufferListener`. A pool is guaranteed its required number of segments,
//! may be given more, and gives them back as its buffers are recycled. It is available when a buffer can be had at once
//! and no channel has too many.

mod error;
mod spec;
mod state;

use std::{fmt, sync::Arc};

pub use error::LocalPoolError;
pub use spec::LocalPoolSpec;
pub(super) use state::LocalCore;

use super::{
    availability::{AvailableFuture, WaitLimit},
    buffer::{Buffer, BufferBuilder, NetworkSegment, reference::NO_CHANNEL},
};

/// Waits for a buffer of a pool that has none.
///
/// Mirrors `BufferListener`. Both are called when no lock of a pool is held, by the thread that recycles a buffer,
/// resizes or destroys the pool; neither may block.
pub trait BufferListener: Send + Sync {
    /// A buffer is there, and the listener is no longer registered.
    ///
    /// # Errors
    /// Gives the buffer back when it is not needed, to the next listener or to the pool.
    fn buffer_available(&self, buffer: Buffer) -> Result<(), Buffer>;

    /// The pool is gone, and no buffer will come.
    fn pool_destroyed(&self);
}

/// One gate's or one partition's share of the network memory. Clones are the same pool.
///
/// A pool ends with [`lazy_destroy`](Self::lazy_destroy), or when its last handle is dropped; its buffers stay valid and
/// go to the network pool when they are recycled.
#[derive(Clone)]
pub struct LocalBufferPool {
    handle: Arc<Handle>,
}

/// What the pool ends with.
struct Handle(Arc<LocalCore>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

impl LocalBufferPool {
    pub(super) fn new(core: Arc<LocalCore>) -> Self {
        Self {
            handle: Arc::new(Handle(core)),
        }
    }

    fn core(&self) -> &Arc<LocalCore> {
        &self.handle.0
    }

    /// A segment, or none when the pool has none to give now. Dropped, it is recycled.
    ///
    /// # Errors
    /// `Destroyed`.
    #[inline]
    pub fn request_segment(&self) -> Result<Option<NetworkSegment>, LocalPoolError> {
        Ok(self.core().request(NO_CHANNEL)?.map(NetworkSegment::new))
    }

    /// An empty buffer, or none when the pool has none to give now.
    ///
    /// # Errors
    /// `Destroyed`.
    #[inline]
    pub fn request_buffer(&self) -> Result<Option<Buffer>, LocalPoolError> {
        let token = self.core().request(NO_CHANNEL)?;
        Ok(token.map(|token| Buffer::of_token(token, NO_CHANNEL)))
    }

    /// A builder for no channel, or none when the pool has none to give now.
    ///
    /// # Errors
    /// `Destroyed`.
    #[inline]
    pub fn request_buffer_builder(&self) -> Result<Option<BufferBuilder>, LocalPoolError> {
        let token = self.core().request(NO_CHANNEL)?;
        Ok(token.map(|token| BufferBuilder::of_token(token, NO_CHANNEL)))
    }

    /// A builder for a channel, or none when the pool has none to give now. A channel at its limit gets one all the same
    /// while one lies in the pool; the pool is not available then.
    ///
    /// # Errors
    /// `Destroyed`, `NoSuchChannel`.
    #[inline]
    pub fn request_buffer_builder_for(
        &self,
        channel: usize,
    ) -> Result<Option<BufferBuilder>, LocalPoolError> {
        let channel = self.core().channel(channel)?;
        let token = self.core().request(channel)?;
        Ok(token.map(|token| BufferBuilder::of_token(token, channel)))
    }

    /// A segment, once the pool has one.
    ///
    /// # Errors
    /// `Destroyed`, also while it waits; `Timeout` and `Interrupted` as the limit says.
    pub fn request_segment_blocking(
        &self,
        limit: WaitLimit<'_>,
    ) -> Result<NetworkSegment, LocalPoolError> {
        let token = self.core().request_blocking(NO_CHANNEL, limit)?;
        Ok(NetworkSegment::new(token))
    }

    /// A builder for no channel, once the pool has one.
    ///
    /// # Errors
    /// As [`request_segment_blocking`](Self::request_segment_blocking).
    pub fn request_buffer_builder_blocking(
        &self,
        limit: WaitLimit<'_>,
    ) -> Result<BufferBuilder, LocalPoolError> {
        let token = self.core().request_blocking(NO_CHANNEL, limit)?;
        Ok(BufferBuilder::of_token(token, NO_CHANNEL))
    }

    /// A builder for a channel, once the pool has one.
    ///
    /// # Errors
    /// As [`request_segment_blocking`](Self::request_segment_blocking), and `NoSuchChannel`.
    pub fn request_buffer_builder_blocking_for(
        &self,
        channel: usize,
        limit: WaitLimit<'_>,
    ) -> Result<BufferBuilder, LocalPoolError> {
        let channel = self.core().channel(channel)?;
        let token = self.core().request_blocking(channel, limit)?;
        Ok(BufferBuilder::of_token(token, channel))
    }

    /// Completes when the pool is available. That a request would wait is not said by a future that is pending: beyond
    /// its size and its channels' limits a pool may give some more.
    #[must_use]
    pub fn available(&self) -> AvailableFuture {
        self.core().future()
    }

    /// Whether the pool is available. A destroyed one is, so that nobody waits for it.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.core().is_available()
    }

    /// Has the listener told of one buffer, in the order in which listeners came. False when a buffer lies in the pool,
    /// which can be requested, and when the pool is destroyed.
    #[must_use]
    pub fn add_listener(&self, listener: Arc<dyn BufferListener>) -> bool {
        self.core().add_listener(listener)
    }

    /// Changes the size, up to the maximum. What the pool holds beyond it goes back as it is recycled.
    ///
    /// # Errors
    /// `BelowRequired`.
    pub fn set_number_of_buffers(&self, size: usize) -> Result<(), LocalPoolError> {
        self.core().set_number_of_buffers(size)
    }

    /// Waits until the pool holds so many segments, at most as long as the network pool's timeout says.
    ///
    /// # Errors
    /// `AboveRequired`; `Reserve` with the network pool's reason when they do not come; `Destroyed`, also while it waits.
    pub fn reserve_segments(&self, number: usize) -> Result<(), LocalPoolError> {
        self.reserve_segments_within(number, WaitLimit::none())
    }

    /// As [`reserve_segments`](Self::reserve_segments), with something that ends the wait.
    ///
    /// # Errors
    /// The same.
    pub fn reserve_segments_within(
        &self,
        number: usize,
        limit: WaitLimit<'_>,
    ) -> Result<(), LocalPoolError> {
        self.core().reserve(number, limit)
    }

    /// Ends the pool. What lies in it goes back to the network pool now, what is out when it is recycled. It can be
    /// repeated.
    pub fn lazy_destroy(&self) {
        self.core().destroy();
    }

    /// Whether it was destroyed.
    #[must_use]
    pub fn is_destroyed(&self) -> bool {
        self.core().is_destroyed()
    }

    /// Whose pool it is, for people.
    #[must_use]
    pub fn label(&self) -> &str {
        self.core().label()
    }

    /// How many segments the pool is guaranteed.
    #[must_use]
    pub fn number_of_required_segments(&self) -> usize {
        self.core().required()
    }

    /// How many it may have at most.
    #[must_use]
    pub fn max_number_of_segments(&self) -> usize {
        self.core().max()
    }

    /// How many it may have now.
    #[must_use]
    pub fn number_of_buffers(&self) -> usize {
        self.core().size()
    }

    /// How many it holds: those that lie in it and those that are out.
    #[must_use]
    pub fn number_of_requested_segments(&self) -> usize {
        self.core().figures().0
    }

    /// How many lie in it.
    #[must_use]
    pub fn number_of_available_segments(&self) -> usize {
        self.core().figures().1
    }

    /// How many of those that lie in it are in the magazines of threads, which take and recycle without a lock as long
    /// as there are plenty.
    #[must_use]
    pub fn number_of_segments_in_magazines(&self) -> usize {
        self.core().segments_in_magazines()
    }

    /// How many are out.
    #[must_use]
    pub fn number_of_used_buffers(&self) -> usize {
        let (requested, lying, _) = self.core().figures();
        requested - lying
    }

    /// The most that were out at once since this was asked before, or since the pool was made.
    ///
    /// Segments in the magazines of threads count as out, because they are taken without anybody counting: the number
    /// is never too low, and too high by as many at most. Flink has no such figure.
    #[must_use]
    pub fn take_peak_number_of_used_buffers(&self) -> usize {
        self.core().take_peak_out()
    }

    /// How many it holds beyond its size.
    #[must_use]
    pub fn number_of_overdraft_buffers(&self) -> usize {
        let requested = self.number_of_requested_segments();
        requested.saturating_sub(self.number_of_buffers())
    }

    /// How many it may hold beyond its size.
    #[must_use]
    pub fn max_overdraft_buffers(&self) -> usize {
        self.core().figures().2
    }

    /// Changes how many it may hold beyond its size.
    pub fn set_max_overdraft_buffers(&self, max_overdraft: usize) {
        self.core().set_max_overdraft(max_overdraft);
    }

    /// How many channels it serves.
    #[must_use]
    pub fn number_of_channels(&self) -> usize {
        self.core().number_of_channels()
    }

    /// How many buffers a channel has, read without a lock.
    ///
    /// # Errors
    /// `NoSuchChannel`.
    pub fn number_of_buffers_of_channel(&self, channel: usize) -> Result<usize, LocalPoolError> {
        let channel = self.core().channel(channel)?;
        Ok(self.core().buffers_of_channel(channel))
    }
}

impl fmt::Debug for LocalBufferPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requested, lying, max_overdraft) = self.core().figures();
        formatter
            .debug_struct("LocalBufferPool")
            .field("label", &self.label())
            .field("size", &self.number_of_buffers())
            .field("requested", &requested)
            .field("lying", &lying)
            .field("max_overdraft", &max_overdraft)
            .finish()
    }
}
