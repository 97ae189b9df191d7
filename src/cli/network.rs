//! `headroom network`: how many buffers a job needs of one TaskManager, and the network memory for them.

use std::io::Read;

use serde::Serialize;

use super::{
    EXIT_CONFLICTS, EXIT_SOUND, EXIT_UNREADABLE, Reply,
    arguments::{Network, Output, RoleChoice, Which},
    input::{
        InputProblem,
        job::{self, JobDocument},
        shown,
    },
    process_budget::ProcessBudget,
    question::Answers,
    report::{json_text, yaml_text},
    screen::{Screen, Tone, aligned, columns, harmless, padded},
    text::{self, counted, size},
};
use crate::{
    budget::{
        Configuration, FlinkError, FlinkVersion, Origin, memory_size,
        network::{
            Cluster, JobBuffers, NetworkSizes, ShuffleSettings, VertexBuffers, segment_size,
            segments,
        },
        options::SEGMENT_SIZE,
    },
    bytes::Bytes,
};

/// Where a job is to run.
struct Place {
    settings: ShuffleSettings,
    segment_size: Bytes,
    slots: u32,
    /// Network memory of a TaskManager, where it is known.
    network: Option<Bytes>,
}

/// Why there is no answer.
struct Refusal {
    text: String,
    exit: u8,
}

/// The answer as data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    job: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    chained_operators: Option<usize>,
    settings: &'a ShuffleSettings,
    segment_size_bytes: Bytes,
    slots_per_taskmanager: u32,
    #[serde(flatten)]
    buffers: &'a JobBuffers,
    starts_with: Memory,
    runs_freely_with: Memory,
    overdraws_freely_with: Memory,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Verdict>,
}

/// A size and the same in whole mebibytes, rounded up.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    bytes: Bytes,
    mebibytes: u64,
}

/// What a given network memory means for the job.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    bytes: Bytes,
    segments: u64,
    starts: bool,
    runs_freely: bool,
}

pub(super) fn answer(command: &Network, screen: &Screen, standard_input: &mut dyn Read) -> Reply {
    match answered(command, screen, standard_input) {
        Ok(reply) => reply,
        Err(refusal) => Reply {
            error: refusal.text,
            exit: refusal.exit,
            ..Reply::default()
        },
    }
}

fn answered(
    command: &Network,
    screen: &Screen,
    standard_input: &mut dyn Read,
) -> Result<Reply, Refusal> {
    let error = |message: &str| format!("{} {message}\n", screen.paint(Tone::Error, "error:"));
    let document = job::read(&command.job, standard_input).map_err(|problems| Refusal {
        text: problems
            .iter()
            .map(|problem: &InputProblem| error(&problem.to_string()))
            .collect(),
        exit: EXIT_UNREADABLE,
    })?;
    let place = place(command, standard_input).map_err(|refusal| Refusal {
        text: error(&refusal.text),
        ..refusal
    })?;
    let cluster = Cluster {
        slots_per_taskmanager: place.slots,
        taskmanagers: command.task_managers,
        spreads_slots: command.spread_slots,
    };
    let refused = |text: String| Refusal {
        text: error(&text),
        exit: EXIT_CONFLICTS,
    };
    let buffers = document
        .shape
        .buffers(&place.settings, &cluster)
        .map_err(|few| refused(few.to_string()))?;
    let sizes = buffers.sizes(place.segment_size).ok_or_else(|| {
        refused(format!(
            "the job needs {} buffers, more memory than can be counted",
            buffers.with_overdraft
        ))
    })?;
    let verdict = match place.network {
        Some(network) => Some(
            verdict(network, place.segment_size, &buffers)
                .map_err(|flink| refused(flink.to_string()))?,
        ),
        None => None,
    };
    let exit = match verdict {
        Some(Verdict { starts: false, .. }) => EXIT_CONFLICTS,
        _ => EXIT_SOUND,
    };
    let report = || Report {
        job: &command.job,
        chained_operators: document.operators,
        settings: &place.settings,
        segment_size_bytes: place.segment_size,
        slots_per_taskmanager: place.slots,
        buffers: &buffers,
        starts_with: Memory::of(sizes.starts),
        runs_freely_with: Memory::of(sizes.runs_freely),
        overdraws_freely_with: Memory::of(sizes.with_overdraft),
        network: verdict,
    };
    Ok(match command.output {
        Output::Json => json_text(&report(), exit),
        Output::Yaml => yaml_text(&report(), exit),
        Output::Text => Reply {
            output: written(
                command, &document, &place, &buffers, &sizes, verdict, screen,
            ),
            exit,
            ..Reply::default()
        },
    })
}

impl Memory {
    fn of(bytes: Bytes) -> Self {
        Self {
            bytes,
            mebibytes: bytes.get().div_ceil(Bytes::MEBI.get()),
        }
    }
}

