//! From violations to conflicts: every one, in Flink's order, with the ways out that were tried.

use super::{
    effective::Options,
    flink_error,
    infeasible::{Conflict, Infeasible, Severity, Suggestion},
    statement::{Statement, state},
    suggestion::ways_out,
    trial::{Trial, identity, violations},
    violation::Violation,
    warning,
};

/// Every conflict of a request that does not solve.
pub(super) fn diagnose(options: &Options<'_>) -> Infeasible {
    let (_, violations, flinks) = violations(options);
    let flink_error = violations
        .first()
        .filter(|_| flinks > 0)
        .and_then(|violation| flink_error::of(violation, options));
    let original = Trial::new(options.request);
    let mut context = original.clone();
    let mut conflicts = Vec::new();
    for violation in &violations {
        // A way out is tried beside those of the conflicts before it, so that the first of each add up.
        let standing = context.identities().contains(&identity(&violation.kind));
        let (base, alone) = if standing {
            (&context, Some(&original))
        } else {
            (&original, None)
        };
        let mut edits = ways_out(base, alone, &violation.kind, true);
        if edits.is_empty() && standing {
            edits = ways_out(base, None, &violation.kind, true);
        }
        let suggestions = edits.iter().map(|edit| base.suggestion(edit)).collect();
        conflicts.push(conflict(options, violation, suggestions, ""));
        if let Some(first) = edits.first().filter(|_| standing) {
            context = context.with(first);
        }
    }
    conflicts.extend(brought_to_light(&violations, context));
    conflicts.extend(warning::of_options(options));
    Infeasible {
        conflicts,
        flink_error,
    }
}

/// What was hidden behind the conflicts found so far, because a value that can't be read can't clash either: the
/// conflicts that the first suggestions lead to.
fn brought_to_light(known: &[Violation], mut context: Trial) -> Vec<Conflict> {
    let mut seen: Vec<_> = known
        .iter()
        .map(|violation| identity(&violation.kind))
        .collect();
    let mut conflicts = Vec::new();
    loop {
        let options = Options::new(&context.request);
        let (_, violations, _) = violations(&options);
        let Some(next) = violations
            .iter()
            .find(|violation| !seen.contains(&identity(&violation.kind)))
        else {
            return conflicts;
        };
        seen.push(identity(&next.kind));
        let edits = ways_out(&context, None, &next.kind, true);
        let suggestions = edits.iter().map(|edit| context.suggestion(edit)).collect();
        conflicts.push(conflict(
            &options,
            next,
            suggestions,
            "once that is corrected, ",
        ));
        if let Some(first) = edits.first() {
            context = context.with(first);
        }
    }
}

fn conflict(
    options: &Options<'_>,
    violation: &Violation,
    suggestions: Vec<Suggestion>,
    premise: &str,
) -> Conflict {
    let Statement {
        code,
        options,
        configured,
        bound,
        sum,
        what,
        otherwise,
    } = state(options, &violation.kind);
    let way_out = match suggestions.as_slice() {
        [] => otherwise,
        [only] => only.to_string(),
        [first, second, ..] => format!("{first}, or {second}"),
    };
    Conflict {
        code,
        severity: Severity::Error,
        options,
        configured,
        bound,
        sum,
        message: format!("{premise}{what}; {way_out}"),
        suggestions,
    }
}
