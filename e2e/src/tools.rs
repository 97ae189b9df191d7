//! Builds the Go programs that the harness runs, once, and finds them again afterwards.
//!
//! A tool is a small Go module under `e2e/tools` with its own `go.sum`, because the tools' pins
//! clash. Its `go.mod` is the one place where its version stands. The binary is kept outside the
//! checkout under a key made of everything that goes into it, so that a clean checkout does not
//! build again and a changed pin does. Two processes never build the same tool at once, and a
//! binary appears under its final name only when it is whole.

use std::{
    env, fs,
    io::{BufRead, BufReader, IsTerminal, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

/// A program that is built from a Go module under `e2e/tools`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubectl, chosen by the
    /// first argument.
    ControlPlane,
    /// Plays the kubelet of nodes that exist on paper only.
    Kwok,
    /// Installs charts.
    Helm,
    /// Checks manifests against schemas.
    Kubeconform,
    /// Checks SARIF logs against the schema that OASIS publishes.
    Sarif,
    /// Ties the life of a process to its parent's.
    Leash,
}

impl Tool {
    /// All tools, in the order in which they are worth building.
    pub const ALL: [Self; 6] = [
        Self::Leash,
        Self::ControlPlane,
        Self::Kwok,
        Self::Helm,
        Self::Kubeconform,
        Self::Sarif,
    ];

    /// The tool's directory under `e2e/tools`, and the name of its binary.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ControlPlane => "controlplane",
            Self::Kwok => "kwok",
            Self::Helm => "helm",
            Self::Kubeconform => "kubeconform",
            Self::Sarif => "sarif",
            Self::Leash => "leash",
        }
    }

    /// The Go package that becomes the binary.
    const fn package(self) -> &'static str {
        match self {
            Self::ControlPlane | Self::Leash | Self::Sarif => ".",
            Self::Kwok => "sigs.k8s.io/kwok/cmd/kwok",
            Self::Helm => "helm.sh/helm/v4/cmd/helm",
            Self::Kubeconform => "github.com/yannh/kubeconform/cmd/kubeconform",
        }
    }

    /// The module whose version is the tool's version, and the Go variables that carry it.
    const fn version_source(self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            Self::ControlPlane => Some((
                "k8s.io/kubernetes",
                &[
                    "k8s.io/component-base/version.gitVersion",
                    "k8s.io/client-go/pkg/version.gitVersion",
                ],
            )),
            Self::Kwok => Some(("sigs.k8s.io/kwok", &["sigs.k8s.io/kwok/pkg/consts.Version"])),
            Self::Helm => Some((
                "helm.sh/helm/v4",
                &["helm.sh/helm/v4/internal/version.version"],
            )),
            Self::Kubeconform => Some(("github.com/yannh/kubeconform", &["main.version"])),
            // The program is ours; its main module is the one that has the schema.
            Self::Sarif => Some(("github.com/securego/gosec/v2", &[])),
            Self::Leash => None,
        }
    }

    /// Directories of the tool's main module that its binary needs beside it at run time.
    const fn data(self) -> &'static [&'static str] {
        match self {
            Self::Kwok => &["kustomize/stage"],
            Self::Sarif => &["report/sarif/testdata"],
            Self::ControlPlane | Self::Helm | Self::Kubeconform | Self::Leash => &[],
        }
    }

    fn source(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tools")
            .join(self.name())
    }

    /// The version that the tool's `go.mod` asks for, such as `v1.36.4`.
    ///
    /// # Errors
    /// When `go.mod` cannot be read or does not require the tool's main module.
    pub fn version(self) -> Result<String> {
        let Some((module, _)) = self.version_source() else {
            bail!("{} is the harness's own and has no version", self.name());
        };
        let path = self.source().join("go.mod");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("failed to read {}", path.display()))?;
        required_version(&text, module)
            .with_context(|| format!("{} does not require {module}", path.display()))
    }

    /// The path of the binary, which is built first when it is not in the cache.
    ///
    /// Expected flow: the first call on a machine takes minutes and tells on standard error what it
    /// is doing; later calls take milliseconds.
    ///
    /// # Errors
    /// When Go is missing (with the way to get it), or when the build fails (with Go's own words).
    pub fn path(self) -> Result<PathBuf> {
        Ok(self.directory()?.join(self.name()))
    }

    /// The directory that holds the binary and the data it needs, built as in [`Self::path`].
    ///
    /// # Errors
    /// As [`Self::path`].
    pub fn directory(self) -> Result<PathBuf> {
        // The key asks Go for its version, so a process remembers the answer.
        static FOUND: Mutex<[Option<PathBuf>; Tool::ALL.len()]> =
            Mutex::new([const { None }; Tool::ALL.len()]);
        let index = self as usize;
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = &found[index] {
            return Ok(directory.clone());
        }
        let directory = self.find_or_build()?;
        found[index] = Some(directory.clone());
        Ok(directory)
    }

    fn find_or_build(self) -> Result<PathBuf> {
        let source = self.source();
        let tools = cache_directory()?.join("tools");
        let directory = tools.join(format!("{}-{}", self.name(), self.key(&source)?));
        if directory.join(self.name()).is_file() {
            return Ok(directory);
        }

        fs::create_dir_all(&tools)
            .with_context(|| format!("failed to create {}", tools.display()))?;
        let lock_path = tools.join(format!("{}.lock", self.name()));
        let lock = fs::File::create(&lock_path)
            .with_context(|| format!("failed to open {}", lock_path.display()))?;
        if lock.try_lock().is_err() {
            eprintln!("waiting for another process that builds {}", self.name());
            lock.lock()
                .with_context(|| format!("failed to lock {}", lock_path.display()))?;
        }
        // Whoever held the lock may have built it.
        if directory.join(self.name()).is_file() {
            return Ok(directory);
        }
        remove_unfinished(&tools, self.name())?;
        self.build(&source, &directory)
            .with_context(|| format!("failed to build {}", self.name()))?;
        Ok(directory)
    }

    /// A digest of everything that decides what the binary is.
    fn key(self, source: &Path) -> Result<String> {
        let mut digest = Sha256::new();
        digest.update(go_version(source)?);
        digest.update([0]);
        for argument in self.build_arguments()? {
            digest.update(argument);
            digest.update([0]);
        }
        let mut files: Vec<PathBuf> = fs::read_dir(source)
            .with_context(|| format!("failed to list {}", source.display()))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.retain(|path| path.is_file());
        files.sort();
        for path in files {
            digest.update(path.file_name().unwrap_or_default().as_encoded_bytes());
            digest.update([0]);
            digest.update(
                fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?,
            );
            digest.update([0]);
        }
        Ok(digest
            .finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }

    fn build_arguments(self) -> Result<Vec<String>> {
        // Neither symbol tables nor debug information: they are most of the size and nobody reads them.
        let mut linker = String::from("-s -w");
        if let Some((_, variables)) = self.version_source() {
            let version = self.version()?;
            for variable in variables {
                linker.push_str(&format!(" -X {variable}={version}"));
                // Kubernetes' components compare major and minor beside the whole version.
                if let Some(package) = variable.strip_suffix(".gitVersion") {
                    let mut parts = version.trim_start_matches('v').split('.');
                    let (major, minor) = (
                        parts.next().unwrap_or_default(),
                        parts.next().unwrap_or_default(),
                    );
                    linker.push_str(&format!(
                        " -X {package}.gitMajor={major} -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
                    ));
                }
            }
        }
        Ok(
            ["build", "-trimpath", "-buildvcs=false", "-ldflags", &linker]
                .map(String::from)
                .to_vec(),
        )
    }

    fn build(self, source: &Path, directory: &Path) -> Result<()> {
        let started = Instant::now();
        let version = self.version().unwrap_or_default();
        let mut progress = Progress::new(
            format!("building {} {version}", self.name())
                .trim_end()
                .to_owned(),
        );

        progress.show("fetching its sources");
        let listed = go(source)
            .args(["list", "-deps", self.package()])
            .stderr(Stdio::piped())
            .output()
            .context("failed to run go")?;
        ensure!(
            listed.status.success(),
            "go list failed in {}:\n{}",
            source.display(),
            String::from_utf8_lossy(&listed.stderr).trim_end()
        );
        let packages = listed.stdout.iter().filter(|byte| **byte == b'\n').count();

        // Everything goes into a directory of this process's own, which is renamed as a whole.
        let unfinished = directory.with_extension(format!("unfinished-{}", std::process::id()));
        fs::create_dir_all(&unfinished)
            .with_context(|| format!("failed to create {}", unfinished.display()))?;
        let _cleanup = RemoveOnDrop(&unfinished);

        let mut child = go(source)
            .args(self.build_arguments()?)
            .args(["-v", "-o"])
            .arg(unfinished.join(self.name()))
            .arg(self.package())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("failed to run go")?;
        // With -v Go names each package that it compiles, on standard error beside real errors.
        let errors = child
            .stderr
            .take()
            .context("the build has no standard error")?;
        let (sender, receiver) = std::sync::mpsc::channel();
        let reader = thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut lines = Vec::new();
        loop {
            match receiver.recv_timeout(Duration::from_millis(500)) {
                Ok(line) => lines.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
            }
            progress.show(&format!(
                "compiled {} of at most {packages} packages",
                lines.len()
            ));
        }
        let status = child.wait().context("failed to wait for go")?;
        if reader.join().is_err() {
            bail!("the reader of the build's output panicked");
        }
        if !status.success() {
            progress.end("failed");
            let told: Vec<_> = lines
                .iter()
                .filter(|line| line.contains(' '))
                .cloned()
                .collect();
            bail!(
                "go build failed in {} ({status}):\n{}",
                source.display(),
                told.join("\n")
            );
        }

        if let Some((module, _)) = self.version_source() {
            for data in self.data() {
                let found = go(source)
                    .args(["list", "-m", "-f", "{{.Dir}}", module])
                    .output()?;
                let root = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim());
                copy_tree(&root.join(data), &unfinished.join(data))?;
            }
        }
        match fs::rename(&unfinished, directory) {
            Ok(()) => {}
            // A build under another lock file, such as an older harness's, came first.
            Err(_) if directory.join(self.name()).is_file() => {}
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("failed to move the build to {}", directory.display())
                });
            }
        }
        progress.end(&format!("done in {:.0} s", started.elapsed().as_secs_f64()));
        Ok(())
    }
}

