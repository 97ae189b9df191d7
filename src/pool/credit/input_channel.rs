//! The receiving end of one subpartition.
//!
//! Mirrors `RemoteInputChannel`. The network's thread brings what the sender sent, the task's thread takes it out, and
//! any thread gives buffers back or releases the channel. Nothing is called back but the client; whom else to wake is
//! said by what the calls return.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{
    ChannelError, PartitionRequestClient, announcement::ChannelState, buffer_manager::BufferManager,
};
use crate::pool::{
    buffer::{Buffer, DataType},
    local_pool::LocalBufferPool,
    network_pool::NetworkBufferPool,
    prioritized_deque::PrioritizedDeque,
};

/// Whom to wake after something came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The channel had nothing before, so the gate has to look at it.
    pub channel_is_news: bool,
    /// The first event that overtakes what is queued, so the gate has to look at once.
    pub priority_is_news: bool,
}

/// What the task gets.
#[derive(Debug)]
pub struct BufferAndAvailability {
    /// Data or an event.
    pub buffer: Buffer,
    /// What lies behind it, [`DataType::None`] for nothing.
    pub next_data_type: DataType,
    /// Its place in the stream.
    pub sequence_number: u32,
}

struct Received {
    queue: PrioritizedDeque<(Buffer, u32)>,
    expected_sequence_number: u32,
    queued_bytes: u64,
}

/// An input channel whose sender is in another process. Dropped, it is released.
pub struct RemoteInputChannel {
    initial_credit: usize,
    state: Arc<ChannelState>,
    manager: Arc<BufferManager>,
    received: Mutex<Received>,
}

impl RemoteInputChannel {
    /// A channel that is to have so many exclusive buffers, and shares the floating ones of a pool with others.
    #[must_use]
    pub fn new(
        exclusive_buffers: usize,
        network_pool: &NetworkBufferPool,
        floating_pool: &LocalBufferPool,
    ) -> Self {
        let state = Arc::new(ChannelState::new());
        let manager = BufferManager::new(
            Arc::clone(&state),
            network_pool.clone(),
            floating_pool.clone(),
        );
        Self {
            initial_credit: exclusive_buffers,
            state,
            manager,
            received: Mutex::new(Received {
                queue: PrioritizedDeque::new(),
                expected_sequence_number: 0,
                queued_bytes: 0,
            }),
        }
    }

    /// Takes the exclusive buffers from the network pool.
    ///
    /// # Errors
    /// `ExclusiveBuffers`; `SetUpTwice`; `Released`.
    pub fn set_up(&self) -> Result<(), ChannelError> {
        self.manager.request_exclusive(self.initial_credit)
    }

    /// Asks the sender for its data, with the exclusive buffers as the first credit. Does nothing the second time.
    pub fn request_subpartition(&self, client: Arc<dyn PartitionRequestClient>) {
        if self.state.connect(client)
            && let Ok(client) = self.state.client()
        {
            client.request_subpartition(self.initial_credit);
        }
    }

    pub(super) fn state(&self) -> &Arc<ChannelState> {
        &self.state
    }

    /// A buffer to receive data into: a floating one if there is one, else an exclusive one.
    ///
    /// # Errors
    /// `NoBuffer` where the sender had no credit, which is the channel's error from then on; `Released`, for which the
    /// data is to be thrown away.
    pub fn request_buffer(&self) -> Result<Buffer, ChannelError> {
        if self.state.is_released() {
            return Err(ChannelError::Released);
        }
        self.manager
            .take()
            .ok_or_else(|| self.failed(ChannelError::NoBuffer))
    }

    fn failed(&self, error: ChannelError) -> ChannelError {
        self.state.fail(error.clone());
        error
    }

    /// Data or an event came, and with it how many buffers of data the sender has left; `None` where it did not say.
    ///
    /// # Errors
    /// `BufferReordering`, `BacklogWhileBlocked`, and what follows from a wrong state of the pool or the connection.
    /// The buffer is given back, the error is the channel's from then on, and the gate has to look at the channel.
    pub fn on_buffer(
        &self,
        buffer: Buffer,
        sequence_number: u32,
        backlog: Option<usize>,
    ) -> Result<Arrival, ChannelError> {
        let data_type = buffer.data_type();
        if data_type.blocks_upstream() {
            self.on_blocking_upstream(sequence_number, backlog)?;
        }
        let size = buffer.size() as u64;
        let mut received = self.received.lock();
        // What came to a released channel is given up when its lock is not held any more.
        if self.state.is_released() {
            drop(received);
            return Ok(Arrival::default());
        }
        self.expect(&mut received, sequence_number)?;
        let mut arrival = Arrival {
            channel_is_news: received.queue.is_empty(),
            priority_is_news: false,
        };
        if data_type.has_priority() {
            received.queue.push_with_priority((buffer, sequence_number));
            arrival.priority_is_news = received.queue.with_priority() == 1;
        } else {
            received.queue.push((buffer, sequence_number));
        }
        received.queued_bytes += size;
        drop(received);
        if let Some(backlog) = backlog {
            self.on_sender_backlog(backlog)?;
        }
        Ok(arrival)
    }

    /// A buffer without content came. It cost a credit as any other, so a buffer is spent for it and given back.
    ///
    /// # Errors
    /// As [`on_buffer`](Self::on_buffer), and `NoBuffer`.
    pub fn on_empty_buffer(
        &self,
        sequence_number: u32,
        backlog: Option<usize>,
    ) -> Result<(), ChannelError> {
        match self.request_buffer() {
            Ok(buffer) => drop(buffer),
            Err(ChannelError::Released) => return Ok(()),
            Err(error) => return Err(error),
        }
        {
            let mut received = self.received.lock();
            if self.state.is_released() {
                return Ok(());
            }
            self.expect(&mut received, sequence_number)?;
        }
        backlog.map_or(Ok(()), |backlog| self.on_sender_backlog(backlog))
    }