fn verdict(network: Bytes, segment: Bytes, buffers: &JobBuffers) -> Result<Verdict, FlinkError> {
    let segments = segments(network, segment)?;
    Ok(Verdict {
        bytes: network,
        segments,
        starts: segments >= buffers.required.max(1),
        runs_freely: segments >= buffers.target.max(1),
    })
}

/// Where the job runs: what a pool says, or the options.
fn place(command: &Network, standard_input: &mut dyn Read) -> Result<Place, Refusal> {
    match (&command.pool, command.flink_version) {
        (Some(file), _) => place_of_pool(command, file, standard_input),
        (None, Some(version)) => place_of_options(command, version),
        // The command line is not accepted without one of them.
        (None, None) => Err(unreadable("neither --pool nor --flink-version is given")),
    }
}

fn unreadable(text: impl Into<String>) -> Refusal {
    Refusal {
        text: text.into(),
        exit: EXIT_UNREADABLE,
    }
}

fn place_of_pool(
    command: &Network,
    file: &str,
    standard_input: &mut dyn Read,
) -> Result<Place, Refusal> {
    let which = Which {
        role: Some(RoleChoice::TaskManager),
        ..Which::default()
    };
    let answers = Answers::to_files(
        &[file.to_owned()],
        &command.policy,
        None,
        &which,
        standard_input,
    );
    if let Some(problem) = answers.problems.first() {
        return Err(unreadable(problem.to_string()));
    }
    let [answer] = answers.answers.as_slice() else {
        return Err(unreadable(format!(
            "{}: {} found; --pool takes a file with one",
            harmless(file),
            counted(answers.answers.len(), "pool", "pools")
        )));
    };
    let Some(budget) = answer.budget.as_ref().and_then(ProcessBudget::task_manager) else {
        return Err(Refusal {
            text: format!(
                "{}: the pool has no network memory, because its options conflict; `headroom check` says how",
                harmless(file)
            ),
            exit: EXIT_CONFLICTS,
        });
    };
    let settings =
        ShuffleSettings::of(budget.flink_version, &answer.configuration()).map_err(|flink| {
            Refusal {
                text: format!("{}: {}", harmless(file), harmless(&flink_text(&flink))),
                exit: EXIT_CONFLICTS,
            }
        })?;
    Ok(Place {
        settings,
        segment_size: budget.segment_size,
        slots: u32::try_from(budget.number_of_task_slots)
            .unwrap_or(1)
            .max(1),
        network: Some(budget.network.bytes),
    })
}

fn place_of_options(command: &Network, version: FlinkVersion) -> Result<Place, Refusal> {
    let mut configuration = Configuration::new();
    if let Some(size) = &command.segment_size {
        configuration.push(SEGMENT_SIZE, size.clone(), Origin::CommandLine);
    }
    for (key, value) in &command.options {
        configuration.push(key.clone(), value.clone(), Origin::CommandLine);
    }
    let refused = |flink: FlinkError| unreadable(harmless(&flink_text(&flink)));
    let network = match &command.network_size {
        None => None,
        Some(text) => Some(memory_size::parse(text).map_err(|error| {
            unreadable(format!(
                "--network-size: {text:?} is no size of Flink: {}",
                error.reason()
            ))
        })?),
    };
    Ok(Place {
        settings: ShuffleSettings::of(version, &configuration).map_err(refused)?,
        segment_size: segment_size(&configuration).map_err(refused)?,
        slots: command.slots,
        network,
    })
}

/// What Flink raises, with the last cause, which says what is wrong.
fn flink_text(error: &FlinkError) -> String {
    match error.causes.last() {
        Some(cause) => format!("{} ({})", error.message, cause.message),
        None => error.message.clone(),
    }
}

fn written(
    command: &Network,
    document: &JobDocument,
    place: &Place,
    buffers: &JobBuffers,
    sizes: &NetworkSizes,
    verdict: Option<Verdict>,
    screen: &Screen,
) -> String {
    let mut text = format!(
        "{}, Flink {}, {} per TaskManager, segments of {}\n\n",
        screen.paint(Tone::Title, &shown(&command.job)),
        place.settings.flink_version,
        counted(place.slots as usize, "slot", "slots"),
        size(place.segment_size)
    );
    text.push_str(&vertices(&buffers.vertices, screen));
    text.push('\n');
    text.push_str(&totals(buffers, sizes, screen));
    text.push('\n');
    for sentence in sentences(document, buffers, verdict) {
        text::push_wrapped(&mut text, "", "  ", &sentence, screen);
    }
    text
}

