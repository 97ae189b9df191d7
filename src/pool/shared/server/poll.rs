//! The thread that waits for clients and serves them.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::event::Event;
use super::super::layout::LAYOUT_VERSION;
use super::super::peer::peer;
use super::super::registry::Registry;
use super::super::wire::{ClientMessage, PoolMessage};
use super::connection::{Connection, Stream};
use super::{ServerOptions, Shared};

/// How soon something is looked at again that nobody tells.
const RESTLESS: Duration = Duration::from_millis(1);

/// How long a connection may say nothing before it has joined.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many may be connected without having joined.
const MAX_STRANGERS: usize = 64;

pub(super) struct Poller<F> {
    shared: Arc<Shared>,
    listener: UnixListener,
    options: ServerOptions,
    connections: Vec<Connection>,
    last_look: Instant,
    is_resized: bool,
    tell: F,
}

impl<F: FnMut(Event)> Poller<F> {
    pub(super) fn new(
        shared: Arc<Shared>,
        listener: UnixListener,
        options: ServerOptions,
        tell: F,
    ) -> Self {
        Self {
            shared,
            listener,
            options,
            connections: Vec::new(),
            last_look: Instant::now(),
            is_resized: false,
            tell,
        }
    }

    pub(super) fn run(mut self) {
        let shared = self.shared.clone();
        while !shared.stops.load(Ordering::Acquire) {
            let Ok(ready) = self.wait() else { break };
            let now = Instant::now();
            let mut registry = shared.registry.lock();
            if ready.accepts {
                self.accept(&mut registry, now);
            }
            for position in ready.readable {
                self.serve(&mut registry, position, now);
            }
            self.drop_silent(now);
            if registry.is_restless(now) {
                registry.tick(now);
            }
            if now.duration_since(self.last_look) >= self.options.look_interval {
                self.last_look = now;
                registry.look(now);
            }
            self.deliver(&mut registry, now);
            let mut events = registry.take_events();
            drop(registry);
            events.extend(self.check_lengths(now));
            for event in events {
                (self.tell)(event);
            }
        }
    }

    /// Waits until a client says something, somebody wants to join, or a look is due.
    fn wait(&self) -> io::Result<Ready> {
        let timeout = if self.shared.registry.lock().is_restless(Instant::now()) {
            RESTLESS
        } else {
            self.options
                .look_interval
                .saturating_sub(self.last_look.elapsed())
        };
        let mut waiting = vec![
            PollFd::from_borrowed_fd(self.shared.waker.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN),
        ];
        waiting.extend(self.connections.iter().map(|connection| {
            let mut events = PollFlags::IN;
            events.set(PollFlags::OUT, connection.wants_to_write());
            PollFd::from_borrowed_fd(connection.as_fd(), events)
        }));
        let timeout = Timespec::try_from(timeout).ok();
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |waiting: &PollFd<'_>| !waiting.revents().is_empty();
        if waiting.first().is_some_and(is_ready) {
            let mut number = [0; 8];
            // Whatever stands there, it is taken.
            let _ = rustix::io::read(&self.shared.waker, &mut number);
        }
        Ok(Ready {
            accepts: waiting.get(1).is_some_and(is_ready),
            // From the end, so that removing one leaves the positions of those to come as they are.
            readable: waiting
                .iter()
                .skip(2)
                .enumerate()
                .rev()
                .filter(|(_, waiting)| is_ready(waiting))
                .map(|(position, _)| position)
                .collect(),
        })
    }

    fn accept(&mut self, registry: &mut Registry, now: Instant) {
        // An error that stays is met again with the next call, and one that is the client's ends with it.
        while let Ok((socket, _)) = self.listener.accept() {
            let Ok(peer) = peer(&socket) else { continue };
            let Ok(mut connection) = Connection::new(socket, peer, now) else {
                continue;
            };
            let strangers = self
                .connections
                .iter()
                .filter(|connection| connection.number.is_none())
                .count();
            let user = peer.user;
            let reason = if !self.options.users.contains(&user) {
                format!("user {user} may not join")
            } else if strangers >= MAX_STRANGERS {
                format!("{strangers} others are about to join")
            } else {
                self.connections.push(connection);
                continue;
            };
            registry.note_refused(reason.clone());
            refuse(&mut connection, reason);
            connection.flush(&[]);
        }
    }

