//! `headroom pool`: who holds what of a shared pool, and what this host makes of segment pools.

mod bench;
#[cfg(target_os = "linux")]
mod hand_off;
#[cfg(target_os = "linux")]
mod inspect;
#[cfg(target_os = "linux")]
mod populate;
mod table;

use super::{
    EXIT_UNREADABLE, Reply, Stage,
    arguments::PoolSubcommand,
    screen::{Screen, Tone, harmless},
    text,
};

pub(super) fn answer(subcommand: &PoolSubcommand, screen: &Screen, stage: &mut Stage<'_>) -> Reply {
    match subcommand {
        #[cfg(target_os = "linux")]
        PoolSubcommand::Inspect(command) => inspect::answer(command, screen, stage),
        #[cfg(not(target_os = "linux"))]
        PoolSubcommand::Inspect(_) => refused("pools are shared on Linux only", screen),
        PoolSubcommand::Bench(command) => bench::answer(command, screen, stage.progress),
    }
}

/// The reply to what cannot be done.
fn refused(reason: &str, screen: &Screen) -> Reply {
    let first = format!("{} ", screen.paint(Tone::Error, "error:"));
    let mut error = String::new();
    text::push_wrapped(&mut error, &first, "  ", &harmless(reason), screen);
    Reply {
        error,
        exit: EXIT_UNREADABLE,
        ..Reply::default()
    }
}
