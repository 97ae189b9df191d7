//! One Flink process that some document asks for, however the document writes it.

use std::sync::Arc;

use super::{
    InputProblem, Source,
    node::{Node, Place},
};
use crate::{
    budget::{
        Code, Configuration, Conflict, FlinkVersion, Origin, Request, Role, Setting, proper_key,
    },
    configuration::{Effect, Finding, Format, Reading},
    desired::At,
};

/// A process and what the solver is asked about it.
#[derive(Debug)]
pub struct ProcessDocument {
    /// Where the document was read.
    pub source: Source,
    /// What kind of document it is: `FlinkDeployment`, `Deployment`, `ConfigMap`, `flink-conf.yaml`.
    pub kind: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its namespace, where it names one.
    pub namespace: Option<String>,
    /// What says which version it is: `spec.flinkVersion`, `image flink:2.1`, `--flink-version`.
    pub version_from: String,
    /// What is asked.
    pub request: Request,
    /// What was found while the document was read.
    pub conflicts: Vec<Conflict>,
    /// Whether enough could be read to ask the solver.
    pub is_solvable: bool,
    /// The document, where it is a Kubernetes object.
    pub document: Option<Arc<Node>>,
    /// How its places are called.
    pub places: Places,
}

/// What a document calls the places that the solver names by those of a pool.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The field of the container's memory limit.
    pub limit: Option<String>,
    /// The field of the container's memory request.
    pub memory_request: Option<String>,
    /// The environment variable of the container that holds the heap size of Flink 1.9.
    pub environment: Option<String>,
    /// The field that the process size is best written in, by the option's key, where nothing sizes the process.
    pub process_size: Option<(&'static str, String)>,
    /// Where an option is added that is not written yet.
    pub additions: Additions,
}

/// Where a document takes an option that it does not have yet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Additions {
    /// In its configuration file, which the solver itself names.
    #[default]
    File,
    /// In `spec.flinkConfiguration`.
    FlinkConfiguration,
    /// In an argument `-D`.
    Argument,
}

impl Places {
    /// The place of an option in this document, where it is another than the solver says.
    pub fn renamed(&self, key: &str, origin: Option<&Origin>) -> Option<String> {
        match origin {
            Some(Origin::ContainerLimit) => self.limit.clone(),
            Some(Origin::MemoryRequest) => self.memory_request.clone(),
            Some(Origin::Environment) => self.environment.clone(),
            Some(Origin::FlinkConfiguration)
                if self
                    .process_size
                    .as_ref()
                    .is_some_and(|(own, _)| *own == key) =>
            {
                self.process_size.as_ref().map(|(_, field)| field.clone())
            }
            // A field that a pool has, and this document has not.
            Some(Origin::Field(field)) if !field.starts_with("spec.memory.") => None,
            Some(Origin::Field(_)) | Some(Origin::FlinkConfiguration) => match self.additions {
                Additions::FlinkConfiguration => Some(Origin::FlinkConfiguration.path(key)),
                Additions::Argument => Some(Origin::CommandLine.path(key)),
                Additions::File => Some(key.to_owned()),
            },
            _ => None,
        }
    }
}

/// Text inside a file, and where its lines lie.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    /// The file.
    pub file: String,
    /// The text.
    pub text: String,
    /// Where it lies.
    pub lie: Lie,
}

/// How the lines of a passage lie in their file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lie {
    /// The passage is the whole file.
    Whole,
    /// Each line is a line of the file, indented: the line before the first, and the characters before each.
    Block {
        /// The line of the file before the first line of the passage.
        before: u64,
        /// The indentation.
        indentation: u64,
    },
    /// All of it stands in one place.
    Inline(Place),
}

impl Passage {
    /// The text of a scalar, with the lines of its file.
    pub fn of(node: &Node, text: &str, source: &Source, lines: &[String]) -> Passage {
        // A block scalar is placed at its first line with text; its indicator ends a line above.
        let above = lines.get(..(node.place.line as usize).saturating_sub(1));
        let indicator =
            above.and_then(|above| above.iter().rposition(|line| !line.trim().is_empty()));
        let lie = match indicator {
            Some(index) if ends_with_block_indicator(&lines[index]) => Lie::Block {
                before: index as u64 + 1,
                indentation: node.place.column - 1,
            },
            _ => Lie::Inline(node.place),
        };
        Passage {
            file: source.file.clone(),
            text: text.to_owned(),
            lie,
        }
    }

    /// Where a place of the passage lies in the file.
    pub fn place(&self, inside: Place) -> Place {
        match self.lie {
            Lie::Whole => inside,
            Lie::Block {
                before,
                indentation,
            } => Place {
                line: before + inside.line,
                column: indentation + inside.column,
            },
            Lie::Inline(place) => place,
        }
    }

    /// The origin of an option that stands there.
    pub fn origin(&self, inside: Place) -> Origin {
        let place = self.place(inside);
        Origin::File {
            file: self.file.clone(),
            line: Some(place.line),
            column: Some(place.column),
        }
    }
}

/// Whether a line ends with the indicator of a block whose lines are kept: `|`, `|-`, `|2+`.
fn ends_with_block_indicator(line: &str) -> bool {
    let code = match line.find(" #") {
        Some(comment) => &line[..comment],
        None => line,
    };
    let last = code.split_ascii_whitespace().last().unwrap_or_default();
    last.strip_prefix('|').is_some_and(|rest| {
        rest.chars()
            .all(|character| "+-123456789".contains(character))
    })
}

/// Options as they are put together, the later source over the earlier.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    settings: Vec<Setting>,
    /// What was found on the way.
    pub conflicts: Vec<Conflict>,
    /// What could not be read.
    pub problems: Vec<InputProblem>,
}

