//! What every step of a reconcile may use.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::Client;

use super::cache::Caches;
use super::client::CALL_TIMEOUT;
use super::error::CallError;
use super::events::Publisher;
use super::metrics::Metrics;
use crate::desired::Settings;

/// The controller's parts, shared by all reconciles.
pub struct Context {
    /// The client to the API server.
    pub client: Client,

    /// What is known of the cluster.
    pub caches: Arc<Caches>,

    /// The controller's metrics.
    pub metrics: Arc<Metrics>,

    /// What the controller was started to allow.
    pub settings: Settings,

    /// Writes events, not too many.
    pub publisher: Publisher,

    /// The time of day, for the conditions of a status.
    pub now: fn() -> Timestamp,
}

/// Waits for an answer of the API server, but not for ever.
///
/// # Errors
/// If the API server refuses, cannot be reached, or takes more than [`CALL_TIMEOUT`] for the whole answer.
pub async fn call<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(CALL_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(CallError::new),
        Err(_elapsed) => Err(CallError::TimedOut),
    }
}
