//! One client's socket, as the agent sees it: what came, what is to go, and no waiting.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::super::peer::Peer;
use super::super::socket::{receive_with, send_with};
use super::super::wire::{
    ClientMessage, MAX_MESSAGE_BYTES, PoolMessage, put_message, take_message,
};

/// A client that lets more than this pile up is cut off.
const MAX_OUTGOING_BYTES: usize = 1 << 20;

/// What a client that says much is read of before others have their turn.
const MAX_INCOMING_BYTES: usize = 4 * MAX_MESSAGE_BYTES;

/// What became of a client's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// There may come more.
    Open,
    /// The client is gone.
    Closed,
}

#[derive(Debug)]
pub(super) struct Connection {
    socket: UnixStream,
    pub(super) peer: Peer,
    pub(super) since: Instant,
    /// The client's number, once it has joined.
    pub(super) number: Option<u16>,
    /// Whether nothing it says counts any more.
    pub(super) is_cut_off: bool,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// Whether the descriptors go with the next byte.
    owes_descriptors: bool,
}

impl Connection {
    pub(super) fn new(socket: UnixStream, peer: Peer, since: Instant) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            peer,
            since,
            number: None,
            is_cut_off: false,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            owes_descriptors: false,
        })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether something waits for the socket to have room.
    pub(super) fn wants_to_write(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Reads what has come. Descriptors that a client sends are closed.
    pub(super) fn read(&mut self) -> Stream {
        loop {
            match receive_with(&self.socket, &mut self.incoming, &mut Vec::new()) {
                Ok(0) => return Stream::Closed,
                Ok(_) if self.is_cut_off => self.incoming.clear(),
                Ok(_) if self.incoming.len() > MAX_INCOMING_BYTES => return Stream::Open,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Stream::Open,
                Err(_) => return Stream::Closed,
            }
        }
    }

    /// The next message that has come whole.
    pub(super) fn next_message(&mut self) -> Result<Option<ClientMessage>, String> {
        if self.is_cut_off {
            return Ok(None);
        }
        take_message(&mut self.incoming).map_err(|error| error.to_string())
    }

    /// Puts a message into the queue; `false` if the client lets too much pile up.
    pub(super) fn say(&mut self, message: &PoolMessage) -> bool {
        if matches!(message, PoolMessage::Welcome { .. }) {
            self.owes_descriptors = true;
        }
        put_message(&mut self.outgoing, message);
        self.outgoing.len() <= MAX_OUTGOING_BYTES
    }

    /// Sends what there is room for.
    pub(super) fn flush(&mut self, descriptors: &[BorrowedFd<'_>]) {
        while !self.outgoing.is_empty() {
            let with = if self.owes_descriptors {
                descriptors
            } else {
                &[]
            };
            match send_with(&self.socket, &self.outgoing, with) {
                Ok(sent) => {
                    self.owes_descriptors = false;
                    self.outgoing.drain(..sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    // The end is noticed when the socket is read.
                    self.outgoing.clear();
                }
            }
        }
        if self.is_cut_off {
            // The client sees the end; its own end is still to be seen.
            let _ = self.socket.shutdown(std::net::Shutdown::Write);
        }
    }
}
