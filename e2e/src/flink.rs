//! Real Flink: its memory code asked for an answer, and whole Flink processes started.
//!
//! The jars are Maven artifacts of released Flink, named in `e2e/flink/*/pom.xml`; Maven keeps them in
//! its own cache. Needs a JDK (17) and Maven; [`missing`] says which of them the host lacks. [`dialogue`] keeps a program
//! of ours running beside Flink's classes.

pub mod dialogue;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    process::Process,
    tools::{Progress, cache_directory},
    wait::{Seen, wait_for},
};

/// The Maven plug-in that prints a class path, pinned.
const CLASS_PATH_GOAL: &str =
    "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath";

/// What marks the two result lines of Flink's `BashJavaUtils`.
const RESULT_PREFIX: &str = "BASH_JAVA_UTILS_EXEC_RESULT:";

/// Which part of Flink a class path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The memory code alone, 1.15 and later.
    Memory,
    /// JobManager and TaskManager processes.
    Process,
    /// What the program in `e2e/flink/src/answers` asks, 1.9 and later.
    Answers,
    /// The memory pools with the Netty that their buffers are made of, 1.18 and later.
    Pools,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Process => "process",
            Self::Answers => "answers",
            Self::Pools => "pools",
        }
    }

    /// What Maven has to be told so that the artifacts have the names they have in this version.
    fn arguments(self, version: &str) -> Result<Vec<&'static str>> {
        let minor = minor_release(version)?;
        let is_answers = self == Self::Answers;
        // From 1.20 on, part of `flink-core` lies in the artifact `flink-core-api`.
        let has_core_api = self != Self::Process && minor >= (1, 20);
        let kubernetes = match minor {
            (1, 19) => "-Dkubernetes.version=1.19.1",
            (1, 20) => "-Dkubernetes.version=1.20.1",
            (2, 0) => "-Dkubernetes.version=2.0.0",
            (2, 1) => "-Dkubernetes.version=2.1.0",
            (2, 2) => "-Dkubernetes.version=2.2.0",
            _ => "",
        };
        let arguments = [
            ("-Pcore-api", has_core_api),
            ("-Pmodules", is_answers && minor >= (1, 11)),
            ("-Dscala.runtime=_2.11", is_answers && minor < (1, 14)),
            ("-Dscala.others=_2.11", is_answers && minor < (1, 15)),
            (kubernetes, is_answers && !kubernetes.is_empty()),
        ];
        Ok(arguments
            .into_iter()
            .filter_map(|(argument, applies)| applies.then_some(argument))
            .collect())
    }
}

