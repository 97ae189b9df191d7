//! Two configurations held against each other: what is different, and which option made it so.
//!
//! An option's own share is not guessed: each change is applied alone to the first configuration, which is then
//! solved again. All changes together lead from the one to the other exactly.

use serde::Serialize;

use super::{
    answer::Answer,
    parts::{Kind, Part, tree},
    pod::Pod,
    process_budget::ProcessBudget,
};
use crate::{
    budget::{
        Mode, OptionReference, Request, Reserve, ReserveKind, Severity, heap_environment,
        memory_size, option_keys, options_in_effect, proper_key,
    },
    bytes::Bytes,
    quantity,
};

/// What is different between two configurations.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comparison {
    /// Whether the sizes and flags are the same; of two that do not solve, the conflicts.
    pub same: bool,
    /// Every size of either side, the whole before its parts.
    pub sizes: Vec<Difference>,
    pub jvm_arguments: Sides<Vec<String>>,
    /// What was written differently, where the solver reads it.
    pub changes: Vec<Change>,
}

/// Something of either side.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Sides<T> {
    pub a: T,
    pub b: T,
}

/// One size on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Difference {
    pub name: &'static str,
    /// How deep it lies in the whole.
    #[serde(skip)]
    pub depth: usize,
    pub a_bytes: Option<Bytes>,
    pub b_bytes: Option<Bytes>,
    /// B less A; absent where one of them is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference_bytes: Option<i64>,
    /// The difference in hundredths of A; absent where A is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
}

/// One thing that was written differently.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    /// The option's key, `flinkVersion`, `mode`, `containerLimit`, `profile`, or the name of a reserve.
    pub name: String,
    pub a: Option<Written>,
    pub b: Option<Written>,
    /// What comes of A with this change alone.
    pub alone: Effect,
}

/// A value, and where it was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    pub value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub is_default: bool,
}

/// What a change does to A.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Effect {
    pub solved: bool,
    /// The sizes that are different from A's; empty where A does not solve.
    pub sizes: Vec<Difference>,
    /// The codes of what would be in the way.
    pub conflicts: Vec<String>,
}

impl Difference {
    fn of(name: &'static str, depth: usize, a: Option<Bytes>, b: Option<Bytes>) -> Difference {
        // Flink counts with 63 bits, so the difference of two sizes has a place in 64.
        let signed = |bytes: Bytes| i64::try_from(bytes.get()).ok();
        let difference = a
            .and_then(signed)
            .zip(b.and_then(signed))
            .map(|(a, b)| b - a);
        let percent = difference
            .zip(a.filter(|bytes| *bytes > Bytes::ZERO))
            .map(|(difference, a)| (difference as f64 * 10_000.0 / a.get() as f64).round() / 100.0);
        Difference {
            name,
            depth,
            a_bytes: a,
            b_bytes: b,
            difference_bytes: difference,
            percent,
        }
    }
}

/// Holds two answers against each other.
pub(super) fn compare(a: &Answer, b: &Answer) -> Comparison {
    let solved = |answer: &Answer| answer.budget.is_some();
    let sizes = if solved(a) || solved(b) {
        sizes(a, b)
    } else {
        Vec::new()
    };
    let arguments = |answer: &Answer| -> Vec<String> {
        let arguments = answer.budget.as_ref().map(ProcessBudget::jvm_arguments);
        arguments.unwrap_or_default()
    };
    let jvm_arguments = Sides {
        a: arguments(a),
        b: arguments(b),
    };
    let is_same_size = |size: &Difference| size.a_bytes == size.b_bytes;
    let errors = |answer: &Answer| -> Vec<String> {
        let errors = answer.errors();
        errors.map(|error| error.message.clone()).collect()
    };
    Comparison {
        same: solved(a) == solved(b)
            && sizes.iter().all(is_same_size)
            && jvm_arguments.a == jvm_arguments.b
            && errors(a) == errors(b),
        sizes,
        jvm_arguments,
        changes: match (&a.request, &b.request) {
            (Some(request), Some(b)) => changes(request, b, a.budget.as_ref()),
            _ => Vec::new(),
        },
    }
}

