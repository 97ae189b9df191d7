//! Clients in processes of their own: this test binary, run again to do one thing.

use std::fs::File;
use std::io::{BufRead, BufReader, IoSliceMut, Lines, Read, Write};
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headroom::pool::mapping::directory::MemoryDirectory;
use headroom::pool::mapping::limit::MemoryLimit;
use headroom::pool::shared::{
    Client, ClientOptions, Handed, PoolSize, ServerOptions, SharedPool, SharedSegment, Storage,
};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

use super::kill;
use super::served::{NO_LIMIT, create, one_thread, size};
use crate::random::Random;

/// By this a process knows that it is one.
const ROLE: &str = "HEADROOM_TEST_POOL_CLIENT";

/// A client in a process of its own, which ends with this value.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub fn start(socket: &Path, role: &str, arguments: &[&str]) -> Self {
        Self::start_by(
            Command::new(std::env::current_exe().unwrap()),
            socket,
            role,
            arguments,
        )
    }

    /// Starts it by way of another command, which this test binary comes after.
    pub fn start_by(mut command: Command, socket: &Path, role: &str, arguments: &[&str]) -> Self {
        let role = format!("{role} {} {}", socket.display(), arguments.join(" "));
        command
            .args([
                "--exact",
                "shared::process::is_a_client_process",
                "--nocapture",
            ])
            .env(ROLE, role);
        Self::start_command(command)
    }

    /// Starts a program that says things in lines which begin with `> `.
    pub fn start_command(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits for a certain thing that the process says, and answers what it said before.
    pub fn expect_line(&mut self, expected: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let line = self.says().unwrap_or_else(|| {
                panic!("the process ended before it said {expected:?}, after {before:?}")
            });
            if line == expected {
                return before;
            }
            before.push(line);
        }
    }

    /// Waits for the next thing that the process says; `None` if it ends instead.
    pub fn says(&mut self) -> Option<String> {
        self.lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("> ")?.1.to_owned()))
    }

    /// Waits for the segments that it hands over.
    pub fn handed(&mut self) -> Vec<Handed> {
        let line = self.says().unwrap();
        line.split_whitespace()
            .map(|claim| {
                let bytes: Vec<u8> = (0..claim.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&claim[at..at + 2], 16).unwrap())
                    .collect();
                Handed::from_bytes(bytes.try_into().unwrap())
            })
            .collect()
    }

    /// Tells the process to go on, or to end if it waits for that.
    pub fn tell(&mut self, text: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{text}").unwrap();
    }

    /// What the process reads.
    pub fn input(&mut self) -> &mut ChildStdin {
        self.child.stdin.as_mut().unwrap()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let process = i32::try_from(self.child.id()).unwrap();
        let process = rustix::process::Pid::from_raw(process).unwrap();
        rustix::process::kill_process(process, signal).unwrap();
    }

    /// Stops the process, and answers when none of its threads runs any more.
    pub fn stop(&self) {
        self.signal(rustix::process::Signal::STOP);
        self.wait_until_stopped();
    }

    /// Waits until something has stopped the process.
    pub fn wait_until_stopped(&self) {
        let threads = format!("/proc/{}/task", self.child.id());
        let is_stopped = |thread: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(thread.unwrap().path().join("stat"));
            stat.is_ok_and(|stat| stat.contains(") T "))
        };
        crate::wait_until(|| std::fs::read_dir(&threads).unwrap().all(is_stopped));
    }

    /// Lets a stopped process go on.
    pub fn go_on(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    /// Kills the process, and answers when it is dead.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the process ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process of its own does. In a run of all tests this shows nothing and passes.
#[test]
fn is_a_client_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let words: Vec<&str> = role.split_whitespace().collect();
    let (role, socket) = (words[0], Path::new(words[1]));
    let words = &words[2..];
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    match role {
        "hold" => hold(socket, number(0)),
        "greedy" => greedy(socket),
        "work" => work(socket, number(0)),
        "take-over" => take_over(socket, number(0)),
        "truncate" => truncate(socket),
        "scribble" => scribble(socket, number(0)),
        "agent" => agent(socket, Path::new(words[0]), number(1), number(2)),
        "create" => create_within(Path::new(words[0]), Path::new(words[1])),
        "volume" => small_volume(socket, Path::new(words[0])),
        "victim" => kill::victim(socket, [0, 1, 2, 3].map(number)),
        role => panic!("{role} is no role"),
    }
}

/// Tells the test something.
pub fn say(what: impl std::fmt::Display) {
    println!("\n> {what}");
}

