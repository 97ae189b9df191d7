//! What all parts of an input channel know: whether it is released, what went wrong first, and the credit that the
//! sender does not know of yet.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use parking_lot::Mutex;

use super::ChannelError;

/// The way from one channel to its sender. Its calls only note what is to be sent, and don't block.
///
/// Mirrors `PartitionRequestClient`. Called when no lock is held.
pub trait PartitionRequestClient: Send + Sync {
    /// The channel wants to read, and has so many buffers of its own.
    fn request_subpartition(&self, initial_credit: usize);
    /// There is credit that the sender does not know of. Called once for all that comes until it is taken.
    fn notify_credit_available(&self);
    /// The channel wants buffers filled to so many bytes.
    fn notify_new_buffer_size(&self, bytes: usize);
    /// The channel goes on after an event that blocked.
    fn resume_consumption(&self);
    /// The channel reads no more.
    fn close(&self);
}

/// See the module.
pub(super) struct ChannelState {
    is_released: AtomicBool,
    unannounced_credit: AtomicUsize,
    client: OnceLock<Arc<dyn PartitionRequestClient>>,
    error: Mutex<Option<ChannelError>>,
}

impl ChannelState {
    pub(super) fn new() -> Self {
        Self {
            is_released: AtomicBool::new(false),
            unannounced_credit: AtomicUsize::new(0),
            client: OnceLock::new(),
            error: Mutex::new(None),
        }
    }

    pub(super) fn is_released(&self) -> bool {
        self.is_released.load(Ordering::Acquire)
    }

    /// Says that the channel is released; whether it was not before.
    pub(super) fn release(&self) -> bool {
        !self.is_released.swap(true, Ordering::AcqRel)
    }

    /// Keeps the first error, which is the reason of those that follow.
    pub(super) fn fail(&self, error: ChannelError) {
        self.error.lock().get_or_insert(error);
    }

    pub(super) fn check(&self) -> Result<(), ChannelError> {
        self.error.lock().clone().map_or(Ok(()), Err)
    }

    /// Sets the way to the sender; whether there was none.
    pub(super) fn connect(&self, client: Arc<dyn PartitionRequestClient>) -> bool {
        self.client.set(client).is_ok()
    }

    pub(super) fn client(&self) -> Result<&dyn PartitionRequestClient, ChannelError> {
        self.client
            .get()
            .map(AsRef::as_ref)
            .ok_or(ChannelError::NotRequested)
    }

    /// The client of a channel that is neither released nor failed.
    pub(super) fn working_client(&self) -> Result<&dyn PartitionRequestClient, ChannelError> {
        if self.is_released() {
            return Err(ChannelError::Released);
        }
        self.check()?;
        self.client()
    }

    /// Adds credit. The first since the sender was told has to be announced; what follows goes with it.
    pub(super) fn add_credit(&self, credit: usize) -> Result<(), ChannelError> {
        if credit > 0 && self.unannounced_credit.fetch_add(credit, Ordering::AcqRel) == 0 {
            self.check()?;
            self.client()?.notify_credit_available();
        }
        Ok(())
    }

    pub(super) fn unannounced_credit(&self) -> usize {
        self.unannounced_credit.load(Ordering::Acquire)
    }

    pub(super) fn take_unannounced_credit(&self) -> usize {
        self.unannounced_credit.swap(0, Ordering::AcqRel)
    }
}
