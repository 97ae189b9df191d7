//! A FlinkDeployment of the Apache Flink Kubernetes Operator, and the sizes that the operator makes of it.
//!
//! Mirrors the operator's `FlinkConfigBuilder`: `flinkConfiguration` first, then the resource's memory as the
//! process size of TaskManager and JobManager, read as Flink's size and, if that fails, as a Kubernetes quantity in upper case. Of `resources`,
//! which newer operators have, the request counts and else the limit.

use std::collections::BTreeMap;

use super::{
    cluster::{Found, Reader},
    node::{Node, Shape},
    process::{Additions, Gathered, Places, ProcessDocument},
    workload::heap_of_environment,
};
use crate::{
    budget::{
        Code, Configuration, FlinkVersion, MilliCpu, Mode, Origin, Role, heap_environment,
        memory_size, options,
    },
    bytes::Bytes,
    desired::{At, flattened},
    quantity,
};

/// The processes that a FlinkDeployment asks for.
pub(super) fn read(found: &Found, reader: &mut Reader<'_>) {
    let Some(version) = version(found, reader) else {
        return;
    };
    let Some(mode) = mode(found, reader) else {
        return;
    };
    for part in [Part::TASK_MANAGER, Part::JOB_MANAGER] {
        let process = process(found, &part, mode, version.clone());
        reader.processes.push(process);
    }
}

/// What a FlinkDeployment says of one of its processes, and where.
struct Part {
    role: Role,
    field: &'static str,
    process_size: &'static str,
    cpu: &'static str,
    cpu_limit_factor: &'static str,
}

impl Part {
    const TASK_MANAGER: Part = Part {
        role: Role::TaskManager,
        field: "taskManager",
        process_size: options::PROCESS_SIZE,
        cpu: options::KUBERNETES_TASKMANAGER_CPU,
        cpu_limit_factor: options::KUBERNETES_TASKMANAGER_CPU_LIMIT_FACTOR,
    };
    const JOB_MANAGER: Part = Part {
        role: Role::JobManager,
        field: "jobManager",
        process_size: options::JOBMANAGER_PROCESS_SIZE,
        cpu: options::KUBERNETES_JOBMANAGER_CPU,
        cpu_limit_factor: options::KUBERNETES_JOBMANAGER_CPU_LIMIT_FACTOR,
    };

    fn node<'a>(&self, found: &'a Found) -> Option<&'a Node> {
        found.node.at(&["spec", self.field])
    }

    fn path(&self) -> String {
        format!("spec.{}", self.field)
    }
}

fn process(
    found: &Found,
    part: &Part,
    mode: Mode,
    version: (FlinkVersion, String),
) -> ProcessDocument {
    let mut gathered = Gathered::default();
    add_flink_configuration(found, version.0, &mut gathered);
    add_memory(found, part, &mut gathered);
    if mode == Mode::Kubernetes {
        add_cpu(found, part, version.0, &mut gathered);
    }
    let templates = templates(found, part);
    add_template_limits(&templates, part, &mut gathered);
    let heap = main_containers(&templates)
        .find_map(|(container, path)| Some((heap_of_environment(container, part.role)?, path)));
    let mut environment = None;
    let is_sized = gathered.setting(part.process_size).is_some();
    let (mut request, conflicts) = gathered.into_request(version.0, part.role);
    request.mode = mode;
    request.cpu_limit = cpu_limit(found, part, &request.configuration);
    // Where Flink itself deploys, sizes are computed outside the container, and its environment counts for nothing.
    if let Some((value, path)) = heap.filter(|_| mode == Mode::Standalone) {
        environment = Some(format!("{path}.env[{}]", heap_environment(part.role)));
        request.legacy_heap_environment = Some(value);
    }
    ProcessDocument {
        conflicts,
        places: Places {
            environment,
            process_size: (!is_sized).then(|| {
                (
                    part.process_size,
                    format!("{}.resource.memory", part.path()),
                )
            }),
            additions: Additions::FlinkConfiguration,
            ..Places::default()
        },
        ..found.process(version, request)
    }
}

