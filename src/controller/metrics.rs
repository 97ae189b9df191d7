//! The controller's own metrics, in Prometheus' text form.
//!
//! What is said of each pool is not kept here: it is read from the pools' statuses when somebody asks, so
//! it costs nothing in between and disappears with the pool (`pool_series`).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::cache::Caches;
use super::pool_series::PoolSeries;

/// Labels of a series whose values are all known at build time.
type StaticLabels<const N: usize> = [(&'static str, &'static str); N];

/// Counters, gauges and histograms of the controller itself.
#[derive(Clone, Debug)]
pub struct Metrics {
    reconciles: Family<StaticLabels<1>, Counter>,
    reconcile_seconds: Histogram,
    solver_seconds: Histogram,
    queue_depth: Gauge<u64, AtomicU64>,
    calls: Family<[(&'static str, String); 2], Counter>,
    watch_errors: Family<StaticLabels<1>, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        // From 0.25 ms to 8 s, and from 1 µs to 65 ms, each bucket four times the one before.
        let reconcile_buckets = [0.00025, 0.001, 0.004, 0.016, 0.064, 0.25, 1.0, 4.0, 16.0];
        let solver_buckets = [
            1e-6, 4e-6, 1.6e-5, 6.4e-5, 2.56e-4, 1e-3, 4e-3, 1.6e-2, 6.4e-2,
        ];
        Self {
            reconciles: Family::default(),
            reconcile_seconds: Histogram::new(reconcile_buckets),
            solver_seconds: Histogram::new(solver_buckets),
            queue_depth: Gauge::default(),
            calls: Family::default(),
            watch_errors: Family::default(),
        }
    }
}

impl Metrics {
    /// Counts one reconcile with its result and the time it took.
    pub fn count_reconcile(&self, result: &'static str, took: Duration) {
        self.reconciles.get_or_create(&[("result", result)]).inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// Counts one run of the solver.
    pub fn count_solve(&self, took: Duration) {
        self.solver_seconds.observe(took.as_secs_f64());
    }

    /// Sets the number of pools that wait for a reconcile.
    pub fn set_queue_depth(&self, depth: usize) {
        self.queue_depth.set(depth as u64);
    }

    /// Counts one request to the API server; code 0: no answer.
    pub fn count_call(&self, verb: &'static str, code: u16) {
        self.calls
            .get_or_create(&[("verb", verb.to_owned()), ("code", code.to_string())])
            .inc();
    }

    /// Counts one interruption of a watch.
    pub fn count_watch_error(&self, resource: &'static str) {
        self.watch_errors
            .get_or_create(&[("resource", resource)])
            .inc();
    }

    /// How many requests with this verb and code there were.
    #[must_use]
    pub fn calls(&self, verb: &'static str, code: u16) -> u64 {
        self.calls
            .get_or_create(&[("verb", verb.to_owned()), ("code", code.to_string())])
            .get()
    }

    /// A registry of these metrics, of the process, and of every pool in `caches`.
    #[must_use]
    pub fn registry(&self, caches: &Arc<Caches>) -> Registry {
        let mut registry = Registry::default();
        registry.register(
            "headroom_reconcile",
            "Reconciles of a pool by result",
            self.reconciles.clone(),
        );
        registry.register(
            "headroom_reconcile_duration_seconds",
            "Time one reconcile took",
            self.reconcile_seconds.clone(),
        );
        registry.register(
            "headroom_solver_duration_seconds",
            "Time to validate one pool and solve its budget",
            self.solver_seconds.clone(),
        );
        registry.register(
            "headroom_queue_depth",
            "Pools that wait for a reconcile",
            self.queue_depth.clone(),
        );
        registry.register(
            "headroom_api_requests",
            "Requests to the API server by verb and HTTP code, 0 when there was no answer",
            self.calls.clone(),
        );
        registry.register(
            "headroom_watch_errors",
            "Interruptions of a watch",
            self.watch_errors.clone(),
        );
        registry.register_collector(Box::new(Process));
        registry.register_collector(Box::new(PoolSeries::new(caches)));
        registry
    }
}

/// The registry as text.
///
/// # Errors
/// None in practice: writing to a string cannot fail.
pub fn text(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    text::encode(&mut text, registry)?;
    Ok(text)
}

/// What the process itself takes, and which build it is.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        use prometheus_client::metrics::MetricType;

        let mut build = encoder.encode_descriptor(
            "headroom_build_info",
            "Version of the controller, value always 1",
            None,
            MetricType::Gauge,
        )?;
        build
            .encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?
            .encode_gauge(&1i64)?;
        let Some(bytes) = resident_bytes() else {
            return Ok(());
        };
        let gauge = ConstGauge::new(bytes);
        let metric = encoder.encode_descriptor(
            "process_resident_memory_bytes",
            "Resident memory of the controller",
            None,
            MetricType::Gauge,
        )?;
        gauge.encode(metric)
    }
}

/// Resident memory of this process in bytes; `None` where the kernel does not tell.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_controller_is_in_the_text() {
        let metrics = Metrics::default();
        metrics.count_reconcile("applied", Duration::from_millis(3));
        metrics.count_solve(Duration::from_micros(5));
        metrics.set_queue_depth(7);
        metrics.count_call("apply", 201);
        metrics.count_watch_error("deployments");
        let text = text(&metrics.registry(&Arc::default())).unwrap();
        for line in [
            "headroom_reconcile_total{result=\"applied\"} 1",
            "headroom_reconcile_duration_seconds_count 1",
            "headroom_solver_duration_seconds_bucket{le=\"0.000016\"} 1",
            "headroom_queue_depth 7",
            "headroom_api_requests_total{verb=\"apply\",code=\"201\"} 1",
            "headroom_watch_errors_total{resource=\"deployments\"} 1",
            "headroom_build_info{version=\"",
            "process_resident_memory_bytes ",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }
}
