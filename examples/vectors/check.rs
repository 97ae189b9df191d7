//! One recorded answer of Flink against Headroom's: sizes, flags, options, and errors with every cause.

use headroom::{
    budget::{
        Budget, Configuration, FlinkError, FlinkVersion, Origin, Request, derive,
        dynamic_configurations_line, jvm_parameters, memory_size,
    },
    bytes::Bytes,
};
use serde_json::Value;

/// What became of a line.
pub enum Outcome {
    /// Both agree.
    Passed,
    /// They don't.
    Failed {
        /// The line's name.
        id: String,
        /// Every field that differs, with both values.
        differences: Vec<String>,
    },
    /// There is no model for this kind of question yet.
    Skipped(String),
}

/// Checks one line.
///
/// # Errors
/// The line is no JSON object in the format of the recorded answers.
pub fn line(text: &str) -> Result<Outcome, String> {
    let vector: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let field = |name: &str| vector.get(name).and_then(Value::as_str).unwrap_or_default();
    match vector.get("op").and_then(Value::as_str) {
        Some("parse") => return Ok(parsed(&vector)),
        Some(operation) => return Ok(Outcome::Skipped(format!("auxiliary question {operation}"))),
        None => {}
    }
    match (field("role"), field("mode")) {
        ("taskmanager", "standalone") => {}
        ("", mode) => {
            return Ok(Outcome::Skipped(format!(
                "the model of Flink 1.9, mode {mode}"
            )));
        }
        (role, mode) => return Ok(Outcome::Skipped(format!("role {role}, mode {mode}"))),
    }
    let Ok(version) = field("flinkVersion").parse::<FlinkVersion>() else {
        return Ok(Outcome::Skipped(format!("Flink {}", field("flinkVersion"))));
    };
    let request = request(version, &vector)?;
    let mut differences = Vec::new();
    match (derive(&request), vector.get("result"), vector.get("error")) {
        (Ok(budget), Some(result), _) => compare_result(&budget, result, &mut differences),
        (Err(error), _, Some(recorded)) => compare_error(&error, recorded, &mut differences),
        (Ok(_), None, Some(recorded)) => differences.push(format!("Flink fails: {recorded}")),
        (Err(error), Some(_), _) => differences.push(format!("Headroom fails: {error}")),
        (_, None, None) => return Err("neither result nor error".to_owned()),
    }
    Ok(if differences.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed {
            id: field("id").to_owned(),
            differences,
        }
    })
}

/// The text of a size: its bytes and Flink's readable form, or Flink's error.
fn parsed(vector: &Value) -> Outcome {
    let mut differences = Vec::new();
    let text = vector
        .get("text")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let recorded = |pointer: &str| vector.pointer(pointer).cloned().unwrap_or_default();
    match memory_size::parse(text) {
        Ok(size) => {
            let human = memory_size::human_readable(size);
            if recorded("/result/bytes") != size.get() || recorded("/result/human") != human {
                let result = recorded("/result");
                differences.push(format!(
                    "{text:?}: Flink {result}, Headroom {} {human:?}",
                    size.get()
                ));
            }
        }
        Err(error) => {
            let message = error.flink_message();
            if recorded("/error/message") != message {
                differences.push(format!(
                    "{text:?}: Flink {}, Headroom {message:?}",
                    recorded("/error")
                ));
            }
        }
    }
    if differences.is_empty() {
        return Outcome::Passed;
    }
    let id = recorded("/id").as_str().unwrap_or_default().to_owned();
    Outcome::Failed { id, differences }
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

fn compare_error(error: &FlinkError, recorded: &Value, differences: &mut Vec<String>) {
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
