//! A process's way into a shared pool: it joins, takes segments, hands them over, and gives them back.
//!
//! Taking and giving back touch shared memory alone. The agent is asked only when the depot is empty, and then the answer
//! is exact: what lies in other clients' magazines is taken out of them first.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::barrier;
use super::files::{Attachment, PoolSize};
use super::inspection::Inspection;
use super::lane::{Attention, Barrier, Damage, Holding, Lane, Refusal};
use super::memory::Data;
use super::segment::{Handed, SharedSegment};
use super::session::{Answer, ClientOptions, JoinError, RETRY, Session, Welcome, new_holdings};
use super::steps::{Steps, Undisturbed};
use super::wire::Access;

/// One client of a shared pool. It belongs to one thread; another thread joins by itself.
///
/// Segments keep the client alive. When the last of them and the client are dropped, what lies in its magazines goes
/// back and the lease ends; if the process ends before that, the agent takes everything back.
#[derive(Debug)]
pub struct Client<S: Steps = Undisturbed> {
    inner: Rc<Inner<S>>,
}

/// What a client and its segments share.
#[derive(Debug)]
pub(super) struct Inner<S: Steps> {
    lane: Lane<S>,
    pub(super) data: Arc<Data>,
    session: RefCell<Session>,
    number: u16,
    /// Whether no agent was there when one was looked for.
    is_away: Cell<bool>,
    is_over: Cell<bool>,
}

/// No segment was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcquireError {
    /// All segments are held by somebody.
    #[error(
        "all {segments} segments of the pool are taken, also after {waited:?}{}",
        told(holders)
    )]
    Exhausted {
        /// How many there are.
        segments: u32,
        /// How long was waited.
        waited: Duration,
        /// Who holds the most, up to five clients by name with how many each.
        holders: Vec<(String, u32)>,
    },
    /// The client has as many as it may have.
    #[error("the client has {taken} segments and may have {quota}")]
    QuotaReached {
        /// How many it has.
        taken: u32,
        /// How many it may have.
        quota: u32,
    },
    /// The depot is empty, and the agent that knows more does not answer.
    #[error("the depot is empty and the agent does not answer")]
    AgentAway,
    /// The agent ended the lease; what the client held is its own no longer.
    #[error("the lease of client {number} is over")]
    LeaseOver {
        /// The client's number.
        number: u16,
    },
    /// The control file is damaged. The agent was told.
    #[error("the control file is damaged: {0}")]
    Damaged(#[from] Damage),
}

/// A segment was not taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    /// It was taken over already, given back, or reclaimed after its owner's death: what it held is not to be read.
    #[error("segment {segment} is no longer the one that was handed over")]
    Stale {
        /// The segment.
        segment: u32,
    },
    /// The client has as many as it may have. It may try again when it has given one back.
    #[error("the client has {taken} segments and may have {quota}")]
    QuotaReached {
        /// How many it has.
        taken: u32,
        /// How many it may have.
        quota: u32,
    },
    /// The agent ended the lease.
    #[error("the lease of client {number} is over")]
    LeaseOver {
        /// The client's number.
        number: u16,
    },
    /// The control file is damaged. The agent was told.
    #[error("the control file is damaged: {0}")]
    Damaged(#[from] Damage),
}

/// A client that waits for what nobody tells it looks again after a pause, and after longer ones as it goes on.
const SHORTEST_PAUSE: Duration = Duration::from_micros(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

fn told(holders: &[(String, u32)]) -> String {
    let names: Vec<_> = holders
        .iter()
        .map(|(name, held)| format!("{name} ({held})"))
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; {} have them", names.join(", "))
    }
}

impl Client {
    /// Joins the pool whose agent listens at `path`.
    ///
    /// # Errors
    /// When nobody listens there, the agent refuses (another layout version, promises beyond what there is, too many
    /// clients, a user that may not join), or the files that it hands over do not fit together.
    pub fn join(path: &Path, options: &ClientOptions) -> Result<Self, JoinError> {
        Self::join_with(path, options, Undisturbed)
    }
}

