//! What is measured: every row of the table with its bar, and the table itself.
//!
//! A row holds one number per subject, so that the table can be read by eye and by a program alike; what
//! a number is made of stands in its note.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Serialize, Serializer};

/// Who was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// Headroom.
    Ours,
    /// The floor controller, `e2e/src/bin/floor.rs`.
    Floor,
    /// Flink itself, in the rows that it can answer.
    #[value(skip)]
    Peer,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Instructions,
    Allocations,
    Percent,
    Times,
    Mebibytes,
    Bytes,
    Requests,
    CpuSeconds,
    CpuSecondsPerMinute,
}

impl Unit {
    const fn symbol(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Instructions => "instructions",
            Self::Allocations => "allocations",
            Self::Percent => "%",
            Self::Times => "×",
            Self::Mebibytes => "MiB",
            Self::Bytes => "bytes",
            Self::Requests => "requests",
            Self::CpuSeconds => "CPU s",
            Self::CpuSecondsPerMinute => "CPU s/min",
        }
    }

    /// Digits after the point: as many as the measurement is good for.
    fn digits(self, value: f64) -> usize {
        match self {
            Self::Nanoseconds if value < 100.0 => 1,
            Self::Nanoseconds
            | Self::Instructions
            | Self::Allocations
            | Self::Bytes
            | Self::Requests => 0,
            Self::Microseconds | Self::Milliseconds | Self::Mebibytes => 1,
            Self::Percent
            | Self::Times
            | Self::Seconds
            | Self::CpuSeconds
            | Self::CpuSecondsPerMinute => 2,
        }
    }

    fn text(self, value: f64) -> String {
        let plain = format!("{value:.*}", self.digits(value));
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        let mut grouped = String::new();
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at) % 3 == 0 && !grouped.ends_with('-') {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        if !fraction.is_empty() {
            grouped.push('.');
            grouped.push_str(fraction);
        }
        grouped
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.symbol())
    }
}

/// The parts of the benchmark, which can be run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Part {
    /// The solver, right and wrong, the command line, and what Flink itself takes for the same
    Solve,
    /// The segment pools, and what Flink's own take for the same
    Pools,
    /// The definition, the programs, and the status of the largest example
    Sizes,
    /// From the start of the process until it is ready
    Start,
    /// The writes that one new pool causes
    Writes,
    /// 100 pools at 2 per second
    Slow,
    /// 1,000 pools at 10 per second
    Steady,
    /// Two minutes without any change
    Rest,
    /// A restart with 1,000 unchanged pools
    Restart,
    /// 1,000 pools at once
    Burst,
}

impl Part {
    /// Whether a controller takes part.
    #[must_use]
    pub const fn needs_controllers(self) -> bool {
        !matches!(self, Self::Solve | Self::Pools)
    }
}

/// One row before it is measured.
#[derive(Clone, Copy, Debug)]
struct Definition {
    /// Its name, the same in every run.
    name: &'static str,
    /// What is measured, for a reader.
    what: &'static str,
    /// What its numbers count.
    unit: Unit,
    /// The number that ours must not exceed.
    bar: Option<f64>,
    /// What the Apache Flink Kubernetes Operator 1.15 took, where that was measured; it is not measured anew.
    operator: &'static str,
}

const fn row(
    name: &'static str,
    what: &'static str,
    unit: Unit,
    bar: Option<f64>,
    operator: &'static str,
) -> Definition {
    Definition {
        name,
        what,
        unit,
        bar,
        operator,
    }
}

