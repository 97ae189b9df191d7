//! Availability as a future: it completes when a pool becomes available, and stays complete.
//!
//! Mirrors `AvailabilityProvider` and its helper. Whoever finds a pool unavailable takes a future and looks at the pool
//! again when it completes: others may have been faster. Nothing here is tied to a runtime; a thread can wait too.
//!
//! The rule that keeps the pools free of deadlocks: an event is completed when no lock is held, because its waiters
//! run pool code of their own.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use super::sync::{
    Deadline, Mutex, Parker,
    atomic::{AtomicBool, Ordering},
};

/// Something that happens once, and those who wait for it.
#[derive(Debug)]
pub(super) struct Event {
    happened: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next_key: u64,
    wakers: Vec<(u64, Waker)>,
}

impl Event {
    pub(super) fn new() -> Self {
        Self {
            happened: AtomicBool::new(false),
            waiting: Mutex::new(Waiting::default()),
        }
    }

    pub(super) fn has_happened(&self) -> bool {
        self.happened.load(Ordering::Acquire)
    }

    /// Wakes all who wait. Later calls do nothing.
    pub(super) fn complete(&self) {
        let wakers = {
            let mut waiting = self.waiting.lock();
            self.happened.store(true, Ordering::Release);
            std::mem::take(&mut waiting.wakers)
        };
        for (_, waker) in wakers {
            waker.wake();
        }
    }

    /// Has the waker woken when the event happens; under the key of an earlier call it replaces that call's waker.
    ///
    /// None when the event has happened already. The waker is not woken then: its owner holds locks perhaps.
    pub(super) fn register(&self, key: Option<u64>, waker: &Waker) -> Option<u64> {
        let mut waiting = self.waiting.lock();
        if self.has_happened() {
            return None;
        }
        if let Some((key, registered)) = waiting
            .wakers
            .iter_mut()
            .find(|(registered, _)| Some(*registered) == key)
        {
            registered.clone_from(waker);
            return Some(*key);
        }
        let key = waiting.next_key;
        waiting.next_key += 1;
        waiting.wakers.push((key, waker.clone()));
        Some(key)
    }

    /// Forgets the waker of a key, whose owner no longer waits.
    fn forget(&self, key: u64) {
        let mut waiting = self.waiting.lock();
        waiting.wakers.retain(|(registered, _)| *registered != key);
    }
}

/// Whether a pool is available, and the event that tells when it is again. It lies inside the pool's lock.
#[derive(Debug)]
pub(super) struct Availability {
    available: bool,
    /// Made when somebody asks, so that a pool that nobody watches allocates nothing.
    next: Option<Arc<Event>>,
}

impl Availability {
    pub(super) fn new(available: bool) -> Self {
        Self {
            available,
            next: None,
        }
    }

    pub(super) fn is_available(&self) -> bool {
        self.available
    }

    pub(super) fn turn_off(&mut self) {
        self.available = false;
    }

    /// Says that the pool is available, and hands over the event to complete once no lock is held.
    #[must_use = "those who wait must be woken, once no lock is held"]
    pub(super) fn turn_on(&mut self) -> Option<Arc<Event>> {
        self.available = true;
        self.next.take()
    }

    /// The event of becoming available; none where the pool is.
    pub(super) fn next(&mut self) -> Option<Arc<Event>> {
        if self.available {
            return None;
        }
        let next = self.next.get_or_insert_with(|| Arc::new(Event::new()));
        Some(Arc::clone(next))
    }

    /// A future that is complete at once, or when the pool becomes available.
    pub(super) fn future(&mut self) -> AvailableFuture {
        AvailableFuture {
            event: self.next(),
            key: None,
        }
    }
}

/// Completes when a pool becomes available, and stays complete whatever becomes of the pool.
///
/// It promises nothing but that the pool was available at some moment: others may have taken what there was, so the
/// request may still be refused and the pool be asked for the next future. A pool that is destroyed completes it too, so
/// that nobody waits for ever.
#[derive(Debug)]
pub struct AvailableFuture {
    event: Option<Arc<Event>>,
    key: Option<u64>,
}

impl AvailableFuture {
    /// A future that is complete.
    #[must_use]
    pub fn available() -> Self {
        Self {
            event: None,
            key: None,
        }
    }

    /// Whether it is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.event.as_ref().is_none_or(|event| event.has_happened())
    }

    /// Blocks this thread until the future is complete or the limit is reached.
    #[must_use]
    pub fn wait(&self, limit: WaitLimit<'_>) -> WaitEnd {
        match &self.event {
            None => WaitEnd::Happened,
            Some(event) => limit.start().wait([event]),
        }
    }

    /// Blocks this thread until the future is complete, and at most so long; says whether it is complete.
    #[must_use]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait(WaitLimit::timeout(timeout)) == WaitEnd::Happened
    }
}

impl Clone for AvailableFuture {
    fn clone(&self) -> Self {
        Self {
            event: self.event.clone(),
            key: None,
        }
    }
}

