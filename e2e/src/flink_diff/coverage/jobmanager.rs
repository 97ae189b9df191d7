//! The rules of the JobManager's models: the unified one, and the cut-off of 1.10.

use headroom::budget::{FlinkVersion, jobmanager::JobManagerBudget, options};

use super::{Rule, legacy, process::source, reachable};
use crate::flink_diff::question::Question;

/// Where each size came from, and the route that was taken.
pub fn hit(budget: &JobManagerBudget, question: &Question) -> Vec<String> {
    let mut hit: Vec<String> = budget
        .components()
        .into_iter()
        .map(|(name, component)| format!("{name}: {}", source(&component.source)))
        .collect();
    let JobManagerBudget::Unified(unified) = budget else {
        return hit;
    };
    let is_given = |name: &str| hit.iter().any(|rule| rule.starts_with(name));
    let heap = is_given("jvmHeap: configured");
    let flink = question.has(options::JOBMANAGER_FLINK_SIZE);
    let route = match (heap, flink) {
        (true, true) if question.has(options::JOBMANAGER_OFF_HEAP_SIZE) => {
            "heap, off-heap memory and Flink size"
        }
        (true, true) => "heap and Flink size",
        (true, false) => "heap",
        (false, true) => "Flink size",
        (false, false) => "process size alone",
    };
    let process = (heap || flink) && is_given("totalProcess: configured");
    hit.push(format!(
        "route: {route}{}",
        if process { ", with process size" } else { "" }
    ));
    hit.push(if unified.limits_direct_memory {
        "direct memory limited".to_owned()
    } else {
        "direct memory not limited".to_owned()
    });
    hit
}

/// Every rule.
pub fn rules(version: FlinkVersion) -> Vec<Rule> {
    if version == FlinkVersion::V1_10 {
        CUT_OFF.map(reachable).into()
    } else {
        unified(version)
    }
}

/// The rules of 1.10.
const CUT_OFF: [&str; 13] = [
    "jvmHeap: rest",
    "cutoff: fraction",
    "cutoff: minimum",
    "container: default",
    "error: cut-off ratio out of range",
    "error: cut-off above the total",
    "error: number unreadable (containerized.heap-cutoff-min)",
    "error: number unreadable (containerized.heap-cutoff-ratio)",
    "error: number unreadable (jobmanager.heap.mb)",
    "error: size unreadable",
    "error: negative size",
    "container: configured by jobmanager.heap.size",
    "container: configured by jobmanager.heap.mb",
];

fn unified(version: FlinkVersion) -> Vec<Rule> {
    let mut rules: Vec<Rule> = [
        "jvmHeap: configured",
        "jvmHeap: rest",
        "offHeap: configured",
        "offHeap: default",
        "offHeap: rest",
        "jvmMetaspace: configured",
        "jvmMetaspace: default",
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
        "direct memory limited",
        "direct memory not limited",
        "route: heap",
        "route: heap, with process size",
        "route: heap and Flink size",
        "route: heap and Flink size, with process size",
        "route: heap, off-heap memory and Flink size",
        "route: heap, off-heap memory and Flink size, with process size",
        "route: Flink size",
        "route: Flink size, with process size",
        "route: process size alone",
        "error: no total",
        "error: heap and off-heap memory differ from Flink memory",
        "error: heap exceeds Flink memory",
        "error: off-heap memory takes all",
        "error: metaspace and overhead exceed process",
        "error: process below Flink memory and metaspace",
        "error: overhead as rest out of range",
        "error: overflow",
    ]
    .map(reachable)
    .into();
    let heaps = [
        options::JOBMANAGER_HEAP_SIZE,
        options::JOBMANAGER_HEAP_MB,
        options::JOBMANAGER_HEAP_ENVIRONMENT,
    ];
    for heap in heaps {
        rules.push(legacy(version, format!("jvmHeap: configured by {heap}")));
        rules.push(legacy(
            version,
            format!("totalProcess: configured by {heap}"),
        ));
    }
    for name in [
        "error: legacy heap negative",
        "error: legacy heap in the environment unreadable",
        "error: number unreadable (jobmanager.heap.mb)",
        "error: size unreadable (jobmanager.heap.size)",
    ] {
        rules.push(legacy(version, name));
    }
    let fraction = options::JOBMANAGER_JVM_OVERHEAD_FRACTION;
    rules.extend(
        [
            format!("error: minimum above maximum ({fraction})"),
            format!("error: fraction out of range ({fraction})"),
            format!("error: number unreadable ({fraction})"),
            format!(
                "error: switch unreadable ({})",
                options::JOBMANAGER_DIRECT_MEMORY_LIMIT
            ),
        ]
        .map(reachable),
    );
    for size in [
        options::JOBMANAGER_PROCESS_SIZE,
        options::JOBMANAGER_FLINK_SIZE,
        options::JOBMANAGER_JVM_HEAP_SIZE,
        options::JOBMANAGER_OFF_HEAP_SIZE,
        options::JOBMANAGER_JVM_METASPACE_SIZE,
        options::JOBMANAGER_JVM_OVERHEAD_MIN,
        options::JOBMANAGER_JVM_OVERHEAD_MAX,
    ] {
        rules.push(reachable(format!("error: size unreadable ({size})")));
    }
    rules
}
