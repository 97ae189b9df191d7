//! `headroom check -o github` read back as GitHub's runner reads workflow commands: the same findings as in SARIF.

use std::{ffi::OsString, fs};

use headroom::cli::{Surroundings, answer};
use serde_json::Value;

use crate::documentation::root;

/// One finding: level, file, line, column, text. What is not said is empty.
type Finding = [String; 5];

fn check(form: &str, file: &str, standard_input: &str) -> String {
    let arguments = ["headroom", "check", "-o", form, file].map(OsString::from);
    answer(
        arguments,
        &mut standard_input.as_bytes(),
        Surroundings::default(),
    )
    .output
}

/// The runner's rule: `::command name=value,name=value::data`, one a line, in which the characters that end a part are
/// written in hexadecimal; the percent sign is read last, so that a written `%0A` stays what it is.
fn annotated(output: &str) -> Vec<Finding> {
    let unescaped = |text: &str, escapes: &[(&str, &str)]| {
        let text = escapes
            .iter()
            .fold(text.to_owned(), |text, (code, character)| {
                text.replace(code, character)
            });
        text.replace("%25", "%")
    };
    let of_data = [("%0D", "\r"), ("%0A", "\n")];
    let of_properties = [("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ",")];
    output
        .lines()
        .map(|line| {
            let (head, data) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
            let (command, properties) = head.split_once(' ').unwrap();
            let property = |name: &str| {
                let found = properties.split(',').find_map(|property| {
                    let (of, value) = property.split_once('=')?;
                    (of == name).then(|| unescaped(value, &of_properties))
                });
                found.unwrap_or_default()
            };
            assert!(!property("title").is_empty(), "{line}");
            [
                command.to_owned(),
                property("file"),
                property("line"),
                property("col"),
                unescaped(data, &of_data),
            ]
        })
        .collect()
}

fn logged(output: &str) -> Vec<Finding> {
    let log: Value = serde_json::from_str(output).unwrap();
    let number = |value: &Value| value.as_u64().map(|n| n.to_string()).unwrap_or_default();
    log["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            let file = place["artifactLocation"]["uri"].as_str().unwrap();
            [
                result["level"].as_str().unwrap().to_owned(),
                if file == "stdin" {
                    String::new()
                } else {
                    decoded(file)
                },
                number(&place["region"]["startLine"]),
                number(&place["region"]["startColumn"]),
                result["message"]["text"].as_str().unwrap().to_owned(),
            ]
        })
        .collect()
}

/// The name that a URI reference stands for.
fn decoded(uri: &str) -> String {
    let mut parts = uri.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

fn assert_same(file: &str, standard_input: &str) -> usize {
    let findings = annotated(&check("github", file, standard_input));
    assert_eq!(findings, logged(&check("sarif", file, standard_input)));
    findings.len()
}

#[test]
fn annotations_say_what_the_log_says() {
    for directory in ["examples/bad", "examples/published", "examples/pools"] {
        let directory = root().join(directory);
        assert!(assert_same(directory.to_str().unwrap(), "") > 0);
    }
    assert!(assert_same("-", "a: [") > 0);
    assert!(assert_same("/there/is/no,such::file=%0A", "") > 0);
}

#[test]
fn no_name_and_no_value_ends_an_annotation_early() {
    let directory = std::env::temp_dir().join(format!("headroom-names-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let pool = fs::read_to_string(root().join("examples/bad/pool-limit-too-small.yaml")).unwrap();
    let hostile = pool.replacen("spec:", "spec:\n  \"::error file=x,line=1::%0A\": 1", 1);
    assert_ne!(hostile, pool);
    for name in [
        "a,line=7.yaml",
        "b::c.yaml",
        "d%0Ae.yaml",
        "f\ng.yaml",
        "ü %.yaml",
    ] {
        fs::write(directory.join(name), &hostile).unwrap();
    }
    assert!(assert_same(directory.to_str().unwrap(), "") >= 5);
    fs::remove_dir_all(directory).unwrap();
}
