//! `flink-diff`: asks released Flink and the solver the same random questions, and reports where they differ.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use e2e::{
    flink,
    flink_diff::{Plan, compare, versions::Release},
    verdict::{Verdict, exit_code, seed},
};

/// Asks released Flink and the solver the same random questions, and reports where they differ.
///
/// Each release runs in one warm process, from jars that Maven fetches at the first run. A mismatch is made as small
/// as it can be and printed as a command, with both answers. Rules of the model that no question exercised are
/// reported too.
///
/// Exit codes: 0 everything agrees and every rule was exercised, 1 not so, 2 a release could not be asked.
#[derive(Debug, Parser)]
#[command(name = "flink-diff")]
struct Arguments {
    /// Releases, separated by blanks or commas: 1.20, 2.3.0, or all
    #[arg(long, default_value = "all", value_name = "VERSIONS")]
    versions: String,

    /// Questions for each release, and up to as many again as long as a rule was never exercised
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    questions: usize,

    /// The same seed asks the same questions; default: the time
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Say also how often each rule was exercised, and which cannot be
    #[arg(long)]
    details: bool,
}

fn main() -> ExitCode {
    exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<Verdict> {
    if let Some(missing) = flink::missing() {
        bail!(missing);
    }
    let releases = Release::list(&arguments.versions)?;
    let plan = Plan {
        questions: arguments.questions,
        seed: seed(arguments.seed),
        is_timed: true,
    };
    let verdict = Verdict::of(&releases, |release| {
        let comparison = compare(release, &plan)?;
        print!("{}", comparison.report());
        if arguments.details {
            print!("{}", comparison.details());
        }
        Ok(comparison.is_sound())
    });
    let Verdict {
        agree,
        different,
        not_asked,
    } = verdict;
    println!(
        "{} releases: {agree} agree, {different} do not, {not_asked} could not be asked",
        releases.len()
    );
    Ok(verdict)
}