/// Every row, in the order of the table. A line each, to be read as one.
#[rustfmt::skip]
const DEFINITIONS: &[Definition] = &[
    row("solve.process", "one solve, warm: process size given", Unit::Nanoseconds, Some(2000.0), ""),
    row("solve.flink", "one solve, warm: Flink size given", Unit::Nanoseconds, Some(2000.0), ""),
    row("solve.explicit", "one solve, warm: task heap and managed given", Unit::Nanoseconds, Some(2000.0), ""),
    row("solve.instructions", "… instructions, process size given", Unit::Instructions, None, ""),
    row("solve.allocations", "… allocations", Unit::Allocations, None, ""),
    row("solve.allocated", "… bytes allocated", Unit::Bytes, None, ""),
    row("solve.wrong", "every conflict and fix of the worst example", Unit::Microseconds, Some(200.0), ""),
    row("solve.check", "headroom check of 1,000 pools in one file", Unit::Milliseconds, Some(200.0), ""),
    row("solve.command", "one answer of the command line", Unit::Milliseconds, None, ""),
    row("pools.local.segment", "local pool: request and recycle a segment, one thread", Unit::Nanoseconds, Some(8.8), ""),
    row("pools.local.segment.instructions", "… instructions", Unit::Instructions, None, ""),
    row("pools.local.buffer", "… as a buffer", Unit::Nanoseconds, Some(12.0), ""),
    row("pools.local.buffer.instructions", "… instructions", Unit::Instructions, None, ""),
    row("pools.local.builder", "… as a builder for one of 4 channels", Unit::Nanoseconds, None, ""),
    row("pools.handoff", "… one thread requests, another one recycles", Unit::Nanoseconds, Some(40.0), ""),
    row("pools.threads.1", "… 1 thread, of all together", Unit::Nanoseconds, None, ""),
    row("pools.threads.2", "… 2 threads at once", Unit::Nanoseconds, None, ""),
    row("pools.threads.4", "… 4 threads at once", Unit::Nanoseconds, None, ""),
    row("pools.threads.8", "… 8 threads at once", Unit::Nanoseconds, None, ""),
    row("pools.shared", "pool over a shared file: take and give back, one thread", Unit::Nanoseconds, Some(25.0), ""),
    row("pools.shared.handoff", "… one thread takes, another one takes over and gives back", Unit::Nanoseconds, Some(60.0), ""),
    row("pools.create", "create a local pool where there are 1,000", Unit::Microseconds, Some(10.0), ""),
    row("pools.create.instructions", "… and destroy it: instructions", Unit::Instructions, None, ""),
    row("pools.network", "network pool of 2 GiB, all pages present", Unit::Milliseconds, None, ""),
    row("pools.network.huge", "… in huge pages", Unit::Milliseconds, None, ""),
    row("pools.beside", "… memory beside the segments", Unit::Percent, Some(0.5), ""),
    row("pools.bytes", "budget: reserve and release bytes", Unit::Nanoseconds, Some(20.0), ""),
    row("pools.bytes.instructions", "… instructions", Unit::Instructions, None, ""),
    row("pools.reserve", "memory manager: reserve and release bytes of an owner", Unit::Nanoseconds, None, ""),
    row("pools.pages", "… allocate and release 1,024 pages", Unit::Microseconds, Some(30.0), ""),
    row("pools.pages.instructions", "… instructions", Unit::Instructions, None, ""),
    row("pools.extent", "best fit among 10,000 free extents: take and give back", Unit::Nanoseconds, Some(1000.0), ""),
    row("pools.extent.instructions", "… instructions", Unit::Instructions, None, ""),
    row("pools.sweep", "sweep of 65,536 segments, a tenth of them orphaned", Unit::Microseconds, Some(5000.0), ""),
    row("pools.sweep.pause", "… pause of another thread", Unit::Microseconds, Some(50.0), ""),
    row("pools.output", "paged output: write a record of 64 bytes", Unit::Nanoseconds, None, ""),
    row("pools.output.instructions", "… instructions", Unit::Instructions, None, ""),
    row("pools.input", "paged input: read a record of 64 bytes", Unit::Nanoseconds, None, ""),
    row("pools.input.instructions", "… instructions", Unit::Instructions, None, ""),
    row("pools.turns", "reading heap and direct segments in turns, against one kind", Unit::Times, Some(1.1), ""),
    row("slow.p50", "created → budget in status, 100 pools at 2/s: p50", Unit::Milliseconds, Some(25.0), "20"),
    row("slow.p99", "… p99", Unit::Milliseconds, Some(60.0), "143"),
    row("steady.p50", "created → budget in status, 1,000 pools at 10/s: p50", Unit::Milliseconds, Some(25.0), "5,400–7,400"),
    row("steady.p99", "… p99", Unit::Milliseconds, Some(60.0), "12,000–17,000"),
    row("burst.status", "1,000 pools at once: last status", Unit::Seconds, Some(15.0), "127"),
    row("burst.deployment", "… last Deployment", Unit::Seconds, Some(15.0), "137"),
    row("burst.create", "… last pool created, the pace of the creator", Unit::Seconds, None, ""),
    row("memory.0", "resident memory at 0 pools", Unit::Mebibytes, Some(14.0), "208–255"),
    row("memory.100", "… at 100 pools", Unit::Mebibytes, Some(16.0), "490–1,990"),
    row("memory.1000", "… at 1,000 pools", Unit::Mebibytes, Some(28.0), "1,000–3,600"),
    row("writes", "writes for one new pool", Unit::Requests, None, "12"),
    row("cpu", "CPU for 1,000 new pools", Unit::CpuSeconds, Some(5.0), "150–186"),
    row("restart.checked", "restart with 1,000 unchanged pools: all checked", Unit::Seconds, Some(2.0), ""),
    row("restart.writes", "… writes", Unit::Requests, Some(0.0), ""),
    row("rest.writes", "at rest, 1,000 pools, 2 minutes: writes", Unit::Requests, Some(0.0), "0"),
    row("rest.lists", "… lists", Unit::Requests, Some(0.0), "24,000"),
    row("rest.cpu", "… CPU", Unit::CpuSecondsPerMinute, Some(0.3), "26–34"),
    row("start", "process start → ready, worst of 5", Unit::Milliseconds, Some(300.0), "3,000"),
    row("size.definition", "the CustomResourceDefinition", Unit::Bytes, Some(99_999.0), "544,000"),
    row("size.status", "status of the largest example, as JSON", Unit::Bytes, Some(6143.0), "two whole specs"),
    row("size.controller", "program headroom-controller", Unit::Mebibytes, None, "108 and a JRE"),
    row("size.headroom", "program headroom", Unit::Mebibytes, None, ""),
];