/// The table of vertices, each with what one of its subtasks needs.
fn vertices(vertices: &[VertexBuffers], screen: &Screen) -> String {
    const HEAD: [&str; 7] = [
        "SUBTASKS",
        "ON ONE",
        "CHANNELS",
        "OUTPUTS",
        "REQUIRED",
        "TARGET",
        "OVERDRAFT",
    ];
    let rows: Vec<(String, [String; 7])> = vertices
        .iter()
        .map(|vertex| {
            let numbers = [
                u64::from(vertex.parallelism),
                vertex.subtasks,
                vertex.input_channels,
                vertex.subpartitions,
                vertex.required,
                vertex.target,
                vertex.overdraft,
            ];
            (
                harmless(&vertex.name),
                numbers.map(|number| number.to_string()),
            )
        })
        .collect();
    let widths: Vec<usize> = HEAD
        .iter()
        .enumerate()
        .map(|(column, head)| {
            let numbers = rows.iter().map(|(_, numbers)| numbers[column].len());
            numbers.max().unwrap_or_default().max(head.len())
        })
        .collect();
    let taken: usize = widths.iter().map(|width| width + 2).sum();
    let names = rows
        .iter()
        .map(|(name, _)| columns(name))
        .max()
        .unwrap_or_default()
        .clamp(6, screen.width.saturating_sub(taken).max(12));
    let line = |name: &str, cells: [&str; 7]| {
        let mut line = padded(&shortened(name, names), names);
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str("  ");
            line.push_str(&aligned(cell, *width));
        }
        line
    };
    let mut table = screen.paint(Tone::Strong, &line("VERTEX", HEAD));
    table.push('\n');
    for (name, numbers) in &rows {
        table.push_str(&line(name, numbers.each_ref().map(String::as_str)));
        table.push('\n');
    }
    table
}

/// The name in at most so many columns.
fn shortened(name: &str, width: usize) -> String {
    if columns(name) <= width {
        return name.to_owned();
    }
    let kept: String = name.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

/// What one TaskManager needs, as buffers and as memory.
fn totals(buffers: &JobBuffers, sizes: &NetworkSizes, screen: &Screen) -> String {
    let rows = [
        ("to start", buffers.required, sizes.starts),
        ("to run without waiting", buffers.target, sizes.runs_freely),
        (
            "and with all overdraft",
            buffers.with_overdraft,
            sizes.with_overdraft,
        ),
    ];
    let rows = rows.map(|(name, count, bytes)| {
        [
            name.to_owned(),
            count.to_string(),
            size(bytes),
            bytes.get().to_string(),
            format!("{}m", Memory::of(bytes).mebibytes),
        ]
    });
    let head = ["ONE TASKMANAGER", "BUFFERS", "MEMORY", "BYTES", "WHOLE"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).map(|row| columns(&row[column]));
        cells.max().unwrap_or_default()
    };
    let widths = [0, 1, 2, 3, 4].map(width);
    let line = |row: &[String; 5]| {
        let mut line = padded(&row[0], widths[0]);
        for column in 1..5 {
            line.push_str("  ");
            line.push_str(&aligned(&row[column], widths[column]));
        }
        line
    };
    let mut table = screen.paint(Tone::Strong, &line(&head)) + "\n";
    for row in &rows {
        table.push_str(&line(row));
        table.push('\n');
    }
    table
}

/// What the numbers mean, and what a given network memory means for them.
fn sentences(
    document: &JobDocument,
    buffers: &JobBuffers,
    verdict: Option<Verdict>,
) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(operators) = document.operators {
        sentences.push(format!(
            "{operators} operators were chained into {}, as Flink does where nothing in the program forbids it.",
            counted(buffers.vertices.len(), "vertex", "vertices")
        ));
    }
    sentences.push(format!(
        "A row is about one subtask; at most ON ONE of them share a TaskManager. The whole job takes {}, the \
         worst TaskManager holds {} of them.",
        counted(usize::try_from(buffers.slots).unwrap_or(usize::MAX), "slot", "slots"),
        buffers.slots_on_taskmanager
    ));
    if buffers.is_local {
        sentences.push(
            "With one TaskManager every channel is local, and local channels have no buffers of their own."
                .to_owned(),
        );
    }
    if let Some(verdict) = verdict {
        sentences.push(judgement(buffers, verdict));
    }
    sentences
}

fn judgement(buffers: &JobBuffers, verdict: Verdict) -> String {
    let held = format!(
        "Network memory of {} holds {} segments",
        size(verdict.bytes),
        verdict.segments
    );
    if verdict.runs_freely {
        return format!("{held}: enough to run without waiting.");
    }
    if verdict.starts {
        return format!(
            "{held}: enough to start, {} fewer than it takes to run without waiting.",
            buffers.target - verdict.segments
        );
    }
    format!(
        "{held}, {} fewer than the job requires: a task would fail with \"Insufficient number of network buffers\".",
        buffers.required.max(1) - verdict.segments
    )
}
