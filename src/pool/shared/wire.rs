//! What a client and the pool say to each other over their socket.
//!
//! A message is its length (4 bytes, without these), its kind (1 byte) and its fields, all numbers little-endian. The
//! socket is for joining, for waiting, for what a client without access to the control file asks, and for the end of
//! either side. Both sides bound what they read before they look at it.

use super::lane::Holding;
use super::layout::NAME_BYTES;
use super::words::OwnerWord;

/// The longest message, without its length.
pub(super) const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// The most segments in one message.
pub(super) const MAX_SEGMENTS_PER_MESSAGE: usize = 4096;

/// The longest text of a refusal or a report.
const MAX_TEXT_BYTES: usize = 1024;

/// The bytes of a segment in a message.
const HOLDING_BYTES: usize = 12;

/// How a client works with the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It uses the control file and has agreed to barriers.
    Direct,
    /// It uses the control file and its operations have barriers of their own.
    DirectWithBarriers,
    /// It asks the pool for each segment.
    Asking,
}

/// What a client says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) version: u32,
    pub(super) access: Access,
    pub(super) required: u32,
    pub(super) maximum: u32,
    /// The number and the lease that the client has from before the agent's restart; zeroes if it has none.
    pub(super) number: u16,
    pub(super) lease: u64,
    pub(super) name: String,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClientMessage {
    Hello(Hello),
    /// Wants up to `count` segments. With `waits` the answer comes when there is at least one.
    Acquire {
        ticket: u32,
        count: u32,
        waits: bool,
    },
    /// Does not want to wait any longer; is answered with what there is, which may be nothing.
    Cancel {
        ticket: u32,
    },
    /// Gives segments back; is not answered.
    Release(Vec<Holding>),
    /// Found damage.
    Report(String),
}

/// What the pool says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PoolMessage {
    /// The client has joined; the descriptors of the data file and of the control file come with it.
    Welcome {
        version: u32,
        number: u16,
        lease: u64,
        /// Whether the pool makes the client's processors pass barriers.
        imposes: bool,
        control_bytes: u64,
        data_bytes: u64,
    },
    /// The client cannot join, or is cut off.
    Refused { version: u32, text: String },
    /// Segments that are the client's now.
    Granted { ticket: u32, segments: Vec<Holding> },
}

/// What was read is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error("a message of {length} bytes is longer than {MAX_MESSAGE_BYTES}")]
    TooLong { length: usize },
    #[error("a message of kind {kind} is not known")]
    Kind { kind: u8 },
    #[error("a message of kind {kind} ends too early or has {left} bytes too many")]
    Length { kind: u8, left: usize },
    #[error("a message of kind {kind} has a field that cannot be")]
    Field { kind: u8 },
}

/// Takes the next whole message from the front of `buffer`; `None` if it has not all come yet.
pub(super) fn take_message<M: Message>(buffer: &mut Vec<u8>) -> Result<Option<M>, WireError> {
    let Some((head, rest)) = buffer.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*head) as usize;
    if length > MAX_MESSAGE_BYTES {
        return Err(WireError::TooLong { length });
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    let message = read_message(body)?;
    buffer.drain(..4 + length);
    Ok(Some(message))
}

fn read_message<M: Message>(body: &[u8]) -> Result<M, WireError> {
    let (&kind, fields) = body
        .split_first()
        .ok_or(WireError::Length { kind: 0, left: 0 })?;
    let mut fields = Fields { kind, left: fields };
    let message = M::read(kind, &mut fields)?;
    match fields.left.len() {
        0 => Ok(message),
        left => Err(WireError::Length { kind, left }),
    }
}

/// Reads bytes as what either side may say, and answers how many messages they were. For fuzzing: the error names a
/// message that is not read as it was written.
#[doc(hidden)]
pub fn read_back(bytes: &[u8]) -> Result<usize, String> {
    Ok(read_back_as::<ClientMessage>(bytes)? + read_back_as::<PoolMessage>(bytes)?)
}

fn read_back_as<M: Message + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Result<usize, String> {
    let mut buffer = bytes.to_vec();
    let mut messages = 0;
    while let Ok(Some(message)) = take_message::<M>(&mut buffer) {
        messages += 1;
        let mut written = Vec::new();
        put_message(&mut written, &message);
        let read = take_message(&mut written);
        if read.as_ref() != Ok(&Some(message)) || !written.is_empty() {
            return Err(format!("{read:?}"));
        }
    }
    Ok(messages)
}

/// Appends a message to `buffer`.
pub(super) fn put_message(buffer: &mut Vec<u8>, message: &impl Message) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    message.write(buffer);
    let length = (buffer.len() - start - 4) as u32;
    if let Some(head) = buffer.get_mut(start..start + 4) {
        head.copy_from_slice(&length.to_le_bytes());
    }
}

/// A message of one of the two sides.
pub(super) trait Message: Sized {
    fn read(kind: u8, fields: &mut Fields<'_>) -> Result<Self, WireError>;
    fn write(&self, buffer: &mut Vec<u8>);
}

impl Message for ClientMessage {
    fn read(kind: u8, fields: &mut Fields<'_>) -> Result<Self, WireError> {
        Ok(match kind {
            1 => Self::Hello(Hello {
                version: fields.u32()?,
                access: match fields.u8()? {
                    0 => Access::Direct,
                    1 => Access::DirectWithBarriers,
                    2 => Access::Asking,
                    _ => return Err(WireError::Field { kind }),
                },
                required: fields.u32()?,
                maximum: fields.u32()?,
                number: fields.u16()?,
                lease: fields.u64()?,
                name: fields.text(NAME_BYTES)?,
            }),
            2 => Self::Acquire {
                ticket: fields.u32()?,
                count: fields.u32()?,
                waits: fields.flag()?,
            },
            3 => Self::Cancel {
                ticket: fields.u32()?,
            },
            4 => Self::Release(fields.holdings()?),
            5 => Self::Report(fields.text(MAX_TEXT_BYTES)?),
            _ => return Err(WireError::Kind { kind }),
        })
    }

