//! Conflicts that are found outside the solver, in the solver's own type.
//!
//! Every one names the field, the value, the bound and the way out, so that a status, a command line and an
//! event can show them side by side with what the solver found.

use crate::budget::{Change, Code, Conflict, OptionReference, Origin, Severity, Suggestion};

/// Longest value that is quoted in a message; a longer one is cut, because it is the user's own text.
const QUOTED_VALUE_CHARACTERS: usize = 120;

/// Builds one conflict about one place in the resource, or in a file that is read like one.
pub(crate) struct At {
    reference: OptionReference,
}

impl At {
    /// A field of the resource, by its path.
    pub fn field(path: impl Into<String>, value: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            reference: OptionReference {
                key: path.clone(),
                origin: Some(Origin::field(path.clone())),
                path,
                value: quoted(&value.into()),
                is_default: false,
            },
        }
    }

    /// A key of `spec.flinkConfiguration`.
    pub fn option(key: &str, value: impl Into<String>) -> Self {
        Self {
            reference: OptionReference {
                key: key.to_owned(),
                origin: Some(Origin::FlinkConfiguration),
                path: Origin::FlinkConfiguration.path(key),
                value: quoted(&value.into()),
                is_default: false,
            },
        }
    }

    /// An option of a known origin.
    pub fn origin(key: &str, value: impl Into<String>, origin: Origin) -> Self {
        Self {
            reference: OptionReference {
                key: key.to_owned(),
                path: origin.path(key),
                origin: Some(origin),
                value: quoted(&value.into()),
                is_default: false,
            },
        }
    }

    /// An error: `bound` is what the value would have to be, `message` one sentence that ends with the way out.
    pub fn error(
        self,
        code: Code,
        bound: impl Into<String>,
        message: impl Into<String>,
    ) -> Conflict {
        self.conflict(code, Severity::Error, bound.into(), message.into())
    }

    /// A warning.
    pub fn warning(
        self,
        code: Code,
        bound: impl Into<String>,
        message: impl Into<String>,
    ) -> Conflict {
        self.conflict(code, Severity::Warning, bound.into(), message.into())
    }

    fn conflict(self, code: Code, severity: Severity, bound: String, message: String) -> Conflict {
        Conflict::new(code, severity, vec![self.reference], bound, message)
    }
}

/// The same conflict with a second place that takes part in it.
pub(super) fn beside(mut conflict: Conflict, other: At) -> Conflict {
    conflict.options.push(other.reference);
    conflict
}

/// The same conflict with the suggestion to take its first option out.
pub(super) fn removing(mut conflict: Conflict) -> Conflict {
    let suggestion = conflict.options.first().map(|reference| Suggestion {
        key: reference.key.clone(),
        origin: reference.origin.clone(),
        path: reference.path.clone(),
        current: Some(reference.value.clone()),
        change: Change::Remove,
        exact: None,
    });
    conflict.suggestions.extend(suggestion);
    conflict
}

/// The same conflict with the suggestion to write `value` into its first option.
pub(super) fn setting(mut conflict: Conflict, value: impl Into<String>) -> Conflict {
    let suggestion = conflict.options.first().map(|reference| Suggestion {
        key: reference.key.clone(),
        origin: reference.origin.clone(),
        path: reference.path.clone(),
        current: Some(reference.value.clone()),
        change: Change::Set(value.into()),
        exact: None,
    });
    conflict.suggestions.extend(suggestion);
    conflict
}

fn quoted(value: &str) -> String {
    match value.char_indices().nth(QUOTED_VALUE_CHARACTERS) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
