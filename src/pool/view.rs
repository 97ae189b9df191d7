//! Paged views: streams of values over pages of memory, written and read as Java's `DataOutput` and `DataInput` do.
//!
//! Mirrors `AbstractPagedOutputView` and `AbstractPagedInputView`. Every value is big-endian, and any value may straddle
//! two pages: there is no padding. Each page begins with a header, whose bytes are the business of whoever keeps the
//! pages. Where pages come from and go to is a [`PageSink`] or a [`PageSource`], a type parameter, so that nothing is
//! called through a table on the way of a value.

mod input;
mod output;
mod pages;
mod spanning;
mod spill;
mod utf;

use std::io;

pub use input::{PageSource, PagedInput};
pub use output::{PageSink, PagedOutput};
pub use pages::{CollectedPages, FilledPage, PageList};
pub use spanning::{NoSpilling, Record, SpanningDeserializer, SpanningError, SpillTarget};
pub use spill::{SPILL_HEADER_BYTES, SpillHeader, SpillSink, SpillSource};

/// Why a value cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is no further page to write to: Flink's `EOFException` of an output view.
    #[error("there is no further page to write to")]
    NoPage,
    /// The data ends before the value does: Flink's `EOFException` of an input view.
    #[error("the data ends before what is to be read does")]
    EndOfData,
    /// The memory of the current page was taken away.
    #[error("the page has been freed")]
    Freed,
    /// A page has no room behind its header.
    #[error("a page of {size} bytes has no room behind a header of {header_length} bytes")]
    PageTooSmall {
        /// The bytes of the page.
        size: usize,
        /// The bytes of the header.
        header_length: usize,
    },
    /// A position that the page does not have.
    #[error("position {position} is not inside a page with data from {header_length} to {limit}")]
    IllegalPosition {
        /// The position.
        position: usize,
        /// Where the data begins.
        header_length: usize,
        /// Where the data ends.
        limit: usize,
    },
    /// A text takes more bytes than its length can tell: Flink's `UTFDataFormatException`.
    #[error("the text takes {encoded_bytes} bytes, at most 65535 can be written")]
    UtfTooLong {
        /// The bytes it takes.
        encoded_bytes: usize,
    },
    /// The bytes are no modified UTF-8: Flink's `UTFDataFormatException`.
    #[error("malformed text around byte {at}")]
    MalformedUtf {
        /// The first byte of what is no character.
        at: usize,
    },
    /// The text is one that Java has and Rust has not: half of a pair of surrogates.
    #[error("the text holds half of a surrogate pair, as Java allows")]
    UnpairedSurrogate,
    /// A page of a spill file does not begin as one.
    #[error("the page does not begin as a page of a spill file: {reason}")]
    NoSpillPage {
        /// What is wrong with its header.
        reason: &'static str,
    },
    /// Whoever keeps the pages, or a stream, failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<ViewError> for io::Error {
    fn from(error: ViewError) -> Self {
        let kind = match error {
            ViewError::Io(error) => return error,
            ViewError::EndOfData => io::ErrorKind::UnexpectedEof,
            ViewError::NoPage => io::ErrorKind::WriteZero,
            ViewError::UtfTooLong { .. }
            | ViewError::MalformedUtf { .. }
            | ViewError::UnpairedSurrogate
            | ViewError::NoSpillPage { .. } => io::ErrorKind::InvalidData,
            ViewError::Freed
            | ViewError::PageTooSmall { .. }
            | ViewError::IllegalPosition { .. } => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}
