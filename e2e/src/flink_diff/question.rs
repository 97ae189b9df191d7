//! One question that both sides are asked, in the form of the recorded answers in `tests/data/flink`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A TaskManager that Flink's scripts start.
    TaskManager,
}

impl Kind {
    /// Every kind, in the order in which reports name them.
    pub const ALL: [Kind; 1] = [Kind::TaskManager];

    /// The kind in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TaskManager => "TaskManager",
        }
    }

    const fn role(self) -> &'static str {
        match self {
            Self::TaskManager => "taskmanager",
        }
    }

    const fn mode(self) -> &'static str {
        match self {
            Self::TaskManager => "standalone",
        }
    }
}

/// A question, without the version that it is about: the same is asked of every version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What it is about.
    pub kind: Kind,
    /// The options by key, as texts.
    pub options: BTreeMap<String, String>,
    /// The environment variables of the process.
    pub environment: BTreeMap<String, String>,
}

impl Question {
    /// A question without any option.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            options: BTreeMap::new(),
            environment: BTreeMap::new(),
        }
    }

    /// Sets an option.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.options.insert(key.to_owned(), value.into());
    }

    /// Whether an option is set.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.options.contains_key(key)
    }

    /// The JSON object that Flink is sent, in one line.
    #[must_use]
    pub fn json(&self) -> String {
        let mut object = Map::new();
        object.insert("role".to_owned(), json!(self.kind.role()));
        object.insert("mode".to_owned(), json!(self.kind.mode()));
        object.insert("config".to_owned(), json!(self.options));
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

    /// The command that asks Headroom the same.
    #[must_use]
    pub fn command(&self, release: &str) -> String {
        let mut command = String::new();
        for (name, value) in &self.environment {
            command.push_str(&format!("{name}={} ", quoted(value)));
        }
        command.push_str(&format!("headroom solve --flink-version {release}"));
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
            "FLINK_TM_HEAP=1g headroom solve --flink-version 1.20.5 \
             -D $'taskmanager.memory.flink.size=it\\'s\\u00a0' -D 'taskmanager.memory.process.size=1 g'"
        );
    }
}
