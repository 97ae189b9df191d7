//! Starts real Kubernetes control planes for the demo, the tests and the benchmarks.
//!
//! Nothing here stands in for Kubernetes: etcd, kube-apiserver, kube-controller-manager and
//! kube-scheduler are the real ones, built from pinned Go modules under `e2e/tools` on first use.
//! Only the nodes exist on paper: kwok plays their kubelets, so that pods run, Deployments become
//! available and containers are killed without a container ever being started.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`cluster`] | starts, watches and ends a control plane; kubeconfigs, clients, namespaces |
//! | [`kwok`] | nodes on paper, and how containers end on them |
//! | [`audit`] | who asked the API server for what, and what came of it |
//! | [`controller`] | builds and runs a controller as a child process |
//! | [`flink`] | real Flink: asked for its answer, and started |
//! | [`flink_diff`] | the solver against Flink, on random questions |
//! | [`pool_diff`] | the segment pools against Flink's, on random steps |
//! | [`verdict`] | the seed of such a run, and how it ends |
//! | [`programs`] | kubectl, helm and kubeconform against a cluster; SARIF logs against their schema |
//! | [`wait`] | waits with a deadline and says what it saw instead |
//! | [`process`] | processes that end with us; their memory and processor time |
//! | [`tools`] | builds the Go programs, once |
//!
//! # How to write a test
//!
//! All cluster tests are one binary, `tests/it/main.rs`, with a module per subject, because they
//! share one control plane. Add a module there and write:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use e2e::{Cluster, wait_for_object};
//! # use k8s_openapi::api::apps::v1::Deployment;
//! # use kube::Api;
//! #[tokio::test]
//! async fn a_deployment_becomes_available() -> anyhow::Result<()> {
//!     let cluster = Cluster::shared().await?; // started by the first test that asks
//!     let namespace = cluster.namespace("available").await?; // this test's own
//!     cluster
//!         .kubectl(["-n", &namespace, "create", "deployment", "web", "--image=web:1"])
//!         .await?
//!         .success()?;
//!     let deployments: Api<Deployment> = Api::namespaced(cluster.client().await?, &namespace);
//!     wait_for_object(&deployments, "web", "available", Duration::from_secs(60), |deployment| {
//!         deployment.status.as_ref().and_then(|status| status.available_replicas) == Some(1)
//!     })
//!     .await?;
//!     Ok(())
//! }
//! ```
//!
//! Rules that keep the tests independent and quick:
//! - A test works in a namespace of its own and makes its own [`kube::Client`], because a client
//!   belongs to the runtime, and so to the test, that made it.
//! - What is cluster-wide (custom resource definitions, roles) is shared: make it the same
//!   way in every test, by server-side apply, and leave it there. A test that needs it otherwise
//!   (missing, older) starts a cluster of its own with [`Cluster::start`].
//! - Never sleep for a fixed time; wait for what should be seen with [`wait_for`] and its kin.
//! - To claim that nothing was written or refused, take [`audit::Audit::mark`] and ask
//!   [`audit::Audit::writes_since`], and look only at the user or the namespace of the test: others
//!   run at the same time.
//! - Return errors with `?`; the failure message names what was waited for and what was there.
//!
//! The harness needs Linux (`/proc`, process file descriptors and the parent's death signal) and, to build the
//! tools, Go. It needs no root.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "the harness runs a control plane on Linux only: use a Linux host, virtual machine or container"
);

pub mod audit;
pub mod cluster;
pub mod controller;
pub mod flink;
pub mod flink_diff;
pub mod kwok;
pub mod pool_diff;
pub mod process;
pub mod programs;
pub mod tools;
pub mod verdict;
pub mod wait;

pub use cluster::{Cluster, Options};
pub use controller::{Controller, ControllerOptions};
pub use wait::{Seen, wait_for, wait_for_absence, wait_for_object};
