//! Many bytes at a time, to and from arrays, streams and views: lines A8 to A20.

use std::io::{self, Read, Write};

use headroom::pool::segment::byte_view::ByteView;
use headroom::pool::segment::{MemorySegment, SegmentError, SegmentKind, TransferError};

use crate::random::Random;
use crate::segment::{
    INT_MAX, INT_MIN, KINDS, MINUS_ONE, allocate, assert_out_of_bounds, each, index,
};

/// Putting an array is refused wherever it, or the range of it, leaves the segment or the array.
#[test]
fn a8_bulk_put_exceptions() {
    each(|mut segment| {
        let size = segment.size();
        let bytes = Random::new(1).bytes(size / 4);
        let length = bytes.len();
        for at in [
            MINUS_ONE,
            INT_MIN,
            size,
            size - length + 1,
            3 * size / 4 + 1,
        ] {
            assert_out_of_bounds(segment.put_bytes(at, &bytes));
        }
        assert_out_of_bounds(segment.put_bytes_at(7 * size / 8 + 1, &bytes, 0, length / 2));
        for at in [INT_MAX, INT_MAX - length + 1, usize::MAX - length + 1] {
            assert_out_of_bounds(segment.put_bytes(at, &bytes));
        }
        for offset in [
            MINUS_ONE,
            INT_MIN,
            INT_MAX,
            INT_MAX - length + 1,
            MINUS_ONE - length + 2,
        ] {
            assert_out_of_bounds(segment.put_bytes_at(0, &bytes, offset, length));
        }
        assert_out_of_bounds(segment.put_bytes_at(0, &bytes, MINUS_ONE, index(-1) - length + 1));
        assert_out_of_bounds(segment.put_bytes_at(index(-2), &bytes, MINUS_ONE, length));
        assert_out_of_bounds(segment.put_bytes_at(0, &bytes, 0, length + 1));
        assert!(
            segment.as_ref().iter().all(|byte| *byte == 0),
            "nothing was written"
        );
    });
}

/// Getting into an array is refused wherever it, or the range of it, leaves the segment or the array.
#[test]
fn a9_bulk_get_exceptions() {
    each(|segment| {
        let size = segment.size();
        let mut bytes = vec![1; size / 4];
        let length = bytes.len();
        for at in [
            MINUS_ONE,
            INT_MIN,
            size,
            size - length + 1,
            3 * size / 4 + 1,
        ] {
            assert_out_of_bounds(segment.get_bytes(at, &mut bytes));
        }
        assert_out_of_bounds(segment.get_bytes_at(7 * size / 8 + 1, &mut bytes, 0, length / 2));
        for at in [INT_MAX, INT_MAX - length + 1, usize::MAX - length + 1] {
            assert_out_of_bounds(segment.get_bytes(at, &mut bytes));
        }
        for offset in [
            MINUS_ONE,
            INT_MIN,
            INT_MAX,
            INT_MAX - length + 1,
            MINUS_ONE - length + 2,
        ] {
            assert_out_of_bounds(segment.get_bytes_at(0, &mut bytes, offset, length));
        }
        assert_out_of_bounds(segment.get_bytes_at(
            0,
            &mut bytes,
            MINUS_ONE,
            index(-1) - length + 1,
        ));
        assert_out_of_bounds(segment.get_bytes_at(index(-2), &mut bytes, MINUS_ONE, length));
        assert_out_of_bounds(segment.get_bytes_at(size - 5, &mut bytes, 3, 6));
        assert_out_of_bounds(segment.get_bytes_at(size, &mut bytes, 6, 44));
        assert!(bytes.iter().all(|byte| *byte == 1), "nothing was read");
    });
}

