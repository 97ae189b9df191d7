//! Pages in a list: what most views write to and read from.
//!
//! Mirrors `SimpleCollectingOutputView` and `RandomAccessInputView`. A page is whatever gives its bytes: a memory
//! segment, an array, a page of a pool.

use super::{PageSink, PageSource, PagedInput, PagedOutput, ViewError};

/// A page, and how many of its bytes are used, header included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledPage<Page> {
    /// The page.
    pub page: Page,
    /// How many of its bytes are used.
    pub used: usize,
}

/// A sink that takes pages from a supply and keeps those that are full.
#[derive(Debug)]
pub struct CollectedPages<Page, Supply> {
    full: Vec<FilledPage<Page>>,
    current: Page,
    supply: Supply,
}

impl<Page, Supply> CollectedPages<Page, Supply>
where
    Page: AsMut<[u8]>,
    Supply: FnMut() -> Option<Page>,
{
    /// Begins with the supply's first page.
    ///
    /// # Errors
    /// [`ViewError::NoPage`] when there is none.
    pub fn new(mut supply: Supply) -> Result<Self, ViewError> {
        let current = supply().ok_or(ViewError::NoPage)?;
        Ok(Self {
            full: Vec::new(),
            current,
            supply,
        })
    }
}

impl<Page, Supply> PageSink for CollectedPages<Page, Supply>
where
    Page: AsMut<[u8]>,
    Supply: FnMut() -> Option<Page>,
{
    #[inline]
    fn page(&mut self) -> &mut [u8] {
        self.current.as_mut()
    }

    fn next_page(&mut self, used: usize) -> Result<(), ViewError> {
        let next = (self.supply)().ok_or(ViewError::NoPage)?;
        let page = std::mem::replace(&mut self.current, next);
        self.full.push(FilledPage { page, used });
        Ok(())
    }
}

impl<Page, Supply> PagedOutput<CollectedPages<Page, Supply>>
where
    Page: AsMut<[u8]>,
    Supply: FnMut() -> Option<Page>,
{
    /// Ends the view and gives all pages in order, the last one filled up to the position.
    #[must_use]
    pub fn into_pages(self) -> Vec<FilledPage<Page>> {
        let (sink, used) = self.finish();
        let mut pages = sink.full;
        pages.push(FilledPage {
            page: sink.current,
            used,
        });
        pages
    }
}

/// A source that reads a list of pages in order, or from any place on.
#[derive(Debug)]
pub struct PageList<Page> {
    /// All pages but the current one, whose place is empty: to find it in the list would cost every value that is read.
    pages: Vec<Option<FilledPage<Page>>>,
    current: Option<FilledPage<Page>>,
    /// The place of the current page, if there is one.
    number: usize,
}

impl<Page: AsRef<[u8]>> PageList<Page> {
    /// Stands before the first page.
    #[must_use]
    pub fn new(pages: Vec<FilledPage<Page>>) -> Self {
        Self {
            pages: pages.into_iter().map(Some).collect(),
            current: None,
            number: 0,
        }
    }

    /// The pages, to be used for something else.
    #[must_use]
    pub fn into_pages(mut self) -> Vec<FilledPage<Page>> {
        self.put_back();
        self.pages.into_iter().flatten().collect()
    }

    fn put_back(&mut self) {
        if let Some(place) = self.pages.get_mut(self.number)
            && self.current.is_some()
        {
            *place = self.current.take();
        }
    }

    /// Makes the page of that number the current one; `false` when there is none, and nothing changes.
    fn go_to(&mut self, number: usize) -> bool {
        let is_there = number < self.pages.len();
        if is_there {
            self.put_back();
            self.current = self.pages[number].take();
            self.number = number;
        }
        is_there
    }
}

impl<Page: AsRef<[u8]>> PageSource for PageList<Page> {
    #[inline]
    fn page(&self) -> &[u8] {
        let Some(filled) = &self.current else {
            return &[];
        };
        let bytes = filled.page.as_ref();
        &bytes[..filled.used.min(bytes.len())]
    }

    fn next_page(&mut self) -> Result<bool, ViewError> {
        let next = match self.current {
            Some(_) => self.number + 1,
            None => 0,
        };
        Ok(self.go_to(next))
    }
}

impl<Page: AsRef<[u8]>> PagedInput<PageList<Page>> {
    /// Goes to a position of the page of that number: Flink's `setReadPosition`.
    ///
    /// # Errors
    /// When there is no such page, or its data has no such position; nothing changes then.
    pub fn seek_to(&mut self, page: usize, position: usize) -> Result<(), ViewError> {
        let list = self.source_mut();
        let before = list.current.is_some().then_some(list.number);
        if !list.go_to(page) {
            return Err(ViewError::EndOfData);
        }
        self.seek(position).inspect_err(|_| {
            let list = self.source_mut();
            list.put_back();
            if let Some(before) = before {
                list.go_to(before);
            }
        })
    }
}
