//! Reads pools, and whatever else runs Flink, from files, directories and standard input; every problem gets a file, a line, a column and a field.
//!
//! A document is held against the schema of the resource before it becomes one, so that a misspelt field
//! is an error here and not something the API server drops silently. One unreadable file never keeps the
//! others from being read.

pub mod cluster;
mod document;
mod documents;
mod files;
mod flink_deployment;
mod image;
pub mod job;
pub mod node;
mod pool;
pub mod process;
pub mod schema;
mod workload;

use std::{collections::HashMap, fmt, io::Read, rc::Rc, sync::Arc};

use serde::Serialize;
use serde_saphyr::{MessageFormatter as _, UserMessageFormatter};

pub(super) use self::pool::{NAME_RULE, is_name};
use self::{
    cluster::{Found, FoundFile, Reader},
    document::DocumentReader,
    documents::MOST_DOCUMENTS,
    node::{Node, Place},
    process::ProcessDocument,
};
use super::parallel;
use crate::{
    api::v1alpha1::TaskManagerPool,
    budget::{FlinkVersion, Mode, Role},
    configuration::Format,
};

/// The most bytes that one file may have: far more than etcd takes for one object, and little enough to
/// read without a second thought.
pub const LARGEST_FILE_BYTES: u64 = 8 << 20;

/// The name under which standard input is given and reported.
pub const STANDARD_INPUT: &str = "-";

/// Everything that was found in the named files.
#[derive(Debug, Default)]
pub struct Input {
    /// The pools, in the order of the files.
    pub pools: Vec<PoolDocument>,
    /// Flink processes that other documents ask for, in the order of the files.
    pub processes: Vec<ProcessDocument>,
    /// What could not be read.
    pub problems: Vec<InputProblem>,
    /// Documents of other kinds.
    pub passed_over: usize,
    /// The files that were read, directories replaced by what is in them.
    files: Vec<String>,
}

/// What is looked for in the files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// Pools only; everything else is passed over.
    Pools,
    /// Everything that runs Flink.
    Processes(Unnamed),
}

/// What is taken for granted where a document does not say it itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Unnamed {
    /// The version.
    pub version: Option<FlinkVersion>,
    /// The process that a configuration file is read for; `None` for every process that it sizes.
    pub role: Option<Role>,
    /// Who starts the process.
    pub mode: Mode,
}

/// What a first look at the documents found beside pools.
#[derive(Debug, Default)]
struct Others {
    objects: Vec<Found>,
    files: Vec<FoundFile>,
}

/// A pool and where it was read.
#[derive(Debug)]
pub struct PoolDocument {
    /// Where.
    pub source: Source,
    /// The pool.
    pub pool: TaskManagerPool,
    /// The document that the pool was read from.
    pub document: Node,
}

/// Where a document was read.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The file as it was named; `-` for standard input.
    pub file: String,
    /// The line the document begins at.
    pub line: u64,
}

impl Source {
    /// The name of the file as a person is shown it.
    #[must_use]
    pub fn shown_file(&self) -> String {
        shown(&self.file)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", shown(&self.file), self.line)
    }
}

/// Something that could not be read.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InputProblem {
    /// The file as it was named; `-` for standard input.
    pub file: String,
    /// Line, from 1; absent where the whole file is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// The field, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong, and the way out.
    pub message: String,
}

impl InputProblem {
    /// Something about a whole file.
    fn of_file(file: &str, message: String) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            field: None,
            message,
        }
    }
}

/// One line, in the form that editors and terminals turn into a link: `file:line:column: field: message`.
impl fmt::Display for InputProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&shown(&self.file))?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        if let Some(column) = self.column {
            write!(formatter, ":{column}")?;
        }
        if let Some(field) = &self.field {
            write!(formatter, ": {field}")?;
        }
        write!(formatter, ": {}", self.message)
    }
}

/// The name of a file as a person is shown it, on one line whatever it contains.
pub(super) fn shown(file: &str) -> String {
    if file == STANDARD_INPUT {
        return "standard input".to_owned();
    }
    file.chars()
        .flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_debug());
            let plain = (!character.is_control()).then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

impl Input {
    /// Reads what is wanted from the named files and directories; `-` is standard input.
    ///
    /// Never fails: what could not be read is in [`Input::problems`].
    pub fn read(files: &[String], standard_input: &mut dyn Read, wanted: Wanted) -> Input {
        let mut input = Input::default();
        let mut others = Others::default();
        let files = files::expanded(files, &mut input.problems);
        let mut standard_input = Some(standard_input);
        for file in &files {
            let text = if file == STANDARD_INPUT {
                match standard_input.take() {
                    Some(reader) => files::read_text(reader),
                    None => Err("named twice, but it can be read only once".to_owned()),
                }
            } else {
                files::text_of(file)
            };
            match text {
                Ok(text) => input.add_text(file, text, &mut others),
                Err(message) => input.problems.push(InputProblem::of_file(file, message)),
            }
        }
        input.files = files;
        match wanted {
            Wanted::Pools => input.passed_over += others.objects.len() + others.files.len(),
            Wanted::Processes(unnamed) => input.add_others(&others, unnamed),
        }
        input
    }