    fn write(&self, buffer: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => {
                buffer.push(1);
                buffer.extend_from_slice(&hello.version.to_le_bytes());
                buffer.push(match hello.access {
                    Access::Direct => 0,
                    Access::DirectWithBarriers => 1,
                    Access::Asking => 2,
                });
                buffer.extend_from_slice(&hello.required.to_le_bytes());
                buffer.extend_from_slice(&hello.maximum.to_le_bytes());
                buffer.extend_from_slice(&hello.number.to_le_bytes());
                buffer.extend_from_slice(&hello.lease.to_le_bytes());
                put_text(buffer, &hello.name, NAME_BYTES);
            }
            Self::Acquire {
                ticket,
                count,
                waits,
            } => {
                buffer.push(2);
                buffer.extend_from_slice(&ticket.to_le_bytes());
                buffer.extend_from_slice(&count.to_le_bytes());
                buffer.push(u8::from(*waits));
            }
            Self::Cancel { ticket } => {
                buffer.push(3);
                buffer.extend_from_slice(&ticket.to_le_bytes());
            }
            Self::Release(segments) => {
                buffer.push(4);
                put_holdings(buffer, segments);
            }
            Self::Report(text) => {
                buffer.push(5);
                put_text(buffer, text, MAX_TEXT_BYTES);
            }
        }
    }
}

impl Message for PoolMessage {
    fn read(kind: u8, fields: &mut Fields<'_>) -> Result<Self, WireError> {
        Ok(match kind {
            128 => Self::Welcome {
                version: fields.u32()?,
                number: fields.u16()?,
                lease: fields.u64()?,
                imposes: fields.flag()?,
                control_bytes: fields.u64()?,
                data_bytes: fields.u64()?,
            },
            129 => Self::Refused {
                version: fields.u32()?,
                text: fields.text(MAX_TEXT_BYTES)?,
            },
            130 => Self::Granted {
                ticket: fields.u32()?,
                segments: fields.holdings()?,
            },
            _ => return Err(WireError::Kind { kind }),
        })
    }

    fn write(&self, buffer: &mut Vec<u8>) {
        match self {
            Self::Welcome {
                version,
                number,
                lease,
                imposes,
                control_bytes,
                data_bytes,
            } => {
                buffer.push(128);
                buffer.extend_from_slice(&version.to_le_bytes());
                buffer.extend_from_slice(&number.to_le_bytes());
                buffer.extend_from_slice(&lease.to_le_bytes());
                buffer.push(u8::from(*imposes));
                buffer.extend_from_slice(&control_bytes.to_le_bytes());
                buffer.extend_from_slice(&data_bytes.to_le_bytes());
            }
            Self::Refused { version, text } => {
                buffer.push(129);
                buffer.extend_from_slice(&version.to_le_bytes());
                put_text(buffer, text, MAX_TEXT_BYTES);
            }
            Self::Granted { ticket, segments } => {
                buffer.push(130);
                buffer.extend_from_slice(&ticket.to_le_bytes());
                put_holdings(buffer, segments);
            }
        }
    }
}

/// What is left of a message.
pub(super) struct Fields<'a> {
    kind: u8,
    left: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, left) = self.left.split_first_chunk().ok_or(WireError::Length {
            kind: self.kind,
            left: 0,
        })?;
        self.left = left;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_le_bytes(self.take()?))
    }

    fn u16(&mut self) -> Result<u16, WireError> {
        Ok(u16::from_le_bytes(self.take()?))
    }

    fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn flag(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Field { kind: self.kind }),
        }
    }

    fn text(&mut self, longest: usize) -> Result<String, WireError> {
        let kind = self.kind;
        let length = usize::from(self.u16()?);
        if length > longest {
            return Err(WireError::Field { kind });
        }
        let (bytes, left) = self
            .left
            .split_at_checked(length)
            .ok_or(WireError::Length { kind, left: 0 })?;
        self.left = left;
        String::from_utf8(bytes.to_vec()).map_err(|_| WireError::Field { kind })
    }

    fn holdings(&mut self) -> Result<Vec<Holding>, WireError> {
        let kind = self.kind;
        let count = self.u32()? as usize;
        if count > MAX_SEGMENTS_PER_MESSAGE {
            return Err(WireError::Field { kind });
        }
        if self.left.len() != count * HOLDING_BYTES {
            let left = self.left.len();
            return Err(WireError::Length { kind, left });
        }
        (0..count)
            .map(|_| {
                Ok(Holding {
                    segment: self.u32()?,
                    word: OwnerWord::from_bits(self.u64()?),
                })
            })
            .collect()
    }
}

/// Writes a text, cut to so many bytes at the end of a character.
fn put_text(buffer: &mut Vec<u8>, text: &str, longest: usize) {
    let text = cut(text, longest);
    // The longest text has far fewer bytes than fit.
    buffer.extend_from_slice(&(text.len() as u16).to_le_bytes());
    buffer.extend_from_slice(text.as_bytes());
}

/// The longest beginning of a text that has at most so many bytes and ends with a character.
pub(super) fn cut(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn put_holdings(buffer: &mut Vec<u8>, segments: &[Holding]) {
    buffer.extend_from_slice(&(segments.len() as u32).to_le_bytes());
    for holding in segments {
        buffer.extend_from_slice(&holding.segment.to_le_bytes());
        buffer.extend_from_slice(&holding.word.bits().to_le_bytes());
    }
}

#[cfg(test)]
mod tests;
