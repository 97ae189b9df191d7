//! The reading side: `AbstractPagedInputView`.

use std::io::{self, Read};

use super::{ViewError, utf};

/// Where the pages of an input view come from: what a subclass is in Flink.
pub trait PageSource {
    /// The bytes of the current page, header included, up to its limit. It is empty before the first page, and once its
    /// memory was taken away; else it stays the same until the next page. It is asked for at every value, and should not
    /// have to be searched for.
    fn page(&self) -> &[u8];

    /// Makes the next page the current one; `false` when there is none, and the current page stays what it was.
    ///
    /// # Errors
    /// When the next page cannot be had although there is one.
    fn next_page(&mut self) -> Result<bool, ViewError>;
}

/// A stream of values over pages; see the [module](super).
#[derive(Debug)]
pub struct PagedInput<Source> {
    source: Source,
    header_length: usize,
    /// Where the next byte comes from, in the current page.
    position: usize,
    /// How long the current page was when it became the current: a shorter one was taken away.
    limit: usize,
    utf_buffer: Vec<u8>,
}

impl<Source: PageSource> PagedInput<Source> {
    /// Begins behind the header of the source's current page, or of its first page when it has no current one yet.
    ///
    /// # Errors
    /// When the page is shorter than its header.
    pub fn new(source: Source, header_length: usize) -> Result<Self, ViewError> {
        let mut view = Self {
            source,
            header_length,
            position: 0,
            limit: 0,
            utf_buffer: Vec::new(),
        };
        if !view.source.page().is_empty() {
            view.begin_page()?;
        }
        Ok(view)
    }

    fn begin_page(&mut self) -> Result<(), ViewError> {
        let limit = self.source.page().len();
        if limit < self.header_length {
            return Err(ViewError::PageTooSmall {
                size: limit,
                header_length: self.header_length,
            });
        }
        self.limit = limit;
        self.position = self.header_length;
        Ok(())
    }

    /// Goes to the next page, whatever is left of the current one; `false` when there is none, and nothing changes.
    ///
    /// # Errors
    /// When the next page cannot be had, or is shorter than its header.
    pub fn advance(&mut self) -> Result<bool, ViewError> {
        let is_there = self.source.next_page()?;
        if is_there {
            self.begin_page()?;
        }
        Ok(is_there)
    }

    /// Goes to a position of the source's current page: Flink's `seekInput`, after the source was told which page that
    /// is.
    ///
    /// # Errors
    /// When the position lies in the header or behind the limit; nothing changes then.
    pub fn seek(&mut self, position: usize) -> Result<(), ViewError> {
        let limit = self.source.page().len();
        if position < self.header_length || position > limit {
            return Err(ViewError::IllegalPosition {
                position,
                header_length: self.header_length,
                limit,
            });
        }
        self.limit = limit;
        self.position = position;
        Ok(())
    }

    /// Where the next byte comes from, in the current page. At the limit, it comes from the next page.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Where the current page's data ends.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The bytes at the beginning of each page that are skipped.
    #[must_use]
    pub fn header_length(&self) -> usize {
        self.header_length
    }

    /// Where the pages come from.
    pub fn source_mut(&mut self) -> &mut Source {
        &mut self.source
    }

    /// Ends the view and gives the source back.
    pub fn into_source(self) -> Source {
        self.source
    }

    /// The next `length` bytes, when the current page has them.
    #[inline]
    fn next(&self, length: usize) -> Option<&[u8]> {
        // Neither is more than half of the address space.
        self.source
            .page()
            .get(self.position..self.position + length)
    }

    /// What is left of the current page.
    fn rest(&self) -> &[u8] {
        self.source.page().get(self.position..).unwrap_or_default()
    }

    /// Makes sure that at least 1 byte can be read from the current page; `false` at the end of the data.
    #[cold]
    #[inline(never)]
    fn find_data(&mut self) -> Result<bool, ViewError> {
        loop {
            if self.source.page().len() != self.limit {
                return Err(ViewError::Freed);
            }
            if self.position < self.limit {
                return Ok(true);
            }
            // The next page may hold nothing but its header.
            if !self.advance()? {
                return Ok(false);
            }
        }
    }

