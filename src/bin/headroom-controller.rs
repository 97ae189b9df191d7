//! The controller's program: reads flags, sets up the log, the client and the HTTP endpoints, runs until a
//! signal.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use headroom::controller::metrics::Metrics;
use headroom::controller::{Controller, DRAIN_TIMEOUT, Options, admin, client};
use headroom::desired::{Allowance, Settings};
use headroom::telemetry::{self, LogFormat};
use k8s_openapi::jiff::Timestamp;
use kube::config::KubeConfigOptions;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

/// Keeps every TaskManagerPool of a cluster as it should be: solves its memory budget as Flink does, applies
/// a Deployment of that shape, and reports both, or what is wrong, in the pool's status.
///
/// It finds the cluster as kubectl does (KUBECONFIG, ~/.kube/config), else from the service account of its
/// pod. It serves /healthz, /readyz and /metrics. It stops on SIGTERM or SIGINT within ten seconds, finishing
/// what is under way; a second signal stops it at once. Run one instance only.
#[derive(Debug, Parser)]
#[command(name = "headroom-controller", version)]
struct Arguments {
    /// Namespace to look at; may be given several times, or as a list separated by commas. Without it, all
    /// namespaces, which needs a cluster role.
    #[arg(
        long = "namespace",
        env = "HEADROOM_NAMESPACE",
        value_name = "NAME",
        value_delimiter = ','
    )]
    namespaces: Vec<String>,

    /// Address and port for /healthz, /readyz and /metrics. Port 0 takes a free one and logs it.
    #[arg(long, env = "HEADROOM_BIND_ADDRESS", default_value = "0.0.0.0:8080")]
    bind_address: SocketAddr,

    /// Most pools that are worked on at one time. Each takes up to three connections to the API server.
    #[arg(long, env = "HEADROOM_CONCURRENCY", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,

    /// Groups of pod template fields that pools may use although they grant more than creating a pool
    /// should: a list separated by commas. By default none.
    #[arg(
        long,
        env = "HEADROOM_ALLOW_POD_TEMPLATE",
        value_name = "GROUP",
        value_delimiter = ',',
        long_help = allow_pod_template_help()
    )]
    allow_pod_template: Vec<Allowance>,

    /// Form of the log on standard error.
    #[arg(long, env = "HEADROOM_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,

    /// Least level that is logged (error, warn, info, debug, trace), or a filter such as `info,kube=debug`.
    #[arg(long, env = "HEADROOM_LOG_LEVEL", default_value = "info")]
    log_level: String,

    /// Kubeconfig file to use instead of the default search.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig to use instead of its current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

fn allow_pod_template_help() -> String {
    let names: Vec<&str> = Allowance::ALL.iter().map(|group| group.as_str()).collect();
    format!(
        "Groups of pod template fields that pools may use although they grant more than creating a pool \
         should: a list separated by commas. By default none, so that whoever may create pools but not pods \
         gains nothing.\n\nGroups: {}",
        names.join(", ")
    )
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("headroom-controller: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    telemetry::start(arguments.log_format, &arguments.log_level)?;
    // One thread: the work is waiting for the API server, and everything stays in one place.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?
        .block_on(serve(arguments))
}

async fn serve(arguments: Arguments) -> Result<()> {
    let config = cluster_config(&arguments).await?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        server = %config.cluster_url,
        namespaces = ?arguments.namespaces,
        "starting"
    );
    let metrics = Arc::new(Metrics::default());
    let client = client::client(config, &metrics).context("failed to set up the client")?;
    let controller = Controller::new(
        client,
        Arc::clone(&metrics),
        Options {
            namespaces: arguments.namespaces,
            concurrency: arguments.concurrency.into(),
            settings: Settings {
                pod_template_allowances: arguments.allow_pod_template.into_iter().collect(),
            },
            instance: instance(),
            now: Timestamp::now,
        },
    );

    let listener = TcpListener::bind(arguments.bind_address)
        .await
        .with_context(|| format!("failed to listen on {}", arguments.bind_address))?;
    let address = listener.local_addr().context("failed to read the port")?;
    info!(%address, "serving /healthz, /readyz and /metrics");
    let router = admin::router(
        controller.readiness(),
        metrics.registry(&controller.caches()),
    );
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            error!(%error, "the HTTP endpoints ended");
        }
    });

    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(stop_on_signal(stop)?);
    controller
        .run(async {
            // A sender that is gone means the signals cannot be watched any more: stop as well.
            let _ = stopped.await;
        })
        .await;
    info!("stopped");
    Ok(())
}

/// Waits for SIGTERM or SIGINT and tells the controller; a second one, or a controller that does not stop in
/// time, ends the process.
fn stop_on_signal(stop: oneshot::Sender<()>) -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to watch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to watch SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // The controller may have ended by itself already.
        let _ = stop.send(());
        tokio::select! {
            _ = terminate.recv() => warn!("second signal, stopping at once"),
            _ = interrupt.recv() => warn!("second signal, stopping at once"),
            () = tokio::time::sleep(DRAIN_TIMEOUT + Duration::from_millis(500)) => {}
        }
        std::process::exit(1);
    })
}

async fn cluster_config(arguments: &Arguments) -> Result<kube::Config> {
    let options = KubeConfigOptions {
        context: arguments.context.clone(),
        ..KubeConfigOptions::default()
    };
    if let Some(path) = &arguments.kubeconfig {
        let kubeconfig = kube::config::Kubeconfig::read_from(path)
            .with_context(|| format!("failed to read the kubeconfig {}", path.display()))?;
        return kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .with_context(|| format!("failed to use the kubeconfig {}", path.display()));
    }
    if arguments.context.is_some() {
        return kube::Config::from_kubeconfig(&options)
            .await
            .context("failed to use the context of the kubeconfig");
    }
    kube::Config::infer().await.context(
        "found no cluster: neither a kubeconfig (set KUBECONFIG or --kubeconfig) nor a service account",
    )
}

/// The name under which events are published: the pod's, which is its host name.
fn instance() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "headroom-controller".to_owned())
}
