//! Released Flink and our paged views, one reading what the other wrote: the same values come out on both sides, and the
//! pages are the same to the byte.
//!
//! Skipped, in one line that says why, where there is no JDK or no Maven.

#[path = "../../../tests/pool/view/value.rs"]
mod value;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use e2e::flink::{self, Part};
use headroom::pool::{
    segment::MemorySegment,
    view::{
        CollectedPages, FilledPage, PageList, PageSource, PagedInput, PagedOutput,
        SPILL_HEADER_BYTES, SpillSink, SpillSource,
    },
};

use self::value::Value;

/// A release with the first form of the pages' classes that we follow, and the newest.
const RELEASES: [&str; 2] = ["1.20.1", "2.3.0"];

/// Sizes of a page and its header: pages that values straddle all the time, or hardly ever.
const PAGES: [(usize, usize); 4] = [(57, 0), (100, 8), (2047, 13), (32_768, 0)];

fn random_value(random: &mut fastrand::Rng) -> Value {
    let length = random.usize(0..90);
    match random.u8(0..14) {
        0 => Value::Bool(random.bool()),
        1 => Value::U8(random.u8(..)),
        2 => Value::I8(random.i8(..)),
        3 => Value::U16(random.u16(..)),
        4 => Value::I16(random.i16(..)),
        5 => Value::I32(random.i32(..)),
        6 => Value::I64(random.i64(..)),
        // Java may change the bits of a number that is none when it passes one on.
        7 => Value::F32(random.f32().to_bits() ^ (random.u32(..) & 0x8000_0000)),
        8 => Value::F64(random.f64().to_bits() ^ (random.u64(..) & (1 << 63))),
        9 => Value::Bytes((0..length).map(|_| random.u8(..)).collect()),
        10 => Value::Text((0..length).map(|_| random.char(..)).collect()),
        11 => Value::Units(
            (0..length)
                .map(|_| match random.u8(0..4) {
                    0 => random.u16(0..0x80),
                    1 => random.u16(0x80..0x800),
                    // Halves of surrogate pairs too: Java's texts may hold them.
                    _ => random.u16(..),
                })
                .collect(),
        ),
        // Flink's view answers nothing for an empty line.
        12 => Value::Line((0..=length).map(|_| random.u8(0x20..=0xff)).collect()),
        _ => Value::Skip(length),
    }
}

