//! The pools in `examples/pools/`: what the operator makes of each, held against files.
//!
//! An upgrade of the operator that changes one of the `.objects.yaml` files restarts pods of every user with a
//! pool like it. `UPDATE=1` rewrites the files; the commit that does so has to say why that is right.

use std::{fs, path::PathBuf};

use headroom::{
    api::v1alpha1::{TaskManagerPool, TaskManagerPoolStatus},
    desired::{Resources, Settings, ValidatedPool, build, validate},
    status::{Outcome, compute_status},
};
use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus},
    jiff::Timestamp,
};
use serde::Serialize;

/// The seven that people need; `conflicts.yaml` beside them is one that cannot run.
const SOUND: [&str; 7] = [
    "batch",
    "high-parallelism-shuffle",
    "legacy-configuration",
    "session-cluster",
    "streaming-heap-state",
    "streaming-python-rocksdb",
    "streaming-rocksdb",
];

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// An example as the API server would hold it.
fn example(name: &str) -> TaskManagerPool {
    let path = repository(&format!("examples/pools/{name}.yaml"));
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut pool: TaskManagerPool =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    pool.metadata.namespace = Some("streaming".to_owned());
    pool.metadata.uid = Some("2f3a1c9e-0000-4000-8000-000000000001".to_owned());
    pool.metadata.generation = Some(1);
    pool
}

fn valid(pool: &TaskManagerPool) -> ValidatedPool {
    validate(pool, &Settings::default()).unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn documents(objects: &[&dyn erased::Document]) -> String {
    let documents: Vec<_> = objects.iter().map(|object| object.yaml()).collect();
    documents.join("---\n")
}

mod erased {
    use super::Serialize;

    /// Any object that can be written as YAML.
    pub trait Document {
        fn yaml(&self) -> String;
    }

    impl<T: Serialize> Document for T {
        fn yaml(&self) -> String {
            serde_saphyr::to_string(self).unwrap()
        }
    }
}

fn compare(name: &str, text: &str) {
    let path = repository(&format!("tests/data/golden/pools/{name}"));
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run with UPDATE=1", path.display()));
    assert_eq!(text, golden, "{name}: run with UPDATE=1 if this is meant");
}

/// The Deployment as Kubernetes shows it when everything runs.
fn running(mut deployment: Deployment) -> Deployment {
    let replicas = deployment.spec.as_ref().unwrap().replicas;
    deployment.metadata.generation = Some(1);
    deployment.status = Some(DeploymentStatus {
        observed_generation: Some(1),
        replicas,
        ready_replicas: replicas,
        updated_replicas: replicas,
        available_replicas: replicas,
        conditions: Some(vec![DeploymentCondition {
            type_: "Available".to_owned(),
            status: "True".to_owned(),
            ..DeploymentCondition::default()
        }]),
        ..DeploymentStatus::default()
    });
    deployment
}

fn status_of(pool: &TaskManagerPool, valid: &ValidatedPool) -> TaskManagerPoolStatus {
    let built = build(valid);
    let resources = Resources::applied(
        built.service_account,
        built.config_map,
        built.pod_disruption_budget,
        running(built.deployment),
    );
    let outcome = Outcome::Applied {
        pool: valid,
        resources: &resources,
    };
    compute_status(
        pool,
        &outcome,
        "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap(),
    )
}

#[test]
fn every_example_is_tested() {
    let mut found: Vec<_> = fs::read_dir(repository("examples/pools"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let mut expected: Vec<_> = SOUND.iter().map(|name| format!("{name}.yaml")).collect();
    expected.push("conflicts.yaml".to_owned());
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn the_objects_of_each_example_stay_as_they_are() {
    for name in SOUND {
        let built = build(&valid(&example(name)));
        let text = documents(&[
            &built.service_account,
            &built.config_map,
            &built.pod_disruption_budget,
            &built.deployment,
        ]);
        compare(&format!("{name}.objects.yaml"), &text);
    }
}

#[test]
fn the_status_of_each_example_is_small_and_stays_as_it_is() {
    for name in SOUND {
        let pool = example(name);
        let status = status_of(&pool, &valid(&pool));
        let size = serde_json::to_vec(&status).unwrap().len();
        assert!(size < 6 * 1024, "{name}: the status has {size} bytes");
        compare(&format!("{name}.status.yaml"), &documents(&[&status]));
    }
}

#[test]
fn the_wrong_example_shows_every_conflict_and_creates_nothing() {
    let pool = example("conflicts");
    let invalid = validate(&pool, &Settings::default()).unwrap_err();
    let outcome = Outcome::Invalid {
        invalid: &invalid,
        deployment: None,
    };
    let status = compute_status(&pool, &outcome, "2026-01-01T00:00:00Z".parse().unwrap());
    let size = serde_json::to_vec(&status).unwrap().len();
    assert!(size < 6 * 1024, "the status has {size} bytes");
    compare("conflicts.status.yaml", &documents(&[&status]));
    assert!(invalid.errors().count() >= 8, "{:#?}", invalid.conflicts);
}
