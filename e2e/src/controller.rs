//! Runs a controller as a child process against a cluster, the way a Deployment would run it.

use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{cluster::PROXY_VARIABLES, process::Process};

/// A controller process. It is killed when this is dropped, and when our process ends.
pub type Controller = Process;

/// How to run a controller.
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    /// The program, for example from [`build`].
    pub program: PathBuf,

    /// The kubeconfig that it uses, through the variable `KUBECONFIG`.
    pub kubeconfig: PathBuf,

    /// Its arguments.
    pub arguments: Vec<OsString>,

    /// Environment variables beside those of our own process.
    pub environment: Vec<(String, String)>,

    /// The file that gets everything it prints.
    pub log: PathBuf,
}

impl ControllerOptions {
    /// Without arguments and further variables.
    #[must_use]
    pub fn new(program: &Path, kubeconfig: &Path, log: &Path) -> Self {
        Self {
            program: program.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            log: log.to_owned(),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<I: IntoIterator<Item = S>, S: Into<OsString>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&self) -> Result<Controller> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env("KUBECONFIG", &self.kubeconfig);
        // The cluster is on this machine, whatever proxy the environment names for the rest of the world.
        for variable in PROXY_VARIABLES {
            command.env_remove(variable);
        }
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        let name = self
            .program
            .file_name()
            .unwrap_or(self.program.as_os_str())
            .to_string_lossy();
        Process::start(&name, &command, &self.log)
    }
}

/// How a program of the workspace is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Quickly, as tests are.
    Debug,
    /// As it is released; for figures.
    Release,
}

/// Builds a binary or an example of this workspace and returns its path.
///
/// Cargo decides whether there is anything to do. One process asks it once for each.
///
/// # Errors
/// When the build fails; the compiler's own words are on standard error then.
pub fn build(package: &str, target: Target<'_>, profile: Profile) -> Result<PathBuf> {
    type Key = (String, String, Profile);
    static BUILT: Mutex<Option<HashMap<Key, PathBuf>>> = Mutex::new(None);
    let (flag, name) = match target {
        Target::Binary(name) => ("--bin", name),
        Target::Example(name) => ("--example", name),
    };
    let key = (package.to_owned(), format!("{flag} {name}"), profile);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_with(HashMap::new);
    if let Some(path) = built.get(&key) {
        return Ok(path.clone());
    }

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--quiet",
            "--package",
            package,
            flag,
            name,
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit());
    if profile == Profile::Release {
        command.arg("--release");
    }
    let output = command.output().context("failed to run cargo")?;
    ensure!(
        output.status.success(),
        "failed to build {name} of {package} ({})",
        output.status
    );
    let text = String::from_utf8(output.stdout).context("cargo printed what is not UTF-8")?;
    for line in text.lines() {
        let message: serde_json::Value =
            serde_json::from_str(line).context("cargo printed what is not JSON")?;
        let is_target = message
            .pointer("/target/name")
            .and_then(|found| found.as_str())
            == Some(name);
        if let (true, Some(path)) = (
            is_target,
            message.get("executable").and_then(|path| path.as_str()),
        ) {
            built.insert(key, PathBuf::from(path));
            return Ok(PathBuf::from(path));
        }
    }
    bail!("cargo built {name} of {package} and did not say where it is")
}

/// What to build of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A program.
    Binary(&'a str),
    /// An example.
    Example(&'a str),
}
