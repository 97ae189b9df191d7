//! A model of the owner words against kill: every short run of operations, killed after every step of it, and the
//! clean-up killed after every step of that.
//!
//! A step is a store that others can notice. What is wrong in the order of two of them shows here as a segment that is
//! lost, doubled, or somebody's who is gone.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use super::census::{Census, Place};
use super::lane::{Barrier, Holding, Lane, Refusal};
use super::layout::{Layout, Sizes, record};
use super::memory::{Control, Ordering};
use super::steps::{Step, Steps};
use super::steward::Steward;
use crate::pool::mapping::Mapping;

const SEGMENTS: u32 = 5;

/// Counts steps, and kills whoever makes the one that was chosen.
#[derive(Default)]
struct Fate {
    made: Cell<u32>,
    last: Cell<u32>,
}

struct Killed;

impl Steps for Rc<Fate> {
    fn after(&self, _: Step) {
        let made = self.made.get();
        self.made.set(made + 1);
        if made == self.last.get() {
            resume_unwind(Box::new(Killed));
        }
    }
}

impl Fate {
    /// Forgets what was made, and kills after so many steps from now.
    fn begin(&self, last: u32) {
        self.made.set(0);
        self.last.set(last);
    }
}

/// Whether `run` came to its end, instead of being killed.
fn survives(run: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => true,
        Err(cause) if cause.is::<Killed>() => false,
        Err(cause) => resume_unwind(cause),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// The client takes a segment.
    Acquire,
    /// The client gives its last one back.
    Release,
    /// The client gives its magazines back.
    Trim,
    /// The client takes a segment over that another one handed over.
    Adopt,
    /// The agent grants the client a segment.
    Grant,
    /// The agent takes back the client's last one.
    TakeBack,
    /// The agent takes the client's magazines.
    Drain,
}

const OPERATIONS: [Operation; 7] = [
    Operation::Acquire,
    Operation::Release,
    Operation::Trim,
    Operation::Adopt,
    Operation::Grant,
    Operation::TakeBack,
    Operation::Drain,
];

impl Operation {
    fn is_the_agents(self) -> bool {
        matches!(self, Self::Grant | Self::TakeBack | Self::Drain)
    }
}

struct World {
    control: Arc<Control>,
    fate: Rc<Fate>,
    steward: Steward<Rc<Fate>>,
    client: Lane<Rc<Fate>>,
    other: Lane<Rc<Fate>>,
    held: Vec<Holding>,
    others: Vec<Holding>,
    handed: usize,
}

impl World {
    /// A pool of a few slots of two segments each, in which another client has two segments.
    fn new() -> Self {
        let sizes = Sizes {
            segment_bytes: 64,
            segments: SEGMENTS,
            slot_capacity: 2,
            slots: 13,
            clients: 2,
        };
        let layout = Layout::of(sizes, 1).unwrap();
        let length = usize::try_from(layout.control_bytes()).unwrap();
        let control = Control::create(Mapping::anonymous(length).unwrap(), layout).unwrap();
        let control = Arc::new(control);
        let fate = Rc::new(Fate::default());
        fate.begin(u32::MAX);
        let lane = |number| {
            let words = control.record(number).unwrap();
            words[record::QUOTA].store(SEGMENTS.into(), Ordering::Relaxed);
            let identity = (number, 0);
            let lane = Lane::new(control.clone(), identity, Barrier::OfItsOwn, fate.clone());
            lane.attend().unwrap();
            lane
        };
        let (client, other) = (lane(1), lane(2));
        let others = vec![other.acquire().unwrap(), other.acquire().unwrap()];
        Self {
            steward: Steward::new_with(control.clone(), fate.clone()).unwrap(),
            control,
            fate,
            client,
            other,
            held: Vec::new(),
            others,
            handed: 0,
        }
    }

    fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Acquire => match self.client.acquire() {
                Ok(holding) => self.held.push(holding),
                Err(Refusal::Empty | Refusal::Quota) => {}
                Err(refusal) => panic!("{refusal:?}"),
            },
            Operation::Release => {
                if let Some(holding) = self.held.pop() {
                    self.client.release(holding).unwrap();
                }
            }
            Operation::Trim => self.client.trim().unwrap(),
            Operation::Adopt => {
                if let Some(&handed) = self.others.get(self.handed) {
                    self.handed += 1;
                    self.other.hand_over(handed);
                    self.held.extend(self.client.adopt(handed));
                }
            }
            Operation::Grant => {
                if let Some(holding) = self.steward.grant(1).unwrap() {
                    self.client.note_granted();
                    self.held.push(holding);
                }
                self.steward.settle().unwrap();
            }
            Operation::TakeBack => {
                if let Some(holding) = self.held.pop() {
                    self.client.forget();
                    assert_eq!(self.steward.take_back(holding), Ok(true));
                }
                self.steward.settle().unwrap();
            }
            // As the agent does it: the client is told first, and looks before its next operation.
            Operation::Drain => {
                let attention = &self.control.record(1).unwrap()[record::ATTENTION];
                let told = (attention.load(Ordering::Relaxed) | record::STATE) + 1;
                attention.store(told, Ordering::SeqCst);
                self.steward.drain(1);
                let (made, last) = (self.fate.made.get(), self.fate.last.get());
                self.fate.last.set(u32::MAX);
                self.client.attend().unwrap();
                self.fate.made.set(made);
                self.fate.last.set(last);
            }
        }
    }

    /// Runs operations, of which the last one is killed after so many steps; answers it if it was.
    fn run_all(&mut self, operations: &[Operation], last: u32) -> Option<Operation> {
        let (&final_one, before) = operations.split_last().unwrap();
        for &operation in before {
            self.run(operation);
        }
        self.fate.begin(last);
        (!survives(|| self.run(final_one))).then_some(final_one)
    }

    fn census(&self) -> Census {
        let census = Census::take(&self.control, |owner| (1..=3).contains(&owner));
        assert_eq!(census.findings, []);
        census
    }

    /// Cleans up after whoever was killed, or after the client where none was; answers whether that was not killed too.
    fn clean_up(&self, killed: Option<Operation>) -> bool {
        survives(|| {
            if killed.is_some_and(Operation::is_the_agents) {
                self.new_agent();
            } else {
                assert_eq!(self.steward.reclaim(1).unwrap().findings, []);
            }
        })
    }

    /// What an agent does first that comes after one that was killed.
    fn new_agent(&self) {
        let steward = Steward::new_with(self.control.clone(), self.fate.clone()).unwrap();
        assert_eq!(steward.reclaim(3).unwrap().findings, []);
    }

    /// Everybody is gone: each segment lies in the depot, once.
    fn expect_all_back(&self) {
        let steward = Steward::new_with(self.control.clone(), self.fate.clone()).unwrap();
        for number in [3, 1, 2] {
            assert_eq!(steward.reclaim(number).unwrap().findings, []);
        }
        let census = self.census();
        let is_back =
            |place: &Place| matches!(*place, Place::Lying(slot) if census.owner_of(slot) == 0);
        assert!(census.places.iter().all(is_back), "{census:?}");
    }

    /// What the other client did not hand over is its own whatever happened, and what nobody took over as well.
    fn expect_others_undisturbed(&self) {
        let is_its_own = |&&holding: &&Holding| self.other.holds(holding);
        assert!(
            self.others
                .iter()
                .skip(self.handed)
                .all(|holding| is_its_own(&holding))
        );
        let kept = self.others.iter().filter(is_its_own).count();
        let places = self.census().places;
        let held = |place: &&Place| **place == Place::Held(2);
        assert_eq!(places.iter().filter(held).count(), kept);
    }
}

/// Visits all runs of up to so many operations.
fn each_run(longest: u32, mut visit: impl FnMut(&[Operation])) {
    for length in 1..=longest {
        for mut number in 0..OPERATIONS.len().pow(length) {
            let operations: Vec<_> = (0..length)
                .map(|_| {
                    let operation = OPERATIONS[number % OPERATIONS.len()];
                    number /= OPERATIONS.len();
                    operation
                })
                .collect();
            visit(&operations);
        }
    }
}

/// Runs operations with a kill after each step of the last one, and after each step of the clean-up if `kills_twice`.
fn kill_everywhere(operations: &[Operation], kills_twice: bool) -> u64 {
    let mut runs = 0;
    for last in 0.. {
        for last_of_clean_up in 0.. {
            let mut world = World::new();
            let killed = world.run_all(operations, last);
            world.fate.begin(if kills_twice {
                last_of_clean_up
            } else {
                u32::MAX
            });
            let is_cleaned = world.clean_up(killed);
            world.fate.begin(u32::MAX);
            if is_cleaned {
                world.expect_others_undisturbed();
            }
            world.expect_all_back();
            runs += 1;
            if is_cleaned {
                if killed.is_none() {
                    return runs;
                }
                break;
            }
        }
    }
    runs
}

/// Whichever operation after up to three others a client or the agent is killed in, at whatever step: nothing is lost or doubled, and
/// what another client holds stays its own.
#[test]
fn a_kill_after_any_step_loses_and_doubles_nothing() {
    let mut runs = 0;
    each_run(4, |operations| runs += kill_everywhere(operations, false));
    assert!(runs > 10_000, "{runs}");
}

/// The same when the agent is killed in turn while it cleans up, at whatever step of that.
#[test]
fn a_kill_during_the_clean_up_loses_and_doubles_nothing() {
    let mut runs = 0;
    each_run(3, |operations| runs += kill_everywhere(operations, true));
    assert!(runs > 10_000, "{runs}");
}
