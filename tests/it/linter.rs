//! `headroom check` as a linter: every way to go wrong prints what its file says, in every form with the same places.
//!
//! Each file below `examples/bad` is checked from the repository's root, and the terminal shows what the file of the
//! same name with `.expected` at its end holds. `UPDATE=1` rewrites those files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a terminal shows of `headroom check ARGUMENTS FILE`, and the exit code.
fn check(file: &str, arguments: &str) -> (String, i32) {
    let program = env!("CARGO_BIN_EXE_headroom");
    let run = Command::new("sh")
        .args([
            "-c",
            &format!("exec '{program}' check {arguments} '{file}' 2>&1"),
        ])
        .current_dir(root())
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    (
        String::from_utf8(run.stdout).unwrap(),
        run.status.code().unwrap(),
    )
}

/// The files to check below a directory, by their names from the root, in order.
fn files(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension != "expected")
            {
                let name = path.strip_prefix(root()).unwrap();
                found.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_bad_example_prints_what_it_is_expected_to() {
    let files = files("examples/bad");
    assert!(files.len() >= 20, "{files:?}");
    let mut different = Vec::new();
    for file in &files {
        let (shown, exit) = check(file, "");
        let expected = root().join(format!("{file}.expected"));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &shown).unwrap();
        }
        if fs::read_to_string(&expected).ok().as_deref() != Some(&shown) {
            different.push(format!(
                "{file}: UPDATE=1 rewrites its .expected, which should be:\n{shown}"
            ));
        }
        // Two where something could not be read, one where everything could and something is wrong.
        let is_unreadable = shown.contains("problem reading") || shown.contains("problems reading");
        assert_eq!(exit, if is_unreadable { 2 } else { 1 }, "{file}: {shown}");
        // Nothing is said without saying where.
        for line in shown
            .lines()
            .filter(|line| line.contains("error: ") || line.contains("warning: "))
        {
            assert!(line.contains(file.as_str()), "{file}: {line}");
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_expectation_has_its_example() {
    let mut open = vec![root().join("examples/bad")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if let Some(example) = path.to_str().unwrap().strip_suffix(".expected") {
                assert!(
                    Path::new(example).exists(),
                    "{} has no example",
                    path.display()
                );
            }
        }
    }
}

/// One directory, all at once: no file keeps another from being checked.
#[test]
fn a_directory_is_checked_as_a_whole() {
    let (shown, exit) = check("examples/bad", "-o json");
    assert_eq!(exit, 2);
    let report: Value = serde_json::from_str(&shown).unwrap();
    let mut one_by_one = 0;
    for file in files("examples/bad") {
        let (shown, _) = check(&file, "-o json");
        let report: Value = serde_json::from_str(&shown).unwrap();
        one_by_one += report["results"].as_array().unwrap().len();
    }
    // The ConfigMap of one file is found by the workload of another, which has a process then.
    assert!(report["results"].as_array().unwrap().len() >= one_by_one);
    let sources: Vec<&str> = report["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["source"]["file"].as_str().unwrap())
        .collect();
    assert!(sources.is_sorted(), "{sources:?}");
    let (shown, exit) = check("src/cli", "");
    assert_eq!(exit, 2);
    assert!(
        shown.contains("src/cli: holds no file whose name ends in"),
        "{shown}"
    );
}

#[test]
fn a_version_is_taken_from_the_command_line_only_where_none_is_written() {
    let (shown, exit) = check("examples/bad/conf/flink-conf.yaml", "--flink-version 1.18");
    assert_eq!(
        (shown.contains("Flink 1.18 by --flink-version: sound"), exit),
        (true, 0),
        "{shown}"
    );
    let (shown, _) = check("examples/bad/conf/flink-conf.yaml", "--flink-version 2.1");
    assert!(
        shown.contains("ConfigurationInvalid: Flink 2.1 does not read"),
        "{shown}"
    );
    let (shown, _) = check(
        "examples/bad/deployment-exceeds-limit.yaml",
        "--flink-version 2.1",
    );
    assert!(
        shown.contains("Flink 1.20 by image flink:1.20-java17"),
        "{shown}"
    );
}

/// The answers of `headroom check` about one file, by role.
fn roles(file: &str, arguments: &str) -> Vec<String> {
    let (shown, _) = check(file, &format!("-o json {arguments}"));
    let report: Value = serde_json::from_str(&shown).unwrap();
    let results = report["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| {
            let word = |name: &str| result[name].as_str().unwrap();
            format!("{} {} {}", word("role"), word("mode"), result["solved"])
        })
        .collect()
}

#[test]
fn each_process_of_a_document_is_an_answer_of_its_own() {
    assert_eq!(
        roles("examples/published/operator-rocksdb.yaml", ""),
        ["taskmanager kubernetes false", "jobmanager kubernetes true"]
    );
    assert_eq!(
        roles(
            "examples/bad/flinkdeployment-jobmanager-overridden.yaml",
            ""
        ),
        ["taskmanager standalone true", "jobmanager standalone false"]
    );
    assert_eq!(
        roles("examples/published/standalone-session", ""),
        ["jobmanager standalone true", "taskmanager standalone true"]
    );
    // A pool and a configuration file without a size of a JobManager have none.
    assert_eq!(
        roles("examples/published/pool.yaml", ""),
        ["taskmanager standalone true"]
    );
    assert_eq!(
        roles(
            "examples/published/native-session.yaml",
            "--flink-version 1.20"
        ),
        ["taskmanager standalone true"]
    );
}

#[test]
fn a_role_and_a_mode_choose_among_processes_and_fill_what_is_not_said() {
    let one = "examples/published/operator-rocksdb.yaml";
    assert_eq!(
        roles(one, "--role jobmanager"),
        ["jobmanager kubernetes true"]
    );
    // The resource says itself who starts it, a configuration file does not.
    assert_eq!(
        roles(one, "--role taskmanager --mode standalone"),
        ["taskmanager kubernetes false"]
    );
    let file = "examples/published/native-session.yaml";
    assert_eq!(
        roles(file, "--flink-version 1.20 --mode native"),
        ["taskmanager kubernetes true"]
    );
    // Asked for, a JobManager without a size is an answer, and the answer is no.
    assert_eq!(
        roles(file, "--flink-version 1.20 --role jobmanager"),
        ["jobmanager standalone false"]
    );
}

/// The parts of SARIF 2.1.0 that its schema requires, and those that code scanning reads.
#[test]
fn sarif_has_the_required_shape() {
    let (shown, exit) = check("examples/bad", "-o sarif");
    assert_eq!(exit, 2);
    let log: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(log["version"], "2.1.0");
    assert!(
        log["$schema"]
            .as_str()
            .unwrap()
            .ends_with("sarif-schema-2.1.0.json")
    );
    let runs = log["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let driver = &runs[0]["tool"]["driver"];
    assert_eq!(driver["name"], "headroom");
    assert_eq!(driver["version"], env!("CARGO_PKG_VERSION"));
    let invocation = &runs[0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(runs[0]["columnKind"], "unicodeCodePoints");
    let rules = driver["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert!(ids.is_sorted() && ids.len() >= 12, "{ids:?}");
    for rule in rules {
        assert!(
            !rule["shortDescription"]["text"]
                .as_str()
                .unwrap()
                .is_empty()
        );
    }
    let results = runs[0]["results"].as_array().unwrap();
    assert!(results.len() > 40);
    let mut used = std::collections::BTreeSet::new();
    for result in results {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], ids[rule]);
        used.insert(ids[rule]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        let text = result["message"]["text"].as_str().unwrap();
        assert!(!text.is_empty());
        let [location] = result["locations"].as_array().unwrap().as_slice() else {
            panic!("one location: {result}")
        };
        let physical = &location["physicalLocation"];
        let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
        assert!(root().join(uri).is_file(), "{uri}");
        if let Some(region) = physical.get("region") {
            let line = region["startLine"].as_u64().unwrap();
            let text = fs::read_to_string(root().join(uri)).unwrap();
            assert!(
                (1..=text.lines().count() as u64).contains(&line),
                "{result}"
            );
            if let Some(column) = region.get("startColumn") {
                assert!(column.as_u64().unwrap() >= 1);
            }
        }
    }
    assert_eq!(used.len(), ids.len(), "every rule has a result");
}

/// Text, JSON, SARIF and annotations find the same at the same places.
#[test]
fn every_form_finds_the_same() {
    let (json, _) = check("examples/bad", "-o json");
    let report: Value = serde_json::from_str(&json).unwrap();
    let mut places: Vec<String> = Vec::new();
    for result in report["results"].as_array().unwrap() {
        for conflict in result["conflicts"].as_array().unwrap() {
            places.push(format!(
                "{} {}:{}:{}",
                conflict["code"].as_str().unwrap(),
                conflict["file"].as_str().unwrap(),
                conflict["line"],
                conflict["column"]
            ));
        }
    }
    places.sort();
    let (sarif, _) = check("examples/bad", "-o sarif");
    let log: Value = serde_json::from_str(&sarif).unwrap();
    let mut in_sarif: Vec<String> = log["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|result| result["ruleId"] != "Unreadable")
        .map(|result| {
            let physical = &result["locations"][0]["physicalLocation"];
            format!(
                "{} {}:{}:{}",
                result["ruleId"].as_str().unwrap(),
                physical["artifactLocation"]["uri"].as_str().unwrap(),
                physical["region"]["startLine"],
                physical["region"]["startColumn"]
            )
        })
        .collect();
    in_sarif.sort();
    assert_eq!(in_sarif, places);
    let (github, _) = check("examples/bad", "-o github");
    let mut annotated: Vec<String> = github
        .lines()
        .filter_map(|line| {
            line.strip_prefix("::error ")
                .or(line.strip_prefix("::warning "))
        })
        .filter(|line| !line.contains("title=not readable"))
        .map(|line| {
            let properties = line.split("::").next().unwrap();
            let value = |name: &str| {
                properties
                    .split(',')
                    .find_map(|property| property.strip_prefix(name))
                    .unwrap()
                    .to_owned()
            };
            format!(
                "{} {}:{}:{}",
                value("title="),
                value("file="),
                value("line="),
                value("col=")
            )
        })
        .collect();
    annotated.sort();
    assert_eq!(annotated, places);
}
