//! Where everything lies in the control file of a shared pool.
//!
//! The file holds sizes and indexes only, never an address, so that every process may map it where it likes. All
//! offsets follow from five sizes; a reader computes them anew and compares each with what the header says, so that a
//! header that was tampered with is an error before anything else of the file is looked at.

/// The first eight bytes of a control file.
const MAGIC: u64 = u64::from_le_bytes(*b"HdrmPool");

/// The version of the layout and of the protocol on it. Processes of different versions never share a pool.
pub const LAYOUT_VERSION: u32 = 1;

/// The words of 8 bytes that the header consists of.
pub const HEADER_WORDS: usize = 16;

/// What two processes write lies at least this far apart, so that they do not slow each other down: two cache lines,
/// because processors fetch them in pairs.
const LINE_BYTES: u64 = 128;

/// The most clients that may share a pool at one time; the pool's own number comes after the last of them and has to
/// fit into 16 bits.
pub const MAX_CLIENTS: u16 = 4096;

/// The most segments of a pool: 2^26 of 32 KiB are 2 TiB.
pub const MAX_SEGMENTS: u32 = 1 << 26;

/// The most indexes in a magazine.
pub const MAX_SLOT_CAPACITY: u32 = 4096;

/// The bytes of a client's name in the control file; longer names are cut.
pub const NAME_BYTES: usize = 64;

/// How the words of a record are used, one for each client and one for the pool as a client of its own.
pub mod record {
    /// Words of 8 bytes that the client writes: whether it is in the middle of an operation.
    pub const BUSY: usize = 0;
    /// The first word of those that the pool writes; it starts a line of its own. Its lowest two bits are one of the
    /// states below, the others rise whenever the client should look at its record.
    pub const ATTENTION: usize = 16;
    /// How many segments the client may have at present.
    pub const QUOTA: usize = 17;
    /// The number of the lease, which is 0 where the record is free.
    pub const LEASE: usize = 18;
    /// How many segments it was promised. The rest of the record is for people, and on a line of its own.
    pub const REQUIRED: usize = 32;
    /// How many it may ever have.
    pub const MAXIMUM: usize = 33;
    /// The age of its oldest holding in milliseconds, as of the pool's last look, and one; 0 where it holds nothing.
    pub const OLDEST_MILLISECONDS: usize = 34;
    /// How many segments it waits for.
    pub const WAITING: usize = 35;
    /// Its process, as the agent sees it; 0 where it does not.
    pub const PROCESS: usize = 36;
    /// The length of the name in bytes.
    pub const NAME_LENGTH: usize = 37;
    /// The name.
    pub const NAME: usize = 40;
    /// All words of a record.
    pub const WORDS: usize = 48;

    /// The bits of the attention word that hold its state.
    pub const STATE: u64 = 3;
    /// The client uses its magazines and the depot.
    pub const OPEN: u64 = 0;
    /// Segments are scarce: the client asks the pool for each, and gives each back to it.
    pub const SCARCE: u64 = 1;
    /// The lease is over.
    pub const REVOKED: u64 = 2;
}

/// How the words that all share are used.
pub mod common {
    /// How often an agent took the pool over; it starts a line of its own.
    pub const INCARNATION: usize = 0;
    /// The slot that was filled last: where to look first for a full one.
    pub const FILLED: usize = 16;
    /// The slot that was emptied last: where to look first for an empty one.
    pub const EMPTIED: usize = 32;
    /// All words of the record.
    pub const WORDS: usize = 48;
}

/// The sizes that a layout follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The bytes of one segment.
    pub segment_bytes: u32,
    /// How many segments there are.
    pub segments: u32,
    /// How many indexes fit into a slot.
    pub slot_capacity: u32,
    /// How many slots there are.
    pub slots: u32,
    /// How many clients may share the pool at one time.
    pub clients: u16,
}