/// As `FlinkPages.java` reads it.
fn text_of(value: &Value) -> String {
    let hex = |units: &mut dyn Iterator<Item = u16>| {
        units.fold(String::new(), |mut text, unit| {
            let _ = write!(text, "{unit:04x}");
            text
        })
    };
    match value {
        Value::Bool(value) => format!("bool {value}"),
        Value::U8(value) => format!("u8 {value}"),
        Value::I8(value) => format!("i8 {value}"),
        Value::U16(value) => format!("u16 {value}"),
        Value::I16(value) => format!("i16 {value}"),
        Value::I32(value) => format!("i32 {value}"),
        Value::I64(value) => format!("i64 {value}"),
        Value::F32(bits) => format!("f32 {bits:08x}"),
        Value::F64(bits) => format!("f64 {bits:016x}"),
        Value::Bytes(bytes) => bytes.iter().fold("bytes ".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
        Value::Text(text) => format!("utf {}", hex(&mut text.encode_utf16())),
        Value::Units(units) => format!("utf {}", hex(&mut units.iter().copied())),
        Value::Line(bytes) => {
            format!("line {}", hex(&mut bytes.iter().map(|byte| (*byte).into())))
        }
        Value::Skip(length) => format!("skip {length}"),
    }
}

fn segment(size: usize) -> Result<MemorySegment> {
    Ok(MemorySegment::allocate_heap(size)?)
}

/// Our pages in the form that `FlinkPages.java` reads and writes.
fn pages(values: &[Value], size: usize, header_length: usize) -> Result<Vec<u8>> {
    let sink = CollectedPages::new(|| segment(size).ok())?;
    let mut view = PagedOutput::new(sink, header_length)?;
    for value in values {
        value.write(&mut view)?;
    }
    let mut file = Vec::new();
    for filled in view.into_pages() {
        file.extend(u32::try_from(filled.used)?.to_be_bytes());
        file.extend(filled.page.as_ref());
    }
    Ok(file)
}

fn spill(values: &[Value], size: usize) -> Result<Vec<u8>> {
    let sink = SpillSink::new(segment(size)?, Vec::new());
    let mut view = PagedOutput::new(sink, SPILL_HEADER_BYTES)?;
    for value in values {
        value.write(&mut view)?;
    }
    Ok(view.close()?.1)
}

fn compare<Source: PageSource>(mut view: PagedInput<Source>, values: &[Value]) -> Result<()> {
    for (at, value) in values.iter().enumerate() {
        let read = value.read(&mut view)?;
        ensure!(
            read == *value,
            "value {at}: expected {value:?}, read {read:?}"
        );
    }
    ensure!(
        view.read_u8().is_err(),
        "there is something behind the last value"
    );
    Ok(())
}

/// Pages in the form of `FlinkPages.java`.
fn parsed(file: &[u8], size: usize) -> Result<Vec<FilledPage<&[u8]>>> {
    file.chunks(size + 4)
        .map(|chunk| {
            let (used, page) = chunk.split_first_chunk().context("the used bytes")?;
            let used = usize::try_from(u32::from_be_bytes(*used))?;
            Ok(FilledPage { page, used })
        })
        .collect()
}

/// A directory that goes when the test ends.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes what Flink reads of one exchange, and gives the pages as they are.
fn offer(directory: &Path, values: &[Value], size: usize, header_length: usize) -> Result<Vec<u8>> {
    fs::create_dir_all(directory)?;
    let lines: Vec<_> = values.iter().map(text_of).collect();
    fs::write(directory.join("values"), lines.join("\n") + "\n")?;
    let pages = pages(values, size, header_length)?;
    fs::write(directory.join("pages"), &pages)?;
    fs::write(directory.join("spill"), spill(values, size)?)?;
    Ok(pages)
}

/// Compares what Flink wrote in one exchange.
fn accept(
    directory: &Path,
    values: &[Value],
    size: usize,
    header_length: usize,
    ours: &[u8],
) -> Result<()> {
    let theirs = fs::read(directory.join("flink-pages"))?;
    let list = PageList::new(parsed(&theirs, size)?);
    compare(PagedInput::new(list, header_length)?, values)?;
    ensure!(theirs == ours, "the pages differ, though not in a value");
    // In a spill file, what is skipped and what lies behind the used bytes is what the page held before.
    let spill = fs::read(directory.join("flink-spill"))?;
    let source = SpillSource::new(segment(size)?, spill.as_slice());
    compare(PagedInput::new(source, SPILL_HEADER_BYTES)?, values)?;
    let our_spill = fs::metadata(directory.join("spill"))?.len();
    ensure!(
        spill.len() as u64 == our_spill,
        "Flink spilled {} bytes, we {our_spill}",
        spill.len()
    );
    Ok(())
}

/// Exchanges the values with one release, over pages of every size.
fn exchange(release: &str, values: &[Value]) -> Result<()> {
    let name = format!("headroom-flink-pages-{release}-{}", std::process::id());
    let scratch = Scratch(std::env::temp_dir().join(name));
    let mut command = Command::new("java");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/flink/src/FlinkPages.java");
    command
        .args(["-XX:TieredStopAtLevel=1", "-cp"])
        .args([&flink::class_path(Part::Memory, release)?, source])
        .stdin(Stdio::null());
    let mut offered = Vec::new();
    for (size, header_length) in PAGES {
        let directory = scratch.0.join(size.to_string());
        let ours = offer(&directory, values, size, header_length)?;
        command
            .arg(&directory)
            .args([size.to_string(), header_length.to_string()]);
        offered.push((directory, size, header_length, ours));
    }
    let output = command.output().context("failed to run java")?;
    ensure!(
        output.status.success(),
        "Flink {release}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (directory, size, header_length, ours) in offered {
        accept(&directory, values, size, header_length, &ours)
            .with_context(|| format!("Flink {release}, pages of {size} bytes"))?;
    }
    Ok(())
}

#[test]
fn flink_and_our_views_read_each_other() -> Result<()> {
    if let Some(missing) = flink::missing() {
        eprintln!("skipped: {missing}");
        return Ok(());
    }
    // A fixed seed: what fails here fails again.
    let mut random = fastrand::Rng::with_seed(1);
    let mut values: Vec<_> = (0..5000).map(|_| random_value(&mut random)).collect();
    values.extend([
        Value::Bytes(vec![7; 100_000]),
        Value::Units(vec![u16::from(b'x'); 65_535]),
        Value::Units(Vec::new()),
        Value::F32(f32::INFINITY.to_bits()),
        Value::F64((-0.0_f64).to_bits()),
    ]);
    for release in RELEASES {
        exchange(release, &values)?;
    }
    Ok(())
}
