//! From the command line to answers: what is asked, solved by the same code as in the controller.

mod options;
mod pool;
mod process;

use std::{collections::HashSet, io::Read, sync::Arc};

pub(super) use self::pool::answer_pool;
use self::{options::answer_options, process::answer_process};
use super::{
    answer::Answer,
    arguments::{Policy, Question, Which},
    input::{Input, InputProblem, PoolDocument, Unnamed, Wanted},
    parallel,
};
use crate::budget::{FlinkVersion, Role, Severity};

/// Everything that one invocation was asked.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// One for each process of the files, or one for the options.
    pub answers: Vec<Answer>,
    /// What could not be read.
    pub problems: Vec<InputProblem>,
    /// Documents of other kinds.
    pub passed_over: usize,
    /// What is odd about the command line itself.
    pub warnings: Vec<String>,
    /// The role that was asked for, where only processes of one are answered for.
    pub role: Option<Role>,
}

impl Answers {
    /// Answers a question.
    pub fn to(question: &Question, standard_input: &mut dyn Read) -> Answers {
        match question.flink_version {
            Some(version) if question.files.is_empty() => Answers {
                answers: vec![answer_options(question, version)],
                warnings: options::warnings(question, version),
                ..Answers::default()
            },
            version => Answers::to_files(
                &question.files,
                &question.policy,
                version,
                &question.which,
                standard_input,
            ),
        }
    }

    /// Answers for everything in files that runs Flink, of `version` where a document names none.
    pub fn to_files(
        files: &[String],
        policy: &Policy,
        version: Option<FlinkVersion>,
        which: &Which,
        standard_input: &mut dyn Read,
    ) -> Answers {
        let unnamed = Unnamed {
            version,
            role: which.role.map(Role::from),
            mode: which.mode(),
        };
        let mut input = Input::read(files, standard_input, Wanted::Processes(unnamed));
        let settings = policy.settings();
        let answer = |document: PoolDocument| {
            let answer = answer_pool(&document, &settings);
            Answer {
                document: Some(Arc::new(document.document)),
                ..answer
            }
        };
        let mut answers = parallel::map(std::mem::take(&mut input.pools), answer);
        let processes = std::mem::take(&mut input.processes);
        answers.extend(parallel::map(processes, answer_process));
        {
            let order = input.order();
            answers.sort_by_key(|answer| answer.subject.source.as_ref().map(&order));
        }
        let mut answers = Answers {
            answers,
            problems: std::mem::take(&mut input.problems),
            passed_over: input.passed_over,
            ..Answers::default()
        };
        if let Some(role) = unnamed.role {
            answers.keep(role);
        }
        answers.say_warnings_once();
        answers
    }

    /// Leaves out warnings about places of which the same was said before: several processes may read one text. What
    /// keeps a process from starting is said of each.
    fn say_warnings_once(&mut self) {
        let mut said = HashSet::new();
        for answer in &mut self.answers {
            let conflicts = std::mem::take(&mut answer.conflicts);
            let places = std::mem::take(&mut answer.places);
            for (conflict, place) in conflicts.into_iter().zip(places) {
                let is_said = place.as_ref().is_some_and(|located| {
                    let sentence = (located.clone(), conflict.message.clone());
                    conflict.severity == Severity::Warning && !said.insert(sentence)
                });
                if !is_said {
                    answer.conflicts.push(conflict);
                    answer.places.push(place);
                }
            }
        }
    }

    /// Keeps only the answers about processes of one role.
    pub fn keep(&mut self, role: Role) {
        self.role = Some(role);
        self.answers.retain(|answer| answer.subject.role == role);
    }

    /// Whether any answer has an error.
    pub fn has_errors(&self) -> bool {
        self.answers
            .iter()
            .any(|answer| answer.errors().next().is_some())
    }

    /// Whether any answer has a warning.
    pub fn has_warnings(&self) -> bool {
        self.answers
            .iter()
            .any(|answer| answer.warnings().next().is_some())
    }
}

/// What is said where nothing of a role was found to answer for.
pub(super) fn nothing_found(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::JobManager) => "no JobManager found",
        _ => "no TaskManagerPool found",
    }
}
