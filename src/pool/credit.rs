//! Credit-based flow control: nothing is sent for which the receiver has no buffer.
//!
//! Mirrors `RemoteInputChannel`, `BufferManager`, `CreditBasedSequenceNumberingViewReader` and what carries their
//! messages. A credit is the promise of one buffer. The receiver gives as many as it has buffers for its channel: some
//! that belong to the channel, and floating ones of its gate's pool where the sender has more to send. The sender
//! spends one for each buffer of data, and tells with each how many more are queued. Events need no credit.
//!
//! Both sides are state machines: they take messages and give messages, and know no socket.

mod announcement;
mod available_buffers;
mod buffer_manager;
mod client_connection;
mod error;
mod input_channel;
mod request_queue;
mod view_reader;

pub use self::{
    announcement::PartitionRequestClient,
    client_connection::ClientConnection,
    error::ChannelError,
    input_channel::{Arrival, BufferAndAvailability, RemoteInputChannel},
    request_queue::{PartitionRequestQueue, RequestError},
    view_reader::CreditBasedViewReader,
};
use super::buffer::Buffer;

/// One input channel among those that share a connection, Flink's `InputChannelID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiverId(pub u64);

/// What a receiver tells the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverMessage {
    /// It wants to read, and has so many buffers.
    PartitionRequest {
        /// Who.
        receiver: ReceiverId,
        /// Buffers of its own.
        initial_credit: usize,
    },
    /// It has so many more buffers.
    AddCredit {
        /// Who.
        receiver: ReceiverId,
        /// How many.
        credit: usize,
    },
    /// It wants buffers filled to so many bytes.
    NewBufferSize {
        /// Who.
        receiver: ReceiverId,
        /// How many.
        bytes: usize,
    },
    /// It goes on after an event that blocked.
    ResumeConsumption {
        /// Who.
        receiver: ReceiverId,
    },
    /// It reads no more.
    CancelPartitionRequest {
        /// Who.
        receiver: ReceiverId,
    },
}

/// What a sender tells a receiver.
#[derive(Debug)]
pub enum SenderMessage {
    /// Data or an event.
    Buffer {
        /// For whom.
        receiver: ReceiverId,
        /// What.
        buffer: Buffer,
        /// Its place in the stream.
        sequence_number: u32,
        /// How many buffers of data are queued behind it.
        backlog: usize,
    },
    /// It has data and no credit, and the receiver has no buffers of its own whose return would make it ask.
    BacklogAnnouncement {
        /// For whom.
        receiver: ReceiverId,
        /// How many buffers of data are queued.
        backlog: usize,
    },
}
