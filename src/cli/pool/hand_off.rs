//! What it costs when a segment changes hands: within one thread, and from one thread to another.

use std::{
    hint::black_box,
    io::Write,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use super::bench::{Figure, Unit, median};
use crate::pool::{
    buffer::Buffer,
    local_pool::{LocalBufferPool, LocalPoolSpec},
    network_pool::NetworkBufferPool,
    redistribution::UNBOUNDED,
};

/// Segments of the pool; small ones, for nothing is written into them.
const SEGMENTS: usize = 2048;
const SEGMENT_BYTES: usize = 4096;
/// Buffers that go over together, as the records of a busy channel do.
const BUNDLE: usize = 32;
const BUNDLES_UNDER_WAY: usize = 8;
/// Of one round.
const OPERATIONS: usize = 200_000;

pub(super) fn measured(rounds: u16, progress: &mut dyn Write) -> Result<Vec<Figure>, String> {
    let network = NetworkBufferPool::new(SEGMENTS, SEGMENT_BYTES, Duration::from_secs(30))
        .map_err(|error| error.to_string())?;
    let pool = network
        .create_buffer_pool(LocalPoolSpec::new(1, UNBOUNDED))
        .map_err(|error| error.to_string())?;
    // Leaves a quarter of the segments lying in the pool, as in one that is at work.
    let lying: Vec<Buffer> = (0..SEGMENTS / 4)
        .map(|_| take(&pool))
        .collect::<Result<_, _>>()?;
    drop(lying);
    let nanoseconds = |what, median, documented, note: &str| Figure {
        what,
        median: Some(median),
        unit: Unit::Nanoseconds,
        documented,
        note: note.to_owned(),
    };
    let one = "one thread takes and recycles";
    let two = "one thread takes, another recycles";
    Ok(vec![
        nanoseconds(
            one,
            median(one, rounds, progress, || alone(&pool))?,
            8.9,
            "a buffer",
        ),
        nanoseconds(
            two,
            median(two, rounds, progress, || handed(&pool))?,
            121.0,
            "a buffer, with its way through a channel of bundles",
        ),
    ])
}

fn take(pool: &LocalBufferPool) -> Result<Buffer, String> {
    match pool.request_buffer() {
        Ok(Some(buffer)) => Ok(buffer),
        Ok(None) => Err("the pool ran dry".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn alone(pool: &LocalBufferPool) -> Result<f64, String> {
    let start = Instant::now();
    for _ in 0..OPERATIONS {
        let buffer = take(pool)?;
        black_box(&buffer);
    }
    Ok(each(start.elapsed()))
}

/// The vectors go round, so that none is allocated on the way.
fn handed(pool: &LocalBufferPool) -> Result<f64, String> {
    let (full, received): (SyncSender<Vec<Buffer>>, _) = sync_channel(BUNDLES_UNDER_WAY);
    let (back, emptied): (SyncSender<Vec<Buffer>>, Receiver<_>) = sync_channel(BUNDLES_UNDER_WAY);
    for _ in 0..BUNDLES_UNDER_WAY {
        let _ = back.send(Vec::with_capacity(BUNDLE));
    }
    thread::scope(|scope| {
        scope.spawn(move || {
            for mut bundle in received {
                bundle.clear();
                if back.send(bundle).is_err() {
                    return;
                }
            }
        });
        let start = Instant::now();
        for _ in 0..OPERATIONS / BUNDLE {
            let mut bundle = emptied.recv().map_err(|error| error.to_string())?;
            for _ in 0..BUNDLE {
                bundle.push(take(pool)?);
            }
            full.send(bundle).map_err(|error| error.to_string())?;
        }
        let took = start.elapsed();
        drop((full, emptied));
        Ok(each(took))
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a few hundred thousand operations"
)]
fn each(took: Duration) -> f64 {
    took.as_secs_f64() * 1e9 / OPERATIONS as f64
}
