//! What holds for every conflict of every request: bounds that are exact, changes that work, a joint one that solves.

mod jobmanagers;
mod taskmanager;

use std::{collections::BTreeMap, sync::Mutex};

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestError, TestRunner},
};

use super::super::{
    Origin, Request, Role, Setting,
    conflict::diagnose,
    effective::Options,
    infeasible::{Change, Conflict, Exact, Severity, Suggestion},
    jobmanager, options, solve,
    suggestion::{Terms, is_self_contained, ways_out},
    trial::{Identity, Trial, identity},
    violation::{Kind, Violation},
};
use crate::quantity;

/// So many requests are tried, of which most have conflicts, unless the environment's `PROPTEST_CASES` says how many.
const CASES: u32 = 10_000;

/// Options, and the container's limit in mebibytes.
type Seed = (&'static [(&'static str, &'static str)], Option<u64>);

fn size() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (1_u64..8192).prop_map(|mebibytes| format!("{mebibytes}m")),
        2 => (1_u64..32).prop_map(|gibibytes| format!("{gibibytes} gb")),
        2 => (0_u64..1 << 34).prop_map(|bytes| bytes.to_string()),
        1 => select(vec!["4Gi", "1.5g", "-1", "", "9223372036854775807", "half", "32k", "1t"])
            .prop_map(str::to_owned),
    ]
}

fn fraction() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0_u32..1000).prop_map(|thousandths| format!("0.{thousandths:03}")),
        1 => select(vec!["1.0", "40", "-0.1", "0,1", "0x1p-3", "1e-40", "x"]).prop_map(str::to_owned),
    ]
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        8 => Just(Origin::FlinkConfiguration),
        1 => Just(Origin::CommandLine),
        1 => Just(Origin::field("")),
    ]
}

/// The same origin; a field is one of this option.
fn of(origin: Origin, key: &str) -> Origin {
    match origin {
        Origin::Field(_) => Origin::field(format!("spec.memory[{key}]")),
        other => other,
    }
}

/// A size or a fraction under one of these keys.
fn setting_of(
    sizes: &'static [&'static str],
    fractions: &'static [&'static str],
) -> impl Strategy<Value = Setting> {
    let key_and_value = prop_oneof![
        6 => (select(sizes), size()),
        2 => (select(fractions), fraction()),
    ];
    (key_and_value, origin()).prop_map(|((key, value), origin)| Setting {
        key: key.to_owned(),
        value,
        origin,
    })
}

/// Whether the process that is asked about has a budget.
fn solves(request: &Request) -> bool {
    match request.role {
        Role::TaskManager => solve(request).is_ok(),
        Role::JobManager => jobmanager::solve(request).is_ok(),
    }
}

fn identities(findings: &[Violation]) -> Vec<Identity> {
    findings
        .iter()
        .map(|finding| identity(&finding.kind))
        .collect()
}

fn findings_after(request: &Request, suggestion: &Suggestion) -> Vec<Identity> {
    let trial = Trial {
        request: request.with_suggestion(suggestion),
    };
    identities(&trial.findings())
}

/// The value one byte, or one float, nearer to what was there.
fn one_short(suggestion: &Suggestion) -> Option<Suggestion> {
    let (value, step) = match suggestion.exact.as_ref()? {
        Exact::AtMost(value) => (value, 1),
        Exact::AtLeast(value) => (value, -1),
    };
    let moved = |number: &str| {
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_add_signed(step))
    };
    let text = if suggestion.origin == Some(Origin::ContainerLimit)
        || suggestion.key == options::HEAP_MB
    {
        moved(value)?.to_string()
    } else if let Some(bytes) = value.strip_suffix('b') {
        format!("{}b", moved(bytes)?)
    } else {
        let bits = value.parse::<f32>().ok()?.to_bits();
        f32::from_bits(bits.checked_add_signed(i32::try_from(step).ok()?)?).to_string()
    };
    Some(Suggestion {
        change: Change::Set(text),
        ..suggestion.clone()
    })
}

/// Whether the change says what is so already.
fn changes_nothing(suggestion: &Suggestion) -> bool {
    match (&suggestion.change, &suggestion.current) {
        (Change::Remove, current) => current.is_none(),
        (Change::Set(_), None) => false,
        (Change::Set(new), Some(old)) => {
            let same_limit = suggestion.origin == Some(Origin::ContainerLimit)
                && quantity::parse_memory(new).ok() == quantity::parse_memory(old).ok();
            new == old || same_limit
        }
    }
}

