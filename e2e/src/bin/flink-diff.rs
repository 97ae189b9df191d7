//! `flink-diff`: asks released Flink and the solver the same random questions, and reports where they differ.

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use e2e::{
    flink,
    flink_diff::{Plan, compare, versions::Release},
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
    let arguments = Arguments::parse();
    if let Some(missing) = flink::missing() {
        eprintln!("error: {missing}");
        return ExitCode::from(2);
    }
    let releases = match Release::list(&arguments.versions) {
        Ok(releases) => releases,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    let seed = arguments.seed.unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs())
    });
    println!("seed {seed}");
    let plan = Plan {
        questions: arguments.questions,
        seed,
        is_timed: true,
    };
    let (mut different, mut not_asked) = (0, 0);
    for release in &releases {
        match compare(*release, &plan) {
            Ok(comparison) => {
                print!("{}", comparison.report());
                if arguments.details {
                    print!("{}", comparison.details());
                }
                different += usize::from(!comparison.is_sound());
            }
            Err(error) => {
                println!("Flink {release}: not asked: {error:#}");
                not_asked += 1;
            }
        }
    }
    println!(
        "{} releases: {} agree, {different} do not, {not_asked} could not be asked",
        releases.len(),
        releases.len() - different - not_asked
    );
    match (different, not_asked) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(2),
        _ => ExitCode::from(1),
    }
}
