//! Conflicts of fields that never reach the solver: a version there is no model for, a container size that can't be
//! read or was probably not meant.

use super::{
    Change,
    infeasible::{Code, Conflict, OptionReference, Severity, Suggestion},
    request::Origin,
    version::FlinkVersion,
};
use crate::quantity;

/// The conflict of a Flink version there is no model for; `None` for one that is supported.
#[must_use]
pub fn unsupported_flink_version(path: &str, text: &str) -> Option<Conflict> {
    let error = text.parse::<FlinkVersion>().err()?;
    let nearest = nearest_version(text);
    let suggestion = Suggestion {
        key: path.to_owned(),
        origin: Some(Origin::field(path.to_owned())),
        path: path.to_owned(),
        current: Some(text.to_owned()),
        change: Change::Set(nearest.to_string()),
    };
    Some(Conflict {
        code: Code::UnsupportedFlinkVersion,
        severity: Severity::Error,
        options: vec![field_reference(path, text)],
        configured: text.to_owned(),
        bound: "1.10 to 1.20, 2.0 to 2.3".to_owned(),
        sum: Vec::new(),
        message: format!("{path}: {error}; {suggestion}"),
        suggestions: vec![suggestion],
    })
}

/// The supported version closest to a text: the newest of the same major number, else the newest.
fn nearest_version(text: &str) -> FlinkVersion {
    let plain = text.trim().trim_start_matches('v').replace('_', ".");
    let mut parts = plain.split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (parts.next().flatten(), parts.next().flatten());
    let of_major = |version: &&FlinkVersion| {
        version
            .as_str()
            .split_once('.')
            .is_some_and(|(known, _)| known.parse().ok() == major)
    };
    let distance = |version: &&FlinkVersion| {
        let known = version
            .as_str()
            .split_once('.')
            .and_then(|(_, minor)| minor.parse::<u32>().ok());
        known.unwrap_or(0).abs_diff(minor.unwrap_or(u32::MAX))
    };
    let nearest = FlinkVersion::ALL
        .iter()
        .filter(of_major)
        .min_by_key(distance);
    nearest
        .or(FlinkVersion::ALL.last())
        .copied()
        .unwrap_or(FlinkVersion::V2_3)
}

/// The conflict of a container size that can't be read; `None` for one that can.
#[must_use]
pub fn unreadable_quantity(path: &str, text: &str) -> Option<Conflict> {
    let error = quantity::parse_memory(text).err()?;
    let suggestion =
        quantity::probable_spelling(text.trim_start_matches(['-', '+'])).map(|meant| Suggestion {
            key: path.to_owned(),
            origin: Some(Origin::field(path.to_owned())),
            path: path.to_owned(),
            current: Some(text.to_owned()),
            change: Change::Set(meant),
        });
    let way_out = suggestion.as_ref().map_or_else(
        || "write a quantity like 4Gi".to_owned(),
        |suggestion| suggestion.to_string(),
    );
    let error = error.to_string();
    let error = error.split("; write ").next().unwrap_or_default();
    Some(Conflict {
        code: Code::SizeInvalid,
        severity: Severity::Error,
        options: vec![field_reference(path, text)],
        configured: text.to_owned(),
        bound: "0 to 9223372036854775807, with a unit like Mi or Gi".to_owned(),
        sum: Vec::new(),
        message: format!("{path}: {error}; {way_out}"),
        suggestions: suggestion.into_iter().collect(),
    })
}

/// The warning about a container size in a unit that was probably not meant; `None` for an ordinary one.
#[must_use]
pub fn suspicious_quantity(path: &str, text: &str) -> Option<Conflict> {
    let suspicion = quantity::suspicious_memory(text)?;
    let suggestions: Vec<Suggestion> = suspicion
        .meant
        .iter()
        .map(|meant| Suggestion {
            key: path.to_owned(),
            origin: Some(Origin::field(path.to_owned())),
            path: path.to_owned(),
            current: Some(text.to_owned()),
            change: Change::Set(meant.clone()),
        })
        .collect();
    let way_out = suspicion.meant.join(" or ");
    Some(Conflict {
        code: Code::SuspiciousQuantity,
        severity: Severity::Warning,
        options: vec![field_reference(path, text)],
        configured: text.to_owned(),
        bound: "an amount that a process can have".to_owned(),
        sum: Vec::new(),
        message: format!(
            "{path}: {}; if {way_out} was meant, write that",
            suspicion.reason
        ),
        suggestions,
    })
}

fn field_reference(path: &str, value: &str) -> OptionReference {
    OptionReference {
        key: path.to_owned(),
        origin: Some(Origin::field(path.to_owned())),
        path: path.to_owned(),
        value: value.to_owned(),
        is_default: false,
    }
}
