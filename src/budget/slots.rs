//! What one slot of a TaskManager gets, and whether slots of one's own sizes fit into it.
//!
//! Mirrors `TaskExecutorResourceUtils.generateDefaultSlotResourceProfile` and, for slots that a job asks for by
//! name, `ResourceProfile.allFieldsNoLessThan`. Framework memory, metaspace and overhead belong to no slot.

use serde::Serialize;

use super::{
    Budget, Request,
    decimal::Decimal,
    derivation::Derived,
    effective::Options,
    flink_error,
    infeasible::{Change, Code, Conflict, FlinkError, OptionReference, Severity, Suggestion, Term},
    memory_size,
    options::{self, Id},
    trial::{Edit, Trial, violations},
    version::FlinkVersion,
};
use crate::bytes::Bytes;

/// The slot that a task gets which asks for nothing special: an equal share of everything, rounded down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotProfile {
    /// How many slots share the TaskManager.
    pub slots: u32,
    /// CPU cores, the decimal text of Flink: cut off after 8 places since 1.14, after 16 before.
    pub cpu_cores: String,
    /// JVM heap for tasks.
    pub task_heap: Bytes,
    /// Off-heap memory for tasks.
    pub task_off_heap: Bytes,
    /// Managed memory.
    pub managed: Bytes,
    /// Network memory. It is shared at run time, so this bounds no slot.
    pub network: Bytes,
    /// External resources by name, in the order of the configured list.
    pub external_resources: Vec<(String, i64)>,
}

/// The slot that a slot sharing group asks for by name, where Flink manages resources by the grain.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotRequest {
    /// The group's name.
    pub name: String,
    /// CPU cores.
    pub cpu_cores: f64,
    /// JVM heap for tasks.
    pub task_heap: Bytes,
    /// Off-heap memory for tasks; nothing unless asked for.
    pub task_off_heap: Bytes,
    /// Managed memory; nothing unless asked for.
    pub managed: Bytes,
}

/// How often a slot fits into one TaskManager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotFit {
    /// The group's name.
    pub name: String,
    /// How many such slots one TaskManager has room for beside none of another kind.
    pub per_task_manager: u64,
    /// What runs out first.
    pub bounded_by: &'static str,
}

/// The default slot of a TaskManager that was started with exactly these sizes.
///
/// # Errors
/// The exception with which the started TaskManager refuses its number of slots.
pub fn default_profile(budget: &Budget) -> Result<SlotProfile, FlinkError> {
    if let Some(written) = &budget.unreadable_slots {
        return Err(flink_error::integer_unreadable(
            options::NUMBER_OF_TASK_SLOTS,
            written,
        ));
    }
    // Many configurations have been written with −1, which Flink reads as one.
    let slots = match budget.number_of_task_slots {
        -1 => 1,
        slots => slots,
    };
    let Some(slots) = u32::try_from(slots).ok().filter(|slots| *slots >= 1) else {
        return Err(flink_error::slots_refused(slots));
    };
    let share = |bytes: Bytes| Bytes(bytes.get() / u64::from(slots));
    Ok(SlotProfile {
        slots,
        cpu_cores: cpu_share(budget.cpu_cores, slots, budget.flink_version),
        task_heap: share(budget.task_heap.bytes),
        task_off_heap: share(budget.task_off_heap.bytes),
        managed: share(budget.managed.bytes),
        network: share(budget.network.bytes),
        external_resources: budget
            .external_resources
            .iter()
            .map(|(name, amount)| (name.clone(), amount / i64::from(slots)))
            .collect(),
    })
}

/// Cores divided by slots in exact decimals, cut off as the version does it.
fn cpu_share(cores: f64, slots: u32, version: FlinkVersion) -> String {
    let (places, keeps_zeros) = if version.rounds_cpu_cores() {
        (8, false)
    } else {
        (16, true)
    };
    let text =
        Decimal::shortest(cores).map_or_else(String::new, |cores| cores.divide(slots, places));
    if keeps_zeros {
        text
    } else {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// How often each of these slots fits into the TaskManager that was asked for and got this budget, or why it never
/// does.
///
/// # Errors
/// One conflict for each size of each slot that is larger than the TaskManager's. Its ways out are a smaller slot and,
/// where one option makes the TaskManager large enough, that option; the latter was solved again.
pub fn fit(
    asked: &Request,
    budget: &Budget,
    requests: &[SlotRequest],
) -> Result<Vec<SlotFit>, Vec<Conflict>> {
    let trial = Trial::new(asked);
    let conflicts: Vec<Conflict> = requests
        .iter()
        .flat_map(|request| too_large(&trial, budget, request))
        .collect();
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    Ok(requests
        .iter()
        .map(|request| fits(budget, request))
        .collect())
}

/// The sizes of a slot beside those of the TaskManager, each with its name.
fn sizes(budget: &Budget, request: &SlotRequest) -> [(&'static str, Bytes, Bytes); 3] {
    [
        ("taskHeap", request.task_heap, budget.task_heap.bytes),
        (
            "taskOffHeap",
            request.task_off_heap,
            budget.task_off_heap.bytes,
        ),
        ("managed", request.managed, budget.managed.bytes),
    ]
}

fn fits(budget: &Budget, request: &SlotRequest) -> SlotFit {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "both are positive, and a quotient beyond 2^64 saturates"
    )]
    let by_cpu = (budget.cpu_cores / request.cpu_cores) as u64;
    let (per_task_manager, bounded_by) = sizes(budget, request)
        .into_iter()
        .filter_map(|(name, asked, there)| Some((there.get().checked_div(asked.get())?, name)))
        .chain([(by_cpu, "cpuCores")])
        .min_by_key(|(count, _)| *count)
        .unwrap_or((by_cpu, "cpuCores"));
    SlotFit {
        name: request.name.clone(),
        per_task_manager,
        bounded_by,
    }
}

fn too_large(trial: &Trial, budget: &Budget, request: &SlotRequest) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    if request.cpu_cores > budget.cpu_cores {
        let (asked, there) = (request.cpu_cores.to_string(), budget.cpu_cores.to_string());
        let edit = Edit::Set(Id::CpuCores, asked.clone());
        let raised = trial.with(&edit).solves().then(|| trial.suggestion(&edit));
        let sum = Vec::new();
        conflicts.push(conflict(request, "cpuCores", asked, there, sum, raised));
    }
    for (name, asked, there) in sizes(budget, request) {
        if asked > there {
            let term = Term {
                name,
                key: None,
                bytes: there,
            };
            conflicts.push(conflict(
                request,
                name,
                memory_size::text(asked),
                memory_size::text(there),
                vec![term],
                raised(trial, name, asked),
            ));
        }
    }
    conflicts
}

