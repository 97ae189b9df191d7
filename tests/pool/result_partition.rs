//! Lines L1 to L8: the buffers that a partition writes, of which receivers may want less.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use headroom::{
    budget::{
        FlinkVersion,
        network::{PartitionBuffers, ResultType, ShuffleSettings},
    },
    pool::{
        availability::WaitLimit,
        buffer::DataType,
        local_pool::LocalPoolError,
        network_pool::{DEFAULT_REQUEST_TIMEOUT, NetworkBufferPool},
        redistribution::UNBOUNDED,
        result_partition::{BufferWritingResultPartition, PartitionError, ResultPartitionSpec},
        subpartition::PipelinedSubpartition,
        task_io::{TaskIoMetrics, TaskTimer},
    },
};

use crate::wait_until;

fn network(segments: usize, segment_bytes: usize) -> NetworkBufferPool {
    NetworkBufferPool::new(segments, segment_bytes, DEFAULT_REQUEST_TIMEOUT).unwrap()
}

fn settings() -> ShuffleSettings {
    ShuffleSettings {
        max_overdraft_buffers_per_gate: 0,
        ..ShuffleSettings::default_of(FlinkVersion::V2_3)
    }
}

fn partition_with(
    network: &NetworkBufferPool,
    subpartitions: usize,
    buffers: PartitionBuffers,
) -> BufferWritingResultPartition {
    BufferWritingResultPartition::set_up(
        network,
        &ResultPartitionSpec::new("partition", subpartitions, buffers, settings()),
        Arc::new(TaskIoMetrics::new(true)),
        Box::new(|| Duration::ZERO),
    )
    .unwrap()
}

fn partition(
    network: &NetworkBufferPool,
    result_type: ResultType,
    subpartitions: usize,
) -> BufferWritingResultPartition {
    let buffers = PartitionBuffers::of(&settings(), result_type, subpartitions as u64);
    partition_with(network, subpartitions, buffers)
}

/// A partition with exactly one buffer.
const ONE_BUFFER: PartitionBuffers = PartitionBuffers {
    required: 1,
    maximum: Some(1),
    target: 1,
};

/// Two subpartitions, and buffers of 1024 bytes in plenty.
fn two_subpartitions() -> BufferWritingResultPartition {
    partition(&network(10, 1024), ResultType::PipelinedBounded, 2)
}

fn limit(partition: &BufferWritingResultPartition, limits_bytes: [usize; 2]) {
    for (subpartition, limit_bytes) in partition.subpartitions().iter().zip(limits_bytes) {
        subpartition.set_buffer_limit(limit_bytes);
    }
}

fn emit(partition: &mut BufferWritingResultPartition, target: usize, record_bytes: usize) {
    let limit = WaitLimit::timeout(Duration::ZERO);
    partition
        .emit_record(&vec![7; record_bytes], target, limit)
        .unwrap();
}

fn broadcast(partition: &mut BufferWritingResultPartition, record_bytes: usize) {
    let limit = WaitLimit::timeout(Duration::ZERO);
    partition
        .broadcast_record(&vec![7; record_bytes], limit)
        .unwrap();
}

/// Takes out what was written, and says how long each buffer is.
fn sizes(subpartition: &PipelinedSubpartition) -> Vec<usize> {
    std::iter::from_fn(|| subpartition.poll(true).unwrap())
        .map(|next| next.buffer.size())
        .collect()
}

fn sizes_of_both(partition: &BufferWritingResultPartition) -> [Vec<usize>; 2] {
    [0, 1].map(|target: usize| sizes(&partition.subpartitions()[target]))
}

/// A partition is guaranteed a buffer more than it has subpartitions, and a bounded one may have 2 for each and 8.
#[test]
fn l1_pool_of_a_partition() {
    let global = network(20, 1);
    for (result_type, subpartitions, maximum) in [
        (ResultType::PipelinedBounded, 2, 12),
        (ResultType::PipelinedBounded, 5, 18),
        (ResultType::Pipelined, 2, UNBOUNDED),
        (ResultType::HybridFull, 2, UNBOUNDED),
    ] {
        let partition = partition(&global, result_type, subpartitions);
        let pool = partition.pool();
        assert_eq!(pool.number_of_required_segments(), subpartitions + 1);
        assert_eq!(pool.max_number_of_segments(), maximum, "{result_type:?}");
        assert_eq!(pool.number_of_buffers(), maximum.min(20));
    }
}

