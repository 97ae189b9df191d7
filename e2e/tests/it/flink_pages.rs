//! Released Flink and our paged views, one reading what the other wrote: the same values come out on both sides, and the
//! pages are the same to the byte.
//!
//! Skipped, in one line that says why, where there is no JDK or no Maven.

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
        CollectedPages, FilledPage, PageList, PageSink, PageSource, PagedInput, PagedOutput,
        SPILL_HEADER_BYTES, SpillSink, SpillSource,
    },
};

/// A release with the first form of the pages' classes that we follow, and the newest.
const RELEASES: [&str; 2] = ["1.20.1", "2.3.0"];

/// Sizes of a page and its header: pages that values straddle all the time, or hardly ever.
const PAGES: [(usize, usize); 4] = [(57, 0), (100, 8), (2047, 13), (32_768, 0)];

/// One thing to be written, and to be read again.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Bool(bool),
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    Bytes(Vec<u8>),
    Utf(Vec<u16>),
    Line(Vec<u8>),
    Skip(usize),
}

impl Value {
    fn random(random: &mut fastrand::Rng) -> Self {
        let length = random.usize(0..90);
        match random.u8(0..13) {
            0 => Self::Bool(random.bool()),
            1 => Self::U8(random.u8(..)),
            2 => Self::I8(random.i8(..)),
            3 => Self::U16(random.u16(..)),
            4 => Self::I16(random.i16(..)),
            5 => Self::I32(random.i32(..)),
            6 => Self::I64(random.i64(..)),
            // Java may change the bits of a number that is none when it passes one on.
            7 => Self::F32(random.f32().to_bits() ^ (random.u32(..) & 0x8000_0000)),
            8 => Self::F64(random.f64().to_bits() ^ (random.u64(..) & (1 << 63))),
            9 => Self::Bytes((0..length).map(|_| random.u8(..)).collect()),
            10 => Self::Utf(
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
            11 => Self::Line((0..=length).map(|_| random.u8(0x20..=0xff)).collect()),
            _ => Self::Skip(length),
        }
    }

    /// As `FlinkPages.java` reads it.
    fn text(&self) -> String {
        let hex = |units: &mut dyn Iterator<Item = u16>| {
            units.fold(String::new(), |mut text, unit| {
                let _ = write!(text, "{unit:04x}");
                text
            })
        };
        match self {
            Self::Bool(value) => format!("bool {value}"),
            Self::U8(value) => format!("u8 {value}"),
            Self::I8(value) => format!("i8 {value}"),
            Self::U16(value) => format!("u16 {value}"),
            Self::I16(value) => format!("i16 {value}"),
            Self::I32(value) => format!("i32 {value}"),
            Self::I64(value) => format!("i64 {value}"),
            Self::F32(bits) => format!("f32 {bits:08x}"),
            Self::F64(bits) => format!("f64 {bits:016x}"),
            Self::Bytes(bytes) => bytes.iter().fold("bytes ".to_owned(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            }),
            Self::Utf(units) => format!("utf {}", hex(&mut units.iter().copied())),
            Self::Line(bytes) => {
                format!("line {}", hex(&mut bytes.iter().map(|byte| (*byte).into())))
            }
            Self::Skip(length) => format!("skip {length}"),
        }
    }

    fn write<Sink: PageSink>(&self, view: &mut PagedOutput<Sink>) -> Result<()> {
        match self {
            Self::Bool(value) => view.write_bool(*value),
            Self::U8(value) => view.write_u8(*value),
            Self::I8(value) => view.write_i8(*value),
            Self::U16(value) => view.write_u16(*value),
            Self::I16(value) => view.write_i16(*value),
            Self::I32(value) => view.write_i32(*value),
            Self::I64(value) => view.write_i64(*value),
            Self::F32(bits) => view.write_f32(f32::from_bits(*bits)),
            Self::F64(bits) => view.write_f64(f64::from_bits(*bits)),
            Self::Bytes(bytes) => view.write_bytes(bytes),
            Self::Utf(units) => view.write_utf_units(units.iter().copied()),
            Self::Line(bytes) => {
                view.write_bytes(bytes)?;
                view.write_u8(b'\n')
            }
            Self::Skip(length) => view.skip(*length),
        }?;
        Ok(())
    }

    /// Reads a value of the same shape.
    fn read<Source: PageSource>(&self, view: &mut PagedInput<Source>) -> Result<Self> {
        Ok(match self {
            Self::Bool(_) => Self::Bool(view.read_bool()?),
            Self::U8(_) => Self::U8(view.read_u8()?),
            Self::I8(_) => Self::I8(view.read_i8()?),
            Self::U16(_) => Self::U16(view.read_u16()?),
            Self::I16(_) => Self::I16(view.read_i16()?),
            Self::I32(_) => Self::I32(view.read_i32()?),
            Self::I64(_) => Self::I64(view.read_i64()?),
            Self::F32(_) => Self::F32(view.read_f32()?.to_bits()),
            Self::F64(_) => Self::F64(view.read_f64()?.to_bits()),
            Self::Bytes(bytes) => {
                let mut read = vec![0; bytes.len()];
                view.read_fully(&mut read)?;
                Self::Bytes(read)
            }
            Self::Utf(_) => Self::Utf(view.read_utf_units()?),
            Self::Line(_) => {
                let line = view.read_line()?.context("a line")?;
                Self::Line(line.chars().map(u8::try_from).collect::<Result<_, _>>()?)
            }
            Self::Skip(length) => {
                view.skip_fully(*length)?;
                Self::Skip(*length)
            }
        })
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
    let lines: Vec<_> = values.iter().map(Value::text).collect();
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
    let mut values: Vec<_> = (0..5000).map(|_| Value::random(&mut random)).collect();
    values.extend([
        Value::Bytes(vec![7; 100_000]),
        Value::Utf(vec![u16::from(b'x'); 65_535]),
        Value::Utf(Vec::new()),
        Value::F32(f32::INFINITY.to_bits()),
        Value::F64((-0.0_f64).to_bits()),
    ]);
    for release in RELEASES {
        exchange(release, &values)?;
    }
    Ok(())
}
