//! Memory as the kernel gives it: a range of bytes that stays where it is until it is dropped.
//!
//! A mapping knows nothing of segments; whoever cuts it decides who may touch which part. That is why it hands out a
//! pointer and never a slice.
//!
//! Memory that is to hold in a container goes through four steps, in this order: compare with the limit
//! ([`limit::MemoryLimit::admit`], because the kernel kills instead of refusing), reserve
//! ([`MemoryFile::reserve`](memory_file::MemoryFile::reserve), which turns a volume that is too small into an error and
//! fixes who pays), map, and populate ([`Mapping::populate`]).

#[cfg(target_os = "linux")]
pub mod directory;
#[cfg(target_os = "linux")]
pub mod huge_pages;
pub mod limit;
#[cfg(target_os = "linux")]
pub mod memory_file;
#[cfg(target_os = "linux")]
mod populate;

use std::ptr::NonNull;

#[cfg(target_os = "linux")]
pub use populate::{PopulateError, Populated, Progress, STEP_BYTES};

/// A range of memory, private to this process or shared with others, unmapped when dropped.
///
/// All bytes of a fresh private mapping are 0, and its pages appear on first use.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
    /// What the kernel mapped: the length, rounded up to whole huge pages where those are used.
    mapped: usize,
    is_writable: bool,
    #[cfg(target_os = "linux")]
    huge_pages: huge_pages::HugePageOutcome,
}

/// The kernel refused a mapping.
#[derive(Debug, thiserror::Error)]
#[error("cannot map {length} bytes: {source}")]
pub struct MappingError {
    length: usize,
    source: std::io::Error,
}

impl Mapping {
    /// Maps `length` bytes of private memory. A length of 0 maps nothing and succeeds.
    ///
    /// # Errors
    /// The kernel's refusal, with the length.
    #[cfg(target_os = "linux")]
    pub fn anonymous(length: usize) -> Result<Self, MappingError> {
        use rustix::mm::MapFlags;
        Self::map_anonymous(length, length, MapFlags::NORESERVE)
    }

    /// Maps `mapped` bytes of private memory, of which `length` are used.
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code)]
    fn map_anonymous(
        length: usize,
        mapped: usize,
        flags: rustix::mm::MapFlags,
    ) -> Result<Self, MappingError> {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        if length == 0 {
            return Ok(Self::nothing(true));
        }
        // SAFETY: a null hint lets the kernel choose a range that nothing else uses.
        let start = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                mapped,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | flags,
            )
        };
        Self::from_kernel(start, length, mapped, true)
    }

    /// Maps the first `mapped` bytes of a file for all who map it.
    ///
    /// A child that this process forks does not inherit the mapping, so that the end of this process is the end of its
    /// access.
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code)]
    fn map_shared(
        file: std::os::fd::BorrowedFd<'_>,
        length: usize,
        mapped: usize,
        is_writable: bool,
    ) -> Result<Self, MappingError> {
        use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap};
        if length == 0 {
            return Ok(Self::nothing(is_writable));
        }
        let protection = if is_writable {
            ProtFlags::READ | ProtFlags::WRITE
        } else {
            ProtFlags::READ
        };
        // SAFETY: a null hint lets the kernel choose a range that nothing else uses.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                mapped,
                protection,
                MapFlags::SHARED,
                file,
                0,
            )
        };
        let mapping = Self::from_kernel(start, length, mapped, is_writable)?;
        // SAFETY: the range is this mapping's own, and the advice changes nothing in this process.
        unsafe { madvise(mapping.start.as_ptr().cast(), mapped, Advice::LinuxDontFork) }.map_err(
            |error| MappingError {
                length,
                source: error.into(),
            },
        )?;
        Ok(mapping)
    }

    #[cfg(target_os = "linux")]
    fn from_kernel(
        start: rustix::io::Result<*mut std::ffi::c_void>,
        length: usize,
        mapped: usize,
        is_writable: bool,
    ) -> Result<Self, MappingError> {
        let start = start.map_err(|error| MappingError {
            length,
            source: error.into(),
        })?;
        let start = NonNull::new(start.cast()).ok_or_else(|| MappingError {
            length,
            source: std::io::ErrorKind::OutOfMemory.into(),
        })?;
        Ok(Self {
            start,
            length,
            mapped,
            is_writable,
            huge_pages: huge_pages::HugePageOutcome::NotWished,
        })
    }

    #[cfg(target_os = "linux")]
    fn nothing(is_writable: bool) -> Self {
        Self {
            start: NonNull::dangling(),
            length: 0,
            mapped: 0,
            is_writable,
            huge_pages: huge_pages::HugePageOutcome::NotWished,
        }
    }

    /// The first byte. The range `start .. start + length` is readable while the mapping lives, and writable where
    /// [`is_writable`](Self::is_writable) says so.
    #[must_use]
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How many bytes there are.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether the bytes may be written; a write to those that may not ends the process.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.is_writable
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mapping {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        if self.mapped > 0 {
            // SAFETY: `mmap` gave this range to this value alone, and whoever cut it keeps the mapping alive for as
            // long as any part is in use.
            let unmapped = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.mapped) };
            debug_assert!(unmapped.is_ok(), "a range that was mapped can be unmapped");
        }
    }
}

// SAFETY: a mapping is an address and a length; what may touch the bytes is the rule of whoever cuts it.
#[allow(unsafe_code)]
unsafe impl Send for Mapping {}
// SAFETY: as above: a shared reference gives the address, and no access.
#[allow(unsafe_code)]
unsafe impl Sync for Mapping {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::Mapping;

    #[test]
    fn nothing_can_be_mapped_and_too_much_cannot() {
        assert_eq!(Mapping::anonymous(0).expect("no bytes").length(), 0);
        assert_eq!(Mapping::anonymous(8192).expect("two pages").length(), 8192);
        let error = Mapping::anonymous(usize::MAX / 2).expect_err("half the address space");
        assert!(
            error.to_string().contains("9223372036854775807 bytes"),
            "{error}"
        );
    }
}
