//! The arguments of `headroom pool`.

use clap::{Args, Subcommand};

use super::Output;
use crate::{bytes::Bytes, quantity::parse_memory};

/// Measure what this host makes of segment pools
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(in crate::cli) struct Pool {
    #[command(subcommand)]
    pub subcommand: PoolSubcommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PoolSubcommand {
    Bench(PoolBench),
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
  headroom pool bench --size 2Gi                   as much as a real pool, on a fresh node the first time counts
  headroom pool bench --rounds 9 -o json

In a pod, with its limits:
  kubectl exec -i POD -- headroom pool bench

Exit codes: 0 measured, 2 the command line is wrong, or the memory is not to be had."
)]
pub(in crate::cli) struct PoolBench {
    /// Memory to bring into being, a few times over: 512Mi, 2g
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
