//! The way out of the old model: options of Flink 1.10 and later that keep the sizes a process had.
//!
//! What a job sees is kept to the byte: the JVM's heap, managed memory, network memory, and in a container the size
//! of the process. The new options are solved again before they are given out, and every component is held against
//! what it was; where one can't be kept, the answer says by how much and why.

mod job_manager;
mod layout;
mod notes;
mod old;
mod task_manager;

use std::fmt;

use serde::Serialize;

use super::{ScriptRefusal, Unreadable, unreadable};
use crate::{
    budget::{
        Budget, Configuration, Conflict, FlinkError, FlinkVersion, Infeasible, Origin, Request,
        Role, Setting,
        options::{self, legacy as keys},
        solve,
    },
    bytes::Bytes,
};

/// What is asked beside the old configuration.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Where the processes ran.
    pub deployment: Deployment,
    /// The release to go to.
    pub to: FlinkVersion,
    /// What becomes of managed memory.
    pub managed: ManagedMemory,
}

/// Where the processes of Flink 1.9 ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// Started by Flink's scripts, on a machine or in an image.
    Standalone,
    /// Started by Flink in containers of YARN or Mesos.
    Container {
        /// The TaskManager's container; `None` where `taskmanager.heap.size` says it.
        size: Option<Bytes>,
    },
}

/// What becomes of managed memory, which since 1.10 always lies outside the heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManagedMemory {
    /// As much as before, beside a heap that is as large as before.
    #[default]
    Keep,
    /// As much as before; where it lay inside the heap, the heap shrinks by it.
    FromHeap,
    /// None: for streaming jobs that keep their state on the heap.
    Drop,
}

/// The new configuration, and how it compares.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Migration {
    /// The release that the options are for.
    pub flink_version: FlinkVersion,
    /// The options that take the place of the old ones.
    pub options: Vec<NewOption>,
    /// Options that have nothing to do with memory, as they were.
    pub carried_over: Vec<Setting>,
    /// The TaskManager before and after.
    pub task_manager: Vec<Comparison>,
    /// The JobManager before and after; empty where nothing said how large it was.
    pub job_manager: Vec<Comparison>,
    /// What changed its meaning, what can't be kept, what was ignored.
    pub notes: Vec<Note>,
    /// Why the new options do not solve; empty where they do.
    pub conflicts: Vec<Conflict>,
}

impl Migration {
    /// Whether the new options solve and every size that should be kept is kept.
    #[must_use]
    pub fn keeps_sizes(&self) -> bool {
        let is_lost = |note: &Note| note.kind == NoteKind::Lost;
        self.conflicts.is_empty() && !self.notes.iter().any(is_lost)
    }
}

/// One option of the new configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewOption {
    /// The option's key.
    pub key: &'static str,
    /// The value.
    pub value: String,
    /// What it stands for, or what it takes the place of.
    pub reason: String,
}

/// One component before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The component, named as in [`Budget`]'s JSON where there is one.
    pub component: &'static str,
    /// The size in Flink 1.9; `None` where it set none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_bytes: Option<Bytes>,
    /// Where that size came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_source: Option<String>,
    /// The size in the new release; `None` where the component is gone or the options do not solve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_bytes: Option<Bytes>,
    /// New minus old, where both are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference_bytes: Option<i64>,
}

impl Comparison {
    fn new(
        component: &'static str,
        old: Option<(Bytes, String)>,
        new_bytes: Option<Bytes>,
    ) -> Self {
        let (old_bytes, old_source) = old.unzip();
        let difference_bytes = old_bytes
            .zip(new_bytes)
            .map(|(old, new)| signed(new) - signed(old));
        Self {
            component,
            old_bytes,
            old_source,
            new_bytes,
            difference_bytes,
        }
    }
}

fn signed(size: Bytes) -> i64 {
    super::settings::signed(size)
}

/// Something to know about the way from the old options to the new ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// What kind of remark it is.
    pub kind: NoteKind,
    /// The old option, where one is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'static str>,
    /// One sentence or two.
    pub message: String,
}

/// The kinds of [`Note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NoteKind {
    /// A size that should be kept can't be.
    Lost,
    /// The JVM has a limit that it did not have, or a lower one.
    Limit,
    /// An option or a word means something else now.
    Meaning,
    /// Something in the old configuration did nothing, or something else than its author meant.
    Ignored,
}

