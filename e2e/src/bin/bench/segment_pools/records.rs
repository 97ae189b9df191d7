//! Records of 64 bytes over pages, and reading segments of one kind or of two in turns.

use std::{collections::VecDeque, hint::black_box};

use anyhow::{Context, Result};
use headroom::pool::{
    segment::MemorySegment,
    view::{PageSink, PageSource, PagedInput, PagedOutput, ViewError},
};

use super::rounds::{Effort, alone};
use crate::figures::{Figures, Subject};

/// Flink's default segment.
const SEGMENT_BYTES: usize = 32 << 10;

/// Pages that are written and read round and round.
const PAGES: usize = 16;

/// Segments that are read in turns.
const SEGMENTS: usize = 64;

/// Pages without an end: after the last one comes the first.
pub struct Round {
    current: MemorySegment,
    others: VecDeque<MemorySegment>,
}

impl Round {
    fn new() -> Result<Self> {
        let mut others: VecDeque<_> = (0..PAGES)
            .map(|_| MemorySegment::allocate_direct(SEGMENT_BYTES))
            .collect::<Result<_, _>>()?;
        let current = others.pop_front().context("a first page")?;
        Ok(Self { current, others })
    }

    fn go_on(&mut self) -> Result<(), ViewError> {
        let next = self.others.pop_front().ok_or(ViewError::NoPage)?;
        self.others
            .push_back(std::mem::replace(&mut self.current, next));
        Ok(())
    }
}

impl PageSink for Round {
    #[inline]
    fn page(&mut self) -> &mut [u8] {
        self.current.as_mut()
    }

    fn next_page(&mut self, _used: usize) -> Result<(), ViewError> {
        self.go_on()
    }
}

impl PageSource for Round {
    #[inline]
    fn page(&self) -> &[u8] {
        self.current.as_ref()
    }

    fn next_page(&mut self) -> Result<bool, ViewError> {
        self.go_on().map(|()| true)
    }
}

/// A view to write to.
pub fn output() -> Result<PagedOutput<Round>> {
    Ok(PagedOutput::new(Round::new()?, 0)?)
}

/// A view to read from.
pub fn input() -> Result<PagedInput<Round>> {
    Ok(PagedInput::new(Round::new()?, 0)?)
}

/// Writes records: two longs, two integers, and 40 bytes that stand together.
pub fn write(output: &mut PagedOutput<Round>, times: u32) -> Result<()> {
    let rest = black_box([7; 40]);
    for time in 0..times {
        output.write_i64(i64::from(time))?;
        output.write_i32(time.cast_signed())?;
        output.write_bytes(&rest)?;
        output.write_i32(time.cast_signed())?;
        output.write_i64(i64::from(time))?;
    }
    Ok(())
}

/// Reads such records.
pub fn read(input: &mut PagedInput<Round>, times: u32) -> Result<()> {
    let mut rest = [0; 40];
    let mut sum = 0_i64;
    for _ in 0..times {
        sum = sum.wrapping_add(input.read_i64()?);
        sum = sum.wrapping_add(i64::from(input.read_i32()?));
        input.read_fully(&mut rest)?;
        black_box(&rest);
        sum = sum.wrapping_add(i64::from(input.read_i32()?));
        sum = sum.wrapping_add(input.read_i64()?);
    }
    black_box(sum);
    Ok(())
}

/// Output and input.
pub fn views(figures: &mut Figures, effort: Effort) -> Result<()> {
    let mut output = output()?;
    let written = alone(effort, effort.many, |times| write(&mut output, times))?;
    figures.record("pools.output", Subject::Ours, written);
    let mut input = input()?;
    let read = alone(effort, effort.many, |times| read(&mut input, times))?;
    figures.record("pools.input", Subject::Ours, read);
    Ok(())
}

/// What a read takes through segments of both kinds in turns, over what it takes through those of one kind.
pub fn access(figures: &mut Figures, effort: Effort) -> Result<()> {
    let heap = || MemorySegment::allocate_heap(SEGMENT_BYTES);
    let direct = || MemorySegment::allocate_direct(SEGMENT_BYTES);
    let segments = |is_heap: fn(usize) -> bool| {
        (0..SEGMENTS)
            .map(|number| if is_heap(number) { heap() } else { direct() })
            .collect::<Result<Vec<_>, _>>()
    };
    let of = |segments: Vec<MemorySegment>| {
        alone(effort, 4 * effort.many, |times| {
            let mut sum = 0_i64;
            for time in 0..times as usize {
                let segment = &segments[time % SEGMENTS];
                sum = sum.wrapping_add(segment.get_i64(time * 8 % SEGMENT_BYTES)?);
            }
            black_box(sum);
            Ok(())
        })
    };
    let heap_alone = of(segments(|_| true)?)?;
    let direct_alone = of(segments(|_| false)?)?;
    let in_turns = of(segments(|number| number % 2 == 0)?)?;
    let one_kind = f64::midpoint(heap_alone, direct_alone);
    figures.record("pools.turns", Subject::Ours, in_turns / one_kind);
    figures.note(
        "pools.turns",
        format!(
            "{in_turns:.2} ns a read, heap alone {heap_alone:.2}, direct alone {direct_alone:.2}"
        ),
    );
    Ok(())
}