/// Where built tools and clusters' run directories are kept: `$HEADROOM_CACHE`, else
/// `$XDG_CACHE_HOME/headroom`, else `~/.cache/headroom`.
///
/// # Errors
/// When none of the three variables is set.
pub fn cache_directory() -> Result<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let directory = set("HEADROOM_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|path| path.join("headroom")))
        .or_else(|| set("HOME").map(|path| path.join(".cache/headroom")))
        .context("no place for the cache: set HEADROOM_CACHE to a directory, or HOME")?;
    std::path::absolute(&directory)
        .with_context(|| format!("{} is not usable as a path", directory.display()))
}

/// The kubectl on `PATH`, else the one that the control plane carries; with the arguments that come
/// before kubectl's own.
///
/// # Errors
/// As [`Tool::path`], when there is none on `PATH`.
pub fn kubectl() -> Result<(PathBuf, Vec<String>)> {
    match on_path("kubectl") {
        Some(path) => Ok((path, Vec::new())),
        None => Ok((Tool::ControlPlane.path()?, vec![String::from("kubectl")])),
    }
}

/// The first executable file of that name on `PATH`.
fn on_path(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| {
            path.metadata().is_ok_and(|metadata| {
                metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
            })
        })
}

fn go(source: &Path) -> Command {
    let mut command = Command::new("go");
    // A workspace file or extra flags of the caller must not change what is built.
    command
        .current_dir(source)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=readonly");
    command
}

