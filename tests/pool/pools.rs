//! Network pools and local pools as most lines have them.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use headroom::pool::{
    buffer::Buffer,
    local_pool::{BufferListener, LocalBufferPool, LocalPoolSpec},
    network_pool::NetworkBufferPool,
};

pub const SEGMENT_BYTES: usize = 128;

/// A network pool in which nobody waits longer than 30 s.
pub fn network(number_of_segments: usize) -> NetworkBufferPool {
    NetworkBufferPool::new(number_of_segments, SEGMENT_BYTES, Duration::from_secs(30)).unwrap()
}

/// A local pool without channels.
pub fn create(network: &NetworkBufferPool, required: usize, max: usize) -> LocalBufferPool {
    network
        .create_buffer_pool(LocalPoolSpec::new(required, max))
        .unwrap()
}

/// Takes so many buffers, all of which there are.
pub fn take(pool: &LocalBufferPool, number: usize) -> Vec<Buffer> {
    (0..number)
        .map(|_| pool.request_buffer().unwrap().unwrap())
        .collect()
}

/// Counts what it is told, and has a buffer recycled at once.
#[derive(Default)]
pub struct Counting {
    pub buffers: AtomicUsize,
    pub destroyed: AtomicUsize,
}

impl BufferListener for Counting {
    fn buffer_available(&self, buffer: Buffer) -> Result<(), Buffer> {
        self.buffers.fetch_add(1, Ordering::SeqCst);
        drop(buffer);
        Ok(())
    }

    fn pool_destroyed(&self) {
        self.destroyed.fetch_add(1, Ordering::SeqCst);
    }
}
