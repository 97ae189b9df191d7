//! What is asked of the solver: the Flink version, every option with where it was written, and the container.

use std::borrow::Cow;

use serde::Serialize;

use super::{
    cpu::MilliCpu,
    infeasible::{Change, Suggestion},
    memory_size,
    profile::Profile,
    reserves::{Reserve, ReserveKind},
    version::FlinkVersion,
};
use crate::{bytes::Bytes, quantity};

/// What the key of a reference says that is about the container's memory request, which is no option of Flink.
pub(super) const MEMORY_REQUEST: &str = "resources.requests.memory";

/// Which process of a Flink cluster is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A TaskManager, which runs tasks.
    #[default]
    TaskManager,
    /// The JobManager, which leads the cluster.
    JobManager,
}

impl Role {
    /// Flink's word for it in a sentence: `TaskManager` or `JobManager`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::TaskManager => "TaskManager",
            Role::JobManager => "JobManager",
        }
    }
}

/// Who starts the process, which decides what the heap options of Flink 1.9 stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Flink's start scripts, in a container or without one.
    #[default]
    Standalone,
    /// Flink's own deployment on Kubernetes: its client starts the JobManager, and that the TaskManagers.
    Kubernetes,
}

/// Where the value of an option was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind",
    content = "path"
)]
pub enum Origin {
    /// A typed field of the resource, by its path: `spec.memory.managed.size`.
    Field(Cow<'static, str>),
    /// The free map `spec.flinkConfiguration`.
    FlinkConfiguration,
    /// A Flink configuration file, or text of a manifest that becomes one.
    File {
        /// The file as it was named; `-` for standard input.
        file: String,
        /// The line, from 1; `None` for an option that is not written yet.
        line: Option<u64>,
        /// The column of the key in that line, from 1, where it is known.
        column: Option<u64>,
    },
    /// `-D key=value`; wins over everything else, as with Flink's scripts.
    CommandLine,
    /// The memory limit of the container.
    ContainerLimit,
    /// The memory request of the container.
    MemoryRequest,
    /// An environment variable: `FLINK_TM_HEAP` or `FLINK_JM_HEAP`.
    Environment,
    /// Not written: the default of a profile.
    Profile(Profile),
}

impl Origin {
    /// A typed field, by its path.
    #[must_use]
    pub fn field(path: impl Into<Cow<'static, str>>) -> Origin {
        Origin::Field(path.into())
    }

    /// Where a person finds an option of this origin: `spec.memory.managed.size`,
    /// `spec.flinkConfiguration[taskmanager.memory.managed.size]`, `-D taskmanager.memory.managed.size`,
    /// `taskmanager.memory.managed.size in flink-conf.yaml:12`. Of a file only the last part of its name is shown.
    #[must_use]
    pub fn path(&self, key: &str) -> String {
        match self {
            Origin::Field(path) => path.clone().into_owned(),
            Origin::FlinkConfiguration => format!("spec.flinkConfiguration[{key}]"),
            Origin::File { file, line, .. } => {
                let name = match file.rsplit_once('/') {
                    Some((_, name)) => name,
                    None if file == "-" => "standard input",
                    None => file,
                };
                match line {
                    Some(line) => format!("{key} in {name}:{line}"),
                    None => format!("{key} in {name}"),
                }
            }
            Origin::CommandLine => format!("-D {key}"),
            Origin::ContainerLimit => "spec.taskManager.resources.limits.memory".to_owned(),
            Origin::MemoryRequest => "spec.taskManager.resources.requests.memory".to_owned(),
            Origin::Environment => key.to_owned(),
            Origin::Profile(profile) => format!("{key} of profile {profile}"),
        }
    }
}

/// One option as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// The option's key, as written: possibly a deprecated spelling.
    pub key: String,
    /// The value, as written.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

/// Options in the order in which they were written.
///
/// The same option may appear more than once: the last one of an origin wins, [`Origin::CommandLine`] wins over
/// the others, and a typed field beside `flinkConfiguration` is a conflict of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Configuration {
    settings: Vec<Setting>,
}

impl Configuration {
    /// No options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an option after all others.
    pub fn push(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin) {
        self.settings.push(Setting {
            key: key.into(),
            value: value.into(),
            origin,
        });
    }

    /// The same configuration with one more option.
    #[must_use]
    pub fn with(
        mut self,
        key: impl Into<String>,
        value: impl Into<String>,
        origin: Origin,
    ) -> Self {
        self.push(key, value, origin);
        self
    }

    /// All options, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter()
    }

    /// The setting of a key that counts: `-D` wins over everything else, the last of equals wins.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        let of_key = || self.settings.iter().filter(|setting| setting.key == key);
        of_key()
            .rfind(|setting| setting.origin == Origin::CommandLine)
            .or_else(|| of_key().next_back())
    }

    pub(super) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    pub(super) fn settings_mut(&mut self) -> &mut [Setting] {
        &mut self.settings
    }
}

