//! What the programs that compare Headroom with released Flink share: the seed of a run, and how it ends.

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Result;

use crate::flink_diff::versions::Release;

/// The seed of a run, which is printed: the one that was asked for, or the time.
#[must_use]
pub fn seed(asked: Option<u64>) -> u64 {
    let seed = asked.unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs())
    });
    println!("seed {seed}");
    seed
}

/// How many releases came out how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verdict {
    /// Those that agree with us.
    pub agree: usize,
    /// Those that do not.
    pub different: usize,
    /// Those that could not be asked.
    pub not_asked: usize,
}

impl Verdict {
    /// Has each release compared, which answers whether it agrees.
    pub fn of(releases: &[Release], compare: impl Fn(Release) -> Result<bool>) -> Self {
        let mut verdict = Self::default();
        for &release in releases {
            match compare(release) {
                Ok(true) => verdict.agree += 1,
                Ok(false) => verdict.different += 1,
                Err(error) => {
                    println!("Flink {release}: not asked: {error:#}");
                    verdict.not_asked += 1;
                }
            }
        }
        verdict
    }
}

/// Ends a run: 0 if every release agrees, 1 if one does not, 2 if one could not be asked, or none at all.
#[must_use]
pub fn exit_code(run: Result<Verdict>) -> ExitCode {
    match run {
        Ok(verdict) if verdict.different > 0 => ExitCode::from(1),
        Ok(verdict) if verdict.not_asked > 0 => ExitCode::from(2),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
