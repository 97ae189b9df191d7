//! Lines K: the credits of a receiver, and the buffers behind them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use headroom::pool::{
    availability::WaitLimit,
    buffer::{Buffer, DataType, NetworkSegment},
    credit::{
        ChannelError, ClientConnection, PartitionRequestClient, ReceiverId, ReceiverMessage,
        RemoteInputChannel,
    },
    local_pool::{LocalBufferPool, LocalPoolSpec},
    network_pool::NetworkBufferPool,
};

use crate::random::Random;

const SEGMENT_BYTES: usize = 32;

/// A connection on which nothing is ever sent.
pub struct Nowhere;

impl PartitionRequestClient for Nowhere {
    fn request_subpartition(&self, _initial_credit: usize) {}
    fn notify_credit_available(&self) {}
    fn notify_new_buffer_size(&self, _bytes: usize) {}
    fn resume_consumption(&self) {}
    fn close(&self) {}
}

/// A network pool and one local pool of floating buffers, all of which it is guaranteed.
struct Pools {
    network: NetworkBufferPool,
    floating: LocalBufferPool,
    segments: usize,
}

impl Pools {
    fn new(segments: usize, floating: usize) -> Self {
        let network = NetworkBufferPool::new(
            segments,
            SEGMENT_BYTES,
            headroom::pool::network_pool::DEFAULT_REQUEST_TIMEOUT,
        )
        .unwrap();
        let floating = network
            .create_buffer_pool(LocalPoolSpec::new(floating, floating))
            .unwrap();
        Self {
            network,
            floating,
            segments,
        }
    }

    fn channel(&self, exclusive: usize) -> RemoteInputChannel {
        RemoteInputChannel::new(exclusive, &self.network, &self.floating)
    }

    /// A channel that has its exclusive buffers and a connection.
    fn working_channel(&self, exclusive: usize) -> RemoteInputChannel {
        let channel = self.channel(exclusive);
        channel.set_up().unwrap();
        channel.request_subpartition(Arc::new(Nowhere));
        channel
    }

    fn floating_buffer(&self) -> Buffer {
        self.floating.request_buffer().unwrap().unwrap()
    }

    fn lying(&self) -> usize {
        self.floating.number_of_available_segments()
    }

    /// All segments are where they came from.
    fn assert_nothing_is_lost(&self) {
        assert_eq!(self.floating.number_of_used_buffers(), 0);
        assert_eq!(
            self.lying() + self.network.number_of_available_segments(),
            self.segments
        );
    }
}

/// Available, required, lying in the pool, waiting.
fn figures(channel: &RemoteInputChannel, pools: &Pools) -> (usize, usize, usize, bool) {
    (
        channel.available_buffers(),
        channel.required_buffers(),
        pools.lying(),
        channel.is_waiting_for_floating_buffers(),
    )
}

fn data() -> Buffer {
    let mut buffer = Buffer::new(NetworkSegment::on_heap(8), DataType::Data);
    buffer.set_size(8).unwrap();
    buffer
}

fn barrier() -> Buffer {
    Buffer::of_bytes(vec![1, 2, 3], DataType::AlignedCheckpointBarrier).unwrap()
}

/// A channel that gets less than it should have waits once, keeps what comes, gives back what came too late, and waits
/// again when it should have more.
#[test]
fn k1_fewer_available_than_required() {
    let pools = Pools::new(16, 14);
    let channel = pools.working_channel(2);
    let exclusive = channel.request_buffer().unwrap();
    let [first, second] = [pools.floating_buffer(), pools.floating_buffer()];

    channel.on_sender_backlog(14).unwrap();
    assert_eq!(figures(&channel, &pools), (13, 16, 0, true));
    channel.on_sender_backlog(16).unwrap();
    assert_eq!(figures(&channel, &pools), (13, 18, 0, true));
    drop(exclusive);
    assert_eq!(figures(&channel, &pools), (14, 18, 0, true));
    drop(first);
    assert_eq!(figures(&channel, &pools), (15, 18, 0, true));
    channel.on_sender_backlog(13).unwrap();
    assert_eq!(figures(&channel, &pools), (15, 15, 0, true));
    drop(second);
    assert_eq!(figures(&channel, &pools), (15, 15, 1, false));
    channel.on_sender_backlog(15).unwrap();
    assert_eq!(figures(&channel, &pools), (16, 17, 0, true));

    drop(channel);
    pools.assert_nothing_is_lost();
}

