//! One page for each code of a conflict: what it means, from the source, and an example that is really solved.
//!
//! `UPDATE=1` writes the pages anew.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use headroom::{
    api::v1alpha1::TaskManagerPool,
    budget::{Change, Configuration, Conflict, FlinkVersion, Request, Severity, Suggestion, solve},
    desired::{Settings, validate},
};
use serde_json::{Value, json};

use crate::documentation::{codes, root};

fn memory(memory: Value) -> Value {
    json!({ "memory": memory })
}

fn option(key: &str, value: Value) -> Value {
    json!({ "flinkConfiguration": { key: value } })
}

fn template(spec: Value) -> Value {
    json!({ "podTemplate": { "spec": spec } })
}

fn limit(limit: &str) -> Value {
    json!({ "taskManager": { "resources": { "limits": { "memory": limit } } } })
}

/// Codes that no pool has: they are about files of Flink's own and about jobs.
const OUTSIDE_POOLS: [&str; 2] = ["ConfigurationIgnored", "SlotTooLarge"];

/// What of a pool of 4 GiB raises the code; `None` for the one that no container has.
#[rustfmt::skip]
fn example(code: &str) -> Option<Value> {
    Some(match code {
        "ComponentsExceedTotal" => memory(json!({"managed": {"size": "6g"}})),
        "LimitTooSmall" => limit("300Mi"),
        "ProcessExceedsLimit" => memory(json!({"process": {"size": "5g"}})),
        "OverheadOutOfRange" => memory(json!({"process": {"size": "4g"}, "flink": {"size": "3800m"}})),
        "NetworkOutOfRange" => memory(json!({"task": {"heapSize": "512m"}, "network": {"max": "512m"}})),
        "FractionInvalid" => memory(json!({"managed": {"fraction": "40"}})),
        "RangeInverted" => memory(json!({"jvm": {"overhead": {"min": "2g"}}})),
        "TotalsDisagree" => memory(json!({"process": {"size": "4g"}, "flink": {"size": "4g"}})),
        "DuplicateSource" => json!({"memory": {"managed": {"size": "1g"}}, "flinkConfiguration": {"taskmanager.memory.managed.size": "2g"}}),
        "MissingTotal" => return None,
        "SizeInvalid" => memory(json!({"managed": {"size": "1Gi"}})),
        "NumberInvalid" => memory(json!({"managed": {"fraction": "0,5"}})),
        "SegmentSizeInvalid" => memory(json!({"network": {"segmentSize": "33k"}})),
        "UnsupportedFlinkVersion" => json!({"flinkVersion": "2.9"}),
        "NetworkTooSmall" => memory(json!({"network": {"min": "1k", "max": "1k"}})),
        "HeapTooSmall" => memory(json!({"flink": {"size": "1g"}, "framework": {"heapSize": "1m"}, "task": {"heapSize": "1m"}, "managed": {"size": "600m"}})),
        "MetaspaceTooSmall" => memory(json!({"jvm": {"metaspaceSize": "100k"}})),
        "SuspiciousQuantity" => limit("4096m"),
        "UnknownOption" => option("taskmanager.memory.manged.size", json!("1g")),
        "DeprecatedOption" => option("taskmanager.memory.size", json!("1g")),
        "IneffectiveOption" => memory(json!({"managed": {"size": "1g"}})).as_object().cloned().map(|mut spec| {
            spec.insert("flinkConfiguration".to_owned(), json!({"taskmanager.memory.managed.fraction": "0.3"}));
            Value::Object(spec)
        })?,
        "FractionCapped" => memory(json!({"network": {"fraction": "0.5", "max": "128m"}})),
        "ManagedMemoryUnused" => option("state.backend.type", json!("hashmap")),
        "DirectMemoryTooSmall" => option("taskmanager.memory.framework.off-heap.batch-shuffle.size", json!("256m")),
        "CompressedPointersLost" => json!({"memory": {"managed": {"size": "0"}}, "taskManager": {"resources": {"limits": {"memory": "40Gi"}}}}),
        "UnusedMemory" => memory(json!({"process": {"size": "2g"}})),
        "RequestBelowPlan" => json!({"taskManager": {"resources": {"requests": {"memory": "3Gi"}}}}),
        "BurstableQos" => json!({"memory": {"process": {"size": "3584m"}}, "taskManager": {"resources": {"requests": {"memory": "3584Mi"}}}}),
        "OverheadTooSmall" => memory(json!({"jvm": {"overhead": {"min": "32m", "max": "32m"}}})),
        "QuantityInvalid" => limit("4 gb"),
        "RequestAboveLimit" => json!({"taskManager": {"resources": {"requests": {"memory": "5Gi"}}}}),
        "FieldInvalid" => json!({"replicas": -1}),
        "ConfigurationInvalid" => option("taskmanager.rpc.port", json!("6121")),
        "ConfigurationTooLarge" => option("pipeline.global-job-parameters", json!("x".repeat(1024 * 1024))),
        "JvmArgumentInvalid" => json!({"jvmArguments": {"extra": ["-Xmx2g"]}}),
        "PodTemplateInvalid" => template(json!({"tolerationz": []})),
        "PodTemplateBreaksContainer" => template(json!({"containers": [{"name": "taskmanager", "args": ["jobmanager"]}]})),
        "PodTemplateForbidden" => template(json!({"hostNetwork": true})),
        "MemoryVolumeUnplanned" => template(json!({"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}}], "containers": [{"name": "taskmanager", "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]}]})),
        "UsingLargestFeasible" => json!({"onConflict": "UseLargestFeasible", "memory": {"managed": {"size": "6g"}}}),
        other => panic!("{other} has no example"),
    })
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// What is found in the example, and what mends all of it.
fn found(spec: Option<&Value>) -> (Vec<Conflict>, Vec<Suggestion>) {
    let Some(spec) = spec else {
        let request = Request::new(FlinkVersion::V2_1, Configuration::new());
        let infeasible = solve(&request).expect_err("nothing says how large the process is");
        return (infeasible.conflicts, infeasible.joint);
    };
    let mut pool = json!({
        "apiVersion": "headroom.dev/v1alpha1",
        "kind": "TaskManagerPool",
        "metadata": {"name": "example", "namespace": "default"},
        "spec": {
            "replicas": 1,
            "flinkVersion": "2.1",
            "image": "flink:2.1",
            "clusterRef": {"name": "example-jobmanager"},
            "taskManager": {"resources": {"limits": {"cpu": "2", "memory": "4Gi"}}}
        }
    });
    merge(&mut pool["spec"], spec);
    let pool: TaskManagerPool = serde_json::from_value(pool).unwrap();
    match validate(&pool, &Settings::default()) {
        Ok(valid) => (valid.warnings, Vec::new()),
        Err(invalid) => (invalid.conflicts, invalid.joint),
    }
}

