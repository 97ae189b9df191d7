//! The protocol in one process: random operations of several clients, deaths at random steps, and damage.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::census::{Census, Place};
use super::inspection::Inspection;
use super::lane::{Attention, Barrier, Holding, Lane, Refusal};
use super::layout::{HEADER_WORDS, LAYOUT_VERSION, Layout, record};
use super::memory::{Control, Ordering};
use super::registry::Registry;
use super::steps::{Step, Steps, Undisturbed};
use super::steward::Steward;
use super::wire::{Access, Hello, PoolMessage};
use crate::pool::mapping::Mapping;

/// Ends the operation it stands in as a kill would: nothing that comes after is done.
#[derive(Default)]
struct Fate {
    left: Cell<Option<u32>>,
    last: RefCell<Vec<Step>>,
}

struct Killed;

impl Steps for Rc<Fate> {
    fn after(&self, step: Step) {
        match self.left.get() {
            Some(0) => {
                self.left.set(None);
                self.last.borrow_mut().push(step);
                resume_unwind(Box::new(Killed));
            }
            left => self.left.set(left.map(|left| left - 1)),
        }
    }
}

struct Client {
    lane: Lane<Rc<Fate>>,
    fate: Rc<Fate>,
    held: Vec<Holding>,
}

struct World {
    control: Arc<Control>,
    steward: Steward,
    clients: Vec<Client>,
}

pub(super) fn control(segments: u32, clients: u16) -> Arc<Control> {
    let layout = Layout::plan(64, segments, clients, 1).unwrap();
    let length = usize::try_from(layout.control_bytes()).unwrap();
    Arc::new(Control::create(Mapping::anonymous(length).unwrap(), layout).unwrap())
}

/// Tells a client to look at everything, and that segments are not scarce.
fn open(control: &Control, number: u16) {
    let attention = &control.record(number).unwrap()[record::ATTENTION];
    let next = (attention.load(Ordering::Relaxed) | record::STATE) + 1;
    attention.store(next, Ordering::SeqCst);
}

fn join(control: &Arc<Control>, number: u16, quota: u32) -> Client {
    let words = control.record(number).unwrap();
    words[record::QUOTA].store(quota.into(), Ordering::Relaxed);
    open(control, number);
    words[record::BUSY].store(0, Ordering::Relaxed);
    let fate = Rc::new(Fate::default());
    let lane = Lane::new(
        control.clone(),
        (number, 0),
        Barrier::OfItsOwn,
        fate.clone(),
    );
    assert_eq!(lane.attend(), Ok(Attention::Settled));
    Client {
        lane,
        fate,
        held: Vec::new(),
    }
}

impl World {
    fn new(segments: u32, clients: u16) -> Self {
        let control = control(segments, clients);
        Self {
            steward: Steward::new(control.clone()).unwrap(),
            clients: (1..=clients)
                .map(|number| join(&control, number, segments))
                .collect(),
            control,
        }
    }

    fn census(&self) -> Census {
        Census::take(&self.control, |owner| {
            (1..=self.control.layout().own_number()).contains(&owner)
        })
    }

    /// Nothing is wrong, and each segment is where the clients think it is.
    fn check(&self) {
        let census = self.census();
        assert_eq!(census.findings, []);
        for (segment, place) in (0..).zip(&census.places) {
            let holders = (1..).zip(&self.clients).filter(|(_, client)| {
                client
                    .held
                    .iter()
                    .any(|holding| holding.segment == segment && client.lane.holds(*holding))
            });
            match *place {
                Place::Held(holder) => {
                    assert_eq!(
                        holders.map(|(number, _)| number).collect::<Vec<u16>>(),
                        [holder]
                    );
                }
                Place::Lying(_) => assert_eq!(holders.count(), 0),
                Place::Moving | Place::Lost | Place::Orphaned => panic!("{segment}: {place:?}"),
            }
        }
    }

