//! A TaskManagerPool, held against the schema of the resource before it becomes one.

use std::sync::LazyLock;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::{
    Input, PoolDocument, Source,
    node::{Node, Place},
    schema::{Problem, Schema, quoted},
};
use crate::api::{crd, v1alpha1::TaskManagerPool};

/// Reads a pool by the schema of the resource.
pub(super) fn read(file: &str, lines: &[&str], node: Node, input: &mut Input) {
    let schema = Schema::new(&POOL_SCHEMA, lines);
    let mut problems = Vec::new();
    schema.check("", &node, &mut problems);
    check_metadata(&node, lines, &mut problems);
    if problems.is_empty() {
        match serde_json::from_value::<TaskManagerPool>(schema.pruned(&node)) {
            Ok(pool) => input.pools.push(PoolDocument {
                source: Source {
                    file: file.to_owned(),
                    line: node.place.line,
                },
                pool,
                document: node,
            }),
            Err(error) => input.problem(file, Some(node.place), None, error.to_string()),
        }
        return;
    }
    problems.sort_by_key(|problem| problem.place);
    for problem in problems {
        input.problem(
            file,
            Some(problem.place),
            Some(problem.field),
            problem.message,
        );
    }
}

fn check_metadata(node: &Node, lines: &[&str], problems: &mut Vec<Problem>) {
    let Some(metadata) = node.child("metadata") else {
        problems.push(missing("metadata.name", node.place));
        return;
    };
    Schema::new(&METADATA_SCHEMA, lines).check("metadata", metadata, problems);
    if metadata.child("name").is_none() && metadata.child("generateName").is_none() {
        problems.push(missing("metadata.name", metadata.place));
    }
    for (field, most, separators) in [("name", 253, "-."), ("namespace", 63, "-")] {
        let Some(written) = metadata.child(field) else {
            continue;
        };
        if let Some(text) = written.text()
            && !is_name(text, most, separators)
        {
            problems.push(Problem {
                place: written.place,
                field: format!("metadata.{field}"),
                message: format!(
                    "{} is no {field} that Kubernetes takes: {}",
                    quoted(text),
                    NAME_RULE
                ),
            });
        }
    }
}

/// What a name is made of, as the end of a sentence.
pub(in crate::cli) const NAME_RULE: &str =
    "write lower-case letters, digits and -, with a letter or digit at both ends";

/// Whether Kubernetes takes the text as a name: of a namespace, or of an object, which may have dots too.
pub(in crate::cli) fn is_name(text: &str, most_characters: usize, separators: &str) -> bool {
    let is_alphanumeric =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    text.len() <= most_characters
        && text
            .split('.')
            .all(|part| part.starts_with(is_alphanumeric) && part.ends_with(is_alphanumeric))
        && text
            .chars()
            .all(|character| is_alphanumeric(character) || separators.contains(character))
}

fn missing(field: &str, place: Place) -> Problem {
    Problem {
        place,
        field: field.to_owned(),
        message: "required field is missing".to_owned(),
    }
}

/// The schema of a pool, the one in the CustomResourceDefinition.
static POOL_SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let definition = serde_json::to_value(crd::custom_resource_definition()).unwrap_or_default();
    let mut schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    // The API server knows these fields of every object without being told.
    if let Some(properties) = schema["properties"].as_object_mut() {
        for name in ["apiVersion", "kind"] {
            properties.insert(name.to_owned(), serde_json::json!({"type": "string"}));
        }
        properties
            .entry("metadata")
            .or_insert_with(|| serde_json::json!({"type": "object"}));
    }
    schema
});

static METADATA_SCHEMA: LazyLock<Value> =
    LazyLock::new(|| schemars::schema_for!(ObjectMeta).to_value());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        for name in ["a", "a-1", "1", "a.b-c.d"] {
            assert!(is_name(name, 253, "-."), "{name}");
        }
        for name in ["", "-a", "a-", "a..b", ".a", "A", "a_b", "a.-b", "ä", "a b"] {
            assert!(!is_name(name, 253, "-."), "{name}");
        }
        assert!(!is_name("a.b", 63, "-"));
        assert!(!is_name(&"a".repeat(64), 63, "-"));
    }
}
