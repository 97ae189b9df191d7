//! Models of what clients and the agent do in the control file at the same time, tried in every order in which one may
//! see another's steps: `make loom`.
//!
//! Where a process is killed at each step with nobody else at work is shown by `every_kill`; here others are at work.
//! The bytes of a segment are nothing that loom watches. So whoever has one in hand touches a cell that stands for it,
//! and loom fails when two have it at once, or when one does not see what the other did before.
//!
//! Where one client meets the agent, the agent runs in the thread that is spawned: that way round loom tries more
//! orders.
//!
//! Each model was seen to fail once with something broken by hand: its documentation names what.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
// What counts for the test itself is not modelled.
use std::sync::atomic::AtomicUsize as Counter;

use loom::cell::UnsafeCell;
use loom::thread;

use super::barrier;
use super::census::{Census, Place};
use super::lane::{Attention, Barrier, Holding, Lane, Refusal};
use super::layout::{Layout, Sizes, record};
use super::memory::{Control, Ordering};
use super::steps::{Step, Steps, Undisturbed};
use super::steward::Steward;
use crate::pool::sync::Parker;

/// Tries every order with at most so many preemptions: `LOOM_MAX_PREEMPTIONS` where it is set, else `usual`.
fn model(usual: usize, of: impl Fn() + Sync + Send + 'static) {
    let orders = Arc::new(Counter::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(usual);
    builder.max_branches = 10_000;
    let counted = Arc::clone(&orders);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        of();
    });
    let orders = orders.load(Ordering::Relaxed);
    println!("{orders} orders");
    assert!(orders > 1, "the threads of this model never meet");
}

/// A cell for each segment, which stands for its bytes.
struct Hands(Vec<UnsafeCell<()>>);

impl Hands {
    /// Fails if this segment is in another hand too.
    fn touch(&self, holding: Holding) {
        self.0[holding.segment as usize].with_mut(|_| ());
    }
}

/// A control file with as few slots as there may be.
#[derive(Clone)]
struct Pool {
    control: Arc<Control>,
    hands: Rc<Hands>,
}

impl Pool {
    fn new(segments: u32, slot_capacity: u32, clients: u16) -> Self {
        let sizes = Sizes {
            segment_bytes: 64,
            segments,
            slot_capacity,
            slots: segments.div_ceil(slot_capacity) + 3 * (u32::from(clients) + 1) + 1,
            clients,
        };
        let cells = (0..segments).map(|_| UnsafeCell::new(())).collect();
        Self {
            control: Arc::new(Control::create(Layout::of(sizes, 1).unwrap())),
            hands: Rc::new(Hands(cells)),
        }
    }

    /// A client whose operations pass no barrier, as long as the agent does not make them: to loom, none at all.
    fn join(&self, number: u16) -> Client<Undisturbed> {
        self.join_with(number, Barrier::OfThePool, Undisturbed)
    }

    /// A client that the agent takes magazines from while it lives. That loom knows no barrier which one thread makes
    /// another one pass is why its operations have their own.
    fn join_with_barriers(&self, number: u16) -> Client<Undisturbed> {
        self.join_with(number, Barrier::OfItsOwn, Undisturbed)
    }

    fn join_with<S: Steps>(&self, number: u16, barrier: Barrier, steps: S) -> Client<S> {
        let record = self.control.record(number).unwrap();
        record[record::QUOTA].store(u64::MAX, Ordering::Relaxed);
        let identity = (number, 0);
        let lane = Lane::new(self.control.clone(), identity, barrier, steps);
        assert_eq!(lane.attend(), Ok(Attention::Settled));
        Client {
            lane,
            hands: self.hands.clone(),
        }
    }

    fn agent(&self) -> Steward {
        Steward::new(self.control.clone()).unwrap()
    }

    /// Tells a client what the pool wants, as the agent does it.
    fn tell(&self, number: u16, state: u64) {
        let attention = &self.control.record(number).unwrap()[record::ATTENTION];
        let told = (attention.load(Ordering::Relaxed) | record::STATE) + 1;
        attention.store(told | state, Ordering::SeqCst);
    }

    /// Everybody is gone: each segment lies in the depot, once.
    fn expect_all_back(&self) {
        let agent = self.agent();
        for number in (1..=agent.number()).rev() {
            assert_eq!(agent.reclaim(number).unwrap().findings, []);
        }
        let census = Census::take(&self.control, |_| false);
        assert_eq!(census.findings, []);
        let lies = |place: &Place| matches!(place, Place::Lying(_));
        assert!(census.places.iter().all(lies), "{census:?}");
    }
}

