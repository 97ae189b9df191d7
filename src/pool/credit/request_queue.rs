//! The readers of one connection: those that have something to send take turns.
//!
//! Mirrors `PartitionRequestQueue`. It belongs to the connection's thread; subpartitions that have data note so in a
//! list of their own, from any thread.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
};

use parking_lot::Mutex;

use super::{CreditBasedViewReader, ReceiverId, ReceiverMessage, SenderMessage};
use crate::pool::subpartition::{
    BufferAvailabilityListener, PipelinedSubpartition, SubpartitionError,
};

/// A message or a subpartition that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nobody reads for this receiver.
    #[error("no reader for receiver {} exists", .0.0)]
    NoReader(ReceiverId),
    /// Somebody reads for this receiver already.
    #[error("a reader for receiver {} exists", .0.0)]
    ReaderExists(ReceiverId),
    /// The subpartition does not do it.
    #[error("receiver {}: {source}", receiver.0)]
    Subpartition {
        /// Whose.
        receiver: ReceiverId,
        /// Why.
        source: SubpartitionError,
    },
}

/// Which subpartitions said that they have something, shared with them.
struct Notices {
    receivers: Mutex<Vec<ReceiverId>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// Notes down for one receiver.
struct Notice {
    receiver: ReceiverId,
    notices: Arc<Notices>,
}

impl BufferAvailabilityListener for Notice {
    fn notify_data_available(&self) {
        let was_empty = {
            let mut receivers = self.notices.receivers.lock();
            receivers.push(self.receiver);
            receivers.len() == 1
        };
        if was_empty {
            (self.notices.wake)();
        }
    }

