//! One reconcile of one pool: the five steps in their order.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Chain;
use super::apply::{apply, is_owned_by};
use super::build::build;
use super::context::Context;
use super::dereference::{Identity, find_pool};
use super::error::ReconcileError;
use super::key::ObjectKey;
use super::observed::ChildKind;
use super::queue::Next;
use super::status::{publish_status, unreadable_status};
use super::validate::validate;
use crate::api::v1alpha1::TaskManagerPool;
use crate::desired::{Invalid, ValidatedPool};
use crate::status::{Blocked, Outcome, compute_status};

/// What a reconcile came to; the labels of the metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Done {
    /// Something was written.
    Applied,
    /// Nothing had to be written.
    Unchanged,
    /// The spec cannot run.
    Conflict,
    /// The stored object cannot be read.
    Unreadable,
    /// The pool has gone or is going.
    Gone,
}

impl Done {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Conflict => "conflict",
            Self::Unreadable => "unreadable",
            Self::Gone => "gone",
        }
    }
}

/// Brings the children and the status of the pool to where they should be, as far as that goes now, and says
/// when to look again.
pub async fn reconcile(context: &Context, key: &ObjectKey) -> Next {
    let start = Instant::now();
    let (category, next) = match reconcile_pool(context, key).await {
        Ok(done) => {
            debug!(pool = %key, result = done.as_str(), "reconciled");
            (done.as_str(), Next::AwaitChange)
        }
        Err(error) => {
            let (category, next) = (error.category(), error.next());
            match error {
                ReconcileError::Foreign { .. } => info!(pool = %key, %error, "blocked"),
                _ => warn!(pool = %key, error = %Chain(&error), ?next, "reconcile failed"),
            }
            (category, next)
        }
    };
    context.metrics.count_reconcile(category, start.elapsed());
    next
}

async fn reconcile_pool(context: &Context, key: &ObjectKey) -> Result<Done, ReconcileError> {
    // 1. Dereference: from the caches, no client.
    let Some(found) = find_pool(context, key) else {
        return Ok(Done::Gone);
    };
    let seen = &found.identity;
    let pool = match found.pool {
        Ok(pool) => *pool,
        Err(unreadable) => {
            let previous = unreadable.status.clone();
            let status = unreadable_status(&key.name, &unreadable, (context.now)());
            publish_status(context, key, seen, Some(&previous), &status).await?;
            return Ok(Done::Unreadable);
        }
    };

    // 2. Validate: pure.
    let validated = match validate(&pool, &context.settings, &context.metrics) {
        Ok(validated) => validated,
        Err(invalid) => {
            return report_invalid(context, key, seen, &pool, &invalid).await;
        }
    };

    // 3. Build: pure.
    let prepared = build(&validated);

    // 4. Apply: the client's.
    let written = match apply(context, key, &seen.uid, prepared).await {
        Ok(written) => written,
        Err(error) => {
            if let Some(cause) = blocked(&error) {
                report_blocked(context, key, seen, &pool, &validated, &cause).await?;
            }
            return Err(error);
        }
    };

    // 5. Status: computed from what was applied, then one write by the client.
    let outcome = Outcome::Applied {
        pool: &validated,
        resources: &written.resources,
    };
    let status = compute_status(&pool, &outcome, (context.now)());
    let was_published = publish_status(context, key, seen, pool.status.as_ref(), &status).await?;
    Ok(if written.writes > 0 || was_published {
        Done::Applied
    } else {
        Done::Unchanged
    })
}

/// A spec that cannot run: the children stay as they are, the status says why.
async fn report_invalid(
    context: &Context,
    key: &ObjectKey,
    seen: &Identity,
    pool: &TaskManagerPool,
    invalid: &Invalid,
) -> Result<Done, ReconcileError> {
    let deployment = last_deployment(context, key, &seen.uid);
    let outcome = Outcome::Invalid {
        invalid,
        deployment: deployment.as_ref(),
    };
    let status = compute_status(pool, &outcome, (context.now)());
    publish_status(context, key, seen, pool.status.as_ref(), &status).await?;
    Ok(Done::Conflict)
}

/// A child that cannot be applied: the status says which and why.
async fn report_blocked(
    context: &Context,
    key: &ObjectKey,
    seen: &Identity,
    pool: &TaskManagerPool,
    validated: &ValidatedPool,
    cause: &Blocked,
) -> Result<bool, ReconcileError> {
    let deployment = last_deployment(context, key, &seen.uid);
    let outcome = Outcome::Blocked {
        pool: validated,
        cause,
        deployment: deployment.as_ref(),
    };
    let status = compute_status(pool, &outcome, (context.now)());
    publish_status(context, key, seen, pool.status.as_ref(), &status).await
}

/// The cause for a status, if the error is one that only a person can remove.
fn blocked(error: &ReconcileError) -> Option<Blocked> {
    match error {
        ReconcileError::Foreign { kind, name, owner } => Some(Blocked::ForeignObject {
            kind: kind.as_str().to_owned(),
            name: name.clone(),
            owner: owner.clone(),
        }),
        ReconcileError::Rejected {
            kind,
            name,
            message,
        } => Some(Blocked::Rejected {
            kind: kind.as_str().to_owned(),
            name: name.clone(),
            message: message.clone(),
        }),
        _ => None,
    }
}

/// The pool's own Deployment as it was last observed.
fn last_deployment(context: &Context, pool: &ObjectKey, uid: &str) -> Option<Deployment> {
    let child = context.caches.lock().child(ChildKind::Deployment, pool)?;
    if !is_owned_by(&child.observed, uid) {
        return None;
    }
    let seen = child.observed.deployment.as_ref()?;
    let mut deployment = Deployment {
        spec: Some(DeploymentSpec {
            replicas: seen.replicas,
            ..DeploymentSpec::default()
        }),
        status: seen.status.clone(),
        ..Deployment::default()
    };
    deployment.metadata.name = Some(pool.name.to_string());
    deployment.metadata.namespace = Some(pool.namespace.to_string());
    deployment.metadata.generation = seen.generation;
    Some(deployment)
}