/// A channel that has as many as it should gives a floating buffer back for each exclusive one that returns.
#[test]
fn k2_as_many_available_as_required() {
    let pools = Pools::new(16, 14);
    let channel = pools.working_channel(2);
    let (exclusive, floating) = (channel.request_buffer().unwrap(), pools.floating_buffer());

    channel.on_sender_backlog(12).unwrap();
    assert_eq!(figures(&channel, &pools), (14, 14, 0, false));
    drop(floating);
    assert_eq!(figures(&channel, &pools), (14, 14, 1, false));
    drop(exclusive);
    assert_eq!(figures(&channel, &pools), (14, 14, 2, false));

    drop(channel);
    pools.assert_nothing_is_lost();
}

/// A channel that has more than it should, because the sender has less to send now, keeps it and takes no more.
#[test]
fn k3_more_available_than_required() {
    let pools = Pools::new(16, 14);
    let channel = pools.working_channel(2);
    let (exclusive, floating) = (channel.request_buffer().unwrap(), pools.floating_buffer());

    channel.on_sender_backlog(12).unwrap();
    channel.on_sender_backlog(10).unwrap();
    assert_eq!(figures(&channel, &pools), (14, 12, 0, false));
    drop(exclusive);
    assert_eq!(figures(&channel, &pools), (14, 12, 1, false));
    drop(floating);
    assert_eq!(figures(&channel, &pools), (14, 12, 2, false));

    drop(channel);
    pools.assert_nothing_is_lost();
}

/// Three channels that wait get one buffer each of three that come back, though the first could use all.
#[test]
fn k4_floating_buffers_are_shared_fairly() {
    let pools = Pools::new(12, 3);
    let channels = [0; 3].map(|_| pools.working_channel(2));
    let floating = [0; 3].map(|_| pools.floating_buffer());
    for channel in &channels {
        channel.on_sender_backlog(8).unwrap();
        assert_eq!(channel.available_buffers(), 2);
        assert!(channel.is_waiting_for_floating_buffers());
    }
    drop(floating);
    for channel in &channels {
        assert_eq!(channel.available_buffers(), 3);
        assert_eq!(channel.unannounced_credit(), 1);
    }
    drop(channels);
    pools.assert_nothing_is_lost();
}

/// A channel that can't announce its credit fails alone; the buffer it got goes to the next when it is released.
#[test]
fn k5_failure_while_announcing() {
    let pools = Pools::new(2, 1);
    let working = pools.channel(1);
    working.request_subpartition(Arc::new(Nowhere));
    // Without a connection.
    let failing = pools.channel(1);

    let floating = pools.floating_buffer();
    failing.on_sender_backlog(1).unwrap();
    working.on_sender_backlog(2).unwrap();
    drop(floating);
    assert!(matches!(
        failing.next_buffer(),
        Err(ChannelError::NotRequested)
    ));
    assert_eq!((failing.available_buffers(), pools.lying()), (1, 0));
    assert_eq!(working.available_buffers(), 0);

    failing.release_all_resources();
    assert_eq!(pools.lying(), 0);
    let buffer = working.request_buffer().unwrap();
    assert!(working.next_buffer().unwrap().is_none());
    drop((buffer, working, failing));
    pools.assert_nothing_is_lost();
}

/// Runs both at once, the second when the first has begun.
fn at_once(first: impl FnOnce(&dyn Fn()) + Send, second: impl FnOnce() + Send) {
    let begun = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let first_thread = scope.spawn(|| first(&|| begun.store(true, Ordering::Release)));
        while !begun.load(Ordering::Acquire) && !first_thread.is_finished() {
            std::thread::yield_now();
        }
        second();
    });
}