    fn notify_priority_event(&self, _sequence_number: u32) {
        self.notify_data_available();
    }
}

struct Entry {
    reader: CreditBasedViewReader,
    /// It is in the list of those that have something, and must not be there twice.
    is_registered: bool,
}

/// The senders' end of a connection.
pub struct PartitionRequestQueue {
    notices: Arc<Notices>,
    readers: HashMap<ReceiverId, Entry>,
    /// Who has something to send and may send it, in turn.
    available: VecDeque<ReceiverId>,
    announcements: VecDeque<(ReceiverId, usize)>,
}

impl PartitionRequestQueue {
    /// A connection without readers. `wake` is called, by any thread and without a lock, when there may be something to
    /// send where there was nothing; it must not block.
    #[must_use]
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            notices: Arc::new(Notices {
                receivers: Mutex::new(Vec::new()),
                wake: Box::new(wake),
            }),
            readers: HashMap::new(),
            available: VecDeque::new(),
            announcements: VecDeque::new(),
        }
    }

    /// A receiver with so many buffers of its own reads a subpartition from now on.
    ///
    /// # Errors
    /// `ReaderExists`; `Subpartition` where it was released or is read already.
    pub fn add_reader(
        &mut self,
        receiver: ReceiverId,
        subpartition: Arc<PipelinedSubpartition>,
        initial_credit: usize,
    ) -> Result<(), RequestError> {
        if self.readers.contains_key(&receiver) {
            return Err(RequestError::ReaderExists(receiver));
        }
        let notices = Arc::clone(&self.notices);
        subpartition
            .create_read_view(Arc::new(Notice { receiver, notices }))
            .map_err(|source| RequestError::Subpartition { receiver, source })?;
        let reader = CreditBasedViewReader::new(subpartition, initial_credit);
        let is_registered = false;
        self.readers.insert(
            receiver,
            Entry {
                reader,
                is_registered,
            },
        );
        self.enqueue(receiver);
        Ok(())
    }

    /// Takes a message of a receiver. Its request to read is the caller's affair, who knows the subpartitions; what comes
    /// for a receiver whose subpartition is gone and needs no answer is ignored.
    ///
    /// # Errors
    /// `NoReader` for credit or a resumption without a reader; `Subpartition` for a resumption that nobody waits for.
    pub fn receive(&mut self, message: ReceiverMessage) -> Result<(), RequestError> {
        match message {
            ReceiverMessage::PartitionRequest { .. } => {}
            ReceiverMessage::AddCredit { receiver, credit } => {
                self.reader(receiver)?.add_credit(credit);
                self.enqueue(receiver);
            }
            ReceiverMessage::ResumeConsumption { receiver } => {
                self.reader(receiver)?
                    .resume_consumption()
                    .map_err(|source| RequestError::Subpartition { receiver, source })?;
                self.enqueue(receiver);
            }
            ReceiverMessage::NewBufferSize { receiver, bytes } => {
                if let Some(entry) = self.readers.get(&receiver) {
                    entry.reader.notify_new_buffer_size(bytes);
                }
            }
            ReceiverMessage::CancelPartitionRequest { receiver } => {
                self.available.retain(|other| *other != receiver);
                self.announcements.retain(|(other, _)| *other != receiver);
                if let Some(entry) = self.readers.remove(&receiver) {
                    entry.reader.release_all_resources();
                }
            }
        }
        Ok(())
    }

    fn reader(&mut self, receiver: ReceiverId) -> Result<&mut CreditBasedViewReader, RequestError> {
        self.readers
            .get_mut(&receiver)
            .map(|entry| &mut entry.reader)
            .ok_or(RequestError::NoReader(receiver))
    }

    /// Puts a reader in the list of those that may send, or tells its receiver what it is missing.
    fn enqueue(&mut self, receiver: ReceiverId) {
        let Some(entry) = self.readers.get_mut(&receiver) else {
            return;
        };
        if entry.is_registered {
            return;
        }
        let availability = entry.reader.availability();
        if availability.is_available {
            entry.is_registered = true;
            self.available.push_back(receiver);
        } else if availability.backlog > 0 && entry.reader.needs_backlog_announced() {
            self.announcements
                .push_back((receiver, availability.backlog));
        }
    }

    /// What to send next; only where the connection takes more.
    ///
    /// # Errors
    /// `Subpartition` where a subpartition gives what it did not announce. The other readers can go on.
    pub fn next_message(&mut self) -> Result<Option<SenderMessage>, RequestError> {
        let noted = mem::take(&mut *self.notices.receivers.lock());
        for receiver in noted {
            self.enqueue(receiver);
        }
        if let Some((receiver, backlog)) = self.announcements.pop_front() {
            return Ok(Some(SenderMessage::BacklogAnnouncement {
                receiver,
                backlog,
            }));
        }
        while let Some(receiver) = self.available.pop_front() {
            let Some(entry) = self.readers.get_mut(&receiver) else {
                continue;
            };
            entry.is_registered = false;
            let next = entry
                .reader
                .next_buffer()
                .map_err(|source| RequestError::Subpartition { receiver, source })?;
            let Some(next) = next else {
                continue;
            };
            if next.next_data_type.is_buffer() || next.next_data_type.is_event() {
                entry.is_registered = true;
                self.available.push_back(receiver);
            }
            return Ok(Some(SenderMessage::Buffer {
                receiver,
                buffer: next.buffer,
                sequence_number: next.sequence_number,
                backlog: next.backlog,
            }));
        }
        Ok(None)
    }

    /// How much credit a receiver has given that was not spent.
    #[must_use]
    pub fn credit_of(&self, receiver: ReceiverId) -> Option<usize> {
        self.readers
            .get(&receiver)
            .map(|entry| entry.reader.credit())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::pool::buffer::{Buffer, BufferConsumer, DataType};

    const FIRST: ReceiverId = ReceiverId(1);
    const SECOND: ReceiverId = ReceiverId(2);

    fn add(subpartition: &PipelinedSubpartition, data_type: DataType) {
        let buffer = Buffer::of_bytes(vec![1; 4], data_type).unwrap();
        subpartition.add(BufferConsumer::of_buffer(buffer).unwrap(), 0);
    }

    fn subpartition(exclusive_buffers: usize, data: usize) -> Arc<PipelinedSubpartition> {
        let subpartition = PipelinedSubpartition::new(exclusive_buffers, 0);
        for _ in 0..data {
            add(&subpartition, DataType::Data);
        }
        subpartition.finish();
        Arc::new(subpartition)
    }

    /// For whom, whether it is data, and the backlog; of an announcement the backlog alone.
    fn next(queue: &mut PartitionRequestQueue) -> Option<(ReceiverId, Option<bool>, usize)> {
        queue.next_message().unwrap().map(|message| match message {
            SenderMessage::Buffer {
                receiver,
                buffer,
                backlog,
                ..
            } => (receiver, Some(buffer.data_type().is_buffer()), backlog),
            SenderMessage::BacklogAnnouncement { receiver, backlog } => (receiver, None, backlog),
        })
    }

    #[test]
    fn readers_take_turns_while_they_have_credit() {
        let mut queue = PartitionRequestQueue::new(|| {});
        queue.add_reader(FIRST, subpartition(2, 3), 2).unwrap();
        queue.add_reader(SECOND, subpartition(1, 2), 1).unwrap();
        let messages: Vec<_> = std::iter::from_fn(|| next(&mut queue)).collect();
        assert_eq!(
            messages,
            [
                (FIRST, Some(true), 2),
                (SECOND, Some(true), 1),
                (FIRST, Some(true), 1)
            ]
        );
        let add_credit = |receiver| ReceiverMessage::AddCredit {
            receiver,
            credit: 1,
        };
        queue.receive(add_credit(SECOND)).unwrap();
        assert_eq!(queue.credit_of(SECOND), Some(1));
        // The event that follows costs nothing.
        assert_eq!(next(&mut queue), Some((SECOND, Some(true), 0)));
        assert_eq!(next(&mut queue), Some((SECOND, Some(false), 0)));
        assert_eq!(next(&mut queue), None);
        let unknown = ReceiverId(7);
        assert_eq!(
            queue.receive(add_credit(unknown)),
            Err(RequestError::NoReader(unknown))
        );
    }

    #[test]
    fn a_receiver_without_buffers_is_told_of_the_backlog() {
        let mut queue = PartitionRequestQueue::new(|| {});
        queue.add_reader(FIRST, subpartition(0, 2), 0).unwrap();
        assert_eq!(next(&mut queue), Some((FIRST, None, 2)));
        assert_eq!(next(&mut queue), None);
        let credit = ReceiverMessage::AddCredit {
            receiver: FIRST,
            credit: 1,
        };
        queue.receive(credit).unwrap();
        assert_eq!(next(&mut queue), Some((FIRST, Some(true), 1)));
        assert_eq!(next(&mut queue), None);
    }

    #[test]
    fn data_that_comes_later_wakes_the_connection_once() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let mut queue = PartitionRequestQueue::new({
            let wakes = Arc::clone(&wakes);
            move || {
                wakes.fetch_add(1, Relaxed);
            }
        });
        let [first, second] = [0; 2].map(|_| Arc::new(PipelinedSubpartition::new(2, 0)));
        queue.add_reader(FIRST, Arc::clone(&first), 2).unwrap();
        queue.add_reader(SECOND, Arc::clone(&second), 2).unwrap();
        assert_eq!(
            queue.add_reader(SECOND, Arc::clone(&first), 2),
            Err(RequestError::ReaderExists(SECOND))
        );
        assert!(matches!(
            queue.add_reader(ReceiverId(3), Arc::clone(&first), 2),
            Err(RequestError::Subpartition {
                source: SubpartitionError::ConsumedAlready,
                ..
            })
        ));
        assert_eq!(next(&mut queue), None);
        for subpartition in [&first, &second] {
            add(subpartition, DataType::PrioritizedEvent);
            subpartition.finish();
        }
        assert_eq!(wakes.load(Relaxed), 1);
        assert_eq!(next(&mut queue), Some((FIRST, Some(false), 0)));

        let receiver = FIRST;
        queue
            .receive(ReceiverMessage::CancelPartitionRequest { receiver })
            .unwrap();
        assert!(first.is_released());
        assert_eq!(next(&mut queue), Some((SECOND, Some(false), 0)));
        assert_eq!(queue.credit_of(FIRST), None);
    }

    #[test]
    fn a_resumption_that_nobody_waits_for_is_an_error() {
        let mut queue = PartitionRequestQueue::new(|| {});
        queue.add_reader(FIRST, subpartition(2, 1), 2).unwrap();
        let error = queue
            .receive(ReceiverMessage::ResumeConsumption { receiver: FIRST })
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "receiver 1: the subpartition is not blocked by a checkpoint"
        );
        let limit = ReceiverMessage::NewBufferSize {
            receiver: SECOND,
            bytes: 7,
        };
        assert_eq!(queue.receive(limit), Ok(()));
    }
}
