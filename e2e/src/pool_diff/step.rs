//! One step of a sequence, and how it is written for both sides: a name and its arguments, such as
//! `create pool=3 required=2 max=10`.
//!
//! Pools, held buffers, listeners and futures have labels, which the step that makes them gives. A step that names what
//! is not there does nothing on either side, so that steps can be left out of a sequence.

use std::fmt;

use headroom::pool::redistribution::UNBOUNDED;

/// What a step says that names something which is not there, or not any more.
pub(super) const NOTHING: &str = "nothing";

/// The name of something that an earlier step made.
pub type Label = u32;

/// What is done with the pools.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A network pool; all that was before is forgotten.
    Network {
        /// How many segments it has.
        segments: usize,
        /// How long each is.
        bytes: usize,
    },
    /// A local pool.
    Create {
        /// Its label.
        pool: Label,
        /// How many segments it is guaranteed.
        required: usize,
        /// How many it may have.
        max: usize,
        /// How many channels it serves.
        channels: usize,
        /// How many buffers a channel may have before the pool is unavailable.
        per_channel: usize,
        /// How many segments it may have beyond its size.
        overdraft: usize,
    },
    /// The end of a local pool.
    DestroyPool(Label),
    /// A segment of a local pool; blocking or not.
    Segment {
        /// Of which pool.
        pool: Label,
        /// Its label, if it is given.
        held: Label,
        /// Whether the request would wait.
        blocking: bool,
    },
    /// Segments of a local pool one after the other, until it has none to give.
    Segments {
        /// Of which pool.
        pool: Label,
        /// How many at most.
        number: usize,
        /// The label of the first one; the others follow.
        held: Label,
    },
    /// Segments of a local pool that are taken together and given back one by one, again and again.
    Bursts {
        /// Of which pool.
        pool: Label,
        /// How many are taken together, if it has so many to give.
        number: usize,
        /// How often.
        times: usize,
    },
    /// A buffer of a local pool.
    Buffer {
        /// Of which pool.
        pool: Label,
        /// Its label, if it is given.
        held: Label,
    },
    /// A builder of a local pool, for a channel or for none.
    Builder {
        /// Of which pool.
        pool: Label,
        /// Its label, if it is given.
        held: Label,
        /// For which channel.
        channel: Option<usize>,
        /// Whether the request would wait.
        blocking: bool,
    },
    /// One more handle of a held buffer.
    Retain {
        /// Of which buffer.
        of: Label,
        /// Its label.
        held: Label,
    },
    /// Gives back whatever is held under this label.
    Recycle(Label),
    /// Gives back one by one what is held under these labels.
    RecycleMany {
        /// The first label.
        held: Label,
        /// How many labels.
        number: usize,
    },
    /// Changes the size of a local pool, as nobody but the distribution does in Flink.
    Resize {
        /// Of which pool.
        pool: Label,
        /// To what.
        size: usize,
    },
    /// Changes how many segments a local pool may have beyond its size.
    Overdraft {
        /// Of which pool.
        pool: Label,
        /// To what.
        overdraft: usize,
    },
    /// Has a local pool hold so many segments.
    Reserve {
        /// Which pool.
        pool: Label,
        /// How many.
        number: usize,
    },
    /// Waits for a buffer of a local pool, which is held under the label when it is accepted.
    Listener {
        /// Of which pool.
        pool: Label,
        /// The label.
        held: Label,
        /// Whether the buffer will be accepted.
        accepts: bool,
    },
    /// Takes the availability future of a local pool.
    Future {
        /// Of which pool.
        pool: Label,
        /// Its label.
        future: Label,
    },
    /// Takes the availability future of the network pool.
    FutureOfNetwork(Label),
    /// Exclusive segments, which would be waited for.
    Unpooled {
        /// How many.
        number: usize,
        /// The label of the first one; the others follow.
        held: Label,
    },
    /// Gives back exclusive segments together.
    RecycleUnpooled(Vec<Label>),
    /// A segment of the network pool.
    Pooled(Label),
    /// Segments of the network pool, which would be waited for.
    PooledBlocking {
        /// How many.
        number: usize,
        /// The label of the first one; the others follow.
        held: Label,
    },
    /// What is to be told of the demand for network memory.
    UsageNotice,
    /// The end of all local pools.
    DestroyAll,
    /// The end of the network pool.
    Destroy,
    /// A memory manager; all that was before is forgotten.
    Manager {
        /// How many bytes it has.
        size: u64,
        /// How many of them a page has.
        page: u64,
    },
    /// Pages for an owner.
    Allocate {
        /// Whose.
        owner: Label,
        /// How many.
        number: u32,
        /// The label of the first one; the others follow.
        page: Label,
    },
    /// Gives back a page.
    Release(Label),
    /// Gives back pages together, whoever has them.
    ReleaseList(Vec<Label>),
    /// Gives back all pages of an owner.
    ReleaseAll(Label),
    /// Bytes for an owner.
    ReserveBytes {
        /// Whose.
        owner: Label,
        /// How many.
        bytes: u64,
    },
    /// Gives back bytes of an owner.
    ReleaseBytes {
        /// Whose.
        owner: Label,
        /// How many.
        bytes: u64,
    },
    /// Gives back all bytes of an owner.
    ReleaseAllBytes(Label),
    /// How many pages a share of the memory makes.
    PagesOf(f64),
    /// How many bytes a share of the memory makes.
    BytesOf(f64),
    /// A lease of a shared resource.
    Shared {
        /// The name of the resource.
        name: u32,
        /// What it takes of the memory, or of another one.
        size: SharedSize,
        /// Whether it can be made, by the first who asks.
        is_refused: bool,
        /// The label of the lease.
        lease: Label,
    },
    /// Ends a lease.
    Close(Label),
    /// Shuts the manager down.
    Shutdown,
}

