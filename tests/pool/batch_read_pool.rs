//! Lines M4 to M10: the read buffers of batch shuffles. 32 MiB in buffers of 32 KiB are 8 blocks of 128.

use std::time::Duration;

use headroom::{
    bytes::Bytes,
    pool::batch_read_pool::{
        BatchReadPoolError, BatchShuffleReadBufferPool, ReadBuffer, RequestError,
    },
};

const TOTAL: Bytes = Bytes(32 << 20);
const BUFFER: Bytes = Bytes(32 << 10);
const AT_ONCE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(60);

fn pool() -> BatchShuffleReadBufferPool {
    BatchShuffleReadBufferPool::new(TOTAL, BUFFER).unwrap()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// All blocks there are.
fn take_all(pool: &BatchShuffleReadBufferPool) -> Vec<ReadBuffer> {
    let mut buffers = Vec::new();
    for _ in 0..pool.max_concurrent_requests() {
        buffers.extend(pool.request_buffers(AT_ONCE, at(0)).unwrap());
    }
    buffers
}

/// A pool of nothing, of buffers of nothing or of less than one buffer is refused; one of more buffers than an int can
/// count has as many as an int can.
#[test]
fn m4_illegal_sizes() {
    let refused = |total, buffer_size| {
        BatchShuffleReadBufferPool::new(Bytes(total), Bytes(buffer_size)).unwrap_err()
    };
    assert_eq!(refused(0, 1024), BatchReadPoolError::NoBytes);
    assert_eq!(refused(32 << 20, 0), BatchReadPoolError::NoBufferSize);
    assert_eq!(
        refused(4096, 32 << 10),
        BatchReadPoolError::SmallerThanBuffer {
            total: Bytes(4096),
            buffer_size: BUFFER
        }
    );
    let large = BatchShuffleReadBufferPool::new(Bytes::MAX, Bytes::KIBI).unwrap();
    assert_eq!(large.total_buffers(), i32::MAX.unsigned_abs());
    assert_eq!(large.available_buffers(), i32::MAX.unsigned_abs());
}

/// Buffers of any size from 4 KiB to 32 MiB divide the pool, and a block has at least one and at most all of them.
#[test]
fn m5_buffer_calculation() {
    for kibibytes in 4..=32 << 10 {
        let buffer_size = Bytes(kibibytes << 10);
        let pool = BatchShuffleReadBufferPool::new(TOTAL, buffer_size).unwrap();
        assert_eq!(
            u64::from(pool.total_buffers()),
            TOTAL.get() / buffer_size.get()
        );
        assert_eq!(
            (pool.total_bytes(), pool.buffer_size()),
            (TOTAL, buffer_size)
        );
        let block = pool.buffers_per_request();
        assert!(
            (1..=pool.total_buffers()).contains(&block),
            "{block} of {buffer_size}"
        );
        assert!(block == 1 || u64::from(block) * buffer_size.get() <= 4 << 20);
    }
}

/// A block is out, and is available again when it was recycled.
#[test]
fn m6_request_and_recycle() {
    let pool = pool();
    let mut buffers = pool.request_buffers(AT_ONCE, at(1)).unwrap();
    assert_eq!((buffers.len(), pool.buffers_per_request()), (128, 128));
    assert_eq!(pool.available_buffers(), 1024 - 128);
    buffers[7][32_767] = 1;
    assert_eq!(buffers[7].len(), 32 << 10);
    pool.recycle_all(buffers, at(2));
    assert_eq!(pool.available_buffers(), 1024);
    // Dropping is enough.
    drop(pool.request_buffers(AT_ONCE, at(3)).unwrap());
    assert_eq!(pool.available_buffers(), 1024);
}

/// With all 8 blocks out nothing comes in time; of two requests that wait one is met by a block that is recycled buffer
/// by buffer, the other by one recycled at once.
#[test]
fn m7_fulfilled_by_recycled_buffers() {
    let pool = pool();
    let mut buffers = take_all(&pool);
    assert_eq!((buffers.len(), pool.max_concurrent_requests()), (1024, 8));
    assert_eq!(
        pool.request_buffers(Duration::from_millis(1), at(1))
            .unwrap()
            .len(),
        0
    );
    std::thread::scope(|scope| {
        let waiting = [(); 2].map(|()| scope.spawn(|| pool.request_buffers(LONG, at(2))));
        for buffer in buffers.drain(..128) {
            pool.recycle(buffer, at(3));
        }
        pool.recycle_all(buffers.drain(..128), at(3));
        for thread in waiting {
            assert_eq!(thread.join().unwrap().unwrap().len(), 128);
        }
    });
    drop(buffers);
    assert_eq!(pool.available_buffers(), 1024);
}

/// After 10 threads took and recycled 100 blocks each, every buffer is back.
#[test]
fn m8_many_threads() {
    let pool = BatchShuffleReadBufferPool::new(Bytes(4 << 20), Bytes(1 << 20)).unwrap();
    assert_eq!(pool.max_concurrent_requests(), 1);
    std::thread::scope(|scope| {
        for thread in 0..10 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..100 {
                    let buffers = pool.request_buffers(LONG, at(round)).unwrap();
                    assert_eq!(buffers.len(), 4);
                    if (thread + round) % 2 == 0 {
                        pool.recycle_all(buffers, at(round));
                    }
                }
            });
        }
    });
    assert_eq!(pool.available_buffers(), 4);
}

