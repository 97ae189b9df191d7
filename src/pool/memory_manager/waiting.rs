//! Requests that wait until there is memory, as blocking calls or as futures.
//!
//! Flink's requests fail at once; waiting is for those who would rather start later than fail. Who is served first is
//! the rule of [`fairness`](crate::pool::fairness), and requests that do not wait keep to it as well: they are refused
//! while somebody waits whom they may not pass.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use super::{
    error::{AllocationError, ManagerShutDown, ReservationError},
    owner::OwnerId,
    page::{Home, ManagedSegment},
};
use crate::{
    bytes::Bytes,
    pool::fairness::{Place, ServiceOrder, WaitingLine},
};

/// The line in front of a manager's memory.
#[derive(Debug)]
pub(super) struct Waiters {
    pub(super) line: WaitingLine,
    requests: HashMap<Place, Request>,
    /// Requests whose outcome is there, but not announced yet.
    settled: Vec<Request>,
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) owner: OwnerId,
    pub(super) demand: Demand,
}

/// What a request waits for, and where it arrives.
#[derive(Debug)]
pub(super) enum Demand {
    Reservation(Bytes, Arc<Promise<()>>),
    Pages(u32, Arc<Promise<Vec<ManagedSegment>>>),
}

/// Why a request will never be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The owner was struck out.
    Owner,
    /// The manager was shut down.
    Manager,
}

impl Waiters {
    pub(super) fn new(order: ServiceOrder) -> Self {
        Self {
            line: WaitingLine::new(order),
            requests: HashMap::new(),
            settled: Vec::new(),
        }
    }

    pub(super) fn join(&mut self, bytes: Bytes, request: Request) -> Place {
        let place = self.line.join(bytes.get());
        self.requests.insert(place, request);
        place
    }

    /// Leaves the line; `false` when the outcome is there already.
    fn leave(&mut self, place: Place) -> bool {
        self.requests.remove(&place);
        self.line.leave(place)
    }

    /// The next request that what is available suffices for, which leaves the line.
    pub(super) fn serve(&mut self, available: Bytes) -> Option<Request> {
        let place = self.line.serve(available.get())?;
        self.requests.remove(&place)
    }

    /// A request that did not wait was served with so many bytes. With none, nobody was passed.
    pub(super) fn count_pass(&mut self, bytes: Bytes) {
        if bytes > Bytes::ZERO {
            self.line.count_pass();
        }
    }

    /// A request of which the outcome was put in its place.
    pub(super) fn settle(&mut self, request: Request) {
        self.settled.push(request);
    }

    /// Dismisses the requests of one owner, or of everyone.
    pub(super) fn dismiss(&mut self, owner: Option<OwnerId>, gone: Gone) {
        let of_owner = |request: &Request| owner.is_none_or(|owner| owner == request.owner);
        let (line, settled) = (&mut self.line, &mut self.settled);
        for (place, request) in self.requests.extract_if(|_, request| of_owner(request)) {
            line.leave(place);
            match &request.demand {
                Demand::Reservation(_, promise) => promise.put(Err(gone)),
                Demand::Pages(_, promise) => promise.put(Err(gone)),
            }
            settled.push(request);
        }
    }

    /// The requests to be announced as soon as no lock is held.
    pub(super) fn take_settled(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.settled)
    }
}

impl Request {
    /// Wakes whoever waits. Holding no lock.
    pub(super) fn announce(&self) {
        match &self.demand {
            Demand::Reservation(_, promise) => promise.announce(),
            Demand::Pages(_, promise) => promise.announce(),
        }
    }
}

