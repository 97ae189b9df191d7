//! Why a local pool cannot do what it is asked for.

use std::sync::Arc;

use crate::pool::network_pool::NetworkPoolError;

/// Why a local pool refuses.
#[derive(Debug, thiserror::Error)]
pub enum LocalPoolError {
    /// The pool was destroyed, before or while the request waited: the task is to end.
    #[error("the local buffer pool of {label} is destroyed")]
    Destroyed {
        /// Whose pool it was.
        label: Arc<str>,
    },
    /// A channel that the pool does not have.
    #[error("the local buffer pool of {label} has {channels} channels, and no channel {channel}")]
    NoSuchChannel {
        /// Whose pool it is.
        label: Arc<str>,
        /// What was asked for.
        channel: usize,
        /// How many there are.
        channels: usize,
    },
    /// A size below what the pool is guaranteed.
    #[error("the local buffer pool of {label} needs {required} buffers, and cannot have {size}")]
    BelowRequired {
        /// Whose pool it is.
        label: Arc<str>,
        /// The size.
        size: usize,
        /// What is guaranteed.
        required: usize,
    },
    /// More is to be reserved than the pool is guaranteed.
    #[error(
        "the local buffer pool of {label} is guaranteed {required} buffers, and cannot reserve {reserved}"
    )]
    AboveRequired {
        /// Whose pool it is.
        label: Arc<str>,
        /// What was to be reserved.
        reserved: usize,
        /// What is guaranteed.
        required: usize,
    },
    /// The time was over before a buffer came.
    #[error("the local buffer pool of {label} had no buffer in time")]
    Timeout {
        /// Whose pool it is.
        label: Arc<str>,
    },
    /// The wait was cancelled.
    #[error("the request for a buffer of {label} was interrupted")]
    Interrupted {
        /// Whose pool it is.
        label: Arc<str>,
    },
    /// What is to be reserved did not come from the network pool.
    #[error("cannot reserve buffers for {label}")]
    Reserve {
        /// Whose pool it is.
        label: Arc<str>,
        /// What the network pool says. In a box, so that the result of a request stays small.
        source: Box<NetworkPoolError>,
    },
}