    /// Reads the bytes of one value.
    #[inline]
    fn read_value<const WIDTH: usize>(&mut self) -> Result<[u8; WIDTH], ViewError> {
        if let Some(bytes) = self.next(WIDTH).and_then(|bytes| bytes.first_chunk()) {
            let bytes = *bytes;
            self.position += WIDTH;
            return Ok(bytes);
        }
        self.read_value_across()
    }

    #[cold]
    #[inline(never)]
    fn read_value_across<const WIDTH: usize>(&mut self) -> Result<[u8; WIDTH], ViewError> {
        let mut bytes = [0; WIDTH];
        self.read_fully_across(&mut bytes)?;
        Ok(bytes)
    }

    /// Fills the array when the current page has as many bytes; `false`, and nothing is read, when it has fewer or none
    /// are wanted.
    #[inline]
    fn read_within(&mut self, array: &mut [u8]) -> bool {
        let length = array.len();
        match self.next(length) {
            Some(bytes) if length > 0 => {
                array.copy_from_slice(bytes);
                self.position += length;
                true
            }
            _ => false,
        }
    }

    /// Reads as many bytes as there are, up to the length of the array, across pages; `None` when there are none at all,
    /// where Flink answers −1.
    ///
    /// # Errors
    /// When a page cannot be had, or the current one was freed.
    #[inline]
    pub fn read_bytes(&mut self, array: &mut [u8]) -> Result<Option<usize>, ViewError> {
        if self.read_within(array) {
            return Ok(Some(array.len()));
        }
        self.read_across(array)
    }

    #[cold]
    #[inline(never)]
    fn read_across(&mut self, array: &mut [u8]) -> Result<Option<usize>, ViewError> {
        if array.is_empty() {
            // It needs no page, but a freed one is told nevertheless.
            return if self.source.page().len() == self.limit {
                Ok(Some(0))
            } else {
                Err(ViewError::Freed)
            };
        }
        let mut filled = 0;
        while filled < array.len() && self.find_data()? {
            let rest = self.rest();
            let now = rest.len().min(array.len() - filled);
            array[filled..filled + now].copy_from_slice(&rest[..now]);
            self.position += now;
            filled += now;
        }
        Ok((filled > 0).then_some(filled))
    }

    /// Fills the array, across pages.
    ///
    /// # Errors
    /// [`ViewError::EndOfData`] when there are fewer bytes: all of them are read then, and the position stays at the end
    /// of the last page. Also when a page cannot be had, or the current one was freed.
    #[inline]
    pub fn read_fully(&mut self, array: &mut [u8]) -> Result<(), ViewError> {
        if self.read_within(array) {
            return Ok(());
        }
        self.read_fully_across(array)
    }

    #[cold]
    #[inline(never)]
    fn read_fully_across(&mut self, array: &mut [u8]) -> Result<(), ViewError> {
        match self.read_across(array)? {
            Some(length) if length == array.len() => Ok(()),
            _ => Err(ViewError::EndOfData),
        }
    }

    /// Reads a byte and answers whether it is 1; a segment's own access is content with any but 0.
    ///
    /// # Errors
    /// When the data ends, a page cannot be had, or the current one was freed.
    #[inline]
    pub fn read_bool(&mut self) -> Result<bool, ViewError> {
        self.read_value::<1>().map(|[byte]| byte == 1)
    }

    /// Skips up to `length` bytes, across pages, and answers how many there were.
    ///
    /// # Errors
    /// When a page cannot be had, or the current one was freed.
    pub fn skip(&mut self, length: usize) -> Result<usize, ViewError> {
        let mut skipped = 0;
        while skipped < length && self.find_data()? {
            let now = (self.limit - self.position).min(length - skipped);
            self.position += now;
            skipped += now;
        }
        Ok(skipped)
    }

