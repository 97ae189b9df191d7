//! Real Flink against what Headroom hands it: the rendered configuration file and arguments give exactly the
//! sizes of the budget, first in the code of the start scripts, then in a TaskManager that runs.
//!
//! Skipped, in one line that says why, where there is no JDK or no Maven.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use e2e::{
    Seen,
    flink::{self, JobManager},
    wait_for,
};
use headroom::{
    api::v1alpha1::TaskManagerPool,
    budget::{Budget, jvm_parameters},
    desired::{Settings, ValidatedPool, build, validate},
};
use serde_json::{Value, json};

/// The released version that stands for each minor version that the examples use.
const RELEASES: [(&str, &str); 10] = [
    ("1.15", "1.15.4"),
    ("1.16", "1.16.3"),
    ("1.17", "1.17.2"),
    ("1.18", "1.18.1"),
    ("1.19", "1.19.1"),
    ("1.20", "1.20.1"),
    ("2.0", "2.0.0"),
    ("2.1", "2.1.0"),
    ("2.2", "2.2.0"),
    ("2.3", "2.3.0"),
];

/// What a pod would see: the configuration directory and the arguments of the container.
struct Rendered {
    budget: Budget,
    directory: PathBuf,
    arguments: Vec<String>,
}

fn render(pool: &TaskManagerPool, directory: &Path) -> Result<Rendered> {
    let name = pool.metadata.name.clone().context("the pool has no name")?;
    let valid: ValidatedPool =
        validate(pool, &Settings::default()).with_context(|| format!("{name} does not solve"))?;
    let resources = build(&valid);
    let directory = directory.join(&name);
    fs::create_dir_all(&directory)?;
    for (file, text) in resources
        .config_map
        .data
        .context("the ConfigMap is empty")?
    {
        fs::write(directory.join(file), text)?;
    }
    let pod = resources
        .deployment
        .spec
        .context("no spec")?
        .template
        .spec
        .context("no pod spec")?;
    let container = pod
        .containers
        .iter()
        .find(|container| container.name == "taskmanager")
        .context("no container taskmanager")?;
    let arguments = container.args.clone().unwrap_or_default();
    let (command, options) = arguments.split_first().context("no arguments")?;
    ensure!(
        command == "taskmanager",
        "the entry point is called with {command}"
    );
    // What the kubelet and the downward API do in a pod.
    let arguments = options
        .iter()
        .map(|option| {
            option
                .replace("$(POD_IP)", "127.0.0.1")
                .replace("$(POD_NAME)", &name)
        })
        .collect();
    Ok(Rendered {
        budget: valid.budget,
        directory,
        arguments,
    })
}

fn scratch(name: &str) -> Result<PathBuf> {
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn examples() -> Result<Vec<TaskManagerPool>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/pools");
    let mut pools = Vec::new();
    for entry in fs::read_dir(&directory)
        .with_context(|| format!("failed to read {}", directory.display()))?
    {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let pool: TaskManagerPool = serde_saphyr::from_str(&text)
            .with_context(|| format!("failed to read {}", path.display()))?;
        // The example that shows conflicts cannot run.
        if validate(&pool, &Settings::default()).is_ok() {
            pools.push(pool);
        }
    }
    ensure!(pools.len() >= 6, "only {} examples", pools.len());
    Ok(pools)
}

#[test]
fn the_start_scripts_derive_the_same_flags_for_every_example() -> Result<()> {
    if let Some(reason) = flink::missing() {
        eprintln!("skipped: {reason}");
        return Ok(());
    }
    let directory = scratch("flags")?;
    for pool in examples()? {
        let version = &pool.spec.flink_version;
        let (_, release) = RELEASES
            .iter()
            .find(|(minor, _)| version.starts_with(minor))
            .with_context(|| format!("no release stands for Flink {version}; add one"))?;
        let rendered = render(&pool, &directory)?;
        let real =
            flink::task_manager_parameters(release, &rendered.directory, &rendered.arguments)?;
        ensure!(
            real.jvm_parameters == jvm_parameters(&rendered.budget),
            "{:?}: Flink {release} derives {}, Headroom {}",
            pool.metadata.name,
            real.jvm_parameters,
            jvm_parameters(&rendered.budget)
        );
        let mut real_options: Vec<String> = real
            .dynamic_arguments()
            .into_iter()
            .filter(|argument| argument != "-D")
            .collect();
        real_options.sort();
        for option in &real_options {
            let given = format!("-D{option}");
            // Flink writes a fixed size back as the minimum and maximum that Headroom gave it.
            ensure!(
                rendered.arguments.contains(&given),
                "{:?}: Flink {release} would run with {option}, Headroom passed {:?}",
                pool.metadata.name,
                rendered.arguments
            );
        }
    }
    fs::remove_dir_all(&directory)?;
    Ok(())
}

