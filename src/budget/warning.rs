//! What is worth a look although the budget stands: misspelt keys, old spellings, options without effect, memory
//! that nothing uses.

mod sizes;

use super::{
    Budget,
    effective::Options,
    infeasible::{Change, Code, Conflict, OptionReference, Severity, Suggestion},
    options::{self, Id},
    request::{Origin, Setting},
    statement::{limit_reference, reference},
};
use crate::{bytes::Bytes, quantity};

/// Container memory below this much is not worth a warning when nothing uses it.
const UNUSED_AT_LEAST: Bytes = Bytes::from_mebibytes(256);

/// A misspelt key is compared with every option, so only this many are; a configuration of a megabyte may have tens
/// of thousands.
const UNKNOWN_AT_MOST: usize = 16;

/// Everything to say about a budget that stands.
pub(super) fn of_budget(options: &Options<'_>, budget: &Budget) -> Vec<Conflict> {
    let mut warnings = of_options(options);
    warnings.extend(sizes::of_budget(options, budget));
    warnings.extend(unused_memory(options, budget.total_process.bytes));
    warnings
}

/// Everything to say about a budget of a JobManager that stands.
pub(super) fn of_jobmanager(options: &Options<'_>, total_process: Bytes) -> Vec<Conflict> {
    let mut warnings = of_options(options);
    warnings.extend(unused_memory(options, total_process));
    warnings
}

/// What the options alone tell.
pub(super) fn of_options(options: &Options<'_>) -> Vec<Conflict> {
    let mut warnings = Vec::new();
    if options.remarkable {
        let mut unknown = 0;
        for setting in options.request.configuration.iter() {
            let Some(warning) = about(options, setting, unknown < UNKNOWN_AT_MOST) else {
                continue;
            };
            unknown += usize::from(warning.code == Code::UnknownOption);
            if warning.code != Code::UnknownOption || unknown <= UNKNOWN_AT_MOST {
                warnings.push(warning);
            }
        }
        if unknown > UNKNOWN_AT_MOST
            && let Some(last) = warnings
                .iter_mut()
                .rfind(|warning| warning.code == Code::UnknownOption)
        {
            let more = unknown - UNKNOWN_AT_MOST;
            last.message = format!(
                "{} ({more} more keys are no options of Flink either)",
                last.message
            );
        }
    }
    if options.is_set(Id::ManagedSize)
        && let Some(fraction) = options.setting(Id::ManagedFraction)
    {
        warnings.push(ineffective(
            fraction,
            &format!("{} is set and wins", options::MANAGED_SIZE),
            true,
        ));
    }
    warnings
}

fn about(options: &Options<'_>, setting: &Setting, with_nearest: bool) -> Option<Conflict> {
    match options.lookup(&setting.key) {
        Some((id, true)) => Some(deprecated(options, id, setting)),
        Some((id, false)) if id.is_legacy() => legacy(options, id, setting),
        Some(_) => None,
        None if options::is_other_memory_option(&setting.key) => None,
        None => match options::removed(&setting.key) {
            Some(reason) => Some(ineffective(setting, reason, false)),
            None if options::looks_like_memory_option(options.role(), &setting.key) => {
                Some(unknown(options, setting, with_nearest))
            }
            None => None,
        },
    }
}

/// A deprecated spelling that Flink still reads.
fn deprecated(options: &Options<'_>, id: Id, setting: &Setting) -> Conflict {
    let counts = options
        .setting(id)
        .is_some_and(|chosen| std::ptr::eq(chosen, setting));
    if !counts {
        return ineffective(
            setting,
            &format!("{} is set as well and wins", options.key(id)),
            true,
        );
    }
    let unit = if id == Id::ManagedSize
        && setting
            .value
            .trim()
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    {
        "; since Flink 1.10 a number without a unit is bytes, before it was megabytes, so check the unit"
    } else {
        ""
    };
    let message = format!(
        "{} is the deprecated spelling of {}{unit}; write {} instead",
        setting.origin.path(&setting.key),
        options.key(id),
        options.key(id)
    );
    Conflict {
        suggestions: Vec::new(),
        ..warning(Code::DeprecatedOption, setting, options.key(id), message)
    }
}

