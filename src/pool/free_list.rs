//! The segments that lie in a local pool: a stack inside the pool's lock, and magazines above it while there are plenty.
//!
//! A magazine is a small stack that one thread takes from and gives back to without a lock and without an atomic
//! read-modify-write. Whole bundles move between a magazine and the stack, inside the lock. As long as the stack is not
//! empty, what one thread takes or gives back changes nothing that anybody could observe, and that is when magazines may
//! be open: the pool is in *plenty*. Before anything can change it leaves plenty: all magazines are closed, each thread
//! that is just using its own is waited for, and what they have goes back to the stack. In between the pool is as exact
//! as if it had no magazines.
//!
//! Mirrors nothing of Flink's, whose pools take a lock for every buffer.

mod magazine;

pub(super) use magazine::with_magazine;
use magazine::{Magazine, Registered};

use super::{
    arena::Token,
    sync::{Arc, fence},
};

/// How many segments a magazine must be able to hold, so that it is worth having.
const LEAST_CAPACITY: usize = if cfg!(loom) { 2 } else { 8 };
/// How many operations a pool does inside its lock before it opens magazines again: at first, and when it had to close
/// them soon after each opening. Closing costs some thousand times an operation.
const FIRST_PATIENCE: u32 = if cfg!(loom) { 0 } else { 256 };
const LAST_PATIENCE: u32 = 1 << 16;
/// How many visits of the stack make it worth that it opened its magazines.
const WORTH: u32 = 64;

/// The segments that lie in a local pool. It lies inside the pool's lock.
pub(super) struct FreeList {
    pool: u64,
    /// The segment used last is at the end.
    lying: Vec<Token>,
    magazines: Vec<Registered>,
    /// How many segments a magazine may hold; 0 while none is open.
    capacity: usize,
    /// How many more operations there will be before magazines are opened.
    patience: u32,
    next_patience: u32,
    visits: u32,
}

impl FreeList {
    /// Nothing lies in the pool of this number, which no other pool has.
    pub(super) fn new(pool: u64) -> Self {
        Self {
            pool,
            lying: Vec::new(),
            magazines: Vec::new(),
            capacity: 0,
            patience: FIRST_PATIENCE,
            next_patience: FIRST_PATIENCE,
            visits: 0,
        }
    }

    /// How many segments lie in the pool: exact while no thread is taking one or giving one back. One that is handed over
    /// meanwhile may be counted in the magazines of both threads.
    pub(super) fn len(&self) -> usize {
        self.lying.len() + self.in_magazines()
    }

    /// How many of them are in no magazine.
    pub(super) fn outside_magazines(&self) -> usize {
        self.lying.len()
    }

    /// How many of them are in magazines.
    pub(super) fn in_magazines(&self) -> usize {
        let of = |registered: &Registered| registered.magazine.len();
        self.magazines.iter().map(of).sum()
    }

    /// Whether nothing lies in the pool. Never while there are plenty.
    pub(super) fn is_empty(&self) -> bool {
        self.lying.is_empty()
    }

    /// Takes the segment that was used last.
    pub(super) fn pop(&mut self) -> Option<Token> {
        self.lying.pop()
    }

    /// Lays a segment down.
    pub(super) fn push(&mut self, token: Token) {
        self.lying.push(token);
    }

    /// Whether magazines may be open.
    pub(super) fn is_plenty(&self) -> bool {
        self.capacity > 0
    }

    /// Whether one segment can be taken and a magazine filled, and something still lies there.
    pub(super) fn can_fill(&self) -> bool {
        self.lying.len() > self.capacity / 2 + 1
    }

    /// Where there are plenty, opens the magazine of this thread and has it hold half of what it may, so that it serves
    /// as well for taking as for giving back.
    pub(super) fn balance_magazine(&mut self) {
        if !self.is_plenty() {
            return;
        }
        self.visits = self.visits.saturating_add(1);
        let magazine = self.magazine();
        magazine.open(self.capacity);
        let (half, has) = (self.capacity / 2, magazine.len());
        if has < half {
            // Something has to lie outside, or the pool would be empty for others.
            let spare = self.lying.len().saturating_sub(1);
            magazine.fill_from(&mut self.lying, (half - has).min(spare));
        } else {
            magazine.empty_into(&mut self.lying, has - half);
        }
    }

    /// The magazine of this thread.
    fn magazine(&mut self) -> Arc<Magazine> {
        let thread = magazine::current_thread();
        let known = self
            .magazines
            .iter()
            .find(|registered| registered.thread == thread);
        let magazine = match known {
            Some(registered) => Arc::clone(&registered.magazine),
            None => {
                self.drop_forgotten();
                let magazine = Arc::new(Magazine::new());
                self.magazines.push(Registered {
                    thread,
                    magazine: Arc::clone(&magazine),
                });
                magazine
            }
        };
        magazine::remember(self.pool, &magazine);
        magazine
    }

    /// Takes back what lies in the magazines that no thread remembers, because it ended or has other pools to think of:
    /// threads that come and go would leave theirs here for ever.
    fn drop_forgotten(&mut self) {
        let lying = &mut self.lying;
        self.magazines.retain_mut(|registered| {
            let Some(magazine) = Arc::get_mut(&mut registered.magazine) else {
                return true;
            };
            magazine.empty_into(lying, usize::MAX);
            false
        });
    }

    /// Counts an operation inside the lock, after which magazines may be opened, or hold more if they are: nothing that
    /// one operation changes is observable, says the caller.
    pub(super) fn consider_plenty(&mut self) {
        if self.is_plenty() {
            // Each thread learns of it when it comes here the next time.
            let capacity = self.fitting_capacity();
            if capacity >= 2 * self.capacity {
                self.capacity = capacity;
            }
            return;
        }
        if self.patience > 0 {
            self.patience -= 1;
            return;
        }
        if self.lying.len() < 2 * LEAST_CAPACITY {
            return;
        }
        if !fence::is_available() {
            self.patience = u32::MAX;
            return;
        }
        let capacity = self.fitting_capacity();
        if capacity >= LEAST_CAPACITY {
            self.capacity = capacity;
            self.visits = 0;
        }
    }

    /// With so many segments in each, the magazines of the threads that are known and of one more hold at most half of
    /// what lies here now.
    fn fitting_capacity(&self) -> usize {
        let threads = self.magazines.len() + 1;
        (self.lying.len() / (2 * threads)).min(Magazine::SLOTS)
    }

    /// Closes all magazines and takes back what they have.
    pub(super) fn leave_plenty(&mut self) {
        if !self.is_plenty() {
            return;
        }
        self.capacity = 0;
        for registered in &self.magazines {
            registered.magazine.close();
        }
        fence::heavy();
        for registered in &self.magazines {
            registered.magazine.wait_until_idle();
            registered.magazine.empty_into(&mut self.lying, usize::MAX);
        }
        self.drop_forgotten();
        self.next_patience = if self.visits < WORTH {
            self.next_patience.saturating_mul(2).min(LAST_PATIENCE)
        } else {
            FIRST_PATIENCE
        };
        self.patience = self.next_patience;
    }
}
