//! Any text as documents of Kubernetes: every form of the verdict says the same, and is what it claims to be.

use std::ffi::OsString;

use arbitrary::{Result, Unstructured};
use headroom::{
    budget::FlinkVersion,
    cli::{EXIT_CONFLICTS, EXIT_SOUND, EXIT_UNREADABLE, Reply, Surroundings, answer},
};
use serde_json::Value;

use super::input::{rest, version};

/// The input is a version to assume, how the documents are made, and the documents: as they are, or the parts of one.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let (Ok(version), Ok(is_made_up)) = (version(&mut input), input.arbitrary::<bool>()) else {
        return;
    };
    let text = if is_made_up {
        match document(&mut input) {
            Ok(document) => document,
            Err(_) => return,
        }
    } else {
        rest(input).to_owned()
    };
    check(version, &text);
}

fn check(version: FlinkVersion, text: &str) {
    let version = version.as_str();
    let reply = |form: &str| {
        headroom(
            &["check", "-o", form, "--flink-version", version, "-"],
            text,
        )
    };
    let verdict = reply("text");
    assert!([EXIT_SOUND, EXIT_CONFLICTS, EXIT_UNREADABLE].contains(&verdict.exit));
    assert!(is_harmless(&verdict.output) && is_harmless(&verdict.error));

    let json = reply("json");
    assert_eq!(json.exit, verdict.exit);
    let json: Value = serde_json::from_str(&json.output).expect("a JSON document");
    assert!(json.is_object());

    let sarif = reply("sarif");
    assert_eq!(sarif.exit, verdict.exit);
    let sarif: Value = serde_json::from_str(&sarif.output).expect("a JSON document");
    let results = sarif["runs"][0]["results"].as_array().expect("results");

    let github = reply("github");
    assert_eq!(github.exit, verdict.exit);
    assert_eq!(github.output.lines().count(), results.len());
    for line in github.output.lines() {
        assert!(
            line.starts_with("::error ") || line.starts_with("::warning "),
            "{line}"
        );
    }
    assert_eq!(
        verdict.exit == EXIT_SOUND,
        !results.iter().any(|result| result["level"] == "error")
    );

    for command in ["solve", "explain", "render"] {
        let reply = headroom(&[command, "-"], text);
        assert!(is_harmless(&reply.output) && is_harmless(&reply.error));
    }
}

fn headroom(arguments: &[&str], text: &str) -> Reply {
    let arguments = ["headroom"].iter().chain(arguments).map(OsString::from);
    answer(arguments, &mut text.as_bytes(), Surroundings::default())
}

/// Whether a terminal shows the text and does nothing else.
fn is_harmless(text: &str) -> bool {
    text.chars()
        .all(|character| character == '\n' || !character.is_control())
}

/// A document of a kind that is read, with parts that mostly belong there.
fn document(input: &mut Unstructured<'_>) -> Result<String> {
    let mut options = String::new();
    for _ in 0..input.int_in_range(0..=5)? {
        let indent = "    ";
        let (key, value) = (input.choose(&KEYS)?, value(input)?);
        options.push_str(&format!("{indent}{key}: {value}\n"));
    }
    let (version, memory, cpu) = (value(input)?, value(input)?, value(input)?);
    Ok(match input.int_in_range(0..=4)? {
        0 => format!(
            "apiVersion: headroom.dev/v1alpha1\nkind: TaskManagerPool\nmetadata: {{name: a}}\nspec:\n  clusterRef: {{name: b}}\n  flinkVersion: {version}\n  \
             taskManager: {{resources: {{limits: {{memory: {memory}, cpu: {cpu}}}}}}}\n  flinkConfiguration:\n{options}"
        ),
        1 => format!(
            "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {{name: a}}\nspec:\n  flinkVersion: {version}\n  \
             taskManager: {{resource: {{memory: {memory}, cpu: {cpu}}}}}\n  jobManager: {{resource: {{memory: {memory}, cpu: {cpu}}}}}\n  \
             flinkConfiguration:\n{options}"
        ),
        2 => format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  {}: |\n{options}",
            input.choose(&["flink-conf.yaml", "config.yaml"])?
        ),
        3 => format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {{template: {{spec: {{containers: [{{name: a, \
             image: 'flink:{}', args: [taskmanager, {}], resources: {{limits: {{memory: {memory}, cpu: {cpu}}}}}, env: [{{name: \
             {}, value: {}}}]}}]}}}}}}\n",
            input.choose(FlinkVersion::ALL)?,
            value(input)?,
            input.choose(&[
                "FLINK_PROPERTIES",
                "FLINK_TM_HEAP",
                "JOB_MANAGER_RPC_ADDRESS"
            ])?,
            value(input)?,
        ),
        _ => format!("{memory}\n---\n{options}"),
    })
}

const KEYS: [&str; 10] = [
    "taskmanager.memory.process.size",
    "taskmanager.memory.flink.size",
    "taskmanager.memory.managed.size",
    "taskmanager.memory.managed.fraction",
    "taskmanager.memory.network.max",
    "taskmanager.numberOfTaskSlots",
    "jobmanager.memory.process.size",
    "taskmanager.heap.mb",
    "kubernetes.taskmanager.cpu",
    "state.backend.type",
];

/// A scalar as YAML has it, or something that is none.
fn value(input: &mut Unstructured<'_>) -> Result<String> {
    Ok(match input.int_in_range(0..=9)? {
        0..=3 => format!(
            "{}{}",
            input.arbitrary::<u16>()?,
            input.choose(&["m", "Mi", "Gi", "g", "", "M"])?
        ),
        4 => format!("0.{}", input.arbitrary::<u8>()?),
        5 => input.choose(FlinkVersion::ALL)?.as_str().to_owned(),
        6 => format!(
            "v{}",
            input.choose(FlinkVersion::ALL)?.as_str().replace('.', "_")
        ),
        7 => (*input.choose(&[
            "null", "[]", "{}", "~", "''", "'1.20'", "-1", ".nan", "0x10", "!!str 4", "&a 4", "*a",
            "|\n  a",
        ])?)
        .to_owned(),
        _ => {
            let length = input.int_in_range(0..=16)?.min(input.len());
            String::from_utf8_lossy(input.bytes(length)?).into_owned()
        }
    })
}
