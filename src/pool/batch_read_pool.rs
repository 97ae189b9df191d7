//! The buffers with which blocking shuffle data is read back from disk: handed out in whole blocks, or not at all.
//!
//! Mirrors `BatchShuffleReadBufferPool`. A request gets a whole block or nothing, because a reader that holds half of
//! what it needs keeps it from another one that could read; and reading in blocks of 4 MiB is what makes disks fast.
//! Flink allocates all buffers at the first request; here each is allocated when it is first needed, so a pool that few
//! use at once stays small.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use crate::bytes::Bytes;

/// How many bytes a block has, if there are that many.
pub const BYTES_PER_REQUEST: Bytes = Bytes(4 << 20);
/// How long Flink lets a request wait.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// A pool cannot be made of these numbers. `IllegalArgumentException` in Flink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchReadPoolError {
    /// A pool of nothing.
    #[error("the pool has no bytes")]
    NoBytes,
    /// Buffers of nothing.
    #[error("the buffers have no bytes")]
    NoBufferSize,
    /// Not even one buffer fits.
    #[error("a pool of {total} is smaller than one buffer of {buffer_size}")]
    SmallerThanBuffer {
        /// The size of the pool.
        total: Bytes,
        /// The size of a buffer.
        buffer_size: Bytes,
    },
}

/// Buffers could not be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The pool was destroyed, perhaps while the request waited. `IllegalStateException` in Flink.
    #[error("the read buffer pool was destroyed")]
    Destroyed,
    /// The memory for a buffer could not be allocated. `OutOfMemoryError` in Flink.
    #[error(
        "could not allocate a read buffer of {buffer_size} for a pool of {total_buffers} buffers"
    )]
    OutOfMemory {
        /// The size of a buffer.
        buffer_size: Bytes,
        /// How many buffers the pool may have.
        total_buffers: u32,
    },
}

/// A pool of read buffers. Clones are handles of the same pool.
#[derive(Clone, Debug)]
pub struct BatchShuffleReadBufferPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    total: Bytes,
    buffer_size: usize,
    total_buffers: u32,
    buffers_per_request: u32,
    state: Mutex<State>,
    /// A whole block is there, or the pool was destroyed.
    changed: Condvar,
}

struct State {
    is_destroyed: bool,
    /// Buffers that are neither out nor allocated.
    unallocated: u32,
    free: Vec<Box<[u8]>>,
    requesters: usize,
    last_operation: Option<Duration>,
}

impl BatchShuffleReadBufferPool {
    /// A pool of this many bytes in buffers of this size, of which none is allocated yet. There are at most 2^31 − 1.
    ///
    /// # Errors
    /// Either is 0, or the pool is smaller than one buffer.
    pub fn new(total: Bytes, buffer_size: Bytes) -> Result<Self, BatchReadPoolError> {
        if total == Bytes::ZERO {
            return Err(BatchReadPoolError::NoBytes);
        }
        if buffer_size == Bytes::ZERO {
            return Err(BatchReadPoolError::NoBufferSize);
        }
        let small_enough = usize::try_from(buffer_size.get())
            .ok()
            .filter(|_| buffer_size <= total);
        let Some(size) = small_enough else {
            return Err(BatchReadPoolError::SmallerThanBuffer { total, buffer_size });
        };
        let total_buffers = at_most_java_int(total.get() / buffer_size.get());
        let per_block = at_most_java_int(BYTES_PER_REQUEST.get() / buffer_size.get());
        Ok(Self {
            shared: Arc::new(Shared {
                total,
                buffer_size: size,
                total_buffers,
                buffers_per_request: per_block.clamp(1, total_buffers),
                state: Mutex::new(State {
                    is_destroyed: false,
                    unallocated: total_buffers,
                    free: Vec::new(),
                    requesters: 0,
                    last_operation: None,
                }),
                changed: Condvar::new(),
            }),
        })
    }

