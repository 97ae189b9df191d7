//! A memory segment: a piece of memory of fixed size, with accesses that are checked.
//!
//! Mirrors `org.apache.flink.core.memory.MemorySegment` and its factory. One plain struct serves all kinds of memory, so
//! that no access asks which kind it is. An access costs one comparison: what may be accessed is kept as a bound that is
//! 0 after [`free`](MemorySegment::free), and the failing path then tells a freed segment from a wrong index.
//!
//! A segment is a value with one owner. Reading needs a shared reference and writing an exclusive one, so that two
//! threads cannot race for a byte, and memory that is borrowed cannot be freed.

#[allow(unsafe_code)]
mod access;
mod bulk;
pub mod byte_view;
mod error;
mod stream;

use std::alloc::Layout;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

pub use error::{AllocationError, SegmentError, Side, TransferError};

use super::mapping::Mapping;

/// Direct memory begins on a cache line, so that neighbours on different threads share none.
const DIRECT_ALIGNMENT: usize = 64;

/// Unsafe memory begins where the allocator likes. More would make it write the zeros itself instead of taking pages
/// from the kernel that are 0, and then all of them would be present.
const UNSAFE_ALIGNMENT: usize = 16;

/// No page of memory is smaller.
const SMALLEST_PAGE_BYTES: usize = 4096;

/// Where a segment's memory comes from, in Flink's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// A plain array of bytes, which can be taken out again.
    Heap,
    /// Memory of its own that was zeroed and is present from the start: what the network pool uses.
    Direct,
    /// Memory of its own whose pages appear on first use: what the memory manager uses.
    Unsafe,
    /// A part of a mapping, which lives for as long as any of its parts.
    Part,
}

/// What is to be given back when the segment is freed.
enum Backing {
    Heap,
    Own(Layout),
    Part(Arc<Mapping>),
    /// Nothing is left to be given back.
    Freed,
}

/// A piece of memory of fixed size; see the [module](self).
pub struct MemorySegment {
    start: NonNull<u8>,
    /// One more than the size while the segment lives, 0 afterwards.
    bound: usize,
    size: usize,
    kind: SegmentKind,
    backing: Backing,
    owner: Option<Arc<str>>,
    cleanup: Option<Box<dyn FnOnce() + Send>>,
}

impl MemorySegment {
    /// Allocates `size` bytes of heap memory, all 0.
    ///
    /// # Errors
    /// When the memory cannot be had.
    pub fn allocate_heap(size: usize) -> Result<Self, AllocationError> {
        let mut array = Vec::new();
        array
            .try_reserve_exact(size)
            .map_err(|_| AllocationError::OutOfMemory {
                kind: SegmentKind::Heap,
                size,
            })?;
        array.resize(size, 0);
        Ok(Self::wrap_array(array.into_boxed_slice()))
    }

    /// Allocates `size` bytes of direct memory: all 0, and every page present.
    ///
    /// # Errors
    /// When the memory cannot be had.
    #[allow(unsafe_code)]
    pub fn allocate_direct(size: usize) -> Result<Self, AllocationError> {
        let segment = Self::allocate(SegmentKind::Direct, size, DIRECT_ALIGNMENT)?;
        for page in (0..size).step_by(SMALLEST_PAGE_BYTES) {
            // SAFETY: the byte lies inside the allocation, which nobody else knows yet. The write is volatile because
            // its effect, that the page exists, is one the compiler does not see.
            unsafe { segment.start.add(page).write_volatile(0) };
        }
        Ok(segment)
    }

    /// Allocates `size` bytes of unsafe memory, whose pages appear on first use. Unlike Flink's it reads as 0 before it
    /// is written, because memory without a value cannot be read soundly.
    ///
    /// # Errors
    /// When the memory cannot be had.
    pub fn allocate_unsafe(size: usize) -> Result<Self, AllocationError> {
        Self::allocate(SegmentKind::Unsafe, size, UNSAFE_ALIGNMENT)
    }

