//! Every conflict code: what raises it, what the status says of it, and that its suggestion is a way out.
//!
//! Each case is asked twice: the library, which is what the command line shows, and a controller on a real API
//! server. Then the suggestion is applied to the pool as a person would, and the conflict has to be gone.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use headroom::{
    api::v1alpha1::{ConflictSeverity, ConflictStatus, SuggestionStatus, TaskManagerPool},
    budget::{Change, Code, Conflict, Severity},
    desired::{Settings, validate},
};
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::pool::{Scene, condition, conflicts, is_observed, pool_of};

/// A spec that raises a code.
struct Case {
    code: Code,
    /// Merged over a spec that is sound.
    spec: Value,
    severity: Severity,
    /// Where the status says that it is.
    path: &'static str,
    /// What the configured value and the bound contain.
    configured: &'static str,
    bound: &'static str,
    way_out: WayOut,
}

/// How a person gets out of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WayOut {
    /// The status suggests a change, which resolves it.
    Suggested,
    /// No value can be suggested; the message says what to do, in these words.
    Told(&'static str),
}
use WayOut::{Suggested, Told};

fn error(
    code: Code,
    spec: Value,
    path: &'static str,
    configured: &'static str,
    bound: &'static str,
    way_out: WayOut,
) -> Case {
    Case {
        code,
        spec,
        severity: Severity::Error,
        path,
        configured,
        bound,
        way_out,
    }
}

fn warning(
    code: Code,
    spec: Value,
    path: &'static str,
    configured: &'static str,
    bound: &'static str,
    way_out: WayOut,
) -> Case {
    Case {
        severity: Severity::Warning,
        ..error(code, spec, path, configured, bound, way_out)
    }
}

fn memory(memory: Value) -> Value {
    json!({ "memory": memory })
}

fn option(key: &str, value: Value) -> Value {
    json!({ "flinkConfiguration": { key: value } })
}

fn template(spec: Value) -> Value {
    json!({ "podTemplate": { "spec": spec } })
}

fn limit(limit: &str) -> Value {
    json!({ "taskManager": { "resources": { "limits": { "memory": limit } } } })
}

