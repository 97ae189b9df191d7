//! The work queue: which pool is due when, never twice at once, with backoff per pool.
//!
//! A plain data structure: the clock enters as a parameter, nothing waits or spawns here.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use tokio::time::Instant;

use super::key::ObjectKey;

/// First delay after a failure; doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// Longest delay after failures.
const LONGEST_DELAY: Duration = Duration::from_secs(300);

/// What a reconcile asks for next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Nothing until something changes. Resets the backoff.
    AwaitChange,
    /// Another look after this time, even if nothing changes. Resets the backoff.
    CheckAfter(Duration),
    /// Another try after the backoff, but not before this time.
    Retry {
        /// What the server asked for, or zero.
        not_before: Duration,
    },
}

/// Pools that are due, running, or waiting for their time.
#[derive(Debug, Default)]
pub struct Queue {
    entries: HashMap<ObjectKey, Entry>,
    // The number keeps equal times apart and in order of arrival.
    waiting: BTreeMap<(Instant, u64), ObjectKey>,
    arrivals: u64,
}

#[derive(Debug, Default)]
struct Entry {
    due: Option<(Instant, u64)>,
    running: bool,
    failures: u32,
}

impl Queue {
    /// Asks for a reconcile of `key` at `due`. Of several requests the earliest counts; a request for a
    /// pool that is being reconciled is kept until that one has finished.
    pub fn request(&mut self, key: ObjectKey, due: Instant) {
        let entry = self.entries.entry(key.clone()).or_default();
        if let Some(known) = entry.due {
            if known.0 <= due {
                return;
            }
            self.waiting.remove(&known);
        }
        self.arrivals += 1;
        let place = (due, self.arrivals);
        entry.due = Some(place);
        if !entry.running {
            self.waiting.insert(place, key);
        }
    }

    /// Takes the pool that has been due longest, if any is due at `now`; it counts as running until
    /// [`Queue::finish`].
    pub fn take_due(&mut self, now: Instant) -> Option<ObjectKey> {
        let first = self.waiting.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let key = first.remove();
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.due = None;
            entry.running = true;
        }
        Some(key)
    }

    /// When the next pool is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(place, _)| place.0)
    }

    /// Records that the reconcile of `key` has ended.
    pub fn finish(&mut self, key: &ObjectKey, next: Next, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.running = false;
        let again = match next {
            Next::AwaitChange => {
                entry.failures = 0;
                None
            }
            Next::CheckAfter(delay) => {
                entry.failures = 0;
                Some(delay)
            }
            Next::Retry { not_before } => {
                entry.failures = entry.failures.saturating_add(1);
                Some(backoff(key, entry.failures).max(not_before))
            }
        };
        if let Some(place) = entry.due {
            self.waiting.insert(place, key.clone());
        }
        if let Some(delay) = again {
            self.request(key.clone(), now + delay);
        } else if self
            .entries
            .get(key)
            .is_some_and(|entry| entry.due.is_none())
        {
            self.entries.remove(key);
        }
    }

    /// Pools that wait for their turn or their time.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.waiting.len()
    }

    /// Failures in a row of the pool.
    #[must_use]
    pub fn failures(&self, key: &ObjectKey) -> u32 {
        self.entries.get(key).map_or(0, |entry| entry.failures)
    }
}

/// Delay after the given number of failures in a row: doubling, spread over a fifth of itself so that
/// pools that failed together do not come back together.
fn backoff(key: &ObjectKey, failures: u32) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1u32 << failures.saturating_sub(1).min(16));
    let delay = doubled.min(LONGEST_DELAY);
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((key, failures));
    let share = u32::try_from(hash % 1000).unwrap_or_default();
    delay.mul_f64(0.9) + delay.mul_f64(f64::from(share) / 5000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("default", name)
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_request_counts_and_a_pool_is_queued_once() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.request(key("a"), now + Duration::from_secs(5));
        queue.request(key("a"), now + Duration::from_secs(1));
        queue.request(key("a"), now + Duration::from_secs(3));
        assert_eq!(queue.depth(), 1);
        assert_eq!(queue.next_due(), Some(now + Duration::from_secs(1)));
        assert_eq!(queue.take_due(now), None);
        assert_eq!(queue.take_due(now + Duration::from_secs(1)), Some(key("a")));
        assert_eq!(queue.take_due(now + Duration::from_secs(9)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn pools_leave_in_the_order_in_which_they_became_due() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for name in ["c", "a", "b"] {
            queue.request(key(name), now);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.take_due(now)).collect();
        assert_eq!(order, [key("c"), key("a"), key("b")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_never_runs_twice_at_once_and_no_request_is_lost() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.request(key("a"), now);
        assert_eq!(queue.take_due(now), Some(key("a")));
        queue.request(key("a"), now);
        assert_eq!(queue.take_due(now), None);
        queue.finish(&key("a"), Next::AwaitChange, now);
        assert_eq!(queue.take_due(now), Some(key("a")));
        queue.finish(&key("a"), Next::AwaitChange, now);
        assert_eq!(queue.depth(), 0);
        assert!(
            queue.entries.is_empty(),
            "nothing is remembered of a pool at rest"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn failures_back_off_up_to_a_bound_and_success_resets() {
        let mut now = Instant::now();
        let mut queue = Queue::default();
        queue.request(key("a"), now);
        let mut previous = Duration::ZERO;
        for failure in 1..=14 {
            assert_eq!(queue.take_due(now), Some(key("a")));
            let retry = Next::Retry {
                not_before: Duration::ZERO,
            };
            queue.finish(&key("a"), retry, now);
            assert_eq!(queue.failures(&key("a")), failure);
            let delay = queue.next_due().unwrap() - now;
            assert!(
                delay >= previous.mul_f64(0.8),
                "{delay:?} after {previous:?}"
            );
            assert!(delay <= LONGEST_DELAY.mul_f64(1.1));
            previous = delay;
            now += delay;
        }
        assert!(previous >= LONGEST_DELAY.mul_f64(0.9));
        assert_eq!(queue.take_due(now), Some(key("a")));
        queue.finish(&key("a"), Next::AwaitChange, now);
        assert_eq!(queue.failures(&key("a")), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_does_not_wait_for_the_backoff_and_the_server_is_obeyed() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.request(key("a"), now);
        queue.take_due(now);
        let retry = Next::Retry {
            not_before: Duration::from_secs(7),
        };
        queue.finish(&key("a"), retry, now);
        assert_eq!(queue.next_due(), Some(now + Duration::from_secs(7)));
        queue.request(key("a"), now);
        assert_eq!(queue.take_due(now), Some(key("a")));
    }
}
