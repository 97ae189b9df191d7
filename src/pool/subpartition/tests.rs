//! What a subpartition gives, when it says so, and what it counts.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::pool::buffer::{BufferBuilder, NetworkSegment};

/// Counts what it is told.
#[derive(Default)]
struct Told {
    data: AtomicUsize,
    priority: AtomicUsize,
}

impl BufferAvailabilityListener for Told {
    fn notify_data_available(&self) {
        self.data.fetch_add(1, Relaxed);
    }

    fn notify_priority_event(&self, _sequence_number: u32) {
        self.priority.fetch_add(1, Relaxed);
    }
}

fn listened_to(exclusive_buffers: usize) -> (PipelinedSubpartition, Arc<Told>) {
    let subpartition = PipelinedSubpartition::new(exclusive_buffers, 0);
    let told = Arc::new(Told::default());
    let listener: Arc<dyn BufferAvailabilityListener> = told.clone();
    subpartition.create_read_view(listener).unwrap();
    (subpartition, told)
}

/// Adds a buffer that is still being filled and has so many bytes.
fn begin(subpartition: &PipelinedSubpartition, bytes: usize) -> BufferBuilder {
    let mut builder = BufferBuilder::new(NetworkSegment::on_heap(16), DataType::Data);
    let consumer = builder.create_consumer_from_beginning().unwrap();
    subpartition.add(consumer, 0);
    builder.append_and_commit(&vec![1; bytes]).unwrap();
    builder
}

fn add(subpartition: &PipelinedSubpartition, bytes: usize) {
    begin(subpartition, bytes).finish();
}

fn add_event(subpartition: &PipelinedSubpartition, data_type: DataType) {
    let event = Buffer::of_bytes(vec![2; 3], data_type).unwrap();
    subpartition.add(BufferConsumer::of_buffer(event).unwrap(), 0);
}

/// Size, backlog, next type and number of what comes next.
fn poll(subpartition: &PipelinedSubpartition) -> Option<(usize, usize, DataType, u32)> {
    subpartition.poll(true).unwrap().map(|next| {
        (
            next.buffer.size(),
            next.backlog,
            next.next_data_type,
            next.sequence_number,
        )
    })
}

#[test]
fn the_last_buffer_counts_once_it_is_asked_for_or_closed() {
    let (subpartition, _) = listened_to(2);
    let backlog = || subpartition.availability(true).backlog;
    assert_eq!(backlog(), 0);
    let mut first = begin(&subpartition, 4);
    assert_eq!(backlog(), 0);
    subpartition.flush();
    assert_eq!(backlog(), 1);
    first.finish();
    let second = begin(&subpartition, 4);
    assert_eq!(backlog(), 2);
    assert_eq!(poll(&subpartition), Some((4, 1, DataType::Data, 0)));
    // What was asked for is taken.
    assert_eq!(poll(&subpartition), Some((4, 0, DataType::None, 1)));
    drop(second);

    let (subpartition, _) = listened_to(2);
    add(&subpartition, 4);
    assert_eq!(subpartition.availability(true).backlog, 0);
    add_event(&subpartition, DataType::Event);
    assert_eq!(subpartition.availability(true).backlog, 1);

    let (subpartition, _) = listened_to(2);
    add(&subpartition, 4);
    subpartition.finish();
    assert_eq!(subpartition.availability(true).backlog, 1);
    assert_eq!(
        poll(&subpartition),
        Some((4, 0, DataType::EndOfPartition, 0))
    );
    assert_eq!(poll(&subpartition), Some((4, 0, DataType::None, 1)));
    assert_eq!(
        (subpartition.total_buffers(), subpartition.total_bytes()),
        (2, 8)
    );
}

