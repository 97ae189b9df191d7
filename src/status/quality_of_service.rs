//! The quality-of-service class that Kubernetes will give to pods of a template.
//!
//! Mirrors `ComputePodQOS` of Kubernetes: every container counts, init containers too, and of their resources only
//! cpu and memory.

use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::api::resource::Quantity};

use crate::quantity;

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub(super) fn class(pod: &PodSpec) -> &'static str {
    let mut any = false;
    let mut guaranteed = true;
    for container in pod
        .containers
        .iter()
        .chain(pod.init_containers.iter().flatten())
    {
        let amount = |kind: Option<&std::collections::BTreeMap<String, Quantity>>, name: &str| {
            let text = &kind?.get(name)?.0;
            text.parse::<quantity::Quantity>()
                .ok()
                .filter(|amount| amount.to_string() != "0")
        };
        let resources = container.resources.as_ref();
        for name in ["cpu", "memory"] {
            let limit = amount(
                resources.and_then(|resources| resources.limits.as_ref()),
                name,
            );
            // Kubernetes defaults a request to the limit.
            let request = amount(
                resources.and_then(|resources| resources.requests.as_ref()),
                name,
            )
            .or(limit);
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && request == limit;
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn class_of(containers: serde_json::Value) -> &'static str {
        class(&serde_json::from_value(json!({"containers": containers})).unwrap())
    }

    #[test]
    fn every_container_counts() {
        let equal = json!({"name": "a", "resources": {"limits": {"cpu": "2", "memory": "4Gi"}, "requests": {"cpu": "2000m", "memory": "4096Mi"}}});
        let no_cpu_limit = json!({"name": "b", "resources": {"limits": {"memory": "4Gi"}, "requests": {"cpu": "2"}}});
        let bare = json!({"name": "c"});
        assert_eq!(class_of(json!([equal])), "Guaranteed");
        assert_eq!(class_of(json!([no_cpu_limit])), "Burstable");
        assert_eq!(class_of(json!([equal, bare])), "Burstable");
        assert_eq!(class_of(json!([bare])), "BestEffort");
    }
}
