//! Segments that are tiny, freed or of different kinds: lines B1 to B11, of which B9 stands with the other accesses.

use headroom::pool::segment::byte_view::ByteView;
use headroom::pool::segment::{
    AllocationError, MemorySegment, SegmentError, SegmentKind, Side, TransferError,
};

use crate::random::Random;
use crate::segment::{
    INT_MAX, INT_MIN, KINDS, MINUS_ONE, allocate, assert_freed, assert_out_of_bounds, index,
};
use crate::segment_bulk::{compare_shifted, swap_halves};

/// Every access to a single byte.
fn bytes(segment: &mut MemorySegment, at: usize) -> [Result<(), SegmentError>; 4] {
    [
        segment.get_u8(at).map(drop),
        segment.put_u8(at, 1),
        segment.get_bool(at).map(drop),
        segment.put_bool(at, true),
    ]
}

/// Every access to a value of several bytes.
fn values(segment: &mut MemorySegment, at: usize) -> Vec<Result<(), SegmentError>> {
    macro_rules! all {
        ($($get:ident $put:ident)*) => {
            vec![$(segment.$get(at).map(drop), segment.$put(at, Default::default())),*]
        };
    }
    all!(
        get_u16 put_u16 get_u16_little_endian put_u16_little_endian get_u16_big_endian put_u16_big_endian
        get_i16 put_i16 get_i16_little_endian put_i16_little_endian get_i16_big_endian put_i16_big_endian
        get_i32 put_i32 get_i32_little_endian put_i32_little_endian get_i32_big_endian put_i32_big_endian
        get_i64 put_i64 get_i64_little_endian put_i64_little_endian get_i64_big_endian put_i64_big_endian
        get_f32 put_f32 get_f32_little_endian put_f32_little_endian get_f32_big_endian put_f32_big_endian
        get_f64 put_f64 get_f64_little_endian put_f64_little_endian get_f64_big_endian put_f64_big_endian
    )
}

/// Seven bytes to and from everything that bytes can be copied to and from.
fn transfers(segment: &mut MemorySegment, at: usize) -> Vec<Result<(), SegmentError>> {
    let mut array = [0; 7];
    let segment_error = |outcome| match outcome {
        Ok(()) => Ok(()),
        Err(TransferError::Segment(error)) => Err(error),
        Err(error @ TransferError::Stream { .. }) => panic!("{error}"),
    };
    vec![
        segment.get_bytes(at, &mut array),
        segment.put_bytes(at, &array),
        segment.get_bytes_at(at, &mut array, 0, 7),
        segment.put_bytes_at(at, &array, 0, 7),
        segment.get_to_view(at, &mut ByteView::writable(&mut array), 7),
        segment.put_from_view(at, &mut ByteView::read_only(&array), 7),
        segment_error(segment.get_to_stream(&mut Vec::new(), at, 7)),
        segment_error(segment.put_from_stream(&mut array.as_slice(), at, 7)),
    ]
}

/// A segment of no bytes exists, and no byte of it can be had.
#[test]
fn b1_zero_size() {
    for &kind in KINDS {
        let mut segment = allocate(kind, 0);
        assert_eq!((segment.size(), segment.is_freed()), (0, false));
        bytes(&mut segment, 0)
            .into_iter()
            .for_each(assert_out_of_bounds);
        assert_eq!(
            segment.get_bytes(0, &mut []),
            Ok(()),
            "nothing can be had of nothing"
        );
        segment.free();
        assert_freed(segment.get_bytes(0, &mut []));
    }
}

/// A segment of 1 byte gives that one, and nothing wider at any index.
#[test]
fn b2_size_one() {
    for &kind in KINDS {
        let mut segment = allocate(kind, 1);
        assert_eq!(bytes(&mut segment, 0), [Ok(()); 4]);
        for at in [1, MINUS_ONE, 8, index(-8), INT_MAX, INT_MIN] {
            bytes(&mut segment, at)
                .into_iter()
                .for_each(assert_out_of_bounds);
        }
        for at in [0, 1, MINUS_ONE, 8, index(-8), INT_MAX, INT_MIN] {
            values(&mut segment, at)
                .into_iter()
                .for_each(assert_out_of_bounds);
            transfers(&mut segment, at)
                .into_iter()
                .for_each(assert_out_of_bounds);
        }
    }
}

/// Every access to a freed segment, at whatever index, says that it was freed.
#[test]
fn b3_operations_on_freed_segments() {
    let mut random = Random::new(3);
    for &kind in KINDS {
        let size = 1000 + random.below(10_001);
        let mut segment = allocate(kind, size);
        segment.free();
        assert!(segment.is_freed());
        let minus_size = index(-(size.cast_signed()));
        for at in [0, 1, size, INT_MAX, INT_MIN, MINUS_ONE, minus_size] {
            bytes(&mut segment, at).into_iter().for_each(assert_freed);
            values(&mut segment, at).into_iter().for_each(assert_freed);
            transfers(&mut segment, at)
                .into_iter()
                .for_each(assert_freed);
            assert_freed(segment.copy_within(at, 0, 1));
        }
    }
}