/// A channel that is released while the sender's backlog goes up and up ends without a buffer, and all 130 are back.
#[test]
fn k6_backlog_against_release() {
    for _ in 0..10 {
        let pools = Pools::new(130, 128);
        let channel = pools.working_channel(2);
        at_once(
            |begin| {
                while !channel.is_released() {
                    for backlog in 1..=128 {
                        channel.on_sender_backlog(backlog).unwrap();
                        begin();
                    }
                }
            },
            || channel.release_all_resources(),
        );
        assert_eq!(channel.available_buffers(), 0);
        pools.assert_nothing_is_lost();
    }
}

/// All exclusive and all floating buffers of a channel with 120 and 128, in any order.
fn all_buffers(pools: &Pools, channel: &RemoteInputChannel, seed: u64) -> Vec<Buffer> {
    let mut buffers: Vec<_> = (0..120)
        .map(|_| channel.request_buffer().unwrap())
        .chain((0..128).map(|_| pools.floating_buffer()))
        .collect();
    let mut random = Random::new(seed);
    for index in (1..buffers.len()).rev() {
        buffers.swap(index, random.below(index + 1));
    }
    buffers
}

/// While the backlog goes up to 128, all buffers come back: the channel ends with all that it should have.
#[test]
fn k7_backlog_against_recycling() {
    for seed in 0..10 {
        let pools = Pools::new(248, 128);
        let channel = pools.working_channel(120);
        let buffers = all_buffers(&pools, &channel, seed);
        at_once(
            |begin| {
                for buffer in buffers {
                    drop(buffer);
                    begin();
                }
            },
            || {
                for backlog in 1..=128 {
                    channel.on_sender_backlog(backlog).unwrap();
                }
            },
        );
        // Where the last buffer to come back was an exclusive one, a listener that asked before it waits on.
        let (available, required, lying, _) = figures(&channel, &pools);
        assert_eq!((available, required, lying), (248, 248, 0));
        drop(channel);
        pools.assert_nothing_is_lost();
    }
}

/// While all buffers come back the channel is released: the exclusive ones are with the network pool, the others lie.
#[test]
fn k7_recycling_against_release() {
    for seed in 0..10 {
        let pools = Pools::new(248, 128);
        let channel = pools.working_channel(120);
        let buffers = all_buffers(&pools, &channel, seed);
        at_once(
            |begin| {
                for buffer in buffers {
                    drop(buffer);
                    begin();
                }
            },
            || channel.release_all_resources(),
        );
        assert_eq!(channel.available_buffers(), 0);
        assert_eq!(pools.lying(), 128);
        assert_eq!(pools.network.number_of_available_segments(), 120);
    }
}

/// A writer of the same pool and a channel that returns its exclusive buffers give floating ones back at the same time:
/// nobody waits for the other's lock, and nothing is lost.
#[test]
fn k7_recycling_into_a_pool_against_its_listeners() {
    let pools = Pools::new(4, 2);
    let channel = pools.working_channel(2);
    at_once(
        |begin| {
            for _ in 0..1_000 {
                begin();
                let builder = pools
                    .floating
                    .request_buffer_builder_blocking(WaitLimit::none());
                drop(builder.unwrap());
            }
        },
        || {
            for _ in 0..1_000 {
                let mut taken = Vec::new();
                while channel.available_buffers() > 0 {
                    taken.extend(channel.request_buffer());
                }
                channel.on_sender_backlog(0).unwrap();
                drop(taken);
            }
            channel.release_all_resources();
        },
    );
    pools.assert_nothing_is_lost();
}

/// A buffer that arrives while the channel is released is given back, whichever was first.
#[test]
fn k7_arrival_against_release() {
    let pools = Pools::new(10, 8);
    for _ in 0..50 {
        let channel = pools.working_channel(2);
        at_once(
            |begin| {
                for sequence_number in 0.. {
                    let buffer = match channel.request_buffer() {
                        Ok(buffer) => buffer,
                        Err(ChannelError::Released) => break,
                        // Between the check and the taking.
                        Err(ChannelError::NoBuffer) if channel.is_released() => break,
                        Err(error) => panic!("{error}"),
                    };
                    channel.on_buffer(buffer, sequence_number, Some(1)).unwrap();
                    drop(channel.next_buffer());
                    begin();
                }
            },
            || channel.release_all_resources(),
        );
        assert_eq!(
            (channel.queued_buffers(), channel.available_buffers()),
            (0, 0)
        );
        pools.assert_nothing_is_lost();
    }
}

