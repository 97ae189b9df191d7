//! `headroom migrate`: from a configuration of Flink 1.9 to one that keeps its sizes.

use std::{collections::BTreeMap, io::Read};

use serde::Serialize;

use super::{
    EXIT_CONFLICTS, EXIT_SOUND, EXIT_UNREADABLE, Reply,
    arguments::{Migrate, MigrateDeployment, MigrateManaged, MigrateOutput},
    input::{STANDARD_INPUT, shown, text_of},
    report::unwritable,
    screen::{Screen, Tone, aligned, columns, harmless, padded},
    text,
};
use crate::{
    budget::{
        Configuration, Conflict, FlinkVersion, Origin,
        legacy::migration::{
            Comparison, Deployment, ManagedMemory, Migration, NewOption, Note, NoteKind, Question,
            Refusal, migrate,
        },
    },
    bytes::Bytes,
    configuration::{Finding, Format, flink_conf},
    desired::configuration_file,
};

pub(super) fn answer(command: &Migrate, screen: &Screen, standard_input: &mut dyn Read) -> Reply {
    let to = command.to.unwrap_or(newest());
    let deployment = match (command.deployment, command.container_size) {
        (MigrateDeployment::Standalone, Some(_)) => {
            return unreadable("--container-size needs --deployment container", screen);
        }
        (MigrateDeployment::Standalone, None) => Deployment::Standalone,
        (MigrateDeployment::Container, size) => Deployment::Container { size },
    };
    let question = Question {
        deployment,
        to,
        managed: match command.managed {
            MigrateManaged::Keep => ManagedMemory::Keep,
            MigrateManaged::FromHeap => ManagedMemory::FromHeap,
            MigrateManaged::Drop => ManagedMemory::Drop,
        },
    };
    let old = match OldConfiguration::read(command, standard_input) {
        Ok(old) => old,
        Err(message) => return unreadable(&message, screen),
    };
    let outcome = migrate(&old.configuration, &question);
    let exit = match &outcome {
        Ok(migration) if migration.keeps_sizes() => EXIT_SOUND,
        _ => EXIT_CONFLICTS,
    };
    let report = Report::new(&old, &question, outcome.as_ref());
    let reply = |output: String, error: String| Reply {
        output,
        error,
        exit,
    };
    match (command.output, &outcome) {
        (MigrateOutput::Json, _) => match serde_json::to_string_pretty(&report) {
            Ok(text) => reply(text + "\n", String::new()),
            Err(error) => unwritable(&error),
        },
        (MigrateOutput::Yaml, _) => match serde_saphyr::to_string(&report) {
            Ok(text) => reply(text, String::new()),
            Err(error) => unwritable(&error),
        },
        (_, Err(refusal)) => reply(String::new(), old.remarks(Some(refusal), screen)),
        (MigrateOutput::Config, Ok(migration)) => match file(migration) {
            Ok(text) => reply(text, warnings(&old, migration, screen)),
            Err(message) => unreadable(&message, screen),
        },
        (MigrateOutput::Text, Ok(migration)) => reply(
            written(&old, &question, migration, screen),
            old.remarks(None, screen),
        ),
    }
}

fn newest() -> FlinkVersion {
    FlinkVersion::ALL
        .last()
        .copied()
        .unwrap_or(FlinkVersion::V1_10)
}

fn unreadable(message: &str, screen: &Screen) -> Reply {
    Reply {
        error: format!(
            "{} {}\n",
            screen.paint(Tone::Error, "error:"),
            harmless(message)
        ),
        exit: EXIT_UNREADABLE,
        ..Reply::default()
    }
}

/// The configuration to migrate, and what was odd about reading it.
struct OldConfiguration {
    file: Option<String>,
    configuration: Configuration,
    findings: Vec<Finding>,
}

impl OldConfiguration {
    fn read(command: &Migrate, standard_input: &mut dyn Read) -> Result<Self, String> {
        let mut old = OldConfiguration {
            file: command.file.clone(),
            configuration: Configuration::new(),
            findings: Vec::new(),
        };
        if let Some(file) = &command.file {
            let text = text_of(file, standard_input)
                .map_err(|problem| format!("{}: {problem}", shown(file)))?;
            let reading = flink_conf::read(&text);
            for entry in reading.entries {
                let origin = Origin::File {
                    file: file.clone(),
                    line: Some(entry.place.line),
                    column: Some(entry.place.column),
                };
                old.configuration.push(entry.key, entry.value, origin);
            }
            old.findings = reading.findings;
        }
        for (key, value) in &command.options {
            old.configuration
                .push(key.clone(), value.clone(), Origin::CommandLine);
        }
        Ok(old)
    }

    /// The name of what was read, for people.
    fn name(&self) -> String {
        match self.file.as_deref() {
            Some(STANDARD_INPUT) => "standard input".to_owned(),
            Some(file) => shown(file),
            None => "the options".to_owned(),
        }
    }

