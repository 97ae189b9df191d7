//! The ServiceAccount of a pool's pods: an identity of their own, without a token.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::{ValidatedPool, metadata};

/// A TaskManager never calls the Kubernetes API, so nothing mounts a token.
pub(super) fn build_service_account(pool: &ValidatedPool) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(pool, &pool.name),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
