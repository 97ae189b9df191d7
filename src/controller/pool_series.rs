//! The series of each pool, made from the pools' statuses at the moment somebody asks for metrics.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use serde::Deserialize;

use super::cache::Caches;
use super::key::ObjectKey;

/// Reads every pool of the caches on each request.
#[derive(Debug)]
pub struct PoolSeries {
    caches: Arc<Caches>,
}

impl PoolSeries {
    /// Series of the pools in `caches`.
    #[must_use]
    pub fn new(caches: &Arc<Caches>) -> Self {
        Self {
            caches: Arc::clone(caches),
        }
    }
}

/// The part of a pool that becomes series; everything is optional, so that a pool of any content is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pool {
    spec: Spec,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    flink_version: Box<str>,
    replicas: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    replicas: i64,
    ready_replicas: i64,
    updated_replicas: i64,
    available_replicas: i64,
    qos_class: Box<str>,
    budget: Option<Budget>,
    conditions: Vec<Condition>,
    conflicts: Vec<Conflict>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Budget {
    framework_heap_bytes: i64,
    framework_off_heap_bytes: i64,
    task_heap_bytes: i64,
    task_off_heap_bytes: i64,
    network_bytes: i64,
    managed_bytes: i64,
    jvm_metaspace_bytes: i64,
    jvm_overhead_bytes: i64,
    unassigned_bytes: i64,
    reserves: Vec<Reserve>,
    minimum_limit_bytes: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reserve {
    name: Box<str>,
    bytes: i64,
}

impl Budget {
    /// The parts by the names they have in status; they add up to the container's limit.
    fn components(&self) -> impl Iterator<Item = (&str, i64)> {
        let reserves = self.reserves.iter();
        let components = [
            ("frameworkHeap", self.framework_heap_bytes),
            ("frameworkOffHeap", self.framework_off_heap_bytes),
            ("taskHeap", self.task_heap_bytes),
            ("taskOffHeap", self.task_off_heap_bytes),
            ("network", self.network_bytes),
            ("managed", self.managed_bytes),
            ("jvmMetaspace", self.jvm_metaspace_bytes),
            ("jvmOverhead", self.jvm_overhead_bytes),
            ("unassigned", self.unassigned_bytes),
        ];
        components
            .into_iter()
            .chain(reserves.map(|reserve| (&*reserve.name, reserve.bytes)))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: Box<str>,
    status: Box<str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Conflict {
    code: Box<str>,
    severity: Box<str>,
}

impl Collector for PoolSeries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let texts: Vec<(ObjectKey, Arc<[u8]>)> = {
            let view = self.caches.lock();
            view.pools()
                .map(|(key, pool)| (key.clone(), Arc::clone(&pool.json)))
                .collect()
        };
        let mut pools: Vec<(ObjectKey, Pool)> = texts
            .into_iter()
            .map(|(key, json)| (key, serde_json::from_slice(&json).unwrap_or_default()))
            .collect();
        pools.sort_by(|left, right| left.0.cmp(&right.0));

        let mut gauge = |name, help, of: &dyn Fn(&Pool, &mut Samples<'_, '_>) -> fmt::Result| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (key, pool) in &pools {
                of(
                    pool,
                    &mut Samples {
                        family: &mut family,
                        key,
                    },
                )?;
            }
            Ok(())
        };
        gauge(
            "headroom_info",
            "What a pool runs, value always 1",
            &|pool, samples| {
                samples.add(
                    &[
                        ("flink_version", &pool.spec.flink_version),
                        ("qos", &pool.status.qos_class),
                    ],
                    1,
                )
            },
        )?;
        gauge(
            "headroom_budget_bytes",
            "Size of each memory component of one TaskManager",
            &|pool, samples| {
                for (component, bytes) in pool.status.budget.iter().flat_map(Budget::components) {
                    samples.add(&[("component", component)], bytes)?;
                }
                Ok(())
            },
        )?;
        gauge(
            "headroom_budget_minimum_limit_bytes",
            "Smallest memory limit that the pool's options solve with",
            &|pool, samples| {
                let minimum = pool
                    .status
                    .budget
                    .as_ref()
                    .and_then(|b| b.minimum_limit_bytes);
                minimum.map_or(Ok(()), |bytes| samples.add(&[], bytes))
            },
        )?;
        gauge(
            "headroom_replicas",
            "TaskManagers of a pool by state",
            &|pool, samples| {
                for (state, count) in [
                    ("desired", pool.spec.replicas),
                    ("current", pool.status.replicas),
                    ("updated", pool.status.updated_replicas),
                    ("ready", pool.status.ready_replicas),
                    ("available", pool.status.available_replicas),
                ] {
                    samples.add(&[("state", state)], count)?;
                }
                Ok(())
            },
        )?;
        gauge(
            "headroom_condition",
            "Conditions of a pool: 1 for the status that holds",
            &|pool, samples| {
                for condition in &pool.status.conditions {
                    for status in ["True", "False", "Unknown"] {
                        samples.add(
                            &[("type", &condition.r#type), ("status", status)],
                            i64::from(*condition.status == *status),
                        )?;
                    }
                }
                Ok(())
            },
        )?;

        let mut conflicts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for conflict in pools.iter().flat_map(|(_, pool)| &pool.status.conflicts) {
            *conflicts
                .entry((&conflict.code, &conflict.severity))
                .or_default() += 1;
        }
        let mut family = encoder.encode_descriptor(
            "headroom_conflicts",
            "Conflicts in the pools' configurations by code",
            None,
            MetricType::Gauge,
        )?;
        for ((code, severity), count) in conflicts {
            family
                .encode_family(&[("code", code), ("severity", severity)])?
                .encode_gauge(&count)?;
        }
        Ok(())
    }
}

/// Writes the samples of one pool in one family.
struct Samples<'a, 'b> {
    family: &'a mut prometheus_client::encoding::MetricEncoder<'b>,
    key: &'a ObjectKey,
}

impl Samples<'_, '_> {
    fn add(&mut self, labels: &[(&str, &str)], value: i64) -> fmt::Result {
        let mut all = vec![
            ("namespace", &*self.key.namespace),
            ("pool", &*self.key.name),
        ];
        all.extend_from_slice(labels);
        self.family.encode_family(&all)?.encode_gauge(&value)
    }
}
