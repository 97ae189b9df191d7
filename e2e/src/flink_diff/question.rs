//! One question that both sides are asked, in the form of the recorded answers in `tests/data/flink`.

use std::collections::BTreeMap;

use headroom::budget::{FlinkVersion, Role, heap_environment};
use serde_json::{Map, Value, json};

use super::versions::Release;

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A TaskManager that Flink's scripts start.
    TaskManager,
    /// A TaskManager of Flink's own Kubernetes deployment, with its pod.
    KubernetesTaskManager,
    /// A JobManager that Flink's scripts start; of Flink 1.10, in a container.
    JobManager,
    /// A JobManager of Flink's own Kubernetes deployment, with its container.
    KubernetesJobManager,
    /// A TaskManager of Flink 1.9 in a container of YARN or Mesos.
    LegacyContainer,
    /// A TaskManager of Flink 1.9 without a container.
    LegacyProcess,
    /// What a started TaskManager of Flink 1.9 makes of its heap.
    LegacyStarted,
    /// The text of a size.
    Text,
    /// A size times a fraction, and the inverse.
    Product,
    /// A use case's share of a slot's managed memory.
    ManagedShare,
    /// An operator's share of its use case.
    OperatorShare,
    /// How RocksDB divides its memory.
    RocksDb,
    /// The buffers of a result partition.
    ResultPartition,
    /// The buffers of an input gate.
    InputGate,
    /// The buffers in network memory.
    Buffers,
}

impl Kind {
    /// Every kind, in the order in which reports name them.
    pub const ALL: [Kind; 15] = [
        Kind::TaskManager,
        Kind::KubernetesTaskManager,
        Kind::JobManager,
        Kind::KubernetesJobManager,
        Kind::LegacyContainer,
        Kind::LegacyProcess,
        Kind::LegacyStarted,
        Kind::Text,
        Kind::Product,
        Kind::ManagedShare,
        Kind::OperatorShare,
        Kind::RocksDb,
        Kind::ResultPartition,
        Kind::InputGate,
        Kind::Buffers,
    ];

    /// The kind in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TaskManager => "TaskManager",
            Self::KubernetesTaskManager => "TaskManager on Kubernetes",
            Self::JobManager => "JobManager",
            Self::KubernetesJobManager => "JobManager on Kubernetes",
            Self::LegacyContainer => "container of 1.9",
            Self::LegacyProcess => "process of 1.9",
            Self::LegacyStarted => "started TaskManager of 1.9",
            Self::Text => "text of a size",
            Self::Product => "product with a fraction",
            Self::ManagedShare => "share of managed memory",
            Self::OperatorShare => "operator's share",
            Self::RocksDb => "RocksDB",
            Self::ResultPartition => "result partition",
            Self::InputGate => "input gate",
            Self::Buffers => "network buffers",
        }
    }

    /// The process whose memory is derived, where the question is about one of the unified model; with the JobManager
    /// of Flink 1.10, which still has the older one.
    #[must_use]
    pub const fn role(self) -> Option<Role> {
        match self {
            Self::TaskManager | Self::KubernetesTaskManager => Some(Role::TaskManager),
            Self::JobManager | Self::KubernetesJobManager => Some(Role::JobManager),
            _ => None,
        }
    }

    /// Whether Flink's own Kubernetes deployment starts the process.
    #[must_use]
    pub const fn is_on_kubernetes(self) -> bool {
        matches!(
            self,
            Self::KubernetesTaskManager | Self::KubernetesJobManager
        )
    }

    /// Whether a release is asked questions of this kind. The others lack the class that would answer.
    #[must_use]
    pub fn is_asked_of(self, release: Release) -> bool {
        match self {
            Self::TaskManager | Self::KubernetesTaskManager | Self::JobManager => {
                release.version.is_some()
            }
            Self::KubernetesJobManager => release.is_from(FlinkVersion::V1_11),
            Self::LegacyContainer | Self::LegacyProcess | Self::LegacyStarted => {
                release.version.is_none()
            }
            Self::Text | Self::Product => release.is_from(FlinkVersion::V1_11),
            Self::ManagedShare | Self::OperatorShare | Self::RocksDb => {
                release.is_from(FlinkVersion::V1_13)
            }
            Self::ResultPartition | Self::Buffers => release.is_from(FlinkVersion::V1_14),
            Self::InputGate => release.is_from(FlinkVersion::V1_17),
        }
    }

    /// The fields that say what is asked.
    fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::TaskManager => &[("role", "taskmanager"), ("mode", "standalone")],
            Self::KubernetesTaskManager => &[("role", "taskmanager"), ("mode", "kubernetes")],
            Self::JobManager => &[("role", "jobmanager"), ("mode", "standalone")],
            Self::KubernetesJobManager => &[("role", "jobmanager"), ("mode", "kubernetes")],
            Self::LegacyContainer => &[("role", "taskmanager"), ("mode", "container")],
            Self::LegacyProcess => &[("role", "taskmanager"), ("mode", "java")],
            Self::LegacyStarted => &[("role", "taskmanager"), ("mode", "runtime")],
            Self::Text => &[("op", "parse")],
            Self::Product => &[("op", "multiply")],
            Self::ManagedShare => &[("op", "managed")],
            Self::OperatorShare => &[("op", "operatorShare")],
            Self::RocksDb => &[("op", "rocksdb")],
            Self::ResultPartition => &[("op", "resultPartition")],
            Self::InputGate => &[("op", "inputGate")],
            Self::Buffers => &[("op", "buffers")],
        }
    }

    /// Whether the question is about options.
    fn has_options(self) -> bool {
        self.fields().iter().any(|(name, _)| *name == "mode")
    }
}

