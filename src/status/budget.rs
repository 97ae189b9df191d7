//! A solved budget as status shows it: plain bytes, where each number comes from, and three sizes as text.

use k8s_openapi::api::apps::v1::Deployment;

use super::{conflicts::cut, quality_of_service};
use crate::{
    api::v1alpha1::{BudgetStatus, Provenance, ReserveStatus, Summary},
    budget::{Origin, Reserve, ReserveSource, Source, jvm_parameters},
    bytes::Bytes,
    desired::ValidatedPool,
};

/// The part of status that a budget fills.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Description {
    pub number_of_task_slots: Option<i32>,
    pub qos_class: Option<String>,
    pub summary: Option<Summary>,
    pub budget: Option<BudgetStatus>,
}

/// Describes the budget of a pool whose Deployment was applied.
pub(super) fn describe(pool: &ValidatedPool, deployment: &Deployment) -> Description {
    let budget = &pool.budget;
    let pod = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    Description {
        number_of_task_slots: Some(budget.number_of_task_slots),
        qos_class: pod.map(|pod| quality_of_service::class(pod).to_owned()),
        summary: Some(Summary {
            heap: short(budget.jvm_heap()),
            managed: short(budget.managed.bytes),
            network: short(budget.network.bytes),
        }),
        budget: Some(BudgetStatus {
            hash: pool.budget_hash.clone(),
            generation: pool.generation,
            container_limit_bytes: signed(budget.container_limit.unwrap_or_default()),
            process_bytes: signed(budget.total_process.bytes),
            flink_bytes: signed(budget.total_flink.bytes),
            framework_heap_bytes: signed(budget.framework_heap.bytes),
            framework_off_heap_bytes: signed(budget.framework_off_heap.bytes),
            task_heap_bytes: signed(budget.task_heap.bytes),
            task_off_heap_bytes: signed(budget.task_off_heap.bytes),
            network_bytes: signed(budget.network.bytes),
            managed_bytes: signed(budget.managed.bytes),
            jvm_metaspace_bytes: signed(budget.jvm_metaspace.bytes),
            jvm_overhead_bytes: signed(budget.jvm_overhead.bytes),
            unassigned_bytes: signed(budget.unassigned()),
            profile: budget
                .profile
                .as_ref()
                .map(|profile| profile.profile.to_string()),
            reserves: budget.reserves.iter().filter_map(reserve).collect(),
            network_segments: signed(Bytes(budget.network_segments())),
            managed_segments: signed(Bytes(budget.managed_segments())),
            minimum_limit_bytes: pool.minimum_limit.map(signed),
            comfortable_limit_bytes: pool.comfortable_limit.map(signed),
            provenance: budget
                .components()
                .into_iter()
                .map(|(component, found)| Provenance {
                    component: component.to_owned(),
                    source: source(&found.source).to_owned(),
                })
                .collect(),
            jvm_arguments: jvm_parameters(budget)
                .split(' ')
                .map(|flag| cut(flag, 256))
                .collect(),
        }),
    }
}

/// A reserve, if it takes anything or if somebody wrote it.
fn reserve(reserve: &Reserve) -> Option<ReserveStatus> {
    let source = match reserve.source {
        ReserveSource::Configured { .. } => "Configured",
        ReserveSource::Profile { .. } => "Profile",
        ReserveSource::Zero => return None,
    };
    Some(ReserveStatus {
        name: reserve.kind.to_string(),
        bytes: signed(reserve.bytes),
        source: source.to_owned(),
    })
}

fn source(source: &Source) -> &'static str {
    match source {
        Source::Configured {
            origin: Origin::Profile(_),
            ..
        }
        | Source::Fraction {
            profile: Some(_), ..
        }
        | Source::ClampedToMinimum {
            profile: Some(_), ..
        } => "Profile",
        Source::Configured { .. } => "Configured",
        Source::Default { .. } => "Default",
        Source::ContainerLimit => "ContainerLimit",
        Source::Fraction { .. } => "Fraction",
        Source::ClampedToMinimum { .. } => "ClampedToMinimum",
        Source::ClampedToMaximum { .. } => "ClampedToMaximum",
        Source::BufferCount { .. } => "BufferCount",
        Source::Remainder { .. } => "Remainder",
        Source::Sum { .. } => "Sum",
    }
}

/// Every size of a budget fits: Flink's own sizes are 64-bit signed.
fn signed(bytes: Bytes) -> i64 {
    i64::try_from(bytes.get()).unwrap_or(i64::MAX)
}

/// A size for a column: three digits at most before the unit, one after the point.
fn short(bytes: Bytes) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1 << 40, "Ti"),
        (1 << 30, "Gi"),
        (1 << 20, "Mi"),
        (1 << 10, "Ki"),
    ];
    let bytes = bytes.get();
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        None => bytes.to_string(),
        Some((unit, suffix)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(unit);
            if tenths % 10 == 0 {
                format!("{}{suffix}", tenths / 10)
            } else {
                format!("{}.{}{suffix}", tenths / 10, tenths % 10)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_columns_are_short_and_never_too_large() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1 << 20, "1Mi"),
            (1_610_612_736, "1.5Gi"),
            ((8 << 30) - 1, "7.9Gi"),
        ] {
            assert_eq!(short(Bytes(bytes)), text);
        }
    }
}
