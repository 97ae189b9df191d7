//! Pages in somebody's hands: handles, and the access to their bytes.
//!
//! Flink frees the segments of an owner under whoever still uses them, and the next access is an exception. Here a
//! handle may be taken away as well, and it must be sound: so a handle is not the bytes. They are reached by a pin, one
//! atomic operation that succeeds only while the page is still the handle's; and a page that is taken away while it is
//! pinned is not issued again before the pin ends. This is the only module of the manager with `unsafe` in it.

mod home;
mod word;

use std::{
    fmt,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

pub(super) use self::{
    home::Home,
    word::{PageWord, Retired},
};
use crate::pool::{
    extent::Extent,
    mapping::{Mapping, MappingError},
};

/// The memory of all pages of a manager, and a word for each. Neither is there before it is used.
#[derive(Debug)]
pub(super) struct PageMemory {
    pages: Mapping,
    #[cfg(not(loom))]
    words: Mapping,
    /// The words of a model know more than their bytes.
    #[cfg(loom)]
    words: Vec<PageWord>,
    total_pages: usize,
    page_size: usize,
}

impl PageMemory {
    pub(super) fn new(total_pages: u32, page_size: usize) -> Result<Self, MappingError> {
        let total_pages = total_pages as usize;
        // A product that does not fit is refused by the kernel as too much.
        let pages = Mapping::anonymous(total_pages.saturating_mul(page_size))?;
        #[cfg(not(loom))]
        let words = Mapping::anonymous(total_pages.saturating_mul(size_of::<PageWord>()))?;
        #[cfg(loom)]
        let words = (0..total_pages).map(|_| PageWord::default()).collect();
        Ok(Self {
            pages,
            words,
            total_pages,
            page_size,
        })
    }

    /// The word of a page, or of the extent that starts with it.
    #[cfg(not(loom))]
    #[allow(unsafe_code)]
    pub(super) fn word(&self, page: u32) -> &PageWord {
        let page = page as usize;
        assert!(
            page < self.total_pages,
            "page {page} of {}",
            self.total_pages
        );
        // SAFETY: the mapping has a word for each page, aligned as it starts at a page of the kernel's; all its bytes
        // were 0 at first, which is a word; and it is used for nothing else and lives as long as `self`.
        unsafe { self.words.start().cast::<PageWord>().add(page).as_ref() }
    }

    /// The word of a page, or of the extent that starts with it.
    #[cfg(loom)]
    pub(super) fn word(&self, page: u32) -> &PageWord {
        &self.words[page as usize]
    }

    /// The bytes of some pages that lie side by side.
    #[allow(unsafe_code)]
    fn bytes(&self, page: u32, pages: u32) -> NonNull<[u8]> {
        let (page, pages) = (page as usize, pages as usize);
        assert!(
            page + pages <= self.total_pages,
            "page {page} of {}",
            self.total_pages
        );
        // SAFETY: the mapping is as long as all pages together, and these are some of them.
        let start = unsafe { self.pages.start().add(page * self.page_size) };
        NonNull::slice_from_raw_parts(start, pages * self.page_size)
    }
}

/// A piece of managed memory: one page, or several that lie side by side. Mirrors the `MemorySegment`s that
/// `MemoryManager` hands out.
///
/// There is one handle for a piece, so it cannot be released twice; dropping it gives the piece back. The owner for
/// whom it was allocated can lose it all the same, when all that it has is released at once; accesses fail from then on,
/// and dropping the handle does nothing. What a new piece holds is undefined but initialized: zeros, or what was left
/// in it.
pub struct ManagedSegment {
    home: Home,
    page: u32,
    pages: u32,
    issue: u64,
}

/// The piece was taken away: its owner's memory was released, or the manager was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the segment was freed")]
pub struct Freed;

impl ManagedSegment {
    /// A handle of pages that nobody has. Only under the manager's lock.
    pub(super) fn issue(home: Home, memory: &PageMemory, Extent { start, pages }: Extent) -> Self {
        Self {
            issue: memory.word(start).issue(),
            home,
            page: start,
            pages,
        }
    }

    /// The first page's number, by which pages of one manager are told apart.
    #[must_use]
    pub fn page(&self) -> u32 {
        self.page
    }

    /// How many pages there are side by side.
    #[must_use]
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// How many bytes there are. Answers after the piece was taken away, too.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.pages as usize * self.home.page_size()
    }

    /// Whether the piece was taken away.
    #[must_use]
    pub fn is_freed(&self) -> bool {
        self.home
            .page_memory()
            .is_none_or(|memory| !memory.word(self.page).is_issued(self.issue))
    }

    /// Begins an access to the bytes, which lasts until the result is dropped. Whoever takes the piece away meanwhile
    /// leaves the bytes in place until then. Many accesses may be made during one pin; a pin costs two atomic operations.
    ///
    /// # Errors
    /// The piece was taken away.
    pub fn pin(&mut self) -> Result<PinnedSegment<'_>, Freed> {
        let memory = self.home.page_memory().ok_or(Freed)?;
        if !memory.word(self.page).pin(self.issue) {
            return Err(Freed);
        }
        let bytes = memory.bytes(self.page, self.pages);
        Ok(PinnedSegment {
            bytes,
            segment: self,
            exclusive: PhantomData,
        })
    }

    /// Whether this is a piece of that manager.
    pub(super) fn is_of(&self, home: &Home) -> bool {
        self.home.is_same(home)
    }

    /// The issue of the handle, against which the word is held when the piece comes back.
    pub(super) fn issued_as(&self) -> u64 {
        self.issue
    }

    /// Ends handles of pieces that were given back, which all belong to this manager.
    pub(super) fn end_all(home: &Home, segments: impl Iterator<Item = Self>) {
        home.surrender(segments.map(Self::into_home));
    }

    #[allow(unsafe_code)]
    fn into_home(self) -> Home {
        let this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used or dropped afterwards, so the reference is moved and not doubled.
        unsafe { std::ptr::read(&raw const this.home) }
    }
}