/// Arrays, and ranges of arrays, are put and got as if the segment were an array itself.
#[test]
fn a10_bulk_access() {
    each(|mut segment| {
        let size = segment.size();
        let mut random = Random::new(10);

        let bytes = random.bytes(size / 8);
        for chunk in 0..8 {
            segment.put_bytes(chunk * (size / 8), &bytes).unwrap();
        }
        let mut got = vec![0; size / 8];
        for chunk in 0..8 {
            segment.get_bytes(chunk * (size / 8), &mut got).unwrap();
            assert_eq!(got, bytes);
        }

        let bytes = random.bytes(size);
        let piece = size / 16;
        for chunk in 0..16 {
            segment
                .put_bytes_at(chunk * piece, &bytes, chunk * piece, piece)
                .unwrap();
        }
        let mut got = vec![0; size];
        for chunk in 0..16 {
            segment
                .get_bytes_at(chunk * piece, &mut got, chunk * piece, piece)
                .unwrap();
        }
        assert_eq!(got, bytes);

        let mut shadow = bytes;
        let rounds = if size > 32 << 10 { 20 } else { 200 };
        for _ in 0..rounds {
            let length = 1 + random.below(size - 10);
            let at = random.below(size - length + 1);
            let longer = 1 + random.below(3);
            let source = random.bytes(length * longer);
            let offset = random.below(source.len() - length + 1);
            segment.put_bytes_at(at, &source, offset, length).unwrap();
            shadow[at..at + length].copy_from_slice(&source[offset..offset + length]);
        }
        assert_eq!(segment.as_ref(), shadow);
        for _ in 0..rounds {
            let length = random.below(size / 8);
            let at = random.below(size - length + 1);
            let mut target = vec![0; length + random.below(20)];
            let offset = random.below(target.len() - length + 1);
            segment
                .get_bytes_at(at, &mut target, offset, length)
                .unwrap();
            assert_eq!(target[offset..offset + length], shadow[at..at + length]);
        }
    });
}

/// A segment is written to a stream in pieces of 0 to 199 bytes and read back in others.
#[test]
fn a11_streams() {
    each(|mut segment| {
        let size = segment.size();
        let mut random = Random::new(11);
        random.fill(segment.as_mut());
        let pieces = |random: &mut Random| {
            let mut at = 0;
            std::iter::from_fn(move || {
                let piece = random.below(200).min(size - at);
                at += piece;
                (at < size || piece > 0).then_some((at - piece, piece))
            })
            .collect::<Vec<_>>()
        };
        let mut stream = Vec::new();
        for (at, length) in pieces(&mut random) {
            segment.get_to_stream(&mut stream, at, length).unwrap();
        }
        assert_eq!(stream, segment.as_ref());
        let mut back = allocate(segment.kind(), size);
        let mut source = stream.as_slice();
        for (at, length) in pieces(&mut random) {
            back.put_from_stream(&mut source, at, length).unwrap();
        }
        assert_eq!(back.as_ref(), segment.as_ref());
    });
}

/// A range that leaves the segment is refused before the stream is touched.
#[test]
fn a12_streams_out_of_bounds() {
    struct Untouched;
    impl Write for Untouched {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("the stream was touched")
        }
        fn flush(&mut self) -> io::Result<()> {
            panic!("the stream was touched")
        }
    }
    impl Read for Untouched {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("the stream was touched")
        }
    }
    for &kind in KINDS {
        let mut segment = allocate(kind, 52);
        for at in [MINUS_ONE, 52, index(-52), INT_MIN, INT_MAX] {
            for outcome in [
                segment.get_to_stream(&mut Untouched, at, 26),
                segment.put_from_stream(&mut Untouched, at, 26),
            ] {
                match outcome {
                    Err(TransferError::Segment(error)) => assert_out_of_bounds(Err::<(), _>(error)),
                    outcome => panic!("{outcome:?}"),
                }
            }
        }
    }
}

/// A stream that is full gives its own error, and one that ends too early says that it ended.
#[test]
fn a13_streams_that_refuse() {
    struct Full {
        left: usize,
    }
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.left == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let length = bytes.len().min(self.left);
            self.left -= length;
            Ok(length)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for &kind in KINDS {
        let mut segment = allocate(kind, 1337);
        let kind_of = |outcome| match outcome {
            Err(TransferError::Stream { length, source }) => (length, source.kind()),
            outcome => panic!("{outcome:?}"),
        };
        assert_eq!(
            kind_of(segment.get_to_stream(&mut Full { left: 668 }, 0, 1337)),
            (1337, io::ErrorKind::StorageFull)
        );
        assert_eq!(
            kind_of(segment.put_from_stream(&mut &[0; 668][..], 0, 1337)),
            (1337, io::ErrorKind::UnexpectedEof)
        );
    }
}

