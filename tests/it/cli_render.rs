//! `headroom render` against the controller itself: what the one prints for a stored pool is what the other
//! applied for it.

use std::ffi::OsString;

use headroom::cli::{Surroundings, answer};
use serde_json::Value;

use crate::{
    cli_transcripts::directory,
    fake_api::{FakeApi, run::Run},
};

fn rendered(pool: &Value) -> Vec<Value> {
    let yaml = serde_saphyr::to_string(pool).unwrap();
    let arguments = ["headroom", "render", "-", "-o", "json"].map(OsString::from);
    let reply = answer(arguments, &mut yaml.as_bytes(), Surroundings::default());
    assert_eq!(reply.exit, 0, "{}", reply.error);
    let list: Value = serde_json::from_str(&reply.output).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// An object without what the API server adds to it.
fn as_applied(mut stored: Value) -> Value {
    let members = stored.as_object_mut().unwrap();
    members.remove("status");
    let metadata = members["metadata"].as_object_mut().unwrap();
    for added in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
    ] {
        metadata.remove(added);
    }
    stored
}

#[tokio::test(start_paused = true)]
async fn what_is_rendered_is_what_the_controller_applied() {
    let api = FakeApi::default();
    let mut run = Run::new(&api);
    for file in ["clicks.yaml", "nearest.yaml", "stored.yaml"] {
        let yaml = std::fs::read_to_string(directory().join(file)).unwrap();
        let mut pool: Value = serde_saphyr::from_str(&yaml).unwrap();
        let name = file.trim_end_matches(".yaml");
        pool["metadata"] = serde_json::json!({"name": name, "namespace": "default"});
        pool.as_object_mut().unwrap().remove("status");
        api.create("taskmanagerpools", pool);
    }
    run.settle().await;
    for name in ["clicks", "nearest", "stored"] {
        let pool = api.object("taskmanagerpools", name);
        let children = rendered(&pool);
        assert_eq!(children.len(), 4);
        for child in children {
            let plural = format!("{}s", child["kind"].as_str().unwrap().to_lowercase());
            let applied = api.object(&plural, child["metadata"]["name"].as_str().unwrap());
            assert_eq!(
                applied["metadata"]["ownerReferences"][0]["uid"],
                pool["metadata"]["uid"]
            );
            assert_eq!(as_applied(applied), child, "{name} {plural}");
        }
    }
}