/// Where everything lies. All offsets and lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    sizes: Sizes,
    identity: u64,
    common_offset: u64,
    records_offset: u64,
    slot_words_offset: u64,
    slots_offset: u64,
    owners_offset: u64,
    control_bytes: u64,
    data_bytes: u64,
}

/// Why there is no such pool, or a file is no control file of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A size is 0 or beyond what the layout can hold.
    #[error("{what} is {value}, but must be from 1 to {largest}")]
    Size {
        /// Which size.
        what: &'static str,
        /// What it is.
        value: u64,
        /// The largest possible one.
        largest: u64,
    },
    /// There are too few slots for the segments and clients.
    #[error(
        "{slots} slots are too few for {segments} segments and {clients} clients: {needed} are needed"
    )]
    TooFewSlots {
        /// How many slots there are.
        slots: u32,
        /// How many segments.
        segments: u32,
        /// How many clients.
        clients: u16,
        /// How many slots are needed.
        needed: u64,
    },
    /// The file ends before its header does.
    #[error("a control file of {length} bytes is shorter than its header of {header} bytes")]
    TooShort {
        /// The file's length.
        length: u64,
        /// The header's length.
        header: u64,
    },
    /// The file is something else.
    #[error("this is no control file of a pool: it begins with {found:#018x}")]
    Magic {
        /// The first eight bytes.
        found: u64,
    },
    /// The file was laid out by another version.
    #[error("the pool has layout version {found}, this program has version {ours}")]
    Version {
        /// The file's version.
        found: u32,
        /// Ours.
        ours: u32,
    },
    /// The header contradicts itself or the file.
    #[error("the header says {found} for {what}, but it must be {expected}")]
    Contradiction {
        /// What is wrong.
        what: &'static str,
        /// What the header or the file says.
        found: u64,
        /// What follows from the sizes.
        expected: u64,
    },
}

impl Layout {
    /// The layout of a pool of `segments` segments of `segment_bytes` each for up to `clients` clients. The capacity of
    /// a slot follows from the number of segments; `identity` tells this pool from all others.
    ///
    /// # Errors
    /// When a size is 0 or too large.
    pub fn plan(
        segment_bytes: u32,
        segments: u32,
        clients: u16,
        identity: u64,
    ) -> Result<Self, LayoutError> {
        let slot_capacity = Self::usual_slot_capacity(segments);
        let slots = Sizes::slots_needed(segments, slot_capacity, clients);
        let slots = u32::try_from(slots).map_err(|_| LayoutError::Size {
            what: "the number of slots",
            value: slots,
            largest: u64::from(u32::MAX),
        })?;
        Self::of(
            Sizes {
                segment_bytes,
                segments,
                slot_capacity,
                slots,
                clients,
            },
            identity,
        )
    }

    /// A magazine should be large enough that the depot is rarely asked, and so small that what lies in magazines is a
    /// small part of the pool: a sixty-fourth, at least 1, and 128 where the pool is large. A pool of more than
    /// 65,536 segments gets larger ones, so that looking through all slots stays quick.
    fn usual_slot_capacity(segments: u32) -> u32 {
        let usual = (segments / 64).clamp(1, 128);
        let large = (segments / 512).min(MAX_SLOT_CAPACITY);
        let capacity = usual.max(large);
        // Rounding down to a power of two makes the positions of a slot fill whole cache lines.
        1 << capacity.ilog2()
    }

