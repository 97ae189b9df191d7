//! The memory of a network pool: segments of one size over one mapping, an entry beside each, and a token that stands
//! for owning it.
//!
//! Mirrors the memory that `NetworkBufferPool` allocates when it starts. Two rules make it sound:
//! 1. There is one [`Token`] for each segment. It is moved and never copied, and whoever has it may do anything with the
//!    bytes and with the owned part of the entry. While several read a segment the token is nobody's, and the one who
//!    lets go last has it again (`buffer/reference.rs`).
//! 2. A token lives no longer than its memory: it lies in the free list of the network pool or in a local pool, which
//!    both keep the arena, or it is in somebody's hands, and then its [`Home`] keeps a pool.

use std::{ptr::NonNull, sync::Arc};

use super::{
    buffer::BufferRecycler,
    local_pool::LocalCore,
    mapping::Mapping,
    network_pool::NetworkCore,
    sync::{
        UnsafeCell,
        atomic::{AtomicI32, AtomicU32},
    },
};

/// Where a segment goes when nobody has it any more.
pub(super) enum Home {
    /// Nowhere: it lies in the free list of its network pool.
    Free,
    /// It is a piece of the heap, and is freed.
    Heap,
    /// The network pool, which gave it as any other segment.
    Network(Arc<NetworkCore>),
    /// The network pool, which gave it as one of those that are counted against what others are guaranteed.
    Exclusive(Arc<NetworkCore>),
    /// The local pool that took it from the network pool.
    ///
    /// The count of the pool's `Arc` is paid once, when the segment comes from the network pool, and stays with the
    /// segment for as long as the local pool has it: taking and recycling a buffer count nothing.
    Local(Arc<LocalCore>),
}

/// What is known of one segment. It fills a cache line, so that two segments never disturb each other.
#[repr(align(64))]
pub(super) struct Entry {
    address: NonNull<u8>,
    size_bytes: u32,
    /// How many references there are beyond the first one. 0 while a token is in one hand.
    pub(super) extra_references: AtomicU32,
    /// How many bytes a builder has published, in the form of `buffer/position.rs`.
    pub(super) position: AtomicI32,
    /// What belongs to the holder of the token.
    owned: UnsafeCell<Owned>,
}

struct Owned {
    home: Home,
    recycler: Option<Arc<dyn BufferRecycler>>,
}

impl Entry {
    fn new(address: NonNull<u8>, size_bytes: u32, home: Home) -> Self {
        Self {
            address,
            size_bytes,
            extra_references: AtomicU32::new(0),
            position: AtomicI32::new(0),
            owned: UnsafeCell::new(Owned {
                home,
                recycler: None,
            }),
        }
    }

    /// The first byte of the segment.
    pub(super) fn address(&self) -> NonNull<u8> {
        self.address
    }

    /// How long the segment is.
    pub(super) fn size_bytes(&self) -> u32 {
        self.size_bytes
    }
}

/// The right to a segment: its bytes, and where it goes.
///
/// Dropping a token gives nothing back: where a segment goes is decided by the pools, so it would be lost to them.
#[must_use = "a segment whose token is dropped is lost"]
pub(super) struct Token(NonNull<Entry>);

// SAFETY: a token is the only way to what is not atomic in an entry, and all of that may change its thread.
#[allow(unsafe_code)]
unsafe impl Send for Token {}
// SAFETY: through `&Token` one only reads what needs `&mut Token` to be written.
#[allow(unsafe_code)]
unsafe impl Sync for Token {}

#[allow(unsafe_code)]
impl Token {
    /// A token over bytes of the heap, which [`Token::free`] gives back.
    pub(super) fn of_heap(bytes: Box<[u8]>, size_bytes: u32) -> Self {
        let address = NonNull::from(Box::leak(bytes)).cast();
        let entry = Box::new(Entry::new(address, size_bytes, Home::Heap));
        Self(NonNull::from(Box::leak(entry)))
    }

    /// Where the entry is; [`Token::from_raw`] makes it the token again.
    #[inline]
    pub(super) fn into_raw(self) -> NonNull<Entry> {
        self.0
    }

    /// The token of an entry.
    ///
    /// # Safety
    /// The pointer comes from [`Token::into_raw`], and no other token is made of it meanwhile.
    #[inline]
    pub(super) unsafe fn from_raw(entry: NonNull<Entry>) -> Self {
        Self(entry)
    }