    /// What is odd about the file, and why there is nothing to migrate to.
    fn remarks(&self, refusal: Option<&Refusal>, screen: &Screen) -> String {
        let mut remarks = String::new();
        for finding in &self.findings {
            let line = finding
                .place
                .map_or(String::new(), |place| format!(":{}", place.line));
            remarks.push_str(&format!(
                "{} {}{line}: {}\n",
                screen.paint(Tone::Warning, "warning:"),
                self.name(),
                harmless(&finding.message)
            ));
        }
        if let Some(refusal) = refusal {
            let first = format!("{} ", screen.paint(Tone::Error, "error:"));
            let message = format!("{}: {refusal}", self.name());
            text::push_wrapped(&mut remarks, &first, "  ", &message, screen);
            for place in self.places(refusal) {
                remarks.push_str(&format!("  {}\n", harmless(&place)));
            }
        }
        remarks
    }

    /// Where the options that a refusal names were written, with their values.
    fn places(&self, refusal: &Refusal) -> Vec<String> {
        let message = refusal.to_string();
        let mut places: Vec<String> = Vec::new();
        for setting in self.configuration.iter() {
            let place = format!("{}: {}", setting.origin.path(&setting.key), setting.value);
            if message.contains(&setting.key) && !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }
}

/// The answer as data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    deployment: &'static str,
    /// Whether the new options solve and keep every size that should be kept.
    kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    #[serde(flatten)]
    migration: Option<&'a Migration>,
    /// What Flink passed over in the file.
    passed_over: Vec<PassedOver<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PassedOver<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    message: &'a str,
}

impl<'a> Report<'a> {
    fn new(
        old: &'a OldConfiguration,
        question: &Question,
        outcome: Result<&'a Migration, &Refusal>,
    ) -> Self {
        Report {
            file: old.file.as_deref(),
            deployment: match question.deployment {
                Deployment::Standalone => "standalone",
                Deployment::Container { .. } => "container",
            },
            kept: outcome.is_ok_and(Migration::keeps_sizes),
            refusal: outcome.err().map(ToString::to_string),
            migration: outcome.ok(),
            passed_over: old
                .findings
                .iter()
                .map(|finding| PassedOver {
                    line: finding.place.map(|place| place.line),
                    message: &finding.message,
                })
                .collect(),
        }
    }
}

/// The whole new configuration file.
///
/// # Errors
/// An option that the file's format can't hold.
fn file(migration: &Migration) -> Result<String, String> {
    let carried_over = migration
        .carried_over
        .iter()
        .map(|setting| (setting.key.clone(), setting.value.clone()));
    let new = migration
        .options
        .iter()
        .map(|option| (option.key.to_owned(), option.value.clone()));
    let options: BTreeMap<String, String> = carried_over.chain(new).collect();
    let mut conflicts = Vec::new();
    let file = configuration_file::render(&options, migration.flink_version, &mut conflicts);
    match conflicts.first() {
        None => Ok(file.text),
        Some(conflict) => Err(conflict.message.clone()),
    }
}

/// What somebody who only takes the file has to know, for standard error.
fn warnings(old: &OldConfiguration, migration: &Migration, screen: &Screen) -> String {
    let mut warnings = old.remarks(None, screen);
    for note in of_kind(migration, NoteKind::Lost).chain(of_kind(migration, NoteKind::Limit)) {
        let first = format!("{} ", screen.paint(Tone::Warning, "warning:"));
        text::push_wrapped(&mut warnings, &first, "  ", &note.message, screen);
    }
    for conflict in &migration.conflicts {
        let first = format!("{} ", screen.paint(Tone::Error, "error:"));
        text::push_wrapped(&mut warnings, &first, "  ", &conflict.message, screen);
    }
    warnings
}

fn of_kind(migration: &Migration, kind: NoteKind) -> impl Iterator<Item = &Note> {
    migration.notes.iter().filter(move |note| note.kind == kind)
}

