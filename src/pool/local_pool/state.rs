//! What a local pool knows and does, with its lock held.
//!
//! Two rules hold whenever the lock is free: nothing lies in the pool while it holds more than its size; and it is
//! available if and only if something lies in it and no channel is at its limit. To keep the second one true for as long
//! as possible, one segment is fetched ahead whenever nothing lies and the size allows it.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    task::{Wake, Waker},
};

use super::{BufferListener, LocalPoolError, LocalPoolSpec};
use crate::pool::{
    aftermath::Aftermath,
    arena::{Home, Token},
    availability::{Availability, AvailableFuture, Event, WaitEnd, WaitLimit},
    buffer::{Buffer, reference::NO_CHANNEL},
    network_pool::{Holder, NetworkCore, NetworkPoolError},
    redistribution::UNBOUNDED,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
};

/// What all handles of a pool and all its buffers have in common.
pub(in crate::pool) struct LocalCore {
    label: Arc<str>,
    required: usize,
    max: usize,
    max_buffers_per_channel: usize,
    /// How many buffers each channel has.
    channels: Box<[AtomicU32]>,
    /// Written with the lock held; read without it by those who only want to know.
    size: AtomicUsize,
    available: AtomicBool,
    state: Mutex<State>,
    destroyed: Arc<Event>,
    /// Wakes this pool when the network pool has a segment.
    waker: Waker,
    network: Arc<NetworkCore>,
}

struct State {
    /// Segments that lie in the pool, the one used last at the end.
    lying: Vec<Token>,
    /// Segments that the pool holds: those that lie and those that are out.
    requested: usize,
    max_overdraft: usize,
    channels_at_limit: usize,
    listeners: VecDeque<Arc<dyn BufferListener>>,
    availability: Availability,
    /// Whether the network pool will wake this one.
    subscribed: bool,
    destroyed: bool,
}

impl LocalCore {
    /// A pool of its required size, with nothing in it.
    pub(in crate::pool) fn new(network: Arc<NetworkCore>, spec: LocalPoolSpec) -> Arc<Self> {
        Arc::new_cyclic(|pool: &Weak<Self>| Self {
            label: spec.label.into(),
            required: spec.required,
            max: spec.max,
            max_buffers_per_channel: spec.max_buffers_per_channel,
            channels: (0..spec.channels).map(|_| AtomicU32::new(0)).collect(),
            size: AtomicUsize::new(spec.required),
            available: AtomicBool::new(false),
            state: Mutex::new(State {
                lying: Vec::new(),
                requested: 0,
                max_overdraft: spec.max_overdraft,
                channels_at_limit: 0,
                listeners: VecDeque::new(),
                availability: Availability::new(false),
                subscribed: false,
                destroyed: false,
            }),
            destroyed: Arc::new(Event::new()),
            waker: Waker::from(Arc::new(Subscription { pool: pool.clone() })),
            network,
        })
    }

    /// A segment for a channel, or for none; nothing when the pool has none to give.
    pub(super) fn request(self: &Arc<Self>, channel: u32) -> Result<Option<Token>, LocalPoolError> {
        let mut aftermath = Aftermath::default();
        let token = {
            let mut state = self.state.lock();
            if state.destroyed {
                return Err(self.destroyed_error());
            }
            let token = match state.lying.pop() {
                Some(token) => Some(token),
                // What comes from the network pool while the size is not reached comes by being fetched ahead.
                None if state.requested >= self.size() => self.overdraw(&mut state),
                None => None,
            };
            let Some(token) = token else { return Ok(None) };
            if channel != NO_CHANNEL {
                self.enter_channel(&mut state, channel);
            }
            self.settle(&mut state, &mut aftermath);
            token
        };
        aftermath.run();
        Ok(Some(token))
    }

    /// As [`request`](Self::request), and waits until the pool is available when it has none to give.
    pub(super) fn request_blocking(
        self: &Arc<Self>,
        channel: u32,
        limit: WaitLimit<'_>,
    ) -> Result<Token, LocalPoolError> {
        let wait = limit.start();
        loop {
            if let Some(token) = self.request(channel)? {
                return Ok(token);
            }
            let next = self.state.lock().availability.next();
            match next.map_or(WaitEnd::Happened, |next| wait.wait([&next])) {
                WaitEnd::Happened => {}
                WaitEnd::Cancelled => {
                    return Err(LocalPoolError::Interrupted {
                        label: Arc::clone(&self.label),
                    });
                }
                WaitEnd::TimedOut => {
                    return Err(LocalPoolError::Timeout {
                        label: Arc::clone(&self.label),
                    });
                }
            }
        }
    }

    /// A segment beyond the size, if the pool may have one more and the network pool has one.
    fn overdraw(self: &Arc<Self>, state: &mut State) -> Option<Token> {
        if state.requested - self.size() >= state.max_overdraft {
            return None;
        }
        let mut token = self.network.take()?;
        state.requested += 1;
        token.set_home(Home::Local(Arc::clone(self)));
        Some(token)
    }

