//! Files that live in memory, for processes to map together: nameless ones that are handed over by descriptor, and
//! files of a memory-backed volume that are opened by path.
//!
//! A file is reserved before it is mapped. Reserving fixes which container pays, and makes an error of a volume that is
//! too small; touching pages that are not there would end the process with SIGBUS instead.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};

use super::huge_pages::{HUGE_PAGE_BYTES, HugePageOutcome, HugePages, round_up};
use super::limit::Admission;
use super::{Mapping, MappingError, STEP_BYTES};

/// The seals that fix a file's size for good.
const SIZE_SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::SEAL);

/// A file in memory, of a size that is known.
#[derive(Debug)]
pub struct MemoryFile {
    descriptor: OwnedFd,
    length: usize,
    /// What the file holds: the length, in whole huge pages where it is made of those.
    file_length: u64,
    huge_pages: HugePageOutcome,
}

/// Why a file in memory cannot be made, taken over, reserved or mapped.
#[derive(Debug, thiserror::Error)]
pub enum MemoryFileError {
    /// The kernel refused to make the file.
    #[error("cannot make a file of {length} bytes in memory: {source}")]
    Create {
        /// The bytes that were asked for.
        length: usize,
        /// Why.
        source: io::Error,
    },
    /// The kernel does not tell what the file is, or refuses to fix its size.
    #[error("cannot {what} a file in memory: {source}")]
    Inspect {
        /// What was to be done.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// What the descriptor or the path leads to is no plain file.
    #[error("expected a plain file in memory, found something else (mode {mode:o})")]
    NotAFile {
        /// The kernel's description of it.
        mode: u32,
    },
    /// The file has another size than the one that was agreed on.
    #[error("expected a file of {expected} bytes, found one of {found} bytes")]
    WrongLength {
        /// The size that was agreed on.
        expected: u64,
        /// The file's size.
        found: u64,
    },
    /// Reserving was begun without asking the limit for so much.
    #[error("cannot reserve {wanted} bytes: only {admitted} bytes were admitted")]
    NotAdmitted {
        /// The file's size.
        wanted: usize,
        /// What the limit gave leave for.
        admitted: u64,
    },
    /// The volume is too small; nothing was reserved.
    #[error("cannot reserve {wanted} bytes: the volume has {free} bytes left")]
    VolumeTooSmall {
        /// The bytes that do not exist yet.
        wanted: u64,
        /// What the volume has left.
        free: u64,
    },
    /// The kernel ran out of pages.
    #[error("cannot reserve {length} bytes, {reserved} were to be had: {source}")]
    Reserve {
        /// The file's size.
        length: u64,
        /// How many bytes were reserved before the refusal, in whole steps.
        reserved: u64,
        /// Why.
        source: io::Error,
    },
    /// Mapping a file whose pages are not all there would put the process at risk of SIGBUS.
    #[error("cannot map a file of {length} bytes of which only {reserved} are reserved")]
    NotReserved {
        /// The file's size.
        length: u64,
        /// How many bytes of it exist.
        reserved: u64,
    },
    /// The kernel refused the mapping.
    #[error(transparent)]
    Map(#[from] MappingError),
}

impl MemoryFile {
    /// Makes a nameless file of `length` bytes, of huge pages where that is wished for and the node's pool has enough.
    /// `label` is what the kernel shows for it.
    ///
    /// The descriptor is closed on exec, and the file can be sealed. No page of it exists yet. Where the pool has too few
    /// huge pages, each mapping is advised to use the other kind, and its
    /// [`huge_page_outcome`](Mapping::huge_page_outcome) tells what it came to.
    ///
    /// # Errors
    /// The kernel's refusal. A lack of huge pages is no error.
    pub fn anonymous(
        label: &str,
        length: usize,
        huge_pages: HugePages,
    ) -> Result<Self, MemoryFileError> {
        let huge_pages = match huge_pages {
            HugePages::No => HugePageOutcome::NotWished,
            HugePages::Wished => match Self::of_huge_pages(label, length) {
                Ok(file) => return Ok(file),
                Err(pool) => HugePageOutcome::Advised { pool },
            },
        };
        let create = |source| MemoryFileError::Create { length, source };
        let descriptor = create_descriptor(label, MemfdFlags::empty()).map_err(create)?;
        Ok(Self {
            huge_pages,
            ..Self::set_length(descriptor, length, length)?
        })
    }

    fn of_huge_pages(label: &str, length: usize) -> Result<Self, io::ErrorKind> {
        let pages = MemfdFlags::HUGETLB.union(MemfdFlags::HUGE_2MB);
        let descriptor = create_descriptor(label, pages).map_err(|error| error.kind())?;
        let file = Self {
            huge_pages: HugePageOutcome::FromPool,
            ..Self::set_length(descriptor, length, round_up(length))
                .map_err(|_| io::ErrorKind::FileTooLarge)?
        };
        // The pool is only asked when the file is mapped: a mapping sets all pages aside or is refused.
        match file.map_unchecked(true) {
            Ok(_) => Ok(file),
            Err(MappingError { source, .. }) => Err(source.kind()),
        }
    }

    /// Gives a fresh file its size.
    pub(super) fn set_length(
        descriptor: OwnedFd,
        length: usize,
        file_length: usize,
    ) -> Result<Self, MemoryFileError> {
        let create = |source| MemoryFileError::Create { length, source };
        let file_length =
            u64::try_from(file_length).map_err(|_| create(io::ErrorKind::FileTooLarge.into()))?;
        rustix::io::retry_on_intr(|| rustix::fs::ftruncate(&descriptor, file_length))
            .map_err(|error| create(error.into()))?;
        Ok(Self {
            descriptor,
            length,
            file_length,
            huge_pages: HugePageOutcome::NotWished,
        })
    }

    /// Takes over a descriptor that another process handed over, of a file whose size both know.
    ///
    /// # Errors
    /// When it is no plain file or has another size.
    pub fn from_descriptor(descriptor: OwnedFd, length: usize) -> Result<Self, MemoryFileError> {
        let status = status(descriptor.as_fd())?;
        if !rustix::fs::FileType::from_raw_mode(status.st_mode).is_file() {
            return Err(MemoryFileError::NotAFile {
                mode: status.st_mode,
            });
        }
        let expected = length as u64;
        let found = u64::try_from(status.st_size).unwrap_or(0);
        // A file of huge pages is longer than what it is used for, by less than one of them.
        let is_huge = usize::try_from(status.st_blksize) == Ok(HUGE_PAGE_BYTES)
            && found == round_up(length) as u64;
        if found != expected && !is_huge {
            return Err(MemoryFileError::WrongLength { expected, found });
        }
        Ok(Self {
            descriptor,
            length,
            file_length: found,
            huge_pages: if is_huge {
                HugePageOutcome::FromPool
            } else {
                HugePageOutcome::NotWished
            },
        })
    }

    /// Brings all pages of the file into being, charged to the container of this process; their bytes are 0 or what
    /// they were.
    ///
    /// # Errors
    /// When less was admitted than the file holds, and the kernel's refusal with the bytes it got to.
    pub fn reserve(&self, admission: &Admission) -> Result<(), MemoryFileError> {
        if !admission.covers(self.length) {
            return Err(MemoryFileError::NotAdmitted {
                wanted: self.length,
                admitted: admission.admitted().get(),
            });
        }
        let wanted = self.file_length - self.reserved_bytes()?;
        if let Some(free) = self.free_bytes()?
            && free < wanted
        {
            return Err(MemoryFileError::VolumeTooSmall { wanted, free });
        }
        // The kernel takes back an interrupted step, so steps must be small enough to get through between signals.
        let mut reserved = 0;
        while reserved < self.file_length {
            let step = (self.file_length - reserved).min(STEP_BYTES as u64);
            rustix::io::retry_on_intr(|| {
                rustix::fs::fallocate(&self.descriptor, FallocateFlags::empty(), reserved, step)
            })
            .map_err(|error| MemoryFileError::Reserve {
                length: self.file_length,
                reserved,
                source: error.into(),
            })?;
            reserved += step;
        }
        Ok(())
    }

    /// What the file's volume has left; `None` where no size was set for it.
    fn free_bytes(&self) -> Result<Option<u64>, MemoryFileError> {
        let volume =
            rustix::fs::fstatfs(&self.descriptor).map_err(|error| MemoryFileError::Inspect {
                what: "inspect the volume of",
                source: error.into(),
            })?;
        let block = u64::try_from(volume.f_bsize).unwrap_or(0);
        Ok((volume.f_blocks > 0).then(|| volume.f_bfree.saturating_mul(block)))
    }

    /// How many bytes of the file exist.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn reserved_bytes(&self) -> Result<u64, MemoryFileError> {
        let blocks = status(self.descriptor.as_fd())?.st_blocks;
        // The kernel counts blocks of 512 bytes whatever the page is, and the last page counts in full.
        Ok((u64::try_from(blocks).unwrap_or(0) * 512).min(self.file_length))
    }

    /// Fixes the size: after this nobody who holds the file can shrink it, grow it or seal it further. Only files
    /// without a name can be sealed.
    ///
    /// # Errors
    /// The kernel's refusal, which is what a file on a volume gets.
    pub fn seal_size(&self) -> Result<(), MemoryFileError> {
        rustix::fs::fcntl_add_seals(&self.descriptor, SIZE_SEALS).map_err(|error| {
            MemoryFileError::Inspect {
                what: "seal",
                source: error.into(),
            }
        })
    }

    /// Whether nobody can change the size any more. A file on a volume answers no.
    #[must_use]
    pub fn is_size_sealed(&self) -> bool {
        rustix::fs::fcntl_get_seals(&self.descriptor)
            .is_ok_and(|seals| seals.contains(SealFlags::SHRINK | SealFlags::GROW))
    }

    /// Looks whether the file still has its size: the way to notice that a client changed one that cannot be sealed.
    ///
    /// # Errors
    /// When the size is another.
    pub fn check_length(&self) -> Result<(), MemoryFileError> {
        let found = u64::try_from(status(self.descriptor.as_fd())?.st_size).unwrap_or(0);
        if found == self.file_length {
            Ok(())
        } else {
            Err(MemoryFileError::WrongLength {
                expected: self.file_length,
                found,
            })
        }
    }

    /// Maps the whole file for reading and writing.
    ///
    /// # Errors
    /// When not all pages exist, the size is another by now, or the kernel refuses.
    pub fn map(&self) -> Result<Mapping, MemoryFileError> {
        self.check_present()?;
        Ok(self.map_unchecked(true)?)
    }

    /// Maps the whole file for reading.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn map_read_only(&self) -> Result<Mapping, MemoryFileError> {
        self.check_present()?;
        Ok(self.map_unchecked(false)?)
    }

