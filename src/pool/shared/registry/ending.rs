//! How leases end: with the client's socket, by being cut off, or by not coming back after the agent's restart.

use std::time::Instant;

use super::super::barrier;
use super::super::event::Event;
use super::super::layout::{LAYOUT_VERSION, record};
use super::super::memory::Ordering;
use super::super::steward::Estate;
use super::super::wire::PoolMessage;
use super::{Registry, State};

impl Registry {
    /// A client's socket is closed: nothing of it runs any more, and what it had comes back.
    pub(in super::super) fn leave(&mut self, number: u16, now: Instant) {
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
    pub(in super::super) fn cut_off(&mut self, number: u16, reason: String, now: Instant) {
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
    pub(super) fn finish_endings(&mut self, now: Instant) {
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
    pub(in super::super) fn is_restless(&self, now: Instant) -> bool {
        let mut leases = self.leases.iter().flatten();
        self.line.is_undrained()
            || leases.any(|lease| matches!(lease.state, State::Ending { until, .. } if now < until))
    }

    /// Looks at what nobody tells: whether clients that were in an operation are out of it.
    pub(in super::super) fn tick(&mut self, now: Instant) {
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
