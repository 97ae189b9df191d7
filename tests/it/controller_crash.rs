//! Every write of the controller's life with a pool is disturbed, one at a time and in every way there is;
//! the cluster must come to the same states as in an undisturbed run, without an object created or deleted
//! that the undisturbed run did not create or delete.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::fake_api::run::{Run, pool};
use crate::fake_api::{FakeApi, Fault};

/// What a user does to one pool over its life.
type Step = (&'static str, fn(&FakeApi));

const LIFE: [Step; 9] = [
    ("create", |api| {
        api.create("taskmanagerpools", pool("clicks"))
    }),
    ("scale", |api| {
        api.edit("taskmanagerpools", "clicks", |pool| {
            pool["spec"]["replicas"] = json!(3)
        });
    }),
    ("resize", |api| {
        api.edit("taskmanagerpools", "clicks", |pool| {
            pool["spec"]["taskManager"]["resources"]["limits"]["memory"] = json!("8Gi");
        });
    }),
    ("add to the pod template", |api| {
        api.edit("taskmanagerpools", "clicks", |pool| {
            pool["spec"]["podTemplate"] = json!({
                "metadata": {"annotations": {"team": "a"}},
                "spec": {"containers": [{"name": "taskmanager", "env": [{"name": "A", "value": "b"}]}]},
            });
        });
    }),
    ("remove from the pod template", |api| {
        api.edit("taskmanagerpools", "clicks", |pool| {
            pool["spec"].as_object_mut().unwrap().remove("podTemplate");
        });
    }),
    ("break", |api| {
        api.edit("taskmanagerpools", "clicks", |pool| {
            pool["spec"]["memory"] = json!({"managed": {"size": "20g"}});
        });
    }),
    ("repair", |api| {
        api.edit("taskmanagerpools", "clicks", |pool| {
            pool["spec"].as_object_mut().unwrap().remove("memory");
        });
    }),
    ("lose a child", |api| {
        api.delete("configmaps", "clicks-configuration")
    }),
    ("delete", |api| api.delete("taskmanagerpools", "clicks")),
];

/// States after each step, and how often each object was created and deleted.
#[derive(Debug, PartialEq)]
struct Life {
    states: Vec<(&'static str, Value)>,
    lifetimes: BTreeMap<(String, String), (u32, u32)>,
}

/// Lives through all steps and counts the writes.
async fn live(api: &FakeApi) -> (Life, usize) {
    let mut run = Run::new(api);
    let mut states = Vec::new();
    for (name, step) in LIFE {
        step(api);
        run.settle().await;
        states.push((name, api.state()));
    }
    let mut lifetimes = api.with_store(|store| store.lifetimes.clone());
    // Whether a warning is published again after a crash in its midst is a matter of taste.
    lifetimes.retain(|(plural, _), _| plural != "events");
    let life = Life { states, lifetimes };
    (life, api.writes().len())
}

#[tokio::test(start_paused = true)]
async fn an_undisturbed_life_goes_as_it_should() {
    let api = FakeApi::default();
    let (life, _) = live(&api).await;
    let state = |step: &str| {
        let (_, state) = life.states.iter().find(|(name, _)| *name == step).unwrap();
        state.clone()
    };
    let of_kind = |state: &Value, kind: &str| {
        let objects = state.as_array().unwrap();
        objects
            .iter()
            .find(|object| object["kind"] == kind)
            .cloned()
            .unwrap_or_default()
    };
    let created = state("create");
    assert_eq!(
        created.as_array().unwrap().len(),
        5,
        "a pool and four children"
    );
    assert!(of_kind(&created, "TaskManagerPool")["status"]["budget"]["processBytes"].is_i64());
    assert_eq!(
        of_kind(&state("scale"), "Deployment")["spec"]["replicas"],
        3
    );
    let with_env = of_kind(&state("add to the pod template"), "Deployment");
    assert!(with_env.to_string().contains(r#"{"name":"A","value":"b"}"#));
    assert_eq!(
        of_kind(&state("remove from the pod template"), "Deployment")["spec"],
        of_kind(&state("resize"), "Deployment")["spec"],
        "what was added is gone again"
    );
    let broken = state("break");
    assert_eq!(
        of_kind(&broken, "Deployment"),
        of_kind(&state("remove from the pod template"), "Deployment"),
        "the last good Deployment stays exactly as it was"
    );
    let conflicts = &of_kind(&broken, "TaskManagerPool")["status"]["conflicts"];
    assert!(
        conflicts
            .as_array()
            .is_some_and(|conflicts| !conflicts.is_empty())
    );
    assert_eq!(
        of_kind(&state("lose a child"), "ConfigMap")["kind"],
        "ConfigMap"
    );
    assert_eq!(state("delete"), json!([]), "nothing is left");
}

/// The writes of one new pool: its four children and two statuses.
#[tokio::test(start_paused = true)]
async fn a_new_pool_costs_as_many_writes_as_it_has_objects_and_two_of_status() {
    let api = FakeApi::default();
    let mut run = Run::new(&api);
    api.create("taskmanagerpools", pool("clicks"));
    run.settle().await;
    let writes = api.writes();
    let statuses = writes
        .iter()
        .filter(|write| write.subresource.is_some())
        .count();
    assert_eq!((writes.len() - statuses, statuses), (4, 2), "{writes:#?}");
}

/// Runs the whole life once for every write, with that write disturbed.
async fn disturb(fault: Fault) {
    let (undisturbed, count) = live(&FakeApi::default()).await;
    assert!(count > 15, "only {count} writes in a whole life");
    for disturbed in 0..count {
        let api = FakeApi::default();
        api.plan(move |write| {
            if write.index == disturbed {
                fault
            } else {
                Fault::None
            }
        });
        let (life, writes) = live(&api).await;
        let hint = format!(
            "{fault:?} at write {disturbed}: {:?}",
            api.writes().get(disturbed)
        );
        for (expected, seen) in undisturbed.states.iter().zip(&life.states) {
            pretty_assert(expected, seen, &hint);
        }
        assert_eq!(undisturbed.lifetimes, life.lifetimes, "{hint}");
        assert!(
            writes <= count + 4,
            "{writes} instead of {count} writes after {hint}"
        );
    }
}

fn pretty_assert(expected: &(&str, Value), seen: &(&str, Value), hint: &str) {
    if expected != seen {
        let text = |value: &Value| serde_json::to_string_pretty(value).unwrap();
        let (expected_text, seen_text) = (text(&expected.1), text(&seen.1));
        let different: Vec<String> = expected_text
            .lines()
            .zip(seen_text.lines())
            .filter(|(left, right)| left != right)
            .map(|(left, right)| format!("- {left}\n+ {right}"))
            .take(20)
            .collect();
        panic!("after {:?}, {hint}:\n{}", expected.0, different.join("\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_any_write_changes_nothing_in_the_end() {
    disturb(Fault::Crash).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_to_any_write_changes_nothing_in_the_end() {
    disturb(Fault::LoseReply).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_at_any_write_changes_nothing_in_the_end() {
    disturb(Fault::Refuse(500)).await;
}

#[tokio::test(start_paused = true)]
async fn no_answer_to_any_write_changes_nothing_in_the_end() {
    disturb(Fault::Hang).await;
}