/// Who starts the processes: Flink itself, unless the resource says `standalone`.
fn mode(found: &Found, reader: &mut Reader<'_>) -> Option<Mode> {
    let Some(node) = found.node.at(&["spec", "mode"]) else {
        return Some(Mode::Kubernetes);
    };
    match (node.scalar_text().as_deref(), &node.shape) {
        (Some("native"), _) | (_, Shape::Null) => Some(Mode::Kubernetes),
        (Some("standalone"), _) => Some(Mode::Standalone),
        (text, _) => {
            let message = format!(
                "{:?} is no mode of the operator; write native or standalone",
                text.unwrap_or_default()
            );
            reader.problem(found, node.place, "spec.mode", message);
            None
        }
    }
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
fn add_memory(found: &Found, process: &Part, gathered: &mut Gathered) {
    let Some(part) = process.node(found) else {
        return;
    };
    let process_size = process.process_size;
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
    let field = format!("{}.{name}", process.path());
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
fn cpu_limit(found: &Found, part: &Part, configuration: &Configuration) -> Option<MilliCpu> {
    let cores = part
        .node(found)?
        .at(&["resource", "cpu"])
        .and_then(Node::scalar_text)?;
    let factor = configuration
        .setting(part.cpu_limit_factor)
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
        // The solver says it of a number without a unit.
        let has_unit = text.ends_with(|last: char| !last.is_ascii_digit());
        let remark = (has_unit && bytes < Bytes::MEBI)
            .then(|| format!("{text}, which Flink takes for {bytes}"));
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

/// The resource's CPU cores, which the operator passes on.
fn add_cpu(found: &Found, process: &Part, version: FlinkVersion, gathered: &mut Gathered) {
    let node = process
        .node(found)
        .and_then(|part| part.at(&["resource", "cpu"]));
    let Some(text) = node.and_then(Node::scalar_text) else {
        return;
    };
    // Before 1.17 the key ends earlier.
    let key = match process.cpu.strip_suffix(".amount") {
        Some(old) if version < FlinkVersion::V1_17 => old,
        _ => process.cpu,
    };
    let field = format!("{}.resource.cpu", process.path());
    gathered.put(key, &text, Origin::field(field));
}

/// The pod templates of a process with their paths, its own before the common one.
fn templates<'a>(found: &'a Found, part: &Part) -> Vec<(&'a Node, String)> {
    let own = part.node(found).and_then(|node| node.child("podTemplate"));
    let own = own.map(|node| (node, format!("{}.podTemplate", part.path())));
    let common = found.node.at(&["spec", "podTemplate"]);
    let common = common.map(|node| (node, "spec.podTemplate".to_owned()));
    own.into_iter().chain(common).collect()
}

/// The containers of templates in which Flink runs, with their paths.
fn main_containers<'a>(
    templates: &'a [(&'a Node, String)],
) -> impl Iterator<Item = (&'a Node, String)> {
    templates.iter().flat_map(|(template, path)| {
        let containers = template.at(&["spec", "containers"]);
        let containers = containers.map_or(&[][..], Node::items).iter().enumerate();
        containers
            .filter(|(_, container)| {
                container.child("name").and_then(Node::text) == Some("flink-main-container")
            })
            .map(move |(index, container)| (container, format!("{path}.spec.containers[{index}]")))
    })
}

/// Memory in a pod template, which Flink writes over.
fn add_template_limits(templates: &[(&Node, String)], part: &Part, gathered: &mut Gathered) {
    for (container, path) in main_containers(templates) {
        for kind in ["requests", "limits"] {
            let Some(memory) = container.at(&["resources", kind, "memory"]) else {
                continue;
            };
            let field = format!("{path}.resources.{kind}.memory");
            let value = memory.scalar_text().unwrap_or_default().into_owned();
            // The common template is of both processes.
            let instead = if field.starts_with("spec.podTemplate") {
                "spec.taskManager.resource.memory and spec.jobManager.resource.memory".to_owned()
            } else {
                format!("{}.resource.memory", part.path())
            };
            let message = format!(
                "{field} is {value} and has no effect, because Flink writes its own process size there; set {instead} \
                 instead"
            );
            let at = At::field(field, value);
            gathered
                .conflicts
                .push(at.warning(Code::IneffectiveOption, "no value", message));
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
        assert!(operator_memory("2048b").unwrap().1.is_some());
        // The solver says it.
        assert!(operator_memory("2048").unwrap().1.is_none());
    }
}
