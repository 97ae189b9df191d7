//! Who has what of a shared pool: a look at the control file, from the agent or from anybody who may open it.

use std::time::Duration;

use super::census::{Census, Place};
use super::layout::{NAME_BYTES, record};
use super::memory::{AtomicU64, Control, Ordering};

/// What one client has.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub oldest: Option<Duration>,
    /// How many it waits for.
    pub waiting: u32,
}

/// What a pool holds and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
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

impl Inspection {
    /// Looks at a control file that is in use. Nobody is stopped or slowed down by it.
    pub(super) fn of(control: &Control) -> Self {
        let layout = control.layout();
        let sizes = layout.sizes();
        let is_client = |number| {
            control
                .record(number)
                .is_some_and(|record| record[record::LEASE].load(Ordering::Acquire) != 0)
        };
        let own_number = layout.own_number();
        let census = Census::take(control, |number| number == own_number || is_client(number));
        let mut inspection = Self {
            segment_bytes: sizes.segment_bytes,
            segments: sizes.segments,
            free: 0,
            moving: 0,
            lost: 0,
            clients: (1..=sizes.clients)
                .filter(|&number| is_client(number))
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

/// Reads a name, replacing what is no text.
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
    String::from_utf8_lossy(&bytes).into_owned()
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
