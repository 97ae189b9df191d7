//! Options of Flink 1.9: which of them are still read, what reads them over, and what took their place.

use super::{
    super::{
        effective::{LegacyHeap, Options},
        infeasible::{Code, Conflict, OptionReference},
        options::{self, Id, Removed},
        request::{Origin, Setting},
    },
    ineffective, ineffective_at, warning,
};

/// An option that is read up to 1.20 where nothing newer says the same.
pub(super) fn option(options: &Options<'_>, id: Id, setting: &Setting) -> Conflict {
    let instead = instead(options, id);
    if !options.version().reads_legacy_options() {
        let reason = format!("Flink {} does not read it any more", options.version());
        return ineffective(setting, &reason, Some(&instead));
    }
    if let Some(winner) = winner(options, id) {
        return ineffective(setting, &format!("{winner} is set as well and wins"), None);
    }
    let message = format!(
        "{} is an option of Flink 1.9 that is read up to 1.20 only; write {instead} instead",
        setting.origin.path(&setting.key)
    );
    warning(Code::DeprecatedOption, setting, &instead, message)
}

/// An option of the heap cut-off, which of all processes since 1.10 only the JobManager of 1.10 has.
pub(super) fn cutoff(options: &Options<'_>, id: Id, setting: &Setting) -> Option<Conflict> {
    if options.uses_cutoff() {
        return None;
    }
    let reason = "since Flink 1.11 JVM overhead is what a JobManager keeps back of its container";
    let instead = match id {
        Id::HeapCutoffRatio => Id::JvmOverheadFraction,
        _ => Id::JvmOverheadMin,
    };
    Some(ineffective(setting, reason, Some(options.key(instead))))
}

/// A key that nothing reads any more.
pub(super) fn removed(setting: &Setting, removed: &Removed) -> Conflict {
    ineffective(setting, removed.reason, removed.instead)
}

/// The variable of the environment, where it does nothing.
pub(super) fn environment(options: &Options<'_>) -> Option<Conflict> {
    let value = options.request.legacy_heap_environment.as_ref()?;
    let name = options.heap_environment();
    let (reason, instead) = if !options.version().reads_legacy_options() {
        let reason = format!("Flink {} does not read it any more", options.version());
        (reason, Some(options.key(options.legacy_target())))
    } else if options.is_set(options.legacy_target()) {
        let winner = options.key(options.legacy_target());
        (format!("{winner} is set as well and wins"), None)
    } else {
        return None;
    };
    let reference = OptionReference {
        key: name.to_owned(),
        origin: Some(Origin::Environment),
        path: Origin::Environment.path(name),
        value: value.clone(),
        is_default: false,
    };
    Some(ineffective_at(reference, &reason, instead))
}

/// What is written today in place of an option.
fn instead(options: &Options<'_>, id: Id) -> String {
    match id {
        Id::NumberOfBuffers => format!("{} and {}", options::NETWORK_MIN, options::NETWORK_MAX),
        _ if options.uses_cutoff() => options.key(Id::HeapSize).to_owned(),
        _ => options.key(options.legacy_target()).to_owned(),
    }
}

