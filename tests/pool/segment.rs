//! What the tests of segments share: one of each kind, and the indices that are wrong everywhere.

use headroom::pool::segment::{MemorySegment, SegmentKind};

/// The sizes Flink's tests of segments run with.
pub const SIZES: [usize; 3] = [32 << 10, 4 << 10, 512 << 10];

/// The kinds of memory. `Part` needs a kernel that maps memory.
pub const KINDS: &[SegmentKind] = &[
    SegmentKind::Heap,
    SegmentKind::Direct,
    SegmentKind::Unsafe,
    #[cfg(target_os = "linux")]
    SegmentKind::Part,
];

/// Java's `int` extremes and −1 as an index: what a negative number becomes when it is cast without care.
pub const MINUS_ONE: usize = usize::MAX;
pub const INT_MIN: usize = (i32::MIN as isize).cast_unsigned();
pub const INT_MAX: usize = i32::MAX as usize;

/// A number that may be negative, as the index it becomes when it is cast without care.
pub fn index(number: isize) -> usize {
    number.cast_unsigned()
}

/// A segment of this kind.
pub fn allocate(kind: SegmentKind, size: usize) -> MemorySegment {
    match kind {
        SegmentKind::Heap => MemorySegment::allocate_heap(size).unwrap(),
        SegmentKind::Direct => MemorySegment::allocate_direct(size).unwrap(),
        SegmentKind::Unsafe => MemorySegment::allocate_unsafe(size).unwrap(),
        SegmentKind::Part => part(size),
    }
}

/// A segment in the middle of a mapping.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn part(size: usize) -> MemorySegment {
    let mapping = headroom::pool::mapping::Mapping::anonymous(size + 200).unwrap();
    // SAFETY: nobody else knows the mapping.
    unsafe { MemorySegment::part_of(std::sync::Arc::new(mapping), 99, size) }.unwrap()
}

#[cfg(not(target_os = "linux"))]
fn part(_: usize) -> MemorySegment {
    unreachable!("it is no kind of this machine")
}

/// Runs a test with every kind and every size.
pub fn each(mut test: impl FnMut(MemorySegment)) {
    for &kind in KINDS {
        for size in SIZES {
            test(allocate(kind, size));
        }
    }
}

/// Asserts that an access was refused because it leaves the segment or the array.
#[track_caller]
pub fn assert_out_of_bounds<T: std::fmt::Debug>(
    outcome: Result<T, headroom::pool::segment::SegmentError>,
) {
    let error = outcome.expect_err("an access out of bounds");
    assert!(error.is_out_of_bounds(), "{error}");
}

/// Asserts that an access was refused because a segment was freed.
#[track_caller]
pub fn assert_freed<T: std::fmt::Debug>(outcome: Result<T, headroom::pool::segment::SegmentError>) {
    let error = outcome.expect_err("an access to a freed segment");
    assert!(error.is_freed(), "{error}");
}