/// Holds so many segments and tells of three that it hands over. At a word it takes those over itself, if it still can,
/// and tells what became of each; at the next one it ends.
fn hold(socket: &Path, count: u64) {
    let client = Client::join(socket, &ClientOptions::new("holder")).unwrap();
    let mut held: Vec<_> = (0..count).map(|_| client.acquire().unwrap()).collect();
    let handed: Vec<Handed> = held.drain(..3).map(SharedSegment::hand_over).collect();
    let claims: Vec<String> = handed
        .iter()
        .map(|handed| {
            let bytes = handed.to_bytes();
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        })
        .collect();
    say(claims.join(" "));
    wait_for_a_word();
    let outcomes: Vec<_> = handed
        .iter()
        .map(|&handed| match client.adopt(handed) {
            Ok(segment) => {
                held.push(segment);
                "taken".to_owned()
            }
            Err(error) => error.to_string(),
        })
        .collect();
    say(outcomes.join(", "));
    wait_for_a_word();
    drop(held);
}

/// Takes all it can get and tells how many of how many allowed; for each number that it is told it gives so many back and
/// does it again.
fn greedy(socket: &Path) {
    let client = Client::join(socket, &ClientOptions::new("greedy")).unwrap();
    let mut held = Vec::new();
    loop {
        held.extend(std::iter::from_fn(|| client.acquire().ok()));
        say(format!("{} of {}", held.len(), client.quota()));
        let Ok(back) = wait_for_a_word().trim().parse::<usize>() else {
            return;
        };
        held.truncate(held.len() - back);
    }
}

/// Takes over so many segments, whose claims come in one after the other, and gives each back after a look at its number.
fn take_over(socket: &Path, count: u64) {
    let client = Client::join(socket, &ClientOptions::new("reader")).unwrap();
    say("joined");
    let mut claims = BufReader::new(std::io::stdin());
    let mut claim = [0; Handed::BYTES];
    let mut bytes = [0; 8];
    for number in 0..count {
        claims.read_exact(&mut claim).unwrap();
        let segment = client.adopt(Handed::from_bytes(claim)).unwrap();
        segment.read(0, &mut bytes).unwrap();
        assert_eq!(u64::from_le_bytes(bytes), number);
    }
    say("all read");
}

/// Takes and gives back until it is told to end.
fn work(socket: &Path, seed: u64) {
    let client = Client::join(socket, &ClientOptions::new("worker")).unwrap();
    let mut random = Random::new(seed);
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = is_over.clone();
    std::thread::spawn(move || {
        wait_for_a_word();
        ends.store(true, Ordering::Relaxed);
    });
    say("joined");
    let mut held = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        if random.below(2) == 0 {
            held.extend(client.acquire().ok());
        } else if !held.is_empty() {
            held.swap_remove(random.below(held.len()));
        }
    }
}

/// Tries to give both files another size, and tells what the kernel says.
fn truncate(socket: &Path) {
    let raw = RawClient::join(socket);
    let mut outcomes = Vec::new();
    for file in &raw.files {
        for length in [0, 1 << 30] {
            let outcome = rustix::fs::ftruncate(file, length);
            outcomes
                .push(outcome.map_or_else(|error| error.kind().to_string(), |()| "done".into()));
        }
    }
    say(outcomes.join(", "));
    wait_for_a_word();
}

/// Writes over a part of the control file at each word.
fn scribble(socket: &Path, seed: u64) {
    let raw = RawClient::join(socket);
    let length = raw.control_bytes();
    let mut random = Random::new(seed);
    for round in 0_usize.. {
        // The header was read once and is not read again; what comes after it is fair game.
        let offset = 128 + random.below(length - 128);
        let count = [1, 8, 64, 4096][round % 4].min(length - offset);
        let bytes: Vec<u8> = match round % 3 {
            0 => vec![0; count],
            1 => vec![0xff; count],
            _ => (0..count).map(|_| random.below(256) as u8).collect(),
        };
        raw.scribble(offset, &bytes);
        say("scribbled");
        wait_for_a_word();
    }
}

/// Serves a pool in a directory, found again or made, and tells how it gets on with making it.
fn agent(socket: &Path, directory: &Path, segment_bytes: u64, segments: u64) {
    let directory = MemoryDirectory::open(directory).unwrap();
    let size = PoolSize {
        segment_bytes: segment_bytes.try_into().unwrap(),
        segments: segments.try_into().unwrap(),
        clients: 8,
    };
    let storage = Storage::Directory {
        directory: &directory,
        name: "pool",
    };
    let pool = SharedPool::open(size, &directory, "pool").unwrap_or_else(|_| {
        SharedPool::create(size, storage, &NO_LIMIT, one_thread(), |progress| {
            say(format!("populated {}", progress.populated_bytes));
            ControlFlow::Continue(())
        })
        .unwrap()
    });
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).unwrap();
    let options = ServerOptions {
        look_interval: Duration::from_millis(50),
        ..ServerOptions::default()
    };
    let _server = pool.serve(listener, options, |_| {});
    say("ready");
    wait_for_a_word();
}

