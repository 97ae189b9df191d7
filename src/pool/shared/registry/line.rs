//! Who waits for segments, and how they are served: in the order in which they asked.
//!
//! While somebody waits, segments are scarce: no client uses its magazines, every segment that is given back comes to the
//! agent, and what lies in magazines is taken out of them. So an answer of "none" is true, and nobody overtakes.

use std::collections::VecDeque;
use std::time::Instant;

use super::super::lane::Holding;
use super::super::memory::Ordering;
use super::super::wire::{Access, MAX_SEGMENTS_PER_MESSAGE, PoolMessage};
use super::super::words::OwnerWord;
use super::super::{barrier, event::Event};
use super::Registry;

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Line {
    demands: VecDeque<WaitingDemand>,
    is_scarce: bool,
    /// Clients that were in an operation when segments became scarce, so that their magazines could not be taken.
    undrained: Vec<u16>,
}

#[derive(Clone, Copy, Debug)]
struct WaitingDemand {
    number: u16,
    ticket: u32,
    count: u32,
    since: Instant,
}

impl Line {
    /// Whether segments are scarce.
    pub(super) fn is_scarce(&self) -> bool {
        self.is_scarce
    }

    /// Whether there are magazines that could not be taken yet.
    pub(super) fn is_undrained(&self) -> bool {
        !self.undrained.is_empty()
    }

    /// How many segments a client waits for.
    pub(super) fn waiting(&self, number: u16) -> u32 {
        self.demands
            .iter()
            .filter(|demand| demand.number == number)
            .map(|demand| demand.count)
            .sum()
    }

    /// Forgets what a client wants.
    pub(super) fn drop_all_of(&mut self, number: u16) {
        self.demands.retain(|demand| demand.number != number);
        self.undrained.retain(|&undrained| undrained != number);
    }
}

impl Registry {
    /// A client wants up to `count` segments, and waits for the first one if it `waits`.
    pub(in super::super) fn acquire(
        &mut self,
        number: u16,
        (ticket, count): (u32, u32),
        waits: bool,
        now: Instant,
    ) {
        if self
            .line
            .demands
            .iter()
            .any(|demand| demand.number == number)
        {
            self.cut_off(
                number,
                "it asked again before it was answered".to_owned(),
                now,
            );
            return;
        }
        self.line.demands.push_back(WaitingDemand {
            number,
            ticket,
            count: count.min(MAX_SEGMENTS_PER_MESSAGE as u32),
            since: now,
        });
        self.serve(now);
        if waits && count > 0 {
            self.totals.waits += u64::from(self.line.waiting(number) > 0);
        } else {
            self.cancel(number, ticket, now);
        }
    }

    /// A client waits no longer. If it was not answered yet, it gets what there is: nothing.
    pub(in super::super) fn cancel(&mut self, number: u16, ticket: u32, now: Instant) {
        let is_meant = |demand: &WaitingDemand| demand.number == number && demand.ticket == ticket;
        let Some(position) = self.line.demands.iter().position(is_meant) else {
            return;
        };
        if let Some(demand) = self.line.demands.remove(position) {
            self.totals.unmet += 1;
            self.answer(demand, Vec::new(), now);
        }
        // Segments may be scarce no longer.
        self.serve(now);
    }

    /// A client gives segments back. One that it does not have any more is let pass; one that it never had is not.
    pub(in super::super) fn release(&mut self, number: u16, segments: &[Holding], now: Instant) {
        for &holding in segments {
            if holding.word.owner() != number {
                let segment = holding.segment;
                let reason =
                    format!("it gave back segment {segment} in the name of another client");
                self.cut_off(number, reason, now);
                return;
            }
            if let Err(refusal) = self.steward.take_back(holding) {
                self.report(refusal);
            }
        }
        self.settle();
        self.serve(now);
    }

    /// Serves those who wait, as far as there are segments.
    pub(in super::super) fn serve(&mut self, now: Instant) {
        if self.line.is_undrained() {
            self.drain_quiet();
        }
        if self.serve_from_depot(now) {
            if !self.line.is_scarce {
                self.become_scarce();
            }
            self.drain_quiet();
            self.serve_from_depot(now);
        }
        if self.line.demands.is_empty() && self.line.is_scarce {
            self.line.is_scarce = false;
            self.line.undrained.clear();
            self.write_attention_of_all();
        }
    }

