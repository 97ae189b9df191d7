//! Why an input channel can't go on.

use std::sync::Arc;

use crate::pool::{local_pool::LocalPoolError, network_pool::NetworkPoolError};

/// Why an input channel does not do it. What came over the network and was wrong stays with the channel, so that whoever
/// reads from it hears of it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChannelError {
    /// A buffer is missing, or came twice.
    #[error(
        "buffer re-ordering: expected buffer with sequence number {expected}, but received {received}"
    )]
    BufferReordering {
        /// The number that comes next.
        expected: u32,
        /// The number that came.
        received: u32,
    },
    /// The sender had no credit for what it sent.
    #[error(
        "data came and no buffer is available for it: the sender spent more credit than it has"
    )]
    NoBuffer,
    /// The sender blocks and has more to send.
    #[error("an event that blocks came with a backlog of {backlog}; expected 0")]
    BacklogWhileBlocked {
        /// How much it has.
        backlog: usize,
    },
    /// There is no connection to the sender yet.
    #[error("the subpartition was not requested")]
    NotRequested,
    /// Exclusive buffers are taken once.
    #[error("the channel has {exclusive} exclusive buffers already")]
    SetUpTwice {
        /// How many it took.
        exclusive: usize,
    },
    /// The channel was released.
    #[error("the channel was released")]
    Released,
    /// The pool of the floating buffers does not give any.
    #[error("the gate has no floating buffers to give")]
    FloatingBuffers(#[source] Arc<LocalPoolError>),
    /// The network pool does not give the exclusive buffers.
    #[error("the channel gets no exclusive buffers")]
    ExclusiveBuffers(#[source] Arc<NetworkPoolError>),
    /// The sender or the connection failed.
    #[error("{0}")]
    Remote(Arc<str>),
}

impl From<LocalPoolError> for ChannelError {
    fn from(error: LocalPoolError) -> Self {
        Self::FloatingBuffers(Arc::new(error))
    }
}

impl From<NetworkPoolError> for ChannelError {
    fn from(error: NetworkPoolError) -> Self {
        Self::ExclusiveBuffers(Arc::new(error))
    }
}