fn change(suggestion: &Suggestion) -> String {
    let mut text = match &suggestion.change {
        Change::Set(value) => format!("set `{}` to `{value}`", suggestion.path),
        Change::Remove => format!("remove `{}`", suggestion.path),
    };
    if let Some(exact) = &suggestion.exact {
        let _ = write!(text, " (the bound itself: `{exact}`)");
    }
    text
}

fn page(code: &str, meaning: &str) -> String {
    if OUTSIDE_POOLS.contains(&code) {
        return format!("# {code}\n\n{meaning}\n\n[All codes](../conflicts.md)\n");
    }
    let spec = example(code);
    let (conflicts, joint) = found(spec.as_ref());
    let conflict = conflicts
        .iter()
        .find(|conflict| conflict.code.as_str() == code)
        .unwrap_or_else(|| panic!("the example of {code} shows {conflicts:#?}"));
    let severity = match conflict.severity {
        Severity::Error => "An **error**: there is no new Deployment before it is resolved.",
        Severity::Warning => "A **warning**: the pool runs.",
    };
    let mut page = format!("# {code}\n\n{meaning}\n\n{severity}\n\n## Example\n\n");
    match &spec {
        Some(spec) => {
            let mut yaml = serde_saphyr::to_string(&json!({ "spec": spec })).unwrap();
            if let Some(index) = yaml.find("xxxxxxxx") {
                let end = yaml[index..]
                    .find(|character| character != 'x')
                    .unwrap_or(0)
                    + index;
                yaml.replace_range(index..end, "xxxxxxxx…");
            }
            let _ = write!(
                page,
                "In a pool for Flink 2.1 whose container has 2 CPUs and 4 GiB, if nothing else is said:\n\n\
                 ```yaml\n{yaml}```\n\n"
            );
        }
        None => page.push_str("No options at all for Flink 2.1, and no container.\n\n"),
    }
    let _ = write!(
        page,
        "> {}\n\n| | |\n| --- | --- |\n",
        conflict.message.replace('\n', " ")
    );
    let places: Vec<String> = conflict
        .options
        .iter()
        .map(|option| format!("`{}`", option.path))
        .collect();
    let shown = |text: &str| match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    for (name, value) in [
        ("options", places.join(", ")),
        ("configured", format!("`{}`", shown(&conflict.configured))),
        ("bound", format!("`{}`", conflict.bound)),
    ] {
        if !value.is_empty() && value != "``" {
            let _ = writeln!(page, "| {name} | {value} |");
        }
    }
    if !conflict.sum.is_empty() {
        let terms: Vec<String> = conflict
            .sum
            .iter()
            .map(|term| format!("{} {}", term.name, term.bytes))
            .collect();
        let _ = writeln!(page, "| sum | {} |", terms.join(" + "));
    }
    if let Some(total) = &conflict.total {
        let _ = writeln!(
            page,
            "| {} | {}, must be `{}` |",
            total.name, total.bytes, total.bound
        );
    }
    if !conflict.suggestions.is_empty() {
        page.push_str("\nWays out, of which each alone resolves it:\n\n");
        for suggestion in &conflict.suggestions {
            let _ = writeln!(page, "- {}", change(suggestion));
        }
    }
    if joint.len() > 1 || (!joint.is_empty() && conflict.suggestions.is_empty()) {
        page.push_str("\nWhat makes all of it solve, together:\n\n");
        for suggestion in &joint {
            let _ = writeln!(page, "- {}", change(suggestion));
        }
    }
    if let Some(error) = &conflict.flink_error {
        let _ = write!(
            page,
            "\nWithout Headroom, Flink itself stops with\n\n```text\n{error}\n"
        );
        for cause in &error.causes {
            let _ = writeln!(page, "Caused by: {}: {}", cause.class, cause.message);
        }
        page.push_str("```\n");
    }
    page.push_str("\n[All codes](../conflicts.md)\n");
    page
}

#[test]
fn every_code_has_a_page_with_an_example_that_was_solved() {
    let directory = root().join("docs/conflicts");
    let updates = std::env::var_os("UPDATE").is_some();
    if updates {
        fs::create_dir_all(&directory).unwrap();
    }
    let mut old = Vec::new();
    let mut names = BTreeSet::new();
    for (code, meaning) in codes() {
        let path = directory.join(format!("{code}.md"));
        let page = page(&code, &meaning);
        names.insert(format!("{code}.md"));
        if fs::read_to_string(&path).unwrap_or_default() != page {
            if updates {
                fs::write(&path, &page).unwrap();
            } else {
                old.push(code);
            }
        }
    }
    assert!(
        old.is_empty(),
        "run make generate: the pages of {old:?} are old"
    );
    for entry in fs::read_dir(Path::new(&directory)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            names.contains(&name),
            "docs/conflicts/{name} is the page of no code"
        );
    }
}
