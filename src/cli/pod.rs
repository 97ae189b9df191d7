//! The pod that Flink's own deployment on Kubernetes asks for, which is not always as large as the process that was
//! configured.

use serde::Serialize;

use super::{
    process_budget::ProcessBudget,
    screen::{Screen, padded},
    text,
};
use crate::{
    budget::{
        Budget, Mode, Request, dynamic_configurations,
        kubernetes::{ContainerResources, jobmanager_container, worker_pod},
    },
    bytes::Bytes,
};

/// A pod as Flink asks for it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pod {
    container: ContainerResources,
    /// The TaskManager as the resource manager computes it anew; `None` for a JobManager.
    worker: Option<Budget>,
    /// Whether that is not the TaskManager that was configured.
    is_recomputed: bool,
    /// The totals that were configured, and that the resource manager throws away.
    ignored_totals: Vec<&'static str>,
}

/// A pod as data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodReport<'a> {
    #[serde(flatten)]
    container: &'a ContainerResources,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    ignored_totals: &'a [&'static str],
    /// Sizes of the process in the pod, where they are not the configured ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_process_bytes: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jvm_overhead_bytes: Option<Bytes>,
}

impl Pod {
    /// The pod of a process that solves; `None` where Flink's scripts start it.
    pub fn of(request: &Request, budget: &ProcessBudget) -> Option<Pod> {
        if request.mode != Mode::Kubernetes {
            return None;
        }
        match budget {
            // What solves is accepted by the resource manager too.
            ProcessBudget::TaskManager(budget) => {
                let worker = worker_pod(request).ok()?;
                Some(Pod {
                    container: worker.container,
                    is_recomputed: worker.budget.total_process.bytes != budget.total_process.bytes
                        || worker.budget.jvm_overhead.bytes != budget.jvm_overhead.bytes,
                    worker: Some(worker.budget),
                    ignored_totals: worker.ignored_totals,
                })
            }
            ProcessBudget::JobManager(budget) => Some(Pod {
                container: jobmanager_container(request, budget).ok()?,
                worker: None,
                is_recomputed: false,
                ignored_totals: Vec::new(),
            }),
        }
    }

    /// The options with which Flink starts the process in the pod; `None` where it computes the sizes there.
    pub fn options(&self) -> Option<Vec<(String, String)>> {
        self.worker.as_ref().map(dynamic_configurations)
    }

    /// The TaskManager in the pod, where that is not the one that was configured.
    fn recomputed(&self) -> Option<&Budget> {
        self.worker.as_ref().filter(|_| self.is_recomputed)
    }

    /// The memory that Flink requests for the pod.
    pub fn memory_request(&self) -> Bytes {
        let mebibytes = u64::try_from(self.container.memory_request_mebibytes);
        Bytes::from_mebibytes(mebibytes.unwrap_or_default())
    }

    /// The pod as data.
    pub fn report(&self) -> PodReport<'_> {
        let recomputed = self.recomputed();
        PodReport {
            container: &self.container,
            ignored_totals: &self.ignored_totals,
            total_process_bytes: recomputed.map(|budget| budget.total_process.bytes),
            jvm_overhead_bytes: recomputed.map(|budget| budget.jvm_overhead.bytes),
        }
    }

    /// The pod for people, as a section.
    pub fn text(&self, screen: &Screen) -> String {
        let mut text = text::section("Pod", screen);
        for (name, request, limit) in self.rows() {
            text.push_str(&format!(
                "  {}  request {request}, limit {limit}\n",
                padded(name, "memory".len())
            ));
        }
        if let Some(sentence) = self.sentence() {
            text::push_wrapped(&mut text, "  ", "  ", &sentence, screen);
        }
        text
    }

    /// The pod in one sentence each for its resources and for what is computed anew.
    pub fn sentences(&self) -> Vec<String> {
        let resources = self
            .rows()
            .map(|(name, request, limit)| format!("{name} {request} (limit {limit})"));
        let first = format!("Flink asks for a pod with {}.", resources.join(" and "));
        std::iter::once(first).chain(self.sentence()).collect()
    }

    fn rows(&self) -> [(&'static str, String, String); 2] {
        let container = &self.container;
        [
            (
                "memory",
                format!("{}Mi", container.memory_request_mebibytes),
                format!("{}Mi", container.memory_limit_mebibytes),
            ),
            (
                "CPU",
                container.cpu_request.clone(),
                container.cpu_limit.clone(),
            ),
        ]
    }

    /// What the resource manager computes anew.
    fn sentence(&self) -> Option<String> {
        let budget = self.recomputed()?;
        let without = match self.ignored_totals.as_slice() {
            [] => String::new(),
            totals => format!(" without {}", totals.join(" and ")),
        };
        Some(format!(
            "The resource manager computes the process anew{without}: it takes {}, of which JVM overhead is {}.",
            budget.total_process.bytes, budget.jvm_overhead.bytes
        ))
    }
}
