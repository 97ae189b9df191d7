//! What a local pool knows and does, with its lock held.
//!
//! Two rules hold whenever the lock is free: nothing lies in the pool while it holds more than its size; and it is
//! available if and only if something lies in it and no channel is at its limit. To keep it available for as long as
//! possible, one segment is fetched ahead whenever nothing lies and the size allows it.
//!
//! While so much lies in the pool that taking one segment or giving one back changes nothing of this, both go by the
//! magazine of the thread and without the lock (`free_list.rs`). Whatever would change something leaves that mode first,
//! and then the rules hold to the letter.

mod channels;
mod figures;
mod waits;

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    task::{Wake, Waker},
};

use super::{BufferListener, LocalPoolError, LocalPoolSpec};
use crate::pool::{
    aftermath::Aftermath,
    arena::{Home, Token},
    availability::{Availability, Event},
    buffer::{Buffer, reference::NO_CHANNEL},
    free_list::{FreeList, with_magazine},
    network_pool::NetworkCore,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence},
    },
};

/// What all handles of a pool and all its buffers have in common.
pub(in crate::pool) struct LocalCore {
    /// A number that no other pool of this process has or had.
    id: u64,
    label: Arc<str>,
    required: usize,
    max: usize,
    max_buffers_per_channel: usize,
    /// How many buffers each channel has.
    channels: Box<[AtomicU32]>,
    /// How many segments the pool may hold. The distribution writes it without the lock.
    size: AtomicUsize,
    /// What the distribution has to know of the pool, written with the lock held.
    summary: AtomicUsize,
    /// The same as the state says, for those who only want to know.
    available: AtomicBool,
    state: Mutex<State>,
    destroyed: Arc<Event>,
    /// Wakes this pool when the network pool has a segment.
    waker: Waker,
    network: Arc<NetworkCore>,
}

struct State {
    lying: FreeList,
    /// Segments that the pool holds: those that lie and those that are out.
    requested: usize,
    /// The most that were out or in magazines at once since somebody asked.
    peak_out: usize,
    /// What the summary says, so that it is written only when it changes.
    summary: usize,
    max_overdraft: usize,
    channels_at_limit: usize,
    listeners: VecDeque<Arc<dyn BufferListener>>,
    availability: Availability,
    /// Whether the network pool will wake this one.
    subscribed: bool,
    destroyed: bool,
}

impl State {
    /// Remembers how many segments are out. Those in magazines count, for they may be taken without the lock.
    fn note_peak(&mut self) {
        self.peak_out = self.peak_out.max(self.number_out());
    }

    fn number_out(&self) -> usize {
        self.requested - self.lying.outside_magazines()
    }
}

