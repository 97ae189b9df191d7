//! Random steps on a network pool and its local pools.

use headroom::pool::redistribution::UNBOUNDED;

use super::{Generator, Phase};
use crate::pool_diff::{
    network::Network,
    step::{Label, Step},
};

/// Local pools that live at once, so that they still have something to share.
const POOLS: usize = 8;

/// Segments of a network pool that are enough to take many at once.
const MANY: usize = 100;

impl Generator {
    /// A network pool to begin with.
    pub(super) fn network(&mut self) -> Step {
        let segments = match self.random.u32(0..11) {
            0 => self.random.usize(1..3),
            1..=5 => self.random.usize(3..15),
            6 | 7 => self.random.usize(15..65),
            8 => self.random.usize(65..300),
            _ => self.random.usize(300..2000),
        };
        Step::Network {
            segments,
            bytes: self.random.choice([16, 64, 128]).unwrap_or(64),
        }
    }

    /// A step that gives back something, or ends the pools when nothing is left.
    pub(super) fn end_of_network(&mut self, network: &Network) -> Option<Step> {
        match self.one_of(network.held()) {
            Some(held) => Some(Step::Recycle(held)),
            None if network.global().number_of_registered_pools() > 0 => Some(Step::DestroyAll),
            None if !network.global().is_destroyed() => Some(Step::Destroy),
            None => None,
        }
    }

    /// A step, which is perhaps one that the two sides mean something else by.
    pub(super) fn network_step(&mut self, network: &Network) -> Option<Step> {
        let global = network.global();
        let is_empty = global.number_of_registered_pools() == 0 && !global.is_destroyed();
        if is_empty && self.random.u32(0..4) > 0 {
            return self.create(network);
        }
        let (take, give) = match self.phase {
            Phase::Take => (60, 70),
            Phase::Return => (15, 70),
            Phase::Mixed => (35, 70),
        };
        match self.random.u32(0..100) {
            draw if draw < take => self.take(network),
            draw if draw < give => {
                let held = self.one_of(network.held())?;
                Some(if self.random.u32(0..12) == 0 {
                    let number = self.many(network);
                    Step::RecycleMany { held, number }
                } else {
                    Step::Recycle(held)
                })
            }
            70..76 => self.create(network),
            76..79 => self.pool(network).map(Step::DestroyPool),
            79..83 => {
                let pool = self.pool(network)?;
                let required = network.pools().get(&pool)?.number_of_required_segments();
                let size = (required + self.random.usize(0..8)).saturating_sub(1);
                Some(Step::Resize { pool, size })
            }
            83..85 => Some(Step::Overdraft {
                pool: self.pool(network)?,
                overdraft: self.random.usize(0..5),
            }),
            85..88 => {
                let pool = self.pool(network)?;
                let required = network.pools().get(&pool)?.number_of_required_segments();
                let number = match self.random.u32(0..8) {
                    0 => required + 1,
                    1 => self.random.usize(0..=required),
                    _ => required,
                };
                Some(Step::Reserve { pool, number })
            }
            88..91 => {
                let empty = network.pools().iter().filter_map(|(label, pool)| {
                    let is_empty = pool.number_of_available_segments() == 0;
                    (is_empty && pool.number_of_channels() == 0).then_some(*label)
                });
                let pool = match self.one_of(empty) {
                    Some(empty) if self.random.u32(0..8) > 0 => empty,
                    _ => self.pool(network)?,
                };
                Some(Step::Listener {
                    pool,
                    held: self.label(1),
                    accepts: self.random.u32(0..4) > 0,
                })
            }
            91..93 => Some(Step::Future {
                pool: self.pool(network)?,
                future: self.label(1),
            }),
            93 => Some(Step::FutureOfNetwork(self.label(1))),
            94..96 => {
                let mut labels: Vec<Label> = network.held_exclusives().collect();
                self.random.shuffle(&mut labels);
                labels.truncate(self.random.usize(1..5));
                (!labels.is_empty()).then_some(Step::RecycleUnpooled(labels))
            }
            96..98 => Some(Step::UsageNotice),
            98 if self.random.u32(0..4) == 0 => Some(Step::DestroyAll),
            99 if self.random.u32(0..4) == 0 => Some(Step::Destroy),
            _ => Some(Step::Retain {
                of: self.one_of(network.held_buffers())?,
                held: self.label(1),
            }),
        }
    }

