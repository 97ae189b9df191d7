//! A FlinkDeployment of the Apache Flink Kubernetes Operator, and the sizes that the operator makes of it.
//!
//! Mirrors the operator's `FlinkConfigBuilder`: `flinkConfiguration` first, then the resource's memory as the
//! process size, read as Flink's size and, if that fails, as a Kubernetes quantity in upper case. Of `resources`,
//! which newer operators have, the request counts and else the limit.

use std::collections::BTreeMap;

use super::{
    cluster::{Found, Reader},
    node::{Node, Shape},
    process::{Additions, Gathered, Places, ProcessDocument},
};
use crate::{
    budget::{Code, Configuration, FlinkVersion, MilliCpu, Mode, Origin, memory_size, options},
    bytes::Bytes,
    desired::{At, flattened},
    quantity,
};

/// The processes that a FlinkDeployment asks for.
pub(super) fn read(found: &Found, reader: &mut Reader<'_>) {
    let Some(version) = version(found, reader) else {
        return;
    };
    let mut gathered = Gathered::default();
    add_flink_configuration(found, version.0, &mut gathered);
    let task_manager = found.node.at(&["spec", "taskManager"]);
    add_memory(
        task_manager,
        "spec.taskManager",
        options::PROCESS_SIZE,
        &mut gathered,
    );
    add_template_limits(found, task_manager, &mut gathered);
    let (mut request, conflicts) = gathered.into_request(version.0);
    // Client and operator derive the sizes, whoever starts the pods then.
    request.mode = Mode::Kubernetes;
    request.cpu_limit = task_manager.and_then(|part| cpu_limit(part, &request.configuration));
    reader.processes.push(ProcessDocument {
        conflicts,
        places: Places {
            additions: Additions::FlinkConfiguration,
            ..Places::default()
        },
        ..found.process(version, request)
    });
}

fn version(found: &Found, reader: &mut Reader<'_>) -> Option<(FlinkVersion, String)> {
    let field = "spec.flinkVersion";
    match found.node.at(&["spec", "flinkVersion"]) {
        Some(node) => match node.scalar_text().unwrap_or_default().parse() {
            Ok(version) => Some((version, field.to_owned())),
            Err(error) => {
                let error: crate::budget::UnsupportedFlinkVersion = error;
                reader.problem(
                    found,
                    node.place,
                    field,
                    format!("{error}; the operator writes it like v1_20"),
                );
                None
            }
        },
        None => reader.default_version(found, "it has no spec.flinkVersion, for example v1_20"),
    }
}

/// `spec.flinkConfiguration`, flat or nested, every value as text.
fn add_flink_configuration(found: &Found, version: FlinkVersion, gathered: &mut Gathered) {
    let Some(node) = found.node.at(&["spec", "flinkConfiguration"]) else {
        return;
    };
    let spec: BTreeMap<String, serde_json::Value> = node
        .entries()
        .iter()
        .map(|entry| (entry.key.clone(), entry.value.to_json()))
        .collect();
    let (settings, conflicts) = flattened(&spec, version);
    for (key, value) in settings {
        gathered.put(&key, &value, Origin::FlinkConfiguration);
    }
    gathered.conflicts.extend(conflicts);
}

/// The resource's memory as the process size.
fn add_memory(part: Option<&Node>, path: &str, process_size: &str, gathered: &mut Gathered) {
    let Some(part) = part else { return };
    let fields = [
        (["resource", "memory", ""], "resource.memory"),
        (
            ["resources", "requests", "memory"],
            "resources.requests.memory",
        ),
        (["resources", "limits", "memory"], "resources.limits.memory"),
    ];
    let written = fields.iter().find_map(|(steps, name)| {
        let steps: Vec<&str> = steps
            .iter()
            .copied()
            .filter(|step| !step.is_empty())
            .collect();
        part.at(&steps)
            .filter(|node| !matches!(node.shape, Shape::Null))
            .map(|node| (node, *name))
    });
    let Some((node, name)) = written else { return };
    let field = format!("{path}.{name}");
    let text = node.scalar_text().unwrap_or_default().into_owned();
    let origin = Origin::field(field.clone());
    match operator_memory(&text) {
        Ok((value, remark)) => {
            if let Some(remark) = remark {
                let at = At::field(&field, text.as_str());
                gathered.conflicts.push(at.warning(
                    Code::SuspiciousQuantity,
                    "a size of Flink, such as 2048m",
                    format!("{field} is {remark}"),
                ));
            }
            if let Some(other) = gathered.setting(process_size) {
                let at = At::origin(&other.key, other.value.as_str(), other.origin.clone());
                let message = format!(
                    "{} is {} and has no effect, because the operator sets the option to {field}, {text}; remove it",
                    other.origin.path(&other.key),
                    other.value
                );
                gathered.conflicts.push(at.warning(
                    Code::IneffectiveOption,
                    format!("no value beside {field}"),
                    message,
                ));
            }
            gathered.put(process_size, &value, origin);
        }
        Err(reason) => {
            // The solver says the same of the text itself, so this is said once, and without the option.
            let at = At::field(&field, text.as_str());
            gathered.conflicts.push(at.error(
                Code::SizeInvalid,
                "a size of Flink or a Kubernetes quantity",
                format!("{field} {text:?} {reason}; write whole mebibytes, such as 2048m"),
            ));
            gathered.put(process_size, "1728m", Origin::field(field));
        }
    }
}