    /// Skips `length` bytes, across pages: Flink's `skipBytesToRead`.
    ///
    /// # Errors
    /// As [`read_fully`](Self::read_fully).
    pub fn skip_fully(&mut self, length: usize) -> Result<(), ViewError> {
        if self.skip(length)? == length {
            Ok(())
        } else {
            Err(ViewError::EndOfData)
        }
    }

    /// Reads up to the next line feed, which is taken and not part of the answer, or to the end of the data. Each byte is
    /// a character of its own, and carriage returns are dropped. `None` at the end of the data. (Flink's view answers
    /// its equivalent of `None` for an empty line too, against the contract of Java's `DataInput`.)
    ///
    /// # Errors
    /// When a page cannot be had, or the current one was freed.
    pub fn read_line(&mut self) -> Result<Option<String>, ViewError> {
        let mut line = String::new();
        let mut is_anything = false;
        while self.find_data()? {
            is_anything = true;
            let rest = self.rest();
            let end = rest.iter().position(|byte| *byte == b'\n');
            let text = &rest[..end.unwrap_or(rest.len())];
            line.extend(
                text.iter()
                    .filter(|byte| **byte != b'\r')
                    .map(|byte| char::from(*byte)),
            );
            self.position += text.len();
            if end.is_some() {
                self.position += 1;
                break;
            }
        }
        Ok(is_anything.then_some(line))
    }

    /// Reads a text in Java's modified UTF-8, behind its length in 2 bytes.
    ///
    /// # Errors
    /// When the bytes are none, or the text is one that Rust has not; the text is taken nevertheless. Else as
    /// [`read_fully`](Self::read_fully).
    pub fn read_utf(&mut self) -> Result<String, ViewError> {
        self.read_utf_with(utf::decode_text)
    }

    /// Reads a text as [`read_utf`](Self::read_utf) does, as UTF-16 units, which is what a text is in Java.
    ///
    /// # Errors
    /// When the bytes are none; the text is taken nevertheless. Else as [`read_fully`](Self::read_fully).
    pub fn read_utf_units(&mut self) -> Result<Vec<u16>, ViewError> {
        self.read_utf_with(utf::decode)
    }

    fn read_utf_with<Text>(
        &mut self,
        decode: impl FnOnce(&[u8]) -> Result<Text, ViewError>,
    ) -> Result<Text, ViewError> {
        let length = usize::from(self.read_u16()?);
        let mut encoded = std::mem::take(&mut self.utf_buffer);
        encoded.resize(length, 0);
        let outcome = self.read_fully(&mut encoded);
        let text = outcome.and_then(|()| decode(&encoded));
        self.utf_buffer = encoded;
        text
    }
}

/// Reading one type of value.
macro_rules! reads {
    ($type:ty, $words:literal, $read:ident) => {
        impl<Source: PageSource> PagedInput<Source> {
            #[doc = concat!("Reads ", $words, ", big-endian.")]
            ///
            /// # Errors
            /// As [`read_fully`](Self::read_fully).
            #[inline]
            pub fn $read(&mut self) -> Result<$type, ViewError> {
                self.read_value().map(<$type>::from_be_bytes)
            }
        }
    };
}

reads!(u8, "a byte without a sign", read_u8);
reads!(i8, "a byte", read_i8);
reads!(
    u16,
    "2 bytes without a sign, which is also Java's `char`",
    read_u16
);
reads!(i16, "2 bytes", read_i16);
reads!(i32, "4 bytes", read_i32);
reads!(i64, "8 bytes", read_i64);
reads!(
    f32,
    "the bits of a floating-point number of 4 bytes",
    read_f32
);
reads!(
    f64,
    "the bits of a floating-point number of 8 bytes",
    read_f64
);

impl<Source: PageSource> Read for PagedInput<Source> {
    fn read(&mut self, array: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_bytes(array)?.unwrap_or(0))
    }
}
