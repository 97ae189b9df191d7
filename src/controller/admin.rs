//! The HTTP endpoints for the kubelet and for Prometheus.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;

use super::metrics;
use super::readiness::Readiness;

/// What the endpoints answer from.
#[derive(Clone)]
pub struct Admin {
    readiness: Arc<Readiness>,
    registry: Arc<Registry>,
}

/// `/healthz`, `/readyz` and `/metrics`.
pub fn router(readiness: Arc<Readiness>, registry: Registry) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Admin {
            readiness,
            registry: Arc::new(registry),
        })
}

/// Alive: the one thread that also reconciles answers. It does not look at the API server, because
/// restarting the controller would not bring that back.
async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready when every gate is open; else the closed ones, one a line.
async fn readyz(State(admin): State<Admin>) -> Response {
    if admin.readiness.is_ready() {
        return "ok\n".into_response();
    }
    let mut text = String::new();
    for gate in admin.readiness.closed() {
        text.push_str("waiting for the list of ");
        text.push_str(gate.as_str());
        text.push('\n');
    }
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    match metrics::text(&admin.registry) {
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