/// A question, without the release that it is put to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What it is about.
    pub kind: Kind,
    /// The options by key, as texts.
    pub options: BTreeMap<String, String>,
    /// The environment variables of the process.
    pub environment: BTreeMap<String, String>,
    /// Whatever else the question names, in the form of the recorded answers.
    pub figures: Map<String, Value>,
}

impl Question {
    /// A question without any option.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            options: BTreeMap::new(),
            environment: BTreeMap::new(),
            figures: Map::new(),
        }
    }

    /// Sets an option.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.options.insert(key.to_owned(), value.into());
    }

    /// Adds something else that the question names.
    pub fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// Whether an option is set.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.options.contains_key(key)
    }

    /// The JSON object that Flink is sent, in one line.
    #[must_use]
    pub fn json(&self) -> String {
        let mut object = self.figures.clone();
        for (name, value) in self.kind.fields() {
            object.insert((*name).to_owned(), json!(value));
        }
        if self.kind.has_options() {
            object.insert("config".to_owned(), json!(self.options));
        }
        if !self.environment.is_empty() {
            object.insert("env".to_owned(), json!(self.environment));
        }
        Value::Object(object).to_string()
    }

    /// The question with Flink's answer, as a line of the recorded answers.
    #[must_use]
    pub fn recorded(&self, release: &str, answer: &str) -> String {
        let question = self.json();
        format!(
            "{{\"flinkVersion\":\"{release}\",{},{}",
            &question[1..question.len() - 1],
            answer.trim_start().strip_prefix('{').unwrap_or(answer)
        )
    }

    /// The command that asks Headroom the same; the question itself where there is no such command.
    #[must_use]
    pub fn command(&self, release: &str) -> String {
        let Some(role) = self.kind.role() else {
            return format!("{} of Flink {release}: {}", self.kind.name(), self.json());
        };
        let mut command = format!("headroom solve --flink-version {release}");
        // The JobManager of 1.10 is asked for the cut-off of its container.
        let is_cut_off = role == Role::JobManager && release.starts_with("1.10.");
        if role == Role::JobManager {
            command.push_str(" --role jobmanager");
        }
        if self.kind.is_on_kubernetes() || is_cut_off {
            command.push_str(" --mode kubernetes");
        }
        if let Some(value) = self.environment.get(heap_environment(role)) {
            command.push_str(&format!(" --heap-environment={}", quoted(value)));
        }
        for (key, value) in &self.options {
            command.push_str(&format!(" -D {}", quoted(&format!("{key}={value}"))));
        }
        command
    }
}

/// A word as a shell reads it back: plain where it can be, else in quotes that show every character.
fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_=.,:/+%@".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if word
        .chars()
        .all(|character| (' '..='~').contains(&character))
    {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let escaped: String = word
        .chars()
        .map(|character| match character {
            '\'' | '\\' => format!("\\{character}"),
            ' '..='~' => character.to_string(),
            '\t' => "\\t".to_owned(),
            other if u32::from(other) <= 0xffff => format!("\\u{:04x}", u32::from(other)),
            other => format!("\\U{:08x}", u32::from(other)),
        })
        .collect();
    format!("$'{escaped}'")
}

#[cfg(test)]
mod tests {
    use super::{Kind, Question};

    #[test]
    fn a_question_becomes_a_recorded_line_and_a_command() {
        let mut question = Question::new(Kind::TaskManager);
        question.set("taskmanager.memory.process.size", "1 g");
        question.set("taskmanager.memory.flink.size", "it's\u{a0}");
        question
            .environment
            .insert("FLINK_TM_HEAP".to_owned(), "1g".to_owned());
        let line = question.recorded("1.20.5", "{\"logs\":[]}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["flinkVersion"], "1.20.5");
        assert_eq!(read["role"], "taskmanager");
        assert_eq!(read["config"]["taskmanager.memory.process.size"], "1 g");
        assert_eq!(read["env"]["FLINK_TM_HEAP"], "1g");
        assert_eq!(read["logs"], serde_json::json!([]));
        assert_eq!(
            question.command("1.20.5"),
            "headroom solve --flink-version 1.20.5 --heap-environment=1g \
             -D $'taskmanager.memory.flink.size=it\\'s\\u00a0' -D 'taskmanager.memory.process.size=1 g'"
        );
    }

    #[test]
    fn the_command_names_the_process_and_who_starts_it() {
        let mut question = Question::new(Kind::KubernetesJobManager);
        question.set("jobmanager.memory.process.size", "1g");
        let of_taskmanager = ("FLINK_TM_HEAP".to_owned(), "1g".to_owned());
        question.environment.extend([of_taskmanager]);
        assert_eq!(
            question.command("1.20.5"),
            "headroom solve --flink-version 1.20.5 --role jobmanager --mode kubernetes \
             -D jobmanager.memory.process.size=1g"
        );
        assert_eq!(
            Question::new(Kind::JobManager).command("1.10.3"),
            "headroom solve --flink-version 1.10.3 --role jobmanager --mode kubernetes"
        );
        let asked = Question::new(Kind::Text).command("2.3.0");
        assert_eq!(asked, "text of a size of Flink 2.3.0: {\"op\":\"parse\"}");
    }
}
