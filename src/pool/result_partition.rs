//! The output of a task: records that are written into the buffers of subpartitions.
//!
//! Mirrors the use of buffers in `BufferWritingResultPartition`. Each subpartition has a buffer that is being filled,
//! or all share one while records are broadcast. A receiver may want its buffers less full than they could be; a record
//! is never cut for that where it would have to wait for the next buffer.

use std::{sync::Arc, time::Duration};

use super::{
    availability::{AvailableFuture, WaitLimit},
    buffer::{Buffer, BufferBuilder, BufferConsumer, BufferError, BuilderError, DataType},
    local_pool::{LocalBufferPool, LocalPoolError, LocalPoolSpec},
    network_pool::{NetworkBufferPool, NetworkPoolError},
    redistribution::UNBOUNDED,
    subpartition::PipelinedSubpartition,
    task_io::{TaskIoMetrics, TaskTimer},
};
use crate::budget::network::{PartitionBuffers, ShuffleSettings};

/// How many buffers one subpartition may have before its partition is not available,
/// `taskmanager.network.memory.max-buffers-per-channel`.
const MAX_BUFFERS_PER_CHANNEL: usize = 10;

/// Why a partition does not write.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    /// The partition has no such subpartition.
    #[error("there is no subpartition {target}: the partition has {subpartitions}")]
    NoSubpartition {
        /// Which one was meant.
        target: usize,
        /// How many there are.
        subpartitions: usize,
    },
    /// Nothing is written after the end.
    #[error("the partition is finished")]
    Finished,
    /// Nobody reads it any more.
    #[error("the partition was released")]
    Released,
    /// There is no buffer. The record may be written in part, so that nothing can follow it.
    #[error(transparent)]
    Pool(#[from] LocalPoolError),
    /// A buffer does not take what is written.
    #[error(transparent)]
    Builder(#[from] BuilderError),
    /// What an event says does not fit into one.
    #[error(transparent)]
    Event(#[from] BufferError),
}

/// Who tells the time, since an origin of its choice.
pub type Clock = Box<dyn Fn() -> Duration + Send>;

/// What a partition is made of.
#[derive(Clone, Debug)]
pub struct ResultPartitionSpec {
    label: String,
    subpartitions: usize,
    buffers: PartitionBuffers,
    settings: ShuffleSettings,
    buffer_limit_bytes: usize,
}

impl ResultPartitionSpec {
    /// A partition of so many subpartitions with these buffers, whose label is for people.
    #[must_use]
    pub fn new(
        label: impl Into<String>,
        subpartitions: usize,
        buffers: PartitionBuffers,
        settings: ShuffleSettings,
    ) -> Self {
        Self {
            label: label.into(),
            subpartitions,
            buffers,
            settings,
            buffer_limit_bytes: 0,
        }
    }

    /// Buffers are filled to so many bytes until a receiver says otherwise, `taskmanager.memory.starting-segment-size`
    /// where buffers are debloated.
    #[must_use]
    pub fn with_buffer_limit(mut self, bytes: usize) -> Self {
        self.buffer_limit_bytes = bytes;
        self
    }

    fn pool(&self) -> LocalPoolSpec {
        let maximum = self.buffers.maximum.map_or(UNBOUNDED, count);
        LocalPoolSpec::new(count(self.buffers.required), maximum)
            .labelled(self.label.as_str())
            .with_channels(self.subpartitions, MAX_BUFFERS_PER_CHANNEL)
            .with_overdraft(count(self.settings.max_overdraft_buffers_per_gate))
    }
}

/// A partition that one thread writes and whose subpartitions others read.
pub struct BufferWritingResultPartition {
    pool: LocalBufferPool,
    subpartitions: Vec<Arc<PipelinedSubpartition>>,
    /// What is being filled for one subpartition alone. All are `None` while records are broadcast.
    unicast: Vec<Option<BufferBuilder>>,
    /// What is being filled for all. `None` while records are for one.
    broadcast: Option<BufferBuilder>,
    metrics: Arc<TaskIoMetrics>,
    clock: Clock,
    written_bytes: Vec<u64>,
    bytes_out: u64,
    buffers_out: u64,
    is_finished: bool,
    is_released: bool,
}

impl BufferWritingResultPartition {
    /// Takes the partition's share of the network memory. The time that a writer waits for a buffer goes to the metrics
    /// of its task, by this clock.
    ///
    /// # Errors
    /// What [`NetworkBufferPool::create_buffer_pool`] says.
    pub fn set_up(
        network_pool: &NetworkBufferPool,
        spec: &ResultPartitionSpec,
        metrics: Arc<TaskIoMetrics>,
        clock: Clock,
    ) -> Result<Self, NetworkPoolError> {
        let pool = network_pool.create_buffer_pool(spec.pool())?;
        let exclusive = count(spec.settings.buffers_per_channel);
        let subpartition = || {
            Arc::new(PipelinedSubpartition::new(
                exclusive,
                spec.buffer_limit_bytes,
            ))
        };
        Ok(Self {
            pool,
            subpartitions: (0..spec.subpartitions).map(|_| subpartition()).collect(),
            unicast: (0..spec.subpartitions).map(|_| None).collect(),
            broadcast: None,
            metrics,
            clock,
            written_bytes: vec![0; spec.subpartitions],
            bytes_out: 0,
            buffers_out: 0,
            is_finished: false,
            is_released: false,
        })
    }

    /// What the readers read.
    #[must_use]
    pub fn subpartitions(&self) -> &[Arc<PipelinedSubpartition>] {
        &self.subpartitions
    }

    /// The partition's share of the network memory.
    #[must_use]
    pub fn pool(&self) -> &LocalBufferPool {
        &self.pool
    }

    /// Completes when the task may go on with its input, see [`LocalBufferPool::available`].
    #[must_use]
    pub fn available(&self) -> AvailableFuture {
        self.pool.available()
    }

    /// Writes a record for one subpartition, and waits for buffers where there are none: that is hard back-pressure.
    /// Who has a clone of the pool ends the wait by destroying it.
    ///
    /// # Errors
    /// `NoSubpartition`, `Finished`, `Released`, and `Pool` where the wait ends without a buffer.
    pub fn emit_record(
        &mut self,
        record: &[u8],
        target: usize,
        limit: WaitLimit<'_>,
    ) -> Result<(), PartitionError> {
        self.check_open()?;
        let subpartitions = self.subpartitions.len();
        let Some(written) = self.written_bytes.get_mut(target) else {
            return Err(PartitionError::NoSubpartition {
                target,
                subpartitions,
            });
        };
        *written += record.len() as u64;
        self.write(record, Receiver::One(target), limit)
    }

    /// Writes a record for all subpartitions, once.
    ///
    /// # Errors
    /// As [`emit_record`](Self::emit_record).
    pub fn broadcast_record(
        &mut self,
        record: &[u8],
        limit: WaitLimit<'_>,
    ) -> Result<(), PartitionError> {
        self.check_open()?;
        self.count_written(record.len());
        self.write(record, Receiver::All, limit)
    }

    /// Puts an event behind what was written, or before it where its type has priority. It takes no buffer of the pool.
    ///
    /// # Errors
    /// `Finished`, `Released`, `Event` for more than 2^31 − 1 bytes.
    pub fn broadcast_event(
        &mut self,
        event: Vec<u8>,
        data_type: DataType,
    ) -> Result<(), PartitionError> {
        self.check_open()?;
        self.finish_broadcast();
        self.finish_unicasts();
        let length = event.len();
        // A buffer of its own that nobody else has always has a consumer.
        if let Some(consumer) = BufferConsumer::of_buffer(Buffer::of_bytes(event, data_type)?) {
            for subpartition in &self.subpartitions {
                subpartition.add(consumer.copy(), 0);
            }
            self.count_written(length);
        }
        Ok(())
    }

    fn check_open(&self) -> Result<(), PartitionError> {
        if self.is_released {
            return Err(PartitionError::Released);
        }
        if self.is_finished {
            return Err(PartitionError::Finished);
        }
        Ok(())
    }

    fn count_written(&mut self, bytes: usize) {
        for written in &mut self.written_bytes {
            *written += bytes as u64;
        }
    }

    fn write(
        &mut self,
        record: &[u8],
        receiver: Receiver,
        limit: WaitLimit<'_>,
    ) -> Result<(), PartitionError> {
        let mut builder = match self.current(receiver) {
            Some(builder) => builder,
            None => {
                let mut builder = self.request(receiver, limit)?;
                self.add(&mut builder, receiver, 0, record.len())?;
                builder
            }
        };
        let mut rest = &record[self.append(record, &mut builder)?..];
        self.keep(builder, receiver);
        while !rest.is_empty() {
            let mut builder = self.request(receiver, limit)?;
            let partial_record_length = self.append(rest, &mut builder)?;
            // Readers must not see the buffer before it says how much of it belongs to an earlier record.
            self.add(
                &mut builder,
                receiver,
                partial_record_length,
                partial_record_length,
            )?;
            rest = &rest[partial_record_length..];
            self.keep(builder, receiver);
        }
        Ok(())
    }

    /// Takes out the buffer that is being filled for the receiver.
    fn current(&mut self, receiver: Receiver) -> Option<BufferBuilder> {
        match receiver {
            Receiver::One(target) => self.unicast.get_mut(target)?.take(),
            Receiver::All => self.broadcast.take(),
        }
    }

    /// Goes on filling the buffer, unless it is full.
    fn keep(&mut self, builder: BufferBuilder, receiver: Receiver) {
        if builder.is_full() {
            self.finish_builder(builder, receiver);
            return;
        }
        match receiver {
            Receiver::One(target) => {
                if let Some(current) = self.unicast.get_mut(target) {
                    *current = Some(builder);
                }
            }
            Receiver::All => self.broadcast = Some(builder),
        }
    }

    /// Writes as much of the record as fits. Where there would be no buffer for the rest, this one is filled further
    /// than its receiver wants.
    fn append(&self, record: &[u8], builder: &mut BufferBuilder) -> Result<usize, BuilderError> {
        let writable = builder.writable_bytes();
        if record.len() >= writable && !self.pool.is_available() {
            // One byte more, or a buffer that the record fills exactly would be full, and the next record waited.
            let missing = record.len() - writable + 1;
            builder.trim(builder.max_capacity().saturating_add(missing));
        }
        builder.append_and_commit(record)
    }

    /// Shows a buffer to its readers, and limits it to what the one who wants least wants, but not below `least`.
    fn add(
        &self,
        builder: &mut BufferBuilder,
        receiver: Receiver,
        partial_record_length: usize,
        least: usize,
    ) -> Result<(), BuilderError> {
        let consumer = builder.create_consumer_from_beginning()?;
        let limit_bytes = match receiver {
            Receiver::One(target) => self
                .subpartitions
                .get(target)
                .and_then(|subpartition| subpartition.add(consumer, partial_record_length)),
            Receiver::All => self
                .subpartitions
                .iter()
                .filter_map(|subpartition| subpartition.add(consumer.copy(), partial_record_length))
                .min(),
        };
        if let Some(limit_bytes @ 1..) = limit_bytes {
            builder.trim(limit_bytes.max(least));
        }
        Ok(())
    }

    /// A new buffer, once there is one.
    fn request(
        &mut self,
        receiver: Receiver,
        limit: WaitLimit<'_>,
    ) -> Result<BufferBuilder, LocalPoolError> {
        let channel = match receiver {
            Receiver::One(target) => {
                self.finish_broadcast();
                target
            }
            Receiver::All => {
                self.finish_unicasts();
                0
            }
        };
        if let Some(builder) = self.pool.request_buffer_builder_for(channel)? {
            return Ok(builder);
        }
        let timer = TaskTimer::HardBackPressured;
        self.metrics.mark_start(timer, (self.clock)());
        let builder = self
            .pool
            .request_buffer_builder_blocking_for(channel, limit);
        self.metrics.mark_end(timer, (self.clock)());
        builder
    }

    fn finish_builder(&mut self, mut builder: BufferBuilder, receiver: Receiver) {
        let copies = match receiver {
            Receiver::One(_) => 1,
            Receiver::All => self.subpartitions.len() as u64,
        };
        self.bytes_out += builder.finish() as u64 * copies;
        self.buffers_out += copies;
    }

    fn finish_unicast(&mut self, target: usize) {
        if let Some(builder) = self.current(Receiver::One(target)) {
            self.finish_builder(builder, Receiver::One(target));
        }
    }

    fn finish_unicasts(&mut self) {
        for target in 0..self.unicast.len() {
            self.finish_unicast(target);
        }
    }

    fn finish_broadcast(&mut self) {
        if let Some(builder) = self.current(Receiver::All) {
            self.finish_builder(builder, Receiver::All);
        }
    }

    /// Lets what is written for a subpartition be sent; nothing where there is no such subpartition.
    pub fn flush(&self, target: usize) {
        if let Some(subpartition) = self.subpartitions.get(target) {
            subpartition.flush();
        }
    }

    /// Lets everything that is written be sent.
    pub fn flush_all(&self) {
        for subpartition in &self.subpartitions {
            subpartition.flush();
        }
    }

    /// Ends the partition: what is being filled is finished, and every reader hears of the end. It can be repeated.
    ///
    /// # Errors
    /// `Released`.
    pub fn finish(&mut self) -> Result<(), PartitionError> {
        match self.check_open() {
            Err(PartitionError::Finished) => return Ok(()),
            other => other?,
        }
        self.finish_broadcast();
        self.finish_unicasts();
        for (subpartition, written) in self.subpartitions.iter().zip(&mut self.written_bytes) {
            *written += subpartition.finish() as u64;
        }
        self.is_finished = true;
        Ok(())
    }

    /// Gives up everything that was not read. It can be repeated.
    pub fn release(&mut self) {
        self.is_released = true;
        for subpartition in &self.subpartitions {
            subpartition.release();
        }
    }

    /// Ends the writing: what is being filled goes no further, and the pool ends. What is queued keeps its buffers until
    /// it was read. It can be repeated, and dropping the partition does it.
    pub fn close(&mut self) {
        self.broadcast = None;
        self.unicast.fill_with(|| None);
        self.pool.lazy_destroy();
    }

    /// How many buffers and events wait for their readers.
    #[must_use]
    pub fn queued_buffers(&self) -> usize {
        self.subpartitions
            .iter()
            .map(|subpartition| subpartition.queued_buffers())
            .sum()
    }

    /// How many bytes were written for a subpartition and not read; 0 where there is none.
    #[must_use]
    pub fn queued_bytes(&self, target: usize) -> u64 {
        self.written_bytes
            .get(target)
            .zip(self.subpartitions.get(target))
            .map_or(0, |(written, subpartition)| {
                written.saturating_sub(subpartition.total_bytes())
            })
    }

    /// How many bytes lie in buffers that are finished, each as often as it is read.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out
    }

    /// How many buffers are finished, each as often as it is read.
    #[must_use]
    pub fn buffers_out(&self) -> u64 {
        self.buffers_out
    }
}

impl Drop for BufferWritingResultPartition {
    fn drop(&mut self) {
        self.close();
    }
}

/// For whom a record is.
#[derive(Clone, Copy)]
enum Receiver {
    One(usize),
    All,
}

/// A number of buffers; more than there can be where it does not fit.
fn count(buffers: u64) -> usize {
    usize::try_from(buffers).unwrap_or(usize::MAX)
}
