//! Which pools give segments up and which get them.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

use super::{Adjustment, Figures, PoolFigures, RegulatorSettings};
use crate::pool::redistribution::{Demand, redistribute};

/// What a pool did in the last periods, since its size last changed.
#[derive(Clone, Debug, Default)]
pub(super) struct PoolHistory {
    /// Most in use at once, and whether somebody waited; the newest last.
    periods: VecDeque<(usize, bool)>,
}

impl PoolHistory {
    pub(super) fn add<K>(&mut self, pool: &PoolFigures<'_, K>, settings: &RegulatorSettings) {
        if self.periods.len() >= settings.periods {
            self.periods.pop_front();
        }
        let waits =
            pool.waiting_milliseconds_per_second >= settings.waiting_milliseconds_per_second.max(1);
        self.periods.push_back((pool.peak_in_use, waits));
    }

    /// Whether each of the periods was so, where there were enough of them.
    fn always(&self, settings: &RegulatorSettings, waits: bool) -> bool {
        self.periods.len() >= settings.periods
            && self.periods.iter().all(|(_, waited)| *waited == waits)
    }

    fn peak_in_use(&self) -> usize {
        self.periods
            .iter()
            .map(|(peak, _)| *peak)
            .max()
            .unwrap_or(0)
    }
}

/// What one pool could do.
#[derive(Clone, Copy, Default)]
struct Wish {
    /// Segments it can do without.
    surplus: usize,
    /// Segments it waits for and can use.
    want: usize,
    /// The size beyond which it can't use any.
    useful: usize,
}

impl Wish {
    fn of<K: Eq + Hash>(
        pool: &PoolFigures<'_, K>,
        histories: &HashMap<K, PoolHistory>,
        settings: &RegulatorSettings,
    ) -> Self {
        let Some(history) = histories.get(&pool.key) else {
            return Self::default();
        };
        if history.always(settings, false) {
            let peak = history.peak_in_use();
            let reserve = (peak.saturating_mul(settings.reserve_percent) / 100).max(1);
            let kept = peak.saturating_add(reserve).max(pool.required);
            return Self {
                surplus: pool.size.saturating_sub(kept),
                ..Self::default()
            };
        }
        if !history.always(settings, true) {
            return Self::default();
        }
        let bytes = u128::from(pool.bytes_per_second) * settings.target.as_millis() / 1000;
        let useful = bytes.div_ceil(settings.segment_bytes as u128);
        let useful = usize::try_from(useful)
            .unwrap_or(usize::MAX)
            .max(pool.required)
            .min(pool.maximum);
        Self {
            // At most twice as many: what more it needs shows once it has these.
            want: useful.saturating_sub(pool.size).min(pool.size.max(1)),
            useful,
            ..Self::default()
        }
    }
}

/// Moves what pools can do without to those that wait, in proportion on both sides. What nobody holds goes first.
pub(super) fn plan_resizes<K: Copy + Eq + Hash>(
    figures: &Figures<'_, K>,
    histories: &HashMap<K, PoolHistory>,
    settings: &RegulatorSettings,
) -> Vec<Adjustment<K>> {
    let wishes: Vec<Wish> = figures
        .pools
        .iter()
        .map(|pool| Wish::of(pool, histories, settings))
        .collect();
    let sum = |part: fn(&Wish) -> usize| wishes.iter().map(part).fold(0, usize::saturating_add);
    let (wanted, surplus) = (sum(|wish| wish.want), sum(|wish| wish.surplus));
    let held = figures
        .pools
        .iter()
        .map(|pool| pool.size)
        .fold(0, usize::saturating_add);
    let unheld = figures.distributable.saturating_sub(held).min(wanted);
    let from_pools = surplus.min(wanted - unheld);
    if unheld + from_pools == 0 {
        return Vec::new();
    }
    let demand = |max| Demand { required: 0, max };
    let given_up = redistribute(from_pools, wishes.iter().map(|wish| demand(wish.surplus)));
    let granted = redistribute(
        unheld + from_pools,
        wishes.iter().map(|wish| demand(wish.want)),
    );
    let shrinks = figures
        .pools
        .iter()
        .zip(given_up)
        .filter(|(_, given_up)| *given_up > 0)
        .map(|(pool, given_up)| Adjustment::Shrink {
            pool: pool.key,
            label: pool.label.to_owned(),
            from: pool.size,
            to: pool.size - given_up,
            peak_in_use: histories.get(&pool.key).map_or(0, PoolHistory::peak_in_use),
            periods: settings.periods,
        });
    let grows = figures
        .pools
        .iter()
        .zip(granted)
        .zip(&wishes)
        .filter(|((_, granted), _)| *granted > 0)
        .map(|((pool, granted), wish)| Adjustment::Grow {
            pool: pool.key,
            label: pool.label.to_owned(),
            from: pool.size,
            to: pool.size + granted,
            waiting_milliseconds_per_second: pool.waiting_milliseconds_per_second,
            bytes_per_second: pool.bytes_per_second,
            useful: wish.useful,
            target: settings.target,
        });
    shrinks.chain(grows).collect()
}
