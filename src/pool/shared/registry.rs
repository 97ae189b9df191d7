//! The agent's own table of clients: who they are, what they were promised, what they wait for, and how they end.
//!
//! It knows neither sockets nor threads: what comes in is a call with the time, what goes out are messages and events to
//! be fetched. What a client can change in the control file decides nothing here.

mod line;
mod look;

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::barrier;
use super::books::Books;
use super::census::Finding;
use super::event::{Event, Totals};
use super::inspection::{Inspection, read_name, write_name};
use super::lane::Refusal;
use super::layout::{LAYOUT_VERSION, Layout, NAME_BYTES, common, record};
use super::memory::{Control, Ordering};
use super::steward::{Estate, Steward};
use super::wire::{Access, Hello, PoolMessage, cut};
use crate::pool::redistribution::{Demand, redistribute};
use line::Line;

/// Damage is counted in full, and told as long as fewer events than this have not been fetched.
const MAX_EVENTS: usize = 256;

/// What one client is to the agent.
#[derive(Debug)]
struct Lease {
    name: String,
    access: Access,
    required: u32,
    maximum: u32,
    quota: u32,
    /// The secret by which a client is known again after the agent's restart.
    lease: u64,
    process: u32,
    state: State,
    /// Clients share the rest of the pool in the order in which they joined.
    arrival: u64,
    /// In how many looks in a row its part of the control file said what cannot be.
    strikes: u32,
}

/// Where a client is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has a socket.
    Connected,
    /// It joined an agent before this one, and may come back until then.
    Absent { until: Instant },
    /// Its lease was ended, and it may be in the middle of an operation; then it is waited for until then.
    Ending { until: Instant, is_connected: bool },
    /// It has nothing any more, but its socket is still open.
    Ended,
}

impl State {
    /// Whether segments and slots may be in its name.
    fn may_have(self) -> bool {
        self != Self::Ended
    }

    fn is_served(self) -> bool {
        matches!(self, Self::Connected | Self::Absent { .. })
    }
}

/// A client that joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    pub(super) number: u16,
    pub(super) lease: u64,
}

/// All clients of one pool.
#[derive(Debug)]
pub(super) struct Registry {
    control: Arc<Control>,
    steward: Steward,
    books: Books,
    /// By number, from 1.
    leases: Vec<Option<Lease>>,
    /// The attention words as they were written last.
    attention: Vec<u64>,
    /// Numbers that are nobody's, the one that has been so the longest first.
    free_numbers: VecDeque<u16>,
    arrivals: u64,
    line: Line,
    grace: Duration,
    can_impose: bool,
    totals: Totals,
    events: Vec<Event>,
    outgoing: Vec<(u16, PoolMessage)>,
}

impl Registry {
    /// Takes a pool over. Clients that a record speaks of may come back within `grace`.
    pub(super) fn new(
        control: Arc<Control>,
        grace: Duration,
        now: Instant,
    ) -> Result<Self, Refusal> {
        let clients = control.layout().sizes().clients;
        let steward = Steward::new(control.clone())?;
        let mut registry = Self {
            books: Books::default(),
            leases: (0..clients).map(|_| None).collect(),
            attention: vec![0; clients.into()],
            free_numbers: VecDeque::new(),
            arrivals: 0,
            line: Line::default(),
            grace,
            can_impose: barrier::can_impose(),
            totals: Totals::default(),
            events: Vec::new(),
            outgoing: Vec::new(),
            steward,
            control,
        };
        if let Some(common) = registry.control.common() {
            common[common::INCARNATION].fetch_add(1, Ordering::Relaxed);
        }
        for number in 1..=clients {
            registry.take_over(number, now);
        }
        // What the agent before this one had in its hands; its clients' parts are looked at once they are all known.
        let number = registry.steward.number();
        registry.steward.reclaim(number)?;
        registry.redistribute();
        registry.look(now);
        Ok(registry)
    }

