//! Conflicts as status shows them: bounded in number and length, each with a key of its own.

use std::collections::BTreeSet;

use crate::{
    api::v1alpha1::{ConflictSeverity, ConflictStatus, SuggestionStatus},
    budget::{Change, Conflict, Severity, Suggestion, memory_size},
};

/// The bounds of the schema. Lengths are in characters, as the API server counts them.
const MOST_CONFLICTS: usize = 64;
const MOST_OPTIONS: usize = 16;
const MOST_SUGGESTIONS: usize = 8;
const SHORT_TEXT: usize = 256;
const MESSAGE: usize = 1024;

/// The list, in the order in which the conflicts were found. Of conflicts with the same code and option the later
/// ones go by the option's place, and are left out if that is the same too: the list's keys are unique.
pub(super) fn list(conflicts: &[Conflict]) -> Vec<ConflictStatus> {
    let mut keys = BTreeSet::new();
    let mut list = Vec::new();
    for conflict in conflicts {
        if list.len() == MOST_CONFLICTS {
            break;
        }
        let first = conflict.options.first();
        let names = [
            first.map(|option| option.key.as_str()),
            first.map(|option| option.path.as_str()),
        ];
        let code = cut(conflict.code.as_str(), 64);
        let free = names
            .into_iter()
            .map(|name| cut(name.unwrap_or_default(), SHORT_TEXT))
            .find(|option| !keys.contains(&(code.clone(), option.clone())));
        let Some(option) = free else { continue };
        keys.insert((code.clone(), option.clone()));
        list.push(ConflictStatus {
            code,
            option,
            severity: match conflict.severity {
                Severity::Error => ConflictSeverity::Error,
                Severity::Warning => ConflictSeverity::Warning,
            },
            options: participants(conflict),
            field_path: first.map(|option| cut(&option.path, SHORT_TEXT)),
            configured: cut(&conflict.configured, SHORT_TEXT),
            bound: cut(&conflict.bound, SHORT_TEXT),
            message: cut(&conflict.message, MESSAGE),
            sum: conflict.total.as_ref().map(|total| {
                let size = memory_size::text(total.bytes);
                cut(
                    &format!("{} {size}, {}", total.name, total.bound),
                    SHORT_TEXT,
                )
            }),
            suggestions: suggestions(&conflict.suggestions, MOST_SUGGESTIONS),
        });
    }
    list
}

/// Changes, as many as the schema holds.
pub(super) fn suggestions(changes: &[Suggestion], most: usize) -> Vec<SuggestionStatus> {
    let shown = |suggestion: &Suggestion| SuggestionStatus {
        field_path: cut(&suggestion.path, SHORT_TEXT),
        value: match &suggestion.change {
            Change::Set(value) => Some(cut(value, SHORT_TEXT)),
            Change::Remove => None,
        },
        exact: suggestion
            .exact
            .as_ref()
            .map(|exact| cut(&exact.to_string(), SHORT_TEXT)),
    };
    changes.iter().take(most).map(shown).collect()
}

/// Every option that takes part, by key, where there is more than the first.
fn participants(conflict: &Conflict) -> Vec<String> {
    let mut keys = Vec::new();
    for option in &conflict.options {
        let key = cut(&option.key, SHORT_TEXT);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.truncate(MOST_OPTIONS);
    if keys.len() > 1 { keys } else { Vec::new() }
}

/// The text, or as much of its beginning as `most` characters hold together with an ellipsis.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept.push('…');
    kept
}
