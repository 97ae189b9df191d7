//! Step 5: says in the pool's status what was found, with at most one write and none if nothing changed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde_json::json;

use super::context::{Context, call};
use super::dereference::{Identity, Unreadable};
use super::error::ReconcileError;
use super::events::Warning;
use super::key::ObjectKey;
use super::observed::StoredPool;
use crate::api::STATUS_FIELD_MANAGER;
use crate::api::v1alpha1::{TaskManagerPool, TaskManagerPoolStatus};
use crate::desired::selector_text;
use crate::status::{AVAILABLE, BUDGET_RESOLVED, READY, RECONCILING, STALLED};

/// Reason of the conditions of a pool that cannot be read.
const UNREADABLE: &str = "Unreadable";

/// Writes the status if it differs from the one that the pool has, and publishes what a person must know.
///
/// The write names the version of the pool that was looked at: a status never lands on a newer spec, nor on
/// the successor of a deleted pool. (The uid would not do; the API server ignores it in a write to a status.)
/// Returns whether there was a write.
///
/// # Errors
/// If the API server does not take it. A pool that changed or went meanwhile is no error: the watch delivers
/// that, and another reconcile follows.
pub async fn publish_status(
    context: &Context,
    key: &ObjectKey,
    seen: &Identity,
    previous: Option<&TaskManagerPoolStatus>,
    status: &TaskManagerPoolStatus,
) -> Result<bool, ReconcileError> {
    if previous == Some(status) {
        return Ok(false);
    }
    let body = json!({
        "apiVersion": TaskManagerPool::api_version(&()),
        "kind": TaskManagerPool::kind(&()),
        "metadata": {
            "name": &*key.name,
            "namespace": &*key.namespace,
            "resourceVersion": seen.version.to_string(),
        },
        "status": serde_json::to_value(status).map_err(ReconcileError::EncodeStatus)?,
    });
    let api: Api<StoredPool> = Api::namespaced(context.client.clone(), &key.namespace);
    let parameters = PatchParams::apply(STATUS_FIELD_MANAGER).force();
    match call(api.patch_status(&key.name, &parameters, &Patch::Apply(&body))).await {
        Ok(stored) => {
            context.caches.lock().put_pool(stored);
        }
        Err(error)
            if error.is_conflict() || error.refusal().is_some_and(|status| status.code == 404) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(ReconcileError::Status(error)),
    }
    if let Some(warning) = new_warning(previous, status) {
        context
            .publisher
            .publish(key, &seen.uid, &warning, (context.now)())
            .await;
    }
    Ok(true)
}

/// What the status says now that a person must know and that it did not say before.
fn new_warning(
    previous: Option<&TaskManagerPoolStatus>,
    status: &TaskManagerPoolStatus,
) -> Option<Warning> {
    let stalled = condition(status, STALLED)?;
    let known = previous.and_then(|previous| condition(previous, STALLED));
    if known.is_some_and(|known| known.reason == stalled.reason && known.message == stalled.message)
    {
        return None;
    }
    // Fixed texts where the condition's own would carry numbers: equal events are counted, others pile up.
    let (reason, note) = match stalled.reason.as_str() {
        "ConflictingConfiguration" => (
            "BudgetConflict",
            "the configuration cannot work as it is; status.conflicts lists what is wrong, each with its \
             smallest fix",
        ),
        "ReplicaFailure" => (
            "ReplicaFailure",
            "not all TaskManager pods can be created; the condition Stalled says why",
        ),
        reason => (reason, stalled.message.as_str()),
    };
    Some(Warning {
        reason: reason.to_owned(),
        note: note.to_owned(),
    })
}

fn condition<'a>(status: &'a TaskManagerPoolStatus, kind: &str) -> Option<&'a Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind && condition.status == "True")
}

/// The status of a stored pool that does not have the form of one: what it said before, with conditions that
/// name the field.
#[must_use]
pub fn unreadable_status(
    pool: &str,
    unreadable: &Unreadable,
    now: Timestamp,
) -> TaskManagerPoolStatus {
    let message = format!(
        "{unreadable}; the pool was stored before the installed definition of the resource; correct the \
         field, and the pool's TaskManagers stay as they are until then"
    );
    let previous = &unreadable.status.conditions;
    let condition = |kind: &str, status: &str| {
        let since = previous
            .iter()
            .find(|known| known.type_ == kind && known.status == status)
            .map_or_else(|| Time(now), |known| known.last_transition_time.clone());
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: UNREADABLE.to_owned(),
            message: message.clone(),
            observed_generation: unreadable.generation,
            last_transition_time: since,
        }
    };
    let mut conditions = vec![condition(READY, "False")];
    conditions.extend(
        previous
            .iter()
            .filter(|known| known.type_ == AVAILABLE)
            .cloned(),
    );
    conditions.push(condition(BUDGET_RESOLVED, "False"));
    conditions.push(condition(STALLED, "True"));
    debug_assert!(
        conditions
            .iter()
            .all(|condition| condition.type_ != RECONCILING)
    );
    TaskManagerPoolStatus {
        observed_generation: unreadable.generation,
        selector: Some(selector_text(pool)),
        conditions,
        ..unreadable.status.clone()
    }
}