impl LocalCore {
    /// A pool of its required size, with nothing in it.
    pub(in crate::pool) fn new(network: Arc<NetworkCore>, spec: LocalPoolSpec) -> Arc<Self> {
        // No loom atomic: it orders nothing.
        static NEXT_ID: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Arc::new_cyclic(|pool: &Weak<Self>| Self {
            id,
            label: spec.label.into(),
            required: spec.required,
            max: spec.max,
            max_buffers_per_channel: spec.max_buffers_per_channel,
            channels: (0..spec.channels).map(|_| AtomicU32::new(0)).collect(),
            size: AtomicUsize::new(spec.required),
            summary: AtomicUsize::new(0),
            available: AtomicBool::new(false),
            state: Mutex::new(State {
                lying: FreeList::new(id),
                requested: 0,
                peak_out: 0,
                summary: 0,
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
    #[inline]
    pub(super) fn request(self: &Arc<Self>, channel: u32) -> Result<Option<Token>, LocalPoolError> {
        let mut reached_limit = false;
        let token = with_magazine(self.id, |magazine| {
            magazine?.take(|| reached_limit = self.enter_channel(channel))
        });
        match token {
            None => self.request_locked(channel),
            Some(token) => {
                if reached_limit {
                    self.notice_limit();
                }
                Ok(Some(token))
            }
        }
    }

    #[inline(never)]
    fn request_locked(self: &Arc<Self>, channel: u32) -> Result<Option<Token>, LocalPoolError> {
        let mut aftermath = Aftermath::default();
        let token = {
            let mut state = self.state.lock();
            if state.destroyed {
                return Err(self.destroyed_error());
            }
            if state.lying.is_plenty() && !state.lying.can_fill() {
                self.leave_plenty(&mut state);
            }
            let token = match state.lying.pop() {
                Some(token) => Some(token),
                // What comes from the network pool while the size is not reached comes by being fetched ahead.
                None if state.requested >= self.size() => self.overdraw(&mut state),
                None => None,
            };
            let Some(token) = token else { return Ok(None) };
            if self.enter_channel(channel) {
                self.count_limit(&mut state, |channels| channels + 1);
            }
            self.settle(&mut state, &mut aftermath);
            state.lying.balance_magazine();
            state.note_peak();
            token
        };
        aftermath.run();
        Ok(Some(token))
    }

    /// A channel reached its limit while there were plenty: the pool is not available any more.
    #[cold]
    fn notice_limit(self: &Arc<Self>) {
        let mut aftermath = Aftermath::default();
        {
            let mut state = self.state.lock();
            self.leave_plenty(&mut state);
            self.settle(&mut state, &mut aftermath);
        }
        aftermath.run();
    }

    /// Has every change go through the lock from now on.
    fn leave_plenty(&self, state: &mut State) {
        if !state.lying.is_plenty() {
            return;
        }
        state.lying.leave_plenty();
        // Several threads may have taken a channel to its limit without the lock, and others from it.
        let at_limit = |count: &&AtomicU32| {
            count.load(Ordering::Relaxed) as usize >= self.max_buffers_per_channel
        };
        state.channels_at_limit = self.channels.iter().filter(at_limit).count();
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

    /// Takes back a segment that was out, from whatever local pool it is. Its channel has one buffer less.
    #[inline]
    pub(in crate::pool) fn take_back(token: Token, channel: u32) {
        let Home::Local(pool) = token.home() else {
            debug_assert!(false, "a segment of a local pool");
            return;
        };
        let refused = with_magazine(pool.id, |magazine| match magazine {
            // Once the segment is in the magazine it may be taken, and its pool be gone.
            Some(magazine) => magazine.put(token, |token| {
                if channel != NO_CHANNEL
                    && let Home::Local(pool) = token.home()
                {
                    pool.leave_channel(channel);
                }
            }),
            None => Err(token),
        });
        if let Err(token) = refused {
            Self::take_back_locked(token, channel);
        }
    }

    #[inline(never)]
    fn take_back_locked(token: Token, channel: u32) {
        if let Home::Local(pool) = token.home() {
            let pool = Arc::clone(pool);
            pool.recycle_locked(token, channel);
        }
    }

    fn recycle_locked(self: &Arc<Self>, mut token: Token, mut channel: u32) {
        let mut aftermath = Aftermath::default();
        loop {
            let listener = {
                let mut state = self.state.lock();
                if self.leave_channel(std::mem::replace(&mut channel, NO_CHANNEL)) {
                    self.count_limit(&mut state, |channels| channels.saturating_sub(1));
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
                        state.lying.balance_magazine();
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

    /// Has the rules hold again after something changed: gives back what is too much, fetches ahead what may be fetched,
    /// and says whether the pool is available.
    fn settle(self: &Arc<Self>, state: &mut State, aftermath: &mut Aftermath) {
        loop {
            let size = self.size();
            self.adapt_to(size, state, aftermath);
            let summary = summary_of(state);
            if summary == state.summary {
                break;
            }
            state.summary = summary;
            self.summary.store(summary, Ordering::Relaxed);
            // The distribution writes a size and then looks at the summary, with such a fence in between too. So either
            // it sees this summary, or its size is seen here.
            fence(Ordering::SeqCst);
            if self.size() == size {
                break;
            }
        }
        if state.availability.is_available()
            && !state.destroyed
            && state.requested <= self.size()
            && state.listeners.is_empty()
        {
            // One operation more or less would change nothing of all this.
            state.lying.consider_plenty();
        }
    }

    fn adapt_to(self: &Arc<Self>, size: usize, state: &mut State, aftermath: &mut Aftermath) {
        if state.requested > size {
            self.leave_plenty(state);
            while state.requested > size
                && let Some(token) = state.lying.pop()
            {
                self.surrender(state, token, aftermath);
            }
        }
        while state.lying.is_empty() && !state.destroyed && state.requested < size {
            let waker = (!state.subscribed).then_some(&self.waker);
            let Some(token) = self.network.take_or_subscribe(waker) else {
                state.subscribed = true;
                break;
            };
            self.welcome(state, token, aftermath);
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

    /// Counts a segment of the network pool as this pool's, and gives it to who waits, or lays it down.
    fn welcome(self: &Arc<Self>, state: &mut State, mut token: Token, aftermath: &mut Aftermath) {
        state.requested += 1;
        token.set_home(Home::Local(Arc::clone(self)));
        // Flink lets it lie until another one is recycled, which may be never.
        match state.listeners.pop_front() {
            Some(listener) => aftermath.offer(listener, token),
            None => state.lying.push(token),
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

    /// Changes the size, which is not below what is required. The caller fences, and then has the pool
    /// [refreshed](Self::refresh) if [`is_unsettled`](Self::is_unsettled) says so: of a thousand pools few need it.
    pub(in crate::pool) fn set_size(&self, size: usize) {
        self.size.store(size.min(self.max), Ordering::Relaxed);
    }

    /// Whether the pool has something to give back or to fetch. What is out beyond the size comes by recycling.
    pub(in crate::pool) fn is_unsettled(&self) -> bool {
        let summary = self.summary.load(Ordering::Relaxed);
        let (requested, lies) = (summary >> 1, summary & 1 == 1);
        let size = self.size();
        if lies {
            requested > size
        } else {
            requested < size
        }
    }

    /// Changes the size until the next distribution does.
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
        {
            let mut state = self.state.lock();
            self.set_size(size);
            // After it: a distribution that takes the notice sees the size.
            self.network.notice_other_size();
            self.settle(&mut state, &mut aftermath);
        }
        aftermath.run();
        Ok(())
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
            self.leave_plenty(&mut state);
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
}

/// How many segments the pool holds, and whether one lies there, in one number.
fn summary_of(state: &State) -> usize {
    (state.requested << 1) | usize::from(!state.lying.is_empty())
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
