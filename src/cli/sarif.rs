//! The findings of `check` as a SARIF 2.1.0 log, which code scanning services and editors read.
//!
//! One rule for each code that occurs, one result for each conflict, at its line. What could not be read is a
//! result of the rule `Unreadable`, so that a log is complete without standard error.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    EXIT_UNREADABLE, Reply,
    answer::Located,
    check::spoken,
    input::{InputProblem, STANDARD_INPUT},
    question::Answers,
    report::unwritable,
};
use crate::budget::Severity;

/// The rule of what could not be read.
const UNREADABLE: &str = "Unreadable";

/// The log of these answers.
pub(super) fn log(answers: &Answers, exit: u8) -> Reply {
    let mut results = Vec::new();
    for problem in &answers.problems {
        results.push(unreadable(problem));
    }
    for answer in &answers.answers {
        for (conflict, located) in answer.placed_conflicts() {
            let level = match conflict.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let source = answer.subject.source.as_ref();
            let location = match (located, source) {
                (Some(Located { file, place }), _) => {
                    Some(location(file, Some(place.line), Some(place.column)))
                }
                (None, Some(source)) => Some(location(&source.file, Some(source.line), None)),
                (None, None) => None,
            };
            results.push(json!({
                "ruleId": conflict.code.as_str(),
                "level": level,
                "message": {"text": spoken(answer, conflict)},
                "locations": location.into_iter().collect::<Vec<_>>(),
            }));
        }
    }
    let rules = with_rules(&mut results);
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "headroom",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": exit != EXIT_UNREADABLE, "exitCode": exit}],
            "results": results,
        }],
    });
    match serde_json::to_string_pretty(&log) {
        Ok(text) => Reply {
            output: text + "\n",
            exit,
            ..Reply::default()
        },
        Err(error) => unwritable(&error),
    }
}

fn unreadable(problem: &InputProblem) -> Value {
    let message = match &problem.field {
        Some(field) => format!("{field}: {}", problem.message),
        None => problem.message.clone(),
    };
    json!({
        "ruleId": UNREADABLE,
        "level": "error",
        "message": {"text": message},
        "locations": [location(&problem.file, problem.line, problem.column)],
    })
}

fn location(file: &str, line: Option<u64>, column: Option<u64>) -> Value {
    let uri = if file == STANDARD_INPUT {
        "stdin".to_owned()
    } else {
        uri(file)
    };
    let mut physical = json!({"artifactLocation": {"uri": uri}});
    if let Some(line) = line {
        physical["region"] = json!({"startLine": line.max(1)});
        if let Some(column) = column {
            physical["region"]["startColumn"] = json!(column.max(1));
        }
    }
    json!({"physicalLocation": physical})
}

/// The name of a file as a URI reference.
fn uri(file: &str) -> String {
    let mut text = String::new();
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The rules of the results in the order of their names; each result learns the number of its rule.
fn with_rules(results: &mut [Value]) -> Vec<Value> {
    let mut numbers: BTreeMap<String, usize> = results
        .iter()
        .filter_map(|result| Some((result["ruleId"].as_str()?.to_owned(), 0)))
        .collect();
    for (number, slot) in numbers.values_mut().enumerate() {
        *slot = number;
    }
    for result in results {
        if let Some(number) = result["ruleId"].as_str().and_then(|id| numbers.get(id)) {
            result["ruleIndex"] = json!(number);
        }
    }
    numbers
        .keys()
        .map(|id| {
            json!({
                "id": id,
                "name": id,
                "shortDescription": {"text": words(id)},
                "help": {"text": format!("See docs/conflicts.md, {id}.")},
            })
        })
        .collect()
}

/// A code in words: `ComponentsExceedTotal` is `Components exceed total`.
fn words(code: &str) -> String {
    let mut text = String::new();
    for character in code.chars() {
        if character.is_uppercase() && !text.is_empty() {
            text.push(' ');
            text.extend(character.to_lowercase());
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_uris_and_codes_words() {
        assert_eq!(uri("a b/ü#.yaml"), "a%20b/%C3%BC%23.yaml");
        assert_eq!(words("ComponentsExceedTotal"), "Components exceed total");
    }
}
