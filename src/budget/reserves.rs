//! What a container holds beside Flink's process: memory that Flink's own model knows nothing of.
//!
//! A reserve is taken from the container's limit before the process gets the rest, so it can never be given away
//! twice: limit = reserves + process + unassigned, always and exactly. Outside a container there is nothing to
//! take it from.

use std::{fmt, str::FromStr};

use serde::Serialize;

use super::{
    profile::{self, Profile},
    request::{Origin, Request, Role},
};
use crate::bytes::Bytes;

/// What a reserve is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ReserveKind {
    /// What a native state backend takes beyond the memory that Flink gave it, because its limit is not strict.
    NativeOvershoot,
    /// Python interpreters beside the JVM, beyond the managed memory that they use.
    PythonWorkers,
    /// Any other process in the TaskManager's own container: a profiler, an exporter, a shell.
    OtherProcesses,
    /// Volumes that live in memory; what is written to them counts against the container.
    MemoryVolumes,
}

impl ReserveKind {
    /// Every kind, in the order in which reserves are shown.
    pub const ALL: [ReserveKind; 4] = [
        ReserveKind::NativeOvershoot,
        ReserveKind::PythonWorkers,
        ReserveKind::OtherProcesses,
        ReserveKind::MemoryVolumes,
    ];

    /// The name, as in JSON: `nativeOvershoot`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ReserveKind::NativeOvershoot => "nativeOvershoot",
            ReserveKind::PythonWorkers => "pythonWorkers",
            ReserveKind::OtherProcesses => "otherProcesses",
            ReserveKind::MemoryVolumes => "memoryVolumes",
        }
    }

    /// The typed field of a `TaskManagerPool`.
    #[must_use]
    pub const fn field_path(self) -> &'static str {
        match self {
            ReserveKind::NativeOvershoot => "spec.memory.reserves.nativeOvershoot",
            ReserveKind::PythonWorkers => "spec.memory.reserves.pythonWorkers",
            ReserveKind::OtherProcesses => "spec.memory.reserves.otherProcesses",
            ReserveKind::MemoryVolumes => "spec.memory.reserves.memoryVolumes",
        }
    }
}

impl fmt::Display for ReserveKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A text that names no [`ReserveKind`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no reserve is called {0:?}; there are nativeOvershoot, pythonWorkers, otherProcesses and memoryVolumes"
)]
pub struct UnknownReserve(pub String);

impl FromStr for ReserveKind {
    type Err = UnknownReserve;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| UnknownReserve(text.to_owned()))
    }
}

/// Where the size of a reserve comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "rule")]
pub enum ReserveSource {
    /// Written by the user.
    Configured {
        /// Where it was written.
        origin: Origin,
    },
    /// Made by the profile, because nothing was written.
    Profile {
        /// The profile.
        profile: Profile,
    },
    /// Neither; the reserve is nothing.
    Zero,
}

/// A part of the container that the process does not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reserve {
    /// What it is for.
    pub kind: ReserveKind,
    /// Its size.
    pub bytes: Bytes,
    /// Where the size comes from.
    pub source: ReserveSource,
}

impl Reserve {
    /// Where it is written, or would be.
    pub(super) fn place(&self) -> Origin {
        match &self.source {
            ReserveSource::Configured { origin } => origin.clone(),
            ReserveSource::Profile { .. } | ReserveSource::Zero => {
                Origin::field(self.kind.field_path())
            }
        }
    }

    /// Whether somebody wrote it.
    pub(super) fn is_written(&self) -> bool {
        matches!(self.source, ReserveSource::Configured { .. })
    }

    /// Where a person finds it: `spec.memory.reserves.pythonWorkers`, `--reserve pythonWorkers`; for a reserve that
    /// nobody wrote, the field to write it in.
    #[must_use]
    pub fn path(&self) -> String {
        match &self.source {
            ReserveSource::Configured {
                origin: Origin::CommandLine,
            } => format!("--reserve {}", self.kind),
            ReserveSource::Configured { origin } => origin.path(self.kind.as_str()),
            ReserveSource::Profile { profile } => {
                format!("{} of profile {profile}", self.kind)
            }
            ReserveSource::Zero => self.kind.field_path().to_owned(),
        }
    }
}

/// The reserves of a request, one of each kind; none where neither a reserve nor a profile was written. Whether the
/// request solves does not matter.
#[must_use]
pub fn reserves_in_effect(request: &Request) -> Vec<Reserve> {
    if request.role == Role::JobManager
        || (request.reserves.is_empty() && request.profile == Profile::Custom)
    {
        return Vec::new();
    }
    let in_effect = |kind| {
        let written = request
            .reserves
            .iter()
            .rfind(|reserve| reserve.kind == kind);
        written
            .cloned()
            .unwrap_or_else(|| match profile::reserve(request, kind) {
                Some(bytes) => Reserve {
                    kind,
                    bytes,
                    source: ReserveSource::Profile {
                        profile: request.profile,
                    },
                },
                None => Reserve {
                    kind,
                    bytes: Bytes::ZERO,
                    source: ReserveSource::Zero,
                },
            })
    };
    ReserveKind::ALL.map(in_effect).into()
}

/// What all reserves together take from the container.
pub(super) fn total(reserves: &[Reserve]) -> Bytes {
    reserves.iter().fold(Bytes::ZERO, |total, reserve| {
        total.saturating_add(reserve.bytes)
    })
}

impl Request {
    /// The same request with a reserve; of one kind the last one counts.
    #[must_use]
    pub fn with_reserve(mut self, kind: ReserveKind, bytes: Bytes, origin: Origin) -> Self {
        self.reserves.push(Reserve {
            kind,
            bytes,
            source: ReserveSource::Configured { origin },
        });
        self
    }

    /// Makes a reserve this large: where it is written, or newly at `origin`.
    pub(super) fn set_reserve(&mut self, kind: ReserveKind, bytes: Bytes, origin: &Origin) {
        match self
            .reserves
            .iter_mut()
            .rfind(|reserve| reserve.kind == kind)
        {
            Some(reserve) => reserve.bytes = bytes,
            None => self.reserves.push(Reserve {
                kind,
                bytes,
                source: ReserveSource::Configured {
                    origin: origin.clone(),
                },
            }),
        }
    }

    /// The same request with the defaults of a profile.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }
}