/// A pool of two buffers is not available once two full records are written, until one is read.
#[test]
fn l2_availability() {
    let global = network(10, 16);
    let mut partition = partition(&global, ResultType::Pipelined, 1);
    partition.pool().set_number_of_buffers(2).unwrap();
    assert!(partition.available().is_done());
    emit(&mut partition, 0, 16);
    assert!(partition.available().is_done());
    emit(&mut partition, 0, 16);
    let future = partition.available();
    assert!(!future.is_done());
    drop(partition.subpartitions()[0].poll(true).unwrap());
    assert!(future.is_done());
}

/// Only the time in which the writer waits for a buffer is hard back-pressure.
#[test]
fn l3_hard_back_pressure() {
    let global = network(1, 16);
    let metrics = Arc::new(TaskIoMetrics::new(true));
    let (now, looks) = (Arc::new(AtomicU64::new(1000)), Arc::new(AtomicU64::new(0)));
    let clock = {
        let (now, looks) = (Arc::clone(&now), Arc::clone(&looks));
        move || {
            let now = now.load(Ordering::SeqCst);
            looks.fetch_add(1, Ordering::SeqCst);
            Duration::from_millis(now)
        }
    };
    let mut partition = BufferWritingResultPartition::set_up(
        &global,
        &ResultPartitionSpec::new("partition", 1, ONE_BUFFER, settings()),
        Arc::clone(&metrics),
        Box::new(clock),
    )
    .unwrap();
    let subpartition = Arc::clone(&partition.subpartitions()[0]);
    let waited = || metrics.accumulated(TaskTimer::HardBackPressured);

    emit(&mut partition, 0, 16);
    assert_eq!(
        (waited(), looks.load(Ordering::SeqCst)),
        (Duration::ZERO, 0)
    );

    let timed_out = partition.emit_record(&[1], 0, WaitLimit::timeout(Duration::ZERO));
    assert!(matches!(timed_out, Err(PartitionError::Pool(_))));

    std::thread::scope(|scope| {
        let writer = scope.spawn(|| partition.emit_record(&[2; 3], 0, WaitLimit::none()));
        wait_until(|| looks.load(Ordering::SeqCst) == 3);
        now.fetch_add(7, Ordering::SeqCst);
        drop(subpartition.poll(true).unwrap());
        writer.join().unwrap().unwrap();
    });
    assert_eq!(waited(), Duration::from_millis(7));
    assert_eq!(sizes(&subpartition), [3]);
}

/// With no other buffer to go to, a record is written into the one there is, although its reader wants it less full.
#[test]
fn l4_the_last_buffer_is_expanded() {
    let global = network(1, 20);
    let mut partition = partition_with(&global, 1, ONE_BUFFER);
    partition.subpartitions()[0].set_buffer_limit(1);
    emit(&mut partition, 0, 10);
    emit(&mut partition, 0, 10);
    assert!(!partition.available().is_done());
    assert_eq!(sizes(&partition.subpartitions()[0]), [20]);
}

/// Each subpartition has its buffers cut to its own limit, which counts from the next buffer on.
#[test]
fn l5_limits_of_subpartitions() {
    let mut partition = two_subpartitions();
    limit(&partition, [10, 6]);
    for target in [0, 1] {
        emit(&mut partition, target, 2);
        emit(&mut partition, target, 10);
    }
    assert_eq!(sizes_of_both(&partition), [[10, 2], [6, 6]]);

    limit(&partition, [13, 5]);
    for (target, record_bytes) in [(0, 12), (0, 8), (1, 2), (1, 7)] {
        emit(&mut partition, target, record_bytes);
    }
    assert_eq!(sizes_of_both(&partition), [[8, 12], [5, 4]]);
}

/// The first record of a buffer is not cut, however small the limit is: neither for one nor for all.
#[test]
fn l6_a_first_record_is_not_cut() {
    let mut partition = two_subpartitions();
    limit(&partition, [10, 7]);
    emit(&mut partition, 0, 12);
    emit(&mut partition, 1, 111);
    assert_eq!(sizes_of_both(&partition), [[12], [111]]);

    broadcast(&mut partition, 31);
    assert_eq!(sizes_of_both(&partition), [[31], [31]]);
}

/// Where all share a buffer, the smaller limit rules.
#[test]
fn l7_limits_of_a_broadcast() {
    let mut partition = two_subpartitions();
    limit(&partition, [6, 10]);
    broadcast(&mut partition, 6);
    assert_eq!(sizes_of_both(&partition), [[6], [6]]);
    limit(&partition, [4, 12]);
    broadcast(&mut partition, 3);
    broadcast(&mut partition, 7);
    assert_eq!(sizes_of_both(&partition), [[4, 6], [4, 6]]);
    limit(&partition, [8, 5]);
    broadcast(&mut partition, 3);
    assert_eq!(sizes_of_both(&partition), [[3], [3]]);
    // 2 of the 5 bytes are left.
    broadcast(&mut partition, 4);
    assert_eq!(sizes_of_both(&partition), [[2, 2], [2, 2]]);
}

