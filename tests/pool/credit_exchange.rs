//! Both sides of flow control with a network between them: whatever the order of events, nothing comes without a buffer,
//! nothing is lost, nobody waits for ever, and all segments come home.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use headroom::{
    budget::{
        FlinkVersion,
        network::{GateBuffers, PartitionBuffers, ShuffleSettings},
    },
    pool::{
        availability::WaitLimit,
        buffer::{Buffer, DataType},
        credit::{
            ClientConnection, PartitionRequestQueue, ReceiverId, ReceiverMessage, SenderMessage,
        },
        input_gate::InputGate,
        network_pool::{DEFAULT_REQUEST_TIMEOUT, NetworkBufferPool},
        result_partition::{BufferWritingResultPartition, ResultPartitionSpec},
        task_io::TaskIoMetrics,
    },
};
use proptest::prelude::*;

const SEGMENT_BYTES: usize = 16;
/// Segments of the sending side, more than one record needs.
const OUTPUT_SEGMENTS: usize = 12;
const MOST_RECORD_BYTES: usize = 40;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    Emit { target: usize, bytes: usize },
    Broadcast { bytes: usize },
    Barrier,
    Flush,
    LimitBuffers { bytes: usize },
    Send,
    Arrive,
    Consume { channel: usize },
    Recycle,
    Answer,
    Hear,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_usize..4, 0..=MOST_RECORD_BYTES).prop_map(|(target, bytes)| Event::Emit { target, bytes }),
        1 => (0..=MOST_RECORD_BYTES).prop_map(|bytes| Event::Broadcast { bytes }),
        1 => Just(Event::Barrier),
        1 => Just(Event::Flush),
        1 => (0_usize..20).prop_map(|bytes| Event::LimitBuffers { bytes }),
        4 => Just(Event::Send),
        4 => Just(Event::Arrive),
        4 => (0_usize..4).prop_map(|channel| Event::Consume { channel }),
        4 => Just(Event::Recycle),
        4 => Just(Event::Answer),
        4 => Just(Event::Hear),
    ]
}

struct Exchange {
    output_pool: NetworkBufferPool,
    input_pool: NetworkBufferPool,
    partition: BufferWritingResultPartition,
    gate: InputGate,
    connection: Arc<ClientConnection>,
    queue: PartitionRequestQueue,
    to_sender: VecDeque<ReceiverMessage>,
    to_receiver: VecDeque<SenderMessage>,
    /// What the task has not given back.
    held: VecDeque<Buffer>,
    emitted: Vec<Vec<u8>>,
    consumed: Vec<Vec<u8>>,
    ended: Vec<bool>,
    /// Channels that have the barrier, while there is one.
    aligned: Option<Vec<bool>>,
    next_byte: u8,
}

impl Exchange {
    fn new(channels: usize, exclusive: usize, floating: usize) -> Self {
        let settings = ShuffleSettings {
            buffers_per_channel: exclusive as u64,
            floating_buffers_per_gate: floating as u64,
            max_overdraft_buffers_per_gate: 0,
            ..ShuffleSettings::default_of(FlinkVersion::V2_3)
        };
        let input_segments = exclusive * channels + floating;
        let pool = |segments| {
            NetworkBufferPool::new(segments, SEGMENT_BYTES, DEFAULT_REQUEST_TIMEOUT).unwrap()
        };
        let (output_pool, input_pool) = (pool(OUTPUT_SEGMENTS), pool(input_segments));
        let output = PartitionBuffers {
            required: OUTPUT_SEGMENTS as u64,
            maximum: Some(OUTPUT_SEGMENTS as u64),
            target: OUTPUT_SEGMENTS as u64,
        };
        let partition = BufferWritingResultPartition::set_up(
            &output_pool,
            &ResultPartitionSpec::new("output", channels, output, settings),
            Arc::new(TaskIoMetrics::new(true)),
            Box::new(|| Duration::ZERO),
        )
        .unwrap();
        let input = GateBuffers {
            exclusive_per_channel: exclusive as u64,
            required_floating: 1,
            total_floating: floating as u64,
            target: input_segments as u64,
        };
        let gate = InputGate::set_up(&input_pool, &input, channels, "input").unwrap();
        let connection = ClientConnection::new(|| {});
        for (receiver, channel) in (0..).zip(gate.channels()) {
            channel.request_subpartition(connection.client_of(ReceiverId(receiver), channel));
        }
        Self {
            output_pool,
            input_pool,
            partition,
            gate,
            connection,
            queue: PartitionRequestQueue::new(|| {}),
            to_sender: VecDeque::new(),
            to_receiver: VecDeque::new(),
            held: VecDeque::new(),
            emitted: vec![Vec::new(); channels],
            consumed: vec![Vec::new(); channels],
            ended: vec![false; channels],
            aligned: None,
            next_byte: 0,
        }
    }

    fn record(&mut self, bytes: usize) -> Vec<u8> {
        (0..bytes)
            .map(|_| {
                self.next_byte = self.next_byte.wrapping_add(1);
                self.next_byte
            })
            .collect()
    }

    /// Whether a record finds its buffers without waiting. A limit never cuts what begins or goes on in a new buffer, so
    /// that all but the first hold as much of the record as a segment does.
    fn can_write(&self, bytes: usize) -> bool {
        let pool = self.partition.pool();
        let free = pool.number_of_buffers() - pool.number_of_used_buffers();
        free > bytes.div_ceil(SEGMENT_BYTES)
    }

