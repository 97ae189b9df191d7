//! The lines that Flink logs beside a derivation.

use headroom::budget::{FlinkVersion, FractionOf, Remark, Request, Role, remarks};

use super::{Rule, legacy, process, reachable, reachable_if, unreachable};

/// What is logged; the words are compared with Flink's elsewhere.
pub fn hit(request: &Request) -> Vec<String> {
    remarks(request).iter().map(name).collect()
}

fn name(remark: &Remark) -> String {
    match remark {
        Remark::DeprecatedKey { key, .. } => format!("log: deprecated {key}"),
        Remark::LegacyHeap { key, .. } => format!("log: heap of 1.9 stands for {key}"),
        Remark::CappedToMaximum { component, .. } => {
            format!("log: {} capped to its maximum", part(*component))
        }
        Remark::RaisedToMinimum { component, .. } => {
            format!("log: {} raised to its minimum", part(*component))
        }
        Remark::OtherThanFraction { component, .. } => {
            format!("log: {} other than its fraction", part(*component))
        }
        Remark::OffHeapIsRest { .. } => "log: off-heap memory is the rest".to_owned(),
        Remark::SmallHeap { .. } => "log: heap is small".to_owned(),
    }
}

const fn part(component: FractionOf) -> &'static str {
    match component {
        FractionOf::Managed => "managed memory",
        FractionOf::Network => "network memory",
        FractionOf::JvmOverhead => "JVM overhead",
    }
}

/// Every line.
pub fn rules(version: FlinkVersion, role: Role) -> Vec<Rule> {
    let deprecated = process::deprecated(version, role)
        .iter()
        .map(|(key, _)| reachable(format!("log: deprecated {key}")));
    let parts: &[FractionOf] = match role {
        Role::TaskManager => &[FractionOf::Network, FractionOf::JvmOverhead],
        Role::JobManager => &[FractionOf::JvmOverhead],
    };
    let is_unified = role == Role::TaskManager || version >= FlinkVersion::V1_11;
    let fractions = parts.iter().flat_map(|component| {
        let part = part(*component);
        [
            "capped to its maximum",
            "raised to its minimum",
            "other than its fraction",
        ]
        .map(|what| {
            reachable_if(
                is_unified,
                format!("log: {part} {what}"),
                "the JobManager of 1.10 has a cut-off instead",
            )
        })
    });
    let heaps: [&str; 2] = match role {
        Role::TaskManager => [
            "taskmanager.memory.flink.size",
            "taskmanager.memory.process.size",
        ],
        Role::JobManager => [
            "jobmanager.memory.heap.size",
            "jobmanager.memory.process.size",
        ],
    };
    let heaps = heaps.map(|key| {
        let name = format!("log: heap of 1.9 stands for {key}");
        if is_unified {
            legacy(version, name)
        } else {
            unreachable(name, "the JobManager of 1.10 reads no other option")
        }
    });
    let of_role = match role {
        Role::TaskManager => [
            "log: managed memory capped to its maximum",
            "log: managed memory raised to its minimum",
        ]
        .map(|name| unreachable(name, "managed memory is capped to nothing and everything")),
        Role::JobManager => {
            ["log: off-heap memory is the rest", "log: heap is small"].map(|name| {
                reachable_if(
                    is_unified,
                    name,
                    "the JobManager of 1.10 has a cut-off instead",
                )
            })
        }
    };
    deprecated
        .chain(fractions)
        .chain(heaps)
        .chain(of_role)
        .collect()
}
