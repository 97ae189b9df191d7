//! How the controller behaves towards others: quiet at rest, polite under failure, never touching what is
//! not its own.

use std::time::Duration;

use headroom::controller::DRAIN_TIMEOUT;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::fake_api::run::{CHILDREN, Run, pool};
use crate::fake_api::{FakeApi, Fault};

/// A settled cluster with these pools.
async fn settled(pools: &[&str]) -> (FakeApi, Run) {
    let api = FakeApi::default();
    let mut run = Run::new(&api);
    for name in pools {
        api.create("taskmanagerpools", pool(name));
    }
    run.settle().await;
    (api, run)
}

fn ready() -> Option<(String, String)> {
    Some(("True".to_owned(), "AsExpected".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn at_rest_nothing_is_written_and_nothing_is_listed() {
    let (api, mut run) = settled(&["a", "b", "c"]).await;
    let (writes, reads) = (api.writes().len(), api.reads().len());
    run.work(Duration::from_secs(1800)).await;
    assert_eq!(api.writes().len(), writes);
    let later = api.reads().split_off(reads);
    assert!(
        later.iter().all(|read| read.starts_with("watch ")),
        "{later:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_restart_over_unchanged_pools_writes_nothing() {
    let (api, run) = settled(&["a", "b", "c"]).await;
    drop(run);
    let writes = api.writes().len();
    let mut run = Run::new(&api);
    run.settle().await;
    assert_eq!(api.writes().len(), writes);
    assert_eq!(run.metrics.calls("list", 200), 5);
    assert!(run.readiness.is_ready());
}

/// Every field of every child that the controller owns, changed by somebody else, is put back with one write.
#[tokio::test(start_paused = true)]
async fn a_foreign_edit_of_an_owned_field_is_reverted_once() {
    fn strings(value: &Value, path: &mut Vec<String>, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    path.push(name.replace('~', "~0").replace('/', "~1"));
                    strings(member, path, found);
                    path.pop();
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    strings(item, path, found);
                    path.pop();
                }
            }
            Value::String(_) => found.push(format!("/{}", path.join("/"))),
            _ => {}
        }
    }
    let (api, mut run) = settled(&["a"]).await;
    let mut edits = 0;
    for (plural, ending) in CHILDREN {
        let name = format!("a{ending}");
        let before = api.object(plural, &name);
        let mut paths = Vec::new();
        for part in ["spec", "data"] {
            strings(&before[part], &mut vec![part.to_owned()], &mut paths);
        }
        for part in ["labels", "annotations"] {
            let mut path = vec!["metadata".to_owned(), part.to_owned()];
            strings(&before["metadata"][part], &mut path, &mut paths);
        }
        // The name of a list's item is its identity: changing it makes another item.
        paths.retain(|path| {
            !path.ends_with("/name")
                && !path.ends_with("/mountPath")
                && !path.ends_with("/protocol")
        });
        for path in paths {
            let writes = api.writes().len();
            api.edit(plural, &name, |object| {
                *object.pointer_mut(&path).unwrap() = json!("foreign");
            });
            run.settle().await;
            let after = api.object(plural, &name);
            for part in ["spec", "data"] {
                assert_eq!(after[part], before[part], "{plural}{path}");
            }
            assert_eq!(
                after["metadata"]["labels"], before["metadata"]["labels"],
                "{plural}{path}"
            );
            let own: Vec<_> = api.writes().split_off(writes);
            let to_child = own.iter().filter(|write| write.plural == plural).count();
            assert!(to_child <= 2, "{plural}{path}: {own:?}");
            edits += 1;
        }
    }
    assert!(edits > 40, "only {edits} fields were tried");
}

#[tokio::test(start_paused = true)]
async fn what_others_add_to_a_child_stays_and_costs_no_write() {
    let (api, mut run) = settled(&["a"]).await;
    let writes = api.writes().len();
    api.edit("deployments", "a", |object| {
        object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("7");
        object["spec"]["minReadySeconds"] = json!(5);
    });
    run.settle().await;
    let after = api.object("deployments", "a");
    assert_eq!(after["spec"]["minReadySeconds"], 5);
    let own = api.writes().split_off(writes);
    assert!(
        own.iter().all(|write| write.plural != "deployments"),
        "{own:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_admission_webhook_that_changes_our_fields_starts_no_war() {
    let api = FakeApi::default();
    api.behave(|behaviour| {
        behaviour.admission = Some(|deployment| deployment["spec"]["replicas"] = json!(1));
    });
    let mut run = Run::new(&api);
    api.create("taskmanagerpools", pool("a"));
    run.settle().await;
    let writes = api.writes().len();
    assert!(writes <= 8, "{:?}", api.writes());
    run.work(Duration::from_secs(1800)).await;
    assert_eq!(api.writes().len(), writes);
}

#[tokio::test(start_paused = true)]
async fn foreign_objects_are_reported_left_alone_and_waited_for() {
    for (plural, ending) in CHILDREN {
        let api = FakeApi::default();
        let name = format!("a{ending}");
        let foreign =
            json!({"metadata": {"name": name, "namespace": "default"}, "spec": {"x": "y"}});
        api.create(plural, foreign);
        let before = api.object(plural, &name);
        let mut run = Run::new(&api);
        api.create("taskmanagerpools", pool("a"));
        run.work(Duration::from_secs(120)).await;
        assert_eq!(
            api.condition("a", "Stalled"),
            Some(("True".to_owned(), "ForeignObject".to_owned())),
            "{plural}"
        );
        let mut after = api.object(plural, &name);
        for part in ["status", "metadata"] {
            after[part] = before[part].clone();
        }
        assert_eq!(after["spec"], before["spec"], "{plural}");
        assert!(
            api.object(plural, &name)["metadata"]
                .get("ownerReferences")
                .is_none()
        );
        let writes = api.writes();
        let tries = writes
            .iter()
            .filter(|write| write.plural == plural && write.name == name);
        assert!(tries.count() <= 1, "{plural}: {writes:?}");
        let events = writes
            .iter()
            .filter(|write| write.plural == "events")
            .count();
        assert_eq!(events, 1, "{plural}: one event, not one a look");
        api.delete(plural, &name);
        run.settle().await;
        assert_eq!(api.condition("a", "Ready"), ready(), "{plural}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_of_the_same_name_takes_nothing_from_its_predecessor() {
    let (api, mut run) = settled(&["a"]).await;
    let old = api.object("deployments", "a");
    api.behave(|behaviour| behaviour.collects_garbage = false);
    api.delete("taskmanagerpools", "a");
    api.create("taskmanagerpools", pool("a"));
    run.work(Duration::from_secs(60)).await;
    assert_eq!(
        api.object("deployments", "a")["metadata"]["uid"],
        old["metadata"]["uid"],
        "left alone until the garbage collector comes"
    );
    api.behave(|behaviour| behaviour.collects_garbage = true);
    run.settle().await;
    assert_eq!(api.condition("a", "Ready"), ready());
    let new_pool = api.object("taskmanagerpools", "a");
    for (plural, ending) in CHILDREN {
        let child = api.object(plural, &format!("a{ending}"));
        assert_eq!(
            child["metadata"]["ownerReferences"][0]["uid"], new_pool["metadata"]["uid"],
            "{plural}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_cannot_be_read_says_so_and_stops_nobody() {
    let api = FakeApi::default();
    let mut broken = pool("broken");
    broken["spec"]["taskManager"]["numberOfTaskSlots"] = json!("many");
    api.create("taskmanagerpools", broken);
    api.create("taskmanagerpools", pool("sound"));
    let mut run = Run::new(&api);
    run.settle().await;
    assert_eq!(api.condition("sound", "Ready"), ready());
    assert_eq!(
        api.condition("broken", "Ready"),
        Some(("False".to_owned(), "Unreadable".to_owned()))
    );
    let message =
        api.object("taskmanagerpools", "broken")["status"]["conditions"][0]["message"].clone();
    assert!(
        message
            .as_str()
            .unwrap()
            .contains("spec.taskManager.numberOfTaskSlots"),
        "{message}"
    );
    let writes = api.writes().len();
    run.work(Duration::from_secs(600)).await;
    assert_eq!(api.writes().len(), writes, "it is said once");
    api.edit("taskmanagerpools", "broken", |pool| {
        pool["spec"]["taskManager"]["numberOfTaskSlots"] = json!(2);
    });
    run.settle().await;
    assert_eq!(api.condition("broken", "Ready"), ready());
}

#[tokio::test(start_paused = true)]
async fn one_stuck_pool_does_not_hold_up_the_others_and_backs_off() {
    let api = FakeApi::default();
    api.plan(|write| {
        if write.name.starts_with("stuck") {
            Fault::Hang
        } else {
            Fault::None
        }
    });
    let mut run = Run::new(&api);
    api.create("taskmanagerpools", pool("stuck"));
    for number in 0..20 {
        api.create("taskmanagerpools", pool(&format!("sound-{number}")));
    }
    run.work(Duration::from_secs(9)).await;
    for number in 0..20 {
        assert_eq!(api.condition(&format!("sound-{number}"), "Ready"), ready());
    }
    run.work(Duration::from_secs(3600)).await;
    let tries = api
        .writes()
        .iter()
        .filter(|write| write.name == "stuck")
        .count();
    assert!(
        (20..=80).contains(&tries),
        "{tries} tries in an hour, two each time"
    );
    api.plan(|_| Fault::None);
    run.work(Duration::from_secs(400)).await;
    assert_eq!(api.condition("stuck", "Ready"), ready());
}

#[tokio::test(start_paused = true)]
async fn what_the_server_rejects_is_said_and_rarely_tried_again() {
    let api = FakeApi::default();
    api.plan(|write| {
        if write.plural == "deployments" {
            Fault::Refuse(422)
        } else {
            Fault::None
        }
    });
    let mut run = Run::new(&api);
    api.create("taskmanagerpools", pool("a"));
    run.work(Duration::from_secs(3600)).await;
    assert_eq!(
        api.condition("a", "Stalled").map(|(status, _)| status),
        Some("True".to_owned())
    );
    let tries = api
        .writes()
        .iter()
        .filter(|write| write.plural == "deployments")
        .count();
    assert!((8..=14).contains(&tries), "{tries} tries in an hour");
}

/// While the watches are silent the controller's own writes are all it knows, and they are enough.
#[tokio::test(start_paused = true)]
async fn a_view_older_than_the_own_last_write_leads_to_nothing() {
    let (api, mut run) = settled(&["other"]).await;
    api.create("taskmanagerpools", pool("a"));
    // The pool is delivered, then nothing more.
    run.work(Duration::from_millis(1)).await;
    api.behave(|behaviour| behaviour.watches_deliver = false);
    let count = |api: &FakeApi| {
        let writes = api.writes();
        writes
            .iter()
            .filter(|write| write.name.starts_with('a'))
            .count()
    };
    run.work(Duration::from_secs(60)).await;
    let while_silent = count(&api);
    assert!(while_silent <= 6, "{:?}", api.writes());
    api.behave(|behaviour| behaviour.watches_deliver = true);
    run.settle().await;
    assert!(count(&api) <= 6, "{:?}", api.writes());
    assert_eq!(api.condition("a", "Ready"), ready());
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_the_server_and_for_the_definition() {
    let api = FakeApi::default();
    api.behave(|behaviour| {
        behaviour.answers = false;
        behaviour.knows_pools = false;
    });
    let mut run = Run::new(&api);
    run.work(Duration::from_secs(300)).await;
    assert!(!run.readiness.is_ready());
    api.behave(|behaviour| behaviour.answers = true);
    run.work(Duration::from_secs(300)).await;
    assert!(!run.readiness.is_ready());
    let lists = api
        .reads()
        .iter()
        .filter(|read| *read == "list taskmanagerpools")
        .count();
    assert!((20..=80).contains(&lists), "{lists} tries in five minutes");
    api.create("taskmanagerpools", pool("a"));
    api.behave(|behaviour| behaviour.knows_pools = true);
    run.work(Duration::from_secs(6)).await;
    assert!(run.readiness.is_ready());
    assert_eq!(api.condition("a", "Ready"), ready());
}

#[tokio::test(start_paused = true)]
async fn it_drains_what_is_under_way_and_starts_nothing_more() {
    let api = FakeApi::default();
    let (stop, stopped) = oneshot::channel::<()>();
    api.plan(|write| {
        if write.index == 2 {
            Fault::Hang
        } else {
            Fault::None
        }
    });
    let mut run = Run::stopped_by(&api, async {
        let _ = stopped.await;
    });
    api.create("taskmanagerpools", pool("a"));
    run.work(Duration::from_millis(50)).await;
    assert_eq!(api.writes().len(), 3, "{:?}", api.writes());
    stop.send(()).unwrap();
    run.work(Duration::from_millis(1)).await;
    api.create("taskmanagerpools", pool("late"));
    let took = run.finish().await;
    assert!(took <= DRAIN_TIMEOUT + Duration::from_millis(1), "{took:?}");
    assert!(
        api.writes()
            .iter()
            .all(|write| !write.name.starts_with("late"))
    );
}

/// The pool is replaced by another of its name at the very moment its first status is on its way.
#[tokio::test(start_paused = true)]
async fn a_status_never_lands_on_the_successor_of_its_pool() {
    let api = FakeApi::default();
    let mut run = Run::new(&api);
    let user = api.clone();
    let mut is_first = true;
    api.plan(move |write| {
        if write.subresource.is_some() && std::mem::take(&mut is_first) {
            user.delete("taskmanagerpools", "a");
            let mut larger = pool("a");
            larger["spec"]["taskManager"]["resources"]["limits"]["memory"] = json!("8Gi");
            user.create("taskmanagerpools", larger);
        }
        Fault::None
    });
    api.create("taskmanagerpools", pool("a"));
    run.settle().await;
    assert_eq!(api.condition("a", "Ready"), ready());
    let limits: Vec<Value> = api.with_store(|store| {
        store
            .history
            .iter()
            .filter(|change| change.key.0.plural == "taskmanagerpools")
            .map(|change| change.object["status"]["budget"]["containerLimitBytes"].clone())
            .filter(|limit| !limit.is_null())
            .collect()
    });
    assert!(!limits.is_empty());
    assert!(
        limits.iter().all(|limit| *limit == json!(8_u64 << 30)),
        "{limits:?}"
    );
}
