//! The options of a JobManager that keep what it had.
//!
//! Mirrors `jobmanager.sh` and `BootstrapTools.calculateHeapSize` of Flink 1.9: the heap is `jobmanager.heap.size`, and
//! in a container what the cut-off leaves of it.

use super::{
    super::{
        Source, error,
        settings::{CUTOFF_MIN, CUTOFF_RATIO, Settings, in_mebibytes, java_float, signed},
        start_script,
    },
    Comparison, Deployment, Migration, NewOption, Note, NoteKind, Question, Refusal,
    layout::{Layout, Parts},
    old::Size,
    request,
};
use crate::{
    budget::{
        Configuration, FlinkError, FlinkVersion, Infeasible, Mode, Role,
        cutoff::{CutoffError, of_jobmanager},
        jobmanager::{self, JobManagerBudget},
        legacy::Arithmetic,
        memory_size,
        options::{self, Id},
    },
    bytes::Bytes,
};

/// `jobmanager.memory.process.size` in the configuration file that Flink ships since 1.11.
const SHIPPED_PROCESS_SIZE: Bytes = Bytes::from_mebibytes(1600);

/// `jobmanager.heap.size` where no option of a container says it.
const DEFAULT_CONTAINER: Bytes = Bytes::GIBI;

/// A JobManager of Flink 1.9.
struct OldJobManager {
    /// `jobmanager.heap.size`: the container, or the heap itself.
    total: Size,
    heap: Size,
    /// What was kept back of a container.
    cut_off: Option<Size>,
}

pub(super) fn migrate(
    old: &Configuration,
    question: &Question,
    migration: &mut Migration,
) -> Result<(), Refusal> {
    let Some(before) = before(old, question.deployment)? else {
        no_size(question, migration);
        return Ok(());
    };
    let version = question.to;
    let is_unified = version >= FlinkVersion::V1_11;
    if is_unified {
        write(&before, version, migration);
    } else {
        write_for_1_10(old, &before, migration);
    }
    let budget = solved(question, migration);
    let new = |name: &str| {
        let components = budget.as_ref().map(JobManagerBudget::components);
        components?
            .into_iter()
            .find(|(component, _)| *component == name)
            .map(|(_, component)| component.bytes)
    };
    let container = before.cut_off.is_some();
    let total = if is_unified {
        "totalProcess"
    } else {
        "container"
    };
    migration.job_manager = [
        (
            total,
            container.then(|| before.total.described()),
            new(total),
        ),
        ("jvmHeap", Some(before.heap.described()), new("jvmHeap")),
        (
            "cutOff",
            before.cut_off.as_ref().map(Size::described),
            new("cutoff"),
        ),
        ("offHeap", None, new("offHeap")),
        ("jvmMetaspace", None, new("jvmMetaspace")),
        ("jvmOverhead", None, new("jvmOverhead")),
        ("totalFlink", None, new("totalFlink")),
    ]
    .into_iter()
    .filter(|(_, old, new)| old.is_some() || new.is_some())
    .map(|(component, old, new)| Comparison::new(component, old, new))
    .collect();
    note(&before, version, migration);
    Ok(())
}

/// What the JobManager had; `None` where the start scripts left its heap to the JVM.
fn before(old: &Configuration, deployment: Deployment) -> Result<Option<OldJobManager>, Refusal> {
    match deployment {
        Deployment::Standalone => standalone(old),
        Deployment::Container { .. } => in_container(old).map(Some),
    }
}

fn standalone(old: &Configuration) -> Result<Option<OldJobManager>, Refusal> {
    let total = start_script::job_manager_heap(old).map_err(Refusal::Script)?;
    let Some(part) = total else {
        return Ok(None);
    };
    let heap = Size::of("the JobManager's heap", &part)?;
    Ok(Some(OldJobManager {
        total: heap.clone(),
        heap,
        cut_off: None,
    }))
}

fn in_container(old: &Configuration) -> Result<OldJobManager, Refusal> {
    let refused = |error: FlinkError| Refusal::Flink {
        asked: "these options for the JobManager's container",
        error,
    };
    let settings = Settings(old);
    let (parsed, why) = if let Some(size) = settings.value(options::JOBMANAGER_HEAP_SIZE) {
        let why = format!("set by {}", options::JOBMANAGER_HEAP_SIZE);
        (memory_size::parse(size), why)
    } else if let Some(mebibytes) = settings.value(options::JOBMANAGER_HEAP_MB) {
        let why = format!("set by {}", options::JOBMANAGER_HEAP_MB);
        (in_mebibytes(mebibytes), why)
    } else {
        let why = format!("default of {}", options::JOBMANAGER_HEAP_SIZE);
        (Ok(DEFAULT_CONTAINER), why)
    };
    let total = parsed
        .map(|size| Bytes::from_mebibytes(size.whole_mebibytes()))
        .map_err(|failure| refused(error::size(&failure)))?;
    let mebibytes = i32::try_from(total.whole_mebibytes()).unwrap_or(i32::MAX);
    let ratio = settings.float(&CUTOFF_RATIO);
    let minimum = settings.integer(&CUTOFF_MIN);
    let cut_off = of_jobmanager(mebibytes, ratio, minimum).map_err(|failure| {
        refused(error::argument(match failure {
            CutoffError::RatioOutside => format!(
                "The configuration value '{}' must be between 0 and 1. Value given={}",
                options::HEAP_CUTOFF_RATIO,
                java_float(ratio)
            ),
            CutoffError::MinimumAboveTotal => format!(
                "The configuration value '{}' is higher ({minimum}) than the requested amount of memory {mebibytes}",
                options::HEAP_CUTOFF_MIN
            ),
        }))
    })?;
    let source = if cut_off.mebibytes == cut_off.derived {
        Source::Fraction {
            option: options::HEAP_CUTOFF_RATIO,
            fraction: java_float(ratio),
            of: signed(total),
            arithmetic: Arithmetic::Float,
        }
    } else {
        Source::Minimum {
            option: options::HEAP_CUTOFF_MIN,
            derived: i64::from(cut_off.derived) << 20,
        }
    };
    let kept_back = Bytes::from_mebibytes(u64::try_from(cut_off.mebibytes).unwrap_or_default());
    let heap = Source::Rest {
        of: signed(total),
        taken: signed(kept_back),
        whole_mebibytes: false,
    };
    Ok(OldJobManager {
        heap: Size {
            bytes: total.saturating_sub(kept_back),
            why: heap.to_string(),
        },
        cut_off: Some(Size {
            bytes: kept_back,
            why: source.to_string(),
        }),
        total: Size { bytes: total, why },
    })
}