/// What the API server takes and the controller judges. Every code of [`IN_STATUS`] has a case.
#[rustfmt::skip]
fn cases() -> Vec<Case> {
    use Code as C;
    let container = |fields: Value| template(json!({"containers": [fields]}));
    vec![
        error(C::ComponentsExceedTotal, memory(json!({"managed": {"size": "6g"}})), "spec.memory.managed.size", "6g", "<= 29688961", Suggested),
        error(C::ComponentsExceedTotal, memory(json!({"jvm": {"metaspaceSize": "5g"}})), "spec.memory.jvm.metaspaceSize", "5g", "<=", Suggested),
        error(C::LimitTooSmall, limit("256Mi"), "spec.taskManager.resources.limits.memory", "256Mi", ">= 982Mi", Suggested),
        error(C::ProcessExceedsLimit, memory(json!({"process": {"size": "5g"}})), "spec.memory.process.size", "5g", "<=", Suggested),
        error(C::OverheadOutOfRange, memory(json!({"process": {"size": "4g"}, "flink": {"size": "1g"}})), "spec.memory.process.size", "4g", "<= 2304m", Suggested),
        error(C::NetworkOutOfRange, memory(json!({"flink": {"size": "2g"}, "task": {"heapSize": "512m"}, "managed": {"size": "256m"}, "network": {"max": "128m"}})), "spec.memory.task.heapSize", "512m", ">=", Suggested),
        error(C::FractionInvalid, memory(json!({"jvm": {"overhead": {"fraction": "1.5"}}})), "spec.memory.jvm.overhead.fraction", "1.5", "< 1", Suggested),
        error(C::FractionInvalid, memory(json!({"network": {"fraction": "-0.1"}})), "spec.memory.network.fraction", "-0.1", "", Suggested),
        error(C::FractionInvalid, memory(json!({"managed": {"fraction": "1"}})), "spec.memory.managed.fraction", "1", "", Suggested),
        error(C::RangeInverted, memory(json!({"network": {"min": "512m", "max": "128m"}})), "spec.memory.network.min", "512m", "128m", Suggested),
        error(C::RangeInverted, memory(json!({"jvm": {"overhead": {"min": "2g"}}})), "spec.memory.jvm.overhead.min", "2g", "1", Suggested),
        error(C::TotalsDisagree, memory(json!({"process": {"size": "1g"}, "flink": {"size": "2g"}})), "spec.memory.process.size", "1g", "", Suggested),
        error(C::DuplicateSource, json!({"memory": {"managed": {"size": "1g"}}, "flinkConfiguration": {"taskmanager.memory.managed.size": "2g"}}), "spec.flinkConfiguration[taskmanager.memory.managed.size]", "2g", "", Suggested),
        error(C::DuplicateSource, option("jobmanager.rpc.address", json!("other")), "spec.flinkConfiguration[jobmanager.rpc.address]", "other", "jobmanager", Suggested),
        error(C::SizeInvalid, memory(json!({"managed": {"size": "12 parsecs"}})), "spec.memory.managed.size", "12 parsecs", "", Told("12 parsecs")),
        error(C::SizeInvalid, memory(json!({"task": {"heapSize": "-1m"}})), "spec.memory.task.heapSize", "-1m", "", Told("-1m")),
        error(C::SizeInvalid, memory(json!({"task": {"offHeapSize": "9999999999999999999g"}})), "spec.memory.task.offHeapSize", "9999999999999999999g", "", Told("9999999999999999999g")),
        error(C::NumberInvalid, memory(json!({"managed": {"fraction": "half"}})), "spec.memory.managed.fraction", "half", "", Told("half")),
        error(C::NumberInvalid, option("taskmanager.cpu.cores", json!("two")), "spec.flinkConfiguration[taskmanager.cpu.cores]", "two", "", Told("two")),
        error(C::SegmentSizeInvalid, memory(json!({"network": {"segmentSize": "5000b"}})), "spec.memory.network.segmentSize", "5000b", "", Suggested),
        error(C::UnsupportedFlinkVersion, json!({"flinkVersion": "2.9"}), "spec.flinkVersion", "2.9", "1.10 to 2.3", Suggested),
        error(C::UnsupportedFlinkVersion, json!({"flinkVersion": "latest"}), "spec.flinkVersion", "latest", "1.10 to 2.3", Told("latest")),
        error(C::NetworkTooSmall, memory(json!({"network": {"min": "0b", "max": "16k"}})), "spec.memory.network.min", "0b", ">= 32k", Suggested),
        error(C::HeapTooSmall, memory(json!({"framework": {"heapSize": "0b"}, "task": {"heapSize": "0b"}, "managed": {"size": "512m"}, "flink": {"size": "1g"}})), "spec.memory.framework.heapSize", "0b", "> 2m", Suggested),
        error(C::MetaspaceTooSmall, memory(json!({"jvm": {"metaspaceSize": "64k"}})), "spec.memory.jvm.metaspaceSize", "64k", ">=", Suggested),
        warning(C::SuspiciousQuantity, limit("4096m"), "spec.taskManager.resources.limits.memory", "4096m", "", Suggested),
        warning(C::UnknownOption, option("taskmanager.memory.manged.size", json!("1g")), "spec.flinkConfiguration[taskmanager.memory.manged.size]", "1g", "taskmanager.memory.managed.size", Told("write taskmanager.memory.managed.size instead")),
        warning(C::DeprecatedOption, json!({"flinkVersion": "1.20", "flinkConfiguration": {"taskmanager.network.memory.max": "512m"}}), "spec.flinkConfiguration[taskmanager.network.memory.max]", "512m", "taskmanager.memory.network.max", Told("write taskmanager.memory.network.max instead")),
        warning(C::IneffectiveOption, option("taskmanager.host", json!("here")), "spec.flinkConfiguration[taskmanager.host]", "here", "", Suggested),
        warning(C::FractionCapped, memory(json!({"network": {"fraction": "0.5", "max": "128m"}})), "spec.memory.network.fraction", "0.5", "at most 128m", Told("change one of the two")),
        warning(C::ManagedMemoryUnused, option("state.backend.type", json!("hashmap")), "taskmanager.memory.managed.fraction", "0.4", "0", Suggested),
        warning(C::DirectMemoryTooSmall, option("taskmanager.memory.framework.off-heap.batch-shuffle.size", json!("256m")), "spec.flinkConfiguration[taskmanager.memory.framework.off-heap.batch-shuffle.size]", "256m", "<= 128m", Suggested),
        warning(C::CompressedPointersLost, json!({"memory": {"managed": {"size": "0"}}, "taskManager": {"resources": {"limits": {"memory": "40Gi"}}}}), "spec.taskManager.resources.limits.memory", "40Gi", "jvmHeap <=", Told("smaller TaskManagers")),
        warning(C::UnusedMemory, memory(json!({"process": {"size": "1g"}})), "spec.taskManager.resources.limits.memory", "4Gi", "<= 1Gi", Suggested),
        warning(C::RequestBelowPlan, json!({"taskManager": {"resources": {"requests": {"memory": "3Gi"}}}}), "spec.taskManager.resources.requests.memory", "3Gi", ">= 4Gi", Suggested),
        warning(C::BurstableQos, json!({"memory": {"process": {"size": "3584m"}}, "taskManager": {"resources": {"requests": {"memory": "3584Mi"}}}}), "spec.taskManager.resources.requests.memory", "3584Mi", ">= 4Gi", Suggested),
        warning(C::OverheadTooSmall, json!({"memory": {"jvm": {"overhead": {"min": "16m", "max": "16m"}}}, "taskManager": {"resources": {"limits": {"cpu": "2"}}}}), "spec.memory.jvm.overhead.min", "16m", ">= ", Suggested),
        error(C::ConfigurationInvalid, option("taskmanager.rpc.port", json!("6121")), "spec.flinkConfiguration[taskmanager.rpc.port]", "6121", "taskmanager.data.port", Told("change one")),
        error(C::ConfigurationTooLarge, option("pipeline.global-job-parameters", json!("x".repeat(1024 * 1024))), "spec.flinkConfiguration", "", "<=", Told("remove options")),
        error(C::JvmArgumentInvalid, json!({"jvmArguments": {"extra": ["-Xmx2g"]}}), "spec.jvmArguments.extra[0]", "-Xmx2g", "", Suggested),
        error(C::PodTemplateInvalid, template(json!({"tolerationz": []})), "spec.podTemplate.spec.tolerationz", "[]", "known field", Suggested),
        error(C::PodTemplateInvalid, template(json!({"terminationGracePeriodSeconds": "soon"})), "spec.podTemplate.spec.terminationGracePeriodSeconds", "soon", "type", Suggested),
        error(C::PodTemplateBreaksContainer, container(json!({"name": "taskmanager", "resources": {"limits": {"memory": "8Gi"}}})), "spec.podTemplate.spec.containers[0].resources.limits.memory", "8Gi", "", Suggested),
        error(C::PodTemplateBreaksContainer, container(json!({"name": "taskmanager", "args": ["jobmanager"]})), "spec.podTemplate.spec.containers[0].args", "jobmanager", "", Suggested),
        error(C::PodTemplateForbidden, template(json!({"hostNetwork": true})), "spec.podTemplate.spec.hostNetwork", "true", "not set", Suggested),
        error(C::PodTemplateForbidden, template(json!({"serviceAccountName": "admin"})), "spec.podTemplate.spec.serviceAccountName", "admin", "not set", Suggested),
        error(C::PodTemplateForbidden, template(json!({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]})), "spec.podTemplate.spec.volumes[0].hostPath", "", "not set", Suggested),
        error(C::PodTemplateForbidden, container(json!({"name": "taskmanager", "securityContext": {"privileged": true}})), "spec.podTemplate.spec.containers[0].securityContext.privileged", "true", "not set", Suggested),
        warning(C::MemoryVolumeUnplanned, template(json!({"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}}], "containers": [{"name": "taskmanager", "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]}]})), "spec.podTemplate.spec.volumes[0].emptyDir", "256Mi", "<= 0 bytes", Told("reserve as much in spec.memory.reserves.memoryVolumes")),
        warning(C::UsingLargestFeasible, json!({"onConflict": "UseLargestFeasible", "memory": {"managed": {"size": "6g"}}}), "spec.memory.managed.size", "6g", "", Suggested),
    ]
}

