//! The client to the API server: bounded in time, never retrying by itself, counted.
//!
//! kube's client waits for an answer without a limit and repeats a refused request up to fifteen times;
//! both would let one pool hold a worker for many minutes. Here every request has a deadline and every
//! failure goes to the queue's own backoff.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::{BoxError, Layer, Service};

use super::metrics::Metrics;

/// Longest time until the API server begins its answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence on a connection. A watch gets a bookmark about once a minute, so a silent one is dead.
const SILENCE: Duration = Duration::from_secs(150);

/// A client for `config` with the controller's limits.
///
/// # Errors
/// If the configuration's certificates or credentials cannot be used.
pub fn client(mut config: Config, metrics: &Arc<Metrics>) -> Result<Client, kube::Error> {
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.write_timeout = Some(CALL_TIMEOUT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&Calls::new(metrics))
        .build())
}

/// Puts the deadline and the counting around a client's service.
#[derive(Clone, Debug)]
pub struct Calls {
    metrics: Arc<Metrics>,
}

impl Calls {
    /// A layer that counts into `metrics`.
    #[must_use]
    pub fn new(metrics: &Arc<Metrics>) -> Self {
        Self {
            metrics: Arc::clone(metrics),
        }
    }
}

impl<S> Layer<S> for Calls {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> CallService<S> {
        CallService {
            inner,
            metrics: Arc::clone(&self.metrics),
        }
    }
}

/// The service that [`Calls`] makes.
#[derive(Clone, Debug)]
pub struct CallService<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

/// The API server did not begin to answer in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the API server did not answer within {} s", CALL_TIMEOUT.as_secs())]
pub struct NoAnswer;

impl<S, B> Service<Request<Body>> for CallService<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let verb = verb(&request);
        let metrics = Arc::clone(&self.metrics);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = tokio::time::timeout(CALL_TIMEOUT, answer).await;
            let answer = match answer {
                Ok(answer) => answer.map_err(Into::into),
                Err(_elapsed) => Err(NoAnswer.into()),
            };
            let code = match &answer {
                Ok(response) => response.status().as_u16(),
                Err(_) => 0,
            };
            metrics.count_call(verb, code);
            answer
        })
    }
}

/// The verb of a request as the API server's audit log names it.
fn verb(request: &Request<Body>) -> &'static str {
    let method = request.method();
    if *method == Method::PATCH {
        let is_apply = request
            .headers()
            .get(http::header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/apply-patch"));
        return if is_apply { "apply" } else { "patch" };
    }
    match method.as_str() {
        "POST" => "create",
        "PUT" => "update",
        "DELETE" => "delete",
        "GET" => {
            let query = request.uri().query().unwrap_or_default();
            if query.split('&').any(|part| part.starts_with("watch=")) {
                "watch"
            } else if query.split('&').any(|part| part.starts_with("limit=")) {
                "list"
            } else {
                "get"
            }
        }
        _ => "other",
    }
}