impl<S: Steps> Client<S> {
    /// As [`join`](Client::join), with somebody who is told each step of the protocol.
    ///
    /// # Errors
    /// As [`join`](Client::join).
    pub fn join_with(path: &Path, options: &ClientOptions, steps: S) -> Result<Self, JoinError> {
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
        let inner = Inner {
            lane,
            data,
            session: RefCell::new(session),
            number,
            is_away: Cell::new(false),
            is_over: Cell::new(false),
        };
        inner.attend().map_err(|refusal| inner.note(refusal))?;
        Ok(Self {
            inner: Rc::new(inner),
        })
    }

    /// Takes a segment, if there is one. If the depot is empty, the agent takes what lies in others' magazines before it
    /// says that there is none.
    ///
    /// # Errors
    /// When all are taken, the client has as many as it may have, its lease is over, or the control file is damaged.
    #[inline]
    pub fn acquire(&self) -> Result<SharedSegment<S>, AcquireError> {
        match self.inner.lane.acquire() {
            Ok(holding) => Ok(self.segment(holding)),
            Err(refusal) => self.acquire_slowly(refusal, Duration::ZERO),
        }
    }

    /// Takes a segment, and waits for one up to `timeout` if there is none. Those who wait are served in the order in
    /// which they came.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire). Having as many as it may have is an error at once, because only the client itself
    /// can change that; unless it handed over some that nobody took yet, which it waits for.
    pub fn acquire_within(&self, timeout: Duration) -> Result<SharedSegment<S>, AcquireError> {
        match self.inner.lane.acquire() {
            Ok(holding) => Ok(self.segment(holding)),
            Err(refusal) => self.acquire_slowly(refusal, timeout),
        }
    }

    /// Takes over a segment that this or another client handed over. Only after this may its bytes be read.
    ///
    /// # Errors
    /// When it is stale: its owner died meanwhile, or it was taken over before; when the client has as many as it may
    /// have; when the lease is over or the control file is damaged.
    pub fn adopt(&self, handed: Handed) -> Result<SharedSegment<S>, AdoptError> {
        let inner = &self.inner;
        if inner.is_over.get() {
            let number = inner.number;
            return Err(AdoptError::LeaseOver { number });
        }
        loop {
            match inner.lane.adopt(handed.holding()) {
                Ok(holding) => return Ok(self.segment(holding)),
                Err(Refusal::Attention) => match inner.attend() {
                    Ok(Attention::Settled | Attention::Scarce) => {}
                    Ok(Attention::Revoked) => {
                        let number = inner.number;
                        return Err(AdoptError::LeaseOver { number });
                    }
                    Err(refusal) => return Err(inner.adopt_error(handed, refusal)),
                },
                Err(refusal) => return Err(inner.adopt_error(handed, refusal)),
            }
        }
    }

    /// Gives back what lies in the magazines, so that others can take it without asking the agent. Worth a call before a
    /// pause.
    ///
    /// # Errors
    /// When the lease is over or the control file is damaged.
    pub fn trim(&self) -> Result<(), AcquireError> {
        let inner = &self.inner;
        loop {
            return match inner.lane.trim() {
                Ok(()) => Ok(()),
                Err(Refusal::Attention) => match inner.attend() {
                    Ok(Attention::Settled) => continue,
                    Ok(Attention::Scarce) => Ok(()),
                    Ok(Attention::Revoked) => Err(inner.over()),
                    Err(refusal) => Err(inner.acquire_error(refusal)),
                },
                Err(refusal) => Err(inner.acquire_error(refusal)),
            };
        }
    }

    /// Joins an agent that was restarted, and hears if the lease is over. A client that works does this by the way; one
    /// that only holds what it has must call it more often than the agent's grace.
    ///
    /// # Errors
    /// When the lease is over.
    pub fn keep_alive(&self) -> Result<(), AcquireError> {
        let inner = &self.inner;
        inner.session.borrow_mut().try_at_once();
        inner.meet_agent();
        match inner.is_over.get() {
            true => Err(inner.over()),
            false => Ok(()),
        }
    }

