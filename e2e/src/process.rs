//! Starts processes that end with us, and ends them.
//!
//! Every process is started through the `leash` tool, so that the kernel kills it when ours ends,
//! however ours ends. The kernel ties it to the *thread* that started it, so one thread that lives
//! as long as our process starts them all. A process id from a file is trusted only together with
//! the start time recorded beside it: a reused id is never signalled.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};

use crate::tools::Tool;

/// How long a process gets between SIGTERM and SIGKILL. The API server's own graceful end can take
/// a minute while watches are open, and nothing here needs it to.
pub const GRACE: Duration = Duration::from_secs(3);

const INTERVAL: Duration = Duration::from_millis(10);

/// How a process on this host is known, also after it ended and its id was given to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessRecord {
    /// What it is, such as `kube-apiserver`.
    pub name: String,

    /// The process id.
    pub pid: i32,

    /// When it started, in clock ticks since the host booted.
    pub start_time_ticks: u64,
}

impl ProcessRecord {
    /// The record of a living process.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(name: &str, pid: i32) -> Result<Self> {
        let stat = Stat::read(pid).with_context(|| format!("{name} has no process {pid}"))?;
        Ok(Self {
            name: name.to_owned(),
            pid,
            start_time_ticks: stat.start_time_ticks,
        })
    }

    /// The record of the calling process.
    ///
    /// # Errors
    /// When `/proc` is not readable.
    pub fn of_self() -> Result<Self> {
        Self::of("self", rustix::process::getpid().as_raw_nonzero().get())
    }

    /// Whether this very process runs; a zombie does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Stat::read(self.pid)
            .is_ok_and(|stat| stat.start_time_ticks == self.start_time_ticks && !stat.is_zombie)
    }

    /// Sends a signal to this very process, and does nothing when it has ended.
    ///
    /// # Errors
    /// When the process belongs to somebody else.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(());
        };
        // The descriptor is of whichever process has the id now. The check after it tells whether
        // that is the right one, and from then on the id cannot be reused under our hands.
        let Ok(descriptor) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(());
        };
        if !self.is_alive() {
            return Ok(());
        }
        match rustix::process::pidfd_send_signal(&descriptor, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error)
                .with_context(|| format!("failed to signal {} (process {})", self.name, self.pid)),
        }
    }

    /// What the process has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage> {
        if !self.is_alive() {
            bail!("{} (process {}) has ended", self.name, self.pid);
        }
        Usage::read(self.pid)
    }
}

/// Ends the processes: SIGTERM to all, [`GRACE`], SIGKILL to those that are left; returns when none
/// is left.
///
/// # Errors
/// When a process cannot be signalled, or is still there after SIGKILL.
pub async fn end_all(processes: &[ProcessRecord]) -> Result<()> {
    for process in processes {
        process.signal(Signal::TERM)?;
    }
    let alive = || processes.iter().find(|process| process.is_alive());
    for signal in [None, Some(Signal::KILL)] {
        if let Some(signal) = signal {
            for process in processes {
                process.signal(signal)?;
            }
        }
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if alive().is_none() {
                return Ok(());
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
    match alive() {
        Some(process) => bail!(
            "{} (process {}) is still there after SIGKILL",
            process.name,
            process.pid
        ),
        None => Ok(()),
    }
}

/// Memory and processor time of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Memory in use now, in bytes (`VmRSS`).
    pub resident_bytes: u64,

    /// The most memory that was ever in use, in bytes (`VmHWM`).
    pub peak_resident_bytes: u64,

    /// User and system time since its start.
    pub cpu: Duration,
}

impl Usage {
    fn read(pid: i32) -> Result<Self> {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| {
                    line.strip_prefix(name)?
                        .trim()
                        .strip_suffix(" kB")?
                        .trim()
                        .parse::<u64>()
                        .ok()
                })
                .map(|kibibytes| kibibytes * 1024)
                .with_context(|| format!("{path} has no {name}"))
        };
        Ok(Self {
            resident_bytes: field("VmRSS:")?,
            peak_resident_bytes: field("VmHWM:")?,
            cpu: Stat::read(pid)?.cpu,
        })
    }
}

/// What is needed of `/proc/PID/stat`.
struct Stat {
    is_zombie: bool,
    cpu: Duration,
    start_time_ticks: u64,
}

impl Stat {
    fn read(pid: i32) -> Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        Self::parse(&text).with_context(|| format!("{path} has an unknown form: {text}"))
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses and may hold blanks and
        // parentheses itself, so counting starts after the last one; field 3 comes first.
        let fields: Vec<&str> = text
            .get(text.rfind(')')? + 1..)?
            .split_ascii_whitespace()
            .collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let ticks = number(14)? + number(15)?;
        Some(Self {
            // The first thread may have ended while others still run, and still write files.
            is_zombie: matches!(*fields.first()?, "Z" | "X") && number(20)? <= 1,
            cpu: Duration::from_millis(
                ticks * 1000 / rustix::param::clock_ticks_per_second().max(1),
            ),
            start_time_ticks: number(22)?,
        })
    }
}

/// A process that we started.
///
/// Dropping the last handle kills it.
#[derive(Clone, Debug)]
pub struct Process(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    record: ProcessRecord,
    log: PathBuf,
    child: Mutex<Child>,
}

