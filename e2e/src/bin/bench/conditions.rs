//! Under which conditions the figures were taken: the machine, the versions, and how busy it was before.

use std::{fs, process::Command, thread, time::Duration};

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
    /// Share of the processors that was idle in the seconds before the measurements, from 0 to 1.
    pub idle_before: f64,
    /// Whether the counts of pools and the times were cut down.
    pub is_quick: bool,
}

impl Conditions {
    /// Of this machine; looks for some seconds how busy it is.
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
            idle_before: idle_share(Duration::from_secs(3))?,
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
             The processors were {:.0} % idle before the measurements.{quick}",
            self.processors,
            self.processor_model,
            self.memory_bytes >> 20,
            self.kernel,
            self.kubernetes_version,
            self.nodes,
            self.rust_version,
            self.profile,
            self.idle_before * 100.0
        )
    }
}

/// The share of the processors that nothing used while `time` went by.
fn idle_share(time: Duration) -> Result<f64> {
    let (idle_before, all_before) = processor_ticks()?;
    thread::sleep(time);
    let (idle, all) = processor_ticks()?;
    let ticks = all.saturating_sub(all_before).max(1);
    Ok(idle.saturating_sub(idle_before) as f64 / ticks as f64)
}

/// Ticks that the processors were idle, and all of their ticks, since boot.
fn processor_ticks() -> Result<(u64, u64)> {
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
    // The fourth is idle, the fifth waits for disks.
    Ok((ticks.iter().skip(3).take(2).sum(), ticks.iter().sum()))
}

/// The priority of our own process, which its children inherit.
fn niceness() -> Result<i32> {
    let text = fs::read_to_string("/proc/self/stat").context("failed to read /proc/self/stat")?;
    let fields = text.rfind(')').and_then(|end| text.get(end + 1..));
    let field = fields.and_then(|fields| fields.split_ascii_whitespace().nth(19 - 3)?.parse().ok());
    field.context("/proc/self/stat has an unknown form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_share() {
        let share = idle_share(Duration::from_millis(50)).expect("/proc is readable");
        assert!((0.0..=1.0).contains(&share), "{share}");
    }
}