/// Between a living and a freed segment nothing is compared, copied or exchanged, and the error tells which was freed.
#[test]
fn b4_operations_between_living_and_freed_segments() {
    for &kind in KINDS {
        for &other_kind in KINDS {
            for (freed, other_freed) in [(false, true), (true, false), (true, true)] {
                let mut segment = allocate(kind, 64);
                let mut other = allocate(other_kind, 64);
                segment.as_mut().fill(1);
                other.as_mut().fill(2);
                if freed {
                    segment.free();
                }
                if other_freed {
                    other.free();
                }
                let side = if freed { Side::This } else { Side::Other };
                let expected = SegmentError::Freed { side };
                for length in [0, 1, 64] {
                    assert_eq!(segment.compare(&other, 0, 0, length), Err(expected));
                    assert_eq!(segment.equal_to(&other, 0, 0, length), Err(expected));
                    assert_eq!(segment.copy_to(0, &mut other, 0, length), Err(expected));
                    assert_eq!(segment.swap_bytes(&mut other, 0, 0, length), Err(expected));
                }
                assert!(segment.as_ref().iter().all(|byte| *byte == 1));
                assert!(other.as_ref().iter().all(|byte| *byte == 2));
            }
        }
    }
}

/// What Java must be told by an error, that memory is missing or of the wrong kind, the types exclude; a part of a
/// mapping can still be asked for that the mapping does not have, or that cannot be written.
#[test]
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn b5_backing_that_does_not_fit() {
    use std::sync::Arc;

    use headroom::bytes::Bytes;
    use headroom::pool::mapping::Mapping;
    use headroom::pool::mapping::huge_pages::HugePages;
    use headroom::pool::mapping::limit::MemoryLimit;
    use headroom::pool::mapping::memory_file::MemoryFile;

    let mapping = Arc::new(Mapping::anonymous(1024).unwrap());
    for (offset, size) in [
        (0, 1025),
        (1024, 1),
        (1025, 0),
        (MINUS_ONE, 2),
        (2, MINUS_ONE),
    ] {
        // SAFETY: nobody else knows the mapping.
        let outcome = unsafe { MemorySegment::part_of(Arc::clone(&mapping), offset, size) };
        let available = 1024;
        assert_eq!(
            outcome.unwrap_err(),
            AllocationError::NotInMapping {
                offset,
                size,
                available
            }
        );
    }
    // SAFETY: nobody else knows the mapping.
    let segment = unsafe { MemorySegment::part_of(Arc::clone(&mapping), 1024, 0) }.unwrap();
    assert_eq!(segment.size(), 0);
    assert_eq!(Arc::strong_count(&mapping), 2, "a part keeps the mapping");
    drop(segment);
    assert_eq!(Arc::strong_count(&mapping), 1);

    let file = MemoryFile::anonymous("pool", 4096, HugePages::No).unwrap();
    let limit = MemoryLimit {
        limit: None,
        used: Bytes::ZERO,
    };
    file.reserve(&limit.admit(Bytes(4096)).unwrap()).unwrap();
    let mapping = Arc::new(file.map_read_only().unwrap());
    // SAFETY: nobody else knows the mapping.
    let outcome = unsafe { MemorySegment::part_of(mapping, 0, 1024) };
    assert_eq!(outcome.unwrap_err(), AllocationError::ReadOnlyMapping);

    let error = MemorySegment::allocate_heap(MINUS_ONE).unwrap_err();
    let kind = SegmentKind::Heap;
    assert_eq!(
        error,
        AllocationError::OutOfMemory {
            kind,
            size: MINUS_ONE
        }
    );
    for kind in [SegmentKind::Direct, SegmentKind::Unsafe] {
        for size in [MINUS_ONE, isize::MAX.cast_unsigned(), 1 << 60] {
            let outcome = match kind {
                SegmentKind::Direct => MemorySegment::allocate_direct(size),
                _ => MemorySegment::allocate_unsafe(size),
            };
            assert_eq!(
                outcome.unwrap_err(),
                AllocationError::OutOfMemory { kind, size }
            );
        }
    }
}

/// Comparing does not depend on which kinds of memory are compared.
#[test]
fn b6_compare_mixed() {
    for &kind in KINDS {
        for &other_kind in KINDS {
            let mut other = allocate(other_kind, 32 << 10);
            compare_shifted(&mut allocate(kind, 32 << 10), &mut other);
        }
    }
}

/// Exchanging does not depend on between which kinds of memory it is done.
#[test]
fn b7_swap_mixed() {
    for &kind in KINDS {
        for &other_kind in KINDS {
            let mut other = allocate(other_kind, 16 << 10);
            swap_halves(&mut allocate(kind, 32 << 10), &mut other);
        }
    }
}