impl Process {
    /// Starts a program on a leash and in a process group of its own, with no standard input, and
    /// both output streams appended to the file `log`.
    ///
    /// `command` must not be given standard streams.
    ///
    /// # Errors
    /// When the leash cannot be built, the log cannot be opened, or the program cannot be started.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("failed to open {}", log.display()))?;
        let mut leashed = Command::new(Tool::Leash.path()?);
        leashed
            .arg(std::process::id().to_string())
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::null())
            .stdout(
                output
                    .try_clone()
                    .context("failed to share the log between two streams")?,
            )
            .stderr(output)
            // Ctrl-C in the terminal is for us; we end our children in our own order.
            .process_group(0);
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => leashed.env(key, value),
                None => leashed.env_remove(key),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            leashed.current_dir(directory);
        }

        let mut child = spawn(leashed).with_context(|| format!("failed to start {name}"))?;
        let pid = i32::try_from(child.id()).context("the process id does not fit")?;
        // The child is not reaped before we wait for it, so its entry in /proc is there.
        let record = match ProcessRecord::of(name, pid) {
            Ok(record) => record,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        Ok(Self(Arc::new(Inner {
            record,
            log: log.to_owned(),
            child: Mutex::new(child),
        })))
    }

    /// Its name, process id and start time.
    #[must_use]
    pub fn record(&self) -> &ProcessRecord {
        &self.0.record
    }

    /// The file that holds everything it printed.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.0.log
    }

    /// Everything it printed so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(&self.0.log)
            .with_context(|| format!("failed to read {}", self.0.log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Its exit status, once it has ended.
    ///
    /// # Errors
    /// When the system call fails.
    pub fn exit_status(&self) -> Result<Option<ExitStatus>> {
        self.child()
            .try_wait()
            .with_context(|| format!("failed to ask for the status of {}", self.0.record.name))
    }

    /// Fails when it has ended, with its status and the end of its log.
    ///
    /// # Errors
    /// See above.
    pub fn check(&self) -> Result<()> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended ({status}); {}",
                self.0.record.name,
                log_tail(&self.0.log)
            ),
        }
    }

    /// Sends a signal, unless it has ended.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        // Under the lock nobody reaps the child, so its id cannot go to another process.
        let mut child = self.child();
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = Pid::from_raw(self.0.record.pid).context("the process id is zero")?;
        rustix::process::kill_process(pid, signal)
            .with_context(|| format!("failed to signal {}", self.0.record.name))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `within`.
    pub async fn wait(&self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.exit_status()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} still runs after {within:?}; {}",
                    self.0.record.name,
                    log_tail(&self.0.log)
                );
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Ends it: SIGTERM, [`GRACE`], SIGKILL.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub async fn stop(&self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        if let Ok(status) = self.wait(GRACE).await {
            return Ok(status);
        }
        self.kill().await
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub async fn kill(&self) -> Result<ExitStatus> {
        self.signal(Signal::KILL)?;
        self.wait(GRACE).await
    }

    /// Memory and processor time so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage> {
        self.0.record.usage()
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.0.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // A child that has ended already needs neither, and there is nobody to tell of an error.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The last lines of a log, worded to stand at the end of an error.
#[must_use]
pub fn log_tail(path: &Path) -> String {
    const LINES: usize = 20;
    const BYTES: u64 = 16 * 1024;
    let tail = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match tail() {
        Ok(text) if text.trim().is_empty() => format!("its log {} is empty", path.display()),
        Ok(text) => {
            let lines: Vec<&str> = text.trim_end().lines().collect();
            let shown = lines[lines.len().saturating_sub(LINES)..].join("\n  ");
            format!("the end of its log {}:\n  {shown}", path.display())
        }
        Err(error) => format!("its log {} is not readable: {error}", path.display()),
    }
}

type Order = (Command, mpsc::SyncSender<std::io::Result<Child>>);

/// Starts a process from the thread that lives as long as we do.
fn spawn(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, received) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in received {
                // Whoever asked and went away drops the answer; the child is then dropped unkilled,
                // which cannot happen while `spawn` waits for it below.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, answered) = mpsc::sync_channel(1);
    spawner
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, answer))
        .context("the thread that starts processes has ended")?;
    answered
        .recv()
        .context("the thread that starts processes has ended")?
        .context("failed to spawn")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_a_name_with_parentheses_and_blanks() {
        let stat = Stat::parse(
            "12 (a) (b c) Z 1 12 12 0 -1 4194560 1 2 3 4 500 250 0 0 20 0 1 0 987654 1000 10 18446744073709551615",
        )
        .expect("it has all fields");
        assert!(stat.is_zombie);
        let others_run = Stat::parse(
            "12 (a) Z 1 12 12 0 -1 4194560 1 2 3 4 500 250 0 0 20 0 3 0 987654 1000 10 18446744073709551615",
        )
        .expect("it has all fields");
        assert!(!others_run.is_zombie);
        assert_eq!(stat.start_time_ticks, 987_654);
        assert_eq!(
            stat.cpu,
            Duration::from_millis(750 * 1000 / rustix::param::clock_ticks_per_second())
        );
    }

    #[test]
    fn a_record_with_another_start_time_is_not_alive_and_not_signalled() {
        let mut record = ProcessRecord::of_self().expect("we run");
        assert!(record.is_alive());
        record.start_time_ticks += 1;
        assert!(!record.is_alive());
        // Had the signal been sent, this test would have ended here.
        record
            .signal(Signal::KILL)
            .expect("a process that has ended is no error");
    }

    #[test]
    fn our_own_usage_is_plausible() {
        let usage = ProcessRecord::of_self()
            .and_then(|record| record.usage())
            .expect("we run");
        assert!(usage.resident_bytes > 100_000, "{usage:?}");
        assert!(
            usage.peak_resident_bytes >= usage.resident_bytes,
            "{usage:?}"
        );
    }
}
