//! Whether a pool can run: every check there is, all of its answers at once.
//!
//! A check never stops the others. The solver is asked as soon as its inputs can be read, whatever else is wrong,
//! so that one edit can mend everything.

use std::collections::BTreeMap;

use kube::ResourceExt;

use crate::{
    api::{
        TASK_MANAGER_CONTAINER,
        v1alpha1::{OnConflict, TaskManagerPool},
    },
    budget::{
        self, Budget, Change, Code, Conflict, FlinkError, FlinkVersion, Request, Severity,
        Suggestion, dynamic_configurations, options,
    },
    bytes::Bytes,
    configuration::Format,
};

use super::{
    Invalid, KnownMemory, Settings, ValidatedPool, addresses, configuration_file,
    conflict::{At, setting},
    container_resources,
    deployment::{Outline, generated},
    flink_configuration,
    hash::short_hash,
    jvm, memory_volumes, merge, pod_template, privileges, request, static_rules,
};

/// What the pool asks of the solver; `None` if its version or its memory limit cannot be read.
#[must_use]
pub fn request_of(pool: &TaskManagerPool) -> Option<Request> {
    let version = pool.spec.flink_version.parse().ok()?;
    let mut ignored = Vec::new();
    let container = container_resources::read(&pool.spec.task_manager.resources, &mut ignored);
    let free = flink_configuration::flatten(&pool.spec.flink_configuration, version, &mut ignored);
    request::request(&pool.spec, version, &free, &container, &mut ignored)
}

