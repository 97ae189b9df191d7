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
    /// Which value to try first, where more is known than the gap.
    pub first: Option<u64>,
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
    let mut first = start.first;
    let mut stride = 1_u64;
    let (mut far, mut good) = (end, false);
    for round in 0_u32.. {
        if near.value == end {
            return None;
        }
        if near.gap.is_none() || round >= PATIENCE {
            stride = stride.saturating_mul(2);
        }
        let distance = match first.take() {
            Some(first) => first.abs_diff(near.value).max(1),
            None => near.estimate().max(stride),
        };
        far = toward(near.value, distance);
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
        Start {
            value,
            gap,
            first: None,
        }
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