/// What the API server refuses already: the spec, and what its message says.
#[rustfmt::skip]
fn refusals() -> Vec<(Code, Value, &'static [&'static str])> {
    let resources = |requests: Value, limits: Value| json!({"taskManager": {"resources": {"requests": requests, "limits": limits}}});
    vec![
        (Code::QuantityInvalid, limit("4 gb"), &["spec.taskManager.resources.limits.memory", "4 gb", "8Gi"]),
        (Code::QuantityInvalid, limit("-4Gi"), &["spec.taskManager.resources.limits.memory", "-4Gi", "positive"]),
        (Code::RequestAboveLimit, resources(json!({"memory": "5Gi"}), json!({"memory": "4Gi"})), &["requests.memory", "above limits.memory", "lower the request or raise the limit"]),
        (Code::FieldInvalid, json!({"replicas": -1}), &["spec.replicas", "-1", "greater than or equal to 0"]),
        (Code::FieldInvalid, json!({"taskManager": {"resources": {"limits": {"memory": null, "cpu": "1"}}}}), &["spec.taskManager.resources.limits.memory", "Required value"]),
        (Code::DuplicateSource, memory(json!({"managed": {"size": "1g", "fraction": "0.5"}})), &["spec.memory.managed", "remove one"]),
    ]
}