/// Nothing said how large the JobManager is; from 1.11 on something has to.
fn no_size(question: &Question, migration: &mut Migration) {
    if question.to < FlinkVersion::V1_11 {
        return;
    }
    let key = options::JOBMANAGER_PROCESS_SIZE;
    let value = memory_size::text(SHIPPED_PROCESS_SIZE);
    migration.notes.push(Note {
        kind: NoteKind::Meaning,
        key: None,
        message: format!(
            "nothing said how large the JobManager is, and the start scripts left its heap to the JVM; since 1.11 one \
             of its sizes must be set: {key} is {value}, as in the file that Flink ships"
        ),
    });
    migration.options.push(NewOption {
        key,
        value,
        reason: "as in the configuration file that Flink ships".to_owned(),
    });
}

fn write(before: &OldJobManager, version: FlinkVersion, migration: &mut Migration) {
    let layout: Option<Layout> = before.cut_off.is_some().then(|| {
        let parts = Parts {
            role: Role::JobManager,
            container: before.total.bytes,
            kept: before.heap.bytes,
            names: "the heap",
            off_heap: Id::OffHeapSize.default_size(version).unwrap_or(Bytes::ZERO),
            way_out: "",
        };
        parts.lay_out(version, &mut migration.notes)
    });
    let mut put = |key: &'static str, size: Bytes, reason: &str| {
        migration.options.push(NewOption {
            key,
            value: memory_size::text(size),
            reason: reason.to_owned(),
        });
    };
    if let Some(layout) = &layout {
        put(
            options::JOBMANAGER_PROCESS_SIZE,
            layout.total,
            "the JobManager's container",
        );
    }
    put(
        options::JOBMANAGER_JVM_HEAP_SIZE,
        before.heap.bytes,
        "the JobManager's -Xmx",
    );
    if let Some(metaspace) = layout.and_then(|layout| layout.metaspace) {
        put(
            options::JOBMANAGER_JVM_METASPACE_SIZE,
            metaspace,
            "what the container leaves",
        );
    }
    if let Some(maximum) = layout.and_then(|layout| layout.overhead_maximum) {
        put(
            options::JOBMANAGER_JVM_OVERHEAD_MAX,
            maximum,
            "what is left of the cut-off, above the default of this option",
        );
    }
}

/// Flink 1.10 has the old model of a JobManager still.
fn write_for_1_10(old: &Configuration, before: &OldJobManager, migration: &mut Migration) {
    migration.options.push(NewOption {
        key: options::JOBMANAGER_HEAP_SIZE,
        value: memory_size::text(before.total.bytes),
        reason: "as before: the JobManager's memory changed only in 1.11".to_owned(),
    });
    if before.cut_off.is_none() {
        return;
    }
    let settings = Settings(old);
    for (key, option, value) in [
        (
            options::HEAP_CUTOFF_RATIO,
            &CUTOFF_RATIO,
            java_float(settings.float(&CUTOFF_RATIO)),
        ),
        (
            options::HEAP_CUTOFF_MIN,
            &CUTOFF_MIN,
            settings.integer(&CUTOFF_MIN).to_string(),
        ),
    ] {
        if settings.is_set(option.key)
            || option.older_key.is_some_and(|older| settings.is_set(older))
        {
            migration.options.push(NewOption {
                key,
                value,
                reason: "as before; of the JobManager alone".to_owned(),
            });
        }
    }
}

/// The budget of the new options; what keeps them from solving goes into the migration.
fn solved(question: &Question, migration: &mut Migration) -> Option<JobManagerBudget> {
    let mode = match question.deployment {
        Deployment::Standalone => Mode::Standalone,
        // What the client of Flink's own deployment makes of the options: a process size, or a container.
        Deployment::Container { .. } => Mode::Kubernetes,
    };
    let request = request(migration, Role::JobManager).with_mode(mode);
    match jobmanager::solve(&request) {
        Ok(budget) => Some(budget),
        Err(Infeasible { conflicts, .. }) => {
            migration.conflicts.extend(conflicts);
            None
        }
    }
}

fn note(before: &OldJobManager, version: FlinkVersion, migration: &mut Migration) {
    if version < FlinkVersion::V1_11 {
        return;
    }
    let key = options::JOBMANAGER_HEAP_SIZE;
    let message = if before.cut_off.is_some() {
        format!(
            "{key} was the JobManager's container, of which the cut-off was kept back; {} is the container now, and \
             {} the heap",
            options::JOBMANAGER_PROCESS_SIZE,
            options::JOBMANAGER_JVM_HEAP_SIZE
        )
    } else {
        format!(
            "{key} was the JobManager's heap and is {} now; the process has metaspace, overhead and off-heap memory \
             beside it, each with a size",
            options::JOBMANAGER_JVM_HEAP_SIZE
        )
    };
    migration.notes.push(Note {
        kind: NoteKind::Meaning,
        key: Some(key),
        message,
    });
}
