//! What Flink derives for a process: sizes, flags, options, what it logs, and errors with every cause.

use headroom::{
    budget::{
        Budget, Configuration, FlinkError, FlinkVersion, Mode, Origin, Request, Role, derive,
        dynamic_configurations_line,
        jobmanager::{self, JobManagerBudget},
        jvm_parameters,
        kubernetes::{ContainerResources, jobmanager_container, worker_pod},
        remarks, slots,
    },
    bytes::Bytes,
};
use serde_json::Value;

use super::text_of;

/// Every field that differs, or why there is no model for the question.
///
/// # Errors
/// The line is not in the format of the recorded answers.
pub fn differences(vector: &Value) -> Result<Vec<String>, String> {
    let request = request(vector)?;
    let (result, error) = (vector.get("result"), vector.get("error"));
    let mut differences = Vec::new();
    let failure = match request.role {
        Role::TaskManager => match (derive(&request), result) {
            (Ok(budget), Some(result)) => {
                compare_taskmanager(&budget, result, &mut differences);
                compare_slot(&budget, result, &mut differences);
                compare_worker(&request, result, &mut differences);
                None
            }
            (Ok(_), None) => None,
            (Err(error), _) => Some(error),
        },
        Role::JobManager => match (jobmanager::derive(&request), result) {
            (Ok(budget), Some(result)) => {
                compare_jobmanager(&request, &budget, result, &mut differences);
                None
            }
            (Ok(_), None) => None,
            (Err(error), _) => Some(error),
        },
    };
    match (failure, result, error) {
        (None, Some(_), _) => {}
        (Some(failure), _, Some(recorded)) => compare_error(&failure, recorded, &mut differences),
        (None, None, Some(recorded)) => differences.push(format!("Flink fails: {recorded}")),
        (Some(failure), Some(_), _) => differences.push(format!("Headroom fails: {failure}")),
        (_, None, None) => return Err("neither result nor error".to_owned()),
    }
    compare_logs(&request, vector, &mut differences);
    Ok(differences)
}

fn request(vector: &Value) -> Result<Request, String> {
    let mut configuration = Configuration::new();
    let options = vector
        .get("config")
        .and_then(Value::as_object)
        .ok_or("no object `config`")?;
    for (key, value) in options {
        let value = value
            .as_str()
            .ok_or_else(|| format!("the value of {key} is no string"))?;
        configuration.push(key, value, Origin::FlinkConfiguration);
    }
    let version = text_of(vector, "flinkVersion");
    let version = version
        .parse::<FlinkVersion>()
        .map_err(|error| error.to_string())?;
    let (role, environment) = match text_of(vector, "role") {
        "taskmanager" => (Role::TaskManager, "/env/FLINK_TM_HEAP"),
        "jobmanager" => (Role::JobManager, "/env/FLINK_JM_HEAP"),
        other => return Err(format!("there is no role {other}")),
    };
    let mode = match text_of(vector, "mode") {
        // The JobManager of 1.10 was asked for its container's cut-off in either mode.
        _ if role == Role::JobManager && version == FlinkVersion::V1_10 => Mode::Kubernetes,
        "standalone" => Mode::Standalone,
        "kubernetes" => Mode::Kubernetes,
        other => return Err(format!("there is no mode {other}")),
    };
    let mut request = Request::new(version, configuration)
        .with_role(role)
        .with_mode(mode);
    request.legacy_heap_environment = vector
        .pointer(environment)
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ok(request)
}

/// The lines that Flink logs, in their order.
fn compare_logs(request: &Request, vector: &Value, differences: &mut Vec<String>) {
    let recorded = vector.get("logs").and_then(Value::as_array);
    let theirs: Vec<&str> = recorded
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let ours: Vec<String> = remarks(request)
        .iter()
        .map(|remark| {
            let message = remark.flink_message(request.flink_version);
            format!("{} {message}", remark.level().as_str())
        })
        .collect();
    if ours != theirs {
        differences.push(format!("logs: Flink    {theirs:#?}"));
        differences.push(format!("logs: Headroom {ours:#?}"));
    }
}

