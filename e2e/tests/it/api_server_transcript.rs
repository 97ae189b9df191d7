//! The record that the in-memory API server of the controller's tests is held against is what a real API
//! server answers.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use e2e::Cluster;
use serde_json::Value;

#[path = "../../../tests/it/fake_api/transcript.rs"]
mod script;

/// `UPDATE=1` rewrites the record.
#[tokio::test]
async fn a_real_api_server_answers_as_recorded() -> Result<()> {
    let cluster = Cluster::shared().await?;
    crate::resource::install_definition(&cluster).await?;
    let namespace = cluster.namespace("transcript").await?;
    let answers = script::transcript(&cluster.client().await?, &namespace).await;
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/api_server_transcript.json");
    if std::env::var_os("UPDATE").is_some() {
        let mut text = serde_json::to_string_pretty(&answers)?;
        text.push('\n');
        std::fs::write(&path, text)?;
    }
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let recorded: Vec<Value> = serde_json::from_str(&text)?;
    for (recorded, answer) in recorded.iter().zip(&answers) {
        ensure!(
            recorded == answer,
            "recorded {recorded:#}\nanswered {answer:#}"
        );
    }
    ensure!(recorded.len() == answers.len(), "{} answers", answers.len());
    Ok(())
}
