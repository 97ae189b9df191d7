//! Pages of a spill file: whole pages one after the other, each with a header that tells how much of it is used.
//!
//! Mirrors `ChannelWriterOutputView` and `ChannelReaderInputView`. The header is 8 bytes in the byte order of the
//! machine, since a spill file does not leave it: the number 0xC0FE, flags of which the lowest marks the last page, and
//! the used bytes, header included.

use std::io::{Read, Write};

use super::{PageSink, PageSource, PagedOutput, ViewError};

/// The bytes of the header, to be left alone by the view.
pub const SPILL_HEADER_BYTES: usize = 8;

const MAGIC: u16 = 0xc0fe;
const LAST_PAGE: u16 = 1;

/// What stands at the beginning of each page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpillHeader {
    /// Whether no page follows.
    pub is_last: bool,
    /// The bytes of the page that are used, header included.
    pub used: u32,
}

impl SpillHeader {
    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; SPILL_HEADER_BYTES] {
        let [magic_0, magic_1] = MAGIC.to_ne_bytes();
        let flags = if self.is_last { LAST_PAGE } else { 0 };
        let [flags_0, flags_1] = flags.to_ne_bytes();
        let [used_0, used_1, used_2, used_3] = self.used.to_ne_bytes();
        [
            magic_0, magic_1, flags_0, flags_1, used_0, used_1, used_2, used_3,
        ]
    }

    /// Reads the header of a page.
    ///
    /// # Errors
    /// When the page does not begin with one, or the header tells of more bytes than the page has or fewer than the
    /// header.
    pub fn of_page(page: &[u8]) -> Result<Self, ViewError> {
        let no_page = |reason| Err(ViewError::NoSpillPage { reason });
        let Some([magic_0, magic_1, flags_0, flags_1, used @ ..]) =
            page.first_chunk::<SPILL_HEADER_BYTES>()
        else {
            return no_page("it is shorter than a header");
        };
        if u16::from_ne_bytes([*magic_0, *magic_1]) != MAGIC {
            return no_page("the magic number is wrong");
        }
        let used = u32::from_ne_bytes(*used);
        let is_inside = usize::try_from(used)
            .is_ok_and(|used| (SPILL_HEADER_BYTES..=page.len()).contains(&used));
        if !is_inside {
            return no_page("the used bytes are not inside the page");
        }
        let flags = u16::from_ne_bytes([*flags_0, *flags_1]);
        Ok(Self {
            is_last: flags & LAST_PAGE != 0,
            used,
        })
    }
}

/// A sink that writes each finished page to a stream and uses the same memory for the next.
#[derive(Debug)]
pub struct SpillSink<Page, Stream> {
    page: Page,
    stream: Stream,
}

impl<Page: AsMut<[u8]>, Stream: Write> SpillSink<Page, Stream> {
    /// Writes pages of this page's size. The view's header length is [`SPILL_HEADER_BYTES`].
    pub fn new(page: Page, stream: Stream) -> Self {
        Self { page, stream }
    }

    fn write_page(&mut self, used: usize, is_last: bool) -> Result<(), ViewError> {
        let page = self.page.as_mut();
        let used = u32::try_from(used).map_err(|_| ViewError::NoSpillPage {
            reason: "it is larger than a header can tell",
        })?;
        let place = page
            .first_chunk_mut::<SPILL_HEADER_BYTES>()
            .ok_or(ViewError::Freed)?;
        *place = SpillHeader { is_last, used }.to_bytes();
        self.stream.write_all(page)?;
        Ok(())
    }
}

impl<Page: AsMut<[u8]>, Stream: Write> PageSink for SpillSink<Page, Stream> {
    #[inline]
    fn page(&mut self) -> &mut [u8] {
        self.page.as_mut()
    }

    fn next_page(&mut self, used: usize) -> Result<(), ViewError> {
        self.write_page(used, false)
    }
}

impl<Page: AsMut<[u8]>, Stream: Write> PagedOutput<SpillSink<Page, Stream>> {
    /// Writes the current page as the last one, and gives the memory and the stream back.
    ///
    /// # Errors
    /// When the stream fails, or the page was freed.
    pub fn close(self) -> Result<(Page, Stream), ViewError> {
        let (mut sink, used) = self.finish();
        sink.write_page(used, true)?;
        sink.stream.flush()?;
        Ok((sink.page, sink.stream))
    }
}

/// A source that reads pages from a stream into the same memory, up to the one that is marked as the last.
#[derive(Debug)]
pub struct SpillSource<Page, Stream> {
    page: Page,
    stream: Stream,
    used: usize,
    is_last: bool,
}

impl<Page: AsRef<[u8]> + AsMut<[u8]>, Stream: Read> SpillSource<Page, Stream> {
    /// Reads pages of this page's size. The view's header length is [`SPILL_HEADER_BYTES`].
    pub fn new(page: Page, stream: Stream) -> Self {
        Self {
            page,
            stream,
            used: 0,
            is_last: false,
        }
    }
}

impl<Page: AsRef<[u8]> + AsMut<[u8]>, Stream: Read> PageSource for SpillSource<Page, Stream> {
    #[inline]
    fn page(&self) -> &[u8] {
        let bytes = self.page.as_ref();
        &bytes[..self.used.min(bytes.len())]
    }

    /// Reads the next page. After an error there is no current page, and no further one is read.
    fn next_page(&mut self) -> Result<bool, ViewError> {
        if self.is_last {
            return Ok(false);
        }
        self.is_last = true;
        self.used = 0;
        self.stream.read_exact(self.page.as_mut())?;
        let header = SpillHeader::of_page(self.page.as_ref())?;
        self.is_last = header.is_last;
        // The header was found to tell of no more bytes than the page has.
        self.used = header.used as usize;
        Ok(true)
    }
}
