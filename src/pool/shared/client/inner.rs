//! What a client and its segments share: the lane, and the lease that the agent keeps for it.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::barrier;
use super::super::files::Attachment;
use super::super::inspection::Inspection;
use super::super::lane::{Attention, Barrier, Damage, Holding, Lane, Refusal};
use super::super::memory::Data;
use super::super::segment::Handed;
use super::super::session::{Answer, ClientOptions, JoinError, Session, Welcome, new_holdings};
use super::super::steps::Steps;
use super::super::wire::Access;
use super::{AcquireError, AdoptError};

/// What a client and its segments share.
#[derive(Debug)]
pub(in super::super) struct Inner<S: Steps> {
    pub(super) lane: Lane<S>,
    pub(in super::super) data: Arc<Data>,
    pub(super) session: RefCell<Session>,
    pub(super) number: u16,
    /// Whether no agent was there when one was looked for.
    is_away: Cell<bool>,
    pub(super) is_over: Cell<bool>,
}

impl<S: Steps> Inner<S> {
    /// Joins the pool whose agent listens at `path`.
    pub(super) fn join(path: &Path, options: &ClientOptions, steps: S) -> Result<Self, JoinError> {
        let barrier = barrier::agree();
        let access = match barrier {
            Barrier::OfThePool => Access::Direct,
            Barrier::OfItsOwn => Access::DirectWithBarriers,
        };
        let (session, welcome) = Session::join(path, options, access)?;
        let Welcome {
            number,
            lease,
            imposes,
            lengths,
            files,
        } = welcome;
        let [data, control] = <[OwnedFd; 2]>::try_from(files).map_err(|_| JoinError::NoPool {
            path: path.to_owned(),
            reason: "its files did not come".to_owned(),
        })?;
        let Attachment { control, data } = Attachment::new(data, control, lengths)?;
        let barrier = if imposes { barrier } else { Barrier::OfItsOwn };
        let lane = Lane::new(control, (number, lease), barrier, steps);
        let inner = Self {
            lane,
            data,
            session: RefCell::new(session),
            number,
            is_away: Cell::new(false),
            is_over: Cell::new(false),
        };
        inner.attend().map_err(|refusal| inner.note(refusal))?;
        Ok(inner)
    }

    /// Whether a segment is still this client's.
    #[inline]
    pub(in super::super) fn holds(&self, holding: Holding) -> bool {
        self.lane.holds(holding)
    }

    /// How many bytes a segment has.
    pub(in super::super) fn segment_bytes(&self) -> usize {
        self.lane.control().layout().sizes().segment_bytes as usize
    }

    /// Gives a segment back; `false` if it was not this client's any more.
    #[inline]
    pub(in super::super) fn release(&self, holding: Holding) -> bool {
        match self.lane.release(holding) {
            Ok(()) => true,
            Err(refusal) => self.release_slowly(holding, refusal),
        }
    }

    #[cold]
    fn release_slowly(&self, holding: Holding, refusal: Refusal) -> bool {
        let is_released = self.release_in_steps(holding, refusal);
        self.stay_alert();
        is_released
    }

    /// As long as no agent is there, each operation comes this slow way and looks for one.
    pub(super) fn stay_alert(&self) {
        if self.is_away.get() {
            self.lane.unsettle();
        }
    }

    /// The lease is over: from now on no operation touches a magazine.
    fn end(&self) {
        self.is_over.set(true);
        self.lane.unsettle();
    }

    fn give_back(&self, holding: Holding) {
        let mut session = self.session.borrow_mut();
        session.give_back(holding, |holding| self.lane.holds(holding));
    }

    fn release_in_steps(&self, holding: Holding, mut refusal: Refusal) -> bool {
        loop {
            match refusal {
                Refusal::Attention => match self.attend() {
                    Ok(Attention::Settled) => {}
                    Ok(Attention::Scarce) => {
                        self.lane.forget();
                        if !self.lane.holds(holding) {
                            return false;
                        }
                        self.give_back(holding);
                        return true;
                    }
                    Ok(Attention::Revoked) => return false,
                    Err(other) => {
                        refusal = other;
                        continue;
                    }
                },
                Refusal::NotHeld => {
                    self.lane.forget();
                    return false;
                }
                refusal => {
                    // It stays this client's until the lease ends.
                    self.note(refusal);
                    return false;
                }
            }
            match self.lane.release(holding) {
                Ok(()) => return true,
                Err(again) => refusal = again,
            }
        }
    }

