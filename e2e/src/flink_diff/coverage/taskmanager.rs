//! The rules of the TaskManager's model.

use headroom::budget::{Budget, FlinkVersion, Source, options};

use super::{Rule, legacy, process::source, reachable, reachable_if, unreachable};

const SINCE_1_13: &str = "part of the process specification from Flink 1.13 on";

/// Where each size came from, and the route that was taken.
pub fn hit(budget: &Budget) -> Vec<String> {
    let mut hit: Vec<String> = budget
        .components()
        .into_iter()
        .map(|(name, component)| format!("{name}: {}", source(&component.source)))
        .collect();
    let is_configured = |source: &Source| matches!(source, Source::Configured { .. });
    let total = if is_configured(&budget.total_flink.source) {
        "Flink size"
    } else if is_configured(&budget.total_process.source) {
        "process size"
    } else {
        "no total"
    };
    let both =
        is_configured(&budget.total_flink.source) && is_configured(&budget.total_process.source);
    let heap = match (
        is_configured(&budget.task_heap.source),
        is_configured(&budget.managed.source),
    ) {
        (true, true) => "task heap and managed memory",
        (true, false) => "task heap",
        (false, _) => "nothing else",
    };
    hit.push(format!(
        "route: {total}{} with {heap}",
        if both { " and process size" } else { "" }
    ));
    if !budget.external_resources.is_empty() {
        hit.push("external resources".to_owned());
    }
    hit
}

/// Every rule.
pub fn rules(version: FlinkVersion) -> Vec<Rule> {
    let legacy = |name: &str| legacy(version, name);
    let mut rules = Vec::new();
    for name in [
        "frameworkHeap",
        "frameworkOffHeap",
        "taskOffHeap",
        "jvmMetaspace",
    ] {
        rules.push(reachable(format!("{name}: configured")));
        rules.push(reachable(format!("{name}: default")));
    }
    rules.extend(
        [
            "taskHeap: configured",
            "taskHeap: rest",
            "managed: configured",
            "managed: fraction",
            "network: fraction",
            "network: fraction, inverse",
            "network: minimum",
            "network: minimum, inverse",
            "network: maximum",
            "network: maximum, inverse",
            "network: rest",
            "jvmOverhead: fraction",
            "jvmOverhead: fraction, inverse",
            "jvmOverhead: minimum",
            "jvmOverhead: minimum, inverse",
            "jvmOverhead: maximum",
            "jvmOverhead: maximum, inverse",
            "jvmOverhead: rest",
            "totalFlink: configured",
            "totalFlink: rest",
            "totalFlink: sum",
            "totalProcess: configured",
            "totalProcess: sum",
            "route: Flink size with nothing else",
            "route: Flink size with task heap",
            "route: Flink size with task heap and managed memory",
            "route: Flink size and process size with nothing else",
            "route: Flink size and process size with task heap",
            "route: Flink size and process size with task heap and managed memory",
            "route: process size with nothing else",
            "route: process size with task heap",
            "route: process size with task heap and managed memory",
            "route: no total with task heap and managed memory",
        ]
        .map(reachable),
    );
    rules.extend(
        [
            "network: buffers",
            "totalFlink: configured by taskmanager.heap.size",
            "totalFlink: configured by taskmanager.heap.mb",
            "totalFlink: configured by FLINK_TM_HEAP",
            "totalProcess: configured by taskmanager.heap.size",
            "totalProcess: configured by taskmanager.heap.mb",
            "totalProcess: configured by FLINK_TM_HEAP",
        ]
        .map(legacy),
    );
    rules.push(unreachable(
        "managed: minimum",
        "managed memory is capped to nothing and everything",
    ));
    rules.push(unreachable(
        "managed: maximum",
        "managed memory is capped to nothing and everything",
    ));
    rules.extend(error_rules(version, legacy));
    rules.push(reachable_if(
        version >= FlinkVersion::V1_13,
        "external resources",
        SINCE_1_13,
    ));
    rules
}

fn error_rules(version: FlinkVersion, legacy: impl Fn(&str) -> Rule) -> Vec<Rule> {
    let mut rules: Vec<Rule> = [
        "no total",
        "parts exceed Flink memory, with task heap",
        "parts exceed Flink memory, without task heap",
        "network memory as rest out of range",
        "metaspace and overhead exceed process",
        "overhead as rest out of range",
        "cores not positive",
        "cores not finite",
        "overflow",
    ]
    .map(|name| reachable(format!("error: {name}")))
    .into();
    rules.extend(
        [
            "network memory as rest differs from buffers",
            "legacy heap negative",
            "legacy heap in the environment unreadable",
            "segment too small",
            "segment no power of two",
            "segment too large",
            "negative size",
            "number unreadable (taskmanager.heap.mb)",
            "number unreadable (taskmanager.network.numberOfBuffers)",
            "size unreadable (taskmanager.heap.size)",
            "number unreadable (taskmanager.memory.segment-size)",
        ]
        .map(|name| legacy(&format!("error: {name}"))),
    );
    for fraction in [options::NETWORK_FRACTION, options::JVM_OVERHEAD_FRACTION] {
        rules.push(reachable(format!(
            "error: minimum above maximum ({fraction})"
        )));
        rules.push(reachable(format!(
            "error: fraction out of range ({fraction})"
        )));
        rules.push(reachable(format!("error: number unreadable ({fraction})")));
    }
    rules.push(reachable(format!(
        "error: fraction out of range ({})",
        options::MANAGED_FRACTION
    )));
    rules.push(reachable(format!(
        "error: number unreadable ({})",
        options::MANAGED_FRACTION
    )));
    rules.push(reachable(format!(
        "error: number unreadable ({})",
        options::CPU_CORES
    )));
    rules.push(reachable(format!(
        "error: number unreadable ({})",
        options::NUMBER_OF_TASK_SLOTS
    )));
    for size in [
        options::PROCESS_SIZE,
        options::FLINK_SIZE,
        options::FRAMEWORK_HEAP_SIZE,
        options::FRAMEWORK_OFF_HEAP_SIZE,
        options::TASK_HEAP_SIZE,
        options::TASK_OFF_HEAP_SIZE,
        options::MANAGED_SIZE,
        options::NETWORK_MIN,
        options::NETWORK_MAX,
        options::JVM_METASPACE_SIZE,
        options::JVM_OVERHEAD_MIN,
        options::JVM_OVERHEAD_MAX,
    ] {
        rules.push(reachable(format!("error: size unreadable ({size})")));
    }
    rules.push(reachable_if(
        version >= FlinkVersion::V1_11,
        "error: process below Flink memory and metaspace",
        "Flink 1.10 says that a size is negative",
    ));
    rules.push(reachable_if(
        version >= FlinkVersion::V1_13,
        "error: number unreadable (external resource)",
        SINCE_1_13,
    ));
    rules
}
