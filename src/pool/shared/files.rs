//! The two files of a shared pool, made by the agent or found again after its restart.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::layout::{Layout, LayoutError};
use super::memory::{Control, Data};
use super::registry::random;
use crate::bytes::Bytes;
use crate::pool::mapping::directory::{DirectoryError, MemoryDirectory};
use crate::pool::mapping::huge_pages::HugePages;
use crate::pool::mapping::limit::{MemoryLimit, OverLimit};
use crate::pool::mapping::memory_file::{MemoryFile, MemoryFileError};
use crate::pool::mapping::{PopulateError, Progress};

/// How large a pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSize {
    /// The bytes of one segment.
    pub segment_bytes: u32,
    /// How many segments there are.
    pub segments: u32,
    /// How many clients may share them at one time.
    pub clients: u16,
}

/// Where the files of a pool lie.
#[derive(Clone, Copy, Debug)]
pub enum Storage<'a> {
    /// In no directory; they are handed over by descriptor, and their sizes are fixed for good. They end with the last
    /// process that has them.
    Nameless {
        /// Whether the data should lie in huge pages.
        huge_pages: HugePages,
    },
    /// In a directory on a memory-backed volume, under this name with `.data` and `.control`. They outlive the agent.
    Directory {
        /// The directory.
        directory: &'a MemoryDirectory,
        /// The name.
        name: &'a str,
    },
}

/// A pool cannot be made, or not be found again.
#[derive(Debug, thiserror::Error)]
pub enum PoolFilesError {
    /// The sizes are impossible, or the file is no control file of such a pool.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The container has too little memory. Nothing was touched.
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    /// A file cannot be made, opened, reserved or mapped.
    #[error(transparent)]
    File(#[from] MemoryFileError),
    /// The directory or a file in it is not used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Not all pages of the data came into being.
    #[error(transparent)]
    Populate(#[from] PopulateError),
    /// A file that was found was made with other sizes.
    #[error("the pool has {found:?}, but {wanted:?} is wanted")]
    OtherSize {
        /// What was found.
        found: PoolSize,
        /// What is wanted.
        wanted: PoolSize,
    },
}

/// The files of a pool.
#[derive(Debug)]
pub(super) struct PoolFiles {
    pub(super) control: Arc<Control>,
    control_file: MemoryFile,
    data_file: MemoryFile,
}

impl PoolFiles {
    /// Makes the files: compares with the limit, reserves, writes the control file and brings all pages of the data into
    /// being.
    pub(super) fn create(
        size: PoolSize,
        storage: Storage<'_>,
        limit: &MemoryLimit,
        threads: NonZeroUsize,
        progress: impl FnMut(Progress) -> ControlFlow<()> + Send,
    ) -> Result<Self, PoolFilesError> {
        let layout = Layout::plan(size.segment_bytes, size.segments, size.clients, random())?;
        let [data_bytes, control_bytes] = lengths(&layout)?;
        let admission = limit.admit(Bytes(layout.data_bytes() + layout.control_bytes()))?;
        let (data_file, control_file) = match storage {
            Storage::Nameless { huge_pages } => (
                MemoryFile::anonymous("headroom-data", data_bytes, huge_pages)?,
                MemoryFile::anonymous("headroom-control", control_bytes, HugePages::No)?,
            ),
            Storage::Directory { directory, name } => {
                let [data_name, control_name] = names(name);
                let data_file = directory.create_file(&data_name, data_bytes)?;
                let control_file = directory
                    .create_file(&control_name, control_bytes)
                    .inspect_err(|_| {
                        // The first refusal is the one to tell.
                        let _ = directory.remove_file(&data_name);
                    })?;
                (data_file, control_file)
            }
        };
        let made = || {
            data_file.reserve(&admission)?;
            control_file.reserve(&admission)?;
            if let Storage::Nameless { .. } = storage {
                data_file.seal_size()?;
                control_file.seal_size()?;
            }
            data_file.map()?.populate(&admission, threads, progress)?;
            // A control file with a header means that the data is all there.
            Ok(Arc::new(Control::create(control_file.map()?, layout)?))
        };
        let control = made().inspect_err(|_: &PoolFilesError| {
            if let Storage::Directory { directory, name } = storage {
                // The first refusal is the one to tell.
                let _ = Self::remove(directory, name);
            }
        })?;
        Ok(Self {
            control,
            control_file,
            data_file,
        })
    }

    /// Opens the files of an agent before this one. What they hold stays as it is.
    pub(super) fn open(
        size: PoolSize,
        directory: &MemoryDirectory,
        name: &str,
    ) -> Result<Self, PoolFilesError> {
        let layout = Layout::plan(size.segment_bytes, size.segments, size.clients, 0)?;
        let [data_bytes, control_bytes] = lengths(&layout)?;
        let [data_name, control_name] = names(name);
        let control_file = directory.open_file(&control_name, control_bytes)?;
        let control = Control::open(control_file.map()?)?;
        let found = PoolSize::of(control.layout());
        if found != size {
            return Err(PoolFilesError::OtherSize {
                found,
                wanted: size,
            });
        }
        let data_file = directory.open_file(&data_name, data_bytes)?;
        // Mapping is refused where pages are missing.
        data_file.map()?;
        Ok(Self {
            control: Arc::new(control),
            control_file,
            data_file,
        })
    }

    /// Removes the names of a pool's files.
    pub(super) fn remove(directory: &MemoryDirectory, name: &str) -> Result<(), DirectoryError> {
        let [data_name, control_name] = names(name);
        let control = directory.remove_file(&control_name);
        directory.remove_file(&data_name).and(control)
    }

    /// The descriptors for a client: of the data and of the control file.
    pub(super) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.data_file.as_fd(), self.control_file.as_fd()]
    }

