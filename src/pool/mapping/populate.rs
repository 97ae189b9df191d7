//! Bringing all pages of a mapping into being, so that no later access waits for one or fails for the lack of it.

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::mm::{Advice, madvise};

use super::Mapping;
use super::limit::Admission;

/// Memory is reserved and populated in steps of this size, with a look at the surroundings between them.
pub const STEP_BYTES: usize = 64 << 20;

/// How far populating has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The bytes that are present for certain.
    pub populated_bytes: usize,
    /// All bytes of the mapping.
    pub total_bytes: usize,
}

/// How the pages were brought into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Populated {
    /// The kernel did it on demand, and would have told what it could not do.
    OnDemand,
    /// The kernel is too old for that (before 5.14), so each page was touched.
    ByTouch,
}

/// Why a mapping is not populated.
#[derive(Debug, thiserror::Error)]
pub enum PopulateError {
    /// It was begun without asking the limit for so much.
    #[error("cannot populate {wanted} bytes: only {admitted} bytes were admitted")]
    NotAdmitted {
        /// The mapping's size.
        wanted: usize,
        /// What the limit gave leave for.
        admitted: u64,
    },
    /// The kernel could not bring a step's pages into being.
    #[error("cannot populate {length} bytes at {offset}: {source}")]
    Kernel {
        /// Where the step begins.
        offset: usize,
        /// How long it is.
        length: usize,
        /// Why.
        source: io::Error,
    },
    /// The caller told it to stop.
    #[error("populating was stopped after {populated_bytes} of {total_bytes} bytes")]
    Stopped {
        /// The bytes that were present by then.
        populated_bytes: usize,
        /// All bytes of the mapping.
        total_bytes: usize,
    },
}

impl Mapping {
    /// Makes every page present, with `threads` threads, in steps of [`STEP_BYTES`]. `progress` is called after each
    /// step, by one thread at a time, and can stop the rest. The bytes stay what they are.
    ///
    /// A mapping of a file must be reserved, which [`MemoryFile::map`](super::memory_file::MemoryFile::map) sees to.
    ///
    /// # Errors
    /// When less was admitted than the mapping holds (nothing is touched then), the kernel's refusal, and
    /// [`PopulateError::Stopped`].
    ///
    /// # Panics
    /// When `progress` does.
    pub fn populate(
        &self,
        admission: &Admission,
        threads: NonZeroUsize,
        progress: impl FnMut(Progress) -> ControlFlow<()> + Send,
    ) -> Result<Populated, PopulateError> {
        self.populate_with(admission, threads, progress, Way::new(self.is_writable))
    }

