//! What is worth a look although the budget stands: misspelt keys, old spellings, options without effect, sizes
//! without a unit, memory that nothing uses.

mod container;
mod legacy;
mod overhead;
mod sizes;
mod units;

use super::{
    Budget,
    effective::Options,
    infeasible::{Change, Code, Conflict, OptionReference, Severity, Suggestion},
    options::{self, Id},
    request::Setting,
};
use crate::bytes::Bytes;

/// A misspelt key is compared with every option, so only this many are; a configuration of a megabyte may have tens
/// of thousands.
const UNKNOWN_AT_MOST: usize = 16;

/// Everything to say about a budget that stands.
pub(super) fn of_budget(options: &Options<'_>, budget: &Budget) -> Vec<Conflict> {
    let mut warnings = of_options(options);
    warnings.extend(sizes::of_budget(options, budget));
    warnings.extend(overhead::too_small(options, budget));
    warnings.extend(container::of_process(options, budget.total_process.bytes));
    warnings
}

/// Everything to say about a budget of a JobManager that stands.
pub(super) fn of_jobmanager(options: &Options<'_>, total_process: Bytes) -> Vec<Conflict> {
    let mut warnings = of_options(options);
    warnings.extend(container::of_process(options, total_process));
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
        let reason = format!("{} is set and wins", options::MANAGED_SIZE);
        warnings.push(ineffective(fraction, &reason, None));
    }
    warnings.extend(legacy::environment(options));
    warnings.extend(units::missing(options));
    warnings
}

fn about(options: &Options<'_>, setting: &Setting, with_nearest: bool) -> Option<Conflict> {
    match options.lookup(&setting.key) {
        Some((id, _)) if id.is_of_cutoff() => legacy::cutoff(options, id, setting),
        Some((id, true)) => Some(deprecated(options, id, setting)),
        // The one size that a JobManager of 1.10 has.
        Some((Id::HeapSize, false)) if options.uses_cutoff() => None,
        Some((id, false)) if id.is_legacy() => Some(legacy::option(options, id, setting)),
        Some(_) => None,
        None if options::is_other_memory_option(&setting.key) => None,
        None => match options::removed(options.role(), &setting.key) {
            Some(removed) => Some(legacy::removed(setting, &removed)),
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
        let reason = format!("{} is set as well and wins", options.key(id));
        return ineffective(setting, &reason, None);
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
    warning(Code::DeprecatedOption, setting, options.key(id), message)
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

/// An option that does nothing: `instead` is the option that does what was probably meant.
fn ineffective(setting: &Setting, reason: &str, instead: Option<&str>) -> Conflict {
    ineffective_at(of_setting(setting), reason, instead)
}

fn ineffective_at(option: OptionReference, reason: &str, instead: Option<&str>) -> Conflict {
    let path = &option.path;
    let way_out = instead.map_or("remove it".to_owned(), |key| format!("write {key} instead"));
    let message = format!("{path} has no effect: {reason}; {way_out}");
    let removal = Suggestion {
        key: option.key.clone(),
        origin: option.origin.clone(),
        path: path.clone(),
        current: Some(option.value.clone()),
        change: Change::Remove,
        exact: None,
    };
    let severity = Severity::Warning;
    let mut conflict = Conflict::new(
        Code::IneffectiveOption,
        severity,
        vec![option],
        "not written",
        message,
    );
    conflict.suggestions.push(removal);
    conflict
}

fn warning(code: Code, setting: &Setting, bound: &str, message: String) -> Conflict {
    let references = vec![of_setting(setting)];
    Conflict::new(code, Severity::Warning, references, bound, message)
}

/// An option as it was written.
fn of_setting(setting: &Setting) -> OptionReference {
    OptionReference {
        key: setting.key.clone(),
        origin: Some(setting.origin.clone()),
        path: setting.origin.path(&setting.key),
        value: setting.value.clone(),
        is_default: false,
    }
}