/// The version of Go that builds the module, which its `go.mod` may have a say in.
fn go_version(source: &Path) -> Result<String> {
    let output = match go(source).args(["env", "GOVERSION"]).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "go is not on PATH, and the Kubernetes control plane is built with it: \
             install Go 1.26 or newer (https://go.dev/doc/install, or your distribution's package golang) and try again"
        ),
        Err(error) => return Err(error).context("failed to run go"),
    };
    ensure!(
        output.status.success(),
        "go env GOVERSION failed: {}; Go 1.26 or newer is needed",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The version after `module` in a `require` of a `go.mod`.
fn required_version(go_mod: &str, module: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let mut words = line
            .trim()
            .trim_start_matches("require ")
            .split_whitespace();
        (words.next() == Some(module))
            .then(|| words.next())?
            .filter(|version| version.starts_with('v'))
            .map(String::from)
    })
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("failed to create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("failed to list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            // Read and written instead of copied: Go's module cache is read-only, and a copy would be too.
            fs::write(&target, fs::read(entry.path())?)
                .with_context(|| format!("failed to write {}", target.display()))?;
        }
    }
    Ok(())
}

/// Removes what a build left that was killed. Only whoever holds the tool's lock may do so.
fn remove_unfinished(tools: &Path, name: &str) -> Result<()> {
    let listed = || format!("failed to list {}", tools.display());
    for entry in fs::read_dir(tools).with_context(listed)? {
        let path = entry.with_context(listed)?.path();
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if file.starts_with(&format!("{name}-")) && file.contains(".unfinished-") {
            fs::remove_dir_all(&path)
                .with_context(|| format!("failed to remove {}", path.display()))?;
        }
    }
    Ok(())
}

