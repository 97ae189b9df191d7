//! One consumer's share of what a task writes: buffers that wait until there is credit for them.
//!
//! Mirrors `PipelinedSubpartition`. The task adds the consumers of buffers that it may still be filling, the network
//! takes out what was committed. Nobody is told of anything while the subpartition's lock is held, and no buffer is
//! given up under it: both run code of others.

use std::sync::Arc;

use super::{
    buffer::{Buffer, BufferConsumer, BufferConsumerWithPartialRecordLength, DataType},
    prioritized_deque::PrioritizedDeque,
    sync::Mutex,
};

/// What ends a subpartition, as Flink writes it: an event type, of four bytes.
const END_OF_PARTITION: [u8; 4] = [0; 4];

/// Hears when there is something to take from a subpartition. Called by the thread that writes.
pub trait BufferAvailabilityListener: Send + Sync {
    /// There is data or an event. It may have been taken already.
    fn notify_data_available(&self);
    /// There is an event that overtakes what is queued; the next buffer has this sequence number.
    fn notify_priority_event(&self, sequence_number: u32);
}

/// Why a subpartition does not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubpartitionError {
    /// It was released.
    #[error("the subpartition was released")]
    Released,
    /// It has a reader, and what is taken is gone.
    #[error("a pipelined subpartition can be consumed once")]
    ConsumedAlready,
    /// It was to go on and was not waiting.
    #[error("the subpartition is not blocked by a checkpoint")]
    NotBlocked,
    /// Data comes next, and nobody has a buffer for it.
    #[error("no credit available for the next of {queued} buffers")]
    NoCredit {
        /// What is queued, events included.
        queued: usize,
    },
    /// Something was added behind a buffer that is still filled.
    #[error("a buffer that is not finished lies before {behind} others")]
    UnfinishedBeforeOthers {
        /// How many lie behind it.
        behind: usize,
    },
}

/// A buffer or an event, and what follows it.
#[derive(Debug)]
pub struct BufferAndBacklog {
    /// What is to be sent.
    pub buffer: Buffer,
    /// How many data buffers are queued behind it, as far as they could be sent.
    pub backlog: usize,
    /// What comes next, [`DataType::None`] where nothing could be sent.
    pub next_data_type: DataType,
    /// Its place in the stream, from 0.
    pub sequence_number: u32,
}

/// Whether something can be sent, and how much data is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvailabilityWithBacklog {
    /// Whether something can be sent now.
    pub is_available: bool,
    /// How many data buffers are queued.
    pub backlog: usize,
}

/// A subpartition in memory that is read once, while it is written.
pub struct PipelinedSubpartition {
    /// The receiver has no buffers of its own, so it is told of buffers without content as well: it may hold one for
    /// each that was announced.
    receiver_has_no_exclusive_buffers: bool,
    state: Mutex<State>,
}

struct State {
    queue: PrioritizedDeque<BufferConsumerWithPartialRecordLength>,
    data_in_queue: usize,
    listener: Option<Arc<dyn BufferAvailabilityListener>>,
    is_finished: bool,
    is_released: bool,
    is_blocked: bool,
    flush_requested: bool,
    buffer_limit_bytes: usize,
    sequence_number: u32,
    total_buffers: u64,
    total_bytes: u64,
}

impl State {
    /// How many can be sent without a flush: all but the last, and that one too when it is finished.
    fn finished_buffers(&self) -> usize {
        match self.queue.len() {
            0 => 0,
            1 => usize::from(
                self.queue
                    .front()
                    .is_some_and(|only| only.consumer().is_finished()),
            ),
            several => several - 1,
        }
    }

    fn is_data_available(&self) -> bool {
        !self.is_blocked && (self.flush_requested || self.finished_buffers() > 0)
    }

    fn next_data_type(&self) -> DataType {
        self.queue
            .front()
            .map_or(DataType::None, |next| next.consumer().data_type())
    }

    fn backlog(&self) -> usize {
        let Some(last) = self.queue.back() else {
            return 0;
        };
        if self.is_blocked {
            0
        } else if self.flush_requested
            || self.is_finished
            || !last.consumer().data_type().is_buffer()
        {
            self.data_in_queue
        } else {
            // The last one is being filled, and nobody asked for what it has so far.
            self.data_in_queue.saturating_sub(1)
        }
    }
}