    /// Serves those who wait from what lies in the depot, and answers whether somebody is left that may have more.
    fn serve_from_depot(&mut self, now: Instant) -> bool {
        if self.line.demands.is_empty() {
            return false;
        }
        let mut held = self.held_by_number();
        let mut is_anybody_left = false;
        let mut is_empty = false;
        let mut left = VecDeque::new();
        for demand in std::mem::take(&mut self.line.demands) {
            let quota = self.lease(demand.number).map_or(0, |lease| lease.quota);
            let has = held.get(usize::from(demand.number)).copied().unwrap_or(0);
            let wanted = demand.count.min(quota.saturating_sub(has));
            if wanted == 0 {
                // It may have no more, and nobody tells when that changes: others may take over what it handed over.
                self.answer(demand, Vec::new(), now);
                continue;
            }
            let mut segments = Vec::new();
            while !is_empty && (segments.len() as u32) < wanted {
                match self.grant(demand.number) {
                    Some(holding) => segments.push(holding),
                    None => is_empty = true,
                }
            }
            if segments.is_empty() {
                is_anybody_left = true;
                left.push_back(demand);
            } else {
                if let Some(held) = held.get_mut(usize::from(demand.number)) {
                    *held += segments.len() as u32;
                }
                self.answer(demand, segments, now);
            }
        }
        self.line.demands = left;
        self.settle();
        is_anybody_left
    }

    fn grant(&mut self, number: u16) -> Option<Holding> {
        match self.steward.grant(number) {
            Ok(granted) => granted,
            Err(refusal) => {
                self.report(refusal);
                None
            }
        }
    }

    fn settle(&mut self) {
        if let Err(refusal) = self.steward.settle() {
            self.report(refusal);
        }
    }

    fn answer(&mut self, demand: WaitingDemand, segments: Vec<Holding>, now: Instant) {
        let waited = now.saturating_duration_since(demand.since);
        if !waited.is_zero() {
            self.totals.waited += waited;
            self.events.push(Event::Waited {
                name: self.name_of(demand.number),
                waited,
                granted: segments.len() as u32,
            });
        }
        let ticket = demand.ticket;
        self.outgoing
            .push((demand.number, PoolMessage::Granted { ticket, segments }));
    }

    /// How many segments each client holds and has in its slots.
    fn held_by_number(&self) -> Vec<u32> {
        let mut held = vec![0; usize::from(self.steward.number()) + 1];
        for word in self.control.owners() {
            let owner = OwnerWord::from_bits(word.load(Ordering::Relaxed)).owner();
            if let Some(held) = held.get_mut(usize::from(owner)) {
                *held += 1;
            }
        }
        held
    }

    /// Tells all clients to leave their magazines alone.
    fn become_scarce(&mut self) {
        self.line.is_scarce = true;
        self.write_attention_of_all();
        barrier::impose();
        self.line.undrained = (1..)
            .zip(&self.leases)
            .filter(|(_, lease)| {
                let lease = lease.as_ref();
                lease.is_some_and(|lease| lease.access != Access::Asking && lease.state.is_served())
            })
            .map(|(number, _)| number)
            .collect();
    }

    /// Takes the magazines of those clients that are in no operation. They were told before, so that they begin none
    /// that touches a magazine.
    fn drain_quiet(&mut self) {
        let Self { steward, line, .. } = self;
        line.undrained.retain(|&number| {
            let is_busy = steward.is_busy(number);
            if !is_busy {
                steward.drain(number);
            }
            is_busy
        });
    }

    fn write_attention_of_all(&mut self) {
        for number in 1..=self.control.layout().sizes().clients {
            if self.lease(number).is_some() {
                self.write_attention(number);
            }
        }
    }

    /// Takes one client's magazines, if it is in no operation.
    pub(super) fn recall(&mut self, number: u16) {
        let was_scarce = std::mem::replace(&mut self.line.is_scarce, true);
        self.write_attention(number);
        barrier::impose();
        let mut undrained = std::mem::replace(&mut self.line.undrained, vec![number]);
        self.drain_quiet();
        undrained.retain(|&other| other != number);
        if was_scarce {
            undrained.append(&mut self.line.undrained);
        }
        self.line.undrained = undrained;
        self.line.is_scarce = was_scarce;
        self.write_attention(number);
    }
}
