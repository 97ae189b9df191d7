//! A JVM as a client: it asks for segments over the socket and maps the data file by its path.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use headroom::pool::mapping::directory::MemoryDirectory;
use headroom::pool::shared::{PoolSize, Storage};

use super::process::Process;
use super::served::{Scratch, create, serve};

const SEGMENTS: u32 = 256;
const SEGMENT_BYTES: u32 = 32 << 10;

/// The jars of Flink's pools, where `make pool-diff` has fetched them.
fn flink_class_path() -> Option<String> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("HEADROOM_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("headroom")))
        .or_else(|| Some(variable("HOME")?.join(".cache/headroom")))?;
    let files = std::fs::read_dir(cache.join("flink")).ok()?;
    let file = files
        .filter_map(|file| Some(file.ok()?.path()))
        .find(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("pools-2.3.0-") && name.ends_with(".classpath")
        })?;
    let class_path = std::fs::read_to_string(file).ok()?;
    let class_path = class_path.trim();
    let is_there = class_path.split(':').all(|jar| Path::new(jar).exists());
    is_there.then(|| class_path.to_owned())
}

pub fn uses_the_segments() {
    let java = Command::new("javac").arg("-version").output();
    if !java.is_ok_and(|output| output.status.success()) {
        println!("skipped: no JDK");
        return;
    }
    let volume = Scratch::below(Path::new("/dev/shm"));
    let directory = MemoryDirectory::open(&volume.0).unwrap();
    let size = PoolSize {
        segment_bytes: SEGMENT_BYTES,
        segments: SEGMENTS,
        clients: 4,
    };
    let storage = Storage::Directory {
        directory: &directory,
        name: "network",
    };
    let served = serve(create(size, storage).unwrap(), Scratch::new());
    let data = volume.0.join("network.data");
    let mut command = Command::new("java");
    match flink_class_path() {
        Some(class_path) => drop(command.arg("-cp").arg(class_path)),
        None => println!("skipped: Flink's own network pool, because its jars are not there"),
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pool/shared/JvmClient.java");
    command.arg(source).arg(served.scratch.socket()).arg(&data);
    command.args([SEGMENTS, SEGMENT_BYTES].map(|number| number.to_string()));
    let mut jvm = Process::start_command(command);
    assert_eq!(jvm.says().as_deref(), Some("256 written"));
    let held = |pool: &headroom::pool::shared::inspection::Inspection| {
        pool.clients.first().map(|client| client.held)
    };
    assert_eq!(held(&served.inspect()), Some(SEGMENTS));
    let data = File::open(data).unwrap();
    let mut bytes = [0; 12];
    for segment in 0..SEGMENTS {
        let offset = u64::from(segment) * u64::from(SEGMENT_BYTES);
        data.read_exact_at(&mut bytes, offset).unwrap();
        // As Flink writes numbers.
        let expected = [segment.to_be_bytes(), *b"Flin", *b"kBuf"].concat();
        assert_eq!(bytes.as_slice(), expected, "segment {segment}");
    }
    jvm.tell("give back");
    assert_eq!(jvm.says().as_deref(), Some("given back"));
    served.expect("all back", |pool| pool.free == SEGMENTS);
    assert_eq!(held(&served.inspect()), Some(0));
    jvm.tell("end");
    assert!(jvm.wait().success());
    served.expect("its end", |pool| pool.clients.is_empty());
    served.expect_no_damage();
}
