//! Views, owners and the end of a segment: lines A21 to A28.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use headroom::pool::segment::byte_view::ByteView;
use headroom::pool::segment::{MemorySegment, SegmentError, SegmentKind};

use crate::segment::{
    INT_MAX, INT_MIN, KINDS, MINUS_ONE, allocate, assert_freed, assert_out_of_bounds, index,
};

/// A view has the position and limit that were asked for and is the segment's own memory; unsafe memory has none.
/// A view borrows the segment, so that freeing it under a view, which Java allows, is refused by the compiler.
#[test]
fn a21_wrapping() {
    for &kind in KINDS {
        let mut segment = allocate(kind, 1024);
        if kind == SegmentKind::Unsafe {
            assert_eq!(
                segment.wrap(1, 2).unwrap_err(),
                SegmentError::WrapUnsupported
            );
            assert_eq!(
                segment.wrap_mut(1, 2).unwrap_err(),
                SegmentError::WrapUnsupported
            );
            segment
                .process(|mut view| view.bytes_mut().unwrap()[3] = 4)
                .unwrap();
            assert_eq!(segment.get_u8(3), Ok(4), "the allowed form");
            segment.free();
            assert_freed(segment.process(|_| ()));
            continue;
        }
        let view = segment.wrap(13, 47).unwrap();
        assert_eq!(
            (view.position(), view.limit(), view.remaining()),
            (13, 60, 47)
        );
        let mut view = segment.wrap_mut(500, 267).unwrap();
        assert_eq!((view.position(), view.limit()), (500, 767));
        let bytes = view.bytes_mut().unwrap();
        bytes[112..116].copy_from_slice(&651_797_651_i32.to_le_bytes());
        bytes[187..191].copy_from_slice(&992_288_337_i32.to_be_bytes());
        assert_eq!(segment.get_i32_little_endian(112), Ok(651_797_651));
        assert_eq!(segment.get_i32_big_endian(187), Ok(992_288_337));
        for (offset, length) in [(MINUS_ONE, 20), (10, index(-20)), (10, 1024)] {
            assert_out_of_bounds(segment.wrap(offset, length));
        }
        segment.free();
        assert_freed(segment.wrap(13, 47));
        assert_freed(segment.wrap_mut(13, 47));
    }
}

/// A segment has no owner, or the very one it was given, also after it was freed.
#[test]
fn a22_owner() {
    for &kind in KINDS {
        assert!(allocate(kind, 64).owner().is_none());
        let owner: Arc<str> = "Sort (3/8)".into();
        let mut segment = allocate(kind, 64).with_owner(Arc::clone(&owner));
        assert!(Arc::ptr_eq(segment.owner().unwrap(), &owner));
        segment.free();
        assert!(Arc::ptr_eq(segment.owner().unwrap(), &owner));
    }
}

/// A freed segment says so and still knows its size; freeing it again changes nothing.
#[test]
fn a23_size_and_freeing() {
    for &kind in KINDS {
        let mut segment = allocate(kind, 651);
        assert_eq!((segment.size(), segment.is_freed()), (651, false));
        for _ in 0..2 {
            segment.free();
            assert_eq!((segment.size(), segment.is_freed()), (651, true));
        }
    }
}

/// No index, however extreme, reads or writes a freed segment.
#[test]
fn a24_freed_segments_are_not_read() {
    for &kind in KINDS {
        let mut segment = allocate(kind, 512);
        segment.free();
        for at in [0, INT_MAX, INT_MIN, MINUS_ONE] {
            assert_freed(segment.get_u8(at));
            assert_freed(segment.put_u8(at, 0));
            assert_freed(segment.get_i64(at));
            assert_freed(segment.put_i64(at, 0));
        }
        assert!(segment.as_ref().is_empty() && segment.as_mut().is_empty());
    }
}

/// Freeing runs what was to be done then, and so does dropping.
#[test]
fn a25_cleanup() {
    for &kind in KINDS {
        let ran = Arc::new(AtomicUsize::new(0));
        let count = || {
            let ran = Arc::clone(&ran);
            move || {
                ran.fetch_add(1, Ordering::Relaxed);
            }
        };
        let mut segment = allocate(kind, 10).with_cleanup(count());
        segment.free();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        drop(segment);
        assert_eq!(ran.load(Ordering::Relaxed), 1, "it was done already");
        drop(allocate(kind, 10).with_cleanup(count()));
        assert_eq!(ran.load(Ordering::Relaxed), 2);
    }
}