    #[allow(unsafe_code)]
    fn allocate(kind: SegmentKind, size: usize, alignment: usize) -> Result<Self, AllocationError> {
        let out_of_memory = AllocationError::OutOfMemory { kind, size };
        // An allocation of no bytes has no address, so the smallest is 1 byte, as in Flink.
        let Ok(layout) = Layout::from_size_align(size.max(1), alignment) else {
            return Err(out_of_memory);
        };
        // SAFETY: the layout is of at least 1 byte.
        let start = unsafe { std::alloc::alloc_zeroed(layout) };
        match NonNull::new(start) {
            Some(start) => Ok(Self::new(start, size, kind, Backing::Own(layout))),
            None => Err(out_of_memory),
        }
    }

    /// Makes a heap segment of an array, without copying it.
    #[must_use]
    pub fn wrap_array(array: Box<[u8]>) -> Self {
        let size = array.len();
        let start = NonNull::from(Box::leak(array)).cast();
        Self::new(start, size, SegmentKind::Heap, Backing::Heap)
    }

    /// Makes a heap segment of a copy of `bytes[start..end]`.
    ///
    /// # Errors
    /// When the range ends before it starts or behind the bytes, and when the memory cannot be had.
    pub fn wrap_copy(bytes: &[u8], start: usize, end: usize) -> Result<Self, AllocationError> {
        let range = bytes.get(start..end).ok_or(AllocationError::IllegalRange {
            start,
            end,
            available: bytes.len(),
        })?;
        let mut segment = Self::allocate_heap(range.len())?;
        segment.as_mut().copy_from_slice(range);
        Ok(segment)
    }

    /// Makes a heap segment of the 4 bytes of a value, big-endian.
    #[must_use]
    pub fn wrap_i32(value: i32) -> Self {
        Self::wrap_array(Box::new(value.to_be_bytes()))
    }

    /// Makes a segment of `size` bytes of a mapping from `offset` on, which keeps the mapping alive.
    ///
    /// # Safety
    /// For as long as the segment lives and is not freed, nobody else accesses these bytes, through another segment, the
    /// mapping's address or another process.
    ///
    /// # Errors
    /// When the range does not lie inside the mapping, or the mapping cannot be written.
    #[allow(unsafe_code)]
    pub unsafe fn part_of(
        mapping: Arc<Mapping>,
        offset: usize,
        size: usize,
    ) -> Result<Self, AllocationError> {
        let available = mapping.length();
        let is_inside = offset.checked_add(size).is_some_and(|end| end <= available);
        if !is_inside {
            return Err(AllocationError::NotInMapping {
                offset,
                size,
                available,
            });
        }
        if !mapping.is_writable() {
            return Err(AllocationError::ReadOnlyMapping);
        }
        // SAFETY: the offset was just found to lie inside the mapping or at its end.
        let start = unsafe { mapping.start().add(offset) };
        Ok(Self::new(
            start,
            size,
            SegmentKind::Part,
            Backing::Part(mapping),
        ))
    }

    fn new(start: NonNull<u8>, size: usize, kind: SegmentKind, backing: Backing) -> Self {
        Self {
            start,
            // An allocation is never larger than half the address space.
            bound: size + 1,
            size,
            kind,
            backing,
            owner: None,
            cleanup: None,
        }
    }

    /// Names the owner, which stays known after the segment is freed.
    #[must_use]
    pub fn with_owner(mut self, owner: Arc<str>) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Sets what is done once when the segment is freed, after its memory was given back.
    #[must_use]
    pub fn with_cleanup(mut self, cleanup: impl FnOnce() + Send + 'static) -> Self {
        self.cleanup = Some(Box::new(cleanup));
        self
    }

    /// How many bytes the segment has, or had before it was freed.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Where the memory comes from, or came from.
    #[must_use]
    pub fn kind(&self) -> SegmentKind {
        self.kind
    }

    /// Whether the memory is no array on the heap.
    #[must_use]
    pub fn is_off_heap(&self) -> bool {
        self.kind != SegmentKind::Heap
    }

    /// Who it was allocated for, also after it was freed.
    #[must_use]
    pub fn owner(&self) -> Option<&Arc<str>> {
        self.owner.as_ref()
    }

