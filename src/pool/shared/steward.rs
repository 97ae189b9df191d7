//! The pool's own hands in the control file: what the agent takes, gives, takes away and puts right.
//!
//! The steward is a client with a number of its own and keeps to the same order of stores, so that an agent that is
//! killed leaves behind what a killed client leaves, and the next agent cleans up after both in the same way.

use std::sync::Arc;

use super::census::{Census, Finding, NOWHERE, Place};
use super::depot::{Depot, Magazine};
use super::lane::{Barrier, Damage, Holding, Lane, Refusal};
use super::layout::record;
use super::memory::{Control, Ordering};
use super::steps::{Step, Steps, Undisturbed};
use super::words::{OwnerWord, SlotWord};

/// Takes, gives and mends in the name of the pool.
#[derive(Debug)]
pub(super) struct Steward<S = Undisturbed> {
    control: Arc<Control>,
    lane: Lane<S>,
    number: u16,
    steps: S,
}

/// What somebody who is gone left behind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Estate {
    /// The segments that were held.
    pub(super) held: u32,
    /// The segments that lay in magazines.
    pub(super) lying: u32,
    /// What must not be.
    pub(super) findings: Vec<Finding>,
}

/// The pool's own lease, which is never over.
const OWN_LEASE: u64 = 1;

/// Writes the pool's record as a client of its own, which may take everything.
fn write_own_record(control: &Control, number: u16) -> Result<(), Refusal> {
    let record = control
        .record(number)
        .ok_or(Refusal::Damaged(Damage::Missing))?;
    record[record::QUOTA].store(u64::MAX, Ordering::Relaxed);
    record[record::LEASE].store(OWN_LEASE, Ordering::Relaxed);
    record[record::ATTENTION].store(record::OPEN, Ordering::Release);
    Ok(())
}

impl Steward {
    /// Takes the pool's part over. What an agent before this one had is [`reclaimed`](Self::reclaim) under its number.
    pub(super) fn new(control: Arc<Control>) -> Result<Self, Refusal> {
        Self::new_with(control, Undisturbed)
    }
}

impl<S: Steps + Clone> Steward<S> {
    /// As [`new`](Steward::new), with somebody who is told each step.
    pub(super) fn new_with(control: Arc<Control>, steps: S) -> Result<Self, Refusal> {
        let number = control.layout().own_number();
        write_own_record(&control, number)?;
        let lane = Lane::new(
            control.clone(),
            (number, OWN_LEASE),
            Barrier::OfItsOwn,
            steps.clone(),
        );
        lane.attend()?;
        Ok(Self {
            control,
            lane,
            number,
            steps,
        })
    }