/// One recorded answer, against which one field after the other is held.
struct Recorded<'a> {
    result: &'a Value,
    differences: &'a mut Vec<String>,
}

impl Recorded<'_> {
    fn size(&mut self, name: &str, ours: Bytes) {
        self.value(name, &Value::from(ours.get()));
    }

    fn text(&mut self, name: &str, ours: &str) {
        self.value(name, &Value::from(ours));
    }

    /// Up to JDK 18 some doubles are written with more digits than they need, which is the JVM's wording.
    fn double(&mut self, name: &str, ours: &str) {
        let theirs = self.result.get(name).and_then(Value::as_str);
        let is_longer = theirs.is_some_and(|theirs| {
            theirs.len() > ours.len() && theirs.parse::<f64>() == ours.parse::<f64>()
        });
        if !is_longer {
            self.text(name, ours);
        }
    }

    fn value(&mut self, name: &str, ours: &Value) {
        let theirs = self.result.get(name).unwrap_or(&Value::Null);
        if theirs != ours {
            self.differences.push(format!("{name}: Flink    {theirs}"));
            self.differences.push(format!("{name}: Headroom {ours}"));
        }
    }
}

fn compare_taskmanager(budget: &Budget, result: &Value, differences: &mut Vec<String>) {
    let mut recorded = Recorded {
        result,
        differences,
    };
    for (name, component) in budget.components() {
        recorded.size(name, component.bytes);
    }
    recorded.size("jvmHeap", budget.jvm_heap());
    recorded.size("jvmDirect", budget.jvm_direct());
    recorded.value("cpuCores", &Value::from(budget.cpu_cores));
    // Before 1.13 the number of slots is no part of Flink's answer.
    let slots = if budget.flink_version < FlinkVersion::V1_13 {
        Value::Null
    } else {
        Value::from(budget.number_of_task_slots)
    };
    recorded.value("numSlots", &slots);
    recorded.text("jvmParams", &jvm_parameters(budget));
    recorded.text("dynamicConfigs", &dynamic_configurations_line(budget));
}

/// The default slot of a TaskManager that is started with these sizes.
fn compare_slot(budget: &Budget, result: &Value, differences: &mut Vec<String>) {
    let absent = Value::Null;
    let theirs = result.get("slotProfile").unwrap_or(&absent);
    match (
        slots::default_profile(budget),
        result.get("slotProfileError"),
    ) {
        (Ok(profile), None) => {
            let mut recorded = Recorded {
                result: theirs,
                differences,
            };
            recorded.value("slots", &Value::from(profile.slots));
            recorded.text("cpu", &profile.cpu_cores);
            recorded.size("taskHeapMemory", profile.task_heap);
            recorded.size("taskOffHeapMemory", profile.task_off_heap);
            recorded.size("managedMemory", profile.managed);
            recorded.size("networkMemory", profile.network);
        }
        (Err(error), Some(theirs)) => compare_error(&error, theirs, differences),
        (Ok(_), Some(theirs)) => differences.push(format!("slots: Flink fails: {theirs}")),
        (Err(error), None) => differences.push(format!("slots: Headroom fails: {error}")),
    }
}

/// The pod that the resource manager computes anew, where that was asked: on Kubernetes, since 1.11.
fn compare_worker(request: &Request, result: &Value, differences: &mut Vec<String>) {
    let absent = Value::Null;
    let (theirs, error) = (result.get("k8sWorker"), result.get("k8sWorkerError"));
    if request.mode != Mode::Kubernetes || request.flink_version < FlinkVersion::V1_11 {
        return;
    }
    match (worker_pod(request), error) {
        (Ok(pod), None) => {
            let mut recorded = Recorded {
                result: theirs.unwrap_or(&absent),
                differences,
            };
            recorded.size("jvmOverhead", pod.budget.jvm_overhead.bytes);
            recorded.size("totalProcess", pod.budget.total_process.bytes);
            recorded.value(
                "podMemoryMiB",
                &Value::from(pod.container.memory_request_mebibytes),
            );
            recorded.text("jvmParams", &jvm_parameters(&pod.budget));
            recorded.text("dynamicConfigs", &dynamic_configurations_line(&pod.budget));
            compare_container(&pod.container, theirs, differences);
        }
        (Err(error), Some(theirs)) => compare_error(&error, theirs, differences),
        (Ok(_), Some(theirs)) => differences.push(format!("worker: Flink fails: {theirs}")),
        (Err(error), None) => differences.push(format!("worker: Headroom fails: {error}")),
    }
}

