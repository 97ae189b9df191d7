//! The memory limit of a container, asked before memory is touched.
//!
//! The kernel does not refuse memory above a container's limit, it ends the process that touches it. So whoever is about
//! to touch much memory asks [`MemoryLimit::admit`] first, and carries the answer, an [`Admission`], to the functions
//! that touch.

use std::path::{Path, PathBuf};

use crate::bytes::Bytes;

/// Version 1 of the control groups writes the largest whole number of pages where there is no limit; no page is larger
/// than 64 KiB.
const NO_LIMIT_FROM: u64 = (i64::MAX as u64) & !0xffff;

/// How much memory a container may hold, and how much it holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// The limit; `None` where there is none.
    pub limit: Option<Bytes>,
    /// What the container holds and cannot lose: its use without the file pages that the kernel would drop first.
    pub used: Bytes,
}

/// The leave to touch so many bytes, given by a limit that was compared with them.
#[derive(Debug, PartialEq, Eq)]
pub struct Admission {
    admitted: Bytes,
}

/// More memory is wanted than the limit leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot hold {wanted} bytes more: of the memory limit of {limit} bytes, {used} are in use and {left} are left",
    wanted = wanted.get(), limit = limit.get(), used = used.get(), left = limit.saturating_sub(*used).get()
)]
pub struct OverLimit {
    /// The bytes that were to be touched.
    pub wanted: Bytes,
    /// The limit of the container.
    pub limit: Bytes,
    /// What the container holds already.
    pub used: Bytes,
}

/// The files that tell the limit are missing or say something else.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// A file that must be there cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds no number.
    #[error("{} holds no number of bytes: {text:?}", path.display())]
    NoNumber {
        /// The file.
        path: PathBuf,
        /// What it holds.
        text: String,
    },
    /// Neither version's files are there.
    #[error("{} is no memory control group: neither memory.current nor memory.usage_in_bytes is there", root.display())]
    NoControlGroup {
        /// The directory that was looked into.
        root: PathBuf,
    },
}

impl MemoryLimit {
    /// Leave to touch `wanted` bytes more, or a refusal that names the limit and the use.
    ///
    /// # Errors
    /// [`OverLimit`] when the use and `wanted` together pass the limit.
    pub fn admit(&self, wanted: Bytes) -> Result<Admission, OverLimit> {
        if let Some(limit) = self.limit
            && limit.saturating_sub(self.used) < wanted
        {
            return Err(OverLimit {
                wanted,
                limit,
                used: self.used,
            });
        }
        Ok(Admission { admitted: wanted })
    }

    /// Reads the limit and the use from a control group's directory, of version 2 or 1 (there also as `memory/` below
    /// the root). Inside a container that is `/sys/fs/cgroup`.
    ///
    /// The use is what kubelet calls the working set: the pages of files that were not used lately are taken off.
    ///
    /// # Errors
    /// When neither version's files are there, or one cannot be read or understood.
    pub fn read(root: &Path) -> Result<Self, LimitError> {
        let version_1 = root.join("memory");
        for (directory, names) in [
            (root, &VERSION_2),
            (root, &VERSION_1),
            (&version_1, &VERSION_1),
        ] {
            if directory.join(names.used).exists() {
                return Self::read_files(directory, names);
            }
        }
        Err(LimitError::NoControlGroup {
            root: root.to_owned(),
        })
    }

    /// What the machine has and what of it cannot be had, by `MemTotal` and `MemAvailable` of its `/proc/meminfo`.
    ///
    /// It ends a process as a container's limit does, and where there is no container nothing else is asked first.
    ///
    /// # Errors
    /// When the file cannot be read, or does not have the two numbers.
    pub fn of_machine(meminfo: &Path) -> Result<Self, LimitError> {
        let text = read(meminfo)?;
        let kibibytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim().strip_suffix("kB"));
            let number = number.and_then(|number| number.trim().parse::<u64>().ok());
            let bytes = number.and_then(|number| number.checked_mul(1024));
            bytes.map(Bytes).ok_or_else(|| LimitError::NoNumber {
                path: meminfo.to_owned(),
                text: line.unwrap_or(name).trim().to_owned(),
            })
        };
        let total = kibibytes("MemTotal:")?;
        Ok(Self {
            limit: Some(total),
            used: total.saturating_sub(kibibytes("MemAvailable:")?),
        })
    }

    /// The tighter one of a control group and the machine, from the control group's directory (`/sys/fs/cgroup` inside a
    /// container) and the kernel's `/proc/meminfo`. Where there is no control group, the machine's alone.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for a missing control group, and as [`of_machine`](Self::of_machine).
    pub fn of_process(control_group: &Path, meminfo: &Path) -> Result<Self, LimitError> {
        let machine = Self::of_machine(meminfo)?;
        match Self::read(control_group) {
            Ok(limit) => Ok(limit.tighter(machine)),
            Err(LimitError::NoControlGroup { .. }) => Ok(machine),
            Err(error) => Err(error),
        }
    }

    /// The one of the two that leaves less.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        let left = |one: &Self| one.limit.map(|limit| limit.saturating_sub(one.used));
        match (left(&self), left(&other)) {
            (None, _) => other,
            (Some(own), Some(theirs)) if theirs < own => other,
            _ => self,
        }
    }

    fn read_files(directory: &Path, names: &Names) -> Result<Self, LimitError> {
        let used = number(&directory.join(names.used))?;
        let limit_path = directory.join(names.limit);
        // The root of version 2 has a use and no limit.
        let limit = match read(&limit_path) {
            Err(LimitError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                None
            }
            text => match text?.trim() {
                "max" => None,
                text => Some(parse(&limit_path, text)?).filter(|limit| *limit < NO_LIMIT_FROM),
            },
        };
        let statistics = read(&directory.join("memory.stat"))?;
        let inactive_file = statistics
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(name, _)| *name == names.inactive_file)
            .and_then(|(_, value)| value.trim().parse().ok())
            .unwrap_or(0);
        Ok(Self {
            limit: limit.map(Bytes),
            used: Bytes(used.saturating_sub(inactive_file)),
        })
    }
}

impl Admission {
    /// How many bytes may be touched.
    #[must_use]
    pub fn admitted(&self) -> Bytes {
        self.admitted
    }

    /// Whether so many bytes may be touched.
    #[cfg(target_os = "linux")]
    pub(super) fn covers(&self, length: usize) -> bool {
        u64::try_from(length).is_ok_and(|length| length <= self.admitted.get())
    }
}

/// What the files of one version are called.
struct Names {
    limit: &'static str,
    used: &'static str,
    inactive_file: &'static str,
}

const VERSION_2: Names = Names {
    limit: "memory.max",
    used: "memory.current",
    inactive_file: "inactive_file",
};

const VERSION_1: Names = Names {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    inactive_file: "total_inactive_file",
};

fn read(path: &Path) -> Result<String, LimitError> {
    std::fs::read_to_string(path).map_err(|source| LimitError::Read {
        path: path.to_owned(),
        source,
    })
}

fn parse(path: &Path, text: &str) -> Result<u64, LimitError> {
    text.parse().map_err(|_| LimitError::NoNumber {
        path: path.to_owned(),
        text: text.to_owned(),
    })
}

fn number(path: &Path) -> Result<u64, LimitError> {
    parse(path, read(path)?.trim())
}
