//! `headroom pool bench`: how fast memory for pools comes into being here, and what a hand-over of a segment costs.

use std::io::Write;

use serde::Serialize;

use super::{refused, table::table};
use crate::{
    bytes::Bytes,
    cli::{
        EXIT_SOUND, Reply,
        arguments::{Output, PoolBench},
        report::{json_text, yaml_text},
        screen::Screen,
        text,
    },
};

/// What was measured, as data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub size_bytes: Bytes,
    pub rounds: u16,
    pub figures: Vec<Figure>,
    /// What it means for a pool, in sentences.
    pub remarks: Vec<String>,
}

/// One measurement.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figure {
    /// What was done.
    pub what: &'static str,
    /// The median of the rounds; `None` where it could not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median: Option<f64>,
    pub unit: Unit,
    /// The figure in docs/segment-pools.md.
    pub documented: f64,
    /// What belongs to it: which pages there were, or why there is no figure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) enum Unit {
    /// More is better.
    #[serde(rename = "GiB/s")]
    GibibytesPerSecond,
    /// Less is better.
    #[serde(rename = "ns")]
    Nanoseconds,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Unit::GibibytesPerSecond => "GiB/s",
            Unit::Nanoseconds => "ns",
        }
    }
}

/// Runs the rounds of one measurement after saying so, and gives their median.
pub(super) fn median<E>(
    what: &str,
    rounds: u16,
    progress: &mut dyn Write,
    mut round: impl FnMut() -> Result<f64, E>,
) -> Result<f64, E> {
    let mut values = Vec::with_capacity(rounds.into());
    for number in 1..=rounds {
        tell(progress, &format!("{what}, round {number} of {rounds}"));
        values.push(round()?);
    }
    values.sort_by(f64::total_cmp);
    Ok(values[values.len() / 2])
}

/// Overwrites the line before; nobody depends on it.
pub(super) fn tell(progress: &mut dyn Write, text: &str) {
    let _ = write!(progress, "\r\u{1b}[K{text}").and_then(|()| progress.flush());
}

pub(super) fn answer(command: &PoolBench, screen: &Screen, progress: &mut dyn Write) -> Reply {
    let measured = measured(command, progress);
    tell(progress, "");
    let report = match measured {
        Ok(report) => report,
        Err(reason) => return refused(&reason, screen),
    };
    match command.output {
        Output::Json => json_text(&report, EXIT_SOUND),
        Output::Yaml => yaml_text(&report, EXIT_SOUND),
        Output::Text => Reply {
            output: written(&report, screen),
            exit: EXIT_SOUND,
            ..Reply::default()
        },
    }
}

#[cfg(target_os = "linux")]
fn measured(command: &PoolBench, progress: &mut dyn Write) -> Result<Report, String> {
    let mut report = super::populate::measured(command, progress)?;
    report
        .figures
        .extend(super::hand_off::measured(command.rounds, progress)?);
    Ok(report)
}

#[cfg(not(target_os = "linux"))]
fn measured(_: &PoolBench, _: &mut dyn Write) -> Result<Report, String> {
    Err("pools take their memory from Linux; run this on a node or in a pod".to_owned())
}

fn written(report: &Report, screen: &Screen) -> String {
    let number = |value: f64| format!("{value:.1}");
    let rows: Vec<[String; 5]> = report
        .figures
        .iter()
        .map(|figure| {
            [
                figure.what.to_owned(),
                figure.median.map_or_else(|| "none".to_owned(), number),
                number(figure.documented),
                figure.unit.as_str().to_owned(),
                figure.note.clone(),
            ]
        })
        .collect();
    let mut output = table(["WHAT", "HERE", "DOCUMENTED", "UNIT", ""], &rows, screen);
    for remark in &report.remarks {
        text::push_wrapped(&mut output, "", "", remark, screen);
    }
    output
}
