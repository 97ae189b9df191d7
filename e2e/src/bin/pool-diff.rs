//! `pool-diff`: the same random steps through released Flink's pools and through ours, and where they differ.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use e2e::{
    flink,
    flink_diff::versions::Release,
    pool_diff::{Plan, compare, releases},
    verdict::{Verdict, exit_code, seed},
};

/// Plays the same random steps through released Flink's memory pools and through ours, and reports where they differ.
///
/// Each release runs in one warm process, from jars that Maven fetches at the first run. After every step the answers
/// and all figures are compared. A mismatch is made as small as it can be and printed with what differs. A table says
/// which steps were taken and what came of them; an answer that should have come and never did is an error too.
///
/// Exit codes: 0 everything agrees, 1 not so, 2 a release could not be asked.
#[derive(Debug, Parser)]
#[command(name = "pool-diff")]
struct Arguments {
    /// Releases from 1.18 on, separated by blanks or commas: 1.20, 2.3.0, or all
    #[arg(long, default_value = "2.3.0", value_name = "VERSIONS")]
    versions: String,

    /// Steps for each release, at least
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    steps: usize,

    /// The same seed plays the same steps; default: the time
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<Verdict> {
    if let Some(missing) = flink::missing() {
        bail!(missing);
    }
    let asked = match arguments.versions.as_str() {
        "all" => releases(),
        versions => Release::list(versions)?,
    };
    if let Some(older) = asked.iter().find(|release| !releases().contains(release)) {
        bail!("the pools of Flink {older} count otherwise; from 1.18 on they can be compared");
    }
    let plan = Plan {
        steps: arguments.steps,
        seed: seed(arguments.seed),
    };
    Ok(Verdict::of(&asked, |release| {
        let comparison = compare(release, &plan)?;
        print!("{}{}", comparison.report(), comparison.details());
        Ok(comparison.is_sound())
    }))
}