    /// What everybody may know of the segment.
    #[inline]
    pub(super) fn entry(&self) -> &Entry {
        // SAFETY: a token lives no longer than its entry (rule 2 above).
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn owned(&self) -> &Owned {
        // SAFETY: only `&mut Token` writes it, of which there is none while `&self` lives, and there is one token.
        self.entry().owned.with(|owned| unsafe { &*owned })
    }

    fn owned_mut(&mut self) -> &mut Owned {
        // SAFETY: there is one token, and it is borrowed alone.
        self.entry().owned.with_mut(|owned| unsafe { &mut *owned })
    }

    /// Where the segment goes.
    #[inline]
    pub(super) fn home(&self) -> &Home {
        &self.owned().home
    }

    /// Says where the segment goes from now on.
    pub(super) fn set_home(&mut self, home: Home) {
        self.owned_mut().home = home;
    }

    /// Whether somebody asked to have the segment instead of its home. Most segments are wanted by nobody, and a line
    /// that is only read stays in every cache.
    #[inline]
    pub(super) fn has_recycler(&self) -> bool {
        self.owned().recycler.is_some()
    }

    /// Who asked to have the segment instead of its home.
    pub(super) fn take_recycler(&mut self) -> Option<Arc<dyn BufferRecycler>> {
        self.owned_mut().recycler.take()
    }

    /// Has the segment go to somebody else than its home, once.
    pub(super) fn set_recycler(&mut self, recycler: Arc<dyn BufferRecycler>) {
        self.owned_mut().recycler = Some(recycler);
    }

    /// Frees a token of the heap. Others keep their memory, which their arena frees.
    pub(super) fn free(self) {
        if !matches!(self.home(), Home::Heap) {
            return;
        }
        // SAFETY: `of_heap` leaked both boxes, and this token was the only way to them.
        let entry = unsafe { Box::from_raw(self.0.as_ptr()) };
        let bytes = NonNull::slice_from_raw_parts(entry.address, entry.size_bytes as usize);
        // SAFETY: as above; the slice is as long as the one that was leaked.
        drop(unsafe { Box::from_raw(bytes.as_ptr()) });
    }
}

/// N segments of one size over one mapping.
pub(super) struct Arena {
    mapping: Mapping,
    entries: NonNull<[Entry]>,
}

// SAFETY: an arena keeps memory and gives no access to it; that is the tokens' affair.
#[allow(unsafe_code)]
unsafe impl Send for Arena {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Arena {}

#[allow(unsafe_code)]
impl Arena {
    /// Cuts a mapping into as many segments as fit, and yields the token of each.
    ///
    /// The tokens may be used for as long as the arena lives: see rule 2 above.
    ///
    /// # Errors
    /// When there is no memory for the entries.
    pub(super) fn cut(
        mapping: Mapping,
        segment_bytes: u32,
    ) -> Result<(Self, Vec<Token>), std::collections::TryReserveError> {
        let number = mapping.length() / segment_bytes as usize;
        let mut entries = Vec::new();
        let mut tokens = Vec::new();
        entries.try_reserve_exact(number)?;
        tokens.try_reserve_exact(number)?;
        for index in 0..number {
            // SAFETY: `index < number`, so that the whole segment lies inside the mapping.
            let address = unsafe { mapping.start().add(index * segment_bytes as usize) };
            entries.push(Entry::new(address, segment_bytes, Home::Free));
        }
        let entries = NonNull::from(Box::leak(entries.into_boxed_slice()));
        for index in 0..number {
            // SAFETY: the slice has `number` entries.
            tokens.push(Token(unsafe { entries.cast::<Entry>().add(index) }));
        }
        Ok((Self { mapping, entries }, tokens))
    }

    /// The bytes that entries and tokens of so many segments take.
    pub(super) fn books_bytes(number_of_segments: usize) -> usize {
        number_of_segments.saturating_mul(size_of::<Entry>() + size_of::<Token>())
    }

    /// The memory that was cut.
    pub(super) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// How many segments there are.
    pub(super) fn number_of_segments(&self) -> usize {
        self.entries.len()
    }
}

impl Drop for Arena {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: `cut` leaked this box, and whoever owns the arena has no token in use any more (rule 2).
        drop(unsafe { Box::from_raw(self.entries.as_ptr()) });
    }
}