/// What is read over an option that this version reads; `None` where the option itself counts.
fn winner(options: &Options<'_>, id: Id) -> Option<&'static str> {
    if id == Id::NumberOfBuffers {
        let newer = [Id::NetworkMin, Id::NetworkMax, Id::NetworkFraction];
        return newer
            .into_iter()
            .find(|newer| options.is_set(*newer))
            .map(|newer| options.key(newer));
    }
    match options.legacy_heap() {
        Some(LegacyHeap::Option(read)) if read == id => None,
        Some(LegacyHeap::Option(read)) => Some(options.key(read)),
        Some(LegacyHeap::Environment(_)) => Some(options.heap_environment()),
        None => Some(options.key(options.legacy_target())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Configuration, FlinkVersion, Request, Role, jobmanager, solve};

    fn request(version: FlinkVersion, settings: &[(&str, &str)]) -> Request {
        let total = Configuration::new()
            .with(options::PROCESS_SIZE, "4g", Origin::CommandLine)
            .with(options::JOBMANAGER_PROCESS_SIZE, "2g", Origin::CommandLine);
        let configuration = settings.iter().fold(total, |configuration, (key, value)| {
            configuration.with(*key, *value, Origin::FlinkConfiguration)
        });
        Request::new(version, configuration)
    }

    /// What is said of the options of a sound request: the code, and how the sentence ends.
    fn said(request: &Request) -> Vec<(Code, String)> {
        let warnings = match request.role {
            Role::TaskManager => solve(request).unwrap().warnings,
            Role::JobManager => jobmanager::solve(request).unwrap().warnings().to_vec(),
        };
        warnings
            .into_iter()
            .map(|warning| {
                let (_, end) = warning.message.rsplit_once("; ").unwrap();
                (warning.code, end.to_owned())
            })
            .collect()
    }

    fn ineffective(end: &str) -> Vec<(Code, String)> {
        vec![(Code::IneffectiveOption, end.to_owned())]
    }

    #[test]
    fn what_nothing_reads_any_more_names_what_took_its_place() {
        use FlinkVersion as V;
        for (version, key, value, end) in [
            (
                V::V1_10,
                "taskmanager.memory.fraction",
                "0.7",
                "write taskmanager.memory.managed.fraction instead",
            ),
            (
                V::V1_20,
                "taskmanager.memory.preallocate",
                "true",
                "remove it",
            ),
            (V::V2_3, "taskmanager.memory.off-heap", "true", "remove it"),
            (
                V::V1_10,
                "containerized.heap-cutoff-ratio",
                "0.25",
                "write taskmanager.memory.jvm-overhead.fraction instead",
            ),
            (
                V::V1_18,
                "yarn.heap-cutoff-min",
                "600",
                "write taskmanager.memory.jvm-overhead.min instead",
            ),
            (
                V::V2_0,
                "taskmanager.heap.size",
                "1g",
                "write taskmanager.memory.flink.size instead",
            ),
            (
                V::V2_0,
                "taskmanager.heap.mb",
                "1024",
                "write taskmanager.memory.flink.size instead",
            ),
            (
                V::V2_1,
                "taskmanager.network.numberOfBuffers",
                "2048",
                "write taskmanager.memory.network.min and taskmanager.memory.network.max instead",
            ),
        ] {
            let request = request(version, &[(key, value)]);
            assert_eq!(said(&request), ineffective(end), "{key}");
        }
    }

    #[test]
    fn what_is_read_over_names_the_winner() {
        let winner = |settings: &[(&str, &str)]| {
            let budget = solve(&request(FlinkVersion::V1_20, settings)).unwrap();
            let found = budget.warnings.into_iter();
            let found: Vec<_> = found
                .filter(|warning| warning.code == Code::IneffectiveOption)
                .map(|warning| warning.message)
                .collect();
            found.concat()
        };
        let message = winner(&[
            ("taskmanager.heap.size", "1g"),
            (options::FLINK_SIZE, "3400m"),
        ]);
        assert!(
            message.contains("taskmanager.memory.flink.size is set as well and wins"),
            "{message}"
        );
        let message = winner(&[
            ("taskmanager.heap.mb", "1024"),
            ("taskmanager.heap.size", "3400m"),
        ]);
        assert!(
            message.contains("taskmanager.heap.size is set as well and wins"),
            "{message}"
        );
        let message = winner(&[
            ("taskmanager.network.numberOfBuffers", "4096"),
            (options::NETWORK_MAX, "2g"),
        ]);
        assert!(
            message.contains("taskmanager.memory.network.max is set as well and wins"),
            "{message}"
        );
    }

    #[test]
    fn a_variable_that_does_nothing_is_named() {
        let with_variable = |version, settings: &[(&str, &str)]| Request {
            legacy_heap_environment: Some("3400m".to_owned()),
            ..request(version, settings)
        };
        let old = with_variable(FlinkVersion::V2_0, &[]);
        assert_eq!(
            said(&old),
            ineffective("write taskmanager.memory.flink.size instead")
        );
        let beside = with_variable(FlinkVersion::V1_20, &[(options::FLINK_SIZE, "3400m")]);
        assert_eq!(said(&beside), ineffective("remove it"));
        let counts = with_variable(FlinkVersion::V1_20, &[]);
        assert_eq!(said(&counts), []);
        // In the environment or not: the change that is suggested is one that can be made.
        let budget = solve(&old).unwrap();
        let mended = old.with_suggestion(&budget.warnings[0].suggestions[0]);
        assert_eq!(said(&mended), []);
    }

    #[test]
    fn only_the_jobmanager_of_1_10_has_a_cut_off() {
        let of = |version| {
            let request = request(version, &[(options::HEAP_CUTOFF_RATIO, "0.3")]);
            said(&request.with_role(Role::JobManager))
        };
        let instead = "write jobmanager.memory.jvm-overhead.fraction instead";
        assert_eq!(of(FlinkVersion::V1_11), ineffective(instead));
        assert_eq!(of(FlinkVersion::V2_3), ineffective(instead));
        let old = request(FlinkVersion::V1_10, &[(options::HEAP_CUTOFF_RATIO, "0.3")]);
        let budget = jobmanager::solve(&old.with_role(Role::JobManager));
        let warnings = budget
            .map(|budget| budget.warnings().to_vec())
            .unwrap_or_default();
        assert!(
            warnings
                .iter()
                .all(|warning| warning.code != Code::IneffectiveOption)
        );
    }
}