    fn check_present(&self) -> Result<(), MemoryFileError> {
        self.check_length()?;
        let reserved = self.reserved_bytes()?;
        if reserved < self.file_length {
            return Err(MemoryFileError::NotReserved {
                length: self.file_length,
                reserved,
            });
        }
        Ok(())
    }

    fn map_unchecked(&self, is_writable: bool) -> Result<Mapping, MappingError> {
        // The file length began as a `usize` or was compared with one.
        let mapped = usize::try_from(self.file_length).unwrap_or(self.length);
        let mut mapping =
            Mapping::map_shared(self.descriptor.as_fd(), self.length, mapped, is_writable)?;
        match self.huge_pages {
            HugePageOutcome::Advised { pool } => mapping.advise_huge_pages(pool),
            outcome => mapping.huge_pages = outcome,
        }
        Ok(mapping)
    }

    /// Opens the file once more, for reading alone: the descriptor for a client that must not write.
    ///
    /// # Errors
    /// When `/proc` is not mounted or refuses.
    pub fn read_only_descriptor(&self) -> Result<OwnedFd, MemoryFileError> {
        use std::os::fd::AsRawFd;
        let path = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|error| {
            MemoryFileError::Inspect {
                what: "open for reading",
                source: error.into(),
            }
        })
    }

    /// How many bytes the file is used for.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }
}

impl AsFd for MemoryFile {
    /// The descriptor, to be handed to another process.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Makes a nameless file that cannot be run as a program, where the kernel knows of that (6.3).
fn create_descriptor(label: &str, pages: MemfdFlags) -> io::Result<OwnedFd> {
    let flags = pages | MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create(label, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(rustix::io::Errno::INVAL) => Ok(rustix::fs::memfd_create(label, flags)?),
        answer => Ok(answer?),
    }
}

pub(super) fn status(file: BorrowedFd<'_>) -> Result<rustix::fs::Stat, MemoryFileError> {
    rustix::fs::fstat(file).map_err(|error| MemoryFileError::Inspect {
        what: "inspect",
        source: error.into(),
    })
}
