//! The line of those who wait for memory, against the rule written out in full.

use headroom::pool::fairness::{Place, ServiceOrder, WaitingLine};
use proptest::prelude::*;

fn line(passes: u32) -> WaitingLine {
    WaitingLine::new(ServiceOrder::LeastDemandFirst { passes })
}

/// In the order of arrival a demand that does not fit holds up all behind it, small as they may be.
#[test]
fn arrival_order_lets_nobody_pass() {
    let mut line = WaitingLine::new(ServiceOrder::ArrivalOrder);
    let (large, small) = (line.join(50), line.join(10));
    assert_eq!(line.serve(49), None);
    assert!(!line.lets_pass(1));
    assert_eq!(line.serve(50), Some(large));
    assert_eq!(line.serve(10), Some(small));
    assert!(line.is_empty() && line.lets_pass(1));
}

/// The least demand goes first, and of equal ones the one that came first.
#[test]
fn least_demand_goes_first() {
    let mut line = line(10);
    let [large, small, equal] = [30, 10, 10].map(|demand| line.join(demand));
    assert_eq!(line.serve(9), None);
    assert_eq!(
        [100, 90, 80].map(|available| line.serve(available)),
        [small, equal, large].map(Some)
    );
}

/// A large demand is passed as often as the bound says, and then the line holds still for it.
#[test]
fn a_large_demand_is_passed_at_most_as_often_as_the_bound_says() {
    let mut line = line(2);
    let large = line.join(100);
    let small: Vec<Place> = (0..4).map(|_| line.join(1)).collect();
    assert_eq!(line.serve(50), Some(small[0]));
    // One that does not wait counts as well.
    assert!(!line.lets_pass(1) && line.lets_pass(0));
    line.count_pass();
    assert!(!line.lets_pass(0));
    assert_eq!(line.serve(99), None);
    assert_eq!(line.serve(100), Some(large));
    // Those behind were passed once, by the one that did not wait.
    assert_eq!(line.serve(50), Some(small[1]));
}

/// Who leaves the line is not served, and no longer holds it up.
#[test]
fn who_leaves_holds_up_nobody() {
    let mut line = line(0);
    let (large, small) = (line.join(100), line.join(1));
    assert!(line.leave(large));
    assert!(!line.leave(large));
    assert_eq!(line.serve(1), Some(small));
    assert!(!line.leave(small));
    let rest = [line.join(3), line.join(2)];
    assert_eq!(line.drain().collect::<Vec<_>>(), rest);
    assert_eq!(line.len(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Join(u64),
    Leave(prop::sample::Index),
    /// A demand that does not wait.
    Pass(u64),
    /// One of those who were served gives everything back.
    Release(prop::sample::Index),
}

/// Who waits, in the order of arrival, with the places that were served before although they came later.
#[derive(Debug)]
struct Waiting {
    place: Place,
    demand: u64,
    passed_by: u32,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u64..=100).prop_map(Step::Join),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        1 => (0_u64..=40).prop_map(Step::Pass),
        4 => any::<prop::sample::Index>().prop_map(Step::Release),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Nobody is passed more often than the bound, never is more given out than there is, and as long as those who are
    /// served give back, everybody is served.
    #[test]
    fn nobody_starves(steps in steps(), passes in 0_u32..5) {
        let mut line = line(passes);
        let mut available = 100_u64;
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut held: Vec<u64> = Vec::new();
        let serve = |line: &mut WaitingLine, available: &mut u64, waiting: &mut Vec<Waiting>, held: &mut Vec<u64>| {
            while let Some(place) = line.serve(*available) {
                let index = waiting.iter().position(|waiting| waiting.place == place).unwrap();
                let served = waiting.remove(index);
                prop_assert!(served.demand <= *available);
                *available -= served.demand;
                held.push(served.demand);
                for earlier in &mut waiting[..index] {
                    earlier.passed_by += 1;
                    prop_assert!(earlier.passed_by <= passes, "{earlier:?}");
                }
                // The right one: the first where it was passed often enough, and otherwise nobody wanted less.
                if index > 0 {
                    prop_assert!(waiting.iter().all(|other| other.demand >= served.demand));
                    prop_assert!(waiting[..index].iter().all(|other| other.demand > served.demand));
                }
            }
            // What holds the line up does not fit.
            if let Some(first) = waiting.first() {
                let next = if first.passed_by >= passes {
                    first.demand
                } else {
                    waiting.iter().map(|waiting| waiting.demand).min().unwrap()
                };
                prop_assert!(next > *available);
            }
            Ok(())
        };
        for step in steps {
            match step {
                Step::Join(demand) => {
                    let place = line.join(demand);
                    waiting.push(Waiting { place, demand, passed_by: 0 });
                }
                Step::Leave(which) if !waiting.is_empty() => {
                    let left = waiting.remove(which.index(waiting.len()));
                    prop_assert!(line.leave(left.place));
                }
                Step::Pass(demand) if demand <= available && line.lets_pass(demand) => {
                    available -= demand;
                    held.push(demand);
                    line.count_pass();
                    for passed in &mut waiting {
                        passed.passed_by += 1;
                        prop_assert!(passed.passed_by <= passes, "{passed:?}");
                        prop_assert!(passed.demand > demand);
                    }
                }
                Step::Release(which) if !held.is_empty() => {
                    available += held.swap_remove(which.index(held.len()));
                }
                Step::Leave(_) | Step::Pass(_) | Step::Release(_) => {}
            }
            serve(&mut line, &mut available, &mut waiting, &mut held)?;
            prop_assert_eq!(line.len(), waiting.len());
            prop_assert_eq!(available + held.iter().sum::<u64>(), 100);
        }
        while let Some(returned) = held.pop() {
            available += returned;
            serve(&mut line, &mut available, &mut waiting, &mut held)?;
        }
        prop_assert!(waiting.is_empty() && line.is_empty());
    }
}