    /// The sender sends nothing until it is told to go on.
    fn on_blocking_upstream(
        &self,
        sequence_number: u32,
        backlog: Option<usize>,
    ) -> Result<(), ChannelError> {
        let expected = self.received.lock().expected_sequence_number;
        self.check_order(expected, sequence_number)?;
        if self.initial_credit == 0 {
            // Others can use them until then.
            self.manager.release_floating();
        }
        match backlog {
            Some(backlog @ 1..) => Err(self.failed(ChannelError::BacklogWhileBlocked { backlog })),
            _ => Ok(()),
        }
    }

    fn expect(&self, received: &mut Received, sequence_number: u32) -> Result<(), ChannelError> {
        self.check_order(received.expected_sequence_number, sequence_number)?;
        received.expected_sequence_number = sequence_number.wrapping_add(1);
        Ok(())
    }

    fn check_order(&self, expected: u32, received: u32) -> Result<(), ChannelError> {
        if expected == received {
            return Ok(());
        }
        Err(self.failed(ChannelError::BufferReordering { expected, received }))
    }

    /// The sender has so many buffers of data queued: the channel should have a buffer for each, besides its own.
    ///
    /// # Errors
    /// `FloatingBuffers` where the pool is destroyed; `NotRequested` where there is credit and nobody to tell. The error
    /// is the channel's from then on.
    pub fn on_sender_backlog(&self, backlog: usize) -> Result<(), ChannelError> {
        self.manager
            .request_floating(backlog.saturating_add(self.initial_credit))
            .and_then(|requested| self.state.add_credit(requested))
            .map_err(|error| self.failed(error))
    }

    /// The sender or the connection failed. The gate has to look at the channel.
    pub fn on_error(&self, error: ChannelError) {
        self.state.fail(error);
    }

    /// What comes next, if something came.
    ///
    /// # Errors
    /// The first thing that went wrong; `NotRequested`; `Released` once all is taken.
    pub fn next_buffer(&self) -> Result<Option<BufferAndAvailability>, ChannelError> {
        let mut received = self.received.lock();
        self.state.check()?;
        let Some((buffer, sequence_number)) = received.queue.pop() else {
            if self.state.is_released() {
                return Err(ChannelError::Released);
            }
            return self.state.client().map(|_| None);
        };
        received.queued_bytes -= buffer.size() as u64;
        let next = received.queue.front();
        Ok(Some(BufferAndAvailability {
            next_data_type: next.map_or(DataType::None, |(buffer, _)| buffer.data_type()),
            buffer,
            sequence_number,
        }))
    }

    /// Lets the sender go on after an event that blocked. Without buffers of its own both sides forget their credit.
    ///
    /// # Errors
    /// `Released`; `NotRequested`; the channel's error.
    pub fn resume_consumption(&self) -> Result<(), ChannelError> {
        let client = self.state.working_client()?;
        if self.initial_credit == 0 {
            self.state.take_unannounced_credit();
        }
        client.resume_consumption();
        Ok(())
    }

    /// Tells the sender to how many bytes to fill its buffers.
    ///
    /// # Errors
    /// `Released`; `NotRequested`; the channel's error.
    pub fn announce_buffer_size(&self, bytes: usize) -> Result<(), ChannelError> {
        self.state.working_client()?.notify_new_buffer_size(bytes);
        Ok(())
    }

    /// Gives everything back and says so to the sender. It can be repeated.
    pub fn release_all_resources(&self) {
        if !self.state.release() {
            return;
        }
        let queue = {
            let mut received = self.received.lock();
            received.queued_bytes = 0;
            received.queue.take_all()
        };
        self.manager.release_all(queue);
        if let Ok(client) = self.state.client() {
            client.close();
        }
    }

    /// Whether the channel was released.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.state.is_released()
    }

    /// How many exclusive buffers the channel is to have.
    #[must_use]
    pub fn initial_credit(&self) -> usize {
        self.initial_credit
    }

    /// Credit that the sender was not told of.
    #[must_use]
    pub fn unannounced_credit(&self) -> usize {
        self.state.unannounced_credit()
    }

    /// Buffers in which nothing lies yet.
    #[must_use]
    pub fn available_buffers(&self) -> usize {
        self.manager.available()
    }

    /// Buffers that there should be.
    #[must_use]
    pub fn required_buffers(&self) -> usize {
        self.manager.required()
    }

    /// Whether the channel waits for a floating buffer.
    #[must_use]
    pub fn is_waiting_for_floating_buffers(&self) -> bool {
        self.manager.is_waiting()
    }

    /// Buffers and events that the task did not take yet.
    #[must_use]
    pub fn queued_buffers(&self) -> usize {
        self.received.lock().queue.len()
    }

    /// The bytes in them.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.received.lock().queued_bytes
    }

    /// What debloating divides by: what lies here, and what the sender has queued.
    #[must_use]
    pub fn buffers_in_use(&self) -> usize {
        let backlog = self.manager.required().saturating_sub(self.initial_credit);
        self.queued_buffers() + backlog
    }

    /// Exclusive buffers in which something lies, or which are on their way back.
    #[must_use]
    pub fn exclusive_buffers_used(&self) -> usize {
        self.initial_credit
            .saturating_sub(self.manager.available_exclusive())
    }

    /// Floating buffers in which nothing lies yet.
    #[must_use]
    pub fn available_floating_buffers(&self) -> usize {
        self.manager.available_floating()
    }
}

impl Drop for RemoteInputChannel {
    fn drop(&mut self) {
        self.release_all_resources();
    }
}