    /// Takes back a segment that was out. Its channel has one buffer less.
    pub(in crate::pool) fn recycle(self: &Arc<Self>, mut token: Token, mut channel: u32) {
        let mut aftermath = Aftermath::default();
        loop {
            let listener = {
                let mut state = self.state.lock();
                if channel != NO_CHANNEL {
                    self.leave_channel(&mut state, channel);
                    channel = NO_CHANNEL;
                }
                let excess = state.destroyed || state.requested > self.size();
                match state.listeners.pop_front() {
                    Some(listener) if !excess => listener,
                    listener => {
                        if let Some(listener) = listener {
                            state.listeners.push_front(listener);
                        }
                        if excess {
                            self.surrender(&mut state, token, &mut aftermath);
                        } else {
                            state.lying.push(token);
                        }
                        self.settle(&mut state, &mut aftermath);
                        break;
                    }
                }
            };
            match listener.buffer_available(Buffer::of_token(token, NO_CHANNEL)) {
                Ok(()) => break,
                Err(refused) => match refused.into_token() {
                    Some(refused) => token = refused,
                    // The listener keeps another handle of it, and recycles it by dropping that.
                    None => break,
                },
            }
        }
        aftermath.run();
    }

    /// Gives a segment to the network pool.
    fn surrender(&self, state: &mut State, mut token: Token, aftermath: &mut Aftermath) {
        // The caller has a count of this pool, so this is never the last one.
        token.set_home(Home::Free);
        state.requested -= 1;
        self.network.release(token, aftermath);
    }

    fn enter_channel(&self, state: &mut State, channel: u32) {
        if let Some(count) = self.channels.get(channel as usize) {
            let before = count.fetch_add(1, Ordering::Relaxed) as usize;
            if before + 1 == self.max_buffers_per_channel {
                state.channels_at_limit += 1;
            }
        }
    }

    fn leave_channel(&self, state: &mut State, channel: u32) {
        if let Some(count) = self.channels.get(channel as usize) {
            let before = count.fetch_sub(1, Ordering::Relaxed) as usize;
            if before == self.max_buffers_per_channel {
                state.channels_at_limit -= 1;
            }
        }
    }

    /// Fetches ahead what may be fetched, and says whether the pool is available.
    fn settle(self: &Arc<Self>, state: &mut State, aftermath: &mut Aftermath) {
        while state.lying.is_empty() && !state.destroyed && state.requested < self.size() {
            let waker = (!state.subscribed).then_some(&self.waker);
            let Some(mut token) = self.network.take_or_subscribe(waker) else {
                state.subscribed = true;
                break;
            };
            state.requested += 1;
            token.set_home(Home::Local(Arc::clone(self)));
            // Who waits comes first. Flink lets the segment lie until another one is recycled, which may be never.
            match state.listeners.pop_front() {
                Some(listener) => aftermath.offer(listener, token),
                None => state.lying.push(token),
            }
        }
        let available =
            state.destroyed || (!state.lying.is_empty() && state.channels_at_limit == 0);
        if available != state.availability.is_available() {
            if available {
                aftermath.complete(state.availability.turn_on());
            } else {
                state.availability.turn_off();
            }
            self.available.store(available, Ordering::Release);
        }
    }

    /// Fetches ahead what may be fetched.
    pub(in crate::pool) fn refresh(self: &Arc<Self>, aftermath: &mut Aftermath) {
        self.settle(&mut self.state.lock(), aftermath);
    }

    /// The network pool had a segment.
    fn network_available(self: &Arc<Self>) {
        let mut aftermath = Aftermath::default();
        {
            let mut state = self.state.lock();
            state.subscribed = false;
            if state.destroyed || state.availability.is_available() {
                // Others need it more.
                return;
            }
            self.settle(&mut state, &mut aftermath);
        }
        aftermath.run();
    }

    /// Changes the size. What lies beyond it goes back now, and what is out when it is recycled.
    pub(in crate::pool) fn resize(self: &Arc<Self>, size: usize, aftermath: &mut Aftermath) {
        let mut state = self.state.lock();
        self.size.store(size.min(self.max), Ordering::Relaxed);
        while state.requested > self.size()
            && let Some(token) = state.lying.pop()
        {
            self.surrender(&mut state, token, aftermath);
        }
        self.settle(&mut state, aftermath);
    }

    /// As [`resize`](Self::resize), for those who are not the distribution.
    pub(super) fn set_number_of_buffers(
        self: &Arc<Self>,
        size: usize,
    ) -> Result<(), LocalPoolError> {
        if size < self.required {
            return Err(LocalPoolError::BelowRequired {
                label: Arc::clone(&self.label),
                size,
                required: self.required,
            });
        }
        let mut aftermath = Aftermath::default();
        self.resize(size, &mut aftermath);
        aftermath.run();
        Ok(())
    }

