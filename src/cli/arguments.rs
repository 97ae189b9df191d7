//! What can be written on the command line: only parsed here, resolved by the commands.

mod comparison;
mod sharing;

use clap::{Args, Parser, ValueEnum};

pub(super) use self::{
    comparison::Diff,
    sharing::{Managed, Network},
};
use super::{
    input::{NAME_RULE, is_name},
    why::Topic,
};
use crate::{
    budget::{FlinkVersion, Profile, ReserveKind, memory_size},
    bytes::Bytes,
    desired::{Allowance, Settings},
    quantity::{parse_memory, suspicious_memory},
};

const ABOUT: &str =
    "Sizes Apache Flink TaskManager pods on Kubernetes, byte for byte as Flink does";

const LONG_ABOUT: &str = "\
Sizes Apache Flink TaskManager pods on Kubernetes, byte for byte as Flink does.

Everything the controller decides about a TaskManagerPool is computed here offline, from the same YAML and by \
the same code: the size of every memory component, the JVM flags, every conflict with its fixes, and the \
objects that would be applied.";

const AFTER_HELP: &str = "\
Exit codes: 0 everything is sound, 1 conflicts (with diff: differences), 2 the command line
or an input could not be read.
Results go to standard output, everything else to standard error.

As a kubectl plugin: link this program as `kubectl-headroom` into a directory of PATH,
  ln -s \"$(command -v headroom)\" ~/.local/bin/kubectl-headroom
and call it as `kubectl headroom`.";

#[derive(Debug, Parser)]
#[command(version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER_HELP, max_term_width = 100)]
#[command(
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(super) struct Arguments {
    /// When to colour the text
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true
    )]
    #[arg(
        help = "When to colour the text: auto (only on a terminal, and not if NO_COLOR is set), always, never"
    )]
    pub color: ColorChoice,

    /// Columns to fit the text into; default: those of the terminal, or 100
    #[arg(long, global = true, value_name = "COLUMNS", value_parser = parse_width)]
    pub width: Option<usize>,

    /// Say also how many documents of other kinds were passed over
    #[arg(short, long, global = true)]
    pub verbose: bool,

    #[command(subcommand)]
    pub subcommand: Subcommand,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    Solve(Solve),
    Explain(Explain),
    Diff(Diff),
    Check(Check),
    Render(Render),
    Migrate(Migrate),
    Managed(Managed),
    Network(Network),
    Crd(Crd),
    Completions(Completions),
}

/// Print the size of every memory component, the JVM flags and the options
#[derive(Debug, Args)]
#[command(
    long_about = "\
Print the size of every memory component, the JVM flags and the options that fix them.

The input is either files (TaskManagerPools, or anything else that `check` reads), or a configuration given by \
options.",
    after_help = "\
Examples:
  headroom solve pool.yaml                                    every pool of a file
  headroom solve conf/flink-conf.yaml --flink-version 1.18    a configuration file of Flink
  kubectl get tmpool clicks -o yaml | headroom solve -        a pool of the cluster
  headroom solve --process-size 4g --flink-version 2.1        what Flink makes of 4 GiB
  headroom solve --flink-version 1.20 -D taskmanager.memory.process.size=8g \\
      -D taskmanager.memory.managed.fraction=0.6 --container-limit 8Gi -o json

Exit codes: 0 solved, 1 conflicts, 2 the command line or an input could not be read."
)]
pub(super) struct Solve {
    #[command(flatten)]
    pub question: Question,

    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: Output,
}

/// Print the tree of sizes with the reason for each number, and the conflicts with their fixes
#[derive(Debug, Args)]
#[command(
    long_about = "\
Print the tree of sizes, from the container to the last component, with the reason for each number: which \
rule gave it, from which inputs. Where the options contradict each other, print every conflict with the sum \
that does not work out and the changes of which each one resolves it.

The input is either files (TaskManagerPools, or anything else that `check` reads), or a configuration given by \
options.",
    after_help = "\
Examples:
  headroom explain pool.yaml                                  why is every number what it is
  headroom explain --process-size 4g --flink-version 2.1      the same for plain options
  headroom explain --process-size 1g --flink-version 2.1 -D taskmanager.memory.managed.size=900m
  headroom explain pool.yaml --why taskHeap                   the story of one number: also managed, -Xmx, …
  headroom explain pool.yaml --why taskmanager.memory.network.max
                                                              what one option decided, and where it stands
  headroom explain pool.yaml -o svg > memory.svg              the same as a picture, for a README

Exit codes: 0 solved, 1 conflicts, 2 the command line or an input could not be read."
)]
pub(super) struct Explain {
    #[command(flatten)]
    pub question: Question,

    /// Tell the story of one number or option, down to what it was reckoned from: taskHeap, -Xmx, or a key
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = Topic::parse)]
    pub why: Option<Topic>,

    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: ExplainOutput,
}

/// Check whatever runs Flink, without a cluster, for CI: exit 0 sound, 1 conflicts, 2 not readable
#[derive(Debug, Args)]
#[command(
    long_about = "\
Check the memory of whatever runs Flink, without a cluster, for CI and commit hooks.

