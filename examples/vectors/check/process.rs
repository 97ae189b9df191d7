//! What Flink derives for a process: sizes, flags, options, and errors with every cause.

use headroom::{
    budget::{
        Budget, Configuration, FlinkError, FlinkVersion, Origin, Request, derive,
        dynamic_configurations_line, jvm_parameters, remarks,
    },
    bytes::Bytes,
};
use serde_json::Value;

use super::text_of;

/// Every field that differs, or why there is no model for the question.
///
/// # Errors
/// The line is not in the format of the recorded answers.
pub fn differences(vector: &Value) -> Result<Result<Vec<String>, String>, String> {
    match (text_of(vector, "role"), text_of(vector, "mode")) {
        ("taskmanager", "standalone") => {}
        (role, mode) => return Ok(Err(format!("role {role}, mode {mode}"))),
    }
    let version = text_of(vector, "flinkVersion");
    let Ok(version) = version.parse::<FlinkVersion>() else {
        return Ok(Err(format!("Flink {version}")));
    };
    let request = request(version, vector)?;
    let mut differences = Vec::new();
    match (derive(&request), vector.get("result"), vector.get("error")) {
        (Ok(budget), Some(result), _) => compare_result(&budget, result, &mut differences),
        (Err(error), _, Some(recorded)) => compare_error(&error, recorded, &mut differences),
        (Ok(_), None, Some(recorded)) => differences.push(format!("Flink fails: {recorded}")),
        (Err(error), Some(_), _) => differences.push(format!("Headroom fails: {error}")),
        (_, None, None) => return Err("neither result nor error".to_owned()),
    }
    compare_logs(&request, vector, &mut differences);
    Ok(Ok(differences))
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

fn request(version: FlinkVersion, vector: &Value) -> Result<Request, String> {
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
    let mut request = Request::new(version, configuration);
    request.legacy_heap_environment = vector
        .pointer("/env/FLINK_TM_HEAP")
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ok(request)
}

fn compare_result(budget: &Budget, recorded: &Value, differences: &mut Vec<String>) {
    let mut size = |name: &str, ours: Bytes| {
        if recorded.get(name).and_then(Value::as_u64) != Some(ours.get()) {
            differences.push(format!(
                "{name}: Flink {:?}, Headroom {}",
                recorded.get(name),
                ours.get()
            ));
        }
    };
    for (name, component) in budget.components() {
        size(name, component.bytes);
    }
    size("jvmHeap", budget.jvm_heap());
    size("jvmDirect", budget.jvm_direct());
    if recorded.get("cpuCores").and_then(Value::as_f64) != Some(budget.cpu_cores) {
        differences.push(format!(
            "cpuCores: Flink {:?}, Headroom {}",
            recorded.get("cpuCores"),
            budget.cpu_cores
        ));
    }
    // Before 1.13 the number of slots is no part of Flink's answer and recorded as null.
    let slots = recorded.get("numSlots").filter(|slots| !slots.is_null());
    if slots.is_some_and(|slots| slots.as_i64() != Some(i64::from(budget.number_of_task_slots))) {
        differences.push(format!(
            "numSlots: Flink {slots:?}, Headroom {}",
            budget.number_of_task_slots
        ));
    }
    for (name, ours) in [
        ("jvmParams", jvm_parameters(budget)),
        ("dynamicConfigs", dynamic_configurations_line(budget)),
    ] {
        if recorded.get(name).and_then(Value::as_str) != Some(&ours) {
            differences.push(format!("{name}: Flink    {:?}", recorded.get(name)));
            differences.push(format!("{name}: Headroom {ours:?}"));
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
        let recorded_class = theirs
            .get("class")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let recorded_message = theirs
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default();
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
