//! The course of the benchmark on real control planes, the same for each controller.
//!
//! Each controller gets control planes of its own. Figures of memory, writes and rest are taken only when
//! the controller has written nothing for a while, because Kubernetes' own controllers go on for some
//! seconds after the last pool was created, and each of their changes is one that a controller must look at.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use e2e::{
    Cluster, Options, Seen,
    audit::{Mark, Request},
    wait_for,
};
use headroom::api::{crd::custom_resource_definition, v1alpha1::TaskManagerPool};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};

use crate::{
    controllers::{Launch, Running, is_ours},
    examples,
    figures::{Figures, Part, Subject, percentile},
    pools::{Pools, Times},
};

/// How long a controller must not have written before it counts as quiet.
const QUIET: Duration = Duration::from_secs(3);

/// How many times a controller is started to find its worst start.
const STARTS: usize = 5;

/// How many pools and how long.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub slow_pools: usize,
    pub pools: usize,
    pub rest: Duration,
}

impl Scale {
    /// As the rows say.
    pub const FULL: Self = Self {
        slow_pools: 100,
        pools: 1000,
        rest: Duration::from_secs(120),
    };

    /// A tenth or so, to try the benchmark itself.
    pub const QUICK: Self = Self {
        slow_pools: 10,
        pools: 100,
        rest: Duration::from_secs(15),
    };
}

/// Runs the parts that need a control plane, for one controller.
///
/// # Errors
/// When a control plane or the controller fails, or something that should come does not.
pub async fn run(
    figures: &mut Figures,
    subject: Subject,
    program: &Path,
    parts: &BTreeSet<Part>,
    scale: Scale,
) -> Result<()> {
    let wanted = |any: &[Part]| any.iter().any(|part| parts.contains(part));
    let has_examples = subject == Subject::Ours && wanted(&[Part::Sizes]);
    if has_examples
        || wanted(&[
            Part::Start,
            Part::Writes,
            Part::Slow,
            Part::Steady,
            Part::Rest,
            Part::Restart,
        ])
    {
        let bench = Bench::start(figures, subject, program, scale).await?;
        bench.first_cluster(parts).await?;
    }
    if wanted(&[Part::Burst]) {
        let bench = Bench::start(figures, subject, program, scale).await?;
        bench.burst().await?;
    }
    Ok(())
}

/// One controller on one control plane.
struct Bench<'a> {
    figures: &'a mut Figures,
    subject: Subject,
    scale: Scale,
    cluster: Cluster,
    launch: Launch,
}

impl<'a> Bench<'a> {
    async fn start(
        figures: &'a mut Figures,
        subject: Subject,
        program: &Path,
        scale: Scale,
    ) -> Result<Self> {
        let options = Options {
            name: format!("bench-{subject:?}").to_lowercase(),
            nodes: 0,
            ..Options::default()
        };
        let cluster = Cluster::start(options).await?;
        eprintln!(
            "  {subject:?}: control plane up after {:.1} s",
            cluster.took().as_secs_f64()
        );
        define(&cluster).await?;
        // The first objects of a new definition take the API server two seconds, whoever watches it.
        Pools::new(&cluster).await?.create_and_delete_one().await?;
        let launch = Launch::prepare(&cluster, subject, program).await?;
        Ok(Self {
            figures,
            subject,
            scale,
            cluster,
            launch,
        })
    }

    fn record(&mut self, name: &'static str, value: f64) {
        self.figures.record(name, self.subject, value);
    }

    async fn first_cluster(mut self, parts: &BTreeSet<Part>) -> Result<()> {
        let wanted = |part| parts.contains(&part);
        if wanted(Part::Start) {
            self.starts().await?;
        }
        if wanted(Part::Writes) {
            self.one_pool().await?;
        }
        if wanted(Part::Sizes) && self.subject == Subject::Ours {
            self.example_statuses().await?;
        }
        if wanted(Part::Slow) {
            self.slow().await?;
        }
        if wanted(Part::Steady) || wanted(Part::Rest) || wanted(Part::Restart) {
            let running = self.launch.start().await?;
            let pools = Pools::new(&self.cluster).await?;
            if wanted(Part::Steady) {
                self.steady(&running, &pools).await?;
            } else {
                self.progress(&format!("{} pools, for what follows", self.scale.pools));
                pools.create(self.scale.pools, None).await?;
                self.quiet().await?;
            }
            if wanted(Part::Rest) {
                self.rest(&running).await?;
            }
            running.stop().await?;
            if wanted(Part::Restart) {
                self.restart().await?;
            }
        }
        self.cluster.stop().await
    }