/// Every way out of every violation: it helps, at the bound and as it is written, and one step short of the bound it
/// does not.
fn check_ways_out(request: &Request, before: &[Violation]) -> Result<(), TestCaseError> {
    let known = identities(before);
    let trial = Trial::new(request);
    for violation in before {
        let target = identity(&violation.kind);
        let ways_out = ways_out(&trial, before, &violation.kind, Terms::offered());
        let helps = |after: &[Identity], may_uncover: bool| {
            !after.contains(&target)
                && (may_uncover || after.iter().all(|identity| known.contains(identity)))
        };
        let uncovers = ways_out.iter().any(|way_out| {
            let after = identities(&way_out.remaining);
            !after.iter().all(|identity| known.contains(identity))
        });
        prop_assert!(!uncovers || is_self_contained(&violation.kind));
        for way_out in &ways_out {
            let suggestion = &way_out.suggestion;
            prop_assert!(!changes_nothing(suggestion), "{suggestion:?}");
            let after = findings_after(request, suggestion);
            prop_assert!(helps(&after, uncovers), "{suggestion:?} leaves {after:?}");
            prop_assert_eq!(&after, &identities(&way_out.remaining));
            let Some(bound) = suggestion.at_bound() else {
                continue;
            };
            let after = findings_after(request, &bound);
            prop_assert!(helps(&after, uncovers), "{bound:?} leaves {after:?}");
            let short = one_short(suggestion).expect("a bound is a number");
            let after = findings_after(request, &short);
            prop_assert!(!helps(&after, uncovers), "{short:?} helps as well");
        }
    }
    Ok(())
}

/// The joint suggestion solves, leaves nothing out and has nothing too much; no single one that is offered would do
/// where it needs several.
fn check_joint(
    request: &Request,
    conflicts: &[Conflict],
    joint: &[Suggestion],
) -> Result<(), TestCaseError> {
    prop_assert!(!joint.is_empty());
    let with = |changes: &mut dyn Iterator<Item = &Suggestion>| {
        changes.fold(request.clone(), |request, change| {
            request.with_suggestion(change)
        })
    };
    prop_assert!(solves(&with(&mut joint.iter())), "{joint:?}");
    for (index, change) in joint.iter().enumerate() {
        prop_assert!(!changes_nothing(change), "{change:?}");
        let mut others = joint
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, change)| change);
        prop_assert!(
            joint.len() == 1 || !solves(&with(&mut others)),
            "{change:?} is idle in {joint:?}"
        );
    }
    if joint.len() > 1 {
        for suggestion in conflicts.iter().flat_map(|conflict| &conflict.suggestions) {
            let alone = request.with_suggestion(suggestion);
            prop_assert!(
                !solves(&alone),
                "{suggestion:?} alone does what {joint:?} does"
            );
        }
    }
    Ok(())
}

fn check(request: &Request) -> Result<Vec<Kind>, TestCaseError> {
    let options = Options::new(request);
    let before = Trial::new(request).findings();
    if before.is_empty() {
        prop_assert!(solves(request));
        return Ok(Vec::new());
    }
    check_ways_out(request, &before)?;
    let infeasible = diagnose(&options);
    let errors: Vec<&Conflict> = infeasible
        .conflicts
        .iter()
        .filter(|conflict| conflict.severity == Severity::Error)
        .collect();
    prop_assert!(!errors.is_empty());
    for conflict in &errors {
        let claims_none = conflict
            .message
            .contains("no change of one option mends it");
        prop_assert_eq!(claims_none, conflict.suggestions.is_empty());
        prop_assert!(!conflict.bound.is_empty());
        if let Some(first) = conflict.options.first() {
            prop_assert_eq!(&conflict.configured, &first.value);
        }
        let places: Vec<&str> = conflict
            .suggestions
            .iter()
            .map(|suggestion| suggestion.path.as_str())
            .collect();
        prop_assert!(
            places
                .iter()
                .enumerate()
                .all(|(index, place)| !places[..index].contains(place)),
            "{places:?}"
        );
    }
    check_joint(request, &infeasible.conflicts, &infeasible.joint)?;
    Ok(before.into_iter().map(|violation| violation.kind).collect())
}

fn name(kind: &Kind) -> String {
    let text = format!("{kind:?}");
    let end = text
        .find(|character: char| !character.is_alphanumeric())
        .unwrap_or(text.len());
    text[..end].to_owned()
}

/// Checks all requests, among which are ten of each of these kinds of violation, and none of another.
fn check_all(requests: impl Strategy<Value = Request>, kinds: &[&str]) {
    let seen: Mutex<BTreeMap<String, u32>> = Mutex::default();
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(CASES);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    });
    let result = runner.run(&requests, |request| {
        let kinds = check(&request)?;
        let mut seen = seen.lock().expect("no case panics while it counts");
        for kind in &kinds {
            *seen.entry(name(kind)).or_default() += 1;
        }
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, request)) => panic!("{reason}\n{request:#?}"),
        Err(error) => panic!("{error}"),
    }
    if cases < CASES {
        return;
    }
    let seen = seen.into_inner().expect("no case panicked");
    for kind in kinds {
        assert!(
            seen.get(*kind).is_some_and(|count| *count >= 10),
            "{kind} was hardly reached: {seen:?}"
        );
    }
    assert_eq!(seen.len(), kinds.len(), "{seen:?}");
}

#[test]
fn every_conflict_has_exact_bounds_and_changes_that_work() {
    check_all(taskmanager::request(), &taskmanager::KINDS);
}

#[test]
fn every_conflict_of_a_jobmanager_has_exact_bounds_and_changes_that_work() {
    check_all(jobmanagers::request(), &jobmanagers::KINDS);
}
