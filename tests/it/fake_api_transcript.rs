//! The in-memory API server answers as a real one did: without this the tests against it prove little.

use std::path::Path;

use serde_json::Value;

use crate::fake_api::FakeApi;
use crate::fake_api::transcript::transcript;

/// Recorded from a real API server by the package `e2e`, whose test holds it against one again.
#[tokio::test(start_paused = true)]
async fn the_in_memory_api_server_answers_as_a_real_one_did() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/api_server_transcript.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let recorded: Vec<Value> = serde_json::from_str(&text).unwrap();
    let api = FakeApi::default();
    api.behave(|behaviour| behaviour.runs_deployments = false);
    let answers = transcript(&api.client(), "default").await;
    assert!(recorded.len() > 20, "the record is not whole");
    for (real, fake) in recorded.iter().zip(&answers) {
        assert_eq!(
            serde_json::to_string_pretty(real).unwrap(),
            serde_json::to_string_pretty(fake).unwrap()
        );
    }
    assert_eq!(recorded.len(), answers.len());
}
