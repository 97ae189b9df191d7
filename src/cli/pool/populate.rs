//! How fast memory comes into being: private and shared, in ordinary and in huge pages.

use std::{
    io::Write,
    num::NonZeroUsize,
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

use super::bench::{Figure, Report, Unit, median};
use crate::{
    bytes::Bytes,
    cli::{arguments::PoolBench, text::size},
    pool::mapping::{
        Mapping,
        huge_pages::{HugePageOutcome, HugePages},
        limit::{Admission, MemoryLimit},
        memory_file::MemoryFile,
    },
};

/// Where a container sees its control group.
const CONTROL_GROUP: &str = "/sys/fs/cgroup";
/// Where the kernel tells what the machine has.
const MACHINE_MEMORY: &str = "/proc/meminfo";

pub(super) fn measured(command: &PoolBench, progress: &mut dyn Write) -> Result<Report, String> {
    let admission = admission(command.size)?;
    let length = usize::try_from(command.size.get()).map_err(|error| error.to_string())?;
    let mut report = Report {
        size_bytes: command.size,
        rounds: command.rounds,
        figures: Vec::new(),
        remarks: Vec::new(),
    };
    let mut rounds = Rounds {
        admission,
        length,
        rounds: command.rounds,
        progress,
    };
    report
        .figures
        .push(rounds.private("private memory, ordinary pages", HugePages::No, 2.6)?);
    report
        .figures
        .push(rounds.private("private memory, huge pages", HugePages::Wished, 9.7)?);
    report.figures.extend(rounds.shared()?);
    let shared: f64 = report.figures[2..4]
        .iter()
        .filter_map(|figure| figure.median)
        .map(f64::recip)
        .sum();
    report.remarks.push(format!(
        "A shared pool of 2 GiB takes {:.1} s here until it is ready: reserved first, so that this control group is \
         charged for it, then populated.",
        2.0 * shared
    ));
    Ok(report)
}

/// Leave to touch so much: of the limit of this process, and of what the machine has.
fn admission(size: Bytes) -> Result<Admission, String> {
    MemoryLimit::of_process(Path::new(CONTROL_GROUP), Path::new(MACHINE_MEMORY))
        .map_err(told)?
        .admit(size)
        .map_err(|error| format!("{error}; ask for less with --size"))
}

struct Rounds<'a> {
    admission: Admission,
    length: usize,
    rounds: u16,
    progress: &'a mut dyn Write,
}

impl Rounds<'_> {
    fn private(
        &mut self,
        what: &'static str,
        huge_pages: HugePages,
        documented: f64,
    ) -> Result<Figure, String> {
        let (admission, length) = (&self.admission, self.length);
        let mut note = String::new();
        let median = median(what, self.rounds, self.progress, || {
            let mapping = Mapping::anonymous_with(length, huge_pages).map_err(told)?;
            let took = populate(&mapping, admission)?;
            note = came_of(&mapping)?;
            Ok::<f64, String>(rate(length, took))
        })?;
        Ok(figure(what, median, documented, note))
    }

    /// Reserving a file, populating a mapping of it, and populating a second one.
    fn shared(&mut self) -> Result<Vec<Figure>, String> {
        const WHAT: &str = "shared memory";
        let (admission, length) = (&self.admission, self.length);
        let mut steps: [Vec<f64>; 3] = Default::default();
        median(WHAT, self.rounds, self.progress, || {
            let file =
                MemoryFile::anonymous("headroom-bench", length, HugePages::No).map_err(told)?;
            let start = Instant::now();
            file.reserve(admission).map_err(told)?;
            steps[0].push(rate(length, start.elapsed()));
            let first = file.map().map_err(told)?;
            steps[1].push(rate(length, populate(&first, admission)?));
            let second = file.map_read_only().map_err(told)?;
            steps[2].push(rate(length, populate(&second, admission)?));
            Ok::<f64, String>(0.0)
        })?;
        let names = [
            ("shared memory, reserved", 3.9),
            ("shared memory, populated after that", 3.0),
            ("a client's mapping of what is there", 8.7),
        ];
        Ok(names
            .into_iter()
            .zip(steps)
            .map(|((what, documented), mut values)| {
                values.sort_by(f64::total_cmp);
                figure(what, values[values.len() / 2], documented, String::new())
            })
            .collect())
    }
}

fn figure(what: &'static str, median: f64, documented: f64, note: String) -> Figure {
    Figure {
        what,
        median: Some(median),
        unit: Unit::GibibytesPerSecond,
        documented,
        note,
    }
}

fn populate(mapping: &Mapping, admission: &Admission) -> Result<Duration, String> {
    let start = Instant::now();
    mapping
        .populate(admission, NonZeroUsize::MIN, |_| ControlFlow::Continue(()))
        .map_err(told)?;
    Ok(start.elapsed())
}

/// Which pages the wish for huge ones came to.
fn came_of(mapping: &Mapping) -> Result<String, String> {
    Ok(match mapping.huge_page_outcome() {
        HugePageOutcome::NotWished => String::new(),
        HugePageOutcome::FromPool => "from the node's pool".to_owned(),
        HugePageOutcome::Advised { .. } => {
            let there = mapping.huge_page_bytes().map_err(told)?;
            format!("by advice: {} of it are huge", size(Bytes(there)))
        }
        HugePageOutcome::Refused { .. } => "not to be had here".to_owned(),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate has no more than a few digits"
)]
fn rate(length: usize, took: Duration) -> f64 {
    length as f64 / Bytes::GIBI.get() as f64 / took.as_secs_f64().max(1e-9)
}

fn told(error: impl std::error::Error) -> String {
    error.to_string()
}
