//! The two controllers that are measured, run as a Deployment would run them: a release build, a
//! ServiceAccount's token, its own process.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use e2e::{
    Cluster, Controller, ControllerOptions, Seen,
    controller::{Profile, Target, build},
    wait_for,
};
use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRoleBinding, RoleRef, Subject as RoleSubject},
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::figures::Subject;

/// The namespace and the ServiceAccount that the controllers run with.
const NAMESPACE: &str = "default";
const SERVICE_ACCOUNT: &str = "controller";

/// How long a controller may take to get ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How often the HTTP interface is asked whether it is ready. It answers in a fraction of that.
const READY_INTERVAL: Duration = Duration::from_millis(2);

/// A controller's program on one cluster, ready to be started.
#[derive(Clone, Debug)]
pub struct Launch {
    subject: Subject,
    program: PathBuf,
    kubeconfig: PathBuf,
    directory: PathBuf,
}

/// Builds the controller's program.
///
/// # Errors
/// When the build fails.
pub fn program(subject: Subject, profile: Profile) -> Result<PathBuf> {
    match subject {
        Subject::Ours => build("headroom", Target::Binary("headroom-controller"), profile),
        Subject::Floor => build("e2e", Target::Binary("floor"), profile),
        Subject::Peer => bail!("the peer is no controller of ours"),
    }
}

/// Whether a request was asked by a controller.
#[must_use]
pub fn is_ours(request: &e2e::audit::Request) -> bool {
    request.is_by_service_account(NAMESPACE, SERVICE_ACCOUNT)
}

impl Launch {
    /// Makes the ServiceAccount, with all rights, because rights are not what is measured.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn prepare(cluster: &Cluster, subject: Subject, program: &Path) -> Result<Self> {
        let client = cluster.client().await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
        let metadata = ObjectMeta {
            name: Some(SERVICE_ACCOUNT.to_owned()),
            ..ObjectMeta::default()
        };
        let account = ServiceAccount {
            metadata: metadata.clone(),
            ..ServiceAccount::default()
        };
        accounts.create(&PostParams::default(), &account).await?;
        let binding = ClusterRoleBinding {
            metadata,
            role_ref: RoleRef {
                api_group: String::from("rbac.authorization.k8s.io"),
                kind: String::from("ClusterRole"),
                name: String::from("cluster-admin"),
            },
            subjects: Some(vec![RoleSubject {
                kind: String::from("ServiceAccount"),
                name: SERVICE_ACCOUNT.to_owned(),
                namespace: Some(NAMESPACE.to_owned()),
                ..RoleSubject::default()
            }]),
        };
        Api::<ClusterRoleBinding>::all(client)
            .create(&PostParams::default(), &binding)
            .await?;
        Ok(Self {
            subject,
            program: program.to_owned(),
            kubeconfig: cluster
                .service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT)
                .await?,
            directory: cluster.directory().to_owned(),
        })
    }

    /// Starts the controller and returns when it is ready.
    ///
    /// # Errors
    /// When it ends or does not get ready in time.
    pub async fn start(&self) -> Result<Running> {
        let log = self.directory.join("controller.log");
        // What is read from the log is of this start only.
        if log.exists() {
            fs::remove_file(&log).context("failed to remove the log of the start before")?;
        }
        let mut options = ControllerOptions::new(&self.program, &self.kubeconfig, &log);
        let port = match self.subject {
            Subject::Ours => {
                let port = free_port()?;
                options = options.arguments([format!("--bind-address=127.0.0.1:{port}")]);
                Some(port)
            }
            _ => None,
        };
        let started = Instant::now();
        let process = options.start()?;
        let mut running = Running {
            process,
            port,
            started,
            ready_after: Duration::ZERO,
        };
        while !running.is_ready().await? {
            running.process.check()?;
            ensure!(
                started.elapsed() < READY_WITHIN,
                "{:?} was not ready within {READY_WITHIN:?}",
                self.subject
            );
            tokio::time::sleep(READY_INTERVAL).await;
        }
        running.ready_after = started.elapsed();
        Ok(running)
    }
}

