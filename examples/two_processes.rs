//! Two processes pass buffers to each other: the bytes are written once and read where they lie.
//!
//! This process keeps the pool and starts two others. The writer takes segments, fills them and sends twelve bytes for
//! each through a pipe; the reader takes the segments over, reads them and gives them back to the pool.
//!
//! `cargo run --release --example two_processes -- [MEBIBYTES] [DIRECTORY]`
//!
//! With a directory on a memory-backed volume (`/dev/shm/me`), `headroom pool inspect DIRECTORY/demo.control --watch`
//! shows who holds what meanwhile.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("processes share pools on Linux only");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        env,
        error::Error,
        fs::DirBuilder,
        io::{self, Read, Write},
        num::NonZeroUsize,
        ops::ControlFlow,
        os::unix::{fs::DirBuilderExt as _, net::UnixListener},
        path::{Path, PathBuf},
        process::{Child, Command, Stdio},
        time::{Duration, Instant},
    };

    use headroom::pool::{
        mapping::{directory::MemoryDirectory, huge_pages::HugePages, limit::MemoryLimit},
        shared::{Client, ClientOptions, Handed, PoolSize, ServerOptions, SharedPool, Storage},
    };

    type Outcome<T> = Result<T, Box<dyn Error>>;

    const SIZE: PoolSize = PoolSize {
        segment_bytes: 32 << 10,
        segments: 1024,
        clients: 4,
    };
    /// So many segments the writer may hold; when all are taken it waits for the reader.
    const WRITER_QUOTA: u32 = 512;
    const PATIENCE: Duration = Duration::from_secs(10);

    pub fn main() -> Outcome<()> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["write", socket, mebibytes] => write(Path::new(socket), mebibytes.parse()?),
            ["read", socket, mebibytes] => read(Path::new(socket), mebibytes.parse()?),
            [] => keep(256, None),
            [mebibytes] => keep(mebibytes.parse()?, None),
            [mebibytes, directory, ..] => keep(mebibytes.parse()?, Some(Path::new(directory))),
        }
    }

    /// The agent: makes the pool, serves it, and starts the other two.
    fn keep(mebibytes: u64, directory: Option<&Path>) -> Outcome<()> {
        let place = Place::new()?;
        let volume = directory.map(MemoryDirectory::open_or_create).transpose()?;
        let storage = match &volume {
            Some(directory) => Storage::Directory {
                directory,
                name: "demo",
            },
            None => Storage::Nameless {
                huge_pages: HugePages::No,
            },
        };
        let limit =
            MemoryLimit::of_process(Path::new("/sys/fs/cgroup"), Path::new("/proc/meminfo"))?;
        let pool = SharedPool::create(SIZE, storage, &limit, NonZeroUsize::MIN, |_| {
            ControlFlow::Continue(())
        })?;
        let socket = place.0.join("pool.sock");
        let server = pool.serve(
            UnixListener::bind(&socket)?,
            ServerOptions::default(),
            |event| println!("agent: {event:?}"),
        )?;
        let start = Instant::now();
        let mut writer = Started::new(
            itself()?
                .args(["write".as_ref(), socket.as_os_str()])
                .arg(mebibytes.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        )?;
        let pipe = writer.0.stdout.take().ok_or("the writer has no pipe")?;
        let mut reader = Started::new(
            itself()?
                .args(["read".as_ref(), socket.as_os_str()])
                .arg(mebibytes.to_string())
                .stdin(pipe),
        )?;
        reader.end("reader")?;
        let took = start.elapsed();
        // What was handed over and not yet taken over is the writer's still, and would end with it; so it waits.
        drop(writer.0.stdin.take());
        writer.end("writer")?;
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = mebibytes as f64 / 1024.0 / took.as_secs_f64();
        println!("{mebibytes} MiB in {took:.2?}: {rate:.1} GiB/s, written, handed over and read");
        // What the two had is back within one look.
        let all_are_back = || server.inspect().free == SIZE.segments;
        let end = Instant::now() + PATIENCE;
        while !all_are_back() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        println!(
            "{} of {} segments are back",
            server.inspect().free,
            SIZE.segments
        );
        if let Some(directory) = &volume {
            SharedPool::remove(directory, "demo")?;
        }
        if all_are_back() {
            Ok(())
        } else {
            Err("segments are missing".into())
        }
    }

    fn write(socket: &Path, mebibytes: u64) -> Outcome<()> {
        let options = ClientOptions {
            maximum: WRITER_QUOTA,
            ..ClientOptions::new("writer")
        };
        let client = Client::join(socket, &options)?;
        let mut pipe = io::stdout().lock();
        let mut bytes = vec![0; SIZE.segment_bytes as usize];
        for number in 0..segments_in(mebibytes) {
            let mut segment = client.acquire_within(PATIENCE)?;
            bytes.fill(number.to_le_bytes()[0]);
            segment.write(0, &bytes)?;
            pipe.write_all(&segment.hand_over().to_bytes())?;
        }
        pipe.flush()?;
        io::stdin().read_to_end(&mut Vec::new())?;
        Ok(())
    }

    fn read(socket: &Path, mebibytes: u64) -> Outcome<()> {
        let client = Client::join(socket, &ClientOptions::new("reader"))?;
        let mut pipe = io::stdin().lock();
        let mut claim = [0; Handed::BYTES];
        let mut bytes = vec![0; SIZE.segment_bytes as usize];
        for number in 0..segments_in(mebibytes) {
            pipe.read_exact(&mut claim)?;
            let segment = client.adopt(Handed::from_bytes(claim))?;
            segment.read(0, &mut bytes)?;
            let expected = number.to_le_bytes()[0];
            if bytes.iter().any(|byte| *byte != expected) {
                return Err(format!("segment {number} has other bytes than were written").into());
            }
        }
        Ok(())
    }

    fn segments_in(mebibytes: u64) -> u64 {
        mebibytes * (1 << 20) / u64::from(SIZE.segment_bytes)
    }

    fn itself() -> io::Result<Command> {
        Ok(Command::new(env::current_exe()?))
    }

    /// A process that does not outlive this one's interest in it.
    struct Started(Child);

    impl Started {
        fn new(command: &mut Command) -> io::Result<Self> {
            command.spawn().map(Self)
        }

        fn end(&mut self, name: &str) -> Outcome<()> {
            let status = self.0.wait()?;
            if status.success() {
                Ok(())
            } else {
                Err(format!("the {name} failed: {status}").into())
            }
        }
    }

    impl Drop for Started {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// A directory for the socket that only this user may enter, and that goes with the pool.
    struct Place(PathBuf);

    impl Place {
        fn new() -> io::Result<Self> {
            let path = env::temp_dir().join(format!("headroom-pool-{}", std::process::id()));
            DirBuilder::new().mode(0o700).create(&path)?;
            Ok(Self(path))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