/// Copying does not depend on between which kinds of memory it is done, nor on whether an end is known by its address
/// alone; what leaves a segment is refused in both directions.
#[test]
#[allow(unsafe_code)]
fn b8_copy_mixed() {
    const SIZE: usize = 32 << 10;
    let mut random = Random::new(8);
    for &kind in KINDS {
        for &other_kind in KINDS {
            let mut source = allocate(kind, SIZE);
            let mut target = allocate(other_kind, SIZE);
            random.fill(source.as_mut());
            let mut expected = vec![0; SIZE];
            for _ in 0..40 {
                let length = random.below(SIZE / 20);
                let (at, target_at) = (random.below(SIZE - length), random.below(SIZE - length));
                expected[target_at..target_at + length]
                    .copy_from_slice(&source.as_ref()[at..at + length]);
                source.copy_to(at, &mut target, target_at, length).unwrap();
                assert_eq!(target.as_ref(), expected);

                let mut raw = vec![0_u8; length];
                // SAFETY: the vector has this length and is no part of a segment.
                unsafe { source.copy_to_raw(at, raw.as_mut_ptr(), length) }.unwrap();
                assert_eq!(raw, source.as_ref()[at..at + length]);
                random.fill(&mut raw);
                // SAFETY: as above.
                unsafe { target.copy_from_raw(target_at, raw.as_ptr(), length) }.unwrap();
                expected[target_at..target_at + length].copy_from_slice(&raw);
                assert_eq!(target.as_ref(), expected);
            }

            let minus_size = index(-(SIZE.cast_signed()));
            let good_offsets = [0, 1, SIZE / 10 * 9];
            let bad_lengths = [MINUS_ONE, minus_size, SIZE + 1, INT_MAX, INT_MIN];
            let bad_offsets = [MINUS_ONE, SIZE + 1, minus_size, INT_MAX, INT_MIN];
            let good_lengths = [0, 1, SIZE / 10, SIZE];
            let bad = good_offsets
                .iter()
                .flat_map(|offset| bad_lengths.map(|length| (*offset, length)))
                .chain(
                    bad_offsets
                        .iter()
                        .flat_map(|offset| good_lengths.map(|length| (*offset, length))),
                );
            for (offset, length) in bad {
                assert_out_of_bounds(source.copy_to(offset, &mut target, 0, length));
                assert_out_of_bounds(source.copy_to(0, &mut target, offset, length));
                assert_out_of_bounds(source.copy_within(offset, 0, length));
                assert_out_of_bounds(source.copy_within(0, offset, length));
                let mut raw = vec![0_u8; SIZE];
                // SAFETY: what is refused touches nothing; were it not refused, the test would be the place to know.
                assert_out_of_bounds(unsafe {
                    source.copy_to_raw(offset, raw.as_mut_ptr(), length)
                });
                // SAFETY: as above.
                assert_out_of_bounds(unsafe { target.copy_from_raw(offset, raw.as_ptr(), length) });
            }
            assert_eq!(target.as_ref(), expected, "what was refused wrote nothing");
        }
    }
    let mut segment = MemorySegment::wrap_copy(&[1, 2, 3, 4, 5], 0, 5).unwrap();
    segment.copy_within(0, 1, 4).unwrap();
    assert_eq!(segment.as_ref(), [1, 1, 2, 3, 4], "the ranges may overlap");
}

/// A copy is not changed by what happens to the bytes it was made of.
#[test]
fn b10_wrap_copy_of_changing_data() {
    let mut bytes = [1, 2, 3, 4, 5];
    let segment = MemorySegment::wrap_copy(&bytes, 0, 5).unwrap();
    bytes[0] = 9;
    assert_ne!(segment.as_ref(), bytes);
    assert_eq!(segment.as_ref(), [1, 2, 3, 4, 5]);
    assert_eq!(MemorySegment::wrap_i32(0x0102_0304).as_ref(), [1, 2, 3, 4]);
}

/// A part of an array is copied; an empty array is; a range that is none is refused.
#[test]
fn b11_wrap_partial_copy() {
    let segment = MemorySegment::wrap_copy(&[1, 2, 3, 5, 6], 0, 2).unwrap();
    assert_eq!(segment.as_ref(), [1, 2]);
    assert_eq!(MemorySegment::wrap_copy(&[], 0, 0).unwrap().size(), 0);
    for (bytes, start, end) in [
        (&[0; 20][..], 10, 3),
        (&[1, 2, 3], 0, 10),
        (&[1], MINUS_ONE, 0),
    ] {
        let available = bytes.len();
        assert_eq!(
            MemorySegment::wrap_copy(bytes, start, end).unwrap_err(),
            AllocationError::IllegalRange {
                start,
                end,
                available
            }
        );
    }
}