    /// The layout that follows from `sizes`.
    ///
    /// # Errors
    /// When a size is out of range or does not fit the others.
    pub fn of(sizes: Sizes, identity: u64) -> Result<Self, LayoutError> {
        sizes.check()?;
        let common_offset = round_up(HEADER_WORDS as u64 * 8);
        let records_offset = common_offset + common::WORDS as u64 * 8;
        let slot_words_offset =
            records_offset + (u64::from(sizes.clients) + 1) * (record::WORDS as u64 * 8);
        let slots_offset = round_up(slot_words_offset + u64::from(sizes.slots) * 8);
        let owners_offset = slots_offset + u64::from(sizes.slots) * sizes.slot_bytes();
        let control_bytes = round_up(owners_offset + u64::from(sizes.segments) * 8);
        let data_bytes = u64::from(sizes.segments) * u64::from(sizes.segment_bytes);
        Ok(Self {
            sizes,
            identity,
            common_offset,
            records_offset,
            slot_words_offset,
            slots_offset,
            owners_offset,
            control_bytes,
            data_bytes,
        })
    }

    /// The header that describes this layout.
    #[must_use]
    pub fn header(&self) -> [u64; HEADER_WORDS] {
        let mut words = [0; HEADER_WORDS];
        words[0] = MAGIC;
        words[1] = u64::from(LAYOUT_VERSION);
        for (word, (_, value)) in words[2..].iter_mut().zip(self.fields()) {
            *word = value;
        }
        words
    }

    /// Reads a header that somebody else wrote, of a file of `control_bytes` bytes.
    ///
    /// # Errors
    /// When the file is no control file, of another version, or when anything in the header contradicts anything else.
    pub fn read(header: &[u64; HEADER_WORDS], control_bytes: u64) -> Result<Self, LayoutError> {
        Self::check_length(control_bytes)?;
        if header[0] != MAGIC {
            return Err(LayoutError::Magic { found: header[0] });
        }
        if header[1] != u64::from(LAYOUT_VERSION) {
            return Err(LayoutError::Version {
                found: u32::try_from(header[1]).unwrap_or(u32::MAX),
                ours: LAYOUT_VERSION,
            });
        }
        let sizes = Sizes {
            segment_bytes: narrow("the size of a segment", header[2], u32::MAX)?,
            segments: narrow("the number of segments", header[3], u32::MAX)?,
            slot_capacity: narrow("the capacity of a slot", header[4], u32::MAX)?,
            slots: narrow("the number of slots", header[5], u32::MAX)?,
            clients: narrow("the number of clients", header[6], u16::MAX)?,
        };
        let layout = Self::of(sizes, header[7])?;
        for (&found, (what, expected)) in header[2..].iter().zip(layout.fields()) {
            expect(what, found, expected)?;
        }
        layout.check_control_bytes(control_bytes)?;
        Ok(layout)
    }

