//! Who has what of a shared pool: a look at the control file, from the agent or from anybody who may open it.
//!
//! A look stops and slows down nobody, and needs neither the agent nor a place among its clients. Flink has no such
//! thing: it shows totals (`Status.Shuffle.Netty.UsedMemorySegments`) and not who is behind them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use serde::{Serialize, Serializer};

use super::census::{Census, Place};
use super::layout::{HEADER_WORDS, Layout, LayoutError, NAME_BYTES, common, record};
use super::memory::{AtomicU64, Control, Ordering};
use super::words::OwnerWord;
use crate::pool::mapping::{Mapping, MappingError};

/// What one client has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientFigures {
    /// Its number in the pool.
    pub number: u16,
    /// What it called itself.
    pub name: String,
    /// Its process, where that is visible to the agent.
    pub process: Option<u32>,
    /// How many segments it was promised.
    pub required: u32,
    /// How many it may have now.
    pub quota: u32,
    /// How many it holds.
    pub held: u32,
    /// How many lie in its magazines: they are free, but only it takes them without asking.
    pub lying: u32,
    /// The age of its oldest holding, as of the agent's last look. It is known to within the time between two looks.
    /// Written as `oldestMilliseconds`.
    #[serde(rename = "oldestMilliseconds", serialize_with = "in_milliseconds")]
    pub oldest: Option<Duration>,
    /// How many it waits for.
    pub waiting: u32,
}

/// What a pool holds and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// How often an agent took the pool over: 1 for a pool whose agent was never restarted.
    pub agents: u64,
    /// The bytes of one segment.
    pub segment_bytes: u32,
    /// How many segments there are. It is the sum of what is free, what moves, what is lost, and what the clients hold
    /// and what lies in their magazines.
    pub segments: u32,
    /// How many lie in the depot.
    pub free: u32,
    /// How many changed hands while this was found out; 0 when nobody works.
    pub moving: u32,
    /// How many are nobody's, or somebody's who is no client: until the agent puts them back, which it does with its
    /// next look.
    pub lost: u32,
    /// The clients, by their numbers.
    pub clients: Vec<ClientFigures>,
}

/// A file cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// It cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a directory, a device, a socket or a pipe.
    #[error("{} is no plain file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// It is no control file of this version.
    #[error("{}: {source}", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: LayoutError,
    },
    /// There is not enough memory for a copy of it.
    #[error(transparent)]
    Mapping(#[from] MappingError),
}

/// Looks at the pool whose control file this is (`NAME.control` beside `NAME.data`).
///
/// The file is read and never mapped or written, so that nothing that happens to it meanwhile harms who looks.
///
/// # Errors
/// When it cannot be read, is a symbolic link or no plain file, or is no control file of this layout version.
pub fn inspect(path: &Path) -> Result<Inspection, InspectError> {
    let read_error = |source| InspectError::Read {
        path: path.to_owned(),
        source,
    };
    let layout_error = |source| InspectError::Layout {
        path: path.to_owned(),
        source,
    };
    // Opening a pipe would wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty())
        .map_err(|error| read_error(error.into()))?;
    let status = rustix::fs::fstat(&file).map_err(|error| read_error(error.into()))?;
    if !FileType::from_raw_mode(status.st_mode).is_file() {
        return Err(InspectError::NotAFile {
            path: path.to_owned(),
        });
    }
    let file = File::from(file);
    let length = u64::try_from(status.st_size).unwrap_or(0);
    Layout::check_length(length).map_err(layout_error)?;
    let read = |offset: u64, words: u64| read_words(&file, offset, words).map_err(read_error);
    let mut header = [0; HEADER_WORDS];
    for (place, word) in header.iter_mut().zip(read(0, HEADER_WORDS as u64)?) {
        *place = word;
    }
    let layout = Layout::read(&header, length).map_err(layout_error)?;
    let read_owners = || -> Result<Vec<OwnerWord>, InspectError> {
        let words = read(layout.owners_offset(), layout.sizes().segments.into())?;
        Ok(words.into_iter().map(OwnerWord::from_bits).collect())
    };
    let before = read_owners()?;
    let mapping = Mapping::anonymous(usize::try_from(length).unwrap_or(usize::MAX))?;
    Control::write_over(&mapping, read(0, length / 8)?);
    let control = Control::open(mapping).map_err(layout_error)?;
    let after = read_owners()?;
    Ok(Inspection::between(before, &control, || after))
}

