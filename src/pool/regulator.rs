//! Monitoring that acts: takes the figures of a period and returns what to change, each change with its reason.
//!
//! Flink shares segments out when a pool comes or goes, whatever the pools do with them; between those moments the
//! regulator moves what some leave unused to those that wait and can use more. It also debloats (as `BufferDebloater`)
//! and asks for idle magazines to be emptied. It changes nothing itself: its answers are values that the caller
//! applies, or shows.
//!
//! Three rules keep it calm, so that with figures that don't change it falls silent:
//! 1. A pool is judged by several periods in a row, and after each change anew.
//! 2. A pool gives only what lies above the most it used in these periods and a reserve; what it keeps suffices for
//!    what it did so far, so it has no reason to ask for it back.
//! 3. A pool that waits gets more only while what it holds is consumed within the target time. Where the consumer is
//!    slow, more buffers would just be more data on the way.

mod adjustment;
mod resize;

use std::{collections::HashMap, hash::Hash, mem, time::Duration};

pub use self::adjustment::Adjustment;
use self::resize::{PoolHistory, plan_resizes};
use super::debloat::{BufferDebloater, DebloatConfiguration};

/// What the regulator goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegulatorSettings {
    /// How much a segment holds, at least 1 byte.
    pub segment_bytes: usize,
    /// From this share of its time on, in milliseconds for each second, a pool counts as waiting.
    pub waiting_milliseconds_per_second: u64,
    /// After so many periods in a row, at least 1, a pool may get more or give some up.
    pub periods: usize,
    /// What a pool keeps above the most that it used, in percent of that; at least one segment.
    pub reserve_percent: usize,
    /// A pool grows while what it holds is consumed within this time.
    pub target: Duration,
    /// A magazine that nobody touched for so long is emptied.
    pub idle_before_sweep: Duration,
    /// How full buffers should be; `None` where they are always filled.
    pub debloat: Option<DebloatConfiguration>,
}

impl RegulatorSettings {
    /// The settings to begin with: 50 ms of waiting per second, 3 periods, a quarter in reserve, Flink's target of 1
    /// second, magazines emptied after 1 second, no debloating.
    #[must_use]
    pub fn with_segments_of(segment_bytes: usize) -> Self {
        Self {
            segment_bytes,
            waiting_milliseconds_per_second: 50,
            periods: 3,
            reserve_percent: 25,
            target: Duration::from_secs(1),
            idle_before_sweep: Duration::from_secs(1),
            debloat: None,
        }
    }
}

/// What one local pool did in a period.
#[derive(Clone, Copy, Debug)]
pub struct PoolFigures<'a, K> {
    /// The same in every period for the same pool.
    pub key: K,
    /// What people call its owner.
    pub label: &'a str,
    /// Segments that the pool is guaranteed.
    pub required: usize,
    /// Segments that it may have at most, `usize::MAX` for any number.
    pub maximum: usize,
    /// Segments that it may have now.
    pub size: usize,
    /// The most segments that were in use at once, as
    /// [`take_peak_number_of_used_buffers`](super::local_pool::LocalBufferPool::take_peak_number_of_used_buffers) tells.
    pub peak_in_use: usize,
    /// For how many milliseconds of each second somebody waited for a segment.
    pub waiting_milliseconds_per_second: u64,
    /// How much data went through the pool's buffers.
    pub bytes_per_second: u64,
}

/// What one input gate did in a period.
#[derive(Clone, Copy, Debug)]
pub struct GateFigures<'a, K> {
    /// The same in every period for the same gate.
    pub key: K,
    /// What people call it.
    pub label: &'a str,
    /// How much data came.
    pub bytes_per_second: u64,
    /// Buffers that lie there or are on the way.
    pub buffers_in_use: usize,
}

/// What lies in the magazines of all pools.
#[derive(Clone, Copy, Debug, Default)]
pub struct MagazineFigures {
    /// How many segments.
    pub segments: usize,
    /// When one was last taken or put there.
    pub last_operation: Duration,
}