impl Drop for ManagedSegment {
    fn drop(&mut self) {
        self.home.return_segment(self);
    }
}

impl fmt::Debug for ManagedSegment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ManagedSegment")
            .field("page", &self.page)
            .field("pages", &self.pages)
            .field("is_freed", &self.is_freed())
            .finish()
    }
}

/// The bytes of a [`ManagedSegment`] while they are accessed.
pub struct PinnedSegment<'a> {
    /// Not a reference, because the bytes may belong to somebody else as soon as the word is unpinned, which happens
    /// while this value still exists.
    bytes: NonNull<[u8]>,
    segment: &'a ManagedSegment,
    exclusive: PhantomData<&'a mut ManagedSegment>,
}

impl Deref for PinnedSegment<'_> {
    type Target = [u8];

    #[allow(unsafe_code)]
    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes are mapped as long as the segment's home lives, and initialized. While the word is pinned
        // they are issued to nobody else, and the only handle of this issue is borrowed mutably by this value.
        unsafe { self.bytes.as_ref() }
    }
}

impl DerefMut for PinnedSegment<'_> {
    #[allow(unsafe_code)]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and this value is borrowed mutably itself.
        unsafe { self.bytes.as_mut() }
    }
}

impl AsRef<[u8]> for PinnedSegment<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for PinnedSegment<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl Drop for PinnedSegment<'_> {
    fn drop(&mut self) {
        let ManagedSegment { home, page, .. } = self.segment;
        let taken_away = home
            .page_memory()
            .is_some_and(|memory| memory.word(*page).unpin());
        if taken_away {
            home.return_lingering(*page);
        }
    }
}

impl fmt::Debug for PinnedSegment<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("PinnedSegment")
            .field(self.segment)
            .finish()
    }
}

// SAFETY: a pinned segment is an exclusive reference to bytes and a shared one to a handle that may be shared.
#[allow(unsafe_code)]
unsafe impl Send for PinnedSegment<'_> {}
// SAFETY: as above; a shared reference to it only reads the bytes.
#[allow(unsafe_code)]
unsafe impl Sync for PinnedSegment<'_> {}
