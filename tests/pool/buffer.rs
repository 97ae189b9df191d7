//! Lines J: builders and consumers over 10 integers, buffers and slices, partial records.

use std::{
    io::Read,
    sync::{Arc, Mutex},
};

use headroom::pool::buffer::{
    Buffer, BufferBuilder, BufferConsumer, BufferConsumerWithPartialRecordLength, BufferError,
    BufferRecycler, BuilderError, DataType, NetworkSegment,
};

const SEGMENT_BYTES: u32 = 40;

fn ints(numbers: &[i32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

fn numbers(buffer: &Buffer) -> Vec<i32> {
    let (chunks, rest) = buffer.readable().as_chunks::<4>();
    assert!(rest.is_empty());
    chunks
        .iter()
        .map(|chunk| i32::from_be_bytes(*chunk))
        .collect()
}

fn builder() -> BufferBuilder {
    BufferBuilder::new(NetworkSegment::on_heap(SEGMENT_BYTES), DataType::Data)
}

/// Keeps what it is given.
#[derive(Default)]
struct Keeping(Mutex<Vec<NetworkSegment>>);

impl Keeping {
    fn given(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl BufferRecycler for Keeping {
    fn recycle(self: Arc<Self>, segment: NetworkSegment) {
        self.0.lock().unwrap().push(segment);
    }
}

fn kept_segment(bytes: u32) -> (NetworkSegment, Arc<Keeping>) {
    let recycler = Arc::new(Keeping::default());
    (
        NetworkSegment::on_heap(bytes).with_recycler(recycler.clone()),
        recycler,
    )
}

/// A segment is recycled when its slices, its builder and its consumer are all gone, in whatever order.
#[test]
fn j1_reference_counting() {
    let (segment, recycler) = kept_segment(SEGMENT_BYTES);
    let mut builder = BufferBuilder::new(segment, DataType::Data);
    let mut consumer = builder.create_consumer().unwrap();
    assert_eq!(builder.append_and_commit(&ints(&[1, 2, 3])).unwrap(), 12);
    let slice = consumer.build();
    assert_eq!(slice.size(), 12);
    assert_eq!(builder.reference_count(), 3);
    drop(slice);
    assert_eq!(recycler.given(), 0);
    drop(builder);
    assert_eq!(recycler.given(), 0);
    drop(consumer);
    assert_eq!(recycler.given(), 1);
}

/// What is appended is seen by the consumer.
#[test]
fn j2_append() {
    let mut builder = builder();
    let mut consumer = builder.create_consumer().unwrap();
    let source = ints(&[0, 1, 2, 3, 42]);
    assert_eq!(builder.append_and_commit(&source).unwrap(), source.len());
    assert_eq!(builder.written_bytes(), 20);
    assert!(!builder.is_full());
    assert_eq!(numbers(&consumer.build()), [0, 1, 2, 3, 42]);
}

/// Appending in three parts is the same.
#[test]
fn j3_multiple_appends() {
    let mut builder = builder();
    let mut consumer = builder.create_consumer().unwrap();
    for part in [&[0, 1][..], &[2], &[3, 42]] {
        builder.append_and_commit(&ints(part)).unwrap();
    }
    assert_eq!(numbers(&consumer.build()), [0, 1, 2, 3, 42]);
}

/// Nothing is seen before it is committed, and all of it after.
#[test]
fn j4_appends_that_are_not_committed() {
    let mut builder = builder();
    let mut consumer = builder.create_consumer().unwrap();
    for part in [&[0, 1][..], &[2], &[3, 42]] {
        builder.append(&ints(part)).unwrap();
        assert!(!consumer.is_data_available());
        assert_eq!(consumer.build().size(), 0);
    }
    builder.commit();
    assert!(consumer.is_data_available());
    assert_eq!(numbers(&consumer.build()), [0, 1, 2, 3, 42]);
}

/// What does not fit is left for the next builder.
#[test]
fn j5_append_over_size() {
    let mut first = builder();
    let mut consumer = first.create_consumer().unwrap();
    let source = ints(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 42]);
    let taken = first.append_and_commit(&source).unwrap();
    assert_eq!(taken, 40);
    assert!(first.is_full());
    assert_eq!(numbers(&consumer.build()), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);

    let mut second = builder();
    let mut consumer = second.create_consumer().unwrap();
    assert_eq!(second.append_and_commit(&source[taken..]).unwrap(), 4);
    assert!(!second.is_full());
    assert_eq!(numbers(&consumer.build()), [42]);
}

/// A builder has one consumer.
#[test]
fn j6_second_consumer() {
    let mut builder = builder();
    let _consumer = builder.create_consumer().unwrap();
    assert_eq!(
        builder.create_consumer().unwrap_err(),
        BuilderError::ConsumerExists
    );
    assert_eq!(
        builder.create_consumer_from_beginning().unwrap_err(),
        BuilderError::ConsumerExists
    );
}

/// Copies of a consumer have readers of their own.
#[test]
fn j7_copies_of_a_consumer() {
    let mut builder = builder();
    let mut first = builder.create_consumer().unwrap();
    builder.append_and_commit(&ints(&[0, 1])).unwrap();
    let mut second = first.copy();
    builder.append_and_commit(&ints(&[2])).unwrap();
    assert_eq!(numbers(&first.build()), [0, 1, 2]);
    assert_eq!(numbers(&second.build()), [0, 1, 2]);

    let mut third = first.copy();
    let mut fourth = second.copy_with_reader_position(12).unwrap();
    assert!(second.copy_with_reader_position(13).is_err());
    builder.append_and_commit(&ints(&[3, 42])).unwrap();
    for consumer in [&mut first, &mut second, &mut third, &mut fourth] {
        assert_eq!(numbers(&consumer.build()), [3, 42]);
    }
}

/// Nothing to build is an empty buffer.
#[test]
fn j8_build_empty() {
    let mut builder = builder();
    let mut consumer = builder.create_consumer().unwrap();
    assert_eq!(consumer.build().size(), 0);
}

/// A consumer builds what came since the last time.
#[test]
fn j9_build_several_times() {
    let mut builder = builder();
    let mut consumer = builder.create_consumer().unwrap();
    builder.append_and_commit(&ints(&[0, 1])).unwrap();
    builder.append_and_commit(&ints(&[2])).unwrap();
    assert_eq!(numbers(&consumer.build()), [0, 1, 2]);
    builder.append_and_commit(&ints(&[3, 42])).unwrap();
    builder.append_and_commit(&ints(&[44])).unwrap();
    assert_eq!(numbers(&consumer.build()), [3, 42, 44]);
    let mut rest = Vec::new();
    while builder.append_and_commit(&ints(&[1337])).unwrap() == 4 {
        rest.push(1337);
    }
    assert_eq!(rest.len(), 4);
    assert_eq!(numbers(&consumer.build()), rest);
}

/// An empty, a half-full and a full builder: the builder is finished at once, the consumer when it has seen it.
#[test]
fn j10_finish() {
    for count in [0, 5, 10] {
        let mut builder = builder();
        let mut consumer = builder.create_consumer().unwrap();
        let bytes = count * 4;
        builder.append_and_commit(&ints(&vec![42; count])).unwrap();
        assert!(!builder.is_finished() && !consumer.is_finished());
        assert_eq!(consumer.written_bytes(), 0);

        assert_eq!(builder.finish(), bytes);
        assert_eq!(builder.finish(), bytes);
        assert!(builder.is_finished());
        assert!(!consumer.is_finished());
        assert_eq!(consumer.written_bytes(), 0);

        let buffer = consumer.build();
        assert!(consumer.is_finished());
        assert_eq!(consumer.written_bytes(), bytes);
        assert_eq!(buffer.size(), bytes);
        assert_eq!(consumer.build().size(), 0);
        assert_eq!(
            builder.append(&[1]).unwrap_err(),
            BuilderError::Finished { written: bytes }
        );
    }
}

/// How much still fits.
#[test]
fn j11_writable_bytes() {
    let mut builder = builder();
    assert_eq!(builder.writable_bytes(), 40);
    builder.append(&ints(&[0, 1, 2])).unwrap();
    assert_eq!(builder.writable_bytes(), 40 - 12);
    builder.append(&[0; 40]).unwrap();
    assert_eq!(builder.writable_bytes(), 0);
}

/// A builder without a consumer recycles its segment once.
#[test]
fn j12_recycle_without_consumer() {
    let (segment, recycler) = kept_segment(SEGMENT_BYTES);
    drop(BufferBuilder::new(segment, DataType::Data));
    assert_eq!(recycler.given(), 1);
}

/// With a consumer it is the last of both that recycles it.
#[test]
fn j13_recycle_with_consumer() {
    let (segment, recycler) = kept_segment(SEGMENT_BYTES);
    let mut builder = BufferBuilder::new(segment, DataType::Data);
    let consumer = builder.create_consumer().unwrap();
    drop(builder);
    assert_eq!(recycler.given(), 0);
    drop(consumer);
    assert_eq!(recycler.given(), 1);
}

/// A builder is trimmed to less, but not below what is written nor above what the segment has. A negative size does not
/// exist in Rust; it would mean nothing at all, which is 0.
#[test]
fn j14_trim() {
    let mut builder = builder();
    for (size, capacity) in [(40, 40), (20, 20), (0, 0), (41, 40)] {
        builder.trim(size);
        assert_eq!(builder.max_capacity(), capacity);
        assert_eq!(builder.writable_bytes(), capacity);
    }
    builder.append(&ints(&[1, 2, 3])).unwrap();
    builder.trim(4);
    assert_eq!(builder.max_capacity(), 12);
    assert!(builder.is_full());
    assert_eq!(builder.append(&[1]).unwrap(), 0);
    builder.trim(usize::MAX);
    assert_eq!(builder.writable_bytes(), 28);
}

/// A buffer is data or an event, as it was said to be, over the segment that it was given.
#[test]
fn j15_data_and_events() {
    for (data_type, is_buffer) in [(DataType::Data, true), (DataType::Event, false)] {
        let (segment, recycler) = kept_segment(1024);
        let address = segment.as_ptr();
        let mut buffer = Buffer::new(segment, data_type);
        assert_eq!(buffer.data_type().is_buffer(), is_buffer);
        assert_eq!(buffer.data_type().is_event(), !is_buffer);
        assert_eq!(buffer.memory().as_ptr(), address);
        buffer.set_data_type(DataType::Event);
        assert!(!buffer.data_type().is_buffer());
        drop(buffer);
        assert_eq!(recycler.given(), 1);
        assert_eq!(recycler.0.lock().unwrap()[0].as_ptr(), address);
    }
    let event = Buffer::of_bytes(vec![1, 2, 3], DataType::Event).unwrap();
    assert_eq!(event.readable(), [1, 2, 3]);
    for data_type in [
        DataType::PrioritizedEvent,
        DataType::TimeoutableAlignedCheckpointBarrier,
    ] {
        assert!(data_type.has_priority() != data_type.requires_announcement());
    }
}

/// Dropping the only handle recycles; a retained handle keeps the segment.
#[test]
fn j16_recycle_and_retain() {
    let (segment, recycler) = kept_segment(1024);
    let buffer = Buffer::from(segment);
    assert_eq!(buffer.reference_count(), 1);
    let other = buffer.retain();
    assert_eq!(buffer.reference_count(), 2);
    assert_eq!(other.reference_count(), 2);
    drop(buffer);
    assert_eq!(recycler.given(), 0);
    assert_eq!(other.reference_count(), 1);
    drop(other);
    assert_eq!(recycler.given(), 1);
}

/// A slice keeps its range and its indices whatever becomes of those of its parent, and may reach beyond the parent's
/// size.
#[test]
fn j17_create_slice() {
    let mut buffer = Buffer::from(NetworkSegment::on_heap(1024));
    for (index, byte) in buffer.memory_mut().unwrap().iter_mut().enumerate() {
        *byte = index as u8;
    }
    buffer.set_size(10).unwrap();
    let slice = buffer.read_only_slice(0, 10).unwrap();
    assert_eq!(
        (slice.reader_index(), slice.size(), slice.readable_bytes()),
        (0, 10, 10)
    );
    buffer.set_size(8).unwrap();
    buffer.set_reader_index(2).unwrap();
    assert_eq!((buffer.reader_index(), buffer.size()), (2, 8));
    assert_eq!(
        (slice.reader_index(), slice.size(), slice.readable_bytes()),
        (0, 10, 10)
    );

    let mut buffer = Buffer::from(NetworkSegment::on_heap(1024));
    buffer.set_size(2).unwrap();
    let slice = buffer.read_only_slice(1, 10).unwrap();
    assert_eq!(
        (slice.reader_index(), slice.size(), slice.max_capacity()),
        (0, 10, 10)
    );
    assert!(matches!(
        buffer.read_only_slice(1020, 5).unwrap_err(),
        BufferError::OutOfBounds {
            end: 1025,
            capacity: 1024,
            ..
        }
    ));
    assert!(buffer.read_only_slice(1, usize::MAX).is_err());
}

/// Capacity, size and the reader's index, which stays within the size.
#[test]
fn j18_capacity_and_indices() {
    let mut buffer = Buffer::from(NetworkSegment::on_heap(1024));
    assert_eq!(buffer.max_capacity(), 1024);
    buffer.set_size(10).unwrap();
    assert_eq!((buffer.size(), buffer.readable_bytes()), (10, 10));
    buffer.set_reader_index(2).unwrap();
    assert_eq!(buffer.readable_bytes(), 8);
    buffer.set_reader_index(10).unwrap();
    assert_eq!(buffer.readable_bytes(), 0);
    assert!(buffer.set_reader_index(11).is_err());
    assert!(buffer.set_size(9).is_err());
    assert!(buffer.set_size(1025).is_err());
    assert_eq!((buffer.size(), buffer.reader_index()), (10, 10));
}

/// A view is of the moment that it was made, and has a position of its own. A view that borrows cannot outlive a change
/// in Rust, so what a later change leaves alone is another handle's.
#[test]
fn j19_views() {
    let mut buffer = Buffer::from(NetworkSegment::on_heap(1024));
    buffer.set_size(10).unwrap();
    let other = buffer.retain();
    buffer.set_size(8).unwrap();
    assert_eq!(other.readable().len(), 10);
    assert_eq!(buffer.readable().len(), 8);
    let (mut first, mut second) = (buffer.reader(), buffer.reader());
    let mut read = Vec::new();
    first.read_to_end(&mut read).unwrap();
    assert_eq!((first.position(), second.position()), (8, 0));
    assert_eq!(buffer.reader_index(), 0);
    assert_eq!(second.read_to_end(&mut read).unwrap(), 8);
}

/// A slice is of its parent's kind, segment and count, and cannot be written; its parent not while the slice lives.
#[test]
fn j20_slices_forward() {
    let (segment, recycler) = kept_segment(1024);
    let mut buffer = Buffer::new(segment, DataType::Event);
    buffer.set_size(10).unwrap();
    let mut slice = buffer.read_only_slice(0, 10).unwrap();
    assert_eq!(slice.data_type(), DataType::Event);
    assert!(slice.shares_segment_with(&buffer) && slice.is_read_only());
    assert_eq!((slice.reference_count(), buffer.reference_count()), (2, 2));
    let retained = slice.retain();
    assert!(retained.is_read_only());
    assert_eq!(buffer.reference_count(), 3);
    drop(retained);

    assert_eq!(
        slice.memory_mut().unwrap_err(),
        BufferError::ReadOnly { size: 10 }
    );
    assert_eq!(
        slice.set_size(1).unwrap_err(),
        BufferError::ReadOnly { size: 10 }
    );
    assert_eq!(
        buffer.memory_mut().unwrap_err(),
        BufferError::Shared { references: 2 }
    );
    drop(slice);
    assert!(buffer.memory_mut().is_ok());

    let mut slice = buffer.read_only_slice(0, 10).unwrap();
    drop(buffer);
    assert!(slice.memory_mut().is_err());
    assert_eq!(recycler.given(), 0);
    drop(slice);
    assert_eq!(recycler.given(), 1);
}

/// Slices of slices lie where they should.
#[test]
fn j21_slices_of_slices() {
    let mut buffer = Buffer::from(NetworkSegment::on_heap(1024));
    for (index, byte) in buffer.memory_mut().unwrap().iter_mut().enumerate() {
        *byte = index as u8;
    }
    buffer.set_size(10).unwrap();
    for (first, second, content) in [
        ((1, 9), (0, 9), vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ((1, 9), (1, 2), vec![2, 3]),
        ((1, 9), (0, 2), vec![1, 2]),
        ((2, 5), (3, 2), vec![5, 6]),
    ] {
        let outer = buffer.read_only_slice(first.0, first.1).unwrap();
        assert_eq!(outer.memory_offset(), first.0);
        let inner = outer.read_only_slice(second.0, second.1).unwrap();
        drop(outer);
        assert_eq!(inner.memory_offset(), first.0 + second.0);
        assert_eq!(inner.readable(), content);
        assert!(inner.shares_segment_with(&buffer));
    }
    let outer = buffer.read_only_slice(1, 9).unwrap();
    assert!(outer.read_only_slice(1, 9).is_err());
}

/// A slice's capacity is its size, whatever the size of its parent.
#[test]
fn j22_capacity_of_slices() {
    let mut buffer = Buffer::from(NetworkSegment::on_heap(1024));
    buffer.set_size(10).unwrap();
    let whole = buffer.read_only_slice(0, 10).unwrap();
    let part = buffer.read_only_slice(1, 2).unwrap();
    buffer.set_size(11).unwrap();
    assert_eq!((whole.max_capacity(), whole.size()), (10, 10));
    assert_eq!((part.max_capacity(), part.size()), (2, 2));
}

/// A compressed buffer is sliced as a whole or not at all, and so are its slices.
#[test]
fn compressed_buffers_are_sliced_whole() {
    let mut buffer = Buffer::from(NetworkSegment::on_heap(64));
    buffer.set_size(10).unwrap();
    buffer.set_compressed(true);
    let whole = buffer.read_only_slice(0, 10).unwrap();
    assert!(whole.is_compressed());
    for (start, length) in [(0, 5), (1, 9)] {
        for buffer in [&buffer, &whole] {
            assert!(matches!(
                buffer.read_only_slice(start, length).unwrap_err(),
                BufferError::Compressed { size: 10, .. }
            ));
        }
    }
    assert!(whole.read_only_slice(0, 10).unwrap().is_compressed());
}

/// Writes records into segments of 4 integers, one after the other, and yields the consumer of each.
fn consumers_of(records: &[&[i32]]) -> Vec<BufferConsumerWithPartialRecordLength> {
    let mut consumers = Vec::new();
    let mut builder: Option<BufferBuilder> = None;
    for record in records {
        let mut rest = &ints(record)[..];
        let length = rest.len();
        while !rest.is_empty() {
            if builder.as_ref().is_none_or(BufferBuilder::is_full) {
                let mut next = BufferBuilder::new(NetworkSegment::on_heap(16), DataType::Data);
                let partial = if rest.len() < length {
                    rest.len().min(16)
                } else {
                    0
                };
                let consumer = next.create_consumer().unwrap();
                consumers.push(BufferConsumerWithPartialRecordLength::new(
                    consumer, partial,
                ));
                builder = Some(next);
            }
            if let Some(builder) = &mut builder {
                rest = &rest[builder.append_and_commit(rest).unwrap()..];
            }
        }
    }
    consumers
}

/// A record that ends in the second buffer: what is left of it there is cleaned up.
#[test]
fn j23_partial_record() {
    let mut consumers = consumers_of(&[&[0, 1, 2, 3, 42]]);
    assert_eq!(numbers(&consumers[0].build()), [0, 1, 2, 3]);
    assert_eq!(consumers[1].partial_record_length(), 4);
    assert!(consumers[1].cleanup_partial_record().unwrap());
    assert_eq!(consumers[1].build().size(), 0);
}

/// A record that fills the second buffer and ends in the third: the second has nothing else, the third goes on with the
/// next record.
#[test]
fn j24_partial_record_over_three_buffers() {
    let mut consumers = consumers_of(&[&[0, 1, 2, 3, 4, 5, 6, 7, 42], &[8, 9]]);
    assert_eq!(numbers(&consumers[0].build()), [0, 1, 2, 3]);
    assert!(!consumers[1].cleanup_partial_record().unwrap());
    assert_eq!(consumers[1].build().size(), 0);
    assert_eq!(consumers[2].partial_record_length(), 4);
    assert!(consumers[2].cleanup_partial_record().unwrap());
    assert_eq!(numbers(&consumers[2].build()), [8, 9]);
}

/// A record that ends with the second buffer: that has nothing else.
#[test]
fn j25_partial_record_to_the_end_of_a_buffer() {
    let mut consumers = consumers_of(&[&[0, 1, 2, 3, 4, 5, 6, 7], &[8, 9]]);
    assert_eq!(numbers(&consumers[0].build()), [0, 1, 2, 3]);
    assert!(!consumers[1].cleanup_partial_record().unwrap());
    assert_eq!(consumers[1].build().size(), 0);
    assert_eq!(consumers[2].partial_record_length(), 0);
    assert!(consumers[2].cleanup_partial_record().unwrap());
    assert_eq!(numbers(&consumers[2].build()), [8, 9]);
}

/// A buffer of which something was read goes on where it was: there is nothing to clean up.
#[test]
fn j26_reader_in_the_middle_of_a_buffer() {
    let mut consumers = consumers_of(&[&[0, 1, 2, 3, 4, 5, 6, 7, 42]]);
    assert_eq!(numbers(&consumers[2].build()), [42]);
    assert_eq!(consumers[2].consumer().reader_position(), 4);
    let mut builder = BufferBuilder::new(NetworkSegment::on_heap(16), DataType::Data);
    builder.append_and_commit(&ints(&[42])).unwrap();
    let consumer = builder.create_consumer_from_beginning().unwrap();
    let mut consumer = BufferConsumerWithPartialRecordLength::new(consumer, 4);
    assert_eq!(numbers(&consumer.build()), [42]);
    builder.append_and_commit(&ints(&[8, 9])).unwrap();
    assert!(consumer.cleanup_partial_record().unwrap());
    assert_eq!(numbers(&consumer.build()), [8, 9]);
}

/// A partial record that is longer than what is written cannot be skipped.
#[test]
fn a_partial_record_beyond_the_buffer_is_an_error() {
    let mut builder = builder();
    let consumer = builder.create_consumer().unwrap();
    builder.append_and_commit(&[0; 4]).unwrap();
    let mut consumer = BufferConsumerWithPartialRecordLength::new(consumer, 8);
    let error = consumer.cleanup_partial_record().unwrap_err();
    assert!(
        error.to_string().contains('8') && error.to_string().contains("40"),
        "{error}"
    );
}

/// A consumer skips what is written and nothing else.
#[test]
fn skip_stays_within_what_is_written() {
    let mut builder = builder();
    let mut consumer = builder.create_consumer().unwrap();
    builder.append_and_commit(&ints(&[1, 2, 3])).unwrap();
    consumer.skip(4).unwrap();
    assert!(consumer.skip(9).is_err());
    assert!(consumer.skip(usize::MAX).is_err());
    assert_eq!(numbers(&consumer.build()), [2, 3]);
}

/// A buffer that is full already is consumed as one that was built: events travel so.
#[test]
fn a_full_buffer_has_a_consumer() {
    let event = Buffer::of_bytes(vec![1, 2, 3], DataType::Event).unwrap();
    let mut consumer = BufferConsumer::of_buffer(event).unwrap();
    assert!(consumer.is_finished());
    let mut copy = consumer.copy();
    assert_eq!(consumer.build().readable(), [1, 2, 3]);
    assert_eq!(consumer.build().size(), 0);
    let built = copy.build();
    assert_eq!(
        (built.readable(), built.data_type()),
        (&[1, 2, 3][..], DataType::Event)
    );
    assert!(!consumer.is_start_of_data_buffer());
}

/// What a thread reads while another writes is what was written before, and comes in order.
#[test]
fn a_reader_sees_what_was_committed() {
    let mut builder = BufferBuilder::new(NetworkSegment::on_heap(40_000), DataType::Data);
    let mut consumer = builder.create_consumer().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..10_000 {
                builder.append_and_commit(&ints(&[number])).unwrap();
            }
            builder.finish();
        });
        let mut next = 0;
        while !consumer.is_finished() {
            for number in numbers(&consumer.build()) {
                assert_eq!(number, next);
                next += 1;
            }
        }
        assert_eq!(next, 10_000);
    });
}
