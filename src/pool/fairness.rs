//! Who is served first when memory is short: a line of demands that wait, and the rule by which the next is chosen.
//!
//! Flink has none: a request for managed memory that cannot be met fails at once. Who may wait instead needs a rule,
//! and there are two:
//! - [`ServiceOrder::ArrivalOrder`]: nobody is served before those who came earlier. Simple to explain, and a large
//!   demand waits no longer than it must; but while it does, memory lies idle that smaller ones behind it could use.
//!   For few demands of about one size, as those of operators that open together.
//! - [`ServiceOrder::LeastDemandFirst`]: the smallest demand is served first, so that more of them run at once and
//!   the time waited is the shortest on average; a bound says how many that came later may be served before anyone, after
//!   which the line holds still until that one is served. For many small demands beside a few large ones.
//!
//! No rule helps while those who hold memory never give any back; that is what a timeout is for.
//!
//! This file is arithmetic on numbers, without threads or time; the waiting is done by whoever owns a line.

use std::collections::VecDeque;

/// Which of those who wait is served first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceOrder {
    /// The one that has waited longest, and nobody before it.
    #[default]
    ArrivalOrder,
    /// The one that wants least, and of equal ones the one that has waited longest.
    LeastDemandFirst {
        /// How many that arrived later may be served before anyone. With 0 this is the order of arrival.
        passes: u32,
    },
}

/// A place in a line. Later places are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(u64);

/// Demands that wait, each a number of bytes or of whatever is given out.
#[derive(Debug)]
pub struct WaitingLine {
    passes: u32,
    /// In the order of arrival.
    waiting: VecDeque<Waiting>,
    next_place: u64,
}

#[derive(Debug)]
struct Waiting {
    place: Place,
    demand: u64,
    /// How many that arrived later were served before. Who came earlier was passed at least as often, as it stood in
    /// the line each time; so it is enough to hold the first one's count against the bound.
    passed: u32,
}

impl WaitingLine {
    /// A line in which nobody waits.
    #[must_use]
    pub fn new(order: ServiceOrder) -> Self {
        Self {
            passes: match order {
                ServiceOrder::ArrivalOrder => 0,
                ServiceOrder::LeastDemandFirst { passes } => passes,
            },
            waiting: VecDeque::new(),
            next_place: 0,
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Joins the line at its end.
    pub fn join(&mut self, demand: u64) -> Place {
        let place = Place(self.next_place);
        self.next_place += 1;
        self.waiting.push_back(Waiting {
            place,
            demand,
            passed: 0,
        });
        place
    }

    /// Leaves the line unserved. Returns whether the place was still in it.
    pub fn leave(&mut self, place: Place) -> bool {
        let Ok(index) = self
            .waiting
            .binary_search_by_key(&place, |waiting| waiting.place)
        else {
            return false;
        };
        self.waiting.remove(index);
        true
    }

    /// The next to be served with what is available, who leaves the line by this; `None` when nobody waits or the one
    /// whose turn it is wants more. The caller takes the demand from what is available and asks again.
    pub fn serve(&mut self, available: u64) -> Option<Place> {
        let index = self.next_index()?;
        if self.waiting[index].demand > available {
            return None;
        }
        for earlier in self.waiting.range_mut(..index) {
            earlier.passed += 1;
        }
        self.waiting.remove(index).map(|served| served.place)
    }

    /// Whether a demand may be served at once although others wait: only when it were the next had it joined the line.
    /// Whoever then serves it says so by [`WaitingLine::count_pass`].
    #[must_use]
    pub fn lets_pass(&self, demand: u64) -> bool {
        match self.next_index() {
            None => true,
            Some(next) => !self.first_is_due() && demand < self.waiting[next].demand,
        }
    }

    /// A demand that did not wait was served: everyone in the line was passed once.
    pub fn count_pass(&mut self) {
        for waiting in &mut self.waiting {
            waiting.passed += 1;
        }
    }

    /// Empties the line, in the order of arrival.
    pub fn drain(&mut self) -> impl Iterator<Item = Place> {
        self.waiting.drain(..).map(|waiting| waiting.place)
    }

    fn first_is_due(&self) -> bool {
        self.waiting
            .front()
            .is_some_and(|first| first.passed >= self.passes)
    }

    fn next_index(&self) -> Option<usize> {
        if self.first_is_due() {
            return Some(0);
        }
        // `min_by_key` gives the first of equal ones.
        let least = self
            .waiting
            .iter()
            .enumerate()
            .min_by_key(|(_, waiting)| waiting.demand);
        least.map(|(index, _)| index)
    }
}