    fn happen(&mut self, event: Event) {
        let no_wait = WaitLimit::timeout(Duration::ZERO);
        match event {
            Event::Emit { target, bytes } => {
                let target = target % self.emitted.len();
                if self.can_write(bytes) {
                    let record = self.record(bytes);
                    self.partition
                        .emit_record(&record, target, no_wait)
                        .unwrap();
                    self.emitted[target].extend(record);
                }
            }
            Event::Broadcast { bytes } => {
                if self.can_write(bytes) {
                    let record = self.record(bytes);
                    self.partition.broadcast_record(&record, no_wait).unwrap();
                    for emitted in &mut self.emitted {
                        emitted.extend(&record);
                    }
                }
            }
            Event::Barrier => {
                if self.aligned.is_none() {
                    self.aligned = Some(vec![false; self.emitted.len()]);
                    let data_type = DataType::AlignedCheckpointBarrier;
                    self.partition
                        .broadcast_event(vec![9; 8], data_type)
                        .unwrap();
                }
            }
            Event::Flush => self.partition.flush_all(),
            Event::LimitBuffers { bytes } => self.gate.announce_buffer_size(bytes).unwrap(),
            Event::Send => self.to_receiver.extend(self.queue.next_message().unwrap()),
            Event::Arrive => {
                if let Some(message) = self.to_receiver.pop_front() {
                    self.arrive(message);
                }
            }
            Event::Consume { channel } => self.consume(channel % self.emitted.len()),
            Event::Recycle => drop(self.held.pop_front()),
            Event::Answer => self.to_sender.extend(self.connection.next_message()),
            Event::Hear => {
                if let Some(message) = self.to_sender.pop_front() {
                    self.hear(message);
                }
            }
        }
    }

    fn arrive(&self, message: SenderMessage) {
        match message {
            SenderMessage::Buffer {
                receiver,
                buffer: sent,
                sequence_number,
                backlog,
            } => {
                let channel = &self.gate.channels()[receiver.0 as usize];
                if sent.data_type().is_buffer() && sent.size() == 0 {
                    channel
                        .on_empty_buffer(sequence_number, Some(backlog))
                        .unwrap();
                    return;
                }
                let received = if sent.data_type().is_buffer() {
                    let mut buffer = channel.request_buffer().unwrap();
                    buffer.memory_mut().unwrap()[..sent.size()].copy_from_slice(sent.readable());
                    buffer.set_size(sent.size()).unwrap();
                    buffer
                } else {
                    Buffer::of_bytes(sent.readable().to_vec(), sent.data_type()).unwrap()
                };
                channel
                    .on_buffer(received, sequence_number, Some(backlog))
                    .unwrap();
            }
            SenderMessage::BacklogAnnouncement { receiver, backlog } => self.gate.channels()
                [receiver.0 as usize]
                .on_sender_backlog(backlog)
                .unwrap(),
        }
    }

    fn hear(&mut self, message: ReceiverMessage) {
        if let ReceiverMessage::PartitionRequest {
            receiver,
            initial_credit,
        } = message
        {
            let subpartition = &self.partition.subpartitions()[receiver.0 as usize];
            self.queue
                .add_reader(receiver, Arc::clone(subpartition), initial_credit)
                .unwrap();
        } else {
            self.queue.receive(message).unwrap();
        }
    }

    fn consume(&mut self, channel: usize) {
        let Some(next) = self.gate.channels()[channel].next_buffer().unwrap() else {
            return;
        };
        match next.buffer.data_type() {
            DataType::Data => {
                self.consumed[channel].extend(next.buffer.readable());
                self.held.push_back(next.buffer);
            }
            DataType::AlignedCheckpointBarrier => {
                let aligned = self.aligned.as_mut().unwrap();
                aligned[channel] = true;
                if aligned.iter().all(|aligned| *aligned) {
                    self.aligned = None;
                    for channel in self.gate.channels() {
                        channel.resume_consumption().unwrap();
                    }
                }
            }
            DataType::EndOfPartition => self.ended[channel] = true,
            other => panic!("{other:?}"),
        }
    }

    /// Lets everything that was written come through, and says how many rounds it took.
    fn run_to_the_end(&mut self) -> usize {
        self.partition.finish().unwrap();
        for round in 0..2_000 {
            if self.ended.iter().all(|ended| *ended) {
                return round;
            }
            for event in [Event::Answer, Event::Hear, Event::Send, Event::Arrive] {
                self.happen(event);
            }
            for channel in 0..self.emitted.len() {
                self.happen(Event::Consume { channel });
            }
            self.happen(Event::Recycle);
        }
        panic!("{:?} ended, and the others wait", self.ended);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn all_data_comes_through_in_any_order_of_events(
        channels in 1_usize..4,
        exclusive in 0_usize..3,
        floating in 1_usize..5,
        events in prop::collection::vec(event(), 0..400),
    ) {
        let mut exchange = Exchange::new(channels, exclusive, floating);
        for event in events {
            exchange.happen(event);
        }
        exchange.run_to_the_end();
        prop_assert_eq!(&exchange.emitted, &exchange.consumed);

        let Exchange { output_pool, input_pool, gate, partition, queue, held, .. } = exchange;
        drop((gate, partition, queue, held));
        for (pool, segments) in [
            (output_pool, OUTPUT_SEGMENTS),
            (input_pool, exclusive * channels + floating),
        ] {
            prop_assert_eq!(pool.number_of_available_segments(), segments);
        }
    }
}

/// With one floating buffer and none of their own, three channels take turns.
#[test]
fn one_buffer_serves_three_channels() {
    let mut exchange = Exchange::new(3, 0, 1);
    for target in [0, 1, 2] {
        exchange.happen(Event::Emit { target, bytes: 20 });
    }
    let rounds = exchange.run_to_the_end();
    assert_eq!(exchange.emitted, exchange.consumed);
    assert!(rounds < 200, "{rounds} rounds");
    assert!(
        exchange
            .consumed
            .iter()
            .all(|consumed| consumed.len() == 20)
    );
}