impl PipelinedSubpartition {
    /// An empty subpartition for a receiver with so many exclusive buffers, whose buffers are to be filled to so many
    /// bytes until the receiver says otherwise. 0 bytes mean: as far as they go.
    #[must_use]
    pub fn new(exclusive_buffers_of_receiver: usize, buffer_limit_bytes: usize) -> Self {
        Self {
            receiver_has_no_exclusive_buffers: exclusive_buffers_of_receiver == 0,
            state: Mutex::new(State {
                queue: PrioritizedDeque::new(),
                data_in_queue: 0,
                listener: None,
                is_finished: false,
                is_released: false,
                is_blocked: false,
                flush_requested: false,
                buffer_limit_bytes,
                sequence_number: 0,
                total_buffers: 0,
                total_bytes: 0,
            }),
        }
    }

    /// Queues a buffer, of which so many of the first bytes belong to an earlier record, and says to how many bytes it
    /// is to be filled.
    ///
    /// `None` where nothing is taken any more, because the subpartition is finished or released.
    pub fn add(&self, consumer: BufferConsumer, partial_record_length: usize) -> Option<usize> {
        self.add_last(consumer, partial_record_length, false)
    }

    /// Queues the event that ends the subpartition, and says how long it is. Nothing is taken after it.
    pub fn finish(&self) -> usize {
        let event = Buffer::of_bytes(END_OF_PARTITION.to_vec(), DataType::EndOfPartition);
        if let Some(event) = event.ok().and_then(BufferConsumer::of_buffer) {
            self.add_last(event, 0, true);
        }
        END_OF_PARTITION.len()
    }

    fn add_last(
        &self,
        consumer: BufferConsumer,
        partial_record_length: usize,
        is_last: bool,
    ) -> Option<usize> {
        let data_type = consumer.data_type();
        let consumer = BufferConsumerWithPartialRecordLength::new(consumer, partial_record_length);
        let mut state = self.state.lock();
        if state.is_finished || state.is_released {
            drop(state);
            return None;
        }
        let mut overtakes = None;
        if data_type.has_priority() {
            state.queue.push_with_priority(consumer);
            // Those before it were told of already.
            overtakes = (state.queue.with_priority() == 1).then_some(state.sequence_number);
        } else {
            state.queue.push(consumer);
        }
        state.total_buffers += 1;
        state.data_in_queue += usize::from(data_type.is_buffer());
        let is_first_news =
            !state.flush_requested && !state.is_blocked && state.finished_buffers() == 1;
        state.is_finished |= is_last;
        let limit_bytes = state.buffer_limit_bytes;
        let listener = state.listener.clone();
        drop(state);
        if let Some(listener) = listener {
            if let Some(sequence_number) = overtakes {
                listener.notify_priority_event(sequence_number);
            }
            if is_last || is_first_news {
                listener.notify_data_available();
            }
        }
        Some(limit_bytes)
    }

    /// Lets what is committed be sent, although its buffer is not full.
    pub fn flush(&self) {
        let mut state = self.state.lock();
        if state.queue.is_empty() || state.flush_requested {
            return;
        }
        let only_has_data = state.queue.len() == 1
            && state
                .queue
                .front()
                .is_some_and(|only| only.consumer().is_data_available());
        // Of several the first is finished, so that its reader knows.
        state.flush_requested = state.queue.len() > 1 || only_has_data;
        let listener = (only_has_data && !state.is_blocked)
            .then(|| state.listener.clone())
            .flatten();
        drop(state);
        if let Some(listener) = listener {
            listener.notify_data_available();
        }
    }

    /// Says who is told of data. What is queued already is not told of.
    ///
    /// # Errors
    /// `Released`; `ConsumedAlready` the second time.
    pub fn create_read_view(
        &self,
        listener: Arc<dyn BufferAvailabilityListener>,
    ) -> Result<(), SubpartitionError> {
        let mut state = self.state.lock();
        if state.is_released {
            return Err(SubpartitionError::Released);
        }
        if state.listener.is_some() {
            return Err(SubpartitionError::ConsumedAlready);
        }
        state.listener = Some(listener);
        Ok(())
    }

