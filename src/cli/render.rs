//! `headroom render`: exactly the objects that the controller would apply.
//!
//! The children come from the same `validate`, `build` and `Manifest` as the controller's; this file decides
//! only how they are written. What the controller adds to each request and no file can know is the
//! precondition: the uid or the absence of the object that it replaces.

use std::io::Read;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Value, json};

use super::{
    EXIT_CONFLICTS, EXIT_SOUND, EXIT_UNREADABLE, Reply,
    arguments::{Render, RenderOutput},
    input::{Input, InputProblem, Wanted},
    question::{Answers, answer_pool},
    report::unwritable,
    screen::{Screen, Tone},
    text::{self, Telling},
};
use crate::{
    desired::{Prepared, Resources, build, validate},
    manifest::Manifest,
};

pub(super) fn answer(
    command: &Render,
    screen: &Screen,
    is_verbose: bool,
    standard_input: &mut dyn Read,
) -> Reply {
    let mut input = Input::read(&command.files, standard_input, Wanted::Pools);
    let settings = command.policy.settings();
    let mut objects = Vec::new();
    let mut answers = Answers::default();
    for document in &mut input.pools {
        if document.pool.metadata.name.is_none() {
            input.problems.push(InputProblem {
                file: document.source.file.clone(),
                line: Some(document.source.line),
                column: None,
                field: Some("metadata.name".to_owned()),
                message: "the objects of a pool are named after it; give it a name".to_owned(),
            });
            continue;
        }
        if document.pool.metadata.namespace.is_none() {
            document.pool.metadata.namespace = Some(command.namespace.clone());
        }
        match validate(&document.pool, &settings) {
            Ok(valid) => match manifests(build(&valid)) {
                Ok(children) => objects.extend(children),
                Err(error) => return unwritable(&error),
            },
            Err(_) => answers.answers.push(answer_pool(document, &settings)),
        }
    }
    let is_empty = input.pools.is_empty() && input.problems.is_empty();
    answers.problems = input.problems;
    answers.passed_over = input.passed_over;
    let mut error = text::remarks(&answers, is_verbose, screen);
    for answer in &answers.answers {
        error.push_str(&text::heading(&answer.subject, screen));
        error.push_str(&text::conflicts(answer, Telling::Short, screen));
    }
    if is_empty {
        error.push_str(&format!(
            "{} no TaskManagerPool found\n",
            screen.paint(Tone::Error, "error:")
        ));
    }
    if is_empty || !answers.problems.is_empty() {
        return Reply {
            error,
            exit: EXIT_UNREADABLE,
            ..Reply::default()
        };
    }
    if !answers.answers.is_empty() {
        return Reply {
            error,
            exit: EXIT_CONFLICTS,
            ..Reply::default()
        };
    }
    match written(objects, command.output) {
        Ok(output) => Reply {
            output,
            error,
            exit: EXIT_SOUND,
        },
        Err(error) => unwritable(error.as_ref()),
    }
}

/// The objects in the order in which the controller applies them.
fn manifests(resources: Resources<Prepared>) -> Result<Vec<Value>, serde_json::Error> {
    let Resources {
        service_account,
        config_map,
        pod_disruption_budget,
        deployment,
        state: _,
    } = resources;
    Ok(vec![
        Manifest::new(&service_account)?.object,
        Manifest::new(&config_map)?.object,
        Manifest::new(&pod_disruption_budget)?.object,
        Manifest::new(&deployment)?.object,
    ])
}

fn written(
    objects: Vec<Value>,
    output: RenderOutput,
) -> Result<String, Box<dyn std::error::Error>> {
    match output {
        RenderOutput::Yaml => {
            let mut documents = Vec::with_capacity(objects.len());
            for object in &objects {
                documents.push(serde_saphyr::to_string(&HeadFirst(object))?);
            }
            Ok(documents.join("---\n"))
        }
        RenderOutput::Json => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            Ok(serde_json::to_string_pretty(&list)? + "\n")
        }
    }
}

/// An object with what it is and what it is called in front, as people write it.
struct HeadFirst<'a>(&'a Value);

impl Serialize for HeadFirst<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const HEAD: [&str; 3] = ["apiVersion", "kind", "metadata"];
        let Some(fields) = self.0.as_object() else {
            return self.0.serialize(serializer);
        };
        let head = HEAD.iter().filter_map(|name| fields.get_key_value(*name));
        let rest = fields
            .iter()
            .filter(|(name, _)| !HEAD.contains(&name.as_str()));
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (name, value) in head.chain(rest) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