struct RemoveOnDrop<'a>(&'a Path);

impl Drop for RemoveOnDrop<'_> {
    fn drop(&mut self) {
        // After a successful build it has been renamed away and there is nothing to remove.
        let _ = fs::remove_dir_all(self.0);
    }
}

/// One line on standard error that changes in a terminal, and a line every ten seconds in a log.
pub(crate) struct Progress {
    title: String,
    started: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub fn new(title: String) -> Self {
        Self {
            title,
            started: Instant::now(),
            shown: None,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    pub fn show(&mut self, step: &str) {
        let interval = Duration::from_secs(if self.terminal { 1 } else { 10 });
        if self.shown.is_some_and(|shown| shown.elapsed() < interval) {
            return;
        }
        self.shown = Some(Instant::now());
        self.print(step, if self.terminal { "" } else { "\n" });
    }

    pub fn end(&mut self, step: &str) {
        self.print(step, "\n");
    }

    fn print(&self, step: &str, end: &str) {
        let start = if self.terminal { "\r\x1b[2K" } else { "" };
        let seconds = self.started.elapsed().as_secs();
        let mut out = std::io::stderr().lock();
        // Progress is for people; a closed standard error must not fail the build.
        let _ = write!(
            out,
            "{start}{}: {step} ({}:{:02}){end}",
            self.title,
            seconds / 60,
            seconds % 60
        );
        let _ = out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_pins_its_version_in_go_mod() {
        for tool in Tool::ALL {
            if tool.version_source().is_some() {
                let version = tool.version().expect("go.mod names the version");
                assert!(
                    version.starts_with('v') && version.contains('.'),
                    "{}: {version}",
                    tool.name()
                );
            }
        }
    }

    #[test]
    fn a_required_version_is_found_in_blocks_and_single_lines_and_not_in_replaces() {
        let text = "module m\n\nrequire a.b/c v1.2.3\n\nrequire (\n\td.e/f v0.1.0 // indirect\n)\n\nreplace g.h/i => g.h/i v9.0.0\n";
        assert_eq!(required_version(text, "a.b/c").as_deref(), Some("v1.2.3"));
        assert_eq!(required_version(text, "d.e/f").as_deref(), Some("v0.1.0"));
        assert_eq!(required_version(text, "g.h/i"), None);
        assert_eq!(required_version(text, "d.e"), None);
    }

    #[test]
    fn discriminants_index_the_list_of_all_tools() {
        let mut indexes: Vec<usize> = Tool::ALL.iter().map(|tool| *tool as usize).collect();
        indexes.sort_unstable();
        assert_eq!(indexes, (0..Tool::ALL.len()).collect::<Vec<_>>());
    }
}