    /// Whether the memory was given back.
    #[must_use]
    pub fn is_freed(&self) -> bool {
        self.bound == 0
    }

    /// Gives the memory back and then runs the cleanup, once; every later call does nothing. Dropping the segment does
    /// the same.
    #[allow(unsafe_code)]
    pub fn free(&mut self) {
        self.bound = 0;
        match std::mem::replace(&mut self.backing, Backing::Freed) {
            Backing::Heap => {
                let array = NonNull::slice_from_raw_parts(self.start, self.size);
                // SAFETY: the array was taken out of its box when the segment was made, and the backing that says so is
                // consumed here.
                drop(unsafe { Box::from_raw(array.as_ptr()) });
            }
            // SAFETY: it was allocated with this layout, and the backing that says so is consumed here.
            Backing::Own(layout) => unsafe {
                std::alloc::dealloc(self.start.as_ptr(), layout);
            },
            Backing::Part(mapping) => drop(mapping),
            Backing::Freed => {}
        }
        if let Some(cleanup) = self.cleanup.take() {
            cleanup();
        }
    }

    /// The array of a heap segment.
    ///
    /// # Errors
    /// When the segment is off-heap or was freed.
    pub fn array(&self) -> Result<&[u8], SegmentError> {
        if self.is_off_heap() {
            return Err(SegmentError::NotHeap { kind: self.kind });
        }
        self.check(0, 0)?;
        Ok(self.as_ref())
    }

    /// The address of an off-heap segment.
    ///
    /// # Errors
    /// When the segment is on the heap or was freed.
    pub fn address(&self) -> Result<NonNull<u8>, SegmentError> {
        if !self.is_off_heap() {
            return Err(SegmentError::NotOffHeap);
        }
        self.check(0, 0)?;
        Ok(self.start)
    }

    /// The one comparison: whether `length` bytes from `index` on may be accessed.
    #[inline]
    fn check(&self, index: usize, length: usize) -> Result<(), SegmentError> {
        // For a freed segment, and for more bytes than there are, nothing is left to be below of.
        if index < self.bound.saturating_sub(length) {
            Ok(())
        } else {
            Err(self.refuse(index, length, Side::This))
        }
    }

    /// As [`check`](Self::check), for the segment on the other side of an operation.
    #[inline]
    fn check_other(&self, index: usize, length: usize) -> Result<(), SegmentError> {
        if index < self.bound.saturating_sub(length) {
            Ok(())
        } else {
            Err(self.refuse(index, length, Side::Other))
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self, index: usize, length: usize, side: Side) -> SegmentError {
        if self.is_freed() {
            SegmentError::Freed { side }
        } else {
            SegmentError::OutOfBounds {
                index,
                length,
                size: self.size,
                side,
            }
        }
    }
}

impl AsRef<[u8]> for MemorySegment {
    /// All bytes; none after the segment was freed.
    #[inline]
    #[allow(unsafe_code)]
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the memory lives until `free`, which needs an exclusive reference and sets the bound to 0. It has a
        // value everywhere, since every way to allocate it sets it to 0 or takes bytes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bound.saturating_sub(1)) }
    }
}

impl AsMut<[u8]> for MemorySegment {
    /// All bytes; none after the segment was freed.
    #[inline]
    #[allow(unsafe_code)]
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for reading; and the exclusive reference to the segment is one to the memory, since it is either
        // the segment's own or was promised to it alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bound.saturating_sub(1)) }
    }
}

impl Drop for MemorySegment {
    fn drop(&mut self) {
        self.free();
    }
}

impl fmt::Debug for MemorySegment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemorySegment")
            .field("kind", &self.kind)
            .field("size", &self.size)
            .field("is_freed", &self.is_freed())
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

// SAFETY: the memory is the segment's alone, wherever it is moved, and so is the cleanup, which may be sent.
#[allow(unsafe_code)]
unsafe impl Send for MemorySegment {}
// SAFETY: a shared reference only reads memory that nobody writes meanwhile, and never reaches the cleanup.
#[allow(unsafe_code)]
unsafe impl Sync for MemorySegment {}