Read are TaskManagerPools, FlinkDeployments of the Apache Flink Kubernetes Operator, Deployments, StatefulSets and \
other workloads whose container starts a TaskManager (with the ConfigMaps that they mount, from the same input), \
ConfigMaps with config.yaml or flink-conf.yaml, and these two files themselves. Of a directory every file is read \
whose name ends in .yaml, .yml or .json. Documents of other kinds are passed over. Fields that a TaskManagerPool does \
not have are errors with the nearest right name. Warnings are printed and do not fail, unless --deny-warnings is \
given.

The Flink version is the document's own: of a pool and a FlinkDeployment its field, of a workload the tag of an \
official image. For the others name it with --flink-version.",
    after_help = "\
Examples:
  headroom check pool.yaml
  headroom check manifests/*.yaml --deny-warnings
  helm template clicks ./chart | headroom check -
  headroom check deploy/ --flink-version 1.20                 everything in a directory
  headroom check conf/flink-conf.yaml --flink-version 1.18
  headroom check pools/*.yaml -o github                       annotations of a GitHub workflow
  headroom check deploy/ -o sarif > headroom.sarif            for code scanning

Exit codes: 0 sound, 1 conflicts (or warnings with --deny-warnings), 2 an input could not be read. Where
both happen, 2 wins; everything that could be read is checked all the same."
)]
pub(super) struct Check {
    /// Files and directories with whatever runs Flink, in YAML or JSON; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,

    /// Flink version of documents that name none, for example 2.1 or 1.20.5
    #[arg(long, value_name = "VERSION")]
    pub flink_version: Option<FlinkVersion>,

    #[command(flatten)]
    pub policy: Policy,

    /// Let warnings fail too
    #[arg(long)]
    pub deny_warnings: bool,

    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: CheckOutput,
}

/// Print exactly the objects that the controller would apply
#[derive(Debug, Args)]
#[command(
    long_about = "\
Print exactly the objects that the controller would apply for the pools, in the order in which it applies \
them.

For a pool as it is stored in a cluster (`kubectl get tmpool NAME -o yaml`) the output equals the bodies of \
the controller's apply requests. A pool that was never stored has no uid, so its children carry no owner \
reference; without a namespace they stand in the namespace of --namespace.

Nothing is printed to standard output unless every pool can be rendered.",
    after_help = "\
Examples:
  headroom render pool.yaml
  headroom render pool.yaml --namespace streaming | kubectl diff -f -
  kubectl get tmpool clicks -o yaml | headroom render - -o json

Exit codes: 0 rendered, 1 conflicts, 2 the command line or an input could not be read."
)]
pub(super) struct Render {
    /// Files with TaskManagerPools in YAML or JSON, several documents each; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,

    #[command(flatten)]
    pub policy: Policy,

    /// Namespace of pools that name none
    #[arg(short, long, value_name = "NAME", default_value = "default", value_parser = parse_namespace)]
    pub namespace: String,

    /// Form: yaml (one document for each object) or json (one List)
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: RenderOutput,
}

/// Print the options of Flink 1.10 and later that keep the sizes of a configuration of 1.9 or older
#[derive(Debug, Args)]
#[command(
    long_about = "\
Print the options of Flink 1.10 and later that keep the sizes of a configuration of Flink 1.9 or older.

Flink 1.10 replaced the memory model: the old options are gone, or mean something else. What the old \
configuration came to is computed as Flink 1.9 did it, for its start scripts or for its containers, and the new \
options keep the JVM heap, managed and network memory to the byte, and in a container the size of the process. \
They are solved again before they are printed, beside what they replace: each size before and after, what \
changed its meaning, and what can't be kept.

Every option that has nothing to do with memory is carried over as it is.",
    after_help = "\
Examples:
  headroom migrate flink-conf.yaml --deployment standalone
  headroom migrate flink-conf.yaml --deployment container --container-size 4g --to 1.20
  headroom migrate flink-conf.yaml --deployment standalone -o config > config.yaml
  headroom migrate --deployment container -D taskmanager.heap.size=2048m

Managed memory lay inside the heap, unless taskmanager.memory.off-heap was true. It is native
memory now. To keep both as they were makes the process larger by it (--managed keep). Batch jobs,
which filled the heap with it, keep the size of the process with --managed from-heap; streaming
jobs that never used it with --managed drop.

Exit codes: 0 every size is kept, 1 one can't be kept or Flink 1.9 itself refuses the options,
2 the command line or an input could not be read."
)]
pub(super) struct Migrate {
    /// flink-conf.yaml of Flink 1.9 or older; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "options")]
    pub file: Option<String>,

    /// Where the processes ran: standalone (started by Flink's scripts) or container (YARN, Mesos)
    #[arg(long, value_enum, value_name = "WHERE", hide_possible_values = true)]
    pub deployment: MigrateDeployment,

    /// Size of a TaskManager's container, for example 4g; default: taskmanager.heap.size
    #[arg(long, value_name = "SIZE", value_parser = parse_container_size)]
    pub container_size: Option<Bytes>,

    /// Flink version to go to; default: the newest
    #[arg(long, value_name = "VERSION")]
    pub to: Option<FlinkVersion>,

    /// What becomes of managed memory: keep, from-heap or drop
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "WAY",
        hide_possible_values = true
    )]
    pub managed: MigrateManaged,

    /// Option of Flink 1.9 beside those of the file, repeatable; wins over the file
    #[arg(short = 'D', value_name = "KEY=VALUE", id = "options", value_parser = parse_option)]
    pub options: Vec<(String, String)>,

    /// Form: text, json, yaml, or config (the new configuration file, whole)
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true
    )]
    pub output: MigrateOutput,
}

/// Where the processes of Flink 1.9 ran.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum MigrateDeployment {
    /// Started by Flink's scripts, on a machine or in an image
    Standalone,
    /// In containers of YARN or Mesos
    Container,
}

/// What becomes of managed memory.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum MigrateManaged {
    /// As much as before, beside a heap that is as large as before
    #[default]
    Keep,
    /// As much as before, taken out of the heap where it lay inside
    FromHeap,
    /// None
    Drop,
}

/// Form of the answer of `migrate`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum MigrateOutput {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// The same as YAML
    Yaml,
    /// The new configuration file
    Config,
}

/// Print the CustomResourceDefinition of TaskManagerPool
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom crd | kubectl apply --server-side -f -
  headroom crd -o json")]
pub(super) struct Crd {
    /// Form of the definition
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: RenderOutput,
}

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bash: headroom completions bash > ~/.local/share/bash-completion/completions/headroom
  zsh:  headroom completions zsh > \"${fpath[1]}/_headroom\"
  fish: headroom completions fish > ~/.config/fish/completions/headroom.fish")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// What is asked: whatever runs Flink in files, or a configuration in options.
#[derive(Debug, Default, Args)]
pub(super) struct Question {
    /// Files and directories with whatever runs Flink, in YAML or JSON; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "flink_version")]
    #[arg(conflicts_with_all = ["process_size", "flink_size", "options", "container_limit", "profile", "reserves"])]
    pub files: Vec<String>,

    #[command(flatten)]
    pub policy: Policy,

    /// Flink version, for example 2.1 or 1.20.5; with files that of documents that name none
    #[arg(long, value_name = "VERSION", help_heading = "Instead of files")]
    pub flink_version: Option<FlinkVersion>,

    /// Total process memory, for example 4g; short for -D taskmanager.memory.process.size
    #[arg(
        long,
        value_name = "SIZE",
        help_heading = "Instead of files",
        requires = "flink_version"
    )]
    pub process_size: Option<String>,

    /// Total Flink memory, for example 3g; short for -D taskmanager.memory.flink.size
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

    /// Memory limit of the container, as a Kubernetes quantity, for example 4Gi
    #[arg(
        long,
        value_name = "QUANTITY",
        help_heading = "Instead of files",
        requires = "flink_version"
    )]
    #[arg(value_parser = parse_limit)]
    pub container_limit: Option<Limit>,

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

/// What the controller in question was started with.
#[derive(Debug, Default, Args)]
pub(super) struct Policy {
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
pub(super) struct Limit {
    /// The limit.
    pub bytes: Bytes,
    /// What is odd about the text, and what was probably meant.
    pub warning: Option<String>,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum Output {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// The same as YAML
    Yaml,
}

/// Form of the answer of `explain`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum ExplainOutput {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// The same as YAML
    Yaml,
    /// A picture, to scale
    Svg,
}

/// Form of the answer of `check`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum CheckOutput {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// The same as YAML
    Yaml,
    /// Annotations of a GitHub workflow
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// Form of objects.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum RenderOutput {
    /// YAML, one document for each object
    #[default]
    Yaml,
    /// JSON
    Json,
}

fn parse_width(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(width) if (40..=1000).contains(&width) => Ok(width),
        _ => Err("expected a number from 40 to 1000".to_owned()),
    }
}

fn parse_namespace(text: &str) -> Result<String, String> {
    if is_name(text, 63, "-") {
        Ok(text.to_owned())
    } else {
        Err(NAME_RULE.to_owned())
    }
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    let bytes = parse_memory(text).map_err(|error| error.to_string())?;
    let warning = suspicious_memory(text).map(|suspicion| {
        let meant = suspicion.meant.join(" or ");
        format!("{}; did you mean {meant}?", suspicion.reason)
    });
    Ok(Limit { bytes, warning })
}

fn parse_container_size(text: &str) -> Result<Bytes, String> {
    match memory_size::parse(text) {
        Ok(size) if size >= Bytes::MEBI => Ok(size),
        Ok(size) => Err(format!(
            "{size} is less than 1 MiB; write a unit, for example {}m",
            size.get()
        )),
        Err(error) => Err(format!("{}; write for example 4096m or 4g", error.reason())),
    }
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

fn parse_option(text: &str) -> Result<(String, String), String> {
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