struct Client<S> {
    lane: Lane<S>,
    hands: Rc<Hands>,
}

impl<S: Steps> Client<S> {
    /// Does an operation, and before it what the pool wants; `None` where there is nothing, or nothing to be done while
    /// segments are scarce or the lease is over.
    fn run<T>(&self, operation: impl Fn(&Lane<S>) -> Result<T, Refusal>) -> Option<T> {
        loop {
            match operation(&self.lane) {
                Ok(done) => return Some(done),
                Err(Refusal::Attention) => match self.lane.attend() {
                    Ok(Attention::Settled) => {}
                    Ok(Attention::Scarce | Attention::Revoked) => return None,
                    Err(refusal) => panic!("{refusal:?}"),
                },
                Err(Refusal::Empty | Refusal::NotHeld) => return None,
                Err(refusal) => panic!("{refusal:?}"),
            }
        }
    }

    fn take(&self) -> Option<Holding> {
        let holding = self.run(Lane::acquire)?;
        self.hands.touch(holding);
        Some(holding)
    }

    fn give(&self, holding: Holding) {
        self.hands.touch(holding);
        self.run(|lane| lane.release(holding));
    }

    fn use_one(&self) {
        if let Some(holding) = self.take() {
            self.give(holding);
        }
    }

    fn trim(&self) {
        self.run(Lane::trim);
    }
}

/// Two clients take and give back, by way of the depot each time, and want the same slots.
///
/// Fails with a relaxed order where a slot is given, and when a slot is taken by a load and a store instead of an
/// exchange.
#[test]
fn a_slot_changes_hands_once() {
    model(4, || {
        let pool = Pool::new(2, 1, 2);
        let (one, other) = (pool.join(1), pool.join(2));
        let work = |client: Client<Undisturbed>| {
            client.use_one();
            client.trim();
        };
        let at_once = thread::spawn(move || {
            work(other);
        });
        one.use_one();
        one.trim();
        one.use_one();
        at_once.join().unwrap();
        pool.expect_all_back();
    });
}

/// A process that is killed after so many steps: nothing of it runs any more, and then its socket closes.
struct Victim {
    left: Cell<u32>,
    is_killed: Cell<bool>,
    socket: Parker,
    end_of_model: Parker,
}

struct Killed;

impl Steps for Rc<Victim> {
    fn after(&self, _: Step) {
        if self.is_killed.get() {
            return;
        }
        match self.left.get() {
            0 => {
                self.is_killed.set(true);
                self.socket.wake();
                self.end_of_model.wait(None);
                resume_unwind(Box::new(Killed));
            }
            left => self.left.set(left - 1),
        }
    }
}

impl Victim {
    fn run(&self, work: impl FnOnce()) {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(()) => self.socket.wake(),
            Err(cause) if cause.is::<Killed>() => {}
            Err(cause) => resume_unwind(cause),
        }
    }
}

/// A client is killed after any step of taking, giving back and emptying its magazine, and the agent takes back what it
/// had, while another client takes and gives back.
///
/// There is one model for each step, so that two preemptions have to do. Fails when the owner word is written after the
/// count is lowered, or cleared before it is raised; when a dead client's slot is given to the depot before it is
/// cleaned; and with a relaxed order where a slot is given.
#[test]
fn what_a_killed_client_had_comes_back_while_others_work() {
    for last in 0.. {
        let kills = Arc::new(Counter::new(0));
        let counted = kills.clone();
        model(2, move || {
            let pool = Pool::new(2, 1, 2);
            let agent = pool.agent();
            let victim = Rc::new(Victim {
                left: Cell::new(u32::MAX),
                is_killed: Cell::new(false),
                socket: Parker::new(),
                end_of_model: Parker::new(),
            });
            let client = pool.join_with(1, Barrier::OfThePool, victim.clone());
            let other = pool.join(2);
            victim.left.set(last);
            let process = thread::spawn({
                let victim = victim.clone();
                move || {
                    victim.run(|| {
                        client.use_one();
                        client.trim();
                    });
                }
            });
            let other = thread::spawn(move || {
                other.use_one();
                other.trim();
            });
            victim.socket.wait(None);
            assert_eq!(agent.reclaim(1).unwrap().findings, []);
            other.join().unwrap();
            pool.expect_all_back();
            counted.fetch_add(victim.is_killed.get().into(), Ordering::Relaxed);
            victim.end_of_model.wake();
            process.join().unwrap();
        });
        if kills.load(Ordering::Relaxed) == 0 {
            assert!(last > 8, "the client was killed at {last} steps only");
            break;
        }
    }
}