/// Why there is nothing to migrate to.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Flink 1.9 itself refuses the options.
    Flink {
        /// What it was asked.
        asked: &'static str,
        /// What it throws.
        error: FlinkError,
    },
    /// The start scripts of Flink 1.9 refuse the options.
    Script(ScriptRefusal),
    /// The options say no size of the process, and the start scripts leave it to the JVM.
    NoSize,
    /// Nothing says how large the container was.
    NoContainerSize,
    /// A size that comes out negative, as a negative fraction makes it.
    Negative {
        /// The component.
        component: &'static str,
        /// The size.
        bytes: i64,
    },
    /// On-heap managed memory is to be taken out of a heap that is not larger.
    ManagedExceedsHeap {
        /// Managed memory.
        managed: Bytes,
        /// The heap.
        heap: Bytes,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flink { asked, error } => {
                write!(
                    formatter,
                    "Flink 1.9 itself refuses {asked}: {}",
                    error.class
                )?;
                match error.message.as_str() {
                    "" => Ok(()),
                    message => write!(formatter, ": {message}"),
                }
            }
            Self::Script(refusal) => write!(
                formatter,
                "Flink 1.9 itself does not start with these options: {}",
                refusal.to_string().replace('\n', " ")
            ),
            Self::NoSize => write!(
                formatter,
                "neither {} nor {} says how large the process is, and the start scripts then leave the heap to the \
                 JVM, which takes a quarter of the machine; there is no size to keep: say what the heap was, for \
                 example -D {}=1024m",
                options::HEAP_SIZE,
                options::HEAP_MB,
                options::HEAP_SIZE
            ),
            Self::NoContainerSize => write!(
                formatter,
                "neither {} nor {} says how large the container of a TaskManager was; say it, for example \
                 --container-size 4g",
                options::HEAP_SIZE,
                options::HEAP_MB
            ),
            Self::Negative { component, bytes } => write!(
                formatter,
                "{component} comes out at {bytes} bytes, with which no TaskManager started; correct {}",
                keys::MEMORY_FRACTION
            ),
            Self::ManagedExceedsHeap { managed, heap } => write!(
                formatter,
                "managed memory of {managed} does not fit into the heap of {heap} that it should be taken from; keep \
                 it beside the heap, or lower {}",
                keys::MEMORY_SIZE
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// The options that keep what `old` made of the memory of both processes.
///
/// # Guarantees
/// The options were solved: a [`Migration`] without conflicts starts, its comparisons show the solved sizes, and heap,
/// managed and network memory of the TaskManager are those of the old model unless `question` asked otherwise.
///
/// # Errors
/// Flink 1.9 itself does not start with the old configuration, or it says no size.
pub fn migrate(old: &Configuration, question: &Question) -> Result<Migration, Refusal> {
    let before = old::task_manager(old, question.deployment)?;
    let mut migration = Migration {
        flink_version: question.to,
        options: Vec::new(),
        carried_over: carried_over(old),
        task_manager: Vec::new(),
        job_manager: Vec::new(),
        notes: Vec::new(),
        conflicts: Vec::new(),
    };
    task_manager::migrate(old, &before, question, &mut migration)?;
    job_manager::migrate(old, question, &mut migration)?;
    for Unreadable { setting, default } in unreadable(old) {
        migration.notes.push(Note {
            kind: NoteKind::Ignored,
            key: None,
            message: format!(
                "Flink 1.9 could not read {:?} of {} as a number and took {default}; so does this migration",
                setting.value, setting.key
            ),
        });
    }
    ignored(old, &mut migration.notes);
    Ok(migration)
}

/// The request that the new options and those carried over make.
fn request(migration: &Migration, role: Role) -> Request {
    let mut configuration: Configuration = migration.carried_over.iter().cloned().collect();
    for option in &migration.options {
        configuration.push(option.key, option.value.clone(), Origin::CommandLine);
    }
    Request::new(migration.flink_version, configuration).with_role(role)
}

/// The budget of the new options; what keeps them from solving goes into the migration.
fn solved(migration: &mut Migration) -> Option<Budget> {
    match solve(&request(migration, Role::TaskManager)) {
        Ok(budget) => Some(budget),
        Err(Infeasible { conflicts, .. }) => {
            migration.conflicts.extend(conflicts);
            None
        }
    }
}

/// Whether the migration writes the option anew or leaves it out.
fn is_memory_option(key: &str) -> bool {
    let is_read_now = [Role::TaskManager, Role::JobManager]
        .into_iter()
        .any(|role| options::lookup(role, key).is_some());
    is_read_now && key != options::SEGMENT_SIZE || OLD_OPTIONS.contains(&key)
}

/// The options of the old model that the new one has no use for.
const OLD_OPTIONS: [&str; 7] = [
    keys::MEMORY_FRACTION,
    keys::MEMORY_OFF_HEAP,
    keys::MEMORY_PREALLOCATE,
    options::HEAP_CUTOFF_RATIO,
    options::HEAP_CUTOFF_MIN,
    keys::YARN_CUTOFF_RATIO,
    keys::YARN_CUTOFF_MIN,
];

/// The options of the old model that later releases read under the same key, and that are written anew.
const REPLACED_OPTIONS: [&str; 10] = [
    options::HEAP_SIZE,
    options::HEAP_MB,
    options::JOBMANAGER_HEAP_SIZE,
    options::JOBMANAGER_HEAP_MB,
    options::NUMBER_OF_BUFFERS,
    options::NUMBER_OF_TASK_SLOTS,
    keys::MEMORY_SIZE,
    keys::NETWORK_MEMORY_FRACTION,
    keys::NETWORK_MEMORY_MIN,
    keys::NETWORK_MEMORY_MAX,
];

/// The settings that count of every option that is none of memory, in the order in which they were written.
fn carried_over(old: &Configuration) -> Vec<Setting> {
    let settings = super::settings::Settings(old);
    let mut kept: Vec<Setting> = Vec::new();
    for setting in old.iter().filter(|setting| !is_memory_option(&setting.key)) {
        if !kept.iter().any(|other| other.key == setting.key) {
            kept.extend(settings.setting(&setting.key).cloned());
        }
    }
    kept
}

/// Options of later releases, which Flink 1.9 did not know.
fn ignored(old: &Configuration, notes: &mut Vec<Note>) {
    let mut named: Vec<&str> = old
        .iter()
        .map(|setting| setting.key.as_str())
        .filter(|key| {
            is_memory_option(key) && !OLD_OPTIONS.contains(key) && !REPLACED_OPTIONS.contains(key)
        })
        .collect();
    named.dedup();
    for key in named {
        notes.push(Note {
            kind: NoteKind::Ignored,
            key: None,
            message: format!(
                "Flink 1.9 did not know {key}; it is left out, because what it says was never in force"
            ),
        });
    }
}