    /// The size of the pool.
    #[must_use]
    pub fn total_bytes(&self) -> Bytes {
        self.shared.total
    }

    /// How many buffers there are in all.
    #[must_use]
    pub fn total_buffers(&self) -> u32 {
        self.shared.total_buffers
    }

    /// The size of a buffer.
    #[must_use]
    pub fn buffer_size(&self) -> Bytes {
        Bytes(self.shared.buffer_size as u64)
    }

    /// How many buffers a block has: those of [`BYTES_PER_REQUEST`], at least one and at most all.
    #[must_use]
    pub fn buffers_per_request(&self) -> u32 {
        self.shared.buffers_per_request
    }

    /// How many requests can be met at once.
    #[must_use]
    pub fn max_concurrent_requests(&self) -> u32 {
        self.total_buffers() / self.buffers_per_request()
    }

    /// How many buffers are not out; 0 when the pool was destroyed.
    #[must_use]
    pub fn available_buffers(&self) -> u32 {
        self.shared.state.lock().available()
    }

    /// Counts somebody who reads, until the result is dropped. Only [`BatchShuffleReadBufferPool::average_buffers_per_requester`]
    /// looks at it.
    pub fn add_requester(&self) -> Requester {
        self.shared.state.lock().requesters += 1;
        Requester(Arc::clone(&self.shared))
    }

    /// How many buffers each of those who read can have, at least one. A reader that holds more should return some.
    #[must_use]
    pub fn average_buffers_per_requester(&self) -> u32 {
        let requesters = self.shared.state.lock().requesters.max(1);
        let requesters = u32::try_from(requesters).unwrap_or(u32::MAX);
        (self.total_buffers() / requesters).max(1)
    }

    /// When buffers were last handed out or recycled; `None` before. A request that got nothing does not count.
    #[must_use]
    pub fn last_operation(&self) -> Option<Duration> {
        self.shared.state.lock().last_operation
    }

    /// A block of buffers, for which the call waits; no buffers when none came in time. What is in them is undefined but
    /// initialized. `now` is the time of the request.
    ///
    /// # Errors
    /// The pool was destroyed, before or meanwhile, or memory ran out.
    pub fn request_buffers(
        &self,
        timeout: Duration,
        now: Duration,
    ) -> Result<Vec<ReadBuffer>, RequestError> {
        let shared = &self.shared;
        let wanted = shared.buffers_per_request;
        let mut state = shared.state.lock();
        let is_short = |state: &mut State| !state.is_destroyed && state.available() < wanted;
        shared.changed.wait_while_for(&mut state, is_short, timeout);
        if state.is_destroyed {
            return Err(RequestError::Destroyed);
        }
        if state.available() < wanted {
            return Ok(Vec::new());
        }
        state.last_operation = Some(now);
        let kept = state.free.len().saturating_sub(wanted as usize);
        let allocated = state.free.split_off(kept);
        // What is not in the list was never allocated.
        let missing = wanted.saturating_sub(u32::try_from(allocated.len()).unwrap_or(wanted));
        state.unallocated -= missing;
        drop(state);

        let mut buffers: Vec<ReadBuffer> = allocated
            .into_iter()
            .map(|bytes| self.buffer_of(bytes))
            .collect();
        for allocated in 0..missing {
            let Some(bytes) = zeroed(shared.buffer_size) else {
                shared.give_up(missing - allocated);
                return Err(RequestError::OutOfMemory {
                    buffer_size: self.buffer_size(),
                    total_buffers: shared.total_buffers,
                });
            };
            buffers.push(self.buffer_of(bytes));
        }
        Ok(buffers)
    }

    fn buffer_of(&self, bytes: Box<[u8]>) -> ReadBuffer {
        ReadBuffer {
            bytes,
            pool: Arc::clone(&self.shared),
        }
    }

    /// Returns one buffer at this time. Dropping it does the same, at no time.
    pub fn recycle(&self, buffer: ReadBuffer, now: Duration) {
        self.recycle_all([buffer], now);
    }