    /// Whether a file is long enough to have a header at all.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_length(control_bytes: u64) -> Result<(), LayoutError> {
        let header = HEADER_WORDS as u64 * 8;
        if control_bytes < header {
            return Err(LayoutError::TooShort {
                length: control_bytes,
                header,
            });
        }
        Ok(())
    }

    /// The words of the header after the version, in their order.
    fn fields(&self) -> [(&'static str, u64); HEADER_WORDS - 2] {
        [
            ("the size of a segment", u64::from(self.sizes.segment_bytes)),
            ("the number of segments", u64::from(self.sizes.segments)),
            (
                "the capacity of a slot",
                u64::from(self.sizes.slot_capacity),
            ),
            ("the number of slots", u64::from(self.sizes.slots)),
            ("the number of clients", u64::from(self.sizes.clients)),
            ("the identity", self.identity),
            ("the offset of the common words", self.common_offset),
            ("the offset of the records", self.records_offset),
            ("the offset of the slot words", self.slot_words_offset),
            ("the offset of the slots", self.slots_offset),
            ("the offset of the owner words", self.owners_offset),
            ("the length of the control file", self.control_bytes),
            ("the length of the data file", self.data_bytes),
            ("the reserved word", 0),
        ]
    }

    /// The sizes that it follows from.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// What tells this pool from all others.
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// The length of the control file.
    #[must_use]
    pub fn control_bytes(&self) -> u64 {
        self.control_bytes
    }

    /// The length of the data file.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// The number under which the pool itself has segments and slots, and its record; clients are numbered from 1 to the
    /// one below it.
    #[must_use]
    pub fn own_number(&self) -> u16 {
        self.sizes.clients + 1
    }

    /// Where the words that all share begin.
    #[must_use]
    pub fn common_offset(&self) -> u64 {
        self.common_offset
    }

    /// Where the record of a client begins; they are numbered from 1, and the pool itself comes after the last.
    #[must_use]
    pub fn record_offset(&self, client: u16) -> Option<u64> {
        let bytes = record::WORDS as u64 * 8;
        (1..=self.own_number())
            .contains(&client)
            .then(|| self.records_offset + u64::from(client - 1) * bytes)
    }

    /// Where the words of the slots begin.
    #[must_use]
    pub fn slot_words_offset(&self) -> u64 {
        self.slot_words_offset
    }

    /// Where a slot begins, with the word that tells how many indexes are in it.
    #[must_use]
    pub fn slot_offset(&self, slot: u32) -> Option<u64> {
        (slot < self.sizes.slots)
            .then(|| self.slots_offset + u64::from(slot) * self.sizes.slot_bytes())
    }

    /// Where the indexes of a slot begin.
    #[must_use]
    pub fn indexes_offset(&self, slot: u32) -> Option<u64> {
        self.slot_offset(slot).map(|offset| offset + LINE_BYTES)
    }

    /// Where the owner words begin.
    #[must_use]
    pub fn owners_offset(&self) -> u64 {
        self.owners_offset
    }

    /// Whether a control file has the length that follows from the sizes.
    ///
    /// # Errors
    /// When it has not.
    pub fn check_control_bytes(&self, found: u64) -> Result<(), LayoutError> {
        expect("the length of the control file", found, self.control_bytes)
    }

    /// Whether a data file has the length that follows from the sizes.
    ///
    /// # Errors
    /// When it has not.
    pub fn check_data_bytes(&self, found: u64) -> Result<(), LayoutError> {
        expect("the length of the data file", found, self.data_bytes)
    }
}

impl Sizes {
    /// The bytes of one slot: its count on a line of its own, because the owner writes it with each operation, and the
    /// indexes.
    #[must_use]
    pub fn slot_bytes(&self) -> u64 {
        LINE_BYTES + round_up(u64::from(self.slot_capacity) * 4)
    }

    /// Enough for all segments, for three slots of each client and of the pool (two, and one on its way), and one.
    fn slots_needed(segments: u32, slot_capacity: u32, clients: u16) -> u64 {
        u64::from(segments.div_ceil(slot_capacity.max(1))) + 3 * (u64::from(clients) + 1) + 1
    }

    fn check(&self) -> Result<(), LayoutError> {
        let in_range = |what, value: u64, largest: u64| {
            if value == 0 || value > largest {
                Err(LayoutError::Size {
                    what,
                    value,
                    largest,
                })
            } else {
                Ok(())
            }
        };
        let largest = u64::from(u32::MAX >> 1);
        in_range("the size of a segment", self.segment_bytes.into(), largest)?;
        in_range(
            "the number of segments",
            self.segments.into(),
            MAX_SEGMENTS.into(),
        )?;
        in_range(
            "the capacity of a slot",
            self.slot_capacity.into(),
            MAX_SLOT_CAPACITY.into(),
        )?;
        in_range(
            "the number of clients",
            self.clients.into(),
            MAX_CLIENTS.into(),
        )?;
        let needed = Self::slots_needed(self.segments, self.slot_capacity, self.clients);
        if u64::from(self.slots) < needed {
            return Err(LayoutError::TooFewSlots {
                slots: self.slots,
                segments: self.segments,
                clients: self.clients,
                needed,
            });
        }
        // More than needed is allowed, but not without bound: the slots have to be looked through.
        in_range(
            "the number of slots",
            self.slots.into(),
            2 * u64::from(MAX_SEGMENTS),
        )
    }
}