impl Future for AvailableFuture {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(event) = &self.event else {
            return Poll::Ready(());
        };
        match event.register(self.key, context.waker()) {
            Some(key) => {
                self.key = Some(key);
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for AvailableFuture {
    fn drop(&mut self) {
        if let (Some(event), Some(key)) = (&self.event, self.key) {
            event.forget(key);
        }
    }
}

/// Ends the waits that are given it, as an interrupt ends those of a Java thread.
///
/// Clones are one token. Once cancelled it stays so.
#[derive(Clone, Debug)]
pub struct CancellationToken {
    cancelled: Arc<Event>,
}

impl CancellationToken {
    /// A token that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cancelled: Arc::new(Event::new()),
        }
    }

    /// Ends every wait that was given this token, and lets no later one begin.
    pub fn cancel(&self) {
        self.cancelled.complete();
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.has_happened()
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

/// How long a request may block, and what may end it before.
#[derive(Clone, Copy, Debug, Default)]
pub struct WaitLimit<'a> {
    timeout: Option<Duration>,
    cancellation: Option<&'a CancellationToken>,
}

impl<'a> WaitLimit<'a> {
    /// No limit: the wait ends when what is waited for happens.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            timeout: None,
            cancellation: None,
        }
    }

    /// At most so long.
    #[must_use]
    pub const fn timeout(timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            cancellation: None,
        }
    }

    /// Until the token is cancelled.
    #[must_use]
    pub const fn cancelled_by(token: &'a CancellationToken) -> Self {
        Self {
            timeout: None,
            cancellation: Some(token),
        }
    }

    /// The same, and at most so long.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The timeout, or another one where there is none.
    pub(super) fn timeout_or(self, timeout: Duration) -> Duration {
        self.timeout.unwrap_or(timeout)
    }

    /// Fixes the deadline, which then holds for all waits of one request together.
    pub(super) fn start(self) -> Wait<'a> {
        Wait {
            deadline: self.timeout.map(Deadline::after),
            cancellation: self.cancellation,
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// What was waited for happened.
    Happened,
    /// The token was cancelled.
    Cancelled,
    /// The time was over.
    TimedOut,
}

/// A limit whose time runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait<'a> {
    deadline: Option<Deadline>,
    cancellation: Option<&'a CancellationToken>,
}

impl Wait<'_> {
    /// Blocks this thread until one of the events happens. A cancelled token counts before them.
    pub(super) fn wait<const N: usize>(&self, events: [&Arc<Event>; N]) -> WaitEnd {
        let parked = Arc::new(ParkedThread(Parker::new()));
        let waker = Waker::from(Arc::clone(&parked));
        let cancelled = self.cancellation.map(|token| &token.cancelled);
        let all = || cancelled.into_iter().chain(events);
        let mut keys = Vec::with_capacity(N + 1);
        keys.extend(all().map(|event| (event, event.register(None, &waker))));
        let end = loop {
            if cancelled.is_some_and(|event| event.has_happened()) {
                break WaitEnd::Cancelled;
            }
            if events.iter().any(|event| event.has_happened()) {
                break WaitEnd::Happened;
            }
            if !parked.0.wait(self.deadline) {
                break WaitEnd::TimedOut;
            }
        };
        for (event, key) in keys {
            if let Some(key) = key {
                event.forget(key);
            }
        }
        end
    }
}

/// A thread that waits, as those who complete an event see it.
struct ParkedThread(Parker);

impl Wake for ParkedThread {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_stays_complete_after_the_pool_ran_empty_again() {
        let mut availability = Availability::new(false);
        let future = availability.future();
        assert!(!future.is_done());
        availability.turn_on().expect("somebody waits").complete();
        availability.turn_off();
        assert!(future.is_done());
        assert!(!availability.future().is_done());
    }

    #[test]
    fn a_future_that_is_dropped_leaves_nothing_behind() {
        let mut availability = Availability::new(false);
        let mut future = availability.future();
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut future).poll(&mut context).is_pending());
        assert!(Pin::new(&mut future).poll(&mut context).is_pending());
        let event = availability.turn_on().expect("somebody waits");
        assert_eq!(event.waiting.lock().wakers.len(), 1);
        drop(future);
        assert_eq!(event.waiting.lock().wakers.len(), 0);
    }

    #[test]
    fn a_wait_ends_by_what_comes_first() {
        let mut availability = Availability::new(false);
        let future = availability.future();
        assert!(!future.wait_timeout(Duration::from_millis(1)));
        let token = CancellationToken::new();
        let waiter = std::thread::spawn({
            let (future, token) = (future.clone(), token.clone());
            move || future.wait(WaitLimit::cancelled_by(&token))
        });
        token.cancel();
        assert_eq!(waiter.join().expect("no panic"), WaitEnd::Cancelled);
        let waiter = std::thread::spawn({
            let future = future.clone();
            move || future.wait(WaitLimit::none())
        });
        availability.turn_on().expect("somebody waits").complete();
        assert_eq!(waiter.join().expect("no panic"), WaitEnd::Happened);
        assert_eq!(
            future.wait(WaitLimit::cancelled_by(&token)),
            WaitEnd::Cancelled,
            "a cancelled token counts before what happened"
        );
    }
}
