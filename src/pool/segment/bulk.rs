//! Many bytes at a time: to and from arrays and views, between segments, and comparing them.

use std::cmp::Ordering;

use super::byte_view::ByteView;
use super::{MemorySegment, SegmentError, SegmentKind};

impl MemorySegment {
    /// The bytes of a range that was checked.
    fn range(&self, index: usize, length: usize) -> Result<&[u8], SegmentError> {
        self.check(index, length)?;
        Ok(&self.as_ref()[index..index + length])
    }

    /// The bytes of a range that was checked, for writing.
    fn range_mut(&mut self, index: usize, length: usize) -> Result<&mut [u8], SegmentError> {
        self.check(index, length)?;
        Ok(&mut self.as_mut()[index..index + length])
    }

    /// Copies the bytes from `index` on into the whole array.
    ///
    /// # Errors
    /// When the range is out of bounds or the segment was freed.
    #[inline]
    pub fn get_bytes(&self, index: usize, array: &mut [u8]) -> Result<(), SegmentError> {
        array.copy_from_slice(self.range(index, array.len())?);
        Ok(())
    }

    /// Copies `length` bytes from `index` on into the array, there from `offset` on.
    ///
    /// # Errors
    /// When one of the ranges is out of bounds or the segment was freed.
    pub fn get_bytes_at(
        &self,
        index: usize,
        array: &mut [u8],
        offset: usize,
        length: usize,
    ) -> Result<(), SegmentError> {
        let size = array.len();
        let target = offset
            .checked_add(length)
            .and_then(|end| array.get_mut(offset..end))
            .ok_or(SegmentError::ArrayOutOfBounds {
                offset,
                length,
                size,
            })?;
        self.get_bytes(index, target)
    }

    /// Copies the whole array to `index`.
    ///
    /// # Errors
    /// When the range is out of bounds or the segment was freed; nothing is written then.
    #[inline]
    pub fn put_bytes(&mut self, index: usize, array: &[u8]) -> Result<(), SegmentError> {
        self.range_mut(index, array.len())?.copy_from_slice(array);
        Ok(())
    }

    /// Copies `length` bytes of the array, there from `offset` on, to `index`.
    ///
    /// # Errors
    /// When one of the ranges is out of bounds or the segment was freed; nothing is written then.
    pub fn put_bytes_at(
        &mut self,
        index: usize,
        array: &[u8],
        offset: usize,
        length: usize,
    ) -> Result<(), SegmentError> {
        let source = offset
            .checked_add(length)
            .and_then(|end| array.get(offset..end))
            .ok_or(SegmentError::ArrayOutOfBounds {
                offset,
                length,
                size: array.len(),
            })?;
        self.put_bytes(index, source)
    }

    /// Copies `length` bytes from `index` on into the view, whose position moves on by as many.
    ///
    /// # Errors
    /// When the view is for reading or takes fewer bytes, the range is out of bounds, or the segment was freed. The
    /// view's position stays then.
    pub fn get_to_view(
        &self,
        index: usize,
        view: &mut ByteView<'_>,
        length: usize,
    ) -> Result<(), SegmentError> {
        view.check_writable()?;
        let source = self.range(index, length)?;
        view.next_mut(length)?.copy_from_slice(source);
        view.advance(length);
        Ok(())
    }

    /// Copies `length` bytes from the view's position to `index`; the position moves on by as many.
    ///
    /// # Errors
    /// When the view has fewer bytes, the range is out of bounds, or the segment was freed. Nothing is written and the
    /// view's position stays then.
    pub fn put_from_view(
        &mut self,
        index: usize,
        view: &mut ByteView<'_>,
        length: usize,
    ) -> Result<(), SegmentError> {
        let target = self.range_mut(index, length)?;
        target.copy_from_slice(view.next(length)?);
        view.advance(length);
        Ok(())
    }

    /// Copies `length` bytes from `offset` on into another segment, of whatever kind, there from `target_offset` on.
    ///
    /// # Errors
    /// When one of the ranges is out of bounds or one of the segments was freed; nothing is written then.
    pub fn copy_to(
        &self,
        offset: usize,
        target: &mut MemorySegment,
        target_offset: usize,
        length: usize,
    ) -> Result<(), SegmentError> {
        let source = self.range(offset, length)?;
        target.check_other(target_offset, length)?;
        target.as_mut()[target_offset..target_offset + length].copy_from_slice(source);
        Ok(())
    }

    /// Copies `length` bytes from `offset` on to another place of the same segment. The ranges may overlap.
    ///
    /// # Errors
    /// When one of the ranges is out of bounds or the segment was freed; nothing is written then.
    pub fn copy_within(
        &mut self,
        offset: usize,
        target_offset: usize,
        length: usize,
    ) -> Result<(), SegmentError> {
        self.check(offset, length)?;
        self.check(target_offset, length)?;
        self.as_mut()
            .copy_within(offset..offset + length, target_offset);
        Ok(())
    }

