//! The rules of Flink's own Kubernetes deployment: how a pod is computed from a process, and what its container asks for.
//!
//! Read from Flink's answer, and from the solver's where Flink says only what came out.

use headroom::budget::{
    FlinkVersion, Role, derive, jobmanager,
    kubernetes::{ContainerResources, jobmanager_container, worker_pod},
    options,
};
use serde_json::Value;

use super::{Rule, errors, process::source, reachable_if};
use crate::flink_diff::{ask::request, question::Question};

const SINCE_1_11: &str = "Flink 1.10 has no worker specification";
const SINCE_1_13: &str = "a pod is the client's process up to Flink 1.12";
const SINCE_1_14: &str = "cores are rounded from Flink 1.14 on";
const SINCE_1_15: &str = "limits are the requests up to Flink 1.14";
const UP_TO_1_18: &str = "a pod is always computed anew from Flink 1.19 on";

/// What the answer to a question shows; nothing where there is no process.
pub fn hit(version: FlinkVersion, question: &Question, answer: &Value) -> Vec<String> {
    let request = request(version, question);
    if answer.get("result").is_none() || version < FlinkVersion::V1_11 {
        return Vec::new();
    }
    let found = match request.role {
        Role::TaskManager => derive(&request).and_then(|process| {
            let pod = worker_pod(&request)?;
            let mut hit = vec![cores(question, process.cpu_cores == pod.budget.cpu_cores)];
            let of_process = process.total_process.bytes;
            let of_pod = pod.budget.total_process.bytes;
            hit.push(match of_pod.cmp(&of_process) {
                std::cmp::Ordering::Less => "pod smaller than the process".to_owned(),
                std::cmp::Ordering::Equal => "pod as large as the process".to_owned(),
                std::cmp::Ordering::Greater => "pod larger than the process".to_owned(),
            });
            hit.push(match pod.ignored_totals[..] {
                [] => "no total ignored".to_owned(),
                [one] => format!("{one} ignored"),
                _ => "both totals ignored".to_owned(),
            });
            if !pod.ignored_totals.is_empty() {
                let overhead = source(&pod.budget.jvm_overhead.source);
                hit.push(format!("overhead computed anew: {overhead}"));
            }
            hit.extend(limits(&pod.container));
            Ok(hit)
        }),
        Role::JobManager => jobmanager::derive(&request).and_then(|process| {
            jobmanager_container(&request, &process).map(|container| limits(&container))
        }),
    };
    found.unwrap_or_else(|error| errors::hit(&error))
}

fn cores(question: &Question, is_of_the_process: bool) -> String {
    if question.has(options::CPU_CORES) {
        "cores configured".to_owned()
    } else if is_of_the_process {
        "cores of the slots".to_owned()
    } else {
        "cores of Kubernetes".to_owned()
    }
}

fn limits(container: &ContainerResources) -> Vec<String> {
    let memory = container.memory_limit_mebibytes > container.memory_request_mebibytes;
    let cores = container.cpu_limit != container.cpu_request;
    [(memory, "memory"), (cores, "cores")]
        .into_iter()
        .map(|(is_above, what)| {
            let relation = if is_above { "above" } else { "as" };
            format!("limit of {what} {relation} the request")
        })
        .collect()
}

/// Every rule.
pub fn rules(version: FlinkVersion, role: Role) -> Vec<Rule> {
    let has_pods = version >= FlinkVersion::V1_11;
    let has_factors = version >= FlinkVersion::V1_15;
    let since_1_11 = |name: &str| reachable_if(has_pods, name, SINCE_1_11);
    let mut rules = Vec::new();
    for what in ["memory", "cores"] {
        rules.push(since_1_11(&format!("limit of {what} as the request")));
        rules.push(reachable_if(
            has_factors,
            format!("limit of {what} above the request"),
            SINCE_1_15,
        ));
    }
    let (cores, factors) = match role {
        Role::TaskManager => (
            "kubernetes.taskmanager.cpu",
            [
                options::KUBERNETES_TASKMANAGER_MEMORY_LIMIT_FACTOR,
                options::KUBERNETES_TASKMANAGER_CPU_LIMIT_FACTOR,
            ],
        ),
        Role::JobManager => (
            "kubernetes.jobmanager.cpu",
            [
                options::KUBERNETES_JOBMANAGER_MEMORY_LIMIT_FACTOR,
                options::KUBERNETES_JOBMANAGER_CPU_LIMIT_FACTOR,
            ],
        ),
    };
    // The key that ends in `.amount` came with 1.17.
    let amount = if version >= FlinkVersion::V1_17 {
        ".amount"
    } else {
        ""
    };
    rules.push(since_1_11(&format!(
        "error: number unreadable ({cores}{amount})"
    )));
    for factor in factors {
        for what in ["limit factor below one", "number unreadable"] {
            let name = format!("error: {what} ({factor})");
            rules.push(reachable_if(has_factors, name, SINCE_1_15));
        }
    }
    if role == Role::TaskManager {
        rules.extend(of_workers(version));
    }
    rules
}

/// What the resource manager computes.
fn of_workers(version: FlinkVersion) -> Vec<Rule> {
    let computes_anew = version >= FlinkVersion::V1_13;
    let since_1_11 = |name| reachable_if(version >= FlinkVersion::V1_11, name, SINCE_1_11);
    let since_1_13 = |name| reachable_if(computes_anew, name, SINCE_1_13);
    let mut rules = vec![
        since_1_11("cores configured"),
        since_1_11("cores of the slots"),
        since_1_11("cores of Kubernetes"),
        since_1_11("pod as large as the process"),
        since_1_11("no total ignored"),
        since_1_11("error: cores not finite"),
        since_1_13("error: overflow"),
        reachable_if(
            version >= FlinkVersion::V1_14,
            "error: cores not positive",
            SINCE_1_14,
        ),
        reachable_if(
            (FlinkVersion::V1_13..=FlinkVersion::V1_18).contains(&version),
            format!("error: switch unreadable ({})", options::FINE_GRAINED),
            UP_TO_1_18,
        ),
    ];
    rules.extend(
        [
            "pod smaller than the process",
            "pod larger than the process",
            "taskmanager.memory.process.size ignored",
            "taskmanager.memory.flink.size ignored",
            "both totals ignored",
            "overhead computed anew: fraction, inverse",
            "overhead computed anew: minimum, inverse",
            "overhead computed anew: maximum, inverse",
        ]
        .map(since_1_13),
    );
    rules
}