/// What the container asks for, where that was recorded.
fn compare_container(
    container: &ContainerResources,
    result: Option<&Value>,
    differences: &mut Vec<String>,
) {
    let Some(result) = result.and_then(|result| result.get("container")) else {
        return;
    };
    let mut recorded = Recorded {
        result,
        differences,
    };
    let mebibytes = |number: i32| format!("{number}Mi");
    recorded.text(
        "memoryRequest",
        &mebibytes(container.memory_request_mebibytes),
    );
    recorded.text("memoryLimit", &mebibytes(container.memory_limit_mebibytes));
    recorded.double("cpuRequest", &container.cpu_request);
    recorded.double("cpuLimit", &container.cpu_limit);
}

fn compare_jobmanager(
    request: &Request,
    budget: &JobManagerBudget,
    result: &Value,
    differences: &mut Vec<String>,
) {
    let mut recorded = Recorded {
        result,
        differences,
    };
    match budget {
        JobManagerBudget::Unified(_) => {
            for (name, component) in budget.components() {
                recorded.size(name, component.bytes);
            }
            recorded.text("jvmParams", &jobmanager::jvm_parameters(budget));
            recorded.value(
                "dynamicConfigs",
                &jobmanager::dynamic_configurations_line(budget).map_or(Value::Null, Value::from),
            );
            if request.mode == Mode::Kubernetes {
                match (
                    jobmanager_container(request, budget),
                    result.get("containerError"),
                ) {
                    (Ok(container), None) => {
                        recorded.value(
                            "podMemoryMiB",
                            &Value::from(container.memory_request_mebibytes),
                        );
                        compare_container(&container, Some(result), differences);
                    }
                    (Err(error), Some(theirs)) => compare_error(&error, theirs, differences),
                    (Ok(_), Some(theirs)) => {
                        differences.push(format!("pod: Flink fails: {theirs}"));
                    }
                    (Err(error), None) => {
                        differences.push(format!("pod: Headroom fails: {error}"));
                    }
                }
            }
        }
        JobManagerBudget::Cutoff(cutoff) => {
            let mebibytes = |bytes: Bytes| Value::from(bytes.whole_mebibytes());
            let container = cutoff.container.as_ref();
            recorded.value(
                "containerMB",
                &container.map_or(Value::Null, |container| mebibytes(container.bytes)),
            );
            recorded.value("heapMB", &mebibytes(cutoff.jvm_heap.bytes));
        }
    }
}

/// Adds every way in which two exceptions differ: class, message, causes.
pub fn compare_error(error: &FlinkError, recorded: &Value, differences: &mut Vec<String>) {
    let ours = std::iter::once((error.class, error.message.as_str())).chain(
        error
            .causes
            .iter()
            .map(|cause| (cause.class, cause.message.as_str())),
    );
    let causes = recorded.get("causes").and_then(Value::as_array);
    let theirs = std::iter::once(recorded).chain(causes.into_iter().flatten());
    let (ours, theirs): (Vec<_>, Vec<_>) = (ours.collect(), theirs.collect());
    if ours.len() != theirs.len() {
        differences.push(format!(
            "causes: Flink {}, Headroom {}",
            theirs.len() - 1,
            ours.len() - 1
        ));
    }
    for (index, ((class, message), theirs)) in ours.iter().zip(&theirs).enumerate() {
        let recorded_class = text_of(theirs, "class");
        let recorded_message = text_of(theirs, "message");
        // The wording of a NumberFormatException is the JVM's, not Flink's.
        let same_message =
            recorded_message == *message || *class == "java.lang.NumberFormatException";
        if recorded_class != *class || !same_message {
            differences.push(format!(
                "error {index}: Flink    {recorded_class}: {recorded_message}"
            ));
            differences.push(format!("error {index}: Headroom {class}: {message}"));
        }
    }
}
