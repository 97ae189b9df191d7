//! The barrier that the pool makes its clients' processors pass.
//!
//! A client says that it is busy and then looks at its attention word; the pool writes that word and then looks whether
//! the client is busy. For one of the two to see the other, both must pass a barrier in between. The pool asks the
//! kernel to make all of them pass it, so that a client pays nothing; the clients' processes have to agree to that once.

#[cfg(not(loom))]
use rustix::thread::{MembarrierCommand, membarrier};

#[cfg(not(loom))]
use super::lane::Barrier;
use super::memory::{Ordering, fence};

/// Agrees for this process. Where the kernel or the container refuses, its operations have barriers of their own.
#[cfg(not(loom))]
pub(super) fn agree() -> Barrier {
    match membarrier(MembarrierCommand::RegisterGlobalExpedited) {
        Ok(()) => Barrier::OfThePool,
        Err(_) => Barrier::OfItsOwn,
    }
}

/// Whether this process can make others pass a barrier.
#[cfg(not(loom))]
pub(super) fn can_impose() -> bool {
    membarrier(MembarrierCommand::GlobalExpedited).is_ok()
}

/// Makes all processes that agreed pass a barrier, and this one.
pub(super) fn impose() {
    // Clients were told whether this works before they relied on it, and it does not stop working.
    #[cfg(not(loom))]
    let _ = membarrier(MembarrierCommand::GlobalExpedited);
    fence(Ordering::SeqCst);
}