    /// Looks whether both files still have their sizes.
    pub(super) fn check_lengths(&self) -> Result<(), MemoryFileError> {
        self.data_file.check_length()?;
        self.control_file.check_length()
    }
}

/// The files of a pool as a client has them.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) control: Arc<Control>,
    pub(super) data: Arc<Data>,
}

impl Attachment {
    /// Maps what the agent handed over, after looking whether it fits together.
    pub(super) fn new(
        data: OwnedFd,
        control: OwnedFd,
        [data_bytes, control_bytes]: [u64; 2],
    ) -> Result<Self, PoolFilesError> {
        let control_file = MemoryFile::from_descriptor(control, length(control_bytes)?)?;
        let control = Control::open(control_file.map()?)?;
        let layout = control.layout();
        layout.check_data_bytes(data_bytes)?;
        let data_file = MemoryFile::from_descriptor(data, length(data_bytes)?)?;
        let data = Data::new(data_file.map()?, layout)?;
        Ok(Self {
            control: Arc::new(control),
            data: Arc::new(data),
        })
    }
}

impl PoolSize {
    /// The size that a layout follows from.
    #[must_use]
    pub fn of(layout: &Layout) -> Self {
        let sizes = layout.sizes();
        Self {
            segment_bytes: sizes.segment_bytes,
            segments: sizes.segments,
            clients: sizes.clients,
        }
    }
}

fn names(name: &str) -> [String; 2] {
    [format!("{name}.data"), format!("{name}.control")]
}

fn lengths(layout: &Layout) -> Result<[usize; 2], LayoutError> {
    Ok([
        length(layout.data_bytes())?,
        length(layout.control_bytes())?,
    ])
}

/// What a process of 32 bits cannot map is an impossible size.
fn length(bytes: u64) -> Result<usize, LayoutError> {
    usize::try_from(bytes).map_err(|_| LayoutError::Size {
        what: "the length of a file",
        value: bytes,
        largest: usize::MAX as u64,
    })
}
