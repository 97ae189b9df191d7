//! Gets a channel the buffers that it should have, and takes back its own.
//!
//! Mirrors `BufferManager`, with one difference: it holds no lock of its own while it asks a pool or gives a buffer
//! back. Both may run the code of other channels, and Flink's checks against deadlocks between two channels are not
//! needed then.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::{
    ChannelError,
    announcement::ChannelState,
    available_buffers::{Asking, AvailableBuffers, Taken},
};
use crate::pool::{
    buffer::{Buffer, BufferRecycler, DataType, NetworkSegment},
    local_pool::{BufferListener, LocalBufferPool},
    network_pool::NetworkBufferPool,
};

/// The buffers of one channel.
pub(super) struct BufferManager {
    state: Arc<ChannelState>,
    network_pool: NetworkBufferPool,
    floating_pool: LocalBufferPool,
    listener: Arc<FloatingListener>,
    buffers: Mutex<AvailableBuffers>,
}

/// What the pool knows of a channel that waits. It keeps no channel alive: a channel keeps its pool.
struct FloatingListener(Weak<BufferManager>);

impl BufferListener for FloatingListener {
    fn buffer_available(&self, buffer: Buffer) -> Result<(), Buffer> {
        match self.0.upgrade() {
            Some(manager) => manager.buffer_available(buffer),
            None => Err(buffer),
        }
    }

    fn pool_destroyed(&self) {
        if let Some(manager) = self.0.upgrade() {
            // No longer on a list. Who asks next hears that the pool is gone.
            let asking = &mut manager.buffers.lock().asking;
            *asking = match *asking {
                Asking::Registering => Asking::Told,
                Asking::Waiting => Asking::Nothing,
                other => other,
            };
        }
    }
}

impl BufferManager {
    pub(super) fn new(
        state: Arc<ChannelState>,
        network_pool: NetworkBufferPool,
        floating_pool: LocalBufferPool,
    ) -> Arc<Self> {
        Arc::new_cyclic(|manager| Self {
            state,
            network_pool,
            floating_pool,
            listener: Arc::new(FloatingListener(Weak::clone(manager))),
            buffers: Mutex::new(AvailableBuffers::default()),
        })
    }

    /// Takes so many segments from the network pool, which are the channel's until it is released.
    pub(super) fn request_exclusive(&self, number: usize) -> Result<(), ChannelError> {
        if number == 0 {
            return Ok(());
        }
        let mut segments = self.network_pool.request_unpooled_segments(number)?;
        let mut buffers = self.buffers.lock();
        let exclusive = buffers.exclusive.len();
        let refused = if self.state.is_released() {
            ChannelError::Released
        } else if exclusive > 0 {
            ChannelError::SetUpTwice { exclusive }
        } else {
            buffers.exclusive.append(&mut segments);
            return Ok(());
        };
        drop(buffers);
        self.network_pool.recycle_unpooled_segments(segments);
        Err(refused)
    }

    /// Says how many buffers there should be, and gets floating ones until there are. How many came at once; for what is
    /// missing the channel waits.
    pub(super) fn request_floating(&self, required: usize) -> Result<usize, ChannelError> {
        {
            let mut buffers = self.buffers.lock();
            if self.state.is_released() {
                return Ok(0);
            }
            buffers.required = required;
            if !buffers.begin_asking() {
                return Ok(0);
            }
        }
        self.ask()
    }

    /// Requests buffers until there are enough or none is to be had. Only after `begin_asking`.
    fn ask(&self) -> Result<usize, ChannelError> {
        let mut requested = 0;
        loop {
            let came = match self.floating_pool.request_buffer() {
                Ok(came) => came,
                Err(error) => {
                    self.buffers.lock().asking = Asking::Nothing;
                    return Err(error.into());
                }
            };
            let is_waiting = came.is_none() && self.register();
            // Given up after the lock.
            let mut unwanted = None;
            let mut buffers = self.buffers.lock();
            if self.state.is_released() {
                unwanted = came;
            } else if let Some(buffer) = came {
                buffers.floating.push_back(buffer);
                requested += 1;
            } else if is_waiting && buffers.asking == Asking::Registering {
                buffers.asking = Asking::Waiting;
                return Ok(requested);
            }
            // On the list no more, or never: there is a buffer, or there was one.
            if self.state.is_released() || !buffers.is_short() {
                buffers.asking = Asking::Nothing;
                drop(buffers);
                drop(unwanted);
                return Ok(requested);
            }
            buffers.asking = Asking::Requesting;
        }
    }

