//! The look at the whole control file: what is wrong is told and put right, and ages are written down.

use std::time::Instant;

use super::super::census::{Census, Finding};
use super::super::layout::record;
use super::super::memory::Ordering;
use super::Registry;

/// After so many looks in a row in which a client's part of the control file said what cannot be, it is cut off.
const STRIKES: u32 = 3;

/// So often a look is repeated until nothing is wrong any more. What is dropped where it is doubled is put back by the
/// next round.
const ROUNDS: u32 = 4;

impl Registry {
    /// Looks at the whole pool.
    pub(in super::super) fn look(&mut self, now: Instant) {
        self.finish_endings(now);
        let mut culprits = Vec::new();
        for _ in 0..ROUNDS {
            let census = self.take_census(now);
            if census.findings.is_empty() {
                break;
            }
            for &finding in &census.findings {
                self.note_damage(finding);
            }
            if let Err(refusal) = self.steward.mend(&census) {
                self.report(refusal);
            }
            // What is wrong in a client's slot is put right after the slot came to the depot.
            let mut found: Vec<u16> = census.findings.iter().map(Finding::culprit).collect();
            found.retain(|&number| self.lease(number).is_some());
            found.sort_unstable();
            found.dedup();
            for &number in &found {
                self.recall(number);
            }
            culprits.append(&mut found);
        }
        self.count_strikes(&culprits, now);
        self.publish(now);
        self.serve(now);
    }

    fn take_census(&mut self, now: Instant) -> Census {
        // Between two calls the pool has nothing itself; if it has, something was damaged in its hands.
        let mut census = Census::take(&self.control, |number| {
            self.lease(number)
                .is_some_and(|lease| lease.state.may_have())
        });
        let mut findings = self.books.enter(&census, now);
        census.findings.append(&mut findings);
        census
    }

    fn count_strikes(&mut self, culprits: &[u16], now: Instant) {
        for number in 1..=self.control.layout().sizes().clients {
            let is_culprit = culprits.contains(&number);
            let Some(lease) = self.lease_mut(number) else {
                continue;
            };
            lease.strikes = if is_culprit { lease.strikes + 1 } else { 0 };
            if lease.strikes == STRIKES {
                let reason =
                    format!("its part of the control file was damaged {STRIKES} times in a row");
                self.cut_off(number, reason, now);
            }
        }
    }

    /// Writes into the records what people may want to know, and writes anew what somebody may have written over.
    fn publish(&mut self, now: Instant) {
        let mut oldest: Vec<Option<Instant>> = vec![None; usize::from(self.steward.number()) + 1];
        for (number, since) in self.books.holdings() {
            if let Some(oldest) = oldest.get_mut(usize::from(number)) {
                *oldest = Some(oldest.map_or(since, |oldest| oldest.min(since)));
            }
        }
        for number in 1..=self.control.layout().sizes().clients {
            let (Some(words), Some(_)) = (self.control.record(number), self.lease(number)) else {
                continue;
            };
            let age = oldest
                .get(usize::from(number))
                .copied()
                .flatten()
                .map_or(0, |since| {
                    let age = now.saturating_duration_since(since).as_millis();
                    u64::try_from(age).unwrap_or(u64::MAX - 1) + 1
                });
            words[record::OLDEST_MILLISECONDS].store(age, Ordering::Relaxed);
            words[record::WAITING].store(self.line.waiting(number).into(), Ordering::Relaxed);
            self.write_record(number);
            let attention = words[record::ATTENTION].load(Ordering::Relaxed);
            if !self.is_own_attention(number, attention) {
                self.note_damage(Finding::Record { number });
                self.write_attention(number);
            }
        }
    }

    fn is_own_attention(&self, number: u16, found: u64) -> bool {
        let written = self.attention.get(usize::from(number - 1));
        written == Some(&found)
    }
}
