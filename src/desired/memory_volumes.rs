//! Volumes that live in memory: what is written to them counts against the container's limit.
//!
//! Flink knows nothing of such a volume: what is not reserved for it, the process may take. It is a mistake only once
//! the volume fills up, so it is a warning.

use k8s_openapi::api::core::v1::PodTemplateSpec;

use crate::{
    api::TASK_MANAGER_CONTAINER,
    budget::{Budget, Code, Conflict, ReserveKind},
    bytes::Bytes,
    quantity::parse_memory,
};

use super::{conflict::At, pod_template::PATH};

/// One warning for each volume in memory that the TaskManager mounts and the container has no room for.
pub(super) fn unplanned(template: &PodTemplateSpec, budget: &Budget) -> Vec<Conflict> {
    let Some(spec) = &template.spec else {
        return Vec::new();
    };
    let mounts = spec
        .containers
        .iter()
        .filter(|container| container.name == TASK_MANAGER_CONTAINER)
        .flat_map(|container| container.volume_mounts.iter().flatten());
    let mounted: Vec<&str> = mounts.map(|mount| mount.name.as_str()).collect();
    let reserved = budget
        .reserves
        .iter()
        .filter(|reserve| reserve.kind == ReserveKind::MemoryVolumes)
        .fold(Bytes::ZERO, |sum, reserve| {
            sum.saturating_add(reserve.bytes)
        });
    let mut room = budget.unassigned().saturating_add(reserved);
    let mut conflicts = Vec::new();
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let Some(source) = volume.empty_dir.as_ref() else {
            continue;
        };
        if source.medium.as_deref() != Some("Memory") || !mounted.contains(&volume.name.as_str()) {
            continue;
        }
        let limit = source.size_limit.as_ref().map(|limit| limit.0.as_str());
        let size = limit.and_then(|limit| parse_memory(limit).ok());
        if let Some(rest) = size.and_then(|size| room.checked_sub(size)) {
            room = rest;
            continue;
        }
        let path = format!("{PATH}.spec.volumes[{index}].emptyDir");
        let holds = size.map_or("holds any amount".to_owned(), |size| {
            format!("holds {size}")
        });
        let message = format!(
            "{path} {holds} in memory, which counts against the container's limit, and the process leaves {room} of \
             it; set a sizeLimit and reserve as much in {}, or use a disk",
            ReserveKind::MemoryVolumes.field_path()
        );
        let at = At::field(path, limit.unwrap_or("no sizeLimit"));
        conflicts.push(at.warning(Code::MemoryVolumeUnplanned, format!("<= {room}"), message));
        room = Bytes::ZERO;
    }
    conflicts
}