/// So many words of a file from an offset on.
fn read_words(file: &File, offset: u64, words: u64) -> io::Result<Vec<u64>> {
    let length = usize::try_from(words.saturating_mul(8)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    let (words, _) = bytes.as_chunks::<8>();
    Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
}

impl Inspection {
    /// Looks at a control file that is in use. Nobody is stopped or slowed down by it.
    pub(super) fn of(control: &Control) -> Self {
        let census = Census::take(control, |number| is_known(control, number));
        Self::told_by(control, census)
    }

    /// Tells what lies between two readings of the owner words.
    fn between(
        before: Vec<OwnerWord>,
        control: &Control,
        read_again: impl FnOnce() -> Vec<OwnerWord>,
    ) -> Self {
        let census = Census::between(before, control, read_again, |number| {
            is_known(control, number)
        });
        Self::told_by(control, census)
    }

    fn told_by(control: &Control, census: Census) -> Self {
        let layout = control.layout();
        let sizes = layout.sizes();
        let agents = control.common().map_or(0, |common| {
            common[common::INCARNATION].load(Ordering::Relaxed)
        });
        let mut inspection = Self {
            agents,
            segment_bytes: sizes.segment_bytes,
            segments: sizes.segments,
            free: 0,
            moving: 0,
            lost: 0,
            clients: (1..=sizes.clients)
                .filter(|&number| is_client(control, number))
                .filter_map(|number| Some(ClientFigures::of(number, control.record(number)?)))
                .collect(),
        };
        for place in census.places {
            let (owner, is_held) = match place {
                Place::Held(owner) => (owner, true),
                Place::Lying(slot) => (
                    census.slot_owners.get(slot as usize).copied().unwrap_or(0),
                    false,
                ),
                Place::Moving => {
                    inspection.moving += 1;
                    continue;
                }
                Place::Lost | Place::Orphaned => {
                    inspection.lost += 1;
                    continue;
                }
            };
            let found = inspection
                .clients
                .binary_search_by_key(&owner, |client| client.number)
                .ok()
                .and_then(|position| inspection.clients.get_mut(position));
            match found {
                Some(client) if is_held => client.held += 1,
                Some(client) => client.lying += 1,
                // What the agent itself has is on its way, or in the depot.
                None if is_held => inspection.moving += 1,
                None => inspection.free += 1,
            }
        }
        inspection
    }

    /// Those who hold the most, for the text of a refusal.
    #[must_use]
    pub fn largest_holders(&self, count: usize) -> Vec<&ClientFigures> {
        let mut holders: Vec<_> = self
            .clients
            .iter()
            .filter(|client| client.held > 0)
            .collect();
        holders.sort_by_key(|client| std::cmp::Reverse(client.held));
        holders.truncate(count);
        holders
    }
}

fn is_client(control: &Control, number: u16) -> bool {
    control
        .record(number)
        .is_some_and(|record| record[record::LEASE].load(Ordering::Acquire) != 0)
}

/// Whether segments may be in this number's name: a client's, or the agent's own.
fn is_known(control: &Control, number: u16) -> bool {
    number == control.layout().own_number() || is_client(control, number)
}

fn in_milliseconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let milliseconds = |duration: &Duration| u64::try_from(duration.as_millis()).ok();
    duration
        .as_ref()
        .and_then(milliseconds)
        .serialize(serializer)
}

impl ClientFigures {
    /// What a record says. It is other people's memory: whatever it says, this is an answer.
    fn of(number: u16, words: &[AtomicU64; record::WORDS]) -> Self {
        let read = |word: usize| {
            words
                .get(word)
                .map_or(0, |word| word.load(Ordering::Relaxed))
        };
        let number_of = |word| u32::try_from(read(word)).unwrap_or(u32::MAX);
        Self {
            number,
            name: read_name(words),
            process: Some(number_of(record::PROCESS)).filter(|&process| process != 0),
            required: number_of(record::REQUIRED),
            quota: number_of(record::QUOTA),
            held: 0,
            lying: 0,
            // It is written as one more, so that 0 says that there is none.
            oldest: read(record::OLDEST_MILLISECONDS)
                .checked_sub(1)
                .map(Duration::from_millis),
            waiting: number_of(record::WAITING),
        }
    }
}

/// Reads a name, replacing what is no text and what would move a terminal's cursor.
pub(super) fn read_name(words: &[AtomicU64; record::WORDS]) -> String {
    let length = words[record::NAME_LENGTH].load(Ordering::Relaxed);
    let length = usize::try_from(length)
        .unwrap_or(NAME_BYTES)
        .min(NAME_BYTES);
    let bytes: Vec<u8> = words
        .iter()
        .skip(record::NAME)
        .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
        .take(length)
        .collect();
    String::from_utf8_lossy(&bytes).replace(char::is_control, "\u{fffd}")
}

/// Writes a name of at most [`NAME_BYTES`] bytes.
pub(super) fn write_name(words: &[AtomicU64; record::WORDS], name: &str) {
    let mut bytes = [0; NAME_BYTES];
    for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    let (chunks, _) = bytes.as_chunks::<8>();
    for (word, chunk) in words.iter().skip(record::NAME).zip(chunks) {
        word.store(u64::from_le_bytes(*chunk), Ordering::Relaxed);
    }
    words[record::NAME_LENGTH].store(name.len().min(NAME_BYTES) as u64, Ordering::Relaxed);
}
