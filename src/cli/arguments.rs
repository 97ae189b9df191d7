//! What can be written on the command line: only parsed here, resolved by the commands.

mod comparison;
mod form;
mod migration;
mod pool;
mod question;
mod sharing;

use clap::{Args, Parser, ValueEnum};

use self::question::{parse_limit, parse_option};
pub(super) use self::{
    comparison::Diff,
    form::{CheckOutput, ExplainOutput, MigrateOutput, Output, RenderOutput},
    migration::{Migrate, MigrateDeployment, MigrateManaged},
    pool::{Pool, PoolBench, PoolInspect, PoolSubcommand},
    question::{Limit, Policy, Question, RoleChoice, Which},
    sharing::{Managed, Network},
};
use super::{
    input::{NAME_RULE, is_name},
    why::Topic,
};
use crate::budget::FlinkVersion;

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

impl Arguments {
    /// What is asked together and cannot be, and why.
    pub fn contradiction(&self) -> Option<String> {
        match &self.subcommand {
            Subcommand::Solve(command) => command.question.contradiction(),
            Subcommand::Explain(command) => command.question.contradiction(),
            Subcommand::Managed(command) => command.contradiction(),
            Subcommand::Diff(command) => command.contradiction(),
            _ => None,
        }
    }
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
    Pool(Pool),
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
  headroom solve --process-size 2g --flink-version 2.1 --role jobmanager
                                                              the same for a JobManager
  headroom solve --process-size 4g --flink-version 2.1 --mode kubernetes
                                                              and the pod that Flink itself asks for
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
  headroom explain --process-size 2g --flink-version 2.1 --role jobmanager
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
other workloads whose container starts a TaskManager or a JobManager (with the ConfigMaps that they mount, from the same input), \
ConfigMaps with config.yaml or flink-conf.yaml, and these two files themselves. Of a directory every file is read \
whose name ends in .yaml, .yml or .json. Documents of other kinds are passed over. Fields that a TaskManagerPool does \
not have are errors with the nearest right name. Warnings are printed and do not fail, unless --deny-warnings is \
given.

Each process is an answer of its own: of a FlinkDeployment the TaskManager and the JobManager, of a configuration \
file the TaskManager, and the JobManager where the file sizes one.

The Flink version is the document's own: of a pool and a FlinkDeployment its field, of a workload the tag of an \
official image. For the others name it with --flink-version.",
    after_help = "\
Examples:
  headroom check pool.yaml
  headroom check manifests/*.yaml --deny-warnings
  helm template clicks ./chart | headroom check -
  headroom check deploy/ --flink-version 1.20                 everything in a directory
  headroom check conf/flink-conf.yaml --flink-version 1.18
  headroom check conf/flink-conf.yaml --flink-version 1.18 --role jobmanager
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
    pub which: Which,

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
