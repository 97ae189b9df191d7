//! A client's side of the socket: joining, asking, and coming back after the agent's restart.
//!
//! The agent takes the end of a socket for the end of its client, and gives what the client had to others. So a client
//! that lives never closes a socket whose other end is open, however long the agent takes: an answer that is late is
//! waited for the next time, and what does not fit into the socket goes later.

mod connection;

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::files::PoolFilesError;
use super::lane::{Damage, Holding};
use super::layout::LAYOUT_VERSION;
use super::wire::{Access, ClientMessage, Hello, PoolMessage};
use connection::{Broken, Connection};

/// What a client is to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// What people call it; up to 64 bytes are kept.
    pub name: String,
    /// How many segments it is promised. All promises together never pass what there is.
    pub required: u32,
    /// How many it may ever have; what is not promised is shared out among those who can use it.
    pub maximum: u32,
    /// How long it waits for an answer of the agent that should come at once.
    pub patience: Duration,
}

impl ClientOptions {
    /// A client that is promised nothing, may have everything, and waits 5 s for an answer.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            required: 0,
            maximum: u32::MAX,
            patience: Duration::from_secs(5),
        }
    }
}

/// A client cannot join a pool.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The socket cannot be reached, or broke.
    #[error("cannot speak with the pool at {}: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The pool does not let the client in.
    #[error("the pool at {} refuses: {reason}", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: String,
        /// The layout version of the pool.
        version: u32,
    },
    /// What came is no answer of a pool.
    #[error("what listens at {} is no pool: {reason}", path.display())]
    NoPool {
        /// The socket.
        path: PathBuf,
        /// What came.
        reason: String,
    },
    /// The files that the pool handed over do not fit together.
    #[error(transparent)]
    Files(#[from] PoolFilesError),
    /// The control file is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// These segments, perhaps none.
    Granted(Vec<Holding>),
    /// The agent is gone, or did not answer in time.
    Away,
    /// The lease is over.
    Over(String),
}

/// What a client knows after it joined.
#[derive(Debug)]
pub(super) struct Welcome {
    pub(super) number: u16,
    pub(super) lease: u64,
    pub(super) imposes: bool,
    /// The lengths of the data file and of the control file.
    pub(super) lengths: [u64; 2],
    /// The data file and the control file.
    pub(super) files: Vec<OwnedFd>,
}

/// A client's connection and what is needed to open another one.
#[derive(Debug)]
pub(super) struct Session {
    path: PathBuf,
    hello: Hello,
    patience: Duration,
    connection: Option<Connection>,
    /// Whether the agent let this connection in.
    is_joined: bool,
    ticket: u32,
    /// The question whose answer is still to come.
    pending: Option<u32>,
    last_try: Option<Instant>,
    /// Segments to be given back to the agent as soon as it is there.
    owed: Vec<Holding>,
    /// Segments that were given back to this agent, which may die before it reads so.
    given: Vec<Holding>,
}

/// So long a client waits before it tries to reach an agent again that was not there.
pub(super) const RETRY: Duration = Duration::from_millis(10);

/// With so many segments given back, it is looked which of them the agent has taken.
const MAX_GIVEN: usize = 1024;

impl Session {
    /// Joins the pool whose agent listens at `path`.
    pub(super) fn join(
        path: &Path,
        options: &ClientOptions,
        access: Access,
    ) -> Result<(Self, Welcome), JoinError> {
        let mut session = Self {
            path: path.to_owned(),
            hello: Hello {
                version: LAYOUT_VERSION,
                access,
                required: options.required,
                maximum: options.maximum,
                number: 0,
                lease: 0,
                name: options.name.clone(),
            },
            patience: options.patience,
            connection: None,
            is_joined: false,
            ticket: 0,
            pending: None,
            last_try: None,
            owed: Vec::new(),
            given: Vec::new(),
        };
        session.greet()?;
        let welcome = session.hear_welcome(Instant::now().checked_add(options.patience))?;
        let welcome = welcome.ok_or_else(|| session.broken(io::ErrorKind::TimedOut.into()))?;
        session.hello.number = welcome.number;
        session.hello.lease = welcome.lease;
        Ok((session, welcome))
    }

    /// Whether the agent let this client in and was not seen to go.
    pub(super) fn is_open(&self) -> bool {
        self.is_joined
    }