    /// Copies `length` bytes from `offset` on to memory that is known by its address alone: Flink's `copyToUnsafe`.
    ///
    /// # Safety
    /// `length` bytes from `target` on may be written by this thread, and are no part of this segment.
    ///
    /// # Errors
    /// When the range is out of bounds or the segment was freed; only this side can be checked.
    #[allow(unsafe_code)]
    pub unsafe fn copy_to_raw(
        &self,
        offset: usize,
        target: *mut u8,
        length: usize,
    ) -> Result<(), SegmentError> {
        let source = self.range(offset, length)?;
        // SAFETY: the source is a slice of this length, and the caller vouches for the target.
        unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), target, length) };
        Ok(())
    }

    /// Copies `length` bytes from memory that is known by its address alone to `offset`: Flink's `copyFromUnsafe`.
    ///
    /// # Safety
    /// `length` bytes from `source` on have values and may be read by this thread, and are no part of this segment.
    ///
    /// # Errors
    /// When the range is out of bounds or the segment was freed; only this side can be checked.
    #[allow(unsafe_code)]
    pub unsafe fn copy_from_raw(
        &mut self,
        offset: usize,
        source: *const u8,
        length: usize,
    ) -> Result<(), SegmentError> {
        let target = self.range_mut(offset, length)?;
        // SAFETY: the target is a slice of this length, and the caller vouches for the source.
        unsafe { std::ptr::copy_nonoverlapping(source, target.as_mut_ptr(), length) };
        Ok(())
    }

    /// Compares as many bytes of two segments in dictionary order, each byte without a sign.
    ///
    /// # Errors
    /// When one of the ranges is out of bounds or one of the segments was freed.
    pub fn compare(
        &self,
        other: &MemorySegment,
        offset: usize,
        other_offset: usize,
        length: usize,
    ) -> Result<Ordering, SegmentError> {
        self.compare_ranges(other, offset, other_offset, length, length)
    }

    /// Compares bytes of two segments in dictionary order, each byte without a sign; of two ranges of which one begins
    /// with the other, the shorter is less.
    ///
    /// # Errors
    /// When one of the ranges is out of bounds or one of the segments was freed.
    pub fn compare_ranges(
        &self,
        other: &MemorySegment,
        offset: usize,
        other_offset: usize,
        length: usize,
        other_length: usize,
    ) -> Result<Ordering, SegmentError> {
        let this = self.range(offset, length)?;
        other.check_other(other_offset, other_length)?;
        Ok(this.cmp(&other.as_ref()[other_offset..other_offset + other_length]))
    }

    /// Whether as many bytes of two segments are the same.
    ///
    /// # Errors
    /// When one of the ranges is out of bounds or one of the segments was freed.
    pub fn equal_to(
        &self,
        other: &MemorySegment,
        offset: usize,
        other_offset: usize,
        length: usize,
    ) -> Result<bool, SegmentError> {
        let this = self.range(offset, length)?;
        other.check_other(other_offset, length)?;
        Ok(this == &other.as_ref()[other_offset..other_offset + length])
    }

    /// Exchanges as many bytes of two segments. Unlike Flink's it needs no array in between.
    ///
    /// # Errors
    /// When one of the ranges is out of bounds or one of the segments was freed; nothing is exchanged then.
    pub fn swap_bytes(
        &mut self,
        other: &mut MemorySegment,
        offset: usize,
        other_offset: usize,
        length: usize,
    ) -> Result<(), SegmentError> {
        let this = self.range_mut(offset, length)?;
        other.check_other(other_offset, length)?;
        this.swap_with_slice(&mut other.as_mut()[other_offset..other_offset + length]);
        Ok(())
    }

    /// A view of the whole segment for reading, from `offset` up to `offset + length`.
    ///
    /// # Errors
    /// When the range is out of bounds or the segment was freed. Flink refuses unsafe memory, because its views outlive
    /// the segment; ours borrow it, but what is portable stays so: [`process`](Self::process) is the form for all kinds.
    pub fn wrap(&self, offset: usize, length: usize) -> Result<ByteView<'_>, SegmentError> {
        self.check_wrap(offset, length)?;
        ByteView::read_only(self.as_ref()).between(offset, offset + length)
    }

    /// As [`wrap`](Self::wrap), for reading and writing.
    ///
    /// # Errors
    /// As [`wrap`](Self::wrap).
    pub fn wrap_mut(&mut self, offset: usize, length: usize) -> Result<ByteView<'_>, SegmentError> {
        self.check_wrap(offset, length)?;
        ByteView::writable(self.as_mut()).between(offset, offset + length)
    }

    fn check_wrap(&self, offset: usize, length: usize) -> Result<(), SegmentError> {
        if self.kind == SegmentKind::Unsafe {
            return Err(SegmentError::WrapUnsupported);
        }
        self.check(offset, length)
    }

    /// Lets `process` work on a view of the whole segment, of whatever kind: Flink's `processAsByteBuffer`.
    ///
    /// # Errors
    /// When the segment was freed.
    pub fn process<Answer>(
        &mut self,
        process: impl FnOnce(ByteView<'_>) -> Answer,
    ) -> Result<Answer, SegmentError> {
        self.check(0, 0)?;
        Ok(process(ByteView::writable(self.as_mut())))
    }
}
