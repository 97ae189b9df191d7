//! Our side of a sequence on a network pool and its local pools: the same steps, told in the same words as by
//! `e2e/flink/src/pools/NetworkSequence.java`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use headroom::pool::{
    availability::{AvailableFuture, CancellationToken, WaitLimit},
    buffer::{Buffer, BufferBuilder, NetworkSegment},
    local_pool::{BufferListener, LocalBufferPool, LocalPoolError, LocalPoolSpec},
    network_pool::{DEFAULT_REQUEST_TIMEOUT, NetworkBufferPool, NetworkPoolError, UsageNotice},
};

use super::step::{Label, NOTHING, Step};

/// What a listener has seen at first.
const WAITING: &str = "waiting";

/// Our network pool in the middle of a sequence.
#[derive(Debug)]
pub struct Network {
    global: NetworkBufferPool,
    pools: BTreeMap<Label, LocalBufferPool>,
    held: BTreeMap<Label, Held>,
    listeners: BTreeMap<Label, Arc<Listener>>,
    futures: BTreeMap<Label, AvailableFuture>,
    futures_of_network: BTreeMap<Label, AvailableFuture>,
    accepted: Arc<Mutex<Vec<(Label, Buffer)>>>,
    /// Ends every wait before it begins.
    cancelled: CancellationToken,
}

/// Something that somebody has. Dropped, it goes back.
#[derive(Debug)]
enum Held {
    Segment(#[expect(dead_code, reason = "it is held, and dropped")] NetworkSegment),
    Buffer(Buffer),
    Builder(#[expect(dead_code, reason = "it is held, and dropped")] BufferBuilder),
    Exclusive(NetworkSegment),
}

#[derive(Debug)]
struct Listener {
    pool: Label,
    label: Label,
    accepts: bool,
    seen: Mutex<&'static str>,
    accepted: Arc<Mutex<Vec<(Label, Buffer)>>>,
}

impl Listener {
    fn see(&self, what: &'static str) {
        *lock(&self.seen) = what;
    }
}

impl BufferListener for Listener {
    fn buffer_available(&self, buffer: Buffer) -> Result<(), Buffer> {
        if !self.accepts {
            self.see("refused");
            return Err(buffer);
        }
        self.see("accepted");
        lock(&self.accepted).push((self.label, buffer));
        Ok(())
    }

    fn pool_destroyed(&self) {
        self.see("destroyed");
    }
}

/// A panic of ours ends the comparison anyway.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    /// A pool of so many segments.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(segments: usize, bytes: usize) -> Result<Self, NetworkPoolError> {
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        Ok(Self {
            global: NetworkBufferPool::new(segments, bytes, DEFAULT_REQUEST_TIMEOUT)?,
            pools: BTreeMap::new(),
            held: BTreeMap::new(),
            listeners: BTreeMap::new(),
            futures: BTreeMap::new(),
            futures_of_network: BTreeMap::new(),
            accepted: Arc::default(),
            cancelled,
        })
    }

    /// The network pool.
    #[must_use]
    pub fn global(&self) -> &NetworkBufferPool {
        &self.global
    }

    /// The local pools by their labels, destroyed ones too.
    #[must_use]
    pub fn pools(&self) -> &BTreeMap<Label, LocalBufferPool> {
        &self.pools
    }