    /// The client's number in the pool.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.inner.number
    }

    /// How large the pool is.
    #[must_use]
    pub fn pool_size(&self) -> PoolSize {
        PoolSize::of(self.inner.lane.control().layout())
    }

    /// How many segments the client has, those in its magazines included.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.inner.lane.taken()
    }

    /// How many segments the client may have, as of its last look.
    #[must_use]
    pub fn quota(&self) -> u32 {
        self.inner.lane.quota()
    }

    fn segment(&self, holding: Holding) -> SharedSegment<S> {
        SharedSegment::new(self.inner.clone(), holding)
    }

    #[cold]
    fn acquire_slowly(
        &self,
        refusal: Refusal,
        timeout: Duration,
    ) -> Result<SharedSegment<S>, AcquireError> {
        let acquired = self.acquire_in_steps(refusal, timeout);
        self.inner.stay_alert();
        acquired
    }

    fn acquire_in_steps(
        &self,
        mut refusal: Refusal,
        timeout: Duration,
    ) -> Result<SharedSegment<S>, AcquireError> {
        let inner = &self.inner;
        let start = Instant::now();
        let mut pause = SHORTEST_PAUSE;
        let mut rest = |left: Duration| {
            std::thread::sleep(pause.min(left));
            pause = (2 * pause).min(LONGEST_PAUSE);
        };
        loop {
            let asks = match refusal {
                Refusal::Attention => match inner.attend() {
                    Ok(Attention::Settled) => false,
                    Ok(Attention::Scarce) => true,
                    Ok(Attention::Revoked) => return Err(inner.over()),
                    Err(refusal) => return Err(inner.acquire_error(refusal)),
                },
                Refusal::Empty => true,
                Refusal::Quota => {
                    let left = timeout.saturating_sub(start.elapsed());
                    if left.is_zero() || !inner.lane.awaits_takers() {
                        return Err(inner.acquire_error(refusal));
                    }
                    rest(left);
                    false
                }
                refusal => return Err(inner.acquire_error(refusal)),
            };
            if asks && inner.lane.is_at_quota() {
                refusal = Refusal::Quota;
                continue;
            }
            if asks {
                let answer = inner.ask(timeout.saturating_sub(start.elapsed()));
                let left = timeout.saturating_sub(start.elapsed());
                match answer {
                    Answer::Granted(segments) => {
                        if let Some(&holding) = segments.first() {
                            inner.lane.note_granted();
                            return Ok(self.segment(holding));
                        }
                        if left.is_zero() {
                            return Err(inner.exhausted(start.elapsed()));
                        }
                        rest(left);
                    }
                    Answer::Away if left.is_zero() => return Err(AcquireError::AgentAway),
                    Answer::Away => std::thread::sleep(left.min(RETRY)),
                    Answer::Over(_) => return Err(inner.over()),
                }
            }
            match inner.lane.acquire() {
                Ok(holding) => return Ok(self.segment(holding)),
                Err(again) => refusal = again,
            }
        }
    }
}

impl<S: Steps> Inner<S> {
    /// Whether a segment is still this client's.
    #[inline]
    pub(super) fn holds(&self, holding: Holding) -> bool {
        self.lane.holds(holding)
    }

    /// How many bytes a segment has.
    pub(super) fn segment_bytes(&self) -> usize {
        self.lane.control().layout().sizes().segment_bytes as usize
    }

    /// Gives a segment back; `false` if it was not this client's any more.
    #[inline]
    pub(super) fn release(&self, holding: Holding) -> bool {
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
    fn stay_alert(&self) {
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
    pub(super) fn hand_over(&self, holding: Holding) {
        self.lane.hand_over(holding);
    }

    /// Does what the pool wants, and gives back what an absent agent could not take.
    fn attend(&self) -> Result<Attention, Refusal> {
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
    fn meet_agent(&self) {
        let mut session = self.session.borrow_mut();
        match session.look().and_then(|()| session.reconnect()) {
            Ok(is_there) => self.is_away.set(!is_there),
            Err(_) => self.end(),
        }
        session.pay();
    }

    /// Asks the agent for a segment.
    fn ask(&self, timeout: Duration) -> Answer {
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

    fn over(&self) -> AcquireError {
        self.end();
        let number = self.number;
        AcquireError::LeaseOver { number }
    }

    fn exhausted(&self, waited: Duration) -> AcquireError {
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

    fn acquire_error(&self, refusal: Refusal) -> AcquireError {
        match refusal {
            Refusal::Quota => AcquireError::QuotaReached {
                taken: self.lane.taken(),
                quota: self.lane.quota(),
            },
            refusal => AcquireError::Damaged(self.note(refusal)),
        }
    }

    fn adopt_error(&self, handed: Handed, refusal: Refusal) -> AdoptError {
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