/// The first program that this module needs and the host lacks, with the way to get it.
#[must_use]
pub fn missing() -> Option<String> {
    [
        ("java", "-version", "a JDK 17"),
        ("javac", "-version", "a JDK 17"),
        ("mvn", "-version", "Maven"),
    ]
    .into_iter()
    .find(|(program, argument, _)| {
        !Command::new(program)
            .arg(argument)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
    .map(|(program, _, package)| format!("{program} is not on the path; install {package}"))
}

/// The class path of one Flink version, fetched at the first call and remembered in the cache.
///
/// # Errors
/// When Maven fails; its own words are in the message.
pub fn class_path(part: Part, version: &str) -> Result<String> {
    let directory = cache_directory()?.join("flink");
    fs::create_dir_all(&directory)
        .with_context(|| format!("failed to create {}", directory.display()))?;
    let pom = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("flink")
        .join(part.name())
        .join("pom.xml");
    // Another list of artifacts is another class path.
    let artifacts = digest_of(&[&pom])?;
    let file = directory.join(format!("{}-{version}-{artifacts}.classpath", part.name()));
    if let Ok(text) = fs::read_to_string(&file)
        && text.split(':').all(|jar| Path::new(jar).is_file())
    {
        return Ok(text);
    }
    let mut progress = Progress::new(format!("Flink {version} ({} classes)", part.name()));
    let mut command = Command::new("mvn");
    command
        .args(["-q", "-B", CLASS_PATH_GOAL])
        .arg("-f")
        .arg(&pom)
        .arg(format!("-Dflink.version={version}"))
        .arg(format!("-Dmdep.outputFile={}", file.display()))
        .args(part.arguments(version)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let maven = command.spawn().context("failed to run mvn")?;
    let waiting = thread::spawn(move || maven.wait_with_output());
    while !waiting.is_finished() {
        progress.show("Maven is fetching its artifacts");
        thread::sleep(Duration::from_millis(100));
    }
    let Ok(output) = waiting.join() else {
        bail!("the thread that waited for mvn panicked");
    };
    let output = output.context("failed to run mvn")?;
    if !output.status.success() {
        progress.end("failed");
        bail!(
            "Maven could not fetch Flink {version}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    progress.end("fetched");
    fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))
}

/// A short name for what these files hold.
///
/// # Errors
/// When one cannot be read.
pub fn digest_of(files: &[impl AsRef<Path>]) -> Result<String> {
    let mut digest = Sha256::new();
    for file in files {
        let file = file.as_ref();
        let text = fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
        digest.update(text);
    }
    let bytes = digest.finalize();
    Ok(bytes
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The minor release of a version: 1 and 20 of `1.20.5`.
///
/// # Errors
/// When the text is no version of Flink.
pub fn minor_release(version: &str) -> Result<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => bail!("{version} is not a Flink version"),
    }
}

/// What Flink's start scripts compute before they start a TaskManager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessParameters {
    /// JVM flags, separated by blanks.
    pub jvm_parameters: String,

    /// `-D key=value` items, separated by blanks.
    pub dynamic_configurations: String,
}

impl ProcessParameters {
    /// The dynamic options as the arguments that the start scripts pass on.
    #[must_use]
    pub fn dynamic_arguments(&self) -> Vec<String> {
        self.dynamic_configurations
            .split_ascii_whitespace()
            .map(|item| item.replace('"', ""))
            .collect()
    }
}

/// Asks Flink's own `BashJavaUtils` for the parameters of a TaskManager, as `taskmanager.sh` does.
///
/// # Errors
/// When Flink refuses the configuration (with its stack trace), or when Java cannot be run.
pub fn task_manager_parameters(
    version: &str,
    configuration_directory: &Path,
    arguments: &[String],
) -> Result<ProcessParameters> {
    let output = Command::new("java")
        .args([
            "-XX:TieredStopAtLevel=1",
            "-cp",
            &class_path(Part::Memory, version)?,
        ])
        .args([
            "org.apache.flink.runtime.util.bash.BashJavaUtils",
            "GET_TM_RESOURCE_PARAMS",
            "--configDir",
        ])
        .arg(configuration_directory)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("failed to run java")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut results = text
        .lines()
        .filter_map(|line| line.strip_prefix(RESULT_PREFIX));
    match (results.next(), results.next()) {
        (Some(jvm_parameters), Some(dynamic_configurations)) => Ok(ProcessParameters {
            jvm_parameters: jvm_parameters.to_owned(),
            dynamic_configurations: dynamic_configurations.to_owned(),
        }),
        _ => bail!(
            "Flink {version} refused the configuration: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// A JobManager that runs as a process of this host, on loopback.
#[derive(Debug)]
pub struct JobManager {
    version: String,
    directory: PathBuf,
    rest_port: u16,
    rpc_port: u16,
    process: Process,
}

impl JobManager {
    /// Starts a session cluster's JobManager and waits until its REST interface answers.
    ///
    /// # Errors
    /// When it ends or does not answer in time; its log's tail is in the message.
    pub async fn start(version: &str, directory: &Path) -> Result<Self> {
        let configuration = directory.join("jobmanager");
        fs::create_dir_all(&configuration)?;
        let [rest_port, rpc_port, blob_port] = free_ports()?;
        fs::write(
            configuration.join("config.yaml"),
            format!(
                "jobmanager.rpc.address: 127.0.0.1\njobmanager.rpc.port: {rpc_port}\njobmanager.bind-host: 127.0.0.1\n\
                 rest.address: 127.0.0.1\nrest.port: {rest_port}\nrest.bind-address: 127.0.0.1\nblob.server.port: {blob_port}\n\
                 io.tmp.dirs: {}\njobmanager.memory.heap.size: 256m\njobmanager.memory.off-heap.size: 128m\n\
                 jobmanager.memory.jvm-metaspace.size: 256m\n",
                directory.display()
            ),
        )?;
        let mut command = Command::new("java");
        command
            .args([
                "-Xmx256m",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                &class_path(Part::Process, version)?,
            ])
            .arg("org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint")
            .arg("--configDir")
            .arg(&configuration);
        let process = Process::start(
            "flink-jobmanager",
            &command,
            &directory.join("jobmanager.log"),
        )?;
        let job_manager = Self {
            version: version.to_owned(),
            directory: directory.to_owned(),
            rest_port,
            rpc_port,
            process,
        };
        wait_for(
            "the JobManager answers",
            Duration::from_secs(60),
            || async {
                if let Err(error) = job_manager.process.check() {
                    return Ok(Seen::Never(error));
                }
                Ok(match job_manager.task_managers() {
                    Ok(_) => Seen::Done(()),
                    Err(error) => Seen::NotYet(format!("{error:#}")),
                })
            },
        )
        .await?;
        Ok(job_manager)
    }

    /// The port that TaskManagers register at.
    #[must_use]
    pub const fn rpc_port(&self) -> u16 {
        self.rpc_port
    }

    /// Starts a TaskManager as `taskmanager.sh` would: with the given JVM flags, configuration and arguments.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start_task_manager(
        &self,
        configuration_directory: &Path,
        parameters: &ProcessParameters,
        arguments: &[String],
    ) -> Result<Process> {
        let mut command = Command::new("java");
        command
            .args(parameters.jvm_parameters.split_ascii_whitespace())
            .args([
                "-XX:TieredStopAtLevel=1",
                "-cp",
                &class_path(Part::Process, &self.version)?,
            ])
            .arg("org.apache.flink.runtime.taskexecutor.TaskManagerRunner")
            .arg("--configDir")
            .arg(configuration_directory)
            .args(parameters.dynamic_arguments())
            .args(arguments);
        Process::start(
            "flink-taskmanager",
            &command,
            &self.directory.join("taskmanager.log"),
        )
    }

    /// The registered TaskManagers, as `GET /taskmanagers` describes them.
    ///
    /// # Errors
    /// When the REST interface does not answer.
    pub fn task_managers(&self) -> Result<Vec<Value>> {
        let body = http_get(self.rest_port, "/taskmanagers")?;
        let answer: Value =
            serde_json::from_str(&body).with_context(|| format!("not JSON: {body}"))?;
        Ok(answer["taskmanagers"]
            .as_array()
            .cloned()
            .unwrap_or_default())
    }
}

/// A plain HTTP/1.0 request, because one local request does not earn an HTTP client.
fn http_get(port: u16, path: &str) -> Result<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect_timeout(
        &([127, 0, 0, 1], port).into(),
        Duration::from_secs(2),
    )
    .with_context(|| format!("port {port} does not answer"))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("not an HTTP answer")?;
    ensure!(
        head.contains(" 200 "),
        "{path}: {}",
        head.lines().next().unwrap_or_default()
    );
    Ok(body.to_owned())
}

/// Ports that are free now.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // All are held until the last one is chosen, so that they differ.
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}
