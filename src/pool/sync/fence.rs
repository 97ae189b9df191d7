//! A pair of fences of which one side costs nothing: the other side pays for both.
//!
//! A thread that marks itself busy and then looks whether it may, and a thread that says it may not and then looks
//! whether anybody is busy, must not both miss the other. That takes a full fence between the two steps on both sides.
//! The kernel can run one on all threads of the process at once (`membarrier`), so that the side that runs often only
//! has to keep the compiler from changing the order.

#[cfg(any(loom, miri))]
mod imp {
    #[cfg(loom)]
    use loom::sync::atomic::{Ordering, fence};
    #[cfg(not(loom))]
    use std::sync::atomic::{Ordering, fence};

    pub(crate) fn is_available() -> bool {
        true
    }

    #[inline]
    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
    }
}

#[cfg(all(target_os = "linux", not(any(loom, miri))))]
mod imp {
    use std::sync::atomic::{AtomicU8, Ordering, compiler_fence, fence};

    use rustix::thread::{MembarrierCommand, membarrier};

    fn register() -> bool {
        membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
    }

    /// Whether the kernel does it: an old one does not, and a container may forbid it. It is asked once, or twice by two
    /// threads at the same time.
    pub(crate) fn is_available() -> bool {
        const NOT_ASKED: u8 = 0;
        const REFUSED: u8 = 1;
        const GRANTED: u8 = 2;
        static ANSWER: AtomicU8 = AtomicU8::new(NOT_ASKED);
        let mut answer = ANSWER.load(Ordering::Relaxed);
        if answer == NOT_ASKED {
            let granted = register() && run().is_ok();
            answer = if granted { GRANTED } else { REFUSED };
            ANSWER.store(answer, Ordering::Relaxed);
        }
        answer == GRANTED
    }

    fn run() -> rustix::io::Result<()> {
        membarrier(MembarrierCommand::PrivateExpedited)
    }

    /// The side that runs often.
    #[inline]
    pub(crate) fn light() {
        compiler_fence(Ordering::SeqCst);
    }

    /// The side that runs rarely.
    ///
    /// # Panics
    /// When the kernel refuses what it did before. To go on would be to read what another thread writes.
    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
        // A child of `fork` may have to register anew.
        let done = run().or_else(|error| if register() { run() } else { Err(error) });
        assert!(
            done.is_ok(),
            "the kernel refuses a fence that it granted before: {done:?}"
        );
        fence(Ordering::SeqCst);
    }
}

#[cfg(not(any(target_os = "linux", loom, miri)))]
mod imp {
    /// No such fence is known here.
    pub(crate) fn is_available() -> bool {
        false
    }

    #[inline]
    pub(crate) fn light() {}

    pub(crate) fn heavy() {}
}

pub(crate) use imp::{heavy, is_available, light};
