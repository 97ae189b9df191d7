//! How many instructions our pools take, by valgrind: many virtual machines have no counters of their own, and valgrind
//! counts the same on all.

use anyhow::Result;
use clap::ValueEnum;

use super::{manager, network, records};
use crate::{
    figures::{Figures, Subject},
    valgrind::{INSTRUCTIONS, MISSING, of_one},
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// A local pool: request and recycle a segment
    Segment,
    /// … a buffer
    Buffer,
    /// Reserve bytes and release them
    Bytes,
    /// Allocate 1,024 pages and release them
    Pages,
    /// Create a local pool where there are 1,000
    Create,
    /// Write a record
    Output,
    /// Read a record
    Input,
    /// Take an extent by best fit and give it back
    Extent,
}

impl Work {
    /// Its row, and how often it is done for the count.
    const fn counted(self) -> (&'static str, u32) {
        match self {
            Self::Segment => ("pools.local.segment.instructions", 10_000),
            Self::Buffer => ("pools.local.buffer.instructions", 10_000),
            Self::Bytes => ("pools.bytes.instructions", 10_000),
            Self::Pages => ("pools.pages.instructions", 20),
            Self::Create => ("pools.create.instructions", 20),
            Self::Output => ("pools.output.instructions", 10_000),
            Self::Input => ("pools.input.instructions", 10_000),
            Self::Extent => ("pools.extent.instructions", 10_000),
        }
    }
}

/// Does a piece of work so many times; valgrind counts the instructions of this.
///
/// # Errors
/// When a pool refuses what it should give.
pub fn repeat(work: Work, times: u32) -> Result<()> {
    match work {
        Work::Segment => network::segments(&network::filled_local_pool()?.1, times),
        Work::Buffer => network::buffers(&network::filled_local_pool()?.1, times),
        Work::Bytes => manager::reservations(&manager::budget(), times),
        Work::Pages => {
            let (manager, owner) = manager::small_manager()?;
            manager::pages(&manager, owner, times)
        }
        Work::Create => {
            let (network, _pools) = network::crowd()?;
            for _ in 0..times {
                network::create(&network)?.lazy_destroy();
            }
            Ok(())
        }
        Work::Output => records::write(&mut records::output()?, times),
        Work::Input => records::read(&mut records::input()?, times),
        Work::Extent => {
            let (mut extents, lengths) = manager::scattered()?;
            manager::best_fits(&mut extents, &lengths, times)
        }
    }
}

/// Counts them all.
///
/// # Errors
/// When valgrind fails.
pub fn count(figures: &mut Figures) -> Result<()> {
    figures.note(
        "pools.local.segment.instructions",
        "all instructions by callgrind, not by the processor's counters".to_owned(),
    );
    for work in Work::value_variants() {
        let (row, times) = work.counted();
        let name = work
            .to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default();
        match of_one(INSTRUCTIONS, &["pools-repeatedly", &name], times)? {
            Some(count) => figures.record(row, Subject::Ours, count),
            None => {
                figures.note(row, MISSING.to_owned());
                break;
            }
        }
    }
    Ok(())
}
