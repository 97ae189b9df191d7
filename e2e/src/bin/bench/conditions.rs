//! Under which conditions the figures were taken: the machine, the versions, and who else used it.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result};
use serde::Serialize;

/// What a reader needs to compare the figures with others.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conditions {
    /// Processors that this process may use.
    pub processors: usize,
    /// The processors' own name.
    pub processor_model: String,
    /// All memory of the machine, in bytes.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The Kubernetes release of the control plane.
    pub kubernetes_version: String,
    /// The compiler.
    pub rust_version: String,
    /// How the controllers were built.
    pub profile: &'static str,
    /// Nodes of the cluster.
    pub nodes: usize,
    /// The priority that everything ran with, as `nice` counts: 0 is usual, less is more.
    pub niceness: i32,
    /// Share of the processors that programs other than the benchmark's took while it ran.
    pub others_share: f64,
    /// Whether the counts of pools and the times were cut down.
    pub is_quick: bool,
}

impl Conditions {
    /// Of this machine.
    ///
    /// # Errors
    /// When `/proc` is not readable.
    pub fn here(kubernetes_version: &str, profile: &'static str, is_quick: bool) -> Result<Self> {
        let read =
            |path: &str| fs::read_to_string(path).with_context(|| format!("failed to read {path}"));
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo")?, "MemTotal")
            .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
            .context("/proc/meminfo has no MemTotal")?;
        let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let compiler = Command::new(compiler).arg("--version").output();
        Ok(Self {
            processors: std::thread::available_parallelism()
                .context("failed to count the processors")?
                .get(),
            processor_model: field(&read("/proc/cpuinfo")?, "model name")
                .unwrap_or_else(|| String::from("unknown")),
            memory_bytes: memory * 1024,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            kubernetes_version: kubernetes_version.to_owned(),
            rust_version: compiler
                .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
                .unwrap_or_default(),
            profile,
            nodes: 0,
            niceness: niceness()?,
            others_share: 0.0,
            is_quick,
        })
    }

    /// One paragraph for a reader.
    #[must_use]
    pub fn text(&self) -> String {
        let quick = if self.is_quick {
            "\nA quick run: fewer pools and shorter times than the rows say; no figures to keep."
        } else {
            ""
        };
        let priority = match self.niceness {
            0 => String::new(),
            niceness => format!(", priority {niceness}"),
        };
        format!(
            "{} processors ({}), {} MiB of memory, Linux {}, Kubernetes {} with {} nodes, {}, profile {}{priority}.\n\
             Other programs took {:.0} % of the processors meanwhile.{quick}",
            self.processors,
            self.processor_model,
            self.memory_bytes >> 20,
            self.kernel,
            self.kubernetes_version,
            self.nodes,
            self.rust_version,
            self.profile,
            self.others_share * 100.0
        )
    }
}

/// Processor time of the whole machine and of our own process with all its descendants, since boot.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    busy: Duration,
    all: Duration,
    own: Duration,
}

impl Load {
    /// Until now.
    ///
    /// # Errors
    /// When `/proc` is not readable.
    pub fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("failed to read /proc/stat")?;
        let ticks: Vec<u64> = text
            .lines()
            .next()
            .unwrap_or_default()
            .split_ascii_whitespace()
            .skip(1)
            .take(8)
            .map_while(|field| field.parse().ok())
            .collect();
        let all: u64 = ticks.iter().sum();
        // The fourth is idle, the fifth waits for disks; the eighth was taken by other machines.
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Ok(Self {
            busy: time(all - idle),
            all: time(all),
            own: time(own_ticks()?),
        })
    }

    /// The share of the processors that others took since `earlier`, from 0 to 1.
    #[must_use]
    pub fn others_share(&self, earlier: &Self) -> f64 {
        let busy = self.busy.saturating_sub(earlier.busy);
        let own = self.own.saturating_sub(earlier.own);
        let all = self.all.saturating_sub(earlier.all).as_secs_f64();
        if all > 0.0 {
            (busy.saturating_sub(own).as_secs_f64() / all).min(1.0)
        } else {
            0.0
        }
    }
}

/// The priority of our own process, which its children inherit.
fn niceness() -> Result<i32> {
    let text = fs::read_to_string("/proc/self/stat").context("failed to read /proc/self/stat")?;
    let fields = text.rfind(')').and_then(|end| text.get(end + 1..));
    let field = fields.and_then(|fields| fields.split_ascii_whitespace().nth(19 - 3)?.parse().ok());
    field.context("/proc/self/stat has an unknown form")
}

fn time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1))
}

/// Ticks of our process and its descendants, those that have ended and were waited for included.
fn own_ticks() -> Result<u64> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc").context("failed to read /proc")? {
        let path = entry?.path().join("stat");
        // Not a process, or it has ended meanwhile.
        let Ok(text) = fs::read_to_string(path) else {
            continue;
        };
        processes.extend(Stat::parse(&text));
    }
    let mut family = vec![std::process::id()];
    let mut ticks = 0;
    while let Some(id) = family.pop() {
        ticks += processes
            .iter()
            .filter(|stat| stat.id == id)
            .map(|stat| stat.ticks)
            .sum::<u64>();
        family.extend(
            processes
                .iter()
                .filter(|stat| stat.parent == id)
                .map(|stat| stat.id),
        );
    }
    Ok(ticks)
}

struct Stat {
    id: u32,
    parent: u32,
    ticks: u64,
}

impl Stat {
    /// Of a line of `/proc/PID/stat`, whose second field may hold blanks and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (id, rest) = text.split_once(' ')?;
        let fields: Vec<&str> = rest
            .get(rest.rfind(')')? + 1..)?
            .split_ascii_whitespace()
            .collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        // User and system time, own and of children that were waited for.
        Some(Self {
            id: id.parse().ok()?,
            parent: number(4)?.try_into().ok()?,
            ticks: number(14)? + number(15)? + number(16)? + number(17)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_work_is_not_counted_as_that_of_others() {
        let earlier = Load::now().expect("/proc is readable");
        let started = std::time::Instant::now();
        let mut sum = 0u64;
        while started.elapsed() < Duration::from_millis(300) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let now = Load::now().expect("/proc is readable");
        assert!(
            now.own - earlier.own >= Duration::from_millis(50),
            "{earlier:?} {now:?}"
        );
        assert!((0.0..=1.0).contains(&now.others_share(&earlier)));
    }
}
