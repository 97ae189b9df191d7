//! The arguments of `headroom migrate`: where an old configuration ran, and what is to become of it.

use clap::{Args, ValueEnum};

use super::{MigrateOutput, parse_option};
use crate::{
    budget::{FlinkVersion, memory_size},
    bytes::Bytes,
};

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
pub(in crate::cli) struct Migrate {
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
pub(in crate::cli) enum MigrateDeployment {
    /// Started by Flink's scripts, on a machine or in an image
    Standalone,
    /// In containers of YARN or Mesos
    Container,
}

/// What becomes of managed memory.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum MigrateManaged {
    /// As much as before, beside a heap that is as large as before
    #[default]
    Keep,
    /// As much as before, taken out of the heap where it lay inside
    FromHeap,
    /// None
    Drop,
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
