//! What Flink's own Kubernetes deployment makes of a process: the pod that it asks for.
//!
//! Mirrors `KubernetesWorkerResourceSpecFactory`, `ActiveResourceManagerFactory`,
//! `TaskExecutorProcessUtils.processSpecFromWorkerResourceSpec` and `KubernetesUtils.getResourceRequirements`. The
//! client derives the sizes once; the resource manager then computes each TaskManager anew, since 1.18 without the
//! totals that were configured, so that the pod can be larger or smaller than the configured process.

use serde::Serialize;

use super::{
    Budget, Component, FlinkError, Request, assemble,
    decimal::{java_double, round_down_to_eight_places},
    derivation::{Amount, Derivation, Derived, FirstViolation, Stop, Strictness},
    effective::Options,
    flink_error,
    jobmanager::JobManagerBudget,
    options::Id,
    process::{Deriver, JvmMemory},
    request::{Mode, Role},
    source, taskmanager,
    version::FineGrained,
    violation::{Kind, Quantity, Step},
};
use crate::bytes::Bytes;

/// The resources of the container `flink-main-container`, as Flink writes them into the pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerResources {
    /// The request, in mebibytes: the process rounded down, so up to one mebibyte less than it takes.
    pub memory_request_mebibytes: i32,
    /// The limit, in mebibytes: the request times the limit factor, rounded down.
    pub memory_limit_mebibytes: i32,
    /// The request of CPU cores.
    pub cpu_request: String,
    /// The limit of CPU cores: the request times the limit factor.
    pub cpu_limit: String,
}

/// A TaskManager's pod, as the resource manager asks for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerPod {
    /// The TaskManager in it: overhead, process and CPU cores are computed anew, everything else is as configured.
    pub budget: Budget,
    /// The container.
    pub container: ContainerResources,
    /// The totals that were configured, and that Flink throws away before it computes the pod.
    pub ignored_totals: Vec<&'static str>,
}

/// What the resource manager computes anew.
struct WorkerDerivation {
    jvm: JvmMemory,
    cpu_cores: f64,
    factors: Factors,
    ignores_totals: bool,
}

/// What limits are made of requests with.
struct Factors {
    cpu: f64,
    memory: f64,
}

/// The pod of a TaskManager that Flink's own deployment starts; the request's role and mode count as that.
///
/// # Errors
/// The exception Flink throws: first of the client's derivation, then of the resource manager's.
pub fn worker_pod(request: &Request) -> Result<WorkerPod, FlinkError> {
    let request = request
        .clone()
        .with_role(Role::TaskManager)
        .with_mode(Mode::Kubernetes);
    let options = Options::new(&request);
    let mut first = FirstViolation::default();
    let derived = taskmanager::derive(&options, &mut first).and_then(|derivation| {
        let worker = derive_worker(&options, &derivation, &mut first)?;
        Ok((derivation, worker))
    });
    let Ok((derivation, worker)) = derived else {
        return Err(flink_error::of_first(first, &options));
    };
    let component = |amount: Amount| Component {
        bytes: amount.bytes,
        source: source(&options, amount),
    };
    let mut budget = assemble(&options, derivation);
    budget.jvm_overhead = component(worker.jvm.overhead);
    budget.total_process = component(worker.jvm.total_process);
    budget.cpu_cores = worker.cpu_cores;
    let ignored_totals = [Id::ProcessSize, Id::FlinkSize]
        .into_iter()
        .filter(|id| worker.ignores_totals && options.is_set(*id))
        .map(|id| options.key(id))
        .collect();
    Ok(WorkerPod {
        container: container(
            budget.total_process.bytes,
            budget.cpu_cores,
            &worker.factors,
        ),
        budget,
        ignored_totals,
    })
}

/// The container of a JobManager that Flink's own deployment starts.
///
/// # Errors
/// The exception Flink throws.
pub fn jobmanager_container(
    request: &Request,
    budget: &JobManagerBudget,
) -> Result<ContainerResources, FlinkError> {
    let request = request
        .clone()
        .with_role(Role::JobManager)
        .with_mode(Mode::Kubernetes);
    let options = Options::new(&request);
    let mut first = FirstViolation::default();
    match derive_jobmanager_pod(&options, &mut first) {
        Ok((cpu_cores, factors)) => Ok(container(budget.total_process(), cpu_cores, &factors)),
        Err(Stop) => Err(flink_error::of_first(first, &options)),
    }
}

/// Whether Flink's own deployment accepts what it is asked for beside the sizes of a TaskManager.
pub(super) fn accepts_taskmanager(options: &Options<'_>, derivation: &Derivation) -> bool {
    options.request.mode != Mode::Kubernetes
        || derive_worker(options, derivation, &mut FirstViolation::default()).is_ok()
}

/// Whether Flink's own deployment accepts what it is asked for beside the sizes of a JobManager.
pub(super) fn accepts_jobmanager(options: &Options<'_>) -> bool {
    options.request.mode != Mode::Kubernetes
        || derive_jobmanager_pod(options, &mut FirstViolation::default()).is_ok()
}