fn written(
    old: &OldConfiguration,
    question: &Question,
    migration: &Migration,
    screen: &Screen,
) -> String {
    let place = match question.deployment {
        Deployment::Standalone => "started by Flink's scripts",
        Deployment::Container { .. } => "in containers",
    };
    let version = migration.flink_version;
    let mut written = format!(
        "{}, {place}, to Flink {version}\n",
        screen.paint(Tone::Title, &format!("Flink 1.9 of {}", old.name()))
    );
    table(
        &mut written,
        "TaskManager",
        &migration.task_manager,
        version,
        screen,
    );
    table(
        &mut written,
        "JobManager",
        &migration.job_manager,
        version,
        screen,
    );
    written.push_str(&text::section("How Flink 1.9 came to its sizes", screen));
    for (process, comparisons) in [
        ("", &migration.task_manager),
        ("JobManager ", &migration.job_manager),
    ] {
        for comparison in comparisons {
            if let Some(source) = &comparison.old_source {
                let first = format!("  {process}{}: ", title(comparison.component));
                text::push_wrapped(&mut written, &first, "    ", source, screen);
            }
        }
    }
    let name = Format::of(version).file_name();
    written.push_str(&text::section(&format!("Options for {name}"), screen));
    options(&mut written, &migration.options, screen);
    if !migration.carried_over.is_empty() {
        let count = text::counted(
            migration.carried_over.len(),
            "other option",
            "other options",
        );
        written.push_str(&format!("  {count} carried over, see -o config\n"));
    }
    for (kind, heading) in [
        (NoteKind::Lost, "Can't be kept"),
        (NoteKind::Limit, "Limits that Flink 1.9 did not have"),
        (NoteKind::Meaning, "What changed its meaning"),
        (
            NoteKind::Ignored,
            "What did nothing, or something else than it says",
        ),
    ] {
        let mut notes = of_kind(migration, kind).peekable();
        if notes.peek().is_some() {
            written.push_str(&text::section(heading, screen));
        }
        for note in notes {
            text::push_wrapped(&mut written, "  - ", "    ", &note.message, screen);
        }
    }
    for conflict in &migration.conflicts {
        written.push('\n');
        push_conflict(&mut written, conflict, screen);
    }
    written
}

fn push_conflict(written: &mut String, conflict: &Conflict, screen: &Screen) {
    let first = format!(
        "{} {}: ",
        screen.paint(Tone::Error, "error:"),
        conflict.code.as_str()
    );
    text::push_wrapped(written, &first, "  ", &conflict.message, screen);
}

/// What a component is called in the table.
fn title(component: &str) -> String {
    match component {
        "jvmHeap" => "JVM heap".to_owned(),
        "jvmDirect" => "limit of direct memory".to_owned(),
        "cutOff" => "cut-off".to_owned(),
        "heapSizeOption" => "taskmanager.heap.size".to_owned(),
        "offHeap" => "off-heap".to_owned(),
        other => text::title(other),
    }
}

fn table(
    written: &mut String,
    process: &str,
    comparisons: &[Comparison],
    version: FlinkVersion,
    screen: &Screen,
) {
    if comparisons.is_empty() {
        return;
    }
    let cells = |bytes: Option<Bytes>| match bytes {
        Some(bytes) => (text::size(bytes), bytes.get().to_string()),
        None => ("–".to_owned(), String::new()),
    };
    let mut rows = vec![[
        process.to_owned(),
        "1.9".to_owned(),
        "BYTES".to_owned(),
        version.to_string(),
        "BYTES".to_owned(),
        "CHANGE".to_owned(),
    ]];
    for comparison in comparisons {
        let (old, old_bytes) = cells(comparison.old_bytes);
        let (new, new_bytes) = cells(comparison.new_bytes);
        rows.push([
            title(comparison.component),
            old,
            old_bytes,
            new,
            new_bytes,
            change(comparison),
        ]);
    }
    let width = |column: usize| {
        rows.iter()
            .map(|row| columns(&row[column]))
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    written.push('\n');
    for (index, row) in rows.iter().enumerate() {
        let mut line = padded(&row[0], widths[0]);
        for column in 1..5 {
            line.push_str("  ");
            line.push_str(&aligned(&row[column], widths[column]));
        }
        line.push_str("  ");
        line.push_str(&row[5]);
        let tone = if index == 0 { Some(Tone::Strong) } else { None };
        match tone {
            Some(tone) => written.push_str(&screen.paint(tone, line.trim_end())),
            None => written.push_str(line.trim_end()),
        }
        written.push('\n');
    }
}

fn change(comparison: &Comparison) -> String {
    match comparison.difference_bytes {
        Some(0) => "same".to_owned(),
        Some(difference) => {
            let sign = if difference < 0 { '−' } else { '+' };
            format!("{sign}{}", text::size(Bytes(difference.unsigned_abs())))
        }
        None if comparison.old_bytes.is_none() => "new".to_owned(),
        None => "gone".to_owned(),
    }
}

fn options(written: &mut String, options: &[NewOption], screen: &Screen) {
    let lines: Vec<String> = options
        .iter()
        .map(|option| format!("{}: {}", option.key, option.value))
        .collect();
    let width = lines
        .iter()
        .map(|line| columns(line))
        .max()
        .unwrap_or_default();
    for (line, option) in lines.iter().zip(options) {
        let first = format!("  {}  ", padded(line, width));
        let others = " ".repeat(width + 4);
        if screen.width >= width + 4 + 24 {
            text::push_wrapped(written, &first, &others, &option.reason, screen);
        } else {
            written.push_str(&format!("  {line}\n"));
            text::push_wrapped(written, "    ", "    ", &option.reason, screen);
        }
    }
}
