//! Sorts more records than its memory holds: sorted runs go to a file, and are merged with a page each.
//!
//! All memory for records is pages of a reservation, as an operator of Flink has them, so that what it may use is known
//! before it starts and it can be given back whole.
//!
//! `cargo run --release --example spilling_sort -- [RECORDS] [MEBIBYTES]`

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    env,
    error::Error,
    fs::File,
    path::{Path, PathBuf},
    time::Instant,
};

use headroom::{
    bytes::Bytes,
    pool::{
        extent::Fit,
        memory_manager::{DEFAULT_PAGE_SIZE, ManagedSegment, MemoryManager, PinnedSegment},
        view::{PagedInput, PagedOutput, SPILL_HEADER_BYTES, SpillSink, SpillSource, ViewError},
    },
};

/// A key of 8 bytes and what belongs to it.
const RECORD_BYTES: usize = 64;

type Record = [u8; RECORD_BYTES];
type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (records, mebibytes) = (number(1_000_000)?, number(8)?);

    let reservation = Bytes::from_mebibytes(mebibytes);
    let manager = MemoryManager::create(reservation, DEFAULT_PAGE_SIZE)?;
    let owner = manager.register_owner("sort");
    let directory = Scratch::new()?;
    println!(
        "{records} records, {} of them, in {} of memory, {} pages",
        Bytes(records * RECORD_BYTES as u64),
        manager.memory_size(),
        manager.total_pages()
    );

    let start = Instant::now();
    let mut memory = manager.allocate_extent(owner, manager.total_pages() - 1, Fit::Best)?;
    let mut page = manager.allocate_extent(owner, 1, Fit::Best)?;
    let mut runs = write_runs(&mut memory, &mut page, records, &directory.0)?;
    let spilled = Bytes(runs.iter().map(Run::size_bytes).sum());
    println!(
        "sorted runs: {}, {spilled}, after {:.2?}",
        runs.len(),
        start.elapsed()
    );
    drop((memory, page));

    // A page for each run that is read and one for what is written: that is how many can be merged at a time.
    let mut pages = manager.allocate_pages(owner, manager.total_pages())?;
    let fan_in = pages.len() - 1;
    let mut merges = 0;
    while runs.len() > 1 {
        let rest = runs.split_off(runs.len().min(fan_in));
        let merged = merge(&runs, &mut pages, &directory.0, merges)?;
        merges += 1;
        runs = rest;
        runs.push(merged);
    }
    println!("merges: {merges}, after {:.2?}", start.elapsed());

    let found = match runs.first() {
        Some(run) => check(run, &mut pages)?,
        None => 0,
    };
    assert_eq!(found, records, "nothing is lost");
    drop(pages);
    manager.remove_owner(owner)?;
    // Whoever keeps a page would be named here.
    manager.verify_empty()?;
    println!("{found} records in order, all memory returned");
    Ok(())
}

/// Fills the memory with records, sorts them where they lie and writes them out, until all records are written.
fn write_runs(
    memory: &mut ManagedSegment,
    page: &mut ManagedSegment,
    records: u64,
    directory: &Path,
) -> Outcome<Vec<Run>> {
    let mut runs = Vec::new();
    let mut left = records;
    let mut key = 1_u64;
    while left > 0 {
        let mut bytes = memory.pin()?;
        let (places, _) = bytes.as_chunks_mut::<RECORD_BYTES>();
        let count = places.len().min(usize::try_from(left)?);
        let places = &mut places[..count];
        for place in places.iter_mut() {
            // Whatever order they come in.
            key = key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            place[..8].copy_from_slice(&key.to_be_bytes());
        }
        places.sort_unstable_by_key(key_of);
        let run = Run::new(directory, &format!("run-{}", runs.len()));
        let mut output = run.output(page)?;
        for place in places.iter() {
            output.write_bytes(place)?;
        }
        output.close()?;
        runs.push(run);
        left -= count as u64;
    }
    Ok(runs)
}

/// Merges runs into one, and removes them.
fn merge(
    runs: &[Run],
    pages: &mut [ManagedSegment],
    directory: &Path,
    number: usize,
) -> Outcome<Run> {
    let merged = Run::new(directory, &format!("merged-{number}"));
    let (written, read) = pages.split_first_mut().ok_or("no page to write to")?;
    let mut output = merged.output(written)?;
    let mut inputs = Vec::new();
    let mut heads = BinaryHeap::new();
    for (index, (run, page)) in runs.iter().zip(read).enumerate() {
        let mut input = run.input(page)?;
        if let Some(record) = next(&mut input)? {
            heads.push(Reverse((key_of(&record), index, record)));
        }
        inputs.push(input);
    }
    while let Some(Reverse((_, index, record))) = heads.pop() {
        output.write_bytes(&record)?;
        if let Some(record) = next(&mut inputs[index])? {
            heads.push(Reverse((key_of(&record), index, record)));
        }
    }
    output.close()?;
    for run in runs {
        std::fs::remove_file(&run.0)?;
    }
    Ok(merged)
}

/// How many records a run has, all in order.
fn check(run: &Run, pages: &mut [ManagedSegment]) -> Outcome<u64> {
    let page = pages.first_mut().ok_or("no page to read into")?;
    let mut input = run.input(page)?;
    let (mut found, mut last) = (0, 0);
    while let Some(record) = next(&mut input)? {
        let key = key_of(&record);
        assert!(last <= key, "records are in order");
        last = key;
        found += 1;
    }
    Ok(found)
}

/// Records in order, in a file of pages.
struct Run(PathBuf);

impl Run {
    fn new(directory: &Path, name: &str) -> Self {
        Self(directory.join(name))
    }

    fn size_bytes(&self) -> u64 {
        std::fs::metadata(&self.0).map_or(0, |file| file.len())
    }

    fn output<'a>(
        &self,
        page: &'a mut ManagedSegment,
    ) -> Outcome<PagedOutput<SpillSink<PinnedSegment<'a>, File>>> {
        let sink = SpillSink::new(page.pin()?, File::create_new(&self.0)?);
        Ok(PagedOutput::new(sink, SPILL_HEADER_BYTES)?)
    }

    fn input<'a>(
        &self,
        page: &'a mut ManagedSegment,
    ) -> Outcome<PagedInput<SpillSource<PinnedSegment<'a>, File>>> {
        let source = SpillSource::new(page.pin()?, File::open(&self.0)?);
        let mut input = PagedInput::new(source, SPILL_HEADER_BYTES)?;
        input.advance()?;
        Ok(input)
    }
}

/// The next record of a run; `None` at its end.
fn next(input: &mut PagedInput<SpillSource<PinnedSegment<'_>, File>>) -> Outcome<Option<Record>> {
    let mut record = [0; RECORD_BYTES];
    match input.read_fully(&mut record) {
        Ok(()) => Ok(Some(record)),
        Err(ViewError::EndOfData) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn key_of(record: &Record) -> u64 {
    record
        .first_chunk()
        .map_or(0, |key| u64::from_be_bytes(*key))
}

/// A directory that goes with everything in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Outcome<Self> {
        let path = env::temp_dir().join(format!("headroom-sort-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
