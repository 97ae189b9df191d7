//! What somebody who knew the old options has to learn about the new ones.

use super::{ManagedMemory, Note, NoteKind, Question, old::OldTaskManager};
use crate::budget::{
    Budget, Configuration, FlinkVersion,
    legacy::{network, settings::Settings},
    options::{self, Id, legacy as keys},
};

/// The remarks on a TaskManager; only those that its options or sizes give cause for.
pub(super) fn of_task_manager(
    old: &Configuration,
    before: &OldTaskManager,
    question: &Question,
    budget: Option<&Budget>,
    notes: &mut Vec<Note>,
) {
    let settings = Settings(old);
    heap_size(settings, before, question, notes);
    managed(settings, before, question, notes);
    network_memory(settings, before, notes);
    if let Some(container) = &before.container {
        notes.push(meaning(
            Some(options::HEAP_CUTOFF_RATIO),
            format!(
                "there is no cut-off any more, and {} and {} do nothing for a TaskManager: what was kept back, {}, is \
                 metaspace, JVM overhead and Flink's own direct memory now, each with a size",
                options::HEAP_CUTOFF_RATIO,
                options::HEAP_CUTOFF_MIN,
                container.cut_off.bytes
            ),
        ));
    }
    if let Some(error) = &before.stops {
        notes.push(Note {
            kind: NoteKind::Ignored,
            key: None,
            message: format!(
                "with these options the TaskManager of Flink 1.9 got its container and then stopped: {}: {}; what is \
                 kept here is what the container was laid out for",
                error.class, error.message
            ),
        });
    }
    if let Some(budget) = budget {
        limits(before, budget, question.to, notes);
    }
    if settings
        .value("state.backend")
        .is_some_and(|backend| backend.to_ascii_lowercase().contains("rocksdb"))
    {
        notes.push(meaning(
            None,
            "RocksDB took its memory beside managed memory in Flink 1.9, without a limit; since 1.10 it stays within \
             managed memory unless state.backend.rocksdb.memory.managed is false: make managed memory as large as \
             RocksDB should be"
                .to_owned(),
        ));
    }
}

fn meaning(key: Option<&'static str>, message: String) -> Note {
    Note {
        kind: NoteKind::Meaning,
        key,
        message,
    }
}

fn heap_size(
    settings: Settings<'_>,
    before: &OldTaskManager,
    question: &Question,
    notes: &mut Vec<Note>,
) {
    let Some(key) = [options::HEAP_SIZE, options::HEAP_MB]
        .into_iter()
        .find(|key| settings.is_set(key))
    else {
        return;
    };
    let (was, became) = if before.container.is_some() {
        ("the size of the container", options::PROCESS_SIZE)
    } else {
        (
            "heap, network and managed memory together",
            options::FLINK_SIZE,
        )
    };
    let now = if question.to <= FlinkVersion::V1_20 {
        format!("Flink {} would read it as {became}", question.to)
    } else {
        format!("Flink {} does not read it", question.to)
    };
    notes.push(meaning(
        Some(key),
        format!(
            "{key} was not the heap but {was}, and the heap was {}; {now}, so other options take its place",
            before.heap.bytes
        ),
    ));
}

fn managed(
    settings: Settings<'_>,
    before: &OldTaskManager,
    question: &Question,
    notes: &mut Vec<Note>,
) {
    let key = keys::MEMORY_SIZE;
    if let Some(value) = settings.value(key) {
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        notes.push(meaning(
            Some(key),
            if is_number {
                format!(
                    "{key}: {value} meant {value} MiB; since 1.10 it is the older key of {} and means {value} bytes",
                    options::MANAGED_SIZE
                )
            } else {
                format!(
                    "{key} is the older key of {} now, and a number without a unit means bytes instead of MiB",
                    options::MANAGED_SIZE
                )
            },
        ));
    } else {
        notes.push(meaning(
            settings
                .is_set(keys::MEMORY_FRACTION)
                .then_some(keys::MEMORY_FRACTION),
            format!(
                "{} was a share of what network memory left of the process; {} is a share of total Flink memory, so \
                 the same number would give another size",
                keys::MEMORY_FRACTION,
                options::MANAGED_FRACTION
            ),
        ));
    }
    if settings.is_set(keys::MEMORY_PREALLOCATE) {
        notes.push(meaning(
            Some(keys::MEMORY_PREALLOCATE),
            format!(
                "{} is gone: managed memory is taken when it is needed",
                keys::MEMORY_PREALLOCATE
            ),
        ));
    }
    let key = settings
        .is_set(keys::MEMORY_OFF_HEAP)
        .then_some(keys::MEMORY_OFF_HEAP);
    let size = before.managed.bytes;
    if before.is_managed_off_heap {
        notes.push(meaning(
            key,
            format!(
                "{} is gone: managed memory is always native, and no longer counts as direct memory",
                keys::MEMORY_OFF_HEAP
            ),
        ));
        return;
    }
    notes.push(meaning(
        key,
        match question.managed {
            ManagedMemory::Keep => format!(
                "managed memory of {size} lay inside the heap and lies beside it now, so that both together take more \
                 of the {}; --managed from-heap takes it from the heap as before, --managed drop leaves it out, which \
                 suits streaming jobs that keep their state on the heap",
                if before.container.is_some() {
                    "container"
                } else {
                    "machine"
                }
            ),
            ManagedMemory::FromHeap => format!(
                "managed memory of {size} lay inside the heap and is taken from it, so the heap is smaller and the \
                 process is not larger"
            ),
            ManagedMemory::Drop => format!(
                "managed memory of {size} lay inside the heap and is left out: the heap is all for operators, and \
                 batch operators, RocksDB and Python have no managed memory"
            ),
        },
    ));
    if settings.value(keys::MEMORY_SIZE).is_none() && before.container.is_none() {
        notes.push(meaning(
            None,
            format!(
                "a TaskManager on a machine took its share of the heap that was free when it started; {size} is the \
                 most that this can have been"
            ),
        ));
    }
}