    fn take(&mut self, network: &Network) -> Option<Step> {
        let blocking = self.random.u32(0..5) == 0;
        Some(match self.random.u32(0..20) {
            0..4 => Step::Segment {
                pool: self.pool(network)?,
                held: self.label(1),
                blocking,
            },
            // Enough of them to come into whatever a pool does differently when it is used much.
            4 if network.global().number_of_segments() > MANY && self.random.u32(0..4) > 0 => {
                let number = self.random.usize(1..50);
                Step::Bursts {
                    pool: self.pool(network)?,
                    number,
                    times: 300 / number,
                }
            }
            4 => {
                let number = self.many(network);
                Step::Segments {
                    pool: self.pool(network)?,
                    number,
                    held: self.label(number),
                }
            }
            5..9 => Step::Buffer {
                pool: self.pool(network)?,
                held: self.label(1),
            },
            9..16 => {
                let pool = self.pool(network)?;
                let channels = network.pools().get(&pool)?.number_of_channels();
                let channel = (channels > 0 && self.random.u32(0..8) > 0)
                    .then(|| self.random.usize(0..channels));
                Step::Builder {
                    pool,
                    held: self.label(1),
                    channel,
                    blocking,
                }
            }
            16 | 17 => {
                let number = self.few(network);
                let held = self.label(number);
                Step::Unpooled { number, held }
            }
            18 => Step::Pooled(self.label(1)),
            _ => {
                let number = self.few(network);
                let held = self.label(number);
                Step::PooledBlocking { number, held }
            }
        })
    }

    /// Mostly a number of segments that can be had.
    fn few(&mut self, network: &Network) -> usize {
        let available = network.global().number_of_available_segments();
        match self.random.u32(0..6) {
            0 => self.random.usize(0..=available + 3),
            _ => self.random.usize(0..=available.min(4)),
        }
    }

    /// Up to all segments.
    fn many(&mut self, network: &Network) -> usize {
        let total = network.global().number_of_segments();
        let most = self.random.choice([3, total / 8, total]).unwrap_or(total);
        self.random.usize(1..=most.max(1))
    }

    fn create(&mut self, network: &Network) -> Option<Step> {
        if network.global().number_of_registered_pools() >= POOLS {
            return None;
        }
        let left = network
            .global()
            .number_of_segments()
            .saturating_sub(network.global().number_of_required_segments());
        let required = match self.random.u32(0..12) {
            // Not allowed, or more than there is.
            0 => 0,
            1 => left + self.random.usize(1..3),
            2 => left,
            _ => self.random.usize(1..=4),
        };
        let max = match self.random.u32(0..12) {
            // Not allowed.
            0 => required.saturating_sub(1),
            1..3 => required,
            3..6 => UNBOUNDED,
            6 | 7 => required + self.random.usize(0..=network.global().number_of_segments()),
            _ => required + self.random.usize(1..12),
        };
        let channels = if self.random.bool() {
            0
        } else {
            self.random.usize(1..=4)
        };
        let per_channel = match self.random.u32(0..10) {
            // Not allowed.
            0 => 0,
            1..3 => UNBOUNDED,
            _ => self.random.usize(1..=4),
        };
        Some(Step::Create {
            pool: self.label(1),
            required,
            max,
            channels,
            per_channel,
            overdraft: self.random.usize(0..=4),
        })
    }

    /// Mostly a pool that lives.
    fn pool(&mut self, network: &Network) -> Option<Label> {
        let pools = network.pools().iter();
        let living = pools.filter_map(|(label, pool)| (!pool.is_destroyed()).then_some(*label));
        match self.one_of(living) {
            Some(pool) if self.random.u32(0..30) > 0 => Some(pool),
            _ => self.one_of(network.pools().keys().copied()),
        }
    }
}
