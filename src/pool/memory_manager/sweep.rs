//! Taking back what owners left behind that are no longer alive: mark and sweep, in one process.

use std::{sync::Arc, time::Duration};

use super::{Holder, MemoryManager, OwnerId};
use crate::bytes::Bytes;

/// How many segments are taken away before others get their turn at the lock: less than a microsecond of work, so that
/// those who come meanwhile spin and need not be woken.
const STRIDE: usize = 32;

/// What was taken back from an owner that is no longer alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reclaimed {
    /// The owner, which is struck out now.
    pub owner: OwnerId,
    /// Its name for people.
    pub label: Arc<str>,
    /// Pages that it had. Those of them that are accessed at this instant return when the access ends.
    pub pages: u32,
    /// Bytes of those pages and of its reservations.
    pub bytes: Bytes,
    /// How long it had held the oldest of it; `None` without a clock.
    pub age: Option<Duration>,
}

impl MemoryManager {
    /// Strikes out every owner that is not alive and takes back all that it has. Says what that was; of those who had
    /// nothing, too.
    ///
    /// Marking is the caller's: `is_alive` is asked once for each owner that there is at the start, while no lock is
    /// held. The sweep takes a few segments at a time and leaves the lock to others for as long after each of them, so
    /// that they wait for microseconds, unless it loses its processor while it has the lock; an owner that is registered
    /// while it runs is not touched. Nor are shared resources, which live as long as their leases. After a shutdown there
    /// is nothing to take back.
    pub fn sweep(&self, mut is_alive: impl FnMut(OwnerId) -> bool) -> Vec<Reclaimed> {
        let mut dead = self.home.look(|state| {
            if state.shut_down {
                Vec::new()
            } else {
                state.books.sweepable()
            }
        });
        dead.retain(|owner| !is_alive(*owner));
        dead.into_iter()
            .filter_map(|owner| self.reclaim(owner))
            .collect()
    }

    /// `None` when somebody else struck the owner out first.
    fn reclaim(&self, owner: OwnerId) -> Option<Reclaimed> {
        let Holder {
            label,
            pages,
            page_bytes,
            reserved,
            age,
            ..
        } = self.home.look(|state| {
            // From here on the figures can only fall, by handles that are dropped.
            state.books.condemn(owner);
            state.books.holder(owner, self.home.now())
        })?;
        while !self.home.with_state_at_leisure(|state| {
            let (_, is_done) = self.home.take_away(state, owner, STRIDE);
            if is_done {
                self.home.strike_out(state, owner);
            }
            is_done
        }) {}
        Some(Reclaimed {
            owner,
            label,
            pages,
            bytes: page_bytes.saturating_add(reserved),
            age,
        })
    }
}