/// The figures of a period.
#[derive(Clone, Copy, Debug)]
pub struct Figures<'a, K> {
    /// The time, since an origin that is always the same.
    pub now: Duration,
    /// Segments that all these pools may have together, those that they are guaranteed included.
    pub distributable: usize,
    /// The local pools whose size may change.
    pub pools: &'a [PoolFigures<'a, K>],
    /// The input gates.
    pub gates: &'a [GateFigures<'a, K>],
    /// The magazines.
    pub magazines: MagazineFigures,
}

/// Remembers what it has to of pools and gates, and decides what to change.
#[derive(Debug)]
pub struct Regulator<K> {
    settings: RegulatorSettings,
    pools: HashMap<K, PoolHistory>,
    gates: HashMap<K, BufferDebloater>,
    /// The operation after which the magazines were last emptied.
    swept: Option<Duration>,
}

impl<K: Copy + Eq + Hash> Regulator<K> {
    /// A regulator that has seen nothing. Settings below their least values count as those.
    #[must_use]
    pub fn new(settings: RegulatorSettings) -> Self {
        Self {
            settings: RegulatorSettings {
                segment_bytes: settings.segment_bytes.max(1),
                periods: settings.periods.max(1),
                ..settings
            },
            pools: HashMap::new(),
            gates: HashMap::new(),
            swept: None,
        }
    }

    /// What to change after a period, in the order in which to do it: pools shrink before others grow.
    ///
    /// Guarantees: a size is never below what is required nor above the maximum, unless it was before; the sizes
    /// together are never above what is distributable, unless they were before; of the pools that are changed none is
    /// changed twice. Pools and gates that the figures don't name are forgotten.
    pub fn adjust(&mut self, figures: &Figures<'_, K>) -> Vec<Adjustment<K>> {
        let mut adjustments = self.resize(figures);
        adjustments.extend(self.debloat(figures));
        adjustments.extend(self.sweep(figures));
        adjustments
    }

    fn resize(&mut self, figures: &Figures<'_, K>) -> Vec<Adjustment<K>> {
        let mut known = mem::take(&mut self.pools);
        for pool in figures.pools {
            let mut history = known.remove(&pool.key).unwrap_or_default();
            history.add(pool, &self.settings);
            self.pools.insert(pool.key, history);
        }
        let adjustments = plan_resizes(figures, &self.pools, &self.settings);
        for adjustment in &adjustments {
            if let Adjustment::Shrink { pool, .. } | Adjustment::Grow { pool, .. } = adjustment {
                self.pools.insert(*pool, PoolHistory::default());
            }
        }
        adjustments
    }

    fn debloat(&mut self, figures: &Figures<'_, K>) -> Vec<Adjustment<K>> {
        let Some(configuration) = self.settings.debloat else {
            return Vec::new();
        };
        let mut known = mem::take(&mut self.gates);
        let mut adjustments = Vec::new();
        for gate in figures.gates {
            let mut debloater = known
                .remove(&gate.key)
                .unwrap_or_else(|| BufferDebloater::new(configuration));
            let from_bytes = debloater.announced_bytes();
            let to_bytes = debloater.recalculate(gate.bytes_per_second, gate.buffers_in_use);
            adjustments.extend(to_bytes.map(|to_bytes| Adjustment::Announce {
                gate: gate.key,
                label: gate.label.to_owned(),
                from_bytes,
                to_bytes,
                buffers_in_use: gate.buffers_in_use,
                bytes_per_second: gate.bytes_per_second,
                target: configuration.target(),
            }));
            self.gates.insert(gate.key, debloater);
        }
        adjustments
    }

    fn sweep(&mut self, figures: &Figures<'_, K>) -> Option<Adjustment<K>> {
        let MagazineFigures {
            segments,
            last_operation,
        } = figures.magazines;
        let idle = figures.now.saturating_sub(last_operation);
        // What one sweep left, the next one leaves as well, unless something happened between them.
        let is_news = self.swept.is_none_or(|swept| swept < last_operation);
        if segments == 0 || idle < self.settings.idle_before_sweep || !is_news {
            return None;
        }
        self.swept = Some(last_operation);
        Some(Adjustment::Sweep { segments, idle })
    }
}

#[cfg(test)]
mod tests;
