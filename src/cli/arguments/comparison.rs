//! The arguments of `headroom diff`: what A is, and what B has that A has not.

use clap::Args;

use super::{Limit, Output, Policy, Question, Which, parse_limit, parse_option};
use crate::budget::FlinkVersion;

/// Compare two configurations: every size, the JVM flags, and which options make the difference
#[derive(Debug, Args)]
#[command(
    long_about = "\
Compare two configurations, A and B: every size side by side, the JVM flags, and which options make the \
difference. Each option that differs is also tried alone, on A, so that its own share can be told from what \
only comes of all together.

A is a file, or a configuration given by options. B is a second file; or, without one, A with the changes of \
-D, --without, --flink-version-b and --container-limit-b. Changes are about memory alone: what else may be \
wrong with a pool is told only where two files are compared as they are.",
    after_help = "\
Examples:
  headroom diff before.yaml after.yaml                        two files; pools are paired by their names
  headroom diff pool.yaml -D taskmanager.memory.managed.fraction=0.6
                                                              what would this option change?
  headroom diff pool.yaml --container-limit-b 6Gi             what would a larger container change?
  headroom diff pool.yaml --flink-version-b 2.1               what does an upgrade of Flink change?
  headroom diff --flink-version 1.16 --flink-version-b 1.17 --process-size 16g
  headroom diff --role jobmanager --flink-version 2.1 --process-size 2g -D jobmanager.memory.off-heap.size=512m
  git show HEAD:pool.yaml | headroom diff - pool.yaml -o json

Exit codes: 0 both are the same, 1 they differ, 2 the command line or an input could not be read. Two that
do not solve are the same if they have the same conflicts."
)]
pub(in crate::cli) struct Diff {
    /// A and B: files with TaskManagerPools in YAML or JSON, several documents each; - is standard input
    #[arg(value_name = "FILE", num_args = 0..=2, required_unless_present = "flink_version_a")]
    #[arg(conflicts_with_all = ["process_size", "flink_size"])]
    pub files: Vec<String>,

    #[command(flatten)]
    pub policy: Policy,

    #[command(flatten)]
    pub which: Which,

    /// Flink version of A, and of B where that has none of its own; needed without a file
    #[arg(
        long,
        visible_alias = "flink-version",
        value_name = "VERSION",
        help_heading = "What A is"
    )]
    pub flink_version_a: Option<FlinkVersion>,

    /// Total process memory without a file, for example 4g
    #[arg(
        long,
        value_name = "SIZE",
        help_heading = "What A is",
        requires = "flink_version_a"
    )]
    pub process_size: Option<String>,

    /// Total Flink memory without a file, for example 3g
    #[arg(
        long,
        value_name = "SIZE",
        help_heading = "What A is",
        requires = "flink_version_a"
    )]
    pub flink_size: Option<String>,

    /// Flink option of A, over what its file says; repeatable
    #[arg(short = 'A', value_name = "KEY=VALUE", help_heading = "What A is")]
    #[arg(id = "options_a", value_parser = parse_option)]
    pub options_a: Vec<(String, String)>,

    /// Memory limit of A's container, as a Kubernetes quantity, for example 4Gi
    #[arg(
        long,
        visible_alias = "container-limit",
        value_name = "QUANTITY",
        help_heading = "What A is"
    )]
    #[arg(value_parser = parse_limit)]
    pub container_limit_a: Option<Limit>,

    /// Flink option of B, over its file or over A; repeatable
    #[arg(
        short = 'D',
        value_name = "KEY=VALUE",
        help_heading = "What is different in B"
    )]
    #[arg(id = "options_b", value_parser = parse_option)]
    pub options_b: Vec<(String, String)>,

    /// Flink option that B does without, whoever wrote it; repeatable
    #[arg(long, value_name = "KEY", help_heading = "What is different in B")]
    pub without: Vec<String>,

    /// Flink version of B
    #[arg(long, value_name = "VERSION", help_heading = "What is different in B")]
    pub flink_version_b: Option<FlinkVersion>,

    /// Memory limit of B's container
    #[arg(long, value_name = "QUANTITY", help_heading = "What is different in B")]
    #[arg(value_parser = parse_limit)]
    pub container_limit_b: Option<Limit>,

    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: Output,
}

impl Diff {
    /// What is asked about A where no file is named.
    pub fn question(&self) -> Question {
        Question {
            flink_version: self.flink_version_a,
            process_size: self.process_size.clone(),
            flink_size: self.flink_size.clone(),
            which: self.which,
            ..Question::default()
        }
    }

    /// What is asked together and cannot be, and why.
    pub fn contradiction(&self) -> Option<String> {
        let limit = [
            (&self.container_limit_a, "--container-limit"),
            (&self.container_limit_b, "--container-limit-b"),
        ];
        let (_, flag) = limit.into_iter().find(|(limit, _)| limit.is_some())?;
        self.which.contradicts_limit(flag)
    }

    /// Whether B would be A.
    pub fn changes_nothing(&self) -> bool {
        self.files.len() < 2 && self.leaves_b_alone()
    }

    /// Whether both files are compared as they are.
    pub fn leaves_files_alone(&self) -> bool {
        self.leaves_b_alone()
            && self.options_a.is_empty()
            && self.flink_version_a.is_none()
            && self.container_limit_a.is_none()
    }

    fn leaves_b_alone(&self) -> bool {
        self.options_b.is_empty()
            && self.without.is_empty()
            && self.flink_version_b.is_none()
            && self.container_limit_b.is_none()
    }
}