    /// Reads what the agent before this one wrote about a client.
    fn take_over(&mut self, number: u16, now: Instant) {
        let control = self.control.clone();
        let (Some(words), Some(attention)) = (
            control.record(number),
            self.attention.get_mut(usize::from(number - 1)),
        ) else {
            return;
        };
        let read = |word: usize| words[word].load(Ordering::Acquire);
        *attention = words[record::ATTENTION].load(Ordering::Acquire);
        let lease = read(record::LEASE);
        if lease == 0 {
            self.free_numbers.push_back(number);
            return;
        }
        let segments = control.layout().sizes().segments;
        let bounded = |word| u32::try_from(read(word)).unwrap_or(segments).min(segments);
        let required = bounded(record::REQUIRED);
        // If somebody tampered with the promises, they may be more than there is; the later ones are void then.
        let left = segments - self.promised();
        let lease = Lease {
            name: read_name(words),
            access: Access::DirectWithBarriers,
            required: required.min(left),
            maximum: bounded(record::MAXIMUM).max(required.min(left)),
            quota: 0,
            lease,
            process: u32::try_from(read(record::PROCESS)).unwrap_or(0),
            state: State::Absent {
                until: now + self.grace,
            },
            arrival: self.arrivals,
            strikes: 0,
        };
        self.arrivals += 1;
        self.set_lease(number, Some(lease));
        self.write_record(number);
        self.write_attention(number);
    }

    /// Lets a client in, new or back from before the agent's restart; or says why not.
    pub(super) fn join(&mut self, hello: &Hello, process: u32) -> Result<Admitted, String> {
        let admitted = self.admit(hello, process);
        match &admitted {
            Ok(admitted) => {
                self.totals.joined += 1;
                self.events.push(Event::Joined {
                    number: admitted.number,
                    name: cut(&hello.name, NAME_BYTES).to_owned(),
                    is_back: hello.lease != 0,
                });
            }
            Err(reason) => self.note_refused(reason.clone()),
        }
        admitted
    }

    /// Counts somebody who was not let in.
    pub(super) fn note_refused(&mut self, reason: String) {
        self.totals.refused += 1;
        self.events.push(Event::Refused { reason });
    }

    fn admit(&mut self, hello: &Hello, process: u32) -> Result<Admitted, String> {
        if hello.version != LAYOUT_VERSION {
            let theirs = hello.version;
            return Err(format!(
                "the pool has layout version {LAYOUT_VERSION}, the client has version {theirs}"
            ));
        }
        if hello.lease != 0 {
            return self.readmit(hello, process);
        }
        let segments = self.control.layout().sizes().segments;
        let (required, maximum) = (hello.required, hello.maximum);
        if required > maximum {
            return Err(format!(
                "the client requires {required} segments, but wants at most {maximum}"
            ));
        }
        let promised = self.promised();
        if required > segments - promised {
            let promises = self.largest_promises();
            return Err(format!(
                "cannot promise {required} segments: of {segments}, {promised} are promised{promises}"
            ));
        }
        let Some(number) = self.free_numbers.pop_front() else {
            let clients = self.leases.len();
            return Err(format!(
                "the pool has {clients} clients, and room for no more"
            ));
        };
        let lease = random();
        let arrival = self.arrivals;
        self.arrivals += 1;
        let lease_of_client = Lease {
            name: cut(&hello.name, NAME_BYTES).to_owned(),
            access: hello.access,
            required,
            maximum,
            quota: 0,
            lease,
            process,
            state: State::Connected,
            arrival,
            strikes: 0,
        };
        self.set_lease(number, Some(lease_of_client));
        if let Some(words) = self.control.record(number) {
            words[record::BUSY].store(0, Ordering::Relaxed);
        }
        self.redistribute();
        self.write_record(number);
        self.write_attention(number);
        Ok(Admitted { number, lease })
    }

    /// Lets a client back in that joined an agent before this one.
    fn readmit(&mut self, hello: &Hello, process: u32) -> Result<Admitted, String> {
        let number = hello.number;
        let known = self.lease_mut(number).filter(|known| {
            known.lease == hello.lease && matches!(known.state, State::Absent { .. })
        });
        let Some(known) = known else {
            return Err(format!("the lease of client {number} is over"));
        };
        known.state = State::Connected;
        known.access = hello.access;
        known.process = process;
        let lease = known.lease;
        self.write_record(number);
        self.write_attention(number);
        Ok(Admitted { number, lease })
    }

    /// A client's socket is closed: nothing of it runs any more, and what it had comes back.
    pub(super) fn leave(&mut self, number: u16, now: Instant) {
        let Some(state) = self.lease_mut(number).map(|lease| lease.state) else {
            return;
        };
        if state.may_have() {
            self.bury(number);
        }
        self.forget(number);
        self.serve(now);
        if cfg!(debug_assertions) {
            self.look(now);
        }
    }

