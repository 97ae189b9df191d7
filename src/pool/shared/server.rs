//! The agent's side of a shared pool: it makes the files, lets clients in over a Unix socket, serves those who wait, and
//! takes back what the dead had.
//!
//! A client's socket is its lease. The kernel closes it when the client's process ends, after it has taken the process's
//! mappings down, so that nothing of the client runs any more when its segments come back.

mod connection;
mod poll;

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::EventfdFlags;

use super::event::{Event, Totals};
use super::files::{PoolFiles, PoolFilesError, PoolSize, Storage};
use super::inspection::Inspection;
use super::lane::{Damage, Refusal};
use super::layout::Layout;
use super::registry::Registry;
use crate::pool::mapping::Progress;
use crate::pool::mapping::directory::{DirectoryError, MemoryDirectory};
use crate::pool::mapping::limit::MemoryLimit;

/// A pool whose files are made and which serves nobody yet.
#[derive(Debug)]
pub struct SharedPool {
    files: PoolFiles,
}

/// Whom a pool serves, and how patiently.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The users whose processes may join.
    pub users: Vec<u32>,
    /// How long a client of an agent before this one may take to come back, and how long one whose lease was ended may
    /// take to end its operation.
    pub grace: Duration,
    /// The time between two looks at the whole control file.
    pub look_interval: Duration,
}

impl Default for ServerOptions {
    /// Serves processes of this process's user, waits 30 s and looks once a second.
    fn default() -> Self {
        Self {
            users: vec![rustix::process::geteuid().as_raw()],
            grace: Duration::from_secs(30),
            look_interval: Duration::from_secs(1),
        }
    }
}

/// The serving could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The kernel refused something.
    #[error("cannot serve the pool: {0}")]
    Kernel(#[from] io::Error),
    /// The control file is damaged beyond what can be put right.
    #[error("cannot take the pool over: {0}")]
    Damaged(#[from] Damage),
}

impl SharedPool {
    /// Makes a pool: compares its size with the limit of this process's container, reserves the memory, and makes every
    /// page present before it returns. `progress` is called with each step and may stop it.
    ///
    /// # Errors
    /// When the sizes are impossible, the container has too little memory (nothing is touched then; the error names both
    /// numbers), the volume has too little room, the names are taken, or the kernel refuses. Nothing stays behind.
    pub fn create(
        size: PoolSize,
        storage: Storage<'_>,
        limit: &MemoryLimit,
        threads: NonZeroUsize,
        progress: impl FnMut(Progress) -> ControlFlow<()> + Send,
    ) -> Result<Self, PoolFilesError> {
        let files = PoolFiles::create(size, storage, limit, threads, progress)?;
        Ok(Self { files })
    }

    /// Finds the pool of an agent before this one again. Its clients may go on meanwhile.
    ///
    /// # Errors
    /// When there is none, it has another size or another layout version, was never finished, or pages of it are missing.
    pub fn open(
        size: PoolSize,
        directory: &MemoryDirectory,
        name: &str,
    ) -> Result<Self, PoolFilesError> {
        let files = PoolFiles::open(size, directory, name)?;
        Ok(Self { files })
    }

    /// Removes the names of a pool's files. Who has them open keeps them.
    ///
    /// # Errors
    /// When one is not there or the kernel refuses; the other is removed all the same.
    pub fn remove(directory: &MemoryDirectory, name: &str) -> Result<(), DirectoryError> {
        PoolFiles::remove(directory, name)
    }

    /// Where everything lies in the control file.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        self.files.control.layout()
    }

    /// Serves clients that connect to `listener`, on a thread of its own. What happens is told to `tell`, on that thread.
    ///
    /// # Errors
    /// When the kernel refuses what the thread needs, or the control file is damaged beyond repair.
    pub fn serve(
        self,
        listener: UnixListener,
        options: ServerOptions,
        tell: impl FnMut(Event) + Send + 'static,
    ) -> Result<Server, ServerError> {
        listener.set_nonblocking(true)?;
        let waker = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(io::Error::from)?;
        let control = self.files.control.clone();
        let registry = Registry::new(control, options.grace, Instant::now()).map_err(
            |refusal| match refusal {
                Refusal::Damaged(damage) => damage,
                _ => Damage::Missing,
            },
        )?;
        let shared = Arc::new(Shared {
            registry: Mutex::new(registry),
            files: self.files,
            waker,
            stops: AtomicBool::new(false),
        });
        let poller = poll::Poller::new(shared.clone(), listener, options, tell);
        let thread = std::thread::Builder::new()
            .name("headroom-pool".to_owned())
            .spawn(move || poller.run())?;
        Ok(Server {
            shared,
            thread: Some(thread),
        })
    }
}

/// A pool that is served. Dropping it ends the serving; clients go on with what they have, and the files stay.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and its owner both use.
#[derive(Debug)]
struct Shared {
    registry: Mutex<Registry>,
    files: PoolFiles,
    waker: OwnedFd,
    stops: AtomicBool,
}

impl Shared {
    /// Makes the thread look.
    fn wake(&self) {
        // It fails only when the number in it is at its end, and then the thread is awake.
        let _ = rustix::io::write(&self.waker, &1_u64.to_ne_bytes());
    }
}

impl Server {
    /// Looks at the whole pool and answers who has what.
    #[must_use]
    pub fn inspect(&self) -> Inspection {
        let inspection = self.shared.registry.lock().inspect(Instant::now());
        self.shared.wake();
        inspection
    }

    /// What has happened so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.registry.lock().totals()
    }

    /// Whether the thread still serves. It ends early only when the kernel refuses to let it wait.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Release);
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, that was told where it happened.
            let _ = thread.join();
        }
    }
}
