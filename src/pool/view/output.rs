//! The writing side: `AbstractPagedOutputView`.

use std::io::{self, Read, Write};

use super::{ViewError, utf};

/// Where the pages of an output view come from and go to: what a subclass is in Flink.
pub trait PageSink {
    /// The page that is written to, header included. It is empty once its memory was taken away, and else keeps its
    /// size until the next page. It is asked for at every value, and should not have to be searched for.
    fn page(&mut self) -> &mut [u8];

    /// Takes the current page as finished, with `used` of its bytes, header included, and makes another one the current.
    ///
    /// # Errors
    /// [`ViewError::NoPage`] when there is none; the current page stays what it was.
    fn next_page(&mut self, used: usize) -> Result<(), ViewError>;
}

/// A stream of values over pages; see the [module](super).
#[derive(Debug)]
pub struct PagedOutput<Sink> {
    sink: Sink,
    header_length: usize,
    /// Where the next byte goes, in the current page.
    position: usize,
    /// How long the current page was when it became the current: a shorter one was taken away.
    size: usize,
    utf_buffer: Vec<u8>,
}

impl<Sink: PageSink> PagedOutput<Sink> {
    /// Begins behind the header of the sink's current page.
    ///
    /// # Errors
    /// When the page has no room behind its header.
    pub fn new(sink: Sink, header_length: usize) -> Result<Self, ViewError> {
        let mut view = Self {
            sink,
            header_length,
            position: header_length,
            size: 0,
            utf_buffer: Vec::new(),
        };
        view.begin_page()?;
        Ok(view)
    }

    fn begin_page(&mut self) -> Result<(), ViewError> {
        let size = self.sink.page().len();
        if size <= self.header_length {
            return Err(ViewError::PageTooSmall {
                size,
                header_length: self.header_length,
            });
        }
        self.size = size;
        self.position = self.header_length;
        Ok(())
    }

    /// Finishes the current page, full or not, and begins the next one.
    ///
    /// # Errors
    /// When there is no further page, or the next has no room behind its header.
    pub fn advance(&mut self) -> Result<(), ViewError> {
        self.sink.next_page(self.position)?;
        self.begin_page()
    }

    /// Ends the view and gives the sink back, with the bytes of its current page that are used, header included.
    pub fn finish(self) -> (Sink, usize) {
        (self.sink, self.position)
    }

    /// Where the next byte goes, in the current page. At the page's end, the next byte goes to the next page.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// The bytes at the beginning of each page that are left alone.
    #[must_use]
    pub fn header_length(&self) -> usize {
        self.header_length
    }

    /// Where the pages come from and go to.
    pub fn sink_mut(&mut self) -> &mut Sink {
        &mut self.sink
    }

    /// The next `length` bytes, when the current page has them.
    #[inline]
    fn next(&mut self, length: usize) -> Option<&mut [u8]> {
        let position = self.position;
        // Neither is more than half of the address space.
        self.sink.page().get_mut(position..position + length)
    }

    /// What is left of the current page.
    fn rest(&mut self) -> &mut [u8] {
        let position = self.position;
        self.sink.page().get_mut(position..).unwrap_or_default()
    }