    /// Waits until the pool holds so many segments.
    pub(super) fn reserve(
        self: &Arc<Self>,
        number: usize,
        limit: WaitLimit<'_>,
    ) -> Result<(), LocalPoolError> {
        if number > self.required {
            return Err(LocalPoolError::AboveRequired {
                label: Arc::clone(&self.label),
                reserved: number,
                required: self.required,
            });
        }
        let missing = {
            let state = self.state.lock();
            if state.destroyed {
                return Err(self.destroyed_error());
            }
            number.saturating_sub(state.requested)
        };
        if missing == 0 {
            return Ok(());
        }
        // Flink waits with the pool's lock held, and nobody can look at the pool meanwhile.
        let tokens = self
            .network
            .collect(missing, limit, Some(&self.destroyed))
            .map_err(|source| match source {
                NetworkPoolError::Destroyed if self.destroyed.has_happened() => {
                    self.destroyed_error()
                }
                source => LocalPoolError::Reserve {
                    label: Arc::clone(&self.label),
                    source,
                },
            })?;
        let mut aftermath = Aftermath::default();
        let destroyed = {
            let mut state = self.state.lock();
            for mut token in tokens {
                // Some may have been fetched ahead while this one waited.
                if state.destroyed || state.requested >= number {
                    self.network.release(token, &mut aftermath);
                    continue;
                }
                token.set_home(Home::Local(Arc::clone(self)));
                state.requested += 1;
                match state.listeners.pop_front() {
                    Some(listener) => aftermath.offer(listener, token),
                    None => state.lying.push(token),
                }
            }
            self.settle(&mut state, &mut aftermath);
            state.destroyed
        };
        aftermath.run();
        if destroyed {
            Err(self.destroyed_error())
        } else {
            Ok(())
        }
    }

    /// Has the listener told of the next buffer, unless one lies in the pool.
    pub(super) fn add_listener(&self, listener: Arc<dyn BufferListener>) -> bool {
        let mut state = self.state.lock();
        if state.destroyed || !state.lying.is_empty() {
            return false;
        }
        state.listeners.push_back(listener);
        true
    }

    /// Ends the pool, once: what lies goes back, those who wait are told. What is out goes back when it is recycled.
    pub(in crate::pool) fn destroy(self: &Arc<Self>) {
        let mut aftermath = Aftermath::default();
        {
            let mut state = self.state.lock();
            if state.destroyed {
                return;
            }
            state.destroyed = true;
            while let Some(token) = state.lying.pop() {
                self.surrender(&mut state, token, &mut aftermath);
            }
            for listener in std::mem::take(&mut state.listeners) {
                aftermath.farewell(listener);
            }
            self.settle(&mut state, &mut aftermath);
            aftermath.complete(Some(Arc::clone(&self.destroyed)));
        }
        aftermath.run();
        self.network.deregister(self);
    }

    fn destroyed_error(&self) -> LocalPoolError {
        LocalPoolError::Destroyed {
            label: Arc::clone(&self.label),
        }
    }

    pub(super) fn channel(&self, channel: usize) -> Result<u32, LocalPoolError> {
        match u32::try_from(channel) {
            Ok(index) if channel < self.channels.len() => Ok(index),
            _ => Err(LocalPoolError::NoSuchChannel {
                label: Arc::clone(&self.label),
                channel,
                channels: self.channels.len(),
            }),
        }
    }

    pub(super) fn buffers_of_channel(&self, channel: u32) -> usize {
        self.channels
            .get(channel as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed) as usize)
    }

    pub(super) fn number_of_channels(&self) -> usize {
        self.channels.len()
    }

    pub(super) fn set_max_overdraft(&self, max_overdraft: usize) {
        self.state.lock().max_overdraft = max_overdraft;
    }

    pub(super) fn future(&self) -> AvailableFuture {
        self.state.lock().availability.future()
    }

    pub(super) fn is_available(&self) -> bool {
        self.available.load(Ordering::Acquire)
    }

    pub(super) fn is_destroyed(&self) -> bool {
        self.destroyed.has_happened()
    }

    pub(super) fn label(&self) -> &Arc<str> {
        &self.label
    }

    pub(in crate::pool) fn required(&self) -> usize {
        self.required
    }

    pub(in crate::pool) fn max(&self) -> usize {
        self.max
    }

    pub(in crate::pool) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// How many segments the pool holds, how many of them lie in it, and how many may be taken beyond its size.
    pub(super) fn figures(&self) -> (usize, usize, usize) {
        let state = self.state.lock();
        (state.requested, state.lying.len(), state.max_overdraft)
    }

    /// How many segments the pool would like to have.
    pub(in crate::pool) fn estimated_demand(&self) -> usize {
        if self.max == UNBOUNDED {
            self.required.saturating_mul(2)
        } else {
            self.max
        }
    }

    pub(in crate::pool) fn holder(&self) -> Holder {
        Holder {
            label: self.label.to_string(),
            required: self.required,
            held: self.state.lock().requested,
        }
    }
}

/// A local pool that waits for the network pool. It does not keep the pool.
struct Subscription {
    pool: Weak<LocalCore>,
}

impl Wake for Subscription {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(pool) = self.pool.upgrade() {
            pool.network_available();
        }
    }
}
