//! The regulator against pools that need what they need.

use proptest::prelude::*;

use super::*;

const SEGMENT_BYTES: usize = 32 * 1024;

/// A pool whose need does not change.
#[derive(Clone, Copy, Debug)]
struct Plant {
    required: usize,
    maximum: usize,
    size: usize,
    /// Segments that it would have in use at once if it had them.
    demand: usize,
    /// How long a segment is in use.
    turnover_milliseconds: u64,
}

impl Plant {
    fn figures(&self, key: usize) -> PoolFigures<'static, usize> {
        let in_use = self.demand.min(self.size);
        PoolFigures {
            key,
            label: "plant",
            required: self.required,
            maximum: self.maximum,
            size: self.size,
            peak_in_use: in_use,
            waiting_milliseconds_per_second: if self.demand > self.size { 400 } else { 0 },
            bytes_per_second: (in_use * SEGMENT_BYTES) as u64 * 1000 / self.turnover_milliseconds,
        }
    }

    fn strategy() -> impl Strategy<Value = Plant> {
        (
            1_usize..20,
            0_usize..80,
            0_usize..80,
            0_usize..120,
            1_u64..3_000,
        )
            .prop_map(
                |(required, more, size, demand, turnover_milliseconds)| Plant {
                    required,
                    maximum: required + more,
                    size: (required + size).min(required + more),
                    demand,
                    turnover_milliseconds,
                },
            )
    }
}

fn settings() -> RegulatorSettings {
    RegulatorSettings {
        debloat: DebloatConfiguration::with_segments_of(SEGMENT_BYTES).ok(),
        ..RegulatorSettings::with_segments_of(SEGMENT_BYTES)
    }
}

fn only_pools<'a>(
    step: u64,
    distributable: usize,
    pools: &'a [PoolFigures<'a, usize>],
) -> Figures<'a, usize> {
    Figures {
        now: Duration::from_secs(step),
        distributable,
        pools,
        gates: &[],
        magazines: MagazineFigures::default(),
    }
}

/// Applies what is about sizes, and checks the bounds. Says which pools grew and which shrank.
fn apply(
    plants: &mut [Plant],
    distributable: usize,
    adjustments: &[Adjustment<usize>],
) -> (Vec<usize>, Vec<usize>) {
    let sum = |plants: &[Plant]| plants.iter().map(|plant| plant.size).sum::<usize>();
    let (before, mut grown, mut shrunk) = (sum(plants), Vec::new(), Vec::new());
    for adjustment in adjustments {
        let (key, from, to) = match adjustment {
            Adjustment::Shrink { pool, from, to, .. } => {
                shrunk.push(*pool);
                (*pool, *from, *to)
            }
            Adjustment::Grow { pool, from, to, .. } => {
                grown.push(*pool);
                (*pool, *from, *to)
            }
            Adjustment::Announce { .. } | Adjustment::Sweep { .. } => continue,
        };
        let plant = &mut plants[key];
        assert_eq!(plant.size, from, "changed twice");
        assert_ne!(from, to);
        assert!((plant.required..=plant.maximum).contains(&to));
        plant.size = to;
        assert!(sum(plants) <= before.max(distributable));
    }
    (grown, shrunk)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Pools with needs that don't change get to rest: none grows once it has shrunk, and in the end none waits
    /// that could use more while another has some to spare.
    #[test]
    fn needs_that_stay_end_the_adjustments(
        plants in prop::collection::vec(Plant::strategy(), 1..8),
        spare in 0_usize..20,
    ) {
        let mut plants = plants;
        let distributable = plants.iter().map(|plant| plant.size).sum::<usize>() + spare;
        let mut regulator = Regulator::new(settings());
        let mut has_shrunk = vec![false; plants.len()];
        for step in 0..300 {
            let figures: Vec<_> = plants
                .iter()
                .enumerate()
                .map(|(key, plant)| plant.figures(key))
                .collect();
            let adjustments = regulator.adjust(&only_pools(step, distributable, &figures));
            prop_assert!(step < 200 || adjustments.is_empty(), "{:?}", adjustments);
            let (grown, shrunk) = apply(&mut plants, distributable, &adjustments);
            for key in grown {
                prop_assert!(!has_shrunk[key]);
            }
            for key in shrunk {
                has_shrunk[key] = true;
            }
        }
        let waits = |plant: &&Plant| {
            let per_target = plant.size as u64 * 1000 / plant.turnover_milliseconds;
            plant.demand > plant.size
                && plant.size < plant.maximum
                && per_target > plant.size as u64
        };
        if let Some(waiting) = plants.iter().find(waits) {
            for plant in plants.iter().filter(|plant| plant.demand <= plant.size) {
                let reserve = (plant.demand / 4).max(1);
                prop_assert!(
                    plant.size <= (plant.demand + reserve).max(plant.required),
                    "{:?} spares nothing for {:?}", plant, waiting
                );
            }
            prop_assert!(plants.iter().map(|plant| plant.size).sum::<usize>() >= distributable);
        }
    }

    /// Figures that are told again and again, whatever was answered, end the answers: of all kinds.
    #[test]
    fn figures_that_stay_end_the_adjustments(
        plants in prop::collection::vec(Plant::strategy(), 1..8),
        waiting in prop::collection::vec(0_u64..=1000, 8),
        gate in (0_u64..1 << 30, 0_usize..500),
        magazines in (0_usize..50, 0_u64..20),
    ) {
        let mut plants = plants;
        let distributable = plants.iter().map(|plant| plant.size).sum();
        let mut regulator = Regulator::new(settings());
        let first: Vec<_> = plants.iter().enumerate().map(|(key, plant)| plant.figures(key)).collect();
        let (mut grew, mut shrank) = (Vec::new(), Vec::new());
        for step in 0..300 {
            let figures: Vec<_> = plants
                .iter()
                .zip(&first)
                .zip(&waiting)
                .map(|((plant, first), waiting)| PoolFigures {
                    size: plant.size,
                    waiting_milliseconds_per_second: *waiting,
                    ..*first
                })
                .collect();
            let gates = [GateFigures {
                key: 0,
                label: "gate",
                bytes_per_second: gate.0,
                buffers_in_use: gate.1,
            }];
            let adjustments = regulator.adjust(&Figures {
                gates: &gates,
                magazines: MagazineFigures {
                    segments: magazines.0,
                    last_operation: Duration::from_secs(magazines.1),
                },
                ..only_pools(step, distributable, &figures)
            });
            prop_assert!(step < 200 || adjustments.is_empty(), "{:?}", adjustments);
            let (grown, shrunk) = apply(&mut plants, distributable, &adjustments);
            grew.extend(grown);
            shrank.extend(shrunk);
        }
        prop_assert!(grew.iter().all(|key| !shrank.contains(key)));
    }
}