    fn progress(&self, what: &str) {
        eprintln!("  {:?}: {what}", self.subject);
    }

    /// Starts it several times on an API server that answers, without any pool.
    async fn starts(&mut self) -> Result<()> {
        self.progress("starts");
        let mut worst = Duration::ZERO;
        for number in 1..=STARTS {
            let running = self.launch.start().await?;
            worst = worst.max(running.ready_after());
            if number == STARTS {
                tokio::time::sleep(QUIET).await;
                self.record("memory.0", running.resident_mebibytes()?);
            }
            running.stop().await?;
        }
        self.record("start", worst.as_secs_f64() * 1000.0);
        Ok(())
    }

    /// Counts everything that it writes for one pool.
    async fn one_pool(&mut self) -> Result<()> {
        self.progress("one pool");
        let running = self.launch.start().await?;
        let pools = Pools::new(&self.cluster).await?;
        let mark = self.cluster.audit().mark().await?;
        pools.create(1, None).await?;
        self.quiet().await?;
        let writes = self.writes_since(mark).await?;
        self.record("writes", writes.len() as f64);
        let mut kinds = BTreeMap::<String, usize>::new();
        for write in &writes {
            *kinds
                .entry(format!("{} {}", write.verb, write.resource()))
                .or_default() += 1;
        }
        let kinds: Vec<String> = kinds
            .into_iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        self.figures.note(
            "writes",
            format!("{:?}: {}", self.subject, kinds.join(", ")),
        );
        if self.subject == Subject::Ours {
            // Each object that it made, and two of the pool's status.
            let made: BTreeSet<(String, &str)> = writes
                .iter()
                .filter(|write| write.code() == 201)
                .map(|write| match &write.object_ref {
                    // An object that is created by POST has no name in the request.
                    Some(object) if object.name.is_empty() => {
                        (write.resource(), write.audit_id.as_str())
                    }
                    Some(object) => (write.resource(), object.name.as_str()),
                    None => (String::new(), ""),
                })
                .collect();
            self.figures.bar("writes", (made.len() + 2) as f64);
        }
        pools.delete().await?;
        running.stop().await
    }

    /// The status of each example, as the API server stores it.
    async fn example_statuses(&mut self) -> Result<()> {
        self.progress("examples");
        let running = self.launch.start().await?;
        let namespace = self.cluster.namespace("examples").await?;
        let api: Api<TaskManagerPool> = Api::namespaced(self.cluster.client().await?, &namespace);
        let mut largest = (0, String::new());
        for (file, mut pool) in examples::pools()? {
            pool.metadata.namespace = None;
            let made = api
                .create(&PostParams::default(), &pool)
                .await
                .with_context(|| format!("example {file}"))?;
            let name = made.name_any();
            let status = wait_for(
                format!("status of {file}"),
                Duration::from_secs(30),
                || async {
                    let status = api.get_status(&name).await?.status;
                    Ok(
                        match status.filter(|status| status.observed_generation.is_some()) {
                            Some(status) => Seen::Done(status),
                            None => Seen::NotYet(String::from("no status")),
                        },
                    )
                },
            )
            .await?;
            let bytes = serde_json::to_vec(&status)?.len();
            if bytes > largest.0 {
                largest = (bytes, file);
            }
            api.delete(&name, &kube::api::DeleteParams::default())
                .await?;
        }
        ensure!(largest.0 > 0, "there are no examples");
        self.record("size.status", largest.0 as f64);
        self.figures.note("size.status", largest.1);
        running.stop().await
    }

    async fn slow(&mut self) -> Result<()> {
        let count = self.scale.slow_pools;
        self.progress(&format!("{count} pools at 2 per second"));
        let running = self.launch.start().await?;
        let pools = Pools::new(&self.cluster).await?;
        let times = pools.create(count, Some(2)).await?;
        self.record_latency("slow.p50", "slow.p99", times)?;
        self.quiet().await?;
        self.record("memory.100", running.resident_mebibytes()?);
        running.stop().await?;
        pools.delete().await
    }