    fn populate_with(
        &self,
        admission: &Admission,
        threads: NonZeroUsize,
        progress: impl FnMut(Progress) -> ControlFlow<()> + Send,
        way: Way,
    ) -> Result<Populated, PopulateError> {
        if !admission.covers(self.length) {
            return Err(PopulateError::NotAdmitted {
                wanted: self.length,
                admitted: admission.admitted().get(),
            });
        }
        let steps = self.mapped.div_ceil(STEP_BYTES);
        let next = AtomicUsize::new(0);
        let shared = Mutex::new(Shared {
            populated_bytes: 0,
            failure: None,
            progress,
        });
        let work = || {
            loop {
                let step = next.fetch_add(1, Ordering::Relaxed);
                if step >= steps {
                    return;
                }
                let offset = step * STEP_BYTES;
                let length = STEP_BYTES.min(self.mapped - offset);
                let outcome = self.populate_step(offset, length, &way);
                if !shared.lock().note(outcome, length, self.length) {
                    // Steps that others have begun come to their end; no further one begins.
                    next.store(steps, Ordering::Relaxed);
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.get().min(steps.max(1)) {
                // A thread that cannot be had is one that the others do without.
                let _ = std::thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        match shared.into_inner().failure {
            Some(failure) => Err(failure),
            None if way.touch.load(Ordering::Relaxed) => Ok(Populated::ByTouch),
            None => Ok(Populated::OnDemand),
        }
    }

    #[allow(unsafe_code)]
    fn populate_step(&self, offset: usize, length: usize, way: &Way) -> Result<(), PopulateError> {
        // SAFETY: the callers cut the mapping into steps, so the offset lies inside it.
        let start = unsafe { self.start.add(offset) };
        if !way.touch.load(Ordering::Relaxed) {
            // SAFETY: the range lies inside this mapping, and the advice changes no byte of it.
            let advised = rustix::io::retry_on_intr(|| unsafe {
                madvise(start.as_ptr().cast(), length, way.advice)
            });
            match advised {
                Ok(()) => return Ok(()),
                Err(Errno::INVAL) => way.touch.store(true, Ordering::Relaxed),
                Err(error) => {
                    return Err(PopulateError::Kernel {
                        offset,
                        length,
                        source: error.into(),
                    });
                }
            }
        }
        for page in (0..length).step_by(rustix::param::page_size()) {
            // SAFETY: the byte lies inside this mapping, which lives for as long as `self`; all who may use it at the
            // same time, in this process or another, see an atomic access that leaves the byte as it is.
            let byte = unsafe { AtomicU8::from_ptr(start.as_ptr().add(page)) };
            if self.is_writable {
                // Only a write brings a page of one's own into being. A byte that is not 0 proves that it is there.
                let _ = byte.compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
            } else {
                byte.load(Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// Which advice is given, and whether the kernel did not know it.
struct Way {
    advice: Advice,
    touch: AtomicBool,
}

impl Way {
    fn new(is_writable: bool) -> Self {
        Self {
            advice: if is_writable {
                Advice::LinuxPopulateWrite
            } else {
                Advice::LinuxPopulateRead
            },
            touch: AtomicBool::new(false),
        }
    }
}

/// What the threads tell each other.
struct Shared<F> {
    populated_bytes: usize,
    failure: Option<PopulateError>,
    progress: F,
}

impl<F: FnMut(Progress) -> ControlFlow<()>> Shared<F> {
    /// Notes a step and answers whether to go on.
    fn note(
        &mut self,
        outcome: Result<(), PopulateError>,
        length: usize,
        total_bytes: usize,
    ) -> bool {
        if let Err(failure) = outcome {
            self.failure.get_or_insert(failure);
        }
        if self.failure.is_some() {
            return false;
        }
        // The last step counts what the mapping is used for, not what it was rounded up to.
        self.populated_bytes = (self.populated_bytes + length).min(total_bytes);
        let populated_bytes = self.populated_bytes;
        let next = (self.progress)(Progress {
            populated_bytes,
            total_bytes,
        });
        if next.is_break() && populated_bytes < total_bytes {
            self.failure = Some(PopulateError::Stopped {
                populated_bytes,
                total_bytes,
            });
        }
        self.failure.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::ops::ControlFlow;
    use std::os::unix::fs::FileExt;
    use std::sync::atomic::AtomicBool;

    use super::{Advice, Mapping, Populated, Way};
    use crate::bytes::Bytes;
    use crate::pool::mapping::limit::MemoryLimit;

    #[test]
    #[allow(unsafe_code)]
    fn a_kernel_that_knows_no_populating_has_its_pages_touched() {
        let length = 1 << 20;
        let admission = MemoryLimit {
            limit: None,
            used: Bytes::ZERO,
        }
        .admit(Bytes(length as u64))
        .expect("no limit");
        let mapping = Mapping::anonymous(length).expect("1 MiB");
        // SAFETY: the byte lies inside the mapping, which nobody else uses.
        unsafe { mapping.start().as_ptr().add(4096).write(7) };
        let way = Way {
            advice: Advice::LinuxPopulateWrite,
            touch: AtomicBool::new(true),
        };
        let outcome = mapping.populate_with(
            &admission,
            NonZeroUsize::MIN,
            |_| ControlFlow::Continue(()),
            way,
        );
        assert_eq!(outcome.expect("all pages"), Populated::ByTouch);
        let page = rustix::param::page_size();
        let pages = std::fs::File::open("/proc/self/pagemap").expect("the kernel's page table");
        for index in 0..length / page {
            let mut entry = [0; 8];
            let at = (mapping.start().as_ptr().addr() / page + index) * 8;
            pages
                .read_exact_at(&mut entry, at as u64)
                .expect("an entry");
            assert_ne!(
                u64::from_ne_bytes(entry) >> 63,
                0,
                "page {index} is present"
            );
        }
        // SAFETY: as above.
        let byte = unsafe { mapping.start().as_ptr().add(4096).read() };
        assert_eq!(byte, 7, "touching changes nothing");
    }
}