/// Two threads that free a segment at the same time run its cleanup once. Java's segment is shared as it is; ours needs
/// a lock around it, so what can go wrong is a second run by the thread that comes later.
#[test]
fn a26_concurrent_free() {
    for &kind in KINDS {
        let ran = Arc::new(AtomicUsize::new(0));
        let both = Barrier::new(2);
        let count = Arc::clone(&ran);
        let segment = allocate(kind, 10).with_cleanup(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let segment = Mutex::new(segment);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    both.wait();
                    segment.lock().unwrap().free();
                });
            }
        });
        assert!(segment.into_inner().unwrap().is_freed());
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    }
}

/// A heap segment is the very array it was made of and has no address; off-heap it is the other way round.
#[test]
fn a27_heap_and_off_heap() {
    let array = vec![5; 411].into_boxed_slice();
    let at = array.as_ptr();
    let mut heap = MemorySegment::wrap_array(array);
    assert!(!heap.is_off_heap());
    assert_eq!(heap.size(), 411);
    assert_eq!(heap.array().unwrap().as_ptr(), at);
    assert_eq!(heap.array().unwrap(), [5; 411]);
    assert_eq!(heap.address(), Err(SegmentError::NotOffHeap));

    for &kind in KINDS {
        let segment = allocate(kind, 411);
        assert_eq!(segment.is_off_heap(), kind != SegmentKind::Heap);
        assert_eq!(segment.kind(), kind);
        if segment.is_off_heap() {
            assert_eq!(segment.array(), Err(SegmentError::NotHeap { kind }));
            assert_eq!(
                segment.address().unwrap().as_ptr().cast_const(),
                segment.as_ref().as_ptr()
            );
        }
        if kind != SegmentKind::Unsafe {
            let first = segment.wrap(1, 2).unwrap();
            let second = segment.wrap(3, 4).unwrap();
            assert_eq!((first.position(), first.limit()), (1, 3));
            assert_eq!((second.position(), second.limit()), (3, 7));
        }
    }
    heap.free();
    assert_freed(heap.array());
    let mut direct = allocate(SegmentKind::Direct, 8);
    direct.free();
    assert_freed(direct.address());
}

/// Bytes come out of a view that is for reading, and none goes into it.
#[test]
fn a28_read_only_views() {
    for &kind in KINDS {
        let mut segment = allocate(kind, 100);
        let mut view = ByteView::read_only(b"hello world");
        segment.put_from_view(10, &mut view, 5).unwrap();
        assert_eq!(view.position(), 5);
        let mut expected = [0; 100];
        expected[10..15].copy_from_slice(b"hello");
        assert_eq!(segment.as_ref(), expected);

        let direct = allocate(SegmentKind::Direct, 10);
        for mut view in [ByteView::read_only(&[0; 10]), direct.wrap(0, 10).unwrap()] {
            assert_eq!(
                segment.get_to_view(0, &mut view, 5),
                Err(SegmentError::ReadOnly)
            );
            assert_eq!(view.bytes_mut(), Err(SegmentError::ReadOnly));
            assert_eq!(view.position(), 0);
        }
    }
}

/// Direct memory is present from the start; unsafe memory appears on first use.
#[test]
#[cfg(target_os = "linux")]
fn memory_is_present_from_the_start_or_on_first_use() {
    const SIZE: usize = 4 << 20;
    let present = |segment: &MemorySegment| {
        crate::mapping::present_pages(segment.address().unwrap().as_ptr().addr(), SIZE)
    };
    let pages = SIZE / rustix::param::page_size();
    let direct = allocate(SegmentKind::Direct, SIZE);
    assert!(present(&direct) >= pages);
    let mut segment = allocate(SegmentKind::Unsafe, SIZE);
    let before = present(&segment);
    assert!(
        before <= 2,
        "{before} pages, of which the ends may hold something else"
    );
    segment.put_u8(SIZE / 2, 1).unwrap();
    assert_eq!(present(&segment), before + 1);
}