    /// Runs an operation of a client, and buries it if it dies in it.
    fn run(
        &mut self,
        client: usize,
        operation: impl FnOnce(&mut Client, &mut Option<Holding>),
    ) -> Option<Holding> {
        let mut result = None;
        let victim = &mut self.clients[client];
        let outcome = catch_unwind(AssertUnwindSafe(|| operation(victim, &mut result)));
        if let Err(cause) = outcome {
            if !cause.is::<Killed>() {
                resume_unwind(cause);
            }
            let number = u16::try_from(client).unwrap() + 1;
            let estate = self.steward.reclaim(number).unwrap();
            assert_eq!(estate.findings, []);
            let quota = self.clients[client].lane.quota();
            self.clients[client] = join(&self.control, number, quota);
            result = None;
        }
        result
    }
}

#[derive(Clone, Debug)]
enum Action {
    Acquire(usize, u32),
    Release(usize, u32),
    Adopt(usize, usize),
    Trim(usize),
    Quota(usize, u32),
    Recall(usize),
    Kill(usize, u32),
}

fn actions(clients: usize) -> impl Strategy<Value = Vec<Action>> {
    let client = 0..clients;
    let action = prop_oneof![
        4 => (client.clone(), 1_u32..12).prop_map(|(client, count)| Action::Acquire(client, count)),
        4 => (client.clone(), 1_u32..12).prop_map(|(client, count)| Action::Release(client, count)),
        2 => (client.clone(), client.clone()).prop_map(|(from, to)| Action::Adopt(from, to)),
        1 => client.clone().prop_map(Action::Trim),
        1 => (client.clone(), 0_u32..40).prop_map(|(client, quota)| Action::Quota(client, quota)),
        1 => client.clone().prop_map(Action::Recall),
        2 => (client, 0_u32..60).prop_map(|(client, steps)| Action::Kill(client, steps)),
    ];
    prop::collection::vec(action, 1..80)
}