    /// Returns buffers at this time. Those of a destroyed pool are freed; those of another pool return to it.
    pub fn recycle_all(&self, buffers: impl IntoIterator<Item = ReadBuffer>, now: Duration) {
        let (own, foreign): (Vec<_>, Vec<_>) = buffers
            .into_iter()
            .partition(|buffer| Arc::ptr_eq(&buffer.pool, &self.shared));
        self.shared
            .put_back(own.into_iter().map(ReadBuffer::into_bytes), Some(now));
        drop(foreign);
    }

    /// Whether the pool was destroyed.
    #[must_use]
    pub fn is_destroyed(&self) -> bool {
        self.shared.state.lock().is_destroyed
    }

    /// Destroys the pool: its buffers are freed, those that are out when they are recycled, and whoever waits gets an
    /// error.
    pub fn destroy(&self) {
        let mut state = self.shared.state.lock();
        state.is_destroyed = true;
        state.unallocated = 0;
        let freed = std::mem::take(&mut state.free);
        drop(state);
        self.shared.changed.notify_all();
        drop(freed);
    }
}

impl Shared {
    fn put_back(&self, mut buffers: impl Iterator<Item = Box<[u8]>>, now: Option<Duration>) {
        self.return_to(|state| {
            if !state.is_destroyed {
                state.last_operation = now.or(state.last_operation);
                state.free.extend(buffers.by_ref());
            }
        });
        // What a destroyed pool did not take is dropped here, where no lock is held.
        drop(buffers);
    }

    /// Returns the right to allocate some buffers.
    fn give_up(&self, unallocated: u32) {
        self.return_to(|state| {
            if !state.is_destroyed {
                state.unallocated += unallocated;
            }
        });
    }

    /// Takes a step that makes buffers available, and wakes as many requests as there are more blocks then.
    fn return_to(&self, step: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        let before = state.available() / self.buffers_per_request;
        step(&mut state);
        let after = state.available() / self.buffers_per_request;
        drop(state);
        for _ in before..after {
            self.changed.notify_one();
        }
    }
}

impl State {
    fn available(&self) -> u32 {
        // There are never more buffers than 2^31 − 1.
        self.unallocated
            .saturating_add(u32::try_from(self.free.len()).unwrap_or(u32::MAX))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("State")
            .field("is_destroyed", &self.is_destroyed)
            .field("available", &self.available())
            .field("unallocated", &self.unallocated)
            .finish_non_exhaustive()
    }
}

fn at_most_java_int(count: u64) -> u32 {
    u32::try_from(count)
        .unwrap_or(u32::MAX)
        .min(i32::MAX.unsigned_abs())
}

/// Memory for a buffer; `None` when there is none.
fn zeroed(size: usize) -> Option<Box<[u8]>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).ok()?;
    bytes.resize(size, 0);
    Some(bytes.into_boxed_slice())
}

/// A buffer of a [`BatchShuffleReadBufferPool`], to which it returns when it is dropped.
pub struct ReadBuffer {
    /// Empty when it was returned.
    bytes: Box<[u8]>,
    pool: Arc<Shared>,
}

impl ReadBuffer {
    fn into_bytes(mut self) -> Box<[u8]> {
        std::mem::take(&mut self.bytes)
    }
}

impl Deref for ReadBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for ReadBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if !bytes.is_empty() {
            self.pool.put_back(std::iter::once(bytes), None);
        }
    }
}

impl fmt::Debug for ReadBuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReadBuffer")
            .field("size", &self.bytes.len())
            .finish()
    }
}

/// Somebody who reads with buffers of a pool, as long as this value lives.
#[derive(Debug)]
#[must_use = "the requester is counted only as long as it is kept"]
pub struct Requester(Arc<Shared>);

impl Drop for Requester {
    fn drop(&mut self) {
        self.0.state.lock().requesters -= 1;
    }
}
