//! A directory on a memory-backed volume, in which files are made and found for processes that open them by path.
//!
//! Another user who could exchange a file there would choose what we map. So the directory must be ours or root's, files
//! are reached through its descriptor and never through a link, and a file that is found must be ours, of the agreed
//! size, and writable by nobody else.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use super::memory_file::{MemoryFile, MemoryFileError, status};

/// The kernel's numbers of the file systems whose files live in memory: tmpfs, ramfs, hugetlbfs.
const IN_MEMORY: [u64; 3] = [0x0102_1994, 0x8584_58f6, 0x9584_58f6];

/// A directory that was checked, held by descriptor, so that exchanging its path changes nothing.
#[derive(Debug)]
pub struct MemoryDirectory {
    descriptor: OwnedFd,
    path: PathBuf,
}

/// Why a directory or a file in it is not used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The kernel refused a step.
    #[error("cannot {what} {}: {source}", path.display())]
    Kernel {
        /// What was to be done.
        what: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It belongs to somebody who is neither we nor root.
    #[error("{} belongs to user {owner}, not to user {us}", path.display())]
    ForeignOwner {
        /// The file or directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// Others can exchange or change what lies there.
    #[error("{} can be changed by other users (mode {mode:o})", path.display())]
    WritableByOthers {
        /// The file or directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Files there live on a disk.
    #[error("{} is not on a memory-backed volume (file system {file_system:#x})", path.display())]
    NotInMemory {
        /// The directory.
        path: PathBuf,
        /// The kernel's number of its file system.
        file_system: u64,
    },
    /// The name leads out of the directory, or is none.
    #[error("{name:?} is no name of a file in a directory")]
    NotAName {
        /// The name.
        name: String,
    },
    /// The file is not what was agreed on.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: MemoryFileError,
    },
}

impl MemoryDirectory {
    /// Opens a directory that is there.
    ///
    /// # Errors
    /// When it is no directory or a link to one, belongs to neither us nor root, can be written by everybody without
    /// being sticky, or is not on a memory-backed volume.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|error| kernel("open", path, error))?;
        let status =
            rustix::fs::fstat(&descriptor).map_err(|error| kernel("inspect", path, error))?;
        check_owner(path, status.st_uid)?;
        let mode = Mode::from_raw_mode(status.st_mode);
        if mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX) {
            return Err(DirectoryError::WritableByOthers {
                path: path.to_owned(),
                mode: status.st_mode & 0o7777,
            });
        }
        let file_system =
            rustix::fs::fstatfs(&descriptor).map_err(|error| kernel("inspect", path, error))?;
        // Some numbers have their highest bit set, and the field is signed.
        let file_system = u64::from(file_system.f_type as u32);
        if !IN_MEMORY.contains(&file_system) {
            return Err(DirectoryError::NotInMemory {
                path: path.to_owned(),
                file_system,
            });
        }
        Ok(Self {
            descriptor,
            path: path.to_owned(),
        })
    }

    /// Opens a directory, after making it for us alone if it is not there. This is for a volume that everybody may
    /// write, as Kubernetes mounts them: files must lie one level below its root.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when it cannot be made.
    pub fn open_or_create(path: &Path) -> Result<Self, DirectoryError> {
        match rustix::fs::mkdirat(CWD, path, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Self::open(path),
            Err(error) => Err(kernel("make", path, error)),
        }
    }

    /// Makes a file of `length` bytes that only we may open. No page of it exists yet.
    ///
    /// # Errors
    /// When the name is taken or is none, or the kernel refuses; nothing stays behind then.
    pub fn create_file(&self, name: &str, length: usize) -> Result<MemoryFile, DirectoryError> {
        let path = self.path_of(name)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(&self.descriptor, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| kernel("make", &path, error))?;
        MemoryFile::set_length(descriptor, length, length).map_err(|source| {
            // The refusal is the error to tell; that the empty file could not be removed would hide it.
            let _ = rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty());
            DirectoryError::File { path, source }
        })
    }

    /// Opens a file that is there, of the size that was agreed on.
    ///
    /// # Errors
    /// When there is none, it is a link or no plain file, belongs to neither us nor root, can be written by others, or
    /// has another size.
    pub fn open_file(&self, name: &str, length: usize) -> Result<MemoryFile, DirectoryError> {
        let path = self.path_of(name)?;
        // Opening a pipe would wait for its other end.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let descriptor = rustix::fs::openat(&self.descriptor, name, flags, Mode::empty())
            .map_err(|error| kernel("open", &path, error))?;
        let file = |source| DirectoryError::File {
            path: path.clone(),
            source,
        };
        let status = status(descriptor.as_fd()).map_err(file)?;
        if FileType::from_raw_mode(status.st_mode).is_file() {
            check_owner(&path, status.st_uid)?;
            if Mode::from_raw_mode(status.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
                return Err(DirectoryError::WritableByOthers {
                    path,
                    mode: status.st_mode & 0o7777,
                });
            }
        }
        MemoryFile::from_descriptor(descriptor, length).map_err(file)
    }

    /// Removes a file's name; who has the file open or mapped keeps it.
    ///
    /// # Errors
    /// When there is none or the kernel refuses.
    pub fn remove_file(&self, name: &str) -> Result<(), DirectoryError> {
        let path = self.path_of(name)?;
        rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty())
            .map_err(|error| kernel("remove", &path, error))
    }

    fn path_of(&self, name: &str) -> Result<PathBuf, DirectoryError> {
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(DirectoryError::NotAName {
                name: name.to_owned(),
            });
        }
        Ok(self.path.join(name))
    }
}

/// Root can change everything anyway, so what is root's is as good as ours.
fn check_owner(path: &Path, owner: u32) -> Result<(), DirectoryError> {
    let us = rustix::process::geteuid().as_raw();
    if owner == us || owner == 0 {
        Ok(())
    } else {
        Err(DirectoryError::ForeignOwner {
            path: path.to_owned(),
            owner,
            us,
        })
    }
}

fn kernel(what: &'static str, path: &Path, error: rustix::io::Errno) -> DirectoryError {
    DirectoryError::Kernel {
        what,
        path: path.to_owned(),
        source: error.into(),
    }
}