    /// Ends a client's lease although it lives. What it has comes back as soon as it is in no operation.
    pub(super) fn cut_off(&mut self, number: u16, reason: String, now: Instant) {
        let until = now + self.grace;
        let Some(lease) = self.lease_mut(number) else {
            return;
        };
        if !lease.state.is_served() {
            return;
        }
        lease.state = State::Ending {
            until,
            is_connected: lease.state == State::Connected,
        };
        let name = lease.name.clone();
        self.line.drop_all_of(number);
        self.write_attention(number);
        barrier::impose();
        self.outgoing.push((
            number,
            PoolMessage::Refused {
                version: LAYOUT_VERSION,
                text: reason.clone(),
            },
        ));
        self.totals.cut_off += 1;
        self.events.push(Event::CutOff {
            number,
            name,
            reason,
        });
        self.finish_endings(now);
    }

    /// Ends what can be ended: leases of absent clients that are dead or did not come back in time, and ended leases of
    /// clients that are in no operation.
    fn finish_endings(&mut self, now: Instant) {
        for number in 1..=self.control.layout().sizes().clients {
            let Some(lease) = self.lease_mut(number) else {
                continue;
            };
            match lease.state {
                State::Absent { until } => {
                    let process = lease.process;
                    if is_gone(process) {
                        self.bury(number);
                        self.forget(number);
                    } else if until <= now {
                        let grace = self.grace.as_secs_f64();
                        let reason =
                            format!("it did not come back within {grace} s of the agent's restart");
                        self.cut_off(number, reason, now);
                        return self.finish_endings(now);
                    }
                }
                State::Ending {
                    until,
                    is_connected,
                } => {
                    let is_busy = self.steward.is_busy(number);
                    // An operation takes nanoseconds; who is in one for longer was killed or stopped in it. The end of
                    // a socket tells which; where there is none, time has to.
                    if is_busy && (is_connected || now < until) {
                        continue;
                    }
                    self.bury(number);
                    if is_connected {
                        if let Some(lease) = self.lease_mut(number) {
                            lease.state = State::Ended;
                        }
                    } else {
                        self.forget(number);
                    }
                }
                State::Connected | State::Ended => {}
            }
        }
    }

    /// Whether something is waited for that nobody tells, so that it has to be looked at again soon.
    pub(super) fn is_restless(&self, now: Instant) -> bool {
        let mut leases = self.leases.iter().flatten();
        self.line.is_undrained()
            || leases.any(|lease| matches!(lease.state, State::Ending { until, .. } if now < until))
    }

    /// Looks at what nobody tells: whether clients that were in an operation are out of it.
    pub(super) fn tick(&mut self, now: Instant) {
        self.finish_endings(now);
        self.serve(now);
    }

    /// Takes back all that a client had.
    fn bury(&mut self, number: u16) {
        self.line.drop_all_of(number);
        let name = self.name_of(number);
        let estate = match self.steward.reclaim(number) {
            Ok(estate) => estate,
            // What could not be put back is found by the next look.
            Err(refusal) => {
                self.report(refusal);
                Estate::default()
            }
        };
        let Estate {
            held,
            lying,
            findings,
        } = estate;
        for finding in findings {
            self.note_damage(finding);
        }
        if held == 0 && lying == 0 {
            self.events.push(Event::Left { number, name });
        } else {
            self.totals.reclaimed_clients += 1;
            self.totals.reclaimed_segments += u64::from(held);
            self.events.push(Event::Reclaimed {
                number,
                name,
                held,
                lying,
            });
        }
    }

    /// Frees a client's number.
    fn forget(&mut self, number: u16) {
        self.set_lease(number, None);
        if let Some(words) = self.control.record(number) {
            for word in words.iter().skip(record::QUOTA) {
                word.store(0, Ordering::Release);
            }
        }
        self.write_attention(number);
        self.free_numbers.push_back(number);
        self.redistribute();
    }

    /// Shares out what is not promised, and tells those whose quota changes.
    fn redistribute(&mut self) {
        let segments = self.control.layout().sizes().segments;
        let available = (segments - self.promised()) as usize;
        let mut order: Vec<u16> = (1..)
            .zip(&self.leases)
            .filter_map(|(number, lease)| lease.as_ref().map(|_| number))
            .collect();
        order.sort_by_key(|&number| self.lease(number).map(|lease| lease.arrival));
        let demands: Vec<Demand> = order
            .iter()
            .filter_map(|&number| self.lease(number))
            .map(|lease| Demand {
                required: lease.required as usize,
                max: lease.maximum as usize,
            })
            .collect();
        let sizes: Vec<usize> = redistribute(available, demands.iter().copied()).collect();
        for (number, size) in order.into_iter().zip(sizes) {
            let quota = u32::try_from(size).unwrap_or(segments);
            let Some(lease) = self.lease_mut(number) else {
                continue;
            };
            if std::mem::replace(&mut lease.quota, quota) != quota {
                self.write_record(number);
                self.write_attention(number);
            }
        }
    }