/// Copies random pieces of up to a tenth of the segment through a view and compares everything.
fn copy_through_view(segment: &mut MemorySegment, view: &mut ByteView<'_>, random: &mut Random) {
    let size = segment.size();
    let begin = view.position();
    random.fill(segment.as_mut());
    let mut at = 0;
    while at < size {
        let piece = random.below(size / 10).min(size - at).max(1);
        segment.get_to_view(at, view, piece).unwrap();
        at += piece;
        assert_eq!(view.position(), begin + at);
    }
    assert_eq!(view.bytes()[begin..begin + size], *segment.as_ref());

    let mut back = allocate(segment.kind(), size);
    let mut source = ByteView::read_only(view.bytes())
        .between(begin, begin + size)
        .unwrap();
    let mut at = 0;
    while at < size {
        let piece = random.below(size / 10).min(size - at).max(1);
        back.put_from_view(at, &mut source, piece).unwrap();
        at += piece;
        assert_eq!(source.position(), begin + at);
    }
    assert_eq!(source.remaining(), 0);
    assert_eq!(back.as_ref(), segment.as_ref());
}

/// Pieces are copied into and out of a view that stands in the middle of heap or direct memory, and it moves on.
#[test]
fn a14_views() {
    each(|mut segment| {
        let size = segment.size();
        let mut random = Random::new(14);
        let mut heap = vec![0; 3 * size];
        let mut view = ByteView::writable(&mut heap)
            .between(2 * size, 3 * size)
            .unwrap();
        copy_through_view(&mut segment, &mut view, &mut random);
        let mut direct = allocate(SegmentKind::Direct, 3 * size);
        let mut view = direct.wrap_mut(2 * size, size).unwrap();
        copy_through_view(&mut segment, &mut view, &mut random);
    });
}

/// The same through a view of a slice that begins at byte 19 of something larger, which is left as it was.
#[test]
fn a15_views_of_slices() {
    each(|mut segment| {
        let size = segment.size();
        let mut random = Random::new(15);
        let mut heap = vec![7; size + 49];
        let mut view = ByteView::writable(&mut heap[19..19 + size]);
        copy_through_view(&mut segment, &mut view, &mut random);
        assert_eq!(heap[..19], [7; 19]);
        assert_eq!(heap[19 + size..], [7; 30]);
    });
}

/// Every range that leaves the segment is refused, and the view stands where it stood.
#[test]
fn a16_views_out_of_bounds() {
    each(|mut segment| {
        let size = segment.size();
        let mut bytes = vec![0; size / 10];
        let mut view = ByteView::writable(&mut bytes);
        let limit = view.limit();
        let lengths = [0, 1, size / 10, size];
        let bad_lengths = [MINUS_ONE, index(-(size.cast_signed())), INT_MAX, INT_MIN];
        let bad_offsets = [
            MINUS_ONE,
            size + 1,
            index(-(size.cast_signed())),
            INT_MAX,
            INT_MIN,
        ];
        let mut refused = |offset, length| {
            segment
                .get_to_view(offset, &mut view, length)
                .expect_err("out of bounds");
            assert_eq!((view.position(), view.limit()), (0, limit));
            segment
                .put_from_view(offset, &mut view, length)
                .expect_err("out of bounds");
            assert_eq!((view.position(), view.limit()), (0, limit));
        };
        for offset in [0, 1, size / 10 * 9] {
            for length in bad_lengths {
                refused(offset, length);
            }
        }
        for offset in bad_offsets {
            for length in lengths.into_iter().chain(bad_lengths) {
                refused(offset, length);
            }
        }
    });
}

/// A view that takes less, or has less, than was asked says so and stands where it stood.
#[test]
fn a17_views_overflow_and_underflow() {
    each(|mut segment| {
        let size = segment.size();
        let room = size / 10;
        let mut bytes = vec![0; room];
        let mut wanted = room + 2;
        for (position, limit) in [(0, room), (room / 3, 2 * (room / 3))] {
            let mut view = ByteView::writable(&mut bytes)
                .between(position, limit)
                .unwrap();
            let remaining = limit - position;
            assert_eq!(
                segment.get_to_view(0, &mut view, wanted),
                Err(SegmentError::Overflow { wanted, remaining })
            );
            assert_eq!(
                segment.put_from_view(0, &mut view, wanted),
                Err(SegmentError::Underflow { wanted, remaining })
            );
            assert_eq!((view.position(), view.limit()), (position, limit));
            wanted = room / 3 + 3;
        }
    });
}

