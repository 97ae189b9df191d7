//! What is asked: whatever runs Flink in files, or a configuration given by options.

use clap::{Args, ValueEnum};

use crate::{
    budget::{FlinkVersion, MilliCpu, Mode, Profile, ReserveKind, Role, memory_size},
    bytes::Bytes,
    desired::{Allowance, Settings},
    quantity::{parse_memory, suspicious_memory},
};

/// What is asked: whatever runs Flink in files, or a configuration in options.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct Question {
    /// Files and directories with whatever runs Flink, in YAML or JSON; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "flink_version")]
    #[arg(conflicts_with_all = ["process_size", "flink_size", "options", "container_limit", "cpu_limit", "profile", "reserves"])]
    #[arg(conflicts_with = "heap_environment")]
    pub files: Vec<String>,

    #[command(flatten)]
    pub policy: Policy,

    #[command(flatten)]
    pub which: Which,

    /// Flink version, for example 2.1 or 1.20.5; with files that of documents that name none
    #[arg(long, value_name = "VERSION", help_heading = "Instead of files")]
    pub flink_version: Option<FlinkVersion>,

    /// Total process memory, for example 4g; short for -D taskmanager.memory.process.size, or of the JobManager
    #[arg(
        long,
        value_name = "SIZE",
        help_heading = "Instead of files",
        requires = "flink_version"
    )]
    pub process_size: Option<String>,

    /// Total Flink memory, for example 3g; short for -D taskmanager.memory.flink.size, or of the JobManager
    #[arg(
        long,
        value_name = "SIZE",
        help_heading = "Instead of files",
        requires = "flink_version"
    )]
    pub flink_size: Option<String>,

    /// Flink option, repeatable; as with Flink's own scripts the last one of a key counts
    #[arg(
        short = 'D',
        value_name = "KEY=VALUE",
        help_heading = "Instead of files",
        requires = "flink_version"
    )]
    #[arg(id = "options", value_parser = parse_option)]
    pub options: Vec<(String, String)>,

    /// Value of FLINK_TM_HEAP (of a JobManager FLINK_JM_HEAP) in the environment, read up to Flink 1.20
    #[arg(
        long,
        value_name = "SIZE",
        help_heading = "Instead of files",
        requires = "flink_version"
    )]
    pub heap_environment: Option<String>,

    /// Memory limit of the container, as a Kubernetes quantity, for example 4Gi
    #[arg(
        long,
        value_name = "QUANTITY",
        help_heading = "Instead of files",
        requires = "flink_version"
    )]
    #[arg(value_parser = parse_limit)]
    pub container_limit: Option<Limit>,

    /// CPU limit of the container, as a Kubernetes quantity, for example 2; tells whether JVM overhead has room for
    /// the threads, compiled code and collector of so many processors
    #[arg(
        long,
        value_name = "QUANTITY",
        help_heading = "Instead of files",
        requires = "flink_version"
    )]
    #[arg(value_parser = parse_cpu)]
    pub cpu_limit: Option<MilliCpu>,

    /// Profile whose defaults stand in for Flink's: Stateless, HashMap, RocksDB, ForSt, Batch, Session, Custom
    #[arg(
        long,
        value_name = "PROFILE",
        help_heading = "Instead of files",
        requires = "flink_version"
    )]
    pub profile: Option<Profile>,

    /// Part of the container that the process does not get, repeatable, for example pythonWorkers=512m
    #[arg(
        long = "reserve",
        value_name = "NAME=SIZE",
        help_heading = "Instead of files",
        requires = "flink_version",
        requires = "container_limit"
    )]
    #[arg(value_parser = parse_reserve)]
    pub reserves: Vec<(ReserveKind, Bytes)>,
}

impl Question {
    /// What is asked together and cannot be, and why.
    pub fn contradiction(&self) -> Option<String> {
        if self.container_limit.is_some()
            && let Some(reason) = self.which.contradicts_limit("--container-limit")
        {
            return Some(reason);
        }
        if self.cpu_limit.is_some() && self.which.mode() == Mode::Kubernetes {
            return Some(
                "--cpu-limit has no place beside --mode kubernetes, where Flink itself sets the limit; write \
                 -D kubernetes.taskmanager.cpu.amount"
                    .to_owned(),
            );
        }
        let of_taskmanagers = [
            (self.cpu_limit.is_some(), "--cpu-limit"),
            (self.profile.is_some(), "--profile"),
            (!self.reserves.is_empty(), "--reserve"),
        ];
        let (_, flag) = of_taskmanagers
            .into_iter()
            .find(|(is_written, _)| *is_written)?;
        (self.which.role() == Role::JobManager)
            .then(|| format!("{flag} is about TaskManagers; leave it out with --role jobmanager"))
    }
}

