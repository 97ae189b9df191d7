//! How far a builder has published what it wrote: one atomic number that a writer stores and readers load.
//!
//! Mirrors `BufferBuilder.PositionMarker`. The sign says whether the builder is finished: a position `p` becomes `-p`,
//! and that of an empty builder the smallest number there is. What was written before a store is seen after the load
//! that saw it, and not before.

use crate::pool::sync::atomic::{AtomicI32, Ordering};

/// What a reader has seen of a builder, or a builder has published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// How many bytes are written, at most 2^31 - 1.
    pub(super) written: u32,
    /// Whether no more will come.
    pub(super) finished: bool,
}

impl Position {
    /// Nothing is written yet.
    pub(super) const START: Self = Self {
        written: 0,
        finished: false,
    };

    const FINISHED_EMPTY: i32 = i32::MIN;

    /// What was published last, and everything that was written before it.
    pub(super) fn load(marker: &AtomicI32) -> Self {
        match marker.load(Ordering::Acquire) {
            Self::FINISHED_EMPTY => Self {
                written: 0,
                finished: true,
            },
            marker => Self {
                written: marker.unsigned_abs(),
                finished: marker < 0,
            },
        }
    }

    /// Publishes this position, and everything that was written before.
    pub(super) fn publish(self, marker: &AtomicI32) {
        // Sizes of segments fit into an `i32`.
        let written = self.written as i32;
        let encoded = match (self.finished, written) {
            (false, _) => written,
            (true, 0) => Self::FINISHED_EMPTY,
            (true, _) => -written,
        };
        marker.store(encoded, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_read_as_it_was_published() {
        let marker = AtomicI32::new(0);
        for written in [0, 1, 32768, i32::MAX.unsigned_abs()] {
            for finished in [false, true] {
                let position = Position { written, finished };
                position.publish(&marker);
                assert_eq!(Position::load(&marker), position);
            }
        }
    }
}
