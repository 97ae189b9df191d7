//! The model of Flink 1.9: container, Java, started TaskManager and start script.

use headroom::budget::{
    Configuration, FlinkError, Origin,
    legacy::{ScriptRefusal, container, network_from_heap, process, start_script},
};
use serde_json::{Map, Value, json};

use super::text_of;

/// What an answer consists of: the fields of a result, or of an error.
type Answer = Result<Map<String, Value>, Value>;

/// Every field of the recorded answer that is not ours.
pub fn differences(vector: &Value) -> Result<Vec<String>, String> {
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
    let number = |name: &str| {
        vector
            .get(name)
            .and_then(Value::as_i64)
            .ok_or_else(|| format!("no number {name:?}"))
    };
    let ours = match text_of(vector, "mode") {
        "container" => container_answer(&configuration, number("totalMB")?),
        "java" => process_answer(&configuration, number("totalMB")?),
        "runtime" => started_answer(&configuration, number("heapBytes")?),
        "standalone-script" => script_answer(&configuration),
        mode => return Err(format!("no mode {mode:?} of Flink 1.9")),
    };
    let recorded = |name: &str| vector.get(name).filter(|value| value.is_object());
    Ok(match (ours, recorded("result"), recorded("error")) {
        (Ok(ours), Some(Value::Object(theirs)), _) => differing(&ours, theirs),
        (Err(Value::Object(ours)), _, Some(Value::Object(theirs))) => differing(&ours, theirs),
        (Ok(_), None, Some(theirs)) => vec![format!("Flink fails: {theirs}")],
        (Err(ours), Some(_), _) => vec![format!("Headroom fails: {ours}")],
        _ => return Err("neither result nor error".to_owned()),
    })
}

/// Fields that one side has and the other has not, or has otherwise.
fn differing(ours: &Map<String, Value>, theirs: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| ours.get(*name) != theirs.get(*name))
        .map(|name| {
            format!(
                "{name}: Flink {:?}, Headroom {:?}",
                theirs.get(name),
                ours.get(name)
            )
        })
        .collect()
}

fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The recorded answers hold no causes, and `null` where an exception has no message.
fn thrown(error: &FlinkError) -> Value {
    let message = Some(&error.message).filter(|message| !message.is_empty());
    json!({ "class": error.class, "message": message })
}

fn container_answer(configuration: &Configuration, total_mebibytes: i64) -> Answer {
    let plan = container(configuration, total_mebibytes).map_err(|error| thrown(&error))?;
    Ok(fields([
        ("cutoffMB", json!(plan.cut_off.bytes >> 20)),
        ("heapMB", json!(plan.heap.bytes >> 20)),
        ("directLimitMB", json!(plan.direct_limit_mebibytes())),
        ("jvmParams", json!(plan.jvm_parameters())),
        ("networkBytes", json!(plan.network.bytes)),
        ("managedBytes", json!(plan.managed.bytes)),
    ]))
}

fn process_answer(configuration: &Configuration, total_mebibytes: i64) -> Answer {
    let plan = process(configuration, total_mebibytes).map_err(|error| thrown(&error))?;
    Ok(fields([
        ("heapMB", json!(plan.heap.bytes >> 20)),
        ("networkBytes", json!(plan.network.bytes)),
        ("managedBytes", json!(plan.managed.bytes)),
    ]))
}

fn started_answer(configuration: &Configuration, heap_bytes: i64) -> Answer {
    let network = network_from_heap(configuration, heap_bytes).map_err(|error| thrown(&error))?;
    Ok(fields([
        ("pageSize", json!(network.page_bytes)),
        ("networkBytes", json!(network.network.bytes)),
        ("networkBuffers", json!(network.buffers())),
    ]))
}

fn script_answer(configuration: &Configuration) -> Answer {
    match start_script(configuration) {
        Ok(Some(plan)) => Ok(fields([
            ("totalMB", json!(plan.total.bytes >> 20)),
            ("heapMB", json!(plan.heap.bytes >> 20)),
            ("jvmParams", json!(plan.jvm_parameters())),
        ])),
        Ok(None) => Err(json!({ "output": "the scripts leave the heap to the JVM" })),
        Err(refusal) => Err(json!({ "output": printed(configuration, &refusal) })),
    }
}

/// What the recording printed: the size of the process, then what `config.sh` says; where it says it in the middle of
/// a sum, bash complains about the sum as well.
fn printed(configuration: &Configuration, refusal: &ScriptRefusal) -> String {
    let total = total_mebibytes(configuration);
    match refusal {
        ScriptRefusal::Network { message } => format!(
            "FLINK_ROOT/v/1.9.3/bin/config.sh: line 744: {message} >> 20: syntax error: operand expected (error \
             token is \"{message} >> 20\")\nRESULT {total}"
        ),
        ScriptRefusal::Script { message } => format!("RESULT {total} {message}"),
        ScriptRefusal::Value { .. } => refusal.to_string(),
    }
}

/// The size of the process alone: without the options that were refused.
fn total_mebibytes(configuration: &Configuration) -> i64 {
    let is_total = |key: &str| key.starts_with("taskmanager.heap.");
    let total_alone = configuration
        .iter()
        .filter(|setting| is_total(&setting.key))
        .cloned()
        .chain(
            [
                ("taskmanager.network.memory.min", "0"),
                ("taskmanager.network.memory.max", "0"),
            ]
            .map(|(key, value)| headroom::budget::Setting {
                key: key.to_owned(),
                value: value.to_owned(),
                origin: Origin::FlinkConfiguration,
            }),
        )
        .collect();
    start_script(&total_alone)
        .ok()
        .flatten()
        .map_or(0, |plan| plan.total.bytes >> 20)
}