fn sizes(a: &Answer, b: &Answer) -> Vec<Difference> {
    // What Flink asks Kubernetes for, where it does so itself.
    let pod = |answer: &Answer| answer.pod.as_ref().map(Pod::memory_request);
    let pods = match (pod(a), pod(b)) {
        (None, None) => None,
        (a, b) => Some(Difference::of("podMemory", 1, a, b)),
    };
    let tree_of = |answer: &Answer| answer.budget.as_ref().and_then(|_| tree(answer));
    let (a, b) = (tree_of(a), tree_of(b));
    let mut names: Vec<(&'static str, usize)> = Vec::new();
    for tree in [&a, &b].into_iter().flatten() {
        // The process stands at the same depth with and without a container around it.
        let outermost = usize::from(!matches!(tree.kind, Kind::Container));
        add_names(tree, outermost, &mut names);
    }
    let bytes = |tree: &Option<Part>, name: &str| {
        let tree = tree.as_ref()?;
        match tree.find(name) {
            Some(part) => part.bytes,
            // A container of which nothing is left has no such part.
            None => {
                let is_contained = matches!(tree.kind, Kind::Container);
                (name == "unassigned" && is_contained).then_some(Bytes::ZERO)
            }
        }
    };
    let parts = names
        .into_iter()
        .map(|(name, depth)| Difference::of(name, depth, bytes(&a, name), bytes(&b, name)));
    pods.into_iter().chain(parts).collect()
}

/// Adds the names of a tree that are not there yet, each after what stands before it in its own tree.
fn add_names(tree: &Part, depth: usize, names: &mut Vec<(&'static str, usize)>) {
    if !names.iter().any(|(name, _)| *name == tree.name) {
        if matches!(tree.kind, Kind::Container) {
            names.insert(0, (tree.name, depth));
        } else {
            names.push((tree.name, depth));
        }
    }
    for part in &tree.parts {
        add_names(part, depth + 1, names);
    }
}

/// Everything that the solver reads and that is written differently; `before` is what comes of A as it is.
fn changes(a: &Request, b: &Request, before: Option<&ProcessBudget>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut add = |name: &str, sides: Sides<Option<Written>>, alone: Request| {
        changes.push(Change {
            name: name.to_owned(),
            a: sides.a,
            b: sides.b,
            alone: effect(before, &alone),
        });
    };
    let plain = |value: String| {
        Some(Written {
            value,
            path: None,
            is_default: false,
        })
    };
    if a.flink_version != b.flink_version {
        let sides = Sides {
            a: plain(a.flink_version.to_string()),
            b: plain(b.flink_version.to_string()),
        };
        add("flinkVersion", sides, with_version_of(a, b));
    }
    if a.mode != b.mode {
        let text = |request: &Request| {
            let mode = match request.mode {
                Mode::Standalone => "standalone",
                Mode::Kubernetes => "kubernetes",
            };
            plain(mode.to_owned())
        };
        let sides = Sides {
            a: text(a),
            b: text(b),
        };
        add("mode", sides, a.clone().with_mode(b.mode));
    }
    if a.container_limit != b.container_limit {
        let text = |request: &Request| {
            let limit = request.container_limit.map(quantity::memory_text);
            limit.and_then(plain)
        };
        let sides = Sides {
            a: text(a),
            b: text(b),
        };
        add("containerLimit", sides, with_limit_of(a, b));
    }
    if a.profile != b.profile {
        let sides = Sides {
            a: plain(a.profile.to_string()),
            b: plain(b.profile.to_string()),
        };
        add("profile", sides, a.clone().with_profile(b.profile));
    }
    for kind in ReserveKind::ALL {
        let (of_a, of_b) = (written_reserve(a, kind), written_reserve(b, kind));
        let bytes = |reserve: Option<&Reserve>| reserve.map(|reserve| reserve.bytes);
        if bytes(of_a) != bytes(of_b) {
            let text = |reserve: Option<&Reserve>| {
                reserve.map(|reserve| Written {
                    value: memory_size::text(reserve.bytes),
                    path: Some(reserve.path()),
                    is_default: false,
                })
            };
            let sides = Sides {
                a: text(of_a),
                b: text(of_b),
            };
            add(kind.as_str(), sides, with_reserve_of(a, b, kind));
        }
    }
    for key in changed_keys(a, b) {
        let sides = Sides {
            a: written(a, &key),
            b: written(b, &key),
        };
        add(&key, sides, a.with_option_of(b, &key));
    }
    changes
}

fn with_version_of(a: &Request, b: &Request) -> Request {
    Request {
        flink_version: b.flink_version,
        ..a.clone()
    }
}

fn with_limit_of(a: &Request, b: &Request) -> Request {
    Request {
        container_limit: b.container_limit,
        ..a.clone()
    }
}

/// What was written for a reserve.
fn written_reserve(request: &Request, kind: ReserveKind) -> Option<&Reserve> {
    request
        .reserves
        .iter()
        .rfind(|reserve| reserve.kind == kind)
}

fn with_reserve_of(a: &Request, b: &Request, kind: ReserveKind) -> Request {
    let mut changed = a.clone();
    changed.reserves.retain(|reserve| reserve.kind != kind);
    changed.reserves.extend(written_reserve(b, kind).cloned());
    changed
}

/// The proper keys of options that are not written the same on both sides. That a version does not read one of them
/// is no reason to leave it out: the other version may.
fn changed_keys(a: &Request, b: &Request) -> Vec<String> {
    let settings = |request: &Request, key: &str| -> Vec<(String, String)> {
        let own = request
            .configuration
            .iter()
            .filter(|setting| proper_key(request.role, &setting.key) == Some(key));
        own.map(|setting| (setting.key.clone(), setting.value.clone()))
            .collect()
    };
    let mut keys: Vec<String> = option_keys(a.role)
        .filter(|key| settings(a, key) != settings(b, key))
        .map(str::to_owned)
        .collect();
    if a.legacy_heap_environment != b.legacy_heap_environment {
        keys.push(heap_environment(a.role).to_owned());
    }
    keys
}

fn proper(request: &Request, option: &OptionReference) -> String {
    proper_key(request.role, &option.key).map_or_else(|| option.key.clone(), str::to_owned)
}

fn written(request: &Request, key: &str) -> Option<Written> {
    options_in_effect(request)
        .into_iter()
        .find(|option| proper(request, option) == key)
        .map(|option| Written {
            path: (!option.is_default).then_some(option.path),
            value: option.value,
            is_default: option.is_default,
        })
}

/// What comes of A with a change.
fn effect(before: Option<&ProcessBudget>, changed: &Request) -> Effect {
    match ProcessBudget::solve(changed) {
        Ok((budget, _)) => Effect {
            solved: true,
            sizes: before
                .map(|before| different_components(before, &budget))
                .unwrap_or_default(),
            conflicts: Vec::new(),
        },
        Err(infeasible) => {
            let codes = infeasible.conflicts.iter();
            Effect {
                solved: false,
                sizes: Vec::new(),
                conflicts: codes
                    .filter(|conflict| conflict.severity == Severity::Error)
                    .map(|conflict| conflict.code.to_string())
                    .collect(),
            }
        }
    }
}

/// The components that are not the same, the largest difference first.
fn different_components(a: &ProcessBudget, b: &ProcessBudget) -> Vec<Difference> {
    let own = a.components();
    let names = own.iter().map(|(name, _)| *name);
    // Between 1.10 and later releases a JobManager has other components.
    let others = b.components().into_iter().map(|(name, _)| name);
    let others = others.filter(|name| own.iter().all(|(known, _)| known != name));
    let mut different: Vec<Difference> = names
        .chain(others)
        .map(|name| (name, a.bytes_of(name), b.bytes_of(name)))
        .filter(|(_, a, b)| a != b)
        .map(|(name, a, b)| Difference::of(name, 0, a, b))
        .collect();
    let unassigned = (
        a.unassigned().unwrap_or_default(),
        b.unassigned().unwrap_or_default(),
    );
    if unassigned.0 != unassigned.1 {
        different.push(Difference::of(
            "unassigned",
            0,
            Some(unassigned.0),
            Some(unassigned.1),
        ));
    }
    different.sort_by_key(|difference| {
        std::cmp::Reverse(difference.difference_bytes.unwrap_or_default().abs())
    });
    different
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::budget::{Configuration, FlinkVersion, Origin, Profile, Role, options};

    /// The first request with everything of the second that is written differently.
    fn with_all_changes(a: &Request, b: &Request) -> Request {
        let changed = with_limit_of(&with_version_of(a, b), b)
            .with_profile(b.profile)
            .with_mode(b.mode);
        let changed = ReserveKind::ALL
            .into_iter()
            .fold(changed, |changed, kind| with_reserve_of(&changed, b, kind));
        changed_keys(a, b)
            .iter()
            .fold(changed, |changed, key| changed.with_option_of(b, key))
    }

    fn any_request() -> impl Strategy<Value = Request> {
        const KEYS: [&str; 9] = [
            options::PROCESS_SIZE,
            options::FLINK_SIZE,
            options::TASK_HEAP_SIZE,
            options::MANAGED_SIZE,
            "taskmanager.memory.size",
            options::NETWORK_MAX,
            options::NETWORK_MIN,
            options::JVM_OVERHEAD_MAX,
            options::HEAP_SIZE,
        ];
        let origin = prop_oneof![
            Just(Origin::CommandLine),
            Just(Origin::FlinkConfiguration),
            Just(Origin::field("spec.memory.managed.size")),
        ];
        let settings = prop::collection::vec(
            (prop::sample::select(KEYS.to_vec()), 50_u64..8_000, origin),
            0..6,
        );
        (
            prop::sample::select(FlinkVersion::ALL.to_vec()),
            settings,
            prop::option::of(500_u64..9_000),
            prop::option::weighted(0.1, 500_u64..9_000),
            prop::sample::select(Profile::ALL.to_vec()),
            prop::option::of((prop::sample::select(ReserveKind::ALL.to_vec()), 0_u64..500)),
        )
            .prop_map(|(version, settings, limit, heap, profile, reserve)| {
                let configuration = settings.into_iter().fold(
                    Configuration::new(),
                    |configuration, (key, size, origin)| {
                        configuration.with(key, format!("{size}m"), origin)
                    },
                );
                let mut request = Request::new(version, configuration);
                request.container_limit = limit.map(Bytes::from_mebibytes);
                request.profile = profile;
                if let Some((kind, size)) = reserve {
                    let bytes = Bytes::from_mebibytes(size);
                    request = request.with_reserve(kind, bytes, Origin::CommandLine);
                }
                request.legacy_heap_environment = heap.map(|size| format!("{size}m"));
                request
            })
    }

    /// A JobManager, started by either.
    fn any_jobmanager() -> impl Strategy<Value = Request> {
        const KEYS: [&str; 7] = [
            options::JOBMANAGER_PROCESS_SIZE,
            options::JOBMANAGER_FLINK_SIZE,
            options::JOBMANAGER_JVM_HEAP_SIZE,
            options::JOBMANAGER_OFF_HEAP_SIZE,
            options::JOBMANAGER_JVM_OVERHEAD_MAX,
            options::JOBMANAGER_HEAP_SIZE,
            options::JOBMANAGER_HEAP_MB,
        ];
        let setting = (prop::sample::select(KEYS.to_vec()), 50_u64..4_000);
        (
            prop::sample::select(FlinkVersion::ALL.to_vec()),
            prop::sample::select(vec![Mode::Standalone, Mode::Kubernetes]),
            prop::collection::vec(setting, 0..4),
            prop::option::of(1_u32..60),
            prop::option::weighted(0.2, 500_u64..9_000),
            prop::option::weighted(0.1, 500_u64..4_000),
        )
            .prop_map(|(version, mode, settings, cutoff, limit, heap)| {
                let mut configuration = Configuration::new();
                for (key, size) in settings {
                    let unit = if key == options::JOBMANAGER_HEAP_MB {
                        ""
                    } else {
                        "m"
                    };
                    configuration.push(key, format!("{size}{unit}"), Origin::CommandLine);
                }
                if let Some(cutoff) = cutoff {
                    let ratio = format!("0.{cutoff:02}");
                    configuration.push(options::HEAP_CUTOFF_RATIO, ratio, Origin::CommandLine);
                }
                let mut request = Request::new(version, configuration)
                    .with_role(Role::JobManager)
                    .with_mode(mode);
                request.container_limit = limit.map(Bytes::from_mebibytes);
                request.legacy_heap_environment = heap.map(|size| format!("{size}m"));
                request
            })
    }

    fn any_pair() -> impl Strategy<Value = (Request, Request)> {
        let modes = || prop::sample::select(vec![Mode::Standalone, Mode::Kubernetes]);
        let taskmanager =
            || (any_request(), modes()).prop_map(|(request, mode)| request.with_mode(mode));
        prop_oneof![
            (any_request(), any_request()),
            (taskmanager(), taskmanager()),
            (any_jobmanager(), any_jobmanager()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        /// The changes that are named are all there are: together they lead from the one to the other.
        #[test]
        fn all_changes_together_lead_to_the_other((a, b) in any_pair()) {
            let changed = with_all_changes(&a, &b);
            let solve = |request: &Request| ProcessBudget::solve(request).map(|(budget, _)| budget);
            match (solve(&changed), solve(&b)) {
                (Ok(changed), Ok(b)) => {
                    let sizes = |budget: &ProcessBudget| -> Vec<_> {
                        let components = budget.components().into_iter();
                        components.map(|(name, component)| (name, component.bytes)).collect()
                    };
                    prop_assert_eq!(sizes(&changed), sizes(&b));
                }
                (Err(changed), Err(b)) => {
                    prop_assert_eq!(
                        changed.flink_error.map(|error| error.message),
                        b.flink_error.map(|error| error.message)
                    );
                }
                (changed, b) => prop_assert!(false, "{changed:?} and {b:?}"),
            }
            prop_assert!(changes(&b, &b, None).is_empty());
        }
    }

    #[test]
    fn differences_have_signs_and_shares() {
        let of = |a: Option<u64>, b: Option<u64>| {
            let difference = Difference::of("managed", 0, a.map(Bytes), b.map(Bytes));
            (difference.difference_bytes, difference.percent)
        };
        assert_eq!(of(Some(200), Some(50)), (Some(-150), Some(-75.0)));
        assert_eq!(of(Some(0), Some(50)), (Some(50), None));
        assert_eq!(of(Some(3), Some(4)), (Some(1), Some(33.33)));
        assert_eq!(of(None, Some(4)), (None, None));
    }
}