/// What was measured.
#[derive(Debug, Default)]
pub struct Figures {
    values: BTreeMap<(&'static str, Subject), f64>,
    notes: BTreeMap<&'static str, Vec<String>>,
    bars: BTreeMap<&'static str, f64>,
}

/// One row with its numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    name: &'static str,
    what: &'static str,
    unit: Unit,
    bar: Option<f64>,
    ours: Option<f64>,
    floor: Option<f64>,
    /// Flink's own, measured in the same run.
    flink: Option<f64>,
    /// Of the Apache Flink Kubernetes Operator, not measured in this run.
    operator: Option<&'static str>,
    /// Absent where there is no bar or ours was not measured.
    is_met: Option<bool>,
    notes: Vec<String>,
}

impl Figures {
    /// Notes one number. Says it on standard error at once, because a whole run takes minutes.
    pub fn record(&mut self, name: &'static str, subject: Subject, value: f64) {
        if let Some(definition) = DEFINITIONS.iter().find(|row| row.name == name) {
            let text = definition.unit.text(value);
            eprintln!("    {name}: {text} {}", definition.unit.symbol());
        }
        self.values.insert((name, subject), value);
    }

    /// Says what a number is made of.
    pub fn note(&mut self, name: &'static str, note: String) {
        eprintln!("    {name}: {note}");
        self.notes.entry(name).or_default().push(note);
    }

    /// A number that was noted.
    pub fn value(&self, name: &'static str, subject: Subject) -> Option<f64> {
        self.values.get(&(name, subject)).copied()
    }

    /// Sets a bar that depends on what was seen.
    pub fn bar(&mut self, name: &'static str, bar: f64) {
        self.bars.insert(name, bar);
    }