    /// Writes what others may know of a client into its record.
    fn write_record(&self, number: u16) {
        let (Some(words), Some(lease)) = (self.control.record(number), self.lease(number)) else {
            return;
        };
        write_name(words, &lease.name);
        for (word, value) in [
            (record::PROCESS, lease.process.into()),
            (record::REQUIRED, lease.required.into()),
            (record::MAXIMUM, lease.maximum.into()),
            (record::QUOTA, lease.quota.into()),
            (record::LEASE, lease.lease),
        ] {
            words[word].store(value, Ordering::Release);
        }
    }

    /// Makes a client look at its record with its next operation.
    fn write_attention(&mut self, number: u16) {
        let state = match self.lease(number) {
            Some(lease) if !lease.state.is_served() => record::REVOKED,
            Some(_) if self.line.is_scarce() => record::SCARCE,
            Some(_) => record::OPEN,
            None => record::REVOKED,
        };
        let control = self.control.clone();
        let (Some(words), Some(attention)) = (
            control.record(number),
            self.attention.get_mut(usize::from(number - 1)),
        ) else {
            return;
        };
        *attention = (*attention | record::STATE).wrapping_add(1) | state;
        words[record::ATTENTION].store(*attention, Ordering::SeqCst);
    }

    /// What all clients together were promised.
    fn promised(&self) -> u32 {
        self.leases
            .iter()
            .flatten()
            .map(|lease| lease.required)
            .sum()
    }

    /// To whom the most was promised, for people.
    fn largest_promises(&self) -> String {
        let mut leases: Vec<_> = self.leases.iter().flatten().collect();
        leases.sort_by_key(|lease| (std::cmp::Reverse(lease.required), lease.arrival));
        let names: Vec<_> = leases
            .iter()
            .take(5)
            .filter(|lease| lease.required > 0)
            .map(|lease| format!("{} ({})", lease.name, lease.required))
            .collect();
        if names.is_empty() {
            String::new()
        } else {
            format!(" to {}", names.join(", "))
        }
    }

    /// What has happened since the last call.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What is to be said since the last call, to whom.
    pub(super) fn take_outgoing(&mut self) -> Vec<(u16, PoolMessage)> {
        std::mem::take(&mut self.outgoing)
    }

    /// What has happened so far.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Who has what.
    pub(super) fn inspect(&mut self, now: Instant) -> Inspection {
        self.look(now);
        Inspection::of(&self.control)
    }

    /// Whether this process makes clients pass barriers.
    pub(super) fn can_impose(&self) -> bool {
        self.can_impose
    }

    /// A client says what it found.
    pub(super) fn note_report(&mut self, number: u16, text: String) {
        if self.events.len() < MAX_EVENTS {
            let name = self.name_of(number);
            self.events.push(Event::Reported { name, text });
        }
    }

    /// Where everything lies.
    pub(super) fn layout(&self) -> &Layout {
        self.control.layout()
    }

    fn report(&mut self, refusal: Refusal) {
        if let Refusal::Damaged(damage) = refusal {
            self.events.push(Event::Reported {
                name: "the agent".to_owned(),
                text: damage.to_string(),
            });
        }
    }

    fn note_damage(&mut self, finding: Finding) {
        self.totals.findings += 1;
        if self.events.len() >= MAX_EVENTS {
            return;
        }
        let culprit = finding.culprit();
        let culprit = self.lease(culprit).map(|lease| lease.name.clone());
        self.events.push(Event::Damage { finding, culprit });
    }

    fn lease(&self, number: u16) -> Option<&Lease> {
        let position = usize::from(number).checked_sub(1)?;
        self.leases.get(position)?.as_ref()
    }

    fn lease_mut(&mut self, number: u16) -> Option<&mut Lease> {
        let position = usize::from(number).checked_sub(1)?;
        self.leases.get_mut(position)?.as_mut()
    }

    fn set_lease(&mut self, number: u16, lease: Option<Lease>) {
        let position = usize::from(number).checked_sub(1);
        if let Some(place) = position.and_then(|position| self.leases.get_mut(position)) {
            *place = lease;
        }
    }

    fn name_of(&self, number: u16) -> String {
        self.lease(number)
            .map_or_else(String::new, |lease| lease.name.clone())
    }
}

/// Whether a process is known to be gone.
fn is_gone(process: u32) -> bool {
    i32::try_from(process)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|process| {
            rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH)
        })
}

/// A number that nobody guesses by accident, and that is not 0.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish().max(1)
}
