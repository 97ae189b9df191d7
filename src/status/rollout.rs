//! How far a Deployment has come towards what was asked of it.
//!
//! The rules are those by which `kubectl rollout status` and the kstatus library judge a Deployment.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};

/// What a Deployment shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rollout {
    /// Whether there is a Deployment at all.
    pub exists: bool,
    /// Pods that are asked for.
    pub desired: i32,
    /// Pods that exist.
    pub replicas: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods of the current template.
    pub updated: i32,
    /// Pods that are available.
    pub available: i32,
    /// Whether Kubernetes has looked at the current Deployment yet.
    pub observed: bool,
    /// What keeps the rollout from going on: the reason, and what Kubernetes says of it.
    pub failure: Option<(&'static str, String)>,
}

impl Rollout {
    /// What the Deployment shows. `desired` is the pool's own count; without it the Deployment's counts.
    pub fn observe(deployment: Option<&Deployment>, desired: Option<i32>) -> Self {
        let Some(deployment) = deployment else {
            return Self {
                desired: desired.unwrap_or_default(),
                ..Self::default()
            };
        };
        let default = DeploymentStatus::default();
        let status = deployment.status.as_ref().unwrap_or(&default);
        let spec_replicas = deployment
            .spec
            .as_ref()
            .and_then(|spec| spec.replicas)
            .unwrap_or(1);
        Self {
            exists: true,
            desired: desired.unwrap_or(spec_replicas),
            replicas: status.replicas.unwrap_or_default(),
            ready: status.ready_replicas.unwrap_or_default(),
            updated: status.updated_replicas.unwrap_or_default(),
            available: status.available_replicas.unwrap_or_default(),
            observed: status.observed_generation.unwrap_or_default()
                >= deployment.metadata.generation.unwrap_or_default()
                && status.observed_generation.is_some(),
            failure: failure(status.conditions.as_deref().unwrap_or_default()),
        }
    }

    /// Whether every pod that was asked for is available.
    pub fn is_available(&self) -> bool {
        self.exists && self.observed && self.available >= self.desired
    }

    /// Whether exactly the pods that were asked for exist, all of the current template.
    pub fn is_complete(&self) -> bool {
        self.is_available() && self.updated == self.desired && self.replicas == self.desired
    }
}

fn failure(conditions: &[DeploymentCondition]) -> Option<(&'static str, String)> {
    let message =
        |condition: &DeploymentCondition| steady(condition.message.as_deref().unwrap_or_default());
    // Why pods cannot be created says more than that they were not created in time.
    let failed = conditions
        .iter()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True");
    if let Some(condition) = failed {
        return Some(("ReplicaFailure", message(condition)));
    }
    conditions
        .iter()
        .find(|condition| condition.type_ == "Progressing" && condition.status == "False")
        .filter(|condition| condition.reason.as_deref() == Some("ProgressDeadlineExceeded"))
        .map(|condition| ("ProgressDeadlineExceeded", message(condition)))
}

/// The message without what changes from try to try: the random name of the pod that could not be created, and
/// the name of the ReplicaSet.
fn steady(message: &str) -> String {
    let mut steady = String::with_capacity(message.len());
    let mut rest = message;
    for (before, kept) in [("pods \"", "pods"), ("ReplicaSet \"", "ReplicaSet")] {
        if let Some(start) = rest.find(before)
            && let Some(length) = rest[start + before.len()..].find('"')
        {
            steady.push_str(&rest[..start]);
            steady.push_str(kept);
            rest = &rest[start + before.len() + length + 1..];
        }
    }
    steady.push_str(rest);
    steady
}

#[cfg(test)]
mod tests {
    use super::steady;

    #[test]
    fn a_message_loses_the_names_that_change() {
        assert_eq!(
            steady(
                "pods \"clicks-7d4b9-x2x4z\" is forbidden: exceeded quota: memory, requested: limits.memory=8Gi"
            ),
            "pods is forbidden: exceeded quota: memory, requested: limits.memory=8Gi"
        );
        assert_eq!(
            steady("ReplicaSet \"clicks-7d4b9\" has timed out progressing."),
            "ReplicaSet has timed out progressing."
        );
        assert_eq!(steady("pods \"unfinished"), "pods \"unfinished");
    }
}
