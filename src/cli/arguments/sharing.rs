//! The arguments of the commands that say how memory is shared out inside a TaskManager: `managed` and `network`.

use clap::{Args, ValueEnum};

use super::{Output, Policy, Question, parse_option};
use crate::budget::{FlinkVersion, Role, managed::UseCase, rocksdb::StateBackend};

/// Print what each consumer of managed memory gets, and what RocksDB or ForSt makes of it
#[derive(Debug, Args)]
#[command(
    long_about = "\
Print what each consumer of managed memory gets of a slot, and what RocksDB or ForSt makes of it.

Managed memory is divided evenly among slots, and inside a slot by the weights of the kinds of consumers that \
its tasks really have. A native state backend divides its part into write buffers and a block cache, and may \
go beyond it: the command says how far, and what to hold back for that.

The state backend is the one that the options choose, unless --state-backend says otherwise.",
    after_help = "\
Examples:
  headroom managed pool.yaml                                  the state backend alone
  headroom managed pool.yaml --use state-backend,python       it shares with Python workers
  headroom managed --process-size 4g --flink-version 2.1 --state-backend rocksdb \\
      --column-families 20 --databases 4
  headroom managed --process-size 4g --flink-version 1.20 --use operator,state-backend \\
      -D taskmanager.memory.managed.consumer-weights=OPERATOR:30,STATE_BACKEND:70

Exit codes: 0 every consumer gets memory, 1 conflicts or a consumer that would fail, 2 the command line or an
input could not be read."
)]
pub(in crate::cli) struct Managed {
    #[command(flatten)]
    pub question: Question,

    /// Kinds of consumers that share a slot; default: the state backend if it is native, else operators
    #[arg(
        long = "use",
        value_name = "CONSUMER",
        value_enum,
        value_delimiter = ',',
        help_heading = "What runs in a slot"
    )]
    pub uses: Vec<Consumer>,

    /// State backend, instead of the one that the options choose
    #[arg(
        long,
        value_name = "BACKEND",
        value_enum,
        help_heading = "What runs in a slot"
    )]
    pub state_backend: Option<Backend>,

    /// Column families that share a cache: one for each registered state, and one for timers
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    #[arg(help_heading = "What runs in a slot")]
    pub column_families: u32,

    /// Databases that share a cache: one for each operator with keyed state
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    #[arg(help_heading = "What runs in a slot")]
    pub databases: u32,

    /// Iterators that are open at once: one for each task that goes through a map or its timers, one for a checkpoint
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    #[arg(help_heading = "What runs in a slot")]
    pub iterators: u32,

    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: Output,
}

impl Managed {
    /// What is asked together and cannot be, and why.
    pub fn contradiction(&self) -> Option<String> {
        if self.question.which.role() == Role::JobManager {
            return Some("a JobManager has no managed memory; leave --role out".to_owned());
        }
        self.question.contradiction()
    }
}

/// Print how many buffers a job needs of one TaskManager, and the network memory for them
#[derive(Debug, Args)]
#[command(
    long_about = "\
Print how many buffers a job needs of one TaskManager, and the network memory for them.

Every exchange takes buffers on both sides: a result partition one for each consumer and one more, an input \
gate some for each producer. A task whose pool does not get what it requires fails (\"Insufficient number of \
network buffers\"); one that gets less than its target waits for buffers now and then. Where subtasks end up is \
not known beforehand, so the numbers are those of the TaskManager that comes off worst.

JOB is a YAML or JSON file: the plan that Flink's REST API gives (/jobs/<id>/plan), the output of `flink info`, \
or a shape of your own:

  vertices:
    - name: source
      parallelism: 8
    - name: count
      parallelism: 32
      slotSharingGroup: heavy          # optional
      inputs:
        - from: source
          ship: hash                   # or forward, rescale, rebalance, broadcast, ...
          exchange: pipelined_bounded  # the default; or blocking, hybrid_full, ...",
    after_help = "\
Examples:
  headroom network examples/jobs/clicks.yaml --flink-version 2.1 --slots 4
  headroom network examples/jobs/clicks.yaml --pool examples/demo/clicks.yaml
  headroom network job.yaml --flink-version 1.20 --slots 4 --network-size 256m
  curl -s localhost:8081/jobs/ID/plan | headroom network - --flink-version 2.1 --slots 4 -o json

Exit codes: 0 the job starts with the network memory given (or none was given), 1 it does not, 2 the
command line or an input could not be read."
)]
pub(in crate::cli) struct Network {
    /// The job: a shape, or a plan of Flink, in YAML or JSON; - is standard input
    #[arg(value_name = "JOB")]
    pub job: String,

    /// A pool, for its version, slots, options and network memory
    #[arg(long, value_name = "FILE", required_unless_present = "flink_version")]
    #[arg(conflicts_with_all = ["flink_version", "slots", "network_size", "segment_size", "options"])]
    #[arg(help_heading = "Where it runs")]
    pub pool: Option<String>,

    #[command(flatten)]
    pub policy: Policy,

    /// Flink version, for example 2.1 or 1.20.5
    #[arg(long, value_name = "VERSION", help_heading = "Where it runs")]
    pub flink_version: Option<FlinkVersion>,

    /// Slots of a TaskManager
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    #[arg(help_heading = "Where it runs")]
    pub slots: u32,

    /// How many TaskManagers there are, to see whether their slots suffice; one alone exchanges nothing with others
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    #[arg(help_heading = "Where it runs")]
    pub task_managers: Option<u32>,

    /// Slots are spread evenly over the TaskManagers, instead of filling one after the other
    #[arg(long, help_heading = "Where it runs")]
    pub spread_slots: bool,

    /// Network memory to hold the job against, for example 256m
    #[arg(
        long,
        value_name = "SIZE",
        help_heading = "Where it runs",
        requires = "flink_version"
    )]
    pub network_size: Option<String>,

    /// Segment size; short for -D taskmanager.memory.segment-size
    #[arg(
        long,
        value_name = "SIZE",
        help_heading = "Where it runs",
        requires = "flink_version"
    )]
    pub segment_size: Option<String>,

    /// Flink option, repeatable, such as taskmanager.network.memory.buffers-per-channel=1
    #[arg(
        short = 'D',
        id = "options",
        value_name = "KEY=VALUE",
        help_heading = "Where it runs",
        requires = "flink_version",
        value_parser = parse_option
    )]
    pub options: Vec<(String, String)>,

    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: Output,
}

/// A kind of consumer of managed memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum Consumer {
    /// Operators that sort and hash, mostly of batch jobs
    Operator,
    /// RocksDB or ForSt
    StateBackend,
    /// Workers that run Python functions
    Python,
}

impl Consumer {
    /// The use case.
    pub const fn use_case(self) -> UseCase {
        match self {
            Self::Operator => UseCase::Operator,
            Self::StateBackend => UseCase::StateBackend,
            Self::Python => UseCase::Python,
        }
    }
}

/// A state backend of Flink.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum Backend {
    /// State on the heap
    Hashmap,
    /// RocksDB
    Rocksdb,
    /// ForSt, since Flink 2.0
    Forst,
}

impl Backend {
    /// The state backend.
    pub const fn state_backend(self) -> StateBackend {
        match self {
            Self::Hashmap => StateBackend::HashMap,
            Self::Rocksdb => StateBackend::RocksDb,
            Self::Forst => StateBackend::ForSt,
        }
    }
}
