//! A process's way into a shared pool: it joins, takes segments, hands them over, and gives them back.
//!
//! Taking and giving back touch shared memory alone. The agent is asked only when the depot is empty, and then the answer
//! is exact: what lies in other clients' magazines is taken out of them first.

mod inner;

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::files::PoolSize;
use super::lane::{Attention, Damage, Holding, Refusal};
use super::segment::{Handed, SharedSegment};
use super::session::{Answer, ClientOptions, JoinError, RETRY};
use super::steps::{Steps, Undisturbed};
pub(super) use inner::Inner;

/// One client of a shared pool. It belongs to one thread; another thread joins by itself.
///
/// Segments keep the client alive. When the last of them and the client are dropped, what lies in its magazines goes
/// back and the lease ends; if the process ends before that, the agent takes everything back.
#[derive(Debug)]
pub struct Client<S: Steps = Undisturbed> {
    inner: Rc<Inner<S>>,
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
        let inner = Rc::new(Inner::join(path, options, steps)?);
        Ok(Self { inner })
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