    /// Lets go of a segment without giving it back: somebody else will take it over.
    pub(in super::super) fn hand_over(&self, holding: Holding) {
        self.lane.hand_over(holding);
    }

    /// Does what the pool wants, and gives back what an absent agent could not take.
    pub(super) fn attend(&self) -> Result<Attention, Refusal> {
        if self.is_over.get() {
            return Ok(Attention::Revoked);
        }
        let mut attention = self.lane.attend()?;
        self.meet_agent();
        if self.is_over.get() {
            attention = Attention::Revoked;
        }
        if attention == Attention::Revoked {
            self.end();
        }
        if attention == Attention::Settled {
            // No agent is there to take these; but while segments are not scarce, none has to.
            let owed = self.session.borrow_mut().take_owed();
            for holding in owed {
                self.lane.note_granted();
                if self.lane.release(holding).is_err() {
                    self.lane.forget();
                    self.give_back(holding);
                }
            }
        }
        Ok(attention)
    }

    /// Hears what the agent says, and joins another one if it went.
    pub(super) fn meet_agent(&self) {
        let mut session = self.session.borrow_mut();
        match session.look().and_then(|()| session.reconnect()) {
            Ok(is_there) => self.is_away.set(!is_there),
            Err(_) => self.end(),
        }
        session.pay();
    }

    /// Asks the agent for a segment.
    pub(super) fn ask(&self, timeout: Duration) -> Answer {
        self.meet_agent();
        if self.is_over.get() {
            return Answer::Over(String::new());
        }
        let before = self.lane.holdings();
        let answer = self.session.borrow_mut().ask(1, timeout);
        if answer == Answer::Away && !self.session.borrow().is_open() {
            // The agent may have granted something and died before it could tell.
            for holding in new_holdings(&before, self.lane.holdings()) {
                self.give_back(holding);
            }
        }
        answer
    }

    pub(super) fn over(&self) -> AcquireError {
        self.end();
        let number = self.number;
        AcquireError::LeaseOver { number }
    }

    pub(super) fn exhausted(&self, waited: Duration) -> AcquireError {
        let inspection = Inspection::of(self.lane.control());
        let holders = inspection.largest_holders(5).into_iter();
        AcquireError::Exhausted {
            segments: inspection.segments,
            waited,
            holders: holders
                .map(|client| (client.name.clone(), client.held))
                .collect(),
        }
    }

    pub(super) fn acquire_error(&self, refusal: Refusal) -> AcquireError {
        match refusal {
            Refusal::Quota => AcquireError::QuotaReached {
                taken: self.lane.taken(),
                quota: self.lane.quota(),
            },
            refusal => AcquireError::Damaged(self.note(refusal)),
        }
    }

    pub(super) fn adopt_error(&self, handed: Handed, refusal: Refusal) -> AdoptError {
        match refusal {
            Refusal::NotHeld => AdoptError::Stale {
                segment: handed.segment(),
            },
            Refusal::Quota => AdoptError::QuotaReached {
                taken: self.lane.taken(),
                quota: self.lane.quota(),
            },
            refusal => AdoptError::Damaged(self.note(refusal)),
        }
    }

    /// Tells the agent of damage, and leaves the magazines to it.
    fn note(&self, refusal: Refusal) -> Damage {
        let damage = match refusal {
            Refusal::Damaged(damage) => damage,
            _ => Damage::Missing,
        };
        self.lane.abandon();
        self.session.borrow_mut().report(damage.to_string());
        damage
    }
}

impl<S: Steps> Drop for Inner<S> {
    fn drop(&mut self) {
        if self.is_over.get() {
            return;
        }
        // Whatever cannot be given back is taken back when the socket closes.
        if self.lane.trim() == Err(Refusal::Attention) && self.lane.attend().is_ok() {
            let _ = self.lane.trim();
        }
    }
}