/// Makes a pool of 64 MiB in a container whose limits lie in `limits`, and tells what came of it.
fn create_within(limits: &Path, directory: &Path) {
    let limit = MemoryLimit::read(limits).unwrap();
    let directory = MemoryDirectory::open(directory).unwrap();
    let size = PoolSize {
        segment_bytes: 32 << 10,
        segments: 2048,
        clients: 8,
    };
    let storage = Storage::Directory {
        directory: &directory,
        name: "network",
    };
    let made = SharedPool::create(size, storage, &limit, one_thread(), |_| {
        ControlFlow::Continue(())
    });
    say(made.map_or_else(|error| error.to_string(), |_| "made".to_owned()));
}

/// On a volume of 8 MiB: a pool of 16 MiB is refused; in one of 4 MiB a client writes every byte, then somebody fills the
/// volume, and the client writes every byte again.
fn small_volume(socket: &Path, volume: &Path) {
    let directory = MemoryDirectory::open(volume).unwrap();
    let storage = Storage::Directory {
        directory: &directory,
        name: "pool",
    };
    let refused = create(size(4096), storage).unwrap_err();
    let left = std::fs::read_dir(volume).unwrap().count();
    say(format!("{refused}; {left} files left"));
    let pool = create(size(1024), storage).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    let _server = pool.serve(listener, ServerOptions::default(), |_| {});
    let client = Client::join(socket, &ClientOptions::new("writer")).unwrap();
    let mut held: Vec<_> = (0..1024).map(|_| client.acquire().unwrap()).collect();
    let mut write_all = |value: u8| {
        for segment in &mut held {
            segment.write(0, &[value; 4096]).unwrap();
        }
    };
    write_all(1);
    let mut others = File::create(volume.join("others")).unwrap();
    let full = std::iter::repeat_with(|| others.write_all(&[0; 4096]))
        .find_map(Result::err)
        .unwrap();
    write_all(2);
    say(format!("written on a full volume: {}", full.kind()));
}

/// Waits until the test says something or is gone.
pub fn wait_for_a_word() -> String {
    let mut word = String::new();
    let _ = std::io::stdin().read_line(&mut word);
    // Whoever went without a word took this process's reason to be with it.
    if word.is_empty() {
        std::process::exit(0);
    }
    word
}

/// The first message of a client that asks for each segment.
pub fn hello(version: u32) -> Vec<u8> {
    let mut body = vec![1];
    body.extend_from_slice(&version.to_le_bytes());
    body.push(2);
    body.extend_from_slice(&0_u32.to_le_bytes());
    body.extend_from_slice(&u32::MAX.to_le_bytes());
    body.extend_from_slice(&0_u16.to_le_bytes());
    body.extend_from_slice(&0_u64.to_le_bytes());
    body.extend_from_slice(&3_u16.to_le_bytes());
    body.extend_from_slice(b"raw");
    let mut message = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
    message.extend(body);
    message
}

/// A client that speaks the protocol by hand, and has the files as files.
pub struct RawClient {
    /// Its lease, for as long as it is open.
    _stream: UnixStream,
    /// The data file and the control file.
    pub files: Vec<OwnedFd>,
}

impl RawClient {
    pub fn join(socket: &Path) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.write_all(&hello(1)).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 36];
        let received = rustix::net::recvmsg(
            &stream,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        );
        assert_eq!(received.unwrap().bytes, 36);
        assert_eq!(bytes[4], 128, "it is welcome");
        let files = ancillary
            .drain()
            .flat_map(|message| match message {
                RecvAncillaryMessage::ScmRights(files) => files.collect::<Vec<_>>(),
                _ => Vec::new(),
            })
            .collect();
        Self {
            _stream: stream,
            files,
        }
    }

    pub fn control_bytes(&self) -> usize {
        let status = rustix::fs::fstat(&self.files[1]).unwrap();
        usize::try_from(status.st_size).unwrap()
    }

    /// Writes over the control file.
    pub fn scribble(&self, offset: usize, bytes: &[u8]) {
        let control = File::from(self.files[1].try_clone().unwrap());
        control.write_all_at(bytes, offset as u64).unwrap();
    }
}
