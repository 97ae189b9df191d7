//! `headroom pool`: what this host makes of segment pools.

mod bench;
#[cfg(target_os = "linux")]
mod hand_off;
#[cfg(target_os = "linux")]
mod populate;
mod table;

use std::io::Write;

use super::{Reply, arguments::PoolSubcommand, screen::Screen};

pub(super) fn answer(
    subcommand: &PoolSubcommand,
    screen: &Screen,
    progress: &mut dyn Write,
) -> Reply {
    match subcommand {
        PoolSubcommand::Bench(command) => bench::answer(command, screen, progress),
    }
}