    /// Where a source stands among all that was read: the number of its file, and its line.
    pub fn order(&self) -> impl Fn(&Source) -> (Option<usize>, u64) + use<'_> {
        let numbers: HashMap<&str, usize> = self
            .files
            .iter()
            .enumerate()
            .map(|(number, file)| (file.as_str(), number))
            .collect();
        move |source| (numbers.get(source.file.as_str()).copied(), source.line)
    }

    /// Makes processes of what is no pool.
    fn add_others(&mut self, others: &Others, unnamed: Unnamed) {
        let mut reader = Reader::new(&others.objects, unnamed);
        reader.read(&others.files);
        let Reader {
            processes,
            problems,
            passed_over,
            ..
        } = reader;
        self.processes = processes;
        self.problems.extend(problems);
        self.passed_over += passed_over;
    }

    fn add_text(&mut self, file: &str, text: String, others: &mut Others) {
        let source = || Source {
            file: file.to_owned(),
            line: 1,
        };
        let format = Format::of_file_name(file.rsplit('/').next().unwrap_or_default());
        if format == Some(Format::FlinkConfYaml) {
            others.files.push(FoundFile {
                source: source(),
                format,
                text,
            });
            return;
        }
        let lines: Vec<&str> = text.lines().collect();
        let without_mark = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut documents = documents::read(without_mark);
        let is_configuration = match documents.first() {
            Some(Ok(node)) => is_flink_configuration(format, node),
            // Flink's own reader says more about its own file.
            Some(Err(_)) => format.is_some(),
            None => false,
        };
        if is_configuration {
            others.files.push(FoundFile {
                source: source(),
                format,
                text,
            });
            return;
        }
        let has_more = documents.len() > MOST_DOCUMENTS;
        documents.truncate(MOST_DOCUMENTS);
        let reader = DocumentReader {
            file,
            lines: &lines,
        };
        let mut found = Vec::new();
        for (read, objects) in parallel::map(documents, |document| reader.read(document)) {
            self.append(read);
            found.extend(objects);
        }
        if has_more {
            let message = format!("more than {MOST_DOCUMENTS} documents; split the file");
            self.problem(file, None, None, message);
        }
        if !found.is_empty() {
            let lines: Rc<Vec<String>> =
                Rc::new(lines.iter().map(|line| (*line).to_owned()).collect());
            others
                .objects
                .extend(found.into_iter().map(|(kind, node)| Found {
                    source: Source {
                        file: file.to_owned(),
                        line: node.place.line,
                    },
                    kind,
                    node: Arc::new(node),
                    lines: Rc::clone(&lines),
                }));
        }
    }

    /// Adds what was read from a later document.
    fn append(&mut self, later: Input) {
        self.pools.extend(later.pools);
        self.problems.extend(later.problems);
        self.passed_over += later.passed_over;
    }

    fn problem(
        &mut self,
        file: &str,
        place: Option<Place>,
        field: Option<String>,
        message: String,
    ) {
        self.problems.push(InputProblem {
            file: file.to_owned(),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            field: field.filter(|field| !field.is_empty()),
            message,
        });
    }
}

/// Whether a file is a configuration of Flink: by its name, unless it holds an object of Kubernetes, and under any
/// other name by its keys.
fn is_flink_configuration(format: Option<Format>, node: &Node) -> bool {
    let is_object = node.child("apiVersion").is_some() && node.child("kind").is_some();
    match format {
        Some(_) => !is_object,
        None => !is_object && cluster::looks_like_configuration(node),
    }
}

/// The text of one file; `-` is standard input.
///
/// # Errors
/// Why it can't be read, without the name of the file.
pub(super) fn text_of(file: &str, standard_input: &mut dyn Read) -> Result<String, String> {
    if file == STANDARD_INPUT {
        files::read_text(standard_input)
    } else {
        files::text_of(file)
    }
}

/// What a YAML error says, in one line without its place.
fn sentence(error: &serde_saphyr::Error) -> String {
    let error = error.without_snippet();
    if matches!(error, serde_saphyr::Error::Budget { .. }) {
        return "too large or nested too deeply for a Kubernetes object".to_owned();
    }
    UserMessageFormatter
        .format_message(error)
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}

/// Reads YAML as `kubectl` does, within bounds that hold for any object the API server stores.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
        // Comments are no part of an object, and are long to read.
        emit_comments: false,
        // Aliases multiply what a few lines stand for; no pool needs more than these.
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
        },
        budget: serde_saphyr::budget! {
            max_documents: usize::MAX,
        },
    }
}
