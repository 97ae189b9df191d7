//! What a local pool is created with.

use crate::pool::{network_pool::NetworkPoolError, redistribution::UNBOUNDED};

/// The numbers of a local pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPoolSpec {
    pub(in crate::pool) label: String,
    pub(in crate::pool) required: usize,
    pub(in crate::pool) max: usize,
    pub(in crate::pool) channels: usize,
    pub(in crate::pool) max_buffers_per_channel: usize,
    pub(in crate::pool) max_overdraft: usize,
}

impl LocalPoolSpec {
    /// A pool that is guaranteed `required` segments and may get up to `max`, which may be
    /// [`UNBOUNDED`](crate::pool::redistribution::UNBOUNDED). It has no channels and no overdraft.
    #[must_use]
    pub fn new(required: usize, max: usize) -> Self {
        Self {
            label: "an unnamed task".to_owned(),
            required,
            max,
            channels: 0,
            max_buffers_per_channel: UNBOUNDED,
            max_overdraft: 0,
        }
    }

    /// Whose pool it is, for people: `Sort (3/8)`.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The pool serves so many channels (the subpartitions of a result), and is not available while one of them has so
    /// many buffers.
    #[must_use]
    pub fn with_channels(mut self, channels: usize, max_buffers_per_channel: usize) -> Self {
        self.channels = channels;
        self.max_buffers_per_channel = max_buffers_per_channel;
        self
    }

    /// The pool may take so many segments beyond its size, while the network pool has some.
    #[must_use]
    pub fn with_overdraft(mut self, max_overdraft: usize) -> Self {
        self.max_overdraft = max_overdraft;
        self
    }

    /// Refuses numbers that cannot be, before anything is counted.
    pub(in crate::pool) fn check(&self) -> Result<(), NetworkPoolError> {
        let invalid = |name, value, expected| {
            Err(NetworkPoolError::InvalidArgument {
                name,
                value,
                expected,
            })
        };
        if self.required == 0 {
            return invalid("the required number of buffers", 0, "more than 0");
        }
        if self.max < self.required {
            let expected = "at least the required number of buffers";
            return invalid("the maximum number of buffers", self.max, expected);
        }
        if self.channels > 0 && self.max_buffers_per_channel == 0 {
            return invalid(
                "the maximum number of buffers per channel",
                0,
                "more than 0",
            );
        }
        if u32::try_from(self.channels).is_err() {
            return invalid("the number of channels", self.channels, "less than 2^32");
        }
        Ok(())
    }
}
