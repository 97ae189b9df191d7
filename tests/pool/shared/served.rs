//! A pool that is served in this process, and a directory for it.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use headroom::bytes::Bytes;
use headroom::pool::mapping::huge_pages::HugePages;
use headroom::pool::mapping::limit::MemoryLimit;
use headroom::pool::shared::inspection::Inspection;
use headroom::pool::shared::{
    Client, ClientOptions, Event, PoolFilesError, PoolSize, Server, ServerOptions, SharedPool,
    Storage,
};

/// A directory of this test's own, which goes with the test.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    pub fn below(parent: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("headroom-shared-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        Self(path)
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("pool.sock")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A pool that is served, and what it tells.
pub struct Served {
    pub server: Server,
    pub events: Arc<Mutex<Vec<Event>>>,
    pub scratch: Scratch,
}

pub fn size(segments: u32) -> PoolSize {
    PoolSize {
        segment_bytes: 4096,
        segments,
        clients: 8,
    }
}

pub const NO_LIMIT: MemoryLimit = MemoryLimit {
    limit: None,
    used: Bytes::ZERO,
};

pub fn one_thread() -> NonZeroUsize {
    NonZeroUsize::MIN
}

pub fn nameless() -> Storage<'static> {
    Storage::Nameless {
        huge_pages: HugePages::No,
    }
}

pub fn create(size: PoolSize, storage: Storage<'_>) -> Result<SharedPool, PoolFilesError> {
    SharedPool::create(size, storage, &NO_LIMIT, one_thread(), |_| {
        ControlFlow::Continue(())
    })
}

pub fn serve(pool: SharedPool, scratch: Scratch) -> Served {
    serve_looking_each(pool, scratch, Duration::from_millis(50))
}

pub fn serve_looking_each(pool: SharedPool, scratch: Scratch, look_interval: Duration) -> Served {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = events.clone();
    let socket = scratch.socket();
    // An agent that was killed leaves its socket behind.
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    let options = ServerOptions {
        look_interval,
        ..ServerOptions::default()
    };
    let server = pool
        .serve(listener, options, move |event| {
            told.lock().unwrap().push(event)
        })
        .unwrap();
    Served {
        server,
        events,
        scratch,
    }
}

pub fn served(segments: u32) -> Served {
    serve(create(size(segments), nameless()).unwrap(), Scratch::new())
}

impl Served {
    pub fn join(&self, name: &str) -> Client {
        self.join_for(name, 0, u32::MAX)
    }

    pub fn join_for(&self, name: &str, required: u32, maximum: u32) -> Client {
        let options = ClientOptions {
            required,
            maximum,
            ..ClientOptions::new(name)
        };
        Client::join(&self.scratch.socket(), &options).unwrap()
    }

    /// Each segment is free, held, in a magazine or on its way: all are there.
    pub fn inspect(&self) -> Inspection {
        let inspection = self.server.inspect();
        let clients: u32 = inspection
            .clients
            .iter()
            .map(|client| client.held + client.lying)
            .sum();
        let all = inspection.free + inspection.moving + inspection.lost + clients;
        assert_eq!(all, inspection.segments, "{inspection:?}");
        inspection
    }

    pub fn expect(&self, what: &str, is_it: impl Fn(&Inspection) -> bool) {
        let start = Instant::now();
        loop {
            let inspection = self.inspect();
            if is_it(&inspection) {
                return;
            }
            let waited = start.elapsed().as_secs();
            let events = self.events.lock().unwrap();
            let last = &events[events.len().saturating_sub(10)..];
            assert!(waited < 20, "{what} did not come: {inspection:?}, {last:?}");
            drop(events);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Nothing was ever wrong in the control file.
    pub fn expect_no_damage(&self) {
        let events = self.events.lock().unwrap();
        let is_damage = |event: &&Event| {
            matches!(
                event,
                Event::Damage { .. } | Event::Reported { .. } | Event::CutOff { .. }
            )
        };
        assert_eq!(events.iter().find(is_damage), None);
    }
}