/// Which process is asked about, and who starts it.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(in crate::cli) struct Which {
    /// Process to ask about: taskmanager (the default) or jobmanager; with files only those, instead of both
    #[arg(long, value_enum, value_name = "PROCESS", hide_possible_values = true)]
    #[arg(help_heading = "Which process")]
    pub role: Option<RoleChoice>,

    /// Who starts it: standalone (Flink's scripts, the default) or kubernetes (Flink's own deployment, also called
    /// native); with files that of documents that do not say it
    #[arg(long, value_enum, value_name = "MODE", hide_possible_values = true)]
    #[arg(help_heading = "Which process")]
    pub mode: Option<ModeChoice>,
}

impl Which {
    /// The process that is meant where nothing else says so.
    pub fn role(self) -> Role {
        self.role.map(Role::from).unwrap_or_default()
    }

    /// Who starts it where nothing else says so.
    pub fn mode(self) -> Mode {
        match self.mode {
            Some(ModeChoice::Kubernetes) => Mode::Kubernetes,
            Some(ModeChoice::Standalone) | None => Mode::Standalone,
        }
    }
}

impl Which {
    /// Why the limit of a container, given by a flag, has no place beside the mode.
    pub fn contradicts_limit(self, flag: &str) -> Option<String> {
        (self.mode() == Mode::Kubernetes).then(|| {
            format!(
                "{flag} has no place beside --mode kubernetes, where Flink itself makes the container as large as the \
                 process; name the size of the process with --process-size"
            )
        })
    }
}

/// A process of a Flink cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "lowercase")]
pub(in crate::cli) enum RoleChoice {
    /// Runs tasks
    TaskManager,
    /// Leads the cluster
    JobManager,
}

impl From<RoleChoice> for Role {
    fn from(choice: RoleChoice) -> Self {
        match choice {
            RoleChoice::TaskManager => Role::TaskManager,
            RoleChoice::JobManager => Role::JobManager,
        }
    }
}

/// Who starts a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum ModeChoice {
    /// Flink's start scripts
    Standalone,
    /// Flink's own deployment on Kubernetes
    #[value(alias = "native")]
    Kubernetes,
}

/// What the controller in question was started with.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct Policy {
    /// Fields of pod templates to allow, as with the controller's flag of this name
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub allow_pod_template: Vec<Allowance>,
}

impl Policy {
    /// The same as the controller's own settings.
    pub fn settings(&self) -> Settings {
        Settings {
            pod_template_allowances: self.allow_pod_template.iter().copied().collect(),
        }
    }
}

/// The memory limit of a container.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Limit {
    /// The limit.
    pub bytes: Bytes,
    /// What is odd about the text, and what was probably meant.
    pub warning: Option<String>,
}

pub(super) fn parse_limit(text: &str) -> Result<Limit, String> {
    let bytes = parse_memory(text).map_err(|error| error.to_string())?;
    let warning = suspicious_memory(text).map(|suspicion| {
        let meant = suspicion.meant.join(" or ");
        format!("{}; did you mean {meant}?", suspicion.reason)
    });
    Ok(Limit { bytes, warning })
}

fn parse_cpu(text: &str) -> Result<MilliCpu, String> {
    MilliCpu::parse(text).map_err(|error| error.to_string())
}

fn parse_reserve(text: &str) -> Result<(ReserveKind, Bytes), String> {
    let Some((name, size)) = text.split_once('=') else {
        return Err("expected NAME=SIZE, for example pythonWorkers=512m".to_owned());
    };
    let kind = name
        .trim()
        .parse::<ReserveKind>()
        .map_err(|error| error.to_string())?;
    let bytes = memory_size::parse(size)
        .map_err(|error| format!("{size:?} is no size of Flink: {}", error.reason()))?;
    Ok((kind, bytes))
}

pub(super) fn parse_option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        Some(_) => Err("the key before = is empty".to_owned()),
        None => {
            Err("expected KEY=VALUE, for example taskmanager.memory.managed.size=1g".to_owned())
        }
    }
}