fn network_memory(settings: Settings<'_>, before: &OldTaskManager, notes: &mut Vec<Note>) {
    let by_fraction = network::is_by_fraction(settings);
    let key = [
        keys::NETWORK_MEMORY_FRACTION,
        keys::NETWORK_MEMORY_MIN,
        keys::NETWORK_MEMORY_MAX,
    ]
    .into_iter()
    .find(|key| settings.is_set(key));
    if by_fraction {
        notes.push(meaning(
            key,
            format!(
                "{} was a share of the process without cut-off; {} is a share of total Flink memory: both bounds are \
                 set to what it came to",
                keys::NETWORK_MEMORY_FRACTION,
                options::NETWORK_FRACTION
            ),
        ));
    }
    if settings.is_set(options::NUMBER_OF_BUFFERS) {
        let key = options::NUMBER_OF_BUFFERS;
        notes.push(if by_fraction {
            Note {
                kind: NoteKind::Ignored,
                key: Some(key),
                message: format!(
                    "{key} was ignored by the TaskManager, because other options of network memory are set"
                ),
            }
        } else {
            meaning(
                Some(key),
                format!(
                    "{key} becomes {} and {}, count times segment size",
                    options::NETWORK_MIN,
                    options::NETWORK_MAX
                ),
            )
        });
        if before.container.is_none() {
            notes.push(Note {
                kind: NoteKind::Ignored,
                key: Some(key),
                message: format!(
                    "the start scripts took {key} for a number of bytes, so that the heap was larger by nearly all \
                     of network memory, {}; that heap is kept",
                    before.network.bytes
                ),
            });
        }
    }
}

/// Limits that the JVM has now and did not have, or had otherwise.
fn limits(before: &OldTaskManager, budget: &Budget, to: FlinkVersion, notes: &mut Vec<Note>) {
    let direct = budget.jvm_direct();
    let lift = format!(
        "where clients or user code take more direct memory, set {}",
        options::TASK_OFF_HEAP_SIZE
    );
    match &before.container {
        Some(container) => {
            let old = container.direct_limit.bytes;
            // Off-heap managed memory was direct memory and is none now; it needs no room in the limit.
            let without_managed = if before.is_managed_off_heap {
                old.saturating_sub(before.managed.bytes)
            } else {
                old
            };
            if direct < without_managed {
                notes.push(Note {
                    kind: NoteKind::Limit,
                    key: None,
                    message: format!(
                        "the JVM's limit of direct memory was {old}, all of the container but the heap; it is {direct} \
                         now, which is network memory and {} for Flink itself; {lift}",
                        budget.framework_off_heap.bytes
                    ),
                });
            }
        }
        None => notes.push(Note {
            kind: NoteKind::Limit,
            key: None,
            message: format!("the JVM had no limit of direct memory; it has {direct} now; {lift}"),
        }),
    }
    let metaspace = budget.jvm_metaspace.bytes;
    // Where it is smaller than the default, that has been said with the reason.
    if Some(metaspace) == Id::JvmMetaspaceSize.default_size(to) {
        notes.push(Note {
            kind: NoteKind::Limit,
            key: None,
            message: format!(
                "the metaspace had no limit; it has {metaspace} now, -XX:MaxMetaspaceSize, by {}",
                options::JVM_METASPACE_SIZE
            ),
        });
    }
}