/// Where the outcome of a request arrives, once.
#[derive(Debug)]
pub(super) struct Promise<T> {
    state: Mutex<PromiseState<T>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct PromiseState<T> {
    outcome: Option<Result<T, Gone>>,
    waker: Option<Waker>,
}

impl<T> Promise<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(PromiseState {
                outcome: None,
                waker: None,
            }),
            arrived: Condvar::new(),
        })
    }

    /// Puts the outcome in its place. Nobody wakes up yet, as this happens under the manager's lock.
    pub(super) fn put(&self, outcome: Result<T, Gone>) {
        self.state.lock().outcome = Some(outcome);
    }

    fn announce(&self) {
        let waker = self.state.lock().waker.take();
        self.arrived.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn take(&self) -> Option<Result<T, Gone>> {
        self.state.lock().outcome.take()
    }

    fn wait(&self, timeout: Duration) -> Option<Result<T, Gone>> {
        let mut state = self.state.lock();
        self.arrived
            .wait_while_for(&mut state, |state| state.outcome.is_none(), timeout);
        state.outcome.take()
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Result<T, Gone>> {
        // Cloning a waker and dropping one are calls into the runtime, so no lock is held meanwhile.
        let waker = context.waker().clone();
        let mut state = self.state.lock();
        let outcome = state.outcome.take();
        let unused = match outcome {
            Some(_) => Some(waker),
            None => state.waker.replace(waker),
        };
        drop(state);
        drop(unused);
        outcome.map_or(Poll::Pending, Poll::Ready)
    }
}

/// A request in the line, as seen by whoever made it.
#[derive(Debug)]
pub(super) struct Pending<T> {
    home: Home,
    place: Place,
    promise: Arc<Promise<T>>,
    /// The outcome was taken, or will never come.
    is_over: bool,
}

impl<T> Pending<T> {
    pub(super) fn new(home: Home, place: Place, promise: Arc<Promise<T>>) -> Self {
        Self {
            home,
            place,
            promise,
            is_over: false,
        }
    }

    /// The outcome; `None` when it did not come in time, and then never will.
    fn wait(&mut self, timeout: Duration) -> Option<Result<T, Gone>> {
        match self.promise.wait(timeout) {
            Some(outcome) => {
                self.is_over = true;
                Some(outcome)
            }
            None => self.abandon(),
        }
    }

    /// Leaves the line, and returns what came before it could.
    fn abandon(&mut self) -> Option<Result<T, Gone>> {
        if std::mem::replace(&mut self.is_over, true) {
            return None;
        }
        let left = self
            .home
            .with_state(|state| state.waiters.leave(self.place));
        // Outcomes are put in their place under the lock under which their requests leave the line.
        if left { None } else { self.promise.take() }
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Result<T, Gone>> {
        let outcome = self.promise.poll(context);
        self.is_over |= outcome.is_ready();
        outcome
    }
}

impl From<Gone> for ReservationError {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Owner => Self::UnknownOwner,
            Gone::Manager => ManagerShutDown.into(),
        }
    }
}

impl From<Gone> for AllocationError {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Owner => Self::UnknownOwner,
            Gone::Manager => ManagerShutDown.into(),
        }
    }
}

/// A reservation that waits for its bytes: a future, or to be waited for by [`PendingReservation::wait`].
///
/// Dropping it gives up the place in the line, and releases the bytes if they have come.
#[derive(Debug)]
#[must_use = "a request waits only as long as it is kept"]
pub struct PendingReservation {
    pub(super) pending: Pending<()>,
    pub(super) owner: OwnerId,
    pub(super) bytes: Bytes,
}

impl PendingReservation {
    /// Waits for the bytes.
    ///
    /// # Errors
    /// They did not come in time; the manager was shut down or the owner struck out meanwhile.
    pub fn wait(mut self, timeout: Duration) -> Result<(), ReservationError> {
        match self.pending.wait(timeout) {
            Some(outcome) => Ok(outcome?),
            None => Err(ReservationError::TimedOut {
                waited: timeout,
                shortage: self.pending.home.shortage(self.bytes),
            }),
        }
    }
}

impl Future for PendingReservation {
    type Output = Result<(), ReservationError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.pending.poll(context).map(|outcome| Ok(outcome?))
    }
}

impl Drop for PendingReservation {
    fn drop(&mut self) {
        if let Some(Ok(())) = self.pending.abandon() {
            self.pending.home.lower_reservation(self.owner, self.bytes);
        }
    }
}

/// An allocation that waits for its pages: a future, or to be waited for by [`PendingPages::wait`].
///
/// Dropping it gives up the place in the line, and releases the pages if they have come.
#[derive(Debug)]
#[must_use = "a request waits only as long as it is kept"]
pub struct PendingPages {
    pub(super) pending: Pending<Vec<ManagedSegment>>,
    pub(super) pages: u32,
    pub(super) bytes: Bytes,
}

impl PendingPages {
    /// Waits for the pages.
    ///
    /// # Errors
    /// They did not come in time; the manager was shut down or the owner struck out meanwhile.
    pub fn wait(mut self, timeout: Duration) -> Result<Vec<ManagedSegment>, AllocationError> {
        match self.pending.wait(timeout) {
            Some(outcome) => Ok(outcome?),
            None => Err(AllocationError::TimedOut {
                pages: self.pages,
                waited: timeout,
                shortage: self.pending.home.shortage(self.bytes),
            }),
        }
    }
}

impl Future for PendingPages {
    type Output = Result<Vec<ManagedSegment>, AllocationError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.pending.poll(context).map(|outcome| Ok(outcome?))
    }
}

impl Drop for PendingPages {
    fn drop(&mut self) {
        // Segments give themselves back.
        drop(self.pending.abandon());
    }
}
