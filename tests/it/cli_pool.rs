//! `headroom pool`: a live pool is shown, a host is measured, and what cannot be done is refused with the reason.

use std::{
    ffi::OsString,
    num::NonZeroUsize,
    ops::ControlFlow,
    os::unix::{fs::DirBuilderExt as _, net::UnixListener},
    path::{Path, PathBuf},
    time::Duration,
};

use headroom::{
    bytes::Bytes,
    cli::{EXIT_SOUND, EXIT_UNREADABLE, Reply, Surroundings, answer, run},
    pool::{
        mapping::{directory::MemoryDirectory, limit::MemoryLimit},
        shared::{Client, ClientOptions, PoolSize, Server, ServerOptions, SharedPool, Storage},
    },
};
use serde_json::Value;

fn pool(arguments: &[&str]) -> Reply {
    let words = ["headroom", "pool"].iter().chain(arguments);
    answer(
        words.map(OsString::from),
        &mut std::io::empty(),
        Surroundings::default(),
    )
}

/// A pool on a memory-backed volume that goes with the test.
struct Served {
    directory: PathBuf,
    _server: Server,
}

impl Served {
    /// `None`, and a line that says so, where there is no such volume.
    fn new(name: &str) -> Option<Self> {
        let volume = Path::new("/dev/shm");
        if !volume.is_dir() {
            println!("skipped: /dev/shm is not mounted");
            return None;
        }
        let directory = volume.join(format!("headroom-cli-{name}-{}", std::process::id()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .unwrap();
        let files = MemoryDirectory::open(&directory).unwrap();
        let storage = Storage::Directory {
            directory: &files,
            name: "network",
        };
        let size = PoolSize {
            segment_bytes: 4096,
            segments: 64,
            clients: 4,
        };
        let no_limit = MemoryLimit {
            limit: None,
            used: Bytes::ZERO,
        };
        let pool = SharedPool::create(size, storage, &no_limit, NonZeroUsize::MIN, |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
        let listener = UnixListener::bind(directory.join("pool.sock")).unwrap();
        let server = pool
            .serve(listener, ServerOptions::default(), |_| {})
            .unwrap();
        Some(Self {
            directory,
            _server: server,
        })
    }

    fn join(&self, name: &str, required: u32) -> Client {
        let options = ClientOptions {
            required,
            maximum: 32,
            ..ClientOptions::new(name)
        };
        Client::join(&self.directory.join("pool.sock"), &options).unwrap()
    }

    fn file(&self) -> String {
        self.directory.join("network.control").display().to_string()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn a_live_pool_is_shown_as_a_table_and_as_data() {
    let Some(served) = Served::new("live") else {
        return;
    };
    let reply = pool(&["inspect", &served.file()]);
    assert_eq!(
        reply.output,
        "64 segments of 4 KiB: 0 (0 bytes) held, 0 (0 bytes) lying in magazines, 64 (256 KiB) free\n\
         No client has joined.\n"
    );
    let client = served.join("sort\u{1b}[31m", 8);
    let held: Vec<_> = (0..5).map(|_| client.acquire().unwrap()).collect();
    let reply = pool(&["inspect", &served.file()]);
    assert_eq!((reply.exit, reply.error.as_str()), (EXIT_SOUND, ""));
    assert!(reply.output.contains("5 (20 KiB) held"), "{}", reply.output);
    let row = reply.output.lines().find(|line| line.starts_with("sort"));
    let cells: Vec<&str> = row.expect("its row").split_whitespace().collect();
    assert!(
        !reply.output.contains('\u{1b}'),
        "no escape reaches a terminal"
    );
    assert_eq!((cells[3], cells[5], cells[6]), ("5", "8", "32"));

    let json = pool(&["inspect", &served.file(), "-o", "json"]).output;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["segments"], 64);
    assert_eq!(json["clients"][0]["held"], 5);
    let yaml = pool(&["inspect", &served.file(), "-o", "yaml"]).output;
    assert!(yaml.contains("segmentBytes: 4096"), "{yaml}");
    drop(held);
}

/// A watch shows the pool until it is gone, and says then why it ended.
#[test]
fn a_watch_ends_with_the_reason() {
    let Some(served) = Served::new("watched") else {
        return;
    };
    let file = served.file();
    let ended = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1500));
        drop(served);
    });
    let (mut output, mut error) = (Vec::new(), Vec::new());
    let arguments = [
        "headroom",
        "pool",
        "inspect",
        &file,
        "--watch",
        "--interval",
        "1",
        "-o",
        "json",
    ];
    let exit = run(
        arguments.map(OsString::from),
        &mut std::io::empty(),
        &mut output,
        &mut error,
        Surroundings::default(),
    );
    ended.join().unwrap();
    assert_eq!(exit, EXIT_UNREADABLE);
    let output = String::from_utf8(output).unwrap();
    assert!(output.lines().count() >= 2, "{output}");
    for line in output.lines() {
        let look: Value = serde_json::from_str(line).unwrap();
        assert_eq!(look["free"], 64);
    }
    let error = String::from_utf8(error).unwrap();
    assert!(error.starts_with("error: cannot read "), "{error}");
}

#[test]
fn what_is_no_pool_is_refused_with_its_name() {
    for (file, reason) in [
        ("/nonexistent/network.control", "No such file"),
        ("/dev/null", "is no plain file"),
        (concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), ""),
    ] {
        let reply = pool(&["inspect", file]);
        assert_eq!((reply.exit, reply.output.as_str()), (EXIT_UNREADABLE, ""));
        let told = reply.error.replace("\n  ", " ");
        assert!(told.contains(file) && told.contains(reason), "{told}");
    }
}

#[test]
fn a_host_is_measured() {
    let reply = pool(&["bench", "--size", "1Mi", "--rounds", "1", "-o", "json"]);
    assert_eq!((reply.exit, reply.error.as_str()), (EXIT_SOUND, ""));
    let json: Value = serde_json::from_str(&reply.output).unwrap();
    assert_eq!(json["sizeBytes"], 1 << 20);
    let figures = json["figures"].as_array().unwrap();
    assert!(figures.len() >= 7, "{json}");
    for figure in figures {
        assert!(figure["median"].as_f64().unwrap() > 0.0, "{figure}");
    }
    let text = pool(&["bench", "--size", "1Mi", "--rounds", "1"]).output;
    assert!(
        text.contains("one thread takes, another recycles"),
        "{text}"
    );
    assert!(text.contains("A shared pool of 2 GiB takes"), "{text}");
}

/// More than there is ends nothing: it is refused before a page is touched.
#[test]
fn more_than_the_machine_has_is_refused() {
    let reply = pool(&["bench", "--size", "1Ti"]);
    assert_eq!((reply.exit, reply.output.as_str()), (EXIT_UNREADABLE, ""));
    let told = reply.error.replace("\n  ", " ");
    assert!(
        told.contains("cannot hold 1099511627776 bytes more"),
        "{told}"
    );
    assert!(told.contains("--size"), "{told}");
    for wrong in ["0", "1Ki", "2Ti", "much"] {
        let reply = pool(&["bench", "--size", wrong]);
        assert_eq!(reply.exit, EXIT_UNREADABLE, "{wrong}");
        assert!(reply.error.contains("--size"), "{}", reply.error);
    }
}