/// A floating buffer that is offered while the channel is released is kept by neither.
#[test]
fn k7_offer_against_release() {
    for _ in 0..50 {
        let pools = Pools::new(10, 8);
        let channel = pools.working_channel(2);
        let held: Vec<_> = (0..8).map(|_| pools.floating_buffer()).collect();
        channel.on_sender_backlog(20).unwrap();
        at_once(
            |begin| {
                for buffer in held {
                    begin();
                    drop(buffer);
                }
            },
            || channel.release_all_resources(),
        );
        assert_eq!(channel.available_buffers(), 0);
        pools.assert_nothing_is_lost();
    }
}

/// What lies in the channel and what the sender has queued count as in use.
#[test]
fn k8_buffers_in_use() {
    let pools = Pools::new(10, 8);
    let channel = pools.working_channel(2);
    channel.on_buffer(data(), 0, Some(1)).unwrap();
    assert_eq!(channel.buffers_in_use(), 2);
    channel.on_buffer(data(), 1, Some(3)).unwrap();
    assert_eq!(channel.buffers_in_use(), 5);
    for expected in [4, 3, 3] {
        drop(channel.next_buffer().unwrap());
        assert_eq!(channel.buffers_in_use(), expected);
    }
}

/// A barrier makes a channel without exclusive buffers give all floating ones back and forget its credit; one that has
/// some keeps both. As in Flink's test, the exclusive buffers are left out, so that all come from the pool.
#[test]
fn k9_upstream_blocked_and_resumed() {
    let pools = Pools::new(16, 16);
    let channels = [2, 0].map(|exclusive| pools.channel(exclusive));
    for channel in &channels {
        channel.request_subpartition(Arc::new(Nowhere));
        channel.on_sender_backlog(2).unwrap();
    }
    let both =
        |figure: fn(&RemoteInputChannel) -> usize| [figure(&channels[0]), figure(&channels[1])];
    let available = || both(RemoteInputChannel::available_buffers);
    let credit = || both(RemoteInputChannel::unannounced_credit);
    assert_eq!(available(), [4, 2]);
    for channel in &channels {
        channel.on_buffer(barrier(), 0, Some(0)).unwrap();
    }
    assert_eq!(available(), [4, 0]);
    for channel in &channels {
        channel.resume_consumption().unwrap();
    }
    assert_eq!(credit(), [4, 0]);
    for channel in &channels {
        channel.on_sender_backlog(4).unwrap();
    }
    assert_eq!(available(), [6, 4]);
    assert_eq!(credit(), [6, 4]);
    assert!(matches!(
        channels[0].on_buffer(barrier(), 1, Some(1)),
        Err(ChannelError::BacklogWhileBlocked { backlog: 1 })
    ));
}

/// Each buffer that is taken for data is one less that is needed.
#[test]
fn k10_taken_buffers_are_needed_no_more() {
    let pools = Pools::new(16, 14);
    for (exclusive, required) in [(2, [4, 3, 2, 1, 0].as_slice()), (0, [2, 1, 0].as_slice())] {
        let channel = pools.working_channel(exclusive);
        channel.on_sender_backlog(2).unwrap();
        for (taken, required) in required.iter().enumerate() {
            assert_eq!(channel.required_buffers(), *required, "{taken} taken");
            drop(channel.request_buffer());
        }
    }
}

/// A backlog that is announced alone gets buffers as one that comes with data: as many as there are.
#[test]
fn k11_announced_backlog() {
    let pools = Pools::new(10, 8);
    let channel = pools.working_channel(2);
    let figures = || {
        (
            channel.available_buffers(),
            channel.required_buffers(),
            channel.available_floating_buffers(),
        )
    };
    assert_eq!(figures(), (2, 0, 0));
    channel.on_sender_backlog(5).unwrap();
    assert_eq!(figures(), (7, 7, 5));
    channel.on_sender_backlog(12).unwrap();
    assert_eq!(figures(), (10, 14, 8));
}