    /// The next buffer or event, if there is one.
    ///
    /// # Errors
    /// `NoCredit` where data comes next and there is no credit for it; it stays queued.
    /// `UnfinishedBeforeOthers` where the writer added a buffer without finishing the one before.
    pub fn poll(&self, has_credit: bool) -> Result<Option<BufferAndBacklog>, SubpartitionError> {
        // Buffers without content are taken out and not sent. They are given up after the lock.
        let mut empty = Vec::new();
        let mut state = self.state.lock();
        if state.is_blocked && state.queue.with_priority() == 0 {
            return Ok(None);
        }
        if !has_credit && state.next_data_type().is_buffer() {
            return Err(SubpartitionError::NoCredit {
                queued: state.queue.len(),
            });
        }
        if state.queue.is_empty() {
            state.flush_requested = false;
        }
        let buffer = loop {
            let Some(first) = state.queue.front_mut() else {
                return Ok(None);
            };
            let buffer = first.build();
            let is_finished = first.consumer().is_finished();
            let behind = state.queue.len() - 1;
            if behind == 0 {
                state.flush_requested = false;
            } else if !is_finished {
                return Err(SubpartitionError::UnfinishedBeforeOthers { behind });
            }
            let consumer = is_finished.then(|| state.queue.pop()).flatten();
            if is_finished {
                state.data_in_queue -= usize::from(buffer.data_type().is_buffer());
            }
            if buffer.readable_bytes() > 0 || is_finished && self.receiver_has_no_exclusive_buffers
            {
                // The buffer keeps the segment, so that giving up its consumer gives up nothing.
                break buffer;
            }
            empty.push((buffer, consumer));
            if !is_finished {
                return Ok(None);
            }
        };
        state.is_blocked |= buffer.data_type().blocks_upstream();
        state.total_bytes += buffer.size() as u64;
        let sequence_number = state.sequence_number;
        state.sequence_number = sequence_number.wrapping_add(1);
        let next_data_type = if state.is_data_available() {
            state.next_data_type()
        } else {
            DataType::None
        };
        Ok(Some(BufferAndBacklog {
            buffer,
            backlog: state.backlog(),
            next_data_type,
            sequence_number,
        }))
    }

    /// Whether something can be sent: with credit data and events, without it events alone.
    #[must_use]
    pub fn availability(&self, has_credit: bool) -> AvailabilityWithBacklog {
        let state = self.state.lock();
        AvailabilityWithBacklog {
            is_available: if has_credit {
                state.is_data_available()
            } else {
                state.next_data_type().is_event()
            },
            backlog: state.backlog(),
        }
    }

    /// Goes on after an event that blocks.
    ///
    /// # Errors
    /// `NotBlocked`.
    pub fn resume_consumption(&self) -> Result<(), SubpartitionError> {
        let mut state = self.state.lock();
        if !state.is_blocked {
            return Err(SubpartitionError::NotBlocked);
        }
        state.is_blocked = false;
        Ok(())
    }

    /// The receiver wants its buffers filled to so many bytes; 0 means as far as they go.
    pub fn set_buffer_limit(&self, bytes: usize) {
        self.state.lock().buffer_limit_bytes = bytes;
    }

    /// Gives up everything that is queued. Nothing is taken after it.
    pub fn release(&self) {
        let mut state = self.state.lock();
        state.is_released = true;
        state.data_in_queue = 0;
        let queue = state.queue.take_all();
        let listener = state.listener.take();
        drop(state);
        drop((queue, listener));
    }

    /// Whether it was released.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.state.lock().is_released
    }

    /// How many buffers and events are queued.
    #[must_use]
    pub fn queued_buffers(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// How many buffers and events were ever added.
    #[must_use]
    pub fn total_buffers(&self) -> u64 {
        self.state.lock().total_buffers
    }

    /// How many bytes were ever taken out.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.state.lock().total_bytes
    }
}

#[cfg(test)]
mod tests;