    /// Goes on the pool's list; not where a buffer can be requested.
    fn register(&self) -> bool {
        self.buffers.lock().asking = Asking::Registering;
        let listener: Arc<dyn BufferListener> = self.listener.clone();
        self.floating_pool.add_listener(listener)
    }

    fn buffer_available(&self, buffer: Buffer) -> Result<(), Buffer> {
        let asks_on = {
            let mut buffers = self.buffers.lock();
            // The thread that is still registering goes on asking.
            let is_registering = buffers.asking == Asking::Registering;
            buffers.asking = match buffers.asking {
                Asking::Registering => Asking::Told,
                Asking::Waiting => Asking::Nothing,
                // Not waited for.
                Asking::Nothing | Asking::Requesting | Asking::Told => return Err(buffer),
            };
            if self.state.is_released() || !buffers.is_short() {
                return Err(buffer);
            }
            buffers.floating.push_back(buffer);
            !is_registering && buffers.begin_asking()
        };
        let requested = if asks_on { self.ask() } else { Ok(0) };
        let announced = requested.and_then(|requested| self.state.add_credit(1 + requested));
        if let Err(error) = announced {
            self.state.fail(error);
        }
        Ok(())
    }

    /// Takes a buffer to receive into.
    pub(super) fn take(self: &Arc<Self>) -> Option<Buffer> {
        let taken = self.buffers.lock().take()?;
        Some(match taken {
            Taken::Floating(buffer) => buffer,
            Taken::Exclusive(segment) => {
                let recycler: Arc<dyn BufferRecycler> = self.clone();
                Buffer::new(segment.with_recycler(recycler), DataType::Data)
            }
        })
    }

    /// Gives all floating buffers back: the sender sends nothing for a while.
    pub(super) fn release_floating(&self) {
        let floating = self.buffers.lock().take_floating();
        drop(floating);
    }

    /// Gives all buffers back, these included: the exclusive ones together, so that the network memory is shared out
    /// once. Only after the state says that the channel is released.
    pub(super) fn release_all<T>(&self, received: T) {
        self.buffers.lock().gathers = true;
        drop(received);
        let (floating, exclusive) = {
            let mut buffers = self.buffers.lock();
            buffers.gathers = false;
            (
                buffers.take_floating(),
                std::mem::take(&mut buffers.exclusive),
            )
        };
        drop(floating);
        if !exclusive.is_empty() {
            self.network_pool.recycle_unpooled_segments(exclusive);
        }
    }

    pub(super) fn required(&self) -> usize {
        self.buffers.lock().required
    }

    pub(super) fn available(&self) -> usize {
        self.buffers.lock().available()
    }

    pub(super) fn available_floating(&self) -> usize {
        self.buffers.lock().floating.len()
    }

    pub(super) fn available_exclusive(&self) -> usize {
        self.buffers.lock().exclusive.len()
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.buffers.lock().asking == Asking::Waiting
    }
}

impl BufferRecycler for BufferManager {
    fn recycle(self: Arc<Self>, segment: NetworkSegment) {
        let surplus = {
            let mut buffers = self.buffers.lock();
            if self.state.is_released() && !buffers.gathers {
                // After the lock, because others may get what this one was guaranteed.
                drop(buffers);
                return drop(segment);
            }
            buffers.put_back(segment)
        };
        if surplus.is_some() {
            return drop(surplus);
        }
        if !self.state.is_released()
            && let Err(error) = self.state.add_credit(1)
        {
            self.state.fail(error);
        }
    }
}