/// Two ascending runs of which one lies 16 666 bytes behind: comparing them agrees with where they were compared.
pub fn compare_shifted(first: &mut MemorySegment, second: &mut MemorySegment) {
    const SHIFT: usize = 16_666;
    let size = first.size();
    let step = size / 255;
    for at in 0..size {
        let value = (at / step) as u8;
        first.as_mut()[at] = value;
        if at + SHIFT < size {
            second.as_mut()[at + SHIFT] = value;
        }
    }
    let mut random = Random::new(18);
    for _ in 0..1000 {
        let (at, other_at) = (random.below(size), random.below(size));
        let length = random.below(size / 50).min(size - at).min(size - other_at);
        let order = first.compare(second, at, other_at, length).unwrap();
        if at + SHIFT < other_at {
            assert!(order.is_le(), "{at} {other_at} {length}");
        } else {
            assert!(order.is_ge(), "{at} {other_at} {length}");
        }
        assert_eq!(
            order.reverse(),
            second.compare(first, other_at, at, length).unwrap()
        );
    }
}

/// Segments are compared in dictionary order of bytes without a sign; of a range and its beginning the latter is less.
#[test]
fn a18_compare() {
    each(|mut segment| {
        let mut other = allocate(segment.kind(), segment.size());
        compare_shifted(&mut segment, &mut other);
        segment
            .put_bytes(0, &[0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 9])
            .unwrap();
        other
            .put_bytes(0, &[0x80, 1, 2, 3, 4, 5, 6, 7, 8, 0])
            .unwrap();
        assert!(
            segment.compare(&other, 0, 0, 10).unwrap().is_lt(),
            "0x80 is above 0x7f"
        );
        assert!(segment.compare(&other, 1, 1, 8).unwrap().is_eq());
        assert!(
            segment.compare(&other, 1, 1, 9).unwrap().is_gt(),
            "the ninth byte"
        );
        assert!(
            segment.compare_ranges(&other, 1, 1, 7, 8).unwrap().is_lt(),
            "shorter"
        );
        assert!(
            segment.compare_ranges(&other, 1, 1, 8, 7).unwrap().is_gt(),
            "longer"
        );
    });
}

/// Exchanges the second half of the first segment, all 0, with the whole of another that is half as long and all 1.
pub fn swap_halves(first: &mut MemorySegment, second: &mut MemorySegment) {
    let half = first.size() / 2;
    first.as_mut().fill(0);
    second.as_mut().fill(1);
    let mut random = Random::new(19);
    let mut at = 0;
    while at < half {
        let piece = (1 + random.below(half / 20)).min(half - at);
        first.swap_bytes(second, half + at, at, piece).unwrap();
        at += piece;
    }
    assert!(first.as_ref()[..half].iter().all(|byte| *byte == 0));
    assert!(first.as_ref()[half..].iter().all(|byte| *byte == 1));
    assert!(second.as_ref().iter().all(|byte| *byte == 0));
}

/// Two segments exchange bytes piece by piece, and none but those. Flink's array in between is not needed.
#[test]
fn a19_swap() {
    each(|mut segment| {
        let half = segment.size() / 2;
        let mut other = allocate(segment.kind(), half);
        swap_halves(&mut segment, &mut other);
        for (at, other_at, length) in [
            (MINUS_ONE, 0, 1),
            (0, MINUS_ONE, 1),
            (0, 0, MINUS_ONE),
            (0, 0, half + 1),
            (half + 1, 0, half),
        ] {
            assert_out_of_bounds(segment.swap_bytes(&mut other, at, other_at, length));
        }
    });
}

/// Two ranges are equal when all their bytes are, also the ninth, which lies beyond a word of 8.
#[test]
fn a20_equal_to() {
    each(|mut segment| {
        let size = segment.size();
        let other = allocate(segment.kind(), size);
        let at = Random::new(20).below(size - 9);
        assert_eq!(segment.equal_to(&other, at, at, 9), Ok(true));
        for changed in [at, at + 8] {
            segment.put_u8(changed, 10).unwrap();
            assert_eq!(segment.equal_to(&other, at, at, 9), Ok(false));
            segment.put_u8(changed, 0).unwrap();
            assert_eq!(segment.equal_to(&other, at, at, 9), Ok(true));
        }
        segment.put_u8(at + 9, 10).unwrap();
        assert_eq!(
            segment.equal_to(&other, at, at, 9),
            Ok(true),
            "the tenth is not asked for"
        );
    });
}