/// Credit is announced once for each channel however it came, and stays where it is while nothing can be sent.
#[test]
fn k12_announcing_credit() {
    let pools = Pools::new(16, 12);
    let wakes = Arc::new(AtomicUsize::new(0));
    let connection = ClientConnection::new({
        let wakes = Arc::clone(&wakes);
        move || {
            wakes.fetch_add(1, Ordering::Relaxed);
        }
    });
    let receivers = [ReceiverId(1), ReceiverId(2)];
    let channels = receivers.map(|receiver| {
        let channel = pools.channel(2);
        channel.set_up().unwrap();
        channel.request_subpartition(connection.client_of(receiver, &channel));
        channel
    });
    let credit = || [0, 1].map(|index: usize| channels[index].unannounced_credit());
    for receiver in receivers {
        let initial_credit = 2;
        assert_eq!(
            connection.next_message(),
            Some(ReceiverMessage::PartitionRequest {
                receiver,
                initial_credit
            })
        );
    }
    for channel in &channels {
        let buffer = channel.request_buffer().unwrap();
        channel.on_buffer(buffer, 0, Some(1)).unwrap();
    }
    assert_eq!(credit(), [2, 2]);
    let add = |receiver, credit| Some(ReceiverMessage::AddCredit { receiver, credit });
    assert_eq!(connection.next_message(), add(receivers[0], 2));
    assert_eq!(connection.next_message(), add(receivers[1], 2));
    assert_eq!(connection.next_message(), None);
    assert_eq!(credit(), [0, 0]);

    connection.set_writable(false);
    channels[0].on_sender_backlog(2).unwrap();
    assert_eq!(connection.next_message(), None);
    assert_eq!(credit(), [1, 0]);
    channels[0].on_sender_backlog(3).unwrap();
    connection.set_writable(true);
    assert_eq!(connection.next_message(), add(receivers[0], 2));
    assert_eq!(connection.next_message(), None);

    // Of a released channel nothing is told but that it is.
    channels[0].on_sender_backlog(4).unwrap();
    channels[0].release_all_resources();
    let receiver = receivers[0];
    assert_eq!(
        connection.next_message(),
        Some(ReceiverMessage::CancelPartitionRequest { receiver })
    );
    assert_eq!(connection.next_message(), None);
    assert_eq!(wakes.load(Ordering::Relaxed), 4);
}

/// Data for which there is no buffer, or out of its order, is an error that the reader hears of; its buffer is not lost.
#[test]
fn k13_data_that_does_not_fit() {
    let pools = Pools::new(10, 8);
    let without_buffers = pools.working_channel(0);
    assert!(matches!(
        without_buffers.request_buffer(),
        Err(ChannelError::NoBuffer)
    ));
    assert!(matches!(
        without_buffers.next_buffer(),
        Err(ChannelError::NoBuffer)
    ));

    let channel = pools.working_channel(2);
    let [first, second] = [0; 2].map(|_| channel.request_buffer().unwrap());
    channel.on_buffer(first, 0, None).unwrap();
    let error = channel.on_buffer(second, 29, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "buffer re-ordering: expected buffer with sequence number 1, but received 29"
    );
    assert!(matches!(
        channel.next_buffer(),
        Err(ChannelError::BufferReordering {
            expected: 1,
            received: 29
        })
    ));
    assert_eq!(
        (channel.queued_buffers(), channel.available_buffers()),
        (1, 1)
    );
    channel.release_all_resources();
    pools.assert_nothing_is_lost();
}

/// A released channel tells its sender nothing any more.
#[test]
fn k17_released_channel() {
    let pools = Pools::new(10, 8);
    let channel = pools.working_channel(2);
    channel.release_all_resources();
    channel.release_all_resources();
    assert!(matches!(
        channel.announce_buffer_size(10),
        Err(ChannelError::Released)
    ));
    assert!(matches!(
        channel.resume_consumption(),
        Err(ChannelError::Released)
    ));
    assert!(matches!(channel.next_buffer(), Err(ChannelError::Released)));
    assert!(matches!(channel.set_up(), Err(ChannelError::Released)));
    assert!(channel.on_buffer(data(), 0, Some(5)).is_ok());
    assert_eq!(
        (channel.queued_buffers(), channel.available_buffers()),
        (0, 0)
    );
    pools.assert_nothing_is_lost();
}