    /// Uses the lane. If somebody wrote over the pool's own record, it is written anew; if something is wrong with its
    /// magazines, it gets others.
    fn with_lane<T>(
        &self,
        operation: impl Fn(&Lane<S>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let outcome = match operation(&self.lane) {
            Err(Refusal::Attention) => {
                write_own_record(&self.control, self.number)?;
                self.lane.attend()?;
                operation(&self.lane)
            }
            outcome => outcome,
        };
        if matches!(outcome, Err(Refusal::Damaged(_))) {
            self.lane.abandon();
        }
        outcome
    }

    /// The number under which the pool has segments and slots.
    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// Takes a free segment for a client; `None` if the depot has none.
    pub(super) fn grant(&self, client: u16) -> Result<Option<Holding>, Refusal> {
        match self.with_lane(Lane::acquire) {
            Ok(holding) => Ok(self.lane.pass(holding, client)),
            Err(Refusal::Empty) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Takes a segment back that a client has, and answers whether the client had it.
    pub(super) fn take_back(&self, holding: Holding) -> Result<bool, Refusal> {
        match self.with_lane(|lane| lane.adopt(holding)) {
            Ok(holding) => self.with_lane(|lane| lane.release(holding)).map(|()| true),
            Err(Refusal::NotHeld) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    /// Gives what lies in the pool's own magazines to the depot.
    pub(super) fn settle(&self) -> Result<(), Refusal> {
        self.with_lane(Lane::trim)
    }

    /// Whether a client is in the middle of an operation. After it was told to look at its attention word, and all
    /// processors passed a barrier, one that is not begins none before it has looked.
    pub(super) fn is_busy(&self, client: u16) -> bool {
        self.control
            .record(client)
            .is_some_and(|record| record[record::BUSY].load(Ordering::Acquire) != 0)
    }

    /// Gives a client's slots to the depot. The client must not be in the middle of an operation, nor begin one before
    /// it has looked at its attention word.
    pub(super) fn drain(&self, client: u16) -> u32 {
        let mut lying = 0;
        let capacity = self.control.layout().sizes().slot_capacity;
        for slot in self.slots_of(client) {
            // A slot that says what cannot be is passed on as it is; the census tells, and it is mended in the depot.
            let count = self
                .control
                .count(slot)
                .map_or(0, |count| count.load(Ordering::Acquire).min(capacity));
            if self.give_for(client, Magazine { slot, count }) {
                lying += count;
            }
        }
        lying
    }

    /// Takes everything away from somebody who is gone, and puts each segment into the depot exactly once.
    ///
    /// Gone is a client whose process ended, one whose lease was revoked and that is not in the middle of an operation,
    /// and, before anything else is done, the agent before this one.
    pub(super) fn reclaim(&self, gone: u16) -> Result<Estate, Refusal> {
        let mut estate = Estate::default();
        let mut met = vec![false; self.control.owners().len()];
        for slot in self.slots_of(gone) {
            let count = self.clean(slot, |segment| {
                self.is_estate(gone, slot, segment, &mut met, &mut estate)
            });
            self.give_for(gone, Magazine { slot, count });
        }
        for (segment, word) in (0..).zip(self.control.owners()) {
            let word = OwnerWord::from_bits(word.load(Ordering::Acquire));
            if word.owner() == gone && self.put_back(Holding { segment, word })? {
                estate.held += 1;
            }
        }
        self.settle()?;
        Ok(estate)
    }

    /// Whether a segment that lies in a slot of somebody who is gone belongs there; it is free then.
    fn is_estate(
        &self,
        gone: u16,
        slot: u32,
        segment: u32,
        met: &mut [bool],
        estate: &mut Estate,
    ) -> bool {
        let owner = gone;
        let place = met.get_mut(segment as usize);
        let (Some(is_met), Some(word)) = (place, self.control.owner(segment)) else {
            let index = segment;
            estate.findings.push(Finding::Index { slot, owner, index });
            return false;
        };
        if std::mem::replace(is_met, true) {
            estate.findings.push(Finding::Doubled {
                slot,
                owner,
                segment,
            });
            return false;
        }
        let bits = word.load(Ordering::Acquire);
        let found = OwnerWord::from_bits(bits);
        if found.is_free() {
            estate.lying += 1;
            return true;
        }
        if found.owner() == gone {
            // It died in the middle of taking or giving back.
            let free = found.reclaimed().bits();
            let exchange = word.compare_exchange(bits, free, Ordering::AcqRel, Ordering::Relaxed);
            self.steps.after(Step::Freed);
            estate.held += u32::from(exchange.is_ok());
            return exchange.is_ok();
        }
        // An agent dies like that in the middle of granting. With a client it must not be.
        if gone != self.number {
            let holder = found.owner();
            estate.findings.push(Finding::Held {
                slot,
                owner,
                segment,
                holder,
            });
        }
        false
    }

    /// Puts right what a census found in the depot or in nobody's hands. What it found in a slot that a living client
    /// has can be put right after that slot was drained. What was dropped here because its true place was not certain is
    /// lost for the next census, and put back by the next mending.
    pub(super) fn mend(&self, census: &Census) -> Result<(), Refusal> {
        let mut certain: Vec<Option<u32>> = census
            .places
            .iter()
            .map(|place| match *place {
                Place::Lying(slot) => Some(slot),
                _ => None,
            })
            .collect();
        for finding in &census.findings {
            if let Finding::Doubled { segment, .. } = *finding
                && let Some(place) = certain.get_mut(segment as usize)
            {
                *place = None;
            }
        }
        for finding in &census.findings {
            match *finding {
                Finding::Count { slot, owner, .. }
                | Finding::Index { slot, owner, .. }
                | Finding::Held { slot, owner, .. }
                | Finding::Doubled { slot, owner, .. }
                    if owner == 0 =>
                {
                    self.mend_slot(slot, owner, census, &certain);
                }
                Finding::SlotOwner { slot, owner } => {
                    self.mend_slot(slot, owner, census, &certain);
                }
                Finding::Orphaned { segment, .. }
                    if census.met.get(segment as usize) != Some(&NOWHERE) =>
                {
                    // It lies where it should; only its word is wrong.
                    if let Some(&word) = census.words.get(segment as usize) {
                        self.exchange(segment, word, word.reclaimed());
                    }
                }
                // Whoever had it may still use its bytes, so it is theirs again rather than free.
                Finding::Backwards {
                    segment,
                    before,
                    now,
                } => self.exchange(segment, now, before),
                _ => {}
            }
        }
        // Only now, because it needs room in the slots.
        for finding in &census.findings {
            if let Finding::Lost { segment } | Finding::Orphaned { segment, .. } = *finding
                && census.met.get(segment as usize) == Some(&NOWHERE)
                && let Some(&word) = census.words.get(segment as usize)
            {
                self.put_back(Holding { segment, word })?;
            }
        }
        self.settle()
    }

    /// Takes a slot out of the depot, or away from an owner that does not exist, and puts its good part back: the
    /// segments for which it is the one certain place, and that are still what they were.
    fn mend_slot(&self, slot: u32, owner: u16, census: &Census, certain: &[Option<u32>]) {
        let Some(word) = self.control.slot_word(slot) else {
            return;
        };
        let bits = word.load(Ordering::Acquire);
        let found = SlotWord::from_bits(bits);
        let mine = found.passed_to(self.number, 0).bits();
        if found.owner() != owner
            || word
                .compare_exchange(bits, mine, Ordering::AcqRel, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        let count = self.clean(slot, |segment| {
            let index = segment as usize;
            let now = self
                .control
                .owner(segment)
                .map(|word| OwnerWord::from_bits(word.load(Ordering::Acquire)));
            certain.get(index) == Some(&Some(slot)) && census.words.get(index).copied() == now
        });
        self.give_for(self.number, Magazine { slot, count });
    }

    /// Writes an owner word, if it is still what it was. Who changed it meanwhile has the segment now.
    fn exchange(&self, segment: u32, from: OwnerWord, to: OwnerWord) {
        if let Some(word) = self.control.owner(segment) {
            let (from, to) = (from.bits(), to.bits());
            let _ = word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Keeps in a slot, which nobody else uses, only the segments that belong there, and answers how many.
    fn clean(&self, slot: u32, mut belongs: impl FnMut(u32) -> bool) -> u32 {
        let (Some(total), Some(indexes)) = (self.control.count(slot), self.control.indexes(slot))
        else {
            return 0;
        };
        let count = total.load(Ordering::Acquire) as usize;
        let mut kept = 0;
        for place in indexes.iter().take(count) {
            let segment = place.load(Ordering::Relaxed);
            if belongs(segment)
                && let Some(place) = indexes.get(kept as usize)
            {
                place.store(segment, Ordering::Relaxed);
                self.steps.after(Step::Cleaned);
                kept += 1;
            }
        }
        total.store(kept, Ordering::Release);
        self.steps.after(Step::Cleaned);
        kept
    }

    /// Takes a segment that lies nowhere, and puts it into the depot; answers whether it still had this owner word.
    fn put_back(&self, found: Holding) -> Result<bool, Refusal> {
        match self.with_lane(|lane| lane.seize(found)) {
            Ok(holding) => self.with_lane(|lane| lane.release(holding)).map(|()| true),
            Err(Refusal::NotHeld) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    fn slots_of(&self, owner: u16) -> impl Iterator<Item = u32> {
        (0..)
            .zip(self.control.slot_words())
            .filter(move |(_, word)| {
                SlotWord::from_bits(word.load(Ordering::Acquire)).owner() == owner
            })
            .map(|(slot, _)| slot)
    }

    /// Gives a slot to the depot in the name of its owner, and answers whether it was the owner's.
    fn give_for(&self, owner: u16, magazine: Magazine) -> bool {
        Depot::new(&self.control, owner, &self.steps)
            .give(magazine)
            .is_ok()
    }
}