/// A limit above what a segment holds changes nothing.
#[test]
fn l8_limits_beyond_the_segment() {
    let mut partition = two_subpartitions();
    limit(&partition, [1024 + 1, usize::MAX]);
    for target in [0, 1] {
        emit(&mut partition, target, 1030);
    }
    assert_eq!(sizes_of_both(&partition), [[1024, 6], [1024, 6]]);
    broadcast(&mut partition, 1030);
    assert_eq!(sizes_of_both(&partition), [[1024, 6], [1024, 6]]);
}

#[test]
fn a_writer_that_waits_is_freed_by_the_end_of_its_pool() {
    let global = network(1, 16);
    let mut partition = partition_with(&global, 1, ONE_BUFFER);
    let pool = partition.pool().clone();
    emit(&mut partition, 0, 16);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| partition.emit_record(&[1], 0, WaitLimit::none()));
        pool.lazy_destroy();
        let error = writer.join().unwrap().unwrap_err();
        assert!(
            matches!(
                &error,
                PartitionError::Pool(LocalPoolError::Destroyed { .. })
            ),
            "{error}"
        );
    });
    // What was written is still to be read, and its buffer goes home then.
    assert_eq!(global.number_of_available_segments(), 0);
    assert_eq!(sizes(&partition.subpartitions()[0]), [16]);
    assert_eq!(global.number_of_available_segments(), 1);
}

#[test]
fn what_is_written_is_counted_until_it_is_read() {
    let mut partition = two_subpartitions();
    emit(&mut partition, 0, 5);
    assert_eq!((partition.bytes_out(), partition.buffers_out()), (0, 0));
    // What was for one alone ends there.
    broadcast(&mut partition, 1024);
    assert_eq!(
        (partition.bytes_out(), partition.buffers_out()),
        (5 + 2 * 1024, 3)
    );
    partition
        .broadcast_event(vec![1; 8], DataType::AlignedCheckpointBarrier)
        .unwrap();
    assert_eq!(
        [0, 1].map(|target| partition.queued_bytes(target)),
        [1037, 1032]
    );
    assert_eq!(partition.queued_bytes(2), 0);
    assert_eq!(partition.queued_buffers(), 3 + 2);
    partition.finish().unwrap();
    partition.finish().unwrap();
    assert_eq!(partition.queued_bytes(1), 1036);
    assert_eq!(sizes_of_both(&partition), [vec![5, 1024, 8], vec![1024, 8]]);
    for subpartition in partition.subpartitions() {
        subpartition.resume_consumption().unwrap();
    }
    assert_eq!(sizes_of_both(&partition), [[4], [4]]);
    assert_eq!([0, 1].map(|target| partition.queued_bytes(target)), [0, 0]);
}

#[test]
fn a_flush_makes_the_last_buffer_count() {
    let mut partition = two_subpartitions();
    for target in [0, 1] {
        emit(&mut partition, target, 5);
    }
    let available = |partition: &BufferWritingResultPartition| {
        [0, 1].map(|target: usize| {
            partition.subpartitions()[target]
                .availability(true)
                .is_available
        })
    };
    assert_eq!(available(&partition), [false, false]);
    partition.flush(1);
    partition.flush(2);
    assert_eq!(available(&partition), [false, true]);
    partition.flush_all();
    assert_eq!(available(&partition), [true, true]);
}

#[test]
fn nothing_is_written_where_nobody_reads_it() {
    let no_wait = WaitLimit::timeout(Duration::ZERO);
    let mut partition = two_subpartitions();
    let error = partition.emit_record(&[1], 2, no_wait).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no subpartition 2: the partition has 2"
    );
    partition.finish().unwrap();
    assert!(matches!(
        partition.emit_record(&[1], 0, no_wait),
        Err(PartitionError::Finished)
    ));
    partition.release();
    assert!(matches!(
        partition.broadcast_record(&[1], no_wait),
        Err(PartitionError::Released)
    ));
    assert!(matches!(
        partition.broadcast_event(vec![1], DataType::Event),
        Err(PartitionError::Released)
    ));
    assert!(matches!(partition.finish(), Err(PartitionError::Released)));
    assert_eq!(partition.queued_buffers(), 0);
}

#[test]
fn a_partition_that_is_dropped_gives_everything_back() {
    let global = network(10, 16);
    let mut partition = partition(&global, ResultType::PipelinedBounded, 2);
    emit(&mut partition, 0, 20);
    broadcast(&mut partition, 4);
    drop(partition);
    assert_eq!(global.number_of_available_segments(), 10);
}