    /// Hears what a client says.
    fn serve(&mut self, registry: &mut Registry, position: usize, now: Instant) {
        let Some(connection) = self.connections.get_mut(position) else {
            return;
        };
        let stream = connection.read();
        loop {
            match connection.next_message() {
                Ok(Some(message)) => hear(registry, connection, message, now),
                Ok(None) => break,
                Err(reason) => cut_off(registry, connection, reason, now),
            }
        }
        if stream == Stream::Closed {
            let connection = self.connections.swap_remove(position);
            if let Some(number) = connection.number {
                registry.leave(number, now);
            }
        }
    }

    /// Ends connections that did not join.
    fn drop_silent(&mut self, now: Instant) {
        self.connections.retain(|connection| {
            connection.number.is_some() || now.duration_since(connection.since) < PATIENCE
        });
    }

    /// Sends what the registry and the connections have to say.
    fn deliver(&mut self, registry: &mut Registry, now: Instant) {
        loop {
            let outgoing = registry.take_outgoing();
            if outgoing.is_empty() {
                break;
            }
            for (number, message) in outgoing {
                let Some(connection) = self
                    .connections
                    .iter_mut()
                    .find(|connection| connection.number == Some(number))
                else {
                    continue;
                };
                let has_room = connection.say(&message);
                if matches!(message, PoolMessage::Refused { .. }) {
                    connection.is_cut_off = true;
                } else if !has_room {
                    // Its lease ends before its socket does.
                    let reason = "it does not read what it is told".to_owned();
                    cut_off(registry, connection, reason, now);
                }
            }
        }
        let descriptors = self.shared.files.descriptors();
        for connection in &mut self.connections {
            if connection.wants_to_write() {
                connection.flush(&descriptors);
            }
        }
    }

    /// Looks once in a while whether the files are as long as they were; tells it once.
    fn check_lengths(&mut self, now: Instant) -> Option<Event> {
        if self.is_resized || self.last_look != now {
            return None;
        }
        let error = self.shared.files.check_lengths().err()?;
        self.is_resized = true;
        let text = error.to_string();
        Some(Event::Resized { text })
    }
}

/// What a wait ended for.
struct Ready {
    accepts: bool,
    readable: Vec<usize>,
}

fn hear(
    registry: &mut Registry,
    connection: &mut Connection,
    message: ClientMessage,
    now: Instant,
) {
    let Some(number) = connection.number else {
        let ClientMessage::Hello(hello) = message else {
            let reason = "the first word was no greeting".to_owned();
            registry.note_refused(reason.clone());
            return refuse(connection, reason);
        };
        match registry.join(&hello, connection.peer.process) {
            Ok(admitted) => {
                connection.number = Some(admitted.number);
                connection.say(&PoolMessage::Welcome {
                    version: LAYOUT_VERSION,
                    number: admitted.number,
                    lease: admitted.lease,
                    imposes: registry.can_impose(),
                    control_bytes: registry.layout().control_bytes(),
                    data_bytes: registry.layout().data_bytes(),
                });
            }
            Err(reason) => refuse(connection, reason),
        }
        return;
    };
    match message {
        ClientMessage::Hello(_) => {
            cut_off(registry, connection, "it greeted twice".to_owned(), now);
        }
        ClientMessage::Acquire {
            ticket,
            count,
            waits,
        } => registry.acquire(number, (ticket, count), waits, now),
        ClientMessage::Cancel { ticket } => registry.cancel(number, ticket, now),
        ClientMessage::Release(segments) => registry.release(number, &segments, now),
        ClientMessage::Report(text) => registry.note_report(number, text),
    }
}

/// Ends a connection that has not joined.
fn refuse(connection: &mut Connection, text: String) {
    let version = LAYOUT_VERSION;
    connection.say(&PoolMessage::Refused { version, text });
    connection.is_cut_off = true;
}

/// Ends what a client says, and its lease if it has one.
fn cut_off(registry: &mut Registry, connection: &mut Connection, reason: String, now: Instant) {
    match connection.number {
        Some(number) => {
            connection.is_cut_off = true;
            registry.cut_off(number, reason, now);
        }
        None => {
            registry.note_refused(reason.clone());
            refuse(connection, reason);
        }
    }
}
