//! The sending end of one channel: takes from a subpartition what there is credit for.
//!
//! Mirrors `CreditBasedSequenceNumberingViewReader`.

use std::sync::Arc;

use crate::pool::{
    buffer::DataType,
    subpartition::{
        AvailabilityWithBacklog, BufferAndBacklog, PipelinedSubpartition, SubpartitionError,
    },
};

/// Reads a subpartition for one receiver.
pub struct CreditBasedViewReader {
    subpartition: Arc<PipelinedSubpartition>,
    initial_credit: usize,
    credit: usize,
}

impl CreditBasedViewReader {
    /// A reader whose receiver has so many buffers of its own.
    #[must_use]
    pub fn new(subpartition: Arc<PipelinedSubpartition>, initial_credit: usize) -> Self {
        Self {
            subpartition,
            initial_credit,
            credit: initial_credit,
        }
    }

    /// The receiver has so many more buffers.
    pub fn add_credit(&mut self, credit: usize) {
        self.credit = self.credit.saturating_add(credit);
    }

    /// How many buffers of data may be sent.
    #[must_use]
    pub fn credit(&self) -> usize {
        self.credit
    }

    /// The receiver goes on after an event that blocked. Without buffers of its own it has given all of them back, so
    /// that no credit is left.
    ///
    /// # Errors
    /// `NotBlocked`.
    pub fn resume_consumption(&mut self) -> Result<(), SubpartitionError> {
        if self.initial_credit == 0 {
            self.credit = 0;
        }
        self.subpartition.resume_consumption()
    }

    /// Whether something can be sent, and how much data is queued.
    #[must_use]
    pub fn availability(&self) -> AvailabilityWithBacklog {
        self.subpartition.availability(self.credit > 0)
    }

    /// Whether the receiver has to be told of what is queued, because it has no buffer whose return would make it ask.
    #[must_use]
    pub fn needs_backlog_announced(&self) -> bool {
        self.initial_credit == 0 && self.credit == 0
    }

    /// What to send next. Data costs one credit. Its next data type is what could be sent with the credit that is left.
    ///
    /// # Errors
    /// `NoCredit` where data comes next and none is left; it stays queued.
    pub fn next_buffer(&mut self) -> Result<Option<BufferAndBacklog>, SubpartitionError> {
        let Some(mut next) = self.subpartition.poll(self.credit > 0)? else {
            return Ok(None);
        };
        if next.buffer.data_type().is_buffer() {
            self.credit = self.credit.saturating_sub(1);
        }
        if self.credit == 0 && !next.next_data_type.is_event() {
            next.next_data_type = DataType::None;
        }
        Ok(Some(next))
    }

    /// The receiver wants buffers filled to so many bytes.
    pub fn notify_new_buffer_size(&self, bytes: usize) {
        self.subpartition.set_buffer_limit(bytes);
    }

    /// Nobody reads the subpartition any more.
    pub fn release_all_resources(&self) {
        self.subpartition.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::buffer::{Buffer, BufferConsumer};

    fn with(initial_credit: usize, contents: &[DataType]) -> CreditBasedViewReader {
        let subpartition = PipelinedSubpartition::new(initial_credit, 0);
        for data_type in contents {
            let buffer = Buffer::of_bytes(vec![1; 4], *data_type).unwrap();
            subpartition.add(BufferConsumer::of_buffer(buffer).unwrap(), 0);
        }
        CreditBasedViewReader::new(Arc::new(subpartition), initial_credit)
    }

    #[test]
    fn data_costs_credit_and_events_do_not() {
        let (data, event) = (DataType::Data, DataType::Event);
        let mut reader = with(1, &[event, data, event, data, event]);
        let mut next = || {
            let next = reader.next_buffer().unwrap().unwrap();
            (
                next.buffer.data_type(),
                next.next_data_type,
                next.backlog,
                reader.credit(),
            )
        };
        assert_eq!(next(), (event, data, 2, 1));
        assert_eq!(next(), (data, event, 1, 0));
        assert_eq!(next(), (event, DataType::None, 1, 0));
        assert!(!reader.availability().is_available);
        assert_eq!(
            reader.next_buffer().unwrap_err(),
            SubpartitionError::NoCredit { queued: 2 }
        );
        assert!(
            !reader.needs_backlog_announced(),
            "a buffer of its own will return"
        );
        reader.add_credit(3);
        assert!(reader.availability().is_available);
        assert!(reader.next_buffer().unwrap().is_some());
        assert_eq!(reader.credit(), 2);
    }

    #[test]
    fn credit_for_floating_buffers_alone_ends_with_a_barrier() {
        for (initial_credit, expected) in [(0, 0), (2, 3)] {
            let contents = [DataType::AlignedCheckpointBarrier, DataType::Data];
            let mut reader = with(initial_credit, &contents);
            assert_eq!(reader.needs_backlog_announced(), initial_credit == 0);
            reader.add_credit(3 - initial_credit);
            assert!(reader.next_buffer().unwrap().is_some());
            assert!(reader.next_buffer().unwrap().is_none());
            reader.resume_consumption().unwrap();
            assert_eq!(reader.credit(), expected);
        }
    }
}
