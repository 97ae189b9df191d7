//! The logs of `headroom check -o sarif` are what OASIS calls SARIF 2.1.0.

use std::{ffi::OsString, fs, path::Path};

use anyhow::{Context, Result, ensure};
use e2e::programs::check_sarif;
use headroom::cli::{Surroundings, answer};
use serde_json::{Value, json};

use crate::install::repository;

fn log(arguments: &[&str], standard_input: &str) -> String {
    let arguments = ["headroom", "check", "-o", "sarif"]
        .iter()
        .chain(arguments)
        .map(OsString::from);
    answer(
        arguments,
        &mut standard_input.as_bytes(),
        Surroundings::default(),
    )
    .output
}

async fn is_valid(log: &str) -> Result<()> {
    check_sarif(log).await?.success().map(drop)
}

#[tokio::test]
async fn every_example_makes_a_log_that_the_schema_takes() -> Result<()> {
    for directory in ["bad", "pools", "published"] {
        let directory = repository("examples").join(directory);
        let directory = directory.to_str().context("the checkout's path is UTF-8")?;
        let log = log(&[directory], "");
        is_valid(&log).await.with_context(|| directory.to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn no_name_of_a_file_and_no_text_leads_out_of_the_schema() -> Result<()> {
    let directory = tempfile(&["a b#ü%25?.yaml", "c:d,e.yaml", "[x] & \"y\".yaml"])?;
    let of_files = log(&[directory.to_str().context("UTF-8")?], "");
    let names: Value = serde_json::from_str(&of_files)?;
    let places = names["runs"][0]["results"].as_array().context("results")?;
    ensure!(places.len() >= 3, "{of_files}");
    is_valid(&of_files).await?;
    fs::remove_dir_all(directory)?;

    for text in [
        "",
        "a: [",
        "\u{1}\u{7f}\t: é\u{2028}",
        "--- x\n--- y",
        "null",
    ] {
        is_valid(&log(&["-"], text))
            .await
            .with_context(|| text.to_owned())?;
    }
    is_valid(&log(&["/there/is/no such file"], "")).await
}

/// A directory with an unreadable document under each of these names.
fn tempfile(names: &[&str]) -> Result<std::path::PathBuf> {
    let directory = std::env::temp_dir().join(format!("headroom-sarif-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    for name in names {
        fs::write(Path::new(&directory).join(name), "a: [")?;
    }
    Ok(directory)
}

#[tokio::test]
async fn a_log_with_a_flaw_is_refused() -> Result<()> {
    let directory = repository("examples/bad");
    let good = log(&[directory.to_str().context("UTF-8")?], "");
    let good: Value = serde_json::from_str(&good)?;
    for (pointer, flaw) in [
        ("/version", json!("2.1")),
        ("/runs/0/results/0/level", json!("fatal")),
        ("/runs/0/results/0/ruleIndex", json!(-2)),
        ("/runs/0/results/0/message", json!("text")),
        (
            "/runs/0/results/0/locations/0/physicalLocation/region/startLine",
            json!(0),
        ),
        (
            "/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri",
            json!(7),
        ),
        ("/runs/0/tool/driver/name", json!(null)),
    ] {
        let mut flawed = good.clone();
        *flawed
            .pointer_mut(pointer)
            .with_context(|| pointer.to_owned())? = flaw;
        let verdict = check_sarif(&flawed.to_string()).await?;
        ensure!(verdict.code == Some(1), "{pointer} was taken");
        let place = pointer.split('/').next_back().context("a name")?;
        ensure!(verdict.stderr.contains(place), "{}", verdict.stderr);
    }
    Ok(())
}
