//! The nearest value that is far enough: exact to the byte, found from the numbers of the violations themselves.
//!
//! Every size of the model is piecewise linear in every option, so the gap that a violation states leads to the
//! bound in a step or two. Whatever the numbers say, the answer is a value that was tried and whose neighbour was
//! tried too; where they say nothing, the range is halved.

/// What a value that was tried leads to.
pub(super) enum Verdict {
    /// Not far enough, by this much of the violated sum where that is known.
    Short(Option<u64>),
    /// Far enough.
    Good,
    /// Too far, or harmful in another way.
    Beyond,
}

/// Where a search begins: a value that is not far enough.
pub(super) struct Start {
    /// The value.
    pub value: u64,
    /// By how much the sum is violated there.
    pub gap: Option<u64>,
}

/// Changes of slope that are followed before the steps begin to double.
const PATIENCE: u32 = 8;

/// The value nearest to the start that is good, between the start and `end`.
///
/// # Guarantees
/// The answer was judged good, and its neighbour on the side of the start was judged not to be (or is the start).
pub(super) fn nearest(
    start: &Start,
    end: u64,
    mut judge: impl FnMut(u64) -> Verdict,
) -> Option<u64> {
    let upwards = end > start.value;
    let toward = |from: u64, distance: u64| {
        if upwards {
            from.saturating_add(distance).min(end)
        } else {
            from.saturating_sub(distance).max(end)
        }
    };
    let mut near = Near {
        value: start.value,
        gap: start.gap,
        slope: 1.0,
    };
    let mut stride = 1_u64;
    let (mut far, mut good) = (end, false);
    for round in 0_u32.. {
        if near.value == end {
            return None;
        }
        if near.gap.is_none() || round >= PATIENCE {
            stride = stride.saturating_mul(2);
        }
        far = toward(near.value, near.estimate().max(stride));
        match judge(far) {
            Verdict::Short(gap) => near.move_to(far, gap),
            Verdict::Good => {
                good = true;
                break;
            }
            Verdict::Beyond => break,
        }
    }
    // The bound lies between the two; a step that the numbers gave mostly ends exactly at it.
    let mut try_neighbour = good;
    let mut try_estimate = false;
    for round in 1_u32.. {
        let width = near.value.abs_diff(far);
        if width <= 1 {
            break;
        }
        if !good && near.gap.is_some_and(|gap| width < gap / 8) {
            // No slope of the model is so steep.
            return None;
        }
        let estimate = near.estimate();
        let value = if try_neighbour || (try_estimate && estimate == width) {
            toward(near.value, width - 1)
        } else if try_estimate && estimate < width && !round.is_multiple_of(4) {
            toward(near.value, estimate)
        } else {
            toward(near.value, width / 2)
        };
        match judge(value) {
            Verdict::Short(gap) => {
                near.move_to(value, gap);
                (try_neighbour, try_estimate) = (false, true);
            }
            verdict => {
                try_neighbour = try_estimate && !try_neighbour;
                try_estimate = false;
                far = value;
                good = matches!(verdict, Verdict::Good);
            }
        }
    }
    good.then_some(far)
}

/// The last value that was not far enough.
struct Near {
    value: u64,
    gap: Option<u64>,
    /// By how much a step of one narrows the gap.
    slope: f64,
}

