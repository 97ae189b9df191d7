//! Clients in processes of their own: this test binary, run again to do one thing.

use std::fs::File;
use std::io::{BufRead, BufReader, IoSliceMut, Lines, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use headroom::pool::shared::{Client, ClientOptions, Handed};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

use super::kill;

/// By this a process knows that it is one.
const ROLE: &str = "HEADROOM_TEST_POOL_CLIENT";

/// A client in a process of its own, which ends with this value.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub fn start(socket: &Path, role: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "shared::process::is_a_client_process",
                "--nocapture",
            ])
            .env(
                ROLE,
                format!("{role} {} {}", socket.display(), arguments.join(" ")),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
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

    pub fn signal(&self, signal: rustix::process::Signal) {
        let process = i32::try_from(self.child.id()).unwrap();
        let process = rustix::process::Pid::from_raw(process).unwrap();
        rustix::process::kill_process(process, signal).unwrap();
    }

    pub fn id(&self) -> u32 {
        self.child.id()
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
    let numbers: Vec<u64> = words[2..]
        .iter()
        .map(|word| word.parse().unwrap())
        .collect();
    match role {
        "hold" => hold(socket, numbers[0]),
        "victim" => kill::victim(socket, &numbers),
        role => panic!("{role} is no role"),
    }
}

/// Holds so many segments, tells of three that it hands over, and waits for its end.
fn hold(socket: &Path, count: u64) {
    let client = Client::join(socket, &ClientOptions::new("holder")).unwrap();
    let mut held: Vec<_> = (0..count).map(|_| client.acquire().unwrap()).collect();
    let claims: Vec<String> = held
        .drain(..3)
        .map(|segment| {
            let bytes = segment.hand_over().to_bytes();
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        })
        .collect();
    println!("\n> {}", claims.join(" "));
    wait_for_a_word();
    drop(held);
}

/// Waits until the test says something or is gone.
pub fn wait_for_a_word() {
    let _ = std::io::stdin().read_line(&mut String::new());
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
