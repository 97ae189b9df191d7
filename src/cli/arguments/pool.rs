//! The arguments of `headroom pool`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;
use crate::{bytes::Bytes, quantity::parse_memory};

/// Look into a segment pool that processes share, or measure what this host makes of such pools
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(in crate::cli) struct Pool {
    #[command(subcommand)]
    pub subcommand: PoolSubcommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PoolSubcommand {
    Inspect(PoolInspect),
    Bench(PoolBench),
}

/// Print who holds the segments of a shared pool, for how long, and who waits
#[derive(Debug, Args)]
#[command(
    long_about = "\
Print who holds the segments of a pool that processes share, for how long, and who waits for more.

FILE is the pool's control file, NAME.control beside NAME.data. It is read and neither mapped nor written: looking \
disturbs nobody and works without the agent. Whoever looks must be allowed to read it, which is the user who made \
it, or root.

HELD are the segments that a client has taken; LYING are free, but lie in its magazines, so that only it takes them \
without asking. OLDEST is the age of what it has held the longest, as of the agent's last look.",
    after_help = "\
Examples:
  headroom pool inspect /dev/shm/flink/network.control
  headroom pool inspect /dev/shm/flink/network.control --watch
  headroom pool inspect /dev/shm/flink/network.control --watch --interval 10 -o json

Exit codes: 0 shown, 2 the command line or the file could not be read."
)]
pub(in crate::cli) struct PoolInspect {
    /// The pool's control file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Look again and again, until it is interrupted
    #[arg(short, long)]
    pub watch: bool,

    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub interval: u32,

    /// Form of the answer; of a watch each look is a screen, a line of JSON or a document of YAML
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: Output,
}

/// Measure how fast memory for pools comes into being here, and what a segment costs that changes hands
#[derive(Debug, Args)]
#[command(
    long_about = "\
Measure how fast memory for segment pools comes into being on this host, and what it costs when a segment changes hands.

Memory is touched only after a look at the limit of this control group: a size that does not fit is refused, and \
nothing is ended. Beside each figure stands the one in docs/segment-pools.md, measured on two virtual processors; what \
carries over from one machine to another is how the figures stand to each other.

Half a minute is more than it takes, unless --size is large.",
    after_help = "\
Examples:
  headroom pool bench
  headroom pool bench --size 2Gi --rounds 1                   as long as a pool of that size takes
  headroom pool bench --rounds 9 -o json

Exit codes: 0 measured, 2 the command line is wrong, or the memory is not to be had."
)]
pub(in crate::cli) struct PoolBench {
    /// Memory to bring into being, a few times over: 512Mi, 2Gi
    #[arg(long, value_name = "SIZE", default_value = "256Mi", value_parser = parse_size)]
    pub size: Bytes,

    /// Rounds of each measurement; the median counts
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: u16,

    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    pub output: Output,
}

fn parse_size(text: &str) -> Result<Bytes, String> {
    const MOST: Bytes = Bytes::from_mebibytes(1 << 20);
    let size = parse_memory(text).map_err(|error| error.to_string())?;
    if (Bytes::MEBI..=MOST).contains(&size) {
        Ok(size)
    } else {
        Err("expected 1Mi to 1Ti".to_owned())
    }
}