/// Looks for everything that Flink's own deployment refuses beside the sizes.
///
/// # Errors
/// `strictness` ended it and keeps the violation.
pub(super) fn check<S: Strictness>(
    options: &Options<'_>,
    derived: &Derived,
    strictness: &mut S,
) -> Result<(), Stop> {
    if options.request.mode != Mode::Kubernetes {
        return Ok(());
    }
    match derived {
        Derived::TaskManager(derivation) => {
            derive_worker(options, derivation, strictness).map(|_| ())
        }
        Derived::JobManager(_) => derive_jobmanager_pod(options, strictness).map(|_| ()),
    }
}

/// Runs the resource manager's derivation on the client's.
fn derive_worker<S: Strictness>(
    options: &Options<'_>,
    derivation: &Derivation,
    strictness: &mut S,
) -> Result<WorkerDerivation, Stop> {
    let mut deriver = after_the_client(options, strictness);
    let cpu_cores = cpu_of_worker(&mut deriver, derivation)?;
    let ignores_totals = match options.version().manages_resources_by_the_grain() {
        FineGrained::Never => false,
        FineGrained::Optional { default } => deriver.boolean(Id::FineGrained)?.unwrap_or(default),
        FineGrained::Always => true,
    };
    let mut jvm = derivation.jvm();
    if ignores_totals {
        let mut deriver = after_the_client(options, strictness).without_process_size();
        let parts = [
            derivation.framework_heap,
            derivation.framework_off_heap,
            derivation.task_heap,
            derivation.task_off_heap,
            derivation.network,
            derivation.managed,
        ];
        let total_flink = deriver.sum(&parts, Quantity::TotalFlink)?;
        if let Some(total_flink) = total_flink.filter(|total| total.known) {
            jvm = deriver.jvm_from_flink(total_flink)?;
        }
    }
    let mut deriver = after_the_client(options, strictness);
    Ok(WorkerDerivation {
        jvm,
        cpu_cores,
        factors: Factors {
            memory: factor(&mut deriver, Id::KubernetesMemoryLimitFactor)?,
            cpu: factor(&mut deriver, Id::KubernetesCpuLimitFactor)?,
        },
        ignores_totals,
    })
}

/// What is asked of the pod of a JobManager.
fn derive_jobmanager_pod<S: Strictness>(
    options: &Options<'_>,
    strictness: &mut S,
) -> Result<(f64, Factors), Stop> {
    let mut deriver = after_the_client(options, strictness);
    let memory = factor(&mut deriver, Id::KubernetesMemoryLimitFactor)?;
    let cpu_cores = deriver.double(Id::KubernetesCpu)?.unwrap_or(1.0);
    let cpu = factor(&mut deriver, Id::KubernetesCpuLimitFactor)?;
    Ok((cpu_cores, Factors { memory, cpu }))
}

/// What the client derived stands; what is wrong from here on has none of the client's prefixes.
fn after_the_client<'a, 'b, S: Strictness>(
    options: &'a Options<'b>,
    strictness: &'a mut S,
) -> Deriver<'a, 'b, S> {
    let mut deriver = Deriver::new(options, strictness);
    deriver.step = Step::Afterwards;
    deriver
}

/// The cores that are configured, else those of Kubernetes, else one for each slot.
fn cpu_of_worker<S: Strictness>(
    deriver: &mut Deriver<'_, '_, S>,
    derivation: &Derivation,
) -> Result<f64, Stop> {
    let option = Id::KubernetesCpu;
    let of_kubernetes = deriver
        .double(option)?
        .filter(|cores| *cores > 0.0 && !deriver.options.is_set(Id::CpuCores));
    let Some(mut cores) = of_kubernetes else {
        return Ok(derivation.cpu_cores);
    };
    if !cores.is_finite() {
        deriver.violated(Kind::CpuNotFinite {
            option,
            value: cores,
        })?;
    }
    if deriver.options.version().rounds_cpu_cores() {
        cores = round_down_to_eight_places(cores);
    }
    // Flink takes them as those that were configured and derives the process once more.
    if cores == 0.0 {
        deriver.step = Step::Derivation;
        deriver.violated(Kind::CpuNotPositive { option })?;
        deriver.step = Step::Afterwards;
    }
    Ok(cores)
}

/// What a limit is of its request.
fn factor<S: Strictness>(deriver: &mut Deriver<'_, '_, S>, option: Id) -> Result<f64, Stop> {
    if !deriver.options.version().has_limit_factors() {
        return Ok(1.0);
    }
    let factor = deriver.double(option)?.unwrap_or(1.0);
    if factor >= 1.0 {
        return Ok(factor);
    }
    deriver.violated(Kind::LimitFactorBelowOne { option, factor })?;
    Ok(1.0)
}

fn container(total_process: Bytes, cpu_cores: f64, factors: &Factors) -> ContainerResources {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "Flink cuts the number of mebibytes off to 32 bits, and saturates their product"
    )]
    let (request, limit) = {
        let request = total_process.whole_mebibytes() as i32;
        (request, (f64::from(request) * factors.memory) as i32)
    };
    ContainerResources {
        memory_request_mebibytes: request,
        memory_limit_mebibytes: limit,
        cpu_request: java_double(cpu_cores),
        cpu_limit: java_double(cpu_cores * factors.cpu),
    }
}