    async fn steady(&mut self, running: &Running, pools: &Pools) -> Result<()> {
        let count = self.scale.pools;
        self.progress(&format!("{count} pools at 10 per second"));
        let before = running.cpu()?;
        let times = pools.create(count, Some(10)).await?;
        self.record_latency("steady.p50", "steady.p99", times)?;
        self.quiet().await?;
        self.record("cpu", (running.cpu()? - before).as_secs_f64());
        self.record("memory.1000", running.resident_mebibytes()?);
        Ok(())
    }

    fn record_latency(
        &mut self,
        p50: &'static str,
        p99: &'static str,
        mut times: Times,
    ) -> Result<()> {
        let mut percentile =
            |percent| percentile(&mut times.to_budget, percent).context("no pool was created");
        let (half, most, all) = (percentile(50)?, percentile(99)?, percentile(100)?);
        self.record(p50, half);
        self.record(p99, most);
        self.figures.note(
            p99,
            format!("{:?}: the slowest of all took {all:.1} ms", self.subject),
        );
        Ok(())
    }

    async fn rest(&mut self, running: &Running) -> Result<()> {
        let rest = self.scale.rest;
        self.progress(&format!("{} s at rest", rest.as_secs()));
        let mark = self.cluster.audit().mark().await?;
        let before = running.cpu()?;
        tokio::time::sleep(rest).await;
        let cpu = running.cpu()? - before;
        let mut requests = self.cluster.audit().requests_since(mark).await?;
        requests.retain(is_ours);
        self.record(
            "rest.writes",
            requests.iter().filter(|request| request.is_write()).count() as f64,
        );
        self.record(
            "rest.lists",
            requests
                .iter()
                .filter(|request| request.verb == "list")
                .count() as f64,
        );
        self.record("rest.cpu", cpu.as_secs_f64() * 60.0 / rest.as_secs_f64());
        Ok(())
    }

    async fn restart(&mut self) -> Result<()> {
        self.progress("restart");
        let mark = self.cluster.audit().mark().await?;
        let running = self.launch.start().await?;
        running.wait_until_checked(self.scale.pools).await?;
        let checked = running.age();
        self.record("restart.checked", checked.as_secs_f64());
        self.quiet().await?;
        let writes = self.writes_since(mark).await?;
        self.record("restart.writes", writes.len() as f64);
        running.stop().await
    }

    async fn burst(mut self) -> Result<()> {
        let count = self.scale.pools;
        self.progress(&format!("{count} pools at once"));
        let running = self.launch.start().await?;
        let pools = Pools::new(&self.cluster).await?;
        let times = pools.create(count, None).await?;
        self.record("burst.create", times.last_created.as_secs_f64());
        self.record("burst.status", times.last_budget.as_secs_f64());
        self.record("burst.deployment", times.last_deployment.as_secs_f64());
        running.stop().await?;
        self.cluster.stop().await
    }

    /// Waits until the controller has not written for a while.
    async fn quiet(&self) -> Result<()> {
        wait_for(
            "the controller is quiet",
            Duration::from_secs(120),
            || async {
                let mark = self.cluster.audit().mark().await?;
                tokio::time::sleep(QUIET).await;
                let writes = self.writes_since(mark).await?;
                Ok(Seen::when(
                    writes.is_empty(),
                    format!("{} writes in {QUIET:?}", writes.len()),
                ))
            },
        )
        .await
    }

    async fn writes_since(&self, mark: Mark) -> Result<Vec<Request>> {
        let mut writes = self.cluster.audit().writes_since(mark).await?;
        writes.retain(is_ours);
        Ok(writes)
    }
}

/// Applies the definition of the resource and waits until it is served.
async fn define(cluster: &Cluster) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client().await?);
    let definition = custom_resource_definition();
    let name = definition.name_any();
    definitions
        .patch(
            &name,
            &PatchParams::apply("bench").force(),
            &Patch::Apply(&definition),
        )
        .await?;
    e2e::wait_for_object(
        &definitions,
        &name,
        "established",
        Duration::from_secs(30),
        |definition| {
            let conditions = definition
                .status
                .as_ref()
                .and_then(|status| status.conditions.as_ref());
            conditions
                .into_iter()
                .flatten()
                .any(|one| one.type_ == "Established" && one.status == "True")
        },
    )
    .await?;
    Ok(())
}