/// Sorts every code there is; one that is missing here does not compile.
macro_rules! codes {
    (in_status: [$($seen:ident),* $(,)?], never_stored: [$($refused:ident),* $(,)?] $(,)?) => {
        /// The codes that a stored pool can have.
        const IN_STATUS: &[Code] = &[$(Code::$seen),*];

        /// The codes that no stored pool has.
        const NEVER_STORED: &[Code] = &[$(Code::$refused),*];

        const _: fn(Code) = |code| match code {
            $(Code::$seen)|* | $(Code::$refused)|* => {}
        };
    };
}

codes! {
    in_status: [
        ComponentsExceedTotal,
        LimitTooSmall,
        ProcessExceedsLimit,
        OverheadOutOfRange,
        NetworkOutOfRange,
        FractionInvalid,
        RangeInverted,
        TotalsDisagree,
        DuplicateSource,
        SizeInvalid,
        NumberInvalid,
        SegmentSizeInvalid,
        UnsupportedFlinkVersion,
        NetworkTooSmall,
        HeapTooSmall,
        MetaspaceTooSmall,
        SuspiciousQuantity,
        UnknownOption,
        DeprecatedOption,
        IneffectiveOption,
        FractionCapped,
        ManagedMemoryUnused,
        DirectMemoryTooSmall,
        CompressedPointersLost,
        UnusedMemory,
        RequestBelowPlan,
        BurstableQos,
        OverheadTooSmall,
        ConfigurationInvalid,
        ConfigurationTooLarge,
        JvmArgumentInvalid,
        PodTemplateInvalid,
        PodTemplateBreaksContainer,
        PodTemplateForbidden,
        UsingLargestFeasible,
        MemoryVolumeUnplanned,
    ],
    // The API server refuses the first three, and a container always has a limit, which is the total; the last two are
    // about slots and files that a pool does not have.
    never_stored: [QuantityInvalid, RequestAboveLimit, FieldInvalid, MissingTotal, SlotTooLarge, ConfigurationIgnored],
}

/// One step into a pool: a name in a map, or an index in a list.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
}

/// The steps of a path as it stands in status: `spec.containers[0].name`, `spec.flinkConfiguration[a.b]`.
fn steps(path: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (key, after) = inner
                .split_once(']')
                .with_context(|| format!("no end of [ in {path}"))?;
            steps.push(
                key.parse()
                    .map_or_else(|_| Step::Name(key.to_owned()), Step::Index),
            );
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Name(rest[..end].to_owned()));
            rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        }
    }
    Ok(steps)
}

/// Makes a change as a person would who reads it in status.
fn apply(pool: &mut Value, suggestion: &SuggestionStatus) -> Result<()> {
    let path = &suggestion.field_path;
    let steps = steps(path)?;
    let (last, parents) = steps
        .split_last()
        .with_context(|| format!("the path {path:?} is empty"))?;
    let mut place = pool;
    for step in parents {
        place = match step {
            Step::Name(name) => {
                if place.is_null() {
                    *place = json!({});
                }
                place
                    .as_object_mut()
                    .with_context(|| format!("{path}: no map holds {name}"))?
                    .entry(name.clone())
                    .or_insert(Value::Null)
            }
            Step::Index(index) => place
                .get_mut(index)
                .with_context(|| format!("{path}: no item {index}"))?,
        };
    }
    match (last, &suggestion.value) {
        (Step::Name(name), Some(value)) => {
            if place.is_null() {
                *place = json!({});
            }
            let map = place
                .as_object_mut()
                .with_context(|| format!("{path}: no map"))?;
            let number = map.get(name).is_some_and(Value::is_number);
            let value = if number {
                serde_json::from_str(value)?
            } else {
                json!(value)
            };
            map.insert(name.clone(), value);
        }
        (Step::Name(name), None) => {
            let removed = place.as_object_mut().and_then(|map| map.remove(name));
            ensure!(removed.is_some(), "{path}: nothing to remove");
        }
        (Step::Index(index), Some(value)) => {
            *place
                .get_mut(*index)
                .with_context(|| format!("{path}: no item"))? = json!(value);
        }
        (Step::Index(index), None) => {
            let list = place
                .as_array_mut()
                .with_context(|| format!("{path}: no list"))?;
            ensure!(*index < list.len(), "{path}: no item to remove");
            list.remove(*index);
        }
    }
    Ok(())
}

