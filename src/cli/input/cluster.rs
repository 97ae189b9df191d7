//! From all documents of an input to the processes that they ask for: a workload needs the ConfigMap that it
//! mounts, wherever in the input that stands.

use std::{collections::HashSet, rc::Rc, sync::Arc};

use super::{
    InputProblem, Source, Unnamed, flink_deployment,
    node::{Node, Place, Shape},
    process::{Gathered, Passage, Places, ProcessDocument},
    workload,
};
use crate::{
    budget::{FlinkVersion, Request, Role},
    configuration::Format,
};

/// A Kubernetes object, before it is known what it means.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it was read.
    pub(super) source: Source,
    /// Its kind.
    pub(super) kind: String,
    /// The object.
    pub(super) node: Arc<Node>,
    /// The lines of its file.
    pub(super) lines: Rc<Vec<String>>,
}

impl Found {
    fn name(&self) -> Option<String> {
        let name = self.node.at(&["metadata", "name"])?;
        name.scalar_text().map(std::borrow::Cow::into_owned)
    }

    /// The namespace, where it names one.
    pub(super) fn namespace(&self) -> Option<String> {
        let namespace = self.node.at(&["metadata", "namespace"])?;
        namespace.text().map(str::to_owned)
    }

    /// A process of this object, without findings and in the default places.
    pub(super) fn process(
        &self,
        (_, version_from): (FlinkVersion, String),
        request: Request,
    ) -> ProcessDocument {
        ProcessDocument {
            source: self.source.clone(),
            kind: self.kind.clone(),
            name: self.name(),
            namespace: self.namespace(),
            version_from,
            request,
            conflicts: Vec::new(),
            is_solvable: true,
            document: Some(Arc::clone(&self.node)),
            places: Places::default(),
        }
    }
}

/// A configuration file that stands on its own.
#[derive(Clone, Debug)]
pub struct FoundFile {
    /// Where it was read.
    pub(super) source: Source,
    /// Its format, by its name; `None` for another name, whose format follows the version.
    pub(super) format: Option<Format>,
    /// Its text.
    pub(super) text: String,
}

impl FoundFile {
    fn directory(&self) -> &str {
        self.source
            .file
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory)
    }

    fn name(&self) -> String {
        let shown = self.source.shown_file();
        shown.rsplit('/').next().unwrap_or_default().to_owned()
    }

    fn passage(&self) -> Passage {
        Passage {
            file: self.source.file.clone(),
            text: self.text.clone(),
            lie: super::process::Lie::Whole,
        }
    }
}

/// The data of a ConfigMap.
pub(super) struct Data<'a>(&'a Found);

impl Data<'_> {
    /// The text of a file in it, and where it stands.
    pub fn file(&self, key: &str) -> Option<Passage> {
        let node = self.0.node.at(&["data", key])?;
        let text = node.scalar_text()?;
        Some(Passage::of(node, &text, &self.0.source, &self.0.lines))
    }
}

/// Makes processes of what was found.
pub(super) struct Reader<'a> {
    found: &'a [Found],
    unnamed: Unnamed,
    mounted: HashSet<(String, u64)>,
    pub processes: Vec<ProcessDocument>,
    pub problems: Vec<InputProblem>,
    pub passed_over: usize,
}

impl<'a> Reader<'a> {
    /// A reader that takes for granted what documents do not say themselves.
    pub fn new(found: &'a [Found], unnamed: Unnamed) -> Self {
        Self {
            found,
            unnamed,
            mounted: HashSet::new(),
            processes: Vec::new(),
            problems: Vec::new(),
            passed_over: 0,
        }
    }

    /// Reads all objects and files.
    pub fn read(&mut self, files: &[FoundFile]) {
        for found in self.found {
            match found.kind.as_str() {
                "FlinkDeployment" => flink_deployment::read(found, self),
                "ConfigMap" => {}
                kind => self.read_workload(found, kind),
            }
        }
        for found in self.found.iter().filter(|found| found.kind == "ConfigMap") {
            self.read_config_map(found);
        }
        let mut directories: Vec<&str> = Vec::new();
        for file in files {
            if file.format.is_none() {
                self.read_files(&[file]);
            } else if !directories.contains(&file.directory()) {
                directories.push(file.directory());
                let beside: Vec<&FoundFile> = files
                    .iter()
                    .filter(|other| other.format.is_some() && other.directory() == file.directory())
                    .collect();
                self.read_files(&beside);
            }
        }
    }

    fn read_workload(&mut self, found: &Found, kind: &str) {
        let Some(path) = workload::pod_path(kind) else {
            return;
        };
        let containers = match found.node.at(path) {
            Some(pod) => workload::processes(pod),
            None => Vec::new(),
        };
        let Some(pod) = found.node.at(path).filter(|_| !containers.is_empty()) else {
            self.passed_over += 1;
            return;
        };
        for (index, container, role) in containers {
            let path = format!("{}.containers[{index}]", path.join("."));
            workload::read(found, pod, (&path, container), role, self);
        }
    }