impl Near {
    /// How far it is to the bound, if the slope stays as it is; at least one.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate that is tried before anybody believes it"
    )]
    fn estimate(&self) -> u64 {
        self.gap.map_or(1, |gap| {
            if self.slope == 1.0 {
                gap.max(1)
            } else {
                ((gap as f64 / self.slope).ceil() as u64).max(1)
            }
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "only the slope of an estimate comes of it"
    )]
    fn move_to(&mut self, value: u64, gap: Option<u64>) {
        if let (Some(before), Some(after)) = (self.gap, gap)
            && after < before
        {
            self.slope = (before - after) as f64 / self.value.abs_diff(value) as f64;
        }
        self.value = value;
        self.gap = gap;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Start, Verdict, nearest};

    fn start(value: u64, gap: Option<u64>) -> Start {
        Start { value, gap }
    }

    #[test]
    fn a_step_that_the_gap_gives_takes_two_trials() {
        let mut trials = 0;
        let found = nearest(&start(4 << 30, Some(3 << 30)), 0, |value| {
            trials += 1;
            match value.checked_sub(1 << 30) {
                None | Some(0) => Verdict::Good,
                Some(gap) => Verdict::Short(Some(gap)),
            }
        });
        assert_eq!((found, trials), (Some(1 << 30), 2));
    }

    #[test]
    fn an_end_that_is_not_far_enough_is_no_answer() {
        let judge = |_| Verdict::Short(Some(7));
        assert_eq!(nearest(&start(5, Some(7)), 0, judge), None);
        let judge = |_| Verdict::Short(None);
        assert_eq!(nearest(&start(5, None), 1 << 40, judge), None);
    }

    /// What the search costs: each trial is a whole solve. A sum that grows by `slopes` tenths a step, first the one and
    /// from the bend on the other, on the way to a bound.
    fn trials(knows_gap: bool, slopes: (u64, u64), bend: u64, bound: u64, end: u64) -> String {
        let begin = 1 << 20;
        let mut tried = Vec::new();
        let found = nearest(&start(begin, knows_gap.then_some(bound)), end, |value| {
            let moved = value.abs_diff(begin);
            let measured =
                moved.min(bend) * slopes.0 / 10 + moved.saturating_sub(bend) * slopes.1 / 10;
            tried.push(moved);
            if measured < bound {
                Verdict::Short(knows_gap.then(|| bound - measured))
            } else if measured < bound + 100 {
                Verdict::Good
            } else {
                Verdict::Beyond
            }
        });
        format!(
            "{:?} by {tried:?}",
            found.map(|found| found.abs_diff(begin))
        )
    }

    #[test]
    fn few_values_are_tried() {
        let none = u64::MAX;
        let tried = [
            trials(true, (10, 0), none, 5_000, 0),
            trials(true, (10, 0), none, 5_000, 1 << 30),
            trials(true, (4, 0), none, 5_000, 0),
            trials(true, (40, 0), none, 5_000, 0),
            trials(true, (10, 2), 3_000, 5_000, 0),
            trials(true, (2, 10), 3_000, 5_000, 1 << 30),
            trials(true, (2, 70), 3_000, 5_000, 1 << 30),
            trials(false, (10, 0), none, 700, 1 << 30),
            trials(false, (10, 0), none, 700, 0),
            trials(true, (10, 0), 300, 700, 1 << 30),
        ];
        assert_eq!(
            tried.join("\n"),
            "\
Some(5000) by [5000, 4999]
Some(5000) by [5000, 4999]
Some(12500) by [5000, 12500, 12499]
Some(1250) by [5000, 2500, 1250, 625, 1249]
Some(13000) by [5000, 7353, 13011, 13010, 10181, 13000, 12999]
Some(7400) by [5000, 9616, 7308, 7400, 7399]
Some(3629) by [5000, 2500, 3750, 3749, 3124, 3436, 3629, 3628]
Some(700) by [2, 6, 14, 30, 62, 126, 254, 510, 1022, 766, 638, 639, 702, 701, 670, 671, 686, 687, 688, 689, 695, 696, 697, 698, 699, 700]
Some(700) by [2, 6, 14, 30, 62, 126, 254, 510, 1022, 766, 638, 639, 702, 701, 670, 671, 686, 687, 688, 689, 695, 696, 697, 698, 699, 700]
None by [700, 1634, 2568, 3502, 4436, 5370, 6304, 7238, 8172, 9106, 10040, 10974, 11908, 12842, 13776, 14710, 15644, 16668, 18716, 22812, 31004, 47388, 80156, 145692, 276764, 538908, 1063196, 2111772, 4208924, 8403228, 16791836, 33569052, 67123484, 134232348, 268450076, 536885532, 1072693248]"
        );
    }

    proptest! {
        /// A sum with a bend, a bound on it, and a second bound beyond which the value is too large.
        #[test]
        fn the_bound_is_exact_whatever_the_slopes(
            begin in 0_u64..1 << 36,
            bound in 1_u64..1 << 36,
            window in 0_u64..1 << 20,
            bend in 0_u64..1 << 36,
            (steep, flat) in (1_u64..40, 1_u64..40),
            knows_gap in any::<bool>(),
            upwards in any::<bool>(),
        ) {
            let begin = if upwards { begin } else { begin + (1 << 37) };
            let measure = |value: u64| {
                let moved = value.abs_diff(begin);
                moved.min(bend) * steep / 20 + moved.saturating_sub(bend) * flat / 20
            };
            let mut trials = 0;
            let end = if upwards { 1 << 42 } else { 0 };
            let judge = |value: u64| {
                let measured = measure(value);
                if measured < bound {
                    Verdict::Short(knows_gap.then(|| bound - measured))
                } else if measured <= bound + window + 40 {
                    Verdict::Good
                } else {
                    Verdict::Beyond
                }
            };
            let found = nearest(&start(begin, knows_gap.then_some(bound)), end, |value| {
                trials += 1;
                judge(value)
            });
            prop_assert!(trials < 200, "{trials}");
            match found {
                Some(value) => {
                    let nearer = if upwards { value - 1 } else { value + 1 };
                    prop_assert!(matches!(judge(value), Verdict::Good));
                    prop_assert!(matches!(judge(nearer), Verdict::Short(_)));
                }
                None => prop_assert!(measure(end) < bound, "there is a bound at {bound}"),
            }
        }
    }
}