/// A controller that runs.
#[derive(Debug)]
pub struct Running {
    process: Controller,
    /// Of its HTTP interface; the floor has none and writes to its log instead.
    port: Option<u16>,
    started: Instant,
    ready_after: Duration,
}

impl Running {
    /// How long it took from the start of the process until it was ready.
    #[must_use]
    pub const fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// How long it has been running.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Resident memory in MiB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_mebibytes(&self) -> Result<f64> {
        Ok(self.process.usage()?.resident_bytes as f64 / f64::from(1 << 20))
    }

    /// User and system time so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        Ok(self.process.usage()?.cpu)
    }

    /// Ends it as Kubernetes would.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn stop(self) -> Result<()> {
        self.process.stop().await.map(|_| ())
    }

    /// Waits until it has looked at that many pools since its start and has none left to look at.
    ///
    /// # Errors
    /// When it has not after a minute.
    pub async fn wait_until_checked(&self, pools: usize) -> Result<()> {
        wait_for(
            format!("{pools} pools checked"),
            Duration::from_secs(60),
            || async {
                let (checked, waiting) = self.checked().await?;
                Ok(Seen::when(
                    checked >= pools && waiting == 0,
                    format!("{checked} checked, {waiting} waiting"),
                ))
            },
        )
        .await
    }

    async fn is_ready(&self) -> Result<bool> {
        match self.port {
            Some(port) => Ok(http_get(port, "/readyz").await.is_ok()),
            None => Ok(self.process.log()?.lines().any(|line| line == "ready")),
        }
    }

    /// How many pools it has looked at, and how many wait.
    async fn checked(&self) -> Result<(usize, usize)> {
        match self.port {
            Some(port) => {
                let metrics = http_get(port, "/metrics").await?;
                Ok((
                    sum(&metrics, "headroom_reconcile_total"),
                    sum(&metrics, "headroom_queue_depth"),
                ))
            }
            None => {
                let log = self.process.log()?;
                let names: BTreeSet<&str> = log
                    .lines()
                    .filter_map(|line| line.strip_prefix("reconciled "))
                    .collect();
                Ok((names.len(), 0))
            }
        }
    }
}

/// The sum of all series of one metric.
fn sum(metrics: &str, name: &str) -> usize {
    let series = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let is_same = rest.starts_with(['{', ' ']);
        is_same
            .then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .flatten()
    });
    series.sum::<f64>() as usize
}

fn free_port() -> Result<u16> {
    let listener =
        std::net::TcpListener::bind(("127.0.0.1", 0)).context("failed to find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// The body of a plain HTTP answer with status 200.
async fn http_get(port: u16, path: &str) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        std::io::Result::Ok(text)
    };
    let text = timeout(Duration::from_secs(10), exchange)
        .await
        .with_context(|| format!("no answer to {path}"))?
        .with_context(|| format!("failed to ask for {path}"))?;
    let (head, body) = text.split_once("\r\n\r\n").context("not an HTTP answer")?;
    ensure!(
        head.lines()
            .next()
            .is_some_and(|line| line.contains(" 200 ")),
        "{path}: {head}"
    );
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_series_of_a_metric_are_summed_and_no_other() {
        let metrics = "# TYPE headroom_reconcile counter\nheadroom_reconcile_total{result=\"applied\"} 998\n\
                       headroom_reconcile_total{result=\"infeasible\"} 2\nheadroom_reconcile_total_other 7\n\
                       headroom_queue_depth 3\n";
        assert_eq!(sum(metrics, "headroom_reconcile_total"), 1000);
        assert_eq!(sum(metrics, "headroom_queue_depth"), 3);
        assert_eq!(sum(metrics, "headroom_absent"), 0);
    }
}