    /// A ConfigMap that no workload of the input mounts.
    fn read_config_map(&mut self, found: &Found) {
        if self
            .mounted
            .contains(&(found.source.file.clone(), found.source.line))
        {
            return;
        }
        let data = Data(found);
        let files: Vec<_> = [Format::ConfigYaml, Format::FlinkConfYaml]
            .into_iter()
            .filter_map(|format| {
                let passage = data.file(format.file_name())?;
                Some((Some(format), passage, format.file_name().to_owned()))
            })
            .collect();
        if files.is_empty() {
            self.passed_over += 1;
            return;
        }
        let Some(version) = self.default_version(found, "a ConfigMap names none") else {
            return;
        };
        let mut gathered = Gathered::default();
        let is_readable = gathered.add_files(&files, version.0);
        self.problems.append(&mut gathered.problems);
        for role in self.roles(&gathered, is_readable) {
            let (request, conflicts) = gathered.clone().into_request(version.0, role);
            if is_readable || !conflicts.is_empty() {
                self.processes.push(ProcessDocument {
                    conflicts,
                    is_solvable: is_readable,
                    ..found.process(version.clone(), request.with_mode(self.unnamed.mode))
                });
            }
        }
    }

    /// The processes that a configuration file is read for: those that were asked for, else a TaskManager, and a
    /// JobManager where the file sizes one.
    fn roles(&self, gathered: &Gathered, is_readable: bool) -> Vec<Role> {
        if let Some(role) = self.unnamed.role {
            return vec![role];
        }
        let has_jobmanager = is_readable && gathered.sizes(Role::JobManager);
        let jobmanager = has_jobmanager.then_some(Role::JobManager);
        std::iter::once(Role::TaskManager)
            .chain(jobmanager)
            .collect()
    }

    fn read_files(&mut self, files: &[&FoundFile]) {
        let Some(first) = files.first() else { return };
        let Some(version) = self.unnamed.version else {
            self.problems.push(InputProblem {
                file: first.source.file.clone(),
                line: None,
                column: None,
                field: None,
                message: "the Flink version is not known, because a configuration file names none; add --flink-version"
                    .to_owned(),
            });
            return;
        };
        let texts: Vec<_> = files
            .iter()
            .map(|file| (file.format, file.passage(), file.name()))
            .collect();
        let mut gathered = Gathered::default();
        let is_readable = gathered.add_files(&texts, version);
        self.problems.append(&mut gathered.problems);
        if !is_readable && gathered.conflicts.is_empty() {
            return;
        }
        let present: Vec<Format> = files.iter().filter_map(|file| file.format).collect();
        let read = Format::read_among(&present, version);
        let chosen = files
            .iter()
            .find(|file| file.format == read)
            .unwrap_or(first);
        for role in self.roles(&gathered, is_readable) {
            let (request, conflicts) = gathered.clone().into_request(version, role);
            self.processes.push(ProcessDocument {
                source: chosen.source.clone(),
                kind: chosen.name(),
                name: None,
                namespace: None,
                version_from: BY_FLAG.to_owned(),
                request: request.with_mode(self.unnamed.mode),
                conflicts,
                is_solvable: is_readable,
                document: None,
                places: Places::default(),
            });
        }
    }

    /// The data of a ConfigMap of the input.
    pub fn config_map(&mut self, name: &str, namespace: Option<&str>) -> Option<Data<'a>> {
        let found = self.found.iter().find(|found| {
            let own = found.namespace();
            found.kind == "ConfigMap"
                && found.name().as_deref() == Some(name)
                && (own.is_none() || namespace.is_none() || own.as_deref() == namespace)
        })?;
        self.mounted
            .insert((found.source.file.clone(), found.source.line));
        Some(Data(found))
    }

    /// The version that the command line names, for a document that names none.
    pub fn default_version(
        &mut self,
        found: &Found,
        reason: &str,
    ) -> Option<(FlinkVersion, String)> {
        if let Some(version) = self.unnamed.version {
            return Some((version, BY_FLAG.to_owned()));
        }
        let message = format!("the Flink version is not known: {reason}; add --flink-version");
        self.problem(found, found.node.place, &found.kind, message);
        None
    }

    /// Something about an object that keeps it from being read.
    pub fn problem(&mut self, found: &Found, place: Place, field: &str, message: String) {
        self.problems.push(InputProblem {
            file: found.source.file.clone(),
            line: Some(place.line),
            column: Some(place.column),
            field: Some(field.to_owned()),
            message,
        });
    }
}

const BY_FLAG: &str = "--flink-version";

/// Whether a YAML mapping is a configuration of Flink by the keys that it has.
pub(super) fn looks_like_configuration(node: &Node) -> bool {
    matches!(&node.shape, Shape::Map(entries)
        if entries.iter().any(|entry| entry.key.starts_with("taskmanager.") || entry.key.starts_with("jobmanager.")))
}