    /// Looks, without waiting, whether the agent went or said something.
    ///
    /// # Errors
    /// Why the lease is over.
    pub(super) fn look(&mut self) -> Result<(), String> {
        while self.is_joined {
            match self.receive(None) {
                Ok(Some(PoolMessage::Refused { text, .. })) => return Err(text),
                Ok(Some(PoolMessage::Granted { ticket, segments })) => {
                    if self.pending == Some(ticket) {
                        // Who asked has given up.
                        self.pending = None;
                        self.owed.extend(segments);
                    }
                }
                Ok(Some(PoolMessage::Welcome { .. })) => {}
                Ok(None) => break,
                Err(broken) => self.note(broken)?,
            }
        }
        Ok(())
    }

    /// Joins again under the same lease, if the last try is long enough ago; answers whether the agent is there.
    ///
    /// # Errors
    /// Why the lease is over.
    pub(super) fn reconnect(&mut self) -> Result<bool, String> {
        if self.is_joined {
            return Ok(true);
        }
        let mut deadline = None;
        if self.connection.is_none() {
            let now = Instant::now();
            if self.last_try.is_some_and(|last| now < last + RETRY) {
                return Ok(false);
            }
            self.last_try = Some(now);
            if self.greet().is_err() {
                return Ok(false);
            }
            deadline = now.checked_add(self.patience);
        }
        match self.hear_welcome(deadline) {
            Ok(Some(_)) => {
                // What the agent before this one did not come to read. What it did is not this client's any more, and
                // giving it back again changes nothing.
                self.owed.append(&mut self.given);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(JoinError::Refused { reason, .. } | JoinError::NoPool { reason, .. }) => {
                Err(reason)
            }
            Err(_) => Ok(false),
        }
    }

    /// Makes the next try to reach an agent one that is not put off.
    pub(super) fn try_at_once(&mut self) {
        self.last_try = None;
    }

    /// Asks for up to `count` segments, and waits for the first one up to `timeout`.
    pub(super) fn ask(&mut self, count: u32, timeout: Duration) -> Answer {
        let waits = !timeout.is_zero();
        let ticket = match self.pending {
            // One question at a time: its answer does as well for this one.
            Some(ticket) => ticket,
            None => {
                self.ticket = self.ticket.wrapping_add(1);
                let ticket = self.ticket;
                if self
                    .send(&ClientMessage::Acquire {
                        ticket,
                        count,
                        waits,
                    })
                    .is_err()
                {
                    return Answer::Away;
                }
                self.pending = Some(ticket);
                ticket
            }
        };
        let wait = if waits { timeout } else { self.patience };
        if let Some(answer) = self.hear(ticket, Instant::now().checked_add(wait)) {
            return answer;
        }
        if !waits || self.send(&ClientMessage::Cancel { ticket }).is_err() {
            return Answer::Away;
        }
        // Whatever the agent has done by now, one more answer comes.
        let last = Instant::now().checked_add(self.patience);
        self.hear(ticket, last).unwrap_or(Answer::Away)
    }

    /// Gives a segment back to the agent, now or when it is there again. `holds` knows what the agent has not taken yet.
    pub(super) fn give_back(&mut self, holding: Holding, holds: impl Fn(Holding) -> bool) {
        if self.given.len() >= MAX_GIVEN {
            self.given.retain(|&given| holds(given));
        }
        self.owed.push(holding);
        self.pay();
    }

    /// What the agent was not there to take.
    pub(super) fn take_owed(&mut self) -> Vec<Holding> {
        std::mem::take(&mut self.owed)
    }

    /// Sends what is owed.
    pub(super) fn pay(&mut self) {
        if !self.is_joined {
            return;
        }
        let owed = self.take_owed();
        for part in owed.chunks(super::wire::MAX_SEGMENTS_PER_MESSAGE) {
            match self.send(&ClientMessage::Release(part.to_vec())) {
                Ok(()) => self.given.extend_from_slice(part),
                Err(_) => self.owed.extend_from_slice(part),
            }
        }
    }

    /// Tells the agent of damage; nothing depends on whether it hears.
    pub(super) fn report(&mut self, text: String) {
        let _ = self.send(&ClientMessage::Report(text));
    }

    /// Connects and says who this is.
    fn greet(&mut self) -> Result<(), JoinError> {
        self.forget_connection();
        let mut connection = Connection::open(&self.path).map_err(|source| self.broken(source))?;
        // Who refuses at once may have closed its end before it heard anything; its answer is there all the same.
        let _ = connection.send(&ClientMessage::Hello(self.hello.clone()));
        self.connection = Some(connection);
        Ok(())
    }

    /// Waits for the answer to the greeting; `None` if it has not come yet.
    fn hear_welcome(&mut self, deadline: Option<Instant>) -> Result<Option<Welcome>, JoinError> {
        let mut files = Vec::new();
        let answer = match self.receive_with_files(deadline, &mut files) {
            Ok(None) => return Ok(None),
            Ok(Some(answer)) => answer,
            Err(Broken::Gone(source)) => {
                self.forget_connection();
                return Err(self.broken(source));
            }
            Err(Broken::Nonsense(reason)) => return Err(self.no_pool(reason)),
        };
        match answer {
            PoolMessage::Welcome {
                version,
                number,
                lease,
                imposes,
                control_bytes,
                data_bytes,
            } => {
                if version != LAYOUT_VERSION {
                    return Err(self.no_pool("it lets in clients of another version".to_owned()));
                }
                self.is_joined = true;
                Ok(Some(Welcome {
                    number,
                    lease,
                    imposes,
                    lengths: [data_bytes, control_bytes],
                    files,
                }))
            }
            PoolMessage::Refused { version, text } => Err(JoinError::Refused {
                path: self.path.clone(),
                reason: text,
                version,
            }),
            PoolMessage::Granted { .. } => {
                Err(self.no_pool("it answers what was not asked".to_owned()))
            }
        }
    }

    /// Waits for the answer to a question; `None` at the deadline.
    fn hear(&mut self, ticket: u32, deadline: Option<Instant>) -> Option<Answer> {
        loop {
            match self.receive(deadline) {
                Ok(Some(PoolMessage::Granted {
                    ticket: answered,
                    segments,
                })) if answered == ticket => {
                    self.pending = None;
                    return Some(Answer::Granted(segments));
                }
                Ok(Some(PoolMessage::Refused { text, .. })) => return Some(Answer::Over(text)),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(broken) => {
                    return Some(match self.note(broken) {
                        Ok(()) => Answer::Away,
                        Err(reason) => Answer::Over(reason),
                    });
                }
            }
        }
    }

    /// Sends a message, or keeps what the socket has no room for.
    fn send(&mut self, message: &ClientMessage) -> io::Result<()> {
        let joined = self.connection.as_mut().filter(|_| self.is_joined);
        let connection = joined.ok_or(io::ErrorKind::NotConnected)?;
        let sent = connection.send(message);
        if sent.is_err() {
            self.forget_connection();
        }
        sent
    }

    fn receive(&mut self, deadline: Option<Instant>) -> Result<Option<PoolMessage>, Broken> {
        self.receive_with_files(deadline, &mut Vec::new())
    }

    fn receive_with_files(
        &mut self,
        deadline: Option<Instant>,
        files: &mut Vec<OwnedFd>,
    ) -> Result<Option<PoolMessage>, Broken> {
        match &mut self.connection {
            Some(connection) => connection.receive(deadline, files),
            None => Err(Broken::Gone(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Forgets a connection whose other end is closed; the lease is over if it is not.
    fn note(&mut self, broken: Broken) -> Result<(), String> {
        match broken {
            Broken::Gone(_) => {
                self.forget_connection();
                Ok(())
            }
            Broken::Nonsense(reason) => Err(reason),
        }
    }

    fn forget_connection(&mut self) {
        self.connection = None;
        self.is_joined = false;
        self.pending = None;
    }

    fn broken(&self, source: io::Error) -> JoinError {
        JoinError::Socket {
            path: self.path.clone(),
            source,
        }
    }

    fn no_pool(&self, reason: String) -> JoinError {
        JoinError::NoPool {
            path: self.path.clone(),
            reason,
        }
    }
}

/// Which of `now` was not there `before`.
pub(super) fn new_holdings(before: &[Holding], now: Vec<Holding>) -> Vec<Holding> {
    let before: HashSet<(u32, u64)> = before
        .iter()
        .map(|holding| (holding.segment, holding.word.bits()))
        .collect();
    now.into_iter()
        .filter(|holding| !before.contains(&(holding.segment, holding.word.bits())))
        .collect()
}