/// The option that makes a component of the TaskManager large enough: its own where it is written or has a default,
/// and else the total that it is a share or the rest of.
fn raised(trial: &Trial, name: &str, asked: Bytes) -> Option<Suggestion> {
    let is_enough = |edit: &Edit| {
        let changed = trial.with(edit);
        let Some(Derived::TaskManager(derived)) = violations(&Options::new(&changed.request)).0
        else {
            return false;
        };
        let component = match name {
            "taskHeap" => derived.task_heap,
            "taskOffHeap" => derived.task_off_heap,
            _ => derived.managed,
        };
        component.known && component.bytes >= asked
    };
    let offered = |edit: Edit| {
        let solves = is_enough(&edit) && trial.with(&edit).solves();
        solves.then(|| trial.suggestion(&edit))
    };
    let options = Options::new(&trial.request);
    let own = match name {
        "taskHeap" => Id::TaskHeapSize,
        "taskOffHeap" => Id::TaskOffHeapSize,
        _ => Id::ManagedSize,
    };
    if options.is_set(own) || own == Id::TaskOffHeapSize {
        let own = offered(Edit::Set(own, memory_size::text(asked)));
        if own.is_some() {
            return own;
        }
    }
    let total = [Id::FlinkSize, Id::ProcessSize]
        .into_iter()
        .find(|id| options.is_set(*id));
    let (current, edit): (Bytes, &dyn Fn(u64) -> Edit) =
        match (total, trial.request.container_limit) {
            (Some(id), _) => (trial.size(id)?, &move |mebibytes| {
                Edit::Set(id, memory_size::text(Bytes::from_mebibytes(mebibytes)))
            }),
            (None, Some(limit)) if options.room_as_process_size.is_some() => {
                (limit, &|mebibytes| {
                    Edit::Limit(Bytes::from_mebibytes(mebibytes))
                })
            }
            _ => return None,
        };
    // More of a total is more of each share and of the rest.
    let mut below = current.whole_mebibytes();
    let mut enough = below.max(1).checked_mul(2)?;
    while !is_enough(&edit(enough)) {
        below = enough;
        enough = enough
            .checked_mul(2)
            .filter(|size| *size <= LARGEST_TOTAL)?;
    }
    while below + 1 < enough {
        let middle = below.midpoint(enough);
        if is_enough(&edit(middle)) {
            enough = middle;
        } else {
            below = middle;
        }
    }
    offered(edit(enough))
}

/// A tebibyte in mebibytes: nobody is told to make a TaskManager larger.
const LARGEST_TOTAL: u64 = 1 << 20;

fn conflict(
    request: &SlotRequest,
    name: &'static str,
    asked: String,
    there: String,
    sum: Vec<Term>,
    raised: Option<Suggestion>,
) -> Conflict {
    let path = format!("slot {}: {name}", request.name);
    let mut conflict = Conflict::new(
        Code::SlotTooLarge,
        Severity::Error,
        vec![OptionReference {
            key: name.to_owned(),
            origin: None,
            path: path.clone(),
            value: asked.clone(),
            is_default: false,
        }],
        format!("<= {there}"),
        format!(
            "{path} is {asked}, and the whole TaskManager has {there}, so that no TaskManager can ever offer such a \
             slot; set {path} to {there}{}",
            raised
                .as_ref()
                .map_or_else(String::new, |raised| format!(", or {raised}"))
        ),
    );
    conflict.sum = sum;
    conflict.suggestions.push(Suggestion {
        key: name.to_owned(),
        origin: None,
        path,
        current: Some(asked),
        change: Change::Set(there),
        exact: None,
    });
    conflict.suggestions.extend(raised);
    conflict
}