/// The CPU limit of the pods: the resource's cpu times the limit factor, as Flink computes it.
fn cpu_limit(task_manager: &Node, configuration: &Configuration) -> Option<MilliCpu> {
    let cores = task_manager
        .at(&["resource", "cpu"])
        .and_then(Node::scalar_text)?;
    let factor = configuration
        .setting(options::KUBERNETES_TASKMANAGER_CPU_LIMIT_FACTOR)
        .map_or(Ok(1.0), |setting| setting.value.trim().parse::<f64>());
    let milli = cores.trim().parse::<f64>().ok()? * factor.ok()? * 1000.0;
    // No machine has a million cores.
    (0.0..=1e9)
        .contains(&milli)
        .then(|| MilliCpu(milli.ceil() as u64))
}

/// What the operator makes of a memory text: the process size, and what is odd about it.
fn operator_memory(text: &str) -> Result<(String, Option<String>), String> {
    if let Ok(bytes) = memory_size::parse(text) {
        let remark =
            (bytes < Bytes::MEBI).then(|| format!("{text}, which Flink takes for {bytes}"));
        return Ok((text.to_owned(), remark));
    }
    let mut upper: String = text
        .trim()
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    upper = upper.to_uppercase();
    if upper.ends_with('B') {
        upper.pop();
    }
    if upper.ends_with('I') {
        upper.pop();
        upper.push('i');
    }
    let bytes =
        quantity::parse_memory(&upper).map_err(|error| format!("cannot be read: {error}"))?;
    if upper.contains('.') {
        // The operator hands a product of decimals to Flink, whose sizes have no decimal point.
        return Err(format!(
            "becomes {}.0 in the operator, and Flink's sizes take no decimal point",
            bytes.get()
        ));
    }
    let is_decimal = upper.ends_with(|last: char| last.is_ascii_uppercase());
    let remark = is_decimal
        .then(|| format!("{text}, which the operator takes for the decimal {upper}, {bytes}"));
    Ok((bytes.get().to_string(), remark))
}

/// Memory in a pod template, which Flink writes over.
fn add_template_limits(found: &Found, task_manager: Option<&Node>, gathered: &mut Gathered) {
    let own = task_manager
        .and_then(|node| node.child("podTemplate"))
        .map(|node| (node, "spec.taskManager.podTemplate"));
    let common = found
        .node
        .at(&["spec", "podTemplate"])
        .map(|node| (node, "spec.podTemplate"));
    for (template, path) in [own, common].into_iter().flatten() {
        for (index, container) in template
            .at(&["spec", "containers"])
            .map_or(&[][..], Node::items)
            .iter()
            .enumerate()
        {
            if container.child("name").and_then(Node::text) != Some("flink-main-container") {
                continue;
            }
            for kind in ["requests", "limits"] {
                let Some(memory) = container.at(&["resources", kind, "memory"]) else {
                    continue;
                };
                let field = format!("{path}.spec.containers[{index}].resources.{kind}.memory");
                let value = memory.scalar_text().unwrap_or_default().into_owned();
                let message = format!(
                    "{field} is {value} and has no effect, because Flink writes its own process size there; set \
                     spec.taskManager.resource.memory instead"
                );
                let at = At::field(field, value);
                gathered
                    .conflicts
                    .push(at.warning(Code::IneffectiveOption, "no value", message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_a_size_of_flink_first_and_a_quantity_second() {
        for (text, value) in [
            ("2048m", "2048m"),
            ("2g", "2g"),
            ("2 gb", "2 gb"),
            ("2Gi", "2147483648"),
            ("2 gib", "2147483648"),
            ("512mi", "536870912"),
        ] {
            assert_eq!(
                operator_memory(text),
                Ok((value.to_owned(), None)),
                "{text}"
            );
        }
        for text in ["", "x", "-1Gi", "1.5g", "1.5Gi"] {
            assert!(operator_memory(text).is_err(), "{text}");
        }
        // Flink takes a bare number for bytes.
        assert!(operator_memory("2048").unwrap().1.is_some());
    }
}