#[test]
fn a_barrier_blocks_what_follows_until_the_receiver_goes_on() {
    let (subpartition, told) = listened_to(2);
    add_event(&subpartition, DataType::AlignedCheckpointBarrier);
    add(&subpartition, 4);
    add(&subpartition, 4);
    assert_eq!(poll(&subpartition), Some((3, 0, DataType::None, 0)));
    assert_eq!(poll(&subpartition), None);
    assert_eq!(
        subpartition.availability(true),
        AvailabilityWithBacklog {
            is_available: false,
            backlog: 0
        }
    );
    // What overtakes is not blocked.
    add_event(&subpartition, DataType::PrioritizedEvent);
    assert_eq!(told.priority.load(Relaxed), 1);
    assert_eq!(poll(&subpartition), Some((3, 0, DataType::None, 1)));
    assert_eq!(poll(&subpartition), None);

    subpartition.resume_consumption().unwrap();
    assert_eq!(
        subpartition.resume_consumption(),
        Err(SubpartitionError::NotBlocked)
    );
    // That the last one is finished shows when it is looked at.
    assert_eq!(poll(&subpartition), Some((4, 0, DataType::None, 2)));
    assert_eq!(poll(&subpartition), Some((4, 0, DataType::None, 3)));
}

#[test]
fn the_reader_is_told_of_the_first_that_can_be_sent() {
    let (subpartition, told) = listened_to(2);
    let data = || told.data.load(Relaxed);
    let mut first = begin(&subpartition, 4);
    assert_eq!(data(), 0);
    subpartition.flush();
    assert_eq!(data(), 1);
    subpartition.flush();
    assert_eq!(data(), 1);
    assert_eq!(poll(&subpartition), Some((4, 0, DataType::None, 0)));
    // Nothing new was committed.
    subpartition.flush();
    assert_eq!(data(), 1);
    first.finish();
    let mut second = begin(&subpartition, 4);
    assert_eq!(data(), 2);
    second.finish();
    let third = begin(&subpartition, 4);
    assert_eq!(data(), 2, "the reader has not taken what it was told of");
    subpartition.finish();
    assert_eq!(data(), 3);
    drop(third);
}

#[test]
fn buffers_without_content_are_sent_only_to_who_holds_one_for_each() {
    for (exclusive_buffers, expected) in [(2, vec![3]), (0, vec![0, 0, 3])] {
        let (subpartition, _) = listened_to(exclusive_buffers);
        add(&subpartition, 0);
        add(&subpartition, 0);
        add_event(&subpartition, DataType::Event);
        let sizes: Vec<_> = std::iter::from_fn(|| poll(&subpartition))
            .map(|(size, ..)| size)
            .collect();
        assert_eq!(sizes, expected);
        assert_eq!(subpartition.queued_buffers(), 0);
        assert_eq!(subpartition.availability(true).backlog, 0);
    }
}

#[test]
fn without_credit_data_stays_and_events_go() {
    let (subpartition, _) = listened_to(2);
    add_event(&subpartition, DataType::Event);
    add(&subpartition, 4);
    assert!(subpartition.availability(false).is_available);
    assert!(subpartition.poll(false).unwrap().is_some());
    assert!(!subpartition.availability(false).is_available);
    assert_eq!(
        subpartition.poll(false).unwrap_err(),
        SubpartitionError::NoCredit { queued: 1 }
    );
    assert_eq!(subpartition.queued_buffers(), 1);
}

#[test]
fn a_writer_that_forgets_to_finish_is_found_out() {
    let (subpartition, _) = listened_to(2);
    let first = begin(&subpartition, 4);
    add(&subpartition, 4);
    assert_eq!(
        subpartition.poll(true).unwrap_err(),
        SubpartitionError::UnfinishedBeforeOthers { behind: 1 }
    );
    drop(first);
}

#[test]
fn nothing_is_kept_after_the_end_or_the_release() {
    let (subpartition, _) = listened_to(2);
    assert_eq!(
        subpartition.create_read_view(Arc::new(Told::default())),
        Err(SubpartitionError::ConsumedAlready)
    );
    let builder = begin(&subpartition, 4);
    assert_eq!(builder.reference_count(), 2);
    subpartition.finish();
    subpartition.finish();
    assert_eq!(subpartition.queued_buffers(), 2);
    subpartition.release();
    assert!(subpartition.is_released());
    assert_eq!(
        (builder.reference_count(), subpartition.queued_buffers()),
        (1, 0)
    );
    let late = begin(&subpartition, 4);
    assert_eq!(late.reference_count(), 1);
    assert_eq!(poll(&subpartition), None);
    assert_eq!(
        subpartition.create_read_view(Arc::new(Told::default())),
        Err(SubpartitionError::Released)
    );
}