fn expect(what: &'static str, found: u64, expected: u64) -> Result<(), LayoutError> {
    if found == expected {
        Ok(())
    } else {
        Err(LayoutError::Contradiction {
            what,
            found,
            expected,
        })
    }
}

fn narrow<T: TryFrom<u64> + Into<u64> + Copy>(
    what: &'static str,
    value: u64,
    largest: T,
) -> Result<T, LayoutError> {
    T::try_from(value).map_err(|_| LayoutError::Size {
        what,
        value,
        largest: largest.into(),
    })
}

fn round_up(bytes: u64) -> u64 {
    bytes.next_multiple_of(LINE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{HEADER_WORDS, LAYOUT_VERSION, Layout, LayoutError, Sizes};
    use proptest::prelude::*;

    #[test]
    fn slots_are_a_small_part_of_the_pool() {
        for (segments, capacity) in [
            (1, 1),
            (64, 1),
            (256, 4),
            (2048, 32),
            (8192, 128),
            (65_536, 128),
            (1 << 20, 2048),
        ] {
            let layout = Layout::plan(32_768, segments, 8, 0).expect("a layout");
            assert_eq!(layout.sizes().slot_capacity, capacity, "{segments}");
        }
    }

    #[test]
    fn another_version_is_told_with_both() {
        let layout = Layout::plan(32_768, 256, 8, 7).expect("a layout");
        let mut header = layout.header();
        header[1] = 9;
        let error = Layout::read(&header, layout.control_bytes()).expect_err("version 9");
        let text =
            format!("the pool has layout version 9, this program has version {LAYOUT_VERSION}");
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn too_few_slots_are_refused() {
        let sizes = Sizes {
            segment_bytes: 4096,
            segments: 100,
            slot_capacity: 10,
            slots: 10,
            clients: 1,
        };
        assert!(matches!(
            Layout::of(sizes, 0),
            Err(LayoutError::TooFewSlots { needed: 17, .. })
        ));
    }

    proptest! {
        #[test]
        fn a_header_is_read_as_it_was_written(
            segment_bytes in 1_u32..1 << 20,
            segments in 1_u32..1 << 20,
            clients in 1_u16..300,
            identity: u64,
        ) {
            let layout = Layout::plan(segment_bytes, segments, clients, identity)?;
            prop_assert_eq!(Layout::read(&layout.header(), layout.control_bytes()), Ok(layout));
        }

        /// Offsets are on cache lines, in order, and the parts they begin do not overlap.
        #[test]
        fn parts_follow_each_other(segments in 1_u32..1 << 20, clients in 1_u16..300) {
            let layout = Layout::plan(4096, segments, clients, 0)?;
            let sizes = layout.sizes();
            let offsets = [
                layout.common_offset(),
                layout.records_offset,
                layout.slot_words_offset(),
                layout.slots_offset,
                layout.owners_offset(),
                layout.control_bytes(),
            ];
            prop_assert!(offsets.iter().all(|offset| offset % 128 == 0));
            prop_assert!(offsets.is_sorted());
            prop_assert!(offsets[3] - offsets[2] >= u64::from(sizes.slots) * 8);
            prop_assert!(offsets[5] - offsets[4] >= u64::from(segments) * 8);
        }

        /// Each word of the header counts: whichever is changed, the file is refused. The identity alone is free.
        #[test]
        fn no_word_of_a_header_can_be_changed(
            word in 0..HEADER_WORDS,
            value: u64,
            length in prop::option::of(any::<u64>()),
        ) {
            let layout = Layout::plan(32_768, 1000, 8, 3)?;
            let mut header = layout.header();
            let is_changed = header[word] != value && word != 7;
            header[word] = value;
            let length = length.unwrap_or(layout.control_bytes());
            let is_refused = is_changed || length != layout.control_bytes();
            prop_assert_eq!(Layout::read(&header, length).is_err(), is_refused);
        }
    }
}
