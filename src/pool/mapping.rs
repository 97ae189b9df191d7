//! Memory as the kernel gives it: a range of bytes that stays where it is until it is dropped.
//!
//! A mapping knows nothing of segments; whoever cuts it decides who may touch which part. That is why it hands out a
//! pointer and never a slice.

use std::ptr::NonNull;

/// A range of memory, private to this process or shared with others, unmapped when dropped.
///
/// All bytes of a fresh private mapping are 0, and its pages appear on first use.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
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
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code)]
    pub fn anonymous(length: usize) -> Result<Self, MappingError> {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        if length == 0 {
            return Ok(Self {
                start: NonNull::dangling(),
                length,
            });
        }
        // SAFETY: a null hint lets the kernel choose a range that nothing else uses.
        let start = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }
        .map_err(|error| MappingError {
            length,
            source: error.into(),
        })?;
        let start = NonNull::new(start.cast()).ok_or_else(|| MappingError {
            length,
            source: std::io::ErrorKind::OutOfMemory.into(),
        })?;
        Ok(Self { start, length })
    }

    /// The first byte. The range `start .. start + length` is readable and writable while the mapping lives.
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How many bytes there are.
    pub fn length(&self) -> usize {
        self.length
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mapping {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: `mmap` gave this range to this value alone, and whoever cut it keeps the mapping alive for as
            // long as any part is in use.
            let unmapped = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
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

#[cfg(test)]
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
