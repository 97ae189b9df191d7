//! The socket to the agent, as its client sees it: what is to go, what came, and waiting for more.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::socket::{receive_with, send_with};
use super::super::wire::{ClientMessage, PoolMessage, put_message, take_message};

/// So often a client that waits looks whether the socket has room for what did not fit.
const ROOM: Duration = Duration::from_millis(10);

/// Why nothing more comes from a socket.
#[derive(Debug)]
pub(super) enum Broken {
    /// The other end is closed.
    Gone(io::Error),
    /// What came is no message. The other end is still open.
    Nonsense(String),
}

#[derive(Debug)]
pub(super) struct Connection {
    socket: UnixStream,
    incoming: Vec<u8>,
    /// What the socket had no room for yet.
    outgoing: Vec<u8>,
}

impl Connection {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            socket: UnixStream::connect(path)?,
            incoming: Vec::new(),
            outgoing: Vec::new(),
        })
    }

    /// Sends a message, or keeps what the socket has no room for.
    pub(super) fn send(&mut self, message: &ClientMessage) -> io::Result<()> {
        put_message(&mut self.outgoing, message);
        self.flush()
    }

    /// Sends what there is room for.
    fn flush(&mut self) -> io::Result<()> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        self.socket.set_nonblocking(true)?;
        while !self.outgoing.is_empty() {
            match send_with(&self.socket, &self.outgoing, &[]) {
                Ok(sent) => drop(self.outgoing.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next message, with the descriptors that came with it; `None` if it did not come by the deadline, or has not
    /// come yet where there is none.
    pub(super) fn receive(
        &mut self,
        deadline: Option<Instant>,
        files: &mut Vec<OwnedFd>,
    ) -> Result<Option<PoolMessage>, Broken> {
        loop {
            let message = take_message(&mut self.incoming)
                .map_err(|error| Broken::Nonsense(error.to_string()))?;
            if message.is_some() {
                return Ok(message);
            }
            // If the other end is closed, what it said before is still to be read.
            let _ = self.flush();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // A read timeout of nothing would be none at all.
            let mut wait = left.filter(|left| !left.is_zero());
            let is_over = wait.is_none();
            if !self.outgoing.is_empty() {
                wait = wait.map(|wait| wait.min(ROOM));
            }
            let outcome = self
                .socket
                .set_nonblocking(wait.is_none())
                .and_then(|()| self.socket.set_read_timeout(wait))
                .and_then(|()| receive_with(&self.socket, &mut self.incoming, files));
            match outcome {
                Ok(0) => return Err(Broken::Gone(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if is_over {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(Broken::Gone(error)),
            }
        }
    }
}