    /// The labels of all that is held.
    pub fn held(&self) -> impl Iterator<Item = Label> + '_ {
        self.held.keys().copied()
    }

    /// The labels of the buffers that are held.
    pub fn held_buffers(&self) -> impl Iterator<Item = Label> + '_ {
        let buffers = self.held.iter();
        buffers.filter_map(|(label, held)| matches!(held, Held::Buffer(_)).then_some(*label))
    }

    /// The labels of the exclusive segments that are held.
    pub fn held_exclusives(&self) -> impl Iterator<Item = Label> + '_ {
        let held = self.held.iter();
        held.filter_map(|(label, held)| matches!(held, Held::Exclusive(_)).then_some(*label))
    }

    /// Whether both sides mean the same by a step now. What is left out, and why, stands in the module above.
    #[must_use]
    pub fn is_comparable(&self, step: &Step) -> bool {
        let has_channels =
            |pool| matches!(self.pools.get(pool), Some(pool) if pool.number_of_channels() > 0);
        match step {
            Step::Create {
                required,
                max,
                channels,
                per_channel,
                ..
            } => {
                let is_allowed =
                    *required > 0 && max >= required && (*channels == 0 || *per_channel > 0);
                is_allowed || self.can_guarantee(*required)
            }
            Step::Destroy => self.global.number_of_registered_pools() == 0,
            Step::Reserve { pool, .. } => !has_channels(pool),
            Step::Listener { pool, .. } => !has_channels(pool) && !self.is_refused(*pool),
            Step::Future { pool, .. } => has_channels(pool),
            Step::PooledBlocking { number, .. } => *number > 0 && !self.global.is_destroyed(),
            Step::Pooled(_) | Step::FutureOfNetwork(_) => !self.global.is_destroyed(),
            _ => true,
        }
    }

    /// Whether a listener waits in the pool that will refuse.
    fn is_refused(&self, pool: Label) -> bool {
        self.listeners.values().any(|listener| {
            listener.pool == pool && !listener.accepts && *lock(&listener.seen) == WAITING
        })
    }

    fn can_guarantee(&self, number: usize) -> bool {
        let left = self
            .global
            .number_of_segments()
            .checked_sub(self.global.number_of_required_segments());
        !self.global.is_destroyed() && left.is_some_and(|left| number <= left)
    }

    /// Does a step, and says what came of it and every figure afterwards.
    pub fn answer(&mut self, step: &Step) -> String {
        let mut text = self.run(step);
        for (label, buffer) in std::mem::take(&mut *lock(&self.accepted)) {
            self.held.insert(label, Held::Buffer(buffer));
        }
        self.write_figures(&mut text);
        text
    }

    fn run(&mut self, step: &Step) -> String {
        let cancelled = self.cancelled.clone();
        let at_once = WaitLimit::cancelled_by(&cancelled);
        match step {
            Step::Create {
                pool,
                required,
                max,
                channels,
                per_channel,
                overdraft,
            } => {
                let spec = LocalPoolSpec::new(*required, *max)
                    .with_channels(*channels, *per_channel)
                    .with_overdraft(*overdraft);
                match self.global.create_buffer_pool(spec) {
                    Ok(created) => {
                        self.pools.insert(*pool, created);
                        ok()
                    }
                    Err(error) => network_error(&error),
                }
            }
            Step::Unpooled { number, held } => {
                match self
                    .global
                    .request_unpooled_segments_within(*number, at_once)
                {
                    Ok(segments) => self.hold_all(*held, segments, Held::Exclusive),
                    Err(error) => network_error(&error),
                }
            }
            Step::RecycleUnpooled(labels) => self.recycle_exclusives(labels),
            Step::Pooled(held) => match self.global.request_pooled_segment() {
                Some(segment) => self.hold(*held, Held::Segment(segment)),
                None => "none".to_owned(),
            },
            Step::PooledBlocking { number, held } => {
                match self.global.request_pooled_segments_within(*number, at_once) {
                    Ok(segments) => self.hold_all(*held, segments, Held::Segment),
                    Err(error) => network_error(&error),
                }
            }
            Step::Retain { of, held } => match self.held.get(of) {
                Some(Held::Buffer(buffer)) => {
                    let retained = buffer.retain();
                    self.held.insert(*held, Held::Buffer(retained));
                    ok()
                }
                _ => NOTHING.to_owned(),
            },
            Step::Recycle(held) => match self.held.remove(held) {
                Some(held) => {
                    drop(held);
                    ok()
                }
                None => NOTHING.to_owned(),
            },
            Step::RecycleMany { held, number } => {
                let labels = (*held..).take(*number);
                let recycled = labels.filter_map(|label| self.held.remove(&label));
                format!("recycled={}", recycled.count())
            }
            Step::FutureOfNetwork(future) => {
                let taken = self.global.available();
                self.futures_of_network.insert(*future, taken);
                ok()
            }
            Step::UsageNotice => match self.global.usage_notice() {
                None => "none".to_owned(),
                Some(UsageNotice::Exceeded { percent, .. }) => {
                    format!("exceeded percent={percent}")
                }
                Some(UsageNotice::BackToNormal { percent, .. }) => {
                    format!("normal percent={percent}")
                }
            },
            Step::DestroyAll => match self.global.destroy_all_buffer_pools() {
                Ok(()) => ok(),
                Err(error) => network_error(&error),
            },
            Step::Destroy => {
                self.global.destroy();
                ok()
            }
            Step::Network { .. } => ok(),
            Step::DestroyPool(pool)
            | Step::Segment { pool, .. }
            | Step::Segments { pool, .. }
            | Step::Bursts { pool, .. }
            | Step::Buffer { pool, .. }
            | Step::Builder { pool, .. }
            | Step::Resize { pool, .. }
            | Step::Overdraft { pool, .. }
            | Step::Reserve { pool, .. }
            | Step::Listener { pool, .. }
            | Step::Future { pool, .. } => match self.pools.get(pool).cloned() {
                Some(pool) => self.on_pool(step, &pool, at_once),
                None => NOTHING.to_owned(),
            },
            _ => NOTHING.to_owned(),
        }
    }

    fn on_pool(&mut self, step: &Step, pool: &LocalBufferPool, at_once: WaitLimit<'_>) -> String {
        match step {
            Step::DestroyPool(_) => {
                pool.lazy_destroy();
                ok()
            }
            Step::Segment { held, blocking, .. } => {
                let segment = if *blocking {
                    pool.request_segment_blocking(at_once).map(Some)
                } else {
                    pool.request_segment()
                };
                self.given(*held, segment, Held::Segment)
            }
            Step::Segments { number, held, .. } => match take_many(pool, *number) {
                Ok(segments) => self.hold_all(*held, segments, Held::Segment),
                Err(error) => local_error(&error),
            },
            Step::Bursts { number, times, .. } => {
                let given = (0..*times).map(|_| Ok(take_many(pool, *number)?.len()));
                match given.sum::<Result<usize, _>>() {
                    Ok(given) => format!("given={given}"),
                    Err(error) => local_error(&error),
                }
            }
            Step::Buffer { held, .. } => self.given(*held, pool.request_buffer(), Held::Buffer),
            Step::Builder {
                held,
                channel,
                blocking,
                ..
            } => {
                let builder = match (channel, blocking) {
                    (None, false) => pool.request_buffer_builder(),
                    (None, true) => pool.request_buffer_builder_blocking(at_once).map(Some),
                    (Some(channel), false) => pool.request_buffer_builder_for(*channel),
                    (Some(channel), true) => pool
                        .request_buffer_builder_blocking_for(*channel, at_once)
                        .map(Some),
                };
                self.given(*held, builder, Held::Builder)
            }
            Step::Resize { size, .. } => match pool.set_number_of_buffers(*size) {
                Ok(()) => ok(),
                Err(error) => local_error(&error),
            },
            Step::Overdraft { overdraft, .. } => {
                pool.set_max_overdraft_buffers(*overdraft);
                ok()
            }
            Step::Reserve { number, .. } => match pool.reserve_segments_within(*number, at_once) {
                Ok(()) => ok(),
                Err(error) => local_error(&error),
            },
            Step::Listener {
                pool: label,
                held,
                accepts,
            } => {
                let listener = Arc::new(Listener {
                    pool: *label,
                    label: *held,
                    accepts: *accepts,
                    seen: Mutex::new(WAITING),
                    accepted: Arc::clone(&self.accepted),
                });
                let is_added = pool.add_listener(Arc::<Listener>::clone(&listener));
                if is_added {
                    self.listeners.insert(*held, listener);
                }
                is_added.to_string()
            }
            Step::Future { future, .. } => {
                self.futures.insert(*future, pool.available());
                ok()
            }
            _ => NOTHING.to_owned(),
        }
    }

    fn given<T>(
        &mut self,
        label: Label,
        result: Result<Option<T>, LocalPoolError>,
        wrap: impl FnOnce(T) -> Held,
    ) -> String {
        match result {
            Ok(Some(given)) => self.hold(label, wrap(given)),
            Ok(None) => "none".to_owned(),
            Err(error) => local_error(&error),
        }
    }

    fn hold(&mut self, label: Label, held: Held) -> String {
        self.held.insert(label, held);
        "given".to_owned()
    }

    fn hold_all(
        &mut self,
        label: Label,
        segments: Vec<NetworkSegment>,
        wrap: impl Fn(NetworkSegment) -> Held,
    ) -> String {
        let number = segments.len();
        self.held
            .extend((label..).zip(segments.into_iter().map(wrap)));
        format!("given={number}")
    }

    fn recycle_exclusives(&mut self, labels: &[Label]) -> String {
        let mut segments = Vec::new();
        for label in labels {
            match self.held.remove(label) {
                Some(Held::Exclusive(segment)) => segments.push(segment),
                Some(other) => {
                    self.held.insert(*label, other);
                }
                None => {}
            }
        }
        if segments.is_empty() {
            return NOTHING.to_owned();
        }
        self.global.recycle_unpooled_segments(segments);
        ok()
    }

    fn write_figures(&self, text: &mut String) {
        let global = &self.global;
        let usage = global.usage();
        let is_destroyed = global.is_destroyed();
        let unless_destroyed = |value: bool| {
            if is_destroyed {
                "-".to_owned()
            } else {
                value.to_string()
            }
        };
        let _ = write!(
            text,
            "; network total={} available={} used={} pools={} required={} percent={} is-available={} is-destroyed={is_destroyed}",
            global.number_of_segments(),
            global.number_of_available_segments(),
            usage.used_segments(),
            global.number_of_registered_pools(),
            global.number_of_required_segments(),
            usage.requested_percent(),
            unless_destroyed(global.is_available()),
        );
        for (label, pool) in &self.pools {
            let _ = write!(
                text,
                "; pool {label} required={} size={} requested={} lying={} used={} overdraft={} max-overdraft={} \
                 is-available={} is-destroyed={} channels=",
                pool.number_of_required_segments(),
                pool.number_of_buffers(),
                pool.number_of_requested_segments(),
                pool.number_of_available_segments(),
                pool.number_of_used_buffers(),
                pool.number_of_overdraft_buffers(),
                pool.max_overdraft_buffers(),
                pool.is_available(),
                pool.is_destroyed(),
            );
            for channel in 0..pool.number_of_channels() {
                let separator = if channel == 0 { "" } else { "," };
                let count = pool
                    .number_of_buffers_of_channel(channel)
                    .unwrap_or_default();
                let _ = write!(text, "{separator}{count}");
            }
        }
        let _ = write!(text, "; held number={}", self.held.len());
        for (label, held) in &self.held {
            if let Held::Buffer(buffer) = held {
                let references = buffer.reference_count();
                let _ = write!(text, "; buffer {label} references={references}");
            }
        }
        for (label, listener) in &self.listeners {
            let _ = write!(text, "; listener {label} seen={}", lock(&listener.seen));
        }
        for (label, future) in &self.futures {
            let _ = write!(text, "; future {label} done={}", future.is_done());
        }
        for (label, future) in &self.futures_of_network {
            let done = unless_destroyed(future.is_done());
            let _ = write!(text, "; future-of-network {label} done={done}");
        }
    }
}

