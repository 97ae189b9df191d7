//! Keys that are no options but look like some: misspelt ones and their nearest neighbour, removed ones and why.

use super::{Id, keys, lookup};
use crate::budget::request::Role;

/// Whether a key that is none of [`Id`]'s was probably meant to be a memory option of the process: it begins like
/// one, in any case and with up to a few wrong letters before the word `memory`.
pub(in crate::budget) fn looks_like_memory_option(role: Role, key: &str) -> bool {
    let beginning: &[u8] = match role {
        Role::TaskManager => b"taskm",
        Role::JobManager => b"jobma",
    };
    let Some(start) = key.as_bytes().get(..beginning.len()) else {
        return false;
    };
    if !start.eq_ignore_ascii_case(beginning) {
        return false;
    }
    let mut parts = key.split('.').skip(1);
    let (second, third) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    second.eq_ignore_ascii_case("memory")
        || (second.eq_ignore_ascii_case("network") && third.eq_ignore_ascii_case("memory"))
}

/// Memory options of Flink that the derivation does not read.
const OTHERS: [&str; 17] = [
    "taskmanager.memory.framework.off-heap.batch-shuffle.size",
    "taskmanager.memory.managed.consumer-weights",
    "taskmanager.memory.min-segment-size",
    "taskmanager.memory.starting-segment-size",
    "taskmanager.network.memory.buffers-per-channel",
    "taskmanager.network.memory.floating-buffers-per-gate",
    "taskmanager.network.memory.max-buffers-per-channel",
    "taskmanager.network.memory.max-overdraft-buffers-per-gate",
    "taskmanager.network.memory.read-buffer.required-per-gate.max",
    "taskmanager.network.memory.buffers-request-timeout",
    "taskmanager.network.memory.exclusive-buffers-request-timeout-ms",
    "taskmanager.network.memory.buffer-debloat.enabled",
    "taskmanager.network.memory.buffer-debloat.period",
    "taskmanager.network.memory.buffer-debloat.samples",
    "taskmanager.network.memory.buffer-debloat.target",
    "taskmanager.network.memory.buffer-debloat.threshold-percentages",
    "taskmanager.network.memory.exclusive-buffers-request-timeout",
];

/// Whether a key is a memory option of Flink that the derivation does not read.
pub(in crate::budget) fn is_other_memory_option(key: &str) -> bool {
    OTHERS.contains(&key)
}

/// A key that did something in Flink 1.9 and does nothing any more.
pub(in crate::budget) struct Removed {
    /// What changed.
    pub reason: &'static str,
    /// The option that took its place, where there is one.
    pub instead: Option<&'static str>,
}

/// What became of a key of Flink 1.9 that is no option of the process any more; `None` for any other key.
pub(in crate::budget) fn removed(role: Role, key: &str) -> Option<Removed> {
    let (reason, instead) = match (role, key) {
        (Role::TaskManager, "taskmanager.memory.fraction") => (
            "since Flink 1.10 managed memory is a fraction of total Flink memory, no longer of what was free",
            Some(keys::MANAGED_FRACTION),
        ),
        (Role::TaskManager, "taskmanager.memory.off-heap") => {
            ("since Flink 1.10 managed memory is always native", None)
        }
        (Role::TaskManager, "taskmanager.memory.preallocate") => (
            "since Flink 1.10 managed memory is taken when it is needed",
            None,
        ),
        (Role::TaskManager, keys::HEAP_CUTOFF_RATIO | "yarn.heap-cutoff-ratio") => (
            "since Flink 1.10 JVM overhead is what a TaskManager keeps back of its container",
            Some(keys::JVM_OVERHEAD_FRACTION),
        ),
        (Role::TaskManager, keys::HEAP_CUTOFF_MIN | "yarn.heap-cutoff-min") => (
            "since Flink 1.10 JVM overhead is what a TaskManager keeps back of its container",
            Some(keys::JVM_OVERHEAD_MIN),
        ),
        _ => return None,
    };
    Some(Removed { reason, instead })
}

