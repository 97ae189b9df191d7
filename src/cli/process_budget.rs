//! The budget of either process, where a command shows both kinds alike: components, flags, options, the container.

use crate::{
    budget::{
        self, Budget, Component, Conflict, Infeasible, ProfileInEffect, Request, Reserve, Role,
        jobmanager::{self, JobManagerBudget, UnifiedBudget},
    },
    bytes::Bytes,
};

/// The budget of the process that was asked about.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each answer, and the large variant is nearly always the one"
)]
pub(super) enum ProcessBudget {
    TaskManager(Budget),
    JobManager(JobManagerBudget),
}

/// One line of a table of components.
pub(super) struct Row<'a> {
    /// How many sums it lies in.
    pub depth: usize,
    /// The name in JSON.
    pub name: &'static str,
    pub component: &'a Component,
}

impl ProcessBudget {
    /// The budget of the process that a request is about, and what is worth a look although it stands.
    ///
    /// # Errors
    /// Every conflict at once.
    pub fn solve(request: &Request) -> Result<(Self, Vec<Conflict>), Infeasible> {
        match request.role {
            Role::TaskManager => {
                let mut budget = budget::solve(request)?;
                let warnings = std::mem::take(&mut budget.warnings);
                Ok((Self::TaskManager(budget), warnings))
            }
            Role::JobManager => {
                let mut budget = jobmanager::solve(request)?;
                let warnings = match &mut budget {
                    JobManagerBudget::Unified(budget) => std::mem::take(&mut budget.warnings),
                    JobManagerBudget::Cutoff(budget) => std::mem::take(&mut budget.warnings),
                };
                Ok((Self::JobManager(budget), warnings))
            }
        }
    }

    /// The budget of a TaskManager, where it is one.
    pub fn task_manager(&self) -> Option<&Budget> {
        match self {
            Self::TaskManager(budget) => Some(budget),
            Self::JobManager(_) => None,
        }
    }

    /// Every component with its name as in JSON, totals last.
    pub fn components(&self) -> Vec<(&'static str, &Component)> {
        match self {
            Self::TaskManager(budget) => budget.components().to_vec(),
            Self::JobManager(budget) => budget.components(),
        }
    }

    /// The size of a component, where this process has it.
    pub fn bytes_of(&self, name: &str) -> Option<Bytes> {
        let components = self.components();
        let found = components.iter().find(|(known, _)| *known == name);
        found.map(|(_, component)| component.bytes)
    }

    /// The components as people read them: a total before its parts.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let rows = match self {
            Self::TaskManager(budget) => vec![
                (0, "totalProcess", &budget.total_process),
                (1, "totalFlink", &budget.total_flink),
                (2, "frameworkHeap", &budget.framework_heap),
                (2, "taskHeap", &budget.task_heap),
                (2, "managed", &budget.managed),
                (2, "frameworkOffHeap", &budget.framework_off_heap),
                (2, "taskOffHeap", &budget.task_off_heap),
                (2, "network", &budget.network),
                (1, "jvmMetaspace", &budget.jvm_metaspace),
                (1, "jvmOverhead", &budget.jvm_overhead),
            ],
            Self::JobManager(JobManagerBudget::Unified(budget)) => vec![
                (0, "totalProcess", &budget.total_process),
                (1, "totalFlink", &budget.total_flink),
                (2, "jvmHeap", &budget.jvm_heap),
                (2, "offHeap", &budget.off_heap),
                (1, "jvmMetaspace", &budget.jvm_metaspace),
                (1, "jvmOverhead", &budget.jvm_overhead),
            ],
            Self::JobManager(JobManagerBudget::Cutoff(budget)) => {
                let depth = usize::from(budget.container.is_some());
                let container = budget.container.as_ref();
                let cutoff = budget.cutoff.as_ref();
                container
                    .map(|container| (0, "container", container))
                    .into_iter()
                    .chain([(depth, "jvmHeap", &budget.jvm_heap)])
                    .chain(cutoff.map(|cutoff| (depth, "cutoff", cutoff)))
                    .collect()
            }
        };
        rows.into_iter()
            .map(|(depth, name, component)| Row {
                depth,
                name,
                component,
            })
            .collect()
    }

    /// The memory limit of the container; `None` outside a container.
    pub fn container_limit(&self) -> Option<Bytes> {
        match self {
            Self::TaskManager(budget) => budget.container_limit,
            Self::JobManager(JobManagerBudget::Unified(budget)) => budget.container_limit,
            Self::JobManager(JobManagerBudget::Cutoff(budget)) => budget.container_limit,
        }
    }

    /// What the container holds beside the process; a JobManager has no reserves.
    pub fn reserves(&self) -> &[Reserve] {
        self.task_manager().map_or(&[], |budget| &budget.reserves)
    }

    /// What comes from a profile; a JobManager has none.
    pub fn profile(&self) -> Option<&ProfileInEffect> {
        self.task_manager()?.profile.as_ref()
    }

    /// What of the container neither the process nor a reserve takes; `None` outside a container, and where Flink's
    /// model does not say how large the process is: 1.10 knows of a JobManager that scripts start only the heap.
    pub fn unassigned(&self) -> Option<Bytes> {
        let limit = self.container_limit()?;
        match self {
            Self::TaskManager(budget) => Some(budget.unassigned()),
            Self::JobManager(JobManagerBudget::Cutoff(budget)) if budget.container.is_none() => {
                None
            }
            Self::JobManager(budget) => Some(limit.saturating_sub(budget.total_process())),
        }
    }

    /// The JVM's memory flags, one by one.
    pub fn jvm_arguments(&self) -> Vec<String> {
        let line = match self {
            Self::TaskManager(budget) => budget::jvm_parameters(budget),
            Self::JobManager(budget) => jobmanager::jvm_parameters(budget),
        };
        line.split_whitespace().map(str::to_owned).collect()
    }

    /// The options that fix every size, in the order in which Flink is given them.
    pub fn options(&self) -> Vec<(String, String)> {
        match self {
            Self::TaskManager(budget) => budget::dynamic_configurations(budget),
            Self::JobManager(budget) => jobmanager::dynamic_configurations(budget),
        }
    }

    /// The JVM's heap, `-Xmx`.
    pub fn jvm_heap(&self) -> Bytes {
        match self {
            Self::TaskManager(budget) => budget.jvm_heap(),
            Self::JobManager(JobManagerBudget::Unified(budget)) => budget.jvm_heap.bytes,
            Self::JobManager(JobManagerBudget::Cutoff(budget)) => budget.jvm_heap.bytes,
        }
    }

    /// The JVM's limit of direct memory; `None` where Flink sets none.
    pub fn jvm_direct(&self) -> Option<Bytes> {
        match self {
            Self::TaskManager(budget) => Some(budget.jvm_direct()),
            Self::JobManager(JobManagerBudget::Unified(UnifiedBudget {
                limits_direct_memory: true,
                off_heap,
                ..
            })) => Some(off_heap.bytes),
            Self::JobManager(_) => None,
        }
    }
}