/// What the library finds, in the order in which it finds it.
fn judge(pool: &Value) -> Result<Vec<Conflict>> {
    let pool: TaskManagerPool = serde_json::from_value(pool.clone())?;
    Ok(match validate(&pool, &Settings::default()) {
        Ok(valid) => valid.warnings,
        Err(invalid) => invalid.conflicts,
    })
}

fn check_text(case: &Case, configured: &str, bound: &str, message: &str) -> Result<()> {
    ensure!(
        configured.contains(case.configured),
        "configured is {configured:?}, without {:?}: {message}",
        case.configured
    );
    ensure!(
        !bound.is_empty() && bound.contains(case.bound),
        "bound is {bound:?}, without {:?}: {message}",
        case.bound
    );
    ensure!(
        message.len() > 20 && !message.ends_with("is violated"),
        "the message says nothing: {message:?}"
    );
    if let Told(words) = case.way_out {
        ensure!(
            message.contains(words),
            "the message does not say {words:?}: {message}"
        );
    }
    Ok(())
}

/// The case in the library, with its suggestion tried.
fn check_in_library(case: &Case) -> Result<()> {
    let pool = pool_of("pool", &case.spec);
    let found = judge(&pool)?;
    let is_it = |conflict: &&Conflict| {
        conflict.code == case.code
            && conflict.severity == case.severity
            && conflict
                .options
                .first()
                .is_some_and(|option| option.path == case.path)
    };
    let Some(conflict) = found.iter().find(is_it) else {
        let found: Vec<_> = found
            .iter()
            .map(|conflict| {
                (
                    conflict.code,
                    conflict.severity,
                    conflict.options.first().map(|option| option.path.clone()),
                    &conflict.message,
                )
            })
            .collect();
        bail!(
            "no {:?} {} at {}; found {found:#?}",
            case.severity,
            case.code,
            case.path
        );
    };
    check_text(
        case,
        &conflict.configured,
        &conflict.bound,
        &conflict.message,
    )?;
    if case.way_out != Suggested {
        return Ok(());
    }
    let others = found
        .iter()
        .filter(|other| other.severity == Severity::Error && !is_it(other))
        .count();
    ensure!(
        !conflict.suggestions.is_empty(),
        "no suggestion: {}",
        conflict.message
    );
    // Each alone resolves it.
    for suggestion in &conflict.suggestions {
        let mut pool = pool.clone();
        let status = SuggestionStatus {
            field_path: suggestion.path.clone(),
            value: match &suggestion.change {
                Change::Set(value) => Some(value.clone()),
                Change::Remove => None,
            },
            exact: None,
        };
        apply(&mut pool, &status)?;
        let left = judge(&pool)?;
        let again = left.iter().find(|left| {
            left.code == case.code && left.options.first() == conflict.options.first()
        });
        ensure!(
            again.is_none(),
            "{suggestion:?} does not resolve it: {again:#?}"
        );
        let errors: Vec<_> = left
            .iter()
            .filter(|left| left.severity == Severity::Error)
            .collect();
        ensure!(
            others > 0 || errors.is_empty(),
            "{suggestion:?} brings {errors:#?}"
        );
    }
    Ok(())
}

