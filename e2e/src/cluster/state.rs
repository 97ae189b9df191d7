//! The run directory of one cluster and the file that says what runs in it.
//!
//! Everything of a cluster lies in its run directory. `cluster.json` there names its owner and its
//! processes from the moment the first one starts, so that another process can find them, end them
//! and clean up, whatever happened to the owner.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::pki::write_private;
use crate::{process::ProcessRecord, tools::cache_directory};

/// What the file `cluster.json` says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The cluster's name, which is also its context's name in the kubeconfig.
    pub name: String,

    /// The process that started the cluster; the cluster ends with it.
    pub owner: ProcessRecord,

    /// How far it is.
    pub phase: Phase,

    /// The URL of the API server, once its port is chosen.
    pub server: Option<String>,

    /// The version of Kubernetes.
    pub kubernetes_version: String,

    /// How many nodes were made at the start.
    pub nodes: usize,

    /// The processes that were started.
    pub processes: Vec<ProcessRecord>,
}

/// How far a cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum Phase {
    /// Not everything answers yet.
    Starting,
    /// Everything answers.
    Ready {
        /// How long the start took, in milliseconds.
        took_millis: u64,
    },
    /// It could not be started, or it broke.
    Failed {
        /// The whole error.
        error: String,
    },
}

/// Where everything of one cluster lies.
#[derive(Clone, Debug)]
pub struct RunDirectory(PathBuf);

impl RunDirectory {
    /// The directory of a cluster that people call by name.
    ///
    /// # Errors
    /// When the name is not one that can be a directory and a context, or there is no cache
    /// directory.
    pub fn of_name(name: &str) -> Result<Self> {
        check_name(name)?;
        Ok(Self(cache_directory()?.join("clusters").join(name)))
    }

    /// A given directory.
    ///
    /// # Errors
    /// When the path is empty.
    pub fn at(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path)
            .with_context(|| format!("{} is not usable as a path", path.display()))?;
        Ok(Self(path))
    }

    /// A new directory for a cluster that ends with the calling process.
    ///
    /// # Errors
    /// As [`Self::of_name`].
    pub fn temporary(name: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        check_name(name)?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Ok(Self(
            temporary_root()?.join(format!("{name}-{}-{count}", std::process::id())),
        ))
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file or directory in it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What `cluster.json` says; nothing when there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn state(&self) -> Result<Option<State>> {
        let path = self.join("cluster.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("{} is not a cluster's state; remove its directory when nothing runs there any more", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    /// The file that gets what the supervisor of `cluster up` prints; it may be there before the
    /// cluster's own files.
    pub const SUPERVISOR_LOG: &'static str = "supervisor.log";

    /// Makes the directory, and empties it of what a cluster left there that has ended.
    ///
    /// # Errors
    /// When a cluster runs there, or when the directory holds something that is not a cluster's.
    pub fn clear(&self) -> Result<()> {
        let path = self.path();
        match self.state()? {
            Some(old) if old.owner.is_alive() => bail!(
                "cluster {} runs already in {} (process {}); end it with `cluster down`, or choose another name",
                old.name,
                path.display(),
                old.owner.pid
            ),
            Some(_) => self.remove()?,
            None if self.holds_foreign_files() => bail!(
                "{} is not empty and holds no cluster; name an empty directory, or one that does not exist yet",
                path.display()
            ),
            None => {}
        }
        fs::create_dir_all(path).with_context(|| format!("failed to create {}", path.display()))
    }

    fn holds_foreign_files(&self) -> bool {
        let entries = self.path().read_dir().into_iter().flatten().flatten();
        entries
            .into_iter()
            .any(|entry| entry.file_name() != Self::SUPERVISOR_LOG)
    }

    /// Makes the directory as [`Self::clear`] does and writes the first state.
    ///
    /// # Errors
    /// As [`Self::clear`].
    pub fn occupy(&self, state: &State) -> Result<()> {
        self.clear()?;
        self.write(state)
    }

    /// Replaces the state.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, state: &State) -> Result<()> {
        write_private(
            &self.join("cluster.json"),
            &serde_json::to_string_pretty(state)?,
        )
    }

    /// Removes the directory with everything in it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(self.path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("failed to remove {}", self.path().display()))
            }
            _ => Ok(()),
        }
    }
}

/// Removes what interrupted runs left on disk: run directories whose owner has ended.
///
/// Their processes ended with the owner; this is about the files, which stay until here so that
/// the logs of a failed test can be read.
///
/// # Errors
/// When a directory cannot be listed or removed.
pub fn sweep() -> Result<()> {
    let root = temporary_root()?;
    let entries = match fs::read_dir(&root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("failed to list {}", root.display()));
        }
    };
    for entry in entries {
        let entry = entry?;
        let directory = RunDirectory(entry.path());
        let abandoned = match directory.state() {
            Ok(Some(state)) => {
                !state.owner.is_alive() && !state.processes.iter().any(ProcessRecord::is_alive)
            }
            // Without a readable state it is either being made right now, or long abandoned.
            Ok(None) | Err(_) => entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|modified| modified < SystemTime::now() - Duration::from_secs(600)),
        };
        if abandoned {
            directory.remove()?;
        }
    }
    Ok(())
}

fn temporary_root() -> Result<PathBuf> {
    Ok(cache_directory()?.join("run"))
}

fn check_name(name: &str) -> Result<()> {
    let fits = !name.is_empty()
        && name.len() <= 40
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-');
    if !fits {
        bail!(
            "cluster name {name:?} is not usable: use 1 to 40 lower-case letters, digits and dashes, not a dash first"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_directories_are_refused() {
        for name in ["", "-x", "A", "a/b", "..", "a b", &"a".repeat(41)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["a", "headroom", "ci-1", &"a".repeat(40)] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_directory_with_foreign_files_is_not_emptied() {
        let directory = RunDirectory::at(
            &std::env::temp_dir().join(format!("headroom-state-{}", std::process::id())),
        )
        .expect("the path is good");
        fs::create_dir_all(directory.path()).expect("it can be made");
        fs::write(directory.join("precious"), "x").expect("it can be written");
        let state = State {
            name: String::from("test"),
            owner: ProcessRecord::of_self().expect("we run"),
            phase: Phase::Starting,
            server: None,
            kubernetes_version: String::from("v1.0.0"),
            nodes: 0,
            processes: Vec::new(),
        };
        let error = directory.occupy(&state).expect_err("it is not ours");
        assert!(
            error
                .to_string()
                .contains("is not empty and holds no cluster"),
            "{error}"
        );
        assert!(directory.join("precious").exists());
        directory.remove().expect("it can be removed");
    }
}
