//! Records out of buffers: each record stands behind its length in 4 bytes, big-endian, and may begin in one buffer and
//! end in a later one.
//!
//! Mirrors `SpillingAdaptiveSpanningRecordDeserializer` with its `SpanningWrapper`. A record that lies in one buffer is
//! not copied. One that spans buffers is collected in memory, which grows with the bytes that came and never with what a
//! length promises; or, from a size on, given to a target of the caller's, such as a file.

use std::io;

/// What is kept of the memory in which a spanning record was collected.
const KEPT_BYTES: usize = 64 << 10;

const LENGTH_BYTES: usize = 4;

/// Where large spanning records go instead of memory.
pub trait SpillTarget {
    /// A record of so many bytes begins; what was there before is no longer needed.
    ///
    /// # Errors
    /// When it cannot be taken.
    fn begin(&mut self, record_bytes: usize) -> io::Result<()>;

    /// Takes the record's next bytes.
    ///
    /// # Errors
    /// When they cannot be taken.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// All records are collected in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSpilling;

impl SpillTarget for NoSpilling {
    fn begin(&mut self, _: usize) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn take(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A whole record, without its length.
#[derive(Debug, PartialEq, Eq)]
pub enum Record<'a, Target> {
    /// Its bytes, which lie in the buffer or were collected.
    Bytes(&'a [u8]),
    /// It was given to the target.
    Spilled {
        /// What has it now.
        target: &'a mut Target,
        /// How many bytes it has.
        record_bytes: usize,
    },
}

/// Why the records cannot be told apart any more. A wrong length comes again until the deserializer is cleared.
#[derive(Debug, thiserror::Error)]
pub enum SpanningError {
    /// A length is below 0.
    #[error("a record cannot have {length} bytes")]
    NegativeLength {
        /// The length.
        length: i32,
    },
    /// A length is above the bound.
    #[error("a record of {length} bytes is longer than the {bound} bytes that are allowed")]
    TooLong {
        /// The length.
        length: usize,
        /// The bound.
        bound: usize,
    },
    /// The target for large records failed.
    #[error("cannot spill a record of {record_bytes} bytes: {source}")]
    Spill {
        /// The record's length.
        record_bytes: usize,
        /// Why.
        source: io::Error,
    },
}

/// Tells records apart in a sequence of buffers. A record that lies in one of them is not copied; one that spans them is
/// collected in memory that grows with the bytes that came, or given to a target.
#[derive(Debug)]
pub struct SpanningDeserializer<Target = NoSpilling> {
    state: State,
    collected: Vec<u8>,
    target: Target,
    spill_above_bytes: usize,
    bound: usize,
}

#[derive(Debug)]
enum State {
    /// Of the next record's length so many bytes came.
    Length {
        bytes: [u8; LENGTH_BYTES],
        filled: usize,
    },
    /// Of the record's bytes so many are missing.
    Body {
        record_bytes: usize,
        missing: usize,
        is_spilled: bool,
    },
}

impl State {
    const START: Self = Self::Length {
        bytes: [0; LENGTH_BYTES],
        filled: 0,
    };
}

impl SpanningDeserializer {
    /// Collects in memory, and refuses records of more than `bound` bytes.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self::with_spilling(bound, NoSpilling, usize::MAX)
    }
}

impl<Target: SpillTarget> SpanningDeserializer<Target> {
    /// Gives records that span buffers and have more than `spill_above_bytes` bytes to the target; Flink does so above
    /// 5 MiB. Refuses records of more than `bound` bytes.
    #[must_use]
    pub fn with_spilling(bound: usize, target: Target, spill_above_bytes: usize) -> Self {
        Self {
            state: State::START,
            collected: Vec::new(),
            target,
            spill_above_bytes,
            bound,
        }
    }

    /// The next record, as far as the buffer holds it; the buffer's front moves behind what was taken. `None` when the
    /// rest of the buffer was taken and no record is whole: another buffer is needed. A record that leaves the buffer
    /// empty was its last.
    ///
    /// # Errors
    /// When a length is wrong, or the target fails. Nothing more is taken from the buffer then.
    #[inline]
    pub fn next_record<'a, 'buffer: 'a>(
        &'a mut self,
        buffer: &mut &'buffer [u8],
    ) -> Result<Option<Record<'a, Target>>, SpanningError> {
        // Most records lie in one buffer.
        if let State::Length { filled: 0, .. } = self.state
            && let Some((length, rest)) = buffer.split_first_chunk::<LENGTH_BYTES>()
        {
            let record_bytes = self.checked_length(*length)?;
            if let Some((record, rest)) = rest.split_at_checked(record_bytes) {
                *buffer = rest;
                return Ok(Some(Record::Bytes(record)));
            }
        }
        self.next_spanning_record(buffer)
    }

    #[cold]
    #[inline(never)]
    fn next_spanning_record<'a>(
        &'a mut self,
        buffer: &mut &[u8],
    ) -> Result<Option<Record<'a, Target>>, SpanningError> {
        if let State::Length { bytes, filled } = &mut self.state {
            let now = buffer.len().min(LENGTH_BYTES - *filled);
            bytes[*filled..*filled + now].copy_from_slice(&buffer[..now]);
            *filled += now;
            *buffer = &buffer[now..];
            if *filled < LENGTH_BYTES {
                return Ok(None);
            }
            let record_bytes = {
                let bytes = *bytes;
                self.checked_length(bytes)?
            };
            self.begin_record(record_bytes)?;
        }
        let State::Body {
            record_bytes,
            missing,
            is_spilled,
        } = &mut self.state
        else {
            return Ok(None);
        };
        let (now, rest) = buffer.split_at(buffer.len().min(*missing));
        if *is_spilled {
            let spilled = self.target.take(now);
            spilled.map_err(|source| SpanningError::Spill {
                record_bytes: *record_bytes,
                source,
            })?;
        } else {
            self.collected.extend_from_slice(now);
        }
        *missing -= now.len();
        *buffer = rest;
        if *missing > 0 {
            return Ok(None);
        }
        let record = if *is_spilled {
            Record::Spilled {
                target: &mut self.target,
                record_bytes: *record_bytes,
            }
        } else {
            Record::Bytes(&self.collected)
        };
        self.state = State::START;
        Ok(Some(record))
    }

    fn begin_record(&mut self, record_bytes: usize) -> Result<(), SpanningError> {
        self.collected.clear();
        self.collected.shrink_to(KEPT_BYTES);
        let is_spilled = record_bytes > self.spill_above_bytes;
        if is_spilled {
            let begun = self.target.begin(record_bytes);
            begun.map_err(|source| SpanningError::Spill {
                record_bytes,
                source,
            })?;
        }
        self.state = State::Body {
            record_bytes,
            missing: record_bytes,
            is_spilled,
        };
        Ok(())
    }

    #[inline]
    fn checked_length(&self, bytes: [u8; LENGTH_BYTES]) -> Result<usize, SpanningError> {
        let length = i32::from_be_bytes(bytes);
        match usize::try_from(length) {
            Ok(length) if length <= self.bound => Ok(length),
            Ok(length) => Err(SpanningError::TooLong {
                length,
                bound: self.bound,
            }),
            Err(_) => Err(SpanningError::NegativeLength { length }),
        }
    }

    /// Whether a record, or its length, has begun and not ended: what must not be at the end of a stream.
    #[must_use]
    pub fn has_unfinished_data(&self) -> bool {
        !matches!(self.state, State::Length { filled: 0, .. })
    }

    /// Forgets what has begun.
    pub fn clear(&mut self) {
        self.state = State::START;
        self.collected = Vec::new();
    }
}