#[test]
fn the_library_finds_every_code_and_its_way_out() {
    let mut failures = Vec::new();
    for case in cases() {
        if let Err(error) = check_in_library(&case) {
            failures.push(format!("{} {}: {error:#}", case.code, case.path));
        }
    }
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_code_has_a_case() {
    let cases: BTreeSet<_> = cases().iter().map(|case| case.code).collect();
    assert_eq!(cases, IN_STATUS.iter().copied().collect());
    let refused: BTreeSet<_> = refusals().iter().map(|(code, ..)| *code).collect();
    for code in NEVER_STORED.iter().filter(|code| {
        !matches!(
            code,
            Code::MissingTotal | Code::SlotTooLarge | Code::ConfigurationIgnored
        )
    }) {
        assert!(refused.contains(code), "no refusal for {code}");
    }
}

/// The case through the API server, with the first suggestion in status applied.
async fn check_in_cluster(scene: &Scene, name: &str, case: &Case) -> Result<()> {
    check_in_library(case)?;
    scene.create(&pool_of(name, &case.spec)).await?;
    let severity = match case.severity {
        Severity::Error => ConflictSeverity::Error,
        Severity::Warning => ConflictSeverity::Warning,
    };
    let find = |pool: &TaskManagerPool| -> Option<ConflictStatus> {
        conflicts(pool)
            .iter()
            .find(|conflict| {
                conflict.code == case.code.as_str()
                    && conflict.severity == severity
                    && conflict.field_path.as_deref() == Some(case.path)
            })
            .cloned()
    };
    let pool = scene
        .wait(name, "its conflict is in status", |pool| {
            is_observed(pool) && find(pool).is_some()
        })
        .await?;
    let conflict = find(&pool).context("it was just there")?;
    check_text(
        case,
        &conflict.configured,
        &conflict.bound,
        &conflict.message,
    )?;
    let resolved = condition(&pool, "BudgetResolved").context("no condition BudgetResolved")?;
    let refused = conflicts(&pool)
        .iter()
        .any(|conflict| conflict.severity == ConflictSeverity::Error);
    let expected = if refused { "False" } else { "True" };
    ensure!(resolved.status == expected, "{resolved:#?}");
    // What the library says is what status says.
    let library = judge(&serde_json::to_value(&pool)?)?;
    let messages: BTreeSet<_> = library
        .iter()
        .map(|conflict| conflict.message.chars().take(1000).collect::<String>())
        .collect();
    for conflict in conflicts(&pool) {
        let message: String = conflict.message.chars().take(1000).collect();
        ensure!(
            messages.contains(&message),
            "the library does not say: {message}"
        );
    }
    if refused {
        ensure!(
            scene.children(name).await?.count() == 0,
            "children were made for a wrong spec"
        );
    }
    if case.way_out != Suggested {
        return Ok(());
    }
    let suggestion = conflict
        .suggestions
        .first()
        .context("no suggestion in status")?;
    let mut stored = serde_json::to_value(scene.raw_pools().get(name).await?)?;
    apply(&mut stored, suggestion)?;
    scene.replace(name, &stored["spec"]).await?;
    scene
        .wait(name, "its suggestion was applied and resolves it", |pool| {
            is_observed(pool) && find(pool).is_none()
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn the_controller_reports_every_code_and_its_suggestion_resolves_it() -> Result<()> {
    let scene = Scene::new("codes").await?;
    let cases = cases();
    let failures: Vec<String> = stream::iter(cases.iter().enumerate())
        .map(|(index, case)| {
            let scene = &scene;
            async move {
                check_in_cluster(scene, &format!("pool-{index}"), case)
                    .await
                    .err()
                    .map(|error| format!("{} {}: {error:#}", case.code, case.path))
            }
        })
        .buffer_unordered(8)
        .filter_map(std::future::ready)
        .collect()
        .await;
    ensure!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    scene.end().await
}

#[tokio::test]
async fn the_api_server_refuses_what_needs_no_arithmetic_and_says_the_way_out() -> Result<()> {
    let cluster = e2e::Cluster::shared().await?;
    crate::resource::install_definition(&cluster).await?;
    let namespace = cluster.namespace("refusals").await?;
    let resource = kube::api::ApiResource::erase::<TaskManagerPool>(&());
    let api =
        kube::Api::<DynamicObject>::namespaced_with(cluster.client().await?, &namespace, &resource);
    stream::iter(refusals())
        .map(Ok)
        .try_for_each(|(code, spec, says)| {
            let api = &api;
            async move {
                let pool = pool_of("refused", &spec);
                let object: DynamicObject = serde_json::from_value(pool.clone())?;
                let Err(error) = api.create(&PostParams::default(), &object).await else {
                    bail!("{code}: {spec} was accepted");
                };
                let message = error.to_string();
                for part in says {
                    ensure!(
                        message.contains(part),
                        "{code}: the message does not say {part:?}: {message}"
                    );
                }
                // The command line never asks an API server and says the same.
                if let Ok(found) = judge(&pool) {
                    ensure!(
                        found.iter().any(|conflict| conflict.code == code),
                        "the library does not say {code}: {found:#?}"
                    );
                }
                Ok(())
            }
        })
        .await
}
