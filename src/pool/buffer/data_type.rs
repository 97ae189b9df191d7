//! What a buffer carries, as far as those who pass it on must know.

/// The kind of a buffer's content. Mirrors `Buffer.DataType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataType {
    /// Nothing: what follows is not known.
    None,
    /// Records, of which the last may go on in the next buffer.
    #[default]
    Data,
    /// Records, of which the last ends in this buffer.
    DataWithClearEnd,
    /// An event.
    Event,
    /// An event that overtakes what is queued.
    PrioritizedEvent,
    /// A checkpoint barrier that is aligned with the data.
    AlignedCheckpointBarrier,
    /// One that overtakes the data when it is late.
    TimeoutableAlignedCheckpointBarrier,
    /// The state of a subpartition is restored.
    RecoveryCompletion,
    /// What describes the restored state.
    RecoveryMetadata,
    /// A segment of tiered storage ends.
    EndOfSegment,
    /// No more data comes from this subpartition.
    EndOfData,
    /// Nothing more comes from this subpartition.
    EndOfPartition,
    /// A watermark of the generalised kind.
    WatermarkEvent,
}

impl DataType {
    /// Whether it is data, which needs a buffer of a pool and a credit.
    #[must_use]
    pub const fn is_buffer(self) -> bool {
        matches!(self, Self::Data | Self::DataWithClearEnd)
    }

    /// Whether it is an event, which needs neither.
    #[must_use]
    pub const fn is_event(self) -> bool {
        !self.is_buffer() && !matches!(self, Self::None)
    }

    /// Whether the sender waits after it until the receiver says that it goes on.
    #[must_use]
    pub const fn blocks_upstream(self) -> bool {
        matches!(
            self,
            Self::AlignedCheckpointBarrier
                | Self::TimeoutableAlignedCheckpointBarrier
                | Self::RecoveryCompletion
        )
    }

    /// Whether it overtakes what is queued.
    #[must_use]
    pub const fn has_priority(self) -> bool {
        matches!(self, Self::PrioritizedEvent)
    }

    /// Whether its arrival is told before its turn comes. Never together with priority: what overtakes all needs none.
    #[must_use]
    pub const fn requires_announcement(self) -> bool {
        matches!(self, Self::TimeoutableAlignedCheckpointBarrier)
    }

    /// Whether its last record may go on in the next buffer.
    #[must_use]
    pub const fn is_partial_record(self) -> bool {
        matches!(self, Self::Data)
    }
}