/// So many segments, or as many as the pool has to give.
fn take_many(pool: &LocalBufferPool, number: usize) -> Result<Vec<NetworkSegment>, LocalPoolError> {
    let mut segments = Vec::new();
    while segments.len() < number
        && let Some(segment) = pool.request_segment()?
    {
        segments.push(segment);
    }
    Ok(segments)
}

fn ok() -> String {
    "ok".to_owned()
}

/// The error as the class that Flink has for it.
fn network_error(error: &NetworkPoolError) -> String {
    match error {
        NetworkPoolError::InsufficientNetworkBuffers(insufficient) => format!(
            "insufficient required={} available={} total={} bytes={}",
            insufficient.required,
            insufficient.available,
            insufficient.total,
            insufficient.segment_bytes
        ),
        NetworkPoolError::InvalidArgument { .. } => "argument".to_owned(),
        NetworkPoolError::Destroyed | NetworkPoolError::StillGuaranteed { .. } => {
            "state".to_owned()
        }
        NetworkPoolError::Interrupted { .. } => "interrupted".to_owned(),
        NetworkPoolError::Timeout { .. } | NetworkPoolError::OutOfMemory { .. } => {
            error.to_string()
        }
    }
}

fn local_error(error: &LocalPoolError) -> String {
    match error {
        LocalPoolError::Destroyed { .. } => "cancelled".to_owned(),
        LocalPoolError::BelowRequired { .. } | LocalPoolError::AboveRequired { .. } => {
            "argument".to_owned()
        }
        LocalPoolError::Interrupted { .. } => "interrupted".to_owned(),
        LocalPoolError::Reserve { source, .. } => network_error(source),
        LocalPoolError::NoSuchChannel { .. } | LocalPoolError::Timeout { .. } => error.to_string(),
    }
}
