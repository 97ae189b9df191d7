//! What can go wrong between the controller and the API server.
//!
//! A wrong spec is not here: that is a status. These are the world's errors, each with a fixed category for
//! metrics and logs.

use std::time::Duration;

use kube::core::response::Status;

use super::client::CALL_TIMEOUT;
use super::observed::ChildKind;
use super::queue::Next;

/// How long to wait after the API server refused an object for its content: only a change of the pool or of
/// the cluster's policy helps, so this is a slow look whether the latter happened.
const AFTER_REJECTION: Duration = Duration::from_secs(300);
/// How often to look whether an object that is in the way has gone.
const WHILE_BLOCKED: Duration = Duration::from_secs(10);

/// Why a call to the API server gave no object.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server answered with a refusal.
    #[error("the API server refused it with code {}: {}", .0.code, .0.message)]
    Refused(Box<Status>),

    /// There was no complete answer in time.
    #[error("no answer from the API server within {} s", CALL_TIMEOUT.as_secs())]
    TimedOut,

    /// The connection failed, or the answer could not be read.
    #[error("unable to reach the API server")]
    Unreachable(#[source] kube::Error),
}

impl CallError {
    /// Sorts kube's error.
    #[must_use]
    pub fn new(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(status),
            other => Self::Unreachable(other),
        }
    }

    /// The API server's answer, if there was one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Status> {
        match self {
            Self::Refused(status) => Some(status),
            Self::TimedOut | Self::Unreachable(_) => None,
        }
    }

    /// Whether the object was not in the state that the request took for granted: another version, another
    /// instance, or already there.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.refusal().is_some_and(|status| {
            status.code == 409
                || (status.code == 422
                    && status.details.as_ref().is_some_and(|details| {
                        details
                            .causes
                            .iter()
                            .any(|cause| cause.field == "metadata.uid")
                    }))
        })
    }

    /// Whether the API server refused the content or the controller's right to write it, so that the same
    /// request would be refused again.
    #[must_use]
    pub fn is_rejection(&self) -> bool {
        self.refusal().is_some_and(|status| {
            matches!(status.code, 400 | 403 | 413 | 422)
                && !is_namespace_terminating(status)
                && !is_owner_unknown_yet(status)
        })
    }

    /// How long the API server asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        let seconds = self
            .refusal()
            .and_then(|status| status.details.as_ref())
            .map_or(0, |details| details.retry_after_seconds);
        Duration::from_secs(seconds.into())
    }
}

fn is_namespace_terminating(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|details| {
        details
            .causes
            .iter()
            .any(|cause| cause.reason == "NamespaceTerminating")
    })
}

/// Whether the API server's admission does not know the kind of the owner yet. It learns of kinds every half minute
/// (`OwnerReferencesPermissionEnforcement`, `gc_admission.go`), so that this passes when the definition is new.
fn is_owner_unknown_yet(status: &Status) -> bool {
    status.code == 403 && status.message.contains("cannot find RESTMapping")
}

/// Why the children of a pool are not all as they should be.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// An object of the child's name belongs to somebody else.
    #[error("{} {name} exists and does not belong to this pool", .kind.as_str())]
    Foreign {
        /// Kind of the object.
        kind: ChildKind,
        /// Name of the object.
        name: String,
        /// Who controls it, as `Kind/name`.
        owner: Option<String>,
    },

    /// The API server does not accept the child.
    #[error("{} {name} was rejected: {message}", .kind.as_str())]
    Rejected {
        /// Kind of the child.
        kind: ChildKind,
        /// Name of the child.
        name: String,
        /// The API server's words.
        message: String,
    },

    /// A child could not be written this time.
    #[error("failed to apply {} {name}", .kind.as_str())]
    Apply {
        /// Kind of the child.
        kind: ChildKind,
        /// Name of the child.
        name: String,
        /// Why.
        source: CallError,
    },

    /// The object that is in the way of a child could not be read.
    #[error("failed to look at {} {name}", .kind.as_str())]
    Fetch {
        /// Kind of the child.
        kind: ChildKind,
        /// Name of the child.
        name: String,
        /// Why.
        source: CallError,
    },

    /// A child changed again and again while it was applied.
    #[error("{} {name} kept changing while it was applied", .kind.as_str())]
    Unsteady {
        /// Kind of the child.
        kind: ChildKind,
        /// Name of the child.
        name: String,
    },

    /// A child could not be written as JSON.
    #[error("failed to write a {} as JSON", .kind.as_str())]
    Encode {
        /// Kind of the child.
        kind: ChildKind,
        /// Why.
        source: serde_json::Error,
    },

    /// The status could not be written as JSON.
    #[error("failed to write the status as JSON")]
    EncodeStatus(#[source] serde_json::Error),

    /// The status could not be written.
    #[error("failed to write the status")]
    Status(#[source] CallError),
}

impl ReconcileError {
    /// A fixed word for metrics.
    #[must_use]
    pub const fn category(&self) -> &'static str {
        match self {
            Self::Foreign { .. } => "blocked",
            Self::Rejected { .. } => "rejected",
            Self::Apply { .. } => "apply_failed",
            Self::Fetch { .. } => "fetch_failed",
            Self::Unsteady { .. } => "unsteady",
            Self::Encode { .. } | Self::EncodeStatus(_) => "encode_failed",
            Self::Status(_) => "status_failed",
        }
    }

    /// When to try again.
    #[must_use]
    pub fn next(&self) -> Next {
        match self {
            Self::Foreign { .. } => Next::CheckAfter(WHILE_BLOCKED),
            Self::Rejected { .. } => Next::Retry {
                not_before: AFTER_REJECTION,
            },
            Self::Apply { source, .. } | Self::Fetch { source, .. } | Self::Status(source) => {
                Next::Retry {
                    not_before: source.retry_after(),
                }
            }
            Self::Unsteady { .. } | Self::Encode { .. } | Self::EncodeStatus(_) => Next::Retry {
                not_before: Duration::ZERO,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str) -> CallError {
        CallError::Refused(Box::new(Status {
            code,
            message: message.to_owned(),
            ..Status::default()
        }))
    }

    #[test]
    fn a_definition_that_is_new_to_admission_is_no_rejection() {
        let unknown = "serviceaccounts \"clicks\" is forbidden: cannot set blockOwnerDeletion in this case because \
             cannot find RESTMapping for APIVersion headroom.dev/v1alpha1 Kind TaskManagerPool: no matches for kind \
             \"TaskManagerPool\" in version \"headroom.dev/v1alpha1\"";
        assert!(!refused(403, unknown).is_rejection());
        let denied = "serviceaccounts \"clicks\" is forbidden: exceeded quota: few";
        assert!(refused(403, denied).is_rejection());
        assert!(!refused(409, unknown).is_rejection());
    }
}
