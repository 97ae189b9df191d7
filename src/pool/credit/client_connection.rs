//! What the channels of one connection want to tell their senders, in the order in which they first wanted it.
//!
//! Mirrors the outbound side of `CreditBasedPartitionRequestClientHandler`. A message about credit is made when it is
//! sent, so that it carries all the credit there is by then: one message for each channel, however often credit came.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use super::{
    PartitionRequestClient, ReceiverId, ReceiverMessage, RemoteInputChannel,
    announcement::ChannelState,
};

/// What is noted down, to be made a message when it is sent.
enum Noted {
    Message(ReceiverMessage),
    Credit(ReceiverId, Weak<ChannelState>),
    /// Only while the channel is not released.
    Unless(ReceiverMessage, Weak<ChannelState>),
}

impl Noted {
    fn into_message(self) -> Option<ReceiverMessage> {
        let working = |channel: &Weak<ChannelState>| {
            channel.upgrade().filter(|channel| !channel.is_released())
        };
        match self {
            Self::Message(message) => Some(message),
            Self::Unless(message, channel) => working(&channel).map(|_| message),
            Self::Credit(receiver, channel) => {
                let credit = working(&channel)?.take_unannounced_credit();
                (credit > 0).then_some(ReceiverMessage::AddCredit { receiver, credit })
            }
        }
    }
}

struct Outbox {
    noted: VecDeque<Noted>,
    is_writable: bool,
}

/// The receivers' end of a connection, shared by its channels.
pub struct ClientConnection {
    outbox: Mutex<Outbox>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl ClientConnection {
    /// A connection that can be written to. `wake` is called, by any thread and without a lock, when there is something
    /// to send where there was nothing; it must not block.
    #[must_use]
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            outbox: Mutex::new(Outbox {
                noted: VecDeque::new(),
                is_writable: true,
            }),
            wake: Box::new(wake),
        })
    }

    /// The client of a channel, by which its messages come here under this name.
    #[must_use]
    pub fn client_of(
        self: &Arc<Self>,
        receiver: ReceiverId,
        channel: &RemoteInputChannel,
    ) -> Arc<dyn PartitionRequestClient> {
        Arc::new(ChannelClient {
            connection: Arc::clone(self),
            receiver,
            channel: Arc::downgrade(channel.state()),
        })
    }

    /// Says whether the connection takes more. Until it does, there is no next message.
    pub fn set_writable(&self, is_writable: bool) {
        self.outbox.lock().is_writable = is_writable;
    }

    /// What to send next.
    #[must_use]
    pub fn next_message(&self) -> Option<ReceiverMessage> {
        loop {
            let noted = {
                let mut outbox = self.outbox.lock();
                if !outbox.is_writable {
                    return None;
                }
                outbox.noted.pop_front()?
            };
            if let Some(message) = noted.into_message() {
                return Some(message);
            }
        }
    }

    fn note(&self, noted: Noted) {
        let was_empty = {
            let mut outbox = self.outbox.lock();
            outbox.noted.push_back(noted);
            outbox.noted.len() == 1
        };
        if was_empty {
            (self.wake)();
        }
    }
}

struct ChannelClient {
    connection: Arc<ClientConnection>,
    receiver: ReceiverId,
    channel: Weak<ChannelState>,
}

impl PartitionRequestClient for ChannelClient {
    fn request_subpartition(&self, initial_credit: usize) {
        self.connection
            .note(Noted::Message(ReceiverMessage::PartitionRequest {
                receiver: self.receiver,
                initial_credit,
            }));
    }

    fn notify_credit_available(&self) {
        let channel = Weak::clone(&self.channel);
        self.connection.note(Noted::Credit(self.receiver, channel));
    }

    fn notify_new_buffer_size(&self, bytes: usize) {
        let receiver = self.receiver;
        self.connection.note(Noted::Unless(
            ReceiverMessage::NewBufferSize { receiver, bytes },
            Weak::clone(&self.channel),
        ));
    }

    fn resume_consumption(&self) {
        let receiver = self.receiver;
        self.connection.note(Noted::Unless(
            ReceiverMessage::ResumeConsumption { receiver },
            Weak::clone(&self.channel),
        ));
    }

    fn close(&self) {
        let receiver = self.receiver;
        self.connection
            .note(Noted::Message(ReceiverMessage::CancelPartitionRequest {
                receiver,
            }));
    }
}