/// A client that handed a segment over dies, and two want what was handed over while the agent takes all back.
///
/// Four threads, so three preemptions. Fails when a segment is taken over by a load and a store instead of an exchange.
#[test]
fn what_was_handed_over_is_had_by_one() {
    model(3, || {
        let pool = Pool::new(2, 1, 3);
        let agent = pool.agent();
        let giver = pool.join(1);
        let handed = giver.take().unwrap();
        giver.lane.hand_over(handed);
        let takers = [2, 3].map(|number| {
            let taker = pool.join(number);
            thread::spawn(move || {
                if let Some(adopted) = taker.run(|lane| lane.adopt(handed)) {
                    taker.hands.touch(adopted);
                    taker.give(adopted);
                }
            })
        });
        assert_eq!(agent.reclaim(1).unwrap().findings, []);
        if let Some(granted) = agent.grant(1).unwrap() {
            pool.hands.touch(granted);
        }
        for taker in takers {
            taker.join().unwrap();
        }
        pool.expect_all_back();
    });
}

/// The agent takes the magazines of a client that is in no operation, grants what lay there, and lets the client use
/// its magazines again, while it takes and gives back.
///
/// Fails without the barrier on either side; when the agent does not look whether the client is in an operation, or
/// does so with a relaxed order; with a relaxed order where an operation ends; when a client that is told to look does
/// not ask which slots it still has; and when one that gives its magazines back takes it for damage that the agent was
/// quicker.
#[test]
fn magazines_are_taken_from_a_client_that_is_in_no_operation() {
    model(4, || {
        let pool = Pool::new(2, 1, 1);
        let agent = pool.agent();
        let client = pool.join_with_barriers(1);
        client.use_one();
        let at_once = thread::spawn({
            let pool = pool.clone();
            move || {
                pool.tell(1, record::SCARCE);
                barrier::impose();
                if !agent.is_busy(1) {
                    agent.drain(1);
                }
                while let Some(granted) = agent.grant(1).unwrap() {
                    pool.hands.touch(granted);
                }
                agent.settle().unwrap();
                pool.tell(1, record::OPEN);
            }
        });
        client.use_one();
        client.use_one();
        at_once.join().unwrap();
        pool.expect_all_back();
    });
}

/// The agent ends the lease of a client that lives, and takes back what it had as soon as it is in no operation.
///
/// Fails as the model before this one does, and when the client keeps its magazines.
#[test]
fn a_client_whose_lease_is_over_is_taken_from_once() {
    model(4, || {
        let pool = Pool::new(2, 1, 1);
        let agent = pool.agent();
        let client = pool.join_with_barriers(1);
        let held = client.take().unwrap();
        let at_once = thread::spawn({
            let pool = pool.clone();
            move || {
                pool.tell(1, record::REVOKED);
                barrier::impose();
                if !agent.is_busy(1) {
                    assert_eq!(agent.reclaim(1).unwrap().findings, []);
                    let census = Census::take(&pool.control, |_| false);
                    assert_eq!(census.findings, []);
                }
            }
        });
        client.run(Lane::acquire);
        client.run(|lane| lane.release(held));
        client.trim();
        at_once.join().unwrap();
        pool.expect_all_back();
    });
}

/// The agent looks at everything while a client takes from a magazine and puts another segment in the same place, and
/// gives the magazine to the depot: it finds nothing wrong and loses sight of nothing.
///
/// Fails with a relaxed order where an index is put, a count is written or read, an owner word is cleared, or a slot's
/// word is read; without the fence before the second reading of the owner words; and when an owner word is written
/// after the count is lowered, or cleared before it is raised.
#[test]
fn a_look_finds_nothing_wrong_while_a_client_works() {
    model(4, || {
        let pool = Pool::new(2, 2, 1);
        let client = pool.join(1);
        let held = client.take().unwrap();
        let look = thread::spawn({
            let pool = pool.clone();
            move || {
                let census = Census::take(&pool.control, |number| number == 1);
                assert_eq!(census.findings, []);
            }
        });
        let other = client.take().unwrap();
        client.give(held);
        client.give(other);
        client.trim();
        look.join().unwrap();
        pool.expect_all_back();
    });
}
