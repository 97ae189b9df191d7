//! `bench`: Headroom's figures, on real control planes, beside the least that any controller takes.
//!
//! Every row is printed with its bar and with the conditions it was taken under. A bar that is missed is
//! marked; only `--strict` makes it an error, because a busy machine misses bars too.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use e2e::{
    controller::{Profile, Target, build},
    tools::Tool,
};
use figures::{Figures, Part, Row, Subject};
use serde::Serialize;

mod conditions;
mod controllers;
mod examples;
mod figures;
mod pools;
mod scenario;
mod segment_pools;
mod solver;
mod valgrind;

use conditions::Conditions;
use scenario::Scale;
use segment_pools::{Pages, Work};

/// Measures Headroom and the floor controller on real control planes without nodes.
///
/// The table goes to standard output, progress to standard error. A whole run takes about a quarter of an hour after
/// the builds; a machine that is busy otherwise gives other figures, and the conditions below the table say so.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    parts: Vec<Part>,

    /// Only these controllers
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHO")]
    controllers: Vec<Subject>,

    /// A tenth of the pools and of the time, to try the benchmark itself
    #[arg(long)]
    quick: bool,

    /// Build everything as tests do, which is quicker; to try the benchmark itself
    #[arg(long)]
    debug: bool,

    /// The form of the result
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,

    /// Write the result as JSON to this file as well
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// End with exit code 1 when a bar is missed
    #[arg(long)]
    strict: bool,

    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the solver that many times; callgrind counts the instructions of this
    #[command(hide = true)]
    SolveRepeatedly { times: usize },
    /// Use a segment pool that many times; callgrind counts the instructions of this
    #[command(hide = true)]
    PoolsRepeatedly { work: Work, times: u32 },
    /// Make one network pool, every page present, and say how long that took
    #[command(hide = true)]
    PoolPopulated { segments: usize, pages: Pages },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// A table
    Text,
    /// JSON
    Json,
}

/// Everything that a run found out.
#[derive(Debug, Serialize)]
struct Report {
    conditions: Conditions,
    rows: Vec<Row>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    if let Some(action) = arguments.action {
        match action {
            Action::SolveRepeatedly { times } => solver::solve_repeatedly(times)?,
            Action::PoolsRepeatedly { work, times } => segment_pools::repeat(work, times)?,
            Action::PoolPopulated { segments, pages } => segment_pools::populate(segments, pages)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let parts: BTreeSet<Part> = match arguments.parts.as_slice() {
        [] => Part::value_variants().iter().copied().collect(),
        parts => parts.iter().copied().collect(),
    };
    let subjects = match arguments.controllers.as_slice() {
        [] => &[Subject::Ours, Subject::Floor],
        subjects => subjects,
    };
    let scale = if arguments.quick {
        Scale::QUICK
    } else {
        Scale::FULL
    };

    let (profile, profile_name) = match arguments.debug {
        true => (Profile::Debug, "debug"),
        false => (Profile::Release, "release"),
    };
    let mut programs = Vec::new();
    let needs_controllers = parts.iter().any(|part| part.needs_controllers());
    if needs_controllers {
        eprintln!("building the controllers ({profile_name}; some minutes the first time)");
    }
    for subject in subjects.iter().filter(|_| needs_controllers) {
        let subject = *subject;
        let program = tokio::task::spawn_blocking(move || controllers::program(subject, profile));
        programs.push((subject, program.await.context("the build panicked")??));
    }
    let conditions = Conditions::here(
        &Tool::ControlPlane.version()?,
        profile_name,
        arguments.quick,
    )?;
    let mut figures = Figures::default();
    if subjects.contains(&Subject::Ours) {
        let controller = programs
            .iter()
            .find(|(subject, _)| *subject == Subject::Ours);
        without_cluster(
            &mut figures,
            profile,
            &parts,
            controller.map(|(_, program)| program.as_path()),
            arguments.quick,
        )?;
    }
    for (subject, program) in &programs {
        if *subject == Subject::Floor && parts.contains(&Part::Sizes) {
            figures.record("size.controller", Subject::Floor, mebibytes(program)?);
        }
        scenario::run(&mut figures, *subject, program, &parts, scale).await?;
    }

    let report = Report {
        conditions,
        rows: figures.rows(),
    };
    let json = serde_json::to_string_pretty(&report)?;
    if let Some(path) = &arguments.save {
        fs::write(path, format!("{json}\n"))
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    let (met, missed) = figures::verdict(&report.rows);
    match arguments.output {
        Output::Json => println!("{json}"),
        Output::Text => {
            println!(
                "{}\n{}",
                figures::table(&report.rows),
                report.conditions.text()
            );
            println!("{met} bars met, {missed} missed.");
        }
    }
    Ok(if arguments.strict && missed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The parts that need no control plane.
fn without_cluster(
    figures: &mut Figures,
    profile: Profile,
    parts: &BTreeSet<Part>,
    controller: Option<&Path>,
    is_quick: bool,
) -> Result<()> {
    let headroom = || build("headroom", Target::Binary("headroom"), profile);
    if parts.contains(&Part::Solve) {
        eprintln!("  solver");
        solver::measure(figures, is_quick)?;
        examples::measure(figures, &headroom()?, is_quick)?;
        solver::measure_command_line(figures, &headroom()?)?;
        solver::measure_flink(figures, is_quick)?;
    }
    if parts.contains(&Part::Pools) {
        eprintln!("  segment pools");
        segment_pools::measure(figures, is_quick)?;
    }
    if parts.contains(&Part::Sizes) {
        eprintln!("  sizes");
        let definition = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../crds/headroom.dev_taskmanagerpools.yaml");
        figures.record(
            "size.definition",
            Subject::Ours,
            length(&definition)? as f64,
        );
        if let Some(controller) = controller {
            figures.record("size.controller", Subject::Ours, mebibytes(controller)?);
        }
        figures.record("size.headroom", Subject::Ours, mebibytes(&headroom()?)?);
    }
    Ok(())
}

fn length(path: &Path) -> Result<u64> {
    let metadata =
        fs::metadata(path).with_context(|| format!("failed to look at {}", path.display()))?;
    Ok(metadata.len())
}

fn mebibytes(path: &Path) -> Result<f64> {
    Ok(length(path)? as f64 / f64::from(1 << 20))
}