/// The time of the last operation is that of the last request that got something, or of the last recycling.
#[test]
fn m9_operation_timestamp() {
    let pool = pool();
    assert_eq!(pool.last_operation(), None);
    let mut buffers = take_all(&pool);
    assert_eq!(pool.last_operation(), Some(at(0)));
    assert_eq!(pool.request_buffers(AT_ONCE, at(5)).unwrap().len(), 0);
    assert_eq!(pool.last_operation(), Some(at(0)));
    pool.recycle(buffers.remove(0), at(6));
    assert_eq!(pool.last_operation(), Some(at(6)));
    pool.recycle_all(buffers, at(7));
    assert_eq!(pool.last_operation(), Some(at(7)));
    drop(pool.request_buffers(AT_ONCE, at(8)).unwrap());
    assert_eq!(pool.last_operation(), Some(at(8)));
}

/// A destroyed pool has nothing, gives nothing and keeps nothing that comes back; whoever waits for it is told.
#[test]
fn m10_destroy() {
    let pool = pool();
    let buffers = take_all(&pool);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.request_buffers(LONG, at(1)));
        pool.destroy();
        assert_eq!(
            waiting.join().unwrap().unwrap_err(),
            RequestError::Destroyed
        );
    });
    assert!(pool.is_destroyed());
    assert_eq!(pool.available_buffers(), 0);
    assert_eq!(
        pool.request_buffers(AT_ONCE, at(2)).unwrap_err(),
        RequestError::Destroyed
    );
    pool.recycle_all(buffers, at(3));
    assert_eq!(
        (pool.available_buffers(), pool.last_operation()),
        (0, Some(at(0)))
    );
}

/// A buffer that is given to the wrong pool returns to its own.
#[test]
fn buffers_return_to_where_they_belong() {
    let (pool, other) = (pool(), pool());
    let buffers = pool.request_buffers(AT_ONCE, at(0)).unwrap();
    other.recycle_all(buffers, at(1));
    assert_eq!(
        (pool.available_buffers(), other.available_buffers()),
        (1024, 1024)
    );
    assert_eq!(other.last_operation(), Some(at(1)));
}

/// Those who read share the buffers evenly, and each may have one at least.
#[test]
fn average_per_requester() {
    let pool = BatchShuffleReadBufferPool::new(Bytes(4096), Bytes(1024)).unwrap();
    assert_eq!(pool.average_buffers_per_requester(), 4);
    let readers = [(); 5].map(|()| pool.add_requester());
    assert_eq!(pool.average_buffers_per_requester(), 1);
    drop(readers);
    let _one = pool.add_requester();
    let _other = pool.add_requester();
    assert_eq!(pool.average_buffers_per_requester(), 2);
}