fn act(world: &mut World, action: &Action) {
    match *action {
        Action::Acquire(client, count) => {
            for _ in 0..count {
                world.run(client, |client, _| match client.lane.acquire() {
                    Ok(holding) => client.held.push(holding),
                    Err(Refusal::Quota) => assert!(client.lane.taken() >= client.lane.quota()),
                    Err(Refusal::Empty) => {}
                    refused => panic!("{refused:?}"),
                });
            }
        }
        Action::Release(client, count) => {
            for _ in 0..count {
                world.run(client, |client, _| {
                    if let Some(holding) = client.held.pop() {
                        assert_eq!(client.lane.release(holding), Ok(()));
                        assert_eq!(client.lane.release(holding), Err(Refusal::NotHeld));
                    }
                });
            }
        }
        Action::Adopt(from, to) => {
            let Some(handed) = world.clients[from].held.pop() else {
                return;
            };
            world.clients[from].lane.forget();
            let adopted = world.run(to, |client, adopted| match client.lane.adopt(handed) {
                Ok(holding) => {
                    client.held.push(holding);
                    assert!(client.lane.adopt(handed).is_err());
                    *adopted = Some(holding);
                }
                Err(Refusal::Quota) => {}
                Err(refusal) => panic!("{refusal:?}"),
            });
            // Nobody took it: it is still its first owner's, who gives it back.
            if adopted.is_none() {
                world.run(from, |client, _| {
                    if client.lane.holds(handed) {
                        client.lane.note_granted();
                        client.held.push(handed);
                    }
                });
            }
        }
        Action::Trim(client) => {
            world.run(client, |client, _| assert_eq!(client.lane.trim(), Ok(())));
        }
        Action::Quota(client, quota) => {
            let number = u16::try_from(client).unwrap() + 1;
            let words = world.control.record(number).unwrap();
            words[record::QUOTA].store(quota.into(), Ordering::Relaxed);
            open(&world.control, number);
            world.run(client, |client, _| {
                assert_eq!(client.lane.acquire(), Err(Refusal::Attention));
                assert_eq!(client.lane.attend(), Ok(Attention::Settled));
            });
        }
        Action::Recall(client) => {
            let number = u16::try_from(client).unwrap() + 1;
            let words = world.control.record(number).unwrap();
            words[record::ATTENTION].fetch_or(record::SCARCE, Ordering::SeqCst);
            assert_eq!(words[record::BUSY].load(Ordering::Acquire), 0);
            world.steward.drain(number);
            world.run(client, |client, _| {
                assert_eq!(client.lane.acquire(), Err(Refusal::Attention));
                assert_eq!(client.lane.attend(), Ok(Attention::Scarce));
                assert_eq!(client.lane.acquire(), Err(Refusal::Attention));
            });
            open(&world.control, number);
            world.run(client, |client, _| {
                assert_eq!(client.lane.attend(), Ok(Attention::Settled));
            });
        }
        Action::Kill(client, steps) => world.clients[client].fate.left.set(Some(steps)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever clients do and wherever they die, each segment stays in exactly one place.
    #[test]
    fn nothing_is_lost_or_doubled(
        segments in 1_u32..600,
        actions in actions(3),
    ) {
        let mut world = World::new(segments, 3);
        for action in &actions {
            act(&mut world, action);
            world.check();
        }
        for client in &world.clients {
            client.fate.left.set(None);
        }
        for number in 1..=3 {
            prop_assert_eq!(world.steward.reclaim(number).unwrap().findings, []);
        }
        let census = world.census();
        prop_assert!(census.findings.is_empty());
        let lying = census.places.iter().filter(|place| matches!(place, Place::Lying(slot) if census.owner_of(*slot) == 0));
        prop_assert_eq!(lying.count(), segments as usize);
    }
}

/// Writes any bytes into a control file, as a client could that means harm. The header is not read again.
fn scribble(control: &Control, marks: &[(u32, u64)]) {
    let owners = control.owners();
    let slots = control.layout().sizes().slots;
    for &(place, value) in marks {
        let number = place / 8;
        match place % 8 {
            0 => owners[number as usize % owners.len()].store(value, Ordering::Relaxed),
            1 => control.slot_words()[(number % slots) as usize].store(value, Ordering::Relaxed),
            2 => {
                let count = control.count(number % slots).unwrap();
                count.store(value as u32, Ordering::Relaxed);
            }
            3 | 4 => {
                let indexes = control.indexes(number % slots).unwrap();
                let place = number as usize / 7 % indexes.len();
                // Now and then the index of a segment.
                let value = if value % 3 == 0 {
                    value as u32
                } else {
                    value as u32 % 64
                };
                indexes[place].store(value, Ordering::Relaxed);
            }
            5 | 6 => {
                let client = number as u16 % control.layout().own_number() + 1;
                let record = control.record(client).unwrap();
                record[number as usize / 5 % record.len()].store(value, Ordering::Relaxed);
            }
            _ => {
                let common = control.common().unwrap();
                common[number as usize % common.len()].store(value, Ordering::Relaxed);
            }
        }
    }
}

fn marks() -> impl Strategy<Value = Vec<(u32, u64)>> {
    let value = prop_oneof![
        any::<u64>(),
        0_u64..8,
        Just(u64::MAX),
        // A client's number and a generation; a slot's owner and count.
        (0_u64..6, 0_u64..9).prop_map(|(owner, generation)| owner << 48 | generation),
        (0_u64..6, 0_u64..9).prop_map(|(owner, count)| owner << 48 | count << 32 | 1),
    ];
    prop::collection::vec((any::<u32>(), value), 0..40)
}

fn hello(name: &str) -> Hello {
    Hello {
        version: LAYOUT_VERSION,
        access: Access::DirectWithBarriers,
        required: 0,
        maximum: 20,
        number: 0,
        lease: 0,
        name: name.to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is written over the control file, before an agent takes it over or while it works, the agent goes on, and
    /// gets back every segment once the clients are gone. Clients get errors, and no panic.
    #[test]
    fn no_bytes_are_too_wild(
        segments in 1_u32..100,
        rounds in prop::collection::vec((marks(), 0_u32..30), 1..6),
        is_new_agent: bool,
    ) {
        let control = control(segments, 3);
        let now = Instant::now();
        let start = || Registry::new(control.clone(), Duration::ZERO, now);
        let mut registry = start().unwrap();
        let mut clients: Vec<(Lane<Undisturbed>, Vec<Holding>)> = (0..3)
            .map(|number: u8| {
                let admitted = registry.join(&hello(&number.to_string()), 0).unwrap();
                let identity = (admitted.number, admitted.lease);
                let lane = Lane::new(control.clone(), identity, Barrier::OfItsOwn, Undisturbed);
                lane.attend().unwrap();
                (lane, Vec::new())
            })
            .collect();
        for (number, (marks, operations)) in rounds.into_iter().enumerate() {
            scribble(&control, &marks);
            for (lane, held) in &mut clients {
                for operation in 0..operations {
                    let outcome = if operation % 3 < 2 {
                        lane.acquire().map(|holding| held.push(holding))
                    } else {
                        held.pop().map_or(Ok(()), |holding| lane.release(holding))
                    };
                    match outcome {
                        Err(Refusal::Attention) => drop(lane.attend()),
                        Err(Refusal::Damaged(_)) => lane.abandon(),
                        _ => {}
                    }
                }
            }
            registry.acquire(1, (number as u32, 3), number % 2 == 0, now);
            registry.look(now);
            registry.cancel(1, number as u32, now);
            if is_new_agent && let Ok(next) = start() {
                registry = next;
            }
            Inspection::of(&control);
        }
        for number in 1..=3 {
            registry.leave(number, now);
        }
        for _ in 0..3 {
            registry.look(now);
        }
        let inspection = Inspection::of(&control);
        prop_assert_eq!((inspection.free, inspection.clients.len()), (segments, 0));
        let admitted = registry.join(&hello("fresh"), 0).unwrap();
        registry.acquire(admitted.number, (1, 100), false, now);
        let granted = registry.take_outgoing().pop();
        let is_granted = matches!(
            &granted,
            Some((_, PoolMessage::Granted { segments: granted, .. }))
                if granted.len() == segments.min(20) as usize
        );
        prop_assert!(is_granted, "{:?}", granted);
    }

    /// Any bytes as a control file are a pool or an error.
    #[test]
    fn any_file_is_a_pool_or_an_error(
        words in prop::collection::vec(any::<u64>(), 0..40),
        length in prop::option::of(0_usize..9000),
        well_begun in 0_usize..17,
    ) {
        let layout = Layout::plan(64, 1, 1, 1)?;
        let length = length.unwrap_or(layout.control_bytes() as usize);
        let mapping = Mapping::anonymous(length).unwrap();
        let begin = layout.header();
        let begin = begin.iter().copied().take(well_begun);
        Control::write_over(&mapping, begin.chain(words));
        if let Ok(control) = Control::open(mapping) {
            prop_assert_eq!(control.layout().control_bytes(), length as u64);
        }
    }
}

/// Long runs of zeroes, of ones and of noise over anything but the header are put right as soon as nobody makes more.
#[test]
fn runs_of_nonsense_are_put_right() {
    for seed in 0..40_u64 {
        let control = control(200, 8);
        let now = Instant::now();
        let grace = Duration::from_secs(30);
        let mut registry = Registry::new(control.clone(), grace, now).unwrap();
        let admitted = registry.join(&hello("honest"), 0).unwrap();
        let identity = (admitted.number, admitted.lease);
        let lane = Lane::new(control.clone(), identity, Barrier::OfItsOwn, Undisturbed);
        lane.attend().unwrap();
        for _ in 0..20 {
            lane.acquire().unwrap();
        }
        registry.look(now);
        let mut state = seed;
        let mut random = move |bound: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % bound
        };
        let words = control.layout().control_bytes() / 8;
        for round in 0..60 {
            let first = HEADER_WORDS as u64 + random(words - HEADER_WORDS as u64);
            let count = [1, 8, 64, 512][round % 4].min(words - first);
            for word in first..first + count {
                let value = [0, u64::MAX, random(u64::MAX)][round % 3];
                control.scribble(word, value);
            }
            registry.look(now);
        }
        registry.leave(admitted.number, now);
        for _ in 0..3 {
            registry.look(now);
        }
        assert_eq!(Inspection::of(&control).free, 200, "seed {seed}");
    }
}