/// Checks a pool and solves its budget.
///
/// # Guarantees
/// A function of its arguments. Never panics, whatever the pool holds. The Kubernetes objects that are built from
/// the result have the sizes of the budget and nothing that `settings` does not allow.
///
/// # Errors
/// Everything that is wrong with the pool, errors first; see [`Invalid`].
pub fn validate(pool: &TaskManagerPool, settings: &Settings) -> Result<ValidatedPool, Invalid> {
    let spec = &pool.spec;
    let name = pool.name_any();
    let mut conflicts = static_rules::violations(pool);

    let version = spec.flink_version.parse::<FlinkVersion>();
    if let Err(error) = &version {
        conflicts.push(unsupported(&spec.flink_version, error));
    }
    // The checks besides the solver need to know only which file there is; the newest version is a fair guess.
    let file_version = version.clone().unwrap_or(FlinkVersion::V2_3);

    let container_resources =
        container_resources::read(&spec.task_manager.resources, &mut conflicts);
    let free =
        flink_configuration::flatten(&spec.flink_configuration, file_version, &mut conflicts);
    let solution = version.ok().and_then(|version| {
        let request = request::request(spec, version, &free, &container_resources, &mut conflicts)?;
        Some(solve(pool, request, &mut conflicts))
    });

    let template = pod_template::read(spec.pod_template.as_ref(), &mut conflicts);
    conflicts.extend(privileges::refused(&template, settings));

    // Everything that is no size: the free options, the addresses, the JVM's arguments.
    let mut file_options: BTreeMap<String, String> = free
        .iter()
        .filter(|(key, _)| !options::is_replaced_by_budget(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let ports = addresses::decide(&spec.cluster_ref, &free, &mut file_options, &mut conflicts);
    let environment = java_environment(&template);
    let java_options = jvm::java_options(spec, &free, file_version, &environment, &mut conflicts);
    if !java_options.is_empty() {
        file_options.insert(jvm::JAVA_OPTIONS.to_owned(), java_options);
    }

    let outline = Outline {
        name: &name,
        version: file_version,
        image: &spec.image,
        resources: &container_resources,
        file_name: Format::of(file_version).file_name(),
        ports,
        job_manager_address: &spec.cluster_ref.name,
        options: &[],
        number_of_task_slots: 1,
    };
    conflicts.extend(merge::breaks(&generated(&outline), &template));

    let budget = solution
        .as_ref()
        .and_then(|solution| solution.budget.as_ref());
    let options = budget.map(fixed_options).unwrap_or_default();
    add_sizes(&mut file_options, &options);
    let configuration_file =
        configuration_file::render(&file_options, file_version, &mut conflicts);

    if let Some(budget) = budget {
        conflicts.extend(memory_volumes::unplanned(&template, budget));
    }

    // Errors first; within a severity in the order in which they were found.
    conflicts.sort_by_key(|conflict| conflict.severity);
    let failed = conflicts
        .iter()
        .any(|conflict| conflict.severity == Severity::Error);
    let Solution {
        request,
        budget,
        adjustments,
        limits,
        joint,
        flink_error,
    } = solution.unwrap_or_default();
    let Limits {
        minimum: minimum_limit,
        comfortable: comfortable_limit,
    } = limits;
    let (request, budget) = match (request, budget) {
        (Some(request), Some(budget)) if !failed => (request, budget),
        (request, budget) => {
            let memory = request.map(|request| KnownMemory {
                request,
                // Sizes that no change was needed for.
                budget: budget.filter(|_| adjustments.is_empty()),
                flink_error,
            });
            return Err(Invalid {
                conflicts,
                minimum_limit,
                comfortable_limit,
                joint,
                memory: memory.map(Box::new),
            });
        }
    };
    Ok(ValidatedPool {
        namespace: pool.namespace(),
        uid: pool.uid(),
        generation: pool.metadata.generation,
        replicas: if spec.suspend { 0 } else { spec.replicas },
        suspended: spec.suspend,
        image: spec.image.clone(),
        flink_version: budget.flink_version,
        job_manager_address: spec.cluster_ref.name.clone(),
        budget_hash: short_hash(&budget_text(&budget)),
        configuration_hash: short_hash(&configuration_file.text),
        name,
        container_resources,
        request,
        budget,
        minimum_limit,
        comfortable_limit,
        adjustments,
        warnings: conflicts,
        options,
        configuration_file,
        ports,
        pod_template: template,
    })
}

fn unsupported(text: &str, error: &budget::UnsupportedFlinkVersion) -> Conflict {
    let conflict = At::field("spec.flinkVersion", text).error(
        Code::UnsupportedFlinkVersion,
        "1.10 to 2.3",
        format!("spec.flinkVersion: {error}"),
    );
    // Most mistakes name a release that is newer than this operator.
    let newest = FlinkVersion::ALL
        .last()
        .filter(|_| text.starts_with(['2', '3']));
    newest.map_or(conflict.clone(), |newest| {
        setting(conflict, newest.as_str())
    })
}

/// What came of the memory options.
#[derive(Default)]
struct Solution {
    /// What was asked, with the adjustments.
    request: Option<Request>,
    /// The budget, with the adjustments.
    budget: Option<Budget>,
    /// What had to be changed to get it.
    adjustments: Vec<Suggestion>,
    limits: Limits,
    /// What would have to be changed together.
    joint: Vec<Suggestion>,
    /// What Flink would throw for what was written.
    flink_error: Option<FlinkError>,
}

/// The smallest containers that these options solve in.
#[derive(Clone, Copy, Default)]
struct Limits {
    minimum: Option<Bytes>,
    comfortable: Option<Bytes>,
}

fn solve(pool: &TaskManagerPool, request: Request, conflicts: &mut Vec<Conflict>) -> Solution {
    let limits = Limits {
        minimum: budget::minimum_container_limit(&request),
        comfortable: budget::comfortable_container_limit(&request),
    };
    let infeasible = match budget::solve(&request) {
        Ok(budget) => {
            conflicts.extend(budget.warnings.iter().cloned());
            return Solution {
                request: Some(request),
                budget: Some(budget),
                limits,
                ..Solution::default()
            };
        }
        Err(infeasible) => infeasible,
    };
    let nearest = match pool.spec.on_conflict {
        OnConflict::Reject => None,
        OnConflict::UseLargestFeasible => budget::nearest_feasible(&request),
    };
    let Some((budget, adjustments)) = nearest else {
        conflicts.extend(infeasible.conflicts);
        return Solution {
            request: Some(request),
            limits,
            joint: infeasible.joint,
            flink_error: infeasible.flink_error,
            ..Solution::default()
        };
    };
    // What would have been an error is a warning now: the pool runs, but not as it is written.
    conflicts.extend(infeasible.conflicts.into_iter().map(|conflict| Conflict {
        severity: Severity::Warning,
        ..conflict
    }));
    conflicts.extend(adjustments.iter().map(adjusted));
    let request = adjustments
        .iter()
        .fold(request, |request, change| request.with_suggestion(change));
    Solution {
        request: Some(request),
        budget: Some(budget),
        adjustments,
        limits,
        joint: Vec::new(),
        flink_error: infeasible.flink_error,
    }
}

/// Says what `UseLargestFeasible` runs with in place of an option.
fn adjusted(suggestion: &Suggestion) -> Conflict {
    let current = suggestion.current.as_deref().unwrap_or("not set");
    let (bound, instead) = match &suggestion.change {
        Change::Set(value) => (
            value.clone(),
            format!("as if {} were {value}", suggestion.path),
        ),
        Change::Remove => ("not set".to_owned(), format!("without {}", suggestion.path)),
    };
    let message = format!(
        "spec.onConflict is UseLargestFeasible: the TaskManagers run {instead} (it is {current}); make the change to \
         the spec to be rid of this warning"
    );
    let at = At::field(suggestion.path.clone(), current);
    let mut conflict = at.warning(Code::UsingLargestFeasible, bound, message);
    conflict.suggestions.push(suggestion.clone());
    conflict
}

/// The values of the TaskManager's variables that become part of the JVM's command line.
fn java_environment(template: &k8s_openapi::api::core::v1::PodTemplateSpec) -> Vec<&str> {
    let containers = template.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .filter(|container| container.name == TASK_MANAGER_CONTAINER)
        .flat_map(|container| container.env.iter().flatten())
        .filter(|variable| merge::JVM_VARIABLES.contains(&variable.name.as_str()))
        .filter_map(|variable| variable.value.as_deref())
        .collect()
}

/// Every size as an option: Flink's own list for the version, what older versions leave out of it, and the segment
/// size, which a started TaskManager reads from its configuration alone.
fn fixed_options(budget: &Budget) -> Vec<(String, String)> {
    let mut fixed = dynamic_configurations(budget);
    let size = |bytes: Bytes| format!("{}b", bytes.get());
    let rest = [
        (options::SEGMENT_SIZE, size(budget.segment_size)),
        (
            options::JVM_METASPACE_SIZE,
            size(budget.jvm_metaspace.bytes),
        ),
        (options::JVM_OVERHEAD_MIN, size(budget.jvm_overhead.bytes)),
        (options::JVM_OVERHEAD_MAX, size(budget.jvm_overhead.bytes)),
        (
            options::NUMBER_OF_TASK_SLOTS,
            budget.number_of_task_slots.to_string(),
        ),
    ];
    for (key, value) in rest {
        if !fixed.iter().any(|(known, _)| known == key) {
            fixed.push((key.to_owned(), value));
        }
    }
    fixed
}

/// The sizes stand in the file too: the scripts of 1.10 derive the JVM's flags from the file alone, and whoever
/// reads the file in a pod sees what runs. External resources stay as the user wrote them.
fn add_sizes(file_options: &mut BTreeMap<String, String>, fixed: &[(String, String)]) {
    let sizes = fixed
        .iter()
        .filter(|(key, _)| options::is_replaced_by_budget(key));
    file_options.extend(sizes.cloned());
}

/// The text behind the budget's digest: sizes and slots, and nothing else.
fn budget_text(budget: &Budget) -> String {
    let mut text = String::new();
    for (name, component) in budget.components() {
        text.push_str(&format!("{name}={}\n", component.bytes.get()));
    }
    text.push_str(&format!(
        "numberOfTaskSlots={}\n",
        budget.number_of_task_slots
    ));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::desired::build;

    fn pool(changes: Value) -> TaskManagerPool {
        fn merge(into: &mut Value, from: Value) {
            match (into, from) {
                (Value::Object(into), Value::Object(from)) => {
                    for (name, value) in from {
                        merge(into.entry(name).or_insert(Value::Null), value);
                    }
                }
                (into, from) => *into = from,
            }
        }
        let mut pool = json!({
            "apiVersion": "headroom.dev/v1alpha1",
            "kind": "TaskManagerPool",
            "metadata": {"name": "clicks", "namespace": "streaming", "uid": "u-1", "generation": 7},
            "spec": {
                "replicas": 3,
                "flinkVersion": "2.1",
                "image": "flink:2.1",
                "clusterRef": {"name": "clicks-jobmanager"},
                "taskManager": {"numberOfTaskSlots": 2, "resources": {"limits": {"cpu": "2", "memory": "4Gi"}}}
            }
        });
        merge(&mut pool, changes);
        serde_json::from_value(pool).unwrap()
    }

    fn valid(changes: Value) -> ValidatedPool {
        validate(&pool(changes), &Settings::default()).unwrap_or_else(|invalid| panic!("{invalid}"))
    }

    /// The codes and paths of what is wrong.
    fn wrong(changes: Value) -> Vec<(&'static str, String)> {
        let invalid = validate(&pool(changes), &Settings::default()).unwrap_err();
        let codes = invalid
            .conflicts
            .iter()
            .map(|conflict| (conflict.code.as_str(), conflict.options[0].path.clone()));
        codes.collect()
    }

    #[test]
    fn a_sound_pool_gets_every_size_as_an_option() {
        let pool = valid(json!({}));
        let resources = build(&pool);
        let spec = resources.deployment.spec.unwrap();
        assert_eq!(spec.replicas, Some(3));
        let pod = spec.template.spec.unwrap();
        let args = pod.containers[0].args.clone().unwrap();
        assert_eq!(args[0], "taskmanager");
        assert!(
            args.contains(&"-Dtaskmanager.numberOfTaskSlots=2".to_owned()),
            "{args:?}"
        );
        assert!(args.contains(&"-Dtaskmanager.host=$(POD_IP)".to_owned()));
        assert!(
            args.iter()
                .any(|argument| argument.starts_with("-Dtaskmanager.memory.task.heap.size="))
        );
        let text = &pool.configuration_file.text;
        assert!(text.contains("taskmanager.memory.segment-size: \"32768b\"\n"));
        assert!(
            text.contains("jobmanager.rpc.address: \"clicks-jobmanager\"\n"),
            "{text}"
        );
        assert!(!text.contains("taskmanager.host"));
        assert_eq!(
            resources.deployment.metadata.owner_references.unwrap()[0].uid,
            "u-1"
        );
    }

    /// What the user wrote in a typed field has to reach Flink, whichever field it is.
    #[test]
    fn every_typed_field_changes_what_runs() {
        let base = valid(json!({})).options;
        for memory in [
            json!({"process": {"size": "3g"}}),
            json!({"flink": {"size": "3g"}}),
            json!({"framework": {"heapSize": "256m"}}),
            json!({"framework": {"offHeapSize": "256m"}}),
            json!({"task": {"heapSize": "1g"}, "managed": {"size": "1g"}, "network": {"max": "4g"}}),
            json!({"task": {"offHeapSize": "256m"}}),
            json!({"managed": {"size": "1g"}}),
            json!({"managed": {"fraction": "0.5"}}),
            json!({"network": {"min": "1g"}}),
            json!({"network": {"max": "128m"}}),
            json!({"network": {"fraction": "0.2"}}),
            json!({"network": {"segmentSize": "64k"}}),
            json!({"jvm": {"metaspaceSize": "512m"}}),
            json!({"jvm": {"overhead": {"min": "512m"}}}),
            json!({"jvm": {"overhead": {"max": "256m"}}}),
            json!({"jvm": {"overhead": {"fraction": "0.2"}}}),
            json!({"profile": "RocksDB"}),
            json!({"reserves": {"nativeOvershoot": "128m"}}),
            json!({"reserves": {"pythonWorkers": "128m"}}),
            json!({"reserves": {"otherProcesses": "128m"}}),
            json!({"reserves": {"memoryVolumes": "128m"}}),
        ] {
            assert_ne!(
                valid(json!({"spec": {"memory": memory}})).options,
                base,
                "{memory}"
            );
        }
    }

    #[test]
    fn everything_is_reported_at_once_errors_first() {
        let found = wrong(json!({"spec": {
            "taskManager": {"resources": {"requests": {"memory": "8Gi"}}},
            "memory": {"managed": {"size": "6g"}, "network": {"min": "2g", "max": "1g"}},
            "flinkConfiguration": {"taskmanager.memory.managed.size": "1g", "taskmanager.host": "a", "empty": null},
            "jvmArguments": {"extra": ["-Xmx1g"]},
            "podTemplate": {"spec": {"hostNetwork": true, "tolerationz": []}}
        }}));
        let codes: Vec<_> = found.iter().map(|(code, _)| *code).collect();
        for code in [
            "RequestAboveLimit",
            "ConfigurationInvalid",
            "PodTemplateInvalid",
            "PodTemplateForbidden",
            "JvmArgumentInvalid",
            "DuplicateSource",
            "RangeInverted",
        ] {
            assert!(codes.contains(&code), "{code} in {codes:?}");
        }
        assert_eq!(codes.last(), Some(&"IneffectiveOption"));
    }

    #[test]
    fn the_limits_of_the_schema_hold_for_files_too() {
        let found = wrong(json!({
            "metadata": {"name": "a".repeat(53)},
            "spec": {"replicas": -1, "image": "", "clusterRef": {"rpcPort": 70000}}
        }));
        for path in [
            "metadata.name",
            "spec.replicas",
            "spec.image",
            "spec.clusterRef.rpcPort",
        ] {
            assert!(
                found.contains(&("FieldInvalid", path.to_owned())),
                "{path} in {found:?}"
            );
        }
    }

    #[test]
    fn use_largest_feasible_runs_and_says_what_it_changed() {
        let pool = valid(json!({"spec": {
            "onConflict": "UseLargestFeasible", "memory": {"managed": {"size": "6g"}}
        }}));
        assert!(!pool.adjustments.is_empty());
        assert!(pool.budget.total_process.bytes <= pool.budget.container_limit.unwrap());
        assert!(
            pool.warnings
                .iter()
                .any(|warning| warning.code == Code::UsingLargestFeasible)
        );
        assert!(
            pool.warnings
                .iter()
                .all(|warning| warning.severity == Severity::Warning)
        );
    }

    #[test]
    fn the_budget_hash_covers_sizes_and_slots_only() {
        let base = valid(json!({}));
        let same = valid(
            json!({"spec": {"image": "flink:2.1.1", "replicas": 9, "flinkConfiguration": {"a.b": 1}}}),
        );
        assert_eq!(base.budget_hash, same.budget_hash);
        assert_ne!(base.configuration_hash, same.configuration_hash);
        let other = valid(json!({"spec": {"taskManager": {"numberOfTaskSlots": 4}}}));
        assert_ne!(base.budget_hash, other.budget_hash);
    }

    #[test]
    fn a_volume_in_memory_needs_room_that_the_process_leaves() {
        let volume = |process: &str, source: Value| {
            let pool = valid(json!({"spec": {
                "memory": {"process": {"size": process}},
                "podTemplate": {"spec": {
                    "containers": [{"name": "taskmanager", "volumeMounts": [{"name": "a", "mountPath": "/a"}]}],
                    "volumes": [{"name": "a", "emptyDir": source}, {"name": "b", "emptyDir": {"medium": "Memory"}}]
                }}
            }}));
            let codes = pool.warnings.into_iter().map(|warning| warning.code);
            codes
                .filter(|code| *code == Code::MemoryVolumeUnplanned)
                .count()
        };
        assert_eq!(
            volume("4g", json!({"medium": "Memory", "sizeLimit": "256Mi"})),
            1
        );
        assert_eq!(
            volume("3g", json!({"medium": "Memory", "sizeLimit": "256Mi"})),
            0
        );
        assert_eq!(volume("3g", json!({"medium": "Memory"})), 1);
        assert_eq!(
            volume("3g", json!({"medium": "Memory", "sizeLimit": "1280Mi"})),
            1
        );
        assert_eq!(volume("4g", json!({})), 0);
    }

    #[test]
    fn a_reserve_is_the_room_of_a_volume_in_memory() {
        let warnings = |reserve: &str| {
            let pool = valid(json!({"spec": {
                "memory": {"reserves": {"memoryVolumes": reserve}},
                "podTemplate": {"spec": {
                    "containers": [{"name": "taskmanager", "volumeMounts": [{"name": "a", "mountPath": "/a"}]}],
                    "volumes": [{"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}}]
                }}
            }}));
            assert_eq!(
                pool.budget.reserved().whole_mebibytes().to_string() + "m",
                reserve
            );
            pool.warnings.len()
        };
        assert_eq!(warnings("256m"), 0);
        assert_eq!(warnings("255m"), 1);
    }

    #[test]
    fn a_reserve_that_is_no_size_is_refused_and_respelled() {
        let reserves = json!({"pythonWorkers": "512Mi", "otherProcesses": "some"});
        let pool = pool(json!({"spec": {"memory": {"reserves": reserves}}}));
        let invalid = validate(&pool, &Settings::default()).unwrap_err();
        let [python, other] = invalid.conflicts.as_slice() else {
            panic!("{:#?}", invalid.conflicts)
        };
        assert_eq!(python.code, Code::SizeInvalid);
        assert_eq!(
            python.suggestions[0].to_string(),
            "set spec.memory.reserves.pythonWorkers to 512m"
        );
        assert_eq!(other.options[0].path, "spec.memory.reserves.otherProcesses");
        assert!(other.message.ends_with("write for example 256m"));
    }

    #[test]
    fn forst_needs_a_version_that_has_it() {
        let profile = |version: &str| json!({"spec": {"flinkVersion": version, "memory": {"profile": "ForSt"}}});
        valid(profile("2.0"));
        assert_eq!(
            wrong(profile("1.20")),
            [("FieldInvalid", "spec.memory.profile".to_owned())]
        );
    }

    #[test]
    fn a_suspended_pool_runs_no_pods() {
        assert_eq!(valid(json!({"spec": {"suspend": true}})).replicas, 0);
    }
}