fn pool(
    label: &str,
    key: usize,
    size: usize,
    peak_in_use: usize,
    waiting: u64,
) -> PoolFigures<'_, usize> {
    PoolFigures {
        key,
        label,
        required: 2,
        maximum: usize::MAX,
        size,
        peak_in_use,
        waiting_milliseconds_per_second: waiting,
        bytes_per_second: 2 << 20,
    }
}

#[test]
fn a_pool_that_waits_gets_what_another_leaves_unused() {
    let mut regulator = Regulator::new(settings());
    let pools = [
        pool("Source (1/2)", 0, 40, 4, 0),
        pool("Sink (1/2)", 1, 12, 12, 300),
    ];
    for step in 0..2 {
        assert_eq!(regulator.adjust(&only_pools(step, 52, &pools)), []);
    }
    let sentences: Vec<_> = regulator
        .adjust(&only_pools(2, 52, &pools))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        sentences,
        [
            r#""Source (1/2)" keeps 28 of 40 segments, because it used at most 4 at once in 3 periods and others wait"#,
            r#""Sink (1/2)" gets 24 segments instead of 12, because it waits 300 ms of each second and at 2097152 bytes per second it can use 64 to have 1000 ms of data on the way"#,
        ]
    );
}

#[test]
fn a_pool_whose_consumer_is_slow_gets_no_more() {
    let mut regulator = Regulator::new(settings());
    let waiting = PoolFigures {
        bytes_per_second: 10 * SEGMENT_BYTES as u64,
        ..pool("Sink (1/2)", 1, 12, 12, 900)
    };
    let pools = [pool("Source (1/2)", 0, 40, 4, 0), waiting];
    for step in 0..20 {
        assert_eq!(regulator.adjust(&only_pools(step, 60, &pools)), []);
    }
}

#[test]
fn one_calm_period_among_others_changes_nothing() {
    let mut regulator = Regulator::new(settings());
    for step in 0..20 {
        let waiting = if step % 3 == 0 { 0 } else { 500 };
        let pools = [
            pool("Source (1/2)", 0, 40, 4, 0),
            pool("Sink (1/2)", 1, 12, 12, waiting),
        ];
        assert_eq!(regulator.adjust(&only_pools(step, 52, &pools)), []);
    }
}

#[test]
fn a_pool_that_goes_is_forgotten() {
    let mut regulator = Regulator::new(settings());
    let pools = [pool("Sink (1/2)", 1, 12, 12, 300)];
    for step in 0..2 {
        regulator.adjust(&only_pools(step, 100, &pools));
    }
    regulator.adjust(&only_pools(2, 100, &[]));
    assert_eq!(regulator.adjust(&only_pools(3, 100, &pools)), []);
}

#[test]
fn magazines_are_emptied_once_for_each_time_they_lie_idle() {
    let mut regulator: Regulator<usize> = Regulator::new(settings());
    let mut sweep = |now: u64, segments, last_operation: u64| {
        regulator
            .adjust(&Figures {
                now: Duration::from_millis(now),
                magazines: MagazineFigures {
                    segments,
                    last_operation: Duration::from_millis(last_operation),
                },
                ..only_pools(0, 0, &[])
            })
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert!(sweep(1_999, 64, 1_000).is_empty());
    assert!(sweep(2_000, 0, 1_000).is_empty());
    assert_eq!(
        sweep(2_500, 64, 1_000),
        ["magazines give back 64 segments, because nobody touched them for 1500 ms"]
    );
    assert!(sweep(9_000, 64, 1_000).is_empty());
    assert_eq!(sweep(9_000, 8, 8_000).len(), 1);
}

#[test]
fn a_gate_is_told_of_a_new_size_with_the_figures() {
    let mut regulator = Regulator::new(settings());
    let gates = [GateFigures {
        key: 7,
        label: "Map (2/4)",
        bytes_per_second: 1 << 20,
        buffers_in_use: 10,
    }];
    let mut sentences = Vec::new();
    for step in 0..4 {
        let figures = Figures {
            gates: &gates,
            ..only_pools(step, 0, &[])
        };
        sentences.extend(regulator.adjust(&figures).iter().map(ToString::to_string));
    }
    assert_eq!(
        sentences,
        [
            r#"buffers for "Map (2/4)" are filled to 1345 bytes instead of 1024, so that 10 of them at 1048576 bytes per second come nearer to 1000 ms"#
        ]
    );
    let mut without = Regulator::new(RegulatorSettings::with_segments_of(SEGMENT_BYTES));
    let figures = Figures {
        gates: &gates,
        ..only_pools(0, 0, &[])
    };
    assert_eq!(without.adjust(&figures), []);
}