/// An option of Flink 1.9 that is read up to 1.20 when nothing newer says the same.
fn legacy(options: &Options<'_>, id: Id, setting: &Setting) -> Option<Conflict> {
    if !options.version().reads_legacy_options() {
        let reason = format!("Flink {} does not read it any more", options.version());
        return Some(ineffective(setting, &reason, true));
    }
    let (counts, instead) = match id {
        Id::NumberOfBuffers => (options.uses_number_of_buffers(), options::NETWORK_MIN),
        _ => (
            matches!(options.legacy_heap(), Some(super::effective::LegacyHeap::Option(read)) if read == id),
            options.key(options.legacy_target()),
        ),
    };
    if !counts {
        return Some(ineffective(
            setting,
            "newer options say the same and win",
            true,
        ));
    }
    let message = format!(
        "{} is an option of Flink 1.9 that is read up to 1.20 only; write {instead} instead",
        setting.origin.path(&setting.key)
    );
    Some(warning(Code::DeprecatedOption, setting, instead, message))
}

/// A key that lies where only memory options lie, and is none.
fn unknown(options: &Options<'_>, setting: &Setting, with_nearest: bool) -> Conflict {
    let path = setting.origin.path(&setting.key);
    match with_nearest
        .then(|| options::nearest(options.role(), &setting.key))
        .flatten()
    {
        Some(nearest) => {
            let message =
                format!("{path} is no option of Flink and has no effect; write {nearest} instead");
            warning(Code::UnknownOption, setting, nearest, message)
        }
        None => {
            let message = format!("{path} is no option of Flink and has no effect; remove it");
            warning(Code::UnknownOption, setting, "an option of Flink", message)
        }
    }
}

fn ineffective(setting: &Setting, reason: &str, removable: bool) -> Conflict {
    let path = setting.origin.path(&setting.key);
    let message = format!("{path} has no effect: {reason}; remove it");
    let mut conflict = warning(Code::IneffectiveOption, setting, "not written", message);
    if removable {
        conflict.suggestions.push(Suggestion {
            key: setting.key.clone(),
            origin: Some(setting.origin.clone()),
            path,
            current: Some(setting.value.clone()),
            change: Change::Remove,
            exact: None,
        });
    }
    conflict
}

fn warning(code: Code, setting: &Setting, bound: &str, message: String) -> Conflict {
    let reference = OptionReference {
        key: setting.key.clone(),
        origin: Some(setting.origin.clone()),
        path: setting.origin.path(&setting.key),
        value: setting.value.clone(),
        is_default: false,
    };
    Conflict::new(code, Severity::Warning, vec![reference], bound, message)
}

/// Much of the container is left to nothing.
fn unused_memory(options: &Options<'_>, total_process: Bytes) -> Option<Conflict> {
    let limit = options.request.container_limit?;
    let used = total_process.saturating_add(options.reserved());
    let unused = limit.saturating_sub(used);
    if unused <= UNUSED_AT_LEAST.max(Bytes(limit.get() / 10)) {
        return None;
    }
    let total = [
        Id::ProcessSize,
        Id::FlinkSize,
        Id::TaskHeapSize,
        Id::JvmHeapSize,
    ]
    .into_iter()
    .find(|id| options.is_set(*id));
    let process_size = options.key(Id::ProcessSize);
    let limit_path = Origin::ContainerLimit.path(process_size);
    let smaller = quantity::memory_text(used.round_up_to_mebibyte());
    let message = format!(
        "the process takes {total_process} of the container's {limit}{}, and {unused} stay unused; set {limit_path} \
         to {smaller}",
        match options.reserved() {
            Bytes::ZERO => String::new(),
            reserved => format!(", {reserved} are reserved beside it"),
        }
    );
    let mut references = vec![limit_reference(options, limit)];
    references.extend(total.and_then(|id| reference(options, id)));
    let mut conflict = Conflict::new(
        Code::UnusedMemory,
        Severity::Warning,
        references,
        format!("<= {smaller}"),
        message,
    );
    conflict.suggestions.push(Suggestion {
        key: process_size.to_owned(),
        origin: Some(Origin::ContainerLimit),
        path: limit_path,
        current: Some(quantity::memory_text(limit)),
        change: Change::Set(smaller),
        exact: None,
    });
    Some(conflict)
}