    /// Makes sure that there is room for at least 1 byte.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self) -> Result<(), ViewError> {
        if self.sink.page().len() != self.size {
            return Err(ViewError::Freed);
        }
        if self.position == self.size {
            self.advance()?;
        }
        Ok(())
    }

    /// Writes the bytes of one value.
    #[inline]
    fn write_value<const WIDTH: usize>(&mut self, bytes: [u8; WIDTH]) -> Result<(), ViewError> {
        match self.next(WIDTH) {
            Some(place) => {
                place.copy_from_slice(&bytes);
                self.position += WIDTH;
                Ok(())
            }
            None => self.write_value_across(bytes),
        }
    }

    /// Takes the bytes themselves, so that they need no address where the page has room.
    #[cold]
    #[inline(never)]
    fn write_value_across<const WIDTH: usize>(
        &mut self,
        bytes: [u8; WIDTH],
    ) -> Result<(), ViewError> {
        self.write_across(&bytes)
    }

    /// Writes bytes, page by page. What was written before an error stays.
    ///
    /// # Errors
    /// When there is no further page, or the current one was freed.
    #[inline]
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), ViewError> {
        match self.next(bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.position += bytes.len();
                Ok(())
            }
            None => self.write_across(bytes),
        }
    }

    #[cold]
    #[inline(never)]
    fn write_across(&mut self, mut bytes: &[u8]) -> Result<(), ViewError> {
        while !bytes.is_empty() {
            self.make_room()?;
            let rest = self.rest();
            let (now, later) = bytes.split_at(bytes.len().min(rest.len()));
            rest[..now.len()].copy_from_slice(now);
            self.position += now.len();
            bytes = later;
        }
        Ok(())
    }

    /// Writes `length` bytes of a stream, page by page, without an array in between: Flink's
    /// `write(DataInputView, int)`. An input view is such a stream.
    ///
    /// # Errors
    /// When the stream fails or ends before (what it gave until then may be written or not), when there is no further
    /// page, or the current one was freed.
    pub fn write_from(&mut self, stream: &mut impl Read, length: usize) -> Result<(), ViewError> {
        let mut left = length;
        while left > 0 {
            self.make_room()?;
            let rest = self.rest();
            let now = left.min(rest.len());
            stream.read_exact(&mut rest[..now])?;
            self.position += now;
            left -= now;
        }
        Ok(())
    }

    /// Leaves `length` bytes as they are, page by page: Flink's `skipBytesToWrite`.
    ///
    /// # Errors
    /// When there is no further page, or the current one was freed.
    pub fn skip(&mut self, length: usize) -> Result<(), ViewError> {
        let mut left = length;
        while left > 0 {
            self.make_room()?;
            let now = left.min(self.size - self.position);
            self.position += now;
            left -= now;
        }
        Ok(())
    }

    /// Writes 1 or 0.
    ///
    /// # Errors
    /// When there is no further page, or the current one was freed.
    #[inline]
    pub fn write_bool(&mut self, value: bool) -> Result<(), ViewError> {
        self.write_value([u8::from(value)])
    }

    /// Writes a text in Java's modified UTF-8, behind its length in 2 bytes.
    ///
    /// # Errors
    /// When it takes more than 65 535 bytes (nothing is written then), there is no further page, or the current one was
    /// freed.
    pub fn write_utf(&mut self, text: &str) -> Result<(), ViewError> {
        if utf::is_the_same(text) {
            self.write_value(utf::length(text.len())?.to_be_bytes())?;
            return self.write_bytes(text.as_bytes());
        }
        self.write_utf_units(text.encode_utf16())
    }

    /// Writes a text of UTF-16 units, which is what a text is in Java, as [`write_utf`](Self::write_utf) does.
    ///
    /// # Errors
    /// As [`write_utf`](Self::write_utf).
    pub fn write_utf_units(
        &mut self,
        units: impl IntoIterator<Item = u16>,
    ) -> Result<(), ViewError> {
        let mut encoded = std::mem::take(&mut self.utf_buffer);
        encoded.clear();
        utf::encode(units, &mut encoded);
        let outcome = utf::length(encoded.len())
            .and_then(|length| self.write_value(length.to_be_bytes()))
            .and_then(|()| self.write_bytes(&encoded));
        self.utf_buffer = encoded;
        outcome
    }
}

/// Writing one type of value.
macro_rules! writes {
    ($type:ty, $words:literal, $write:ident) => {
        impl<Sink: PageSink> PagedOutput<Sink> {
            #[doc = concat!("Writes ", $words, ", big-endian.")]
            ///
            /// # Errors
            /// When there is no further page, or the current one was freed.
            #[inline]
            pub fn $write(&mut self, value: $type) -> Result<(), ViewError> {
                self.write_value(value.to_be_bytes())
            }
        }
    };
}

writes!(u8, "a byte without a sign", write_u8);
writes!(i8, "a byte", write_i8);
writes!(
    u16,
    "2 bytes without a sign, which is also Java's `char`",
    write_u16
);
writes!(i16, "2 bytes", write_i16);
writes!(i32, "4 bytes", write_i32);
writes!(i64, "8 bytes", write_i64);
writes!(
    f32,
    "the bits of a floating-point number of 4 bytes",
    write_f32
);
writes!(
    f64,
    "the bits of a floating-point number of 8 bytes",
    write_f64
);

impl<Sink: PageSink> Write for PagedOutput<Sink> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_bytes(bytes)?;
        Ok(bytes.len())
    }

    /// Does nothing: what is written lies in the page at once.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
