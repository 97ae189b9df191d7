//! A client's side of the socket: joining, asking, and coming back after the agent's restart.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::files::PoolFilesError;
use super::lane::{Damage, Holding};
use super::layout::LAYOUT_VERSION;
use super::socket::{receive_with, send_with};
use super::wire::{
    Access, ClientMessage, Hello, PoolMessage, WireError, put_message, take_message,
};

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
    pub(super) files: [OwnedFd; 2],
}

/// A client's socket and what is needed to open another one.
#[derive(Debug)]
pub(super) struct Session {
    path: PathBuf,
    hello: Hello,
    patience: Duration,
    socket: Option<UnixStream>,
    incoming: Vec<u8>,
    ticket: u32,
    last_try: Option<Instant>,
    /// Segments to be given back to an agent that was not there.
    owed: Vec<Holding>,
}

/// So long a client waits before it tries to reach an agent again that was not there.
const RETRY: Duration = Duration::from_millis(10);

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
            socket: None,
            incoming: Vec::new(),
            ticket: 0,
            last_try: None,
            owed: Vec::new(),
        };
        let welcome = session.greet()?;
        session.hello.number = welcome.number;
        session.hello.lease = welcome.lease;
        Ok((session, welcome))
    }

    /// Whether there is a socket whose other end was not seen closed.
    pub(super) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// Looks, without waiting, whether the agent went or said something.
    pub(super) fn look(&mut self) -> Result<(), String> {
        while self.is_open() {
            match self.receive(None) {
                Ok(Some(PoolMessage::Refused { text, .. })) => return Err(text),
                // Nothing was asked, so nothing else means anything.
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => self.socket = None,
            }
        }
        Ok(())
    }

    /// Joins again under the same lease, if the last try is long enough ago; answers whether there is a socket.
    pub(super) fn reconnect(&mut self) -> Result<bool, String> {
        if self.is_open() {
            return Ok(true);
        }
        let now = Instant::now();
        if self.last_try.is_some_and(|last| now < last + RETRY) {
            return Ok(false);
        }
        self.last_try = Some(now);
        match self.greet() {
            Ok(_) => Ok(true),
            Err(JoinError::Refused { reason, .. }) => Err(reason),
            Err(_) => Ok(false),
        }
    }

    /// Forgets the socket, whose agent is known to be another one by now.
    pub(super) fn close(&mut self) {
        self.socket = None;
        self.last_try = None;
    }

    /// Asks for up to `count` segments, and waits for the first one up to `timeout`.
    pub(super) fn ask(&mut self, count: u32, timeout: Duration) -> Answer {
        let deadline = Instant::now().checked_add(timeout);
        self.ticket = self.ticket.wrapping_add(1);
        let ticket = self.ticket;
        let question = ClientMessage::Acquire {
            ticket,
            count,
            waits: !timeout.is_zero(),
        };
        if self.send(&question).is_err() {
            return Answer::Away;
        }
        let first = if timeout.is_zero() {
            Instant::now().checked_add(self.patience)
        } else {
            deadline
        };
        if let Some(answer) = self.hear(ticket, first) {
            return answer;
        }
        // Whatever the agent has done by now, one more answer comes.
        if timeout.is_zero() || self.send(&ClientMessage::Cancel { ticket }).is_err() {
            self.socket = None;
            return Answer::Away;
        }
        let last = Instant::now().checked_add(self.patience);
        self.hear(ticket, last).unwrap_or_else(|| {
            self.socket = None;
            Answer::Away
        })
    }

    /// Gives a segment back to the agent, now or when it is there again.
    pub(super) fn give_back(&mut self, holding: Holding) {
        self.owed.push(holding);
        self.pay();
    }

    /// What the agent was not there to take.
    pub(super) fn take_owed(&mut self) -> Vec<Holding> {
        std::mem::take(&mut self.owed)
    }

    /// Sends what is owed.
    pub(super) fn pay(&mut self) {
        if self.owed.is_empty() || !self.is_open() {
            return;
        }
        for part in self
            .take_owed()
            .chunks(super::wire::MAX_SEGMENTS_PER_MESSAGE)
        {
            if self.send(&ClientMessage::Release(part.to_vec())).is_err() {
                self.owed.extend_from_slice(part);
            }
        }
    }

    /// Tells the agent of damage; nothing depends on whether it hears.
    pub(super) fn report(&mut self, text: String) {
        let _ = self.send(&ClientMessage::Report(text));
    }

    /// Connects, greets and waits for the answer.
    fn greet(&mut self) -> Result<Welcome, JoinError> {
        self.incoming.clear();
        let socket = UnixStream::connect(&self.path).map_err(|source| self.broken(source))?;
        self.socket = Some(socket);
        let outcome = self.exchange_greetings();
        if outcome.is_err() {
            self.socket = None;
        }
        outcome
    }

    fn exchange_greetings(&mut self) -> Result<Welcome, JoinError> {
        let hello = ClientMessage::Hello(self.hello.clone());
        if let Some(socket) = &self.socket {
            // Who refuses at once may have closed its end before it heard anything; its answer is there all the same.
            let _ = send_all(socket, &hello, self.patience);
        }
        let deadline = Instant::now().checked_add(self.patience);
        let mut files = Vec::new();
        let answer = self.receive_with_files(deadline, &mut files);
        match answer?.ok_or_else(|| self.broken(io::ErrorKind::TimedOut.into()))? {
            PoolMessage::Welcome {
                version,
                number,
                lease,
                imposes,
                control_bytes,
                data_bytes,
            } => {
                let no_pool = |reason: &str| JoinError::NoPool {
                    path: self.path.clone(),
                    reason: reason.to_owned(),
                };
                if version != LAYOUT_VERSION {
                    return Err(no_pool("it lets in clients of another version"));
                }
                let files = <[OwnedFd; 2]>::try_from(files)
                    .map_err(|_| no_pool("its files did not come"))?;
                Ok(Welcome {
                    number,
                    lease,
                    imposes,
                    lengths: [data_bytes, control_bytes],
                    files,
                })
            }
            PoolMessage::Refused { version, text } => Err(JoinError::Refused {
                path: self.path.clone(),
                reason: text,
                version,
            }),
            PoolMessage::Granted { .. } => Err(JoinError::NoPool {
                path: self.path.clone(),
                reason: "it answers what was not asked".to_owned(),
            }),
        }
    }

    /// Waits for the answer to a question; `None` at the deadline.
    fn hear(&mut self, ticket: u32, deadline: Option<Instant>) -> Option<Answer> {
        loop {
            match self.receive(deadline) {
                Ok(Some(PoolMessage::Granted {
                    ticket: answered,
                    segments,
                })) if answered == ticket => return Some(Answer::Granted(segments)),
                Ok(Some(PoolMessage::Refused { text, .. })) => return Some(Answer::Over(text)),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(_) => {
                    self.socket = None;
                    return Some(Answer::Away);
                }
            }
        }
    }

    fn send(&mut self, message: &ClientMessage) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let sent = send_all(socket, message, self.patience);
        if sent.is_err() {
            self.socket = None;
        }
        sent
    }

    fn receive(&mut self, deadline: Option<Instant>) -> Result<Option<PoolMessage>, JoinError> {
        self.receive_with_files(deadline, &mut Vec::new())
    }

    /// The next message; `None` if it did not come by the deadline, or has not come yet where there is none.
    fn receive_with_files(
        &mut self,
        deadline: Option<Instant>,
        files: &mut Vec<OwnedFd>,
    ) -> Result<Option<PoolMessage>, JoinError> {
        loop {
            let message =
                take_message(&mut self.incoming).map_err(|error: WireError| JoinError::NoPool {
                    path: self.path.clone(),
                    reason: error.to_string(),
                })?;
            if message.is_some() {
                return Ok(message);
            }
            let socket = match &self.socket {
                Some(socket) => socket,
                None => return Err(self.broken(io::ErrorKind::NotConnected.into())),
            };
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let is_over = left.is_some_and(|left| left.is_zero());
            // A read timeout of nothing would be none at all.
            let wait = if is_over { None } else { left };
            let outcome = socket
                .set_nonblocking(wait.is_none())
                .and_then(|()| socket.set_read_timeout(wait))
                .and_then(|()| receive_with(socket, &mut self.incoming, files));
            match outcome {
                Ok(0) => return Err(self.broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if is_over || deadline.is_none() {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    fn broken(&self, source: io::Error) -> JoinError {
        JoinError::Socket {
            path: self.path.clone(),
            source,
        }
    }
}

fn send_all(socket: &UnixStream, message: &ClientMessage, patience: Duration) -> io::Result<()> {
    let mut bytes = Vec::new();
    put_message(&mut bytes, message);
    socket.set_nonblocking(false)?;
    socket.set_write_timeout(Some(patience))?;
    let mut left = bytes.as_slice();
    while !left.is_empty() {
        let sent = send_with(socket, left, &[])?;
        left = left.get(sent..).unwrap_or_default();
    }
    Ok(())
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