impl FromIterator<Setting> for Configuration {
    fn from_iter<T: IntoIterator<Item = Setting>>(settings: T) -> Self {
        Self {
            settings: settings.into_iter().collect(),
        }
    }
}

/// What a process is asked to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The Flink release whose arithmetic applies.
    pub flink_version: FlinkVersion,
    /// The process that is asked about.
    pub role: Role,
    /// Who starts it.
    pub mode: Mode,
    /// Every option that was written anywhere.
    pub configuration: Configuration,
    /// The memory limit of the container; `None` outside a container.
    pub container_limit: Option<Bytes>,
    /// The memory that the scheduler keeps for the container; `None` where it is not known. No size depends on it.
    pub memory_request: Option<Bytes>,
    /// The CPU limit of the container; `None` where there is none or it is not known. No size depends on it.
    pub cpu_limit: Option<MilliCpu>,
    /// Whose defaults stand in for Flink's.
    pub profile: Profile,
    /// What the container holds beside the process, as it was written; of one kind the last one counts.
    pub reserves: Vec<Reserve>,
    /// The value of `FLINK_TM_HEAP`, or for a JobManager of `FLINK_JM_HEAP`, in the process's environment, which
    /// Flink up to 1.20 reads.
    pub legacy_heap_environment: Option<String>,
}

impl Request {
    /// A request for a TaskManager of one version with these options, started by Flink's scripts outside a container.
    #[must_use]
    pub fn new(flink_version: FlinkVersion, configuration: Configuration) -> Self {
        Self {
            flink_version,
            role: Role::TaskManager,
            mode: Mode::Standalone,
            configuration,
            container_limit: None,
            memory_request: None,
            cpu_limit: None,
            profile: Profile::Custom,
            reserves: Vec::new(),
            legacy_heap_environment: None,
        }
    }

    /// The same request after a suggested change.
    ///
    /// A value replaces the last setting of the same key and origin, or becomes a new one; a removal takes every
    /// setting of that key and origin out. A reserve goes by its name. A suggestion of a foreign request changes nothing or adds its option.
    #[must_use]
    pub fn with_suggestion(&self, suggestion: &Suggestion) -> Self {
        let mut changed = self.clone();
        let Some(origin) = &suggestion.origin else {
            return changed;
        };
        if let Ok(kind) = suggestion.key.parse::<ReserveKind>() {
            match &suggestion.change {
                Change::Set(value) => {
                    if let Ok(bytes) = memory_size::parse(value) {
                        changed.set_reserve(kind, bytes, origin);
                    }
                }
                Change::Remove => changed.reserves.retain(|reserve| reserve.kind != kind),
            }
            return changed;
        }
        let same = |setting: &Setting| setting.key == suggestion.key && setting.origin == *origin;
        let settings = &mut changed.configuration.settings;
        match (origin, &suggestion.change) {
            (Origin::ContainerLimit, Change::Set(value)) => {
                changed.container_limit = quantity::parse_memory(value)
                    .ok()
                    .or(changed.container_limit);
            }
            (Origin::ContainerLimit, Change::Remove) => changed.container_limit = None,
            (Origin::MemoryRequest, Change::Set(value)) => {
                changed.memory_request = quantity::parse_memory(value)
                    .ok()
                    .or(changed.memory_request);
            }
            // Kubernetes takes the limit for the request then.
            (Origin::MemoryRequest, Change::Remove) => {
                changed.memory_request = changed.container_limit;
            }
            (Origin::Environment, Change::Set(value)) => {
                changed.legacy_heap_environment = Some(value.clone())
            }
            (Origin::Environment, Change::Remove) => changed.legacy_heap_environment = None,
            (_, Change::Set(value)) => match settings.iter_mut().rfind(|setting| same(setting)) {
                Some(setting) => setting.value.clone_from(value),
                None => changed.configuration.push(
                    suggestion.key.clone(),
                    value.clone(),
                    origin.clone(),
                ),
            },
            (_, Change::Remove) => settings.retain(|setting| !same(setting)),
        }
        changed
    }

    /// The same request for another process.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// The same request for a process that somebody else starts.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The same request in a container for which the scheduler keeps this much memory.
    #[must_use]
    pub fn with_memory_request(mut self, request: Bytes) -> Self {
        self.memory_request = Some(request);
        self
    }

    /// The same request in a container that may use this much CPU.
    #[must_use]
    pub fn with_cpu_limit(mut self, limit: MilliCpu) -> Self {
        self.cpu_limit = Some(limit);
        self
    }

    /// The same request inside a container of this size.
    #[must_use]
    pub fn with_container_limit(mut self, limit: Bytes) -> Self {
        self.container_limit = Some(limit);
        self
    }
}