    /// The rows that have a number.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let rows = DEFINITIONS.iter().map(|definition| {
            let value = |subject| self.values.get(&(definition.name, subject)).copied();
            let bar = self.bars.get(definition.name).copied().or(definition.bar);
            let ours = value(Subject::Ours);
            Row {
                name: definition.name,
                what: definition.what,
                unit: definition.unit,
                bar,
                ours,
                floor: value(Subject::Floor),
                flink: value(Subject::Peer),
                operator: Some(definition.operator).filter(|text| !text.is_empty()),
                is_met: bar.zip(ours).map(|(bar, ours)| ours <= bar),
                notes: self.notes.get(definition.name).cloned().unwrap_or_default(),
            }
        });
        rows.filter(|row| row.ours.or(row.floor).or(row.flink).is_some())
            .collect()
    }
}

/// How many bars were met and how many were missed.
#[must_use]
pub fn verdict(rows: &[Row]) -> (usize, usize) {
    let count = |is_met| rows.iter().filter(|row| row.is_met == Some(is_met)).count();
    (count(true), count(false))
}

/// The rows as a table for a reader, in Markdown, with the notes below.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    const HEADINGS: [&str; 7] = ["what", "unit", "bar", "ours", "floor", "peer", ""];
    let mut cells: Vec<[String; 7]> = vec![HEADINGS.map(String::from)];
    let mut notes = String::new();
    for row in rows {
        let text = |value: Option<f64>| value.map(|value| row.unit.text(value)).unwrap_or_default();
        let mut peer = text(row.flink);
        if !peer.is_empty() {
            peer.push_str(" (Flink)");
        } else if let Some(operator) = row.operator {
            peer.push_str(operator);
        }
        let verdict = match row.is_met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        cells.push([
            row.what.to_owned(),
            row.unit.symbol().to_owned(),
            row.bar
                .map(|bar| format!("≤ {}", row.unit.text(bar)))
                .unwrap_or_default(),
            text(row.ours),
            text(row.floor),
            peer,
            verdict.to_owned(),
        ]);
        for note in &row.notes {
            let _ = writeln!(notes, "- {}: {note}", row.name);
        }
    }
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| {
            cells
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (number, row) in cells.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Names to the left, numbers to the right.
            let padding = " ".repeat(width - cell.chars().count());
            let _ = match column {
                2..=5 => write!(text, "| {padding}{cell} "),
                _ => write!(text, "| {cell}{padding} "),
            };
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let rule = "-".repeat(width.saturating_sub(1));
                let _ = match column {
                    2..=5 => write!(text, "| {rule}: "),
                    _ => write!(text, "| {rule}- "),
                };
            }
            text.push_str("|\n");
        }
    }
    if !notes.is_empty() {
        let _ = write!(text, "\n{notes}");
    }
    text
}

/// The smallest value that at least `percent` of all values do not exceed; the nearest-rank method.
#[must_use]
pub fn percentile(values: &mut [f64], percent: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut values, 50), Some(50.0));
        assert_eq!(percentile(&mut values, 99), Some(99.0));
        assert_eq!(percentile(&mut [3.0], 99), Some(3.0));
        assert_eq!(percentile(&mut [], 99), None);
    }

    #[test]
    fn a_missed_bar_is_marked_and_counted() {
        let mut figures = Figures::default();
        figures.record("slow.p50", Subject::Ours, 25.0);
        figures.record("slow.p99", Subject::Ours, 60.1);
        figures.record("burst.create", Subject::Ours, 1234.5);
        let rows = figures.rows();
        assert_eq!(verdict(&rows), (1, 1));
        let table = table(&rows);
        let line = |what: &str| {
            table
                .lines()
                .find(|line| line.contains(what))
                .expect("the row is there")
                .to_owned()
        };
        assert!(line("p50").ends_with("| met    |"), "{table}");
        assert!(line("… p99").ends_with("| MISSED |"), "{table}");
        assert!(line("pace of the creator").contains("1,234.50"), "{table}");
    }

    #[test]
    fn names_are_unique_and_without_a_row_nothing_is_printed() {
        let names: std::collections::BTreeSet<_> = DEFINITIONS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), DEFINITIONS.len());
        assert!(Figures::default().rows().is_empty());
    }
}