/// What a shared resource is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SharedSize {
    /// A share of the manager's memory.
    Fraction(f64),
    /// So many bytes that are not the manager's.
    External(u64),
}

impl Step {
    /// The name of the step, without its arguments.
    #[must_use]
    pub fn name(&self) -> String {
        let text = self.to_string();
        text.split(' ').next().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocking = |blocking: &bool| if *blocking { "-blocking" } else { "" };
        match self {
            Self::Network { segments, bytes } => {
                write!(formatter, "network segments={segments} bytes={bytes}")
            }
            Self::Create {
                pool,
                required,
                max,
                channels,
                per_channel,
                overdraft,
            } => write!(
                formatter,
                "create pool={pool} required={required} max={} channels={channels} per-channel={} overdraft={overdraft}",
                of_java(*max),
                of_java(*per_channel),
            ),
            Self::DestroyPool(pool) => write!(formatter, "destroy-pool pool={pool}"),
            Self::Segment {
                pool,
                held,
                blocking: is_blocking,
            } => write!(
                formatter,
                "segment{} pool={pool} held={held}",
                blocking(is_blocking)
            ),
            Self::Bursts {
                pool,
                number,
                times,
            } => write!(
                formatter,
                "bursts pool={pool} number={number} times={times}"
            ),
            Self::Segments { pool, number, held } => {
                write!(
                    formatter,
                    "segments pool={pool} number={number} held={held}"
                )
            }
            Self::Buffer { pool, held } => write!(formatter, "buffer pool={pool} held={held}"),
            Self::Builder {
                pool,
                held,
                channel,
                blocking: is_blocking,
            } => {
                write!(
                    formatter,
                    "builder{} pool={pool} held={held}",
                    blocking(is_blocking)
                )?;
                match channel {
                    Some(channel) => write!(formatter, " channel={channel}"),
                    None => Ok(()),
                }
            }
            Self::Retain { of, held } => write!(formatter, "retain of={of} held={held}"),
            Self::Recycle(held) => write!(formatter, "recycle held={held}"),
            Self::RecycleMany { held, number } => {
                write!(formatter, "recycle-many held={held} number={number}")
            }
            Self::Resize { pool, size } => write!(formatter, "resize pool={pool} size={size}"),
            Self::Overdraft { pool, overdraft } => {
                write!(formatter, "overdraft pool={pool} overdraft={overdraft}")
            }
            Self::Reserve { pool, number } => {
                write!(formatter, "reserve pool={pool} number={number}")
            }
            Self::Listener {
                pool,
                held,
                accepts,
            } => {
                let answer = if *accepts { "accept" } else { "refuse" };
                write!(
                    formatter,
                    "listener pool={pool} held={held} answer={answer}"
                )
            }
            Self::Future { pool, future } => {
                write!(formatter, "future pool={pool} future={future}")
            }
            Self::FutureOfNetwork(future) => write!(formatter, "future-of-network future={future}"),
            Self::Unpooled { number, held } => {
                write!(formatter, "unpooled number={number} held={held}")
            }
            Self::RecycleUnpooled(held) => {
                write!(formatter, "recycle-unpooled held={}", list(held))
            }
            Self::Pooled(held) => write!(formatter, "pooled held={held}"),
            Self::PooledBlocking { number, held } => {
                write!(formatter, "pooled-blocking number={number} held={held}")
            }
            Self::UsageNotice => formatter.write_str("usage-notice"),
            Self::DestroyAll => formatter.write_str("destroy-all"),
            Self::Destroy => formatter.write_str("destroy"),
            Self::Manager { size, page } => write!(formatter, "manager size={size} page={page}"),
            Self::Allocate {
                owner,
                number,
                page,
            } => write!(
                formatter,
                "allocate owner={owner} number={number} page={page}"
            ),
            Self::Release(page) => write!(formatter, "release page={page}"),
            Self::ReleaseList(pages) => write!(formatter, "release-list pages={}", list(pages)),
            Self::ReleaseAll(owner) => write!(formatter, "release-all owner={owner}"),
            Self::ReserveBytes { owner, bytes } => {
                write!(formatter, "reserve-bytes owner={owner} bytes={bytes}")
            }
            Self::ReleaseBytes { owner, bytes } => {
                write!(formatter, "release-bytes owner={owner} bytes={bytes}")
            }
            Self::ReleaseAllBytes(owner) => write!(formatter, "release-all-bytes owner={owner}"),
            Self::PagesOf(fraction) => write!(formatter, "pages-of fraction={fraction}"),
            Self::BytesOf(fraction) => write!(formatter, "bytes-of fraction={fraction}"),
            Self::Shared {
                name,
                size,
                is_refused,
                lease,
            } => {
                match size {
                    // The two kinds have names of their own, as they have in Flink.
                    SharedSize::Fraction(fraction) => {
                        write!(formatter, "shared type=managed-{name} fraction={fraction}")?;
                    }
                    SharedSize::External(bytes) => {
                        write!(formatter, "external type=external-{name} bytes={bytes}")?;
                    }
                }
                let initializer = if *is_refused { "refuses" } else { "makes" };
                write!(formatter, " initializer={initializer} lease={lease}")
            }
            Self::Close(lease) => write!(formatter, "close lease={lease}"),
            Self::Shutdown => formatter.write_str("shutdown"),
        }
    }
}

/// The number as a Java `int`, whose largest value stands for no bound.
fn of_java(number: usize) -> usize {
    if number == UNBOUNDED {
        i32::MAX as usize
    } else {
        number
    }
}

/// Labels separated by commas.
fn list(labels: &[Label]) -> String {
    let texts: Vec<String> = labels.iter().map(Label::to_string).collect();
    texts.join(",")
}