impl Gathered {
    /// Sets an option, whoever set it before.
    pub fn put(&mut self, key: &str, value: &str, origin: Origin) {
        self.settings.retain(|setting| setting.key != key);
        self.settings.push(Setting {
            key: key.to_owned(),
            value: value.to_owned(),
            origin,
        });
    }

    /// An option with its origin.
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// Adds what a reader made of a passage. Returns whether it could be read at all.
    pub fn add(&mut self, reading: Reading, passage: &Passage, what: &str) -> bool {
        for finding in &reading.findings {
            match self.conflict(finding, passage, what) {
                Ok(conflict) => self.conflicts.push(conflict),
                Err(problem) => {
                    self.problems.push(problem);
                    return false;
                }
            }
        }
        for entry in reading.entries {
            let origin = passage.origin(entry.place);
            self.put(&entry.key, &entry.value, origin);
        }
        true
    }

    fn conflict(
        &self,
        finding: &Finding,
        passage: &Passage,
        what: &str,
    ) -> Result<Conflict, InputProblem> {
        let sentence = finding.sentence(|inside| passage.place(inside));
        let inside = finding.place.unwrap_or(Place { line: 1, column: 1 });
        let place = passage.place(inside);
        let key = finding.key.as_deref().unwrap_or(what);
        let value = finding.value.clone().unwrap_or_default();
        let at = At::origin(key, value, passage.origin(inside));
        match finding.effect {
            Effect::Unreadable => Err(InputProblem {
                file: passage.file.clone(),
                line: Some(place.line),
                column: Some(place.column),
                field: None,
                message: format!("{what}: {}", sentence),
            }),
            Effect::Refused => {
                let mut conflict = at.error(
                    Code::ConfigurationInvalid,
                    "a file that Flink reads",
                    sentence,
                );
                conflict.flink_error.clone_from(&finding.flink);
                Ok(conflict)
            }
            Effect::PassedOver => {
                Ok(at.warning(Code::ConfigurationIgnored, "key: value", sentence.clone()))
            }
        }
    }

    /// Adds the configuration files of one directory, of which the version reads one. Returns whether the process
    /// can be solved.
    pub fn add_files(
        &mut self,
        files: &[(Option<Format>, Passage, String)],
        version: FlinkVersion,
    ) -> bool {
        let present: Vec<Format> = files.iter().filter_map(|(format, ..)| *format).collect();
        let read = Format::read_among(&present, version);
        let mut is_readable = true;
        for (format, passage, name) in files {
            let format = match format {
                Some(format) if read == Some(*format) => *format,
                None => Format::of(version),
                Some(format) => {
                    self.conflicts
                        .push(not_read(*format, read, passage, name, version));
                    is_readable &= read.is_some();
                    continue;
                }
            };
            is_readable &= self.add(format.read(&passage.text), passage, name);
        }
        is_readable
    }

    /// Whether some option sizes the memory of a process.
    pub fn sizes(&self, role: Role) -> bool {
        let prefix = match role {
            Role::TaskManager => "taskmanager.",
            Role::JobManager => "jobmanager.",
        };
        self.settings.iter().any(|setting| {
            setting.key.starts_with(prefix) && proper_key(role, &setting.key).is_some()
        })
    }

    /// The request of what was gathered, for a process that Flink's scripts start.
    pub fn into_request(self, version: FlinkVersion, role: Role) -> (Request, Vec<Conflict>) {
        let configuration: Configuration = self.settings.into_iter().collect();
        let request = Request::new(version, configuration).with_role(role);
        (request, self.conflicts)
    }
}

/// A configuration file that this version passes by.
fn not_read(
    format: Format,
    read: Option<Format>,
    passage: &Passage,
    name: &str,
    version: FlinkVersion,
) -> Conflict {
    let origin = passage.origin(Place { line: 1, column: 1 });
    let at = At::origin(name, "", origin);
    match read {
        Some(other) => at.warning(
            Code::ConfigurationIgnored,
            other.file_name(),
            format!(
                "Flink {version} does not read {name}, because {} stands beside it; move the options there, or remove \
                 that file",
                other.file_name()
            ),
        ),
        None => {
            let own = Format::of(version).file_name();
            let how = match format {
                Format::FlinkConfYaml => "rename it, and mind that the new file is YAML: true, 1.0 and # have a meaning",
                Format::ConfigYaml => "write its options there, one key: value a line without quotes",
            };
            at.error(
                Code::ConfigurationInvalid,
                own,
                format!("Flink {version} does not read {name} but {own}, and does not start without it; {how}"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the word `here` is found in the value of `text` in a document.
    fn found(document: &str) -> Place {
        let node: Node = serde_saphyr::from_str(document).unwrap();
        let lines: Vec<String> = document.lines().map(str::to_owned).collect();
        let source = Source {
            file: "a.yaml".to_owned(),
            line: 1,
        };
        let value = node.child("text").unwrap();
        let text = value.text().unwrap();
        let passage = Passage::of(value, text, &source, &lines);
        let (index, line) = text
            .lines()
            .enumerate()
            .find(|(_, line)| line.contains("here"))
            .unwrap();
        passage.place(Place {
            line: index as u64 + 1,
            column: line.find("here").unwrap() as u64 + 1,
        })
    }

    #[test]
    fn lines_of_a_block_are_lines_of_the_file() {
        for (document, line, column) in [
            ("text: |\n  a\n  b here\n", 3, 5),
            ("other: 1\ntext: |- # note\n    here\n", 3, 5),
            ("text: |\n\n  a\n   here\n", 4, 4),
            ("text: |2\n    here\n", 2, 5),
            ("text: \"a\\nhere\"\n", 1, 7),
            ("text: here\n", 1, 7),
        ] {
            assert_eq!(found(document), Place { line, column }, "{document:?}");
        }
    }
}