/// The memory option of the process that a key was probably meant to be; `None` where none is near.
pub(in crate::budget) fn nearest(role: Role, key: &str) -> Option<&'static str> {
    let others = match role {
        Role::TaskManager => OTHERS.as_slice(),
        Role::JobManager => &[],
    };
    let known = Id::ALL
        .into_iter()
        .map(|id| id.key(role))
        .filter(|known| lookup(role, known).is_some())
        .filter(|known| !known.starts_with("kubernetes."))
        .filter(|known| known.contains(".memory.") || known.contains("numberOf"))
        .chain(others.iter().copied());
    let key = key.to_ascii_lowercase();
    // Keys longer than any of Flink's can't be near one.
    if key.len() > 100 {
        return None;
    }
    // A key that stops short, goes on, or leaves the beginning out means the option itself; of several, a size, and
    // of sizes the shortest.
    let continued = |one: &str, other: &str| {
        one.strip_prefix(other)
            .is_some_and(|rest| rest.starts_with(['.', '-']))
    };
    let tail = key
        .splitn(3, '.')
        .nth(2)
        .filter(|tail| tail.contains('.'))
        .unwrap_or("\0");
    let related = known.clone().filter(|known| {
        continued(known, &key)
            || continued(&key, known)
            || known
                .strip_suffix(tail)
                .is_some_and(|rest| rest.ends_with('.'))
    });
    if let Some(related) = related.min_by_key(|known| (!known.ends_with(".size"), known.len())) {
        return Some(related);
    }
    // Half of the part behind `taskmanager.memory.` may be wrong, but not more than six letters.
    let tolerated = (key.len().saturating_sub(19) / 2).clamp(2, 6);
    let length = key.chars().count();
    known
        .filter(|known| known.len().abs_diff(length) <= tolerated)
        .map(|known| (edit_distance(&key, known), known))
        .min()
        .filter(|(distance, _)| *distance <= tolerated)
        .map(|(_, nearest)| nearest)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into an option's key.
///
/// What both begin with is left out first: options share most of their letters.
fn edit_distance(text: &str, key: &'static str) -> usize {
    let same = text.bytes().zip(key.bytes());
    let beginning = same.take_while(|(one, other)| one == other).count();
    // Keys are ASCII, so what a text shares with one ends between two characters.
    strsim::osa_distance(&text[beginning..], &key[beginning..])
}

#[cfg(test)]
mod tests {
    use super::{Role, looks_like_memory_option, nearest};

    #[test]
    fn misspelt_keys_find_their_option() {
        for (misspelt, right) in [
            (
                "taskmanager.memory.managd.size",
                "taskmanager.memory.managed.size",
            ),
            (
                "taskmanager.memory.jvm-metaspace",
                "taskmanager.memory.jvm-metaspace.size",
            ),
            (
                "taskmanager.memory.Process.Size",
                "taskmanager.memory.process.size",
            ),
            (
                "taskmanger.memory.network.fracton",
                "taskmanager.memory.network.fraction",
            ),
            (
                "taskmanager.memory.off-heap.size",
                "taskmanager.memory.task.off-heap.size",
            ),
            (
                "taskmanager.network.memory.buffer-per-channel",
                "taskmanager.network.memory.buffers-per-channel",
            ),
        ] {
            assert!(
                looks_like_memory_option(Role::TaskManager, misspelt),
                "{misspelt}"
            );
            assert_eq!(
                nearest(Role::TaskManager, misspelt),
                Some(right),
                "{misspelt}"
            );
        }
        for unlike in [
            "taskmanager.memory.something-else-entirely",
            // Not half of what tells them apart from each other is that of any option.
            "taskmanager.memory.flinks",
            "taskmanager.memory.mango",
        ] {
            assert_eq!(nearest(Role::TaskManager, unlike), None, "{unlike}");
        }
        for other in [
            "taskmanager.host",
            "task",
            "metrics.memory",
            "kubernetes.taskmanager.memory.limit-factor",
        ] {
            assert!(
                !looks_like_memory_option(Role::TaskManager, other),
                "{other}"
            );
        }
    }
    #[test]
    fn misspelt_keys_of_a_jobmanager_find_its_own_options() {
        for (misspelt, right) in [
            (
                "jobmanager.memory.off-heap",
                "jobmanager.memory.off-heap.size",
            ),
            ("jobmanager.memory.haep.size", "jobmanager.memory.heap.size"),
            (
                "jobmanager.memory.metaspace.size",
                "jobmanager.memory.jvm-metaspace.size",
            ),
        ] {
            assert!(
                looks_like_memory_option(Role::JobManager, misspelt),
                "{misspelt}"
            );
            assert_eq!(
                nearest(Role::JobManager, misspelt),
                Some(right),
                "{misspelt}"
            );
        }
        assert!(!looks_like_memory_option(
            Role::JobManager,
            "taskmanager.memory.size"
        ));
    }
}