#[tokio::test]
async fn a_real_task_manager_reports_the_budget() -> Result<()> {
    if let Some(reason) = flink::missing() {
        eprintln!("skipped: {reason}");
        return Ok(());
    }
    let version = "2.1.0";
    let directory = scratch("process")?;
    let job_manager = JobManager::start(version, &directory).await?;
    let pool: TaskManagerPool = serde_json::from_value(json!({
        "apiVersion": "headroom.dev/v1alpha1",
        "kind": "TaskManagerPool",
        "metadata": {"name": "real", "namespace": "default", "uid": "0"},
        "spec": {
            "flinkVersion": "2.1",
            "image": "flink:2.1",
            "clusterRef": {"name": "127.0.0.1", "rpcPort": job_manager.rpc_port()},
            "taskManager": {"numberOfTaskSlots": 3, "resources": {"limits": {"memory": "1500Mi"}}},
            "memory": {
                "task": {"offHeapSize": "10m"},
                "managed": {"fraction": "0.3"},
                "jvm": {"overhead": {"fraction": "0.2"}}
            },
            "flinkConfiguration": {
                "taskmanager": {"memory": {"network": {"fraction": "0.15"}}},
                "taskmanager.memory.jvm-metaspace.size": "200 mb"
            }
        }
    }))?;
    let rendered = render(&pool, &directory)?;
    let parameters =
        flink::task_manager_parameters(version, &rendered.directory, &rendered.arguments)?;
    let task_manager =
        job_manager.start_task_manager(&rendered.directory, &parameters, &rendered.arguments)?;
    let registered = wait_for(
        "the TaskManager registers",
        Duration::from_secs(60),
        || async {
            if let Err(error) = task_manager.check() {
                return Ok(Seen::Never(error));
            }
            let found = job_manager.task_managers()?;
            Ok(match found.first() {
                // A TaskManager that just came has not reported its slots yet.
                Some(found) if found["slotsNumber"] != 0 => Seen::Done(found.clone()),
                _ => Seen::NotYet(format!("{found:?}")),
            })
        },
    )
    .await?;
    let budget = &rendered.budget;
    let bytes = |component: &headroom::budget::Component| json!(component.bytes.get());
    let expected: [(&str, Value); 10] = [
        ("frameworkHeap", bytes(&budget.framework_heap)),
        ("taskHeap", bytes(&budget.task_heap)),
        ("frameworkOffHeap", bytes(&budget.framework_off_heap)),
        ("taskOffHeap", bytes(&budget.task_off_heap)),
        ("networkMemory", bytes(&budget.network)),
        ("managedMemory", bytes(&budget.managed)),
        ("jvmMetaspace", bytes(&budget.jvm_metaspace)),
        ("jvmOverhead", bytes(&budget.jvm_overhead)),
        ("totalFlinkMemory", bytes(&budget.total_flink)),
        ("totalProcessMemory", bytes(&budget.total_process)),
    ];
    for (name, value) in expected {
        ensure!(
            registered["memoryConfiguration"][name] == value,
            "{name}: the TaskManager reports {}, the budget says {value}",
            registered["memoryConfiguration"][name]
        );
    }
    ensure!(registered["slotsNumber"] == 3, "{registered}");
    let id = registered["id"].as_str().unwrap_or_default();
    ensure!(id == "real", "the resource id is {id}, not the pod's name");
    task_manager.stop().await?;
    drop(job_manager);
    fs::remove_dir_all(&directory)?;
    Ok(())
}
